"""The rule: side = bucket < weight ? new : old. For strangers by draw, for known users by cookie."""

import collections

import pytest

from cutover import Proxy

WEIGHTS = [0, 1, 10, 30, 50, 70, 99, 100]


def strangers(proxy, count, connections=20):
    """How many of `count` cookie-less requests went to new, over many connections."""
    wires = [proxy.connect() for _ in range(connections)]
    sides = collections.Counter()
    for i in range(count):
        response = wires[i % connections].get("/")
        assert response.status == 200
        sides[response.side] += 1
    for wire in wires:
        wire.close()
    assert sum(sides.values()) == count and set(sides) <= {"old", "new"}
    return sides["new"]


@pytest.mark.parametrize("weight", WEIGHTS)
def test_of_1000_strangers_new_gets_its_share(start, old, new, weight):
    proxy = start(Proxy, old, new, {"initial_weight": weight, "workers": 4})
    got = strangers(proxy, 1000)
    if weight in (0, 100):
        assert got == 10 * weight
    else:
        assert abs(got - 10 * weight) <= 3


def test_the_share_follows_live_weights(start, old, new):
    proxy = start(Proxy, old, new, {"workers": 4})
    for weight in WEIGHTS + WEIGHTS[::-1]:
        proxy.weight(weight)
        got = strangers(proxy, 500)
        assert abs(got - 5 * weight) <= (0 if weight in (0, 100) else 3), weight


def test_weights_have_two_decimals(proxy):
    proxy.weight(0.25)
    assert proxy.status()["weight"] == 0.25
    assert 2 <= strangers(proxy, 2000) <= 8


def test_a_draw_sets_the_cookie_and_its_bucket_decides(proxy):
    proxy.weight(37)
    for _ in range(100):
        response = proxy.get("/")
        value = response.cookie()
        assert value is not None and len(value) == 4 and value.isdigit()
        assert response.side == ("new" if int(value) < 3700 else "old")
        again = proxy.get("/", {"Cookie": f"cutover={value}"})
        assert again.side == response.side
        assert again.cookie() is None, "the cookie is set once"


class Clients:
    """Cookie-keeping clients: cookies from draws at 50 %, so that both halves are there."""

    def __init__(self, proxy, count):
        self.cookies = []
        with proxy.connect() as wire:
            while len(self.cookies) < count:
                self.cookies.append(wire.get("/").cookie())

    def sides(self, proxy):
        with proxy.connect() as wire:
            return [wire.get("/", {"Cookie": f"cutover={c}"}).side for c in self.cookies]

    def expected(self, weight):
        return ["new" if int(c) < 100 * weight else "old" for c in self.cookies]


def test_500_clients_move_exactly_when_their_bucket_says_so(start, old, new):
    proxy = start(Proxy, old, new, {"initial_weight": 50})
    other = start(Proxy, old, new, {"initial_weight": 50})
    clients = Clients(proxy, 500)
    assert len(set(clients.cookies)) > 450, "buckets are spread"
    journey = []
    for weight in (10, 30, 70, 100, 30, 0):
        proxy.weight(weight)
        other.weight(weight)
        journey.append(clients.sides(proxy))
        assert journey[-1] == clients.expected(weight)
        assert clients.sides(other) == journey[-1], "a second process decides the same"
    ups, downs = journey[:4], journey[3:]
    for path in zip(*ups):
        assert sum(a != b for a, b in zip(path, path[1:])) <= 1, "at most one move going up"
    for path in zip(*downs):
        assert sum(a != b for a, b in zip(path, path[1:])) <= 1, "at most one move going down"
    assert set(journey[3]) == {"new"} and set(journey[5]) == {"old"}


def test_a_restart_moves_nobody(start, old, new):
    proxy = start(Proxy, old, new, {"initial_weight": 50})
    clients = Clients(proxy, 200)
    proxy.weight(30)
    before = clients.sides(proxy)
    proxy.stop()
    proxy.restart()
    assert proxy.status()["weight"] == 30
    assert clients.sides(proxy) == before == clients.expected(30)


def test_workers_share_one_draw_sequence(start, old, new):
    """Short runs on single connections: each sees 50 % only if all workers draw from one sequence."""
    proxy = start(Proxy, old, new, {"initial_weight": 10, "workers": 4})
    sides = collections.Counter(proxy.get("/").side for _ in range(200))
    assert abs(sides["new"] - 20) <= 3
