"""What the files of data/catalog look like: one table for the tool that writes them and the one that checks them."""

PROVIDERS = ("aws", "azure", "gcp")
MARKETS = ("on_demand", "spot", "reserved")
CONTINENTS = ("africa", "asia", "europe", "north-america", "oceania", "south-america")
ZONES = ("africa", "asia", "ca", "ch", "eu", "latam", "mideast", "oceania", "uk", "us")


def text(longest=64):
    return ("text", longest)


def one_of(names):
    return ("one_of", names)


def number(least, most, decimals):
    return ("number", least, most, decimals)


def refers(file, or_empty=False):
    """A value of the first column of another file."""
    return ("refers", file, or_empty)


ORIGIN = (("source", ("keys", "sources")), ("date", ("date",)), ("estimate", ("flag",)), ("rule", ("keys", "rules")))

# file: (columns of the key, columns)
FILES = {
    "sources": (1, (("source", text()), ("what", text(240)), ("where", text(160)), ("version", text(80)), ("licence", text()), ("date", ("date",)))),
    "rules": (1, (("rule", text()), ("file", text()), ("says", text(400)), ("error", text(240)))),
    "regions": (
        1,
        (
            ("region", text()),
            ("provider", one_of(PROVIDERS)),
            ("country", text(2)),
            ("continent", one_of(CONTINENTS)),
            ("zone", one_of(ZONES)),
            ("latitude", number(-90, 90, 4)),
            ("longitude", number(-180, 180, 4)),
            ("grid_zone", text()),
            ("pue", number(1, 3, 3)),
            ("egress_internet_usd_per_gib", number(0, 1, 4)),
            *ORIGIN,
        ),
    ),
    "skus": (
        1,
        (
            ("sku", text()),
            ("provider", one_of(PROVIDERS)),
            ("accelerator", text()),
            ("accelerator_count", number(0, 16, 0)),
            ("accelerator_memory_gib", number(0, 512, 1)),
            ("vcpu", number(1, 1024, 0)),
            ("memory_gib", number(1, 32768, 0)),
            ("idle_w", number(0, 20000, 1)),
            ("peak_w", number(1, 20000, 1)),
            *ORIGIN,
        ),
    ),
    "prices": (3, (("region", refers("regions")), ("sku", refers("skus")), ("market", one_of(MARKETS)), ("usd_h", number(0, 1000, 4)), *ORIGIN)),
    "stock": (3, (("region", refers("regions")), ("sku", refers("skus")), ("market", one_of(MARKETS)), ("count", number(0, 100000, 0)), *ORIGIN)),
    "spot": (2, (("provider", one_of(PROVIDERS)), ("accelerator", text()), ("up_h", number(0.01, 8760, 2)), ("down_h", number(0, 8760, 2)), *ORIGIN)),
    "links": (
        2,
        (
            ("from", refers("regions")),
            ("to", refers("regions")),
            ("rtt_ms", number(0.1, 1000, 1)),
            ("rtt_margin_ms", number(0, 500, 1)),
            ("bandwidth_mbps", number(1, 100000, 0)),
            ("usd_per_gib", number(0, 1, 4)),
            ("usd_per_gib_back", number(0, 1, 4)),
            *ORIGIN,
        ),
    ),
    "clients": (
        1,
        (("client", text()), ("region", refers("regions")), ("zone", one_of(ZONES)), ("countries", text()), ("users_million", number(0, 5000, 1)), ("weight", number(0, 1, 4)), *ORIGIN),
    ),
    "carbon": (2, (("grid_zone", text()), ("hour_utc", number(0, 23, 0)), ("g_per_kwh", number(0, 2000, 1)), *ORIGIN)),
    "power": (2, (("grid_zone", text()), ("hour_utc", number(0, 23, 0)), ("usd_per_mwh", number(-500, 5000, 2)), *ORIGIN)),
    "models": (
        1,
        (("model", text()), ("parameters_million", number(1, 10000000, 0)), ("weights_gib", number(0.01, 100000, 2)), ("kv_bytes_per_token", number(1, 100000000, 0)), *ORIGIN),
    ),
    "profiles": (
        5,
        (
            ("model", refers("models")),
            ("accelerator", text()),
            ("tensor_parallel", number(1, 16, 0)),
            ("batch", number(1, 1024, 0)),
            ("prompt_tokens", number(1, 1000000, 0)),
            ("prompt_ms", number(0.1, 10000000, 1)),
            ("token_ms", number(0.1, 100000, 2)),
            ("accelerator_w", number(1, 2000, 0)),
            *ORIGIN,
        ),
    ),
}

MAY_BE_EMPTY = {("skus", "accelerator"), ("spot", "accelerator"), ("profiles", "accelerator_w"), ("rules", "error")}
ROWS_MAX = 8192  # farspan reads no more rows of one file
BYTES_MAX = 1500000  # of the whole folder
