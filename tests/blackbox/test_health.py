"""Which servers are usable, and what happens to users when a side is not."""

import collections
import threading
import time

import pytest

from cutover import Origin, Proxy, Recorder, free_port
from wire import Wire, eventually, head

INTERVAL_S = 0.5


def set_health(origin, status=200, stall=0):
    with Wire(origin.address) as wire:
        assert wire.request("POST", f"/health?status={status}&stall={stall}").status == 200


# --- active checks

def test_both_sides_are_checked_also_at_weight_0(proxy, old, new):
    assert proxy.status()["weight"] == 0
    proxy.wait_health("old", "up")
    proxy.wait_health("new", "up")
    assert proxy.status()["rollback_ready"] is True
    set_health(old, 503)
    proxy.wait_health("old", "down")
    status = proxy.status()
    assert status["rollback_ready"] is False
    assert status["backends"]["old"]["health"] == "down"
    set_health(old)
    proxy.wait_health("old", "up")
    assert proxy.status()["rollback_ready"] is True


def test_old_is_checked_at_weight_100(proxy, old):
    proxy.weight(100)
    set_health(old, 500)
    proxy.wait_health("old", "down")
    assert proxy.status()["rollback_ready"] is False
    answer = proxy.admin("POST", "/v1/rollback", {})
    assert (answer.status, answer.code) == (409, "old_not_usable")
    assert proxy.status()["weight"] == 100
    assert proxy.admin("POST", "/v1/rollback", {"force": True}).status == 200
    assert proxy.status()["weight"] == 0


def test_thresholds(start, new):
    answers = collections.deque()
    seen = []

    class Scripted(Recorder):
        OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

        def _serve(self, connection):
            with connection:
                data = connection.recv(65536)
                if not data.startswith(b"GET /health "):
                    return connection.sendall(self.OK)
                status = answers.popleft() if answers else 200
                seen.append(status)
                connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)

    backend = start(Scripted)
    proxy = start(Proxy, backend, new, {"health": {"interval": "250ms", "timeout": "200ms",
                                                   "unhealthy_threshold": 3, "healthy_threshold": 2}})

    def pass_through(*script):
        answers.extend(script)
        eventually(lambda: not answers, 10)
        time.sleep(0.1)
        return proxy.server_health("old")

    assert pass_through(500, 500, 200) == ["up"], "two failures are not three"
    assert pass_through(500, 500, 500) == ["down"]
    assert pass_through(200, 500) == ["down"], "one success is not two"
    assert pass_through(200, 200) == ["up"]


def test_a_check_that_hangs_is_a_failure(proxy, old):
    set_health(old, stall=1)
    proxy.wait_health("old", "down")
    set_health(old)
    proxy.wait_health("old", "up")


@pytest.mark.parametrize("status, health", [(204, "up"), (399, "up"), (404, "down"), (503, "down")])
def test_success_codes(start, old, new, status, health):
    set_health(old, status)
    proxy = start(Proxy, old, new)
    proxy.wait_health("old", health)


def test_a_side_can_have_its_own_check(start, old, new):
    backend = start(Recorder, lambda h, _: b"HTTP/1.1 %s X\r\nContent-Length: 0\r\n\r\n" % (
        b"418" if h.startswith(b"GET /alive?deep=1 HTTP") and b"Host: inner.example" in h else b"500"))
    proxy = start(Proxy, backend, new, {"backends": {"old": {"health": {
        "path": "/alive?deep=1", "host": "inner.example", "success_codes": "418"}}}})
    proxy.wait_health("old", "up")
    proxy.expect_broken = True


def test_flips_are_events_and_log_lines(proxy, new):
    set_health(new, 500)
    proxy.wait_health("new", "down")
    events = proxy.admin("GET", "/v1/events").json()["events"]
    assert any(e["what"] == "health" and new.url in str(e) and "down" in str(e) for e in events)
    eventually(lambda: [x for x in proxy.logs() if x.get("level") in ("warn", "error") and new.url in str(x)], 3,
               what="a warning")


# --- readiness

def test_ready_as_soon_as_one_server_is_up(start, new):
    dead = f"http://127.0.0.1:{free_port()}"
    proxy = start(Proxy, dead, new)
    assert proxy.admin("GET", "/readyz").status == 200
    assert proxy.get("/").side == "new", "failover"


