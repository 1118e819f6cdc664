"""How many events came again: exact per window, whatever the workers and kills."""

import json
import math
import random

import pytest
from scipy import stats

import driftd
import streams

HOUR = 3600
START = 1_750_032_000
HOURS = 3


def config_of(path, store, workers=1, extra=""):
    path.write_text(f"""api_version: 1
pipeline: duplicates
store: {{path: "{store}", commit_interval: 100ms, merge_interval: 10ms, retention: {{results: 4000d, panes: 4000d}}}}
inputs: [{{name: events}}]
workers: {workers}
time: {{tiers: [10m, 1h], lateness: 1m, idle_timeout: 2s}}
windows: [{{length: 1h, slide: 10m}}]
models: [{{name: m, segments: [side]}}]
max_alert_age: never
{extra}""")
    return path


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """About 4 % come again within their pane, at once or some lines later; two versions, one without any."""
    directory = tmp_path_factory.mktemp("duplicates")
    rng = random.Random(3)
    items, again = [], {}
    for i in range(30000):
        at = START + i * HOURS * HOUR / 30000
        version = "1" if i % 3 else "2"
        event = {"type": "prediction", "model": "m", "version": version, "id": f"e{i}", "ts": int(at * 1000), "features": {"x": i % 7},
                 "segments": {"side": "left" if i % 2 else "right"}}
        items.append((at, event))
        while version == "1" and rng.random() < 0.04:
            items.append((at + rng.uniform(0, 20), event))
            pane = int(at - START) // 600
            again[pane] = again.get(pane, 0) + 1
    items.sort(key=lambda item: item[0])
    path = streams.write(directory / "events.ndjson", items)
    store = directory / "driftd.db"
    driftd.run("replay", "-q", "-c", config_of(directory / "driftd.yaml", store), path)
    return store, path, again


def test_rate_per_window(stream):
    store, _, again = stream
    rows = driftd.query(store, "SELECT version, segment, monitor, feature, window_end_s, metric, value, ci_low, ci_high, n FROM v1_results"
                               " WHERE metric IN ('duplicate_rate', 'duplicates')")
    assert {row[1:4] for row in rows} == {("", "quality", "@events")}
    applied = {row[:2]: row[2] for row in driftd.query(store, "SELECT version, window_end_s, n FROM v1_results WHERE metric = 'events_per_second' AND segment = ''")}
    values = {(row[0], row[4], row[5]): row[6:] for row in rows}
    assert len(values) == 2 * len(applied) > 50
    for (version, end), events in applied.items():
        first = (end - START) // 600 - 6
        k = sum(again.get(pane, 0) for pane in range(first, first + 6)) if version == "1" else 0
        assert values[version, end, "duplicates"][0] == k
        value, low, high, n = values[version, end, "duplicate_rate"]
        limits = stats.binomtest(k, events + k).proportion_ci(method="wilson")
        assert n == events + k and value == pytest.approx(k / n, abs=1e-15)
        assert (low, high) == pytest.approx((limits.low, limits.high), abs=1e-9)
    seen = driftd.query(store, "SELECT sum(total) FROM v1_events WHERE fate = 'duplicate'")[0][0]
    assert seen == sum(again.values()) > 500


def test_same_with_kills_and_workers(stream, tmp_path):
    store, path, _ = stream
    other = tmp_path / "driftd.db"
    config = config_of(tmp_path / "driftd.yaml", other, workers=2)
    assert streams.killed(config, other, [path], seed=1, times=8) >= 3
    assert driftd.difference(driftd.canonical(store), driftd.canonical(other)) == ""


REFERENCE = "models: [{name: m, segments: [side], reference: %s}]"


def changes(store):
    return {row[:2]: row[2:] for row in driftd.query(
        store, "SELECT version, window_end_s, value, ci_low, ci_high, p_value, reference_n, state FROM v1_results WHERE metric = 'duplicate_rate_change'")}


