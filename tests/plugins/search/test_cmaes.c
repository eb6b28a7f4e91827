/* What cmaes learns from a generation, held against numbers made elsewhere, and what it proposes: inside of every kind of space, the
 * same again from seed and log, with any number of workers. */
#include "../../../plugins/search/cmaes/columns.c"
#include "../../../plugins/search/cmaes/gauss.c"

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

enum { MOST = 400, MOST_DIMENSIONS = 16, MOST_BLOCKS = 64 };

static const char *const mixed_space =
    "opt=sgd,adam,rmsprop lr=1e-6..1.0:log mom=0.0..0.99?opt=sgd "
    "beta=1e-4..0.5:log?opt=adam,rmsprop "
    "batch=1..256:log cell=p,q layers=1..4 width=16,32,64 step=0.0..0.99:step=0.33:real one=5..5 "
    "deep=x,y?opt=sgd deeper=-3.5..2.1?deep=y";

/* -- one distribution alone -- */

typedef struct blocks {
    assay_ctx ctx;
    void *of[MOST_BLOCKS];
    size_t n;
} blocks;

static void *block_alloc(assay_ctx *ctx, uint64_t bytes)
{
    blocks *b = (blocks *)(void *)ctx;
    assert_true(b->n < MOST_BLOCKS);
    return b->of[b->n++] = calloc(1, bytes ? bytes : 1);
}

static const assay_host block_host = { .struct_size = sizeof(assay_host), .alloc = block_alloc };

static void blocks_free(blocks *b)
{
    for (size_t i = 0; i < b->n; i++)
        free(b->of[i]);
}

/* A distribution over the space. */
static void lone_begin(blocks *b, space *s, assay_search_plan *plan, const char *written,
    struct columns *c, struct gauss *g)
{
    error err = { 0 };
    *b = (blocks){ .ctx = { .struct_size = sizeof(assay_ctx), .host = &block_host } };
    space_init(s);
    assert_int_equal(space_add_text(s, written, NULL, &err), OK);
    *plan = (assay_search_plan){ .struct_size = sizeof *plan,
        .dimensions = s->dimensions,
        .n_dimensions = s->n,
        .dimension_stride = sizeof(assay_dimension) };
    assert_int_equal(columns_init(&b->ctx, c, plan), ASSAY_OK);
    assert_int_equal(gauss_init(&b->ctx, g, c), ASSAY_OK);
}

static void expect_near(const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(a[i] - b[i]) < 1e-12)) print_error("%zu: %.17g and %.17g\n", i, a[i], b[i]);
        assert_true(fabs(a[i] - b[i]) < 1e-12); /* some ten operations on numbers of size 1 */
    }
}

/* The expected numbers are of Hansen 2016, table 1 and section B.2, written out anew in Python with lists and math alone. */
static void test_gauss__learns_as_the_tutorial_has_it(void **state)
{
    static const double places[2][6][3] = {
        { { .512, .623, .417 }, { .381, .702, .55 }, { .473, .381, .604 }, { .731, .519, .488 },
            { .402, .297, .713 }, { .65, .66, .222 } },
        { { .447, .701, .38 }, { .52, .64, .47 }, { .61, .55, .39 }, { .33, .78, .52 },
            { .49, .43, .33 }, { .7, .6, .61 } },
    };
    static const double weights[] = { 0.6370425712412168, 0.28457025743803294, 0.07838717132075033,
        -0.28638378259655295, -0.7649580940851275, -1.1559817781589212 };
    static const double rates[] = { 0.09747248265066792, 0.057092054709502314, 0.40171179019414777,
        1.4017117901941478, 0.5598629786005055, 1.5968775302586076 };
    static const double mean[] = { 0.48055073771825874, 0.6718047514268467, 0.40639519488263043 };
    static const double lower[] = { 0.7057305827871966, -0.04603490381383729, 0.8824272239155393,
        0.025934609586078808, -0.001268556300355314, 0.7195418646657653 };
    static const unsigned char all_active[3] = { 1, 1, 1 };
    const double middle[3] = { 0.5, 0.5, 0.5 };
    blocks b;
    space s;
    assay_search_plan plan;
    struct columns c;
    struct gauss g;
    (void)state;
    lone_begin(&b, &s, &plan, "a=0.0..1 b=0.0..1 c=0.0..1", &c, &g);
    assert_int_equal(gauss_start(&b.ctx, &g, middle, 0.2, 6, 1), ASSAY_OK);
    expect_near(g.weights, weights, 6);
    expect_near((double[]){ g.c1, g.cmu, g.cs, g.ds, g.cc, g.chi }, rates, 6);
    for (size_t k = 0; k < 2; k++) {
        struct sample samples[6] = { 0 };
        for (size_t i = 0; i < 6; i++) {
            samples[i].place = places[k][i];
            samples[i].is_active = all_active;
            samples[i].weight = g.weights[i];
        }
        gauss_learn(&g, samples);
    }
    expect_near(g.mean, mean, 3);
    expect_near(&g.sigma, &(double){ 0.1539472822931525 }, 1);
    for (size_t i = 0, at = 0; i < 3; i++) {
        expect_near(g.c + 3 * i, lower + at, i + 1);
        at += i + 1;
    }
    space_release(&s);
    blocks_free(&b);
}

