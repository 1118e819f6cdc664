"""Data quality end to end (METHODS §10): rows per feature against numpy and scipy, names of what is unseen, facts about the schema, outliers; the
same bytes for any order and number of workers, after kills, and late events in revisions."""

import collections
import math
import random

import numpy
import pytest
import scipy.stats

import driftd
import streams
from streams import HOUR, MINUTE, START

BODY = """time: {tiers: [15m, 2h, 1d], lateness: 1h}
windows: [{length: 2h, slide: 15m}, {length: 8h, slide: 2h}, {length: 1d, slide: 1d}]
models: [{name: m, reference: {file: "REFERENCE"}}]
"""
DAY_END = (START + 86_400_000) // 1000
N_REFERENCE, N = 6000, 1440
VIEWS = ("results", "v1_unseen", "v1_categories")


def values(rng, current):
    row = {"x": rng.gauss(0, 1), "heavy": rng.lognormvariate(0, 2), "steps": rng.randrange(6), "zero": rng.expovariate(1) if rng.random() < 0.3 else 0.0,
           "city": rng.choice("abcdef"), "flag": rng.random() < 0.3, "embedding": [1.0, 2.0], "gone": rng.gauss(0, 1), "typed": rng.gauss(0, 1),
           "stuck": rng.gauss(5, 1), "holes": rng.gauss(0, 1) if rng.random() > 0.02 else None}
    if current:
        del row["gone"]
        row["typed"] = str(row["typed"])
        row["stuck"] = 4.75
        row["holes"] = None if rng.random() < 0.08 else row["holes"]
        row["city"] = f"place-{rng.randrange(90)}" if rng.random() < 0.2 else row["city"]
        if rng.random() < 0.05:
            row["added"] = 1
        if rng.random() < 0.01:
            row["also_added"] = "text"
    return row


rng = random.Random(20260302)
REFERENCE = [values(rng, False) for _ in range(N_REFERENCE)]
CURRENT = [values(rng, True) for _ in range(N)]


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    directory = tmp_path_factory.mktemp("quality")
    training = [streams.prediction(START - 10**9 + i, i, row, score=0.5) for i, row in enumerate(REFERENCE)]
    driftd.run("reference", "build", "-o", directory / "r.json", "-n", "training", "-m", "m", streams.write(directory / "t.ndjson", training))
    return BODY.replace("REFERENCE", str(directory / "r.json"))


@pytest.fixture(scope="module")
def events():
    return [streams.prediction(START + i * MINUTE, i, row, score=0.5) for i, row in enumerate(CURRENT)]


@pytest.fixture(scope="module")
def store(tmp_path_factory, body, events):
    directory = tmp_path_factory.mktemp("store")
    return streams.replay(directory, "s", body, [streams.write(directory / "e.ndjson", events)])


@pytest.fixture(scope="module")
def found(store):
    keys = ("value", "n", "p_value", "ci_low", "ci_high", "state", "monitor")
    return {(row[0], row[1]): dict(zip(keys, row[2:])) for row in driftd.query(
        store, f"SELECT feature, metric, {', '.join(keys)} FROM v1_results WHERE window_s = 86400 AND window_end_s = ?", DAY_END)}


def newcombe(k, n, K, M, z=1.959963984540054):
    def wilson(k, n):
        middle, half = (k + z * z / 2) / (n + z * z), z * math.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
        return middle - half, middle + half
    (l1, u1), (l2, u2), p1, p2 = wilson(k, n), wilson(K, M), k / n, K / M
    return p1 - p2 - math.hypot(p1 - l1, u2 - p2), p1 - p2 + math.hypot(u1 - p1, p2 - l2)


def test_rates_have_intervals(found):
    missing, before = sum(row["holes"] is None for row in CURRENT), sum(row["holes"] is None for row in REFERENCE)
    row = found["holes", "missing_change"]
    assert row["value"] == pytest.approx(missing / N - before / N_REFERENCE)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(newcombe(missing, N, before, N_REFERENCE), rel=1e-9)
    pooled = (missing + before) / (N + N_REFERENCE)
    z = (missing / N - before / N_REFERENCE) / math.sqrt(pooled * (1 - pooled) * (1 / N + 1 / N_REFERENCE))
    assert row["p_value"] == pytest.approx(2 * scipy.stats.norm.sf(abs(z)), rel=1e-6)
    unseen = sum(row["city"].startswith("place") for row in CURRENT)
    assert found["city", "unseen_change"]["value"] == pytest.approx(unseen / N)


def test_out_of_range_is_beta_binomial(found):
    x, before = numpy.array([row["x"] for row in CURRENT]), numpy.array([row["x"] for row in REFERENCE])
    outside = int(((x < before.min()) | (x > before.max())).sum())
    want = scipy.stats.betabinom.sf(outside - 1, N, 2, N_REFERENCE - 1)
    assert found["x", "out_of_range_change"]["p_value"] == pytest.approx(min(want, 1), rel=1e-6)


