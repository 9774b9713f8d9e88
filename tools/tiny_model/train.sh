#!/bin/sh
# Makes models/austen.gguf again, from the Debian package of the text to the checked file.
#
#   tools/tiny_model/train.sh WORK_FOLDER [STEPS]
#
# Needs: tools/setup.sh, and from apt libopenblas-dev and r-cran-janeaustenr (or a folder with its
# Rdata.rdx and Rdata.rdb in $JANEAUSTENR_DATA). About 45 minutes on one core with AVX-512; WORK_FOLDER
# gets 700 MB. Nothing in the tree changes: the model is WORK_FOLDER/austen.gguf, copy it yourself.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
data=${JANEAUSTENR_DATA:-/usr/lib/R/site-library/janeaustenr/data}

die() {
    printf 'train: %s\n' "$*" >&2
    exit 1
}

[ $# -ge 1 ] || die "use: tools/tiny_model/train.sh WORK_FOLDER [STEPS]"
mkdir -p "$1"
work=$(cd "$1" && pwd)
steps=${2:-9000}
[ -f "$data/Rdata.rdx" ] || die "no Rdata.rdx in $data; apt-get install r-cran-janeaustenr"

# The engine once more, for this machine alone and with BLAS: four times as fast at training as the
# portable build that is shipped. The sources are those of tools/get_llama.sh.
if [ ! -e "$work/native/lib/libllama.so" ]; then
    package=$(sed -n 's/^package=//p' "$here/../get_llama.sh")
    version=$(sed -n 's/^package_version=//p' "$here/../get_llama.sh")
    sha512=$(sed -n '/^package_sha512=/,/[^\\]$/p' "$here/../get_llama.sh" | tr -d '\\\n' |
        sed 's/^package_sha512=//')
    (cd "$work" && npm pack --silent --ignore-scripts "$package@$version")
    printf '%s  %s\n' "$sha512" "$work/$package-$version.tgz" | sha512sum -c --quiet - ||
        die "$package@$version is not the one expected"
    tar -xzf "$work/$package-$version.tgz" -C "$work" package/llama/gitRelease.bundle
    [ -d "$work/source" ] || git clone -q "$work/package/llama/gitRelease.bundle" "$work/source"
    # shellcheck disable=SC2016 # $ORIGIN is for the loader
    cmake -S "$work/source" -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON \
        -DGGML_NATIVE=ON -DGGML_BLAS=ON -DGGML_BLAS_VENDOR=OpenBLAS -DGGML_OPENMP=OFF \
        -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
        -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF \
        -DLLAMA_BUILD_IS_DEV=OFF '-DCMAKE_INSTALL_RPATH=$ORIGIN' -DCMAKE_INSTALL_LIBDIR=lib \
        -DCMAKE_INSTALL_PREFIX="$work/native"
    cmake --build "$work/build" -j "$(nproc)"
    cmake --install "$work/build" >/dev/null
fi

python3 "$here/corpus.py" --from "$data" --out "$work/corpus"
cc -std=gnu17 -O2 -Wall -Wextra -I"$work/native/include" "$here"/*.c -o "$work/tiny_model" \
    -L"$work/native/lib" -Wl,-rpath,"$work/native/lib" -lllama -lggml -lggml-base -lm

# OpenBLAS 0.3.21 takes its oldest kernels on CPUs that it does not know by name.
if [ -z "${OPENBLAS_CORETYPE:-}" ]; then
    OPENBLAS_CORETYPE=Haswell
    ! grep -qw avx512bw /proc/cpuinfo || OPENBLAS_CORETYPE=SkylakeX
fi
export OPENBLAS_CORETYPE OPENBLAS_NUM_THREADS=1
"$work/tiny_model" train "$work/corpus" "$work/austen.gguf" "$steps"

# The portable libraries measure it: those are what farspan runs it with. (The native ones may use
# AMX, which GCC 12 miscompiles; see tools/get_llama.sh.)
portable=$("$here/../get_llama.sh" --path) || "$here/../get_llama.sh"
TINY_BACKENDS=$portable/lib LD_LIBRARY_PATH=$portable/lib \
    "$work/tiny_model" check "$work/austen.gguf" "$work/corpus/held.txt"
(cd "$work" && sha256sum austen.gguf)
