/* The loop of a host: fill the slots, wait for news, write them down.
 *
 * A slot holds one trial that was claimed and runs. Trials that wait are taken before further ones are proposed; when a tuning is
 * over its winner's evaluations are added, which is harmless to repeat, since a trial's identity is what it is. Other
 * hosts may do the same things at the same time: every step is one guarded statement of the store, and who comes too late drops
 * what it has. */
#include "study/engine.h"

#include "base/clock.h"
#include "study/strategy_place.h"
#include "study/trial_end.h"
#include "study/tuning.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double usual_lease_s = 60;
static const double look_s = 0.5; /* how often others' work is looked at */

typedef struct slot {
    run *run; /* NULL: free */
    arena memory; /* of the trial */
    store_trial trial;
    tuning *tuning; /* NULL: an evaluation */
    trial_verdict verdict;
    double renewed_s;
    bool is_dropped; /* another host has it */
} slot;

typedef struct engine {
    registry *registry;
    const declaration *d;
    store *store;
    uint64_t study;
    const engine_options *o;
    tuning **tunings; // [n_tunings]
    bool *has_evaluations; // [n_tunings]
    size_t n_tunings;
    runner *runner;
    slot *slots; // [n_slots]
    size_t n_slots;
    double lease_s, looked_s;
    bool is_closed; /* by the user: nothing more is begun */
    engine_summary *summary;
    search_place place; /* of strategies */
    sandbox *place_sandbox; /* NULL: they run in this process */
} engine;

/* -- making -- */

static size_t n_jobs(const engine_options *o)
{
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    if (o->is_debugged) return 1;
    return o->n_jobs ? o->n_jobs : n > 0 ? (size_t)n : 1;
}

static status make_tunings(engine *e, error *err)
{
    status st = OK;
    const declaration *d = e->d;
    const size_t n = d->n_workloads * d->n_contenders * (size_t)d->n_repeats;
    e->tunings = calloc(n + 1, sizeof(tuning *));
    e->has_evaluations = calloc(n + 1, sizeof *e->has_evaluations);
    if (!e->tunings || !e->has_evaluations) return fail_nomem(err, "a study's tunings");
    for (size_t i = 0; i < n; i++) {
        const tuning_key key = { .contender = i % d->n_contenders,
            .workload = i / d->n_contenders % d->n_workloads,
            .repeat = i / d->n_contenders / d->n_workloads };
        TRY(tuning_new(e->registry, d, &e->place, e->store, e->study, key, &e->tunings[i], err));
        e->n_tunings++;
    }
done:
    return st;
}

static status begin(engine *e, error *err)
{
    status st = OK;
    uint64_t n_lost;
    e->n_slots = n_jobs(e->o);
    e->lease_s = e->o->lease_s > 0 ? e->o->lease_s : usual_lease_s;
    e->slots = calloc(e->n_slots, sizeof *e->slots);
    if (!e->slots) return fail_nomem(err, "a study's slots");
    TRY(store_recover(e->store, e->study, NULL, NULL, &n_lost, err));
    TRY(make_tunings(e, err));
done:
    return st;
}

/* Who gives up says so, and nothing counts as lost. Where even that cannot be written, the owner is dead soon, which says it, too. */
static void hand_back(const engine *e, const slot *s)
{
    error ignored;
    const status st =
        trial_release(e->store, trial_hold(&s->trial), OUTCOME_CANCELLED, "given back", &ignored);
    (void)st;
}

static void end(engine *e)
{
    for (size_t i = 0; e->slots && i < e->n_slots; i++) {
        if (e->slots[i].run && !e->slots[i].is_dropped) hand_back(e, &e->slots[i]);
        run_free(e->slots[i].run);
        arena_release(&e->slots[i].memory);
    }
    runner_close(e->runner);
    for (size_t i = 0; i < e->n_tunings; i++)
        tuning_free(e->tunings[i]);
    sandbox_close(e->place_sandbox);
    free(e->tunings);
    free(e->has_evaluations);
    free(e->slots);
}

/* -- looking -- */

static int interrupt_of(const engine *e)
{
    return e->o->interrupt ? atomic_load(e->o->interrupt) : 0;
}

static bool may_begin(const engine *e)
{
    return !e->is_closed && interrupt_of(e) == 0;
}

static status count(engine *e, error *err)
{
    return trial_count(e->store, e->study, e->summary->count, err);
}

/* Between two counts, which grow with the study: as far as this host knows. */
static void note_change(engine *e, trial_state from, trial_state to)
{
    uint64_t *n = e->summary->count;
    if (n[from] > 0) n[from]--;
    n[to]++;
}

