"""log.access: sampled drops nothing that somebody will look for: of a hundred plain requests one line is
written, and all that failed, were slow, cut, or refused by the proxy itself."""

import collections
import time

import pytest

from cutover import Proxy, Recorder
from test_edges import SWITCHED, Script, upgrade
from wire import Closed, eventually

CONFIG = {
    "workers": 1, "initial_weight": 0, "health": {"interval": "1h"},
    "outlier": {"consecutive_errors": 0}, "failover": "none", "retry": {"attempts": 0},
    "log": {"access": "sampled", "slow": "300ms"},
    "timeouts": {"response_header": "700ms", "response_body": "300ms"},
    "limits": {"body_bytes": 1000},
}

CUT = b"HTTP/1.1 200 OK\r\nX-Backend: old\r\nContent-Length: 100\r\n\r\nhalf"


def answer(head, connection):
    path = head.split(b" ", 2)[1].decode()
    if path == "/slow":
        time.sleep(0.4)
    if path == "/silent":
        time.sleep(1)
    if path in ("/cut", "/stalled"):
        connection.sendall(CUT)
        if path == "/stalled":
            time.sleep(0.6)
        return None
    if path == "/closed":
        return None
    if path == "/events":
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for i in range(4):
            connection.sendall(b"data: %d\n\n" % i)
            time.sleep(0.15)
        return None
    status = path.strip("/") if path.strip("/").isdigit() else "200"
    return f"HTTP/1.1 {status} So\r\nX-Backend: old\r\nContent-Length: 2\r\n\r\nok".encode()


@pytest.fixture
def proxy(start, new):
    proxy = start(Proxy, start(Recorder, answer), new, CONFIG)
    proxy.expect_broken = True
    return proxy


def lines(proxy):
    """Access lines by path, once those before this moment are written."""
    mark = f"/mark-{time.monotonic_ns()}"
    proxy.raw(f"GET {mark} HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n")  # refused: always written
    eventually(lambda: [x for x in proxy.logs("request") if x.get("path") == mark], 5, what="access lines")
    paths = [line.get("path", "none") for line in proxy.logs("request")]
    return collections.Counter(path for path in paths if not path.startswith("/mark-"))


def test_of_what_went_well_one_in_a_hundred_is_written(proxy):
    with proxy.connect() as wire:
        for i in range(1000):
            assert wire.get(f"/{200 if i % 2 else 404}").status in (200, 404)
    assert 9 <= sum(lines(proxy).values()) <= 11


@pytest.mark.parametrize("path, status", [
    ("/500", 500), ("/503", 503), ("/slow", 200), ("/closed", 502), ("/silent", 504)])
def test_errors_and_slow_requests_are_all_written(proxy, path, status):
    for _ in range(3):
        assert proxy.get(path).status == status
    assert lines(proxy)[path] == 3


@pytest.mark.parametrize("path", ["/cut", "/stalled"])
def test_answers_that_were_cut_are_all_written(proxy, path):
    for _ in range(3):
        with pytest.raises((Closed, ConnectionError)):
            proxy.get(path)
    assert lines(proxy)[path] == 3


def test_own_refusals_are_all_written(proxy):
    for _ in range(3):
        assert proxy.request("POST", "/large", body=b"x" * 2000).status == 413
        assert proxy.get("/" + "t" * 9000).status == 414
        assert b" 400 " in proxy.raw(b"GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    proxy.admin("PATCH", "/v1/backends/old", {"admin": "maint"})
    for _ in range(3):
        assert proxy.get("/maint").outcome == "maintenance"
    found = lines(proxy)
    assert (found["/large"], found["/maint"]) == (3, 3)
    assert sum(found.values()) == 12, found


def test_what_lasts_is_not_slow_by_that(start, new):
    """A tunnel and an event stream of more than the limit: of few that were begun at once none is written."""
    def play(peer, first):
        if "/tunnel" in first:
            peer.send(SWITCHED)
            time.sleep(0.5)
        elif "/late" in first:
            time.sleep(0.4)
            peer.send(SWITCHED)
        else:
            answer(first.encode(), peer.sock)

    proxy = start(Proxy, start(Script, play), new, CONFIG)
    proxy.expect_broken = True
    lines(proxy)  # of each worker's requests the first is written
    for path in ("/tunnel", "/late"):
        with proxy.connect() as wire:
            wire.send(upgrade(path))
            assert wire.read_head().status == 101
            assert wire.at_end()
    assert proxy.get("/events").body.endswith(b"data: 3\n\n")
    proxy.get("/slow")
    assert lines(proxy) == {"/late": 1, "/slow": 1}
