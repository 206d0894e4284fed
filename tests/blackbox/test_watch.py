"""cutover watch in a terminal of its own, and where there is none."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time

import pytest

from cutover import BUILD, Process, Proxy, Recorder, cli, free_port, program
from terminal import Terminal
from wire import eventually

PLAN = {"steps": [{"weight": 10, "hold": "7d"}, {"weight": 100, "hold": "7d"}], "guard": {"warm_up": "1s"}}


@pytest.fixture
def planned(start, old, new):
    return start(Proxy, old, new, {"plan": PLAN})


@pytest.fixture
def watch_it(planned):
    """watch_it(**kwargs): a terminal with `cutover watch` in it, which has drawn."""
    made = []

    def begin(url=f"http://127.0.0.1:{planned.admin_port}", **kwargs):
        made.append(Terminal([program("cutover", BUILD), "watch", "--admin", url], **kwargs))
        made[-1].until(lambda: " % on new" in made[-1].screen.text(), "the first line")
        return made[-1]

    yield begin
    for terminal in made:
        terminal.stop()


def test_what_changes_is_seen_within_a_second_and_q_quits(planned, watch_it):
    watch = watch_it()
    text = watch.sees("0 % on new | plan of 2 steps not begun", "NEWEST EVENTS", "q quits")
    assert watch.screen.is_alternate and not watch.screen.has_cursor
    planned.admin("POST", "/v1/plan/start", {"reason": "week one"})
    begun = time.monotonic()
    text = watch.sees("10 % on new | step 1 of 2: holding", "(week one)", seconds=5)
    assert time.monotonic() - begun < 2.5
    assert "cutover plan advance --step 1" in text and "railway" in text and "P95" in text
    watch.press("x\r?")
    planned.weight(5)
    watch.sees("5 % on new | step 1 of 2: PAUSED | verdict inconclusive")
    planned.admin("POST", "/v1/rollback", {})
    text = watch.sees("0 % on new | step 1 of 2: ROLLED BACK")
    assert text.splitlines()[0] == "0 % on new | step 1 of 2: ROLLED BACK", "nothing is left of what was there"
    watch.press("q")
    assert watch.ends() == 0
    assert watch.is_restored()


def test_the_sides_are_those_of_the_main_weight_beside_a_route_with_a_plan(start, old, new):
    route = {"name": "products", "path": "/api/products", "weight": 0, "plan": PLAN}
    proxy = start(Proxy, old, new, {"plan": PLAN, "routes": [route]})
    proxy.weight(50)
    time.sleep(1.5)  # the warm-up
    for _ in range(20):
        assert proxy.get("/").status == 200
    watch = Terminal([program("cutover", BUILD), "watch", "--admin", f"http://127.0.0.1:{proxy.admin_port}"])
    try:
        watch.sees("products", "P95 last")
        time.sleep(6)  # the comparisons of both have come again
        text = watch.sees("too few requests on new")
        assert re.search(r"^old .* 0 % +[0-9.]+ ms$", text, re.M), text
    finally:
        watch.stop()


def children_of(watch):
    return open(f"/proc/{watch.child.pid}/task/{watch.child.pid}/children").read().split()


def state_of(pid):
    """T: stopped, Z: ended; empty: gone."""
    with contextlib.suppress(FileNotFoundError):
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    return ""


def sockets_of(pids):
    links = set()
    for pid in pids:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                links.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return {link for link in links if link.startswith("socket:")}


def test_it_is_live_by_a_stream_and_asks_nothing_twice(planned, watch_it):
    watch = watch_it()
    pids = children_of(watch)
    first = eventually(lambda: len(sockets_of(pids)) == 2 and sockets_of(pids), 5)
    for percent in (1, 2, 3):
        planned.weight(percent)
        watch.sees(f"{percent} % on new")
        time.sleep(0.5)
    assert sockets_of(pids) == first, "one connection for each stream, the same all the time"


@pytest.mark.parametrize("end", ["ctrl-c", signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_the_terminal_is_as_it_was_however_it_ends(watch_it, end):
    watch = watch_it()
    watch.sees("q quits")
    watch.press("\x03") if end == "ctrl-c" else watch.signal(end)
    assert watch.ends(3) == 0
    assert watch.is_restored(), watch.raw[-80:]


def test_it_can_be_stopped_and_taken_up_again(watch_it):
    watch = watch_it()
    watch.sees("q quits")
    watch.press("\x1a")
    watch.until(lambda: state_of(watch.child.pid) == "T", "that it stands", 3)
    assert watch.is_restored(), "the shell's terminal"
    watch.signal(signal.SIGCONT)
    watch.until(lambda: watch.screen.is_alternate, "the screen again", 3)
    watch.sees("q quits")
    watch.press("q")
    assert watch.ends() == 0 and watch.is_restored()


def test_it_follows_the_size_of_the_window(watch_it):
    watch = watch_it()
    took = []
    for rows, columns in ((50, 132), (10, 40), (3, 20), (1, 1), (24, 80)):
        drawn = watch.raw.count(b"\x1b[H")
        watch.until(lambda: watch.raw.count(b"\x1b[H") > drawn, "the next drawing")  # noqa: B023
        watch.resize(rows, columns)
        begun = time.monotonic()
        watch.signal(signal.SIGWINCH)
        watch.until(lambda: watch.screen.text().strip() != "", f"{rows} x {columns}")
        took.append(time.monotonic() - begun)
    assert min(took) < 0.5, "at once, and not with the next second"
    watch.sees("0 % on new", "q quits")


def test_it_goes_on_through_a_restart_of_the_proxy(planned, watch_it, start):
    planned.weight(20)
    watch = watch_it()
    watch.sees("20 % on new", "NEWEST EVENTS")
    planned.kill()
    watch.sees("NO ANSWER since", "20 % on new", "Connection refused")
    planned.restart()
    watch.misses("NO ANSWER")
    planned.weight(30)
    text = watch.sees("30 % on new", "20 % -> 30 %")
    assert text.count("20 % -> 30 %") == 1


def test_a_proxy_that_hangs_is_told(planned, watch_it):
    watch = watch_it()
    watch.sees("q quits")
    planned.process.signal(signal.SIGSTOP)
    try:
        watch.sees("NO ANSWER since", seconds=6)
        watch.press("q")
        assert watch.ends(2) == 0, "q is heard all the same"
    finally:
        planned.process.signal(signal.SIGCONT)


def test_colours_only_where_they_are_wanted(watch_it):
    watch = watch_it()
    watch.sees("q quits")
    assert watch.screen.colours
    plain = watch_it(env={"NO_COLOR": "1"})
    plain.sees("q quits")
    assert not plain.screen.colours


def test_a_dumb_terminal_gets_lines(watch_it):
    watch = watch_it(env={"TERM": "dumb"})
    watch.until(lambda: watch.screen.text().count("0 % on new") >= 2, "two lines")
    assert b"\x1b" not in watch.raw


def lines_of(proxy, *args):
    return Process([program("cutover", BUILD), "watch", *args, "--admin", f"http://127.0.0.1:{proxy.admin_port}"])


def test_without_a_terminal_a_line_for_each_change(planned, start):
    watch = lines_of(planned)
    try:
        eventually(lambda: len(watch.lines()) >= 2, 5)
        planned.weight(40)
        eventually(lambda: any(re.search(r"Z  40 % on new \| ", line) for line in watch.lines()), 3)
        eventually(lambda: any("weight    main  0 % -> 40 %" in line for line in watch.lines()), 3)
        planned.kill()
        eventually(lambda: any("NO ANSWER: " in line for line in watch.lines()), 5)
        planned.restart()
        eventually(lambda: "40 % on new" in watch.lines()[-1], 8)
        assert all(line.isascii() and "\x1b" not in line for line in watch.lines())
    finally:
        assert watch.end(3) == 0
    assert watch.err == []


def test_with_json_an_object_a_line(planned):
    watch = lines_of(planned, "--json")
    try:
        eventually(lambda: sum('"status"' in line for line in watch.lines()) >= 2
                   and any('"compare"' in line for line in watch.lines())
                   and any('"event"' in line for line in watch.lines()), 8)
    finally:
        assert watch.end(3) == 0
    for line in watch.lines():
        item = json.loads(line)
        assert len(item) == 2 and "at" in item and set(item) < {"at", "status", "compare", "event", "trouble"}
    assert json.loads(next(x for x in watch.lines() if '"status"' in x))["status"]["plan"]["steps"] == 2


def test_it_ends_when_nobody_reads_any_more(planned):
    watch = subprocess.Popen([program("cutover", BUILD), "watch", "--admin",
                              f"http://127.0.0.1:{planned.admin_port}"], stdout=subprocess.PIPE,
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert watch.stdout.readline()
    watch.stdout.close()
    assert watch.wait(5) == 0
    assert watch.stderr.read() == b""
    watch.stderr.close()


def test_no_process_is_left_behind(watch_it):
    watch = watch_it()
    watch.sees("q quits")
    children = children_of(watch)
    assert len(children) == 2
    for pid in children:
        os.kill(int(pid), signal.SIGINT)  # as the keyboard sends it to all
    time.sleep(0.3)
    assert watch.running
    watch.child.kill()
    watch.child.wait()
    eventually(lambda: all(state_of(pid) in ("", "Z") for pid in children), 5)


def test_wrong_from_the_start_is_told_at_once(planned, tmp_path):
    nobody = f"http://127.0.0.1:{free_port()}"
    done = cli("watch", "--admin", nobody)
    assert done.returncode == 1 and "Is cutover running?" in done.stderr and done.stdout == ""
    assert cli("watch", "--follow").returncode == 2


class Refusing(Recorder):
    """An admin API that knows no stream of the status, as older ones."""

    def __init__(self, status):
        self.paths = []

        def answer(head, _):
            path = head.split()[1].decode()
            self.paths.append(path)
            if path == "/v1/status":
                return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(status), status)
            return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"

        super().__init__(answer)


def test_where_there_is_no_stream_it_asks_every_second(planned, watch_it, start):
    older = start(Refusing, json.dumps(planned.status()).encode())
    watch = watch_it(older.url)
    watch.sees("0 % on new")
    watch.until(lambda: older.paths.count("/v1/status") >= 4, "polls", 8)
    assert older.paths.count("/v1/status?follow=1") == 1
    assert "NO ANSWER" not in watch.screen.text()
    watch.press("q")
    assert watch.ends() == 0
