"""ClickHouse's engine in the process, one thread: the same statistics as with_duckdb.py, deciles by quantile sketches."""

from chdb import session

from common import CATEGORICAL, HOUR_MS, NUMERIC, Measured, arguments

path, _ = arguments()
connection = session.Session()
features = ", ".join([f"{name} Float64" for name in NUMERIC] + [f"{name} String" for name in CATEGORICAL])
structure = ("model String, version String, id String, ts Int64, "
             f"features Tuple({features}), score Float64, prediction Float64, "
             "groups Tuple(sex String, age_band String), latency_ms Float64")
wanted = []
for place in [f"features.{name}" for name in NUMERIC] + ["score"]:
    wanted += [f"count({place})", f"avg({place})", f"stddevPop({place})",
               f"quantilesTDigest(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)({place})"]
for name in CATEGORICAL:
    wanted.append(f"sumMap(map(features.{name}, 1))")
query = (f"SELECT model, version, intDiv(ts, {HOUR_MS}) AS hour, count() AS events, {', '.join(wanted)} "
         f"FROM file('{path}', JSONEachRow, '{structure}') GROUP BY model, version, hour SETTINGS max_threads = 1")
with Measured() as details:
    result = connection.query(query, "TSV")
    details["events"] = sum(int(line.split("\t")[3]) for line in str(result).splitlines())
