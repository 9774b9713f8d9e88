#!/usr/bin/env python3
"""The README's path of a stranger: own prices, a plan, a world, the plan made real, and planned again."""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import harness
from harness import FARSPAN, ROOT, World, test, wait_for

US, EU, ASIA = "aws:us-east-1", "azure:swedencentral", "azure:japaneast"
FILE = "examples/local-plan.yaml"
folder = tempfile.mkdtemp(prefix="farspan-local-plan-")
world = World(FILE)


def run(line, status=0):
    """A line of the README, from the root of the project; what it writes goes into a folder of the test."""
    line = re.sub(r"(?<![/\w-])(plan\.json|next\.json|my-catalog)", rf"{folder}/\1", line).replace("STATE", world.state)
    words = shlex.split(line)
    assert words[0] == "farspan"
    done = subprocess.run([FARSPAN, *words[1:]], capture_output=True, text=True, timeout=120, cwd=ROOT,
                          stdin=subprocess.DEVNULL, env={**os.environ, "FARSPAN_STATE": world.state})
    assert done.returncode == status, (line, done.returncode, done.stdout, done.stderr)
    return done.stdout


def workers():
    """How many replicas of a service run in a region, as farspan status says."""
    found = {}
    for p in json.loads(run("farspan status --json"))["processes"]:
        for service in p.get("services", []) if p["role"] == "worker" and p["state"] == "running" else []:
            found[service, p["region"]] = found.get((service, p["region"]), 0) + 1
    return found


def planned(name="plan.json"):
    with open(os.path.join(folder, name)) as f:
        sheet = json.load(f)
    return {(r["service"], r["region"]): r["count"] for r in sheet["replicas"] if r["count"]}, sheet


@test
def own_prices_decide_where_the_plan_goes():
    run(f"farspan plan -f {FILE} -o plan.json")
    before, _ = planned()
    shown = run("farspan catalog import examples/my-prices.csv --as prices --into my-catalog")
    assert "4.7750 -> 1.95" in shown, shown
    shown = run(f"farspan plan -f {FILE} --catalog my-catalog -o plan.json")
    assert "optimal plan" in shown, shown
    after, _ = planned()
    assert ("chat", ASIA) in before and ("chat", ASIA) not in after, (before, after)


@test
def the_plan_becomes_what_runs():
    assert workers() == {(s, r): 1 for s in ("chat", "risk") for r in (US, EU, ASIA)}
    shown = run("farspan apply plan.json --dry-run", status=2)
    for words in ("first-plan: epoch 1 -> 2", "stop  asia-chat", "machines: $", f"start {US}+1: chat on g6.xlarge"):
        assert words in shown, (words, shown)
    assert "applied: the world is at epoch 2" in run("farspan apply plan.json --yes")
    assert workers() == planned()[0]
    assert "in force" in run("farspan apply plan.json --yes")


@test
def every_region_answers_from_the_replicas_of_the_plan():
    for region in range(3):
        wait_for("an answer", lambda: world.call("/v1/chat/completions", harness.chat_body(4, stream=False),
                                                 region=region)[0] == 200, 30)


@test
def the_next_plan_starts_from_the_one_in_force():
    run(f"farspan plan -f {FILE} --catalog my-catalog --from STATE/plan.json -o next.json")
    counts, sheet = planned("next.json")
    assert sheet["base_epoch"] == 2 and counts == planned()[0], sheet
    assert "no difference" in run("farspan apply next.json --yes")
    # At the shipped prices it goes back to where it was, and what was planned meanwhile is stale.
    run(f"farspan plan -f {FILE} --from STATE/plan.json -o plan.json")
    assert "applied: the world is at epoch 3" in run("farspan apply plan.json --yes")
    assert workers() == planned()[0] and ("chat", ASIA) in workers()
    done = subprocess.run([FARSPAN, "apply", os.path.join(folder, "next.json"), "--yes", "--state", world.state],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "stale" in done.stderr, done


if __name__ == "__main__":
    status = harness.main(world)
    shutil.rmtree(folder, ignore_errors=True)
    sys.exit(status)
