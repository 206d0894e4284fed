"""cutover doctor: real servers that are right, or wrong in one way, and what it says of them."""

import asyncio
import contextlib
import email.utils
import http.server
import json
import re
import socket
import ssl
import threading
import time

import pytest
import websockets

from certs import Authority, self_signed
from cutover import BUILD, Nginx, Origin, Process, Server, cli, free_port, merged, program, urls
from wire import eventually

PUBLIC = "www.example.org"


class Site(Server):
    """A server of this process: `pages` has for each path what answer() below takes."""

    def __init__(self, pages=None, tls=None, idle=30.0, host="127.0.0.1"):
        site = self

        class Exchange(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = idle

            def log_message(self, *_):
                pass

            def log_error(self, *_):
                pass

            def version_string(self):
                return "site"

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                site.seen.append((self.command, self.path, list(self.headers.items()), len(body)))
                site.answer(self)

            do_POST = do_OPTIONS = do_GET

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

            def handle_error(self, *_):
                pass  # whoever tries TLS on it breaks it off now and then

        self.pages = {"/health": {}, "/": {}, **(pages or {})}
        self.seen, self.host, self.tls = [], host, tls
        self.listener = Listener((host, 0), Exchange)
        if tls:
            settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            settings.load_cert_chain(*tls)
            self.listener.socket = settings.wrap_socket(self.listener.socket, server_side=True,
                                                        do_handshake_on_connect=False)
        self.port = self.listener.server_address[1]
        threading.Thread(target=self.listener.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls else ''}://{host}:{self.port}"

    def answer(self, exchange):
        page = self.pages.get(exchange.path, {"status": 404, "body": "no such page"})
        if callable(page):
            page = page(exchange)
        if page is None:
            return
        time.sleep(page.get("delay", 0))
        body = page.get("body", "ok").encode()
        exchange.send_response_only(page.get("status", 200))
        for name, value in page.get("headers", []):
            exchange.send_header(name, value)
        if page.get("date", True):
            exchange.send_header("Date", email.utils.formatdate(time.time() + page.get("ahead", 0), usegmt=True))
        exchange.send_header("Content-Type", page.get("type", "text/plain"))
        exchange.send_header("Content-Length", str(len(body)))
        if page.get("close"):
            exchange.send_header("Connection", "close")
        exchange.end_headers()
        exchange.wfile.write(body)
        if page.get("hang_up"):
            exchange.close_connection = True

    def requests(self, path):
        return [(method, dict(headers)) for method, at, headers, _ in self.seen if at == path]

    @property
    def running(self):
        return True

    def stop(self):
        self.listener.shutdown()
        self.listener.server_close()


class Run:
    """What came of one run with --json."""

    def __init__(self, done):
        self.code, self.stderr = done.returncode, done.stderr
        self.json = json.loads(done.stdout)
        self.checks = self.json["checks"]

    def all(self, check, side=None):
        return [x for x in self.checks if x["check"] == check and side in (None, x["side"])]

    def one(self, check, side="new"):
        found = self.all(check, side)
        assert len(found) == 1, (check, side, self.checks)
        return found[0]

    def failed(self):
        return [(x["side"], x["check"]) for x in self.checks if x["result"] == "fail"]

    def not_ok(self):
        return [(x["result"], x["side"], x["check"]) for x in self.checks if x["result"] != "ok"]


def assert_unharmed(done):
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    assert done.returncode in (0, 1, 2), done


@pytest.fixture
def doctor(tmp_path):
    """doctor(old, new, *args, config={...}): without the wait for idle connections, unless asked."""

    def run(old, new, *args, config=None, text=False, idle="0"):
        base = {
            "listen": [{"address": f"127.0.0.1:{free_port()}"}],
            "state_file": str(tmp_path / "state" / "state.json"),
            "backends": {"old": {"servers": urls(old)}, "new": {"servers": urls(new)}},
        }
        file = tmp_path / "doctor.yaml"
        file.write_text(json.dumps(merged(base, config)))
        more = [] if text else ["--json"]
        done = cli("doctor", "-c", str(file), "--idle", idle, *more, *args, timeout=60)
        assert_unharmed(done)
        assert not (tmp_path / "state").exists()
        return done if text else Run(done)

    return run


@pytest.fixture
def good(start):
    return start(Site)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


# --- the whole of it


def test_two_good_sides(doctor, old, new):
    run = doctor(old, new, "--host", PUBLIC, "--path", "/", "--path", "/echo", "--websocket", "/ws",
                 "--upload", "2m", "--upload-path", "/upload", idle="1s",
                 config={"timeouts": {"upstream_idle": "1s"}})
    assert run.code == 0 and run.not_ok() == [], run.checks
    for side in ("old", "new"):
        assert [x["check"] for x in run.checks if x["side"] == side] == [
            "connect", "health", "host", "public-name", "reuse", "clock", "websocket",
            "answer-head", "redirects", "cookies", "request-head", "upload", "keep-alive",
            "websocket-idle"]
    assert [x["check"] for x in run.all("compare", "both")] == ["compare"] * 2
    assert run.json["ok"] == len(run.checks) and run.json["warn"] == run.json["fail"] == 0
    assert all(x["todo"] is None and x["detail"] for x in run.checks)
    assert {x["server"] for x in run.checks} == {old.url, new.url, None}


def test_lines_for_people(doctor, old, start):
    new = start(Site, {"/health": {"status": 404}})
    done = doctor(old, new, text=True)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert all(re.match(r"(ok  |warn|fail)  (old |new |both)  \S*", line) for line in lines[:-1]), lines
    columns = {re.match(r"\S+ +\S+ +(?:http\S+)? +", line).end() for line in lines[:-1]}
    assert len(columns) == 1, lines
    health = next(line for line in lines if " new " in line and " health " in line)
    assert health.startswith("fail") and "GET /health answers 404" in health
    assert health.endswith(". Name a path that exists, or add this one to the application.")
    assert re.fullmatch(r"\d+ ok, \d+ warnings?, \d+ failures?", lines[-1])
    sides = [line.split()[1] for line in lines[:-1]]
    assert sides == sorted(sides, key=["old", "new", "both"].index)


def test_idle_connections_are_watched_at_the_same_time(doctor, start, old):
    began = time.monotonic()
    run = doctor(old, [start(Origin, "a"), start(Origin, "b")], "--websocket", "/ws", idle="2s")
    took = time.monotonic() - began
    assert 2 <= took < 5
    assert len(run.all("keep-alive")) == len(run.all("websocket-idle")) == 3
    assert all("more than 2.0 s" in x["detail"] for x in run.all("websocket-idle"))


def test_what_is_known_is_shown_before_the_wait(old, new, tmp_path):
    file = tmp_path / "doctor.yaml"
    file.write_text(json.dumps({"listen": [{"address": "127.0.0.1:8080"}], "backends": {
        "old": {"servers": [old.url]}, "new": {"servers": [new.url]}}}))
    child = Process([program("cutover", BUILD), "doctor", "-c", str(file), "--idle", "3s"])
    try:
        eventually(lambda: [x for x in child.out if " compare " in x], 2.5)
        assert child.running and not [x for x in child.out if " keep-alive " in x]
        assert child.wait() == 0 and "ok" in child.out[-1] and [x for x in child.out if " keep-alive " in x]
    finally:
        child.kill()


def test_beside_a_running_proxy(proxy):
    state = proxy.folder / "state.json"
    before = state.read_bytes() if state.exists() else None
    done = cli("doctor", "-c", str(proxy.config_file), "--idle", "0")
    assert_unharmed(done)
    assert done.returncode == 0, done.stdout
    assert (state.read_bytes() if state.exists() else None) == before


# --- usage


@pytest.mark.parametrize("args, words", [
    (["--idle", "70"], "--idle: expected a duration with its unit"),
    (["--idle", "2h"], "--idle: expected less"),
    (["--timeout", "1ms"], "--timeout: expected at least 100ms"),
    (["--upload", "big"], "--upload: expected a size"),
    (["--upload-path", "/x"], "--upload-path needs --upload SIZE"),
    (["--path", "x"], "--path: expected a path"),
    (["--websocket", "ws"], "--websocket: expected a path"),
    (["--host", "a b"], "--host: expected a host"),
    (["--origin", "www.example.org"], "--origin: expected an origin"),
    (["--origin", "https://www.example.org/"], "--origin: expected an origin"),
    (["--header", "Authorization"], "--header: expected 'NAME: VALUE'"),
    (["--header", "Host: x"], "use --host"),
    (["--header", "Content-Length: 5"], "doctor's own business"),
    (["--head-bytes", "2m"], "--head-bytes: expected less"),
    (["--weight", "3"], "unknown option --weight"),
    (["--route", "x"], "doctor takes no --route"),
])
def test_wrong_usage(doctor, good, args, words):
    done = doctor(good, start_of(good), *args, text=True, idle="1s") if "--idle" not in args else \
        cli("doctor", "-c", "x.yaml", *args)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert done.stdout == "" and not good.seen


def start_of(site):
    """Another URL of the same server, since a server is on one side only."""
    return f"http://localhost:{site.port}"


def test_a_bad_configuration(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("listen: [{address: 127.0.0.1:1}]\nbackends: {old: {}, new: {servers: [x]}}\n")
    done = cli("doctor", "-c", str(file))
    assert done.returncode == 2 and done.stdout == ""
    assert f"{file}:2:" in done.stderr and "backends.new.servers[0]" in done.stderr
    assert cli("doctor").returncode == 2
    assert cli("doctor", "-c", str(tmp_path / "none.yaml")).returncode == 2


# --- what is sent


def test_requests_are_those_of_the_proxy(doctor, good, start, authority, tmp_path):
    certificate, key = authority.issue([PUBLIC])
    secret = tmp_path / "secret"
    secret.write_text("one-word\n")
    new = start(Site)
    doctor(good, new, "--host", PUBLIC, "-H", "Authorization: Bearer abc", "-H", "Cookie: cutover=0427; a=b",
           config={
        "listen": [{"address": "127.0.0.1:8443", "tls": {"certificate": certificate, "key": key}}],
        "backends": {"new": {"host": "client"}, "old": {"host": "app.example.net"}},
        "forwarded": {"client_ip_header": "X-Client-IP", "secret_file": str(secret)},
    })
    for site, host in ((good, "app.example.net"), (new, PUBLIC)):
        method, headers = site.requests("/")[0]
        assert method == "GET" and headers["Host"] == host
        assert headers["X-Forwarded-Proto"] == "https" and headers["X-Forwarded-Port"] == "8443"
        assert headers["X-Forwarded-Host"] == PUBLIC
        assert headers["X-Forwarded-For"] == headers["X-Client-IP"] == "192.0.2.1"
        assert headers["X-Cutover-Secret"] == "one-word"
        assert headers["Authorization"] == "Bearer abc" and headers["Cookie"] == "a=b"
        assert "(doctor)" in headers["User-Agent"]
        assert {method for method, *_ in site.seen} == {"GET"}
        assert {path for _, path, *_ in site.seen} == {"/", "/health"}


def test_health_checks_are_those_of_the_proxy(doctor, good, start):
    doctor(good, start(Site), config={"backends": {"old": {"host": "client", "health": {"host": "probe.test"}}}})
    assert [h["Host"] for m, h in good.requests("/health") if "health check" in h["User-Agent"]] == ["probe.test"]


# --- reaching a server


def test_nothing_listens(doctor, good):
    run = doctor(good, f"http://127.0.0.1:{free_port()}")
    line = run.one("connect")
    assert run.code == 1 and run.failed() == [("new", "connect")]
    assert "connection refused" in line["detail"] and "Nothing listens there" in line["todo"]
    assert len([x for x in run.checks if x["side"] == "new"]) == 1


def test_a_name_that_does_not_exist(doctor, good):
    run = doctor(good, "http://no-such-name.invalid", "--timeout", "5s")
    assert run.failed() == [("new", "dns")] and "backends.new.servers" in run.one("dns")["todo"]


def test_a_name(doctor, good):
    run = doctor(good, start_of(good))
    assert run.code == 0 and "address" in run.one("dns")["detail"]
    assert run.all("dns", "old") == []


def test_ipv6(doctor, good, start):
    with contextlib.suppress(OSError):
        run = doctor(good, start(Site, host="::1"))
        assert run.code == 0 and run.one("connect")["detail"].startswith("[::1]:")


def test_a_server_that_says_nothing(doctor, good, start):
    began = time.monotonic()
    run = doctor(good, start(Site, {"/health": {"delay": 3}}), "--timeout", "500ms")
    assert time.monotonic() - began < 3
    assert run.failed() == [("new", "health")] and run.all("host", "new") == []
    assert run.one("health")["detail"] == "GET /health: no answer within 500ms"


def test_a_server_that_hangs_up(doctor, good, start):
    run = doctor(good, start(Site, {"/health": lambda exchange: setattr(exchange, "close_connection", True)}))
    assert run.one("health")["detail"] == "GET /health: the connection was closed without an answer"
    assert run.one("health")["result"] == "fail"


# --- TLS


def tls(run, side="new"):
    return run.one("tls", side)


def test_a_certificate_that_is_accepted(doctor, good, start, authority):
    new = start(Site, tls=authority.issue(["app.example.net"], days=63.5))
    run = doctor(good, new, config={"backends": {"new": {"host": "app.example.net",
                                                         "tls": {"ca_file": authority.ca_file}}}})
    assert run.code == 0 and tls(run)["result"] == "ok", run.checks
    assert tls(run)["detail"] == "TLS 1.3, app.example.net by Test Authority, 63 days left"
    assert run.one("health")["result"] == run.one("host")["result"] == "ok"


@pytest.mark.parametrize("days, result, words", [
    (14.5, "ok", "14 days left"), (13.5, "warn", "13 days left"), (3.5, "warn", "3 days left"),
    (1.5, "fail", "1 day left"), (0.5, "fail", "less than a day left")])
def test_days_left(doctor, good, start, authority, days, result, words):
    new = start(Site, tls=authority.issue([], ips="127.0.0.1", days=days))
    run = doctor(good, new, config={"backends": {"new": {"tls": {"ca_file": authority.ca_file}}}})
    assert tls(run)["result"] == result and words in tls(run)["detail"]
    assert (tls(run)["todo"] is None) == (result == "ok")
    assert run.one("health")["result"] == "ok"


def test_an_expired_certificate(doctor, good, start, authority):
    new = start(Site, tls=authority.issue([], ips="127.0.0.1", expired=True))
    run = doctor(good, new, config={"backends": {"new": {"tls": {"ca_file": authority.ca_file}}}})
    assert run.failed() == [("new", "tls")]
    assert "expired" in tls(run)["detail"] and "127.0.0.1 by Test Authority" in tls(run)["detail"]
    assert tls(run)["todo"].startswith("Renew it")


@pytest.mark.parametrize("own", [True, False], ids=["self-signed", "unknown authority"])
def test_nobody_vouches_for_it(doctor, good, start, authority, tmp_path, own):
    stranger = Authority(tmp_path / "stranger", name="Stranger")
    pair = self_signed(tmp_path, [], ips="127.0.0.1") if own else stranger.issue([], ips="127.0.0.1")
    run = doctor(good, start(Site, tls=pair),
                 config={"backends": {"new": {"tls": {"ca_file": authority.ca_file}}}})
    assert run.failed() == [("new", "tls")] and "backends.new.tls.ca_file" in tls(run)["todo"]
    assert ("127.0.0.1 by 127.0.0.1" if own else "127.0.0.1 by Stranger") in tls(run)["detail"]


def test_a_certificate_for_another_name(doctor, good, start, authority):
    new = start(Site, tls=authority.issue(["*.up.example.net"]))
    config = {"backends": {"new": {"host": PUBLIC, "tls": {"ca_file": authority.ca_file}}}}
    run = doctor(good, new, config=config)
    assert run.failed() == [("new", "tls")]
    assert f"another name than {PUBLIC}: *.up.example.net by" in tls(run)["detail"]
    assert 'backends.new.tls.names: ["*.up.example.net"]' in tls(run)["todo"]

    config["backends"]["new"]["tls"]["names"] = ["*.up.example.net"]
    run = doctor(good, new, config=config)
    assert run.code == 0, run.checks
    assert f"not for {PUBLIC}: accepted by backends.new.tls.names" in tls(run)["detail"]


def test_names_that_are_not_needed(doctor, good, start, authority):
    new = start(Site, tls=authority.issue([PUBLIC]))
    run = doctor(good, new, config={"backends": {"new": {
        "host": PUBLIC, "tls": {"ca_file": authority.ca_file, "names": ["*.up.example.net"]}}}})
    assert run.code == 0 and "accepted by" not in tls(run)["detail"]


def test_without_verifying(doctor, good, start, tmp_path):
    new = start(Site, tls=self_signed(tmp_path, ["x.test"], expired=True))
    run = doctor(good, new, config={"backends": {"new": {"tls": {"verify": False}}}})
    assert run.code == 0 and tls(run)["result"] == "warn" and "verify: false" in tls(run)["todo"]


def test_https_at_a_port_without_tls(doctor, good, start, authority):
    new = start(Site)
    run = doctor(good, new.url.replace("http:", "https:"),
                 config={"backends": {"new": {"tls": {"ca_file": authority.ca_file}}}})
    assert run.failed() == [("new", "tls")], run.checks
    assert "use http:// in backends.new.servers" in tls(run)["todo"]


def test_a_port_that_accepts_and_says_nothing(doctor, good, authority):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run = doctor(good, f"https://127.0.0.1:{silent.getsockname()[1]}", config={
            "timeouts": {"tls_handshake": "300ms"},
            "backends": {"new": {"tls": {"ca_file": authority.ca_file}}}})
    assert run.one("connect")["result"] == "ok"
    assert run.failed() == [("new", "tls")] and "no TLS within 300ms" in tls(run)["detail"]


# --- answers


RAILWAY = [("Server", "railway-edge"), ("x-railway-fallback", "true")]


@pytest.mark.parametrize("page, words, todo", [
    ({"status": 404}, "answers 404, and success_codes is 200-399", "Name a path that exists"),
    ({"status": 400}, "answers 400", "ALLOWED_HOSTS"),
    ({"status": 403}, "answers 403", "without a login"),
    ({"status": 500}, "answers 500", "application's log"),
    ({"status": 404, "headers": RAILWAY}, "from Railway's edge", "_railway-verify"),
    ({"status": 502, "headers": RAILWAY}, "from Railway's edge", "0.0.0.0"),
    ({"status": 503, "headers": [("Server", "awselb/2.0")], "type": "text/html"},
     "from a load balancer or nginx", "cannot reach the application"),
])
def test_a_health_check_that_fails(doctor, good, start, page, words, todo):
    run = doctor(good, start(Site, {"/health": page}))
    line = run.one("health")
    assert line["result"] == "fail" and words in line["detail"] and todo in line["todo"], line


def test_an_application_that_is_down_is_told_of_once(doctor, good, start):
    page = {"status": 502, "headers": RAILWAY}
    run = doctor(good, start(Site, {"/health": page, "/": page}), "--host", PUBLIC, "--path", "/health")
    assert run.failed() == [("new", "health"), ("both", "compare")]
    assert run.all("public-name", "new") == []


def test_a_slow_health_check(doctor, good, start):
    run = doctor(good, start(Site, {"/health": {"delay": 0.4}}), config={"health": {"timeout": "600ms"}})
    assert run.one("health")["result"] == "warn" and "more than half" in run.one("health")["detail"]
    run = doctor(good, start(Site, {"/health": {"delay": 0.4}}), config={"health": {"timeout": "300ms"}})
    assert run.one("health")["result"] == "fail" and "longer than health.timeout (300ms)" in run.one("health")["detail"]


def by_host(names):
    """A platform's edge: knows its names, and nobody else's."""
    def page(exchange):
        known = exchange.headers["Host"].split(":")[0] in names
        return {} if known else {"status": 404, "headers": RAILWAY, "body": "Application not found"}
    return {"/health": page, "/": page}


def test_an_edge_that_routes_by_host(doctor, good, start):
    edge = start(Site, by_host(["127.0.0.1"]))
    run = doctor(good, edge)
    assert run.one("host")["detail"] == f"{edge.authority} answers 200, another Host 404"
    run = doctor(good, edge, "--host", PUBLIC)
    assert run.code == 0 and run.one("public-name")["result"] == "warn"
    assert run.one("public-name", "old")["result"] == "ok"
    assert "before DNS moves" in run.one("public-name")["todo"]
    run = doctor(edge, good, "--host", PUBLIC)
    assert run.one("public-name", "old")["result"] == "ok"
    run = doctor(good, edge, config={"backends": {"new": {"host": PUBLIC}}})
    assert ("new", "host") in run.failed() and ("new", "health") in run.failed()
    assert f"{PUBLIC} is none of its names" in run.one("host")["todo"]


def test_the_public_name_is_asked_for_with_its_own_certificate(doctor, good, start, authority):
    new = start(Site, tls=authority.issue(["app.example.net"]))
    config = {"backends": {"new": {"host": "app.example.net", "tls": {"ca_file": authority.ca_file}}}}
    line = doctor(good, new, "--host", PUBLIC, config=config).one("public-name")
    assert line["result"] == "warn" and "another name" in line["detail"], line
    new = start(Site, tls=authority.issue(["app.example.net", PUBLIC]))
    assert doctor(good, new, "--host", PUBLIC, config=config).one("public-name")["result"] == "ok"


def test_the_clients_host_is_asked_for(doctor, good, start):
    new = start(Site)
    config = {"backends": {"new": {"host": "client"}}}
    run = doctor(good, new, config=config)
    assert run.code == 0 and run.one("host")["result"] == "warn"
    assert "--host www.example.org" in run.one("host")["todo"]
    assert run.one("health")["result"] == "ok"
    assert run.all("compare") == [] and run.all("redirects", "new") == []
    run = doctor(good, new, "--host", PUBLIC, config=config)
    assert run.code == 0 and run.one("host")["result"] == "ok" and run.all("compare")


def test_an_application_that_knows_its_hosts(doctor, good, start):
    def page(exchange):
        return {} if exchange.headers["Host"] == PUBLIC else {"status": 400}
    run = doctor(good, start(Site, {"/health": page, "/": page}))
    assert "add it to its allowed hosts" in run.one("host")["todo"] and run.code == 1


def test_a_server_that_is_the_proxy_itself(doctor, good, proxy):
    run = doctor(good, f"http://127.0.0.1:{proxy.port}")
    assert ("new", "loop") in run.failed()
    assert doctor(good, proxy.new).all("loop") == []


def test_the_address_behind_railways_edge(doctor, good, start):
    edge = start(Site, {"/health": {"headers": [("x-railway-edge", "iad1")]}})
    run = doctor(edge, good)
    assert run.one("client-address", "old")["result"] == "warn" and run.all("client-address", "new") == []
    run = doctor(edge, good, config={"forwarded": {"client_ip_header": "X-Client-IP"}})
    assert run.one("client-address", "old")["result"] == "ok"


@pytest.mark.parametrize("ahead, result", [(0, "ok"), (-3, "ok"), (30, "warn"), (-30, "warn"), (-120, "fail")])
def test_clocks(doctor, good, start, ahead, result):
    run = doctor(good, start(Site, {"/health": {"ahead": ahead}}))
    assert run.one("clock")["result"] == run.one("clock", "both")["result"] == result
    if result != "ok":
        word = "ahead" if ahead > 0 else "behind"
        assert re.search(rf"\d+ s {word} of", run.one("clock")["detail"])
        assert re.fullmatch(rf"new is \d+ s {word} of old", run.one("clock", "both")["detail"])
    assert run.one("clock", "old")["result"] == "ok"


def test_a_large_head(doctor, good, start):
    head = {"/": {"headers": [("X-Large", "x" * 7000)]}}
    new = start(Site, head)
    assert doctor(good, new).one("answer-head")["result"] == "ok"
    line = doctor(good, new, config={"limits": {"head_bytes": "8k"}}).one("answer-head")
    assert line["result"] == "warn" and "of 8192 in 128" in line["detail"]
    line = doctor(good, new, config={"limits": {"head_bytes": "4k"}}).one("answer-head")
    assert line["result"] == "fail" and "502" in line["todo"]


# --- connections


def test_connections_that_are_not_kept(doctor, good, start):
    run = doctor(good, start(Site, {"/health": {"close": True}}), idle="300ms")
    assert run.one("reuse")["result"] == "warn" and "Connection: close" in run.one("reuse")["detail"]
    assert run.all("keep-alive", "new") == []


def test_connections_that_are_kept_in_words_only(doctor, good, start):
    run = doctor(good, start(Site, {"/health": {"hang_up": True}}), idle="1s")
    assert run.failed() == [("new", "reuse"), ("new", "keep-alive")]
    assert "does not" in run.one("keep-alive")["todo"]


def test_connections_that_are_kept_too_briefly(doctor, good, start):
    run = doctor(good, start(Site, idle=2.2), idle="3s")
    line = run.one("keep-alive")
    assert line["result"] == "fail" and "timeouts.upstream_idle to 1s" in line["todo"]
    assert re.search(r"closes an idle connection after 2\.\d s; the proxy uses it for 4s", line["detail"])
    assert run.one("keep-alive", "old")["result"] == "warn"  # 3 s are less than 4 s
    assert "more than 3.0 s" in run.one("keep-alive", "old")["detail"]


def test_a_server_that_says_how_long_it_keeps(doctor, good, start):
    new = start(Site, {"/health": {"headers": [("Keep-Alive", "timeout=2")]}}, idle=2.0)
    line = doctor(good, new, idle="3s").one("keep-alive")
    assert line["result"] == "ok" and "(and says 2 s); the proxy uses it for 1s" in line["detail"]


# --- where answers lead


def location(to, status=302):
    return {"status": status, "headers": [("Location", to)]}


@pytest.mark.parametrize("to, result, words, more", [
    ("/login", "ok", "leads to /login", {}),
    ("/there", "fail", "which is itself", {}),
    (f"https://{PUBLIC}/there", "fail", "which is itself", {}),
    ("https://app.up.railway.app/there", "fail", "which is itself", {}),
    ("https://app.up.railway.app/login?next=secret", "ok", "which the proxy rewrites", {}),
    ("https://app.up.railway.app/login", "fail", "the server's own name", {"rewrite": {"location": False}}),
    ("https://other.up.railway.app/login", "fail", "a server's own name", {}),
    ("https://accounts.example.com/auth", "ok", "leads to https://accounts.example.com/auth", {}),
    (f"https://{PUBLIC}/login", "ok", "leads to", {}),
])
def test_redirects(doctor, good, start, to, result, words, more):
    new = start(Site, {"/there": location(to)})
    run = doctor(good, new, "--host", PUBLIC, "--path", "/there", config={
        "backends": {"new": {"host": "app.up.railway.app"}}, "forwarded": {"trust": ["alb"]}, **more})
    line = run.one("redirects")
    assert line["result"] == result and words in line["detail"], line
    assert "secret" not in line["detail"]
    assert run.one("redirects", "old")["detail"] == "none"


def test_a_platform_that_wants_https(doctor, good, start):
    def page(exchange):
        return location(f"https://{exchange.headers['Host']}{exchange.path}", 301)
    run = doctor(good, start(Site, {"/": page}))
    assert "write https:// in backends.new.servers" in run.one("redirects")["todo"]
    assert ("new", "redirects") in run.failed()


def test_an_application_that_does_not_believe_the_scheme(doctor, good, start, authority):
    new = start(Site, {"/": location(f"https://{PUBLIC}/", 301)}, tls=authority.issue([PUBLIC]))
    run = doctor(good, new, "--host", PUBLIC, config={
        "backends": {"new": {"host": "client", "tls": {"ca_file": authority.ca_file}}},
        "forwarded": {"trust": ["alb"]}})
    assert "X-Forwarded-Proto" in run.one("redirects")["todo"]


@pytest.mark.parametrize("cookie, result, words, more", [
    ("a=1; Path=/", "ok", "1, without a Domain", {}),
    (f"a=1; Domain={PUBLIC}", "ok", f"Domain={PUBLIC}", {}),
    ("a=1; domain=.example.org; Path=/", "ok", "Domain=.example.org", {}),
    ("a=1; Domain=app.up.railway.app", "ok", "which the proxy takes out", {}),
    ("a=1; Domain=up.railway.app; Path=/", "ok", "which the proxy takes out", {}),
    ("a=1; Domain=app.up.railway.app", "fail", "browsers throw it away", {"rewrite": {"cookie_domain": False}}),
    ("a=1; Domain=api.example.org", "fail", "browsers throw it away", {}),
    ("cutover=1", "fail", "the proxy's own cookie", {}),
    ("cutover=1", "ok", "1, without", {"sticky": {"cookie": "side"}}),
])
def test_cookies(doctor, good, start, cookie, result, words, more):
    new = start(Site, {"/": {"headers": [("Set-Cookie", cookie)]}})
    run = doctor(good, new, "--host", PUBLIC, "--path", "/", config={
        "backends": {"new": {"host": "app.up.railway.app"}}, **more})
    assert run.one("cookies")["result"] == result and words in run.one("cookies")["detail"]
    assert run.one("cookies", "old")["detail"] == "none"


# --- limits


NGINX_ECHO = 'location / { return 200 "ok"; }'


def nginx(start, tmp_path, locations):
    return start(Nginx, tmp_path / f"nginx-{free_port()}", locations)


def test_the_largest_request_head(doctor, good, start, tmp_path):
    new = nginx(start, tmp_path, f"large_client_header_buffers 4 9k; {NGINX_ECHO}")
    run = doctor(good, new, "--head-bytes", "16k")
    line = run.one("request-head")
    assert run.failed() == [("both", "request-head")] and line["result"] == "warn", run.checks
    assert re.match(r"takes a head of (9 KB|9\d\d\d bytes), a larger one answers 400$", line["detail"])
    assert "large_client_header_buffers" in line["todo"]
    assert run.one("request-head", "old")["detail"] == "takes a head of 16 KB"
    assert doctor(good, new, "--head-bytes", "6k").code == 0
    assert doctor(good, new, "--head-bytes", "0").all("request-head") == []
    assert doctor(good, new, "--head-bytes", "64k", config={"limits": {"head_bytes": "4k"}}
                  ).one("request-head")["detail"] == "takes a head of 4 KB"


def test_an_upload_that_nginx_refuses(doctor, good, start, tmp_path):
    good.pages["/upload"] = {}
    new = nginx(start, tmp_path, f"location / {{ proxy_pass {good.url}; }}")
    run = doctor(good, new, "--upload", "3m", "--upload-path", "/upload", "--head-bytes", "4k")
    assert run.failed() == [("new", "upload")]
    assert "answers 413" in run.one("upload")["detail"] and "client_max_body_size" in run.one("upload")["todo"]
    assert run.one("upload", "old")["detail"].startswith("POST of 3m to /upload answers 200 in")
    assert [size for method, *_, size in good.seen if method == "POST"] == [3 << 20]
    run = doctor(good, new, "--upload", "1m", "--upload-path", "/upload", "--head-bytes", "4k")
    assert run.code == 0


def test_a_path_that_takes_no_uploads(doctor, good, start):
    new = start(Site)
    run = doctor(good, new, "--upload", "64k", "--upload-path", "/none")
    assert run.code == 0 and run.one("upload")["result"] == "warn" and "--upload-path" in run.one("upload")["todo"]
    doctor(good, new)
    assert sum(method == "POST" for method, *_ in new.seen) == 1


# --- WebSockets


class Sockets(Server):
    """A WebSocket server of this process; `talk` is what it does with each."""

    def __init__(self, talk, **settings):
        self.loop, self.ready = asyncio.new_event_loop(), threading.Event()
        self.settings, self.talk = settings, talk
        self.thread = threading.Thread(target=self._main, daemon=True)
        self.thread.start()
        assert self.ready.wait(10)

    def _main(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve())

    async def _serve(self):
        async def plain(path, _):
            return (http.HTTPStatus.OK, [], b"ok") if path != "/ws" else None

        self.done = asyncio.Event()
        async with websockets.serve(self.talk, "127.0.0.1", 0, process_request=plain, **self.settings) as server:
            self.port = server.sockets[0].getsockname()[1]
            self.ready.set()
            await self.done.wait()

    @property
    def running(self):
        return True

    def stop(self):
        self.loop.call_soon_threadsafe(self.done.set)
        self.thread.join(10)


async def listen(socket_):
    async for _ in socket_:
        pass


def test_a_websocket_whose_server_pings(doctor, old, start):
    new = start(Sockets, listen, ping_interval=0.3, ping_timeout=0.3)
    run = doctor(old, new, "--websocket", "/ws", "--path", "/health", idle="2s")
    line = run.one("websocket-idle")
    assert line["result"] == "ok" and re.search(r"more than 2.0 s, with [3-7] pings", line["detail"]), line


def test_a_websocket_that_speaks_engine_io(doctor, old, start):
    async def talk(socket_):
        await socket_.send('0{"sid":"AAAAAAAAAAAAAAAAAAAA","pingInterval":300,"pingTimeout":200}')
        while True:
            await asyncio.sleep(0.3)
            await socket_.send("2")
            assert await asyncio.wait_for(socket_.recv(), 0.2) == "3"

    new = start(Sockets, talk, ping_interval=None)
    line = doctor(old, new, "--websocket", "/ws", "--path", "/health", idle="2s").one("websocket-idle")
    assert line["result"] == "ok" and "ping" in line["detail"], line


def test_a_websocket_that_is_cut(doctor, old, start, tmp_path):
    new = nginx(start, tmp_path, f"location / {{ proxy_pass {old.url}; proxy_http_version 1.1; "
                                 "proxy_set_header Upgrade $http_upgrade; "
                                 "proxy_set_header Connection upgrade; proxy_read_timeout 1s; }")
    run = doctor(old, new, "--websocket", "/ws", idle="2s")
    assert run.one("websocket")["result"] == "ok"
    line = run.one("websocket-idle")
    assert line["result"] == "fail" and re.match(r"is closed after (9\d\d ms|1\.\d s)$", line["detail"]), line
    assert "ping more often" in line["todo"] and run.one("websocket-idle", "old")["result"] == "ok"


def test_a_websocket_that_the_application_closes(doctor, old):
    run = doctor(old, start_of(old), "--websocket", "/ws?close_ms=500", idle="2s")
    line = run.one("websocket-idle")
    assert "by the application (code 1001)" in line["detail"] and "login" in line["todo"]


def test_an_upgrade_that_does_not_get_through(doctor, old, start, tmp_path):
    new = nginx(start, tmp_path, f"location / {{ proxy_pass {old.url}; }}")
    run = doctor(old, new, "--websocket", "/ws", "--head-bytes", "4k", idle="1s")
    assert run.failed() == [("new", "websocket")]
    assert "answers 426" in run.one("websocket")["detail"] and "does not pass Upgrade" in run.one("websocket")["todo"]
    assert run.all("websocket-idle", "new") == []


def test_an_upgrade_by_somebody_else(doctor, old, start):
    def page(exchange):
        exchange.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                             b"Upgrade: websocket\r\nSec-WebSocket-Accept: bm90IHlvdXJz\r\n\r\n")
    run = doctor(old, start(Site, {"/ws": page}), "--websocket", "/ws")
    assert run.failed() == [("new", "websocket")] and "wrong Sec-WebSocket-Accept" in run.one("websocket")["detail"]


@pytest.mark.parametrize("args, origin", [
    (["--origin", "https://app.example.org"], "https://app.example.org"),
    (["--host", PUBLIC], f"http://{PUBLIC}")])
def test_the_origin_of_a_websocket(doctor, old, start, args, origin):
    new = start(Site, {"/ws": {"status": 403}})
    run = doctor(old, new, "--websocket", "/ws", *args)
    assert "allowed origins" in run.one("websocket")["todo"]
    headers = next(headers for _, headers in new.requests("/ws") if headers.get("Upgrade"))
    assert headers["Origin"] == origin


# --- one side beside the other


@pytest.mark.parametrize("page, result, words", [
    ({"body": "x" * 1000}, "ok", "old 200 text/plain 1000 bytes; new 200 text/plain 1000 bytes"),
    ({"body": "x" * 905}, "ok", "905"),
    ({"body": "x" * 800}, "warn", "new 200 text/plain 800 bytes"),
    ({"body": "x" * 1000, "type": "text/plain; charset=utf-8"}, "ok", ""),
    ({"body": "x" * 1000, "type": "application/json"}, "warn", "new 200 application/json"),
    ({"status": 404}, "fail", "new 404"),
    ({"status": 401}, "fail", "new 401"),
])
def test_compare(doctor, start, page, result, words):
    old, new = start(Site, {"/p?q=1": {"body": "x" * 1000}}), start(Site, {"/p?q=1": page})
    run = doctor(old, new, "--path", "/p?q=1")
    line = run.one("compare", "both")
    assert line["result"] == result and words in line["detail"], line
    assert line["detail"].startswith("GET /p?q=1: ") and line["server"] is None


def test_the_worst_of_several_servers_is_told(doctor, good, start):
    run = doctor(good, [start(Site), start(Site, {"/": {"status": 500}}), start(Site)], "--path", "/")
    assert run.one("compare", "both")["result"] == "fail" and "new 500" in run.one("compare", "both")["detail"]


def test_both_may_refuse(doctor, start):
    page = {"/me": {"status": 401}}
    assert doctor(start(Site, page), start(Site, page), "--path", "/me").code == 0


def test_a_stream_is_not_waited_for(doctor, old):
    began = time.monotonic()
    run = doctor(old, start_of(old), "--path", "/sse")
    assert run.one("compare", "both")["result"] == "ok" and time.monotonic() - began < 5


ORIGIN = "https://app.example.org"


def cors(**over):
    fields = {"Origin": ORIGIN, "Methods": "GET, POST", "Headers": "Authorization, Content-Type",
              "Credentials": "true", **over}
    return {"status": 204, "body": "", "headers": [(f"Access-Control-Allow-{n}", v) for n, v in fields.items() if v]}


@pytest.mark.parametrize("page, result, words", [
    (cors(), "ok", f"both answer 204 and allow {ORIGIN}"),
    (cors(Methods="POST,GET", Headers="content-type,authorization"), "ok", ""),
    (cors(Methods="GET"), "fail", 'Access-Control-Allow-Methods differs: old "GET, POST", new "GET"'),
    (cors(Credentials=None), "fail", 'Access-Control-Allow-Credentials differs: old "true", new ""'),
    (cors(Origin="*"), "fail", "Access-Control-Allow-Origin differs"),
    ({"status": 403}, "fail", "new 403"),
])
def test_cors(doctor, start, page, result, words):
    old, new = start(Site, {"/api": cors()}), start(Site, {"/api": page})
    run = doctor(old, new, "--path", "/api", "--origin", ORIGIN)
    line = run.one("cors", "both")
    assert line["result"] == result and words in line["detail"], line
    method, headers = new.requests("/api")[-1]
    assert method == "OPTIONS" and headers["Origin"] == ORIGIN
    assert headers["Access-Control-Request-Method"] == "POST"


def test_cors_that_neither_allows(doctor, good, start):
    run = doctor(good, start(Site), "--path", "/", "--origin", ORIGIN)
    assert run.code == 0 and run.one("cors", "both")["result"] == "warn"


# --- whatever a server sends


def test_nothing_from_the_network_drives_the_terminal(doctor, good, start):
    new = start(Site, {"/": {"status": 302, "headers": [("Location", "https://x.example/\x9b31m\xe9")]}})
    done = doctor(good, new, text=True)
    assert "x.example/" in done.stdout and done.stdout.isascii() and "\x9b" not in done.stdout


def test_an_answer_that_is_no_http(doctor, good, start):
    def page(exchange):
        exchange.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx")
        exchange.close_connection = True
    run = doctor(good, start(Site, {"/": page}), "--path", "/")
    line = run.one("compare", "both")
    assert line["result"] == "fail" and "the answer is malformed" in line["detail"]


def test_an_answer_that_ends_with_the_connection(doctor, good, start):
    def page(exchange):
        exchange.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nok")
        exchange.close_connection = True
    run = doctor(good, start(Site, {"/": page, "/health": page}))
    assert run.code == 0 and run.not_ok() == [("warn", "new", "reuse")], run.checks
    assert "(they have no length)" in run.one("reuse")["detail"]


def test_a_body_that_breaks_off(doctor, good, start):
    def page(exchange):
        exchange.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nx")
        exchange.close_connection = True
    run = doctor(good, start(Site, {"/": page}), "--path", "/")
    assert run.failed() == [("both", "compare")]
