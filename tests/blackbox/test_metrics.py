"""What Prometheus is given: the exposition, the alert rules, the dashboard, and the page about them."""

import json
import re
import shutil
import subprocess
import time

import pytest
import yaml

from certs import Authority
from cutover import ROOT, Proxy, cli, free_port
from wire import eventually

CONF = ROOT / "conf"
DASHBOARD, ALERTS = CONF / "grafana-dashboard.json", CONF / "prometheus-alerts.yaml"
PLAN = {"plan": {"steps": [{"weight": 10, "hold": "1h"}, {"weight": 100, "hold": "1h"}]}}
ROUTES = {"routes": [{"name": "products", "path": "/api/products", "weight": 30,
                      "plan": {"steps": [{"weight": 40, "hold": "1h"}]}},
                     {"name": "hooks", "path": "/webhooks/", "pin": "old"},
                     {"name": "plain", "path": "/plain/"}]}


def promtool(*args, stdin=None, cwd=CONF):
    return subprocess.run([shutil.which("promtool") or "/usr/bin/promtool", *args], input=stdin, text=True,
                          capture_output=True, timeout=120, check=False, cwd=cwd)


def exposition(proxy):
    """The text of /metrics, once it has been found to be what Prometheus takes without a word."""
    answer = proxy.admin("GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    said = promtool("check", "metrics", stdin=answer.text)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    # What promtool does not look at, and a scrape stumbles over.
    series = [line.rsplit(" ", 1)[0] for line in answer.text.splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series)), [one for one in series if series.count(one) > 1]
    empty = [one for one in series if re.search(r'="",?', one)]
    assert not empty
    return answer.text


def families(text):
    return set(re.findall(r"(?m)^# TYPE (\S+) ", text))


def states(proxy, route="main"):
    """The states that the plan is in: one."""
    return [re.search('state="([a-z_]+)"', series).group(1) for series, value in proxy.metrics().items()
            if series.startswith("cutover_plan_state{") and f'route="{route}"' in series and value == 1]


@pytest.fixture
def secured(start, old, new, tmp_path):
    """Everything that has metrics of its own: plans, routes, TLS, two certificates for one name."""
    authority = Authority(tmp_path / "authority")
    tls = [dict(zip(("certificate", "key"), authority.issue(["a.example"], key=key, days=days)))
           for key, days in (("ec", 30), ("rsa", 10))]
    plain, port = free_port(), free_port()
    proxy = start(Proxy, old, new, {**PLAN, **ROUTES, "listen": [
        {"address": f"127.0.0.1:{plain}"}, {"address": f"127.0.0.1:{port}", "tls": tls}]})
    proxy.port = plain
    return proxy


# --- the exposition


