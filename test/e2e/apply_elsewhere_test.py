#!/usr/bin/env python3
"""`farspan apply --target terraform` and `--target systemd`, and what the real kubectl and terraform say to it.

The order of commands is held against a stand-in for terraform (test/kubernetes/standin): clouds are not here."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import harness
from harness import FARSPAN, ROOT, test

FILE, PLAN = (os.path.join(ROOT, "test/kubernetes", n) for n in ("world.yaml", "plan.json"))
STANDIN = os.path.join(ROOT, "test/kubernetes/standin")


class Place:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="farspan-elsewhere-")
        self.out = os.path.join(self.folder, "out")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def apply(self, target, *arguments, status=0, path=None, plan=PLAN, **environment):
        done = subprocess.run([FARSPAN, "apply", plan, "--target", target, "-f", FILE, *arguments], capture_output=True,
                              text=True, timeout=300, stdin=subprocess.DEVNULL,
                              env={**os.environ, "STANDIN": self.folder, "PATH": path or STANDIN + ":" + os.environ["PATH"],
                                   **environment})
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done

    def log(self):
        path = os.path.join(self.folder, "log")
        lines = open(path).read().splitlines() if os.path.exists(path) else []
        if lines:
            os.remove(path)
        return [f"{os.path.basename(w[0])} {w[1]}" for w in (line.split(" ") for line in lines)]


LOOK = [f"{cloud} {command}" for cloud in ("aws", "azure", "gcp") for command in ("init", "plan")]


@test
def terraform_applies_the_very_plan_that_was_shown():
    with Place() as place:
        done = place.apply("terraform", "-o", place.out, "--dry-run", status=2)
        assert done.stdout.count("Plan: 1 to add") == 3 and place.log() == LOOK, done.stdout
        done = place.apply("terraform", "-o", place.out, status=1)
        assert "nobody can be asked" in done.stderr and place.log() == LOOK, done.stderr
        place.apply("terraform", "-o", place.out, "--yes")
        assert place.log() == LOOK + ["aws apply", "azure apply", "gcp apply"]
        done = place.apply("terraform", "-o", place.out, "--yes")
        assert "no difference" in done.stdout and place.log() == LOOK
        done = place.apply("terraform", "-o", place.out, "--dry-run", "--json")
        assert [c["differs"] for c in json.loads(done.stdout)["clouds"]] == [False] * 3


@test
def a_cloud_that_fails_stops_it_and_the_next_apply_goes_on():
    with Place() as place:
        with open(os.path.join(place.folder, "fail"), "w") as f:
            f.write("/azure apply")
        done = place.apply("terraform", "-o", place.out, "--yes", status=1)
        assert "told to fail" in done.stderr and "what was done before stays" in done.stderr, done.stderr
        assert place.log()[-2:] == ["aws apply", "azure apply"]
        os.remove(os.path.join(place.folder, "fail"))
        place.apply("terraform", "-o", place.out, "--yes")
        assert place.log() == LOOK + ["azure apply", "gcp apply"]


@test
def pools_that_go_may_stay_until_the_clusters_have_moved():
    with Place() as place:
        # In azure a machine of D4s_v5 ran before and is not wanted any more.
        small = "standard-d4s-v5-on-demand"
        with open(PLAN) as f:
            plan = json.load(f)
        plan["replicas"] = [r for r in plan["replicas"] if r["service"] == "chat" and r["region"] == "azure:westeurope"]
        path = os.path.join(place.folder, "plan.json")
        with open(path, "w") as f:
            json.dump(plan, f)
        for arguments, is_there in ((("--keep-old",), True), ((), False)):
            place.apply("terraform", "-o", place.out, "--yes", *arguments, plan=path)
            with open(os.path.join(place.out, "azure/applied")) as f:
                assert (small in f.read()) == is_there, arguments


@test
def a_missing_tool_or_word_is_said_with_what_to_do():
    with Place() as place:
        done = place.apply("terraform", "-o", place.out, "--yes", status=1, path="/nowhere")
        assert "terraform is not in PATH: install it" in done.stderr, done.stderr
        for target in "terraform", "systemd":
            assert "-o DIR" in place.apply(target, status=2).stderr
        done = subprocess.run([FARSPAN, "apply", PLAN, "--target", "kubernetes"], capture_output=True, text=True)
        assert done.returncode == 2 and "-f FILE" in done.stderr, done.stderr
        for words in ("--context", "a=b"), ("--image", "own:1"), ("--url", "west=https://w.example"), ("--gateways", "3"):
            done = subprocess.run([FARSPAN, "apply", PLAN, *words], capture_output=True, text=True)
            assert done.returncode == 2 and "belong to --target" in done.stderr, done.stderr
        done = subprocess.run([FARSPAN, "apply", PLAN, "--target", "nomad"], capture_output=True, text=True)
        assert done.returncode == 2 and "expected local, kubernetes" in done.stderr, done.stderr


@test
def the_real_terraform_reads_what_we_say():
    if not shutil.which("terraform"):
        print("        (skipped: terraform is not here)")
        return
    with Place() as place:
        # Its plug-ins are not here: init must fail on them, and on nothing before.
        rc = os.path.join(place.folder, "rc")
        with open(rc, "w") as f:
            f.write(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{place.folder}/none"\n  }}\n}}\n')
        done = place.apply("terraform", "-o", place.out, "--dry-run", status=1, path=os.environ["PATH"],
                           TF_CLI_CONFIG_FILE=rc)
        assert "Failed to query available provider packages" in done.stderr, done.stderr


@test
def the_real_kubectl_knows_every_word_we_say():
    if not shutil.which("kubectl"):
        print("        (skipped: kubectl is not here)")
        return
    with Place() as place:
        config = os.path.join(place.folder, "config")
        with open(config, "w") as f:
            json.dump({"apiVersion": "v1", "kind": "Config", "users": [{"name": "u", "user": {"token": "x"}}],
                       "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
                       "contexts": [{"name": n, "context": {"cluster": "c", "user": "u"}} for n in ("a", "b", "c", "d")]}, f)
        contexts = [w for r, c in (("azure:westeurope", "a"), ("aws:us-east-1", "b"), ("gcp:us-central1", "c"),
                                   ("own:lab", "d")) for w in ("--context", f"{r}={c}")]
        arguments = ["--state", place.folder, "--yes", *contexts]
        place.apply("kubernetes", *arguments)
        with open(PLAN) as f:
            later = json.load(f)
        later["base_epoch"], later["replicas"] = 8, later["replicas"][:2]
        later["replicas"][0]["count"] = 1
        with open(os.path.join(place.folder, "later.json"), "w") as f:
            json.dump(later, f)
        place.apply("kubernetes", *arguments, plan=f.name)
        seen = {}
        for line in open(os.path.join(place.folder, "log")):
            words = json.loads(line)
            seen.setdefault(tuple(w.split("=")[0] for w in words if w.startswith("-") or words[0] == "version")
                            + tuple(words[5:6]), words)
        assert len(seen) >= 9, list(seen)
        manifest = os.path.join(place.folder, "kubernetes/demo-farspan/now/azure-westeurope/20-gateway.yaml")
        for words in seen.values():
            words = [manifest if before == "-f" else word for before, word in zip(["", *words], words)]
            done = subprocess.run(["kubectl", *words], capture_output=True, text=True, timeout=60,
                                  env={**os.environ, "KUBECONFIG": config})
            is_good = done.returncode == 0 if words[0] == "version" else "refused" in done.stderr
            assert is_good and "unknown" not in done.stderr, (words, done.stderr)
        # And what a person sees when a cluster does not answer.
        done = place.apply("kubernetes", *arguments, status=1, path=os.environ["PATH"], KUBECONFIG=config)
        assert "a: kubectl get:" in done.stderr and "refused" in done.stderr, done.stderr


@test
def systemd_says_what_to_do_on_each_machine():
    with Place() as place:
        done = place.apply("systemd", "-o", place.out)
        for words in ("own:lab: on every machine", "systemctl enable --now farspan.target chat-box-own.service",
                      "on chat-box-own-1:", "farspan-gateway.service", "systemd-sysusers"):
            assert words in done.stdout, (words, done.stdout)
        assert os.path.exists(os.path.join(place.out, "own-lab/chat-box-own.service"))
        # The commands that copy are those for the files that are there.
        copy = "\n".join(line.replace("/etc/", place.folder + "/etc/").replace(" && systemd-sysusers", "")
                         .replace(" -g farspan", "") for line in done.stdout.splitlines() if "install " in line)
        subprocess.run(["sh", "-ec", f"mkdir -p {place.folder}/etc/systemd/system\n" + copy], check=True,
                       cwd=os.path.join(place.out, "own-lab"))
        for name in "farspan/farspan.env", "farspan/chat-box-own.yaml", "systemd/system/farspan.target":
            assert os.path.exists(os.path.join(place.folder, "etc", name)), name


if __name__ == "__main__":
    sys.exit(harness.main())
