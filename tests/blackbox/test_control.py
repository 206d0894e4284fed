"""The admin API and the verbs that speak it."""

import http.client
import json
import socket
import threading
import time

import pytest

from cutover import Proxy, cli, free_port


def generation(proxy):
    return proxy.status()["generation"]


def test_status_says_all(proxy, old):
    status = proxy.status()
    assert {"version", "uptime_s", "generation", "weight", "routes", "backends", "plan",
            "rollback_ready", "last_change"} <= set(status)
    side = status["backends"]["old"]
    assert (side["name"], side["admin"], side["health"]) == ("railway", "ready", "up")
    [server] = side["servers"]
    assert server["url"] == old.url and server["ejected"] in (False, None, 0)
    assert {"health", "active", "idle"} <= set(server)
    assert {"requests_1m", "sockets"} <= set(side["share"])
    assert status["plan"]["state"] == "idle"


def test_a_weight_change(proxy):
    before = generation(proxy)
    answer = proxy.admin("PUT", "/v1/weight", {"weight": 12.5, "reason": "first step"}, {"X-Actor": "ann"})
    assert answer.status == 200
    status = answer.json()
    assert status["weight"] == 12.5 and status["generation"] > before
    change = status["last_change"]
    assert (change["actor"], change["reason"], change["from"], change["to"]) == ("ann", "first step", 0, 12.5)
    assert proxy.status()["weight"] == 12.5
    proxy.weight(13)
    assert proxy.status()["last_change"]["actor"] == "127.0.0.1"


@pytest.mark.parametrize("body, status", [
    ('{"weight": -1}', 400), ('{"weight": 101}', 400), ('{"weight": 100.01}', 400),
    ('{"weight": 10.555}', 400), ('{"weight": "30"}', 400), ('{"weight": NaN}', 400),
    ('{"weight": null}', 400), ('{"weight": true}', 400), ('{"weight": [30]}', 400),
    ('{"weight": 1e999}', 400), ('{"weight": 1e400, "reason": "x"}', 400), ('{"weight": -0.01}', 400),
    ('{"weight": 30, "extra": 1}', 400), ('{"weight": 30, "weight": 40}', 400), ('{"wieght": 30}', 400),
    ('{}', 400), ('', 400), ('[]', 400), ('30', 400), ('null', 400), ('not json', 400), ('{"weight": 30', 400),
    ('{"weight": 30} x', 400), ('{"weight": 30, "reason": 5}', 400), ('{"weight": 30, "route": 5}', 400),
    ('{"weight": 30, "reason": "a\\u0000b"}', 400), (b'\xff\xfe{"weight": 30}', 400),
    ('{"weight":' * 5000, 400), ('[' * 60000, 400), ('{"weight": 30, "reason": "' + "x" * 10000 + '"}', 400),
    ('{"weight": 30, "reason": "' + "x" * 10_000_000 + '"}', 413),
], ids=lambda x: repr(x)[:40])
def test_bad_bodies_change_nothing(proxy, body, status):
    proxy.weight(7)
    before = generation(proxy)
    try:
        answer = proxy.admin("PUT", "/v1/weight", body)
        assert answer.status == status, answer
        assert answer.json()["error"]["message"] and answer.code
    except (BrokenPipeError, ConnectionResetError):
        assert status == 413, "only what is too large may be cut off"
    assert proxy.status()["weight"] == 7 and generation(proxy) == before


