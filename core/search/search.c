/* The engine between a strategy and whoever runs trials.
 *
 * Each ask is one entry of the log and one call of ours, in which the strategy may be asked several times. What it proposes is
 * repaired and told back as RUNNING, in the order of the numbers. In a space of finitely many points a proposal that repeats a point from
 * the start is passed over, told as FAILED (the strategy may count on a fact about each of its proposals) and asked for again; after
 * PATIENCE of these in one ask it is taken as a replicate. All of this is a function of the calls, so a log needs to keep nothing but
 * them.
 *
 * The strategy is asked through a port, so it is all the same to the engine whether it is in this process or in one of its own.
 *
 * Points that were proposed are found again by a table of hashes, open addressing, and compared number by number. */
#include "search/internal.h"

#include "base/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE = 8, FIRST_TRIALS = 64 };

/* -- what a strategy can do -- */

static status refuse(const search *s, size_t i, const char *what, error *err)
{
    return fail_at(err, E_UNSUPPORTED, s->port->at,
        "%s does not handle %s, and the space has one: %s; choose another strategy, or take it "
        "out of the space",
        s->port->label, what, s->space->dimensions[i].name);
}

static status check_can(const search *s, error *err)
{
    const uint64_t can = s->port->can;
    for (size_t i = 0; i < s->space->n; i++) {
        const assay_dimension *d = &s->space->dimensions[i];
        if (d->parent != ASSAY_NO_PARENT && !(can & ASSAY_SEARCH_CONDITIONS)) {
            return refuse(s, i, "dimensions with a condition", err);
        }
        if (d->type == ASSAY_SPACE_CATEGORY && !(can & ASSAY_SEARCH_CATEGORIES)) {
            return refuse(s, i, "choices", err);
        }
    }
    if (can & ASSAY_SEARCH_FIDELITY && !(s->o.max_fidelity > 0)) {
        return fail_at(err, E_UNSUPPORTED, s->port->at,
            "%s proposes parts of trials and needs to know what a whole one costs: give "
            "max_fidelity, in a study fidelity.max",
            s->port->label);
    }
    return OK;
}

/* -- opening -- */

static status check_options(const search_options *o, error *err)
{
    const bool is_good = o->max_fidelity >= 0 && isfinite(o->max_fidelity) &&
        o->min_fidelity >= 0 && o->min_fidelity <= o->max_fidelity;
    return is_good
        ? OK
        : fail(err, E_RANGE, "expected 0 <= min_fidelity <= max_fidelity, found %g and %g",
              o->min_fidelity, o->max_fidelity);
}

static search *search_blank(const space *sp, const search_options *o)
{
    search *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->space = sp;
    s->o = *o;
    s->best = ASSAY_NO_TRIAL;
    s->is_finite = isfinite(space_count(sp));
    s->plan = (assay_search_plan){ .struct_size = sizeof s->plan,
        .dimensions = sp->dimensions,
        .n_dimensions = sp->n,
        .dimension_stride = sizeof(assay_dimension),
        .n_trials = o->n_trials,
        .max_fidelity = o->max_fidelity,
        .min_fidelity = o->min_fidelity,
        .is_noisy = o->is_noisy };
    return s;
}

static status begin(search *s, error *err)
{
    const status st = check_can(s, err);
    return st == OK ? s->port->ops->open(s->port, err) : st;
}

status search_new(registry *r, config *c, value *strategy, value *pruner, const space *sp,
    const search_options *o, search **out, error *err)
{
    status st = OK;
    search *s = search_blank(sp, o);
    if (!s) return fail_nomem(err, "a search");
    TRY(check_options(o, err));
    TRY(port_direct_new(r, c, strategy, pruner, o->seed, &s->plan, &s->port, err));
    TRY(begin(s, err));
    *out = s;
    s = NULL;
done:
    search_free(s);
    return st;
}

