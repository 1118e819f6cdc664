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


MASK = (1 << 64) - 1


def hash64(text, seed):
    """agent/base/hash.h: the order of a sample's rows."""
    k0, k1, raw = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, text.encode()
    word = lambda at: int.from_bytes(raw[at:at + 8], "little")
    fold = lambda a, b: (a * b & MASK) ^ (a * b >> 64)
    state, at = seed ^ k0, 0
    while len(raw) - at >= 16:
        state = fold(word(at) ^ state ^ k1, word(at + 8) ^ k0) ^ state
        at += 16
    if len(raw) - at >= 8:
        state = fold(word(at) ^ state, k1) ^ (state >> 32)
        at += 8
    x = fold(int.from_bytes(raw[at:], "little") ^ k0, state ^ k1 ^ len(raw)) ^ state
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> shift)) * factor & MASK
    return x ^ (x >> 31)


def held_out(events):
    """Every other row in the order of hashes: errors are those of rows that made no components."""
    order = np.argsort([hash64(e["id"], 0x5A3B1E0C49D7F286) for e in events])
    held = np.zeros(len(events), dtype=bool)
    held[order[1::2]] = True
    return held


def pca_errors(reference, current, held, kept=0.65):
    values, vectors = np.linalg.eigh(np.corrcoef(reference[~held].T))
    values, vectors = values[::-1], vectors[:, ::-1]
    k = int(np.searchsorted(np.cumsum(values) / values.sum(), kept - 1e-12) + 1)
    v = vectors[:, :k]
    return [np.linalg.norm(x - x @ v @ v.T, axis=1) for x in (reference[held], current)] + [k]


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
    windows = [correlated(rng, 180, missing=0.02), correlated(rng, 300, shift=0.3), correlated(rng, 600)]
    cities = [rng.choice(CITIES + ["z"], len(w), p=[.4, .3, .15, .05, .1]) for w in windows]
    train_events = events_of(train, streams.START, 1000, "train", train_cities)
    reference = build(directory, train_events)
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
            "reference_path": reference, "held": held_out(train_events)}


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
        before, now, components = pca_errors(reference, current, compared["held"])
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
    """Ten chunks of 200 rows in the order of time: windows up to that size have a band, larger ones Welch's t."""
    reference = compared["reference"]
    before, _, _ = pca_errors(reference, reference, compared["held"])
    sizes = compared["model"]["chunks"]
    for level, count in enumerate([10, 20, 40, 80]):
        means = before.reshape(count, -1).mean(1)
        assert sizes[2 * level:2 * level + 2] == [2000 / count, pytest.approx(means.std(ddof=1), rel=1e-9)]
    rows = [row for _, row in sorted(compared["rows"].items())]
    sd = sizes[1] * math.sqrt(200 / 180)
    assert rows[0]["pca_error_high"][0] == pytest.approx(before.mean() + 3 * sd, rel=1e-9)
    assert rows[0]["pca_error_low"][0] == pytest.approx(before.mean() - 3 * sd, rel=1e-9)
    assert rows[0]["pca_error_deviation"][0] == pytest.approx(abs(rows[0]["pca_error"][0] - before.mean()) / sd, rel=1e-6)
    assert rows[2]["pca_error_high"] == (None, None) and rows[2]["pca_error_deviation"][0] is not None


def test_missing_values_are_counted(compared):
    rows = [row for _, row in sorted(compared["rows"].items())]
    assert rows[0]["filled_rate"][0] == pytest.approx(0.02 * 5 / 6, abs=0.006)
    assert rows[1]["filled_rate"][0] == 0 and rows[1]["empty_rate"][0] == 0


def test_same_bytes(compared, tmp_path):
    """Shuffled over four files, 1, 2 and 4 workers, every event or one of 16."""
    rng = random.Random(3)
    time = TIME.replace("lateness: 0s", "lateness: 30m")
    for mode in ("all", "sampled"):
        text = body(compared["reference_path"], mode).replace(TIME, time)
        first = driftd.canonical(streams.replay(tmp_path, f"{mode}-first", text, [streams.write(tmp_path / "in.ndjson", compared["events"])]))
        assert any("'multivariate'" in row for row in first["results"])
        for workers in (1, 2, 4):
            files = streams.scattered(tmp_path, compared["events"], 4, rng, 1_700_000)
            store = streams.replay(tmp_path, f"{mode}-{workers}", text, files, workers)
            assert driftd.difference(first, driftd.canonical(store)) == ""


