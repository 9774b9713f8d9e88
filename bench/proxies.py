#!/usr/bin/env python3
"""farspan beside HAProxy, nginx and a bare relay, in one run: CPU microseconds per unit of work.

Two cores: the proxy alone on core 0, upstream and load on core 1. One core: all of them on core 1. Rounds are
interleaved (the order turns), figures are medians of per-round ratios to HAProxy in the same round, CPU time is
schedstat's of the proxy's threads. Access logs are off for all, but in the case `log`, where they are on for all.
Exit status 1: something answered wrongly or could not be measured. A missed bar is printed, no failure.

cases: chat    2 KB chat POST, two cores, 64 connections            log   the same, access logs on
       long    200 KB prompt, two cores, 16 connections             idle  bytes of an idle connection, 9,500 of them
       stream  paced server-sent events, one core, 200 streams      start exec to first answer
       delay   added delay of an event at half the rate that saturates, one core
"""
import argparse
import json
import os
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import time

import common
from common import OUT, ROOT, cpu_ns, start, stop, wait_port

CASES = ("chat", "log", "long", "stream", "delay", "idle", "start")
NAMES = ("haproxy", "nginx", "relay", "farspan")
# HAProxy lets an event wait up to 200 ms for the next one unless `option http-no-delay` is set: both are shown for streams.
STREAM_NAMES = NAMES + ("haproxy-nd",)
UPSTREAM = common.free_ports(1 + len(STREAM_NAMES))
PORTS = {name: UPSTREAM + 1 + i for i, name in enumerate(STREAM_NAMES)}
PACE_MS = 10
DISTURBED_US = 2000  # the upstream alone takes a tenth of it: others were at work on this core
MISSES, ERRORS = [], []
FARSPAN = os.path.join(ROOT, "build", "farspan")