status search_new_in(const search_place *place, config *c, value *strategy, value *pruner,
    const space *sp, const search_options *o, search **out, error *err)
{
    status st = OK;
    search *s = search_blank(sp, o);
    if (!s) return fail_nomem(err, "a search");
    TRY(check_options(o, err));
    TRY(port_remote_new(place, c, strategy, pruner, o->seed, &s->plan, &s->port, err));
    TRY(begin(s, err));
    *out = s;
    s = NULL;
done:
    search_free(s);
    return st;
}

void search_free(search *s)
{
    if (!s) return;
    if (s->port) s->port->ops->free(s->port);
    arena_release(&s->memory);
    free(s->trials);
    free(s->slots);
    free(s);
}

/* -- points that were there before -- */

static uint64_t point_hash(const search *s, const double *x)
{
    uint64_t h = 0;
    for (size_t i = 0; i < s->space->n; i++) {
        uint64_t bits = 0x7ff8000000000000u;
        if (!isnan(x[i])) memcpy(&bits, &x[i], sizeof bits);
        h = hash_u64(&bits, sizeof bits, h);
    }
    return h;
}

bool search_is_same_point(const search *s, const double *a, const double *b)
{
    for (size_t i = 0; i < s->space->n; i++) {
        if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i]))) return false;
    }
    return true;
}

/* The slot where the point is, or would be. */
static uint64_t *slot_of(search *s, const double *x)
{
    size_t i = (size_t)point_hash(s, x) & (s->n_slots - 1);
    while (s->slots[i] && !search_is_same_point(s, s->trials[s->slots[i] - 1].t.x, x))
        i = (i + 1) & (s->n_slots - 1);
    return &s->slots[i];
}

static status grow_slots(search *s, error *err)
{
    if (2 * (s->n + 1) < s->n_slots) return OK;
    const size_t n_old = s->n_slots;
    uint64_t *old = s->slots;
    const size_t n_new = n_old ? 2 * n_old : 4 * (size_t)FIRST_TRIALS;
    uint64_t *slots = calloc(n_new, sizeof *slots);
    if (!slots) return fail_nomem(err, "trials");
    s->slots = slots;
    s->n_slots = n_new;
    for (size_t i = 0; i < n_old; i++) {
        if (old[i]) *slot_of(s, s->trials[old[i] - 1].t.x) = old[i];
    }
    free(old);
    return OK;
}

/* Room for one more trial. */
static status grow(search *s, error *err)
{
    if (s->n == s->capacity) {
        const size_t capacity = s->capacity ? 2 * s->capacity : FIRST_TRIALS;
        trial *trials = realloc(s->trials, capacity * sizeof *trials);
        if (!trials) return fail_nomem(err, "trials");
        s->trials = trials;
        s->capacity = capacity;
    }
    return grow_slots(s, err);
}

/* -- asking -- */

/* One call of the strategy's ask. */
typedef struct batch {
    assay_proposal *proposals; // [want]
    double *x; // [want, n_dimensions]
    uint64_t want, n, is_over;
} batch;

static status batch_new(search *s, uint64_t want, batch *out, error *err)
{
    const size_t n_dimensions = s->space->n ? s->space->n : 1;
    *out = (batch){ .want = want };
    out->proposals = calloc(want, sizeof *out->proposals);
    out->x = calloc(want * n_dimensions, sizeof *out->x);
    if (!out->proposals || !out->x) return fail_nomem(err, "proposals");
    for (uint64_t i = 0; i < want; i++) {
        double *x = out->x + i * n_dimensions;
        for (size_t k = 0; k < n_dimensions; k++)
            x[k] = (double)NAN;
        out->proposals[i] = (assay_proposal){
            .struct_size = sizeof(assay_proposal), .x = x, .from_trial = ASSAY_NO_TRIAL
        };
    }
    return OK;
}

static void batch_free(batch *b)
{
    free(b->proposals);
    free(b->x);
    *b = (batch){ 0 };
}

