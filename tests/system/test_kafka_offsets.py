"""Offsets that are gone, topics that are not there, partitions that are silent or run ahead."""

import time

import driftd
import kafka_world
from kafka_world import MINUTE_MS, START_MS


def read_then_lose(world, policy, lost=150):
    """Reads 100 events, then 200 more come and the first `lost` offsets are deleted; a second run starts. Returns its process."""
    world.topic("toy")
    events = list(kafka_world.stream(300))
    world.put("toy", events[:100], partition=0)
    config = world.config(["toy"], extra=f"on_offset_gap: {policy}\n")
    with world.start(config) as process:
        world.wait_counted(100)
        assert process.stop()[0] == 0
    world.put("toy", events[100:], partition=0)
    world.broker.delete_records(world.name("toy"), 0, lost)
    return world.start(config)


def test_gap_halt(world):
    """That partition stops and says so; nothing is skipped on the sly."""
    process = read_then_lose(world, "halt")
    line = world.said("level=warning", "stops: offset 100", timeout=15)
    assert "on_offset_gap: earliest" in line and world.name("toy") in line
    driftd.wait_for(lambda: world.audit("input.stopped"), 10, what="an audit record")
    time.sleep(0.5)
    assert world.counted() == 100 and world.offsets() == {("toy", 0): 100}
    assert process.process.poll() is None and process.stop()[0] == 0


def test_gap_halt_ends_a_finite_run(world):
    with read_then_lose(world, "halt") as process:
        process.stop()
    done = world.to_end(world.directory / "driftd.yaml", check=False)
    assert done.returncode == 1 and "offset 100 is not on the broker any more" in done.stderr.splitlines()[-1]


def test_gap_earliest(world):
    process = read_then_lose(world, "earliest")
    world.wait_counted(100 + 150)
    [(subject, details)] = driftd.wait_for(lambda: world.audit("input.gap"), 10, what="an audit record")
    assert subject == world.name("toy") + "[0]" and "offset 100" in details and "goes on at 150" in details
    assert process.stop()[0] == 0 and world.offsets() == {("toy", 0): 300}


def test_gap_latest(world):
    process = read_then_lose(world, "latest")
    driftd.wait_for(lambda: "goes on at 300" in world.log_text(), 15, what="the log says where it goes on")
    world.put("toy", kafka_world.stream(20, first=900), partition=0)
    world.wait_counted(120)
    driftd.wait_for(lambda: world.audit("input.gap"), 10, what="an audit record")
    assert process.stop()[0] == 0 and world.offsets() == {("toy", 0): 320}


def test_retention_that_took_only_ids_is_no_gap(world):
    """The open pane's first offsets are gone, the next offset is not: with `halt` reading goes on all the same."""
    process = read_then_lose(world, "halt", lost=60)
    world.wait_counted(300)
    assert process.stop()[0] == 0
    assert world.audit("input.stopped") == [] and world.fates() == {("applied", ""): 300}


def test_topic_made_anew(world):
    """Offsets begin at 0 again: with `earliest` all of the new topic is counted, also after one more restart."""
    topic = world.topic("toy")
    world.put("toy", kafka_world.stream(200), partition=0)
    config = world.config(["toy"], extra="on_offset_gap: earliest\n")
    world.to_end(config)
    world.broker.delete_topic(topic)
    world.broker._drop_producer()
    time.sleep(1)
    world.topic("toy")
    world.put("toy", kafka_world.stream(120, first=1000, start_ms=START_MS + 20_000), partition=0)
    with world.start(config) as process:
        world.wait_counted(320)
        assert process.stop()[0] == 0
    assert world.offsets() == {("toy", 0): 120} and len(world.audit("input.gap")) == 1
    world.put("toy", kafka_world.stream(30, first=2000, start_ms=START_MS + 44_000), partition=0)
    world.to_end(config)
    assert world.fates() == {("applied", ""): 350} and world.offsets() == {("toy", 0): 150}


def test_unknown_topic_does_not_stop_the_others(world):
    """It is named; after absent_timeout the windows of the others close, marked incomplete; when it comes it is read."""
    world.topic("toy")
    world.put("toy", kafka_world.stream(700), partition=0)
    process = world.start(world.config(["toy", "absent"]))
    world.said("level=warning", world.name("absent"), "Unknown topic")
    world.wait_counted(700)
    driftd.wait_for(lambda: world.windows().get(0) == 300, 20, what="a window without the absent topic")
    assert world.query("SELECT DISTINCT incomplete FROM v1_results") == [(1,)]
    world.topic("absent")
    world.put("absent", kafka_world.stream(50, first=7000, start_ms=START_MS + 2 * MINUTE_MS), partition=0)
    world.wait_counted(750, timeout=30)
    assert process.stop()[0] == 0
    assert set(world.offsets()) == {("toy", 0), ("absent", 0)}


