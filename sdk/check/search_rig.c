/* The rig of searches. Spaces are small, awkward and fixed; results are a function of the point alone, so that two instances that propose
 * the same are told the same. */
#include "check/search_rig.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What most dimensions have: no step, no parent, no prior. */
#define ALWAYS 0, ASSAY_NO_PARENT, 0, NAN, NAN

#define NUMBER(type_, name_, low_, high_, log_, ...) \
    NUMBER_(type_, name_, low_, high_, log_, __VA_ARGS__)
#define NUMBER_(type_, name_, low_, high_, log_, step_, parent_, with_, mean_, sd_) \
    { \
        .struct_size = sizeof(assay_dimension), .name = (name_), .type = (type_), .low = (low_), \
        .high = (high_), .log = (log_), .step = (step_), .parent = (parent_), \
        .parent_choices = (with_), .prior_mean = (mean_), .prior_sd = (sd_) \
    }
#define CATEGORY(name_, choices_, n_, ordered_, parent_, with_) \
    { \
        .struct_size = sizeof(assay_dimension), .name = (name_), .type = ASSAY_SPACE_CATEGORY, \
        .low = 0, .high = (n_)-1, .choices = (choices_), .n_choices = (n_), .ordered = (ordered_), \
        .parent = (parent_), .parent_choices = (with_), .prior_mean = NAN, .prior_sd = NAN \
    }

static const char *const letters[] = { "a", "b", "c" };
static const char *const numbers[] = { "16", "32", "64", "128" };

static const assay_dimension reals[] = {
    NUMBER(ASSAY_SPACE_REAL, "x", -2.385, 7.31, 0, ALWAYS),
    NUMBER(ASSAY_SPACE_REAL, "lr", 1e-6, 1, 1, ALWAYS),
};
static const assay_dimension priors[] = {
    NUMBER(ASSAY_SPACE_REAL, "lr", 1e-5, 1e-1, 1, 0, ASSAY_NO_PARENT, 0, -6.9, 0.4),
    NUMBER(ASSAY_SPACE_REAL, "x", 0, 3, 0, 0, ASSAY_NO_PARENT, 0, 2.1, 0.2),
};
static const assay_dimension whole[] = {
    NUMBER(ASSAY_SPACE_INT, "layers", 1, 4, 0, ALWAYS),
    NUMBER(ASSAY_SPACE_INT, "units", 8, 512, 1, ALWAYS),
    NUMBER(ASSAY_SPACE_INT, "epochs", 3, 17, 0, 7, ASSAY_NO_PARENT, 0, NAN, NAN),
    NUMBER(ASSAY_SPACE_REAL, "dropout", 0, 0.7, 0, 0.1, ASSAY_NO_PARENT, 0, NAN, NAN),
};
static const assay_dimension mixed[] = {
    NUMBER(ASSAY_SPACE_REAL, "x", -1, 1, 0, ALWAYS),
    CATEGORY("cell", letters, 3, 0, ASSAY_NO_PARENT, 0),
    CATEGORY("batch", numbers, 4, 1, ASSAY_NO_PARENT, 0),
};
static const assay_dimension tree[] = {
    CATEGORY("optimizer", letters, 3, 0, ASSAY_NO_PARENT, 0),
    NUMBER(ASSAY_SPACE_REAL, "lr", 1e-6, 1, 1, ALWAYS),
    NUMBER(ASSAY_SPACE_REAL, "momentum", 0, 0.99, 0, 0, 0, 1, NAN, NAN),
    CATEGORY("decay", letters, 2, 0, 0, 6),
    NUMBER(ASSAY_SPACE_REAL, "gamma", 0.5, 0.999, 0, 0, 3, 2, NAN, NAN),
};
static const assay_dimension few[] = {
    NUMBER(ASSAY_SPACE_INT, "n", 1, 3, 0, ALWAYS),
};
static const assay_dimension one_point[] = {
    NUMBER(ASSAY_SPACE_REAL, "x", 0.731, 0.731, 0, ALWAYS),
    NUMBER(ASSAY_SPACE_INT, "n", 4, 4, 0, ALWAYS),
};

