"""What one client may take: a body's time, connections at once, requests on one of them, a line's length."""

import contextlib
import re
import socket
import threading
import time
from pathlib import Path

import pytest

from conftest import finish
from cutover import Origin, Proxy, Recorder, free_port
from test_edges import OK, Script, upgrade
from test_proxy_protocol import binary, line
from wire import Closed, Wire, chunked, eventually, head

MIB = 1 << 20
TOO_MANY = "connection refused: too many from one address (limits.connections_per_client)"


class From(Wire):
    """From one of this machine's other addresses."""

    def __init__(self, source, address):
        self.address, self.rest = address, b""
        self.sock = socket.create_connection(address, 10, source_address=(source, 0))


@contextlib.contextmanager
def open_(count, connect):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect()) for _ in range(count)]


def statuses(data):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


# --- a request line

LARGE = {
    "a line": (b"GET /" + b"x" * 40000, 414),
    "a line behind an empty one": (b"\r\nGET /" + b"x" * 40000, 414),
    "the line of a whole head": (head("GET", "/" + "x" * 40000), 414),
    "a field": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40000, 431),
    "a field of a whole head": (head("GET", "/", {"X": "x" * 40000}), 431),
    "a field behind an empty line": (b"\r\n" + head("GET", "/", {"X": "x" * 40000}), 431),
}


def test_what_of_a_head_is_too_large(start, new):
    outcomes = {414: b"target_too_long", 431: b"head_too_large"}
    backend = start(Recorder)
    proxy = start(Proxy, backend, new)
    for name, (data, status) in LARGE.items():
        got = proxy.raw(data, 4)
        assert statuses(got) == [status] and b"X-Cutover-Outcome: " + outcomes[status] in got, name
    assert not backend.bytes()


# --- a body's time

def slow(start, *sides, rate="100", **config):
    """A proxy where a body must bring `rate` bytes in each second."""
    return start(Proxy, *sides, {"limits": {"body_rate": rate}, "timeouts": {"client_body": "1s"}, **config})


def trickle(wire, piece, every, seconds):
    """Sends until an answer comes; how long that took."""
    began = time.monotonic()
    wire.sock.settimeout(every)
    while time.monotonic() - began < seconds:
        with contextlib.suppress(TimeoutError):
            if not wire.more():
                raise Closed("closed", wire.rest)
            break
        wire.send(piece)
    wire.sock.settimeout(10)
    return time.monotonic() - began


@pytest.mark.parametrize("coding", ["counted", "chunked"])
def test_a_body_that_trickles(start, old, new, coding):
    """However fast it began. Framing is no body: a byte in a chunk of its own is one byte."""
    proxy = slow(start, old, new)
    fields = {"Content-Length": "100000"} if coding == "counted" else {"Transfer-Encoding": "chunked"}
    piece = b"x" * 5 if coding == "counted" else b"1\r\nx\r\n" * 5
    with proxy.connect() as wire:
        wire.send(head("POST", "/upload", fields) + (chunked(b"x" * 1000)[:-5] if coding == "chunked" else b"x" * 1000))
        took = trickle(wire, piece, 0.1, 5)
        response = wire.read("POST")
        assert (response.status, response.outcome) == (408, "body_timeout")
        assert 0.8 < took < 2 and wire.at_end(4)
    eventually(lambda: old.stats()["aborted"] == 1, 3, what="the backend sees the request cut")
    assert proxy.access(outcome="body_timeout")[0]["bytes_in"] < 1100


def test_a_body_at_twice_the_rate(start, old, new):
    proxy = slow(start, old, new)
    with proxy.connect() as wire:
        wire.send(head("POST", "/upload", {"Content-Length": "400"}))
        took = trickle(wire, b"x" * 20, 0.1, 5)
        assert wire.read("POST").json()["bytes"] == 400 and took > 1.8


