"""Backends that die, stop, reset, fall silent or half-close in the middle of everything: nothing is lost
without being seen, nothing is done twice, and the books balance.

Fifty runs: each kind of fault, at each moment of a request, on each side. What else happens in a run is
drawn from its seed; CUTOVER_FAULTS="stop-old-body:1234" repeats one.
"""

import collections
import contextlib
import hashlib
import json
import os
import random
import threading
import time
import zlib

import pytest

from cutover import Proxy
from ledger import LedgerProcess, answer_body
from wire import Closed, Wire, chunked, eventually, head

KINDS = ("kill", "stop", "reset", "blackhole", "half-close")
MOMENTS = ("head", "body", "answer", "partial", "within")
CLIENTS = 12
SIZES = (0, 1, 100, 3000, 20_000, 70_000, 200_000)

# Longer than any chain of attempts may take: a client that waits longer hangs.
HANG_S = 6.0

CONFIG = {
    "workers": 2,
    "initial_weight": 50,
    "health": {"interval": "200ms", "timeout": "400ms", "healthy_threshold": 1},
    "outlier": {"eject_for": "200ms", "max_eject_for": "200ms"},
    "timeouts": {"connect": "300ms", "response_header": "1s", "response_body": "500ms", "client_body": "2s",
                 "upstream_idle": "1s"},
}
BACK_S = 0.2 + 0.2 + 2.0  # a check, an ejection, and the pace of a machine that has more to do


class Client(Wire):
    """`begun`: the head of the answer that is being read."""

    begun = None

    def read_head(self):
        self.begun = None
        self.begun = super().read_head()
        return self.begun


class Asked:
    """One request: drawn, sent, and what came of it."""

    def __init__(self, id_, draw, bucket=None):
        self.id = id_
        self.bucket = draw.randrange(10_000) if bucket is None else bucket
        self.method = draw.choices(("GET", "POST", "PUT"), (5, 3, 2))[0]
        has_body = self.method != "GET" or draw.random() < 0.2
        self.body = draw.randbytes(draw.choice(SIZES)) if has_body else None
        self.is_chunked = has_body and draw.random() < 0.4
        self.size = draw.choice(SIZES)
        self.plan = f"{self.size} {draw.randrange(2)} {draw.choice((0, 0, 5, 30))} {draw.choice((0, 0, 5, 30))}"
        self.status, self.outcome, self.side, self.wrong = 0, None, None, None
        self.is_whole = False
        self.ends = True  # the connection

    @property
    def home(self):
        return "new" if self.bucket < 5000 else "old"

    def message(self):
        fields = {"X-Request-ID": self.id, "X-Plan": self.plan, "Cookie": f"cutover={self.bucket:04d}"}
        if self.is_chunked:
            return head(self.method, "/", {**fields, "Transfer-Encoding": "chunked"}) + \
                chunked(*(self.body[at:at + 9000] for at in range(0, len(self.body), 9000)))
        return head(self.method, "/", fields, self.body) + (self.body or b"")

    def over(self, wire):
        """Sends and reads it: a whole answer, or a cut that can be seen."""
        wire.begun = None
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            wire.send(self.message())
        try:
            answer = wire.read(self.method)
            self.is_whole = True
            self.check(answer)
        except (Closed, ConnectionError):
            pass
        except TimeoutError:
            self.wrong = f"hangs since {time.monotonic() - began:.1f} s"
        if wire.begun:
            self.status, self.outcome, self.side = wire.begun.status, wire.begun.outcome, wire.begun.side
        return self

    def check(self, answer):
        self.ends = answer.header("Connection") == "close"
        if answer.status != 200:
            if answer.outcome is None:
                self.wrong = f"{answer.status} that nobody made"
            return
        self.wrong = next((what for what, is_so in (
            ("another request's answer", answer.all("X-Answer-To") != [self.id]),
            ("its body arrived otherwise", answer.header("X-Received") != digest(self.body or b"")),
            ("not the body that was made", digest(answer.body) != digest(answer_body(self.id, self.size))),
        ) if is_so), None)

    def __repr__(self):
        return f"<{self.id} {self.method} {self.home} {len(self.body or b'')}{'c' if self.is_chunked else ''} " \
               f"plan {self.plan}: {self.status} {self.outcome} {'whole' if self.is_whole else 'cut'} {self.wrong or ''}>"


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Load:
    """Clients on kept and new connections, each with requests of its own, until .end()."""

    def __init__(self, proxy, name, seed):
        self.proxy, self.name = proxy, name
        self.asked, self.over = [], threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(n, random.Random(seed * 100 + n)))
                        for n in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _ask(self, number, draw):
        wire = None
        for turn in range(10_000):
            if self.over.is_set():
                break
            wire = wire or Client(self.proxy.address, HANG_S)
            asked = Asked(f"{self.name}.{number}.{turn}", draw).over(wire)
            self.asked.append(asked)
            if not asked.is_whole or asked.ends or draw.random() < 0.3:
                wire.close()
                wire = None
            self.over.wait(draw.choice((0, 0.002, 0.01)))
        if wire:
            wire.close()

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        return self.asked


