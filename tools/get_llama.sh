#!/bin/sh
# Obtains llama.cpp, the engine for GGUF models, as shared libraries and headers in the user's cache.
#
#   tools/get_llama.sh             build it if it is not there; nothing to do takes milliseconds
#   tools/get_llama.sh --path      print the folder and exit, 1 when it is not there
#
# The sources come from an npm package that carries them as a git bundle (pinned version, checked
# sha512). All CPU variants are built; the best one for this machine is picked when it is loaded.
# Result: FOLDER/lib/*.so, FOLDER/include/*.h, FOLDER/LICENSE and, written last, FOLDER/manifest.
# A folder is renamed into place when it is whole, so a half-built one is never taken for whole.
#
# FARSPAN_CACHE  where the cache is (default: $XDG_CACHE_HOME/farspan or ~/.cache/farspan)
# FARSPAN_JOBS   compilers at a time (default: cores, bounded by free memory)
set -eu

package=node-llama-cpp
package_version=3.22.1
package_sha512=6e5b488a9b9699cd76dc7eed30880318a4ac4ab866865418795502e3c5d38d55\
bb5c624988927209d95333343f2e25a83e4183a5c2f816f883a60c3ba9f4e20f
llama_version=0.5.0
recipe=2 # raise it when the build options below change
disk_mb=600
seconds_1_core=900

cache=${FARSPAN_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or FARSPAN_CACHE}/.cache}/farspan}
target=$cache/llama-$llama_version
manifest="llama.cpp $llama_version
recipe $recipe
source $package@$package_version
sha512 $package_sha512"

say() { printf '%s\n' "$*"; }
die() {
    printf 'get_llama: %s\n' "$*" >&2
    exit 1
}

is_whole() { [ -f "$target/manifest" ] && [ "$(cat "$target/manifest")" = "$manifest" ]; }

if [ "${1:-}" = --path ]; then
    say "$target"
    is_whole
    exit
