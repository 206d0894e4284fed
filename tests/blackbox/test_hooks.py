"""Hooks of a plan: what they are sent, whom they are believed from, and what is told of them."""

import json
import re
import socket
import threading
import time

import pytest

from certs import Authority
from cutover import Proxy, Recorder, Server
from test_journal import deeds
from tls import SecureScript
from wire import eventually

SECRET = "s3cr3t-in-the-url"


def answering(status, *fields):
    def answer(head, connection):
        return "\r\n".join([f"HTTP/1.1 {status} Whatever", "Content-Length: 0", *fields, "", ""]).encode()

    return answer


def silent(head, connection):
    time.sleep(30)


def planned(start, old, new, before, first=None, kind=Proxy):
    steps = [{"weight": 10, "hold": "1h"}, {"weight": 20, "hold": "1h", "before": before}]
    if first:
        steps[0]["before"] = first
    proxy = start(kind, old, new, {"plan": {"steps": steps}, "health": {"interval": "2s", "timeout": "2s"}})
    proxy.wait_health("old", "up")
    proxy.wait_health("new", "up")
    return proxy


def at(proxy):
    return proxy.status()["plan"]


def advance(proxy, **body):
    answer = proxy.admin("POST", "/v1/plan/advance", body)
    assert answer.status == 200, answer
    return answer.json()["plan"]


def begin(proxy):
    assert proxy.admin("POST", "/v1/plan/start", {}).status == 200


def answered(proxy):
    """What the hook has said, once it has."""
    return eventually(lambda: at(proxy)["gate_detail"], 15, what="the hook's answer")


@pytest.fixture
def hook(start):
    return start(Recorder, answering(204))


def test_it_is_asked_before_the_weight_changes(start, old, new, hook):
    waiting = threading.Event()

    def slowly(head, connection):
        waiting.wait(8)
        return answering(204)(head, connection)

    hook.answer = slowly
    proxy = planned(start, old, new, f"{hook.url}/gate?key={SECRET}")
    begin(proxy)
    before = advance(proxy)
    assert (before["step"], before["gate"], proxy.status()["weight"]) == (1, "before", 10), "the answer comes first"
    eventually(lambda: hook.seen)
    assert proxy.status()["weight"] == 10
    waiting.set()
    eventually(lambda: proxy.status()["weight"] == 20, 5)
    after = at(proxy)
    assert (after["step"], after["state"], after["gate"]) == (2, "holding", None)

    head, body = hook.bytes().decode().split("\r\n\r\n", 1)
    assert head.startswith(f"POST /gate?key={SECRET} HTTP/1.1\r\nHost: {hook.authority}\r\n")
    assert re.search("(?i)\r\ncontent-type: application/json\r\n", head) and "cutover/" in head
    said = json.loads(body)
    assert (said["plan"], said["step"], said["weight"], said["hook"]) == ("main", 2, 20, "before")


def test_its_secret_is_told_nowhere(start, old, new, hook):
    proxy = planned(start, old, new, f"{hook.url}/{SECRET}/x?key={SECRET}")
    begin(proxy)
    advance(proxy)
    eventually(lambda: proxy.status()["weight"] == 20, 5)
    [event] = [e for e in deeds(proxy) if e["what"] == "hook" and e["actor"] == "plan"]
    assert (event["actor"], event["subject"], event["to"]) == ("plan", hook.url, "yes") and "204" in event["reason"]
    said = [json.dumps(proxy.status()), proxy.admin("GET", "/v1/events").text, proxy.admin("GET", "/metrics").text,
            proxy.output(), "\n".join(proxy.process.lines())]
    assert SECRET in hook.bytes().decode() and not any(SECRET in text for text in said)
    assert SECRET not in (proxy.folder / "state.json.events").read_text()


@pytest.mark.parametrize("answer, detail", [
    (answering(200), None), (answering(299), None),
    (answering(302, "Location: /yes"), "status 302"), (answering(404), "status 404"),
    (answering(500), "status 500"),
    (lambda head, connection: b"\x15\x03\x01 garbage\r\n\r\n", "malformed answer"),
    (lambda head, connection: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100000, "malformed answer"),
    (lambda head, connection: None, "closed without an answer")],
    ids=["200", "299", "302", "404", "500", "garbage", "endless", "closed"])
def test_2xx_is_a_yes_and_nothing_else(start, old, new, hook, answer, detail):
    hook.answer = answer
    proxy = planned(start, old, new, hook.url)
    begin(proxy)
    advance(proxy)
    if detail is None:
        eventually(lambda: proxy.status()["weight"] == 20, 5)
        return
    assert detail in answered(proxy)
    status = proxy.status()
    assert (status["weight"], status["plan"]["step"], status["plan"]["gate"]) == (10, 1, "before")
    assert status["warnings"] == [f'the plan does not go on: its hook "before" said no: {at(proxy)["gate_detail"]}']


