"""kill -9 while a plan is under way: where it stands, how long it still holds, and who did what.

CUTOVER_KILLS=100 for more than the few kills of a usual run.
"""

import http.client
import itertools
import os
import random
import threading
import time
from pathlib import Path

import pytest
from cutover import Proxy
from plan import events, order, plan, text, weight
from wire import eventually

KILLS = int(os.environ.get("CUTOVER_KILLS", "8"))

WEIGHTS = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
HOLD_S = 3600
CONFIG = {"plan": {"steps": [{"weight": step, "hold": f"{HOLD_S}s"} for step in WEIGHTS]}}


class Model:
    """Where the plan must be, as the answers have told; and where it may be as well, when an order
    was under way at the moment of the kill."""

    def __init__(self):
        self.state, self.step, self.weight = "idle", 0, 0
        self.held, self.since = 0.0, 0.0

    def copy(self):
        other = Model()
        other.__dict__.update(self.__dict__)
        return other

    def runs(self):
        return self.state in ("holding", "soaking")

    def held_now(self, now):
        return self.held + (now - self.since if self.runs() else 0)

    def verbs(self):
        if self.state == "idle":
            return ["start"]
        ways = ["resume"] * 3 if self.state == "paused" else ["pause", "pause", "weight"]
        return ways + ["abort"] + (["advance"] * 3 if self.step < len(WEIGHTS) else [])

    def apply(self, verb, now):
        held = self.held_now(now)
        if verb == "start":
            self.step = next(i for i, step in enumerate(WEIGHTS, 1) if step >= self.weight)
        if verb == "advance":
            self.step += 1
        if verb in ("start", "advance"):
            self.state, held = "soaking" if self.step == len(WEIGHTS) else "holding", 0.0
            self.weight = WEIGHTS[self.step - 1]
        if verb == "resume":
            self.state = "soaking" if self.step == len(WEIGHTS) else "holding"
            self.weight = WEIGHTS[self.step - 1]
        if verb in ("pause", "weight"):
            self.state = "paused"
        if verb == "weight":
            self.weight = 5
        if verb == "abort":
            self.state, self.step, held = "idle", 0, 0.0
        self.held, self.since = held, now
        return self

    def fits(self, status, now):
        there = status["plan"]
        if (there["state"], there["step"], status["weight"]) != (self.state, self.step, self.weight):
            return False
        return self.state == "idle" or abs(there["held_s"] - self.held_now(now)) <= 1.5

    def __repr__(self):
        return f"{self.state} {self.step} at {self.weight} %, held {self.held_now(time.monotonic()):.1f} s"


class Operator:
    """Orders one thing after the other, each with a reason of its own, until the proxy is gone."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.model = Model()
        self.names = (f"order {i}" for i in itertools.count(1))
        self.done = {}   # reason -> verb, answered
        self.flying = None  # (reason, verb), not answered

    def work(self, seconds, rng):
        """Orders until the kill, which comes after so long from another side."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            verb, reason = rng.choice(self.model.verbs()), next(self.names)
            self.flying = (reason, verb)
            try:
                if verb == "weight":
                    answer = self.proxy.admin("PUT", "/v1/weight", {"weight": 5, "reason": reason})
                else:
                    answer = self.proxy.admin("POST", f"/v1/plan/{verb}", {"reason": reason})
            except (OSError, http.client.HTTPException):
                return
            assert answer.status == 200, f"{verb} from {self.model}: {answer}"
            self.model.apply(verb, time.monotonic())
            self.done[reason] = verb
            self.flying = None

    def settle(self):
        """After the restart: which of the two possible places it is."""
        status, now = self.proxy.status(), time.monotonic()
        if self.flying:
            reason, verb = self.flying
            then = self.model.copy().apply(verb, now)
            if not self.model.fits(status, now) and then.fits(status, now):
                self.model, self.done[reason] = then, verb
            self.flying = None
        assert self.model.fits(status, now), f"{text(status['plan'])} at {status['weight']} %, and not {self.model}"


