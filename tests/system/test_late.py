"""Late events and revisions (DESIGN §6): revision 1 from what was on time, later ones converge to the values of the ordered run."""

import random

import pytest

import driftd
import streams
from streams import DAY, HOUR, MINUTE, START

DAYS = 3
BODY = """time: {tiers: [5m, 1h, 1d], lateness: 10m, horizon: 24h}
windows: [{length: 1h, slide: 5m}, {length: 6h, slide: 1h}, {length: 2d, slide: 1d}]
models: [{name: "*", reference: {file: "REFERENCE"}, minimum_n: 10}]
"""


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    directory = tmp_path_factory.mktemp("late")
    training = streams.write(directory / "training.ndjson", streams.stream(2000, MINUTE, START - 30 * DAY, seed=77))
    driftd.run("reference", "build", "-o", directory / "r.json", "-n", "training", "-m", "m", training)
    return BODY.replace("REFERENCE", str(directory / "r.json"))


@pytest.fixture(scope="module")
def events():
    return streams.stream(DAYS * 24 * 20, 3 * MINUTE)


def rows(store):
    """{(window_s, window_end_s, feature, metric): (value as bits, n, revision)}"""
    return {tuple(row[:4]): (row[4].hex() if row[4] is not None else None, row[5], row[6]) for row in driftd.query(
        store, "SELECT window_s, window_end_s, feature, metric, value, n, revision FROM v1_results"
               " WHERE feature <> '@activity' AND monitor <> 'evidence'")}  # of on-time events only: never revised


@pytest.fixture(scope="module")
def ordered(tmp_path_factory, body, events):
    directory = tmp_path_factory.mktemp("ordered")
    return rows(streams.replay(directory, "s", body, [streams.write(directory / "e.ndjson", events)]))


def scramble(events, seed, share=0.05, max_delay=20 * HOUR):
    """Some events come 1 h to max_delay late; all others in order."""
    rng = random.Random(seed)
    keyed = [(event["ts"] + (rng.uniform(HOUR, max_delay) if rng.random() < share else 0), event) for event in events[:-1]]
    keyed.append((events[-1]["ts"], events[-1]))
    keyed.sort(key=lambda pair: pair[0])
    return [event for _, event in keyed]


def expected_fates(stream, lateness, horizon, pane=5 * MINUTE):
    """The rule of DESIGN §6, restated: by the clock of the partition before the event."""
    clock, out = None, {}
    for event in stream:
        end = event["ts"] - event["ts"] % pane + pane
        fate = "applied"
        if clock is not None and end <= clock - horizon:
            fate = "beyond_horizon"
        elif clock is not None and end <= clock - lateness:
            fate = "late"
        out[fate, ""] = out.get((fate, ""), 0) + 1
        clock = event["ts"] if clock is None else max(clock, event["ts"])
    return out


@pytest.mark.parametrize("seed", [1, 2])
def test_late_events_converge(tmp_path, body, events, ordered, seed):
    stream = scramble(events, seed)
    store = streams.replay(tmp_path, "s", body, [streams.write(tmp_path / "e.ndjson", stream)])
    assert streams.fates(store) == expected_fates(stream, 10 * MINUTE, 24 * HOUR)
    found = rows(store)
    assert {key: value[:2] for key, value in found.items()} == {key: value[:2] for key, value in ordered.items()}
    revisions = {value[2] for value in found.values()}
    assert 1 in revisions and 2 in revisions
    # Exactly the windows that hold a late event were written again.
    clock, late = 0, []
    for event in stream:
        if event["ts"] - event["ts"] % (5 * MINUTE) + 5 * MINUTE <= clock - 10 * MINUTE:
            late.append(event["ts"])
        clock = max(clock, event["ts"])
    for (window_s, end_s, _, _), (_, _, revision) in found.items():
        held = any(end_s * 1000 - window_s * 1000 <= ts < end_s * 1000 for ts in late)
        assert (revision > 1) == held, (window_s, end_s, revision)


