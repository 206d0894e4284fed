"""The sample configurations at work: with other names, and otherwise as they are.

Each stands in a world of names.py, so that even its addresses and ports are those it says. Behind
the proxy are edges that behave as the platforms do (edges.py), in front of it browsers, or the load
balancer that the sample speaks of.

The samples promise that a user changes only the lines marked EDIT. So only these get other names
here, and a name that is left over elsewhere is a mistake of the sample. Besides, its folders are in
the folder of the test, and SSL_CERT_FILE says whom the system trusts.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import ssl
import time
from pathlib import Path

import pytest
import yaml

from browser import Browser
from certs import Authority
from cutover import ROOT, Origin, Process, Wrk, cli, free_port
from edges import RAILWAY_EDGE_ADDRESS, AlbEdge, LightsailEdge, RailwayEdge, SiteNginx
from names import NamedProxy, Names, in_world, shim  # noqa: F401 (a fixture)
from tls import SecureWire, client, secure
from wire import Wire, eventually

PUBLIC = "www.shop.test"
RAILWAY = "shop-production.up.railway.app"
LIGHTSAIL = "shop.0a1b2c3d.eu-west-1.cs.amazonlightsail.com"
ALB = "shop-77.eu-west-1.elb.amazonaws.com"
NGINX = "10.7.0.9"
VPC, FRONT = "127.0.10.0/24", "127.0.10.1"

# What the samples call them.
NAMES = {
    "app.up.railway.app": RAILWAY,
    "www.example.org": PUBLIC,
    "app.abc123def456.eu-central-1.cs.amazonlightsail.com": LIGHTSAIL,
    "app-1234567890.eu-central-1.elb.amazonaws.com": ALB,
    "10.0.0.5": NGINX,
    "10.0.0.0/16": VPC,
}

USER, PROXY = "127.0.0.2", "127.0.0.1"
SECRET = "a-word-that-both-applications-know"
SMALL, LARGE = os.urandom(900 * 1024), os.urandom(5 << 20)


# --- a sample as its user leaves it


def marked(text):
    """Its lines, each with whether it is the user's to change: the line below "# EDIT:" with all
    that lies below it."""
    is_comment, is_ours, depth = False, False, 0
    for line in text.splitlines():
        before, is_comment = is_comment, line.lstrip().startswith("#")
        indent = len(line) - len(line.lstrip())
        if is_comment:
            is_ours = "# EDIT:" in line or (before and is_ours)
        elif before:
            depth = indent
        else:
            is_ours = is_ours and indent > depth
        yield line, is_ours and not is_comment


def edited(text):
    """With the names of here in the lines that may be changed, and without its comments."""
    lines = []
    for line, is_ours in marked(text):
        if is_ours:
            for name, ours in NAMES.items():
                line = line.replace(name, ours)
        if not line.lstrip().startswith("#"):
            lines.append(line)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", ["lightsail", "ecs-alb", "alibaba"])
def test_every_name_that_must_be_changed_is_marked(name):
    text = edited((ROOT / "conf" / f"railway-to-{name}.yaml").read_text())
    assert RAILWAY in text
    assert not [x for x in NAMES if x in text]
    assert not re.findall(r"(?i)example\.|\d+\.eu-central", text)


# --- the world around it


class Trust:
    """Who vouches for whom: each platform, and the public, has an authority of its own."""

    def __init__(self, folder):
        self.railway, self.amazon, self.alibaba, self.public = (
            Authority(folder, f"{name} Authority") for name in ("Railway", "Amazon", "nginx", "Public"))
        self.pair = self.public.issue([PUBLIC])
        self.system = folder / "system.pem"
        self.system.write_text("".join(Path(x.ca_file).read_text()
                                       for x in (self.railway, self.amazon, self.alibaba)))


@pytest.fixture(scope="module")
def trust(tmp_path_factory):
    return Trust(tmp_path_factory.mktemp("trust"))


class SampleProxy(NamedProxy):
    """The proxy with a sample, and with what the sample says is there: files and addresses."""

    def __init__(self, shim, names, sample, folder, trust):  # noqa: F811 (not the fixture)
        self.trust, self.etc, self.var = trust, folder / "etc", folder / "var"
        self.text = sample.replace("/etc/cutover", str(self.etc)).replace("/var/lib/cutover", str(self.var))
        self.plain_port = free_port()
        self.front = None
        (self.var / "acme").mkdir(parents=True)
        (self.etc / "tls").mkdir(parents=True)
        for made, name in zip(trust.pair, ("fullchain.pem", "privkey.pem")):
            shutil.copy(made, self.etc / "tls" / name)
        for name in ("edge-secret", "admin-token"):
            (self.etc / name).write_text(SECRET + "\n")
        super().__init__(shim, names, None, None, folder=folder)

    def base_config(self):
        """What the sample says. Its addresses become those that were found to be free here."""
        config = yaml.safe_load(self.text)
        config.setdefault("admin", {"address": "127.0.0.1:9901"})
        for listener in config["listen"]:
            port = self.plain_port if "redirect_https" in listener else self.port
            self.names.place(*listener["address"].split(":"), port)
        self.names.place(*config["admin"]["address"].split(":"), self.admin_port)
        self.has_tls = any("tls" in listener for listener in config["listen"])
        return config

    def write_config(self, text=None):
        super().write_config(text or self.text)

    def environment(self):
        return {**super().environment(), "SSL_CERT_FILE": str(self.trust.system)}

    def connect(self, timeout=10.0):
        wire = super().connect(timeout)
        if self.has_tls:
            wire.sock = client(self.trust.public).wrap_socket(wire.sock, server_hostname=PUBLIC)
        return wire

    def request(self, method="GET", path="/", headers=None, body=None, version="1.1"):
        return super().request(method, path, {"Host": PUBLIC, **(headers or {})}, body, version)

    def change(self, old, new):
        """One line of the sample, by a reload."""
        assert old in self.text
        self.text = self.text.replace(old, new)
        self.write_config()
        answer = self.admin("POST", "/v1/reload")
        assert answer.status == 200, answer

    def complaints(self):
        """What a user would wonder about."""
        fine = ("ok", "tunnel")  # but slow, when the machine is busy
        lines = [x for x in self.logs() if x["level"] not in ("debug", "info") and x.get("outcome") not in fine]
        return lines + self.status().get("warnings", []) + self.process.err

    def check_unharmed(self):
        if self.front:  # it keeps connections
            self.front.stop()
        super().check_unharmed()

    def run(self, *command, timeout=20):
        """The program's other verbs, in the same world."""
        return cli(*command, env=self.environment(), timeout=timeout)


