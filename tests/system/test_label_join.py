"""Labels of every kind (DESIGN §8) against a join written down here in a few lines of Python."""

import collections
import random

import numpy
import pytest
import scipy.stats

import driftd
import kafka_world
import streams
from streams import DAY, HOUR, MINUTE, START

HORIZON, DELAY = 6 * HOUR, 2 * HOUR
BODY = """time: {tiers: [10m, 1h], lateness: 5m, horizon: 6h, idle_timeout: 2s}
windows: [{length: 1h, slide: 10m}, {length: 6h, slide: 1h}]
models: [{name: m, reference: none, label_delay: 2h%s}]
"""
COUNT = 3000  # one every 20 s: 16 hours


def write(directory, predictions, labels):
    """A file for each version: the same id twice in one partition is a duplicate."""
    return [streams.write(directory / f"p{version}.ndjson", [event for event in predictions if event["version"] == version]) for version in "12"] + \
        [streams.write(directory / "l.ndjson", labels)]


def label(ts_ms, name, value, model="m"):
    return {"type": "label", "model": model, "id": name, "ts": ts_ms, "label": value}


def make(task):
    """Predictions of two versions with the same ids, and labels of every kind."""
    rng = random.Random(17)
    value = (lambda: rng.randrange(2)) if task == "binary" else (lambda: round(rng.gauss(100, 10), 3))
    predictions, labels = [], []
    for i in range(COUNT):
        at, name, kind, truth = START + i * 20_000, f"e{i}", i % 10, value()
        for version in ("1", "2"):
            if version == "2" and i % 3:
                continue
            event = {"type": "prediction", "model": "m", "version": version, "id": name, "ts": at}
            event |= {"score": round(rng.random(), 4)} if task == "binary" else {"prediction": round(truth + rng.gauss(0, 3), 3)}
            if kind == 1:
                event["label"] = truth
            predictions.append(event)
        if kind == 0 or kind == 1:
            continue  # no label; within the prediction
        later = {2: -rng.randrange(1, 30 * MINUTE), 3: rng.randrange(3 * HOUR, 6 * HOUR), 4: 9 * HOUR, 9: rng.randrange(HORIZON + DELAY - 15 * MINUTE, HORIZON + DELAY + 25 * MINUTE)}.get(kind, rng.randrange(1, 100 * MINUTE))
        labels.append(label(at + later, name, truth))
        if kind == 5:
            labels.append(label(at + later + rng.randrange(1, HOUR), name, truth))  # a duplicate
        if kind == 6:
            labels.append(label(at + later + rng.randrange(1, 2 * HOUR), name, value()))  # changed, or said again
        if kind == 7:
            labels.append(label(at, name + "-orphan", truth))
        if kind == 8:
            labels.append(label(at, name, truth, "unknown"))
    return predictions, sorted(labels, key=lambda event: event["ts"])


def joined(predictions, labels, last=False):
    """{(version, id): (prediction, value)} in the end; no label is late."""
    of_id = collections.defaultdict(list)
    for event in labels:
        if event["model"] == "m":
            of_id[event["id"]].append((event["ts"], event["label"]))
    out = {}
    for event in predictions:
        mine = [(ts, value) for ts, value in sorted(of_id[event["id"]]) if event["ts"] - HORIZON <= ts <= event["ts"] + DELAY + HORIZON + 1000]
        if "label" in event:
            out[event["version"], event["id"]] = (event, event["label"])
        elif mine:
            out[event["version"], event["id"]] = (event, mine[-1 if last else 0][1])
    return out


