#!/usr/bin/env python3
"""Compares the statistics of detectors/ with SciPy on random inputs.

Feeds cases to `runner --eval` and computes the same numbers with scipy.stats. Prints the largest deviation per
statistic; exit status 1 when one is above its tolerance, 77 when SciPy is not installed.

    python3 tests/checks/compare_scipy.py build/release/vectors/runner [--cases 200] [--seed 1]
"""
import argparse
import json
import math
import subprocess
import sys
import warnings

try:
    import numpy as np
    from scipy import stats
    from scipy.spatial.distance import jensenshannon
except ImportError:
    print("compare_scipy: SciPy is not installed", file=sys.stderr)
    sys.exit(77)

# name: (relative, absolute). SciPy stops its Cramer-von Mises series at terms below 1e-7.
TOLERANCE = {
    "cvm_p_asymp_scipy": (1e-7, 1e-7),
    "ks_p_exact": (1e-8, 1e-12),
}
DEFAULT_TOLERANCE = (1e-9, 1e-11)


def random_counts(rng):
    bins = int(rng.integers(2, 40))
    weights = rng.dirichlet(np.full(bins, rng.choice([0.2, 1.0, 10.0])))
    other = weights if rng.random() < 0.3 else rng.dirichlet(50 * weights + 1e-3)
    sizes = 10 ** rng.uniform(1, 6, 2)
    return rng.multinomial(int(sizes[0]), weights), rng.multinomial(int(sizes[1]), other)


def random_values(rng):
    sizes = rng.integers(2, 120, 2)
    shift = rng.choice([0.0, 0.3, 1.0])
    kind = rng.integers(0, 4)
    if kind == 0:
        pair = rng.normal(size=sizes[0]), rng.normal(size=sizes[1]) + shift
    elif kind == 1:
        pair = rng.poisson(2, sizes[0]), rng.poisson(2 + shift, sizes[1])
    elif kind == 2:
        pair = rng.exponential(size=sizes[0]).round(1), rng.exponential(1 + shift, sizes[1]).round(1)
    else:
        pair = rng.lognormal(0, 2, sizes[0]), rng.lognormal(shift, 2, sizes[1])
    return [np.asarray(x, dtype=float) for x in pair]


def expected_of_counts(ref, cur):
    columns = ref + cur > 0
    table = np.array([ref[columns], cur[columns]])
    p, q = ref / ref.sum(), cur / cur.sum()
    wanted = {
        "js_dist_base2": jensenshannon(p, q, 2),
        "js_dist_nats": jensenshannon(p, q),
        "tv": np.abs(p - q).sum() / 2,
        "hellinger": math.sqrt(max(0.0, 1 - np.sqrt(p * q).sum())),
    }
    # Below this, 1 − Σ√(pq) is rounding on both sides.
    if wanted["hellinger"] < 1e-5:
        del wanted["hellinger"]
    tests = {}
    if table.shape[1] > 1:
        chi2 = stats.chi2_contingency(table, correction=False)
        g = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
        tests = {"chi2": chi2[0], "df": chi2[2], "p": chi2[1], "g": g[0], "g_p": g[1]}
    return wanted, tests


def expected_of_values(ref, cur):
    n, m = len(cur), len(ref)
    ks = stats.ks_2samp(ref, cur, method="exact")
    wanted = {
        "ks": ks.statistic,
        "ks_p_exact": ks.pvalue,
        "ks_p_asymp_kolmogorov": stats.kstwobign.sf(math.sqrt(n * m / (n + m)) * ks.statistic),
        "w1": stats.wasserstein_distance(ref, cur),
        "energy": stats.energy_distance(ref, cur),
        "mwu_auc": stats.mannwhitneyu(cur, ref).statistic / (n * m),
    }
    pooled = np.concatenate([ref, cur])
    if len(np.unique(pooled)) > 1:
        cvm = stats.cramervonmises_2samp(ref, cur, method="asymptotic")
        wanted["cvm_T"] = cvm.statistic
        wanted["cvm_p_asymp_scipy"] = cvm.pvalue
        wanted["ad_normalised_scipy"] = anderson(ref, cur)
        if np.std(ref) > 0 and np.std(cur) > 0:
            welch = stats.ttest_ind(ref, cur, equal_var=False)
            wanted["welch_t"], wanted["welch_p"] = welch.statistic, welch.pvalue
    return wanted


def anderson(ref, cur):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return stats.anderson_ksamp([ref, cur], midrank=True).statistic
        except TypeError:
            return stats.anderson_ksamp([ref, cur], variant="midrank").statistic


def build(rng, count):
    cases = []
    for _ in range(count):
        ref, cur = random_counts(rng)
        counts = {"ref": ref.tolist(), "cur": cur.tolist()}
        distances, tests = expected_of_counts(ref, cur)
        cases.append(("count_distances", counts, distances))
        cases.append(("count_tests", counts, tests))
        ref, cur = random_values(rng)
        cases.append(("two_sample_raw", {"ref": ref.tolist(), "cur": cur.tolist()}, expected_of_values(ref, cur)))
    return cases


def evaluate(runner, cases):
    lines = "".join(json.dumps({"fn": fn, "input": given}) + "\n" for fn, given, _ in cases)
    done = subprocess.run([runner, "--eval"], input=lines, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(cases):
        sys.exit(f"compare_scipy: {runner} answered {len(answers)} of {len(cases)} cases")
    return answers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runner")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    cases = build(rng, options.cases)
    worst, failures = {}, 0
    for (fn, given, wanted), got in zip(cases, evaluate(options.runner, cases)):
        for key, want in wanted.items():
            value = float(got.get(key, "nan"))
            relative, absolute = TOLERANCE.get(key, DEFAULT_TOLERANCE)
            allowed = absolute + relative * abs(want)
            ratio = abs(value - want) / allowed if math.isfinite(value) else math.inf
            worst[key] = max(worst.get(key, 0.0), ratio)
            if not ratio <= 1:
                failures += 1
                if failures <= 5:
                    print(f"FAIL {fn}.{key}: got {value!r}, SciPy {want!r}, input {json.dumps(given)[:300]}")
    for key in sorted(worst):
        print(f"{key:24} largest deviation {worst[key]:9.2g} of the tolerance")
    print(f"compare_scipy: {len(cases)} cases, {failures} deviations above tolerance")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
