/* A strategy's history in the store, and what it is told when.
 *
 * The strategy itself forgets everything when its process ends, so it is brought to where it stood by the same steps: for each proposal that the
 * store has, tell what it knew then, ask, and see that the answer is the same.
 *
 * Where nothing is reported on the way, ask k is told the results of trials 0 to k - parallel, in their order. If the strategy then waits for
 * more, the next result is told and it is asked again. Both depend on results alone and never on when they came, so a study
 * proposes the same trials on any machine, and several hosts that ask at once ask for the same trial, which the store keeps once.
 * With reports on the way the events' order is the store's, and each ask has down after which of them it was. */
#include "study/tuning.h"

#include "search/search.h"
#include "study/tuning_history.h"
#include "study/winner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LOST = 10 }; /* processes of a strategy in a row */

struct tuning {
    registry *registry;
    const declaration *declaration;
    const search_place *place;
    tuning_key key;
    const contender *contender;
    history h;

    search *search; /* NULL: not needed yet */
    bool has_parts; /* of the search: it is told of trials on their way */
    size_t n_asked; /* proposals that it has made again */
    size_t n_told; /* proposals (or, with parts, facts) whose end it knows */
    bool is_over; /* it has nothing left */
    double samples, seconds; /* of the trials it knows the end of */
};

store_search tuning_store_search(const declaration *d, tuning_key key, trial_phase phase)
{
    return (store_search){ .phase = phase,
        .contender = d->is_plain ? "" : d->contenders[key.contender].name,
        .workload = d->is_plain ? "" : d->workloads[key.workload].name,
        .repeat = key.repeat };
}

status tuning_new(registry *r, const declaration *d, const search_place *place, store *s,
    uint64_t study, tuning_key key, tuning **out, error *err)
{
    tuning *t = calloc(1, sizeof *t);
    if (!t) return fail_nomem(err, "a tuning");
    t->registry = r;
    t->declaration = d;
    t->place = place;
    t->h = (history){
        .store = s, .study = study, .has_costs = d->budget_samples > 0 || d->budget_seconds > 0
    };
    t->key = key;
    t->contender = &d->contenders[key.contender];
    *out = t;
    return OK;
}

/* It is made again, and brought to where it was, when it is needed. */
static void forget_search(tuning *t)
{
    search_free(t->search);
    t->search = NULL;
    t->n_asked = t->n_told = 0;
    t->samples = t->seconds = 0;
}

void tuning_free(tuning *t)
{
    if (!t) return;
    forget_search(t);
    history_release(&t->h);
    free(t);
}

tuning_key tuning_get_key(const tuning *t)
{
    return t->key;
}

static status read_history(tuning *t, error *err)
{
    const store_search key = tuning_store_search(t->declaration, t->key, STORE_TUNE);
    return history_read(&t->h, &key, err);
}

/* -- telling -- */

static uint64_t search_state_of(trial_state s)
{
    switch (s) {
    case TRIAL_DONE: return ASSAY_TRIAL_DONE;
    case TRIAL_PRUNED: return ASSAY_TRIAL_PRUNED;
    case TRIAL_PAUSED: return ASSAY_TRIAL_PAUSED;
    case TRIAL_DIVERGED:
    case TRIAL_TIMEOUT: return ASSAY_TRIAL_DIVERGED;
    default: return ASSAY_TRIAL_FAILED; /* LOST too often: it says nothing of the point */
    }
}

static double sign_of(const tuning *t)
{
    return t->declaration->direction == STORE_MAXIMIZE ? -1 : 1;
}

static double most_fidelity(const tuning *t)
{
    return declaration_max_fidelity(t->declaration, t->key.workload);
}