def test_not_ready_when_nothing_is_up(start):
    dead = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    proxy = start(Proxy, dead[0], dead[1], wait=False)
    eventually(lambda: alive(proxy), 10)
    time.sleep(0.3)
    assert proxy.admin("GET", "/readyz").status == 503
    proxy.stop()


def alive(proxy):
    try:
        return proxy.admin("GET", "/healthz").status == 200
    except OSError:
        return False


# --- failover

@pytest.mark.parametrize("dead, weight", [("new", 100), ("old", 0)])
def test_failover_both_ways(start, old, new, dead, weight):
    proxy = start(Proxy, old, new, {"initial_weight": weight})
    {"old": old, "new": new}[dead].kill()
    other = "old" if dead == "new" else "new"
    for _ in range(20):
        assert proxy.get("/").side == other
    assert proxy.metric("cutover_failovers_total") >= 20
    assert proxy.metric("cutover_failovers_total", **{"from": dead}) >= 20


@pytest.mark.parametrize("policy, dead, served", [
    ("to_old", "new", True), ("to_old", "old", False), ("none", "new", False), ("none", "old", False)])
def test_failover_policies(start, old, new, policy, dead, served):
    proxy = start(Proxy, old, new, {"failover": policy, "initial_weight": 100 if dead == "new" else 0})
    {"old": old, "new": new}[dead].kill()
    proxy.wait_health(dead, "down")
    response = proxy.get("/")
    if served:
        assert response.side == ("old" if dead == "new" else "new")
    else:
        proxy.expect_broken = True
        assert (response.status, response.outcome) == (503, "no_server")
        assert int(response.header("Retry-After")) >= 1


def test_a_request_that_was_not_sent_may_go_to_the_other_side(start, old, new):
    """Nothing listens on new any more and no check has seen it yet: POST too is served."""
    proxy = start(Proxy, old, new, {"initial_weight": 100, "health": {"interval": "1h"}})
    new.kill()
    body = b"x" * 20000
    for _ in range(3):
        response = proxy.request("POST", "/upload", body=body)
        assert response.status == 200 and response.side == "old"


def test_a_post_that_may_have_arrived_is_never_sent_twice(start, old):
    def reset(head_, connection):
        return None  # closes without an answer

    backend = start(Recorder, reset)
    proxy = start(Proxy, old, backend, {"initial_weight": 100})
    response = proxy.request("POST", "/upload", {"X-Test-Id": "once"}, body=b"pay")
    assert (response.status, response.outcome) == (502, "upstream_closed")
    assert backend.bytes().count(b"POST /upload") == 1
    assert old.get("/stats?id=once").json()["seen"] == 0


def test_both_down_is_answered_fast(start, old, new):
    proxy = start(Proxy, old, new)
    old.kill()
    new.kill()
    proxy.wait_health("old", "down")
    proxy.wait_health("new", "down")
    began = time.monotonic()
    for _ in range(50):
        response = proxy.get("/")
        assert (response.status, response.outcome) == (503, "no_server")
        assert int(response.header("Retry-After")) >= 1
        assert response.json()
    assert time.monotonic() - began < 5
    old.start()
    new.start()
    began = time.monotonic()
    eventually(lambda: proxy.get("/").status == 200, 10)
    assert time.monotonic() - began < 3 * INTERVAL_S + 1, "recovery takes about two checks"


def test_maintenance_of_a_side(proxy):
    proxy.weight(100)
    assert proxy.admin("PATCH", "/v1/backends/new", {"admin": "maint"}).status == 200
    for _ in range(5):
        assert proxy.get("/").side == "old"
    assert proxy.admin("PATCH", "/v1/backends/old", {"admin": "maint"}).status == 200
    response = proxy.get("/")
    assert (response.status, response.outcome) == (503, "maintenance")
    for side in ("old", "new"):
        assert proxy.admin("PATCH", f"/v1/backends/{side}", {"admin": "ready"}).status == 200
    assert proxy.get("/").side == "new"


