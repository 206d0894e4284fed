"""The command line: the screen of a plan in all its states, the verbs that walk it, and --json of
every verb, against the running proxy."""

import json
import re
import threading
import time

import pytest

from cutover import BUILD, Origin, Proxy, cli, free_port, program
from terminal import Terminal
from wire import eventually

GUARD = {"window": "30s", "every": "1s", "min_requests": 50, "warm_up": "1s"}
STEPS = [{"weight": 10, "hold": "7d"}, {"weight": 30, "hold": "1s"}, {"weight": 100, "hold": "7d"}]
ROUTES = [{"name": "hooks", "path": "/webhooks/", "pin": "old"},
          {"name": "products", "path": "/api/products", "weight": 5,
           "plan": {"steps": [{"weight": 50, "hold": "1d"}]}}]


@pytest.fixture
def planned(start, old, new):
    return start(Proxy, old, new, {"plan": {"steps": STEPS, "guard": GUARD}, "routes": ROUTES})


class Verbs:
    """verbs("plan", "start") as a person would type it; .ok insists on 0."""

    def __init__(self, proxy):
        self.admin = f"http://127.0.0.1:{proxy.admin_port}"

    def __call__(self, *args, code=0):
        done = cli(*args, "--admin", self.admin)
        assert done.returncode == code, done
        assert (done.stdout + done.stderr).isascii()
        return done.stdout if code == 0 else done.stderr

    def json(self, *args):
        return json.loads(self(*args, "--json"))

    def screen(self, *args, columns=80):
        """What a window of that width shows."""
        terminal = Terminal([program("cutover", BUILD), *args, "--admin", self.admin], 60, columns)
        try:
            assert terminal.ends() == 0
            return terminal.screen.text()
        finally:
            terminal.stop()


@pytest.fixture
def verbs(planned):
    return Verbs(planned)


def test_a_start_to_a_side_that_is_down_takes_force_and_says_so(planned, verbs, new):
    new.stop()
    eventually(lambda: planned.status()["backends"]["new"]["health"] == "down", 10, 0.1)
    told = verbs("plan", "start", code=1)
    assert "a side cannot take its users now" in told and "--force does it anyway" in told
    assert planned.status()["plan"]["state"] == "idle" and planned.status()["weight"] == 0
    assert "step 1 of 3: 10 % of users are on new now" in verbs("plan", "start", "--force")


def test_with_both_sides_down_the_guard_takes_nobody_back(planned, verbs, old, new):
    verbs("plan", "start")
    old.stop()
    new.stop()
    eventually(lambda: "neither side has a server" in verbs("status"), 15, 0.3)
    time.sleep(5)  # more looks than strikes
    plan = planned.status()["plan"]
    assert (plan["state"], plan["strikes"], plan["failed"]) == ("holding", 0, False), plan
    assert "FAIL OVER" not in verbs("status") and planned.status()["weight"] == 10
    old.start()
    new.start()


def test_a_plan_is_walked_by_the_commands_that_the_screen_names(planned, verbs):
    assert verbs("status").startswith("0 % on new | plan of 3 steps not begun\n")
    told = verbs("plan", "start", "--reason", "week one")
    assert told.startswith("step 1 of 3: 10 % of users are on new now; held for 7d (until ")
    next_one = re.search(r"next: (cutover plan advance --step 1)\n", told).group(1)
    assert next_one in verbs("status") and planned.status()["weight"] == 10
    assert "step 2 of 3: 30 % of users are on new now" in verbs(*next_one.split()[1:])
    eventually(lambda: "WAITING FOR YOU" in verbs("status"), 10, 0.2)
    text = verbs("status")
    assert "10 % done -> 30 % NOW, waiting -> 100 % next, for 7d" in text
    assert "YOU: the hold is over. Go on: cutover plan advance --step 2" in text
    assert ">    2     30 %       1s  -             NOW: waiting for you" in verbs("plan")
    assert "step 3 of 3: 100 %" in verbs("plan", "advance", "--step", "2")
    assert "cutover plan finish --step 3" in verbs("status")
    assert "the plan is finished: 100 % of users are on new" in verbs("plan", "finish", "--step", "3")
    assert verbs("status").startswith("100 % on new | plan finished")
    assert planned.status()["plan"]["state"] == "finished"


