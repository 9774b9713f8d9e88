#!/usr/bin/env python3
"""The planner on problems drawn from the catalogue: proven gaps, opponents, re-plans, beside their bars.

`make bench-plan` takes a few seeds of everything (about five minutes), `make bench-plan-all` the whole table (about an hour,
half of it cbc's). docs/planner-bench.md says what is measured, how, and what the fields of the raw figures mean.

Every case is `farspan bench plan ...`, one at a time, on all cores; beside opponents on one, as they are. Raw figures: build/bench/plan.jsonl, one run a line.

Exit status 1: something could not be measured, a plan was refused by the checker, or a bound was wrong. A missed bar is only
printed.
"""
import argparse
import collections
import concurrent.futures
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

import common
from common import OUT, ROOT

BIG, LARGE, TINY, LEAST = (20, 40, 6), (50, 60, 20), (5, 10, 4), (2, 5, 2)
REGIMES = ("big", "mix", "small")
MIB = 1 << 20
MEMORY_BAR = 512 * MIB
SAME = 1e-6  # of a cost: what two solvers' arithmetic may differ by

# size, regime, stock, seconds, bars: (share of the seeds, gap)
CASES = [
    (BIG, "big", 1.0, 2, [(1, 0.005)]),
    (BIG, "mix", 1.0, 2, [(1, 0.005)]),
    (BIG, "small", 1.0, 2, [(0.8, 0.01), (1, 0.03)]),
    (BIG, "big", 0.5, 2, [(1, 0.01)]),
    (BIG, "mix", 0.5, 2, [(1, 0.01)]),
    (BIG, "small", 0.5, 2, [(1, 0.04)]),
    (LARGE, "big", 1.0, 10, [(1, 0.005)]),
    (LARGE, "mix", 1.0, 10, [(1, 0.005)]),
    (LARGE, "small", 1.0, 10, [(1, 0.03)]),
]
WARM = [(BIG, "big", 0.3, 0.01), (BIG, "mix", 1, 0.01)]  # size, regime, seconds, gap
TINY_SECONDS, TINY_BARS = 0.2, [(0.9, 0.006)]
OPTIMUM_SECONDS, OPTIMUM_BAR = 2, 0.005
NOISE, REPLAN_SECONDS, MOVED_BAR = 0.05, 0.1, 0.03
MOVE_HOURS = [1, 0, 0.5, 2, 8]  # the first has the bar and all re-plans, the others a tenth of them
OPPONENT_SECONDS = 2
CBC_PLAIN = ("-preprocess", "off", "-cuts", "off")

PARTS = ("cases", "tiny", "optimum", "warm", "order", "replans", "opponents")
# How many seeds, re-plans or seconds of each kind: a few, and all.
QUICK = {"seeds": 3, "large_seeds": 1, "tiny_seeds": 30, "optimum_seeds": 6, "order_seeds": 6, "opponent_seeds": 1,
         "replans": 100, "cbc_seconds": 5}
FULL = {"seeds": 9, "large_seeds": 9, "tiny_seeds": 100, "optimum_seeds": 100, "order_seeds": 30, "opponent_seeds": 3,
        "replans": 1000, "cbc_seconds": 20}


class Bench:
    """The program and how it is asked, what was measured, and what must not be."""

    def __init__(self, program, is_cpu, lines):
        self.program, self.is_cpu, self.lines = program, is_cpu, lines
        self.peak_bytes, self.wrong = 0, []

    def keep(self, part, **figures):
        self.lines.write(json.dumps({"part": part, **figures}) + "\n")
        self.lines.flush()

    def solve(self, part, size, regime, stock, seed, seconds, *more, is_alone=False):
        """The program's answer, or {"status": "failed"} with what it said. <is_alone>: on one core, as its opponents are."""
        command = [self.program, "bench", "plan", "--services", size[0], "--regions", size[1], "--skus", size[2], "--n1",
                   "--regime", regime, "--stock", stock, "--seed", seed, "--time-limit", f"{round(seconds * 1000)}ms",
                   "--json", *(["--cpu"] if self.is_cpu else []), *more]
        command = [str(word) for word in command]
        command = common.pinned(0, command) if is_alone else command
        got = subprocess.run(command, capture_output=True, text=True)
        if got.returncode == 0:
            run = json.loads(got.stdout)
        else:
            run = {"status": "failed", "error": got.stderr.strip(), "seed": seed}
            self.wrong.append(f"{' '.join(command)}: {got.stderr.strip()}")
        self.peak_bytes = max(self.peak_bytes, run.get("peak_bytes", 0))
        if run.get("audit", "none") not in ("ok", "none"):
            self.wrong.append(f"{' '.join(command)}: the checker refuses the plan: {run['audit']}")
        self.keep(part, **run)
        return run

    def is_late(self, run, seconds):
        """Later than the time and a tenth of it: no answer in time, whatever its gap."""
        return run.get("cpu_seconds" if self.is_cpu else "seconds", 0) > 1.1 * seconds + 0.02


