#!/usr/bin/env python3
"""`farspan apply`: a plan becomes what runs, without a lost request; a failure or a kill at any action is survived."""
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import harness
from harness import FARSPAN, ROOT, World, chat_body, long_test, open_stream, sse_events, test, wait_for

US, EU = "aws:us-east-1", "azure:westeurope"
SKU = {US: "p4de.24xlarge", EU: "Standard_ND96amsr_A100_v4"}
FILE = """version: 1
world: two
catalog:
  regions: {root}/data/regions.csv
  prices: {root}/data/prices.csv
  links: {root}/data/links.csv
  profiles: {root}/data/profiles.csv
regions:
  - {{name: "{us}", zone: us}}
  - {{name: "{eu}", zone: eu}}
models:
  - {{name: risk, file: {folder}/risk.model}}
services:
  - {{name: chat, kind: generation, engine: echo}}
  - {{name: embed, kind: embeddings, engine: echo}}
  - {{name: risk, kind: classification, engine: native, model: risk}}
workers:
  - {{name: us-text, region: "{us}", sku: {us_sku}, pace: profile, profile: llama2-70b/8xa100-80gb/16,
     services: [chat, embed]}}
  - {{name: us-risk, region: "{us}", sku: m7i.xlarge, services: [risk]}}
  - {{name: eu-text, region: "{eu}", sku: {eu_sku}, pace: profile, profile: llama2-70b/8xa100-80gb/16,
     services: [chat, embed]}}
"""