static const rig_space spaces[] = {
    { "two reals, one on a logarithmic scale", reals, 2, 0, 0 },
    { "reals with priors", priors, 2, 0, 0 },
    { "whole numbers and steps", whole, 4, 0, 0 },
    { "three points", few, 1, 0, 0 },
    { "a single point", one_point, 2, 0, 0 },
    { "choices", mixed, 3, ASSAY_SEARCH_CATEGORIES, 0 },
    { "conditions", tree, 5, ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS, 0 },
    { "parts of trials", reals, 2, 0, 27 },
    { "no dimension", NULL, 0, 0, 0 },
    { "50 dimensions", NULL, RIG_DIMENSIONS, 0, 0 },
};

bool rig_space_get(size_t i, assay_dimension *room, rig_space *out)
{
    if (i >= sizeof spaces / sizeof spaces[0]) return false;
    *out = spaces[i];
    if (out->dimensions) return true;
    for (size_t k = 0; k < RIG_DIMENSIONS; k++)
        room[k] = reals[k % 2];
    out->dimensions = room;
    return true;
}

bool rig_fits(const assay_search *ops, const rig_space *space)
{
    const bool needs_parts = (ops->can & ASSAY_SEARCH_FIDELITY) != 0;
    return (space->needs & ~ops->can) == 0 && (!needs_parts || space->max_fidelity > 0);
}

bool rig_complain(rig *r, const char *format, ...)
{
    char what[600];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    check_fail(r->rep, "%s (space: %s; %s%s)", what, r->space.name,
        r->settings[0] ? "settings: " : "default settings", r->settings);
    return false;
}

double rig_value(const rig_space *s, const double *x)
{
    double sum = 0.25;
    for (uint64_t i = 0; i < s->n; i++) {
        const assay_dimension *d = &s->dimensions[i];
        if (isnan(x[i]) || d->low == d->high) continue;
        const double u = d->log ? log(x[i] / d->low) / log(d->high / d->low)
                                : (x[i] - d->low) / (d->high - d->low);
        sum += (u - 0.4) * (u - 0.4) * (1 + 0.3 * (double)(i % 7));
    }
    return sum;
}

/* -- life -- */

static bool call_went_well(rig *r, int code, const char *op, const float_mode *mode)
{
    error err = { 0 };
    const char *change = float_mode_change(mode);
    float_mode_set(mode);
    if (instance_status(r->specimen.instance, code, op, &err) != OK) {
        return rig_complain(r, "%s", err.text);
    }
    return !change || rig_complain(r, "%s changes %s", op, change);
}

static bool make_room(rig *r)
{
    r->x = calloc(RIG_TRIALS * (r->space.n + 1), sizeof *r->x);
    r->is_paused = calloc(RIG_TRIALS, 1);
    r->part = calloc(RIG_TRIALS, sizeof *r->part);
    r->log_capacity = 3 * RIG_TRIALS;
    r->log = calloc(r->log_capacity, sizeof *r->log);
    return (r->x && r->is_paused && r->part && r->log) || rig_complain(r, "out of memory");
}

bool rig_open(
    rig *r, const subject *s, const char *settings, const rig_space *space, check_report *rep)
{
    error err = { 0 };
    *r = (rig){ .space = *space, .rep = rep, .settings = settings };
    if (specimen_open(s, settings, &r->specimen, &err) != OK) {
        return rig_complain(r, "%s", err.text);
    }
    instance *i = r->specimen.instance;
    const float_mode mode = float_mode_get();
    r->ops = i->component->ops;
    r->plan = (assay_search_plan){ .struct_size = sizeof r->plan,
        .dimensions = space->dimensions,
        .n_dimensions = space->n,
        .dimension_stride = sizeof(assay_dimension),
        .n_trials = 100,
        .max_fidelity = space->max_fidelity,
        .min_fidelity = space->max_fidelity / 27 };
    if (!make_room(r)) return false;
    const int code = r->ops->open(&i->ctx, i->hyper, &r->plan);
    r->is_open = code == ASSAY_OK;
    r->is_refused = code == ASSAY_E_UNSUPPORTED && instance_status(i, code, "open", &err) != OK &&
        !strstr(err.text, "(it gave no reason)");
    if (r->is_refused) return false;
    return call_went_well(r, code, "open", &mode);
}