def test_unknown_topic_fails_a_finite_run(world):
    world.topic("toy")
    world.put("toy", kafka_world.stream(10), partition=0)
    done = world.to_end(world.config(["toy", "absent"]), check=False)
    assert done.returncode == 1 and world.name("absent") in done.stderr.splitlines()[-1]


def test_one_idle_partition_does_not_stop_windows(world):
    """Partition 1 falls silent after a minute, partition 2 never says anything; the windows of partition 0 close."""
    world.topic("toy", 3)
    process = world.start(world.config(["toy"]))
    world.put("toy", kafka_world.stream(300, first=1000), partition=1)
    end = time.monotonic() + 6
    sent = 0
    while time.monotonic() < end:  # partition 0 is never silent for long
        world.put("toy", kafka_world.stream(100, first=100_000 + sent, start_ms=START_MS + sent * 200), partition=0)
        sent += 100
        time.sleep(0.15)
    assert sent >= 1200
    windows = driftd.wait_for(lambda: len(world.windows()) >= 2 and world.windows(), 10, what="windows")
    assert windows[0] == 600 and windows[1] == 300
    assert process.process.poll() is None and process.stop()[0] == 0


COUNT, STEP_MS = 40_000, 6_000


def far(count=COUNT, first=0, step_ms=STEP_MS):
    """66 hours of events whose segments make open panes cost memory."""
    for i in range(count):
        yield kafka_world.event(first + i, START_MS + i * step_ms, segments={"a": str(i % 6)})


def wait_held(world, process):
    """Until nothing more is counted though there is more; checks that the process grows no more either."""
    driftd.wait_for(lambda: world.counted() > 100, 20, what="first events")
    last = -1
    while last != world.counted():
        last = world.counted()
        time.sleep(1.5)
    assert last < COUNT * 3 / 4, "it was never held back"
    size = kafka_world.rss_bytes(process)
    time.sleep(1)
    assert world.counted() == last and kafka_world.rss_bytes(process) < size + 2e6
    return last, size


def test_a_partition_that_runs_ahead_is_held_back(world):
    """Partition 1 advances slowly. Memory stays bounded, nothing is lost."""
    world.topic("toy", 2)
    world.put("toy", far(10, 1_000_000, 1000), partition=1)
    config = world.config(["toy"], time=kafka_world.TIME.replace("idle_timeout: 2s", "idle_timeout: 600s"),
                          extra="limits: {open_pane_bytes: 1MiB}\n")
    world.put("toy", far(), partition=0)
    process = world.start(config)
    held_at, size = wait_held(world, process)
    assert dict(world.query("SELECT partition, lag FROM v1_lag")) == {0: COUNT + 10 - held_at, 1: 0}
    for part in range(1, 5):  # partition 1 catches up, partition 0 follows
        world.put("toy", [kafka_world.event(2_000_000 + part, START_MS + part * COUNT * STEP_MS // 4)], partition=1)
        time.sleep(0.5)
        assert kafka_world.rss_bytes(process) < size + 40e6
    world.wait_counted(COUNT + 14)
    assert process.stop()[0] == 0
    assert world.fates() == {("applied", ""): COUNT + 14}


def test_memory_is_bounded_while_a_topic_is_awaited(world):
    """Without it there is no watermark and nothing closes: the other topic is not read to its end into memory."""
    world.topic("toy")
    world.put("toy", far(), partition=0)
    config = world.config(["toy", "awaited"], time=kafka_world.TIME.replace("absent_timeout: 3s", "absent_timeout: 600s"),
                          extra="limits: {open_pane_bytes: 1MiB}\n")
    process = world.start(config)
    wait_held(world, process)
    world.topic("awaited")
    world.put("awaited", [kafka_world.event(2_000_000, START_MS + COUNT * STEP_MS)], partition=0)
    world.wait_counted(COUNT + 1)
    assert process.stop()[0] == 0
    assert world.fates() == {("applied", ""): COUNT + 1}
