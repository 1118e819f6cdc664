"""How many different values features have: exact or by the lowest hashes, as counted here from the raw values; against the reference at
equally many values; the same bytes whatever the order, workers, kills and late events (METHODS §10)."""

import json
import math
import random
import struct

import numpy as np
import pytest
from scipy.special import gammaln

import driftd
import streams
from streams import HOUR, MINUTE, START
from test_multivariate import MASK, hash64

K = 1024
HOURS = 6
NAMES = ["merchant", "country", "amount", "flag", "code"]
TIME = """time: {tiers: [10m, 1h], lateness: 20m, horizon: 5h, idle_timeout: 2s}
windows: [{length: 1h, slide: 10m}, {length: 3h, slide: 1h}]
"""


def features(rng, many=4000, flat=0.0):
    """`many` merchants, some of them far more often than others."""
    merchant = rng.randrange(many) if rng.random() < flat else int(many * rng.random() ** 3)
    return {"merchant": f"m{merchant}", "country": rng.choice("abcdefghijkl"), "amount": round(rng.lognormvariate(3, 1), 4),
            "flag": rng.random() < 0.3, "code": rng.choice([1, "1", 1.0, 2, "two", 2.5, None, [1, 2], -0.0, 0])}


def events_of(count, start_ms, every_ms, seed, **more):
    rng = random.Random(seed)
    return [streams.prediction(start_ms + i * every_ms, f"{seed}-{i}", features(rng, **more)) for i in range(count)]


def body(reference, names=NAMES, extra=""):
    return f"{TIME}models: [{{name: m, reference: {{file: \"{reference}\"}}, cardinality: [{', '.join(names)}], minimum_n: 50{extra}}}]\n"


@pytest.fixture(scope="module")
def training():
    return events_of(6000, START - 400 * HOUR, 1000, "train")


@pytest.fixture(scope="module")
def reference(tmp_path_factory, training):
    directory = tmp_path_factory.mktemp("reference")
    out = directory / "reference.json"
    driftd.run("reference", "build", "-o", out, "-m", "m", "--cardinality", ",".join(NAMES), streams.write(directory / "t.ndjson", training))
    return out


@pytest.fixture(scope="module")
def events():
    """Five hours as before; in the last one twenty merchants are left."""
    first = events_of(5 * 3600, START, 1000, "live")
    return first + events_of(3600, START + 5 * HOUR, 1000, "few", many=20, flat=1.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory, reference, events):
    directory = tmp_path_factory.mktemp("store")
    return streams.replay(directory, "driftd", body(reference), [streams.write(directory / "e.ndjson", events)])


# ---- what the program should say ----

def mix(x):
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> shift)) * factor & MASK
    return x ^ (x >> 31)