/* An answer that no honest strategy gives: nothing more is asked of this one. */
static status blame(const search *s, error *err)
{
    if (err) s->port->ops->blame(s->port, err);
    return E_PLUGIN;
}

static status ask_strategy(search *s, batch *b, error *err)
{
    port *p = s->port;
    const status st = p->ops->ask(p, s->n, b->want, b->proposals, &b->n, &b->is_over, err);
    if (st == OK && b->n > b->want) {
        return fail_at(err, E_PLUGIN, s->port->at,
            "%s: ask %zu: gives %llu proposals where %llu were wanted", p->label, s->n,
            (unsigned long long)b->n, (unsigned long long)b->want);
    }
    return st;
}

static status check_proposal(const search *s, const assay_proposal *p, error *err)
{
    const char *label = s->port->label;
    if (!(p->fidelity >= 0 && p->fidelity <= s->o.max_fidelity)) {
        return fail_at(err, E_PLUGIN, s->port->at,
            "%s: ask %zu: a fidelity of %g is outside of [0, %g]", label, s->n, p->fidelity,
            s->o.max_fidelity);
    }
    if (p->from_trial == ASSAY_NO_TRIAL) return OK;
    if (p->from_trial >= s->n || s->trials[p->from_trial].state != ASSAY_TRIAL_PAUSED) {
        return fail_at(err, E_PLUGIN, s->port->at,
            "%s: ask %zu: continues trial %llu, which is not paused", label, s->n,
            (unsigned long long)p->from_trial);
    }
    return OK;
}

static status settle(search *s, error *err)
{
    return s->is_replaying ? OK : s->port->ops->settle(s->port, err);
}

static assay_event event_of(const trial *t, uint64_t state)
{
    return (assay_event){ .struct_size = sizeof(assay_event),
        .trial = t->t.number,
        .state = state,
        .x = t->t.x,
        .value = (double)NAN,
        .standard_error = (double)NAN,
        .replicate = t->t.replicate };
}

/* Notes one proposal. *out_given: it is one to run, not passed over. */
static status take(search *s, const assay_proposal *p, bool may_repeat, bool *out_given, error *err)
{
    status st = OK;
    TRY(check_proposal(s, p, err));
    TRY(grow(s, err));
    const bool is_new = p->from_trial == ASSAY_NO_TRIAL;
    if (!is_new && s->space->n) {
        memcpy(p->x, s->trials[p->from_trial].t.x, s->space->n * sizeof *p->x);
    }
    (void)space_repair(s->space, p->x);
    double *x = arena_alloc_array(&s->memory, s->space->n + 1, sizeof *x);
    if (!x) TRY(fail_nomem(err, "a trial"));
    if (s->space->n) memcpy(x, p->x, s->space->n * sizeof *x);
    trial *t = &s->trials[s->n];
    *t = (trial){ .t = { .number = s->n, .x = x, .fidelity = p->fidelity, .from = p->from_trial },
        .value = (double)NAN };
    if (is_new) {
        uint64_t *slot = slot_of(s, x);
        const bool is_repeat = *slot != 0;
        *out_given = !(is_repeat && s->is_finite && !may_repeat);
        t->t.replicate = is_repeat ? s->trials[*slot - 1].t.replicate + 1 : 0;
        if (*out_given) *slot = s->n + 1;
    } else {
        *out_given = true;
        t->t.replicate = s->trials[p->from_trial].t.replicate;
        s->trials[p->from_trial].has_ended = true;
    }
    t->is_listed = *out_given;
    t->has_ended = !*out_given;
    t->state = *out_given ? ASSAY_TRIAL_RUNNING : ASSAY_TRIAL_FAILED;
    s->n++;
    s->n_listed += *out_given;
    const assay_event e = event_of(t, t->state);
    TRY(s->port->ops->tell(s->port, &e, err));
done:
    return st;
}

