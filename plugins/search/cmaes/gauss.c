/* The normal distribution of the numbers: Hansen 2016, "The CMA evolution strategy: a tutorial", with negative weights, and the margin of
 * Hamano, Saito, Nomura and Shirakawa 2022, "CMA-ES with margin", that keeps a chance for the levels beside the mean's.
 *
 *   place = mean + sigma stretch A z,   A A^T = C
 *
 * A is the Cholesky factor in the place of C^1/2, as in Krause, Arbonès and Igel 2016, "CMA-ES with optimal covariance update and
 * storage complexity": no eigenvectors. `stretch` is the margin's diagonal, apart from C so that the margin leaves no trace there.
 *
 * A sample from an earlier generation, or one that was not drawn here at all, is shortened to the length that a sample of the present
 * distribution would hardly exceed, as Hansen 2011, "Injecting external solutions into CMA-ES", has it. */
#include "parts.h"

#include "../shared/normal.h"

#include <string.h>

static double sum_of_squares(const double *v, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += v[i] * v[i];
    return sum;
}

int gauss_init(assay_ctx *ctx, struct gauss *g, const struct columns *c)
{
    const uint64_t n = c->n_numbers;
    *g = (struct gauss){ .columns = c, .n = n };
    double *rows = ctx->host->alloc(ctx, (7 * n + 2 * n * n + 1) * sizeof *rows);
    if (!rows) return ASSAY_E_NOMEM;
    g->mean = rows;
    g->stretch = rows + n;
    g->ps = rows + 2 * n;
    g->pc = rows + 3 * n;
    g->yw = rows + 4 * n;
    g->zw = rows + 5 * n;
    g->shift = rows + 6 * n;
    g->c = rows + 7 * n;
    g->a = g->c + n * n;
    return ASSAY_OK;
}

static int make_room(assay_ctx *ctx, struct gauss *g)
{
    if (g->lambda <= g->room) return ASSAY_OK;
    double *rows = ctx->host->alloc(ctx, g->lambda * (2 * g->n + 2) * sizeof *rows);
    if (!rows) return ASSAY_E_NOMEM;
    g->room = g->lambda;
    g->weights = rows;
    g->norm = rows + g->room;
    g->y = g->norm + g->room;
    g->z = g->y + g->room * g->n;
    return ASSAY_OK;
}

/* Hansen 2016, table 1. */
static void set_rates(struct gauss *g)
{
    const double n = (double)g->n, lambda = (double)g->lambda;
    double sums[2] = { 0 }, squares[2] = { 0 };
    g->mu = g->lambda / 2;
    for (uint64_t i = 0; i < g->lambda; i++) {
        const double w = log((lambda + 1) / 2) - log((double)i + 1);
        const int is_low = i >= g->mu;
        g->weights[i] = is_low ? fmin(w, 0) : w;
        sums[is_low] += g->weights[i];
        squares[is_low] += g->weights[i] * g->weights[i];
    }
    const double m = g->mu_eff = sums[0] * sums[0] / squares[0];
    const double m_low = squares[1] > 0 ? sums[1] * sums[1] / squares[1] : 0;
    g->c1 = 2 / ((n + 1.3) * (n + 1.3) + m);
    g->cmu = fmin(1 - g->c1, 2 * (0.25 + m + 1 / m - 2) / ((n + 2) * (n + 2) + m));
    g->cs = (m + 2) / (n + m + 5);
    g->ds = 1 + 2 * fmax(0, sqrt((m - 1) / (n + 1)) - 1) + g->cs;
    g->cc = (4 + m / n) / (n + 4 + 2 * m / n);
    g->chi = sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));
    const double low = fmin(
        fmin(1 + g->c1 / g->cmu, 1 + 2 * m_low / (m + 2)), (1 - g->c1 - g->cmu) / (n * g->cmu));
    for (uint64_t i = 0; i < g->lambda; i++)
        g->weights[i] *= i < g->mu ? 1 / sums[0] : sums[1] < 0 ? -low / sums[1] : 0;
}

/* C's Cholesky factor; from its diagonal where it has none. */
static void factor(struct gauss *g)
{
    const uint64_t n = g->n;
    double *a = g->a;
    memcpy(a, g->c, n * n * sizeof *a);
    for (uint64_t i = 0; i < n; i++) {
        double *row = a + i * n;
        for (uint64_t j = 0; j <= i; j++) {
            double sum = row[j];
            for (uint64_t k = 0; k < j; k++)
                sum -= row[k] * a[j * n + k];
            row[j] = j < i ? sum / a[j * n + j] : sum;
        }
        if (!(row[i] > 1e-14 * g->c[i * n + i])) {
            for (uint64_t k = 0; k < n * n; k++)
                g->c[k] = k % (n + 1) ? 0 : fmax(g->c[k], 1e-20);
            for (uint64_t k = 0; k < n * n; k++)
                a[k] = sqrt(g->c[k]);
            return;
        }
        row[i] = sqrt(row[i]);
    }
}

