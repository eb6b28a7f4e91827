/* The Gaussian process: its fit and its predictions.
 *
 *   k(a, b) = s2 (1 + sqrt(5) r + 5/3 r^2) exp(-sqrt(5) r),   r^2 = sum_c (a_c - b_c)^2 / l_c^2
 *   y ~ N(0, K + diag(noise + se_i^2))
 *
 * theta, the logarithms of l, s2 and noise, is where likelihood times prior is largest, by L-BFGS with the gradient of Rasmussen and
 * Williams 2006, equation 5.9. Priors: l is log-normal around sqrt(d / 3) / 2, which grows with the number of columns as distances do
 * (Hvarfner, Hellsten, Nardi 2024, "Vanilla Bayesian optimization performs great in high dimensions"), with a deviation of 1/2, as
 * ten length scales that are free to go anywhere fit a few dozen results in ways that mean nothing; of choices around four times that with
 * a deviation of 1, so that choices share what is known until they are seen to differ. s2 is around 1, noise around 1e-5 of the variance
 * of the values.
 *
 * The best, on which points have to improve, is the lowest mean at a result rather than the lowest value, which may be luck: of the
 * ripples of a surface as much as of noise. */
#include "parts.h"

#include <string.h>

#define SQRT5 2.23606797749978969641

static const double nugget = 1e-8; // keeps K positive definite
static const double length_low = 0.1, length_high = 30;
static const double length_sd = 0.5, choice_factor = 4, choice_sd = 1;

int model_init(assay_ctx *ctx, struct model *m, const struct columns *c)
{
    const uint64_t most = MOST_ROWS, p = c->n_lengths + 2;
    m->columns = c;
    m->n_columns = c->n;
    m->n_parameters = p;
    m->ld = most;
    const uint64_t n_work = descend_work(p > c->n ? p : c->n);
    const uint64_t n =
        2 * most * c->n + 2 * most + p + c->n + 3 * most * most + 3 * most + c->n + 3 * p + n_work;
    double *at = ctx->host->alloc(ctx, n * sizeof *at);
    if (!at) return ASSAY_E_NOMEM;
    struct {
        double **to;
        uint64_t n;
    } parts[] = { { &m->l, most * most }, { &m->t, most * most }, { &m->slope, most * most },
        { &m->x, most * c->n }, { &m->z, most * c->n }, { &m->y, most }, { &m->noise, most },
        { &m->alpha, most }, { &m->k, most }, { &m->v, most }, { &m->theta, p },
        { &m->inverse, c->n }, { &m->g, c->n }, { &m->low, p }, { &m->high, p }, { &m->start, p },
        { &m->work, n_work } };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        *parts[i].to = at;
        at += parts[i].n;
    }
    for (uint64_t i = 0; i < c->n_lengths; i++) {
        m->low[i] = log(length_low);
        m->high[i] = log(length_high);
    }
    m->low[p - 2] = -4;
    m->high[p - 2] = 5;
    m->low[p - 1] = log(1e-8);
    m->high[p - 1] = c->plan->is_noisy ? 0 : log(1e-3);
    model_start(m);
    return ASSAY_OK;
}

static double usual_length(const struct model *m)
{
    return log(0.5) + 0.5 * log(fmax((double)m->columns->n_lengths / 3, 1));
}

static void begin(const struct model *m, double *theta, double length, double noise)
{
    for (uint64_t i = 0; i + 2 < m->n_parameters; i++)
        theta[i] = length;
    theta[m->n_parameters - 2] = 0;
    theta[m->n_parameters - 1] = log(noise);
}

void model_start(struct model *m)
{
    begin(m, m->theta, usual_length(m), 1e-4);
}

static void scale_row(const struct model *m, const double *x, double *z)
{
    for (uint64_t c = 0; c < m->n_columns; c++)
        z[c] = x[c] * m->inverse[c];
}

static void scale(struct model *m, const double *theta)
{
    for (uint64_t c = 0; c < m->n_columns; c++)
        m->inverse[c] = exp(-theta[m->columns->length[c]]);
    for (uint64_t i = 0; i < m->n; i++)
        scale_row(m, m->x + i * m->n_columns, m->z + i * m->n_columns);
}

