"""What the scripts share: the names of the features, and CPU seconds after everything is imported and opened."""

import json
import sys
import time

NUMERIC = ("income", "age", "tenure_months", "debt_ratio", "balance", "utilization", "open_accounts", "late_payments",
           "loan_amount", "int_rate", "pay_ratio", "velocity_1h", "velocity_24h", "distance_km", "emb_norm", "risk_prior")
CATEGORICAL = ("region", "channel", "product", "device")
HOUR_MS = 3_600_000


class Measured:
    """`with Measured(): work` prints the CPU seconds of the work, all threads."""

    def __init__(self):
        self.details = {}

    def __enter__(self):
        self._begin = time.process_time()
        return self.details

    def __exit__(self, failure, *_):
        if failure is None:
            print(json.dumps({"cpu_s": time.process_time() - self._begin, **self.details}))


def rows(path):
    """Flat dictionaries, one per event."""
    for line in open(path, "rb"):
        event = json.loads(line)
        yield {"ts": event["ts"], **event["features"], "score": event["score"], "prediction": event["prediction"]}


def edges(reference, bins=None):
    """Of each numeric feature and the score, the reference's own edges (up to 241), or so many quantiles of them."""
    features = json.load(open(reference))["features"]
    out = {}
    for name in NUMERIC + ("@score",):
        every = features[name]["edges"]
        out[name] = every if bins is None else [every[round(i * (len(every) - 1) / bins)] for i in range(bins + 1)]
    return out


def arguments():
    """The NDJSON file, and a reference that `driftd reference build` made."""
    return sys.argv[1], sys.argv[2]
