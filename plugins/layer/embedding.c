/* embedding: a trained row of numbers for every token.
 *
 *   y = W[x]           x [time, batch, k] tokens, W [vocabulary, size], y [time, batch, k size]
 *   dW[v] = sum of dy over the places where v stands
 *   word dropout, while training: y = W[x] d / (1 - dropout), d 0 or 1 for each (sample, token)
 *
 * k tokens of one step give their rows one behind the other. As PyTorch's Embedding, without its
 * padding_idx, max_norm and sparse gradients: padding is known by the length of a sample; its y is 0,
 * and neither its tokens nor its dy are looked at.
 *
 * A dropped word is dropped wherever it stands in the sample, which amounts to dropping rows of W: Gal
 * and Ghahramani 2016, "A theoretically grounded application of dropout in recurrent neural networks",
 * section 4.2; scaled while training, as in dropout. The draw is named by the sample's place in the
 * whole batch and the token, so it depends neither on the steps nor on how a batch is cut.
 *
 * Rows with one token are added up in double, step after step, and stored once: places are brought
 * into the order of their tokens by counting, so that dW is the same bits however W is stored.
 *
 * First values: uniform within 0.05, as in Keras' Embedding. PyTorch's normal of deviation 1 suits an
 * embedding alone, but not a W that is also the weight of a dense layer behind (Press and Wolf 2017,
 * "Using the output embedding to improve language models"): there the outputs' deviation would be that
 * of its input times the root of its size; init = { type = "normal"; std = 1.0; } gives it. Default
 * dropout: none. */
#include "shared/steps.h"

#include <stdio.h>

enum { WEIGHT };

struct embedding {
    int64_t size;
    double dropout;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(
        embedding, size, 0, 1, 1 << 24, "numbers that stand for a token", .flags = ASSAY_REQUIRED),
    ASSAY_REAL(embedding, dropout, 0, 0, 1,
        "probability of dropping a word, wherever it stands in the sample",
        .flags = ASSAY_OPEN_MAX | ASSAY_TUNE | ASSAY_SCHED, .tune_min = 0, .tune_max = 0.5),
};

typedef struct plan_data {
    uint64_t vocabulary;
} plan_data;

static int check_input(assay_ctx *ctx, const assay_plan *plan)
{
    if (plan->n_in != 1) {
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL,
            "takes exactly one input: give each its embedding and join these with concat");
    }
    if (assay_plan_in(plan, 0)->dtype != ASSAY_I32) {
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL,
            "the input is numbers, but an embedding looks tokens up: put it first, behind data of "
            "tokens, or use dense");
    }
    if (assay_plan_in(plan, 0)->vocabulary == 0) {
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL,
            "the data does not say how many different tokens it has: the dataset must give its "
            "vocabulary");
    }
    return ASSAY_OK;
}

static int plan_memory(assay_plan *plan, uint64_t k, uint64_t vocabulary, uint64_t size)
{
    const int64_t i_keep = plan->saved(plan, k, 0);
    if (i_keep < 0) return (int)i_keep;
    const int64_t i_places = plan->scratch(plan, k * sizeof(uint64_t), 0);
    if (i_places < 0) return (int)i_places;
    const int64_t i_ends = plan->scratch(plan, 0, (vocabulary + 1) * sizeof(uint64_t));
    if (i_ends < 0) return (int)i_ends;
    const int64_t i_sum = plan->scratch(plan, 0, size * sizeof(double));
    return i_sum < 0 ? (int)i_sum : ASSAY_OK;
}

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const int code = check_input(ctx, plan);
    if (code != ASSAY_OK) return code;
    const uint64_t size = (uint64_t)((const struct embedding *)hyper)->size;
    const uint64_t k = assay_shape_size(&assay_plan_in(plan, 0)->shape);
    const uint64_t vocabulary = assay_plan_in(plan, 0)->vocabulary;
    plan_data *data = ctx->host->alloc(ctx, sizeof *data);
    if (!data) return ASSAY_E_NOMEM;
    data->vocabulary = vocabulary;
    ctx->self = data;
    plan->out = (assay_shape){ 1, { k * size } };
    const assay_param weight = { .struct_size = sizeof weight,
        .name = "weight",
        .shape = { 2, { vocabulary, size } },
        .role = ASSAY_ROLE_EMBEDDING,
        .flags = ASSAY_PARAM_TIE | ASSAY_PARAM_TIE_TRANSPOSED,
        .init = "uniform" };
    const int64_t i_weight = plan->param(plan, &weight);
    return i_weight < 0 ? (int)i_weight : plan_memory(plan, k, vocabulary, size);
}

/* How the numbers lie: row v of W begins at v * row, its numbers are `step` apart. */
typedef struct layout {
    uint64_t k, size, vocabulary, row, step;
} layout;

static layout layout_of(const assay_ctx *ctx, const assay_io *io)
{
    const uint64_t k = assay_shape_size(io->in_shape), size = assay_shape_size(io->out_shape) / k;
    const uint64_t vocabulary = ((const plan_data *)ctx->self)->vocabulary;
    const int is_transposed = io->transposed[WEIGHT] != 0;
    return (
        layout){ k, size, vocabulary, is_transposed ? 1 : size, is_transposed ? vocabulary : 1 };
}