def test_the_end_of_a_body_has_as_much_time_as_its_other_parts(start, old, new):
    proxy = slow(start, old, new)
    with proxy.connect() as wire:
        wire.send(head("POST", "/upload", {"Content-Length": "103"}) + b"x" * 100)
        time.sleep(0.7)
        wire.send(b"xxx")
        assert wire.read("POST").json()["bytes"] == 103


@pytest.mark.parametrize("rate", ["100", "0"])
def test_silence_is_over_after_one_period(start, old, new, rate):
    """Whatever was sent before, and how fast."""
    proxy = slow(start, old, new, rate=rate)
    with open_(2, proxy.connect) as (silent, busy):
        for wire in (silent, busy):
            wire.send(head("POST", "/upload", {"Content-Length": "100000"}))
        time.sleep(0.4)
        busy.send(b"x" * 50000)
        began = time.monotonic()
        for wire, least in (silent, 0.5), (busy, 0.9):
            response = wire.read("POST")
            assert (response.status, response.outcome) == (408, "body_timeout")
            assert least < time.monotonic() - began < least + 1


def test_without_a_rate_any_byte_will_do(start, old, new):
    proxy = slow(start, old, new, rate="0")
    with proxy.connect() as wire:
        wire.send(head("POST", "/upload", {"Content-Length": "3"}))
        trickle(wire, b"x", 0.6, 1.7)
        assert wire.read("POST").json()["bytes"] == 3


def test_a_slow_server_is_not_the_clients_fault(start, new):
    """It does not read for two periods: the client has more to send, and is not let."""
    def play(peer, request):
        if request.startswith("GET"):
            return peer.send(OK)
        time.sleep(2.2)
        while not peer.rest.endswith(b"end"):
            peer.rest = peer.rest[-3:]
            peer.more()
        peer.send(OK)

    proxy = slow(start, start(Script, play), new, rate="1m")
    with proxy.connect(20) as wire:
        wire.send(head("POST", "/", {"Content-Length": str(30 * MIB)}))
        wire.send(bytes(30 * MIB - 3) + b"end")
        assert wire.read("POST").status == 200


def test_once_the_answer_has_begun_any_byte_will_do(start, new):
    """The two talk to each other, at their own pace; silence is too long there as well."""
    def play(peer, request):
        if request.startswith("GET"):
            return peer.send(OK)
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while peer.more():
            peer.send(b"2\r\nok\r\n")

    proxy = slow(start, start(Script, play), new)
    with proxy.connect() as wire:
        wire.send(head("POST", "/", {"Transfer-Encoding": "chunked"}))
        assert wire.read_head().status == 200
        for _ in range(5):
            wire.send(chunked(b"x")[:6])
            assert wire.need(7) == b"2\r\nok\r\n"
            time.sleep(0.3)
        began = time.monotonic()
        wire.drain(4)
        assert time.monotonic() - began < 2.6
    proxy.access(outcome="body_timeout", status=200)


# --- connections at once

def limited(start, *sides, most=5, **config):
    return start(Proxy, *sides, {"workers": 4, "limits": {"connections_per_client": most}, **config})


def admitted(wires):
    """Of these connections, those that are served; the others are told why not."""
    served = []
    for wire in wires:
        with contextlib.suppress(ConnectionError):
            wire.send(head("GET", "/"))
        with contextlib.suppress(ConnectionError, Closed):
            response = wire.read()
            if response.status == 200:
                served.append(wire)
            else:
                assert (response.status, response.outcome) == (503, "overloaded")
    return served


def test_connections_of_one_client(start, old, new):
    """Over all workers exactly so many; others have as many of their own."""
    proxy = limited(start, old, new)
    with open_(20, proxy.connect) as wires, open_(7, lambda: From("127.0.0.2", proxy.address)) as others:
        assert len(admitted(wires)) == 5
        assert len(admitted(others)) == 5
        told = proxy.logs(TOO_MANY)
        assert [x["from"] for x in told] == ["127.0.0.1"], "once for a while"
        assert proxy.metric("cutover_refused_total", code="5xx") == 17
    for _ in range(3):
        eventually(lambda: proxy.get("/").status == 200, 3, what="places that are given back")


