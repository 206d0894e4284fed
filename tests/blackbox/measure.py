"""What a proxy takes while something else goes on.

    with watched(proxy) as memory: ...        memory.peak KiB were added at the most, memory.fds descriptors
    asking = Every(0.1, lambda: ...)          on a thread of its own, every tenth of a second
    asking.stop(); asking.results, asking.slowest()
"""

import contextlib
import re
import threading
import time
from pathlib import Path


def memory_kib(proxy):
    """Proportional, and of its own making: its share of the libraries changes with who else uses them."""
    text = Path(f"/proc/{proxy.pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss_Anon:\s+(\d+)", text, re.M).group(1))


class Every:
    """Calls `act` every so many seconds; what it returned, what it raised, how long it took."""

    def __init__(self, seconds, act):
        self.seconds, self.act = seconds, act
        self.results, self.ms, self.errors = [], [], []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.over.wait(self.seconds):
            began = time.monotonic()
            try:
                self.results.append(self.act())
            except Exception as error:  # noqa: BLE001 - whatever it was, it is a failure
                self.errors.append(repr(error))
            self.ms.append((time.monotonic() - began) * 1000)

    def stop(self):
        self.over.set()
        self.thread.join(15)

    def slowest(self, share=0.99):
        return sorted(self.ms)[min(int(len(self.ms) * share), len(self.ms) - 1)]


@contextlib.contextmanager
def watched(proxy, every=0.1):
    before = memory_kib(proxy)
    watch = Every(every, lambda: (memory_kib(proxy) - before, proxy.fds()))
    watch.before = before
    try:
        yield watch
    finally:
        watch.stop()
        watch.results.append((memory_kib(proxy) - before, proxy.fds()))
        watch.peak = max(memory for memory, _ in watch.results)
        watch.fds = max(fds for _, fds in watch.results)
