"""Performance without labels: the published estimates of the car loan data, through the program itself."""

import json
import random

import numpy as np
import pytest
from scipy import stats

import car_loan
import driftd
import streams

NAMES = {"accuracy": "accuracy", "f1": "f1", "roc_auc": "auc"}


@pytest.fixture(scope="module")
def replayed(tmp_path_factory, loan_reference, loan_ndjson):
    directory = tmp_path_factory.mktemp("estimates")
    config = car_loan.json_config(directory / "driftd.yaml", directory / "driftd.db", loan_reference)
    driftd.run("replay", "-q", "-c", config, loan_ndjson)
    return directory / "driftd.db"


def rows_of(store, monitor, segment=""):
    rows = driftd.query(store, "SELECT metric, window_end_s, value, ci_low, ci_high, state, n, reference_n FROM v1_results"
                               " WHERE monitor = ? AND segment = ?", monitor, segment)
    ends = sorted({row[1] for row in rows})
    return {(row[0], ends.index(row[1])): row[2:] for row in rows}, len(ends)


def test_published_estimates(replayed):
    """NannyML: value, thresholds and alerts of accuracy, F1 and ROC AUC of every chunk, without a label in the stream."""
    values, windows = rows_of(replayed, "estimated")
    assert windows == 10
    published = driftd.answers()["car_loan"]["published"]["estimated_cbpe"]
    for theirs, ours in NAMES.items():
        for i in range(10):
            value, low, high, _, n, labels = values[f"estimated_{ours}", i]
            assert value == pytest.approx(published[f"{theirs}.value"][i], abs=1e-6), (ours, i)
            assert low < value < high and (n, labels) == (5000, 50000)
            for side in ("lower", "upper"):
                assert values[f"estimated_{ours}_{side}", i][0] == pytest.approx(published[f"{theirs}.{side}_threshold"][i], abs=1e-6)
            state = values[f"estimated_{ours}_shift", i][3]
            assert (state != "ok") == published[f"{theirs}.alert"][i], (ours, i)
            assert values["estimate_extrapolating", i][0] == 0


def test_same_numbers_without_a_class(tmp_path, loan_reference, loan_events, replayed):
    """The threshold stands for the prediction; scores that are no probabilities are counted and left out."""
    bare = [(at, name, {key: value for key, value in event.items() if key != "prediction"}) for at, name, event in loan_events[:5000]]
    odd = [(at, name + "x", {**event, "id": name + "x", "score": score}) for (at, name, event), score in zip(bare, (1.5, -2, 1e300))]
    config = car_loan.json_config(tmp_path / "driftd.yaml", tmp_path / "driftd.db", loan_reference)
    config.write_text(config.read_text().replace("{name: car_loan, ", "{name: car_loan, threshold: 0.65, "))
    driftd.run("replay", "-q", "-c", config, streams.write(tmp_path / "bare.ndjson", bare + odd))
    values, _ = rows_of(tmp_path / "driftd.db", "estimated")
    want, _ = rows_of(replayed, "estimated")
    assert values["estimated_accuracy", 0] == want["estimated_accuracy", 0]
    seen, _ = rows_of(tmp_path / "driftd.db", "predictions")
    assert seen["score_outside_rate", 0][0] == pytest.approx(3 / 5003)
    assert seen["scored_rate", 0][0] == 1 and seen["prediction_rate", 0][4] == 5003


def test_predictions_without_labels(replayed, loan_events):
    values, _ = rows_of(replayed, "predictions")
    for i in (0, 9):
        chunk = [event for _, _, event in loan_events[i * 5000:(i + 1) * 5000]]
        assert values["prediction_rate", i][0] == sum(event["prediction"] for event in chunk) / 5000
        assert values["score_mean", i][0] == pytest.approx(sum(event["score"] for event in chunk) / 5000, abs=1e-12)
    rows = list(car_loan.rows("reference"))
    rate = sum(int(row["y_pred"]) for row in rows) / len(rows)
    value, low, high = values["prediction_rate_delta", 0][:3]
    assert value == pytest.approx(values["prediction_rate", 0][0] - rate, abs=1e-12) and low < value < high


DELAYED = car_loan.time_section().replace("lateness: 1h", "lateness: 1h, horizon: 7d")


def label_files(directory, events, delay_ms=3_600_000):
    truth = [int(float(row["repaid"])) for row in car_loan.rows()]
    labels = [(at + delay_ms, name, {"type": "label", "model": event["model"], "id": name, "ts": at + delay_ms,
                                     "label": truth[int(name.split("-")[1])]}) for at, name, event in events]
    return streams.write(directory / "predictions.ndjson", events), streams.write(directory / "labels.ndjson", labels)


