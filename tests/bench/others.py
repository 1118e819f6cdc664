"""What a user would otherwise run on the same NDJSON for the same statistics. Filled by `make bench FULL=1`."""


def available(work, path, events, full):
    return []


def skipped():
    return {}
