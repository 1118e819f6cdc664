"""What producers may send: malformed, oversized, mistyped and hostile events, tombstones, codecs, transactions, duplicates, other times."""

import collections
import json
import random
import time

import pytest

import driftd
import kafka_world
import streams
from kafka_world import MINUTE_MS, START_MS, event

COUNT = 600


def good(i=0):
    return event(i, START_MS)


def changed(**fields):
    return json.dumps(good() | fields).encode()


#: reason → payloads that must be rejected for it
BAD = {
    "syntax": [b"{", b"not json", b'{"type":"prediction"', b'{"a":1}}', b'{"a":01}', b"\x00\x01\x02", b'{"a":NaN}', b"{'a':1}"],
    "not_object": [b"[]", b"42", b'"text"', b"null"],
    "empty": [b""],
    "utf8": [b'{"type":"prediction","model":"\xff\xfe"}', b'{"model":"\xed\xa0\x80"}'],
    "depth": [b'{"type":"prediction","features":' + b"[" * 10000 + b"]" * 10000 + b"}", b'{"a":' * 200 + b"1" + b"}" * 200],
    "too_large": [changed(padding="x" * 70_000)],
    "kind": [changed(type="nonsense"), changed(type=7)],
    "model": [changed(model=""), changed(model=None), json.dumps({key: value for key, value in good().items() if key != "model"}).encode()],
    "time": [changed(ts="yesterday"), changed(ts={}), changed(ts=True), changed(ts="2024-13-45T99:00:00Z")],
    "type": [changed(features="all of them"), changed(features=[1, 2])],
    "duplicate_key": [b'{"type":"prediction","type":"label","model":"toy"}'],
}


def read_all(broker, topic, expected, timeout=15):
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": broker.bootstrap(), "group.id": "tests-read", "auto.offset.reset": "earliest"})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        out, end = [], time.monotonic() + timeout
        while len(out) < expected and time.monotonic() < end:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                out.append(message)
        return out
    finally:
        consumer.close()


def test_bad_events_among_good_ones(world):
    """Bad ones are counted by reason and land in the dead-letter topic as they were; the good ones give what they give alone."""
    world.topic("toy")
    world.topic("dead")
    events = kafka_world.encode(kafka_world.stream(COUNT))
    bad = [(reason, payload) for reason, payloads in BAD.items() for payload in payloads]
    rng = random.Random(2)
    mixed = [(None, item) for item in events]
    for item in bad:
        mixed.insert(rng.randrange(len(mixed)), item)
    world.broker.produce(world.name("toy"), [payload for _, payload in mixed], partition=0, keys=[b"key"] * len(mixed),
                         headers=[("trace", b"t1"), ("trace", b"t2")])
    config = world.config(["toy"], inputs=f"dead_letter: {world.name('dead')}")
    world.to_end(config)
    expected = collections.Counter((("rejected", reason) if reason else ("applied", "")) for reason, _ in mixed)
    assert world.fates() == dict(expected)
    assert world.offsets() == {("toy", 0): len(mixed)} and world.counted() == len(mixed)
    alone = kafka_world.World(world.broker, world.directory / "alone", world.reference, world.prefix + "-alone")
    alone.directory.mkdir()
    alone.topic("toy")
    alone.broker.produce(alone.name("toy"), events, partition=0)
    alone.to_end(alone.config(["toy"]))
    assert driftd.difference(driftd.canonical(alone.store), driftd.canonical(world.store)) == ""
    letters = read_all(world.broker, world.name("dead"), len(bad))
    assert sorted((dict(letter.headers())["driftd-reason"].decode(), letter.value() or b"") for letter in letters) == sorted(bad)
    offsets = {payload: offset for offset, (reason, payload) in enumerate(mixed) if reason}
    for letter in letters:
        headers = letter.headers()
        assert headers[:2] == [("trace", b"t1"), ("trace", b"t2")] and letter.key() == b"key"
        assert dict(headers)["driftd-source"].decode() == f"{world.name('toy')} [0] offset {offsets[letter.value() or b'']}"
        assert len(dict(headers)["driftd-detail"]) > 5


def test_counters_add_up_while_killed(world):
    """Every third event is bad; the counters are those of the offsets in the store, also after kills."""
    world.topic("toy", 2)
    mixed = [b"{bad" if i % 3 == 0 else item for i, item in enumerate(kafka_world.encode(kafka_world.stream(6000, per_minute=3000)))]
    for partition in range(2):
        world.broker.produce(world.name("toy"), mixed[partition::2], partition=partition)
    config = world.config(["toy"], kafka={"max.partition.fetch.bytes": 1000, "fetch.wait.max.ms": 10})
    moved = 0
    for kill in streams.kills(lambda: world.start(config), world.counted, seed=1, times=4, wait=(0, 0.05), after_commit=1,
                              more=lambda: world.counted() < 6000):
        assert kill.hit and world.counted() == sum(world.offsets().values())
        moved += kill.moved
    assert moved >= 1
    world.to_end(config)
    assert world.fates() == {("applied", ""): 4000, ("rejected", "syntax"): 2000}