def test_promtool_accepts_a_proxy_without_a_plan(proxy, new):
    exposition(proxy)
    proxy.weight(50)
    for path in ("/", "/status/404", "/status/500", "/echo"):
        for _ in range(10):
            proxy.get(path)
    proxy.raw(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    new.kill()
    for _ in range(20):
        proxy.get("/")
    exposition(proxy)
    assert proxy.metric("cutover_plan_steps") == 0
    assert states(proxy) == ["idle"]
    new.start()
    proxy.wait_health("new", "up")


def test_promtool_accepts_a_proxy_in_every_state_of_a_plan(secured):
    def order(verb, **body):
        answer = secured.admin("POST", f"/v1/plan/{verb}", body)
        assert answer.status == 200, answer
        for _ in range(5):
            secured.get("/")
            secured.get("/api/products")
        text = exposition(secured)
        assert len(states(secured)) == len(states(secured, "products")) == 1
        return text

    exposition(secured)
    assert states(secured) == ["idle"]
    assert secured.metric("cutover_plan_steps", route="main") == 2
    assert secured.metric("cutover_plan_steps", route="products") == 1
    for verb, state, step in (("start", "holding", 1), ("pause", "paused", 1), ("resume", "holding", 1),
                              ("advance", "soaking", 2)):
        order(verb)
        assert (states(secured), secured.metric("cutover_plan_step", route="main")) == ([state], step)
        assert secured.metric("cutover_weight_percent", route="main") == (10 if step == 1 else 100)
        assert 3590 < secured.metric("cutover_plan_hold_left_seconds", route="main") <= 3600
    order("start", route="products")
    assert states(secured, "products") == ["holding"]
    assert secured.metric("cutover_weight_percent", route="products") == 40
    assert secured.admin("POST", "/v1/rollback", {"reason": "a test"}).status == 200
    exposition(secured)
    assert states(secured) == states(secured, "products") == ["rolled_back"]
    assert secured.metric("cutover_plan_hold_left_seconds") == 0
    order("start")
    order("abort")
    assert states(secured) == ["idle"]


def test_a_guard_that_fails_shows_until_an_operator_goes_on(start, old, new):
    proxy = start(Proxy, old, new, {"plan": {
        "steps": [{"weight": 50, "hold": "1h"}],
        "guard": {"window": "2s", "every": "1s", "min_requests": 10, "warm_up": 0, "strikes": 3}}})
    assert proxy.admin("POST", "/v1/plan/start", {}).status == 200
    seen = set()

    def has_failed():
        for user in range(0, 40):  # many of them: one user's errors would prove nothing
            proxy.get("/", {"Cookie": f"cutover={9000 + user}"})
            proxy.get("/status/500", {"Cookie": f"cutover={1000 + user}"})
        now = proxy.metrics()
        seen.add((now['cutover_guard_verdict{route="main"}'], now['cutover_guard_strikes{route="main"}']))
        return now['cutover_guard_failed{route="main"}'] == 1

    eventually(has_failed, 15.0, 0.1, "the guard has failed")
    assert (0, 0) in seen and any(verdict == -1 and 0 < strikes < 3 for verdict, strikes in seen)
    assert states(proxy) == ["rolled_back"]
    assert proxy.metric("cutover_weight_percent") == 0
    exposition(proxy)
    assert proxy.admin("POST", "/v1/plan/start", {}).status == 200
    assert proxy.metric("cutover_guard_failed") == proxy.metric("cutover_guard_strikes") == 0


def test_the_freeze_and_what_is_on_disk(secured):
    assert secured.metric("cutover_frozen") == 0
    assert secured.admin("POST", "/v1/freeze", {"on": True, "routes": ["products"]}).status == 200
    assert secured.metric("cutover_frozen") == 1
    assert secured.admin("POST", "/v1/freeze", {"on": False}).status == 200
    assert secured.metric("cutover_frozen") == 0
    assert secured.metric("cutover_writes_open") == 0
    assert secured.metric("cutover_state_durable") == secured.metric("cutover_audit_durable") == 1
    assert secured.metric("cutover_rollback_ready") == 1
    assert secured.metric("cutover_backend_admin", backend="new", state="ready") == 1
    assert secured.admin("PATCH", "/v1/backends/new", {"admin": "maint"}).status == 200
    assert secured.metric("cutover_backend_admin", backend="new", state="ready") == 0
    assert secured.metric("cutover_backend_admin", backend="new", state="maint") == 1


def test_two_certificates_for_one_name_are_one_series(secured):
    lines = [line for line in exposition(secured).splitlines()
             if line.startswith("cutover_certificate_expiry_seconds")]
    assert len(lines) == 1 and 'name="a.example"' in lines[0]
    assert float(lines[0].split()[1]) == pytest.approx(time.time() + 10 * 86400, abs=600)


def test_the_comparison_counts_each_sides_own_users(start, old, new):
    proxy = start(Proxy, old, new, ROUTES)
    proxy.weight(100)
    for path, times in (("/", 7), ("/status/503", 3), ("/status/404", 2), ("/plain/x", 4), ("/webhooks/x", 5),
                        ("/api/products", 6)):
        for _ in range(times):
            proxy.get(path, {"Cookie": "cutover=0001"})
    for _ in range(3):
        proxy.get("/", {"X-Cutover-Backend": "new"})

    def counted(what, **labels):
        return proxy.metric(f"cutover_compare_{what}_total", **labels)

    # Without pins and testers; what follows the main weight is main.
    assert counted("requests", backend="new", route="main") == 7 + 3 + 2 + 4
    assert counted("requests", backend="new", route="products") == 6
    assert counted("errors", backend="new", kind="5xx") == counted("errors") == 3
    assert counted("requests", backend="old") == 0
    # Of a plan that a reload takes away, what was counted stays; it is a counter.
    proxy.config["routes"][0].pop("plan")
    proxy.write_config()
    assert proxy.admin("POST", "/v1/reload", {}).status == 200
    assert counted("requests", backend="new", route="products") == 6
    assert counted("requests", backend="new", route="main") == 16
    exposition(proxy)


def test_errors_are_told_by_kind_before_failover_hides_them(start, old, new):
    proxy = start(Proxy, old, new, {"health": {"interval": "60s"}, "outlier": {"consecutive_errors": 1000}})
    proxy.weight(100)
    new.kill()
    for _ in range(10):
        assert proxy.get("/").side == "old"
    assert proxy.metric("cutover_compare_errors_total", backend="new", kind="connect") == 10
    assert proxy.metric("cutover_compare_errors_total", backend="old") == 0
    assert proxy.metric("cutover_failovers_total", **{"from": "new"}) == 10
    new.start()


def test_an_ejected_server_shows(start, old, new):
    proxy = start(Proxy, old, new, {"outlier": {"consecutive_errors": 3, "eject_for": "2s"},
                                    "health": {"interval": "60s"}})
    proxy.weight(100)
    assert proxy.metric("cutover_server_ejected", backend="new") == 0
    new.kill()
    for _ in range(5):
        proxy.get("/")
    assert proxy.metric("cutover_server_ejected", backend="new") == 1
    assert proxy.metric("cutover_server_ejected", backend="old") == 0
    new.start()
    eventually(lambda: proxy.metric("cutover_server_ejected", backend="new") == 0, 5.0)


def test_the_process(proxy):
    began = proxy.metric("process_start_time_seconds")
    assert abs(began + proxy.metric("cutover_uptime_seconds") - time.time()) < 2
    assert proxy.metric("process_start_time_seconds") == began
    assert 0 < proxy.metric("process_open_fds") < proxy.metric("process_max_fds")
    assert 0 < proxy.metric("process_resident_memory_bytes") < proxy.metric("process_virtual_memory_bytes")


# --- alert rules


def alerts():
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def test_promtool_accepts_the_rules_and_the_scrape_configuration():
    for what, file in (("rules", "prometheus-alerts.yaml"), ("config", "prometheus.yaml")):
        said = promtool("check", what, file)
        assert said.returncode == 0 and not said.stderr, said.stdout + said.stderr
        assert "SUCCESS" in said.stdout and "WARN" not in said.stdout and "lint" not in said.stdout


def test_each_alert_fires_when_it_should_and_not_otherwise():
    said = promtool("test", "rules", "prometheus-alerts.test.yaml")
    assert said.returncode == 0, said.stdout + said.stderr
    tested = (CONF / "prometheus-alerts.test.yaml").read_text()
    assert not [rule["alert"] for rule in alerts() if f'"{rule["alert"]}"' not in tested]


def test_each_alert_says_what_to_do():
    texts = cli("help").stdout
    verbs = set(re.findall(r"(?m)^  ([a-z]+) +\S", texts))
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names)) >= 20
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert 10 < len(rule["annotations"]["summary"]) < 100, rule["alert"]
        assert len(rule["annotations"]["description"]) > 80, rule["alert"]
        for verb in re.findall(r"\bcutover ([a-z]+)", rule["annotations"]["description"]):
            assert verb in verbs | {"on", "would"}, f"{rule['alert']}: cutover {verb}"


