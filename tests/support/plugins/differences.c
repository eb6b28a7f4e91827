/* differences: does not train; compares the gradient with central differences of the closure.
 *
 *   fd = (f(w + h d) - f(w - h d)) / 2h against g . d, along one random direction per tensor, |d| = 1
 *
 * And what the closure says with the same and with fresh draws and batches. */
#include <assay/plugin.h>

#include <string.h>

struct differences {
    double h;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(differences, h, 1e-2, 0, 1, "step", .flags = ASSAY_OPEN_MIN),
};

enum { KEPT, FIRST, BY_DIFFERENCE, BY_GRADIENT, LOSS, SAME, DRAWS, BATCH, AGAIN };

static const assay_slot slots[] = {
    [KEPT] = { .name = "kept" },
    [FIRST] = { .name = "g" },
    [BY_DIFFERENCE] = { .name = "by_difference", .shape = ASSAY_SLOT_SCALAR },
    [BY_GRADIENT] = { .name = "by_gradient", .shape = ASSAY_SLOT_SCALAR },
    [LOSS] = { .name = "loss", .shape = ASSAY_SLOT_MODEL },
    [SAME] = { .name = "same", .shape = ASSAY_SLOT_MODEL },
    [DRAWS] = { .name = "fresh_draws", .shape = ASSAY_SLOT_MODEL },
    [BATCH] = { .name = "fresh_batch", .shape = ASSAY_SLOT_MODEL },
    [AGAIN] = { .name = "gradient_again", .shape = ASSAY_SLOT_MODEL },
};

/* A direction of length 1 in one tensor. */
static int draw(assay_ctx *ctx, const assay_step *step, const assay_span *s, float *d)
{
    double squares = 0;
    ctx->host->normal_f32(ctx, step->draw, s->tensor->index << 32, d, s->n);
    for (uint64_t k = 0; k < s->n; k++)
        squares += (double)d[k] * d[k];
    for (uint64_t k = 0; k < s->n; k++)
        d[k] = (float)(d[k] / sqrt(squares));
    return ASSAY_OK;
}

static int move(const assay_span *s, const float *d, double h, const assay_closure *c, double *f)
{
    for (uint64_t k = 0; k < s->n; k++)
        s->w[k] = (float)(s->slot[KEPT][k] + h * d[k]);
    const int code = c->evaluate(c, 0, f);
    memcpy(s->w, s->slot[KEPT], s->n * sizeof(float));
    return code;
}

static int compare(assay_ctx *ctx, const struct differences *h, const assay_step *step,
    const assay_span *s, const assay_closure *closure)
{
    double up = 0, down = 0, dot = 0;
    float *d = ctx->host->scratch(ctx, s->n * sizeof *d);
    if (!d) return ASSAY_E_NOMEM;
    memcpy(s->slot[KEPT], s->w, s->n * sizeof(float));
    memcpy(s->slot[FIRST], s->g, s->n * sizeof(float));
    int code = draw(ctx, step, s, d);
    if (code == ASSAY_OK) code = move(s, d, h->h, closure, &up);
    if (code == ASSAY_OK) code = move(s, d, -h->h, closure, &down);
    for (uint64_t k = 0; k < s->n; k++)
        dot += (double)s->g[k] * d[k];
    s->slot[BY_DIFFERENCE][0] = (float)((up - down) / (2 * h->h));
    s->slot[BY_GRADIENT][0] = (float)dot;
    return code;
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride, const assay_closure *closure)
{
    const struct differences *h = hyper;
    double *out = step->global;
    double different = 0;
    int code = ASSAY_OK;
    for (uint64_t i = 0; i < n && code == ASSAY_OK; i++)
        code = compare(ctx, h, step, (const void *)((const char *)spans + i * stride), closure);
    out[LOSS - LOSS] = step->loss;
    if (code == ASSAY_OK) code = closure->evaluate(closure, 0, &out[SAME - LOSS]);
    if (code == ASSAY_OK) {
        code = closure->evaluate(closure, ASSAY_CLOSURE_FRESH_DRAWS, &out[DRAWS - LOSS]);
    }
    if (code == ASSAY_OK) {
        code = closure->evaluate(closure, ASSAY_CLOSURE_FRESH_BATCH, &out[BATCH - LOSS]);
    }
    if (code == ASSAY_OK) code = closure->evaluate(closure, ASSAY_CLOSURE_GRADIENT, &different);
    different = 0;
    for (uint64_t i = 0; i < n && code == ASSAY_OK; i++) {
        const assay_span *s = (const void *)((const char *)spans + i * stride);
        for (uint64_t k = 0; k < s->n; k++)
            different += s->g[k] != s->slot[FIRST][k];
    }
    out[AGAIN - LOSS] = different;
    return code;
}

ASSAY_OPTIMIZER(differences, "0.1.0", "compares the gradient with differences of the closure",
    ASSAY_HYPERS(differences, hypers), .model = update, ASSAY_SLOTS(slots));