class Place(World):
    """A world with free places, whose folder outlives it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="farspan-apply-")
        self.model = os.path.join(self.folder, "risk.model")
        shutil.copy(os.path.join(ROOT, "models/risk.model"), self.model)
        self.file = os.path.join(self.folder, "two.yaml")
        with open(self.file, "w") as f:
            f.write(FILE.format(root=ROOT, folder=self.folder, us=US, eu=EU, us_sku=SKU[US], eu_sku=SKU[EU]))
        super().__init__(self.file, ("--room", "2"))

    def processes(self):
        done = subprocess.run([FARSPAN, "status", "--json", "--state", self.state], capture_output=True, text=True,
                              timeout=30)
        assert done.returncode == 0, done.stderr
        self.status = json.loads(done.stdout)
        return self.status["processes"]

    def supervisor_port(self):
        return self.base + 2 + 3 + 4 + 4 + 4 + 1

    def workers(self):
        """Who works on what, as the supervisor sees it."""
        return {p["process"].removeprefix("worker "): sorted(p["services"]) for p in self.processes()
                if p["role"] == "worker" and p["state"] == "running"}

    def epoch(self):
        self.processes()
        return self.status["epoch"]

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait(timeout=10)
        self.process.stdout.close()

    def start_again(self, *arguments):
        command = [FARSPAN, "up", "-f", self.file, "--json", "--state", self.state, "--port-base", str(self.base),
                   *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        line = self.process.stdout.readline()
        assert line, open(self.errors.name).read()
        self.ready = json.loads(line)

    def stop(self):
        result = super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        return result


world = Place()


def row(service, region, count, sku=None, market="on_demand", usd_h=40.0):
    return {"service": service, "region": region, "sku": sku or SKU[region], "market": market, "count": count,
            "running": 0 if count else 1, "machines": 1, "usd_h": usd_h, "estimate": False}


def text_rows(us, eu):
    return [row("chat", US, us), row("embed", US, us), row("chat", EU, eu), row("embed", EU, eu)]


def plan(rows, steps=(), **more):
    return {"version": 1, "status": "feasible", "stopped_by": "gap", "build": "test", "solver": "none",
            "catalogue": "0" * 64, "world": "two", "base_epoch": world.epoch(), "cost_usd_h": 120.0,
            "bound_usd_h": 119.0, "gap": 0.01, "seconds": 0.1, "carbon_kg_h": 0, "egress_usd_h": 0,
            "replicas": rows, "flows": [], "rules": [], "steps": list(steps), **more}


def apply(content, *arguments, kill=None, fault=None, timeout=120):
    path = os.path.join(world.folder, "plan.json")
    if content is not None:
        with open(path, "w") as f:
            json.dump(content, f)
    environment = {**os.environ, **({"FARSPAN_APPLY_KILL": str(kill)} if kill else {}),
                   **({"FARSPAN_FAULT": f"file:{fault}"} if fault else {})}
    return subprocess.run([FARSPAN, "apply", path, "--state", world.state, *arguments], capture_output=True, text=True,
                          timeout=timeout, env=environment, stdin=subprocess.DEVNULL)


def go(content, **more):
    done = apply(content, "--yes", **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def back_to_the_file():
    """One worker with text in each region again, whatever the test before left."""
    rows = text_rows(1, 1) + [row("risk", US, 1, "m7i.xlarge", usd_h=0.2), row("risk", EU, 0)]
    go(plan(rows))
    assert sorted(world.workers().values()) == [["chat", "embed"], ["chat", "embed"], ["risk"]], world.workers()


def left_over():
    return [name for name in ("apply.json", "plan.next.json") if os.path.exists(os.path.join(world.state, name))]


@test
def a_dry_run_shows_the_difference_and_says_by_its_exit_whether_there_is_one():
    done = apply(plan(text_rows(2, 0)), "--dry-run")
    assert done.returncode == 2, done
    for words in ("1 -> 2", f"start {US}+1: chat, embed", "stop  eu-text", f"moves: chat, embed from {EU} to {US}",
                  "before, $", "epoch 1 -> 2"):
        assert words in done.stdout, (words, done.stdout)
    done = apply(plan(text_rows(2, 0)), "--dry-run", "--json")
    assert done.returncode == 2
    shown = json.loads(done.stdout)
    assert [a["action"] for a in shown["actions"]] == ["start", "stop"] and not shown["is_empty"]
    done = apply(plan(text_rows(1, 1)), "--dry-run")
    assert done.returncode == 0 and "no difference" in done.stdout, done
    assert world.epoch() == 1 and not left_over() and set(world.workers()) == {"us-text", "us-risk", "eu-text"}


@test
def what_cannot_be_is_refused_by_words_and_changes_nothing():
    before = world.workers()
    cases = [(plan(text_rows(2, 1)), (), "nobody can be asked"),
             (plan(text_rows(2, 1), base_epoch=9), ("--yes",), "stale"),
             (plan(text_rows(2, 1), world="three"), ("--yes",), "for the world three"),
             (plan([row("chart", US, 2)]), ("--yes",), "service chart"),
             (plan([row("chat", "mars", 2, "x")]), ("--yes",), "region mars"),
             (plan(text_rows(9, 1)), ("--yes",), "--room"),
             (plan([], status="infeasible"), ("--yes",), "infeasible"),
             ({"version": 1}, ("--yes",), "plan.json")]
    for content, arguments, words in cases:
        done = apply(content, *arguments)
        assert done.returncode == 1 and words in done.stderr, (words, done)
    done = subprocess.run([FARSPAN, "apply", "--state", world.state], capture_output=True, text=True)
    assert done.returncode == 1 and "broken off" in done.stderr, done
    done = apply(None, "--target", "mars")
    assert done.returncode == 2 and "local" in done.stderr, done
    assert world.workers() == before and world.epoch() == 1 and not left_over()


class Clients:
    """Asks both gateways all the time; every answer must be whole."""

    def __init__(self):
        self.is_over = threading.Event()
        self.answers, self.failures = 0, []
        self.threads = [threading.Thread(target=self.run, args=(i % 2, i // 2 % 2 == 0)) for i in range(8)]

    def ask(self, region, is_stream):
        status, body = world.call("/v1/chat/completions", chat_body(6, is_stream), region=region)
        is_whole = body.endswith(b"data: [DONE]\n\n") if is_stream else b'"finish_reason"' in body
        self.answers += 1
        if status != 200 or not is_whole:
            self.failures.append((status, body[-300:]))

    def run(self, region, is_stream):
        while not self.is_over.is_set():
            try:
                self.ask(region, is_stream)
            except OSError as error:
                self.failures.append((0, repr(error)))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


@test
def a_plan_is_made_real_without_losing_a_request():
    with Clients() as clients:
        time.sleep(0.5)
        # A stream of 8 s on the worker that will stop: longer than what a signal would give it.
        s, got = open_stream(world.port(1), world.key, chat_body(160), timeout=60)
        done = go(plan(text_rows(2, 0)))
        rest, was_reset = read_to_end_of_stream(s)
        time.sleep(0.5)
    assert not clients.failures and clients.answers > 20, (clients.answers, clients.failures[:5])
    assert sse_events(got + rest)[-1] == "[DONE]" and not was_reset
    assert "applied: the world is at epoch 2" in done.stdout, done.stdout
    assert world.workers() == {"us-text": ["chat", "embed"], "us-risk": ["risk"], f"{US}+1": ["chat", "embed"]}
    with open(os.path.join(world.state, "plan.json")) as f:
        assert json.load(f)["base_epoch"] == 1
    assert world.epoch() == 2 and not left_over()
    place = next(p for p in world.processes() if p["process"] == f"worker {US}+1")
    replicas = world.state_of(place["port"])["load"]["replicas"]
    assert {r["service"] for r in replicas} == {"chat", "embed"}
    # $40 an hour over 16 streams of 19.83 tokens a second: $35 a million
    assert 30e6 < next(r for r in replicas if r["service"] == "chat")["price_usd_micro_mtok"] < 40e6, replicas
    status = subprocess.run([FARSPAN, "status", "--state", world.state], capture_output=True, text=True).stdout
    assert "epoch 2" in status and "2/2" in status, status


def read_to_end_of_stream(s):
    got, was_reset = b"", False
    s.settimeout(60)
    while not got.endswith(b"0\r\n\r\n"):
        try:
            piece = s.recv(65536)
        except ConnectionResetError:
            return got, True
        if not piece:
            break
        got += piece
    s.close()
    return got, was_reset


@test
def the_plan_in_force_is_known_again():
    done = apply(None, "--yes")
    assert done.returncode == 0 and "in force" in done.stdout, done
    assert apply(None, "--dry-run").returncode == 0


@test
def a_world_that_is_started_again_goes_on_as_planned():
    before = world.workers()
    world.end(signal.SIGTERM)
    world.start_again()
    assert world.workers() == before and world.epoch() == 2
    assert {w["name"] for r in world.ready["regions"] for w in r["workers"]} == set(before)
    back_to_the_file()


@test
def killed_at_any_action_the_next_apply_ends_the_same():
    kill, was_killed = 1, True
    while was_killed:
        is_there = len([w for w in world.workers().values() if "chat" in w]) == 2 and "eu-text" in world.workers()
        # back and forth; in two waves, so that all kinds of actions come
        rows = text_rows(3, 0) if is_there else text_rows(1, 1)
        steps = [{"wave": 0, "action": "start", "replica": i, "count": 1} for i in (0, 1)] + \
                [{"wave": 1, "action": "start", "replica": i, "count": 1} for i in (0, 1)] + \
                [{"wave": 1, "action": "stop", "replica": i, "count": 1} for i in (2, 3)] if is_there else []
        epoch = world.epoch()
        done = apply(plan(rows, steps), "--yes", kill=kill)
        was_killed = done.returncode == -signal.SIGKILL
        assert was_killed or done.returncode == 0, (kill, done)
        if was_killed:
            again = apply(None, "--yes")
            assert again.returncode == 0, (kill, again)
        wanted = 3 if is_there else 2
        workers = world.workers()
        assert len([w for w in workers.values() if "chat" in w]) == wanted, (kill, workers)
        assert ("eu-text" in workers) == (not is_there), (kill, workers)
        assert world.epoch() == epoch + 1 and not left_over(), (kill, world.epoch(), left_over())
        kill += 1
    assert kill > 8, kill
    back_to_the_file()


@test
def ctrl_c_says_what_is_next_and_the_next_apply_does_it():
    epoch = world.epoch()
    path = os.path.join(world.folder, "plan.json")
    with open(path, "w") as f:
        json.dump(plan(text_rows(2, 1)), f)
    world.fault(US, "pause")  # nobody sees the new worker ready before the signal, however late it comes
    process = subprocess.Popen([FARSPAN, "apply", path, "--state", world.state, "--yes"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    with process:
        for line in process.stdout:
            if line.startswith("start "):
                time.sleep(0.5)
                process.send_signal(signal.SIGINT)
                break
        said = process.stderr.read()
    world.fault(US, "heal")
    assert process.returncode == -signal.SIGINT and "the next farspan apply goes on" in said, (process.returncode, said)
    dry = apply(None, "--dry-run")
    assert dry.returncode == 2 and "farspan apply takes it up" in dry.stdout, dry
    assert apply(None, "--yes").returncode == 0
    assert world.epoch() == epoch + 1 and not left_over()
    back_to_the_file()


@long_test
def any_file_that_fails_leaves_something_to_go_on_with():
    fault, untouched = 1, 0
    while untouched < 12:
        is_there = "eu-text" in world.workers()
        epoch = world.epoch()
        done = apply(plan(text_rows(2, 0) if is_there else text_rows(1, 1)), "--yes", fault=fault)
        untouched = untouched + 1 if done.returncode == 0 else 0
        assert done.returncode in (0, 1), (fault, done)
        again = apply(None, "--yes")
        assert again.returncode == 0, (fault, done, again)
        assert ("eu-text" in world.workers()) == (not is_there), (fault, done, again)
        assert world.epoch() == epoch + 1 and not left_over(), (fault, left_over())
        fault += 1
    assert fault > 30, fault
    back_to_the_file()


@test
def a_wave_that_fails_is_undone():
    """The second wave wants an engine whose model is broken: what the first did is undone too."""
    before, epoch = world.workers(), world.epoch()
    with open(world.model, "w") as f:
        f.write("broken\n")
    rows = text_rows(2, 0) + [row("risk", US, 1, "m7i.xlarge"), row("risk", EU, 1, "Standard_D4s_v5")]
    steps = [{"wave": 0, "action": "start", "replica": i, "count": 1} for i in (0, 1)] + \
            [{"wave": 0, "action": "stop", "replica": i, "count": 1} for i in (2, 3)] + \
            [{"wave": 1, "action": "start", "replica": 5, "count": 1}]
    with Clients() as clients:
        done = apply(plan(rows, steps), "--yes")
        time.sleep(0.5)
    shutil.copy(os.path.join(ROOT, "models/risk.model"), world.model)
    assert done.returncode == 1 and "its engine cannot start" in done.stderr, done
    assert "as it was before" in done.stderr and "start eu-text" in done.stdout, done
    assert not clients.failures, clients.failures[:5]
    assert world.workers() == before and world.epoch() == epoch and not left_over()


@test
def killed_on_the_way_back_the_next_apply_goes_on_back():
    before, epoch = world.workers(), world.epoch()
    rows = text_rows(2, 0) + [row("risk", US, 1, "m7i.xlarge"), row("risk", EU, 1, "Standard_D4s_v5")]
    steps = [{"wave": 0, "action": "start", "replica": i, "count": 1} for i in (0, 1)] + \
            [{"wave": 0, "action": "stop", "replica": i, "count": 1} for i in (2, 3)] + \
            [{"wave": 1, "action": "start", "replica": 5, "count": 1}]
    kill, was_killed = 13, True  # the first of the way back
    while was_killed:
        with open(world.model, "w") as f:
            f.write("broken\n")
        done = apply(plan(rows, steps), "--yes", kill=kill)
        shutil.copy(os.path.join(ROOT, "models/risk.model"), world.model)
        was_killed = done.returncode == -signal.SIGKILL
        assert was_killed or done.returncode == 1, (kill, done)
        if was_killed:
            again = subprocess.run([FARSPAN, "apply", "--yes", "--state", world.state], capture_output=True, text=True)
            assert again.returncode == 1 and "on the way back" in again.stdout, (kill, again)
        assert world.workers() == before and world.epoch() == epoch and not left_over(), kill
        kill += 3
    assert kill > 16, kill


@test
def a_worker_that_nobody_sees_ready_in_time_is_taken_back():
    before, epoch = world.workers(), world.epoch()
    world.fault(EU, "pause")
    done = apply(plan(text_rows(1, 2)), "--yes", "--timeout", "2s")
    world.fault(EU, "heal")
    assert done.returncode == 1 and "does not see it ready" in done.stderr, done
    wait_for("the workers of before", lambda: world.workers() == before)
    assert world.epoch() == epoch and not left_over()


@test
def a_worker_that_dies_again_and_again_is_taken_back():
    before, epoch = world.workers(), world.epoch()
    is_over = threading.Event()

    def kill_it():
        while not is_over.is_set():
            for pid in [p["pid"] for p in world.processes() if p["process"] == f"worker {US}+1" and p["pid"]]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_it)
    killer.start()
    try:
        done = apply(plan(text_rows(2, 1)), "--yes")
    finally:
        is_over.set()
        killer.join()
    assert done.returncode == 1 and "dies again and again" in done.stderr, done
    assert world.workers() == before and world.epoch() == epoch and not left_over()


@test
def a_supervisor_killed_in_the_middle_is_no_end_either():
    done = apply(plan(text_rows(2, 0)), "--yes", kill=2)
    assert done.returncode == -signal.SIGKILL, done
    world.end(signal.SIGKILL)
    time.sleep(0.5)
    world.start_again()
    go(None)
    assert set(world.workers()) == {"us-text", "us-risk", f"{US}+1"} and not left_over()


@test
def a_world_ends_in_time_while_a_worker_drains():
    back_to_the_file()
    s, _ = open_stream(world.port(1), world.key, chat_body(400), timeout=60)  # 20 s
    path = os.path.join(world.folder, "plan.json")
    with open(path, "w") as f:
        json.dump(plan(text_rows(2, 0)), f)
    under_way = subprocess.Popen([FARSPAN, "apply", path, "--yes", "--state", world.state], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
    wait_for("the drain", lambda: any(p["process"] == "worker eu-text" and p["state"] == "stopping"
                                      for p in world.processes()))
    began = time.monotonic()
    world.end(signal.SIGTERM)
    assert time.monotonic() - began < 5.5 and world.process.returncode == 0
    s.close()
    _, errors = under_way.communicate(timeout=30)
    assert under_way.returncode == 1 and "does not answer any more" in errors, errors
    world.start_again()
    go(None)
    assert set(world.workers()) == {"us-text", "us-risk", f"{US}+1"} and not left_over()


@test
def two_at_once_do_not_mix():
    with open(os.path.join(world.state, "apply.lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = apply(plan(text_rows(1, 1)), "--yes")
    assert done.returncode == 1 and "another farspan apply" in done.stderr, done


if __name__ == "__main__":
    sys.exit(harness.main(world))
