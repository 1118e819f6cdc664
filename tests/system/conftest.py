import collections
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import car_loan  # noqa: E402
import kafka_world  # noqa: E402
import streams  # noqa: E402

pytest_plugins = ["kafka_broker"]


def pytest_terminal_summary(terminalreporter):
    """Which tests did not run, and why; `make check` says it again at its end (the file NOT_RUN)."""
    reasons = collections.Counter(report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped"))
    if not reasons:
        return
    lines = [f"not run: {count} system tests: {why}" for why, count in reasons.items()]
    terminalreporter.section("tests that did NOT run")
    for line in lines:
        terminalreporter.line(line)
    if "NOT_RUN" in os.environ:
        with open(os.environ["NOT_RUN"], "a", encoding="utf-8") as file:
            file.writelines(" ".join(line.split()) + "\n" for line in lines)


@pytest.fixture(scope="session")
def loan_reference(tmp_path_factory):
    return car_loan.build_reference(tmp_path_factory.mktemp("reference") / "car_loan.reference.json")


@pytest.fixture(scope="session")
def loan_events():
    return list(car_loan.events())


@pytest.fixture(scope="session")
def loan_ndjson(tmp_path_factory, loan_events):
    return streams.write(tmp_path_factory.mktemp("events") / "loans.ndjson", loan_events)


@pytest.fixture(scope="session")
def toy_reference(tmp_path_factory):
    return kafka_world.build_reference(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def shared_broker():
    """One broker for all Kafka tests, with every kind of listener. A test that stops it starts it again."""
    from kafka_broker import broker_or_skip
    # After a kill the broker may register anew only when its old session has ended: 9 s by default.
    quick = {"broker.session.timeout.ms": 1500, "broker.heartbeat.interval.ms": 300}
    broker = broker_or_skip(listeners=["SSL", "SASL_PLAINTEXT", "SASL_SSL"], properties=quick)
    yield broker
    broker.close()


@pytest.fixture
def broker(shared_broker):
    if not shared_broker.is_running:
        shared_broker.start()
    return shared_broker


@pytest.fixture
def world(broker, tmp_path, toy_reference, request):
    place = kafka_world.World(broker, tmp_path, toy_reference, request.node.name)
    yield place
    place.close()
