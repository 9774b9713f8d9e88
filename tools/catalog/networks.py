"""regions, links, carbon, power: where regions are, what lies between them, and what their electricity is."""
import math
import statistics

import fit
import raw

MARGIN_SHARE = 0.95  # of the errors that the margin of an estimated RTT covers
INSIDE_MS, INSIDE_MBPS = 1.0, 10000


class Places:
    """Regions with country, continent, zone, grid zone and coordinates."""

    def __init__(self, folder):
        known = raw.locations(folder)
        countries = {row["country"]: row for row in raw.hand("countries")}
        self.regions = {}
        for row in raw.hand("regions"):
            region, is_by_hand = row["region"], row["latitude"] != ""
            place = (float(row["latitude"]), float(row["longitude"])) if is_by_hand else known[region]
            country = countries[row["country"]]
            self.regions[region] = {
                "provider": region.split(":")[0],
                "country": row["country"],
                "continent": country["continent"],
                "zone": country["zone"],
                "grid_zone": row["grid_zone"],
                "place": place,
                "is_by_hand": is_by_hand,
            }

    def names(self, provider):
        return [region for region in sorted(self.regions) if region.startswith(provider + ":")]

    def km(self, a, b):
        return fit.distance_km(self.regions[a]["place"], self.regions[b]["place"])

    def nearest(self, region, others, same_continent=True):
        """The nearest of `others`, of the same continent if any is."""
        continent = self.regions[region]["continent"]
        close = [other for other in others if self.regions[other]["continent"] == continent] if same_continent else []
        return min(close or others, key=lambda other: (self.km(region, other), other))


class Egress:
    """Price of a GB by source and destination region: (usd, source, rule)."""

    def __init__(self, places, folder):
        self.places = places
        self.aws = raw.aws_egress(folder)
        self.tables = {provider: self.by_region(provider, folder) for provider in ("azure", "gcp")}
        self.listed = {provider: sorted({pair[0] for pair in table}) for provider, table in self.tables.items()}

    def by_region(self, provider, folder):
        table = raw.egress_matrix(folder, provider)
        names = {(provider + ":" + a, provider + ":" + b): usd for (a, b), usd in table.items()}
        return {pair: usd for pair, usd in names.items() if pair[0] in self.places.regions and pair[1] in self.places.regions}

    def to_internet(self, region):
        entry = self.places.regions[region]
        if entry["provider"] == "aws":
            return self.aws[region.split(":")[1], "internet"], "aws-egress", ""
        if entry["provider"] == "gcp":
            return (0.19 if entry["continent"] == "oceania" else 0.12), "guess", "internet-list"
        usd = {"europe": 0.087, "north-america": 0.087, "south-america": 0.181}.get(entry["continent"], 0.12)
        return usd, "guess", "internet-list"

    def price(self, source, to):
        if source == to:
            return 0.0, "egress", ""
        provider = self.places.regions[source]["provider"]
        if provider != self.places.regions[to]["provider"]:
            usd, origin, rule = self.to_internet(source)
            return usd, origin, "egress-net" if rule else ""
        if provider == "aws":
            return self.aws[source.split(":")[1], to.split(":")[1]], "aws-egress", ""
        return self.inside(provider, source, to)

    def inside(self, provider, source, to, listed=None):
        table, listed = self.tables[provider], listed or self.listed[provider]
        a, b = (region if region in listed else self.places.nearest(region, listed) for region in (source, to))
        if a == b:  # both stand on one row: the cheapest way out of it
            usd = min(usd for (x, y), usd in table.items() if x == a and y != a and usd > 0)
        else:
            usd = max(table[a, b], table[b, a]) if provider == "gcp" else table[a, b]
        if (a, b) != (source, to):
            return usd, "egress", "egress-near"
        return usd, "egress", "egress-max" if provider == "gcp" and table[a, b] != table[b, a] else ""

    def errors(self):
        """Leave one Azure region out of the table: (pairs, share priced right, mean error in USD)."""
        errors = []
        for left in self.listed["azure"]:
            others = [region for region in self.listed["azure"] if region != left]
            for to in others:
                stand_in = self.places.nearest(left, [region for region in others if region != to])
                errors.append(abs(self.tables["azure"][stand_in, to] - self.tables["azure"][left, to]))
        return len(errors), statistics.fmean(error < 1e-9 for error in errors), statistics.fmean(errors)


def build(catalogue, folder):
    places = Places(folder)
    egress = Egress(places, folder)
    build_regions(catalogue, places, egress)
    build_links(catalogue, places, egress, folder)
    build_clients(catalogue, places)
    build_carbon(catalogue, places, folder)
    build_power(catalogue, folder)


