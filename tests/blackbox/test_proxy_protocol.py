"""The PROXY protocol on a listener: who the client is, what becomes of who does not speak it, and a real
HAProxy in front."""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import ssl
import struct
import time

import pytest

from certs import Authority
from conftest import finish
from cutover import Origin, Process, Proxy, Recorder, Server, free_port, readable, wait_for_port
from test_edges import upgrade
from test_platform import counted
from tls import SecureWire, client, secure
from wire import Wire, eventually, head

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
WARNING = "connection refused: no valid PROXY header in front (proxy_protocol: true)"
CLIENT, ASKED = ("192.0.2.7", 56324), ("198.51.100.1", 8443)
CLIENT6, ASKED6 = ("2001:db8::7", 56324), ("2001:db8::1", 8443)


def line(source=CLIENT, asked=ASKED):
    family = "TCP6" if ":" in source[0] else "TCP4"
    return f"PROXY {family} {source[0]} {asked[0]} {source[1]} {asked[1]}\r\n".encode()


def vector(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def binary(source=CLIENT, asked=ASKED, vectors=b"", command=0x21, family=None, addresses=None):
    if addresses is None:
        kind = socket.AF_INET6 if ":" in source[0] else socket.AF_INET
        addresses = b"".join(socket.inet_pton(kind, end[0]) for end in (source, asked))
        addresses += struct.pack("!HH", source[1], asked[1])
        family = family or (0x21 if kind == socket.AF_INET6 else 0x11)
    rest = addresses + vectors
    return SIGNATURE + struct.pack("!BBH", command, family or 0, len(rest)) + rest


def crc32c(data):
    total = 0xffffffff
    for byte in data:
        total ^= byte
        for _ in range(8):
            total = total >> 1 ^ (0x82f63b78 if total & 1 else 0)
    return total ^ 0xffffffff


def summed(good=True):
    """With its checksum, which is made with zeros in its own place."""
    zero = binary(vectors=vector(3, bytes(4)))
    return zero[:-4] + struct.pack("!I", crc32c(zero) ^ (0 if good else 1))


def came_by_tls(bits=1):
    return vector(0x20, struct.pack("!BI", bits, 0) + vector(0x21, b"TLSv1.3"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue(["a.example"], ips=["127.0.0.1"])


def listen(ports, pair):
    """A plain listener, one behind a balancer, and one with TLS as well."""
    return {"workers": 1, "listen": [
        {"address": f"127.0.0.1:{ports[0]}"},
        {"address": f"127.0.0.1:{ports[1]}", "proxy_protocol": True},
        {"address": f"127.0.0.1:{ports[2]}", "proxy_protocol": True,
         "tls": {"certificate": pair[0], "key": pair[1]}}]}


def with_ports(proxy, ports):
    proxy.port = ports[0]
    proxy.balanced, proxy.secure = [("127.0.0.1", port) for port in ports[1:]]
    return proxy


@pytest.fixture
def behind(start, old, new, pair):
    """behind(): .balanced and .secure are the addresses for a balancer."""
    def make(*servers, **config):
        ports = [free_port() for _ in range(3)]
        return with_ports(start(Proxy, *(servers or (old, new)), config={**listen(ports, pair), **config}), ports)
    return make


@pytest.fixture(scope="module")
def echoing(pair):
    """One for all headers that are right."""
    ports, sides = [free_port() for _ in range(3)], [Origin("old"), Origin("new")]
    proxy = with_ports(Proxy(*sides, listen(ports, pair)), ports)
    yield proxy
    assert finish(proxy) == []
    for side in sides:
        side.stop()


def warnings(proxy):
    return proxy.logs(WARNING)


def echo(wire, headers=None, path="/echo"):
    """What the application saw: {name: value}."""
    given = wire.get(path, {"Host": "a.example", **(headers or {})})
    assert given.status == 200, given
    seen = {}
    for name, value in given.json()["headers"]:
        seen.setdefault(name.lower(), []).append(value)
    return {name: ", ".join(values) for name, values in seen.items()}


# --- headers that are right

OWN = "127.0.0.1"
GOOD = {
    "1 TCP4": (line(), CLIENT[0], "8443", "http"),
    "1 TCP6": (line(CLIENT6, ASKED6), CLIENT6[0], "8443", "http"),
    "1 UNKNOWN": (b"PROXY UNKNOWN\r\n", OWN, None, "http"),
    "1 UNKNOWN with more": (b"PROXY UNKNOWN ffff:f...f:ffff what ever 1 2\r\n", OWN, None, "http"),
    "2 TCP4": (binary(), CLIENT[0], "8443", "http"),
    "2 TCP6": (binary(CLIENT6, ASKED6), CLIENT6[0], "8443", "http"),
    "2 TCP6 of an IPv4 client": (binary(("::ffff:192.0.2.7", 1), ASKED6), CLIENT[0], "8443", "http"),
    "2 LOCAL": (binary(command=0x20, addresses=b""), OWN, None, "http"),
    "2 LOCAL with addresses": (binary(command=0x20), OWN, None, "http"),
    "2 UNSPEC": (binary(addresses=b"", family=0), OWN, None, "http"),
    "2 UDP": (binary(family=0x12), OWN, None, "http"),
    "2 UNIX": (binary(addresses=bytes(216), family=0x31), OWN, None, "http"),
    "2 with vectors": (binary(vectors=vector(1, b"h2") + vector(2, b"x.example") + vector(4, bytes(64))
                              + vector(5, b"id") + vector(0xea, b"\1vpce-0")), CLIENT[0], "8443", "http"),
    "2 with a large one": (binary(vectors=vector(4, bytes(4096 - 16 - 12 - 3))), CLIENT[0], "8443", "http"),
    "2 with a checksum": (summed(), CLIENT[0], "8443", "http"),
    "2 by TLS": (binary(vectors=came_by_tls()), CLIENT[0], "8443", "https"),
    "2 by TLS, IPv6": (binary(CLIENT6, ASKED6, came_by_tls(7)), CLIENT6[0], "8443", "https"),
    "2 not by TLS": (binary(vectors=came_by_tls(0)), CLIENT[0], "8443", "http"),
}


@pytest.mark.parametrize("name", GOOD)
def test_who_the_client_is(echoing, name):
    """However the bytes come."""
    preface, address, port, scheme = GOOD[name]
    proxy = echoing
    request = head("GET", "/echo", {"Host": "a.example"})

    def at_once(wire):
        wire.send(preface + request)

    def apart(wire):
        wire.send(preface)
        time.sleep(0.01)
        wire.send(request)

    def across(wire):
        wire.send(preface[:-3])
        time.sleep(0.01)
        wire.send(preface[-3:] + request[:10])
        time.sleep(0.01)
        wire.send(request[10:])

    def byte_by_byte(wire):
        for byte in preface[:300]:
            wire.send(bytes([byte]))
        wire.send(preface[300:] + request)

    ids = []
    for send in (at_once, apart, across, byte_by_byte):
        with Wire(proxy.balanced) as wire:
            send(wire)
            given = wire.read()
            assert given.status == 200, send
            assert ("Secure" in given.header("Set-Cookie")) == (scheme == "https")
            ids.append(given.header("X-Request-ID"))
            seen = echo(wire)
            assert seen["x-forwarded-for"] == address
            assert seen["x-forwarded-port"] == (port or str(proxy.balanced[1]))
            assert seen["x-forwarded-proto"] == scheme
            assert seen["x-forwarded-host"] == "a.example"
    for request_id in ids:
        assert proxy.access(request_id=request_id)[0]["client"] == address
    assert not warnings(proxy)


@pytest.mark.parametrize("name", ["1 TCP4", "2 TCP6", "2 by TLS", "2 LOCAL"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_behind_it(echoing, authority, name, version):
    preface, address, port, _ = GOOD[name]
    proxy = echoing
    with secure(proxy.secure, authority, "a.example", version=version, preface=preface) as wire:
        seen = echo(wire)
        assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == (address, "https")
        assert seen["x-forwarded-port"] == (port or str(proxy.secure[1]))
        assert proxy.access(request_id=seen["x-request-id"])[0]["client"] == address


@pytest.mark.parametrize("preface", [line(), binary(CLIENT6, ASKED6)], ids=["1", "2"])
@pytest.mark.parametrize("cuts", ["one packet", "bytes"])
def test_a_tls_hello_in_the_headers_packet(echoing, authority, preface, cuts):
    """The handshake in memory, so that the test has the bytes in its hands."""
    proxy = echoing
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client(authority).wrap_bio(incoming, outgoing, server_hostname="a.example")
    with Wire(proxy.secure) as wire:
        def step(action, before=b""):
            while True:
                try:
                    result = action()
                    wanted = False
                except ssl.SSLWantReadError:
                    wanted = True
                data, before = before + outgoing.read(), b""
                if cuts == "bytes" and data.startswith((b"PROXY", b"\r\n")):
                    for byte in data:
                        wire.send(bytes([byte]))
                else:
                    wire.send(data)
                if not wanted:
                    return result
                incoming.write(wire.sock.recv(65536))

        step(tls.do_handshake, preface)
        step(lambda: tls.write(head("GET", "/echo", {"Host": "a.example"})))
        answer = step(lambda: tls.read(65536))
    assert answer.startswith(b"HTTP/1.1 200 ")
    request_id = answer.split(b"X-Request-ID: ")[1].split(b"\r\n")[0].decode()
    assert proxy.access(request_id=request_id)[0]["client"] == (CLIENT6 if b"QUIT" in preface else CLIENT)[0]


def test_it_stands_in_front_of_a_connection_only(behind):
    """Not of each request: a second one is malformed."""
    proxy = behind()
    with Wire(proxy.balanced) as wire:
        wire.send(line())
        for _ in range(3):
            assert echo(wire)["x-forwarded-for"] == CLIENT[0]
        wire.send(line(("192.0.2.8", 1)) + head("GET", "/second"))
        assert (given := wire.read()).status == 400 and given.outcome == "bad_request"
        assert wire.at_end(3)
    assert not [x for x in proxy.logs("request") if x.get("path") == "/second"]


def test_pipelined_requests_and_an_upload_in_one_packet(behind):
    body = os.urandom(40_000)
    with Wire(behind().balanced) as wire:
        wire.send(binary() + head("GET", "/bytes/5") + head("POST", "/upload", body=body) + body
                  + head("GET", "/bytes/7"))
        assert len(wire.read().body) == 5
        assert wire.read("POST").json()["sha256"] == hashlib.sha256(body).hexdigest()
        assert len(wire.read().body) == 7


def test_a_websocket_behind_it(behind):
    proxy = behind()
    with Wire(proxy.balanced) as wire:
        wire.send(binary() + upgrade("/ws"))
        assert wire.read_head().status == 101
        wire.send(b"\x81\x85" + bytes(4) + b"hello")
        assert b"hello" in wire.need(7)
    assert proxy.access(path="/ws")[0]["client"] == CLIENT[0]


# --- what the address is for

def test_trust_is_about_the_client_that_is_named(behind):
    """Not about the balancer, whose address plays no part here."""
    proxy = behind(forwarded={"trust": ["192.0.2.0/24", "127.0.0.1"], "client_ip_header": "X-Client-IP"})
    told = {"X-Forwarded-For": "203.0.113.5", "X-Forwarded-Proto": "https", "X-Client-IP": "6.6.6.6"}
    with Wire(proxy.balanced) as wire:
        wire.send(line())
        seen = echo(wire, told)
        assert seen["x-forwarded-for"] == "203.0.113.5, 192.0.2.7"
        assert (seen["x-client-ip"], seen["x-forwarded-proto"]) == ("203.0.113.5", "https")
    with Wire(proxy.balanced) as wire:
        wire.send(binary(("198.51.100.9", 1)))
        seen = echo(wire, told)
        assert seen["x-forwarded-for"] == seen["x-client-ip"] == "198.51.100.9"
        assert seen["x-forwarded-proto"] == "http"
    assert [x["client"] for x in proxy.access(path="/echo")] == ["203.0.113.5", "198.51.100.9"]


def test_a_user_is_known_by_the_address_that_is_named(behind):
    proxy = behind(initial_weight=50, sticky={"identity": ["address"]})
    sides = set()
    for n in range(1, 13):
        address = f"192.0.2.{n}"
        told = proxy.admin("POST", "/v1/explain", {"method": "GET", "path": "/", "address": address}).json()
        for preface in (line((address, 1000 + n)), binary((address, 2000 + n))):
            with Wire(proxy.balanced) as wire:
                wire.send(preface)
                given = wire.get("/")
                assert given.side == told["side"]
        assert {x["bucket"] for x in proxy.access(client=address)} == {told["bucket"]}
        sides.add(given.side)
    assert sides == {"old", "new"}


def test_the_other_listener_believes_nobody(behind):
    proxy = behind()
    with proxy.connect() as wire:
        wire.send(line() + head("GET", "/"))
        assert wire.read().status == 400
    with proxy.connect() as wire:
        wire.send(binary() + head("GET", "/"))
        assert wire.read().status == 400
    assert proxy.get("/").status == 200


# --- headers that are not there, or not right

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32)
BAD = {
    "http": head("GET", "/", {"Host": "a.example"}),
    "tls": HELLO,
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "post": head("POST", "/", body=b"x") + b"x",
    "put": head("PUT", "/", body=b"x") + b"x",
    "nothing of the kind": bytes(range(256)),
    "empty lines": b"\r\n\r\n\r\n\r\n\r\n\r\n",
    "lower case": line().lower(),
    "no family": b"PROXY\r\n",
    "TCP5": b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
    "no ports": b"PROXY TCP4 1.2.3.4 1.2.3.4\r\n",
    "a large port": line(("1.2.3.4", 65536)),
    "a negative port": line(("1.2.3.4", -1)),
    "a name": b"PROXY TCP4 a.example 1.2.3.4 1 2\r\n",
    "IPv6 in TCP4": b"PROXY TCP4 ::1 ::1 1 2\r\n",
    "IPv4 in TCP6": b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
    "a line feed alone": line().replace(b"\r\n", b"\n"),
    "a return alone": line().replace(b"\r\n", b"\rX"),
    "two blanks": line().replace(b" ", b"  "),
    "one word more": line().replace(b"\r\n", b" x\r\n"),
    "a long line": b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
    "a leading blank": b" " + line(),
    "version 3": binary().replace(SIGNATURE + b"\x21", SIGNATURE + b"\x31"),
    "an unknown command": binary(command=0x22),
    "a signature that is nearly right": binary().replace(b"QUIT", b"QUIZ"),
    "too short for its family": binary(addresses=bytes(11), family=0x11),
    "too long": SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 65535) + bytes(3000),
    "a vector that ends behind the end": binary(vectors=b"\x04\x00\x10abc"),
    "half a vector": binary(vectors=b"\x04\x00"),
    "a wrong checksum": summed(False),
}


@pytest.fixture(scope="module")
def quiet(pair):
    """One for all that must be refused: (proxy, what stands behind it)."""
    ports, sides = [free_port() for _ in range(3)], [Recorder(), Recorder()]
    proxy = with_ports(Proxy(*sides, listen(ports, pair)), ports)
    yield proxy, sides
    assert finish(proxy) == []
    for side in sides:
        side.stop()


@pytest.mark.parametrize("name", BAD)
def test_a_header_that_is_missing_or_malformed(quiet, name):
    """Closed, without a word to somebody who may speak anything, and nothing goes to a server."""
    proxy, recorders = quiet
    for address in (proxy.balanced, proxy.secure):
        for pieces in ([BAD[name]], [bytes([byte]) for byte in BAD[name][:150]]):
            with Wire(address) as wire:
                with contextlib.suppress(OSError):
                    for piece in pieces:
                        wire.send(piece)
                    wire.send(head("GET", "/behind"))
                assert wire.drain(3) == b"", name
    assert [x.bytes() for x in recorders] == [b"", b""]
    assert len(warnings(proxy)) <= 3, "not one for each connection"


def test_one_line_says_why(behind):
    """Not one for each connection: behind a balancer that is not set up all of them end like this."""
    proxy = behind()
    for _ in range(40):
        with Wire(proxy.balanced) as wire:
            wire.send(head("GET", "/"))
            assert wire.drain(3) == b""
    [told] = warnings(proxy)
    assert (told["level"], told["from"], told["port"]) == ("warn", "127.0.0.1", str(proxy.balanced[1]))
    with Wire(proxy.balanced) as wire:
        wire.send(line())
        assert wire.get("/").status == 200
    assert counted(proxy, "cutover_requests_total") == 1


def test_a_balancers_own_check_is_no_fault(behind):
    """It connects and goes away, or says LOCAL or UNKNOWN and goes away, or resets."""
    proxy = behind()
    for preface in (b"", b"PROXY UNKNOWN\r\n", binary(command=0x20, addresses=b""), line(), line()[:10]):
        for reset in (False, True):
            with Wire(proxy.balanced) as wire:
                wire.send(preface)
                if reset:
                    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: proxy.metric("cutover_client_connections_total") >= 10)
    time.sleep(0.1)
    assert not warnings(proxy) and not proxy.logs("request")


def test_a_header_that_does_not_come_in_time(behind):
    """Without a word, and without a line: who connects and waits may be anybody."""
    proxy = behind(timeouts={"client_header": "600ms"})
    wires, began = [], time.monotonic()
    for address in (proxy.balanced, proxy.secure):
        for part in (b"", line()[:9], line()[:-1], binary()[:2], binary()[:11], binary()[:-1]):
            wires.append(Wire(address))
            wires[-1].send(part)
    for wire in wires:
        with wire:
            assert wire.drain(3) == b""
            assert 0.5 < time.monotonic() - began < 2
    assert not warnings(proxy) and not proxy.logs("request")


def test_a_header_that_drips(behind):
    """The time is for all of it, not for each byte."""
    proxy = behind(timeouts={"client_header": "600ms"})
    with Wire(proxy.balanced) as wire, contextlib.suppress(OSError):
        began = time.monotonic()
        for byte in binary():
            wire.send(bytes([byte]))
            if readable(wire.sock, 0.1):
                break
        assert 0.5 < time.monotonic() - began < 2


def test_a_connection_without_a_header_holds_no_shutdown_up(behind):
    """Balancers keep some open in stock. Those that have not spoken get two seconds, as others do."""
    proxy = behind(timeouts={"drain": "20s"})
    with Wire(proxy.balanced) as silent, Wire(proxy.secure) as part:
        part.send(line())
        time.sleep(0.1)
        began = time.monotonic()
        proxy.process.signal(signal.SIGTERM)
        assert silent.drain(6) == part.drain(6) == b""
        assert time.monotonic() - began < 5
    assert proxy.process.wait() == 0


def test_the_time_for_a_head_goes_on_behind_the_header(behind):
    """Header, TLS and head share client_header."""
    proxy = behind(timeouts={"client_header": "900ms"})
    with Wire(proxy.balanced) as plain, Wire(proxy.secure) as tls:
        began = time.monotonic()
        time.sleep(0.5)
        plain.send(line() + b"GET / HT")
        tls.send(line() + HELLO[:20])
        assert plain.read().outcome == "header_timeout"
        tls.drain(3)
        assert 0.8 < time.monotonic() - began < 1.4


# --- changes

def test_it_may_come_and_go_with_a_reload(behind):
    proxy = behind()

    def switch(on):
        proxy.config["listen"][1]["proxy_protocol"] = on
        proxy.write_config()
        generation = proxy.status()["generation"]
        proxy.reload()
        eventually(lambda: proxy.status()["generation"] > generation)
        assert proxy.get("/").status == 200

    with Wire(proxy.balanced) as kept:
        kept.send(line())
        assert echo(kept)["x-forwarded-for"] == CLIENT[0]
        switch(False)
        assert echo(kept)["x-forwarded-for"] == CLIENT[0], "what is open goes on"
        with Wire(proxy.balanced) as wire:
            assert echo(wire)["x-forwarded-for"] == "127.0.0.1"
            switch(True)
            assert echo(wire)["x-forwarded-for"] == "127.0.0.1"
        with Wire(proxy.balanced) as wire:
            wire.send(line(("192.0.2.99", 1)))
            assert echo(wire)["x-forwarded-for"] == "192.0.2.99"
        with Wire(proxy.balanced) as wire:
            wire.send(head("GET", "/"))
            assert wire.drain(3) == b""


def test_a_reload_between_header_and_request(behind, authority, pair):
    """And one that takes TLS away from the listener meanwhile."""
    proxy = behind()
    with Wire(proxy.secure) as wire:
        wire.send(line()[:12])
        time.sleep(0.1)
        proxy.config["listen"][2]["tls"] = None
        proxy.write_config()
        generation = proxy.status()["generation"]
        proxy.reload()
        eventually(lambda: proxy.status()["generation"] > generation)
        assert proxy.get("/").status == 200
        wire.send(line()[12:])
        assert echo(wire)["x-forwarded-for"] == CLIENT[0]


# --- a real balancer

class HaProxy(Server):
    """In tcp mode, as a network load balancer is: `server` is its line for the proxy's listener."""

    def __init__(self, folder, server, bind="", checks=False):
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "haproxy.cfg").write_text(
            "defaults\n mode tcp\n timeout connect 2s\n timeout client 10s\n timeout server 10s\n"
            f"frontend front\n bind 127.0.0.1:{self.port} {bind}\n default_backend back\n"
            f"backend back\n server one {server} {'check inter 100ms' if checks else ''}\n")
        haproxy = shutil.which("haproxy") or "/usr/sbin/haproxy"
        if not os.path.exists(haproxy):
            pytest.skip("no haproxy")
        self.process = Process([haproxy, "-db", "-f", str(folder / "haproxy.cfg")])
        wait_for_port(self, self.process)

    def stop(self):
        return self.process.end()


def by_way_of(haproxy, authority=None):
    """A connection to it, and the client's own address there."""
    context = client(authority) if authority else None
    wire = SecureWire(haproxy.address, context, "a.example") if authority else Wire(haproxy.address)
    return wire, wire.sock.getsockname()


@pytest.mark.parametrize("how", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_behind_haproxy(start, behind, tmp_path, how):
    proxy = behind()
    haproxy = start(HaProxy, tmp_path, f"127.0.0.1:{proxy.balanced[1]} {how}", checks=True)
    wire, own = by_way_of(haproxy)
    with wire:
        for _ in range(3):
            seen = echo(wire, {"X-Forwarded-For": "6.6.6.6"})
            assert (seen["x-forwarded-for"], seen["x-forwarded-port"]) == (own[0], str(haproxy.port))
        body = os.urandom(1_000_000)
        given = wire.request("POST", "/upload", body=body)
        assert given.json()["sha256"] == hashlib.sha256(body).hexdigest()
    time.sleep(0.3)  # some checks
    assert not warnings(proxy)


def test_behind_haproxy_that_ends_tls(start, behind, authority, pair, tmp_path):
    """It tells by PP2_TYPE_SSL that the client came by TLS."""
    proxy = behind()
    (tmp_path / "both.pem").write_text(open(pair[0]).read() + open(pair[1]).read())
    haproxy = start(HaProxy, tmp_path, f"127.0.0.1:{proxy.balanced[1]} send-proxy-v2-ssl",
                    bind=f"ssl crt {tmp_path}/both.pem")
    wire, own = by_way_of(haproxy, authority)
    with wire:
        seen = echo(wire)
        assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == (own[0], "https")
        assert "Secure" in wire.get("/").header("Set-Cookie")


@pytest.mark.parametrize("how", ["send-proxy", "send-proxy-v2"])
def test_behind_haproxy_that_passes_tls_on(start, behind, authority, tmp_path, how):
    proxy = behind()
    haproxy = start(HaProxy, tmp_path, f"127.0.0.1:{proxy.secure[1]} {how}")
    wire, own = by_way_of(haproxy, authority)
    with wire:
        seen = echo(wire)
        assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == (own[0], "https")
    assert proxy.metric("cutover_tls_handshakes_total", result="full") == 1


def test_behind_haproxy_that_was_not_told(start, behind, tmp_path):
    """Without send-proxy: nobody gets through, and the log says what to do."""
    proxy = behind()
    haproxy = start(HaProxy, tmp_path, f"127.0.0.1:{proxy.balanced[1]}", checks=True)
    for _ in range(3):
        with Wire(haproxy.address) as wire:
            wire.send(head("GET", "/"))
            assert wire.drain(3) == b""
    eventually(lambda: len(warnings(proxy)) == 1)
