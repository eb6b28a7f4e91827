/* The range test of a learning rate.
 *
 * It is the run's own trainer that steps; only the rate comes from here, written before each update where a schedule would
 * write it. The rate grows by a constant factor a step. The loss of a batch is measured before the update at that rate, as is
 * usual: a step's harm shows one point later.
 *
 * Reading the curve is separate from making it (range_test_judge). Slopes are fitted to the smoothed losses over a window, by
 * least squares against the number of the step, which is linear in log(lr): single batches are too noisy to subtract. The fall
 * must stand out from the scatter of the first tenth of the curve, where the rate is still too small to matter. */
#include "train/range_test.h"

#include "train/internal.h"

#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static const double least_fall = 0.02; /* of the loss at the start */
static const double least_noises = 4; /* standard deviations */
static const double begun = 0.1; /* share of the fall that counts as its beginning */
static const size_t window_share = 20; /* half a window is this part of the curve */

range_options range_options_usual(void)
{
    return (
        range_options){ .from = 1e-7, .to = 10, .n_steps = 200, .smoothing = 0.9, .blow_up = 4 };
}

/* -- the rate's places -- */

typedef struct place {
    double *at, share; /* of the first group's rate */
} place;

typedef struct places {
    place *place;
    size_t n;
} places;

static void add_place(void *self, double *at, double base, const assay_hyper *row)
{
    (void)row;
    places *p = self;
    if (p->place) p->place[p->n] = (place){ at, base };
    p->n++;
}

static status find_places(trainer *t, places *out, error *err)
{
    text name = { 0 };
    status st = OK;
    (void)optimizer_find_hyper(t->optimizer, "lr", add_place, out); /* counts */
    if (out->n == 0) {
        optimizer_describe(t->optimizer, &name);
        st = fail(err, E_UNSUPPORTED,
            "optimizer %s has no `lr` that can be driven: there is no learning rate to find",
            name.s ? name.s : "");
        text_release(&name);
        return st;
    }
    out->place = calloc(out->n, sizeof *out->place);
    if (!out->place) {
        return fail_nomem(err, "the range test");
    }
    out->n = 0;
    (void)optimizer_find_hyper(t->optimizer, "lr", add_place, out);
    const double first = out->place[0].share;
    if (!(first > 0)) {
        return fail(err, E_RANGE, "optimizer.lr is %g: the range test needs a rate above 0", first);
    }
    for (size_t i = 0; i < out->n; i++) {
        out->place[i].share /= first;
    }
    return OK;
}

static status check_schedules(const trainer *t, error *err)
{
    for (size_t i = 0; i < scheduler_count(t->scheduler); i++) {
        const char *target = scheduler_target(t->scheduler, i);
        if (strcmp(target, "lr") == 0 || strcmp(target, "optimizer.lr") == 0) {
            return fail(err, E_CONFLICT, "a schedule drives `lr`: the range test needs it itself");
        }
    }
    return OK;
}

static status check_options(const range_options *o, error *err)
{
    if (!(o->from > 0 && o->from < o->to && isfinite(o->to))) {
        return fail(err, E_RANGE,
            "the rates go from %g to %g; expected 0 < from < to, as in 1e-7 and 10", o->from,
            o->to);
    }
    if (o->n_steps < RANGE_LEAST_STEPS) {
        return fail(err, E_RANGE, "%zu steps are too few to see a curve; expected at least %d",
            o->n_steps, RANGE_LEAST_STEPS);
    }
    if (!(o->smoothing >= 0 && o->smoothing < 1)) {
        return fail(err, E_RANGE, "smoothing %g is outside [0, 1)", o->smoothing);
    }
    if (!(o->blow_up > 1)) {
        return fail(
            err, E_RANGE, "%g times the lowest loss is no limit; expected more than 1", o->blow_up);
    }
    return OK;
}

/* -- the config -- */

static status set_train(config *c, const char *key, int64_t number, error *err)
{
    char assignment[64];
    snprintf(assignment, sizeof assignment, "train.%s=%lld", key, (long long)number);
    return config_override(c, assignment, err);
}

status range_test_prepare(config *c, const range_options *o, error *err)
{
    status st = OK;
    value *root = config_root(c);
    TRY(check_options(o, err));
    (void)value_remove(root, "schedule");
    if (!value_find(root, "train")) {
        value *train = value_add(c, root, "train");
        if (!train) {
            TRY(fail_nomem(err, "train"));
        }
        train->kind = VALUE_GROUP;
    }
    TRY(set_train(c, "epochs", 0, err));
    TRY(set_train(c, "steps", (int64_t)o->n_steps, err));
done:
    return st;
}

/* -- reading the curve -- */

static double mean_loss(const range_point *p, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += p[i].loss;
    }
    return sum / (double)n;
}

static double deviation(const range_point *p, size_t n, double mean)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (p[i].loss - mean) * (p[i].loss - mean);
    }
    return n > 1 ? sqrt(sum / (double)(n - 1)) : 0;
}

/* Least squares over points i - half ... i + half. */
static double slope(const range_point *p, size_t i, size_t half)
{
    double above = 0, below = 0;
    for (size_t k = i - half; k <= i + half; k++) {
        const double x = (double)k - (double)i;
        above += x * p[k].smooth;
        below += x * x;
    }
    return above / below;
}

