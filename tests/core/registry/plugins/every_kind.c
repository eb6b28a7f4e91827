/* One component of each kind in one file, each as small as the contract lets it be. */
#include <assay/plugin.h>

#include <string.h>

struct tiny {
    double lr, decay;
    int64_t steps, nesterov, mode;
    const char *note, *file;
    assay_reals factors;
    assay_ints milestones;
    assay_strings names;
    const assay_instance *inner;
    const assay_instance *plan;
};

static const char *const modes[] = { "mean", "sum" };

static const assay_hyper hypers[] = {
    ASSAY_LR(tiny, 0.125, 1e-3, 1),
    ASSAY_REAL(tiny, decay, 0.5, 0, 1, "how much of it stays", .flags = ASSAY_OPEN_MAX),
    ASSAY_INT(tiny, steps, 3, 1, 100, "how many"),
    ASSAY_BOOL(tiny, nesterov, 0, "use the slot v", .flags = ASSAY_DEPRECATED),
    ASSAY_ENUM(tiny, mode, 1, modes, "how to reduce"),
    ASSAY_STRING(tiny, note, 0, "anything"),
    ASSAY_STRING(tiny, file, 0, "a file", .flags = ASSAY_PATH),
    ASSAY_REALS(tiny, factors, "0.5 0.25", 0, 1, "factors"),
    ASSAY_INTS(tiny, milestones, "", 1, 1000, "when"),
    ASSAY_STRINGS(tiny, names, "a b", "names"),
    ASSAY_COMPONENT(tiny, inner, "optimizer", "an optimizer inside"),
    ASSAY_COMPONENT(tiny, plan, "schedule", "a schedule inside"),
};

static const assay_slot slots[] = {
    { .name = "m" },
    { .name = "history", .times = "steps" },
    { .name = "v", .when = "nesterov" },
    { .name = "by_real", .when = "decay" },
    { .name = "by_mode", .when = "mode" },
    { .name = "side",
        .shape = ASSAY_SLOT_ROWS_ROWS,
        .when = "steps",
        .limit = "steps",
        .flags = ASSAY_SLOT_MATRICES | ASSAY_SLOT_PER_BLOCK },
};

static const assay_special_case special_cases[] = {
    { .of = "sgd", .when = "", .as = "momentum = 0.5;", .doc = "nothing is set" },
    { .of = "tiny",
        .when = "decay = 0.25; factors = [ 0.5 ]; mode = \"mean\"; inner = \"sgd\";",
        .as = "type = \"whoever\"; lr = 1;",
        .after = 3,
        .tolerance = 1e-6,
        .doc = "of every type a row" },
};

static const assay_metric_row metrics[] = { { .name = "norm", .doc = "of the update" } };

static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct tiny *h = hyper;
    if (h->decay == 0.75) return ctx->host->fail(ctx, ASSAY_E_INVALID, "decay", "must not be 0.75");
    if (h->steps == 99) return ASSAY_E_UNSUPPORTED;
    if (h->steps == 98) return 5;
    if (h->note && strcmp(h->note, "log") == 0) ctx->host->log(ctx, ASSAY_LOG_INFO, "hello");
    return ASSAY_OK;
}

/* Uses the nested components, where there are some. */
static int model(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *spans,
    uint64_t n, uint64_t stride, const assay_closure *closure)
{
    const struct tiny *h = hyper;
    const assay_when when = { .struct_size = sizeof when, .step = step->t };
    double factor = 1;
    (void)closure;
    if (h->plan) {
        const int code = ctx->host->inner_factor(ctx, h->plan, &when, &factor);
        if (code != ASSAY_OK) return code;
    }
    ctx->host->metric(ctx, 0, UINT64_MAX, factor);
    return h->inner ? ctx->host->inner_update(ctx, h->inner, step, spans, n, stride) : ASSAY_OK;
}

ASSAY_DEFINE_OPTIMIZER(tiny, "1.2", "a tiny optimizer", ASSAY_HYPERS(tiny, hypers), .model = model,
    ASSAY_SLOTS(slots), .validate = validate, ASSAY_METRICS(metrics),
    ASSAY_SPECIAL_CASES(special_cases));

