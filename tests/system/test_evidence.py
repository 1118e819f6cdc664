"""The e-detector live: evidence against a budget of false alarms (METHODS §4), its delays, its silence, its bytes."""

import math
import random

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


def body(reference, extra="", model="", budget="{overdispersion: 1}"):
    """Events of the tests are independent, and their references short: what those say of overdispersion is a test of its own."""
    return f"{TIME}{extra}\nlimits: {{versions: 1}}\nmodels: [{{name: m, reference: {{file: \"{reference}\"}}, budget: {budget}{model}}}]\n"


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


# ---- silence ----

def test_silence(tmp_path, gauss):
    """4,000 panes as the reference's, on which a repeated test at 0.1 % would fire every few hours: nothing. Rows once an hour."""
    store = streams.replay(tmp_path, "still", body(gauss), [streams.write(tmp_path / "e", panes(4000, 20, normals(), seed=11))])
    for feature in ("x", "y"):
        found = rows(store, feature)
        assert len(found) == 4000 // 12 and all(end % 3600 == 0 for end in found)
        assert all(row["state"] == 0 and row["crossed"] == 0 and row["crossings"] == 0 for row in found.values())
        assert all(row["log_r"] < row["threshold"] for row in found.values())


def test_less_than_the_tolerance_is_no_drift(tmp_path, gauss):
    """+0.08 sd for five days, half of what the tolerance and the size of the reference allow: never, however long."""
    store = streams.replay(tmp_path, "small", body(gauss), [streams.write(tmp_path / "e", panes(1440, 60, normals(lambda p: 0.08), seed=12))])
    assert crossings(store, "x") == []


# ---- the definition, on categories ----

def log_e(reference, counts, rho):
    """METHODS §4.3, unordered."""
    r, c = np.array(reference, float), np.array(counts, float)
    n, big, bins = c.sum(), r.sum(), len(r)
    p, q = r / big, c / n
    base = (r + 0.5) / (big + bins / 2)
    has = p > 0

    def distance(w):
        mixed = (1 - w) * p[has] + w * q[has]
        return np.inf if (mixed <= 0).any() else float(-(p[has] * np.log(mixed / p[has])).sum())

    w = 1.0 if distance(1.0) <= rho else scipy.optimize.brentq(lambda w: min(distance(w), 1e3) - rho, 0, 1, xtol=1e-15)
    seen = c > 0
    den = float((c[seen] * np.log((1 - w) * p[seen] + w * q[seen])).sum())
    gammaln = scipy.special.gammaln
    terms = []
    for kappa, a in [(bins / 2, np.full(bins, 1 / bins)), (30, base), (300, base), (3000, base)]:
        terms.append(gammaln(kappa) - gammaln(kappa + n) + float((gammaln(kappa * a + c) - gammaln(kappa * a)).sum()))
    return scipy.special.logsumexp(terms) - math.log(4) - den


