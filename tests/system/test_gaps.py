"""Gaps between groups against those of a reference: through the program, by numpy."""

import itertools
import json
import random

import numpy as np
import pytest
from scipy import stats

import driftd
import streams

HOUR = 3600
START = 1_750_032_000
PER_HOUR = 3000
RATES = ("selection_rate", "equal_opportunity", "fpr", "accuracy")
#      race: share of events, P(label), P(positive | label 1), P(positive | label 0); about ProPublica's COMPAS
RACES = {"African-American": (0.51, 0.51, 0.72, 0.45), "Caucasian": (0.34, 0.39, 0.52, 0.23), "Hispanic": (0.14, 0.36, 0.44, 0.21), "Other": (0.01, 0.35, 0.32, 0.15)}


def event(rng, i, ts_ms, races=RACES, labelled=True):
    race = rng.choices(list(races), [row[0] for row in races.values()])[0]
    _, prevalence, tpr, fpr = races[race]
    label = int(rng.random() < prevalence)
    positive = rng.random() < (tpr if label else fpr)
    out = {"type": "prediction", "model": "m", "version": "1", "id": f"e{i}", "ts": ts_ms, "features": {"x": rng.random()},
           "score": 0.75 if positive else 0.25, "prediction": int(positive), "groups": {"race": race, "sex": rng.choice("FM")}}
    return {**out, "label": label} if labelled else out


# Hour 0 as before; 1: Caucasians are flagged as often as African-Americans; 2: a gap that opens between two that
# were alike, African-American and Hispanic stay; 3: a new group, another is gone.
HOURS = [RACES,
         {**RACES, "Caucasian": (0.34, 0.51, 0.72, 0.45)},
         {**RACES, "Hispanic": (0.14, 0.36, 0.05, 0.02)},
         {**{key: RACES[key] for key in ("African-American", "Caucasian")}, "Asian": (0.2, 0.3, 0.9, 0.8)}]


