/* selective: gradient descent whose slots exist for some tensors only, and that looks at what it is handed.
 *
 *   m <- momentum m + g (matrices);  w <- w - lr (m or g);  rate <- lr of the span's own hyperparameters
 *
 * Every callback fails where span->hyper is not the struct of this tensor. selective_tensor does the same a tensor at a time, for
 * outer optimizers; selective_outer hands everything on to an inner one, whole. */
#include <assay/plugin.h>

#include <string.h>

struct selective {
    double lr, momentum;
    int64_t mode, count, largest;
    const char *refuses;
};

static const char *const modes[] = { "none", "some" };

#define ROWS(T) \
    ASSAY_LR(T, 0.1, 1e-3, 1), \
        ASSAY_REAL(T, momentum, 0.5, 0, 1, "of matrices", .flags = ASSAY_SCHED), \
        ASSAY_ENUM(T, mode, 0, modes, "whether there is the slot by_enum"), \
        ASSAY_INT(T, count, 0, 0, 9, "whether there is the slot by_int"), \
        ASSAY_INT(T, largest, 4, -1, 100, "rows and columns of what has slots with a limit"), \
        ASSAY_STRING(T, refuses, 0, "the tensor that it does not take")

static const assay_hyper hypers[] = { ROWS(selective) };

enum {
    M,
    RATE,
    BY_ENUM,
    BY_INT,
    PER_ROW,
    PER_COL,
    LEFT,
    RIGHT,
    BLOCK_ROWS,
    BLOCK_COLS,
    BLOCK_LEFT,
    BLOCK_RIGHT,
    BLOCK_SCALAR,
};

static const assay_slot slots[] = {
    [M] = { .name = "m", .when = "momentum", .flags = ASSAY_SLOT_MATRICES },
    [RATE] = { .name = "rate" },
    [BY_ENUM] = { .name = "by_enum", .shape = ASSAY_SLOT_SCALAR, .when = "mode" },
    [BY_INT] = { .name = "by_int", .shape = ASSAY_SLOT_COLS, .when = "count", .times = "count" },
    [PER_ROW] = { .name = "per_row", .shape = ASSAY_SLOT_ROWS, .limit = "largest" },
    [PER_COL] = { .name = "per_col", .shape = ASSAY_SLOT_COLS, .limit = "largest" },
    [LEFT] = { .name = "left", .shape = ASSAY_SLOT_ROWS_ROWS, .limit = "largest" },
    [RIGHT] = { .name = "right", .shape = ASSAY_SLOT_COLS_COLS, .limit = "largest" },
    [BLOCK_ROWS] = { .name = "block_rows",
        .shape = ASSAY_SLOT_ROWS,
        .flags = ASSAY_SLOT_PER_BLOCK },
    [BLOCK_COLS] = { .name = "block_cols",
        .shape = ASSAY_SLOT_COLS,
        .flags = ASSAY_SLOT_PER_BLOCK },
    [BLOCK_LEFT] = { .name = "block_left",
        .shape = ASSAY_SLOT_ROWS_ROWS,
        .flags = ASSAY_SLOT_PER_BLOCK | ASSAY_SLOT_MATRICES },
    [BLOCK_RIGHT] = { .name = "block_right",
        .shape = ASSAY_SLOT_COLS_COLS,
        .limit = "largest",
        .flags = ASSAY_SLOT_PER_BLOCK },
    [BLOCK_SCALAR] = { .name = "block_scalar",
        .shape = ASSAY_SLOT_SCALAR,
        .init = 0.25,
        .flags = ASSAY_SLOT_PER_BLOCK },
};

static int check(assay_ctx *ctx, const void *hyper, const assay_span *s)
{
    if (s->hyper == hyper) return ASSAY_OK;
    return ctx->host->fail(ctx, ASSAY_E_INTERNAL, NULL, "a span has other hyperparameters");
}

static int accept(assay_ctx *ctx, const void *hyper, const assay_tensor *t)
{
    const struct selective *h = hyper;
    if (!h->refuses || strcmp(h->refuses, t->name) != 0) return ASSAY_OK;
    return ctx->host->fail(
        ctx, ASSAY_E_UNSUPPORTED, NULL, "is not for it: give it to another by `match`");
}

static int reduce(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s, double *sums)
{
    (void)step;
    sums[0] += (double)s->n;
    return check(ctx, hyper, s);
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct selective *h = s->hyper;
    float *m = s->slot[M];
    (void)step;
    for (uint64_t i = 0; i < s->n; i++) {
        if (m) m[i] = (float)h->momentum * m[i] + s->g[i];
        s->w[i] -= (float)h->lr * (m ? m[i] : s->g[i]);
        s->slot[RATE][i] = (float)h->lr;
    }
    return check(ctx, hyper, s);
}

static int eval_weights(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s, float *out)
{
    (void)step;
    memcpy(out, s->w, s->n * sizeof *out);
    return check(ctx, hyper, s);
}

ASSAY_DEFINE_OPTIMIZER(selective, "0.1.0", "slots for some tensors only",
    ASSAY_HYPERS(selective, hypers), .elem = update, .n_sums = 1, .reduce = reduce,
    .eval_weights = eval_weights, .accept = accept, ASSAY_SLOTS(slots));

ASSAY_DEFINE_OPTIMIZER(selective_tensor, "0.1.0", "slots for some tensors only",
    ASSAY_HYPERS(selective, hypers), .tensor = update, .accept = accept, ASSAY_SLOTS(slots));

struct selective_outer {
    double share;
    const assay_instance *inner;
};

static const assay_hyper outer_hypers[] = {
    ASSAY_REAL(selective_outer, share, 0.625, 0, 1, "is looked for in every span"),
    ASSAY_COMPONENT(
        selective_outer, inner, "optimizer", "makes the steps", .flags = ASSAY_REQUIRED),
};

static int outer(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *spans,
    uint64_t n, uint64_t stride, const assay_closure *closure)
{
    const struct selective_outer *h = hyper;
    (void)closure;
    for (uint64_t i = 0; i < n; i++) {
        const struct selective_outer *own = assay_span_at(spans, i, stride)->hyper;
        if (!own || own->share != h->share || own->inner != h->inner) return ASSAY_E_INTERNAL;
    }
    return ctx->host->inner_update(ctx, h->inner, step, spans, n, stride);
}

ASSAY_DEFINE_OPTIMIZER(selective_outer, "0.1.0", "hands everything on",
    ASSAY_HYPERS(selective_outer, outer_hypers), .model = outer);

ASSAY_PLUGIN(selective, "0.1.0", &selective_component, &selective_tensor_component,
    &selective_outer_component);