class User(Browser):
    """What a person does with the application, and what the application must be seen to do."""

    def echo(self, path="/echo", headers=None):
        """What reached the application: (side, {header: value}, all in lower case)."""
        seen = self.get(path, headers).json()
        return seen["backend"], {name.lower(): value for name, value in seen["headers"]}

    def send(self, data, headers=None):
        page = self.post("/upload", data, "application/octet-stream", headers).json()
        assert page["bytes"] == len(data) and page["sha256"] == hashlib.sha256(data).hexdigest()
        return page["backend"]

    def ask_socket(self, side):
        with self.socket("/ws") as socket:
            assert socket.ask('"hello"') == "hello"
            assert socket.close() == 1000

    def do_everything(self, side, host):
        """`host`: the name under which this side is asked."""
        assert self.get("/").side == side
        for data in (SMALL, LARGE):
            assert self.send(data) == side
        assert self.get("/cookies").headers.get_all("Set-Cookie")[:2] == [
            "session=one; Path=/; HttpOnly", "theme=dark; Expires=Wed, 09 Jun 2100 10:18:14 GMT; Path=/"]
        _, seen = self.echo()
        assert "theme=dark" in seen["cookie"] and "cutover" not in seen["cookie"]
        page = self.get(f"/redirect?to=https%3A%2F%2F{host}%2Fbytes%2F9")
        assert (page.url, page.side) == (f"https://{PUBLIC}/bytes/9", side), "where the application leads"
        self.get("/domain-cookie")
        assert self.cookie("basket") == "full", "a browser took it"
        assert len(self.get("/", {"X-Large": "x" * 12000}).text) > 0
        self.ask_socket(side)