class Books:
    """What the proxy says it has done since then."""

    def __init__(self, proxy):
        self.proxy, self.before, self.first_line = proxy, proxy.metrics(), len(proxy.process.lines())

    def grown(self, name):
        now = self.proxy.metrics()
        return sum(value - self.before.get(series, 0) for series, value in now.items() if series.split("{")[0] == name)

    def requests(self):
        return self.grown("cutover_requests_total") + self.grown("cutover_refused_total")

    def lines(self):
        found = collections.defaultdict(list)
        for line in map(json.loads, self.proxy.process.lines()[self.first_line:]):
            if line["message"] == "request":
                found[line["request_id"]].append(line)
        return found


# --- one run

def strike(server, kind, moment, draw):
    """Lets the fault happen for a while, and heals it."""
    what = {"kill": "die", "stop": "freeze", "reset": "reset-all", "blackhole": "silent", "half-close": "fin"}[kind]
    is_full = kind == "blackhole" and moment == "head"
    lasts = draw.uniform(*{"stop": (0.2, 1.5), "blackhole": (0.5, 1.5)}.get(kind, (0.25, 0.5)))
    if is_full:
        server.freeze()
        server.fill_queue()
    else:
        server.tell(*(["once"] if kind == "stop" else []), moment, what)
    time.sleep(lasts)
    if kind == "kill":
        server.kill()  # it may be that no request has come to the moment
        server.start()
    elif is_full or kind == "stop":
        server.empty_queue()
        server.thaw()
    if kind != "kill":
        server.tell()


def wait_until_served(proxy, side, name, draw):
    """Asks for the side until it answers; all that was asked, and how long it took."""
    began, asked = time.monotonic(), []
    while not asked or (asked[-1].status, asked[-1].side) != (200, side):
        assert time.monotonic() - began < BACK_S, f"{side} does not come back: {asked[-3:]}"
        with Client(proxy.address, HANG_S) as wire:
            asked.append(Asked(f"{name}.back.{len(asked)}", draw, 0 if side == "new" else 9999).over(wire))
        time.sleep(0.01)
    return asked, time.monotonic() - began


