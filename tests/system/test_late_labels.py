"""What late labels change: comparisons of versions are revised as the rows of each version are."""

import json
import random
import signal
import subprocess

import numpy
import pytest

import driftd
import streams

HOUR = 3_600_000
START_MS = 1_700_002_800_000  # on the hour
PREDICTIONS = 1200


def world(seed=3):
    """Two versions score the same ids; a third of the labels comes after the half hour that is waited for."""
    rng = random.Random(seed)
    events, truth = [], {}
    for i in range(PREDICTIONS):
        at = START_MS + i * 30_000
        label = rng.randrange(2)
        truth[i] = (at, label, {})
        for version, skill in (("1", 0.8), ("2", 0.6)):
            score = round(rng.uniform(0.5, 1) if (rng.random() < skill) == label else rng.uniform(0, 0.5), 3)
            truth[i][2][version] = score
            events.append((at, {"type": "prediction", "model": "m", "version": version, "id": str(i), "ts": at, "score": score}))
        later = rng.randrange(2, 6) * HOUR if i % 3 == 0 else rng.randrange(1000, 600_000)
        events.append((at + later, {"type": "label", "model": "m", "id": str(i), "ts": at + later, "label": label}))
    return [event for _, event in sorted(events, key=lambda pair: pair[0])], truth


def configure(directory, workers=1, more=""):
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "driftd.yaml"
    path.write_text(f"""api_version: 1
store: {{path: "{directory / 'driftd.db'}", commit_interval: 100ms, merge_interval: 20ms}}
inputs: [{{name: events}}]
time: {{tiers: [10m, 1h], lateness: 10m, horizon: 8h, idle_timeout: 2s{more}}}
windows: [{{length: 1h, slide: 10m}}, {{length: 3h, slide: 1h}}]
models: [{{name: m, reference: none, label_delay: 30m}}]
""")
    return path


@pytest.fixture(scope="module")
def revised(tmp_path_factory):
    directory = tmp_path_factory.mktemp("revised")
    events, truth = world()
    driftd.run("replay", "-q", "-c", configure(directory), streams.write(directory / "events.ndjson", events))
    return directory / "driftd.db", events, truth


def test_comparisons_of_versions_are_revised(revised):
    store, _, truth = revised
    rows = driftd.query(store, "SELECT window_s, window_end_s, metric, value, n, reference_n, revision FROM v1_results WHERE monitor = 'versions'")
    values = {row[:3]: row[3:] for row in rows}
    ends = sorted({row[:2] for row in rows})
    assert len(ends) > 60
    for window, end in ends:
        inside = [(label, scores) for at, label, scores in truth.values() if (end - window) * 1000 <= at < end * 1000]
        right = [numpy.mean([(scores[version] >= 0.5) == label for label, scores in inside]) for version in "12"]
        value, n, m, revision = values[window, end, "versions_accuracy_delta"]
        assert (value, n, m) == (pytest.approx(right[0] - right[1], abs=1e-12), len(inside), len(inside))
        assert revision == 2
        brier = [numpy.mean([(scores[version] - label) ** 2 for label, scores in inside]) for version in "12"]
        assert values[window, end, "versions_brier_delta"][0] == pytest.approx(brier[0] - brier[1], abs=1e-9)
        # Pairs of the same ids stay those that were labelled in time.
        assert values[window, end, "versions_paired"][0] == sum(1 for i, (at, _, _) in truth.items() if i % 3 and (end - window) * 1000 <= at < end * 1000)


@pytest.mark.parametrize("workers,files", [(1, 2), (2, 3), (4, 5)])
def test_same_bytes(revised, tmp_path, workers, files):
    store, events, _ = revised
    paths = streams.scattered(tmp_path, events, files, random.Random(workers), 590_000)
    driftd.run("replay", "-q", "-c", configure(tmp_path), "--workers", workers, *paths)
    assert driftd.difference(driftd.canonical(store), driftd.canonical(tmp_path / "driftd.db")) == ""


def test_kills(revised, tmp_path):
    store, events, _ = revised
    config, path = configure(tmp_path), streams.write(tmp_path / "events.ndjson", events)
    assert streams.killed(config, tmp_path / "driftd.db", [path], seed=5, times=6) >= 2
    assert driftd.difference(driftd.canonical(store), driftd.canonical(tmp_path / "driftd.db")) == ""


# ---- rows before labels are final ----


def open_ended(directory, provisional=True, delay="6h"):
    config = configure(directory, more=", revise_every: 1s")
    config.write_text(config.read_text().replace("idle_timeout: 2s", "idle_timeout: 1h").replace("label_delay: 30m", f"label_delay: {delay}, provisional: {str(provisional).lower()}")
                      + "rules: [{name: any, metric: brier, warning: 0.01}]\n")
    return config, directory / "driftd.db"


