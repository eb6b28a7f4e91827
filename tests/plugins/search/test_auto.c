/* Whom auto has propose, that the one hands over to the other, and that what goes wrong inside comes out with its place. */
#include "registry/instance.h"
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

enum { MOST = 200, MOST_DIMENSIONS = 16 };

typedef struct rig {
    registry *r;
    config *c;
    space s;
    search *at;
    error err;
    search_entry log[4 * MOST];
    search_trial trials[2 * MOST]; /* of the entries */
    size_t n_entries, n_trials;
} rig;

static rig *rig_new(const char *strategy, const char *written, const search_options *o, status want)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    rig *g = calloc(1, sizeof *g);
    assert_non_null(g);
    space_init(&g->s);
    assert_int_equal(space_add_text(&g->s, written, NULL, &g->err), OK);
    assert_int_equal(registry_new(&ro, &g->r, &g->err), OK);
    assert_int_equal(config_parse("x.cfg", strategy, &g->c, &g->err), OK);
    const status st = search_new(
        g->r, g->c, value_find(config_root(g->c), "search"), NULL, &g->s, o, &g->at, &g->err);
    if (st != want) print_error("%s\n", g->err.text);
    assert_int_equal(st, want);
    return g;
}

static rig *rig_open(const char *strategy, const char *written, const search_options *o)
{
    return rig_new(strategy, written, o, OK);
}

static void rig_close(rig *g)
{
    search_free(g->at);
    config_free(g->c);
    registry_free(g->r);
    space_release(&g->s);
    free(g);
}

static const search_trial *rig_ask(rig *g, size_t want)
{
    search_trial *t = &g->trials[g->n_trials];
    search_entry *e = &g->log[g->n_entries++];
    *e = (search_entry){ .kind = SEARCH_ASKED, .want = want, .trials = t };
    const status st = search_ask(g->at, want, t, &e->n_trials, &e->is_over, &g->err);
    if (st != OK) print_error("%s\n", g->err.text);
    assert_int_equal(st, OK);
    assert_int_equal(e->n_trials, want);
    assert_false(e->is_over);
    g->n_trials += want;
    for (size_t i = 0; i < want; i++) {
        double x[MOST_DIMENSIONS * 2];
        memcpy(x, t[i].x, g->s.n * sizeof *x);
        assert_false(space_repair(&g->s, x));
    }
    return t;
}

static uint64_t rig_tell(rig *g, const search_result *r)
{
    search_entry *e = &g->log[g->n_entries++];
    *e = (search_entry){ .kind = SEARCH_TOLD, .result = *r };
    assert_int_equal(search_tell(g->at, &e->result, &e->verdict, &g->err), OK);
    return e->verdict;
}

static void rig_done(rig *g, uint64_t trial, double v)
{
    rig_tell(g, &(search_result){ trial, ASSAY_TRIAL_DONE, v, (double)NAN, 0 });
}

/* The line begins with this. */
static void expect_why(rig *g, uint64_t trial, const char *begin)
{
    char line[200];
    assert_int_equal(search_explain(g->at, trial, line, sizeof line, &g->err), OK);
    if (strncmp(line, begin, strlen(begin)) != 0) print_error("%s\n", line);
    assert_int_equal(strncmp(line, begin, strlen(begin)), 0);
}

/* -- whom it chooses -- */

static void test_few_dimensions__are_for_the_small_one(void **state)
{
    rig *g = rig_open("search = \"auto\";", "a=0.0..1 b=0.0..1", &(search_options){ .seed = 3 });
    (void)state;
    rig_ask(g, 2);
    expect_why(g, 0, "gp, as there are few dimensions and trials");
    rig_close(g);
}

static double distance(const double *x)
{
    return (x[0] - 0.9) * (x[0] - 0.9) + (x[1] - 0.8) * (x[1] - 0.8);
}

/* Who asks for auto gets what who asks for gp gets, with the same seed. */
static void test_what_is_proposed__is_what_the_small_one_proposes_alone(void **state)
{
    (void)state;
    static const char written[] = "a=0.0..1 b=0.0..1 c=p,q";
    rig *g = rig_open("search = \"auto\";", written, &(search_options){ .seed = 3 });
    rig *alone = rig_open("search = \"gp\";", written, &(search_options){ .seed = 3 });
    for (int i = 0; i < 25; i++) {
        const search_trial *t = rig_ask(g, 1), *u = rig_ask(alone, 1);
        assert_memory_equal(t->x, u->x, 3 * sizeof *t->x);
        rig_done(g, t->number, distance(t->x));
        rig_done(alone, u->number, distance(u->x));
    }
    rig_close(g);
    rig_close(alone);
}

