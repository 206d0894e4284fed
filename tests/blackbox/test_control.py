"""The admin API and the verbs that speak it."""

import http.client
import json
import socket
import threading
import time

import pytest

from api_schemas import STATUS, fits
from cutover import Proxy, cli, free_port
from wire import eventually


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
    answer = proxy.admin("POST", "/v1/sockets/move", {})
    assert (answer.status, answer.code) == (501, "not_in_this_version")


# --- plans and the freeze, as the API has them; what they do is in tests of their own

STEPS = [{"weight": 10, "hold": "1h"}, {"weight": 50, "hold": "2h"}, {"weight": 100, "hold": "1h"}]
PRODUCTS = {"name": "products", "path": "/products", "weight": 5,
            "plan": {"steps": [{"weight": 20, "hold": "30m"}]}}


@pytest.fixture
def planned(start, old, new):
    return start(Proxy, old, new, {"plan": {"steps": STEPS}, "routes": [
        PRODUCTS, {"name": "hooks", "path": "/hooks/", "pin": "old"}, {"name": "rest", "path": "/rest/"}]})


def plan(proxy, verb, **body):
    return proxy.admin("POST", f"/v1/plan/{verb}", body)


def test_the_status_is_as_the_contract_says(planned):
    status = fits(planned.status(), STATUS)
    assert {r["name"]: "plan" in r for r in status["routes"]} == {"products": True, "hooks": False, "rest": False}
    assert status["freeze"] == {"on": False} and status["audit_durable"]
    plan(planned, "start")
    plan(planned, "start", route="products")
    assert planned.admin("POST", "/v1/freeze", {"on": True}).status == 200
    fits(planned.status(), STATUS)


def test_the_status_without_a_plan(proxy):
    found = fits(proxy.status(), STATUS)["plan"]
    assert (found["state"], found["step"], found["steps"], found["step_list"]) == ("idle", 0, 0, [])
    assert found["hold_left_s"] is None and found["verdict"] is None and found["next_weight"] is None
    assert (found["advance"], found["on_fail"], found["strikes_max"]) == ("manual", "rollback", 3)


def test_a_plan_is_walked(planned):
    at = planned.status()["plan"]
    assert (at["state"], at["step"], at["steps"], at["weight"], at["next_weight"]) == ("idle", 0, 3, None, 10)
    assert [s["weight"] for s in at["step_list"]] == [10, 50, 100] and at["step_list"][1]["hold_s"] == 7200
    status = plan(planned, "start", step=0, reason="go").json()
    at = status["plan"]
    assert (at["state"], at["step"], at["weight"], at["next_weight"], status["weight"]) == ("holding", 1, 10, 50, 10)
    assert at["hold_s"] == 3600 and 3590 <= at["hold_left_s"] <= 3600 and at["held_s"] <= 10
    assert plan(planned, "pause", step=1).json()["plan"]["state"] == "paused"
    assert plan(planned, "resume").json()["plan"]["state"] == "holding"
    assert plan(planned, "advance", step=1).json()["plan"]["step"] == 2
    last = plan(planned, "advance", step=2).json()
    assert (last["weight"], last["plan"]["state"], last["plan"]["next_weight"]) == (100, "soaking", None)
    done = plan(planned, "finish").json()["plan"]
    assert (done["state"], done["hold_left_s"], done["next_weight"]) == ("finished", None, None)
    whats = [(e["subject"], e["to"]) for e in proxy_events(planned) if e["what"] == "plan"]
    assert whats == [("main", "holding 1"), ("main", "paused 1"), ("main", "holding 1"), ("main", "holding 2"),
                     ("main", "soaking 3"), ("main", "finished")]


def proxy_events(proxy):
    return proxy.admin("GET", "/v1/events?limit=1000").json()["events"]


def test_a_route_has_a_plan_of_its_own(planned):
    status = plan(planned, "start", route="products").json()
    [products] = [r for r in status["routes"] if r["name"] == "products"]
    assert (products["weight"], products["plan"]["state"], products["plan"]["step"]) == (20, "holding", 1)
    assert status["weight"] == 0 and status["plan"]["state"] == "idle"
    for route, code in (("hooks", "no_plan"), ("rest", "no_plan"), ("nowhere", "unknown_route")):
        assert plan(planned, "start", route=route).code == code


def test_orders_that_do_not_fit_are_refused_with_the_reason(planned, old):
    assert (plan(planned, "start", step=1).status, plan(planned, "start", step=1).code) == (409, "plan_elsewhere")
    for verb in ("pause", "resume", "advance", "abort", "finish"):
        answer = plan(planned, verb)
        assert (answer.status, answer.code) == (409, "plan_refused"), verb
        assert len(answer.json()["error"]["message"]) > 20
    plan(planned, "start")
    assert plan(planned, "advance", step=0).code == "plan_elsewhere"
    assert plan(planned, "start").code == "plan_refused"
    refused = [e["result"] for e in proxy_events(planned) if e["what"] == "plan" and e["result"] != "ok"]
    assert refused.count("plan_elsewhere") == 2 and refused.count("plan_refused") == 6
    assert planned.status()["plan"]["step"] == 1


def test_without_a_plan_it_says_where_to_write_one(proxy):
    answer = plan(proxy, "start")
    assert (answer.status, answer.code) == (409, "no_plan") and "configuration" in answer.text


@pytest.mark.parametrize("body", [
    {"step": -1}, {"step": 1.5}, {"step": "1"}, {"step": 1000}, {"step": True}, {"route": 5}, {"force": 1},
    {"force": "yes"}, {"reason": 5}, {"steps": 1}, {"weight": 10}, "[]", "{", '{"step":0,"step":1}'])