def test_connections_that_storm(start, old, new):
    """Many at once, again and again, each ending in its own way: the count stays right."""
    proxy = limited(start, old, new)

    def rush():
        for turn in range(60):
            with contextlib.suppress(OSError, Closed):
                with proxy.connect() as wire:
                    if turn % 4:
                        wire.send(head("GET", "/", {"Connection": "close"} if turn % 2 else {}))
                    if turn % 4 and turn % 3:
                        wire.read()

    threads = [threading.Thread(target=rush) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: proxy.metric("cutover_connections", side="client") == 0, 5)
    with open_(12, proxy.connect) as wires:
        assert len(admitted(wires)) == 5


def test_the_limit_for_all_is_told_once_for_a_while(start, old, new):
    proxy = start(Proxy, old, new, {"limits": {"connections": 3}})
    with open_(8, proxy.connect) as wires:
        assert len(admitted(wires)) == 3
        told = proxy.logs("connections refused: there are as many as may be (limits.connections)")
        assert [x["connections_max"] for x in told] == [3]


def test_the_limit_for_all_follows_a_reload(start, old, new):
    proxy = start(Proxy, old, new, {"limits": {"connections": 3}})
    proxy.config["limits"]["connections"] = 6
    proxy.write_config()
    assert proxy.admin("POST", "/v1/reload").status == 200
    with open_(8, proxy.connect) as wires:
        assert len(admitted(wires)) == 6


def test_trusted_proxies_are_not_counted(start, old, new):
    proxy = limited(start, old, new, most=2, forwarded={"trust": ["127.0.0.1/32"]})
    with open_(8, proxy.connect) as wires, open_(8, lambda: From("127.0.0.2", proxy.address)) as others:
        assert len(admitted(wires)) == 8
        assert len(admitted(others)) == 2


def test_behind_a_balancer_the_header_tells_whose_they_are(start, old, new):
    plain, balanced = free_port(), ("127.0.0.1", free_port())
    proxy = limited(start, old, new, most=2, forwarded={"trust": ["203.0.113.0/24"]}, listen=[
        {"address": f"127.0.0.1:{plain}"}, {"address": f"127.0.0.1:{balanced[1]}", "proxy_protocol": True}])
    proxy.port = plain

    def connect(preface):
        wire = Wire(balanced)
        wire.send(preface)
        return wire

    def of(*sources):
        return [connect(line((source, 1), ("::1" if ":" in source else "127.0.0.1", 80))) for source in sources]

    waiting = [Wire(balanced) for _ in range(4)]  # nobody's, as long as no header has come
    groups = {
        ("192.0.2.7",) * 4: 2,
        ("192.0.2.8",) * 2: 2,
        ("2001:db8::1", "2001:db8::ffff:1", "2001:db8::2"): 2,  # one network
        ("2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1"): 3,
        ("203.0.113.9",) * 4: 4,
    }
    wires = {group: of(*group) for group in groups}
    assert {group: len(admitted(opened)) for group, opened in wires.items()} == groups
    unknown = [connect(preface) for preface in (b"PROXY UNKNOWN\r\n", binary(command=0x20, addresses=b"")) * 3]
    assert len(admitted(unknown)) == 6, "the balancer itself is everybody"
    with connect(line(("192.0.2.7", 1)) + head("GET", "/")) as wire:
        response = wire.read()
        assert (response.status, response.outcome) == (503, "overloaded") and wire.at_end()
    for wire in [*waiting, *unknown, *sum(wires.values(), [])]:
        wire.close()
    eventually(lambda: proxy.metric("cutover_connections", side="client") == 0, 5)
    assert len(admitted(of(*["192.0.2.7"] * 3))) == 2


