"""The page at / of the admin port, in a real browser, and what keeps others away from it."""

import contextlib
import http.client
import json
import re
import socket
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import screenshots
from chrome import PHONE, Chrome
from cutover import Proxy
from wire import eventually

PLAN = {"plan": {"advance": "manual", "steps": [{"weight": 10, "hold": "1h"}, {"weight": 100, "hold": "1h"}],
                 "guard": {"window": "10s", "every": "1s", "min_requests": 20, "warm_up": "0s"}}}
ROUTES = {"routes": [
    {"name": "hooks", "path": "/hooks/", "pin": "new"},
    {"name": "products", "path": "/products", "weight": 30,
     "plan": {"steps": [{"weight": 40, "hold": "1h"}]}}]}
BROWSER_KEEPS = 6  # connections to one server, for half a minute after it has left
TOKEN = "a-token-of-twenty-and-more-letters"


@contextlib.contextmanager
def asking(proxy, method, path, body=None, headers=None):
    """The answer's head; its body may have no end."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.admin_port, timeout=10)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    try:
        yield response
    finally:
        response.close()
        connection.close()


@pytest.fixture(scope="module")
def browser():
    with Chrome() as chrome:
        yield chrome


class Page:
    """The dashboard of a proxy. `allowed`: statuses that the test brings about on purpose."""

    def __init__(self, chrome, proxy):
        self.chrome, self.proxy = chrome, proxy
        self.origin = f"http://127.0.0.1:{proxy.admin_port}"
        self.allowed = []

    def open(self):
        self.chrome.open(self.origin + "/")
        return self

    def confirm(self, reason=None, actor=None):
        """Whatever the dialog asks."""
        if reason:
            self.chrome.type("#reason", reason)
        if actor:
            self.chrome.type("#actor", actor)
        self.chrome.click("#ask-yes")
        self.chrome.wait_gone("#ask")

    def order(self, name, reason=None, route="main"):
        self.chrome.click(f'[data-do="{name}"][data-route="{route}"]')
        self.confirm(reason)

    def plan(self):
        plan = self.proxy.status()["plan"]
        return plan["state"], plan["step"]

    def last_event(self, what):
        events = self.proxy.admin("GET", "/v1/events").json()["events"]
        return [event for event in events if event["what"] == what][-1]


@pytest.fixture
def visit(browser):
    """visit(proxy): its page. After the test the console must be empty, and nobody but the proxy
    may have been asked for anything."""
    pages = []
    browser.requests()
    browser.seen.clear()
    browser.complaints()
    browser.emulate((1200, 900))

    def make(proxy):
        proxy.base_fds += BROWSER_KEEPS
        pages.append(Page(browser, proxy))
        return pages[-1].open()

    yield make
    allowed = [status for page in pages for status in page.allowed]
    assert browser.complaints(allowed) == []
    origins = {page.origin for page in pages}
    strangers = [url for url in browser.requests() if "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(url)) not in origins]
    assert strangers == []
    if pages:
        browser.run("sessionStorage.clear(); localStorage.clear()")
    browser.open("about:blank")


# --- the buttons

def test_the_plan_is_walked_with_the_buttons(start, old, new, visit):
    proxy = start(Proxy, old, new, PLAN)
    page = visit(proxy)
    chrome = page.chrome
    chrome.wait("#sentence", "All users on railway. The plan has not begun.")
    assert not chrome.visible('[data-do="advance"]'), "only what is possible now"

    chrome.click('[data-do="start"]')
    chrome.wait("#ask-body", "Step 1 of 2: 10 % of users on lightsail (now 0 %), held for 1 h.")
    assert page.plan() == ("idle", 0), "nothing before it is confirmed"
    page.confirm("first tenth", actor="Ann Müller")
    chrome.wait("#sentence", "10 % of users on lightsail. Holding step 1 of 2")
    assert page.plan() == ("holding", 1) and proxy.status()["weight"] == 10
    event = page.last_event("plan")
    assert (event["actor"], event["reason"]) == ("Ann Muller", "first tenth")
    chrome.wait("#events", "first tenth by Ann Muller")

    chrome.click('[data-do="pause"]')
    chrome.wait("#ask-body", "The weight stays at 10 %.")
    assert not chrome.visible("#actor"), "the name is asked for once"
    page.confirm("lunch")
    chrome.wait("#sentence", "Paused in step 1 of 2.")
    assert page.plan() == ("paused", 1)
    page.order("resume")
    chrome.wait("#sentence", "Holding step 1 of 2")
    assert page.plan() == ("holding", 1)
    page.order("advance")
    chrome.wait("#sentence", "All users on lightsail. Soaking, step 2 of 2")
    assert page.plan() == ("soaking", 2) and proxy.status()["weight"] == 100
    page.order("finish")
    chrome.wait("#sentence", "The plan is finished.")
    assert page.plan() == ("finished", 2)


def test_a_plan_is_aborted_and_one_of_a_route_walked(start, old, new, visit):
    proxy = start(Proxy, old, new, {**PLAN, **ROUTES})
    page = visit(proxy)
    page.order("start", "on its own", route="products")
    eventually(lambda: proxy.status()["routes"][1]["weight"] == 40)
    assert page.plan() == ("idle", 0), "the main plan is another one"
    page.order("start")
    page.chrome.wait("#sentence", "Holding step 1 of 2")
    page.order("abort")
    page.chrome.wait("#sentence", "10 % of users on lightsail. The plan has not begun.")
    assert page.plan()[0] == "idle" and proxy.status()["weight"] == 10


def test_who_is_late_is_told_where_the_plan_is(start, old, new, visit):
    proxy = start(Proxy, old, new, PLAN)
    page = visit(proxy)
    page.chrome.click('[data-do="start"]')
    assert proxy.admin("POST", "/v1/plan/start", {}).status == 200, "somebody else was faster"
    page.allowed.append(409)
    page.chrome.click("#ask-yes")
    page.chrome.wait("#ask-error", "step")
    assert page.last_event("plan")["result"] == "plan_elsewhere"
    page.chrome.click("#ask-no")
    page.chrome.wait("#sentence", "Holding step 1 of 2")


def test_the_weight_is_set_after_showing_what_moves(proxy, visit):
    page = visit(proxy)
    chrome = page.chrome
    chrome.type("#weight", "130")
    chrome.click("#weight-set")
    chrome.wait("#weight-error", "from 0 to 100")
    chrome.type("#weight", "30")
    chrome.click("#weight-set")
    chrome.wait("#ask-body", "0 % → 30 %: 30 % of users move to lightsail.")
    assert proxy.status()["weight"] == 0
    page.confirm("a third")
    chrome.wait("#sentence", "30 % of users on lightsail. No plan")
    assert proxy.status()["weight"] == 30 and page.last_event("weight")["reason"] == "a third"
    assert page.last_event("weight")["actor"] == "127.0.0.1", "no name was given"


def test_rollback_says_what_it_will_do_and_does_it(start, old, new, visit):
    proxy = start(Proxy, old, new, {**PLAN, **ROUTES, "initial_weight": 50})
    page = visit(proxy)
    chrome = page.chrome
    chrome.click("#rollback")
    for words in ("The main weight falls from 50 % to 0 %: all users go to railway.",
                  "The weight of products falls from 30 % to 0 %.",
                  "Pinned to new, and staying there: hooks.", "railway is ready to take them."):
        chrome.wait("#ask-body", words)
    chrome.click("#ask-no")
    assert proxy.status()["weight"] == 50
    chrome.click("#rollback")
    page.confirm("checkout is slow")
    chrome.wait("#sentence", "All users on railway.")
    status = proxy.status()
    assert status["weight"] == 0 and status["routes"][1]["weight"] == 0
    assert page.last_event("rollback")["reason"] == "checkout is slow"


def test_rollback_to_a_dead_side_is_refused_first_and_forced_second(start, old, new, visit):
    proxy = start(Proxy, old, new, {"initial_weight": 50})
    old.stop()
    proxy.wait_health("old", "down")
    page = visit(proxy)
    chrome = page.chrome
    chrome.wait("#return", "Rollback not ready")
    chrome.click("#rollback")
    chrome.wait("#ask-body", "railway is NOT ready")
    assert not chrome.visible("#ask-force")
    page.allowed.append(409)
    chrome.click("#ask-yes")
    chrome.wait("#ask-error")
    assert proxy.status()["weight"] == 50 and not chrome.visible("#ask-yes")
    chrome.click("#ask-force")
    chrome.wait_gone("#ask")
    assert proxy.status()["weight"] == 0
    old.start()
    proxy.wait_health("old", "up")


def test_writes_are_frozen_and_go_on(start, old, new, visit):
    proxy = start(Proxy, old, new, ROUTES)
    page = visit(proxy)
    chrome = page.chrome
    chrome.click("#freeze")
    chrome.type("#ask-after", "77")
    chrome.click("#ask-route-2")
    page.confirm("copying the database")
    chrome.wait("#notices", "Writes are frozen")
    chrome.wait("#notices", "products")
    assert proxy.status()["freeze"] | {"since": 0} == {
        "on": True, "since": 0, "retry_after_s": 77, "routes": ["products"], "writes_open": 0}
    response = proxy.request("POST", "/products", body=b"x")
    assert (response.status, response.header("Retry-After")) == (503, "77")
    assert proxy.request("POST", "/", body=b"x").status == 200
    chrome.click("#freeze")
    page.confirm()
    chrome.wait("#freeze", "Freeze writes")
    assert proxy.status()["freeze"]["on"] is False
    assert not chrome.visible("#notices")


def test_it_works_with_the_keyboard_alone(start, old, new, visit):
    proxy = start(Proxy, old, new, {"initial_weight": 20})
    chrome = visit(proxy).chrome
    chrome.wait("#rollback")

    def key(name, code):
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if name == "Enter" and kind == "keyDown" else {}
            chrome.command("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **text)

    def focused():
        return chrome.run("return document.activeElement.id")

    key("Tab", 9)
    key("Tab", 9)
    assert focused() == "rollback"
    key("Enter", 13)
    chrome.wait("#ask")
    assert focused() in ("actor", "reason"), "the focus is in the dialog"
    key("Escape", 27)
    chrome.wait_gone("#ask")
    assert focused() == "rollback" and proxy.status()["weight"] == 20
    unnamed = chrome.run("""return [...document.querySelectorAll("button, input")].filter(node =>
        node.checkVisibility() && !(node.innerText || node.textContent || (node.labels && node.labels.length > 0))).map(node => node.outerHTML)""")
    assert unnamed == []


# --- what it shows

def test_both_sides_events_and_the_share_are_live(start, old, new, visit):
    proxy = start(Proxy, old, new, PLAN)
    proxy.weight(50, reason="half")
    page = visit(proxy)
    chrome = page.chrome
    for i in range(40):
        proxy.get("/" if i else "/status/500", {"Cookie": f"cutover={i * 250:04d}"})
    chrome.wait("#legend-new-now", "50 % of the last minute's requests")
    chrome.wait("#sides", "5xx 1", timeout=12)
    chrome.wait("#chart-text", "requests went to lightsail")
    chrome.wait("#servers", "up")
    chrome.wait("#events", "half")
    proxy.weight(60, reason="a bit more", route="main")
    chrome.wait("#events", "a bit more")
    chrome.wait("#sentence", "60 % of users")
    chrome.click("#chart-plan")
    chrome.wait("#chart-text", "The weight is 60 %.")
    new.stop()
    chrome.wait("#notices", "lightsail (new) is down, and has users.")
    chrome.wait("#mood-text", "Not well")
    new.start()
    proxy.wait_health("new", "up")


def test_it_says_when_the_numbers_are_old_and_comes_back_by_itself(proxy, visit):
    page = visit(proxy)
    chrome = page.chrome
    chrome.wait("#live-text", "live")
    proxy.stop()
    chrome.wait("#live-text", "no connection since 4 s", timeout=8)
    chrome.wait("#said", "The numbers are old")
    chrome.wait("#mood-text", "When it was last heard of")
    proxy.restart()
    proxy.base_fds += BROWSER_KEEPS
    proxy.weight(25)
    chrome.wait("#live-text", "live", timeout=8)
    chrome.wait("#sentence", "25 % of users")
    chrome.click("#rollback")
    page.confirm()
    assert proxy.status()["weight"] == 0
    refused = [entry for entry in chrome.complaints() if "ERR_CONNECTION_REFUSED" not in entry["message"] and
               "ERR_INCOMPLETE_CHUNKED" not in entry["message"] and "ERR_CONNECTION_RESET" not in entry["message"]]
    assert refused == []


HOSTILE = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=2</script>"
UNHARMED = "return window.hacked === undefined && document.scripts.length === 1 && !document.querySelector('img, svg:not([role])')"


def test_hostile_texts_stay_texts(proxy, visit):
    actor = "'\"><svg onload=hacked=3>"
    assert proxy.admin("PUT", "/v1/weight", {"weight": 40, "reason": HOSTILE}, {"X-Actor": actor}).status == 200
    proxy.admin("PUT", "/v1/weight", {"weight": 40, "route": HOSTILE[:60]}, {"X-Actor": actor})
    page = visit(proxy)
    chrome = page.chrome
    chrome.wait("#events", f"{HOSTILE} by {actor}")
    chrome.wait("#events", "refused: unknown_route")
    chrome.type("#weight", "35")
    chrome.click("#weight-set")
    page.confirm(HOSTILE + "</dialog>", actor=actor)
    chrome.wait("#events", "</dialog>")
    chrome.wait("#who", f"You act as {actor}")
    assert page.last_event("weight")["reason"] == HOSTILE + "</dialog>"
    assert chrome.run(UNHARMED)


def test_names_that_no_configuration_allows_stay_texts_too(start, browser):
    """Even if the proxy said such things, and without the Content-Security-Policy."""

    def poisoned(value):
        if isinstance(value, dict):
            return {key: poisoned(item) for key, item in value.items()}
        if isinstance(value, list):
            return [poisoned(item) for item in value]
        plain = not isinstance(value, str) or value in ("up", "holding", "soaking", "manual", "auto", "ready", "fail", "main") or re.match(r"20\d\d-", value)
        return value if plain else HOSTILE

    status, compare, events, history = screenshots.scene("failing")
    status |= {"warnings": ["x"], "rollback_ready": False, "rollback_not_ready_reason": "x"}
    stand_in = start(screenshots.StandIn, {**poisoned(status), "warnings": ["!" + HOSTILE]}, poisoned(compare), poisoned(events), history)
    browser.open(stand_in.url)
    for place in ("#sentence", "#notices", "#verdict", "#sides", "#servers", "#routes", "#events", "#way", "#return"):
        browser.wait(place, HOSTILE)
    for opener in ("#rollback", "#freeze", '[data-do="pause"]', '[data-do="weight"]'):
        browser.click(opener)
        browser.click("#ask-no")
    assert browser.run(UNHARMED)
    assert browser.complaints() == []
    browser.open("about:blank")


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_all_of_it(start, old, new, visit, dark):
    proxy = start(Proxy, old, new, {**PLAN, "routes": [
        {"name": "a-route-with-a-name-without-an-end"[:32], "path": "/products", "weight": 30}]})
    chrome = visit(proxy).chrome
    chrome.emulate(PHONE, dark)
    chrome.wait("#sentence")
    assert chrome.run("return document.documentElement.scrollWidth") == PHONE[0]
    box = chrome.run("const box = document.querySelector('#rollback').getBoundingClientRect(); return [box.top, box.bottom, box.width]")
    assert box[1] <= PHONE[1] and box[0] > PHONE[1] - 80 and box[2] > 300, "the button is at the bottom, always"
    chrome.click("#rollback")
    assert chrome.run("return document.querySelector('#ask').getBoundingClientRect().right") <= PHONE[0]
    chrome.click("#ask-no")


def test_the_pictures_are_made_of_answers_like_the_real_ones(start, old, new):
    proxy = start(Proxy, old, new, {**PLAN, **ROUTES})
    status, compare, events, history = screenshots.scene("failing")
    real = proxy.status()

    def lacks(wanted, there, path=""):
        if there is None:
            return []
        if isinstance(wanted, dict):
            return [f"{path}/{key}" for key in wanted if key not in there] + [
                found for key in wanted if key in there for found in lacks(wanted[key], there[key], f"{path}/{key}")]
        if isinstance(wanted, list) and wanted and there:
            return lacks(wanted[0], there[0], path + "[0]")
        return []

    assert lacks(status, real) == []
    assert lacks(compare, proxy.admin("GET", "/v1/compare").json()) in ([], ["/p95_ratio"])
    assert lacks(events[0], proxy.admin("GET", "/v1/events").json()["events"][0]) == []
    eventually(lambda: proxy.admin("GET", "/v1/history").json()["points"])
    assert lacks(history, proxy.admin("GET", "/v1/history").json()) == []


# --- the token

@pytest.fixture
def guarded(start, old, new, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    return start(Proxy, old, new, {"admin": {"token_file": str(tmp_path / "token")}})


def test_the_token_is_asked_for_and_kept_in_the_tab(guarded, visit):
    page = visit(guarded)
    chrome = page.chrome
    page.allowed.append(401)
    chrome.wait("#login")
    assert not chrome.visible("#login-error") and not chrome.visible("#rollback")
    assert chrome.run("return document.querySelector('#token').type") == "password"
    chrome.type("#token", "wrong-token-of-twenty-letters\n")
    chrome.wait("#login-error", "not the one that the proxy has")
    chrome.type("#token", TOKEN + "\n")
    chrome.wait("#sentence", "All users on railway")
    chrome.type("#weight", "15")
    chrome.click("#weight-set")
    page.confirm()
    chrome.wait("#sentence", "15 % of users")
    page.open()
    chrome.wait("#sentence", "15 % of users")
    assert TOKEN not in "".join(chrome.requests()) + chrome.run("return document.cookie + JSON.stringify({...localStorage})")
    assert TOKEN not in guarded.output()
    chrome.click("#forget")
    chrome.wait("#login")


def test_the_files_need_no_token_and_hold_no_data(guarded):
    for path, kind in (("/", "text/html"), ("/dashboard.css", "text/css"), ("/dashboard.js", "text/javascript")):
        answer = guarded.admin("GET", path, headers={"Authorization": None})
        assert answer.status == 200 and answer.headers["Content-Type"].startswith(kind)
        assert "railway" not in answer.text.lower() and TOKEN not in answer.text
        for name, value in (("X-Frame-Options", "DENY"), ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"),
                            ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Resource-Policy", "same-origin"),
                            ("Cross-Origin-Opener-Policy", "same-origin")):
            assert answer.headers[name] == value, (path, name)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';")
        assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert guarded.admin("HEAD", path, headers={"Authorization": None}).status == 200
    for path in ("/v1/status", "/v1/status?follow=1", "/v1/history", "/v1/compare", "/dashboard.jss", "//"):
        assert guarded.admin("GET", path, headers={"Authorization": None}).status == 401, path
    assert guarded.admin("POST", "/", headers={"Authorization": None}).status == 405


# --- other people's pages

CALLS = [("POST", "/v1/rollback"), ("POST", "/v1/plan/advance"), ("POST", "/v1/plan/start"), ("POST", "/v1/freeze"),
         ("PUT", "/v1/weight"), ("POST", "/v1/reload")]
READS = ("/v1/status", "/v1/status?follow=1", "/v1/events?follow=1", "/v1/history", "/metrics", "/dashboard.js")


@pytest.mark.parametrize("headers", [
    {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"}, {"Host": "evil.example"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}],
    ids=lambda headers: " ".join(f"{name}:{value}" for name, value in headers.items()))
def test_a_request_that_another_page_made_is_refused(proxy, headers):
    proxy.weight(50)
    tries = [(method, path, body) for method, path in CALLS for body in (None, b"", b"{}")]
    tries += [("GET", path, None) for path in READS]

    def attempt(call):
        with asking(proxy, *call, {"Content-Type": "text/plain", **headers}) as response:
            return response.status, response.getheader("Access-Control-Allow-Origin")

    with ThreadPoolExecutor(8) as pool:  # each refusal takes a quarter of a second
        assert dict(zip(tries, pool.map(attempt, tries))) == dict.fromkeys(tries, (403, None))
    assert proxy.status()["weight"] == 50


def test_a_link_may_lead_to_the_page_and_to_nothing_else(proxy):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert proxy.admin("GET", "/", headers=link).status == 200
    assert proxy.admin("GET", "/v1/status", headers=link).status == 403
    assert proxy.admin("GET", "/", headers={**link, "Sec-Fetch-Dest": "iframe"}).status == 403
    assert proxy.admin("GET", "/", headers={**link, "Origin": "http://evil.example"}).status == 403
    assert proxy.admin("GET", "/", headers={**link, "Host": "evil.example"}).status == 403
    typed = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert proxy.admin("GET", "/v1/status", headers=typed).status == 200


class Stranger:
    """A page of another origin that tries all that a page can try."""

    PAGE = """<!doctype html><title>stranger</title><body><script>
    const admin = "%s", out = {};
    const done = [];
    for (const [method, path] of [["POST", "/v1/rollback"], ["POST", "/v1/plan/advance"], ["POST", "/v1/freeze"]]) {
      for (const mode of ["cors", "no-cors"]) {
        done.push(fetch(admin + path, {method, mode}).then(r => { out[path + mode] = r.type + r.status; }, () => {}));
        done.push(fetch(admin + path, {method, mode, body: "{}"}).then(r => { out[path + mode] = r.type + r.status; }, () => {}));
      }
    }
    done.push(fetch(admin + "/v1/status").then(r => r.text()).then(t => { out.status = t; }, () => { out.status = "no"; }));
    done.push(fetch(admin + "/v1/weight", {method: "PUT", headers: {"Content-Type": "application/json"}, body: '{"weight":1}'})
      .then(() => { out.put = "sent"; }, () => { out.put = "no"; }));
    const beacon = navigator.sendBeacon(admin + "/v1/rollback");
    const frame = document.createElement("iframe");
    frame.name = "f";
    document.body.append(frame);
    for (const path of ["/v1/rollback", "/v1/plan/advance"]) {
      const form = document.createElement("form");
      Object.assign(form, {action: admin + path, method: "post", target: "f", enctype: "text/plain"});
      document.body.append(form);
      form.submit();
    }
    const page = document.createElement("iframe");
    page.src = admin + "/";
    document.body.append(page);
    const script = document.createElement("script");
    script.onload = () => { out.script = "ran"; };
    script.src = admin + "/dashboard.js";
    document.body.append(script);
    Promise.all(done).then(() => setTimeout(() => { window.out = out; }, 700));
    </script>"""

    def __init__(self, admin):
        body = (self.PAGE % admin).encode()

        class Answer(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "evil.test"])
def test_another_page_in_the_same_browser_can_do_nothing(start, old, new, browser, host):
    proxy = start(Proxy, old, new, PLAN)
    assert proxy.admin("POST", "/v1/plan/start", {}).status == 200
    proxy.base_fds += BROWSER_KEEPS
    stranger = start(Stranger, f"http://127.0.0.1:{proxy.admin_port}")
    browser.open(f"http://{host}:{stranger.port}/")
    out = eventually(lambda: browser.run("return window.out"), 15)
    assert out.pop("status") == "no" and out.pop("put") == "no"
    assert set(out.values()) <= {"opaque0"}, "an answer could be read"
    status = proxy.status()
    assert (status["weight"], status["plan"]["step"], status["plan"]["state"]) == (10, 1, "holding")
    assert status["freeze"]["on"] is False
    refused = [line for line in proxy.logs("admin call refused") if line["path"] in ("/v1/rollback", "/v1/plan/advance")]
    assert len(refused) >= 6, "they came as far as the gate"
    browser.complaints()
    browser.open("about:blank")


def test_a_name_that_was_pointed_here_shows_nothing(proxy, browser):
    """DNS rebinding: the same address, port and server under a stranger's name."""
    proxy.base_fds += BROWSER_KEEPS
    url = f"http://evil.test:{proxy.admin_port}"
    browser.open(url + "/")
    assert "forbidden" in browser.run("return document.body.innerText")
    text = browser.run("return fetch('/v1/status').then(r => r.status + ' ' + r.type)")
    assert text.startswith("403")
    browser.complaints()
    browser.open("about:blank")


