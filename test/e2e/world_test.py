#!/usr/bin/env python3
"""`farspan up` and the verbs around it, as a newcomer uses and misuses them."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import harness
from harness import FARSPAN, ROOT, World, chat_body, free_port_base, is_alive, test, wait_for

world = World(echo=True)


def run(*arguments, timeout=30, **more):
    return subprocess.run([FARSPAN, *arguments], capture_output=True, text=True, timeout=timeout, **more)


def run_here(*arguments):
    return run(*arguments, "--state", world.state)


@test
def the_ready_line_has_what_scripts_need():
    assert world.ready["ready"] is True and world.key.startswith("fs-")
    assert [r["region"] for r in world.ready["regions"]] == \
        ["aws:us-east-1", "azure:westeurope", "gcp:asia-northeast1"]
    assert {r["zone"] for r in world.ready["regions"]} == {"us", "eu", "asia"}
    assert all(r["workers"] and r["gateway"].startswith("http://127.0.0.1:") for r in world.ready["regions"])
    assert set(world.ready["services"]) == {"chat", "embed", "risk", "digits", "segments", "demand"}


@test
def secrets_are_for_their_owner_only():
    for name in ("key", "peer.key"):
        assert os.stat(os.path.join(world.state, name)).st_mode & 0o777 == 0o600, name
    for pid in [world.process.pid] + [p["pid"] for p in world.processes()]:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            line = f.read()
        with open(f"/proc/{pid}/environ", "rb") as f:
            line += f.read()
        assert world.key.encode() not in line and world.peer.encode() not in line


@test
def no_log_holds_a_secret():
    world.call("/v1/chat/completions", chat_body(4, False))
    time.sleep(1.2)
    folder = os.path.join(world.state, "log")
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            content = f.read()
        assert world.key.encode() not in content and world.key[3:].encode() not in content, name
        assert world.peer.encode() not in content, name


@test
def every_gateway_answers_every_service_kind():
    for region in range(3):
        status, body = world.call("/v1/models", region=region)
        assert status == 200 and {m["id"] for m in json.loads(body)["data"]} >= {"chat", "embed", "risk"}, body
        status, body = world.call("/v1/chat/completions", chat_body(8, False), region=region)
        assert status == 200 and json.loads(body)["choices"][0]["message"]["content"], body
        status, body = world.call("/v1/embeddings", {"model": "embed", "input": "hello"}, region=region)
        assert status == 200 and len(json.loads(body)["data"][0]["embedding"]) > 8, body


@test
def metrics_and_health_need_no_key():
    status, body = harness.request(world.port(), "GET", "/healthz")
    assert status == 200, body
    status, body = harness.request(world.port(), "GET", "/metrics")
    assert status == 200 and re.search(rb"^farspan_requests_total\{[^}]*\} \d+", body, re.M), body[:500]


@test
def status_shows_all_processes_without_flags_but_the_folder():
    got = run_here("status")
    assert got.returncode == 0, got
    for region in world.regions:
        assert region in got.stdout, got.stdout
    assert max(map(len, got.stdout.split("\n"))) <= 100, got.stdout
    got = run_here("status", "--json")
    assert got.returncode == 0 and len(json.loads(got.stdout)["processes"]) == 10, got.stdout


@test
def chat_answers_and_says_the_route():
    got = run_here("chat", "--route", "--max-tokens", "8", "good evening")
    assert got.returncode == 0 and "aws:us-east-1" in got.stdout, got


@test
def explain_names_region_replica_and_each_term():
    got = run_here("explain", "--service", "chat", "--json")
    assert got.returncode == 0, got
    decision = json.loads(got.stdout)
    assert len(decision["targets"]) == 3 and decision["candidates"] == 3, decision
    got = run_here("explain", "--service", "chat")
    assert got.returncode == 0 and "us-east-1/us-text-chat" in got.stdout and "azure:westeurope" in got.stdout, got
    assert decision["chosen"] and all(t["terms_us"]["total"] == sum(v for k, v in t["terms_us"].items() if k != "total")
                                      for t in decision["targets"]), decision
    assert max(map(len, got.stdout.split("\n"))) <= 100, got.stdout


@test
def logs_show_the_access_log_as_json():
    world.call("/v1/chat/completions", chat_body(4, False))

    def lines():
        got = run_here("logs", "access-aws", "-n", "3")
        assert got.returncode == 0, got
        return [json.loads(line) for line in got.stdout.strip().split("\n") if line]

    row = wait_for("a line of the access log", lines)[-1]
    assert row["status"] and row["path"], row


@test
def a_second_world_in_the_same_folder_is_refused_and_told_why():
    got = run("up", "--state", world.state, "--port-base", str(free_port_base()), "--json")
    assert got.returncode == 1 and str(world.process.pid) in got.stderr, got


@test
def a_port_in_use_is_named():
    with tempfile.TemporaryDirectory() as state, socket.socket() as s:
        base = free_port_base()
        s.bind(("127.0.0.1", base + 5))
        s.listen()
        got = run("up", "--state", state, "--port-base", str(base), "--json", "--echo")
        assert got.returncode == 1 and str(base + 5) in got.stderr and "--port-base" in got.stderr, got


@test
def a_state_folder_that_cannot_be_written_is_said_so():
    with tempfile.NamedTemporaryFile() as f:
        got = run("up", "--state", f.name, "--port-base", str(free_port_base()), "--json")
        assert got.returncode == 1 and f.name in got.stderr, got
    got = run("up", "--state", "/proc/farspan", "--port-base", str(free_port_base()), "--json")
    assert got.returncode == 1 and "/proc/farspan" in got.stderr, got


@test
def mistakes_in_the_file_are_shown_with_line_and_column():
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write("version: 1\nworld: x\nregoins: []\nservices:\n  - {name: a, kind: generatoin}\n")
        f.flush()
        got = run("check", f.name)
        assert got.returncode == 1, got
        said = got.stdout + got.stderr
        assert re.search(r":3:1: .*regoins.*regions", said) and "generation" in said, said
        got = run("up", "-f", f.name, "--json")
        assert got.returncode == 1 and ":3:1:" in got.stderr, got


@test
def the_shipped_examples_are_valid():
    names = [n for n in os.listdir(os.path.join(ROOT, "examples")) if n.endswith(".yaml")]
    assert len(names) > 4, names
    for name in names:
        got = run("check", os.path.join(ROOT, "examples", name))
        assert got.returncode == 0, (name, got)


@test
def the_schema_is_json():
    got = run("schema")
    assert got.returncode == 0 and json.loads(got.stdout)["$schema"], got


@test
def each_verb_has_a_page_with_an_example():
    listed = run("help").stdout
    verbs = re.findall(r"^  ([a-z]+) +\S", listed, re.M)
    for verb in ("demo", "up", "front", "chat", "fault", "check", "schema", "explain", "fit", "models", "status",
                 "logs", "gateway", "worker", "bench", "version", "help"):
        assert verb in verbs, verb
        got = run(verb, "--help")
        assert got.returncode == 0 and "example" in got.stdout.lower(), (verb, got)
        assert max(map(len, got.stdout.split("\n"))) <= 100, (verb, got.stdout)


@test
def typing_mistakes_get_a_suggestion():
    assert "did you mean status" in run("staus").stderr
    assert "did you mean --json" in run("status", "--jsn").stderr


@test
def a_worker_that_dies_is_started_again():
    pid = world.pid_of("worker", "azure:westeurope")
    os.kill(pid, signal.SIGKILL)
    wait_for("another worker", lambda: world.pid_of("worker", "azure:westeurope") not in (0, pid))
    wait_for("answers", lambda: world.call("/v1/chat/completions", chat_body(4, False), region=1)[0] == 200)


@test
def a_killed_region_is_answered_for_by_another():
    world.fault("aws:us-east-1", "kill")
    try:
        wait_for("the gateway is gone", lambda: world.pid_of("gateway", "aws:us-east-1") == 0)
        status, body = harness.request(world.client_link_port(1, 1), "POST", "/v1/chat/completions",
                                       json.dumps(chat_body(4, False)).encode(), f"Bearer {world.key}")
        assert status == 200, body
    finally:
        world.fault("aws:us-east-1", "heal")
    world.wait_whole()
    assert world.call("/v2/health/ready")[0] == 200


@test
def nothing_is_left_after_a_kill_of_the_supervisor():
    other = World(echo=True)
    pids = [p["pid"] for p in other.processes()]
    grandchildren = [c for p in pids for c in harness.children_of(p)]
    assert len(pids) == 10 and grandchildren
    other.process.kill()
    wait_for("all children gone", lambda: not any(is_alive(p) for p in pids + grandchildren), seconds=5)
    other.stop()
    shutil.rmtree(other.state, ignore_errors=True)


@test
def ending_takes_less_than_five_seconds_with_streams_open():
    other = World(echo=True)
    s, got = harness.open_stream(other.port(), other.key, chat_body(480))
    status, took = other.stop()
    rest, _ = harness.read_to_end(s)
    s.close()
    events = harness.sse_events(got + rest)
    assert status == 0 and took < 5.2, (status, took)
    assert events[-1] == "[DONE]" or "error" in json.loads(events[-1]), events[-1]


if __name__ == "__main__":
    sys.exit(harness.main(world))
