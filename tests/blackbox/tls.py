"""Both ends of TLS for tests: a client that hides nothing, and a backend that can misbehave.

    with secure(proxy.address, authority, "a.example") as wire:     a Wire over TLS
        wire.get("/")
    server = SecureScript(certificates, play)                       as Script in test_edges.py
    server = Broken(certificates, play)                             a handshake of the test's own
    relay = Relay(server.address)                                   TLS through it, held back or cut

Python's own ssl module is the other end: not OpenSSL's command line, and nothing of ours.
"""

import contextlib
import itertools
import socket
import ssl
import struct
import threading
import warnings

from cutover import Server
from wire import Closed, Wire

OK = b"HTTP/1.1 200 OK\r\nX-Backend: script\r\nContent-Length: 2\r\n\r\nok"


def told_of_cuts(context):
    """Python's module takes an end without close_notify for a proper one, unless it is told not to, and
    suppress_ragged_eofs is False as well."""
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


def client(authority=None, version=None, alpn=None):
    """What a client believes and offers; without an authority it believes anybody."""
    context = told_of_cuts(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(authority.ca_file)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class SecureWire(Wire):
    """`session`: of a connection before, to be resumed."""

    def __init__(self, address, context, name=None, session=None, preface=b"", timeout=10.0):
        super().__init__(address, timeout)
        try:
            if preface:
                self.sock.sendall(preface)
            self.sock = context.wrap_socket(self.sock, server_hostname=name, session=session,
                                            suppress_ragged_eofs=False)
        except BaseException:
            self.close()
            raise

    def names(self):
        """The DNS names of the certificate that was shown."""
        return [value for kind, value in self.sock.getpeercert().get("subjectAltName", ())
                if kind == "DNS"]


def secure(address, authority=None, name=None, **how):
    wire = {key: how.pop(key) for key in ("session", "preface", "timeout") if key in how}
    return SecureWire(address, client(authority, **how), name, **wire)


class SecureScript(Server):
    """A backend with TLS in this process: `play(wire, head)` has each connection from its first
    request's head on. Health checks are answered without it.

    `pairs` is a (certificate, key), or a list of them, one for each connection in turn, the last one
    for all that follow; `by_name` has others for names that are asked for. `versions` are the lowest
    and the highest; below 1.2 needs `ciphers` such as "ALL:@SECLEVEL=0".

    `seen` holds the requests' heads, `stray` what came and was no head, `names` the SNI of each
    connection, `resumed` whether it was. `refused` counts handshakes that failed. In a `play` the
    connection's SNI is wire.sock.asked, its number wire.sock.number (checks are counted too).
    """

    def __init__(self, pairs, play=None, versions=None, host="127.0.0.1", port=0, by_name=None,
                 ciphers=None):
        self.host = host
        self.pairs = pairs if isinstance(pairs, list) else [pairs]
        self.play = play or serve
        self.seen, self.stray, self.names, self.resumed, self.refused = [], [], [], [], 0
        self.versions, self.ciphers = versions, ciphers
        self.named = {name: self._context(pair) for name, pair in (by_name or {}).items()}
        self.contexts = [self._context(pair) for pair in self.pairs]
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, port), family=family, backlog=128)
        self.port = self.listener.getsockname()[1]
        self.is_open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _context(self, pair):
        context = told_of_cuts(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.load_cert_chain(*pair)
        context.sni_callback = self._on_name
        if self.versions:
            with warnings.catch_warnings():  # the old ones are deprecated, and that is the point
                warnings.simplefilter("ignore")
                context.minimum_version, context.maximum_version = self.versions
        if self.ciphers:
            context.set_ciphers(self.ciphers)
        return context

    def _on_name(self, sock, name, _context):
        self.names.append(name)
        sock.asked = name
        if name in self.named:
            sock.context = self.named[name]

    @property
    def running(self):
        return self.is_open

    @property
    def authority(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else super().authority

    @property
    def url(self):
        return f"https://{self.authority}"

    def stop(self):
        self.is_open = False
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            for number in itertools.count():
                connection, _ = self.listener.accept()
                connection.settimeout(10)
                context = self.contexts[min(number, len(self.contexts) - 1)]
                threading.Thread(target=self._serve, args=(connection, context, number),
                                 daemon=True).start()

    def _serve(self, connection, context, number):
        with contextlib.suppress(OSError, Closed):
            try:
                sock = context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False)
            except OSError:
                self.refused += 1
                connection.close()
                return
            sock.number = number
            wire = Wire.__new__(Wire)
            wire.sock, wire.rest = sock, b""
            with wire:
                self._converse(wire, sock)

    def _converse(self, wire, sock):
        try:
            head = wire.until(b"\r\n\r\n").decode("latin-1")
        except (Closed, OSError):
            if wire.rest:
                self.stray.append(wire.rest)
            return
        if head.startswith("GET /health "):
            wire.send(OK)
            return
        self.resumed.append(sock.session_reused)
        self.seen.append(head)
        self.play(wire, head)


def serve(wire, head):
    """Answers one request after another, for as long as they come."""
    while True:
        wire.send(OK)
        wire.until(b"\r\n\r\n")


def cut(wire):
    """FIN without close_notify: as somebody on the way could do it."""
    wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    socket.socket(fileno=wire.sock.detach()).close()


def reset(wire):
    """RST."""
    plain = socket.socket(fileno=wire.sock.detach())
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.close()


class Broken(Server):
    """A backend whose first connection, the health check, is served as it should be, with TLS where
    there is a `pair`. `play(connection)` has each one after it, from its first byte on."""

    def __init__(self, pair, play, host="127.0.0.1", port=0):
        self.pair, self.play, self.host = pair, play, host
        self.count = 0
        self.listener = socket.create_server((host, port), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"{'https' if self.pair else 'http'}://{self.authority}"

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            for self.count in itertools.count():
                connection, _ = self.listener.accept()
                connection.settimeout(10)
                threading.Thread(target=self._serve, args=(connection, self.count), daemon=True).start()

    def _serve(self, connection, number):
        with contextlib.suppress(OSError), connection:
            if number > 0:
                self.play(connection)
                return
            if self.pair:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self.pair)
                connection = context.wrap_socket(connection, server_side=True)
            with connection:
                connection.recv(65536)
                connection.sendall(OK)


class Relay(Server):
    """A byte pipe to `address`. Each connection through it is in `links`: what the server sends waits
    behind the client's `hold_after`th piece until .release(); pieces are `size` bytes at most."""

    def __init__(self, address, size=65536):
        self.address_behind, self.size = address, size
        self.links, self.hold_after = [], None
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
        for link in self.links:
            link.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.links.append(Link(client, socket.create_connection(self.address_behind), self.size,
                                       self.hold_after))


class Link:
    def __init__(self, client, server, size, hold_after):
        self.client, self.server, self.size, self.hold_after = client, server, size, hold_after
        self.pieces, self.held, self.open = 0, threading.Event(), threading.Event()
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self._move, args=(source, sink), daemon=True).start()

    def release(self):
        self.open.set()

    def close(self):
        self.release()
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _move(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if source is self.client:
                    self.pieces += 1
                elif self.hold_after is not None and self.pieces >= self.hold_after:
                    self.held.set()
                    self.open.wait(10)
                for at in range(0, len(data), self.size):
                    sink.sendall(data[at:at + self.size])
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
