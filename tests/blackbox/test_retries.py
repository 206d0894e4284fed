"""When a request is tried again, and when it must not be (RFC 9110 9.2.2, tightened): what servers were
really sent is what counts here, not what the proxy says."""

import contextlib
import hashlib
import itertools
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from certs import self_signed
from cutover import Proxy, Recorder, Server
from ledger import Ledger
from test_platform import counted, railway
from tls import Broken
from wire import Closed, chunked, eventually, head

KIB = 1024
SAFE, UNSAFE = ("GET", "HEAD", "OPTIONS"), ("POST", "PUT", "PATCH", "DELETE")

# A request as a row: method, bytes of the body (None: no body), coding.
PLAIN_SAFE = [(method, None, "counted") for method in SAFE]
SAFE_WITH_BODY = [("GET", 300, "counted"), ("GET", 300, "chunked"), ("OPTIONS", 2, "counted")]
UNSAFE_ALL = [(method, None, "counted") for method in UNSAFE] + [
    ("POST", 300, "counted"), ("POST", 300, "chunked"), ("PUT", 30_000, "counted"), ("DELETE", 3, "counted"),
    ("PATCH", 0, "chunked")]

_ids = itertools.count(1)


class Asked:
    """A request that was sent, and what came of it. `answer` is None when it was cut off."""

    def __init__(self, proxy, row, target="/", headers=None, wire=None):
        self.method, size, coding = row
        self.row, self.proxy, self.id = row, proxy, f"r{next(_ids)}"
        self.body = None if size is None else hashlib.shake_128(self.id.encode()).digest(size)
        fields = {"X-Request-ID": self.id, **(headers or {})}
        if coding == "chunked":
            message = head(self.method, target, {**fields, "Transfer-Encoding": "chunked"}) + \
                chunked(self.body[:7], self.body[7:])
        else:
            message = head(self.method, target, fields, self.body) + (self.body or b"")
        self.answer = None
        with contextlib.ExitStack() as stack, contextlib.suppress(Closed, ConnectionError):
            wire = wire or stack.enter_context(proxy.connect())
            wire.send(message)
            self.answer = wire.read(self.method)

    @property
    def result(self):
        """(status, X-Cutover-Outcome)."""
        return (self.answer.status, self.answer.outcome) if self.answer else None

    @property
    def line(self):
        [line] = self.proxy.access(request_id=self.id)
        return line

    def arrivals(self, *ledgers):
        return [entry for ledger in ledgers for entry in ledger.of(self.id)]

    def check_whole_at(self, entry):
        assert entry.digest == hashlib.sha256(self.body or b"").hexdigest(), f"{self}: its body is whole"

    def __repr__(self):
        return f"{self.row} {self.id}: {self.answer}"


@pytest.fixture
def ledger(start):
    """ledger("name"), and without an argument one that is called old."""
    return lambda name="old": start(Ledger, name)


@pytest.fixture
def front(start):
    """The first check decides alone, nobody is ejected: what happens is the request's own doing."""
    def make(old, new, **config):
        times = {"upstream_idle": "30s", "connect": "5s", "tls_handshake": "5s", **config.pop("timeouts", {})}
        proxy = start(Proxy, old, new, config={
            "workers": 1, "health": {"interval": "1h"}, "outlier": {"consecutive_errors": 0},
            "timeouts": times, **config})
        proxy.expect_broken = True
        for side in ("old", "new"):
            eventually(lambda: "unknown" not in proxy.server_health(side), what="the check is over")
        return proxy
    return make


# --- nothing was written: any method goes elsewhere

class Full(Server):
    """Takes the health check, and then nobody: connections hang."""

    def __init__(self):
        self.listener = socket.create_server((self.host, 0), backlog=0)
        self.port = self.listener.getsockname()[1]
        self.fillers = []

    def fill(self):
        talk, _ = self.listener.accept()
        with talk:
            talk.recv(65536)
            talk.sendall(Recorder.OK)
        for _ in range(4):
            self.fillers.append(socket.socket())
            self.fillers[-1].setblocking(False)
            self.fillers[-1].connect_ex(self.address)

    def stop(self):
        for sock in (self.listener, *self.fillers):
            sock.close()


