#!/usr/bin/env python3
"""Checks the files of data/catalog by themselves: columns, ranges, uniqueness, references, origins. Usage:

    python3 tools/catalog/check.py [DIR]

Says file, line and reason of every bad row, and exits 1 when there is one. It needs no raw data.
"""
import csv
import datetime
import pathlib
import sys

sys.dont_write_bytecode = True

import schema

SAID_MAX = 40


class Checker:
    def __init__(self, folder):
        self.folder = folder
        self.complaints = []
        self.rows = {}  # file: [(line, row)]
        self.names = {}  # file: values of its first column

    def say(self, file, line, reason):
        self.complaints.append("%s.csv:%d: %s" % (file, line, reason))

    def read(self, file):
        _, columns = schema.FILES[file]
        names = [name for name, _ in columns]
        self.rows[file] = []
        try:
            with open(self.folder / (file + ".csv"), newline="", encoding="utf-8") as stream:
                reader = csv.reader(stream)
                header = next(reader, [])
                if header != names:
                    self.say(file, 1, "expected the columns %s, found %s" % (",".join(names), ",".join(header)))
                    return
                for cells in reader:
                    if len(cells) != len(names):
                        self.say(file, reader.line_num, "expected %d cells, found %d" % (len(names), len(cells)))
                        continue
                    self.rows[file].append((reader.line_num, dict(zip(names, cells))))
        except (OSError, UnicodeDecodeError) as error:
            self.say(file, 0, str(error))

    def cell_fault(self, file, name, kind, cell):
        """Why the cell is bad, or None."""
        if cell == "":
            is_free = (file, name) in schema.MAY_BE_EMPTY or (name == "rule" and kind[0] == "keys")
            return None if is_free else "empty"
        if kind[0] == "text":
            return None if len(cell) <= kind[1] else "longer than %d" % kind[1]
        if kind[0] == "one_of":
            return None if cell in kind[1] else '"%s" is none of %s' % (cell, ", ".join(kind[1]))
        if kind[0] == "flag":
            return None if cell in ("true", "false") else '"%s" is neither true nor false' % cell
        if kind[0] == "number":
            return number_fault(cell, *kind[1:])
        if kind[0] == "date":
            return date_fault(cell)
        known = self.known(kind[1])
        for key in cell.split("+") if kind[0] == "keys" else [cell]:
            if key not in known:
                return '"%s" is not in %s.csv' % (key, kind[1])
        return None

    def known(self, file):
        """Names that other files may refer to."""
        first = schema.FILES[file][1][0][0]
        if file not in self.names:
            self.names[file] = {row[first] for _, row in self.rows[file]}
        return self.names[file]

    def check_cells(self, file):
        key_size, columns = schema.FILES[file]
        seen = {}
        for line, row in self.rows[file]:
            for name, kind in columns:
                fault = self.cell_fault(file, name, kind, row[name])
                if fault:
                    self.say(file, line, "%s: %s" % (name, fault))
            key = tuple(row[name] for name, _ in columns[:key_size])
            if key in seen:
                self.say(file, line, "%s: expected once, found again (first in line %d)" % (" ".join(key), seen[key]))
            seen.setdefault(key, line)
            if "estimate" in row and (row["estimate"] == "true") != (row["rule"] != ""):
                self.say(file, line, "an estimate must say its rule, and nothing else may")

    def check_regions(self):
        zones = {file: {row["grid_zone"] for _, row in self.rows[file]} for file in ("carbon", "power")}
        for line, row in self.rows["regions"]:
            if not row["region"].startswith(row["provider"] + ":"):
                self.say("regions", line, "region: expected %s:NAME" % row["provider"])
            for file in ("carbon", "power"):
                if row["grid_zone"] not in zones[file]:
                    self.say("regions", line, "grid_zone: %s is not in %s.csv" % (row["grid_zone"], file))
        for file in ("carbon", "power"):
            hours = {}
            for line, row in self.rows[file]:
                hours.setdefault(row["grid_zone"], []).append(line)
            for zone, lines in hours.items():
                if len(lines) != 24:
                    self.say(file, lines[0], "%s: expected 24 hours, found %d" % (zone, len(lines)))

    def check_machines(self):
        skus = {row["sku"]: row for _, row in self.rows["skus"]}
        for line, row in self.rows["skus"]:
            if (row["accelerator"] == "") != (row["accelerator_count"] == "0"):
                self.say("skus", line, "accelerator and accelerator_count disagree")
            if is_number(row["idle_w"]) and is_number(row["peak_w"]) and float(row["idle_w"]) >= float(row["peak_w"]):
                self.say("skus", line, "idle_w: expected less than peak_w")
        on_demand = {(r["region"], r["sku"]): r["usd_h"] for _, r in self.rows["prices"] if r["market"] == "on_demand"}
        priced = {(r["region"], r["sku"], r["market"]) for _, r in self.rows["prices"]}
        for file in ("prices", "stock"):
            for line, row in self.rows[file]:
                sku = skus.get(row["sku"])
                if sku and not row["region"].startswith(sku["provider"] + ":"):
                    self.say(file, line, "%s does not sell %s" % (row["region"].split(":")[0], row["sku"]))
        for line, row in self.rows["prices"]:
            most = on_demand.get((row["region"], row["sku"]))
            if most is None:
                self.say("prices", line, "no on_demand price beside it")
            elif is_number(row["usd_h"]) and is_number(most) and float(row["usd_h"]) > float(most):
                self.say("prices", line, "usd_h: dearer than on_demand (%s)" % most)
        for line, row in self.rows["stock"]:
            if (row["region"], row["sku"], row["market"]) not in priced:
                self.say("stock", line, "no price for it")

    def check_links(self):
        regions = [row["region"] for _, row in self.rows["regions"]]
        pairs = set()
        for line, row in self.rows["links"]:
            if row["from"] > row["to"]:
                self.say("links", line, "expected from <= to: a row stands for both directions")
            pairs.add((row["from"], row["to"]))
        missing = [(a, b) for a in regions for b in regions if a <= b and (a, b) not in pairs]
        for a, b in missing:
            self.say("links", 1, "no row for %s to %s" % (a, b))

    def check_profiles(self):
        accelerators = {row["accelerator"] for _, row in self.rows["skus"]}
        times = {}
        for line, row in self.rows["profiles"]:
            if row["accelerator"] not in accelerators:
                self.say("profiles", line, "accelerator: %s is of no sku" % row["accelerator"])
            if not (is_number(row["batch"]) and is_number(row["prompt_ms"])):
                continue
            key = tuple(row[name] for name in ("model", "accelerator", "tensor_parallel", "prompt_tokens"))
            times.setdefault(key, []).append((float(row["batch"]), float(row["prompt_ms"]), line))
        for points in times.values():
            points.sort()
            for (_, before, _), (_, after, line) in zip(points, points[1:]):
                if after < before:
                    self.say("profiles", line, "prompt_ms: falls as the batch grows (%g after %g)" % (after, before))

    def check_sizes(self):
        for file in schema.FILES:
            if len(self.rows[file]) > schema.ROWS_MAX:
                self.say(file, 0, "more than %d rows" % schema.ROWS_MAX)
        size = sum(path.stat().st_size for path in self.folder.iterdir())
        if size > schema.BYTES_MAX:
            self.complaints.append("%s: %d bytes, more than %d" % (self.folder, size, schema.BYTES_MAX))

    def run(self):
        for file in schema.FILES:
            self.read(file)
        if not self.complaints:
            for file in schema.FILES:
                self.check_cells(file)
            self.check_regions()
            self.check_machines()
            self.check_links()
            self.check_profiles()
            self.check_sizes()
        return self.complaints


def is_number(cell):
    try:
        return float(cell) == float(cell)
    except ValueError:
        return False


def number_fault(cell, least, most, decimals):
    digits = cell[1:] if cell.startswith("-") else cell
    whole, _, fraction = digits.partition(".")
    if not whole.isdigit() or (fraction and not fraction.isdigit()) or len(fraction) != decimals or ("." in digits) != (decimals > 0):
        return '"%s" is no plain decimal with %d digits behind the point' % (cell, decimals)
    if not least <= float(cell) <= most:
        return "%s is outside %g .. %g" % (cell, least, most)
    return None


def date_fault(cell):
    try:
        day = datetime.date.fromisoformat(cell)
    except ValueError:
        return '"%s" is no date YYYY-MM-DD' % cell
    return None if 2015 <= day.year <= 2100 else "%s is out of range" % cell


def main():
    default = pathlib.Path(__file__).resolve().parents[2] / "data/catalog"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    complaints = Checker(folder).run()
    for complaint in complaints[:SAID_MAX]:
        print(complaint)
    if len(complaints) > SAID_MAX:
        print("... and %d more" % (len(complaints) - SAID_MAX))
    if not complaints:
        print("%s: good" % folder)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
