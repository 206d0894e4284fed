"""Where a bucket comes from, what overrides it, and what the cookie looks like."""

import base64
import json
import time

import pytest

from cutover import Proxy


def jwt(**claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part(claims)}.c2ln"


def reason_of(proxy, path):
    return proxy.access(path=path)[-1]["reason"]


# --- the chain

@pytest.mark.parametrize("identity, request_of", [
    ("header:X-User", lambda who: ("/", {"X-User": who})),
    ("jwt:sub", lambda who: ("/", {"Authorization": f"Bearer {jwt(sub=who)}"})),
    ("query:user", lambda who: (f"/?a=1&user={who}&b=2", {})),
])
def test_the_same_value_gives_the_same_side_everywhere(start, old, new, identity, request_of):
    config = {"initial_weight": 50, "sticky": {"identity": [identity]}}
    first, second = start(Proxy, old, new, config), start(Proxy, old, new, config)
    sides = {}
    for i in range(60):
        path, headers = request_of(f"user{i}")
        response = first.get(path, headers)
        assert response.cookie() is None, "no cookie when it is not in the chain"
        sides[i] = response.side
        assert first.get(path, headers).side == sides[i]
        assert second.get(path, headers).side == sides[i]
    assert 15 <= sum(side == "new" for side in sides.values()) <= 45


def test_the_bucket_of_an_identity_follows_the_one_rule(start, old, new):
    proxy = start(Proxy, old, new, {"sticky": {"identity": ["header:X-User"]}})
    moved_at = {}
    for weight in (0, 20, 40, 60, 80, 100):
        proxy.weight(weight)
        for i in range(30):
            if proxy.get("/", {"X-User": f"u{i}"}).side == "new":
                moved_at.setdefault(i, weight)
            else:
                assert i not in moved_at, "nobody goes back while the weight rises"
    assert len(moved_at) == 30 and len(set(moved_at.values())) >= 4


def test_the_chain_takes_the_first_that_is_there(start, old, new):
    proxy = start(Proxy, old, new, {"initial_weight": 50,
                                    "sticky": {"identity": ["cookie", "header:X-User", "address"]}})
    headers = {"X-User": "ann"}
    by_header = proxy.get("/h", headers).side
    assert reason_of(proxy, "/h") == "identity"
    other = "9999" if by_header == "new" else "0000"
    assert proxy.get("/c", {**headers, "Cookie": f"cutover={other}"}).side != by_header
    assert reason_of(proxy, "/c") == "cookie"
    sides = {proxy.get("/a").side for _ in range(10)}
    assert len(sides) == 1, "the address decides, and it is the same"
    assert reason_of(proxy, "/a") == "identity"


@pytest.mark.parametrize("authorization", [
    "", "Bearer", "Bearer x", "Bearer a.b.c", "Bearer " + "a" * 9000, "Basic dXNlcjpwYXNz",
    "Bearer " + jwt(other=1), "Bearer " + jwt(sub={"nested": 1}), "Bearer .eyJzdWIiOiJ4In0.",
])
def test_a_token_that_says_nothing_is_absent(start, old, new, authorization):
    proxy = start(Proxy, old, new, {"initial_weight": 50, "sticky": {"identity": ["jwt:sub", "cookie"]}})
    response = proxy.get("/", {"Authorization": authorization})
    assert response.status == 200
    if ".eyJzdWIi" not in authorization:
        assert response.cookie() is not None, "drawn"


def test_addresses_decide_behind_a_trusted_proxy(start, old, new):
    proxy = start(Proxy, old, new, {"initial_weight": 50, "sticky": {"identity": ["address"]},
                                    "forwarded": {"trust": ["127.0.0.0/8"]}})
    sides = {}
    for i in range(40):
        address = f"203.0.113.{i}"
        sides[i] = proxy.get("/", {"X-Forwarded-For": address}).side
        assert proxy.get("/", {"X-Forwarded-For": f"6.6.6.6, {address}"}).side == sides[i]
    assert set(sides.values()) == {"old", "new"}
    same_net = {proxy.get("/", {"X-Forwarded-For": f"2001:db8:1:2::{i:x}"}).side for i in range(1, 9)}
    assert len(same_net) == 1, "one /64, one bucket"


# --- the cookie

