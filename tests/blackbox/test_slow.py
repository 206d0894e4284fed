"""Clients that are slow, greedy, or gone: they cost little, end in time, and nobody else notices.

What is about memory, or about 1000 connections, runs on the release build.
"""

import collections
import contextlib
import hashlib
import re
import resource
import shutil
import socket
import struct
import subprocess
import threading
import time

import pytest

from cutover import Proxy, Recorder
from measure import Every, memory_kib, watched
from wire import Closed, Wire, eventually, head

MIB = 1 << 20
CROWD = 1000


@pytest.fixture(autouse=True)
def room():
    """A descriptor for each end of each connection; the proxy and the origin inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * CROWD + 1000
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def vanish(sock):
    """Closes with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def narrow(proxy, window=4096):
    """A connection whose kernel takes hardly anything that was not read."""
    wire = Wire.__new__(Wire)
    wire.address, wire.rest, wire.sock = proxy.address, b"", socket.socket()
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    wire.sock.settimeout(20)
    wire.sock.connect(proxy.address)
    return wire


def digest_of(server, path):
    sum_ = hashlib.sha256()
    with Wire(server.address, 60) as wire:
        wire.send(head("GET", path))
        wire.read(sink=sum_.update)
    return sum_.digest()


def upstreams(proxy):
    return proxy.metric("cutover_connections", side="old") + proxy.metric("cutover_connections", side="new")


# --- a thousand of them, by slowhttptest

SECONDS = 12


class Attack:
    """slowhttptest with 1000 connections. What it says counts, its exit status says nothing."""

    def __init__(self, url, *mode):
        self.child = subprocess.Popen(
            ["slowhttptest", *mode, "-c", str(CROWD), "-r", "250", "-l", str(SECONDS), "-p", "3", "-u", url],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.out = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.child.stdout:
            self.out.append(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line.decode("utf-8", "replace")).rstrip())

    @property
    def running(self):
        return self.child.poll() is None

    def values(self, name):
        return [match.group(1) for line in self.out if (match := re.match(rf"{name}:\s+(\S+)", line))]

    def finish(self):
        try:
            self.child.wait(SECONDS + 20)
        except subprocess.TimeoutExpired:
            self.stop()
            raise
        self.reader.join(5)
        self.child.stdout.close()
        assert any(line.startswith("Exit status: ") for line in self.out), "\n".join(self.out)

    def stop(self):
        if self.running:
            self.child.kill()
            self.child.wait()


SHORT = {"timeouts": {"client_header": "4s", "client_body": "5s", "client_idle": "20s", "response_body": "10s"},
         # Health checks compete for the same two cores: what is tested is not how soon they give up.
         "health": {"interval": "1s", "timeout": "2s"}, "log": {"access": "all"}}

# mode: its arguments, the path, KiB for each connection at the most, how the log says that it ended
ATTACKS = {
    "slow heads": (["-H", "-i", "1"], "/", 8, {"header_timeout"}),
    "slow bodies": (["-B", "-i", "1", "-s", "8192", "-x", "10"], "/upload", 24, {"body_timeout"}),
    "slow reading": (["-X", "-w", "1", "-y", "512", "-n", "1", "-z", "5"], "/bytes/600000", 256, {"client_stalled"}),
    "ranges": (["-R", "-t", "GET"], "/bytes/10000", 64, {"ok"}),
}


