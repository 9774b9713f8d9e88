#!/usr/bin/env bash
# Each fuzzer for some seconds, from its corpus; new inputs stay in the build folder. A finding does
# not keep the others from their turn.
# usage: test/fuzz/run.sh BUILD_FOLDER SECONDS_EACH
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1 seconds=$2
count=0 failed=0
for source in test/fuzz/*_fuzz.c; do
    name=$(basename "$source" .c)
    log=$build/$name.log
    status=0
    mkdir -p "$build/corpus/$name" "$build/crashes"
    echo "== $name, $seconds s"
    "$build/$name" -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="$build/crashes/$name-" -print_final_stats=1 \
        "$build/corpus/$name" "test/fuzz/corpus/$name" >"$log" 2>&1 || status=$?
    grep -E 'stat::(number_of_executed_units|new_units_added)' "$log" || status=1
    if [ $status -ne 0 ]; then
        failed=$((failed + 1))
        echo "FOUND by $name, all of it in $log:"
        grep -vE '^(#|INFO|stat::)' "$log" | head -n 40
    fi
    count=$((count + 1))
done
echo "$count fuzzers, $failed with a finding"
[ "$failed" -eq 0 ] || {
    echo "inputs are in $build/crashes; once mended, they belong into test/fuzz/corpus"
    exit 1
}