def test_the_definition(tmp_path):
    """log R of every hour, made again from the events: every start of the ladder, the ball, the mixture."""
    letters = "abcde"
    shares = {pane: [0.4, 0.3, 0.15, 0.1, 0.05] for pane in range(700)}
    for pane in range(500, 700):
        shares[pane] = [0.37, 0.31, 0.16, 0.1, 0.06]
    make = lambda rng, pane: {"k": rng.choices(letters, shares.get(pane, shares[0]))[0] if rng.random() > 0.02 else None}
    train = reference(tmp_path, panes(40, 100, make, seed=3))
    events = panes(700, 40, make, start_ms=streams.START + 7 * PANE, seed=4)
    events = [event for event in events if (event["ts"] - streams.START) // PANE not in range(200, 260)]  # five hours without any
    store = streams.replay(tmp_path, "by_hand", body(train), [streams.write(tmp_path / "e", events)])
    count = lambda items: np.array([sum(1 for e in items if e["features"]["k"] == x) for x in letters] + [0, 0]
                                   + [sum(1 for e in items if e["features"]["k"] is None), 0])
    base = count(panes(40, 100, make, seed=3))
    rho = max(0.005, scipy.stats.chi2.isf(0.05 / 1, len(base) - 1) / (2 * base.sum()))
    by_pane = {}
    for event in events:
        by_pane.setdefault(event["ts"] // PANE * PANE, []).append(event)
    by_pane = {at: count(items) for at, items in by_pane.items()}
    found, first, checked, restart = rows(store, "k"), min(by_pane), 0, 0
    for end_s, row in sorted(found.items()):
        now, values = end_s * 1000, []
        for tier, age in LADDER:
            start = (now - 1) // TIERS[tier] * TIERS[tier] - (age - 1) * TIERS[tier]
            if start < first or start < restart:
                continue
            counts = sum((c for at, c in by_pane.items() if start <= at < now), np.zeros(len(base)))
            values.append(log_e(base, counts, rho))
        assert row["log_r"] == pytest.approx(scipy.special.logsumexp(values), rel=1e-7, abs=1e-7)
        assert row["log_e"] == pytest.approx(max(values), rel=1e-7, abs=1e-7)
        assert row["tolerance"] == pytest.approx(rho, rel=1e-9)
        if row["crossed"]:
            restart = now
        checked += 1
    assert checked >= 52


# ---- what only several features together show ----

def correlated(sign):
    def make(rng, pane):
        common = rng.gauss(0, 1)
        flip = sign if pane < 30 else -sign
        return {"a": common + 0.3 * rng.gauss(0, 1), "b": flip * common + 0.3 * rng.gauss(0, 1), "c": rng.gauss(0, 1), "d": rng.gauss(0, 1)}
    return make


def test_a_correlation_flips(tmp_path):
    """No marginal moves: the two scores of all features cross, no feature does."""
    train = reference(tmp_path, panes(30, 300, correlated(1), seed=21), "--multivariate")
    store = streams.replay(tmp_path, "flip", body(train, model=", multivariate: all"), [streams.write(tmp_path / "e", panes(60, 100, correlated(1), seed=22))])
    for feature in "abcd":
        assert crossings(store, feature) == []
    for score in ("@reconstruction", "@mahalanobis"):
        found = crossings(store, score)
        assert found and 1 <= pane_of(found[0]) - 30 <= 2
        row = rows(store, score)[found[0]]
        assert row["state"] == 3 and row["psi"] > 0.25 and row["w1"] is None


# ---- what is open, and how it ends ----

def test_it_opens_and_clears(tmp_path, gauss):
    """+1 sd for ten panes, then as before: open from the first crossing, over once the window is clean for three onset windows."""
    events = panes(90, 200, normals(lambda p: 1.0 if 30 <= p < 40 else 0), seed=31)
    rules = "rules: [{name: drift, metric: evidence_state, warning: 2, critical: 3}]"
    store = streams.replay(tmp_path, "opens", body(gauss, extra=rules), [streams.write(tmp_path / "e", events)])
    found = rows(store, "x")
    open_ends = [pane_of(end) for end, row in sorted(found.items()) if row["state"] > 0]
    over = [pane_of(end) for end, row in sorted(found.items()) if row["state"] == 0 and pane_of(end) > 40]
    assert 31 <= open_ends[0] <= 32 and open_ends[-1] < over[0] <= 60
    alerts = driftd.query(store, "SELECT metric, feature, severity, state FROM v1_alerts")
    assert alerts == [("evidence_state", "x", "critical", "resolved")]
    first = found[streams.START // 1000 + open_ends[0] * 300]
    assert all(row["onset_s"] == first["onset_s"] for end, row in found.items() if row["state"] > 0)


def test_evidence_without_effect_is_a_notice(tmp_path):
    """40,000 events a pane make a change of PSI 0.02 certain, and it stays small: state 1, which no rule on 2 notices."""
    letters = "abcdefghij"
    flat = lambda rng, pane: {"k": rng.choice(letters)}
    tilted = lambda rng, pane: {"k": rng.choices(letters, [1.16] * 5 + [0.84] * 5)[0] if pane >= 3 else rng.choice(letters)}
    train = reference(tmp_path, panes(10, 1000, flat, seed=41))
    store = streams.replay(tmp_path, "notice", body(train), [streams.write(tmp_path / "e", panes(12, 4000, tilted, seed=42))])
    found = rows(store, "k")
    crossed = crossings(store, "k")
    assert crossed and all(found[end]["state"] == 1 and found[end]["effect"] < 1 for end in crossed)
    assert all(row["state"] <= 1 for row in found.values())


def test_missing_values(tmp_path, gauss):
    """5 % missing where there were none: evidence with an effect, though no distance of values moves."""
    make = lambda rng, pane: {"x": None if pane >= 20 and rng.random() < 0.05 else rng.gauss(0, 1), "y": rng.gauss(0, 1)}
    store = streams.replay(tmp_path, "missing", body(gauss), [streams.write(tmp_path / "e", panes(40, 200, make, seed=51))])
    found = crossings(store, "x")
    assert found and pane_of(found[0]) - 20 <= 6
    row = rows(store, "x")[found[0]]
    assert row["state"] >= 2 and 0.02 < row["missing_delta"] < 0.09 and row["w1"] < 0.1
    assert crossings(store, "y") == []


# ---- the fixed reference beside one that moves (METHODS §13) ----

def test_the_fixed_reference_has_a_wider_tolerance(tmp_path, gauss):
    """+0.18 sd: more than the tolerance of 0.005, less than four times that. With +0.5 sd both say so."""
    for name, shift, fixed in (("small", 0.18, False), ("large", 0.5, True)):
        events = panes(300, 200, normals(lambda p: shift if p >= 30 else 0), seed=61)
        store = streams.replay(tmp_path, name, body(gauss, model=", past: {rolling: 1d}"), [streams.write(tmp_path / name, events)])
        assert crossings(store, "x")
        assert bool(crossings(store, "x", "evidence_fixed")) == fixed
        row = next(iter(rows(store, "x").values()))
        assert row["threshold"] == pytest.approx(math.log(8640 * 4 * 24 / 0.5), rel=1e-12)


# ---- configuration ----

def test_the_budget(tmp_path, gauss):
    events = streams.write(tmp_path / "e", panes(40, 200, normals(lambda p: 1.0 if p >= 20 else 0), seed=71))
    off = streams.replay(tmp_path, "off", body(gauss, budget="{false_alarms: 0}"), [events])
    assert rows(off, "x") == {}
    strict = streams.replay(tmp_path, "strict", body(gauss, budget="{false_alarms: 0.1, per: 365d, share: 0.1, tolerance: 0.05, overdispersion: 4}"), [events])
    row = next(iter(rows(strict, "x").values()))
    assert row["threshold"] == pytest.approx(math.log(365 * 288 / 0.1 * 2 * 24 / 0.1), rel=1e-12) and row["tolerance"] == pytest.approx(0.05)


# ---- same events, same bytes ----

@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Four days with gaps, drift that comes and goes, a capture before it, both scores, and a moving reference."""
    def make(rng, pane):
        common = rng.gauss(0, 1)
        shift = 0.6 if 500 <= pane < 540 or pane >= 900 else 0.0
        return {"x": rng.gauss(shift, 1), "a": common, "b": common * (-1 if pane > 1000 else 1) + 0.3 * rng.gauss(0, 1), "k": rng.choice("abc")}
    events = [e for e in panes(1100, 12, make, seed=81) if (e["ts"] - streams.START) // PANE not in range(650, 800)]
    late = "time: {tiers: [5m, 1h, 1d], lateness: 10m, idle_timeout: 2s}\nwindows: [{length: 1h, slide: 1h}]\n"
    text = (f"{late}limits: {{versions: 1}}\nmodels: [{{name: m, reference: {{capture: {{duration: 1d}}}}, multivariate: all, past: {{rolling: 1d}}, budget: {{overdispersion: 1}}}}]\n"
            "rules: [{name: drift, metric: evidence_state, warning: 2}, {name: fixed, metric: evidence_fixed_state, warning: 2}]\n")
    directory = tmp_path_factory.mktemp("history")
    store = streams.replay(directory, "one", text, [streams.write(directory / "e", events)])
    return text, events, driftd.canonical(store), store


def test_there_is_something_to_compare(history):
    _, _, canonical, store = history
    assert crossings(store, "x") and crossings(store, "@mahalanobis")
    assert any("firing" in row for row in canonical["v1_alerts"])


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_and_order(tmp_path, history, workers):
    text, events, canonical, _ = history
    files = streams.scattered(tmp_path, events, 4, random.Random(workers), 9 * MINUTE)
    store = streams.replay(tmp_path, "parts", text, files, workers=workers)
    assert driftd.difference(canonical, driftd.canonical(store)) == ""


def test_kills(tmp_path, history):
    """Killed again and again in a slow replay: what the history needs comes back from the store."""
    text, events, canonical, _ = history
    store = tmp_path / "killed.db"
    config = streams.config(tmp_path / "killed.yaml", store, text)
    file = streams.write(tmp_path / "e", events)
    assert streams.killed(config, store, [file], seed=5, times=30) >= 3
    assert driftd.difference(canonical, driftd.canonical(store)) == ""


def test_restarts_at_every_stage(tmp_path, history):
    """The same events in many files, one replay each: every start rebuilds the history from panes of three tiers. Panes that a file ends in
    are cut there, so files end between panes."""
    text, events, canonical, _ = history
    # not finite, or the last pane of each file would be closed for good: a run that is stopped, not ended
    store = tmp_path / "staged.db"
    config = streams.config(tmp_path / "staged.yaml", store, text, commit="100ms", merge="10ms")
    file = tmp_path / "e"
    file.write_text("")
    streams.write(file, events)
    assert streams.stopped(config, store, [file], seed=6, times=4, wait=(0.3, 0.6)) >= 2
    assert driftd.difference(canonical, driftd.canonical(store)) == ""


# ---- degenerate inputs ----

def test_degenerate(tmp_path):
    """One value, one class, nothing but missing, a feature that comes once: no crossing, no NaN, no crash."""
    make = lambda rng, pane: {"one": 5, "k": "only", "never": None, "once": 1 if pane == 0 else None}
    train = reference(tmp_path, panes(10, 30, make, seed=91), "--multivariate")
    store = streams.replay(tmp_path, "toy", body(train, model=", multivariate: all"), [streams.write(tmp_path / "e", panes(40, 10, make, seed=92))])
    names = [name for name, in driftd.query(store, "SELECT DISTINCT feature FROM v1_results WHERE monitor = 'evidence'")]
    assert {"one", "k"} <= set(names)
    for feature in ("one", "k"):
        assert crossings(store, feature) == []
    nothing = streams.replay(tmp_path, "nothing", body(train), [streams.write(tmp_path / "none", [])])
    assert driftd.query(nothing, "SELECT count(*) FROM v1_results") == [(0,)]
    single = streams.replay(tmp_path, "single", body(train), [streams.write(tmp_path / "single_e", panes(1, 1, make))])
    assert crossings(single, "one") == []
    changed = streams.replay(tmp_path, "changed", body(train), [streams.write(tmp_path / "c", panes(20, 50, lambda rng, pane: {"one": 6, "k": "other"}, seed=93))])
    for feature in ("one", "k"):
        assert crossings(changed, feature)


# ---- references that move ----

def test_a_rolling_reference_absorbs_slow_drift(tmp_path, gauss):
    """0.06 sd a day for eleven days: no day differs much from the one before, but the fixed reference is left behind."""
    events = panes(11 * 288, 20, normals(lambda p: 0.06 * p / 288), seed=101)
    store = streams.replay(tmp_path, "slow", body(gauss, model=", past: {rolling: 1d}"), [streams.write(tmp_path / "e", events)])
    assert crossings(store, "x") == []
    fixed = crossings(store, "x", "evidence_fixed")
    assert fixed and 4 <= pane_of(fixed[0]) / 288 <= 11
    later = [row for end, row in rows(store, "x").items() if pane_of(end) > 300]
    assert len(later) > 200
    count = driftd.query(store, "SELECT DISTINCT reference_n FROM v1_results WHERE metric = 'evidence_state' AND feature = 'x' AND window_end_s > ?",
                         streams.START // 1000 + 86400)
    assert count == [(288 * 20,)]  # the day before, whole
    step = streams.replay(tmp_path, "step", body(gauss, model=", past: {rolling: 1d}"),
                          [streams.write(tmp_path / "s", panes(700, 20, normals(lambda p: 0.5 if p >= 600 else 0), seed=102))])
    found = crossings(step, "x")
    assert found and 1 <= pane_of(found[0]) - 600 <= 20


def test_a_seasonal_reference_knows_the_hour(tmp_path, gauss):
    """A daily cycle of 0.8 sd: against the same hour of the week before there is no evidence, and a step of 0.8 sd gives some."""
    cycle = lambda p: 0.8 * math.sin(2 * math.pi * p / 288) + (0.8 if p >= 2300 else 0)
    store = streams.replay(tmp_path, "season", body(gauss, model=", past: {seasonal_weeks: 1}"),
                           [streams.write(tmp_path / "e", panes(2330, 20, normals(cycle), seed=111))])
    found = [pane_of(end) for end in crossings(store, "x")]
    assert [p for p in found if 2016 + 12 < p <= 2300] == []
    assert [p for p in found if 2300 < p <= 2312]
    assert len(crossings(store, "x", "evidence_fixed")) > 10


# ---- overdispersion (METHODS §4.6) ----

def noisy(hours=6.0, sd=0.1, cycle=0.3, weekend=0.3, seed=0):
    """Shifts by pane: a daily cycle, a weekend, and an autocorrelated part."""
    rng, level, keep, out = random.Random(seed), 0.0, math.exp(-1 / (hours * 12)), {}
    for pane in range(-3 * 288, 40 * 288):
        level = keep * level + math.sqrt(1 - keep * keep) * rng.gauss(0, sd)
        out[pane] = level + cycle * math.sin(2 * math.pi * pane / 288) + (weekend if pane // 288 % 7 in (5, 6) else 0)
    return lambda pane: out[pane]


def test_overdispersion_is_measured(tmp_path):
    """A day as reference, ten days after it with a cycle, a weekend and autocorrelated panes: alarms every day if that is taken for drift,
    none as measured; and a shift of 2 sd is still found."""
    shift = noisy(seed=3)
    train = reference(tmp_path, panes(288, 35, normals(lambda p: shift(p - 288)), start_ms=streams.START - 288 * PANE, seed=121))
    events = streams.write(tmp_path / "e", panes(10 * 288, 25, normals(lambda p: shift(p) + (2.0 if p >= 2800 else 0)), seed=122))
    naive = streams.replay(tmp_path, "naive", body(train), [events])
    assert len([end for end in crossings(naive, "x") if pane_of(end) < 2800]) > 10
    measured = streams.replay(tmp_path, "measured", body(train, budget="{}"), [events])
    found = [pane_of(end) for end in crossings(measured, "x")]
    assert [p for p in found if p <= 2800] == [] and 1 <= [p for p in found if p > 2800][0] - 2800 <= 40
    hour = [row for end, row in rows(measured, "x").items()]
    assert max(row["overdispersion"] for row in hour) > 5
    assert crossings(measured, "y") == []


def test_independent_events_are_not_overdispersed(tmp_path):
    """phi of the shortest windows is 1 within the noise, also when the reference is a sample of a tenth of the events."""
    import json
    train = json.loads(reference(tmp_path, panes(300, 100, normals(), seed=131), "--sample", "3000").read_text())
    for feature in ("x", "y"):
        pairs = train["dispersion"][feature]
        pearson, score = pairs[0::2], pairs[1::2]
        assert pearson == sorted(pearson) and score == sorted(score) and pearson[0] < 1.5 and score[0] < 2.5
    clustered = lambda rng, pane: {"x": random.Random(pane).gauss(0, 1) + 0.2 * rng.gauss(0, 1)}
    train = json.loads(reference(tmp_path, panes(300, 10, clustered, seed=132)).read_text())
    assert train["dispersion"]["x"][2 * 3] > 3  # eight minutes hold two panes, of which each is nearly one value


def test_without_times_nothing_is_measured(tmp_path):
    import json
    events = [dict(event, ts=streams.START) for event in panes(20, 50, normals(), seed=141)]
    assert "dispersion" not in json.loads(reference(tmp_path, events).read_text())


def test_seasonal_restarts(tmp_path):
    """Epochs of a quarter of a day, each against the same one of the week before: killed and begun again, the same bytes."""
    text = ("time: {tiers: [30m, 6h, 1d], lateness: 10m, idle_timeout: 2s}\nwindows: [{length: 6h, slide: 6h}]\nlimits: {versions: 1}\n"
            "models: [{name: m, reference: {capture: {duration: 1d}}, past: {seasonal_weeks: 2}}]\n"
            "rules: [{name: drift, metric: evidence_state, warning: 2}]\n")
    rng = random.Random(151)
    events = [streams.prediction(streams.START + i * 90_000, i, {"x": rng.gauss(math.sin(i / 960 * 2 * math.pi) + (1 if i > 14_700 else 0), 1)})
              for i in range(15_400)]
    file = streams.write(tmp_path / "e", events)
    whole = streams.replay(tmp_path, "whole", text, [file])
    last = [end for end in crossings(whole, "x") if end > streams.START // 1000 + 10 * 86400]
    assert last and all(end * 1000 > streams.START + 14_700 * 90_000 for end in last)
    store = tmp_path / "killed.db"
    config = streams.config(tmp_path / "killed.yaml", store, text)
    assert streams.killed(config, store, [file], seed=3, times=12) >= 6
    assert driftd.difference(driftd.canonical(whole), driftd.canonical(store)) == ""
