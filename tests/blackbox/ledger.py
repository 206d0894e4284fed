"""A backend that writes down what it is sent, request by request, and fails where it is told to.

    ledger = Ledger("old")                                  in this process
    ledger.fault = lambda entry: ("head", "close")          or None: serves it
    ledger.entries                                          what has arrived: see Entry
    ledger = LedgerProcess("old", file)                     in one of its own: it can be killed and
    ledger.tell("head", "die"); ledger.entries()            stopped; the file outlives it

A fault is where in a request it strikes, and what happens then.

    head      the head has been read, nothing of the body    close   closed, with whatever is unread
    body      a part of the body                             reset   RST
    answer    the whole request, nothing is answered         fin     FIN, and goes on reading
    partial   a part of the answer's head has been sent      silent  nothing more, for 10 s
    within    head and half of the body have been sent       die     kill -9 of the process
    after     the answer has been sent                       freeze  SIGSTOP of the process

A request says with X-Plan: SIZE CHUNKED DELAY_MS GAP_MS how it is to be answered; the answer is
answer_body(id, SIZE), names the request's id and has the digest of the body that arrived. Health checks are
answered without being written down.
"""

import argparse
import contextlib
import hashlib
import itertools
import os
import signal
import socket
import struct
import sys
import threading
import time

from cutover import Process, Server, START_S
from wire import Closed, Wire, chunked, eventually

PIECE = 16 * 1024


def answer_body(request_id, size):
    """Bytes that no other request is answered with."""
    return hashlib.shake_128(request_id.encode()).digest(size)


def field(head, name):
    """The value of a field of a head, or None."""
    for line in head.split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name:
            return value.strip()
    return None


class Entry:
    """`connection` and `nth` (from 0): over which connection, and the how-manieth on it. `digest`: of the
    body, once it was there as a whole; else None."""

    def __init__(self, id_, method, target, connection, nth, digest=None):
        self.id, self.method, self.target = id_, method, target
        self.connection, self.nth, self.digest = int(connection), int(nth), digest

    def __repr__(self):
        return f"<{self.method} {self.target} {self.id} {self.connection}.{self.nth}>"


