/* ragged: sequences of 1 to `longest` steps of random numbers; the target of step t is 0.31 times the sum of all features up to
 * it, or whether that is above 0; `last` gives the sequence the target of its last step alone. */
#include <assay/plugin.h>

#include <math.h>

struct ragged {
    int64_t samples, features, longest, classes, last, weighted, positive;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(ragged, samples, 12, 1, 1e6, "sequences"),
    ASSAY_INT(ragged, features, 3, 1, 1000, "numbers in a step"),
    ASSAY_INT(ragged, longest, 7, 1, 1000, "steps of the longest"),
    ASSAY_BOOL(ragged, classes, 0, "two labels instead of a real target"),
    ASSAY_BOOL(ragged, last, 0, "one target for a sequence"),
    ASSAY_BOOL(ragged, weighted, 0, "give sample weights"),
    ASSAY_BOOL(ragged, positive, 0, "all features above 1"),
};

struct memory {
    float *x, *y, *weight;
    int32_t *label;
    uint64_t *first, *n_steps;
};

static uint64_t steps_of(const struct ragged *h, uint64_t i)
{
    return 1 + (i * 5 + 3) % (uint64_t)h->longest;
}

static void fill(const struct ragged *h, const struct memory *m, uint64_t i)
{
    const uint64_t d = (uint64_t)h->features;
    float sum = 0;
    for (uint64_t t = 0; t < m->n_steps[i]; t++) {
        const uint64_t row = m->first[i] + t, at = h->last ? i : row;
        for (uint64_t j = 0; j < d; j++)
            sum += 0.31f * m->x[row * d + j];
        m->y[at] = sum;
        m->label[at] = sum > 0;
    }
}

static int generate(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    const struct ragged *h = hyper;
    const uint64_t n = (uint64_t)h->samples, d = (uint64_t)h->features;
    const uint64_t most = n * (uint64_t)h->longest;
    struct memory m = { .x = ctx->host->alloc(ctx, most * d * sizeof(float)),
        .y = ctx->host->alloc(ctx, most * sizeof(float)),
        .weight = ctx->host->alloc(ctx, n * sizeof(float)),
        .label = ctx->host->alloc(ctx, most * sizeof(int32_t)),
        .first = ctx->host->alloc(ctx, n * sizeof(uint64_t)),
        .n_steps = ctx->host->alloc(ctx, n * sizeof(uint64_t)) };
    if (!m.x || !m.y || !m.weight || !m.label || !m.first || !m.n_steps) return ASSAY_E_NOMEM;
    ctx->host->normal_f32(ctx, 1, 0, m.x, most * d);
    for (uint64_t k = 0; h->positive && k < most * d; k++)
        m.x[k] = 1 + fabsf(m.x[k]);
    for (uint64_t i = 0, at = 0; i < n; at += m.n_steps[i], i++) {
        m.first[i] = at;
        m.n_steps[i] = steps_of(h, i);
        m.weight[i] = 0.37f * (float)(1 + i % 4);
        fill(h, &m, i);
    }
    out->n_samples = n;
    out->first_step = m.first;
    out->n_steps = m.n_steps;
    out->x_shape = (assay_shape){ 1, { d } };
    out->x_dtype = ASSAY_F32;
    out->x = m.x;
    out->x_stride = d * sizeof(float);
    out->target = h->classes ? ASSAY_TARGET_CLASS : ASSAY_TARGET_REAL;
    out->n_classes = h->classes ? 2 : 0;
    out->n_targets = 1;
    out->targets = h->classes ? NULL : m.y;
    out->label = h->classes ? m.label : NULL;
    out->target_per_step = !h->last;
    out->weight = h->weighted ? m.weight : NULL;
    return ASSAY_OK;
}

ASSAY_DATASET(ragged, "0.1.0", "sequences of unequal length and running sums",
    ASSAY_HYPERS(ragged, hypers), .open = generate);
