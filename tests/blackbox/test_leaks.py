"""Nothing is left behind: a million requests with every kind of failure among them, and then memory and
descriptors are where they were after the first ten thousand. Release build.

wrk brings the bulk, a mixer in Python the odd ones: cut uploads, tunnels, handshakes that fail, changes of
weight, reloads. What goes on for CUTOVER_SOAK requests (default: what fits into some 20 seconds; a whole run is
CUTOVER_SOAK=1000000) must leave the level of the first 10,000 as it is.
"""

import contextlib
import itertools
import os
import random
import socket
import struct
import threading
import time

import pytest

from certs import Authority
from cutover import Origin, Process, Proxy, free_port
from measure import memory_kib
from tls import secure
from wire import Closed, Wire, chunked, eventually, head

pytestmark = [pytest.mark.perf, pytest.mark.slow]

FIRST = 10_000
GOAL = int(os.environ.get("CUTOVER_SOAK", 0))
SECONDS = 22
GROWTH_KIB = 1024
EVENTS = 1000  # so many changes are remembered: they are made first, or they would look like a leak

# How attempts end in this mix.
ENDS = ("ok", "tunnel", "upstream_closed", "bad_response", "upstream_truncated", "response_head_too_large",
        "response_timeout", "client_gone", "connect_refused", "stale_connection", "body_timeout", "bad_request")

# Per mille of each: the rest is GET /. What closes a connection is dear, so that there is less of it.
BULK = """
local good, kinds
local host = "Host: a\\r\\n"
function init(args)
math.randomseed(tonumber(args[1]))
good = wrk.format("GET", "/")
kinds = {
  {60, wrk.format("GET", "/bytes/10000?seed=3")},
  {20, wrk.format("GET", "/bytes/200000")},
  {40, "POST /upload HTTP/1.1\\r\\n" .. host .. "Content-Length: 1000\\r\\n\\r\\n" .. string.rep("x", 1000)},
  {20, "POST /upload HTTP/1.1\\r\\n" .. host .. "Transfer-Encoding: chunked\\r\\n\\r\\n3e8;e=1\\r\\n" ..
       string.rep("x", 1000) .. "\\r\\n0\\r\\nX-T: y\\r\\n\\r\\n"},
  {20, wrk.format("GET", "/status/404")},
  {10, wrk.format("GET", "/status/503")},
  {10, wrk.format("GET", "/echo/x", {["Cookie"] = "a=b; cutover=0427; c=d", ["X-Y"] = string.rep("z", 3000)})},
  {10, wrk.format("GET", "/cookies")},
  {10, wrk.format("GET", "/redirect?to=/x")},
  {5, wrk.format("GET", "/fault/interim")},
  {5, wrk.format("GET", "/fault/no-length")},
  {5, wrk.format("GET", "/fault/extra")},
  {5, wrk.format("GET", "/fault/close-idle")},
  {4, wrk.format("GET", "/fault/close")},
  {4, "POST /fault/close HTTP/1.1\\r\\n" .. host .. "Content-Length: 3\\r\\n\\r\\nabc"},
  {4, wrk.format("GET", "/fault/reset")},
  {4, wrk.format("GET", "/fault/garbage")},
  {4, wrk.format("GET", "/fault/both")},
  {4, wrk.format("GET", "/fault/half?n=5000")},
  {4, wrk.format("GET", "/fault/half?n=5000&chunked=1&rst=1")},
  {2, wrk.format("GET", "/fault/big-head?n=100000")},
  {5, "GET / HTTP/1.1\\r\\nX-No: host\\r\\n\\r\\n"},
  {3, "GET / HTTP/1.1\\r\\n" .. host .. "X : y\\r\\n\\r\\n"},
  {2, "POST / HTTP/1.1\\r\\n" .. host .. "Content-Length: 3\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n"},
  {2, "POST /upload HTTP/1.1\\r\\n" .. host .. "Content-Length: 2000000\\r\\n\\r\\n"},
  {2, "POST /upload HTTP/1.1\\r\\n" .. host .. "Transfer-Encoding: chunked\\r\\n\\r\\nZZ\\r\\n"},
  {2, "GET / HTTP/1.1\\r\\n" .. host .. "X-Big: " .. string.rep("b", 20000) .. "\\r\\n\\r\\n"},
  {2, "FOO / HTTP/1.1\\r\\n" .. host .. "\\r\\n"},
  {2, "GET / HTTP/1.1\\r\\n" .. host .. "Connection: close\\r\\n\\r\\n"},
  {2, "GET / HTTP/1.0\\r\\n\\r\\n"},
}
end
function request()
  local at = math.random(0, 999)
  for _, kind in ipairs(kinds) do
    at = at - kind[1]
    if at < 0 then return kind[2] end
  end
  return good
end
"""


