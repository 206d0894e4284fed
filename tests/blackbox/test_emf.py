"""Lines for CloudWatch (log.emf): held against its specification, and against what was sent."""

import datetime
import json
import re
import time
from pathlib import Path

import jsonschema
import pytest

from cutover import ROOT, Proxy
from wire import eventually

UNITS = ["Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes",
         "Terabytes", "Bits", "Kilobits", "Megabits", "Gigabits", "Terabits", "Percent", "Count",
         *(f"{unit}/Second" for unit in ("Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes",
                                         "Bits", "Kilobits", "Megabits", "Gigabits", "Terabits", "Count")),
         "None"]
NAME = {"type": "string", "minLength": 1, "maxLength": 255}


def thing(properties, required=None):
    return {"type": "object", "properties": properties, "additionalProperties": False,
            "required": list(properties) if required is None else required}


# "Specification: Embedded metric format" in the user guide of Amazon CloudWatch. It allows no members
# but these in its own objects, and any others beside _aws.
EMF = {"type": "object", "required": ["_aws"], "properties": {"_aws": thing({
    "Timestamp": {"type": "integer", "minimum": 0},
    "CloudWatchMetrics": {"type": "array", "minItems": 1, "items": thing({
        "Namespace": {**NAME, "pattern": "^[^:]+$"},
        "Dimensions": {"type": "array", "minItems": 1,
                       "items": {"type": "array", "maxItems": 9, "items": NAME}},
        "Metrics": {"type": "array", "minItems": 1, "maxItems": 100, "items": thing(
            {"Name": NAME, "Unit": {"enum": UNITS}, "StorageResolution": {"enum": [1, 60]}}, ["Name"])},
    })}})}}

ALL = "0001"  # of a bucket that is on new from 0.02 % on


def checked(line):
    """A line that CloudWatch would take, with all that it is told to take from it."""
    jsonschema.validate(line, EMF, cls=jsonschema.Draft7Validator)
    assert len(json.dumps(line)) < 256 * 1024
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert not directive["Namespace"].startswith("AWS/")
        names = [metric["Name"] for metric in directive["Metrics"]]
        assert len(names) == len(set(names))
        for name in names:
            assert type(line[name]) in (int, float), f"{name}: {line.get(name)!r}"
        for dimension in (name for group in directive["Dimensions"] for name in group):
            assert isinstance(line[dimension], str) and 0 < len(line[dimension]) <= 1024
    # And a line of the log like all others.
    assert line["message"] == "metrics" and line["level"] == "info"
    told = datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp() * 1000
    assert abs(told - line["_aws"]["Timestamp"]) < 2
    return line


def emf_lines(proxy, **having):
    return [line for line in map(checked, proxy.logs("metrics"))
            if all(line.get(name) == value for name, value in having.items())]


def dimensions(line):
    return line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]


def metric_names(line):
    return {metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}


def total(proxy, name, **having):
    return sum(line[name] for line in emf_lines(proxy, **having))


def as_user(proxy, path, bucket=ALL):
    return proxy.get(path, {"Cookie": f"cutover={bucket}"})


@pytest.fixture
def each_second(start, old, new):
    def make(config=None, **more):
        return start(Proxy, old, new, {"log": {"emf": "1s"}, **(config or {})}, **more)
    return make


def test_every_interval_has_its_lines(each_second):
    proxy = each_second({"routes": [{"name": "products", "path": "/p", "weight": 30},
                                    {"name": "hooks", "path": "/h", "pin": "old"}]})
    proxy.weight(12.5)
    eventually(lambda: len(emf_lines(proxy, backend="new")) >= 3, 10.0)
    moments = {}
    for line in emf_lines(proxy):
        moments.setdefault(line["_aws"]["Timestamp"], []).append(line)
    for lines in moments.values():
        assert [(dimensions(line), line.get("backend"), line.get("route")) for line in lines] == [
            ([["backend"]], "old", None), ([["backend"]], "new", None), ([["route"]], None, "main"),
            ([["route"]], None, "products"), ([[]], None, None)]
        assert [line["name"] for line in lines[:2]] == ["railway", "lightsail"]
        # Without traffic there is no rate and no percentile, rather than a zero.
        assert not {"ErrorRate", "FirstByteP95"} & set(lines[1])
        assert lines[1]["Requests"] == lines[1]["Errors"] == 0 and lines[1]["HealthyServers"] == 1
        assert lines[3]["WeightPercent"] == 30
        assert {name: lines[4][name] for name in metric_names(lines[4])} == {
            "Connections": 0, "RollbackReady": 1, "WritesFrozen": 0, "WritesOpen": 0, "StateDurable": 1,
            "LogLinesDropped": 0}
    assert emf_lines(proxy, route="main")[-1]["WeightPercent"] == 12.5
    times = sorted(moments)
    for first, second in zip(times[1:], times[2:]):
        assert 400 < second - first < 2500
    assert all(0.4 < line["interval_s"] < 2.5 for line in emf_lines(proxy, backend="old"))


