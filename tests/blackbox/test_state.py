"""What operators decided survives restarts, crashes and full disks."""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cutover import Proxy, eventually


def state_file(proxy):
    return Path(proxy.config["state_file"])


def test_the_state_wins_over_initial_weight(start, old, new):
    proxy = start(Proxy, old, new, {"initial_weight": 5, "routes": [
        {"name": "products", "path": "/products", "weight": 10}]})
    assert proxy.status()["weight"] == 5
    proxy.weight(30, reason="kept")
    proxy.weight(55, route="products")
    proxy.admin("PATCH", "/v1/backends/new", {"admin": "drain"})
    proxy.stop()
    proxy.restart()
    status = proxy.status()
    assert status["weight"] == 30
    assert status["routes"][0]["weight"] == 55
    assert status["backends"]["new"]["admin"] == "drain"
    eventually(lambda: any("state file" in x["message"] for x in proxy.logs()), 3,
               what="the log says which one won")


def test_a_crash_loses_nothing_that_was_answered(start, old, new):
    proxy = start(Proxy, old, new)
    proxy.weight(42)
    proxy.kill()
    proxy.restart()
    assert proxy.status()["weight"] == 42


@pytest.mark.slow
def test_kill_9_at_any_moment_of_a_change(start, old, new):
    """After the restart the weight is the one answered last or the one under way, never another."""
    proxy = start(Proxy, old, new, release=True)
    dice = random.Random(7)
    weight = 0
    for _ in range(30):
        sent = {"answered": weight, "under_way": weight}

        def change(first, sent=sent):
            with contextlib.suppress(Exception):
                for value in range(first, first + 1000):
                    sent["under_way"] = value % 101
                    if proxy.admin("PUT", "/v1/weight", {"weight": value % 101}).status == 200:
                        sent["answered"] = value % 101

        changer = threading.Thread(target=change, args=(weight + 1,))
        changer.start()
        time.sleep(dice.uniform(0.005, 0.06))
        proxy.kill()
        changer.join(10)
        proxy.restart()
        weight = proxy.status()["weight"]
        assert weight in (sent["answered"], sent["under_way"])


@pytest.mark.parametrize("damage", [
    b"", b"{", b"\0" * 200, b'{"weight":1}\n', b'{"version":1}\n0000000000000000\n', None])
def test_a_damaged_state_falls_back_to_the_previous_copy(start, old, new, damage):
    proxy = start(Proxy, old, new)
    proxy.weight(20)
    proxy.weight(30)
    proxy.kill()
    path = state_file(proxy)
    whole = path.read_bytes()
    path.write_bytes(damage if damage is not None else whole[:30] + bytes([whole[30] ^ 1]) + whole[31:])
    proxy.restart()
    assert proxy.status()["weight"] in (20, 30), "the copy before, or the same"
    eventually(lambda: [x for x in proxy.logs() if x["level"] in ("warn", "error")], 3,
               what="the log warns")


def test_both_copies_bad_refuses_to_start(start, old, new):
    proxy = start(Proxy, old, new, {"initial_weight": 5})
    proxy.weight(20)
    proxy.weight(30)
    proxy.kill()
    path = state_file(proxy)
    previous = Path(f"{path}.prev")
    assert previous.exists()
    path.write_bytes(b"garbage")
    previous.write_bytes(b"garbage")
    proxy.restart(wait=False)
    assert proxy.process.wait(5) == 1
    said = proxy.output()
    assert str(path) in said and "--reset-state" in said
    proxy.restart(args=["--reset-state"])
    assert proxy.status()["weight"] == 5
    proxy.weight(6)
    proxy.stop()
    proxy.restart()
    assert proxy.status()["weight"] == 6


def test_reset_state_does_not_throw_a_good_state_away(start, old, new):
    proxy = start(Proxy, old, new)
    proxy.weight(20)
    proxy.stop()
    proxy.restart(args=["--reset-state"])
    assert proxy.status()["weight"] == 20


def test_a_second_process_on_the_same_state_refuses(start, old, new):
    first = start(Proxy, old, new)
    second = start(Proxy, old, new, {"state_file": str(state_file(first))}, wait=False)
    assert second.process.wait(5) == 1
    assert str(state_file(first)) in second.output()
    first.weight(10)
    first.kill()
    second.restart()
    assert second.status()["weight"] == 10


def test_the_file_is_not_for_others(proxy):
    proxy.weight(10)
    assert state_file(proxy).stat().st_mode & 0o077 in (0, 0o040)


