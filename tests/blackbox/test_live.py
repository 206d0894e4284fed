"""Changes while the load goes on: nobody may notice but those who move. Release build."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest

from cutover import Origin, Proxy, Wrk, eventually
from wire import Wire, head

pytestmark = pytest.mark.perf


@pytest.fixture
def loaded(start, old, new):
    """A proxy under wrk with 64 connections; .finish() insists that no request failed."""
    proxy = start(Proxy, old, new, {"log": {"access": "off"}, "workers": 2}, release=True)
    wrk = Wrk(proxy.url + "/", connections=64, seconds=60)

    def finish():
        requests, failed, text = wrk.stop()
        assert failed == 0, text
        assert requests > 1000, text

    proxy.finish_load = finish
    try:
        eventually(lambda: proxy.metric("cutover_requests_total") > 1000, 10, what="load")
        yield proxy
    finally:
        wrk.process.kill() if wrk.process.running else None


@pytest.mark.slow
def test_100_weight_changes_under_load(loaded, old, new):
    """100 ms after the 200 not one request more goes to the side at weight 0."""
    late = []
    for i in range(100):
        weight = 100 if i % 2 == 0 else 0
        idle = old if weight == 100 else new
        loaded.weight(weight)
        time.sleep(0.1)
        before = idle.served()
        time.sleep(0.02)
        after = idle.served()
        if after != before:
            late.append((i, after - before))
    loaded.finish_load()
    assert not late, f"requests after 100 ms: {late}"


@pytest.mark.slow
def test_100_reloads_under_load(loaded):
    """50 by HUP, 50 by the API; each takes effect, and the weight stays."""
    loaded.weight(40)
    for i in range(100):
        loaded.config["timeouts"]["connect"] = f"{1000 + i}ms"
        loaded.write_config()
        before = loaded.status()["generation"]
        if i % 2:
            loaded.reload()
            eventually(lambda: loaded.status()["generation"] > before, 3, 0.005,  # noqa: B023
                       what=f"reload {i} by HUP")
        else:
            answer = loaded.admin("POST", "/v1/reload")
            assert answer.status == 200, answer
            assert loaded.status()["generation"] > before
        time.sleep(0.03)
    assert loaded.status()["weight"] == 40
    loaded.finish_load()


def test_many_signals_at_once_do_no_harm(loaded):
    for _ in range(50):
        loaded.process.signal(signal.SIGHUP)
        loaded.process.signal(signal.SIGUSR1)
    time.sleep(0.5)
    loaded.finish_load()


def test_a_reload_that_swaps_servers_loses_nothing(loaded, old, new):
    """The backends change places 20 times: kept connections to the wrong one must not be used."""
    for i in range(20):
        sides = loaded.config["backends"]
        sides["old"]["servers"], sides["new"]["servers"] = sides["new"]["servers"], sides["old"]["servers"]
        loaded.write_config()
        assert loaded.admin("POST", "/v1/reload").status == 200
        expected = "new" if i % 2 == 0 else "old"
        time.sleep(0.1)
        assert {loaded.get("/").side for _ in range(5)} == {expected}
    loaded.finish_load()


# --- reload

def test_a_bad_reload_keeps_the_old_configuration(start, old, new):
    proxy = start(Proxy, old, new)
    proxy.weight(20)
    before = proxy.status()
    proxy.write_config("backends: {old: {servers: [nonsense]}}\nwieght: 3\n")
    answer = proxy.admin("POST", "/v1/reload")
    assert answer.status == 422 and answer.code == "config_invalid"
    assert "wieght" in answer.text and "nonsense" in answer.text, "all problems at once"
    proxy.reload()
    eventually(lambda: [x for x in proxy.logs() if x["level"] == "error"], 3, what="the log says so")
    after = proxy.status()
    assert (after["weight"], after["generation"]) == (20, before["generation"])
    assert proxy.get("/").status == 200


def test_what_needs_a_restart_says_so(start, old, new):
    proxy = start(Proxy, old, new)
    proxy.config["workers"] = 3
    proxy.write_config()
    answer = proxy.admin("POST", "/v1/reload")
    assert answer.status == 422 and "workers" in answer.text and "restart" in answer.text


def test_a_reload_adds_and_removes_routes_and_servers(start, old, new):
    proxy = start(Proxy, old, new)
    proxy.config["routes"] = [{"name": "beta", "path": "/beta", "weight": 100}]
    proxy.write_config()
    assert proxy.admin("POST", "/v1/reload").status == 200
    assert proxy.get("/beta").side == "new" and proxy.get("/").side == "old"
    proxy.weight(0, route="beta")
    proxy.config["routes"] = []
    proxy.write_config()
    assert proxy.admin("POST", "/v1/reload").status == 200
    assert proxy.status()["routes"] == []
    proxy.config["routes"] = [{"name": "beta", "path": "/beta", "weight": 100}]
    proxy.write_config()
    assert proxy.admin("POST", "/v1/reload").status == 200
    assert proxy.get("/beta").status == 200


def test_a_request_finishes_on_the_configuration_it_began_with(start, old, new):
    proxy = start(Proxy, old, new)
    third = start(Origin, "third")
    with proxy.connect() as wire:
        wire.send(head("GET", "/delay?ms=700"))
        time.sleep(0.2)
        proxy.config["backends"]["old"]["servers"] = [third.url]
        proxy.write_config()
        assert proxy.admin("POST", "/v1/reload").status == 200
        eventually(lambda: proxy.get("/").side == "third", 2)
        response = wire.read()
        assert (response.status, response.side) == (200, "old")


# --- stop

def test_term_finishes_what_is_in_flight(start, old, new):
    proxy = start(Proxy, old, new, {"timeouts": {"drain": "5s"}})
    with proxy.connect() as busy, proxy.connect() as idle:
        idle.get("/")
        busy.send(head("GET", "/delay?ms=1000"))
        time.sleep(0.3)
        began = time.monotonic()
        proxy.process.signal(signal.SIGTERM)
        assert idle.at_end(2), "idle connections are closed"
        response = busy.read()
        assert response.status == 200 and response.header("Connection").lower() == "close"
    assert proxy.process.wait(5) == 0
    assert time.monotonic() - began < 3


def test_drain_ends_in_time(start, old, new):
    proxy = start(Proxy, old, new, {"timeouts": {"drain": "1s"}})
    with proxy.connect() as wire:
        wire.send(head("GET", "/delay?ms=20000"))
        time.sleep(0.2)
        began = time.monotonic()
        proxy.process.signal(signal.SIGTERM)
        proxy.process.wait(6)
        assert 0.5 < time.monotonic() - began < 4


def test_not_ready_while_draining(start, old, new):
    proxy = start(Proxy, old, new, {"timeouts": {"drain": "3s"}})
    with proxy.connect() as wire:
        wire.send(head("GET", "/delay?ms=1500"))
        time.sleep(0.2)
        proxy.process.signal(signal.SIGTERM)

        def says_no():
            with contextlib.suppress(OSError):
                return proxy.admin("GET", "/readyz").status == 503
            return False

        eventually(says_no, 1.2, what="readyz says 503 while draining")
        assert wire.read().status == 200
    assert proxy.process.wait(5) == 0


def test_a_second_term_ends_at_once(start, old, new):
    proxy = start(Proxy, old, new, {"timeouts": {"drain": "20s"}})
    with proxy.connect() as wire:
        wire.send(head("GET", "/delay?ms=30000"))
        time.sleep(0.2)
        proxy.process.signal(signal.SIGTERM)
        time.sleep(0.3)
        assert proxy.process.running
        began = time.monotonic()
        proxy.process.signal(signal.SIGTERM)
        proxy.process.wait(3)
        assert time.monotonic() - began < 2


def test_term_under_load_fails_no_request(start, old, new):
    """Every request that was taken is answered; only connecting anew may be refused."""
    proxy = start(Proxy, old, new, release=True)
    cut, answered = [], [0]

    def client():
        with contextlib.suppress(ConnectionRefusedError, socket.timeout):
            while True:
                with Wire(proxy.address, 3) as wire:
                    try:
                        wire.send(head("GET", "/delay?ms=5", {"Connection": "close"}))
                        wire.read()
                        answered[0] += 1
                    except Exception as error:
                        # taken by the kernel but not by the proxy: not a byte came back
                        cut.append(error)

    threads = [threading.Thread(target=client) for _ in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    proxy.process.signal(signal.SIGTERM)
    assert proxy.process.wait(6) == 0
    for thread in threads:
        thread.join(5)
    assert answered[0] > 100
    partial = [error for error in cut if getattr(error, "partial", b"")]
    assert not partial and len(cut) <= 16, cut[:3]


# --- resources

def test_start_fails_clearly_when_the_port_is_taken(start, old, new):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        proxy = start(Proxy, old, new, {"listen": [{"address": f"127.0.0.1:{port}"}]}, wait=False)
        assert proxy.process.wait(5) == 1
        assert str(port) in proxy.output()


def test_a_blocked_log_does_not_stop_traffic(start, old, new):
    """Nobody reads the proxy's stdout: lines are dropped, requests are not."""
    read_end, write_end = os.pipe()
    proxy = start(Proxy, old, new, release=True, wait=False)
    proxy.process.kill()
    child = subprocess.Popen(proxy.process.child.args, stdout=write_end, stderr=subprocess.DEVNULL,
                             env=proxy.environment())
    os.close(write_end)
    try:
        eventually(lambda: ready(proxy), 10)
        with proxy.connect() as wire:
            for i in range(3000):
                assert wire.get(f"/{'x' * 200}{i}").status == 200
        child.terminate()
        assert child.wait(8) == 0
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        os.close(read_end)


