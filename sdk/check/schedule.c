/* What a schedule must hold to: a pure function of progress and of the state that the host keeps. */
#include "check/guard.h"
#include "check/shows.h"
#include "check/subject.h"

#include <assay/schedule.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_STEPS = 90, STEPS_PER_EPOCH = 10 };

/* One schedule at work: an instance and a state on watched memory. */
typedef struct run {
    const char *settings;
    specimen specimen;
    const assay_schedule *ops;
    guarded state;
    check_report *rep;
} run;

static bool complain(const run *r, const char *format, double a, double b)
{
    char what[400];
    snprintf(what, sizeof what, format, a, b);
    check_fail(r->rep, "factor: %s (%s%s%s)", what,
        r->settings[0] ? "settings \"" : "default settings", r->settings,
        r->settings[0] ? "\"" : "");
    return false;
}

static bool run_open(const subject *s, const char *settings, run *r, check_report *rep)
{
    error err = { 0 };
    *r = (run){ .settings = settings, .rep = rep };
    if (specimen_open(s, settings, &r->specimen, &err) != OK) {
        check_fail(rep, "%s", err.text);
        return false;
    }
    r->ops = r->specimen.instance->component->ops;
    if (guarded_new(r->ops->n_state * sizeof(double), GUARD_AFTER, &r->state, &err) == OK) {
        guarded_name(&r->state, "state");
        return true;
    }
    check_fail(rep, "%s", err.text);
    return false;
}

static void run_close(run *r)
{
    specimen_close(&r->specimen);
    guarded_free(&r->state);
}

/* The monitored metric: falls, stands still, falls again. */
static double monitored_at(uint64_t n_checks)
{
    if (n_checks == 0) return NAN;
    return n_checks < 3 ? 1.0 / (double)n_checks : n_checks < 7 ? 0.47 : 0.9 / (double)n_checks;
}

/* Progress at a step; total 0: unknown. */
static assay_when when_at(uint64_t step, uint64_t total)
{
    const uint64_t n_checks = step / (STEPS_PER_EPOCH / 2);
    return (assay_when){ .struct_size = sizeof(assay_when),
        .step = step,
        .total_steps = total,
        .epoch = step / STEPS_PER_EPOCH,
        .total_epochs = (total + STEPS_PER_EPOCH - 1) / STEPS_PER_EPOCH,
        .steps_per_epoch = STEPS_PER_EPOCH,
        .n_checks = n_checks,
        .monitored = monitored_at(n_checks) };
}

/* One call; *out_refused: it failed with a reason of its own (where that is no fault). */
static bool call(run *r, const assay_when *given, double *out, bool *out_refused)
{
    instance *i = r->specimen.instance;
    const float_mode mode = float_mode_get();
    const assay_when when = *given;
    error err = { 0 };
    *out = NAN;
    const int code = r->ops->factor(&i->ctx, i->hyper, given, r->state.at, out);
    const char *change = float_mode_change(&mode);
    float_mode_set(&mode);
    if (change) return complain(r, "changes the floating-point mode (control word differs)", 0, 0);
    if (memcmp(&when, given, sizeof when) != 0) return complain(r, "changes *when", 0, 0);
    if (!guarded_is_intact(&r->state)) return complain(r, "writes before its state", 0, 0);
    *out_refused = code != ASSAY_OK;
    const status st = instance_status(i, code, "factor", &err);
    if (st != OK && strstr(err.text, "(it gave no reason)")) {
        check_fail(r->rep, "%s: say by host->fail what is missing", err.text);
        return false;
    }
    return true;
}

/* Factors of steps [begin, end); where it refuses NaN. */
static bool play(run *r, uint64_t begin, uint64_t end, uint64_t total, double *out)
{
    for (uint64_t t = begin; t < end; t++) {
        const assay_when when = when_at(t, total);
        bool refused = false;
        if (!call(r, &when, &out[t], &refused)) return false;
        if (refused) out[t] = NAN;
        if (refused || (isfinite(out[t]) && out[t] >= 0)) continue;
        return complain(r, "gives %g at step %g, expected a finite number >= 0", out[t], (double)t);
    }
    return true;
}