/* The kernel for s2 = 1; *slope is -2 times its derivative by r^2. */
static double kernel(const double *a, const double *b, uint64_t n, double *slope)
{
    double d2 = 0;
    for (uint64_t c = 0; c < n; c++)
        d2 += (a[c] - b[c]) * (a[c] - b[c]);
    const double r = SQRT5 * sqrt(d2), e = exp(-r);
    *slope = 5.0 / 3 * (1 + r) * e;
    return (1 + r + 5.0 / 3 * d2) * e;
}

static void covariance(struct model *m, const double *theta, uint64_t from)
{
    const double s2 = exp(theta[m->n_parameters - 2]), noise = exp(theta[m->n_parameters - 1]);
    for (uint64_t i = from; i < m->n; i++) {
        const double *a = m->z + i * m->n_columns;
        for (uint64_t j = 0; j < i; j++) {
            m->l[i * m->ld + j] =
                s2 * kernel(a, m->z + j * m->n_columns, m->n_columns, m->slope + i * m->ld + j);
        }
        m->l[i * m->ld + i] = s2 + noise + nugget + m->noise[i];
    }
}

static void solve_values(struct model *m)
{
    memcpy(m->alpha, m->y, m->n * sizeof *m->alpha);
    solve_lower(m->l, 0, m->n, m->ld, m->alpha);
    solve_lower_transposed(m->l, m->n, m->ld, m->alpha);
}

static double prior(double at, double mean, double sd, double *g)
{
    const double z = (at - mean) / sd;
    *g += z / sd;
    return 0.5 * z * z;
}

static double priors(const struct model *m, const double *theta, double *g)
{
    const uint64_t p = m->n_parameters;
    double sum = 0;
    for (uint64_t i = 0; i + 2 < p; i++) {
        const int is_choice = m->columns->is_choice[i] != 0;
        const double mean = usual_length(m) + (is_choice ? log(choice_factor) : 0);
        sum += prior(theta[i], mean, is_choice ? choice_sd : length_sd, g + i);
    }
    sum += prior(theta[p - 2], 0, 1, g + p - 2);
    return sum + prior(theta[p - 1], log(1e-5), 2, g + p - 1);
}

/* The gradient of the likelihood by the length scales: sum of W_ij slope_ij (z_i - z_j)^2, W = K^-1 - alpha alpha^T. The trace of W
 * with the diagonal's noise goes to *out_known (what is measured and the nugget) and *out_noise. */
static void gradient(struct model *m, const double *theta, double *g)
{
    const uint64_t p = m->n_parameters, d = m->n_columns;
    const double s2 = exp(theta[p - 2]), noise = exp(theta[p - 1]);
    double trace = 0, measured = 0;
    memset(m->g, 0, d * sizeof *m->g);
    for (uint64_t i = 0; i < m->n; i++) {
        const double *t = m->t + i * m->ld + i, *a = m->z + i * d;
        const double w = dot(t, t, m->n - i) - m->alpha[i] * m->alpha[i];
        trace += w;
        measured += w * (nugget + m->noise[i]);
        for (uint64_t j = 0; j < i; j++) {
            const double *b = m->z + j * d;
            const double pair =
                (dot(t, m->t + j * m->ld + i, m->n - i) - m->alpha[i] * m->alpha[j]) *
                m->slope[i * m->ld + j];
            for (uint64_t c = 0; c < d; c++)
                m->g[c] += pair * (a[c] - b[c]) * (a[c] - b[c]);
        }
    }
    for (uint64_t c = 0; c < d; c++)
        g[m->columns->length[c]] += s2 * m->g[c]; // each pair counts twice, by 1/2
    g[p - 2] += 0.5 * ((double)m->n - dot(m->y, m->alpha, m->n) - noise * trace - measured);
    g[p - 1] += 0.5 * noise * trace;
}

/* -log(likelihood times prior) and its gradient. */
static double fit_value(void *arg, const double *theta, double *g)
{
    struct model *m = arg;
    memset(g, 0, m->n_parameters * sizeof *g);
    scale(m, theta);
    covariance(m, theta, 0);
    if (!cholesky(m->l, 0, m->n, m->ld)) return 1e10;
    solve_values(m);
    invert_lower(m->l, m->n, m->ld, m->t);
    gradient(m, theta, g);
    double sum = 0.5 * dot(m->y, m->alpha, m->n) + priors(m, theta, g);
    for (uint64_t i = 0; i < m->n; i++)
        sum += log(m->l[i * m->ld + i]);
    return sum;
}

