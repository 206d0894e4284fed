"""Real frameworks on both sides: Django with channels, FastAPI, Express (tests/apps).

Users log in, are redirected, keep cookies, upload and open WebSockets on old, on new, and while
they are moved from one to the other and back.
"""

import contextlib
import hashlib
import os
import ssl

import pytest
import websockets

from apps import PASSWORD, PUBLIC, USER, Django, Express, FastApi, pair
from browser import Browser
from certs import Authority
from cutover import Proxy, cli

ORIGIN = f"https://{PUBLIC}"
CLIENT = "203.0.113.7"
NEIGHBOUR = "127.0.0.2"  # a client whom nobody has reason to believe
EVIL = "https://evil.example.test"
FILE = os.urandom(3 << 20)

# A load balancer in front that ends TLS; the proxy is told to believe it.
EDGE = {"X-Forwarded-Proto": "https", "X-Forwarded-For": CLIENT}
BELIEVED = {"forwarded": {"trust": ["127.0.0.1"]}}


@pytest.fixture(scope="module", params=[Django, FastApi, Express], ids=lambda kind: kind.__name__)
def sides(request, tmp_path_factory):
    with pair(request.param, tmp_path_factory.mktemp("apps")) as both:
        yield both


@pytest.fixture(autouse=True)
def applications_speak(request, sides):
    """When a test fails: what the applications have to say."""
    lines = [len(side.lines()) for side in sides]
    yield
    if request.node.failed_in_call:
        for side, before in zip(sides, lines):
            print("\n".join([f"--- {side.name}", *side.lines()[before:]]))


ONLY_DJANGO = pytest.mark.parametrize("sides", [Django], ids=["Django"], indirect=True)


class User(Browser):
    """What people do with the applications; each step says which side must have answered."""

    def log_in(self, side):
        form = self.get("/members")  # leads to the form
        assert (form.status, form.path, form.side) == (200, "/login", side), form
        self.token = form.hidden().get("token")
        page = self.submit({"user": USER, "password": PASSWORD})
        assert page.url == self.origin + "/members"
        assert page.json() == {"side": side, "user": USER}

    def see_members(self, side):
        assert self.get("/members").json() == {"side": side, "user": USER}

    def keep_cookies(self, side):
        page = self.get("/preferences")
        names = [value.split("=")[0] for value in page.headers.get_all("Set-Cookie")]
        assert names[:3] == ["theme", "language", "home"]
        assert [self.cookie(name) for name in names[:3]] == ["dark", "en", side]
        assert self.cookie("cutover")
        assert all(cookie.secure for cookie in self.jar), list(self.jar)
        sent_back = self.get("/seen").json()["cookies"]
        assert set(names) <= set(sent_back)
        assert "cutover" not in sent_back, "it is ours"

    def upload(self, side):
        token = self.cookie("csrftoken") or self.token
        page = super().upload("/upload", "file", "three.bin", FILE, {"X-CSRFToken": token}).json()
        assert page == {"side": side, "name": "three.bin", "bytes": len(FILE),
                        "sha256": hashlib.sha256(FILE).hexdigest()}

    def talk(self, side, socket):
        assert socket.ask("hello") == {"side": side, "user": USER, "echo": "hello"}

    def do_everything(self, side):
        self.log_in(side)
        self.keep_cookies(side)
        self.upload(side)
        with self.socket("/ws") as socket:
            self.talk(side, socket)
        self.see_members(side)

    def travel(self, site):
        """From old to new and back. Pages follow at once, open WebSockets stay."""
        with contextlib.ExitStack() as sockets:
            self.log_in("old")
            self.keep_cookies("old")
            on_old = sockets.enter_context(self.socket("/ws"))
            self.talk("old", on_old)

            site.run("weight", "100", "--reason", "all of them")
            self.see_members("new")
            self.upload("new")
            self.keep_cookies("new")
            on_new = sockets.enter_context(self.socket("/ws"))
            self.talk("new", on_new)
            self.talk("old", on_old)

            site.run("rollback", "--reason", "not yet")
            self.see_members("old")
            self.upload("old")
            self.talk("old", on_old)
            self.talk("new", on_new)
            assert [on_old.close(), on_new.close()] == [1000, 1000]

    def seen(self):
        """What the application takes for (side, client, scheme, host, URL)."""
        page = self.get("/seen?a=b").json()
        return tuple(page[key] for key in ("side", "address", "scheme", "host", "url"))


class Site(Proxy):
    """The proxy, for those who know nothing but the public name. An edge in front ends TLS."""

    edge, ca_file = EDGE, None

    def get(self, path="/", headers=None):
        return super().get(path, {"Host": PUBLIC, **self.edge, **(headers or {})})

    def user(self, edge=None, source=None):
        return User(self.address, ORIGIN, self.edge if edge is None else edge, self.ca_file, source)

    def run(self, *command):
        done = cli(*command, "--admin", f"http://127.0.0.1:{self.admin_port}")
        assert done.returncode == 0, done


