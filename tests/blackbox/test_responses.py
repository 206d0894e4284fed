"""Answers of a backend, byte for byte: what arrives is right, refused, or visibly cut; never another's.

One backend of our own sends the cases of raw_responses.py: whole, a byte at a time, and split at every
offset. What the client gets is read by h11, so that no reader of ours agrees with our own mistakes; the
good ones are read by Node as well.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import random
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import h11
import pytest

from cutover import ROOT, Proxy, Recorder, Server
from raw_responses import CASES, CHUNKS, HEADS, STRAY, answer, with_length
from wire import chunked, eventually, head


PAUSE_S = 0.001      # between two pieces: they arrive as two
PATIENCE_S = 30.0
AT_ONCE = 24

FRONT = {"failover": "none", "outlier": {"consecutive_errors": 0},
         # A backend in a busy process may be slow to say that it is well.
         "health": {"interval": "5s", "timeout": "4s", "unhealthy_threshold": 5},
         # Kept connections stay: those that end were ended on purpose.
         "timeouts": {"response_header": "20s", "response_body": "20s", "upstream_idle": "50s"}}


class Line(asyncio.Protocol):
    """One end of a connection: bytes as they came, and how it ended ("fin", "rst", None: it has not)."""

    def __init__(self, then=None):
        self.then = then
        self.data = bytearray()
        self.end = None
        self.news = asyncio.Event()
        self.asked = []

    def connection_made(self, transport):
        self.transport = transport
        if self.then:
            self.task = asyncio.ensure_future(self.then(self))

    def data_received(self, data):
        self.data += data
        self.news.set()

    def eof_received(self):
        self.end = self.end or "fin"
        self.news.set()

    def connection_lost(self, error):
        self.end = self.end or ("rst" if error else "fin")
        self.news.set()

    def send(self, data):
        if not self.transport.is_closing():
            self.transport.write(data)

    def reset(self):
        """Ends it at once: no port is left waiting."""
        if self.transport.is_closing():
            return
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def more(self):
        """What has come; b"" at the end."""
        while not self.data and self.end is None:
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), PATIENCE_S)
        data = bytes(self.data)
        self.data.clear()
        return data

    async def until(self, mark):
        while mark not in self.data:
            if self.end is not None:
                raise ConnectionError("ended early")
            self.news.clear()
            await self.news.wait()
        data, _, rest = bytes(self.data).partition(mark)
        self.data[:] = rest
        return data

    async def never(self):
        """Keeps what comes, until the end."""
        while self.end is None:
            self.news.clear()
            await self.news.wait()
        raise ConnectionError("ended")

    async def ended(self, seconds=PATIENCE_S):
        """Whether the other side ends it within that time, without a byte."""
        end = time.monotonic() + seconds
        while self.end is None and not self.data and time.monotonic() < end:
            self.news.clear()
            try:
                await asyncio.wait_for(self.news.wait(), max(0.0, end - time.monotonic()))
            except asyncio.TimeoutError:
                break
        return self.end is not None and not self.data


class Barrier:
    """Opens when as many have come to it."""

    def __init__(self, count):
        self.left, self.opened = count, asyncio.Event()

    async def passed(self):
        self.left -= 1
        if self.left <= 0:
            self.opened.set()
        await self.opened.wait()


class Run:
    """One sending of a case: the pieces, and the connections to the backend that it was sent on."""

    def __init__(self, case, pieces):
        self.case, self.pieces = case, pieces
        self.lines = []
        self.sent = asyncio.Event()
        self.barrier = None

    def __repr__(self):
        return f"{self.case.name} {[len(piece) for piece in self.pieces][:3]}"


class Scripted(Server):
    """A backend that answers /run/N with the pieces of run N, and all else with its own path.

    Its loop, in a thread of its own, is also the clients'.
    """

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.runs, self.lines = {}, []
        self.serials = itertools.count(1)
        self.early = None               # the answer to /early/..., before its body is read
        self.plain = self.echo          # the answer to all else
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.listener = self.do(self.loop.create_server(lambda: Line(self.serve), self.host, 0, backlog=512))
        self.port = self.listener.sockets[0].getsockname()[1]

    running = True

    def do(self, work, timeout=240):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)

    def register(self, run):
        run.serial = next(self.serials)
        self.runs[run.serial] = run
        return run

    async def serve(self, line):
        try:
            while True:
                head = await line.until(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode("latin-1")
                if path == "/health":
                    line.send(Recorder.OK)
                    line.transport.close()
                    return
                if not line.asked:
                    self.lines.append(line)
                kind, _, serial = path[1:].partition("/")
                if kind == "early":
                    line.asked.append(path)
                    line.send(self.early)
                    await line.never()
                await self.take_body(line, head)
                if kind == "run":
                    run = self.runs[int(serial)]
                    line.asked.append(run)
                    run.lines.append(line)
                    await self.play(run, line)
                    if run.case.end != "open":
                        return
                else:
                    line.asked.append(path)
                    sends = await self.plain(path)
                    line.send(sends.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if head.startswith(b"HEAD ") else sends)
        except ConnectionError:
            pass

    async def echo(self, path):
        return with_length(body=path.encode())

    async def take_body(self, line, head):
        for field in head.split(b"\r\n")[1:]:
            name, _, value = field.partition(b":")
            if name.lower() == b"content-length":
                while len(line.data) < int(value):
                    line.news.clear()
                    if line.end is not None:
                        raise ConnectionError("ended early")
                    await line.news.wait()
                del line.data[:int(value)]
            elif name.lower() == b"transfer-encoding":
                await line.until(b"0\r\n\r\n")

    async def play(self, run, line):
        if run.barrier:
            await run.barrier.passed()
        for i, piece in enumerate(run.pieces):
            if i > 0:
                await asyncio.sleep(PAUSE_S)
            line.send(piece)
        if run.case.end == "fin":
            line.transport.close()
        elif run.case.end == "rst":
            line.reset()
        run.sent.set()


class Got:
    """What h11 makes of an answer."""

    def __init__(self):
        self.interim, self.status, self.body = [], None, b""
        self.raw = bytearray()
        self.is_whole = False
        self.error = None
        self.end = None

    @property
    def head(self):
        """The lines of the final head, as they came."""
        rest = bytes(self.raw)
        for _ in self.interim:
            rest = rest.partition(b"\r\n\r\n")[2]
        return rest.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")

    def __repr__(self):
        return f"<{self.status} {bytes(self.raw)[:300]!r} whole={self.is_whole} end={self.end} {self.error or ''}>"


class Client:
    """A connection to the proxy whose answers h11 reads."""

    def __init__(self, line):
        self.line = line
        self.h11 = None

    @classmethod
    async def to(cls, proxy):
        _, line = await asyncio.get_running_loop().create_connection(Line, *proxy.address)
        return cls(line)

    def send(self, method, path, minor=1, asks=(), body=b""):
        if self.h11 is None:
            self.h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 18)
        else:
            self.h11.start_next_cycle()
        told = [("Host", "a")] + [tuple(line.split(": ", 1)) for line in asks if "Upgrade" in line]
        self.h11.send(h11.Request(method=method, target="/", headers=told))
        self.h11.send(h11.EndOfMessage())
        lines = [f"{method} {path} HTTP/1.{minor}", "Host: a", "Cookie: cutover=9999", "X-Request-ID: r", *asks]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self.line.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    async def read(self):
        got = Got()
        try:
            while True:
                event = self.h11.next_event()
                if event is h11.NEED_DATA:
                    data = await self.line.more()
                    if not data:
                        got.end = self.line.end
                        if got.end == "rst":
                            return got
                    got.raw += data
                    self.h11.receive_data(data)
                elif isinstance(event, h11.InformationalResponse):
                    if event.status_code == 101:
                        got.status = 101
                        return got
                    got.interim.append(event.status_code)
                elif isinstance(event, h11.Response):
                    got.status, got.reason = event.status_code, event.reason.decode("latin-1")
                elif isinstance(event, h11.Data):
                    got.body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    got.is_whole = True
                    if self.h11.trailing_data[0]:
                        got.error = f"bytes behind the answer: {self.h11.trailing_data[0]!r}"
                    return got
                else:
                    return got
        except h11.RemoteProtocolError as error:
            # Of a cut answer it says so, as it should.
            got.error = None if got.end == "fin" and got.status is not None else str(error)
        return got

    async def get(self, path, method="GET", body=b""):
        self.send(method, path, body=body)
        return await self.read()


def is_free_of(lines, name):
    return not any(line.lower().startswith(name.lower() + ":") for line in lines)


def in_order(wanted, lines):
    rest = iter(lines)
    return all(line in rest for line in wanted)


def faults(case, got):
    """What is wrong with what the client got."""
    if got.error or got.status is None:
        yield got.error or "no answer"
        return
    if got.status != case.status or tuple(got.interim) != case.interim:
        yield f"{got.interim} {got.status}"
        return
    lines = got.head
    if case.outcome in ("ok", "tunnel") or case.is_cut:
        # Of a run of bytes that turns out to be wrong, what was right before need not arrive.
        may_lack = case.is_cut and case.outcome == "bad_response"
        if got.body != case.body and not case.is_tunnel and not (may_lack and case.body.startswith(got.body)):
            yield f"body {got.body[:100]!r}"
        if not in_order(case.has, lines):
            yield f"not all of {case.has[:5]}"
        yield from (f"has {name}" for name in case.lacks if not is_free_of(lines, name))
        if case.reason is not None and got.reason != case.reason:
            yield f"reason {got.reason!r}"
    elif f"X-Cutover-Outcome: {case.outcome}" not in lines:
        yield f"another outcome than {case.outcome}"
    if b"stray" in got.raw:
        yield "stray bytes were delivered"
    if sum(line.lower().startswith("date:") for line in lines) > 1:
        yield "two dates"
    if case.is_cut:
        if got.is_whole:
            yield "a cut answer looks complete"
        framed = not is_free_of(lines, "Content-Length") or not is_free_of(lines, "Transfer-Encoding")
        if not framed and got.end != "rst":
            yield "its end must not look like the end of the body"
    elif not got.is_whole and not case.is_tunnel:
        yield "cut"


async def tunnel_bytes(client, wanted):
    data = client.h11.trailing_data[0]
    while len(data) < len(wanted):
        more = await client.line.more()
        if not more:
            break
        data += more
    return data


async def carry_out(backend, proxy, run, client=None):
    """One run, on a connection that may have served others; what was wrong, and the connection if it goes on."""
    case = run.case
    client = client or await Client.to(proxy)
    client.send(case.method, f"/run/{run.serial}", case.minor, case.asks)
    got = await client.read()
    wrong = list(faults(case, got))
    if case.is_tunnel and not wrong:
        data = await tunnel_bytes(client, case.body)
        if data != case.body:
            wrong.append(f"through the tunnel: {data!r}")
    if not wrong:
        await asyncio.wait_for(run.sent.wait(), PATIENCE_S)
    if run.barrier:
        await run.all_sent.passed()
    if not wrong and not case.is_tunnel and case.closes:
        if got.end is None and not await client.line.ended():
            wrong.append("the connection goes on")
    elif not wrong and not case.is_tunnel:
        after = await client.get(f"/next/{run.serial}")
        if after.status != 200 or after.body != b"/next/%d" % run.serial or after.error or not after.is_whole:
            wrong.append(f"the next answer: {after!r}")
        elif client.line.end is None:
            return wrong, client
    client.line.reset()
    return [f"{what}: {got!r}" for what in wrong], None


async def carry_out_all(backend, proxy, runs):
    """All runs, a few at once."""
    wrong = []

    async def attempt(run, client=None):
        backend.register(run)
        try:
            problems, client = await carry_out(backend, proxy, run, client)
        except (OSError, asyncio.TimeoutError, h11.LocalProtocolError) as error:
            problems, client = [f"{error!r}, sent {run.sent.is_set()} on {len(run.lines)}"], None
        wrong.extend(f"{run}: {problem}" for problem in problems)
        return client

    async def work(todo):
        client = None
        for run in todo:
            client = await attempt(run, client)
        if client:
            client.line.reset()

    # What comes a moment behind an answer meets the next request if that one is quicker: no proxy can tell. So
    # these go in step: all are asked for, then all are sent, and only then comes a next request.
    late = [run for run in runs if run.case.is_followed]
    rest = iter([run for run in runs if not run.case.is_followed])
    await asyncio.gather(*[work(rest) for _ in range(AT_ONCE)])
    for i in range(0, len(late), AT_ONCE):
        group = late[i:i + AT_ONCE]
        asked, sent = Barrier(len(group)), Barrier(len(group))
        for run in group:
            run.barrier, run.all_sent = asked, sent
        await asyncio.gather(*[work([run]) for run in group])
    return wrong


def misused(run):
    """What is wrong with what the proxy did with the connection to the backend."""
    if run.case.kept is None:
        return None
    ended = [line for line in run.lines if line.asked[-1] is run and line.end is not None]
    if run.case.kept:
        return "not kept" if ended else None
    if run.case.outcome != "upstream_closed" and len(run.lines) != 1:
        return f"sent {len(run.lines)} times"
    if len(ended) != len(run.lines):
        used = any(line.asked[-1] is not run for line in run.lines)
        return "used again" if used else "still open"
    return None


def check_use(backend, wrong):
    """Of all runs since the last time."""
    end = time.monotonic() + 5.0
    runs = list(backend.runs.values())
    while time.monotonic() < end and any(misused(run) for run in runs):
        time.sleep(0.02)
    wrong += [f"{run}: the connection to the backend: {misused(run)}" for run in runs if misused(run)]
    backend.runs.clear()


def report(wrong, count):
    assert not wrong, f"{len(wrong)} in {count} runs:\n" + "\n".join(wrong[:40])


@pytest.fixture
def backend(start):
    return start(Scripted)


@pytest.fixture
def front(start, backend):
    return start(Proxy, backend, start(Recorder), FRONT)


def in_bytes(data):
    return [data[i:i + 1] for i in range(len(data))]


# --- the table

def test_every_answer_whole_and_byte_by_byte(backend, front):
    """The same table for both, and the books of both."""
    runs = [Run(case, [case.sends]) for case in CASES]
    runs += [Run(case, in_bytes(case.sends)) for case in CASES if 1 < len(case.sends) <= 1500]
    # Whether a reset is seen together with the last bytes is a matter of luck.
    runs += [Run(case, [case.sends]) for case in CASES if case.end == "rst" for _ in range(20)]
    wrong = backend.do(carry_out_all(backend, front, runs))
    check_use(backend, wrong)
    report(wrong, len(runs))

    def written():
        lines = {line["path"]: line for line in front.logs("request") if line["path"].startswith("/run/")}
        return len(lines) == len(runs) and lines

    lines = eventually(written, 5.0, what="an access line of each")
    for run in runs:
        line = lines[f"/run/{run.serial}"]
        assert (line["outcome"], line["status"]) == (run.case.outcome, run.case.status), run
    for outcome in ("bad_response", "response_head_too_large", "upstream_truncated"):
        count = sum(run.case.outcome == outcome for run in runs)
        assert front.metric("cutover_attempts_total", outcome=outcome) == count, outcome
    front.check_unharmed()


def test_every_answer_split_at_every_offset(start, backend):
    front = start(Proxy, backend, start(Recorder), {**FRONT, "log": {"access": "off"}})
    runs = [Run(case, [case.sends[:at], case.sends[at:]]) for case in CASES for at in case.offsets(150)]
    wrong = backend.do(carry_out_all(backend, front, runs))
    check_use(backend, wrong)
    report(wrong, len(runs))
    front.check_unharmed()


def test_node_reads_the_same(backend, front):
    """Of the good ones; Node asks with HTTP/1.1 only."""
    runs = [backend.register(Run(case, [case.sends])) for case in CASES
            if case.outcome == "ok" and case.minor == 1 and not case.asks]
    asks = [{"method": run.case.method, "path": f"/run/{run.serial}", "after": f"/next/{run.serial}"} for run in runs]
    node = subprocess.run([shutil.which("node") or "/usr/bin/node", str(ROOT / "tests/apps/node_reader.js")],
                          input=json.dumps({"port": front.port, "asks": asks}), capture_output=True, text=True,
                          timeout=60, check=True)
    wrong = []
    for run, got in zip(runs, json.loads(node.stdout), strict=True):
        case, after = run.case, got["after"]
        lines = [f"{name}: {value}" for name, value in zip(got["headers"][::2], got["headers"][1::2])]
        if got["error"] or (got["status"], tuple(got["interim"])) != (case.status, case.interim):
            wrong.append(f"{case.name}: {got}")
        elif got["body"].encode("latin-1") != case.body:
            wrong.append(f"{case.name}: {got['body'][:100]!r}")
        elif not in_order([line for line in case.has if not line.startswith("HTTP/")], lines):
            wrong.append(f"{case.name}: {lines}")
        elif after["error"] or after["body"] != f"/next/{run.serial}":
            wrong.append(f"{case.name}, the next: {after}")
    check_use(backend, wrong)
    report(wrong, len(runs))


def test_head_has_what_get_has(backend, front):
    """The same head, but for the framing of a body that HEAD does not have (RFC 9110 9.3.2)."""
    gets = [case for case in HEADS if case.outcome == "ok"]
    runs = [backend.register(Run(dataclasses.replace(case, method=method), [sends])) for case in gets
            for method, sends in (("GET", case.sends), ("HEAD", case.sends.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"))]

    async def ask():
        client = await Client.to(front)
        heads = [(await client.get(f"/run/{run.serial}", run.case.method)).head for run in runs]
        client.line.reset()
        return heads

    heads = backend.do(ask())
    wrong = [f"{run.case.name}: {a} and {b}" for run, a, b in zip(runs[::2], heads[::2], heads[1::2]) if a != b]
    backend.runs.clear()
    report(wrong, len(runs))


def test_keep_alive_timeouts_of_a_backend_are_honoured(backend, front):
    async def lines_used(field, pause_s):
        client = await Client.to(front)
        before = len(backend.lines)
        run = backend.register(Run(dataclasses.replace(CASES[0], sends=b""), [with_length(field)]))
        await client.get(f"/run/{run.serial}")
        await asyncio.sleep(pause_s)
        await client.get("/next/1")
        client.line.reset()
        line = run.lines[0]
        return line.asked[-1] == "/next/1", len(backend.lines) - before

    assert backend.do(lines_used("Keep-Alive: timeout=1", 0.1)) == (False, 2)
    assert backend.do(lines_used("Keep-Alive: timeout=5, max=100", 0.1))[0]
    backend.runs.clear()


# --- bytes behind an answer

def lines_of(backend, path):
    """The backend's connections that a request has come on."""
    return [line for line in backend.lines if path in line.asked]