# --- the stream

def following(proxy, path="/v1/status?follow=1"):
    return asking(proxy, "GET", path)


def frame(response):
    """The next one: event, data, id."""
    fields = {}
    while True:
        line = response.readline().decode()
        assert line, "the stream ended"
        if line == "\n" and "data" in fields:
            return fields.get("event"), json.loads(fields["data"]), fields.get("id")
        name, colon, value = line.rstrip("\n").partition(":")
        if name and colon:
            fields[name] = value.removeprefix(" ")


def test_the_status_is_followed(proxy):
    with following(proxy) as response:
        assert response.status == 200 and response.getheader("Content-Type") == "text/event-stream"
        event, status, first = frame(response)
        assert event == "status" and status["weight"] == 0
        event, compare, _ = frame(response)
        assert event == "compare" and compare["route"] == "main"
        proxy.weight(33, reason="now")
        began = time.monotonic()
        while status["weight"] != 33:
            event, data, newest = frame(response)
            status = data if event == "status" else status
        assert time.monotonic() - began < 0.7, "at once"
        assert int(newest) > int(first), "it says that there are new events"
        kinds = [frame(response)[0] for _ in range(6)]
        assert kinds.count("status") == 5 and kinds.count("compare") == 1, "one a second, one in five"
        assert set(status) == set(proxy.status()), "the very answer of GET /v1/status"


