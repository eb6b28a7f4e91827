/* Optimizers with sums, of whole tensors and of the model, and with state of their own, that go
 * wrong. */
#include "optimizers.h"

#include <string.h>

/* -- sums -- */

#define SUMS(name, ...) \
    static int name(assay_ctx *ctx, const void *hyper, const assay_step *step, \
        const assay_span *s, double *sums) \
    { \
        (void)ctx; \
        (void)hyper; \
        (void)step; \
        (void)s; \
        __VA_ARGS__ \
        return ASSAY_OK; \
    } \
    struct assay_semicolon_

SUMS(squares, for (uint64_t i = 0; i < s->n; i++) sums[0] += (double)s->g[i] * (double)s->g[i];);
UPDATE(by_norm,
       for (uint64_t i = 0; i < s->n; i++) move(h, s, i, s->g[i] / (float)(1 + sqrt(s->sums[0]))););
OPTIMIZER(right_sums, "nothing is wrong with it", .elem = by_norm, ASSAY_SLOTS(slots), .n_sums = 1,
    .reduce = squares);

SUMS(once, sums[0] += 1;);
UPDATE(
    by_count, for (uint64_t i = 0; i < s->n; i++) move(h, s, i, s->g[i] / (float)step->sums[0]););
OPTIMIZER(sums_chunks, "counts chunks", .elem = by_count, ASSAY_SLOTS(slots), .n_sums = 1,
    .reduce = once);

SUMS(moves, s->w[0] += 1e-3f; sums[0] += 1;);
OPTIMIZER(moves_in_reduce, "weights in reduce", .elem = by_norm, ASSAY_SLOTS(slots), .n_sums = 1,
    .reduce = moves);

SUMS(too_many, sums[0] += 1; sums[1] += 1;);
OPTIMIZER(sums_over_end, "a sum too many", .elem = by_norm, ASSAY_SLOTS(slots), .n_sums = 1,
    .reduce = too_many);

static const assay_slot with_global[] = { { .name = "v" },
    { .name = "n", .shape = ASSAY_SLOT_MODEL } };
UPDATE(counts_in_elem, move_all(h, s); step->global[0] += 1;);
OPTIMIZER(
    global_in_elem, "the group's state in elem", .elem = counts_in_elem, ASSAY_SLOTS(with_global));

/* -- whole tensors -- */

UPDATE(other_tensor, move_all(h, s); (void)step;);
OPTIMIZER(right_tensor, "nothing is wrong with it", .tensor = other_tensor, ASSAY_SLOTS(slots));

/* -- the model -- */

static void move_spans(const struct plain *h, const assay_span *spans, uint64_t n, uint64_t stride)
{
    for (uint64_t i = 0; i < n; i++) {
        move_all(h, assay_span_at(spans, i, stride));
    }
}

#define MODEL(name, ...) \
    static int name(assay_ctx *ctx, const void *hyper, const assay_step *step, \
        const assay_span *spans, uint64_t n, uint64_t stride, const assay_closure *closure) \
    { \
        const struct plain *h = hyper; \
        double loss = 0; \
        int code = ASSAY_OK; \
        (void)ctx; \
        (void)step; \
        (void)closure; \
        (void)loss; \
        __VA_ARGS__ \
        return code; \
    } \
    struct assay_semicolon_

MODEL(
    asks, code = closure->evaluate(closure, ASSAY_CLOSURE_GRADIENT, &loss);
    for (uint64_t i = 0; i < n && code == ASSAY_OK; i++) {
        const assay_span *s = assay_span_at(spans, i, stride);
        move_all(s->hyper, s);
    });
OPTIMIZER(right_model, "nothing is wrong with it", .model = asks, ASSAY_SLOTS(slots));

MODEL(at_one_rate, move_spans(h, spans, n, stride););
OPTIMIZER(one_rate, "does not look at lr_scale", .model = at_one_rate, ASSAY_SLOTS(slots));

MODEL(swallows, (void)closure->evaluate(closure, ASSAY_CLOSURE_GRADIENT, &loss);
      move_spans(h, spans, n, stride););
OPTIMIZER(swallows_error, "does not look at the code", .model = swallows, ASSAY_SLOTS(slots));

