#!/usr/bin/env python3
"""Makes data/catalog from the raw sources. Usage:

    python3 tools/catalog/build.py RAW_DIR [OUT_DIR]     write the files
    python3 tools/catalog/build.py --check [DIR]         check the written ones (check.py)

RAW_DIR holds the sources as data/catalog/README.md names them. They are not part of the project: farspan needs
the written files only. The same sources give the same bytes.
"""
import csv
import pathlib
import sys

sys.dont_write_bytecode = True

import check
import machines
import networks
import raw
import rules
import schema


class Catalogue:
    """The rows to write; `add` fills what every row carries."""

    def __init__(self):
        self.rows = {file: [] for file in schema.FILES}
        self.dates = {row["source"]: row["date"] for row in raw.hand("sources")}
        self.refused = []
        self.errors = {}  # rule: its measured error, in words

    def add(self, file, sources, rule, **values):
        """`sources`, `rule`: names joined by "+"; no rule: no estimate. The date is that of the oldest source."""
        names = sources.split("+")
        values["source"] = "+".join(sorted(set(names), key=names.index))
        values["date"] = min(self.dates[name] for name in names)
        values["rule"] = rule
        values["estimate"] = "true" if rule else "false"
        self.rows[file].append(values)

    def finish(self):
        for row in raw.hand("sources"):
            self.rows["sources"].append(row)
        for name, (file, says) in rules.RULES.items():
            self.rows["rules"].append({"rule": name, "file": file, "says": says, "error": self.errors.get(name, "")})

    def write(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        for file, (key_size, columns) in schema.FILES.items():
            names = [name for name, _ in columns]
            rows = [[form(row[name], kind) for name, kind in columns] for row in self.rows[file]]
            by = [column_order(kind) for _, kind in columns[:key_size]]
            rows.sort(key=lambda row: [order(cell) for order, cell in zip(by, row)])
            with open(folder / (file + ".csv"), "w", newline="", encoding="utf-8") as stream:
                writer = csv.writer(stream, lineterminator="\n")
                writer.writerow(names)
                writer.writerows(rows)


def form(value, kind):
    """A cell: numbers with the column's decimals, never "-0"."""
    if kind[0] != "number" or value == "":
        return value
    cell = "%.*f" % (kind[3], value)
    return cell[1:] if cell.startswith("-") and float(cell) == 0 else cell


def column_order(kind):
    return float if kind[0] == "number" else str


def summary(catalogue, folder):
    for file in schema.FILES:
        rows = catalogue.rows[file]
        size = (folder / (file + ".csv")).stat().st_size
        guessed = sum(row.get("estimate") == "true" for row in rows)
        dates = sorted(row["date"] for row in rows if "estimate" in row)
        oldest = "oldest " + dates[0] if dates else ""
        print("%-9s %5d rows %7d bytes %3.0f %% estimates %s" % (file, len(rows), size, 100 * guessed / len(rows), oldest))
    for name, error in catalogue.errors.items():
        print("%s: %s" % (name, error))


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--check":
        del sys.argv[1]
        return check.main()
    if len(sys.argv) not in (2, 3):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    source = pathlib.Path(sys.argv[1])
    folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(__file__).resolve().parents[2] / "data/catalog"
    catalogue = Catalogue()
    networks.build(catalogue, source)
    machines.build(catalogue, source)
    catalogue.finish()
    catalogue.write(folder)
    for line in catalogue.refused:
        print("refused: " + line)
    summary(catalogue, folder)
    complaints = check.Checker(folder).run()
    for complaint in complaints[: check.SAID_MAX]:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
