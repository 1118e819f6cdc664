"""Latency, attributions, confidence and predictions end to end, against numpy and scipy on the raw values."""

import random

import numpy
import pytest
import scipy.spatial.distance
import scipy.stats

import driftd
import streams
from streams import HOUR, START

BODY = """time: {tiers: [10m, 1h], lateness: 10m}
windows: [{length: 1h, slide: 10m}]
models: [{name: "*", reference: {file: "REFERENCE"}}, {name: multi, reference: {file: "MULTI"}}]
"""
N_REFERENCE, N = 4000, 1200  # events of the reference, of each hour
FEATURES = ("age", "city", "income", "tenure", "visits")
USUAL, SLOW, OTHER_REASONS, UNSURE = range(4)  # what each hour is like
WEIGHTS = numpy.array([5.0, 3.0, 1.5, 0.8, 0.2])

rng = numpy.random.default_rng(20260302)


def make(count, kind):
    """Columns of an hour, or of the reference."""
    weights = WEIGHTS[[2, 3, 0, 4, 1]] if kind == OTHER_REASONS else WEIGHTS
    raw = rng.dirichlet([8.0, 2.0, 1.0] if kind != UNSURE else [2.0, 2.0, 2.0], count)
    return {"latency": rng.lognormal(2.5, 0.6, count) * (2 if kind == SLOW else 1),
            "attributions": rng.normal(0, 1, (count, 5)) * weights,
            "score": rng.beta(0.5, 0.5, count) if kind != UNSURE else rng.beta(4, 4, count),
            "scores": raw, "x": rng.normal(0, 1, count)}


REFERENCE, HOURS = make(N_REFERENCE, USUAL), [make(N, kind) for kind in range(4)]


def event(data, i, ts_ms, number):
    row = {"type": "prediction", "model": "m", "version": "1", "id": f"m{number}", "ts": ts_ms, "features": {name: float(data["x"][i]) for name in FEATURES},
           "score": float(data["score"][i]), "prediction": "yes" if data["score"][i] > 0.5 else "no", "latency_ms": float(data["latency"][i]),
           "attributions": {name: float(a) for name, a in zip(FEATURES, data["attributions"][i])}}
    return row


def multi(data, i, ts_ms, number):
    return {"type": "prediction", "model": "multi", "version": "1", "id": f"n{number}", "ts": ts_ms, "features": {"x": float(data["x"][i])},
            "scores": dict(zip("abc", map(float, data["scores"][i]))), "prediction": "abc"[int(data["scores"][i].argmax())]}


