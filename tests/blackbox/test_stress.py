"""The proxy's own health: stopped, short of something, told lies by the clock, or with nowhere to log."""

import contextlib
import ctypes
import datetime
import email.utils
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cutover import Origin, Process, Proxy, program
from wire import Closed, Wire, eventually, head


class Wrapped(Proxy):
    """A proxy that another program starts, or in an environment of its own."""

    def __init__(self, wrapper, *args, env=None, **kwargs):
        self.wrapper, self.env = wrapper, env or {}
        super().__init__(*args, **kwargs)

    def start(self, args=(), wait=True):
        self.process = Process([*self.wrapper, program("cutover", self.build), "run", "-c",
                                str(self.config_file), *args], env={**self.environment(), **self.env})
        try:
            if wait:
                self.wait_ready()
        except BaseException:
            self.clean()
            raise
        return self


def events(proxy, what):
    return [x for x in proxy.admin("GET", "/v1/events?limit=1000").json()["events"] if x["what"] == what]


def flips(proxy):
    """Servers that went down."""
    return [x for x in events(proxy, "health") if x["to"] == "down"]


def warnings(proxy):
    return " ".join(proxy.status()["warnings"])


@contextlib.contextmanager
def stopped(process):
    process.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.signal(signal.SIGCONT)


# --- a machine that stands still

UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}


def test_the_proxy_is_stopped_for_seconds(start, old, new):
    """Longer than any of its timeouts. What came in time is read before it is judged."""
    proxy = start(Proxy, old, new, {
        "health": {"interval": "300ms", "timeout": "250ms", "unhealthy_threshold": 1},
        "timeouts": {"client_header": "1s", "client_body": "1s", "client_idle": "1s", "connect": "500ms",
                     "response_header": "2s", "response_body": "1s", "tunnel_idle": "1s", "upstream_idle": "1s"}})
    with contextlib.ExitStack() as stack:
        slow, stream, half_head, half_body, idle, tunnel = (
            stack.enter_context(proxy.connect()) for _ in range(6))
        admin = stack.enter_context(Wire(("127.0.0.1", proxy.admin_port)))
        assert admin.get("/healthz").status == 200
        assert idle.get("/").status == 200
        tunnel.send(head("GET", "/ws", UPGRADE))
        assert tunnel.read_head().status == 101
        checks = old.stats()["paths"]["health"]
        slow.send(head("GET", "/delay?ms=1500"))
        stream.send(head("GET", "/sse?count=8&interval_ms=400"))
        half_head.send(b"GET / HTTP/1.1\r\nHost: te")
        half_body.send(head("POST", "/echo", body=b"12345678") + b"1234")
        time.sleep(0.3)
        with stopped(proxy.process):
            time.sleep(3.0)
            half_head.send(b"st\r\n\r\n")
            half_body.send(b"5678")
            idle.send(head("GET", "/"))
            tunnel.send(b"\x81\x85\0\0\0\0hello")
            admin.send(head("GET", "/v1/status", address=("127.0.0.1", proxy.admin_port)))
            late = stack.enter_context(proxy.connect())
            late.send(head("GET", "/"))
            time.sleep(0.7)
        resumed = time.monotonic()
        for wire in (slow, half_head, half_body, idle, late, admin):
            assert wire.read().status == 200
        assert stream.read().body.count(b"data: ") == 8
        assert tunnel.need(7) == b"\x81\x05hello"
        assert time.monotonic() - resumed < 1
        time.sleep(0.1)
        assert old.stats()["paths"]["health"] - checks <= 6, "no burst of checks"
    time.sleep(0.7)
    assert flips(proxy) == []
    assert proxy.metric("cutover_requests_total", code="5xx") == 0
    assert proxy.metric("cutover_refused_total") == 0
    eventually(lambda: [x for x in proxy.logs("the process stood still") if x["ms"] > 2000], 3)


def test_what_is_silent_after_a_stop_is_still_cut(start, old, new):
    proxy = start(Proxy, old, new, {"timeouts": {"client_header": "1s", "response_header": "1s"}})
    with proxy.connect() as quiet, proxy.connect() as slow:
        quiet.send(b"GET / HT")
        slow.send(head("GET", "/delay?ms=9000"))
        time.sleep(0.2)
        with stopped(proxy.process):
            time.sleep(1.5)
        assert quiet.read().outcome == "header_timeout"
        assert slow.read().outcome == "response_timeout"


