"""The write freeze: unsafe methods are told to come back later, all else passes."""

import socket
import struct
import threading
import time

import pytest

from cutover import Proxy
from ledger import Ledger
from test_edges import upgrade
from wire import Wire, eventually, head

ROUTES = [{"name": "hooks", "path": "/hooks/", "pin": "old"}, {"name": "products", "path": "/products", "weight": 30}]
SAFE, UNSAFE = ("GET", "HEAD", "OPTIONS"), ("POST", "PUT", "PATCH", "DELETE")


def freeze(proxy, on=True, **more):
    answer = proxy.admin("POST", "/v1/freeze", {"on": on, **more})
    assert answer.status == 200, answer
    return answer.json()["freeze"]


@pytest.fixture
def proxy(start, old, new):
    return start(Proxy, old, new, {"routes": ROUTES})


def frozen(proxy, method, path="/echo"):
    answer = proxy.request(method, path, body=b"x" if method in UNSAFE else None)
    assert (answer.outcome == "frozen") == (answer.status == 503), answer
    return answer.outcome == "frozen"


def test_writes_are_stopped_and_reading_goes_on(proxy, old, new):
    served = old.served() + new.served()
    freeze(proxy, retry_after_s=17)
    for method in UNSAFE:
        answer = proxy.request(method, "/echo", body=b"x")
        assert (answer.status, answer.outcome, answer.header("Retry-After")) == (503, "frozen", "17")
        assert answer.json()["error"]["code"] == "frozen"
    assert old.served() + new.served() == served, "nothing reached an application"
    assert not any(frozen(proxy, method) for method in SAFE)
    freeze(proxy, on=False)
    assert not any(frozen(proxy, method) for method in UNSAFE)


def test_a_method_that_nobody_knows_counts_as_a_write(proxy):
    freeze(proxy)
    answer = proxy.request("PROPFIND", "/echo")
    assert answer.outcome in ("frozen", "method_unknown"), answer


@pytest.mark.parametrize("routes, stopped", [
    (None, {"/", "/hooks/a", "/products"}), ([], {"/", "/hooks/a", "/products"}), (["main"], {"/"}),
    (["products"], {"/products"}), (["hooks", "main"], {"/", "/hooks/a"})])
def test_on_the_routes_that_were_named(proxy, routes, stopped):
    freeze(proxy, **({} if routes is None else {"routes": routes}))
    for path in ("/", "/hooks/a", "/products"):
        assert frozen(proxy, "POST", path) == (path in stopped), path


def test_websockets_pass(proxy):
    freeze(proxy)
    with proxy.connect() as wire:
        wire.send(upgrade("/ws"))
        assert wire.read_head().status == 101


def test_the_refusal_is_logged_and_counted_as_others_are(proxy):
    freeze(proxy)
    proxy.request("POST", "/echo", headers={"Cookie": "cutover=4000"}, body=b"x")
    [line] = proxy.access(outcome="frozen")
    assert (line["status"], line["route"], line["backend"], line["attempts"]) == (503, "main", "old", 0)
    assert proxy.metric("cutover_attempts_total", outcome="frozen") == 1
    assert proxy.metric("cutover_requests_total", backend="old", code="5xx") == 1
    assert proxy.metric("cutover_failovers_total") == 0


def test_a_body_that_is_not_wanted(proxy):
    """100 MB are announced: the answer comes at once, and the connection ends behind it."""
    freeze(proxy)
    with proxy.connect() as wire:
        wire.send(head("POST", "/echo", {"Content-Length": "100000000"}))
        wire.send(b"x" * 10000)
        answer = wire.read()
        assert (answer.outcome, answer.header("Connection")) == ("frozen", "close")
    with proxy.connect() as wire:
        wire.send(head("POST", "/echo", {"Content-Length": "5", "Expect": "100-continue"}))
        answer = wire.read()
        assert (answer.outcome, answer.interim) == ("frozen", []), "nobody is asked for a body"
    with proxy.connect() as wire:  # without one it goes on
        assert wire.request("DELETE", "/echo").outcome == "frozen"
        assert wire.get("/echo").status == 200


def test_a_new_user_is_placed_all_the_same(proxy):
    freeze(proxy)
    assert proxy.request("POST", "/echo", body=b"x").cookie()


def test_it_is_shown_and_kept_over_a_restart(proxy):
    assert proxy.status()["freeze"] == {"on": False}
    shown = freeze(proxy, routes=["products"], retry_after_s=5)
    assert (shown["on"], shown["routes"], shown["retry_after_s"]) == (True, ["products"], 5)
    proxy.kill()
    proxy.restart()
    again = proxy.status()["freeze"]
    assert (again["on"], again["routes"], again["retry_after_s"], again["since"]) == (
        True, ["products"], 5, shown["since"])
    assert frozen(proxy, "POST", "/products") and not frozen(proxy, "POST")


def test_what_was_let_in_before_goes_on_and_is_counted(start, new):
    """writes_open: when it is 0, the last write has ended."""
    old = start(Ledger, "old")
    proxy = start(Proxy, old, new)
    slow = {"X-Plan": "2 0 1500 0"}
    answers = []

    def write(method):
        with Wire(proxy.address) as wire:
            answers.append(wire.request(method, "/", slow, None if method == "GET" else b"x").status)

    threads = [threading.Thread(target=write, args=(method,)) for method in ("POST", "PUT", "GET")]
    for thread in threads:
        thread.start()
    eventually(lambda: len(old.entries) == 3, 5, what="they are under way")
    assert freeze(proxy)["writes_open"] == 2
    assert frozen(proxy, "POST")
    assert proxy.status()["freeze"]["writes_open"] == 2, "who is refused opens nothing"
    for thread in threads:
        thread.join(10)
    assert answers == [200, 200, 200]
    eventually(lambda: proxy.status()["freeze"]["writes_open"] == 0, 2, what="all writes have ended")


def test_a_write_that_is_broken_off_has_ended(start, new):
    old = start(Ledger, "old")
    proxy = start(Proxy, old, new)
    freeze(proxy, routes=[])
    freeze(proxy, on=False)
    wire = proxy.connect()
    wire.send(head("POST", "/", {"X-Plan": "2 0 1500 0"}, b"x") + b"x")
    eventually(lambda: old.entries, 5, what="it is under way")
    assert freeze(proxy)["writes_open"] == 1
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ends with RST
    wire.close()
    eventually(lambda: proxy.status()["freeze"]["writes_open"] == 0, 2, what="it has ended")


def test_all_workers_know_of_it_at_once(start, old, new):
    proxy = start(Proxy, old, new, {"workers": 4})
    for _ in range(5):
        freeze(proxy)
        time.sleep(0.1)
        assert all(frozen(proxy, "POST") for _ in range(20))
        freeze(proxy, on=False)
        time.sleep(0.1)
        assert not any(frozen(proxy, "POST") for _ in range(20))