static int is_dropping(const struct embedding *h, const assay_io *io)
{
    return io->training && h->dropout > 0;
}

static int bad_token(assay_ctx *ctx, int32_t token, uint64_t vocabulary)
{
    char text[100];
    snprintf(text, sizeof text, "token %ld is outside 0..%llu", (long)token,
        (unsigned long long)(vocabulary - 1));
    return ctx->host->fail(ctx, ASSAY_E_DATA, NULL, text);
}

/* 0 or 1 / (1 - dropout), for that token in all of that row's sample. */
static float draw(assay_ctx *ctx, const struct embedding *h, const assay_io *io, uint64_t row,
    uint64_t vocabulary, int32_t token)
{
    const uint64_t sample = io->batch_begin + row % io->batch;
    float u;
    ctx->host->uniform_f32(ctx, io->draw, sample * vocabulary + (uint64_t)token, &u, 1);
    return u < (float)h->dropout ? 0 : (float)(1 / (1 - h->dropout));
}

/* y[size] = keep W[token] */
static void look_up(const assay_io *io, layout a, int32_t token, float keep, float *y)
{
    const float *w = io->param[WEIGHT] + (uint64_t)token * a.row;
    if (keep == 1 && a.step == 1) {
        memcpy(y, w, a.size * sizeof *y);
        return;
    }
    for (uint64_t j = 0; j < a.size; j++) {
        y[j] = keep == 0 ? 0 : keep * w[j * a.step];
    }
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const layout a = layout_of(ctx, io);
    const int dropping = is_dropping(hyper, io);
    for (uint64_t i = 0; i < io->time * io->batch * a.k; i++) {
        float *y = io->y + i * a.size;
        if (is_padding(io, i / a.k)) {
            memset(y, 0, a.size * sizeof *y);
            continue;
        }
        const int32_t token = ((const int32_t *)io->x[0])[i];
        if (token < 0 || (uint64_t)token >= a.vocabulary) {
            return bad_token(ctx, token, a.vocabulary);
        }
        const float keep = dropping ? draw(ctx, hyper, io, i / a.k, a.vocabulary, token) : 1;
        if (dropping) io->saved[0][i] = keep;
        look_up(io, a, token, keep, y);
    }
    return ASSAY_OK;
}

/* Fills place[] with the indices of all tokens but padding in the order of the tokens, equal ones in
 * their own order; end[v] is where those of token v end, end[v - 1] where they begin. */
static void sort_places(const assay_io *io, layout a, uint64_t *place, uint64_t *end)
{
    const int32_t *x = io->x[0];
    const uint64_t n = io->time * io->batch * a.k;
    memset(end, 0, (a.vocabulary + 1) * sizeof *end);
    for (uint64_t i = 0; i < n; i++) {
        if (!is_padding(io, i / a.k)) end[x[i] + 1]++;
    }
    for (uint64_t v = 0; v < a.vocabulary; v++) {
        end[v + 1] += end[v];
    }
    for (uint64_t i = 0; i < n; i++) { // end[v] goes from the begin of v to its end
        if (!is_padding(io, i / a.k)) place[end[x[i]]++] = i;
    }
}

/* sum[size] = keep dy over these places. */
static void add_up(const assay_io *io, layout a, const float *keep, const uint64_t *place,
    uint64_t n_places, double *sum)
{
    memset(sum, 0, a.size * sizeof *sum);
    for (uint64_t p = 0; p < n_places; p++) {
        const float *dy = io->dy + place[p] * a.size;
        const double factor = keep ? (double)keep[place[p]] : 1;
        for (uint64_t j = 0; factor != 0 && j < a.size; j++) {
            sum[j] += factor * (double)dy[j];
        }
    }
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const layout a = layout_of(ctx, io);
    uint64_t *place = io->scratch[0], *end = io->scratch[1]; // [time batch k], [vocabulary + 1]
    double *sum = io->scratch[2]; // [size]
    const float *keep = is_dropping(hyper, io) ? io->saved[0] : NULL;
    float *dw = io->dparam[WEIGHT];
    if (!dw) return ASSAY_OK;
    if (!io->accumulate[WEIGHT]) memset(dw, 0, a.vocabulary * a.size * sizeof *dw);
    sort_places(io, a, place, end);
    for (uint64_t v = 0, begin = 0; v < a.vocabulary; begin = end[v++]) {
        if (begin == end[v]) continue;
        add_up(io, a, keep, place + begin, end[v] - begin, sum);
        for (uint64_t j = 0; j < a.size; j++) {
            float *d = dw + v * a.row + j * a.step;
            *d = (float)((double)*d + sum[j]);
        }
    }
    return ASSAY_OK;
}

ASSAY_LAYER(embedding, "0.1.0", "a trained row of numbers for every token",
    ASSAY_HYPERS(embedding, hypers), .plan = plan, .forward = forward, .backward = backward);
