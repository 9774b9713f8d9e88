#!/usr/bin/env bash
# Style, layers, format, shellcheck, clang-tidy. What it needs comes by tools/setup.sh --test.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in clang-format clang-tidy shellcheck; do
    command -v $tool >/dev/null || { echo "lint: no $tool here; tools/setup.sh --test gets it" >&2; exit 1; }
done

python3 tools/style.py \
    --max file=800,header=300,func=70,nest=4,branches=20,line=100,includes=15,cycles=0 \
    --layers tools/layers.txt src
mapfile -t sources < <(git ls-files '*.c' '*.h')
clang-format --dry-run -Werror "${sources[@]}"
mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
shellcheck -S warning "${scripts[@]}"

# All that is compiled, tests and fuzzers too. One file a process: the analyzer of Clang 14 takes every
# va_list for uninitialised in a process's second file.
mkdir -p build
cmake --preset clang -DWITH_LLAMA="${WITH_LLAMA:-auto}" >build/clang.log 2>&1 ||
    { cat build/clang.log; exit 1; }
units=build/clang/units.txt
sed -n 's/^ *"file": "\(.*\)",*$/\1/p' build/clang/compile_commands.json | sort -u >$units
xargs -P"${JOBS:-$(nproc)}" -n1 clang-tidy -p build/clang --quiet --warnings-as-errors='*' <$units 2>&1 |
    sed '/^[0-9]* warnings* .*generated\.$/d'
echo "lint: $(wc -l <$units) files, ${#scripts[@]} scripts: clean"
