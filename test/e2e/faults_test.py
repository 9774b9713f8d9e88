#!/usr/bin/env python3
"""What happens to worlds happens here: processes killed, stopped, links cut, clients that leave or are slow."""
import json
import os
import re
import signal
import socket
import sys
import time

import harness
from harness import (World, chat_body, is_alive, open_stream, post, served_by, sse_events, status_of,
                     test, wait_for)

world = World(echo=True)
US, EU, ASIA = "aws:us-east-1", "azure:westeurope", "gcp:asia-northeast1"
REGIONS = [US, EU, ASIA]


def text_worker(region):
    return next(w for w in world.regions[region]["workers"] if "chat" in w["services"])


def worker_pid(region):
    return world.pid_of("worker", region, text_worker(region)["name"])


def ask_chat(region=0, tokens=4, timeout=30):
    try:
        return world.call("/v1/chat/completions", chat_body(tokens, False), region=region, timeout=timeout)[0]
    except OSError:
        return 0


def assert_answers(region=0, seconds=15):
    wait_for(f"answers in region {region}", lambda: ask_chat(region) == 200, seconds)


def begin_stream(tokens=60, region=0, **more):
    """A stream from a whole world: socket, bytes so far, the region that computes it."""
    world.wait_whole()
    s, got = open_stream(world.port(region), world.key, chat_body(tokens, **more))
    return s, got, served_by(got)[0]


def read_stream(s, got):
    """To the last chunk, the end or a reset."""
    was_reset = False
    s.settimeout(30)
    try:
        while not got.endswith(b"0\r\n\r\n"):
            piece = s.recv(65536)
            if not piece:
                break
            got += piece
    except ConnectionResetError:
        was_reset = True
    s.close()
    return got, was_reset


def assert_cut_typed(got, was_reset):
    """A stream that was cut says so, and is never dressed as one that ended."""
    events = sse_events(got)
    assert "[DONE]" not in events and not got.endswith(b"0\r\n\r\n"), events[-3:]
    assert was_reset or json.loads(events[-1])["error"]["code"] == "upstream_lost", events[-1]


def running_at(region):
    status, body = harness.request(text_worker(region)["port"], "GET", "/metrics")
    assert status == 200
    row = re.search(rb'^farspan_worker_running\{[^}]*"chat"[^}]*\} (\d+)', body, re.M)
    return int(row.group(1)) if row else 0


@test
def a_worker_reports_the_speed_of_its_pace():
    """Answers of two tokens: the first comes with the prompt, so one decode step of 1/19.83 s is between them."""
    world.wait_whole()
    for _ in range(12):
        assert ask_chat(tokens=2) == 200
    time.sleep(0.3)
    for region in REGIONS:
        load = world.state_of(text_worker(region)["port"])["load"]["replicas"][0]
        assert 45e6 < load["decode_ns_per_token"] < 75e6, load


@test
def a_worker_killed_at_each_chunk_ends_the_stream_typed():
    for chunk in (1, 2, 5):
        s, got, region = begin_stream()
        while len(sse_events(got)) < chunk:
            got += s.recv(65536)
        os.kill(worker_pid(region), signal.SIGKILL)
        assert_cut_typed(*read_stream(s, got))


@test
def a_worker_killed_before_the_first_byte_costs_nobody_an_answer():
    for _ in range(3):
        world.wait_whole()
        s = harness.connect(world.port(), 30)
        s.sendall(post(world.key, "/v1/chat/completions", chat_body(30, False)))
        busy = wait_for("it is under way", lambda: [r for r in REGIONS if running_at(r) > 0], 5, 0.01)
        os.kill(worker_pid(busy[0]), signal.SIGKILL)
        got = s.recv(65536)
        s.close()
        assert status_of(got) == 200, got
        assert served_by(got)[0] != busy[0], got


@test
def a_stopped_worker_is_left_alone_within_seconds():
    world.wait_whole()
    pid = worker_pid(US)
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(3)
        for _ in range(5):
            began = time.monotonic()
            assert ask_chat() == 200
            assert time.monotonic() - began < 5
    finally:
        os.kill(pid, signal.SIGCONT)
    world.wait_whole()


@test
def an_engine_that_hangs_is_replaced_while_its_worker_lives():
    s, got, region = begin_stream()
    pid = worker_pid(region)
    engines = harness.children_of(pid)
    assert engines
    for engine in engines:
        os.kill(engine, signal.SIGSTOP)
    assert_cut_typed(*read_stream(s, got))
    wait_for("the hanging engine is gone", lambda: not any(is_alive(e) for e in engines), 20)
    assert worker_pid(region) == pid, "the worker itself was not replaced"
    world.wait_whole()


@test
def an_engine_that_dies_is_replaced_and_its_waiting_requests_are_answered():
    world.wait_whole()
    sockets = [harness.connect(world.port(), 40) for _ in range(4)]
    for i, s in enumerate(sockets):
        s.sendall(post(world.key, "/v1/chat/completions", chat_body(20, False, f"letter {i}")))
    busy = wait_for("they are under way", lambda: [r for r in REGIONS if running_at(r) > 0], 5, 0.01)
    pid = worker_pid(busy[0])
    for engine in harness.children_of(pid):
        os.kill(engine, signal.SIGKILL)
    for s in sockets:
        answer = s.recv(65536)
        s.close()
        assert status_of(answer) == 200, answer
    assert worker_pid(busy[0]) == pid