/* Hamano et al. 2022, equations 21 to 26: a mean deep inside of a level comes to where both neighbours have half of the margin. */
static void test_gauss__keeps_a_margin_to_other_levels(void **state)
{
    blocks b;
    space s;
    assay_search_plan plan;
    struct columns c;
    struct gauss g;
    const double at[2] = { 0.41, 0.9 };
    (void)state;
    lone_begin(&b, &s, &plan, "a=1..4 b=1..4", &c, &g);
    assert_int_equal(gauss_start(&b.ctx, &g, at, 0.02, 10, 1), ASSAY_OK);
    assert_true(fabs(g.margin - 0.05) < 1e-15);
    keep_margin(&g);
    assert_true(fabs(g.mean[0] - 0.375) < 1e-9);
    assert_true(fabs(g.stretch[0] * g.sigma - 0.06377668211558175) < 1e-9);
    assert_true(fabs(normal_below((0.75 - g.mean[1]) / g.sigma) - 0.05) < 1e-8);
    assert_true(g.stretch[1] == 1); /* of the last level the mean alone moves */
    space_release(&s);
    blocks_free(&b);
}

/* -- a search at work -- */

typedef struct rig {
    registry *r;
    config *c;
    space s;
    search *at;
    search_entry log[4 * MOST];
    search_trial trials[2 * MOST]; /* of the entries */
    size_t n_entries, n_trials;
} rig;

static rig *rig_open(const char *strategy, const char *written, const search_options *o)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    rig *g = calloc(1, sizeof *g);
    error err = { 0 };
    assert_non_null(g);
    space_init(&g->s);
    assert_int_equal(space_add_text(&g->s, written, NULL, &err), OK);
    assert_int_equal(registry_new(&ro, &g->r, &err), OK);
    assert_int_equal(config_parse("x.cfg", strategy, &g->c, &err), OK);
    const status st = search_new(
        g->r, g->c, value_find(config_root(g->c), "search"), NULL, &g->s, o, &g->at, &err);
    if (st != OK) print_error("%s\n", err.text);
    assert_int_equal(st, OK);
    return g;
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
    error err = { 0 };
    *e = (search_entry){ .kind = SEARCH_ASKED, .want = want, .trials = t };
    const status st = search_ask(g->at, want, t, &e->n_trials, &e->is_over, &err);
    if (st != OK) print_error("%s\n", err.text);
    assert_int_equal(st, OK);
    assert_int_equal(e->n_trials, want);
    assert_false(e->is_over);
    g->n_trials += want;
    for (size_t i = 0; i < want; i++) {
        double x[MOST_DIMENSIONS];
        memcpy(x, t[i].x, g->s.n * sizeof *x);
        assert_false(space_repair(&g->s, x));
    }
    return t;
}

