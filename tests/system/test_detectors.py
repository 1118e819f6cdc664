"""Change detectors live: published indices through the program, the same bytes whatever order, workers and kills."""

import csv
import random

import pytest

import driftd
import streams

START, MINUTE = streams.START, streams.MINUTE
TIME = "time: {tiers: [1m, 1h], lateness: 10m}\nwindows: [{length: 1h, slide: 1h}]\n"


def model(detectors, extra=""):
    return TIME + f"models:\n  - name: m\n    reference: none\n    {extra}\n    detectors:\n" + "".join(f"      - {d}\n" for d in detectors)


def detections(store, state="drift"):
    rows = driftd.query(store, "SELECT input, method, value_index, window_start_s FROM v1_detections WHERE state = ? ORDER BY 1, 2, 3", state)
    out = {}
    for source, method, index, start_s in rows:
        out.setdefault((source, method), []).append((index, start_s))
    return out


@pytest.fixture(scope="module")
def toy():
    with open(driftd.DATA / "toy_stream.csv", encoding="utf-8") as file:
        return [float(row["x"]) for row in csv.DictReader(file)]


def regression(values, per_pane=1):
    """A prediction with its label for each value, whose score_error is the value."""
    return [{"type": "prediction", "model": "m", "version": "1", "id": f"e{i}", "ts": START + i * MINUTE // per_pane,
             "prediction": x, "label": 0} for i, x in enumerate(values)]


TOY = ["{on: score_error, method: adwin}", "{on: score_error, method: page_hinkley}", "{on: score_error, method: kswin, alpha: 0.0001}"]