@test
def a_request_that_kills_two_engines_is_refused_and_others_are_not():
    """The request itself cannot kill the echo engine, so the test does it, twice while the request runs."""
    world.wait_whole()
    poison = chat_body(60, False, "the words that stop an engine", seed=7)
    worker = text_worker(US)
    pid = worker_pid(US)

    def ask(body):
        return harness.request(worker["port"], "POST", "/v1/chat/completions", json.dumps(body).encode(),
                               f"Peer {world.peer}", timeout=40)

    s = harness.connect(worker["port"], 40)
    body = json.dumps(poison).encode()
    s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Peer " + world.peer.encode() +
              b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    for _ in range(2):
        engine = wait_for("an engine that computes", lambda: running_at(US) > 0 and harness.children_of(pid), 20, 0.02)
        time.sleep(0.3)
        os.kill(engine[0], signal.SIGKILL)
        wait_for("the engine is gone", lambda: not is_alive(engine[0]), 5, 0.01)
    answer = s.recv(65536)
    s.close()
    assert status_of(answer) == 422 and b"request_quarantined" in answer, answer
    status, answer = ask(poison)
    assert status == 422 and b"request_quarantined" in answer, (status, answer)
    wait_for("others are answered", lambda: ask(chat_body(2, False))[0] == 200, 20)
    world.wait_whole()


@test
def a_client_that_leaves_frees_its_slot_at_once():
    took = []
    for _ in range(4):
        s, _, region = begin_stream(400)
        wait_for("it runs", lambda: running_at(region) == 1, 5, 0.01)
        s.close()
        began = time.monotonic()
        wait_for("the slot is free", lambda: running_at(region) == 0, 5, 0.002)
        took.append(time.monotonic() - began - {US: 0, EU: 0.045, ASIA: 0.083}[region])
    assert min(took) < 0.1 and max(took) < 1, took


@test
def a_client_that_leaves_by_a_reset_frees_its_slot_too():
    s, _, region = begin_stream(400)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    s.close()  # a reset, not an orderly end
    wait_for("the slot is free", lambda: running_at(region) == 0, 5, 0.005)


@test
def a_slow_reader_does_not_grow_the_gateway():
    world.wait_whole()
    gateway = world.pid_of("gateway", US)

    def rss():
        with open(f"/proc/{gateway}/statm") as f:
            return int(f.read().split()[1]) * 4096

    before = rss()
    streams = []
    for _ in range(8):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.connect(("127.0.0.1", world.port()))
        s.sendall(post(world.key, "/v1/chat/completions", chat_body(400)))
        streams.append(s)
    for _ in range(10):
        time.sleep(0.5)
        assert ask_chat(tokens=1) == 200
        assert rss() - before < 16 << 20, rss() - before
    for s in streams:
        s.close()
    assert_answers()


@test
def a_cut_region_serves_its_own_clients_and_no_others_until_healed():
    world.wait_whole()

    def through_link(zone, timeout):
        try:
            return harness.request(world.client_link_port(zone, 0), "POST", "/v1/chat/completions",
                                   json.dumps(chat_body(2, False)).encode(), f"Bearer {world.key}", timeout=timeout)[0]
        except OSError:
            return 0

    assert through_link(0, 20) == 200 and through_link(1, 20) == 200
    world.fault(US, "cut")
    try:
        wait_for("the link is cut", lambda: through_link(1, 1.5) == 0, 5)
        assert through_link(1, 1.5) == 0
        for zone_or_region in range(3):
            assert_answers(zone_or_region)
        wait_for("its own clients are served", lambda: through_link(0, 5) == 200, 15)
        wait_for("the others know", lambda: not any(t["ready"] for t in world.targets(region=1) if t["region"] == US))
    finally:
        world.fault(US, "heal")
    wait_for("the link is whole", lambda: through_link(1, 5) == 200, 20)
    world.wait_whole()


@test
def a_slow_link_is_slower_and_heals():
    world.wait_whole()

    def took():
        began = time.monotonic()
        status, body = harness.request(world.client_link_port(1, 0), "GET", "/healthz", timeout=20)
        assert status == 200, body
        return time.monotonic() - began

    before = min(took() for _ in range(3))
    world.fault(US, "slow")
    try:
        wait_for("it is slower", lambda: took() > 1.5 * before, 5)
    finally:
        world.fault(US, "heal")
    wait_for("it is as it was", lambda: took() < 1.4 * before, 10)


@test
def a_paused_region_is_answered_for_and_comes_back():
    world.wait_whole()
    world.fault(EU, "pause")
    try:
        for region in (0, 2, 0, 2):
            assert ask_chat(region) == 200
        assert ask_chat(1, timeout=1) == 0
    finally:
        world.fault(EU, "heal")
    assert_answers(1, 15)
    world.wait_whole()


@test
def a_region_without_workers_sends_its_clients_one_hop_away():
    world.wait_whole()
    stopped = [p["pid"] for p in world.processes() if p["role"] == "worker" and p["region"] == US]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_for("they are missed", lambda: not any(t["ready"] for t in world.targets() if t["region"] == US))
        for _ in range(3):
            s, got = open_stream(world.port(), world.key, chat_body(4))
            got, _ = read_stream(s, got)
            assert sse_events(got)[-1] == "[DONE]" and served_by(got)[0] in (EU, ASIA), got
            assert got.lower().split(b"x-farspan-route: ")[1].split(b"\r\n")[0].count(b";policy=") == 2
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    world.wait_whole()


@test
def six_hundred_requests_at_once_are_answered_or_refused_with_a_time():
    world.wait_whole()
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
    sys.exit(harness.main(world))
