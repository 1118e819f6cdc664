"""References that move with the model: bike sharing has strong days and weeks, which the same hours of earlier weeks know."""

import bisect
import collections
import csv
import datetime
import gzip
import json
import math
import random

import pytest

import driftd
import streams

HOUR, DAY, WEEK = streams.HOUR, streams.DAY, 7 * streams.DAY
TIME = "time: {tiers: [30m, 1h, 1d], lateness: 10m}\n"
ONE, TWO = "windows: [{length: 6h, slide: 1h}]\n", "windows: [{length: 6h, slide: 1h}, {length: 90m, slide: 30m}]\n"
FROM, WEEKS = datetime.datetime(2012, 4, 2, tzinfo=datetime.timezone.utc), 10  # a Monday


def rides():
    """Every twentieth ride of ten weeks of spring: when, with which weather, by whom."""
    rng = random.Random(4)
    with gzip.open(driftd.DATA / "bike_sharing_hour.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            at = datetime.datetime.fromisoformat(row["timestamp"].replace("Z", "+00:00"))
            if not FROM <= at < FROM + datetime.timedelta(weeks=WEEKS):
                continue
            start = int(at.timestamp() * 1000)
            casual, count = int(row["casual"]), int(row["cnt"])
            for _ in range((count + 19) // 20):
                yield start + rng.randrange(HOUR), {"hour": at.hour, "rider": "casual" if rng.random() * count < casual else "registered",
                                                    "temp": float(row["temp"]) + rng.gauss(0, 0.01), "load": count + rng.random()}


@pytest.fixture(scope="module")
def events():
    items = sorted(rides(), key=lambda item: item[0])
    return [streams.prediction(ts, i, features) for i, (ts, features) in enumerate(items)]


def body(past, rules="", windows=ONE):
    return TIME + windows + f"models: [{{name: m, minimum_n: 50, reference: {{capture: {{duration: 7d}}}}, past: {past}}}]\n{rules}"


@pytest.fixture(scope="module")
def bikes(tmp_path_factory, events):
    directory = tmp_path_factory.mktemp("bikes")
    return streams.replay(directory, "bikes", body("{seasonal_weeks: 4, rolling: 14d, rolling_lag: 1d}", windows=TWO), [streams.write(directory / "e", events)])


def flags(store, metric, feature, window=6 * 3600):
    rows = driftd.query(store, "SELECT state, status FROM v1_results WHERE metric = ? AND feature = ? AND window_s = ?", metric, feature, window)
    judged = [state for state, status in rows if status == "ok"]
    return sum(state in ("warning", "critical") for state in judged), len(judged)


def test_seasonal_knows_the_day(bikes):
    """The hour of the day is another one in every window: only the seasonal reference knows that this is as always."""
    flagged, judged = flags(bikes, "psi", "hour")
    assert judged > 900 and flagged == judged
    flagged, judged = flags(bikes, "seasonal_psi", "hour")
    assert judged > 800 and flagged == 0
    assert flags(bikes, "rolling_psi", "hour")[0] > 900
    plain, seasonal = flags(bikes, "psi", "rider"), flags(bikes, "seasonal_psi", "rider")
    assert seasonal[1] > 800 and seasonal[0] < plain[0] / 5
    short = flags(bikes, "seasonal_psi", "hour", 90 * 60)
    assert short[1] > 50 and short[0] == 0


def psi(reference, current):
    """METHODS §3: Jeffreys smoothing over the cells that hold anything."""
    cells = [cell for cell in sorted(set(reference) | set(current)) if reference.get(cell, 0) + current.get(cell, 0)]
    m, n, b = sum(reference.values()), sum(current.values()), len(cells)
    p = {cell: (reference.get(cell, 0) + 0.5) / (m + b / 2) for cell in cells}
    q = {cell: (current.get(cell, 0) + 0.5) / (n + b / 2) for cell in cells}
    return sum((q[cell] - p[cell]) * math.log(q[cell] / p[cell]) for cell in cells)


def counted(events, from_ms, to_ms):
    return collections.Counter(event["features"]["rider"] for event in events[bisect.bisect_left(events, from_ms, key=lambda e: e["ts"]):
                                                                              bisect.bisect_left(events, to_ms, key=lambda e: e["ts"])])


@pytest.mark.parametrize("window_s", [6 * 3600, 90 * 60])
def test_the_mixture(bikes, events, window_s):
    """Numbers made again from the events: weights of the window's own traffic, M_eff, PSI on the mixture."""
    left_out = streams.values(bikes, "seasonal_left_out", window_s=window_s, feature="rider")
    rows = streams.values(bikes, "seasonal_rows", window_s=window_s, feature="rider")
    found = streams.values(bikes, "seasonal_psi", window_s=window_s, feature="rider")
    last, checked = max(end for end, _ in rows), 0
    for (end_s, feature), value in sorted(rows.items()):
        if end_s < last - 3 * WEEK // 1000 or left_out[end_s, feature] or value is None:
            continue
        end, begin = end_s * 1000, end_s * 1000 - window_s * 1000
        hours = range(begin // HOUR * HOUR, end, HOUR)
        traffic = [sum(counted(events, max(begin, hour), min(end, hour + HOUR)).values()) for hour in hours]
        mixture, spread = collections.Counter(), 0
        for hour, events_in in zip(hours, traffic):
            if events_in == 0:
                continue
            weight, past = events_in / sum(traffic), collections.Counter()
            for week in range(1, 5):
                past += counted(events, hour - week * WEEK, hour + HOUR - week * WEEK)
            spread += weight ** 2 / sum(past.values())
            for cell, count in past.items():
                mixture[cell] += weight * count / sum(past.values())
        assert value == pytest.approx(1 / spread, rel=1e-12)
        sample = {cell: round(share / spread) for cell, share in mixture.items()}
        unsure = any(abs(share / spread % 1 - 0.5) < 1e-9 for share in mixture.values())  # half an event: up or down
        if found[end_s, feature] is not None and not unsure:
            assert found[end_s, feature] == pytest.approx(psi(sample, counted(events, begin, end)), abs=1e-12)
        checked += 1
    assert checked > 200


def test_the_rolling_stretch(bikes, events):
    rows = streams.values(bikes, "rolling_rows", window_s=6 * 3600, feature="rider")
    found = streams.values(bikes, "rolling_psi", window_s=6 * 3600, feature="rider")
    last, checked = max(end for end, _ in rows), 0
    for (end_s, feature), value in sorted(rows.items()):
        if end_s < last - 3 * WEEK // 1000:
            continue
        begin = end_s * 1000 - 6 * HOUR
        past = counted(events, begin - 15 * DAY, begin - DAY)
        assert value == sum(past.values())
        assert found[end_s, feature] == pytest.approx(psi(past, counted(events, begin, begin + 6 * HOUR)), abs=1e-12)
        checked += 1
    assert checked > 400


# ---- guards ----

DRIFT_AT = int((FROM + datetime.timedelta(weeks=7)).timestamp() * 1000)


@pytest.fixture(scope="module")
def drifted(tmp_path_factory, events):
    """From the eighth week on all riders are casual and stay so."""
    changed = [{**event, "features": {**event["features"], "rider": "casual"}} if event["ts"] >= DRIFT_AT else event for event in events]
    return streams.write(tmp_path_factory.mktemp("drifted") / "e", changed)


GUARD = "rules: [{name: season, metric: seasonal_psi, feature: rider, window: 6h, critical: 0.5}]\n"


def test_an_open_alert_keeps_the_past_clean(tmp_path, drifted):
    past = "{seasonal_weeks: 1, rolling: 5d}"
    bare = streams.replay(tmp_path, "bare", body(past), [drifted])
    guarded = streams.replay(tmp_path, "guarded", body(past, GUARD), [drifted])
    in_ninth = f"window_end_s > {(DRIFT_AT + WEEK + 12 * HOUR) // 1000} AND window_end_s <= {(DRIFT_AT + 2 * WEEK) // 1000}"
    mean = "SELECT count(*), avg(value) FROM v1_results WHERE metric = ? AND feature = ? AND window_s = 21600 AND " + in_ninth
    for metric in ("seasonal_psi", "rolling_psi"):
        absorbed, kept = driftd.query(bare, mean, metric, "rider")[0], driftd.query(guarded, mean, metric, "rider")[0]
        assert absorbed[1] < 0.1 and kept[1] > 1, metric
        assert driftd.query(bare, mean, metric, "hour") == driftd.query(guarded, mean, metric, "hour")  # another feature's guard
    assert driftd.query(guarded, mean, "seasonal_left_out", "rider")[0][1] >= 5
    assert driftd.query(guarded, "SELECT state FROM v1_alerts WHERE rule = 'season'") == [("firing",)]
    # after 14 days it is the new normal
    tail = "SELECT avg(value) FROM v1_results WHERE metric = ? AND feature = 'rider' AND window_s = 21600 AND window_end_s > ?"
    assert driftd.query(guarded, tail, "seasonal_left_out", (DRIFT_AT + 3 * WEEK - 12 * HOUR) // 1000)[0][0] >= 0


def test_one_odd_week_is_left_out(tmp_path, events):
    """A week in which everybody was casual does not become part of the reference; with two weeks nobody can say which is odd."""
    odd = [{**event, "features": {**event["features"], "rider": "casual"}} if DRIFT_AT - 2 * WEEK <= event["ts"] < DRIFT_AT - WEEK else event for event in events]
    file = streams.write(tmp_path / "e", odd)
    week = f" AND window_end_s > {(DRIFT_AT + 6 * HOUR) // 1000} AND window_end_s <= {(DRIFT_AT + WEEK) // 1000}"
    value = "SELECT avg(value) FROM v1_results WHERE feature = 'rider' AND window_s = 21600 AND metric = ?" + week
    four = streams.replay(tmp_path, "four", body("{seasonal_weeks: 4}"), [file])
    two = streams.replay(tmp_path, "two", body("{seasonal_weeks: 2}"), [file])
    assert driftd.query(four, value, "seasonal_left_out")[0][0] > 3
    assert driftd.query(two, value, "seasonal_left_out")[0][0] == 0
    assert driftd.query(four, value, "seasonal_psi")[0][0] < 0.15 < 0.3 < driftd.query(two, value, "seasonal_psi")[0][0]


def test_exceptions(tmp_path, events):
    def day(at):
        return datetime.datetime.fromtimestamp(at / 1000, datetime.timezone.utc).date()
    odd = [{**event, "features": {**event["features"], "rider": "casual"}} if DRIFT_AT - WEEK <= event["ts"] < DRIFT_AT else event for event in events]
    past = f"{{seasonal_weeks: 2, rolling: 7d, exceptions: [{day(DRIFT_AT - WEEK)}/{day(DRIFT_AT)}]}}"
    store = streams.replay(tmp_path, "holidays", body(past), [streams.write(tmp_path / "e", odd)])
    week = f" AND window_end_s > {(DRIFT_AT + 6 * HOUR) // 1000} AND window_end_s <= {(DRIFT_AT + WEEK) // 1000}"
    value = "SELECT avg(value), min(value) FROM v1_results WHERE feature = 'rider' AND window_s = 21600 AND metric = ?" + week
    assert driftd.query(store, value, "seasonal_psi")[0][0] < 0.1
    assert driftd.query(store, value, "seasonal_left_out")[0][1] >= 6
    assert driftd.query(store, value, "rolling_left_out")[0][1] >= 6


# ---- the same bytes ----

SAME = "{seasonal_weeks: 1, rolling: 2d, rolling_lag: 6h, exceptions: [2012-04-11/2012-04-12]}"


def same():
    return body(SAME, GUARD, TWO.replace("slide: 30m", "slide: 1h").replace("90m", "2h")).replace("duration: 7d", "duration: 1d")


@pytest.fixture(scope="module")
def short(tmp_path_factory, events):
    """Eighteen days, the last four of them all casual."""
    begin = int(FROM.timestamp() * 1000)
    items = [event for event in events if event["ts"] < begin + 18 * DAY]
    changed = [{**event, "features": {**event["features"], "rider": "casual"}} if event["ts"] >= begin + 14 * DAY else event for event in items]
    return streams.write(tmp_path_factory.mktemp("short") / "e", changed)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory, short):
    store = streams.replay(tmp_path_factory.mktemp("baseline"), "baseline", same(), [short])
    assert driftd.query(store, "SELECT count(*) FROM v1_results WHERE metric = 'seasonal_left_out' AND value > 0")[0][0] > 0
    assert driftd.query(store, "SELECT count(*) FROM v1_alerts WHERE rule = 'season'") == [(1,)]
    return store


@pytest.mark.parametrize("workers", [1, 4])
def test_workers_and_order(tmp_path, short, baseline, workers):
    items = [json.loads(line) for line in short.read_text(encoding="utf-8").splitlines()]
    files = streams.scattered(tmp_path, items, 4, random.Random(workers), 9 * streams.MINUTE)
    store = streams.replay(tmp_path, "parts", same(), files, workers=workers)
    assert driftd.difference(driftd.canonical(baseline), driftd.canonical(store)) == ""


def test_kills(tmp_path, short, baseline):
    store = tmp_path / "killed.db"
    config = streams.config(tmp_path / "killed.yaml", store, same())
    assert streams.killed(config, store, [short], seed=7, times=12) >= 4
    assert driftd.difference(driftd.canonical(baseline), driftd.canonical(store)) == ""


# ---- configuration, nothing to say ----

def test_off_by_default_and_nothing_yet(tmp_path, events):
    file = streams.write(tmp_path / "e", events[:4000])
    monitors = "SELECT count(*) FROM v1_results WHERE monitor IN ('seasonal', 'rolling')"
    assert driftd.query(streams.replay(tmp_path, "off", body("{}"), [file]), monitors) == [(0,)]
    assert driftd.query(streams.replay(tmp_path, "none", body("{seasonal_weeks: 4}"), [streams.write(tmp_path / "f", events[:10])]), monitors) == [(0,)]


@pytest.mark.parametrize("past, tiers, message", [
    ("{rolling: 1d}", "[1h]", "needs a second tier"),
    ("{seasonal_weeks: 1}", "[1h, 5h]", "a week is no multiple"),
    ("{seasonal_weeks: 1, exceptions: [2012-05-02/2012-05-01]}", "[1h, 1d]", "is not FROM/TO"),
    ("{seasonal_weeks: 99}", "[1h, 1d]", "outside")])
def test_configuration_errors(tmp_path, past, tiers, message):
    config = streams.config(tmp_path / "c.yaml", tmp_path / "s.db",
                            f"time: {{tiers: {tiers}}}\nwindows: [{{length: 1h, slide: 1h}}]\nmodels: [{{name: m, past: {past}}}]")
    done = driftd.run("check", "-c", config, check=False)
    assert done.returncode == 78 and message in done.stdout + done.stderr
