/* Doing again what a log says. Events are kept back until the strategy is asked something, which costs nothing but that a plugin's error in
 * one of them is told later. */
#include "search/internal.h"

#include <math.h>
#include <stdlib.h>

static status fail_replay(
    const search *s, const search_trial *was, const search_trial *is, error *err)
{
    const unsigned long long number = was->number;
    for (size_t i = 0; i < s->space->n; i++) {
        if (was->x[i] == is->x[i] || (isnan(was->x[i]) && isnan(is->x[i]))) continue;
        return fail(err, E_CORRUPT,
            "the log and the strategy disagree at ask %llu: %s was %.17g and is now %.17g; the log "
            "is of another strategy, space, seed or version, or the strategy does not depend on "
            "these alone",
            number, s->space->dimensions[i].name, was->x[i], is->x[i]);
    }
    return fail(err, E_CORRUPT,
        "the log and the strategy disagree at ask %llu: it was trial %llu of fidelity %g and is "
        "now trial %llu of fidelity %g",
        number, number, was->fidelity, (unsigned long long)is->number, is->fidelity);
}

static bool is_same_trial(const search *s, const search_trial *a, const search_trial *b)
{
    return a->number == b->number && a->fidelity == b->fidelity && a->from == b->from &&
        search_is_same_point(s, a->x, b->x);
}

static status replay_ask(search *s, const search_entry *e, error *err)
{
    status st = OK;
    size_t n = 0;
    bool is_over = false;
    const size_t first = s->n;
    search_trial *trials = NULL;
    if (e->want < 1 || e->want > SEARCH_MOST_WANT) {
        return fail(err, E_CORRUPT, "the log asks for %llu points", (unsigned long long)e->want);
    }
    trials = calloc(e->want, sizeof *trials);
    if (!trials) return fail_nomem(err, "trials");
    s->is_replaying = true;
    st = search_ask(s, e->want, trials, &n, &is_over, err);
    s->is_replaying = false;
    TRY(st);
    for (size_t i = 0; i < n && i < e->n_trials; i++) {
        if (!is_same_trial(s, &e->trials[i], &trials[i])) {
            TRY(fail_replay(s, &e->trials[i], &trials[i], err));
        }
    }
    if (n != e->n_trials || is_over != e->is_over) {
        TRY(fail(err, E_CORRUPT,
            "the log and the strategy disagree at ask %zu: %zu proposals%s were given and now "
            "%zu%s",
            first, e->n_trials, e->is_over ? " and the end" : "", n,
            is_over ? " and the end" : ""));
    }
done:
    free(trials);
    return st;
}

status search_replay(search *s, const search_entry *e, error *err)
{
    uint64_t verdict;
    if (e->kind == SEARCH_ASKED) return replay_ask(s, e, err);
    s->is_replaying = true;
    const status st = search_tell(s, &e->result, &verdict, err);
    s->is_replaying = false;
    if (st == OK && verdict != e->verdict) {
        return fail(err, E_CORRUPT,
            "the log and the strategy disagree at a report of trial %llu: the verdict was %llu and "
            "is now %llu",
            (unsigned long long)e->result.trial, (unsigned long long)e->verdict,
            (unsigned long long)verdict);
    }
    return st;
}

status search_replay_end(search *s, error *err)
{
    return s->port->ops->settle(s->port, err);
}