/* What others may have done. */
static status look(engine *e, error *err)
{
    status st = OK;
    arena a = { 0 };
    store_study s;
    uint64_t n_lost;
    TRY(store_recover(e->store, e->study, NULL, NULL, &n_lost, err));
    TRY(study_find(e->store, e->d->name, &a, &s, err));
    e->is_closed = !isnan(s.closed) || s.paused;
    for (size_t i = 0; i < e->n_tunings; i++)
        TRY(tuning_sync(e->tunings[i], err));
    TRY(count(e, err));
    e->looked_s = clock_wall_s();
done:
    arena_release(&a);
    return st;
}

static uint64_t n_ended(const engine *e)
{
    uint64_t n = 0;
    for (int i = TRIAL_DONE; i < N_TRIAL_STATES; i++)
        n += e->summary->count[i];
    return n;
}

static void tell_user(engine *e, study_news_kind kind, const slot *s, trial_state state)
{
    if (!e->o->on_news) return;
    const uint64_t *c = e->summary->count;
    uint64_t n_total = declaration_n_evaluations(e->d);
    for (size_t i = 0; i < e->n_tunings; i++)
        n_total += tuning_most_trials(e->tunings[i]);
    const study_news n = { .kind = kind,
        .declaration = e->d,
        .trial = &s->trial,
        .end = kind == STUDY_TRIAL_BEGUN ? NULL : run_get_end(s->run),
        .state = state,
        .n_done = n_ended(e),
        .n_total = n_total,
        .n_bad = c[TRIAL_FAILED] + c[TRIAL_DIVERGED] + c[TRIAL_TIMEOUT] + c[TRIAL_LOST] };
    e->o->on_news(e->o->self, &n);
}

/* -- beginning trials -- */

static status find_tuning(const engine *e, const store_trial *t, tuning **out, error *err)
{
    const declaration *d = e->d;
    const store_search *s = &t->search;
    for (size_t i = 0; i < e->n_tunings; i++) {
        const tuning_key key = tuning_get_key(e->tunings[i]);
        const store_search mine = tuning_store_search(d, key, s->phase);
        if (key.repeat != s->repeat || strcmp(mine.contender, s->contender) != 0) continue;
        if (strcmp(mine.workload, s->workload) != 0) continue;
        *out = e->tunings[i];
        return OK;
    }
    return fail(err, E_CORRUPT,
        "%s: trial %llu is of contender \"%s\" on workload \"%s\", and the study has none such",
        store_where(e->store), (unsigned long long)t->number, s->contender, s->workload);
}

static status start(engine *e, slot *s, error *err)
{
    status st = OK;
    const store_trial *t = &s->trial;
    tuning *mine = NULL;
    bool reports = false;
    TRY(find_tuning(e, t, &mine, err));
    const tuning_key key = tuning_get_key(mine);
    const space *sp = &e->d->contenders[key.contender].space;
    double *x = arena_alloc_array(&s->memory, sp->n + 1, sizeof *x);
    if (!x) TRY(fail_nomem(err, "a point"));
    TRY(point_from_params(sp, t->params, x, err));
    s->tuning = t->search.phase == STORE_TUNE ? mine : NULL;
    if (s->tuning) TRY(tuning_wants_reports(s->tuning, &reports, err));
    s->verdict = (trial_verdict){ .verdict = ASSAY_VERDICT_GO,
        .is_part = t->fidelity > 0 && t->fidelity < declaration_max_fidelity(e->d, key.workload) };
    const run_spec spec = { .workload = key.workload,
        .contender = key.contender,
        .x = x,
        .seed = t->seed,
        .fidelity = t->fidelity,
        .number = t->number,
        .from = t->from_trial,
        .keeps_checkpoint = s->verdict.is_part,
        .reports = reports,
        .judges = t->search.phase == STORE_EVALUATE,
        .self = s };
    TRY(runner_start(e->runner, &spec, &s->run, err));
    s->is_dropped = false;
    s->renewed_s = clock_wall_s();
    note_change(e, TRIAL_WAITING, TRIAL_RUNNING);
    tell_user(e, STUDY_TRIAL_BEGUN, s, TRIAL_RUNNING);
done:
    return st;
}

static status claim(engine *e, slot *s, bool *out_found, error *err)
{
    arena_release(&s->memory);
    status st = trial_claim(e->store, e->study, e->lease_s, &s->memory, &s->trial, out_found, err);
    if (st != OK || !*out_found) return st;
    st = start(e, s, err);
    if (st != OK && !s->run) hand_back(e, s);
    return st;
}

