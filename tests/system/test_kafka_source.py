"""collectors/kafka*.c against a real Apache Kafka broker, through tool_kafka_consume.c: what the mock cluster
cannot show. Payloads count up by one within a partition; the tool fails on the first gap or duplicate."""

import pathlib
import re
import subprocess
import time
import uuid

import pytest

from kafka_broker import broker_or_skip

pytest_plugins = ["kafka_broker"]

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL_TIMEOUT_S = 120


@pytest.fixture(scope="session", name="tool")
def build_tool(tmp_path_factory):
    subprocess.run(["make", "-s", "build/release/libdriftd.a"], cwd=ROOT, check=True)
    tool = tmp_path_factory.mktemp("tool") / "tool_kafka_consume"
    subprocess.run(["cc", "-std=c17", "-D_GNU_SOURCE", "-I.", "-O1", "-g", "-o", tool, "tests/system/tool_kafka_consume.c",
                    "build/release/libdriftd.a", "-lrdkafka", "-lcrypto", "-lz", "-lm", "-lpthread"], cwd=ROOT, check=True)
    return tool


class Seen:
    def __init__(self, output, log):
        self.output, self.log = output, log
        self.numbers = {name: int(value) for name, value in re.findall(r"\b(\w+)=(-?\d+)", output)}

    def signals(self, name):
        return [line for line in self.output.splitlines() if line.startswith(name + " ")]


