/* Optimizers of tier elem that go wrong in what they compute or touch. */
#define _POSIX_C_SOURCE 199309L /* nanosleep */

#include "optimizers.h"

#include <fenv.h>
#include <time.h>

/* -- as it should be, for comparison -- */

UPDATE(good, move_all(h, s););
OPTIMIZER(right, "nothing is wrong with it", .elem = good, ASSAY_SLOTS(slots));

/* -- cuts, places, threads -- */

UPDATE(by_chunk, for (uint64_t i = 0; i < s->n; i++) move(h, s, i, s->g[i] * (float)(1 + i % 3)););
OPTIMIZER(
    counts_from_chunk, "draws by the place in its chunk", .elem = by_chunk, ASSAY_SLOTS(slots));

UPDATE(by_place,
       for (uint64_t i = 0; i < s->n; i++)
           move(h, s, i, s->g[i] * (float)(1 + (s->begin + i) % 3)););
OPTIMIZER(depends_on_place, "another rate for every third", .elem = by_place, ASSAY_SLOTS(slots));

static float room[8192];
UPDATE(
    in_static_room, for (uint64_t i = 0; i < s->n && i < 8192; i++) room[i] = s->g[i];
    if (s->n == 16) {
        const struct timespec a_while = { 0, 50000 };
        nanosleep(&a_while, NULL);
    } for (uint64_t i = 0; i < s->n && i < 8192; i++) move(h, s, i, room[i]););
OPTIMIZER(
    shares_room, "a static array for all threads", .elem = in_static_room, ASSAY_SLOTS(slots));

static uint64_t n_calls;
UPDATE(by_calls, n_calls++;
       for (uint64_t i = 0; i < s->n; i++) move(h, s, i, s->g[i] / (float)(1 + n_calls % 5)););
OPTIMIZER(counts_calls, "a static counter", .elem = by_calls, ASSAY_SLOTS(slots));

/* -- what it may not touch -- */

UPDATE(over_end, move_all(h, s); s->w[s->n] = 1;);
OPTIMIZER(writes_over_end, "one element too many", .elem = over_end, ASSAY_SLOTS(slots));

UPDATE(before_begin, move_all(h, s); s->slot[0][-1] = 1;);
OPTIMIZER(writes_before_begin, "one before the first", .elem = before_begin, ASSAY_SLOTS(slots));

UPDATE(neighbour, move_all(h, s); if (s->begin + s->n < s->tensor->size) s->w[s->n] += 1e-3f;);
OPTIMIZER(writes_neighbour, "into the next chunk", .elem = neighbour, ASSAY_SLOTS(slots));

UPDATE(gradient, move_all(h, s); ((float *)(uintptr_t)s->g)[0] = 0;);
OPTIMIZER(writes_gradient, "clears the gradient", .elem = gradient, ASSAY_SLOTS(slots));

UPDATE(hyper, move_all(h, s); ((struct plain *)(uintptr_t)hyper)->lr *= 0.9;);
OPTIMIZER(writes_hyper, "lets lr fall by itself", .elem = hyper, ASSAY_SLOTS(slots));

static const assay_slot with_rows[] = { { .name = "v" },
    { .name = "rows", .shape = ASSAY_SLOT_ROWS } };
UPDATE(rows, move_all(h, s); s->slot[1][0] += s->g[0];);
OPTIMIZER(writes_rows, "sums over rows in elem", .elem = rows, ASSAY_SLOTS(with_rows));

UPDATE(rounding, move_all(h, s); fesetround(FE_UPWARD););
OPTIMIZER(rounds_up, "leaves another rounding mode", .elem = rounding, ASSAY_SLOTS(slots));

UPDATE(empty, if (s->n == 0) return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL, "no elements");
       move_all(h, s););
OPTIMIZER(wants_elements, "no chunk without elements", .elem = empty, ASSAY_SLOTS(slots));

/* -- numbers -- */

UPDATE(root, for (uint64_t i = 0; i < s->n; i++) move(h, s, i, sqrtf(s->g[i])););
OPTIMIZER(takes_roots, "the root of a negative number", .elem = root, ASSAY_SLOTS(slots));

UPDATE(sign, for (uint64_t i = 0; i < s->n; i++) move(h, s, i, s->g[i] / fabsf(s->g[i])););
OPTIMIZER(without_eps, "0 / 0", .elem = sign, ASSAY_SLOTS(slots));

UPDATE(square,
       for (uint64_t i = 0; i < s->n; i++) move(h, s, i,
           s->g[i] != 0 ? s->g[i] * s->g[i] / s->g[i] / s->g[i] * (s->g[i] / (s->g[i] * s->g[i]))
                        : 0););
OPTIMIZER(loses_squares, "divides by a square", .elem = square, ASSAY_SLOTS(slots));

UPDATE(next,
       for (uint64_t i = 0; i < s->n; i++)
           move(h, s, i, s->g[i] + 0 * s->g[i + 1 < s->n ? i + 1 : i]););
