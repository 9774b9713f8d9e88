#!/usr/bin/env bash
# All benchmarks, one table each; raw figures in build/bench/. About twenty minutes on two cores, which should be idle.
# Arguments go to bench/proxies.py. Exit status 1: something could not be measured; a missed bar is only printed.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build/bench
build/farspan bench
build/farspan bench --json >build/bench/hot_path.json
status=0
python3 bench/proxies.py "$@" || status=1
if build/farspan version --json | grep -q '"llama"\]'; then
    python3 bench/llama.py || status=1
fi
exit $status
