"""TLS towards clients: what is shown, what is refused, what survives a reload."""

import contextlib
import hashlib
import hmac
import os
import shutil
import socket
import ssl
import struct
import subprocess
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from certs import Authority
from cutover import Proxy, free_port, readable
from tls import SecureWire, client, secure
from wire import Wire, eventually, head as any_head

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="module")
def pairs(authority):
    """Two names, two certificates."""
    return authority.issue(["a.example", "localhost"], ips=["127.0.0.1"]), \
        authority.issue(["b.example", "*.b.example"])


def head(method, path, headers=None, body=None):
    return any_head(method, path, {"Host": "a.example", **(headers or {})}, body)


def tls_of(*pairs):
    found = [{"certificate": certificate, "key": key} for certificate, key in pairs]
    return found[0] if len(found) == 1 else found


@pytest.fixture
def secured(start, old, new, pairs):
    """A proxy with a listener for TLS, `proxy.tls`, beside its plain one."""
    def make(*shown, **config):
        plain, port = free_port(), free_port()
        proxy = start(Proxy, old, new, config={"listen": [
            {"address": f"127.0.0.1:{plain}"},
            {"address": f"127.0.0.1:{port}", "tls": tls_of(*(shown or pairs))}], **config})
        proxy.port, proxy.tls = plain, ("127.0.0.1", port)
        return proxy
    return make


# --- what a client is shown, and may ask for

@pytest.mark.parametrize("name,shown", [
    ("a.example", "a.example"), ("b.example", "b.example"), ("x.b.example", "b.example"),
    ("other.example", "a.example"), (None, "a.example")])
def test_the_certificate_follows_the_name(secured, authority, name, shown):
    context = client(authority)
    context.check_hostname = False
    with SecureWire(secured().tls, context, name) as wire:
        assert wire.names()[0] == shown


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_versions_that_are_spoken(secured, authority, version):
    with secure(secured().tls, authority, "a.example", version=version) as wire:
        assert wire.sock.version() == version.name.replace("_", ".")
        assert wire.get("/").side == "old"
        _, _, bits = wire.sock.cipher()
        assert bits >= 128 and ("GCM" in wire.sock.cipher()[0] or "POLY" in wire.sock.cipher()[0])


@pytest.mark.parametrize("hello", [
    b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x02" + bytes(32) + b"\x00\x00\x04\x00\x2f\xc0\x13\x01\x00",
    b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\x02\x00\x80\x03\x00\x80" + bytes(28),
    b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    b"\x16\x03\x01\xff\xff" + bytes(300), bytes(500), b"\x15\x03\x03\x00\x02\x02\x28"],
    ids=["tls-1.1", "sslv2", "http", "oversize", "zeros", "alert"])
def test_what_is_no_tls_of_today_is_closed(secured, authority, hello):
    proxy = secured()
    with Wire(proxy.tls) as wire:
        wire.send(hello)
        answer = wire.drain(3)
        assert b"HTTP" not in answer and len(answer) < 100
    assert proxy.metric("cutover_tls_handshakes_total", result="failed") == 1
    with secure(proxy.tls, authority, "a.example") as wire:
        assert wire.get("/").status == 200


def test_a_client_that_only_speaks_http2_is_told(secured, authority):
    proxy = secured()
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        secure(proxy.tls, authority, "a.example", alpn=["h2"])
    with secure(proxy.tls, authority, "a.example", alpn=["h2", "http/1.1"]) as wire:
        assert wire.sock.selected_alpn_protocol() == "http/1.1"
        assert wire.get("/").status == 200


def test_connections_that_ask_nothing_have_not_failed(secured):
    proxy = secured()
    before = proxy.metric("cutover_client_connections_total")
    Wire(proxy.tls).close()
    eventually(lambda: proxy.metric("cutover_client_connections_total") > before)
    time.sleep(0.1)
    assert proxy.metric("cutover_tls_handshakes_total", result="failed") == 0


