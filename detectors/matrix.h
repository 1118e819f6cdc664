#ifndef DRIFTD_DETECTORS_MATRIX_H
#define DRIFTD_DETECTORS_MATRIX_H
/* Small dense symmetric matrices, row by row (METHODS §16): d ≤ 512. Deterministic order of operations. */
#include <stdbool.h>
#include <stdint.h>

/* Eigenvalues (descending) and eigenvectors of a symmetric d×d matrix by cyclic Jacobi. `a` is overwritten;
 * vectors[i·d + k] is component i of vector k, its largest component positive. O(d³) per sweep, ≤ 100 sweeps.
 */
void matrix_eigen(double *a, uint32_t d, double *values, double *vectors);
/* a = L·Lᵀ in the lower triangle of `a`. False when it is not positive definite. O(d³). */
bool matrix_cholesky(double *a, uint32_t d);
/* ‖L⁻¹x‖² = xᵀA⁻¹x from the Cholesky factor; `scratch` has d entries. O(d²). */
double matrix_inverse_form(const double *factor, uint32_t d, const double *x, double *scratch);

#endif
