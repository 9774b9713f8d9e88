#!/usr/bin/env python3
"""`farspan bench plan`: its fields are those the manual explains, and bench/plan.py believes no solver that a plan refutes."""
import io
import json
import math
import os
import re
import subprocess
import sys
import tempfile

import harness
from harness import FARSPAN, ROOT, test

sys.path.insert(0, os.path.join(ROOT, "bench"))
import plan as bench_plan  # noqa: E402

SMALL = ["--services", "2", "--regions", "5", "--skus", "2", "--n1", "--regime", "small"]


def run(*options):
    got = subprocess.run([FARSPAN, "bench", "plan", *SMALL, *options], capture_output=True, text=True, timeout=60)
    return got.returncode, got.stdout, got.stderr


def answer(*options):
    status, out, err = run("--json", *options)
    assert status == 0 and out.count("\n") == 1, (status, out, err)
    return json.loads(out)


def explained():
    """The fields of the manual's tables: `name` or `name.part` at the start of a row."""
    with open(os.path.join(ROOT, "docs/planner-bench.md")) as page:
        rows = re.findall(r"^\| (`[^|]+`) \|", page.read(), re.M)
    return set(field for row in rows for field in re.findall(r"`([\w.]+)`", row))


def fields(value, prefix=""):
    for key, part in value.items():
        yield prefix + key
        if isinstance(part, dict) and key not in ("first", "moved", "started", "stopped", "gap", "moves_usd_h", "cpu_seconds",
                                                  "above_fresh", "stopped_by"):
            yield from fields(part, prefix + key + ".")


@test
def every_field_is_explained_in_the_manual():
    known = explained()
    for options in (["--warm", "5%"], ["--shuffle", "2"], ["--replans", "3", "--fresh"]):
        found = answer("--time-limit", "100ms", "--first-limit", "100ms", *options)
        assert set(fields(found)) <= known, (options, set(fields(found)) - known)


@test
def a_plan_has_a_proven_gap_and_passes_the_checker():
    found = answer("--time-limit", "2s", "--cpu", "--gap", "5%")
    assert found["audit"] == "ok" and found["status"] in ("optimal", "feasible"), found
    assert found["bound_usd_h"] <= found["cost_usd_h"] * (1 + 1e-9)
    assert abs(found["gap"] - (1 - found["bound_usd_h"] / found["cost_usd_h"])) < 1e-7
    assert found["load"] == 0.75 and found["load_lost"] == 0.95 and found["n1"] is True


@test
def the_same_work_gives_the_same_figures():
    options = ["--time-limit", "60s", "--work", "3000000", "--seed", "3"]
    one, other = answer(*options), answer(*options)
    for key in ("cost_usd_h", "bound_usd_h", "replicas", "work", "tree_nodes", "stopped_by"):
        assert one.get(key) == other.get(key), (key, one, other)


@test
def a_dear_move_moves_nothing_that_need_not():
    """Without noise the plan that runs stays: what a start costs can only keep it."""
    found = answer("--time-limit", "200ms", "--first-limit", "200ms", "--cpu", "--replans", "3", "--warm", "0%", "--move-hours", "50")
    assert found["failed"] == 0 and found["moved"]["max"] == 0, found


@test
def the_programme_is_written_for_others():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.mps")
        found = answer("--time-limit", "0", "--write-mps", path)
        with open(path) as file:
            text = file.read()
    assert "status" not in found and text.startswith("NAME farspan") and text.endswith("ENDATA\n")
    counts = set(re.findall(r"^ (n\d+) ", text, re.M))
    assert len(counts) == found["columns"]


@test
def wrong_use_is_refused_with_a_reason():
    for options, reason in ((["--move-hours", "dear"], "--move-hours"), (["--regime", "huge"], "--regime"),
                            (["--shuffle", "-1"], "--shuffle"), (["--stock", "0"], "--stock")):
        status, _, err = run(*options)
        assert status == 2 and reason in err, (options, status, err)


@test
def a_claim_that_a_plan_refutes_is_named_and_not_believed():
    bench = bench_plan.Bench("farspan", False, io.StringIO())
    ours = {"cost": 100.0, "bound": 99.0, "is_optimal": False}
    best, bound, said = bench_plan.judge(bench, "seed 1", {"farspan": ours, "cbc": {"cost": 101.0, "bound": 101.0}})
    assert (best, bound) == (100.0, 99.0) and len(said) == 1 and "cbc proves 101" in said[0], said
    assert not bench.wrong
    bench_plan.judge(bench, "seed 2", {"farspan": ours, "cbc": {"cost": 98.0, "bound": None}})
    assert len(bench.wrong) == 1 and "farspan proves 99" in bench.wrong[0], bench.wrong


@test
def a_share_of_the_seeds_is_counted_and_not_averaged():
    assert bench_plan.quantile([3, 1, 2, 9], 0.5) == 2 and bench_plan.quantile([3, 1, 2, 9], 1) == 9
    assert bench_plan.quantile(range(1, 101), 0.9) == 90
    assert math.isnan(bench_plan.quantile([], 0.5))
    assert bench_plan.gap_of({"audit": "region lost", "gap": 0.0}) == math.inf == bench_plan.gap_of({"status": "nothing_found"})


if __name__ == "__main__":
    sys.exit(harness.main())