def stream(seed=3, hours=HOURS, labelled=True):
    rng = random.Random(seed)
    return [event(rng, i, (START + i * HOUR // PER_HOUR) * 1000, hours[i // PER_HOUR], labelled) for i in range(len(hours) * PER_HOUR)]


def reference_events(seed=5, count=8000, **options):
    rng = random.Random(seed)
    return [event(rng, -i - 1, (START - 90000 + i) * 1000, **options) for i in range(count)]


def configure(directory, model="", more=""):
    (directory / "driftd.yaml").write_text(f"""api_version: 1
pipeline: gaps
store: {{path: "{directory}/driftd.db", commit_interval: 200ms, merge_interval: 50ms, retention: {{results: 4000d, panes: 4000d}}}}
inputs: [{{name: events}}]
time: {{tiers: [1h], lateness: 1h, horizon: 1d, idle_timeout: 2s}}
windows: [{{length: 1h, slide: 1h}}]
models: [{{name: m, {model}}}]
max_alert_age: never
{more}""")
    return directory / "driftd.yaml"


def replay(directory, items, reference=None, model="", more="", workers=1, files=1):
    """The store. `reference`: events, or the path of a reference."""
    directory.mkdir(parents=True, exist_ok=True)
    if isinstance(reference, list):
        source = streams.write(directory / "reference.ndjson", reference)
        reference = directory / "reference.json"
        config = configure(directory, f"reference: none, {model}")
        driftd.run("reference", "build", "-c", config, "-o", reference, "-n", "r", "-m", "m", source)
    where = f'{{file: "{reference}"}}' if reference else "none"
    config = configure(directory, f"reference: {where}, {model}", more)
    paths = [streams.write(directory / f"events{part}.ndjson", items[part::files]) for part in range(files)]
    driftd.run("replay", "-q", "-c", config, "--workers", workers, *paths)
    return directory / "driftd.db"


def rows_of(store):
    """(hour, attribute, metric) → the row."""
    keys = "window_end_s, feature, metric, value, ci_low, ci_high, p_value, n, reference_n, status, reference_hash"
    rows = driftd.query(store, f"SELECT {keys} FROM v1_results WHERE metric GLOB '*gap_*' AND metric NOT GLOB 'group_*' AND monitor = 'fairness'")
    return {((row[0] - START) // HOUR - 1, row[1], row[2]): dict(zip(keys.split(", ")[3:], row[3:])) for row in rows}


# ---- by numpy ----


def names_in(item, crosses=()):
    groups = item["groups"]
    yield from groups.items()
    for cross in crosses:
        yield "|".join(cross), "|".join(groups[key] for key in cross)


def rates(items, attribute, metric, crosses=()):
    """group → (k, n)."""
    out = {}
    for item in items:
        for key, value in names_in(item, crosses):
            if key != attribute or (metric != "selection_rate" and "label" not in item):
                continue
            y, p = item.get("label"), item["prediction"]
            k, n = {"selection_rate": (p, 1), "equal_opportunity": (p * (y or 0), y), "fpr": (p * (1 - (y or 0)), 1 - (y or 0)),
                    "accuracy": (p == y, 1)}[metric]
            events, hits, size = out.get(value, (0, 0, 0))
            out[value] = (events + 1, hits + int(k), size + n)
    return {value: row[1:] for value, row in out.items() if row[0] >= 30 and row[2] >= 10}


def variance(k, n):
    p = (k + 1) / (n + 2)
    return p * (1 - p) / (n + 2)


def change(now, before):
    common = sorted(set(now) & set(before))
    if len(common) < 2:
        return None
    gaps = [max(k / n for k, n in (side[g] for g in common)) - min(k / n for k, n in (side[g] for g in common)) for side in (now, before)]
    value = gaps[0] - gaps[1]
    side = now if value > 0 else before

    def extremes(side):
        order = sorted(common, key=lambda g: side[g][0] / side[g][1])
        return order[-1], order[0]

    def error(pair):
        return np.sqrt(sum(variance(*s[g]) for s in (now, before) for g in pair))
    pairs = len(common) * (len(common) - 1) / 2
    pair = extremes(before)
    moved = now[pair[0]][0] / now[pair[0]][1] - now[pair[1]][0] / now[pair[1]][1] - gaps[1]
    return {"change": value, "error": error(extremes(side)), "pairs": pairs, "now": gaps[0], "before": gaps[1], "pair": moved, "pair_error": error(pair)}


def judge(value, error, pairs):
    half = stats.norm.ppf(1 - 0.025 / pairs) * error
    return value - half, value + half, min(1, pairs * 2 * stats.norm.sf(abs(value) / error))


def check(row, wanted):
    low, high, p = judge(wanted["change"], wanted["error"], wanted["pairs"])
    assert (row["value"], row["ci_low"], row["ci_high"]) == pytest.approx((wanted["change"], low, high), abs=1e-12)
    assert row["p_value"] == pytest.approx(p, rel=1e-9, abs=1e-290)


def odds(tpr, fpr):
    now, before = max(tpr["now"], fpr["now"]), max(tpr["before"], fpr["before"])
    side = "now" if now > before else "before"
    by = tpr if tpr[side] >= fpr[side] else fpr
    return {"change": now - before, "error": by["error"], "pairs": tpr["pairs"] + fpr["pairs"]}


def check_hour(rows, hour, attribute, now, before, crosses=()):
    changes = {}
    for metric in RATES:
        wanted = changes[metric] = change(rates(now, attribute, metric, crosses), rates(before, attribute, metric, crosses))
        check(rows[hour, attribute, f"{metric}_gap_change"], wanted)
        assert rows[hour, attribute, f"{metric}_gap_reference"]["value"] == pytest.approx(wanted["before"], abs=1e-12)
        row = rows[hour, attribute, f"{metric}_gap_pair_change"]
        half = 1.959963984540054 * wanted["pair_error"]
        assert (row["value"], row["ci_low"], row["ci_high"]) == pytest.approx((wanted["pair"], wanted["pair"] - half, wanted["pair"] + half), abs=1e-12)
    check(rows[hour, attribute, "equalized_odds_gap_change"], odds(changes["equal_opportunity"], changes["fpr"]))


# ---- a reference with labels and groups ----

CROSS = "intersections: [{attributes: [sex, race]}]"
RULE = "rules: [{name: gap, metric: selection_rate_gap_change, warning: 0.05, max_p: 0.001, window: 1h}]\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("gaps")
    before, items = reference_events(), stream()
    store = replay(directory, items, before, CROSS, RULE)
    return directory, before, [items[h * PER_HOUR:(h + 1) * PER_HOUR] for h in range(len(HOURS))], rows_of(store)


@pytest.mark.parametrize("attribute", ["race", "sex", "sex|race"])
def test_changes_of_gaps(world, attribute):
    _, before, hours, rows = world
    for hour, items in enumerate(hours):
        check_hour(rows, hour, attribute, items, before, [("sex", "race")])
        row = rows[hour, attribute, "selection_rate_gap_change"]
        assert (row["n"], row["reference_n"], row["status"]) == (PER_HOUR, len(before), "ok")


def test_what_changed_is_found(world):
    _, _, _, rows = world
    gap = {hour: rows[hour, "race", "selection_rate_gap_change"] for hour in range(4)}
    assert gap[0]["p_value"] > 0.01 and gap[0]["ci_low"] < 0 < gap[0]["ci_high"]
    assert gap[2]["p_value"] < 1e-8 and gap[2]["value"] > 0.1
    for hour in range(4):
        assert rows[hour, "sex", "selection_rate_gap_change"]["p_value"] > 0.01
    # A pair that became alike does not close the gap that another pair makes.
    assert abs(gap[1]["value"]) < 0.1


def test_groups_that_come_and_go(world):
    _, before, hours, rows = world
    of_hour = {hour: [rows[hour, "race", f"gap_groups_{name}"]["value"] for name in ("compared", "new", "missing")] for hour in range(4)}
    assert of_hour[3] == [2, 1, 2]
    shared = len(rates(hours[0], "race", "selection_rate"))
    assert of_hour[0] == [shared, 0, 4 - len({item["groups"]["race"] for item in hours[0]})]
    # The newcomer is selected far more often than all others, and is not a change of a gap.
    assert abs(rows[3, "race", "selection_rate_gap_change"]["value"]) < 0.1


def test_a_rule_on_a_gap(world):
    directory, *_ = world
    alerts = driftd.query(directory / "driftd.db", "SELECT DISTINCT feature, metric, severity FROM v1_alerts")
    assert ("race", "selection_rate_gap_change", "warning") in alerts and all(row[0] != "sex" for row in alerts)


def test_reference_on_disk(world):
    directory, before, *_ = world
    reference = json.loads((directory / "reference.json").read_text())
    cells = reference["groups"]["race=Caucasian"]
    mine = [item for item in before if item["groups"]["race"] == "Caucasian"]
    pairs = [(item["prediction"], item["label"]) for item in mine]
    assert cells == [pairs.count(pair) for pair in ((1, 1), (1, 0), (0, 1), (0, 0))] + [sum(p for p, _ in pairs), sum(1 - p for p, _ in pairs)]
    assert list(reference["groups"]) == sorted(reference["groups"]) and "sex|race=F|Hispanic" in reference["groups"]


def test_hash_without_groups_is_that_of_before(tmp_path):
    """A reference whose events have no groups does not know that there could be any; shuffled rows are the same."""
    items = [{key: value for key, value in item.items() if key != "groups"} for item in reference_events(count=500)]
    driftd.run("reference", "build", "-o", tmp_path / "a.json", "-m", "m", streams.write(tmp_path / "a.ndjson", items))
    assert "groups" not in json.loads((tmp_path / "a.json").read_text())
    with_groups = reference_events(count=500)
    driftd.run("reference", "build", "-o", tmp_path / "b.json", "-m", "m", streams.write(tmp_path / "b.ndjson", with_groups))
    random.Random(1).shuffle(with_groups)
    driftd.run("reference", "build", "-o", tmp_path / "c.json", "-m", "m", streams.write(tmp_path / "b.ndjson", with_groups))
    assert (tmp_path / "b.json").read_bytes() == (tmp_path / "c.json").read_bytes()


@pytest.mark.parametrize("workers", [2, 4])
def test_same_bytes(world, tmp_path, workers):
    directory, _, hours, _ = world
    items = list(itertools.chain(*hours))
    order = random.Random(workers)
    items.sort(key=lambda item: item["ts"] + order.randrange(900_000))
    store = replay(tmp_path, items, directory / "reference.json", CROSS, RULE, workers=workers, files=workers)
    assert not driftd.difference(driftd.canonical(directory / "driftd.db"), driftd.canonical(store))


# ---- without labels; first outcomes; captured ----


def test_selection_without_labels(tmp_path):
    before, items = reference_events(labelled=False), stream(hours=HOURS[:1], labelled=False)
    rows = rows_of(replay(tmp_path, items, before))
    check(rows[0, "race", "selection_rate_gap_change"], change(rates(items, "race", "selection_rate"), rates(before, "race", "selection_rate")))
    for metric in ("equal_opportunity", "fpr", "accuracy", "equalized_odds"):
        row = rows[0, "race", f"{metric}_gap_change"]
        assert (row["value"], row["p_value"], row["status"]) == (None, None, "undefined")


def test_first_outcomes(tmp_path):
    """Without a reference the first panes with 1,000 labels are it; their own windows have nothing to be compared with."""
    items = stream(seed=8)
    store = replay(tmp_path / "one", items)
    rows = rows_of(store)
    assert {key[0] for key in rows} == {1, 2, 3}
    for hour in (1, 2):
        check_hour(rows, hour, "race", items[hour * PER_HOUR:(hour + 1) * PER_HOUR], items[:PER_HOUR])
        assert not rows[hour, "race", "fpr_gap_change"]["reference_hash"]
    order = random.Random(1)
    items.sort(key=lambda item: item["ts"] + order.randrange(900_000))
    other = replay(tmp_path / "two", items, workers=4, files=2)
    assert not driftd.difference(driftd.canonical(store), driftd.canonical(other))


def test_captured(tmp_path):
    items = stream(seed=9)
    config = configure(tmp_path, "reference: {capture: {duration: 1h, minimum_events: 100, sample: 10000}}")
    driftd.run("replay", "-q", "-c", config, streams.write(tmp_path / "events.ndjson", items))
    rows = rows_of(tmp_path / "driftd.db")
    assert (2, "race", "selection_rate_gap_change") in rows
    check_hour(rows, 2, "race", items[2 * PER_HOUR:3 * PER_HOUR], items[:PER_HOUR])


# ---- nothing to say ----


def test_reference_without_groups(tmp_path):
    before = [{key: value for key, value in item.items() if key != "groups"} for item in reference_events(count=2000)]
    rows = rows_of(replay(tmp_path, stream(hours=HOURS[:1]), before))
    assert {key[1] for key in rows} == {"race", "sex"}
    assert all(row["value"] is None and row["status"] != "ok" for row in rows.values())


def test_one_group(tmp_path):
    one = {"African-American": (1, 0.5, 0.7, 0.4)}
    rows = rows_of(replay(tmp_path, stream(hours=[one]), reference_events(count=2000, races=one)))
    assert rows[0, "race", "gap_groups_compared"]["value"] == 1
    assert all(row["value"] is None and row["status"] == "undefined" for key, row in rows.items()
               if key[1] == "race" and not key[2].startswith("gap_groups"))


def test_attribute_that_the_reference_lacks(tmp_path):
    before = [{**item, "groups": {"sex": item["groups"]["sex"]}} for item in reference_events(count=2000)]
    rows = rows_of(replay(tmp_path, stream(hours=HOURS[:1]), before))
    assert rows[0, "race", "selection_rate_gap_change"]["value"] is None
    assert rows[0, "race", "gap_groups_new"]["value"] is None
    assert rows[0, "sex", "selection_rate_gap_change"]["status"] == "ok"