def test_refusals_say_what_to_do(planned, verbs):
    refused = verbs("plan", "advance", code=1)
    assert "start it first (plan_refused, HTTP 409)" in refused
    verbs("plan", "start")
    refused = verbs("plan", "advance", "--step", "0", code=1)
    assert "plan_elsewhere" in refused and "`cutover plan` shows where it is now" in refused
    assert "no_plan" in verbs("plan", "start", "--route", "hooks", code=1)
    assert planned.status()["weight"] == 10
    for wrong in (("plan", "begin"), ("plan", "--step", "1"), ("plan", "start", "--step", "x"),
                  ("plan", "start", "--route", "a", "--route", "b"), ("plan", "start", "now"),
                  ("compare", "--window", "long"), ("compare", "--route", "a b"), ("freeze",),
                  ("freeze", "maybe"), ("freeze", "off", "--route", "main"),
                  ("freeze", "on", "--retry-after", "0"), ("freeze", "on", "--wait", "0")):
        verbs(*wrong, code=2)
    assert "bad_value" in verbs("compare", "--window", "2h", code=1)


def test_pause_weight_by_hand_resume_abort(planned, verbs):
    verbs("plan", "start")
    assert "paused in step 1 of 3: 10 % of users are on new; 7d" in verbs("plan", "pause") or \
        "6d 23h of the hold are left" in verbs("status")
    assert "next: cutover plan advance --step 1" in verbs("plan", "resume")
    told = verbs("weight", "20")
    assert "the plan is paused in step 1 of 3" in told and "cutover plan resume --step 1" in told
    assert "sets 10 % of this step again; it is 20 % now" in verbs("plan")
    assert verbs("status").startswith("20 % on new | step 1 of 3: PAUSED")
    assert "the weight stays at 20 %" in verbs("plan", "abort", "--reason", "another day")
    assert planned.status()["weight"] == 20


def test_rollback_names_the_plans_and_what_stays(planned, verbs):
    verbs("plan", "start")
    verbs("plan", "start", "--route", "products")
    told = verbs("rollback", "--reason", "checkout is slow")
    assert "every weight is 0 %, all users go to old" in told
    assert "plan of main: rolled back in step 1 of 3; to begin again: cutover plan start\n" in told
    assert "plan of products: rolled back in step 1 of 1; to begin again: cutover plan start --route products" in told
    text = verbs("status")
    assert text.startswith("0 % on new | step 1 of 3: ROLLED BACK\n")
    assert "10 % ROLLED BACK HERE" in text and "YOU: find out why." in text
    assert [plan["state"] for plan in verbs.json("plan")["plans"]] == ["rolled_back", "rolled_back"]
    assert [plan["route"] for plan in verbs.json("plan", "--route", "products")["plans"]] == ["products"]


def test_freeze_counts_the_writes_that_are_open(planned, verbs, old):
    slow = threading.Thread(target=lambda: planned.request("POST", "/delay?ms=2500", body=b"x"))
    slow.start()
    eventually(lambda: old.served() > 0, 5)
    told = verbs("freeze", "on", "--route", "main", "--retry-after", "7")
    assert "writes on main are answered 503, Retry-After 7" in told
    assert "1 write is still open: the copy can begin when there is none" in told
    assert verbs("status").splitlines()[0].endswith("FROZEN")
    assert "are still open after 600ms: do not copy yet" in verbs("freeze", "on", "--wait", "600ms", code=1)
    assert "no write is open" in verbs("freeze", "on", "--wait", "10s")
    slow.join()
    assert planned.request("POST", "/", body=b"x").status == 503
    assert "the freeze is off: writes pass again" in verbs("freeze", "off")
    assert planned.request("POST", "/", body=b"x").status == 200
    assert "FROZEN" not in verbs("status")


def test_both_sides_next_to_each_other(planned, verbs):
    verbs("weight", "50")
    eventually(lambda: (planned.get("/"), verbs.json("compare")["backends"]["new"]["requests"] >= 5)[1], 15, 0.05)
    told = verbs("compare", "--window", "30s")
    assert re.search(r"(?m)^name +railway +lightsail$", told)
    assert re.search(r"(?m)^errors +0 \(0 %\) +0 \(0 %\)$", told)
    assert re.search(r"(?m)^first byte +[\d.]+ ms, [\d.]+ ms, [\d.]+ ms +[\d.]+ ms", told)
    assert "verdict   inconclusive: " in told
    assert re.search(r"(?m)^new +lightsail +ready up +\d+ +0 +0 % +[\d.]+ ms$", verbs("status"))


