/* A component, built in or of a faulty plugin, under the kit's tests, in this process. */
#ifndef TEST_CHECK_SCENE_H
#define TEST_CHECK_SCENE_H

#include "check/kit.h"
#include "support/plugin_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#undef fail

#include <string.h>

#define FAULTY_PLUGIN(name) TEST_BUILD_DIR "/tests/faulty_plugins/" name ".so"

/* A component that a test must find wrong, with words of the message; "" for none. */
typedef struct fault {
    const char *id, *test, *says, *also;
} fault;

static inline void scene_open(
    registry **r, subject *s, const char *kind, const char *id, const char *file)
{
    error err = { 0 };
    const registry_options o = { .program_path = TEST_BUILD_DIR "/assay", .no_environment = true };
    if (registry_new(&o, r, &err) != OK) GIVE_UP("%s", err.text);
    if (file && registry_add_file(*r, file, NULL, &err) != OK) GIVE_UP("%s", err.text);
    *s = (subject){ .registry = *r, .seed = 4, .time_limit_s = 200, .kind = kind, .id = id };
    if (registry_find(*r, kind, id, NULL, &s->component, &err) != OK) GIVE_UP("%s", err.text);
    s->file = s->component->file;
}

static inline check_report run_one(const subject *s, const char *test)
{
    const check_test *t = check_find(test);
    check_report r = { 0 };
    if (!t) GIVE_UP("there is no test %s", test);
    t->run(s, &r);
    return r;
}

/* All tests of its kind but those of speed. */
static inline void expect_passes(const char *kind, const char *id, const char *file)
{
    registry *r = NULL;
    subject s;
    size_t n = 0;
    scene_open(&r, &s, kind, id, file);
    for (size_t i = 0; i < check_count(); i++) {
        const check_test *t = check_get(i);
        if (!t->kind || strcmp(t->kind, kind) != 0 || check_is_speed(t)) continue;
        const check_report got = run_one(&s, t->name);
        if (got.outcome == CHECK_FAILED)
            GIVE_UP("%s \"%s\": %s: %s", kind, id, t->name, got.message);
        n += got.outcome != CHECK_SKIPPED;
    }
    assert_true(n > 0);
    registry_free(r);
}

static inline void expect_faults(const char *kind, const char *file, const fault *faults, size_t n)
{
    size_t n_missed = 0;
    for (size_t i = 0; i < n; i++) {
        const fault *f = &faults[i];
        registry *r = NULL;
        subject s;
        scene_open(&r, &s, kind, f->id, file);
        const check_report got = run_one(&s, f->test);
        if (got.outcome < CHECK_WARNED || !strstr(got.message, f->says) ||
            !strstr(got.message, f->also)) {
            n_missed++;
            print_error("%s: %s gave %d \"%s\", expected \"%s\" and \"%s\"\n", f->id, f->test,
                (int)got.outcome, got.message, f->says, f->also);
        }
        registry_free(r);
    }
    if (n_missed) GIVE_UP("%zu faults were missed", n_missed);
}

static inline void expect_figures(
    const char *kind, const char *id, const char *test, const char *figure)
{
    registry *r = NULL;
    subject s;
    scene_open(&r, &s, kind, id, NULL);
    const check_report got = run_one(&s, test);
    assert_int_equal(got.outcome, CHECK_PASSED);
    assert_true(got.n_figures > 0);
    assert_string_equal(got.figure[0].name, figure);
    assert_true(got.figure[0].value > 0);
    registry_free(r);
}

#endif