struct stair {
    double drop;
};

static const assay_hyper stair_hypers[] = { ASSAY_REAL(stair, drop, 0.5, 0, 1, "what is left") };

/* Its state counts the calls: drop^calls. */
static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct stair *h = hyper;
    if (when->step == 13) return ctx->host->fail(ctx, ASSAY_E_NUMERIC, "drop", "dislikes step 13");
    *out_factor = 1;
    for (double i = 0; i < state[0]; i++)
        *out_factor *= h->drop;
    state[0]++;
    return ASSAY_OK;
}

ASSAY_DEFINE_SCHEDULE(stair, "1.0", "a tiny schedule", ASSAY_HYPERS(stair, stair_hypers),
    .factor = factor, .n_state = 1);

static int layer_plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    (void)ctx;
    (void)hyper;
    plan->out = assay_plan_in(plan, 0)->shape;
    return ASSAY_OK;
}

static int layer_pass(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    (void)ctx;
    (void)hyper;
    (void)io;
    return ASSAY_OK;
}

static int layer_create(assay_ctx *ctx, const void *hyper)
{
    (void)hyper;
    ctx->self = ctx->host->alloc(ctx, 100);
    return ctx->self ? ASSAY_OK : ASSAY_E_NOMEM;
}

static void layer_destroy(assay_ctx *ctx)
{
    ctx->host->log(ctx, ASSAY_LOG_DEBUG, "destroyed");
}

ASSAY_DEFINE_LAYER(tiny_layer, "1.0", "a tiny layer", ASSAY_NO_HYPERS, .plan = layer_plan,
    .forward = layer_pass, .backward = layer_pass, .create = layer_create,
    .destroy = layer_destroy);

static int loss_plan(assay_ctx *ctx, const void *hyper, const assay_task *task)
{
    (void)ctx;
    (void)hyper;
    (void)task;
    return ASSAY_OK;
}

static int loss(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double scale, float *dy,
    double *out_sum)
{
    (void)ctx;
    (void)hyper;
    (void)rows;
    (void)scale;
    (void)dy;
    *out_sum = 0;
    return ASSAY_OK;
}

ASSAY_DEFINE_LOSS(
    tiny_loss, "1.0", "a tiny loss", ASSAY_NO_HYPERS, .plan = loss_plan, .loss = loss);

static int metric_plan(assay_ctx *ctx, const void *hyper, assay_metric_plan *plan)
{
    (void)ctx;
    (void)hyper;
    plan->n_sums = plan->n_values = 1;
    return ASSAY_OK;
}

static int metric_add(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums)
{
    (void)ctx;
    (void)hyper;
    sums[0] += (double)rows->n;
    return ASSAY_OK;
}

static int metric_result(assay_ctx *ctx, const void *hyper, const double *sums, double *values)
{
    (void)ctx;
    (void)hyper;
    values[0] = sums[0];
    return ASSAY_OK;
}

ASSAY_DEFINE_METRIC(tiny_metric, "1.0", "a tiny metric", ASSAY_NO_HYPERS, .plan = metric_plan,
    .add = metric_add, .result = metric_result);

struct rows {
    const char *file;
};

static const assay_hyper rows_hypers[] = {
    ASSAY_STRING(rows, file, 0, "the table to read", .flags = ASSAY_PATH | ASSAY_REQUIRED),
};

static int open_rows(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    const struct rows *h = hyper;
    (void)out;
    return ctx->host->fail(ctx, ASSAY_E_IO, "file", h->file);
}

ASSAY_DEFINE_DATASET(
    tiny_data, "1.0", "a tiny dataset", ASSAY_HYPERS(rows, rows_hypers), .open = open_rows);

ASSAY_PLUGIN(every_kind, "1.2", &tiny_component, &stair_component, &tiny_layer_component,
    &tiny_loss_component, &tiny_metric_component, &tiny_data_component);