static bool is_equal(const double *a, const double *b, size_t n, size_t *out_at)
{
    for (size_t i = 0; i < n; i++) {
        if ((isnan(a[i]) && isnan(b[i])) || a[i] == b[i]) continue;
        *out_at = i;
        return false;
    }
    return true;
}

static bool check_equal(
    const run *r, const double *found, const double *expected, size_t n, const char *meaning)
{
    size_t at = 0;
    char format[300];
    if (is_equal(found, expected, n, &at)) return true;
    snprintf(format, sizeof format, "gives %%.9g at step %zu, expected %%.9g: %s", at, meaning);
    return complain(r, format, found[at], expected[at]);
}

static void each_setting(const subject *s,
    void (*each)(const subject *s, const char *settings, check_report *rep), check_report *rep)
{
    const char *settings[CHECK_MAX_SETTINGS] = { "" };
    size_t n = 0;
    arena memory = { 0 };
    error err = { 0 };
    if (subject_settings(s, &memory, settings, &n, &err) != OK) check_fail(rep, "%s", err.text);
    for (size_t i = 0; i < n && rep->outcome != CHECK_FAILED; i++) {
        each(s, settings[i], rep);
    }
    arena_release(&memory);
}

/* -- range -- */

/* Runs of unknown, tiny and huge length, and steps beyond the end. */
static void range_setting(const subject *s, const char *settings, check_report *rep)
{
    static const uint64_t totals[] = { N_STEPS, 0, 1, 30, UINT64_C(1) << 40 };
    for (size_t k = 0; k < sizeof totals / sizeof totals[0]; k++) {
        run r;
        double out[N_STEPS];
        if (run_open(s, settings, &r, rep) && play(&r, 0, N_STEPS, totals[k], out) &&
            totals[k] == N_STEPS && isnan(out[0])) {
            (void)complain(&r,
                "fails although the length of the run is known (%g steps, at step %g)", N_STEPS, 0);
        }
        run_close(&r);
    }
}

/* Far into a run, and without any epoch's length. */
static void far_setting(const subject *s, const char *settings, check_report *rep)
{
    static const uint64_t steps[] = { 0, 1, 1000000, UINT64_C(1) << 40 };
    run r;
    bool ok = run_open(s, settings, &r, rep);
    for (size_t k = 0; ok && k < sizeof steps / sizeof steps[0]; k++) {
        assay_when when = when_at(steps[k], UINT64_C(1) << 40);
        bool refused = false;
        double factor = 0;
        if (k % 2) when.steps_per_epoch = when.total_epochs = 0;
        when.monitor_is_max = k % 2;
        if (k == 3) when.monitored = NAN;
        ok = call(&r, &when, &factor, &refused);
        /* A decay above 1 that the user asks for may well grow without end. */
        const bool may_grow = settings[0] && factor == INFINITY;
        if (ok && !refused && !may_grow && !(isfinite(factor) && factor >= 0)) {
            ok = complain(
                &r, "gives %g at step %g, expected a finite number >= 0", factor, (double)steps[k]);
        }
    }
    run_close(&r);
}

static void check_range(const subject *s, check_report *rep)
{
    each_setting(s, range_setting, rep);
    each_setting(s, far_setting, rep);
}

/* -- purity -- */

