#!/usr/bin/env python3
"""What a request costs: cutover, nginx, HAProxy and a bare relay, side by side in one run.

Each proxy has one worker, pinned to one core; the load (wrk, or bench-tls-load for new TLS
connections) and the two origins share another. Rounds are interleaved and their order rotates, so
that drift of the machine hits all alike. CPU is read from /proc/PID/task/*/schedstat (nanoseconds
on the core), summed over the proxy's processes and divided by the requests that the load counted.
See README.md for how to read the table.
"""
import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import proxies as setups
from machine import Children, Failed, cpu_ns, memory_kib
from tls import NAME, Tls, check_same

COOKIE = "cutover=0427; SRV=new"  # placed already: nobody has to set a cookie
PLAIN = {
    "small": {"path": "/"},
    "small-log": {"path": "/", "log": True},
    "64k": {"path": "/bytes/65536"},
    "idle": {"path": "/", "idle": True},
}
WITH_TLS = {
    "tls-small": {"path": "/", "tls": True},
    "tls-64k": {"path": "/bytes/65536", "tls": True},
    "tls-handshake": {"path": "/", "tls": True, "new": "full"},
    "tls-resume": {"path": "/", "tls": True, "new": "resume"},
    "tls-idle": {"path": "/", "tls": True, "idle": True},
    "upstream-tls": {"path": "/", "upstream_tls": True},
}
SCENARIOS = {**PLAIN, **WITH_TLS}
GROUPS = {"plain": list(PLAIN), "tls": list(WITH_TLS)}


# --- load ----------------------------------------------------------------------------------------

def to_ms(text):
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


def parse_wrk(text):
    count = re.search(r"(\d+) requests in", text)
    if not count or int(count.group(1)) == 0:
        raise Failed("wrk counted no requests:\n" + text)
    errors = sum(int(n) for line in re.findall(r"Socket errors:.*", text)
                 for n in re.findall(r"\d+", line))
    errors += sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", text))
    return {
        "requests": int(count.group(1)),
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)),
        "p50_ms": to_ms(re.search(r"^\s+50%\s+(\S+)", text, re.M).group(1)),
        "p99_ms": to_ms(re.search(r"^\s+99%\s+(\S+)", text, re.M).group(1)),
        "errors": errors,
    }


def load_wrk(proxy, path, seconds, args):
    url = f"{'https' if proxy['tls'] else 'http'}://127.0.0.1:{proxy['port']}{path}"
    return ["-t1", f"-c{args.connections}", f"-d{seconds}s", "--latency", "-H", f"Cookie: {COOKIE}",
            url]


def load_new(proxy, path, seconds, kind):
    """New connections, one request on each; `kind` of handshake: full or resume."""
    return [*(["--resume"] if kind == "resume" else []), "--seconds", str(seconds), "--name", NAME,
            "--path", path, "--header", f"Cookie: {COOKIE}", f"127.0.0.1:{proxy['port']}"]


def parse_new(text, proxy):
    said, _, words = text.partition("\n")
    try:
        got = json.loads(said)
    except json.JSONDecodeError:
        raise Failed("bench-tls-load said:\n" + text) from None
    if got["connections"] == 0:
        raise Failed(f"{proxy['name']}: no connection came about: {words}")
    return {"requests": got["connections"], "rate": got["connections"] / got["seconds"],
            "p50_ms": got["p50_ms"], "p99_ms": got["p99_ms"], "errors": got["failed"],
            "resumed": got["resumed"] / got["connections"],
            "tickets": got["tickets"] / got["connections"]}


def load(children, proxy, scenario, seconds, args, programs, core):
    """One round against one proxy."""
    kind = SCENARIOS[scenario].get("new")
    path = args.path or SCENARIOS[scenario]["path"]
    argv = ([programs["tls-load"], *load_new(proxy, path, seconds, kind)] if kind else
            [programs["wrk"], *load_wrk(proxy, path, seconds, args)])
    env = proxy["tls"].env if proxy["tls"] else None
    pid = proxy["child"].pid
    before = cpu_ns(pid)
    child = children.start(argv, core, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)
    time.sleep(seconds * 0.7)
    rss, pss = memory_kib(pid)
    text = child.communicate()[0].decode()
    result = parse_new(text, proxy) if kind else parse_wrk(text)
    result["cpu_us"] = (cpu_ns(pid) - before) / 1000 / result["requests"]
    result["rss_kib"], result["pss_kib"] = rss, pss
    children.stop(child)
    return result