@pytest.mark.slow
@pytest.mark.perf
@pytest.mark.skipif(not shutil.which("slowhttptest"), reason="needs slowhttptest")
@pytest.mark.parametrize("mode", ATTACKS)
def test_a_thousand_slow_clients(start, old, new, mode, request):
    arguments, path, each_kib, outcomes = ATTACKS[mode]
    proxy = start(Proxy, old, new, SHORT, release=True, log_to_file=True)
    for _ in range(20):
        assert proxy.get("/bytes/100000").status == 200
    time.sleep(1.2)
    base_fds, kept = proxy.fds() - proxy.idle(), proxy.connect()
    watches = {}
    with watched(proxy) as memory:
        attack = Attack(proxy.url + path, *arguments)
        request.addfinalizer(attack.stop)
        watches["on new connections"] = Every(0.1, lambda: proxy.get("/").status)
        watches["on a kept one"] = Every(0.1, lambda: kept.get("/").status)
        watches["readyz"] = Every(0.25, lambda: proxy.admin("GET", "/readyz").status)
        watches["status"] = Every(0.25, lambda: proxy.admin("GET", "/v1/status").status)
        attack.finish()
        time.sleep(0.5)
        for watch in watches.values():
            watch.stop()
    kept.close()

    each = memory.peak / CROWD
    print(f"\n{mode}: {each:.1f} KiB a connection, {memory.fds} descriptors; p99 "
          + ", ".join(f"{name} {watch.slowest():.0f} ms of {len(watch.ms)}" for name, watch in watches.items()))
    for name, watch in watches.items():
        assert not watch.errors and set(watch.results) == {200}, f"{name}: {watch.errors} {set(watch.results)}"
        assert watch.slowest() < 500, f"{name}: {watch.slowest():.0f} ms"
    available = attack.values("service available")
    assert available and set(available) == {"YES"}, available
    assert each < each_kib, f"{each:.1f} KiB for each connection"
    eventually(lambda: proxy.fds() - proxy.idle() <= base_fds, 8, what="descriptors back")
    # Some is kept for the next flood, and some lies between what is still used.
    most = 6 * 1024 + memory.peak // 16
    eventually(lambda: memory_kib(proxy) - memory.before < most, 8, 0.2, f"memory back: of {memory.peak} KiB, "
               f"{memory_kib(proxy) - memory.before} are still there")
    ends = collections.Counter(x["outcome"] for x in proxy.logs("request") if x.get("path") != "/")
    assert sum(ends[outcome] for outcome in outcomes) > CROWD * 0.9, ends


@pytest.mark.slow
@pytest.mark.perf
@pytest.mark.skipif(not shutil.which("slowhttptest"), reason="needs slowhttptest")
def test_at_the_limit_of_connections(start, old, new, request):
    """The slow ones take every place: who is there, and the operator, notice nothing; new work is told 503,
    or served once the slow ones have been sent away."""
    proxy = start(Proxy, old, new, {**SHORT, "limits": {"connections": 400}}, release=True, log_to_file=True)
    kept = [proxy.connect() for _ in range(3)]
    assert all(wire.get("/").status == 200 for wire in kept)

    def ask_anew():
        with proxy.connect(5) as wire:
            with contextlib.suppress(ConnectionError):
                wire.send(head("GET", "/"))
            data = wire.drain(5) if readable_503(wire) else wire.rest
            return int(data[9:12]) if data else 0

    def readable_503(wire):
        with contextlib.suppress(ConnectionError):
            wire.more()
        return wire.rest.startswith(b"HTTP/1.1 503 ")

    attack = Attack(proxy.url + "/", "-H", "-i", "1")
    request.addfinalizer(attack.stop)
    going_on = [Every(0.1, lambda wire=wire: wire.get("/").status) for wire in kept]
    ready = Every(0.2, lambda: proxy.admin("GET", "/readyz").status)
    anew = Every(0.1, ask_anew)
    eventually(lambda: 503 in anew.results, 5, what="the limit is reached")
    attack.finish()
    for watch in [*going_on, ready, anew]:
        watch.stop()
    for watch in [*going_on, ready]:
        assert not watch.errors and set(watch.results) == {200}, (watch.errors, set(watch.results))
        assert watch.slowest() < 500
    # 0: closed without a word, when even that did not fit.
    assert not anew.errors and set(anew.results) <= {200, 503, 0}, (anew.errors, set(anew.results))
    assert anew.results.count(0) <= len(anew.results) // 10, anew.results
    eventually(lambda: ask_anew() == 200, 5, 0.1, "new work is served again")
    for wire in kept:
        wire.close()


# --- clients that do not read

@pytest.mark.perf
def test_a_pause_in_reading_loses_nothing(start, old, new):
    size = 64 * MIB
    proxy = start(Proxy, old, new, release=True)
    for _ in range(4):
        proxy.get("/bytes/3000000")
    sum_, count = hashlib.sha256(), 0
    with watched(proxy, 0.05) as memory, narrow(proxy, 65536) as wire:
        wire.send(head("GET", f"/bytes/{size}?seed=7"))
        assert wire.read_head().status == 200
        for part in range(4):
            while count < size * (part + 1) // 4:
                if not wire.rest:
                    wire.more()
                sum_.update(wire.rest)
                count += len(wire.rest)
                wire.rest = b""
            time.sleep(0.4)
    assert (count, sum_.digest()) == (size, digest_of(old, f"/bytes/{size}?seed=7"))
    assert memory.peak < 1024, f"{memory.peak} KiB"


