/* A search whose strategy is in a process of its own: the same proposals, verdicts, reasons and errors as in this process, to the bit; and
 * what becomes of it when that process is lost. The fork server is the program itself. */
#include "search/strategy_job.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail

typedef struct scene {
    sandbox *sandbox;
    registry *registry;
    sandbox_level level;
    error err;
} scene;

/* One search with what it is of. */
typedef struct sought {
    config *c;
    space s;
    search *search;
} sought;

static int open_scene(void **state)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    static scene t;
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    const sandbox_options o = { .program = TEST_BUILD_DIR "/assay" };
    if (registry_new(&ro, &t.registry, &t.err) != OK ||
        sandbox_open(&o, &t.sandbox, &t.err) != OK) {
        print_error("%s\n", t.err.text);
        return -1;
    }
    t.level = sandbox_get_state(t.sandbox)->lacking[0] ? SANDBOX_PROCESS : SANDBOX_STRICT;
    *state = &t;
    return 0;
}

static int close_scene(void **state)
{
    scene *t = *state;
    sandbox_close(t->sandbox);
    registry_free(t->registry);
    return 0;
}

static void forget(sought *f)
{
    search_free(f->search);
    config_free(f->c);
    space_release(&f->s);
    *f = (sought){ 0 };
}

static status seek(scene *t, bool is_remote, const char *written, const char *dimensions,
    const search_options *o, sought *out)
{
    *out = (sought){ 0 };
    assert_int_equal(space_add_text(&out->s, dimensions, NULL, &t->err), OK);
    assert_int_equal(config_parse("x.cfg", written, &out->c, &t->err), OK);
    const value *root = config_root(out->c);
    value *strategy = value_find(root, "search"), *pruner = value_find(root, "pruner");
    const search_place place = { .sandbox = t->sandbox, .level = t->level };
    return is_remote
        ? search_new_in(&place, out->c, strategy, pruner, &out->s, o, &out->search, &t->err)
        : search_new(t->registry, out->c, strategy, pruner, &out->s, o, &out->search, &t->err);
}

static void must(scene *t, status st)
{
    if (st != OK) print_error("%s\n", t->err.text);
    assert_int_equal(st, OK);
}

static const char *const mixed = "type=sgd,adam,rmsprop lr=1e-6..1:log:prior=1e-3/1 "
                                 "momentum=0..0.99?type=sgd batch=1..256:int:log layers=1..4";
static const char *const plain = "lr=1e-6..1:log momentum=0..0.99 decay=0..0.1";

static double value_at(const sought *f, const search_trial *r)
{
    double sum = 0.125;
    for (size_t i = 0; i < f->s.n; i++)
        sum += isnan(r->x[i]) ? 0.3 : fabs(r->x[i] - 0.731 * (double)(i + 1));
    return sum;
}

static void must_be_same(const sought *a, const search_trial *x, const search_trial *y)
{
    assert_int_equal(x->number, y->number);
    assert_int_equal(x->from, y->from);
    assert_int_equal(x->replicate, y->replicate);
    assert_memory_equal(&x->fidelity, &y->fidelity, sizeof x->fidelity);
    assert_memory_equal(x->x, y->x, a->s.n * sizeof *x->x);
}

/* Tells both of a trial: some way of it, then its end; now and then it fails. Their verdicts are the same. */
static void tell_both(scene *t, sought f[2], const search_trial *r, double whole)
{
    const double v = value_at(&f[0], r), end = r->fidelity > 0 ? r->fidelity : whole;
    uint64_t verdicts[2] = { 9, 9 };
    for (double at = 1; at <= end; at++) {
        const search_result way = { .trial = r->number,
            .state = ASSAY_TRIAL_REPORTED,
            .value = v + 1 / at,
            .standard_error = (double)NAN,
            .fidelity = at };
        for (int k = 0; k < 2; k++)
            must(t, search_tell(f[k].search, &way, &verdicts[k], &t->err));
        assert_int_equal(verdicts[0], verdicts[1]);
        if (verdicts[0] != ASSAY_VERDICT_GO) break;
    }
    const bool is_cut = verdicts[0] == ASSAY_VERDICT_STOP || verdicts[0] == ASSAY_VERDICT_PAUSE;
    const search_result over = { .trial = r->number,
        .state = is_cut           ? ASSAY_TRIAL_PRUNED
            : r->number % 11 == 7 ? ASSAY_TRIAL_FAILED
                                  : ASSAY_TRIAL_DONE,
        .value = r->number % 13 == 5 ? (double)NAN : v,
        .standard_error = (double)NAN };
    for (int k = 0; k < 2; k++)
        must(t, search_tell(f[k].search, &over, NULL, &t->err));
}