static status tell(tuning *t, proposal *p, uint64_t state, double v, double standard_error,
    double fidelity, error *err)
{
    uint64_t verdict = ASSAY_VERDICT_GO;
    const double most = most_fidelity(t);
    const search_result r = { .trial = p->inside,
        .state = state,
        .value = sign_of(t) * v,
        .standard_error = standard_error,
        .fidelity = fidelity > 0 ? (most > 0 && fidelity > most ? most : fidelity) : 0 };
    const status st = search_tell(t->search, &r, &verdict, err);
    if (st != OK || state != ASSAY_TRIAL_REPORTED || verdict == ASSAY_VERDICT_GO) return st;
    if (p->verdict == ASSAY_VERDICT_GO) {
        p->verdict = verdict;
        p->verdict_value = v;
        p->verdict_fidelity = fidelity;
    }
    return st;
}

static status tell_end(tuning *t, proposal *p, error *err)
{
    t->samples += p->cost.samples;
    t->seconds += p->cost.wall_s;
    return tell(t, p, search_state_of(p->state), p->value, p->standard_error, p->reached, err);
}

/* The next proposal's end; needs no parts. */
static status tell_next(tuning *t, error *err)
{
    return tell_end(t, &t->h.proposals[t->n_told++], err);
}

/* Facts up to that of seq `last`; with parts. A search takes a report that is not finite for the trial's end, of which the store has an event
 * of its own: that one is told. */
static status tell_facts(tuning *t, uint64_t last, error *err)
{
    status st = OK;
    while (st == OK && t->n_told < t->h.n_facts && t->h.facts[t->n_told].seq <= last) {
        const fact *f = &t->h.facts[t->n_told++];
        proposal *p = &t->h.proposals[f->i_proposal];
        if (f->kind != EVENT_FINISHED && !isfinite(f->value)) continue;
        st = f->kind == EVENT_FINISHED
            ? tell_end(t, p, err)
            : tell(t, p, ASSAY_TRIAL_REPORTED, f->value, f->standard_error, f->fidelity, err);
    }
    return st;
}

/* What ask k may know. */
static status tell_before(tuning *t, size_t k, error *err)
{
    status st = OK;
    if (t->has_parts) {
        return tell_facts(t, k < t->h.n ? t->h.proposals[k].asked_after : t->h.seen, err);
    }
    while (st == OK && t->n_told + t->declaration->parallel <= k)
        st = tell_next(t, err);
    return st;
}

/* -- asking -- */

static status make_search(tuning *t, error *err)
{
    const declaration *d = t->declaration;
    const search_options o = { .seed = declaration_search_seed(d, t->key.repeat),
        .n_trials = tuning_most_trials(t),
        .max_fidelity = most_fidelity(t),
        .min_fidelity = d->min_fidelity };
    const space *sp = &t->contender->space;
    const status st = t->place->sandbox ? search_new_in(t->place, d->config, t->contender->strategy,
                                              d->pruner, sp, &o, &t->search, err)
                                        : search_new(t->registry, d->config, t->contender->strategy,
                                              d->pruner, sp, &o, &t->search, err);
    if (st == OK) t->has_parts = search_has_parts(t->search);
    return st;
}

/* One point, telling further results where the strategy waits for them and they are there: *out_n is 0 where they are not. */
static status ask_one(tuning *t, search_trial *out, size_t *out_n, bool *out_is_over, error *err)
{
    status st = OK;
    *out_is_over = false;
    for (;;) {
        st = search_ask(t->search, 1, out, out_n, out_is_over, err);
        if (st != OK || *out_n == 1 || *out_is_over || t->has_parts) return st;
        if (t->n_told == t->n_asked || !t->h.proposals[t->n_told].has_ended) return OK;
        st = tell_next(t, err);
        if (st != OK) return st;
    }
}

static proposal *find_inside(const tuning *t, uint64_t inside)
{
    for (size_t i = t->n_asked; i-- > 0;) {
        if (t->h.proposals[i].inside == inside) return &t->h.proposals[i];
    }
    return NULL;
}

static void params_of(const tuning *t, const search_trial *s, text *out)
{
    json j;
    json_init(&j, out);
    space_point_to_json(&t->contender->space, s->x, &j);
}

