/* Suite multivariate. */
#include <math.h>

#include "detectors/multivariate.h"
#include "tests/vectors/vectors.h"

struct rows {
    double *values, *mean, *covariance;
    size_t n;
    uint32_t d;
};

static struct rows read_rows(struct vector_case *vc, const char *key)
{
    struct rows r;
    size_t columns;
    r.values = case_matrix(vc, vc->input, key, &r.n, &columns);
    r.d = (uint32_t)columns;
    r.mean = case_alloc(vc, columns, sizeof *r.mean);
    r.covariance = case_alloc(vc, columns * columns, sizeof *r.covariance);
    if (r.n > 0)
        rows_moments(r.values, r.n, r.d, r.mean, r.covariance);
    else
        case_fail(vc, "\"%s\" is empty", key);
    return r;
}

static struct rows features_of(struct vector_case *vc, const struct rff *rff, const struct rows *r)
{
    uint32_t width = 2 * rff->frequencies;
    struct rows f = {.n = r->n, .d = width};
    f.values = case_alloc(vc, r->n * width, sizeof *f.values);
    f.mean = case_alloc(vc, width, sizeof *f.mean);
    f.covariance = case_alloc(vc, (size_t)width * width, sizeof *f.covariance);
    for (size_t i = 0; i < r->n; i++)
        rff_features(rff, r->values + i * r->d, f.values + i * width);
    rows_moments(f.values, f.n, width, f.mean, f.covariance);
    return f;
}

static void run_mmd(struct vector_case *vc)
{
    size_t frequencies, d;
    const double *omega = case_matrix(vc, vc->input, "omega", &frequencies, &d);
    struct rows reference = read_rows(vc, "ref"), current = read_rows(vc, "cur");
    struct rff *rff = rff_from_omega(omega, (uint32_t)d, (uint32_t)frequencies);
    if (!rff || reference.d != d || current.d != d) {
        case_fail(vc, "omega, ref and cur do not fit together");
        rff_free(rff);
        return;
    }
    struct rows r = features_of(vc, rff, &reference), c = features_of(vc, rff, &current);
    double trace, trace2;
    covariance_traces(r.covariance, r.d, &trace, &trace2);
    struct mmd mmd = mmd_of(r.mean, (double)r.n, c.mean, (double)c.n, r.d, trace, trace2);
    case_put_numbers(vc, "mean_embedding_ref", r.mean, r.d);
    case_put_numbers(vc, "mean_embedding_cur", c.mean, c.d);
    case_put(vc, "mmd2_biased", mmd.biased);
    case_put(vc, "mmd2_unbiased", mmd.unbiased);
    case_put(vc, "trace_sigma", trace);
    case_put(vc, "trace_sigma2", trace2);
    case_put(vc, "p_satterthwaite", mmd.p);
    rff_free(rff);
}

static void run_median(struct vector_case *vc)
{
    struct rows r = read_rows(vc, "x");
    double sigma = NAN;
    if (median_distance(r.values, r.n, r.d, &sigma))
        case_fail(vc, "fewer than two rows");
    case_put(vc, "sigma_median_pairwise", sigma);
}

static void run_pca(struct vector_case *vc)
{
    struct rows r = read_rows(vc, "ref"), c = read_rows(vc, "cur");
    struct pca *pca =
        pca_new(r.mean, r.covariance, (double)r.n, r.d, case_number_or(vc, vc->input, "variance_kept", 0.65));
    if (!pca || c.d != r.d) {
        case_fail(vc, "no components");
        pca_free(pca);
        return;
    }
    double *scratch = case_alloc(vc, 2 * (size_t)r.d, sizeof *scratch);
    double *errors = case_alloc(vc, r.n + c.n, sizeof *errors);
    double mean, variance;
    for (size_t i = 0; i < r.n; i++)
        errors[i] = pca_error(pca, r.values + i * r.d, scratch);
    rows_moments(errors, r.n, 1, &mean, &variance);
    case_put(vc, "mean_error_ref", mean);
    case_put(vc, "sd_error_ref", sqrt(variance));
    for (size_t i = 0; i < c.n; i++)
        errors[i] = pca_error(pca, c.values + i * r.d, scratch);
    rows_moments(errors, c.n, 1, &mean, &variance);
    case_put(vc, "mean_error_cur", mean);
    case_put(vc, "sd_error_cur", sqrt(variance));
    case_put(vc, "components", pca->components);
    case_put_numbers(vc, "explained_ratio", pca->explained, r.d);
    pca_free(pca);
}

static void run_correlation(struct vector_case *vc)
{
    struct rows r = read_rows(vc, "ref"), c = read_rows(vc, "cur");
    if (r.d != c.d || r.d == 0) {
        case_fail(vc, "ref and cur do not fit together");
        return;
    }
    size_t pairs = (size_t)r.d * (r.d - 1) / 2;
    double *z = case_alloc(vc, pairs, sizeof *z);
    struct correlation_drift drift =
        correlation_drift(r.covariance, (double)r.n, c.covariance, (double)c.n, r.d, z);
    case_put_numbers(vc, "fisher_z", z, pairs);
    case_put(vc, "max_abs_diff", drift.max_difference);
    case_put(vc, "frobenius", drift.frobenius);
    case_put(vc, "bonferroni_p", drift.p);
}

static void run_hotelling(struct vector_case *vc)
{
    struct rows r = read_rows(vc, "ref"), c = read_rows(vc, "cur");
    struct hotelling t;
    if (r.d != c.d ||
        hotelling_test(r.mean, r.covariance, (double)r.n, c.mean, c.covariance, (double)c.n, r.d, &t)) {
        case_fail(vc, "ref and cur do not fit together");
        return;
    }
    double *squares = case_alloc(vc, c.n, sizeof *squares),
           *scratch = case_alloc(vc, 2 * r.d, sizeof *scratch);
    double sum = 0;
    if (covariance_factor(r.covariance, r.d))
        case_fail(vc, "the covariance is degenerate");
    for (size_t i = 0; i < c.n; i++) {
        squares[i] = mahalanobis_square(r.covariance, r.mean, c.values + i * r.d, r.d, scratch);
        sum += squares[i];
    }
    case_put_numbers(vc, "mahalanobis_sq", squares, c.n);
    case_put(vc, "mean_mahalanobis_sq", sum / (double)c.n);
    case_put(vc, "hotelling_T2", t.t2);
    case_put(vc, "F", t.f);
    case_put(vc, "df1", t.df1);
    case_put(vc, "df2", t.df2);
    case_put(vc, "p", t.p);
}

static void run_centroid(struct vector_case *vc)
{
    size_t na, nb;
    const double *a = case_numbers(vc, vc->input, "a", &na);
    const double *b = case_numbers(vc, vc->input, "b", &nb);
    struct centroid_distance d = centroid_distance(a, b, (uint32_t)(na < nb ? na : nb));
    case_put(vc, "cosine_distance", d.cosine);
    case_put(vc, "euclidean", d.euclidean);
}

const struct vector_handler multivariate_handlers[] = {
    {"rff_mmd", run_mmd},
    {"median_heuristic", run_median},
    {"pca_reconstruction", run_pca},
    {"correlation_drift", run_correlation},
    {"hotelling", run_hotelling},
    {"centroid_cosine", run_centroid},
    {NULL, NULL},
};