static void rig_tell(rig *g, uint64_t trial, uint64_t state, double v)
{
    search_entry *e = &g->log[g->n_entries++];
    error err = { 0 };
    *e = (search_entry){ .kind = SEARCH_TOLD,
        .result = { trial, state, v, (double)NAN, state == ASSAY_TRIAL_PRUNED ? 3 : 0 } };
    assert_int_equal(search_tell(g->at, &e->result, &e->verdict, &err), OK);
}

static void rig_explain(rig *g, uint64_t trial, char *out, size_t bytes)
{
    error err = { 0 };
    assert_int_equal(search_explain(g->at, trial, out, bytes, &err), OK);
}

static double branin(const double *x)
{
    const double pi = 3.14159265358979323846;
    const double a = x[1] - 5.1 / (4 * pi * pi) * x[0] * x[0] + 5 / pi * x[0] - 6;
    return a * a + 10 * (1 - 1 / (8 * pi)) * cos(x[0]) + 10 - 0.39788735772973816;
}

static double rosenbrock5(const double *x)
{
    double sum = 0;
    for (size_t i = 0; i < 4; i++) {
        const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
        sum += 100 * a * a + b * b;
    }
    return sum;
}

static const char *const five = "a=-5.0..10 b=-5.0..10 c=-5.0..10 d=-5.0..10 e=-5.0..10";

/* Of the mixed space; rising away from adam, lr 1e-3, layers 2 and cell p. */
static double mixed(const double *x)
{
    const double lr = log10(x[1]) + 3;
    return (x[0] == 1 ? 0 : 0.7) + lr * lr + 0.3 * fabs(x[6] - 2) + 0.1 * x[5];
}

/* `n` trials of which `n_late` are always under way, told in the order in which they were asked for; the least value. */
static double least(const char *strategy, const char *written, double (*f)(const double *),
    size_t n, size_t n_late, uint64_t seed)
{
    rig *g = rig_open(strategy, written, &(search_options){ .seed = seed, .n_trials = n });
    double best = (double)INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (g->n_trials < n) rig_ask(g, 1);
        if (i < n_late) continue;
        const double v = f(g->trials[i - n_late].x);
        best = fmin(best, v);
        rig_tell(g, i - n_late, ASSAY_TRIAL_DONE, v);
    }
    rig_close(g);
    return best;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median over nine seeds. */
static double median_least(
    const char *strategy, const char *written, double (*f)(const double *), size_t n, size_t n_late)
{
    double v[9];
    for (uint64_t seed = 0; seed < 9; seed++)
        v[seed] = least(strategy, written, f, n, n_late, 4000 + seed);
    qsort(v, 9, sizeof *v, by_size);
    print_message("%g, %g, %g\n", v[0], v[4], v[8]);
    return v[4];
}

/* -- what it finds -- */

static void test_branin__is_solved_in_200_trials(void **state)
{
    (void)state;
    assert_true(median_least("search = \"cmaes\";", "a=-5.0..10 b=0.0..15", branin, 200, 0) < 1e-5);
}

static void test_rosenbrock__is_followed_along_its_valley(void **state)
{
    (void)state;
    assert_true(median_least("search = \"cmaes\";", five, rosenbrock5, 200, 0) < 8.6);
}

/* Four workers: the last three results are always missing. Nothing is waited for, and little is lost. */
static void test_results_that_come_late__are_used(void **state)
{
    (void)state;
    assert_true(median_least("search = \"cmaes\";", five, rosenbrock5, 200, 3) < 17);
    assert_true(median_least("search = \"cmaes\";", mixed_space, mixed, 200, 3) < 0.01);
}

static void test_random_numbers__do_in_place_of_sobol_points(void **state)
{
    (void)state;
    assert_true(median_least("search = { type = \"cmaes\"; quasi = false; };", five, rosenbrock5,
                    200, 0) < 60);
}

/* What the whole numbers cost shows only when the others are settled; until then a distribution without a margin has left one side. */
static double late_bits(const double *x)
{
    double sum = 0;
    for (size_t i = 0; i < 3; i++)
        sum += (x[i] - 1.37) * (x[i] - 1.37);
    for (size_t i = 3; i < 9; i++)
        sum += x[i] == (i % 2 ? 1 : 0) ? 0 : 1e-3;
    return sum;
}