static void compare(scene *t, const char *written, const char *dimensions, double whole, int n_asks)
{
    const search_options o = {
        .seed = 11, .n_trials = 60, .max_fidelity = whole, .min_fidelity = whole > 0
    };
    sought f[2];
    for (int k = 0; k < 2; k++)
        must(t, seek(t, k == 1, written, dimensions, &o, &f[k]));
    for (int i = 0; i < n_asks; i++) {
        search_trial got[2][5];
        size_t n[2];
        bool over[2];
        for (int k = 0; k < 2; k++)
            must(t, search_ask(f[k].search, 1 + (uint64_t)i % 3, got[k], &n[k], &over[k], &t->err));
        assert_int_equal(n[0], n[1]);
        assert_int_equal(over[0], over[1]);
        for (size_t j = 0; j < n[0]; j++) {
            char why[2][300];
            must_be_same(&f[0], &got[0][j], &got[1][j]);
            for (int k = 0; k < 2; k++)
                must(t, search_explain(f[k].search, got[k][j].number, why[k], 300, &t->err));
            assert_string_equal(why[0], why[1]);
            if ((i + (int)j) % 5) tell_both(t, f, &got[0][j], whole);
        }
        if (over[0]) break;
    }
    text resolved[2] = { { 0 } };
    for (int k = 0; k < 2; k++)
        must(t, config_to_text(f[k].c, &resolved[k], &t->err));
    assert_string_equal(resolved[0].s, resolved[1].s); /* defaults and all */
    assert_null(search_outcome(f[1].search));
    for (int k = 0; k < 2; k++) {
        text_release(&resolved[k]);
        forget(&f[k]);
    }
}

static void test_strategies__do_the_same_in_a_process_of_their_own(void **state)
{
    scene *t = *state;
    compare(t, "search = \"random\";", mixed, 0, 30);
    compare(t, "search = { type = \"qmc\"; sequence = \"halton\"; };", mixed, 0, 30);
    compare(t, "search = { type = \"grid\"; points = 3; };", "a=1..2 b=x,y", 0, 30);
    compare(t, "search = { type = \"tpe\"; n_startup = 6; };", mixed, 0, 40);
    compare(t, "search = \"gp\";", plain, 0, 14);
    compare(t, "search = \"asha\";", mixed, 27, 40);
}

static void test_pruners__do_the_same_in_a_process_of_their_own(void **state)
{
    scene *t = *state;
    compare(t, "search = \"random\"; pruner = \"median\";", plain, 9, 40);
    compare(t, "search = \"tpe\"; pruner = \"patience\";", plain, 9, 20);
}

