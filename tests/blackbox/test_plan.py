"""Plans against real origins, with seconds for weeks: steps, guard, hooks, and what operators order."""

import http.server
import itertools
import json
import threading
import time
from datetime import datetime

import pytest
from conftest import finish
from cutover import Origin, Proxy
from plan import (GUARD, App, FewUsers, Users, events, order, plan, text, wait_plan, weight)
from wire import eventually

EVERY_S = 2
WHOLE_GUARD = {"window": "6s", "every": f"{EVERY_S}s", "min_requests": 150, "warm_up": "500ms",
               "max_error_rate": "2%", "error_rate_over_old": "2%", "p95_over_old": "20ms"}


class Hooks:
    """A little server that is asked whether a plan may go on; says no as often as told first."""

    def __init__(self, noes=0):
        self.asked = []
        self.answers = itertools.chain([503] * noes, itertools.repeat(204))
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append({"path": self.path, **body})
                self.send_response(next(outer.answers))
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_address[1]}{path}?key=secret"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


# --- a whole plan on real traffic, with three others beside it that end in other ways


# As sharp as it is by default, but for latency, where an answer takes 20 to 60 ms here.
SHARP_GUARD = {**WHOLE_GUARD, "max_error_rate": "1%", "error_rate_over_old": "0.5%"}


def whole_config(hooks):
    return {
        "plan": {"advance": "auto", "guard": WHOLE_GUARD,
                 "steps": [{"weight": 10, "hold": "6s", "after": hooks.url("/after")},
                           {"weight": 30, "hold": "6s", "before": hooks.url("/before")},
                           {"weight": 70, "hold": "6s"}, {"weight": 100, "hold": "8s"}]},
        "routes": [
            {"name": "errors", "path": "/errors/", "weight": 0,
             "plan": {"advance": "auto", "steps": [{"weight": 50, "hold": "1h"}], "guard": SHARP_GUARD}},
            {"name": "slow", "path": "/slow/", "weight": 0,
             "plan": {"advance": "auto", "steps": [{"weight": 50, "hold": "1h"}], "guard": SHARP_GUARD}},
            {"name": "quiet", "path": "/quiet/", "weight": 0,
             "plan": {"advance": "auto", "guard": SHARP_GUARD,
                      "steps": [{"weight": 50, "hold": "3s"}, {"weight": 100, "hold": "1h"}]}},
        ],
        "log": {"access": "errors"},
    }


def stamp(event):
    return datetime.fromisoformat(event["at"].replace("Z", "+00:00")).timestamp()


@pytest.fixture(scope="module")
def whole():
    """All that was seen while the main plan went from its start to its end."""
    old, new, hooks = App(), App(), Hooks()
    proxy = Proxy(old, new, whole_config(hooks))
    users = Users(proxy, ["main", "main", "errors", "errors", "errors", "slow"])
    few = FewUsers(proxy, "/quiet/x")
    seen = {"proxy": proxy, "hooks": hooks, "weights": []}
    try:
        for route in ("main", "errors", "slow", "quiet"):
            order(proxy, "start", route=route, step=0)
        time.sleep(9)
        seen["before"] = {route: plan(proxy, route) for route in ("errors", "slow")}
        seen["quiet"] = plan(proxy, "quiet")
        new.set("errors", errors=0.05)
        new.set("slow", slow=3)
        seen["bad_at"] = time.time()

        def over():
            now = weight(proxy)
            if not seen["weights"] or seen["weights"][-1] != now:
                seen["weights"].append(now)
            return plan(proxy)["state"] == "finished"

        eventually(over, 60, 0.2, "the plan is finished")
        seen["after"] = {route: plan(proxy, route) for route in ("main", "errors", "slow", "quiet")}
        seen["route_weights"] = {route: weight(proxy, route) for route in ("errors", "slow", "quiet")}
        seen["events"] = events(proxy)
        yield seen
    finally:
        few.stop()
        users.stop()
        problems = finish(proxy)
        for thing in (old, new, hooks):
            thing.stop()
    assert not problems, "\n".join(problems)


