"""Real data with published answers: what drifted, when, and by how much."""

import pytest

import car_loan
import driftd

NUMERIC = {"car_value": "car_value", "debt_to_income_ratio": "debt_to_income_ratio", "loan_length": "loan_length",
           "driver_tenure": "driver_tenure", "@score": "y_pred_proba"}
CATEGORICAL = {"salary_range": "salary_range", "repaid_loan_on_prev_car": "repaid_loan_on_prev_car",
               "size_of_downpayment": "size_of_downpayment", "@prediction": "y_pred"}
DRIFTED = {"car_value", "salary_range", "repaid_loan_on_prev_car", "loan_length", "@score", "@confidence"}


@pytest.fixture(scope="module")
def replayed(tmp_path_factory, loan_reference):
    directory = tmp_path_factory.mktemp("car_loan")
    config = car_loan.csv_config(directory / "driftd.yaml", directory / "driftd.db", loan_reference)
    done = driftd.run("replay", "-c", config, driftd.DATA / "car_loan_analysis.csv.gz")
    return directory / "driftd.db", done


@pytest.fixture(scope="module")
def values(replayed):
    rows = driftd.query(replayed[0], "SELECT feature, metric, window_end_s, value, n, state FROM v1_results WHERE segment = ''")
    ends = sorted({row[2] for row in rows})
    assert len(ends) == 10
    return {(feature, metric, ends.index(end)): (value, n, state) for feature, metric, end, value, n, state in rows}


@pytest.fixture(scope="module")
def chunks():
    return driftd.answers()["car_loan"]["computed"]["chunks"]


def test_every_event_is_applied_once(replayed):
    store, done = replayed
    assert "50000 records" in done.stderr
    assert driftd.query(store, "SELECT fate, SUM(total) FROM v1_events GROUP BY fate") == [("applied", 50000)]


def test_windows_are_the_published_chunks(values, chunks):
    for i, chunk in enumerate(chunks):
        assert values["car_value", "psi", i][1] == 5000
        mean = values["car_value", "mean", i][0]
        assert mean == pytest.approx(chunk["numeric"]["car_value"]["mean"], rel=1e-9)
        assert values["car_value", "sd", i][0] == pytest.approx(chunk["numeric"]["car_value"]["sd"], rel=2e-4)  # n against n-1


def test_ks_lies_within_the_bracket_of_the_grid(values, chunks):
    for i, chunk in enumerate(chunks):
        for feature, name in NUMERIC.items():
            exact = chunk["numeric"][name]["ks"]
            low, high = values[feature, "ks", i][0], values[feature, "ks_upper", i][0]
            assert low - 1e-9 <= exact <= high + 1e-9, (feature, i)
            assert exact - low <= 1 / 240 + 1e-9, (feature, i)


def test_wasserstein_agrees(values, chunks):
    for i, chunk in enumerate(chunks):
        for feature, name in NUMERIC.items():
            exact = chunk["numeric"][name]["wasserstein"]
            sd = values[feature, "sd", i][0]
            assert values[feature, "w1", i][0] == pytest.approx(exact, rel=0.02, abs=0.01 * sd), (feature, i)


def test_psi_agrees_within_its_conventions(values, chunks):
    """Published: deciles by linear quantiles, empty cells 1e-4. Ours: deciles on the grid, Jeffreys. Same statistic, other cuts."""
    for i, chunk in enumerate(chunks):
        for feature, name in NUMERIC.items():
            assert values[feature, "psi", i][0] == pytest.approx(chunk["numeric"][name]["psi_q"], rel=0.15, abs=0.004), (feature, i)
        for feature, name in CATEGORICAL.items():
            assert values[feature, "psi", i][0] == pytest.approx(chunk["categorical"][name]["psi"], rel=0.01, abs=2e-5), (feature, i)


def test_categorical_distances_are_exact(values, chunks):
    for i, chunk in enumerate(chunks):
        for feature, name in CATEGORICAL.items():
            expected = chunk["categorical"][name]
            assert values[feature, "js", i][0] == pytest.approx(expected["js"], abs=5e-8), (feature, i)
            assert values[feature, "chi2", i][0] == pytest.approx(expected["chi2"]["stat"], rel=1e-6), (feature, i)


def test_js_of_numbers_differs_only_by_the_bins(values, chunks):
    """Published JS uses Doane bins (finer where the data are); ten reference deciles see most of it and never more than everything."""
    for i, chunk in enumerate(chunks):
        for feature, name in NUMERIC.items():
            published = chunk["numeric"][name]["js"]
            assert abs(values[feature, "js", i][0] - published) <= 0.03, (feature, i)


def test_drift_is_flagged_where_it_is_and_nowhere_else(values):
    flagged = {(feature, i) for (feature, metric, i), (_, _, state) in values.items()
               if metric in ("psi", "ks") and state in ("warning", "critical")}
    assert flagged == {(feature, i) for feature in DRIFTED for i in range(5, 10)}


def test_alerts_fire_at_the_first_drifted_window(replayed):
    store, _ = replayed
    start = driftd.query(store, "SELECT MIN(window_end_s) FROM v1_results")[0][0]
    fired = driftd.query(store, "SELECT DISTINCT feature, fired_s FROM v1_alerts WHERE state = 'firing'")
    assert {feature for feature, _ in fired} == DRIFTED
    assert {at for _, at in fired} == {start + 5 * car_loan.TIER_S}


def test_replaying_again_adds_nothing(replayed, loan_reference, tmp_path):
    store, _ = replayed
    before = driftd.canonical(store)
    config = car_loan.csv_config(tmp_path / "driftd.yaml", store, loan_reference)
    done = driftd.run("replay", "-c", config, driftd.DATA / "car_loan_analysis.csv.gz")
    assert "nothing new" in done.stderr
    assert driftd.difference(before, driftd.canonical(store)) == ""


def test_compare_gives_what_the_window_gave(replayed, values):
    done = driftd.run("compare", "--store", replayed[0], "--model", "car_loan", "--from", "2019-04-30T09:36:00Z", "--to",
                      "2019-05-30T16:12:00Z", "--metric", "psi")
    lines = dict(line.split()[:2] for line in done.stdout.splitlines())
    assert float(lines["car_value"]) == values["car_value", "psi", 6][0]


def test_compare_two_stretches(replayed):
    done = driftd.run("compare", "--store", replayed[0], "--model", "car_loan", "--from", "2018-10-30T18:00:00Z", "--to",
                      "2019-03-31T03:00:00Z", "--against", "2019-03-31T03:00:00Z..2019-08-29T12:00:00Z", "--metric", "psi")
    lines = dict(line.split()[:2] for line in done.stdout.splitlines())
    assert float(lines["car_value"]) > 1 and float(lines["driver_tenure"]) < 0.01
