#!/usr/bin/env python3
"""Makes src/plan/map_land.c, the coastlines of the map of a plan. Usage:

    python3 tools/world_outline.py land-50m.json > src/plan/map_land.c

land-50m.json: Natural Earth's 1:50m land (public domain), as TopoJSON from the package world-atlas 2.0.2. It is not part
of the project; the same file gives the same bytes. Rings are simplified (Douglas and Peucker) to TOLERANCE; islands
smaller than AREA_MIN and what lies south of SOUTH are left out; longitudes are made to run from WEST on, so that no ring
crosses the edge of the map."""
import json
import math
import sys

TOLERANCE = 0.22  # degrees of latitude
AREA_MIN = 0.35  # square degrees at the equator
SOUTH, WEST = -58, -169
HEAD = """/* map_land.c: coastlines. Written by tools/world_outline.py, not by hand.
 *
 * Source: Natural Earth, land 1:50m, public domain (naturalearthdata.com), as TopoJSON in
 * world-atlas 2.0.2; simplified to %g degrees, without islands below %g square degrees.
 * %d rings, %d points. */
#include "plan/map_land.h"

/* clang-format off */
"""


def rings_of(topology):
    scale, shift = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for deltas in topology["arcs"]:
        x = y = 0
        arc = []
        for dx, dy in deltas:
            x, y = x + dx, y + dy
            arc.append((x * scale[0] + shift[0], y * scale[1] + shift[1]))
        arcs.append(arc)
    for geometry in topology["objects"]["land"]["geometries"]:
        for polygon in geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]:
            for numbers in polygon:
                points = []
                for number in numbers:
                    arc = arcs[number] if number >= 0 else arcs[~number][::-1]
                    points += arc[1:] if points else arc
                yield points


def unroll(points):
    """Longitudes without jumps, the ring's west end not before WEST."""
    turn, out = 0, [points[0]]
    for before, here in zip(points, points[1:]):
        step = here[0] - before[0]
        turn += 360 if step < -180 else -360 if step > 180 else 0
        out.append((here[0] + turn, here[1]))
    middle = (min(p[0] for p in out) + max(p[0] for p in out)) / 2
    move = 360 * math.ceil((WEST - middle) / 360)
    return [(x + move, y) for x, y in out]


def area(points):
    twice = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, points[1:]))
    latitude = sum(p[1] for p in points) / len(points)
    return abs(twice) / 2 * math.cos(math.radians(latitude))


def distance(p, a, b):
    width = math.cos(math.radians(p[1]))
    px, py, bx, by = (p[0] - a[0]) * width, p[1] - a[1], (b[0] - a[0]) * width, b[1] - a[1]
    length = bx * bx + by * by
    at = max(0, min(1, (px * bx + py * by) / length)) if length else 0
    return math.hypot(px - at * bx, py - at * by)


def simplify(points):
    """Of a ring: the first point and the one farthest from it stay."""
    far = max(range(len(points)), key=lambda i: distance(points[i], points[0], points[0]))
    kept, open_parts = {0, far, len(points) - 1}, [(0, far), (far, len(points) - 1)]
    while open_parts:
        first, last = open_parts.pop()
        if last - first < 2:
            continue
        i = max(range(first + 1, last), key=lambda k: distance(points[k], points[first], points[last]))
        if distance(points[i], points[first], points[last]) > TOLERANCE:
            kept.add(i)
            open_parts += [(first, i), (i, last)]
    return [points[i] for i in sorted(kept)]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        topology = json.load(file)
    rings = []
    for points in rings_of(topology):
        if max(p[1] for p in points) < SOUTH or area(points) < AREA_MIN:
            continue
        ring = [(round(x * 10), round(y * 10)) for x, y in simplify(unroll(points))][:-1]
        if len(ring) > 2:
            rings.append(ring)
    rings.sort(key=lambda ring: (-len(ring), ring))
    count = sum(len(ring) for ring in rings)
    print(HEAD % (TOLERANCE, AREA_MIN, len(rings), count))
    sizes = " ".join(f"{len(ring)}," for ring in rings)
    pairs = " ".join(f"{{{x},{y}}}," for ring in rings for x, y in ring)
    for name, kind, words in (("plan_map_ring_sizes[PLAN_MAP_RINGS]", "uint16_t", sizes),
                              ("plan_map_land[PLAN_MAP_POINTS]", "struct plan_map_point", pairs)):
        print(f"const {kind} {name} = {{")
        line = "   "
        for word in words.split(" "):
            if len(line) + len(word) + 1 > 100:
                print(line)
                line = "   "
            line += " " + word
        print(line + "\n};\n")
    print("/* clang-format on */")
    print(f"PLAN_MAP_RINGS = {len(rings)}, PLAN_MAP_POINTS = {count}", file=sys.stderr)


if __name__ == "__main__":
    main()
