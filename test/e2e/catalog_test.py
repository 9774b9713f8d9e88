#!/usr/bin/env python3
"""farspan catalog: what is listed and shown is what the files say; a user's own figures come in checked or not at all,
and the folder they go into holds a whole catalogue whatever fails."""
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import harness
from harness import FARSPAN, ROOT, test

SHIPPED = os.path.join(ROOT, "data/catalog")
SKU, REGION = "Standard_ND96isr_H100_v5", "azure:swedencentral"
PRICES = f"region,sku,market,usd_h\n{REGION},{SKU},on_demand,90.5\n{REGION},{SKU},spot,40\n"
KINDS = ("regions", "skus", "prices", "stock", "spot", "links", "clients", "grids", "models", "profiles")
OWN = {
    "regions": "region,provider,country,continent,zone,latitude,longitude,grid_zone,pue,egress_internet_usd_per_gib\n"
               "own:berlin,own,DE,europe,eu,52.52,13.40,DE-LU,1.5,0.01\n",
    "skus": "sku,provider,accelerator,accelerator_count,accelerator_memory_gib,vcpu,memory_gib,idle_w,peak_w\n"
            "own-box,own,h100-80gb,8,79.6,96,1900,1500,10200\n",
    "prices": "region,sku,market,usd_h\nown:berlin,own-box,reserved,0\n",
    "stock": "region,sku,market,count\nown:berlin,own-box,reserved,4\n",
}


def run(*arguments, env=None, timeout=60):
    environment = dict(os.environ, **(env or {}))
    got = subprocess.run([FARSPAN, "catalog", *arguments], capture_output=True, text=True, timeout=timeout, env=environment)
    assert "check failed" not in got.stderr and got.returncode >= 0, got
    return got


def good(*arguments):
    got = run(*arguments)
    assert got.returncode == 0, got
    return got.stdout


def as_json(*arguments):
    return json.loads(good(*arguments, "--json"))


def refused(status, *words, arguments):
    got = run(*arguments)
    assert got.returncode == status and got.stdout == "", got
    assert all(word in got.stderr for word in words), (words, got.stderr)


def rows_of(file, folder=SHIPPED):
    with open(os.path.join(folder, file + ".csv"), newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


class Folder:
    """A place for a user's files and catalogue."""

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="farspan-test-")
        self.root = self.temporary.name
        self.catalog = os.path.join(self.root, "mine")
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def write(self, name, text):
        path = os.path.join(self.root, name)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path

    def own_files(self):
        arguments = []
        for kind, text in OWN.items():
            arguments += [self.write(kind + ".csv", text), "--as", kind]
        return arguments + ["--into", self.catalog]

@test
def every_list_is_what_its_file_says():
    for kind in KINDS:
        rows = as_json("list", kind)["rows"]
        file = "carbon" if kind == "grids" else kind
        assert len(rows) == len(rows_of(file)) // (24 if kind == "grids" else 1), kind
    there = {(r["region"], r["sku"], r["market"]): r for r in as_json("list", "prices")["rows"]}
    for row in rows_of("prices"):
        found = there[row["region"], row["sku"], row["market"]]
        assert found["usd_h"] == float(row["usd_h"]) and found["date"] == row["date"], (row, found)
        assert found["estimate"] == (row["estimate"] == "true") and (found["rule"] or "") == row["rule"], (row, found)


@test
def tables_fit_100_columns_and_mark_estimates():
    for kind in KINDS:
        lines = good("list", kind).splitlines()
        assert max(map(len, lines)) <= 100, (kind, max(lines, key=len))
    for name in (REGION, SKU, "llama2-70b", "aws:us-east-1", "p5.48xlarge"):
        assert max(map(len, good("show", name).splitlines())) <= 100, name
    prices = good("list", "prices", "--region", REGION, "--sku", SKU)
    assert re.search(r"on_demand +127\.8160", prices) and re.search(r"spot +~80\.5241", prices), prices
    links = good("list", "links", "--region", "azure:eastus")
    assert re.search(r"azure:eastus +azure:westus2? +[0-9.]+ ", links), "a measured time has no ~"
    assert re.search(r"azure:eastus +gcp:us-east4 +~[0-9.]+ ", links), "an estimated time has one"


