"""The real program, and what stands behind it, started on free ports for one test.

    old = Origin("old")                     the sample application
    proxy = Proxy(old, new, {...})          the proxy; the dict overrides its configuration
    proxy.get("/")                          one request on a connection of its own
    proxy.admin("PUT", "/v1/weight", {...}) a call of the admin API
"""

import contextlib
import copy
import http.client
import itertools
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from wire import Wire, eventually

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CUTOVER_BUILD", ROOT / "build"))
RELEASE = Path(os.environ.get("CUTOVER_RELEASE", BUILD))
REPORTS = os.environ.get("CUTOVER_REPORTS")

START_S = 15.0
STOP_S = 10.0


def program(name, folder):
    for path in (folder / name, folder / "bench" / name):
        if path.exists():
            return str(path)
    raise FileNotFoundError(f"{name} is not built in {folder}")


def _own_ports(first=12000, end=31000):
    """Below the range from which the kernel takes ports for outgoing connections, so that none of
    those is in the way. The proxy shares its port between workers, so two proxies must never get the
    same: each process that runs tests beside others has a part of its own."""
    size = (end - first) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first += size * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return range(first + os.getpid() % (size // 3), first + size)


_ports = itertools.cycle(_own_ports())


def free_port():
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def merged(base, over):
    """`base` with `over` laid on it, dicts within dicts; None stays (it is YAML's null)."""
    result = copy.deepcopy(base)
    for key, value in (over or {}).items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


class Process:
    """A child with its output in memory, stopped by its own pid."""

    def __init__(self, argv, cwd=None, env=None, restore_signals=True, to_file=None):
        out = open(to_file, "ab") if to_file else subprocess.PIPE
        self.child = subprocess.Popen(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                      stderr=subprocess.PIPE, restore_signals=restore_signals)
        self.pid = self.child.pid
        self.to_file = to_file
        self.out, self.err = [], []
        streams = [(self.child.stderr, self.err)]
        if to_file:
            out.close()
        else:
            streams.append((self.child.stdout, self.out))
        self.readers = [threading.Thread(target=self._read, args=s, daemon=True) for s in streams]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.append(line.decode("utf-8", "replace").rstrip("\n"))

    def lines(self):
        if self.to_file:
            return Path(self.to_file).read_text(errors="replace").splitlines()
        return list(self.out)

    @property
    def running(self):
        return self.child.poll() is None

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, timeout=STOP_S):
        code = self.child.wait(timeout)
        for reader in self.readers:
            reader.join(timeout)
        self.child.stderr.close()
        if self.child.stdout:
            self.child.stdout.close()
        return code

    def kill(self):
        """kill -9, as the kernel's memory killer does it."""
        if self.running:
            self.child.kill()
        return self.wait()

    def end(self, timeout=STOP_S):
        """TERM; its exit status. -9 when it did not end in time."""
        if self.child.returncode is None:
            self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()


class Server:
    """What stands behind the proxy: has .address (host, port) and .url."""

    host = "127.0.0.1"
    port = 0

    @property
    def address(self):
        return (self.host, self.port)

    @property
    def authority(self):
        return f"{self.host}:{self.port}"

    @property
    def url(self):
        return f"http://{self.authority}"

    def get(self, path, headers=None):
        with Wire(self.address) as wire:
            return wire.get(path, headers)


class Origin(Server):
    """cutover-origin; see its usage for the paths."""

    def __init__(self, name, port=0):
        self.name, self.port = name, port
        self.process = None
        self.start()

    def start(self):
        """Also: again, on the same port."""
        self.process = Process([program("cutover-origin", RELEASE), "--name", self.name,
                                "--listen", f"127.0.0.1:{self.port}"])
        pattern = re.compile(r"origin \S+ listening on \S+:(\d+)")

        def listening():
            if not self.process.running:
                raise AssertionError(f"the origin ended: {self.process.err}")
            return next((m for line in self.process.out if (m := pattern.match(line))), None)

        try:
            self.port = int(eventually(listening, START_S, 0.005).group(1))
        except BaseException:
            self.process.kill()
            raise
        return self

    @property
    def running(self):
        return self.process.running

    def stop(self):
        return self.process.end()

    def kill(self):
        return self.process.kill()

    def stats(self):
        return self.get("/stats").json()

    def served(self):
        """Requests so far, without health checks and looks at the statistics."""
        stats = self.stats()
        return stats["requests"] - stats["paths"]["health"] - stats["paths"]["stats"]


class Recorder(Server):
    """A backend in this process that keeps every byte and answers as it is told.

    `answer(head, connection)` gives the bytes to send for a request head; health checks are answered
    without it and not recorded. With `hold` nothing is answered.
    """

    OK = b"HTTP/1.1 200 OK\r\nX-Backend: recorder\r\nContent-Length: 2\r\n\r\nok"

    def __init__(self, answer=None):
        self.answer = answer or (lambda head, connection: self.OK)
        self.seen = []  # of each connection: a bytearray
        self.listener = socket.create_server((self.host, 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.open = True
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def running(self):
        return self.open

    def stop(self):
        self.open = False
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while self.open:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        record, pending = bytearray(), b""
        with connection, contextlib.suppress(OSError):
            while True:
                data = connection.recv(65536)
                if not data:
                    return
                pending += data
                if pending.startswith(b"GET /health "):
                    if b"\r\n\r\n" in pending:
                        connection.sendall(self.OK)
                        return
                    continue
                if not record:
                    self.seen.append(record)
                record += data
                while b"\r\n\r\n" in pending:
                    head, pending = pending.split(b"\r\n\r\n", 1)
                    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                    if length:
                        need = int(length.group(1))
                        while len(pending) < need:
                            data = connection.recv(65536)
                            if not data:
                                return
                            pending += data
                            record += data
                        pending = pending[need:]
                    elif b"chunked" in head.lower():
                        while b"0\r\n\r\n" not in pending:
                            data = connection.recv(65536)
                            if not data:
                                return
                            pending += data
                            record += data
                        pending = pending.split(b"0\r\n\r\n", 1)[1]
                    answer = self.answer(head, connection)
                    if answer is None:
                        return
                    connection.sendall(answer)

    def bytes(self):
        return b"".join(bytes(record) for record in self.seen)


class Nginx(Server):
    """nginx with the given locations, in the foreground, as this user."""

    def __init__(self, folder, locations):
        self.port = free_port()
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        temps = "".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root; " if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(
            f"{user}daemon off; pid {self.folder}/pid; error_log {self.folder}/error.log;\n"
            "events {}\n"
            f"http {{ access_log off; {temps}\n"
            f"server {{ listen 127.0.0.1:{self.port}; add_header X-Backend nginx always;\n"
            f"{locations}\n location = /health {{ return 200; }} }} }}\n")
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = Process([nginx, "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder),
                                "-e", str(self.folder / "error.log")])
        wait_for_port(self, self.process)

    @property
    def running(self):
        return self.process.running

    def stop(self):
        return self.process.end()


class Node(Server):
    """A Node program whose first argument is the port."""

    def __init__(self, source):
        self.port = free_port()
        node = shutil.which("node") or "/usr/bin/node"
        self.process = Process([node, str(source), str(self.port)])
        wait_for_port(self, self.process)

    @property
    def running(self):
        return self.process.running

    def stop(self):
        return self.process.end()


def wait_for_port(server, process):
    def accepts():
        if not process.running:
            raise AssertionError(f"ended at once: {process.err}")
        with contextlib.suppress(OSError):
            socket.create_connection(server.address, 1).close()
            return True
        return False

    try:
        eventually(accepts, START_S)
    except BaseException:
        process.kill()
        raise


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode("utf-8", "replace")

    def json(self):
        return json.loads(self.text)

    @property
    def code(self):
        """The code of a refusal."""
        return self.json()["error"]["code"]

    def __repr__(self):
        return f"<{self.status} {self.text[:300]}>"


class Proxy:
    """cutover run, with a configuration, a folder and a state of its own."""

    def __init__(self, old, new, config=None, release=False, folder=None, args=(), wait=True,
                 restore_signals=True, log_to_file=False):
        self.old, self.new = old, new
        self.build = RELEASE if release else BUILD
        self.folder = Path(folder or tempfile.mkdtemp(prefix="cutover-test-"))
        self.owns_folder = folder is None
        self.port, self.admin_port = free_port(), free_port()
        self.restore_signals, self.log_to_file = restore_signals, log_to_file
        self.config = merged(self.base_config(), config)
        self.config_file = self.folder / "cutover.yaml"
        self.write_config()
        self.process = None
        self.reports = Path(REPORTS) if REPORTS else self.folder / "reports"
        self.reports.mkdir(exist_ok=True)
        self.base_fds = None
        self.expect_broken = False  # set by tests that leave no usable backend behind
        self.start(args, wait)

    def base_config(self):
        return {
            "listen": [{"address": f"127.0.0.1:{self.port}"}],
            "admin": {"address": f"127.0.0.1:{self.admin_port}"},
            "state_file": str(self.folder / "state.json"),
            "workers": 2,
            "backends": {
                "old": {"name": "railway", "servers": urls(self.old)},
                "new": {"name": "lightsail", "servers": urls(self.new)},
            },
            "health": {"interval": "500ms", "timeout": "400ms"},
            "timeouts": {"upstream_idle": "1s", "drain": "3s"},
        }

    def write_config(self, text=None):
        """JSON is YAML; `text` instead for what JSON cannot say."""
        self.config_file.write_text(text if text is not None else json.dumps(self.config, indent=2))

    def environment(self):
        env = dict(os.environ)
        env["ASAN_OPTIONS"] = f"log_path={self.reports}/asan-{self.port}:detect_leaks=1:halt_on_error=1"
        env["UBSAN_OPTIONS"] = f"log_path={self.reports}/ubsan-{self.port}:print_stacktrace=1:halt_on_error=1"
        env["TSAN_OPTIONS"] = f"log_path={self.reports}/tsan-{self.port}:halt_on_error=0"
        env.pop("PORT", None)
        return env

    def start(self, args=(), wait=True):
        self.process = Process(
            [program("cutover", self.build), "run", "-c", str(self.config_file), *args],
            env=self.environment(), restore_signals=self.restore_signals,
            to_file=str(self.folder / "log") if self.log_to_file else None)
        try:
            if wait:
                self.wait_ready()
        except BaseException:
            self.clean()
            raise
        return self

    def wait_ready(self):
        def ready():
            if not self.process.running:
                code = self.process.wait()
                raise AssertionError(f"the proxy ended with {code}:\n{self.output()}")
            with contextlib.suppress(OSError):
                return self.admin("GET", "/readyz").status == 200
            return False

        eventually(ready, START_S, 0.01, "the proxy is ready")
        self.base_fds = self.fds() - self.idle()

    def output(self):
        return "\n".join(self.process.err + self.process.lines()[-30:])

    def restart(self, args=(), wait=True):
        """After .stop() or .kill(): again, same configuration, ports and state."""
        assert not self.process.running
        return self.start(args, wait)

    # --- the data path

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    @property
    def authority(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://{self.authority}"

    def connect(self, timeout=10.0):
        return Wire(self.address, timeout)

    def request(self, method="GET", path="/", headers=None, body=None, version="1.1"):
        with self.connect() as wire:
            return wire.request(method, path, headers, body, version)

    def get(self, path="/", headers=None):
        return self.request("GET", path, headers)

    def raw(self, data, timeout=10.0):
        """Sends bytes on a connection of their own; all that comes back until it closes."""
        with self.connect(timeout) as wire:
            with contextlib.suppress(ConnectionError):
                wire.send(data)
            return wire.drain(timeout)

    # --- the control side

    def admin(self, method, path, body=None, headers=None):
        """With the token, where there is one; {"Authorization": None} goes without."""
        data = body if isinstance(body, (bytes, str)) or body is None else json.dumps(body)
        headers = dict(headers or {})
        if data is not None:
            headers.setdefault("Content-Type", "application/json")
        token_file = self.config["admin"].get("token_file")
        if token_file:
            headers.setdefault("Authorization", f"Bearer {Path(token_file).read_text().strip()}")
        headers = {name: value for name, value in headers.items() if value is not None}
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        try:
            connection.request(method, path, data, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def status(self):
        answer = self.admin("GET", "/v1/status")
        assert answer.status == 200, answer
        return answer.json()

    def weight(self, percent, **more):
        """Sets the main weight (route=... another), and insists that it worked."""
        answer = self.admin("PUT", "/v1/weight", {"weight": percent, **more})
        assert answer.status == 200, answer
        return answer

    def server_health(self, side):
        return [server["health"] for server in self.status()["backends"][side]["servers"]]

    def wait_health(self, side, *wanted, timeout=5.0):
        return eventually(lambda: self.server_health(side) == list(wanted), timeout,
                          what=f"{side} is {wanted}")

    def idle(self):
        """Kept connections to backends, as the proxy counts them."""
        return sum(server["idle"] for backend in self.status()["backends"].values()
                   for server in backend["servers"])

    def metrics(self):
        """{'name{label="x",...}': value}, labels in the order of the text."""
        answer = self.admin("GET", "/metrics")
        assert answer.status == 200, answer
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
                for line in answer.text.splitlines() if line and not line.startswith("#")}

    def metric(self, name, **labels):
        """The sum of all series of `name` that have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(value for series, value in self.metrics().items()
                   if series.split("{")[0] == name and all(label in series for label in wanted))

    def logs(self, message=None):
        lines = []
        for line in self.process.lines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        return [x for x in lines if message is None or x.get("message") == message]

    def access(self, **fields):
        """Access lines with these values; waits until there is one."""
        def found():
            return [x for x in self.logs("request") if all(x.get(k) == v for k, v in fields.items())]

        return eventually(found, 3.0, what=f"an access line with {fields}")

    # --- the process

    @property
    def pid(self):
        return self.process.pid

    def open_files(self):
        """What the descriptors lead to; without the /dev/null that each event loop keeps in reserve
        from its first connection on."""
        links = []
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                links.append(os.readlink(f"/proc/{self.pid}/fd/{fd}"))
        return sorted(link for link in links if link != "/dev/null")

    def fds(self):
        return len(self.open_files())

    def pss_kib(self):
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))

    def cpu_s(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def reload(self):
        self.process.signal(signal.SIGHUP)

    def stop(self):
        """TERM; insists on a clean end."""
        code = self.process.end()
        assert code == 0, f"the proxy ended with {code}:\n{self.output()}"

    def kill(self):
        return self.process.kill()

    def check_unharmed(self):
        """After any test: same process, descriptors back, the next good request is served."""
        assert self.process.running, f"the proxy died ({self.process.wait()}):\n{self.output()}"
        try:
            eventually(lambda: self.fds() - self.idle() <= self.base_fds, 5.0,
                       what=f"descriptors back to {self.base_fds}")
        except AssertionError as error:
            raise AssertionError(f"{error}; open: {self.open_files()}") from None
        if not self.expect_broken:
            eventually(lambda: self.get("/").status == 200, 5.0, 0.1, "the next good request is served")

    def reports_text(self):
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.reports.glob(f"*san-{self.port}.*")))

    def clean(self):
        if self.process.running:
            self.process.kill()
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def urls(servers):
    """Of a server, a list of them, or of URLs as they are."""
    servers = servers if isinstance(servers, (list, tuple)) else [servers]
    return [x if isinstance(x, str) else x.url for x in servers]


def cli(*args, release=False, env=None, timeout=20):
    """Runs the program once: .returncode, .stdout, .stderr."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CUTOVER_")}
    environment.update(env or {})
    return subprocess.run([program("cutover", RELEASE if release else BUILD), *args], text=True,
                          capture_output=True, timeout=timeout, env=environment, check=False,
                          stdin=subprocess.DEVNULL)


class Wrk:
    """wrk in the background; .result() after .seconds."""

    def __init__(self, url, connections=64, seconds=10, threads=1):
        self.seconds = seconds
        self.process = Process(["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s",
                                "--timeout", "5s", url])

    def result(self):
        code = self.process.wait(self.seconds + 20)
        text = "\n".join(self.process.out)
        assert code == 0, text
        requests = int(re.search(r"(\d+) requests in", text).group(1))
        failed = 0
        for pattern in (r"Non-2xx or 3xx responses: (\d+)",
                        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)"):
            match = re.search(pattern, text)
            failed += sum(map(int, match.groups())) if match else 0
        return requests, failed, text

    def stop(self):
        """Ends early, with the result so far."""
        if self.process.running:
            self.process.signal(signal.SIGINT)
        return self.result()


def readable(sock, seconds):
    return bool(select.select([sock], [], [], seconds)[0])


def now_ms():
    return time.monotonic() * 1000