void rig_close(rig *r)
{
    if (r->is_open) r->ops->close(&r->specimen.instance->ctx);
    if (r->specimen.instance) specimen_close(&r->specimen);
    free(r->x);
    free(r->log);
    free(r->is_paused);
    free(r->part);
    *r = (rig){ 0 };
}

/* -- what is proposed -- */

static bool is_active(const rig *r, const double *x, uint64_t i)
{
    const assay_dimension *d = &r->space.dimensions[i];
    if (d->parent == ASSAY_NO_PARENT) return true;
    return x[d->parent] >= 0 && d->parent_choices >> (uint64_t)x[d->parent] & 1;
}

static bool judge_value(rig *r, uint64_t k, uint64_t i, double v)
{
    const assay_dimension *d = &r->space.dimensions[i];
    const unsigned long long number = k;
    const double step = d->type == ASSAY_SPACE_REAL ? d->step : d->step > 0 ? d->step : 1;
    if (!(v >= d->low && v <= d->high)) {
        return rig_complain(r, "proposal %llu: %s is %.17g, outside of [%g, %g]", number, d->name,
            v, d->low, d->high);
    }
    const double level = step > 0 ? (v - d->low) / step : 0;
    if (fabs(level - round(level)) > 1e-9 * (fabs(level) + 1)) {
        return rig_complain(r, "proposal %llu: %s is %.17g, which is not %g + k %g", number,
            d->name, v, d->low, step);
    }
    return true;
}

static bool judge(rig *r, uint64_t k, const assay_proposal *p)
{
    const unsigned long long number = k;
    for (uint64_t i = 0; i < r->space.n; i++) {
        if (is_active(r, p->x, i)) {
            if (!judge_value(r, k, i, p->x[i])) return false;
        } else if (!isnan(p->x[i])) {
            return rig_complain(r, "proposal %llu: %s is %g although it is inactive: expected NaN",
                number, r->space.dimensions[i].name, p->x[i]);
        }
    }
    if (!(p->fidelity >= 0 && p->fidelity <= r->space.max_fidelity)) {
        return rig_complain(r, "proposal %llu: a fidelity of %g is outside of [0, %g]", number,
            p->fidelity, r->space.max_fidelity);
    }
    if (p->from_trial != ASSAY_NO_TRIAL && (p->from_trial >= k || !r->is_paused[p->from_trial])) {
        return rig_complain(r, "proposal %llu continues trial %llu, which is not paused", number,
            (unsigned long long)p->from_trial);
    }
    return true;
}

static assay_event event_of(const rig *r, uint64_t k, uint64_t state)
{
    return (assay_event){ .struct_size = sizeof(assay_event),
        .trial = k,
        .state = state,
        .x = r->x + k * r->space.n,
        .value = (double)NAN,
        .standard_error = (double)NAN };
}

/* Proposals in memory of the rig's: a border of known numbers around the points, and a stride larger than the struct. */
typedef struct slots {
    struct {
        assay_proposal p;
        uint64_t more;
    } slot[RIG_BATCH];
    double x[RIG_BATCH][RIG_DIMENSIONS + 1];
} slots;

static const double border = -7.31e300;

static void slots_set(slots *s, uint64_t n_dimensions)
{
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < RIG_BATCH; i++) {
        for (size_t k = 0; k <= RIG_DIMENSIONS; k++)
            s->x[i][k] = k < n_dimensions ? (double)NAN : border;
        s->slot[i].p = (assay_proposal){
            .struct_size = sizeof(assay_proposal), .x = s->x[i], .from_trial = ASSAY_NO_TRIAL
        };
    }
}