def check(store, predictions, pairs, task):
    metric = "accuracy" if task == "binary" else "mae"
    rows = driftd.query(store, "SELECT version, window_start_s, window_end_s, n, value FROM v1_results WHERE metric = ? AND segment = ''", metric)
    assert len(rows) > 150
    for version, start_s, end_s, n, value in rows:
        mine = [(event, truth) for (of, _), (event, truth) in pairs.items() if of == version and start_s <= event["ts"] / 1000 < end_s]
        assert n == len(mine), (version, start_s)
        right = [float((event["score"] >= 0.5) == truth) if task == "binary" else abs(event["prediction"] - truth) for event, truth in mine]
        assert value == pytest.approx(sum(right) / len(right), abs=1e-9)
    coverage = "label_coverage" if task == "binary" else "target_coverage"
    for version, start_s, end_s, value in driftd.query(store, "SELECT version, window_start_s, window_end_s, value FROM v1_results WHERE metric = ?", coverage):
        all_of = [event for event in predictions if event["version"] == version and start_s <= event["ts"] / 1000 < end_s]
        assert value == pytest.approx(sum((version, event["id"]) in pairs for event in all_of) / len(all_of), abs=1e-12)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_every_kind_of_label(tmp_path, task):
    predictions, labels = make(task)
    files = write(tmp_path, predictions, labels)
    pairs = joined(predictions, labels)
    store = streams.replay(tmp_path, "one", BODY % "", files)
    check(store, predictions, pairs, task)
    counts = {row[0]: row[1:] for row in driftd.query(store, "SELECT model, state, joined, duplicates, changed, refused, waiting + unlabelled FROM v1_labels")}
    again = [(event["id"], event["label"]) for event in labels if event["model"] == "m"]
    known, duplicates, changed = {}, 0, 0
    for name, value in again:
        duplicates += name in known and known[name] == value
        changed += name in known and known[name] != value
        known.setdefault(name, value)
    assert counts["m"] == ("labelled", len(pairs), duplicates, changed, 0, len(predictions) - len(pairs))
    assert counts["unknown"][:2] == ("labelled", 0)
    status = driftd.run("status", "--store", store).stdout
    assert "orphans" in status and "unknown" in status
    # In another order, by four workers: the same bytes.
    rng = random.Random(2)
    second = [event for event in predictions if event["version"] == "2"]
    others = [event for event in predictions + labels if event.get("version") != "2"]
    files = streams.scattered(tmp_path, second, 2, rng, 4 * MINUTE, name="second") + streams.scattered(tmp_path, others, 2, rng, 4 * MINUTE)
    other = streams.replay(tmp_path, "other", BODY % "", files, workers=4)
    assert driftd.difference(driftd.canonical(store), driftd.canonical(other)) == ""


@pytest.mark.parametrize("which", ["first", "last"])
def test_which_label_counts(tmp_path, which):
    predictions, labels = make("binary")
    pairs = joined(predictions, labels, which == "last")
    assert (pairs == joined(predictions, labels)) == (which == "first")
    files = write(tmp_path, predictions, labels)
    body = BODY % f", labels: {which}"
    store = streams.replay(tmp_path, "one", body, files)
    check(store, predictions, pairs, "binary")
    baseline = driftd.canonical(store)
    swapped = streams.replay(tmp_path, "swapped", body, files[::-1], workers=2)
    assert driftd.difference(baseline, driftd.canonical(swapped)) == ""
    killed = tmp_path / "killed.db"
    config = streams.config(tmp_path / "killed.yaml", killed, body)
    assert streams.killed(config, killed, files, seed=4, times=10) >= 3
    assert driftd.difference(baseline, driftd.canonical(killed)) == ""
    counts = "SELECT * FROM v1_labels"
    assert driftd.query(killed, counts) == driftd.query(store, counts) == driftd.query(tmp_path / "swapped.db", counts)


@pytest.mark.parametrize("which", ["first", "last"])
def test_what_expired_before_a_kill(tmp_path, which):
    """A label that has met its prediction is no orphan, also when the prediction was forgotten before the restart."""
    rng = random.Random(6)
    predictions, labels = [], []
    for i in range(COUNT):
        at = START + i * 20_000
        predictions.append({"type": "prediction", "model": "m", "version": "1", "id": f"e{i}", "ts": at, "score": round(rng.random(), 4)})
        if i % 7:
            labels.append(label(at + rng.randrange(-55, 65) * MINUTE, f"e{i}", rng.randrange(2)))
        if i % 5 == 0:  # older than the prediction, and again after the first one would have been forgotten
            labels += [label(at - 58 * MINUTE, f"e{i}", 1), label(at + 65 * MINUTE, f"e{i}", 0)]
        if i % 11 == 0:
            labels.append(label(at, f"nobody{i}", 1))
    body = BODY.replace("horizon: 6h", "horizon: 1h").replace("label_delay: 2h", "label_delay: 10m") % f", labels: {which}"
    files = [streams.write(tmp_path / "p.ndjson", predictions), streams.write(tmp_path / "l.ndjson", sorted(labels, key=lambda event: event["ts"]))]
    store = streams.replay(tmp_path, "one", body, files)
    killed = tmp_path / "killed.db"
    config = streams.config(tmp_path / "killed.yaml", killed, body)
    assert streams.killed(config, killed, files, seed=6, times=12, wait=(0.11, 0.2)) >= 3
    assert driftd.difference(driftd.canonical(store), driftd.canonical(killed)) == ""
    counts = "SELECT * FROM v1_labels"
    assert driftd.query(killed, counts) == driftd.query(store, counts)
    [(joined_count, orphans, unlabelled)] = driftd.query(store, "SELECT joined, orphans, unlabelled FROM v1_labels")
    without = sum(1 for i in range(COUNT) if i % 7 == 0 and i % 5)
    assert joined_count == COUNT - without
    last_ms = START + COUNT * 20_000 - 3 * HOUR
    assert 0 < unlabelled <= without
    assert sum(1 for i in range(0, COUNT, 11) if START + i * 20_000 < last_ms - HOUR) <= orphans <= COUNT // 11 + 1