static void pure_setting(const subject *s, const char *settings, check_report *rep)
{
    run r[3];
    double a[N_STEPS], b[N_STEPS], c[N_STEPS];
    bool ok = true;
    for (size_t i = 0; i < 3; i++) {
        ok = run_open(s, settings, &r[i], rep) && ok;
    }
    ok = ok && play(&r[0], 0, N_STEPS, N_STEPS, a);
    /* the second and third take turns, the third lags behind */
    for (uint64_t t = 0; ok && t < N_STEPS; t++) {
        ok = play(&r[1], t, t + 1, N_STEPS, b) && (t < 7 || play(&r[2], t - 7, t - 6, N_STEPS, c));
    }
    ok = ok &&
        check_equal(&r[1], b, a, N_STEPS,
            "another instance at another step in between changes it: what is remembered belongs "
            "into "
            "state") &&
        check_equal(&r[2], c, a, N_STEPS - 7,
            "another instance at another step in between changes it: what is remembered belongs "
            "into "
            "state");
    if (ok && r[0].ops->n_state) {
        size_t at = 0;
        if (!is_equal(r[0].state.at, r[1].state.at, r[0].ops->n_state, &at)) {
            (void)complain(
                &r[0], "leaves state[%g] differently after the same calls", (double)at, 0);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        run_close(&r[i]);
    }
}

/* One instance, two states: everything that is remembered must be among them. */
static void states_setting(const subject *s, const char *settings, check_report *rep)
{
    run r;
    double a[N_STEPS], b[N_STEPS];
    guarded other = { 0 };
    error err = { 0 };
    bool ok = run_open(s, settings, &r, rep) && play(&r, 0, N_STEPS, N_STEPS, a) &&
        guarded_new(r.state.bytes, GUARD_AFTER, &other, &err) == OK;
    if (ok) memset(r.state.at, 0, r.state.bytes);
    for (uint64_t t = 0; ok && t < N_STEPS; t++) {
        double far[N_STEPS];
        const guarded own = r.state;
        ok = play(&r, t, t + 1, N_STEPS, b);
        r.state = other; /* a run that is over already */
        ok = ok && play(&r, N_STEPS - 1, N_STEPS, N_STEPS, far);
        r.state = own;
    }
    if (ok) {
        (void)check_equal(&r, b, a, N_STEPS,
            "calls with another state in between change it: what is remembered belongs into state");
    }
    guarded_free(&other);
    run_close(&r);
}

static void check_pure(const subject *s, check_report *rep)
{
    each_setting(s, pure_setting, rep);
    each_setting(s, states_setting, rep);
}

/* -- the monitored metric -- */

enum { N_CHECKS = 64, STEPS_PER_CHECK = STEPS_PER_EPOCH / 2, N_LONG = N_CHECKS * STEPS_PER_CHECK };

/* What is monitored at the checks, from the second step of each on. */
typedef double series(uint64_t n_checks);

/* Falls, stands still for long, falls again. */
static double standing(uint64_t n)
{
    return n < 4 ? 1.0 / (double)n : n < 44 ? 0.31 : 0.31 * pow(0.9, (double)(n - 43));
}

static double standing_negated(uint64_t n)
{
    return -standing(n);
}

static double standing_inverse(uint64_t n)
{
    return 1 / standing(n);
}

/* Rises and falls. */
static double swinging(uint64_t n)
{
    return 1.3 + 0.6 * sin(0.7 * (double)n);
}

static double falling(uint64_t n)
{
    return pow(0.9, (double)n);
}

enum { LOST_CHECK = 5 }; /* the one at which NaN is monitored */

static double falling_with_nan(uint64_t n)
{
    return n == LOST_CHECK ? NAN : falling(n);
}

/* The factor at one step of a long run. */
static bool long_step(run *r, series *monitored, bool is_max, uint64_t t, double *out)
{
    bool refused = false;
    assay_when when = when_at(t, N_LONG);
    when.monitored = when.n_checks ? monitored(when.n_checks) : NAN;
    when.monitor_is_max = is_max;
    if (!call(r, &when, out, &refused)) return false;
    if (refused) *out = NAN;
    return true;
}

/* A whole run of it, an instance of its own. */
static bool long_run(const subject *s, const char *settings, series *monitored, bool is_max,
    double *out, check_report *rep)
{
    run r;
    bool ok = run_open(s, settings, &r, rep);
    for (uint64_t t = 0; ok && t < N_LONG; t++) {
        ok = long_step(&r, monitored, is_max, t, &out[t]);
    }
    run_close(&r);
    return ok;
}

static bool is_same_run(const double *a, const double *b)
{
    size_t at = 0;
    return is_equal(a, b, N_LONG, &at);
}

/* Settings that change no number: limits of numbers may well mean something else on either side. */
static bool is_switch(const subject *s, const char *settings)
{
    char name[64];
    const char *end = strchr(settings, ';');
    if (!settings[0]) return true;
    if (!end || end[1]) return false;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(settings, " "), settings);
    const assay_hyper *h = hyper_find(&s->component->hypers, name);
    return h && (h->type == ASSAY_TYPE_BOOL || h->type == ASSAY_TYPE_ENUM);
}

