/* What the schedule-free methods share: warm-up, the weights of the running average, and where it lies.
 *
 *   rate_t = lr min(1, t / warmup_steps) (times what the method adds);   best = max(rate_1 .. rate_t)
 *   weight_t = t^r best^weight_lr_power;   c_t = weight_t / (weight_1 + ... + weight_t)
 *   x_t = (1 - c_t) x_(t-1) + c_t z_t;   y_t = (1 - momentum) z_t + momentum x_t
 *
 * The weights trained are y, and z is a slot; x lies on their line: x = y + (1 - 1 / momentum) (z - y). */
#ifndef ASSAY_PLUGINS_OPTIMIZER_SHARED_AVERAGING_H
#define ASSAY_PLUGINS_OPTIMIZER_SHARED_AVERAGING_H

#include <assay/plugin.h>

#include <math.h>

/* MODEL slots, as assay_step.global counts them. */
enum { RATE_MAX, WEIGHT_SUM };

#define AVERAGING_SLOTS \
    { .name = "rate_max", .shape = ASSAY_SLOT_MODEL }, \
    { \
        .name = "weight_sum", .shape = ASSAY_SLOT_MODEL \
    }

#define AVERAGING_HYPERS(T) \
    ASSAY_INT(T, warmup_steps, 0, 0, 1e15, "the rate rises in proportion for so long", \
        .unit = "updates"), \
        ASSAY_REAL( \
            T, r, 0, 0, ASSAY_INF, "power of the update's number in the average's weights"), \
        ASSAY_REAL(T, weight_lr_power, 2, 0, ASSAY_INF, \
            "power of the largest rate so far in the average's weights")

static inline double averaging_warmth(uint64_t t, int64_t warmup_steps)
{
    return t < (uint64_t)warmup_steps ? (double)t / (double)warmup_steps : 1;
}

static inline double averaging_weight(const assay_step *step, double r, double power)
{
    return pow((double)step->t, r) * pow(step->global[RATE_MAX], power);
}

/* Once per update. */
static inline void averaging_advance(const assay_step *step, double rate, double r, double power)
{
    double *at = step->global;
    at[RATE_MAX] = rate > at[RATE_MAX] ? rate : at[RATE_MAX];
    at[WEIGHT_SUM] += averaging_weight(step, r, power);
}

/* c */
static inline double averaging_share(const assay_step *step, double r, double power)
{
    const double sum = step->global[WEIGHT_SUM];
    return sum > 0 ? averaging_weight(step, r, power) / sum : 0;
}

/* out = x */
ASSAY_MULTIVERSION static void averaging_find(uint64_t n, double momentum, const float *restrict y,
    const float *restrict z, float *restrict out)
{
    const float beyond = (float)(1 - 1 / momentum);
    for (uint64_t i = 0; i < n; i++) {
        out[i] = y[i] + beyond * (z[i] - y[i]);
    }
}

#endif
