#!/usr/bin/env python3
"""`farspan plan` of a day: the file's keys, the plan file with its slots, the day for people, and what reads such a file again.
The rules between slots are checked here once more, from the plan file alone."""
import json
import math
import os
import subprocess
import sys
import tempfile

import harness
from harness import FARSPAN, ROOT, test

WORK = "2000000000"
DAY = """
  regions: ["azure:eastus2", "azure:japaneast", "azure:swedencentral", "azure:westeurope"]
  skus: [Standard_D4s_v5]
  cold_start: 30min
  moves: {start: $0.05, stop: $0.01}
  day: {%s}
  services:
    - name: tag
      load: 50%%
      slo: {ttft: 120ms, wait: 10ms}
      speeds: [{sku: Standard_D4s_v5, rate: 10req/s, time: 5ms}]
      demands: [{client: low-countries, rate: 60req/s}, {client: us-northeast, rate: 40req/s}]
"""


def write_file(day):
    handle, path = tempfile.mkstemp(suffix=".yaml", prefix="farspan-day-")
    with os.fdopen(handle, "w") as f:
        f.write("version: 1\nworld: small\nplan:" + DAY % day)
    return path


def run(*arguments, status=0):
    done = subprocess.run([FARSPAN, *arguments], capture_output=True, text=True, timeout=240)
    assert done.returncode == status, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done


def plan(day, *arguments, status=0):
    return run("plan", "-f", write_file(day), "--catalog", os.path.join(ROOT, "data/catalog"), "--work", WORK, *arguments,
               status=status)


def name_of(row):
    return row["service"], row["region"], row["sku"], row["market"], row["tensor_parallel"]


def check_slots(sheet, ramp):
    day, slots = sheet["day"], sheet["slots"]
    assert abs(len(slots) * day["slot_h"] - 24) < 1e-9
    starts = 0
    for before, slot in zip([slots[-1], *slots], slots):
        ran = {name_of(r): r["count"] for r in before["replicas"]}
        new = moves = 0
        for row in slot["replicas"]:
            assert row["running"] == ran.get(name_of(row), 0), (slot["hour"], row)
            more = row["count"] - row["running"]
            new += max(0, more)
            moves += max(0, more) * (0.05 + 0.5 * row["usd_h"]) + max(0, -more) * 0.01
        assert new <= max(1, math.floor(ramp * sum(ran.values()) + 1e-9)), (slot["hour"], new, ran)
        assert abs(moves - slot["moves_usd"]) < 1e-6, (slot["hour"], moves, slot["moves_usd"])
        assert slot["bound_usd_h"] <= slot["cost_usd_h"] * (1 + 1e-9), slot["hour"]
        capacity = sum(r["count"] * 5 for r in slot["replicas"])
        assert capacity >= slot["rate"] * (1 - 1e-9), (slot["hour"], capacity, slot["rate"])
        starts += new
    assert starts == day["starts"] == day["stops"]
    assert abs(sum(s["cost_usd_h"] for s in slots) * day["slot_h"] - day["cost_usd"]) < 1e-6 * day["cost_usd"]
    assert abs(sum(s["bound_usd_h"] for s in slots) * day["slot_h"] - day["bound_usd"]) < 1e-6 * day["cost_usd"]
    assert day["bound_usd"] <= day["cost_usd"] <= day["static_usd"]


@test
def a_day_has_its_slots_and_keeps_the_rules_between_them():
    sheet = json.loads(plan("ramp: 20%", "--json").stdout)
    check_slots(sheet, 0.2)
    assert [s["hour"] for s in sheet["slots"]] == list(range(24)) and sheet["day"]["estimate"] is True
    rates = [s["rate"] for s in sheet["slots"]]
    assert max(rates) > 1.5 * min(rates), rates
    assert sheet["day"]["cost_usd"] < 0.9 * sheet["day"]["static_usd"], sheet["day"]
    assert sheet["day"]["gap"] < 0.1, sheet["day"]


@test
def the_hour_is_the_plan_that_others_read():
    out = os.path.join(tempfile.mkdtemp(prefix="farspan-day-"), "plan.json")
    text = plan("slots: 12", "--hour", "13", "-o", out).stdout
    for word in "the slot from 12:00 UTC", "The day costs $", "no day costs less than $", "stands all day costs $", "CO2 kg/h":
        assert word in text, text
    assert all(len(line) <= 100 for line in text.splitlines()[-40:]), text
    with open(out) as f:
        sheet = json.load(f)
    check_slots(sheet, 1e6)
    slot = sheet["slots"][6]
    now = {name_of(r): r["count"] for r in slot["replicas"] if r["count"]}
    assert now == {name_of(r): r["count"] for r in sheet["replicas"]}, (now, sheet["replicas"])
    assert abs(sum(f["rate"] for f in sheet["flows"]) - slot["rate"]) < 1e-6 * slot["rate"]
    again = json.loads(plan("slots: 12", "--hour", "13", "--from", out, "--json").stdout)
    assert again["steps"] == [] and again["base_epoch"] > 0, again["steps"]


@test
def the_same_work_gives_the_same_day():
    one, two = (json.loads(plan("slots: 8, ramp_replicas: 3", "--json").stdout) for _ in range(2))
    one["seconds"] = two["seconds"] = 0
    assert one == two


@test
def an_hour_without_a_plan_says_which_rules_forbid_it():
    said = plan("slots: 4}\n  stock: [{count: 6}]\n  markets: [on_demand]\n  hold: [] #", status=3).stderr
    for word in "from 12:00 UTC", "stock of Standard_D4s_v5 in azure:eastus2: 6", "what would mend it":
        assert word in said, said


@test
def mistakes_have_their_words():
    for day, said in (("slots: 7", "expected 1, 2, 3, 4, 6, 8, 12 or 24, found 7"),
                      ("factors: [1, 2]", "expected 24, one an hour, found 2"),
                      ("factors: [" + ", ".join(["1"] * 23) + ", 0]", "expected numbers from 0.01 to 100, found 0"),
                      ("clock: locale", "did you mean local?"), ("rampe: 20%", "did you mean ramp?")):
        assert said in plan(day, status=1).stderr, said
    assert "--hour" in plan("", "--hour", "24", status=2).stderr


if __name__ == "__main__":
    sys.exit(harness.main())
