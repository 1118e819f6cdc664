"""Data quality of segments end to end (METHODS §10): rows against numpy and scipy per segment, by its own reference where that knows it and by the
whole model's where not; facts, names, degenerate segments; the same bytes for any order and number of workers, and after kills."""

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
windows: [{length: 2h, slide: 15m}, {length: 1d, slide: 1d}]
models: [{name: m, reference: {file: "REFERENCE"}, task: none}]
"""
DAY_END = (START + 86_400_000) // 1000
VIEWS = ("results", "v1_unseen", "v1_categories")
N_REFERENCE, N = 6000, 2880
FACTS = ("stuck", "type_changed", "field_removed")


def values(rng, segment):
    """`constant` says one thing in channel=web, `typed` is text in channel=old: neither is a fault, the reference has it so."""
    return {"x": rng.gauss({"app": 1, "web": -1}.get(segment, 0), 1), "steps": rng.randrange(6), "holes": rng.gauss(0, 1) if rng.random() > 0.02 else None,
            "typed": rng.gauss(0, 1) if segment != "old" else "text", "stuck": rng.gauss(5, 1), "gone": rng.expovariate(1),
            "city": rng.choice("abcdef"), "constant": "here" if segment == "web" else rng.choice(["here", "there", "elsewhere"])}


def faulty(rng, segment):
    """Everything goes wrong in channel=app, and in no other."""
    row = values(rng, segment)
    if segment == "new":
        row["constant"], row["stuck"] = "here", 4.75
        del row["gone"]
    if segment == "void":
        return {name: None for name in row}
    if segment != "app":
        return row
    row["holes"] = None if rng.random() < 0.1 else row["holes"]
    row["typed"] = str(row["typed"]) if rng.random() < 0.9 else row["typed"]
    row["stuck"] = 4.75
    row["city"] = f"place-{rng.randrange(9)}" if rng.random() < 0.2 else row["city"]
    row["x"] += 2
    del row["gone"]
    return row


def of_segments(rng, count, make, weights):
    segments = rng.choices(list(weights), list(weights.values()), k=count)
    return [(segment, make(rng, segment)) for segment in segments]


rng = random.Random(20260501)
REFERENCE = of_segments(rng, N_REFERENCE, values, {"web": 60, "app": 30, "old": 10, "few": 0.1})
CURRENT = of_segments(rng, N, faulty, {"web": 50, "app": 30, "old": 10, "new": 9, "few": 0.5, "void": 0.5}) + [("one", values(rng, "one"))]


def own(rows, segment):
    return [row for name, row in rows if name == segment]


def whole(rows):
    return [row for _, row in rows]


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    directory = tmp_path_factory.mktemp("segment-quality")
    training = [streams.prediction(START - 10**9 + i, i, row, segments={"channel": segment}) for i, (segment, row) in enumerate(REFERENCE)]
    driftd.run("reference", "build", "-o", directory / "r.json", "-n", "training", "-m", "m", streams.write(directory / "t.ndjson", training))
    return BODY.replace("REFERENCE", str(directory / "r.json"))


@pytest.fixture(scope="module")
def events():
    return [streams.prediction(START + i * MINUTE // 2 - 1 if i == N else START + i * MINUTE // 2, i, row, segments={"channel": segment})
            for i, (segment, row) in enumerate(CURRENT)]


@pytest.fixture(scope="module")
def store(tmp_path_factory, body, events):
    directory = tmp_path_factory.mktemp("store")
    return streams.replay(directory, "s", body, [streams.write(directory / "e.ndjson", events)])


@pytest.fixture(scope="module")
def found(store):
    """By segment, feature and metric, of the day."""
    keys = ("value", "n", "reference_n", "p_value", "ci_low", "ci_high", "state", "status", "monitor")
    return {(row[0], row[1], row[2]): dict(zip(keys, row[3:])) for row in driftd.query(
        store, f"SELECT substr(segment, 9), feature, metric, {', '.join(keys)} FROM v1_results WHERE window_s = 86400 AND window_end_s = ?", DAY_END)}


def newcombe(k, n, K, M, z=1.959963984540054):
    def wilson(k, n):
        middle, half = (k + z * z / 2) / (n + z * z), z * math.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
        return middle - half, middle + half
    (l1, u1), (l2, u2), p1, p2 = wilson(k, n), wilson(K, M), k / n, K / M
    return p1 - p2 - math.hypot(p1 - l1, u2 - p2), p1 - p2 + math.hypot(u1 - p1, p2 - l2)


def p_of(k, n, K, M):
    pooled = (k + K) / (n + M)
    if min(pooled, 1 - pooled) * min(n, M) < 5:
        return scipy.stats.fisher_exact([[k, n - k], [K, M - K]])[1]
    z = (k / n - K / M) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / M))
    return 2 * scipy.stats.norm.sf(abs(z))


BASELINES = [("web", "web"), ("app", "app"), ("old", "old"), ("new", None), ("few", None)]  # None: the whole model's, 20 events are needed


@pytest.mark.parametrize("segment,known", BASELINES)
def test_rates_against_the_right_reference(found, segment, known):
    now, before = own(CURRENT, segment), own(REFERENCE, known) if known else whole(REFERENCE)
    k, K = sum(row["holes"] is None for row in now), sum(row["holes"] is None for row in before)
    n, M = len(now), len(before)
    row = found[segment, "holes", "missing_change"]
    assert (row["n"], row["reference_n"]) == (n - k, M - K) and row["monitor"] == "quality"
    assert row["value"] == pytest.approx(k / n - K / M) and row["p_value"] == pytest.approx(p_of(k, n, K, M), rel=1e-6)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(newcombe(k, n, K, M), rel=1e-9)
    text, before_text = (sum(isinstance(row["typed"], str) for row in rows) for rows in (now, before))
    assert found[segment, "typed", "invalid_change"]["value"] == pytest.approx(text / n - before_text / M)
    unseen = sum(row["city"].startswith("place") for row in now)
    assert found[segment, "city", "unseen_change"]["value"] == pytest.approx(unseen / n)
    assert found[segment, "city", "unseen_change"]["p_value"] == pytest.approx(p_of(unseen, n, 0, M), rel=1e-6)


@pytest.mark.parametrize("segment,known", BASELINES)
def test_out_of_range_is_of_the_whole_range(found, segment, known):
    now, limits = numpy.array([row["x"] for row in own(CURRENT, segment)]), numpy.array([row["x"] for row in whole(REFERENCE)])
    outside = int(((now < limits.min()) | (now > limits.max())).sum())
    M = len(own(REFERENCE, known)) if known else N_REFERENCE
    row = found[segment, "x", "out_of_range_change"]
    assert row["value"] == pytest.approx(outside / len(now))
    assert row["p_value"] == pytest.approx(scipy.stats.betabinom.sf(outside - 1, len(now), 2, M - 1) if outside else 1, rel=1e-6)


@pytest.mark.parametrize("segment", ["web", "app", "old", "new", "few", "one"])
@pytest.mark.parametrize("feature", ["x", "steps"])
def test_where_values_lie(found, segment, feature):
    now = [row[feature] for row in own(CURRENT, segment)]
    for metric, q in (("p05", 0.05), ("p50", 0.5), ("p95", 0.95)):
        row, exact = found[segment, feature, metric], float(numpy.quantile(now, q, method="inverted_cdf"))
        if row["value"] is None:  # beyond the reference: only one limit is known
            assert feature == "x" and exact > max(row[feature] for row in whole(REFERENCE))
            continue
        assert row["ci_low"] <= exact <= row["ci_high"] and row["ci_low"] <= row["value"] <= row["ci_high"]
        if feature == "steps":
            assert row["value"] == exact
        elif segment == "web":
            assert row["value"] == pytest.approx(exact, abs=0.15)
    assert found[segment, feature, "mean"]["value"] == pytest.approx(numpy.mean(now), abs=1e-9)
    assert found[segment, feature, "sd"]["value"] == pytest.approx(numpy.std(now), rel=1e-6, abs=1e-9)


def test_facts_only_where_they_are_true(found):
    facts = {key for key, row in found.items() if key[0] and key[2] in FACTS and row["state"] == "critical"}
    assert facts == {("app", "stuck", "stuck"), ("app", "typed", "type_changed"), ("app", "gone", "field_removed")}
    assert found["web", "constant", "stuck"]["value"] == 0
    # Unknown to the reference: what is constant or absent there is perhaps so by nature.
    for segment in ("new", "few", "one", "void"):
        for feature in ("constant", "stuck", "gone"):
            for metric in FACTS:
                row = found[segment, feature, metric]
                assert row["value"] is None and row["status"] == "undefined"
    text = sum(isinstance(row["typed"], str) for row in own(CURRENT, "app")) / len(own(CURRENT, "app"))
    assert found["app", "typed", "other_type_rate"]["value"] == pytest.approx(text)
    counts = collections.Counter(row["city"] for row in own(CURRENT, "app"))
    assert found["app", "city", "mode_share"]["value"] == pytest.approx(
        max(max(n for name, n in counts.items() if len(name) == 1), sum(n for name, n in counts.items() if len(name) > 1)) / counts.total())


def test_top_categories(store):
    counts = collections.Counter(row["city"] for row in own(CURRENT, "web"))
    rows = driftd.query(store, "SELECT name, share FROM v1_categories WHERE segment = 'channel=web' AND feature = 'city' AND window_s = 86400"
                               " AND window_end_s = ? ORDER BY rank", DAY_END)
    assert [share for _, share in rows] == pytest.approx([n / counts.total() for _, n in counts.most_common(5)])
    assert all(counts[name] / counts.total() == pytest.approx(share) for name, share in rows)


def test_all_missing_and_one_event(found):
    n = len(own(CURRENT, "void"))
    assert n > 1
    for feature in ("x", "city", "stuck"):
        row = found["void", feature, "missing_change"]
        assert row["value"] == 1 and row["n"] == 0 and row["p_value"] == pytest.approx(p_of(n, n, 0, N_REFERENCE), rel=1e-6)
    for metric in ("p50", "out_of_range_change", "mode_share", "clipped_value_rate"):
        row = found["void", "x", metric]
        assert row["value"] is None and row["status"] == "undefined"
    assert found["one", "x", "missing_change"]["value"] == 0 and found["one", "x", "mode_share"]["value"] == 1


def test_windows_without_events(tmp_path, body):
    """A segment that falls silent says nothing: NULL, never 0."""
    rng = random.Random(4)
    events = [streams.prediction(START + i * MINUTE, i, values(rng, "web"), segments={"channel": "web" if i > 60 else "app"}) for i in range(600)]
    store = streams.replay(tmp_path, "s", body, [streams.write(tmp_path / "e.ndjson", events)])
    sql = """SELECT value, p_value, ci_low, ci_high FROM v1_results WHERE segment = 'channel=app' AND monitor = 'quality'
             AND feature IN ('x', 'city', 'gone') AND window_s = 7200 AND window_end_s > ?"""
    assert all(cell is None for row in driftd.query(store, sql, (START + 4 * HOUR) // 1000) for cell in row)
    assert driftd.query(store, sql, START // 1000)


def test_switched_off(tmp_path, body, events, store):
    other = streams.replay(tmp_path, "s", body.replace("task: none", "task: none, segment_quality: false"), [streams.write(tmp_path / "e.ndjson", events)])
    count = "SELECT count(*) FROM v1_results WHERE metric = 'missing_change' AND segment {} ''"
    assert driftd.query(other, count.format("<>")) == [(0,)] and driftd.query(store, count.format("<>"))[0][0] > 0
    same = """SELECT feature, metric, segment, window_s, window_end_s, value, p_value FROM v1_results
              WHERE segment = '' OR monitor <> 'quality' ORDER BY 1, 2, 3, 4, 5"""
    outliers = "SELECT count(*) FROM v1_results WHERE metric = 'outlier_rate' AND segment <> ''"
    assert driftd.query(other, same) == driftd.query(store, same) and driftd.query(other, outliers) == driftd.query(store, outliers)


@pytest.mark.parametrize("workers,files", [(1, 1), (2, 2), (4, 4)])
def test_same_bytes(tmp_path, body, events, store, workers, files):
    paths = streams.scattered(tmp_path, events, files, random.Random(workers), 50 * MINUTE)
    other = streams.replay(tmp_path, "s", body, paths, workers=workers)
    assert driftd.difference(driftd.canonical(store, VIEWS), driftd.canonical(other, VIEWS)) == ""


def test_kills(tmp_path, body, events, store):
    path, file = tmp_path / "k.db", streams.write(tmp_path / "e.ndjson", events)
    config = streams.config(tmp_path / "k.yaml", path, body)
    assert streams.killed(config, path, [file], seed=3, times=6) >= 3
    assert driftd.difference(driftd.canonical(store, VIEWS), driftd.canonical(path, VIEWS)) == ""


VOLUME_BODY = """time: {tiers: [30m, 1h, 1d], lateness: 10m}
windows: [{length: 12h, slide: 1h}]
models: [{name: m, reference: none}]
"""
WEEKS = 4


@pytest.fixture(scope="module")
def hours():
    """Four weeks: app sends by day, web always; in the last week web falls silent for six hours while app goes on, so the whole model never does."""
    rng, counts = random.Random(12), {}
    for hour in range(WEEKS * 168):
        silent = (WEEKS - 1) * 168 + 34 <= hour < (WEEKS - 1) * 168 + 40
        counts[hour] = {"web": 0 if silent else rng.randrange(2, 6), "app": rng.randrange(5, 9) if 6 <= hour % 24 < 22 else 0}
    events = [streams.prediction(START + hour * HOUR + (i + 1) * MINUTE, f"{hour}-{name}-{i}", {"x": 1.0}, segments={"channel": name})
              for hour, of in counts.items() for name, count in of.items() for i in range(count)]
    return counts, events


@pytest.fixture(scope="module")
def hours_store(tmp_path_factory, hours):
    directory = tmp_path_factory.mktemp("hours")
    return streams.replay(directory, "s", VOLUME_BODY, [streams.write(directory / "e.ndjson", hours[1])])


def test_a_silent_segment(hours, hours_store):
    counts, last = hours[0], (WEEKS - 1) * 168
    found = {(segment[8:], metric): streams.values(hours_store, metric, feature="@activity", segment=segment)
             for segment in ("", "channel=web", "channel=app") for metric in ("volume", "volume_expected", "volume_z", "stale", "empty_panes")}
    at = lambda segment, metric, hour: found[segment, metric].get((START // 1000 + (hour + 1) * 3600, "@activity"))
    for segment in ("web", "app"):
        for hour in (last + 20, last + 33, last + 39):
            before = [counts[hour - k * 168][segment] for k in range(1, WEEKS)]
            assert at(segment, "volume", hour) == counts[hour][segment]
            assert at(segment, "volume_expected", hour) == pytest.approx(numpy.mean(before))
    assert [at("web", "stale", last + hour) for hour in (33, 35, 36, 39, 40)] == [0, 0, 1, 1, 0]
    assert at("web", "empty_panes", last + 39) == 6
    assert at("app", "stale", last + 29) == 0 and at("app", "empty_panes", last + 29) == 8  # as every night
    assert all(at("", "stale", last + hour) == 0 for hour in range(34, 40))


def test_volume_of_segments_survives_kills(tmp_path, hours, hours_store):
    path, file = tmp_path / "k.db", streams.write(tmp_path / "e.ndjson", hours[1])
    config = streams.config(tmp_path / "k.yaml", path, VOLUME_BODY)
    assert streams.killed(config, path, [file], seed=4, times=6) >= 3
    assert driftd.difference(driftd.canonical(hours_store, VIEWS), driftd.canonical(path, VIEWS)) == ""


def test_volume_switched_off(tmp_path, hours):
    store = streams.replay(tmp_path, "s", VOLUME_BODY.replace("none", "none, segment_quality: false"), [streams.write(tmp_path / "e.ndjson", hours[1])])
    assert driftd.query(store, "SELECT DISTINCT segment FROM v1_results WHERE metric = 'stale'") == [("",)]
    assert driftd.query(store, "SELECT count(*) FROM series s JOIN pane p USING (series) WHERE s.segment <> '' AND p.family = 21") == [(0,)]
