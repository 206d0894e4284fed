"""A rollback holds within a second, for those as well who wait for the other side and have not been sent
yet: under load, with new stopped, dead, full or silent, and with a disk that takes nothing.

CUTOVER_ROLLBACKS=100 repeats the one under load a hundred times.
"""

import contextlib
import os
import resource
import signal
import socket
import struct
import threading
import time

import pytest

from cutover import Origin, Proxy, Wrk, free_port
from ledger import Ledger
from wire import Closed, eventually

ROLLBACKS = int(os.environ.get("CUTOVER_ROLLBACKS", "10"))

# Nobody but an operator takes anybody off new: no check finds out, no error ejects, no timeout helps.
BLIND = {
    "health": {"interval": "1h", "timeout": "9s"},
    "outlier": {"consecutive_errors": 0},
    "failover": "none",
}
PATIENT = {**BLIND, "timeouts": {"connect": "8s", "tls_handshake": "8s", "upstream_idle": "1s", "drain": "1s"}}


# --- under load

class Arrivals:
    """When bytes arrive at a port, as the kernel sees it: also those of who is stopped, or never accepts."""

    def __init__(self, port):
        self.port, self.at, self.waiting = f"{port:04X}", [], {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _look(self):
        now, waiting = time.monotonic(), {}
        with open("/proc/net/tcp") as table:
            for line in table:
                _, local, remote, _, queues, *_ = line.split()
                if local.endswith(":" + self.port):
                    waiting[remote] = int(queues.split(":")[1], 16)
        if any(count > self.waiting.get(remote, 0) for remote, count in waiting.items() if remote[-4:] != "0000"):
            self.at.append(now)
        self.waiting = waiting

    def _run(self):
        while not self.over.wait(0.01):
            self._look()

    def stop(self):
        self.over.set()
        self.thread.join(5)

    def since(self, moment):
        return [at - moment for at in self.at if at >= moment]


def roll_back(proxy):
    """When it was called, and how long it took."""
    began = time.monotonic()
    answer = proxy.admin("POST", "/v1/rollback", {"reason": "new hangs"})
    assert answer.status == 200, answer
    return began, time.monotonic() - began


def stopped_new_under_load(proxy, new, weight):
    """One rollback: how long after the call new was handed something, and how long the call took."""
    proxy.weight(weight)
    eventually(lambda: new.served() > 0, 5, what="load on new")
    new.process.signal(signal.SIGSTOP)
    arrivals = Arrivals(new.port)
    try:
        time.sleep(0.35)  # twice the time after which a request to new is given up
        assert arrivals.at, "new was handed nothing: this shows nothing"
        began, took = roll_back(proxy)
        time.sleep(max(0, began + 1.2 - time.monotonic()))
        return max(arrivals.since(began), default=0), took
    finally:
        arrivals.stop()
        new.process.signal(signal.SIGCONT)


def check_rollbacks(proxy, new, rounds):
    wrk = Wrk(proxy.url + "/", connections=64, seconds=600)
    try:
        figures = [stopped_new_under_load(proxy, new, 50 if i % 2 else 100) for i in range(rounds)]
    finally:
        wrk.process.kill()
    late = [figure for figure in figures if max(figure) > 1]
    last, took = (max(column) for column in zip(*figures))
    print(f"{rounds} rollbacks: new was handed its last request {last * 1000:.0f} ms after the call at the "
          f"latest, the slowest call took {took * 1000:.0f} ms")
    assert not late, f"{len(late)} of {rounds}: {late}"


LOADED = {**BLIND, "timeouts": {"response_header": "150ms", "connect": "3s"}, "log": {"access": "off"}}


@pytest.mark.perf
def test_the_last_request_to_a_stopped_side_is_within_a_second(start, old, new):
    proxy = start(Proxy, old, new, LOADED, release=True)
    check_rollbacks(proxy, new, ROLLBACKS)


@pytest.mark.perf
def test_a_full_disk_does_not_delay_a_rollback_under_load(start, old, new):
    proxy = start(Proxy, old, new, LOADED, release=True, restore_signals=False)  # SIGXFSZ stays ignored
    proxy.weight(100)
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    wrk = Wrk(proxy.url + "/", connections=64, seconds=60)
    try:
        eventually(lambda: new.served() > 0, 5, what="load on new")
        new.process.signal(signal.SIGSTOP)
        arrivals = Arrivals(new.port)
        time.sleep(0.35)
        began = time.monotonic()
        answer = proxy.admin("POST", "/v1/rollback", {"reason": "new hangs"})
        took = time.monotonic() - began
        assert answer.status == 200 and answer.json()["durable"] is False, answer
        time.sleep(max(0, began + 1.2 - time.monotonic()))
        arrivals.stop()
        assert max(arrivals.since(began), default=0) <= 1 and took <= 1
    finally:
        new.process.signal(signal.SIGCONT)
        wrk.process.kill()
    assert proxy.status()["weight"] == 0
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_a_dead_side_does_not_delay_a_rollback(start, old, new):
    proxy = start(Proxy, old, new, PATIENT)
    proxy.weight(100)
    new.kill()
    assert proxy.get("/").outcome == "connect_refused"
    began, took = roll_back(proxy)
    assert proxy.get("/").side == "old"
    assert took <= 1 and time.monotonic() - began <= 1


# --- those who wait

class Full:
    """Listens, and its queue of connections is full: the next ones hang."""

    def __init__(self):
        self.port = free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=0)
        self.fillers = []
        while self._one_more():
            pass
        self.url = f"http://127.0.0.1:{self.port}"

    def _one_more(self):
        filler = socket.socket()
        filler.settimeout(0.3)
        self.fillers.append(filler)
        return filler.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        for sock in (*self.fillers, self.listener):
            sock.close()