class Bulk:
    """wrk, whose exit status and counts of failures mean nothing here: the failures are wanted."""

    def __init__(self, proxy, folder, seconds):
        script = folder / "bulk.lua"
        script.write_text(BULK)
        self.process = Process(["wrk", "-t1", "-c48", f"-d{seconds}s", "--timeout", "5s", "-s", str(script),
                                proxy.url + "/", "--", str(random.randrange(1 << 30))])

    @property
    def running(self):
        return self.process.running

    def stop(self):
        self.process.end()


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Odd:
    """What wrk cannot do, one thing after the other, again and again, on a thread of its own."""

    def __init__(self, proxy, tls_address, preface_address, authority, third):
        self.proxy, self.authority, self.third = proxy, authority, third
        self.tls, self.preface_address = tls_address, preface_address
        self.done, self.errors, self.changes = 0, [], 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    KINDS = ("cut_upload", "cut_download", "early_answer", "tunnel", "cut_tunnel", "refused_upgrade", "stale",
             "timeouts", "handshakes", "preface", "pipeline", "half_close", "silent", "admin", "failover", "expect", "gone", "bodiless")

    def _run(self):
        for name in itertools.cycle(self.KINDS):
            if self.over.is_set():
                return
            try:
                getattr(self, name)()
            except (OSError, Closed, ValueError):
                pass  # cut by a fault or by a change that was made meanwhile: as it should be
            except Exception as error:  # noqa: BLE001
                self.errors.append(f"{name}: {error!r}")
            self.done += 1

    def stop(self):
        self.over.set()
        self.thread.join(20)
        assert not self.thread.is_alive()

    def cut_upload(self):
        for fields, body in (({"Content-Length": "1000000"}, b"x" * 100000),
                             ({"Transfer-Encoding": "chunked"}, chunked(b"x" * 30000)[:20000])):
            for end in (reset, socket.socket.close):
                wire = self.proxy.connect()
                wire.send(head("POST", "/upload", fields) + body)
                end(wire.sock)

    def cut_download(self):
        for end in (reset, socket.socket.close):
            wire = self.proxy.connect()
            wire.send(head("GET", "/bytes/3000000"))
            wire.read_head()
            end(wire.sock)

    def early_answer(self):
        with self.proxy.connect() as wire:
            wire.send(head("POST", "/fault/close-idle?early=1", {"Content-Length": "100000"}) + b"a" * 1000)
            wire.read("POST")
        with self.proxy.connect() as wire:
            wire.send(head("POST", "/upload?early=1", {"Content-Length": "100000"}) + b"a" * 1000)
            wire.read("POST")

    UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}

    def tunnel(self):
        with self.proxy.connect() as wire:
            assert wire.get("/ws", self.UPGRADE).status == 101
            wire.send(b"\x81\x85\0\0\0\0hello")
            wire.need(2)
            wire.send(b"\x88\x80\0\0\0\0")

    def cut_tunnel(self):
        wires = [self.proxy.connect() for _ in range(4)]
        for wire in wires:
            assert wire.get("/ws", self.UPGRADE).status == 101
            wire.send(b"\x82\xfe\xff\xff\0\0\0\0" + b"x" * 30000)
        reset(wires[0].sock)
        wires[1].sock.shutdown(socket.SHUT_WR)
        for wire in wires[1:]:
            wire.close()

    def refused_upgrade(self):
        with self.proxy.connect() as wire:
            wire.get("/status/404", self.UPGRADE)
        with self.proxy.connect() as wire:
            wire.get("/ws", {**self.UPGRADE, "Upgrade": "h2c"})

    def stale(self):
        """A kept connection that the backend closes before it is used again."""
        with self.proxy.connect() as wire:
            for _ in range(5):
                wire.get("/fault/close-idle")
                wire.request("POST", "/upload", body=b"y" * 10)

    def timeouts(self):
        wires = [self.proxy.connect() for _ in range(4)]
        wires[0].send(head("GET", "/fault/stall"))
        wires[1].send(b"GET / HTTP/1.1\r\nHost: a\r\nX-")
        wires[2].send(head("POST", "/upload", {"Content-Length": "10"}) + b"x")
        wires[3].send(head("POST", "/upload", {"Content-Length": "10", "Expect": "100-continue"}))
        for wire in wires:
            wire.drain(3)
            wire.close()

    def handshakes(self):
        with secure(self.tls, self.authority, "localhost") as wire:
            wire.get("/")
            wire.get("/fault/close")
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x10\x01\x00\x00\x0c", b"\x15\x03\x01", b"",
                     bytes(range(256))):
            with Wire(self.tls, 2) as wire:
                wire.send(data)
                wire.sock.shutdown(socket.SHUT_WR)
                wire.drain(1)
        wire = secure(self.tls, self.authority, "localhost")
        wire.send(head("GET", "/bytes/1000000"))
        reset(wire.sock)

    def preface(self):
        for data in (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + head("GET", "/", version="1.0"), head("GET", "/"),
                     b"PROXY TCP4 1", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"):
            with Wire(self.preface_address, 2) as wire:
                wire.send(data)
                wire.sock.shutdown(socket.SHUT_WR)
                wire.drain(1)

    def pipeline(self):
        with self.proxy.connect() as wire:
            wire.send(head("GET", "/") * 50 + head("GET", "/fault/half?n=100") + head("GET", "/") * 50)
            wire.drain(3)
        wire = self.proxy.connect()
        wire.send(head("GET", "/bytes/100000") * 50)
        reset(wire.sock)

    def half_close(self):
        with self.proxy.connect() as wire:
            wire.send(head("GET", "/bytes/300000") + b"GET /half HTTP")
            wire.sock.shutdown(socket.SHUT_WR)
            wire.drain(3)

    def silent(self):
        wires = [self.proxy.connect() for _ in range(5)]
        for i, wire in enumerate(wires):
            wire.send(b"\r\n"[:i % 3])
            wire.close()

    def admin(self):
        for weight in (0, 100, 37.5, 50):
            self.answer("PUT", "/v1/weight", {"weight": weight, "reason": "a leak is looked for"}, 200)
        self.answer("PUT", "/v1/weight", {"weight": 1000}, 400)
        self.answer("PUT", "/v1/nothing", {"weight": 10}, 404)
        self.answer("POST", "/v1/reload", None, 200)
        self.answer("POST", "/v1/explain", {"method": "GET", "path": "/x"}, 200)
        self.answer("GET", "/v1/status", None, 200)
        self.answer("GET", "/v1/events", None, 200)
        self.answer("GET", "/metrics", None, 200)
        self.changes += 4

    def failover(self):
        """One side in maintenance: all go to the other; in both: 503."""
        self.answer("PATCH", "/v1/backends/new", {"admin": "maint"}, 200)
        self.proxy.get("/")
        self.answer("PATCH", "/v1/backends/old", {"admin": "maint"}, 200)
        self.proxy.get("/")
        for side in ("old", "new"):
            self.answer("PATCH", f"/v1/backends/{side}", {"admin": "ready"}, 200)

    def bodiless(self):
        """wrk would wait for a body."""
        with self.proxy.connect() as wire:
            for status in (204, 304):
                wire.get(f"/status/{status}")
            wire.request("HEAD", "/bytes/1000")
            wire.request("HEAD", "/fault/half?n=1000")

    def expect(self):
        with self.proxy.connect() as wire:
            wire.send(head("POST", "/upload", {"Content-Length": "3", "Expect": "100-continue"}))
            wire.until(b"100 Continue\r\n\r\n")
            wire.send(b"abc")
            wire.read("POST")
        with self.proxy.connect() as wire:
            wire.get("/", {"Expect": "something"})

    def gone(self):
        """A server dies with whatever it had in hand, and is there again."""
        self.third.kill()
        with self.proxy.connect() as wire:
            for _ in range(5):
                wire.get("/")
        self.third.start()

    def answer(self, method, path, body, status):
        answer = self.proxy.admin(method, path, body)
        if answer.status != status:
            self.errors.append(f"{method} {path} {body}: {answer!r}")


def requests(proxy):
    """All that were answered or refused."""
    return proxy.metric("cutover_requests_total") + proxy.metric("cutover_refused_total")


def gauges(proxy):
    metrics = proxy.metrics()
    return {series: value for series, value in metrics.items()
            if value and series.split("{")[0] in ("cutover_connections", "cutover_tunnels")}


def settled(proxy):
    """Once everything is closed: memory in KiB, descriptors."""
    eventually(lambda: not gauges(proxy), 15, 0.1, f"all connections and tunnels are gone: {gauges(proxy)}")
    best = memory_kib(proxy)
    for _ in range(10):
        time.sleep(0.1)
        best = min(best, memory_kib(proxy))
    return best, proxy.fds()


def load(proxy, odd_address, folder, goal, seconds):
    """The mix until so many requests are counted, or so long."""
    bulk, odd = Bulk(proxy, folder, seconds + 5), Odd(proxy, *odd_address)
    began, before = time.monotonic(), requests(proxy)
    try:
        while bulk.running and time.monotonic() - began < seconds and requests(proxy) - before < goal:
            time.sleep(0.05)
        bulk.stop()
        eventually(lambda: odd.done > 2 * len(odd.KINDS), 30, 0.1, "each odd thing was there")
    finally:
        bulk.stop()
        odd.stop()
    assert not odd.errors, odd.errors[:10]
    return odd


def test_a_million_requests_leave_nothing_behind(start, old, new, tmp_path, request):
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue(["localhost"])
    tls_port, preface_port, plain = free_port(), free_port(), free_port()
    third = start(Origin, "third")  # comes and goes
    config = {
        "listen": [{"address": f"127.0.0.1:{plain}"},
                   {"address": f"127.0.0.1:{tls_port}", "tls": {"certificate": certificate, "key": key}},
                   {"address": f"127.0.0.1:{preface_port}", "proxy_protocol": True}],
        "initial_weight": 50,
        "backends": {"new": {"servers": [new.url, third.url]}},
        "limits": {"body_bytes": "1500000"},
        "timeouts": {"client_header": "500ms", "client_body": "500ms", "response_header": "500ms",
                     "response_body": "2s", "client_idle": "5s"},
        # Ejected servers would keep the faults away from the proxy.
        "outlier": {"consecutive_errors": 0}, "health": {"timeout": "2s", "unhealthy_threshold": 100},
        "log": {"access": "errors"},
    }
    proxy = start(Proxy, old, new, config, release=True, log_to_file=True)
    proxy.port = plain
    odd_address = (("127.0.0.1", tls_port), ("127.0.0.1", preface_port), authority, third)
    base_fds = settled(proxy)[1]

    for i in range(EVENTS):
        proxy.weight(i % 2 * 50)
    load(proxy, odd_address, tmp_path, FIRST, 20)
    first = requests(proxy)
    memory, fds = settled(proxy)
    assert first >= FIRST
    assert fds <= base_fds

    began = time.monotonic()
    odd = load(proxy, odd_address, tmp_path, GOAL or 10**9, 3600 if GOAL else SECONDS)
    took = time.monotonic() - began
    memory_after, fds_after = settled(proxy)
    metrics = proxy.metrics()

    def total(name, **labels):
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(v for k, v in metrics.items() if k.split("{")[0] == name and all(w in k for w in wanted))

    count = total("cutover_requests_total") + total("cutover_refused_total")
    print(f"\n{count:.0f} requests, {(count - first) / took:.0f} a second, {odd.done} odd things; memory {memory} KiB "
          f"after {first:.0f}, {memory_after} KiB at the end; descriptors {fds}, {fds_after}")
    for series, value in sorted(metrics.items()):
        if series.startswith("cutover_attempts_total") and value:
            print(f"  {series} {value:.0f}")
    assert fds_after == fds
    assert memory_after - memory < GROWTH_KIB, f"{memory_after - memory} KiB more"

    # The counters add up: each request that was decided ended in one attempt, and had another for each retry.
    assert (total("cutover_requests_total") + total("cutover_retries_total")
            == total("cutover_attempts_total")), "requests and retries are the attempts"

    # Each kind of end was there.
    seen = {outcome for outcome in ENDS if total("cutover_attempts_total", outcome=outcome) > 0}
    assert seen == set(ENDS), set(ENDS) - seen
    assert all(total("cutover_refused_total", code=code) > 0 for code in ("4xx", "5xx"))
    assert total("cutover_tls_handshakes_total", result="failed") > 0 and total("cutover_failovers_total") > 0