@pytest.mark.parametrize("feature", ["x", "heavy", "steps", "zero"])
def test_quantiles(found, feature):
    now = [row[feature] for row in CURRENT]
    for metric, q in (("p05", 0.05), ("p50", 0.5), ("p95", 0.95)):
        row, exact = found[feature, metric], float(numpy.quantile(now, q, method="inverted_cdf"))
        assert row["ci_low"] <= exact <= row["ci_high"] and row["ci_low"] <= row["value"] <= row["ci_high"]
        if feature == "steps":
            assert row["value"] == exact
    width = found[feature, "p50"]["ci_high"] - found[feature, "p50"]["ci_low"]
    assert width <= 0.2 * float(numpy.std([row[feature] for row in REFERENCE]))


def test_facts(found):
    """Immediate, deterministic, and only where they are true."""
    facts = {(feature, metric) for (feature, metric), row in found.items()
             if metric in ("stuck", "type_changed", "field_removed", "unknown_fields") and row["state"] == "critical"}
    assert facts == {("stuck", "stuck"), ("typed", "type_changed"), ("gone", "field_removed"), ("@fields", "unknown_fields"), ("@score", "stuck")} \
        - {("@score", "stuck")}  # a constant score is no news: the reference's was
    with_new = sum("added" in row or "also_added" in row for row in CURRENT)
    assert found["@fields", "unknown_field_rate"]["value"] == pytest.approx(with_new / N)
    assert found["typed", "other_type_rate"]["value"] == 1 and found["flag", "other_type_rate"]["value"] == 0
    assert {row["monitor"] for (_, metric), row in found.items() if metric in ("stuck", "outlier_rate", "unknown_fields")} == {"quality"}


def test_names_of_what_is_unseen(store):
    counts = collections.Counter(row["city"] for row in CURRENT if row["city"].startswith("place"))
    rows = driftd.query(store, "SELECT name, count, rank FROM v1_unseen WHERE model = 'm' AND feature = 'city' AND window_s = 86400"
                               " AND window_end_s = ? ORDER BY rank", DAY_END)
    assert len(rows) == min(32, len(counts)) and [row[2] for row in rows] == list(range(1, len(rows) + 1))
    assert all(counts[name] == count for name, count, _ in rows)
    fields = dict(driftd.query(store, "SELECT name, count FROM v1_unseen WHERE feature = '@fields' AND window_s = 86400 AND window_end_s = ?", DAY_END))
    assert fields == {"added": sum("added" in row for row in CURRENT), "also_added": sum("also_added" in row for row in CURRENT)}