class Mute:
    """Takes connections and says nothing, where TLS is awaited."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"

    def stop(self):
        self.listener.close()


class Busy(Ledger):
    """Has one place, and is asked for something that takes long."""

    def __init__(self):
        super().__init__("busy")


class Waiting:
    """A request on a connection of its own, that is being waited for."""

    def __init__(self, proxy, method="GET", headers=None, body=None):
        self.wire = proxy.connect(15)
        self.answer, self.at = None, None
        self.thread = threading.Thread(target=self._run, args=(method, headers, body), daemon=True)
        self.thread.start()

    def _run(self, method, headers, body):
        with contextlib.suppress(OSError, Closed):
            self.answer = self.wire.request(method, "/echo", headers, body)
            self.at = time.monotonic()

    def wait(self, seconds):
        self.thread.join(seconds)
        return self.answer

    def close(self):
        """With RST: who waits no longer gives up."""
        with contextlib.suppress(OSError):
            self.wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.wire.sock.shutdown(socket.SHUT_RD)
        self.thread.join(5)
        self.wire.close()


SLOW = {"X-Plan": "2 0 2500 0"}  # for a ledger: it answers after so many milliseconds


@contextlib.contextmanager
def crowd(proxy, blocked):
    """Requests of all kinds that wait for a side that cannot take them yet."""
    made = []
    if isinstance(blocked, Busy):
        made.append(Waiting(proxy, headers=SLOW))
        eventually(lambda: blocked.entries, 5, what="the place is taken")
    waiting = [Waiting(proxy), Waiting(proxy, "POST", body=b"x" * 1000), Waiting(proxy, "DELETE"),
               Waiting(proxy, headers={"Cookie": "cutover=4999"})]
    made += waiting
    try:
        time.sleep(0.5)
        assert not any(one.answer for one in made), "they wait"
        yield waiting
    finally:
        for one in made:
            one.close()


def check_moved(proxy, waiting, change, side):
    began = change()
    for one in waiting:
        answer = one.wait(2)
        assert answer is not None and (answer.status, answer.side) == (200, side), answer
        assert one.at - began <= 1, one.at - began
    assert waiting[0].answer.cookie() and not waiting[3].answer.cookie(), "users stay who they are"
    assert proxy.metric("cutover_retries_total") == 0
    assert proxy.metric("cutover_failovers_total") == 0


BLOCKED = pytest.mark.parametrize("kind", [Full, Mute, Busy])
ONE_PLACE = {**PATIENT, "workers": 1, "limits": {"upstream_connections": 1}, "initial_weight": 100}


def config_of(kind):
    return ONE_PLACE if kind is Busy else {**PATIENT, "initial_weight": 100}


@BLOCKED
def test_who_waits_for_new_is_answered_by_old_after_a_rollback(start, old, kind):
    blocked = start(kind)
    proxy = start(Proxy, old, blocked.url, config_of(kind))
    with crowd(proxy, blocked) as waiting:
        check_moved(proxy, waiting, lambda: roll_back(proxy)[0], "old")
        lines = eventually(lambda: [x for x in proxy.logs() if x.get("message") == "request" and x["backend"] == "old"],
                           5, what="access lines")
        assert {line["attempts"] for line in lines} == {1}, "what was given up has not been an attempt"
    assert len(getattr(blocked, "entries", "1")) == 1, "new got nothing but what it had"


@BLOCKED
def test_who_waits_for_old_goes_ahead_when_the_weight_rises(start, new, kind):
    blocked = start(kind)
    proxy = start(Proxy, blocked.url, new, {**config_of(kind), "initial_weight": 0})

    def raise_weight():
        began = time.monotonic()
        proxy.weight(100)
        return began

    with crowd(proxy, blocked) as waiting:
        check_moved(proxy, waiting, raise_weight, "new")


def test_what_has_been_sent_stays_where_it_is(start, old):
    new = start(Busy)
    proxy = start(Proxy, old, new, {**PATIENT, "initial_weight": 100})
    sent = Waiting(proxy, headers=SLOW)
    eventually(lambda: new.entries, 5, what="it has been sent")
    roll_back(proxy)
    assert sent.wait(1) is None
    assert sent.wait(5).side == "busy"
    sent.close()


def test_who_is_on_new_by_no_weight_stays_there(start, old):
    """Testers and pinned routes: a rollback is not theirs."""
    new = start(Full)
    proxy = start(Proxy, old, new.url, {**PATIENT, "initial_weight": 100,
                                        "routes": [{"name": "echo", "path": "/echo", "methods": ["POST"], "pin": "new"}]})
    waiting = [Waiting(proxy, headers={"X-Cutover-Backend": "new"}), Waiting(proxy, "POST", body=b"x")]
    time.sleep(0.5)
    roll_back(proxy)
    assert [one.wait(0.5) for one in waiting] == [None, None]
    for one in waiting:
        one.close()


def test_a_kept_place_is_the_one_that_was_found(start, old):
    """With `keep` the cookie says the side: that of the server that answers."""
    new = start(Full)
    proxy = start(Proxy, old, new.url, {**PATIENT, "initial_weight": 100, "sticky": {"on_lower": "keep"}})
    one = Waiting(proxy)
    time.sleep(0.5)
    roll_back(proxy)
    assert one.wait(1).cookie().endswith("o")
    one.close()


def test_maintenance_holds_for_who_waits_as_well(start, old):
    new = start(Full)
    proxy = start(Proxy, old, new.url, {**PATIENT, "initial_weight": 100, "failover": "both"})
    one = Waiting(proxy)
    time.sleep(0.5)
    answer = proxy.admin("PATCH", "/v1/backends/new", {"admin": "maint"})
    assert answer.status == 200, answer
    assert one.wait(1).side == "old"
    assert proxy.metric("cutover_failovers_total", **{"from": "new"}) == 1
    one.close()


def test_another_attempt_goes_where_the_request_belongs_by_then(start, old):
    """new took it and broke it, after the rollback: what may be tried again is tried on old."""
    new, is_back = start(Ledger, "new"), threading.Event()
    proxy = start(Proxy, old, new, {**PATIENT, "workers": 1, "initial_weight": 100})
    with proxy.connect() as kept:
        assert kept.get("/warm").status == 200  # the connection to new is kept
        new.fault = lambda entry: is_back.wait(5) and ("head", "reset")
        one = Waiting(proxy)
        eventually(lambda: len(new.entries) == 2, 5, what="it has been sent")
        roll_back(proxy)
        is_back.set()
        answer = one.wait(2)
        assert (answer.status, answer.side) == (200, "old"), answer
        one.close()