int gauss_start(assay_ctx *ctx, struct gauss *g, const double *mean, double sigma, uint64_t lambda,
    double margin)
{
    const uint64_t n = g->n;
    g->lambda = lambda;
    g->generation = 0;
    g->sigma = sigma;
    const int code = make_room(ctx, g);
    if (code != ASSAY_OK) return code;
    if (n == 0) {
        g->mu = lambda / 2;
        for (uint64_t i = 0; i < lambda; i++)
            g->weights[i] = i < g->mu ? 1 / (double)g->mu : 0;
        return ASSAY_OK;
    }
    g->margin = margin / ((double)g->columns->n * (double)lambda);
    set_rates(g);
    memset(g->c, 0, n * n * sizeof *g->c);
    for (uint64_t i = 0; i < n; i++) {
        const double own = g->columns->deviation[i];
        g->mean[i] = mean[i];
        g->stretch[i] = 1;
        g->ps[i] = g->pc[i] = 0;
        g->c[i * n + i] = isnan(own) ? 1 : own * own / (sigma * sigma);
    }
    factor(g);
    return ASSAY_OK;
}

/* Mirrored at 0 and 1. */
static double fold(double v)
{
    const double t = fmod(fabs(v), 2);
    return t > 1 ? 2 - t : t;
}

void gauss_draw(const struct gauss *g, const double *z, double *place)
{
    for (uint64_t i = 0; i < g->n; i++) {
        double y = 0;
        for (uint64_t k = 0; k <= i; k++)
            y += g->a[i * g->n + k] * z[k];
        place[i] = fold(g->mean[i] + g->sigma * g->stretch[i] * y);
    }
}

/* y and z of each sample: its step from the mean, and that in the distribution's own measure. */
static void measure(struct gauss *g, const struct sample *samples)
{
    const uint64_t n = g->n;
    const double most = sqrt((double)n) + 2 * (double)n / ((double)n + 2);
    for (uint64_t s = 0; s < g->lambda; s++) {
        double *y = g->y + s * n, *z = g->z + s * n;
        for (uint64_t i = 0; i < n; i++) {
            y[i] = (samples[s].place[i] - g->mean[i]) / (g->sigma * g->stretch[i]);
            double sum = y[i];
            for (uint64_t k = 0; k < i; k++)
                sum -= g->a[i * n + k] * z[k];
            z[i] = sum / g->a[i * n + i];
        }
        g->norm[s] = sum_of_squares(z, n);
        const double length = sqrt(g->norm[s]);
        if (!samples[s].is_strange || length <= most) continue;
        for (uint64_t i = 0; i < n; i++) {
            y[i] *= most / length;
            z[i] *= most / length;
        }
        g->norm[s] = most * most;
    }
}

/* The weighted step of the better half; `shift` has no part of what was inactive, so that a mean moves by news alone. */
static void recombine(struct gauss *g, const struct sample *samples)
{
    const uint64_t n = g->n;
    memset(g->yw, 0, 3 * n * sizeof *g->yw); // yw, zw and shift lie side by side
    for (uint64_t s = 0; s < g->lambda; s++) {
        const double w = samples[s].weight, *y = g->y + s * n, *z = g->z + s * n;
        if (!(w > 0)) continue;
        for (uint64_t i = 0; i < n; i++) {
            g->yw[i] += w * y[i];
            g->zw[i] += w * z[i];
            g->shift[i] += samples[s].is_active[i] ? w * y[i] : 0;
        }
    }
}

static void learn_covariance(struct gauss *g, const struct sample *samples, double stall)
{
    const uint64_t n = g->n;
    double sum = 0;
    for (uint64_t s = 0; s < g->lambda; s++)
        sum += samples[s].weight;
    const double keep = 1 + g->c1 * stall - g->c1 - g->cmu * sum;
    for (uint64_t i = 0; i < n; i++) {
        for (uint64_t k = 0; k <= i; k++)
            g->c[i * n + k] = keep * g->c[i * n + k] + g->c1 * g->pc[i] * g->pc[k];
    }
    for (uint64_t s = 0; s < g->lambda; s++) {
        const double w = samples[s].weight, *y = g->y + s * n;
        const double share = g->cmu * (w < 0 ? w * (double)n / (g->norm[s] + 1e-12) : w);
        for (uint64_t i = 0; i < n && w != 0; i++) {
            for (uint64_t k = 0; k <= i; k++)
                g->c[i * n + k] += share * y[i] * y[k];
        }
    }
    for (uint64_t i = 0; i < n; i++) {
        for (uint64_t k = 0; k < i; k++)
            g->c[k * n + i] = g->c[i * n + k];
    }
}