def openssl(proxy, *arguments, stdin=b"", seconds=3):
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            ["timeout", str(seconds), "openssl", "s_client", "-connect", "%s:%u" % proxy.tls, *arguments],
            input=stdin, capture_output=True, timeout=seconds + 2)
        return (done.stdout + done.stderr).decode("latin-1")
    raise AssertionError("openssl hangs")


def test_renegotiation_is_refused(secured):
    said = openssl(secured(), "-tls1_2", stdin=b"R\n")
    assert "RENEGOTIATING" in said and "no renegotiation" in said.lower()


def test_early_data_is_not_taken(secured, tmp_path):
    proxy = secured()
    request = tmp_path / "request"
    request.write_bytes(head("GET", "/"))
    openssl(proxy, "-tls1_3", "-ign_eof", "-sess_out", str(tmp_path / "session"),
            stdin=head("GET", "/", {"Connection": "close"}))
    said = openssl(proxy, "-tls1_3", "-sess_in", str(tmp_path / "session"), "-early_data", str(request))
    assert "Early data was" in said and "Early data was accepted" not in said


def test_key_updates_are_bounded(secured, authority):
    proxy = secured()
    before = proxy.pss_kib()
    said = openssl(proxy, "-tls1_3", stdin=b"K\n" * 2000, seconds=4)
    assert "KEYUPDATE" in said
    assert proxy.pss_kib() - before < 8192
    with secure(proxy.tls, authority, "a.example") as wire:
        assert wire.get("/").status == 200


# --- how bytes are cut

def handshake_bytes(authority, send, receive):
    """A handshake and one request in memory, so that the test has the bytes in its hands."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client(authority).wrap_bio(incoming, outgoing, server_hostname="a.example")

    def step(action):
        while True:
            try:
                result = action()
                send(outgoing.read())
                return result
            except ssl.SSLWantReadError:
                send(outgoing.read())
                incoming.write(receive())

    step(tls.do_handshake)
    tls.write(head("GET", "/bytes/40000"))
    send(outgoing.read())
    got = b""
    while len(got) < 40000:
        got += step(lambda: tls.read(65536))
    return got


@pytest.mark.parametrize("size", [1, 7, 100, 65536])
def test_a_handshake_in_small_pieces(secured, authority, size):
    with Wire(secured().tls) as wire:
        def send(data):
            for at in range(0, len(data), size):
                wire.send(data[at:at + size])
                if size < 8 and at % 64 == 0:
                    time.sleep(0.0005)
        got = handshake_bytes(authority, send, lambda: wire.sock.recv(65536))
        assert got.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("record", [1, 1000, 16384])
def test_an_upload_in_records_of_any_size(secured, authority, record):
    body = os.urandom(20_000 if record == 1 else 3_000_000)
    with secure(secured().tls, authority, "a.example") as wire:
        wire.send(head("POST", "/upload", body=body))
        for at in range(0, len(body), record):
            wire.send(body[at:at + record])
        answer = wire.read("POST").json()
    assert (answer["bytes"], answer["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_large_answer_to_a_slow_reader(secured, authority, version):
    with secure(secured().tls, authority, "a.example", version=version) as wire:
        wire.send(head("GET", "/bytes/8000000"))
        got = []
        time.sleep(0.5)
        answer = wire.read("GET", sink=got.append)
    assert answer.status == 200 and sum(map(len, got)) == 8_000_000


def test_pipelined_requests_over_tls(secured, authority):
    with secure(secured().tls, authority, "a.example") as wire:
        wire.send(b"".join(head("GET", f"/bytes/{n}") for n in range(100)))
        assert [len(wire.read().body) for _ in range(100)] == list(range(100))


class Raw13:
    """TLS 1.3 whose client's records are made by hand: for what no library would send."""

    def __init__(self, proxy, tmp_path, request):
        context = client(version=TLS13)
        context.keylog_filename = str(tmp_path / "keys")
        self.incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, outgoing, server_hostname="a.example")
        self.sock = socket.create_connection(proxy.tls, timeout=5)
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
                break
            self.sock.sendall(outgoing.read())
            self.incoming.write(self.sock.recv(65536))
        self.sock.sendall(outgoing.read())
        [line] = [x for x in (tmp_path / "keys").read_text().splitlines()
                  if x.startswith("CLIENT_TRAFFIC_SECRET_0")]
        secret, self.sequence = bytes.fromhex(line.split()[2]), 0
        self.key, self.nonce = self._expand(secret, b"key", 16), self._expand(secret, b"iv", 12)
        self.send(23, request)

    @staticmethod
    def _expand(secret, label, length):
        """HKDF-Expand-Label (RFC 8446 7.1) for up to one block."""
        info = struct.pack(">HB", length, 6 + len(label)) + b"tls13 " + label + b"\0\1"
        return hmac.new(secret, info, hashlib.sha256).digest()[:length]

    def send(self, kind, content):
        plain = content + bytes([kind])
        head = b"\x17\x03\x03" + struct.pack(">H", len(plain) + 16)
        nonce = int.from_bytes(self.nonce, "big") ^ self.sequence
        self.sequence += 1
        self.sock.sendall(head + AESGCM(self.key).encrypt(nonce.to_bytes(12, "big"), plain, head))

    def answer(self):
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                return self.tls.read(65536)
            data = self.sock.recv(65536)
            assert data, "closed"
            self.incoming.write(data)