@pytest.mark.perf
def test_who_stops_reading_is_cut_off_in_time(start, old, new):
    proxy = start(Proxy, old, new, {"timeouts": {"client_body": "1s"}}, release=True)
    for _ in range(4):
        proxy.get("/bytes/3000000")
    aborted = old.stats()["aborted"]
    with watched(proxy) as memory, narrow(proxy) as wire:
        wire.send(head("GET", "/bytes/100000000"))
        assert wire.read_head().status == 200
        began = time.monotonic()
        line = eventually(lambda: [x for x in proxy.logs("request") if x["outcome"] == "client_stalled"], 5)[0]
        assert 0.9 < time.monotonic() - began < 3.5
        assert line["status"] == 200 and line["bytes_out"] < 100_000_000
        eventually(lambda: old.stats()["aborted"] > aborted, 3, what="the backend is told")
        with pytest.raises((Closed, ConnectionError)):  # what had come, then a cut
            while True:
                wire.need(65536)
    assert memory.peak < 1024, f"{memory.peak} KiB"
    assert proxy.idle() == 0, "a connection with an answer half read is of no use to others"


def test_slow_over_a_narrow_way_is_not_stalled(start, old, new):
    """Who reads little, but reads, may go on for many times the timeout."""
    proxy = start(Proxy, old, new, {"timeouts": {"client_body": "1s", "response_body": "1s"}})
    with narrow(proxy) as wire:
        wire.send(head("GET", "/bytes/1500000"))
        assert wire.read_head().status == 200
        got, began = len(wire.rest), time.monotonic()
        while time.monotonic() - began < 4.0:
            got += len(wire.sock.recv(8192))
            time.sleep(0.05)
        wire.rest = b""
        while got < 1500000:
            data = wire.sock.recv(65536)
            assert data, f"cut after {got} bytes"
            got += len(data)
    assert proxy.access(outcome="ok", bytes_out=1500000)


def send_all(sock, data):
    with contextlib.suppress(OSError):
        sock.sendall(data)


def test_slow_behind_large_buffers_is_not_stalled(start, old, new):
    """The kernel would take megabytes in advance, and then nothing for as long as the client takes to read them:
    that it reads must be seen all the same."""
    proxy = start(Proxy, old, new, {"timeouts": {"client_body": "2s", "response_body": "2s"}})
    with proxy.connect() as wire:
        wire.send(head("GET", "/bytes/60000000"))
        assert wire.read_head().status == 200
        for _ in range(100):
            assert wire.sock.recv(25000), "cut"
            time.sleep(0.05)