def unspoiled(path, got):
    """What is wrong with the answer to `path`."""
    if got.status != 200 or got.body != path.encode() or got.error or not got.is_whole or b"stray" in got.raw:
        yield f"{path}: {got!r}"


HINT = answer("Link: stray", first="HTTP/1.1 103 X")


def is_stopped(pid):
    """All threads of it: the signal takes its time."""
    states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"T"}


class Stray:
    """Asks for answers that have something behind them, and then for another one."""

    def __init__(self, backend, proxy):
        self.backend, self.proxy = backend, proxy
        self.wrong, self.count, self.ids = [], 0, itertools.count(1)
        self.served = {}
        self.barrier = None
        self.more = b""
        backend.plain = self.answer

    async def answer(self, path):
        if path.startswith("/first") and self.barrier:
            await self.barrier.passed()
        return with_length(body=path.encode()) + (self.more if path.startswith("/first") else b"")

    async def ask(self, client, kind, meanwhile=None):
        """GET or POST, by turns at random; on which of the backend's connections."""
        path = f"/{kind}/{next(self.ids)}"
        method, *body = random.choice((("GET",), ("POST", b"body"), ("POST",)))
        client.send(method, path, body=b"".join(body))
        if meanwhile:
            await meanwhile
        self.wrong += unspoiled(path, await client.read())
        return next(iter(lines_of(self.backend, path)), None)

    async def together(self, count):
        """All answers are there; then the strays come, each in its own time; then all ask again."""
        clients = [await Client.to(self.proxy) for _ in range(count)]
        self.barrier = Barrier(count)
        lines = await asyncio.gather(*[self.ask(client, "first") for client in clients])
        self.barrier = None

        async def stray(line):
            await asyncio.sleep(random.random() * 0.05)
            line.send(STRAY)

        await asyncio.gather(*[stray(line) for line in lines if line])
        await asyncio.gather(*[self.ask(client, "next") for client in clients])
        self.close(clients, lines)

    async def one(self, strays, idle_s):
        """The stray bytes, and in the next moment the next request."""
        client = await Client.to(self.proxy)
        line = await self.ask(client, "first")
        await asyncio.sleep(idle_s)
        if line and strays:
            line.send(strays)
        await self.ask(client, "next")
        self.close([client], [line])

    async def unseen(self, strays):
        """The proxy is not running when both come, and finds the request first."""
        client = await Client.to(self.proxy)
        line = await self.ask(client, "first")

        async def stray():
            if line:
                line.send(strays)
            await asyncio.sleep(0.004)
            self.proxy.process.signal(signal.SIGCONT)

        self.proxy.process.signal(signal.SIGSTOP)
        eventually(lambda: is_stopped(self.proxy.pid), every=0.0002, what="every thread stands still")
        await self.ask(client, "next", stray())
        self.close([client], [line])

    def close(self, clients, lines):
        for client in clients:
            client.line.reset()
        for line in lines:
            self.count += 1
            if line is None or not line.asked[-1].startswith("/first"):
                self.wrong.append("the connection with stray bytes was used again")


