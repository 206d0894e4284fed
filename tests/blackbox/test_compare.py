"""Both sides next to each other, as GET /v1/compare has them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from api_schemas import COMPARE, fits
from cutover import Proxy
from wire import eventually

OLD, NEW = {"Cookie": "cutover=9000"}, {"Cookie": "cutover=0100"}


def user(number, side):
    """One of many: those of one bucket count as one who says the same again and again."""
    return {"Cookie": f"cutover={number + (9000 if side == 'old' else 100):04d}"}

# Everything is counted from the start, and looked at each second.
GUARD = {"window": "30s", "every": "1s", "warm_up": "0s", "min_requests": 50}
KINDS = ("connect", "tls", "timeout", "broken", "platform", "5xx")


def config(**more):
    return {"initial_weight": 50, "plan": {"guard": GUARD}, "outlier": {"consecutive_errors": 0},
            "routes": [{"name": "hooks", "path": "/hooks/", "pin": "new"},
                       {"name": "products", "path": "/products", "weight": 50, "plan": {
                           "steps": [{"weight": 60, "hold": "1h"}], "guard": {**GUARD, "max_error_rate": "2.5%"}}}],
            **more}


@pytest.fixture
def proxy(start, old, new):
    return start(Proxy, old, new, config())


def ask(proxy, **query):
    text = "&".join(f"{name}={value}" for name, value in query.items())
    answer = proxy.admin("GET", "/v1/compare" + (f"?{text}" if text else ""))
    assert answer.status == 200, answer
    return fits(answer.json(), COMPARE)


def sides(proxy, **query):
    backends = ask(proxy, **query)["backends"]
    return backends["old"], backends["new"]


def when_counted(proxy, side, requests, **query):
    """The side, once so many requests were counted; the sums are a moment late."""
    return eventually(lambda: (found := ask(proxy, **query)["backends"][side])["requests"] == requests and found, 5,
                      what=f"{requests} requests of {side}")


def test_before_any_request(proxy):
    found = ask(proxy)
    assert (found["route"], found["verdict"], found["cause"]) == ("main", "inconclusive", "no_evidence")
    assert found["reason"] and found["p95_ratio"] is None and found["p95_over_old_ms"] is None
    for side in found["backends"].values():
        assert side["requests"] == side["errors"] == 0 and side["first_byte_ms"] == {
            "p50": None, "p95": None, "p99": None, "count": 0}
    assert (found["backends"]["old"]["name"], found["backends"]["new"]["name"]) == ("railway", "lightsail")
    assert found["limits"] == {"min_requests": 50, "max_error_rate": 1, "error_rate_over_old": 0.5,
                               "p95_ratio": 2, "p95_over_old_ms": 200}


def test_each_side_has_its_own(proxy):
    for number in range(30):
        proxy.get("/", user(number, "old"))
    for number in range(20):
        proxy.get("/", user(number, "new"))
    for number in (3, 9, 17):
        proxy.get("/status/500", user(number, "new"))
    proxy.get("/status/503", user(21, "new"))
    for number, status in enumerate((401, 403, 404, 404, 413, 429, 400, 301)):
        proxy.get(f"/status/{status}", user(number, "old"))
    new = when_counted(proxy, "new", 24)
    old = when_counted(proxy, "old", 38)
    assert (new["errors"], new["errors_by_kind"]) == (4, {**dict.fromkeys(KINDS, 0), "5xx": 4})
    assert old["errors"] == 0 and old["shown"] == {"401": 1, "403": 1, "404": 2, "413": 1, "429": 1}
    rate = new["error_rate"]
    assert rate["value"] == pytest.approx(100 * 4 / 24, abs=0.001) and 0 < rate["lower"] < rate["value"] < rate["upper"]
    assert old["error_rate"]["value"] == 0 and old["error_rate"]["upper"] > 0, "zero of few is not zero"
    over = ask(proxy)["error_rate_over_old"]
    assert over["lower"] < over["value"] == pytest.approx(100 * 4 / 24, abs=0.001) and over["value"] < over["upper"]
    assert new["first_byte_ms"]["count"] == new["total_ms"]["count"] == 20, "an error is no fast answer"
    assert new["first_byte_ms"]["p50"] <= new["first_byte_ms"]["p95"] <= new["first_byte_ms"]["p99"]
    assert ask(proxy)["verdict"] == "inconclusive" and ask(proxy)["cause"] == "few_requests"
    assert ask(proxy)["requests_needed"] > 0


def test_what_is_not_alike_is_left_out(proxy):
    for _ in range(5):
        proxy.get("/hooks/x")
        proxy.get("/", {"X-Cutover-Backend": "new"})
        proxy.get("/products", NEW)
        proxy.get("/", OLD)
    when_counted(proxy, "old", 5)
    assert ask(proxy)["backends"]["new"]["requests"] == 0, "pins, testers and routes with a plan of their own"
    assert when_counted(proxy, "new", 5, route="products")["errors"] == 0
    assert ask(proxy, route="products")["backends"]["old"]["requests"] == 0
    assert ask(proxy, route="products")["limits"]["max_error_rate"] == 2.5


def test_errors_are_counted_before_failover_hides_them(start, old, new):
    proxy = start(Proxy, old, new, config(health={"interval": "1h", "timeout": "400ms"}))
    proxy.expect_broken = True
    new.kill()
    for _ in range(8):
        answer = proxy.get("/", NEW)
        assert (answer.status, answer.side) == (200, "old"), answer
    found = when_counted(proxy, "new", 8)
    assert found["errors_by_kind"]["connect"] == 8 and found["errors"] == 8 and found["failovers"] == 8
    assert found["first_byte_ms"]["count"] == 0
    assert ask(proxy)["backends"]["old"]["requests"] == 0, "those who had to come over say nothing about old"


def test_slowness_is_seen(proxy):
    def visit(number):
        proxy.get("/", user(number, "old"))
        proxy.get("/delay?ms=60", user(number, "new"))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(visit, range(300)))
    when_counted(proxy, "new", 300)
    found = ask(proxy)
    assert 50 < found["backends"]["new"]["first_byte_ms"]["p50"] < 110
    ratio, over = found["p95_ratio"], found["p95_over_old_ms"]
    assert 1 < ratio["lower"] <= ratio["value"] <= ratio["upper"] and ratio["value"] > 2
    assert 0 < over["lower"] <= over["value"] <= over["upper"] < 1000


def test_the_window_is_what_was_asked_for(proxy):
    for _ in range(10):
        proxy.get("/", OLD)
    when_counted(proxy, "old", 10)
    eventually(lambda: sides(proxy, window="1s")[0]["requests"] == 0, 6)
    assert sides(proxy)[0]["requests"] == 10 and sides(proxy, window="30s")[0]["requests"] == 10
    eventually(lambda: ask(proxy, window="1s")["window_s"] <= 2 < ask(proxy)["window_s"] <= 31, 5)


@pytest.mark.parametrize("query", ["window=0", "window=999ms", "window=31s", "window=5", "window=", "window=-5s",
                                   "window=1d", "window=5s&window=6s", "windows=5s", "window=5%73"])
def test_windows_that_cannot_be(proxy, query):
    answer = proxy.admin("GET", f"/v1/compare?{query}")
    assert answer.status == 400 and answer.code in ("bad_value", "unknown_field"), answer


def test_routes_that_are_not_compared(proxy):
    for route, status, code in (("nowhere", 404, "unknown_route"), ("hooks", 409, "no_plan"), ("", 404, "unknown_route")):
        answer = proxy.admin("GET", f"/v1/compare?route={route}")
        assert (answer.status, answer.code) == (status, code)
    assert proxy.admin("POST", "/v1/compare", {}).status == 405


def test_reading_changes_nothing(proxy):
    before = proxy.status()
    ask(proxy)
    ask(proxy, route="products", window="5s")
    after = proxy.status()
    assert (after["generation"], after["plan"]["state"]) == (before["generation"], "idle")


def test_a_change_of_weight_begins_anew(proxy):
    for _ in range(5):
        proxy.get("/", OLD)
    when_counted(proxy, "old", 5)
    proxy.weight(60)
    when_counted(proxy, "old", 0)
    proxy.get("/", OLD)
    when_counted(proxy, "old", 1)
