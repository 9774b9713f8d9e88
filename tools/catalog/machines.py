"""skus, prices, stock, spot, models, profiles: machines, what they cost, and how fast models run on them."""
import statistics

import fit
import networks
import raw

HOME = {"aws": ("aws:us-east-1", "aws"), "gcp": ("gcp:us-central1", "gcp")}
SIZES_MIN = 5  # of machine sizes that two regions must share for a ratio of prices
BREADTH_MIN, BREADTH_MAX = 0.25, 2.0
CPU_STOCK_VCPU = 2048
BATCHES = (1, 2, 4, 8, 16, 32, 64)
PROMPTS = (128, 256, 512, 1024, 2048, 4096, 8192)
FEW_BATCHES, FEW_PROMPTS = (1, 4, 16, 64), (128, 512, 2048, 8192)
MEASURED_PROMPT = 512  # where batches above 1 were measured
POWER_BATCH_MAX = 16  # larger batches have no power
POWER_PROMPT_MAX = 4096  # at 8192 the log holds 0.17 of peak, against 0.4 .. 0.7 at 4096: it missed the run
SISTERS = {  # accelerator: (measured sister, {model: tensor-parallel sizes})
    "a100-80gb-pcie": ("a100-80gb", {"llama2-70b": (2, 4)}),
    "a100-40gb": ("a100-80gb", {"llama2-70b": (4, 8)}),
    "h100-94gb-nvl": ("h100-80gb", {"llama2-70b": (2,)}),
    "h200-141gb": ("h100-80gb", {"llama2-70b": (2, 4, 8), "bloom-176b": (8,)}),
}
ROOF = {"llama2-70b": {"mi300x-192gb": 1, "gb200-186gb": 1, "l40s-48gb": 4}, "bloom-176b": {"mi300x-192gb": 2, "gb200-186gb": 2}}
GIB = 2**30


def build(catalogue, folder):
    accelerators = {row["accelerator"]: row for row in raw.hand("accelerators")}
    skus = {row["sku"]: row for row in raw.hand("skus")}
    build_skus(catalogue, skus, accelerators)
    Market(catalogue, folder, skus, accelerators).build()
    build_spot(catalogue, folder, accelerators)
    build_models(catalogue)
    Profiles(catalogue, folder, accelerators).build()


def build_skus(catalogue, skus, accelerators):
    watts = {row["provider"]: row for row in raw.hand("watts")}
    for sku in skus.values():
        count, vcpu, memory = int(sku["accelerator_count"]), float(sku["vcpu"]), float(sku["memory_gib"])
        host, accelerator = watts[sku["provider"]], accelerators.get(sku["accelerator"])
        of_memory = memory * float(host["memory_w_per_gib"])
        catalogue.add(
            "skus",
            "sheet+footprint",
            "watts-sheet",
            sku=sku["sku"],
            provider=sku["provider"],
            accelerator=sku["accelerator"],
            accelerator_count=count,
            accelerator_memory_gib=float(accelerator["memory_gib"]) if accelerator else 0,
            vcpu=vcpu,
            memory_gib=memory,
            idle_w=vcpu * float(host["vcpu_idle_w"]) + of_memory + (count * float(accelerator["idle_w"]) if accelerator else 0),
            peak_w=vcpu * float(host["vcpu_peak_w"]) + of_memory + (count * float(accelerator["peak_w"]) if accelerator else 0),
        )