def test_10_mb_are_refused_with_a_reason(proxy):
    with socket.create_connection(("127.0.0.1", proxy.admin_port), 10) as sock:
        sock.sendall(b"PUT /v1/weight HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                     b"Content-Length: 10000000\r\n\r\n")
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ") and b"too_large" in answer


def test_every_weight_with_two_decimals_can_be_set(proxy):
    for weight in (0.01, 0.07, 0.29, 1.1, 4.35, 33.33, 57.99, 81.54, 81.9, 99.99, 30.0, 100):
        assert proxy.weight(weight).json()["weight"] == weight


def test_weight_out_of_range_is_named(proxy):
    assert proxy.admin("PUT", "/v1/weight", {"weight": 101}).code == "weight_out_of_range"
    assert proxy.admin("PUT", "/v1/weight", {"wieght": 30}).code in ("unknown_field", "missing_field")


def test_if_match(proxy):
    now = generation(proxy)
    stale = proxy.admin("PUT", "/v1/weight", {"weight": 5}, {"If-Match": str(now - 1 if now else 99)})
    assert (stale.status, stale.code) == (412, "generation_stale")
    good = proxy.admin("PUT", "/v1/weight", {"weight": 5}, {"If-Match": str(now)})
    assert good.status == 200
    again = proxy.admin("PUT", "/v1/weight", {"weight": 6}, {"If-Match": f'"{now}"'})
    assert again.status == 412
    assert proxy.status()["weight"] == 5


def test_of_two_that_race_one_wins(proxy):
    now, answers = generation(proxy), []

    def change(weight):
        answers.append(proxy.admin("PUT", "/v1/weight", {"weight": weight}, {"If-Match": str(now)}).status)

    threads = [threading.Thread(target=change, args=(w,)) for w in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [412] * 7


def test_dry_run(proxy):
    before = generation(proxy)
    answer = proxy.admin("PUT", "/v1/weight?dry_run=1", {"weight": 30})
    assert answer.status == 200 and "30" in answer.text
    assert proxy.status()["weight"] == 0 and generation(proxy) == before
    assert proxy.admin("PUT", "/v1/weight?dryrun=1", {"weight": 30}).status == 400
    assert proxy.admin("PUT", "/v1/weight?dry_run=maybe", {"weight": 30}).status == 400
    assert proxy.admin("PUT", "/v1/weight?dry_run=1", {"weight": 130}).status == 400
    assert proxy.status()["weight"] == 0


def test_rollback(start, old, new):
    proxy = start(Proxy, old, new, {"initial_weight": 70, "routes": [
        {"name": "hooks", "path": "/hooks/", "pin": "new"},
        {"name": "products", "path": "/products", "weight": 30}]})
    assert proxy.get("/products").status == 200
    answer = proxy.admin("POST", "/v1/rollback", {"reason": "errors"}, {"X-Actor": "bob"})
    assert answer.status == 200 and "hooks" in answer.text, "pins stay, and are named"
    status = proxy.status()
    assert status["weight"] == 0
    assert {r["name"]: r.get("weight", r.get("pin")) for r in status["routes"]} == {
        "hooks": "new", "products": 0}
    assert status["last_change"]["actor"] == "bob"
    assert {proxy.get("/").side for _ in range(10)} == {"old"}
    assert {proxy.get("/products").side for _ in range(10)} == {"old"}
    proxy.weight(40)
    assert proxy.admin("POST", "/v1/rollback", {"to": 10}).status == 200
    assert proxy.status()["weight"] == 10
    for bad in ({"to": -1}, {"to": "x"}, {"force": 1}, {"other": 1}):
        assert proxy.admin("POST", "/v1/rollback", bad).status == 400
    assert proxy.admin("POST", "/v1/rollback").status == 200, "no body is needed"
    assert proxy.status()["weight"] == 0


@pytest.mark.parametrize("body", [{"admin": "off"}, {"admin": 1}, {}, {"admin": "ready", "x": 1}])
def test_bad_backend_changes(proxy, body):
    assert proxy.admin("PATCH", "/v1/backends/new", body).status == 400
    assert proxy.status()["backends"]["new"]["admin"] == "ready"


def test_paths_and_methods_that_are_not_there(proxy):
    for method, path, status in [("GET", "/v1/nothing", 404), ("PATCH", "/v1/backends/middle", 404),
                                 ("GET", "/v1/weight", 405), ("POST", "/v1/weight", 405),
                                 ("DELETE", "/v1/status", 405), ("GET", "/v1/rollback", 405),
                                 ("PUT", "/metrics", 405)]:
        answer = proxy.admin(method, path, {} if method in ("POST", "PUT", "PATCH") else None)
        assert answer.status == status, (method, path, answer)
        assert answer.code
    assert proxy.status()["weight"] == 0


def test_what_comes_later_says_so(proxy):
    for method, path in [("POST", "/v1/plan/start"), ("POST", "/v1/sockets/move"), ("POST", "/v1/freeze"),
                         ("GET", "/v1/compare")]:
        answer = proxy.admin(method, path, {} if method == "POST" else None)
        assert (answer.status, answer.code) == (501, "not_in_this_version")


def test_events(proxy):
    for weight in (10, 20, 30):
        proxy.admin("PUT", "/v1/weight", {"weight": weight, "reason": f"step {weight}"}, {"X-Actor": "ann"})
    proxy.admin("PUT", "/v1/weight", {"weight": 40}, {"If-Match": "0"})
    events = proxy.admin("GET", "/v1/events").json()["events"]
    changes = [e for e in events if e["what"] == "weight"]
    assert [str(e["to"]) for e in changes[:3]] == ["10", "20", "30"]
    assert [str(e["from"]) for e in changes[:3]] == ["0", "10", "20"]
    assert all(e["actor"] == "ann" and e["at"] and e["reason"].startswith("step") for e in changes[:3])
    assert changes[3]["result"] == "generation_stale", "refused attempts are on record"
    last = proxy.admin("GET", "/v1/events?limit=1").json()["events"]
    assert len(last) == 1


def test_events_can_be_followed(proxy):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.admin_port, timeout=10)
    connection.request("GET", "/v1/events?follow=1")
    response = connection.getresponse()
    assert response.status == 200
    assert response.getheader("Content-Type").startswith("text/event-stream")
    proxy.weight(33, reason="watch this")
    deadline = time.monotonic() + 5
    while True:
        line = response.readline().decode()
        assert time.monotonic() < deadline
        if line.startswith("data:") and "watch this" in line:
            assert json.loads(line[5:])["what"] == "weight"
            break
    response.close()
    connection.close()


def test_explain(start, old, new):
    proxy = start(Proxy, old, new, {"initial_weight": 30, "routes": [
        {"name": "hooks", "path": "/hooks/", "pin": "old"}]})

    def explain(**request):
        answer = proxy.admin("POST", "/v1/explain", request)
        assert answer.status == 200, answer
        return answer.json()

    by_cookie = explain(method="GET", path="/", headers={"Cookie": "cutover=0427"})
    assert (by_cookie["side"], by_cookie["reason"], by_cookie["bucket"]) == ("new", "cookie", 427)
    by_pin = explain(method="GET", path="/hooks/x")
    assert (by_pin["side"], by_pin["reason"], by_pin["route"]) == ("old", "pin", "hooks")
    by_hand = explain(method="GET", path="/", headers={"X-Cutover-Backend": "new"})
    assert (by_hand["side"], by_hand["reason"]) == ("new", "override")
    assert explain(method="GET", path="/")["reason"] == "draw"
    assert proxy.metric("cutover_requests_total") == 0, "no traffic"
    for bad in ({}, {"method": "GET"}, {"method": "GET", "path": "x"}, {"method": "GET", "path": "/", "z": 1},
                {"method": "GET", "path": "/", "headers": {"A\r\nB": "x"}},
                {"method": "GET", "path": "/", "headers": {"A": "x\r\nB: y"}},
                {"method": "GET /x", "path": "/"}, {"method": "GET", "path": "/", "address": "nowhere"}):
        assert proxy.admin("POST", "/v1/explain", bad).status == 400, bad


def test_metrics(proxy):
    for _ in range(7):
        proxy.get("/")
    proxy.get("/status/404")
    proxy.weight(12.5)
    assert proxy.metric("cutover_requests_total", backend="old", code="2xx") == 7
    assert proxy.metric("cutover_requests_total", backend="old", code="4xx") == 1
    assert proxy.metric("cutover_requests_total", reason="draw", route="main") == 8
    assert proxy.metric("cutover_attempts_total", backend="old", outcome="ok") == 8
    assert proxy.metric("cutover_request_duration_seconds_count", backend="old") == 8
    assert proxy.metric("cutover_first_byte_seconds_count", backend="old") == 8
    assert proxy.metric("cutover_weight_percent", route="main") == 12.5
    assert proxy.metric("cutover_backend_up", backend="new") == 1
    assert proxy.metric("cutover_server_up", backend="old") == 1
    assert proxy.metric("cutover_config_generation") == generation(proxy)
    assert proxy.metric("cutover_build_info") == 1
    text = proxy.admin("GET", "/metrics").text
    for name in ("cutover_connections", "cutover_tunnels", "cutover_failovers_total", "cutover_retries_total"):
        assert f"# TYPE {name} " in text, name
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))
    for line in text.splitlines():
        assert line.startswith("#") or len(line.rsplit(" ", 1)) == 2


