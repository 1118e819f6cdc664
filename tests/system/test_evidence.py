"""The e-detector live: evidence against a budget of false alarms (METHODS §4), its delays, its silence, its bytes."""

import math
import random
import time

import numpy as np
import pytest
import scipy.optimize
import scipy.special
import scipy.stats

import driftd
import streams

MINUTE, HOUR, DAY = streams.MINUTE, streams.HOUR, streams.DAY
PANE = 5 * MINUTE
TIME = "time: {tiers: [5m, 1h, 1d], lateness: 0s, idle_timeout: 2s}\nwindows: [{length: 1h, slide: 1h}]\n"
LADDER = [(0, k) for k in (1, 2, 3, 4, 6, 8, 12)] + [(1, k) for k in (2, 3, 4, 6, 8, 12, 16, 24)] + [(2, k) for k in (2, 3, 4, 5, 7, 10, 14, 21, 28)]
TIERS = [PANE, HOUR, DAY]


def reference(directory, events, *options):
    source, out = streams.write(directory / "train.ndjson", events), directory / "reference.json"
    driftd.run("reference", "build", "-o", out, "-m", "m", *options, source)
    return out


def body(reference, extra="", model="", time=TIME):
    return f"{time}{extra}\nlimits: {{versions: 1}}\nmodels: [{{name: m, reference: {{file: \"{reference}\"}}{model}}}]\n"


def panes(count, per_pane, make, start_ms=streams.START, seed=1):
    """`make(rng, pane)` gives the features of an event; the events of a pane at even distances."""
    rng = random.Random(seed)
    return [streams.prediction(start_ms + pane * PANE + i * PANE // per_pane, f"{pane}-{i}", make(rng, pane))
            for pane in range(count) for i in range(per_pane)]


def normals(shift=lambda pane: 0.0, wide=lambda pane: 1.0):
    return lambda rng, pane: {"x": rng.gauss(shift(pane), wide(pane)), "y": rng.gauss(0, 1)}


@pytest.fixture(scope="module")
def gauss(tmp_path_factory):
    directory = tmp_path_factory.mktemp("gauss")
    return reference(directory, panes(50, 200, normals(), seed=7))


def rows(store, feature, prefix="evidence"):
    """{window_end_s: {metric: value}}."""
    out = {}
    for end, metric, value in driftd.query(store, "SELECT window_end_s, metric, value FROM v1_results WHERE monitor = 'evidence' AND feature = ?", feature):
        if metric.startswith(prefix + "_") and (prefix != "evidence" or not metric.startswith("evidence_fixed_")):
            out.setdefault(end, {})[metric[len(prefix) + 1:]] = value
    return out


def crossings(store, feature, prefix="evidence"):
    return sorted(end for end, row in rows(store, feature, prefix).items() if row["crossed"] == 1)


def pane_of(end_s, start_ms=streams.START):
    """Panes from the start up to and with the one that ends then."""
    return (end_s * 1000 - start_ms) // PANE


# ---- delays (METHODS §4.8, M = 10,000, 200 events a pane; ours is behind by the ladder's ln 24 and F = 2) ----

CHANGES = [("mean +0.3", normals(lambda p: 0.3 if p >= 30 else 0), 16), ("mean +0.5", normals(lambda p: 0.5 if p >= 30 else 0), 3),
           ("mean +1", normals(lambda p: 1.0 if p >= 30 else 0), 2), ("sd x1.5", normals(wide=lambda p: 1.5 if p >= 30 else 1), 4)]


@pytest.mark.parametrize("name,make,most", CHANGES, ids=[change[0] for change in CHANGES])
def test_delay(tmp_path, gauss, name, make, most):
    store = streams.replay(tmp_path, "delay", body(gauss), [streams.write(tmp_path / "e", panes(60, 200, make))])
    found = crossings(store, "x")
    assert found and 1 <= pane_of(found[0]) - 30 <= most
    assert crossings(store, "y") == []
    row = rows(store, "x")[found[0]]
    assert row["log_r"] >= row["threshold"] and row["state"] >= 2 and row["effect"] >= 1
    assert row["threshold"] == pytest.approx(math.log(8640 * 2 * 24 / 0.5), rel=1e-12)
    assert row["run_length_s"] == pytest.approx(8640 * 2 / 0.5 * 300, rel=1e-12)
    onset = (row["onset_s"] * 1000 - streams.START) / PANE
    assert abs(onset - 30) <= 3