def test_a_backend_is_stopped(start, old, new):
    """For less than it takes to be found down, and for more."""
    proxy = start(Proxy, old, new, {"initial_weight": 100, "health": {"unhealthy_threshold": 4}})
    with proxy.connect() as wire:
        with stopped(new.process):
            wire.send(head("GET", "/"))
            time.sleep(1.2)
        assert wire.read().side == "new"
    time.sleep(0.5)
    assert flips(proxy) == []
    with stopped(new.process):
        proxy.wait_health("new", "down")
        assert proxy.get("/").side == "old"
    proxy.wait_health("new", "up")
    assert proxy.get("/").side == "new"
    assert len(flips(proxy)) == 1


def test_a_stolen_processor(start, old, new):
    """Twice as many busy loops as processors beside it."""
    proxy = start(Proxy, old, new)
    spin = "import time; end = time.monotonic() + 5\nwhile time.monotonic() < end: pass"
    loops = [Process([sys.executable, "-c", spin]) for _ in range(2 * len(os.sched_getaffinity(0)))]
    try:
        end = time.monotonic() + 4
        with proxy.connect() as wire:
            while time.monotonic() < end:
                assert wire.get("/").status == 200
                assert wire.request("POST", "/echo", body=b"x" * 5000).status == 200
    finally:
        for loop in loops:
            loop.kill()
    assert flips(proxy) == []


# --- a clock that lies