/* One proposal of the first tuning whose time it is. One after the other, so that few strategies are in memory at once. */
static status ask_any(engine *e, bool *out_added, error *err)
{
    *out_added = false;
    for (size_t i = 0; i < e->n_tunings && !*out_added; i++) {
        const status st = tuning_ask(e->tunings[i], out_added, err);
        if (st != OK) return st;
    }
    e->summary->count[TRIAL_WAITING] += *out_added;
    return OK;
}

static status add_evaluations_of(engine *e, size_t i, error *err)
{
    status st = OK;
    arena a = { 0 };
    uint64_t number;
    const char *params;
    const tuning_key key = tuning_get_key(e->tunings[i]);
    const bool has_winner = tuning_winner(e->tunings[i], &number, &params);
    for (uint64_t k = 0; has_winner && k < e->d->n_evaluations; k++) {
        bool is_new;
        store_trial made;
        const store_trial_spec spec = { .search = tuning_store_search(e->d, key, STORE_EVALUATE),
            .seed = declaration_evaluation_seed(e->d, key.repeat, (size_t)k),
            .params = params,
            .proposal = STORE_NEXT,
            .from_trial = STORE_NO_TRIAL,
            .replicate = k };
        TRY(trial_add(e->store, e->study, &spec, &made, &a, &is_new, err));
    }
    e->has_evaluations[i] = true;
done:
    arena_release(&a);
    return st;
}

static status add_evaluations(engine *e, bool *out_added, error *err)
{
    *out_added = false;
    for (size_t i = 0; i < e->n_tunings; i++) {
        if (e->has_evaluations[i] || !tuning_is_over(e->tunings[i])) continue;
        const status st = add_evaluations_of(e, i, err);
        if (st != OK) return st;
        *out_added = true;
    }
    return OK;
}

static slot *free_slot(const engine *e)
{
    for (size_t i = 0; i < e->n_slots; i++) {
        if (!e->slots[i].run) return &e->slots[i];
    }
    return NULL;
}

static status fill(engine *e, error *err)
{
    status st = OK;
    slot *s;
    while (may_begin(e) && (s = free_slot(e)) != NULL) {
        bool is_found = false, is_added = false;
        TRY(claim(e, s, &is_found, err));
        if (is_found) continue;
        TRY(ask_any(e, &is_added, err));
        if (!is_added) TRY(add_evaluations(e, &is_added, err));
        if (!is_added) break;
    }
done:
    return st;
}

/* -- news -- */

static void drop(slot *s)
{
    s->is_dropped = true;
    run_stop(s->run, OUTCOME_CANCELLED);
}

static status take_report(engine *e, slot *s, const run_news *n, error *err)
{
    error why;
    const store_news news = {
        .fidelity = n->fidelity, .value = n->value, .standard_error = (double)NAN
    };
    if (s->is_dropped || s->verdict.verdict != ASSAY_VERDICT_GO || !s->tuning) return OK;
    status st = trial_report(e->store, trial_hold(&s->trial), NULL, 0, &news, &why);
    if (st == E_CONFLICT) {
        drop(s);
        return OK;
    }
    if (st != OK) return fail(err, st, "%s", why.text);
    st = tuning_sync(s->tuning, err);
    if (st != OK) return st;
    trial_verdict *v = &s->verdict;
    v->verdict = tuning_verdict(s->tuning, s->trial.id, n->fidelity, &v->value, &v->fidelity);
    if (v->verdict != ASSAY_VERDICT_GO) run_stop(s->run, OUTCOME_PRUNED);
    return OK;
}

static status take_end(engine *e, slot *s, error *err)
{
    status st = OK;
    trial_fate fate = FATE_NOT_OURS;
    trial_state state = TRIAL_WAITING;
    const run_end *how = run_get_end(s->run);
    if (!s->is_dropped) {
        TRY(trial_end(e->store, e->d, &s->trial, &s->verdict, how, &fate, &state, err));
        s->is_dropped = true; /* it is written down */
    }
    if (how->trouble != OK) {
        TRY(fail(err, how->trouble,
            "%s; trial %llu waits again, and the study can be resumed once that is mended",
            how->outcome->text, (unsigned long long)s->trial.number));
    }
    if (fate == FATE_FINISHED) e->summary->n_run++;
    if (s->tuning) TRY(tuning_sync(s->tuning, err));
    if (fate != FATE_NOT_OURS) {
        note_change(e, TRIAL_RUNNING, state);
        tell_user(e, fate == FATE_FINISHED ? STUDY_TRIAL_ENDED : STUDY_TRIAL_RETRIED, s, state);
    }
done:
    if (!s->is_dropped) hand_back(e, s); /* its end could not be written */
    run_free(s->run);
    s->run = NULL;
    return st;
}

