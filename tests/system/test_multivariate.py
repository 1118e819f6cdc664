"""Features together and embeddings, against numpy on the same rows (METHODS §6)."""

import json
import math
import random

import numpy as np
import pytest
import scipy.stats

import driftd
import streams

TIME = "time: {tiers: [1h], lateness: 0s, idle_timeout: 2s}\nwindows: [{length: 1h, slide: 1h}]\n"


def body(reference, mode="all", extra=""):
    return f"{TIME}models: [{{name: m, reference: {{file: \"{reference}\"}}, multivariate: {mode}, minimum_n: 50{extra}}}]\n"


def build(directory, events, *options):
    source = streams.write(directory / "train.ndjson", events)
    out = directory / "reference.json"
    driftd.run("reference", "build", "-o", out, "-m", "m", "--multivariate", *options, source)
    return out


def rows_of(store, family_metric="mmd2"):
    """{window_end_s: {metric: (value, p)}} of @features."""
    out = {}
    for end, metric, value, p, n, status in driftd.query(
            store, "SELECT window_end_s, metric, value, p_value, n, status FROM v1_results WHERE feature = '@features' AND monitor = 'multivariate'"):
        out.setdefault(end, {"n": n, "status": {}})[metric] = (value, p)
        out[end]["status"][metric] = status
    return out


# ---- what the program should say, with numpy ----