def test_the_limit_follows_a_reload(start, old, new):
    proxy = limited(start, old, new, most=0)

    def reload(most):
        proxy.config["limits"]["connections_per_client"] = most
        proxy.write_config()
        assert proxy.admin("POST", "/v1/reload").status == 200
        time.sleep(0.2)  # all workers have it

    with open_(4, proxy.connect) as uncounted:
        assert len(admitted(uncounted)) == 4
        reload(3)
        with open_(5, proxy.connect) as counted:
            served = admitted(counted)
            assert len(served) == 3, "beside those that were there before"
            assert len(admitted(uncounted)) == 4
            reload(0)
            with open_(5, proxy.connect) as more:
                assert len(admitted(more)) == 5
            reload(4)
            with open_(3, proxy.connect) as more:
                assert len(admitted(more)) == 1, "the three of before still count"
            assert len(admitted(served)) == 3
            reload(0)
    reload(3)
    with open_(5, proxy.connect) as wires:
        assert len(admitted(wires)) == 3


# --- requests on one connection

def few(most=3):
    return {"workers": 1, "limits": {"requests_per_connection": most}}


@pytest.fixture(scope="module")
def three():
    """Three requests on each connection; one proxy for all cases."""
    sides = [Origin("old"), Origin("new")]
    proxy = Proxy(*sides, few())
    yield proxy
    assert finish(proxy) == []
    for side in sides:
        side.stop()


def ends(response):
    return (response.header("Connection") or "").lower() == "close"


def answers(wire):
    """All that come until the end: for each, whether it says that it is the last."""
    said = []
    with contextlib.suppress(Closed):
        while True:
            said.append(ends(wire.read()))
    return said


def test_so_many_requests_and_no_more(three):
    with three.connect() as wire:
        assert [ends(wire.get("/")) for _ in range(3)] == [False, False, True]
        assert wire.at_end(3)


ASKED = {
    "passed on": head("GET", "/"),
    "with a body": head("POST", "/upload", body=b"hello") + b"hello",
    "with chunks": head("POST", "/upload", {"Transfer-Encoding": "chunked"}) + chunked(b"hello"),
    "answered here": head("GET", "/", {"Expect": "the-unexpected"}),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("sent, answered", [(2, 2), (3, 3), (5, 5), (6, 6), (9, 6)])
def test_pipelined_requests_are_not_lost_to_the_limit(three, asked, sent, answered):
    """What has arrived is answered, up to twice the number; the last answer says that it is."""
    with three.connect(4) as wire:
        wire.send(asked * sent)
        if sent < 3:
            assert [ends(wire.read()) for _ in range(sent)] == [False] * sent
        else:
            assert answers(wire) == [False] * (answered - 1) + [True]


def test_what_was_sent_behind_the_last_one_does_not_reset_it(three):
    with three.connect() as wire:
        wire.send(head("GET", "/") * 3000)
        assert answers(wire) == [False] * 5 + [True]
    with three.connect() as wire:
        wire.send(head("GET", "/") * 3)
        for _ in range(3):  # a reset shows when something is sent behind it
            time.sleep(0.2)
            wire.send(head("GET", "/late"))
        assert answers(wire) == [False, False, True]


def test_half_a_request_does_not_keep_the_connection(start, old, new):
    proxy = start(Proxy, old, new, few(1))
    with proxy.connect() as wire:
        wire.send(head("GET", "/") + b"GET /two HTTP/1.1\r\n")
        assert ends(wire.read()) and wire.at_end(4)


def test_tunnels_are_not_requests(start, old, new):
    proxy = start(Proxy, old, new, few(1))
    with proxy.connect() as wire:
        wire.send(upgrade("/ws"))
        assert wire.read_head().status == 101


# --- a client that vanishes

def test_keep_alive_is_on(proxy):
    """The kernel's timer 2 is that of keep-alive, in hundredths of a second."""
    with proxy.connect() as wire:
        wire.get("/")
        both = f"0100007F:{proxy.port:04X} 0100007F:{wire.sock.getsockname()[1]:04X}"

        def keeps_alive():
            [row] = [row for row in Path("/proc/net/tcp").read_text().splitlines() if both in row]
            timer, left = row.split()[5].split(":")
            return int(timer) == 2 and 50 < int(left, 16) / 100 <= 61

        eventually(keeps_alive, 3)
