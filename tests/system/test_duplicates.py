"""How many events came again: exact per window, whatever the workers and kills."""

import json
import random
import time

import pytest
from scipy import stats

import driftd

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
    path = directory / "events.ndjson"
    path.write_text("".join(json.dumps(event) + "\n" for _, event in items))
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
    rng = random.Random(1)
    kills = 0
    for _ in range(8):
        with driftd.Process("replay", "-q", "-c", config, path, log=tmp_path / "log") as process:
            time.sleep(rng.uniform(0.02, 0.12))
            kills += process.process.poll() is None
            process.kill()
    driftd.run("replay", "-q", "-c", config, path)
    assert kills >= 3
    assert driftd.difference(driftd.canonical(store), driftd.canonical(other)) == ""


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