@pytest.mark.slow
def test_a_plan_goes_through_all_its_steps_to_the_end(whole):
    mine = [event for event in whole["events"] if event["subject"] == "main"]
    assert [event["to"] for event in mine if event["what"] == "weight"] == [10, 30, 70, 100], text(mine)
    steps = [event["to"] for event in mine if event["what"] == "plan"]
    assert steps == ["holding 1", "holding 2", "holding 3", "soaking 4", "finished"], text(mine)
    assert whole["after"]["main"]["state"] == "finished"
    assert weight(whole["proxy"]) == 100
    assert not [event for event in mine if event["to"] in ("fail", "failed")], text(mine)


@pytest.mark.slow
def test_every_step_is_held_for_as_long_as_it_says(whole):
    entered = [stamp(event) for event in whole["events"]
               if event["subject"] == "main" and event["what"] == "plan" and event["result"] == "ok"
               and event["to"].split()[0] in ("holding", "soaking", "finished")]
    held = [b - a for a, b in zip(entered, entered[1:])]
    for took, hold in zip(held, (6, 6, 6, 8)):
        assert hold - 0.05 <= took <= hold + 3 * EVERY_S + 1, held


@pytest.mark.slow
def test_a_plan_on_its_own_asks_its_hooks(whole):
    assert [(asked["path"], asked["plan"], asked["step"], asked["hook"], asked["weight"],
             asked["from_weight"]) for asked in whole["hooks"].asked] == [
                 ("/after?key=secret", "main", 1, "after", 10, 10),
                 ("/before?key=secret", "main", 2, "before", 30, 10)]


@pytest.mark.slow
@pytest.mark.parametrize("route, cause", [("errors", "errors"), ("slow", "p95")])
def test_a_side_that_becomes_worse_is_taken_back_within_three_guard_periods(whole, route, cause):
    before, after = whole["before"][route], whole["after"][route]
    assert before["state"] == "holding" and before["strikes"] == 0, text(before)
    assert after["state"] == "rolled_back" and after["failed"], text(after)
    mine = [event for event in whole["events"] if event["subject"] == route]
    back = next(event for event in mine if event["what"] == "rollback")
    assert back["actor"] == "guard" and back["to"] == 0 and back["result"] == "ok", text(back)
    # Three slots, the rest of the one that was under way, a tick, and what a busy machine adds.
    took = stamp(back) - whole["bad_at"]
    assert took <= 4 * EVERY_S + 0.2 + 1, f"{took:.1f} s: {text(mine)}"
    assert whole["route_weights"][route] == 0
    assert cause in whole["after"][route]["verdict_cause"] or cause in back["reason"], text(back)


@pytest.mark.slow
def test_with_too_few_requests_a_plan_stays_and_says_how_many_it_needs(whole):
    for seen in (whole["quiet"], whole["after"]["quiet"]):
        assert seen["state"] == "holding" and seen["step"] == 1 and seen["hold_left_s"] == 0, text(seen)
        assert seen["verdict"] == "inconclusive" and seen["verdict_cause"] == "few_requests", text(seen)
        assert seen["requests_needed"] > 100 and seen["seconds_needed"] > 0, text(seen)
    assert whole["route_weights"]["quiet"] == 50


@pytest.mark.slow
def test_one_plan_leaves_the_weights_of_the_others(whole):
    lowered = [event for event in whole["events"] if event["what"] == "rollback"]
    assert sorted(event["subject"] for event in lowered) == ["errors", "slow"], text(lowered)


# --- a side that is gone


def gone_config():
    steps = [{"weight": 50, "hold": "1s"}, {"weight": 60, "hold": "1h"}]
    guard = {**GUARD, "min_requests": 20, "max_error_rate": "50%", "error_rate_over_old": "50%",
             "p95_ratio": 10, "p95_over_old": "5s"}
    return {
        "plan": {"advance": "auto", "steps": steps, "guard": guard},
        "routes": [{"name": "kept", "path": "/kept/", "weight": 0,
                    "plan": {"advance": "auto", "steps": [{"weight": 50, "hold": "1h"},
                                                          {"weight": 60, "hold": "1h"}],
                             "guard": {**guard, "on_fail": "hold"}}}],
        "outlier": {"consecutive_errors": 1000},
    }


