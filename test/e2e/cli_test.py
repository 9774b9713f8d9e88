#!/usr/bin/env python3
"""Starts that cannot succeed: bad models, full and read-only folders, calls of the system that fail. Each ends soon,
with status 1 or 2 and a sentence that names what is wrong; none ends by a signal, and nothing is left running."""
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import harness
from harness import FARSPAN, ROOT, World, children_of, free_port_base, is_alive, test, wait_for

LAPTOP = os.path.join(ROOT, "examples/laptop.yaml")
HAS_LLAMA = "llama" in subprocess.run([FARSPAN, "version"], capture_output=True, text=True).stdout
GGUF = os.path.join(ROOT, "models/austen.gguf")


def run(*arguments, timeout=60, **more):
    return subprocess.run([FARSPAN, *arguments], capture_output=True, text=True, timeout=timeout, **more)


def up(*arguments, **more):
    with tempfile.TemporaryDirectory() as state:
        return run("up", "--json", "--state", state, "--port-base", str(free_port_base()), *arguments, **more)


def assert_refused(got, *words):
    assert got.returncode in (1, 2), got
    assert all(word in got.stderr for word in words), (words, got)
    assert "check failed" not in got.stderr, got


def skip(why):
    print(f"SKIPPED {why}", flush=True)


def with_model(content, *words, file=LAPTOP):
    with tempfile.NamedTemporaryFile(suffix=".gguf") as f:
        f.write(content)
        f.flush()
        assert_refused(up("-f", file, "--model", f.name), "worker", os.path.basename(f.name), *words)


def shipped():
    with open(GGUF, "rb") as f:
        return f.read()


@test
def a_model_that_is_no_gguf_is_said_so():
    if not HAS_LLAMA:
        return skip("this build has no llama engine")
    with_model(b"hello, this is not a model\n" * 100, "GGUF")
    with_model(b"", "GGUF")


