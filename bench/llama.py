#!/usr/bin/env python3
"""llama.cpp through farspan beside a bare loop over the same C API: tokens a second.

The engine has one thread and core 1 to itself, everything else of farspan and the client core 0; the bare loop has core 1
to itself. Same file, same prompt length, greedy, every stream makes all its tokens. Rounds are interleaved, figures are
medians of per-round ratios. The bar (0.95) holds for a model of random weights that takes at least 3 ms a step; the
shipped model, much quicker than real ones, stands beside it without one. Raw figures: build/bench/llama.json.
Exit status 1: it could not be measured.
"""
import argparse
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import common
from common import OUT, ROOT

BAR, STEP_MS_MIN = 0.95, 3.0
ENGINE_CPU, OTHER_CPU = 1, 0
PROMPT = "100 0. It is a truth universally acknowledged, that a single man"


def llama_folder():
    got = subprocess.run([os.path.join(ROOT, "tools/get_llama.sh"), "--path"], capture_output=True, text=True)
    folder = got.stdout.strip()
    if not os.path.exists(os.path.join(folder, "lib/libllama.so")):
        raise SystemExit("llama.cpp is missing: tools/setup.sh obtains it")
    return folder


def build(folder):
    """The bare loop and the maker of models, with the program's own way to open llama.cpp."""
    base = [s for s in glob.glob(os.path.join(ROOT, "src/base/*.c")) if not s.endswith("_test.c")]
    libraries = subprocess.run(["pkg-config", "--libs", "openssl", "libxxhash"], capture_output=True, text=True,
                               check=True).stdout.split()
    flags = ["-I", os.path.join(ROOT, "src"), "-isystem", os.path.join(folder, "include"), "-DFARSPAN_WITH_LLAMA",
             f'-DFARSPAN_LLAMA_DIR_DEFAULT="{folder}"', *libraries, "-ldl", "-lm", "-lpthread"]
    for name in ("llama_loop", "make_gguf"):
        common.compile_helper(name, [f"bench/{name}.c", "src/worker/llama_api_io.c", *base], flags)
    common.compile_helper("token_client", ["bench/token_client.c"])


def run(cpu, command, timeout=300):
    got = subprocess.run(common.pinned(cpu, command), capture_output=True, text=True, timeout=timeout)
    if got.returncode:
        raise SystemExit(f"{os.path.basename(command[0])}: {got.stderr.strip() or got.stdout.strip()}")
    return got.stdout


def random_model():
    """Random weights in the shape of a small real model; made wider until a step takes 3 ms alone."""
    for width in (512, 768, 1024):
        path = os.path.join(OUT, f"random-{width}.gguf")
        if not os.path.exists(path):
            run(OTHER_CPU, [os.path.join(OUT, "make_gguf"), os.path.join(ROOT, "models/austen.gguf"), path + ".part",
                            str(width)])
            os.replace(path + ".part", path)
        step_ms = bare(path, 1, 64)["step_ms"]
        if step_ms >= STEP_MS_MIN:
            return path, step_ms
    raise SystemExit(f"a step of the widest model takes only {step_ms} ms")


def bare(model, streams, tokens):
    return json.loads(run(ENGINE_CPU, [os.path.join(OUT, "llama_loop"), model, "--streams", str(streams), "--tokens",
                                       str(tokens), "--threads", "1", "--runs", "1", "--greedy", "--prompt", PROMPT]))


