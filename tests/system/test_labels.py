"""Labels that come later and apart: published performance, and the same bytes whatever the order, the workers, the kills."""

import bisect
import random

import pytest

import car_loan
import driftd
import streams

NAMES = {"roc_auc": "auc", "f1": "f1", "precision": "precision", "recall": "recall", "specificity": "specificity",
         "accuracy": "accuracy", "average_precision": "average_precision"}
DAY_MS = 86_400_000
CHANNELS = ("web", "phone", "branch")


@pytest.fixture(scope="module")
def labelled():
    """Predictions with groups and segments, and a label for each, one to 48 hours later."""
    rng = random.Random(11)
    predictions, labels = [], []
    for (at, name, event), row in zip(car_loan.events(), car_loan.rows()):
        event = {**event, "groups": {"car": "old" if float(row["car_value"]) < 20000 else "new"}, "segments": {"channel": CHANNELS[len(predictions) % 3]}}
        predictions.append((at, name, event))
        later = at + rng.randrange(3_600_000, 2 * DAY_MS)
        labels.append((later, name, {"type": "label", "model": "car_loan", "id": name, "ts": later, "label": int(float(row["repaid"]))}))
    labels.sort(key=lambda item: item[0])
    return predictions, labels


def config_of(directory, name, reference, time_section, model="", rules=None):
    store = directory / f"{name}.db"
    config = car_loan.json_config(directory / f"{name}.yaml", store, reference, time=time_section, **({"extra": rules} if rules else {}))
    text = config.read_text().replace("{name: car_loan, ", f"{{name: car_loan, {model}")
    config.write_text(text)
    return config, store


def write(directory, name, items):
    return streams.write(directory / f"{name}.ndjson", items)


CHUNKS = car_loan.time_section().replace("lateness: 1h", "lateness: 1h, horizon: 7d")
RULES = "rules:\n  - {name: accuracy, metric: accuracy, below: true, warning: 0.93, critical: 0.90}\n"


@pytest.fixture(scope="module")
def chunks(tmp_path_factory, loan_reference, labelled):
    directory = tmp_path_factory.mktemp("chunks")
    config, store = config_of(directory, "chunks", loan_reference, CHUNKS, "label_delay: 2d, ", RULES)
    driftd.run("replay", "-q", "-c", config, write(directory, "predictions", labelled[0]), write(directory, "labels", labelled[1]))
    return store


def values_of(store, monitor, segment=""):
    rows = driftd.query(store, "SELECT feature, metric, window_end_s, value, n, revision FROM v1_results WHERE monitor = ? AND segment = ?", monitor, segment)
    ends = sorted({row[2] for row in rows})
    return {(feature, metric, ends.index(end)): (value, n, revision) for feature, metric, end, value, n, revision in rows}, ends


def test_published_performance(chunks):
    values, ends = values_of(chunks, "performance")
    assert len(ends) == 10
    published = driftd.answers()["car_loan"]["published"]["realized"]
    for theirs, ours in NAMES.items():
        for i, value in enumerate(published[f"{theirs}.value"]):
            assert values["@model", ours, i][0] == pytest.approx(value, abs=5.1e-7), (ours, i)
            assert values["@model", ours, i][1:] == (5000, 1)


def test_calibration_is_what_the_rows_say(chunks, labelled):
    values, _ = values_of(chunks, "calibration")
    truth = {name: event["label"] for _, name, event in labelled[1]}
    for chunk in (0, 9):
        pairs = [(event["score"], truth[name]) for _, name, event in labelled[0][chunk * 5000:(chunk + 1) * 5000]]
        bins = [[0, 0, 0] for _ in range(10)]
        for p, y in pairs:
            cell = bins[min(int(p * 10 + 1e-9), 9)]
            cell[0] += 1
            cell[1] += p
            cell[2] += y
        ece = sum(abs(p - y) for n, p, y in bins if n) / len(pairs)
        assert values["@score", "ece", chunk][0] == pytest.approx(ece, abs=1e-9)
        mean = sum(y - p for p, y in pairs) / len(pairs)
        assert values["@score", "calibration_in_the_large", chunk][0] == pytest.approx(mean, abs=1e-9)