def splitmix64(state):
    mask = (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def frequencies(seed, d, sigma, count=128):
    numbers = splitmix64(seed)
    out = []
    while len(out) < count * d:
        u = ((next(numbers) >> 11) + 1) * 2.0 ** -53
        v = (next(numbers) >> 11) * 2.0 ** -53
        radius = math.sqrt(-2 * math.log(u))
        out += [radius * math.cos(2 * math.pi * v) / sigma / (2 * math.pi), radius * math.sin(2 * math.pi * v) / sigma / (2 * math.pi)]
    return np.array(out[:count * d]).astype(np.float32).astype(float).reshape(count, d) * 2 * math.pi


def features(omega, x):
    angle = x @ omega.T
    return np.hstack([np.cos(angle), np.sin(angle)]) / math.sqrt(omega.shape[0])


def mmd(omega, reference, current, model):
    a, b = features(omega, reference), features(omega, current)
    m, n = len(a), len(b)
    biased = ((a.mean(0) - b.mean(0)) ** 2).sum()
    unbiased = (m * (a.mean(0) ** 2).sum() - 1) / (m - 1) + (n * (b.mean(0) ** 2).sum() - 1) / (n - 1) - 2 * a.mean(0) @ b.mean(0)
    sigma = np.cov(a[:5000].T)
    trace, trace2 = np.trace(sigma), (sigma ** 2).sum()
    if len(a) <= 5000:
        assert model["trace"] == pytest.approx(trace, rel=1e-9)
        assert model["trace2"] == pytest.approx(trace2, rel=1e-9)
    trace, trace2 = model["trace"], model["trace2"]
    t = biased * n * m / (n + m)
    return biased, unbiased, scipy.stats.chi2.sf(t * trace / trace2, trace ** 2 / trace2)


def pca_errors(reference, current, kept=0.65):
    values, vectors = np.linalg.eigh(np.corrcoef(reference.T))
    values, vectors = values[::-1], vectors[:, ::-1]
    k = int(np.searchsorted(np.cumsum(values) / values.sum(), kept - 1e-12) + 1)
    v = vectors[:, :k]
    return [np.linalg.norm(x - x @ v @ v.T, axis=1) for x in (reference, current)] + [k]


def hotelling(a, b):
    n1, n2, d = len(a), len(b), a.shape[1]
    pooled = ((n1 - 1) * np.cov(a.T) + (n2 - 1) * np.cov(b.T)) / (n1 + n2 - 2)
    delta = a.mean(0) - b.mean(0)
    t2 = n1 * n2 / (n1 + n2) * delta @ np.linalg.solve(pooled, delta)
    f = t2 * (n1 + n2 - d - 1) / (d * (n1 + n2 - 2))
    return t2, f, scipy.stats.f.sf(f, d, n1 + n2 - d - 1)


def correlations(a, b):
    r1, r2 = np.corrcoef(a.T), np.corrcoef(b.T)
    i, j = np.triu_indices(a.shape[1], 1)
    z = (np.arctanh(r1[i, j]) - np.arctanh(r2[i, j])) / math.sqrt(1 / (len(a) - 3) + 1 / (len(b) - 3))
    p = min(1, len(z) * (2 * scipy.stats.norm.sf(np.abs(z))).min())
    return np.abs(r1 - r2).max(), np.linalg.norm(r1 - r2), p


# ---- streams ----

def correlated(rng, count, d=5, shift=0.0, missing=0.0):
    common = rng.normal(size=(count, 1))
    x = rng.normal(size=(count, d)) + 0.8 * common
    x[:, 0] += shift
    x[rng.random(x.shape) < missing] = np.nan
    return x


CITIES = ["a", "b", "c", "d"]


def events_of(x, start_ms, every_ms, prefix, cities=None):
    out = []
    for i, row in enumerate(x):
        named = {f"x{k}": (None if math.isnan(v) else float(v)) for k, v in enumerate(row)}
        if cities is not None:
            named["city"] = cities[i]
        out.append(streams.prediction(start_ms + i * every_ms, f"{prefix}-{i}", named))
    return out


def matrix(x, cities, shares):
    """What the program makes of rows: city first (names ascend), shares of categories, standardised by the reference."""
    return np.column_stack([[shares.get(c, 0.0) for c in cities], x])


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    directory = tmp_path_factory.mktemp("multivariate")
    rng = np.random.default_rng(11)
    train = correlated(rng, 4000, missing=0.02)
    train_cities = rng.choice(CITIES, len(train), p=[.5, .3, .15, .05])
    windows = [correlated(rng, 350, missing=0.02), correlated(rng, 300, shift=0.3), correlated(rng, 600)]
    cities = [rng.choice(CITIES + ["z"], len(w), p=[.4, .3, .15, .05, .1]) for w in windows]
    reference = build(directory, events_of(train, streams.START, 1000, "train", train_cities))
    events = []
    for k, (w, c) in enumerate(zip(windows, cities)):
        events += events_of(w, streams.START + streams.DAY + k * streams.HOUR, streams.HOUR // len(w), f"w{k}", c)
    store = streams.replay(directory, "all", body(reference), [streams.write(directory / "live.ndjson", events)])
    document = json.loads(reference.read_text())
    shares = {c: float((train_cities == c).mean()) for c in CITIES}
    raw = matrix(train, train_cities, shares)
    mean = np.nanmean(raw, 0)
    sd = np.sqrt(np.nansum((raw - mean) ** 2, 0) / len(raw))
    standard = lambda x, c: np.nan_to_num((matrix(x, c, shares) - mean) / sd)
    return {"store": store, "model": document["multivariate"], "reference": standard(train, train_cities), "document": document,
            "windows": [standard(w, c) for w, c in zip(windows, cities)], "rows": rows_of(store), "events": events, "directory": directory,
            "reference_path": reference}


def test_every_statistic_is_numpys(compared):
    reference, model = compared["reference"], compared["model"]
    assert model["features"] == ["city", "x0", "x1", "x2", "x3", "x4"]
    omega = frequencies(model["seed"], 6, model["bandwidth"])
    assert len(compared["rows"]) == 3
    for k, (end, row) in enumerate(sorted(compared["rows"].items())):
        current = compared["windows"][k]
        assert row["n"] == len(current)
        biased, unbiased, p = mmd(omega, reference, current, model)
        assert row["mmd2"] == (pytest.approx(unbiased, abs=1e-9), pytest.approx(p, rel=1e-6))
        assert row["mmd2_biased"][0] == pytest.approx(biased, abs=1e-9)
        before, now, components = pca_errors(reference, current)
        assert model["components"] == components
        assert row["pca_error"][0] == pytest.approx(now.mean(), rel=1e-8)
        assert row["pca_error_reference"][0] == pytest.approx(before.mean(), rel=1e-8)
        assert row["pca_error"][1] == pytest.approx(scipy.stats.ttest_ind(now, before, equal_var=False).pvalue, rel=1e-5)
        t2, f, p = hotelling(reference, current)
        assert row["hotelling_t2"] == (pytest.approx(t2, rel=1e-6), pytest.approx(p, rel=1e-5, abs=1e-30))
        assert row["hotelling_f"][0] == pytest.approx(f, rel=1e-6)
        most, frobenius, p = correlations(reference, current)
        assert row["correlation_change"] == (pytest.approx(most, rel=1e-6), pytest.approx(p, rel=1e-5))
        assert row["correlation_frobenius"][0] == pytest.approx(frobenius, rel=1e-6)


def test_bands_are_those_of_chunks(compared):
    """Ten chunks of 400 rows in the order of time: windows up to that size have a band, larger ones Welch's t."""
    reference = compared["reference"]
    before, _, _ = pca_errors(reference, reference)
    sizes = compared["model"]["chunks"]
    for level, count in enumerate([10, 20, 40]):
        means = before.reshape(count, -1).mean(1)
        assert sizes[2 * level:2 * level + 2] == [4000 / count, pytest.approx(means.std(ddof=1), rel=1e-9)]
    rows = [row for _, row in sorted(compared["rows"].items())]
    sd = sizes[1] * math.sqrt(400 / 350)
    assert rows[0]["pca_error_high"][0] == pytest.approx(before.mean() + 3 * sd, rel=1e-9)
    assert rows[0]["pca_error_low"][0] == pytest.approx(before.mean() - 3 * sd, rel=1e-9)
    assert rows[0]["pca_error_deviation"][0] == pytest.approx(abs(rows[0]["pca_error"][0] - before.mean()) / sd, rel=1e-6)
    assert rows[2]["pca_error_high"] == (None, None) and rows[2]["pca_error_deviation"][0] is not None


def test_missing_values_are_counted(compared):
    rows = [row for _, row in sorted(compared["rows"].items())]
    assert rows[0]["filled_rate"][0] == pytest.approx(0.02 * 5 / 6, abs=0.006)
    assert rows[1]["filled_rate"][0] == 0 and rows[1]["empty_rate"][0] == 0
