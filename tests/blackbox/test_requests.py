"""The requests of raw_requests.py, through one proxy: whole, byte by byte, and cut at every place.

What is sent on is read again by two parsers that know nothing of ours, h11 and Node's. What they
cannot read, or read as more than was asked, is our mistake.

Connections go in waves: each sends a piece, then the proxy is waited for until it has read all of
them, then each sends the next. So that a cut is a cut, nothing sleeps, and it is the same each time.
"""

import hashlib
import http.client
import itertools
import json
import re
import socket
import time
from pathlib import Path

import h11
import pytest

from cutover import Node, Proxy, Recorder
from raw_requests import (BODY_LIMIT, BROKEN, BROKEN_HEAD, LEGAL, NEXT, NOISE, REFUSED, Asked, Conversation, ask, get,
                          twisted)
from wire import Closed

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
GOOD = get("X-Cutover-Backend: new\r\n", "/good").encode()  # wherever the others go
LAST_GOOD = get("X-Cutover-Backend: new\r\nConnection: close\r\n", "/good").encode()

OUTCOMES = {400: "bad_request", 413: "body_too_large", 414: "target_too_long", 431: "head_too_large", 501: "method_unknown"}

WAVE = 100      # connections at a time
PATIENCE_S = 8  # all timeouts of the proxy are longer: who gets no answer by then was kept waiting


class Reader(Recorder):
    """A backend that reads with h11, and keeps what it has read beside the bytes."""

    def __init__(self):
        self.log, self.errors = [], []
        super().__init__()

    def take(self):
        """What was read since the last time, and what could not be."""
        log, self.log = self.log, []
        errors, self.errors = self.errors, []
        return log, errors

    def _serve(self, connection):
        record = bytearray()
        with connection:
            try:
                self._read(connection, record)
            except (h11.ProtocolError, UnicodeDecodeError) as error:
                self.errors.append(f"{error!r}: {bytes(record)!r}")
            except OSError:
                pass

    def _read(self, connection, record):
        reader = h11.Connection(h11.SERVER, max_incomplete_event_size=128 * 1024)
        at, entry, body = 0, None, None
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                data = connection.recv(65536)
                if not data:
                    return  # the end, or a request that was given up
                if not record and not data.startswith(b"GET /health "):
                    self.seen.append(record)
                record += data
                reader.receive_data(data)
            elif isinstance(event, h11.Request):
                # The fields as they are written: h11 takes two equal lengths for one.
                lines = bytes(record[at:]).split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
                entry = {"method": event.method.decode(), "target": event.target.decode("latin-1"),
                         "version": event.http_version.decode(), "whole": False,
                         "headers": [(name, value.strip(" \t")) for name, value in (x.split(":", 1) for x in lines)]}
                body = hashlib.sha256()
                if entry["target"] != "/health":
                    self.log.append(entry)
            elif isinstance(event, h11.Data):
                body.update(event.data)
            elif isinstance(event, h11.EndOfMessage):
                entry.update(whole=True, sha256=body.hexdigest(), trailers=list(event.headers))
                at = len(record) - len(reader.trailing_data[0])
                delay = re.search(r"[?&]ms=(\d+)", entry["target"])
                time.sleep(int(delay.group(1)) / 1000 if delay else 0)
                answer = reader.send(h11.Response(status_code=200, headers=[("Content-Length", "2")]))
                body = reader.send(h11.Data(data=b"" if entry["method"] == "HEAD" else b"ok"))
                connection.sendall(answer + body + reader.send(h11.EndOfMessage()))
                if reader.our_state is h11.MUST_CLOSE:
                    return
                reader.start_next_cycle()
            else:
                raise AssertionError(event)


class StrictNode(Node):
    def __init__(self):
        super().__init__(Path(__file__).parents[1] / "apps" / "strict_server.js")

    def take(self):
        connection = http.client.HTTPConnection(*self.address)
        connection.request("GET", "/log")
        said = json.load(connection.getresponse())
        connection.close()
        return said["log"], said["errors"]


@pytest.fixture
def front(start):
    """One worker before h11 (old), which is sent the client's Host, and Node (new), which is not."""
    return start(Proxy, start(Reader), start(StrictNode), {
        "workers": 1, "failover": "none", "limits": {"body_bytes": BODY_LIMIT}, "log": {"access": "off"},
        "health": {"interval": "30s", "timeout": "10s"},  # the readers are busy
        "backends": {"old": {"host": "client"}}})