KEY_UPDATE, HANDSHAKE = b"\x18\0\0\1\0", 22


def test_an_answer_waits_for_the_rest_of_a_message_of_tls(secured, tmp_path):
    """OpenSSL does not write while it has half a message, and says "want read"."""
    raw = Raw13(secured(), tmp_path, head("GET", "/delay?ms=200"))
    raw.send(HANDSHAKE, KEY_UPDATE[:3])
    time.sleep(0.5)
    raw.send(HANDSHAKE, KEY_UPDATE[3:])
    assert raw.answer().startswith(b"HTTP/1.1 200")


# --- the end of a connection

def test_we_say_that_it_is_the_end(secured, authority):
    with secure(secured().tls, authority, "a.example") as wire:
        assert wire.get("/", {"Connection": "close"}).status == 200
        assert wire.sock.recv(1) == b""  # a cut would raise SSLEOFError


def test_a_client_that_says_end_gets_its_answers(secured, authority):
    with secure(secured().tls, authority, "a.example", version=TLS13) as wire:
        wire.send(head("GET", "/delay?ms=300") + head("GET", "/bytes/10"))
        wire.sock.settimeout(0.1)
        with contextlib.suppress(ssl.SSLError, OSError, TimeoutError):
            wire.sock.unwrap()  # sends close_notify, then waits in vain for ours


def test_a_cut_upload_is_cut_at_the_backend(secured, authority, start):
    proxy = secured()
    wire = secure(proxy.tls, authority, "a.example")
    wire.send(head("POST", "/upload", {"Content-Length": "1000"}) + b"half")
    eventually(lambda: proxy.metric("cutover_connections", side="old") >= 1)
    raw = wire.sock.detach()
    socket.socket(fileno=raw).close()  # FIN without close_notify
    [line] = proxy.access(path="/upload")
    assert line["outcome"] == "client_gone"


def test_half_an_answer_is_cut_when_the_drain_is_over(secured, authority):
    """To a client of HTTP/1.0 the end of the connection is the end of the answer."""
    proxy = secured(timeouts={"drain": "300ms"})
    with secure(proxy.tls, authority, "a.example") as wire, proxy.connect() as plain:
        for each in wire, plain:
            each.send(b"GET /sse?every_ms=50 HTTP/1.0\r\nHost: a.example\r\n\r\n")
            each.read_head()
        proxy.process.signal(15)
        with pytest.raises(ssl.SSLEOFError):
            while wire.more():
                pass
        with pytest.raises(ConnectionResetError):
            while plain.more():
                pass
    assert proxy.process.wait() == 0
    proxy.expect_broken = True


