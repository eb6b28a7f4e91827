/* A search with a pruner, and trials whose curves are straight lines. For the tests of pruners, one file each. */
#ifndef TESTS_PLUGINS_PRUNER_RIG_H
#define TESTS_PLUGINS_PRUNER_RIG_H

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

enum { MOST = 400, WHOLE = 20 };

typedef struct rig {
    registry *r;
    config *c;
    space s;
    search *at;
    search_entry log[MOST];
    search_trial trials[MOST];
    size_t n_entries, n_trials;
} rig;

static inline rig *rig_open(const char *pruner)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    const search_options o = { .seed = 2385, .max_fidelity = WHOLE, .min_fidelity = 1 };
    rig *g = calloc(1, sizeof *g);
    char written[200];
    error err = { 0 };
    assert_non_null(g);
    snprintf(written, sizeof written, "search = \"random\"; pruner = %s;", pruner);
    space_init(&g->s);
    assert_int_equal(space_add_text(&g->s, "a=0.0..1 b=x,y", NULL, &err), OK);
    assert_int_equal(registry_new(&ro, &g->r, &err), OK);
    assert_int_equal(config_parse("x.cfg", written, &g->c, &err), OK);
    value *root = config_root(g->c);
    const status st = search_new(g->r, g->c, value_find(root, "search"), value_find(root, "pruner"),
        &g->s, &o, &g->at, &err);
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

static inline uint64_t rig_ask(rig *g)
{
    search_trial *t = &g->trials[g->n_trials++];
    search_entry *e = &g->log[g->n_entries++];
    error err = { 0 };
    *e = (search_entry){ .kind = SEARCH_ASKED, .want = 1, .trials = t };
    assert_int_equal(search_ask(g->at, 1, t, &e->n_trials, &e->is_over, &err), OK);
    return t->number;
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

/* A trial whose value falls from `first` by `fall` a report; the fidelity where it is stopped, 0: nowhere. */
static inline int run(rig *g, double first, double fall)
{
    const uint64_t trial = rig_ask(g);
    for (int k = 1; k <= WHOLE; k++) {
        const double v = first - fall * (k - 1);
        if (rig_tell(g, trial, ASSAY_TRIAL_REPORTED, v, k) == ASSAY_VERDICT_GO) continue;
        rig_tell(g, trial, ASSAY_TRIAL_PRUNED, v, k);
        return k;
    }
    rig_tell(g, trial, ASSAY_TRIAL_DONE, first - fall * (WHOLE - 1), WHOLE);
    return 0;
}

static inline void run_five(rig *g)
{
    static const double first[] = { 2.31, 2.27, 2.42, 2.35, 2.29 };
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(run(g, first[i], 0.031), 0);
}

static inline void expect_replay(const char *pruner)
{
    rig *a = rig_open(pruner), *b = rig_open(pruner);
    error err = { 0 };
    run_five(a);
    run(a, 2.71, 0.031);
    run(a, 2.2, 0);
    for (size_t i = 0; i < a->n_entries; i++) {
        const status st = search_replay(b->at, &a->log[i], &err);
        if (st != OK) print_error("entry %zu: %s\n", i, err.text);
        assert_int_equal(st, OK);
    }
    assert_int_equal(run(a, 2.25, 0), run(b, 2.25, 0));
    rig_close(a);
    rig_close(b);
}

#endif
