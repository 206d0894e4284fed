"""Servers that are named: addresses that move, are several, are dead, fail to resolve, or hang.

Most of them live in a world of names.py. The last ones ask the system itself, with a name server of
their own, where this machine allows a private /etc/resolv.conf.
"""

import contextlib
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cutover import RELEASE, Origin, Process, Proxy, free_port, program, wait_for_port
from names import NamedProxy, Names, shim  # noqa: F401 (a fixture)
from wire import eventually, head

# The resolver's own times: between two look-ups of a name, and how soon it hurries.
EVERY_S, HURRY_S = 15, 2


class OriginAt(Origin):
    """An application on an address of its own."""

    def __init__(self, name, host, port):
        self.host = host
        super().__init__(name, port)

    @property
    def authority(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def start(self):
        self.process = Process([program("cutover-origin", RELEASE), "--name", self.name,
                                "--listen", self.authority])
        wait_for_port(self, self.process)
        return self


class Load:
    """Clients that ask all the time, GET and POST in turn, on connections that they keep."""

    def __init__(self, proxy, clients=4):
        self.proxy, self.wanted = proxy, True
        self.failures, self.count, self.recent = [], 0, []
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        eventually(lambda: self.count > 200, 10, what="load")
        return self

    def __exit__(self, *_):
        self.wanted = False
        for thread in self.threads:
            thread.join(10)

    def run(self):
        with self.proxy.connect() as wire:
            while self.wanted:
                try:
                    for response in (wire.get("/"), wire.request("POST", "/echo", body=b"hi")):
                        self.note(response)
                except Exception as error:  # whatever it is, it is a failed request
                    self.failures.append(repr(error))
                    return
                time.sleep(0.002)

    def note(self, response):
        self.count += 1
        self.recent = [*self.recent[-19:], response.side]
        if response.status != 200:
            self.failures.append(repr(response))

    def served_by(self, side):
        """Whether the last answers are all its own."""
        return set(self.recent) == {side}


def connections(server):
    """The connections to it that are open at the end of who made them, each by its local address;
    not for IPv6."""
    remote = "%08X:%04X" % (struct.unpack("=I", socket.inet_aton(server.host))[0], server.port)
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return {fields[1] for fields in (line.split() for line in lines)
            if fields[2] == remote and fields[3] in ("01", "08")}


def told(proxy, result="ok"):
    """Events about addresses."""
    return [event for event in proxy.logs("event")
            if event["what"] == "addresses" and event["result"] == result]


@pytest.fixture
def names(tmp_path):
    return Names(tmp_path)


@pytest.fixture
def named(start, shim, names):
    def make(old_side, new_side, config=None, **more):
        return start(NamedProxy, shim, names, old_side, new_side, config, **more)

    return make


@pytest.fixture
def two(start):
    """The application on 127.0.0.1 and its successor on 127.0.0.2, on the same port."""
    port = free_port()
    return start(OriginAt, "first", "127.0.0.1", port), start(OriginAt, "second", "127.0.0.2", port)


KEEP = {"failover": "none", "timeouts": {"upstream_idle": "60s"}}


# --- addresses that move


@pytest.mark.slow
def test_a_server_moves_under_load(named, names, two, new):
    """No request fails, it is picked up without a reload, nothing is left on the old address."""
    first, second = two
    names.set("app.test", first.host)
    proxy = named(f"http://app.test:{first.port}", new, KEEP)
    with Load(proxy) as load:
        assert load.served_by("first")
        names.set("app.test", second.host)
        moved = time.monotonic()
        eventually(lambda: load.served_by("second"), 30)
        assert time.monotonic() - moved < EVERY_S + 3
        eventually(lambda: not connections(first), 2, what="the old address is left")
        assert first.stop() == 0
        count = load.count
        eventually(lambda: load.count > count + 200, 10)
    assert load.failures == []
    assert connections(second), "kept ones of the new address stay"
    assert [event["reason"] for event in told(proxy)] == ["127.0.0.1", "127.0.0.2"]
    assert proxy.server_health("old") == ["up"]


def test_what_is_under_way_ends_where_it_began(named, names, two, new):
    first, second = two
    names.set("app.test", first.host)
    proxy = named(f"http://app.test:{first.port}", new, KEEP)
    with proxy.connect() as slow, proxy.connect() as other:
        assert other.get("/").side == "first"
        slow.send(head("GET", "/delay?ms=3500"))
        time.sleep(0.2)
        names.set("app.test", second.host)
        proxy.reload()  # looks up again
        eventually(lambda: other.get("/").side == "second", HURRY_S + 1)
        eventually(lambda: len(connections(first)) <= 1, 2, what="idle connections are closed")
        response = slow.read()
        assert (response.status, response.side) == (200, "first")
        eventually(lambda: not connections(first), 2, what="the last one is not kept")


def test_a_server_that_died_is_looked_up_again_soon(named, names, two, new):
    """Nobody has to wait for the next turn when checks fail."""
    first, second = two
    names.set("app.test", first.host)
    proxy = named(f"http://app.test:{first.port}", new)
    time.sleep(HURRY_S)
    names.set("app.test", second.host)
    first.kill()
    eventually(lambda: proxy.get("/").side == "second", HURRY_S + 2)
    proxy.wait_health("old", "up")


def test_addresses_that_stay_keep_their_connections(named, names, two, new):
    first, second = two
    names.set("app.test", first.host)
    proxy = named(f"http://app.test:{first.port}", new, {**KEEP, "workers": 1})
    with proxy.connect() as wire:
        wire.get("/")
        time.sleep(0.5)
        kept = eventually(lambda: connections(first), 1)  # and none of a check, mostly
        names.set("app.test", second.host, first.host)
        proxy.reload()
        eventually(lambda: len(told(proxy)) == 2, HURRY_S + 1)
        time.sleep(0.5)
        assert kept & connections(first)
        assert wire.get("/").side == "first", "and is used again"


# --- names that do not resolve


def test_the_last_good_addresses_stay(named, names, old, new):
    names.set("app.test", old.host)
    proxy = named(f"http://app.test:{old.port}", new, KEEP)
    for unresolved in (names.forget, names.fail, lambda name: names.set(name, "0.0.0.0")):
        unresolved("app.test")
        proxy.reload()
        time.sleep(HURRY_S + 0.5)
        assert proxy.get("/").side == "old"
        assert proxy.server_health("old") == ["up"]
    failures = told(proxy, "unresolved")
    assert [(x["subject"], x["reason"]) for x in failures] == [
        (f"http://app.test:{old.port}", "there is no such name")], "once, not each time"
    names.set("app.test", old.host)
    proxy.reload()
    eventually(lambda: proxy.logs("the name resolves again"), HURRY_S + 1)
    assert len(told(proxy)) == 1, "the same address is no news"


def test_a_name_that_appears_later_is_picked_up(named, names, old, new):
    """The proxy starts without it, serves what it can, and needs no restart."""
    proxy = named(f"http://late.test:{old.port}", new)
    assert proxy.get("/").side == "new", "failed over"
    proxy.wait_health("old", "down")
    assert told(proxy, "unresolved")[0]["reason"] == "there is no such name"
    names.set("late.test", old.host)
    eventually(lambda: proxy.get("/").side == "old", HURRY_S + 3)
    proxy.wait_health("old", "up")


def test_without_a_name_and_without_the_other_side_the_answer_says_so(named, names, old, new):
    proxy = named(f"http://late.test:{old.port}", new, {"failover": "none"})
    eventually(lambda: proxy.get("/").status in (502, 503), 3)
    assert proxy.get("/").outcome in ("unresolved", "no_server")
    names.set("late.test", old.host)
    eventually(lambda: proxy.get("/").side == "old", HURRY_S + 3)


# --- several addresses


@contextlib.contextmanager
def silent(host, port):
    """An address that never answers: its queue of connections is full, so the next ones get no
    reply, as from a machine that is gone."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((host, port))
        yield


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


def check_all_served(proxy, side):
    proxy.wait_health("old", "up")
    for method in ("GET", "POST", "POST", "GET"):
        response = proxy.request(method, "/echo", body=b"hi" if method == "POST" else None)
        assert (response.status, response.side) == (200, side)


@pytest.mark.parametrize("addresses, alive", [
    (("127.0.0.9", "127.0.0.1"), "127.0.0.1"),
    (("127.0.0.1", "127.0.0.9"), "127.0.0.1"),
    (("::1", "127.0.0.1"), "127.0.0.1"),
    (("127.0.0.1", "::1"), "::1"),
    (("::1", "127.0.0.1"), "::1"),
])
def test_one_of_two_addresses_is_dead(start, named, names, new, addresses, alive):
    if "::1" in addresses and not has_ipv6():
        pytest.skip("no IPv6 on this machine")
    origin = start(OriginAt, "alive", alive, free_port())
    names.set("app.test", *addresses)
    proxy = named(f"http://app.test:{origin.port}", new, {"failover": "none"})
    check_all_served(proxy, "alive")


@pytest.mark.parametrize("addresses", [("127.0.0.9", "127.0.0.1"), ("127.0.0.1", "127.0.0.9")])
def test_one_of_two_addresses_never_answers(named, names, old, new, addresses):
    names.set("app.test", *addresses)
    with silent("127.0.0.9", old.port):
        proxy = named(f"http://app.test:{old.port}", new, {
            "failover": "none", "timeouts": {"connect": "500ms"},
            "health": {"interval": "1s", "timeout": "1s"}})
        check_all_served(proxy, "old")


def test_the_living_address_dies_and_the_dead_one_comes_up(start, named, names, two, new):
    first, second = two
    second.kill()
    names.set("app.test", first.host, second.host)
    proxy = named(f"http://app.test:{first.port}", new, {"failover": "none"})
    check_all_served(proxy, "first")
    first.kill()
    second.start()
    eventually(lambda: proxy.get("/").side == "second", 3)
    check_all_served(proxy, "second")


# --- look-ups that hang


def hung_names(names, count):
    for i in range(count):
        names.hang(f"hang{i}.test")
    return [f"http://hang{i}.test:80" for i in range(count)]


def test_hung_look_ups_hold_up_nothing(named, names, two, new):
    """Eight names whose look-ups hang, one that works: it moves, and everything answers."""
    first, second = two
    names.set("app.test", first.host)
    proxy = named(f"http://app.test:{first.port}", hung_names(names, 8))
    assert proxy.get("/").side == "first"
    names.set("app.test", second.host)
    begun = time.monotonic()
    assert proxy.admin("POST", "/v1/reload").status == 200
    assert proxy.admin("GET", "/v1/status").status == 200
    assert proxy.admin("PUT", "/v1/weight", {"weight": 0}).status == 200
    assert time.monotonic() - begun < 1
    eventually(lambda: proxy.get("/").side == "second", HURRY_S + 1)
    reason = "the look-up has not ended after 5s"
    eventually(lambda: [x["reason"] for x in told(proxy, "unresolved")] == [reason] * 8, 8)
    assert threads(proxy, "lookup") == 8
    names.set("hang3.test", "127.0.0.1")
    eventually(lambda: told(proxy)[-1]["subject"] == "http://hang3.test:80", 2)


def test_reloads_do_not_pile_up_hung_look_ups(named, names, old, new):
    proxy = named(old, hung_names(names, 3))
    for i in range(20):
        proxy.config["backends"]["new"]["servers"] = [new.url] if i % 2 == 0 else hung_names(names, 3)
        proxy.write_config()
        assert proxy.admin("POST", "/v1/reload").status == 200
    assert threads(proxy, "lookup") == 3


def threads(proxy, name):
    folder = Path(f"/proc/{proxy.pid}/task")
    return sum((task / "comm").read_text().strip() == name for task in folder.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_does_not_wait_for_hung_look_ups(named, names, old, number):
    proxy = named(old, hung_names(names, 3))
    eventually(lambda: threads(proxy, "lookup") == 3, 2)
    begun = time.monotonic()
    proxy.process.signal(number)
    assert proxy.process.wait(5) == 0, proxy.output()
    assert time.monotonic() - begun < 1.5
    assert proxy.logs("stopped")


# --- the system's own look-ups


class NameServer:
    """A name server on 127.0.0.x:53 that answers from `names`: a list of addresses, "nxdomain",
    "servfail" or "silent". TTL 0."""

    CODES = {"nxdomain": 3, "servfail": 2}
    TYPES = {1: socket.AF_INET, 28: socket.AF_INET6}

    def __init__(self, host):
        self.names = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 53))
        threading.Thread(target=self.run, daemon=True).start()

    def stop(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                query, client = self.socket.recvfrom(4096)
                if not query:  # it has been shut down
                    return
                answer = self.answer(query)
                if answer is not None:
                    self.socket.sendto(answer, client)

    def answer(self, query):
        name, at = [], 12
        while query[at]:
            name.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12:at + 5]
        what = self.names.get(".".join(name), "nxdomain")
        if what == "silent":
            return None
        records = []
        if not isinstance(what, str):
            family = self.TYPES.get(struct.unpack("!H", query[at + 1:at + 3])[0])
            records = [socket.inet_pton(family, address) for address in what
                       if family == (socket.AF_INET6 if ":" in address else socket.AF_INET)]
        code = 0 if not isinstance(what, str) else self.CODES[what]
        answer = struct.pack("!2sHHHHH", query[:2], 0x8580 | code, 1, len(records), 0, 0) + question
        for data in records:
            answer += b"\xc0\x0c" + question[-4:] + struct.pack("!IH", 0, len(data)) + data
        return answer


class PrivateProxy(Proxy):
    """A proxy whose names are asked of a name server of the test."""

    def __init__(self, files, *args, **kwargs):
        self.files = files
        super().__init__(*args, **kwargs)

    def start(self, args=(), wait=True):
        self.process = Process([*private(self.files), program("cutover", self.build), "run", "-c",
                                str(self.config_file), *args], env=self.environment())
        try:
            if wait:
                self.wait_ready()
        except BaseException:
            self.clean()
            raise
        return self


def private(files):
    """What to put before a command so that it finds other files in /etc."""
    binds = "".join(f"mount --bind '{file}' /etc/{file.name} && " for file in files)
    return ["unshare", "--mount", "sh", "-c", f'{binds} exec "$@"', "sh"]


@pytest.fixture
def name_server(start, tmp_path):
    """With .proxy(old, new, config)."""
    host = "127.0.0.153"
    (tmp_path / "resolv.conf").write_text(f"nameserver {host}\noptions timeout:7 attempts:1\n")
    (tmp_path / "nsswitch.conf").write_text("hosts: files dns\n")
    files = [tmp_path / "resolv.conf", tmp_path / "nsswitch.conf"]
    allowed = shutil.which("unshare") and subprocess.run(
        [*private(files), "cat", "/etc/resolv.conf"], capture_output=True, check=False)
    if not allowed or allowed.stdout != files[0].read_bytes():
        pytest.skip("a private /etc/resolv.conf is not allowed here")
    try:
        server = start(NameServer, host)
    except OSError as error:
        pytest.skip(f"no name server on {host}:53: {error}")
    server.proxy = lambda *args: start(PrivateProxy, files, *args)
    return server


def test_the_systems_own_look_ups(name_server, two, new):
    """Both families, a move, and each way to fail: as glibc tells them."""
    first, second = two
    name_server.names["app.test"] = ["::1", first.host]
    proxy = name_server.proxy(f"http://app.test:{first.port}", new, KEEP)
    check_all_served(proxy, "first")
    eventually(lambda: set(told(proxy)[0]["reason"].split()) == {"::1", "127.0.0.1"}, 3)
    name_server.names["app.test"] = [second.host]
    proxy.reload()
    eventually(lambda: proxy.get("/").side == "second", HURRY_S + 1)
    for failure, reason in (("nxdomain", "there is no such name"),
                            ("servfail", "the name servers do not answer, or fail"),
                            ([], "the name has no address")):
        failures = len(told(proxy, "unresolved"))
        name_server.names["app.test"] = failure
        proxy.reload()
        eventually(lambda: len(told(proxy, "unresolved")) > failures, HURRY_S + 1)
        assert told(proxy, "unresolved")[-1]["reason"] == reason
        assert proxy.get("/").side == "second"
        name_server.names["app.test"] = [second.host]
        time.sleep(HURRY_S)
        eventually(lambda: len(proxy.logs("the name resolves again")) == failures + 1, HURRY_S + 2)


def test_a_name_server_that_is_silent_for_one_name(name_server, two):
    """It costs the system its whole patience for that name, and nobody else anything."""
    first, second = two
    name_server.names["app.test"] = [first.host]
    silent_names = [f"silent{i}.test" for i in range(6)]
    for name in silent_names:
        name_server.names[name] = "silent"
    proxy = name_server.proxy(f"http://app.test:{first.port}", [f"http://{x}:80" for x in silent_names])
    name_server.names["app.test"] = [second.host]
    proxy.reload()
    eventually(lambda: proxy.get("/").side == "second", HURRY_S + 1)
    eventually(lambda: len(told(proxy, "unresolved")) == 6, 6)
    assert {x["reason"] for x in told(proxy, "unresolved")} == {"the look-up has not ended after 5s"}
    name_server.names[silent_names[0]] = [first.host]
    eventually(lambda: told(proxy)[-1]["subject"] == f"http://{silent_names[0]}:80", 12)


def test_a_long_answer_in_which_all_but_one_are_dead(name_server, old, new):
    """25 addresses fit into one datagram; the checks find the one that lives."""
    name_server.names["app.test"] = [f"127.0.9.{i}" for i in range(1, 13)] + [old.host]
    proxy = name_server.proxy(f"http://app.test:{old.port}", new, {"failover": "none"})
    proxy.wait_health("old", "up")
    name_server.names["app.test"] = [f"127.0.9.{i}" for i in range(1, 26)]
    proxy.reload()
    eventually(lambda: len(told(proxy)) == 2 and told(proxy)[-1]["to"] == "16", HURRY_S + 1)
    proxy.wait_health("old", "down")
    name_server.names["app.test"] = [old.host]
    eventually(lambda: proxy.get("/").side == "old", HURRY_S + 3)
