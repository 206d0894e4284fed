"""What clients and backends do wrong: a clear answer, nothing forwarded, never a hang.

Malformed requests have a corpus of their own: see test_requests.py.
"""

import signal
import socket
import time

import pytest

from cutover import Proxy, Recorder, free_port
from wire import Closed, eventually


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


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_backend_that_never_answers(start, old, new, method):
    proxy = start(Proxy, old, new, {"timeouts": {"response_header": "1s"}})
    response = fault(proxy, "/fault/stall", method)
    assert (response.status, response.outcome) == (504, "response_timeout")
    assert response.json()
    assert proxy.metric("cutover_attempts_total", backend="old", outcome="response_timeout") >= 1
    assert proxy.access(outcome="response_timeout")[-1]["status"] == 504


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
