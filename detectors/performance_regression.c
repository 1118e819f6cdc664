#include "detectors/performance_regression.h"

#include <float.h>
#include <math.h>

void regression_add(struct regression_sums *sums, double y, double prediction, double shift)
{
    double error = prediction - y;
    double size = fabs(y) + fabs(prediction);
    sums->n++;
    sums->error += error;
    sums->error2 += error * error;
    sums->abs_error += fabs(error);
    sums->abs_share += fabs(error) / fmax(fabs(y), DBL_EPSILON);
    sums->abs_symmetric += size > 0 ? 2 * fabs(error) / size : 0;
    sums->abs_y += fabs(y);
    sums->y += y - shift;
    sums->y2 += (y - shift) * (y - shift);
}

/* Σx² − (Σx)²/n; what is within the rounding of its terms is no variance. */
static double centred(double sum, double sum2, double n)
{
    double spread = sum2 - sum / n * sum;
    return spread > 8 * DBL_EPSILON * sum2 ? spread : 0;
}

struct regression_metrics regression_metrics(const struct regression_sums *s)
{
    struct regression_metrics m = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    if (s->n == 0)
        return m;
    double n = (double)s->n;
    m.mae = s->abs_error / n;
    m.mse = s->error2 / n;
    m.rmse = sqrt(m.mse);
    m.bias = s->error / n;
    m.mape = s->abs_share / n;
    m.smape = s->abs_symmetric / n;
    m.wape = s->abs_y > 0 ? s->abs_error / s->abs_y : NAN;
    double target_spread = centred(s->y, s->y2, n);
    double error_spread = centred(s->error, s->error2, n);
    if (target_spread > 0) {
        m.r2 = 1 - s->error2 / target_spread;
        m.explained_variance = 1 - error_spread / target_spread;
    }
    if (s->n > 1)
        m.residual_sd = sqrt(error_spread / (n - 1));
    return m;
}
