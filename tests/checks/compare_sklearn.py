#!/usr/bin/env python3
"""Compares the later statistics families with scikit-learn, SciPy and plain definitions on random inputs.

Feeds cases to `runner --eval`. Prints the largest relative deviation per statistic; exit status 1 when one is above
its tolerance, 77 when the libraries are not installed.

    python3 tests/checks/compare_sklearn.py build/release/vectors/runner [--cases 100] [--seed 1]
"""
import argparse
import json
import math
import subprocess
import sys
import warnings

try:
    import numpy as np
    from scipy import optimize, stats
    from sklearn import isotonic, metrics, decomposition, preprocessing
except ImportError:
    print("compare_sklearn: numpy, SciPy or scikit-learn is not installed", file=sys.stderr)
    sys.exit(77)

TOLERANCE = 1e-8


class Comparison:
    def __init__(self, path):
        self.process = subprocess.Popen([path, "--eval"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.worst, self.count, self.bad = {}, {}, {}

    def run(self, function, **values):
        line = json.dumps({"fn": function, "input": values})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self.line = line
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            sys.exit(f"{function}: {answer['error']}\n{line[:2000]}")
        return answer

    def near(self, name, got, want, tolerance=TOLERANCE):
        got = np.array(np.asarray(got, dtype=object).ravel(), dtype=float)
        want = np.array(np.asarray(want, dtype=object).ravel(), dtype=float)
        for g, w in zip(got, want):
            same = g == w or (math.isnan(g) and math.isnan(w))
            deviation = 0.0 if same else abs(g - w) / max(1e-3, abs(w))
            if not deviation <= self.worst.get(name, 0.0):
                self.worst[name] = deviation
            if not deviation <= tolerance and name not in self.bad:
                self.bad[name] = (g, w, self.line)
        if len(got) != len(want):
            self.bad[name] = (len(got), len(want), self.line)
        self.count[name] = self.count.get(name, 0) + len(want)

    def finish(self):
        self.process.stdin.close()
        self.process.wait()
        for name in sorted(self.count):
            print(f"{'FAIL' if name in self.bad else 'ok  '} {name}: {self.count[name]} values, largest deviation "
                  f"{self.worst.get(name, 0):.3g}")
        for name, (got, want, line) in self.bad.items():
            print(f"{name}: got {got!r}, want {want!r}\n  {line[:1500]}", file=sys.stderr)
        return 1 if self.bad else 0


def ratio(a, b):
    return a / b if b else math.nan


def intervals(c, rng):
    n = int(10 ** rng.uniform(0, 5))
    k = int(rng.integers(0, n + 1))
    alpha = float(rng.choice([0.2, 0.05, 0.001]))
    got = c.run("proportion_ci", k=k, n=n, alpha=alpha)
    test = stats.binomtest(k, n)
    for name, method in [("wilson", "wilson"), ("clopper_pearson", "exact")]:
        ci = test.proportion_ci(1 - alpha, method)
        c.near("interval " + name, got[name], [ci.low, ci.high])
    c.near("interval jeffreys", got["jeffreys"], stats.beta.ppf([alpha / 2, 1 - alpha / 2], k + .5, n - k + .5))
    n1, n2 = (int(10 ** rng.uniform(0, 4)) for _ in range(2))
    k1, k2 = int(rng.binomial(n1, rng.beta(.5, 2))), int(rng.binomial(n2, rng.beta(.5, 2)))
    got = c.run("two_proportions", k1=k1, n1=n1, k2=k2, n2=n2)
    c.near("Fisher p", got["fisher_p"], stats.fisher_exact([[k1, n1 - k1], [k2, n2 - k2]])[1])
    m, s = rng.normal(size=2), rng.exponential(size=2)
    n1, n2 = (int(v) for v in rng.integers(2, 200, 2))
    got = c.run("welch", m1=m[0], s1=s[0], n1=n1, m2=m[1], s2=s[1], n2=n2)
    t = stats.ttest_ind_from_stats(m[0], s[0], n1, m[1], s[1], n2, equal_var=False)
    c.near("Welch", [got["t"], got["p"]], [t.statistic, t.pvalue])
    p = rng.beta(.3, 1, int(rng.integers(1, 40)))
    got = c.run("multiple_testing", p=p.tolist(), alpha=0.05)
    c.near("Benjamini-Hochberg", got["bh_adjusted"], stats.false_discovery_control(p))


def binary(c, rng):
    n = int(rng.integers(2, 400))
    digits = int(rng.choice([1, 2, 3, 15]))
    y = (rng.random(n) < rng.beta(1, 1)).astype(int)
    score = np.clip(rng.beta(1 + y, 2 - y), 0, 1).round(digits)
    got = c.run("binary_scores", y=y.tolist(), score=score.tolist(), threshold=0.5)
    chosen = (score >= 0.5).astype(int)
    c.near("accuracy", got["accuracy"], metrics.accuracy_score(y, chosen))
    c.near("mcc", got["mcc"], metrics.matthews_corrcoef(y, chosen))
    c.near("kappa", got["kappa"], metrics.cohen_kappa_score(y, chosen))
    c.near("brier", got["brier"], np.mean((score - y) ** 2))
    if 0 < y.sum() < n:
        c.near("roc_auc", got["roc_auc"], metrics.roc_auc_score(y, score))
        c.near("average_precision", got["average_precision"], metrics.average_precision_score(y, score))
        c.near("ks_separation", got["ks_separation"], stats.ks_2samp(score[y == 1], score[y == 0]).statistic)
        c.near("f1", got["f1"], metrics.f1_score(y, chosen, zero_division=np.nan))
        if 1 < y.sum() < n - 1:
            won = (score[y == 1][:, None] > score[y == 0]) + .5 * (score[y == 1][:, None] == score[y == 0])
            want = won.mean(1).var(ddof=1) / y.sum() + won.mean(0).var(ddof=1) / (n - y.sum())
            c.near("auc variance", got["auc_var_delong"], want)
    p = np.clip(score, 1e-15, 1 - 1e-15)
    c.near("log_loss", got["log_loss"], -np.mean(np.where(y, np.log(p), np.log(np.clip(1 - score, 1e-15, 1)))))
    calibration(c, y, score)
    fraction = float(rng.uniform(0.01, 1))
    got = c.run("lift", y=y.tolist(), score=score.tolist(), fraction=fraction)
    k = math.ceil(fraction * n)
    top = y[np.argsort(-score, kind="stable")[:k]]
    c.near("lift", got["lift"], ratio(top.mean(), y.mean()))


def calibration(c, y, p):
    got = c.run("calibration", p=p.tolist(), y=y.tolist())
    b = np.minimum((10 * p).astype(int), 9)
    gaps = [(np.sum(b == k), p[b == k].mean(), y[b == k].mean()) for k in range(10) if np.any(b == k)]
    c.near("ece", got["ew10"]["ece"], sum(n * abs(u - v) for n, u, v in gaps) / len(y))
    c.near("mce", got["ew10"]["mce"], max(abs(u - v) for n, u, v in gaps))
    identity = got["ew10"]["reliability"] - got["ew10"]["resolution"] + got["ew10"]["uncertainty"]
    c.near("Murphy", identity + got["within_bin_variance"] - got["within_bin_covariance"], got["brier"])
    denominator = np.sum((1 - 2 * p) ** 2 * p * (1 - p))
    want = ratio(np.sum((y - p) * (1 - 2 * p)), math.sqrt(denominator)) if denominator > 0 else math.nan
    c.near("Spiegelhalter", got["spiegelhalter_z"], want)
    x = np.clip(p, 1e-6, 1 - 1e-6)
    x = np.log(x) - np.log1p(-x)
    slope, intercept = got["logit_slope"], got["logit_intercept"]
    if isinstance(slope, float):  # the gradient of the likelihood vanishes there
        residual = y - 1 / (1 + np.exp(-(intercept + slope * x)))
        c.near("calibration line gradient", [1 + residual.sum() / len(y), 1 + (residual * x).sum() / len(y)], [1, 1])


def multiclass(c, rng):
    k = int(rng.integers(2, 6))
    y, p = rng.integers(0, k, (2, int(rng.integers(1, 200))))
    if rng.random() < 0.5:
        p = np.where(rng.random(len(y)) < 0.6, y, p)
    matrix = metrics.confusion_matrix(y, p, labels=range(k))
    got = c.run("multiclass_confusion", confusion_rows_true=matrix.tolist())
    for average in ["macro", "micro", "weighted"]:
        want = metrics.precision_recall_fscore_support(y, p, average=average, zero_division=0)[:3]
        c.near("multiclass " + average, [got[average + "_" + m] for m in ["precision", "recall", "f1"]], want)
    c.near("multiclass mcc", got["mcc"], metrics.matthews_corrcoef(y, p))
    c.near("multiclass kappa", got["kappa"], metrics.cohen_kappa_score(y, p))
    c.near("multiclass balanced", got["balanced_accuracy"], metrics.balanced_accuracy_score(y, p))
    scores = rng.dirichlet(np.ones(k), len(y))
    got = c.run("calibration_multiclass", P=scores.tolist(), y=y.tolist(), bins=10)
    want = np.mean(np.sum((scores - np.eye(k)[y]) ** 2, axis=1))
    c.near("multiclass brier", got["multiclass_brier"], want)


def regression_and_ranking(c, rng):
    n = int(rng.integers(2, 200))
    y = rng.normal(rng.choice([0, 1000]), rng.choice([1, 50]), n)
    f = y + rng.normal(0.3, 2, n)
    got = c.run("regression", y=y.tolist(), pred=f.tolist())
    c.near("regression", [got["mae"], got["mse"], got["r2"], got["explained_variance"], got["mape"]],
           [metrics.mean_absolute_error(y, f), metrics.mean_squared_error(y, f), metrics.r2_score(y, f),
            metrics.explained_variance_score(y, f), metrics.mean_absolute_percentage_error(y, f)])
    c.near("residual sd", got["residual_std"], np.std(f - y, ddof=1))
    n = int(rng.integers(2, 15))
    relevance, score = rng.integers(0, 4, n), rng.integers(0, 5, n) / 10
    got = c.run("ndcg", relevance=relevance.tolist(), score=score.tolist())
    for k in range(1, n):
        if relevance.any():
            c.near("ndcg", got[f"ndcg_at_{k}"], metrics.ndcg_score([relevance], [score], k=k))
            c.near("dcg", got[f"dcg_at_{k}"], metrics.dcg_score([relevance], [score], k=k))


def calibrators(c, rng):
    n = int(rng.integers(2, 100))
    x, y = rng.random(n).round(int(rng.choice([1, 2, 9]))), rng.integers(0, 2, n)
    query = rng.uniform(-.2, 1.2, 20)
    got = c.run("isotonic", x=x.tolist(), y=y.tolist(), query=query.tolist())
    model = isotonic.IsotonicRegression(out_of_bounds="clip").fit(x, y)
    c.near("isotonic", got["fit_at_x"] + got["query"], np.r_[model.predict(x), model.predict(query)])
    x = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-x))).astype(int)
    got = c.run("logistic_fit", x_logit=x.tolist(), y=y.tolist(), ridge=0.1)
    if 0 < y.sum() < n:
        def loss(v):
            return np.sum(np.logaddexp(0, v[0] + v[1] * x) - y * (v[0] + v[1] * x)) + 0.05 * v[1] ** 2
        best = optimize.minimize(loss, [0, 0], method="BFGS", options={"gtol": 1e-10})
        c.near("logistic", [got["intercept"], got["slope"]], best.x, 1e-4)


