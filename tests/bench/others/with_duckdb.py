"""DuckDB on one thread: per hour and feature count, mean, deviation and a histogram on the reference's own bins (or on
its deciles, with a third argument `deciles`); the same for the score. The schema is declared: nothing is inferred."""

import sys

import duckdb

from common import CATEGORICAL, HOUR_MS, NUMERIC, Measured, arguments, edges

path, reference = arguments()
bins = edges(reference, 10 if "deciles" in sys.argv else None)
connection = duckdb.connect()
connection.execute("SET threads = 1")
features = ", ".join([f"{name} DOUBLE" for name in NUMERIC] + [f"{name} VARCHAR" for name in CATEGORICAL])
columns = (f"{{model: 'VARCHAR', version: 'VARCHAR', id: 'VARCHAR', ts: 'BIGINT', features: 'STRUCT({features})', "
           "score: 'DOUBLE', prediction: 'DOUBLE', groups: 'STRUCT(sex VARCHAR, age_band VARCHAR)', latency_ms: 'DOUBLE'}")
wanted = []
for name, place in [(name, f"features.{name}") for name in NUMERIC] + [("@score", "score")]:
    wanted += [f"count({place})", f"avg({place})", f"stddev_pop({place})", f"histogram({place}, {bins[name]})"]
for name in CATEGORICAL:
    wanted.append(f"histogram(features.{name})")
query = (f"SELECT model, version, ts // {HOUR_MS} AS hour, count(*), {', '.join(wanted)} "
         f"FROM read_json('{path}', format = 'newline_delimited', columns = {columns}) GROUP BY ALL")
with Measured() as details:
    result = connection.execute(query).fetchall()
    details["events"] = sum(row[3] for row in result)
