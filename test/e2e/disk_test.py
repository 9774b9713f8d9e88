#!/usr/bin/env python3
"""A full disk: a world whose state folder lies on a file system of 2 MiB that this test fills.

The file system is a tmpfs in a mount namespace of its own; where that is refused the suite is skipped, and says so.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile

if "FARSPAN_TEST_DISK" not in os.environ:
    folder = tempfile.mkdtemp(prefix="farspan-disk-")
    inside = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=2m none "$0" && exec "$@"', folder]
    if subprocess.run([*inside, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("SKIPPED disk_test: this system grants no mount namespace (unshare -rm)\n0 passed, 0 failed")
        status = 0
    else:
        status = subprocess.run([*inside, sys.executable, *sys.argv],
                                env=dict(os.environ, FARSPAN_TEST_DISK=folder)).returncode
    os.rmdir(folder)
    sys.exit(status)

import harness
from harness import FARSPAN, ROOT, World, chat_body, free_port_base, request, test, wait_for

DISK = tempfile.tempdir = os.environ["FARSPAN_TEST_DISK"]
FILLER = os.path.join(DISK, "filler")
world = World(echo=True)


def fill():
    with open(FILLER, "ab", buffering=0) as f:
        size = 1 << 16
        while size:
            try:
                f.write(b"x" * size)
            except OSError:
                size //= 2


def ask(region):
    return world.call("/v1/chat/completions", chat_body(1, False), region=region)[0]


def metric(name):
    _, text = request(world.port(), "GET", "/metrics")
    line = next(x for x in text.decode().split("\n") if x.startswith(f"farspan_{name}"))
    return float(line.rsplit(" ", 1)[1])


def log_size():
    """Of the gateway that is asked: the others' logs go on at times of their own."""
    folder, region = os.path.join(world.state, "log"), world.ready["regions"][0]["region"].split(":")[-1]
    names = [name for name in os.listdir(folder) if name.startswith("access-") and region in name]
    assert len(names) == 1, names
    return os.path.getsize(os.path.join(folder, names[0]))


@test
def a_full_disk_costs_no_answer_and_lost_lines_are_counted():
    world.wait_whole()
    fill()
    for i in range(400):
        assert ask(0) == 200, i
    assert all(ask(region) == 200 for region in range(3))
    assert metric("access_lines_lost_total") > 0


@test
def what_dies_on_a_full_disk_is_started_again():
    for role in ("worker", "gateway"):
        pid = world.pid_of(role, "gcp:asia-northeast1")
        os.kill(pid, signal.SIGKILL)
        wait_for(f"another {role}", lambda: any(p["role"] == role and p["region"] == "gcp:asia-northeast1" and
                                                p["pid"] not in (0, pid) for p in world.processes()), 15)
    world.wait_whole()
    assert ask(2) == 200


@test
def the_access_log_goes_on_when_there_is_room_again():
    before = log_size()
    os.unlink(FILLER)
    wait_for("the lines that waited", lambda: log_size() > before, 5)
    before, lost = log_size(), metric("access_lines_lost_total")
    for _ in range(5):
        assert ask(0) == 200
    wait_for("new lines", lambda: log_size() > before, 5)
    assert metric("access_lines_lost_total") == lost


@test
def up_on_a_full_disk_says_so_and_starts_nothing():
    fill()
    state = os.path.join(DISK, "second")
    got = subprocess.run([FARSPAN, "up", "-f", os.path.join(ROOT, "examples/laptop.yaml"), "--echo", "--json", "--state",
                          state, "--port-base", str(free_port_base())], capture_output=True, text=True, timeout=20)
    os.unlink(FILLER)
    assert got.returncode == 1 and not json.loads(got.stdout or "{}").get("ready"), got
    assert "No space left on device" in got.stderr and state in got.stderr, got.stderr


sys.exit(harness.main(world))
