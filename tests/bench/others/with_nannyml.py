"""NannyML: Jensen-Shannon and Kolmogorov-Smirnov per hour; the first tenth of the file is its reference."""

import warnings

import nannyml
import pandas

from common import CATEGORICAL, HOUR_MS, NUMERIC, Measured, arguments, rows

path, _ = arguments()
warnings.filterwarnings("ignore")
with Measured() as details:
    frame = pandas.DataFrame(list(rows(path)))
    frame["hour"] = pandas.to_datetime(frame["ts"] // HOUR_MS * HOUR_MS, unit="ms")
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=[*NUMERIC, *CATEGORICAL], timestamp_column_name="hour", chunk_period="h",
        continuous_methods=["jensen_shannon", "kolmogorov_smirnov"], categorical_methods=["jensen_shannon"])
    calculator.fit(frame.iloc[:len(frame) // 10])
    calculator.calculate(frame)
    details["events"] = len(frame)