@test
def the_overview_counts_and_names_the_catalogue():
    overview = as_json("list")
    assert re.fullmatch("[0-9a-f]{64}", overview["sha256"])
    assert {r["list"]: r["rows"] for r in overview["rows"]}["prices"] == len(rows_of("prices"))
    assert overview["sha256"] in good("list")


@test
def filters_leave_what_they_name():
    rows = as_json("list", "prices", "--provider", "azure", "--accelerator", "h100-80gb", "--market", "spot")["rows"]
    assert rows and all(r["sku"] == SKU and r["market"] == "spot" for r in rows)
    rows = as_json("list", "links", "--region", REGION)["rows"]
    assert len(rows) == len(rows_of("regions")) and all(r["from"] == REGION for r in rows)
    rows = as_json("list", "skus", "--accelerator", "h100-80gb")["rows"]
    assert rows and all(r["accelerator"] == "h100-80gb" for r in rows)
    assert as_json("list", "profiles", "--accelerator", "h100-80gb")["rows"]
    assert as_json("list", "clients", "--region", "azure:uksouth")["rows"][0]["client"] == "britain"


@test
def wrong_words_are_answered_with_the_right_ones():
    refused(2, "expected list, show, import or diff, found lits", arguments=["lits"])
    refused(2, "an argument is missing", arguments=[])
    refused(2, "found price", "prices", arguments=["list", "price"])
    refused(2, "--region says nothing about models", arguments=["list", "models", "--region", REGION])
    refused(2, "--market says nothing about the overview", arguments=["list", "--market", "spot"])
    refused(2, "on_demand, spot or reserved", arguments=["list", "prices", "--market", "spto"])
    refused(1, "azure:swedencentrl", f"did you mean {REGION}?", arguments=["list", "prices", "--region", "azure:swedencentrl"])
    refused(1, "did you mean azure?", arguments=["list", "prices", "--provider", "azur"])
    refused(1, "did you mean h100-80gb?", arguments=["list", "skus", "--accelerator", "h100-80g"])
    refused(1, "did you mean llama2-70b?", arguments=["show", "llama2-70"])
    refused(2, "an argument is missing: NAME", arguments=["show"])
    refused(1, "/nowhere/regions.csv", "No such file", arguments=["list", "--catalog", "/nowhere"])
    for part in ("list", "show", "import", "diff"):
        assert f"farspan catalog {part}" in good(part, "--help")


@test
def a_region_is_shown_in_full():
    region = as_json("show", REGION)
    row = next(r for r in rows_of("regions") if r["region"] == REGION)
    assert region["zone"] == row["zone"] == "eu" and region["pue"] == float(row["pue"])
    assert len(region["grid"]["g_per_kwh"]) == len(region["grid"]["usd_per_mwh"]) == 24
    assert {o["sku"] for o in region["offers"]} == {r["sku"] for r in rows_of("prices") if r["region"] == REGION}
    times = [n["rtt_ms"] for n in region["nearest"]]
    assert times == sorted(times) and len(times) == 10 and REGION not in [n["region"] for n in region["nearest"]]
    least = min(float(r["rtt_ms"]) for r in rows_of("links") if REGION in (r["from"], r["to"]) and r["from"] != r["to"])
    assert times[0] == least


@test
def a_sku_is_shown_with_its_cheapest_and_dearest_region():
    sku = as_json("show", SKU)
    prices = {r["region"]: float(r["usd_h"]) for r in rows_of("prices") if r["sku"] == SKU and r["market"] == "on_demand"}
    assert sku["on_demand"]["cheapest"]["usd_h"] == min(prices.values())
    assert sku["on_demand"]["dearest"]["usd_h"] == max(prices.values())
    assert {o["region"]: o["on_demand_usd_h"] for o in sku["offers"]} == prices
    shown = [o["on_demand_usd_h"] for o in sku["offers"]]
    assert shown == sorted(shown)


