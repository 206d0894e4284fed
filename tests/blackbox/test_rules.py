"""Who takes a request when not everybody can: places, ejections, failover, and the end."""

import socket
import threading
import time

from cutover import Origin, Proxy, Recorder, free_port
from wire import Wire, eventually, head


def test_a_full_server_is_passed_over(start, old, new):
    second = start(Origin, "second")
    proxy = start(Proxy, [old, second], new,
                  {"limits": {"upstream_connections": 1}, "workers": 1, "timeouts": {"connect": "400ms"}})
    with proxy.connect() as busy:
        busy.send(head("GET", "/delay?ms=1500"))
        time.sleep(0.2)
        began = time.monotonic()
        assert [proxy.get("/").status for _ in range(8)] == [200] * 8
        assert time.monotonic() - began < 1, "nobody had to wait"
        assert busy.read().status == 200


def test_an_ejected_server_is_better_than_no_answer(start, new):
    """The only server of the side, healthy by its checks, and nobody may help out."""
    fails = threading.Event()
    fails.set()
    flaky = start(Recorder, lambda _head, _connection: None if fails.is_set() else Recorder.OK)
    proxy = start(Proxy, flaky, new,
                  {"failover": "none", "outlier": {"consecutive_errors": 3, "eject_for": "30s"}})
    for _ in range(4):
        assert proxy.get("/").status == 502
    assert proxy.status()["backends"]["old"]["servers"][0]["ejected"] is True
    fails.clear()
    assert proxy.get("/").status == 200


def test_a_refused_connection_fails_over_without_any_retry(start, old):
    proxy = start(Proxy, old, f"http://127.0.0.1:{free_port()}",
                  {"retry": {"attempts": 0}, "health": {"interval": "60s"}, "initial_weight": 100})
    assert proxy.get("/").side == "old"


def test_an_answer_of_our_own_keeps_the_draw(start, new):
    silent = start(Recorder, lambda _head, _connection: None)
    proxy = start(Proxy, silent, new, {"failover": "none"})
    proxy.expect_broken = True
    answer = proxy.get("/")
    assert answer.status == 502
    assert answer.header("Set-Cookie", "").startswith("cutover=")


def test_a_second_cookie_counts_when_the_first_is_broken(proxy):
    proxy.weight(10)
    for value, side in (("0427", "new"), ("7100", "old")):
        answer = proxy.get("/", {"Cookie": f"cutover=bad; a=b; cutover={value}"})
        assert (answer.side, answer.header("Set-Cookie")) == (side, None)


def test_a_rollback_never_raises_a_weight(start, old, new):
    proxy = start(Proxy, old, new, {"routes": [{"name": "products", "path": "/p", "weight": 30}]})
    proxy.weight(5)
    assert proxy.admin("POST", "/v1/rollback", {"to": 10}).status == 200
    status = proxy.status()
    assert (status["weight"], status["routes"][0]["weight"]) == (5, 10)


def test_what_was_refused_for_a_side_is_counted_for_it(start):
    proxy = start(Proxy, f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}", wait=False)
    proxy.expect_broken = True
    eventually(lambda: [x for x in proxy.logs() if x.get("message") == "ready"], 10)
    for side in ("old", "new"):
        proxy.wait_health(side, "down")
    assert proxy.get("/").status == 503
    assert proxy.metric("cutover_attempts_total", backend="old", outcome="no_server") == 1


def test_at_the_end_who_has_nothing_yet_is_told(start, old, new):
    proxy = start(Proxy, old, new, {"timeouts": {"drain": "500ms"}})
    with proxy.connect() as wire:
        wire.send(head("GET", "/delay?ms=20000"))
        time.sleep(0.2)
        proxy.process.signal(15)
        answer = wire.read()
    assert answer.status == 503
    assert answer.header("X-Cutover-Outcome") == "shutdown"
    assert proxy.process.wait(5) == 0


def test_a_port_is_not_shared_with_another_proxy(start, old, new, proxy):
    with socket.socket() as probe:
        probe.connect(proxy.address)
    second = start(Proxy, old, new, {"listen": [{"address": proxy.authority}]}, wait=False)
    assert second.process.wait(5) == 1
    assert "already in use" in second.output()


def test_two_hosts_behind_one_load_balancer(start, old):
    proxy = start(Proxy, old, old, {"backends": {"old": {"host": "a.example.org"},
                                                 "new": {"host": "b.example.org"}}})
    for side in ("old", "new"):
        hosts = [value for name, value in
                 proxy.get("/echo", {"X-Cutover-Backend": side}).json()["headers"] if name == "Host"]
        assert hosts == ["a.example.org" if side == "old" else "b.example.org"]


def test_a_response_that_stalls_in_the_middle_is_cut(start, new):
    part = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"

    def answer(_head, connection):
        connection.sendall(part)
        time.sleep(3)

    slow = start(Recorder, answer)
    proxy = start(Proxy, slow, new, {"timeouts": {"response_body": "300ms"}})
    proxy.expect_broken = True
    began = time.monotonic()
    with Wire(proxy.address) as wire:
        wire.send(head("GET", "/"))
        data = wire.drain(5)
    assert data.endswith(b"half") and time.monotonic() - began < 2
    eventually(lambda: [x for x in proxy.logs() if x.get("outcome") == "upstream_stalled"], 2)