static void test_many_dimensions__are_for_the_large_one(void **state)
{
    static const char *const written =
        "a=0.0..1 b=0.0..1 c=0.0..1 d=0.0..1 e=0.0..1 f=0.0..1 g=0.0..1 h=0.0..1 i=0.0..1 j=0.0..1 "
        "k=0.0..1 l=0.0..1 m=0.0..1 n=0.0..1 o=0.0..1 p=0.0..1 q=0.0..1 r=0.0..1 s=0.0..1 t=0.0..1 "
        "u=0.0..1";
    rig *g = rig_open("search = \"auto\";", written, &(search_options){ .seed = 3 });
    (void)state;
    rig_ask(g, 1);
    expect_why(g, 0, "cmaes, as there are 21 dimensions: generation 1 of run 1, sigma 0.167");
    rig_close(g);
    g = rig_open("search = { type = \"auto\"; most_dimensions = 21; };", written,
        &(search_options){ .seed = 3 });
    rig_ask(g, 1);
    expect_why(g, 0, "gp, ");
    rig_close(g);
}

/* What the config left open stands in it afterwards, with all that the chosen ones have. */
static void test_defaults__stand_in_the_resolved_config(void **state)
{
    rig *g = rig_open("search = { type = \"auto\"; large = \"tpe\"; };", "a=0.0..1",
        &(search_options){ .seed = 3 });
    (void)state;
    const value *own = value_find(config_root(g->c), "search");
    const value *small = value_find(own, "small"), *large = value_find(own, "large");
    assert_non_null(small);
    assert_non_null(large);
    assert_string_equal(value_find(small, "type")->as.string, "gp");
    assert_true(value_find(small, "type")->is_default);
    assert_int_equal(value_find(small, "candidates")->as.integer, 512);
    assert_string_equal(value_find(large, "type")->as.string, "tpe");
    assert_non_null(value_find(large, "n_startup"));
    rig_close(g);
}

/* -- handing over -- */

static const char *const two_in_turn =
    "search = { type = \"auto\"; small = \"random\"; most_trials = 30; };";

/* An ask across the border; the second one begins with what it has been told of the first one's trials. */
static void test_the_large_one__goes_on_from_there(void **state)
{
    double before = 0, after = 0;
    rig *g = rig_open(two_in_turn, "a=0.0..1 b=0.0..1", &(search_options){ .seed = 11 });
    (void)state;
    for (size_t i = 0; i < 28; i++) {
        const search_trial *t = rig_ask(g, 1);
        before += sqrt(distance(t->x)) / 28;
        rig_done(g, t->number, distance(t->x));
    }
    const search_trial *t = rig_ask(g, 12);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(t[i].number, 28 + i);
    for (size_t i = 2; i < 12; i++)
        after += sqrt(distance(t[i].x)) / 10;
    expect_why(g, 29, "random, as there are few dimensions and trials");
    expect_why(g, 30, "cmaes, as there are 30 trials before: generation ");
    print_message("mean distances %g and %g\n", before, after);
    assert_true(after < before / 2);
    rig_close(g);
}

static rig *mixed_run(uint64_t seed)
{
    rig *g = rig_open(two_in_turn, "a=0.0..1 b=0.0..1 c=p,q d=0.0..1?c=q e=1..7",
        &(search_options){ .seed = seed, .max_fidelity = 9 });
    for (size_t i = 0; i < 20; i++) {
        const search_trial *t = rig_ask(g, 4);
        for (size_t k = 4; k-- > 0;) {
            const uint64_t state = (i + k) % 7 == 3 ? ASSAY_TRIAL_DIVERGED
                : (i + k) % 5 == 1                  ? ASSAY_TRIAL_FAILED
                                                    : ASSAY_TRIAL_DONE;
            rig_tell(g, &(search_result){ t[k].number, state, distance(t[k].x), (double)NAN, 0 });
        }
    }
    return g;
}

static void test_a_log__brings_it_back(void **state)
{
    rig *a = mixed_run(977);
    rig *b = rig_open(two_in_turn, "a=0.0..1 b=0.0..1 c=p,q d=0.0..1?c=q e=1..7",
        &(search_options){ .seed = 977, .max_fidelity = 9 });
    (void)state;
    for (size_t i = 0; i < a->n_entries; i++) {
        const status st = search_replay(b->at, &a->log[i], &b->err);
        if (st != OK) print_error("entry %zu: %s\n", i, b->err.text);
        assert_int_equal(st, OK);
    }
    const search_trial *p = rig_ask(a, 4), *q = rig_ask(b, 4);
    for (size_t i = 0; i < 4; i++)
        assert_memory_equal(p[i].x, q[i].x, 2 * sizeof(double));
    rig_close(a);
    rig_close(b);
}

