"""What outcomes report, against scikit-learn, numpy and published answers, through the program."""

import csv
import gzip
import json
import math
import random

import numpy
import pytest
from sklearn import metrics

import driftd
import streams

START_MS = 1_700_000_400_000
DAY_MS = 86_400_000


def replay(directory, items, model="", name="m", workers=1, files=1, delay="0s", window="1d"):
    """Events of one window through the program; the store."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = [streams.write(directory / f"events{part}.ndjson", items[part::files]) for part in range(files)]
    config = directory / "driftd.yaml"
    config.write_text(f"""api_version: 1
store: {{path: "{directory / 'driftd.db'}", commit_interval: 200ms, merge_interval: 50ms}}
inputs: [{{name: events}}]
time: {{tiers: [{window}], lateness: 1h, horizon: 7d, idle_timeout: 2s}}
windows: [{{length: {window}, slide: {window}}}]
models: [{{name: {name}, reference: none, label_delay: {delay}, {model}}}]
""")
    driftd.run("replay", "-q", "-c", config, "--workers", workers, *paths)
    return directory / "driftd.db"


def rows_of(store, segment=""):
    """(feature, metric) → (value, low, high, p, n, status) of the only window."""
    rows = driftd.query(store, "SELECT feature, metric, value, ci_low, ci_high, p_value, n, status FROM v1_results WHERE segment = ?", segment)
    out = {}
    for feature, metric, *rest in rows:
        assert (feature, metric) not in out, "one window"
        out[feature, metric] = rest
    return out


def values_of(store, segment=""):
    return {key: row[0] for key, row in rows_of(store, segment).items()}


# ---- fairness: ProPublica ----


def compas(races=None):
    rows = csv.DictReader(open(driftd.DATA / "compas_counts.csv"))
    for row in rows:
        for _ in range(int(row["n"])):
            if races is None or row["race"] in races:
                yield row["race"], row["sex"], int(row["decile_score"]), int(row["two_year_recid"])


def compas_events(races=None, labelled=True):
    for i, (race, sex, decile, label) in enumerate(compas(races)):
        event = {"type": "prediction", "model": "compas", "ts": START_MS + i * 100, "score": (decile - 0.5) / 10, "prediction": int(decile >= 5),
                 "groups": {"race": race, "sex": sex}}
        yield {**event, "label": label} if labelled else event


COMPAS = "fairness: [{attribute: race, advantaged: Caucasian, strata: sex}, {attribute: sex, advantaged: Male}], intersections: [{attributes: [sex, race]}]"


@pytest.fixture(scope="module")
def compas_rows(tmp_path_factory):
    return rows_of(replay(tmp_path_factory.mktemp("compas"), list(compas_events()), COMPAS, "compas"))


@pytest.mark.parametrize("attribute", ["race", "sex"])
def test_groups_of_compas(compas_rows, attribute):
    wanted = driftd.answers()["compas"]["computed"]["all_7214"]
    names = {"selection_rate": "group_selection_rate", "recall": "group_tpr", "fpr": "group_fpr", "fnr": "group_fnr", "precision": "group_ppv",
             "accuracy": "group_accuracy", "specificity": "group_tnr", "base_rate": "group_prevalence"}
    for group, answer in wanted[f"fairness_by_{attribute}"]["by_group"].items():
        for theirs, ours in names.items():
            assert compas_rows[f"{attribute}={group}", ours][0] == pytest.approx(answer[theirs], abs=5e-11), (group, ours)
        assert compas_rows[f"{attribute}={group}", "group_fn_over_fp"][0] == pytest.approx(answer["fn"] / answer["fp"], abs=1e-12)
        assert compas_rows[f"{attribute}={group}", "group_selection_rate"][4] == answer["n"]
    for group, answer in wanted["calibration_by_race"].items():
        assert compas_rows[f"race={group}", "group_ece"][0] == pytest.approx(answer["ece"], abs=1e-9)


def test_facets_of_compas(compas_rows):
    wanted = driftd.answers()["compas"]["computed"]["all_7214"]
    checked = 0
    for attribute in ("race", "sex"):
        for key, answer in wanted[f"fairness_by_{attribute}"].items():
            if not key.startswith("vs_"):
                continue
            group = f"{attribute}={key[3:]}"
            # Their differences are the group less the privileged one; Clarify's the other way round.
            assert compas_rows[group, "clarify_dppl"][0] == pytest.approx(-answer["statistical_parity_difference"], abs=1e-9)
            assert compas_rows[group, "clarify_di"][0] == pytest.approx(answer["disparate_impact"], abs=1e-9)
            assert compas_rows[group, "clarify_rd"][0] == pytest.approx(-answer["equal_opportunity_difference"], abs=1e-9)
            assert compas_rows[group, "clarify_sd"][0] == pytest.approx(-answer["fpr_difference"], abs=1e-9)
            checked += 1
    assert checked == 6
    assert ("race=Caucasian", "clarify_dppl") not in compas_rows


def vector_case(name):
    cases = json.loads((driftd.ROOT / "tests" / "vectors" / "fairness.json").read_text())["cases"]
    return next(case for case in cases if case["id"] == name)


def test_black_and_white(tmp_path, compas_rows):
    values = rows_of(replay(tmp_path, list(compas_events(("African-American", "Caucasian"))), COMPAS, "compas"))
    wanted = vector_case("compas_gaps")["expect"]
    value, low, high = values["race", "fpr_difference"][:3]
    assert value == pytest.approx(wanted["fpr_difference"], abs=1e-12) and round(value, 3) == 0.214
    assert [low, high] == pytest.approx(wanted["fpr_diff_newcombe95"], abs=1e-12)
    names = {"selection_rate_difference": "demographic_parity_difference", "disparate_impact": "demographic_parity_ratio",
             "equalized_odds_difference": "equalized_odds_difference", "equalized_odds_ratio": "equalized_odds_ratio",
             "equal_opportunity_difference": "equal_opportunity_difference", "accuracy_difference": "accuracy_difference",
             "fpr_difference_to_overall": "to_overall_fpr_difference", "fpr_ratio_to_overall": "to_overall_fpr_ratio"}
    for ours, theirs in names.items():
        assert values["race", ours][0] == pytest.approx(wanted[theirs], abs=1e-12), ours
    treatment = wanted["treatment_equality_fn_over_fp"]
    assert values["race=African-American", "group_fn_over_fp"][0] == pytest.approx(treatment["black"], abs=1e-12)
    assert values["race=Caucasian", "group_fn_over_fp"][0] == pytest.approx(treatment["white"], abs=1e-12)
    # Specificity, d less a, with the same interval turned around.
    value, low, high = values["race=African-American", "clarify_sd"][:3]
    assert [-value, -high, -low] == pytest.approx([wanted["fpr_difference"], *wanted["fpr_diff_newcombe95"]], abs=1e-12)


def disparity(rows, accepted):
    """Conditional demographic disparity of African-Americans over sex, from individuals."""
    total = 0
    for sex in {row[1] for row in rows}:
        stratum = [row for row in rows if row[1] == sex]
        yes, no = [row for row in stratum if accepted(row)], [row for row in stratum if not accepted(row)]
        share = [sum(row[0] == "African-American" for row in part) / len(part) for part in (no, yes)]
        total += len(stratum) * (share[0] - share[1])
    return total / len(rows)


def test_strata(compas_rows):
    rows = list(compas())
    assert compas_rows["race=African-American", "clarify_cddl"][0] == pytest.approx(disparity(rows, lambda row: row[3]), abs=1e-12)
    assert compas_rows["race=African-American", "clarify_cddpl"][0] == pytest.approx(disparity(rows, lambda row: row[2] >= 5), abs=1e-12)
    assert compas_rows["sex=Female", "clarify_cddl"][0] is None  # no strata were asked for


def test_intersections(compas_rows):
    cells = {}
    for race, sex, decile, label in compas():
        cells.setdefault(f"sex|race={sex}|{race}", []).append((decile >= 5, label))
    for name, items in cells.items():
        assert compas_rows[name, "group_selection_rate"][0] == pytest.approx(sum(s for s, _ in items) / len(items), abs=1e-12)
        assert compas_rows[name, "group_accuracy"][0] == pytest.approx(sum(s == y for s, y in items) / len(items), abs=1e-12)
        assert compas_rows[name, "group_selection_rate"][4] == len(items)
    rates = {name: sum(s for s, _ in items) / len(items) for name, items in cells.items() if len(items) >= 30}
    assert compas_rows["sex|race", "selection_rate_difference"][0] == pytest.approx(max(rates.values()) - min(rates.values()), abs=1e-12)
    assert compas_rows["sex|race", "groups_compared"][0] == len(rates)


def test_small_groups_are_listed_and_left_out(compas_rows):
    assert compas_rows["race=Native American", "group_tpr"][0] == 0.9
    assert compas_rows["race=Native American", "group_tpr"][5] == "insufficient"
    assert compas_rows["race", "groups_compared"][0] == 5
    # Its selection rate would be the largest.
    assert compas_rows["race", "selection_rate_difference"][0] < 0.6666 - 0.2095
    null = compas_rows["race", "null_disparate_impact"][0]
    assert 0 < compas_rows["race", "disparate_impact"][0] < null < 1


def test_overall_of_compas(compas_rows):
    wanted = driftd.answers()["compas"]["computed"]["all_7214"]["overall"]
    for name in ("accuracy", "precision", "recall", "specificity", "fpr", "fnr", "f1", "selection_rate", "brier", "log_loss"):
        assert compas_rows["@model", name][0] == pytest.approx(wanted[name], abs=1e-9), name
    assert compas_rows["@model", "auc"][0] == pytest.approx(wanted["roc_auc"], abs=1e-9)
    assert compas_rows["@model", "gini"][0] == pytest.approx(2 * wanted["roc_auc"] - 1, abs=1e-9)
    assert compas_rows["@model", "average_precision"][0] == pytest.approx(wanted["average_precision"], abs=1e-9)
    assert compas_rows["@score", "ece"][0] == pytest.approx(wanted["ece"], abs=1e-9)
    assert compas_rows["@score", "mce"][0] == pytest.approx(wanted["mce"], abs=1e-9)


@pytest.mark.parametrize("with_id", [False, True])
def test_selection_without_labels(tmp_path, compas_rows, with_id):
    events = [{**event, "id": str(i)} if with_id else event for i, event in enumerate(compas_events(labelled=False))]
    values = values_of(replay(tmp_path, events, COMPAS, "compas"))
    for key in (("race", "selection_rate_difference"), ("race", "disparate_impact"), ("race=Hispanic", "group_selection_rate"),
                ("race=African-American", "clarify_dppl"), ("race=African-American", "clarify_di"), ("race=African-American", "clarify_cddpl")):
        assert values[key] == compas_rows[key][0], key
    assert values["race", "fpr_difference"] is None and values["race=Hispanic", "group_tpr"] is None
    assert values["race=African-American", "clarify_rd"] is None and values["race=African-American", "clarify_dpl"] is None
    assert ("@model", "accuracy") not in values


def test_one_group_and_one_class(tmp_path):
    events = [{"type": "prediction", "model": "m", "id": str(i), "ts": START_MS + i, "score": 0.25, "prediction": 0, "label": 0, "groups": {"sex": "F"}} for i in range(50)]
    values = values_of(replay(tmp_path, events, "fairness: [{attribute: sex}]"))
    assert values["sex=F", "group_selection_rate"] == 0 and values["sex=F", "group_tpr"] is None
    for name in ("selection_rate_difference", "disparate_impact", "fpr_difference", "fpr_ratio_to_overall", "equalized_odds_difference"):
        assert values["sex", name] is None, name
    assert values["@model", "auc"] is None and values["@model", "gini"] is None and values["@model", "specificity"] == 1
    assert ("sex=F", "clarify_dppl") not in values  # nobody to compare with


def test_cells_are_bounded(tmp_path):
    rng = random.Random(1)
    events = [{"type": "prediction", "model": "m", "id": str(i), "ts": START_MS + i, "score": 0.5, "label": rng.randrange(2),
               "groups": {"a": f"v{rng.randrange(100)}", "b": str(rng.randrange(60))}} for i in range(20000)]
    store = replay(tmp_path, events, "intersections: [{attributes: [a, b]}]")
    values = rows_of(store)
    counts = {}
    for (feature, metric), row in values.items():
        if metric == "group_selection_rate":
            kind = feature.split("=")[0]
            counts.setdefault(kind, []).append(row[4])
    assert {kind: len(n) for kind, n in counts.items()} == {"a": 65, "b": 60, "a|b": 257}
    assert all(sum(n) == 20000 for n in counts.values())  # nothing is lost, the rest is "other"
    assert driftd.query(store, "SELECT DISTINCT capped FROM v1_results") == [(1,)]


# ---- binary and calibration ----


@pytest.fixture(scope="module")
def demo():
    return list(csv.DictReader(gzip.open(driftd.DATA / "calibration_demo.csv.gz", "rt")))


@pytest.mark.parametrize("column", ["none", "isotonic", "sigmoid"])
def test_calibration_demo(tmp_path, demo, column):
    items = [{"type": "prediction", "model": "m", "ts": START_MS + i, "score": float(row[column]), "label": int(row["y"])} for i, row in enumerate(demo)]
    store = replay(tmp_path, items)
    values = rows_of(store)
    wanted = driftd.answers()["calibration_demo"]["computed"][column]
    for name in ("brier", "log_loss", "accuracy", "precision", "recall", "specificity", "f1", "fpr", "fnr", "selection_rate"):
        assert values["@model", name][0] == pytest.approx(wanted[name], abs=1e-9), name
    assert values["@score", "ece"][0] == pytest.approx(wanted["ece"], abs=1e-9)
    assert values["@score", "mce"][0] == pytest.approx(wanted["mce"], abs=1e-9)
    assert abs(values["@model", "auc"][0] - wanted["roc_auc"]) <= values["@model", "auc_error"][0] + 1e-9
    assert values["@model", "average_precision_lower"][0] - 1e-9 <= wanted["average_precision"] <= values["@model", "average_precision_upper"][0] + 1e-9

    p, y = numpy.array([item["score"] for item in items]), numpy.array([item["label"] for item in items])
    loss = -numpy.where(y == 1, numpy.log(numpy.clip(p, 1e-15, 1)), numpy.log(numpy.clip(1 - p, 1e-15, 1)))
    for name, each in (("brier", (p - y) ** 2), ("log_loss", loss)):
        half = 1.959963984540054 * each.std(ddof=1) / math.sqrt(len(each))
        assert values["@model", name][1:3] == pytest.approx([each.mean() - half, each.mean() + half], abs=1e-7), name
    murphy = [values["@score", name][0] for name in ("reliability", "resolution", "uncertainty", "within_bin_variance", "within_bin_covariance")]
    assert murphy[0] - murphy[1] + murphy[2] + murphy[3] - murphy[4] == pytest.approx(wanted["brier"], abs=1e-9)

    diagram = driftd.query(store, "SELECT bin, n, score, observed, bar_low, bar_high, outside FROM v1_reliability ORDER BY bin")
    bins = numpy.minimum((p * 10).astype(int), 9)
    k = sum(diagram[i][1] / len(p) * diagram[i][3] * (1 - diagram[i][3]) / (diagram[i][1] - 1) for i in range(len(diagram)) if diagram[i][1] > 1)
    assert values["@score", "reliability_corrected"][0] == pytest.approx(murphy[0] - k, abs=1e-9)
    assert [row[0] for row in diagram] == [i / 10 for i in sorted(set(bins))]
    from scipy.stats import binom
    for left, n, score, observed, low, high, outside in diagram:
        inside = bins == round(left * 10)
        assert n == inside.sum() and score == pytest.approx(p[inside].mean(), abs=1e-9) and observed == pytest.approx(y[inside].mean(), abs=1e-12)
        assert [low, high] == pytest.approx([binom.ppf(0.025, n, score) / n, binom.ppf(0.975, n, score) / n], abs=1.01 / n)
        assert outside == (observed < low or observed > high)
    assert values["@score", "bins_outside"][0] == sum(row[6] for row in diagram)


# ---- regression ----


@pytest.mark.parametrize("shift", [0, 1e9])
def test_regression(tmp_path, shift):
    rng = numpy.random.default_rng(3)
    y = rng.normal(shift, 3, 4000)
    prediction = y + rng.standard_t(3, 4000) - 0.5
    items = [{"type": "prediction", "model": "m", "ts": START_MS + i, "prediction": float(a), "label": float(b)} for i, (a, b) in enumerate(zip(prediction, y))]
    values = rows_of(replay(tmp_path, items))
    error = prediction - y
    digits = 1e-6 if shift else 1e-9
    wanted = {"mae": metrics.mean_absolute_error(y, prediction), "mse": metrics.mean_squared_error(y, prediction),
              "rmse": math.sqrt(metrics.mean_squared_error(y, prediction)), "r2": metrics.r2_score(y, prediction),
              "explained_variance": metrics.explained_variance_score(y, prediction), "mape": metrics.mean_absolute_percentage_error(y, prediction),
              "wape": abs(error).sum() / abs(y).sum(), "bias": error.mean(), "residual_sd": error.std(ddof=1), "target_mean": y.mean()}
    for name, value in wanted.items():
        assert values["@model", name][0] == pytest.approx(value, rel=digits, abs=digits), name
    for name, q in (("residual_p5", 0.05), ("residual_p50", 0.5), ("residual_p95", 0.95)):
        exact = numpy.quantile(error, q, method="lower")
        value, low, high = values["@model", name][:3]
        assert abs(value - exact) <= 0.01 * abs(exact) + 1e-6, name
        assert low <= value <= high
        assert low <= exact * (1.01 if exact < 0 else 0.99) + 1e-9 or low <= exact


def test_constant_target(tmp_path):
    items = [{"type": "prediction", "model": "m", "ts": START_MS + i, "prediction": 5.5 + i % 2, "label": 5.5} for i in range(40)]
    values = rows_of(replay(tmp_path, items))
    assert values["@model", "r2"][0] is None and values["@model", "mae"][0] == 0.5
    assert values["@model", "r2"][5] == "undefined"


# ---- several classes ----

CLASSES = ["cat", "dog", "eel", "fox"]


def multiclass_items(n=3000, apart=True, seed=4):
    """Predictions with scores; labels with them or a while later. One class is never predicted, one rarely true."""
    rng = numpy.random.default_rng(seed)
    truth = rng.choice(5, n, p=[0.5, 0.25, 0.15, 0.08, 0.02])
    items, rows = [], []
    for i in range(n):
        scores = rng.dirichlet(numpy.ones(4) * 0.6 + 4 * (numpy.arange(4) == truth[i]) * (rng.random() < 0.7))
        scores = {name: float(round(s, 6)) for name, s in zip(CLASSES, scores)}
        predicted = max(scores, key=scores.get)
        label = (CLASSES + ["gnu"])[truth[i]]
        at = START_MS + i * 1000
        event = {"type": "prediction", "model": "m", "id": str(i), "ts": at, "scores": scores, "segments": {"side": "lr"[i % 2]}}
        if i % 3:
            event["prediction"] = predicted
        rows.append((predicted, label, scores[predicted], "lr"[i % 2], scores))
        if apart:
            items += [event, {"type": "label", "model": "m", "id": str(i), "ts": at + 500, "label": label}]
        else:
            items.append({**event, "label": label})
    return items, rows


def check_multiclass(values, rows):
    predicted, truth = [row[0] for row in rows], [row[1] for row in rows]
    assert values["@model", "multiclass_accuracy"][0] == pytest.approx(metrics.accuracy_score(truth, predicted), abs=1e-12)
    assert values["@model", "multiclass_mcc"][0] == pytest.approx(metrics.matthews_corrcoef(truth, predicted), abs=1e-12)
    assert values["@model", "multiclass_kappa"][0] == pytest.approx(metrics.cohen_kappa_score(truth, predicted), abs=1e-12)
    assert values["@model", "multiclass_balanced_accuracy"][0] == pytest.approx(metrics.balanced_accuracy_score(truth, predicted), abs=1e-12)
    for average in ("macro", "micro", "weighted"):
        wanted = metrics.precision_recall_fscore_support(truth, predicted, average=average, zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), wanted):
            assert values["@model", f"{average}_{name}"][0] == pytest.approx(value, abs=1e-12), (average, name)
    names = sorted(set(predicted) | set(truth))
    assert values["@model", "classes"][0] == len(names) == 5
    for name, precision, recall, f1, support in zip(names, *metrics.precision_recall_fscore_support(truth, predicted, labels=names, zero_division=numpy.nan)):
        got = [values[f"class={name}", f"class_{metric}"][0] for metric in ("precision", "recall", "f1", "support")]
        assert [math.nan if v is None else v for v in got] == pytest.approx([precision, recall, f1, support], abs=1e-12, nan_ok=True), name
    score, hit = numpy.array([row[2] for row in rows]), numpy.array([row[0] == row[1] for row in rows])
    bins = numpy.minimum((score * 10).astype(int), 9)
    ece = sum(abs(score[bins == b].sum() - hit[bins == b].sum()) for b in range(10)) / len(rows)
    assert values["@model", "top_label_ece"][0] == pytest.approx(ece, abs=1e-9)
    assert values["@model", "top_label_brier"][0] == pytest.approx(((score - hit) ** 2).mean(), abs=1e-9)


def ece_of(score, hit):
    bins = numpy.minimum((score * 10).astype(int), 9)
    return sum(abs(score[bins == b].sum() - hit[bins == b].sum()) for b in range(10)) / len(score)


def check_class_scores(values, truth, scores, names, tolerance=1e-5):
    """Every class against the rest, from dicts of scores: what a code of 16 bits rounds is all that may differ."""
    table = numpy.array([[each.get(name, 0.0) for name in names] for each in scores])
    hits = numpy.array([[label == name for name in names] for label in truth], dtype=float)
    n = len(truth)
    of_truth = numpy.clip((table * hits).sum(axis=1), 1e-15, 1 - 1e-15)
    known = [i for i, label in enumerate(truth) if label in scores[i]]
    assert metrics.log_loss([truth[i] for i in known], table[known] / table[known].sum(axis=1)[:, None], labels=names) == pytest.approx(-numpy.log(of_truth[known]).mean(), abs=1e-4)
    square = ((table - hits) ** 2).sum(axis=1)
    for name, each, error in (("multiclass_log_loss", -numpy.log(of_truth), 2e-4), ("multiclass_brier", square, tolerance)):
        half = 1.959963984540054 * each.std(ddof=1) / math.sqrt(n)
        assert values["@model", name][:3] == pytest.approx([each.mean(), max(each.mean() - half, 0), each.mean() + half], abs=error), name
    eces, aucs = [], []
    for k, name in enumerate(names):
        eces.append(ece_of(table[:, k], hits[:, k]))
        assert values[f"class={name}", "class_ece"][0] == pytest.approx(eces[-1], abs=tolerance), name
        assert values[f"class={name}", "class_brier"][0] == pytest.approx(((table[:, k] - hits[:, k]) ** 2).mean(), abs=tolerance)
        assert values[f"class={name}", "class_mean_score"][0] == pytest.approx(table[:, k].mean(), abs=tolerance)
        assert values[f"class={name}", "class_calibration_gap"][0] == pytest.approx(hits[:, k].mean() - table[:, k].mean(), abs=tolerance)
        if 0 < hits[:, k].sum() < n:
            aucs.append(metrics.roc_auc_score(hits[:, k], table[:, k]))
            value, low, high = values[f"class={name}", "class_auc"][:3]
            assert abs(value - aucs[-1]) <= values[f"class={name}", "class_auc_error"][0] + tolerance, name
            assert low is None or low <= value <= high
        else:
            assert values[f"class={name}", "class_auc"][0] is None
    assert values["@model", "classwise_ece"][0] == pytest.approx(numpy.mean(eces), abs=tolerance)
    assert values["@model", "classwise_ece_worst"][0] == pytest.approx(max(eces), abs=tolerance)
    assert abs(values["@model", "macro_auc"][0] - numpy.mean(aucs)) <= values["@model", "macro_auc_error"][0] + tolerance
    assert values["@model", "macro_auc_error"][0] < 0.05
    assert values["@model", "class_scores_coverage"][0] == 1


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("task", ["auto", "multiclass"])
def test_multiclass(tmp_path, apart, task):
    items, rows = multiclass_items(apart=apart)
    store = replay(tmp_path, items, f"task: {task}", delay="1h")
    check_multiclass(rows_of(store), rows)
    check_multiclass(rows_of(store, "side=l"), [row for row in rows if row[3] == "l"])
    check_class_scores(rows_of(store), [row[1] for row in rows], [row[4] for row in rows], CLASSES + ["gnu"])
    left = [row for row in rows if row[3] == "l"]
    check_class_scores(rows_of(store, "side=l"), [row[1] for row in left], [row[4] for row in left], CLASSES + ["gnu"])
    assert values_of(store)["@model", "class_coverage"] == 1
    assert ("@model", "accuracy") not in values_of(store)


def scored(i, scores, label, **more):
    return {"type": "prediction", "model": "m", "id": str(i), "ts": START_MS + i, "scores": scores, "label": label, **more}


def test_class_scores_of_the_vectors(tmp_path):
    cases = json.loads((driftd.ROOT / "tests" / "vectors" / "calibration.json").read_text())["cases"]
    case = next(case for case in cases if case["id"] == "multiclass_top_and_class")
    inputs = case.get("input", case.get("inputs"))
    items = [scored(i, {f"k{k}": p for k, p in enumerate(row)}, f"k{y}") for i, (row, y) in enumerate(zip(inputs["P"], inputs["y"]))]
    values = rows_of(replay(tmp_path, items))
    assert values["@model", "multiclass_brier"][0] == pytest.approx(case["expect"]["multiclass_brier"], abs=1e-9)
    # The case has bins of 0.2, a window's are of 0.1.
    check_class_scores(values, [f"k{y}" for y in inputs["y"]], [item["scores"] for item in items], ["k0", "k1", "k2"], 1e-9)


def test_scores_that_are_not_whole(tmp_path):
    """Some classes only, sums other than 1: counted as they are. No number, or none in [0, 1]: not counted."""
    rng = random.Random(7)
    used, items = [], []
    for i in range(400):
        label = rng.choice("abc")
        scores = {name: rng.randrange(1, 400) / 1000 for name in rng.sample("abc", rng.randrange(1, 4))}
        if i % 10 == 0:
            scores[rng.choice(sorted(scores))] = rng.choice([-0.25, 1.5, None])
        else:
            used.append((label, scores))
        items.append(scored(i, scores, label, prediction=rng.choice("abc")))
    values = rows_of(replay(tmp_path, items))
    assert values["@model", "class_scores_coverage"][0] == 0.9
    off = sum(abs(sum(scores.values()) - 1) > 0.01 for _, scores in used)
    assert values["@model", "class_scores_unnormalised"][0] == pytest.approx(off / len(used), abs=1e-12)
    table = numpy.array([[scores.get(name, 0) for name in "abc"] for _, scores in used])
    hits = numpy.array([[label == name for name in "abc"] for label, _ in used])
    assert values["@model", "multiclass_brier"][0] == pytest.approx(((table - hits) ** 2).sum(axis=1).mean(), abs=1e-9)
    loss = -numpy.log(numpy.clip((table * hits).sum(axis=1), 1e-15, 1)).mean()
    assert values["@model", "multiclass_log_loss"][0] == pytest.approx(loss, abs=1e-9)
    assert values["@model", "classwise_ece"][0] == pytest.approx(numpy.mean([ece_of(table[:, k], hits[:, k]) for k in range(3)]), abs=1e-9)


def test_no_scores(tmp_path):
    items = [{"type": "prediction", "model": "m", "ts": START_MS + i, "prediction": "abc"[i % 3], "label": "abc"[i % 2]} for i in range(60)]
    values = values_of(replay(tmp_path, items))
    for name in ("multiclass_brier", "multiclass_log_loss", "classwise_ece", "macro_auc", "class_scores_coverage"):
        assert values["@model", name] is None, name
    assert values["class=a", "class_ece"] is None and values["class=a", "class_auc"] is None


@pytest.mark.parametrize("classes", [32, 33])
def test_more_classes_than_scores(tmp_path, classes):
    """Beyond 32 classes there is the calibration of the predicted class only, and results say `capped`."""
    rng = numpy.random.default_rng(11)
    rows = []
    for i in range(500):
        scores = {f"c{k:02}": float(p) for k, p in enumerate(rng.dirichlet(numpy.ones(classes)).round(6))}
        rows.append((max(scores, key=scores.get), f"c{rng.integers(classes):02}", scores))
    store = replay(tmp_path, [scored(i, scores, label) for i, (_, label, scores) in enumerate(rows)])
    values = rows_of(store)
    assert values["@model", "top_label_ece"][0] is not None
    if classes == 32:
        check_class_scores(values, [row[1] for row in rows], [row[2] for row in rows], [f"c{k:02}" for k in range(32)], 2e-5)
        assert driftd.query(store, "SELECT DISTINCT capped FROM v1_results") == [(0,)]
    else:
        assert values["@model", "multiclass_brier"][0] is None
        assert driftd.query(store, "SELECT DISTINCT capped FROM v1_results") == [(1,)]


def test_alike_but_for_scores(tmp_path):
    """The same prediction twice in two partitions, with other scores of the classes that are not predicted: which of
    them counts does not depend on which is read first, nor on which class was seen first."""
    rng = random.Random(13)
    one, two, labels = [], [], []
    for i in range(300):
        low = rng.randrange(0, 401)
        base = {"type": "prediction", "model": "m", "id": str(i), "ts": START_MS + 1000 * i, "prediction": "a"}
        one.append({**base, "scores": {"a": 0.6, "b": low / 1000, "c": (400 - low) / 1000}})
        two.append({**base, "scores": {"c": low / 1000, "b": (400 - low) / 1000, "a": 0.6}})
        labels.append({"type": "label", "model": "m", "id": str(i), "ts": START_MS + 1000 * i + 10, "label": rng.choice("abc")})
    stores = []
    for name, order in (("first", (one, two)), ("second", (two, one))):
        items = [item for triple in zip(*order, labels) for item in triple]
        stores.append(replay(tmp_path / name, items, delay="1h", files=3))
    assert values_of(stores[0])["@model", "classwise_ece"] is not None
    assert driftd.difference(*map(driftd.canonical, stores)) == ""


@pytest.mark.parametrize("workers,files", [(2, 3), (4, 5)])
def test_multiclass_same_bytes(tmp_path, workers, files):
    items, _ = multiclass_items()
    one = replay(tmp_path / "one", items, delay="1h", window="1h")
    shuffled = streams.shuffled(items, 3_500_000, random.Random(workers))
    other = replay(tmp_path / "other", shuffled, delay="1h", window="1h", workers=workers, files=files)
    assert any("class=gnu" in row for row in driftd.canonical(one)["results"])
    assert driftd.difference(driftd.canonical(one), driftd.canonical(other)) == ""


def test_numbers_as_classes(tmp_path):
    rng = random.Random(5)
    pairs = [(rng.randrange(3), rng.randrange(3)) for _ in range(200)]
    items = [{"type": "prediction", "model": "m", "ts": START_MS + i, "prediction": a, "label": b} for i, (a, b) in enumerate(pairs)]
    values = values_of(replay(tmp_path, items, "task: multiclass"))
    assert values["@model", "multiclass_accuracy"] == sum(a == b for a, b in pairs) / 200
    assert values["class=2", "class_support"] == sum(b == 2 for _, b in pairs)
    assert values["@model", "top_label_ece"] is None


def test_many_classes(tmp_path):
    items = [{"type": "prediction", "model": "m", "ts": START_MS + i, "prediction": f"c{i % 100}", "label": f"c{i % 100}"} for i in range(1000)]
    values = values_of(replay(tmp_path, items))
    assert values["@model", "classes"] == 65 and values["class=other", "class_support"] == 360


def wide_items(classes=100, n=4000, seed=5):
    """Classes of unlike frequency in several windows, the label with the prediction or later."""
    rng = numpy.random.default_rng(seed)
    weights = 1 / (1 + numpy.arange(classes) % 37)
    items = []
    for i in range(n):
        truth = rng.choice(classes, p=weights / weights.sum())
        predicted = truth if rng.random() < 0.6 else rng.integers(classes)
        at = START_MS + i * 5000
        event = {"type": "prediction", "model": "m", "id": str(i), "ts": at, "prediction": f"c{predicted:03}", "segments": {"side": "lr"[i % 2]}}
        if i % 3:
            items += [event, {"type": "label", "model": "m", "id": str(i), "ts": at + 500, "label": f"c{truth:03}"}]
        else:
            items.append({**event, "label": f"c{truth:03}"})
    return items


@pytest.fixture(scope="module")
def wide_store(tmp_path_factory):
    return replay(tmp_path_factory.mktemp("wide"), wide_items(), "task: multiclass", delay="1h", window="1h")


@pytest.mark.parametrize("workers,files", [(1, 3), (2, 3), (4, 5)])
def test_wide_same_bytes(tmp_path, wide_store, workers, files):
    """Which of 100 classes have rows is a matter of events, not of the order in which they come."""
    shuffled = streams.shuffled(wide_items(), 3_500_000, random.Random(workers))
    other = replay(tmp_path, shuffled, "task: multiclass", delay="1h", window="1h", workers=workers, files=files)
    assert not driftd.difference(driftd.canonical(wide_store), driftd.canonical(other))


def test_wide_keeps_the_most_frequent(wide_store):
    """The 64 with most labels and predictions, ties by name; such rows say `capped`."""
    pairs, predicted = [], {}
    for item in wide_items():
        if item["type"] == "prediction":
            predicted[item["id"]] = item["prediction"], item["ts"]
        if "label" in item:
            name, at = predicted[item["id"]]
            pairs.append((at // 3_600_000, item["label"], name))
    checked = 0
    ends = driftd.query(wide_store, "SELECT DISTINCT window_start_ms FROM v1_results WHERE feature LIKE 'class=%' AND segment = ''")
    for (start,) in ends:
        counts = {}
        for hour, *names in pairs:
            for name in names if hour == start // 3_600_000 else ():
                counts[name] = counts.get(name, 0) + 1
        if len(counts) <= 64:
            continue
        kept = sorted(sorted(counts), key=lambda name: -counts[name])[:64]
        rows = driftd.query(wide_store, "SELECT DISTINCT feature, capped FROM v1_results WHERE feature LIKE 'class=%' AND segment = '' AND window_start_ms = ?", start)
        assert sorted(rows) == sorted([(f"class={name}", 1) for name in kept] + [("class=other", 1)])
        checked += 1
    assert checked >= 3


def test_beyond_the_known_classes(tmp_path):
    """Of a model 126 classes are told apart; results say so when there are more."""
    items = [{"type": "prediction", "model": "m", "ts": START_MS + i, "prediction": f"c{i % 130}", "label": f"c{i % 130}"} for i in range(1300)]
    store = replay(tmp_path, items)
    assert values_of(store)["class=other", "class_support"] == 660
    assert driftd.query(store, "SELECT DISTINCT capped FROM v1_results WHERE feature LIKE 'class=%'") == [(1,)]


def test_kills(tmp_path):
    items, _ = multiclass_items(1500)
    one = replay(tmp_path / "one", items, delay="1h", window="1h")
    directory = tmp_path / "killed"
    directory.mkdir()
    config = directory / "driftd.yaml"
    config.write_text((tmp_path / "one" / "driftd.yaml").read_text().replace(str(tmp_path / "one"), str(directory)))
    assert streams.killed(config, directory / "driftd.db", [tmp_path / "one" / "events0.ndjson"], seed=6, times=6) >= 2
    assert driftd.difference(driftd.canonical(one), driftd.canonical(directory / "driftd.db")) == ""


# ---- ranked lists ----


def test_ranking(tmp_path):
    rng = random.Random(8)
    lists = [[rng.choice((0, 0, 1, 2, 3)) for _ in range(rng.randrange(2, 30))] for _ in range(500)] + [[0, 0, 0], []]
    items = [{"type": "prediction", "model": "m", "ts": START_MS + i, "label": relevance} for i, relevance in enumerate(lists)]
    items += [{"type": "prediction", "model": "m", "ts": START_MS, "label": [1, -1]}, {"type": "prediction", "model": "m", "ts": START_MS, "label": [1] * 1001}]
    values = rows_of(replay(tmp_path, items))
    used = [relevance for relevance in lists if any(relevance)]
    for name, k in (("ndcg_5", 5), ("ndcg_10", 10), ("ndcg", None)):
        each = numpy.array([metrics.ndcg_score([r], [[-i for i in range(len(r))]], k=k) for r in used])
        half = 1.959963984540054 * each.std(ddof=1) / math.sqrt(len(each))
        assert values["@model", name][:3] == pytest.approx([each.mean(), each.mean() - half, each.mean() + half], abs=1e-10), name
        assert values["@model", name][4] == len(used)
    assert values["@model", "queries_without_relevance"][0] == pytest.approx((len(lists) - len(used)) / len(lists))
    assert values["@model", "queries_refused"][0] == pytest.approx(2 / (len(lists) + 2))
    assert values["@model", "ranked_length"][0] == pytest.approx(sum(map(len, lists)) / len(lists))