@pytest.mark.perf
@pytest.mark.parametrize("path", ["/", "/bytes/30000"])
def test_pipelined_requests_whose_answers_nobody_reads(start, old, new, path):
    """Reading stops where writing does; nothing is lost when it goes on."""
    proxy = start(Proxy, old, new, release=True)
    for _ in range(4):
        proxy.get("/bytes/3000000")
    crowd, sent = 8, [0] * 8
    request = head("GET", path)
    flood = request * (MIB // len(request))
    with watched(proxy, 0.05) as memory, contextlib.ExitStack() as wires:
        socks = [wires.enter_context(narrow(proxy)).sock for _ in range(crowd)]
        for sock in socks:
            sock.setblocking(False)
        before, began, still = sent[:], time.monotonic(), time.monotonic()
        while time.monotonic() - still < 0.7:
            assert time.monotonic() - began < 10, f"it still takes more, after {max(sent)} bytes"
            for i, sock in enumerate(socks):
                with contextlib.suppress(BlockingIOError):
                    sent[i] += sock.send(flood[sent[i] % len(request):][:65536])
            if sent != before:
                before, still = sent[:], time.monotonic()
            time.sleep(0.01)
        served = old.stats()["requests"]
        time.sleep(0.3)
        assert old.stats()["requests"] - served <= 4, "no request is taken for a client that is behind"
        # One of them reads on, and sends what its last request lacks: an answer for each.
        wire = Wire.__new__(Wire)
        wire.address, wire.sock, wire.rest = proxy.address, socks[0], b""
        wire.sock.settimeout(10)
        missing = -sent[0] % len(request)
        rest = request[-missing:] if missing else b""
        sender = threading.Thread(target=send_all, args=(socks[0], rest))
        sender.start()
        answers = -(-sent[0] // len(request)) if path != "/bytes/30000" else 50
        statuses = {wire.read().status for _ in range(answers)}
        assert len(statuses) == 1
        socks[0].shutdown(socket.SHUT_RDWR)  # the sender lets go of it, too
        sender.join(5)
    print(f"\n{path}: {max(sent) / 1024:.0f} KiB taken at the most, {memory.peak / crowd:.0f} KiB held for each")
    assert memory.peak / crowd < 512, f"{memory.peak / crowd:.0f} KiB for each connection"


# --- clients that go away

@pytest.mark.parametrize("where", ["up", "up chunked", "down", "waiting"])
def test_a_reset_by_the_client_ends_the_request_at_the_backend(start, old, new, where):
    proxy = start(Proxy, old, new)
    aborted = old.stats()["aborted"]
    for _ in range(5):
        wire = proxy.connect()
        if where == "up":
            wire.send(head("POST", "/upload", {"Content-Length": "1000000"}) + b"x" * 300000)
        elif where == "up chunked":
            wire.send(head("POST", "/upload", {"Transfer-Encoding": "chunked"}) + b"186a0\r\n" + b"x" * 100000)
        elif where == "down":
            wire.send(head("GET", "/bytes/50000000"))
            wire.read_head()
        else:
            wire.send(head("GET", "/delay?ms=5000"))
        eventually(lambda: upstreams(proxy) >= 1, 3, what="it is at the backend")
        vanish(wire.sock)
        eventually(lambda: upstreams(proxy) == 0, 3, what="the connection to the backend is closed")
        assert proxy.idle() == 0, "and not kept"
    eventually(lambda: old.stats()["aborted"] >= aborted + 5, 3, what="the backend sees each of them cut")
    eventually(lambda: len(proxy.access(outcome="client_gone")) == 5, 3, what="a line for each")


def test_an_upload_cut_in_the_middle_is_never_complete(start, new):
    """The backend sees no last chunk and fewer bytes than announced."""
    backend = start(Recorder)
    proxy = start(Proxy, backend, new)
    for how in (vanish, lambda sock: sock.close(), lambda sock: sock.shutdown(socket.SHUT_WR)):
        for fields, body in (({"Content-Length": "1000"}, b"x" * 500),
                             ({"Transfer-Encoding": "chunked"}, b"3e8\r\n" + b"x" * 500),
                             ({"Transfer-Encoding": "chunked"}, b"1f4\r\n" + b"x" * 500 + b"\r\n")):
            backend.seen.clear()
            wire = proxy.connect()
            wire.send(head("POST", "/", fields) + body)
            eventually(lambda: backend.bytes().count(b"x" * 100) >= 5, 3)
            how(wire.sock)
            eventually(lambda: upstreams(proxy) == 0, 3, what="the backend's connection is closed")
            assert not backend.bytes().endswith(b"0\r\n\r\n") and backend.bytes().count(b"x") < 1000
            with contextlib.suppress(OSError):
                wire.sock.settimeout(2)
                assert wire.sock.recv(1000) == b"", "there is nothing to answer"
            wire.close()


def test_a_promised_body_that_never_comes(start, old, new):
    """Expect: 100-continue, and then nothing: told 408, and the backend's connection is free."""
    proxy = start(Proxy, old, new, {"timeouts": {"client_body": "700ms"}})
    with proxy.connect() as wire:
        wire.send(head("POST", "/upload", {"Content-Length": "10", "Expect": "100-continue"}))
        began = time.monotonic()
        response = wire.read("POST")
        assert (response.status, response.outcome) == (408, "body_timeout")
        assert 0.6 < time.monotonic() - began < 3 and [x.status for x in response.interim] == [100]
        assert wire.at_end()
    eventually(lambda: upstreams(proxy) == 0, 3, what="the backend's connection is closed")
    assert proxy.idle() == 0
    assert proxy.metric("cutover_attempts_total", backend="old", outcome="body_timeout") == 1


def test_a_promised_body_and_a_backend_that_says_nothing(start, new):
    """Neither moves: it is the backend's turn (100 or an answer), and its clock ends it."""
    def answer(head_, connection):
        return Recorder.OK if head_.startswith(b"GET") else connection.recv(1)

    backend = start(Recorder, answer)
    proxy = start(Proxy, backend, new, {"failover": "none", "outlier": {"consecutive_errors": 0},
                                        "timeouts": {"client_body": "5s", "response_header": "700ms"}})
    with proxy.connect() as wire:
        wire.send(head("POST", "/", {"Content-Length": "10", "Expect": "100-continue"}))
        response = wire.read("POST")
        assert response.status in (408, 504), response
        assert wire.at_end()
    eventually(lambda: upstreams(proxy) == 0, 3)


@pytest.mark.perf
def test_an_upload_that_is_faster_than_the_backend(start, old, new):
    """The client is slowed down; every byte arrives; nothing piles up."""
    proxy = start(Proxy, old, new, release=True)
    proxy.request("POST", "/upload", body=bytes(MIB))
    body = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(24 * MIB // 32))
    with watched(proxy, 0.05) as memory, proxy.connect(30) as wire:
        began = time.monotonic()
        wire.send(head("POST", "/upload?slow=12000000", {"Content-Length": str(len(body))}))
        wire.send(body)
        answer = wire.read("POST").json()
        assert time.monotonic() - began > 1.0, "the backend was slow"
    assert (answer["bytes"], answer["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert memory.peak < 1024, f"{memory.peak} KiB"


@pytest.mark.parametrize("data", [b"", b"\r\n"], ids=["nothing", "an empty line"])
def test_a_connection_without_a_request_ends_without_a_word(start, old, new, data):
    proxy = start(Proxy, old, new, {"timeouts": {"client_header": "500ms", "client_idle": "1s"}})
    wires = [proxy.connect() for _ in range(20)]
    for wire in wires:
        wire.send(data)
    for wire in wires:
        assert wire.drain(4) == b""
        wire.close()
    proxy.get("/marker")
    assert proxy.access(path="/marker")
    assert len(proxy.logs("request")) == 1, "no line for any of them"
    assert not [x for x in proxy.logs() if x["level"] in ("warn", "error")]


# --- clients that have said all they wanted to (FIN), and wait for the answer

def half_close(proxy, data):
    wire = proxy.connect()
    wire.send(data)
    wire.sock.shutdown(socket.SHUT_WR)
    return wire


def test_half_closed_with_answers_to_come(proxy):
    with half_close(proxy, head("GET", "/delay?ms=200") + head("GET", "/echo/2") + head("GET", "/bytes/2000000")) as wire:
        assert wire.read().status == 200
        assert wire.read().json()["target"] == "/echo/2"
        time.sleep(0.3)  # the rest waits until the client reads
        assert len(wire.read().body) == 2000000
        assert wire.at_end(3), "and then it is over"
    with half_close(proxy, head("POST", "/upload", body=b"12345") + b"12345") as wire:
        assert wire.read("POST").json()["bytes"] == 5
        assert wire.at_end(3)


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nHost: a", b"\r\n"], ids=["nothing", "half a head", "an empty line"])
def test_half_closed_without_a_request(proxy, data):
    with half_close(proxy, data) as wire:
        began = time.monotonic()
        wire.drain(3)
        assert time.monotonic() - began < 2, "nothing more can come: it is not waited for"


def test_half_closed_behind_an_answer_and_half_a_head(proxy):
    with half_close(proxy, head("GET", "/delay?ms=100") + b"GET /cut HTTP/1.1\r\nHo") as wire:
        assert wire.read().status == 200
        wire.drain(2)
    proxy.get("/marker")
    proxy.access(path="/marker")
    assert not [x for x in proxy.logs("request") if x.get("path") == "/cut"]


def test_half_closed_and_never_read(start, old, new):
    """The answer is waited for no longer than that of anybody else."""
    proxy = start(Proxy, old, new, {"timeouts": {"client_body": "1s"}})
    with narrow(proxy) as wire:
        wire.send(head("GET", "/bytes/30000000"))
        wire.sock.shutdown(socket.SHUT_WR)
        assert proxy.access(outcome="client_stalled")
        eventually(lambda: upstreams(proxy) == 0, 3)