def test_nobody_is_there(start, old, new, hook):
    proxy = planned(start, old, new, hook.url)
    hook.stop()
    begin(proxy)
    advance(proxy)
    assert answered(proxy) == "connection refused"
    assert proxy.status()["weight"] == 10


def test_a_name_that_is_none(start, old, new):
    proxy = planned(start, old, new, "http://no-such-name.invalid/")
    begin(proxy)
    advance(proxy)
    assert "name" in answered(proxy)
    assert proxy.status()["weight"] == 10


@pytest.mark.slow
def test_one_that_is_silent_is_a_no_after_10_s(start, old, new, hook):
    hook.answer = silent
    proxy = planned(start, old, new, hook.url)
    begin(proxy)
    began = time.monotonic()
    advance(proxy)
    assert answered(proxy) == "no answer within 10 s" and 9 < time.monotonic() - began < 14
    assert proxy.get("/").status == 200 and proxy.status()["weight"] == 10


class TrustsAuthority(Proxy):
    """The system's authorities are this one."""

    ca_file = None

    def environment(self):
        return {**super().environment(), **({"SSL_CERT_FILE": str(self.ca_file)} if self.ca_file else {})}


@pytest.mark.parametrize("case", ["trusted", "unknown", "other name", "expired"])
def test_https_is_verified(start, old, new, tmp_path, case):
    authority = Authority(tmp_path)
    pair = {"other name": lambda: authority.issue(["other.example"]),
            "expired": lambda: authority.issue([], ips=["127.0.0.1"], expired=True)}.get(
        case, lambda: authority.issue([], ips=["127.0.0.1"]))()
    secure = start(SecureScript, pair)
    trusting = type("Trusting", (TrustsAuthority,), {"ca_file": None if case == "unknown" else authority.ca_file})
    proxy = planned(start, old, new, secure.url + "/gate", kind=trusting)
    begin(proxy)
    advance(proxy)
    if case == "trusted":
        eventually(lambda: proxy.status()["weight"] == 20, 5)
        assert secure.seen[0].startswith("POST /gate ")
        return
    assert answered(proxy).startswith("TLS")
    assert proxy.status()["weight"] == 10 and not secure.seen, "nothing is sent to somebody else"


def test_an_order_that_waits_for_its_hook_can_be_dropped(start, old, new, hook):
    hook.answer = silent
    proxy = planned(start, old, new, hook.url, first=hook.url)
    begin(proxy)
    eventually(lambda: hook.seen)
    assert at(proxy)["state"] == "idle" and at(proxy)["gate"] == "before"
    assert proxy.admin("POST", "/v1/plan/abort", {}).status == 200
    assert at(proxy)["gate"] is None and proxy.status()["weight"] == 0


@pytest.mark.parametrize("how", ["stop", "rollback", "reload", "weight"])
def test_whatever_happens_while_it_is_asked(start, old, new, hook, how):
    hook.answer = silent
    proxy = planned(start, old, new, hook.url)
    begin(proxy)
    advance(proxy)
    eventually(lambda: hook.seen)
    if how == "stop":
        began = time.monotonic()
        proxy.stop()
        assert time.monotonic() - began < 4
        proxy.restart()
        assert (at(proxy)["step"], at(proxy)["gate"]) == (1, None)
    elif how == "rollback":
        assert proxy.admin("POST", "/v1/rollback", {}).json()["plan"]["state"] == "rolled_back"
        assert proxy.status()["weight"] == 0 and at(proxy)["gate"] is None
    elif how == "reload":
        proxy.config["plan"] = {}
        proxy.write_config()
        assert proxy.admin("POST", "/v1/reload", {}).status == 200
        assert at(proxy)["steps"] == 0 and at(proxy)["gate"] is None
    else:
        proxy.weight(15)
        assert at(proxy)["state"] == "paused" and at(proxy)["gate"] is None
    assert proxy.get("/").status == 200


class V6(Server):
    """Says yes on ::1."""

    def __init__(self):
        self.listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        self.port = self.listener.getsockname()[1]
        self.heads, self.open = [], True
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        with connection:
            self.heads.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    def stop(self):
        self.listener.close()


def test_an_ipv6_address(start, old, new):
    hook = start(V6)
    proxy = planned(start, old, new, f"http://[::1]:{hook.port}/gate")
    begin(proxy)
    advance(proxy)
    eventually(lambda: proxy.status()["weight"] == 20, 5)
    assert f"\r\nHost: [::1]:{hook.port}\r\n".encode() in hook.heads[0]