def test_a_drain_ends_idle_connections_properly(secured, authority):
    proxy = secured()
    with secure(proxy.tls, authority, "a.example") as wire:
        assert wire.get("/").status == 200
        proxy.process.signal(15)
        assert wire.sock.recv(1) == b""
    assert proxy.process.wait() == 0
    proxy.expect_broken = True


# --- resuming

@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_sessions_are_resumed_by_every_worker_and_after_a_reload(secured, authority, version):
    proxy = secured(workers=2)
    context = client(authority, version=version)

    def visit(session=None):
        with SecureWire(proxy.tls, context, "a.example", session) as wire:
            assert wire.get("/").status == 200
            return wire.sock.session, wire.sock.session_reused

    session, _ = visit()
    for _ in range(6):
        session, reused = visit(session)
        assert reused
    proxy.reload()
    _, reused = visit(session)
    assert reused
    proxy.stop()
    proxy.restart()
    assert visit(session)[1] is False
    assert proxy.metric("cutover_tls_handshakes_total", result="full") == 1


# --- certificates that change

def put(pair, into):
    """Over the files in use, as certbot does it: new files, renamed."""
    for source, target in zip(pair, into):
        shutil.copy(source, f"{target}.next")
        os.replace(f"{target}.next", target)


@pytest.fixture
def in_place(authority, tmp_path):
    """A pair that may be written over."""
    pair = (str(tmp_path / "live.crt"), str(tmp_path / "live.key"))
    put(authority.issue(["a.example"]), pair)
    os.chmod(pair[1], 0o600)
    return pair


def shown(proxy, authority):
    with secure(proxy.tls, authority, "a.example") as wire:
        return wire.sock.getpeercert()["serialNumber"]


def test_a_renewed_certificate_is_taken_without_a_signal(secured, authority, in_place):
    proxy = secured(in_place)
    before = shown(proxy, authority)
    with secure(proxy.tls, authority, "a.example") as wire:
        put(authority.issue(["a.example"]), in_place)
        eventually(lambda: shown(proxy, authority) != before, 10)
        assert wire.get("/", {"Host": "a.example"}).status == 200  # open connections go on
    [event] = [x for x in proxy.admin("GET", "/v1/events").json()["events"] if x["what"] == "certificate"]
    assert event["to"] == "renewed" and "a.example until" in event["reason"]


def test_bad_files_keep_the_old_certificate_and_say_so(secured, authority, in_place):
    proxy = secured(in_place)
    before = shown(proxy, authority)

    def trouble():
        return proxy.status()["certificates"][0]["trouble"]

    for bad, words in [((in_place[0], authority.issue(["a.example"])[1]), "is not that of"),
                       (authority.issue(["a.example"], expired=True), "has expired")]:
        good = [Path(path).read_bytes() for path in in_place]
        for source, target in zip(bad, in_place):
            if source != target:
                shutil.copy(source, target)
        eventually(trouble, 15)
        assert words in trouble()
        assert any(words in x and "old ones go on" in x for x in proxy.status()["warnings"])
        assert shown(proxy, authority) == before
        refused = proxy.admin("POST", "/v1/reload", {})
        assert refused.status == 422 and words in refused.text
        assert shown(proxy, authority) == before
        for content, target in zip(good, in_place):
            Path(target).write_bytes(content)
        eventually(lambda: not trouble(), 10)
    Path(in_place[0]).write_text("garbage")
    assert proxy.admin("POST", "/v1/reload", {}).status == 422
    assert shown(proxy, authority) == before