def events_of(make_event):
    return [make_event(data, i, START + hour * HOUR + i * (HOUR // N), hour * N + i) for hour, data in enumerate(HOURS) for i in range(N)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("scalars")
    body = BODY
    for model, make_event, mark in (("m", event, "REFERENCE"), ("multi", multi, "MULTI")):
        training = streams.write(directory / f"{model}.ndjson", [make_event(REFERENCE, i, START - 10**9 + i, i) for i in range(N_REFERENCE)])
        driftd.run("reference", "build", "-o", directory / f"{model}.json", "-n", model, "-m", model, training)
        body = body.replace(mark, str(directory / f"{model}.json"))
    return body, sorted(events_of(event) + events_of(multi), key=lambda row: row["ts"])


@pytest.fixture(scope="module")
def store(tmp_path_factory, files):
    directory = tmp_path_factory.mktemp("store")
    return streams.replay(directory, "s", files[0], [streams.write(directory / "all.ndjson", files[1])])


@pytest.fixture(scope="module")
def found(store):
    rows = driftd.query(store, """SELECT model, (window_end_s - ?) / 3600 - 1, feature, metric, value, n, ci_low, ci_high, state, noise_floor, reference_n
                                  FROM v1_results WHERE window_end_s % 3600 = 0""", START // 1000)
    return {row[:4]: dict(zip(("value", "n", "low", "high", "state", "floor", "reference_n"), row[4:])) for row in rows}


@pytest.mark.parametrize("hour", range(4))
def test_latency(found, hour):
    values = HOURS[hour]["latency"]
    for q, metric in ((0.5, "latency_p50"), (0.95, "latency_p95"), (0.99, "latency_p99")):
        assert found["m", hour, "@latency_ms", metric]["value"] == pytest.approx(numpy.quantile(values, q, method="lower"), rel=0.01)
    ordered, half = numpy.sort(values), 3.29 * (N * 0.99 * 0.01) ** 0.5
    assert found["m", hour, "@latency_ms", "latency_p99"]["low"] == pytest.approx(ordered[int(N * 0.99 - half)], rel=0.01)
    reference = numpy.quantile(REFERENCE["latency"], 0.99, method="lower")
    ratio = found["m", hour, "@latency_ms", "latency_p99_ratio"]
    assert ratio["value"] == pytest.approx(numpy.quantile(values, 0.99, method="lower") / reference, rel=0.02)
    assert ratio["reference_n"] == N_REFERENCE and ratio["low"] < ratio["value"]
    assert ratio["state"] == ("warning" if hour == SLOW else "ok")
    for model in ("m", "multi"):
        assert found[model, hour, "@events", "events_per_second"]["value"] == pytest.approx(N / 3600)
        assert found[model, hour, "@events", "predictions"]["value"] == N


@pytest.mark.parametrize("hour", range(4))
def test_attributions(found, hour):
    now, before = (numpy.abs(data["attributions"]).mean(axis=0) for data in (HOURS[hour], REFERENCE))

    def value(metric, feature="@attributions"):
        return found["m", hour, feature, metric]["value"]

    discount = 1 / numpy.log2(numpy.arange(2, 7))
    ndcg = (before[numpy.argsort(-now)] * discount).sum() / (numpy.sort(before)[::-1] * discount).sum()
    assert value("attribution_ndcg") == pytest.approx(ndcg, abs=1e-9)
    assert value("attribution_ndcg_loss") == pytest.approx(1 - ndcg, abs=1e-9)
    assert value("attribution_spearman") == pytest.approx(scipy.stats.spearmanr(now, before).statistic, abs=1e-9)
    shares, reference_shares = now / now.sum(), before / before.sum()
    assert value("attribution_share_l1") == pytest.approx(numpy.abs(shares - reference_shares).sum(), abs=1e-9)
    assert value("attribution_share_js") == pytest.approx(scipy.spatial.distance.jensenshannon(shares, reference_shares, 2), abs=1e-9)
    for i, name in enumerate(FEATURES):
        assert value("attribution_mean", name) == pytest.approx(now[i], rel=1e-9)
        assert value("attribution_reference_mean", name) == pytest.approx(before[i], rel=1e-9)
        assert value("attribution_share_change", name) == pytest.approx(shares[i] - reference_shares[i], abs=1e-9)
    assert found["m", hour, "@attributions", "attribution_ndcg_loss"]["state"] == ("critical" if hour == OTHER_REASONS else "ok")


def confidence(data):
    return numpy.maximum(data["score"], 1 - data["score"])


def lead(data):
    ordered = numpy.sort(data["scores"], axis=1)
    return ordered[:, -1] - ordered[:, -2]


DERIVED = {("m", "@confidence"): confidence, ("multi", "@confidence"): lambda data: data["scores"].max(axis=1), ("multi", "@margin"): lead,
           ("multi", "@entropy"): lambda data: scipy.stats.entropy(data["scores"], axis=1, base=3),
           ("m", "@score"): lambda data: data["score"]}


@pytest.mark.parametrize("subject", DERIVED)
@pytest.mark.parametrize("hour", range(4))
def test_confidence_and_score(found, subject, hour):
    """Binned on the reference's grid like any feature: KS inside its bracket, exact means, and judged."""
    now, before = (DERIVED[subject](data) for data in (HOURS[hour], REFERENCE))
    model, feature = subject
    exact = scipy.stats.ks_2samp(now, before).statistic
    assert found[model, hour, feature, "ks"]["value"] - 1e-9 <= exact <= found[model, hour, feature, "ks_upper"]["value"] + 1e-9
    assert found[model, hour, feature, "mean"]["value"] == pytest.approx(now.mean(), abs=1e-9)
    assert found[model, hour, feature, "mean"]["n"] == N
    assert (found[model, hour, feature, "ks"]["state"] == "critical") == (hour == UNSURE)


@pytest.mark.parametrize("hour", range(4))
def test_prediction_drift(found, hour):
    now, before = (numpy.bincount(data["scores"].argmax(axis=1), minlength=3) for data in (HOURS[hour], REFERENCE))
    p, q = before / before.sum(), now / now.sum()
    assert found["multi", hour, "@prediction", "total_variation"]["value"] == pytest.approx(numpy.abs(p - q).sum() / 2, abs=1e-9)
    assert found["multi", hour, "@prediction", "js"]["value"] == pytest.approx(scipy.spatial.distance.jensenshannon(p, q, 2), abs=1e-9)
    assert (found["multi", hour, "@prediction", "js"]["state"] == "critical") == (hour == UNSURE)


def test_what_is_not_there_is_not_said(found):
    assert ("m", 0, "@margin", "psi") not in found  # of two classes it says what @confidence says
    assert ("multi", 0, "@score", "psi") not in found
    assert ("multi", 0, "@latency_ms", "latency_p50") not in found
    assert ("multi", 0, "@attributions", "attribution_ndcg") not in found


def few(files):
    return files[1][:4000]


@pytest.fixture(scope="module")
def baseline(tmp_path_factory, files):
    directory = tmp_path_factory.mktemp("baseline")
    return driftd.canonical(streams.replay(directory, "s", files[0], [streams.write(directory / "all.ndjson", few(files))]))


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_same_bytes(tmp_path, files, baseline, workers):
    paths = streams.scattered(tmp_path, few(files), 3, random.Random(workers), 590_000)
    store = streams.replay(tmp_path, "s", files[0], paths, workers)
    assert driftd.difference(baseline, driftd.canonical(store)) == ""


def test_kills(tmp_path, files, baseline):
    config = streams.config(tmp_path / "c.yaml", tmp_path / "s.db", files[0])
    path = streams.write(tmp_path / "all.ndjson", few(files))
    assert streams.killed(config, tmp_path / "s.db", [path], seed=3, times=8) >= 3
    assert driftd.difference(baseline, driftd.canonical(tmp_path / "s.db")) == ""


ODD = {"zero": {"attributions": {name: 0 for name in FEATURES}}, "null": {"attributions": {name: None for name in FEATURES}, "score": None},
       "strange": {"attributions": {"nobody": 1.0}}, "empty": {"attributions": {}}, "one": {"latency_ms": 0}, "bare": {}}


@pytest.mark.parametrize("name", ODD)
def test_degenerate(tmp_path, files, name):
    row = {"type": "prediction", "model": "m", "version": "1", "id": "1", "ts": START, "features": {"age": 1}, **ODD[name]}
    store = streams.replay(tmp_path, "s", files[0], [streams.write(tmp_path / "one.ndjson", [row])])
    assert streams.fates(store)[("applied", "")] == 1
    rows = driftd.query(store, "SELECT feature, metric, value, state, status, monitor FROM v1_results")
    assert rows and all((value is None) == (status == "undefined") or status == "insufficient" for _, _, value, _, status, _ in rows)
    assert not any(state in ("warning", "critical") for _, _, _, state, _, monitor in rows if monitor in ("latency", "attribution"))
    values = {(feature, metric): value for feature, metric, value, *_ in rows}
    if name in ("zero", "null", "strange"):
        assert values["@attributions", "attribution_ndcg"] is None
    if name == "strange":
        assert values["@attributions", "attribution_unknown_rate"] == 1


CAPTURED = """time: {tiers: [10m, 1h], lateness: 10m, idle_timeout: 2s}
windows: [{length: 1h, slide: 10m}]
models: [{name: "*", reference: {capture: {duration: 1h, minimum_events: 500}}}]
"""


@pytest.mark.parametrize("workers", [1, 4])
def test_captured_reference(tmp_path, files, workers):
    """Latency, attributions and confidence of the first hour are the reference of the rest, whoever counts."""
    rows = [row for row in files[1] if row["ts"] < START + 3 * HOUR]
    whole = streams.replay(tmp_path, "whole", CAPTURED, [streams.write(tmp_path / "all.ndjson", rows)])
    parts = [streams.write(tmp_path / f"{i}.ndjson", rows[i::3]) for i in range(3)]
    assert driftd.difference(driftd.canonical(whole), driftd.canonical(streams.replay(tmp_path, "parts", CAPTURED, parts, workers))) == ""
    end = (START + 3 * HOUR) // 1000
    found = {(feature, metric): (value, state, n) for feature, metric, value, state, n in driftd.query(
        whole, "SELECT feature, metric, value, state, reference_n FROM v1_results WHERE model = 'm' AND window_end_s = ?", end)}
    assert found["@attributions", "attribution_ndcg_loss"][1:] == ("critical", N)
    assert found["@latency_ms", "latency_p99_ratio"][1:] == ("ok", N)
    assert found["@confidence", "psi"][1:] == ("ok", N)