def gap_of(run):
    """Infinite: no plan, or one that the checker refuses."""
    return run["gap"] if run.get("audit") == "ok" else math.inf


# Figures ------------------------------------------------------------------------------------------------------------------


def quantile(values, share):
    """The value that <share> of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)] if ordered else math.nan


def median(values):
    return quantile(values, 0.5)


def figures_of(runs, key):
    return [run[key] for run in runs if key in run]


def percent(share):
    return "-" if math.isnan(share) else "none" if math.isinf(share) else f"{100 * share:.2f}"


def count_words(words):
    return ", ".join(f"{word} {count}" for word, count in collections.Counter(words).most_common())


HEAD = ("| problem | regime | stock | load, with a region lost | time | replicas a service, on sites | gap %, median | worst "
        "| bar % | seeds within | | no plan exists | s, median, worst | CPU s | MiB | stopped by |\n" + "|---" * 16 + "|")


def say_case(bench, problem, regime, stock, seconds, runs, infeasible, bars):
    """A row of the table: every figure beside what it depends on."""
    gaps, late = [gap_of(run) for run in runs], [bench.is_late(run, seconds) for run in runs]
    bar, within, verdict = [], [], "met"
    for share, most in bars:
        good = sum(gap <= most and not is_late for gap, is_late in zip(gaps, late))
        bar.append(f"{100 * most:g} ({'all' if share == 1 else f'{100 * share:.0f} %'})")
        within.append(f"{good} of {len(runs)}")
        if good < share * len(runs) - 1e-9:
            verdict = "**missed**"
    if any(late):
        verdict += f", {sum(late)} too late"
    load = f"{runs[0]['load']:.0%}, {runs[0]['load_lost']:.0%}" if runs and "load" in runs[0] else "-"
    took = figures_of(runs, "seconds") or [math.nan]
    print(f"| {problem} | {regime} | x {stock:g} | {load} | {seconds:g} s "
          f"| {median(figures_of(runs, 'replicas_service')):.0f}, {median(figures_of(runs, 'sites_service')):.1f} "
          f"| {percent(median(gaps))} | {percent(quantile(gaps, 1))} | {', '.join(bar)} | {', '.join(within)} | {verdict} "
          f"| {infeasible} | {median(took):.2f}, {max(took):.2f} | {median(figures_of(runs, 'cpu_seconds')):.2f} "
          f"| {max(figures_of(runs, 'peak_bytes') or [0]) / MIB:.0f} | {count_words(figures_of(runs, 'stopped_by'))} |", flush=True)


def name(size):
    return " x ".join(map(str, size))


# Gaps ---------------------------------------------------------------------------------------------------------------------


def seeds_of(bench, part, size, regime, stock, seconds, count, *more):
    """Runs of the first <count> seeds that may have a plan, and how many were proven to have none.

    One where nothing was found gets ten times the time for that proof; without it, it stays, as a miss.
    """
    runs, infeasible, seed = [], 0, 0
    while len(runs) < count and seed < 10 * count:
        seed += 1
        of_seed = REGIMES[seed % 3] if regime == "in turn" else regime
        run = bench.solve(part, size, of_seed, stock, seed, seconds, *more)
        if run["status"] == "nothing_found":
            run_long = bench.solve(part + ", longer", size, of_seed, stock, seed, 10 * seconds)
            run["status"] = "infeasible" if run_long["status"] == "infeasible" else run["status"]
        if run["status"] == "infeasible":
            infeasible += 1
        else:
            runs.append(run)
    return runs, infeasible


def run_cases(bench, options):
    for size, regime, stock, seconds, bars in CASES:
        if options.match not in f"{'x'.join(map(str, size))} {regime} {stock:g}":
            continue
        count = options.large_seeds if size == LARGE else options.seeds
        runs, infeasible = seeds_of(bench, "cases", size, regime, stock, seconds, count)
        say_case(bench, name(size), regime, stock, seconds, runs, infeasible, bars)


def run_tiny(bench, options):
    runs, infeasible = seeds_of(bench, "tiny", TINY, "in turn", 1.0, TINY_SECONDS, options.tiny_seeds)
    say_case(bench, name(TINY), "in turn", 1.0, TINY_SECONDS, runs, infeasible, TINY_BARS)


def run_warm(bench, options):
    for size, regime, seconds, bar in WARM:
        runs, infeasible = seeds_of(bench, "warm", size, regime, 1.0, seconds, options.seeds, "--warm", f"{NOISE:.0%}")
        say_case(bench, f"{name(size)}, after demand ± {NOISE:.0%}", regime, 1.0, seconds, runs, infeasible, [(1, bar)])


# Other solvers ------------------------------------------------------------------------------------------------------------


def installed():
    found = []
    for program, package in (("cbc", "coinor-cbc"), ("glpsol", "glpk-utils")):
        if shutil.which(program):
            found.append(program)
        else:
            print(f"{program} is not installed and left out (apt install {package})")
    return found


def output_of(command, seconds):
    """What it printed, and its CPU seconds; it is ended when it takes much longer than it was allowed."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        last_call = threading.Timer(10 * seconds + 60, process.kill)
        last_call.start()
        _, status, usage = os.wait4(process.pid, 0)
        last_call.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        return log.read(), usage.ru_utime + usage.ru_stime