def test_bad_bodies_move_no_plan(planned, body):
    before = generation(planned)
    answer = planned.admin("POST", "/v1/plan/start", body)
    assert answer.status == 400 and answer.code and generation(planned) == before
    assert planned.status()["plan"]["state"] == "idle"


def test_a_plan_knows_no_parameters_and_no_other_verbs(planned):
    assert planned.admin("POST", "/v1/plan/start?step=1", {}).status == 400
    assert planned.admin("POST", "/v1/plan/begin", {}).status == 404
    assert planned.admin("GET", "/v1/plan/start").status == 405
    assert planned.status()["plan"]["state"] == "idle"


def test_a_plan_under_if_match(planned):
    now = generation(planned)
    answer = planned.admin("POST", "/v1/plan/start", {}, {"If-Match": str(now + 5)})
    assert (answer.status, answer.code) == (412, "generation_stale")
    assert planned.admin("POST", "/v1/plan/start", {}, {"If-Match": str(now)}).status == 200


def test_warnings_say_what_waits_for_somebody(planned):
    assert planned.status()["warnings"] == []
    plan(planned, "start")
    assert planned.status()["warnings"] == []
    planned.weight(30)
    [warning] = planned.status()["warnings"]
    assert "paused in step 1" in warning and "30 %" in warning and "10 %" in warning and "resume" in warning
    plan(planned, "resume")
    plan(planned, "pause")
    assert planned.status()["warnings"] == [], "paused on purpose"
    planned.admin("POST", "/v1/freeze", {"on": True, "routes": ["main", "products"]})
    [warning] = planned.status()["warnings"]
    assert warning.startswith("writes are frozen on main, products since 20")


def test_a_hold_that_is_over_is_a_warning(start, old, new):
    proxy = start(Proxy, old, new, {"plan": {"steps": [{"weight": 10, "hold": "1s"}, {"weight": 20, "hold": "1s"}]}})
    plan(proxy, "start")
    wait_for(proxy, "waiting")
    assert proxy.status()["warnings"] == [
        "the plan waits for you: the hold of step 1 is over: advance goes on to 20 %"]
    assert proxy.status()["plan"]["hold_left_s"] == 0
    plan(proxy, "advance")
    wait_for(proxy, "waiting")
    assert proxy.status()["warnings"] == ["the plan waits for you: the hold of its last step is over: finish"]
    plan(proxy, "finish")
    assert proxy.status()["warnings"] == []


def wait_for(proxy, state):
    eventually(lambda: proxy.status()["plan"]["state"] == state, 5, what=f"the plan is {state}")


def test_the_freeze(planned):
    status = planned.admin("POST", "/v1/freeze", {"on": True, "reason": "copying"}, {"X-Actor": "ann"}).json()
    freeze = status["freeze"]
    assert (freeze["on"], freeze["routes"], freeze["retry_after_s"], freeze["writes_open"]) == (True, [], 30, 0)
    assert planned.request("POST", "/echo", body=b"x").outcome == "frozen"
    [event] = [e for e in proxy_events(planned) if e["what"] == "freeze"]
    assert (event["actor"], event["from"], event["to"], event["reason"]) == ("ann", "off", "on", "copying")
    since = freeze["since"]
    again = planned.admin("POST", "/v1/freeze", {"on": True, "routes": ["products"], "retry_after_s": 7}).json()
    assert again["freeze"]["routes"] == ["products"] and again["freeze"]["retry_after_s"] == 7
    assert again["freeze"]["since"] == since
    planned.kill()
    planned.restart()
    assert planned.status()["freeze"] == again["freeze"], "kept over restarts"
    assert planned.admin("POST", "/v1/freeze", {"on": False}).json()["freeze"] == {"on": False}


@pytest.mark.parametrize("body, code", [
    ({}, "missing_field"), ({"on": 1}, "bad_value"), ({"on": "true"}, "bad_value"),
    ({"on": True, "retry_after_s": 0}, "bad_value"), ({"on": True, "retry_after_s": 3601}, "bad_value"),
    ({"on": True, "retry_after_s": 1.5}, "bad_value"), ({"on": True, "retry_after_s": "30"}, "bad_value"),
    ({"on": True, "routes": "products"}, "bad_value"), ({"on": True, "routes": [5]}, "bad_value"),
    ({"on": True, "routes": ["products"] * 65}, "bad_value"), ({"on": True, "route": "products"}, "unknown_field"),
    ({"on": True, "routes": ["nowhere"]}, "unknown_route"), ('{"on": true', "bad_json")])
def test_bad_freezes_freeze_nothing(planned, body, code):
    answer = planned.admin("POST", "/v1/freeze", body)
    assert answer.status in (400, 404) and answer.code == code, answer
    assert planned.status()["freeze"] == {"on": False}
    assert planned.request("POST", "/echo", body=b"x").outcome != "frozen"


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


def test_who_is_not_let_in_is_on_record(start, old, new, tmp_path):
    proxy, _ = with_token(start, old, new, tmp_path)
    for _ in range(3):
        proxy.admin("POST", "/v1/rollback", {}, {"Authorization": "Bearer wrong", "X-Actor": "the boss"})
    proxy.admin("POST", "/v1/rollback", {}, {"Origin": "http://evil.example"})
    proxy.admin("GET", "/v1/status", headers={"Authorization": None})
    seen = [(e["actor"], e["subject"], e["result"]) for e in proxy_events(proxy) if e["what"] == "refused"]
    assert seen == [("127.0.0.1", "POST /v1/rollback", "unauthorized"), ("127.0.0.1", "POST /v1/rollback", "forbidden")]
    assert proxy.status()["last_change"] is None


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