def test_tombstones_are_counted(world):
    world.topic("toy", cleanup_policy="compact")
    world.put("toy", kafka_world.stream(10), keys=[b"a"] * 10)
    world.broker.produce(world.name("toy"), [None, None], keys=[b"a", b"b"])
    world.to_end(world.config(["toy"]))
    assert world.fates() == {("applied", ""): 10, ("rejected", "empty"): 2}


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_codecs(world, codec):
    from confluent_kafka import Producer
    world.topic("toy")
    producer = Producer({"bootstrap.servers": world.broker.bootstrap(), "compression.type": codec, "linger.ms": 50})
    for payload in kafka_world.encode(kafka_world.stream(COUNT)):
        producer.produce(world.name("toy"), payload)
    assert producer.flush(20) == 0
    world.to_end(world.config(["toy"]))
    assert world.fates() == {("applied", ""): COUNT}


def test_aborted_transactions_are_not_counted(world):
    world.topic("toy")
    producer = world.broker.transaction(world.prefix[:50])
    events = kafka_world.encode(kafka_world.stream(400))
    for number in range(8):
        producer.begin_transaction()
        for payload in events[number * 50:(number + 1) * 50]:
            producer.produce(world.name("toy"), payload, partition=0)
        producer.flush(10)
        if number % 2:
            producer.abort_transaction(20)
        else:
            producer.commit_transaction(20)
    process = world.start(world.config(["toy"]))
    world.wait_counted(200)
    assert world.fates() == {("applied", ""): 200}
    # The last thing in the log is an abort: nothing is left to read, and that is known.
    end = world.broker.offsets(world.name("toy"), 0)[1]
    driftd.wait_for(lambda: world.query("SELECT lag FROM v1_lag") == [(0,)], 10, what=f"no lag at the end {end}")
    assert process.stop()[0] == 0
    world.to_end(world.config(["toy"]))
    assert world.fates() == {("applied", ""): 200}


def test_duplicates_also_across_a_restart(world):
    world.topic("toy", 2)
    first = list(kafka_world.stream(100))  # twenty seconds: one open pane
    world.put("toy", first, partition=0)
    world.put("toy", first[:40], partition=0)
    process = world.start(world.config(["toy"]))
    world.wait_counted(140)
    assert world.fates() == {("applied", ""): 100, ("duplicate", ""): 40}
    assert process.stop()[0] == 0
    world.put("toy", first[50:], partition=0)                       # after the restart: still known
    world.put("toy", kafka_world.stream(10, first=500), partition=0)  # new ids
    anonymous = [{key: value for key, value in item.items() if key != "id"} for item in first[:5]]
    world.put("toy", anonymous + anonymous, partition=0)            # without an id nothing is a duplicate
    world.put("toy", first[:1], partition=1)                        # another partition
    world.to_end(world.config(["toy"]))
    assert world.fates() == {("applied", ""): 100 + 10 + 10 + 1, ("duplicate", ""): 90}
    assert world.windows() == {0: 121}


def test_future_events_move_no_clock(world):
    """An event of next year among those of 2024: counted, and the windows of 2024 stay open for what comes on time."""
    world.topic("toy")
    events = list(kafka_world.stream(COUNT))
    ahead = int(time.time() * 1000) + 366 * 86_400_000
    world.put("toy", events[:300] + [event(9_000_000 + i, ahead) for i in range(5)] + events[300:], partition=0)
    world.to_end(world.config(["toy"]))
    assert world.fates() == {("applied", ""): COUNT, ("future", ""): 5}
    assert world.windows() == {0: 300, 1: 300}


def test_late_and_beyond_the_horizon(world):
    world.topic("toy")
    events = list(kafka_world.stream(900))
    late = [event(8_000_000 + i, START_MS + 1000 * i) for i in range(30)]
    ancient = [event(7_000_000 + i, START_MS - 3 * 60 * MINUTE_MS) for i in range(7)]
    world.put("toy", events + late + ancient, partition=0)
    world.to_end(world.config(["toy"]))
    assert world.fates() == {("applied", ""): 900, ("late", ""): 30, ("beyond_horizon", ""): 7}
    assert world.windows() == {0: 330, 1: 300, 2: 300}  # revised
    assert world.query("SELECT MAX(revision) FROM v1_results WHERE window_s = 60 AND window_start_s = ?", START_MS // 1000)[0][0] >= 2


def test_predictions_labels_and_features_from_topics_of_their_own(world):
    for topic in ("predictions", "labels", "features"):
        world.topic(topic, 2)
    world.scatter("predictions", kafka_world.stream(COUNT), 2)
    world.scatter("labels", kafka_world.stream(COUNT, kind="label"), 2)
    world.scatter("features", kafka_world.stream(COUNT, first=5000, kind="features"), 2)
    process = world.start(world.config(["predictions", "labels", "features"], workers=2))
    world.wait_counted(3 * COUNT)
    per_topic = {topic.rsplit(".", 1)[1]: total for topic, total in world.query("SELECT topic, total FROM v1_events WHERE fate = 'applied'")}
    assert per_topic == {"predictions": COUNT, "labels": COUNT, "features": COUNT}
    assert len(world.offsets()) == 6
    # All partitions are silent: the labels' partitions, which have no data clock, hold nothing back.
    driftd.wait_for(lambda: world.windows().get(0) == 600, 15, what="the first window")
    assert process.stop()[0] == 0
    world.to_end(world.config(["predictions", "labels", "features"], workers=2))
    assert world.windows() == {0: 600, 1: 600}
