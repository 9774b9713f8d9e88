#!/usr/bin/env python3
"""Starts that cannot succeed: bad models, full and read-only folders, calls of the system that fail. Each ends soon,
with status 1 or 2 and a sentence that names what is wrong; none ends by a signal, and nothing is left running."""
import json
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
HAS_LLAMA = "llama" in json.loads(subprocess.run([FARSPAN, "version", "--json"], capture_output=True).stdout)["engines"]
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
    if not HAS_LLAMA:
        return assert_refused(up("-f", LAPTOP, "--model", GGUF), "--model", "this build has none")
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


def why_echo():
    engines = json.loads(run("version", "--json").stdout)["engines"]
    return "--echo" if "llama" in engines else "this build has no engine llama"


@test
def up_says_which_services_no_model_answers():
    """A build without llama takes the echo engine by itself: nobody should take its words for a model's."""
    for echo in True, False:
        world = World("examples/laptop.yaml", echo=echo)
        world.stop()
        is_echo = echo or why_echo() != "--echo"
        assert world.ready["echo"] == ({"services": ["chat", "embed"], "why": why_echo()} if is_echo else None), world.ready


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
        assert f"\nno model answers for chat, embed: the echo engine makes words up ({why_echo()})\n" in said, said
        lines = re.search(r"  export KEY=.*?(?=\n\n)", said, re.S).group(0)
        got = subprocess.run(["sh", "-ec", lines], capture_output=True, text=True, timeout=60)
        assert got.returncode == 0 and "data: [DONE]" in got.stdout and '"object":"list"' in got.stdout, (lines, got)
    finally:
        process.send_signal(signal.SIGINT)
        status = process.wait(timeout=15)
        process.stdout.close()
        shutil.rmtree(state, ignore_errors=True)
    assert status == 0, status


MISTAKES_BASE = """version: 1
world: shop
regions:
  - {name: home, zone: eu}
models:
  - {name: text, file: MODEL}
services:
  - {name: chat, kind: generation, engine: llama, model: text, timeout: 60s}
workers:
  - {name: w, region: home, slots: 4, services: [chat]}
""".replace("MODEL", GGUF)

# what is written, what instead, where that is, words of the answer
MISTAKES = (
    ("  - {name: w", "\t- {name: w", "10:1", ("YAML", "character")),
    ("slots: 4", "slotz: 4", "10:29", ("unknown key", "did you mean slots?")),
    ("60s", "60", "8:73", ("timeout", "a time such as 500ms", '"60"')),
    ("models:", "  - {name: home, zone: us}\nmodels:", "5:12", ("of its own in regions", '"home"', "line 4")),
    (", model: text", "", "8:5", ("service chat", "expected the key model")),
    ("region: home", "region: hone", "10:23", ("a name of regions", "did you mean home?")),
    ("version: 1", "version: 2", "1:10", ("expected 1", '"2"')),
    ("version: 1\n", "", "1:1", ("expected the key version",)),
    ("services: [chat]", "services: [chatt]", "10:50", ("a name of services", "did you mean chat?")),
    ("generation", "generatoin", "8:24", ("expected one of", "did you mean generation?")),
    ("slots: 4", "slots: 4, slots: 5", "10:39", ("expected once", "again")),
    ("slots: 4", "slots: -1", "10:36", ("a whole number from 0 to 64", '"-1"')),
    ("slots: 4", "slots: many", "10:36", ("a whole number", '"many"')),
    (", zone: eu", "", "4:5", ("expected the key zone",)),
    ("world: shop", "world: My Shop", "2:8", ("world", '"My Shop"')),
    ("austen.gguf", "austin.gguf", "6:24", ("model text", "austin.gguf", "No such file")),
)


@test
def the_likeliest_mistakes_are_told_with_place_and_remedy():
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "farspan.yaml")
        for old, new, place, words in MISTAKES:
            assert old in MISTAKES_BASE, old
            with open(file, "w") as f:
                f.write(MISTAKES_BASE.replace(old, new, 1))
            got = run("check", file)
            assert got.returncode == 1 and f"{file}:{place}: " in got.stdout, (new, place, got.stdout)
            line = next(x for x in got.stdout.split("\n") if f":{place}: " in x)
            assert all(word in line for word in words), (new, words, line)
            said = json.loads(run("check", "--json", file).stdout)
            assert not said["valid"] and f'{said["complaints"][0]["line"]}' in got.stdout, said
        with open(file, "w") as f:
            f.write(MISTAKES_BASE)
        assert run("check", file).returncode == 0


