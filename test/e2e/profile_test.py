#!/usr/bin/env python3
"""`farspan profile`: a running world measured, its rows imported and planned with; servers that cannot be measured."""
import atexit
import csv
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import harness
from harness import FARSPAN, ROOT, World, free_port_base, is_alive, test

HAS_LLAMA = "llama" in json.loads(subprocess.run([FARSPAN, "version", "--json"], capture_output=True, text=True).stdout)["engines"]
COLUMNS = ["model", "accelerator", "tensor_parallel", "batch", "prompt_tokens", "prompt_ms", "token_ms", "accelerator_w",
           "source", "date", "estimate", "rule"]
FACT = "test,2026-11-01,false,"
OWN = {
    "skus": "sku,provider,accelerator,accelerator_count,accelerator_memory_gib,vcpu,memory_gib,idle_w,peak_w,"
            "source,date,estimate,rule\nlaptop,azure,laptop-cpu,1,8,4,16,10,60," + FACT,
    "prices": "region,sku,market,usd_h\nazure:swedencentral,laptop,on_demand,0.1",
    "stock": "region,sku,market,count\nazure:swedencentral,laptop,on_demand,50",
    "models": "model,parameters_million,weights_gib,kv_bytes_per_token,source,date,estimate,rule\n"
              "tiny,1,0.01,1024," + FACT,
}
PLAN = """version: 1
world: small
plan:
  services:
    - name: chat
      model: tiny
      slo: {ttft: 2s, wait: 1s}
      requests: [{prompt: 48, prompt_mean: 48, answer: 32, share: 100%}]
      demands: [{client: nordic, rate: 3req/s}]
"""
# Paced as a machine that computes 5,000 prompt tokens a second and a step of each stream in 8 ms: slow enough to be timed
# while the tests have to share the processors.
WORLD = """version: 1
world: paced
models: [{name: text, file: %s, context: 512}]
services: [{name: chat, kind: generation, engine: llama, model: text}]
profiles: [{name: slow, prefill: 5000tok/s, decode: 125tok/s, slots: 4}]
workers: [{name: here, region: local, pace: profile, profile: slow, services: [chat]}]
"""
WORLDS = []


def world():
    """One replica with four slots, its words from the tiny model (or the echo engine, where there is no llama)."""
    if not WORLDS:
        if not HAS_LLAMA:
            print("built without llama: the echo engine is measured in its place", flush=True)
        folder = tempfile.mkdtemp(prefix="farspan-profile-")
        atexit.register(shutil.rmtree, folder, True)
        path = os.path.join(folder, "farspan.yaml")
        with open(path, "w") as f:
            f.write(WORLD % os.path.join(ROOT, "models/austen.gguf"))
        WORLDS.append(World(path, echo=not HAS_LLAMA))
        WORLDS[0].wait_whole()
        with open(os.path.join(WORLDS[0].state, "key"), "w") as f:
            f.write(WORLDS[0].key + "\n")
    return WORLDS[0]


def profile(url, *arguments, status=0, timeout=120, path=None):
    env = dict(os.environ, PATH=path) if path else None
    done = subprocess.run([FARSPAN, "profile", url, *arguments], capture_output=True, text=True, timeout=timeout, env=env)
    assert done.returncode == status, (done.returncode, done.stdout[-3000:], done.stderr[-3000:])
    return done


def of_world(*arguments, **more):
    w = world()
    return profile(w.gateways[0], "--key-file", os.path.join(w.state, "key"), "--model", "chat", *arguments, **more)


