/* Studies over the fake runner, in a folder of their own; what is in their stores. */
#ifndef ASSAY_TESTS_CORE_STUDY_ENGINE_RIG_H
#define ASSAY_TESTS_CORE_STUDY_ENGINE_RIG_H

#include "fake_runner.h"
#include "search/search.h"
#include "study/engine.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct scene {
    char folder[64];
    registry *registry;
    declaration *d;
    error err;
} scene;

static inline const char *path_in(const scene *t, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", t->folder, name);
    return out;
}

static inline int make_scene(void **state)
{
    scene *t = calloc(1, sizeof *t);
    const registry_options o = { .program_path = TEST_BUILD_DIR "/assay" };
    strcpy(t->folder, "/tmp/assay-engine-XXXXXX");
    if (!mkdtemp(t->folder)) return 1;
    if (registry_new(&o, &t->registry, &t->err) != OK) return 1;
    fake = (fake_ways){ .lottery = 0 };
    *state = t;
    return 0;
}

static inline int drop_scene(void **state)
{
    scene *t = *state;
    char command[128];
    declaration_free(t->d);
    registry_free(t->registry);
    snprintf(command, sizeof command, "rm -rf '%s'", t->folder);
    const int code = system(command);
    free(t);
    return code;
}

/* Two contenders on one workload, as `more` says further. */
static inline void declare(scene *t, const char *more)
{
    char path[128];
    FILE *f = fopen(path_in(t, "duel.cfg", path), "w");
    assert_non_null(f);
    fprintf(f,
        "study = {\n"
        "  workloads = ( { name = \"bowl\"; type = \"command\"; command = [\"true\"]; } );\n"
        "  metric = \"validation.loss\"; judged = \"test.loss\"; seed = 41;\n"
        "  contenders = (\n"
        "    { name = \"plain\"; search = \"x=0..1 y=1e-4..1:log\"; },\n"
        "    { name = \"wide\"; search = \"x=0..1 y=1e-4..1:log n=1..64 c=a,b,c z=0..2?c=b\"; }\n"
        "  );\n"
        "  %s %s %s\n"
        "};\n",
        strstr(more, "repeats") ? "" : "repeats = 1;",
        strstr(more, "evaluations") ? "" : "evaluations = 0;", more);
    fclose(f);
    declaration_free(t->d);
    t->d = NULL;
    const declaration_options o = { .name = NULL };
    if (declaration_load(t->registry, path, &o, &t->d, &t->err) != OK) fail_msg("%s", t->err.text);
}

/* Runs the study of a file to its end, or until somebody says so. */
static inline status run_study(
    scene *t, const char *file, engine_options o, engine_summary *out, error *err)
{
    status st = OK;
    char path[128];
    store *s = NULL;
    uint64_t study;
    bool is_new;
    const store_options so = { .mode = STORE_CREATE };
    o.program = TEST_BUILD_DIR "/assay"; /* of strategies' processes */
    TRY(store_open(path_in(t, file, path), &so, &s, err));
    TRY(study_declare(t->d, s, &study, &is_new, err));
    TRY(engine_run(t->registry, t->d, s, study, &o, out, err));
done:
    store_close(s);
    return st;
}

static inline void okay(scene *t, const char *file, engine_options o, engine_summary *out)
{
    if (run_study(t, file, o, out, &t->err) != OK) fail_msg("%s: %s", file, t->err.text);
}

/* All trials as text: what was proposed, in the order of each search, and what it came to; not the numbers of the study, which depend on
 * whose turn it was. */
static inline void table(const scene *t, const char *file, text *out)
{
    char path[128];
    store *s = NULL;
    store_cursor *c = NULL;
    arena a = { 0 };
    store_study y;
    error err;
    const store_options o = { .mode = STORE_READ };
    assert_int_equal(store_open(path_in(t, file, path), &o, &s, &err), OK);
    assert_int_equal(study_find(s, t->d->name, &a, &y, &err), OK);
    for (int phase = 0; phase < 2; phase++) {
        for (size_t i = 0; i < t->d->n_contenders * t->d->n_repeats; i++) {
            const store_search key = { .phase = (trial_phase)phase,
                .contender = t->d->contenders[i % t->d->n_contenders].name,
                .workload = t->d->workloads[0].name,
                .repeat = i / t->d->n_contenders };
            char *rows[2048] = { NULL };
            store_trial row;
            bool is_row = true;
            assert_int_equal(store_trials_open(s, y.id, &key, &c, &err), OK);
            while (store_trials_next(c, &row, &is_row, &err) == OK && is_row) {
                assert_true(row.proposal < 2048);
                assert_null(rows[row.proposal]);
                rows[row.proposal] = arena_printf(&a, "%d %s %llu %llu %s seed %llu %s %.17g\n",
                    phase, key.contender, (unsigned long long)key.repeat,
                    (unsigned long long)row.proposal, row.params, (unsigned long long)row.seed,
                    trial_state_name(row.state), row.value);
            }
            store_cursor_close(c);
            for (size_t k = 0; k < 2048 && rows[k]; k++)
                text_add(out, rows[k]);
        }
    }
    store_close(s);
    arena_release(&a);
}

static inline uint64_t n_attempts_of(const scene *t, const char *file, int class)
{
    char path[128];
    store *s = NULL;
    store_cursor *trials = NULL, *attempts = NULL;
    arena a = { 0 };
    store_study y;
    store_trial row;
    uint64_t ids[4096], n = 0, n_ids = 0;
    error err;
    bool is_row = true;
    const store_options o = { .mode = STORE_READ };
    assert_int_equal(store_open(path_in(t, file, path), &o, &s, &err), OK);
    assert_int_equal(study_find(s, t->d->name, &a, &y, &err), OK);
    assert_int_equal(store_trials_open(s, y.id, NULL, &trials, &err), OK);
    while (store_trials_next(trials, &row, &is_row, &err) == OK && is_row)
        ids[n_ids++] = row.id;
    store_cursor_close(trials);
    for (uint64_t i = 0; i < n_ids; i++) {
        store_attempt at;
        is_row = true;
        assert_int_equal(attempts_open(s, ids[i], &attempts, &err), OK);
        while (attempts_next(attempts, &at, &is_row, &err) == OK && is_row)
            n += at.class == class;
        store_cursor_close(attempts);
    }
    store_close(s);
    arena_release(&a);
    return n;
}

/* The study in a process of its own. */
static inline pid_t start_host(scene *t, const char *file, engine_options o)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) return pid;
    error err;
    engine_summary sum;
    const status st = run_study(t, file, o, &sum, &err);
    if (st != OK) fprintf(stderr, "a host: %s\n", err.text);
    _exit(st == OK ? 0 : 1);
}

#endif