def use(proxy, reader):
    proxy.weight({"h11": 0, "node": 100}[reader])
    return {"h11": proxy.old, "node": proxy.new}[reader]


# --- waves

class Gate:
    """Knows when the proxy has read all that was sent so far: its loop reads in the order of arrival,
    so it has when it answers what was asked last."""

    def __init__(self, proxy):
        self.wire = proxy.connect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

    def wait(self):
        """Nothing goes to a backend for this."""
        self.wire.send(get("Expect: nothing\r\n"))
        assert self.wire.read().status == 417


def send_all(wires, pieces):
    for wire, piece in zip(wires, pieces):
        if piece:
            try:
                wire.send(piece)
            except ConnectionError:
                pass  # it was refused already


def wave(proxy, gate, many):
    """A connection for each of `many` lists of pieces; the connections when all was sent."""
    wires = [proxy.connect(PATIENCE_S) for _ in many]
    gate.wait()
    for pieces in itertools.zip_longest(*many):
        send_all(wires, pieces)
        gate.wait()
    return wires


def waves(proxy, cases):
    """`cases` gives (name, pieces, judge); yields what judge(wire) finds wrong, as "name: what"."""
    cases, waits = iter(cases), 0
    with Gate(proxy) as gate:
        while waits < 3 and (batch := list(itertools.islice(cases, WAVE))):
            wires = wave(proxy, gate, [pieces for _, pieces, _ in batch])
            for wire, (name, pieces, judge) in zip(wires, batch):
                with wire:
                    if waits:
                        wire.sock.settimeout(0.5)  # one is enough to know
                    try:
                        wrong = judge(wire)
                    except Closed as error:
                        wrong = str(error)
                    except socket.timeout:
                        wrong = f"kept waiting, with {wire.rest[:200]!r}"
                        waits += 1
                    except ConnectionError as error:
                        wrong = repr(error)
                if wrong:
                    yield f"{name} ({len(pieces)} pieces, the first ends in {pieces[0][-20:]!r}): {wrong}"
            assert proxy.get("/good", {"X-Cutover-Backend": "new"}).status == 200


