/* L-BFGS in a box: Nocedal and Wright, "Numerical Optimization", 2nd ed., algorithm 7.4, with the variables that press against a bound
 * held fast for the step and the steps cut to the box. Backtracks until Armijo's condition holds. */
#include "parts.h"

#include <string.h>

struct pairs {
    double *s, *y; // [DESCEND_PAIRS, n]
    double rho[DESCEND_PAIRS];
    uint64_t n_kept; // ever; pair i is in row i % DESCEND_PAIRS
};

uint64_t descend_work(uint64_t n)
{
    return (2 * DESCEND_PAIRS + 4) * n;
}

/* d = -H q, by the two loops. */
static void turn(const struct pairs *p, const double *q, double *d, uint64_t n)
{
    const uint64_t have = p->n_kept < DESCEND_PAIRS ? p->n_kept : DESCEND_PAIRS;
    double a[DESCEND_PAIRS];
    for (uint64_t i = 0; i < n; i++)
        d[i] = -q[i];
    for (uint64_t k = 0; k < have; k++) {
        const uint64_t i = (p->n_kept - 1 - k) % DESCEND_PAIRS;
        a[i] = p->rho[i] * dot(p->s + i * n, d, n);
        for (uint64_t j = 0; j < n; j++)
            d[j] -= a[i] * p->y[i * n + j];
    }
    if (have) {
        const uint64_t i = (p->n_kept - 1) % DESCEND_PAIRS;
        const double scale = 1 / (p->rho[i] * dot(p->y + i * n, p->y + i * n, n));
        for (uint64_t j = 0; j < n; j++)
            d[j] *= scale;
    }
    for (uint64_t k = have; k-- > 0;) {
        const uint64_t i = (p->n_kept - 1 - k) % DESCEND_PAIRS;
        const double b = p->rho[i] * dot(p->y + i * n, d, n);
        for (uint64_t j = 0; j < n; j++)
            d[j] += (a[i] - b) * p->s[i * n + j];
    }
}

static void keep(struct pairs *p, const double *x, const double *x_new, const double *g,
    const double *g_new, uint64_t n)
{
    double *s = p->s + p->n_kept % DESCEND_PAIRS * n, *y = p->y + p->n_kept % DESCEND_PAIRS * n;
    for (uint64_t i = 0; i < n; i++) {
        s[i] = x_new[i] - x[i];
        y[i] = g_new[i] - g[i];
    }
    const double sy = dot(s, y, n);
    if (!(sy > 1e-10 * sqrt(dot(s, s, n) * dot(y, y, n)))) return;
    p->rho[p->n_kept++ % DESCEND_PAIRS] = 1 / sy;
}

/* A direction down from x, into d; the size of the gradient that is free to be followed. */
static double direct(struct pairs *p, const double *low, const double *high, const double *x,
    const double *g, double *q, double *d, uint64_t n)
{
    double size = 0;
    for (uint64_t i = 0; i < n; i++) {
        const int is_held = (x[i] <= low[i] && g[i] > 0) || (x[i] >= high[i] && g[i] < 0);
        q[i] = is_held ? 0 : g[i];
        size = fmax(size, fabs(q[i]));
    }
    turn(p, q, d, n);
    for (uint64_t i = 0; i < n; i++)
        d[i] = q[i] == 0 ? 0 : d[i];
    if (!(dot(d, q, n) < 0)) {
        p->n_kept = 0;
        turn(p, q, d, n);
    }
    return size;
}

double descend(descend_function f, void *arg, const double *low, const double *high, double *x,
    uint64_t n, int most_steps, double *work)
{
    double *g = work, *q = g + n, *d = q + n, *x_new = d + n;
    struct pairs p = { .s = x_new + n, .y = x_new + n + DESCEND_PAIRS * n };
    for (uint64_t i = 0; i < n; i++)
        x[i] = codec_clip(x[i], low[i], high[i]);
    double value = f(arg, x, g);
    for (int step = 0; step < most_steps; step++) {
        const double size = direct(&p, low, high, x, g, q, d, n);
        if (!(size > 1e-6)) break;
        double t = p.n_kept ? 1 : fmin(1, 0.2 / size), next = value, down = 0;
        int try = 0;
        for (; try < 12; try++, t *= 0.35) {
            down = 0;
            for (uint64_t i = 0; i < n; i++) {
                x_new[i] = codec_clip(x[i] + t * d[i], low[i], high[i]);
                down += g[i] * (x_new[i] - x[i]);
            }
            next = f(arg, x_new, q);
            if (next <= value + 1e-4 * down) break;
        }
        if (try == 12) break;
        keep(&p, x, x_new, g, q, n);
        memcpy(x, x_new, n * sizeof *x);
        memcpy(g, q, n * sizeof *g);
        const double gain = value - next;
        value = next;
        if (gain < 1e-8 * (1 + fabs(value))) break;
    }
    return value;
}