def number_after(label, printed):
    found = re.findall(label + r"\s+([-+\d.eE]+)\s", printed)
    return float(found[-1]) if found else None


def ask_cbc(path, seconds, *flags):
    printed, took = output_of(["cbc", path, *flags, "-ratioGap", "0", "-allowableGap", "0", "-seconds", str(seconds), "-solve"],
                              seconds)
    is_optimal = "Optimal solution found" in printed
    # "Objective value" without a plan is that of the relaxation, and cbc says so.
    has_plan = "No feasible solution found" not in printed
    cost = number_after("Objective value:", printed) if has_plan else None
    return {"cost": cost, "bound": cost if is_optimal else number_after("Lower bound:", printed), "is_optimal": is_optimal,
            "cpu_seconds": took}


def ask_glpsol(path, seconds):
    with tempfile.NamedTemporaryFile(suffix=".sol") as answer:
        printed, took = output_of(["glpsol", "--freemps", path, "--tmlim", str(math.ceil(seconds)), "--write", answer.name],
                                  seconds)
        line = re.search(rb"^s mip \d+ \d+ (\w) (\S+)", answer.read(), re.M)
    status = line.group(1) if line else b"u"
    cost = float(line.group(2)) if status in (b"o", b"f") else None
    is_optimal = status == b"o"
    return {"cost": cost, "bound": cost if is_optimal else number_after(">=", printed), "is_optimal": is_optimal,
            "cpu_seconds": took}


def as_plan(run):
    """Our answer in the same words."""
    return {"cost": run.get("cost_usd_h"), "bound": run.get("bound_usd_h"), "is_optimal": run["status"] == "optimal",
            "cpu_seconds": run.get("cpu_seconds", math.nan)}


def judge(bench, who, answers):
    """Best cost, best bound that nothing refutes, and what the solvers disagree about."""
    plans = {solver: one["cost"] for solver, one in answers.items() if one["cost"] is not None}
    best = min(plans.values(), default=math.inf)
    bounds, disagreements = [], []
    for solver, one in answers.items():
        if one["bound"] is None:
            continue
        if one["bound"] > best * (1 + SAME):
            holder = min(plans, key=plans.get)
            disagreements.append(f"{who}: {solver} proves {one['bound']:.4f}, {holder} has a plan of {best:.4f}")
            if solver == "farspan":
                bench.wrong.append(disagreements[-1])
        else:
            bounds.append(one["bound"])
    return best, max(bounds, default=-math.inf), disagreements