static status renew(engine *e, error *err)
{
    const double now = clock_wall_s();
    for (size_t i = 0; i < e->n_slots; i++) {
        error why;
        slot *s = &e->slots[i];
        if (!s->run || s->is_dropped || now - s->renewed_s < e->lease_s / 4) continue;
        const status st = trial_renew(e->store, trial_hold(&s->trial), e->lease_s, &why);
        if (st == E_CONFLICT) {
            drop(s);
        } else if (st != OK) {
            return fail(err, st, "%s", why.text);
        }
        s->renewed_s = now;
    }
    return OK;
}

static void cancel_all(engine *e)
{
    for (size_t i = 0; i < e->n_slots; i++) {
        if (e->slots[i].run) run_stop(e->slots[i].run, OUTCOME_CANCELLED);
    }
}

static status wait(engine *e, error *err)
{
    status st = OK;
    run_news n;
    TRY(runner_wait(e->runner, look_s, &n, err));
    if (n.kind == RUN_NOTHING) return OK;
    slot *s = run_self(n.run);
    if (n.kind == RUN_REPORTED) TRY(take_report(e, s, &n, err));
    if (n.kind == RUN_ENDED) TRY(take_end(e, s, err));
done:
    return st;
}

/* -- the loop -- */

/* Whether nothing is left, here and elsewhere. */
static status is_done(engine *e, bool *out, error *err)
{
    const status st = count(e, err);
    bool is_over = e->summary->count[TRIAL_WAITING] == 0 && e->summary->count[TRIAL_RUNNING] == 0;
    for (size_t i = 0; i < e->n_tunings; i++)
        is_over = is_over && e->has_evaluations[i];
    *out = is_over;
    return st;
}

/* Less than what was asked for is done aloud. */
static void tell_of_level(const engine *e)
{
    char said[320];
    if (!e->o->on_warning || !e->place_sandbox || e->d->level != SANDBOX_STRICT) return;
    if (e->place.level == SANDBOX_STRICT) return;
    const sandbox_state *s = sandbox_get_state(e->place_sandbox);
    snprintf(said, sizeof said,
        "the strict sandbox is not possible here: %s; trials run at level process, and every row "
        "says so",
        s->is_instrumented ? "assay was built with a sanitizer" : s->lacking);
    e->o->on_warning(e->o->self, said);
}

static status work(engine *e, error *err)
{
    status st = OK;
    const runner_options o = { .program = e->o->program,
        .is_debugged = e->o->is_debugged,
        .folder = e->o->folder,
        .interrupt = e->o->interrupt };
    TRY(look(e, err));
    TRY(add_evaluations(e, &(bool){ false }, err));
    TRY(is_done(e, &e->summary->is_over, err));
    if (e->summary->is_over || e->is_closed) return OK;
    if (!o.is_debugged) {
        TRY(strategy_place_open(e->registry, e->d, o.program, &e->place, &e->place_sandbox, err));
    }
    st = runner_open(e->d, &o, &e->runner, err);
    if (st == E_INTERRUPTED) return OK; /* nothing has begun */
    TRY(st);
    tell_of_level(e);
    while (!e->summary->is_over) {
        TRY(fill(e, err));
        if (interrupt_of(e) >= 2) cancel_all(e);
        if (runner_n_running(e->runner) > 0) {
            TRY(wait(e, err));
        } else {
            TRY(is_done(e, &e->summary->is_over, err));
            if (e->summary->is_over || !may_begin(e)) break;
            clock_sleep(look_s / 4); /* others are at work */
            TRY(look(e, err));
        }
        TRY(renew(e, err));
        if (clock_wall_s() - e->looked_s > look_s) TRY(look(e, err));
    }
done:
    return st;
}

status engine_run(registry *r, const declaration *d, store *s, uint64_t study,
    const engine_options *o, engine_summary *out, error *err)
{
    status st = OK;
    engine_summary summary = { 0 };
    engine e = { .registry = r, .d = d, .store = s, .study = study, .o = o, .summary = &summary };
    TRY(begin(&e, err));
    TRY(work(&e, err));
    TRY(count(&e, err));
    *out = summary;
done:
    end(&e);
    return st;
}
