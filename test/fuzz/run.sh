#!/usr/bin/env bash
# Each fuzzer for some seconds, from its corpus; new inputs stay in the build folder.
# usage: test/fuzz/run.sh BUILD_FOLDER SECONDS_EACH
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1 seconds=$2
count=0
for source in test/fuzz/*_fuzz.c; do
    name=$(basename "$source" .c)
    mkdir -p "$build/corpus/$name" "$build/crashes"
    echo "== $name, $seconds s"
    "$build/$name" -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="$build/crashes/$name-" -print_final_stats=1 \
        "$build/corpus/$name" "test/fuzz/corpus/$name" 2>&1 |
        grep -E 'stat::(number_of_executed_units|new_units_added)|ERROR|SUMMARY|artifact' || {
        echo "$name said nothing: did it run?"
        exit 1
    }
    count=$((count + 1))
done
left=$(find "$build/crashes" -type f | wc -l)
echo "$count fuzzers, $left findings in $build/crashes"
[ "$left" -eq 0 ]
