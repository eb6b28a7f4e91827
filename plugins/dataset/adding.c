/* The adding problem: two numbers of a sequence are marked, and their sum is asked for at its end.
 *
 *   x_t = (value_t, mark_t), value_t uniform on [0, 1), mark_t 1 at two steps and 0 at the others;   target = value_a + value_b
 *
 * Hochreiter, Schmidhuber 1997, "Long short-term memory", section 5.4, which other papers simplify to values of [0, 1] and a
 * fixed length. marks = "halves": a in the first half, b in the second; "anywhere": two different steps, as in Bai, Kolter,
 * Koltun 2018, "An empirical evaluation of generic convolutional and recurrent networks for sequence modeling".
 *
 * Whoever always answers 1 has a mean squared error of 2/12 = 1/6 = 0.1667, the variance of the sum (0.1767, which is often
 * given, is not it). Numbers are functions of seed and absolute place: stream 2 seed has the values, by step; stream 2 seed + 1
 * the marks, two a sample. They are whole numbers below a bound by a product with 32 random bits, so off by at most
 * bound / 2^32 from equal shares. */
#include <assay/plugin.h>

enum { HALVES, ANYWHERE };

static const char *const places[] = { "halves", "anywhere" };

struct adding {
    int64_t samples, length, marks, seed;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(adding, samples, 10000, 1, 4294967295.0, "how many sequences"),
    ASSAY_INT(adding, length, 100, 2, 1e6, "steps of each", .unit = "steps"),
    ASSAY_ENUM(adding, marks, HALVES, places, "one mark in each half, or two anywhere"),
    ASSAY_INT(adding, seed, 0, 0, 1e15, "of the numbers, apart from the run's seed"),
};

static uint64_t below(uint32_t random, uint64_t bound)
{
    return (random * bound) >> 32; // bound is at most 10^6, so nothing is lost above
}

static void draw_marks(int64_t marks, uint64_t length, const uint32_t random[2], uint64_t out[2])
{
    if (marks == HALVES) {
        out[0] = below(random[0], length / 2);
        out[1] = length / 2 + below(random[1], length - length / 2);
    } else {
        out[0] = below(random[0], length);
        out[1] = below(random[1], length - 1);
        out[1] += out[1] >= out[0];
    }
}

/* The values of one sample between the marks' zeros; the sum of the two that are marked. */
static float fill(const float *value, const uint64_t mark[2], uint64_t length, float *x)
{
    for (uint64_t t = 0; t < length; t++)
        x[2 * t] = value[t];
    x[2 * mark[0] + 1] = x[2 * mark[1] + 1] = 1;
    return value[mark[0]] + value[mark[1]];
}

static int no_memory(assay_ctx *ctx)
{
    return ctx->host->fail(ctx, ASSAY_E_NOMEM, NULL, "out of memory for the sequences");
}

static int generate(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    static const char *const names[] = { "value", "mark" };
    static const char *const target_names[] = { "sum" };
    static const uint32_t flags[] = { 0, ASSAY_FEATURE_CATEGORY };
    const struct adding *h = hyper;
    const uint64_t n = (uint64_t)h->samples, length = (uint64_t)h->length;
    const uint64_t stream = (uint64_t)h->seed * 2;
    // [n, length, 2], below 2^55 bytes; the largest first, so that nothing else is filled where it does not fit
    float *x = ctx->host->alloc(ctx, n * length * 2 * sizeof(float));
    if (x == NULL) return no_memory(ctx);
    uint64_t *first = ctx->host->alloc(ctx, n * sizeof(uint64_t));
    uint64_t *steps = ctx->host->alloc(ctx, n * sizeof(uint64_t));
    float *targets = ctx->host->alloc(ctx, n * sizeof(float));
    float *value = ctx->host->alloc(ctx, length * sizeof(float));
    if (first == NULL || steps == NULL || targets == NULL || value == NULL) return no_memory(ctx);
    for (uint64_t i = 0; i < n; i++) {
        uint32_t random[2] = { 0 };
        uint64_t mark[2] = { 0 };
        ctx->host->uniform_f32(ctx, stream, i * length, value, length);
        ctx->host->random_u32(ctx, stream + 1, 2 * i, random, 2);
        draw_marks(h->marks, length, random, mark);
        targets[i] = fill(value, mark, length, x + i * length * 2);
        first[i] = i * length;
        steps[i] = length;
    }
    out->n_samples = n;
    out->first_step = first;
    out->n_steps = steps;
    out->x_shape = (assay_shape){ 1, { 2 } };
    out->x_dtype = ASSAY_F32;
    out->x_writable = 1;
    out->x = x;
    out->x_stride = 2 * sizeof(float);
    out->feature_names = names;
    out->feature_flags = flags;
    out->target = ASSAY_TARGET_REAL;
    out->n_targets = 1;
    out->targets = targets;
    out->target_names = target_names;
    return ASSAY_OK;
}

ASSAY_DATASET(adding, "0.1.0", "the adding problem: the sum of two marked numbers of a sequence",
    ASSAY_HYPERS(adding, hypers), .open = generate);
