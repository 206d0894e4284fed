"""What bad input costs: never a hundred times what it costs to send, and twice as much costs twice.

Memory is measured while everything is held open, processor time in nanoseconds from the scheduler.
Release build; the figures are printed (pytest -rP).
"""

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest

from cutover import Proxy
from measure import watched
from wire import chunked, head

pytestmark = pytest.mark.perf

CROWD = 100

# A client that sends 100 MB/s on one core; a proxy that spends 100 times as much takes 1 MB/s. For
# tiny requests, what one costs when it is a good one is the measure, since it is relayed all the same.
SANE_NS_PER_BYTE = 10
GOOD_REQUEST_NS = 400_000


def cpu_ns(proxy):
    total = 0
    for task in Path(f"/proc/{proxy.pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total


def settled_cpu_ns(proxy):
    """When nothing is worked on any more."""
    last = cpu_ns(proxy)
    while True:
        time.sleep(0.03)
        now = cpu_ns(proxy)
        if now - last < 2_000_000:
            return now
        last = now


def fields(count, size):
    return [(f"X-{i:04}", "y" * size) for i in range(count)]


def cookies(count):
    return "; ".join(f"n{i}={i}" for i in range(count))


CHUNKED = head("POST", "/upload", {"Transfer-Encoding": "chunked"})

# name: what each connection sends, how many requests that is at the most. Nothing is complete, so
# that all of it is held at once; or it is refused.
BAD = {
    "the biggest heads": (head("GET", "/" + "t" * 8000, fields(3, 7500))[:-2], 1),
    "heads beyond the limit": (head("GET", "/", fields(3, 40000)), 1),
    "the most fields": (head("GET", "/", fields(126, 100))[:-2], 1),
    "fields beyond the limit": (head("GET", "/", fields(3000, 1)), 1),
    "1500 cookies": (head("GET", "/delay?ms=500", {"Cookie": cookies(1500)}), 1),
    "cookies beyond the limit": (head("GET", "/", {"Cookie": cookies(20000)}), 1),
    "chunks of one byte": (CHUNKED + b"1\r\nx\r\n" * 40000, 1),
    "chunk extensions": (CHUNKED + (b"1;" + b"e" * 1000 + b"\r\nx\r\n") * 200, 1),
    "zeros before a chunk size": (CHUNKED + b"0" * 200000, 1),
    "endless trailers": (CHUNKED + b"0\r\n" + b"X-T: y\r\n" * 30000, 1),
    "empty lines": (b"\r\n" * 50000, 1),
    "endless request line": (b"GET /" + b"x" * 200000, 1),
    "small pipelined requests": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 200, 200),
    "pipelined refusals": (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n" * 200, 200),
    "a body on everything": (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx" * 200, 200),
    "a TLS hello": (b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03" + b"x" * 16000, 1),
    "random bytes": (bytes((i * 7919) >> 3 & 255 for i in range(60000)), 1),
}


class Crowd:
    """A hundred connections that send the same, and read what comes without keeping it."""

    def __init__(self, proxy):
        self.socks = [socket.create_connection(proxy.address, 10) for _ in range(CROWD)]
        for sock in self.socks:
            sock.setblocking(False)

    def send(self, data, seconds=20):
        """Bytes that were taken. Who is refused is sent no more."""
        left = {sock: memoryview(data) for sock in self.socks}
        sent, end = 0, time.monotonic() + seconds
        while left and time.monotonic() < end:
            moved = False
            for sock in list(left):
                try:
                    count = sock.send(left[sock][:65536])
                    sent, moved = sent + count, True
                    left[sock] = left[sock][count:]
                    if not left[sock]:
                        del left[sock]
                except BlockingIOError:
                    pass
                except ConnectionError:
                    del left[sock]
            self.read()
            if not moved:
                time.sleep(0.005)
        assert not left, "it hangs"
        return sent

    def read(self):
        for sock in self.socks:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                while len(sock.recv(65536)) == 65536:
                    pass

    def close(self):
        for sock in self.socks:
            sock.close()


def test_no_input_costs_a_hundred_times_its_own_size(start, old, new):
    """All kinds one after the other on one proxy, so that nothing is hidden by what a start costs."""
    proxy = start(Proxy, old, new, {"log": {"access": "errors"}}, release=True, log_to_file=True)
    for _ in range(50):
        proxy.get("/bytes/100000")
    wrong = []
    for name, (data, requests) in BAD.items():
        cpu, crowd = settled_cpu_ns(proxy), Crowd(proxy)
        with watched(proxy, 0.01) as memory:
            sent = crowd.send(data)
            time.sleep(0.1)
        crowd.read()
        used_ns = settled_cpu_ns(proxy) - cpu
        crowd.close()
        grown = memory.peak * 1024
        allowed_ns = 100 * SANE_NS_PER_BYTE * sent + requests * CROWD * GOOD_REQUEST_NS
        print(f"{name}: {sent / CROWD / 1024:.1f} KiB sent each, {grown / CROWD / 1024:.1f} KiB held each, "
              f"{grown / sent:.2f} x; {used_ns / 1e6:.0f} ms of CPU, {used_ns / sent:.1f} ns a byte, "
              f"{100 * used_ns / allowed_ns:.1f} % of what is allowed")
        if grown > 100 * sent:
            wrong.append(f"{name}: {grown / sent:.0f} times its size in memory")
        if grown > CROWD * 256 * 1024:
            wrong.append(f"{name}: {grown / CROWD / 1024:.0f} KiB for each connection")
        if used_ns > allowed_ns:
            wrong.append(f"{name}: {used_ns / sent:.0f} ns a byte")
    assert not wrong, "\n".join(wrong)


# What grows with its input, at two sizes; the limits are raised so that it is long enough to measure.
WIDE = {"limits": {"head_bytes": "1m", "field_bytes": "900k", "target_bytes": "900k", "headers": 4096},
        "log": {"access": "off"}}

GROWING = {
    "fields": lambda n: head("GET", "/", fields(n * 1500, 20)),
    "one field": lambda n: head("GET", "/", {"X-Big": "y" * (n * 300_000)}),
    "a target": lambda n: head("GET", "/" + "t" * (n * 300_000)),
    "cookie pairs": lambda n: head("GET", "/", {"Cookie": cookies(n * 25_000)}),
    "cookies of our name": lambda n: head("GET", "/", {"Cookie": "; ".join(["cutover=9999x"] * (n * 20_000))}),
    "connection options": lambda n: head("GET", "/", {"Connection": ",".join(f"x{i}" for i in range(n * 30_000))}),
    "chunks": lambda n: head("POST", "/", {"Transfer-Encoding": "chunked"}) + chunked(*[b"x"] * (n * 60_000)),
    "pipelined": lambda n: head("GET", "/") * (n * 1000),
}


def cost_ns(proxy, data, before):
    """What the proxy works for `data` on a connection of its own; and its clock after it."""
    with proxy.connect(30) as wire:
        reader = threading.Thread(target=wire.drain, args=(20,))
        reader.start()
        with contextlib.suppress(ConnectionError):
            wire.sock.sendall(data)
            wire.sock.shutdown(socket.SHUT_WR)
        reader.join(20)
        assert not reader.is_alive()
    after = settled_cpu_ns(proxy)
    return after - before, after


def costs_too_much(once, twice):
    return twice > 3 * once and twice > 10_000_000


def test_twice_as_much_costs_twice(start, old, new):
    """Linear time: quadratic time would be tens of milliseconds at least here."""
    proxy = start(Proxy, old, new, {**WIDE, "workers": 1}, release=True)
    proxy.get("/")
    clock, wrong = settled_cpu_ns(proxy), []
    for name, make in GROWING.items():
        inputs, best = [make(1), make(2)], [None, None]
        # The best of some, and of some more where it looks wrong: what else runs here only ever adds.
        for turn in range(16):
            for i, data in enumerate(inputs):
                took, clock = cost_ns(proxy, data, clock)
                best[i] = min(took, best[i] or took)
            once, twice = best
            if turn >= 3 and not costs_too_much(once, twice):
                break
        print(f"{name}: {len(inputs[0])} bytes {once / 1e6:.2f} ms, twice that {twice / 1e6:.2f} ms: {twice / once:.2f} x")
        if costs_too_much(once, twice):
            wrong.append(f"{name}: {twice / once:.1f} x, {twice / 1e6:.0f} ms")
    assert not wrong, wrong