@pytest.fixture(scope="module")
def judged(tmp_path_factory, loan_reference, loan_events):
    """The same stream with its labels."""
    directory = tmp_path_factory.mktemp("judged")
    config = car_loan.json_config(directory / "driftd.yaml", directory / "driftd.db", loan_reference, time=DELAYED)
    config.write_text(config.read_text().replace("{name: car_loan, ", "{name: car_loan, label_delay: 2d, "))
    driftd.run("replay", "-q", "-c", config, *label_files(directory, loan_events))
    return directory / "driftd.db"


def test_error_of_the_estimate(judged):
    values, windows = rows_of(judged, "estimated")
    realised, _ = rows_of(judged, "performance")
    assert windows == 10
    for i in range(10):
        for name in ("accuracy", "precision", "recall", "f1", "auc"):
            error = values[f"estimated_{name}", i][0] - realised[name, i][0]
            assert values[f"estimate_error_{name}", i][0] == pytest.approx(error, abs=1e-12), (name, i)


def precision(truth, predicted, _):
    return truth[predicted == 1].mean()


def recall(truth, predicted, _):
    return predicted[truth == 1].mean()


def f1(truth, predicted, _):
    return 2 * (truth * predicted).sum() / (truth.sum() + predicted.sum())


def auc(truth, _, score):
    ranks = stats.rankdata(score)
    positives = truth.sum()
    return (ranks[truth == 1].sum() - positives * (positives + 1) / 2) / positives / (len(truth) - positives)


def test_comparison_with_the_labelled_reference(judged):
    """Differences and intervals from the files, by SciPy; warning from 0.02, and only beyond the interval."""
    values, _ = rows_of(judged, "performance")

    def sample(rows):
        return [np.array([float(row[name]) for row in rows]) for name in ("repaid", "y_pred", "y_pred_proba")]

    reference, analysis = sample(list(car_loan.rows("reference"))), sample(list(car_loan.rows()))
    for i in (0, 5, 9):
        window = [column[i * 5000:(i + 1) * 5000] for column in analysis]
        now, before = window[0] == window[1], reference[0] == reference[1]
        value, low, high, _, n, reference_n = values["accuracy_delta", i]
        assert value == pytest.approx(now.mean() - before.mean(), abs=1e-12) and (n, reference_n) == (5000, 50000)
        limits = [stats.binomtest(int(x.sum()), len(x)).proportion_ci(method="wilson") for x in (now, before)]
        assert low == pytest.approx(value - np.hypot(now.mean() - limits[0].low, limits[1].high - before.mean()), abs=1e-9)
        assert high == pytest.approx(value + np.hypot(limits[0].high - now.mean(), before.mean() - limits[1].low), abs=1e-9)
        for name, function in (("precision", precision), ("recall", recall), ("f1", f1), ("auc", auc)):
            assert values[f"{name}_delta", i][0] == pytest.approx(function(*window) - function(*reference), abs=1e-9)
        losses = [(x[2] - x[0]) ** 2 for x in (window, reference)]
        assert values["brier_delta", i][0] == pytest.approx(losses[0].mean() - losses[1].mean(), abs=1e-9)
        welch = stats.ttest_ind(*losses, equal_var=False).confidence_interval(0.95)
        assert values["brier_delta", i][1:3] == pytest.approx((welch.low, welch.high), abs=2e-5)  # spread of the middles of bins
    for i in range(10):
        drop, _, _, state, _, _ = values["accuracy_drop", i]
        assert drop == -values["accuracy_delta", i][0]
        assert state == ("warning" if drop >= 0.02 and values["accuracy_delta", i][2] <= 0 else "ok")
    assert [values["accuracy_drop", i][3] for i in range(10)] == ["ok"] * 5 + ["warning"] * 5


#: No reference at all but what the stream brings: the first outcomes of the version are what later ones are compared with.
FINE = """time: {tiers: [1h, 6h, 1d], lateness: 1h, horizon: 3d, idle_timeout: 2s}
windows: [{length: 6h, slide: 1h}, {length: 2d, slide: 1d}]
"""


def first_outcomes(directory, workers=1, name="first"):
    config = car_loan.json_config(directory / f"{name}.yaml", directory / f"{name}.db", "none", time=FINE, workers=workers)
    text = config.read_text()
    start = text.index("models:")
    end = text.index("\n", text.index("- {name: car_loan"))
    config.write_text(text[:start] + "models:\n  - {name: car_loan, label_delay: 30h, reference: {capture: {duration: 2d, minimum_events: 200}}}\n" + text[end + 1:])
    return config, directory / f"{name}.db"