static void test_whole_numbers__do_not_get_stuck(void **state)
{
    static const char *const written =
        "a=-5.0..5 b=-5.0..5 c=-5.0..5 d=0..1 e=0..1 f=0..1 g=0..1 h=0..1 i=0..1";
    size_t n_solved[2] = { 0 };
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        const char *const strategies[] = {
            "search = { type = \"cmaes\"; restarts = \"none\"; margin = 0.0; };",
            "search = { type = \"cmaes\"; restarts = \"none\"; };"
        };
        for (size_t k = 0; k < 2; k++)
            n_solved[k] += least(strategies[k], written, late_bits, 600, 0, seed) < 5e-4;
    }
    print_message("without and with a margin: %zu and %zu of 20\n", n_solved[0], n_solved[1]);
    assert_true(n_solved[1] >= 16);
    assert_true(n_solved[0] <= 8);
}

/* -- what its proposals depend on -- */

/* In batches and with every fate. */
static rig *mixed_run(uint64_t seed)
{
    const search_options o = { .seed = seed, .max_fidelity = 9 };
    rig *g = rig_open("search = \"cmaes\";", mixed_space, &o);
    for (size_t i = 0; i < 40; i++) {
        const search_trial *t = rig_ask(g, 3);
        const uint64_t states[3] = { ASSAY_TRIAL_DONE,
            i % 3 ? ASSAY_TRIAL_DONE : ASSAY_TRIAL_DIVERGED,
            i % 5 == 1       ? ASSAY_TRIAL_FAILED
                : i % 5 == 2 ? ASSAY_TRIAL_PRUNED
                             : ASSAY_TRIAL_DONE };
        for (size_t k = 3; k-- > 0;)
            rig_tell(g, t[k].number, states[k], mixed(t[k].x));
    }
    return g;
}

static void expect_same_points(const rig *a, const rig *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < a->s.n; k++) {
            const double p = a->trials[i].x[k], q = b->trials[i].x[k];
            assert_true(p == q || (isnan(p) && isnan(q)));
        }
    }
}

static void test_proposals__are_a_function_of_the_seed(void **state)
{
    rig *a = mixed_run(2385), *b = mixed_run(2385), *c = mixed_run(731);
    size_t n_other = 0;
    (void)state;
    expect_same_points(a, b, a->n_trials);
    for (size_t i = 0; i < a->n_trials; i++)
        n_other += a->trials[i].x[1] != c->trials[i].x[1];
    assert_int_equal(n_other, a->n_trials);
    rig_close(a);
    rig_close(b);
    rig_close(c);
}

static void test_a_log__brings_it_back(void **state)
{
    rig *a = mixed_run(977);
    rig *b = rig_open(
        "search = \"cmaes\";", mixed_space, &(search_options){ .seed = 977, .max_fidelity = 9 });
    error err = { 0 };
    (void)state;
    for (size_t i = 0; i < a->n_entries; i++) {
        const status st = search_replay(b->at, &a->log[i], &err);
        if (st != OK) print_error("entry %zu: %s\n", i, err.text);
        assert_int_equal(st, OK);
    }
    const search_trial *p = rig_ask(a, 4), *q = rig_ask(b, 4);
    for (size_t i = 0; i < 4; i++)
        assert_memory_equal(&p[i].x[1], &q[i].x[1], sizeof(double));
    rig_close(a);
    rig_close(b);
}

static void test_how_asks_are_cut__does_not_matter(void **state)
{
    rig *a = rig_open("search = \"cmaes\";", mixed_space, &(search_options){ .seed = 11 });
    rig *b = rig_open("search = \"cmaes\";", mixed_space, &(search_options){ .seed = 11 });
    (void)state;
    for (size_t i = 0; i < 12; i++) {
        const search_trial *t = rig_ask(a, 7);
        for (size_t k = 0; k < 7; k++)
            rig_ask(b, 1);
        for (size_t k = 0; k < 7; k++) {
            const double v = mixed(t[k].x);
            rig_tell(a, t[k].number, ASSAY_TRIAL_DONE, v);
            rig_tell(b, t[k].number, ASSAY_TRIAL_DONE, v);
        }
    }
    expect_same_points(a, b, a->n_trials);
    rig_close(a);
    rig_close(b);
}