status search_ask(
    search *s, uint64_t want, search_trial *out, size_t *out_n, bool *out_is_over, error *err)
{
    status st = OK;
    size_t n = 0, n_repeats = 0;
    batch b = { 0 };
    if (want < 1 || want > SEARCH_MOST_WANT) {
        return fail(err, E_RANGE, "expected to be asked for 1 to %d points, found %llu",
            (int)SEARCH_MOST_WANT, (unsigned long long)want);
    }
    do {
        batch_free(&b);
        TRY(batch_new(s, want - n, &b, err));
        TRY(ask_strategy(s, &b, err));
        for (uint64_t i = 0; i < b.n; i++) {
            bool is_given = false;
            TRY(take(s, &b.proposals[i], n_repeats >= PATIENCE, &is_given, err));
            if (is_given) out[n++] = s->trials[s->n - 1].t;
            n_repeats += !is_given;
        }
    } while (n < want && b.n == b.want && !b.is_over); /* fewer than wanted: it waits for results */
    TRY(settle(s, err));
    *out_n = n;
    *out_is_over = b.is_over != 0;
done:
    batch_free(&b);
    return st == E_PLUGIN ? blame(s, err) : st;
}

/* -- telling -- */

static status check_result(search *s, const search_result *r, error *err)
{
    const unsigned long long number = r->trial;
    if (r->trial >= s->n || !s->trials[r->trial].is_listed) {
        return fail(err, E_UNKNOWN, "there is no trial %llu", number);
    }
    const trial *t = &s->trials[r->trial];
    if (t->has_ended || t->state == ASSAY_TRIAL_PAUSED) {
        return fail(err, E_CONFLICT, "trial %llu has ended already: it is %s", number,
            search_state_name(t->state));
    }
    if (r->state < ASSAY_TRIAL_REPORTED || r->state > ASSAY_TRIAL_LOST) {
        return fail(err, E_RANGE, "trial %llu: %llu is not a state that a trial can be told of",
            number, (unsigned long long)r->state);
    }
    const bool is_fidelity = r->fidelity >= 0 && isfinite(r->fidelity) &&
        (s->o.max_fidelity == 0 || r->fidelity <= s->o.max_fidelity);
    if (!is_fidelity) {
        return fail(err, E_RANGE, "trial %llu: a fidelity of %g is outside of [0, %g]", number,
            r->fidelity, s->o.max_fidelity);
    }
    return OK;
}

static bool is_final(uint64_t state)
{
    return state == ASSAY_TRIAL_DONE || state == ASSAY_TRIAL_PRUNED ||
        state == ASSAY_TRIAL_DIVERGED || state == ASSAY_TRIAL_FAILED;
}

/* How far it went: as told; else as far as it was meant to, or as it has been told of before. */
static double fidelity_of(const search *s, const trial *t, const search_result *r)
{
    if (r->fidelity > 0) return r->fidelity;
    if (r->state == ASSAY_TRIAL_DONE) return t->t.fidelity > 0 ? t->t.fidelity : s->o.max_fidelity;
    return t->fidelity;
}

/* A value that is not finite is a divergence, whatever was said; states that have none get none. */
static assay_event event_from(const search *s, const trial *t, const search_result *r)
{
    assay_event e = event_of(t, r->state);
    e.value = r->value;
    e.standard_error = r->standard_error;
    e.fidelity = fidelity_of(s, t, r);
    const bool needs_value = r->state == ASSAY_TRIAL_DONE || r->state == ASSAY_TRIAL_REPORTED ||
        r->state == ASSAY_TRIAL_PAUSED;
    if (needs_value && !isfinite(r->value)) e.state = ASSAY_TRIAL_DIVERGED;
    if (r->state == ASSAY_TRIAL_PRUNED && !isfinite(r->value)) e.value = t->value;
    if (e.state >= ASSAY_TRIAL_DIVERGED) e.value = e.standard_error = (double)NAN;
    if (!(e.standard_error >= 0)) e.standard_error = (double)NAN;
    return e;
}

