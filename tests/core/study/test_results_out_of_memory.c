/* Every allocation of a study's results fails once: what is reported is that memory is out, and nothing leaks. The allocations go
 * through the linker's --wrap (test_results_out_of_memory.link). */
#include "study/results.h"
#include "support/counted_allocator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* its macro `fail` takes the name of ours */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- */

typedef struct scene {
    store *s;
    store_study study;
    contender contenders[2];
    workload workload;
    declaration d;
    arena a;
} scene;

static status add_trial(
    scene *sc, trial_phase phase, const char *of, uint64_t seed, trial_state state, error *err)
{
    status st = OK;
    store_trial t;
    bool is_new, is_found;
    const store_trial_spec spec = { .search = { phase, of, "digits", 0 },
        .seed = seed,
        .params = "{\"lr\": 0.1}",
        .proposal = STORE_NEXT,
        .from_trial = STORE_NO_TRIAL };
    const store_point p = { 3, "test.loss", 0.731 };
    const store_result result = { .state = state,
        .value = state == TRIAL_DONE ? 2.385 : (double)NAN,
        .attempt_class = state == TRIAL_DONE ? 0 : OUTCOME_CRASH,
        .reason = "signal 11",
        .record = "{\"spent\": {\"samples_forward\": 7, \"wall_s\": 1}}",
        .points = &p,
        .n_points = 1 };
    TRY(trial_add(sc->s, sc->study.id, &spec, &t, &sc->a, &is_new, err));
    TRY(trial_claim(sc->s, sc->study.id, 60.0, &sc->a, &t, &is_found, err));
    TRY(trial_finish(sc->s, trial_hold(&t), &result, err));
done:
    return st;
}

static status make(scene *sc, error *err)
{
    static const char *const names[] = { "sgd", "adam" };
    status st = OK;
    uint64_t id;
    const store_options o = { .mode = STORE_CREATE };
    const store_study_spec spec = {
        .name = "contest", .declaration = "x = 1;\n", .metric = "validation.loss"
    };
    sc->workload.name = "digits";
    for (size_t i = 0; i < 2; i++) {
        sc->contenders[i].name = names[i];
        space_init(&sc->contenders[i].space);
        TRY(space_add_text(
            &sc->contenders[i].space, "lr=1e-4..1e-1:log", &(origin){ "test", 1 }, err));
    }
    sc->d = (declaration){ .name = "contest",
        .workloads = &sc->workload,
        .n_workloads = 1,
        .contenders = sc->contenders,
        .n_contenders = 2,
        .metric = "validation.loss",
        .judged = "test.loss",
        .n_repeats = 1,
        .n_evaluations = 3 };
    TRY(store_open("a.study", &o, &sc->s, err));
    TRY(study_create(sc->s, &spec, &id, err));
    TRY(study_find(sc->s, "contest", &sc->a, &sc->study, err));
    for (uint64_t i = 0; i < 6; i++) {
        const trial_state bad = i % 3 == 2 ? TRIAL_FAILED : TRIAL_DONE;
        TRY(add_trial(sc, STORE_TUNE, names[i % 2], 50 + i, TRIAL_DONE, err));
        TRY(add_trial(sc, STORE_EVALUATE, names[i % 2], i / 2, bad, err));
    }
done:
    return st;
}

/* Everything once. */
static status work(const scene *sc, error *err)
{
    status st = OK;
    results *r = NULL;
    text t = { 0 };
    size_t n;
    TRY(results_read(sc->s, &sc->study, &sc->d, &r, err));
    TRY(results_check(r, &t, &n, err));
    TRY(results_json(r, true, &t, err));
    TRY(results_csv(r, sc->s, true, &t, err));
done:
    results_free(r);
    text_release(&t);
    return st;
}

static void test_results__every_allocation_may_fail_once(void **state)
{
    (void)state;
    error e = { 0 };
    scene sc = { 0 };
    if (make(&sc, &e) != OK || work(&sc, &e) != OK) fail_msg("%s", e.text);
    n_calls = 0;
    if (work(&sc, &e) != OK) fail_msg("%s", e.text);
    const long n_all = n_calls;
    for (long at = 0; at < n_all; at++) {
        const long before = n_blocks;
        n_calls = 0;
        fails_at = at;
        const status st = work(&sc, &e);
        fails_at = -1;
        if (st != E_NOMEM) fail_msg("allocation %ld: %s: %s", at, status_name(st), e.text);
        if (n_blocks != before) fail_msg("allocation %ld: %ld blocks leak", at, n_blocks - before);
    }
    print_message("%ld allocations, each failed\n", n_all);
    assert_true(n_all > 30);
    for (size_t i = 0; i < 2; i++)
        space_release(&sc.contenders[i].space);
    store_close(sc.s);
    arena_release(&sc.a);
}

int main(void)
{
    char folder[] = "/tmp/assay-test-results-XXXXXX", command[128];
    const struct CMUnitTest tests[] = { cmocka_unit_test(
        test_results__every_allocation_may_fail_once) };
    if (!mkdtemp(folder) || chdir(folder) != 0) return 1;
    const int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return chdir("/") == 0 && system(command) == 0 ? n_failed : 1;
}