static void test_mixed_spaces__are_learned(void **state)
{
    size_t n_adam = 0, n_p = 0;
    double distance = 0;
    rig *g = mixed_run(5);
    (void)state;
    for (size_t i = 100; i < 120; i++) {
        n_adam += g->trials[i].x[0] == 1;
        n_p += g->trials[i].x[5] == 0;
        distance += fabs(log10(g->trials[i].x[1]) + 3) / 20;
    }
    print_message("%zu adam, %zu p, distance %g\n", n_adam, n_p, distance);
    /* of random points a third and a half, and the mean distance on [-6, 0] from -3 is 1.5 */
    assert_true(n_adam >= 14);
    assert_true(n_p >= 14);
    assert_true(distance < 0.75);
    rig_close(g);
}

static void test_what_diverges__is_kept_off(void **state)
{
    rig *g = rig_open("search = \"cmaes\";", "a=0.0..1 b=0.0..1", &(search_options){ .seed = 11 });
    size_t n_low = 0;
    (void)state;
    for (size_t i = 0; i < 90; i++) {
        const search_trial *t = rig_ask(g, 1);
        const bool is_low = t->x[0] < 0.5;
        n_low += is_low && i >= 30;
        rig_tell(g, t->number, is_low ? ASSAY_TRIAL_DIVERGED : ASSAY_TRIAL_DONE,
            is_low ? (double)NAN : 1 + t->x[1]);
    }
    assert_true(n_low < 15); /* of 60 random ones 30 with a deviation of 4 */
    rig_close(g);
}

/* -- generations and runs -- */

static void test_failed_trials__are_replaced_in_their_generation(void **state)
{
    char line[100];
    rig *g = rig_open("search = { type = \"cmaes\"; population = 6; };", "a=0.0..1 b=0.0..1",
        &(search_options){ .seed = 3 });
    (void)state;
    for (size_t i = 0; i < 12; i++) {
        const search_trial *t = rig_ask(g, 1);
        rig_explain(g, t->number, line, sizeof line);
        assert_string_equal(line, i < 11 ? "generation 1 of run 1, sigma 0.167" : line);
        if (i == 11) assert_non_null(strstr(line, "generation 2 of run 1, sigma "));
        rig_tell(g, t->number, i % 2 ? ASSAY_TRIAL_FAILED : ASSAY_TRIAL_DONE, t->x[0]);
    }
    rig_close(g);
}

/* With a tolerance as wide as the space each generation ends its run; ipop doubles, bipop has small ones in between. */
static void test_restarts__have_larger_populations(void **state)
{
    static const char *const kinds[] = { "none", "ipop", "bipop" };
    size_t ends[3];
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        char strategy[120], line[100];
        snprintf(strategy, sizeof strategy,
            "search = { type = \"cmaes\"; tolerance = 1.0; population = 4; restarts = \"%s\"; };",
            kinds[k]);
        rig *g = rig_open(strategy, "a=0.0..1 b=0.0..1", &(search_options){ .seed = 3 });
        ends[k] = 0;
        for (size_t i = 0; i < 60; i++) {
            const search_trial *t = rig_ask(g, 1);
            rig_explain(g, t->number, line, sizeof line);
            const char *run = strstr(line, "of run ");
            assert_non_null(run);
            ends[k] = strtoul(run + 7, NULL, 10);
            rig_tell(g, t->number, ASSAY_TRIAL_DONE, t->x[0]);
        }
        rig_close(g);
    }
    assert_int_equal(ends[0], 1);
    assert_int_equal(ends[1], 4); /* 4 + 8 + 16 + 32 = 60 */
    assert_true(ends[2] > 4);
}