def cuts(data, begin):
    """Where to cut: everywhere from `begin`; of long ones at the ends, and here and there between."""
    size = len(data)
    if size - begin <= 600:
        return range(begin, size)
    return [*range(begin, begin + 20), *range(begin + 20, size - 20, (size - begin) // 20), *range(size - 20, size)]


def crumbs(data):
    """Byte by byte; of long ones the ends."""
    if len(data) <= 1000:
        return [data[i:i + 1] for i in range(len(data))]
    between = data[250:-250]
    return crumbs(data[:250]) + [between[i:i + 997] for i in range(0, len(between), 997)] + crumbs(data[-250:])


def ways(data, behind, how, begin=1):
    """How `data`, and then `behind`, is sent: lists of pieces."""
    if how == "whole":
        yield [data + behind]
    elif how == "behind a good one":
        yield [GOOD + data + behind]
    elif how == "byte by byte":
        yield [*crumbs(data), behind]
    else:
        for at in cuts(data, begin):
            yield [data[:at], data[at:] + behind]


def judge_good(wire):
    answer = wire.read()
    return None if answer.status == 200 and not answer.outcome else f"a good request was answered with {answer!r}"


def judge_refused(status, how):
    """One answer, ours, at once, and the end."""
    def judge(wire):
        if how == "behind a good one" and judge_good(wire):
            return judge_good(wire)
        answer = wire.read()
        behind = wire.drain(wire.sock.gettimeout())
        if answer.status != status or answer.interim:
            return f"{answer!r} instead of {status}"
        if answer.outcome != OUTCOMES[status]:
            return f"the outcome is {answer.outcome}"
        if answer.all("Connection") != ["close"]:
            return f"not closed: {answer!r}"
        if behind:
            return f"more than one answer: {behind[:200]!r}"
        return None
    return judge


def judge_served(conversation, expected):
    """All answers, and no more. The backend's are all 200 with "ok". Appends what must have arrived."""
    def judge(wire):
        asked = conversation.asked + ([] if conversation.closes else [NEXT])
        for i, each in enumerate(asked):
            answer = wire.read(each.method)
            if answer.status != 200 or answer.body != (b"" if each.method == "HEAD" else b"ok"):
                return f"{each.method} {each.target[:60]}: {answer!r}"
            if answer.outcome or [x.status for x in answer.interim] not in ([], [100]):
                return f"{each.method} {each.target[:60]}: {answer!r} after {answer.interim}"
            if (answer.header("Connection") == "close") != (i == len(asked) - 1):
                return f"closes or not: {answer!r}"
            expected.append((answer.header("X-Request-ID"), each))
        behind = wire.drain(wire.sock.gettimeout())
        return f"more answers than requests: {behind[:200]!r}" if behind else None
    return judge


# --- what arrived

OURS = {"via", "x-request-id", "forwarded", "x-real-ip", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
        "x-forwarded-port", "host", "content-length"}
OF_THE_CONNECTION = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
                     "trailer", "transfer-encoding", "upgrade"}
NOT_TO_BE_NAMED = OURS | {"cookie", "authorization"}


def end_to_end(fields, version):
    """The fields that are for the backend, as RFC 9110 7.6.1 would have it, without ours."""
    named = {token.strip().lower() for name, value in fields if name.lower() == "connection" for token in value.split(",")}
    dropped = OF_THE_CONNECTION | OURS | (named - NOT_TO_BE_NAMED) | ({"expect"} if version == "HTTP/1.0" else set())
    kept = []
    for name, value in fields:
        twin = name.lower().replace("_", "-")
        if name.lower() in dropped or ("_" in name and twin in OURS):
            continue
        if twin.startswith("x-forwarded-") or twin == "proxy":
            continue
        if name.lower() == "cookie" and "cutover=" in value:
            value = "; ".join(pair for pair in value.split("; ") if not pair.startswith("cutover="))
            if not value:
                continue
        kept.append((name, value))
    return kept


def differences(asked, read, host):
    """What of a request arrived otherwise than it should; "" when nothing did."""
    fields = [tuple(x) for x in read["headers"]]

    def values(name):
        return [value for key, value in fields if key.lower() == name]

    length = [value for name, value in asked.fields if name.lower() == "content-length"]
    chunked = any(name.lower() == "transfer-encoding" for name, _ in asked.fields)
    takes_upgrade = (asked.version == "HTTP/1.1" and ("Upgrade", "websocket") in asked.fields and
                     ("Connection", "Upgrade") in asked.fields)
    ours = end_to_end(asked.fields, asked.version)
    checks = {
        "request line": (read["method"], read["target"], read["version"]) == (asked.method, asked.target, "1.1"),
        "whole": read["whole"], "body": read.get("sha256") == asked.sha256, "trailers": not read.get("trailers"),
        "one Host": values("host") == [host],
        "length": values("content-length") == ([str(int(length[0]))] if length else []),
        "coding": values("transfer-encoding") == (["chunked"] if chunked else []),
        "Connection": values("connection") == (["upgrade"] if takes_upgrade else []),
        "Upgrade": values("upgrade") == (["websocket"] if takes_upgrade else []),
        "of the connection": not any(values(x) for x in OF_THE_CONNECTION - {"connection", "upgrade", "transfer-encoding"}),
        "who it is from": (values("x-forwarded-for"), values("x-forwarded-proto"), values("forwarded"),
                           values("x-real-ip")) == (["127.0.0.1"], ["http"], [], []),
        "one request id": len(values("x-request-id")) == 1 and len(values("x-request-id")[0]) <= 128,
        "one Via": len(values("via")) == 1,
        "fields": end_to_end([x for x in fields if x[0].lower() != "upgrade"], "HTTP/1.1") == ours,
    }
    bad = [name for name, good in checks.items() if not good]
    return f"{', '.join(bad)}: {read!r:.1000}" if bad else ""


def compare(proxy, reader, expected):
    """Exactly what was asked has arrived; complaints."""
    log, wrong = reader.take()
    arrived = {}
    for read in (x for x in log if x["target"] != "/good"):
        [key] = [value for name, value in map(tuple, read["headers"]) if name.lower() == "x-request-id"] or [None]
        arrived.setdefault(key, []).append(read)
    for key, asked in expected:
        if not arrived.get(key):
            wrong.append(f"{asked.method} {asked.target[:60]} never arrived, or was answered twice")
            continue
        difference = differences(asked, arrived[key].pop(), asked.host if asked.host and reader is proxy.old else reader.authority)
        if difference:
            wrong.append(f"{asked.raw[:90]!r} arrived otherwise: {difference}")
    too_many = [read for reads in arrived.values() for read in reads]
    return wrong + [f"nobody asked for {read!r:.500}" for read in too_many]


def insist(proxy, wrong):
    proxy.check_unharmed()
    if wrong:
        pytest.fail(f"{len(wrong)} wrong:\n" + "\n".join(x[:300] for x in wrong[:12]), pytrace=False)


# --- the tests

def test_the_corpus_is_large():
    assert len(REFUSED) >= 400 and len(BROKEN) >= 100 and len(LEGAL) >= 120


BAD_WAYS = ["whole", "behind a good one", "byte by byte", "cut everywhere"]


def bad_cases(table, how, begin=1):
    for name, (data, status) in table.items():
        for pieces in ways(data, SMUGGLED, how, begin):
            yield name, pieces, judge_refused(status, how)
        if how == "whole":
            yield f"behind {name}", [LAST_GOOD], judge_good


@pytest.mark.parametrize("how", BAD_WAYS)
def test_a_bad_head_is_refused(front, how):
    """Not a byte of it reaches a backend, and what is behind it is not looked at."""
    wrong = list(waves(front, bad_cases(REFUSED, how)))
    if front.old.bytes():
        wrong.append(f"forwarded: {front.old.bytes()[:500]!r}")
    insist(front, wrong)


@pytest.mark.parametrize("how", BAD_WAYS)
def test_a_bad_body_is_never_whole(front, how):
    """The backend may have its head, but neither its end nor what is behind it."""
    wrong = list(waves(front, bad_cases(BROKEN, how, len(BROKEN_HEAD))))
    time.sleep(0.2)  # for what is on its way
    log, errors = front.old.take()
    wrong += [f"arrived: {read!r}" for read in log if read["whole"] or read["target"] != "/"]
    insist(front, wrong + errors)


@pytest.mark.parametrize("name", NOISE)
def test_noise_is_refused_without_waiting_for_more(front, name):
    data, status = REFUSED[name]
    insist(front, list(waves(front, [(name, [data], judge_refused(status, "whole"))])))


@pytest.mark.parametrize("reader, how", [
    ("h11", "whole"), ("h11", "byte by byte"), ("h11", "cut everywhere"), ("node", "whole"), ("node", "byte by byte")])
def test_a_legal_request_is_served_and_read_as_it_was_meant(front, reader, how):
    backend, expected = use(front, reader), []

    def cases():
        for name, conversation in LEGAL.items():
            for pieces in ways(conversation.raw, NEXT.raw, how):
                yield name, pieces, judge_served(conversation, expected)

    wrong = list(waves(front, cases()))
    insist(front, wrong + compare(front, backend, expected))


@pytest.mark.parametrize("reader", ["h11", "node"])
@pytest.mark.parametrize("length_first", [True, False], ids=["length first", "coding first"])
def test_a_twisted_coding_has_one_meaning_or_none(front, reader, length_first):
    """Refused, or read by its length by everybody: then it is one request, and not two."""
    backend, expected, refused = use(front, reader), [], []

    def judge_of(raw, body):
        def judge(wire):
            answer = wire.read()
            if answer.outcome:
                refused.append(raw)
                wire.rest = answer.head + b"\r\n\r\n" + answer.body + wire.rest
                return judge_refused(400, "whole")(wire)
            expected.append((answer.header("X-Request-ID"), Asked(raw, body)))
            return judge_served(Conversation([]), expected)(wire)
        return judge

    cases = list(twisted(length_first))
    wrong = list(waves(front, ((repr(raw[:90]), [raw + NEXT.raw], judge_of(raw, body)) for raw, body in cases)))
    wrong += compare(front, backend, expected)
    assert len(refused) > 500 and len(expected) > 1000, "the sweep is no sweep"
    insist(front, wrong)


@pytest.mark.parametrize("count", [2, 10, 100, 1000])
def test_a_pipeline_over_two_backends_is_answered_in_order(front, count):
    """Each once, though one of them is slower."""
    front.weight(50)
    asked = [ask(get(f"X-Request-ID: n-{i}\r\nCookie: cutover={'0000' if i % 3 else '9999'}\r\n",
                     f"/{i}?ms={(i % 3 == 0) * (i % 7)}")) for i in range(count)]
    with front.connect() as wire:
        wire.send(b"".join(each.raw for each in asked))
        answers = [wire.read() for _ in asked]
        assert wire.get("/good").status == 200, "nothing is left over"
    assert [answer.header("X-Request-ID") for answer in answers] == [f"n-{i}" for i in range(count)]
    assert {answer.status for answer in answers} == {200}
    wrong = []
    for reader, rest in (front.new, (1, 2)), (front.old, (0,)):
        wrong += compare(front, reader, [(f"n-{i}", each) for i, each in enumerate(asked) if i % 3 in rest])
    insist(front, wrong)