def test_metrics_under_promtool_rules(proxy):
    """Histograms are cumulative and end in +Inf = _count."""
    for _ in range(5):
        proxy.get("/")
    buckets = [(series, value) for series, value in proxy.metrics().items()
               if series.startswith("cutover_request_duration_seconds_bucket") and 'backend="old"' in series]
    values = [value for _, value in buckets]
    assert values == sorted(values) and 'le="+Inf"' in buckets[-1][0]
    assert values[-1] == proxy.metric("cutover_request_duration_seconds_count", backend="old")


# --- who may

def with_token(start, old, new, tmp_path):
    token = tmp_path / "token"
    token.write_text("a-long-enough-token-for-tests-0123456789\n")
    token.chmod(0o600)
    return start(Proxy, old, new, {"admin": {"token_file": str(token)}}), token


def test_the_token(start, old, new, tmp_path):
    proxy, token = with_token(start, old, new, tmp_path)
    right = {"Authorization": f"Bearer {token.read_text().strip()}"}

    for headers in ({"Authorization": None}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "},
                    {"Authorization": "Basic " + token.read_text().strip()},
                    {"Authorization": right["Authorization"] + "x"},
                    {"Authorization": right["Authorization"][:-1]}):
        for method, path in (("GET", "/v1/status"), ("PUT", "/v1/weight"), ("GET", "/metrics")):
            answer = proxy.admin(method, path, {"weight": 5} if method == "PUT" else None, headers)
            assert (answer.status, answer.code) == (401, "unauthorized"), (headers, path)
    nobody = {"Authorization": None}
    assert proxy.admin("GET", "/healthz", headers=nobody).status == 200
    assert proxy.admin("GET", "/readyz", headers=nobody).status == 200
    assert proxy.status()["weight"] == 0
    assert proxy.admin("PUT", "/v1/weight", {"weight": 5}, right).json()["weight"] == 5
    assert proxy.admin("GET", "/metrics", headers=right).status == 200
    assert token.read_text().strip() not in "\n".join(proxy.process.lines())
    admin = f"http://127.0.0.1:{proxy.admin_port}"
    assert cli("status", "--admin", admin).returncode == 1
    assert cli("status", "--admin", admin, "--token-file", str(token)).returncode == 0
    assert cli("status", env={"CUTOVER_ADMIN": admin, "CUTOVER_TOKEN": token.read_text().strip()}).returncode == 0


