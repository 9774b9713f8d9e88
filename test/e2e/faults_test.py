#!/usr/bin/env python3
"""What happens to worlds happens here: processes killed, stopped, links cut, clients that leave or are slow."""
import json
import os
import signal
import sys
import time

import harness
from harness import World, chat_body, is_alive, open_stream, post, read_to_end, sse_events, status_of, test, wait_for

world = World(echo=True)
US, EU, ASIA = "aws:us-east-1", "azure:westeurope", "gcp:asia-northeast1"


def text_worker(region):
    return next(w for w in world.regions[region]["workers"] if "chat" in w["services"])


def worker_pid(region):
    return world.pid_of("worker", region, text_worker(region)["name"])


def assert_answers(region=0, seconds=10):
    wait_for(f"answers in region {region}",
             lambda: world.call("/v1/chat/completions", chat_body(4, False), region=region)[0] == 200, seconds)


def wait_local(region=0, seconds=10):
    """Until the region answers with a replica of its own again."""
    def local():
        s, got = open_stream(world.port(region), world.key, chat_body(2))
        rest, _ = read_to_end_of_stream(s, got)
        route = next((line for line in rest.split(b"\r\n") if line.lower().startswith(b"x-farspan-route")), b"")
        return world.ready["regions"][region]["region"].encode() + b"/" in route and b"," not in route.split(b";")[0]
    wait_for("the region answers itself", local, seconds)


def read_to_end_of_stream(s, got):
    was_reset = False
    s.settimeout(20)
    try:
        while b"0\r\n\r\n" not in got[-16:]:
            piece = s.recv(65536)
            if not piece:
                break
            got += piece
    except ConnectionResetError:
        was_reset = True
    s.close()
    return got, was_reset


def load_of(region):
    status, body = harness.request(text_worker(region)["port"], "GET", "/metrics")
    assert status == 200
    rows = [line for line in body.decode().split("\n") if line.startswith('farspan_worker_running{') and '"chat"' in line]
    return int(float(rows[0].rsplit(" ", 1)[1])) if rows else 0


@test
def a_worker_killed_at_each_chunk_ends_the_stream_typed():
    for chunk in (1, 2, 5):
        wait_local()
        s, got = open_stream(world.port(), world.key, chat_body(60))
        while len(sse_events(got)) < chunk:
            got += s.recv(65536)
        os.kill(worker_pid(US), signal.SIGKILL)
        got, was_reset = read_to_end_of_stream(s, got)
        events = sse_events(got)
        assert "[DONE]" not in events, events[-3:]
        assert was_reset or json.loads(events[-1])["error"]["code"] == "upstream_lost", events[-1]
        assert not got.endswith(b"0\r\n\r\n")
    wait_local()


@test
def a_worker_killed_before_the_first_byte_costs_nobody_an_answer():
    wait_local()
    os.kill(worker_pid(US), signal.SIGKILL)
    status, body = world.call("/v1/chat/completions", chat_body(4, False))
    assert status == 200, (status, body)
    wait_local()


@test
def a_stopped_worker_is_left_alone_within_seconds():
    wait_local()
    pid = worker_pid(US)
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(2)
        began = time.monotonic()
        status, body = world.call("/v1/chat/completions", chat_body(4, False))
        assert status == 200 and time.monotonic() - began < 10, (status, body)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_local()


@test
def an_engine_that_hangs_is_replaced_while_its_worker_lives():
    wait_local()
    pid = worker_pid(US)
    engines = harness.children_of(pid)
    assert engines
    s, got = open_stream(world.port(), world.key, chat_body(60))
    for engine in engines:
        os.kill(engine, signal.SIGSTOP)
    got, _ = read_to_end_of_stream(s, got)
    assert "[DONE]" not in sse_events(got)
    wait_for("the hanging engine is gone", lambda: not any(is_alive(e) for e in engines), 15)
    assert worker_pid(US) == pid, "the worker itself was not replaced"
    wait_local(0, 15)


@test
def a_client_that_leaves_frees_its_slot_at_once():
    wait_local()
    wait_for("an idle worker", lambda: load_of(US) == 0)
    s, _ = open_stream(world.port(), world.key, chat_body(400))
    assert load_of(US) == 1
    s.close()
    began = time.monotonic()
    wait_for("the slot is free", lambda: load_of(US) == 0, 2, 0.005)
    assert time.monotonic() - began < 0.4, time.monotonic() - began


@test
def a_slow_reader_does_not_grow_the_gateway():
    wait_local()
    gateway = world.pid_of("gateway", US)

    def rss():
        with open(f"/proc/{gateway}/statm") as f:
            return int(f.read().split()[1]) * 4096

    before = rss()
    streams = [open_stream(world.port(), world.key, chat_body(200))[0] for _ in range(8)]
    time.sleep(5)
    assert rss() - before < 16 << 20, rss() - before
    for s in streams:
        s.close()
    assert_answers()


@test
def a_cut_link_is_survived_and_healed():
    client_port = world.base + 3 + 6 + 9 + 0 * 3 + 0

    def through_link(timeout):
        try:
            return harness.request(client_port, "POST", "/v1/chat/completions",
                                   json.dumps(chat_body(2, False)).encode(), f"Bearer {world.key}", timeout=timeout)[0]
        except OSError:
            return 0

    assert through_link(10) == 200
    world.fault(US, "cut")
    try:
        time.sleep(0.2)
        assert through_link(1.5) == 0
        assert_answers(1)
        assert_answers(2)
    finally:
        world.fault(US, "heal")
    wait_for("the link is whole", lambda: through_link(5) == 200, 20)


@test
def a_paused_region_is_answered_for_and_comes_back():
    world.fault(EU, "pause")
    try:
        assert_answers(0)
    finally:
        world.fault(EU, "heal")
    assert_answers(1, 15)


@test
def a_region_without_workers_sends_its_clients_one_hop_away():
    wait_local()
    native = [p["pid"] for p in world.processes() if p["role"] == "worker" and p["region"] == US]
    for pid in native:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(2)
        s, got = open_stream(world.port(), world.key, chat_body(4))
        got, _ = read_to_end_of_stream(s, got)
        head = got.split(b"\r\n\r\n")[0].decode().lower()
        route = next(line for line in head.split("\r\n") if line.startswith("x-farspan-route"))
        assert status_of(got) == 200 and ("azure:westeurope/" in route or "gcp:asia-northeast1/" in route), head
    finally:
        for pid in native:
            os.kill(pid, signal.SIGCONT)
    wait_local(0, 15)


@test
def a_thousand_requests_at_once_are_answered_or_refused_with_a_time():
    sockets = []
    data = post(world.key, "/v1/chat/completions", chat_body(1, False))
    for _ in range(600):
        s = harness.connect(world.port(), 60)
        s.sendall(data)
        sockets.append(s)
    counts = {}
    for s in sockets:
        answer = s.recv(65536)
        status = status_of(answer)
        counts[status] = counts.get(status, 0) + 1
        if status in (429, 503):
            assert b"retry-after:" in answer.lower(), answer
        s.close()
    assert set(counts) <= {200, 429, 503} and counts[200] > 200, counts
    assert_answers()


@test
def gateways_and_supervisor_lived_through_all_of_it():
    assert world.process.poll() is None
    gateways = [p for p in world.processes() if p["role"] == "gateway"]
    assert all(p["restarts"] == 0 for p in gateways), gateways


if __name__ == "__main__":
    result = harness.main()
    status, took = world.stop()
    if status != 0 or took > 5.5:
        print(f"FAILED  the world ended with {status} after {took:.1f} s")
        result = 1
    sys.exit(result)
