"""Runs the program under test and reads its store. Nothing here knows statistics."""

import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("DRIFTD", ROOT / "build" / "release" / "driftd"))
DATA = ROOT / "tests" / "data"


def run(*args, check=True, timeout=120, **kwargs):
    """One command to its end; its output as text."""
    done = subprocess.run([str(BINARY), *map(str, args)], capture_output=True, text=True, timeout=timeout, **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"driftd {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class Process:
    """A command in the background; killed at the end of the test whatever happens."""

    def __init__(self, *args, log, cwd=None):
        self.log = open(log, "ab")
        self.process = subprocess.Popen([str(BINARY), *map(str, args)], stdout=self.log, stderr=self.log, cwd=cwd)

    @property
    def is_running(self):
        return self.process.poll() is None

    def kill(self):
        """SIGKILL; whether it was still running."""
        self.process.kill()
        return self.process.wait() == -signal.SIGKILL

    def stop(self, timeout=10):
        """SIGTERM; returns (exit status, seconds)."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout)
        return status, time.monotonic() - start

    def wait(self, timeout=120):
        return self.process.wait(timeout)

    def pause(self, seconds):
        """SIGSTOP, and SIGCONT after so long: what is due by the clock is done first then."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def ends_within(self, seconds):
        """Waits so long, or until it ends by itself; whether it did."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.is_running:
            self.kill()
        self.log.close()


def wait_for(condition, timeout=60, every=0.1, what="the condition"):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(every)
    raise AssertionError(f"{what} did not become true within {timeout} s")


def query(store, sql, *parameters):
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(sql, parameters).fetchall()
    finally:
        connection.close()


#: Views and the columns that DESIGN §3 excludes from "same events, same bytes": wall clock, sequence numbers, deliveries.
EXCLUDED = {"closed_at", "closed_s", "closed_wall_s", "created_at", "created_s", "created", "event", "item", "seq", "ts", "ts_s",
            "reference_id", "committed_at", "effective_at", "next_s", "next_at", "attempts", "status_code", "last_status", "last_error",
            "error", "id_rowid"}
#: What is compared. `results` stands for v1_results and v1_bins: the stored rows that those views spread over a row per metric and bin
#: (tests/unit/t_store_views.c holds the views to the rows), forty times fewer to fetch and to sort.
VIEWS = ("results", "v1_alerts", "v1_alert_events", "v1_baselines")
RESULTS = ("SELECT s.model, s.version, s.segment, m.monitor, m.family, f.name AS feature, r.window_ms, r.window_end_ms - r.window_ms AS window_start_ms,"
           " r.window_end_ms, r.n, r.revision, r.reference_n, r.flags, b.name AS reference, b.hash, quote(r.bins) AS bins, "
           + ", ".join(f"r.s{i:02}" for i in range(40)) +
           " FROM result r JOIN series s ON s.series = r.series JOIN subject f ON f.subject = r.subject"
           " JOIN (SELECT DISTINCT family, monitor FROM metric) m ON m.family = r.family LEFT JOIN reference b ON b.reference = r.reference")


def canonical(store, views=VIEWS):
    """Every row that the contract shows, ordered by its text: equal for equal events. Floats keep all their bits."""
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)
    out = {}
    try:
        for view in views:
            cursor = connection.execute(RESULTS if view == "results" else f"SELECT * FROM {view}")
            keep = [i for i, column in enumerate(cursor.description) if column[0] not in EXCLUDED]
            out[view] = sorted(repr([row[i].hex() if isinstance(row[i], float) else row[i] for i in keep]) for row in cursor)
        out["outbox"] = sorted(repr(row) for row in connection.execute("SELECT id, sink, body FROM outbox"))
    finally:
        connection.close()
    return out


def difference(a, b):
    """A short text of what differs, or ''."""
    lines = []
    for view in a:
        only_a, only_b = set(a[view]) - set(b[view]), set(b[view]) - set(a[view])
        if only_a or only_b or len(a[view]) != len(b[view]):
            lines.append(f"{view}: {len(a[view])} and {len(b[view])} rows; {len(only_a)} only in the first, {len(only_b)} only in the second")
            lines += [f"  - {row[:400]}" for row in sorted(only_a)[:2]] + [f"  + {row[:400]}" for row in sorted(only_b)[:2]]
    return "\n".join(lines)


def answers():
    return json.loads((DATA / "answers.json").read_text())
