#!/usr/bin/env python3
"""`farspan plan --policy`: what others would do with the same wish, side by side with farspan's plan.

In the small world of plan_test a machine does 5 requests a second: 9 a second come from Europe, 4 from America, and an
answer across the ocean is late."""
import csv
import os
import sys
import tempfile

import harness
from harness import ROOT, test

import plan_test

harness.TESTS.clear()  # those of plan_test run there

RIVALS = ["single-cheapest-region", "nearest", "skypilot-like", "melange-like", "spothedge-like", "round-robin-regions"]
KEYS = ["policy", "survives_region", "keeps_rules", "cost_usd_h", "in_time", "unmet", "in_time_lost", "unmet_lost",
        "carbon_kg_h", "egress_usd_h"]
ALL_WORK = ["--gap", "0%", "--work", "300000000"]


def small(*arguments, text=plan_test.TAG):
    return plan_test.plan_json(plan_test.write_file(text), "--catalog", plan_test.small_catalog(), *ALL_WORK, *arguments)


def rows_of(sheet, survives_region):
    return {r["policy"]: r for r in sheet["policies"] if r["survives_region"] is survives_region}


def no_rival_is_better(sheet):
    """Whoever answers as many in time, and leaves as few unmet, with and without a loss, pays more."""
    for survives_region in False, True:
        rows = rows_of(sheet, survives_region)
        own = rows.pop("farspan")
        for name, row in rows.items():
            is_as_good = (row["in_time"] >= own["in_time"] - 1e-9 and row["unmet"] <= own["unmet"] + 1e-9
                          and row["in_time_lost"] >= own["in_time_lost"] - 1e-9)
            if is_as_good or row["keeps_rules"]:
                assert row["cost_usd_h"] >= own["cost_usd_h"] * (1 - 1e-9), (name, row, own)


@test
def every_policy_has_its_rows():
    sheet = small("--policy", "all")
    assert [r["policy"] for r in sheet["policies"]] == ["farspan", *RIVALS] * 2, sheet["policies"]
    assert all(list(r) == KEYS for r in sheet["policies"]), sheet["policies"]
    rows = rows_of(sheet, False)
    costs = {name: round(rows[name]["cost_usd_h"], 2) for name in rows}
    # all in America: three; each in its nearest region; in Sweden instead of the Netherlands; a third in each
    # of the three regions that are near to anybody
    assert costs == {"farspan": 0.40, "single-cheapest-region": 0.30, "nearest": 0.42, "skypilot-like": 0.30,
                     "melange-like": 0.42, "spothedge-like": 0.30, "round-robin-regions": 0.41}, costs
    assert [n for n in rows if rows[n]["keeps_rules"]] == ["farspan", "nearest", "melange-like", "round-robin-regions"], rows
    assert abs(rows["skypilot-like"]["in_time"] - 4 / 13) < 1e-6 and rows["skypilot-like"]["unmet"] == 0
    assert rows["skypilot-like"]["unmet_lost"] == 1 and rows["farspan"]["carbon_kg_h"] == sheet["carbon_kg_h"]


@test
def spot_is_spread_and_hedged():
    """Two replicas above what 13 a second need are five on spot: one in each region that has it, the others where it is
    cheapest; a machine on demand for the time (15 %) in which spot is not there."""
    catalog = plan_test.small_catalog()
    fact = ["test", "2026-11-01", "false", ""]
    for name, values in ("prices", [0.05, 0.06]), ("stock", [20, 20]):
        with open(os.path.join(catalog, name + ".csv"), "a", newline="") as f:
            for region, value in zip(["azure:swedencentral", "azure:westeurope"], values):
                csv.writer(f, lineterminator="\n").writerow([region, "Standard_D4s_v5", "spot", value, *fact])
    text = "\n  markets: [on_demand, spot]\n  cold_start: 0s" + plan_test.TAG.replace("60ms", "10s")
    sheet = plan_test.plan_json(plan_test.write_file(text), "--catalog", catalog, *ALL_WORK, "--policy", "spothedge-like")
    row = rows_of(sheet, False)["spothedge-like"]
    assert abs(row["cost_usd_h"] - (4 * 0.05 + 0.06 + 0.10)) < 1e-3 and row["in_time"] == 1, row
    assert row["keeps_rules"] and rows_of(sheet, False)["farspan"]["cost_usd_h"] < row["cost_usd_h"], sheet["policies"]