@test
def a_truncated_model_is_said_so():
    if not HAS_LLAMA:
        return skip("this build has no llama engine")
    whole = shipped()
    for size in (4, 24, 1000, 100000, len(whole) // 2, len(whole) - 1):
        with_model(whole[:size], "damaged" if size > 4 else "")


@test
def a_damaged_model_is_said_so():
    if not HAS_LLAMA:
        return skip("this build has no llama engine")
    whole = bytearray(shipped())
    whole[8:16] = struct.pack("<Q", 1 << 60)  # the number of tensors
    with_model(bytes(whole), "damaged")


@test
def a_model_too_big_for_memory_is_said_so():
    """The shipped model that claims a context of 2^30 tokens, and a world that wants all of it."""
    if not HAS_LLAMA:
        return skip("this build has no llama engine")
    whole = shipped()
    at = whole.index(b"llama.context_length") + len(b"llama.context_length") + 4
    assert struct.unpack_from("<I", whole, at)[0] == 512
    big = whole[:at] + struct.pack("<I", 1 << 30) + whole[at + 4:]
    with tempfile.TemporaryDirectory() as folder:
        model, file = os.path.join(folder, "big.gguf"), os.path.join(folder, "farspan.yaml")
        with open(model, "wb") as f:
            f.write(big)
        with open(LAPTOP) as f:
            text = f.read().replace("../models/austen.gguf", model)
        text = re.sub(r"context: \d+", "context: 1000000", text).replace("slots: 4", "slots: 64")
        with open(file, "w") as f:
            f.write(text)
        # 1,000,000 tokens x 64 slots x 4 layers x 2 x 256 values x 2 bytes = 262 GB
        assert_refused(up("-f", file, timeout=120), "worker", "memory")


@test
def a_model_that_does_not_exist_is_said_so():
    assert_refused(up("-f", LAPTOP, "--model", "/nowhere/model.gguf"), "/nowhere/model.gguf")


@test
def an_engine_that_dies_while_it_loads_is_said_so():
    if not HAS_LLAMA:
        return skip("this build has no llama engine")
    with tempfile.TemporaryDirectory() as state:
        process = subprocess.Popen([FARSPAN, "up", "-f", LAPTOP, "--json", "--state", state, "--port-base",
                                    str(free_port_base())], stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            for child in children_of(process.pid):
                for engine in children_of(child):
                    try:
                        os.kill(engine, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
        if process.poll() is None:
            process.kill()
        said = process.stderr.read()
        assert process.wait() == 1 and "worker here" in said and "died" in said, (process.returncode, said)


def in_small_folder(size, *command):
    """Runs in a mount namespace of its own where /mnt holds <size> bytes. None: not allowed here."""
    script = f"mount -t tmpfs -o size={size},mode=700 tmpfs /mnt && exec \"$@\""
    probe = subprocess.run(["unshare", "-rm", "sh", "-c", script, "x", "true"], capture_output=True)
    if probe.returncode:
        return None
    return subprocess.run(["unshare", "-rm", "sh", "-c", script, "x", *command], capture_output=True, text=True,
                          timeout=90)


@test
def a_full_state_folder_at_start_is_said_so():
    base = free_port_base()
    got = in_small_folder("64k", "sh", "-c",
                          f"dd if=/dev/zero of=/mnt/fill bs=4096 2>/dev/null; exec {FARSPAN} up --echo --json "
                          f"--state /mnt --port-base {base}")
    if got is None:
        return skip("no mount namespaces here: a full state folder is not tested")
    assert_refused(got, "/mnt")


@test
def a_state_folder_that_fills_up_stops_nobody():
    """Logs find no room; answers go on; the end is clean."""
    base = free_port_base()
    key_file = "/mnt/key"
    script = (f"{FARSPAN} up --echo --json --state /mnt --port-base {base} > /dev/null & up=$!; "
              f"i=0; while [ $i -lt 200 ] && ! grep -q '\"ready\":true' /mnt/world.json 2>/dev/null; do sleep 0.05; "
              f"i=$((i+1)); done; dd if=/dev/zero of=/mnt/fill bs=4096 2>/dev/null; "
              f"n=0; for i in 1 2 3 4 5 6 7 8 9 10; do curl -sf -m 20 http://127.0.0.1:{base}/v1/chat/completions "
              f"-H \"authorization: Bearer $(cat {key_file})\" -H 'content-type: application/json' "
              "-d '{\"model\":\"chat\",\"max_tokens\":2,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}' "
              "> /dev/null && n=$((n+1)); done; sleep 1.5; kill -TERM $up; wait $up; echo \"$n answered, status $?\"")
    got = in_small_folder("1m", "sh", "-c", script)
    if got is None:
        return skip("no mount namespaces here: a full state folder is not tested")
    assert "10 answered, status 0" in got.stdout, got


@test
def a_read_only_state_folder_is_said_so():
    script = f"mount -t tmpfs -o ro tmpfs /mnt && exec {FARSPAN} up --echo --json --state /mnt/s --port-base 20000"
    got = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, timeout=60)
    if "unshare" in got.stderr or "mount:" in got.stderr:
        return skip("no mount namespaces here: a read-only state folder is not tested")
    assert_refused(got, "/mnt/s")


@test
def a_damaged_key_file_is_said_so():
    for name in ("key", "peer.key"):
        with tempfile.TemporaryDirectory() as state:
            with open(os.path.join(state, name), "w") as f:
                f.write("not a key\n")
            assert_refused(run("up", "--echo", "--json", "--state", state, "--port-base", str(free_port_base())),
                           os.path.join(state, name), "remove")


@test
def a_worker_that_dies_again_and_again_is_given_up_and_said_so():
    world = World(echo=True)
    try:
        region = world.ready["regions"][0]
        name = region["workers"][1]["name"]
        for _ in range(8):
            pid = world.pid_of("worker", region["region"], name)
            if pid:
                os.kill(pid, signal.SIGKILL)
                wait_for("it is gone", lambda: not is_alive(pid), 5)
            wait_for("it is started again or given up",
                     lambda: world.pid_of("worker", region["region"], name) not in (0, pid) or
                     state_of(world, name) == "given up", 30)
            if state_of(world, name) == "given up":
                break
        assert state_of(world, name) == "given up", world.processes()
        got = run("status", "--state", world.state)
        assert got.returncode == 0 and "given up" in got.stdout, got
        world.fault(region["region"], "heal")
        wait_for("heal starts it again", lambda: state_of(world, name) == "running", 10)
    finally:
        status, took = world.stop()
    assert status == 0 and took < 5.5, (status, took)


def state_of(world, name):
    return next(p["state"] for p in world.processes() if p["process"].endswith(name))


@test
def calls_that_fail_are_said_by_every_verb():
    """The n-th call of a kind fails: never the end by a signal, and never a failure without a word."""
    nowhere = ["--state", "/nowhere"]
    german = os.path.join(ROOT, "data/german-credit/german.data")
    world = os.path.join(ROOT, "examples/three-continents.yaml")
    verbs = (["check", world], ["schema"], ["explain", world], ["models", LAPTOP], ["chat", "hi", *nowhere],
             ["status", *nowhere], ["logs", *nowhere], ["fault", "x", "kill", *nowhere], ["demo", "--state", "/dev/null"],
             ["front", "http://127.0.0.1:1"], ["gateway", "-f", LAPTOP], ["version"], ["help"],
             ["fit", "--kind", "logistic", "--data", german, "--schema", os.path.join(ROOT, "models/risk.schema"),
              "--target", "risk", "--out", "/dev/null/risk.model"])
    for verb in verbs:
        for kind in ("memory", "file", "socket"):
            for n in (1, 2, 3, 5, 8, 13):
                environment = dict(os.environ, FARSPAN_FAULT=f"{kind}:{n}")
                got = run(*verb, env=environment)
                assert got.returncode in (0, 1, 2, 3), (kind, n, got)
                assert got.returncode == 0 or got.stderr.strip(), (kind, n, got)
                assert "check failed" not in got.stderr, (kind, n, got)


@test
def calls_that_fail_are_said_by_up():
    """Only the supervisor's own start is meant; its children meet the same faults and are started again."""
    with tempfile.TemporaryDirectory() as state:
        for kind in ("memory", "file", "socket", "process"):
            for n in (1, 2, 3, 4, 6, 9, 14, 22, 40):
                environment = dict(os.environ, FARSPAN_FAULT=f"{kind}:{n}")
                got = subprocess.run([FARSPAN, "up", "--echo", "--json", "--state", state, "--duration", "300ms",
                                      "--port-base", str(free_port_base())], capture_output=True, text=True,
                                     timeout=60, env=environment)
                assert got.returncode in (0, 1) and "check failed" not in got.stderr, (kind, n, got)
                assert got.returncode == 0 or got.stderr.strip(), (kind, n, got)


@test
def the_printed_curl_line_works():
    """As a reader pastes it: no content-type is given, curl says x-www-form-urlencoded."""
    state = tempfile.mkdtemp(prefix="farspan-test-")
    process = subprocess.Popen([FARSPAN, "up", "--echo", "--state", state, "--port-base", str(free_port_base())],
                               stdout=subprocess.PIPE, text=True)
    try:
        said = ""
        for line in process.stdout:
            said += line
            if "Ctrl-C ends it" in line:
                break
        lines = re.search(r"  export KEY=.*?(?=\n\n)", said, re.S).group(0)
        got = subprocess.run(["sh", "-ec", lines], capture_output=True, text=True, timeout=60)
        assert got.returncode == 0 and "data: [DONE]" in got.stdout and '"object":"list"' in got.stdout, (lines, got)
    finally:
        process.send_signal(signal.SIGINT)
        status = process.wait(timeout=15)
        process.stdout.close()
        shutil.rmtree(state, ignore_errors=True)
    assert status == 0, status


if __name__ == "__main__":
    sys.exit(harness.main())