def test_names_of_sliding_windows(store):
    """Every two-hour window names what its own events had, though panes leave it."""
    for end in range(START + 3 * HOUR, START + 20 * HOUR, 75 * MINUTE):
        inside = CURRENT[(end - 2 * HOUR - START) // MINUTE:(end - START) // MINUTE]
        counts = collections.Counter(row["city"] for row in inside if row["city"].startswith("place"))
        rows = dict(driftd.query(store, "SELECT name, count FROM v1_unseen WHERE feature = 'city' AND window_s = 7200 AND window_end_s = ?", end // 1000))
        assert len(counts) <= 32 and rows == dict(counts)


def test_top_categories(store):
    counts = collections.Counter(row["city"] for row in CURRENT if not row["city"].startswith("place"))
    rows = driftd.query(store, "SELECT name, share FROM v1_categories WHERE feature = 'city' AND window_s = 86400 AND window_end_s = ? ORDER BY rank", DAY_END)
    assert [share for _, share in rows] == pytest.approx([count / N for _, count in counts.most_common(5)])
    assert all(counts[name] / N == pytest.approx(share) for name, share in rows)


def test_outliers(tmp_path, body):
    """A quiet day has about 1 %; a day in which one event of ten is far away in three of eleven features has ten more."""
    rng = random.Random(5)
    rows = [values(rng, False) for _ in range(2 * N)]
    for i in range(N, 2 * N, 10):
        for feature in ("x", "stuck", "typed"):
            rows[i][feature] += 40
    events = [streams.prediction(START + i * MINUTE, i, row, score=0.5) for i, row in enumerate(rows)]
    store = streams.replay(tmp_path, "s", body, [streams.write(tmp_path / "e.ndjson", events)])
    got = {(end, metric): (value, low, high, p, state) for end, metric, value, low, high, p, state in driftd.query(
        store, "SELECT window_end_s, metric, value, ci_low, ci_high, p_value, state FROM v1_results"
               " WHERE feature = '@outliers' AND window_s = 86400 AND window_end_s IN (?, ?)", DAY_END, DAY_END + 86400)}
    quiet, loud = got[DAY_END, "outlier_rate"], got[DAY_END + 86400, "outlier_rate"]
    assert 0.002 < quiet[0] < 0.02 and quiet[3] > 0.001 and got[DAY_END, "outlier_rate_delta"][4] == "ok"
    assert loud[0] > 0.06 and loud[1] < loud[0] < loud[2] and loud[3] < 1e-9
    assert got[DAY_END + 86400, "outlier_rate_delta"][4] == "critical"


@pytest.mark.parametrize("workers,files", [(1, 1), (2, 2), (4, 4)])
def test_same_bytes(tmp_path, body, events, store, workers, files):
    """Shuffled within the lateness, dealt to files, any number of workers."""
    paths = streams.scattered(tmp_path, events, files, random.Random(workers), 50 * MINUTE)
    other = streams.replay(tmp_path, "s", body, paths, workers=workers)
    assert driftd.difference(driftd.canonical(store, VIEWS), driftd.canonical(other, VIEWS)) == ""


def test_kills(tmp_path, body, events, store):
    path, file = tmp_path / "k.db", streams.write(tmp_path / "e.ndjson", events)
    config = streams.config(tmp_path / "k.yaml", path, body)
    assert streams.killed(config, path, [file], seed=3, times=8) >= 4
    assert driftd.difference(driftd.canonical(store, VIEWS), driftd.canonical(path, VIEWS)) == ""


def test_late_names_are_revised(tmp_path, body, events, store):
    """Events that come hours late are in the names of a later revision."""
    late = [event for i, event in enumerate(events) if i % 40 == 7]
    rest = [event for i, event in enumerate(events) if i % 40 != 7]
    other = streams.replay(tmp_path, "s", body.replace("lateness: 1h", "lateness: 1h, horizon: 2d"), [streams.write(tmp_path / "e.ndjson", rest + late)])
    assert streams.fates(other)["late", ""] > 0
    sql = "SELECT window_s, window_end_s, feature, name, count FROM v1_unseen ORDER BY 1, 2, 3, 4"
    assert driftd.query(other, sql) == driftd.query(store, sql)


def test_no_names_without_anything_unseen(tmp_path, body):
    rng = random.Random(9)
    events = [streams.prediction(START + i * MINUTE, i, values(rng, False), score=0.5) for i in range(200)]
    store = streams.replay(tmp_path, "s", body, [streams.write(tmp_path / "e.ndjson", events)])
    assert driftd.query(store, "SELECT count(*) FROM v1_unseen") == [(0,)]
    assert driftd.query(store, "SELECT count(*) FROM pane WHERE family = 20") == [(0,)]


VOLUME_BODY = """time: {tiers: [30m, 1h, 1d], lateness: 10m}
windows: [{length: 6h, slide: 1h}]
models: [{name: m, reference: none}]
"""


@pytest.fixture(scope="module")
def weeks():
    """Five weeks by the hour: busy days, quiet nights, nothing from one to four; in the last week one hour tenfold, and then six hours of nothing."""
    rng, counts = random.Random(11), {}
    for hour in range(5 * 168):
        of_day = hour % 24
        counts[hour] = 0 if 1 <= of_day < 4 else rng.randrange(2, 7) + (8 if 8 <= of_day < 20 else 0)
    counts[4 * 168 + 60] *= 10
    for hour in range(4 * 168 + 82, 4 * 168 + 88):
        counts[hour] = 0
    events = [streams.prediction(START + hour * HOUR + i * (HOUR // (count + 1)), f"{hour}-{i}", {"x": 1.0}) for hour, count in counts.items() for i in range(count)]
    return counts, events


@pytest.fixture(scope="module")
def weeks_store(tmp_path_factory, weeks):
    directory = tmp_path_factory.mktemp("weeks")
    return streams.replay(directory, "s", VOLUME_BODY, [streams.write(directory / "e.ndjson", weeks[1])])


def test_volume_against_the_same_hour_of_the_week(weeks, weeks_store):
    counts = weeks[0]
    expected, z, stale, empty = (streams.values(weeks_store, metric, feature="@activity") for metric in ("volume_expected", "volume_z", "stale", "empty_panes"))
    at = lambda found, hour: found.get((START // 1000 + (hour + 1) * 3600, "@activity"))
    assert at(z, 200) is None and at(expected, 2 * 168 - 1) is None  # before two weeks: silence
    for hour in (2 * 168 + 9, 3 * 168 + 20, 4 * 168 + 60, 5 * 168 - 1):
        before = [counts[hour - k * 168] for k in range(1, 5) if hour - k * 168 >= 0]
        assert at(expected, hour) == pytest.approx(numpy.mean(before))
    assert at(z, 4 * 168 + 60) > 8 and abs(at(z, 4 * 168 + 61)) < 4
    assert at(empty, 4 * 168 + 51) == 3  # 01:00 to 04:00
    assert at(stale, 4 * 168 + 51) == 0 and at(empty, 4 * 168 + 86) == 5 and at(stale, 4 * 168 + 86) == 1


def test_volume_survives_kills(tmp_path, weeks, weeks_store):
    """Five weeks of counts are in the coarsest panes: a run that starts in the midst says the same."""
    path, file = tmp_path / "k.db", streams.write(tmp_path / "e.ndjson", weeks[1])
    config = streams.config(tmp_path / "k.yaml", path, VOLUME_BODY)
    assert streams.killed(config, path, [file], seed=4, times=8) >= 4
    assert driftd.difference(driftd.canonical(weeks_store, VIEWS), driftd.canonical(path, VIEWS)) == ""
