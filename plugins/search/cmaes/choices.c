/* The chances of choices: independent categorical distributions that follow the natural gradient.
 *
 * Hamano, Saito, Nomura, Uchida and Shirakawa 2024, "CatCMA: stochastic optimization for mixed-category problems": steps of a length in
 * Fisher's measure that grows while gradients agree and shrinks while they do not (Akimoto, Shirakawa, Yoshinari, Uchida, Saito, Nishida 2019,
 * "Adaptive stochastic natural gradient method for one-shot neural architecture search"), and a least chance for each choice. */
#include "parts.h"

#include <string.h>

int choices_init(assay_ctx *ctx, struct choices *c, const struct columns *columns)
{
    *c = (struct choices){ .columns = columns };
    for (uint64_t j = columns->n_numbers; j < columns->n; j++) {
        const uint64_t n = (uint64_t)columns->levels[j];
        c->most = n > c->most ? n : c->most;
        c->n_free += n - 1;
    }
    const uint64_t cells = columns->n_choices * c->most;
    double *rows = ctx->host->alloc(ctx, (2 * cells + 2 * c->n_free + 1) * sizeof *rows);
    if (!rows) return ASSAY_E_NOMEM;
    c->chance = rows;
    c->gradient = rows + cells;
    c->path = c->gradient + cells;
    c->natural = c->path + c->n_free;
    return ASSAY_OK;
}

static uint64_t n_of(const struct choices *c, uint64_t j)
{
    return (uint64_t)c->columns->levels[c->columns->n_numbers + j];
}

void choices_start(struct choices *c, double step)
{
    for (uint64_t j = 0; j < c->columns->n_choices; j++) {
        for (uint64_t k = 0; k < n_of(c, j); k++)
            c->chance[j * c->most + k] = 1 / (double)n_of(c, j);
    }
    memset(c->path, 0, c->n_free * sizeof *c->path);
    c->trust = 1;
    c->gamma = 0;
    c->step = step;
    c->least = 1 - pow(0.73, 1 / fmax(1, (double)c->columns->n_choices));
}

uint64_t choices_draw(const struct choices *c, uint64_t j, double u)
{
    const uint64_t last = n_of(c, j) - 1;
    uint64_t k = 0;
    for (double rest = u - c->chance[j * c->most]; rest > 0 && k < last; k++)
        rest -= c->chance[j * c->most + k + 1];
    return k;
}

/* sum of w (1[x = k] - chance), of samples where it is active. */
static void add_gradient(struct choices *c, const struct sample *samples, uint64_t n)
{
    const uint64_t first = c->columns->n_numbers;
    memset(c->gradient, 0, c->columns->n_choices * c->most * sizeof *c->gradient);
    for (uint64_t s = 0; s < n; s++) {
        const double w = samples[s].weight;
        for (uint64_t j = 0; j < c->columns->n_choices && w > 0; j++) {
            if (!samples[s].is_active[first + j]) continue;
            double *g = c->gradient + j * c->most;
            for (uint64_t k = 0; k < n_of(c, j); k++)
                g[k] -= w * c->chance[j * c->most + k];
            g[(uint64_t)samples[s].place[first + j]] += w;
        }
    }
}

/* The gradient in coordinates where Fisher's measure is the usual length; that length. */
static double naturalise(struct choices *c)
{
    double *out = c->natural, sum = 1e-16;
    for (uint64_t j = 0; j < c->columns->n_choices; j++) {
        const double *g = c->gradient + j * c->most, *q = c->chance + j * c->most;
        const uint64_t last = n_of(c, j) - 1;
        for (uint64_t k = 0; k < last; k++) {
            *out = g[k] / sqrt(q[k]) + sqrt(q[k]) * g[last] / (q[last] + sqrt(q[last]));
            sum += *out * *out;
            out++;
        }
    }
    return sqrt(sum);
}

/* No chance below `least`; what that takes comes from the others in proportion. */
static void keep_margin(const struct choices *c, uint64_t j)
{
    const uint64_t n = n_of(c, j);
    const double least = c->least / (double)(n - 1);
    double *q = c->chance + j * c->most, sum = 0, spare = 0;
    for (uint64_t k = 0; k < n; k++) {
        q[k] = fmax(q[k], least);
        sum += q[k];
        spare += q[k] - least;
    }
    for (uint64_t k = 0; k < n && spare > 0; k++)
        q[k] += (1 - sum) / spare * (q[k] - least);
}

void choices_learn(struct choices *c, const struct sample *samples, uint64_t n)
{
    if (c->columns->n_choices == 0) return;
    add_gradient(c, samples, n);
    const double length = naturalise(c), step = c->step / c->trust;
    const double beta = fmin(1, step / sqrt((double)c->n_free));
    double square = 0;
    for (uint64_t i = 0; i < c->n_free; i++) {
        c->path[i] = (1 - beta) * c->path[i] + sqrt(beta * (2 - beta)) * c->natural[i] / length;
        square += c->path[i] * c->path[i];
    }
    c->gamma = (1 - beta) * (1 - beta) * c->gamma + beta * (2 - beta);
    c->trust *= exp(beta * (c->gamma - square / 1.5));
    const double scale = c->step / c->trust / length;
    for (uint64_t j = 0; j < c->columns->n_choices; j++) {
        for (uint64_t k = 0; k < n_of(c, j); k++)
            c->chance[j * c->most + k] += scale * c->gradient[j * c->most + k];
        keep_margin(c, j);
    }
}