def test_a_screen_of_80_columns_and_others(planned, verbs):
    verbs("plan", "start")
    text = verbs.screen("status")
    assert len(text.splitlines()) <= 24 and text.splitlines()[0].startswith("10 % on new | step 1 of 3: holding")
    for columns in (20, 40, 132):
        text = verbs.screen("status", columns=columns)
        assert max(map(len, text.splitlines())) <= columns
        assert "advance" in text and "railway" in text
    assert verbs("status").splitlines()[2].startswith("act       nobody now."), "a pipe is not wrapped"


def test_events_show_plans_and_outlive_a_restart(planned, verbs):
    verbs("plan", "start", "--reason", "week one")
    verbs("freeze", "on")
    planned.stop()
    planned.restart()
    told = verbs("events")
    assert re.search(r"plan +main  idle -> holding 1  by \S+  \(week one\)", told), told
    assert re.search(r"freeze +\S+  off -> on", told)


def test_following_events_goes_on_through_a_restart(planned, verbs):
    terminal = Terminal([program("cutover", BUILD), "events", "-f", "-n", "1", "--admin", verbs.admin], 40, 120)
    try:
        terminal.sees("#")
        planned.stop()
        terminal.sees("the stream has ended")
        planned.restart()
        planned.weight(7, reason="after it")
        terminal.sees("after it")
        terminal.press("\x03")
        assert terminal.ends() != 0
        numbers = re.findall(r"(?m)^\S+Z  #(\d+)", terminal.raw.decode().replace("\r", ""))
        assert len(numbers) == len(set(numbers)), "each is shown once"
    finally:
        terminal.stop()


ARGUMENTS = {"weight": ("10",), "backend": ("new", "ready"), "plan": ("show",), "freeze": ("off",),
             "explain": ("GET", "/"), "check": (), "doctor": ("--idle", "0"), "version": ()}
LOCAL = {"check", "doctor", "version"}


def test_every_verb_has_json(planned, verbs):
    names = re.findall(r"(?m)^  ([a-z]+) +\S", cli("help").stdout)
    assert len(names) > 14
    for name in sorted(set(names) - {"run", "watch"}):
        assert "--json" in cli(name, "--help").stdout, name
        where = () if name in ("version",) else \
            ("-c", str(planned.config_file)) if name in LOCAL else ("--admin", verbs.admin)
        done = cli(name, *ARGUMENTS.get(name, ()), "--json", *where, timeout=60)
        assert isinstance(json.loads(done.stdout), dict), (name, done)
        assert done.returncode == 0 or name == "doctor", done
    assert "--json" in cli("watch", "--help").stdout


def test_json_when_it_goes_wrong(planned, verbs, tmp_path):
    assert json.loads(cli("weight", "30", "--json", "--route", "nosuch", "--admin", verbs.admin)
                      .stdout)["error"]["code"] == "unknown_route"
    nobody = f"http://127.0.0.1:{free_port()}"
    done = cli("status", "--json", "--admin", nobody)
    assert done.returncode == 1 and json.loads(done.stdout)["error"]["code"] == "no_answer"
    assert json.loads(cli("healthcheck", "--json", "--admin", nobody).stdout) == {"ready": False}
    bad = tmp_path / "bad.yaml"
    bad.write_text("listen: [{address: 'nowhere'}]\nworkerz: 3\n")
    done = cli("check", "-c", str(bad), "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 2 and found["ok"] is False
    assert {"line": 2, "column": 1} == {k: found["problems"][-1][k] for k in ("line", "column")} or \
        any(p["line"] == 2 for p in found["problems"])
    assert all(p["message"] for p in found["problems"])
    assert json.loads(cli("check", "-c", str(planned.config_file), "--json").stdout)["problems"] == []


def test_help_has_an_example_for_what_changes_something():
    for name in ("plan", "weight", "rollback", "freeze", "compare", "backend", "events"):
        assert f"Example: cutover {name}" in cli(name, "--help").stdout, name