def chat_body(size):
    body = {"model": "bench", "stream": False, "temperature": 0.7, "max_tokens": 256,
            "messages": [{"role": "system", "content": "You are a helpful assistant for a cross-region service."},
                         {"role": "user", "content": ""}]}
    room = size - len(json.dumps(body))
    sentence = "Explain how tides work in simple words. "
    body["messages"][1]["content"] = (sentence * (room // len(sentence) + 1))[:room]
    return json.dumps(body)


def write_wrk(name, size):
    path = os.path.join(OUT, name + ".lua")
    with open(path, "w") as f:
        f.write('wrk.method="POST"\nwrk.body=[==[' + chat_body(size) + ']==]\n'
                'wrk.headers["Content-Type"]="application/json"\n'
                'wrk.headers["Authorization"]="Bearer sk-test-0123456789abcdef0123456789abcdef"\n')
    return path


def log_path(name):
    return os.path.join(OUT, f"{name}-access.log")


def haproxy_config(name, log):
    path = os.path.join(OUT, f"{name}.cfg")
    with open(path, "w") as f:
        f.write("global\n  nbthread 1\n  maxconn 9800\n")
        if log:
            f.write("  log stdout format raw local0\n")
        f.write("defaults\n  mode http\n  timeout connect 5s\n  timeout client 120s\n  timeout server 120s\n"
                "  option http-keep-alive\n  http-reuse always\n")
        if log:
            f.write("  log global\n  option httplog\n")
        if name == "haproxy-nd":
            f.write("  option http-no-delay\n")
        f.write(f"frontend f\n  bind 127.0.0.1:{PORTS[name]}\n  default_backend b\n"
                f"backend b\n  server u 127.0.0.1:{UPSTREAM}\n")
    return path


def nginx_config(log):
    path = os.path.join(OUT, "nginx.conf")
    temp = " ".join(f"{k}_temp_path {OUT}/{k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    access = log_path("nginx") if log else "off"
    with open(path, "w") as f:
        f.write(f"worker_processes 1; worker_rlimit_nofile 19900; pid {OUT}/nginx.pid; error_log {OUT}/nginx.err crit;\n"
                "daemon off;\nevents { worker_connections 19900; }\nhttp {\n"
                f"access_log {access}; keepalive_requests 100000000; keepalive_timeout 120s;\n"
                f"client_body_buffer_size 512k; client_max_body_size 64m; {temp}\n"
                f"upstream u {{ server 127.0.0.1:{UPSTREAM}; keepalive 512; keepalive_requests 100000000; }}\n"
                f"server {{ listen 127.0.0.1:{PORTS['nginx']};\n"
                'location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection "";'
                " proxy_buffering off; }\n}\n}\n")
    return path


def commands(log=False):
    front = [FARSPAN, "front", f"http://127.0.0.1:{UPSTREAM}", "--service", "bench", "--listen",
             f"127.0.0.1:{PORTS['farspan']}", "--threads", "1"]
    if log:
        front += ["--access-log", log_path("farspan")]
    return {"haproxy": ["haproxy", "-f", haproxy_config("haproxy", log), "-db"],
            "haproxy-nd": ["haproxy", "-f", haproxy_config("haproxy-nd", log), "-db"],
            "nginx": ["nginx", "-c", nginx_config(log), "-p", OUT],
            "relay": [os.path.join(OUT, "relay"), str(PORTS["relay"]), str(UPSTREAM)],
            "farspan": front}


def start_proxy(name, cpu, log=False):
    if not common.is_port_free(PORTS[name]):
        raise SystemExit(f"port {PORTS[name]} is in use: a foreign process would be measured")
    stdout = open(log_path(name), "a") if log and name == "haproxy" else subprocess.DEVNULL
    p = start(cpu, commands(log)[name], stdout=stdout)
    if log and name == "haproxy":
        stdout.close()
    wait_port(PORTS[name], p)
    return p


def start_upstream(cpu):
    if not common.is_port_free(UPSTREAM):
        raise SystemExit(f"port {UPSTREAM} is in use: a foreign process would be measured")
    p = start(cpu, [os.path.join(OUT, "upstream"), str(UPSTREAM), os.path.join(OUT, "counters"), str(PACE_MS)])
    wait_port(UPSTREAM, p)
    return p


def counters():
    with open(os.path.join(OUT, "counters"), "rb") as f:
        return struct.unpack("2q", f.read(16))


def wrk(port, script, connections, seconds, cpu):
    got = subprocess.run(common.pinned(cpu, ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout",
                                             "10s", "-s", script, f"http://127.0.0.1:{port}/v1/chat/completions"]),
                         capture_output=True, text=True, timeout=seconds + 30)
    bad = re.search(r"Socket errors.*|Non-2xx.*", got.stdout)
    rps = re.search(r"Requests/sec:\s+([\d.]+)", got.stdout)
    error = bad[0].strip() if bad else "" if rps else got.stderr.strip() or f"wrk: status {got.returncode}"
    return {"rps": float(rps[1]) if rps else 0.0, "errors": error}


def streams(port, count, seconds, cpu):
    got = subprocess.run(common.pinned(cpu, [os.path.join(OUT, "stream_client"), str(port), str(count), str(seconds)]),
                         capture_output=True, text=True, timeout=seconds + 30)
    if got.returncode:
        return {"errors": got.stderr.strip() or f"stream_client: status {got.returncode}", "p99_us": 0, "rate": 0.0}
    return dict(json.loads(got.stdout), errors="")


class Bed:
    """Upstream and all proxies, on the cores of one case."""

    def __init__(self, proxy_cpu, load_cpu, log=False, names=NAMES):
        self.load_cpu, self.names = load_cpu, names
        self.upstream = start_upstream(load_cpu)
        self.proxies = {name: start_proxy(name, proxy_cpu, log) for name in names}
        time.sleep(0.3)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in list(self.proxies.values()) + [self.upstream]:
            stop(p)

    def measure(self, name, load, unit):
        """unit 0: requests, 1: events. CPU us of the proxy per unit that the upstream served."""
        pid = self.proxies[name].pid
        before, counted = cpu_ns(pid), counters()[unit]
        result = load(PORTS[name])
        done = counters()[unit] - counted
        if not result["errors"] and done <= 0:
            result["errors"] = "no unit of work was counted"
        result["us"] = (cpu_ns(pid) - before) / 1000 / max(done, 1)
        result["units"] = done
        return result

    def rounds(self, count, load, unit):
        rows = []
        for i in range(count):
            turn = i % len(self.names)
            rows.append({name: self.measure(name, load, unit) for name in self.names[turn:] + self.names[:turn]})
            for name in self.names:  # logs of the case that has them
                if os.path.exists(log_path(name)):
                    os.truncate(log_path(name), 0)
            print(".", end="", flush=True, file=sys.stderr)
        print(file=sys.stderr)
        return rows


def say_bar(what, value, bar, unit):
    is_met = value <= bar
    print(f"  bar: {what} <= {bar:g} {unit}: {'met' if is_met else 'MISSED'} ({value:.3f})")
    if not is_met:
        MISSES.append(f"{what}: {value:.3f} {unit}, bar {bar:g}")


def say_errors(case, found):
    for error in sorted(set(found)):
        print("  error:", error)
        ERRORS.append(f"{case}: {error}")


def table(case, title, rows, unit, bar):
    print(f"\n{title}\n  {'':10s} {'us/' + unit:>10s} {'min-max':>15s} {'x haproxy':>10s} {'min-max':>13s} {'a second':>9s}")
    names = [n for n in STREAM_NAMES if n in rows[0]]
    for name in names:
        us = [r[name]["us"] for r in rows]
        ratio = [r[name]["us"] / r["haproxy"]["us"] for r in rows]
        rate = statistics.median(r[name].get("rps", r[name].get("rate", 0)) for r in rows)
        print(f"  {name:10s} {statistics.median(us):10.2f} {min(us):7.2f}-{max(us):7.2f} "
              f"{statistics.median(ratio):10.3f} {min(ratio):6.3f}-{max(ratio):6.3f} {rate:9.0f}")
    say_errors(case, (f"{n}: {r[n]['errors']}" for r in rows for n in names if r[n]["errors"]))
    if bar:
        say_bar(case, statistics.median(r["farspan"]["us"] / r["haproxy"]["us"] for r in rows), bar, "x haproxy")


def long_limit(rows, size):
    """What cannot be saved on a long prompt: moving its bytes, and reading them once."""
    got = subprocess.run([FARSPAN, "bench", "scan", "--json"], capture_output=True, text=True, timeout=120)
    if got.returncode:
        return
    best = max((r for r in json.loads(got.stdout)["scan"] if r["name"].endswith(" ascii 200KB +chain")),
               key=lambda r: r["median"])
    scan_us = size / best["median"] / 1000
    relay = statistics.median(r["relay"]["us"] for r in rows)
    ratio = statistics.median((r["relay"]["us"] + scan_us) / r["haproxy"]["us"] for r in rows)
    print(f"  the sum of both needs: bare relay {relay:.1f} us + scan with prefix hashes {scan_us:.1f} us = {ratio:.3f} x haproxy")


def saturating_rate(bed, raw):
    """Streams are added until events come through farspan at less than 95 % of the pace: the most that came."""
    best, count, steps = 0.0, 100, []
    while count <= 9000:
        got = streams(PORTS["farspan"], count, 1, bed.load_cpu)
        offered = count * 1000 / PACE_MS
        steps.append({"streams": count, "offered": offered, "achieved": got["rate"], "errors": got["errors"]})
        print(".", end="", flush=True, file=sys.stderr)
        best = max(best, got["rate"])
        if got["errors"] or got["rate"] < 0.95 * offered:
            break
        count = count * 5 // 4
    raw["saturation"] = steps
    say_errors("delay", (s["errors"] for s in steps if s["errors"]))
    return best


def delays(bed, count, seconds, raw):
    """Half the rate that saturates the core, then how late events come beside those of the upstream alone."""
    saturating = statistics.median(saturating_rate(bed, raw) for _ in range(3))
    stream_count = max(10, int(saturating / 2 * PACE_MS / 1000))
    rows, void, errors = [], 0, []
    while len(rows) < count and void < 2 * count:
        row = {"direct": streams(UPSTREAM, stream_count, seconds, bed.load_cpu)}
        turn = (len(rows) + void) % len(bed.names)
        for name in bed.names[turn:] + bed.names[:turn]:
            row[name] = streams(PORTS[name], stream_count, seconds, bed.load_cpu)
        errors += [f"{n}: {row[n]['errors']}" for n in row if row[n]["errors"]]
        if row["relay"]["p99_us"] - row["direct"]["p99_us"] > 500 or row["direct"]["p99_us"] > DISTURBED_US:
            void += 1
        else:
            rows.append(row)
        print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    raw["delay"] = {"rows": rows, "void": void, "streams": stream_count, "saturating_rate": saturating}
    print(f"\nadded delay of an event (p99 minus p99 of the upstream alone), one core, {stream_count} streams of "
          f"{1000 // PACE_MS} events/s\n  saturated at {saturating:.0f} events/s; {len(rows)} rounds, {void} void "
          f"(bare relay above 500 us, or the machine disturbed)")
    say_errors("delay", errors or ([] if rows else ["every round was void"]))
    if not rows:
        return
    print(f"  {'':10s} {'p99 us':>8s} {'min-max':>15s} {'p50 us':>8s}")
    for name in bed.names:
        added = [r[name]["p99_us"] - r["direct"]["p99_us"] for r in rows]
        half = statistics.median(r[name]["p50_us"] - r["direct"]["p50_us"] for r in rows)
        print(f"  {name:10s} {statistics.median(added):8.0f} {min(added):7d}-{max(added):7d} {half:8.0f}")
        if name == "farspan":
            ours = statistics.median(added)
    say_bar("added delay p99", ours, 1000, "us")


def pss_kb(pid):
    total = 0
    for p in common.tree(pid):
        with open(f"/proc/{p}/smaps_rollup") as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total


def idle_one(name, count):
    """Bytes of user memory per connection that is open and idle after one request."""
    body = chat_body(2048).encode()
    ask = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
           b"Content-Length: %d\r\n\r\n" % len(body)) + body
    p, sockets = start_proxy(name, 0), []
    time.sleep(0.3)
    before = pss_kb(p.pid)
    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", PORTS[name]), timeout=10)
        sockets.append(s)
        s.sendall(ask)
        if b" 200 " not in s.recv(65536)[:64]:
            ERRORS.append(f"idle: {name} did not answer connection {len(sockets)}")
            break
    time.sleep(1)
    each = (pss_kb(p.pid) - before) * 1024 / len(sockets)
    for s in sockets:
        s.setblocking(False)
        try:
            is_closed = s.recv(65536) == b""
        except BlockingIOError:
            is_closed = False
        if is_closed:
            ERRORS.append(f"idle: {name} closed an idle connection")
            break
    for s in sockets:
        s.close()
    stop(p)
    return each


def idle(raw, count):
    print(f"\nidle keep-alive connections: user memory (PSS) of the proxy each, {count} of them after one request")
    upstream = start_upstream(1)
    raw["idle"] = {"connections": count}
    for name in NAMES:
        raw["idle"][name] = idle_one(name, count)
        print(f"  {name:8s} {raw['idle'][name]:8.0f} B", flush=True)
    say_bar("idle connection", raw["idle"]["farspan"], 1024, "B")
    stop(upstream)


def startup_once(name, command):
    """Milliseconds from exec to the first answer of a GET; tried every 0.1 ms."""
    began = time.perf_counter()
    p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    common.STARTED.append(p)
    s = None
    while s is None and time.perf_counter() - began < 10:
        try:
            s = socket.create_connection(("127.0.0.1", PORTS[name]), timeout=10)
        except OSError:
            time.sleep(0.0001)
    if s is None:
        raise SystemExit(f"{name} does not start")
    s.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = s.recv(4096)
    took_ms = (time.perf_counter() - began) * 1000
    s.close()
    stop(p)
    if b" 200 " not in answer[:64]:
        ERRORS.append(f"start: {name}: {answer[:100]!r}")
    return took_ms


def startup(raw, count):
    upstream = start_upstream(1)
    print("\nexec to first answer, started in turns")
    times = {name: [] for name in NAMES}
    for _ in range(count):
        for name in NAMES:
            times[name].append(startup_once(name, commands()[name]))
    raw["startup_ms"] = times
    for name in NAMES:
        t = times[name]
        print(f"  {name:8s} median {statistics.median(t):6.1f} ms   ({min(t):.1f} to {max(t):.1f})")
    say_bar("exec to first answer", statistics.median(times["farspan"]), 20, "ms")
    stop(upstream)


def two_cores(cases, rounds, seconds, raw):
    small, long_prompt, long_size = write_wrk("chat", 2048), write_wrk("long", 200000), 200000
    if {"chat", "long"} & cases:
        with Bed(0, 1) as bed:
            if "chat" in cases:
                raw["chat"] = bed.rounds(rounds, lambda p: wrk(p, small, 64, seconds, 1), 0)
                table("chat", "2 KB chat POST, proxy on a core of its own, 64 connections, access logs off", raw["chat"],
                      "request", 1.0)
            if "long" in cases:
                raw["long"] = bed.rounds(rounds, lambda p: wrk(p, long_prompt, 16, seconds, 1), 0)
                table("long", "200 KB prompt, proxy on a core of its own, 16 connections, access logs off", raw["long"],
                      "request", 1.1)
                long_limit(raw["long"], long_size)
    if "log" in cases:
        with Bed(0, 1, log=True) as bed:
            raw["log"] = bed.rounds(rounds, lambda p: wrk(p, small, 64, seconds, 1), 0)
            table("log", "2 KB chat POST, proxy on a core of its own, 64 connections, access logs on (the relay has none)",
                  raw["log"], "request", None)
        for name in NAMES:
            if os.path.exists(log_path(name)):
                os.unlink(log_path(name))


def one_core(cases, rounds, seconds, raw):
    if not {"stream", "delay"} & cases:
        return
    with Bed(1, 1, names=STREAM_NAMES) as bed:
        if "stream" in cases:
            raw["stream"] = bed.rounds(rounds, lambda p: streams(p, 200, seconds, 1), 1)
            table("stream", "paced server-sent events, 200 streams at once, everything on one core, access logs off",
                  raw["stream"], "event", 1.03)
        if "delay" in cases:
            delays(bed, rounds, seconds, raw)


def main():
    global FARSPAN
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--seconds", type=int, default=2, help="of one proxy in one round")
    arguments.add_argument("--cases", default=",".join(CASES))
    arguments.add_argument("--connections", type=int, default=9500, help="of the case idle")
    arguments.add_argument("--quick", action="store_true", help="3 rounds of 1 s: to see that it works")
    arguments.add_argument("--farspan", default=FARSPAN, help="the program (build/farspan)")
    a = arguments.parse_args()
    cases, FARSPAN = set(a.cases.split(",")), os.path.abspath(a.farspan)
    if cases - set(CASES):
        arguments.error(f"no such case: {', '.join(sorted(cases - set(CASES)))}; there are {', '.join(CASES)}")
    rounds, seconds = (3, 1) if a.quick else (a.rounds, a.seconds)
    for tool in ("haproxy", "nginx", "wrk", "taskset", FARSPAN):
        if not shutil.which(tool):
            raise SystemExit(f"{tool} is missing: tools/setup.sh --bench installs what the benchmarks need")
    if os.cpu_count() < 2:
        raise SystemExit("two cores are needed")
    hard = common.raise_limits()
    common.stop_on_signal()
    for name in ("upstream", "relay", "stream_client"):
        common.compile_helper(name, [f"bench/{name}.c"])
    raw = dict(common.machine(), rounds=rounds, seconds=seconds)
    common.say_machine(raw)
    try:
        two_cores(cases, rounds, seconds, raw)
        one_core(cases, rounds, seconds, raw)
        if "idle" in cases:
            idle(raw, min(a.connections, (hard - 500) // 2))
        if "start" in cases:
            startup(raw, 5 if a.quick else 15)
    finally:
        common.stop_all()
        raw["misses"], raw["errors"] = MISSES, ERRORS
        common.keep("proxies.json", raw)
    for line in MISSES:
        print("missed:", line)
    for line in ERRORS:
        print("error:", line)
    return 1 if ERRORS else 0


if __name__ == "__main__":
    sys.exit(main())
