#!/usr/bin/env python3
"""Tests of check.py: the committed files are good, and each kind of broken row is named by file and line."""
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import check

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "data/catalog"


class CheckTest(unittest.TestCase):
    def complaints(self, file, change):
        """Complaints about a copy whose lines of <file> went through <change>."""
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch) / "catalog"
            shutil.copytree(FOLDER, folder)
            path = folder / (file + ".csv")
            lines = path.read_text().splitlines()
            change(lines)
            path.write_text("\n".join(lines) + "\n")
            return check.Checker(folder).run()

    def cell(self, file, line, column, value):
        def change(lines):
            cells = lines[line - 1].split(",")
            cells[lines[0].split(",").index(column)] = value
            lines[line - 1] = ",".join(cells)

        return self.complaints(file, change)

    def expect(self, complaints, *words):
        self.assertTrue(any(all(word in complaint for word in words) for complaint in complaints), complaints[:5])

    def test_committed_files_are_good(self):
        self.assertEqual(check.Checker(FOLDER).run(), [])

    def test_price_out_of_range_is_named(self):
        self.expect(self.cell("prices", 7, "usd_h", "-1.0000"), "prices.csv:7:", "usd_h")

    def test_price_that_is_no_number_is_named(self):
        for text in ("nan", "1e3", "1,5", "inf", " 1.0000", "1.00"):
            self.expect(self.cell("prices", 7, "usd_h", text), "prices.csv:7:")

    def test_price_of_an_unknown_region_is_named(self):
        self.expect(self.cell("prices", 9, "region", "azure:atlantis"), "prices.csv:9:", "atlantis")

    def test_price_of_an_unknown_machine_is_named(self):
        self.expect(self.cell("prices", 9, "sku", "abacus"), "prices.csv:9:", "abacus")

    def test_machine_of_another_provider_is_named(self):
        self.expect(self.cell("stock", 3, "region", "gcp:us-west1"), "stock.csv:3:", "does not sell")

    def test_spot_dearer_than_on_demand_is_named(self):
        lines = (FOLDER / "prices.csv").read_text().splitlines()
        line = next(i for i, text in enumerate(lines, 1) if ",spot," in text)
        self.expect(self.cell("prices", line, "usd_h", "999.0000"), "prices.csv:%d:" % line, "dearer")

    def test_row_without_source_is_named(self):
        self.expect(self.cell("links", 5, "source", ""), "links.csv:5:", "source")

    def test_unknown_source_is_named(self):
        self.expect(self.cell("carbon", 5, "source", "hearsay"), "carbon.csv:5:", "hearsay")

    def test_estimate_without_rule_is_named(self):
        lines = (FOLDER / "stock.csv").read_text().splitlines()
        self.assertIn("true", lines[3])
        self.expect(self.cell("stock", 4, "rule", ""), "stock.csv:4:", "rule")

    def test_row_given_twice_is_named(self):
        self.expect(self.complaints("power", lambda lines: lines.append(lines[10])), "power.csv:", "first in line 11")

    def test_missing_link_is_named(self):
        self.expect(self.complaints("links", lambda lines: lines.pop(20)), "links.csv:", "no row for")

    def test_missing_hour_is_named(self):
        self.expect(self.complaints("carbon", lambda lines: lines.pop(5)), "carbon.csv:", "24 hours")

    def test_prompt_time_that_falls_with_the_batch_is_named(self):
        lines = (FOLDER / "profiles.csv").read_text().splitlines()
        line = next(i for i, text in enumerate(lines, 1) if text.startswith("llama2-70b,a100-80gb,8,32,512,"))
        self.expect(self.cell("profiles", line, "prompt_ms", "80.0"), "profiles.csv:%d:" % line, "falls")

    def test_wrong_header_is_named(self):
        self.expect(self.cell("skus", 1, "vcpu", "cores"), "skus.csv:1:", "columns")

    def test_bad_date_is_named(self):
        self.expect(self.cell("spot", 2, "date", "2023-02-30"), "spot.csv:2:", "date")


if __name__ == "__main__":
    unittest.main()