void model_fit(struct model *m, int is_cold)
{
    const uint64_t p = m->n_parameters;
    m->n_factored = 0;
    const double value = descend(fit_value, m, m->low, m->high, m->theta, p, 30, m->work);
    if (is_cold) {
        begin(m, m->start, usual_length(m) - 1, 1e-3);
    } else {
        begin(m, m->start, usual_length(m), 1e-4);
    }
    const double other = descend(fit_value, m, m->low, m->high, m->start, p, 30, m->work);
    if (other < value) memcpy(m->theta, m->start, p * sizeof *m->theta);
}

int model_factor(struct model *m)
{
    double *noise = m->theta + m->n_parameters - 1;
    const double fitted = *noise;
    uint64_t from =
        m->has_noise ? 0 : m->n_factored; // known variances are in units that every value changes
    int is_done = 0;
    scale(m, m->theta);
    for (int try = 0; try < 12 && !is_done; try++) {
        covariance(m, m->theta, from);
        is_done = cholesky(m->l, from, m->n, m->ld);
        if (is_done) break;
        *noise += log(10);
        from = 0;
    }
    m->n_factored = is_done && *noise == fitted ? m->n : 0;
    m->best = HUGE_VAL;
    if (is_done) solve_values(m);
    for (uint64_t i = 0; is_done && i < m->n; i++) // means: K alpha = y - (noise) alpha
        m->best = fmin(m->best, m->y[i] - (exp(*noise) + nugget + m->noise[i]) * m->alpha[i]);
    *noise = fitted;
    return is_done;
}

double model_compare(struct model *m, const double *row, double *out_mean)
{
    const double s2 = exp(m->theta[m->n_parameters - 2]);
    double *slope = m->t; // free outside of a fit
    scale_row(m, row, m->g);
    for (uint64_t i = 0; i < m->n; i++)
        m->k[i] = s2 * kernel(m->g, m->z + i * m->n_columns, m->n_columns, slope + i);
    memcpy(m->v, m->k, m->n * sizeof *m->v);
    *out_mean = dot(m->k, m->alpha, m->n);
    return s2;
}

void model_predict(
    struct model *m, const double *row, double *mean, double *sd, double *d_mean, double *d_sd)
{
    const uint64_t d = m->n_columns;
    const double s2 = model_compare(m, row, mean), *slope = m->t;
    solve_lower(m->l, 0, m->n, m->ld, m->v);
    *sd = sqrt(fmax(s2 - dot(m->v, m->v, m->n), least_variance));
    if (!d_mean) return;
    solve_lower_transposed(m->l, m->n, m->ld, m->v);
    memset(d_mean, 0, d * sizeof *d_mean);
    memset(d_sd, 0, d * sizeof *d_sd);
    for (uint64_t i = 0; i < m->n; i++) {
        const double *z = m->z + i * d, s = -s2 * slope[i];
        for (uint64_t c = 0; c < d; c++) {
            d_mean[c] += s * m->alpha[i] * (m->g[c] - z[c]);
            d_sd[c] -= s * m->v[i] * (m->g[c] - z[c]);
        }
    }
    for (uint64_t c = 0; c < d; c++) {
        d_mean[c] *= m->inverse[c];
        d_sd[c] *= m->inverse[c] / *sd;
    }
}

void model_believe(struct model *m, const double *row)
{
    const uint64_t d = m->n_columns, i = m->n;
    double mean, sd;
    if (i >= m->ld) return;
    model_predict(m, row, &mean, &sd, NULL, NULL);
    memcpy(m->x + i * d, row, d * sizeof *row);
    scale_row(m, row, m->z + i * d);
    memcpy(m->l + i * m->ld, m->v, i * sizeof *m->v);
    m->l[i * m->ld + i] = sqrt(sd * sd + exp(m->theta[m->n_parameters - 1]) + nugget);
    m->y[i] = mean;
    m->alpha[i] = 0; // it is as expected: the weights of the others stay
    m->best = fmin(m->best, mean);
    m->n++;
}
