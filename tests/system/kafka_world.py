"""What the Kafka tests share: small events of a model `toy`, configurations, and a place of its own for each test."""

import datetime
import json
import os
import random
import re
import threading
import time

import driftd
import streams

START = datetime.datetime(2024, 5, 6, tzinfo=datetime.timezone.utc)
START_MS = int(START.timestamp() * 1000)
MINUTE_MS = 60_000

#: Panes and windows of one minute; partitions that are silent hold time back for two seconds only.
TIME = """time: {tiers: [1m, 10m], lateness: 10s, horizon: 1h, idle_timeout: 2s, absent_timeout: 3s, revise_every: 1s}
windows: [{length: 1m, slide: 1m}, {length: 10m, slide: 10m}]
"""
RULES = "rules: [{name: psi, metric: psi, warning: 0.3, critical: 0.6, window: 1m}]\n"


def event(i, at_ms, x=None, kind="prediction", **more):
    """The i-th event: `x` is uniform on [0, 1) and `c` one of three, both from i alone."""
    rng = random.Random(i)
    x = rng.random() if x is None else x
    out = {"type": kind, "model": "toy", "version": "1", "id": f"{kind[0]}{i:07d}", "ts": streams.iso(at_ms)}
    if kind == "label":
        out["label"] = i % 2
    else:
        out["features"] = {"x": round(x, 6), "c": rng.choice("abc")}
    if kind == "prediction":
        out["score"] = round(x, 6)
    return out | more


def stream(count, per_minute=300, first=0, start_ms=START_MS, shift_from=None, kind="prediction"):
    """`count` events in order of time; from minute `shift_from` on x lies in the upper half: a drift."""
    for i in range(first, first + count):
        at_ms = start_ms + (i - first) * MINUTE_MS // per_minute
        shifted = shift_from is not None and (at_ms - start_ms) // MINUTE_MS >= shift_from
        x = 0.5 + random.Random(i).random() / 2 if shifted else None
        yield event(i, at_ms, x, kind)


def encode(events):
    return [json.dumps(item).encode() for item in events]


def build_reference(directory):
    path, csv = directory / "toy.reference.json", directory / "toy.csv"
    with open(csv, "w", encoding="ascii") as file:
        file.write("x,c,score\n")
        for i in range(4000):
            item = event(10_000_000 + i, START_MS)
            file.write(f"{item['features']['x']},{item['features']['c']},{item['score']}\n")
    driftd.run("reference", "build", "-o", path, "-n", "toy", "-m", "toy", "--score", "score", csv)
    return path


class World:
    """One test's directory, its topics on the shared broker, and what it runs."""

    def __init__(self, broker, directory, reference, prefix):
        self.broker, self.directory, self.reference = broker, directory, reference
        self.prefix = re.sub(r"[^A-Za-z0-9_.-]", "-", prefix)[:80]
        self.store = directory / "driftd.db"
        self.log = directory / "driftd.log"
        self.processes = []

    def name(self, topic):
        return f"{self.prefix}.{topic}"

    def topic(self, topic, partitions=1, **config):
        self.broker.create_topic(self.name(topic), partitions, **config)
        return self.name(topic)

    def put(self, topic, events, partition=None, **options):
        self.broker.produce(self.name(topic), encode(events), partition=partition, **options)

    def scatter(self, topic, events, partitions, seed=1):
        for i, part in enumerate(streams.dealt(events, partitions, random.Random(seed))):
            self.put(topic, part, partition=i)

    def config(self, topics, name="driftd", store=None, kafka=None, inputs=None, extra=RULES, time=TIME, workers=1,
               models=None, commit="100ms"):
        """Writes a configuration; `inputs` are further options of each topic, as YAML flow members."""
        path = self.directory / f"{name}.yaml"
        properties = {"bootstrap.servers": self.broker.bootstrap() if self.broker else "127.0.0.1:1",
                      "reconnect.backoff.max.ms": 500} | (kafka or {})
        kafka_lines = "".join(f"  {key}: \"{value}\"\n" for key, value in properties.items())
        input_lines = "".join(f"  - {{topic: {self.name(topic)}{', ' + inputs if inputs else ''}}}\n" for topic in topics)
        models = models or f"models:\n  - {{name: toy, reference: {{file: \"{self.reference}\"}}}}\n"
        path.write_text(f"""api_version: 1
pipeline: tests
store: {{path: "{store or self.store}", commit_interval: {commit}, merge_interval: 20ms, retention: {{results: 9000d, panes: 9000d}}}}
kafka:
{kafka_lines}inputs:
{input_lines}workers: {workers}
{time}{models}{extra}max_alert_age: never
""", encoding="utf-8")
        return path

    def to_end(self, config, check=True, timeout=60, **options):
        return driftd.run("run", "-c", config, "--until-end", check=check, timeout=timeout, **options)

    def start(self, config, *more, cwd=None):
        process = driftd.Process("run", "-c", config, *more, log=self.log, cwd=cwd)
        self.processes.append(process)
        return process

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def said(self, *words, timeout=20):
        """Waits for a line of the log that holds all the words; returns it."""
        def line():
            return next((one for one in self.log_text().splitlines() if all(word in one for word in words)), None)
        return driftd.wait_for(line, timeout, what=f"a log line with {words}; the log is\n{self.log_text()[-3000:]}")

    def query(self, sql, *parameters):
        """Rows; none while the store is not there yet."""
        import sqlite3
        try:
            return driftd.query(self.store, sql, *parameters)
        except sqlite3.OperationalError:
            return []

    def fates(self):
        return {(fate, reason): total for fate, reason, total in
                self.query("SELECT fate, reason, SUM(total) FROM v1_events GROUP BY fate, reason")}

    def counted(self):
        return sum(self.fates().values())

    def wait_counted(self, total, timeout=30):
        driftd.wait_for(lambda: self.counted() >= total, timeout, what=f"{total} counted events (there are {self.counted()})\n{self.log_text()[-2000:]}")
        assert self.counted() == total

    def offsets(self):
        return {(topic[len(self.prefix) + 1:], partition): next_offset for topic, partition, next_offset in
                self.query("SELECT topic, partition, next_offset FROM v1_lag")}

    def windows(self, window_s=60, feature="x"):
        """{minute of the window's start: n} of the whole model, latest revision."""
        rows = self.query("SELECT window_start_s, MAX(n) FROM v1_results WHERE segment = '' AND feature = ? AND window_s = ? GROUP BY 1",
                          feature, window_s)
        return {(start - START_MS // 1000) // 60: n for start, n in rows}

    def audit(self, action):
        return self.query("SELECT subject, details FROM v1_audit WHERE action = ? ORDER BY seq", action)

    def close(self):
        for process in self.processes:
            process.__exit__()


def rss_bytes(process):
    with open(f"/proc/{process.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Feed(threading.Thread):
    """Produces events in order to a topic's partitions, at about so many a second, until all are there."""

    def __init__(self, world, topic, events, partitions, per_second, seed=3):
        super().__init__(daemon=True)
        self.world, self.topic, self.events, self.partitions, self.per_second = world, topic, events, partitions, per_second
        self.rng = random.Random(seed)

    def run(self):
        for first in range(0, len(self.events), 100):
            for number, items in enumerate(streams.dealt(self.events[first:first + 100], self.partitions, self.rng)):
                self.world.put(self.topic, items, partition=number)
            time.sleep(100 / self.per_second)