def hash_of(value):
    """NULL, arrays and objects are no values; 1, 1.0 and "1" are one, as a category they are, too."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, float) and value.is_integer() or isinstance(value, int):
        value = str(int(value))
    if isinstance(value, str):
        return hash64(value, 0x2F6B19D4C3A85E71)
    if isinstance(value, float):
        return mix(struct.unpack("<Q", struct.pack("<d", value))[0] ^ 0x91C4E0F7582B6DA3)
    return None


def count(events, name):
    counts = {}
    for event in events:
        key = hash_of(event["features"].get(name))
        if key is not None:
            counts[key] = counts.get(key, 0) + 1
    return counts


def rarefy(counts, m):
    """Different ones and those that come once among m of all, from the lowest hashes; and the relative variance of the first."""
    n, lowest = sum(counts.values()), sorted(counts)[:K]
    u, used = (1.0, lowest) if len(lowest) < K else ((lowest[-1] + 0.5) / 2 ** 64, lowest[:-1])
    c = np.array([counts[h] for h in used], dtype=float)
    choose = lambda a, b: gammaln(a + 1) - gammaln(b + 1) - gammaln(a - b + 1)
    with np.errstate(all="ignore"):
        absent = np.where(c > n - m, 0, np.exp(choose(n - c, m) - choose(n, m)))
        once = np.where(c > n - m + 1, 0, c * np.exp(choose(n - c, m - 1) - choose(n, m)))
    present = 1 - absent
    return present.sum() / u, once.sum() / u, (present ** 2).sum() * (1 - u) / present.sum() ** 2


def rows_of(store):
    out = {}
    for window, end, feature, metric, value, low, high, n, monitor, status, state in driftd.query(
            store, "SELECT window_s, window_end_s, feature, metric, value, ci_low, ci_high, n, monitor, status, state FROM v1_results"
                   " WHERE metric GLOB 'distinct_*'"):
        assert monitor == "quality"
        row = out.setdefault((window, end, feature), {"n": n})
        row[metric] = (value, low, high)
        row["state"] = state if metric == "distinct_change" else row.get("state")
        assert status == "ok", (window, end, feature, metric)
    return out


def in_window(events, window_s, end_s):
    return [e for e in events if end_s - window_s <= e["ts"] // 1000 < end_s]


def test_every_window(store, events, training):
    rows = rows_of(store)
    assert len(rows) == 5 * len({key[:2] for key in rows}) > 150
    seen_estimates, errors = 0, []
    for (window, end, feature), row in rows.items():
        counts, before = count(in_window(events, window, end), feature), count(training, feature)
        n, big_m = sum(counts.values()), sum(before.values())
        assert row["n"] == n
        value, low, high = row["distinct_values"]
        if len(counts) < K:
            assert value == low == high == len(counts)
        else:
            u = (sorted(counts)[K - 1] + 0.5) / 2 ** 64
            estimate = min((K - 1) / u, n)
            assert value == pytest.approx(max(estimate, K), rel=1e-12)
            assert high == pytest.approx(min(estimate * (1 + 1.959963984540054 / math.sqrt(K - 2)), n), rel=1e-9)
            errors.append((estimate / len(counts) - 1) * math.sqrt(K - 2))
            seen_estimates += 1
        assert row["distinct_share"] == pytest.approx((value / n, low / n, high / n), rel=1e-12)
        m = min(n, big_m)
        here, once_here, variance_here = rarefy(counts, m)
        there, once_there, variance_there = rarefy(before, m)
        assert row["distinct_expected"][0] == pytest.approx(there, rel=2e-4)
        ratio, ratio_low, ratio_high = row["distinct_ratio"]
        assert ratio == pytest.approx(here / there, rel=2e-4)
        error = math.sqrt(variance_here + variance_there + once_here / here ** 2 + once_there / there ** 2)
        assert math.log(ratio_high / ratio_low) == pytest.approx(2 * 1.959963984540054 * error, rel=1e-2, abs=1e-9)
        assert row["distinct_change"][0] == pytest.approx(abs(math.log2(ratio)), rel=1e-9, abs=1e-12)
    assert seen_estimates > 50 and max(map(abs, errors)) < 5


def test_few_merchants_are_a_change_and_nothing_else_is(store):
    rows = rows_of(store)
    last = max(end for _, end, _ in rows)
    states = {key: row["state"] for key, row in rows.items()}
    assert states[3600, last, "merchant"] == "warning"
    assert rows[3600, last, "merchant"]["distinct_ratio"][0] < 0.02
    # A quarter of an hour that opens and closes the stream has few values, and equally few are expected.
    assert {feature for (_, _, feature), state in states.items() if state != "ok"} == {"merchant"}
    assert all(state == "ok" for (_, end, _), state in states.items() if end <= START // 1000 + 5 * 3600)


def test_reference_keeps_the_lowest(reference, training):
    document = json.loads(reference.read_text())["distinct"]
    assert list(document) == sorted(NAMES)
    for name, values in document.items():
        counts = count(training, name)
        assert values["n"] == sum(counts.values())
        lowest = sorted(counts)[:K]
        assert values["hashes"] == [f"{h:016x}" for h in lowest] and values["times"] == [counts[h] for h in lowest]


# ---- the same bytes ----

def test_workers_and_order(tmp_path, reference, events, store):
    files = streams.scattered(tmp_path, events, 4, random.Random(5), 9 * MINUTE)
    for workers in (1, 2, 4):
        other = streams.replay(tmp_path, f"w{workers}", body(reference), files, workers=workers)
        assert driftd.difference(driftd.canonical(store), driftd.canonical(other)) == ""


def test_kills(tmp_path, reference, events, store):
    path, other = streams.write(tmp_path / "e.ndjson", events), tmp_path / "driftd.db"
    config = streams.config(tmp_path / "driftd.yaml", other, body(reference))
    assert streams.killed(config, other, [path], seed=1, times=8) >= 3
    assert driftd.difference(driftd.canonical(store), driftd.canonical(other)) == ""


def test_late_events_converge(tmp_path, reference, events, store):
    rng = random.Random(2)
    late = sorted(events[:-1], key=lambda e: e["ts"] + (rng.uniform(HOUR, 3 * HOUR) if rng.random() < 0.05 else 0)) + events[-1:]
    other = streams.replay(tmp_path, "late", body(reference), [streams.write(tmp_path / "e.ndjson", late)])
    assert streams.fates(other)["late", ""] > 300
    assert rows_of(other) == rows_of(store)
    assert driftd.query(other, "SELECT max(revision) FROM v1_results WHERE metric = 'distinct_values'")[0][0] > 1


# ---- when something is not there ----

def test_nothing_asked_nothing_said(tmp_path, reference, events):
    plain = body(reference).replace(f"cardinality: [{', '.join(NAMES)}], ", "")
    other = streams.replay(tmp_path, "plain", plain, [streams.write(tmp_path / "e.ndjson", events[:2000])])
    assert rows_of(other) == {}
    assert driftd.query(other, "SELECT count(*) FROM pane WHERE family = 22") == [(0,)]


def test_a_reference_without_it_and_a_capture(tmp_path, training, events):
    out = tmp_path / "r.json"
    driftd.run("reference", "build", "-o", out, "-m", "m", streams.write(tmp_path / "t.ndjson", training))
    path = streams.write(tmp_path / "e.ndjson", events)
    config = streams.config(tmp_path / "a.yaml", tmp_path / "a.db", body(out, ["merchant", "nowhere"]))
    said = driftd.run("replay", "-c", config, path).stderr
    assert "--cardinality" in said and "merchant" in said
    rows = driftd.query(tmp_path / "a.db", "SELECT DISTINCT feature, metric, value IS NULL FROM v1_results WHERE metric GLOB 'distinct_*'")
    assert {row[0] for row in rows} == {"merchant"}
    assert dict(row[1:] for row in rows) == {"distinct_values": 0, "distinct_share": 0, "distinct_expected": 1, "distinct_ratio": 1, "distinct_change": 1}
    captured = body(out, ["merchant"]).replace(f'{{file: "{out}"}}', "{capture: {duration: 1h}}")
    assert "capture" in captured
    store = streams.replay(tmp_path, "b", captured, [path])
    ratios = driftd.query(store, "SELECT window_end_s, value FROM v1_results WHERE metric = 'distinct_ratio' AND window_s = 3600 AND value IS NOT NULL")
    assert len(ratios) > 20
    assert all(0.9 < value < 1.1 for end, value in ratios if end <= START // 1000 + 5 * 3600)


@pytest.mark.parametrize("options, message", [
    ("cardinality: [" + ", ".join(f"f{i}" for i in range(17)) + "]", "more than 16"),
    ("cardinality: [a, b, a]", "is twice in"),
])
def test_bounds_are_said(tmp_path, options, message):
    path = streams.config(tmp_path / "c.yaml", tmp_path / "c.db", f"models: [{{name: m, {options}}}]\n")
    done = driftd.run("check", "-c", path, check=False)
    assert done.returncode != 0 and message in done.stderr + done.stdout