@pytest.mark.parametrize("value", [
    "", "1", "123", "12345", "abcd", "-001", "+001", "00 1", "0x10", "0427x", "0427on", "new", "old",
    "٠٤٢٧".encode().decode("latin-1"), "9" * 4000, "%30%34%32%37",
])
def test_a_cookie_that_is_not_four_digits_is_absent(start, old, new, value):
    proxy = start(Proxy, old, new, {"initial_weight": 50})
    response = proxy.get("/", {"Cookie": f"cutover={value}"})
    assert response.status == 200
    assert response.cookie() is not None and response.cookie().isdigit()


def test_the_cookie_is_found_among_others(proxy):
    proxy.weight(50)
    for cookies in ("a=1; cutover=0000; b=2", "cutover=0000", 'x="y"; cutover=0000', "a=1;cutover=0000",
                    "cutover=0000; cutover=9999", "cutoverx=9999; cutover=0000", "; ;cutover=0000;"):
        response = proxy.get("/", {"Cookie": cookies})
        assert (response.side, response.cookie()) == ("new", None), cookies
    assert proxy.request("GET", "/", [("Cookie", "a=1"), ("Cookie", "cutover=0000")]).side == "new"
    assert proxy.get("/", {"Cookie": "Cutover=0000"}).cookie() is not None, "case matters"


def test_our_cookie_does_not_reach_backends(proxy):
    def cookies(headers):
        seen = proxy.request("GET", "/echo", headers).json()["headers"]
        return [value for name, value in seen if name.lower() == "cookie"]

    assert cookies([("Cookie", "a=1; cutover=0427; b=2")]) == ["a=1; b=2"]
    assert cookies([("Cookie", "cutover=0427")]) == []
    assert cookies([("Cookie", "cutoverx=1; xcutover=2")]) == ["cutoverx=1; xcutover=2"]
    assert cookies([("Cookie", "a=1"), ("Cookie", "cutover=0427"), ("Cookie", "b=2")]) == ["a=1", "b=2"]


def test_cookie_attributes(start, old, new):
    proxy = start(Proxy, old, new)
    parts = [p.strip() for p in proxy.get("/").header("Set-Cookie").split(";")]
    assert parts[0].startswith("cutover=")
    assert {p.lower() for p in parts[1:]} == {"path=/", "max-age=2592000", "httponly", "samesite=lax"}

    custom = start(Proxy, old, new, {"sticky": {
        "cookie": "side", "max_age": "1h", "domain": "example.org", "path": "/app",
        "same_site": "none", "secure": True}})
    parts = [p.strip() for p in custom.get("/").header("Set-Cookie").split(";")]
    assert parts[0].startswith("side=")
    assert {p.lower() for p in parts[1:]} == {"path=/app", "max-age=3600", "domain=example.org",
                                              "httponly", "samesite=none", "secure"}


def test_the_application_keeps_its_own_cookies(proxy):
    response = proxy.get("/cookies")
    own = [value for value in response.all("Set-Cookie") if not value.startswith("cutover=")]
    assert own == ["session=one; Path=/; HttpOnly",
                   "theme=dark; Expires=Wed, 09 Jun 2100 10:18:14 GMT; Path=/"]
    assert response.cookie() is not None


# --- override

def test_testers_choose_their_side(proxy):
    assert proxy.get("/o", {"X-Cutover-Backend": "new"}).side == "new"
    assert reason_of(proxy, "/o") == "override"
    proxy.weight(100)
    response = proxy.get("/", {"X-Cutover-Backend": "old"})
    assert (response.side, response.cookie()) == ("old", None)
    assert proxy.get("/", {"X-Cutover-Backend": "Old!"}).side == "new", "anything else is ignored"
    seen = proxy.get("/echo", {"X-Cutover-Backend": "old"}).json()["headers"]
    assert "x-cutover-backend" not in [name.lower() for name, _ in seen]


