"""Labels against the labelled reference, and labels given the score: through the program, by SciPy."""

import csv
import json
import math
import random

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

import driftd
import streams

HOUR = 3600
START = 1_750_032_000
PER_HOUR = 2000
HOURS = 4


def labels_of(rng, score, shift=False):
    """Calibrated; `shift`: scores from 0.60 to 0.70 mean 0.25."""
    return int(rng.random() < (0.25 if shift and 0.60 <= score < 0.70 else score))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("label_drift")
    rng = random.Random(5)
    reference = []
    with open(directory / "reference.csv", "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["time", "x", "score", "label"])
        for i in range(20000):
            score = round(rng.betavariate(2, 2), 3)
            reference.append((score, labels_of(rng, score)))
            out.writerow([START - 90000 + i, score, *reference[-1]])
    driftd.run("reference", "build", "-o", directory / "reference.json", "-n", "r", "-m", "m", "--time", "time", "--score", "score",
               "--label", "label", directory / "reference.csv")
    hours = [[] for _ in range(HOURS)]
    with open(directory / "events.ndjson", "w", encoding="utf-8") as file:
        for i in range(HOURS * PER_HOUR):
            hour = i // PER_HOUR
            score = round(rng.betavariate(5, 2) if hour == 3 else rng.betavariate(2, 2), 3)
            label = labels_of(rng, score, hour == 2)
            hours[hour].append((score, label))
            file.write(json.dumps({"type": "prediction", "model": "m", "version": "1", "id": f"e{i}", "ts": (START + i * HOUR // PER_HOUR) * 1000,
                                   "features": {"x": score}, "score": score, "label": label,
                                   "segments": {"side": "left" if i % 2 else "right"}}) + "\n")
    (directory / "driftd.yaml").write_text(f"""api_version: 1
pipeline: label_drift
store: {{path: "{directory}/driftd.db", retention: {{results: 4000d, panes: 4000d}}}}
inputs: [{{name: events}}]
time: {{tiers: [1h], lateness: 1m, horizon: 1d, idle_timeout: 2s}}
windows: [{{length: 1h, slide: 1h}}]
models:
  - {{name: m, reference: {{file: "{directory}/reference.json"}}, segments: [side]}}
max_alert_age: never
""")
    driftd.run("replay", "-q", "-c", directory / "driftd.yaml", directory / "events.ndjson")
    rows = driftd.query(directory / "driftd.db", "SELECT window_end_s, metric, value, ci_low, ci_high, p_value, state, n, reference_n, feature"
                                                 " FROM v1_results WHERE monitor = 'label_drift' AND segment = ''")
    values = {((row[0] - START) // HOUR - 1, row[1]): row[2:] for row in rows}
    return directory / "driftd.db", reference, hours, values


def wilson(k, n):
    return stats.binomtest(k, n).proportion_ci(method="wilson")


def test_share_of_labels(world):
    _, reference, hours, values = world
    K, M = sum(label for _, label in reference), len(reference)
    for hour, events in enumerate(hours):
        k, n = sum(label for _, label in events), len(events)
        value, low, high, p, _, got_n, got_m, feature = values[hour, "label_drift"]
        assert (got_n, got_m, feature) == (n, M, "@model")
        assert value == pytest.approx(k / n - K / M, abs=1e-12)
        now, before = wilson(k, n), wilson(K, M)
        assert low == pytest.approx(value - math.hypot(k / n - now.low, before.high - K / M), abs=1e-9)
        assert high == pytest.approx(value + math.hypot(now.high - k / n, K / M - before.low), abs=1e-9)
        chi2 = stats.chi2_contingency([[k, n - k], [K, M - K]], correction=False)
        assert p == pytest.approx(chi2.pvalue, rel=1e-8)
        assert values[hour, "label_drift_chi2"][0] == pytest.approx(chi2.statistic, rel=1e-9)
        assert values[hour, "label_drift_js"][0] == pytest.approx(distance.jensenshannon([k, n - k], [K, M - K], base=2), abs=1e-9)
    assert values[3, "label_drift"][3] < 1e-10 and values[0, "label_drift"][3] > 0.001


def bin_of(score):
    return min(int(score * 1000), 999)


def cuts_of(reference):
    """Bins of equal shares of the reference's labels, on the grid of scores of 0.001."""
    counts = np.bincount([bin_of(score) for score, _ in reference], minlength=1000)
    edges, left, held, wanted = [0], len(reference), 0, 20
    for i, count in enumerate(counts):
        held += count
        if held < left and held * (wanted - len(edges) + 1) >= left:
            edges.append(i + 1)
            left, held = left - held, 0
    return edges + [1000]


def test_labels_given_the_score(world):
    _, reference, hours, values = world
    edges = cuts_of(reference)
    for hour, events in enumerate(hours):
        tables = np.zeros((len(edges) - 1, 2, 2))
        for side, sample in enumerate((events, reference)):
            for score, label in sample:
                tables[np.searchsorted(edges, bin_of(score), side="right") - 1, side, label] += 1
        tested = [table for table in tables if table.sum(axis=1).min() >= 20]
        p = []
        for table in tested:
            chi2 = stats.chi2_contingency(table, correction=False)
            p.append(chi2.pvalue if chi2.expected_freq.min() >= 5 else stats.fisher_exact(table).pvalue)
        assert values[hour, "concept_drift_bins_tested"][0] == len(tested)
        assert values[hour, "concept_drift_p"][0] == pytest.approx(min(1, min(p) * len(p)), rel=1e-6)
        assert values[hour, "concept_drift_bins"][0] == sum(x * len(p) < 0.001 for x in p)
    assert [values[hour, "concept_drift_hint"][0] for hour in range(HOURS)] == [0, 0, 1, 0]
    assert [values[hour, "concept_drift_hint"][4] for hour in range(HOURS)] == ["ok", "ok", "warning", "ok"]
    low, high = values[2, "concept_drift_score_low"][0], values[2, "concept_drift_score_high"][0]
    assert 0.58 <= low < high <= 0.72
    assert values[2, "concept_drift_delta"][2] < -0.2
    assert values[2, "concept_drift_score_psi"][0] < 0.1 < values[3, "concept_drift_score_psi"][0]
    assert values[3, "concept_drift_p"][0] > 0.001  # the scores moved, what they mean did not


def test_only_the_whole_model(world):
    store, *_ = world
    assert driftd.query(store, "SELECT COUNT(*) FROM v1_results WHERE monitor = 'label_drift' AND segment <> ''") == [(0,)]
    assert driftd.query(store, "SELECT COUNT(*) > 0 FROM v1_results WHERE monitor = 'performance' AND segment = 'side=left'") == [(1,)]


# ---- several classes ----

NAMES = ["cat", "dog", "eel"]


def animals(seed, count, weights, extra=None):
    rng = random.Random(seed)
    truth = rng.choices(NAMES + ([extra] if extra else []), weights, k=count)
    return [(rng.choice(NAMES), label) for label in truth]


def classes_world(directory, reference, apart=False):
    hours = [animals(2, 600, [5, 3, 2]), animals(3, 600, [2, 3, 5]), animals(4, 600, [5, 2, 2, 1], "fox"), animals(5, 600, [5, 3, 2])]
    with open(directory / "classes.ndjson", "w", encoding="utf-8") as file:
        for hour, events in enumerate(hours):
            for i, (prediction, label) in enumerate(events):
                event = {"model": "m", "id": f"{hour}.{i}", "ts": (START + hour * HOUR + i * 6) * 1000}
                both = [{**event, "type": "prediction", "version": "1", "features": {"x": i % 5}, "prediction": prediction}]
                both += [{**event, "type": "label", "label": label}]
                file.writelines(json.dumps(item) + "\n" for item in (both if apart else [{**both[1], **both[0]}]))
    (directory / "classes.yaml").write_text(f"""api_version: 1
pipeline: classes
store: {{path: "{directory}/classes.db", commit_interval: 100ms, merge_interval: 10ms, retention: {{results: 4000d, panes: 4000d}}}}
inputs: [{{name: events}}]
time: {{tiers: [1h], lateness: 1m, horizon: 1d, idle_timeout: 2s}}
windows: [{{length: 1h, slide: 1h}}]
models:
  - {{name: m, reference: {reference}}}
max_alert_age: never
""")
    driftd.run("replay", "-q", "-c", directory / "classes.yaml", directory / "classes.ndjson")
    rows = driftd.query(directory / "classes.db", "SELECT window_end_s, metric, value, p_value, state, n, reference_n FROM v1_results"
                                                  " WHERE monitor = 'label_drift'")
    return hours, {((row[0] - START) // HOUR - 1, row[1]): row[2:] for row in rows}


def check_classes(values, hour, events, reference):
    names = sorted({label for _, label in events + reference})
    counts = [[sum(label == name for _, label in sample) for name in names] for sample in (events, reference)]
    chi2 = stats.chi2_contingency(counts, correction=False)
    value, p, _, n, reference_n = values[hour, "label_drift_chi2"]
    assert (n, reference_n) == (len(events), len(reference))
    assert value == pytest.approx(chi2.statistic, rel=1e-9) and p == pytest.approx(chi2.pvalue, rel=1e-8)
    assert values[hour, "label_drift_js"][0] == pytest.approx(distance.jensenshannon(*counts, base=2), abs=1e-9)
    assert values[hour, "label_drift"][0] is None and values[hour, "concept_drift_p"][0] is None


def test_classes_of_a_reference(tmp_path):
    reference = animals(1, 3000, [5, 3, 2])
    with open(tmp_path / "reference.csv", "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["time", "x", "prediction", "label"])
        out.writerows([START - 9000 + i, i % 5, *row] for i, row in enumerate(reference))
    driftd.run("reference", "build", "-o", tmp_path / "reference.json", "-n", "r", "-m", "m", "--time", "time", "--prediction", "prediction",
               "--label", "label", tmp_path / "reference.csv")
    labels = [label for _, label in reference]
    assert json.loads((tmp_path / "reference.json").read_text())["labelled"]["classes"] == {name: labels.count(name) for name in NAMES}
    hours, values = classes_world(tmp_path, f'{{file: "{tmp_path}/reference.json"}}')
    for hour in range(4):
        check_classes(values, hour, hours[hour], reference)
    assert [values[hour, "label_drift_js"][2] for hour in range(4)] == ["ok", "critical", "critical", "ok"]


def test_classes_of_first_outcomes(tmp_path):
    """The first 1,000 labels of the version, in whole panes: here two hours. The capture saw none."""
    hours, values = classes_world(tmp_path, "{capture: {duration: 1h, minimum_events: 200}}", apart=True)
    assert {hour for hour, _ in values} == {2, 3}
    for hour in (2, 3):
        check_classes(values, hour, hours[hour], hours[0] + hours[1])


def test_classes_and_kills(tmp_path):
    """First outcomes of several classes are in the store: kill -9 while they come changes nothing."""
    classes_world(tmp_path, "{capture: {duration: 1h, minimum_events: 200}}", apart=True)
    config = tmp_path / "killed.yaml"
    config.write_text((tmp_path / "classes.yaml").read_text().replace("classes.db", "killed.db"))
    assert streams.killed(config, tmp_path / "killed.db", [tmp_path / "classes.ndjson"], seed=1, times=10) >= 2
    assert driftd.difference(driftd.canonical(tmp_path / "classes.db"), driftd.canonical(tmp_path / "killed.db")) == ""
