"""whylogs: a profile per hour."""

import pandas
import whylogs

from common import HOUR_MS, Measured, arguments, rows

path, _ = arguments()
with Measured() as details:
    frame = pandas.DataFrame(list(rows(path)))
    for _, hour in frame.groupby(frame["ts"] // HOUR_MS):
        whylogs.log(hour).view().to_pandas()
    details["events"] = len(frame)
