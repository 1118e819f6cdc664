"""The same events through Kafka and through files: the same results, whatever the partitions, the workers, the order and the crashes."""

import random

import pytest

import car_loan
import driftd
import kafka_world
import streams
from webhook_receiver import Receiver

#: Two tiers, windows that slide over each other; lateness of a day, so that shuffling has room.
TIME = """time: {tiers: [2d, 10d], lateness: 1d, idle_timeout: 2s}
windows: [{length: 10d, slide: 2d}, {length: 60d, slide: 10d}]
"""
DAY_MS = 86_400_000
EVENTS = 10_000


@pytest.fixture(scope="module")
def events(loan_events):
    return loan_events[::len(loan_events) // EVENTS]


@pytest.fixture(scope="module")
def baseline(tmp_path_factory, loan_reference, events):
    """The file, read by `replay`."""
    directory = tmp_path_factory.mktemp("baseline")
    config = car_loan.json_config(directory / "driftd.yaml", directory / "driftd.db", loan_reference, time=TIME)
    driftd.run("replay", "-q", "-c", config, streams.write(directory / "loans.ndjson", events))
    return driftd.canonical(directory / "driftd.db")


@pytest.fixture(scope="module")
def loans(shared_broker, events):
    """Topic `loans`: four partitions, keys scattered over them."""
    shared_broker.create_topic("loans", 4)
    shared_broker.produce("loans", kafka_world.encode(item for _, _, item in events), keys=[key.encode() for _, key, _ in events])
    held = [shared_broker.offsets("loans", partition)[1] for partition in range(4)]
    assert sum(held) == len(events) and min(held) > 1000  # the keys do scatter
    return "loans"


def config_of(world, loan_reference, name="driftd", topics=("loans",), extra=car_loan.RULES, workers=1, **kafka):
    kafka = {"bootstrap.servers": world.broker.bootstrap()} | {key.replace("_", "."): value for key, value in kafka.items()}
    return car_loan.json_config(world.directory / f"{name}.yaml", world.store, loan_reference, kafka=kafka, extra=extra,
                                time=TIME, workers=workers, topics=topics)


def test_there_is_something_to_compare(baseline):
    assert len(baseline["results"]) > 100
    assert any("firing" in row for row in baseline["v1_alerts"])


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_four_partitions_give_what_the_file_gave(world, loan_reference, loans, baseline, workers):
    world.to_end(config_of(world, loan_reference, workers=workers))
    assert world.query("SELECT fate, total FROM v1_events") == [("applied", EVENTS)]
    assert driftd.difference(baseline, driftd.canonical(world.store)) == ""


def test_one_event_less_is_seen(world, loan_reference, baseline, events):
    """The comparison itself can fail."""
    world.broker.create_topic("loans-short", 1)
    world.broker.produce("loans-short", kafka_world.encode(item for _, _, item in events[:-1]))
    world.to_end(config_of(world, loan_reference, topics=("loans-short",)))
    assert driftd.difference(baseline, driftd.canonical(world.store)) != ""


def test_records_shuffled_within_the_lateness(world, loan_reference, baseline, events):
    shuffled = streams.shuffled(events, 0.99 * DAY_MS, random.Random(5))
    topic = world.topic("loans", 3)
    world.scatter("loans", [item for _, _, item in shuffled], 3)
    world.to_end(config_of(world, loan_reference, topics=(topic,), workers=2))
    assert world.fates() == {("applied", ""): EVENTS}
    assert driftd.difference(baseline, driftd.canonical(world.store)) == ""


def test_several_topics(world, loan_reference, baseline, events):
    """Three topics with one, two and three partitions; each holds every third event."""
    topics = [world.topic(f"loans{i}", i + 1) for i in range(3)]
    for i in range(3):
        world.scatter(f"loans{i}", [item for _, _, item in events[i::3]], i + 1)
    world.to_end(config_of(world, loan_reference, topics=topics, workers=2))
    assert len(world.offsets()) == 6
    assert driftd.difference(baseline, driftd.canonical(world.store)) == ""


def kill_often(world, config, feed, seed, kills, cwd=None):
    """Kills the agent soon after it has committed something new, again and again, while events come in; how many such kills there were."""
    feed.start()
    found = list(streams.kills(lambda: world.start(config, cwd=cwd), world.counted, seed=seed, times=kills, wait=(0, 0.1),
                               after_commit=1, more=feed.is_alive))
    assert all(kill.hit for kill in found), world.log_text()[-3000:]
    feed.join()
    return sum(kill.moved for kill in found)


def test_twenty_kills(world, loan_reference, baseline, events):
    """kill -9 at random moments; the run that is let to end gives what an undisturbed one gave."""
    topic = world.topic("loans", 4)
    config = streams.quick(config_of(world, loan_reference, topics=(topic,), workers=2))
    config.write_text(config.read_text().replace("idle_timeout: 2s", "idle_timeout: 60s"))
    moved = kill_often(world, config, kafka_world.Feed(world, "loans", [item for _, _, item in events], 4, 800), seed=11, kills=20)
    assert moved >= 10 and world.counted() > 0
    world.to_end(config)
    assert world.fates() == {("applied", ""): EVENTS}
    assert driftd.difference(baseline, driftd.canonical(world.store)) == ""


def test_kills_while_webhooks_are_delivered(world, toy_reference, tmp_path_factory):
    """Ten kills; the receiver refuses one request. Every alert arrives at least once and an id always has the same body."""
    events = []
    for minute in range(40):  # x drifts every second minute: an alert a minute
        events += kafka_world.stream(300, first=300 * minute, start_ms=kafka_world.START_MS + minute * kafka_world.MINUTE_MS,
                                     shift_from=0 if minute % 2 else None)
    with Receiver() as calm:  # what an undisturbed run sends
        quiet = kafka_world.World(world.broker, tmp_path_factory.mktemp("quiet"), toy_reference, world.prefix)
        topic = world.topic("toy", 4)
        config = quiet.config(["quiet"], extra=kafka_world.RULES + calm.sink(), store="driftd.db")
        quiet.topic("quiet", 4)
        quiet.scatter("quiet", events, 4)
        quiet.to_end(config, cwd=quiet.directory)
        expected = {id: body for id, body in driftd.query(quiet.store, "SELECT id, body FROM v1_outbox")}
        assert len(expected) >= 30 and calm.accepted() == set(expected) and not calm.bad
    with Receiver(refused=(3,)) as receiver:
        time_section = kafka_world.TIME.replace("idle_timeout: 2s", "idle_timeout: 60s")
        config = world.config(["toy"], extra=kafka_world.RULES + receiver.sink(), store="driftd.db", time=time_section)
        assert kill_often(world, config, kafka_world.Feed(world, "toy", events, 4, 1500), seed=5, kills=10, cwd=world.directory) >= 3
        world.to_end(config, cwd=world.directory)
        driftd.wait_for(lambda: receiver.accepted() == set(expected) or world.to_end(config, cwd=world.directory) is None, 20,
                        what=f"all of {len(expected)} alerts at the receiver, {len(receiver.accepted())} are there")
        assert not receiver.bad
        assert {id: bodies.pop() for id, bodies in receiver.bodies().items() if len(bodies) == 1} == expected
        assert set(world.query("SELECT id, state FROM v1_outbox")) == {(id, "delivered") for id in expected}
    assert topic and driftd.difference(driftd.canonical(quiet.store), driftd.canonical(world.store)) == ""
