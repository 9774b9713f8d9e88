"""Estimation rules that are fitted to measured values, with their leave-one-out errors. No input or output."""
import math
import statistics

EARTH_KM = 6371.0
NEAR_KM = 2500  # a neighbour farther than this tells nothing
NEAR_BUT_KM = 100  # neighbours closer than this count alike
NEIGHBOURS = 4


def distance_km(a, b):
    """Great circle between two (latitude, longitude) in degrees."""
    latitude_a, longitude_a, latitude_b, longitude_b = map(math.radians, (*a, *b))
    half = math.sin((latitude_b - latitude_a) / 2) ** 2
    half += math.cos(latitude_a) * math.cos(latitude_b) * math.sin((longitude_b - longitude_a) / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(min(1.0, half)))


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def line(points):
    """Least squares (a, b) of y = a + b x."""
    mean_x = statistics.fmean(x for x, _ in points)
    mean_y = statistics.fmean(y for _, y in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    return mean_y - slope * mean_x, slope


def line_errors(points):
    """Leave-one-out errors of `line`: residual / (1 - leverage)."""
    a, b = line(points)
    mean_x = statistics.fmean(x for x, _ in points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return [(y - a - b * x) / (1 - 1 / len(points) - (x - mean_x) ** 2 / spread) for x, y in points]


class Rtt:
    """RTT of pairs nobody measured.

    rtt-near: a measured pair whose one end is the same and whose other end is a region close by stands in, plus
    the fitted ms per km for the way between; the mean of the nearest four, weighed by 1 / (100 km + distance)^2.
    rtt-line: no such pair within 2,500 km: a straight line over the great circle.
    """

    def __init__(self, places, measured):
        self.places = places
        self.measured = measured
        self.near = {}
        points = [(self.km(*pair), rtt) for pair, rtt in sorted(measured.items())]
        self.a, self.b = line(points)
        self.line_errors = line_errors(points)
        self.peers = {}
        for pair in sorted(measured):
            for end, other in (pair, pair[::-1]):
                self.peers.setdefault(end, []).append((other, measured[pair]))

    def km(self, a, b):
        return distance_km(self.places[a], self.places[b])

    def stand_ins(self, x, y, allowed):
        """(km to y, ms) of measured pairs (x, z)."""
        result = []
        for z, rtt in self.peers.get(x, []):
            if z == y or not allowed(z):
                continue
            km = self.km(z, y)
            if km <= NEAR_KM:
                result.append((km, rtt + self.b * km))
        return result

    def estimate(self, x, y, allowed=lambda end, z: True):
        """(ms, rule)."""
        found = self.stand_ins(x, y, lambda z: allowed(x, z)) + self.stand_ins(y, x, lambda z: allowed(y, z))
        found = sorted(found)[:NEIGHBOURS]
        if not found:
            return self.a + self.b * self.km(x, y), "rtt-line"
        weights = [1 / (NEAR_BUT_KM + km) ** 2 for km, _ in found]
        return sum(w * rtt for w, (_, rtt) in zip(weights, found)) / sum(weights), "rtt-near"

    def errors(self):
        """[(measured, estimated)] of AWS-GCP pairs, each estimated from pairs inside one provider only, as a pair
        of Azure with another provider must be."""
        result = []
        for pair in sorted(self.measured):
            providers = [name.split(":")[0] for name in pair]
            if sorted(providers) != ["aws", "gcp"]:
                continue
            ms, rule = self.estimate(*pair, allowed=lambda end, z: z.split(":")[0] == end.split(":")[0])
            if rule == "rtt-near":
                result.append((self.measured[pair], ms))
        return result