# --- the dashboard


@pytest.fixture(scope="module")
def dashboard():
    return json.loads(DASHBOARD.read_text())


def queries(dashboard):
    """Every expression, with Grafana's own variables filled in."""
    found = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]
    found += [(note["name"], note["expr"]) for note in dashboard["annotations"]["list"] if "expr" in note]
    filled = {"$__rate_interval": "5m", "$instance": ".*", "$route": ".*"}
    for title, expression in found:
        for name, value in filled.items():
            expression = expression.replace(name, value)
        assert "$" not in expression, f"{title}: {expression}"
        yield title, expression


def test_the_dashboard_is_one_that_grafana_can_import(dashboard):
    assert dashboard["id"] is None and dashboard["uid"] == "cutover" and dashboard["schemaVersion"] >= 36
    panels = dashboard["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    rows = [panel["title"] for panel in panels if panel["type"] == "row"]
    assert rows == ["Share", "Plan and guard", "Errors", "Latency", "Servers", "The proxy"]
    for panel in panels:
        if panel["type"] == "row":
            continue
        assert panel["title"] and panel["description"] and panel["targets"], panel["title"]
        assert panel["type"] in ("timeseries", "stat", "state-timeline"), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs))
    # No instance's own numbers: the data source is a variable everywhere.
    sources = re.findall(r'"uid": "([^"]*)"', DASHBOARD.read_text())
    assert set(sources) == {"cutover", "${datasource}", "-- Grafana --"}
    variables = {variable["name"]: variable["type"] for variable in dashboard["templating"]["list"]}
    assert variables == {"datasource": "datasource", "instance": "query", "route": "query"}


def test_no_panel_lies_on_another(dashboard):
    taken = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0 and place["w"] > 0 and place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]


def test_each_query_of_the_dashboard_parses(dashboard, tmp_path):
    rules = [{"record": f"query:{number}", "expr": expression}
             for number, (_, expression) in enumerate(queries(dashboard))]
    assert len(rules) > 40
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    said = promtool("check", "rules", "--no-lint-fatal", "queries.yaml", cwd=tmp_path)
    assert said.returncode == 0 and "FAILED" not in said.stdout + said.stderr, said.stdout + said.stderr


# --- they all speak of the same metrics

SUFFIX = re.compile(r"_(bucket|sum|count)$")


def named(text):
    words = set(re.findall(r"\b(?:cutover|process)_[a-z_]+\b(?!/)", text))
    return {SUFFIX.sub("", word) if SUFFIX.sub("", word).endswith("_seconds") else word for word in words}


def test_dashboard_rules_and_page_name_metrics_that_exist(secured, dashboard):
    there = families(exposition(secured))
    asked = named("\n".join(expression for _, expression in queries(dashboard)))
    assert asked <= there, asked - there
    for rule in alerts():
        assert named(rule["expr"]) <= there, f"{rule['alert']}: {named(rule['expr']) - there}"
    page = (ROOT / "docs" / "metrics.md").read_text()
    assert named(page) == there, named(page) ^ there
    # What nobody can see is not worth counting; these are for queries of one's own.
    unseen = {"cutover_config_generation", "cutover_draining", "cutover_client_connections_total",
              "process_virtual_memory_bytes", "process_start_time_seconds"}
    assert there - asked == unseen