class Clock:
    """The wall clock of a process that is started with .env."""

    def __init__(self, folder):
        found = list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not found:
            pytest.skip("libfaketime is not installed")
        self.file = folder / "clock"
        self.shift(0)
        self.env = {"LD_PRELOAD": str(found[0]), "FAKETIME_TIMESTAMP_FILE": str(self.file),
                    "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def shift(self, days):
        self.days = days
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{days:+d}d\n")
        fresh.replace(self.file)

    def says(self, moment):
        """Whether a moment, in Unix time, is now by this clock."""
        return abs(moment - (time.time() + self.days * 86400)) < 60


def unix(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_the_clock_is_set(start, old, new, tmp_path):
    """A day on, two back, and right again: what lasts goes by another clock."""
    clock = Clock(tmp_path)
    proxy = start(Wrapped, [], old, new, {
        "initial_weight": 100, "sticky": {"max_age": "1h"},
        "timeouts": {"client_idle": "5s", "response_header": "5s", "client_header": "5s", "upstream_idle": "3s"},
    }, release=True, env=clock.env)
    with proxy.connect() as kept, Wire(("127.0.0.1", proxy.admin_port)) as admin:
        assert kept.get("/").status == 200
        for step, days in enumerate((1, -1, 0)):
            with proxy.connect() as slow, proxy.connect() as half:
                slow.send(head("GET", "/delay?ms=700"))
                half.send(b"GET / HTTP/1.1\r\n")
                time.sleep(0.1)
                clock.shift(days)
                half.send(b"Host: test\r\n\r\n")
                assert slow.read().status == 200 and half.read().status == 200
            assert kept.get("/").status == 200
            assert "Max-Age=3600" in proxy.get("/").header("Set-Cookie")
            with proxy.connect() as refused:
                refused.send(b"GET / HTTP/1.1\r\n\r\n")
                date = refused.read().header("Date")
            assert clock.says(email.utils.parsedate_to_datetime(date).timestamp())
            answer = proxy.weight(10 * step).json()
            assert clock.says(unix(answer["last_change"]["at"]))
            assert admin.get("/healthz").status == 200, "kept"
            eventually(lambda: clock.says(unix(proxy.logs("request")[-1]["time"])), 2)
        ids = [x["id"] for x in proxy.admin("GET", "/v1/events").json()["events"]]
        assert ids == sorted(ids)
        assert all(0 <= x["duration_ms"] < 5000 for x in proxy.logs("request") if "duration_ms" in x)
    uptime = proxy.status()["uptime_s"]
    assert 0 < uptime < 60
    assert flips(proxy) == []
    clock.shift(-1)
    proxy.kill()
    proxy.restart()
    assert proxy.status()["weight"] == 20, "the newest by its number, not by its date"


def test_certificates_go_by_the_wall_clock(start, old, new, tmp_path):
    clock = Clock(tmp_path)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=test", "-days", "90", "-keyout", tmp_path / "key", "-out", tmp_path / "crt"],
                   check=True, capture_output=True)
    proxy = start(Wrapped, [], old, new, {"admin": {"tls": None}}, release=True, env=clock.env, wait=False)
    proxy.process.kill()
    proxy.config["listen"].append({"address": "127.0.0.1:0", "tls": {
        "certificate": str(tmp_path / "crt"), "key": str(tmp_path / "key")}})
    proxy.write_config()
    proxy.start()
    assert "certificate" not in warnings(proxy)
    clock.shift(85)
    assert "ends in 4 days" in warnings(proxy) or "ends in 5 days" in warnings(proxy)
    clock.shift(100)
    assert "has expired" in warnings(proxy)
    clock.shift(0)
    assert "certificate" not in warnings(proxy)


# --- nowhere to log

def flood(proxy):
    """More lines than the log keeps in memory."""
    with proxy.connect() as wire:
        for i in range(60):
            wire.send(head("GET", f"/{'x' * 7000}{i}") * 4)
            for _ in range(4):
                assert wire.read().status == 200


def fill_log(proxy):
    """Until it drops lines; every request is answered meanwhile."""
    def drops():
        flood(proxy)
        return proxy.metric("cutover_log_dropped_total") > 0

    eventually(drops, 10)
    eventually(lambda: "log" in warnings(proxy), 3)


def check_end(proxy):
    """It ends cleanly, and within the second that it gives to its log."""
    begun = time.monotonic()
    proxy.process.signal(signal.SIGTERM)
    assert proxy.process.wait(8) == 0
    assert time.monotonic() - begun < 2.5


@pytest.mark.parametrize("how", ["<&- >&- 2>&-", ">/dev/full 2>&1", "> >(head -n 3)"])
def test_a_log_that_cannot_be_written(start, old, new, how):
    """No descriptors to write to, a full disk, a reader that has died."""
    proxy = start(Wrapped, ["bash", "-c", f'exec "$@" {how}', "bash"], old, new, release=True)
    fill_log(proxy)
    standard = {os.readlink(f"/proc/{proxy.pid}/fd/{fd}") for fd in range(3)}
    assert standard == {"/dev/null"} or "<&-" not in how, "no log line into a socket"
    assert proxy.get("/").status == 200
    check_end(proxy)


def test_a_log_that_nobody_reads_holds_up_no_end(start, old, new):
    proxy = start(Wrapped, ["bash", "-c", 'exec "$@" > >(exec sleep 8 >/dev/null 2>&1)', "bash"], old, new, release=True)
    fill_log(proxy)
    check_end(proxy)


def test_a_log_file_that_is_full(start, old, new, tmp_path):
    """With the default action of SIGXFSZ. What fits again is written, and the gap is told."""
    log = tmp_path / "log"
    proxy = start(Proxy, old, new, {"log": {"file": str(log)}}, release=True)
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
    fill_log(proxy)
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    eventually(lambda: b'"log lines dropped"' in log.read_bytes(), 3)
    proxy.get("/after")
    eventually(lambda: b'"path":"/after"' in log.read_bytes(), 3)
    for line in log.read_bytes().splitlines():
        json.loads(line)
    check_end(proxy)


def test_a_log_file_whose_folder_is_gone(start, old, new, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    proxy = start(Proxy, old, new, {"log": {"file": str(folder / "log")}})
    (folder / "log").rename(tmp_path / "moved")
    folder.rmdir()
    proxy.process.signal(signal.SIGUSR1)
    eventually(lambda: "cannot reopen the log file" in (tmp_path / "moved").read_text(), 3)
    proxy.get("/goes-on")
    eventually(lambda: "/goes-on" in (tmp_path / "moved").read_text(), 3)
    folder.mkdir()
    proxy.process.signal(signal.SIGUSR1)
    proxy.get("/anew")
    eventually(lambda: (folder / "log").exists() and proxy.get("/anew")
               and "/anew" in (folder / "log").read_text(), 3)


# --- short of ports, descriptors, memory

PORTS = 40


class Neighbour(Wire):
    """A client at an address of its own, with all of its ports."""

    def __init__(self, address, number):
        self.sock = socket.create_connection(address, 10, source_address=(f"127.0.1.{number + 1}", 0))
        self.rest = b""


def in_network(what):
    """Calls it in a network namespace of its own, with few ports; skips where that is not allowed."""
    result = []

    def enter():
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(0x40000000) != 0:  # CLONE_NEWNET, of this thread
            raise PermissionError(os.strerror(ctypes.get_errno()))
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True, capture_output=True)
        Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(f"40000 {40000 + PORTS - 1}")

    def run():
        try:
            enter()
        except (OSError, subprocess.CalledProcessError) as error:
            result.append(f"no network of its own: {error}")
            return
        try:
            what()
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if result and isinstance(result[0], str):
        pytest.skip(result[0])
    if result:
        raise result[0]


def ask_all(proxy, count, path):
    wires = [Neighbour(proxy.address, i) for i in range(count)]
    for wire in wires:
        wire.send(head("GET", path))
    answers = []
    for wire in wires:
        with wire:
            answers.append(wire.read())
    return answers


def test_out_of_ports():
    """There are few. Who finds none is told so; the server is not blamed."""
    def body():
        old, new = Origin("old"), Origin("new")
        proxy = None
        try:
            proxy = Proxy(old, new, {"failover": "none", "workers": 1, "outlier": {"consecutive_errors": 2},
                                     "timeouts": {"upstream_idle": "10s"},
                                     "health": {"interval": "200ms", "timeout": "150ms"}})
            answers = ask_all(proxy, 2 * PORTS, "/delay?ms=1500")
            served = [x for x in answers if x.status == 200]
            refused = [x for x in answers if x.status != 200]
            assert PORTS // 2 <= len(served) <= PORTS, len(served)
            assert {(x.status, x.outcome) for x in refused} == {(503, "overloaded")}
            assert proxy.metric("cutover_attempts_total", outcome="overloaded") >= len(refused)
            assert [x.status for x in ask_all(proxy, 5, "/")] == [200] * 5, "by kept connections"
            status = proxy.status()["backends"]["old"]
            assert not status["servers"][0]["ejected"] and status["servers"][0]["health"] == "up"
            assert flips(proxy) == []
            eventually(lambda: proxy.logs("health checks cannot be made: the server stays what it is"), 1)
            eventually(lambda: {x.status for x in ask_all(proxy, 10, "/")} == {200}, 5, 0.2)
            proxy.check_unharmed()
            proxy.stop()
            assert proxy.reports_text() == ""
        finally:
            if proxy:
                proxy.clean()
            old.stop()
            new.stop()

    in_network(body)


def test_out_of_descriptors_under_load(start, old, new):
    """A limit from the start: who is there goes on, and so do the checks and the admin port."""
    proxy = start(Wrapped, ["prlimit", "--nofile=300:300"], old, new, {
        "health": {"interval": "200ms", "timeout": "150ms"}})
    with proxy.connect() as kept, contextlib.ExitStack() as stack:
        assert kept.get("/").status == 200
        crowd = [stack.enter_context(proxy.connect()) for _ in range(250)]
        for wire in crowd:
            with contextlib.suppress(OSError):
                wire.send(head("GET", "/delay?ms=1200"))
        for _ in range(10):
            assert kept.get("/").status == 200
            assert proxy.admin("GET", "/v1/status").status == 200
            assert proxy.admin("GET", "/readyz").status == 200
        answers = []
        for wire in crowd:
            with contextlib.suppress(OSError, Closed):
                answers.append(wire.read().status)
        assert set(answers) == {200, 503}
        assert answers.count(200) >= 80
    assert flips(proxy) == []


def test_descriptors_that_are_taken_away(start, old, new):
    """No socket can be made at all: connections that are there are used, and no server is blamed."""
    proxy = start(Proxy, old, new, {"workers": 1, "health": {"interval": "200ms", "timeout": "150ms"},
                                    "timeouts": {"upstream_idle": "10s"}})
    normal = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
    admin_address = ("127.0.0.1", proxy.admin_port)
    with proxy.connect() as kept, Wire(admin_address) as admin:
        assert kept.get("/").status == 200
        assert admin.get("/readyz").status == 200
        resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (3, normal[1]))
        for _ in range(10):
            assert kept.get("/").status == 200
            assert admin.get("/readyz").status == 200
            time.sleep(0.1)
        resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, normal)
    assert flips(proxy) == []
    eventually(lambda: proxy.get("/").status == 200, 3)


