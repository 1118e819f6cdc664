"""Statistics end to end: files through `reference build`, `replay` and the store, against numpy and scipy on the raw values."""

import json
import math

import numpy
import pytest
import scipy.stats

import driftd
import streams
from streams import MINUTE, START

BODY = """time: {tiers: [1h, 1d], lateness: 1h}
windows: [{length: 1d, slide: 1d}]
models: [{name: m, reference: {file: "REFERENCE"}}]
"""
N_REFERENCE, N = 4000, 1440
DAY_END = (START + 86_400_000) // 1000

rng = numpy.random.default_rng(20260301)


def numeric_sets():
    r, n = N_REFERENCE, N
    return {
        "normal": (rng.normal(0, 1, r), rng.normal(0.3, 1.2, n)),
        "same": (rng.normal(5, 2, r), rng.normal(5, 2, n)),
        "lognormal": (rng.lognormal(0, 2, r), rng.lognormal(0.5, 2, n)),
        "zero_inflated": (rng.exponential(1, r) * (rng.random(r) < 0.3), rng.exponential(1, n) * (rng.random(n) < 0.5)),
        "integers": (rng.poisson(4, r).astype(float), rng.poisson(5, n).astype(float)),
        "ties": (rng.integers(0, 3, r) / 7.0, rng.integers(0, 4, n) / 7.0),
        "huge": (rng.normal(0, 1, r) * 1e300, rng.normal(0.5, 1, n) * 1e300),
        "tiny": (rng.normal(0, 1, r) * 1e-300, rng.normal(0.5, 1, n) * 1e-300),
        "offset": (1e9 + rng.normal(0, 1, r), 1e9 + rng.normal(0.2, 1, n)),
        "constant": (numpy.full(r, 7.25), numpy.full(n, 7.25)),
        "constant_moves": (numpy.full(r, 7.25), numpy.full(n, 8.25)),
    }


def categorical_sets():
    letters = ["red", "grün", "青", "🐢", "", "with \"quotes\"", "back\\slash", "tab\there"]
    r = [letters[i] for i in rng.choice(8, N_REFERENCE, p=[.3, .2, .15, .1, .1, .05, .05, .05])]
    c = [letters[i] for i in rng.choice(8, N, p=[.2, .2, .2, .1, .1, .1, .05, .05])]
    unseen = ["a", "b", "c"], ["a", "b", "new", "newer"]
    return {"letters": (r, c), "unseen": ([unseen[0][i] for i in rng.integers(0, 3, N_REFERENCE)], [unseen[1][i] for i in rng.integers(0, 4, N)]),
            "booleans": ([bool(x) for x in rng.random(N_REFERENCE) < 0.3], [bool(x) for x in rng.random(N) < 0.4])}


NUMERIC, CATEGORICAL = numeric_sets(), categorical_sets()
MISSING = rng.random(N) < 0.1  # of `holes`
INVALID = rng.random(N) < 0.05  # of `mixed`


def features(i, reference):
    at = 0 if reference else 1
    row = {name: float(pair[at][i]) for name, pair in NUMERIC.items()}
    row |= {name: pair[at][i] for name, pair in CATEGORICAL.items()}
    row["all_missing"] = None
    holes = float(NUMERIC["same"][at][i])
    row["mixed"] = holes if reference or not INVALID[i] else "not a number"
    if reference or not MISSING[i]:
        row["holes"] = holes
    return row


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    directory = tmp_path_factory.mktemp("statistics")
    training = [streams.prediction(START - 10**9 + i, i, features(i, True)) for i in range(N_REFERENCE)]
    current = [streams.prediction(START + i * MINUTE, i, features(i, False)) for i in range(N)]
    driftd.run("reference", "build", "-o", directory / "r.json", "-n", "training", "-m", "m", streams.write(directory / "t.ndjson", training))
    return streams.replay(directory, "s", BODY.replace("REFERENCE", str(directory / "r.json")), [streams.write(directory / "c.ndjson", current)])


@pytest.fixture(scope="module")
def found(store):
    return {(feature, metric): (value, n, p) for feature, metric, value, n, p in driftd.query(
        store, "SELECT feature, metric, value, n, p_value FROM v1_results WHERE window_s = 86400 AND window_end_s = ?", DAY_END)}


def near(got, want, relative=1e-9, absolute=0.0):
    assert got is not None and math.isclose(got, want, rel_tol=relative, abs_tol=absolute), (got, want)


def unit(name):
    """A power of two near the values: dividing by it is exact, and numpy's sums neither overflow nor vanish."""
    return 2.0 ** math.floor(math.log2(max(abs(NUMERIC[name][0]).max(), abs(NUMERIC[name][1]).max())))


@pytest.mark.parametrize("name", [name for name in NUMERIC if name != "lognormal"])  # its tail is clipped at 256 scales, by design
def test_moments(found, name):
    """Population standard deviation; the error is relative to the reference's scale (sums are of standardised values)."""
    values, scale = NUMERIC[name][1] / unit(name), float(numpy.std(NUMERIC[name][0] / unit(name))) or 1.0
    near(found[name, "mean"][0] / unit(name), float(numpy.mean(values)), 1e-12, 1e-9 * scale)
    near(found[name, "sd"][0] / unit(name), float(numpy.std(values)), 1e-9, 1e-9 * scale)


@pytest.mark.parametrize("name", NUMERIC)
def test_ks_is_inside_its_bracket(found, name):
    exact = scipy.stats.ks_2samp(*NUMERIC[name]).statistic
    low, high = found[name, "ks"][0], found[name, "ks_upper"][0]
    assert low - 1e-12 <= exact <= high + 1e-12
    assert high - low <= 2 / 240 + 1 / 100 or name in ("integers", "ties", "constant", "constant_moves", "zero_inflated")


