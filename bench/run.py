#!/usr/bin/env python3
"""What a request costs: cutover, nginx, HAProxy and a bare relay, side by side in one run.

Each proxy has one worker, pinned to one core; the load (wrk) and the two origins share another.
Rounds are interleaved and their order rotates, so that drift of the machine hits all alike. CPU is
read from /proc/PID/task/*/schedstat (nanoseconds on the core), summed over the proxy's processes
and divided by the requests that wrk counted. See README.md for how to read the table.
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

COOKIE = "cutover=0427; SRV=new"  # placed already: nobody has to set a cookie
SCENARIOS = {
    "small": {"path": "/", "log": False},
    "small-log": {"path": "/", "log": True},
    "64k": {"path": "/bytes/65536", "log": False},
    "idle": {"path": "/", "log": False},
}
ORDER = ["cutover", "nginx", "haproxy", "relay"]


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

    def start(self, argv, core, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        pin = None if core is None else (lambda: os.sched_setaffinity(0, {core}))
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                                 preexec_fn=pin)
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


# --- what /proc says -----------------------------------------------------------------------------

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


# --- the proxies ---------------------------------------------------------------------------------

def config_cutover(w):
    log = f"{{access: all, file: {w['dir']}/access.log}}" if w["log"] else "{access: off}"
    return f"""
