#!/usr/bin/env bash
# A world under mixed load with leaving clients, slow readers, bad requests and killed engines: nothing may leak or crash.
# usage: test/soak.sh [MINUTES] [--echo]      (default 10)
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 test/soak.py "${FARSPAN:-build/farspan}" "${1:-10}" "${@:2}"
