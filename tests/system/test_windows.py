"""Windows and tiers (DESIGN §6): bike sharing month by month, gaps, the origin, and any window against `compare`."""

import calendar
import collections
import csv
import functools
import gzip
import json
import math
import random
import time

import pytest
import scipy.stats

import driftd
import streams
from streams import DAY, HOUR, MINUTE, START

NUMERIC = ("temp", "hum", "windspeed", "cnt")


@pytest.fixture(scope="module")
def bike(tmp_path_factory):
    """The whole set on panes of an hour and a day, against January 2011."""
    directory = tmp_path_factory.mktemp("bike")
    january = directory / "january.csv"
    with gzip.open(driftd.DATA / "bike_sharing_hour.csv.gz", "rt") as file, open(january, "w") as out:
        for line in file:
            if line.startswith(("timestamp", "2011-01")):
                out.write(line)
    driftd.run("reference", "build", "-o", directory / "r.json", "-n", "january", "-m", "bikes", "--time", "timestamp",
               "--categorical", "weathersit,workingday", "--exclude", "season,holiday,weekday,atemp,casual,registered,pred", january)
    store = directory / "bikes.db"
    config = directory / "bikes.yaml"
    config.write_text(f"""api_version: 1
store: {{path: "{store}", retention: {{results: 30000d, panes: 30000d}}}}
inputs:
  - {{name: hours, format: csv, kind: prediction, fields: {{time: /timestamp, model: {{const: bikes}}, features: {{object: ""}}}}}}
time: {{tiers: [1h, 1d], lateness: 1h}}
windows: [{{length: 3d, slide: 1d}}, {{length: 7d, slide: 1d}}]
models: [{{name: bikes, minimum_n: 10, reference: {{file: r.json}}}}]
max_alert_age: never
""")
    driftd.run("replay", "-q", "-c", config, driftd.DATA / "bike_sharing_hour.csv.gz")
    return store


def compare(store, start, end, *more):
    done = driftd.run("compare", "--store", store, "-m", more[0] if more else "bikes", "--from", start, "--to", end, "--json")
    return json.loads(done.stdout)


def by_metric(document):
    rows = document if isinstance(document, list) else document.get("results") or document.get("rows") or document["metrics"]
    return {(row["feature"], row["metric"]): row for row in rows}


