/* A search of trials that have parts, with its log. For the tests of asha and hyperband. */
#ifndef TESTS_PLUGINS_SEARCH_HALVING_RIG_H
#define TESTS_PLUGINS_SEARCH_HALVING_RIG_H

#include "search/search.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail

enum { MOST = 8000, MOST_TRIALS = 800 };

typedef struct rig {
    registry *r;
    config *c;
    space s;
    search *at;
    double whole;
    search_entry log[MOST];
    search_trial trials[MOST_TRIALS];
    size_t n_entries, n_trials;
} rig;

static inline rig *rig_open(const char *strategy, double least, double whole, uint64_t n_trials)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    const search_options o = {
        .seed = 2385, .n_trials = n_trials, .max_fidelity = whole, .min_fidelity = least
    };
    rig *g = calloc(1, sizeof *g);
    error err = { 0 };
    assert_non_null(g);
    g->whole = whole;
    space_init(&g->s);
    assert_int_equal(
        space_add_text(&g->s, "a=0.0..1 b=x,y c=1..7?b=x d=1e-4..1:log", NULL, &err), OK);
    assert_int_equal(registry_new(&ro, &g->r, &err), OK);
    assert_int_equal(config_parse("x.cfg", strategy, &g->c, &err), OK);
    const status st = search_new(
        g->r, g->c, value_find(config_root(g->c), "search"), NULL, &g->s, &o, &g->at, &err);
    if (st != OK) print_error("%s\n", err.text);
    assert_int_equal(st, OK);
    return g;
}

static inline void rig_close(rig *g)
{
    search_free(g->at);
    config_free(g->c);
    registry_free(g->r);
    space_release(&g->s);
    free(g);
}

static inline const search_trial *rig_ask(rig *g, size_t want)
{
    search_trial *t = &g->trials[g->n_trials];
    search_entry *e = &g->log[g->n_entries++];
    error err = { 0 };
    *e = (search_entry){ .kind = SEARCH_ASKED, .want = want, .trials = t };
    const status st = search_ask(g->at, want, t, &e->n_trials, &e->is_over, &err);
    if (st != OK) print_error("%s\n", err.text);
    assert_int_equal(st, OK);
    assert_int_equal(e->n_trials, want);
    g->n_trials += want;
    return t;
}

static inline uint64_t rig_tell(rig *g, uint64_t trial, uint64_t state, double v, double fidelity)
{
    search_entry *e = &g->log[g->n_entries++];
    error err = { 0 };
    *e =
        (search_entry){ .kind = SEARCH_TOLD, .result = { trial, state, v, (double)NAN, fidelity } };
    assert_int_equal(search_tell(g->at, &e->result, &e->verdict, &err), OK);
    return e->verdict;
}

/* What the host does with a part of a trial. */
static inline void pause_at(rig *g, const search_trial *t, double v)
{
    assert_int_equal(
        rig_tell(g, t->number, ASSAY_TRIAL_REPORTED, v, t->fidelity), ASSAY_VERDICT_PAUSE);
    rig_tell(g, t->number, ASSAY_TRIAL_PAUSED, v, t->fidelity);
}

/* Tells the log to a fresh search, which must give and say the same. */
static inline void expect_replay(const rig *a, rig *b)
{
    error err = { 0 };
    for (size_t i = 0; i < a->n_entries; i++) {
        const status st = search_replay(b->at, &a->log[i], &err);
        if (st != OK) print_error("entry %zu: %s\n", i, err.text);
        assert_int_equal(st, OK);
    }
}

#endif