def test_compare_gives_the_revised_value(tmp_path, body, events):
    store = streams.replay(tmp_path, "s", body, [streams.write(tmp_path / "e.ndjson", scramble(events, 4))])
    rng = random.Random(0)
    for _ in range(5):
        hour = rng.randrange((DAYS - 1) * 24, DAYS * 24)  # older panes of an hour are gone
        done = driftd.run("compare", "--store", store, "-m", "m", "--from", streams.iso(START + (hour - 6) * HOUR), "--to",
                          streams.iso(START + hour * HOUR), "--metric", "psi")
        got = {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines()}
        want = driftd.query(store, "SELECT feature, value FROM v1_results WHERE metric = 'psi' AND window_s = 21600"
                                   " AND window_end_s = ?", (START + hour * HOUR) // 1000)
        assert got == dict(want) and want


def test_horizon(tmp_path, body, events):
    """What is later than the horizon is counted and changes nothing."""
    narrow = body.replace("horizon: 24h", "horizon: 2h")
    stream = scramble(events, 5)
    store = streams.replay(tmp_path, "s", narrow, [streams.write(tmp_path / "e.ndjson", stream)])
    fates = streams.fates(store)
    assert fates == expected_fates(stream, 10 * MINUTE, 2 * HOUR) and fates["beyond_horizon", ""] > 20
    total = driftd.query(store, "SELECT SUM(n) FROM v1_results WHERE window_s = 3600 AND metric = 'psi' AND feature = 'x'"
                                " AND window_end_s % 3600 = 0")[0][0]
    assert total == len(events) - fates["beyond_horizon", ""]


def test_late_into_panes_that_were_empty(tmp_path, body, events, ordered):
    """Hours in which nothing came on time: all of their events are late."""
    lost = [event for event in events if START + 10 * HOUR <= event["ts"] < START + 18 * HOUR]
    rest = [event for event in events if not START + 10 * HOUR <= event["ts"] < START + 18 * HOUR]
    at = next(i for i, event in enumerate(rest) if event["ts"] >= START + 26 * HOUR)
    store = streams.replay(tmp_path, "s", body, [streams.write(tmp_path / "e.ndjson", rest[:at] + lost + rest[at:])])
    assert streams.fates(store)["late", ""] == len(lost)
    found = rows(store)
    assert {key: value[:2] for key, value in found.items()} == {key: value[:2] for key, value in ordered.items()}


def test_late_while_another_partition_is_behind(tmp_path, body, events, ordered):
    """Late for its own file although the pane is open still, because the other file is behind: the same fate in every run."""
    first, second = events[0::2], events[1::2]
    stream = scramble(first, 6)
    files = [streams.write(tmp_path / "a.ndjson", stream), streams.write(tmp_path / "b.ndjson", second)]
    stores = [streams.replay(tmp_path, f"s{i}", body, files, workers=1 + i) for i in range(2)]
    want = expected_fates(stream, 10 * MINUTE, 24 * HOUR)
    want["applied", ""] += len(second)
    for store in stores:
        assert streams.fates(store) == want
        assert {key: value[:2] for key, value in rows(store).items()} == {key: value[:2] for key, value in ordered.items()}


def test_all_late_of_a_gap_with_two_partitions(tmp_path, body, events, ordered):
    """Both at once: hours whose events are all late, before those panes have closed."""
    inside = [event for event in events if START + 10 * HOUR <= event["ts"] < START + 18 * HOUR]
    outside = [event for event in events if not START + 10 * HOUR <= event["ts"] < START + 18 * HOUR]
    first, second = outside[0::2], outside[1::2]
    at = next(i for i, event in enumerate(first) if event["ts"] >= START + 20 * HOUR)
    files = [streams.write(tmp_path / "a.ndjson", first[:at] + inside + first[at:]), streams.write(tmp_path / "b.ndjson", second)]
    for workers in (1, 2):
        found = rows(streams.replay(tmp_path, f"w{workers}", body, files, workers=workers))
        assert {key: value[:2] for key, value in found.items()} == {key: value[:2] for key, value in ordered.items()}


@pytest.mark.parametrize("cut", [0.4, 0.7])
def test_restart_between(tmp_path, body, events, ordered, cut):
    """The late half comes in a second run, from the same file grown longer. Days close at the end of a run, so the cut is at one."""
    days = [[event for event in events if event["ts"] < START + 2 * DAY], [event for event in events if event["ts"] >= START + 2 * DAY]]
    rng = random.Random(int(cut * 10))
    late = [event for event in days[0] if event["ts"] > START + 2 * DAY - 20 * HOUR and rng.random() < cut]
    ids = {event["id"] for event in late}
    first = [event for event in days[0] if event["id"] not in ids or event is days[0][-1]]
    late = [event for event in late if event is not days[0][-1]]
    rng.shuffle(late)
    store = tmp_path / "s.db"
    config = streams.config(tmp_path / "c.yaml", store, body)
    file = streams.write(tmp_path / "e.ndjson", first)
    driftd.run("replay", "-q", "-c", config, file)
    assert {value[2] for value in rows(store).values()} == {1}
    streams.write(file, first + days[1][:3] + late + days[1][3:])
    driftd.run("replay", "-q", "-c", config, file)
    found = rows(store)
    assert {key: value[:2] for key, value in found.items()} == {key: value[:2] for key, value in ordered.items()}
    assert {value[2] for value in found.values()} >= {1, 2}
    driftd.run("replay", "-q", "-c", config, file)
    assert {key: value[:2] for key, value in rows(store).items()} == {key: value[:2] for key, value in ordered.items()}


def test_replaying_again_does_not_revise_again(tmp_path, body, events):
    store = tmp_path / "s.db"
    config = streams.config(tmp_path / "c.yaml", store, body)
    file = streams.write(tmp_path / "e.ndjson", scramble(events, 8, max_delay=10 * HOUR))
    driftd.run("replay", "-q", "-c", config, file)
    before = rows(store)
    driftd.run("replay", "-q", "-c", config, file)
    assert rows(store) == before


def test_kills(tmp_path, body, events, ordered):
    """Wherever it is killed, also between the last pane and the last revision, the values are those of the ordered run."""
    stream = scramble(events, 9)
    store = tmp_path / "s.db"
    config = streams.config(tmp_path / "c.yaml", store, body)
    file = streams.write(tmp_path / "e.ndjson", stream)
    assert streams.killed(config, store, [file], seed=3, times=20) >= 3
    assert {key: value[:2] for key, value in rows(store).items()} == {key: value[:2] for key, value in ordered.items()}
    assert streams.fates(store) == expected_fates(stream, 10 * MINUTE, 24 * HOUR)