def run(*arguments, status=0):
    done = subprocess.run([FARSPAN, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == status, (done.returncode, done.stdout[-3000:], done.stderr[-3000:])
    return done


class Server:
    """A server whose time and manners are the test's own. <answer>(handler, request, n) writes the n-th answer."""

    def __init__(self, answer):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with outer.lock:
                    outer.bodies.append(body)
                    n = len(outer.bodies)
                try:
                    answer(self, body, n)
                except OSError:  # the client has gone
                    self.close_connection = True

            def do_GET(self):
                say(self, 200, {"data": [{"id": "one"}, {"id": "two"}]})

            def log_message(self, *_):
                pass

        self.lock, self.bodies = threading.Lock(), []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port_base(1)), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def say(handler, status, body):
    data = json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def begin_stream(handler):
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream; charset=utf-8")
    handler.send_header("connection", "close")
    handler.end_headers()
    handler.close_connection = True


def event(handler, body):
    handler.wfile.write(b"data: " + json.dumps(body).encode() + b"\n\n")
    handler.wfile.flush()


def token(handler, words=" and"):
    event(handler, {"choices": [{"index": 0, "delta": {"content": words}}], "usage": None})


def stream(handler, body, prompt_s=0.05, token_s=0.004, usage=True, cached=0, pieces=None):
    """As vLLM does it: usage is null until an event of its own at the end."""
    begin_stream(handler)
    prompt = len(body["messages"][0]["content"].split())
    time.sleep(prompt_s)
    for i in range(pieces or body["max_tokens"]):
        if i:
            time.sleep(token_s)
        token(handler)
    if usage:
        event(handler, {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": body["max_tokens"],
                                                 "prompt_tokens_details": {"cached_tokens": int(cached * prompt)}}})
    handler.wfile.write(b"data: [DONE]\n\n")


@test
def a_running_world_is_measured_imported_and_planned_with():
    with tempfile.TemporaryDirectory() as folder:
        out, catalog, file = (os.path.join(folder, name) for name in ("profile.csv", "catalog", "plan.yaml"))
        done = of_world("--batches", "1,2,8", "--prompts", "48,128,2048", "--answer", "24", "--limit", "40s", "--json",
                        "--accelerator", "laptop-cpu", "--name", "tiny", "--out", out)
        sheet = json.loads(done.stdout)
        cells = {(c["prompt_wanted"], c["batch"]): c for c in sheet["cells"]}
        assert len(cells) == 9 and sheet["out"] == out and not sheet["complete"], sheet
        for key in (48, 1), (48, 2):
            cell = cells[key]
            assert cell["state"] == "measured" and 3 <= cell["rounds"] <= 16, cell
            assert cell["requests"] == cell["rounds"] * key[1] and cell["prompt_ms"] > 0 and cell["token_ms"] > 0, cell
            assert abs(cell["prompt_tokens"] - 48) <= 7 and cell["cached_share"] < 0.02, cell
            assert cell["prompt_ms"] >= 0.9 * cell["prompt_tokens"] / 5 and cell["token_ms"] >= 7.5, cell
            assert cell["first_token_ms"]["p95"] >= cell["first_token_ms"]["p50"] > 0, cell
            assert abs(cell["decode_tokens_s"] - key[1] * 1000 / cell["token_ms"]) < 1, cell
            assert abs(cell["decode_tokens_s"] - key[1] * cell["decode_tokens_s_stream"]) < 1, cell
        assert cells[48, 8]["state"] == "apart", cells[48, 8]
        assert all(cells[2048, b]["state"] == "too_long" and "context" in cells[2048, b]["note"] for b in (1, 2, 8)), cells
        with open(out, newline="") as f:
            rows = list(csv.DictReader(line for line in f if not line.startswith("#")))
        assert rows and list(rows[0]) == COLUMNS, rows
        measured = [c for c in sheet["cells"] if c["state"] == "measured"]
        assert len(rows) == len(measured) - sheet["rows_left_out"] == len(sheet["rows"]), (rows, measured)
        assert {r["source"] for r in rows} == {"farspan-profile"} and {r["model"] for r in rows} == {"tiny"}, rows
        assert all(r["accelerator"] == "laptop-cpu" and r["date"].startswith("20") for r in rows), rows

        with open(file, "w") as f:
            f.write(PLAN)
        imports = []
        for name, text in OWN.items():
            path = os.path.join(folder, name + ".csv")
            with open(path, "w") as f:
                f.write(text + "\n")
            imports += [path, "--as", name]
        run("catalog", "import", *imports, "--into", catalog)
        done = run("plan", "-f", file, "--catalog", catalog, "--work", "1000000", status=3)
        assert "no region that may compute it has a machine that can" in done.stderr, done  # its speed is not known yet
        done = run("catalog", "import", out, "--as", "profiles", "--into", catalog, "--json")
        assert json.loads(done.stdout)["files"][0]["added"] == len(rows), done.stdout
        plan = json.loads(run("plan", "-f", file, "--catalog", catalog, "--work", "1000000", "--json").stdout)
        assert [(r["service"], r["region"], r["sku"], r["tensor_parallel"]) for r in plan["replicas"]] == \
            [("chat", "azure:swedencentral", "laptop", 1)], plan["replicas"]