listen: [{{address: 127.0.0.1:{w['port']}}}]
admin: {{address: 127.0.0.1:{free_port()}}}
state_file: {w['dir']}/state.json
workers: 1
initial_weight: 30
backends:
  old: {{servers: [http://127.0.0.1:{w['old']}]}}
  new: {{servers: [http://127.0.0.1:{w['new']}]}}
health: {{path: /health, interval: 5s}}
log: {log}
"""


def config_nginx(w):
    log = f"{w['dir']}/access.log" if w["log"] else "off"
    temp = "".join(f"  {m}_temp_path {w['dir']}/{m};\n"
                   for m in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""
worker_processes 1;
daemon off;
pid {w['dir']}/pid;
error_log {w['dir']}/error.log crit;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log {log};
{temp}  keepalive_requests 1000000000;
  map $cookie_cutover $who {{ "" $request_id; default $cookie_cutover; }}
  split_clients $who $side {{ 30% new; * old; }}
  upstream old {{ server 127.0.0.1:{w['old']}; keepalive 256; keepalive_requests 1000000000; }}
  upstream new {{ server 127.0.0.1:{w['new']}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{w['port']};
    location / {{
      proxy_pass http://$side;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""


def config_haproxy(w):
    log = "log stdout format raw local0" if w["log"] else ""
    return f"""
global
  nbthread 1
  maxconn 8192
  {log}
defaults
  mode http
  {'log global' if w['log'] else 'no log'}
  {'option httplog' if w['log'] else ''}
  timeout connect 3s
  timeout client 75s
  timeout server 300s
  option forwardfor
frontend f
  bind 127.0.0.1:{w['port']}
  default_backend b
backend b
  balance roundrobin
  http-reuse safe
  cookie SRV insert indirect nocache
  option httpchk GET /health
  server old 127.0.0.1:{w['old']} weight 70 cookie old check inter 5s
  server new 127.0.0.1:{w['new']} weight 30 cookie new check inter 5s
"""


def command(name, w, programs):
    """The command line of a proxy, after writing its configuration."""
    program = programs[name]
    if name == "relay":
        return [program, str(w["port"]), f"127.0.0.1:{w['old']}", f"127.0.0.1:{w['new']}"]
    text = {"cutover": config_cutover, "nginx": config_nginx, "haproxy": config_haproxy}[name](w)
    conf = os.path.join(w["dir"], "conf")
    with open(conf, "w") as f:
        f.write(text)
    if name == "cutover":
        return [program, "run", "-c", conf]
    if name == "nginx":
        return [program, "-p", w["dir"], "-c", conf, "-e", w["dir"] + "/error.log"]
    return [program, "-db", "-f", conf]


def wait_ready(child, port, name, log):
    until = time.monotonic() + 15
    request = b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
    while time.monotonic() < until:
        if child.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as s:
                s.sendall(request)
                if b" 200 " in s.recv(4096)[:20]:
                    return
        except OSError:
            pass
        time.sleep(0.05)
    with open(log, errors="replace") as f:
        tail = f.read()[-1500:]
    raise Failed(f"{name} does not answer on its port; it said:\n{tail}")


def start_proxy(children, name, log, origins, programs, root, core):
    folder = os.path.join(root, name + ("-log" if log else ""))
    os.mkdir(folder)
    w = {"dir": folder, "port": free_port(), "old": origins[0], "new": origins[1], "log": log}
    out = os.path.join(folder, "output")
    argv = command(name, w, programs)
    with open(out, "wb") as f:
        child = children.start(argv, core, stdout=f, stderr=f)
    wait_ready(child, w["port"], name, out)
    return {"name": name, "child": child, "port": w["port"]}


def start_origins(children, program, core):
    ports = []
    for name in ("old", "new"):
        child = children.start([program, "--name", name, "--listen", "127.0.0.1:0"], core,
                               stdout=subprocess.PIPE)
        line = child.stdout.readline().decode()
        if ":" not in line:
            raise Failed("cutover-origin did not start")
        ports.append(int(line.rsplit(":", 1)[1]))
    return ports


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


def load(children, proxy, path, seconds, connections, wrk, core):
    """One round against one proxy."""
    argv = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H",
            f"Cookie: {COOKIE}", f"http://127.0.0.1:{proxy['port']}{path}"]
    pid = proxy["child"].pid
    before = cpu_ns(pid)
    child = children.start(argv, core, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(seconds * 0.7)
    rss, pss = memory_kib(pid)
    text = child.communicate()[0].decode()
    result = parse_wrk(text)
    result["cpu_us"] = (cpu_ns(pid) - before) / 1000 / result["requests"]
    result["rss_kib"], result["pss_kib"] = rss, pss
    children.stop(child)
    return result


def run_rounds(children, proxies, scenario, args, wrk, core):
    path = args.path or SCENARIOS[scenario]["path"]
    results = {p["name"]: [] for p in proxies}
    for p in proxies:
        load(children, p, path, 1, args.connections, wrk, core)  # warm
    for r in range(args.rounds):
        turn = r % len(proxies)
        for p in proxies[turn:] + proxies[:turn]:
            results[p["name"]].append(
                load(children, p, path, args.seconds, args.connections, wrk, core))
        print(f"\r{scenario}: round {r + 1} of {args.rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return results


def run_idle(proxies, count):
    """Memory for each of `count` idle keep-alive connections."""
    request = f"GET / HTTP/1.1\r\nHost: bench\r\nCookie: {COOKIE}\r\n\r\n".encode()
    results = {}
    for p in proxies:
        pid = p["child"].pid
        rss, pss = memory_kib(pid)
        conns = []
        try:
            for _ in range(count):
                s = socket.create_connection(("127.0.0.1", p["port"]), 5)
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


def ratio(results, name):
    """The median of the ratios round by round: both sides of each saw the same machine."""
    if "relay" not in results:
        return None
    return statistics.median(a["cpu_us"] / b["cpu_us"]
                             for a, b in zip(results[name], results["relay"]))


def summary(results):
    out = {}
    for name, rounds in results.items():
        cpu = [r["cpu_us"] for r in rounds]
        out[name] = {k: middle(rounds, k)
                     for k in ("cpu_us", "rate", "p50_ms", "p99_ms", "rss_kib", "pss_kib")}
        out[name].update(cpu_us_min=min(cpu), cpu_us_max=max(cpu), ratio=ratio(results, name),
                         errors=sum(r["errors"] for r in rounds), rounds=len(rounds))
    return out


def print_table(scenario, results):
    if scenario == "idle":
        print(f"\nidle: {next(iter(results.values()))[0]['connections']} keep-alive connections "
              "that did one request each")
        print(f"{'':10}{'PSS MiB':>10}{'KiB/conn':>10}")
        for name, (r,) in results.items():
            print(f"{name:10}{r['pss_kib'] / 1024:10.1f}{r['kib_per_connection']:10.2f}")
        return
    print(f"\n{scenario}: medians of {len(next(iter(results.values())))} interleaved rounds")
    print(f"{'':10}{'CPU us/req':>11}{'min..max':>16}{'x relay':>9}{'req/s':>9}{'p50 ms':>8}"
          f"{'p99 ms':>8}{'RSS MiB':>9}{'PSS MiB':>9}{'errors':>8}")
    for name, s in summary(results).items():
        spread = f"{s['cpu_us_min']:.2f}..{s['cpu_us_max']:.2f}"
        times = "-" if s["ratio"] is None else f"{s['ratio']:.2f}"
        print(f"{name:10}{s['cpu_us']:11.2f}{spread:>16}{times:>9}{s['rate']:9.0f}"
              f"{s['p50_ms']:8.2f}{s['p99_ms']:8.2f}{s['rss_kib'] / 1024:9.1f}"
              f"{s['pss_kib'] / 1024:9.1f}{s['errors']:8d}")


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
    p.add_argument("--only", metavar="A,B", help="proxies: " + ",".join(ORDER))
    p.add_argument("--scenario", metavar="A,B", help="default all: " + ",".join(SCENARIOS))
    p.add_argument("--path", help="another path for the load scenarios")
    p.add_argument("--json", metavar="FILE", help="every round, and the medians")
    p.add_argument("--check", type=float, metavar="RATIO",
                   help="exit 1 when cutover/relay in `small` exceeds it")
    p.add_argument("--build", metavar="DIR", help="where the binaries are, default build")
    args = p.parse_args()
    for key, known in (("only", ORDER), ("scenario", list(SCENARIOS))):
        chosen = getattr(args, key)
        chosen = known if chosen is None else chosen.split(",")
        unknown = [c for c in chosen if c not in known]
        if unknown:
            p.error(f"--{key}: unknown: {', '.join(unknown)}")
        setattr(args, key, [k for k in known if k in chosen])
    if args.check is not None and not ({"cutover", "relay"} <= set(args.only)
                                       and "small" in args.scenario):
        p.error("--check needs cutover, relay and the scenario small")
    return args


def find_programs(build):
    def built(name):
        found = [os.path.join(build, d, name) for d in ("", "bench")]
        return next((f for f in found if os.access(f, os.X_OK)), None)

    system = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    return {"cutover": built("cutover"), "relay": built("bench-relay"),
            "origin": built("cutover-origin"), "nginx": shutil.which("nginx", path=system),
            "haproxy": shutil.which("haproxy", path=system), "wrk": shutil.which("wrk")}


def choose_cores():
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        print("one core only: proxy, load and origins share it; CPU per request still compares, "
              "requests/s and latency do not")
        return None, None
    return cores[0], cores[1]


def run_scenario(children, scenario, names, origins, programs, cores, args, root):
    log = SCENARIOS[scenario]["log"]
    if log:
        names = [n for n in names if n != "relay"]  # it has no log
    if not names:
        return None
    folder = os.path.join(root, scenario)
    os.mkdir(folder)
    proxies = []
    try:
        for n in names:
            proxies.append(start_proxy(children, n, log, origins, programs, folder, cores[0]))
        if scenario == "idle":
            return run_idle(proxies, args.idle_connections)
        return run_rounds(children, proxies, scenario, args, programs["wrk"], cores[1])
    finally:
        for p in proxies:
            children.stop(p["child"])


def check(all_results, limit):
    got = ratio(all_results["small"], "cutover")
    ok = got <= limit
    print(f"\ncheck: cutover costs {got:.2f} times the relay, allowed {limit:.2f}: "
          f"{'ok' if ok else 'too much'}")
    return 0 if ok else 1


def run(args, children, root):
    here = os.path.dirname(os.path.abspath(__file__))
    programs = find_programs(args.build or os.path.join(here, "..", "build"))
    for need in ("origin", "wrk"):
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
    cores = choose_cores()
    origins = start_origins(children, programs["origin"], cores[1])
    all_results = {}
    for scenario in args.scenario:
        results = run_scenario(children, scenario, names, origins, programs, cores, args, root)
        if results:
            all_results[scenario] = results
            print_table(scenario, results)
    if args.json:
        medians = {s: summary(r) for s, r in all_results.items() if s != "idle"}
        with open(args.json, "w") as f:
            json.dump({"medians": medians, "rounds": all_results}, f, indent=1)
    return check(all_results, args.check) if args.check is not None else 0


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