def multivariate(c, rng):
    d, m, n = int(rng.integers(1, 6)), int(rng.integers(12, 60)), int(rng.integers(12, 60))
    mix = rng.normal(size=(d, d))
    ref, cur = rng.normal(size=(m, d)) @ mix, rng.normal(size=(n, d)) @ mix + 0.3
    pair = {"ref": ref.tolist(), "cur": cur.tolist()}
    got = c.run("hotelling", **pair)
    pooled = np.atleast_2d(((m - 1) * np.cov(ref.T) + (n - 1) * np.cov(cur.T)) / (m + n - 2))
    delta = cur.mean(0) - ref.mean(0)
    t2 = m * n / (m + n) * delta @ np.linalg.solve(pooled, delta)
    f = t2 * (m + n - d - 1) / (d * (m + n - 2))
    c.near("Hotelling", [got["hotelling_T2"], got["p"]], [t2, stats.f.sf(f, d, m + n - d - 1)], 1e-6)
    got = c.run("pca_reconstruction", variance_kept=0.65, **pair)
    scaler = preprocessing.StandardScaler().fit(ref)
    pca = decomposition.PCA(n_components=0.65 if d > 1 else 1, svd_solver="full").fit(scaler.transform(ref))
    z = scaler.transform(cur)
    error = np.linalg.norm(z - pca.inverse_transform(pca.transform(z)), axis=1)
    c.near("PCA error", [got["components"], 1 + got["mean_error_cur"]], [pca.n_components_, 1 + error.mean()])
    omega = rng.normal(size=(8, d))
    got = c.run("rff_mmd", omega=omega.tolist(), **pair)
    features = [np.hstack([np.cos(a @ omega.T), np.sin(a @ omega.T)]) / math.sqrt(8) for a in (ref, cur)]
    c.near("MMD", got["mmd2_biased"], np.sum((features[0].mean(0) - features[1].mean(0)) ** 2))
    distance = [np.linalg.norm(a - b) for i, a in enumerate(ref) for b in ref[:i]]
    c.near("median distance", c.run("median_heuristic", x=ref.tolist())["sigma_median_pairwise"], np.median(distance))


