#!/usr/bin/env python3
"""`farspan apply --target kubernetes`: the order of commands, going back, a kill at any action, what is refused.

kubectl is a recording stand-in (test/kubernetes/standin): no cluster is here, and nothing is proven about one. That is
what `make test-kubernetes` is for."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import harness
from harness import FARSPAN, ROOT, long_test, test

FILE = os.path.join(ROOT, "test/kubernetes/world.yaml")
AZURE, AWS, GCP = "azure:westeurope", "aws:us-east-1", "gcp:us-central1"
CONTEXTS = {AZURE: "eu", AWS: "us", GCP: "gcp"}
A100, D4, G5 = "Standard_NC24ads_A100_v4", "Standard_D4s_v5", "g5.xlarge"


def row(region, sku, count, running, service="chat"):
    return {"service": service, "region": region, "sku": sku, "market": "on_demand", "count": count,
            "running": running, "machines": 1, "usd_h": 3.5, "estimate": False}


def sheet(rows, base=0, steps=()):
    return {"version": 1, "status": "feasible", "stopped_by": "gap", "build": "test", "solver": "none", "catalogue": "",
            "world": "demo", "base_epoch": base, "cost_usd_h": 1.0, "bound_usd_h": 1.0, "gap": 0, "seconds": 0.1,
            "carbon_kg_h": 0, "egress_usd_h": 0, "replicas": rows, "flows": [], "rules": [], "steps": list(steps)}


def step(wave, action, replica, count):
    return {"wave": wave, "action": action, "replica": replica, "count": count}


FIRST = sheet([row(AZURE, A100, 3, 0), row(AZURE, D4, 1, 0), row(AWS, G5, 2, 0)])
# Two rounds: two start in gcp, then those of aws go; then azure grows, and its small machine goes.
SECOND = sheet([row(AZURE, A100, 5, 3), row(AZURE, D4, 0, 1), row(AWS, G5, 0, 2), row(GCP, G5, 2, 0)], 2,
               [step(0, "start", 3, 2), step(1, "stop", 2, 2), step(2, "start", 0, 2), step(3, "stop", 1, 1)])


class Place:
    """A folder with a state, plans, and what the stand-in knows."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="farspan-kube-")
        self.state = os.path.join(self.folder, "state")
        self.standin = os.path.join(self.folder, "standin")
        os.mkdir(self.standin)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def apply(self, plan, *arguments, kill=None, fault=None, contexts=CONTEXTS, status=0, path=None):
        command = [FARSPAN, "apply", "--target", "kubernetes", "-f", FILE, "--state", self.state, *arguments]
        if plan is not None:
            name = os.path.join(self.folder, "plan.json")
            with open(name, "w") as f:
                json.dump(plan, f)
            command.insert(2, name)
        for region, context in contexts.items():
            command += ["--context", f"{region}={context}"]
        environment = {**os.environ, "STANDIN": self.standin,
                       "PATH": path or os.path.join(ROOT, "test/kubernetes/standin") + ":" + os.environ["PATH"],
                       **({"FARSPAN_APPLY_KILL": str(kill)} if kill else {}),
                       **({"FARSPAN_FAULT": f"file:{fault}"} if fault else {})}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment,
                              stdin=subprocess.DEVNULL)
        assert status is None or done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done

    def fail(self, *rules):
        with open(os.path.join(self.standin, "fail"), "w") as f:
            f.write("".join(r + "\n" for r in rules))

    def log(self):
        """What changed something or waited, as short lines: "eu apply 30-chat..."; the log is emptied."""
        path, lines = os.path.join(self.standin, "log"), []
        for line in open(path) if os.path.exists(path) else []:
            words = json.loads(line)
            if words[0] == "version" or words[4] in ("get", "diff"):
                continue
            files = [os.path.basename(words[i + 1]) for i, w in enumerate(words) if w == "-f"]
            named = [w for w in words[5:] if re.match(r"[a-z.0-9]+/", w)]
            wait = [w for w in words if w.startswith("--wait")]
            lines.append(" ".join([words[1], words[4], *wait, *files, *named]))
        if os.path.exists(path):
            os.remove(path)
        return lines

    def cluster(self, context):
        """{deployment: replicas}"""
        path = os.path.join(self.standin, context + ".json")
        objects = json.load(open(path)) if os.path.exists(path) else {}
        return {k.split("/")[1]: int(re.search(r"^  replicas: (\d+)", v, re.M)[1])
                for k, v in objects.items() if k.startswith("deployment")}

    def clusters(self):
        return {c: self.cluster(c) for c in CONTEXTS.values()}

    def left_over(self):
        folder = os.path.join(self.state, "kubernetes/demo-farspan")
        return [n for n in ("apply.json", "plan.next.json") if os.path.exists(os.path.join(folder, n))]


ONE = {"eu": {"farspan-gateway": 2, "chat-standard-nc24ads-a100-v4-on-demand": 3, "chat-standard-d4s-v5-on-demand": 1},
       "us": {"farspan-gateway": 2, "chat-g5-xlarge-on-demand": 2}, "gcp": {}}