class Move:
    """A sample with everything around it. Subclasses say what their new side is.

    With `idle_s` it is a world in which the sample's upstream_idle is so long, and in which edges keep
    connections for as much shorter or longer."""

    sample = host_seen = None
    seen_by_new, has_front = f"{USER}, {PROXY}", False
    gone = "platform_503"  # the outcome when take_new_away() was called

    def __init__(self, start, shim, folder, trust, idle_s=None, **railway):  # noqa: F811
        self.start, self.folder, self.trust, self.shim = start, folder, trust, shim
        self.names = Names(folder)
        text = edited((ROOT / "conf" / f"railway-to-{self.sample}.yaml").read_text())
        in_sample = re.search(r"upstream_idle: (\d+)s\n", text)
        self.scale = idle_s / int(in_sample.group(1)) if idle_s else 1
        self.old, self.new = start(Origin, "old"), start(Origin, "new")
        self.railway = start(RailwayEdge, folder / "railway", self.old, trust.railway, RAILWAY, self.domains,
                             quiet=self.scaled(60), **railway)
        self.put(RAILWAY, "203.0.113.10", self.railway)
        self.edge = self.make_edge()
        if idle_s:
            text = text.replace(in_sample.group(0), f"upstream_idle: {idle_s}s\n")
        self.proxy = start(SampleProxy, shim, self.names, text, folder, trust)
        self.door = self.make_door()
        self.put(PUBLIC, "203.0.113.99", self.door)

    @property
    def domains(self):
        """What is attached to both platforms."""
        return [] if self.host_seen is None else [PUBLIC]

    def put(self, name, address, server):
        self.names.set(name, address)
        self.names.place(address, 443, server.port)
        self.names.place(address, 80, server.plain_port)

    def scaled(self, seconds):
        return f"{seconds * self.scale * 1000:.0f}ms"

    def make_edge(self):
        raise NotImplementedError

    def make_door(self):
        """Where users arrive."""
        return self.proxy

    def take_new_away(self):
        raise NotImplementedError

    def host_of(self, side):
        return self.host_seen or (RAILWAY if side == "old" else self.edge_name)

    def user(self):
        return User(self.door.address, f"https://{PUBLIC}", ca_file=self.trust.public.ca_file, source=USER)

    def wait_up(self):
        for side in ("old", "new"):
            self.proxy.wait_health(side, "up", timeout=3)


class ToLightsail(Move):
    sample, edge_name, edge_quiet_s = "lightsail", LIGHTSAIL, 15

    def make_edge(self):
        edge = self.start(LightsailEdge, self.folder / "lightsail", self.new, self.trust.amazon, LIGHTSAIL,
                          quiet=self.scaled(self.edge_quiet_s))
        self.put(LIGHTSAIL, "203.0.113.20", edge)
        return edge

    def take_new_away(self):
        self.edge.disable()


class ToAlb(Move):
    """Users come by a load balancer of the proxy's own."""

    sample, host_seen, edge_quiet_s = "ecs-alb", PUBLIC, 60
    seen_by_new, has_front = f"{USER}, {FRONT}, {PROXY}", True

    def make_edge(self):
        edge = self.start(AlbEdge, self.folder / "app", self.new, self.trust.amazon, [PUBLIC],
                          quiet=self.scaled(self.edge_quiet_s))
        self.put(ALB, "203.0.113.30", edge)
        return edge

    def take_new_away(self):
        self.edge.deregister()

    def make_door(self):
        self.proxy.front = self.start(AlbEdge, self.folder / "front", self.proxy, self.trust.public, [PUBLIC],
                                      source=FRONT, served="", quiet="300s", patience="300s")
        return self.proxy.front


class ToAlibaba(Move):
    """With the nginx of the documents."""

    sample, host_seen, edge_quiet_s = "alibaba", PUBLIC, 75
    gone = "connect_refused"

    def make_edge(self):
        page = (ROOT / "docs" / "platforms.md").read_text()
        text = re.search(r"(?s)```nginx\n(.*?)```", page).group(1)
        quiet = {"keepalive_timeout 75s;": f"keepalive_timeout {self.scaled(self.edge_quiet_s)};"}
        return self.make_nginx(text, quiet)

    def make_nginx(self, text, changes=None):
        certificate, key = self.trust.alibaba.issue([PUBLIC])
        port = free_port()
        edge = self.start(SiteNginx, self.folder / "nginx", text, {
            "127.0.0.1:8000": self.new.authority,
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "server_name www.example.org;": f"server_name {PUBLIC};",
            "/etc/nginx/tls/fullchain.pem": certificate,
            "/etc/nginx/tls/privkey.pem": key, **(changes or {})}, port)
        self.names.place(NGINX, 443, edge.port)
        return edge

    def take_new_away(self):
        self.edge.stop()


