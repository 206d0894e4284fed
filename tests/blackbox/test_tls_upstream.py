"""TLS towards servers: who is believed, what a server is told, and what is made of a broken one."""

import contextlib
import hashlib
import os
import re
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from certs import Authority, self_signed
from cutover import Proxy, Recorder, free_port
from names import NamedProxy, Names, shim  # noqa: F401 (a fixture)
from test_datapath import pattern
from test_edges import upgrade
from test_platform import attempts, counted
from tls import OK, Broken, Relay, SecureScript, cut, reset, secure
from wire import Closed, chunked, eventually, head

MIB = 1 << 20
TLS11, TLS12, TLS13 = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
ONCE = {"interval": "1h", "timeout": "5s"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """An authority that nobody here trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"), "Strange Authority")


@pytest.fixture(scope="module")
def pair(authority):
    """For the address that the servers here have."""
    return authority.issue(["local.example"], ips=["127.0.0.1"])


@pytest.fixture(scope="module")
def pairs(authority):
    return {name: authority.issue([name]) for name in ("a.example", "b.example")}


@pytest.fixture
def front(start, new, authority):
    """front(server, tls={...}, backend={...}, **config): everybody is on `server`, which is trusted by
    `authority` and checked only once, at the start."""
    def make(server, tls=None, backend=None, other=None, release=False, kind=Proxy, kind_args=(), **config):
        tls = {"ca_file": authority.ca_file} if tls is None else tls
        sides = {"old": {"tls": tls, **(backend or {})}}
        if other is not None and other.url.startswith("https:"):
            sides["new"] = {"tls": tls}
        proxy = start(kind, *kind_args, server, other or new, release=release,
                      config={"workers": 1, "health": ONCE, "backends": sides, **config})
        for side in ("old", "new"):
            eventually(lambda: "unknown" not in proxy.server_health(side), what="the check is over")
        return proxy
    return make


def reload(proxy):
    """Its configuration has been changed."""
    proxy.write_config()
    generation = proxy.status()["generation"]
    proxy.reload()
    eventually(lambda: proxy.status()["generation"] > generation, what="it is reloaded")
    proxy.get("/settled", {"X-Cutover-Backend": "new"})  # and the worker has it


def ask(proxy, method="GET", path="/", headers=None):
    return proxy.request(method, path, headers, b"hello" if method == "POST" else None)


CLOSE = b"HTTP/1.1 200 OK\r\nX-Backend: script\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


def serve_once(wire, _head):
    wire.send(CLOSE)


# --- who is not believed

def bad_certificates(authority, stranger):
    local = {"names": ["local.example"], "ips": ["127.0.0.1"]}
    return {
        "expired": (lambda folder: authority.issue(**local, expired=True), "certificate has expired"),
        "not yet": (lambda folder: authority.issue(**local, not_yet=True), "certificate is not yet valid"),
        "wrong name": (lambda folder: authority.issue(["other.example"]), "certificate is for another name"),
        "wrong address": (lambda folder: authority.issue(["127.0.0.1"], ips=["127.0.0.2"]),
                          "certificate is for another name"),
        "self-signed": (lambda folder: self_signed(folder, **local), "self-signed certificate"),
        "unknown authority": (lambda folder: stranger.issue(**local), "unable to get local issuer certificate"),
        "half a chain": (lambda folder: authority.intermediate().issue(**local, chain=False),
                         "unable to get local issuer certificate"),
    }


@pytest.mark.parametrize("case,version", [
    *((case, TLS13) for case in bad_certificates(None, None)), ("expired", TLS12), ("wrong name", TLS12)])
def test_a_bad_certificate_gets_no_request(start, front, authority, stranger, pair, tmp_path, case, version):
    make, why = bad_certificates(authority, stranger)[case]
    server = start(SecureScript, [pair, make(tmp_path)], versions=(version, version))
    proxy = front(server, failover="none")
    proxy.expect_broken = True
    for method in ("GET", "POST"):
        answer = ask(proxy, method, f"/{method}")
        assert (answer.status, answer.outcome) == (502, "tls_untrusted")
        assert answer.json()["error"]["detail"] == why
    for method in ("GET", "POST"):
        [line] = proxy.access(path=f"/{method}")
        assert (line["status"], line["outcome"], line["detail"]) == (502, "tls_untrusted", why)
        assert (line["attempts"], line["backend"], line["server"]) == (1, "old", server.url)
    assert attempts(proxy, "tls_untrusted") == 2 and attempts(proxy, "ok") == 0
    assert server.seen == server.stray == []


def test_an_untrusted_server_is_left_for_the_other_side(start, front, authority, pair, new):
    """Nothing was sent, so a POST goes there as well; and it comes back by itself."""
    bad = authority.issue([], ips=["127.0.0.1"], expired=True)
    server = start(SecureScript, [pair, bad, bad, bad, pair])
    proxy = front(server, outlier={"consecutive_errors": 3, "eject_for": "1s"})
    for n in range(5):
        answer = ask(proxy, "POST", f"/upload?{n}")
        assert (answer.status, answer.side, answer.json()["bytes"]) == (200, "new", 5)
    assert attempts(proxy, "tls_untrusted") == 3, "then it is ejected"
    assert proxy.status()["backends"]["old"]["servers"][0]["ejected"]
    assert new.served() == 5 and counted(proxy, "cutover_failovers_total", **{"from": "old"}) == 5
    lines = eventually(lambda: len(found := proxy.access(path="/upload")) == 5 and found)
    assert [x["attempts"] for x in lines] == [2, 2, 2, 1, 1]
    assert {(x["reason"], x["outcome"]) for x in lines} == {("failover", "ok")}
    assert not any("detail" in x for x in lines), "in the end it went well"
    assert server.seen == server.stray == []
    eventually(lambda: ask(proxy).side == "script", 5, 0.1)


def test_an_untrusted_server_is_left_for_its_neighbour(start, front, authority, pair, new):
    bad = start(SecureScript, [pair, authority.issue([], ips=["127.0.0.1"], expired=True)])
    good = start(SecureScript, pair)
    proxy = front([bad, good], failover="none", outlier={"consecutive_errors": 2})
    for _ in range(6):
        assert ask(proxy, "POST").side == "script"
    assert attempts(proxy, "tls_untrusted") == 2 and bad.seen == bad.stray == []
    assert [x["ejected"] for x in proxy.status()["backends"]["old"]["servers"]] == [True, False]


def test_when_nobody_is_trusted_the_answer_says_so(start, front, authority, pair):
    bad = authority.issue([], ips=["127.0.0.1"], expired=True)
    sides = [start(SecureScript, [pair, bad]) for _ in range(2)]
    proxy = front(sides[0], other=sides[1], outlier={"consecutive_errors": 0})
    proxy.expect_broken = True
    answer = ask(proxy, "POST")
    assert (answer.status, answer.outcome) == (502, "tls_untrusted")
    assert answer.json()["error"]["detail"] == "certificate has expired"
    [line] = proxy.access(method="POST")
    assert (line["attempts"], line["backend"], line["detail"]) == (2, "new", "certificate has expired")
    assert [x.seen + x.stray for x in sides] == [[], []]


def test_detail_is_that_of_the_last_attempt(start, front, authority, pair):
    """A refused connection behind an untrusted one is nothing but refused."""
    bad = start(SecureScript, [pair, authority.issue([], ips=["127.0.0.1"], expired=True)])
    gone = Recorder()
    proxy = front(bad, other=gone)
    gone.stop()
    proxy.expect_broken = True
    answer = ask(proxy, "POST")
    assert (answer.status, answer.outcome) == (502, "connect_refused")
    assert "detail" not in answer.json()["error"]
    assert "detail" not in proxy.access(method="POST")[0]


# --- who is believed

def test_the_systems_authorities_are_the_default(start, front, pair):
    server = start(SecureScript, pair)
    proxy = front(server, tls={})
    proxy.wait_health("old", "down")
    assert ask(proxy).side == "new" and server.seen == []


def test_without_verification_anybody_will_do(start, front, tmp_path):
    server = start(SecureScript, self_signed(tmp_path, ["other.example"], expired=True))
    assert ask(front(server, tls={"verify": False})).side == "script"


def test_a_chain_is_followed(start, front, authority):
    deep = authority.intermediate().intermediate("Second").issue([], ips=["127.0.0.1"])
    assert ask(front(start(SecureScript, deep))).side == "script"


def test_a_servers_own_certificate_can_be_trusted(start, front, tmp_path):
    own = self_signed(tmp_path, ["local.example"], ips=["127.0.0.1"])
    assert ask(front(start(SecureScript, own), tls={"ca_file": own[0]})).side == "script"


def test_further_names(start, front, authority, pair):
    cases = [
        (["edge.example"], ["edge.example"], True),
        (["edge.example"], ["EDGE.Example"], True),
        (["edge.example"], ["other.example", "edge.example"], True),
        (["edge.example"], ["other.example"], False),
        (["*.up.example"], ["*.up.example"], True),
        (["*.up.example"], ["x.up.example"], True),
        (["*.up.example"], ["up.example"], False),
        (["*.up.example"], ["x.y.up.example"], False),
        (["*.up.example"], ["*.example"], False),
        (["*.example"], ["*.up.example"], False),
        (["up.example"], ["*.up.example"], False),
        (["x.y.up.example"], ["*.up.example"], False),
    ]
    made = {str(shown): authority.issue(shown) for shown, _, _ in cases}
    server = start(SecureScript, [pair, *(made[str(shown)] for shown, _, _ in cases)], serve_once)
    proxy = front(server, outlier={"consecutive_errors": 0})
    for shown, accepted, good in cases:
        proxy.config["backends"]["old"]["tls"]["names"] = accepted
        reload(proxy)
        refused = attempts(proxy, "tls_untrusted")
        answer = ask(proxy, "POST")
        assert answer.side == ("script" if good else "new"), (shown, accepted)
        assert attempts(proxy, "tls_untrusted") - refused == (0 if good else 1)


def test_further_names_are_no_excuse_for_the_rest(start, front, authority, pair):
    server = start(SecureScript, [pair, authority.issue(["edge.example"], expired=True)])
    proxy = front(server, tls={"ca_file": authority.ca_file, "names": ["edge.example"]})
    assert ask(proxy).side == "new" and server.seen == []


@pytest.mark.parametrize("key", ["rsa", "ed25519"])
def test_other_kinds_of_keys(start, front, authority, key):
    assert ask(front(start(SecureScript, authority.issue([], ips=["127.0.0.1"], key=key)))).side == "script"


# --- names: what is asked for, what is sent

def told(server):
    """(SNI, Host) of the last request."""
    return server.names[-1], re.search(r"\r\nHost: (.*?)\r\n", server.seen[-1]).group(1)


@pytest.mark.parametrize("backend,asked,name,host", [
    ({}, "c.example", None, None),
    ({"host": "client"}, "c.example", "c.example", "c.example"),
    ({"host": "client"}, "c.example:8443", "c.example", "c.example:8443"),
    ({"host": "client"}, "C.Example", "C.Example", "C.Example"),
    ({"host": "client"}, "c.example.", "c.example", "c.example."),
    ({"host": "client"}, "c.example.:8443", "c.example", "c.example.:8443"),
    ({"host": "client"}, "127.0.0.1", None, "127.0.0.1"),
    ({"host": "client"}, "127.0.0.1:81", None, "127.0.0.1:81"),
    ({"host": "client"}, "[::1]:81", None, "[::1]:81"),
    ({"host": "l.example"}, "c.example", "l.example", "l.example"),
    ({"host": "l.example:8443"}, "c.example", "l.example", "l.example:8443"),
    ({"host": "127.0.0.1:8443"}, "c.example", None, "127.0.0.1:8443"),
    ({"sni": "s.example"}, "c.example", "s.example", None),
    ({"host": "client", "sni": "s.example"}, "c.example", "s.example", "c.example"),
    ({"host": "l.example", "sni": "s.example"}, "c.example", "s.example", "l.example"),
], ids=str)
def test_an_address_and_its_names(start, front, authority, backend, asked, name, host):
    """Every name that is right is in the certificate, and none that is not."""
    right = authority.issue([name] if name else [], ips=[] if name else ["127.0.0.1", "::1"])
    server = start(SecureScript, [authority.issue(["l.example", "s.example"], ips=["127.0.0.1"]), right])
    proxy = front(server, backend=backend)
    assert ask(proxy, headers={"Host": asked}).side == "script"
    assert told(server) == (name, host or server.authority)


@pytest.mark.parametrize("backend,name,host", [
    ({}, "app.test", "app.test:{}"),
    ({"host": "client"}, "c.example", "c.example"),
    ({"host": "l.example"}, "l.example", "l.example"),
    ({"sni": "s.example"}, "s.example", "app.test:{}"),
], ids=str)
def test_a_name_and_its_names(start, front, authority, shim, tmp_path, backend, name, host):  # noqa: F811
    names = Names(tmp_path)
    names.set("app.test", "127.0.0.1")
    at_first = authority.issue(["app.test", "l.example", "s.example"])
    server = start(SecureScript, [at_first, authority.issue([name])])
    proxy = front(f"https://app.test:{server.port}", backend=backend, kind=NamedProxy, kind_args=(shim, names))
    assert ask(proxy, headers={"Host": "c.example"}).side == "script"
    assert told(server) == (name, host.format(server.port))


def test_ipv6(start, front, authority):
    try:
        server = start(SecureScript, authority.issue([], ips=["::1"]), host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    assert ask(front(server)).side == "script"
    assert told(server) == (None, server.authority)


def test_a_client_without_host(start, front, pair):
    """HTTP/1.0: then TLS is for the server itself."""
    server = start(SecureScript, pair)
    proxy = front(server, backend={"host": "client"})
    assert proxy.request(headers={"Host": None}, version="1.0").side == "script"
    assert server.names[-1] is None


class ByName(SecureScript):
    """Answers with its connection's name and number, and keeps (name, number, Host) of each request."""

    def __init__(self, *args, **how):
        super().__init__(*args, play=self.answer, **how)
        self.asked = []

    def answer(self, wire, request):
        while True:
            host = re.search(r"\r\nHost: (.*?)\r\n", request).group(1)
            self.asked.append((wire.sock.asked, wire.sock.number, host))
            if "/slow" in request:
                time.sleep(0.4)
            wire.send(OK)
            request = wire.until(b"\r\n\r\n").decode()


def test_a_connection_is_for_one_name(start, front, pair, pairs):
    """Two clients' hosts never share one; the same host does."""
    server = start(ByName, pair, by_name=pairs)
    proxy = front(server, backend={"host": "client"})
    with proxy.connect() as wire:
        for n in range(10):
            for name in pairs:
                assert wire.get(f"/{n}", {"Host": name}).status == 200
    assert all(name == host for name, _, host in server.asked) and len(server.asked) == 20
    used = {(name, number) for name, number, _ in server.asked}
    assert {name for name, _ in used} == set(pairs) and len(used) == 2


def test_the_only_place_is_taken_by_another_name(start, front, pair, pairs):
    """limits.upstream_connections: an idle connection that is of no use makes room."""
    server = start(ByName, pair, by_name=pairs)
    proxy = front(server, backend={"host": "client"}, limits={"upstream_connections": 1},
                  timeouts={"upstream_idle": "60s", "connect": "2s"})
    with proxy.connect() as wire:
        for n in range(6):
            given = wire.get(f"/{n}", {"Host": list(pairs)[n % 2]})
            assert (given.status, given.side) == (200, "script")


def test_with_one_name_for_all_they_share(start, front, authority, pair):
    server = start(ByName, [pair, authority.issue(["s.example"])])
    proxy = front(server, backend={"host": "client", "sni": "s.example"}, tls={"ca_file": authority.ca_file,
                                                                             "names": ["local.example"]})
    with proxy.connect() as wire:
        for name in ("a.example", "b.example", "a.example"):
            wire.get("/", {"Host": name})
    assert len({number for _, number, _ in server.asked}) == 1


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_ticket_is_for_the_name_it_came_for(start, front, pair, pairs, version):
    """It may come late, when the next connection is under way for another name already."""
    server = start(ByName, pair, by_name=pairs, versions=(version, version))
    relay = start(Relay, server.address)
    proxy = front(relay, backend={"host": "client"})
    with proxy.connect() as first, proxy.connect() as second, proxy.connect() as third:
        # TLS 1.2: the ticket stands before the server's Finished; 1.3: behind the client's.
        relay.hold_after = 2
        first.send(head("GET", "/1", {"Host": "a.example"}))
        late = eventually(lambda: len(relay.links) > 1 and relay.links[-1])
        assert late.held.wait(5)
        relay.hold_after = None
        second.send(head("GET", "/slow", {"Host": "b.example"}))
        eventually(lambda: ("b.example" in {name for name, _, _ in server.asked}), what="the second is there")
        late.release()
        assert first.read().status == 200
        third.send(head("GET", "/3", {"Host": "b.example"}))
        assert third.read().status == 200
        assert second.read().status == 200
    assert attempts(proxy, "tls_untrusted") == 0


def test_a_ticket_is_for_the_trust_it_came_under(start, front, stranger, tmp_path):
    """One that a connection without verification brings in late is of no use to one with."""
    other = Authority(tmp_path, "Other Authority")
    server = start(SecureScript, [stranger.issue([], ips=["127.0.0.1"])])
    relay = start(Relay, server.address)
    proxy = front(relay, tls={"verify": False}, failover="none")
    with proxy.connect() as first, proxy.connect() as second:
        relay.hold_after = 2
        first.send(head("GET", "/unverified"))
        late = eventually(lambda: len(relay.links) > 1 and relay.links[-1])
        assert late.held.wait(5)
        proxy.config["backends"]["old"]["tls"] = {"ca_file": other.ca_file}
        reload(proxy)
        relay.hold_after = 1
        second.send(head("GET", "/second"))
        waiting = eventually(lambda: len(relay.links) > 2 and relay.links[-1])
        assert waiting.held.wait(5)
        late.release()
        assert first.read().status == 200
        relay.hold_after = None
        answer = ask(proxy, "POST", "/third")
        waiting.release()
        assert second.read().outcome == "tls_untrusted"
    assert answer.outcome == "tls_untrusted"
    assert [x.split()[1] for x in server.seen] == ["/unverified"]
    proxy.expect_broken = True


def test_a_clients_choice_of_a_name_harms_nobody_else(start, front, pair, pairs):
    """With host: client the name that is wrong is the client's: the server is as good as before."""
    server = start(SecureScript, pair, by_name=pairs)
    proxy = front(server, backend={"host": "client"}, failover="none", outlier={"consecutive_errors": 3})
    for n in range(6):
        assert ask(proxy, headers={"Host": f"made-up-{n}.example"}).outcome == "tls_untrusted"
    assert not proxy.status()["backends"]["old"]["servers"][0]["ejected"]
    assert ask(proxy, headers={"Host": "a.example"}).side == "script"


# --- handshakes that fail

def stall(connection):
    while connection.recv(65536):
        pass


def close_early(connection):
    connection.recv(65536)


def close_at_once(_connection):
    pass


def reset_early(connection):
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def speak_plainly(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def refuse_by_alert(connection):
    connection.recv(65536)
    connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # fatal, handshake_failure


def half_a_hello(connection):
    connection.recv(65536)
    connection.sendall(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03")
    stall(connection)


BROKEN = {
    "stall": (stall, 504, "tls_timeout", None),
    "half a hello": (half_a_hello, 504, "tls_timeout", None),
    "close": (close_early, 502, "tls_failed", "the connection was closed during the handshake"),
    "reset": (reset_early, 502, "connect_failed", None),
    "plain http": (speak_plainly, 502, "tls_failed", "what answers there is not TLS"),
    "alert": (refuse_by_alert, 502, "tls_failed",
              "the handshake was refused: no cipher in common, or no such name there"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_handshakes_that_fail(start, front, pair, case):
    """Nothing was sent, so a POST fails over as a GET does; until the server is ejected."""
    play, status, outcome, detail = BROKEN[case]
    server = start(Broken, pair, play)
    proxy = front(server, failover="none", timeouts={"tls_handshake": "200ms"}, outlier={"consecutive_errors": 3})
    for method in ("GET", "POST"):
        began = time.monotonic()
        answer = ask(proxy, method, f"/{method}")
        assert (answer.status, answer.outcome) == (status, outcome)
        if status == 504:
            assert 0.15 < time.monotonic() - began < 2
        assert answer.json()["error"].get("detail") == detail
    for method in ("GET", "POST"):
        [line] = proxy.access(path=f"/{method}")
        assert (line["outcome"], line.get("detail"), line["attempts"]) == (outcome, detail, 1)
    proxy.config["failover"] = "both"
    reload(proxy)
    for _ in range(3):
        answer = ask(proxy, "POST", "/upload")
        assert (answer.status, answer.side, answer.json()["bytes"]) == (200, "new", 5)
    assert attempts(proxy, outcome) == server.count - 1 == 3
    assert counted(proxy, "cutover_failovers_total", **{"from": "old"}) == 3


def test_a_connection_that_ends_before_it_says_a_word(start, front, pair):
    server = start(Broken, pair, close_at_once)
    proxy = front(server, failover="none")
    proxy.expect_broken = True
    answer = ask(proxy, "POST")
    assert (answer.status, answer.outcome) in ((502, "tls_failed"), (502, "connect_failed"))


def test_a_server_that_wants_http_on_a_port_for_tls(start, front, old, new):
    """And the other way round: https:// in the configuration where there is only HTTP."""
    proxy = front(f"https://{old.authority}")
    proxy.wait_health("old", "down")
    assert ask(proxy, "POST", "/upload").side == "new"


def test_old_versions_are_not_spoken(start, front, pair, authority):
    """A server of TLS 1.1 alone; a check fails as well, so the first connection is a good one."""
    proxy = front(start(Broken, pair, tls11(pair)), failover="none")
    proxy.expect_broken = True
    answer = ask(proxy, "POST")
    assert (answer.status, answer.outcome) == (502, "tls_failed")
    assert answer.json()["error"]["detail"] == "no TLS version in common (1.2 or 1.3)"


def tls11(pair):
    server = SecureScript.__new__(SecureScript)
    server.versions, server.ciphers = (TLS11, TLS11), "ALL:@SECLEVEL=0"
    context = server._context(pair)
    context.sni_callback = None

    def play(connection):
        with contextlib.suppress(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    return play


@pytest.mark.parametrize("version,outcome,detail", [
    (TLS12, "tls_failed", "the handshake was refused: no cipher in common, or no such name there"),
    (TLS13, "upstream_closed", "tlsv13 alert certificate required")])
def test_a_server_that_wants_a_certificate_of_ours(start, front, pair, version, outcome, detail):
    """With TLS 1.3 it says so only behind the handshake, when the request is under way."""
    server = start(Demanding, pair, versions=(version, version))
    proxy = front(server, failover="none")
    proxy.expect_broken = True
    answer = ask(proxy, "POST")
    assert (answer.status, answer.outcome) == (502, outcome)
    said = answer.json()["error"].get("detail")
    assert said == proxy.access(method="POST")[0].get("detail")
    # Its RST may overtake the alert: the request lies there unread.
    assert said == detail or (version == TLS13 and said is None)


class Demanding(SecureScript):
    """Only those of an authority of its own; the check, its first connection, goes without."""

    def __init__(self, pair, **how):
        super().__init__([pair, pair], **how)
        self.contexts[1].verify_mode = ssl.CERT_REQUIRED
        self.contexts[1].load_verify_locations(pair[0])


def test_a_client_that_goes_away_during_the_handshake(start, front, pair):
    server = start(Broken, pair, stall)
    proxy = front(server, failover="none")
    proxy.expect_broken = True
    for n in range(5):
        with proxy.connect() as wire:
            wire.send(head("GET", f"/{n}"))
            eventually(lambda: server.count == n + 2)
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert proxy.access(path=f"/{n}")[0]["outcome"] == "client_gone"
    assert proxy.status()["backends"]["old"]["servers"][0]["active"] == 0


def test_http_and_https_side_by_side(start, front, pair):
    server, plain = start(SecureScript, pair), start(Recorder)
    proxy = front([server, plain])
    assert sorted(ask(proxy, "POST").side for _ in range(6)) == ["recorder"] * 3 + ["script"] * 3


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_versions_that_are_spoken(start, front, pair, version):
    spoken = []

    def play(wire, _head):
        spoken.append((wire.sock.version(), wire.sock.cipher()[2]))
        wire.send(OK)

    assert ask(front(start(SecureScript, pair, play, versions=(version, version)))).side == "script"
    [(said, bits)] = spoken
    assert said == version.name.replace("_", ".") and bits >= 128


def test_the_first_of_two_addresses_is_not_tls(start, front, authority, shim, tmp_path):  # noqa: F811
    names = Names(tmp_path)
    names.set("app.test", "127.0.0.2", "127.0.0.1")
    server = start(SecureScript, authority.issue(["app.test"]))
    plain = start(Broken, None, speak_plainly, host="127.0.0.2", port=server.port)
    proxy = front(f"https://app.test:{server.port}", failover="none", kind=NamedProxy, kind_args=(shim, names))
    assert ask(proxy, "POST").side == "script"
    assert attempts(proxy, "tls_failed") == 1 and proxy.access(method="POST")[0]["attempts"] == 2
    before = plain.count
    for _ in range(3):
        with proxy.connect() as wire:
            assert wire.request("POST", "/", body=b"x").side == "script"
    assert plain.count == before, "what worked is tried first"


def test_errors_of_one_connection_are_none_of_another(start, front, pair, new):
    """OpenSSL keeps its errors by thread: none is taken for one of the next connection."""
    plays = [speak_plainly, refuse_by_alert, close_early]
    server = start(Broken, pair, lambda connection: plays[server.count % 3](connection))
    good = start(SecureScript, pair)
    proxy = front(server, other=good, failover="none", outlier={"consecutive_errors": 0})
    with proxy.connect() as wire, proxy.connect() as bad:
        for _ in range(20):
            assert bad.get("/").outcome == "tls_failed"
            assert wire.get("/", {"X-Cutover-Backend": "new"}).side == "script"
    assert len(good.seen) == 1, "its connection is not cut"
    proxy.expect_broken = True


# --- handshakes cut in pieces

@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_handshake_in_small_pieces(start, front, pair, version):
    relay = start(Relay, start(SecureScript, pair, versions=(version, version)).address, size=1)
    proxy = front(relay, timeouts={"tls_handshake": "10s"})
    assert ask(proxy, "POST").side == "script"


def test_a_handshake_larger_than_a_record(start, front, authority):
    large = authority.issue([f"{'x' * 40}-{n}.example" for n in range(400)], ips=["127.0.0.1"])
    assert os.path.getsize(large[0]) > 20_000
    assert ask(front(start(SecureScript, large))).side == "script"


# --- resuming

@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_second_connection_is_resumed(start, front, pair, version):
    server = start(SecureScript, pair, serve_once, versions=(version, version))
    proxy = front(server)
    for _ in range(4):
        assert ask(proxy).side == "script"
    assert server.resumed == [False, True, True, True]


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_nothing_is_resumed_when_the_trust_has_changed(start, front, authority, pair, version):
    server = start(SecureScript, pair, serve_once, versions=(version, version))
    proxy = front(server)

    def resumed():
        assert ask(proxy).side == "script"
        return server.resumed[-1]

    assert [resumed(), resumed()] == [False, True]
    reload(proxy)
    assert resumed(), "nothing has changed"
    for tls in ({"ca_file": authority.ca_file, "names": ["more.example"]}, {"verify": False},
                {"ca_file": authority.ca_file}):
        proxy.config["backends"]["old"]["tls"] = tls
        reload(proxy)
        assert [resumed(), resumed()] == [False, True], tls


def test_a_name_is_not_resumed_for_another(start, front, pair, pairs):
    server = start(SecureScript, pair, serve_once, by_name=pairs)
    proxy = front(server, backend={"host": "client"})
    for name in ("a.example", "b.example", "a.example", "a.example"):
        assert ask(proxy, headers={"Host": name}).side == "script"
    assert server.resumed == [False, False, False, True]


def test_a_certificate_that_ends_is_not_resumed(start, front, authority, pair):
    """The handshake that would tell is the one that resuming saves."""
    short = authority.issue([], ips=["127.0.0.1"], days=3 / 86400)
    ends = time.monotonic() + 3.5
    server = start(SecureScript, short, serve_once)
    proxy = front(server, failover="none")
    proxy.expect_broken = True
    assert ask(proxy).side == ask(proxy).side == "script"
    assert server.resumed == [False, True]
    time.sleep(max(0, ends - time.monotonic()))
    assert ask(proxy).json()["error"]["detail"] == "certificate has expired"
    assert len(server.seen) == 2


def test_a_server_that_forgot_the_session(start, front, authority, pair):
    """It has been started again with a new certificate: a full handshake, and no failure."""
    server = start(SecureScript, [pair, pair, authority.issue([], ips=["127.0.0.1"])], serve_once)
    proxy = front(server)
    for _ in range(3):
        assert ask(proxy).side == "script"
    assert server.resumed == [False, False, True]


# --- kept connections

def test_one_handshake_for_many_requests(start, front, pair):
    server = start(SecureScript, pair)
    proxy = front(server)
    with proxy.connect() as wire:
        for _ in range(50):
            assert wire.get("/").side == "script"
    assert len(server.seen) == 1
    assert attempts(proxy, "ok") == 50


def end_properly(wire):
    wire.sock.settimeout(2)
    with contextlib.suppress(OSError):
        wire.sock.unwrap()


ENDS = {"close_notify": end_properly, "fin": cut, "rst": reset}


@pytest.mark.parametrize("how", ENDS)
def test_a_connection_that_ended_while_idle_is_not_used(start, front, pair, how):
    def play(wire, _head):
        wire.send(OK)
        time.sleep(0.05)
        ENDS[how](wire)
        ended.append(1)

    ended = []
    server = start(SecureScript, pair, play)
    proxy = front(server, failover="none", timeouts={"upstream_idle": "60s"})
    for n, method in enumerate(("GET", "POST", "POST", "GET")):
        assert ask(proxy, method).side == "script"
        eventually(lambda: len(ended) > n)
        eventually(lambda: proxy.idle() == 0, what="it is dropped")
    assert {x["attempts"] for x in proxy.access(outcome="ok")} == {1} and attempts(proxy, "ok") == 4


@pytest.mark.parametrize("how", ENDS)
def test_a_connection_that_ends_under_a_request(start, front, pair, how):
    """Safe methods are sent again, once and over a new connection; others never."""
    def play(wire, request):
        wire.send(OK)
        wire.until(b"\r\n\r\n")
        asked.append(1)
        ENDS[how](wire)

    asked = []
    server = start(SecureScript, pair, play)
    proxy = front(server, timeouts={"upstream_idle": "60s"})
    with proxy.connect() as wire:
        assert wire.get("/1").side == "script"
        assert wire.get("/2").side == "script"
        eventually(lambda: asked == [1])
        assert proxy.access(path="/2")[0]["attempts"] == 2
        answer = wire.request("POST", "/3", body=b"hello")
    assert (answer.status, answer.outcome) == (502, "stale_connection")
    assert proxy.access(path="/3")[0]["attempts"] == 1
    assert len(server.seen) == 2, "the POST is not sent again, nor to the other side"
    assert not proxy.status()["backends"]["old"]["servers"][0]["ejected"]


def test_a_reload_that_trusts_others_is_for_kept_connections_too(start, front, authority, stranger, pair):
    server = start(SecureScript, pair)
    proxy = front(server, timeouts={"upstream_idle": "60s"})
    with proxy.connect() as wire:
        assert wire.get("/1").side == "script"
        reload(proxy)
        assert wire.get("/2").side == "script"
        assert len(server.seen) == 1, "nothing has changed: it is kept"
        proxy.config["backends"]["old"]["tls"]["names"] = ["more.example"]
        reload(proxy)
        assert wire.get("/3").side == "script"
        assert len(server.seen) == 2, "another trust: another connection"
        proxy.config["backends"]["old"]["tls"] = {"ca_file": stranger.ca_file}
        reload(proxy)
        assert wire.get("/4").side == "new", "no longer trusted"
        assert len(server.seen) == 2 and server.stray == []
        assert attempts(proxy, "tls_untrusted") == 1


def test_an_answer_under_way_survives_a_reload(start, front, stranger, pair):
    def play(wire, _head):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        going.wait(10)
        wire.send(b"later")

    going = threading.Event()
    proxy = front(start(SecureScript, pair, play))
    with proxy.connect() as wire:
        wire.send(head("GET", "/"))
        wire.until(b"first")
        proxy.config["backends"]["old"]["tls"] = {"ca_file": stranger.ca_file}
        reload(proxy)
        going.set()
        assert wire.need(5) == b"later"


# --- the end of an answer

COUNTED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_END = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize("version,end,whole,answers", [
    (TLS13, "close_notify", True, [COUNTED + b"hello", CHUNKED + chunked(b"hello"), UNTIL_END + b"hello"]),
    (TLS12, "close_notify", True, [UNTIL_END + b"hello"]),
    (TLS13, "fin", True, [COUNTED + b"hello", CHUNKED + chunked(b"hello")]),
    (TLS13, "close_notify", False, [COUNTED + b"hell", CHUNKED + b"5\r\nhello\r\n"]),
    (TLS12, "fin", False, [COUNTED + b"hell", UNTIL_END + b"hello"]),
    (TLS13, "fin", False, [COUNTED + b"hell", CHUNKED + b"5\r\nhello\r\n", UNTIL_END + b"hello"]),
    (TLS13, "rst", False, [COUNTED + b"hell", CHUNKED + b"5\r\nhello\r\n", UNTIL_END + b"hello"]),
], ids=["proper-whole", "proper-whole-1.2", "cut-whole", "proper-short", "cut-short-1.2", "cut-short", "reset-short"])
def test_no_answer_is_shortened_silently(start, front, pair, version, end, whole, answers):
    def play(wire, request):
        wire.send(answers[int(request.split()[1].strip("/"))])
        time.sleep(0.03)
        ENDS[end](wire)

    proxy = front(start(SecureScript, pair, play, versions=(version, version)), failover="none")
    proxy.expect_broken = True
    for n in range(len(answers)):
        for http in ("1.0", "1.1"):
            path = f"/{n}?{http}"
            with proxy.connect() as wire:
                wire.send(head("GET", f"/{n}", version=http))
                if whole:
                    assert wire.read().body == b"hello", (path, answers[n])
                    continue
                with contextlib.suppress(Closed, ConnectionError):
                    given = wire.read()
                    # A RST may overtake all that was sent; then there is no answer to be short.
                    assert end == "rst" and given.outcome == "upstream_closed", (path, given)
    eventually(lambda: len(proxy.logs("request")) == 2 * len(answers))
    if (end, whole) == ("fin", False):
        assert {x["detail"] for x in proxy.logs("request")} == {"the connection was closed without a close_notify"}
    allowed = {"upstream_closed", "upstream_truncated"} if end == "rst" else {"ok" if whole else "upstream_truncated"}
    assert {x["outcome"] for x in proxy.logs("request")} <= allowed


@pytest.mark.parametrize("end", ENDS)
def test_an_end_without_an_answer(start, front, pair, end):
    server = start(SecureScript, pair, lambda wire, _head: ENDS[end](wire))
    proxy = front(server)
    proxy.expect_broken = True
    for method in ("GET", "POST"):
        answer = ask(proxy, method)
        assert (answer.status, answer.outcome) == (502, "upstream_closed")
    assert len(server.seen) == 2 and attempts(proxy, "upstream_closed") == 2


def test_garbage_between_records_ends_it(start, front, pair):
    """What is no record is an attack or a fault: what came before is not passed for the whole."""
    def play(wire, _head):
        wire.send(UNTIL_END + b"hello")
        time.sleep(0.05)
        with socket.socket(fileno=wire.sock.detach()) as plain:
            plain.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            stall(plain)

    proxy = front(start(SecureScript, pair, play), failover="none")
    proxy.expect_broken = True
    with proxy.connect() as wire, pytest.raises((Closed, ConnectionError)):
        wire.get("/")
    assert proxy.access()[0]["outcome"] == "upstream_truncated"


# --- bytes

@pytest.mark.parametrize("record,size", [(1, 2000), (16384, 200_000), (16385, 200_000), (100_000, 1_000_000)])
def test_answers_in_records_of_any_size(start, front, pair, record, size):
    body = pattern(size)

    def play(wire, _head):
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body
        for at in range(0, len(answer), record):
            wire.send(answer[at:at + record])

    assert ask(front(start(SecureScript, pair, play))).body == body


@pytest.mark.parametrize("coding", ["counted", "chunked"])
def test_uploads(start, front, pair, coding):
    body, got = os.urandom(3_000_000), []

    def play(wire, _head):
        taken = bytearray()
        while coding == "chunked" and (size := int(wire.until(b"\r\n"), 16)):
            taken += wire.need(size)
            wire.need(2)
        got.append(bytes(taken) if coding == "chunked" else wire.need(len(body)))
        wire.send(OK)

    proxy = front(start(SecureScript, pair, play))
    proxy.expect_broken = True
    with proxy.connect() as wire:
        if coding == "chunked":
            wire.send(head("POST", "/", {"Transfer-Encoding": "chunked"}))
            wire.send(chunked(*[body[at:at + 70_001] for at in range(0, len(body), 70_001)]))
        else:
            wire.send(head("POST", "/", body=body))
            wire.send(body)
        assert wire.read("POST").side == "script"
    assert got == [body]


def test_an_answer_that_comes_before_the_body_has(start, front, pair):
    """413, and the server has not read the rest: the client is told."""
    def play(wire, _head):
        wire.send(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
        end_properly(wire)
        time.sleep(0.3)

    proxy = front(start(SecureScript, pair, play))
    proxy.expect_broken = True
    with proxy.connect() as wire:
        wire.send(head("POST", "/", {"Content-Length": "50000000"}) + bytes(100_000))
        answer = wire.read("POST")
        assert (answer.status, answer.body) == (413, b"big")


@pytest.mark.parametrize("pause", [0, 0.05])
def test_bytes_behind_an_answer_poison_nobody(start, front, pair, pause):
    """Not asked for: the connection is not used again, and nobody gets them."""
    def play(wire, _head):
        wire.send(OK if pause else OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        time.sleep(pause)
        if pause:
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        wire.until(b"\r\n\r\n")

    server = start(SecureScript, pair, play)
    proxy = front(server, timeouts={"upstream_idle": "60s"})
    with proxy.connect() as wire:
        for n in range(1, 4):
            assert wire.get("/").body == b"ok"
            time.sleep(2 * pause)
            assert len(server.seen) == n


def test_waiting_for_100(start, front, pair):
    def play(wire, request):
        assert "expect: 100-continue" in request.lower()
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert wire.need(5) == b"hello"
        wire.send(OK)

    proxy = front(start(SecureScript, pair, play))
    proxy.expect_broken = True
    with proxy.connect() as wire:
        wire.send(head("POST", "/", {"Expect": "100-continue", "Content-Length": "5"}))
        assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        wire.send(b"hello")
        assert wire.read("POST").side == "script"


class OpenSsl:
    """openssl s_server, which can do what Python's module cannot; .say() is its console: a line is sent,
    unless what it reads begins with a command's letter."""

    url = property(lambda self: f"https://127.0.0.1:{self.port}")

    def __init__(self, pair, *arguments):
        self.port, self.heard = free_port(), []
        self.child = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", pair[0], "-key", pair[1],
             "-crlf", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=lambda: self.heard.extend(iter(self.child.stdout.readline, b"")),
                         daemon=True).start()
        self.wait_for(b"ACCEPT")
        threading.Thread(target=self.answer_check, daemon=True).start()

    def wait_for(self, what):
        eventually(lambda: any(what in line for line in list(self.heard)), 10)

    def say(self, text, pause=0.1):
        self.child.stdin.write(text.encode())
        self.child.stdin.flush()
        time.sleep(pause)

    def answer_check(self):
        self.wait_for(b"GET /health")
        self.say("HTTP/1.1 200 OK\nConnection: close\nContent-Length: 0\n\n")

    def stop(self):
        self.child.kill()
        self.child.wait()


def test_a_flood_of_key_updates(start, front, pair):
    server = start(OpenSsl, pair, "-tls1_3")
    proxy = front(server)
    proxy.expect_broken = True
    with proxy.connect() as wire:
        wire.send(head("GET", "/long"))
        server.wait_for(b"GET /long")
        server.say("HTTP/1.1 200 OK\nX-Backend: s_server\n")
        for _ in range(200):
            server.say("K\n", 0.002)
        time.sleep(0.1)
        server.say("Content-Length: 3\n\nok\n")
        answer = wire.read()
        assert (answer.status, answer.body, answer.side) == (200, b"ok\r", "s_server")
    assert sum(b"SSL_do_handshake" in line for line in server.heard) > 20, "there were some"


def test_no_renegotiation(start, front, pair):
    """The server is refused, and takes it badly; nobody hangs."""
    server = start(OpenSsl, pair, "-tls1_2")
    proxy = front(server)
    proxy.expect_broken = True
    with proxy.connect(3) as wire:
        wire.send(head("GET", "/long"))
        server.wait_for(b"GET /long")
        server.say("r\n")
        assert wire.read().outcome == "upstream_closed"


# --- large bodies, TLS on both sides

class Sink(SecureScript):
    """GET /N: N bytes; POST: answers with the SHA-256 of what came. `pause_s` between two reads."""

    pause_s = 0

    def __init__(self, pair):
        super().__init__(pair, self.answer)

    def answer(self, wire, request):
        while True:
            if request.startswith("POST"):
                self.take(wire, int(re.search(r"(?i)\r\ncontent-length: (\d+)", request).group(1)))
            else:
                self.give(wire, int(request.split()[1].strip("/") or 0))
            request = wire.until(b"\r\n\r\n").decode()

    def take(self, wire, left):
        digest = hashlib.sha256(wire.rest)
        left -= len(wire.rest)
        wire.rest = b""
        while left:
            data = wire.sock.recv(min(left, 65536))
            assert data
            digest.update(data)
            left -= len(data)
            time.sleep(self.pause_s)
        text = digest.hexdigest().encode()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)

    @staticmethod
    def give(wire, size):
        wire.send(b"HTTP/1.1 200 OK\r\nX-Backend: script\r\nContent-Length: %d\r\n\r\n" % size)
        body = pattern(min(size, MIB))
        for at in range(0, size, MIB):
            wire.send(body[:min(MIB, size - at)])


@pytest.fixture
def both(front, pair):
    """both(server, **config): a listener with TLS, `proxy.tls`, beside the plain one."""
    def make(server, **config):
        plain, port = free_port(), free_port()
        proxy = front(server, listen=[
            {"address": f"127.0.0.1:{plain}"},
            {"address": f"127.0.0.1:{port}", "tls": {"certificate": pair[0], "key": pair[1]}}], **config)
        proxy.port, proxy.tls = plain, ("127.0.0.1", port)
        return proxy
    return make


class Memory:
    """Watches how far it grows."""

    def __init__(self, proxy):
        self.proxy, self.peak, self.done = proxy, 0, threading.Event()
        self.before = proxy.pss_kib()
        self.watcher = threading.Thread(target=self.watch)

    def watch(self):
        while not self.done.wait(0.02):
            self.peak = max(self.peak, self.proxy.pss_kib())

    def __enter__(self):
        self.watcher.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.watcher.join()

    @property
    def grown(self):
        return self.peak - self.before


@pytest.mark.perf
@pytest.mark.parametrize("slow", [False, True], ids=["fast", "slow"])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_20_mb_with_flat_memory(start, both, pair, authority, direction, slow):
    size = 20 * MIB
    server = start(Sink, pair)
    proxy = both(server, release=True, log={"access": "off"})

    def exchange(size):
        with secure(proxy.tls, authority, "127.0.0.1", timeout=30) as wire:
            if direction == "up":
                wire.send(head("POST", "/", {"Content-Length": str(size), "Host": "127.0.0.1"}))
                for at in range(0, size, MIB):
                    wire.send(pattern(MIB)[:min(MIB, size - at)])
                return wire.read("POST").body.decode()
            digest = hashlib.sha256()
            wire.send(head("GET", f"/{size}", {"Host": "127.0.0.1"}))
            wire.read(sink=lambda data: (digest.update(data), time.sleep(0.0005 if slow else 0)))
            return digest.hexdigest()

    for _ in range(2):
        exchange(3 * MIB)
    server.pause_s = 0.0005 if slow else 0
    with Memory(proxy) as memory:
        assert exchange(size) == hashlib.sha256(pattern(MIB) * 20).hexdigest()
    assert memory.grown < 1024, f"memory grew by {memory.grown} KiB"


@pytest.mark.perf
@pytest.mark.parametrize("direction", ["up", "down"])
def test_who_does_not_read_stops_who_sends(start, both, pair, authority, direction):
    def play(wire, request):
        if request.startswith("POST"):
            quiet.wait(10)
        else:
            Sink.give(wire, 100 * MIB)

    quiet = threading.Event()
    proxy = both(start(SecureScript, pair, play), release=True, log={"access": "off"})
    ask(proxy, headers={"X-Cutover-Backend": "new"})
    with secure(proxy.tls, authority, "127.0.0.1") as wire:
        before = proxy.pss_kib()
        if direction == "down":
            wire.send(head("GET", "/", {"Host": "127.0.0.1"}))
        else:
            wire.send(head("POST", "/", {"Content-Length": str(100 * MIB), "Host": "127.0.0.1"}))
            wire.sock.settimeout(0.5)
            with pytest.raises((TimeoutError, ssl.SSLError)):
                for _ in range(100):
                    wire.send(bytes(MIB))
        time.sleep(0.5)
        assert proxy.pss_kib() - before < 1024
        quiet.set()
    proxy.expect_broken = True


# --- WebSockets, TLS on both sides

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def echo(wire, _head):
    """Until the client ends; b"bye" has us end first, b"cut" and b"rst" in other ways."""
    wire.send(SWITCHED)
    while data := wire.sock.recv(65536):
        if data == b"bye":
            return end_properly(wire)
        if data in (b"cut", b"rst"):
            return (cut if data == b"cut" else reset)(wire)
        wire.send(data)
    wire.send(b"last words")
    end_properly(wire)


@pytest.fixture
def tunnel(start, both, pair, authority):
    """(proxy, wire): an open one."""
    server = start(SecureScript, pair, echo)
    proxy = both(server)
    proxy.expect_broken = True
    with secure(proxy.tls, authority, "127.0.0.1") as wire:
        wire.send(upgrade("/ws").replace(b"test:80", b"127.0.0.1"))
        assert wire.read_head().status == 101
        yield proxy, wire


def test_a_tunnel_carries_bytes_both_ways(tunnel):
    _, wire = tunnel
    for size in (1, 100, 16384, 100_000, 300_000):
        data = os.urandom(size)
        wire.send(data)
        assert wire.need(size) == data


def test_a_client_ends_a_tunnel(tunnel):
    """close_notify, and what the server still has to say comes through; then its end."""
    proxy, wire = tunnel
    wire.send(b"hello")
    assert wire.need(5) == b"hello"
    with contextlib.suppress(ssl.SSLError):
        wire.sock.settimeout(0.5)
        wire.sock.unwrap()
    eventually(lambda: proxy.access(path="/ws")[0]["outcome"] == "tunnel")
    assert proxy.access(path="/ws")[0]["bytes_out"] == len(b"hello" + b"last words")


def test_a_server_ends_a_tunnel(tunnel):
    proxy, wire = tunnel
    wire.send(b"bye")
    assert wire.sock.recv(100) == b"", "close_notify: a cut would raise SSLEOFError"
    wire.close()
    eventually(lambda: proxy.access(path="/ws")[0]["outcome"] == "tunnel")


@pytest.mark.parametrize("how", [b"cut", b"rst"])
def test_a_server_cuts_a_tunnel(tunnel, how):
    proxy, wire = tunnel
    wire.send(how)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        wire.sock.recv(100)
    assert proxy.access(path="/ws")[0]["outcome"] == "tunnel"
    assert proxy.metric("cutover_tunnels", backend="old") == 0


@pytest.mark.parametrize("how", [cut, reset])
def test_a_client_cuts_a_tunnel(tunnel, how):
    proxy, wire = tunnel
    how(wire)
    assert proxy.access(path="/ws")[0]["outcome"] == "tunnel"
    eventually(lambda: proxy.metric("cutover_tunnels", backend="old") == 0)


# --- the secret

def test_a_stranger_cannot_have_the_secret_sent_to_himself(start, authority, tmp_path):
    """On a shared platform his application is behind the same edge, and its wildcard fits both."""
    secret = tmp_path / "secret"
    secret.write_text("word")
    edge = start(SecureScript, authority.issue(["*.up.example"]))
    proxy = start(Proxy, edge, "http://127.0.0.1:9", config={
        "backends": {"old": {"host": "client", "tls": {"ca_file": authority.ca_file},
                             "health": {"host": "ours.up.example"}}},
        "forwarded": {"client_ip_header": "X-Client-IP", "secret_file": str(secret),
                      "secret_hosts": ["too.up.example"]}})
    for host, told in [("ours.up.example", True), ("too.up.example", True), ("OURS.up.example:80", True), ("his.up.example", False)]:
        with proxy.connect() as wire:
            assert wire.get("/", {"Host": host}).status == 200
        assert ("X-Cutover-Secret: word" in edge.seen[-1]) == told, host
        assert "X-Client-IP: 127.0.0.1" in edge.seen[-1]
    proxy.expect_broken = True