def start(tool, topic, partitions, config, **options):
    arguments = [f"{key}={value}" for key, value in (options | config).items()]
    return subprocess.Popen([tool, topic, str(partitions), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def finish(process, status=0):
    from kafka_broker import PASSWORD
    output, log = process.communicate(timeout=TOOL_TIMEOUT_S)
    assert process.returncode == status, output[-3000:] + log[-3000:]
    assert PASSWORD not in output + log
    return Seen(output, log)


def consume(tool, topic, partitions, config, status=0, **options):
    return finish(start(tool, topic, partitions, config, **options), status)


def numbers(first, count):
    return [b"%d" % i for i in range(first, first + count)]


def new_topic(broker, partitions=1, **config):
    name = "t-" + uuid.uuid4().hex[:8]
    broker.create_topic(name, partitions, **config)
    return name


def test_hold_and_release_without_gap_or_duplicate(kafka_broker, tool):
    topic = new_topic(kafka_broker, 8)
    for partition in range(8):
        kafka_broker.produce(topic, numbers(0, 50000), partition)
    seen = consume(tool, topic, 8, kafka_broker.client_config(), until="end", hold=100)
    assert seen.numbers["records"] == 400000
    assert seen.numbers["holds"] > 3000
    assert len(seen.signals("FINISHED")) == 8 and not seen.signals("GAP") and not seen.signals("FAILED")


def test_rare_holds_pause_the_library(kafka_broker, tool):
    topic = new_topic(kafka_broker, 4)
    for partition in range(4):
        kafka_broker.produce(topic, numbers(0, 200000), partition)
    seen = consume(tool, topic, 4, kafka_broker.client_config(), until="end", hold=2000)
    assert seen.numbers["records"] == 800000 and seen.numbers["holds"] > 300
    assert not seen.signals("GAP")


def test_transactions(kafka_broker, tool):
    """Aborted records are never seen, an open transaction ends what is readable, markers are no lag."""
    topic = new_topic(kafka_broker)
    producer = kafka_broker.transaction(topic)
    number = 0
    for _ in range(20):
        producer.begin_transaction()
        for value in numbers(number, 100):
            producer.produce(topic, value, partition=0)
        producer.commit_transaction()
        number += 100
        producer.begin_transaction()
        for value in numbers(10**9, 50):
            producer.produce(topic, value, partition=0)
        producer.flush()
        producer.abort_transaction()
    seen = consume(tool, topic, 1, kafka_broker.client_config(), until="end", hold=50)
    assert seen.numbers["records"] == 2000 and len(seen.signals("FINISHED")) == 1
    assert len(seen.signals("GAP")) == 1  # said once, then gathered
    seen = consume(tool, topic, 1, kafka_broker.client_config(), until="signals:2")
    assert seen.numbers["end_offset"] == seen.numbers["next"]  # no lag at the end
    producer.begin_transaction()
    for value in numbers(number, 10):
        producer.produce(topic, value, partition=0)
    producer.flush()
    seen = consume(tool, topic, 1, kafka_broker.client_config(), until="end")
    assert seen.numbers["records"] == 2000 and len(seen.signals("FINISHED")) == 1
    producer.commit_transaction()
    seen = consume(tool, topic, 1, kafka_broker.client_config(), until="end")
    assert seen.numbers["records"] == 2010 and len(seen.signals("FINISHED")) == 1


def test_empty_partitions_are_finished_at_once(kafka_broker, tool):
    topic = new_topic(kafka_broker, 3)
    seen = consume(tool, topic, 3, kafka_broker.client_config(), until="end")
    assert len(seen.signals("FINISHED")) == 3 and seen.numbers["wall_ms"] < 2000


@pytest.mark.parametrize("policy, first, signal", [("halt", None, "FAILED"), ("earliest", 700, "GAP"), ("latest", 1000, "GAP")])
def test_records_deleted_before_they_were_read(kafka_broker, tool, policy, first, signal):
    topic = new_topic(kafka_broker)
    kafka_broker.produce(topic, numbers(0, 1000), 0)
    kafka_broker.delete_records(topic, 0, 700)
    options = {"from": 100, "gap": policy, "until": "signals:2" if first else "signals:1"}
    seen = consume(tool, topic, 1, kafka_broker.client_config(), **options)
    assert len(seen.signals(signal)) == 1 and "100" in seen.signals(signal)[0]
    assert seen.numbers["records"] == (1000 - first if first else 0)


def test_retention_overtakes_the_reader(kafka_broker, tool):
    """Offsets beyond the log's end: the topic was made anew."""
    topic = new_topic(kafka_broker)
    kafka_broker.produce(topic, numbers(0, 10), 0)
    seen = consume(tool, topic, 1, kafka_broker.client_config(), **{"from": 5000, "until": "signals:1"})
    assert "offset 5000 is not on the broker" in seen.signals("FAILED")[0]


def test_headers_tombstones_and_codecs(kafka_broker, tool):
    from confluent_kafka import Producer
    topic = new_topic(kafka_broker)
    number = 0
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        producer = Producer(kafka_broker.client_config() | {"compression.type": codec})
        for value in numbers(number, 500):
            producer.produce(topic, value, partition=0, headers={"a": "1", "b": None})
        assert producer.flush(20) == 0
        number += 500
    producer.produce(topic, None, key=b"k", partition=0)
    assert producer.flush(20) == 0
    seen = consume(tool, topic, 1, kafka_broker.client_config(), until="end")
    assert seen.numbers["records"] == number + 1
    assert seen.numbers["headers"] == 2 * number and seen.numbers["tombstones"] == 1


def test_group_gets_what_is_durable(kafka_broker, tool):
    topic = new_topic(kafka_broker)
    kafka_broker.produce(topic, numbers(0, 100), 0)
    config = kafka_broker.client_config() | {"group.id": topic}
    assert kafka_broker.committed(topic, topic, 0) is None  # the coordinator is there: a new broker needs seconds for it
    consume(tool, topic, 1, config, until="signals:1", durable=42)
    assert kafka_broker.committed(topic, topic, 0) == 42


def test_group_with_members_is_refused(kafka_broker, tool):
    from confluent_kafka import Consumer
    topic = new_topic(kafka_broker)
    config = kafka_broker.client_config() | {"group.id": topic}
    consume(tool, topic, 1, config, until="end", group="check")
    other = Consumer(config | {"log_level": 0})
    other.subscribe([topic])
    deadline = time.monotonic() + 30
    while not other.assignment() and time.monotonic() < deadline:
        other.poll(0.1)
    seen = consume(tool, topic, 1, config, status=3, until="end", group="check")
    other.close()
    assert "has 1 active members" in seen.output


def test_start_by_time(kafka_broker, tool):
    topic = new_topic(kafka_broker)
    base = int(time.time() * 1000) - 100000
    for index in range(10):
        kafka_broker.produce(topic, numbers(index, 1), 0, timestamp=base + 1000 * index)
    for from_ms, records in ((base, 10), (base + 3001, 6), (base + 9000, 1), (base + 9001, 0), (1, 10)):
        seen = consume(tool, topic, 1, kafka_broker.client_config(), until="end", from_ms=from_ms)
        assert seen.numbers["records"] == records, from_ms


def test_dead_letters(kafka_broker, tool):
    from confluent_kafka import Consumer, TopicPartition
    topic, letters = new_topic(kafka_broker), new_topic(kafka_broker)
    kafka_broker.produce(topic, numbers(0, 200), 0, keys=[b"key"] * 200, headers={"trace": "t1"})
    seen = consume(tool, topic, 1, kafka_broker.client_config(), until="end", dead=letters)
    assert seen.numbers["dead_delivered"] == 200 and seen.numbers["dead_failed"] == 0
    reader = Consumer(kafka_broker.client_config() | {"group.id": letters, "log_level": 0})
    reader.assign([TopicPartition(letters, 0, 7)])
    letter = reader.poll(20)
    reader.close()
    assert letter.value() == b"7" and letter.key() == b"key"
    assert dict(letter.headers()) == {"trace": b"t1", "driftd-reason": b"syntax", "driftd-detail": b"a detail",
                                      "driftd-source": f"{topic} [0] offset 7".encode()}


@pytest.mark.parametrize("listener, mechanism", [("SSL", "PLAIN"), ("SASL_PLAINTEXT", "PLAIN"), ("SASL_SSL", "PLAIN"),
                                                 ("SASL_PLAINTEXT", "SCRAM-SHA-256"), ("SASL_SSL", "SCRAM-SHA-256")])
def test_secured(secured_broker, tool, listener, mechanism):
    config = secured_broker.client_config(listener, mechanism)
    seen = consume(tool, "secured", 2, config, until="end", log=1)
    assert seen.numbers["records"] == 1000


@pytest.fixture(scope="module", name="secured_broker")
def make_secured_broker():
    broker = broker_or_skip(listeners=["SSL", "SASL_PLAINTEXT", "SASL_SSL"], acl=True)
    broker.create_topic("secured", 2)
    for partition in range(2):
        broker.produce("secured", numbers(0, 500), partition)
    broker.create_topic("forbidden", 1)
    broker.allow("READ", topic="secured")
    yield broker
    broker.close()


def test_secured_wrong_password(secured_broker, tool):
    config = secured_broker.client_config("SASL_SSL", password="wrong-canary-x1")
    seen = consume(tool, "secured", 2, config, until=3, log=1)
    assert seen.numbers["records"] == 0 and seen.numbers["close_ms"] < 3500
    assert "uthentication" in seen.log and "wrong-canary-x1" not in seen.log + seen.output
    assert seen.numbers["cpu_ms"] < 500
    assert len(seen.log.splitlines()) < 60


def test_secured_wrong_authority(secured_broker, tool):
    config = secured_broker.client_config("SSL") | {"ssl.ca.location": str(secured_broker.certificates.other_ca)}
    seen = consume(tool, "secured", 2, config, until=3, log=1)
    assert seen.numbers["records"] == 0 and "certificate verify failed" in seen.log


def test_secured_forbidden_topic(secured_broker, tool):
    """Only the forbidden partitions fail."""
    secured_broker.allow("DESCRIBE", topic="forbidden")
    seen = consume(tool, "forbidden", 1, secured_broker.client_config("SASL_SSL"), until=10)
    assert "TOPIC_AUTHORIZATION_FAILED" in seen.signals("FAILED")[0]


def test_outage_and_kill(new_kafka_broker, tool):
    broker = new_kafka_broker()
    broker.create_topic("events", 2)
    for partition in range(2):
        broker.produce("events", numbers(0, 5000), partition)
    process = start(tool, "events", 2, broker.client_config(), until=45, hold=500, log=1)
    time.sleep(2)
    broker.kill()
    time.sleep(5)
    broker.start()
    for partition in range(2):
        broker.produce("events", numbers(5000, 5000), partition)
    seen = finish(process)
    assert seen.numbers["records"] == 20000
    assert not seen.signals("GAP") and not seen.signals("FAILED")
    assert seen.numbers["cpu_ms"] < 3000
    assert len(seen.log.splitlines()) < 300


def test_closing_while_the_broker_hangs(new_kafka_broker, tool):
    broker = new_kafka_broker()
    broker.create_topic("events", 1)
    broker.produce("events", numbers(0, 100), 0)
    config = broker.client_config() | {"group.id": "g"}
    process = start(tool, "events", 1, config, until=6, durable=50)
    time.sleep(3)
    broker.freeze()
    seen = finish(process)
    broker.thaw()
    assert seen.numbers["records"] == 100 and seen.numbers["close_ms"] < 3500