MODEL(by_loss, code = closure->evaluate(closure, 0, &loss); struct plain scaled = *h;
      scaled.lr = h->lr * loss * 1e-3;
      if (code == ASSAY_OK) move_spans(&scaled, spans, n, stride););
OPTIMIZER(trusts_loss, "takes any loss for a number", .model = by_loss, ASSAY_SLOTS(slots));

MODEL(probes, for (uint64_t i = 0; i < n; i++) assay_span_at(spans, i, stride)->w[0] += 0.05f;
      code = closure->evaluate(closure, ASSAY_CLOSURE_GRADIENT, &loss);
      if (code == ASSAY_OK) move_spans(h, spans, n, stride););
OPTIMIZER(stays_at_probe, "does not go back", .model = probes, ASSAY_SLOTS(slots));

MODEL(odd_flags, code = closure->evaluate(closure, 64, &loss);
      if (code == ASSAY_OK) move_spans(h, spans, n, stride););
OPTIMIZER(unknown_flags, "flags of its own", .model = odd_flags, ASSAY_SLOTS(slots));

/* -- where to evaluate -- */

#define EVALUATE(name, ...) \
    static int name(assay_ctx *ctx, const void *hyper, const assay_step *step, \
        const assay_span *s, float *out) \
    { \
        (void)ctx; \
        (void)hyper; \
        (void)step; \
        __VA_ARGS__ \
        return ASSAY_OK; \
    } \
    struct assay_semicolon_

UPDATE(good, move_all(h, s););

EVALUATE(ahead, for (uint64_t i = 0; i < s->n; i++) out[i] = s->w[i] - 0.1f * s->slot[0][i];);
OPTIMIZER(right_place, "nothing is wrong with it", .elem = good, ASSAY_SLOTS(slots),
    .eval_weights = ahead);

static uint64_t n_asked;
EVALUATE(anew, n_asked++;
         for (uint64_t i = 0; i < s->n; i++) out[i] = s->w[i] + 1e-3f * (float)(n_asked % 5););
OPTIMIZER(counts_questions, "another answer each time", .elem = good, ASSAY_SLOTS(slots),
    .eval_weights = anew);

EVALUATE(half, for (uint64_t i = 0; i < s->n / 2; i++) out[i] = s->w[i];);
OPTIMIZER(
    answers_half, "half of the weights", .elem = good, ASSAY_SLOTS(slots), .eval_weights = half);

EVALUATE(moves_w, for (uint64_t i = 0; i < s->n; i++) out[i] = s->w[i] *= 0.99f;);
OPTIMIZER(moves_when_asked, "moves when asked", .elem = good, ASSAY_SLOTS(slots),
    .eval_weights = moves_w);

/* Before the first update slot 0 holds nothing yet. */
EVALUATE(slot_alone, for (uint64_t i = 0; i < s->n; i++) out[i] = s->slot[0][i];);
OPTIMIZER(answers_too_early, "an average that is not there yet", .elem = good, ASSAY_SLOTS(slots),
    .eval_weights = slot_alone);

struct late {
    double lr;
    int64_t start;
};
static const assay_hyper late_hypers[] = {
    ASSAY_LR(late, 0.1, 0.01, 1),
    ASSAY_INT(late, start, 1, 1, 1e9, "the update from which on weights are averaged"),
};
static const assay_slot late_slots[] = { { .name = "mean" } };

static int average(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct late *h = hyper;
    const uint64_t start = (uint64_t)h->start;
    (void)ctx;
    for (uint64_t i = 0; i < s->n; i++) {
        s->w[i] -= (float)h->lr * s->g[i];
        if (step->t >= start) {
            s->slot[0][i] += (s->w[i] - s->slot[0][i]) / (float)(step->t - start + 1);
        }
    }
    return ASSAY_OK;
}

EVALUATE(mean, const struct late *h = hyper;
         const float *from = step->t >= (uint64_t)h->start ? s->slot[0] : s->w;
         memcpy(out, from, s->n * sizeof *out););
EVALUATE(mean_if_any, const float *from = step->t > 0 ? s->slot[0] : s->w;
         memcpy(out, from, s->n * sizeof *out););
ASSAY_DEFINE_OPTIMIZER(right_late, "0.1.0", "nothing is wrong with it",
    ASSAY_HYPERS(late, late_hypers), .elem = average, ASSAY_SLOTS(late_slots),
    .eval_weights = mean);
