#include "detectors/special.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

/* The prefactors e^{a·ln x − x − lnΓ(a)} lose ln-many digits for large a, hence long double inside. */
static long double log_gamma_long(long double x)
{
    int sign;
    return lgammal_r(x, &sign);
}

double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

double log_choose(double n, double k)
{
    if (!(k >= 0 && k <= n))
        return NAN;
    if (k == 0 || k == n)
        return 0;
    return (double)(log_gamma_long((long double)n + 1) - log_gamma_long((long double)k + 1) -
                    log_gamma_long((long double)(n - k) + 1));
}

double normal_cdf(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

double normal_sf(double x)
{
    return 0.5 * erfc(x * M_SQRT1_2);
}

/* Coefficients from the highest power down. */
static double polynomial(const double *coefficients, int degree, double x)
{
    double value = coefficients[0];
    for (int i = 1; i <= degree; i++)
        value = value * x + coefficients[i];
    return value;
}

/* Wichura, Algorithm AS 241, Applied Statistics 37 (1988): PPND16. */
static double normal_ppf_tail(double tail)
{
    static const double near_top[] = {7.74545014278341407640e-4, 2.27238449892691845833e-2,
                                      2.41780725177450611770e-1, 1.27045825245236838258e0,
                                      3.64784832476320460504e0,  5.76949722146069140550e0,
                                      4.63033784615654529590e0,  1.42343711074968357734e0};
    static const double near_bottom[] = {1.05075007164441684324e-9, 5.47593808499534494600e-4,
                                         1.51986665636164571966e-2, 1.48103976427480074590e-1,
                                         6.89767334985100004550e-1, 1.67638483018380384940e0,
                                         2.05319162663775882187e0,  1.0};
    static const double far_top[] = {2.01033439929228813265e-7, 2.71155556874348757815e-5,
                                     1.24266094738807843860e-3, 2.65321895265761230930e-2,
                                     2.96560571828504891230e-1, 1.78482653991729133580e0,
                                     5.46378491116411436990e0,  6.65790464350110377720e0};
    static const double far_bottom[] = {2.04426310338993978564e-15, 1.42151175831644588870e-7,
                                        1.84631831751005468180e-5,  7.86869131145613259100e-4,
                                        1.48753612908506148525e-2,  1.36929880922735805310e-1,
                                        5.99832206555887937690e-1,  1.0};
    double r = sqrt(-log(tail));
    if (r <= 5)
        return polynomial(near_top, 7, r - 1.6) / polynomial(near_bottom, 7, r - 1.6);
    return polynomial(far_top, 7, r - 5) / polynomial(far_bottom, 7, r - 5);
}

double normal_ppf(double p)
{
    static const double top[] = {2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
                                 4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
                                 1.3314166789178437745e2, 3.3871328727963666080e0};
    static const double bottom[] = {
        5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
        5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0};
    if (!(p >= 0 && p <= 1))
        return NAN;
    if (p == 0 || p == 1)
        return p == 0 ? -INFINITY : INFINITY;
    double q = p - 0.5;
    if (fabs(q) <= 0.425) {
        double r = 0.180625 - q * q;
        return q * polynomial(top, 7, r) / polynomial(bottom, 7, r);
    }
    return q < 0 ? -normal_ppf_tail(p) : normal_ppf_tail(1 - p);
}

/* A continued fraction or series near its turning point needs a multiple of √a terms. */
static long steps_max(double a)
{
    double steps = 1000 + 50 * sqrt(fabs(a));
    return steps < 1e8 ? (long)steps : 100000000L;
}

/* e^{−x} x^a / Γ(a) */
static double gamma_prefactor(double a, double x)
{
    return (double)expl((long double)a * logl((long double)x) - (long double)x -
                        log_gamma_long((long double)a));
}

static double gamma_series(double a, double x)
{
    double term = 1 / a, sum = term, denominator = a;
    for (long i = steps_max(a); i > 0 && term > sum * DBL_EPSILON * 0.25; i--) {
        denominator += 1;
        term *= x / denominator;
        sum += term;
    }
    return sum * gamma_prefactor(a, x);
}

/* Lentz's method divides by these; zero would end it. */
static long double floor_tiny(long double value)
{
    const long double tiny = LDBL_MIN / LDBL_EPSILON;
    return fabsl(value) < tiny ? tiny : value;
}

/* Modified Lentz: Q(a,x) = prefactor · 1/(x+1−a− 1(1−a)/(x+3−a− …)). Near x = a its terms cancel, hence long
 * double. */
static double gamma_fraction(double a, double x)
{
    long double b = (long double)x + 1 - (long double)a, c = 1 / floor_tiny(0), d = 1 / b, fraction = d;
    for (long i = 1; i < steps_max(a); i++) {
        long double numerator = -(long double)i * ((long double)i - (long double)a);
        b += 2;
        d = 1 / floor_tiny(numerator * d + b);
        c = floor_tiny(b + numerator / c);
        fraction *= c * d;
        if (fabsl(c * d - 1) < (long double)DBL_EPSILON / 8)
            break;
    }
    return (double)(fraction * (long double)gamma_prefactor(a, x));
}

static double within_unit(double p)
{
    return p < 0 ? 0 : p > 1 ? 1 : p;
}

double gamma_lower(double a, double x)
{
    if (!(a > 0) || isnan(x) || isinf(a))
        return NAN;
    if (x <= 0 || isinf(x))
        return x > 0 ? 1 : 0;
    return within_unit(x < a + 1 ? gamma_series(a, x) : 1 - gamma_fraction(a, x));
}

double gamma_upper(double a, double x)
{
    if (!(a > 0) || isnan(x) || isinf(a))
        return NAN;
    if (x <= 0 || isinf(x))
        return x > 0 ? 0 : 1;
    return within_unit(x < a + 1 ? 1 - gamma_series(a, x) : gamma_fraction(a, x));
}

double chi2_sf(double x, double df)
{
    return gamma_upper(df / 2, x / 2);
}

/*
 * A quantile by Newton steps kept inside a bracket. `tail` is decreasing or increasing in x; `difference`
 * must be positive left of the root and negative right of it.
 */
struct quantile {
    double low, high;
};

static bool narrow_enough(const struct quantile *q)
{
    return !(q->high - q->low > 1e-14 * q->high);
}

/* The next point: the Newton step when it stays well inside, else the middle. */
static double next_point(const struct quantile *q, double newton)
{
    if (newton > q->low && newton < q->high)
        return newton;
    return q->low + (q->high - q->low) / 2;
}

double chi2_isf(double alpha, double df)
{
    if (!(alpha >= 0 && alpha <= 1) || !(df > 0) || isinf(df))
        return NAN;
    if (alpha == 0 || alpha == 1)
        return alpha == 0 ? INFINITY : 0;
    double a = df / 2, spread = 2 / (9 * df);
    double cube = 1 - spread - normal_ppf(alpha) * sqrt(spread); /* Wilson and Hilferty's start */
    double x = cube > 0 ? a * cube * cube * cube : a * 1e-3;
    struct quantile q = {0, x};
    while (gamma_upper(a, q.high) > alpha)
        q.high *= 2;
    bool lower = alpha > 0.5; /* work with the smaller of the two tails */
    for (int i = 0; i < 1200 && !narrow_enough(&q); i++) {
        double tail = lower ? gamma_lower(a, x) : gamma_upper(a, x);
        double difference = lower ? 1 - alpha - tail : tail - alpha;
        if (difference > 0)
            q.low = x;
        else
            q.high = x;
        double density = gamma_prefactor(a, x) / x, newton = x + difference / density;
        if (fabs(newton - x) <= 1e-14 * x)
            break;
        x = next_point(&q, newton);
    }
    return 2 * x;
}

/* x^a y^b / B(a,b) with y = 1 − x given apart, so that neither loses digits. */
static double beta_prefactor(double x, double y, double a, double b)
{
    long double log_x = x < 0.5 ? logl((long double)x) : log1pl(-(long double)y);
    long double log_y = y < 0.5 ? logl((long double)y) : log1pl(-(long double)x);
    long double log_beta = log_gamma_long((long double)a) + log_gamma_long((long double)b) -
                           log_gamma_long((long double)a + (long double)b);
    return (double)expl((long double)a * log_x + (long double)b * log_y - log_beta);
}

/* Converges fast for x < (a+1)/(a+b+2). Its terms cancel when that is near 1, hence long double and the exact
 * complement. */
static double beta_fraction(double x_rounded, double y_rounded, double a_double, double b_double)
{
    long double a = (long double)a_double, b = (long double)b_double, y = (long double)y_rounded;
    long double x = y_rounded < x_rounded ? 1 - y : (long double)x_rounded;
    long double c = 1, d = 1 / floor_tiny(1 - (a + b) * x / (a + 1)), fraction = d;
    for (long i = 1; i < steps_max(fmax(a_double, b_double)); i++) {
        long double m = (long double)i, even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 / floor_tiny(1 + even * d);
        c = floor_tiny(1 + even / c);
        fraction *= d * c;
        long double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / floor_tiny(1 + odd * d);
        c = floor_tiny(1 + odd / c);
        fraction *= d * c;
        if (fabsl(d * c - 1) < (long double)DBL_EPSILON / 8)
            break;
    }
    return (double)fraction;
}

/* I_x(a,b) and, with x and y = 1−x swapped together with a and b, its complement. */
static double beta_pair(double x, double y, double a, double b)
{
    if (x <= 0 || y <= 0)
        return x <= 0 ? 0 : 1;
    if (x < (a + 1) / (a + b + 2))
        return within_unit(beta_prefactor(x, y, a, b) * beta_fraction(x, y, a, b) / a);
    return within_unit(1 - beta_prefactor(x, y, a, b) * beta_fraction(y, x, b, a) / b);
}

static bool beta_parameters_good(double a, double b)
{
    return a > 0 && b > 0 && isfinite(a) && isfinite(b);
}

double beta_cdf(double x, double a, double b)
{
    if (isnan(x) || !beta_parameters_good(a, b))
        return NAN;
    return beta_pair(x, 1 - x, a, b);
}

double beta_ppf(double p, double a, double b)
{
    if (!(p >= 0 && p <= 1) || !beta_parameters_good(a, b))
        return NAN;
    if (p == 0 || p == 1)
        return p;
    double x = a / (a + b);
    struct quantile q = {0, 1};
    for (int i = 0; i < 1200 && !narrow_enough(&q); i++) {
        double difference = p - beta_pair(x, 1 - x, a, b);
        if (difference > 0)
            q.low = x;
        else
            q.high = x;
        double density = beta_prefactor(x, 1 - x, a, b) / (x * (1 - x)), newton = x + difference / density;
        if (fabs(newton - x) <= 1e-15 * x)
            break;
        x = next_point(&q, newton);
    }
    return x;
}

double t_sf(double x, double df)
{
    if (isnan(x) || !(df > 0))
        return NAN;
    if (isinf(df))
        return normal_sf(x);
    if (isinf(x))
        return x > 0 ? 0 : 1;
    double square = x * x, tail;
    if (isinf(square))
        tail = 0;
    else
        tail = 0.5 * beta_pair(df / (df + square), square / (df + square), df / 2, 0.5);
    return x >= 0 ? tail : 1 - tail;
}

double t_ppf(double p, double df)
{
    if (!(p >= 0 && p <= 1) || !(df > 0))
        return NAN;
    if (isinf(df))
        return normal_ppf(p);
    if (p == 0 || p == 1)
        return p == 0 ? -INFINITY : INFINITY;
    double tail = p < 0.5 ? p : 1 - p;
    if (tail == 0.5)
        return 0;
    double low = 0, high = 1;
    while (t_sf(high, df) > tail && high < DBL_MAX / 4)
        high *= 2;
    for (int i = 0; i < 200 && high - low > 1e-14 * high; i++) {
        double middle = low + (high - low) / 2;
        if (t_sf(middle, df) > tail)
            low = middle;
        else
            high = middle;
    }
    double x = low + (high - low) / 2;
    return p < 0.5 ? -x : x;
}

double f_sf(double x, double d1, double d2)
{
    if (isnan(x) || !beta_parameters_good(d1, d2))
        return NAN;
    if (x <= 0 || isinf(x))
        return x > 0 ? 0 : 1;
    double share = d1 * x;
    return isinf(share) ? 0 : beta_pair(d2 / (d2 + share), share / (d2 + share), d2 / 2, d1 / 2);
}

double binomial_cdf(double k, uint64_t n, double p)
{
    if (isnan(k) || !(p >= 0 && p <= 1))
        return NAN;
    double whole = floor(k), size = (double)n;
    if (whole < 0 || whole >= size)
        return whole < 0 ? 0 : 1;
    return beta_pair(1 - p, p, size - whole, whole + 1);
}

double binomial_sf(double k, uint64_t n, double p)
{
    if (isnan(k) || !(p >= 0 && p <= 1))
        return NAN;
    double whole = floor(k), size = (double)n;
    if (whole < 0 || whole >= size)
        return whole < 0 ? 1 : 0;
    return beta_pair(p, 1 - p, whole + 1, size - whole);
}

/* Where the quantile about is: normal, corrected for skewness. */
static uint64_t binomial_guess(double q, uint64_t n, double p)
{
    double z = normal_ppf(q);
    double guess = (double)n * p + z * sqrt((double)n * p * (1 - p)) + (1 - 2 * p) * (z * z - 1) / 6;
    if (!(guess > 0))
        return 0;
    return guess < (double)n ? (uint64_t)guess : n;
}

/* The distribution function is dear: from a guess to a bracket in doubling steps, then by halves. */
uint64_t binomial_ppf(double q, uint64_t n, double p)
{
    uint64_t low = 0, high = n, at = binomial_guess(q, n, p), step = 1;
    if (binomial_cdf((double)at, n, p) >= q) {
        for (high = at; high >= step && binomial_cdf((double)(high - step), n, p) >= q; step *= 2)
            high -= step;
        low = high >= step ? high - step + 1 : 0;
    } else {
        for (low = at + 1; low + step <= n && binomial_cdf((double)(low + step - 1), n, p) < q; step *= 2)
            low += step;
        high = low + step <= n ? low + step - 1 : n;
    }
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (binomial_cdf((double)middle, n, p) >= q)
            high = middle;
        else
            low = middle + 1;
    }
    return low < n ? low : n;
}