def build_regions(catalogue, places, egress):
    pue = {row["provider"]: float(row["pue"]) for row in raw.hand("watts")}
    for region, entry in places.regions.items():
        usd, origin, rule = egress.to_internet(region)
        found = "azure-place" if entry["provider"] == "azure" else "cloud-place"
        names = (["place-hand"] if entry["is_by_hand"] else []) + ["pue-fleet"] + ([rule] if rule else [])
        catalogue.add(
            "regions",
            "+".join((found, "footprint", origin)),
            "+".join(names),
            region=region,
            provider=entry["provider"],
            country=entry["country"],
            continent=entry["continent"],
            zone=entry["zone"],
            latitude=entry["place"][0],
            longitude=entry["place"][1],
            grid_zone=entry["grid_zone"],
            pue=pue[entry["provider"]],
            egress_internet_usd_per_gib=usd,
        )


def build_clients(catalogue, places):
    clients = raw.hand("clients")
    total = sum(float(row["users_million"]) for row in clients)
    for row in clients:
        users = float(row["users_million"])
        catalogue.add(
            "clients",
            "users",
            "clients-users",
            client=row["client"],
            region=row["region"],
            zone=places.regions[row["region"]]["zone"],
            countries=row["countries"],
            users_million=users,
            weight=users / total,
        )


def both_ways(directed):
    """{(a, b) sorted: (mean of both directions, half their difference)}."""
    result = {}
    for (a, b), value in directed.items():
        back = directed.get((b, a), value)
        result[tuple(sorted((a, b)))] = ((value + back) / 2, abs(value - back) / 2)
    return result


class Bandwidth:
    def __init__(self, rtt, directed):
        self.measured = {tuple(sorted(pair)): min(value, directed.get(pair[::-1], value)) for pair, value in directed.items()}
        points = [(math.log10(rtt[pair][0]), math.log10(value)) for pair, value in sorted(self.measured.items())]
        self.a, self.b = fit.line(points)
        self.errors = [abs(error) for error in fit.line_errors(points)]
        self.most = max(self.measured.values())

    def estimate(self, ms):
        return min(self.most, 10 ** (self.a + self.b * math.log10(ms)))


def build_links(catalogue, places, egress, folder):
    azure = raw.azure_rtt(folder)
    clouds, bandwidths = raw.intercloud(folder)
    measured = {pair: value for pair, value in both_ways({**azure, **clouds}).items() if pair[0] in places.regions and pair[1] in places.regions}
    rtt = fit.Rtt({region: entry["place"] for region, entry in places.regions.items()}, {pair: value[0] for pair, value in measured.items()})
    margins = rtt_errors(catalogue, rtt)
    bandwidth = Bandwidth(measured, bandwidths)
    say_link_errors(catalogue, bandwidth, egress)
    names = sorted(places.regions)
    for i, a in enumerate(names):
        add_link(catalogue, egress, (a, a), (INSIDE_MS, 1.0), INSIDE_MBPS, ["guess"], ["rtt-inside", "bw-inside"])
        for b in names[i + 1 :]:
            origins, found = ["az-rtt" if a.startswith("azure:") and b.startswith("azure:") else "ic-rtt"], []
            if (a, b) in measured:
                ms, margin = measured[a, b]
            else:
                ms, rule = rtt.estimate(a, b)
                margin = ms * margins["rtt-near"] if rule == "rtt-near" else margins["rtt-line"]
                found.append(rule)
                if a.startswith("azure:") or b.startswith("azure:"):
                    origins.append("az-rtt")
            mbps = bandwidth.measured.get((a, b))
            if mbps is None:
                mbps = bandwidth.estimate(ms)
                found.append("bw-fit")
            add_link(catalogue, egress, (a, b), (ms, margin), mbps, origins, found)


def add_link(catalogue, egress, pair, ms_and_margin, mbps, origins, found):
    out, back = egress.price(*pair), egress.price(*pair[::-1])
    origins = origins + [out[1], back[1]]
    found = found + sorted({rule for rule in (out[2], back[2]) if rule})
    catalogue.add(
        "links",
        "+".join(origins),
        "+".join(found),
        **{"from": pair[0], "to": pair[1]},
        rtt_ms=ms_and_margin[0],
        rtt_margin_ms=ms_and_margin[1],
        bandwidth_mbps=max(1, mbps),
        usd_per_gib=out[0],
        usd_per_gib_back=back[0],
    )


def rtt_errors(catalogue, rtt):
    """{rule: margin}, and says the errors."""
    pairs = rtt.errors()
    errors = [abs(ms - guess) for ms, guess in pairs]
    short = max(0.0, fit.quantile([(ms - guess) / guess for ms, guess in pairs], MARGIN_SHARE))
    catalogue.errors["rtt-near"] = "%d AWS-GCP pairs as if unmeasured: mean %.1f ms, median %.1f, p95 %.1f; margin %.0f %%" % (
        len(pairs),
        statistics.fmean(errors),
        statistics.median(errors),
        fit.quantile(errors, 0.95),
        100 * short,
    )
    line_short = fit.quantile(rtt.line_errors, MARGIN_SHARE)
    line = [abs(error) for error in rtt.line_errors]
    catalogue.errors["rtt-line"] = "%d measured pairs: %.1f ms + %.5f ms/km, leave-one-out mean %.1f ms, p95 %.1f; margin %.0f ms" % (
        len(line),
        rtt.a,
        rtt.b,
        statistics.fmean(line),
        fit.quantile(line, 0.95),
        line_short,
    )
    return {"rtt-near": short, "rtt-line": line_short}


