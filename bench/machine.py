"""What run.py starts and what /proc says of it."""
import os
import re
import socket
import subprocess


class Failed(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Children:
    """Everything started here; ended by pid, whatever happens."""

    def __init__(self):
        self.running = []

    def start(self, argv, core, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=None):
        """`env`: variables besides those of this process."""
        pin = None if core is None else (lambda: os.sched_setaffinity(0, {core}))
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                                 preexec_fn=pin, env={**os.environ, **(env or {})})
        self.running.append(child)
        return child

    def stop(self, child):
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.running.remove(child)

    def stop_all(self):
        for child in list(reversed(self.running)):
            self.stop(child)


def tree(pid):
    """A process and all below it."""
    pids = [pid]
    for p in pids:
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/children") as f:
                    pids.extend(int(c) for c in f.read().split())
        except OSError:
            pass
    return pids


def cpu_ns(pid):
    total = 0
    for p in tree(pid):
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/schedstat") as f:
                    total += int(f.read().split()[0])
        except OSError:
            pass  # a helper process that just ended
    return total


def memory_kib(pid):
    rss = pss = 0
    for p in tree(pid):
        try:
            with open(f"/proc/{p}/smaps_rollup") as f:
                text = f.read()
        except OSError:
            continue
        rss += int(re.search(r"^Rss:\s+(\d+)", text, re.M).group(1))
        pss += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
    return rss, pss
