#!/usr/bin/env python3
"""Checks that detectors/ reproduces the published and computed answers of tests/data.

Feeds the real data to `runner --eval` and compares with tests/data/answers.json. Standard library only. Prints
one line per check with the largest deviation; exit status 1 when one is above its tolerance.

    python3 tests/checks/check_statistics_data.py build/release/vectors/runner
"""
import csv
import gzip
import json
import os
import subprocess
import sys

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")
CHUNK = 5000


class Runner:
    def __init__(self, path):
        self.process = subprocess.Popen([path, "--eval"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, function, /, **values):
        self.process.stdin.write(json.dumps({"fn": function, "input": values}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            sys.exit(f"{function}: {answer['error']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Report:
    def __init__(self):
        self.worst = {}

    def near(self, name, got, want, tolerance):
        deviation = abs(float(got) - float(want))
        checks, worst, _ = self.worst.get(name, (0, 0.0, tolerance))
        self.worst[name] = (checks + 1, max(worst, deviation), tolerance)

    def finish(self):
        bad = 0
        for name, (checks, worst, tolerance) in self.worst.items():
            fails = not worst <= tolerance
            bad += fails
            print(f"{'FAIL' if fails else 'ok  '} {name}: {checks} values, largest deviation {worst:.3g} "
                  f"(allowed {tolerance:g})")
        return 1 if bad else 0


def rows_of(name):
    path = os.path.join(DATA, name)
    opener = gzip.open if name.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def confusion_of(y, predicted):
    counts = {"tp": 0, "fp": 0, "fn": 0, "tn": 0}
    for label, choice in zip(y, predicted):
        counts[("tp" if label else "fp") if choice else ("fn" if label else "tn")] += 1
    return counts


# Computed answers are rounded to 10 digits.
PRINTED = 1e-9
BINARY = ["accuracy", "precision", "recall", "specificity", "fpr", "fnr", "f1", "selection_rate"]


def scores_of(rows):
    return ([int(r["repaid"]) for r in rows], [float(r["y_pred_proba"]) for r in rows], [int(r["y_pred"]) for r in rows])


def histogram_of(y, score):
    positive, negative = [0] * 1000, [0] * 1000
    for label, p in zip(y, score):
        (positive if label else negative)[min(int(p * 1000), 999)] += 1
    return positive, negative


def check_car_loan(run, report, answers):
    published = answers["published"]
    reference = scores_of(rows_of("car_loan_reference.csv.gz"))
    analysis = scores_of(rows_of("car_loan_analysis.csv.gz"))
    knots = sorted(set(analysis[1]) | set(reference[1]))
    fit = run("isotonic", x=reference[1], y=reference[0], query=knots)["query"]
    calibrated = dict(zip(knots, fit))
    for i, chunk in enumerate(answers["computed"]["chunks"]):
        part = slice(i * CHUNK, (i + 1) * CHUNK)
        y, score, predicted = (values[part] for values in analysis)
        counts = confusion_of(y, predicted)
        metrics = run("binary_confusion", **counts)
        scored = run("binary_scores", y=y, score=score, threshold=0.65)
        positive, negative = histogram_of(y, score)
        binned = run("binned_scores", pos=positive, neg=negative)
        metrics["average_precision"] = scored["average_precision"]
        metrics["roc_auc"] = scored["roc_auc"]
        for name in BINARY:
            report.near("car_loan " + name, metrics[name], chunk["performance"][name], PRINTED)
        for name in ["accuracy", "precision", "recall", "specificity", "f1", "roc_auc", "average_precision"]:
            report.near("car_loan published " + name, metrics[name], published["realized"][name + ".value"][i], 5.1e-7)
        for key, name in [("tp", "true_positive"), ("tn", "true_negative"), ("fp", "false_positive"),
                          ("fn", "false_negative")]:
            want = published["confusion_matrix_fractions"][name + ".value"][i]
            report.near("car_loan published confusion", counts[key] / CHUNK, want, 5e-7)
        report.near("car_loan 1000-bin roc_auc", binned["roc_auc"], chunk["performance"]["roc_auc"], PRINTED)
        report.near("car_loan 1000-bin average precision", binned["average_precision_binned"],
                    chunk["performance"]["average_precision"], PRINTED)
        for name in ["brier", "log_loss"]:
            report.near("car_loan " + name, scored[name], chunk["performance"][name], PRINTED)
        calibration = run("calibration", p=score, y=y)["ew10"]
        for name in ["ece", "mce"]:
            report.near("car_loan " + name, calibration[name], chunk["performance"][name], PRINTED)
        estimate = run("cbpe", calibrated=[calibrated[p] for p in score], raw=score, pred=predicted)
        for name in ["accuracy", "f1", "roc_auc"]:
            report.near("car_loan published estimated " + name, estimate[name],
                        published["estimated_cbpe"][name + ".value"][i], 1e-5)


def check_compas(run, report, answers):
    events = []
    for row in rows_of("compas_counts.csv"):
        events += [(row["race"], int(row["decile_score"]), int(row["two_year_recid"]))] * int(row["n"])
    computed = answers["computed"]["all_7214"]
    groups = {}
    for race in sorted({e[0] for e in events}):
        part = [e for e in events if e[0] == race]
        groups[race] = confusion_of([e[2] for e in part], [e[1] >= 5 for e in part])
        metrics = run("binary_confusion", **groups[race])
        for name in BINARY:
            report.near("compas groups", metrics[name], computed["fairness_by_race"]["by_group"][race][name], PRINTED)
        printed = answers["published"].get(race)
        if printed:
            for name in ["tp", "fp", "fn", "tn"]:
                report.near("compas published counts", groups[race][name], printed[name], 0)
            for name in ["fpr", "fnr"]:
                report.near("compas published rates", metrics[name], printed[name], 5e-5)
            report.near("compas published values", metrics["precision"], printed["ppv"], 5e-3)
            report.near("compas published values", metrics["npv"], printed["npv"], 5e-3)
    for race, counts in groups.items():
        if race == "Caucasian":
            continue
        want = computed["fairness_by_race"]["vs_" + race]
        pair = run("fairness_groups", groups={race: counts, "Caucasian": groups["Caucasian"]})
        report.near("compas gaps", pair["fpr_difference"], want["fpr_difference"], PRINTED)
        report.near("compas gaps", pair["demographic_parity_difference"], abs(want["statistical_parity_difference"]), PRINTED)
        report.near("compas gaps", pair["demographic_parity_ratio"],
                    min(want["disparate_impact"], 1 / want["disparate_impact"]), PRINTED)
        report.near("compas gaps", pair["equal_opportunity_difference"], abs(want["equal_opportunity_difference"]), PRINTED)
    y, p = [e[2] for e in events], [(e[1] - 0.5) / 10 for e in events]
    check_scores(run, report, "compas scores", y, p, 0.45, computed["overall"])


def check_scores(run, report, name, y, p, threshold, want):
    scored = run("binary_scores", y=y, score=p, threshold=threshold)
    calibration = run("calibration", p=p, y=y)
    for key in ["roc_auc", "average_precision", "brier", "log_loss"]:
        report.near(name, scored[key], want[key], PRINTED)
    report.near(name, calibration["brier"], want["brier"], PRINTED)
    for key in ["ece", "mce"]:
        report.near(name, calibration["ew10"][key], want[key], PRINTED)
    w = calibration["ew10"]
    identity = (w["reliability"] - w["resolution"] + w["uncertainty"] + calibration["within_bin_variance"]
                - calibration["within_bin_covariance"])
    report.near("Murphy's identity", identity, calibration["brier"], 1e-12)


def check_calibration_demo(run, report, answers):
    rows = rows_of("calibration_demo.csv.gz")
    y = [int(r["y"]) for r in rows]
    for name in ["none", "isotonic", "sigmoid"]:
        p = [float(r[name]) for r in rows]
        check_scores(run, report, "calibration_demo " + name, y, p, 0.5, answers["computed"][name])


def check_bike_sharing(run, report, answers):
    months = {}
    for row in rows_of("bike_sharing_hour.csv.gz"):
        months.setdefault(row["timestamp"][:7], []).append((float(row["cnt"]), float(row["pred"])))
    for want in answers["computed"]["months"]:
        pairs = months[want["month"]]
        got = run("regression", y=[a for a, _ in pairs], pred=[b for _, b in pairs])
        for name, key in [("mae", "mae"), ("mse", "mse"), ("rmse", "rmse"), ("r2", "r2"), ("mape", "mape"),
                          ("bias_pred_minus_y", "bias")]:
            scale = max(1.0, abs(want["performance"][key]))
            report.near("bike_sharing " + key, got[name] / scale, want["performance"][key] / scale, PRINTED)


def check_toy_stream(run, report, answers):
    values = [float(r["x"]) for r in rows_of("toy_stream.csv")]
    for detector, key in [("ADWIN", "ADWIN(delta=0.002)"), ("PageHinkley", "PageHinkley(default)")]:
        got = run("detector_run", detector=detector, params={}, values=values)["drift_indices_0based"]
        report.near("toy_stream first drift", got[0], answers["published"][key][0], 0)
        report.near("toy_stream drifts", len(got), len(answers["published"][key]), 0)
    # The library samples at random; driftd picks fixed places, so only the neighbourhood can be the same.
    got = run("detector_run", detector="KSWIN", params={"alpha": 1e-4}, values=values)["drift_indices_0based"]
    report.near("toy_stream KSWIN, its own sampling", got[0], answers["published"]["KSWIN(alpha=0.0001, seed 42)"][0], 30)


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with open(os.path.join(DATA, "answers.json"), encoding="utf-8") as file:
        answers = json.load(file)
    run, report = Runner(sys.argv[1]), Report()
    check_car_loan(run, report, answers["car_loan"])
    check_compas(run, report, answers["compas"])
    check_calibration_demo(run, report, answers["calibration_demo"])
    check_bike_sharing(run, report, answers["bike_sharing"])
    check_toy_stream(run, report, answers["toy_stream"])
    run.close()
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