def test_followers_are_limited_and_those_who_do_not_read_are_let_go(proxy):
    sockets = []
    for _ in range(64):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", proxy.admin_port))
        sock.sendall(b"GET /v1/status?follow=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert sock.recv(17) == b"HTTP/1.1 200 OK\r\n"
        sockets.append(sock)
    for path in ("/v1/status?follow=1", "/v1/events?follow=1"):
        with following(proxy, path) as response:
            assert response.status == 503 and b'"busy"' in response.read(), "both kinds together"
    assert proxy.status()["weight"] == 0
    for sock in sockets[1:]:
        sock.close()
    with following(proxy) as response:
        assert frame(response)[0] == "status"
    sockets[0].close()


def test_what_is_followed_and_asked_for_is_checked(proxy):
    for path in ("/v1/status?follow=x", "/v1/status?folow=1", "/v1/history?last=x", "/v1/history?first=1"):
        assert proxy.admin("GET", path).status == 400, path
    assert proxy.admin("GET", "/v1/status?follow=0").json()["weight"] == 0
    assert proxy.admin("HEAD", "/v1/status?follow=1").status == 200


def test_the_history_counts_what_happened(proxy):
    proxy.weight(50)
    for bucket in range(0, 10000, 500):
        proxy.get("/", {"Cookie": f"cutover={bucket:04d}"})
    proxy.get("/status/503", {"Cookie": "cutover=0001"})

    def newest():
        points = proxy.admin("GET", "/v1/history").json()["points"]
        return {key: points[-1][key] for key in points[-1] if key != "at"} if points else {}

    eventually(lambda: newest() == {"weight": 50, "old": 10, "new": 11, "old_errors": 0, "new_errors": 1}, 5, 0.1)