@test
def a_missing_model_is_found_by_check_as_by_up():
    with tempfile.TemporaryDirectory() as folder:
        file, empty = os.path.join(folder, "farspan.yaml"), os.path.join(folder, "empty.gguf")
        open(empty, "w").close()
        for path, why in (("nowhere.gguf", "No such file"), (folder, "folder"), (empty, "empty")):
            with open(file, "w") as f:
                f.write(MISTAKES_BASE.replace(GGUF, path))
            got = run("check", file)
            assert got.returncode == 1 and f"{file}:6:24: " in got.stdout and why in got.stdout, got
            if HAS_LLAMA:
                got = up("-f", file)
                assert_refused(got, f"{file}:6:24: ", why)
        got = up("-f", file, "--echo", "--duration", "100ms")  # nothing opens the file then
        assert got.returncode == 0, got


@test
def wrong_command_lines_are_told_what_was_expected():
    for arguments, words in (
            (("fault",), ("an argument is missing: REGION",)),
            (("fault", "x"), ("an argument is missing: kill|pause",)),
            (("fault", "x", "explode"), ("kill, pause, cut, slow or heal", "explode")),
            (("front",), ("an argument is missing: URL",)),
            (("check",), ("an argument is missing: FILE",)),
            (("check", "a", "b"), ("one argument too many: b",)),
            (("up", "--port-bass", "1"), ("did you mean --port-base?",)),
            (("up", "--port-base", "99"), ("from 1024 to 65000", "99")),
            (("up", "--duration", "5x"), ("a time such as", "5x")),
            (("up", "--duration"), ("a value is missing after --duration",)),
            (("up", "--echo", "--model", GGUF), ("--model", "llama")),
            (("demo", "--speed", "0"), ("from 0.1 to 100",)),
            (("gateway",), ("-f FILE",)),
            (("help", "--nonsense"), ("there is no verb",)),
            (("upp",), ("did you mean up?",))):
        got = run(*arguments)
        assert got.returncode == 2 and all(w in got.stderr for w in words), (arguments, words, got)
    world = os.path.join(ROOT, "examples/three-continents.yaml")
    for arguments, words in (
            (("--zone", "mars"), ("zone mars", "us, eu, asia")),
            (("--region", "azure:westeurop"), ("did you mean azure:westeurope?", "gcp:asia-northeast1")),
            (("--service", "rusk"), ("did you mean risk?", "chat, embed"))):
        got = run("explain", world, *arguments)
        assert got.returncode == 1 and all(w in got.stderr for w in words), (arguments, words, got)


@test
def each_verbs_page_has_an_example_and_fits_100_columns():
    verbs = re.findall(r"^  ([a-z]+)  ", run("--help").stdout, re.M)
    assert len(verbs) > 20, verbs
    parts = [("catalog", part) for part in ("list", "show", "import", "diff")]
    parts += [("bench", part) for part in ("route", "balance", "scan", "plan")]
    for words in [(verb,) for verb in verbs] + parts:
        got = run(*words, "--help")
        assert got.returncode == 0 and "\nexample\n" in got.stdout, (words, got)
        assert max(map(len, got.stdout.splitlines())) <= 100, (words, max(got.stdout.splitlines(), key=len))


@test
def a_report_that_cannot_be_written_is_said_before_the_demo():
    began = time.monotonic()
    assert_refused(run("demo", "--report", "/nowhere/report.json"), "/nowhere/report.json")
    assert time.monotonic() - began < 3


@test
def each_service_can_be_explained():
    world = os.path.join(ROOT, "examples/three-continents.yaml")
    for service in ("chat", "embed", "risk", "digits", "segments", "demand"):
        got = run("explain", world, "--service", service)
        assert got.returncode == 0 and "chosen  aws:us-east-1/" in got.stdout, got
        assert all(len(line) <= 100 for line in got.stdout.split("\n")), got.stdout