def run_optimum(bench, options, folder):
    """How far our plan of 2 s is from the best that anybody finds; cbc has no part of our time, and all cores."""
    runs, infeasible, seed = [], 0, 0
    while len(runs) < options.optimum_seeds and seed < 10 * options.optimum_seeds:
        seed += 1
        path = os.path.join(folder, f"optimum-{seed}.mps")
        run = bench.solve("optimum", TINY, REGIMES[seed % 3], 1.0, seed, OPTIMUM_SECONDS, "--write-mps", path)
        infeasible += run["status"] == "infeasible"
        if run["status"] not in ("infeasible", "failed"):
            runs.append((run, path))
    settings = {"cbc": (), "cbc, no preprocessing, no cuts": CBC_PLAIN} if "cbc" in options.installed else {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        asked = [{solver: pool.submit(ask_cbc, path, options.cbc_seconds, *flags) for solver, flags in settings.items()}
                 for _, path in runs]
    above, proven, disagreements = [], 0, []
    for (run, path), others in zip(runs, asked):
        answers = {"farspan": as_plan(run), **{solver: one.result() for solver, one in others.items()}}
        os.unlink(path)
        best, bound, said = judge(bench, f"seed {run['seed']}, {run['regime']}", answers)
        cost = answers["farspan"]["cost"] if run["audit"] == "ok" else math.inf
        above.append(cost / best - 1 if cost < math.inf else math.inf)
        proven += cost <= bound * (1 + OPTIMUM_BAR)
        disagreements += said
        bench.keep("optimum, all", seed=run["seed"], regime=run["regime"], best=best, bound=bound, answers=answers)
    verdict = "met" if quantile(above, 1) <= OPTIMUM_BAR else "**missed**"
    finders = f"we or cbc ({options.cbc_seconds} s, with and without preprocessing and cuts)" if settings else "we"
    print(f"\n{name(TINY)} in {OPTIMUM_SECONDS} s, regimes in turn, beside the best plan that {finders} found: {percent(median(above))} % above it (median), "
          f"{percent(quantile(above, 1))} % (worst); bar {100 * OPTIMUM_BAR:g} % on all: {verdict}. "
          f"Proven to be within the bar of the optimum: {proven} of {len(runs)}. No plan exists: {infeasible}.")
    print(f"Claims that a plan refutes: {len(disagreements)}")
    for line in disagreements:
        print(f"- {line}")


def say_answer(one):
    if one is None:
        return "not installed | | "
    cost, bound = (None if v is None or abs(v) > 1e29 else v for v in (one["cost"], one["bound"]))
    gap = percent((cost - bound) / cost) if cost and bound is not None else "none"
    return f"{'-' if cost is None else f'{cost:.0f}'} / {'-' if bound is None else f'{bound:.0f}'} | {gap} | {one['cpu_seconds']:.1f}"


def run_opponents(bench, options, folder):
    """The same exact programme, the same time; reading the file is part of the others' time."""
    print(f"\nThe same exact programme, {OPPONENT_SECONDS} s each (USD an hour: cost / bound; gap in %; CPU seconds it really took)\n")
    print("| problem | regime | seed | integers | all columns | farspan | gap | CPU | cbc | gap | CPU | glpsol | gap | CPU |\n"
          + "|---" * 14 + "|")
    path = os.path.join(folder, "opponents.mps")
    for size in (TINY, BIG):
        for regime in REGIMES:
            for seed in range(1, options.opponent_seeds + 1):
                run = bench.solve("opponents", size, regime, 1.0, seed, OPPONENT_SECONDS, "--write-mps", path, is_alone=True)
                answers = {"farspan": as_plan(run), "cbc": None, "glpsol": None}
                for solver, ask in (("cbc", ask_cbc), ("glpsol", ask_glpsol)):
                    if solver in options.installed and run["status"] != "failed":
                        answers[solver] = ask(path, OPPONENT_SECONDS)
                with open(path) as file:
                    columns = collections.Counter(line[1] for line in set(re.findall(r"^ [nyx][\d_]+", file.read(), re.M)))
                print(f"| {name(size)} | {regime} | {seed} | {columns['n'] + columns['y']} | {sum(columns.values())} | "
                      f"{' | '.join(say_answer(one) for one in answers.values())} |", flush=True)
                _, _, said = judge(bench, f"{name(size)} {regime} seed {seed}", {k: v for k, v in answers.items() if v})
                for line in said:
                    print(f"- {line}")
                bench.keep("opponents, all", size=size, regime=regime, seed=seed, answers=answers)


# What should not matter ---------------------------------------------------------------------------------------------------


def run_order(bench, options):
    """Services, regions, machine types, zones and rules in another order: the same cost where it is proven, else within gaps."""
    differences, proven = [], []
    for seed in range(1, options.order_seeds + 1):
        regime = REGIMES[seed % 3]
        run = bench.solve("order", LEAST, regime, 1.0, seed, OPTIMUM_SECONDS, "--gap", "0", "--shuffle", seed)
        first = run.get("first", {})
        if "gap" not in run or "gap" not in first:
            continue
        differences.append(abs(run["cost_usd_h"] / first["cost_usd_h"] - 1))
        if run["status"] == first["status"] == "optimal":
            proven.append(differences[-1])
        best = min(run["cost_usd_h"], first["cost_usd_h"])
        if max(run["bound_usd_h"], first["bound_usd_h"]) > best * (1 + SAME):
            bench.wrong.append(f"order, seed {seed}, {regime}: the bound in one order is above a plan in the other")
    print(f"\n{len(differences)} problems of {name(LEAST)}, {OPTIMUM_SECONDS} s, each solved again with its parts in another order: "
          f"costs differ by {100 * median(differences):.4f} % (median), {100 * quantile(differences, 1):.4f} % (worst); "
          f"solved to the end in both: {len(proven)}, {100 * quantile(proven or [0], 1):.4f} % (worst)")
    for difference in proven:
        if difference > SAME:
            bench.wrong.append(f"order: two proven optima of one problem differ by {100 * difference:.4f} %")


def run_replans(bench, options):
    """The plan in force is what the next re-plan begins with."""
    print(f"\nRe-plans of {name(TINY)}, mix, seed 1, each after its own demand ± {NOISE:.0%}, {REPLAN_SECONDS:g} s each; a start or a stop "
          f"costs so many hours of the price. Bar: {100 * MOVED_BAR:g} % of the replicas moved, mean.\n")
    print("| move cost, h | re-plans | without a plan | replicas moved %, mean | median | p95 | most | | gap %, median "
          "| above a plan from nothing %, median | p95 | moves, $/h, median | stopped by |\n" + "|---" * 13 + "|")
    for hours in MOVE_HOURS:
        count = options.replans if hours == MOVE_HOURS[0] else max(10, options.replans // 10)
        run = bench.solve("replans", TINY, "mix", 1.0, 1, REPLAN_SECONDS, "--replans", count, "--warm", f"{NOISE:.0%}",
                          "--move-hours", hours, "--fresh")
        if run.get("status") == "failed":
            continue
        moved, above = run["moved"], run["above_fresh"]
        verdict = "met" if moved["mean"] <= MOVED_BAR and not run["failed"] else "**missed**"
        stopped = ", ".join(f"{why} {times}" for why, times in run["stopped_by"].items() if times)
        print(f"| {hours:g} | {run['replans'] + run['failed']} | {run['failed']} | {percent(moved['mean'])} | {percent(moved['median'])} "
              f"| {percent(moved['p95'])} | {percent(moved['max'])} | {verdict} | {percent(run['gap']['median'])} "
              f"| {percent(above['median'])} | {percent(above['p95'])} | {run['moves_usd_h']['median']:.0f} | {stopped} |", flush=True)


# ------------------------------------------------------------------------------------------------------------------------


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few of everything, as `make bench-plan` does")
    parser.add_argument("--only", choices=PARTS, action="append", help="may be given more than once")
    parser.add_argument("--match", default="", help="of the cases, those whose 'SIZE REGIME STOCK' contains it: '20x40x6 small 0.5'")
    parser.add_argument("--cpu", action="store_true", help="limits are CPU time: for a machine that others use too")
    parser.add_argument("--program", default=os.path.join(ROOT, "build/farspan"))
    for key, value in FULL.items():
        parser.add_argument("--" + key.replace("_", "-"), type=int, metavar="N", help=f"{value}, with --quick {QUICK[key]}")
    options = parser.parse_args()
    for key, value in (QUICK if options.quick else FULL).items():
        if getattr(options, key) is None:
            setattr(options, key, value)
    if not os.path.exists(options.program):
        raise SystemExit(f"{options.program} is not there: make")
    return options


def run_parts(bench, options, folder):
    parts = options.only or PARTS
    if "cases" in parts or "tiny" in parts or "warm" in parts:
        print(HEAD, flush=True)
    for part, run in (("cases", run_cases), ("tiny", run_tiny), ("warm", run_warm), ("order", run_order), ("replans", run_replans)):
        if part in parts:
            run(bench, options)
    for part, run in (("optimum", run_optimum), ("opponents", run_opponents)):
        if part in parts:
            run(bench, options, folder)


def main():
    options = read_options()
    os.makedirs(OUT, exist_ok=True)
    path = os.path.join(OUT, "plan.jsonl")
    machine = common.machine()
    common.say_machine(machine)
    print(f"Every region may be lost, with exact re-routing (N-1).{' Times are CPU time.' if options.cpu else ''}")
    options.installed = installed()
    print()
    with open(path, "w") as lines, tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.program, options.cpu, lines)
        bench.keep("machine", **machine, clock="cpu" if options.cpu else "wall")
        run_parts(bench, options, folder)
    print(f"\npeak memory {bench.peak_bytes / MIB:.0f} MiB, bar {MEMORY_BAR / MIB:.0f}: "
          f"{'met' if bench.peak_bytes <= MEMORY_BAR else '**missed**'}; wrong or not measured: {len(bench.wrong)}")
    for line in bench.wrong:
        print(f"- {line}")
    print(f"\nraw figures: {os.path.relpath(path, ROOT)}")
    return 1 if bench.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
