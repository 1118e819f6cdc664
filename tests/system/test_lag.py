"""How long after their time events were in Kafka: by the records' timestamps, so that the same log gives the same rows (METHODS §10)."""

import math
import random

import driftd
import kafka_world
from kafka_world import MINUTE_MS, START_MS

MODEL = "models:\n  - {name: toy, reference: {file: \"%s\"}, record_lag: true}\n"
COUNT, PER_MINUTE = 3000, 300


def lag_of(i):
    """Some events are later than their record: clocks differ."""
    rng = random.Random(i + 77)
    return -rng.randrange(1, 2000) if rng.random() < 0.02 else int(rng.lognormvariate(7, 1.5))


def rows(world, store=None):
    out = {}
    for end, metric, value, low, high, n in driftd.query(
            store or world.store, "SELECT window_end_s, metric, value, ci_low, ci_high, n FROM v1_results WHERE feature = '@lag_ms' AND window_s = 60"
                                  " AND segment = '' AND monitor = 'quality'"):
        out.setdefault(end, {"n": n})[metric] = (value, low, high)
    return out


def test_quantiles_of_the_records_timestamps(world):
    """Two partitions, read by one and by two workers: always the same."""
    events = list(kafka_world.stream(COUNT, PER_MINUTE))
    at = [START_MS + i * MINUTE_MS // PER_MINUTE for i in range(COUNT)]
    topic = world.topic("lag", 2, retention_ms=-1)
    for part in range(2):
        mine = range(part, COUNT, 2)
        world.broker.produce(topic, kafka_world.encode(events[i] for i in mine), partition=part, timestamp=[at[i] + lag_of(i) for i in mine])
    model = MODEL % world.reference
    world.to_end(world.config(["lag"], models=model))
    found = rows(world)
    assert len(found) == COUNT // PER_MINUTE
    for end, row in found.items():
        lags = sorted(max(lag_of(i), 0) for i in range(COUNT) if end * 1000 - MINUTE_MS <= at[i] < end * 1000)
        n = len(lags)
        assert row["n"] == n == PER_MINUTE
        for metric, q in (("lag_p50", 0.5), ("lag_p95", 0.95), ("lag_p99", 0.99)):
            value, low, _ = row[metric]
            want = lags[int(q * (n - 1))]
            assert abs(value - want) <= 0.0101 * want
            want = lags[max(0, math.floor(n * q - 3.29 * math.sqrt(n * q * (1 - q))))]
            assert abs(low - want) <= 0.0101 * want
        assert row["lag_negative_rate"][0] == sum(lag_of(i) < 0 for i in range(COUNT) if end * 1000 - MINUTE_MS <= at[i] < end * 1000) / n
        assert row["lag_clipped_rate"][0] == 0
    assert driftd.query(world.store, "SELECT count(*) FROM v1_results WHERE feature = '@lag_ms' AND segment <> ''") == [(0,)]
    again = world.directory / "again.db"
    world.to_end(world.config(["lag"], name="again", store=again, models=model, workers=2))
    assert driftd.difference(driftd.canonical(world.store), driftd.canonical(again)) == ""


def test_off_by_default_and_nothing_in_files(world):
    events = list(kafka_world.stream(900, PER_MINUTE))
    world.topic("plain")
    world.put("plain", events)
    world.to_end(world.config(["plain"]))
    assert rows(world) == {}
    path = world.directory / "events.ndjson"
    path.write_bytes(b"\n".join(kafka_world.encode(events)) + b"\n")
    store = world.directory / "files.db"
    driftd.run("replay", "-q", "-c", world.config(["plain"], name="files", store=store, models=MODEL % world.reference), path)
    assert driftd.query(store, "SELECT count(*) FROM v1_results")[0][0] > 0
    assert rows(world, store) == {}