def test_memory_that_ends(start, old, new):
    """From 90 % of a limit on new clients are turned away; who is there stays."""
    proxy = start(Proxy, old, new, release=True)
    ask_all(proxy, 20, "/")  # each worker has its arena by now
    size = int(Path(f"/proc/{proxy.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    with proxy.connect() as kept:
        assert kept.get("/").status == 200
        assert proxy.metric("cutover_memory_short") == 0
        resource.prlimit(proxy.pid, resource.RLIMIT_AS, (size * 100 // 95, resource.RLIM_INFINITY))
        eventually(lambda: "memory is short" in warnings(proxy), 3)
        with proxy.connect() as extra:
            answer = extra.read()
            assert (answer.status, answer.outcome) == (503, "overloaded")
        assert kept.get("/").status == 200
        assert proxy.metric("cutover_memory_short") == 1
        assert proxy.admin("GET", "/readyz").status == 200
        resource.prlimit(proxy.pid, resource.RLIMIT_AS, unlimited)
        eventually(lambda: "memory is short" not in warnings(proxy), 3)
        assert proxy.get("/").status == 200
    assert [x["to"] for x in events(proxy, "memory")] == ["short", "enough"]
    assert flips(proxy) == []


# --- the disk, and the file

def test_a_link_in_place_of_the_state(start, old, new):
    """It is replaced, not followed; and what it led to is neither read nor written."""
    proxy = start(Proxy, old, new)
    proxy.weight(10)
    state = Path(proxy.config["state_file"])
    victim = proxy.folder / "victim"
    victim.write_text("precious")
    for path in (state, Path(f"{state}.prev")):
        path.unlink(missing_ok=True)
        path.symlink_to(victim)
    proxy.weight(20)
    proxy.weight(30)
    assert victim.read_text() == "precious"
    assert state.is_file() and not state.is_symlink()
    proxy.kill()
    proxy.restart()
    assert proxy.status()["weight"] == 30


def test_a_link_in_place_of_the_states_folder(start, old, new, tmp_path):
    """That leads nowhere: refused, and nothing is applied. That leads to a folder: the state is there."""
    folder = tmp_path / "state"
    folder.mkdir()
    proxy = start(Proxy, old, new, {"state_file": str(folder / "state.json")})
    proxy.weight(10)
    shutil.rmtree(folder)
    for leads_to in (tmp_path / "nowhere", folder):
        folder.symlink_to(leads_to)
        answer = proxy.admin("PUT", "/v1/weight", {"weight": 60})
        assert (answer.status, answer.code) == (500, "state_not_saved")
        assert proxy.status()["weight"] == 10
        folder.unlink()
    (tmp_path / "other").mkdir()
    folder.symlink_to(tmp_path / "other")
    proxy.weight(70)
    assert (tmp_path / "other" / "state.json").exists()
    proxy.kill()
    proxy.restart()
    assert proxy.status()["weight"] == 70


def test_a_state_that_may_not_grow(start, old, new):
    """The signal that comes with it is not the end of the proxy."""
    proxy = start(Proxy, old, new)
    proxy.weight(10)
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    answer = proxy.admin("PUT", "/v1/weight", {"weight": 60})
    assert (answer.status, answer.code) == (500, "state_not_saved")
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    proxy.weight(60)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_that_comes_too_late_is_not_the_end(start, old, new, number):
    """Up to the last moment: with its default action it would kill the process that is stopping."""
    proxy = start(Proxy, old, new)
    proxy.process.signal(signal.SIGTERM)
    while proxy.process.running:
        proxy.process.signal(number)
        time.sleep(0.0005)
    assert proxy.process.wait() == 0


def test_a_refused_reload_is_told_once_with_all_problems(start, old, new):
    proxy = start(Proxy, old, new)
    good = proxy.config_file.read_text()
    proxy.write_config("backends: {old: {servers: [nonsense]}}\nwieght: 3\n")
    proxy.reload()
    line = eventually(lambda: [x for x in proxy.logs() if x["level"] == "error"], 3)[0]
    time.sleep(0.2)
    about = [x for x in proxy.logs() if "wieght" in json.dumps(x)]
    assert about == [line], "one line"
    assert "nonsense" in line["reason"] and (line["what"], line["result"]) == ("reload", "config_invalid")
    assert "not what the file says" in warnings(proxy)
    proxy.write_config(good)
    proxy.reload()
    eventually(lambda: "not what the file says" not in warnings(proxy), 3)