/* One that follows the metric must follow one that is maximised: negated or inverted, as differences and shares are kept. */
static void mirror_setting(const subject *s, const char *settings, check_report *rep)
{
    double low[N_LONG], other[N_LONG], negated[N_LONG], inverse[N_LONG];
    const run as = { .settings = settings, .rep = rep };
    if (!is_switch(s, settings) || !long_run(s, settings, standing, false, low, rep) ||
        !long_run(s, settings, swinging, false, other, rep) ||
        !long_run(s, settings, standing_negated, true, negated, rep) ||
        !long_run(s, settings, standing_inverse, true, inverse, rep) || is_same_run(low, other)) {
        return;
    }
    if (is_same_run(low, negated) || is_same_run(low, inverse)) return;
    size_t at = 0;
    (void)is_equal(low, negated, N_LONG, &at);
    (void)complain(&as,
        "gives %.9g where the monitored metric is negated and when->monitor_is_max is 1, %.9g "
        "where neither is: expected the same, larger is better then",
        negated[at], low[at]);
}

/* How far a factor falls over the second half of the run. */
static double late_fall(const double *factor)
{
    return factor[N_LONG / 2] == 0 ? 0 : factor[N_LONG - 1] / factor[N_LONG / 2];
}

/* A check that gave no number leaves the run as it is, at most a step lower: not falling for good. */
static void nan_setting(const subject *s, const char *settings, check_report *rep)
{
    double plain[N_LONG], lost[N_LONG];
    const run as = { .settings = settings, .rep = rep };
    for (int is_max = 0; is_max < 2; is_max++) {
        series *const better = is_max ? swinging : falling;
        if (!long_run(s, settings, better, is_max != 0, plain, rep) ||
            !long_run(s, settings, falling_with_nan, is_max != 0, lost, rep)) {
            return;
        }
        for (size_t t = 0; t < N_LONG; t++) {
            if (!isfinite(plain[t]) || isfinite(lost[t])) continue;
            (void)complain(&as, "gives %g at step %g, after a check at which the metric was NaN",
                lost[t], (double)t);
            return;
        }
    }
    if (!is_switch(s, settings) || !long_run(s, settings, falling, false, plain, rep) ||
        !long_run(s, settings, falling_with_nan, false, lost, rep)) {
        return;
    }
    const double fall = late_fall(lost), expected = late_fall(plain);
    if (isnan(expected) || fabs(fall - expected) <= 0.01 * fabs(expected)) return;
    (void)complain(&as,
        "falls to %.4g of what it was over the second half of a run whose metric improves at "
        "every check, expected %.4g: one check at which the metric was NaN, long before, must not "
        "count for ever",
        fall, expected);
}

/* Two runs with metrics of their own, by turns, against each alone. */
static void turns_setting(const subject *s, const char *settings, check_report *rep)
{
    static series *const of[2] = { standing, swinging };
    double alone[2][N_LONG], turns[2][N_LONG];
    run r[2];
    bool ok = run_open(s, settings, &r[0], rep);
    ok = run_open(s, settings, &r[1], rep) && ok;
    for (size_t i = 0; ok && i < 2; i++) {
        ok = long_run(s, settings, of[i], false, alone[i], rep);
    }
    for (uint64_t t = 0; ok && t < N_LONG; t++) {
        ok = long_step(&r[0], of[0], false, t, &turns[0][t]) &&
            long_step(&r[1], of[1], false, t, &turns[1][t]);
    }
    for (size_t i = 0; ok && i < 2; i++) {
        ok = check_equal(&r[i], turns[i], alone[i], N_LONG,
            "two runs by turns must give what each gives alone: what is remembered belongs into "
            "state, not into a variable of the file");
    }
    run_close(&r[0]);
    run_close(&r[1]);
}

static void check_monitored(const subject *s, check_report *rep)
{
    each_setting(s, mirror_setting, rep);
    each_setting(s, nan_setting, rep);
    each_setting(s, turns_setting, rep);
}

/* -- hyperparameters -- */

static uint64_t add_factors(uint64_t hash, const double *factor, size_t n)
{
    return bits_hash((const float *)(const void *)factor, 2 * n, hash + 1);
}