static void test_noise__doubles_the_population(void **state)
{
    (void)state;
    for (int is_noisy = 0; is_noisy < 2; is_noisy++) {
        char line[100];
        rig *g = rig_open("search = \"cmaes\";", "a=0.0..1 b=0.0..1",
            &(search_options){ .seed = 3, .is_noisy = is_noisy });
        for (size_t i = 0; i < 7; i++) { /* 4 + 3 ln 2 is 6 */
            const search_trial *t = rig_ask(g, 1);
            rig_explain(g, t->number, line, sizeof line);
            rig_tell(g, t->number, ASSAY_TRIAL_DONE, t->x[0]);
        }
        assert_non_null(strstr(line, is_noisy ? "generation 1 " : "generation 2 "));
        rig_close(g);
    }
}

static void test_a_prior__is_where_it_begins(void **state)
{
    rig *g = rig_open(
        "search = \"cmaes\";", "a=1e-6..1:log:prior=1e-2/0.2", &(search_options){ .seed = 23 });
    const search_trial *t = rig_ask(g, 20);
    (void)state;
    for (size_t i = 0; i < 20; i++) /* five of its deviations, in decades */
        assert_true(fabs(log10(t[i].x[0]) + 2) < 1.0);
    rig_close(g);
}

static void test_odd_studies__go_on(void **state)
{
    static const uint64_t fates[] = { ASSAY_TRIAL_FAILED, ASSAY_TRIAL_DIVERGED, ASSAY_TRIAL_LOST,
        ASSAY_TRIAL_DONE };
    static const char *const spaces[] = { mixed_space, "a=x,y b=1..3", "a=x,y", "a=0.0..1" };
    (void)state;
    for (size_t k = 0; k < 16; k++) {
        rig *g = rig_open("search = \"cmaes\";", spaces[k / 4], &(search_options){ .seed = 3 });
        for (size_t i = 0; i < 80; i++) {
            const search_trial *t = rig_ask(g, 1);
            rig_tell(g, t->number, fates[k % 4], 2.385);
        }
        rig_close(g);
    }
}

static void test_a_population_of_three__is_refused(void **state)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    const search_options o = { .seed = 1 };
    registry *r;
    config *c;
    space s;
    search *at;
    error err = { 0 };
    (void)state;
    space_init(&s);
    assert_int_equal(space_add_text(&s, "a=0.0..1", NULL, &err), OK);
    assert_int_equal(registry_new(&ro, &r, &err), OK);
    assert_int_equal(
        config_parse("x.cfg", "\nsearch = { type = \"cmaes\"; population = 3; };", &c, &err), OK);
    assert_int_equal(
        search_new(r, c, value_find(config_root(c), "search"), NULL, &s, &o, &at, &err), E_RANGE);
    assert_non_null(strstr(err.text, "x.cfg:2: search \"cmaes\": population: expected 0 or at "));
    config_free(c);
    registry_free(r);
    space_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gauss__learns_as_the_tutorial_has_it),
        cmocka_unit_test(test_gauss__keeps_a_margin_to_other_levels),
        cmocka_unit_test(test_branin__is_solved_in_200_trials),
        cmocka_unit_test(test_rosenbrock__is_followed_along_its_valley),
        cmocka_unit_test(test_results_that_come_late__are_used),
        cmocka_unit_test(test_random_numbers__do_in_place_of_sobol_points),
        cmocka_unit_test(test_whole_numbers__do_not_get_stuck),
        cmocka_unit_test(test_proposals__are_a_function_of_the_seed),
        cmocka_unit_test(test_a_log__brings_it_back),
        cmocka_unit_test(test_how_asks_are_cut__does_not_matter),
        cmocka_unit_test(test_mixed_spaces__are_learned),
        cmocka_unit_test(test_what_diverges__is_kept_off),
        cmocka_unit_test(test_failed_trials__are_replaced_in_their_generation),
        cmocka_unit_test(test_restarts__have_larger_populations),
        cmocka_unit_test(test_noise__doubles_the_population),
        cmocka_unit_test(test_a_prior__is_where_it_begins),
        cmocka_unit_test(test_odd_studies__go_on),
        cmocka_unit_test(test_a_population_of_three__is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