def test_one_of_sixteen(compared, tmp_path):
    store = streams.replay(tmp_path, "sampled", body(compared["reference_path"], "sampled"),
                           [streams.write(tmp_path / "in.ndjson", compared["events"])])
    counted = [row["n"] for row in rows_of(store).values()]
    assert 30 <= sum(counted) <= 130 and sum(counted) != 1080
    assert all(status == "insufficient" for row in rows_of(store).values() if row["n"] < 50
               for metric, status in row["status"].items() if metric == "mmd2")


def test_kills(compared, tmp_path):
    """kill -9 at random moments; what is stored of panes goes on."""
    live = streams.write(tmp_path / "in.ndjson", [dict(e, id=f"{e['id']}-{k}") for e in compared["events"] for k in range(40)])
    text = body(compared["reference_path"]).replace("length: 1h, slide: 1h", "length: 2h, slide: 1h")
    whole = driftd.canonical(streams.replay(tmp_path, "whole", text, [live], commit="100ms", merge="10ms"))
    store = tmp_path / "killed.db"
    config = streams.config(tmp_path / "killed.yaml", store, text)
    assert streams.killed(config, store, [live], seed=5, times=8) >= 2
    assert driftd.difference(whole, driftd.canonical(store)) == ""


def test_a_reference_without_it_is_named(compared, tmp_path):
    reference = tmp_path / "plain.json"
    driftd.run("reference", "build", "-o", reference, "-m", "m", compared["directory"] / "train.ndjson")
    config = streams.config(tmp_path / "c.yaml", tmp_path / "c.db", body(reference))
    done = driftd.run("replay", "-c", config, streams.write(tmp_path / "in.ndjson", compared["events"][:50]))
    assert "--multivariate" in done.stdout + done.stderr


def test_off_costs_and_stores_nothing(compared, tmp_path):
    files = [streams.write(tmp_path / "in.ndjson", compared["events"])]
    store = streams.replay(tmp_path, "off", body(compared["reference_path"], "off"), files)
    assert rows_of(store) == {}
    assert driftd.query(store, "SELECT count(*) FROM v1_results WHERE monitor = 'drift'")[0][0] > 0


def test_a_capture_learns_it_too(tmp_path):
    """Without a file: the captured sample gives the same reference for any order of arrival."""
    rng = np.random.default_rng(5)
    x = correlated(rng, 3000)
    events = events_of(x, streams.START, 7_000, "e")
    for event, vector in zip(events, rng.normal(size=(3000, 8)) + 1):
        event["features"]["text"] = vector.tolist()
    text = f"{TIME}models: [{{name: m, reference: {{capture: {{duration: 2h, minimum_events: 500}}}}, multivariate: all, minimum_n: 50}}]\n"
    text = text.replace("lateness: 0s", "lateness: 30m")
    first = streams.replay(tmp_path, "a", text, [streams.write(tmp_path / "a.ndjson", events)])
    second = streams.replay(tmp_path, "b", text, streams.scattered(tmp_path, events, 1, random.Random(1), 1_700_000), workers=2)
    assert driftd.difference(driftd.canonical(first), driftd.canonical(second)) == ""
    document = json.loads(driftd.query(first, "SELECT json FROM v1_baselines")[0][0])
    assert document["multivariate"]["features"] == [f"x{k}" for k in range(5)]
    assert document["embeddings"]["text"]["dimension"] == 8
    assert len(rows_of(first)) >= 2
    assert driftd.query(first, "SELECT count(*) FROM v1_results WHERE feature = 'text' AND metric = 'embedding_mmd2' AND value IS NOT NULL")[0][0] >= 2


