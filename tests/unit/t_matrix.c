/* matrix.c: reconstruction, orthogonality, degenerate matrices. */
#include "tests/unit/near.h"

#include "detectors/matrix.h"

enum { D = 12 };

/* A·Aᵀ of a random D×rank matrix. */
static void random_gram(double *a, int rank, uint64_t seed)
{
    double factor[D * D];
    for (int i = 0; i < D * rank; i++)
        factor[i] = random_unit(&seed) - 0.5;
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            a[i * D + j] = 0;
            for (int k = 0; k < rank; k++)
                a[i * D + j] += factor[i * rank + k] * factor[j * rank + k];
        }
}

static void eigenvectors_rebuild_the_matrix(void **state)
{
    (void)state;
    double a[D * D], copy[D * D], values[D], vectors[D * D];
    for (int rank = 1; rank <= D; rank += 5) {
        random_gram(a, rank, (uint64_t)rank);
        memcpy(copy, a, sizeof a);
        matrix_eigen(copy, D, values, vectors);
        for (int i = 0; i < D; i++) {
            for (int j = 0; j < D; j++) {
                double sum = 0, dot = 0;
                for (int k = 0; k < D; k++) {
                    sum += vectors[i * D + k] * values[k] * vectors[j * D + k];
                    dot += vectors[k * D + i] * vectors[k * D + j];
                }
                assert_near(sum, a[i * D + j], 1e-13);
                assert_near(dot, i == j, 1e-13);
            }
            assert_true(i == 0 || values[i] <= values[i - 1]);
            assert_true(i < rank || fabs(values[i]) < 1e-13);
        }
    }
    double zero[4] = {0};
    matrix_eigen(zero, 2, values, vectors);
    assert_near(values[0], 0, 0);
}

static void cholesky_solves(void **state)
{
    (void)state;
    double a[D * D], factor[D * D], x[D], y[D] = {0}, scratch[D];
    random_gram(a, D, 3);
    memcpy(factor, a, sizeof a);
    assert_true(matrix_cholesky(factor, D));
    for (int i = 0; i < D; i++)
        x[i] = i - 4;
    double want = 0;
    for (int i = 0; i < D; i++) {
        for (int j = 0; j < D; j++)
            y[i] += a[i * D + j] * x[j];
        want += x[i] * y[i];
    }
    assert_near(matrix_inverse_form(factor, D, y, scratch) / want, 1, 1e-9); /* (Ax)ᵀA⁻¹(Ax) = xᵀAx */
    double indefinite[4] = {1, 2, 2, 1}, unknown[1] = {NAN};
    assert_false(matrix_cholesky(indefinite, 2));
    assert_false(matrix_cholesky(unknown, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eigenvectors_rebuild_the_matrix),
        cmocka_unit_test(cholesky_solves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