/* Everything that shows of a setting: runs of several lengths, and with several metrics. */
static uint64_t settings_hash(const subject *s, const char *settings, void *self)
{
    static const uint64_t totals[] = { N_STEPS, 0, 30, 1000, UINT64_C(1) << 40 };
    static series *const of[] = { standing, swinging, falling };
    check_report own = { 0 };
    double out[N_LONG] = { 0 };
    uint64_t hash = 0;
    (void)self;
    for (size_t k = 0; k < sizeof totals / sizeof totals[0]; k++) {
        run r;
        if (run_open(s, settings, &r, &own) && play(&r, 0, N_STEPS, totals[k], out)) {
            hash = add_factors(hash, out, N_STEPS);
        }
        run_close(&r);
    }
    for (size_t k = 0; k < 6; k++) {
        if (!long_run(s, settings, of[k / 2], k % 2 != 0, out, &own)) break;
        hash = add_factors(hash, out, N_LONG);
    }
    return hash;
}

static void check_hypers(const subject *s, check_report *rep)
{
    check_shows(
        s, settings_hash, NULL, "no factor, however long the run and whatever is monitored", rep);
}

/* -- resuming -- */

static void resume_setting(const subject *s, const char *settings, check_report *rep)
{
    static const uint64_t cuts[] = { 1, 23, 40, 61 };
    for (size_t k = 0; k < sizeof cuts / sizeof cuts[0] && rep->outcome != CHECK_FAILED; k++) {
        run whole, first, second;
        double a[N_STEPS], b[N_STEPS];
        bool ok = run_open(s, settings, &whole, rep);
        ok = run_open(s, settings, &first, rep) && ok;
        ok = run_open(s, settings, &second, rep) && ok;
        ok = ok && play(&whole, 0, N_STEPS, N_STEPS, a) && play(&first, 0, cuts[k], N_STEPS, b);
        if (ok) {
            if (first.state.bytes) memcpy(second.state.at, first.state.at, first.state.bytes);
            ok = play(&second, cuts[k], N_STEPS, N_STEPS, b);
        }
        if (ok) {
            (void)check_equal(&second, b, a, N_STEPS,
                "a new instance that is given the state goes on differently: a run that is resumed "
                "would");
        }
        run_close(&whole);
        run_close(&first);
        run_close(&second);
    }
}

static void check_resume(const subject *s, check_report *rep)
{
    each_setting(s, resume_setting, rep);
}

/* -- horizon -- */

static void horizon_setting(const subject *s, const char *settings, check_report *rep)
{
    static const uint64_t totals[] = { N_STEPS, 200, 1000 };
    double out[3][N_STEPS];
    run r[3];
    size_t at = 0;
    bool ok = true;
    for (size_t i = 0; i < 3; i++) {
        ok = run_open(s, settings, &r[i], rep) && ok && play(&r[i], 0, N_STEPS, totals[i], out[i]);
    }
    const bool depends =
        ok && (!is_equal(out[1], out[0], N_STEPS, &at) || !is_equal(out[2], out[0], N_STEPS, &at));
    if (depends && !r[0].ops->horizon) {
        (void)complain(&r[0],
            "at step %g it depends on total_steps: set .horizon = 1, or early stopping ends runs "
            "before their schedule",
            (double)at, 0);
    }
    if (ok && depends) check_measure(rep, "settings that depend on total_steps", 1, "");
    for (size_t i = 0; i < 3; i++) {
        run_close(&r[i]);
    }
}

static void check_horizon(const subject *s, check_report *rep)
{
    const assay_schedule *o = s->component->ops;
    check_report own = { 0 };
    each_setting(s, horizon_setting, &own);
    if (own.outcome != CHECK_PASSED) {
        *rep = own;
        rep->n_figures = 0;
    } else if (o->horizon && own.n_figures == 0) {
        check_warn(rep,
            "it declares a horizon, but no factor depends on total_steps: early stopping draws a "
            "warning for nothing");
    }
}

const check_test check_tests_schedule[] = {
    { "schedule_range", "schedule",
        "factors are finite and not negative, whatever is known of the run", check_range },
    { "schedule_pure", "schedule", "nothing but `when` and `state` counts", check_pure },
    { "schedule_monitored", "schedule",
        "a metric to be maximised is followed like one to be minimised, NaN is got over, and runs "
        "by turns do not disturb each other",
        check_monitored },
    { "schedule_hypers", "schedule", "every hyperparameter shows", check_hypers },
    { "schedule_resume", "schedule", "a new instance goes on from the state", check_resume },
    { "schedule_horizon", "schedule", "a shape that depends on the run's length is declared",
        check_horizon },
    { .name = NULL },
};
