"""Same events, same bytes: any order within the lateness, any number of workers, any crash (DESIGN §3)."""

import random

import pytest

import car_loan
import driftd
import streams


#: Two tiers and three windows that slide over each other: panes leave, coarse panes close, states are rebuilt after a crash.
TIME = """time: {tiers: [6h, 1d], lateness: 1h, idle_timeout: 2s}
windows: [{length: 1d, slide: 6h}, {length: 7d, slide: 1d}, {length: 30d, slide: 1d}]
"""


def replay(directory, name, reference, files, workers=1):
    store = directory / f"{name}.db"
    config = car_loan.json_config(directory / f"{name}.yaml", store, reference, time=TIME)
    driftd.run("replay", "-q", "-c", config, "--workers", workers, *files)
    return store


@pytest.fixture(scope="module")
def baseline(tmp_path_factory, loan_reference, loan_ndjson):
    return driftd.canonical(replay(tmp_path_factory.mktemp("baseline"), "one", loan_reference, [loan_ndjson]))


def test_there_is_something_to_compare(baseline):
    assert len(baseline["results"]) > 100 and baseline["outbox"] == []
    assert any("firing" in row for row in baseline["v1_alerts"])


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_and_partitioning(tmp_path, loan_reference, loan_events, baseline, workers):
    """Four files, events scattered over them, read by 1, 2 and 4 workers."""
    files = streams.scattered(tmp_path, loan_events, 4, random.Random(workers))
    store = replay(tmp_path, "parts", loan_reference, files, workers)
    assert driftd.difference(baseline, driftd.canonical(store)) == ""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_order_within_the_lateness(tmp_path, loan_reference, loan_events, baseline, seed):
    """Lines shuffled by up to an hour (events are 523 s apart; lateness is one hour)."""
    files = streams.scattered(tmp_path, loan_events, 1, random.Random(seed), 3_500_000)
    store = replay(tmp_path, "shuffled", loan_reference, files)
    assert driftd.difference(baseline, driftd.canonical(store)) == ""


def test_twenty_kills(tmp_path, loan_reference, loan_ndjson, baseline):
    """kill -9 at random moments; a run that is let to end gives what an undisturbed one gave."""
    store = tmp_path / "killed.db"
    config = car_loan.json_config(tmp_path / "killed.yaml", store, loan_reference, time=TIME)
    assert streams.killed(config, store, [loan_ndjson], seed=7, times=20) >= 10
    assert driftd.difference(baseline, driftd.canonical(store)) == ""
    assert driftd.query(store, "SELECT SUM(total) FROM v1_events") == [(len(list(open(loan_ndjson))),)]
