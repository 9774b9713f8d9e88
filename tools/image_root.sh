#!/bin/sh
# The root of farspan's image: the program, the shared libraries it needs, roots of trust, one user, nothing else (no
# shell). Run by the Containerfile, and by a test without any container tool.
#
#   tools/image_root.sh BINARY FOLDER [LLAMA]     LLAMA: a folder as tools/get_llama.sh makes it
set -eu

die() {
    printf 'image_root: %s\n' "$*" >&2
    exit 1
}

[ $# -ge 2 ] || die "use: tools/image_root.sh BINARY FOLDER [LLAMA]"
binary=$1 folder=$2 llama=${3:-}
[ -x "$binary" ] || die "no program: $binary"
[ ! -e "$folder" ] || [ -z "$(ls -A "$folder")" ] || die "not empty: $folder"

# The libraries that <file> is linked with, at the paths under which the loader finds them.
copy_libraries() {
    ldd "$1" | sed -nE 's/^[[:space:]]*(.* => )?(\/[^ ]+) \(0x.*$/\2/p' | while read -r library; do
        mkdir -p "$folder$(dirname "$library")"
        [ -e "$folder$library" ] || cp -L "$library" "$folder$library"
    done
}

mkdir -p "$folder/usr/bin" "$folder/etc/ssl/certs" "$folder/etc/farspan" "$folder/var/lib/farspan" "$folder/tmp"
chmod 0755 "$folder"
chmod 1777 "$folder/tmp"
chmod 0777 "$folder/var/lib/farspan"
cp "$binary" "$folder/usr/bin/farspan"
copy_libraries "$binary"
if [ -n "$llama" ]; then
    mkdir -p "$folder/usr/lib/farspan/llama"
    cp -a "$llama/lib" "$llama/LICENSE" "$folder/usr/lib/farspan/llama/"
    for library in "$llama"/lib/*.so; do
        copy_libraries "$library"
    done
fi
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
    cp -L /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
fi
printf 'farspan:x:65532:65532:farspan:/var/lib/farspan:/nonexistent\n' >"$folder/etc/passwd"
printf 'farspan:x:65532:\n' >"$folder/etc/group"