TWO = {"eu": {"farspan-gateway": 2, "chat-standard-nc24ads-a100-v4-on-demand": 5}, "us": {},
       "gcp": {"farspan-gateway": 2, "chat-g5-xlarge-on-demand": 2}}


def at(lines, *words):
    """Index of the first line that has all words."""
    found = [i for i, line in enumerate(lines) if all(w in line for w in words)]
    assert found, (words, lines)
    return found[0]


@test
def a_first_plan_makes_the_namespace_and_waits_for_workloads_before_gateways():
    with Place() as place:
        done = place.apply(FIRST, "--dry-run", status=2)
        assert "epoch 0 -> 2" in done.stdout and "is not there" in done.stdout and not place.log(), done.stdout
        done = place.apply(FIRST, "--yes")
        assert "applied: the clusters are at epoch 2" in done.stdout, done.stdout
        lines = place.log()
        assert at(lines, "eu apply 00-setup") < at(lines, "eu apply 10-network.yaml 30-chat") < \
            at(lines, "eu rollout deployment/chat-standard-nc24ads") < at(lines, "eu apply 20-gateway.yaml") < \
            at(lines, "eu rollout deployment/farspan-gateway")
        assert place.clusters() == ONE and not place.left_over()
        assert "no difference" in place.apply(FIRST, "--yes").stdout and not place.log()
        assert place.apply(FIRST, "--dry-run").returncode == 0


@test
def new_is_ready_before_old_goes_round_by_round():
    with Place() as place:
        place.apply(FIRST, "--yes")
        place.log()
        done = place.apply(SECOND, "--dry-run", status=2)
        assert "is not there: it and 3 files" in done.stdout and "before, $" in done.stdout, done.stdout
        assert "delete deployment.apps/chat-standard-d4s-v5-on-demand" in done.stdout, done.stdout
        place.apply(SECOND, "--yes")
        lines = place.log()
        ready = at(lines, "gcp rollout deployment/chat-g5-xlarge")
        gone = at(lines, "us delete --wait=false", "30-chat-g5-xlarge")
        grown = [i for i, line in enumerate(lines) if "eu rollout deployment/chat-standard-nc24ads" in line][-1]
        last = at(lines, "eu delete --wait=false 30-chat-standard-d4s")
        assert ready < at(lines, "gcp rollout deployment/farspan-gateway") < gone < grown < last, lines
        assert gone < at(lines, "us delete --wait=true"), lines
        assert place.clusters() == TWO and not place.left_over()


@test
def what_cannot_be_is_refused_and_changes_nothing():
    with Place() as place:
        done = place.apply(FIRST, "--yes", contexts={AZURE: "eu"}, status=2)
        assert "no cluster for aws-us-east-1" in done.stderr, done.stderr
        done = place.apply(FIRST, "--yes", contexts={AZURE: "eu", AWS: "eu"}, status=2)
        assert "one context" in done.stderr, done.stderr
        done = place.apply(FIRST, status=1)
        assert "nobody can be asked" in done.stderr, done.stderr
        done = place.apply(None, "--yes", status=1)
        assert "broken off" in done.stderr, done.stderr
        done = place.apply(FIRST, "--yes", path="/nowhere", status=1)
        assert "kubectl is not in PATH: install it" in done.stderr, done.stderr
        assert not place.log()
        place.apply(FIRST, "--yes")
        place.log()
        for plan in (sheet(FIRST["replicas"], 7), {**FIRST, "gap": 0.5}):
            done = place.apply(plan, "--yes", status=1)
            assert "stale" in done.stderr, done.stderr
        shutil.rmtree(place.state)
        done = place.apply(SECOND, "--yes", status=1)
        assert "nothing could be undone" in done.stderr, done.stderr
        assert not place.log() and place.clusters() == ONE


@test
def a_wave_that_fails_is_undone():
    for rule in ("1 eu .*rollout.*deployment/chat-standard-nc24ads", "1 --context gcp.*rollout.*gateway",
                 "1 us .*delete .*--wait=true", "1 eu .*apply .*round-2", "1 us .*delete .*wait=false"):
        with Place() as place:
            place.apply(FIRST, "--yes")
            rule = rule.replace(" us ", " --context us ").replace(" eu ", " --context eu ")
            place.fail(rule)
            done = place.apply(SECOND, "--yes", status=1)
            assert "told to fail" in done.stderr and "what was before runs again" in done.stderr, (rule, done.stderr)
            assert place.clusters() == ONE and not place.left_over(), (rule, place.clusters())
            place.fail()
            place.apply(SECOND, "--yes")
            assert place.clusters() == TWO