def test_fairness_is_what_the_rows_say(chunks, labelled):
    values, _ = values_of(chunks, "fairness")
    truth = {name: event["label"] for _, name, event in labelled[1]}
    for chunk in (0, 9):
        cells = {}
        for _, name, event in labelled[0][chunk * 5000:(chunk + 1) * 5000]:
            cell = cells.setdefault(event["groups"]["car"], [0, 0, 0, 0])
            cell[0] += 1
            cell[1] += event["prediction"]
            cell[2] += truth[name]
            cell[3] += truth[name] * event["prediction"]
        selection = {group: cell[1] / cell[0] for group, cell in cells.items()}
        tpr = {group: cell[3] / cell[2] for group, cell in cells.items()}
        assert values["car", "selection_rate_difference", chunk][0] == pytest.approx(abs(selection["old"] - selection["new"]), abs=1e-12)
        assert values["car", "disparate_impact", chunk][0] == pytest.approx(min(selection.values()) / max(selection.values()), abs=1e-12)
        assert values["car", "equal_opportunity_difference", chunk][0] == pytest.approx(abs(tpr["old"] - tpr["new"]), abs=1e-12)
        assert values["car=old", "group_tpr", chunk][0] == pytest.approx(tpr["old"], abs=1e-12)


def test_segments_add_up(chunks):
    whole, _ = values_of(chunks, "performance")
    parts = [values_of(chunks, "performance", f"channel={channel}")[0] for channel in CHANNELS]
    for i in range(10):
        right = sum(part["@model", "accuracy", i][0] * part["@model", "accuracy", i][1] for part in parts)
        assert sum(part["@model", "accuracy", i][1] for part in parts) == 5000
        assert right / 5000 == pytest.approx(whole["@model", "accuracy", i][0], abs=1e-12)


def test_alerts_at_maturity(chunks):
    ends = values_of(chunks, "performance")[1]
    alerts = driftd.query(chunks, "SELECT rule, fired_s, state, segment FROM v1_alerts WHERE metric = 'accuracy'")
    assert alerts == [("accuracy", ends[5], "firing", "")]


#: Two tiers, two windows; labels up to two days after; maturity after 30 h, so that many labels revise.
TIME = """time: {tiers: [6h, 1d], lateness: 1h, horizon: 3d, idle_timeout: 2s}
windows: [{length: 1d, slide: 6h}, {length: 7d, slide: 1d}]
"""
FEW = 4000  # 24 days


def run(directory, name, reference, files, workers=1, delay="30h"):
    config, store = config_of(directory, name, reference, TIME, f"label_delay: {delay}, ")
    driftd.run("replay", "-q", "-c", config, "--workers", workers, *files)
    return store


@pytest.fixture(scope="module")
def few(labelled):
    predictions = labelled[0][:FEW]
    keep = {name for _, name, _ in predictions}
    labels = [item for item in labelled[1] if item[1] in keep]
    rng = random.Random(3)
    # Some ids have a second label that says something else; some labels have no prediction.
    again = [(at + 3_600_000, name, {**event, "ts": at + 3_600_000, "label": 1 - event["label"]}) for at, name, event in rng.sample(labels, 300)]
    orphans = [(at, name + "x", {**event, "id": name + "x"}) for at, name, event in rng.sample(labels, 300)]
    return predictions, sorted(labels + again + orphans, key=lambda item: item[0])


@pytest.fixture(scope="module")
def baseline(tmp_path_factory, loan_reference, few):
    directory = tmp_path_factory.mktemp("baseline")
    store = run(directory, "one", loan_reference, [write(directory, "p", few[0]), write(directory, "l", few[1])])
    return driftd.canonical(store) | {"store": store}


def comparable(baseline):
    return {view: rows for view, rows in baseline.items() if view != "store"}


def test_there_is_something_to_compare(baseline):
    assert sum("'performance'" in row for row in baseline["results"]) > 100
    assert sum("'fairness'" in row for row in baseline["results"]) > 100