@test
def a_loss_that_no_plan_stands_is_said():
    """Only one region is near enough to America."""
    sheet = small("--policy", "nearest")
    lost = rows_of(sheet, True)
    assert lost["farspan"]["cost_usd_h"] is None and lost["nearest"]["cost_usd_h"] is None, lost
    table = plan_test.plan(plan_test.write_file(plan_test.TAG), "--catalog", plan_test.small_catalog(), *ALL_WORK,
                           "--policy", "nearest").stdout
    assert "no plan" in table


@test
def with_time_enough_a_region_may_be_lost():
    text = plan_test.TAG.replace("60ms", "150ms")
    sheet = small("--policy", "all", text=text)
    rows = rows_of(sheet, True)
    assert rows["farspan"]["in_time_lost"] == 1 and rows["farspan"]["unmet_lost"] == 0, rows["farspan"]
    assert rows["farspan"]["cost_usd_h"] > rows_of(sheet, False)["farspan"]["cost_usd_h"]
    assert rows["nearest"]["keeps_rules"] and rows["skypilot-like"]["unmet_lost"] == 0, rows
    no_rival_is_better(sheet)


@test
def the_table_fits_a_terminal_and_shows_those_asked_for():
    table = plan_test.plan(plan_test.write_file(plan_test.TAG), "--catalog", plan_test.small_catalog(), *ALL_WORK,
                           "--policy", "nearest,melange-like").stdout
    shown = table[table.index("policies on the same"):].splitlines()
    assert all(len(line) <= 100 for line in shown), shown
    assert [line.split()[0] for line in shown if line.endswith(("kept", "broken"))] == ["farspan", "nearest", "melange-like"]


@test
def an_unknown_policy_is_a_mistake_of_the_command_line():
    path = plan_test.write_file(plan_test.TAG)
    said = plan_test.plan(path, "--policy", "nearest,melage-like", status=2).stderr
    assert 'found "melage-like"; did you mean melange-like?' in said, said
    said = plan_test.plan(path, "--policy", "kubernetes-federation", status=2).stderr
    assert all(name in said for name in [*RIVALS, "all"]), said


@test
def a_plan_file_with_policies_is_a_plan_file():
    catalog, path = plan_test.small_catalog(), plan_test.write_file(plan_test.TAG)
    out = os.path.join(tempfile.mkdtemp(prefix="farspan-policy-"), "plan.json")
    plan_test.plan(path, "--catalog", catalog, *ALL_WORK, "--policy", "nearest", "-o", out)
    again = plan_test.plan_json(path, "--catalog", catalog, *ALL_WORK, "--from", out)
    assert again["policies"] == [] and all(r["count"] == r["running"] for r in again["replicas"]), again["replicas"]


@test
def nobody_does_five_continents_for_less():
    sheet = plan_test.plan_json(os.path.join(ROOT, "examples/azure-five-continents.yaml"), "--work", "60000000",
                                "--policy", "all")
    no_rival_is_better(sheet)
    for survives_region in False, True:
        rows = rows_of(sheet, survives_region)
        assert rows["farspan"]["keeps_rules"] and rows["farspan"]["in_time"] > 0.95 and rows["farspan"]["unmet"] == 0
        assert rows["nearest"]["keeps_rules"] and rows["melange-like"]["keeps_rules"], rows
        assert rows["melange-like"]["cost_usd_h"] <= rows["nearest"]["cost_usd_h"], rows
    assert rows["farspan"]["in_time_lost"] > 0.95 and rows["farspan"]["unmet_lost"] == 0, rows["farspan"]


if __name__ == "__main__":
    sys.exit(harness.main())