@pytest.fixture(scope="module")
def early(tmp_path_factory, loan_events):
    directory = tmp_path_factory.mktemp("early")
    events = loan_events[:3000]
    files = label_files(directory, events, 4 * 3_600_000)
    config, store = first_outcomes(directory)
    driftd.run("replay", "-q", "-c", config, *files)
    return store, files, events


def test_first_outcomes(early):
    store, _, events = early
    values, ends = {}, set()
    for metric, window, end, value, n, reference_n, reference in driftd.query(
            store, "SELECT metric, window_s, window_end_s, value, n, reference_n, reference FROM v1_results"
                   " WHERE monitor = 'performance' AND segment = ''"):
        values[metric, window, end] = (value, n, reference_n, reference)
        ends.add((window, end))
    details = driftd.query(store, "SELECT details FROM v1_audit WHERE action = 'reference.first_outcomes'")
    assert len(details) == 1 and '"version":"1"' in details[0][0]
    until = driftd.query(store, "SELECT unixepoch(json_extract(details, '$.until')) FROM v1_audit WHERE action = 'reference.first_outcomes'")[0][0]
    labels = driftd.query(store, "SELECT json_extract(details, '$.labels') FROM v1_audit WHERE action = 'reference.first_outcomes'")[0][0]
    inside = [name for at, name, _ in events if at < until * 1000]
    assert len(inside) == labels and 1000 <= labels < 1010
    truth = [float(row["repaid"]) for row in car_loan.rows()]
    right = [event["prediction"] == truth[int(name.split("-")[1])] for _, name, event in events]
    before = sum(right[:labels]) / labels
    compared = {(window, end) for metric, window, end in values if metric == "accuracy_delta"}
    assert compared == {(window, end) for window, end in ends if end - window >= until}
    assert len(compared) > 100
    for window, end in compared:
        now = [r for r, (at, _, _) in zip(right, events) if (end - window) * 1000 <= at < end * 1000]
        value, n, reference_n, reference = values["accuracy_delta", window, end]
        assert (n, reference_n, reference) == (len(now), labels, None)
        assert value == pytest.approx(sum(now) / len(now) - before, abs=1e-12)


def test_estimates_by_first_outcomes(early):
    """Every window that ends label_delay after the first outcomes has an estimate, however far the labels lagged behind."""
    store, _, _ = early
    until = driftd.query(store, "SELECT unixepoch(json_extract(details, '$.until')) FROM v1_audit WHERE action = 'reference.first_outcomes'")[0][0]
    windows = {row[:2] for row in driftd.query(store, "SELECT window_s, window_end_s FROM v1_results WHERE metric = 'prediction_rate' AND segment = ''")}
    rows = driftd.query(store, "SELECT window_s, window_end_s, value, revision, reference FROM v1_results WHERE metric = 'estimated_accuracy' AND segment = ''")
    assert {row[:2] for row in rows} == {(window, end) for window, end in windows if end >= until + 30 * 3600}
    assert len(rows) > 100 and {row[3:] for row in rows} == {(1, None)}
    # Of a window that is labelled as a whole, estimate and realised accuracy differ by the error that is reported.
    checked = driftd.query(store, "SELECT e.value - r.value, d.value FROM v1_results AS e JOIN v1_results AS r USING (window_s, window_end_s)"
                                  " JOIN v1_results AS d USING (window_s, window_end_s) WHERE e.metric = 'estimated_accuracy' AND r.metric = 'accuracy'"
                                  " AND d.metric = 'estimate_error_accuracy' AND e.n = r.n")
    assert len(checked) > 50
    assert all(difference == pytest.approx(error, abs=1e-12) for difference, error in checked)


def read_again(early):
    """(milliseconds, id, event) of every line of the files; only labels have their time in milliseconds."""
    _, files, events = early
    times = {name: at for at, name, _ in events}
    lines = [json.loads(line) for file in files for line in open(file, encoding="utf-8")]
    return [(event["ts"] if event["type"] == "label" else times[event["id"]], event["id"], event) for event in lines]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_first_outcomes_whatever_the_order(early, tmp_path, workers):
    """Files cut in four, shuffled within the lateness, read by 1, 2, 4 workers: the same first outcomes, the same rows."""
    store, _, _ = early
    config, other = first_outcomes(tmp_path, workers)
    driftd.run("replay", "-q", "-c", config, *streams.scattered(tmp_path, read_again(early), 4, random.Random(workers), 3_500_000))
    assert driftd.difference(driftd.canonical(store), driftd.canonical(other)) == ""