@pytest.mark.parametrize("per_pane", [1, 20])
def test_published_indices_on_labels(tmp_path, toy, per_pane):
    store = streams.replay(tmp_path, "toy", model(TOY, "task: regression"), [streams.write(tmp_path / "e", regression(toy, per_pane))])
    published = driftd.answers()["toy_stream"]["published"]
    found = detections(store)
    for method, name in [("adwin", "ADWIN(delta=0.002)"), ("page_hinkley", "PageHinkley(default)")]:
        assert [index for index, _ in found["score_error", method]] == published[name]
        for index, start_s in found["score_error", method]:
            assert start_s == (START + index * MINUTE // per_pane) // MINUTE * MINUTE // 1000
    assert abs(found["score_error", "kswin"][0][0] - 1016) <= 30  # its own sampling
    states = driftd.query(store, "SELECT count(*), sum(n), max(value) FROM v1_results WHERE metric = 'detector_state' AND feature = 'score_error:adwin'")
    assert states == [(len(toy) // per_pane + (len(toy) % per_pane > 0), len(toy), 2.0)]


def test_published_indices_on_a_feature(tmp_path, toy):
    """The mean of each pane is a value: panes with one event make the published stream."""
    reference = tmp_path / "reference.ndjson"
    streams.write(reference, [streams.prediction(START - (i + 1) * MINUTE, f"r{i}", {"x": x}) for i, x in enumerate(toy)])
    driftd.run("reference", "build", "--model", "m", "--version", "1", "--name", "toy", "-o", tmp_path / "ref.json", reference)
    body = TIME + f"""models:
  - name: m
    reference: {{file: {tmp_path}/ref.json}}
    detectors:
      - {{on: x, method: adwin, standardise: false}}
      - {{on: "feature:x", method: page_hinkley, standardise: false}}
      - {{on: latency, method: page_hinkley}}
      - {{on: nothing, method: kswin}}
"""
    events = [streams.prediction(START + i * MINUTE, i, {"x": x}, latency_ms=1 + x) for i, x in enumerate(toy)]
    found = detections(streams.replay(tmp_path, "feature", body, [streams.write(tmp_path / "e", events)]))
    published = driftd.answers()["toy_stream"]["published"]
    assert [i for i, _ in found["x", "adwin"]] == published["ADWIN(delta=0.002)"]
    assert [i for i, _ in found["feature:x", "page_hinkley"]] == published["PageHinkley(default)"]
    assert found["feature:x", "page_hinkley"][0][1] == START // 1000 + 1006 * 60
    assert abs(found["latency", "page_hinkley"][0][0] - 1006) <= 1
    assert ("nothing", "kswin") not in found


def test_published_indices_on_a_kpi(tmp_path, toy):
    events = [{"type": "kpi", "model": "m", "ts": START + i * MINUTE, "kpis": {"sales": x, "other": 1}} for i, x in enumerate(toy)]
    store = streams.replay(tmp_path, "kpi", model(["{on: 'kpi:sales', method: adwin}", "{on: 'kpi:other', method: adwin}"]), [streams.write(tmp_path / "e", events)])
    assert [i for i, _ in detections(store)["kpi:sales", "adwin"]] == driftd.answers()["toy_stream"]["published"]["ADWIN(delta=0.002)"]
    assert ("kpi:other", "adwin") not in detections(store)


# ---- the same bytes ----

BINARY = ["{on: error, method: adwin}", "{on: error, method: ddm}", "{on: error, method: eddm}", "{on: error, method: hddm_a}",
          "{on: error, method: hddm_w}", "{on: error, method: ecdd}", "{on: score_error, method: cusum}", "{on: loss, method: ewma}",
          "{on: loss, method: page_hinkley_moa}", "{on: score_error, method: kswin}", "{on: latency, method: cusum_moa}",
          "{on: latency, method: cusum}"]
BODY = model(BINARY, "label_delay: 2h\n    sequence_cap: 5")


@pytest.fixture(scope="module")
def labelled():
    """Predictions every five seconds whose labels come up to two hours later and are wrong more often from the middle on."""
    rng = random.Random(3)
    predictions, labels = [], []
    for i in range(12_000):
        ts, score = START + i * 5000, rng.random()
        wrong = rng.random() < (0.15 if i < 6000 else 0.45)
        predictions.append(streams.prediction(ts, i, {"x": score}, score=score, prediction=int(score > 0.5), latency_ms=5 + rng.random() + (i > 6000) * 3))
        labels.append({"type": "label", "model": "m", "id": f"m/1/{i}", "ts": ts + rng.randrange(1000, 115 * MINUTE), "label": int(score > 0.5) ^ wrong})
    labels.sort(key=lambda event: event["ts"])
    return predictions, labels


@pytest.fixture(scope="module")
def baseline(tmp_path_factory, labelled):
    directory = tmp_path_factory.mktemp("detectors")
    files = [streams.write(directory / "p", labelled[0]), streams.write(directory / "l", labelled[1])]
    return streams.replay(directory, "baseline", BODY, files)


VIEWS = driftd.VIEWS + ("v1_detections",)


def test_every_detector_says_something(baseline):
    found = detections(baseline)
    middle = START // 1000 + 6000 * 5
    for source, method in [("error", "adwin"), ("error", "ddm"), ("error", "hddm_a"), ("error", "hddm_w"), ("error", "ecdd"), ("score_error", "kswin"),
                           ("latency", "cusum"), ("error", "eddm")]:
        assert any(middle <= start_s <= middle + 4 * 3600 for _, start_s in found[source, method]), (source, method)
    assert detections(baseline, "warning")["error", "ddm"]
    assert driftd.query(baseline, "SELECT max(n) FROM v1_results WHERE feature = 'error:adwin'") == [(5,)]
    assert driftd.query(baseline, "SELECT count(*) FROM v1_alerts") == [(0,)]


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_and_order(tmp_path, labelled, baseline, workers):
    rng = random.Random(workers)
    files = []
    for name, events in zip("pl", labelled):
        files += streams.scattered(tmp_path, events, 3, rng, 9 * MINUTE, name=name)
    store = streams.replay(tmp_path, "parts", BODY, files[::-1], workers=workers)
    assert driftd.difference(driftd.canonical(baseline, VIEWS), driftd.canonical(store, VIEWS)) == ""


def test_kills(tmp_path, labelled, baseline):
    store = tmp_path / "killed.db"
    config = streams.config(tmp_path / "killed.yaml", store, BODY)
    files = [streams.write(tmp_path / "p", labelled[0]), streams.write(tmp_path / "l", labelled[1])]
    assert streams.killed(config, store, files, seed=7, times=12) >= 4
    assert driftd.difference(driftd.canonical(baseline, VIEWS), driftd.canonical(store, VIEWS)) == ""


def test_a_rule_notifies(tmp_path, labelled):
    files = [streams.write(tmp_path / "p", labelled[0]), streams.write(tmp_path / "l", labelled[1])]
    rules = "rules: [{name: changed, metric: detector_state, feature: 'error:*', critical: 2}]\n"
    store = streams.replay(tmp_path, "rule", BODY + rules, files)
    alerts = driftd.query(store, "SELECT DISTINCT feature FROM v1_alerts WHERE rule = 'changed'")
    assert ("error:ddm",) in alerts
    assert all(feature.startswith("error:") for feature, in alerts)


@pytest.mark.parametrize("detector, message", [
    ("{on: x, method: ddm}", "looks at 0 and 1 only"),
    ("{on: error, method: adwin, slack: 1}", "`adwin` has no parameter `slack`"),
    ("{on: error, method: adwin, delta: 2}", "outside the limits"),
    ("{on: x, method: hddm_a}", "say `standardise: false`"),
    ("{on: error, method: kswin, window: 10}", "at least twice"),
    ("{on: error, method: nonsense}", "method")])
def test_configuration_errors(tmp_path, detector, message):
    config = streams.config(tmp_path / "c.yaml", tmp_path / "s.db", model([detector]))
    done = driftd.run("check", "-c", config, check=False)
    assert done.returncode == 78 and message in done.stdout + done.stderr


def test_nothing_and_degenerate(tmp_path):
    """No label, no score, a constant: no row or a quiet one, never a failure."""
    events = [streams.prediction(START + i * MINUTE, i, {"x": 1}, prediction=1, **({"label": 1} if i % 2 else {})) for i in range(300)]
    body = model(["{on: error, method: adwin}", "{on: loss, method: page_hinkley}", "{on: x, method: kswin}", "{on: latency, method: ewma}", "{on: 'kpi:k', method: cusum}"], "task: binary")
    store = streams.replay(tmp_path, "quiet", body, [streams.write(tmp_path / "e", events)])
    assert detections(store) == {}
    assert driftd.query(store, "SELECT DISTINCT feature, value FROM v1_results WHERE metric = 'detector_state'") == [("error:adwin", 0.0)]


def test_classes_beyond_the_limit_are_not_right(tmp_path):
    """150 classes, every prediction wrong: past the 64 that are known, two of `other` say nothing, which is not that they are equal."""
    events = [{"type": "prediction", "model": "m", "version": "1", "id": f"e{i}", "ts": START + i * MINUTE, "prediction": f"c{i % 150}", "label": f"c{(i + 1) % 150}"}
              for i in range(450)]
    store = streams.replay(tmp_path, "classes", model(["{on: error, method: adwin}"], "task: multiclass"), [streams.write(tmp_path / "e", events)])
    values = [value for value, in driftd.query(store, "SELECT value FROM v1_results WHERE metric = 'detector_value'")]
    assert values and set(values) == {1.0}