def garbage(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 this is not TLS\r\n\r\n")


def fin(connection):
    connection.recv(65536)


def reset(connection):
    connection.recv(1)  # and the rest unread


def silence(connection):
    while connection.recv(65536):
        pass


# How a server cannot be reached: what the answer is then.
FAILURES = {
    "refused": (502, "connect_refused"),
    "full": (504, "connect_timeout"),
    "garbage": (502, "tls_failed"),
    "fin": (502, "tls_failed"),
    "reset": (502, "connect_failed"),
    "silence": (504, "tls_timeout"),
}


@pytest.fixture
def unreachable(start, tmp_path):
    """unreachable(kind) -> (a server that has passed its check, what to call before the first request)."""
    def make(kind):
        if kind == "refused":
            server = start(Ledger, "refused")
            return server, server.refuse
        if kind == "full":
            server = start(Full)
            filler = threading.Thread(target=server.fill, daemon=True)
            filler.start()
            return server, filler.join
        pair = self_signed(tmp_path, ["localhost"], ["127.0.0.1"])
        play = {"garbage": garbage, "fin": fin, "reset": reset, "silence": silence}[kind]
        return start(Broken, pair, play), lambda: None
    return make


@pytest.mark.parametrize("kind", FAILURES)
def test_what_was_not_written_goes_elsewhere_with_any_method(front, ledger, unreachable, kind):
    rows = [("GET", None, "counted"), ("POST", 300, "counted"), ("PUT", 200 * KIB, "counted"),
            ("PATCH", 200 * KIB, "chunked"), ("DELETE", None, "counted")]
    good, other = ledger("good"), ledger("other")
    timeout = "150ms" if kind in ("full", "silence") else "5s"
    more = {"timeouts": {"connect": timeout, "tls_handshake": timeout}}
    if kind not in ("refused", "full"):
        more["backends"] = {"old": {"tls": {"verify": False}}}
    for where, servers, policy in (("server", True, "none"), ("side", False, "both"), ("nowhere", False, "none")):
        bad, begin = unreachable(kind)
        proxy = front([good, bad] if servers else bad, other, failover=policy, **more)
        begin()
        for row in rows:
            asked = Asked(proxy, row)
            if where == "nowhere":
                assert asked.result == FAILURES[kind], asked
                assert asked.line["attempts"] == 1 and not asked.arrivals(good, other)
                continue
            [entry] = asked.arrivals(good, other)
            assert asked.result == (200, None), asked
            assert asked.answer.side == ("good" if where == "server" else "other")
            assert asked.line["attempts"] == 2, "the bad one was asked first"
            asked.check_whole_at(entry)


@pytest.mark.parametrize("attempts", [0, 1, 2])
def test_how_many_servers_of_a_side_are_tried(front, ledger, attempts):
    """And the other side behind them, whatever stands there."""
    for failover in ("none", "both"):
        bad, other = [ledger() for _ in range(3)], ledger("new")
        proxy = front(bad, other, retry={"attempts": attempts}, failover=failover)
        for server in bad:
            server.refuse()
        for row in (("GET", None, "counted"), ("POST", 300, "counted")):
            asked, tried = Asked(proxy, row), attempts + 1
            if failover == "both":
                assert (asked.result, asked.answer.side) == ((200, None), "new")
                assert asked.line["attempts"] == tried + 1 and asked.line["reason"] == "failover"
            else:
                assert asked.result == (502, "connect_refused") and asked.line["attempts"] == tried
        assert counted(proxy, "cutover_attempts_total", backend="old", outcome="connect_refused") == 2 * tried
        assert counted(proxy, "cutover_retries_total", backend="old") == 2 * attempts


@pytest.mark.parametrize("dead", [1, 2])
def test_the_first_server_that_can_be_reached_answers(front, ledger, dead):
    servers = [ledger(f"s{n}") for n in range(3)]
    proxy = front(servers, ledger("new"), retry={"attempts": dead}, failover="none")
    for server in servers[:dead]:
        server.refuse()
    for _ in range(3):
        for row in (("GET", None, "counted"), ("POST", 300, "counted")):
            asked = Asked(proxy, row)
            assert asked.result == (200, None) and len(asked.arrivals(*servers)) == 1


# --- a kept connection that dies

def warm(proxy, target="/"):
    """Afterwards there is a kept connection."""
    assert Asked(proxy, ("POST", 2, "counted"), target).result == (200, None)


def on_kept(moment, what):
    return lambda entry: (moment, what) if entry.nth > 0 else None


def deaths(row):
    """Where in the request a server can die that has not begun to answer, and how."""
    moments = ["head", "answer"] + (["body"] if (row[1] or 0) > 1 else [])
    return itertools.product(moments, ("close", "fin", "reset"))


@pytest.mark.parametrize("row", PLAIN_SAFE + SAFE_WITH_BODY, ids=str)
def test_a_safe_method_gets_one_fresh_connection_to_the_same_server(front, ledger, row):
    ledgers = ledger("a"), ledger("b"), ledger("new")
    proxy = front(ledgers[:2], ledgers[2], retry={"attempts": 2})
    for moment, what in deaths(row):
        for server in ledgers:
            server.fault = lambda entry: None
        warm(proxy), warm(proxy)
        for server in ledgers:
            server.fault = on_kept(moment, what)
        asked = Asked(proxy, row)
        first, second = asked.arrivals(*ledgers)
        assert asked.result == (200, None), (moment, what)
        assert any(first in server.entries and second in server.entries for server in ledgers[:2]), "the same server"
        assert second.connection != first.connection and second.nth == 0 and first.nth > 0
        asked.check_whole_at(second)
        assert asked.line["attempts"] == 2
        for server in ledgers:  # never more than once
            server.fault = lambda entry: None
        warm(proxy), warm(proxy)
        for server in ledgers:
            server.fault = lambda entry: (moment, what)
        asked = Asked(proxy, row)
        assert asked.result == (502, "upstream_closed") and len(asked.arrivals(*ledgers)) == 2


def test_when_many_kept_connections_die_only_one_is_tried(front, ledger):
    server = ledger()
    proxy = front(server, ledger("new"), retry={"attempts": 5})
    together = threading.Barrier(4)
    for moment, what in deaths(("GET", None, "counted")):
        server.fault = lambda entry: (together.wait(10), None)[1]  # each on a connection of its own
        threads = [threading.Thread(target=Asked, args=(proxy, ("GET", None, "counted"))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        eventually(lambda: proxy.idle() >= 4, what="four kept connections")
        server.fault = on_kept(moment, what)
        asked = Asked(proxy, ("GET", None, "counted"))
        first, second = asked.arrivals(server)
        assert asked.result == (200, None) and first.nth > 0 and second.nth == 0, (moment, what)


@pytest.mark.parametrize("row", UNSAFE_ALL, ids=str)
def test_an_unsafe_method_is_never_sent_again(front, ledger, row):
    """Neither on a kept connection, to which the server may have listened, nor on a fresh one."""
    ledgers = ledger("a"), ledger("b"), ledger("new")
    proxy = front(ledgers[:2], ledgers[2], retry={"attempts": 2})
    for moment, what in deaths(row):
        for server in ledgers:
            server.fault = lambda entry: None
        warm(proxy), warm(proxy)
        for server in ledgers:
            server.fault = lambda entry: (moment, what)
        kept, fresh, third = (Asked(proxy, row) for _ in range(3))
        assert kept.result == (502, "stale_connection"), (moment, what)
        assert fresh.result in ((502, "stale_connection"), (502, "upstream_closed"))  # a or b again
        assert third.result == (502, "upstream_closed")
        for asked in (kept, fresh, third):
            assert len(asked.arrivals(*ledgers)) == 1 and asked.line["attempts"] == 1, (moment, what)
        assert fresh.arrivals(*ledgers)[0].nth <= 1 and third.arrivals(*ledgers)[0].nth == 0


@pytest.mark.parametrize("row", [("GET", None, "counted"), ("GET", 300, "counted"), ("POST", 300, "counted")], ids=str)
def test_nothing_is_sent_again_once_an_answer_has_begun(front, ledger, row):
    ledgers = ledger("a"), ledger("b"), ledger("new")
    proxy = front(ledgers[:2], ledgers[2], retry={"attempts": 2})
    for is_kept, moment, what in itertools.product((True, False), ("partial", "within"), ("close", "fin", "reset")):
        for server in ledgers:
            server.fault = lambda entry: None
            server.reset_all()
            eventually(lambda: not server.talks, what="no connection is left")
        if is_kept:
            warm(proxy), warm(proxy)
        for server in ledgers:
            server.fault = lambda entry: (moment, what)
        asked = Asked(proxy, row, headers={"X-Plan": "5000 0 0 0"})
        assert asked.result == ((502, "upstream_closed") if moment == "partial" else None), (is_kept, moment, what)
        [entry] = asked.arrivals(*ledgers)
        assert (entry.nth > 0) == is_kept and asked.line["attempts"] == 1


def test_no_answer_in_time_is_no_reason_to_ask_again(front, ledger):
    ledgers = ledger("a"), ledger("b"), ledger("new")
    proxy = front(ledgers[:2], ledgers[2], retry={"attempts": 2}, timeouts={"response_header": "200ms"})
    warm(proxy), warm(proxy)
    for server in ledgers:
        server.fault = lambda entry: ("answer", "silent")
    for row in (*PLAIN_SAFE, ("POST", 300, "counted"), ("GET", None, "counted")):
        asked = Asked(proxy, row)
        assert asked.result == (504, "response_timeout") and len(asked.arrivals(*ledgers)) == 1


@pytest.mark.parametrize("row", [("GET", None, "counted"), ("GET", 300, "counted")], ids=str)
def test_without_retries_a_kept_connection_has_no_second_chance(front, ledger, row):
    server, other = ledger(), ledger("new")
    proxy = front(server, other, retry={"attempts": 0})
    warm(proxy)
    server.fault = on_kept("answer", "close")
    asked = Asked(proxy, row)
    assert asked.result == (502, "stale_connection") and len(asked.arrivals(server, other)) == 1


@pytest.mark.parametrize("coding", ["counted", "chunked"])
@pytest.mark.parametrize("most", [0, 4 * KIB])
def test_a_body_is_sent_again_up_to_replay_bytes(front, ledger, coding, most):
    server = ledger()
    proxy = front(server, ledger("new"), retry={"replay_bytes": most})
    for size in (1, most - 1, most, most + 1, 60 * KIB, 200 * KIB):
        if size < 1:
            continue
        server.fault = lambda entry: None
        warm(proxy)
        server.fault = on_kept("answer", "close")
        asked = Asked(proxy, ("GET", size, coding))
        if size <= most:
            assert asked.result == (200, None) and len(asked.arrivals(server)) == 2, size
            asked.check_whole_at(asked.arrivals(server)[1])
        else:
            assert asked.result == (502, "stale_connection") and len(asked.arrivals(server)) == 1, size


# --- which connections are used at all

def test_who_takes_a_connection_that_was_idle_for_2_s(front, ledger):
    """The server may be about to close it: nobody does who could not be sent again."""
    targets = {"GET": "/", "HEAD": "/", "POST": "/", "PUT": "/", "PATCH": "/", "DELETE": "/", "poll": "/?sid=a"}
    proxies = {name: front(ledger(name), ledger("new")) for name in targets}

    def ask():
        for name, proxy in proxies.items():
            row = ("GET" if name == "poll" else name, 2 if name[0] == "P" else None, "counted")
            asked = Asked(proxy, row, targets[name])
            [entry] = asked.arrivals(proxy.old)
            assert asked.result == (200, None)
            yield name, entry.nth

    assert dict(ask()) == dict.fromkeys(targets, 0)
    time.sleep(0.5)
    # The answer to HEAD announces a body, which may still come: nobody uses its connection again.
    assert dict(ask()) == {name: 0 if name == "HEAD" else 1 for name in targets}, "one that has just been used"
    time.sleep(2.5)
    assert dict(ask()) == {name: 2 if name in SAFE and name != "HEAD" else 0 for name in targets}


@contextlib.contextmanager
def asleep(proxy):
    """All of its threads: a signal takes its time to reach them."""
    def states():
        for task in Path(f"/proc/{proxy.pid}/task").iterdir():
            yield (task / "stat").read_text().rsplit(")", 1)[1].split()[0]

    proxy.process.signal(signal.SIGSTOP)
    try:
        eventually(lambda: set(states()) == {"T"}, what="it sleeps")
        yield
    finally:
        proxy.process.signal(signal.SIGCONT)


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_a_connection_that_is_known_to_be_dead_is_not_used(front, ledger, how):
    """The server closes it while the proxy sleeps, and the request is there before the proxy has seen it."""
    server, other = ledger(), ledger("new")
    proxy = front(server, other)
    rows = [("GET", None, "counted"), ("POST", 300, "counted"), ("POST", 300, "chunked"), ("DELETE", None, "counted")]
    for row, target in [(row, "/") for row in rows] + [(("GET", None, "counted"), "/?sid=a")]:
        warm(proxy)
        with proxy.connect() as wire:
            assert Asked(proxy, ("GET", None, "counted"), wire=wire).result == (200, None)
            asked = []
            asking = threading.Thread(target=lambda: asked.append(Asked(proxy, row, target, wire=wire)))
            with asleep(proxy):
                asking.start()
                time.sleep(0.05)
                for talk in list(server.talks):
                    if how == "reset":
                        talk.resets_itself()
                    else:
                        talk.sock.shutdown(socket.SHUT_RDWR)
                time.sleep(0.05)
            asking.join()
        [asked] = asked
        [entry] = asked.arrivals(server, other)
        assert asked.result == (200, None) and entry.nth == 0 and entry in server.entries, (row, target)


# --- Engine.IO's polls

BOUND = ("/socket.io/?EIO=4&transport=polling&sid=abc", "/?sid=abc", "/?sid=", "/?a=b&sid=", "/?sid=abc&t=1")
LOOSE = ("/?xsid=abc", "/?sidx=abc", "/?a=sid", "/sid=abc", "/?SID=abc", "/?a=b%26sid=abc")


@pytest.fixture
def polls(front, ledger):
    """polls(...) -> the proxy, and its servers: two of old and one of new."""
    def make(**config):
        servers = ledger("a"), ledger("b"), ledger("new")
        return front(servers[:2], servers[2], **{"retry": {"attempts": 2}, **config}), servers
    return make


@pytest.mark.parametrize("row", [("GET", None, "counted"), ("POST", 300, "counted")], ids=str)
def test_a_poll_goes_nowhere_else_when_its_server_cannot_be_reached(polls, row):
    proxy, servers = polls()
    for server in servers[:2]:
        server.refuse()
    for target in BOUND:
        asked = Asked(proxy, row, target)
        assert asked.result == (502, "connect_refused"), target
        assert asked.line["attempts"] == 1 and not asked.arrivals(*servers), target
    for target in LOOSE:
        asked = Asked(proxy, row, target)
        assert asked.result == (200, None) and asked.answer.side == "new", target


@pytest.mark.parametrize("what", ["close", "fin", "reset"])
@pytest.mark.parametrize("moment", ["head", "answer"])
def test_a_poll_is_never_sent_twice(polls, moment, what):
    """Each delivers something new: what the first was sent is gone."""
    proxy, servers = polls()
    for target in (*BOUND, *LOOSE):
        for server in servers:
            server.fault = lambda entry: None
        warm(proxy), warm(proxy)
        for server in servers:
            server.fault = on_kept(moment, what)
        asked = Asked(proxy, ("GET", None, "counted"), target)
        if target in BOUND:
            assert asked.result == (502, "stale_connection") and len(asked.arrivals(*servers)) == 1, target
        else:
            assert asked.result == (200, None) and len(asked.arrivals(*servers)) == 2, target


@pytest.mark.parametrize("status", [404, 502])
def test_a_page_of_the_platform_is_the_answer_to_a_poll(start, front, ledger, status):
    pages, other = start(Recorder, lambda *_: railway(status)), ledger("new")
    proxy = front(pages, other)
    for target in (*BOUND, *LOOSE):
        asked = Asked(proxy, ("GET", None, "counted"), target)
        if target in BOUND:
            assert asked.answer.status == status and not asked.arrivals(other), target
        else:
            assert asked.result == (200, None) and asked.answer.side == "new", target


def test_a_poll_that_is_not_found_is_not_asked_for_elsewhere(start, front, ledger):
    missing = start(Recorder, lambda *_: b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    other = ledger("new")
    proxy = front(missing, other, routes=[{"name": "all", "path": "/", "on_404": "other_side"}])
    for target in (*BOUND, *LOOSE):
        asked = Asked(proxy, ("GET", None, "counted"), target)
        assert asked.answer.status == (404 if target in BOUND else 200), target
        assert len(asked.arrivals(other)) == (0 if target in BOUND else 1), target
