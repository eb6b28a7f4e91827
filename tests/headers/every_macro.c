/* Every macro of assay/plugin.h once, for `check` to compile under every standard. Never run. */
#include <assay/plugin.h>

struct many {
    double lr, real;
    int64_t integer, boolean, mode;
    const char *text;
    assay_reals reals;
    assay_ints ints;
    assay_strings strings;
    const assay_instance *inner;
};

static const char *const modes[] = { "mean", "sum" };

static const assay_hyper hypers[] = {
    ASSAY_LR(many, 1e-3, 1e-5, 1e-1),
    ASSAY_REAL(many, real, 0.5, 0, 1, "a number"),
    ASSAY_INT(many, integer, 3, 0, ASSAY_INF, "a whole number", .unit = "epochs"),
    ASSAY_BOOL(many, boolean, 1, "whether"),
    ASSAY_ENUM(many, mode, 0, modes, "how"),
    ASSAY_STRING(many, text, 0, "a path", .flags = ASSAY_PATH),
    ASSAY_REALS(many, reals, "0.5 0.75", 0, 1, "numbers"),
    ASSAY_INTS(many, ints, "", 0, 9, "whole numbers"),
    ASSAY_STRINGS(many, strings, "a b", "words"),
    ASSAY_COMPONENT(many, inner, "optimizer", "an inner optimizer"),
};

static const assay_slot slots[] = { { .name = "m" }, { .name = "r", .shape = ASSAY_SLOT_ROWS } };
static const assay_metric_row metrics[] = { { "norm", "of the update", 1 } };

static int elem(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span)
{
    const struct many *h = (const struct many *)hyper;
    (void)step;
    span->w[0] -= (float)h->lr * assay_exp(span->g[0]);
    return ASSAY_HAS(assay_host, ctx->host, extension)
        ? ASSAY_OK
        : ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, "lr", "no extensions here");
}

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    (void)ctx;
    (void)hyper;
    *out_factor = state[0] = (double)when->step;
    return ASSAY_OK;
}

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *p)
{
    (void)ctx;
    (void)hyper;
    p->out = assay_plan_in(p, 0)->shape;
    return assay_shape_equal(&p->out, &p->out) ? ASSAY_OK : ASSAY_E_SHAPE;
}

static int run(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    (void)ctx;
    (void)hyper;
    return assay_shape_size(io->out_shape) > 0 ? ASSAY_OK : ASSAY_E_SHAPE;
}

static int plan_loss(assay_ctx *ctx, const void *hyper, const assay_task *task)
{
    (void)ctx;
    (void)hyper;
    return task->target == ASSAY_TARGET_NONE ? ASSAY_E_INVALID : ASSAY_OK;
}

static int loss(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double scale, float *dy,
    double *out_sum)
{
    (void)ctx;
    (void)hyper;
    (void)dy;
    *out_sum = scale * (double)rows->n;
    return ASSAY_OK;
}

static int plan_metric(assay_ctx *ctx, const void *hyper, assay_metric_plan *p)
{
    (void)ctx;
    (void)hyper;
    p->n_sums = p->n_values = 1;
    return ASSAY_OK;
}

static int add(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums)
{
    (void)ctx;
    (void)hyper;
    sums[0] += (double)rows->n;
    return ASSAY_OK;
}

static int result(assay_ctx *ctx, const void *hyper, const double *sums, double *values)
{
    (void)ctx;
    (void)hyper;
    values[0] = sums[0];
    return ASSAY_OK;
}

static int open(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    (void)ctx;
    (void)hyper;
    out->n_samples = 0;
    return ASSAY_E_DATA;
}

ASSAY_DEFINE_OPTIMIZER(an_optimizer, "0.1.0", "one", ASSAY_HYPERS(many, hypers), .elem = elem,
    ASSAY_SLOTS(slots), ASSAY_METRICS(metrics));
ASSAY_DEFINE_SCHEDULE(a_schedule, "0.1.0", "one", ASSAY_NO_HYPERS, .factor = factor, .n_state = 1);
ASSAY_DEFINE_LAYER(
    a_layer, "0.1.0", "one", ASSAY_NO_HYPERS, .plan = plan, .forward = run, .backward = run);
ASSAY_DEFINE_LOSS(a_loss, "0.1.0", "one", ASSAY_NO_HYPERS, .plan = plan_loss, .loss = loss);
ASSAY_DEFINE_METRIC(
    a_metric, "0.1.0", "one", ASSAY_NO_HYPERS, .plan = plan_metric, .add = add, .result = result);
ASSAY_DEFINE_DATASET(a_dataset, "0.1.0", "one", ASSAY_NO_HYPERS, .open = open);
ASSAY_PLUGIN(every_macro, "0.1.0", &an_optimizer_component, &a_schedule_component,
    &a_layer_component, &a_loss_component, &a_metric_component, &a_dataset_component);