@test
def a_cluster_that_fails_both_ways_is_taken_up_when_it_is_mended():
    with Place() as place:
        place.apply(FIRST, "--yes")
        place.fail("9 --context gcp.*rollout", "9 --context gcp.*delete")
        done = place.apply(SECOND, "--yes", status=1)
        assert "it stays as it is" in done.stderr and place.left_over(), done.stderr
        place.fail()
        done = place.apply(None, "--yes", status=1)
        assert "on the way back" in done.stdout and place.clusters() == ONE, (done.stdout, place.clusters())
        assert not place.left_over()


def kill_everywhere(before, after, wanted, rule, kill=1):
    """Applies <after> on top of <before>, killed at each point from <kill> on in turn, and taken up; answers how many
    points there were."""
    was_killed = True
    with Place() as first:
        first.apply(before, "--yes")
        as_before = first.clusters()
        while was_killed:
            with Place() as place:
                shutil.copytree(first.folder, place.folder, dirs_exist_ok=True)
                place.fail(*([rule] if rule else []))
                done = place.apply(after, "--yes", kill=kill, status=None)
                was_killed = done.returncode == -signal.SIGKILL
                assert was_killed or done.returncode == (1 if rule else 0), (kill, done)
                if was_killed:
                    # Nobody need say the contexts again.
                    place.apply(None, "--yes", contexts={}, status=None)
                # Killed between the failure and the note of it, the action is done again, and well.
                assert place.clusters() in ((as_before, wanted) if rule else (wanted,)), (rule, kill, place.clusters())
                assert not place.left_over(), kill
            kill += 1
    return kill


@test
def killed_at_any_action_the_next_apply_ends_the_same():
    wanted = {"eu": TWO["eu"], "us": {}, "gcp": {}}
    assert kill_everywhere(SMALL_FIRST, SMALL_SECOND, wanted, None) > 14
    assert kill_everywhere(SMALL_FIRST, SMALL_SECOND, wanted, "1 --context eu .*delete .*--wait=true", kill=12) > 20


@long_test
def killed_at_any_action_of_several_rounds_the_next_apply_ends_the_same():
    assert kill_everywhere(FIRST, SECOND, TWO, None) > 30


def file_fault(first, before, after, wanted, fault):
    """True: the fault-th call for a file failed, and was survived."""
    with Place() as place:
        shutil.copytree(first.folder, place.folder, dirs_exist_ok=True)
        done = place.apply(after, "--yes", fault=fault, status=None)
        assert done.returncode in (0, 1), (fault, done)
        again = place.apply(after, "--yes", status=None)
        if again.returncode != 0:  # it was on its way back
            assert place.clusters() == before, (fault, done, again)
            place.apply(after, "--yes")
        assert place.clusters() == wanted and not place.left_over(), (fault, done, again, place.clusters())
        return done.returncode != 0


SMALL_FIRST = sheet([row(AZURE, A100, 3, 0), row(AZURE, D4, 1, 0)])
SMALL_SECOND = sheet([row(AZURE, A100, 5, 3), row(AZURE, D4, 0, 1)], 2)


@test
def what_is_in_force_may_be_kept_half_only():
    """The last step removes files of the plan before and writes those of this one: killed in it, it is done again."""
    with Place() as place:
        place.apply(SMALL_FIRST, "--yes")
        assert place.apply(SMALL_SECOND, "--yes", kill=13, status=None).returncode == -signal.SIGKILL
        os.remove(os.path.join(place.state, "kubernetes/demo-farspan/now/azure-westeurope",
                               "30-chat-standard-d4s-v5-on-demand.yaml"))
        place.apply(None, "--yes", contexts={})
        assert place.cluster("eu") == TWO["eu"] and not place.left_over()
        assert "no difference" in place.apply(SMALL_SECOND, "--yes").stdout


@long_test
def any_file_that_fails_leaves_something_to_go_on_with():
    with Place() as first:
        first.apply(SMALL_FIRST, "--yes")
        before, fault, untouched = first.clusters(), 1, 0
        while untouched < 12:
            failed = file_fault(first, before, SMALL_SECOND, {"eu": TWO["eu"], "us": {}, "gcp": {}}, fault)
            untouched = 0 if failed else untouched + 1
            fault += 1
    assert fault > 100, fault


@test
def leftovers_of_ours_go_and_others_stay():
    with Place() as place:
        place.apply(FIRST, "--yes")
        path = os.path.join(place.standin, "eu.json")
        with open(path) as f:
            objects = json.load(f)
        gateway = objects["service/farspan-gateway"]
        objects["service/old"] = gateway.replace("farspan-gateway", "old")
        objects["service/alien"] = gateway.replace("managed-by: farspan", "managed-by: helm")
        with open(path, "w") as f:
            json.dump(objects, f)
        place.log()
        assert place.apply(FIRST, "--dry-run", status=2).stdout.count("  delete ") == 1
        place.apply(FIRST, "--yes")
        assert "eu delete --wait=false service/old" in place.log()
        with open(path) as f:
            objects = json.load(f)
        assert "service/alien" in objects and "service/old" not in objects and "service/farspan-gateway" in objects


if __name__ == "__main__":
    sys.exit(harness.main())
