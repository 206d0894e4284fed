"""The pages, and which path leads to which."""

import hashlib
import os

from django.contrib.auth import authenticate, login
from django.http import HttpResponse, HttpResponseForbidden, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import get_token
from django.urls import path

SIDE = os.environ["SIDE"]
FORM = """<form method="post"><input type="hidden" name="csrfmiddlewaretoken" value="{token}">
<input name="user"><input name="password" type="password"></form>"""


def marked(page):
    """Says in a header which side has answered."""
    def answer(request):
        response = page(request)
        response["X-Backend"] = SIDE
        return response

    return answer


def front(request):
    return HttpResponse(f"Django, {SIDE}\n")


def health(request):
    return HttpResponse("ok\n")


def sign_in(request):
    if request.method != "POST":
        return HttpResponse(FORM.format(token=get_token(request)))
    user = authenticate(request, username=request.POST["user"], password=request.POST["password"])
    if user is None:
        return HttpResponseForbidden("no such user\n")
    login(request, user)
    return HttpResponseRedirect(request.build_absolute_uri("/members"))


def members(request):
    if not request.user.is_authenticated:
        return HttpResponseRedirect(request.build_absolute_uri("/login"))
    return JsonResponse({"side": SIDE, "user": request.user.get_username()})


def upload(request):
    file = request.FILES["file"]
    digest = hashlib.sha256()
    for part in file.chunks():
        digest.update(part)
    return JsonResponse({"side": SIDE, "name": file.name, "bytes": file.size,
                         "sha256": digest.hexdigest()})


def preferences(request):
    response = JsonResponse({"side": SIDE})
    response.set_cookie("theme", "dark", secure=True)
    response.set_cookie("language", "en", secure=True, max_age=86400)
    response.set_cookie("home", SIDE, secure=True, domain=request.get_host().split(":")[0])
    return response


def seen(request):
    return JsonResponse({
        "side": SIDE, "address": request.META["REMOTE_ADDR"], "scheme": request.scheme,
        "host": request.get_host(), "url": request.build_absolute_uri(),
        "cookies": sorted(request.COOKIES),
    })


urlpatterns = [
    path("", marked(front)),
    path("health", marked(health)),
    path("login", marked(sign_in)),
    path("members", marked(members)),
    path("upload", marked(upload)),
    path("preferences", marked(preferences)),
    path("seen", marked(seen)),
]
