"""What a backend may put on the wire, as bytes, and what a client must get of it.

    good    the client gets the answer whole, and its connection serves the next request
    bad     the client gets a 502 with an outcome; the connection to the backend is dropped
    cut     the answer had begun: the client sees that it is not whole

`kept` says whether the connection to the backend may carry another request: True (and must), False
(must not), None (either). STRAY is what nobody may ever get to see.
"""

from dataclasses import dataclass

from wire import chunked

STRAY = b"HTTP/1.1 200 OK\r\nX-Stray: stray\r\nContent-Length: 5\r\n\r\nstray"
WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
SWITCH = ("Connection: Upgrade", "Upgrade: websocket")


@dataclass(frozen=True)
class Case:
    name: str
    sends: bytes
    end: str = "open"     # what the backend does behind it: leaves it open, fin, rst
    method: str = "GET"   # of the request, as are:
    minor: int = 1
    asks: tuple = ()
    status: int = 200     # of the final answer that the client gets
    reason: str = None
    interim: tuple = ()
    body: bytes = b""
    has: tuple = ()       # lines of its head, in this order
    lacks: tuple = ()     # names that its head does not have
    outcome: str = "ok"   # of the access line, and of a 502 in its head
    is_cut: bool = False
    kept: bool = True
    is_followed: bool = False  # something comes behind a whole answer: bytes, or the end

    @property
    def is_tunnel(self):
        return self.outcome == "tunnel"

    @property
    def closes(self):
        """The client's connection ends with the answer."""
        return (self.is_cut or "Upgrade: websocket" in self.asks or
                (self.minor == 0 and "Connection: keep-alive" not in self.asks))

    def offsets(self, most):
        """Where to split: everywhere, or as many places as that, most of them near the ends."""
        size = len(self.sends)
        if size <= most:
            return range(1, size)
        near = most // 3
        step = max(1, (size - 2 * near) // near)
        return [*range(1, near), *range(near, size - near, step), *range(size - near, size)]


def answer(*lines, body=b"", first="HTTP/1.1 200 OK"):
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1") + body


def good(name, sends, body=b"hello", **more):
    return Case(name, sends, body=body, **more)


def bad(name, sends, outcome="bad_response", **more):
    return Case(name, sends, status=502, outcome=outcome, kept=False, **more)


def cut(name, sends, body=b"", outcome="upstream_truncated", end="fin", **more):
    return Case(name, sends, body=body, outcome=outcome, end=end, is_cut=True, kept=False, **more)


def with_length(*lines, first="HTTP/1.1 200 OK", body=b"hello"):
    return answer(*lines, f"Content-Length: {len(body)}", first=first, body=body)


LENGTH = with_length()
CHUNKS = answer("Transfer-Encoding: chunked", body=chunked(b"he", b"llo"))
UNTIL_EOF = answer(body=b"hello")


# --- bodies: how they are delimited

BODIES = [
    good("length", LENGTH, has=("Content-Length: 5",), lacks=("Transfer-Encoding", "Connection")),
    good("length 0", with_length(body=b""), body=b"", has=("Content-Length: 0",)),
    good("length with zeros in front", answer("Content-Length: 005", body=b"hello"), has=("Content-Length: 5",)),
    good("length without a space", answer("Content-Length:5", body=b"hello"), has=("Content-Length: 5",)),
    good("length with spaces around", answer("Content-Length:   5  ", body=b"hello"), has=("Content-Length: 5",)),
    good("length in capitals", answer("CONTENT-LENGTH: 5", body=b"hello"), has=("Content-Length: 5",)),
    good("length, every byte", with_length(body=bytes(range(256))), bytes(range(256))),
    good("a body that looks like an answer", with_length(body=LENGTH), LENGTH),
    good("chunked", CHUNKS, has=("Transfer-Encoding: chunked",), lacks=("Content-Length",)),
    good("chunked, empty", answer("Transfer-Encoding: chunked", body=b"0\r\n\r\n"), b"",
         has=("Transfer-Encoding: chunked",)),
    good("chunked, a byte each", answer("Transfer-Encoding: chunked", body=chunked(*[b"x"] * 30)), b"x" * 30),
    good("chunked in capitals", answer("TRANSFER-ENCODING: Chunked", body=chunked(b"hello")),
         has=("Transfer-Encoding: chunked",)),
    good("chunked, sizes in capitals", answer("Transfer-Encoding: chunked", body=b"0A\r\n0123456789\r\n000\r\n\r\n"),
         b"0123456789"),
    good("chunked, many zeros in front", answer("Transfer-Encoding: chunked",
                                                body=b"0000000000000005\r\nhello\r\n0\r\n\r\n")),
    good("chunk extensions", answer("Transfer-Encoding: chunked",
                                    body=b'2;a\r\nhe\r\n3;b=c;d="e;\\"f"\r\nllo\r\n0;last=1\r\n\r\n')),
    good("trailers", answer("Transfer-Encoding: chunked", "Trailer: X-Sum",
                            body=b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\n\r\n"),
         lacks=("X-Sum", "Set-Cookie", "Trailer")),
    good("a chunk that looks like an answer", answer("Transfer-Encoding: chunked", body=chunked(LENGTH)), LENGTH),
    good("until the end", UNTIL_EOF, end="fin", kept=False, has=("Transfer-Encoding: chunked",),
         lacks=("Content-Length", "Connection")),
    good("until the end, empty", answer(), b"", end="fin", kept=False),
    good("until the end, announced", answer("Connection: close", body=b"hello"), end="fin", kept=False,
         lacks=("Connection",)),
    good("until the end, 1.0", answer(first="HTTP/1.0 200 OK", body=b"hello"), end="fin", kept=False,
         has=("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")),
    good("until the end, keep-alive claimed", answer("Connection: keep-alive", first="HTTP/1.0 200 OK", body=b"hello"),
         end="fin", kept=False, lacks=("Connection",)),
    good("until the end, an answer in it", answer(body=b"hello" + LENGTH), b"hello" + LENGTH, end="fin", kept=False),
    good("length, then the end", LENGTH, end="fin", kept=False, is_followed=True),
    good("length, then a reset", LENGTH, end="rst", kept=False, is_followed=True),
    good("chunked, then the end", CHUNKS, end="fin", kept=False, is_followed=True),
    good("close with a length", with_length("Connection: close"), kept=False, lacks=("Connection",)),
    good("close among others", with_length("Connection: x, Close ,y"), kept=False, lacks=("Connection",)),
    good("close with a tab", with_length("Connection: close\t"), kept=False, lacks=("Connection",)),
    good("close in a second field", with_length("Connection: x-a", "Connection: close"), kept=False,
         lacks=("Connection",)),
    good("close and keep-alive", with_length("Connection: keep-alive, close"), kept=False, lacks=("Connection",)),
    good("close with chunks", answer("Connection: close", "Transfer-Encoding: chunked", body=chunked(b"hello")),
         kept=False, lacks=("Connection",)),
    good("1.0 with a length", with_length(first="HTTP/1.0 200 OK"), kept=False, has=("HTTP/1.1 200 OK",)),
    good("1.0 that keeps alive", with_length("Connection: keep-alive", first="HTTP/1.0 200 OK"),
         lacks=("Connection",)),
    good("to a POST", LENGTH, method="POST"),
    good("to a DELETE", LENGTH, method="DELETE"),
]

# --- bodies towards clients of HTTP/1.0

OLD_CLIENTS = [
    good("length, to 1.0", LENGTH, minor=0, has=("HTTP/1.1 200 OK", "Content-Length: 5", "Connection: close")),
    good("length, to 1.0 that keeps alive", LENGTH, minor=0, asks=("Connection: keep-alive",),
         has=("Content-Length: 5", "Connection: keep-alive")),
    good("chunked, to 1.0", CHUNKS, minor=0, has=("Connection: close",), lacks=("Transfer-Encoding", "Content-Length")),
    good("trailers, to 1.0", answer("Transfer-Encoding: chunked", body=b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"), minor=0,
         has=("Connection: close",), lacks=("Transfer-Encoding", "X")),
    good("until the end, to 1.0", UNTIL_EOF, minor=0, end="fin", kept=False, has=("Connection: close",),
         lacks=("Transfer-Encoding", "Content-Length")),
    good("interim, to 1.0", answer(first="HTTP/1.1 103 Early Hints") + LENGTH, minor=0),
    good("16 interim, to 1.0", answer(first="HTTP/1.1 102 Processing") * 16 + LENGTH, minor=0),
    good("304, to 1.0", answer("ETag: x", first="HTTP/1.1 304 Not Modified"), b"", status=304, minor=0),
    good("HEAD of 1.0", with_length(body=b""), b"", method="HEAD", minor=0, has=("Content-Length: 0",)),
]

# --- answers that have no body, whatever they say

BODILESS = [
    # What announces a body in vain may still send it.
    *[good(f"{code}{what}", answer(*lines, first=f"HTTP/1.1 {code} X"), b"", status=code, has=has, lacks=lacks,
           kept=what in ("", " with length 0"))
      for code in (204, 304)
      for what, lines, has, lacks in (
          ("", (), (), ("Content-Length", "Transfer-Encoding")),
          (" with length 0", ("Content-Length: 0",), ("Content-Length: 0",) if code == 304 else (),
           () if code == 304 else ("Content-Length",)),
          (" with a length", ("Content-Length: 5",), ("Content-Length: 5",) if code == 304 else (),
           () if code == 304 else ("Content-Length",)),
          (" with a coding", ("Transfer-Encoding: chunked",), (), ("Transfer-Encoding",)))],
    *[good(f"{code} with {what} behind it", answer(*lines, first=f"HTTP/1.1 {code} X", body=body), b"", status=code,
           kept=False, is_followed=True)
      for code in (204, 304)
      for what, lines, body in (("a body", ("Content-Length: 5",), b"stray"),
                                ("chunks", ("Transfer-Encoding: chunked",), chunked(b"stray")),
                                ("the last chunk", ("Transfer-Encoding: chunked",), b"0\r\n\r\n"),
                                ("an answer", ("Content-Length: 65",), STRAY))],
    good("204 to a POST", answer(first="HTTP/1.1 204 No Content"), b"", status=204, method="POST"),
    good("304 and close", answer("Connection: close", first="HTTP/1.1 304 X"), b"", status=304, kept=False),
    good("205 with length 0", with_length(first="HTTP/1.1 205 Reset Content", body=b""), b"", status=205),
    good("HEAD with a length", answer("Content-Length: 12345"), b"", method="HEAD", kept=False, has=("Content-Length: 12345",)),
    good("HEAD with a coding", answer("Transfer-Encoding: chunked"), b"", method="HEAD", kept=False, lacks=("Content-Length",)),
    good("HEAD without framing", answer("X: y"), b"", method="HEAD", has=("X: y",), lacks=("Content-Length",)),
    good("HEAD of a 404", answer("Content-Length: 9", first="HTTP/1.1 404 Not Found"), b"", method="HEAD", kept=False, status=404),
    good("HEAD of a 204 with a length", answer("Content-Length: 9", first="HTTP/1.1 204 X"), b"", method="HEAD", kept=False,
         status=204, lacks=("Content-Length",)),
    good("HEAD with the body", answer("Content-Length: 5", body=b"stray"), b"", method="HEAD", kept=False,
         is_followed=True, has=("Content-Length: 5",)),
    good("HEAD with chunks", answer("Transfer-Encoding: chunked", body=chunked(b"stray")), b"", method="HEAD",
         kept=False, is_followed=True),
    good("HEAD with an answer behind", answer("Content-Length: 65") + STRAY, b"", method="HEAD", kept=False,
         is_followed=True),
    good("HEAD behind an interim", answer("Link: x", first="HTTP/1.1 103 X") + answer("Content-Length: 7"), b"",
         method="HEAD", kept=False, interim=(103,), has=("Content-Length: 7",)),
]

# --- interim answers

HINTS = answer("Link: </a.css>; rel=preload", first="HTTP/1.1 103 Early Hints")

INTERIM = [
    good("103", HINTS + LENGTH, interim=(103,)),
    good("100 that nobody expects", answer(first="HTTP/1.1 100 Continue") + LENGTH, interim=(100,)),
    good("102", answer(first="HTTP/1.1 102 Processing") + CHUNKS, interim=(102,)),
    good("199", answer(first="HTTP/1.1 199 Whatever") + LENGTH, interim=(199,)),
    good("one of each", answer(first="HTTP/1.1 100 Continue") + answer(first="HTTP/1.1 102 Processing") + HINTS + LENGTH,
         interim=(100, 102, 103)),
    good("16 of them", HINTS * 16 + LENGTH, interim=(103,) * 16),
    good("interim with a length", answer("Content-Length: 5", first="HTTP/1.1 103 X") + LENGTH, interim=(103,)),
    good("interim with a coding", answer("Transfer-Encoding: chunked", first="HTTP/1.1 103 X") + LENGTH, interim=(103,)),
    good("interim with fields of the connection",
         answer("Connection: x-a", "X-A: 1", "Keep-Alive: timeout=5", "X-B: 2", first="HTTP/1.1 103 X") + LENGTH,
         interim=(103,), lacks=("X-A", "X-B", "Keep-Alive")),
    good("interim, then 304", HINTS + answer("ETag: a", first="HTTP/1.1 304 Not Modified"), b"", status=304,
         interim=(103,)),
    good("interim, until the end", HINTS + UNTIL_EOF, end="fin", interim=(103,), kept=False),
    bad("17 of them", HINTS * 17 + LENGTH, interim=(103,) * 16),
    bad("17 of them, to 1.0", HINTS * 17 + LENGTH, minor=0),
    bad("1000 times 100", answer(first="HTTP/1.1 100 Continue") * 1000, interim=(100,) * 16),
    bad("interim with a body", answer("Content-Length: 5", first="HTTP/1.1 103 X", body=b"stray") + LENGTH,
        interim=(103,)),
    bad("interim, then nonsense", HINTS + b"nonsense\r\n\r\n", interim=(103,)),
    bad("interim, then two lengths", HINTS + answer("Content-Length: 1", "Content-Length: 2", body=b"a"),
        interim=(103,)),
    bad("interim, then the end", HINTS, "upstream_closed", end="fin", interim=(103,)),
    bad("interim, then a reset", HINTS, "upstream_closed", end="rst", interim=(103,)),
    bad("a malformed interim", answer("X : y", first="HTTP/1.1 103 X") + LENGTH),
    cut("interim, then half a body", HINTS + LENGTH[:-2], b"hel", interim=(103,)),
]

# --- 101

TUNNELS = [
    Case("101", answer(*SWITCH, first="HTTP/1.1 101 Switching Protocols", body=b"hello"), asks=WEBSOCKET, status=101,
         body=b"hello", outcome="tunnel", kept=False, has=("Connection: upgrade", "Upgrade: websocket")),
    Case("101 in other letters", answer("CONNECTION: keep-alive, UPGRADE\t", "UPGRADE: WebSocket", first="HTTP/1.1 101"),
         asks=WEBSOCKET, status=101, outcome="tunnel", kept=False),
    Case("101 behind an interim", HINTS + answer(*SWITCH, first="HTTP/1.1 101 X", body=b"hello"), asks=WEBSOCKET,
         status=101, body=b"hello", interim=(103,), outcome="tunnel", kept=False),
    good("200 to an upgrade", LENGTH, asks=WEBSOCKET),
    good("426 to an upgrade", with_length("Upgrade: websocket", first="HTTP/1.1 426 Upgrade Required"), status=426,
         asks=WEBSOCKET),
    bad("101 that nobody asked for", answer(*SWITCH, first="HTTP/1.1 101 X")),
    bad("101 that nobody asked for, and an answer", answer(*SWITCH, first="HTTP/1.1 101 X") + STRAY),
    bad("101 to a POST", answer(*SWITCH, first="HTTP/1.1 101 X"), method="POST"),
    bad("101 to 1.0", answer(*SWITCH, first="HTTP/1.1 101 X"), minor=0, asks=WEBSOCKET),
    bad("101 of 1.0", answer(*SWITCH, first="HTTP/1.0 101 X"), asks=WEBSOCKET),
    bad("101 alone", answer(first="HTTP/1.1 101 X"), asks=WEBSOCKET),
    bad("101 without Upgrade", answer("Connection: Upgrade", first="HTTP/1.1 101 X"), asks=WEBSOCKET),
    bad("101 without Connection", answer("Upgrade: websocket", first="HTTP/1.1 101 X"), asks=WEBSOCKET),
    bad("101, empty Upgrade", answer("Connection: Upgrade", "Upgrade:", first="HTTP/1.1 101 X"), asks=WEBSOCKET),
    bad("101 to something else", answer("Connection: Upgrade", "Upgrade: h2c", first="HTTP/1.1 101 X"), asks=WEBSOCKET),
    bad("101 to more than was asked for", answer("Connection: Upgrade", "Upgrade: websocket, tls",
                                                 first="HTTP/1.1 101 X"), asks=WEBSOCKET),
    bad("101 with a length", answer(*SWITCH, "Content-Length: 5", first="HTTP/1.1 101 X", body=b"hello"), asks=WEBSOCKET),
    bad("101 with length 0", answer(*SWITCH, "Content-Length: 0", first="HTTP/1.1 101 X"), asks=WEBSOCKET),
    bad("101 with a coding", answer(*SWITCH, "Transfer-Encoding: chunked", first="HTTP/1.1 101 X",
                                    body=chunked(b"hello")), asks=WEBSOCKET),
]

# --- heads that are odd, and right

LONG = "long " * 100

HEADS = [
    good("no reason", with_length(first="HTTP/1.1 200 "), reason="", has=("HTTP/1.1 200 ",)),
    good("no reason and no space", with_length(first="HTTP/1.1 200"), reason="", has=("HTTP/1.1 200 ",)),
    good("8-bit reason", with_length(first="HTTP/1.1 200 Gr\xfc\xdfe"), has=("HTTP/1.1 200 Gr\xfc\xdfe",)),
    good("long reason", with_length(first=f"HTTP/1.1 200 {LONG}x"), has=(f"HTTP/1.1 200 {LONG}x",)),
    good("a tab in the reason", with_length(first="HTTP/1.1 200 O\tK"), has=("HTTP/1.1 200 O\tK",)),
    *[good(f"status {code}", with_length(first=f"HTTP/1.1 {code} Odd"), status=code, has=(f"HTTP/1.1 {code} Odd",))
      for code in (201, 203, 226, 299, 300, 399, 400, 404, 418, 451, 499, 500, 503, 599, 600, 999)],
    good("206", with_length("Content-Range: bytes 0-4/10", "ETag: W/\"a\"", "Accept-Ranges: bytes",
                            first="HTTP/1.1 206 Partial Content"), status=206,
         has=("Content-Range: bytes 0-4/10", "ETag: W/\"a\"", "Accept-Ranges: bytes")),
    good("names in small letters", with_length("x-a: 1", "etag: b", "set-cookie: a=b"),
         has=("x-a: 1", "etag: b", "set-cookie: a=b")),
    good("letters of names stay", with_length("x-mIxEd: 1", "ETAG: b"), has=("x-mIxEd: 1", "ETAG: b")),
    good("every sign of a token", with_length("!#$%&'*+-.^_`|~09azAZ: 1"), has=("!#$%&'*+-.^_`|~09azAZ: 1",)),
    good("white space around values", with_length("X-A:1", "X-B:  \t 2 \t ", "X-C:\t3", "X-D: a \t b"),
         has=("X-A: 1", "X-B: 2", "X-C: 3", "X-D: a \t b")),
    good("empty values", with_length("X-A:", "X-B: ", "X-C:\t", "X-D: d"), has=("X-A: ", "X-B: ", "X-C: ", "X-D: d")),
    good("8-bit values", with_length("X-A: Gr\xfc\xdfe \x80\xff"), has=("X-A: Gr\xfc\xdfe \x80\xff",)),
    good("a long value", with_length(f"X-A: {LONG}x"), has=(f"X-A: {LONG}x",)),
    good("many fields", with_length(*[f"X-{i}: {i}" for i in range(120)]),
         has=tuple(f"X-{i}: {i}" for i in range(120))),
    good("several Set-Cookie", with_length("Set-Cookie: a=1; Path=/", "X-Between: x", "Set-Cookie: b=2; Expires=Thu, "
                                           "01 Jan 2099 00:00:00 GMT", "set-cookie: a=3"),
         has=("Set-Cookie: a=1; Path=/", "X-Between: x",
              "Set-Cookie: b=2; Expires=Thu, 01 Jan 2099 00:00:00 GMT", "set-cookie: a=3")),
    good("a name several times", with_length("X-A: 1", "X-B: 2", "X-A: 3", "x-a: 1", "X-A: 1"),
         has=("X-A: 1", "X-B: 2", "X-A: 3", "x-a: 1", "X-A: 1")),
    good("Date and Server", with_length("Date: Thu, 01 Jan 2026 00:00:00 GMT", "Server: odd/1"),
         has=("Date: Thu, 01 Jan 2026 00:00:00 GMT", "Server: odd/1")),
    good("WWW-Authenticate twice", with_length("WWW-Authenticate: Basic realm=\"a, b\"", "WWW-Authenticate: Negotiate",
                                               first="HTTP/1.1 401 Unauthorized"), status=401,
         has=("WWW-Authenticate: Basic realm=\"a, b\"", "WWW-Authenticate: Negotiate")),
    good("a coding of the content", with_length("Content-Encoding: gzip", "Vary: a", body=b"\x1f\x8b\x08\x00\x00"),
         b"\x1f\x8b\x08\x00\x00", has=("Content-Encoding: gzip", "Vary: a")),
    good("fields of the connection", with_length("X-A: 1", "Connection: keep-alive, X-B", "x-b: 2",
                                                 "Keep-Alive: max=100", "Proxy-Connection: keep-alive", "TE: trailers",
                                                 "Proxy-Authenticate: Basic", "Trailer: x", "Upgrade: h2c", "X-C: 3"),
         has=("X-A: 1", "X-C: 3"),
         lacks=("Connection", "X-B", "Keep-Alive", "Proxy-Connection", "TE", "Proxy-Authenticate", "Trailer", "Upgrade")),
    good("Connection names what it may not", with_length("Connection: content-length, set-cookie, date, location, etag",
                                                         "Set-Cookie: a=b", "Location: /x", "ETag: c"),
         has=("Set-Cookie: a=b", "Location: /x", "Content-Length: 5")),
    good("a head of 31 KiB", with_length(*[f"X-{i}: {'x' * 1000}" for i in range(31)])),
    good("answers without a Date get none twice", with_length("Age: 1"), has=("Age: 1",)),
]

# --- more than the answer

EXTRA = [
    good(f"{name} and {what}", sends + more, method=method, kept=False, is_followed=True)
    for name, sends, method in (("length", LENGTH, "GET"), ("chunked", CHUNKS, "POST"))
    for what, more in (("a byte", b"s"), ("a line end", b"\r\n"), ("stray bytes", b"stray" * 10), ("an answer", STRAY),
                       ("an interim", HINTS), ("a NUL", b"\0"))
] + [
    good("length and two answers", LENGTH + STRAY + STRAY, kept=False, is_followed=True),
    good("length 0 and a body", with_length(body=b"") + b"stray", b"", kept=False, is_followed=True),
    good("to 1.0, and an answer", LENGTH + STRAY, minor=0, kept=False, is_followed=True),
    good("length, an answer and the end", LENGTH + STRAY, end="fin", kept=False, is_followed=True),
    good("trailers and an answer",
         answer("Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\nX: y\r\n\r\n") + STRAY, kept=False, is_followed=True),
]

# --- heads that are wrong

STATUS_LINES = [
    bad(f"status line {line!r}", answer("Content-Length: 0", first=line))
    for line in ("ICY 200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2 OK", "HTTP/1.1 000 OK", "HTTP/1.1 099 OK",
                 "HTTP/1.1 2000 OK", "HTTP/1.1 2xx OK", "HTTP/1.1 -20 OK", "HTTP/1.1 200OK", "HTTP/1.1  200 OK",
                 "HTTP/1.1\t200 OK", "HTTP/1.1 200\tOK", "HTTP/1.1200 OK", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 OK",
                 "HTTP/2.0 200 OK", "HTTP/2 200", "HTTP/3 200", "HTTP/1.2 200 OK", "HTTP/0.9 200 OK", "HTTP/1 200 OK",
                 "HTTP/1.10 200 OK", "HTTP/11 200 OK", "http/1.1 200 OK", "HTTPS/1.1 200 OK", " HTTP/1.1 200 OK",
                 "XHTTP/1.1 200 OK", "RTSP/1.0 200 OK", "SSH-2.0-x", "GET / HTTP/1.1", "HTTP/1.1 200 O\0K",
                 "HTTP/1.1 200 O\x01K", "HTTP/1.1 200 O\rK", "HTTP/1.1 200 OK\r")
]

FIELDS = [
    bad(f"field {line!r}", answer("X-A: 1", line, "Content-Length: 0"))
    for line in ("X : a", "X\t: a", "X", "X a", ": a", ":", "X[]: a", "X\"Y\": a", "X(Y): a", "X\xe9: a", "X\0Y: a",
                 "X\x01: a", "X\x7f: a", "X: a\0b", "X: a\x01b", "X: a\x1fb", "X: a\x7fb", "X: a\rb", "X:\rb",
                 "X: a\r", "X: a\r\n b", "X: a\r\n\tb", "X:\r\n b", "X: a\r\n ", "X: a\nY: b", "X: a\n b",
                 "Set-Cookie: a=b\rSet-Cookie: c=d", "HTTP/1.1 200 OK")
] + [
    bad("a folded first field", answer(" X: a", "Content-Length: 0")),
    bad("a folded length", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\nhello"),
    bad("a folded coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    bad("LF everywhere", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
    bad("LF behind the status line", b"HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello"),
    bad("LF behind a field", b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 5\r\n\r\nhello"),
    bad("LF for the empty line", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\nhello"),
    bad("LF LF", b"HTTP/1.1 200 OK\r\nContent-Length: 5\n\nhello"),
    bad("CR for the empty line", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\rhello\r\n\r\n"),
    bad("CR CR LF", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\r\n\r\nhello"),
    bad("two empty lines in front", b"\r\n\r\n" + LENGTH),
]

FRAMING = [
    *[bad(f"length {value!r}", answer(f"Content-Length: {value}", body=b"hello"))
      for value in ("", "-5", "+5", "0x5", "5_0", "5.0", "5e0", "5 5", "5,5", "5, 5", "5,", ",5", "5;5", "\"5\"", "five",
                    "\xa05", "5\xb2", "9" * 19, "9223372036854775808", "18446744073709551615", "18446744073709551621")],
    bad("the same length twice", answer("Content-Length: 5", "Content-Length: 5", body=b"hello")),
    bad("two lengths", answer("Content-Length: 5", "Content-Length: 6", body=b"hello")),
    bad("two lengths, apart", answer("Content-Length: 5", "X: y", "content-length: 0", body=b"hello")),
    bad("two lengths of a HEAD", answer("Content-Length: 5", "Content-Length: 6"), method="HEAD"),
    bad("two lengths of a 304", answer("Content-Length: 5", "Content-Length: 6", first="HTTP/1.1 304 X")),
    bad("a length in a folded field", answer("X: y\r\n Content-Length: 5", body=b"hello")),
    bad("a length with a space", answer("Content-Length : 5", body=b"hello")),
    bad("an underscored length", answer("Content_Length: 5", body=b"hello"), end="fin"),
    *[bad(f"coding {value!r}", answer(f"Transfer-Encoding: {value}", body=b"0\r\n\r\n"))
      for value in ("", "gzip", "identity", "xchunked", "chunkedx", "chunked;q=1", "\"chunked\"", "chunked, chunked",
                    "gzip, chunked", "chunked, gzip", ",chunked", "chunked,", "chun\x0bked", "\0chunked", "chunked\xff",
                    "trailers")],
    bad("a coding until the end", answer("Transfer-Encoding: gzip", body=b"\x1f\x8b"), end="fin"),
    bad("two codings", answer("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")),
    bad("two codings, apart", answer("Transfer-Encoding: gzip", "X: y", "Transfer-Encoding: chunked",
                                     body=b"0\r\n\r\n")),
    bad("a coding with a space", answer("Transfer-Encoding : chunked", body=b"0\r\n\r\n")),
    bad("a coding of 1.0", answer("Transfer-Encoding: chunked", first="HTTP/1.0 200 OK", body=b"0\r\n\r\n")),
    bad("an underscored coding", answer("Transfer_Encoding: chunked", body=b"0\r\n\r\n"), end="fin"),
    bad("length and coding", answer("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")),
    bad("coding and length", answer("Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n")),
    bad("coding and length 0", answer("Transfer-Encoding: chunked", "Content-Length: 0", body=b"0\r\n\r\n")),
    bad("length and coding of a 304", answer("Content-Length: 5", "Transfer-Encoding: chunked",
                                             first="HTTP/1.1 304 X")),
    bad("length and gzip", answer("Content-Length: 5", "Transfer-Encoding: gzip", body=b"hello")),
]

NOISE = [
    bad("HTTP/0.9", b"<html>hello</html>", "upstream_closed", end="fin"),
    bad("HTTP/0.9 in lines", b"<html>\r\n\r\nhello</html>\r\n"),
    bad("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x46"),
    bad("8-bit noise", bytes(range(128, 256))),
    bad("an HTTP/2 frame", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"),
    bad("nothing", b"", "upstream_closed", end="fin"),
    bad("nothing but a reset", b"", "upstream_closed", end="rst"),
    bad("one byte", b"H", "upstream_closed", end="fin"),
    bad("half a status line", b"HTTP/1.1 20", "upstream_closed", end="fin"),
    bad("half a head", LENGTH[:25], "upstream_closed", end="fin"),
    bad("half a head and a reset", LENGTH[:25], "upstream_closed", end="rst"),
    bad("all but the last byte of a head", LENGTH[:-6], "upstream_closed", end="fin"),
    bad("half a head, to a POST", LENGTH[:25], "upstream_closed", end="fin", method="POST"),
    bad("too large a head", with_length(*[f"X-{i}: {'x' * 1000}" for i in range(40)]), "response_head_too_large"),
    bad("too large a field", with_length(f"X: {'x' * 40000}"), "response_head_too_large"),
    bad("an endless field", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000, "response_head_too_large"),
    bad("an endless reason", b"HTTP/1.1 200 " + b"x" * 70000, "response_head_too_large"),
    bad("too many fields", with_length(*[f"X-{i}: y" for i in range(200)])),
]

# --- answers that stop, or go wrong, in their body


def chunks_cut(name, body, arrived=b"hello", **more):
    return cut(name, answer("Transfer-Encoding: chunked", body=body), arrived, **more)


CUT = [
    cut("length, nothing of it", LENGTH[:-5]),
    cut("length, half of it", LENGTH[:-2], b"hel"),
    cut("length, all but a byte", LENGTH[:-1], b"hell"),
    cut("length, half and a reset", LENGTH[:-2], b"hel", end="rst"),
    cut("length, half, to a POST", LENGTH[:-2], b"hel", method="POST"),
    cut("length, half, to 1.0", LENGTH[:-2], b"hel", minor=0),
    cut("close, half of a length", with_length("Connection: close")[:-2], b"hel"),
    cut("the longest length", answer("Content-Length: " + "9" * 18, body=b"hello"), b"hello"),
    chunks_cut("chunked, nothing of it", b"", b""),
    chunks_cut("chunked, cut in a size", b"5\r\nhello\r\n1"),
    chunks_cut("chunked, cut behind a size", b"5\r\nhello\r\n5\r\n"),
    chunks_cut("chunked, cut in an extension", b"5\r\nhello\r\n5;a"),
    chunks_cut("chunked, cut in its data", b"5\r\nhello\r\n5\r\nhe", b"hellohe"),
    chunks_cut("chunked, cut behind its data", b"5\r\nhello"),
    chunks_cut("chunked, cut before the last", b"5\r\nhello\r\n"),
    chunks_cut("chunked, cut in the last", b"5\r\nhello\r\n0\r\n"),
    chunks_cut("chunked, cut by one byte", b"5\r\nhello\r\n0\r\n\r"),
    chunks_cut("chunked, cut in a trailer", b"5\r\nhello\r\n0\r\nX: y"),
    chunks_cut("chunked, cut behind a trailer", b"5\r\nhello\r\n0\r\nX: y\r\n"),
    chunks_cut("chunked, a reset before the last", b"5\r\nhello\r\n", end="rst"),
    chunks_cut("chunked, cut, to 1.0", b"5\r\nhello\r\n", minor=0),
    chunks_cut("chunked, a reset, to 1.0", b"5\r\nhello\r\n", minor=0, end="rst"),
    cut("until the end, a reset", UNTIL_EOF, b"hello", end="rst"),
    cut("until the end, a reset, to 1.0", UNTIL_EOF, b"hello", end="rst", minor=0),
    *[chunks_cut(f"chunks {body!r}", b"5\r\nhello\r\n" + body, outcome="bad_response", end="open")
      for body in (b"Z\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
                   b"5_\r\nhello\r\n0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n",
                   b"\r\nhello\r\n0\r\n\r\n", b";a\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n",
                   b"5\rhello\r\n0\r\n\r\n", b"5\r\rhello\r\n0\r\n\r\n", b"f" * 17 + b"\r\n", b"f" * 16 + b"\r\n",
                   b"0" * 17 + b"\r\n", b"5;a\x01\r\n", b"5;a\nb\r\n", b"5;\r\n", b"5;a=\"b\r\n", b"0\r\nX\r\n\r\n",
                   b"0\r\n: y\r\n\r\n", b"0\r\nX : y\r\n\r\n", b"0\r\n X: y\r\n\r\n", b"0\r\nX: y\n\r\n",
                   b"0\r\nX: \0\r\n\r\n", b"0\r\n\n", b"0\r\n\rX", b"0\r\nX: y\r\n z\r\n\r\n",
                   b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
                   b"0\r\nHost: a\r\n\r\n")],
    *[chunks_cut(f"a chunk without its end {body!r}", b"5\r\nhello" + body, outcome="bad_response", end="open")
      for body in (b"\n0\r\n\r\n", b"0\r\n\r\n", b"\r0\r\n\r\n", b"x\r\n0\r\n\r\n", b"\r\r\n")],
    chunks_cut("an endless extension", b"5\r\nhello\r\n5;" + b"a" * 9000, outcome="bad_response", end="open"),
    chunks_cut("an endless trailer", b"5\r\nhello\r\n0\r\nX: " + b"a" * 40000, outcome="bad_response", end="open"),
    chunks_cut("bad chunks, to 1.0", b"5\r\nhello\r\nZ\r\n", outcome="bad_response", end="open", minor=0),
]

CASES = [*BODIES, *OLD_CLIENTS, *BODILESS, *INTERIM, *TUNNELS, *HEADS, *EXTRA, *STATUS_LINES, *FIELDS, *FRAMING,
         *NOISE, *CUT]

assert len({case.name for case in CASES}) == len(CASES), "each has a name of its own"
