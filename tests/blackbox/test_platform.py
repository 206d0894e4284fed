"""A platform that cannot reach its application answers in its place: told apart from the application,
counted, and passed over where that is safe."""

import hashlib
import json
import socket
import time

import pytest

from cutover import Nginx, Proxy, Recorder, free_port
from test_edges import SWITCHED, Script, upgrade
from wire import chunked, eventually, head

KIB = 1024
REASONS = {404: "Not Found", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


def page(status, *fields, body=b"a page", coding="counted"):
    lines = [f"HTTP/1.1 {status} {REASONS[status]}", "Date: Sat, 21 Nov 2026 10:00:00 GMT", *fields]
    lines.append("Transfer-Encoding: chunked" if coding == "chunked" else f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (chunked(body[:3], body[3:]) if coding == "chunked" else body)


def railway(status, **how):
    body = json.dumps({"status": "error", "code": status, "message": "Application not found"}).encode()
    return page(status, "Content-Type: application/json", "Server: railway-edge", "X-Railway-Fallback: true",
                "X-Railway-Edge: railway/europe-west4", "X-Railway-Request-Id: abc", **{"body": body, **how})


def alb(status, **how):
    body = f"<html>\r\n<head><title>{status} {REASONS[status]}</title></head></html>\r\n".encode()
    return page(status, "Server: awselb/2.0", "Content-Type: text/html", "Connection: keep-alive",
                **{"body": body, **how})


def bare(status, **how):
    return page(status, "Server: nginx/1.24.0", "Content-Type: text/html", **how)


PAGES = {f"{make.__name__} {status}": (make(status), f"platform_{status}")
         for make, statuses in ((railway, (404, 502, 503, 504)), (alb, (502, 503, 504)), (bare, (502,)))
         for status in statuses}
SAFE = ("GET", "HEAD", "OPTIONS")


def split(answer):
    """(status, body) of an answer with a length."""
    first, body = answer.split(b"\r\n\r\n", 1)
    return int(first.split()[1]), body


@pytest.fixture
def front(start, new):
    """front(answer): the proxy before a Recorder that gives it to all requests, `proxy.old`."""
    def make(answer, other=None, **config):
        play = answer if callable(answer) else lambda *_: answer
        proxy = start(Proxy, start(Recorder, play), other or new, config={
            "workers": 1, "outlier": {"consecutive_errors": 0}, **config})
        proxy.expect_broken = True
        return proxy
    return make


def counted(proxy, name, **labels):
    """A metric, once the one worker has counted what it has answered: it does so right behind the answer,
    and so before it looks at these bytes."""
    assert b" 400 " in proxy.raw(b"no request\r\n\r\n")
    return proxy.metric(name, **labels)


def attempts(proxy, outcome, side="old"):
    return counted(proxy, "cutover_attempts_total", backend=side, outcome=outcome)


def requests(server):
    """What a Recorder was asked: a list of (method, body's bytes)."""
    text, found = server.bytes(), []
    while text:
        first, text = text.split(b"\r\n\r\n", 1)
        lower = first.lower()
        size = int(lower.split(b"content-length: ")[1].split(b"\r\n")[0]) if b"content-length: " in lower else 0
        found.append((first.split()[0].decode(), text[:size]))
        text = text[size:]
    return found


# --- what the client gets

@pytest.mark.parametrize("name", PAGES)
def test_the_other_side_answers_where_that_is_safe(front, name, new):
    """After a 404 of the platform's own nobody has seen the request: any method. Else the safe ones."""
    answer, outcome = PAGES[name]
    status, body = split(answer)
    proxy = front(answer)
    methods, given = (*SAFE, "POST", "PUT", "DELETE", "PATCH"), {}
    with proxy.connect() as wire:
        for method in methods:
            given[method] = wire.request(method, f"/echo/{method}", body=b"hello" if method[0] == "P" else None)
    for method in methods:
        [line] = proxy.access(path=f"/echo/{method}")
        if method in SAFE or status == 404:
            assert (given[method].status, given[method].side) == (200, "new"), method
            assert (line["outcome"], line["reason"], line["backend"], line["attempts"]) == \
                ("ok", "failover", "new", 2)
        else:
            assert (given[method].status, given[method].body, given[method].outcome) == (status, body, None), method
            assert given[method].header("Server") == answer.decode().split("Server: ")[1].split("\r\n")[0]
            assert (line["outcome"], line["reason"], line["backend"], line["attempts"]) == \
                (outcome, "draw", "old", 1)
            assert (line["status"], line["bytes_out"]) == (status, len(body))
    assert attempts(proxy, outcome) == 7 and attempts(proxy, "ok") == 0
    moved = 7 if status == 404 else 3
    assert new.served() == attempts(proxy, "ok", "new") == moved
    assert counted(proxy, "cutover_failovers_total", **{"from": "old"}) == moved
    assert counted(proxy, "cutover_requests_total", backend="new", reason="failover", code="2xx") == moved
    assert counted(proxy, "cutover_requests_total") == 7


def by_path(answers):
    """A Recorder's play: /N... is answered with the Nth."""
    return lambda given, _connection: answers[int(given.split()[1].split(b"/")[1])]


def test_without_failover_the_page_is_passed_on(front, new):
    proxy = front(by_path([answer for answer, _ in PAGES.values()]), failover="none")
    methods, given = ("GET", "POST", "HEAD"), {}
    with proxy.connect() as wire:
        for n in range(len(PAGES)):
            for method in methods:
                given[n, method] = wire.request(method, f"/{n}/{method}", body=b"hello" if method == "POST" else None)
    for n, (answer, outcome) in enumerate(PAGES.values()):
        status, body = split(answer)
        for method in methods:
            page = given[n, method]
            assert (page.status, page.body) == (status, b"" if method == "HEAD" else body)
            assert page.outcome is None, "it is not our answer"
            assert page.header("Content-Length") == str(len(body))
            [line] = proxy.access(path=f"/{n}/{method}")
            assert (line["outcome"], line["level"], line["attempts"]) == (outcome, "warn", 1)
        same = sum(outcome == other for _, other in PAGES.values())
        assert attempts(proxy, outcome) == 3 * same
    assert new.served() == 0 and counted(proxy, "cutover_requests_total", backend="old") == 3 * len(PAGES)


@pytest.mark.parametrize("weight,moved", [(0, False), (100, True)])
def test_to_old_goes_one_way(start, weight, moved):
    sides = [start(Recorder, lambda *_: railway(404)), start(Recorder, lambda *_: railway(404))]
    proxy = start(Proxy, *sides, {"failover": "to_old", "initial_weight": weight,
                                  "outlier": {"consecutive_errors": 0}})
    proxy.expect_broken = True
    assert proxy.request("POST", "/", body=b"hello").status == 404
    assert [len(requests(side)) for side in sides] == [1, 1 if moved else 0]


def test_when_the_other_side_is_down_or_in_maintenance(front, start):
    other = start(Recorder)
    proxy = front(railway(404), other=other, health={"interval": "100ms"})
    assert proxy.admin("PATCH", "/v1/backends/new", {"admin": "maint"}).status == 200
    given = proxy.request("POST", "/", body=b"hello")
    assert (given.status, given.header("X-Railway-Fallback")) == (404, "true")
    proxy.admin("PATCH", "/v1/backends/new", {"admin": "ready"})
    other.stop()
    proxy.wait_health("new", "down")
    assert proxy.get("/").header("X-Railway-Fallback") == "true"
    assert attempts(proxy, "platform_404") == 2 and not requests(other)
    assert counted(proxy, "cutover_failovers_total") == 0


def test_when_the_other_side_does_not_answer(front, start):
    """It seemed well when it was chosen."""
    other = Recorder()
    proxy = front(railway(404), other=other, health={"interval": "1h", "timeout": "5s"})
    other.stop()
    given = proxy.get("/")
    assert (given.status, given.outcome) == (502, "connect_refused")
    assert attempts(proxy, "platform_404") == 1 and attempts(proxy, "connect_refused", "new") == 1


@pytest.mark.parametrize("first,second,methods", [
    (railway(404), railway(404), ("GET", "POST")), (railway(502), railway(404), ("GET",)),
    (alb(503), alb(504), ("GET", "HEAD")), (railway(404), alb(502), ("GET", "POST"))])
def test_when_both_platforms_fail_there_is_no_loop(front, start, first, second, methods):
    other = start(Recorder, lambda *_: second)
    proxy = front(first, other=other)
    for method in methods:
        given = proxy.request(method, f"/{method}", body=b"hello" if method == "POST" else None)
        assert given.status == split(second)[0]
        if method != "HEAD":
            assert given.body == split(second)[1]
        [line] = proxy.access(path=f"/{method}")
        assert (line["attempts"], line["outcome"]) == (2, f"platform_{split(second)[0]}")
    assert len(requests(proxy.old)) == len(requests(other)) == len(methods)


@pytest.mark.parametrize("retries,tried", [(0, 2), (1, 3), (2, 4), (5, 4)])
def test_neighbours_come_first_and_each_server_once(start, retries, tried):
    """Three servers on old, one on new; all of them fail."""
    servers = [start(Recorder, lambda *_: railway(404)) for _ in range(4)]
    proxy = start(Proxy, servers[:3], servers[3], {
        "workers": 1, "outlier": {"consecutive_errors": 0}, "retry": {"attempts": retries}})
    proxy.expect_broken = True
    assert proxy.request("POST", "/", body=b"hello").status == 404
    counts = [len(requests(server)) for server in servers]
    assert sum(counts) == tried and max(counts) == 1 and counts[3] == 1
    assert counted(proxy, "cutover_retries_total") == tried - 1


def test_a_neighbour_that_is_well_answers(start, new):
    bad, good = start(Recorder, lambda *_: railway(502)), start(Recorder)
    proxy = start(Proxy, [bad, good], new, {"workers": 1, "failover": "none",
                                            "outlier": {"consecutive_errors": 2, "eject_for": "20s"}})
    for _ in range(8):
        assert proxy.get("/").side == "recorder"
    assert [x["ejected"] for x in proxy.status()["backends"]["old"]["servers"]] == [True, False]
    assert len(requests(bad)) == 2 and counted(proxy, "cutover_failovers_total") == 0


# --- bodies of requests

@pytest.mark.parametrize("coding", ["counted", "chunked"])
def test_a_body_goes_to_the_other_side_whole_or_not_at_all(front, start, new, coding):
    """Only what was kept can be sent again: retry.replay_bytes."""
    def play(peer, request):
        while request:
            if coding == "chunked":
                while length := int(peer.until(b"\r\n"), 16):
                    peer.need(length + 2)
                peer.until(b"\r\n")
            else:
                peer.need(int(request.lower().split("content-length: ")[1].split()[0]))
            peer.send(railway(404))
            request = peer.next_head()

    proxy = start(Proxy, start(Script, play), new, {"workers": 1, "outlier": {"consecutive_errors": 0}})
    proxy.expect_broken = True
    with proxy.connect() as wire:
        for size in (0, 1, KIB, 64 * KIB, 64 * KIB + 1, 1000 * KIB, 5):
            body = bytes(n * 31 & 255 for n in range(size))
            before = new.served()
            if coding == "chunked":
                wire.send(head("POST", "/upload", {"Transfer-Encoding": "chunked"}) + chunked(body))
            else:
                wire.send(head("POST", "/upload", body=body) + body)
            given = wire.read("POST")
            if size <= 64 * KIB:
                assert (given.status, given.json()["bytes"]) == (200, size)
                assert given.json()["sha256"] == hashlib.sha256(body).hexdigest()
            else:
                assert (given.status, given.header("X-Railway-Fallback")) == (404, "true")
            assert new.served() - before == (1 if size <= 64 * KIB else 0)


@pytest.mark.parametrize("announced", [False, True], ids=["at-once", "expect"])
def test_a_page_that_comes_before_the_body_has(start, new, announced):
    """The rest of the body goes to the side that answers, behind what was kept."""
    proxy = start(Proxy, start(Script, lambda peer, _head: (peer.send(railway(404)), time.sleep(1))), new,
                  {"workers": 1})
    proxy.expect_broken = True
    with proxy.connect() as wire:
        if announced:
            wire.send(head("POST", "/upload", {"Content-Length": "10", "Expect": "100-continue"}))
            assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 "), "of the other side"
            wire.send(b"first")
        else:
            wire.send(head("POST", "/upload", {"Content-Length": "10"}) + b"first")
        eventually(lambda: attempts(proxy, "platform_404") == 1)
        wire.send(b"later")
        given = wire.read("POST")
        assert (given.status, given.json()["bytes"]) == (200, 10)
        assert given.json()["sha256"] == hashlib.sha256(b"firstlater").hexdigest()
        assert wire.get("/").status == 200, "in step"


def test_a_large_body_is_cut_short_by_the_page(start, new):
    """More than is kept has come when the platform answers: its page is the answer."""
    proxy = start(Proxy, start(Script, lambda peer, _head: (peer.need(200_000), peer.send(railway(404)),
                                                            time.sleep(1))), new, {"workers": 1})
    proxy.expect_broken = True
    with proxy.connect() as wire:
        wire.send(head("POST", "/upload", {"Content-Length": "1000000"}) + bytes(200_000))
        given = wire.read("POST")
        assert (given.status, given.header("X-Railway-Fallback")) == (404, "true")
        assert given.header("Connection") == "close"
    assert new.served() == 0


# --- how the page comes

@pytest.mark.parametrize("moved", [True, False], ids=["passed-over", "passed-on"])
@pytest.mark.parametrize("coding", ["counted", "chunked"])
def test_pages_of_any_shape(start, new, moved, coding):
    """In one read, or its head cut in two and its body later."""
    sizes = (0, 100, 300_000)
    answers = [railway(502, body=b"x" * size, coding=coding) for size in sizes]

    def play(peer, request):
        while request:
            _, size, later = request.split()[1].split("/")[1].split("-")
            first, rest = answers[int(size)].split(b"\r\n\r\n", 1)
            for part in (first + b"\r\n\r", b"\n", rest) if later else (first + b"\r\n\r\n" + rest,):
                peer.send(part)
                time.sleep(0.01 if later else 0)
            request = peer.next_head()

    proxy = start(Proxy, start(Script, play), new, {
        "workers": 1, "failover": "both" if moved else "none", "outlier": {"consecutive_errors": 0}})
    proxy.expect_broken = True
    with proxy.connect() as wire:
        for size in range(len(sizes)):
            for later in ("", "later"):
                for _ in range(2):
                    given = wire.get(f"/page-{size}-{later}")
                    assert (given.status, given.side) == ((200, "new") if moved else (502, None))
                    assert moved or given.body == b"x" * sizes[size]
    assert attempts(proxy, "platform_502") == 12


def test_pipelined_requests_keep_their_order(front):
    proxy = front(railway(502))
    with proxy.connect() as wire:
        wire.send(b"".join(head("GET", f"/bytes/{n}") + head("POST", "/x", body=b"hello") + b"hello"
                           for n in range(20)))
        for n in range(20):
            assert (given := wire.read()).status == 200 and len(given.body) == n
            assert wire.read("POST").status == 502


def test_an_upgrade_goes_to_the_other_side(front, start):
    """A WebSocket begins with a GET."""
    other = start(Script, lambda peer, _head: (peer.send(SWITCHED), peer.send(peer.need(5))))
    proxy = front(railway(502), other=other)
    with proxy.connect() as wire:
        wire.send(upgrade("/ws"))
        assert wire.read_head().status == 101
        wire.send(b"hello")
        assert wire.need(5) == b"hello"
    assert proxy.access(path="/ws")[0]["reason"] == "failover"


def test_a_client_that_goes_away_meanwhile(start, new):
    """Between the page's head and its body, and right behind its own request."""
    proxy = start(Proxy, start(Script, lambda peer, _head: (
        peer.send(railway(502).split(b"\r\n\r\n")[0] + b"\r\n\r\n"), time.sleep(0.3))), new,
        {"workers": 1, "failover": "none"})
    proxy.expect_broken = True
    for _ in range(5):
        with proxy.connect() as wire:
            wire.send(head("GET", "/"))
    with proxy.connect() as wire:
        wire.send(head("GET", "/"))
        wire.sock.shutdown(socket.SHUT_WR)
        wire.read_head()
    assert proxy.get("/", {"X-Cutover-Backend": "new"}).status == 200


# --- ejection

@pytest.mark.parametrize("name", ["railway 404", "railway 502", "alb 503", "bare 502"])
def test_a_platform_that_fails_is_ejected(front, name, new):
    answer, outcome = PAGES[name]
    proxy = front(answer, outlier={"consecutive_errors": 3, "eject_for": "20s"})
    for n in range(5):
        assert proxy.get(f"/{n}").side == "new"
    assert proxy.status()["backends"]["old"]["servers"][0]["ejected"]
    assert attempts(proxy, outcome) == len(requests(proxy.old)) == 3
    assert [proxy.access(path=f"/{n}")[0]["attempts"] for n in range(5)] == [2, 2, 2, 1, 1]
    [line] = proxy.logs("server ejected: too many errors in a row")
    assert line["last_outcome"] == outcome


def test_pages_that_are_passed_on_count_as_well(front):
    proxy = front(alb(503), outlier={"consecutive_errors": 3, "eject_for": "20s"})
    for n in range(4):
        given = proxy.request("POST", f"/{n}", body=b"hello")
        assert (given.status, given.side) == ((503, None) if n < 3 else (200, "new"))


def test_a_clients_own_host_ejects_nobody(start, new):
    """With host: client a stranger may ask for a name that the platform does not know."""
    def play(given, _connection):
        return Recorder.OK if b"Host: known.example" in given else railway(404)

    proxy = start(Proxy, start(Recorder, play), new, {
        "workers": 1, "failover": "none", "outlier": {"consecutive_errors": 2},
        "backends": {"old": {"host": "client"}}})
    proxy.expect_broken = True
    for n in range(5):
        assert proxy.get("/", {"Host": f"made-up-{n}.example"}).status == 404
    assert not proxy.status()["backends"]["old"]["servers"][0]["ejected"]
    assert proxy.get("/", {"Host": "known.example"}).status == 200


# --- the application's own

OWN = {
    "json": page(503, "Content-Type: application/json", body=b'{"error":"busy"}'),
    "json 502": page(502, "Content-Type: application/json", "Server: nginx", body=b"{}"),
    "charset": page(503, "Content-Type: text/html; charset=utf-8"),
    "powered by": page(503, "Content-Type: text/html", "X-Powered-By: Express"),
    "cookie": page(503, "Content-Type: text/html", "Set-Cookie: sessionid=1"),
    "retry after": page(503, "Content-Type: text/html", "Server: nginx", "Retry-After: 120"),
    "server": page(502, "Content-Type: text/html", "Server: gunicorn"),
    "no type": page(503, body=b""),
    "404": page(404, "Content-Type: text/html", "Server: nginx"),
    "404 of an edge": page(404, "Content-Type: text/html", "Server: railway-edge"),
    "no fallback": page(404, "X-Railway-Fallback: false"),
    "500": b"HTTP/1.1 500 Oops\r\nX-Railway-Fallback: true\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
    "200": b"HTTP/1.1 200 OK\r\nX-Railway-Fallback: true\r\nContent-Length: 0\r\n\r\n",
}


def test_the_applications_own_answers_are_never_passed_over(front, new):
    proxy = front(by_path(list(OWN.values())), outlier={"consecutive_errors": 2})
    with proxy.connect() as wire:
        for n, (name, answer) in enumerate(OWN.items()):
            for method in ("GET", "POST"):
                given = wire.request(method, f"/{n}/{method}", body=b"hello" if method == "POST" else None)
                assert (given.status, given.body, given.side) == (*split(answer), None), name
    for n, name in enumerate(OWN):
        for method in ("GET", "POST"):
            [line] = proxy.access(path=f"/{n}/{method}")
            assert (line["outcome"], line["attempts"]) == ("ok", 1), name
    assert attempts(proxy, "ok") == 2 * len(OWN) and new.served() == 0
    assert not proxy.status()["backends"]["old"]["servers"][0]["ejected"]


# --- the real thing

def test_nginx_without_its_application(start, new, tmp_path):
    """Its own page for a dead application; and what makes it the application's."""
    plain = 'add_header X-None "";'  # takes away the harness's header
    dead = f"proxy_pass http://127.0.0.1:{free_port()};"
    nginx = start(Nginx, tmp_path, f"""
        location / {{ {plain} {dead} }}
        location /503 {{ {plain} return 503; }}
        location /404 {{ {plain} return 404; }}
        location /marked {{ {dead} }}
        location /charset {{ {plain} charset utf-8; {dead} }}
        location /own {{ {plain} error_page 502 /own.html; {dead} }}
        location = /own.html {{ internal; {plain} root {tmp_path}; }}
    """)
    (tmp_path / "own.html").write_text("our own page")
    proxy = start(Proxy, nginx, new, {"workers": 1, "outlier": {"consecutive_errors": 0}})
    proxy.expect_broken = True
    seen = {}
    for path in ("/", "/503", "/404", "/marked", "/charset", "/own"):
        given = [proxy.request(method, path, body=b"x" if method == "POST" else None) for method in ("GET", "POST")]
        seen[path] = [(x.status, x.side, y["outcome"]) for x, y in zip(given, proxy.access(path=path))]
    nothing = (404, None, "ok")
    assert seen == {
        "/": [(200, "new", "ok"), (502, None, "platform_502")],
        "/503": [(200, "new", "ok"), (503, None, "platform_503")],
        "/404": [nothing, nothing],
        "/marked": [(502, "nginx", "ok")] * 2,
        "/charset": [(502, None, "ok")] * 2,
        "/own": [(502, None, "ok")] * 2,
    }
