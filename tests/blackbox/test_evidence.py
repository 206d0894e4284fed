"""What the comparison is made of: each attempt at the user's own side, by how it ended, before failover
hides it; and nothing of those who are there by no weight."""

import socket
import struct
import time

import pytest

from cutover import Proxy, Recorder, free_port
from test_edges import SWITCHED, Script, upgrade
from test_platform import alb, railway
from wire import Closed, eventually, head

CONFIG = {
    "workers": 1, "initial_weight": 100, "failover": "none", "retry": {"attempts": 0},
    "health": {"interval": "1h", "timeout": "9s"}, "outlier": {"consecutive_errors": 0},
    "timeouts": {"response_header": "300ms", "response_body": "300ms", "connect": "300ms", "tls_handshake": "300ms",
                 "upstream_idle": "1s", "drain": "1s"},
    "plan": {"steps": [{"weight": 10, "hold": "1h"}, {"weight": 100, "hold": "1h"}],
             "guard": {"warm_up": 0}},
}


def answer(status=200, *fields, body=b"ok"):
    lines = [f"HTTP/1.1 {status} So", "X-Backend: recorder", *fields, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def compared(proxy, side, requests, **wanted):
    """What is known of a side, once so many requests are. The rest of `wanted` must hold as well."""
    seen = {}

    def is_there():
        reply = proxy.admin("GET", "/v1/compare")
        assert reply.status == 200, reply
        seen.update(reply.json()["backends"][side])
        return seen["requests"] == requests

    eventually(is_there, 6, 0.1, what=f"{requests} requests on {side}")
    for key, value in wanted.items():
        assert seen[key] == value, (key, seen)
    return seen


def counts(seen):
    return [seen[name]["count"] for name in ("connect_ms", "first_byte_ms", "total_ms")]


@pytest.fixture
def before(start, old):
    """before(answer): the proxy with all users on new, a Recorder that gives it."""
    def make(reply, **config):
        new = reply if isinstance(reply, str) else start(Recorder, reply if callable(reply) else lambda *_: reply)
        proxy = start(Proxy, old, new, {**CONFIG, **config})
        proxy.expect_broken = True
        return proxy
    return make


def errors(kind, count):
    kinds = dict.fromkeys(("connect", "tls", "timeout", "broken", "platform", "5xx"), 0)
    return {**kinds, kind: count} if kind else kinds


def test_what_went_well_has_latencies(before):
    proxy = before(answer())
    with proxy.connect() as wire:
        for _ in range(5):
            wire.get("/")
    seen = compared(proxy, "new", 5, errors=0, errors_by_kind=errors(None, 0))
    assert counts(seen) == [1, 5, 5], "one connection was made"
    assert 0 < seen["first_byte_ms"]["p50"] <= seen["total_ms"]["p99"] < 1000
    compared(proxy, "old", 0)


class Hangs:
    """A listener that takes connections and says nothing."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self.listener.getsockname()[1]

    def stop(self):
        self.listener.close()


def silent(_head, _connection):
    time.sleep(0.6)


def half(_head, connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def half_and_silence(request, connection):
    half(request, connection)
    time.sleep(0.6)


@pytest.mark.parametrize("kind, reply", [
    ("timeout", silent), ("timeout", half_and_silence), ("broken", lambda *_: None), ("broken", half),
    ("broken", b"nonsense\r\n\r\n"), ("platform", railway(404)), ("platform", alb(502)), ("5xx", answer(500)),
    ("5xx", answer(503))], ids=lambda value: getattr(value, "__name__", str(value)[:20]))
def test_errors_are_told_apart(before, kind, reply):
    proxy = before(reply)
    for _ in range(3):
        try:
            proxy.get("/")
        except (Closed, ConnectionError):
            assert reply in (half, half_and_silence)
    seen = compared(proxy, "new", 3, errors=3, errors_by_kind=errors(kind, 3))
    assert counts(seen) == [0, 0, 0], "what failed has no latency"


def test_connections_that_are_refused(start, old, new):
    proxy = start(Proxy, old, new, CONFIG)
    new.kill()
    for _ in range(2):
        assert proxy.get("/").outcome == "connect_refused"
    compared(proxy, "new", 2, errors=2, errors_by_kind=errors("connect", 2))
    proxy.expect_broken = True


def test_tls_that_fails(start, before):
    proxy = before(f"https://127.0.0.1:{start(Hangs).port}")
    assert proxy.get("/").outcome == "tls_timeout"
    compared(proxy, "new", 1, errors=1, errors_by_kind=errors("tls", 1))


def test_statuses_that_tell_of_a_wrong_setting_are_shown_and_no_errors(before):
    proxy = before(lambda request, _: answer(int(request.split(b" ")[1][1:])))
    for status in (401, 403, 404, 404, 413, 429, 400, 409, 200):
        proxy.get(f"/{status}")
    seen = compared(proxy, "new", 9, errors=0, shown={"401": 1, "403": 1, "404": 2, "413": 1, "429": 1})
    assert counts(seen)[1:] == [9, 9]


def test_failover_hides_nothing(start, old, new):
    """The users of a dead side are served by the other, for which they do not count."""
    proxy = start(Proxy, old, new, {**CONFIG, "failover": "both"})
    new.kill()
    assert proxy.get("/").side == "old"
    assert proxy.get("/").side == "old"
    compared(proxy, "new", 2, errors=2, failovers=2)
    compared(proxy, "old", 0)


def test_who_fails_over_without_an_attempt_is_counted_as_that_alone(start, old):
    proxy = start(Proxy, old, f"http://127.0.0.1:{free_port()}", {
        **CONFIG, "failover": "both", "health": {"interval": "200ms", "timeout": "100ms"}})
    proxy.wait_health("new", "down")
    for _ in range(3):
        assert proxy.get("/").side == "old"
    eventually(lambda: proxy.admin("GET", "/v1/compare").json()["backends"]["new"]["failovers"] == 3, 5)
    compared(proxy, "new", 0)
    compared(proxy, "old", 0)


def test_a_side_that_is_down_without_failover_is_seen(before):
    """No attempt is made at all, and yet its users get an error."""
    proxy = before(f"http://127.0.0.1:{free_port()}", health={"interval": "200ms", "timeout": "100ms"})
    proxy.wait_health("new", "down")
    assert proxy.get("/").outcome == "no_server"
    compared(proxy, "new", 1, errors=1, errors_by_kind=errors("connect", 1))


def test_who_is_there_by_no_weight_does_not_count(before):
    proxy = before(answer(), routes=[{"name": "pinned", "path": "/pinned", "pin": "new"},
                                     {"name": "own", "path": "/own", "weight": 100}])
    proxy.get("/pinned")
    proxy.get("/own")  # a weight without a plan
    proxy.get("/", {"X-Cutover-Backend": "new"})
    proxy.get("/", {"Cookie": "cutover=0001"})
    proxy.get("/")
    time.sleep(1.2)  # what is counted would be known by then
    compared(proxy, "new", 2)
    compared(proxy, "old", 0)


def test_a_route_with_a_plan_is_compared_by_itself(before):
    proxy = before(answer(), routes=[{"name": "own", "path": "/own", "weight": 100, "plan": CONFIG["plan"]}])
    proxy.weight(100, route="own")
    for _ in range(3):
        proxy.get("/own")
    proxy.get("/")
    compared(proxy, "new", 1)
    own = proxy.admin("GET", "/v1/compare?route=own").json()
    assert (own["route"], own["backends"]["new"]["requests"]) == ("own", 3)


def test_the_clients_own_doing_does_not_count(before):
    proxy = before(lambda request, _: time.sleep(0.2) or answer())
    for leaves in (True, False):
        with proxy.connect() as wire:
            wire.send(head("POST", "/", {"Content-Length": "10"}) + (b"" if leaves else b"0123456789"))
            time.sleep(0.1)
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    proxy.raw(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
    proxy.get("/")
    time.sleep(1.2)
    compared(proxy, "new", 1, errors=0)


def leave(wire):
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def test_who_leaves_after_waiting_in_vain_speaks_against_the_side(before):
    """A side that hangs must not be silent until response_header, minutes later."""
    proxy = before(lambda *_: time.sleep(60), timeouts={"response_header": "120s"})
    waiting = [proxy.connect() for _ in range(6)]
    for wire, path in zip(waiting, ("/", "/", "/socket.io/?transport=polling") * 2, strict=True):
        wire.send(head("GET", path))
    time.sleep(5.2)
    for wire in waiting[:3]:
        leave(wire)
    compared(proxy, "new", 2, errors_by_kind=errors("timeout", 2))
    time.sleep(25)
    compared(proxy, "new", 4, errors_by_kind=errors("timeout", 4))
    for wire in waiting[3:]:
        leave(wire)


def test_a_longer_response_header_makes_nobody_late(before):
    proxy = before(lambda *_: time.sleep(60), timeouts={"response_header": "60s"})
    waiting = [proxy.connect() for _ in range(4)]
    for wire in waiting:
        wire.send(head("GET", "/"))
    time.sleep(0.3)
    proxy.config["timeouts"]["response_header"] = "120s"
    proxy.write_config()
    proxy.reload()
    eventually(lambda: proxy.status()["generation"] > 1, 5, what="the reload")
    time.sleep(1.2)
    compared(proxy, "new", 0, errors=0)
    for wire in waiting:
        leave(wire)


def test_a_dead_kept_connection_is_no_attempt(start, old):
    def play(peer, _first):
        peer.send(answer())
        if peer.next_head() is not None:
            peer.close()

    proxy = start(Proxy, old, start(Script, play), CONFIG | {"retry": {"attempts": 1}})
    with proxy.connect() as wire:
        wire.get("/")
        assert wire.get("/").status == 200  # made again, over another connection
    seen = compared(proxy, "new", 2, errors=0)
    assert counts(seen) == [2, 2, 2]


def test_what_lasts_counts_when_it_begins_and_has_no_latency(start, old):
    """Tunnels and event streams; and long polls when they end."""
    def play(peer, first):
        if "/events" in first:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\ndata: 1\n\n")
            peer.next_head()
        elif "/tunnel" in first:
            peer.send(SWITCHED)
            peer.next_head()
        else:
            peer.send(answer())

    proxy = start(Proxy, old, start(Script, play), CONFIG)
    proxy.expect_broken = True
    with proxy.connect() as stream, proxy.connect() as tunnel:
        stream.send(head("GET", "/events"))
        assert stream.read_head().status == 200
        tunnel.send(upgrade("/tunnel"))
        assert tunnel.read_head().status == 101
        assert counts(compared(proxy, "new", 2, errors=0)) == [0, 0, 0], "both are open still"
        proxy.get("/socket.io/?EIO=4&transport=polling&t=x")
        proxy.get("/socket.io/?EIO=4&transport=websocket")
        assert counts(compared(proxy, "new", 4)) == [1, 1, 1]
    time.sleep(1.2)
    compared(proxy, "new", 4, errors=0)


def test_the_waiting_for_a_place_is_not_the_sides_doing(before):
    proxy = before(lambda request, _: b"slow" in request and time.sleep(1) or answer(),
                   limits={"upstream_connections": 1},
                   timeouts={"connect": "3s", "response_header": "3s", "upstream_idle": "1s"})
    with proxy.connect() as first, proxy.connect() as second:
        first.send(head("GET", "/slow"))
        time.sleep(0.2)
        second.send(head("GET", "/"))
        assert (first.read().status, second.read().status) == (200, 200)
    seen = compared(proxy, "new", 2)
    assert seen["first_byte_ms"]["p50"] < 500 < seen["first_byte_ms"]["p99"], seen
