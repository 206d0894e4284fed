"""What daphne runs: pages, and one WebSocket that tells the side, the user and what it was sent."""

import json
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_app.settings")
pages = get_asgi_application()  # before anything that needs Django's settings

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.generic.websocket import WebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.urls import path  # noqa: E402


class Echo(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=json.dumps({
            "side": os.environ["SIDE"], "user": self.scope["user"].get_username(),
            "echo": text_data,
        }))


application = ProtocolTypeRouter({
    "http": pages,
    "websocket": AllowedHostsOriginValidator(
        AuthMiddlewareStack(URLRouter([path("ws", Echo.as_asgi())]))),
})