def test_drain_takes_no_new_users_and_keeps_the_placed(proxy):
    proxy.weight(50)
    placed = [x.cookie() for x in (proxy.get("/") for _ in range(40)) if x.side == "new"]
    assert placed
    proxy.admin("PATCH", "/v1/backends/new", {"admin": "drain"})
    assert {proxy.get("/").side for _ in range(40)} == {"old"}
    assert {proxy.get("/", {"Cookie": f"cutover={c}"}).side for c in placed} == {"new"}
    fresh = proxy.get("/").cookie()
    proxy.admin("PATCH", "/v1/backends/new", {"admin": "ready"})
    assert proxy.get("/", {"Cookie": f"cutover={fresh}"}).side == "old", "drawn from old's buckets"


# --- passive ejection

def test_a_server_that_fails_requests_is_left_alone_for_a_while(start, old, new):
    def fault(head_, connection):
        return None

    bad = start(Recorder, fault)
    proxy = start(Proxy, [old, bad], new, {
        "workers": 1, "outlier": {"consecutive_errors": 3, "eject_for": "2s", "max_eject_for": "4s"}})
    statuses = collections.Counter()
    for _ in range(40):
        statuses[proxy.request("POST", "/", body=b"x").status] += 1
    assert statuses[502] == 3, f"three errors in a row eject it: {statuses}"
    assert statuses[200] == 37
    servers = {s["url"]: s for s in proxy.status()["backends"]["old"]["servers"]}
    assert servers[bad.url]["ejected"] and not servers[old.url]["ejected"]
    assert servers[bad.url]["health"] == "up"
    bad.answer = lambda *_: Recorder.OK
    eventually(lambda: proxy.get("/").side == "recorder", 8, what="it comes back")


def test_application_errors_do_not_eject(start, old, new):
    proxy = start(Proxy, old, new, {"outlier": {"consecutive_errors": 2, "eject_for": "5s"}})
    for _ in range(10):
        assert proxy.get("/status/500").status == 500
    assert not proxy.status()["backends"]["old"]["servers"][0]["ejected"]


# --- a whole side dies under load

@pytest.mark.slow
@pytest.mark.perf
def test_new_killed_under_load_at_50(start, old, new):
    """Only requests in flight on it may fail; new is used again within two checks of its return."""
    proxy = start(Proxy, old, new, {"initial_weight": 50}, release=True)
    stop = threading.Event()
    results = []  # (when, status or None)
    lock = threading.Lock()

    def client(cookie):
        while not stop.is_set():
            at = time.monotonic()
            try:
                with Wire(proxy.address, 5) as wire:
                    for _ in range(20):
                        at = time.monotonic()
                        wire.send(head("GET", "/", {"Cookie": f"cutover={cookie}"}))
                        status = wire.read()
                        with lock:
                            results.append((at, status.status, status.side))
                        time.sleep(0.002)
            except Exception as error:  # a cut answer: in flight when it died
                with lock:
                    results.append((at, None, repr(error)))

    threads = [threading.Thread(target=client, args=(f"{i * 600:04d}",)) for i in range(16)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1.0)
        new.kill()
        killed = time.monotonic()
        time.sleep(2.0)
        with lock:
            failed = [r for r in results if r[1] != 200]
        assert len(failed) <= 16, f"more than were in flight: {len(failed)}: {failed[:5]}"
        assert all(at <= killed + 0.05 for at, _, _ in failed), "nothing fails after the death"
        new.start()
        returned = time.monotonic()
        eventually(lambda: any(r[2] == "new" and r[0] > returned for r in results[-200:]), 10,
                   what="new is used again")
        # two good checks, a probing request where it was ejected, and the machine's own pace
        assert time.monotonic() - returned < 3 * INTERVAL_S + 0.5
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not [r for r in results if r[0] > returned and r[1] != 200]


def test_a_stale_kept_connection_is_not_the_clients_problem(start, new):
    """A backend that closes kept connections after each answer, without a word."""
    origin = start(Origin, "old")
    proxy = start(Proxy, origin, new)
    with proxy.connect() as wire:
        for _ in range(30):
            assert wire.get("/fault/close-idle").status == 200
        for _ in range(10):
            wire.get("/fault/close-idle")
            time.sleep(0.02)
            assert wire.request("POST", "/upload", body=b"x").status == 200