def test_a_hangup_takes_new_files_at_once(secured, authority, in_place):
    proxy = secured(in_place)
    before = shown(proxy, authority)
    put(authority.issue(["a.example"]), in_place)
    proxy.reload()
    eventually(lambda: shown(proxy, authority) != before, 3)


def test_an_exposed_key_and_a_near_end_are_told(secured, authority, tmp_path):
    pair = authority.issue(["a.example"], days=3)
    os.chmod(pair[1], 0o644)
    proxy = secured(pair)
    assert any(x.get("file") == pair[1] for x in proxy.logs() if "private key" in x["message"])
    assert any("ends in" in x for x in proxy.status()["warnings"])
    assert 'cutover_certificate_expiry_seconds{listen="%s:%u",name="a.example"}' % proxy.tls in proxy.metrics()


def test_tls_may_come_and_go_with_a_reload(secured, authority, pairs):
    proxy = secured()
    def reload(tls):
        proxy.config["listen"][1]["tls"] = tls
        proxy.write_config()
        generation = proxy.status()["generation"]
        proxy.reload()
        eventually(lambda: proxy.status()["generation"] > generation)

    reload(None)
    with Wire(proxy.tls) as wire:
        assert wire.get("/").status == 200
    reload(tls_of(*pairs))
    with secure(proxy.tls, authority, "a.example") as wire:
        assert wire.get("/").status == 200


# --- under pressure

def test_half_open_handshakes_hold_nobody_up(secured, authority):
    proxy = secured(timeouts={"client_header": "1s"})
    quiet = []
    try:
        for _ in range(300):
            quiet.append(socket.create_connection(proxy.tls))
            quiet[-1].send(b"\x16\x03\x01\x02\x00\x01")
        began = time.monotonic()
        with secure(proxy.tls, authority, "a.example") as wire:
            assert wire.get("/").status == 200
        assert time.monotonic() - began < 1
        eventually(lambda: all(readable(sock, 0) for sock in quiet), 5)
    finally:
        for sock in quiet:
            sock.close()


def test_a_handshake_that_never_ends_has_failed(secured):
    proxy = secured(timeouts={"client_header": "200ms"})
    with Wire(proxy.tls) as wire:
        wire.send(b"\x16\x03\x01\x02\x00\x01")
        assert wire.at_end(3)
    assert proxy.metric("cutover_tls_handshakes_total", result="failed") == 1


def test_broken_connections_do_not_touch_good_ones(secured, authority):
    proxy = secured(workers=1)
    with secure(proxy.tls, authority, "a.example") as wire:
        for n in range(30):
            with Wire(proxy.tls) as bad:
                bad.send(b"\x16\x03\x03\x00\x05garbage" if n % 2 else b"\x17\x03\x03\x00\x20" + bytes(32))
                assert wire.get(f"/bytes/{n}").body is not None
                bad.drain(2)
            assert wire.get("/").status == 200


# --- what the backend is told

def test_the_backend_learns_that_it_was_https(secured, authority):
    with secure(secured().tls, authority, "a.example") as wire:
        answer = wire.get("/echo", {"Host": "a.example"})
        told = {k.lower(): v for k, v in answer.json()["headers"].items()} if isinstance(
            answer.json()["headers"], dict) else {k.lower(): v for k, v in answer.json()["headers"]}
        assert told["x-forwarded-proto"] == "https"
        assert "Secure" in answer.header("Set-Cookie")


@pytest.mark.parametrize("host,status", [
    ("a.example", 200), ("A.Example:443", 200), ("localhost", 200), ("127.0.0.1", 200),
    ("a.example.", 200), ("b.example", 421), ("evil.example", 421), (".example", 400)])
def test_a_request_for_another_name_is_misdirected(secured, authority, host, status):
    with secure(secured().tls, authority, "a.example") as wire:
        answer = wire.get("/", {"Host": host})
        assert answer.status == status
        if status == 421:
            assert answer.outcome == "misdirected"
            assert wire.get("/", {"Host": "a.example"}).status == 200