class ToFreshNginx(ToAlibaba):
    """With nginx as it comes."""

    def make_edge(self):
        return self.make_nginx("""
            server {
                listen 443 ssl;
                server_name www.example.org;
                ssl_certificate /etc/nginx/tls/fullchain.pem;
                ssl_certificate_key /etc/nginx/tls/privkey.pem;
                location / {
                    proxy_pass http://127.0.0.1:8000;
                }
            }
            """)


MOVES = [ToLightsail, ToAlb, ToAlibaba]


@pytest.fixture(params=MOVES, ids=lambda kind: kind.sample)
def move(request, start, shim, tmp_path, trust):  # noqa: F811
    return request.param(start, shim, tmp_path, trust)


# --- the edges are what they pretend to be


@pytest.fixture
def application(start):
    return start(Origin, "app")


def test_railways_edge(start, application, tmp_path, trust):
    """SNI decides about the certificate, Host about the service; it has its own view of addresses."""
    edge = start(RailwayEdge, tmp_path / "edge", application, trust.railway, RAILWAY, [PUBLIC])
    with pytest.raises(ssl.SSLError):
        secure(edge.address)
    for name, shown in ((RAILWAY, "*.up.railway.app"), (PUBLIC, PUBLIC), ("other.test", "*.up.railway.app")):
        context = client(trust.railway)
        context.check_hostname = False
        with SecureWire(edge.address, context, name) as wire:
            assert wire.names() == [shown]
            assert wire.get("/", {"Host": name}).status == (404 if name == "other.test" else 200)
            answer = wire.get("/", {"Host": "other.test"})
            assert (answer.status, answer.header("x-railway-fallback")) == (404, "true")
            assert json.loads(answer.body)["message"] == "Application not found"
    with secure(edge.address, trust.railway, PUBLIC) as wire:
        forged = {"Host": PUBLIC, "X-Real-IP": "6.6.6.6", "X-Forwarded-For": "7.7.7.7", "X-Forwarded-Proto": "http"}
        seen = dict(wire.get("/echo", forged).json()["headers"])
        assert (seen["X-Real-IP"], seen["X-Forwarded-Proto"], seen["X-Forwarded-Host"]) == (
            "127.0.0.1", "https", PUBLIC)
        assert seen["X-Forwarded-For"] == f"127.0.0.1, {RAILWAY_EDGE_ADDRESS}"
        assert abs(int(seen["X-Request-Start"]) / 1000 - time.time()) < 5
    with secure(edge.address, trust.railway, PUBLIC) as wire:
        assert wire.get("/", {"Host": PUBLIC, "X-Large": "x" * 31000}).status == 200
    with secure(edge.address, trust.railway, PUBLIC) as wire:
        assert wire.get("/", {"Host": PUBLIC, "X-Large": "x" * 33000}).status == 400
    with Wire((edge.host, edge.plain_port)) as wire:
        answer = wire.request("POST", "/a", {"Host": PUBLIC}, b"x")
        assert (answer.status, answer.header("Location")) == (301, f"https://{PUBLIC}/a"), "a GET, for browsers"
    hasty = start(RailwayEdge, tmp_path / "hasty", application, trust.railway, RAILWAY, quiet="300ms")
    with secure(hasty.address, trust.railway, RAILWAY) as wire:
        begun = time.monotonic()
        assert wire.get("/", {"Host": RAILWAY}).status == 200
        assert wire.at_end() and time.monotonic() - begun > 0.2, "quiet for too long"
    application.kill()
    with secure(edge.address, trust.railway, PUBLIC) as wire:
        answer = wire.get("/", {"Host": PUBLIC})
        assert (answer.status, answer.header("x-railway-fallback")) == (502, "true")
    application.start()


