"""References captured from the stream (DESIGN §7): what is captured, from when it is used, and that nothing else decides it."""

import json
import random
import time

import pytest

import driftd
import streams
from streams import DAY, HOUR, MINUTE, START

TIME = "time: {tiers: [5m, 1h, 1d], lateness: 30m, horizon: 24h}\nwindows: [{length: 2h, slide: 1h}, {length: 24h, slide: 1h}]\n"
BODY = TIME + 'models: [{name: "*", reference: {capture: {duration: 24h, minimum_events: 100}}}]\n'


@pytest.fixture(scope="module")
def events():
    return streams.stream(3 * 24 * 30, 2 * MINUTE) + streams.stream(2 * 24 * 20, 3 * MINUTE, START + 5 * HOUR, model="late-comer")


@pytest.fixture(scope="module")
def ordered(events):
    return sorted(events, key=lambda event: event["ts"])


@pytest.fixture(scope="module")
def store(tmp_path_factory, ordered):
    directory = tmp_path_factory.mktemp("capture")
    return streams.replay(directory, "one", BODY, [streams.write(directory / "e.ndjson", ordered)])


@pytest.fixture(scope="module")
def baseline(store):
    return driftd.canonical(store)


def references(store):
    return {(model, version): row for model, version, *row in driftd.query(
        store, "SELECT model, version, rows, from_s, to_s, effective_from_s, source, reference_hash FROM v1_baselines")}


def test_the_first_day_of_each_model(store):
    found = references(store)
    assert set(found) == {("m", "1"), ("late-comer", "1")}
    rows, _, _, effective, source, _ = found["m", "1"]
    assert rows == 720 and effective * 1000 == START + 24 * HOUR + 30 * MINUTE
    assert source == "capture 2026-03-01T00:00:00Z..2026-03-02T00:00:00Z"
    rows, _, _, effective, source, _ = found["late-comer", "1"]
    assert rows == 480 and effective * 1000 == START + 29 * HOUR + 30 * MINUTE


def test_features_count_from_then_on(store):
    """Every event from T (24:30) on and none before is in the windows."""
    ends = dict(driftd.query(store, "SELECT window_end_s * 1000, n FROM v1_results WHERE model = 'm' AND feature = 'x' AND metric = 'psi'"
                                    " AND window_s = 7200 AND segment = ''"))
    assert [ends.pop(START + hour * HOUR) for hour in (25, 26, 27)] == [15, 45, 60]
    assert min(ends) == START + 28 * HOUR and set(ends.values()) <= {60, 30}


def test_the_sample_is_the_first_day(store, ordered):
    """Location and scale come from the sample: compare with the values themselves."""
    (text,), = driftd.query(store, "SELECT json FROM v1_baselines WHERE model = 'm'")
    document = json.loads(text)
    assert document["rows"] == 720
    shown = driftd.run("reference", "show", "--store", store, references_name(store, "m")).stdout
    values = sorted(event["features"]["x"] for event in ordered if event["model"] == "m" and event["ts"] < START + DAY)
    assert f"{values[0]:.6g} to {values[-1]:.6g}" in shown
    listed = driftd.run("reference", "list", "--store", store).stdout
    assert "m/1@2026-03-01T00:00:00Z" in listed and "720" in listed


def references_name(store, model):
    return driftd.query(store, "SELECT reference FROM v1_baselines WHERE model = ?", model)[0][0]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_and_files(tmp_path, ordered, baseline, workers):
    files = streams.scattered(tmp_path, ordered, 3, random.Random(workers))
    assert driftd.difference(baseline, driftd.canonical(streams.replay(tmp_path, "s", BODY, files, workers))) == ""


@pytest.mark.parametrize("seed", [1, 2])
def test_order_within_the_lateness(tmp_path, ordered, baseline, seed):
    files = streams.scattered(tmp_path, ordered, 1, random.Random(seed), 29 * MINUTE)
    store = streams.replay(tmp_path, "s", BODY, files)
    assert driftd.difference(baseline, driftd.canonical(store)) == ""


def test_kills(tmp_path, ordered, baseline):
    """kill -9 at random moments, most of them while the captures run."""
    store = tmp_path / "killed.db"
    config = streams.config(tmp_path / "c.yaml", store, BODY)
    events = streams.write(tmp_path / "e.ndjson", ordered)
    assert streams.killed(config, store, [events], seed=5, times=15) >= 5
    assert driftd.difference(baseline, driftd.canonical(store)) == ""
    assert streams.fates(store) == {("applied", ""): len(ordered)}


def test_stops_during_the_capture(tmp_path, ordered, baseline):
    """SIGTERM commits what was read and leaves with 0; the next run goes on there, also inside a capture."""
    store = tmp_path / "s.db"
    config = streams.config(tmp_path / "c.yaml", store, BODY)
    file = streams.write(tmp_path / "e.ndjson", ordered)
    assert streams.stopped(config, store, [file], seed=8, times=8, wait=(0.03, 0.12)) >= 4
    assert driftd.difference(baseline, driftd.canonical(store)) == ""