@pytest.mark.parametrize("headers", [
    {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"},
    {"Host": "evil.example:9901"},
    {"Origin": "http://evil.example", "Content-Type": "text/plain"}])
@pytest.mark.parametrize("method, path", [("PUT", "/v1/weight"), ("POST", "/v1/rollback")])
def test_a_browser_cannot_be_used_against_its_owner(proxy, headers, method, path):
    proxy.weight(50)
    answer = proxy.admin(method, path, {"weight": 5} if method == "PUT" else {}, headers)
    assert (answer.status, answer.code) == (403, "forbidden")
    assert proxy.status()["weight"] == 50


def test_the_admin_api_is_not_on_the_public_port(proxy, old):
    assert proxy.get("/v1/status", {"Host": f"127.0.0.1:{proxy.admin_port}"}).body == b"hello from old\n"


def test_slow_admin_clients_do_not_starve_others(proxy):
    socks = [socket.create_connection(("127.0.0.1", proxy.admin_port), 5) for _ in range(50)]
    for sock in socks:
        sock.sendall(b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    assert proxy.status()["weight"] == 0
    assert proxy.get("/").status == 200
    for sock in socks:
        sock.close()


# --- the command line

def test_the_verbs(proxy):
    admin = f"http://127.0.0.1:{proxy.admin_port}"

    def verb(*args):
        return cli(*args, "--admin", admin)

    assert verb("weight", "30", "--reason", "by hand").returncode == 0
    assert proxy.status()["weight"] == 30 and proxy.status()["last_change"]["reason"] == "by hand"
    assert verb("weight", "0.25").returncode == 0
    assert proxy.status()["weight"] == 0.25
    text = verb("status")
    assert text.returncode == 0 and "0.25" in text.stdout and "railway" in text.stdout
    as_json = verb("status", "--json")
    assert as_json.returncode == 0 and json.loads(as_json.stdout)["weight"] == 0.25
    assert verb("rollback", "--reason", "enough").returncode == 0
    assert proxy.status()["weight"] == 0
    events = verb("events")
    assert events.returncode == 0 and "by hand" in events.stdout and "enough" in events.stdout
    assert json.loads(verb("events", "--json").stdout)


def test_exit_codes_of_the_verbs(proxy):
    admin = f"http://127.0.0.1:{proxy.admin_port}"
    for args in (("weight",), ("weight", "101"), ("weight", "ten"), ("weight", "-1"), ("nonsense",), (),
                 ("status", "--nonsense"), ("run",), ("check",), ("weight", "10", "20")):
        result = cli(*args) if not args or args[0] in ("run", "check") else cli(*args, "--admin", admin)
        assert result.returncode == 2, (args, result)
        assert result.stderr
    nobody = f"http://127.0.0.1:{free_port()}"
    for args in (("status",), ("weight", "10"), ("rollback",), ("events",)):
        result = cli(*args, "--admin", nobody)
        assert result.returncode == 1 and result.stderr, args
    assert proxy.status()["weight"] == 0


def test_explain_by_hand(proxy):
    result = cli("explain", "--admin", f"http://127.0.0.1:{proxy.admin_port}", "GET", "/")
    assert result.returncode in (0, 2)
    if result.returncode == 0:
        assert "draw" in result.stdout


def test_version_and_help():
    version = cli("version")
    assert version.returncode == 0 and version.stdout.strip()
    helped = cli("--help")
    assert helped.returncode == 0 and "weight" in helped.stdout


def test_healthcheck_is_silent(proxy):
    env = {"CUTOVER_ADMIN": f"http://127.0.0.1:{proxy.admin_port}"}
    result = cli("healthcheck", env=env)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert cli("healthcheck", env={"CUTOVER_ADMIN": f"http://127.0.0.1:{free_port()}"}).returncode == 1