static void note_best(search *s, const trial *t)
{
    if (t->state != ASSAY_TRIAL_DONE) return;
    if (s->best == ASSAY_NO_TRIAL || t->value < s->trials[s->best].value) s->best = t->t.number;
}

static status check_verdict(const search *s, const char *label, uint64_t verdict, error *err)
{
    if (verdict <= ASSAY_VERDICT_PAUSE) return OK;
    (void)fail_at(err, E_PLUGIN, s->port->at, "%s: report gives %llu, which is no verdict", label,
        (unsigned long long)verdict);
    return blame(s, err);
}

/* A trial stops when one of the two says so. */
static status ask_verdict(search *s, const assay_event *e, uint64_t *out, error *err)
{
    status st = OK;
    port *p = s->port;
    uint64_t own = ASSAY_VERDICT_GO, other = ASSAY_VERDICT_GO;
    TRY(p->ops->report(p, e, &own, &other, err));
    TRY(check_verdict(s, p->label, own, err));
    TRY(check_verdict(s, p->pruner_label, other, err));
    *out = own == ASSAY_VERDICT_STOP || other == ASSAY_VERDICT_STOP  ? ASSAY_VERDICT_STOP
        : own == ASSAY_VERDICT_PAUSE || other == ASSAY_VERDICT_PAUSE ? ASSAY_VERDICT_PAUSE
                                                                     : ASSAY_VERDICT_GO;
done:
    return st;
}

status search_tell(search *s, const search_result *r, uint64_t *out_verdict, error *err)
{
    status st = OK;
    uint64_t verdict = ASSAY_VERDICT_GO;
    TRY(check_result(s, r, err));
    trial *t = &s->trials[r->trial];
    const assay_event e = event_from(s, t, r);
    TRY(s->port->ops->tell(s->port, &e, err));
    t->fidelity = e.fidelity;
    if (!isnan(e.value)) t->value = e.value;
    if (e.state != ASSAY_TRIAL_LOST) t->state = e.state;
    t->has_ended = is_final(e.state);
    note_best(s, t);
    TRY(e.state == ASSAY_TRIAL_REPORTED ? ask_verdict(s, &e, &verdict, err) : settle(s, err));
    if (e.state == ASSAY_TRIAL_DIVERGED) verdict = ASSAY_VERDICT_STOP;
    if (out_verdict) *out_verdict = verdict;
done:
    return st;
}

/* -- looking -- */

status search_explain(search *s, uint64_t number, char *out, size_t bytes, error *err)
{
    if (!search_trial_find(s, number, NULL)) {
        return fail(err, E_UNKNOWN, "there is no trial %llu", (unsigned long long)number);
    }
    return s->port->ops->explain(s->port, number, out, bytes, err);
}

const outcome *search_outcome(const search *s)
{
    return s->port->ops->outcome(s->port);
}

status search_printed(const search *s, text *out, error *err)
{
    return s->port->ops->printed(s->port, out, err);
}

bool search_has_parts(const search *s)
{
    const port *p = s->port;
    return p->pruner_label || p->has_report || (p->can & ASSAY_SEARCH_FIDELITY);
}

size_t search_count(const search *s)
{
    return s->n_listed;
}

const search_trial *search_trial_find(const search *s, uint64_t number, uint64_t *out_state)
{
    if (number >= s->n || !s->trials[number].is_listed) return NULL;
    if (out_state) *out_state = s->trials[number].state;
    return &s->trials[number].t;
}

const search_trial *search_best(const search *s, double *out_value)
{
    if (s->best == ASSAY_NO_TRIAL) return NULL;
    if (out_value) *out_value = s->trials[s->best].value;
    return &s->trials[s->best].t;
}