/* The store's k-th proposal, made again. */
static status ask_again(tuning *t, size_t k, error *err)
{
    status st = OK;
    size_t n;
    bool is_over;
    search_trial s;
    text params = { 0 };
    TRY(tell_before(t, k, err));
    TRY(ask_one(t, &s, &n, &is_over, err));
    proposal *p = &t->h.proposals[k];
    if (n == 1) params_of(t, &s, &params);
    TRY(text_check(&params, err));
    if (n != 1 || strcmp(params.s, p->params) != 0 || s.fidelity != p->fidelity) {
        TRY(fail(err, E_CORRUPT,
            "%s: the strategy now proposes %s as trial %llu, and the store has %s: it is another "
            "version of the strategy, or what it proposes does not depend on seed and results "
            "alone",
            store_where(t->h.store), n == 1 ? params.s : "nothing", (unsigned long long)p->number,
            p->params));
    }
    p->inside = s.number;
    t->n_asked++;
done:
    text_release(&params);
    return st;
}

/* Another host has asked knowing less than the strategy here was told by now. */
static bool knows_too_much(const tuning *t)
{
    if (!t->search || !t->has_parts || t->n_told == 0 || t->n_asked == t->h.n) return false;
    return t->h.facts[t->n_told - 1].seq > t->h.proposals[t->n_asked].asked_after;
}

/* To where the store is. */
static status catch_up(tuning *t, error *err)
{
    if (knows_too_much(t)) forget_search(t);
    status st = t->search ? OK : make_search(t, err);
    while (st == OK && t->n_asked < t->h.n)
        st = ask_again(t, t->n_asked, err);
    return st;
}

/* Another host has asked meanwhile, and the strategy of this one has gone astray; or its process was lost. It is made anew. */
static status start_anew(tuning *t, error *err)
{
    forget_search(t);
    const status st = read_history(t, err);
    return st == OK ? catch_up(t, err) : st;
}

static status sync(tuning *t, error *err)
{
    status st = read_history(t, err);
    if (st == OK && tuning_is_over(t)) forget_search(t); /* it is not asked again */
    if (st != OK || !t->search) return st;
    st = catch_up(t, err);
    return st == OK && t->has_parts ? tell_facts(t, t->h.seen, err) : st;
}

uint64_t tuning_most_trials(const tuning *t)
{
    return t->contender->trials;
}

static bool is_spent(const tuning *t)
{
    const declaration *d = t->declaration;
    return (d->budget_samples > 0 && t->samples >= d->budget_samples) ||
        (d->budget_seconds > 0 && t->seconds >= d->budget_seconds);
}

static bool is_time_to_ask(const tuning *t)
{
    const uint64_t parallel = t->declaration->parallel;
    if (t->is_over || t->h.n >= tuning_most_trials(t)) return false;
    if (t->has_parts) return t->h.n - t->h.n_ended < parallel;
    for (size_t i = t->n_told; i + parallel <= t->h.n; i++) {
        if (!t->h.proposals[i].has_ended) return false;
    }
    return true;
}

static status add(tuning *t, const search_trial *s, error *err)
{
    status st = OK;
    bool is_new;
    arena a = { 0 };
    text params = { 0 };
    store_trial made;
    params_of(t, s, &params);
    TRY(text_check(&params, err));
    const proposal *from = s->from == ASSAY_NO_TRIAL ? NULL : find_inside(t, s->from);
    const store_trial_spec spec = { .search =
                                        tuning_store_search(t->declaration, t->key, STORE_TUNE),
        .seed = declaration_tuning_seed(t->declaration, t->key.repeat, s->replicate),
        .params = params.s,
        .fidelity = s->fidelity,
        .proposal = t->h.n,
        .asked_after = t->has_parts ? t->h.seen : 0,
        .from_trial = from ? from->number : STORE_NO_TRIAL,
        .replicate = s->replicate };
    TRY(trial_add(t->h.store, t->h.study, &spec, &made, &a, &is_new, err));
    if (made.asked_after != spec.asked_after) { /* the same point, known from less or more */
        TRY(fail(err, E_CONFLICT, "another host has asked for trial %zu", t->h.n));
    }
done:
    text_release(&params);
    arena_release(&a);
    return st;
}