@test
def a_model_is_shown_where_its_weights_and_cache_fit():
    model = next(r for r in rows_of("models") if r["model"] == "llama2-70b")
    weights, cache = float(model["weights_gib"]), int(model["kv_bytes_per_token"])
    for batch, tokens in ((1, 4096), (64, 4096)):
        shown = {r["sku"]: r["tensor_parallel"] for r in
                 as_json("show", "llama2-70b", "--batch", str(batch), "--tokens", str(tokens))["fits"]}
        needed = weights + batch * tokens * cache / 2**30
        expected = {}
        for sku in rows_of("skus"):
            count, memory = int(sku["accelerator_count"]), float(sku["accelerator_memory_gib"])
            sizes = [str(n) for n in (1, 2, 4, 8, 16) if n <= count and needed <= 0.9 * memory * n]
            if sizes:
                expected[sku["sku"]] = " ".join(sizes)
        assert shown == expected, (batch, shown, expected)


@test
def old_prices_are_warned_of():
    with Folder() as folder:
        path = folder.write("mine.csv", PRICES)
        good("import", path, "--as", "prices", "--into", folder.catalog, "--date", "2020-02-29")
        got = run("list", "prices", "--catalog", folder.catalog, "--region", REGION, "--sku", SKU, "--market", "spot")
        assert "older than 180 days" in got.stderr and "2020-02-29" in got.stderr and "mine.csv" in got.stderr, got
        old = as_json("show", REGION, "--catalog", folder.catalog)["old_prices"]
        assert next(o for o in old if o["source"] == "mine.csv")["count"] == 2
        good("import", path, "--as", "prices", "--into", folder.catalog)
        got = run("list", "prices", "--catalog", folder.catalog, "--region", REGION, "--sku", SKU, "--market", "spot")
        assert got.stderr == "", "today's prices are not old"


@test
def own_prices_come_in_and_are_seen():
    with Folder() as folder:
        path = folder.write("my prices.csv", "\ufeff# from the bill\r\n" + PRICES.replace("\n", "\r\n"))
        report = as_json("import", path, "--as", "prices", "--into", folder.catalog)
        assert report["imported"] and report["created"]
        assert report["files"][0]["changed"] == 2 and report["files"][0]["added"] == 0
        assert report["files"][0]["kept"] == len(rows_of("prices")) - 2
        change = next(c for c in report["changes"] if c["key"] == [REGION, SKU, "on_demand"])
        assert (change["figure"], change["before"], change["after"]) == ("usd_h", "127.8160", "90.5")
        assert abs(change["percent"] - (90.5 / 127.816 - 1) * 100) < 0.01
        rows = as_json("list", "prices", "--catalog", folder.catalog, "--region", REGION, "--sku", SKU)["rows"]
        found = {r["market"]: r for r in rows}
        assert found["on_demand"]["usd_h"] == 90.5 and not found["on_demand"]["estimate"]
        assert found["spot"]["usd_h"] == 40 and found["spot"]["source"] == "my-prices.csv" and not found["spot"]["estimate"]
        assert found["reserved"]["estimate"], "rows that were not brought stay"
        assert as_json("list", "--catalog", folder.catalog)["sha256"] == report["sha256"]
        sources = {r["source"]: r for r in rows_of("sources", folder.catalog)}
        assert sources["my-prices.csv"]["version"].startswith("sha256:") and "azure" in sources
        assert rows_of("prices") == rows_of("prices", SHIPPED), "the shipped catalogue is as it was"
        again = as_json("import", path, "--as", "prices", "--into", folder.catalog)
        assert not again["created"] and again["changes"] == [] and again["sha256"] == report["sha256"]


@test
def a_machine_of_ones_own_comes_in_with_its_region():
    with Folder() as folder:
        report = as_json("import", *folder.own_files())
        assert report["estimated_links"] == len(rows_of("regions")) + 1
        shown = as_json("show", "own:berlin", "--catalog", folder.catalog)
        assert shown["offers"][0]["reserved_usd_h"] == 0 and shown["offers"][0]["reserved_stock"] == 4
        assert all(n["estimate"] for n in shown["nearest"])
        links = folder.write("links.csv", "from,to,rtt_ms,rtt_margin_ms,bandwidth_mbps,usd_per_gib,usd_per_gib_back\n"
                                          f"own:berlin,{REGION},22.5,0,1000,0.05,0.02\n")
        assert as_json("import", links, "--as", "links", "--into", folder.catalog)["files"][0]["changed"] == 1
        rows = as_json("list", "links", "--catalog", folder.catalog, "--region", "own:berlin")["rows"]
        link = next(r for r in rows if r["to"] == REGION)
        assert (link["rtt_ms"], link["usd_gib"], link["usd_gib_back"], link["estimate"]) == (22.5, 0.05, 0.02, False)


