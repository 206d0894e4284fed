"""Where two things meet: an end and an unsent rest, a limit and a wait, a change and what it finds."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cutover import Proxy, Server, readable, free_port
from test_datapath import pattern
from wire import Closed, Wire, chunked, eventually, head

MIB = 1 << 20
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nX-Backend: script\r\nContent-Length: 2\r\n\r\nok"


class Peer(Wire):
    """The backend's end of a connection."""

    def __init__(self, sock):
        self.sock, self.rest = sock, b""

    def next_head(self):
        """Of the next request, or None when there is none."""
        with contextlib.suppress(Closed):
            return self.until(b"\r\n\r\n").decode("latin-1")


class Script(Server):
    """A backend in this process: `play(peer, head)` has each connection from its first request's head
    on, until it returns. Health checks, and taken(), are answered without it."""

    def __init__(self, play):
        self.play = play
        self.peers = []
        self.probed = threading.Event()
        self.listener = socket.create_server((self.host, 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for peer in self.peers:
            peer.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                connection.settimeout(10)
                threading.Thread(target=self._serve, args=(Peer(connection),), daemon=True).start()

    def _serve(self, peer):
        with peer, contextlib.suppress(OSError, Closed):
            first = peer.next_head()
            if first is None:
                return
            if first.startswith("GET /health "):
                peer.send(OK)
                return
            if first.startswith("GET /probe "):
                peer.send(SWITCHED)
                self.probed.wait(5)
                return
            self.peers.append(peer)
            self.play(peer, first)

    def taken(self, proxy):
        """What goes to a server that does not read: into the kernel, and 64 to 128 KiB into the proxy."""
        with proxy.connect() as wire:
            wire.send(upgrade("/probe"))
            assert wire.read_head().status == 101
            push(wire, bytes(40 * MIB))
            self.probed.set()
            [line] = proxy.access(path="/probe")
        return line["bytes_in"]


def upgrade(path):
    return head("GET", path, {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})


def half_close(wire):
    wire.sock.shutdown(socket.SHUT_WR)


def push(wire, data):
    """Sends what the other end takes without reading; how much that was."""
    view, sent = memoryview(data), 0
    wire.sock.settimeout(0.1)
    with contextlib.suppress(TimeoutError):
        while sent < len(data):
            sent += wire.sock.send(view[sent:sent + MIB])
    wire.sock.settimeout(10)
    return sent


# --- the unsent rest of an answer

def unread(proxy, **how):
    """Connections with an answer each that their clients have not begun to read. The sizes go around
    what the kernel takes without a reader: the proxy has all of the answer and must keep the rest."""
    with proxy.connect() as wire:
        wire.send(head("GET", "/bytes/50000000", version=how.get("version", "1.1")))
        time.sleep(0.2)
    [line] = proxy.access(path="/bytes/50000000")
    taken = line["bytes_out"]  # by the kernel, and 64 to 128 KiB by the proxy
    wires = {}
    for size in range(taken - 140_000, taken + 60_000, 25_000):
        wires[size] = proxy.connect()
        wires[size].send(head("GET", f"/bytes/{size}", how.get("headers"), version=how.get("version", "1.1")))
        if how.get("half_closed"):
            half_close(wires[size])

    def over():
        return [x for x in proxy.logs("request") if x["path"] in {f"/bytes/{size}" for size in wires}]

    eventually(lambda: len(over()) >= 3, 3, what="answers that the proxy has as a whole")
    time.sleep(0.1)
    return wires


def missing(wires):
    """Reads them all; {size: what did not come}."""
    lost, large = {}, pattern(max(wires))
    for size, wire in wires.items():
        try:
            body = wire.read().body
            if body != large[:size]:
                lost[size] = "other bytes"
        except (Closed, OSError) as error:
            lost[size] = str(error)[:80]
    return lost


@pytest.mark.parametrize("how", [
    {}, {"version": "1.0"}, {"headers": {"Connection": "close"}}], ids=["kept", "1.0", "close"])
def test_a_client_that_half_closes_before_it_reads_gets_the_whole_answer(proxy, how):
    wires = unread(proxy, **how)
    for wire in wires.values():
        half_close(wire)
    time.sleep(0.1)
    assert missing(wires) == {}
    for wire in wires.values():
        assert wire.at_end(3)
        wire.close()


def test_a_client_that_half_closes_with_its_request_gets_the_whole_answer(proxy):
    wires = unread(proxy, half_closed=True)
    assert missing(wires) == {}
    for wire in wires.values():
        assert wire.at_end(3)
        wire.close()


def test_an_answer_under_way_survives_the_end_of_the_proxy(start, old, new):
    proxy = start(Proxy, old, new, {"timeouts": {"drain": "5s"}})
    wires = unread(proxy)
    proxy.process.signal(signal.SIGTERM)
    time.sleep(0.3)
    assert missing(wires) == {}
    for wire in wires.values():
        assert wire.at_end(3)
        wire.close()
    assert proxy.process.wait() == 0


def test_a_client_that_pauses_is_not_an_idle_one(start, old, new):
    """The rest of the answer is unsent: it is the time for reading that runs."""
    proxy = start(Proxy, old, new, {"timeouts": {"client_idle": "1s"}})
    wires = unread(proxy)
    time.sleep(1.4)
    assert missing(wires) == {}
    for wire in wires.values():
        wire.close()


# --- clients

@pytest.mark.perf
def test_a_client_that_pipelines_and_never_reads_costs_little(start, old, new):
    proxy = start(Proxy, old, new, {"workers": 1, "log": {"access": "off"}}, release=True)
    for _ in range(4):
        proxy.get("/bytes/3000000")
    before, peak = proxy.pss_kib(), 0
    with proxy.connect() as wire:
        push(wire, head("GET", "/bytes/60000") * 3000)
        for _ in range(40):
            time.sleep(0.02)
            peak = max(peak, proxy.pss_kib() - before)
            if peak > 64 * 1024:
                break
    assert peak < 8 * 1024, f"memory grew by {peak} KiB"


def test_a_client_that_half_closes_behind_pipelined_requests_gets_all_answers(proxy):
    paths = ["/bytes/6000000", "/delay?ms=50", "/echo/last"]
    with proxy.connect() as wire:
        wire.send(b"".join(head("GET", path) for path in paths))
        half_close(wire)
        time.sleep(0.2)
        assert wire.read().body == pattern(6_000_000)
        assert wire.read().status == 200
        assert wire.read().json()["target"] == "/echo/last"
        assert wire.at_end(3)


def test_a_large_head_with_its_body_behind_it_is_answered_at_once(start, new):
    def play(peer, request):
        while request:
            if request.startswith("POST"):
                peer.need(5)
            peer.send(OK)
            request = peer.next_head()

    proxy = start(Proxy, start(Script, play), new, {
        "limits": {"head_bytes": "256k", "field_bytes": "128k"},
        "timeouts": {"client_body": "3s"}})
    message = head("POST", "/", {"X-Big": "a" * 70_000, "Content-Length": "5"})
    for pieces in ([message + b"hello"], [message, b"hello"]):
        with proxy.connect(2) as wire:
            for piece in pieces:
                wire.send(piece)
                time.sleep(0.1)
            began = time.monotonic()
            assert wire.read("POST").status == 200
            assert time.monotonic() - began < 1


def test_an_empty_line_behind_a_body_begins_no_request(start, old, new):
    proxy = start(Proxy, old, new, {"timeouts": {"client_header": "1s", "client_idle": "5s"}})
    with proxy.connect() as wire:
        wire.send(head("POST", "/upload", body=b"hello") + b"hello\r\n")
        assert wire.read("POST").json()["bytes"] == 5
        assert not readable(wire.sock, 1.5), "no 408, and no end"
        assert wire.get("/").status == 200


def test_who_was_told_to_wait_for_100_is_not_late(start, new):
    def play(peer, request):
        while request:
            if request.startswith("POST"):
                time.sleep(1.5)
                peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                peer.need(5)
            peer.send(OK)
            request = peer.next_head()

    proxy = start(Proxy, start(Script, play), new, {"timeouts": {"client_body": "1s"}})
    with proxy.connect(4) as wire:
        wire.send(head("POST", "/", {"Expect": "100-continue", "Content-Length": "5"}))
        assert wire.until(b"\r\n").startswith(b"HTTP/1.1 100 ")
        wire.until(b"\r\n")
        wire.send(b"hello")
        assert wire.read("POST").status == 200


def test_bytes_behind_a_refused_upgrade_are_no_request(start, new):
    """They were meant for a tunnel: whoever wrote them is not the one who may write requests."""
    seen = []

    def play(peer, request):
        while request:
            seen.append(request.split(" ")[1])
            peer.send(OK)
            request = peer.next_head()

    proxy = start(Proxy, start(Script, play), new)
    with proxy.connect() as wire:
        wire.send(upgrade("/upgrade") + head("GET", "/smuggled"))
        response = wire.read()
        assert response.status == 200 and response.header("Connection").lower() == "close"
        assert wire.at_end(3)
    assert seen == ["/upgrade"]


# --- the end, and changes

def test_requests_in_the_accept_queue_are_answered_at_the_end(start, old, new):
    proxy = start(Proxy, old, new, {"timeouts": {"drain": "5s"}})
    proxy.process.signal(signal.SIGSTOP)
    state = Path(f"/proc/{proxy.pid}/stat")
    try:
        eventually(lambda: state.read_text().rsplit(")", 1)[1].split()[0] == "T", 2, what="it is frozen")
        wires = [proxy.connect() for _ in range(24)]
        for wire in wires:
            wire.send(head("GET", "/"))
        proxy.process.signal(signal.SIGTERM)
    finally:
        proxy.process.signal(signal.SIGCONT)
    answers = []
    for wire in wires:
        with wire:
            answers.append(wire.drain(5)[:12])
    assert answers == [b"HTTP/1.1 200"] * 24
    assert proxy.process.wait() == 0


def test_a_shorter_timeout_holds_at_once(start, old, new):
    """For new requests behind an old one, and for the old one too."""
    proxy = start(Proxy, old, new, {"workers": 1, "timeouts": {"response_header": "20s"}})
    with proxy.connect(3) as first, proxy.connect(3) as second:
        first.send(head("GET", "/fault/stall"))
        eventually(lambda: proxy.status()["backends"]["old"]["servers"][0]["active"] == 1, 3, what="it waits")
        before = proxy.status()["generation"]
        proxy.config["timeouts"]["response_header"] = "1s"
        proxy.write_config()
        proxy.reload()
        eventually(lambda: proxy.status()["generation"] > before, 3, 0.01, "it is reloaded")
        began = time.monotonic()
        second.send(head("GET", "/fault/stall"))
        for wire in (second, first):
            response = wire.read()
            assert (response.status, response.outcome) == (504, "response_timeout")
            assert time.monotonic() - began < 1.6


# --- servers

def test_a_second_try_of_an_empty_chunked_body_is_whole(start, new):
    tries = []

    def play(peer, request):
        while request:
            if request.startswith("GET /again "):
                tries.append(peer)
                if len(tries) == 1:
                    return  # closes a kept connection
                assert peer.until(b"0\r\n\r\n") == b""
            peer.send(OK)
            request = peer.next_head()

    proxy = start(Proxy, start(Script, play), new, {"workers": 1, "timeouts": {"response_header": "1s"}})
    with proxy.connect(3) as wire:
        assert wire.get("/").status == 200
        wire.send(head("GET", "/again", {"Transfer-Encoding": "chunked"}) + chunked())
        assert wire.read().status == 200
    assert len(tries) == 2


def test_an_early_answer_does_not_pool_a_connection_with_unsent_bytes(start, new):
    """The server has not read the body: what is sent behind it would wait for that."""
    peers, answered, done = {}, {}, threading.Event()

    def play(peer, request):
        while request:
            path = request.split(" ")[1]
            if request.startswith("PUT "):
                peers[path] = peer
                answered[path].wait(5)
                peer.send(OK)
                done.wait(5)
                return
            peer.send(OK)
            request = peer.next_head()

    script = start(Script, play)
    proxy = start(Proxy, script, new, {"workers": 1})
    taken = script.taken(proxy)
    unsent = {}
    try:
        for size in range(taken - 130_000, taken + 30_000, 10_000):
            path = f"/{size}"
            answered[path] = threading.Event()
            with proxy.connect(3) as wire:
                wire.send(head("PUT", path, {"Content-Length": str(size)}))
                push(wire, bytes(size))
                eventually(lambda: path in peers, 3)  # noqa: B023
                time.sleep(0.05)
                unsent[size] = size - len(peers[path].rest) - under_way(peers[path].sock)
                if not 1000 < unsent[size] < 64 * 1024:
                    continue  # all is in the kernel, or the proxy has not taken all
                answered[path].set()
                assert wire.read("PUT").status == 200
            with proxy.connect(1) as wire:
                assert wire.get("/").status == 200, f"behind {unsent[size]} unsent bytes"
    finally:
        for event in [*answered.values(), done]:
            event.set()
    assert [x for x in unsent.values() if 1000 < x < 64 * 1024], f"none was tried: {unsent}"


def under_way(sock):
    """Bytes in the kernel on the way to this end: in the other's send buffer, and received here."""
    here, there = sock.getsockname()[1], sock.getpeername()[1]
    total = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = tuple(int(field.split(":")[1], 16) for field in fields[1:3])
        to_send, received = (int(field, 16) for field in fields[4].split(":"))
        total += to_send if ports == (there, here) else received if ports == (here, there) else 0
    return total


def test_a_tunnel_delivers_all_after_both_ends_have_sent_fin(start, new):
    """The server first, then the client, with bytes that the server has not taken yet."""
    go, got = threading.Event(), {}

    def play(peer, request):
        path = request.split(" ")[1]
        if not path.startswith("/tunnel"):
            peer.send(OK)
            return
        peer.send(SWITCHED)
        half_close(peer)
        go.wait(5)
        total = len(peer.rest)
        try:
            while data := peer.sock.recv(MIB):
                total += len(data)
            got[path] = total
        except OSError as error:
            got[path] = f"{total}, then {error}"

    script = start(Script, play)
    proxy = start(Proxy, script, new)
    taken = script.taken(proxy)
    sizes = [*range(taken - 140_000, taken + 40_000, 20_000), 4_000_000]
    wires, senders = [], []
    for size in sizes:
        wire = proxy.connect()
        wires.append(wire)
        wire.send(upgrade(f"/tunnel/{size}"))
        assert wire.read_head().status == 101
        assert wire.at_end(3), "the server's FIN"

        def send(wire=wire, size=size):
            wire.sock.settimeout(5)
            with contextlib.suppress(OSError):
                wire.send(bytes(size))
                half_close(wire)

        senders.append(threading.Thread(target=send))
        senders[-1].start()
    time.sleep(0.3)
    go.set()
    for sender in senders:
        sender.join(6)
    eventually(lambda: len(got) == len(sizes), 5, what="all tunnels are over")
    for wire in wires:
        wire.close()
    assert got == {f"/tunnel/{size}": size for size in sizes}


def test_a_connection_too_old_for_a_post_gives_its_place_to_a_new_one(start, old, new):
    proxy = start(Proxy, old, new, {"limits": {"upstream_connections": 1}, "timeouts": {"upstream_idle": "60s"}})
    with proxy.connect() as wire:
        assert wire.get("/").status == 200
        time.sleep(2.2)
        began = time.monotonic()
        assert wire.request("POST", "/echo", body=b"hi").status == 200
        assert time.monotonic() - began < 0.5


def test_one_connection_to_a_server_serves_all_workers(start, new):
    lock, peers, most = threading.Lock(), [], [0]

    def is_open(peer):
        """Once more after a while: a FIN may be on its way."""
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            try:
                if readable(peer.sock, 0) and peer.sock.recv(1, socket.MSG_PEEK) == b"":
                    return False
            except (OSError, ValueError):
                return False
            time.sleep(0.005)
        return True

    def play(peer, request):
        with lock:
            peers[:] = [x for x in peers if is_open(x)] + [peer]
            most[0] = max(most[0], len(peers))
        while request:
            time.sleep(0.005)
            peer.send(OK)
            request = peer.next_head()

    proxy = start(Proxy, start(Script, play), new, {
        "workers": 2, "limits": {"upstream_connections": 1}, "timeouts": {"upstream_idle": "60s"}})
    statuses = []

    def ask():
        with proxy.connect(5) as wire:
            for _ in range(3):
                statuses.append(wire.get("/").status)

    clients = [threading.Thread(target=ask) for _ in range(20)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(8)
    assert statuses == [200] * 60
    assert most == [1]


# --- names

SHIM = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>

/* The name two.test has two addresses; nobody listens on the first. */
static struct sockaddr_in where[2];
static struct addrinfo both[2];

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    if (name == NULL || strcmp(name, "two.test") != 0)
        return next(name, service, hints, result);
    for (int i = 0; i < 2; i++) {
        where[i].sin_family = AF_INET;
        inet_pton(AF_INET, i == 0 ? "127.0.0.9" : "127.0.0.1", &where[i].sin_addr);
        both[i].ai_family = AF_INET;
        both[i].ai_socktype = SOCK_STREAM;
        both[i].ai_addr = (struct sockaddr *)&where[i];
        both[i].ai_addrlen = sizeof(where[i]);
    }
    both[0].ai_next = &both[1];
    *result = both;
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    void (*next)(struct addrinfo *) = dlsym(RTLD_NEXT, "freeaddrinfo");
    if (list != both)
        next(list);
}
"""


class ShimmedProxy(Proxy):
    def __init__(self, shim, *args, **kwargs):
        self.shim = shim
        super().__init__(*args, **kwargs)

    def environment(self):
        env = super().environment()
        env["LD_PRELOAD"] = str(self.shim)
        env["ASAN_OPTIONS"] += ":verify_asan_link_order=0"
        return env


def test_the_living_one_of_two_addresses_is_found(start, old, new, tmp_path):
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler")
    (tmp_path / "shim.c").write_text(SHIM)
    shim = tmp_path / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", shim, tmp_path / "shim.c", "-ldl"], check=True, timeout=60)
    proxy = start(ShimmedProxy, shim, f"http://two.test:{old.port}", new, {
        "workers": 1, "failover": "none", "timeouts": {"upstream_idle": "1s"}})
    proxy.wait_health("old", "up")
    for method in ("POST", "GET", "POST"):
        response = proxy.request(method, "/echo", body=b"hi" if method == "POST" else None)
        assert (response.status, response.side) == (200, "old")


def test_bytes_within_the_answer_to_a_refused_upgrade_are_no_request(start, new):
    seen, go = [], threading.Event()

    def play(peer, request):
        while request:
            seen.append(request.split(" ")[1])
            if "/upgrade" in request:
                peer.send(OK[:-1])
                go.wait(3)
                peer.send(OK[-1:])
            else:
                peer.send(OK)
            request = peer.next_head()

    proxy = start(Proxy, start(Script, play), new)
    with proxy.connect(1) as wire:
        wire.send(upgrade("/upgrade"))
        wire.read_head()
        wire.need(1)
        wire.send(head("GET", "/smuggled"))
        time.sleep(0.1)
        go.set()
        wire.drain(3)
    assert seen == ["/upgrade"]


def test_bytes_behind_an_upgrade_that_the_proxy_itself_refuses_are_no_request(start, new):
    proxy = start(Proxy, f"http://127.0.0.1:{free_port()}", new, {"failover": "none"}, wait=False)
    proxy.expect_broken = True
    eventually(lambda: [x for x in proxy.logs() if x.get("message") == "ready"], 10)
    data = proxy.raw(upgrade("/upgrade") + head("GET", "/smuggled"), 4)
    assert data.count(b"HTTP/1.1 5") == 1, data


# --- a failover that ends at once

def test_failing_over_to_a_name_without_address(start, old):
    """More at a time than exchanges are kept for later: the memory of the others is really gone."""
    proxy = start(Proxy, old, "http://nothing.invalid", config={
        "workers": 1, "health": {"interval": "1h", "timeout": "30s"}})
    old.kill()
    wires = [proxy.connect() for _ in range(300)]
    for wire in wires:
        wire.send(head("GET", "/"))
    outcomes = {wire.read().outcome for wire in wires}
    assert outcomes <= {"unresolved", "connect_refused", "no_server"} and "unresolved" in outcomes
    for wire in wires:
        wire.close()
    proxy.expect_broken = True


# --- what comes behind an answer, and when


def answers(first, pause_s=0.0, behind=b""):
    """A backend: `first` to the first request of a connection, perhaps something later; OK to others."""
    def play(peer, request):
        peer.send(first)
        if behind:
            time.sleep(pause_s)
            peer.send(behind)
        while peer.next_head():
            time.sleep(0.05)
            peer.send(OK)
    return play


STRAY = b"HTTP/1.1 200 OK\r\nX-Stray: yes\r\nContent-Length: 5\r\n\r\nstray"


def test_bytes_behind_an_answer_that_fills_the_buffer_are_no_answer(start, new):
    """They are not even read when the answer ends: all that the reader knows is that its buffer is full."""
    length = next(n for n in range(65400, 65536) if len(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n) + n == 65536)
    first = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"a" * length
    proxy = start(Proxy, start(Script, answers(first + STRAY)), new, {"workers": 1})
    for _ in range(5):
        with proxy.connect() as wire:
            wire.send(head("GET", "/one") + head("GET", "/two"))
            assert len(wire.read().body) == length
            assert wire.read().header("X-Stray") is None


def test_a_body_behind_the_answer_to_head_is_no_answer(start, new):
    """In a segment of its own it comes when the next request may be under way already."""
    backend = start(Script, answers(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(STRAY), 0.001, STRAY))
    proxy = start(Proxy, backend, new, {"workers": 1})
    for _ in range(5):
        with proxy.connect() as wire:
            wire.send(head("HEAD", "/one") + head("GET", "/two"))
            assert wire.read("HEAD").status == 200
            assert wire.read().header("X-Stray") is None


def test_waiting_for_a_server_that_a_reload_takes_away(start, old, new):
    """They wait in one worker for the place that the other has."""
    busy = start(Script, lambda peer, request: time.sleep(3))
    proxy = start(Proxy, busy, new, {"limits": {"upstream_connections": 1}, "failover": "none",
                                     "timeouts": {"connect": "1s", "response_header": "3s"}})
    wires = [proxy.connect(8) for _ in range(9)]
    for wire in wires:
        wire.send(head("GET", "/"))
    time.sleep(0.3)
    proxy.config["backends"]["old"]["servers"] = [old.url]
    proxy.write_config()
    assert proxy.admin("POST", "/v1/reload").status == 200
    assert {wire.read().status for wire in wires} <= {200, 502, 503, 504}
    for wire in wires:
        wire.close()


def test_a_head_that_grows_while_the_last_request_is_answered(start, new):
    """It moves in memory, and what may still be waited for is looked at in its new place."""
    def play(peer, request):
        while request:
            time.sleep(0.3)
            peer.send(OK)
            request = peer.next_head()

    proxy = start(Proxy, start(Script, play), new, {"workers": 1, "limits": {"requests_per_connection": 2}})
    big = head("GET", "/big", [(f"X-{i}", "v" * 500) for i in range(110)])
    with proxy.connect() as wire:
        wire.send(head("GET", "/1") + head("GET", "/2") + big[:20_000])
        time.sleep(0.45)
        wire.send(big[20_000:])
        assert wire.read().status == 200 and wire.read().status == 200


def test_answers_of_our_own_keep_a_connection_alive(start, old, new):
    """Each gives the client all of its time for the next request, as others do."""
    port = free_port()
    proxy = start(Proxy, old, new, {
        "listen": [{"address": f"127.0.0.1:{port}", "health_path": "/own"}], "timeouts": {"client_idle": "1s"}}, wait=False)
    proxy.port = port
    proxy.wait_ready()
    with proxy.connect() as wire:
        for _ in range(7):
            assert wire.get("/own").status == 200
            time.sleep(0.3)


def test_an_empty_line_behind_a_body_does_not_hold_up_a_drain(start, old, new):
    proxy = start(Proxy, old, new, {"timeouts": {"drain": "20s"}})
    with proxy.connect() as wire:
        wire.send(head("POST", "/echo", body=b"hi") + b"hi\r\n")
        assert wire.read().status == 200
        time.sleep(0.3)
        began = time.monotonic()
        proxy.process.signal(signal.SIGTERM)
        assert proxy.process.wait(15) == 0 and time.monotonic() - began < 10


def test_who_is_told_no_may_stop_sending(start, new):
    """An early answer that takes its time is not cut because the upload rests."""
    def play(peer, request):
        peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 30\r\n\r\n")
        for _ in range(30):
            peer.send(b"x")
            time.sleep(0.1)

    proxy = start(Proxy, start(Script, play), new, {"timeouts": {"client_body": "1s"}})
    with proxy.connect(8) as wire:
        wire.send(head("POST", "/", {"Content-Length": "1000000"}) + b"a" * 1000)
        assert wire.read().body == b"x" * 30
    proxy.expect_broken = True


def test_a_body_that_was_promised_and_never_came(start, new):
    proxy = start(Proxy, start(Script, lambda peer, request: time.sleep(4)), new, {"timeouts": {"response_header": "1s"}})
    with proxy.connect() as wire:
        wire.send(head("POST", "/", {"Expect": "100-continue", "Content-Length": "5"}))
        response = wire.read()
        assert (response.status, response.outcome) == (408, "body_timeout"), "it is not the server's doing"
    proxy.expect_broken = True
