/* Stores of studies that are written by hand, and what is read back of them. */
#ifndef ASSAY_TESTS_CORE_STUDY_RESULTS_RIG_H
#define ASSAY_TESTS_CORE_STUDY_RESULTS_RIG_H

#include "study/results.h"

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

#define OKAY(expr) \
    do { \
        error okay_error = { 0 }; \
        error *err = &okay_error; \
        if ((expr) != OK) fail_msg("%s: %s", #expr, okay_error.text); \
    } while (0)

#define NEAR(a, b, tolerance) \
    do { \
        const double near_a = (a), near_b = (b); \
        if (!(fabs(near_a - near_b) <= (tolerance))) \
            fail_msg("%s is %.17g, not %.17g", #a, near_a, near_b); \
    } while (0)

/* Sums of a few numbers of size 1 in another order than the code's. */
static const double rounding = 1e-13;

enum { MOST_CONTENDERS = 3, MOST_WORKLOADS = 2 };

typedef struct rig {
    char folder[64];
    store *s;
    store_study study;
    arena a;
    contender contenders[MOST_CONTENDERS];
    workload workloads[MOST_WORKLOADS];
    declaration d;
    results *r;
    uint64_t seed; /* of the next tuning trial */
} rig;

static inline int begin(void **state)
{
    rig *r = calloc(1, sizeof *r);
    strcpy(r->folder, "/tmp/assay-test-results-XXXXXX");
    if (!r || !mkdtemp(r->folder) || chdir(r->folder)) return -1;
    *state = r;
    return 0;
}

static inline int end(void **state)
{
    rig *r = *state;
    char command[128];
    results_free(r->r);
    store_close(r->s);
    for (size_t i = 0; i < MOST_CONTENDERS; i++)
        space_release(&r->contenders[i].space);
    arena_release(&r->a);
    snprintf(command, sizeof command, "rm -rf '%s'", r->folder);
    free(r);
    return chdir("/") || system(command);
}

/* `names` end with NULL. */
static inline void declare(rig *r, const char *const *names, size_t n_workloads, uint64_t n_repeats,
    uint64_t n_evaluations)
{
    static const char *const workloads[] = { "digits", "jsb" };
    size_t n = 0;
    for (; names[n]; n++) {
        r->contenders[n].name = names[n];
        space_init(&r->contenders[n].space);
        OKAY(space_add_text(&r->contenders[n].space,
            "optimizer.lr=1e-4..1e-1:log momentum=0..0.99 kind=a,b", &(origin){ "test", 1 }, err));
    }
    for (size_t i = 0; i < n_workloads; i++)
        r->workloads[i].name = workloads[i];
    r->d = (declaration){ .name = "contest",
        .compare = "optimizers",
        .workloads = r->workloads,
        .n_workloads = n_workloads,
        .contenders = r->contenders,
        .n_contenders = n,
        .is_plain = n == 1 && !names[0][0],
        .metric = "validation.loss",
        .judged = "test.loss",
        .n_repeats = n_repeats,
        .n_evaluations = n_evaluations };
    const store_options o = { .mode = STORE_CREATE };
    const store_study_spec spec = {
        .name = "contest", .declaration = "x = 1;\n", .metric = "validation.loss", .seed = 3
    };
    uint64_t id;
    OKAY(store_open("a.study", &o, &r->s, err));
    OKAY(study_create(r->s, &spec, &id, err));
    OKAY(study_find(r->s, "contest", &r->a, &r->study, err));
}

typedef struct fate {
    trial_state state;
    double value;
    int attempt_class;
    const char *reason;
} fate;

/* What a record says of the cost, beside things that are called alike. */
static const char record_of_cost[] =
    "{\"jobs\": [{\"wall_s\": 7}], \"wall_s\": 8, \"spent\": {\"samples_forward\": 1200, "
    "\"wall_s\": 1.5, \"cpu_s\": 1.25, \"samples\": 3}}";

static inline uint64_t put(rig *r, store_search where, uint64_t seed, const char *params, fate f)
{
    store_trial t;
    bool is_new = false, is_found = false;
    const store_trial_spec spec = { .search = where,
        .seed = seed,
        .params = params,
        .proposal = STORE_NEXT,
        .from_trial = STORE_NO_TRIAL };
    OKAY(trial_add(r->s, r->study.id, &spec, &t, &r->a, &is_new, err));
    assert_true(is_new);
    if (f.state == TRIAL_WAITING) return t.number;
    OKAY(trial_claim(r->s, r->study.id, 60.0, &r->a, &t, &is_found, err));
    assert_true(is_found);
    if (f.state == TRIAL_RUNNING) return t.number;
    const store_point points[] = { { 10, "test.loss", 2.0 * f.value }, { 20, "test.loss", f.value },
        { 20, "test.accuracy", 0.75 } };
    const store_result result = { .state = f.state,
        .value = f.state == TRIAL_DONE ? f.value : (double)NAN,
        .standard_error = (double)NAN,
        .fidelity = 9.0,
        .attempt_class = f.attempt_class,
        .reason = f.reason,
        .record = record_of_cost,
        .points = points,
        .n_points = f.state == TRIAL_DONE ? 3 : 0 };
    OKAY(trial_finish(r->s, trial_hold(&t), &result, err));
    return t.number;
}

static inline void tuned(rig *r, const char *of, uint64_t repeat, double lr, double v)
{
    char params[128];
    const store_search where = { STORE_TUNE, of, "digits", repeat };
    snprintf(
        params, sizeof params, "{\"optimizer.lr\": %.17g, \"momentum\": 0.5, \"kind\": \"a\"}", lr);
    put(r, where, 1000 + r->seed++, params, (fate){ TRIAL_DONE, v, 0, NULL });
}

/* Seeds are those of the place, so that contenders are paired. */
static inline void ran(rig *r, const char *of, uint64_t repeat, uint64_t i, fate f)
{
    const store_search where = { STORE_EVALUATE, of, "digits", repeat };
    put(r, where, 100 * repeat + i, "{\"optimizer.lr\": 0.01, \"momentum\": 0.5, \"kind\": \"a\"}",
        f);
}

static inline void done(rig *r, const char *of, uint64_t repeat, uint64_t i, double v)
{
    ran(r, of, repeat, i, (fate){ TRIAL_DONE, v, 0, NULL });
}

static inline const result_contender *read_back(rig *r)
{
    results_free(r->r);
    r->r = NULL;
    OKAY(results_read(r->s, &r->study, &r->d, &r->r, err));
    return r->r->workloads[0].contenders;
}

static const char *const two[] = { "sgd", "adam", NULL };

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

#endif