BAD_PRICES = f"""market,usd_h,region,sku
on_demand,1,azure:swedencentrl,{SKU}
on_demand,1,{REGION},p5.48xlarge
on_demand,ten,{REGION},{SKU}
on_demand,1,{REGION}
spto,1,{REGION},{SKU}
spot,1,{REGION},{SKU}

spot,2,{REGION},{SKU}
"""


@test
def bad_rows_are_refused_by_file_line_and_reason():
    with Folder() as folder:
        bad = folder.write("bad.csv", BAD_PRICES)
        got = run("import", bad, "--as", "prices", "--into", folder.catalog)
        assert got.returncode == 1 and got.stdout == "" and not os.path.exists(folder.catalog), got
        lines = got.stderr.splitlines()
        for line, words in ((2, f'region: expected a name of regions.csv, found "azure:swedencentrl": did you mean {REGION}?'),
                            (3, "sku: expected a sku of azure, found p5.48xlarge of aws"),
                            (4, 'usd_h: expected a plain decimal of 0 .. 1000, found "ten"'),
                            (5, "expected 4 cells, found 3"),
                            (6, 'market: expected on_demand, spot or reserved, found "spto"'),
                            (9, "region: expected once, found again (first in line 7)")):
            assert any(re.match(f"{re.escape(bad)}:{line}:[0-9]+: {re.escape(words)}$", said) for said in lines), (line, lines)
        assert f"{bad}:4:11:" in got.stderr, "the column is the user's own"
        assert lines[-1] == "nothing was imported" and len(lines) == 7, lines

        got = run("import", bad, "--as", "prices", "--into", folder.catalog, "--json")
        report = json.loads(got.stdout)
        assert got.returncode == 1 and not report["imported"] and [c["line"] for c in report["complaints"]] == [2, 3, 4, 5, 6, 9]


@test
def what_breaks_the_rest_of_the_catalogue_is_refused():
    with Folder() as folder:
        def refuse(kind, text, *words):
            refused(1, "own.csv:2:", *words, arguments=["import", folder.write("own.csv", text), "--as", kind, "--into",
                                                        folder.catalog])
        refuse("stock", f"region,sku,market,count\n{REGION},p5.48xlarge,spot,1\n", "sku of azure")
        refuse("stock", "region,sku,market,count\nazure:jioindiacentral,Standard_ND96isr_H100_v5,spot,1\n", "prices.csv")
        refuse("models", "model,parameters_million,weights_gib,kv_bytes_per_token\nbig,1,x,1\n", "weights_gib")
        refuse("profiles", "model,accelerator,tensor_parallel,batch,prompt_tokens,prompt_ms,token_ms,accelerator_w\n"
                           "llama2-70b,a100-80gb,8,64,512,0.2,11,200\n", "falls as the batch grows")
        refuse("prices", f"region,sku,market,usd_h,estimate\n{REGION},{SKU},spot,1,true\n", "rule")
        refuse("prices", f"region,sku,market,usd_h,date\n{REGION},{SKU},spot,1,1.2.2026\n", "YYYY-MM-DD")
        refused(1, "clients.csv: weight: expected a sum of 1", arguments=[
            "import", folder.write("own.csv", "client,region,zone,countries,users_million,weight\n"
                                              f"moon,{REGION},eu,MO,1,0.5\n"), "--as", "clients", "--into", folder.catalog])
        assert not os.path.exists(folder.catalog)