double kolmogorov_sf(double x)
{
    if (isnan(x))
        return NAN;
    if (x <= 0)
        return 1;
    double sum = 0;
    if (x < 0.6) {
        for (int k = 1; k <= 5; k++) {
            double odd = 2 * k - 1;
            sum += exp(-odd * odd * M_PI * M_PI / (8 * x * x));
        }
        return within_unit(1 - sqrt(2 * M_PI) / x * sum);
    }
    for (int k = 10; k >= 1; k--)
        sum += (k % 2 ? 2 : -2) * exp(-2.0 * k * k * x * x);
    return within_unit(sum);
}

/* e^{z} K_{1/4}(z), z > 0: the trapezoid rule on ∫ e^{−z(cosh t − 1)} cosh(t/4) dt, which converges
 * exponentially for this integrand. */
static double bessel_k_quarter_scaled(double z)
{
    const double step = 1.0 / 16;
    double sum = 0.5;
    for (int i = 1; i < 1000; i++) {
        double t = i * step, half = sinh(t / 2);
        double term = exp(-2 * z * half * half) * cosh(t / 4);
        sum += term;
        if (term < sum * 1e-17)
            break;
    }
    return sum * step;
}

double cvm_limit_sf(double x)
{
    if (isnan(x))
        return NAN;
    if (x < 0.003) /* 1 − P(T ≤ 0.003) < 1e-9 of 1 */
        return 1;
    if (x > 5) /* T is Σ χ²_1/(jπ)²: the first term dominates, the others scale it by Π (1−1/j²)^{−½} = √2 */
        return 2 * M_SQRT2 * normal_sf(M_PI * sqrt(x));
    double sum = 0, weight = sqrt(M_PI); /* Γ(k+½)/k! */
    for (int k = 0; k < 200; k++) {
        double odd = 4 * k + 1, argument = odd * odd / (16 * x);
        double term = weight * sqrt(odd) * exp(-2 * argument) * bessel_k_quarter_scaled(argument);
        sum += term;
        if (term < sum * 1e-17)
            break;
        weight *= (k + 0.5) / (k + 1);
    }
    return within_unit(1 - sum / (pow(M_PI, 1.5) * sqrt(x)));
}
