"""Readers of the raw sources. They know the files' columns and nothing of the catalogue.

Every reader takes the folder of the raw sources; a refused row goes to `refused` as "file:line: reason".
"""
import csv
import math
import pathlib
import statistics
import sys

HAND = pathlib.Path(__file__).resolve().parent / "hand"


class Row(dict):
    """A row by column names; it knows where it stands."""

    place = ""  # file:line

    def number(self, column):
        try:
            value = float(self[column])
        except (KeyError, TypeError, ValueError):
            sys.exit("%s: %s: expected a number, found %r" % (self.place, column, self.get(column)))
        if not math.isfinite(value):
            sys.exit("%s: %s: expected a finite number" % (self.place, column))
        return value


def rows_of(path):
    """(line number, row) of a CSV file with a header."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        for cells in reader:
            row = Row(cells)
            row.place = "%s:%d" % (path.name, reader.line_num)
            yield reader.line_num, row


def hand(name):
    """Rows of a table entered by hand, beside this tool."""
    return [row for _, row in rows_of(HAND / (name + ".csv"))]


def azure_rtt(folder):
    """{(from, to): ms} of ordered Azure pairs."""
    rows = rows_of(folder / "azure-latency/rtt_ms.csv")
    return {("azure:" + row["from_region"], "azure:" + row["to_region"]): row.number("rtt_ms") for _, row in rows}


def intercloud(folder):
    """({(from, to): ms}, {(from, to): Mbit/s}): smallest RTT, median bandwidth over the repeats."""
    rtt, bandwidth = {}, {}
    for _, row in rows_of(folder / "intercloud-latency/results_202202.csv"):
        pair = tuple(row[end + "_cloud"].lower() + ":" + row[end + "_region"] for end in ("from", "to"))
        rtt[pair] = min(row.number("avgrtt"), rtt.get(pair, 1e9))
        bandwidth.setdefault(pair, []).append(row.number("bitrate_Bps") * 8 / 1e6)
    return rtt, {pair: statistics.median(values) for pair, values in bandwidth.items()}


def locations(folder):
    """{region: (latitude, longitude)} of AWS and GCP."""
    rows = rows_of(folder / "intercloud-latency/locations.csv")
    return {row["cloud"].lower() + ":" + row["region"]: (row.number("latitude"), row.number("longitude")) for _, row in rows}


def prices(folder):
    """{(region, machine): USD an hour} on demand."""
    result = {}
    for name in ("azure_gpu_ondemand_2026-06", "azure_cpu_ondemand_2026-06", "aws_us-east-1_ondemand_2026-07"):
        for _, row in rows_of(folder / "prices" / (name + ".csv")):
            result[row["provider"] + ":" + row["region"], row["instance_type"]] = row.number("usd_per_hour")
    return result


def aws_egress(folder):
    """{(from, to or "internet"): USD a GB}."""
    return {(row["src"], row["dst"]): row.number("cost") for _, row in rows_of(folder / "egress/aws_transfer_costs.csv")}


def egress_matrix(folder, provider):
    """{(from, to): USD a GB} of a square table; Azure's "West Europe" becomes westeurope."""
    result = {}
    for _, row in rows_of(folder / "egress" / (provider + "_transmission_cost_matrix.csv")):
        source = row.pop("")
        for to, usd in row.items():
            names = (source, to) if provider == "gcp" else (source.replace(" ", "").lower(), to.replace(" ", "").lower())
            result[names] = row.number(to)
    return result


def hourly(folder, name):
    """{zone: [24 lists of the year's values at that UTC hour]}."""
    result = {}
    for _, row in rows_of(folder / "grid-hourly" / name):
        hour = int(row.pop("hour_utc")[11:13])
        for zone, value in row.items():
            if value:
                result.setdefault(zone, [[] for _ in range(24)])[hour].append(row.number(zone))
    return result


def gcp_carbon(folder):
    """{region: g/kWh} of 2023."""
    rows = rows_of(folder / "region-carbon/gcp_2023.csv")
    result = {}
    for _, row in rows:
        column = next(name for name in row if "carbon intensity" in name)
        if row[column]:
            result["gcp:" + row["Google Cloud Region"]] = row.number(column)
    return result


def spot_stats(folder):
    """Rows of the spot statistics: (trace, nodes, share of time up, mean up hours, mean down hours)."""
    return [
        (row["trace"], int(row["requested_nodes"]), row.number("fraction_time_any_available"), row.number("mean_up_hours"), row.number("mean_down_hours"))
        for _, row in rows_of(folder / "spot-stats/spot_stats.csv")
    ]


def speeds(folder, refused):
    """{(model, accelerator, tensor_parallel, prompt, batch): (prompt ms, token ms, power share or 0)}: medians.

    Only answers of 128 tokens (the other lengths were run alone and without power). A batch whose prompt takes
    less time than a smaller batch's is refused: it cannot be what its columns say.
    """
    path = folder / "llm-perf-splitwise/perf_model.csv"
    groups, lines = {}, {}
    for line, row in rows_of(path):
        if row["token_size"] != "128" or row["hardware"].endswith("pcap"):
            continue
        key = (row["model"], row["hardware"], int(row["tensor_parallel"]), int(row["prompt_size"]), int(row["batch_size"]))
        groups.setdefault(key, []).append(tuple(row.number(name) for name in ("prompt_time", "token_time", "average_power")))
        lines.setdefault(key, []).append(line)
    result = {}
    for key in sorted(groups):
        medians = tuple(statistics.median(values) for values in zip(*groups[key]))
        smaller = [result[other][0] for other in result if other[:4] == key[:4] and other[4] < key[4]]
        if smaller and medians[0] < max(smaller):
            for line in lines[key]:
                refused.append("%s:%d: prompt time falls to %.0f ms at batch %d (%.0f ms at a smaller one)" % (path.name, line, medians[0], key[4], max(smaller)))
            continue
        result[key] = medians
    return result