static void test_errors__are_the_same_with_file_and_line(void **state)
{
    static const char *const wrong[] = { "\nsearch = \"rendom\";",
        "\n\nsearch = { type = \"tpe\";\n  gama = 0.2; };",
        "search = { type = \"tpe\";\n\n  gamma = 20.0; };", "search = { typ = \"tpe\"; };",
        "search = 7;", "search = { type = \"grid\";\n shards = 2;\n shard = 2; };",
        "search = \"tpe\";\npruner = { type = \"median\";\n n = 1; };",
        "search = \"tpe\";\npruner = \"midian\";", "search = \"asha\";",
        "\nplugins = ( \"./there_is_none.so\" );\nsearch = \"tpe\";" };
    scene *t = *state;
    const search_options o = { .seed = 3 };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        sought f;
        char texts[2][ERROR_TEXT_BYTES];
        status codes[2];
        for (int k = 0; k < 2; k++) {
            const bool has_plugins = strstr(wrong[i], "plugins") != NULL;
            if (has_plugins && k == 0) {
                assert_int_equal(config_parse("x.cfg", wrong[i], &f.c, &t->err), OK);
                codes[k] = registry_add_config(t->registry, f.c, &t->err);
                config_free(f.c);
            } else {
                codes[k] = seek(t, k == 1, wrong[i], mixed, &o, &f);
                forget(&f);
            }
            snprintf(texts[k], sizeof texts[k], "%s", t->err.text);
        }
        if (codes[0] == OK || codes[0] != codes[1]) print_error("%s\n%s\n", texts[0], texts[1]);
        assert_int_not_equal(codes[0], OK);
        assert_int_equal(codes[0], codes[1]);
        assert_string_equal(texts[0], texts[1]);
        assert_non_null(strstr(texts[1], "x.cfg:"));
    }
}

static void test_a_long_answer__comes_in_pieces(void **state)
{
    enum { MANY = 60000 };
    scene *t = *state;
    const search_options o = { .seed = 5 };
    search_trial *got[2];
    sought f[2];
    for (int k = 0; k < 2; k++) {
        size_t n;
        bool over;
        must(t, seek(t, k == 1, "search = \"random\";", mixed, &o, &f[k]));
        got[k] = calloc(MANY, sizeof *got[k]);
        assert_non_null(got[k]);
        must(t, search_ask(f[k].search, MANY, got[k], &n, &over, &t->err));
        assert_int_equal(n, MANY);
    }
    for (size_t i = 0; i < MANY; i++)
        must_be_same(&f[0], &got[0][i], &got[1][i]);
    for (int k = 0; k < 2; k++) {
        free(got[k]);
        forget(&f[k]);
    }
}

/* -- Logs -- */

enum { N_STEPS = 40 };

typedef struct history {
    search_entry entries[2 * N_STEPS];
    search_trial trials[N_STEPS];
    double x[N_STEPS][8];
    size_t n;
} history;

/* Asks and tells and takes it down, from step `first` on. */
static void go_on(scene *t, sought *f, history *h, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        size_t n;
        search_trial *got = &h->trials[i];
        bool over;
        must(t, search_ask(f->search, 1, got, &n, &over, &t->err));
        memcpy(h->x[i], got->x, f->s.n * sizeof *got->x);
        got->x = h->x[i];
        h->entries[h->n++] =
            (search_entry){ .kind = SEARCH_ASKED, .want = 1, .trials = got, .n_trials = 1 };
        search_entry *told = &h->entries[h->n++];
        *told = (search_entry){ .kind = SEARCH_TOLD,
            .result = { .trial = got->number,
                .state = ASSAY_TRIAL_DONE,
                .value = value_at(f, got),
                .standard_error = (double)NAN } };
        must(t, search_tell(f->search, &told->result, NULL, &t->err));
    }
}