static bool slots_are_kept(rig *r, const slots *s, uint64_t n)
{
    for (size_t i = 0; i < RIG_BATCH; i++) {
        if (s->slot[i].p.x != s->x[i]) return rig_complain(r, "ask moves x, which is the host's");
        for (size_t k = r->space.n; k <= RIG_DIMENSIONS; k++) {
            if (s->x[i][k] != border) return rig_complain(r, "ask writes behind x[n_dimensions]");
        }
        for (size_t k = 0; i >= n && k < r->space.n; k++) {
            if (!isnan(s->x[i][k])) {
                return rig_complain(r, "ask fills in more proposals than it says");
            }
        }
    }
    return true;
}

static bool take(rig *r, const assay_proposal *p)
{
    const uint64_t k = r->n;
    if (!judge(r, k, p)) return false;
    if (r->space.n) {
        const double *x =
            p->from_trial == ASSAY_NO_TRIAL ? p->x : r->x + p->from_trial * r->space.n;
        memcpy(r->x + k * r->space.n, x, r->space.n * sizeof *r->x);
    }
    if (p->from_trial != ASSAY_NO_TRIAL) r->is_paused[p->from_trial] = 0;
    r->part[k] = p->fidelity;
    r->n++;
    const assay_event e = event_of(r, k, ASSAY_TRIAL_RUNNING);
    return rig_tell(r, &e);
}

bool rig_ask(rig *r, uint64_t want, uint64_t *out_n)
{
    slots s;
    uint64_t is_over = 0;
    instance *i = r->specimen.instance;
    const float_mode mode = float_mode_get();
    slots_set(&s, r->space.n);
    *out_n = 0;
    const int code =
        r->ops->ask(&i->ctx, i->hyper, r->n, want, &s.slot[0].p, sizeof s.slot[0], out_n, &is_over);
    if (!call_went_well(r, code, "ask", &mode)) return false;
    if (*out_n > want) {
        return rig_complain(r, "ask gives %llu proposals where %llu were wanted",
            (unsigned long long)*out_n, (unsigned long long)want);
    }
    if (is_over && !(r->ops->can & ASSAY_SEARCH_FINITE)) {
        return rig_complain(r, "ask says that nothing is left: then `can` has ASSAY_SEARCH_FINITE");
    }
    r->is_over = is_over != 0;
    if (!slots_are_kept(r, &s, *out_n)) return false;
    for (uint64_t k = 0; k < *out_n; k++) {
        if (!take(r, &s.slot[k].p)) return false;
    }
    return true;
}

/* -- what is told -- */

static bool tell_call(rig *r, const assay_event *events, uint64_t n, uint64_t stride)
{
    instance *i = r->specimen.instance;
    const float_mode mode = float_mode_get();
    const int code = r->ops->tell(&i->ctx, i->hyper, events, n, stride);
    return call_went_well(r, code, "tell", &mode);
}

bool rig_tell(rig *r, const assay_event *e)
{
    if (r->n_log < r->log_capacity) r->log[r->n_log++] = *e;
    return tell_call(r, e, 1, sizeof *e);
}

bool rig_tell_log(rig *r, const rig *from, size_t piece)
{
    for (size_t i = 0; i < from->n_log; i += piece) {
        const size_t n = from->n_log - i < piece ? from->n_log - i : piece;
        if (!tell_call(r, from->log + i, n, sizeof *from->log)) return false;
    }
    memcpy(r->is_paused, from->is_paused, RIG_TRIALS);
    memcpy(r->part, from->part, RIG_TRIALS * sizeof *r->part);
    memcpy(r->x, from->x, from->n * from->space.n * sizeof *r->x);
    r->n = from->n;
    return true;
}

static bool finish_as(rig *r, uint64_t k, uint64_t state)
{
    assay_event e = event_of(r, k, state);
    const bool has_value = state == ASSAY_TRIAL_DONE || state == ASSAY_TRIAL_PRUNED;
    if (has_value) e.value = rig_value(&r->space, e.x);
    e.fidelity = state == ASSAY_TRIAL_DONE ? r->space.max_fidelity : r->space.max_fidelity / 3;
    return rig_tell(r, &e);
}