def run(proxy, servers, kind, side, moment, seed, told):
    name, draw, pid = f"{kind}-{side}-{moment}", random.Random(seed), proxy.pid
    books = Books(proxy)
    already = {(entry.id, entry.connection) for server in servers.values() for entry in server.entries()}
    load = Load(proxy, name, seed)
    try:
        time.sleep(draw.uniform(0.1, 0.3))
        strike(servers[side], kind, moment, draw)
        more, back_s = wait_until_served(proxy, side, name, draw)
        time.sleep(0.1)
    finally:
        asked = load.end()
    asked += more
    told.append(f"{name}:{seed}: {len(asked)} requests, back after {back_s:.2f} s, "
                f"{dict(collections.Counter(a.outcome or ('cut' if not a.is_whole else a.status) for a in asked))}")

    wrong = [a for a in asked if a.wrong]
    assert not wrong, f"wrong answers: {wrong[:5]}"
    blind = [a for a in asked if not a.is_whole and a.status == 0]
    assert not blind, f"cut without a word: {blind[:5]}"
    assert any(a.status != 200 or not a.is_whole or a.side != a.home for a in asked) or kind in ("stop", "reset"), \
        "the fault was felt"

    eventually(lambda: books.requests() >= len(asked), 5, what="all requests are counted")
    assert books.requests() == len(asked)
    eventually(lambda: len(books.lines()) >= len(asked), 5, what="all requests are in the log")
    check_lines(books, asked, side)
    check_arrivals(books, asked, servers, already)
    assert proxy.pid == pid and proxy.process.running
    eventually(lambda: proxy.fds() - proxy.idle() <= proxy.base_fds, 5, what="descriptors back to base")


def check_lines(books, asked, side):
    """One access line for each request, and it says what the client saw."""
    lines = books.lines()
    assert set(lines) == {a.id for a in asked}
    for a in asked:
        [line] = lines[a.id]
        assert line["status"] == a.status, (a, line)
        if line["backend"] != side:
            assert a.status == 200 and a.is_whole, f"the side that is well fails: {a}"
        if not a.is_whole:
            assert line["outcome"] in ("upstream_truncated", "upstream_stalled"), (a, line)
        elif a.status == 200:
            assert line["outcome"] == "ok" and line["backend"] == a.side, (a, line)
        else:
            assert line["outcome"] == a.outcome, (a, line)
    attempts = [line["attempts"] for [line] in lines.values()]
    assert books.grown("cutover_attempts_total") == sum(attempts)
    assert books.grown("cutover_retries_total") == sum(n - 1 for n in attempts if n)


def check_arrivals(books, asked, servers, already):
    """What was sent once, twice, and not at all; what a server reads after its sleep has arrived, too."""
    arrived = [entry for server in servers.values() for entry in server.entries()
               if (entry.id, entry.connection) not in already]
    assert books.grown("cutover_attempts_total") >= len(arrived)
    counts = collections.Counter(entry.id for entry in arrived)
    whole = {entry.id: entry.digest for entry in arrived if entry.digest}
    for a in asked:
        assert counts[a.id] <= (2 if a.method == "GET" else 1), (a, [e for e in arrived if e.id == a.id])
        if a.status == 200:
            assert whole.get(a.id) == digest(a.body or b""), a


# --- fifty of them

def runs(kind, side):
    wanted = os.environ.get("CUTOVER_FAULTS")
    for moment in MOMENTS:
        name = f"{kind}-{side}-{moment}"
        seed = zlib.crc32(name.encode()) % 100_000
        if wanted is None or wanted.split(":")[0] == name:
            yield moment, int(wanted.split(":")[1]) if wanted and ":" in wanted else seed


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_or_doubled(start, tmp_path, kind):
    """Two proxies at a time: one whose old side suffers, one whose new side does."""
    failures, told = [], []
    proxies = {}
    for side in ("old", "new"):
        servers = {name: start(LedgerProcess, name, tmp_path / f"{side}-{name}", 16) for name in ("old", "new")}
        proxies[side] = start(Proxy, servers["old"], servers["new"], CONFIG), servers

    def all_of(side):
        proxy, servers = proxies[side]
        for moment, seed in runs(kind, side):
            try:
                run(proxy, servers, kind, side, moment, seed, told)
            except Exception as error:
                failures.append((f'CUTOVER_FAULTS="{kind}-{side}-{moment}:{seed}"', error))
                return

    threads = [threading.Thread(target=all_of, args=(side,)) for side in proxies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("\n".join(told))
    assert not failures, "\n\n".join(f"{which}: {error!r}" for which, error in failures)
