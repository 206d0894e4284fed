"""The sample applications of tests/apps, two sides of each, on plain HTTP and on https at once.

    with pair(Django, folder) as (old, new):     both started, both ready
    old.side, old.name                           old, old.internal
    old.url_as("http"), old.url_as("https")      as the proxy's configuration may have it
    old.ca_file                                  whom to believe its certificate

Each answers to the public name, to its own, and to the host of its URLs: localhost for old and
127.0.0.1 for new, so that the two differ. Its certificate is for the latter two. Both sides of a
pair have one secret and (Django) one database, as when an application moves.
"""

import contextlib
import os
import shutil
import sys

from certs import Authority
from cutover import ROOT, Process, Server, free_port, wait_for_port

APPS = ROOT / "tests" / "apps"
PUBLIC = "app.example.test"
USER, PASSWORD = "ada", "correct horse"


def environment(folder, **own):
    """What an application is told: the same for both sides, and what is its own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "SECRET": "both sides have this one", "PUBLIC": PUBLIC,
            "LOGIN": f"{USER}:{PASSWORD}", "DATABASE": str(folder / "database"),
            "NODE_PATH": "/usr/share/nodejs", "PYTHONDONTWRITEBYTECODE": "1", **own}


class Application(Server):
    """One side of one of them; see pair()."""

    def __init__(self, side, folder, authority):
        self.side, self.name = side, f"{side}.internal"
        self.url_host = "localhost" if side == "old" else "127.0.0.1"
        self.port, self.secure_port = free_port(), free_port()
        self.ca_file = authority.ca_file
        names = [self.name, "localhost"] if side == "old" else [self.name]
        self.certificate, self.key = authority.issue(names, [] if side == "old" else ["127.0.0.1"])
        told = environment(folder, SIDE=side, HOSTS=f"{self.name},{self.url_host}",
                           PORT=str(self.port), TLS_PORT=str(self.secure_port),
                           CERTIFICATE=self.certificate, KEY=self.key)
        self.processes = [Process(argv, cwd=APPS, env=told) for argv in self.commands()]

    @staticmethod
    def prepare(folder):
        """What both sides need, before the first."""

    def commands(self):
        raise NotImplementedError

    def url_as(self, scheme):
        return f"{scheme}://{self.url_host}:{self.port if scheme == 'http' else self.secure_port}"

    @property
    def url(self):
        return self.url_as("http")

    @property
    def running(self):
        return all(process.running for process in self.processes)

    def wait(self):
        """Until both ports answer."""
        for port, process in zip((self.port, self.secure_port), self.processes * 2):
            door = Server()
            door.port = port
            wait_for_port(door, process)

    def stop(self):
        for process in self.processes:
            process.end()

    def lines(self):
        """What it has written so far."""
        return [line for process in self.processes for line in process.lines() + process.err]


class Django(Application):
    """Under daphne, with channels."""

    @staticmethod
    def prepare(folder):
        process = Process([sys.executable, "-m", "django_app.prepare", USER, PASSWORD], cwd=APPS,
                          env=environment(folder, SIDE="", HOSTS=""))
        assert process.wait(30) == 0, process.err

    def commands(self):
        secure = f"ssl:{self.secure_port}:interface=127.0.0.1" \
                 f":privateKey={self.key}:certKey={self.certificate}"
        return [[sys.executable, "-m", "daphne", "-v", "0", "--proxy-headers", "-b", self.host,
                 "-p", str(self.port), "-e", secure, "django_app.asgi:application"]]


class FastApi(Application):
    """Under uvicorn, which takes one address: twice."""

    def commands(self):
        uvicorn = [sys.executable, "-m", "uvicorn", "fastapi_app:app", "--host", self.host,
                   "--log-level", "warning", "--port"]
        return [[*uvicorn, str(self.port)],
                [*uvicorn, str(self.secure_port), "--ssl-certfile", self.certificate,
                 "--ssl-keyfile", self.key]]


class Express(Application):
    """Under Node alone."""

    def commands(self):
        return [[shutil.which("node") or "/usr/bin/node", str(APPS / "express_app" / "main.js")]]


@contextlib.contextmanager
def pair(kind, folder):
    """(old, new) of a kind, until the end of the block."""
    authority = Authority(folder)
    kind.prepare(folder)
    with contextlib.ExitStack() as running:
        sides = []
        for side in ("old", "new"):
            sides.append(kind(side, folder, authority))
            running.callback(sides[-1].stop)
        for application in sides:
            application.wait()
        yield sides