@test
def times_are_those_of_the_server():
    with Server(lambda h, body, n: stream(h, body)) as server:
        done = profile(server.url, "--model", "m", "--batches", "1,4", "--prompts", "100", "--answer", "32", "--json",
                       "--no-watts", "--limit", "30s")
        for cell in json.loads(done.stdout)["cells"]:
            assert cell["state"] == "measured" and cell["prompt_tokens"] == 100, cell
            assert 50 <= cell["prompt_ms"] < 500 and 50 <= cell["first_token_ms"]["p50"], cell
            assert 4 <= cell["token_ms"] < 40, cell
            assert abs(cell["prefill_tokens_s"] - cell["batch"] * 100e3 / cell["prompt_ms"]) < 1, cell
        prompts = [body["messages"][0]["content"] for body in server.bodies]
        assert len({p[:60] for p in prompts}) == len(prompts), "no two prompts may begin alike"


@test
def what_the_server_had_cached_is_said():
    with Server(lambda h, body, n: stream(h, body, prompt_s=0.001, token_s=0.001, cached=0.5)) as server:
        done = profile(server.url, "--model", "m", "--batches", "1", "--prompts", "100", "--answer", "16", "--json",
                       "--no-watts")
        cell = json.loads(done.stdout)["cells"][0]
        assert cell["cached_share"] == 0.5, cell
        assert abs(cell["prefill_tokens_s"] - 50e3 / cell["prompt_ms"]) < 1, cell
        done = profile(server.url, "--model", "m", "--batches", "1", "--prompts", "100", "--answer", "16", "--no-watts")
        assert "50%" in done.stdout and max(map(len, done.stdout.splitlines())) <= 100, done.stdout


def refuse_ignore_eos(handler, body, n):
    if "ignore_eos" in body:
        say(handler, 400, {"error": {"message": "unknown field ignore_eos"}})
    else:
        stream(handler, body, prompt_s=0.001, token_s=0.001)


@test
def a_server_that_does_not_know_ignore_eos_is_asked_without():
    with Server(refuse_ignore_eos) as server:
        done = profile(server.url, "--model", "m", "--batches", "1", "--prompts", "32", "--answer", "16", "--json", "--no-watts")
        assert json.loads(done.stdout)["complete"], done.stdout
        assert sum("ignore_eos" in body for body in server.bodies) == 1


def refuse_many(handler, body, n):
    with MANY:
        MANY_NOW[0] += 1
        is_many = MANY_NOW[0] > 2
    if is_many:
        say(handler, 503, {"error": {"message": "the queue is full"}})
    else:
        stream(handler, body, prompt_s=0.03, token_s=0.001)
    with MANY:
        MANY_NOW[0] -= 1


MANY, MANY_NOW = threading.Lock(), [0]


@test
def a_server_that_refuses_so_many_gives_the_rows_below():
    with Server(refuse_many) as server:
        done = profile(server.url, "--model", "m", "--batches", "1,2,4,8", "--prompts", "32", "--answer", "16", "--json",
                       "--no-watts")
        cells = json.loads(done.stdout)["cells"]
        assert [c["state"] for c in cells] == ["measured", "measured", "refused", "refused"], cells
        assert "queue is full" in cells[2]["note"], cells


def no_stream(handler, body, n):
    say(handler, 200, {"choices": [{"message": {"content": "and"}}], "usage": {"prompt_tokens": 8, "completion_tokens": 1}})


def break_off(handler, body, n):
    if n < 12:
        return stream(handler, body, prompt_s=0.001, token_s=0.001)
    begin_stream(handler)
    token(handler)
    handler.wfile.flush()
    handler.connection.shutdown(2)


