#!/usr/bin/env python3
"""Compares the sequential detectors with the river library on random streams with changes.

Every drift and every first warning must come at the same value. KSWIN is left out: the library samples at random.
Exit status 1 on a difference, 77 when river is not installed.

    python3 tests/checks/compare_river.py build/release/vectors/runner [--cases 40] [--seed 1]
"""
import argparse
import json
import subprocess
import sys

try:
    import numpy as np
    from river import drift
except ImportError:
    print("compare_river: numpy or river is not installed", file=sys.stderr)
    sys.exit(77)

BINARY = drift.binary
# (our detector, our parameters, their class, their parameters, stream)
CASES = [
    ("ADWIN", {}, drift.ADWIN, {}, "normal"),
    ("ADWIN", {}, drift.ADWIN, {}, "binary"),
    ("ADWIN", {"delta": 0.05, "clock": 1}, drift.ADWIN, {"delta": 0.05, "clock": 1}, "binary"),
    ("PageHinkley", {}, drift.PageHinkley, {}, "normal"),
    ("PageHinkley", {"mode": "up", "threshold": 20}, drift.PageHinkley, {"mode": "up", "threshold": 20}, "normal"),
    ("PageHinkley", {"mode": "down", "threshold": 10, "delta": 0.1, "min_instances": 5}, drift.PageHinkley,
     {"mode": "down", "threshold": 10, "delta": 0.1, "min_instances": 5}, "normal"),
    ("DDM", {}, BINARY.DDM, {}, "boolean"),
    ("EDDM", {}, BINARY.EDDM, {}, "boolean"),
    ("EDDM", {"alpha": 0.9, "beta": 0.8}, BINARY.EDDM, {"alpha": 0.9, "beta": 0.8}, "boolean"),
    ("HDDM_A", {}, BINARY.HDDMA, {}, "boolean"),
    ("HDDM_A", {"two_sided": 1}, BINARY.HDDMA, {"two_sided_test": True}, "boolean"),
    ("HDDM_W", {}, BINARY.HDDMW, {}, "boolean"),
    ("HDDM_W", {"two_sided": 1}, BINARY.HDDMW, {"two_sided_test": True}, "boolean"),
    ("HDDM_W", {"lambda": 0.01}, BINARY.HDDMW, {"lambda_val": 0.01}, "boolean"),
]


def streams(rng):
    n = int(rng.integers(500, 4000))
    rate = np.repeat(rng.random(4), np.diff(np.r_[0, np.sort(rng.integers(0, n, 3)), n]))
    binary = (rng.random(n) < rate).astype(int).tolist()
    return {"binary": binary, "boolean": binary, "normal": (rng.normal(size=n) + 5 * rate).tolist()}


def library_sequence(detector, values):
    sequence, warned = [], False
    for i, x in enumerate(values):
        detector.update(x)
        warning = getattr(detector, "warning_detected", False)
        if detector.drift_detected:
            sequence.append(["D", i])
            warned = False
        elif warning and not warned:
            sequence.append(["W", i])
            warned = True
    return sequence


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runner")
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    process = subprocess.Popen([args.runner, "--eval"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    equal, events = [0] * len(CASES), [0] * len(CASES)
    for _ in range(args.cases):
        made = streams(rng)
        for i, (name, parameters, library, options, stream) in enumerate(CASES):
            values = made[stream]
            want = library_sequence(library(**options), [bool(x) for x in values] if stream == "boolean" else values)
            line = {"fn": "detector_warnings", "input": {"detector": name, "params": parameters, "values": values}}
            process.stdin.write(json.dumps(line) + "\n")
            process.stdin.flush()
            equal[i] += json.loads(process.stdout.readline()).get("sequence") == want
            events[i] += len(want)
    process.stdin.close()
    process.wait()
    for (name, parameters, *_), same, seen in zip(CASES, equal, events):
        print(f"{'ok  ' if same == args.cases else 'FAIL'} {name} {parameters}: {same} of {args.cases} streams equal, "
              f"{seen} drifts and warnings")
    return 0 if all(same == args.cases for same in equal) else 1


if __name__ == "__main__":
    sys.exit(main())