OPTIMIZER(looks_aside, "adds nothing of its neighbour", .elem = next, ASSAY_SLOTS(slots));

UPDATE(uphill, for (uint64_t i = 0; i < s->n; i++) move(h, s, i, -s->g[i]););
OPTIMIZER(goes_uphill, "the wrong sign", .elem = uphill, ASSAY_SLOTS(slots));

UPDATE(four, for (uint64_t i = 0; i < s->n / 4 * 4; i++) move(h, s, i, s->g[i]););
OPTIMIZER(by_fours, "leaves the last ones out", .elem = four, ASSAY_SLOTS(slots));

UPDATE(drift, for (uint64_t i = 0; i < s->n; i++) move(h, s, i, s->g[i] + 0.1f););
OPTIMIZER(drifts, "adds a constant", .elem = drift, ASSAY_SLOTS(slots));

UPDATE(shift, move_all(h, s); for (uint64_t i = 0; i < s->n; i++) s->w[i] -= 0.01f * s->g[i];);
OPTIMIZER(steps_without_lr, "a step that is no multiple of lr", .elem = shift, ASSAY_SLOTS(slots));

UPDATE(grow, struct plain other = *h; other.weight_decay = -h->weight_decay; move_all(&other, s););
OPTIMIZER(grows, "decay of the wrong sign", .elem = grow, ASSAY_SLOTS(slots));

UPDATE(restless, move_all(h, s);
       for (uint64_t i = 0; i < s->n; i++) s->w[i] -= (float)h->lr * 1e-3f * s->w[i];);
OPTIMIZER(never_rests, "decay that nobody asked for", .elem = restless, ASSAY_SLOTS(slots));

UPDATE(nan_decay, move_all(h, s); for (uint64_t i = 0; i < s->n; i++) s->w[i] -=
       (float)(h->weight_decay > 0 ? 1e-9 * s->g[i] / fabsf(s->g[i]) : 0););
OPTIMIZER(
    decays_to_nan, "a decay along the gradient's sign", .elem = nan_decay, ASSAY_SLOTS(slots));

UPDATE(not_bias, if (s->tensor->role != ASSAY_ROLE_BIAS) move_all(h, s););
OPTIMIZER(leaves_bias, "no step for biases", .elem = not_bias, ASSAY_SLOTS(slots));

UPDATE(
    not_first, for (uint64_t i = 0; i < s->n; i++) if (s->begin + i > 0) move(h, s, i, s->g[i]););
OPTIMIZER(leaves_first, "no step for element 0", .elem = not_first, ASSAY_SLOTS(slots));

/* -- right, but not of the usual kind -- */

struct sparse {
    double lr, l1, l2;
};
static const assay_hyper sparse_hypers[] = {
    ASSAY_LR(sparse, 0.1, 0.01, 1),
    ASSAY_REAL(sparse, l1, 1e-4, 0, 10, "weights shrink by this", .flags = ASSAY_SCHED),
    ASSAY_REAL(sparse, l2, 1e-4, 0, 10, "and by this share", .flags = ASSAY_SCHED),
};
static int shrink(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct sparse *h = hyper;
    (void)ctx;
    (void)step;
    for (uint64_t i = 0; i < s->n; i++) {
        const float w = s->w[i] - (float)h->lr * (s->g[i] + (float)h->l2 * s->w[i]);
        s->w[i] = copysignf(fmaxf(fabsf(w) - (float)(h->lr * h->l1), 0), w);
    }
    return ASSAY_OK;
}
ASSAY_DEFINE_OPTIMIZER(right_proximal, "0.1.0", "a proximal L1: nothing is wrong with it",
    ASSAY_HYPERS(sparse, sparse_hypers), .elem = shrink);

/* Without lr nothing moves at all: that says nothing of what moves without a gradient. */
struct bare {
    double lr;
};
static const assay_hyper bare_hypers[] = { ASSAY_LR(bare, 0.1, 0.01, 1) };
static int wander(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct bare *h = hyper;
    (void)ctx;
    (void)step;
    for (uint64_t i = 0; i < s->n; i++) {
        s->w[i] -= (float)h->lr * (s->g[i] + 1e-3f * s->w[i]);
    }
    return ASSAY_OK;
}
ASSAY_DEFINE_OPTIMIZER(
    wanders, "0.1.0", "moves without a gradient", ASSAY_HYPERS(bare, bare_hypers), .elem = wander);

/* Exponentiated gradient: Kivinen and Warmuth 1997, with signs kept. */
static int multiply(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct bare *h = hyper;
    (void)ctx;
    (void)step;
    for (uint64_t i = 0; i < s->n; i++) {
        const float by = -(float)h->lr * s->g[i] * copysignf(1, s->w[i]);
        s->w[i] *= expf(fmaxf(fminf(by, 1), -1));
    }
    return ASSAY_OK;
}
ASSAY_DEFINE_OPTIMIZER(right_multiplying, "0.1.0",
    "steps that keep signs: nothing is wrong with it", ASSAY_HYPERS(bare, bare_hypers),
    .elem = multiply);