def test_reconstruction_is_fair_when_nothing_correlates(tmp_path):
    """Components fitted to noise reconstruct their own rows better than any new ones: errors to expect must be those of
    other rows, or every large window would be a drift."""
    rng = np.random.default_rng(29)
    make = lambda count: rng.normal(size=(count, 20))
    reference = build(tmp_path, events_of(make(4000), streams.START, 100, "train"))
    events = []
    for k in range(12):
        events += events_of(make(4000), streams.START + streams.DAY + k * streams.HOUR, streams.HOUR // 4000, f"w{k}")
    store = streams.replay(tmp_path, "live", body(reference), [streams.write(tmp_path / "live.ndjson", events)])
    p = [row["pca_error"][1] for row in rows_of(store).values()]
    assert len(p) == 12 and min(p) > 1e-3


def test_size_without_drift_and_power(tmp_path):
    """200 windows of the reference's own distribution: each test rejects at 5 % in 2–9 % of them. Then the sign of one
    correlation flips, which no marginal distribution shows."""
    rng = np.random.default_rng(17)
    windows, n, d = 200, 250, 4
    reference = build(tmp_path, events_of(correlated(rng, 10_000, d), streams.START, 100, "train"))
    events = []
    for k in range(windows + 10):
        x = correlated(rng, n, d)
        if k >= windows:
            x[:, 1] = -x[:, 1]
        events += events_of(x, streams.START + streams.DAY + k * streams.HOUR, streams.HOUR // n, f"w{k}")
    store = streams.replay(tmp_path, "size", body(reference), [streams.write(tmp_path / "live.ndjson", events)])
    rows = [row for _, row in sorted(rows_of(store).items())]
    assert len(rows) == windows + 10
    size = {metric: np.mean([row[metric][1] < 0.05 for row in rows[:windows]])
            for metric in ("mmd2", "pca_error", "hotelling_t2", "correlation_change", "pca_tail_rate_change")}
    for metric in ("mmd2", "pca_error", "hotelling_t2", "correlation_change"):
        assert 0.02 <= size[metric] <= 0.09, size
    outside = np.mean([not row["pca_error_low"][0] <= row["pca_error"][0] <= row["pca_error_high"][0] for row in rows[:windows]])
    assert outside <= 0.03
    for row in rows[windows:]:
        assert row["mmd2"][1] < 1e-3 and row["correlation_change"][1] < 1e-10 and row["correlation_change"][0] > 0.5
        assert row["hotelling_t2"][1] > 1e-4  # means did not move
    assert np.mean([row["pca_error_deviation"][0] for row in rows[windows:]]) > 2  # the weakest of them here
    marginals = driftd.query(store, "SELECT max(value) FROM v1_results WHERE metric = 'ks' AND window_end_s > ?",
                             (streams.START + streams.DAY + windows * streams.HOUR) // 1000)
    assert marginals[0][0] < 0.15


# ---- embeddings ----

def unit(x):
    x = np.asarray(x, dtype=np.float32).astype(float)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def vector_events(x, start_ms, every_ms, prefix):
    return [streams.prediction(start_ms + i * every_ms, f"{prefix}-{i}", {"vector": v if isinstance(v, list) else v.tolist(), "x": i % 7})
            for i, v in enumerate(x)]


def embedding_rows(store):
    out = {}
    for end, metric, value, p, n, status in driftd.query(
            store, "SELECT window_end_s, metric, value, p_value, n, status FROM v1_results WHERE feature = 'vector' AND monitor = 'multivariate'"):
        out.setdefault(end, {"n": n})[metric] = (value, p, status)
    return [row for _, row in sorted(out.items())]


def test_embeddings_are_numpys(tmp_path):
    rng = np.random.default_rng(23)
    d = 48
    direction = rng.normal(size=d)
    make = lambda count, turn=0.0: rng.normal(size=(count, d)) + direction + turn * np.eye(d)[0] * 4
    train, windows = make(3000), [make(400), make(400, 0.5)]
    reference = build(tmp_path, vector_events(train, streams.START, 1000, "train"))
    model = json.loads(reference.read_text())["embeddings"]["vector"]
    assert model["dimension"] == d
    events = []
    for k, w in enumerate(windows):
        odd = [[1.0] * (d - 1), [0.0] * d, [1e39] * d, []] if k == 0 else []
        events += vector_events(list(w) + odd, streams.START + streams.DAY + k * streams.HOUR, streams.HOUR // (len(w) + 4), f"w{k}")
    events.append(streams.prediction(streams.START + streams.DAY + 1, "none", {"x": 1}))
    events.append(streams.prediction(streams.START + streams.DAY + 2, "text", {"x": 1, "vector": "no"}))
    store = streams.replay(tmp_path, "live", body(reference), [streams.write(tmp_path / "live.ndjson", events)])
    rows = embedding_rows(store)
    omega = frequencies(model["seed"], d, model["bandwidth"])
    before = unit(train)
    for row, window in zip(rows, windows):
        now = unit(window)
        assert row["n"] == 400
        biased, unbiased, p = mmd(omega, before, now, model)
        assert row["embedding_mmd2"][0] == pytest.approx(unbiased, abs=1e-9)
        assert row["embedding_mmd2"][1] == pytest.approx(p, rel=1e-6, abs=1e-300)
        a, b = before.mean(0), now.mean(0)
        assert row["centroid_cosine"][0] == pytest.approx(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-10)
        assert row["centroid_euclidean"][0] == pytest.approx(np.linalg.norm(a - b), abs=1e-10)
        # Limits: 99.9 % of the distances of random blocks of 400 rows of the reference, drawn here with another generator.
        draws = [np.stack([before[rng.integers(0, len(before), 400)].mean(0) for _ in range(4000)]) for _ in range(2)]
        apart = np.quantile(np.linalg.norm(draws[0] - draws[1], axis=1), 0.999)
        turned = np.quantile(1 - (draws[0] * draws[1]).sum(1) / np.linalg.norm(draws[0], axis=1) / np.linalg.norm(draws[1], axis=1), 0.999)
        assert row["centroid_euclidean_limit"][0] == pytest.approx(apart, rel=0.06)
        assert row["centroid_cosine_limit"][0] == pytest.approx(turned, rel=0.15)
        for name in ("centroid_euclidean", "centroid_cosine"):
            assert row[name + "_excess"][0] == pytest.approx(row[name][0] / row[name + "_limit"][0], rel=1e-12)
            assert (row[name + "_excess"][0] > 1) == (row is rows[1])
    assert rows[0]["embedding_mmd2"][1] > 1e-3 and rows[1]["embedding_mmd2"][1] < 1e-6
    assert rows[0]["embedding_invalid_rate"][0] == pytest.approx(4 / 406)
    assert rows[0]["embedding_missing_rate"][0] == pytest.approx(1 / 406)
    assert rows[0]["embedding_zero_rate"][0] == pytest.approx(1 / 401)
    assert rows[1]["embedding_invalid_rate"][0] == 0


# ---- nothing to compare ----

def degenerate(directory, train, live, **more):
    directory.mkdir()
    reference = build(directory, train)
    store = streams.replay(directory, "live", body(reference, **more), [streams.write(directory / "live.ndjson", live)])
    values = driftd.query(store, "SELECT metric, value, status FROM v1_results WHERE monitor = 'multivariate'")
    assert all(value is None or math.isfinite(value) for _, value, _ in values)
    return {metric: (value, status) for metric, value, status in values}, json.loads(reference.read_text())


LIVE = streams.START + streams.DAY


def test_degenerate_inputs(tmp_path):
    rng = np.random.default_rng(2)
    one = events_of(correlated(rng, 1), LIVE, 1000, "one")
    many = events_of(correlated(rng, 300), LIVE, 1000, "many")
    train = events_of(correlated(rng, 500), streams.START, 1000, "train")
    rows, _ = degenerate(tmp_path / "one event", train, one)
    assert rows["mmd2"] == (None, "insufficient") and rows["correlation_change"] == (None, "insufficient")

    constant = [streams.prediction(streams.START + i, f"c{i}", {"a": 1.0, "b": 5}) for i in range(400)]
    same = [streams.prediction(LIVE + i, f"d{i}", {"a": 1.0, "b": 5}) for i in range(400)]
    rows, document = degenerate(tmp_path / "constant", constant, same)
    assert "components" not in document["multivariate"]
    assert rows["mmd2_biased"][0] == pytest.approx(0, abs=1e-12) and rows["pca_error"] == (None, "undefined")
    assert rows["correlation_change"] == (None, "undefined")

    half = [streams.prediction(LIVE + i, f"h{i}", {"x0": 0.1, "x1": rng.normal()}) for i in range(400)]
    rows, _ = degenerate(tmp_path / "constant column", train, half)
    assert rows["filled_rate"][0] == pytest.approx(3 / 5) and rows["correlation_change"] == (None, "undefined")

    nothing = [streams.prediction(LIVE + i, f"n{i}", {f"x{k}": None for k in range(5)}) for i in range(400)]
    rows, _ = degenerate(tmp_path / "all missing", train, nothing)
    assert rows["empty_rate"][0] == 1 and rows["mmd2"][0] is None and rows["filled_rate"][0] is None

    text = [streams.prediction(streams.START + i, f"s{i}", {}, score=i / 400) for i in range(400)]
    rows, document = degenerate(tmp_path / "no features", text, many)
    assert rows == {} and "multivariate" not in document

    far = [streams.prediction(LIVE + i, f"f{i}", {f"x{k}": 1e300 * (-1) ** (i * k) for k in range(5)}) for i in range(400)]
    rows, _ = degenerate(tmp_path / "far", train, far)
    assert rows["mmd2"][1] == "ok" and rows["pca_error"][0] > 50

    rows, _ = degenerate(tmp_path / "a single reference row", train[:2], many)
    assert rows["mmd2"][1] == "insufficient"