def run_rounds(children, proxies, scenario, args, programs, core):
    results = {p["name"]: [] for p in proxies}
    for p in proxies:
        load(children, p, scenario, 1, args, programs, core)  # warm
    for r in range(args.rounds):
        turn = r % len(proxies)
        for p in proxies[turn:] + proxies[:turn]:
            results[p["name"]].append(
                load(children, p, scenario, args.seconds, args, programs, core))
        print(f"\r{scenario}: round {r + 1} of {args.rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return results


def run_idle(proxies, count):
    """Memory for each of `count` idle keep-alive connections."""
    request = f"GET / HTTP/1.1\r\nHost: {NAME}\r\nCookie: {COOKIE}\r\n\r\n".encode()
    results = {}
    for p in proxies:
        pid = p["child"].pid
        rss, pss = memory_kib(pid)
        conns = []
        try:
            for _ in range(count):
                s = setups.connect(p["port"], p["tls"], 5)
                conns.append(s)
                s.sendall(request)
                if not s.recv(4096):
                    raise Failed(f"{p['name']} closed an idle connection")
            time.sleep(0.5)
            rss2, pss2 = memory_kib(pid)
        finally:
            for s in conns:
                s.close()
        results[p["name"]] = [{"pss_kib": pss2, "rss_kib": rss2, "connections": count,
                               "kib_per_connection": (pss2 - pss) / count}]
        time.sleep(0.5)
    return results


# --- the table -----------------------------------------------------------------------------------

def middle(rounds, key):
    return statistics.median(r[key] for r in rounds)


def ratio(results, name, to="relay"):
    """The median of the ratios round by round: both sides of each saw the same machine."""
    if to not in results:
        return None
    return statistics.median(a["cpu_us"] / b["cpu_us"]
                             for a, b in zip(results[name], results[to]))


def summary(results):
    out = {}
    for name, rounds in results.items():
        cpu = [r["cpu_us"] for r in rounds]
        out[name] = {k: middle(rounds, k)
                     for k in ("cpu_us", "rate", "p50_ms", "p99_ms", "rss_kib", "pss_kib")}
        out[name].update(cpu_us_min=min(cpu), cpu_us_max=max(cpu), ratio=ratio(results, name),
                         errors=sum(r["errors"] for r in rounds), rounds=len(rounds))
        if "tickets" in rounds[0]:
            out[name].update(per_cpu_s=1e6 / out[name]["cpu_us"], resumed=middle(rounds, "resumed"),
                             tickets=middle(rounds, "tickets"))
    return out


def print_idle(scenario, results):
    print(f"\n{scenario}: {next(iter(results.values()))[0]['connections']} keep-alive connections "
          "that did one request each")
    print(f"{'':10}{'PSS MiB':>10}{'KiB/conn':>10}")
    for name, (r,) in results.items():
        print(f"{name:10}{r['pss_kib'] / 1024:10.1f}{r['kib_per_connection']:10.2f}")


def row(s, one):
    """(title, width, text) of each column; `one` is what was counted."""
    cells = [(f"CPU us/{one}", 12, f"{s['cpu_us']:.2f}"),
             ("min..max", 16, f"{s['cpu_us_min']:.2f}..{s['cpu_us_max']:.2f}")]
    if "per_cpu_s" in s:
        cells += [("per CPU s", 11, f"{s['per_cpu_s']:.0f}"),
                  ("resumed", 9, f"{s['resumed']:.0%}"), ("tickets", 9, f"{s['tickets']:.1f}")]
    else:
        cells += [("x relay", 9, "-" if s["ratio"] is None else f"{s['ratio']:.2f}")]
    return cells + [(f"{one}/s", 9, f"{s['rate']:.0f}"),
                    ("p50 ms", 8, f"{s['p50_ms']:.2f}"), ("p99 ms", 8, f"{s['p99_ms']:.2f}"),
                    ("RSS MiB", 9, f"{s['rss_kib'] / 1024:.1f}"),
                    ("PSS MiB", 9, f"{s['pss_kib'] / 1024:.1f}"), ("errors", 8, str(s["errors"]))]


def print_table(scenario, results):
    if SCENARIOS[scenario].get("idle"):
        print_idle(scenario, results)
        return
    one = "conn" if SCENARIOS[scenario].get("new") else "req"
    print(f"\n{scenario}: medians of {len(next(iter(results.values())))} interleaved rounds")
    columns = {name: row(s, one) for name, s in summary(results).items()}
    titles = next(iter(columns.values()))
    print(" " * 10 + "".join(f"{title:>{width}}" for title, width, _ in titles))
    for name, cells in columns.items():
        print(f"{name:10}" + "".join(f"{text:>{width}}" for _, width, text in cells))
    rivals = [n for n in ("nginx", "haproxy") if n in results and "cutover" in results]
    for name in rivals:
        print(f"cutover costs {ratio(results, 'cutover', name):.3f} times {name}")


# --- the run -------------------------------------------------------------------------------------

def positive(limit):
    def parse(text):
        n = int(text)
        if not 1 <= n <= limit:
            raise argparse.ArgumentTypeError(f"expected 1..{limit}")
        return n
    return parse


def parse_args():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--rounds", type=positive(100), default=7)
    p.add_argument("--seconds", type=positive(60), default=4, help="length of a round")
    p.add_argument("--connections", type=positive(1000), default=64)
    p.add_argument("--idle-connections", type=positive(6000), default=2000)
    p.add_argument("--only", metavar="A,B", help="proxies: " + ",".join(setups.ORDER))
    p.add_argument("--scenario", metavar="A,B",
                   help=f"default all: {','.join(SCENARIOS)}; or a group: {','.join(GROUPS)}")
    p.add_argument("--path", help="another path for the load scenarios")
    p.add_argument("--tls", choices=("1.2", "1.3"), default="1.3", help="version for all")
    p.add_argument("--certificate", choices=("ecdsa", "rsa"), default="ecdsa",
                   help="ecdsa: P-256, rsa: 2048 bits")
    p.add_argument("--json", metavar="FILE", help="every round, and the medians")
    p.add_argument("--check", type=float, metavar="RATIO",
                   help="exit 1 when cutover/relay in `small` exceeds it")
    p.add_argument("--check-tls", type=float, metavar="RATIO",
                   help="exit 1 when cutover/nginx or cutover/haproxy exceeds it in `tls-small` or "
                   "`tls-handshake`")
    p.add_argument("--build", metavar="DIR", help="where the binaries are, default build")
    args = p.parse_args()
    for key, known in (("only", setups.ORDER), ("scenario", list(SCENARIOS))):
        chosen = getattr(args, key)
        chosen = known if chosen is None else chosen.split(",")
        if key == "scenario":
            chosen = [s for c in chosen for s in GROUPS.get(c, [c])]
        unknown = [c for c in chosen if c not in known]
        if unknown:
            p.error(f"--{key}: unknown: {', '.join(unknown)}")
        setattr(args, key, [k for k in known if k in chosen])
    if args.check is not None and not ({"cutover", "relay"} <= set(args.only)
                                       and "small" in args.scenario):
        p.error("--check needs cutover, relay and the scenario small")
    if args.check_tls is not None and not (
            {"cutover", "nginx", "haproxy"} <= set(args.only) and
            {"tls-small", "tls-handshake"} <= set(args.scenario)):
        p.error("--check-tls needs cutover, nginx, haproxy and the scenarios tls-small, "
                "tls-handshake")
    return args


def find_programs(build):
    def built(name):
        found = [os.path.join(build, d, name) for d in ("", "bench")]
        return next((f for f in found if os.access(f, os.X_OK)), None)

    system = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    return {"cutover": built("cutover"), "relay": built("bench-relay"),
            "origin": built("cutover-origin"), "tls-load": built("bench-tls-load"),
            "nginx": shutil.which("nginx", path=system),
            "haproxy": shutil.which("haproxy", path=system), "wrk": shutil.which("wrk")}


def choose_cores():
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        print("one core only: proxy, load and origins share it; CPU per request still compares, "
              "requests/s and latency do not")
        return None, None
    return cores[0], cores[1]


def check_upstream(proxies):
    """The origins say in their answer what they negotiated."""
    seen = {p["name"]: p["said"] for p in proxies if p["upstream_tls"]}
    if len(set(seen.values())) > 1:
        raise Failed("not the same TLS to the origins, so nothing to compare:\n" +
                     "\n".join(f"  {name}: {what}" for name, what in seen.items()))
    return next(iter(seen.values()), None)


def start_all(children, scenario, names, origins, programs, cores, tls, root):
    """The proxies of a scenario; says what TLS they speak."""
    wants = SCENARIOS[scenario]
    wanted = {"log": wants.get("log", False), "tls": tls if wants.get("tls") else None,
              "upstream_tls": tls if wants.get("upstream_tls") else None}
    proxies = []
    try:
        for n in names:
            proxies.append(setups.start(children, n, wanted, origins, programs, root, cores[0]))
        same = check_same(proxies, programs["tls-load"], tls) or check_upstream(proxies)
    except BaseException:
        for p in proxies:
            children.stop(p["child"])
        raise
    if same:
        print(f"\n{scenario}: all negotiate {same}")
    return proxies


def run_scenario(children, scenario, names, origins, programs, cores, tls, args, root):
    wants = SCENARIOS[scenario]
    # The relay has no log, and where TLS is all that is measured it has nothing to do.
    if wants.get("log") or wants.get("new"):
        names = [n for n in names if n != "relay"]
    if not names:
        return None
    folder = os.path.join(root, scenario)
    os.mkdir(folder)
    tls_origins = None
    if wants.get("upstream_tls"):
        if programs["nginx"] is None:
            print(f"{scenario} left out: nginx, the origin with TLS, not found")
            return None
        origins, tls_origins = setups.start_tls_origins(children, programs["nginx"], tls, folder,
                                                        cores[1])
    proxies = []
    try:
        proxies = start_all(children, scenario, names, origins, programs, cores, tls, folder)
        if wants.get("idle"):
            return run_idle(proxies, args.idle_connections)
        return run_rounds(children, proxies, scenario, args, programs, cores[1])
    finally:
        for p in proxies:
            children.stop(p["child"])
        if tls_origins:
            children.stop(tls_origins)


def check(all_results, limit):
    got = ratio(all_results["small"], "cutover")
    ok = got <= limit
    print(f"\ncheck: cutover costs {got:.2f} times the relay, allowed {limit:.2f}: "
          f"{'ok' if ok else 'too much'}")
    return ok


def check_tls(all_results, limit):
    good = True
    print()
    for scenario in ("tls-small", "tls-handshake"):
        for name in ("nginx", "haproxy"):
            got = ratio(all_results[scenario], "cutover", name)
            good = good and got <= limit
            print(f"check: {scenario}: cutover costs {got:.3f} times {name}, allowed {limit:.3f}: "
                  f"{'ok' if got <= limit else 'too much'}")
    return good


def run(args, children, root):
    here = os.path.dirname(os.path.abspath(__file__))
    programs = find_programs(args.build or os.path.join(here, "..", "build"))
    for need in ("origin", "tls-load", "wrk"):
        if programs[need] is None:
            raise Failed(f"{need} not found: " + ("package wrk" if need == "wrk" else
                                                  "build first, or give --build"))
    names = [n for n in args.only if programs[n] is not None]
    for n in args.only:
        if n not in names:
            print(f"{n} not found: left out")
    if not names:
        raise Failed("nothing to compare")
    if args.check is not None and not {"cutover", "relay"} <= set(names):
        raise Failed("--check needs both cutover and bench-relay")
    if args.check_tls is not None and not {"cutover", "nginx", "haproxy"} <= set(names):
        raise Failed("--check-tls needs cutover, nginx and haproxy")
    cores = choose_cores()
    tls = Tls(root, args.certificate, args.tls)
    origins = setups.start_origins(children, programs["origin"], cores[1])
    all_results = {}
    for scenario in args.scenario:
        results = run_scenario(children, scenario, names, origins, programs, cores, tls, args, root)
        if results:
            all_results[scenario] = results
            print_table(scenario, results)
    if args.json:
        medians = {s: summary(r) for s, r in all_results.items() if not SCENARIOS[s].get("idle")}
        with open(args.json, "w") as f:
            json.dump({"medians": medians, "rounds": all_results}, f, indent=1)
    good = args.check is None or check(all_results, args.check)
    if args.check_tls is not None:
        good = check_tls(all_results, args.check_tls) and good
    return 0 if good else 1


def main():
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    children = Children()
    with tempfile.TemporaryDirectory(prefix="cutover-bench-") as root:
        try:
            return run(args, children, root)
        except Failed as e:
            print(f"bench: {e}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
        finally:
            children.stop_all()


if __name__ == "__main__":
    sys.exit(main())
