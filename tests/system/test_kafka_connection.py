"""Ways to a real broker and what is said when there is none: TLS, SASL, outages, partitions that come later, stopping."""

import time

import pytest

import driftd
import kafka_broker
import kafka_world

WAYS = [("SSL", None), ("SASL_PLAINTEXT", "PLAIN"), ("SASL_PLAINTEXT", "SCRAM-SHA-256"), ("SASL_SSL", "PLAIN"), ("SASL_SSL", "SCRAM-SHA-256")]


def properties(world, listener, mechanism, **changed):
    """As a user configures it: the password comes from a file."""
    config = world.broker.client_config(listener, mechanism or "PLAIN")
    if "sasl.password" in config:
        secret = world.directory / "password"
        secret.write_text(changed.pop("password", config.pop("sasl.password")) + "\n", encoding="ascii")
        config.pop("sasl.password", None)
        config["sasl.password_file"] = str(secret)
    return config | {key.replace("_", "."): value for key, value in changed.items()}


@pytest.mark.parametrize("listener,mechanism", WAYS)
def test_ways_in(world, listener, mechanism):
    world.topic("toy", 2)
    world.scatter("toy", kafka_world.stream(300), 2)
    done = world.to_end(world.config(["toy"], kafka=properties(world, listener, mechanism)))
    assert world.fates() == {("applied", ""): 300}
    assert kafka_broker.PASSWORD not in done.stdout + done.stderr


#: What is wrong, and words of the message that names the cause.
WRONG = {
    "password": (("SASL_SSL", "PLAIN"), {"password": "wrong-secret-1"}, ("uthentication failed",)),
    "scram password": (("SASL_PLAINTEXT", "SCRAM-SHA-256"), {"password": "wrong-secret-1"}, ("uthentication failed",)),
    "mechanism": (("SASL_PLAINTEXT", "PLAIN"), {"sasl_mechanism": "SCRAM-SHA-512"}, ("SCRAM-SHA-512",)),
    "authority": (("SSL", None), {"ssl_ca_location": "OTHER CA"}, ("certificate verify failed",)),
    "plaintext to a TLS port": (("SSL", None), {"security_protocol": "plaintext"}, ("security.protocol",)),
    "TLS to a plaintext port": (("PLAINTEXT", None), {"security_protocol": "ssl"}, ("SSL",)),
    "no SASL to a SASL port": (("SASL_PLAINTEXT", "PLAIN"), {"security_protocol": "plaintext"}, ("no broker answers",)),
}


@pytest.mark.parametrize("what", WRONG, ids=lambda what: what.replace(" ", "-"))
def test_wrong_credentials_are_named(world, what):
    """The cause is in the log, nothing is read, no other way in is tried, and the agent waits on."""
    (listener, mechanism), changed, words = WRONG[what]
    world.topic("toy")
    world.put("toy", kafka_world.stream(50))
    if "ssl_ca_location" in changed:
        changed = {"ssl_ca_location": str(world.broker.certificates.other_ca)}
    process = world.start(world.config(["toy"], kafka=properties(world, listener, mechanism, **changed)))
    world.said(*words, timeout=15)
    world.said("no broker answers", timeout=15)
    time.sleep(0.5)
    assert process.process.poll() is None and world.counted() == 0
    assert "wrong-secret-1" not in world.log_text()
    status, seconds = process.stop()
    assert status == 0 and seconds < 5
    assert len(world.log_text().splitlines()) < 40, "a log that floods hides the cause"