class Feed:
    """driftd reading from a pipe that stays open: time stands where the last event was."""

    def __init__(self, config, log):
        self.log = open(log, "wb")
        self.process = subprocess.Popen([driftd.BINARY, "replay", "-q", "-c", config, "-"], stdin=subprocess.PIPE, stderr=self.log, text=True)

    def say(self, events):
        text = "".join(json.dumps(event) + "\n" for event in events)
        self.process.stdin.write(text)
        self.process.stdin.flush()
        return len(text)

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0

    def kill(self):
        """Whether it was still running."""
        self.process.kill()
        return self.process.wait() == -signal.SIGKILL


ROWS = "SELECT version, window_s, window_end_s, metric, value, n, revision, status, state FROM v1_results WHERE monitor = 'performance'"


def test_rows_before_labels_are_final(tmp_path):
    events, truth = world()
    config, store = open_ended(tmp_path / "one")
    feed = Feed(config, tmp_path / "log")
    half = len(events) // 2
    now = events[half - 1]["ts"]
    # One event that closes an hour's panes after all else has been read: what is written then knows every label.
    tick = {"type": "features", "model": "clock", "ts": now + HOUR, "features": {"x": 1}}
    said = events[:half] + [tick]
    rest = [event for event in events[half:] if event["ts"] >= tick["ts"]]
    known = {event["id"] for event in said if event["type"] == "label"}
    closed_s = (now // 1000 - 600) // 600 * 600
    newest_s = (now // 1000 + 3600 - 600) // 600 * 600
    try:
        feed.say(said)
        new = ROWS + " AND window_end_s BETWEEN ? AND ? AND metric IN ('accuracy', 'label_coverage')"
        driftd.wait_for(lambda: store.exists() and len(driftd.query(store, new, closed_s + 1, newest_s)) >= 24, what="six windows of two versions")
        rows = driftd.query(store, ROWS)
        assert {row[6] for row in rows} == {0} and {(row[7], row[8]) for row in rows} == {("provisional", None)}
        assert not driftd.query(store, "SELECT 1 FROM v1_latest WHERE monitor = 'performance'")
        assert not driftd.query(store, "SELECT 1 FROM v1_alerts")
        checked = 0
        for version, window, end, metric, value, n, *_ in rows:
            if metric not in ("accuracy", "label_coverage") or end <= closed_s:
                continue
            seen = [int(event["id"]) for event in said if event.get("version") == version and (end - window) * 1000 <= event["ts"] < end * 1000]
            inside = [truth[i] for i in seen if str(i) in known]
            assert n == len(inside), (version, window, end)
            wanted = numpy.mean([(scores[version] >= 0.5) == label for _, label, scores in inside]) if metric == "accuracy" else len(inside) / len(seen)
            assert value == pytest.approx(wanted, abs=1e-12)
            checked += 1
        assert checked >= 24
        feed.say(rest)
        feed.end()
    finally:
        feed.kill()
    assert not driftd.query(store, "SELECT 1 FROM v1_results WHERE revision = 0")
    assert driftd.query(store, "SELECT 1 FROM v1_alerts")
    config, plain = open_ended(tmp_path / "plain", provisional=False)
    driftd.run("replay", "-q", "-c", config, streams.write(tmp_path / "events.ndjson", said + rest))
    assert driftd.difference(driftd.canonical(plain), driftd.canonical(store)) == ""


def test_provisional_rows_and_kills(tmp_path):
    """Stopped by force while there are such rows: nothing of them is left in the end."""
    events, _ = world(seed=4)
    config, plain = open_ended(tmp_path / "plain", provisional=False)
    driftd.run("replay", "-q", "-c", config, streams.write(tmp_path / "events.ndjson", events))
    config, store = open_ended(tmp_path / "one")
    third, killed = len(events) // 3, 0
    for part in range(2):  # standard input is not read again: what is killed has committed all that it was told
        feed = Feed(config, tmp_path / "log")
        try:
            told = feed.say(events[part * third : (part + 1) * third])
            driftd.wait_for(lambda: store.exists() and driftd.query(store, "SELECT 1 FROM v1_lag WHERE next_offset = ?", told)
                            and driftd.query(store, ROWS + " AND revision = 0"), what="a provisional row")
        finally:
            killed += feed.kill()
    assert killed == 2
    feed = Feed(config, tmp_path / "log")
    try:
        feed.say(events[2 * third :])
        feed.end()
    finally:
        feed.kill()
    # A pipe that ended and came back is an input that was missing: rows say `incomplete`, all else is equal.
    columns = ("SELECT model, version, segment, feature, metric, window_s, window_end_s, value, p_value, ci_low, ci_high, n, revision, status, state"
               " FROM v1_results ORDER BY 1, 2, 3, 4, 5, 6, 7")
    assert driftd.query(store, columns) == driftd.query(plain, columns)
    alerts = "SELECT key, window_end_s, from_state, to_state, value FROM v1_alert_events ORDER BY 1, 2, 3, 4"
    assert driftd.query(store, alerts) == driftd.query(plain, alerts) != []
