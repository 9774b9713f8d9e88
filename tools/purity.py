#!/usr/bin/env python3
"""purity.py: the cores call nobody outside: no file, no socket, no clock, no allocation.

Reads the undefined symbols of every pure object in a build folder (those that make libfarspan_all.a) and fails on
each one that neither farspan itself defines in another pure object, nor tools/pure_symbols.txt allows. Pure are all
objects of src/<module>/<file>.c except *_io.c, *_test.c and those of the modules named in the @io line of
tools/layers.txt. A call of a pure object into an *_io.c object of our own fails too: a shell may call a core, never
the other way round.

    tools/purity.py BUILD_FOLDER [--allow tools/pure_symbols.txt] [--layers tools/layers.txt] [--list]

Exit code: 0 all pure, 1 something is not, 2 nothing to look at."""

import argparse
import fnmatch
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What sanitizers, profilers and fuzzers weave in.
WOVEN_IN = ("__asan_*", "__ubsan_*", "__tsan_*", "__sanitizer_*", "__msan_*", "__gcov_*", "__llvm_*", "__sancov_*", "__start___sancov_*",
            "__stop___sancov_*")


def io_modules(layers):
    for line in layers.read_text().splitlines():
        if line.startswith("@io:"):
            return set(line.split(":", 1)[1].split())
    return set()


def read_allowed(path):
    """[(pattern of the object, pattern of the symbol)]"""
    allowed = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if len(words) == 1:
            sys.exit(f"{path}:{number}: expected PATTERN SYMBOL [SYMBOL ...]")
        allowed += [(words[0], symbol) for symbol in words[1:]]
    return allowed


def matches(symbol, patterns):
    return any(fnmatch.fnmatchcase(symbol, pattern) for pattern in patterns)


def is_allowed(name, symbol, allowed):
    return any(fnmatch.fnmatchcase(name, of) and matches(symbol, [what]) for of, what in allowed)


def objects_of(build):
    """{"module/file.c": path of its object}"""
    found = {}
    for path in sorted(build.glob("CMakeFiles/farspan_all.dir/src/*/*.c.o")):
        found[f"{path.parent.name}/{path.name.removesuffix('.o')}"] = path
    return found


def symbols_of(path):
    """(defined, undefined) of one object."""
    defined, undefined = set(), set()
    out = subprocess.run(["nm", "-P", "-g", str(path)], capture_output=True, text=True, check=True)
    for line in out.stdout.splitlines():
        name, kind = line.split()[:2]
        (undefined if kind in "Uvw" else defined).add(name)
    return defined, undefined


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--allow", type=pathlib.Path, default=ROOT / "tools/pure_symbols.txt")
    parser.add_argument("--layers", type=pathlib.Path, default=ROOT / "tools/layers.txt")
    parser.add_argument("--list", action="store_true", help="print what each pure object calls outside")
    options = parser.parse_args()

    allowed = read_allowed(options.allow)
    io = io_modules(options.layers)
    objects = objects_of(options.build)
    pure, owner, wanted = set(), {}, {}
    for name, path in objects.items():
        if name.endswith("_test.c"):
            continue
        defined, undefined = symbols_of(path)
        owner.update({symbol: name for symbol in defined})
        if name.split("/")[0] not in io and not name.endswith("_io.c"):
            pure.add(name)
            wanted[name] = undefined
    if not pure:
        print(f"{options.build}: expected objects of farspan_all there, found none; build first")
        return 2

    complaints = []
    for name in sorted(pure):
        outside = sorted(
            symbol
            for symbol in wanted[name]
            if owner.get(symbol) not in pure and not matches(symbol, WOVEN_IN)
        )
        if options.list and outside:
            print(f"{name}: {' '.join(outside)}")
        for symbol in outside:
            if is_allowed(name, symbol, allowed):
                continue
            whose = f" of {owner[symbol]}" if symbol in owner else ""
            complaints.append(
                f"{name}: calls {symbol}{whose}, which a pure file may not; move the call to a *_io.c file"
            )
    for complaint in complaints:
        print(complaint)
    print(f"{len(pure)} pure objects, {len(complaints)} calls that are not")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