def ready(proxy):
    with contextlib.suppress(OSError):
        return proxy.admin("GET", "/readyz").status == 200
    return False


def test_out_of_descriptors(start, old, new):
    """More clients than descriptors: no busy loop, the control side answers, and it recovers."""
    proxy = start(Proxy, old, new)
    normal = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (proxy.fds() + 12, normal[1]))
    socks = []
    for _ in range(60):
        with contextlib.suppress(OSError):
            socks.append(socket.create_connection(proxy.address, 1))
    time.sleep(0.3)
    cpu = proxy.cpu_s()
    time.sleep(0.7)
    assert proxy.cpu_s() - cpu < 0.35, "no busy loop"
    for sock in socks:
        sock.close()
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, normal)
    eventually(lambda: ready(proxy) and proxy.get("/").status == 200, 5)


def test_a_limit_of_connections(start, old, new):
    proxy = start(Proxy, old, new, {"limits": {"connections": 10}})
    wires = [proxy.connect() for _ in range(10)]
    for wire in wires:
        assert wire.get("/").status == 200
    with proxy.connect() as extra:
        extra.send(head("GET", "/"))
        data = extra.drain(3)
        assert data == b"" or data.startswith(b"HTTP/1.1 503 ")
    assert all(wire.get("/").status == 200 for wire in wires), "those that are there go on"
    for wire in wires:
        wire.close()
    eventually(lambda: proxy.get("/").status == 200, 3)


def test_a_limit_of_backend_connections(start, old, new):
    proxy = start(Proxy, old, new, {"workers": 1, "limits": {"upstream_connections": 2}})
    wires = [proxy.connect() for _ in range(8)]
    for wire in wires:
        wire.send(head("GET", "/delay?ms=200"))
    time.sleep(0.1)
    assert old.stats()["connections"]["open"] <= 2 + 2, "with a health check and this look"
    for wire in wires:
        assert wire.read().status in (200, 503)
        wire.close()


def test_idle_connections_cost_little(start, old, new):
    """Many idle keep-alive clients: no descriptor left behind, a few KiB each."""
    proxy = start(Proxy, old, new, release=True)
    proxy.get("/")
    before = proxy.pss_kib()
    count = min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
    with contextlib.ExitStack() as clients:
        for _ in range(count):
            wire = clients.enter_context(proxy.connect())
            assert wire.get("/").status == 200
        used = (proxy.pss_kib() - before) / count
    assert used < 8, f"{used:.1f} KiB for each"
