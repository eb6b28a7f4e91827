/* Values as the model sees them: cut, bent into the shape of a normal distribution, of mean 0 and deviation 1.
 *
 * Cut at `cut` times the distance from the best to the median: what is so bad needs no resolution. Bent by the power transform of Yeo
 * and Johnson 2000, "A new family of power transformations to improve normality or symmetry", whose power is the likeliest of nine (equation
 * 3.3 there): losses that span decades and wells in a plain both become something that one length scale describes. */
#include "parts.h"

static const double cut = 5;
static const double powers[] = { 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2 };

/* z, whose sign stays, at power p; the same with 2 - p for the other side. */
static double bend_up(double z, double p)
{
    return p == 0 ? log1p(z) : (pow(1 + z, p) - 1) / p;
}

static double unbend_up(double v, double p)
{
    return p == 0 ? expm1(v) : pow(fmax(1 + p * v, 0), 1 / p) - 1;
}

static double bend(double z, double p)
{
    return z >= 0 ? bend_up(z, p) : -bend_up(-z, 2 - p);
}

static double unbend(double v, double p)
{
    return v >= 0 ? unbend_up(v, p) : -unbend_up(-v, 2 - p);
}

/* What a small step in z becomes. */
static double bend_slope(double z, double p)
{
    return pow(1 + fabs(z), z >= 0 ? p - 1 : 1 - p);
}

static double mean_of(const double *y, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += y[i] / (double)n;
    return sum;
}

static double square_of(const double *y, uint64_t n, double mean)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += (y[i] - mean) * (y[i] - mean) / (double)n;
    return sum;
}

/* The power whose values are likeliest to be normal; v [n] is for work. */
static double likeliest(const double *z, double *v, uint64_t n)
{
    double best = HUGE_VAL, power = 1;
    for (size_t k = 0; k < sizeof powers / sizeof *powers; k++) {
        double stretch = 0;
        for (uint64_t i = 0; i < n; i++) {
            v[i] = bend(z[i], powers[k]);
            stretch += (powers[k] - 1) * copysign(log1p(fabs(z[i])), z[i]);
        }
        const double square = square_of(v, n, mean_of(v, n));
        const double unlikely = 0.5 * (double)n * log(square) - stretch;
        if (!(unlikely < best)) continue;
        best = unlikely;
        power = powers[k];
    }
    return power;
}

void values_set(struct model *m, double low, double median)
{
    struct values *w = &m->values;
    const double most = median + cut * (median - low + 1e-12);
    for (uint64_t i = 0; i < m->n; i++)
        m->y[i] = fmin(m->y[i], most);
    w->at = median;
    w->scale = sqrt(square_of(m->y, m->n, median));
    w->scale = fmax(w->scale, 1e-12 * (1 + fabs(median)));
    for (uint64_t i = 0; i < m->n; i++)
        m->y[i] = (m->y[i] - w->at) / w->scale;
    w->power = likeliest(m->y, m->v, m->n);
    m->has_noise = 0;
    for (uint64_t i = 0; i < m->n; i++) {
        const double slope = bend_slope(m->y[i], w->power) / w->scale;
        m->noise[i] *= slope * slope;
        m->has_noise |= m->noise[i] > 0;
        m->y[i] = bend(m->y[i], w->power);
    }
    w->mean = mean_of(m->y, m->n);
    w->sd = fmax(sqrt(square_of(m->y, m->n, w->mean)), 1e-12);
    for (uint64_t i = 0; i < m->n; i++) {
        m->y[i] = (m->y[i] - w->mean) / w->sd;
        m->noise[i] /= w->sd * w->sd;
    }
}

double values_back(const struct values *w, double y, double *out_slope)
{
    const double z = unbend(y * w->sd + w->mean, w->power);
    if (out_slope) *out_slope = w->sd * w->scale / bend_slope(z, w->power);
    return w->at + w->scale * z;
}