def test_an_override_with_a_secret(start, old, new, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret-of-testers\n")
    secret.chmod(0o600)
    proxy = start(Proxy, old, new, {"override": {"header": "X-Side", "secret_file": str(secret)}})
    assert proxy.get("/", {"X-Side": "new s3cret-of-testers"}).side == "new"
    for wrong in ("new", "new wrong", "new s3cret-of-tester", "new s3cret-of-testersx", "new  "):
        assert proxy.get("/", {"X-Side": wrong}).side == "old", wrong
    assert proxy.get("/", {"X-Cutover-Backend": "new"}).side == "old"


# --- routes

ROUTES = {"routes": [
    {"name": "hooks", "path": "/webhooks/", "methods": ["POST"], "pin": "old"},
    {"name": "beta", "path": "/beta", "pin": "new"},
    {"name": "products", "path": "/api/products", "weight": 100},
    {"name": "main_too", "path": "/api"},
]}


def test_pins_and_weights_of_routes(start, old, new):
    proxy = start(Proxy, old, new, {**ROUTES, "initial_weight": 0})
    assert proxy.get("/beta").side == "new"
    assert proxy.get("/beta/x?y=1").side == "new"
    assert proxy.get("/betamax").side == "old", "whole segments"
    assert proxy.get("/api/products").side == "new"
    assert proxy.get("/api/other").side == "old"
    proxy.weight(100)
    assert proxy.request("POST", "/webhooks/stripe", body=b"x").side == "old"
    assert reason_of(proxy, "/webhooks/stripe") == "pin"
    assert proxy.get("/webhooks/stripe").side == "new", "the pin is for POST"
    assert proxy.get("/api/other").side == "new"
    proxy.weight(0, route="products")
    assert proxy.get("/api/products").side == "old"
    routes = {route["name"]: route for route in proxy.status()["routes"]}
    assert routes["hooks"]["pin"] == "old" and routes["products"]["weight"] == 0


def test_routes_do_not_hide_behind_spelling(start, old, new):
    """What a backend would take for the pinned path must follow the pin, or be plainly another."""
    proxy = start(Proxy, old, new, {**ROUTES, "initial_weight": 0})
    for path in ("/beta/", "/beta?x", "http://test/beta"):
        assert proxy.get(path, {"Host": "test"}).side == "new", path


def test_a_route_change_says_what_is_wrong(start, old, new):
    proxy = start(Proxy, old, new, ROUTES)
    for route, status, code in (("nope", 404, "unknown_route"), ("hooks", 409, "route_pinned"),
                                ("main_too", 409, "route_follows_main")):
        answer = proxy.admin("PUT", "/v1/weight", {"weight": 5, "route": route})
        assert (answer.status, answer.code) == (status, code)


# --- keep

def test_keep_on_raise_leaves_the_placed_where_they_are(start, old, new):
    proxy = start(Proxy, old, new, {"initial_weight": 10, "sticky": {"on_raise": "keep"}})
    placed = []
    for _ in range(40):
        response = proxy.get("/")
        assert response.cookie()[4] == response.side[0], "the cookie carries the side"
        placed.append((response.cookie(), response.side))
    proxy.weight(90)
    for cookie, side in placed:
        assert proxy.get("/", {"Cookie": f"cutover={cookie}"}).side == side
    assert sum(proxy.get("/").side == "new" for _ in range(40)) >= 30, "strangers follow the weight"
    proxy.weight(5)
    for cookie, side in placed:
        expected = "new" if int(cookie[:4]) < 500 else "old"
        assert proxy.get("/", {"Cookie": f"cutover={cookie}"}).side == expected, "lowering still moves"


def test_0_and_100_are_absolute_and_win_over_keep(start, old, new):
    proxy = start(Proxy, old, new, {"initial_weight": 50,
                                    "sticky": {"on_raise": "keep", "on_lower": "keep"}})
    cookies = ["0100o", "0100n", "9000o", "9000n"]

    def sides():
        return [proxy.get("/", {"Cookie": f"cutover={c}"}).side for c in cookies]

    assert sides() == ["old", "new", "old", "new"]
    proxy.weight(0)
    assert sides() == ["old"] * 4
    proxy.weight(100)
    assert sides() == ["new"] * 4


# --- failover does not re-place

def test_failover_leaves_the_cookie_alone(start, old, new):
    proxy = start(Proxy, old, new, {"initial_weight": 50})
    assert proxy.get("/", {"Cookie": "cutover=0001"}).side == "new"
    new.kill()
    for _ in range(3):
        response = proxy.get("/f", {"Cookie": "cutover=0001"})
        assert (response.side, response.cookie()) == ("old", None)
    assert reason_of(proxy, "/f") == "failover"
    new.start()
    proxy.wait_health("new", "up")
    deadline = time.monotonic() + 15
    while proxy.get("/", {"Cookie": "cutover=0001"}).side != "new":
        assert time.monotonic() < deadline
        time.sleep(0.2)