def test_a_state_folder_that_cannot_be_had(start, old, new, tmp_path):
    (tmp_path / "file").write_text("x")
    proxy = start(Proxy, old, new, {"state_file": str(tmp_path / "file" / "state.json")}, wait=False)
    assert proxy.process.wait(5) == 1
    assert "state.json" in proxy.output()


# --- the disk does not take it

def check_unwritable(proxy, heal):
    """A weight change is refused and not applied; a rollback is applied and said not to be durable."""
    generation = proxy.status()["generation"]
    answer = proxy.admin("PUT", "/v1/weight", {"weight": 60})
    assert (answer.status, answer.code) == (500, "state_not_saved")
    assert (proxy.status()["weight"], proxy.status()["generation"]) == (40, generation)
    assert proxy.get("/").status == 200
    answer = proxy.admin("POST", "/v1/rollback", {"reason": "disk or not"})
    assert answer.status == 200 and '"durable":false' in answer.text.replace(" ", "")
    assert proxy.status()["weight"] == 0
    assert '"durable":false' in json.dumps(proxy.status()).replace(" ", "")
    assert {proxy.get("/").side for _ in range(10)} == {"old"}
    heal()
    eventually(lambda: '"durable":false' not in json.dumps(proxy.status()).replace(" ", ""), 6,
               what="durable once the disk takes it")
    assert proxy.admin("PUT", "/v1/weight", {"weight": 10}).status == 200
    proxy.kill()
    proxy.restart()
    assert proxy.status()["weight"] == 10


@contextlib.contextmanager
def small_disk(folder):
    """A file system of 64 KiB, where this user may mount one."""
    folder.mkdir()
    mount = shutil.which("mount") or "/bin/mount"
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "cutover-test", str(folder)],
                      capture_output=True, check=False).returncode:
        pytest.skip("may not mount here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def test_a_full_disk(start, old, new, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        proxy = start(Proxy, old, new, {"state_file": str(disk / "state.json")})
        proxy.weight(40)
        filler = fill(disk)
        check_unwritable(proxy, filler.unlink)
        proxy.stop()


def test_a_folder_that_turned_read_only(start, old, new):
    proxy = start(Proxy, old, new)
    proxy.weight(40)

    def lock(on):
        if os.geteuid() == 0:  # for whom modes do not count
            return subprocess.run(["chattr", "+i" if on else "-i", str(proxy.folder)],
                                  capture_output=True, check=False).returncode == 0
        proxy.folder.chmod(0o555 if on else 0o755)
        return True

    try:
        if not lock(True):
            pytest.skip("this file system has no immutable folders")
        check_unwritable(proxy, lambda: lock(False))
    finally:
        lock(False)


def test_a_file_size_limit(start, old, new):
    """As a full disk, where nothing may be mounted."""
    proxy = start(Proxy, old, new, restore_signals=False)  # SIGXFSZ stays ignored
    proxy.weight(40)
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    check_unwritable(proxy, lambda: resource.prlimit(
        proxy.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))


def test_a_folder_that_is_gone(start, old, new, tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    proxy = start(Proxy, old, new, {"state_file": str(folder / "state.json")})
    proxy.weight(40)
    shutil.rmtree(folder)
    answer = proxy.admin("PUT", "/v1/weight", {"weight": 60})
    if answer.status == 200:
        assert (folder / "state.json").exists()
    else:
        assert (answer.status, proxy.status()["weight"]) == (500, 40)
        folder.mkdir(exist_ok=True)
    assert proxy.process.running


def test_no_half_written_files_are_left(proxy):
    for weight in range(20):
        proxy.weight(weight)
    names = {path.name for path in state_file(proxy).parent.iterdir() if path.name.startswith("state")}
    assert names <= {"state.json", "state.json.prev", "state.json.lock", "state.json.events"}


def test_an_odd_name_in_the_way_of_the_new_file(start, old, new):
    """A link where the new file goes must not lead the write elsewhere."""
    proxy = start(Proxy, old, new)
    proxy.weight(1)
    victim = proxy.folder / "victim"
    victim.write_text("precious")
    before = set(os.listdir(proxy.folder))
    for suffix in (".tmp", ".new"):
        with contextlib.suppress(OSError):
            os.symlink(victim, f"{state_file(proxy)}{suffix}")
    proxy.admin("PUT", "/v1/weight", {"weight": 2})
    assert victim.read_text() == "precious"
    for name in set(os.listdir(proxy.folder)) - before:
        (proxy.folder / name).unlink()
    proxy.process.signal(signal.SIGUSR1)