fi
[ $# -eq 0 ] || die "unknown argument '$1'; use: tools/get_llama.sh [--path]"
if is_whole; then
    say "llama.cpp $llama_version is there: $target"
    exit 0
fi

missing=
for tool in npm git cmake tar sha512sum flock c++; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
[ -z "$missing" ] || die "missing:$missing. Run tools/setup.sh, which installs them."

mkdir -p "$cache"
exec 9>"$cache/llama-$llama_version.lock"
flock -n 9 || { say "another build of llama.cpp is running; waiting for it" && flock 9; }
if is_whole; then # the one we waited for has made it
    say "llama.cpp $llama_version is there: $target"
    exit 0
fi

free_mb=$(df -Pm "$cache" | awk 'NR == 2 { print $4 }')
[ "$free_mb" -ge "$disk_mb" ] ||
    die "$cache has $free_mb MB free, $disk_mb MB are needed while building"
cores=$(nproc)
memory_mb=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
jobs=${FARSPAN_JOBS:-$((memory_mb / 1500 < cores ? memory_mb / 1500 : cores))}
[ "$jobs" -ge 1 ] || jobs=1
say "llama.cpp $llama_version, all CPU variants, into $target"
say "36 MB to download, $disk_mb MB of disk while building, 20 MB after;" \
    "about $((seconds_1_core / jobs / 60 + 1)) minutes with $jobs compiler(s) at a time"

# Anything that a killed run has left is ours to remove: we hold the lock.
rm -rf "$cache/llama-$llama_version.part"
part=$cache/llama-$llama_version.part
mkdir "$part"
worker=
cleanup() {
    [ -z "$worker" ] || kill "$worker" 2>/dev/null || :
    rm -rf "$part"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The last progress mark of cmake's build log, [12/85] or [ 12%], as a percentage.
percent_of() {
    sed -n -e 's/^\[ *\([0-9]*\)%\].*/\1 100/p' -e 's/^\[\([0-9]*\)\/\([0-9]*\)\].*/\1 \2/p' "$1" |
        awk 'END { print NR ? int(100 * $1 / $2) : 0 }'
}

# step NAME COMMAND...: runs it with its output in a log, and shows that time passes.
step() {
    name=$1
    shift
    log=$part/log
    : >"$log"
    start=$(date +%s)
    "$@" >"$log" 2>&1 9>&- &
    worker=$!
    shown=$start
    while kill -0 "$worker" 2>/dev/null; do
        now=$(date +%s)
        if [ -t 1 ]; then
            printf '\r%s: %d%%, %d s ' "$name" "$(percent_of "$log")" $((now - start))
        elif [ $((now - shown)) -ge 10 ]; then
            say "$name: $(percent_of "$log")%, $((now - start)) s"
            shown=$now
        fi
        sleep 0.5
    done
    code=0
    wait "$worker" || code=$?
    worker=
    [ ! -t 1 ] || printf '\r\033[K'
    if [ "$code" -ne 0 ]; then
        tail -n 20 "$log" >&2
        die "$name failed with code $code; the end of its output is above"
    fi
    say "$name: done in $(($(date +%s) - start)) s"
}

download() {
    cd "$part" && npm pack --loglevel=error --ignore-scripts "$package@$package_version"
}

unpack() {
    tar -xzf "$part/$package-$package_version.tgz" -C "$part" package/llama/gitRelease.bundle
    git -c advice.detachedHead=false clone -q "$part/package/llama/gitRelease.bundle" "$part/source"
}

configure() {
    amx=$part/source/ggml/src/ggml-cpu/amx/mmq.cpp
    # GCC 12's _tile_loadconfig() is declared to read 8 bytes of its 64, so the stores to the rest
    # are dropped, and the first use of a tile is an illegal instruction on CPUs with AMX.
    sed -i 's|^    _tile_loadconfig(&tc);|    __asm__ volatile("" : : "r"(\&tc) : "memory");\n&|' "$amx"
    grep -q 'volatile("" : : "r"(&tc)' "$amx" ||
        { echo "expected _tile_loadconfig(&tc); in $amx, found none" && return 1; }
    # OpenMP: with ggml's own threads a step waits in a spin, which on busy cores is 30 times slower
    # than libgomp that sleeps (OMP_WAIT_POLICY=passive, set where the library is opened).
    generator='Unix Makefiles'
    if command -v ninja >/dev/null 2>&1; then generator=Ninja; fi
    # shellcheck disable=SC2016 # $ORIGIN is for the loader, not for the shell
    cmake -G "$generator" -S "$part/source" -B "$part/build" -DCMAKE_BUILD_TYPE=Release \
        "-DCMAKE_C_FLAGS=-ffile-prefix-map=$part/source/=" \
        "-DCMAKE_CXX_FLAGS=-ffile-prefix-map=$part/source/=" \
        -DBUILD_SHARED_LIBS=ON -DGGML_NATIVE=OFF -DGGML_BACKEND_DL=ON -DGGML_CPU_ALL_VARIANTS=ON \
        -DGGML_OPENMP=ON -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF \
        -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF \
        -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_IS_DEV=OFF '-DCMAKE_INSTALL_RPATH=$ORIGIN' \
        -DCMAKE_INSTALL_LIBDIR=lib \
        -DCMAKE_INSTALL_PREFIX="$part/whole"
}

install_whole() {
    cmake --install "$part/build" --strip
    # The variants are installed as programs; they are looked for beside the libraries. Files for
    # cmake and pkg-config name the folder of the build, which goes away.
    mv "$part/whole/bin/"libggml-*.so "$part/whole/lib/"
    rm -rf "$part/whole/bin" "$part/whole/lib/cmake" "$part/whole/lib/pkgconfig"
    cp "$part/source/LICENSE" "$part/whole/LICENSE"
    for file in lib/libllama.so lib/libggml.so lib/libggml-base.so include/llama.h; do
        [ -e "$part/whole/$file" ] || { echo "not built: $file" && return 1; }
    done
}

step download download
found=$(sha512sum "$part/$package-$package_version.tgz" | cut -d' ' -f1)
[ "$found" = "$package_sha512" ] ||
    die "$package@$package_version has sha512 $found, expected $package_sha512; not used"
step unpack unpack
step configure configure
step build cmake --build "$part/build" -j "$jobs"
step install install_whole
printf '%s\n' "$manifest" >"$part/whole/manifest"
rm -rf "$target"
mv "$part/whole" "$target"
say "llama.cpp $llama_version is ready: $target ($(du -sm "$target" | cut -f1) MB)"
