#!/bin/sh
# examples.sh: runs the commands that the examples' pages show and puts what they answer into the pages. In a page
#
#     <!-- begin: farspan plan -f examples/x.yaml -->
#     (replaced by the command and its output, as a block of code)
#     <!-- end -->
#
# From anywhere: tools/examples.sh [PAGE ...]; without a page all of docs/examples. FARSPAN is the program (build/farspan).
# A page whose command fails stays as it was, and the exit status is 1.
set -u
cd "$(dirname "$0")/.." || exit 1
program=${FARSPAN:-build/farspan}
case $program in
/*) ;;
*) program=$PWD/$program ;;
esac
[ -x "$program" ] || {
    echo "examples.sh: expected a program at $program; run make, or say FARSPAN=PATH" >&2
    exit 1
}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
ln -s "$program" "$folder/farspan"
PATH=$folder:$PATH
status=0
[ $# -gt 0 ] || set -- docs/examples/*.md docs/examples/*/*.md
for page in "$@"; do
    if awk '
        /^<!-- begin: farspan / {
            print
            command = $0
            sub(/^<!-- begin: /, "", command)
            sub(/ -->$/, "", command)
            print "examples.sh: " command > "/dev/stderr"
            print "\n    $ " command "\n"
            while ((command | getline line) > 0)
                print (line == "" ? "" : "    " line)
            if (close(command) != 0)
                exit failed = 1
            print ""
            inside = 1
        }
        /^<!-- end -->/ { inside = 0 }
        !inside && !/^<!-- begin: farspan / { print }
        END { exit failed || inside }
    ' "$page" >"$folder/page"; then
        cmp -s "$folder/page" "$page" || cp "$folder/page" "$page"
    else
        echo "examples.sh: $page: the command above failed, or an end mark is missing" >&2
        status=1
    fi
done
exit $status
