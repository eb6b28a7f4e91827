/* Declarations made by hand, and a runner that is waited for. */
#ifndef ASSAY_TESTS_CORE_STUDY_RUNNER_RIG_H
#define ASSAY_TESTS_CORE_STUDY_RUNNER_RIG_H

#include "core/cli/process.h"
#undef fail

#include "base/clock.h"
#include "base/file.h"
#include "base/json_in.h"
#include "study/runner.h"

#include <dirent.h>
#include <math.h>

enum { RIG_CONTENDERS = 3, RIG_WORKLOADS = 2 };

typedef struct rig {
    declaration d;
    workload workloads[RIG_WORKLOADS];
    contender contenders[RIG_CONTENDERS];
    char *written;
    runner *r;
} rig;

/* A study of one contender, "plain", with `sweep` as its space, minimising validation.loss. */
static inline void rig_init(rig *g, const char *sweep)
{
    error err;
    *g = (rig){ .d = { .name = "rig",
                    .metric = "validation.loss",
                    .judged = "test.loss",
                    .n_contenders = 1,
                    .level = SANDBOX_STRICT,
                    .limits = sandbox_default_limits } };
    g->d.workloads = g->workloads;
    g->d.contenders = g->contenders;
    g->d.n_workloads = 1;
    g->d.limits.wall_s = 30;
    g->contenders[0].name = "plain";
    space_init(&g->contenders[0].space);
    const origin at = { "rig.cfg", 7 };
    if (sweep) assert_int_equal(space_add_text(&g->contenders[0].space, sweep, &at, &err), OK);
}

/* A second contender. */
static inline void rig_contend(rig *g, const char *const *overrides, size_t n, const char *sweep)
{
    error err;
    const origin at = { "rig.cfg", 9 };
    contender *c = &g->contenders[1];
    c->name = "other";
    c->overrides = overrides;
    c->n_overrides = n;
    space_init(&c->space);
    if (sweep) assert_int_equal(space_add_text(&c->space, sweep, &at, &err), OK);
    g->d.n_contenders = 2;
}

static inline void rig_train(rig *g, const char *const *overrides, size_t n)
{
    error err;
    size_t bytes;
    free(g->written);
    assert_int_equal(file_read(CONFIGS "digits.cfg", &g->written, &bytes, &err), OK);
    g->workloads[0] = (workload){ .name = "digits",
        .kind = WORKLOAD_TRAIN,
        .path = CONFIGS "digits.cfg",
        .written = g->written,
        .overrides = overrides,
        .n_overrides = n };
}

static inline void rig_command(rig *g, const char *const *argv, size_t n)
{
    g->workloads[0] = (workload){ .name = "program",
        .kind = WORKLOAD_COMMAND,
        .argv = argv,
        .n_argv = n,
        .folder = "/tmp",
        .at = { "rig.cfg", 12 } };
}

static inline void rig_open(rig *g, bool is_debugged, const char *folder)
{
    error err;
    const runner_options o = { .program = PROGRAM, .is_debugged = is_debugged, .folder = folder };
    if (setenv("ASSAY_PLUGIN_PATH", TEST_BUILD_DIR "/plugins", 1) != 0 ||
        runner_open(&g->d, &o, &g->r, &err) != OK) {
        print_error("%s\n", err.text);
        abort();
    }
}

static inline void rig_close(rig *g)
{
    runner_close(g->r);
    for (size_t i = 0; i < g->d.n_contenders; i++)
        space_release(&g->contenders[i].space);
    free(g->written);
}

static inline run *rig_start(rig *g, const double *x, uint64_t seed)
{
    error err;
    run *n = NULL;
    const run_spec s = { .x = x, .seed = seed, .from = STORE_NO_TRIAL, .self = g };
    if (runner_start(g->r, &s, &n, &err) != OK) {
        print_error("%s\n", err.text);
        abort();
    }
    return n;
}

/* What happens next; nothing within a minute is a failure. */
static inline run_news rig_wait(rig *g)
{
    error err;
    run_news w;
    if (runner_wait(g->r, 60, &w, &err) != OK) {
        print_error("%s\n", err.text);
        abort();
    }
    assert_int_not_equal(w.kind, RUN_NOTHING);
    return w;
}

/* Until that one has ended, and no other. */
static inline const run_end *rig_end(rig *g, const run *n)
{
    for (;;) {
        const run_news w = rig_wait(g);
        assert_ptr_equal(w.run, n);
        if (w.kind == RUN_ENDED) return run_get_end(n);
    }
}

static inline void rig_expect(const run_end *e, outcome_class c, const char *says)
{
    if (e->outcome->class == c && strstr(e->outcome->text, says)) return;
    print_error("%s: %s\nexpected %s: %s\nlog: %s\n", outcome_name(e->outcome->class),
        e->outcome->text, outcome_name(c), says, e->log);
    abort();
}

/* Well-formed as a whole. */
static inline void rig_check_json(const char *s)
{
    error err;
    char *strings = malloc(strlen(s) + 1);
    json_in j = { .what = "record", .s = s, .n = strlen(s), .strings = strings };
    if (json_in_skip(&j, &err) != OK || json_in_end(&j, &err) != OK) {
        print_error("%s\n%s\n", err.text, s);
        abort();
    }
    free(strings);
}

static inline size_t count_in(const char *folder)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

#endif