def test_a_sample_of_ids(tmp_path):
    predictions, labels = make("binary")
    predictions = [event for event in predictions if "label" not in event]
    files = write(tmp_path, predictions, labels)
    store = streams.replay(tmp_path, "sample", BODY % ", label_sample: 0.3", files)
    whole = streams.replay(tmp_path, "whole", BODY % "", files)
    (seen,), (all_seen,) = (driftd.query(each, "SELECT waiting + joined + unlabelled FROM v1_labels WHERE model = 'm'")[0] for each in (store, whole))
    assert all_seen == len(predictions)
    assert abs(seen - 0.3 * all_seen) < 4 * (0.3 * 0.7 * all_seen) ** 0.5 * 2 ** 0.5  # ids of both versions go together
    sums = "SELECT sum(n), sum(n * value) / sum(n) FROM v1_results WHERE metric = 'label_coverage' AND window_s = 3600 AND version = '1'"
    (n, coverage), (all_n, all_coverage) = driftd.query(store, sums)[0], driftd.query(whole, sums)[0]
    assert 0.25 * all_n < n < 0.35 * all_n
    assert coverage == pytest.approx(all_coverage, abs=0.05)  # a share of what was sampled, not of all


def test_biased_labels_show(tmp_path):
    """Two days: labels at random, then more of them for high scores. The check is SciPy's."""
    rng = random.Random(8)
    predictions, labels, rows = [], [], []
    for i in range(4000):
        at, score = START + i * (2 * DAY // 4000), rng.random()
        score = 0.96 if i == 3000 else score * 0.94 if i >= 2000 else score  # the last bin of the second day has one
        predictions.append({"type": "prediction", "model": "m", "version": "1", "id": f"e{i}", "ts": at, "score": score})
        has = rng.random() < (0.5 if i < 2000 else 0.2 + 0.6 * score)
        rows.append((i // 2000, min(int(score * 20), 19), has))
        if has:
            labels.append(label(at + HOUR, f"e{i}", int(rng.random() < score)))
    body = "time: {tiers: [1h, 1d], lateness: 5m}\nwindows: [{length: 1d, slide: 1d}]\nmodels: [{name: m, reference: none, label_delay: 2h}]\n"
    store = streams.replay(tmp_path, "bias", body, [streams.write(tmp_path / "e.ndjson", sorted(predictions + labels, key=lambda event: event["ts"]))])
    found = driftd.query(store, "SELECT value, p_value FROM v1_results WHERE metric = 'label_bias' ORDER BY window_end_s")
    for day, (statistic, p) in enumerate(found):
        table = numpy.zeros((2, 20))
        for of, cell, has in rows:
            table[int(has), cell] += of == day
        if day == 1:
            assert table[:, 19].sum() == 1
            table[:, 18] += table[:, 19]  # too few: with the one before
            table = table[:, :19]
        expected = scipy.stats.chi2_contingency(table, correction=False)
        assert statistic == pytest.approx(expected.statistic, rel=1e-9)
        assert p == pytest.approx(expected.pvalue, rel=1e-6)
    assert found[0][1] > 0.01 and found[1][1] < 1e-6


# ---- Kafka ----

KAFKA_TIME = """time: {tiers: [10m, 1h], lateness: 5m, horizon: 6h, idle_timeout: 2s}
windows: [{length: 1h, slide: 10m}, {length: 6h, slide: 1h}]
"""


@pytest.mark.parametrize("workers", [1, 3])
def test_two_topics(world, tmp_path, workers):
    """Predictions and labels on topics of their own, each of several partitions: the bytes of the replay."""
    predictions, labels = make("binary")
    models = "models: [{name: m, reference: none, label_delay: 2h}]\n"
    world.topic("predictions", 3), world.topic("labels", 2)
    world.put("predictions", [event for event in predictions if event["version"] == "2"], partition=2)
    world.scatter("predictions", [event for event in predictions if event["version"] == "1"], 2)
    world.scatter("labels", labels, 2)
    world.to_end(world.config(["predictions", "labels"], time=KAFKA_TIME, models=models, extra="", workers=workers))
    assert world.fates() == {("applied", ""): len(predictions) + len(labels)}
    body = KAFKA_TIME + models
    path = streams.config(tmp_path / "replay.yaml", tmp_path / "replay.db", "pipeline: tests\n" + body)
    driftd.run("replay", "-q", "-c", path, *write(tmp_path, predictions, labels))
    assert driftd.difference(driftd.canonical(tmp_path / "replay.db"), driftd.canonical(world.store)) == ""


def test_a_model_without_labels_sleeps(world):
    """After 65,536 predictions in vain nothing waits; a label wakes it; both survive a restart."""
    world.topic("predictions", 2)
    world.topic("labels", 1)
    config = world.config(["predictions", "labels"], models="models: [{name: m, reference: none}]\n", extra="", commit="200ms")
    process = world.start(config)
    start_ms = kafka_world.START_MS
    many = [{"type": "prediction", "model": "m", "id": f"e{i}", "ts": start_ms + i * 50, "score": (i % 100) / 100} for i in range(70_000)]
    world.scatter("predictions", many, 2)
    world.wait_counted(70_000, timeout=60)
    world.said("dormant")
    state = "SELECT state, waiting, joined FROM v1_labels WHERE model = 'm'"
    driftd.wait_for(lambda: world.query(state) == [("dormant", 0, 0)], what=f"sleep: {world.query(state)}")
    more = [{"type": "prediction", "model": "m", "id": f"f{i}", "ts": start_ms + 3_500_000 + i * 10, "score": 0.5} for i in range(5000)]
    world.put("predictions", more, partition=0)
    world.wait_counted(75_000)
    assert world.query(state) == [("dormant", 0, 0)]
    process.stop()
    process = world.start(config)
    world.put("labels", [label(start_ms + 3_600_000, "f1", 1)])
    world.wait_counted(75_001)
    assert "set `task`" in world.said("but it is dormant")
    late = [{"type": "prediction", "model": "m", "id": f"g{i}", "ts": start_ms + 3_600_000 + i * 10, "score": 0.5} for i in range(500)]
    world.put("predictions", late, partition=0)
    world.put("labels", [label(start_ms + 3_610_000 + i * 10, f"g{i}", i % 2) for i in range(400)], partition=0)
    world.wait_counted(75_901)
    driftd.wait_for(lambda: world.query(state) == [("labelled", 100, 400)], what="waking")
    assert world.log_text().count("but it is dormant") == 1
    process.stop()


def test_labels_that_always_come_too_late_are_a_hint(tmp_path):
    """Without label_delay their rows are revisions that never alert: said once, with the delay to configure."""
    start = 1_772_323_200_000
    events = [{"type": "prediction", "model": "m", "version": "1", "id": f"{i}", "ts": start + i * 1000, "score": i % 10 / 10} for i in range(3000)]
    labels = [{"type": "label", "model": "m", "id": f"{i}", "ts": start + i * 1000 + 7_200_000, "label": i % 2} for i in range(3000)]
    for name, items in (("p", events), ("l", labels)):
        streams.write(tmp_path / f"{name}.ndjson", items)
    said = driftd.run("replay", "-s", tmp_path / "a.db", tmp_path / "p.ndjson", tmp_path / "l.ndjson").stderr
    assert said.count("set `label_delay`") == 1 and "label_delay of 0s" in said
    config = tmp_path / "c.yaml"
    config.write_text(f"api_version: 1\nstore: {{path: {tmp_path}/b.db}}\ninputs: [{{name: e}}]\nmodels: [{{name: m, label_delay: 3h}}]\n")
    assert "label_delay" not in driftd.run("replay", "-c", config, tmp_path / "p.ndjson", tmp_path / "l.ndjson").stderr
