#!/bin/sh
# Makes a fresh Debian 12 or Ubuntu 24.04 (or later) ready to build farspan.
#
#   tools/setup.sh               what the build needs, and llama.cpp into the user's cache
#   tools/setup.sh --test        also what all tests and checks need: clang, clang-tidy, node 20
#   tools/setup.sh --bench       also the programs that farspan is compared with
#   tools/setup.sh --no-llama    without llama.cpp (GGUF models then cannot be run)
#   tools/setup.sh --check       only say what is missing; 1 when something is
#   tools/setup.sh --yes         do not ask before using sudo
#   tools/setup.sh --node-path   print the path of a node >= 20 that is here; 1 when there is none
#
# What is there is left alone; with nothing missing it ends at once. System packages come from apt
# (root, or sudo after asking); all else goes into the user's cache and needs no rights.
#
# FARSPAN_CACHE  where the cache is (default: $XDG_CACHE_HOME/farspan or ~/.cache/farspan)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${FARSPAN_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or FARSPAN_CACHE}/.cache}/farspan}

# A node for machines whose own is older than 20: an npm package that carries the program.
node_version=22.23.3
node_sha512_x64=a879f3e6d16c1e88ff58cfae4443558d638d8b9855be6c2b82af00e15efa2a9b\
95340738fa3c0af31e20c1ba1b13d06d1cd83f00a476e7cdde628acb17f73b9e
node_sha512_arm64=9770c01d9adeca5a3ea7d4170edb0eae31b625726a5736179c01a621034e50d0\
1170ca694ced9c99ec1540ffb7ead8c99d213e773a4c36d816f9cde8883bd7b4
node_own=$cache/node-$node_version/bin/node

say() { printf '%s\n' "$*"; }
die() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# group, package, how to see that it is there ("-": as a package; else a program), why.
wanted() {
    cat <<'END'
build build-essential c++ C and C++ compiler, make
build cmake cmake builds farspan and llama.cpp
build ninja-build ninja builds in parallel
build pkg-config pkg-config finds the libraries
build git git version of the build, sources of llama.cpp
build curl curl the examples in the manual
build python3 python3 checks of style and layers, end-to-end tests
build ca-certificates - roots of trust for TLS
build libssl-dev - OpenSSL 3: TLS, signatures, hashes
build libnghttp2-dev - HTTP/2
build libc-ares-dev - DNS
build libzstd-dev - compression of chunks
build libxxhash-dev - hashes of chunks
build zlib1g-dev - gzip
build libsqlite3-dev - state
build libyaml-dev - farspan.yaml
build libjansson-dev - JSON off the hot path
build coinor-libclp-dev - CLP, the planner's solver of linear programmes
build libcmocka-dev - unit tests
llama npm npm sources of llama.cpp come as an npm package
test clang clang the second compiler, fuzzers
test clang-format clang-format checks the layout
test clang-tidy clang-tidy static analysis
test shellcheck shellcheck checks the scripts
test RUNTIME - sanitizers and fuzzers of clang
test npm npm the openai client for the end-to-end tests
bench haproxy haproxy the proxy to compare with
bench nginx-light nginx the proxy to compare with
bench wrk wrk makes the load
bench coinor-cbc cbc the solver to compare the planner with
bench glpk-utils glpsol another one
END
}

groups=" build llama "
check_only=0
agreed=0
with_llama=1
for arg in "$@"; do
    case $arg in
    --test) groups="$groups test " ;;
    --bench) groups="$groups bench " ;;
    --no-llama) with_llama=0 ;;
    --check) check_only=1 ;;
    --yes) agreed=1 ;;
    --node-path) check_only=2 ;;
    -h | --help)
        sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *) die "unknown argument '$arg'; tools/setup.sh --help lists them" ;;
    esac
done

# The path of a node that is new enough, or nothing.
node_path() {
    if [ -x "$node_own" ]; then
        say "$node_own"
    elif command -v node >/dev/null 2>&1; then
        version=$(node --version 2>/dev/null) || return 0
        version=${version#v}
        [ "${version%%.*}" -lt 20 ] || command -v node
    fi
}

if [ "$check_only" = 2 ]; then
    node=$(node_path)
    [ -n "$node" ] || die "no node >= 20 is here; tools/setup.sh --test gets one"
    say "$node"
    exit 0
fi

llama_missing=0
if [ "$with_llama" = 1 ] && ! "$here/get_llama.sh" --path >/dev/null; then llama_missing=1; fi
[ "$llama_missing" = 1 ] || groups=$(say "$groups" | sed 's/ llama / /')
node_missing=0
case $groups in *' test '*) [ -n "$(node_path)" ] || node_missing=1 ;; esac

# clang's run-time libraries carry its version in their name.
runtime_package() {
    version=$(dpkg-query -W -f '${Depends}' clang 2>/dev/null || apt-cache depends clang 2>/dev/null)
    version=$(say "$version" | sed -n 's/.*clang-\([0-9][0-9]*\).*/\1/p' | head -n 1)
    say "libclang-rt-${version:-14}-dev"
}

