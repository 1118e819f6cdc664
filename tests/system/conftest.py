import sys
import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import car_loan  # noqa: E402


@pytest.fixture(scope="session")
def loan_reference(tmp_path_factory):
    return car_loan.build_reference(tmp_path_factory.mktemp("reference") / "car_loan.reference.json")


@pytest.fixture(scope="session")
def loan_events():
    return list(car_loan.events())


@pytest.fixture(scope="session")
def loan_ndjson(tmp_path_factory, loan_events):
    return car_loan.write_ndjson(tmp_path_factory.mktemp("events") / "loans.ndjson", loan_events)
