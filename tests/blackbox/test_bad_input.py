"""What clients and backends do wrong: a clear answer, nothing forwarded, never a hang."""

import re
import signal
import socket
import time

import pytest

from cutover import Proxy, Recorder, free_port
from wire import Closed, chunked, eventually, head

H = "Host: a\r\n"

# name: bytes -> the statuses that are right. Nothing of these may reach a backend.
BAD_HEADS = {
    "length and coding": (f"POST / HTTP/1.1\r\n{H}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400,)),
    "coding and length": (f"POST / HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", (400,)),
    "two lengths": (f"POST / HTTP/1.1\r\n{H}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", (400,)),
    "the same length twice": (f"POST / HTTP/1.1\r\n{H}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", (400,)),
    **{f"length {value!r}": (f"POST / HTTP/1.1\r\n{H}Content-Length: {value}\r\n\r\nabcde", (400, 413))
       for value in ("+3", "-3", "0x3", "3_0", "3.0", "3 3", "3,", "3, 3", "", "\xa03", "9" * 19,
                     "9223372036854775808", "18446744073709551616")},
    **{f"coding {value!r}": (f"POST / HTTP/1.1\r\n{H}Transfer-Encoding: {value}\r\n\r\n0\r\n\r\n", (400, 501))
       for value in ("xchunked", "chunked;q=1", '"chunked"', "gzip", "identity", ",chunked", "chunked,",
                     "chunked, chunked", "gzip, chunked", "", "chun\x0bked", "\x00chunked", "chunked\xff")},
    "two codings": (f"POST / HTTP/1.1\r\n{H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400, 501)),
    "coding in 1.0": ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400, 501)),
    "space before colon": (f"GET / HTTP/1.1\r\n{H}X-A : b\r\n\r\n", (400,)),
    "coding, space before colon": (f"POST / HTTP/1.1\r\n{H}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", (400,)),
    "no colon": (f"GET / HTTP/1.1\r\n{H}nonsense\r\n\r\n", (400,)),
    "empty name": (f"GET / HTTP/1.1\r\n{H}: x\r\n\r\n", (400,)),
    "bracket in name": (f"GET / HTTP/1.1\r\n{H}X[]: x\r\n\r\n", (400,)),
    "8-bit name": (f"GET / HTTP/1.1\r\n{H}X-\xe9: x\r\n\r\n", (400,)),
    "NUL in value": (f"GET / HTTP/1.1\r\n{H}X: a\x00b\r\n\r\n", (400,)),
    "control in value": (f"GET / HTTP/1.1\r\n{H}X: a\x01b\r\n\r\n", (400,)),
    "DEL in value": (f"GET / HTTP/1.1\r\n{H}X: a\x7fb\r\n\r\n", (400,)),
    "folded": (f"GET / HTTP/1.1\r\n{H}X: a\r\n b\r\n\r\n", (400,)),
    "folded length": (f"POST / HTTP/1.1\r\n{H}Content-Length:\r\n 5\r\n\r\nhello", (400,)),
    "space before the first field": (f"GET / HTTP/1.1\r\n {H}\r\n", (400,)),
    "LF lines": ("GET / HTTP/1.1\nHost: a\n\n", (400,)),
    "LF after the request line": (f"GET / HTTP/1.1\n{H}\r\n", (400,)),
    "LF in a field": ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", (400,)),
    "CR in a value": (f"GET / HTTP/1.1\r\n{H}X: a\rTransfer-Encoding: chunked\r\n\r\n", (400,)),
    "CR after an empty value": (f"GET / HTTP/1.1\r\n{H}X:\rTransfer-Encoding: chunked\r\n\r\n", (400,)),
    "CR LF CR X": (f"GET / HTTP/1.1\r\n{H}\r\rGET /two HTTP/1.1\r\n{H}\r\n", (400,)),
    "no Host": ("GET / HTTP/1.1\r\nX: y\r\n\r\n", (400,)),
    "two Hosts": ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", (400,)),
    **{f"Host {value!r}": (f"GET / HTTP/1.1\r\nHost: {value}\r\n\r\n", (400,))
       for value in ("a@b", "a/b", "a:1:2", "a:99999", "[::1", "a b", "", "a\\b", "a?b", "a#b")},
    "two authorities": ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", (400,)),
    **{f"target {value!r}": (f"GET {value} HTTP/1.1\r\n{H}\r\n", (400,))
       for value in ("http://u@a/", "ftp://a/", "*", "a:80", "/a#b", "/a\\b", "/\xe9", "/a\tb", "/a\x0bb",
                     "/\x01", "nothing", "//a b", "")},
    "CONNECT": ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", (400, 405, 501)),
    "TRACE": (f"TRACE / HTTP/1.1\r\n{H}\r\n", (400, 405, 501)),
    "no version": ("GET /\r\n\r\n", (400,)),
    **{f"version {value!r}": (f"GET / {value}\r\n{H}\r\n", (400, 505))
       for value in ("HTTP/2.0", "HTTP/3.0", "HTTP/1.2", "HTTP/0.9", "HTTP/1.01", "HTTP/01.1", "http/1.1",
                     "HTTP/1.1 ", "RTSP/1.0", "ICE/1.0", "HTTP/1", "HTTP/11")},
    "two spaces": (f"GET  / HTTP/1.1\r\n{H}\r\n", (400,)),
    "a tab": (f"GET\t/ HTTP/1.1\r\n{H}\r\n", (400,)),
    "FOO": (f"FOO / HTTP/1.1\r\n{H}\r\n", (400, 501)),
    "lower case": (f"get / HTTP/1.1\r\n{H}\r\n", (400, 501)),
    "HTTP/2 preface": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 405, 501, 505)),
    "TLS hello": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "x" * 40 + "\r\n\r\n", (400, 501)),
    "random bytes": ("\x80\x81\xfe\xff\x00\x01\r\n\r\n", (400, 501)),
}