static bool report_part(rig *r, uint64_t k, uint64_t *out_verdict)
{
    uint64_t verdict = ASSAY_VERDICT_GO;
    instance *i = r->specimen.instance;
    assay_event e = event_of(r, k, ASSAY_TRIAL_REPORTED);
    e.value = rig_value(&r->space, e.x) + 1;
    e.fidelity = r->space.max_fidelity / 27;
    if (!rig_tell(r, &e)) return false;
    if (!r->ops->report) return true;
    const float_mode mode = float_mode_get();
    const int code = r->ops->report(&i->ctx, i->hyper, &e, &verdict);
    if (!call_went_well(r, code, "report", &mode)) return false;
    *out_verdict = verdict;
    return verdict <= ASSAY_VERDICT_PAUSE ||
        rig_complain(r, "report gives %llu, which is no verdict", (unsigned long long)verdict);
}

/* A trial that was to run in part, or was stopped on its way; false where that fails. */
static bool end_early(rig *r, uint64_t k, uint64_t state, double fidelity)
{
    assay_event e = event_of(r, k, state);
    e.value = rig_value(&r->space, e.x) + 0.1;
    e.fidelity = fidelity;
    r->is_paused[k] = state == ASSAY_TRIAL_PAUSED;
    return rig_tell(r, &e);
}

bool rig_finish(rig *r, uint64_t k, rig_fate fate)
{
    static const uint64_t turns[] = { ASSAY_TRIAL_DONE, ASSAY_TRIAL_FAILED, ASSAY_TRIAL_DIVERGED,
        ASSAY_TRIAL_PRUNED, ASSAY_TRIAL_LOST, ASSAY_TRIAL_DONE };
    const uint64_t turn = turns[k % 6];
    assay_event e = event_of(r, k, ASSAY_TRIAL_DONE);
    e.fidelity = r->space.max_fidelity;
    uint64_t verdict = ASSAY_VERDICT_GO;
    const double most = r->space.max_fidelity;
    if (most > 0 && !report_part(r, k, &verdict)) return false;
    const bool goes_well = fate == RIG_USUAL || (fate == RIG_MIXED && turn == ASSAY_TRIAL_DONE);
    if (goes_well && verdict != ASSAY_VERDICT_GO) {
        const bool stops = verdict == ASSAY_VERDICT_STOP;
        return end_early(r, k, stops ? ASSAY_TRIAL_PRUNED : ASSAY_TRIAL_PAUSED, most / 27);
    }
    if (goes_well && r->part[k] > 0 && r->part[k] < most) {
        return end_early(r, k, ASSAY_TRIAL_PAUSED, r->part[k]);
    }
    switch (fate) {
    case RIG_ALL_FAILED: return finish_as(r, k, ASSAY_TRIAL_FAILED);
    case RIG_ALL_DIVERGED: return finish_as(r, k, ASSAY_TRIAL_DIVERGED);
    case RIG_MIXED:
        return finish_as(r, k, turn) &&
            (turn != ASSAY_TRIAL_LOST || finish_as(r, k, ASSAY_TRIAL_DONE));
    case RIG_SAME_VALUE: e.value = 2.385; return rig_tell(r, &e);
    case RIG_HUGE_VALUES: e.value = k % 2 ? 1e300 : -1e300; return rig_tell(r, &e);
    default: return finish_as(r, k, ASSAY_TRIAL_DONE);
    }
}

bool rig_play(rig *r, uint64_t n, uint64_t batch, rig_fate fate)
{
    while (r->n < n && !r->is_over) {
        const uint64_t first = r->n;
        uint64_t got = 0;
        if (!rig_ask(r, batch < n - r->n ? batch : n - r->n, &got)) return false;
        if (got == 0 && !r->is_over) {
            return rig_complain(r,
                "ask %llu gives nothing although every trial has its result: the search stands "
                "still",
                (unsigned long long)r->n);
        }
        for (uint64_t k = first; k < r->n; k++) {
            if (!rig_finish(r, k, fate)) return false;
        }
    }
    return true;
}
