#!/usr/bin/env python3
"""Pictures of the dashboard in four states, as a desktop shows it (light and dark) and a phone.

    screenshots.py FOLDER

Those in docs/ are holding-light-first.png and rolled_back-dark-first.png, with 256 colours.

The page is the real one; what it shows comes from a stand-in for the API, so that a plan of weeks
can be pictured in a second. The test of the dashboard looks that its answers have the shape of the
real ones.
"""

import json
import math
import random
import re
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONTROL = Path(__file__).resolve().parents[2] / "src" / "control"
# What the program serves: dashboard.c says which parts make the script, and in which order.
SCRIPTS = re.findall(r'"control/dashboard/(\w+\.js)\.inc"', (CONTROL / "dashboard.c").read_text())
FILES = {"/": (["page.html"], "text/html"), "/dashboard.css": (["page.css"], "text/css"),
         "/dashboard.js": (SCRIPTS, "text/javascript")}
DAY = 86400
STATES = ("idle", "holding", "failing", "rolled_back")


def iso(ago_s):
    at = datetime.now(timezone.utc) - timedelta(seconds=ago_s)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def interval(lower, value, upper):
    return {"lower": lower, "value": value, "upper": upper}


def times(p50, p95, p99, count=4000):
    return {"p50": p50, "p95": p95, "p99": p99, "count": count}


def plan(state, step, steps=((10, 7), (30, 7), (70, 7), (100, 14)), **more):
    listed = [{"weight": weight, "hold_s": days * DAY, "before": i == 2, "after": False}
              for i, (weight, days) in enumerate(steps)]
    now = listed[step - 1] if step else None
    result = {
        "state": state, "step": step, "steps": len(listed), "hold_left_s": None, "verdict": None,
        "advance": "manual", "weight": now["weight"] if now else None,
        "next_weight": listed[step]["weight"] if step < len(listed) else None,
        "hold_s": now["hold_s"] if now else 0, "held_s": 0, "note": "", "failed": False, "strikes": 0,
        "strikes_max": 3, "on_fail": "rollback", "verdict_cause": "none", "verdict_reason": "",
        "requests_needed": None, "seconds_needed": None, "window_needed_s": None, "failing_over": False, "warm_up_left_s": 0,
        "gate": None, "gate_detail": "", "step_list": listed}
    result.update(more)
    return result


def side(name, servers, requests, sockets):
    return {"name": name, "admin": "ready", "health": "up" if any(s[1] == "up" for s in servers) else "down",
            "servers": [{"url": url, "health": health, "ejected": ejected, "active": active, "idle": idle}
                        for url, health, ejected, active, idle in servers],
            "share": {"requests_1m": requests, "sockets": sockets}}


def status(weight, the_plan, products, bad=False):
    total = 2418
    new = [("http://10.0.0.5:3000", "up", bad, 4 if weight else 0, 11),
           ("http://10.0.0.6:3000", "up", False, 3 if weight else 0, 9)]
    return {
        "version": "0.1.0", "uptime_s": 11 * DAY + 5000, "generation": 1041, "weight": weight,
        "routes": [{"name": "hooks", "pin": "old"},
                   {"name": "products", "weight": products[0], "plan": products[1]}],
        "backends": {
            "old": side("railway", [("https://app.up.railway.app", "up", False, 9, 17)],
                        round(total * (1 - weight / 100)), 412 - round(weight * 3)),
            "new": side("lightsail", new, round(total * weight / 100), round(weight * 3.1))},
        "plan": the_plan, "freeze": {"on": False}, "rollback_ready": True, "rollback_not_ready_reason": None,
        "last_change": {"at": iso(3600), "actor": "ann", "what": "weight", "route": "main",
                        "reason": "first week was quiet", "from": 10, "to": 30},
        "durable": True, "draining": False, "certificates": [], "warnings": []}


