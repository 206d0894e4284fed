#!/usr/bin/env python3
"""Runs the fuzz targets: first all that is kept (found once, or made by hand), then new inputs for
a while.

    run.py BUILD [SECONDS]          all targets, 30 s each, two at a time
    run.py BUILD TARGET SECONDS     one of them; 0 seconds: only what is kept

BUILD holds the programs, and gets what they find: BUILD/found/ is what fails, to be mended and then
kept in regressions/; BUILD/corpus/ is what was of interest, and where the next run goes on.
"""

import concurrent.futures
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
AT_A_TIME = 2

# What is known of the bytes, and how many of them are worth it.
TARGETS = {
    "admin": ("admin.dict", 4096),
    "chunked": ("http.dict", 4096),
    "config": ("config.dict", 4096),
    "cookie": ("cookie.dict", 4096),
    "proxy": ("http.dict", 4096),
    "proxy_header": ("proxy_header.dict", 600),
    "request": ("http.dict", 4096),
    "response": ("http.dict", 4096),
}

LIMITS = ["-timeout=10", "-rss_limit_mb=1536"]
ENVIRONMENT = {
    **os.environ,
    "ASAN_OPTIONS": "detect_leaks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def shown(path):
    """As it would be typed, from where ./dev is."""
    try:
        return str(Path(path).resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def kept(target):
    """Regressions first."""
    for kind in ("regressions", "corpus"):
        yield from sorted((HERE / kind / target).glob("*"))


def run(program, arguments, log):
    with open(log, "wb") as out:
        return subprocess.run([str(program), *LIMITS, *map(str, arguments)],
                              stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                              env=ENVIRONMENT, check=False).returncode


def complain(target, program, status, log, culprit):
    """Why it failed, and how to see it again."""
    text = log.read_text(errors="replace")
    why = [line for line in text.splitlines()
           if re.search(r"check failed|ERROR: |SUMMARY: |runtime error|^\s+#\d+ .* (?:/|in )", line)]
    lines = [f"fuzz {target}: FAILED (status {status}; all of it is in {shown(log)})", *why[:25]]
    if culprit:
        lines += [f"  the input: {shown(culprit)}",
                  f"  to see it again: {shown(program)} {shown(culprit)}"]
    return False, "\n".join(lines)


def replay(target, program, folder):
    """None, or what to say of the first kept input that fails."""
    log = folder / f"{target}.replay.log"
    files = list(kept(target))
    status = run(program, files, log) if files else 0
    if status == 0:
        return None
    running = re.findall(r"^Running: (.*)$", log.read_text(errors="replace"), re.M)
    return complain(target, program, status, log, running[-1] if running else None)


def hunt(target, program, folder, seconds):
    """New inputs, from all that is kept and all that earlier runs thought of."""
    dictionary, most = TARGETS[target]
    log = folder / f"{target}.log"
    found = folder / "found"
    corpus = folder / "corpus" / target
    for path in (found, corpus):
        path.mkdir(parents=True, exist_ok=True)
    seeds = [HERE / kind / target for kind in ("corpus", "regressions")]
    arguments = [f"-max_total_time={seconds}", f"-max_len={most}", f"-dict={HERE / dictionary}",
                 f"-artifact_prefix={found}/{target}-", "-print_final_stats=1",
                 corpus, *[path for path in seeds if path.is_dir()]]
    status = run(program, arguments, log)
    text = log.read_text(errors="replace")
    if status != 0:
        written = re.findall(r"Test unit written to (.*)$", text, re.M)
        return complain(target, program, status, log, written[-1] if written else None)
    runs = int((re.findall(r"number_of_executed_units: (\d+)", text) or ["0"])[-1])
    return True, f"fuzz {target}: {runs} inputs in {seconds} s, nothing found"


def fuzz(target, build, seconds):
    program = build / f"fuzz_{target}"
    failure = replay(target, program, build)
    if failure:
        return failure
    if seconds == 0:
        return True, f"fuzz {target}: all that is kept passes"
    return hunt(target, program, build, seconds)


def main(arguments):
    if not 1 <= len(arguments) <= 3:
        print(__doc__)
        return 2
    build = Path(arguments[0]).resolve()
    rest = arguments[1:]
    seconds = rest.pop() if rest and rest[-1].isdigit() else "30"
    wanted = rest or sorted(TARGETS)
    if len(rest) > 1 or wanted[0] not in TARGETS:
        print(f"fuzz: TARGET is one of {', '.join(sorted(TARGETS))}; SECONDS is a number")
        return 2
    failed = False
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        jobs = [pool.submit(fuzz, target, build, int(seconds)) for target in wanted]
        for job in concurrent.futures.as_completed(jobs):
            good, text = job.result()
            failed |= not good
            print(text, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
