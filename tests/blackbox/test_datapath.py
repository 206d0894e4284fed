"""Messages through the proxy: framing, heads, bodies, streams and tunnels."""

import asyncio
import hashlib
import threading
import time
from pathlib import Path

import pytest
import websockets

from cutover import Nginx, Node, Origin, Proxy, Recorder, readable
from wire import Closed, chunked, eventually, head

MIB = 1 << 20


def pattern(count, seed=0):
    """What /bytes/N sends."""
    row = bytes((31 * i) & 255 for i in range(256))
    rows = [bytes((x + k) & 255 for x in row) for k in range(256)]
    return b"".join(rows[(7 * block + 17 * (block >> 8) + seed) & 255]
                    for block in range((count + 255) // 256))[:count]


def echoed(response, name):
    """Values of a header as the backend saw it, from /echo."""
    return [value for key, value in response.json()["headers"] if key.lower() == name.lower()]


# --- connections

def test_keep_alive_both_ways(proxy, old):
    before = old.stats()["connections"]["total"]
    with proxy.connect() as wire:
        ports = {wire.get("/echo").json()["connection"] for _ in range(50)}
    assert len(ports) <= 2, "one kept connection to the backend"
    assert old.stats()["connections"]["total"] - before <= 8, "and health checks"


def test_connection_close_is_honoured(proxy):
    with proxy.connect() as wire:
        response = wire.get("/", {"Connection": "close"})
        assert response.status == 200
        assert response.header("Connection").lower() == "close"
        assert wire.at_end()


def test_pipelined_requests_are_answered_in_order(proxy):
    with proxy.connect() as wire:
        paths = [f"/echo/{i}" if i % 5 else f"/delay?ms=20&n={i}" for i in range(40)]
        wire.send(b"".join(head("GET", path) for path in paths))
        for path in paths:
            response = wire.read()
            assert response.status == 200
            if path.startswith("/echo"):
                assert response.json()["target"] == path


def test_pipelined_bodies(proxy):
    with proxy.connect() as wire:
        bodies = [bytes([65 + i]) * (i * 1000 + 1) for i in range(20)]
        message = b""
        for i, body in enumerate(bodies):
            if i % 2:
                message += head("POST", "/upload", body=body) + body
            else:
                message += head("POST", "/upload", {"Transfer-Encoding": "chunked"}) + chunked(body[:7], body[7:])
        threading.Thread(target=wire.send, args=(message,), daemon=True).start()
        for body in bodies:
            assert wire.read("POST").json()["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_head_byte_by_byte(proxy):
    with proxy.connect() as wire:
        for byte in head("GET", "/echo/slow", {"X-A": "b"}):
            wire.send(bytes([byte]))
        assert wire.read().json()["target"] == "/echo/slow"
        assert wire.get("/").status == 200


# --- framing

@pytest.mark.parametrize("size", [0, 1, 100, 65535, 65536, 65537, 3 * MIB])
@pytest.mark.parametrize("coding", ["counted", "chunked"])
def test_bodies_both_ways(proxy, size, coding):
    with proxy.connect(30) as wire:
        response = wire.get(f"/bytes/{size}" + ("?chunked=1" if coding == "chunked" else ""))
        assert response.body == pattern(size)
        assert (response.header("Transfer-Encoding") == "chunked") == (coding == "chunked")
        body = pattern(size, 3)
        if coding == "chunked":
            wire.send(head("POST", "/upload", {"Transfer-Encoding": "chunked"}) +
                      chunked(body[:10], body[10:70000], body[70000:]))
        else:
            wire.send(head("POST", "/upload", body=body) + body)
        answer = wire.read("POST").json()
        assert (answer["bytes"], answer["sha256"]) == (size, hashlib.sha256(body).hexdigest())
        assert wire.get("/").status == 200


def test_chunked_requests_stay_chunked_and_lose_extensions_and_trailers(proxy):
    with proxy.connect() as wire:
        wire.send(head("POST", "/echo", {"Transfer-Encoding": "chunked", "Trailer": "X-T"}) +
                  b'5;ext="1"\r\nhello\r\n0\r\nX-T: 1\r\n\r\n')
        response = wire.read("POST")
    assert response.json()["body_bytes"] == 5
    assert echoed(response, "Transfer-Encoding") == ["chunked"]
    assert echoed(response, "Content-Length") == []
    assert response.json()["trailers"] == []


def test_a_length_is_passed_on_in_plain_digits(proxy):
    with proxy.connect() as wire:
        wire.send(head("POST", "/echo", {"Content-Length": "005"}) + b"hello")
        response = wire.read("POST")
    assert echoed(response, "Content-Length") == ["5"]
    assert response.json()["body_bytes"] == 5


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_a_body_where_it_is_unusual(proxy, method):
    with proxy.connect() as wire:
        response = wire.request(method, "/echo", body=b"hello")
        assert response.json()["body_bytes"] == 5 and response.json()["method"] == method
        assert wire.get("/").status == 200, "the connection is still in step"


def test_head_has_the_length_and_no_body(proxy):
    with proxy.connect() as wire:
        get = wire.get("/bytes/1000")
        answer = wire.request("HEAD", "/bytes/1000")
        assert answer.status == 200
        assert answer.header("Content-Length") == get.header("Content-Length") == "1000"
        assert wire.get("/").status == 200, "the connection is still in step"
        assert wire.request("HEAD", "/bytes/1000?chunked=1").status == 200
        assert wire.get("/").status == 200


@pytest.mark.parametrize("status", [204, 304])
def test_answers_that_have_no_body(proxy, status):
    with proxy.connect() as wire:
        response = wire.get(f"/status/{status}")
        assert response.status == status
        assert response.header("Transfer-Encoding") is None
        assert wire.get("/").status == 200


@pytest.mark.parametrize("fields", [b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize("status", [b"304 Not Modified", b"204 No Content"])
def test_bodiless_answers_with_framing_do_not_hang(start, new, fields, status):
    backend = start(Recorder, lambda *_: b"HTTP/1.1 " + status + b"\r\n" + fields + b"\r\n")
    proxy = start(Proxy, backend, new)
    with proxy.connect(3) as wire:
        assert wire.get("/").status == int(status[:3])
        assert wire.get("/").status == int(status[:3])
    proxy.expect_broken = True


@pytest.mark.parametrize("status", [200, 201, 301, 400, 401, 404, 422, 429, 500, 502, 503, 599])
def test_the_applications_status_is_passed_on(proxy, status):
    response = proxy.get(f"/status/{status}")
    assert response.status == status
    assert response.side == "old" and response.outcome is None


def test_an_answer_without_length_is_chunked_for_1_1_and_ended_by_close_for_1_0(proxy):
    response = proxy.get("/fault/no-length")
    assert response.header("Transfer-Encoding") == "chunked"
    assert response.body == b"hello from old\n"
    response = proxy.request("GET", "/fault/no-length", version="1.0")
    assert response.ended_by_close and response.body == b"hello from old\n"


def test_http_1_0_clients(proxy):
    with proxy.connect() as wire:
        response = wire.request("GET", "/bytes/5000?chunked=1", version="1.0")
        assert response.header("Transfer-Encoding") is None
        assert response.body == pattern(5000)
        assert response.ended_by_close
    with proxy.connect() as wire:
        for _ in range(3):
            response = wire.request("GET", "/", {"Connection": "keep-alive"}, version="1.0")
            assert response.status == 200 and response.header("Connection").lower() == "keep-alive"
    with proxy.connect() as wire:
        wire.send(b"GET /echo HTTP/1.0\r\n\r\n")
        response = wire.read()
        assert response.status == 200 and wire.at_end(), "no Host is needed in 1.0"


# --- interim answers

def test_early_hints_are_passed_on_to_1_1_only(proxy):
    response = proxy.get("/fault/interim")
    assert response.status == 200
    assert [x.status for x in response.interim] == [103]
    assert response.interim[0].header("Link") == "</style.css>; rel=preload"
    response = proxy.request("GET", "/fault/interim", version="1.0")
    assert response.status == 200 and response.interim == []


def test_expect_100_continue(proxy):
    with proxy.connect() as wire:
        wire.send(head("POST", "/upload", {"Expect": "100-continue", "Content-Length": "5"}))
        assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        wire.send(b"hello")
        assert wire.read("POST").json()["bytes"] == 5
        wire.send(head("POST", "/upload", {"Expect": "100-continue", "Content-Length": "5"}) + b"hello")
        assert wire.read("POST").json()["bytes"] == 5, "a client that does not wait"


def test_other_expectations_are_refused(proxy):
    response = proxy.request("POST", "/", {"Expect": "200-maybe"}, body=b"x")
    assert (response.status, response.outcome) == (417, "expectation_failed")


# --- heads

    with proxy.connect() as wire:
        both = [("Expect", "100-continue"), ("Expect", "a miracle")]
        assert wire.request("POST", "/upload", both, body=b"x").status == 417


def test_an_options_that_may_go_no_further_is_answered_here(proxy, old):
    before = old.served()
    with proxy.connect() as wire:
        response = wire.request("OPTIONS", "/echo", {"Max-Forwards": "0"})
        assert (response.status, response.outcome, response.body) == (200, "last_hop", b"")
        assert wire.request("OPTIONS", "/echo", {"Max-Forwards": "2"}).header("X-Backend")
    assert old.served() == before + 1


def test_an_answer_for_everybody_carries_no_cookie_of_ours(start, new):
    control = {"/shared": b"public, max-age=60", "/own": b"max-age=60"}

    def answer(head_, connection):
        path = head_.split(b" ")[1].decode()
        return b"HTTP/1.1 200 OK\r\nCache-Control: %s\r\nContent-Length: 0\r\n\r\n" % control.get(path, b"no-store")

    proxy = start(Proxy, start(Recorder, answer), new)
    assert proxy.get("/shared").header("Set-Cookie") is None
    assert proxy.get("/own").header("Set-Cookie").startswith("cutover=")


def test_hop_by_hop_fields_are_dropped(start, new):
    backend = start(Recorder, lambda *_: (
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n"
        b"Proxy-Authenticate: Basic\r\nX-Backend: recorder\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok"))
    proxy = start(Proxy, backend, new)
    response = proxy.get("/", {
        "Connection": "X-Secret, keep-alive, Cookie, Host", "X-Secret": "1", "Keep-Alive": "timeout=9",
        "Proxy-Connection": "keep-alive", "TE": "gzip", "Cookie": "a=1", "X-Kept": "yes"})
    seen = backend.bytes().lower()
    for name in (b"x-secret", b"keep-alive:", b"proxy-connection", b"te:", b"upgrade:"):
        assert b"\r\n" + name not in seen, name
    for name in (b"cookie: a=1", b"x-kept: yes", b"host: "):
        assert b"\r\n" + name in seen, name
    assert response.header("X-End") == "2"
    for name in ("X-Hop", "Keep-Alive"):
        assert response.header(name) is None


def test_what_the_backend_learns_about_the_client(proxy):
    response = proxy.get("/echo", {
        "Host": "shop.example.org", "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example", "Forwarded": "for=6.6.6.6", "X-Real-IP": "6.6.6.6"})
    assert echoed(response, "X-Forwarded-For") == ["127.0.0.1"]
    assert echoed(response, "X-Forwarded-Proto") == ["http"]
    assert echoed(response, "X-Forwarded-Host") == ["shop.example.org"]
    assert echoed(response, "Forwarded") == []
    assert "6.6.6.6" not in response.body.decode()
    assert any("1.1 " in value for value in echoed(response, "Via"))


def test_a_trusted_proxy_in_front_is_believed(start, old, new):
    proxy = start(Proxy, old, new, {"forwarded": {"trust": ["127.0.0.1/32"], "client_ip_header": "X-Client"}})
    response = proxy.get("/echo", {"X-Forwarded-For": "9.9.9.9, 203.0.113.7", "X-Forwarded-Proto": "https",
                                   "X-Forwarded-Host": "shop.example.org"})
    assert echoed(response, "X-Forwarded-For") == ["9.9.9.9, 203.0.113.7, 127.0.0.1"]
    assert echoed(response, "X-Forwarded-Proto") == ["https"]
    assert echoed(response, "X-Forwarded-Host") == ["shop.example.org"]
    assert echoed(response, "X-Client") == ["203.0.113.7"]
    assert proxy.access(path="/echo")[-1]["client"] == "203.0.113.7"


def test_request_ids(proxy):
    response = proxy.get("/echo", {"X-Request-ID": "abc-123_x.y"})
    assert echoed(response, "X-Request-ID") == ["abc-123_x.y"]
    assert response.header("X-Request-ID") == "abc-123_x.y"
    made = set()
    for given in (None, "", "a b", "x" * 129, 'a"b'):
        response = proxy.get("/echo", {"X-Request-ID": given} if given is not None else {})
        [value] = echoed(response, "X-Request-ID")
        assert value and value != given and response.header("X-Request-ID") == value
        made.add(value)
    assert len(made) == 5, "each request has its own"
    proxy.access(request_id="abc-123_x.y")


def test_order_repeats_and_odd_values_stay(proxy):
    sent = [("X-A", "1"), ("x-b", "two"), ("X-A", "3"), ("X-Empty", ""), ("X-Bytes", "caf\xe9"),
            ("Accept-Encoding", "gzip, br"), ("Range", "bytes=0-1")]
    seen = proxy.request("GET", "/echo", sent).json()["headers"]
    ours = [(k, v) for k, v in seen if k.lower() in {name.lower() for name, _ in sent}]
    assert [k for k, _ in ours] == [k for k, _ in sent], "spelling and order"
    assert [v for k, v in ours if k != "X-Bytes"] == [v for k, v in sent if k != "X-Bytes"]


@pytest.mark.parametrize("host, seen", [
    (None, "{backend}"), ("upstream", "{backend}"), ("client", "shop.example.org"),
    ("app.internal.example", "app.internal.example")])
def test_the_host_of_each_backend(start, old, new, host, seen):
    config = {"backends": {"old": {"host": host} if host else {}}}
    proxy = start(Proxy, old, new, config)
    response = proxy.get("/echo", {"Host": "shop.example.org"})
    assert echoed(response, "Host") == [seen.format(backend=old.authority)]
    assert echoed(response, "X-Forwarded-Host") == ["shop.example.org"]


def test_absolute_targets_become_plain_paths(proxy):
    response = proxy.get("http://shop.example.org/echo?a=b", {"Host": "shop.example.org"})
    assert response.json()["target"] == "/echo?a=b"


def test_redirects_stay_with_the_proxy(proxy, old):
    def location(to):
        return proxy.get(f"/redirect?to={to}", {"Host": "shop.example.org"}).header("Location")

    assert location(f"http://{old.authority}/login%3fa=1") == "http://shop.example.org/login?a=1"
    assert location("/login") == "/login"
    assert location("https://elsewhere.example/x") == "https://elsewhere.example/x"
    assert location(f"http://{old.authority}0/x") == f"http://{old.authority}0/x"


def test_rewriting_can_be_switched_off(start, old, new):
    proxy = start(Proxy, old, new, {"rewrite": {"location": False}})
    to = f"http://{old.authority}/x"
    assert proxy.get(f"/redirect?to={to}").header("Location") == to


@pytest.mark.parametrize("rewrite", [True, False])
def test_cookie_domains_of_the_platform_are_dropped(start, new, rewrite):
    backend = start(Recorder, lambda *_: (
        b"HTTP/1.1 200 OK\r\nX-Backend: recorder\r\nContent-Length: 0\r\n"
        b"Set-Cookie: a=1; Domain=app.platform.example; Path=/\r\n"
        b"Set-Cookie: b=2; Path=/; Domain=.platform.example\r\n"
        b"Set-Cookie: c=3; Domain=other.example; Secure\r\n\r\n"))
    proxy = start(Proxy, backend, new, {"backends": {"old": {"host": "app.platform.example"}},
                                        "rewrite": {"cookie_domain": rewrite}})
    cookies = [x for x in proxy.get("/").all("Set-Cookie") if not x.startswith("cutover=")]
    assert len(cookies) == 3, "one line each"
    assert ["domain" in x.lower() for x in cookies] == ([False, False, True] if rewrite else [True] * 3)
    assert all(part in cookies[0] for part in ("a=1", "Path=/"))


# --- streams

def test_events_arrive_when_they_happen(proxy):
    with proxy.connect() as wire:
        wire.send(head("GET", "/sse?count=5&interval_ms=200", {"Accept": "text/event-stream"}))
        arrived = []
        wire.read(sink=lambda part: arrived.append((time.monotonic(), part)))
    events = [(at, part) for at, part in arrived if b"data:" in part]
    assert len(events) == 5, "each on its own"
    gaps = [b - a for (a, _), (b, _) in zip(events, events[1:])]
    assert all(0.1 < gap < 0.35 for gap in gaps), gaps


def test_the_head_does_not_wait_for_the_body(proxy):
    with proxy.connect() as wire:
        wire.send(head("GET", "/bytes/100000?rate=20000"))
        began = time.monotonic()
        assert wire.read_head().status == 200
        assert time.monotonic() - began < 1.0


def test_a_request_body_streams(proxy, old):
    """Half of an upload reaches the backend while the other half is not even written."""
    with proxy.connect() as wire:
        wire.send(head("POST", "/upload", {"Content-Length": "2000", "X-Test-Id": "half"}) + b"a" * 1000)
        eventually(lambda: old.stats()["connections"]["open"] > 0, 3)
        wire.send(b"b" * 1000)
        assert wire.read("POST").json()["bytes"] == 2000


def test_an_answer_before_the_body_is_whole(proxy, old):
    """The rest of the upload is not needed: the client gets its answer, and no other does."""
    with proxy.connect() as wire:
        wire.send(head("POST", "/upload?early=1", {"Content-Length": str(MIB)}) + b"a" * 1000)
        try:
            response = wire.read("POST")
            assert response.status in (200, 413)
        except Closed:
            pytest.fail("no answer")
    assert proxy.get("/").body == b"hello from old\n"


def send_zeros(wire, count):
    block = bytes(MIB)
    for _ in range(count // MIB):
        wire.send(block)


@pytest.mark.perf
@pytest.mark.parametrize("direction", ["up", "down"])
def test_100_mb_with_flat_memory(start, old, new, direction):
    size = 100 * MIB
    proxy = start(Proxy, old, new, {"log": {"access": "off"}}, release=True)
    for _ in range(4):  # both workers have worked
        proxy.get("/bytes/3000000")
        proxy.request("POST", "/upload", body=bytes(3000000))
    before, peak = proxy.pss_kib(), [0]
    done = threading.Event()

    def watch():
        while not done.wait(0.02):
            peak[0] = max(peak[0], proxy.pss_kib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with proxy.connect(60) as wire:
            sum_ = hashlib.sha256()
            if direction == "down":
                wire.send(head("GET", f"/bytes/{size}?seed=5"))
                wire.read(sink=sum_.update)
                direct = hashlib.sha256()
                with type(wire)(old.address, 60) as straight:
                    straight.send(head("GET", f"/bytes/{size}?seed=5"))
                    straight.read(sink=direct.update)
                assert sum_.digest() == direct.digest()
            else:
                wire.send(head("POST", "/upload", {"Content-Length": str(size)}))
                send_zeros(wire, size)
                for _ in range(size // MIB):
                    sum_.update(bytes(MIB))
                answer = wire.read("POST").json()
                assert (answer["bytes"], answer["sha256"]) == (size, sum_.hexdigest())
    finally:
        done.set()
        watcher.join()
    assert peak[0] - before < 1024, f"memory grew by {peak[0] - before} KiB"


@pytest.mark.perf
def test_a_client_that_does_not_read_stops_the_backend(start, old, new):
    """Back-pressure: megabytes wait in the backend, not in the proxy."""
    proxy = start(Proxy, old, new, release=True)
    for _ in range(4):
        proxy.get("/bytes/3000000")
    before = proxy.pss_kib()
    wires = [proxy.connect(60) for _ in range(8)]
    for wire in wires:
        wire.send(head("GET", "/bytes/200000000"))
    time.sleep(1.0)
    assert proxy.pss_kib() - before < 8 * 512, "at most a few hundred KiB for each"
    for wire in wires:
        wire.close()


@pytest.mark.perf
def test_a_backend_that_does_not_read_stops_the_client(start, old, new):
    proxy = start(Proxy, old, new, release=True)
    proxy.request("POST", "/upload", body=bytes(MIB))
    before = proxy.pss_kib()
    with proxy.connect() as wire:
        wire.send(head("POST", "/upload?slow=1000000", {"Content-Length": str(40 * MIB)}))
        wire.sock.settimeout(0.7)
        with pytest.raises(TimeoutError):
            send_zeros(wire, 40 * MIB)
        assert proxy.pss_kib() - before < 1024
        old.kill()  # else it reads on for as long as there is something in the kernel's buffers


# --- cut off

def test_a_cut_answer_is_seen_as_cut(proxy):
    for path in ("/fault/half?n=100000", "/fault/half?n=100000&chunked=1", "/fault/half?n=100000&rst=1"):
        with proxy.connect() as wire, pytest.raises((Closed, ConnectionError)):
            wire.send(head("GET", path))
            wire.read()
    assert proxy.access(outcome="upstream_truncated")


def test_a_client_that_leaves_frees_the_backend(proxy, old):
    for _ in range(5):
        with proxy.connect() as wire:
            wire.send(head("GET", "/bytes/100000000"))
            wire.read_head()
    eventually(lambda: old.stats()["aborted"] >= 5, 5, what="the backend notices")
    proxy.access(outcome="client_gone")


def test_a_half_closed_client_still_gets_its_answer(proxy):
    import socket
    with proxy.connect() as wire:
        wire.send(head("GET", "/delay?ms=300"))
        wire.sock.shutdown(socket.SHUT_WR)
        assert wire.read().status == 200


# --- WebSocket

def ws_head(path="/ws", **more):
    return head("GET", path, {
        "Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **more})


def ws_frame(payload, opcode=1):
    mask = b"\x01\x02\x03\x04"
    assert len(payload) < 126
    return (bytes([0x80 | opcode, 0x80 | len(payload)]) + mask +
            bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))


def test_websocket_echo(proxy):
    async def talk():
        url = f"ws://{proxy.authority}/ws"
        async with websockets.connect(url, max_size=None) as socket:
            for size in (0, 1, 125, 126, 65535, 65536, 2 * MIB):
                await socket.send(bytes(size))
                assert await asyncio.wait_for(socket.recv(), 10) == bytes(size)
            await socket.send("text ✓")
            assert await asyncio.wait_for(socket.recv(), 10) == "text ✓"
            await asyncio.wait_for(await socket.ping(), 10)

    asyncio.run(talk())


def test_many_websockets_at_once(proxy):
    async def one(i):
        async with websockets.connect(f"ws://{proxy.authority}/ws") as socket:
            for j in range(5):
                await socket.send(f"{i} {j}")
                assert await asyncio.wait_for(socket.recv(), 10) == f"{i} {j}"

    async def all_of_them():
        await asyncio.gather(*(one(i) for i in range(50)))

    asyncio.run(all_of_them())


def test_a_101_carries_the_cookie(proxy):
    with proxy.connect() as wire:
        wire.send(ws_head())
        response = wire.read_head()
        assert response.status == 101
        assert response.header("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert response.header("Upgrade").lower() == "websocket"
        assert response.cookie() is not None




def test_bytes_behind_the_101_come_first(proxy):
    with proxy.connect() as wire:
        wire.send(ws_head("/ws?hello=1") + ws_frame(b"early"))
        assert wire.read_head().status == 101
        assert wire.need(16) == b"\x81\x0ehello from old"
        assert wire.need(7) == b"\x81\x05early"


def test_a_tunnel_survives_weight_changes_and_is_counted(proxy):
    with proxy.connect() as wire:
        wire.send(ws_head())
        assert wire.read_head().status == 101
        eventually(lambda: proxy.metric("cutover_tunnels", backend="old") == 1, 3)
        proxy.weight(100)
        wire.send(ws_frame(b"still here"))
        assert wire.need(12) == b"\x81\x0astill here"
        assert proxy.status()["backends"]["old"]["share"]["sockets"] == 1
    eventually(lambda: proxy.metric("cutover_tunnels", backend="old") == 0, 3)


def test_a_refused_upgrade_is_an_ordinary_answer(proxy):
    with proxy.connect() as wire:
        wire.send(head("GET", "/ws", {"Connection": "Upgrade", "Upgrade": "websocket"}))
        answer = wire.read()
        assert (answer.status, answer.header("Connection")) == (426, "close")
        assert wire.at_end(), "what the client may have sent behind it is no request"


def test_closing_a_tunnel_closes_both_ends(proxy, old):
    with proxy.connect() as wire:
        wire.send(ws_head())
        wire.read_head()
        wire.send(ws_frame(b"\x03\xe8", 8))
        assert wire.need(4) == b"\x88\x02\x03\xe8"
        assert wire.at_end()


def test_upgrades_other_than_websocket_are_not_passed_on(proxy):
    response = proxy.get("/echo", {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c",
                                   "HTTP2-Settings": "AAMAAABk"})
    assert response.status == 200
    assert echoed(response, "Upgrade") == [] and echoed(response, "HTTP2-Settings") == []


def test_a_101_that_nobody_asked_for_is_a_502(start, new):
    backend = start(Recorder, lambda *_: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
                                         b"Connection: upgrade\r\n\r\n")
    proxy = start(Proxy, backend, new, {"failover": "none"})
    proxy.expect_broken = True
    response = proxy.get("/")
    assert (response.status, response.outcome) == (502, "bad_response")


# --- other servers

def test_in_front_of_node(start, new):
    node = start(Node, Path(__file__).with_name("node_app.js"))
    proxy = start(Proxy, node, new)
    with proxy.connect() as wire:
        body = pattern(300000)
        for i in range(5):
            answer = wire.request("POST", f"/x?i={i}", {"Content-Type": "text/plain"}, body).json()
            assert answer["sha256"] == hashlib.sha256(body).hexdigest()
            assert answer["headers"]["host"] == node.authority
        assert wire.get("/stream").body == b"one\ntwo\n"
    with proxy.connect() as wire:
        wire.send(ws_head("/socket") + b"right behind")
        assert wire.read_head().status == 101
        assert wire.need(12) == b"right behind"
        wire.send(b"and more")
        assert wire.need(8) == b"and more"


def test_node_answers_before_it_has_read_the_body(start, new):
    node = start(Node, Path(__file__).with_name("node_app.js"))
    proxy = start(Proxy, node, new)
    for _ in range(5):
        with proxy.connect() as wire:
            wire.send(head("POST", "/early", {"Content-Length": str(4 * MIB)}))
            try:
                wire.send(bytes(4 * MIB))
            except ConnectionError:
                pass
            assert wire.read("POST").status == 413
    assert proxy.get("/").status == 200


def test_in_front_of_nginx(start, new, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "page.txt").write_bytes(pattern(700000))
    nginx = start(Nginx, tmp_path / "nginx",
                  f"location / {{ root {tmp_path}/files; gzip on; gzip_types *; gzip_proxied any; }}\n"
                  "location = / { return 200 'hi'; }\n"
                  "location /moved { return 301 /page.txt; }")
    proxy = start(Proxy, nginx, new)
    with proxy.connect() as wire:
        page = wire.get("/page.txt")
        assert page.body == pattern(700000)
        part = wire.get("/page.txt", {"Range": "bytes=10-19"})
        assert (part.status, part.body) == (206, pattern(20)[10:])
        assert part.header("Content-Range") == "bytes 10-19/700000"
        fresh = wire.get("/page.txt", {"If-None-Match": page.header("ETag")})
        assert fresh.status == 304
        packed = wire.get("/page.txt", {"Accept-Encoding": "gzip"})
        assert packed.header("Content-Encoding") == "gzip" and len(packed.body) < 700000
        moved = wire.get("/moved", {"Host": "shop.example.org"})
        assert moved.header("Location").startswith("http://shop.example.org/page.txt")
        assert wire.get("/nothing").status == 404
        assert wire.request("HEAD", "/page.txt").header("Content-Length") == "700000"


# --- timeouts

def test_slow_clients_get_408(start, old, new):
    proxy = start(Proxy, old, new, {"timeouts": {"client_header": "500ms", "client_body": "500ms",
                                                 "client_idle": "700ms"}})
    with proxy.connect() as wire:
        wire.send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        for _ in range(3):
            time.sleep(0.15)
            wire.send("x")  # activity does not help: the time is for the whole head
        response = wire.read()
        assert (response.status, response.outcome) == (408, "header_timeout")
        assert wire.at_end()
    with proxy.connect() as wire:
        wire.send(head("POST", "/upload", {"Content-Length": "100"}) + b"x")
        response = wire.read("POST")
        assert (response.status, response.outcome) == (408, "body_timeout")
        assert wire.at_end()
    with proxy.connect() as wire:
        wire.get("/")
        began = time.monotonic()
        assert wire.at_end(3), "an idle connection is closed without a word"
        assert 0.4 < time.monotonic() - began < 2.5


def test_a_silent_connection_is_closed(start, old, new):
    proxy = start(Proxy, old, new, {"timeouts": {"client_header": "500ms", "client_idle": "1s"}})
    with proxy.connect() as wire:
        assert readable(wire.sock, 3)
        wire.drain(2)


# --- what is written down

def test_the_access_line(proxy, old):
    proxy.request("POST", "/echo/line?secret=1", {"Host": "shop.example.org", "Cookie": "cutover=0427",
                                                  "Authorization": "Bearer hidden"}, body=b"12345")
    [line] = proxy.access(path="/echo/line")
    assert {k: line[k] for k in ("level", "client", "method", "host", "status", "outcome", "backend",
                                 "server", "route", "reason", "bucket", "attempts", "bytes_in")} == {
        "level": "info", "client": "127.0.0.1", "method": "POST", "host": "shop.example.org",
        "status": 200, "outcome": "ok", "backend": "old", "server": old.url, "route": "main",
        "reason": "cookie", "bucket": 427, "attempts": 1, "bytes_in": 5}
    assert line["duration_ms"] >= line["first_byte_ms"] > 0 and line["bytes_out"] > 0
    assert "secret" not in str(proxy.logs()) and "hidden" not in str(proxy.logs())


def test_access_policies(start, old, new):
    proxy = start(Proxy, old, new, {"log": {"access": "errors"}})
    for _ in range(5):
        proxy.get("/quiet")
    proxy.get("/status/500")
    assert [x["path"] for x in proxy.access(status=500)] == ["/status/500"]
    assert not [x for x in proxy.logs("request") if x["path"] == "/quiet"]


def test_the_log_file_is_reopened_on_usr1(start, old, new, tmp_path):
    import signal
    log = tmp_path / "proxy.log"
    proxy = start(Proxy, old, new, {"log": {"file": str(log)}})
    proxy.get("/first")
    eventually(lambda: "/first" in log.read_text(), 3, what="the line is in the file")
    log.rename(tmp_path / "proxy.log.1")
    proxy.process.signal(signal.SIGUSR1)
    eventually(log.exists, 3, what="the file is made anew")
    proxy.get("/second")
    eventually(lambda: "/second" in log.read_text(), 3, what="the line is in the new file")
    assert "/second" not in (tmp_path / "proxy.log.1").read_text()


def test_two_servers_of_a_side_take_turns(start, old, new):
    third = start(Origin, "old2")
    proxy = start(Proxy, [old, third], new, {"workers": 1})
    with proxy.connect() as wire:
        sides = [wire.get("/").side for _ in range(20)]
    assert sides.count("old") == sides.count("old2") == 10
