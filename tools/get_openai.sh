#!/bin/sh
# Installs the npm package "openai", the client that the end-to-end tests speak to farspan with, from
# the lock file test/e2e/package-lock.json (exact versions, checked sha512) into the user's cache.
# Prints the folder that holds node_modules. There already: prints it at once.
#
# FARSPAN_CACHE  where the cache is (default: $XDG_CACHE_HOME/farspan or ~/.cache/farspan)
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
lock=$here/test/e2e/package-lock.json
cache=${FARSPAN_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or FARSPAN_CACHE}/.cache}/farspan}

die() {
    printf 'get_openai: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 0 ] || die "unknown argument '$1'; use: tools/get_openai.sh"
[ -f "$lock" ] || die "expected a lock file, found none: $lock"
target=$cache/openai-$(sha512sum "$lock" | cut -c1-16)
if [ -f "$target/whole" ]; then
    printf '%s\n' "$target"
    exit 0
fi
command -v npm >/dev/null 2>&1 || die "npm is missing. Run tools/setup.sh --test, which installs it."

mkdir -p "$cache"
exec 9>"$cache/openai.lock"
flock 9
[ ! -f "$target/whole" ] || { printf '%s\n' "$target" && exit 0; }
rm -rf "$target" "$target.part"
mkdir "$target.part"
trap 'rm -rf "$target.part"' EXIT
cp "$here/test/e2e/package.json" "$lock" "$target.part/"
printf 'installing the openai client into %s (about 20 MB, some seconds)\n' "$target" >&2
(cd "$target.part" && npm ci --loglevel=error --ignore-scripts --no-audit --no-fund 9>&-) >&2 ||
    die "npm ci failed; run it by hand in a copy of test/e2e to see why"
: >"$target.part/whole"
mv "$target.part" "$target"
printf '%s\n' "$target"
