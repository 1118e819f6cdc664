"""river: ADWIN on each of the 16 numeric features, event by event."""

from river.drift import ADWIN

from common import NUMERIC, Measured, arguments, rows

path, _ = arguments()
with Measured() as details:
    detectors, count = [(name, ADWIN()) for name in NUMERIC], 0
    for row in rows(path):
        for name, detector in detectors:
            detector.update(row[name])
        count += 1
    details["events"] = count