static void test_seeds__give_other_points(void **state)
{
    rig *a = mixed_run(2385), *b = mixed_run(731);
    (void)state;
    for (size_t i = 0; i < a->n_trials; i++)
        assert_true(a->trials[i].x[0] != b->trials[i].x[0]);
    rig_close(a);
    rig_close(b);
}

/* A verdict is that of the strategy that has proposed the trial. */
static void test_a_report__goes_to_whose_trial_it_is(void **state)
{
    rig *g = rig_open("search = { type = \"auto\"; small = { type = \"asha\"; variant = \"stop\"; "
                      "}; most_trials = 9; };",
        "a=0.0..1 b=0.0..1", &(search_options){ .seed = 3, .max_fidelity = 27 });
    size_t n_stopped[2] = { 0 };
    (void)state;
    for (size_t i = 0; i < 18; i++) { /* each worse than the last */
        const search_trial *t = rig_ask(g, 1);
        const search_result r = { t->number, ASSAY_TRIAL_REPORTED, (double)i, (double)NAN, 9 };
        const uint64_t verdict = rig_tell(g, &r);
        n_stopped[i >= 9] += verdict == ASSAY_VERDICT_STOP;
        rig_done(g, t->number, (double)i);
    }
    print_message("%zu and %zu stopped\n", n_stopped[0], n_stopped[1]);
    assert_true(n_stopped[0] >= 6);
    assert_int_equal(n_stopped[1], 0);
    rig_close(g);
}

/* -- what goes wrong -- */

static void expect_refused(
    const char *strategy, const char *written, status want, const char *part_of_it)
{
    rig *g = rig_new(strategy, written, &(search_options){ .seed = 3 }, want);
    if (!strstr(g->err.text, part_of_it)) print_error("%s\n", g->err.text);
    assert_non_null(strstr(g->err.text, part_of_it));
    rig_close(g);
}

static void test_faults_inside__are_told_with_their_place(void **state)
{
    char written[81 * 12] = "";
    (void)state;
    for (size_t i = 0; i < 81; i++)
        snprintf(written + strlen(written), sizeof written - strlen(written), "x%zu=0.0..1 ", i);
    expect_refused("\nsearch = { type = \"auto\";\n  small = { type = \"gp\"; startup = -1; }; };",
        "a=0.0..1", E_RANGE, "x.cfg:3: search \"gp\": startup: expected a whole number");
    expect_refused("search = { type = \"auto\"; small = \"nobody\"; };", "a=0.0..1", E_UNKNOWN,
        "unknown search \"nobody\"");
    expect_refused("search = { type = \"auto\";\n  small = \"asha\"; };", "a=0.0..1", E_UNSUPPORTED,
        "x.cfg:2: search \"auto\": small: proposes parts of trials");
    expect_refused("search = { type = \"auto\";\n  large = \"qmc\"; };", written, E_UNSUPPORTED,
        "search \"qmc\": sequence: Sobol' points have at most 80 dimensions");
}

static void test_a_handle_of_someone_else__is_refused(void **state)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    registry *r;
    config *c;
    instance *i;
    error err = { 0 };
    (void)state;
    assert_int_equal(registry_new(&ro, &r, &err), OK);
    assert_int_equal(config_parse("x.cfg", "search = \"auto\";", &c, &err), OK);
    value *block = value_find(config_root(c), "search");
    assert_int_equal(instance_new(r, c, ASSAY_KIND_SEARCH, block, NULL, 3, "search", &i, &err), OK);
    const assay_inner_search *inner = i->ctx.host->extension(&i->ctx, ASSAY_INNER_SEARCH);
    assert_non_null(inner);
    assert_null(i->ctx.host->extension(&i->ctx, "assay.something_else"));
    const assay_search_plan plan = { .struct_size = sizeof plan };
    const int code = inner->open(&i->ctx, (const assay_instance *)(const void *)i, &plan);
    assert_int_equal(code, ASSAY_E_INVALID);
    assert_int_equal(instance_status(i, code, "open", &err), E_RANGE);
    assert_non_null(strstr(err.text, "inner_search needs a nested strategy of its own"));
    instance_free(i);
    config_free(c);
    registry_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_dimensions__are_for_the_small_one),
        cmocka_unit_test(test_what_is_proposed__is_what_the_small_one_proposes_alone),
        cmocka_unit_test(test_many_dimensions__are_for_the_large_one),
        cmocka_unit_test(test_defaults__stand_in_the_resolved_config),
        cmocka_unit_test(test_the_large_one__goes_on_from_there),
        cmocka_unit_test(test_a_log__brings_it_back),
        cmocka_unit_test(test_seeds__give_other_points),
        cmocka_unit_test(test_a_report__goes_to_whose_trial_it_is),
        cmocka_unit_test(test_faults_inside__are_told_with_their_place),
        cmocka_unit_test(test_a_handle_of_someone_else__is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
