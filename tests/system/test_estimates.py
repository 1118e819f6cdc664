"""Performance without labels: the published estimates of the car loan data, through the program itself."""

import pytest

import car_loan
import driftd

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
