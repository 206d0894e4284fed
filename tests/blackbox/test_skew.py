"""on_404: other_side. A page from one side names files of that side's build, and the browser may ask the
other for them: a GET or HEAD that its side answers 404 is asked once on the other."""

import socket
import time

import pytest

from cutover import Origin, Proxy, Recorder
from test_edges import Script, upgrade
from test_platform import alb, attempts, counted, railway, requests
from wire import chunked, eventually, head

ROUTE = {"name": "files", "path": "/files/", "on_404": "other_side"}
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nX-Backend: %s\r\nContent-Type: text/html\r\n" \
    b"Content-Length: 9\r\n\r\nnot here\n"


def found(name, body=b"the file\n"):
    return b"HTTP/1.1 200 OK\r\nX-Backend: %s\r\nContent-Length: %d\r\n\r\n" % (name, len(body)) + body


class Files(Recorder):
    """Has /files/NAME for each of `names` and everything outside of /files/; else 404."""

    def __init__(self, name, names, missing=None):
        self.name, self.names = name.encode(), names
        self.missing = missing or NOT_FOUND % self.name
        super().__init__(self.look_up)

    def look_up(self, first, _connection):
        method, path = first.split()[:2]
        path = path.decode().split("?")[0]
        is_there = not path.startswith("/files/") or path.removeprefix("/files/") in self.names
        answer = found(self.name) if is_there else self.missing
        return answer.split(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == b"HEAD" else answer


@pytest.fixture
def sides(start):
    """Each has a file of its own, and one that both have."""
    return start(Files, "old", {"of-old", "both"}), start(Files, "new", {"of-new", "both"})


@pytest.fixture
def front(start, sides):
    def make(*servers, route=None, **config):
        routes = [{**ROUTE, **(route or {})}]
        return start(Proxy, *(servers or sides), config={"workers": 1, "routes": routes, **config})
    return make


OLD, NEW = {"Cookie": "cutover=9000"}, {"Cookie": "cutover=0100"}  # at weight 50


# --- what is asked on the other side

@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("home", ["old", "new"])
def test_a_file_is_found_where_it_is(front, sides, method, home):
    proxy = front(initial_weight=50)
    for file, answered in (("of-old", "old"), ("of-new", "new"), ("both", home)):
        before = proxy.metrics(), sum(len(requests(side)) for side in sides)
        given = proxy.request(method, f"/files/{file}", OLD if home == "old" else NEW)
        assert (given.status, given.side) == (200, answered)
        assert given.body == (b"" if method == "HEAD" else b"the file\n")
        assert given.cookie() is None, "the user stays where he is"
        moved = home != answered
        [line] = proxy.access(path=f"/files/{file}")
        assert (line["backend"], line["attempts"]) == (answered, 2 if moved else 1)
        assert (line["outcome"], line["reason"]) == ("ok", "skew" if moved else "cookie")
        assert (line["route"], line["bucket"]) == ("files", 9000 if home == "old" else 100)
        counted(proxy, "cutover_requests_total")
        grown = {name: value - before[0].get(name, 0) for name, value in proxy.metrics().items()
                 if name.startswith(("cutover_attempts", "cutover_requests", "cutover_failovers"))}
        assert {name: value for name, value in grown.items() if value} == {
            f'cutover_requests_total{{backend="{answered}",route="files",reason="{line["reason"]}",code="2xx"}}': 1,
            f'cutover_attempts_total{{backend="{answered}",outcome="ok"}}': 1,
            **({f'cutover_attempts_total{{backend="{home}",outcome="skew_404"}}': 1} if moved else {})}
        assert sum(len(requests(side)) for side in sides) - before[1] == (2 if moved else 1)


@pytest.mark.parametrize("home", ["old", "new"])
def test_what_neither_has_is_the_other_sides_404(front, sides, home):
    proxy = front(initial_weight=50)
    given = proxy.get("/files/none", OLD if home == "old" else NEW)
    other = "new" if home == "old" else "old"
    assert (given.status, given.side, given.body, given.outcome) == (404, other, b"not here\n", None)
    assert [len(requests(side)) for side in sides] == [1, 1], "no loop"
    [line] = proxy.access()
    assert (line["status"], line["outcome"], line["reason"], line["backend"]) == (404, "ok", "skew", other)
    assert attempts(proxy, "skew_404", home) == attempts(proxy, "ok", other) == 1
    assert counted(proxy, "cutover_requests_total", backend=other, reason="skew", code="4xx") == 1


def test_other_methods_are_left_alone(front, sides):
    proxy = front()
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        given = proxy.request(method, "/files/of-new", body=b"hello" if method[0] == "P" else None)
        assert (given.status, given.side) == (404, "old")
    assert not requests(sides[1])


def test_other_routes_and_other_answers_are_left_alone(front, start, sides):
    gone = start(Recorder, lambda *_: NOT_FOUND.replace(b"404 Not Found", b"410 Gone") % b"old")
    proxy = front(gone, sides[1])
    proxy.expect_broken = True
    assert proxy.get("/files/of-new").status == 410
    proxy = front(start(Recorder, lambda *_: NOT_FOUND % b"old"), sides[1])
    proxy.expect_broken = True
    assert proxy.get("/elsewhere").status == 404
    assert not requests(sides[1])


def test_passing_is_the_default(start, sides):
    proxy = start(Proxy, *sides, {"routes": [{"name": "files", "path": "/files/"},
                                             {"name": "more", "path": "/more/", "on_404": "pass"}]})
    assert proxy.get("/files/of-new").status == 404 and not requests(sides[1])


@pytest.mark.parametrize("weight", [0, 100])
def test_at_the_ends_of_the_weight(front, sides, weight):
    """Nobody is on the other side, and yet it is asked: pages from there are still in browsers."""
    proxy = front(initial_weight=weight)
    home, file = ("old", "of-new") if weight == 0 else ("new", "of-old")
    given = proxy.get(f"/files/{file}")
    assert given.status == 200 and given.side != home
    assert proxy.get("/files/both").side == home


@pytest.mark.parametrize("route", [{"pin": "old"}, {"weight": 0}])
def test_routes_with_a_rule_of_their_own(front, route):
    proxy = front(route=route, initial_weight=100)
    assert proxy.get("/files/of-old").side == "old"
    assert proxy.get("/files/of-new").side == "new"
    assert [x["reason"] for x in proxy.access(path="/files/of-new")] == ["skew"]


def test_failover_none_is_about_something_else(front):
    assert front(failover="none").get("/files/of-new").side == "new"


def test_a_tester_is_helped_as_well(front):
    given = front().get("/files/of-old", {"X-Cutover-Backend": "new"})
    assert (given.status, given.side) == (200, "old")


# --- who the user is

def test_a_new_user_gets_his_own_sides_cookie(front):
    """From the bucket that was drawn for him, whoever answered."""
    proxy = front(initial_weight=50)
    for n in range(12):
        given = proxy.get(f"/files/{'of-new' if n % 2 else 'of-old'}")
        assert given.status == 200
        [line] = proxy.access(request_id=given.header("X-Request-ID"))
        assert given.cookie() == f"{line['bucket']:04}"
        home = "new" if line["bucket"] < 5000 else "old"
        assert (line["reason"] == "skew") == (given.side != home)
        again = proxy.get("/", {"Cookie": f"cutover={given.cookie()}"})
        assert (again.side, again.cookie()) == (home, None)


def test_with_keep_the_cookie_names_his_own_side(front):
    proxy = front(initial_weight=50, sticky={"on_raise": "keep", "on_lower": "keep"})
    for file, user, kept in (("of-new", "9000", "9000o"), ("of-old", "0100", "0100n")):
        given = proxy.get(f"/files/{file}", {"Cookie": f"cutover={user}"})
        assert (given.status, given.cookie()) == (200, kept)


# --- when the other side cannot be asked

def hang_up(peer, _head):
    pass


def reset(peer, _head):
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


OTHERS = {
    "closes": hang_up,
    "resets": reset,
    "garbage": lambda peer, _head: peer.send(b"garbage\r\n\r\n"),
    "half a head": lambda peer, _head: peer.send(b"HTTP/1.1 200 OK\r\nX-"),
    "too large": lambda peer, _head: peer.send(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000 + b"\r\n\r\n"),
    "silent": lambda peer, _head: time.sleep(2),
    "platform 404": lambda peer, _head: peer.send(railway(404)),
    "platform 502": lambda peer, _head: peer.send(railway(502)),
    "platform 503": lambda peer, _head: peer.send(alb(503)),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_side_that_fails(front, start, sides, case):
    """The side that the user is on has answered: not found, whatever became of the question."""
    other = start(Script, OTHERS[case])
    proxy = front(sides[0], other, timeouts={"response_header": "300ms"}, outlier={"consecutive_errors": 2})
    for n, method in enumerate(("GET", "HEAD")):
        given = proxy.request(method, f"/files/none-{n}")
        assert (given.status, given.outcome) == (404, "skew_404")
        [line] = proxy.access(path=f"/files/none-{n}")
        assert (line["outcome"], line["status"], line["attempts"], line["reason"]) == ("skew_404", 404, 2, "skew")
    assert len(requests(sides[0])) == 2
    ejected = [proxy.status()["backends"][side]["servers"][0]["ejected"] for side in ("old", "new")]
    assert ejected == [False, True], "it failed, and that counts"
    assert proxy.get("/files/none-3").side == "old", "then it is left alone"
    assert counted(proxy, "cutover_failovers_total") == 0


def test_another_side_that_refuses(front, sides):
    proxy = front(health={"interval": "1h", "timeout": "5s"})
    sides[1].stop()
    with proxy.connect() as wire:
        given = wire.get("/files/of-new")
        assert (given.status, given.outcome) == (404, "skew_404")
        assert wire.get("/files/both").status == 200, "the connection goes on"
    assert attempts(proxy, "connect_refused", "new") == 1


@pytest.mark.parametrize("how", ["down", "maint"])
def test_another_side_that_is_out_of_use(front, sides, how):
    """It is not asked, and the page is passed on as it is."""
    proxy = front(health={"interval": "100ms"})
    if how == "maint":
        proxy.admin("PATCH", "/v1/backends/new", {"admin": "maint"})
    else:
        sides[1].stop()
        proxy.wait_health("new", "down")
    given = proxy.get("/files/of-new")
    assert (given.status, given.side, given.body) == (404, "old", b"not here\n")
    [line] = proxy.access()
    assert (line["outcome"], line["reason"], line["attempts"]) == ("ok", "draw", 1)


def test_a_side_that_drains_is_asked(front):
    """drain is about new users."""
    proxy = front()
    proxy.admin("PATCH", "/v1/backends/new", {"admin": "drain"})
    assert proxy.get("/files/of-new").side == "new"


def test_after_a_failover_nobody_is_left_to_ask(front, sides):
    proxy = front(initial_weight=100, health={"interval": "100ms"})
    sides[1].stop()
    proxy.wait_health("new", "down")
    given = proxy.get("/files/none")
    assert (given.status, given.side) == (404, "old")
    assert proxy.access()[0]["reason"] == "failover"


def test_after_a_failover_within_the_request(front, start, sides):
    """Home has just failed: a 404 of the other side does not lead back to it."""
    broken = start(Recorder, lambda *_: railway(502))
    proxy = front(broken, sides[1], outlier={"consecutive_errors": 0})
    given = proxy.get("/files/none")
    assert (given.status, given.side) == (404, "new")
    [line] = proxy.access()
    assert (line["reason"], line["attempts"]) == ("failover", 2)
    assert len(requests(broken)) == 1
    proxy.expect_broken = True


def test_a_kept_connection_that_ends_just_then(front, start, sides):
    """The other side closes an old connection under the question: it is asked over a new one."""
    def play(peer, request):
        peer.send(found(b"new"))
        asked.append(peer.next_head())

    asked = []
    proxy = front(sides[0], start(Script, play), timeouts={"upstream_idle": "60s"})
    assert proxy.get("/kept", {"X-Cutover-Backend": "new"}).status == 200
    given = proxy.get("/files/of-new")
    assert len(asked) >= 1 and asked[0].startswith("GET /files/of-new "), "it was sent on the old one"
    assert (given.status, given.side) == (200, "new")


def test_a_server_without_a_free_place(front, start, sides):
    """limits.upstream_connections: waiting in vain is not an answer."""
    other = start(Script, lambda peer, _head: time.sleep(3))
    proxy = front(sides[0], other, limits={"upstream_connections": 1},
                  timeouts={"connect": "300ms", "upstream_idle": "60s"})
    with proxy.connect() as busy:
        busy.send(head("GET", "/busy", {"X-Cutover-Backend": "new"}))
        eventually(lambda: other.peers)
        given = proxy.get("/files/of-new")
        assert (given.status, given.outcome) == (404, "skew_404")
    other.stop()


# --- bodies, and what follows

@pytest.mark.parametrize("coding", ["counted", "chunked"])
@pytest.mark.parametrize("size", [0, 100, 5_000_000])
def test_large_pages_for_what_is_missing(front, start, sides, size, coding):
    """They are not read to their end."""
    body = b"x" * size
    fields = b"Transfer-Encoding: chunked\r\n" if coding == "chunked" else b"Content-Length: %d\r\n" % size
    missing = b"HTTP/1.1 404 Not Found\r\n" + fields + b"\r\n" + (chunked(body) if coding == "chunked" else body)
    proxy = front(start(Files, "old", {"both"}, missing), sides[1])
    with proxy.connect() as wire:
        for _ in range(5):
            assert wire.get("/files/of-new").side == "new"
            assert wire.get("/files/both").side == "old"
            assert wire.get("/files/none").status == 404
    assert proxy.status()["backends"]["old"]["servers"][0]["active"] == 0


@pytest.mark.parametrize("coding", ["counted", "chunked"])
@pytest.mark.parametrize("size,moved", [(100, True), (64 * 1024, True), (64 * 1024 + 1, False), (300_000, False)])
def test_a_get_with_a_body(front, start, size, moved, coding):
    """It goes along whole, or nobody else is asked: what was not kept cannot be sent again."""
    def play(peer, request):
        while request:
            got = bytearray()
            if "chunked" in request.lower():
                while length := int(peer.until(b"\r\n"), 16):
                    got += peer.need(length + 2)[:-2]
                peer.until(b"\r\n")
            else:
                got += peer.need(int(request.lower().split("content-length: ")[1].split()[0]))
            bodies.append(bytes(got))
            peer.send(NOT_FOUND % b"old" if peer in old.peers else found(b"new"))
            request = peer.next_head()

    bodies, body = [], bytes(n * 31 & 255 for n in range(size))
    old, new = start(Script, play), start(Script, play)
    proxy = front(old, new)
    proxy.expect_broken = True
    with proxy.connect() as wire:
        if coding == "chunked":
            wire.send(head("GET", "/files/x", {"Transfer-Encoding": "chunked"}) + chunked(body))
        else:
            wire.send(head("GET", "/files/x", body=body) + body)
        given = wire.read()
    assert (given.status, given.side) == ((200, "new") if moved else (404, "old"))
    assert bodies == [body] * (2 if moved else 1)


def test_pipelined_requests_keep_their_order(front):
    wanted = [("of-old", 200, "old"), ("of-new", 200, "new"), ("none", 404, "new"), ("both", 200, "old")] * 10
    with front().connect() as wire:
        wire.send(b"".join(head("GET", f"/files/{file}") for file, _, _ in wanted))
        for file, status, side in wanted:
            given = wire.read()
            assert (given.status, given.side) == (status, side), file


def test_a_client_of_http_1_0(front):
    assert front().request("GET", "/files/of-new", version="1.0").side == "new"


def test_a_client_that_goes_away_while_the_other_side_is_asked(front, start, sides):
    other = start(Script, lambda peer, _head: (time.sleep(0.3), peer.send(found(b"new"))))
    proxy = front(sides[0], other)
    for n in range(5):
        with proxy.connect() as wire:
            wire.send(head("GET", "/files/of-new"))
            eventually(lambda: len(other.peers) == n + 1)
            reset(wire, None)
    eventually(lambda: len(proxy.access(path="/files/of-new", outcome="client_gone", reason="skew")) == 5)


def test_an_interim_answer_before_the_404(front, start, sides):
    """It has gone to the client already, and harms nothing."""
    early = start(Recorder, lambda *_: b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + NOT_FOUND % b"old")
    proxy = front(early, sides[1])
    given = proxy.get("/files/of-new")
    assert (given.status, given.side, [x.status for x in given.interim]) == (200, "new", [103])
    proxy.expect_broken = True


def test_an_upgrade_that_is_not_found(front, start, sides):
    """A WebSocket begins with a GET; bytes behind it are no request on either side."""
    proxy = front()
    with proxy.connect() as wire:
        wire.send(upgrade("/files/of-new") + head("GET", "/smuggled"))
        given = wire.read()
        assert (given.status, given.side) == (200, "new")
        assert wire.at_end(3)
    assert not any(b"/smuggled" in bytes(x) for side in sides for x in side.seen)


def test_real_applications(start):
    """cutover-origin answers /status/404 so on both sides."""
    old, new = start(Origin, "old"), start(Origin, "new")
    proxy = start(Proxy, old, new, {"routes": [{"name": "status", "path": "/status/", "on_404": "other_side"}]})
    for n in range(10):
        given = proxy.get("/status/404")
        assert (given.status, given.side) == (404, "new")
    assert (old.served(), new.served()) == (10, 10)
