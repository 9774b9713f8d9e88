#!/usr/bin/env python3
"""Pictures: `farspan plan --map` and `farspan bench balance --svg` write SVG that any reader takes, and nothing from outside."""
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import harness
from harness import FARSPAN, ROOT, test

SVG = "{http://www.w3.org/2000/svg}"
PLAN = """version: 1
world: small
plan:
  providers: [azure]
  services:
    - name: tag
      load: 50%
      slo: {ttft: 250ms, wait: 10ms}
      speeds: [{sku: Standard_D4s_v5, rate: 10req/s, time: 5ms}]
      demands: [{client: low-countries, rate: 9req/s}, {client: us-northeast, rate: 4req/s}, {client: japan, rate: 2req/s}]
"""


def run(*arguments, status=0):
    done = subprocess.run([FARSPAN, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == status, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done


def picture(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    root = xml.etree.ElementTree.fromstring(text)
    assert root.get("viewBox") == "0 0 1600 900", root.attrib
    kinds = {element.tag.replace(SVG, "") for element in root.iter()}
    assert kinds <= {"svg", "title", "desc", "style", "clipPath", "rect", "g", "path", "circle", "line", "text", "tspan"}, kinds
    assert not re.search(r"href|url\((?!#)|@import|@font-face|\son\w+=", text)
    assert all(int(size) >= 14 for size in re.findall(r"font-size:\s*(\d+)px", text))
    return root


@test
def a_plan_is_drawn_as_it_is_written():
    folder = tempfile.mkdtemp(prefix="farspan-map-")
    file, out, image = (os.path.join(folder, name) for name in ("farspan.yaml", "plan.json", "map.svg"))
    with open(file, "w", encoding="utf-8") as f:
        f.write(PLAN)
    said = run("plan", "-f", file, "--catalog", os.path.join(ROOT, "data/catalog"), "--work", "100000000", "-o", out, "--map", image)
    assert f"written {image}" in said.stdout, said.stdout
    root = picture(image)
    with open(out, encoding="utf-8") as f:
        sheet = json.load(f)
    replicas = {}
    for row in sheet["replicas"]:
        replicas[row["region"].removeprefix("azure:")] = replicas.get(row["region"].removeprefix("azure:"), 0) + row["count"]
    titles = [element.find(SVG + "title").text for element in root.iter(SVG + "circle") if element.get("class") == "region"]
    drawn = dict(re.match(r"(\S+): (\d+) replica", title).groups() for title in titles)
    assert {name: int(count) for name, count in drawn.items()} == replicas, (drawn, replicas)
    flows = {(row["zone"], row["region"].removeprefix("azure:")) for row in sheet["flows"]}
    arcs = [element.find(SVG + "title") for element in root.iter(SVG + "path") if element.get("class") == "arc"]
    assert {tuple(title.text.split(": ")[0].split(" to ")) for title in arcs if title is not None} == flows
    assert any((element.text or "").startswith("small: $") for element in root.iter(SVG + "text"))


@test
def a_picture_that_cannot_be_written_is_an_error():
    folder = tempfile.mkdtemp(prefix="farspan-map-")
    file, image = os.path.join(folder, "farspan.yaml"), os.path.join(folder, "none", "map.svg")
    with open(file, "w", encoding="utf-8") as f:
        f.write(PLAN)
    said = run("plan", "-f", file, "--catalog", os.path.join(ROOT, "data/catalog"), "--work", "100000000", "--map", image, status=1)
    assert image in said.stderr and "written" not in said.stdout, said


@test
def policies_are_drawn_and_tabled():
    image = os.path.join(tempfile.mkdtemp(prefix="farspan-map-"), "balance.svg")
    table = run("bench", "balance", "--requests", "10000", "--svg", image).stdout
    rows = json.loads(run("bench", "balance", "--requests", "10000", "--json").stdout)
    words = " ".join(element.text or "" for element in picture(image).iter(SVG + "text"))
    for row in rows:
        assert row["policy"] in table and (row["policy"] in words or row["policy"].startswith("(")), row
    assert all(len(line) <= 100 for line in table.splitlines()), table
    assert "--requests" in run("bench", "balance", "--requests", "1", status=2).stderr


@test
def the_page_of_the_five_servers_is_what_the_program_says():
    image = os.path.join(tempfile.mkdtemp(prefix="farspan-map-"), "balance.svg")
    table = run("bench", "balance", "--svg", image).stdout
    with open(os.path.join(ROOT, "docs/examples/classic.md"), encoding="utf-8") as file:
        page = [line.removeprefix("    ").rstrip() for line in file]
    assert "\n".join(table.splitlines()) in "\n".join(page), "run tools/examples.sh docs/examples/classic.md"
    with open(os.path.join(ROOT, "docs/pictures/five-servers.svg"), encoding="utf-8") as old, open(image, encoding="utf-8") as new:
        assert old.read() == new.read(), "run tools/examples.sh docs/examples/classic.md"


if __name__ == "__main__":
    sys.exit(harness.main())
