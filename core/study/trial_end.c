/* From the facts about a run to a state of its trial. A failure of what ran is a result, and stays one unless `retry` says
 * otherwise; that a machine went away is none, and the trial waits again. */
#include "study/trial_end.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert((int)ATTEMPT_LOST == (int)OUTCOME_LOST && (int)ATTEMPT_OK == (int)OUTCOME_OK,
    "the store keeps classes of outcomes");

/* -- points -- */

/* The curve, and the numbers at the end; those at the best check have names of their own. */
static status make_points(
    const run_end *end, arena *a, store_point **out, size_t *out_n, error *err)
{
    store_point *p = arena_alloc_array(a, end->n_values + 1, sizeof *p);
    if (!p) return fail_nomem(err, "a trial's numbers");
    for (size_t i = 0; i < end->n_values; i++) {
        const run_value *v = &end->values[i];
        p[i] = (store_point){ .step = v->step, .metric = v->name, .value = v->value };
        if (!v->is_best || v->is_last) continue;
        p[i].metric = arena_printf(a, "best.%s", v->name);
        if (!p[i].metric) return fail_nomem(err, "a trial's numbers");
    }
    *out = p;
    *out_n = end->n_values;
    return OK;
}

/* -- whether it is run again -- */

static bool is_timeout(int class)
{
    return class == OUTCOME_TIMEOUT || class == OUTCOME_CPU_LIMIT;
}

static status count_attempts(store *s, uint64_t trial, bool of_timeouts, uint64_t *out, error *err)
{
    status st = OK;
    store_cursor *c = NULL;
    uint64_t n = 0;
    TRY(attempts_open(s, trial, &c, err));
    for (;;) {
        bool is_row;
        store_attempt a;
        TRY(attempts_next(c, &a, &is_row, err));
        if (!is_row) break;
        const bool is_result = a.class > OUTCOME_OK && a.class < OUTCOME_LOST;
        n += is_result && is_timeout(a.class) == of_timeouts;
    }
    *out = n;
done:
    store_cursor_close(c);
    return st;
}

/* Attempts that failed before are counted in the store; this one still runs there. */
static status may_try_again(store *s, const declaration *d, const store_trial *t,
    outcome_class class, bool *out, error *err)
{
    uint64_t n = 0;
    const bool of_timeouts = is_timeout(class);
    const uint64_t most = of_timeouts ? d->retry_timeout : d->retry_crash;
    *out = false;
    if (class == OUTCOME_NONFINITE || most == 0) return OK; /* it would diverge again */
    const status st = count_attempts(s, t->id, of_timeouts, &n, err);
    *out = n < most;
    return st;
}

/* Lost are attempts that say nothing of what ran; so often they are made again. What was killed may have done that itself: once too often
 * it is a result. */
static bool is_lost(const declaration *d, const store_trial *t, const outcome *o)
{
    if (o->class == OUTCOME_LOST || o->class == OUTCOME_HOST_ERROR) return true;
    return outcome_is_loss(o) && t->n_lost < d->retry_lost;
}

/* -- the end -- */

static double value_of(const declaration *d, const store_trial *t, const run_end *end)
{
    if (t->search.phase == STORE_TUNE) return d->takes_best ? end->best : end->value;
    return d->takes_best ? end->judged_best : end->judged;
}

/* Of a run that is judged at its best check the last one may be anything. */
static trial_state state_of(
    const declaration *d, const store_trial *t, const trial_verdict *v, const run_end *end)
{
    const bool has_value = isfinite(value_of(d, t, end)) != 0;
    switch (end->outcome->class) {
    case OUTCOME_OK: return !has_value ? TRIAL_DIVERGED : v->is_part ? TRIAL_PAUSED : TRIAL_DONE;
    case OUTCOME_PRUNED: return v->verdict == ASSAY_VERDICT_PAUSE ? TRIAL_PAUSED : TRIAL_PRUNED;
    case OUTCOME_NONFINITE: return TRIAL_DIVERGED;
    case OUTCOME_TIMEOUT:
    case OUTCOME_CPU_LIMIT: return TRIAL_TIMEOUT;
    default: return TRIAL_FAILED;
    }
}

static status finish(store *s, const declaration *d, const store_trial *t, const trial_verdict *v,
    const run_end *end, trial_state *out_state, error *err)
{
    status st = OK;
    arena a = { 0 };
    store_point *points = NULL;
    size_t n_points = 0;
    const outcome *o = end->outcome;
    const trial_state state = state_of(d, t, v, end);
    TRY(make_points(end, &a, &points, &n_points, err));
    store_result r = { .state = state,
        .value = (double)NAN,
        .standard_error = (double)NAN,
        .fidelity = end->fidelity,
        .attempt_class = (int)o->class,
        .reason = o->class == OUTCOME_OK ? NULL : o->text,
        .record = end->record,
        .points = points,
        .n_points = n_points };
    if (state == TRIAL_DONE || state == TRIAL_PAUSED) r.value = value_of(d, t, end);
    if (o->class == OUTCOME_PRUNED) {
        r.value = v->value;
        r.fidelity = v->fidelity;
        r.reason = state == TRIAL_PAUSED ? "paused" : "pruned";
    }
    TRY(trial_finish(s, trial_hold(t), &r, err));
    *out_state = state;
done:
    arena_release(&a);
    return st;
}

status trial_end(store *s, const declaration *d, const store_trial *t, const trial_verdict *v,
    const run_end *end, trial_fate *out_fate, trial_state *out_state, error *err)
{
    status st = OK;
    error why;
    const outcome *o = end->outcome;
    int class = o->class;
    bool is_again = o->class == OUTCOME_CANCELLED || end->trouble != OK;
    if (!is_again && is_lost(d, t, o)) {
        is_again = true;
        class = ATTEMPT_LOST;
    }
    if (!is_again && outcome_is_result(o->class)) {
        st = may_try_again(s, d, t, o->class, &is_again, err);
        if (st != OK) return st;
    }
    *out_state = TRIAL_WAITING;
    st = is_again ? trial_release(s, trial_hold(t), class, o->text, &why)
                  : finish(s, d, t, v, end, out_state, &why);
    *out_fate = st == E_CONFLICT ? FATE_NOT_OURS : is_again ? FATE_AGAIN : FATE_FINISHED;
    return st == OK || st == E_CONFLICT ? OK : fail(err, st, "%s", why.text);
}