def others(c, rng):
    count = int(rng.integers(2, 12))
    train, live = rng.integers(0, 6, (2, count)) / 10
    got = c.run("attribution_ndcg", train={f"f{i}": v for i, v in enumerate(train)},
                live={f"f{i}": v for i, v in enumerate(live)})
    if train.any() and live.any():
        c.near("share L1", got["share_l1"], np.abs(train / train.sum() - live / live.sum()).sum())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            c.near("Spearman", got["spearman"], stats.spearmanr(train, live).statistic)
    n, reference = int(rng.integers(1, 500)), int(rng.integers(2, 500))
    k = int(rng.integers(0, min(n, 20) + 1))
    want = 1.0 if k == 0 else stats.betabinom.sf(k - 1, n, 2, reference - 1)
    c.near("out of range", c.run("out_of_range", k=k, n=n, M=reference)["p"], want)
    n, p, level = int(rng.integers(1, 300)), float(rng.random()), 0.95
    got = c.run("consistency_interval", n=n, mean_p=p, level=level)
    c.near("consistency bar", [got["lower"], got["upper"]], stats.binom.ppf([0.025, 0.975], n, p) / n)
    values = np.sort(rng.lognormal(0, 2, 300))
    got = c.run("ddsketch_quantiles", alpha=0.01, values=values.tolist())
    for q in [5, 50, 99]:
        c.near("sketch", got[f"p{q}"], values[int(q / 100 * 299)], 0.0101)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runner")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(args.seed)
    comparison = Comparison(args.runner)
    for _ in range(args.cases):
        for family in [intervals, binary, multiclass, regression_and_ranking, calibrators, multivariate, others]:
            family(comparison, rng)
    return comparison.finish()


if __name__ == "__main__":
    sys.exit(main())