def test_first_outcomes_in_one_file(early, tmp_path):
    """Labels in step with the data: estimates are reported when windows close, not made up for."""
    store, _, _ = early
    config, other = first_outcomes(tmp_path)
    driftd.run("replay", "-q", "-c", config, *streams.scattered(tmp_path, read_again(early), 1, random.Random(0)))
    assert driftd.difference(driftd.canonical(store), driftd.canonical(other)) == ""


def test_first_outcomes_and_kills(early, tmp_path):
    store, files, _ = early
    config, other = first_outcomes(tmp_path)
    assert streams.killed(config, other, files, seed=1, times=12) >= 4
    assert driftd.difference(driftd.canonical(store), driftd.canonical(other)) == ""
    assert len(driftd.query(other, "SELECT 1 FROM v1_audit WHERE action = 'reference.first_outcomes'")) == 1


@pytest.fixture(scope="module")
def contest(tmp_path_factory, loan_reference, loan_events):
    """Two versions share the stream: every third loan is scored by the challenger, whose scores are coarser."""
    directory = tmp_path_factory.mktemp("contest")
    events = []
    for i, (at, name, event) in enumerate(loan_events[:6000]):
        if i % 3 == 0:
            score = round(event["score"] * 4) / 4
            event = {**event, "version": "2", "score": score, "prediction": int(score >= 0.5)}
        events.append((at, name, event))
    files = label_files(directory, events, 4 * 3_600_000)
    config, store = contest_config(directory, loan_reference)
    driftd.run("replay", "-q", "-c", config, *files)
    return store, files, events


def contest_config(directory, reference, workers=1):
    config = car_loan.json_config(directory / "contest.yaml", directory / "contest.db", reference, time=FINE, workers=workers)
    config.write_text(config.read_text().replace("{name: car_loan, ", "{name: car_loan, label_delay: 30h, "))
    return config, directory / "contest.db"


def test_champion_and_challenger(contest):
    store, _, events = contest
    rows = driftd.query(store, "SELECT metric, window_s, window_end_s, value, ci_low, ci_high, p_value, n, reference_n, version, feature, reference"
                               " FROM v1_results WHERE monitor = 'versions'")
    values = {row[:3]: row[3:] for row in rows}
    assert {(row[9], row[10], row[11]) for row in rows} == {("2", "1 vs 2", None)}
    ends = {key[1:] for key in values}
    matured = driftd.query(store, "SELECT COUNT(*) FROM (SELECT DISTINCT window_s, window_end_s FROM v1_results WHERE metric = 'accuracy' AND version = '1'"
                                  " INTERSECT SELECT DISTINCT window_s, window_end_s FROM v1_results WHERE metric = 'accuracy' AND version = '2')")
    assert len(ends) == matured[0][0] > 500
    truth = [float(row["repaid"]) for row in car_loan.rows()]
    for window, end in sorted(ends)[::97]:
        sides = []
        for version in "12":
            part = [(truth[int(name.split("-")[1])], event["prediction"], event["score"]) for at, name, event in events
                    if event["version"] == version and (end - window) * 1000 <= at < end * 1000]
            sides.append([np.array(column, float) for column in zip(*part)])
        right = [side[0] == side[1] for side in sides]
        value, low, high, p, n, m = values["versions_accuracy_delta", window, end][:6]
        assert (n, m) == (len(right[0]), len(right[1]))
        assert value == pytest.approx(right[0].mean() - right[1].mean(), abs=1e-12) and low <= value <= high and 0 <= p <= 1
        assert values["versions_paired", window, end][0] == 0
        if all(0 < side[0].sum() < len(side[0]) for side in sides):
            assert values["versions_auc_delta", window, end][0] == pytest.approx(auc(*sides[0]) - auc(*sides[1]), abs=1e-9)
        losses = [(side[2] - side[0]) ** 2 for side in sides]
        assert values["versions_brier_delta", window, end][0] == pytest.approx(losses[0].mean() - losses[1].mean(), abs=1e-9)