def break_chunk(handler, body, n):
    if n < 12:
        return stream(handler, body, prompt_s=0.001, token_s=0.001)
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"40\r\ndata: {")
    handler.wfile.flush()
    handler.connection.shutdown(2)


def fail_within(handler, body, n):
    begin_stream(handler)
    token(handler)
    event(handler, {"error": {"message": "the engine has died"}})


def be_silent(handler, body, n):
    time.sleep(30)


@test
def servers_that_cannot_be_measured_are_refused_in_words_and_leave_the_file_as_it_was():
    cases = [(no_stream, "does not stream"), (break_off, "in the middle of an answer"), (break_chunk, "in the middle of an answer"), (fail_within, "the engine has died"),
             (lambda h, b, n: stream(h, b, 0.001, 0.001, usage=False), "says no usage"),
             (lambda h, b, n: stream(h, b, 0.001, 0.001, pieces=1), "does not stream"),
             (lambda h, b, n: say(h, 401, {"error": {"message": "who are you?"}}), "wants a key"),
             (lambda h, b, n: say(h, 404, {"error": {"message": "no such model"}}), "no model \"m\""),
             (lambda h, b, n: say(h, 500, {"error": {"message": "out\nof \u001b[31mmemory"}}), "answered 500: out of  [31mmemory"),
             (be_silent, "no whole answer in time")]
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "profile.csv")
        for answer, word in cases:
            with open(out, "w") as f:
                f.write("as it was\n")
            with Server(answer) as server:
                done = profile(server.url, "--model", "m", "--batches", "1,2", "--prompts", "32", "--answer", "16", "--out", out,
                               "--accelerator", "x", "--no-watts", "--limit", "2s", status=1)
            assert word in done.stderr and done.stderr.startswith("farspan profile: "), (word, done.stderr)
            assert done.stdout == "" and done.stderr.count("\n") == 1, done
            with open(out) as f:
                assert f.read() == "as it was\n"
            assert os.listdir(folder) == ["profile.csv"]
        url = f"http://127.0.0.1:{free_port_base(1)}"
        assert "cannot be reached" in profile(url, "--model", "m", status=1).stderr


@test
def keys_are_asked_for_and_never_shown():
    w = world()
    done = profile(w.gateways[0], "--model", "chat", status=1)
    assert "--key-file" in done.stderr, done.stderr
    with tempfile.NamedTemporaryFile("w") as f:
        f.write("fs-0123456789abcdef\n")
        f.flush()
        for more in [], ["--model", "chat"]:
            done = profile(w.gateways[0], "--key-file", f.name, *more, status=1)
            assert "does not take the key" in done.stderr and "0123456789abcdef" not in done.stderr, done.stderr


@test
def a_server_of_several_models_is_asked_for_one_and_the_only_one_needs_no_name():
    with Server(no_stream) as server:
        done = profile(server.url + "/v1/", status=1)
        assert "has 2 models: choose one with --model NAME" in done.stderr and "  two" in done.stderr, done.stderr
    w = world()
    done = profile(w.gateways[0] + "/v1", "--key-file", os.path.join(w.state, "key"), "--prompts", "32,4096", "--batches", "1",
                   "--answer", "16")
    assert done.stdout.startswith("chat at ") and "  (400) " in done.stdout, done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100, done.stdout


@test
def the_time_limit_is_kept_and_what_was_measured_is_whole():
    with Server(lambda h, body, n: stream(h, body, prompt_s=0.2, token_s=0.01)) as server:
        began = time.monotonic()
        done = profile(server.url, "--model", "m", "--batches", "1,2,4,8,16", "--prompts", "32,64,96", "--answer", "32", "--json",
                       "--limit", "6s", "--no-watts")
        assert time.monotonic() - began < 9
        sheet = json.loads(done.stdout)
        states = [c["state"] for c in sheet["cells"]]
        assert states[0] == "measured" and states[-1] == "late" and not sheet["complete"], states