def say_link_errors(catalogue, bandwidth, egress):
    catalogue.errors["bw-fit"] = "%d pairs: a %.3f, b %.3f; leave-one-out off by a factor of %.2f (median), %.1f (p95)" % (
        len(bandwidth.errors),
        bandwidth.a,
        bandwidth.b,
        10 ** statistics.median(bandwidth.errors),
        10 ** fit.quantile(bandwidth.errors, 0.95),
    )
    count, right, mean = egress.errors()
    catalogue.errors["egress-near"] = "leaving one of Azure's listed regions out: %d pairs, %.0f %% right, mean error %.3f USD/GB" % (count, 100 * right, mean)


def build_carbon(catalogue, places, folder):
    hours = raw.hourly(folder, "carbon_gco2_per_kwh_lca_2023.csv")
    gcp = raw.gcp_carbon(folder)
    country = {row["country"]: float(row["carbon_g_per_kwh"]) for row in raw.hand("countries")}
    errors = []
    for region, entry in places.regions.items():
        zone = entry["grid_zone"]
        if zone in hours and region in gcp:
            mean = statistics.fmean(value for hour in hours[zone] for value in hour)
            errors.append(abs(gcp[region] - mean) / mean)
    spread = [max(map(statistics.fmean, day)) / min(map(statistics.fmean, day)) for day in hours.values()]
    catalogue.errors["carbon-flat"] = "GCP's yearly figure against the hourly mean in %d regions: off by %.0f %% (mean), %.0f %% (worst); a typical day's highest hour / lowest: %.2f (median of 16 zones), %.2f (worst)" % (
        len(errors),
        100 * statistics.fmean(errors),
        100 * max(errors),
        statistics.median(spread),
        max(spread),
    )
    for row in raw.hand("zones"):
        zone = row["grid_zone"]
        kind, _, name = row["carbon_from"].partition(":")
        for hour in range(24):
            if zone in hours:
                catalogue.add("carbon", "grid", "", grid_zone=zone, hour_utc=hour, g_per_kwh=statistics.fmean(hours[zone][hour]))
            elif kind == "country":
                catalogue.add("carbon", "country-carbon", "carbon-flat", grid_zone=zone, hour_utc=hour, g_per_kwh=country[name])
            else:
                catalogue.add("carbon", "gcp-carbon", "carbon-flat", grid_zone=zone, hour_utc=hour, g_per_kwh=gcp[row["carbon_from"]])


def build_power(catalogue, folder):
    days = {zone: clipped_day(hours) for zone, hours in raw.hourly(folder, "electricity_price_usd_per_mwh_2023.csv").items()}
    errors = []
    for row in raw.hand("zones"):
        zone = row["grid_zone"]
        near = [name for name in days if row["power_from"] == "world" or name in row["power_from"].split("+")]
        for hour in range(24):
            if zone in days:
                catalogue.add("power", "grid", "", grid_zone=zone, hour_utc=hour, usd_per_mwh=days[zone][hour])
            else:
                usd = statistics.fmean(days[name][hour] for name in near)
                catalogue.add("power", "grid", "power-near", grid_zone=zone, hour_utc=hour, usd_per_mwh=usd)
    europe = {zone: statistics.fmean(days[zone]) for zone in ("AT", "BE", "CH", "DE-LU", "ES", "FR", "NL", "PT")}
    for zone, mean in europe.items():
        others = statistics.fmean(value for name, value in europe.items() if name != zone)
        errors.append(abs(others - mean) / mean)
    world = [statistics.fmean(day) for day in days.values()]
    off = [abs(statistics.fmean(world) - mean) / mean for mean in world]
    catalogue.errors["power-near"] = "a European zone by the mean of the 7 others: off by %.0f %% (mean), %.0f %% (worst); any zone by the mean of all: %.0f %% (mean), %.0f %% (worst)" % (
        100 * statistics.fmean(errors),
        100 * max(errors),
        100 * statistics.fmean(off),
        100 * max(off),
    )


def clipped_day(hours):
    """Mean of the year by UTC hour, spikes cut."""
    every = [value for hour in hours for value in hour]
    least, most = fit.quantile(every, 0.01), fit.quantile(every, 0.99)
    return [statistics.fmean(min(most, max(least, value)) for value in hour) for hour in hours]