def test_change_against_a_captured_reference(stream, tmp_path):
    """The first hour holds 4 % as the others do; from the last half hour on a fifth comes again."""
    _, path, again = stream
    lines = path.read_text().splitlines()
    more = [line for line in lines if json.loads(line)["ts"] >= (START + 2.5 * HOUR) * 1000]
    rng = random.Random(8)
    late = [line for line in more for _ in range(1 + (rng.random() < 0.2))]
    events = tmp_path / "events.ndjson"
    events.write_text("".join(line + "\n" for line in lines[:len(lines) - len(more)] + late))
    config = config_of(tmp_path / "driftd.yaml", tmp_path / "driftd.db")
    config.write_text(config.read_text().replace("models: [{name: m, segments: [side]}]", REFERENCE % "{capture: {duration: 1h}}"))
    assert streams.killed(config, tmp_path / "driftd.db", [events], seed=2, times=2) >= 1  # counts of a capture survive
    rows = changes(tmp_path / "driftd.db")
    counted = dict(driftd.query(tmp_path / "driftd.db", "SELECT name, json FROM reference"))
    first = {name.split("/")[1][0]: json.loads(text)["duplicates"] for name, text in counted.items()}
    k = sum(again.get(pane, 0) for pane in range(6))
    assert first["1"]["again"] == k and first["2"]["again"] == 0 and first["1"]["events"] == k + sum(i % 3 > 0 for i in range(30000 // HOURS))
    rates = {row[:2]: row[2:] for row in driftd.query(
        tmp_path / "driftd.db", "SELECT version, window_end_s, value, n FROM v1_results WHERE metric = 'duplicate_rate'")}
    seen = 0
    for (version, end), (value, low, high, p, reference_n, state) in rows.items():
        if value is None:
            continue
        rate, n = rates[version, end]
        usual, m = first[version]["again"] / first[version]["events"], first[version]["events"]
        assert value == pytest.approx(rate - usual, abs=1e-12) and low <= value <= high and reference_n == m
        pooled = (rate * n + usual * m) / (n + m)
        if 0 < pooled and min(pooled * n, pooled * m) >= 5:
            z = (rate - usual) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
            assert p == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-6, abs=1e-300)
            seen += 1
    assert seen > 10
    last = max(end for _, end in rows)
    assert rows["1", last][5] in ("warning", "critical") and rows["1", START + 2 * HOUR][5] == "ok"


def test_change_against_a_reference_from_a_file(stream, tmp_path):
    _, path, again = stream
    out = tmp_path / "r.json"
    first = [line for line in path.read_text().splitlines() if '"version": "1"' in line]
    (tmp_path / "one.ndjson").write_text("".join(line + "\n" for line in first))
    driftd.run("reference", "build", "-o", out, "-m", "m", tmp_path / "one.ndjson")
    kept = json.loads(out.read_text())["duplicates"]
    share = sum(again.values()) / len(first)
    assert kept["again"] / kept["events"] == pytest.approx(share, abs=0.02) and kept["events"] - kept["again"] == 1024
    config = config_of(tmp_path / "driftd.yaml", tmp_path / "driftd.db")
    config.write_text(config.read_text().replace("models: [{name: m, segments: [side]}]", REFERENCE % f'{{file: "{out}"}}'))
    driftd.run("replay", "-q", "-c", config, path)
    assert {state for (version, _), (*_, state) in changes(tmp_path / "driftd.db").items() if version == "1"} <= {"ok"}


def test_without_dedup_nothing_is_said(stream, tmp_path):
    _, path, _ = stream
    store = tmp_path / "driftd.db"
    driftd.run("replay", "-q", "-c", config_of(tmp_path / "driftd.yaml", store, extra="dedup: false\n"), path)
    assert driftd.query(store, "SELECT COUNT(*) FROM v1_results WHERE metric = 'duplicate_rate'") == [(0,)]


def test_a_full_memory_of_ids_is_said(stream, tmp_path):
    """Past limits.dedup_bytes duplicates count again: results say `capped`, the log once what to raise."""
    store, path, _ = stream
    assert driftd.query(store, "SELECT DISTINCT capped FROM v1_results") == [(0,)]
    said = driftd.run("replay", "-c", config_of(tmp_path / "driftd.yaml", tmp_path / "driftd.db", extra="limits: {dedup_bytes: 4KiB}\n"), path).stderr
    assert driftd.query(tmp_path / "driftd.db", "SELECT max(capped) FROM v1_results") == [(1,)]
    assert said.count("limits.dedup_bytes") == 2  # once for each version
    applied = "SELECT SUM(total) FROM v1_events WHERE fate = 'applied'"
    assert driftd.query(tmp_path / "driftd.db", applied)[0][0] > driftd.query(store, applied)[0][0]