static void test_a_log__brings_back_a_search_whose_process_was_lost(void **state)
{
    static history whole, cut;
    scene *t = *state;
    const search_options o = { .seed = 23 };
    const char *written = "search = { type = \"tpe\"; n_startup = 5; };";
    sought f, g;
    whole.n = cut.n = 0;
    must(t, seek(t, false, written, mixed, &o, &f));
    go_on(t, &f, &whole, 0, N_STEPS);
    must(t, seek(t, true, written, mixed, &o, &g));
    go_on(t, &g, &cut, 0, N_STEPS / 2);
    (void)kill(sandbox_server_pid(t->sandbox), SIGKILL);
    search_trial ignored;
    size_t n;
    bool over;
    status st = OK; /* it may have answered before its parent was gone */
    for (int i = 0; i < 1000 && st == OK; i++)
        st = search_ask(g.search, 1, &ignored, &n, &over, &t->err);
    assert_int_equal(st, E_INTERRUPTED);
    assert_non_null(strstr(t->err.text, "x.cfg:1: search \"tpe\": lost: the fork server died"));
    assert_int_equal(search_outcome(g.search)->class, OUTCOME_LOST);
    assert_int_equal(search_ask(g.search, 1, &ignored, &n, &over, &t->err), E_INTERRUPTED);
    assert_true(search_count(g.search) >= N_STEPS / 2); /* what is known stays */
    forget(&g);
    must(t, seek(t, true, written, mixed, &o, &g));
    for (size_t i = 0; i < cut.n; i++)
        must(t, search_replay(g.search, &cut.entries[i], &t->err));
    must(t, search_replay_end(g.search, &t->err));
    go_on(t, &g, &cut, N_STEPS / 2, N_STEPS);
    for (size_t i = 0; i < N_STEPS; i++)
        must_be_same(&f, &whole.trials[i], &cut.trials[i]);
    forget(&g);
    forget(&f);
}

static void test_a_log_of_another__is_found_out(void **state)
{
    static history h;
    scene *t = *state;
    const search_options o = { .seed = 23 }, other = { .seed = 24 };
    sought f;
    h.n = 0;
    must(t, seek(t, true, "search = \"random\";", mixed, &o, &f));
    go_on(t, &f, &h, 0, 3);
    forget(&f);
    must(t, seek(t, true, "search = \"random\";", mixed, &other, &f));
    assert_int_equal(search_replay(f.search, &h.entries[0], &t->err), E_CORRUPT);
    assert_non_null(strstr(t->err.text, "the log and the strategy disagree at ask 0"));
    forget(&f);
}

static void test_searches__share_a_sandbox(void **state)
{
    static history a, b;
    scene *t = *state;
    const search_options o = { .seed = 1 };
    sought f, g;
    a.n = b.n = 0;
    must(t, seek(t, true, "search = \"random\";", mixed, &o, &f));
    must(t, seek(t, true, "search = \"random\";", mixed, &o, &g));
    for (size_t i = 0; i < 10; i++) {
        go_on(t, &f, &a, i, i + 1);
        go_on(t, &g, &b, i, i + 1);
        must_be_same(&f, &a.trials[i], &b.trials[i]);
    }
    forget(&f);
    go_on(t, &g, &b, 10, 12);
    forget(&g);
}

static void test_limits__are_those_of_a_call(void **state)
{
    scene *t = *state;
    const search_options o = { .seed = 1 };
    sandbox_limits l = sandbox_default_limits;
    l.wall_s = 1e-9; /* nothing can be answered in no time */
    sought f = { 0 };
    assert_int_equal(space_add_text(&f.s, mixed, NULL, &t->err), OK);
    assert_int_equal(config_parse("x.cfg", "search = \"random\";", &f.c, &t->err), OK);
    const search_place place = { .sandbox = t->sandbox, .level = t->level, .limits = &l };
    assert_int_equal(search_new_in(&place, f.c, value_find(config_root(f.c), "search"), NULL, &f.s,
                         &o, &f.search, &t->err),
        E_PLUGIN);
    assert_non_null(strstr(t->err.text, "x.cfg:1: search \"random\": timeout: no answer after"));
    assert_non_null(strstr(t->err.text, ", in loading"));
    forget(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strategies__do_the_same_in_a_process_of_their_own),
        cmocka_unit_test(test_pruners__do_the_same_in_a_process_of_their_own),
        cmocka_unit_test(test_errors__are_the_same_with_file_and_line),
        cmocka_unit_test(test_a_long_answer__comes_in_pieces),
        cmocka_unit_test(test_a_log__brings_back_a_search_whose_process_was_lost),
        cmocka_unit_test(test_a_log_of_another__is_found_out),
        cmocka_unit_test(test_searches__share_a_sandbox),
        cmocka_unit_test(test_limits__are_those_of_a_call),
    };
    return cmocka_run_group_tests(tests, open_scene, close_scene);
}
