#!/usr/bin/env python3
"""The soak test: a world under mixed load for some minutes, its memory and descriptors watched.

Clients: whole streams, whole answers, inference, embeddings; about 30 % that leave in the middle; slow readers; bad
requests. An engine is killed every few seconds. It fails when
  - after the first minute the RSS of a gateway or worker grows by more than 10 % + 4 MB,
  - a gateway's or worker's descriptors grow under the same load, or do not go back when it is over,
  - a process ended that was not killed here, or is left over at the end,
  - a good request got a wrong status, or a stream an end without [DONE] or a typed error,
  - fewer than 90 % of the good requests got their whole answer.

usage: test/soak.py BINARY MINUTES [--echo]
"""
import collections
import json
import os
import random
import signal
import socket
import statistics
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "e2e"))
import harness  # noqa: E402
from harness import World, chat_body, connect, is_alive, post, sse_events, status_of  # noqa: E402

CLIENTS, SAMPLE_S, KILL_S = 32, 5, 7
QUICK = 4  # clients that never wait for a text
QUIET_S = 66  # kept connections are given up after a minute (http/client_conn_io.h)
GROWTH_RATIO, GROWTH_MB, WHOLE_MIN = 0.10, 4.0, 0.90
SLACK_AFTER, SLACK_UNDER_LOAD = 8, 24  # descriptors
# A request that is by chance alone in its engine at the second kill looks guilty; more than one in ten kills is a defect.
QUARANTINED_MAX = 0.10
# Refusals that a good request may get while an engine is down; 504 where its deadline passed.
REFUSALS = {429, 502, 503, 504}

KIND_WORDS = {"whole_stream": "stream", "whole_answer": "answer", "slow": "slow stream", "leave": "left"}


