/* What all schedules share: the unit they count in, and the warm-up.
 *
 * Time is counted in whole epochs or in steps, as `every` says. The first `warmup` units ramp up linearly from
 * warmup_start to 1; the schedule proper stands at its start until then and begins to count when they are over (the
 * two after one another, as torch.optim.lr_scheduler.SequentialLR puts them). The ramp itself moves at every step, also
 * where the unit is an epoch, as in Goyal et al. 2017, "Accurate, large minibatch SGD", section 2.2. */
#ifndef ASSAY_PLUGINS_SCHEDULE_SHARED_WARMUP_H
#define ASSAY_PLUGINS_SCHEDULE_SHARED_WARMUP_H

#include <assay/plugin.h>

enum { PACE_EPOCH, PACE_STEP };

static const char *const pace_units[] = { [PACE_EPOCH] = "epoch", [PACE_STEP] = "step" };

/* The author's struct has it as `pace`. */
struct pace {
    int64_t every, warmup;
    double warmup_start;
};

#define PACE_ROW_(T, f, type_, default_, max_, ...) \
    { \
        .name = #f, .offset = offsetof(struct T, pace.f), .type = (type_), .def = (default_), \
        .min = 0, .max = (max_), .doc = __VA_ARGS__ \
    }

/* Its three rows in the table of struct T. */
#define PACE_HYPERS(T, every_default) \
    PACE_ROW_(T, every, ASSAY_TYPE_ENUM, every_default, PACE_STEP, \
        "the unit that this schedule counts in", .choices = pace_units, \
        .n_choices = ASSAY_COUNT(pace_units)), \
        PACE_ROW_(T, warmup, ASSAY_TYPE_INT, 0, PACE_MOST, \
            "how many units the factor takes to ramp up at the start"), \
        PACE_ROW_(T, warmup_start, ASSAY_TYPE_REAL, 0, 1, "factor at the start of the ramp")

/* The largest count that a double holds exactly, for the ranges of counts. */
#define PACE_MOST 9007199254740992.0

/* Units done, in fractions of an epoch where that is the unit. */
static inline double pace_progress(const struct pace *p, const assay_when *when)
{
    const double epoch = (double)when->epoch;
    double x;
    if (p->every == PACE_STEP) {
        return (double)when->step;
    }
    if (when->steps_per_epoch == 0) {
        return epoch;
    }
    x = (double)when->step / (double)when->steps_per_epoch;
    return x < epoch ? epoch : (x > epoch + 1 ? epoch + 1 : x);
}

/* The ramp: what the schedule's own factor is multiplied by. */
static inline double pace_warmup(const struct pace *p, const assay_when *when)
{
    const double x = pace_progress(p, when), n = (double)p->warmup;
    return x < n ? p->warmup_start + (1 - p->warmup_start) * (x / n) : 1;
}

/* Whole units done since the warm-up; 0 while it lasts. */
static inline double pace_time(const struct pace *p, const assay_when *when)
{
    const double x = (double)(p->every == PACE_STEP ? when->step : when->epoch);
    const double n = (double)p->warmup;
    return x > n ? x - n : 0;
}

/* The row of a schedule with a horizon; the author's struct has `int64_t over`. */
#define PACE_OVER(T) \
    ASSAY_INT(T, over, 0, 0, PACE_MOST, \
        "how many units it takes, warm-up not included; 0: what is left of the run")

/* The whole run in units, or 0 where nobody knows. */
static inline double pace_run(const struct pace *p, const assay_when *when)
{
    if (p->every == PACE_STEP) {
        return (double)when->total_steps;
    }
    if (when->total_epochs == 0 && when->steps_per_epoch > 0) {
        return (double)when->total_steps / (double)when->steps_per_epoch;
    }
    return (double)when->total_epochs;
}

/* How many units a schedule takes after the warm-up: `over`, or what is left of the run where that is 0; not positive where
 * the warm-up eats it all. ASSAY_E_INVALID when the length of the run is needed and not known. */
static inline int pace_units_left(
    assay_ctx *ctx, const struct pace *p, const assay_when *when, int64_t over, double *out_units)
{
    const double run = over > 0 ? (double)over + (double)p->warmup : pace_run(p, when);
    if (!(run > 0)) {
        return ctx->host->fail(ctx, ASSAY_E_INVALID, "over",
            "the length of the run is not known: give over, or limit the run by epochs or steps");
    }
    *out_units = run - (double)p->warmup;
    return ASSAY_OK;
}

/* How much of its way, from 0 to 1, a schedule has behind it that takes so many units. */
static inline int pace_done(
    assay_ctx *ctx, const struct pace *p, const assay_when *when, int64_t over, double *out_done)
{
    const double x = pace_time(p, when);
    double units = 0;
    const int code = pace_units_left(ctx, p, when, over, &units);
    if (code == ASSAY_OK) {
        *out_done = x < units ? x / units : (x > 0 ? 1 : 0);
    }
    return code;
}

/* Units done since the warm-up, in fractions of an epoch where that is the unit. */
static inline double pace_smooth_time(const struct pace *p, const assay_when *when)
{
    const double x = pace_progress(p, when), n = (double)p->warmup;
    return x > n ? x - n : 0;
}

#endif