# "package<tab>why" for each that is missing.
missing_list() {
    list=$(wanted)
    case $groups in *' test '*) list=$(say "$list" | sed "s/RUNTIME/$(runtime_package)/") ;; esac
    installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' 2>/dev/null || :)"
    say "$list" | while read -r group name program why; do
        case $groups in *" $group "*) ;; *) continue ;; esac
        case $program in
        -) case $installed in *" installed:$name "*) continue ;; esac ;;
        *) if PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null 2>&1; then continue; fi ;;
        esac
        printf '%s\t%s\n' "$name" "$why"
    done | awk -F '\t' '!seen[$1]++'
}

missing=$(missing_list)
if [ -z "$missing" ] && [ $llama_missing = 0 ] && [ $node_missing = 0 ]; then
    say "setup: everything is there"
    exit 0
fi

say "setup: missing"
[ -z "$missing" ] || say "$missing" | awk -F '\t' '{ printf "  %-20s %s\n", $1, $2 }'
[ $llama_missing = 0 ] || printf '  %-20s %s\n' llama.cpp "runs GGUF models; built into $cache"
[ $node_missing = 0 ] || printf '  %-20s %s\n' "node $node_version" \
    "the openai client's tests; into $cache"
[ "$check_only" = 0 ] || exit 1

# Rough, from a bare Debian 12; apt says it exactly before it starts.
packages=$(say "$missing" | cut -f1 | tr '\n' ' ')
mb=0
minutes=0
case " $packages" in *' build-essential '*) mb=$((mb + 450)) minutes=$((minutes + 1)) ;; esac
case " $packages" in *' npm '*) mb=$((mb + 250)) minutes=$((minutes + 1)) ;; esac
case " $packages" in *' clang '*) mb=$((mb + 900)) minutes=$((minutes + 2)) ;; esac
[ -z "$missing" ] || mb=$((mb + 100)) minutes=$((minutes + 1))
[ $llama_missing = 0 ] || mb=$((mb + 600)) minutes=$((minutes + 8 / $(nproc) + 1))
[ $node_missing = 0 ] || mb=$((mb + 180)) minutes=$((minutes + 1))
say "About $mb MB of disk at most, about $minutes minute(s)."

as_root=
choose_root() {
    command -v apt-get >/dev/null 2>&1 ||
        die "this system has no apt-get; install what is listed above with its own package manager"
    [ "$(id -u)" != 0 ] || return 0
    by_hand="as root: apt-get install --no-install-recommends $packages"
    command -v sudo >/dev/null 2>&1 || die "not root, and there is no sudo; run this $by_hand"
    if [ $agreed = 0 ]; then
        [ -t 0 ] || die "not root, and no terminal to ask on; give --yes to use sudo, or run this $by_hand"
        printf 'Install the packages with sudo? [y/N] '
        read -r answer
        case $answer in [yY]*) ;; *) die "nothing was installed; run this $by_hand" ;; esac
    fi
    as_root=sudo
}

# Servers of the bench group are wanted as programs: they must not start and take port 80.
policy=/usr/sbin/policy-rc.d
policy_ours=0
install_packages() {
    choose_root
    $as_root apt-get update -qq || say "setup: apt-get update failed; going on with the old lists"
    # shellcheck disable=SC2086 # words on purpose
    LC_ALL=C apt-get install --no-install-recommends --assume-no $packages 2>/dev/null |
        grep -E '^(Need to get|After this)' || :
    if [ ! -e $policy ]; then
        policy_ours=1
        trap '$as_root rm -f $policy' EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM HUP
        printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
        $as_root chmod 755 $policy
    fi
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends $packages ||
        die "apt-get failed; what it said is above"
    if [ "$policy_ours" = 1 ]; then $as_root rm -f $policy && trap - EXIT; fi
}

install_node() {
    case $(uname -m) in
    x86_64) arch=x64 sha512=$node_sha512_x64 ;;
    aarch64) arch=arm64 sha512=$node_sha512_arm64 ;;
    *) die "no node >= 20 for $(uname -m) is known here; install one by hand" ;;
    esac
    part=$cache/node-$node_version.part.$$
    mkdir -p "$part"
    say "node $node_version: 50 MB to download, 125 MB after"
    (cd "$part" && npm pack --loglevel=error --ignore-scripts "node-linux-$arch@$node_version" >/dev/null) ||
        die "npm pack of node-linux-$arch@$node_version failed; is the network there?"
    file=$part/node-linux-$arch-$node_version.tgz
    found=$(sha512sum "$file" | cut -d' ' -f1)
    if [ "$found" != "$sha512" ]; then
        rm -rf "$part"
        die "node-linux-$arch@$node_version has sha512 $found, expected $sha512; not used"
    fi
    tar -xzf "$file" -C "$part" package/bin/node package/LICENSE
    "$part/package/bin/node" --version >/dev/null || die "the node of $file does not run here"
    rm -rf "$cache/node-$node_version"
    mv "$part/package" "$cache/node-$node_version"
    rm -rf "$part"
}

[ -z "$missing" ] || install_packages
[ $node_missing = 0 ] || install_node
[ $llama_missing = 0 ] || "$here/get_llama.sh" ||
    die "llama.cpp could not be had, see above; make WITH_LLAMA=off does without it"
say "setup: done"