@test
def what_is_printed_as_json_is_json():
    world = World(echo=True)
    state = ("--state", world.state)
    try:
        for arguments in (("status", *state), ("models", *state), ("models",), ("version",), ("explain", *state),
                          ("fault", "gcp:asia-northeast1", "slow", *state), ("chat", "hello", "there", *state),
                          ("check", LAPTOP)):
            got = run(*arguments, "--json")
            assert got.returncode == 0, (arguments, got)
            json.loads(got.stdout)
        assert world.call("/v2/models/chat")[0] == 200

        def logged():
            lines = [json.loads(line) for line in run("logs", "--json", *state).stdout.strip().split("\n")]
            assert lines and all(set(line) == {"log", "line"} for line in lines), lines
            return [x["line"] for x in lines if isinstance(x["line"], dict) and x["line"]["path"] == "/v2/models/chat"]
        got = wait_for("the GET is logged", logged)[0]
        assert got["prompt_tokens"] == 0 and got["service"] == "chat", got  # a GET has no prompt
        chat = json.loads(run("chat", "--json", "--max-tokens", "5", "hello", *state).stdout)
        assert chat["whole"] and chat["status"] == 200 and chat["answer"] and chat["route"], chat
        for arguments in (("status", *state), ("chat", "hi", "--route", *state), ("models",), ("help",)):
            assert "\x1b" not in run(*arguments).stdout, arguments  # no colour when piped
    finally:
        status, took = world.stop()
    assert status == 0 and took < 5.5, (status, took)