class Market:
    """Prices and stock by region, machine and way of buying."""

    def __init__(self, catalogue, folder, skus, accelerators):
        self.catalogue, self.skus, self.accelerators = catalogue, skus, accelerators
        self.places = networks.Places(folder)
        self.listed = {key: usd for key, usd in raw.prices(folder).items() if key[0] in self.places.regions}
        self.by_region = {}
        for (region, sku), usd in self.listed.items():
            if region.startswith("azure:"):
                self.by_region.setdefault(region, {})[sku] = usd
        self.shares = {(row["market"], row["provider"], row["family"]): float(row["share"]) for row in raw.hand("shares")}
        self.offers = {row["sku"]: [row["provider"] + ":" + name for name in row["regions"].split()] for row in raw.hand("offers")}
        self.sold = {}  # region: [sku]

    def build(self):
        self.say_error()
        for sku in self.skus.values():
            for region, usd, source, rule in self.on_demand(sku):
                self.sold.setdefault(region, []).append(sku["sku"])
                self.add_price(region, sku, "on_demand", usd, source, rule)
                share, share_rule = self.share("spot", sku)
                origin = "guess" if share_rule == "spot-guess" else "spot-price"
                self.add_price(region, sku, "spot", usd * share, source + "+" + origin, join(rule, share_rule))
                share, _ = self.share("reserved", sku)
                self.add_price(region, sku, "reserved", usd * share, source + "+term-price", join(rule, "term-share"))
        self.build_stock()

    def add_price(self, region, sku, market, usd, source, rule):
        self.catalogue.add("prices", source, rule, region=region, sku=sku["sku"], market=market, usd_h=usd)

    def share(self, market, sku):
        """(share of the on-demand price, rule)."""
        provider, accelerator = sku["provider"], sku["accelerator"]
        families = [accelerator.split("-")[0], self.accelerators[accelerator]["spot_family"]] if accelerator else ["cpu"]
        for family in families:
            if (market, provider, family) in self.shares:
                return self.shares[market, provider, family], "spot-share"
        return self.shares[market, provider, "*"], "spot-guess"

    def on_demand(self, sku):
        """(region, USD an hour, source, rule) wherever it is sold."""
        provider = sku["provider"]
        if provider == "azure":
            return [(region, usd, "azure", "") for (region, name), usd in sorted(self.listed.items()) if name == sku["sku"]]
        return self.aws(sku) if provider == "aws" else self.gcp(sku)

    def aws(self, sku):
        home, source = HOME["aws"]
        usd = self.listed[home, sku["sku"]]
        result = [(home, usd, source, "")]
        for region in self.offers.get(sku["sku"], self.places.names("aws")):
            if region != home:
                rule = "price-near+offer" if sku["accelerator"] else "price-near"
                result.append((region, usd * self.ratio(region, home, sku), source + "+azure", rule))
        return result

    def gcp(self, sku):
        home, source = HOME["gcp"]
        entry = [row for row in raw.hand("gcp_prices") if row["sku"] == sku["sku"]][0]
        usd = float(entry["usd_h"])
        parts = {"gcp:" + row["region"]: float(row["machine_usd_h"]) for row in raw.hand("gcp_machine_parts") if row["family"] == entry["family"]}
        typed = "" if entry["is_read"] == "true" else "price-typed"
        result = [(home, usd, source, typed)]
        for region in parts or self.offers.get(sku["sku"], self.places.names("gcp")):
            if region == home:
                continue
            if parts:
                result.append((region, usd * parts[region] / parts[home], source + "+gcp-parts", "price-parts"))
            else:
                rule = "price-near+offer" if sku["accelerator"] else "price-near"
                rule = f"{typed}+{rule}" if typed else rule
                result.append((region, usd * self.ratio(region, home, sku), source + "+azure", rule))
        return result

    def ratio(self, region, home, sku):
        """How dear machines are here against `home`, as Azure's prices say."""
        is_gpu = sku["accelerator"] != ""
        there = self.by_region[self.places.nearest(home, sorted(self.by_region))]
        azure = [name for name in sorted(self.by_region) if len(shared(self.by_region[name], there, is_gpu)) >= SIZES_MIN]
        here = self.by_region[self.places.nearest(region, azure)]
        return statistics.median(here[name] / there[name] for name in shared(here, there, is_gpu))

    def say_error(self):
        """What price-near gives for Azure's own regions, each left out."""
        home, errors = "azure:eastus", []
        for region, prices in sorted(self.by_region.items()):
            others = {name: table for name, table in self.by_region.items() if name not in (region, home)}
            for sku in self.skus.values():
                there = self.by_region[home]
                if sku["provider"] != "azure" or sku["sku"] not in prices or sku["sku"] not in there or region == home:
                    continue
                is_gpu = sku["accelerator"] != ""
                near = self.places.nearest(region, [name for name in sorted(others) if len(shared(others[name], there, is_gpu)) >= SIZES_MIN])
                ratio = statistics.median(others[near][name] / there[name] for name in shared(others[near], there, is_gpu))
                errors.append(abs(there[sku["sku"]] * ratio / prices[sku["sku"]] - 1))
        self.catalogue.errors["price-near"] = "Azure's own %d prices outside eastus, each region left out: off by %.0f %% (mean), %.0f %% (median), %.0f %% (p95)" % (
            len(errors),
            100 * statistics.fmean(errors),
            100 * statistics.median(errors),
            100 * fit.quantile(errors, 0.95),
        )

    def breadth(self):
        """{region: GPU sizes sold here / median over the provider's regions, bounded}."""
        result = {}
        for provider in ("aws", "azure", "gcp"):
            regions = [region for region in self.sold if region.startswith(provider + ":")]
            if provider == "azure":
                sizes = {region: sum(name.startswith("Standard_N") for name in self.by_region[region]) for region in regions}
            else:
                sizes = {region: sum(self.skus[name]["accelerator"] != "" for name in self.sold[region]) for region in regions}
            middle = statistics.median(size for size in sizes.values() if size > 0)
            result.update({region: min(BREADTH_MAX, max(BREADTH_MIN, size / middle)) for region, size in sizes.items()})
        return result

    def build_stock(self):
        breadth = self.breadth()
        for region, names in self.sold.items():
            for name in names:
                sku = self.skus[name]
                alike = sum(self.skus[other]["accelerator"] == sku["accelerator"] for other in names)
                if sku["accelerator"]:
                    count = float(self.accelerators[sku["accelerator"]]["stock"]) / int(sku["accelerator_count"])
                else:
                    count = CPU_STOCK_VCPU / int(sku["vcpu"])
                count = max(1, int(count * breadth[region] / alike + 0.5))
                self.catalogue.add("stock", "guess", "stock", region=region, sku=name, market="on_demand", count=count)
                self.catalogue.add("stock", "guess", "stock", region=region, sku=name, market="spot", count=max(1, count // 2))


def join(*names):
    return "+".join(name for name in names if name)


def shared(a, b, is_gpu):
    """Machine sizes priced in both regions."""
    return [name for name in sorted(a) if name in b and name.startswith("Standard_N") == is_gpu]


def build_spot(catalogue, folder, accelerators):
    stats = raw.spot_stats(folder)

    def middle(*words):
        rows = [(up, down) for trace, nodes, _, up, down in stats if nodes == 1 and all(word in trace for word in words)]
        return tuple(statistics.median(values) for values in zip(*rows))

    for provider in ("aws", "azure", "gcp"):
        for accelerator in accelerators:
            up, down = middle("availability/", "v100_1.")
            rule = "" if (provider, accelerator) == ("aws", "v100-16gb") else "spot-v100"
            catalogue.add("spot", "spot-trace", rule, provider=provider, accelerator=accelerator, up_h=up, down_h=down)
        up, down = middle("c3-88") if provider == "gcp" else middle("intel_64")
        rule = "spot-cpu" if provider == "azure" else ""
        catalogue.add("spot", "spot-trace", rule, provider=provider, accelerator="", up_h=up, down_h=down)


def models():
    """{model: (parameters, weight bytes, KV bytes a token)}."""
    result = {}
    for row in raw.hand("models"):
        parameters, size = float(row["parameters_million"]) * 1e6, int(row["bytes_per_number"])
        kv = 2 * int(row["layers"]) * int(row["kv_heads"]) * int(row["head_size"]) * size
        result[row["model"]] = (parameters, parameters * size, kv)
    return result


def build_models(catalogue):
    for model, (parameters, weights, kv) in models().items():
        catalogue.add("models", "model-card", "", model=model, parameters_million=parameters / 1e6, weights_gib=weights / GIB, kv_bytes_per_token=kv)


class Profiles:
    """Times of models on accelerators, measured and derived. Rows that cannot fit the memory are left out."""

    def __init__(self, catalogue, folder, accelerators):
        self.catalogue, self.accelerators = catalogue, accelerators
        self.measured = raw.speeds(folder, catalogue.refused)
        self.models = models()

    def build(self):
        runs = sorted({key[:3] for key in self.measured})
        for run in runs:
            self.add_run(run, run[1], BATCHES, PROMPTS)
        for accelerator, (sister, sizes) in SISTERS.items():
            for model, tensor_parallel in sorted((model, size) for model in sizes for size in sizes[model]):
                self.add_run((model, sister, tensor_parallel), accelerator, BATCHES, FEW_PROMPTS)
        self.build_roof()
        self.say_errors()

    def number(self, accelerator, name):
        return float(self.accelerators[accelerator][name])

    def fits(self, model, accelerator, tensor_parallel, batch, prompt):
        _, weights, kv = self.models[model]
        return weights + batch * prompt * kv <= tensor_parallel * self.number(accelerator, "memory_gib") * GIB

    def times(self, run, prompt, batch):
        """(prompt ms, token ms, rule) or None."""
        if (*run, prompt, batch) in self.measured:
            return (*self.measured[(*run, prompt, batch)][:2], "")
        keys = ((MEASURED_PROMPT, batch), (prompt, 1), (MEASURED_PROMPT, 1))
        if any((*run, *key) not in self.measured for key in keys):
            return None
        batched, alone, base = (self.measured[(*run, *key)] for key in keys)
        return batched[0] * alone[0] / base[0], batched[1] + max(0.0, alone[1] - base[1]), "time-scale"

    def watts(self, model, accelerator, tensor_parallel, prompt, batch):
        """(watts of one accelerator, rule)."""
        own = self.measured.get((model, accelerator, tensor_parallel, prompt, batch))
        peak = self.number(accelerator, "peak_w")
        if own and own[2] > 0 and prompt <= POWER_PROMPT_MAX:
            return own[2] * peak, ""
        at = (min(prompt, POWER_PROMPT_MAX), 1) if batch == 1 else (MEASURED_PROMPT, min(batch, POWER_BATCH_MAX))
        for key in ((model, "a100-80gb", tensor_parallel, *at), ("llama2-70b", "a100-80gb", 2, *at)):
            share = self.measured.get(key, (0, 0, 0))[2]
            if share > 0:
                return share * peak, "watts-share"
        return "", ""

    def add(self, run, prompt, batch, times, rule):
        watts, watts_rule = self.watts(run[0], run[1], run[2], prompt, batch)
        names = join(rule, watts_rule)
        sources = "splitwise" if "time-sibling" not in rule and "watts-share" not in names and "time-roof" not in rule else "splitwise+sheet"
        self.catalogue.add(
            "profiles",
            sources,
            names,
            model=run[0],
            accelerator=run[1],
            tensor_parallel=run[2],
            batch=batch,
            prompt_tokens=prompt,
            prompt_ms=times[0],
            token_ms=times[1],
            accelerator_w=watts,
        )

    def add_run(self, run, accelerator, batches, prompts):
        """The measured run; for another accelerator scaled by what their sheets say."""
        model, sister, tensor_parallel = run
        slower = self.number(sister, "tflops") / self.number(accelerator, "tflops")
        narrower = self.number(sister, "bandwidth_gb_s") / self.number(accelerator, "bandwidth_gb_s")
        for batch in batches:
            for prompt in prompts:
                times = self.times(run, prompt, batch)
                if not times or not self.fits(model, accelerator, tensor_parallel, batch, prompt):
                    continue
                scaled = (times[0] * slower, times[1] * narrower)
                rule = times[2] if accelerator == sister else join(times[2], "time-sibling")
                self.add((model, accelerator, tensor_parallel), prompt, batch, scaled, rule)

    def ideal(self, model, accelerator, tensor_parallel, prompt, batch):
        """(prompt ms, token ms) at the sheet's full speed."""
        parameters, weights, kv = self.models[model]
        compute = 2 * parameters * prompt * batch / (tensor_parallel * self.number(accelerator, "tflops") * 1e12)
        memory = (weights + batch * prompt * kv) / (tensor_parallel * self.number(accelerator, "bandwidth_gb_s") * 1e9)
        return 1000 * compute, 1000 * memory

    def shares(self):
        """Shares of the sheet's speed that llama2-70b reached on two accelerators, prompts of 512 and more."""
        points = [(key, value) for key, value in sorted(self.measured.items()) if key[0] == "llama2-70b" and key[2] == 2 and key[3] >= 512]
        ratios = [[ideal / value for ideal, value in zip(self.ideal(*key), times)] for key, times in points]
        result = [statistics.median(column) for column in zip(*ratios)]
        errors = [[abs(ratio / share - 1) for ratio, share in zip(row, result)] for row in ratios]
        self.catalogue.errors["time-roof"] = "%d measured rows of two accelerators: shares %.2f (FLOP/s) and %.2f (bandwidth); prompt time off by %.0f %% (mean), %.0f %% (worst), decode time by %.0f %%, %.0f %%" % (
            len(points),
            result[0],
            result[1],
            *(100 * figure for column in zip(*errors) for figure in (statistics.fmean(column), max(column))),
        )
        return result

    def say_errors(self):
        """How far the two other rules of times are off where the truth was measured."""
        by_tokens, sister = [], [[], []]
        for key, (prompt_ms, token_ms, _) in sorted(self.measured.items()):
            model, accelerator, tensor_parallel, prompt, batch = key
            alone = self.measured.get((*key[:3], prompt * batch, 1))
            if batch > 1 and alone:
                by_tokens.append(abs(alone[0] / prompt_ms - 1))
            base = self.measured.get((model, "a100-80gb", tensor_parallel, prompt, batch))
            if accelerator == "h100-80gb" and base:
                for errors, name, a100, truth in zip(sister, ("tflops", "bandwidth_gb_s"), base, (prompt_ms, token_ms)):
                    errors.append(a100 * self.number("a100-80gb", name) / self.number("h100-80gb", name) / truth - 1)
        self.catalogue.errors["time-scale"] = "%d batches of short prompts against one prompt of as many tokens: off by %.0f %% (mean), %.0f %% (worst)" % (
            len(by_tokens),
            100 * statistics.fmean(by_tokens),
            100 * max(by_tokens),
        )
        words = tuple(100 * figure for errors in sister for figure in (statistics.fmean(errors), min(errors), max(errors)))
        text = "H100 from the A100, %d rows: prompt time off by %+.0f %% (mean; %+.0f .. %+.0f %%), decode time by %+.0f %% (%+.0f .. %+.0f %%): optimistic across generations"
        self.catalogue.errors["time-sibling"] = text % (len(sister[0]), *words)

    def build_roof(self):
        shares = self.shares()
        for model in self.models:
            wanted = ROOF.get(model)
            if wanted is None:
                wanted = {accelerator: self.least(model, accelerator) for accelerator in self.accelerators}
            for accelerator, tensor_parallel in wanted.items():
                for batch in FEW_BATCHES:
                    for prompt in FEW_PROMPTS:
                        if self.fits(model, accelerator, tensor_parallel, batch, prompt):
                            ideal = self.ideal(model, accelerator, tensor_parallel, prompt, batch)
                            times = [ms / share for ms, share in zip(ideal, shares)]
                            self.add((model, accelerator, tensor_parallel), prompt, batch, times, "time-roof")

    def least(self, model, accelerator):
        """The least tensor-parallel size whose memory holds the weights and a tenth more."""
        return next(size for size in (1, 2, 4, 8) if 1.1 * self.models[model][1] <= size * self.number(accelerator, "memory_gib") * GIB)
