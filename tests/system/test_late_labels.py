"""What late labels change: comparisons of versions are revised as the rows of each version are."""

import json
import random
import subprocess

import numpy
import pytest

import driftd

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


def write(directory, events, files=1):
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for part in range(files):
        paths.append(directory / f"events{part}.ndjson")
        paths[-1].write_text("".join(json.dumps(event) + "\n" for event in events[part::files]))
    return paths


@pytest.fixture(scope="module")
def revised(tmp_path_factory):
    directory = tmp_path_factory.mktemp("revised")
    events, truth = world()
    driftd.run("replay", "-q", "-c", configure(directory), *write(directory, events))
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
    rng = random.Random(workers)
    shuffled = sorted(events, key=lambda event: event["ts"] + rng.uniform(0, 590_000))
    driftd.run("replay", "-q", "-c", configure(tmp_path), "--workers", workers, *write(tmp_path, shuffled, files))
    assert driftd.difference(driftd.canonical(store), driftd.canonical(tmp_path / "driftd.db")) == ""


def test_kills(revised, tmp_path):
    store, events, _ = revised
    config, paths = configure(tmp_path), write(tmp_path, events)
    rng = random.Random(5)
    kills = 0
    for _ in range(6):
        with driftd.Process("replay", "-q", "-c", config, *paths, log=tmp_path / "log") as process:
            try:
                process.wait(rng.uniform(0.02, 0.15))
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
    driftd.run("replay", "-q", "-c", config, *paths)
    assert kills >= 2
    assert driftd.difference(driftd.canonical(store), driftd.canonical(tmp_path / "driftd.db")) == ""