static status ask(tuning *t, bool *out_added, error *err)
{
    status st = OK;
    size_t n = 0;
    search_trial s;
    error why;
    *out_added = false;
    if (t->is_over || t->h.n >= tuning_most_trials(t)) return OK;
    TRY(catch_up(t, err));
    if (!is_time_to_ask(t)) return OK;
    TRY(tell_before(t, t->h.n, err));
    if (is_spent(t)) {
        t->is_over = true;
        return OK;
    }
    TRY(ask_one(t, &s, &n, &t->is_over, err));
    if (n == 0) {
        if (!t->is_over && t->h.n == t->h.n_ended) {
            TRY(fail(err, E_PLUGIN,
                "the strategy proposes nothing after %zu trials, though none is under way and it "
                "does not say that it is over",
                t->h.n));
        }
        return OK;
    }
    t->is_over = false; /* its last point first */
    st = add(t, &s, &why);
    if (st == E_CONFLICT) return start_anew(t, err);
    if (st != OK) return fail(err, st, "%s", why.text);
    TRY(read_history(t, err));
    if (t->n_asked < t->h.n) t->h.proposals[t->n_asked++].inside = s.number;
    *out_added = true;
done:
    return st;
}

/* After a step that came to `st`: where the strategy's process was lost on the way, another is brought to where the store is. */
static status bring_back(tuning *t, status st, error *err)
{
    for (int i = 0; st == E_INTERRUPTED && i < MOST_LOST; i++)
        st = start_anew(t, err);
    if (st != E_INTERRUPTED) return st;
    const error last = *err;
    return fail(err, E_PLUGIN, "%.300s: so it was %d times in a row", last.text, MOST_LOST + 1);
}

status tuning_ask(tuning *t, bool *out_added, error *err)
{
    *out_added = false;
    return bring_back(t, ask(t, out_added, err), err);
}

status tuning_sync(tuning *t, error *err)
{
    return bring_back(t, sync(t, err), err);
}

/* -- looking -- */

bool tuning_is_over(const tuning *t)
{
    const bool is_last = t->is_over || t->h.n >= tuning_most_trials(t);
    return is_last && t->h.n == t->h.n_ended;
}

status tuning_wants_reports(tuning *t, bool *out, error *err)
{
    const status st = bring_back(t, catch_up(t, err), err);
    if (st == OK) *out = t->has_parts;
    return st;
}

uint64_t tuning_verdict(
    const tuning *t, uint64_t trial, double fidelity, double *out_value, double *out_fidelity)
{
    const proposal *p = history_find(&t->h, trial);
    if (!p || p->verdict == ASSAY_VERDICT_GO || fidelity < p->verdict_fidelity)
        return ASSAY_VERDICT_GO;
    *out_value = p->verdict_value;
    *out_fidelity = p->verdict_fidelity;
    return p->verdict;
}

static contestant contestant_of(const proposal *p)
{
    return (contestant){ .state = p->state, .value = p->value, .reached = p->reached };
}

bool tuning_winner(const tuning *t, uint64_t *out_number, const char **out_params)
{
    const proposal *best = NULL;
    for (size_t i = 0; i < t->h.n; i++) {
        const proposal *p = &t->h.proposals[i];
        const contestant c = contestant_of(p);
        if (!p->has_ended || !contestant_is_valid(c)) continue;
        if (!best || contestant_beats(c, contestant_of(best), t->declaration->direction)) best = p;
    }
    if (!best) return false;
    *out_number = best->number;
    *out_params = best->params;
    return true;
}

status point_from_params(const space *s, const char *params, double *x, error *err)
{
    const size_t n = strlen(params);
    char *strings = malloc(n + 1);
    if (!strings) return fail_nomem(err, "a point");
    json_in j = { .what = "params", .s = params, .n = n, .strings = strings };
    const status st = space_point_from_json(s, &j, x, err);
    free(strings);
    return st;
}