@pytest.mark.slow
def test_a_plan_never_goes_on_while_a_side_is_gone(start, old, new):
    proxy = start(Proxy, old, new, gone_config())
    users = start(FewUsers, proxy, "/", 0.01)
    order(proxy, "start", route="kept")
    old.kill()
    proxy.wait_health("old", "down")
    assert order(proxy, "start", 409)["error"]["code"] == "plan_refused"
    order(proxy, "start", force=True)
    time.sleep(4)
    now = plan(proxy)
    assert now["state"] == "holding" and now["step"] == 1 and now["failing_over"], text(now)
    refused = order(proxy, "advance", 409)
    assert refused["error"]["code"] == "plan_refused", refused
    old.start()
    proxy.wait_health("old", "up")
    wait_plan(proxy, 15, step=2)

    # New goes: the one rolls back, the other stands still for an operator.
    new.kill()
    gone = wait_plan(proxy, 15, state="rolled_back")
    assert gone["failed"] and weight(proxy) == 0, text(gone)
    kept = wait_plan(proxy, 15, route="kept", state="waiting")
    assert kept["failed"] and weight(proxy, "kept") == 50, text(kept)
    refused = order(proxy, "advance", 409, route="kept")
    assert "force" in refused["error"]["message"], refused
    new.start()
    proxy.wait_health("new", "up")
    time.sleep(3)
    assert plan(proxy, "kept")["failed"], "no later pass takes the latch back"
    order(proxy, "advance", 409, route="kept")
    order(proxy, "advance", route="kept", force=True)
    assert weight(proxy, "kept") == 60 and not plan(proxy, "kept")["failed"]
    users.stop()


# --- what operators order

MANUAL = {"plan": {"steps": [{"weight": 10, "hold": "1s"}, {"weight": 30, "hold": "1h"},
                             {"weight": 100, "hold": "1h"}], "guard": GUARD},
          "routes": [{"name": "cart", "path": "/cart/", "weight": 0,
                      "plan": {"steps": [{"weight": 50, "hold": "1h"}], "guard": GUARD}}]}


@pytest.fixture
def manual(start, old, new):
    return start(Proxy, old, new, MANUAL)


def test_a_manual_plan_waits_for_its_operator_at_each_step(manual):
    assert plan(manual)["state"] == "idle" and plan(manual)["next_weight"] == 10
    assert order(manual, "start", step=0)["weight"] == 10
    waiting = wait_plan(manual, 5, state="waiting")
    assert waiting["step"] == 1 and "advance" in waiting["note"], text(waiting)
    assert waiting["hold_left_s"] == 0
    time.sleep(1)
    assert plan(manual)["state"] == "waiting" and weight(manual) == 10
    assert order(manual, "advance", 409, step=2)["error"]["code"] == "plan_elsewhere"
    assert order(manual, "advance", step=1)["weight"] == 30
    assert order(manual, "finish", 409)["error"]["code"] == "plan_refused"
    assert order(manual, "advance", step=2)["weight"] == 100
    assert plan(manual)["state"] == "soaking"
    assert order(manual, "finish")["plan"]["state"] == "finished"
    assert weight(manual) == 100


def test_a_pause_stops_the_clock_of_the_hold(manual):
    order(manual, "start", force=True)
    order(manual, "advance")
    time.sleep(1.2)
    order(manual, "pause", reason="deploy")
    left = plan(manual)["hold_left_s"]
    assert 3590 < left < 3600
    time.sleep(1.5)
    paused = plan(manual)
    assert paused["state"] == "paused" and paused["hold_left_s"] == left, text(paused)
    assert "deploy" in paused["note"], text(paused)
    order(manual, "resume")
    assert plan(manual)["hold_left_s"] in (left, left - 1)
    time.sleep(1.2)
    assert plan(manual)["hold_left_s"] < left
    order(manual, "abort")
    assert plan(manual)["state"] == "idle" and weight(manual) == 30


def test_a_weight_by_hand_pauses_the_plan_and_resume_takes_it_back(manual):
    order(manual, "start")
    manual.admin("PUT", "/v1/weight", {"weight": 25}, {"X-Actor": "ann"})
    paused = plan(manual)
    assert paused["state"] == "paused" and paused["note"] == "the weight was set to 25 % by ann", paused
    assert weight(manual) == 25
    order(manual, "resume")
    assert weight(manual) == 10 and plan(manual)["state"] in ("holding", "waiting")