def test_amazons_edges(start, application, tmp_path, trust):
    alb = start(AlbEdge, tmp_path / "alb", application, trust.amazon, [PUBLIC])
    container = start(LightsailEdge, tmp_path / "container", application, trust.amazon, LIGHTSAIL, [PUBLIC])
    with secure(alb.address, trust.amazon, PUBLIC) as wire:
        seen = dict(wire.get("/echo", {"Host": "other.test", "X-Forwarded-For": "7.7.7.7"}).json()["headers"])
        assert (seen["Host"], seen["X-Forwarded-For"]) == ("other.test", "7.7.7.7, 127.0.0.1")
        assert seen["X-Amzn-Trace-Id"].startswith("Root=1-")
    for name in (LIGHTSAIL, PUBLIC):
        with secure(container.address, trust.amazon, name) as wire:
            assert wire.get("/", {"Host": name}).status == 200
            assert b"No Such Service" in wire.get("/", {"Host": "other.test"}).body
    application.kill()
    container.disable()
    with secure(alb.address, trust.amazon, PUBLIC) as wire:
        answer = wire.get("/health", {"Host": PUBLIC})
        assert (answer.status, answer.header("Server")) == (502, "awselb/2.0")
        alb.deregister()
        answer = wire.get("/", {"Host": PUBLIC})
        assert (answer.status, answer.header("Server")) == (503, "awselb/2.0")
    with secure(container.address, trust.amazon, PUBLIC) as wire:
        assert wire.get("/", {"Host": PUBLIC}).status == 503
    application.start()


# --- what users do


def test_users_do_everything_on_either_side(move):
    move.wait_up()
    with move.user() as user:
        for weight, side in ((0, "old"), (100, "new")):
            move.proxy.weight(weight)
            user.do_everything(side, move.host_of(side))
        answer = move.proxy.admin("POST", "/v1/rollback", {"reason": "not yet"})
        assert answer.status == 200, answer
        user.do_everything("old", move.host_of("old"))
    assert move.proxy.complaints() == []


