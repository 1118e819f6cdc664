"""Evidently: the drift preset per hour; the first tenth of the file is its reference."""

import warnings

import pandas
from evidently import Report
from evidently.presets import DataDriftPreset

from common import CATEGORICAL, HOUR_MS, NUMERIC, Measured, arguments, rows

path, _ = arguments()
warnings.filterwarnings("ignore")
with Measured() as details:
    frame = pandas.DataFrame(list(rows(path)))
    columns = [*NUMERIC, *CATEGORICAL, "score"]
    reference = frame.iloc[:len(frame) // 10][columns]
    for _, hour in frame.groupby(frame["ts"] // HOUR_MS):
        Report([DataDriftPreset()]).run(hour[columns], reference).dict()
    details["events"] = len(frame)
