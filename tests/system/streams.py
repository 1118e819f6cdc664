"""Streams of events made by the tests, and configurations to replay them with."""

import json
import random

import driftd

START = 1_772_323_200_000  # 2026-03-01T00:00:00Z
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def iso(ts_ms):
    import datetime
    return datetime.datetime.fromtimestamp(ts_ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


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


def write(path, events):
    with open(path, "w", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps(event, ensure_ascii=False) + "\n")
    return path


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


def fates(store):
    return {(fate, reason): total for fate, reason, total in
            driftd.query(store, "SELECT fate, reason, SUM(total) FROM v1_events GROUP BY 1, 2")}


def values(store, metric, **where):
    """{(window_end_s, feature): value} of a metric."""
    clauses = "".join(f" AND {key} = ?" for key in where)
    rows = driftd.query(store, f"SELECT window_end_s, feature, value FROM v1_results WHERE metric = ?{clauses}", metric, *where.values())
    return {(end, feature): value for end, feature, value in rows}