ASSAY_DEFINE_OPTIMIZER(answers_before_start, "0.1.0", "a mean that has not begun",
    ASSAY_HYPERS(late, late_hypers), .elem = average, ASSAY_SLOTS(late_slots),
    .eval_weights = mean_if_any);

/* -- state of its own -- */

struct own {
    uint64_t n;
    double now, before;
};

static int create(assay_ctx *ctx, const void *hyper)
{
    (void)hyper;
    ctx->self = ctx->host->alloc(ctx, sizeof(struct own));
    return ctx->self ? ASSAY_OK : ASSAY_E_NOMEM;
}

static void destroy(assay_ctx *ctx)
{
    (void)ctx;
}

static int save_nothing(assay_ctx *ctx, void *buffer, uint64_t *bytes)
{
    (void)ctx;
    (void)buffer;
    *bytes = 0;
    return ASSAY_OK;
}

static int load_nothing(assay_ctx *ctx, const void *buffer, uint64_t bytes)
{
    (void)ctx;
    (void)buffer;
    return bytes ? ASSAY_E_DATA : ASSAY_OK;
}

static int save(assay_ctx *ctx, void *buffer, uint64_t *bytes)
{
    *bytes = sizeof(struct own);
    if (buffer) {
        memcpy(buffer, ctx->self, sizeof(struct own));
    }
    return ASSAY_OK;
}

static int load(assay_ctx *ctx, const void *buffer, uint64_t bytes)
{
    if (bytes != sizeof(struct own)) {
        return ctx->host->fail(ctx, ASSAY_E_DATA, NULL, "not what it has saved");
    }
    memcpy(ctx->self, buffer, sizeof(struct own));
    return ASSAY_OK;
}

static int load_any(assay_ctx *ctx, const void *buffer, uint64_t bytes)
{
    memcpy(ctx->self, buffer, bytes < sizeof(struct own) ? bytes : sizeof(struct own));
    return ASSAY_OK;
}

static int count(assay_ctx *ctx, const void *hyper, const assay_step *step)
{
    struct own *own = ctx->self;
    const struct plain *h = hyper;
    (void)step;
    own->n++;
    own->before = own->now;
    own->now = h->lr;
    return ASSAY_OK;
}

UPDATE(by_own_count, const struct own *own = ctx->self;
       for (uint64_t i = 0; i < s->n; i++) move(h, s, i, s->g[i] / (float)own->n););
OPTIMIZER(right_own, "nothing is wrong with it", .elem = by_own_count, ASSAY_SLOTS(slots),
    .combine = count, .create = create, .destroy = destroy, .save = save, .load = load);
OPTIMIZER(saves_nothing, "a counter that is not saved", .elem = by_own_count, ASSAY_SLOTS(slots),
    .combine = count, .create = create, .destroy = destroy, .save = save_nothing,
    .load = load_nothing);
OPTIMIZER(loads_anything, "takes what it gets", .elem = by_own_count, ASSAY_SLOTS(slots),
    .combine = count, .create = create, .destroy = destroy, .save = save, .load = load_any);

/* At a rate that stays the same nothing shows. */
UPDATE(late, const struct own *own = ctx->self; struct plain other = *h;
       other.lr = own->before > 0 ? own->before : h->lr; move_all(&other, s););
OPTIMIZER(one_rate_late, "the rate of the update before", .elem = late, ASSAY_SLOTS(slots),
    .combine = count, .create = create, .destroy = destroy, .save = save_nothing,
    .load = load_nothing);

ASSAY_PLUGIN(optimizers_whole, "0.1.0", &right_sums_component, &sums_chunks_component,
    &moves_in_reduce_component, &sums_over_end_component, &global_in_elem_component,
    &right_tensor_component, &right_model_component, &swallows_error_component,
    &trusts_loss_component, &stays_at_probe_component, &unknown_flags_component,
    &right_place_component, &counts_questions_component, &answers_half_component,
    &moves_when_asked_component, &right_own_component, &saves_nothing_component,
    &loads_anything_component, &one_rate_component, &one_rate_late_component,
    &answers_too_early_component, &right_late_component, &answers_before_start_component);
