/* Small dense triangles in double precision. Every inner loop runs along a row, with eight sums at once: in a fixed order, and in a form
 * that compilers turn into vectors. */
#include "parts.h"

double dot(const double *a, const double *b, uint64_t n)
{
    double s[8] = { 0 };
    uint64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (uint64_t k = 0; k < 8; k++)
            s[k] += a[i + k] * b[i + k];
    }
    for (; i < n; i++)
        s[0] += a[i] * b[i];
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

int cholesky(double *a, uint64_t from, uint64_t n, uint64_t ld)
{
    for (uint64_t i = from; i < n; i++) {
        double *row = a + i * ld;
        for (uint64_t j = 0; j < i; j++)
            row[j] = (row[j] - dot(row, a + j * ld, j)) / a[j * ld + j];
        const double pivot = row[i] - dot(row, row, i);
        if (!(pivot > 0)) return 0;
        row[i] = sqrt(pivot);
    }
    return 1;
}

void solve_lower(const double *l, uint64_t from, uint64_t n, uint64_t ld, double *x)
{
    for (uint64_t i = from; i < n; i++)
        x[i] = (x[i] - dot(l + i * ld, x, i)) / l[i * ld + i];
}

void solve_lower_transposed(const double *l, uint64_t n, uint64_t ld, double *x)
{
    for (uint64_t i = n; i-- > 0;) {
        const double *row = l + i * ld, s = x[i] / row[i];
        x[i] = s;
        for (uint64_t j = 0; j < i; j++)
            x[j] -= s * row[j];
    }
}

void invert_lower(const double *l, uint64_t n, uint64_t ld, double *t)
{
    for (uint64_t j = 0; j < n; j++) {
        double *row = t + j * ld;
        row[j] = 1 / l[j * ld + j];
        for (uint64_t i = j + 1; i < n; i++)
            row[i] = -dot(l + i * ld + j, row + j, i - j) / l[i * ld + i];
    }
}
