#include "detectors/matrix.h"

#include <math.h>
#include <stddef.h>

/* Zeroes a[p][q] by a plane rotation. */
static void rotate(double *a, uint32_t d, uint32_t p, uint32_t q, double *vectors)
{
    double apq = a[(size_t)p * d + q];
    double theta = (a[(size_t)q * d + q] - a[(size_t)p * d + p]) / (2 * apq);
    double t = copysign(1, theta) / (fabs(theta) + sqrt(theta * theta + 1));
    double c = 1 / sqrt(t * t + 1);
    double s = t * c;
    for (uint32_t k = 0; k < d; k++) {
        double kp = a[(size_t)k * d + p];
        double kq = a[(size_t)k * d + q];
        a[(size_t)k * d + p] = c * kp - s * kq;
        a[(size_t)k * d + q] = s * kp + c * kq;
    }
    for (uint32_t k = 0; k < d; k++) {
        double pk = a[(size_t)p * d + k];
        double qk = a[(size_t)q * d + k];
        a[(size_t)p * d + k] = c * pk - s * qk;
        a[(size_t)q * d + k] = s * pk + c * qk;
        double vp = vectors[(size_t)k * d + p];
        double vq = vectors[(size_t)k * d + q];
        vectors[(size_t)k * d + p] = c * vp - s * vq;
        vectors[(size_t)k * d + q] = s * vp + c * vq;
    }
}

static double off_diagonal(const double *a, uint32_t d)
{
    double sum = 0;
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t j = i + 1; j < d; j++)
            sum += a[(size_t)i * d + j] * a[(size_t)i * d + j];
    return sum;
}

static void swap_columns(double *values, double *vectors, uint32_t d, uint32_t i, uint32_t j)
{
    double value = values[i];
    values[i] = values[j];
    values[j] = value;
    for (uint32_t k = 0; k < d; k++) {
        double component = vectors[(size_t)k * d + i];
        vectors[(size_t)k * d + i] = vectors[(size_t)k * d + j];
        vectors[(size_t)k * d + j] = component;
    }
}

static void fix_sign(double *vectors, uint32_t d, uint32_t column)
{
    double largest = 0;
    for (uint32_t k = 0; k < d; k++)
        if (fabs(vectors[(size_t)k * d + column]) > fabs(largest) * (1 + 1e-9))
            largest = vectors[(size_t)k * d + column];
    for (uint32_t k = 0; k < d && largest < 0; k++)
        vectors[(size_t)k * d + column] = -vectors[(size_t)k * d + column];
}

void matrix_eigen(double *a, uint32_t d, double *values, double *vectors)
{
    enum { SWEEPS_MAX = 100 };
    double size = 0;
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t j = 0; j < d; j++) {
            vectors[(size_t)i * d + j] = i == j;
            size += a[(size_t)i * d + j] * a[(size_t)i * d + j];
        }
    for (unsigned sweep = 0; sweep < SWEEPS_MAX && off_diagonal(a, d) > size * 1e-30; sweep++)
        for (uint32_t p = 0; p + 1 < d; p++)
            for (uint32_t q = p + 1; q < d; q++)
                if (a[(size_t)p * d + q] != 0)
                    rotate(a, d, p, q, vectors);
    for (uint32_t i = 0; i < d; i++)
        values[i] = a[(size_t)i * d + i];
    for (uint32_t i = 0; i < d; i++) {
        uint32_t best = i;
        for (uint32_t j = i + 1; j < d; j++)
            if (values[j] > values[best])
                best = j;
        if (best != i)
            swap_columns(values, vectors, d, i, best);
        fix_sign(vectors, d, i);
    }
}

bool matrix_cholesky(double *a, uint32_t d)
{
    for (uint32_t i = 0; i < d; i++) {
        double *row = a + (size_t)i * d;
        for (uint32_t j = 0; j <= i; j++) {
            const double *other = a + (size_t)j * d;
            double sum = row[j];
            for (uint32_t k = 0; k < j; k++)
                sum -= row[k] * other[k];
            if (j < i)
                row[j] = sum / other[j];
            else if (sum > 0)
                row[i] = sqrt(sum);
            else
                return false;
        }
    }
    return true;
}

double matrix_inverse_form(const double *factor, uint32_t d, const double *x, double *scratch)
{
    double sum = 0;
    for (uint32_t i = 0; i < d; i++) {
        double value = x[i];
        for (uint32_t k = 0; k < i; k++)
            value -= factor[(size_t)i * d + k] * scratch[k];
        scratch[i] = value / factor[(size_t)i * d + i];
        sum += scratch[i] * scratch[i];
    }
    return sum;
}