class Conversation(Wire):
    """The backend's end of a connection."""

    def __init__(self, sock):
        sock.settimeout(30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.rest, self.is_doomed = sock, b"", False

    def send(self, data):
        if self.is_doomed:
            raise Closed("reset")
        super().send(data)

    def body(self, head):
        """The body in pieces, of which the first is not all of it when there is more than a byte."""
        length = int(field(head, "content-length") or 0)
        if "chunked" in (field(head, "transfer-encoding") or ""):
            while size := int(self.until(b"\r\n"), 16):
                yield self.need(size)
                self.need(2)
            self.until(b"\r\n")
        elif length:
            yield self.need(first := min(length // 2, PIECE) or length)
            for at in range(first, length, PIECE):
                yield self.need(min(PIECE, length - at))

    def resets_itself(self):
        """From another thread: whoever reads or writes here finds it ended, and its closing sends a RST."""
        self.is_doomed = True
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.shutdown(socket.SHUT_RD)


class Ledger(Server):
    def __init__(self, name, port=0, backlog=128):
        self.name, self.entries, self.talks = name, [], set()
        self.fault = lambda entry: None
        self.is_healthy = lambda: True
        self.numbers = itertools.count(os.getpid() * 100_000)  # others after a restart
        self.released = threading.Event()
        self.listener = socket.create_server((self.host, port), backlog=backlog)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self.released.set()
        self.refuse()
        for talk in list(self.talks):
            talk.resets_itself()

    def refuse(self):
        """Nobody listens any more; connections stay."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def reset_all(self):
        for talk in list(self.talks):
            talk.resets_itself()

    def of(self, request_id):
        return [entry for entry in self.entries if entry.id == request_id]

    # what is written down: others may do it elsewhere

    def note(self, entry):
        self.entries.append(entry)

    def note_whole(self, entry, digest):
        entry.digest = digest

    # connections

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self._talk, args=(Conversation(sock),), daemon=True).start()

    def _talk(self, talk):
        self.talks.add(talk)
        try:
            with talk, contextlib.suppress(OSError, Closed):
                self._converse(talk)
        finally:
            self.talks.discard(talk)

    def _converse(self, talk):
        number = None
        for nth in itertools.count():
            head = talk.until(b"\r\n\r\n").decode("latin-1")
            if head.startswith("GET /health "):
                if not self.is_healthy():
                    self.released.wait(10)
                    return
                talk.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                continue
            number = next(self.numbers) if number is None else number
            method, target, _ = head.split("\r\n")[0].split(" ")
            if not self._serve(talk, head, Entry(field(head, "x-request-id"), method, target, number, nth)):
                return

    def _serve(self, talk, head, entry):
        """Answers one request; False: the connection is over."""
        self.note(entry)
        where, what = self.fault(entry) or ("", "")

        def survives(moment):
            return where != moment or self.strike(talk, what)

        if not survives("head"):
            return False
        digest = hashlib.sha256()
        for number, piece in enumerate(talk.body(head)):
            digest.update(piece)
            if number == 0 and not survives("body"):
                return False
        self.note_whole(entry, digest.hexdigest())
        size, is_chunked, delay_ms, gap_ms = map(int, (field(head, "x-plan") or "2 0 0 0").split())
        time.sleep(delay_ms / 1000)
        if not survives("answer"):
            return False
        answer, body = self._answer(entry, size, is_chunked)
        if where == "partial":
            talk.send(answer[:40])
            if not self.strike(talk, what):
                return False
            answer = answer[40:]
        if where == "within" or gap_ms:
            talk.send(answer + body[:len(body) // 2])
            if not survives("within"):
                return False
            time.sleep(gap_ms / 1000)
            answer, body = b"", body[len(body) // 2:]
        talk.send(answer + body)
        return survives("after")

    def _answer(self, entry, size, is_chunked):
        head = f"HTTP/1.1 200 OK\r\nX-Backend: {self.name}\r\nX-Answer-To: {entry.id}\r\n" \
               f"X-Received: {entry.digest}\r\n" \
               f"{'Transfer-Encoding: chunked' if is_chunked else f'Content-Length: {size}'}\r\n\r\n"
        body = answer_body(entry.id or "", size)
        if is_chunked:
            body = chunked(*(body[at:at + PIECE] for at in range(0, size, PIECE)))
        return head.encode(), b"" if entry.method == "HEAD" else body

    def strike(self, talk, what):
        """Whether the connection goes on."""
        if what == "reset":
            talk.resets_itself()
        elif what == "reset-all":
            self.reset_all()
        elif what == "fin":
            talk.sock.shutdown(socket.SHUT_WR)
            talk.drain(5)
        elif what == "silent":
            self.released.wait(10)
        elif what in ("die", "freeze"):
            os.kill(os.getpid(), signal.SIGKILL if what == "die" else signal.SIGSTOP)
            return True
        else:
            assert what == "close", what
        return False


# --- a process of its own

class FileLedger(Ledger):
    """Writes to a file, in single writes, so that it is there when the process is killed."""

    def __init__(self, name, port, file, backlog):
        self.fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        super().__init__(name, port, backlog)

    def note(self, entry, *more):
        words = (entry.id, entry.method, entry.target, entry.connection, entry.nth, *more)
        os.write(self.fd, (" ".join(map(str, words)) + "\n").encode())

    def note_whole(self, entry, digest):
        entry.digest = digest
        self.note(entry, digest)

    def obey(self):
        """Faults come as datagrams to the same port: "" or "WHERE WHAT", or "once WHERE WHAT"."""
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ear.bind(self.address)
        print(f"ledger {self.name} at {self.port}", flush=True)
        while True:
            words, whom = ear.recvfrom(200)
            words = words.decode().split()
            fault = tuple(words[-2:])
            turns = itertools.repeat(fault) if words[:1] != ["once"] else iter([fault])
            self.is_healthy = lambda: "silent" not in words
            self.fault = lambda entry: next(turns, None) if fault else None
            if not fault:
                self.released.set()
                self.released = threading.Event()
            ear.sendto(b"done", whom)


class LedgerProcess(Server):
    def __init__(self, name, file, backlog=128):
        self.name, self.file, self.backlog = name, str(file), backlog
        self.fillers = []
        self.start()

    def start(self):
        """Also: again, on the same port."""
        self.process = Process([sys.executable, __file__, "--name", self.name, "--port", str(self.port),
                                "--file", self.file, "--backlog", str(self.backlog)])

        def listening():
            assert self.process.running, self.process.err
            return next((line for line in self.process.out if line.startswith("ledger ")), None)

        self.port = int(eventually(listening, START_S, 0.005).split()[-1])

    @property
    def running(self):
        return self.process.running

    def tell(self, *words):
        """What it is to do with each request from now on; nothing: it serves them."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
            mouth.settimeout(5)
            mouth.sendto(" ".join(words).encode(), self.address)
            assert mouth.recv(10) == b"done"

    def freeze(self):
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)

    def fill_queue(self):
        """After freeze(): until its queue of connections is full, and the next ones hang."""
        while len(self.fillers) <= self.backlog + 1:
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self.address)
            self.fillers.append(filler)

    def empty_queue(self):
        for filler in self.fillers:
            filler.close()
        self.fillers = []

    def kill(self):
        self.empty_queue()
        return self.process.kill()

    def stop(self):
        return self.kill()

    def entries(self):
        """Of all that ever ran on this file."""
        found = {}
        with open(self.file) as file:
            for line in file:
                entry = Entry(*line.split())
                found[(entry.id, entry.connection, entry.nth)] = entry
        return list(found.values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name")
    parser.add_argument("--port", type=int)
    parser.add_argument("--file")
    parser.add_argument("--backlog", type=int)
    given = parser.parse_args()
    FileLedger(given.name, given.port, given.file, given.backlog).obey()


if __name__ == "__main__":
    main()
