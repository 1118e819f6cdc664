"""Streams of events made by the tests, configurations to replay them with, and what is done to a replay: other orders, other files, kills.

An item is an event as a dictionary whose `ts` is in milliseconds, or a tuple that begins with milliseconds and ends with the event.
"""

import datetime
import json
import pathlib
import random
import re
import signal
import sqlite3
import time
import typing

import driftd

START = 1_772_323_200_000  # 2026-03-01T00:00:00Z
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def iso(ts_ms):
    return datetime.datetime.fromtimestamp(ts_ms // 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ts_ms % 1000:03d}Z"


def prediction(ts_ms, number, features, model="m", version="1", **more):
    return {"type": "prediction", "model": model, "version": version, "id": f"{model}/{version}/{number}", "ts": ts_ms,
            "features": features, **more}


def stream(count, every_ms, start_ms=START, model="m", version="1", seed=0, shift=0.0, segments=None):
    """Predictions at even distances; `segments` is a function of the number."""
    rng = random.Random(f"{seed}/{model}/{version}")
    out = []
    for i in range(count):
        more = {"segments": segments(i)} if segments else {}
        out.append(prediction(start_ms + i * every_ms, f"{seed}-{i}", {"x": rng.gauss(shift, 1), "k": rng.choice("abcd"), "n": rng.randrange(5)},
                              model, version, score=rng.random(), **more))
    return out


def time_of(item):
    return item["ts"] if isinstance(item, dict) else item[0]


def write(path, items):
    with open(path, "w", encoding="utf-8") as file:
        for item in items:
            file.write(json.dumps(item if isinstance(item, dict) else item[-1], ensure_ascii=False) + "\n")
    return path


def shuffled(items, within_ms, rng):
    """The items in an order in which none comes after one that is `within_ms` or more later."""
    out = sorted(items, key=lambda item: time_of(item) + rng.uniform(0, within_ms))
    assert out != items, "in order still"
    return out


def dealt(items, count, rng):
    """The items at random over `count` lists; each keeps their order."""
    out = [[] for _ in range(count)]
    for item in items:
        rng.choice(out).append(item)
    return out


def scattered(directory, items, count, rng, within_ms=0, name="part"):
    """Files as partitions: the items dealt out at random, each file in the order of time but for a shuffle within the lateness."""
    ordered = shuffled(items, within_ms, rng) if within_ms else sorted(items, key=time_of)
    return [write(directory / f"{name}{i}.ndjson", part) for i, part in enumerate(dealt(ordered, count, rng))]


def config(path, store, body, commit="1s", merge="50ms", workers=1):
    path.write_text(f"""api_version: 1
store: {{path: "{store}", commit_interval: {commit}, merge_interval: {merge}, retention: {{results: 30000d, panes: 30000d}}}}
inputs: [{{name: events}}]
workers: {workers}
max_alert_age: never
{body}
""", encoding="utf-8")
    return path


def replay(directory, name, body, files, workers=1, **more):
    """Replays files into a new store; returns its path."""
    store = directory / f"{name}.db"
    path = config(directory / f"{name}.yaml", store, body, workers=workers, **more)
    driftd.run("replay", "-q", "-c", path, *files)
    return store


COMMIT_S = 0.1  # the shortest commit_interval


def quick(config):
    """Makes a configuration commit and merge as often as it may, so that a kill finds something half done."""
    text = re.sub(r"commit_interval: \w+", "commit_interval: 100ms", config.read_text(encoding="utf-8"))
    config.write_text(re.sub(r"merge_interval: \w+", "merge_interval: 10ms", text), encoding="utf-8")
    return config


def commits(store):
    """How often a store has been committed to; 0 while there is none."""
    try:
        return int(driftd.query(store, "SELECT value FROM meta WHERE key = 'commits'")[0][0])
    except (sqlite3.OperationalError, IndexError):
        return 0


class Kill(typing.NamedTuple):
    hit: bool    # it was running
    moved: bool  # and had committed something new


def kills(start, progress, *, seed, times, wait, after_commit=0.5, more=lambda: True, ended=lambda: None, by=driftd.Process.kill):
    """Runs a program and kills it, again and again; yields what each kill found.

    start()       a driftd.Process
    progress()    a number that grows with what is committed
    wait          (least, most) seconds before a kill, at random
    after_commit  this share of the kills comes behind a commit: in the midst of its wait the program sleeps until one is due, so that
                  there are such kills on a fast machine too, and on a slow one
    more()        false when nothing new will come: then no commit is waited for
    ended()       is called when a run has ended by itself before its kill; the waits are half as long from then on
    by(process)   kills it (SIGKILL), or stops it some other way; whether it was still running
    """
    rng, pace = random.Random(seed), 1.0
    for _ in range(times):
        before, wait_s = progress(), pace * rng.uniform(*wait)
        with start() as process:
            if rng.random() < after_commit:
                first_s = rng.uniform(0, wait_s)
                process.ends_within(first_s)
                wait_s -= first_s
                process.pause(COMMIT_S)
                end = time.monotonic() + 30
                while process.is_running and more() and progress() == before and time.monotonic() < end:
                    time.sleep(0.002)
            process.ends_within(wait_s)
            hit = by(process)
            assert hit or process.process.returncode == 0, f"ended with {process.process.returncode}; see {process.log.name}"
        yield Kill(hit, hit and progress() > before)
        if not hit:
            pace /= 2
            ended()


def killed(config, store, files, *, seed, times, wait=(0.02, 0.15)):
    """Replays files with `times` kills in the way, then to the end; how many of them hit a replay that was not through.

    The configuration is made quick. A replay that is through before half of the kills have hit, one of them behind a commit, had too little
    to do for this machine: the store and the count are begun anew, with waits half as long, and more kills come.
    """
    hits, moved = _interrupted(quick(config), store, files, seed=seed, times=times, wait=wait, moves=1)
    assert moved >= 1, f"{hits} kills, and none of them behind a commit"
    return hits


def stopped(config, store, files, *, seed, times, wait):
    """The same with SIGTERM, which commits what was read; the configuration stays as it is."""
    def stop(process):
        if not process.is_running:
            return False
        assert process.stop()[0] in (0, -signal.SIGTERM)  # the latter before it listens
        return True

    return _interrupted(config, store, files, seed=seed, times=times, wait=wait, after_commit=0, by=stop)[0]


def _interrupted(config, store, files, *, times, moves=0, **options):
    hits, moved, finished = 0, 0, False

    def ended():
        nonlocal hits, moved, finished
        finished = finished or (hits * 2 >= times and moved >= moves)
        if not finished:  # what went before is lost with the store
            hits = moved = 0
            for end in ("", "-wal", "-shm"):
                pathlib.Path(f"{store}{end}").unlink(missing_ok=True)

    def start():
        return driftd.Process("replay", "-q", "-c", config, *files, log=config.with_suffix(".log"))

    for number, kill in enumerate(kills(start, lambda: commits(store), times=4 * times, ended=ended, **options)):
        hits += kill.hit and not finished
        moved += kill.moved and not finished
        if number + 1 >= times and hits * 2 >= times and moved >= moves:
            break
    driftd.run("replay", "-q", "-c", config, *files)
    return hits, moved


def fates(store):
    return {(fate, reason): total for fate, reason, total in
            driftd.query(store, "SELECT fate, reason, SUM(total) FROM v1_events GROUP BY 1, 2")}


def values(store, metric, **where):
    """{(window_end_s, feature): value} of a metric."""
    clauses = "".join(f" AND {key} = ?" for key in where)
    rows = driftd.query(store, f"SELECT window_end_s, feature, value FROM v1_results WHERE metric = ?{clauses}", metric, *where.values())
    return {(end, feature): value for end, feature, value in rows}
