"""What must not start does not: one clear sentence, the right exit status, nothing consumed and nothing changed."""

import hashlib
import sqlite3

import pytest

import driftd
import kafka_world


def test_a_second_process_on_the_store_is_refused(world):
    world.topic("toy")
    world.put("toy", kafka_world.stream(100))
    config = world.config(["toy"])
    process = world.start(config)
    world.wait_counted(100)
    done = driftd.run("run", "-c", config, check=False, timeout=20)
    assert done.returncode == 75
    assert str(process.process.pid) in done.stderr and str(world.store) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    world.put("toy", kafka_world.stream(50, first=100))
    world.wait_counted(150)  # the first one is not disturbed
    assert process.stop()[0] == 0


def digest(world):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in world.directory.glob("driftd.db*") if path.suffix != ".lock"}


def test_a_newer_store_is_refused_untouched(world):
    world.topic("toy")
    world.put("toy", kafka_world.stream(100))
    config = world.config(["toy"])
    world.to_end(config)
    with sqlite3.connect(world.store) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {version + 1}")
    connection.close()
    before = digest(world)
    done = world.to_end(config, check=False)
    assert done.returncode == 78 and "newer" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert digest(world) == before


def test_a_file_that_is_no_store_is_refused_untouched(world):
    world.topic("toy")
    world.store.write_bytes(b"this is a letter to my mother\n" * 300)
    before = digest(world)
    done = world.to_end(world.config(["toy"]), check=False)
    assert done.returncode in (1, 78) and str(world.store) in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert digest(world) == before


BROKEN = {
    "an unknown option": (("workers: 1", "wrokers: 1"), "wrokers"),
    "an unknown Kafka property": (("kafka:\n", "kafka:\n  bootstrap.sevrers: x\n"), "bootstrap.sevrers"),
    "a property of ours": (("kafka:\n", "kafka:\n  auto.offset.reset: latest\n"), "auto.offset.reset"),
    "a certificate that is not there": (("kafka:\n", "kafka:\n  security.protocol: ssl\n  ssl.ca.location: /nowhere/ca.pem\n"), "ca.pem"),
    "a password file that is not there": (("kafka:\n", "kafka:\n  sasl.password_file: /nowhere/password\n"), "/nowhere/password"),
    "no topic": (("topic:", "name:"), "topic"),
    "a wrong unit": (("commit_interval: 100ms", "commit_interval: 100"), "commit_interval"),
    "a reference that is not there": (("toy.reference.json", "nowhere.json"), "nowhere.json"),
    "a model without a name": (("name: toy", "nmae: toy"), "nmae"),
}


@pytest.mark.parametrize("what", BROKEN, ids=lambda what: what.replace(" ", "-"))
def test_unusable_configuration(world, what):
    (before, after), word = BROKEN[what]
    world.topic("toy")
    world.put("toy", kafka_world.stream(10))
    config = world.config(["toy"])
    assert before in config.read_text()
    config.write_text(config.read_text().replace(before, after))
    done = world.to_end(config, check=False, timeout=20)
    assert done.returncode == 78 and word in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3, done.stderr  # a line for each fault, and the end
    assert world.counted() == 0


def test_damaged_reference(world):
    world.topic("toy")
    world.put("toy", kafka_world.stream(10))
    text = world.reference.read_text()
    for damaged in (text[:len(text) // 2], "{}", text.replace('"model"', '"nodel"', 1), "\x00" * 100):
        path = world.directory / "damaged.json"
        path.write_text(damaged)
        models = f"models:\n  - {{name: toy, reference: {{file: \"{path}\"}}}}\n"
        done = world.to_end(world.config(["toy"], models=models), check=False, timeout=20)
        assert done.returncode == 78 and "damaged.json" in done.stderr, (damaged[:40], done.stderr)
        assert world.counted() == 0
