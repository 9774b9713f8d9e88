#!/usr/bin/env bash
# Style, layers, format, clang-tidy, shellcheck.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 tools/style.py \
    --max file=800,header=300,func=70,nest=4,branches=20,line=100,includes=15,cycles=0 \
    --layers tools/layers.txt src
mapfile -t sources < <(git ls-files '*.c' '*.h')
clang-format --dry-run -Werror "${sources[@]}"
if command -v shellcheck >/dev/null; then
    mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
    shellcheck -S warning "${scripts[@]}"
fi
mkdir -p build
cmake --preset clang >build/clang.log 2>&1 || { cat build/clang.log; exit 1; }
mapfile -t units < <(git ls-files 'src/*.c' | grep -v _test.c)
printf '%s\n' "${units[@]}" | xargs -P"$(nproc)" -n8 clang-tidy -p build/clang --quiet \
    --warnings-as-errors='*'