def test_every_window_holds_all_its_labels(baseline, few):
    """Long windows are revised while all their panes are still there: n is what the events say, in every window."""
    times = sorted(at for at, _, _ in few[0])
    rows = driftd.query(baseline["store"], "SELECT window_start_s, window_end_s, n FROM v1_results WHERE metric = 'accuracy' AND feature = '@model' AND segment = ''")
    assert len(rows) > 80
    for start_s, end_s, n in rows:
        assert n == bisect.bisect_left(times, end_s * 1000) - bisect.bisect_left(times, start_s * 1000), (start_s, end_s)


def test_all_in_one_file(tmp_path, loan_reference, few, baseline):
    together = sorted(few[0] + few[1], key=lambda item: item[0])
    store = run(tmp_path, "together", loan_reference, [write(tmp_path, "all", together)])
    assert driftd.difference(comparable(baseline), driftd.canonical(store)) == ""


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_and_partitions(tmp_path, loan_reference, few, baseline, workers):
    files = streams.scattered(tmp_path, few[0] + few[1], 4, random.Random(workers))
    store = run(tmp_path, "parts", loan_reference, files, workers)
    assert driftd.difference(comparable(baseline), driftd.canonical(store)) == ""


@pytest.mark.parametrize("labels_first", [False, True])
def test_order(tmp_path, loan_reference, few, baseline, labels_first):
    rng = random.Random(5)
    files = [path for name, items in zip("pl", few) for path in streams.scattered(tmp_path, items, 1, rng, 3_500_000, name)]
    store = run(tmp_path, "order", loan_reference, files[::-1] if labels_first else files)
    assert driftd.difference(comparable(baseline), driftd.canonical(store)) == ""


def test_kills(tmp_path, loan_reference, few, baseline):
    config, store = config_of(tmp_path, "killed", loan_reference, TIME, "label_delay: 30h, ")
    files = [write(tmp_path, "p", few[0]), write(tmp_path, "l", few[1])]
    assert streams.killed(config, store, files, seed=7, times=12) >= 4
    assert driftd.difference(comparable(baseline), driftd.canonical(store)) == ""


def test_threshold_when_there_is_no_prediction(tmp_path, loan_reference, labelled):
    bare = [(at, name, {key: value for key, value in event.items() if key != "prediction"}) for at, name, event in labelled[0][:5000]]
    config, store = config_of(tmp_path, "threshold", loan_reference, CHUNKS, "label_delay: 2d, threshold: 0.65, ")
    driftd.run("replay", "-q", "-c", config, write(tmp_path, "p", bare), write(tmp_path, "l", labelled[1]))
    values, _ = values_of(store, "performance")
    assert values["@model", "accuracy", 0][0] == 0.9422


def test_regression(tmp_path):
    rng = random.Random(2)
    items, errors = [], []
    for i in range(1000):
        y, at = rng.gauss(100, 15), 1_700_000_000_000 + i * 1000
        prediction = y + rng.gauss(1, 4)
        errors.append(prediction - y)
        items.append((at, i, {"type": "prediction", "model": "price", "id": f"{i}", "ts": at, "prediction": prediction}))
        items.append((at, i, {"type": "label", "model": "price", "id": f"{i}", "ts": at + 500, "label": y}))
    path = tmp_path / "driftd.yaml"
    path.write_text(f"""api_version: 1
store: {{path: "{tmp_path / 'driftd.db'}"}}
inputs: [{{name: prices}}]
time: {{tiers: [1h]}}
windows: [{{length: 1h, slide: 1h}}]
models: [{{name: price, reference: none}}]
""")
    driftd.run("replay", "-q", "-c", path, write(tmp_path, "r", items))
    rows = dict(driftd.query(tmp_path / "driftd.db", "SELECT metric, value FROM v1_results WHERE n = 1000") or
                driftd.query(tmp_path / "driftd.db", "SELECT metric, value FROM v1_results"))
    total = driftd.query(tmp_path / "driftd.db", "SELECT SUM(value * n) / SUM(n), SUM(n) FROM v1_results WHERE metric = 'mae'")[0]
    assert total[1] == 1000
    assert total[0] == pytest.approx(sum(abs(e) for e in errors) / 1000, abs=1e-9)
    assert "rmse" in rows
