"""A start with much in the store: a stop is heard while it is read, and a damaged file is refused before anything is written."""

import random
import sqlite3
import time

import pytest

import driftd

BODY = """api_version: 1
pipeline: start
store: {{path: {store}, commit_interval: 1s}}
time: {{tiers: [5m, 1h]}}
windows: [{{length: 1h, slide: 5m}}, {{length: 24h, slide: 1h}}]
kafka: {{bootstrap.servers: "127.0.0.1:1"}}
inputs: [{{name: predictions, kind: prediction, topic: nowhere}}]
"""
START = 1_772_323_200
MODELS, EVENTS = 100, 40_000


def config_of(directory, store):
    path = directory / f"{store.stem}.yaml"
    path.write_text(BODY.format(store=store))
    return path


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    directory = tmp_path_factory.mktemp("start")
    rng = random.Random(5)
    lines = []
    for i in range(EVENTS):
        features = ",".join(f'"f{j}":{rng.gauss(j, 1):.4f}' for j in range(5))
        lines.append(f'{{"ts":{START + i * 7000 // EVENTS},"id":"e{i}","model":"m{i % MODELS}","score":{rng.random():.4f},"features":{{{features}}}}}')
    events = directory / "events.ndjson"
    events.write_text("\n".join(lines) + "\n")
    store = directory / "kept.db"
    driftd.run("replay", "-q", "-c", config_of(directory, store), events)
    assert driftd.query(store, "SELECT count(*) FROM pane")[0][0] >= 7 * MODELS
    return store


def copied(stored, directory):
    store = directory / "driftd.db"
    store.write_bytes(stored.read_bytes())
    return store


def test_a_stop_is_heard_while_the_store_is_read(stored, tmp_path):
    before = driftd.canonical(stored)
    for attempt in range(6):
        store, log = copied(stored, tmp_path), tmp_path / f"log{attempt}"
        with driftd.Process("run", "-c", config_of(tmp_path, store), log=log) as process:
            driftd.wait_for(lambda: b"pipeline start" in log.read_bytes(), every=0.001, what="the first line")  # pylint: disable=cell-var-from-loop
            time.sleep(attempt * 0.01)
            status, seconds = process.stop()
        assert status == 0 and seconds < 5, log.read_text()
        assert not driftd.difference(before, driftd.canonical(store))
        for each in tmp_path.glob("driftd.db*"):
            each.unlink()


def test_a_run_that_found_nothing_changes_nothing(stored, tmp_path):
    store, log = copied(stored, tmp_path), tmp_path / "log"
    with driftd.Process("run", "-c", config_of(tmp_path, store), log=log) as process:
        time.sleep(2.5)  # some commits
        assert process.stop()[0] == 0, log.read_text()
    assert not driftd.difference(driftd.canonical(stored), driftd.canonical(store))
    assert "store verify" not in log.read_text() or driftd.run("store", "verify", store)


def test_a_damaged_store_is_refused(stored, tmp_path):
    store = copied(stored, tmp_path)
    connection = sqlite3.connect(store)
    root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'subject'").fetchone()[0]
    connection.close()
    content = bytearray(store.read_bytes())
    content[(root - 1) * 4096:root * 4096] = b"\xa5" * 4096
    store.write_bytes(content)
    for command in (["run", "-c", config_of(tmp_path, store)], ["replay", "-q", "-c", config_of(tmp_path, store), "/dev/null"]):
        done = driftd.run(*command, check=False)
        assert done.returncode == 78 and "is damaged" in done.stderr, done.stderr
    assert store.read_bytes() == bytes(content)
