"""What tests of plans share: plans in seconds instead of weeks, orders, events, and many users."""

import json
import random
import threading
from pathlib import Path

from cutover import Node, Process
from wire import Wire, eventually

APP = Path(__file__).parent / "plan_app.js"

GUARD = {"window": "3s", "every": "1s", "min_requests": 50, "warm_up": "200ms"}


class App(Node):
    """plan_app.js: an application that can be told to fail or to be slow."""

    def __init__(self):
        super().__init__(APP)

    def set(self, part, errors=0, slow=1):
        assert self.get(f"/set?part={part}&errors={errors}&slow={slow}").status == 200


class Users:
    """wrk with a user of its own for each request: about 20 requests a second on each connection,
    below the given parts of the site in turn. A part that is named twice gets twice as many."""

    SCRIPT = """
local parts = {%s}
local at = 0
function setup(thread) end
function init(args) math.randomseed(os.time()) end
function request()
    at = at %% #parts + 1
    return wrk.format("GET", "/" .. parts[at] .. "/x",
                      {Cookie = string.format("cutover=%%04d", math.random(0, 9999))})
end
function delay() return 10 end
"""

    def __init__(self, proxy, parts, connections=64, seconds=120):
        script = proxy.folder / "users.lua"
        script.write_text(self.SCRIPT % ", ".join(f'"{part}"' for part in parts))
        self.process = Process(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s",
                                "-s", str(script), proxy.url])

    def stop(self):
        self.process.end()


class FewUsers:
    """One request at a time, so many a second."""

    def __init__(self, proxy, path="/", every_s=0.25):
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(proxy, path, every_s), daemon=True)
        self.thread.start()

    def _run(self, proxy, path, every_s):
        while not self.stopped.wait(every_s):
            try:
                with Wire(proxy.address) as wire:
                    wire.get(path, {"Cookie": f"cutover={random.randrange(10000):04d}"})
            except (OSError, AssertionError):
                pass

    def stop(self):
        self.stopped.set()
        self.thread.join()


def order(proxy, verb, status=200, **more):
    """POST /v1/plan/VERB; its answer's status must be as told. The body."""
    answer = proxy.admin("POST", f"/v1/plan/{verb}", more)
    assert answer.status == status, f"{verb} {more}: {answer}"
    return answer.json()


def plan(proxy, route="main"):
    """The plan as the status shows it."""
    status = proxy.status()
    if route == "main":
        return status["plan"]
    return next(entry for entry in status["routes"] if entry["name"] == route)["plan"]


def weight(proxy, route="main"):
    status = proxy.status()
    if route == "main":
        return status["weight"]
    return next(entry for entry in status["routes"] if entry["name"] == route)["weight"]


def wait_plan(proxy, timeout, route="main", **wanted):
    """Waits until the plan shows these values; the plan then."""
    def there():
        now = plan(proxy, route)
        return now if all(now[key] == value for key, value in wanted.items()) else None

    return eventually(there, timeout, 0.05, f"the plan of {route} is {wanted}, it is {plan(proxy, route)}")


def events(proxy, **wanted):
    answer = proxy.admin("GET", "/v1/events")
    assert answer.status == 200, answer
    return [event for event in answer.json()["events"]
            if all(str(event[key]) == str(value) for key, value in wanted.items())]


def text(thing):
    return json.dumps(thing, indent=1)
