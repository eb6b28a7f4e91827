/* Half the squared distance, and the same with one fault each; metrics of it. */
#include <assay/plugin.h>

#include <math.h>

typedef enum fault {
    NONE,
    WRONG_GRADIENT,
    FORGETS_SCALE,
    ADDS_TO_DY,
    LEAVES_ZERO_WEIGHTS,
    COUNTS_ZERO_WEIGHTS,
    IGNORES_WEIGHTS,
    SUMS_IN_FLOAT,
    MEAN_OF_CALL,
    CHANGES_ROWS,
    OTHER_WITHOUT_DY,
    OVERFLOWS,
    REFUSES_SILENTLY,
} fault;

static int plan_fault(fault f, assay_ctx *ctx, const assay_task *task)
{
    if (f == REFUSES_SILENTLY && task->n_outputs != task->n_targets) return ASSAY_E_SHAPE;
    if (task->target == ASSAY_TARGET_REAL && task->n_outputs == task->n_targets) return ASSAY_OK;
    return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL, "takes real targets, one for every output");
}

static double row_loss(fault f, const assay_rows *rows, uint64_t i)
{
    double sum = 0;
    for (uint64_t k = 0; k < rows->n_outputs; k++) {
        const double d = (double)rows->y[i * rows->n_outputs + k] -
            (double)rows->target[i * rows->n_targets + k];
        sum += f == OVERFLOWS ? exp(d / 10) - d / 10 : d * d / 2;
    }
    return sum;
}

static void row_gradient(
    fault f, const assay_rows *rows, uint64_t i, double weight, double scale, float *dy)
{
    for (uint64_t k = 0; k < rows->n_outputs; k++) {
        const uint64_t at = i * rows->n_outputs + k;
        double d = (double)rows->y[at] - (double)rows->target[at];
        if (f == OVERFLOWS) d = exp(d / 10) / 10 - 0.1;
        if (f == WRONG_GRADIENT) d *= 1.01;
        if (f != FORGETS_SCALE) d *= scale;
        dy[at] = (float)(weight * d) + (f == ADDS_TO_DY ? dy[at] : 0);
    }
}

static int loss_fault(fault f, const assay_rows *rows, double scale, float *dy, double *out_sum)
{
    double total = 0;
    float small = 0;
    for (uint64_t i = 0; i < rows->n; i++) {
        double weight = rows->weight && f != IGNORES_WEIGHTS ? (double)rows->weight[i] : 1;
        if (f == COUNTS_ZERO_WEIGHTS && weight == 0) weight = 1;
        total += weight * row_loss(f, rows, i);
        small += (float)(weight * row_loss(f, rows, i));
        if (dy && !(f == LEAVES_ZERO_WEIGHTS && weight == 0)) {
            row_gradient(f, rows, i, weight, scale, dy);
        }
    }
    if (f == SUMS_IN_FLOAT) total = (double)small;
    if (f == MEAN_OF_CALL && rows->n) total /= (double)rows->n;
    if (f == OTHER_WITHOUT_DY && !dy) total += 1;
    if (f == CHANGES_ROWS && rows->n) ((float *)(uintptr_t)rows->y)[0] += 1;
    *out_sum = total;
    return ASSAY_OK;
}

#define LOSS(name, f) \
    static int name##_plan(assay_ctx *ctx, const void *hyper, const assay_task *task) \
    { \
        (void)hyper; \
        return plan_fault(f, ctx, task); \
    } \
    static int name##_loss(assay_ctx *ctx, const void *hyper, const assay_rows *rows, \
        double scale, float *dy, double *out_sum) \
    { \
        (void)ctx; \
        (void)hyper; \
        return loss_fault(f, rows, scale, dy, out_sum); \
    } \
    ASSAY_DEFINE_LOSS(name, "0.1.0", "a squared distance with a fault", ASSAY_NO_HYPERS, \
        .plan = name##_plan, .loss = name##_loss)

LOSS(none, NONE);
LOSS(wrong_gradient, WRONG_GRADIENT);
LOSS(forgets_scale, FORGETS_SCALE);
LOSS(adds_to_dy, ADDS_TO_DY);
LOSS(leaves_zero_weights, LEAVES_ZERO_WEIGHTS);
LOSS(counts_zero_weights, COUNTS_ZERO_WEIGHTS);
LOSS(ignores_weights, IGNORES_WEIGHTS);
LOSS(sums_in_float, SUMS_IN_FLOAT);
LOSS(mean_of_call, MEAN_OF_CALL);
LOSS(changes_rows, CHANGES_ROWS);
LOSS(other_without_dy, OTHER_WITHOUT_DY);
LOSS(overflows, OVERFLOWS);
LOSS(refuses_silently, REFUSES_SILENTLY);

struct knob {
    double knob;
};

static const assay_hyper hypers[] = { ASSAY_REAL(knob, knob, 0.5, 0, 1, "does nothing") };

ASSAY_DEFINE_LOSS(idle_hyper, "0.1.0", "a hyperparameter that does nothing",
    ASSAY_HYPERS(knob, hypers), .plan = none_plan, .loss = none_loss);

ASSAY_PLUGIN(faulty_losses, "0.1.0", &none_component, &idle_hyper_component,
    &wrong_gradient_component, &forgets_scale_component, &adds_to_dy_component,
    &leaves_zero_weights_component, &counts_zero_weights_component, &ignores_weights_component,
    &sums_in_float_component, &mean_of_call_component, &changes_rows_component,
    &other_without_dy_component, &overflows_component, &refuses_silently_component);