def backend(name, requests, errors, rate, kinds, connect, first, total):
    return {"name": name, "requests": requests, "errors": errors, "error_rate": rate,
            "errors_by_kind": {"connect": 0, "tls": 0, "timeout": 0, "broken": 0, "platform": 0, "5xx": 0, **kinds},
            "shown": {"401": 0, "403": 0, "404": 0, "413": 0, "429": 0, **({"404": requests // 210} if requests else {})},
            "failovers": 0, "connect_ms": connect, "first_byte_ms": first, "total_ms": total,
            "design_effect": {"errors": 1.1, "latency": 1.3}}


NOTHING = {"p50": None, "p95": None, "p99": None, "count": 0}
LIMITS = {"min_requests": 200, "max_error_rate": 1, "error_rate_over_old": 0.5, "p95_ratio": 2, "p95_over_old_ms": 200}


def compare(verdict, cause, reason, old, new, over, ratio, late, needed=0, seconds=0):
    return {"route": "main", "window_s": 300, "verdict": verdict, "cause": cause, "reason": reason,
            "requests_needed": needed, "seconds_needed": seconds, "window_needed_s": None, "failing_over": False,
            "backends": {"old": old, "new": new}, "error_rate_over_old": over, "p95_ratio": ratio,
            "p95_over_old_ms": late, "limits": LIMITS}


OLD = ("railway", 8462, 13, interval(0.09, 0.15, 0.26), {"timeout": 2, "platform": 3, "5xx": 8},
       times(18.2, 31.4, 48), times(64, 212, 480), times(81, 260, 610))
ALL_OLD = ("railway", 12090, 19, interval(0.1, 0.16, 0.25), {"timeout": 3, "platform": 5, "5xx": 11},
           times(18.2, 31.4, 48), times(64, 212, 480), times(81, 260, 610))


def event(ago_s, what, subject, before, after, actor, reason, result="ok"):
    return {"at": iso(ago_s), "actor": actor, "what": what, "subject": subject, "from": before, "to": after,
            "reason": reason, "result": result}


BEGUN = [(11 * DAY, "weight", "main", 0, 10, "ann", "first tenth"),
         (11 * DAY - 1, "plan", "main", "idle", "holding 1", "ann", "first tenth"),
         (9.2 * DAY, "health", "http://10.0.0.6:3000", "up", "down", "cutover", "connection refused"),
         (9.19 * DAY, "health", "http://10.0.0.6:3000", "down", "up", "cutover", "2 checks passed"),
         (4 * DAY + 400, "plan", "main", "holding 1", "waiting 1", "plan", "the hold is over: advance when you are ready"),
         (17 * 3600, "plan", "main", "", "", "ben", "the plan is in step 1, not in step 2", "plan_elsewhere"),
         (15 * 3600 + 1000, "weight", "main", 10, 30, "ann", "first week was quiet"),
         (15 * 3600 + 999, "plan", "main", "waiting 1", "holding 2", "ann", "first week was quiet")]


def scene(state):
    """status, compare, events and the weight of each minute."""
    held = 15 * 3600 + 1000
    hold = {"hold_left_s": 7 * DAY - held, "held_s": held}
    products = (55, plan("soaking", 2, ((20, 2), (55, 3)), hold_left_s=DAY + 7000, held_s=2 * DAY - 7000,
                         advance="auto", verdict="pass"))
    events, weight_at = list(BEGUN), lambda ago: 30 if ago < held else 10
    if state == "idle":
        products = (0, plan("idle", 0, ((20, 2), (55, 3))))
        now = status(0, plan("idle", 0), products)
        judged = compare("inconclusive", "too_few", "nobody is on new", backend(*ALL_OLD),
                         backend("lightsail", 0, 0, interval(0, 0, 0), {}, NOTHING, NOTHING, NOTHING), interval(0, 0, 0),
                         None, None, None, None)
        events, weight_at = [(7200, "start", "", "", "0.1.0", "cutover", "state: initial_weight 0"),
                             (7190, "health", "http://10.0.0.5:3000", "unknown", "up", "cutover", "2 checks passed")], lambda ago: 0
    elif state == "holding":
        now = status(30, plan("holding", 2, verdict="pass", verdict_cause="within", **hold,
                              verdict_reason="errors and latency are within all limits"), products)
        judged = compare("pass", "within", "errors and latency are within all limits", backend(*OLD),
                         backend("lightsail", 3628, 4, interval(0.03, 0.11, 0.28), {"connect": 1, "5xx": 3},
                                 times(2.1, 3.4, 6.2), times(51, 171, 330), times(60, 201, 402)),
                         interval(-0.16, -0.04, 0.14), interval(0.71, 0.81, 0.92), interval(-66, -41, -17))
    else:
        reason = "errors on new are 5.9 % (5.1 to 6.8 %), the limit is 1 %"
        broken = backend("lightsail", 3594, 212, interval(5.1, 5.9, 6.8), {"timeout": 31, "5xx": 181},
                         times(2.2, 3.9, 7.1), times(88, 690, 2100), times(101, 760, 2400))
        judged = compare("fail", "error_rate", reason, backend(*OLD), broken, interval(4.9, 5.7, 6.6),
                         interval(2.6, 3.3, 3.9), interval(350, 478, 602))
        failing = {"verdict": "fail", "verdict_cause": "error_rate", "verdict_reason": reason}
        now = status(30, plan("holding", 2, strikes=2, **hold, **failing), products, bad=True)
        now["warnings"] = ["http://10.0.0.5:3000 is ejected: 5 failures in a row"]
        events += [(190, "guard", "main", "pass", "fail", "guard", reason),
                   (95, "eject", "http://10.0.0.5:3000", "in", "out", "cutover", "5 failures in a row")]
        if state == "rolled_back":
            now = status(0, plan("rolled_back", 2, strikes=3, failed=True, held_s=hold["held_s"], **failing,
                                 note=f"the guard: {reason}"), products)
            judged = compare("inconclusive", "too_few", "nobody is on new", backend(*ALL_OLD),
                             backend("lightsail", 0, 0, interval(0, 0, 0), {}, NOTHING, NOTHING, NOTHING),
                             interval(0, 0, 0), None, None, None, None)
            now["backends"]["new"]["share"]["sockets"] = 93
            events += [(1931, "guard", "main", "fail", "failed", "guard", reason),
                       (1930, "rollback", "main", 30, 0, "guard", reason),
                       (1929, "plan", "main", "holding 2", "rolled_back", "guard", reason)]
            events = [e for e in events if e[0] > 1900]
            weight_at = lambda ago: 0 if ago < 1930 else 30 if ago < held else 10  # noqa: E731
    if state == "idle":
        begin = 7200
    else:
        begin = DAY
    return now, judged, [{"id": 700 + i, **event(*e)} for i, e in enumerate(events)], minutes(begin, weight_at)


def minutes(begin, weight_at):
    chance = random.Random(7)
    points = []
    for ago in range(begin, -1, -60):
        hour = datetime.fromtimestamp(time.time() - ago).hour
        total = int((1300 + 1100 * math.sin((hour - 8) / 24 * 2 * math.pi)) * chance.uniform(0.93, 1.07))
        weight = weight_at(ago)
        new = int(total * weight / 100 * chance.uniform(0.94, 1.06))
        points.append({"at": iso(ago), "weight": weight, "old": total - new, "new": new,
                       "old_errors": chance.randrange(4), "new_errors": chance.randrange(2) if new else 0})
    return {"every_s": 60, "points": points}


class StandIn:
    """Answers as the admin API does in one of the states."""

    def __init__(self, now, judged, events, history):
        answers = {"/v1/status": now, "/v1/compare": judged, "/v1/history": history, "/v1/events": {"events": events}}
        frames = (f"id: {events[-1]['id']}\nevent: status\ndata: {json.dumps(now)}\n\n",
                  f"event: compare\ndata: {json.dumps(judged)}\n\n")
        stopped = self.stopped = threading.Event()

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                path, _, query = self.path.partition("?")
                if "follow=1" in query:
                    self.send_response(200)
                    self.send_header("Content-Type", "text/event-stream")
                    self.send_header("Connection", "close")
                    self.end_headers()
                    while not stopped.is_set():
                        self.wfile.write("".join(frames).encode())
                        stopped.wait(1)
                    self.close_connection = True
                    return
                if path in FILES:
                    names, kind = FILES[path]
                    body = b"".join((CONTROL / "dashboard" / name).read_bytes() for name in names)
                else:
                    body, kind = json.dumps(answers[path]).encode(), "application/json"
                self.send_response(200)
                self.send_header("Content-Type", kind + "; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()


def take(chrome, folder, state, name, size, dark, scale=1):
    """Of the whole page, and of its first screen."""
    chrome.emulate(size, dark, scale)
    chrome.command("Emulation.setScrollbarsHidden", hidden=True)
    chrome.run("window.scrollTo(0, 0)")
    time.sleep(0.4)
    height = chrome.run("return document.documentElement.scrollHeight")
    if scale == 1:  # as far as both sides go
        bottom = chrome.run("return document.querySelector('.sides').getBoundingClientRect().bottom + 8")
        chrome.emulate((size[0], int(bottom)), dark, scale)
        time.sleep(0.4)
    chrome.picture(folder / f"{state}-{name}-first.png")
    chrome.emulate((size[0], height), dark, scale)
    time.sleep(0.4)
    chrome.picture(folder / f"{state}-{name}.png")
    wide = chrome.run("return document.documentElement.scrollWidth")
    if wide > size[0]:
        print(f"{state}-{name}: {wide} px wide, {size[0]} are there", file=sys.stderr)


def main(folder):
    from chrome import DESKTOP, PHONE, Chrome
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with Chrome() as chrome:
        for state in STATES:
            stand_in = StandIn(*scene(state))
            try:
                chrome.open(stand_in.url)
                chrome.wait("#sentence", "users on")
                chrome.wait("#events li")
                take(chrome, folder, state, "light", DESKTOP, False)
                take(chrome, folder, state, "dark", DESKTOP, True)
                take(chrome, folder, state, "phone", PHONE, state == "rolled_back", 2)
                for entry in chrome.complaints():
                    print(state, entry, file=sys.stderr)
            finally:
                chrome.open("about:blank")
                stand_in.stop()


if __name__ == "__main__":
    main(sys.argv[1])
