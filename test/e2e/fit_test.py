#!/usr/bin/env python3
"""The shipped models are what tools/fit_models.sh makes of the shipped data, to the bit: whoever changes the fit, a
schema or a slice of data finds out here, and ships new models."""
import os
import subprocess
import sys
import tempfile

import harness
from harness import FARSPAN, ROOT, test

MODELS = ("risk", "digits", "segments", "demand")


def read(folder, model):
    with open(os.path.join(folder, f"{model}.model"), "rb") as f:
        return f.read()


@test
def a_fresh_fit_gives_the_shipped_models_to_the_bit():
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run([os.path.join(ROOT, "tools/fit_models.sh"), FARSPAN, folder], capture_output=True,
                              text=True, timeout=300)
        assert made.returncode == 0, made.stderr
        assert sorted(os.listdir(folder)) == sorted(f"{model}.model" for model in MODELS), os.listdir(folder)
        shipped = os.path.join(ROOT, "models")
        assert sorted(f for f in os.listdir(shipped) if f.endswith(".model")) == sorted(os.listdir(folder))
        other = [model for model in MODELS if read(folder, model) != read(shipped, model)]
        assert not other, f"a fresh fit of {other} differs from models/: run tools/fit_models.sh, and mend docs/models.md"


if __name__ == "__main__":
    sys.exit(harness.main())
