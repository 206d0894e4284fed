"""The audit on disk: what was done, and what was refused, is there after any end."""

import contextlib
import json
import os
import random
import resource
import time

import pytest

from api_schemas import EVENT, fits
from cutover import Proxy
from wire import eventually


def journal(proxy, part=""):
    return proxy.folder / f"state.json.events{part}"


def lines(proxy, part=""):
    return [json.loads(line) for line in journal(proxy, part).read_text().splitlines()]


def events(proxy, limit=1000):
    return proxy.admin("GET", f"/v1/events?limit={limit}").json()["events"]


def deeds(proxy):
    return [e for e in events(proxy) if e["what"] not in ("health", "eject", "addresses")]


def test_it_is_there_after_a_restart(proxy):
    proxy.admin("PUT", "/v1/weight", {"weight": 12.5, "reason": 'with "quotes", ümlaut and \\'}, {"X-Actor": "ann"})
    proxy.admin("PUT", "/v1/weight", {"weight": 20, "route": "nowhere"})
    before = events(proxy)
    assert [fits(line, EVENT) for line in lines(proxy)] == before
    proxy.stop()
    proxy.restart()
    after = events(proxy)
    assert after[:len(before)] == before
    assert [e["id"] for e in after] == list(range(1, len(after) + 1)), "ids go on"
    proxy.weight(13)
    assert deeds(proxy)[-1]["id"] > before[-1]["id"]
    assert journal(proxy).stat().st_mode & 0o777 == 0o600


def test_it_is_there_after_kill_9(proxy):
    told = random.Random(5)
    for turn in range(1, 6):
        for weight in range(told.randrange(1, 8)):
            proxy.weight(weight, reason=f"turn {turn}, {weight}")
        last = deeds(proxy)[-1]
        proxy.kill()
        proxy.restart()
        after = events(proxy)
        assert last in after and [e["id"] for e in after] == list(range(1, len(after) + 1))
    assert len([e for e in deeds(proxy) if e["reason"].startswith("turn")]) == \
        sum(1 for line in lines(proxy) if line["reason"].startswith("turn"))


def test_a_last_line_that_was_cut_short_is_dropped_and_told(proxy):
    proxy.weight(10)
    proxy.kill()
    whole = journal(proxy).read_bytes()
    journal(proxy).write_bytes(whole + b'{"id":99,"at":"2026-11-')
    proxy.restart()
    assert journal(proxy).read_bytes().startswith(whole + b'{"id":')
    assert [e["id"] for e in events(proxy)] == list(range(1, len(events(proxy)) + 1))
    [line] = proxy.logs("the last line of the audit was cut short, and is dropped")
    assert line["bytes"] == 23


def test_lines_that_are_nothing_are_skipped(proxy):
    proxy.weight(10, reason="first")
    proxy.stop()
    with journal(proxy).open("ab") as file:
        file.write(b'\0\0\0\0\n{"id":"x"}\nnot json at all\n')
    with journal(proxy).open("ab") as file:
        file.write(json.dumps({**events_of(journal(proxy))[-1], "id": 50, "reason": "fifty"}).encode() + b"\n")
    proxy.restart()
    kept = deeds(proxy)
    assert [e["reason"] for e in kept] == ["first", "fifty"]
    assert proxy.logs("lines of the audit are damaged, and skipped")[0]["lines"] == 3
    assert proxy.weight(11).status == 200 and deeds(proxy)[-1]["id"] > 50


def events_of(path):
    found = []
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return [e for e in found if isinstance(e.get("id"), int)]


def test_an_unreadable_one_stops_nobody(proxy):
    proxy.weight(10)
    proxy.stop()
    journal(proxy).write_bytes(b"\x7fELF not ours\n" * 100)
    proxy.restart()
    assert proxy.status()["weight"] == 10 and proxy.status()["audit_durable"]
    assert journal(proxy, ".bad").read_bytes().startswith(b"\x7fELF")
    assert proxy.logs("the audit on disk was put aside, a new one begins")
    proxy.weight(11, reason="after")
    assert deeds(proxy)[-1] in lines(proxy)