def test_a_route_with_a_plan_moves_alone(manual):
    order(manual, "start", route="cart")
    assert weight(manual, "cart") == 50 and weight(manual) == 0
    assert plan(manual)["state"] == "idle"
    assert order(manual, "start", 404, route="nothing")["error"]["code"] == "unknown_route"
    back = manual.admin("POST", "/v1/rollback", {"reason": "enough"}, {"X-Actor": "ann"})
    assert back.status == 200, back
    assert plan(manual, "cart")["state"] == "rolled_back" and plan(manual)["state"] == "idle"
    assert "ann" in plan(manual, "cart")["note"]


def test_a_reload_keeps_plans(manual):
    order(manual, "start", route="cart")
    manual.config["routes"].insert(0, {"name": "other", "path": "/other/", "pin": "old"})
    manual.write_config()
    assert manual.admin("POST", "/v1/reload", {}).status == 200
    assert plan(manual, "cart")["state"] == "holding" and weight(manual, "cart") == 50
    manual.config["routes"][1]["plan"]["steps"][0]["weight"] = 60
    manual.write_config()
    assert manual.admin("POST", "/v1/reload", {}).status == 200
    paused = plan(manual, "cart")
    assert paused["state"] == "paused" and "resume sets it" in paused["note"], paused
    assert weight(manual, "cart") == 50, "a reload moves nobody"
    order(manual, "resume", route="cart")
    assert plan(manual, "cart")["state"] == "holding" and weight(manual, "cart") == 60
    del manual.config["routes"][1]["plan"]
    manual.write_config()
    assert manual.admin("POST", "/v1/reload", {}).status == 200
    assert order(manual, "abort", 409, route="cart")["error"]["code"] == "no_plan"
    assert events(manual, what="plan", subject="cart", to="idle"), text(events(manual))
    assert weight(manual, "cart") == 60


def test_without_a_plan_nothing_can_be_ordered(proxy):
    assert order(proxy, "start", 409)["error"]["code"] == "no_plan"
    assert plan(proxy)["state"] == "idle" and plan(proxy)["steps"] == 0
    assert events(proxy, what="plan", result="no_plan")


# --- hooks


def test_a_hook_that_says_no_keeps_the_plan_where_it_is(start, old, new):
    hooks = start(Hooks, noes=1)
    proxy = start(Proxy, old, new, {
        "plan": {"steps": [{"weight": 10, "hold": "1h", "before": hooks.url("/b1"),
                            "after": hooks.url("/a1")},
                           {"weight": 30, "hold": "1h", "before": hooks.url("/b2")}], "guard": GUARD}})
    asked = order(proxy, "start")
    assert asked["weight"] == 0 and asked["plan"]["gate"] == "before", text(asked["plan"])
    said_no = wait_plan(proxy, 3, gate_detail="status 503")
    assert said_no["state"] == "idle" and said_no["gate"] == "before" and weight(proxy) == 0
    assert order(proxy, "start", 409)["error"]["code"] == "plan_refused", "it is ordered already"
    entered = wait_plan(proxy, 8, state="holding")
    assert entered["gate"] is None and weight(proxy) == 10
    assert len(hooks.asked) == 2
    order(proxy, "advance", step=1)
    wait_plan(proxy, 3, step=2)
    assert weight(proxy) == 30
    assert [(x["path"].split("?")[0], x["step"], x["hook"]) for x in hooks.asked[2:]] == [
        ("/a1", 1, "after"), ("/b2", 2, "before")], hooks.asked
    told = events(proxy, what="hook")
    assert [event["to"] for event in told] == ["asked", "no", "yes", "asked", "yes", "yes"], text(told)
    assert all(event["subject"].startswith("http://127.0.0.1:") for event in told if event["actor"] == "plan")
    assert "secret" not in text(events(proxy)) and "secret" not in proxy.output()


def test_force_goes_on_without_its_hook(start, old, new):
    hooks = start(Hooks, noes=100)
    proxy = start(Proxy, old, new, {
        "plan": {"steps": [{"weight": 10, "hold": "1h", "before": hooks.url("/b1")}], "guard": GUARD}})
    order(proxy, "start")
    wait_plan(proxy, 3, gate_detail="status 503")
    assert order(proxy, "start", force=True)["weight"] == 10
    assert plan(proxy)["gate"] is None
