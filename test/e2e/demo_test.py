#!/usr/bin/env python3
"""The demo, shortened: every request answered though a region dies, and the report says how."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import harness
from harness import FARSPAN, free_port_base, test


def run_demo(*arguments):
    state = tempfile.mkdtemp(prefix="farspan-test-")
    report = os.path.join(state, "report.json")
    got = subprocess.run([FARSPAN, "demo", "--state", state, "--port-base", str(free_port_base()),
                          "--report", report, *arguments], capture_output=True, text=True, timeout=120)
    said = json.load(open(report)) if os.path.exists(report) else None
    shutil.rmtree(state, ignore_errors=True)
    return got, said


def assert_good(got, said):
    assert got.returncode == 0, got
    assert said["good"] and said["failed"] == 0 and said["answered"] == said["offered"] > 50, said
    assert said["cut_streams"] > 0 and said["client_retries"] >= said["cut_streams"], said
    assert said["kill"]["first_rerouted_answer_ms"] > 0, said
    assert said["prefix_tokens_reused"] > 0 and said["cost_usd_per_1000_requests"] > 0, said
    assert {z["zone"] for z in said["zones"]} == {"us", "eu", "asia"}, said
    assert said["decision"]["candidates"], said


@test
def a_killed_region_costs_nobody_an_answer():
    assert_good(*run_demo("--duration", "24s", "--speed", "2"))


@test
def the_echo_engine_shows_the_same():
    assert_good(*run_demo("--duration", "24s", "--speed", "2", "--echo"))


@test
def without_a_kill_nothing_is_cut():
    got, said = run_demo("--duration", "8s", "--speed", "2", "--no-kill", "--echo")
    assert got.returncode == 0 and said["cut_streams"] == 0 and said["kill"] is None, (got, said)
    title = next(line for line in got.stdout.split("\n") if "westeurope" in line and "asia-northeast1" in line and
                 line.startswith(" "))
    assert "us-east-1" in title and all(len(line) <= 100 for line in got.stdout.split("\n")
                                        if "answered" not in line), got.stdout


@test
def with_json_standard_output_is_the_report():
    got, said = run_demo("--duration", "3s", "--speed", "2", "--no-kill", "--echo", "--json")
    assert got.returncode == 0 and json.loads(got.stdout) == said and "world ready" in got.stderr, got


if __name__ == "__main__":
    sys.exit(harness.main())