@pytest.mark.parametrize("what", ["link", "folder", "fifo"])
def test_a_name_that_is_taken(proxy, what, tmp_path):
    proxy.stop()
    journal(proxy).unlink()
    other = tmp_path / "other"
    other.write_text("precious\n")
    {"link": lambda p: p.symlink_to(other), "folder": lambda p: p.mkdir(), "fifo": os.mkfifo}[what](journal(proxy))
    proxy.restart()
    assert proxy.weight(20, reason="in memory").status == 200
    status = proxy.status()
    assert status["weight"] == 20 and not status["audit_durable"] and status["durable"]
    assert any("the audit is not on disk" in warning for warning in status["warnings"])
    assert deeds(proxy)[-1]["reason"] == "in memory"
    assert other.read_text() == "precious\n"
    journal(proxy).rmdir() if what == "folder" else journal(proxy).unlink()
    eventually(lambda: proxy.status()["audit_durable"], 5)
    proxy.base_fds += 1  # the journal's own
    assert proxy.status()["warnings"] == []
    assert [e["reason"] for e in lines(proxy) if e["what"] == "weight"] == ["in memory"], "appended later, in order"
    assert [e["id"] for e in lines(proxy)] == [e["id"] for e in events(proxy)]


def test_a_full_disk_loses_no_event_and_a_rollback_works(proxy):
    proxy.weight(50)
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    began = time.monotonic()
    answer = proxy.admin("POST", "/v1/rollback", {"reason": "disk is full"})
    assert answer.status == 200 and not answer.json()["rollback"]["durable"] and time.monotonic() - began < 1
    assert proxy.status()["weight"] == 0 and not proxy.status()["audit_durable"]
    assert deeds(proxy)[-1]["reason"] == "disk is full"
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    eventually(lambda: proxy.status()["audit_durable"] and proxy.status()["durable"], 5)
    assert [e["id"] for e in lines(proxy)] == [e["id"] for e in events(proxy)]
    assert proxy.logs("the audit is on disk again")


def test_files_are_renewed_and_the_newest_come_back(proxy):
    """A journal near its end: the next events open a new file, and none is lost."""
    proxy.weight(10, reason="a real one")
    proxy.stop()
    [real] = [e for e in lines(proxy) if e["what"] == "weight"]
    made = [{**real, "id": number, "reason": f"number {number} " + "x" * 150} for number in range(100, 6000)]
    text = "".join(json.dumps(e, separators=(",", ":")) + "\n" for e in made)
    journal(proxy).write_text(text[:1024 * 1024 - 600].rsplit("\n", 1)[0] + "\n")
    last = lines(proxy)[-1]["id"]
    assert journal(proxy).stat().st_size > 1024 * 1024 - 1200
    proxy.restart()
    for weight in range(1, 8):
        proxy.weight(weight, reason="fills it")
    assert [e["id"] for e in lines(proxy, ".1")][-1] >= last
    ids = [e["id"] for e in lines(proxy, ".1")] + [e["id"] for e in lines(proxy)]
    assert ids == list(range(100, ids[-1] + 1))
    proxy.kill()
    proxy.restart()
    kept = events(proxy)
    assert len(kept) >= 1000 - 10 and kept[0]["id"] > 100 and [e["reason"] for e in kept].count("fills it") == 7


def test_one_that_was_removed_is_made_anew(proxy):
    proxy.weight(10)
    journal(proxy).unlink()
    proxy.weight(11, reason="the next")
    assert [e["reason"] for e in lines(proxy)] == ["the next"]
    assert proxy.status()["audit_durable"]


def test_refusals_that_repeat_push_nothing_out(proxy):
    proxy.weight(10, reason="a real one")
    for _ in range(300):
        assert proxy.admin("PUT", "/v1/weight", {"weight": 30, "route": "nowhere"}).status == 404
    for _ in range(300):
        assert proxy.admin("PUT", "/v1/weight", {"wieght": 30}).status == 400
    seen = deeds(proxy)
    assert [e["reason"] for e in seen if e["result"] == "ok"] == ["a real one"]
    assert [e["result"] for e in seen[1:3]] == ["unknown_route", "unknown_field"] and len(seen) <= 8
    told = [e for e in proxy.logs("event") if e["result"] == "unknown_route"]
    assert len(told) >= 300, "the log has each"


@pytest.mark.slow
def test_repeated_refusals_are_counted(proxy):
    for _ in range(5):
        proxy.admin("PUT", "/v1/weight", {"weight": 30, "route": "nowhere"})
    found = eventually(lambda: [e for e in deeds(proxy) if "more times" in e["reason"]], 15, every=0.5)
    assert found[0]["reason"].startswith("(4 more times in 1") and found[0]["result"] == "unknown_route"