@pytest.fixture
def front(start):
    """A proxy before a recorder: what gets through is seen."""
    backend = start(Recorder)
    proxy = start(Proxy, backend, start(Recorder), {"timeouts": {"client_header": "2s", "client_body": "2s"}})
    proxy.backend = backend
    return proxy


def statuses(data):
    return [int(x) for x in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


def test_malformed_heads_are_refused_and_nothing_is_forwarded(front):
    """All of them on one proxy, each with a second request right behind, which must not be served."""
    wrong = []
    for name, (data, right) in BAD_HEADS.items():
        got = front.raw(data.encode("latin-1") + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", 4)
        if not statuses(got) or statuses(got)[0] not in right or len(statuses(got)) != 1:
            wrong.append(f"{name}: {got[:100]!r}")
        elif b"X-Cutover-Outcome: " not in got or b"\r\nConnection: close\r\n" not in got:
            wrong.append(f"{name}: no outcome, or not closed: {got[:200]!r}")
        if front.backend.bytes():
            wrong.append(f"{name}: forwarded {front.backend.bytes()[:200]!r}")
            front.backend.seen.clear()
    assert not wrong, f"{len(wrong)} of {len(BAD_HEADS)}:\n" + "\n".join(wrong)


def test_malformed_heads_byte_by_byte(front):
    """Arriving in pieces they fare no better."""
    wrong = []
    for name, (data, right) in list(BAD_HEADS.items())[::4]:
        with front.connect(4) as wire:
            try:
                for i in range(0, len(data)):
                    wire.send(data[i])
            except ConnectionError:
                pass
            got = wire.drain(4)
        if statuses(got) and statuses(got)[0] not in right:
            wrong.append(f"{name}: {got[:100]!r}")
    assert not wrong and not front.backend.bytes(), wrong


def test_good_then_bad(front):
    got = front.raw(head("GET", "/good") + b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n" + head("GET", "/after"))
    assert statuses(got) == [200, 400]
    assert b"/good" in front.backend.bytes() and b"/after" not in front.backend.bytes()


@pytest.mark.parametrize("body", [
    b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
    b"5_\r\nhello\r\n0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n", b"Z\r\nhello\r\n0\r\n\r\n",
    b"\r\nhello\r\n0\r\n\r\n", b"f" * 17 + b"\r\nhello", b"f" * 16 + b"\r\nhello",
    b"4\r\nhello\r\n0\r\n\r\n", b"6\r\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nX\r\n\r\n",
], ids=repr)
def test_bad_chunks_abort_the_backend_request(front, body):
    got = front.raw(head("POST", "/", {"Transfer-Encoding": "chunked"}) + body + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", 5)
    assert not statuses(got) or statuses(got)[0] in (400, 408), got
    seen = front.backend.bytes()
    assert b"smuggled" not in seen
    assert not seen.endswith(b"0\r\n\r\n"), "the request must not look complete"


def test_oversize_heads(front):
    for data in (head("GET", "/" + "x" * 40000), head("GET", "/", {"X-Big": "x" * 40000}),
                 head("GET", "/", [(f"X-{i}", "y") for i in range(200)]),
                 b"GET / HTTP/1.1\r\nHost: a\r\nX-Endless: " + b"x" * 100000):
        got = front.raw(data, 4)
        assert statuses(got) and statuses(got)[0] in (414, 431), got[:100]
    assert not front.backend.bytes()


def test_heads_just_below_the_limits_pass(front):
    with front.connect() as wire:
        assert wire.get("/", {"X-Big": "x" * 30000}).status == 200
        assert wire.request("GET", "/", [(f"X-{i}", "y") for i in range(120)]).status == 200


def test_a_limit_of_the_body(start, old, new):
    proxy = start(Proxy, old, new, {"limits": {"body_bytes": "10k"}})
    with proxy.connect() as wire:
        wire.send(head("POST", "/upload", {"Content-Length": "10241"}))
        response = wire.read("POST")
        assert (response.status, response.outcome) == (413, "body_too_large")
    with proxy.connect() as wire:
        wire.send(head("POST", "/upload", {"Transfer-Encoding": "chunked"}))
        try:
            wire.send(chunked(*[b"x" * 1000] * 20))
        except ConnectionError:
            pass
        response = wire.read("POST")
        assert response.status == 413
    assert proxy.request("POST", "/upload", body=b"x" * 10240).status == 200


def test_many_empty_lines_are_not_swallowed_for_ever(front):
    with front.connect(4) as wire:
        try:
            wire.send(b"\r\n" * 5000)
        except ConnectionError:
            pass
        assert statuses(wire.drain(4)) in ([400], [])
    with front.connect() as wire:
        wire.send(b"\r\n" + head("GET", "/"))
        assert wire.read().status == 200, "one is tolerated"


def test_own_answers_are_small_and_honest(proxy):
    got = proxy.raw("GET / HTTP/1.1\r\n\r\n")
    text, body = got.split(b"\r\n\r\n", 1)
    assert b"X-Cutover-Outcome: bad_request" in text
    assert b"Content-Type: application/json" in text
    assert len(body) < 500 and b"bad_request" in body
    assert proxy.access(status=400)[-1]["outcome"] == "bad_request"


def test_a_proxy_that_is_its_own_backend_comes_to_an_end(start, new):
    """The loop ends by itself, with an answer, and the process is well."""
    port = free_port()
    proxy = start(Proxy, f"http://127.0.0.1:{port}", new, {
        "listen": [{"address": f"127.0.0.1:{port}"}], "failover": "none"}, wait=False)
    proxy.port = port
    eventually(lambda: not proxy.process.running or listening(proxy), 10)
    if proxy.process.running:
        response = fault(proxy, "/", deadline=8)
        assert response.status >= 400
        proxy.process.signal(signal.SIGTERM)
        assert proxy.process.wait(15) == 0


# --- backends

def fault(proxy, path, method="GET", deadline=4.0):
    began = time.monotonic()
    response = proxy.request(method, path, body=b"x" if method == "POST" else None)
    assert time.monotonic() - began < deadline, "no hang"
    return response


@pytest.mark.parametrize("path, status, outcome", [
    ("close", 502, "upstream_closed"), ("reset", 502, "upstream_closed"), ("garbage", 502, "bad_response"),
    ("stall", 504, "response_timeout"), ("both", 502, "bad_response"), ("two-lengths", 502, "bad_response"),
    ("big-head?n=200000", 502, "response_head_too_large"),
])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_faults_of_a_backend(start, old, new, path, status, outcome, method):
    proxy = start(Proxy, old, new, {"timeouts": {"response_header": "1s"}})
    response = fault(proxy, f"/fault/{path}", method)
    assert (response.status, response.outcome) == (status, outcome)
    assert response.json()
    assert proxy.metric("cutover_attempts_total", backend="old", outcome=outcome) >= 1
    assert proxy.access(outcome=outcome)[-1]["status"] == status


ANSWERS = {
    "HTTP/0.9": b"hello", "ICY": b"ICY 200 OK\r\n\r\n", "two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "000": b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n", "099": b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n",
    "four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "two spaces": b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
    "LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "CR in a value": b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "folded": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n",
    "bad name": b"HTTP/1.1 200 OK\r\nX\xe9: a\r\nContent-Length: 0\r\n\r\n",
    "chunked twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "length list": b"HTTP/1.1 200 OK\r\nContent-Length: 0, 0\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "endless 103": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000,
}


def test_malformed_answers_are_502(start, new):
    backend = start(Recorder)
    proxy = start(Proxy, backend, new, {"failover": "none", "timeouts": {"response_header": "1s"},
                                        "outlier": {"consecutive_errors": 0}})
    wrong = []
    for name, data in ANSWERS.items():
        def answer(head_, connection, data=data):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_RDWR)
            return None

        backend.answer = answer
        try:
            response = fault(proxy, "/")
            if response.status not in (502, 504) or not response.outcome:
                wrong.append(f"{name}: {response!r}")
        except (Closed, ConnectionError) as error:
            wrong.append(f"{name}: {error!r}")
    backend.answer = lambda *_: Recorder.OK
    assert not wrong, "\n".join(wrong)


def test_an_answer_too_many_goes_to_nobody(proxy, old):
    """Bytes behind an answer must not become the answer of the next request."""
    for _ in range(10):
        with proxy.connect() as wire:
            assert wire.get("/fault/extra").body == b"hello"
            assert wire.get("/echo/next").json()["target"] == "/echo/next"


def test_a_slow_head_of_a_backend_is_waited_for(proxy):
    assert fault(proxy, "/fault/slow-head?ms=5", deadline=8).body == b"hello from old\n"


def test_a_backend_that_refuses(start, new):
    proxy = start(Proxy, f"http://127.0.0.1:{free_port()}", new,
                  {"failover": "none", "health": {"interval": "1h", "unhealthy_threshold": 9}}, wait=False)
    proxy.expect_broken = True
    eventually(lambda: not proxy.process.running or listening(proxy), 10)
    response = fault(proxy, "/")
    assert response.status in (502, 503) and response.outcome in ("connect_refused", "no_server")
    proxy.stop()


def listening(proxy):
    try:
        proxy.connect(1).close()
        return True
    except OSError:
        return False


def test_a_backend_that_does_not_accept(start, new):
    """A listener whose queue is full: connections hang until the timeout."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    address = listener.getsockname()
    queue = [socket.socket() for _ in range(4)]
    for sock in queue:
        sock.setblocking(False)
        sock.connect_ex(address)
    time.sleep(0.2)
    try:
        proxy = start(Proxy, f"http://127.0.0.1:{address[1]}", new, {
            "failover": "none", "timeouts": {"connect": "500ms"},
            "health": {"interval": "1h", "timeout": "1s"}}, wait=False)
        proxy.expect_broken = True
        eventually(lambda: listening(proxy), 10)
        response = fault(proxy, "/")
        assert (response.status, response.outcome) in ((504, "connect_timeout"), (503, "no_server"))
        proxy.stop()
    finally:
        for sock in [*queue, listener]:
            sock.close()


def test_a_stalled_body_is_cut(start, old, new):
    proxy = start(Proxy, old, new, {"timeouts": {"response_body": "1s"}})
    backend = start(Recorder, lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    proxy.config["backends"]["old"]["servers"] = [backend.url]
    proxy.write_config()
    assert proxy.admin("POST", "/v1/reload").status == 200
    time.sleep(0.7)
    with proxy.connect(6) as wire, pytest.raises((Closed, ConnectionError)):
        wire.get("/")
    assert proxy.access(outcome="upstream_stalled")
    proxy.expect_broken = True