static size_t steepest(const range_point *p, size_t n, size_t i_lowest)
{
    const size_t half = n / window_share > 1 ? n / window_share : 1;
    size_t best = i_lowest;
    double least = 0;
    for (size_t i = half; i <= i_lowest && i + half < n; i++) {
        const double s = slope(p, i, half);
        if (s < least) {
            least = s;
            best = i;
        }
    }
    return best;
}

range_finding range_test_judge(const range_point *p, size_t n, range_end end, double smoothing)
{
    range_finding f = { .steepest = NAN, .lowest = NAN, .tenth_of_lowest = NAN, .falls_from = NAN };
    const bool exploded = end == RANGE_BLEW_UP || end == RANGE_NOT_FINITE;
    if (n < 2) {
        f.doubts = exploded ? RANGE_RISES : RANGE_FLAT;
        return f;
    }
    const size_t n_start = n / 10 > 1 ? n / 10 : 2;
    f.start_loss = mean_loss(p, n_start);
    f.noise = deviation(p, n_start, f.start_loss) * sqrt((1 - smoothing) / (1 + smoothing));
    f.i_lowest = n_start - 1; /* an average of a few batches is low by chance */
    for (size_t i = n_start; i < n; i++) {
        f.i_lowest = p[i].smooth < p[f.i_lowest].smooth ? i : f.i_lowest;
    }
    const double fall = f.start_loss - p[f.i_lowest].smooth;
    if (!(fall > least_fall * fabs(f.start_loss) && fall > least_noises * f.noise)) {
        f.doubts = exploded ? RANGE_RISES : RANGE_FLAT;
        return f;
    }
    f.i_steepest = steepest(p, n, f.i_lowest);
    f.doubts |= f.i_steepest < n_start ? RANGE_STEEP_AT_START : 0;
    f.doubts |= f.i_lowest + 1 == n && !exploded ? RANGE_LOWEST_AT_END : 0;
    f.steepest = p[f.i_steepest].lr;
    f.lowest = p[f.i_lowest].lr;
    f.tenth_of_lowest = fmax(f.lowest / 10, p[0].lr);
    size_t i = f.i_lowest;
    while (i > 0 && p[i - 1].smooth < f.start_loss - begun * fall) {
        i--;
    }
    f.falls_from = p[i].lr;
    return f;
}

/* -- making it -- */

static double rate_at(const range_options *o, size_t i)
{
    const double share = (double)i / (double)(o->n_steps - 1);
    return i + 1 == o->n_steps ? o->to : o->from * pow(o->to / o->from, share);
}

static void set_rate(const places *p, double lr)
{
    for (size_t i = 0; i < p->n; i++) {
        *p->place[i].at = lr * p->place[i].share;
    }
}

/* Whether the curve has risen too far above its lowest place. Its first tenth is too noisy to count. */
static bool blew_up(const range_options *o, const range_point *points, size_t n, double *lowest)
{
    const double now = points[n - 1].smooth;
    if (n <= o->n_steps / 10) {
        return false;
    }
    *lowest = fmin(*lowest, now);
    return now > *lowest + (o->blow_up - 1) * fabs(*lowest);
}

static bool is_interrupted(const trainer *t)
{
    return t->options.interrupt && atomic_load(t->options.interrupt);
}

static status walk(trainer *t, const range_options *o, const places *p, range_result *r, error *err)
{
    double average = 0, weight = 1, lowest = INFINITY;
    for (size_t i = 0; i < o->n_steps; i++) {
        const double lr = rate_at(o, i);
        set_rate(p, lr);
        const status st = trainer_step(t, err);
        if (st != OK) {
            return st;
        }
        if (t->at.stop == STOP_DIVERGED) {
            r->end = RANGE_NOT_FINITE;
            snprintf(r->why, sizeof r->why, "%s", t->diverged.s ? t->diverged.s : "");
            return OK;
        }
        average = o->smoothing * average + (1 - o->smoothing) * t->last_loss;
        weight *= o->smoothing;
        r->points[r->n++] = (range_point){ lr, t->last_loss, average / (1 - weight) };
        if (blew_up(o, r->points, r->n, &lowest)) {
            r->end = RANGE_BLEW_UP;
            return OK;
        }
        trainer_emit_progress(t);
        if (is_interrupted(t)) {
            r->end = RANGE_INTERRUPTED;
            return OK;
        }
    }
    return OK;
}

status range_test_run(trainer *t, const range_options *o, range_result *out, error *err)
{
    status st = OK;
    places p = { 0 };
    range_result r = { 0 };
    TRY(check_options(o, err));
    TRY(check_schedules(t, err));
    TRY(find_places(t, &p, err));
    r.points = calloc(o->n_steps, sizeof *r.points);
    if (!r.points) {
        TRY(fail_nomem(err, "the range test"));
    }
    record start = { .kind = RECORD_START };
    trainer_emit(t, &start);
    TRY(walk(t, o, &p, &r, err));
    r.found = range_test_judge(r.points, r.n, r.end, o->smoothing);
    *out = r;
    r.points = NULL;
done:
    free(p.place);
    free(r.points);
    return st;
}

void range_result_release(range_result *r)
{
    free(r->points);
    r->points = NULL;
    r->n = 0;
}
