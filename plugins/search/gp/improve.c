/* The logarithm of expected improvement: see acquire.c. */
#include "parts.h"

#include <string.h>

enum { PIECE = 32 };

/* log h(t); *ratio = Phi(t) / h(t), its derivative. By erfc where that is exact enough, else by its asymptotic series. */
static double log_h(double t, double *ratio)
{
    const double log_phi = -0.5 * t * t - 0.91893853320467274178;
    if (t < -20) {
        const double u = 1 / (t * t), h = 1 - 3 * u + 15 * u * u;
        *ratio = -t * (1 - u + 3 * u * u) / h;
        return log_phi + log(u) + log(h);
    }
    const double phi = exp(log_phi), share = 0.5 * erfc(-t * 0.70710678118654752440);
    const double h = phi + t * share;
    *ratio = share / h;
    return log(h);
}

double log_improvement(struct model *m, const double *row, double *g, double *work)
{
    double mean, sd, ratio;
    model_predict(m, row, &mean, &sd, g, work);
    const double t = (m->best - mean) / sd, value = log_h(t, &ratio) + log(sd);
    for (uint64_t c = 0; g && c < m->n_columns; c++)
        g[c] = ratio * (-g[c] - t * work[c]) / sd + work[c] / sd;
    return value;
}

double log_improvement_above(struct model *m, const double *row, double least)
{
    double square = 0, mean;
    const double s2 = model_compare(m, row, &mean);
    for (uint64_t i = 0; i < m->n; i += PIECE) {
        const uint64_t end = i + PIECE < m->n ? i + PIECE : m->n;
        solve_lower(m->l, i, end, m->ld, m->v);
        square += dot(m->v + i, m->v + i, end - i);
        double ratio, sd = sqrt(fmax(s2 - square, least_variance));
        if (end < m->n && log_h((m->best - mean) / sd, &ratio) + log(sd) < least) return -HUGE_VAL;
    }
    double ratio, sd = sqrt(fmax(s2 - dot(m->v, m->v, m->n), least_variance));
    return log_h((m->best - mean) / sd, &ratio) + log(sd);
}