def test_two_versions_side_by_side(contest):
    """`compare --versions`: the newest window of each length that both have labels in; the other way round, the other sign."""
    store, _, _ = contest
    table = json.loads(driftd.run("compare", "-m", "car_loan", "--versions", "1", "2", "--json", "-s", store).stdout)
    shared = driftd.query(store, "SELECT window_s, max(window_end_s) FROM v1_results WHERE metric = 'versions_accuracy_delta' GROUP BY window_s")
    assert {(row["window_s"], row["metric"]) for row in table} >= {(window, metric) for window, _ in shared for metric in ("accuracy", "brier", "f1")}
    assert len({row["window_end"] for row in table}) <= len(shared) == 2
    for row in table:
        assert row["delta"] == pytest.approx(row["first"] - row["second"], abs=1e-12)
        wanted = driftd.query(store, "SELECT version, value, n FROM v1_results WHERE metric = ? AND window_s = ? AND window_end = ? AND segment = ''"
                                     " AND feature = '@model' ORDER BY version", row["metric"], row["window_s"], row["window_end"])
        assert wanted == [("1", row["first"], row["n_first"]), ("2", row["second"], row["n_second"])]
        if row["metric"] == "accuracy":
            delta = driftd.query(store, "SELECT value, ci_low, ci_high, p_value FROM v1_results WHERE metric = 'versions_accuracy_delta' AND window_s = ?"
                                        " AND window_end = ?", row["window_s"], row["window_end"])
            assert delta == [(pytest.approx(row["delta"]), row["ci_low"], row["ci_high"], row["p"])]
    back = json.loads(driftd.run("compare", "-m", "car_loan", "--versions", "2", "1", "--json", "-s", store).stdout)
    assert [(row["metric"], row["delta"], row["p"]) for row in back] == [(row["metric"], -row["delta"], row["p"]) for row in table]
    assert [row["ci_low"] for row in back if row["ci_low"] is not None] == [-row["ci_high"] for row in table if row["ci_high"] is not None]
    said = driftd.run("compare", "-m", "car_loan", "--versions", "1", "2", "-s", store).stdout
    assert "accuracy" in said and "first" in said
    assert "no window" in driftd.run("compare", "-m", "car_loan", "--versions", "1", "3", "-s", store).stdout


def test_champion_and_challenger_and_kills(contest, loan_reference, tmp_path):
    store, files, _ = contest
    config, other = contest_config(tmp_path, loan_reference, workers=2)
    assert streams.killed(config, other, files, seed=2, times=12, wait=(0.05, 0.4)) >= 4
    assert driftd.difference(driftd.canonical(store), driftd.canonical(other)) == ""


def test_versions_that_score_the_same_ids(tmp_path, loan_reference, loan_events):
    """A challenger in the shadow of the champion: McNemar's test on what just one of them got right."""
    events = []
    for at, name, event in loan_events[:1500]:
        events.append((at, name, event))
        if int(name.split("-")[1]) % 2:
            events.append((at, name, {**event, "version": "2", "prediction": int(event["score"] >= 0.9)}))
    truth = [int(float(row["repaid"])) for row in car_loan.rows()]
    labels = {name: (at + 4 * 3_600_000, name, {"type": "label", "model": "car_loan", "id": name, "ts": at + 4 * 3_600_000,
                                               "label": truth[int(name.split("-")[1])]}) for at, name, _ in events}
    files = [streams.write(tmp_path / "p.ndjson", events), streams.write(tmp_path / "l.ndjson", labels.values())]
    config, store = contest_config(tmp_path, loan_reference)
    assert streams.killed(config, store, files, seed=4, times=5) >= 2
    rows = driftd.query(store, "SELECT metric, window_s, window_end_s, value, p_value FROM v1_results WHERE monitor = 'versions'")
    values = {row[:3]: row[3:] for row in rows}
    ends = {key[1:] for key in values}
    assert len(ends) > 100
    for window, end in sorted(ends)[::23]:
        part = [(event, truth[int(name.split("-")[1])]) for at, name, event in events if (end - window) * 1000 <= at < end * 1000]
        sides = [{event["id"]: event["prediction"] == label for event, label in part if event["version"] == version} for version in "12"]
        both = sides[0].keys() & sides[1].keys()
        cells = [sum((sides[0][name], sides[1][name]) == cell for name in both) for cell in ((1, 1), (1, 0), (0, 1), (0, 0))]
        names = ("both_right", "only_first_right", "only_second_right", "both_wrong")
        assert values["versions_paired", window, end][0] == len(both)
        if both:
            assert [values[f"versions_{name}", window, end][0] for name in names] == cells
            discordant = cells[1] + cells[2]
            want = stats.binomtest(cells[1], discordant).pvalue if discordant else 1
            assert values["versions_only_second_right", window, end][1] == pytest.approx(want, abs=1e-12)