class Trail:
    """The audit trail: numbers without a gap, nothing that changes afterwards."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.seen = {}

    def read(self):
        after = max(self.seen, default=0)
        fresh = self.proxy.admin("GET", f"/v1/events?after={max(0, after - 20)}&limit=1000").json()["events"]
        for event in fresh:
            assert self.seen.get(event["id"], event) == event, "an event was rewritten"
            self.seen[event["id"]] = event
        assert sorted(self.seen) == list(range(1, len(self.seen) + 1)), sorted(self.seen)

    def tells(self, reason):
        """Whether an order is told; one that was cut off in the middle is told with the next start."""
        return any(event["result"] == "ok" and (f"{reason};" in event["reason"] + ";")
                   for event in self.seen.values())


class Killer:
    """Ends the proxy from another side, after so long."""

    def __init__(self, proxy, delay):
        self.thread = threading.Thread(target=self._run, args=(proxy, delay))
        self.thread.start()

    @staticmethod
    def _run(proxy, delay):
        time.sleep(delay)
        proxy.process.kill()

    def join(self):
        self.thread.join()


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_neither_place_nor_hold_nor_audit(start, old, new):
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    proxy = start(Proxy, old, new, CONFIG)
    operator, trail = Operator(proxy), Trail(proxy)
    orders = 0
    for kill in range(KILLS):
        delay = rng.uniform(0.001, 0.4)
        killer = Killer(proxy, delay)
        operator.work(delay + 5, rng)
        killer.join()
        proxy.restart()
        try:
            operator.settle()
            trail.read()
            for reason, verb in operator.done.items():
                assert trail.tells(reason), f"{reason}: {verb} is not told: {text(list(trail.seen.values())[-12:])}"
            orders += len(operator.done)
            operator.done.clear()
        except AssertionError as error:
            raise AssertionError(f"kill {kill + 1} of {KILLS}, seed {seed}: {error}") from error
    assert orders >= KILLS


# --- clocks


class Clock:
    """The wall clock of a proxy that is started under libfaketime."""

    def __init__(self, folder):
        found = list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not found:
            pytest.skip("libfaketime is not installed")
        self.file = folder / "clock"
        self.shift(0)
        self.env = {"LD_PRELOAD": str(found[0]), "FAKETIME_TIMESTAMP_FILE": str(self.file),
                    "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def shift(self, days):
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{days:+d}d\n")
        fresh.replace(self.file)


class Lied(Proxy):
    """With a clock of its own."""

    def __init__(self, clock, *args, **kwargs):
        self.clock = clock
        super().__init__(*args, **kwargs)

    def environment(self):
        return {**super().environment(), **self.clock.env}


def test_a_clock_that_is_set_moves_no_hold(start, old, new, tmp_path):
    clock = Clock(tmp_path)
    proxy = start(Lied, clock, old, new, CONFIG, release=True)
    order(proxy, "start")
    began = time.monotonic()
    for days in (+3, -5, 0):
        clock.shift(days)
        time.sleep(0.5)
        assert abs(plan(proxy)["held_s"] - (time.monotonic() - began)) <= 1.2, text(plan(proxy))
        proxy.kill()
        proxy.restart()
        assert abs(plan(proxy)["held_s"] - (time.monotonic() - began)) <= 1.2, text(plan(proxy))
        assert plan(proxy)["state"] == "holding" and weight(proxy) == 10


def test_a_hold_goes_on_while_the_proxy_is_gone(start, old, new):
    proxy = start(Proxy, old, new, {"plan": {"steps": [{"weight": 10, "hold": "3s"}, {"weight": 20, "hold": "1h"}]}})
    order(proxy, "start")
    proxy.kill()
    time.sleep(3.2)
    proxy.restart()
    waiting = eventually(lambda: plan(proxy)["state"] == "waiting" and plan(proxy), 2)
    assert waiting["held_s"] >= 3 and waiting["hold_left_s"] == 0, text(waiting)
    assert len(events(proxy, what="plan", to="waiting 1")) == 1