@functools.cache
def hours():
    with gzip.open(driftd.DATA / "bike_sharing_hour.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


def weather(month):
    return collections.Counter(row["weathersit"] for row in hours() if row["timestamp"].startswith(month))


@pytest.mark.parametrize("index", range(24))
def test_months(bike, index):
    """The answers that tests/data/README.md names, from panes of a day."""
    month = driftd.answers()["bike_sharing"]["computed"]["months"][index]
    year, number = map(int, month["month"].split("-"))
    last = calendar.monthrange(year, number)[1]
    rows = by_metric(compare(bike, f"{month['month']}-01", streams.iso(1000 * calendar.timegm((year, number, last, 0, 0, 0)) + DAY)))
    for feature in NUMERIC:
        want = month["numeric"][feature]
        assert rows[feature, "psi"]["n"] == month["performance"]["n"]
        assert rows[feature, "mean"]["value"] == pytest.approx(want["mean"], rel=1e-9)
        low, high = rows[feature, "ks"]["value"], rows[feature, "ks_upper"]["value"]
        assert low - 1e-9 <= want["ks"] <= high + 1e-9
        assert abs(low - want["ks"]) <= 1 / 240 + 1e-9
        assert rows[feature, "w1"]["value"] == pytest.approx(want["wasserstein"], rel=0.05, abs=0.005 * max(1.0, abs(want["mean"])))
    assert rows["workingday", "chi2"]["value"] == pytest.approx(month["categorical"]["workingday"]["chi2"]["stat"], rel=1e-6, abs=1e-9)
    counts = [weather("2011-01"), weather(month["month"])]
    # "Heavy rain" comes once in January: what is expected fewer than five times joins the next rarest kind.
    pooled = [[count["1"], count["2"], count["3"] + count["4"]] for count in counts]
    want = scipy.stats.chi2_contingency(pooled, correction=False)
    assert rows["weathersit", "chi2"]["value"] == pytest.approx(want.statistic, rel=1e-9, abs=1e-9)
    assert rows["weathersit", "chi2"]["p_value"] == pytest.approx(want.pvalue, rel=1e-6)


def test_every_hour_is_in_its_windows(bike):
    """Hours without rentals are missing: a window of three days counts those that are there."""
    starts = {calendar.timegm(time.strptime(row["timestamp"], "%Y-%m-%dT%H:%M:%SZ")) for row in hours()}
    days = dict(driftd.query(bike, "SELECT window_end_s, n FROM v1_results WHERE window_s = 259200 AND metric = 'psi' AND feature = 'temp'"))
    ends = range(min(starts) + 86400, max(starts) + 3601, 86400)
    assert days == {end: sum(end - 3600 * k in starts for k in range(1, 73)) for end in ends}


def test_windows_equal_compare(bike):
    """Random windows, every metric to the last bit: what slid there by adding and subtracting is the sum of the panes."""
    rng = random.Random(5)
    ends = [row[0] for row in driftd.query(bike, "SELECT DISTINCT window_end_s FROM v1_results WHERE window_s = 604800")]
    for end in rng.sample(ends, 8):
        rows = by_metric(compare(bike, streams.iso(1000 * end - 7 * DAY), streams.iso(1000 * end)))
        stored = driftd.query(bike, "SELECT feature, metric, value, n FROM v1_results WHERE monitor = 'drift' AND window_s = 604800 AND window_end_s = ?", end)
        assert len(stored) == len(rows) > 50
        for feature, metric, value, n in stored:
            assert (rows[feature, metric]["value"], rows[feature, metric]["n"]) == (value, n), (feature, metric, end)


TIERS = """time: {{tiers: [5m, 1h, 1d], lateness: 1m, origin: {origin}}}
windows: [{{length: 1h, slide: 5m}}, {{length: 24h, slide: 1h}}, {{length: 7d, slide: 1d}}]
models: [{{name: "*", minimum_n: 1, reference: {{file: "{reference}"}}}}]
"""


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    directory = tmp_path_factory.mktemp("reference")
    driftd.run("reference", "build", "-o", directory / "r.json", "-n", "t", "-m", "m",
               streams.write(directory / "t.ndjson", streams.stream(2000, MINUTE, START - 90 * DAY, seed=3)))
    return directory / "r.json"


def test_long_gaps_are_jumped(tmp_path, reference):
    """Three days, a year of nothing, two days, ten years of nothing, one event."""
    events = streams.stream(3 * 24 * 6, 10 * MINUTE, START - 4000 * DAY) + streams.stream(2 * 24 * 6, 10 * MINUTE, START - 3632 * DAY, seed=1)
    events += streams.stream(1, 1, START, seed=2)
    body = TIERS.format(origin="1970-01-01T00:00:00Z", reference=reference)
    began = time.monotonic()
    store = streams.replay(tmp_path, "s", body, [streams.write(tmp_path / "e.ndjson", events)])
    assert time.monotonic() - began < 15
    week = dict(driftd.query(store, "SELECT window_end_ms, n FROM v1_results WHERE window_s = 604800 AND metric = 'psi' AND feature = 'x'"))
    ends = {(event["ts"] - event["ts"] % DAY) + k * DAY for event in events for k in range(1, 8)}
    last = START + DAY
    assert week == {end: sum(end - 7 * DAY <= event["ts"] < end for event in events) for end in ends if end <= last}
    hour = dict(driftd.query(store, "SELECT window_end_ms, n FROM v1_results WHERE window_s = 3600 AND metric = 'psi' AND feature = 'x'"))
    assert hour[START - 4000 * DAY + 3 * DAY + 50 * MINUTE] == 1  # the last event of the first stretch is about to leave
    assert START - 4000 * DAY + 3 * DAY + 55 * MINUTE not in hour


def test_origin_for_local_midnight(tmp_path, reference):
    """Days of a zone five and a half hours east: the tier of a day begins at 18:30 UTC."""
    events = streams.stream(4 * 24 * 6, 10 * MINUTE)
    body = TIERS.format(origin="2020-01-01T18:30:00Z", reference=reference)
    body = body.replace("{length: 24h, slide: 1h}, {length: 7d, slide: 1d}", "{length: 1d, slide: 1d}")
    store = streams.replay(tmp_path, "s", body, [streams.write(tmp_path / "e.ndjson", events)])
    days = dict(driftd.query(store, "SELECT window_end_ms, n FROM v1_results WHERE window_s = 86400 AND metric = 'psi' AND feature = 'x'"))
    midnight = START + 18 * HOUR + 30 * MINUTE
    assert days[midnight] == 111 and days[midnight + DAY] == 144 and max(days) == midnight + 4 * DAY and days[max(days)] == 33


def test_tiers_add_up(tmp_path, reference):
    """The same three hours and three days from every tier that can give them."""
    events = streams.stream(5 * 24 * 60, MINUTE)
    body = TIERS.format(origin="1970-01-01T00:00:00Z", reference=reference)
    store = streams.replay(tmp_path, "s", body, [streams.write(tmp_path / "e.ndjson", events)])
    end = START + 5 * DAY
    whole = by_metric(compare(store, streams.iso(end - DAY), streams.iso(end), "m"))
    stored = driftd.query(store, "SELECT feature, metric, value, n FROM v1_results WHERE monitor = 'drift' AND window_s = 86400 AND window_end_ms = ?", end)
    assert stored and all((whole[f, m]["value"], whole[f, m]["n"]) == (value, n) for f, m, value, n in stored)
    # A stretch that begins and ends inside days and hours: coarse panes in the middle, fine ones at the edges.
    start = end - 2 * DAY + 7 * HOUR + 25 * MINUTE
    odd = by_metric(compare(store, streams.iso(start), streams.iso(end - 35 * MINUTE), "m"))
    values = [event["features"]["x"] for event in events if start <= event["ts"] < end - 35 * MINUTE]
    assert odd["x", "mean"]["n"] == len(values)
    assert odd["x", "mean"]["value"] == pytest.approx(math.fsum(values) / len(values), abs=1e-9)


def test_events_on_the_boundaries(tmp_path, reference):
    """Half-open: an event at the end of a pane belongs to the next; one a millisecond before does not. Also before 1970."""
    body = TIERS.format(origin="1970-01-01T00:00:00Z", reference=reference)
    for name, base in (("after", START), ("before", -400 * DAY)):
        events = [streams.prediction(base + at, at, {"x": 0.0}) for at in (0, HOUR - 1, HOUR, 2 * HOUR - 1, 2 * HOUR)]
        store = streams.replay(tmp_path, name, body, [streams.write(tmp_path / f"{name}.ndjson", events)])
        if streams.fates(store) != {("applied", ""): 5}:
            assert base < 0 and sum(streams.fates(store).values()) == 5  # refused as a time, counted
            continue
        ends = dict(driftd.query(store, "SELECT window_end_ms, n FROM v1_results WHERE window_s = 3600 AND metric = 'mean' AND feature = 'x'"))
        assert [ends[base + k * HOUR] for k in (1, 2)] == [2, 2] and ends[base + 5 * MINUTE] == 1
