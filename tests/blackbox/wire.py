"""HTTP/1.1 as bytes: a client that hides nothing, for tests that look at what is on the wire."""

import json
import socket
import time

DEADLINE_S = 10.0


class Closed(Exception):
    """The other side closed before the answer was whole; .partial is what had come."""

    def __init__(self, what, partial=b""):
        super().__init__(f"{what} after {len(partial)} bytes: {partial[:200]!r}")
        self.partial = partial


class Response:
    def __init__(self, head, interim):
        lines = head.decode("latin-1").split("\r\n")
        self.version, status, *reason = lines[0].split(" ", 2)
        self.status = int(status)
        self.reason = reason[0] if reason else ""
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line]
        self.head = head
        self.interim = interim
        self.body = b""
        self.chunks = []
        self.ended_by_close = False

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def json(self):
        return json.loads(self.body)

    @property
    def side(self):
        return self.header("X-Backend")

    @property
    def outcome(self):
        return self.header("X-Cutover-Outcome")

    def cookie(self, name="cutover"):
        """The value of a cookie that this answer sets, or None."""
        for value in self.all("Set-Cookie"):
            if value.startswith(name + "="):
                return value.split(";")[0].split("=", 1)[1]
        return None

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:100]!r}>"


class Wire:
    """One connection. send() bytes, read() answers; request() does both."""

    def __init__(self, address, timeout=DEADLINE_S):
        self.address = address
        self.sock = socket.create_connection(address, timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def request(self, method="GET", path="/", headers=None, body=None, version="1.1"):
        self.send(head(method, path, headers, body, version, self.address))
        if body:
            self.send(body)
        return self.read(method)

    def get(self, path="/", headers=None):
        return self.request("GET", path, headers)

    def more(self):
        """Some more bytes; b"" at the end."""
        data = self.sock.recv(65536)
        self.rest += data
        return data

    def need(self, count):
        while len(self.rest) < count:
            if not self.more():
                raise Closed(f"closed before {count} bytes", self.rest)
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def until(self, mark):
        while mark not in self.rest:
            if not self.more():
                raise Closed(f"closed before {mark!r}", self.rest)
        data, self.rest = self.rest.split(mark, 1)
        return data

    def read_head(self):
        """The final head; interim answers are kept in .interim. 101 counts as final."""
        interim = []
        while True:
            response = Response(self.until(b"\r\n\r\n"), interim)
            if response.status == 101 or response.status >= 200:
                return response
            interim.append(response)

    def read(self, method="GET", sink=None):
        """A whole answer. With `sink` the body goes there in pieces and is not kept."""
        response = self.read_head()
        pieces = []
        put = sink or pieces.append
        if method == "HEAD" or response.status in (101, 204, 304):
            return response
        if (response.header("Transfer-Encoding") or "").lower() == "chunked":
            self._read_chunked(response, put)
        elif response.header("Content-Length") is not None:
            self._read_counted(int(response.header("Content-Length")), put)
        else:
            response.ended_by_close = True
            while self.rest or self.more():
                put(self.rest)
                self.rest = b""
        response.body = b"".join(pieces)
        return response

    def _read_counted(self, left, put):
        got = 0
        while left:
            if not self.rest and not self.more():
                raise Closed("closed within the body", b"%d bytes" % got)
            part, self.rest = self.rest[:left], self.rest[left:]
            left -= len(part)
            got += len(part)
            put(part)

    def _read_chunked(self, response, put):
        while True:
            size = int(self.until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                while self.until(b"\r\n"):
                    pass
                return
            response.chunks.append(size)
            self._read_counted(size, put)
            assert self.need(2) == b"\r\n"

    def at_end(self, timeout=DEADLINE_S):
        """Whether the other side closes (FIN or RST) without a further byte."""
        self.sock.settimeout(timeout)
        try:
            return not self.rest and self.sock.recv(1) == b""
        except ConnectionError:
            return True
        except socket.timeout:
            return False

    def drain(self, timeout=DEADLINE_S):
        """All there is until the other side closes. A reset is an end too."""
        self.sock.settimeout(timeout)
        try:
            while self.more():
                pass
        except ConnectionError:
            pass
        data, self.rest = self.rest, b""
        return data


def head(method="GET", path="/", headers=None, body=None, version="1.1", address=("test", 80)):
    """A request head: Host and Content-Length are added unless given (None leaves one out)."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    given = {name.lower() for name, _ in pairs}
    if "host" not in given:
        pairs.insert(0, ("Host", f"{address[0]}:{address[1]}"))
    if body is not None and not given & {"content-length", "transfer-encoding"}:
        pairs.append(("Content-Length", str(len(body))))
    lines = [f"{method} {path} HTTP/{version}"]
    lines += [f"{name}: {value}" for name, value in pairs if value is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunked(*pieces):
    """The pieces in chunked coding, each a chunk, with the last chunk."""
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces if p) + b"0\r\n\r\n"


def eventually(check, timeout=DEADLINE_S, every=0.02, what=None):
    """The first true value of check(); fails when there is none in time."""
    end = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {timeout} s: {what or check.__name__}: {value!r}")
        time.sleep(every)