@pytest.mark.parametrize("name", ["normal", "same", "integers", "ties", "zero_inflated", "offset", "huge", "tiny"])
def test_wasserstein(found, name):
    reference, current = (values / unit(name) for values in NUMERIC[name])
    scale = float(numpy.std(reference))
    exact = scipy.stats.wasserstein_distance(reference / scale, current / scale)
    near(found[name, "w1"][0] / unit(name) / scale, exact, 0.02, 0.01)


@pytest.mark.parametrize("name", ["letters", "booleans"])
def test_categories_exactly(found, name):
    """Chi-square, Cramér's V, PSI, JS and total variation from the counts themselves, by METHODS' formulas."""
    reference, current = CATEGORICAL[name]
    keys = sorted(set(map(str, reference)) | set(map(str, current)))
    r = numpy.array([sum(str(v) == key for v in reference) for key in keys], float)
    c = numpy.array([sum(str(v) == key for v in current) for key in keys], float)
    chi2, p, _, _ = scipy.stats.chi2_contingency([r, c], correction=False)
    near(found[name, "chi2"][0], chi2)
    near(found[name, "chi2"][2], p, 1e-6)
    near(found[name, "cramers_v"][0], math.sqrt(chi2 / (r.sum() + c.sum())), 1e-9)
    pr, pc = r / r.sum(), c / c.sum()
    near(found[name, "total_variation"][0], abs(pr - pc).sum() / 2)
    near(found[name, "linf"][0], abs(pr - pc).max())
    middle = (pr + pc) / 2
    near(found[name, "js"][0], math.sqrt((scipy.stats.entropy(pr, middle, 2) + scipy.stats.entropy(pc, middle, 2)) / 2))
    sr, sc = (r + 0.5) / (r.sum() + len(keys) / 2), (c + 0.5) / (c.sum() + len(keys) / 2)  # Jeffreys
    near(found[name, "psi"][0], float(((sc - sr) * numpy.log(sc / sr)).sum()))


def test_rates_exactly(found):
    near(found["holes", "missing_rate"][0], MISSING.sum() / N)
    near(found["mixed", "invalid_rate"][0], INVALID.sum() / N)
    assert found["same", "missing_rate"][0] == 0 and found["same", "invalid_rate"][0] == 0
    unseen = sum(value.startswith("new") for value in CATEGORICAL["unseen"][1])
    near(found["unseen", "unseen_rate"][0], unseen / N)
    for name in ("normal", "zero_inflated", "huge", "tiny"):
        reference, current = NUMERIC[name]
        outside = ((current < reference.min()) | (current > reference.max())).sum()
        near(found[name, "out_of_range_rate"][0], outside / N)
    assert found["normal", "psi"][1] == N and found["holes", "psi"][1] == N - MISSING.sum()


def test_what_has_no_values(found):
    if ("all_missing", "missing_rate") in found:
        assert found["all_missing", "missing_rate"][0] == 1.0
        assert found["all_missing", "psi"][0] is None
    for (feature, metric), (value, _, _) in found.items():
        assert value is None or math.isfinite(value), (feature, metric)


def test_constant(found):
    assert found["constant", "psi"][0] == pytest.approx(0, abs=1e-9) and found["constant", "ks"][0] == 0
    assert found["constant_moves", "ks_upper"][0] == 1.0 and found["constant_moves", "out_of_range_rate"][0] == 1.0


def test_infinities_and_nan_are_refused(tmp_path):
    """1e999, NaN and Infinity are no JSON numbers of ours: counted as refused or invalid, never an infinity in a result."""
    lines = [json.dumps(streams.prediction(START + i * MINUTE, i, {"x": float(i % 10)})) for i in range(2000)]
    for i, text in ((50, "1e999"), (51, "-1e999"), (52, "NaN"), (53, "Infinity"), (54, '"NaN"')):
        lines[i] = lines[i].replace(f'"x": {float(i % 10)}', f'"x": {text}')
        assert text in lines[i]
    file = tmp_path / "e.ndjson"
    file.write_text("\n".join(lines) + "\n")
    store = streams.replay(tmp_path, "s", "", [file])
    fates = streams.fates(store)
    assert sum(fates.values()) == 2000 and fates["applied", ""] <= 1998
    assert driftd.query(store, "SELECT COUNT(*) FROM v1_results WHERE value IN (9e999, -9e999)") == [(0,)]


def test_very_many_categories(tmp_path):
    """10^5 distinct values: the vocabulary stays within its bound, the rest is one category, and nothing is lost."""
    training = [streams.prediction(START - 10**9 + i, i, {"c": f"value-{i % 100_000}" if i % 2 else "common"}) for i in range(100_000)]
    current = [streams.prediction(START + i * 10_000, i, {"c": f"other-{i}" if i % 2 else "common"}) for i in range(8640)]
    driftd.run("reference", "build", "-o", tmp_path / "r.json", "-n", "t", "-m", "m", streams.write(tmp_path / "t.ndjson", training))
    shown = driftd.run("reference", "show", tmp_path / "r.json").stdout
    assert "64 categories" in shown and "100000" in shown
    store = streams.replay(tmp_path, "s", BODY.replace("REFERENCE", str(tmp_path / "r.json")), [streams.write(tmp_path / "c.ndjson", current)])
    rates = dict(driftd.query(store, "SELECT metric, value FROM v1_results WHERE window_end_s = ? AND feature = 'c'", DAY_END))
    assert rates["unseen_rate"] + rates["other_rate"] == pytest.approx(0.5)