@test
def watts_are_those_of_the_machine_or_said_to_be_unknown():
    with tempfile.TemporaryDirectory() as folder, Server(lambda h, body, n: stream(h, body)) as server:
        program, out, pids = (os.path.join(folder, name) for name in ("nvidia-smi", "profile.csv", "pids"))
        with open(program, "w") as f:
            f.write(f"#!/bin/sh\necho $$ >> {pids}\nwhile :; do echo '0, 310.5'; echo '1, [N/A]'; echo '2, 40.0'; "
                    "sleep 0.1; done\n")
        os.chmod(program, 0o755)
        arguments = ["--model", "m", "--batches", "1,2", "--prompts", "64", "--accelerator", "x", "--out", out]
        done = profile(server.url, *arguments, "--json", path=folder + os.pathsep + os.environ["PATH"])
        sheet = json.loads(done.stdout)
        assert sheet["watts"]["source"] == "nvidia-smi" and sheet["watts"]["idle_w"] == 350.5, sheet["watts"]
        assert all(c["watts"] == 350.5 and c["accelerator_w"] == 310.5 for c in sheet["cells"]), sheet["cells"]
        assert abs(sheet["energy"]["idle_w"] - 350.5) < 1e-6 and sheet["energy"]["pairs"] == 3, sheet["energy"]
        with open(out) as f:
            assert ",310.5,farspan-profile," in f.read()
        with open(pids) as f:
            assert not any(is_alive(int(pid)) for pid in f), "the sampler must end with the profile"
        done = profile(server.url, *arguments, "--json", "--no-watts")
        sheet = json.loads(done.stdout)
        assert sheet["watts"] == {"source": None, "why_not": "--no-watts", "idle_w": None} and sheet["energy"] is None, sheet
        assert all(c["watts"] is None for c in sheet["cells"]), sheet["cells"]
        with open(out) as f:
            assert ",,farspan-profile," in f.read()  # empty, never 0


@test
def calls_of_the_system_that_fail_are_said_and_the_file_is_whole():
    with tempfile.TemporaryDirectory() as folder, Server(lambda h, b, n: stream(h, b, 0.001, 0.0005)) as server:
        out = os.path.join(folder, "profile.csv")
        for kind in "memory", "file", "socket", "process":
            for n in 1, 2, 3, 5, 8, 13:
                with open(out, "w") as f:
                    f.write("as it was\n")
                done = subprocess.run([FARSPAN, "profile", server.url, "--model", "m", "--batches", "1,2", "--prompts", "32",
                                       "--answer", "16", "--accelerator", "x", "--out", out, *["--no-watts"] * (kind != "process")],
                                      capture_output=True, text=True, timeout=60,
                                      env=dict(os.environ, FARSPAN_FAULT=f"{kind}:{n}"))
                assert done.returncode in (0, 1) and "check failed" not in done.stderr, (kind, n, done)
                assert done.returncode == 0 or done.stderr.startswith("farspan"), (kind, n, done)
                with open(out) as f:
                    text = f.read()
                assert text == "as it was\n" or (text.startswith("# measured") and text.endswith("\n")), (kind, n, text)
                assert done.returncode == 1 or "farspan-profile" in text, (kind, n, text)


@test
def wrong_use_is_said_with_status_2():
    url = "http://127.0.0.1:1"
    for arguments, word in (([], "URL"), (["127.0.0.1:80"], "expected http://"), ([url, "--batches", "1,x"], "--batches"),
                            ([url, "--batches", "257"], "1 to 256"), ([url, "--prompts", "0"], "--prompts"),
                            ([url, "--out", "x.csv"], "--sku"), ([url, "--sku", "a", "--accelerator", "b"], "one of them"),
                            ([url, "--name", "a b"], "--name"), ([url, "--limit", "1ms"], "--limit"),
                            ([url, "--jsno"], "did you mean --json?")):
        done = subprocess.run([FARSPAN, "profile", *arguments], capture_output=True, text=True)
        assert done.returncode == 2 and word in done.stderr, (arguments, done)
    done = profile(url, "--model", "m", "--sku", "Standard_NC40ads_H100", status=1)
    assert "did you mean Standard_NC40ads_H100_v5?" in done.stderr, done.stderr
    done = profile(url, "--model", "m", "--sku", "Standard_D4s_v5", status=1)
    assert "no accelerator" in done.stderr, done.stderr
    assert "example" in run("profile", "--help").stdout


if __name__ == "__main__":
    sys.exit(harness.main(world()))
