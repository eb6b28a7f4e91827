/* A strategy with a space, asked and told by hand; for the tests of gp. */
#ifndef ASSAY_TESTS_PLUGINS_SEARCH_TEST_GP_RIG_H
#define ASSAY_TESTS_PLUGINS_SEARCH_TEST_GP_RIG_H

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

typedef struct scene {
    space s;
    registry *registry;
    config *config;
    search *search;
    error err;
} scene;

static inline void begin_as(
    scene *t, const char *strategy, const char *written, const search_options *o)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    memset(t, 0, sizeof *t);
    space_init(&t->s);
    assert_int_equal(space_add_text(&t->s, written, NULL, &t->err), OK);
    assert_int_equal(registry_new(&ro, &t->registry, &t->err), OK);
    assert_int_equal(config_parse("x.cfg", strategy, &t->config, &t->err), OK);
    const status st = search_new(t->registry, t->config,
        value_find(config_root(t->config), "search"), NULL, &t->s, o, &t->search, &t->err);
    if (st != OK) print_error("%s\n", t->err.text);
    assert_int_equal(st, OK);
}

static inline void begin(scene *t, const char *written, const search_options *o)
{
    begin_as(t, "search = \"gp\";", written, o);
}

static inline void end(scene *t)
{
    search_free(t->search);
    config_free(t->config);
    registry_free(t->registry);
    space_release(&t->s);
}

static inline void ask(scene *t, size_t want, search_trial *out)
{
    size_t n;
    bool is_over;
    const status st = search_ask(t->search, want, out, &n, &is_over, &t->err);
    if (st != OK) print_error("%s\n", t->err.text);
    assert_int_equal(st, OK);
    assert_int_equal(n, want);
    assert_false(is_over);
}

static inline void tell(scene *t, uint64_t trial, uint64_t state, double y, double standard_error)
{
    const search_result r = {
        .trial = trial, .state = state, .value = y, .standard_error = standard_error
    };
    assert_int_equal(search_tell(t->search, &r, NULL, &t->err), OK);
}

static inline void expect_same(const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_true(a[i] == b[i] || (isnan(a[i]) && isnan(b[i])));
}

#endif
