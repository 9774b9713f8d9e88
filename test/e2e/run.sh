#!/usr/bin/env bash
# End to end: the real binary on loopback with real clients. usage: test/e2e/run.sh BINARY [long]
# Closes with one line "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")" || exit 1
root=$(cd ../.. && pwd)
binary=$(cd "$root" && realpath "$1")
shift
passed=0 failed=0

count() { # adds the closing line of one suite
    local line
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$1" | tail -n 1)
    if [ -z "$line" ]; then
        failed=$((failed + 1))
        echo "FAILED  $2 ended without a closing line"
        return
    fi
    passed=$((passed + $(cut -d' ' -f1 <<<"$line")))
    failed=$((failed + $(cut -d' ' -f3 <<<"$line")))
}

TMPDIR=$(mktemp -d /tmp/farspan-e2e-XXXXXX) # of the suites too: nothing of them stays behind
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
log="$TMPDIR/log"
for suite in *_test.py; do
    python3 "$suite" "$binary" "$@" >"$log" 2>&1
    status=$?
    grep -vE '^[0-9]+ passed, [0-9]+ failed$' "$log"
    count "$log" "$suite"
    if [ "$status" -ne 0 ] && ! grep -q '^FAILED' "$log"; then
        failed=$((failed + 1))
        echo "FAILED  $suite ended with status $status"
    fi
done
for suite in *_test.mjs; do
    modules=$("$root/tools/get_openai.sh")
    NODE_PATH="$modules" node "$suite" "$binary" "$modules" >"$log" 2>&1
    status=$?
    grep -vE '^[0-9]+ passed, [0-9]+ failed$' "$log"
    count "$log" "$suite"
    if [ "$status" -ne 0 ] && ! grep -q '^FAILED' "$log"; then
        failed=$((failed + 1))
        echo "FAILED  $suite ended with status $status"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
