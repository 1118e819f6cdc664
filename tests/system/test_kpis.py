"""Business KPIs end to end: against numpy and scipy, and the same bytes whatever the order, the workers, the kills."""

import math
import random

import numpy
import pytest
import scipy.stats

import driftd
import streams
from streams import HOUR, MINUTE, START

BODY = """time: {tiers: [10m, 1h], lateness: 10m, idle_timeout: 2s}
windows: [{length: 1h, slide: 10m}, {length: 3h, slide: 1h}]
models: [{name: shop, reference: none, kpi_baseline: 2h, kpis: [{name: basket, unit: 50, low: 0, high: 400}, {name: margin, unit: 0.1, winsorise: true}]}]
"""
HOURS, PER_HOUR = 6, 300  # hours 0 and 1 are the first period; baskets change in hour 4


def make():
    rng = numpy.random.default_rng(7)
    rows = []
    for i in range(HOURS * PER_HOUR):
        hour = i // PER_HOUR
        basket = float(rng.lognormal(4 + (0.3 if hour >= 4 else 0), 0.6))
        row = {"type": "kpi", "model": "shop", "ts": START + i * (HOUR // PER_HOUR) + int(rng.integers(0, 5000)), "id": f"k{i}",
               "kpis": {"basket": basket, "margin": float(rng.normal(0.1, 0.02))}, "segments": {"country": "NL" if rng.random() < 0.3 else "BE"}}
        if i % 7 == 0:
            row["kpis"]["visits"] = int(rng.poisson(3))
        if i % 100 == 0:
            row["kpis"]["margin"] = None
        rows.append(row)
    return sorted(rows, key=lambda row: row["ts"])


EVENTS = make()
LATE = 10 * MINUTE


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    directory = tmp_path_factory.mktemp("kpis")
    return streams.replay(directory, "s", BODY, [streams.write(directory / "k.ndjson", EVENTS)])


@pytest.fixture(scope="module")
def found(store):
    rows = driftd.query(store, """SELECT window_s, window_end_s, segment, feature, metric, value, n, p_value, ci_low, ci_high, reference_n, revision, status
                                  FROM v1_results WHERE monitor = 'kpi'""")
    return {row[:5]: dict(zip(("value", "n", "p", "low", "high", "reference_n", "revision", "status"), row[5:])) for row in rows}


def values(name, start_ms, end_ms, segment=""):
    out = [row["kpis"][name] for row in EVENTS if start_ms <= row["ts"] < end_ms and row["kpis"].get(name) is not None
           and (not segment or f"country={row['segments']['country']}" == segment)]
    return numpy.clip(out, 0, 400) if name == "basket" else numpy.array(out)


ENDS = [(hours, end) for hours in (1, 3) for end in range(1, HOURS + 1)]


@pytest.mark.parametrize("name", ["basket", "margin", "visits"])
@pytest.mark.parametrize("segment", ["", "country=NL"])
def test_moments_and_welch(found, name, segment):
    before = values(name, START, START + 2 * HOUR, segment)
    for hours, end in ENDS:
        end_ms = START + end * HOUR
        now = values(name, end_ms - hours * HOUR, end_ms, segment)

        def row(metric):
            return found[hours * 3600, end_ms // 1000, segment, name, metric]

        assert row("kpi_mean")["n"] == len(now)
        assert row("kpi_mean")["value"] == pytest.approx(now.mean(), rel=1e-9)
        assert row("kpi_sd")["value"] == pytest.approx(now.std(ddof=1), rel=1e-6)
        assert row("kpi_sum")["value"] == pytest.approx(now.sum(), rel=1e-9)
        assert row("kpi_per_second")["value"] == pytest.approx(len(now) / (hours * 3600))
        difference = row("kpi_difference")
        if end <= 2:  # the first period is not over
            assert difference["value"] is None and difference["status"] != "ok" and difference["reference_n"] == 0
            continue
        if len(before) < 30:
            continue
        welch = scipy.stats.ttest_ind(now, before, equal_var=False)
        low, high = welch.confidence_interval(0.95)
        assert difference["reference_n"] == len(before)
        assert difference["value"] == pytest.approx(now.mean() - before.mean(), rel=1e-6, abs=1e-9)
        assert difference["p"] == pytest.approx(welch.pvalue, rel=1e-5)
        assert (difference["low"], difference["high"]) == pytest.approx((low, high), rel=1e-5, abs=1e-9)
        assert row("kpi_t")["value"] == pytest.approx(welch.statistic, rel=1e-5, abs=1e-7)


def test_running_mean(found):
    """Asymptotic confidence sequence since the first value, tightest at the size of a window."""
    for hours, end in ENDS:
        row = found[hours * 3600, (START + end * HOUR) // 1000, "", "basket", "kpi_running_mean"]
        everything = values("basket", START, START + end * HOUR)
        n, n_window = len(everything), len(values("basket", START + (end - hours) * HOUR, START + end * HOUR))
        rho2 = (-2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))) / n_window
        half = everything.std(ddof=1) * math.sqrt(2 * (n * rho2 + 1) / (n * n * rho2) * math.log(math.sqrt(n * rho2 + 1) / 0.05))
        assert row["value"] == pytest.approx(everything.mean(), rel=1e-9)
        assert row["high"] - row["value"] == pytest.approx(half, rel=1e-6)


def test_winsorised(found):
    """Between the quantiles of the first period, rounded to buckets of 1 % before: the window's own values may be far out."""
    gamma = 1.01 / 0.99

    def rounded(x):
        u = numpy.abs(x) / 0.1
        return 0.1 * numpy.sign(x) * 2 * gamma ** numpy.ceil(numpy.log(u) / math.log(gamma) - 1e-9) / (gamma + 1)

    before = numpy.sort(rounded(values("margin", START, START + 2 * HOUR)))
    low, high = (before[int(q * (len(before) - 1))] for q in (0.001, 0.999))
    seen = 0
    for hours, end in ENDS:
        end_ms = START + end * HOUR
        key = hours * 3600, end_ms // 1000, "", "margin"
        if end <= 2:
            assert key + ("kpi_winsorised_mean",) not in found
            continue
        raw = values("margin", end_ms - hours * HOUR, end_ms)
        now, first = (rounded(x).clip(low, high) for x in (raw, before))
        welch = scipy.stats.ttest_ind(now, first, equal_var=False)
        mean, difference = found[key + ("kpi_winsorised_mean",)], found[key + ("kpi_winsorised_difference",)]
        assert mean["n"] == len(raw) and mean["reference_n"] == len(before)
        assert mean["value"] == pytest.approx(now.mean(), rel=1e-9) == pytest.approx(raw.clip(low, high).mean(), rel=0.01)
        assert found[key + ("kpi_winsorised_low",)]["value"] == pytest.approx(low, rel=1e-9)
        assert found[key + ("kpi_winsorised_high",)]["value"] == pytest.approx(high, rel=1e-9)
        assert found[key + ("kpi_winsorised_rate",)]["value"] == pytest.approx(((rounded(raw) < low * (1 - 1e-9)) | (rounded(raw) > high * (1 + 1e-9))).mean())
        assert difference["value"] == pytest.approx(now.mean() - first.mean(), rel=1e-6, abs=1e-12)
        assert difference["p"] == pytest.approx(welch.pvalue, rel=1e-5)
        seen += 1
    assert seen == 8 and not any(name == "basket" and metric.startswith("kpi_winsorised") for _, _, _, name, metric in found)


def test_what_changed_is_seen(found):
    def p(end, name):
        return found[3600, (START + end * HOUR) // 1000, "", name, "kpi_difference"]["p"]

    assert p(5, "basket") < 1e-4 and p(6, "basket") < 1e-4
    assert min(p(3, "basket"), p(4, "basket"), p(5, "margin"), p(6, "margin")) > 0.005


def test_rates(found):
    end = (START + HOUR) // 1000
    raw = [row["kpis"]["basket"] for row in EVENTS if row["ts"] < START + HOUR]
    assert found[3600, end, "", "basket", "kpi_clipped_rate"]["value"] == pytest.approx(sum(x > 400 for x in raw) / len(raw))


@pytest.fixture(scope="module")
def baseline(store):
    return driftd.canonical(store)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_same_bytes(tmp_path, baseline, workers):
    """Names come to every worker in another order; slots differ, results do not."""
    rng = random.Random(workers)
    events = [{**row, "kpis": dict(rng.sample(list(row["kpis"].items()), len(row["kpis"])))} for row in EVENTS]
    files = streams.scattered(tmp_path, events, 4, rng, LATE - 1000)
    assert driftd.difference(baseline, driftd.canonical(streams.replay(tmp_path, "s", BODY, files, workers))) == ""


def test_kills(tmp_path, baseline):
    config = streams.config(tmp_path / "c.yaml", tmp_path / "s.db", BODY)
    path = streams.write(tmp_path / "k.ndjson", EVENTS)
    assert streams.killed(config, tmp_path / "s.db", [path], seed=5, times=12) >= 3
    assert driftd.difference(baseline, driftd.canonical(tmp_path / "s.db")) == ""


def test_late_values_revise(tmp_path):
    """Late values are in the window, not in the first period; the running mean is of revision 1 only."""
    late = {**EVENTS[0], "id": "late", "ts": START + 3 * HOUR + 1000, "kpis": {"basket": 100.0}}
    at = next(i for i, row in enumerate(EVENTS) if row["ts"] > START + 4 * HOUR + 30 * MINUTE)
    store = streams.replay(tmp_path, "s", BODY.replace("lateness: 10m", "lateness: 10m, horizon: 6h"), [streams.write(tmp_path / "k.ndjson", EVENTS[:at] + [late] + EVENTS[at:])])
    rows = dict((metric, (value, n, revision)) for metric, value, n, revision in driftd.query(
        store, "SELECT metric, value, n, revision FROM v1_results WHERE feature = 'basket' AND segment = '' AND window_s = 3600 AND window_end_s = ?", (START + 4 * HOUR) // 1000))
    now = numpy.append(values("basket", START + 3 * HOUR, START + 4 * HOUR), 100.0)
    assert rows["kpi_mean"] == (pytest.approx(now.mean(), rel=1e-9), len(now), 2)
    assert rows["kpi_reference_mean"][0] == pytest.approx(values("basket", START, START + 2 * HOUR).mean(), rel=1e-9)
    assert rows["kpi_running_mean"][0] is None


def test_more_names_than_slots(tmp_path):
    body = BODY + "limits: {kpis: 4}\n"
    rows = [{"type": "kpi", "model": "shop", "ts": START + i * MINUTE, "id": f"{i}", "kpis": {f"k{j}": 1.0 for j in range(6)}} for i in range(60)]
    store = streams.replay(tmp_path, "s", body, [streams.write(tmp_path / "k.ndjson", rows)])
    names = driftd.query(store, "SELECT DISTINCT feature, capped FROM v1_results WHERE monitor = 'kpi'")
    assert sorted(names) == [("k0", 1), ("k1", 1)]  # `basket` and `margin` of the configuration have the first slots
    assert streams.fates(store) == {("applied", ""): 60}


def test_another_unit_begins_anew(tmp_path):
    """Sums in other units never add: the windows and the first period start again."""
    config = streams.config(tmp_path / "c.yaml", tmp_path / "s.db", BODY)
    half = len(EVENTS) // 2
    driftd.run("replay", "-q", "-c", config, streams.write(tmp_path / "a.ndjson", EVENTS[:half]))
    streams.config(tmp_path / "c.yaml", tmp_path / "s.db", BODY.replace("unit: 50", "unit: 10"))
    driftd.run("replay", "-q", "-c", config, streams.write(tmp_path / "b.ndjson", EVENTS[half:]))
    rows = driftd.query(tmp_path / "s.db", "SELECT window_end_s, value, n FROM v1_results WHERE metric = 'kpi_mean' AND feature = 'basket' AND segment = '' AND window_s = 3600")
    checked = 0
    for end, value, n in rows:
        now = values("basket", end * 1000 - HOUR, end * 1000)
        if n == len(now):
            assert value == pytest.approx(now.mean(), rel=1e-9)
            checked += 1
    assert checked > 10


ODD = {"one": [{"basket": 3}], "null": [{"basket": None}], "text": [{"basket": "much"}], "constant": [{"basket": 5.0}] * 500,
       "huge": [{"other": 1e300}, {"other": -1e300}], "mixed": [{"basket": 1.0}, {"basket": "x"}, {"basket": None}, {"basket": 2.0}]}


@pytest.mark.parametrize("name", ODD)
def test_degenerate(tmp_path, name):
    count = len(ODD[name])
    rows = [{"type": "kpi", "model": "shop", "ts": START + i * (5 * HOUR // count), "id": f"{i}", "kpis": kpis} for i, kpis in enumerate(ODD[name])]
    store = streams.replay(tmp_path, "s", BODY, [streams.write(tmp_path / "k.ndjson", rows)])
    found = driftd.query(store, "SELECT metric, value, p_value, ci_low, status, state FROM v1_results WHERE monitor = 'kpi'")
    assert all((value is None) == (status == "undefined") or status == "insufficient" for _, value, _, _, status, _ in found)
    assert not any(state for *_, state in found)
    assert (name in ("null", "text")) == (not found)
    assert streams.fates(store).get(("rejected", "type"), 0) == (name in ("text", "mixed"))
    if name == "constant":
        assert {value for metric, value, *_ in found if metric == "kpi_sd"} == {0.0}
        assert {p for metric, _, p, *_ in found if metric == "kpi_difference"} == {None}


def test_rules_may_judge_kpis(tmp_path):
    rules = "rules: [{name: basket, metric: kpi_difference, feature: basket, window: 1h, warning: 10, critical: 200, max_p: 0.001}]\n"
    store = streams.replay(tmp_path, "s", BODY + rules, [streams.write(tmp_path / "k.ndjson", EVENTS)])
    alerts = driftd.query(store, "SELECT feature, segment, severity, fired_s FROM v1_alerts WHERE rule = 'basket' AND segment = ''")
    assert [(feature, severity) for feature, _, severity, _ in alerts] == [("basket", "warning")]
    assert START // 1000 + 4 * 3600 < alerts[0][3] <= START // 1000 + 5 * 3600