def test_broker_absent_at_start_and_lost_later(world):
    world.topic("toy", 2)
    config = world.config(["toy"])
    world.broker.kill()
    process = world.start(config)
    world.said("no broker answers", timeout=15)
    cpu_s = cpu_seconds(process)
    time.sleep(2)
    assert cpu_seconds(process) - cpu_s < 0.4, "waiting costs next to nothing"
    world.broker.start()
    world.scatter("toy", kafka_world.stream(400), 2)
    world.wait_counted(400)
    world.said("brokers answer")
    world.broker.kill()
    world.said("no broker answers", timeout=30)
    time.sleep(2)
    world.broker.start()
    world.scatter("toy", kafka_world.stream(400, first=400), 2)
    world.wait_counted(800)
    assert process.process.poll() is None
    assert process.stop()[0] == 0
    assert world.offsets() == {("toy", i): world.broker.offsets(world.name("toy"), i)[1] for i in range(2)}


def test_stops_within_five_seconds_without_a_broker(world):
    """Four workers whose clients all wait for a broker that froze in mid-conversation."""
    world.topic("toy", 4)
    world.scatter("toy", kafka_world.stream(4000), 4)
    process = world.start(world.config(["toy"], workers=4, kafka={"group.id": world.prefix}))
    world.wait_counted(4000)
    world.broker.freeze()
    try:
        time.sleep(1)
        status, seconds = process.stop()
    finally:
        world.broker.thaw()
    assert status == 0 and seconds < 5


def cpu_seconds(process):
    with open(f"/proc/{process.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_partitions_that_come_later_are_read_from_their_start(world):
    world.topic("toy", 1)
    world.put("toy", kafka_world.stream(200))
    process = world.start(world.config(["toy"], extra="start: latest\n", kafka={"topic.metadata.refresh.interval.ms": 1000}))
    world.said("1 partitions")
    driftd.wait_for(lambda: (world.put("toy", [kafka_world.event(1, kafka_world.START_MS)], partition=0), world.counted())[1] > 0,
                    20, every=0.5, what="a first record after the end")
    before = world.counted()
    assert before < 100  # `latest` skipped what was there
    world.broker.add_partitions(world.name("toy"), 3)
    world.broker._drop_producer()  # it would not know them for minutes
    world.put("toy", kafka_world.stream(300, first=1000), partition=1)
    world.put("toy", kafka_world.stream(300, first=2000), partition=2)
    driftd.wait_for(lambda: world.offsets().get(("toy", 1)) == 300 and world.offsets().get(("toy", 2)) == 300, 20,
                    what="both new partitions, from their start")
    assert process.stop()[0] == 0


def test_stop_under_load_loses_nothing(world):
    """SIGTERM three times while events stream in: exit 0 within 5 s, and the next run goes on where the last one ended."""
    count = 40_000
    world.topic("toy", 4)
    config = world.config(["toy"], workers=2, time=kafka_world.TIME.replace("idle_timeout: 2s", "idle_timeout: 60s"))
    feed = kafka_world.Feed(world, "toy", list(kafka_world.stream(count, per_minute=4000)), 4, 8000)
    feed.start()
    for _ in range(3):
        before = world.counted()
        process = world.start(config)
        driftd.wait_for(lambda: world.counted() > before, 20, every=0.02, what="events that were counted")
        status, seconds = process.stop()
        assert status == 0 and seconds < 5, world.log_text()[-3000:]
        assert before < world.counted() < count, "the stop came too late to test anything"
        assert world.counted() == sum(world.offsets().values())
    feed.join()
    world.to_end(config)
    assert world.fates() == {("applied", ""): count}
    assert world.windows() == {minute: 4000 for minute in range(10)}


def test_lag_is_known(world):
    world.topic("toy", 2)
    world.scatter("toy", kafka_world.stream(600), 2)
    process = world.start(world.config(["toy"]))
    world.wait_counted(600)
    ends = {i: world.broker.offsets(world.name("toy"), i)[1] for i in range(2)}
    driftd.wait_for(lambda: world.query("SELECT partition, next_offset, log_end, lag FROM v1_lag ORDER BY 1")
                    == [(i, ends[i], ends[i], 0) for i in range(2)], 10, what="no lag")
    text = driftd.run("status", "--store", world.store).stdout
    assert "lag" in text
    assert process.stop()[0] == 0