def test_values_are_of_the_interval_and_add_up(each_second):
    proxy = each_second()
    proxy.weight(100)
    for _ in range(30):
        as_user(proxy, "/")
    eventually(lambda: total(proxy, "Requests", backend="new") == 30, 5.0)
    for _ in range(6):
        as_user(proxy, "/status/503")
    for _ in range(4):
        as_user(proxy, "/status/404")
    eventually(lambda: total(proxy, "Requests", backend="new") == 40, 5.0)
    count = len(emf_lines(proxy, backend="new"))
    eventually(lambda: len(emf_lines(proxy, backend="new")) > count, 5.0)
    assert total(proxy, "Attempts", backend="new") == 40
    assert total(proxy, "Errors", backend="new") == total(proxy, "Responses5xx", backend="new") == 6
    assert emf_lines(proxy, backend="new")[-1]["Requests"] == 0
    for line in emf_lines(proxy, backend="new"):
        if line["Attempts"]:
            assert line["ErrorRate"] == pytest.approx(100 * line["Errors"] / line["Attempts"], abs=0.0001)
    assert total(proxy, "Requests", backend="old") == 0


def test_latency_failover_and_servers(each_second, new):
    proxy = each_second({"outlier": {"consecutive_errors": 1000}})
    proxy.weight(100)
    for _ in range(10):
        as_user(proxy, "/delay?ms=200")
    line = eventually(lambda: next((x for x in emf_lines(proxy, backend="new") if "FirstByteP95" in x), None), 5.0)
    assert 150 < line["FirstByteP50"] <= line["FirstByteP95"] <= line["FirstByteP99"] < 2000
    new.kill()
    for _ in range(7):
        as_user(proxy, "/")
    proxy.wait_health("new", "down")
    eventually(lambda: total(proxy, "Failovers", backend="new") == 7, 5.0)
    eventually(lambda: emf_lines(proxy, backend="new")[-1]["HealthyServers"] == 0, 5.0)
    assert total(proxy, "Requests", backend="old") == 7
    new.start()


def test_the_plan_and_what_all_of_it_costs(each_second):
    proxy = each_second({"plan": {"steps": [{"weight": 10, "hold": "1h"}]}})
    eventually(lambda: emf_lines(proxy, route="main"), 5.0)
    assert emf_lines(proxy, route="main")[-1]["PlanStep"] == 0
    assert proxy.admin("POST", "/v1/plan/start", {}).status == 200
    for _ in range(20):
        as_user(proxy, "/")
        as_user(proxy, "/", "9999")
    found = eventually(lambda: [x for x in emf_lines(proxy, route="main") if x["PlanStep"] == 1], 5.0)[-1]
    assert {name: found[name] for name in metric_names(found)} == {
        "WeightPercent": 10, "PlanStep": 1, "GuardVerdict": 0, "GuardFailed": 0, "PlanWaiting": 0}
    eventually(lambda: total(proxy, "Attempts", backend="old") == 20, 5.0)
    paid_for = {(line.get("backend"), line.get("route"), name)
                for line in emf_lines(proxy) for name in metric_names(line)}
    page = " ".join((ROOT / "docs" / "metrics.md").read_text().split())
    assert re.search(rf"\b{len(paid_for)} of them with a plan, {len(metric_names(found))} more for each route", page)
    assert {name for _, _, name in paid_for} == set(re.findall(r"`([A-Z][A-Za-z0-9]+)`", page))


def test_the_last_part_of_an_interval_is_written_at_the_stop(start, old, new):
    proxy = start(Proxy, old, new, {"log": {"emf": "1h"}})
    for _ in range(5):
        proxy.get("/")
    time.sleep(1.2)
    assert not proxy.logs("metrics")
    proxy.stop()
    [line] = emf_lines(proxy, backend="old")
    assert line["Requests"] == 5 and 1.2 <= line["interval_s"] < 60
    assert proxy.logs()[-1]["message"] == "stopped"


def test_a_reload_switches_it_on_and_off(start, old, new):
    proxy = start(Proxy, old, new)

    def reload_with(emf):
        proxy.config["log"] = {"emf": emf}
        proxy.write_config()
        assert proxy.admin("POST", "/v1/reload", {}).status == 200

    for _ in range(5):
        proxy.get("/")
    time.sleep(1.5)
    assert not proxy.logs("metrics")
    reload_with("1s")
    eventually(lambda: len(emf_lines(proxy, backend="old")) >= 2, 6.0)
    # What came before it was switched on belongs to no interval.
    assert total(proxy, "Requests", backend="old") == 0
    reload_with(0)
    time.sleep(1.5)
    before = len(proxy.logs("metrics"))
    time.sleep(2.0)
    assert len(proxy.logs("metrics")) == before


def test_they_go_where_the_log_goes(start, old, new, tmp_path):
    file = tmp_path / "cutover.log"
    proxy = start(Proxy, old, new, {"log": {"emf": "1s", "file": str(file), "access": "off"}})
    eventually(lambda: '"_aws"' in file.read_text(), 5.0)
    proxy.stop()
    lines = [json.loads(line) for line in Path(file).read_text().splitlines()]
    assert [checked(line) for line in lines if "_aws" in line]
    assert not proxy.logs("metrics")
