#!/usr/bin/env bash
# All tests, fast ones first: gates, GCC release, ASan + UBSan, fuzz corpora (part of both), end to end.
# usage: test/run.sh [all]   all: Clang, TSan and the long end-to-end runs too
set -euo pipefail
cd "$(dirname "$0")/.."
all=${1:-}
llama=${WITH_LLAMA:-auto}
jobs=${JOBS:-$(nproc)}
passed=0 failed=0
began=$SECONDS

say() { printf '\n== %s (%d s)\n' "$1" $((SECONDS - began)); }

# check NAME COMMAND...: one test of this script's own
check() {
    local name=$1
    shift
    local log
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        printf 'ok      %s\n' "$name"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n' "$name"
        cat "$log"
    fi
    rm -f "$log"
}

build() { # preset folder
    cmake --preset "$1" -DWITH_LLAMA="$llama" >"build/$1.log" 2>&1 ||
        { cat "build/$1.log"; exit 1; }
    ninja -C "$2" -j"$jobs" --quiet
}

suite() { # folder: ctest, counted test by test
    local log="$1/ctest.log"
    local result=0
    (cd "$1" && ctest -j"$jobs" --output-on-failure) >"$log" 2>&1 || result=$?
    local line
    line=$(grep -E '[0-9]+% tests passed' "$log") || { cat "$log"; exit 1; }
    local bad total
    bad=$(sed -E 's/.* ([0-9]+) tests? failed.*/\1/' <<<"$line")
    total=$(sed -E 's/.* out of ([0-9]+).*/\1/' <<<"$line")
    if [ "$result" -ne 0 ]; then grep -vE '^ *[0-9]+/[0-9]+ Test.*Passed|^ +Start' "$log"; fi
    printf '%s: %d of %d\n' "$1" $((total - bad)) "$total"
    passed=$((passed + total - bad))
    failed=$((failed + bad))
}

say "set-up"
setup=(--test)
[ "$llama" = off ] && setup+=(--no-llama)
tools/setup.sh "${setup[@]}"
mkdir -p build
if command -v ccache >/dev/null; then export CMAKE_C_COMPILER_LAUNCHER=ccache; fi

say "gates"
check "style: shape and layers" python3 tools/style.py \
    --max file=800,header=300,func=70,nest=4,branches=20,line=100,includes=15,cycles=0 \
    --layers tools/layers.txt src
check "catalogue: rows, ranges, references" python3 tools/catalog/check_test.py
check "format" bash -c 'clang-format --dry-run -Werror $(git ls-files "*.c" "*.h")'

say "GCC, release"
build release build
check "purity: what pure objects may call" python3 tools/purity.py build
suite build

say "ASan + UBSan"
build asan build/asan
suite build/asan

say "end to end"
e2e_status=0
test/e2e/run.sh build/farspan ${all:+long} >build/e2e.log 2>&1 || e2e_status=$?
line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' build/e2e.log | tail -n 1) || { cat build/e2e.log; exit 1; }
grep -vE '^ok ' build/e2e.log
passed=$((passed + $(cut -d' ' -f1 <<<"$line")))
failed=$((failed + $(cut -d' ' -f3 <<<"$line")))
if [ "${e2e_status:-0}" -ne 0 ] && [ "$(cut -d' ' -f3 <<<"$line")" = 0 ]; then
    echo "FAILED  end to end ended with status $e2e_status"
    failed=$((failed + 1))
fi

if [ -n "$all" ]; then
    say "Clang, release"
    build clang build/clang
    suite build/clang
    say "TSan"
    build tsan build/tsan
    suite build/tsan
fi

printf '\nafter %d s\n%d passed, %d failed\n' $((SECONDS - began)) "$passed" "$failed"
[ "$failed" -eq 0 ]