@pytest.mark.parametrize("when", ["in the same segment", "a moment later", "as the next one is asked",
                                  "when nobody looks"])
def test_bytes_behind_an_answer_answer_nothing(backend, front, when):
    """They go to nobody; whoever asks next gets his own answer."""
    stray = Stray(backend, front)

    async def work():
        if when == "in the same segment":
            for i in range(250):
                stray.more = (STRAY, STRAY * 2, b"stray", b"s", HINT)[i % 5]
                await stray.one(b"", 0)
        elif when == "a moment later":
            for _ in range(10):
                await stray.together(24)
        elif when == "when nobody looks":
            for i in range(200):
                await stray.unseen((STRAY, b"stray", HINT)[i % 3])
        else:
            for i in range(250):
                await stray.one((STRAY, b"stray", HINT)[i % 3], (0, 0.001, 0.003, 0.006)[i % 4])

    backend.do(work())
    report(stray.wrong, stray.count)
    assert stray.count >= 200
    backend.plain = backend.echo
    front.check_unharmed()


# --- answers that do not wait for the request

EARLY = [
    ("401", with_length("WWW-Authenticate: Basic", first="HTTP/1.1 401 Unauthorized", body=b"who?")),
    ("413", with_length(first="HTTP/1.1 413 Content Too Large", body=b"no thanks")),
    ("200", with_length(body=b"x" * 200000)),
    ("200 in chunks", CHUNKS),
    ("413 and close", with_length("Connection: close", first="HTTP/1.1 413 X", body=b"no")),
]


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_an_answer_before_the_body_is_read_arrives(backend, front, coding):
    """Although the client goes on sending; and what it sends meets no other request."""
    for name, sends in EARLY:
        backend.early = sends
        path = f"/early/{name.replace(' ', '-')}"
        # Bytes that a server in the wrong step would take for a request.
        part = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" * 1800
        field = {"Content-Length": str(40 * len(part))} if coding == "length" else {"Transfer-Encoding": "chunked"}
        piece = part if coding == "length" else b"%x\r\n%s\r\n" % (len(part), part)
        with front.connect() as wire:
            wire.send(head("POST", path, {**field, "Cookie": "cutover=9999"}) + piece)
            eventually(lambda path=path: lines_of(backend, path))
            for _ in range(6):
                time.sleep(0.02)
                with contextlib.suppress(socket.timeout):
                    wire.send(piece)
            response = wire.read("POST")
            assert response.status == int(name[:3]), name
            assert response.header("Connection") == "close", "what follows cannot be told from a request"
            assert response.body == (b"hello" if "chunks" in name else sends.partition(b"\r\n\r\n")[2])
        for method in ("GET", "POST") * 4:
            assert front.request(method, "/next/1", {"Cookie": "cutover=9999"}).body == b"/next/1"
        line, = lines_of(backend, path)
        eventually(lambda line=line: line.end, what="the connection is dropped")
        assert line.asked[-1] == path and b"/next" not in line.data


