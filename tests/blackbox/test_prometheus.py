"""A real Prometheus with the sample configuration and the alert rules, for as long as
CUTOVER_PROMETHEUS_SECONDS says (20 by default)."""

import json
import os
import shutil
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml

from cutover import ROOT, Process, Proxy, Server, free_port, wait_for_port
from wire import eventually

CONF = ROOT / "conf"
SECONDS = int(os.environ.get("CUTOVER_PROMETHEUS_SECONDS", "20"))
TOKEN = "a-long-enough-token-for-tests-0123456789"


class Prometheus(Server):
    """On loopback, with conf/prometheus.yaml: asked each second, and for this proxy."""

    def __init__(self, folder, proxy, token_file):
        self.port = free_port()
        shutil.copy(CONF / "prometheus-alerts.yaml", folder)
        config = yaml.safe_load((CONF / "prometheus.yaml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        [job] = config["scrape_configs"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{proxy.admin_port}"]}]
        job["authorization"] = {"type": "Bearer", "credentials_file": str(token_file)}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.process = Process([shutil.which("prometheus") or "/usr/bin/prometheus",
                                f"--config.file={folder}/prometheus.yml",
                                f"--storage.tsdb.path={folder}/data",
                                f"--web.listen-address={self.authority}", "--log.format=json"])
        wait_for_port(self, self.process)
        eventually(self.is_ready, 20.0, 0.1, "Prometheus is ready")

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=10) as answer:
                return answer.status == 200
        except urllib.error.HTTPError:  # 503 while it starts
            return False

    def stop(self):
        return self.process.end()

    def api(self, path, **query):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = json.loads(answer.read())
        assert found["status"] == "success" and not found.get("warnings"), found
        return found["data"]

    def value(self, query):
        """Of the one series that the query gives."""
        [series] = self.api("query", query=query)["result"]
        return float(series["value"][1])

    def complaints(self):
        lines = [json.loads(line) for line in self.process.err if line.startswith("{")]
        return [line for line in lines if line["level"] in ("warn", "error")]


@pytest.fixture
def proxy(start, old, new, tmp_path):
    """One whose plan can be started."""
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    return start(Proxy, old, new, {
        "admin": {"token_file": str(token)}, "log": {"access": "errors"},
        "plan": {"steps": [{"weight": 50, "hold": "1h"}, {"weight": 100, "hold": "1h"}]}})


@pytest.fixture
def watch(proxy, tmp_path):
    """watch(token): a Prometheus for the proxy. Stopped before the proxy's descriptors are counted."""
    made = []

    def make(token):
        (tmp_path / "credentials").write_text(token + "\n")
        made.append(Prometheus(tmp_path, proxy, tmp_path / "credentials"))
        return made[-1]

    yield make
    for prometheus in made:
        prometheus.stop()


def send(proxy, stop, sent):
    """About a hundred requests a second: three of four on new, one of ten an error of new's."""
    with proxy.connect() as wire:
        while not stop.is_set():
            for n in range(20):
                new = n % 4 != 0
                path = "/status/500" if n in (3, 13) else "/"
                answer = wire.request("GET", path, {"Cookie": f"cutover={'0001' if new else '9999'}"})
                assert answer.side == ("new" if new else "old")
                sent["new" if new else "old"] += 1
                sent["errors"] += path != "/"
            stop.wait(0.2)


def test_a_real_prometheus_has_nothing_to_complain_of(proxy, watch):
    prometheus = watch(TOKEN)
    assert proxy.admin("POST", "/v1/plan/start", {}).status == 200
    stop, sent = threading.Event(), {"old": 0, "new": 0, "errors": 0}
    thread = threading.Thread(target=send, args=(proxy, stop, sent))
    eventually(lambda: prometheus.api("query", query="up == 1")["result"], 15.0, 0.2)
    thread.start()
    time.sleep(SECONDS)
    stop.set()
    thread.join(10)
    time.sleep(2.5)  # two more looks

    # Up, all the time, and every sample taken.
    [target] = prometheus.api("targets")["activeTargets"]
    assert target["health"] == "up" and target["lastError"] == ""
    span = f"[{SECONDS}s]"
    assert prometheus.value(f"min_over_time(up{span})") == 1
    assert prometheus.value(f"count_over_time(up{span})") >= SECONDS - 2
    there = sum(not line.startswith("#") for line in proxy.admin("GET", "/metrics").text.splitlines())
    assert prometheus.value("scrape_samples_scraped") == prometheus.value(
        "scrape_samples_post_metric_relabeling") == there
    assert prometheus.value(f"max_over_time(scrape_duration_seconds{span})") < 0.5

    # What it has is what was sent.
    for side in ("old", "new"):
        for name in ("cutover_requests_total", "cutover_compare_requests_total"):
            assert prometheus.value(f'sum({name}{{backend="{side}"}})') == sent[side], (side, name)
    assert prometheus.value('sum(cutover_compare_errors_total{backend="new"})') == sent["errors"] > 10
    assert prometheus.value('cutover_requests_total{backend="new",code="5xx"}') == sent["errors"]
    grown = prometheus.value(f'sum(increase(cutover_compare_requests_total[{SECONDS + 30}s]))')
    assert grown == pytest.approx(sent["old"] + sent["new"], rel=0.1)
    share = prometheus.value(
        f'sum(increase(cutover_compare_requests_total{{backend="new"}}{span}))'
        f' / sum(increase(cutover_compare_requests_total{span}))')
    assert share == pytest.approx(0.75, abs=0.02)
    assert 0 < prometheus.value(
        'histogram_quantile(0.95, sum by (le) (cutover_first_byte_seconds_bucket))') < 0.5
    assert prometheus.value('cutover_plan_state{state="holding"}') == 1
    assert prometheus.value('cutover_weight_percent{route="main"}') == 50

    # The rules are there, healthy, and those that fire are those that should.
    [group] = prometheus.api("rules")["groups"]
    assert len(group["rules"]) > 20
    assert [rule["name"] for rule in group["rules"] if rule["health"] != "ok" or rule.get("lastError")] == []
    firing = {alert["labels"]["alertname"] for alert in prometheus.api("alerts")["alerts"]
              if alert["state"] == "firing"}
    assert not firing & {"CutoverDown", "CutoverAbsent", "CutoverBackendDown", "CutoverStateNotDurable",
                         "CutoverAuditNotDurable", "CutoverRollbackNotReady", "CutoverFilesShort"}
    assert prometheus.complaints() == []


def test_a_scrape_that_is_refused_shows(watch):
    """So the test above would see one."""
    prometheus = watch("another-token-of-enough-letters-0123456789")
    [target] = eventually(lambda: [t for t in prometheus.api("targets")["activeTargets"]
                                   if t["health"] == "down"], 15.0, 0.2)
    assert "401" in target["lastError"]
