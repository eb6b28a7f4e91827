/* A store of each implementation in a folder of the test's own, and the usual study in it. */
#ifndef ASSAY_TESTS_CORE_STORE_STORE_RIG_H
#define ASSAY_TESTS_CORE_STORE_STORE_RIG_H

#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h> /* last: its macro `fail` takes the name of ours */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One implementation: where its store is, seen from the test's folder. */
typedef struct implementation {
    const char *name, *where;
} implementation;

static const implementation implementations[] = { { "sqlite", "study.db" } };

typedef struct rig {
    const implementation *of;
    char folder[64];
    store *s; /* open for writing, as owner "one" */
    uint64_t study;
    arena a;
} rig;

/* Says what went wrong, and fails. */
#define OKAY(expr) \
    do { \
        error okay_error = { 0 }; \
        error *err = &okay_error; \
        if ((expr) != OK) fail_msg("%s: %s", #expr, okay_error.text); \
    } while (0)

/* The call must say `code`, and `words` must be in its message. */
#define SAYS(code_wanted, words, expr) \
    do { \
        error says_error = { 0 }; \
        error *err = &says_error; \
        const status says = (expr); \
        if (says != (code_wanted) || !strstr(says_error.text, (words))) { \
            fail_msg("%s: %s: %s", #expr, status_name(says), says_error.text); \
        } \
        assert_int_equal(says_error.code, says); \
    } while (0)

static inline store *open_as(const rig *r, const char *owner, store_mode mode)
{
    store *s = NULL;
    const store_options o = { .mode = mode, .owner = owner, .busy_s = 20.0 };
    OKAY(store_open(r->of->where, &o, &s, err));
    return s;
}

static const char *const cells[] = { "gru", "lstm", "rnn" };
static const store_dimension usual_dimensions[] = {
    { .contender = "",
        .name = "optimizer.lr",
        .type = DIMENSION_REAL,
        .low = 1e-6,
        .high = 0.1,
        .log = true },
    { .contender = "", .name = "units", .type = DIMENSION_INT, .low = 1, .high = 256, .step = 3 },
    { .contender = "",
        .name = "cell",
        .type = DIMENSION_CATEGORY,
        .choices = cells,
        .n_choices = 3 },
};

static inline store_study_spec usual_spec(const char *name)
{
    return (store_study_spec){ .name = name,
        .declaration = "search = \"random\";\n",
        .metric = "validation.loss",
        .direction = STORE_MINIMIZE,
        .seed = UINT64_C(0xfedcba9876543210),
        .max_lost = 2,
        .dimensions = usual_dimensions,
        .n_dimensions = 3 };
}

/* A trial of the plain search that differs from others by its seed. */
static inline store_trial_spec usual_trial(uint64_t seed, const char *params)
{
    return (store_trial_spec){ .search = { STORE_TUNE, "", "", 0 },
        .seed = seed,
        .params = params,
        .proposal = STORE_NEXT,
        .from_trial = STORE_NO_TRIAL };
}

static inline store_trial add(rig *r, uint64_t seed)
{
    store_trial t;
    bool is_new = false;
    char params[96];
    snprintf(params, sizeof params, "{\"optimizer.lr\": %.17g, \"units\": %d, \"cell\": \"%s\"}",
        1e-6 * pow(1e5, (double)(seed % 40) / 40.0), (int)(seed % 80) * 3 + 1, cells[seed % 3]);
    const store_trial_spec spec = usual_trial(seed, params);
    OKAY(trial_add(r->s, r->study, &spec, &t, &r->a, &is_new, err));
    assert_true(is_new);
    return t;
}

static inline bool claim(rig *r, store *s, double lease_s, store_trial *out)
{
    bool is_found = false;
    OKAY(trial_claim(s, r->study, lease_s, &r->a, out, &is_found, err));
    return is_found;
}

static inline store_trial must_claim(rig *r)
{
    store_trial t = { 0 };
    assert_true(claim(r, r->s, 60.0, &t));
    return t;
}

static inline store_trial look(rig *r, uint64_t number)
{
    store_trial t = { 0 };
    OKAY(trial_find(r->s, r->study, number, &r->a, &t, err));
    return t;
}

static inline store_result done_with(double value)
{
    return (store_result){ .state = TRIAL_DONE,
        .value = value,
        .standard_error = 0.125,
        .fidelity = 27.0,
        .reason = "",
        .record = "{\"cpu\": \"x\"}" };
}

static inline void assert_sound(store *s)
{
    text findings = { 0 };
    bool is_sound = false;
    OKAY(store_check(s, &findings, &is_sound, err));
    if (!is_sound) fail_msg("%s", findings.s);
    text_release(&findings);
}

/* A folder of its own, which is the current one. */
static inline void rig_enter(rig *r, const implementation *of)
{
    *r = (rig){ .of = of };
    strcpy(r->folder, "/tmp/assay-test-store-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    assert_int_equal(chdir(r->folder), 0);
}

static inline void rig_open(rig *r, const implementation *of)
{
    rig_enter(r, of);
    r->s = open_as(r, "one", STORE_CREATE);
    const store_study_spec spec = usual_spec("digits");
    OKAY(study_create(r->s, &spec, &r->study, err));
}

static inline void rig_close(rig *r)
{
    char command[128];
    if (r->s) assert_sound(r->s);
    store_close(r->s);
    arena_release(&r->a);
    snprintf(command, sizeof command, "rm -rf '%s'", r->folder);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(system(command), 0);
}

#endif
