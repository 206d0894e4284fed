"""The control side over TLS: health checks of https:// servers, the admin port, the verbs."""

import contextlib
import http.client
import json
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

from certs import Authority, self_signed
from cutover import Answer, Process, Proxy, Recorder, Server, cli, free_port, program, BUILD
from tls import OK, SecureScript, SecureWire, client
from wire import Wire, eventually, head

PLATFORM_404 = b"HTTP/1.1 404 Not Found\r\nX-Railway-Fallback: true\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """An authority that nobody here trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"), "Strange Authority")


@pytest.fixture(scope="module")
def by_address(authority):
    return authority.issue(["local.test"], ips=["127.0.0.1"])


# --- health checks

class Checked(SecureScript):
    """Answers checks with .answer and keeps what they said; nothing else comes."""

    answer = OK

    def _converse(self, wire, sock):
        asked = wire.until(b"\r\n\r\n").decode("latin-1")
        self.resumed.append(sock.session_reused)
        self.seen.append(asked)
        wire.send(self.answer)


class Raw(Server):
    """Has each connection for itself: `play(connection)`, which is then closed."""

    def __init__(self, play):
        self.play = play
        self.listener = socket.create_server((self.host, 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"https://{self.authority}"

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.settimeout(10)
        with connection, contextlib.suppress(OSError):
            self.play(connection)


def stall(connection):
    connection.settimeout(60)
    while connection.recv(65536):
        pass


def close_early(connection):
    connection.recv(65536)


def reset_early(connection):
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def speak_plainly(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def refuse_by_alert(connection):
    connection.recv(65536)
    connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # fatal, handshake_failure


@pytest.fixture
def checked(start, old, authority):
    """checked(server, **backend): `new` is that server, verified against our authority."""
    def make(server, tls=None, **backend):
        tls = {"ca_file": authority.ca_file} if tls is None else tls
        return start(Proxy, old, server, {"backends": {"new": {"tls": tls, **backend}}})
    return make


def verdict(proxy, server):
    """(health, why) of the newest flip."""
    def found():
        events = proxy.admin("GET", "/v1/events").json()["events"]
        flips = [e for e in events if e["what"] == "health" and e["subject"] == server.url]
        return flips and (flips[-1]["to"], flips[-1]["reason"])

    return eventually(found, 10, what="a verdict")


def test_a_check_over_tls(start, checked, by_address):
    server = start(Checked, by_address)
    proxy = checked(server)
    assert verdict(proxy, server) == ("up", "status 200")
    assert proxy.server_health("new") == ["up"]
    assert server.seen[0].startswith("GET /health HTTP/1.1\r\n")
    assert f"\r\nHost: {server.authority}\r\n" in server.seen[0]
    assert set(server.names) == {None}, "an address is not asked for by name"


def test_checks_resume_their_session(start, checked, by_address):
    server = start(Checked, by_address)
    checked(server)
    eventually(lambda: len(server.resumed) >= 4, 10)
    assert not server.resumed[0] and all(server.resumed[1:4])


@pytest.mark.parametrize("backend,host,name", [
    ({"host": "app.test"}, "app.test", "app.test"),
    ({"host": "app.test:8443"}, "app.test:8443", "app.test"),
    ({"host": "app.test", "sni": "edge.test"}, "app.test", "edge.test"),
    ({"host": "client", "health": {"host": "app.test:1"}}, "app.test:1", "app.test"),
    ({"host": "other.test", "health": {"host": "app.test"}}, "app.test", "app.test"),
])
def test_the_name_is_that_of_the_host(start, checked, authority, backend, host, name):
    server = start(Checked, authority.issue([name]))
    proxy = checked(server, **backend)
    assert verdict(proxy, server) == ("up", "status 200")
    assert f"\r\nHost: {host}\r\n" in server.seen[0]
    assert set(server.names) == {name}


def test_with_the_clients_host_there_is_only_the_servers(start, checked, by_address):
    server = start(Checked, by_address)
    proxy = checked(server, host="client")
    assert verdict(proxy, server) == ("up", "status 200")
    assert f"\r\nHost: {server.authority}\r\n" in server.seen[0]


def bad_certificates(authority, stranger):
    local = {"names": ["local.test"], "ips": ["127.0.0.1"]}
    return {
        "expired": (lambda folder: authority.issue(**local, expired=True), "certificate has expired"),
        "not yet": (lambda folder: authority.issue(**local, not_yet=True),
                    "certificate is not yet valid"),
        "wrong name": (lambda folder: authority.issue(["other.test"]),
                       "certificate is for another name"),
        "wrong address": (lambda folder: authority.issue([], ips=["127.0.0.2"]),
                          "certificate is for another name"),
        "self-signed": (lambda folder: self_signed(folder, **local), "self-signed certificate"),
        "unknown authority": (lambda folder: stranger.issue(**local),
                              "unable to get local issuer certificate"),
        "half a chain": (lambda folder: authority.intermediate().issue(**local, chain=False),
                         "unable to get local issuer certificate"),
    }


@pytest.mark.parametrize("case", bad_certificates(None, None))
def test_bad_certificates(start, checked, authority, stranger, tmp_path, case):
    make, why = bad_certificates(authority, stranger)[case]
    server = start(Checked, make(tmp_path))
    proxy = checked(server)
    state, detail = verdict(proxy, server)
    assert state == "down" and detail.startswith(f"TLS: {why}")
    assert proxy.server_health("new") == ["down"]
    assert not server.seen, "nothing is sent to whom we do not trust"


def test_the_systems_authorities_are_the_default(start, checked, by_address):
    server = start(Checked, by_address)
    proxy = checked(server, tls={})
    assert verdict(proxy, server) == ("down", "TLS: unable to get local issuer certificate")


@pytest.mark.parametrize("play,why", [
    (stall, "TLS handshake: timeout after 400ms"),
    (close_early, "TLS: the connection was closed during the handshake"),
    (reset_early, "TLS handshake: connection reset by peer"),
    (speak_plainly, "TLS: what answers there is not TLS"),
    (refuse_by_alert, "TLS: the handshake was refused: no cipher in common, or no such name there"),
])
def test_handshakes_that_fail(start, checked, play, why):
    server = start(Raw, play)
    proxy = checked(server)
    assert verdict(proxy, server) == ("down", why)


def test_an_end_without_an_answer(start, checked, by_address):
    server = start(Checked, by_address)
    server.answer = b""
    proxy = checked(server)
    state, why = verdict(proxy, server)
    assert state == "down"
    assert why in ("connection closed without an answer",
                   "TLS: the connection was closed without a close_notify")


def test_without_verification_anybody_will_do(start, checked, tmp_path):
    server = start(Checked, self_signed(tmp_path, ["other.test"], expired=True))
    proxy = checked(server, tls={"verify": False})
    assert verdict(proxy, server) == ("up", "status 200")


@pytest.mark.parametrize("accepted,state", [
    (["edge.test"], "up"), (["more.test", "*.up.test"], "up"), (["up.test", "*.edge.test"], "down")])
def test_further_names(start, checked, authority, accepted, state):
    server = start(Checked, authority.issue(["edge.test", "*.up.test"]))
    proxy = checked(server, tls={"ca_file": authority.ca_file, "names": accepted})
    assert verdict(proxy, server)[0] == state


def test_a_servers_own_certificate_can_be_trusted(start, checked, tmp_path):
    own = self_signed(tmp_path, ["local.test"], ips=["127.0.0.1"])
    server = start(Checked, own)
    proxy = checked(server, tls={"ca_file": own[0]})
    assert verdict(proxy, server) == ("up", "status 200")


def test_a_server_heals(start, checked, authority, by_address):
    expired = authority.issue(["local.test"], ips=["127.0.0.1"], expired=True)
    server = start(Checked, [expired] * 4 + [by_address])
    proxy = checked(server)
    eventually(lambda: proxy.server_health("new") == ["up"], 10)
    reasons = [e["reason"] for e in proxy.admin("GET", "/v1/events").json()["events"]
               if e["what"] == "health" and e["subject"] == server.url]
    assert reasons == ["TLS: certificate has expired", "status 200"]


def test_the_platforms_answer_is_a_failure_whatever_counts_as_success(start, old, checked, by_address):
    plain, secure = start(Recorder, lambda *_: PLATFORM_404), start(Checked, by_address)
    plain.OK = secure.answer = PLATFORM_404
    proxy = start(Proxy, old, plain, {"backends": {"new": {"health": {"success_codes": "200-499"}}}})
    why = ("down", "the platform answered 404 instead of the application")
    assert verdict(proxy, plain) == why
    proxy = checked(secure, health={"success_codes": "200-499"})
    assert verdict(proxy, secure) == why


def test_a_reload_takes_other_names(start, checked, authority):
    server = start(Checked, authority.issue(["edge.test"]))
    proxy = checked(server)
    assert verdict(proxy, server)[0] == "down"
    proxy.config["backends"]["new"]["sni"] = "edge.test"
    proxy.write_config()
    proxy.reload()
    eventually(lambda: proxy.server_health("new") == ["up"], 10)
    assert server.names[-1] == "edge.test"


# --- the admin port

class SecureProxy(Proxy):
    """With admin.tls; .admin() trusts `authority`."""

    def __init__(self, old, new, pair, authority, config=None):
        self.authority_of_admin = authority
        self.pair = pair
        super().__init__(old, new, config)

    def base_config(self):
        config = super().base_config()
        config["admin"]["tls"] = {"certificate": self.pair[0], "key": self.pair[1]}
        return config

    @property
    def admin_address(self):
        return ("127.0.0.1", self.admin_port)

    @property
    def admin_url(self):
        return f"https://127.0.0.1:{self.admin_port}"

    def wire(self, timeout=10.0):
        return SecureWire(self.admin_address, client(self.authority_of_admin), "127.0.0.1",
                          timeout=timeout)

    def admin(self, method, path, body=None, headers=None):
        data = json.dumps(body) if isinstance(body, dict) else body
        headers = {"Content-Type": "application/json", **(headers or {})} if data else headers or {}
        connection = http.client.HTTPSConnection("127.0.0.1", self.admin_port, timeout=10,
                                                 context=client(self.authority_of_admin))
        try:
            connection.request(method, path, data, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()


@pytest.fixture
def secured(start, old, new, by_address, authority):
    return start(SecureProxy, old, new, by_address, authority)


def curl(*args):
    return subprocess.run(["curl", "-sS", "--max-time", "10", *args], capture_output=True, text=True,
                          check=False)


def test_the_api_over_tls(secured):
    assert secured.status()["weight"] == 0
    secured.weight(12.5)
    assert secured.status()["last_change"]["actor"] == "127.0.0.1"
    assert secured.admin("PUT", "/v1/weight", {"weight": 101}).code == "weight_out_of_range"
    assert secured.metric("cutover_weight_percent", route="main") == 12.5


def test_curl(secured, authority, stranger):
    good = curl("--cacert", authority.ca_file, f"{secured.admin_url}/v1/status")
    assert good.returncode == 0 and json.loads(good.stdout)["weight"] == 0
    assert curl("--cacert", stranger.ca_file, f"{secured.admin_url}/v1/status").returncode == 60
    assert curl(f"{secured.admin_url}/v1/status").returncode == 60


def test_nothing_is_said_in_the_clear(secured):
    with Wire(secured.admin_address) as wire:
        wire.send(head("GET", "/v1/status"))
        assert b"weight" not in wire.drain(5)
    eventually(lambda: secured.logs("admin TLS handshake failed"), 5)
    [line] = secured.logs("admin TLS handshake failed")
    assert (line["peer"], line["reason"]) == ("127.0.0.1", "what answers there is not TLS")


def test_who_connects_and_goes_away_is_not_told(secured):
    for _ in range(3):
        socket.create_connection(secured.admin_address).close()
    time.sleep(0.3)
    assert not secured.logs("admin TLS handshake failed")


def test_requests_in_one_record_are_answered_in_turn(secured):
    with secured.wire() as wire:
        wire.send(head("GET", "/healthz") * 100 +
                  head("GET", "/v1/status", {"Host": "127.0.0.1"}))
        for _ in range(100):
            assert wire.read().status == 200
        assert wire.read().json()["weight"] == 0


def test_a_body_and_its_continue(secured):
    body = b'{"weight": 25}'
    with secured.wire() as wire:
        wire.send(head("PUT", "/v1/weight", {"Expect": "100-continue", "Host": "127.0.0.1",
                                             "Content-Type": "application/json"}, body))
        assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        wire.send(body)
        assert wire.read().json()["weight"] == 25


def test_one_byte_at_a_time(secured):
    with secured.wire() as wire:
        for byte in head("GET", "/v1/status", {"Host": "127.0.0.1"}):
            wire.send(bytes([byte]))
        assert wire.read().status == 200


def test_large_answers_to_a_slow_reader(secured):
    """More than the sockets hold: the rest waits, and nothing is lost or mixed up."""
    count = 400
    with secured.wire(timeout=30) as wire:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
        wire.send(head("GET", "/metrics", {"Host": "127.0.0.1"}) * count)
        time.sleep(1)
        assert secured.status()["weight"] == 0, "others are served meanwhile"
        began = time.monotonic()
        for _ in range(count):
            answer = wire.read()
            assert answer.status == 200 and answer.body.endswith(b"\n")
        assert time.monotonic() - began < 8, "it goes on as soon as there is room"


def token_file(folder):
    token = folder / "token"
    token.write_text("a-long-enough-token-for-tests-0123456789\n")
    token.chmod(0o600)
    return token


def last_words(proxy, authority, words):
    """Says `words` and close_notify in one go; what is answered until the other end closes."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    inside = client(authority).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    answer = b""
    with socket.create_connection(proxy.admin_address, 10) as sock:
        while True:
            try:
                inside.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
        inside.write(words)
        with contextlib.suppress(ssl.SSLWantReadError):
            inside.unwrap()
        sock.sendall(outgoing.read())
        with contextlib.suppress(ssl.SSLZeroReturnError):
            while True:
                try:
                    answer += inside.read(65536)
                except ssl.SSLWantReadError:
                    data = sock.recv(65536)
                    assert data, "closed without close_notify"
                    incoming.write(data)
    return answer


def test_answers_outlive_the_clients_end(secured, authority):
    request = head("GET", "/healthz", {"Host": "127.0.0.1"})
    assert last_words(secured, authority, request * 3).count(b"HTTP/1.1 200 ") == 3


def test_a_late_answer_outlives_the_clients_end(start, old, new, by_address, authority, tmp_path):
    """A refusal for want of a token comes 250 ms later."""
    token = token_file(tmp_path)
    proxy = start(TokenProxy, old, new, by_address, authority,
                  {"admin": {"token_file": str(token)}})
    answer = last_words(proxy, authority, head("GET", "/v1/status", {"Host": "127.0.0.1"}))
    assert answer.startswith(b"HTTP/1.1 401 ")


class TokenProxy(SecureProxy):
    def admin(self, method, path, body=None, headers=None):
        token = Path(self.config["admin"]["token_file"]).read_text().strip()
        return super().admin(method, path, body, {"Authorization": f"Bearer {token}", **(headers or {})})


def test_events_can_be_followed(secured):
    with secured.wire() as wire:
        wire.send(head("GET", "/v1/events?follow=1", {"Host": "127.0.0.1"}))
        answer = wire.read_head()
        assert answer.status == 200 and answer.header("Content-Type") == "text/event-stream"
        secured.weight(33, reason="watch this")
        line = b""
        while b"watch this" not in line:
            line = wire.until(b"\n")
        assert json.loads(line[len(b"data:"):])["what"] == "weight"


def test_followers_that_leave_are_forgotten(secured):
    wires = [secured.wire() for _ in range(64)]
    for wire in wires:
        wire.send(head("GET", "/v1/events?follow=1", {"Host": "127.0.0.1"}))
        assert wire.read_head().status == 200
    assert secured.admin("GET", "/v1/events?follow=1").status == 503, "no more than 64"
    for wire in wires[::2]:
        wire.sock.unwrap()
    for wire in wires:
        wire.close()

    def follow():
        with secured.wire() as wire:
            wire.send(head("GET", "/v1/events?follow=1", {"Host": "127.0.0.1"}))
            return wire.read_head().status == 200

    eventually(follow, 5)
    secured.weight(1)


@pytest.mark.slow
def test_slow_handshakes_do_not_block_others(secured):
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    socks = [socket.create_connection(secured.admin_address, 5) for _ in range(100)]
    for number, sock in enumerate(socks):
        sock.sendall(hello[:number % len(hello)])
    began = time.monotonic()
    for _ in range(10):
        assert secured.status()["weight"] == 0
    assert time.monotonic() - began < 3
    assert secured.get("/").status == 200
    for sock in socks[50:]:
        sock.close()
    for sock in socks[:50]:
        sock.settimeout(15)
        assert sock.recv(1) == b"", "10 s are enough for a handshake and a request"
        sock.close()


def test_one_too_many_is_told_so(secured):
    wires = []
    with contextlib.ExitStack() as stack:
        for _ in range(256):
            wires.append(stack.enter_context(secured.wire()))
        with secured.wire() as wire:
            answer = wire.read()
            assert answer.status == 503 and answer.json()["error"]["code"] == "busy"
    assert eventually(lambda: secured.status(), 5)["weight"] == 0


def test_a_handshake_may_span_a_reload(start, old, new, authority, tmp_path):
    """The keys that it began with stay for it, whatever the files say by now."""
    first, second = (authority.issue(["local.test"], ips=["127.0.0.1"]) for _ in range(2))
    shown = tuple(str(tmp_path / name) for name in ("admin.crt", "admin.key"))

    def show(pair):
        for source, place in zip(pair, shown):
            Path(place).write_bytes(Path(source).read_bytes())

    def serial(wire):
        return wire.sock.getpeercert()["serialNumber"]

    show(first)
    proxy = start(SecureProxy, old, new, shown, authority)
    with proxy.wire() as wire:
        before = serial(wire)
    early = socket.create_connection(proxy.admin_address, 10)
    idle = proxy.wire()
    time.sleep(0.2)
    show(second)
    proxy.reload()

    def renewed():
        with proxy.wire() as wire:
            return serial(wire) != before

    eventually(renewed, 5)
    late = client(authority).wrap_socket(early, server_hostname="127.0.0.1")
    assert late.getpeercert()["serialNumber"] == before
    late.sendall(head("GET", "/v1/status", {"Host": "127.0.0.1"}))
    assert late.recv(65536).startswith(b"HTTP/1.1 200 ")
    late.close()
    idle.send(head("GET", "/v1/status", {"Host": "127.0.0.1"}))
    assert idle.read().status == 200
    idle.close()


# --- the command line

def test_the_verbs_over_tls(secured, authority):
    def verb(*args):
        return cli(*args, "--admin", secured.admin_url, "--ca-file", authority.ca_file)

    assert verb("weight", "30", "--reason", "by hand").returncode == 0
    assert secured.status()["weight"] == 30
    shown = verb("status")
    assert shown.returncode == 0 and "30" in shown.stdout
    assert verb("events").returncode == 0 and verb("rollback").returncode == 0
    assert secured.status()["weight"] == 0
    assert verb("healthcheck").returncode == 0
    assert verb("weight", "101").returncode == 2


def test_the_environment_says_whom_to_trust(secured, authority, stranger):
    admin = {"CUTOVER_ADMIN": secured.admin_url}
    assert cli("status", env={**admin, "CUTOVER_CA_FILE": authority.ca_file}).returncode == 0
    assert cli("status", env={**admin, "CUTOVER_CA_FILE": stranger.ca_file}).returncode == 1
    assert cli("status", "--ca-file", authority.ca_file,
               env={**admin, "CUTOVER_CA_FILE": stranger.ca_file}).returncode == 0
    assert cli("status", env={**admin, "SSL_CERT_FILE": authority.ca_file}).returncode == 0, \
        "the system's authorities"


def refusal(url, *args, **env):
    result = cli("weight", "77", "--admin", url, *args, env=env)
    assert result.returncode == 1 and not result.stdout, result
    return result.stderr.strip().removeprefix("cutover weight: ")


def test_who_is_not_trusted_gets_no_order(secured, authority, stranger, by_address):
    url = secured.admin_url
    unknown = refusal(url, SSL_CERT_FILE=stranger.ca_file)
    assert unknown.startswith(f"cannot reach the admin API at {url}: "
                              "unable to get local issuer certificate (--ca-file FILE ")
    assert refusal(url, "--ca-file", stranger.ca_file) == \
        f"cannot reach the admin API at {url}: unable to get local issuer certificate"
    named = url.replace("127.0.0.1", "localhost")
    assert refusal(named, "--ca-file", authority.ca_file) == \
        f"cannot reach the admin API at {named}: certificate is for another name"
    assert refusal(named, "--ca-file", by_address[0]) == \
        f"cannot reach the admin API at {named}: certificate is for another name"
    assert secured.status()["weight"] == 0
    # It tells no secret and only asks whether anybody is well there.
    assert cli("healthcheck", "--admin", url).returncode == 0


def test_an_expired_certificate(start, old, new, authority):
    """The proxy shows what it has; nobody is to believe it."""
    pair = authority.issue(["local.test"], ips=["127.0.0.1"], expired=True)
    server = start(SecureScript, pair)
    assert refusal(server.url, "--ca-file", authority.ca_file) == \
        f"cannot reach the admin API at {server.url}: certificate has expired"


def test_no_authorities_at_all(secured, tmp_path):
    missing = tmp_path / "missing.pem"
    said = refusal(secured.admin_url, "--ca-file", str(missing))
    assert said == f"cannot trust the admin API at {secured.admin_url}: cannot read {missing}: " \
                   "No such file or directory"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "install ca-certificates" in refusal(
        secured.admin_url, SSL_CERT_FILE=str(missing), SSL_CERT_DIR=str(empty))


def test_http_and_https_mixed_up(secured, proxy, authority):
    plain = secured.admin_url.replace("https", "http")
    assert refusal(plain) == f"the admin API at {plain} closed the connection without an answer. " \
                             "If it has TLS, its URL begins with https://"
    secure = f"https://127.0.0.1:{proxy.admin_port}"
    assert refusal(secure, "--ca-file", authority.ca_file) == \
        f"cannot reach the admin API at {secure}: it has no TLS, its URL begins with http://"
    result = cli("status", "--admin", plain, "--ca-file", authority.ca_file)
    assert result.returncode == 2 and "--ca-file is for https://" in result.stderr


@pytest.mark.parametrize("play,why", [
    (close_early, "the connection was closed during the handshake"),
    (reset_early, "Connection reset by peer"),
    (refuse_by_alert, "the handshake was refused: no cipher in common, or no such name there"),
])
def test_a_handshake_that_fails(start, authority, play, why):
    server = start(Raw, play)
    assert refusal(server.url, "--ca-file", authority.ca_file) == \
        f"cannot reach the admin API at {server.url}: {why}"


@pytest.mark.slow
def test_a_handshake_that_stalls(start, authority):
    server = start(Raw, stall)
    assert refusal(server.url, "--ca-file", authority.ca_file) == \
        f"cannot reach the admin API at {server.url}: it does not answer in time"


def test_a_broken_answer(start, authority, by_address):
    """Cut short without close_notify: not taken for whole."""
    def cut(wire, _head):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{}")
        wire.sock.close()

    server = start(SecureScript, by_address, cut)
    assert refusal(server.url, "--ca-file", authority.ca_file) == \
        f"cannot read from the admin API at {server.url}: " \
        "the connection was closed without a close_notify"


def test_events_followed_by_hand(secured, authority):
    follower = Process([program("cutover", BUILD), "events", "-f", "--json", "--admin",
                        secured.admin_url, "--ca-file", authority.ca_file])
    try:
        eventually(lambda: follower.out, 10)
        secured.weight(44, reason="seen from afar")
        eventually(lambda: any("seen from afar" in line for line in follower.out), 5)
    finally:
        follower.signal(signal.SIGINT)
        follower.wait()


# --- with the proxy's own configuration

@pytest.mark.parametrize("names,ips", [
    (["admin.example.org"], []), (["*.example.org"], []), ([], ["10.1.2.3"]), ([], ["127.0.0.1"])])
@pytest.mark.parametrize("own", [False, True], ids=["by an authority", "self-signed"])
def test_a_configuration_is_enough(start, old, new, authority, tmp_path, names, ips, own):
    """Whatever the certificate is for: it stands in the file, and that is what is trusted."""
    pair = self_signed(tmp_path, names, ips) if own else authority.issue(names, ips)
    proxy = start(AnyNameProxy, old, new, pair, authority)
    config = str(proxy.config_file)
    assert cli("healthcheck", "-c", config).returncode == 0
    assert cli("weight", "30", "-c", config).returncode == 0
    shown = cli("status", "-c", config, "--json")
    assert shown.returncode == 0 and json.loads(shown.stdout)["weight"] == 30


class AnyNameProxy(SecureProxy):
    """The tests themselves do not look at the certificate here."""

    def admin(self, *args, **kwargs):
        self.authority_of_admin = None
        return super().admin(*args, **kwargs)


def test_another_certificate_than_the_configurations_is_not_trusted(start, old, new, authority,
                                                                     by_address, tmp_path):
    """Somebody else listens there, with a certificate of the same authority, for the same name."""
    other = authority.issue(["local.test"], ips=["127.0.0.1"])
    somebody = start(SecureScript, other)
    proxy = start(SecureProxy, old, new, by_address, authority)
    proxy.config["admin"]["address"] = somebody.authority
    proxy.write_config()
    result = cli("status", "-c", str(proxy.config_file))
    assert result.returncode == 1
    assert result.stderr.strip() == f"cutover status: cannot reach the admin API at {somebody.url}: " \
                                    "unable to get local issuer certificate"
    assert not somebody.seen


def test_the_token_of_the_configuration(start, old, new, by_address, authority, tmp_path):
    token = token_file(tmp_path)
    proxy = start(TokenProxy, old, new, by_address, authority,
                  {"admin": {"token_file": str(token)}})
    config = str(proxy.config_file)
    assert cli("status", "-c", config).returncode == 0
    assert cli("status", "-c", config, env={"CUTOVER_TOKEN": "wrong"}).returncode == 0
    assert cli("status", "--admin", proxy.admin_url, "--ca-file", authority.ca_file).returncode == 1
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong\n")
    assert cli("status", "-c", config, "--token-file", str(wrong)).returncode == 1


def test_a_configuration_without_tls_is_enough_too(proxy, tmp_path):
    config = str(proxy.config_file)
    assert cli("healthcheck", "-c", config).returncode == 0
    assert cli("status", "-c", config).returncode == 0
    result = cli("status", "-c", str(tmp_path / "none.yaml"))
    assert result.returncode == 2 and "cutover check -c" in result.stderr
    assert cli("healthcheck", "-c", str(tmp_path / "none.yaml")).returncode == 1
    assert cli("reload", "-c", config).returncode == 2, "it would not be the file that is read"


def test_what_is_on_the_command_line_counts(proxy, start, old, new, by_address, authority):
    secured = start(SecureProxy, old, new, by_address, authority)
    secured.weight(9)
    config = str(secured.config_file)
    plain = f"http://127.0.0.1:{proxy.admin_port}"
    assert json.loads(cli("status", "--json", "-c", config, env={"CUTOVER_ADMIN": plain}).stdout)["weight"] == 9
    assert json.loads(cli("status", "--json", "-c", config, "--admin", plain).stdout)["weight"] == 0
    assert cli("status", "-c", config, env={"CUTOVER_CA_FILE": "/nowhere"}).returncode == 0


def test_an_address_that_means_all_is_reached_by_loopback(start, old, new, by_address, authority,
                                                          tmp_path):
    token = token_file(tmp_path)
    port = free_port()
    proxy = start(AllAddresses, old, new, by_address, authority,
                  {"admin": {"address": f"0.0.0.0:{port}", "token_file": str(token)}})
    assert cli("status", "-c", str(proxy.config_file)).returncode == 0
    assert cli("healthcheck", "-c", str(proxy.config_file)).returncode == 0


class AllAddresses(TokenProxy):
    def admin(self, *args, **kwargs):
        self.admin_port = int(self.config["admin"]["address"].rsplit(":", 1)[1])
        return super().admin(*args, **kwargs)


def test_check_tells_of_tls(secured):
    result = cli("check", "-c", str(secured.config_file))
    assert f"admin    127.0.0.1:{secured.admin_port} with TLS, no token" in result.stdout