def test_without_a_name_any_host_will_do(secured, authority):
    context = client(authority)
    context.check_hostname = False
    with SecureWire(secured().tls, context, None) as wire:
        assert wire.get("/", {"Host": "whatever.example"}).status == 200


# --- the plain port beside it

@pytest.fixture
def plain(start, old, new, pairs, tmp_path):
    folder = tmp_path / "webroot/.well-known/acme-challenge"
    folder.mkdir(parents=True)
    port, secure_port, other = free_port(), free_port(), free_port()
    proxy = start(Proxy, old, new, config={"listen": [
        {"address": f"127.0.0.1:{other}"},
        {"address": f"127.0.0.1:{port}", "redirect_https": secure_port,
         "acme_webroot": str(tmp_path / "webroot")},
        {"address": f"127.0.0.1:{secure_port}", "tls": tls_of(*pairs)}]})
    proxy.port, proxy.plain = other, ("127.0.0.1", port)
    proxy.secure_port, proxy.challenges = secure_port, folder
    return proxy


@pytest.mark.parametrize("target,place", [
    ("/", "/"), ("/a/b?c=d&e", "/a/b?c=d&e"), ("http://127.0.0.1/x", "/x"), ("/%2e%2e/", "/%2e%2e/")])
def test_plain_requests_are_sent_to_https(plain, target, place):
    for method, body in [("GET", None), ("HEAD", None), ("POST", b"a=b")]:
        with Wire(plain.plain) as wire:
            answer = wire.request(method, target, {"Host": "127.0.0.1"}, body)
            assert (answer.status, answer.outcome) == (308, "redirected")
            assert answer.header("Location") == f"https://127.0.0.1:{plain.secure_port}{place}"


def test_the_way_to_https_works(plain, authority):
    done = subprocess.run(["curl", "-sL", "--cacert", authority.ca_file, "-w", "%{http_code} %{num_redirects}",
                           "-o", "/dev/null", f"http://127.0.0.1:{plain.plain[1]}/"], capture_output=True, text=True)
    assert done.stdout == "200 1", done


def test_a_request_without_host_cannot_be_sent_on(plain):
    with Wire(plain.plain) as wire:
        assert wire.request("GET", "/", {"Host": None}, version="1.0").status == 400


def test_challenges_are_served_from_the_folder(plain):
    (plain.challenges / "tok-EN_1").write_text("tok-EN_1.thumb")
    (plain.challenges / "large").write_bytes(b"x" * 5000)
    (plain.challenges / "folder").mkdir()
    os.symlink("/etc/passwd", plain.challenges / "link")
    base = "/.well-known/acme-challenge/"
    with Wire(plain.plain) as wire:
        answer = wire.get(base + "tok-EN_1")
        assert (answer.status, answer.body, answer.outcome) == (200, b"tok-EN_1.thumb", "acme_challenge")
        assert wire.request("HEAD", base + "tok-EN_1").status == 200
        for path in ["none", "", "link", "folder", "..%2f..%2fsecret", "a/b", "../../x", "tok-EN_1.bak", "a" * 200]:
            answer = wire.get(base + path)
            assert (answer.status, answer.outcome) == (404, "not_found"), path
    assert plain.metric("cutover_refused_total", code="4xx") == 9


# --- WebSockets

def test_a_websocket_over_tls(secured, authority):
    proxy = secured()
    with secure(proxy.tls, authority, "a.example") as wire:
        wire.send(head("GET", "/ws", {"Connection": "Upgrade", "Upgrade": "websocket",
                                      "Sec-WebSocket-Version": "13",
                                      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}))
        assert wire.read_head().status == 101
        frame = b"\x81\x85" + bytes(4) + b"hello"
        wire.send(frame)
        assert b"hello" in wire.need(7)