def test_minimum_events_extend_it_over_a_gap(tmp_path):
    """100 events in March, the rest after a year without any: the capture ends with the pane that brings the 1,000th event."""
    body = 'time: {tiers: [5m, 1h, 1d]}\nmodels: [{name: "*", reference: {capture: {duration: 30m, minimum_events: 1000}}}]\n'
    later = START - 300 * DAY
    events = streams.stream(100, MINUTE, START - 700 * DAY) + streams.stream(3000, MINUTE, later, seed=1)
    started = time.monotonic()
    store = streams.replay(tmp_path, "s", body, [streams.write(tmp_path / "e.ndjson", events)])
    assert time.monotonic() - started < 20
    (rows, _, _, effective, _, _), = references(store).values()
    assert rows == 1000 and effective * 1000 == later + 900 * MINUTE + 5 * MINUTE  # 60 s of lateness, rounded up to a pane
    ns = driftd.query(store, "SELECT SUM(n) FROM v1_results WHERE feature = 'x' AND metric = 'psi' AND window_s = 86400 * 30"
                             " AND window_end_s = (SELECT MAX(window_end_s) FROM v1_results)")
    assert ns == [(3000 - 905,)]


def test_capture_not_longer_than_the_lateness(tmp_path):
    body = 'time: {lateness: 2h}\nmodels: [{name: "*", reference: {capture: {duration: 30m, minimum_events: 10}}}]\n'
    store = streams.replay(tmp_path, "s", body, [streams.write(tmp_path / "e.ndjson", streams.stream(600, MINUTE))])
    (rows, _, _, effective, _, _), = references(store).values()
    assert rows == 30 and effective * 1000 == START + 30 * MINUTE + 2 * HOUR


def test_versions_get_their_own(tmp_path):
    """Version 2 appears on the third day and captures its own first day; version 1 keeps its reference."""
    old = streams.stream(5 * 24 * 60, MINUTE)
    new = streams.stream(3 * 24 * 60, MINUTE, START + 2 * DAY, version="2", shift=5.0)
    events = sorted(old + new, key=lambda event: event["ts"])
    store = streams.replay(tmp_path, "s", BODY, [streams.write(tmp_path / "e.ndjson", events)])
    found = references(store)
    assert found["m", "1"][0] == 1440 and found["m", "2"][0] == 1440
    assert found["m", "2"][3] * 1000 == START + 3 * DAY + 30 * MINUTE
    psi = streams.values(store, "psi", version="2", window_s=86400)
    assert psi and max(value for (_, feature), value in psi.items() if feature == "x") < 1.0  # against its own, not version 1's


def test_a_restart_uses_the_captured_one(tmp_path):
    store = tmp_path / "s.db"
    config = streams.config(tmp_path / "c.yaml", store, BODY)
    driftd.run("replay", "-q", "-c", config, streams.write(tmp_path / "one.ndjson", streams.stream(3 * 1440, MINUTE)))
    before = references(store)
    driftd.run("replay", "-q", "-c", config,
               streams.write(tmp_path / "two.ndjson", streams.stream(1440, MINUTE, START + 3 * DAY, seed=9, shift=3.0)))
    assert references(store) == before
    psi = streams.values(store, "psi", feature="x", window_s=86400)
    assert psi[(START + 4 * DAY) // 1000, "x"] > 1.0
    assert driftd.query(store, "SELECT COUNT(*) FROM v1_audit WHERE action = 'reference.captured'") == [(1,)]


def test_late_events_are_not_captured(tmp_path):
    events = streams.stream(3 * 1440, MINUTE)
    late = [streams.prediction(START + 10 * MINUTE, f"late{i}", {"x": 1e6, "k": "z", "n": 1}, score=0.5) for i in range(50)]
    store = streams.replay(tmp_path, "s", BODY, [streams.write(tmp_path / "e.ndjson", events[:300] + late + events[300:])])
    assert references(store)["m", "1"][0] == 1440
    assert streams.fates(store)["late", ""] == 50


def test_nothing_to_capture(tmp_path):
    """Events without features or scores: no reference, nothing but how many they were, no end of the world."""
    events = [{"type": "prediction", "model": "m", "ts": START + i * MINUTE} for i in range(3000)]
    store = streams.replay(tmp_path, "s", BODY, [streams.write(tmp_path / "e.ndjson", events)])
    subjects = {feature for feature, in driftd.query(store, "SELECT DISTINCT feature FROM v1_results")}
    assert references(store) == {} and subjects == {"@activity", "@events"}
    assert streams.fates(store) == {("applied", ""): 3000}