def test_what_the_applications_see(move):
    """The name that the sample promises, and the user's address with the word that vouches for it:
    whatever the user says, and whatever the edge makes of all other headers."""
    forged = {"X-Client-IP": "6.6.6.6", "X-Cutover-Secret": "guess", "X-Forwarded-For": "7.7.7.7",
              "X-Real-IP": "8.8.8.8", "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "http"}
    for weight, side in ((0, "old"), (100, "new")):
        move.proxy.weight(weight)
        with move.user() as user:
            for headers in ({}, forged):
                who, seen = user.echo(headers=headers)
                assert who == side
                assert seen["host"] == move.host_of(side)
                assert (seen["x-client-ip"], seen["x-cutover-secret"]) == (USER, SECRET)
                assert seen["x-forwarded-proto"] == "https"
                if side == "old":
                    assert seen["x-real-ip"] == PROXY, "which is why X-Client-IP is there"
                    assert seen["x-forwarded-for"] == f"{PROXY}, {RAILWAY_EDGE_ADDRESS}"
                    assert seen["x-forwarded-host"] == move.host_of(side)
                else:
                    assert seen["x-forwarded-for"].endswith(move.seen_by_new), seen
                    assert ("7.7.7.7" in seen["x-forwarded-for"]) == (bool(headers) and move.has_front)


def test_half_of_the_users(move):
    """Each stays where it is, and a load of strangers meets no error."""
    move.wait_up()
    move.proxy.weight(50)
    with contextlib.ExitStack() as stack:
        users = [stack.enter_context(move.user()) for _ in range(10)]
        sides = [user.get("/").side for user in users]
        assert 4 <= sides.count("new") <= 6
        assert [user.get("/echo").side for user in users] == sides
    burst = Burst(move)
    requests, failed, text = burst.result()
    assert failed == 0 and requests > 100, text
    assert move.new.served() / requests == pytest.approx(0.5, abs=0.05)
    assert move.old.served() / requests == pytest.approx(0.5, abs=0.05)
    assert move.proxy.complaints() == []


class Burst(Wrk):
    """wrk, as strangers who ask for the public name."""

    def __init__(self, move, seconds=2):
        self.seconds = seconds
        self.process = Process(["wrk", "-t1", "-c16", f"-d{seconds}s", "--timeout", "5s", f"https://{PUBLIC}/"],
                               env=in_world(move.shim, move.names))


def test_hooks_and_files_of_a_build(move):
    """They are pinned; and a page of one build finds its files, wherever its user is by then."""
    move.railway.serve("/assets/page-1.js", "one")
    move.edge.serve("/assets/page-2.js", "two")
    move.proxy.weight(100)
    with move.user() as user:
        assert user.post("/webhooks/paid", b"{}", "application/json").side == "old"
        for weight in (100, 0):
            move.proxy.weight(weight)
            assert user.get("/assets/page-1.js").text == "one"
            assert user.get("/assets/page-2.js").text == "two"
            assert user.get("/assets/page-3.js").status == 404
    assert move.proxy.metric("cutover_requests_total", reason="skew") >= 2
    assert move.proxy.complaints() == []


@pytest.mark.parametrize("move", [ToLightsail, ToAlibaba], indirect=True, ids=lambda kind: kind.sample)
def test_port_80(move):
    """Users are sent to https, certbot's challenges are answered."""
    challenge = move.proxy.var / "acme" / ".well-known" / "acme-challenge" / "token-1"
    challenge.parent.mkdir(parents=True)
    challenge.write_text("token-1.thumbprint")
    with Wire(("127.0.0.1", move.proxy.plain_port)) as wire:
        answer = wire.request("POST", "/cart?a=b", {"Host": PUBLIC}, b"hello")
        assert (answer.status, answer.header("Location")) == (308, f"https://{PUBLIC}/cart?a=b")
    with Wire(("127.0.0.1", move.proxy.plain_port)) as wire:
        answer = wire.get("/.well-known/acme-challenge/token-1", {"Host": PUBLIC})
        assert (answer.status, answer.body) == (200, b"token-1.thumbprint")


@pytest.mark.parametrize("move", [ToAlb], indirect=True, ids=lambda kind: kind.sample)
def test_the_load_balancer_in_front_asks_for_health(move):
    """By address, and without the token that everything else there needs."""
    answer = move.proxy.admin("GET", "/readyz", headers={"Authorization": None, "Host": "10.7.3.1:9901"})
    assert answer.status == 200
    assert move.proxy.admin("GET", "/v1/status", headers={"Authorization": None}).status == 401


def test_strangers_cannot_take_a_side_away(move):
    """By asking for names that nobody has, even where each side may take the other's users."""
    move.proxy.change("failover: to_old", "failover: both")
    for weight, side in ((0, "old"), (100, "new")):
        move.proxy.weight(weight)
        for _ in range(8):
            context = client()
            with Wire(move.door.address) as wire:
                wire.sock = context.wrap_socket(wire.sock, server_hostname="evil.test")
                assert wire.get("/", {"Host": "evil.test"}).status in (200, 404, 421)
        with move.user() as user:
            assert [user.get("/").side, user.send(b"hello")] == [side, side]


# --- what the platforms do


def ask(move, method):
    """As a user who has not been here before: a load balancer may end a connection on which the
    answer came before the request was whole."""
    with move.user() as user:
        return user.get("/") if method == "GET" else user.post("/upload", b"hello", "text/plain")


def outcomes(move, side):
    return [x["outcome"] for x in move.proxy.logs("request") if x["backend"] == side]


def test_railway_forgets_the_service(move):
    """Its 404 is told from the application's. Users go to the other side where that is allowed."""
    for name in (RAILWAY, *move.domains):
        move.railway.detach(name)
    for answer in (ask(move, "GET"), ask(move, "POST")):
        assert (answer.status, answer.headers["x-railway-fallback"]) == (404, "true")
        assert json.loads(answer.text)["message"] == "Application not found"
    eventually(lambda: outcomes(move, "old") == ["platform_404"] * 2)
    assert move.proxy.metric("cutover_attempts_total", backend="old", outcome="platform_404") >= 2
    move.proxy.change("failover: to_old", "failover: both")
    assert [ask(move, method).side for method in ("GET", "POST")] == ["new", "new"]
    for name in (RAILWAY, *move.domains):
        move.railway.attach(name)
    assert [ask(move, method).side for method in ("GET", "POST")] == ["old", "old"]


def test_the_application_on_old_crashes(move):
    """Railway says so in its own name; nobody is moved to new, and all is well when it is back."""
    assert ask(move, "GET").side == "old"
    move.old.kill()
    for answer in (ask(move, "GET"), ask(move, "POST")):
        assert (answer.status, answer.headers["x-railway-fallback"]) == (502, "true")
    eventually(lambda: outcomes(move, "old").count("platform_502") == 2)
    move.old.start()
    assert [ask(move, method).side for method in ("GET", "POST")] == ["old", "old"]


def test_the_application_on_new_crashes(move):
    """Pages come from old at once, and after a few failures everything does."""
    move.proxy.weight(100)
    assert ask(move, "GET").side == "new"
    move.new.kill()
    assert ask(move, "GET").side == "old"
    assert ask(move, "POST").status == 502, "it may have been done, so it is not done again"
    eventually(lambda: "platform_502" in outcomes(move, "new"))
    for _ in range(4):
        assert ask(move, "GET").side == "old"
    assert ask(move, "POST").side == "old"
    move.new.start()


def test_new_is_taken_away(move):
    """Switched off by hand, or the machine is gone: pages come from old at once."""
    move.proxy.weight(100)
    assert ask(move, "GET").side == "new"
    move.take_new_away()
    assert [ask(move, "GET").side for _ in range(6)] == ["old"] * 6
    assert ask(move, "POST").side == "old", "by now it is known"
    assert move.proxy.metric("cutover_failovers_total", **{"from": "new"}) >= 1
    assert move.proxy.metric("cutover_attempts_total", backend="new", outcome=move.gone) >= 1


@pytest.mark.parametrize("kind", [ToAlb, ToAlibaba], ids=lambda kind: kind.sample)
def test_railway_shows_its_wildcard(kind, start, shim, tmp_path, trust):  # noqa: F811
    """As while the certificate of the custom domain is being renewed."""
    move = kind(start, shim, tmp_path, trust, has_certificates=False)
    move.wait_up()
    with move.user() as user:
        user.do_everything("old", PUBLIC)
    assert move.proxy.complaints() == []


ESTABLISHED = "01"


def connections(edge):
    """Those to it that are open: the ends of whoever made them."""
    lines = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {local for local, remote, state in lines
            if remote.endswith(f":{edge.port:04X}") and state == ESTABLISHED}


def kept(edge):
    """Those that stay for a while; a health check's do not."""
    before = connections(edge)
    time.sleep(0.05)
    return before & connections(edge)


@pytest.mark.perf  # it is about tenths of a second
@pytest.mark.parametrize("kind", MOVES, ids=lambda kind: kind.sample)
def test_quiet_connections_are_ended_before_the_edge_does_it(kind, start, shim, tmp_path, trust):  # noqa: F811
    """Else a request could be on its way just then. Time is scaled so that the sample's upstream_idle is
    2 s: then the 60 s of Railway and of an ALB are 2.4 s, and the 75 s of nginx 3 s. What Lightsail has
    is not known; it is taken to be 15 s, which is 3 s beside the 10 s of its sample."""
    move = kind(start, shim, tmp_path, trust, idle_s=2)
    sides = ((0, move.railway), (100, move.edge))
    with move.user() as user:
        def use_both():
            for weight, edge in sides:
                move.proxy.weight(weight)
                user.send(b"hello")

        use_both()
        ends = {edge: kept(edge) for _, edge in sides}
        time.sleep(1.4)
        use_both()
        assert all(ends[edge] & kept(edge) for _, edge in sides), "they are used again"
        ends, left = {edge: kept(edge) for _, edge in sides}, {edge: edge.left() for _, edge in sides}
        eventually(lambda: not any(ends[edge] & kept(edge) for _, edge in sides))
        for _, edge in sides:
            assert edge.left() - left[edge] == len(ends[edge]), "the edge was first"
        use_both()
    assert move.proxy.metric("cutover_attempts_total", outcome="stale_connection") == 0


def test_a_fresh_nginx_refuses_large_uploads(start, shim, tmp_path, trust):  # noqa: F811
    """Which the documents say, and what to do. Nobody takes it for a broken side."""
    move = ToFreshNginx(start, shim, tmp_path, trust)
    move.proxy.weight(100)
    with move.user() as user:
        assert user.send(SMALL) == "new"
        for _ in range(6):
            assert user.post("/upload", LARGE, "application/octet-stream").status == 413
        assert user.get("/").side == "new"
    assert move.proxy.server_health("new") == ["up"]
    assert move.proxy.complaints() == []


# --- before the day


def test_check_and_doctor_are_content(move):
    done = move.proxy.run("check", "-c", str(move.proxy.config_file))
    assert done.returncode == 0 and not done.stderr, done
    done = move.proxy.run("doctor", "-c", str(move.proxy.config_file), "--host", PUBLIC, "--path", "/",
                          "--websocket", "/ws", "--upload", "2m", "--upload-path", "/upload", "--idle", "0",
                          "--json")
    checks = json.loads(done.stdout)["checks"]
    assert done.returncode == 0, done.stdout
    # A container service of Lightsail need not know the public name before the end.
    known = ["public-name"] if move.sample == "lightsail" else []
    assert [x["check"] for x in checks if x["result"] != "ok"] == known, done.stdout