class SecureSite(Site):
    """With nobody in front: TLS is its own."""

    edge = {}

    def __init__(self, old, new, config, authority):
        self.ca_file = authority.ca_file
        self.certificate, self.key = authority.issue([PUBLIC])
        super().__init__(old, new, config)

    def base_config(self):
        config = super().base_config()
        config["listen"][0]["tls"] = {"certificate": self.certificate, "key": self.key}
        return config

    def connect(self, timeout=10.0):
        wire = super().connect(timeout)
        tls = ssl.create_default_context(cafile=self.ca_file)
        wire.sock = tls.wrap_socket(wire.sock, server_hostname=PUBLIC)
        return wire


# --- the ways in which the two sides may be asked

def as_client(side):
    """It sees the public name; its health is asked under it as well, the only one it knows then."""
    return {"host": "client", "health": {"host": PUBLIC}}


def as_literal(side):
    """It sees its own name."""
    return {"host": side.name}


def as_upstream(side):
    """It sees what its URL says: localhost or 127.0.0.1, with the port. The default."""
    return {}


def to_backend(way, side, scheme="http"):
    """Its part of the configuration."""
    backend = {"servers": [side.url_as(scheme)], **way(side)}
    if scheme == "https":
        backend["tls"] = {"ca_file": side.ca_file}
        if way is as_client:
            backend["tls"]["names"] = [side.name]  # its certificate is not for the public name
    return backend


def host_seen(way, side, scheme="http"):
    if way is as_client:
        return PUBLIC
    return side.name if way is as_literal else side.url_as(scheme).split("//")[1]


WAYS = pytest.mark.parametrize("way", [as_client, as_literal, as_upstream])


def behind_edge(start, sides, way):
    backends = {side.side: to_backend(way, side) for side in sides}
    return start(Site, *sides, {"backends": backends, **BELIEVED})


# --- on either side, and from one to the other

@WAYS
def test_users_do_everything_on_either_side(start, sides, way):
    site = behind_edge(start, sides, way)
    for weight, side in zip((0, 100), sides):
        site.weight(weight)
        with site.user() as user:
            user.do_everything(side.side)
            host = host_seen(way, side)
            assert user.seen() == (side.side, CLIENT, "https", host, f"https://{host}/seen?a=b")


@WAYS
def test_a_user_is_moved_and_comes_back(start, sides, way):
    """One login, one connection for the pages, and WebSockets that stay where they were opened."""
    site = behind_edge(start, sides, way)
    with site.user() as user:
        user.travel(site)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Whom browsers trust; not the one whom the proxy trusts."""
    return Authority(tmp_path_factory.mktemp("public"), "Public Authority")


@WAYS
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_same_over_tls(start, sides, authority, way, scheme):
    """TLS to the clients; and to the servers, where the scheme is https."""
    backends = {side.side: to_backend(way, side, scheme) for side in sides}
    site = start(SecureSite, *sides, {"backends": backends}, authority)
    with site.user(source=NEIGHBOUR) as user:
        user.travel(site)
    site.weight(100)
    with site.user(source=NEIGHBOUR) as user:
        user.do_everything("new")
        host = host_seen(way, sides[1], scheme)
        assert user.seen() == ("new", NEIGHBOUR, "https", host, f"https://{host}/seen?a=b")


# --- what the applications refuse stays refused

@WAYS
def test_a_foreign_page_gets_nowhere(start, sides, way):
    site = behind_edge(start, sides, way)
    with site.user() as user:
        user.get("/login")
        page = user.submit({"user": USER, "password": PASSWORD},
                           {"Origin": EVIL, "Referer": EVIL + "/"})
        assert page.status == 403, page
        assert user.get("/members").path == "/login", "not logged in"
        with pytest.raises(websockets.InvalidHandshake, match="403"):
            user.socket("/ws", origin=EVIL)
        with user.socket("/ws") as socket:
            assert socket.ask("hello") == {"side": "old", "user": "", "echo": "hello"}


def test_a_host_that_is_not_theirs_is_refused_by_the_application(start, sides):
    """With `host: client` they see it, and are the ones who judge it."""
    site = behind_edge(start, sides, as_client)
    assert site.get("/", {"Host": "evil.example.test"}).status == 400
    assert site.get("/").status == 200


# --- whom to believe about https and the client's address

def test_what_a_stranger_says_of_itself_is_not_believed(start, sides):
    """The applications believe the proxy; the proxy believes the edge, and nobody else."""
    site = behind_edge(start, sides, as_client)
    with site.user(source=NEIGHBOUR) as user:  # says what the edge would say
        assert user.seen() == ("old", NEIGHBOUR, "http", PUBLIC, f"http://{PUBLIC}/seen?a=b")


@ONLY_DJANGO
@WAYS
def test_https_is_asked_for_once(start, sides, way):
    """SECURE_SSL_REDIRECT: no circle behind an edge that ends TLS, and without one the public name:
    an answer with http:// would lead to the same question again."""
    site = behind_edge(start, sides, way)
    for weight in (0, 100):
        site.weight(weight)
        with site.user() as user:
            assert user.get("/login?next=/", follow=False).status == 200
        for stranger in site.user(edge={}), site.user(source=NEIGHBOUR):
            with stranger:
                page = stranger.get("/login?next=/", follow=False)
                assert (page.status, page.headers["Location"]) == (301, ORIGIN + "/login?next=/")