class World:
    """`farspan up` with one region, one worker and one model, the engine alone on its core."""

    def __init__(self, farspan, model):
        self.state = tempfile.mkdtemp(prefix="farspan-bench-")
        file = os.path.join(self.state, "bench.yaml")
        with open(file, "w") as f:
            f.write(f"version: 1\nworld: bench\nmodels:\n  - {{name: text, file: {json.dumps(model)}, context: 512}}\n"
                    "services:\n  - {name: chat, kind: generation, engine: llama, model: text}\n"
                    "workers:\n  - {name: here, region: local, slots: 8, services: [chat]}\n")
        self.up = common.start(OTHER_CPU, [farspan, "up", "-f", file, "--json", "--state", self.state, "--port-base",
                                           str(common.free_ports(20, 9400))], stdout=subprocess.PIPE)
        line = self.up.stdout.readline()
        if not line:
            raise SystemExit(f"up did not start: see {OUT}/stderr.log")
        self.port = json.loads(line)["regions"][0]["gateway"].rsplit(":", 1)[1]
        self.pin_engine()

    def pin_engine(self):
        engines = []
        for pid in common.tree(self.up.pid):
            with open(f"/proc/{pid}/cmdline") as f:
                words = f.read().split("\0")
            if "engine" in words[1:2]:
                engines.append(pid)
        if len(engines) != 1:
            raise SystemExit(f"expected one engine, found {len(engines)}")
        subprocess.run(["taskset", "-a", "-p", "-c", str(ENGINE_CPU), str(engines[0])], check=True,
                       stdout=subprocess.DEVNULL)
        self.engine = engines[0]

    def streams(self, count, tokens, number):
        before = common.cpu_ns(self.up.pid) - common.cpu_ns(self.engine)
        got = json.loads(run(OTHER_CPU, [os.path.join(OUT, "token_client"), self.port, os.path.join(self.state, "key"),
                                         str(count), str(tokens), str(number)]))
        got["tokens_per_s"] = got["tokens"] / got["seconds"]
        got["other_us_per_token"] = (common.cpu_ns(self.up.pid) - common.cpu_ns(self.engine) - before) / 1000 / got["tokens"]
        return got

    def close(self):
        common.stop(self.up)
        shutil.rmtree(self.state, ignore_errors=True)


def measure(farspan, model, rounds, tokens):
    world, rows, number = World(farspan, model), [], 100
    try:
        world.streams(8, 16, 99)  # warm
        for _ in range(rounds):
            row = {}
            for count in (1, 4, 8):
                row[f"bare {count}"] = bare(model, count, tokens)
                through = {"whole": -1}
                for _ in range(60):  # a model may say its end word early: then another prompt
                    number += 1
                    through = world.streams(count, tokens, number)
                    if through["whole"] == count:
                        break
                if through["whole"] != count:
                    raise SystemExit(f"streams ended early: {through}")
                row[f"farspan {count}"] = through
            rows.append(row)
            print(".", end="", flush=True, file=sys.stderr)
        print(file=sys.stderr)
    finally:
        world.close()
    return rows


def table(title, rows, has_bar):
    print(f"\n{title}\n  {'streams':>7s} {'bare tok/s':>11s} {'step ms':>8s} {'farspan tok/s':>14s} {'ratio':>7s} "
          f"{'min-max':>13s} {'rest of farspan, us/token':>26s}")
    misses = []
    for count in (1, 4, 8):
        b, f = [r[f"bare {count}"] for r in rows], [r[f"farspan {count}"] for r in rows]
        ratios = [y["tokens_per_s"] / x["tokens_per_s"] for x, y in zip(b, f)]
        ratio = statistics.median(ratios)
        print(f"  {count:7d} {statistics.median(x['tokens_per_s'] for x in b):11.1f} "
              f"{statistics.median(x['step_ms'] for x in b):8.2f} {statistics.median(y['tokens_per_s'] for y in f):14.1f} "
              f"{ratio:7.3f} {min(ratios):6.3f}-{max(ratios):6.3f} "
              f"{statistics.median(y['other_us_per_token'] for y in f):26.1f}")
        if has_bar and ratio < BAR:
            misses.append(f"llama, {count} streams: {ratio:.3f} of the bare loop, bar {BAR}")
    if has_bar:
        print(f"  bar: ratio >= {BAR}: {'MISSED' if misses else 'met'}")
    return misses


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--tokens", type=int, default=192, help="of each stream")
    arguments.add_argument("--quick", action="store_true", help="2 rounds of 64 tokens: to see that it works")
    arguments.add_argument("--farspan", default=os.path.join(ROOT, "build/farspan"), help="the program (build/farspan)")
    a = arguments.parse_args()
    rounds, tokens = (2, 64) if a.quick else (a.rounds, a.tokens)
    if os.cpu_count() < 2:
        raise SystemExit("two cores are needed")
    common.stop_on_signal()
    build(llama_folder())
    raw = dict(common.machine(), rounds=rounds, tokens=tokens)
    common.say_machine(raw)
    try:
        model, step_ms = random_model()
        raw["random"] = measure(os.path.abspath(a.farspan), model, rounds, tokens)
        raw["misses"] = table(f"{os.path.basename(model)}: random weights, {step_ms:.1f} ms a step alone", raw["random"], True)
        raw["shipped"] = measure(os.path.abspath(a.farspan), os.path.join(ROOT, "models/austen.gguf"), rounds, tokens)
        table("the shipped model (no bar)", raw["shipped"], False)
    finally:
        common.stop_all()
        common.keep("llama.json", raw)
    for line in raw["misses"]:
        print("missed:", line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