/* -- what is declared and not used -- */

UPDATE(
    plain_step, for (uint64_t i = 0; i < s->n; i++) {
        s->slot[0][i] = (float)h->momentum * s->slot[0][i] + s->g[i];
        s->w[i] -= (float)h->lr * (s->g[i] + (float)h->weight_decay * s->w[i]);
    });
OPTIMIZER(forgets_momentum, "a velocity that is not used", .elem = plain_step, ASSAY_SLOTS(slots));

static const assay_slot two[] = { { .name = "v" }, { .name = "spare" } };
OPTIMIZER(spare_slot, "a slot that is not used", .elem = good, ASSAY_SLOTS(two));

static const assay_metric_row metrics[] = { { "speed", "length of the step", 0 } };
UPDATE(unknown_metric, move_all(h, s); (void)ctx->host->metric(ctx, 3, UINT64_MAX, 1););
OPTIMIZER(other_metric, "a metric that it does not declare", .elem = unknown_metric,
    ASSAY_SLOTS(slots), ASSAY_METRICS(metrics));

UPDATE(nan_metric, move_all(h, s); (void)ctx->host->metric(ctx, 0, UINT64_MAX, 0.0 / 0.0););
OPTIMIZER(
    nan_metrics, "a metric of NaN", .elem = nan_metric, ASSAY_SLOTS(slots), ASSAY_METRICS(metrics));

OPTIMIZER(silent_metric, "a metric that never comes", .elem = good, ASSAY_SLOTS(slots),
    ASSAY_METRICS(metrics));

/* -- services -- */

UPDATE(allocates, move_all(h, s); (void)ctx->host->alloc(ctx, 64););
OPTIMIZER(allocates_in_elem, "alloc in a worker", .elem = allocates, ASSAY_SLOTS(slots));

UPDATE(
    careless, float *x = ctx->host->scratch(ctx, (s->n + 1) * sizeof *x);
    for (uint64_t i = 0; x && i < s->n; i++) {
        x[i] = s->g[i];
        move(h, s, i, x[i]);
    });
OPTIMIZER(ignores_nomem, "goes on without scratch", .elem = careless, ASSAY_SLOTS(slots));

UPDATE(beyond, float *x = ctx->host->scratch(ctx, s->n * sizeof *x); if (!x) return ASSAY_E_NOMEM;
       for (uint64_t i = 0; i < s->n; i++) x[i + 16] = s->g[i]; move_all(h, s););
OPTIMIZER(over_scratch, "beyond its scratch", .elem = beyond, ASSAY_SLOTS(slots));

/* -- special cases -- */

static const assay_special_case untrue[] = {
    { .of = "sgd",
        .when = "weight_decay = 0.0;",
        .as = "dampening = 0.013;",
        .tolerance = 1e-6,
        .doc = "it is not" },
};
OPTIMIZER(claims_too_much, "a special case that is none", .elem = good, ASSAY_SLOTS(slots),
    ASSAY_SPECIAL_CASES(untrue));

static const assay_special_case unknown[] = {
    { .of = "no_such_optimizer", .when = "", .as = "", .doc = "nobody" }
};
OPTIMIZER(
    unknown_case, "of nobody", .elem = good, ASSAY_SLOTS(slots), ASSAY_SPECIAL_CASES(unknown));

static const assay_special_case true_case[] = {
    { .of = "sgd",
        .when = "momentum = 0.9;",
        .as = "momentum = 0.9; dampening = 0.0;",
        .doc = "it is" },
};
OPTIMIZER(claims_rightly, "a special case that is one", .elem = good, ASSAY_SLOTS(slots),
    ASSAY_SPECIAL_CASES(true_case));

ASSAY_PLUGIN(optimizers_elem, "0.1.0", &right_component, &counts_from_chunk_component,
    &depends_on_place_component, &shares_room_component, &counts_calls_component,
    &writes_over_end_component, &writes_before_begin_component, &writes_neighbour_component,
    &writes_gradient_component, &writes_hyper_component, &writes_rows_component,
    &rounds_up_component, &wants_elements_component, &takes_roots_component, &without_eps_component,
    &loses_squares_component, &looks_aside_component, &goes_uphill_component, &by_fours_component,
    &drifts_component, &steps_without_lr_component, &grows_component, &never_rests_component,
    &forgets_momentum_component, &spare_slot_component, &other_metric_component,
    &nan_metrics_component, &silent_metric_component, &allocates_in_elem_component,
    &ignores_nomem_component, &over_scratch_component, &claims_too_much_component,
    &unknown_case_component, &claims_rightly_component, &decays_to_nan_component,
    &leaves_bias_component, &leaves_first_component, &right_proximal_component, &wanders_component,
    &right_multiplying_component);