@test
def a_chat_goes_on_with_the_next_gateway_when_one_is_killed():
    world = World(echo=True)
    state = ("--state", world.state)
    try:
        talk = subprocess.Popen([FARSPAN, "chat", "--zone", "eu", "--route", "--max-tokens", "4", *state],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        talk.stdin.write("one\n")
        first = [talk.stdout.readline(), talk.stdout.readline()]
        world.fault("azure:westeurope", "kill")
        talk.stdin.write("two\n\n")
        talk.stdin.close()
        rest = talk.stdout.read()
        assert talk.wait(timeout=20) == 0 and "azure:westeurope/" in first[1], (first, rest)
        assert "azure:westeurope/" not in rest and "/" in rest and ";try=" in rest, rest
    finally:
        world.stop()


@test
def models_of_a_running_world_are_those_that_it_serves():
    if not HAS_LLAMA:
        return skip("this build has no llama engine")
    with tempfile.NamedTemporaryFile(suffix=".gguf") as own:
        own.write(shipped())
        own.flush()
        world = World(LAPTOP, ["--model", own.name])
        try:
            said = json.loads(run("models", "--json", "--state", world.state).stdout)
            assert said[0]["file"] == own.name and said[0]["services"] == ["chat", "embed"], said
        finally:
            world.stop()


@test
def a_model_file_that_goes_while_it_is_served_is_missed_only_when_it_is_loaded_again():
    """A region that cannot load refuses at once, so that others may answer, and heals with its file."""
    if not HAS_LLAMA:
        return skip("this build has no llama engine")
    with tempfile.TemporaryDirectory() as folder:
        own, away = os.path.join(folder, "own.gguf"), os.path.join(folder, "away")
        shutil.copy(GGUF, own)
        world = World(LAPTOP, ["--model", own])
        body = {"model": "chat", "max_tokens": 4, "messages": [{"role": "user", "content": "a"}]}
        try:
            os.rename(own, away)
            assert world.call("/v1/chat/completions", body)[0] == 200
            engines = children_of(world.pid_of("worker"))
            assert len(engines) == 1, engines
            os.kill(engines[0], signal.SIGKILL)

            def refused():
                began = time.monotonic()
                status, answer = world.call("/v1/chat/completions", body)
                return status == 503 and time.monotonic() - began < 5 and answer
            said = json.loads(wait_for("it is refused at once", refused, 20))
            assert said["error"]["message"], said
            got = run("logs", "worker", "--state", world.state)
            assert "own.gguf" in got.stdout and "could not start" in got.stdout, got
            os.rename(away, own)
            wait_for("it heals", lambda: world.call("/v1/chat/completions", body)[0] == 200, 40, 0.5)
        finally:
            status, took = world.stop()
        assert status == 0 and took < 5.5, (status, took)


@test
def an_installed_program_finds_its_own_data():
    with tempfile.TemporaryDirectory() as prefix:
        os.mkdir(os.path.join(prefix, "bin"))
        binary = shutil.copy(FARSPAN, os.path.join(prefix, "bin/farspan"))
        share = os.path.join(prefix, "share/farspan")
        for name in ("data", "examples", "models"):
            shutil.copytree(os.path.join(ROOT, name), os.path.join(share, name))
        got = subprocess.run([binary, "models", "--json"], capture_output=True, text=True, timeout=60, cwd=prefix)
        assert got.returncode == 0, got
        assert all(os.path.normpath(m["file"]).startswith(share) and m["is_there"] for m in json.loads(got.stdout)), got


# ---- documents --------------------------------------------------------------------------------------------


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


@test
def the_table_of_metrics_is_what_metrics_prints():
    """docs/operations.md says all of src/obs/metrics.h in its words; /metrics prints nothing else."""
    said = {row[0]: row[1:] for row in re.findall(r"^\| `(\w+)` \| (\w*) ?\| (.*) \|$", read("docs/operations.md"), re.M)}
    rows = re.findall(r'X\((\w+), METRICS_(\w+),[\s\\]*"([^"]+)"\)', read("src/obs/metrics.h"))
    real = {name: ("" if label == "NONE" else label.lower(), text) for name, label, text in rows}
    assert len(real) > 30 and said == real, {k: (said.get(k), real.get(k)) for k in said.keys() ^ real.keys() |
                                             {k for k in said.keys() & real.keys() if said[k] != real[k]}}
    world = World(echo=True)
    try:
        world.call("/v1/chat/completions", {"model": "chat", "max_tokens": 2, "messages": [{"role": "user", "content": "a"}]})
        ports = [world.port(), world.ready["regions"][0]["workers"][0]["port"]]
        printed = "".join(harness.request(port, "GET", "/metrics")[1].decode() for port in ports)
    finally:
        world.stop()
    names = {re.sub(r"_(bucket|sum|count)$", "", n[len("farspan_"):]) if n[len("farspan_"):] not in real
             else n[len("farspan_"):] for n in re.findall(r"^(farspan_\w+)", printed, re.M)}
    assert names and names <= real.keys(), names - real.keys()


def blocks(text):
    """The indented blocks: commands and what they print."""
    return ["\n".join(x.rstrip() for x in block.split("\n"))
            for block in re.findall(r"(?:^    .*\n(?:^ *\n(?=    ))?)+", text, re.M)]


@test
def both_readmes_say_the_same():
    english, chinese = read("README.md"), read("README.zh-CN.md")

    def shape(text):
        return [len(x) - len(x.lstrip("#")) for x in text.split("\n") if re.match("#+ ", x)]
    assert shape(english) == shape(chinese), (shape(english), shape(chinese))
    pairs = list(zip(blocks(english), blocks(chinese)))
    assert len(blocks(english)) == len(blocks(chinese)) > 10
    for one, other in pairs[1:]:  # the first has sentences in it
        assert one == other, (one, other)

    def figures(text):
        rows = re.findall(r"^\|.*\|$", text[text.index("bench"):], re.M)
        return [re.findall(r"\d+\.\d+", row) for row in rows]
    assert figures(english) == figures(chinese), (figures(english), figures(chinese))


@test
def the_readmes_figures_are_those_of_the_benchmarks():
    """Proxies: the medians of farspan's own rows, rounded; the rest: as written under Small things and llama,
    and on the pages of the planner's bench and of its rivals."""
    page = read("docs/benchmarks.md")
    medians = re.findall(r"^\| farspan \| [^|]+ \| (\d\.\d{3}) \|", page, re.M)
    delays_us = re.findall(r"^\| farspan \| (\d+) µs \|", page, re.M)
    small = page[page.index("## Small things"):]
    known = {f"{float(x):.2f}" for x in medians} | {f"{int(x) / 1000:.2f}" for x in delays_us} | \
        set(re.findall(r"\d+(?:\.\d+)?", small + read("docs/planner-bench.md") + read("docs/rivals.md")))
    rows = re.findall(r"^\| .* \| ([≤≥<] [^|]*) \| ([^|]*) \|$", read("README.md"), re.M)
    assert len(medians) >= 4 and len(delays_us) == 1 and len(rows) >= 9, (medians, delays_us, rows)
    for bar, figure in rows:
        for number in re.findall(r"\d+(?:\.\d+)?", figure.replace("AVX-512", "")):
            assert number in known, (bar, figure, sorted(known))


def pages():
    """The project's Markdown files, from its root."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [x for x in folders if not x.startswith(".") and x not in ("build", "node_modules")]
        yield from (os.path.relpath(os.path.join(folder, x), ROOT) for x in names if x.endswith(".md"))


def anchors(page):
    return {re.sub(r"[^\w\- ]", "", x.lower()).strip().replace(" ", "-") for x in re.findall(r"^#+ (.*)$", read(page), re.M)}


@test
def every_link_of_the_docs_leads_somewhere():
    links = [(page, link) for page in pages() for link in re.findall(r"\]\(([^)\s]+)\)", read(page))
             if not re.match("[a-z]+:", link)]
    assert len(links) > 200, len(links)
    for page, link in links:
        path, _, anchor = link.partition("#")
        target = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
        assert os.path.exists(os.path.join(ROOT, target)), (page, link)
        assert not anchor or not target.endswith(".md") or anchor in anchors(target), (page, link)


if __name__ == "__main__":
    sys.exit(harness.main())