@test
def wrong_uses_of_import_are_named():
    with Folder() as folder:
        path = folder.write("mine.csv", PRICES)
        refused(2, "--into DIR is missing", arguments=["import", path, "--as", "prices"])
        refused(2, "expected one --as for each file", arguments=["import", path, "--into", folder.catalog])
        refused(2, "found price", arguments=["import", path, "--as", "price", "--into", folder.catalog])
        refused(2, "found again", arguments=["import", path, path, "--as", "prices", "--as", "prices", "--into", folder.catalog])
        refused(2, "YYYY-MM-DD", arguments=["import", path, "--as", "prices", "--into", folder.catalog, "--date", "today"])
        refused(1, "stays as it is", arguments=["import", path, "--as", "prices", "--into", SHIPPED])
        refused(1, "/nowhere/x.csv", arguments=["import", "/nowhere/x.csv", "--as", "prices", "--into", folder.catalog])
        refused(1, "without regions.csv", arguments=["import", path, "--as", "prices", "--into", folder.root])
        refused(1, "header line", arguments=["import", folder.write("empty.csv", ""), "--as", "prices", "--into", folder.catalog])
        good("import", path, "--as", "prices", "--into", folder.catalog)
        with open(os.path.join(folder.catalog, "notes.txt"), "w", encoding="utf-8") as stream:
            stream.write("mine")
        refused(1, "notes.txt", arguments=["import", *folder.own_files()])


def hash_of(catalog):
    return as_json("list", "--catalog", catalog)["sha256"] if os.path.exists(catalog) else None


def survives(folder, files, catalog):
    """Calls of the system on files fail, one a run: the catalogue there is the one before or the one after, until a run
    comes through. Answers how many runs did not."""
    before, copy = hash_of(catalog), catalog + "-copy"
    if before:
        shutil.copytree(catalog, copy)
    after = as_json("import", *files, "--into", copy)["sha256"]
    shutil.rmtree(copy)
    n = failed = 0
    while True:
        n += 1 if n < 16 else 11
        got = run("import", *files, "--into", catalog, env={"FARSPAN_FAULT": f"file:{n}"})
        assert hash_of(catalog) in (before, after), n
        assert [name for name in os.listdir(folder.root) if ".new-" in name] == [], n
        if got.returncode == 0:
            assert hash_of(catalog) == after
            return failed
        assert got.returncode == 1 and got.stdout == "" and got.stderr, got
        failed += 1
        if before is None:
            shutil.rmtree(catalog, ignore_errors=True)


@test
def whatever_fails_a_whole_catalogue_is_there():
    with Folder() as folder:
        files = [folder.write("mine.csv", PRICES), "--as", "prices"]
        assert survives(folder, files, folder.catalog) >= 20, "made new: all files"
        folder.write("mine.csv", PRICES.replace("90.5", "91.5"))
        assert survives(folder, files, folder.catalog) >= 10, "one file"
        assert survives(folder, folder.own_files()[:-2], folder.catalog) >= 20, "several files"
        assert as_json("show", "own:berlin", "--catalog", folder.catalog)["offers"]


@test
def diff_names_what_differs():
    with Folder() as folder:
        path = folder.write("mine.csv", PRICES)
        good("import", path, "--as", "prices", "--into", folder.catalog)
        got = run("diff", folder.catalog)
        assert got.returncode == 3 and "0 rows added, 0 removed, 2 changed" in got.stdout, got
        assert f"{REGION} {SKU} on_demand  usd_h 127.8160 -> 90.5 (-29.2 %)" in got.stdout, got
        got = run("diff", folder.catalog, SHIPPED, "--json")
        changes = json.loads(got.stdout)["changes"]
        assert got.returncode == 3 and changes[0]["before"] == "90.5" and changes[0]["after"] == "127.8160", got
        assert run("diff", folder.catalog, folder.catalog).returncode == 0
        assert run("diff", SHIPPED).returncode == 0
        refused(1, "/nowhere/regions.csv", arguments=["diff", "/nowhere"])
        refused(2, "an argument is missing: DIR", arguments=["diff"])
        with open(os.path.join(folder.catalog, "spot.csv"), "a", encoding="utf-8") as stream:
            stream.write("torn,\n")
        refused(1, "spot.csv:50:1", arguments=["diff", folder.catalog])
        refused(1, "spot.csv:50:1", arguments=["list", "--catalog", folder.catalog])


if __name__ == "__main__":
    sys.exit(harness.main())
