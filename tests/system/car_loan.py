"""The car loan data as events: the same rows as CSV for `replay` and as JSON for Kafka."""

import csv
import gzip

import driftd

TIER_S = 2615760  # 5,000 loans
ORIGIN = "2018-10-30T18:00:00Z"
CATEGORICAL = ("salary_range", "repaid_loan_on_prev_car", "size_of_downpayment")

RULES = """
rules:
  - {name: psi, metric: psi, warning: 0.10, critical: 0.25}
  - {name: ks, metric: ks, warning: 0.10, critical: 0.20, max_p: 0.001}
"""


def build_reference(path):
    driftd.run("reference", "build", "-o", path, "-n", "car_loan-2018", "-m", "car_loan", "--time", "timestamp", "--score",
               "y_pred_proba", "--prediction", "y_pred", "--label", "repaid", "--categorical", "@prediction",
               driftd.DATA / "car_loan_reference.csv.gz")
    return path


def time_section(tier_s=TIER_S, lateness="1h"):
    return f"time: {{tiers: [{tier_s}s], origin: {ORIGIN}, lateness: {lateness}, idle_timeout: 2s}}\n" \
           f"windows: [{{length: {tier_s}s, slide: {tier_s}s}}]\n"


def models_section(reference):
    return f"models:\n  - {{name: car_loan, reference: {{file: \"{reference}\"}}, types: {{categorical: [\"@prediction\"]}}}}\n"


def csv_config(path, store, reference, extra=RULES, time=None):
    path.write_text(f"""api_version: 1
pipeline: car_loan
store: {{path: "{store}", retention: {{results: 4000d, panes: 4000d}}}}
inputs:
  - name: loans
    format: csv
    kind: prediction
    fields:
      time: /timestamp
      model: {{const: car_loan}}
      version: {{const: "1"}}
      score: /y_pred_proba
      prediction: /y_pred
      label: /repaid
      features: {{object: ""}}
{time or time_section()}{models_section(reference)}{extra}max_alert_age: never
""")
    return path


def json_config(path, store, reference, kafka=None, extra=RULES, time=None, workers=1, topics=("loans",)):
    kafka_lines = "".join(f"  {key}: \"{value}\"\n" for key, value in (kafka or {}).items())
    inputs = ", ".join(f"{{{'topic' if kafka else 'name'}: {topic}}}" for topic in topics)
    path.write_text(f"""api_version: 1
pipeline: car_loan
store: {{path: "{store}", commit_interval: 200ms, merge_interval: 50ms, retention: {{results: 4000d, panes: 4000d}}}}
{"kafka:" if kafka else ""}
{kafka_lines}
inputs: [{inputs}]
workers: {workers}
{time or time_section()}{models_section(reference)}{extra}max_alert_age: never
""")
    return path


def number(text):
    return float(text) if "." in text else int(text)


def rows(part="analysis"):
    with gzip.open(driftd.DATA / f"car_loan_{part}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def events(step=1):
    """(milliseconds, id, event as a dictionary) in order of time."""
    import datetime
    for i, row in enumerate(rows()):
        if i % step:
            continue
        ts = row["timestamp"].replace(" ", "T") + "Z"
        at = datetime.datetime.strptime(row["timestamp"], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=datetime.timezone.utc)
        features = {key: value if key in CATEGORICAL else number(value) for key, value in row.items()
                    if key not in ("timestamp", "y_pred_proba", "y_pred", "repaid")}
        yield int(at.timestamp() * 1000), f"loan-{i:06d}", {
            "type": "prediction", "model": "car_loan", "version": "1", "id": f"loan-{i:06d}", "ts": ts, "features": features,
            "score": number(row["y_pred_proba"]), "prediction": int(row["y_pred"])}