/* -- the margin -- */

static double deviation(const struct gauss *g, uint64_t i)
{
    return g->sigma * g->stretch[i] * sqrt(g->c[i * g->n + i]);
}

/* At the first or the last level: the mean comes as near to the border as the chance to cross it must be. */
static void keep_near(struct gauss *g, uint64_t i, double border)
{
    const double sd = deviation(g, i), most = -sd * normal_inverse(g->margin);
    const double away = g->mean[i] - border;
    if (fabs(away) > most) g->mean[i] = border + (away > 0 ? most : -most);
}

/* Between two levels: mean and width such that both chances are at least half of the margin (equations 21 to 26). */
static void keep_between(struct gauss *g, uint64_t i, double low, double high)
{
    const double sd = deviation(g, i), half = g->margin / 2;
    const double below = normal_below((low - g->mean[i]) / sd);
    const double above = normal_below((g->mean[i] - high) / sd);
    if (below >= half && above >= half) return;
    const double b = fmax(below, half), a = fmax(above, half);
    const double middle = fmax(1 - below - above, half), rest = (1 - b - a - middle);
    const double whole = b + a + middle - 3 * half;
    const double qb = normal_inverse(1 - (b + rest / whole * (b - half)));
    const double qa = normal_inverse(1 - (a + rest / whole * (a - half)));
    if (!(qa + qb > 0)) return;
    g->stretch[i] *= (high - low) / ((qa + qb) * sd);
    g->mean[i] = (low * qa + high * qb) / (qa + qb);
}

static void keep_margin(struct gauss *g)
{
    for (uint64_t i = 0; i < g->n; i++) {
        double low, high;
        if (!(g->columns->levels[i] > 0) || !(g->margin > 0)) continue;
        columns_borders(g->columns, i, g->mean[i], &low, &high);
        if (isinf(low)) {
            keep_near(g, i, high);
        } else if (isinf(high)) {
            keep_near(g, i, low);
        } else {
            keep_between(g, i, low, high);
        }
    }
}

void gauss_learn(struct gauss *g, const struct sample *samples)
{
    const uint64_t n = g->n;
    g->generation++;
    if (n == 0) return;
    measure(g, samples);
    recombine(g, samples);
    const double root = sqrt(g->cs * (2 - g->cs) * g->mu_eff);
    for (uint64_t i = 0; i < n; i++) {
        g->mean[i] = codec_clip(g->mean[i] + g->sigma * g->stretch[i] * g->shift[i], 0, 1);
        g->ps[i] = (1 - g->cs) * g->ps[i] + root * g->zw[i];
    }
    const double length = sqrt(sum_of_squares(g->ps, n));
    const double settled = sqrt(1 - pow(1 - g->cs, 2 * (double)g->generation));
    const int goes_on = length / settled / g->chi < 1.4 + 2 / ((double)n + 1);
    for (uint64_t i = 0; i < n; i++) {
        g->pc[i] *= 1 - g->cc;
        if (goes_on) g->pc[i] += sqrt(g->cc * (2 - g->cc) * g->mu_eff) * g->yw[i];
    }
    learn_covariance(g, samples, goes_on ? 0 : g->cc * (2 - g->cc));
    g->sigma *= exp(fmin(1, g->cs / g->ds * (length / g->chi - 1)));
    factor(g);
    const double width = gauss_width(g);
    if (width > 1) g->sigma /= width;
    keep_margin(g);
}

double gauss_width(const struct gauss *g)
{
    double most = 0;
    for (uint64_t i = 0; i < g->n; i++)
        most = fmax(most, deviation(g, i));
    return most;
}

/* A lower bound of C's condition: the ratio of the squared pivots of its factor. */
double gauss_condition(const struct gauss *g)
{
    double low = ASSAY_INF, high = 0;
    for (uint64_t i = 0; i < g->n; i++) {
        const double pivot = g->a[i * g->n + i];
        low = fmin(low, pivot * pivot);
        high = fmax(high, g->c[i * g->n + i]);
    }
    return g->n ? high / low : 1;
}