class Tally:
    """What became of the requests; shared by the clients."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.wrong = []

    def add(self, what):
        with self.lock:
            self.counts[what] += 1

    def complain(self, what):
        with self.lock:
            self.counts["wrong"] += 1
            if len(self.wrong) < 20:
                self.wrong.append(what)


def read_answer(s, pause=0.0, size=65536):
    """One answer to its end, head included; b"" and an incomplete one when the peer closed."""
    got, end = b"", None
    while True:
        if end is None and b"\r\n\r\n" in got:
            head, _, _ = got.partition(b"\r\n\r\n")
            lower = head.lower()
            end = "chunked" if b"transfer-encoding: chunked" in lower else \
                len(head) + 4 + int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
        if end == "chunked" and got.endswith(b"\r\n0\r\n\r\n") or isinstance(end, int) and len(got) >= end:
            return got, True
        piece = s.recv(size)
        if not piece:
            return got, False
        got += piece
        if pause:
            time.sleep(pause)


class Client(threading.Thread):
    """One after the other until <until>: a request of a kind drawn by chance."""

    def __init__(self, world, number, tally, until):
        super().__init__(daemon=True)
        self.world, self.tally, self.until = world, tally, until
        self.random = random.Random(number)
        self.kinds = [(self.whole_stream, 22), (self.whole_answer, 12), (self.infer, 16), (self.embed, 6),
                      (self.leave, 30), (self.slow, 4), (self.bad, 10)]
        if number < QUICK:  # what leaks a little a request shows by number only
            self.kinds = [(self.infer, 60), (self.leave, 30), (self.bad, 10)]

    def run(self):
        kinds, weights = zip(*self.kinds)
        while time.monotonic() < self.until:
            kind = self.random.choices(kinds, weights)[0]
            try:
                kind()
            except (ConnectionResetError, BrokenPipeError):
                self.tally.add(f"{KIND_WORDS.get(kind.__name__, kind.__name__)}: reset")
            except (socket.timeout, TimeoutError):
                self.tally.complain(f"{kind.__name__}: no answer for 30 s")
            except Exception as error:  # a client must not die: the others would be measured without it
                self.tally.complain(f"{kind.__name__}: {error!r}")

    def port(self):
        return self.world.port(self.random.randrange(len(self.world.gateways)))

    def words(self):
        beginnings = ("It was a fine evening in the country", "She had no sooner entered the room",
                      "You are a helpful assistant. Answer in one sentence.")
        return self.random.choice(beginnings) + f" {self.random.randrange(50)}" * self.random.randrange(20)

    def chat(self, stream):
        return post(self.world.key, "/v1/chat/completions",
                    chat_body(self.random.randrange(2, 60), stream, self.words()))

    def send(self, data, pause=0.0, size=65536, receive_buffer=0):
        with socket.socket() if receive_buffer else connect(self.port(), 30) as s:
            if receive_buffer:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
                s.settimeout(30)
                s.connect(("127.0.0.1", self.port()))
            s.sendall(data)
            return read_answer(s, pause, size)

    def judge(self, what, got, is_whole):
        """Whole with 200, or refused in a way that says come again."""
        status = status_of(got)
        if status == 200 and is_whole:
            self.tally.add(f"{what}: whole")
        elif status in REFUSALS and is_whole:
            self.tally.add(f"{what}: {status}")
        elif status == 422 and b'"request_quarantined"' in got and is_whole:
            self.tally.add("quarantined")
        else:
            self.tally.complain(f"{what}: status {status}, whole {is_whole}: {got[-200:]!r}")

    def judge_stream(self, what, got, is_whole):
        if status_of(got) != 200:
            self.judge(what, got, is_whole)
            return
        events = sse_events(got)
        if is_whole and events and events[-1] == "[DONE]" and events.count("[DONE]") == 1:
            self.tally.add(f"{what}: whole")
        elif events and not is_whole and '"error"' in events[-1] and "[DONE]" not in events:
            self.tally.add(f"{what}: typed error")
        else:
            self.tally.complain(f"{what}: ended with {got[-200:]!r}, whole {is_whole}")

    def whole_stream(self):
        self.judge_stream("stream", *self.send(self.chat(True)))

    def whole_answer(self):
        self.judge("answer", *self.send(self.chat(False)))

    def infer(self):
        name = self.random.choice(("digits", "segments"))
        rows = self.random.randrange(1, 20)
        body = {"inputs": [{"name": "x", "shape": [rows, 64], "datatype": "FP32",
                            "data": [self.random.randrange(17) for _ in range(64 * rows)]}]}
        self.judge("infer", *self.send(post(self.world.key, f"/v2/models/{name}/infer", body)))

    def embed(self):
        self.judge("embed", *self.send(post(self.world.key, "/v1/embeddings", {"model": "embed", "input": self.words()})))

    def leave(self):
        """Goes away at a point drawn by chance: while sending, before the answer, or in its middle; half by a reset."""
        data = self.chat(self.random.random() < 0.8)
        with connect(self.port(), 30) as s:
            point = self.random.random()
            if point < 0.2:
                s.sendall(data[:self.random.randrange(1, len(data))])
            else:
                s.sendall(data)
            if point > 0.4:
                s.settimeout(0.5)
                try:
                    for _ in range(self.random.randrange(1, 6)):
                        if not s.recv(4096):
                            break
                except socket.timeout:  # the answer had been whole before
                    pass
            else:
                time.sleep(self.random.random() * 0.05)
            if self.random.random() < 0.5:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.tally.add("left")

    def slow(self):
        body = post(self.world.key, "/v1/chat/completions", chat_body(120, True, self.words()))
        self.judge_stream("slow stream", *self.send(body, pause=0.01, size=200, receive_buffer=2048))

    def bad(self):
        key, good = self.world.key, chat_body(4, False)
        data, statuses = self.random.choice((
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", (400, 0)),
            (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", (400, 505)),
            (post("fs-wrong", "/v1/chat/completions", good), (401,)),
            (post(key, "/v1/chat/completions", b'{"model":"chat","messages":[}'), (400,)),
            (post(key, "/v1/chat/completions", b"[" * 5000), (400,)),
            (post(key, "/v1/chat/completions", dict(good, model="nobody")), (404,)),
            (post(key, "/v1/chat/completions", dict(good, stream="yes")), (400,)),
            (post(key, "/v1/chat/completions", b'{"model":"chat","model":"risk"}'), (400,)),
            (post(key, "/v1/nothing", good), (404,)),
            (post(key, "/v1/chat/completions", good, b"Content-Length: 3\r\n"), (400,)),
            (post(key, "/v1/chat/completions", good, b"Transfer-Encoding: chunked\r\n"), (400,)),
            (post(key, "/v1/chat/completions", good, b"X: " + b"a" * 40000 + b"\r\n"), (431, 0)),
            (post(key, "/v2/models/digits/infer", {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32",
                                                               "data": [1, 2, 3]}]}), (400, 502, 503)),
        ))
        got, _ = self.send(data)
        if status_of(got) in statuses:
            self.tally.add("refused as it should")
        else:
            self.tally.complain(f"bad request {data[:60]!r}...: {got[:150]!r}")


def memory_mb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Watch:
    """Memory, descriptors and process ids of gateways and workers over time."""

    def __init__(self, world):
        self.world = world
        self.pids = {p["process"]: p["pid"] for p in world.processes()}
        self.watched = {p["process"]: p["pid"] for p in world.processes() if p["role"] in ("gateway", "worker")}
        self.samples = {name: [] for name in self.watched}  # (seconds, MB, descriptors)
        self.began = time.monotonic()
        self.killed, self.crashes = set(), []
        self.engines = self.find_engines()

    def find_engines(self):
        return {c for name, pid in self.watched.items() if "gateway" not in name for c in harness.children_of(pid)}

    def sample(self):
        for name, pid in self.watched.items():
            try:
                row = (time.monotonic() - self.began, memory_mb(pid), descriptors(pid))
                self.samples[name].append(row)
            except (OSError, StopIteration):
                pass
        for p in self.world.processes():
            if p["pid"] != self.pids[p["process"]]:
                self.crashes.append(f"{p['process']}: pid {self.pids[p['process']]} became {p['pid']}")
                self.pids[p["process"]] = p["pid"]
        engines = self.find_engines()
        for pid in self.engines - engines - self.killed:
            self.crashes.append(f"engine {pid} ended by itself")
        self.engines = engines

    def kill_engine(self, random_source):
        engines = sorted(self.find_engines())
        if not engines:
            return
        pid = random_source.choice(engines)
        self.killed.add(pid)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def verdicts(watch, quiet_before, quiet_after, warm_s):
    """Prints the table; answers the complaints."""
    complaints = []
    print(f"\n{'process':34s} {'MB warm':>8s} {'MB end':>8s} {'most':>8s} {'fds before':>10s} {'most':>6s} {'after':>6s}")
    for name, rows in watch.samples.items():
        warm = [r[1] for r in rows if r[0] <= warm_s + SAMPLE_S][-3:] or [rows[0][1]]
        before, after = quiet_before[name], quiet_after.get(name)
        if after is None:
            complaints.append(f"{name} is gone")
            continue
        start, end = statistics.median(warm), statistics.median(r[1] for r in rows[-3:])
        print(f"{name:34s} {start:8.1f} {end:8.1f} {max(r[1] for r in rows):8.1f} {before:10d} "
              f"{max(r[2] for r in rows):6d} {after:6d}")
        if end > start * (1 + GROWTH_RATIO) + GROWTH_MB:
            complaints.append(f"{name}: memory grew from {start:.1f} to {end:.1f} MB after the first minute")
        middle = [r[2] for r in rows if warm_s <= r[0] <= rows[-2][0] / 2 + warm_s / 2]
        late = [r[2] for r in rows[:-1] if r[0] > rows[-2][0] / 2 + warm_s / 2]
        if middle and late and statistics.median(late) > statistics.median(middle) + SLACK_UNDER_LOAD:
            complaints.append(f"{name}: descriptors grow under the same load: {middle} then {late}")
        if after > before + SLACK_AFTER:
            complaints.append(f"{name}: {before} descriptors before the load, {after} after it")
    return complaints


def quiet_descriptors(watch):
    found = {}
    for name, pid in watch.watched.items():
        try:
            found[name] = descriptors(pid)
        except OSError:
            pass
    return found


def load(world, watch, tally, seconds):
    """All clients for that long; samples and kills in between."""
    source, until = random.Random(0), time.monotonic() + seconds
    clients = [Client(world, i, tally, until) for i in range(CLIENTS)]
    for c in clients:
        c.start()
    sample_at, kill_at = time.monotonic() + SAMPLE_S, time.monotonic() + KILL_S
    while time.monotonic() < until:
        time.sleep(0.2)
        if time.monotonic() >= kill_at and time.monotonic() < until - KILL_S:
            watch.kill_engine(source)
            kill_at += KILL_S
        if time.monotonic() >= sample_at:
            watch.sample()
            sample_at += SAMPLE_S
            if sys.stderr.isatty():
                print(f"\r{until - time.monotonic():4.0f} s to go, {sum(tally.counts.values())} requests",
                      end="", file=sys.stderr)
    for c in clients:
        c.join(timeout=60)
    if any(c.is_alive() for c in clients):
        tally.complain("a client still waits a minute after the load")


def settle(watch, before):
    """Kept connections are given up after a while; answers the descriptors then."""
    end = time.monotonic() + QUIET_S
    after = quiet_descriptors(watch)
    while time.monotonic() < end and any(after.get(n, 0) > before[n] + SLACK_AFTER for n in before):
        time.sleep(0.5)
        after = quiet_descriptors(watch)
    return after


def main():
    minutes, is_echo = float(sys.argv[2]), "--echo" in sys.argv
    if not 0 < minutes <= 24 * 60:
        raise SystemExit("expected minutes between 0 and 1440")
    world, tally = World(echo=is_echo), Tally()
    try:
        harness.wait_for("the first answer", lambda: world.call("/v1/chat/completions", chat_body(2, False))[0] == 200, 30)
        watch = Watch(world)
        pool = Tally()  # kept connections between gateways and workers are opened once, before the count
        for _ in range(3):
            Client(world, 0, pool, 0).infer()
        before = quiet_descriptors(watch)
        load(world, watch, tally, minutes * 60)
        after = settle(watch, before)
        watch.sample()
        warm_s = min(60, minutes * 30)
        complaints = verdicts(watch, before, after, warm_s)
        pids = list(watch.pids.values()) + sorted(watch.find_engines())
    finally:
        status, took = world.stop()
    good = {k: v for k, v in tally.counts.items() if k.split(":")[0] in ("stream", "answer", "infer", "embed")}
    whole, all_good = sum(v for k, v in good.items() if k.endswith("whole")), sum(good.values())
    print("\n" + "\n".join(f"{v:8d}  {k}" for k, v in sorted(tally.counts.items())))
    print(f"{len(watch.killed):8d}  engines killed; {whole} of {all_good} good requests whole")
    complaints += watch.crashes + [f"wrong: {w}" for w in tally.wrong]
    if tally.counts["quarantined"] > QUARANTINED_MAX * len(watch.killed):
        complaints.append(f"{tally.counts['quarantined']} requests were quarantined by {len(watch.killed)} killed engines")
    if whole < WHOLE_MIN * all_good or not all_good:
        complaints.append(f"only {whole} of {all_good} good requests got their whole answer")
    if status != 0 or took > 5.5:
        complaints.append(f"up ended with status {status} in {took:.1f} s")
    complaints += [f"process {pid} is left over" for pid in pids if is_alive(pid)]
    for line in complaints:
        print("FAILED ", line)
    print(f"soak: {'failed' if complaints else 'passed'}, {minutes:g} minutes, {sum(tally.counts.values())} requests")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