@pytest.mark.parametrize("coding", ["length", "chunked"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_a_connection_that_had_an_unusual_body_is_not_used_again(backend, front, method, coding):
    """Not all servers read it; those that do not would take it for the next request."""
    hidden = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    framing = {"Content-Length": str(len(hidden))} if coding == "length" else {"Transfer-Encoding": "chunked"}
    with front.connect() as wire:
        for i in range(10):
            wire.send(head(method, f"/odd/{i}", {**framing, "Cookie": "cutover=9999"}) +
                      (hidden if coding == "length" else chunked(hidden)))
            assert wire.read(method).status == 200
            assert wire.request("GET", f"/next/{i}", {"Cookie": "cutover=9999"}).body == b"/next/%d" % i
    for i in range(10):
        line, = lines_of(backend, f"/odd/{i}")
        assert line.asked[-1] == f"/odd/{i}"
        eventually(lambda line=line: line.end, what="the connection is dropped")


def test_a_connection_that_had_a_usual_request_is_used_again(backend, front):
    """The counterpart: a body where it belongs, an empty one elsewhere."""
    with front.connect() as wire:
        for i in range(10):
            method, body = [("POST", b"body"), ("PUT", b"body"), ("GET", b""), ("DELETE", b"")][i % 4]
            assert wire.request(method, f"/usual/{i}", {"Cookie": "cutover=9999"}, body).status == 200
    assert len({id(line) for i in range(10) for line in lines_of(backend, f"/usual/{i}")}) == 1
