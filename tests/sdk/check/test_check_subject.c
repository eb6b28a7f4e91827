/* Instances under test: what settings leave open is filled in, and the settings at which faults are likely are all there. */
#include "check/host_wrap.h"
#include "check/process_state.h"
#include "check/subject.h"
#include "support/plugin_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#undef fail

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct scene {
    registry *registry;
    subject subject;
    arena memory;
} scene;

/* A built-in, or a component of a file. */
static void open_scene(scene *s, const char *kind, const char *id, const char *file)
{
    error err = { 0 };
    const registry_options o = { .program_path = TEST_BUILD_DIR "/assay", .no_environment = true };
    *s = (scene){ 0 };
    if (registry_new(&o, &s->registry, &err) != OK) GIVE_UP("%s", err.text);
    if (file && registry_add_file(s->registry, file, NULL, &err) != OK) GIVE_UP("%s", err.text);
    s->subject =
        (subject){ .registry = s->registry, .seed = 4, .time_limit_s = 5, .kind = kind, .id = id };
    if (registry_find(s->registry, kind, id, NULL, &s->subject.component, &err) != OK) {
        GIVE_UP("%s", err.text);
    }
    s->subject.file = s->subject.component->file;
}

static void close_scene(scene *s)
{
    registry_free(s->registry);
    arena_release(&s->memory);
}

static double real_of(const specimen *p, const char *name)
{
    const double *at = hyper_real_at(p->instance->component, p->instance->hyper, name);
    assert_non_null(at);
    return *at;
}

static void test_specimen__takes_settings_and_defaults(void **state)
{
    (void)state;
    scene s;
    specimen p;
    error err = { 0 };
    open_scene(&s, "optimizer", "adam", NULL);
    assert_int_equal(specimen_open(&s.subject, "lr = 0.0731;", &p, &err), OK);
    assert_float_equal(real_of(&p, "lr"), 0.0731, 0);
    assert_float_equal(real_of(&p, "beta1"), 0.9, 0);
    specimen_close(&p);
    assert_int_equal(specimen_open(&s.subject, "lr = -1.0;", &p, &err), E_RANGE);
    assert_non_null(strstr(err.text, "lr"));
    assert_int_equal(specimen_open(&s.subject, "lr = ;", &p, &err), E_PARSE);
    assert_int_equal(specimen_open(&s.subject, "rate = 1.0;", &p, &err), E_UNKNOWN);
    close_scene(&s);
}

static void test_specimen__gets_what_is_required(void **state)
{
    (void)state;
    scene s;
    specimen p;
    error err = { 0 };
    open_scene(&s, "layer", "dense", NULL); /* units are required, from 1 */
    assert_int_equal(specimen_open(&s.subject, "", &p, &err), OK);
    const assay_hyper *row = hyper_find(&p.instance->component->hypers, "units");
    assert_int_equal(*(int64_t *)(void *)((char *)p.instance->hyper + row->offset), 8);
    specimen_close(&p);
    assert_int_equal(specimen_open(&s.subject, "units = 5;", &p, &err), OK);
    assert_int_equal(*(int64_t *)(void *)((char *)p.instance->hyper + row->offset), 5);
    specimen_close(&p);
    assert_int_equal(
        specimen_open_other(&s.subject, "optimizer", "sgd", "lr = 0.5;", &p, &err), OK);
    assert_float_equal(real_of(&p, "lr"), 0.5, 0);
    specimen_close(&p);
    close_scene(&s);
}

static bool has(const char *const *settings, size_t n, const char *one)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(settings[i], one) == 0) return true;
    }
    return false;
}

static void test_settings__hold_switches_choices_and_ends(void **state)
{
    (void)state;
    scene s;
    error err = { 0 };
    const char *settings[CHECK_MAX_SETTINGS];
    size_t n = 0;
    open_scene(&s, "optimizer", "sgd", NULL);
    assert_int_equal(subject_settings(&s.subject, &s.memory, settings, &n, &err), OK);
    assert_true(n > 5 && n <= CHECK_MAX_SETTINGS);
    assert_string_equal(settings[0], "");
    const assay_hyper *lr = hyper_find(&s.subject.component->hypers, "lr");
    text t = { 0 };
    text_add(&t, "lr = ");
    text_add_real(&t, lr->tune_min);
    text_add(&t, ";");
    assert_true(has(settings, n, t.s));
    text_release(&t);
    for (size_t i = 0; i < n; i++) {
        specimen p;
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(settings[i], settings[k]);
        if (specimen_open(&s.subject, settings[i], &p, &err) != OK) GIVE_UP("%s", err.text);
        specimen_close(&p);
    }
    close_scene(&s);
}

/* nesterov needs momentum, and dampening 0. */
static void test_settings__leave_out_what_validate_refuses(void **state)
{
    (void)state;
    scene s;
    error err = { 0 };
    const char *settings[CHECK_MAX_SETTINGS];
    size_t n = 0;
    specimen p;
    open_scene(&s, "optimizer", "sgd", NULL);
    assert_int_not_equal(specimen_open(&s.subject, "nesterov = true;", &p, &err), OK);
    assert_int_equal(subject_settings(&s.subject, &s.memory, settings, &n, &err), OK);
    assert_false(has(settings, n, "nesterov = true;"));
    close_scene(&s);
}

static void test_settings__are_a_function_of_the_seed(void **state)
{
    (void)state;
    scene s;
    error err = { 0 };
    const char *a[CHECK_MAX_SETTINGS], *b[CHECK_MAX_SETTINGS];
    size_t n_a = 0, n_b = 0, n_same = 0;
    open_scene(&s, "optimizer", "adam", NULL);
    assert_int_equal(subject_settings(&s.subject, &s.memory, a, &n_a, &err), OK);
    assert_int_equal(subject_settings(&s.subject, &s.memory, b, &n_b, &err), OK);
    assert_int_equal(n_a, n_b);
    for (size_t i = 0; i < n_a; i++)
        assert_string_equal(a[i], b[i]);
    s.subject.seed = 5;
    assert_int_equal(subject_settings(&s.subject, &s.memory, b, &n_b, &err), OK);
    for (size_t i = 0; i < n_a && i < n_b; i++)
        n_same += strcmp(a[i], b[i]) == 0;
    assert_true(n_same < n_a);
    close_scene(&s);
}

/* -- A host without memory -- */

static void test_host_wrap__refuses_from_the_kth_call_on(void **state)
{
    (void)state;
    scene s;
    specimen p;
    error err = { 0 };
    host_wrap w;
    open_scene(&s, "optimizer", "adam", NULL);
    assert_int_equal(specimen_open(&s.subject, "", &p, &err), OK);
    assay_ctx *ctx = &p.instance->ctx;
    const assay_host *own = ctx->host;
    host_wrap_begin(&w, p.instance);
    assert_ptr_not_equal(ctx->host, own);
    assert_non_null(ctx->host->alloc(ctx, 100));
    host_wrap_fail_at(&w, 2);
    assert_non_null(ctx->host->scratch(ctx, 100));
    assert_false(host_wrap_has_failed(&w));
    assert_null(ctx->host->alloc(ctx, 100));
    assert_null(ctx->host->scratch(ctx, 100));
    assert_true(host_wrap_has_failed(&w));
    assert_int_equal(host_wrap_calls(&w), 3);
    host_wrap_end(&w);
    assert_ptr_equal(ctx->host, own);
    assert_int_equal(instance_status(p.instance, ASSAY_OK, "test", &err), OK);
    specimen_close(&p);
    close_scene(&s);
}

/* -- The process -- */

static void test_process_state__is_the_same_where_nothing_happened(void **state)
{
    (void)state;
    arena a = { 0 };
    text t = { 0 };
    error err = { 0 };
    process_state *before, *after;
    assert_int_equal(process_state_take(&a, &before, &err), OK);
    assert_int_equal(process_state_take(&a, &after, &err), OK);
    process_state_compare(before, after, &t);
    assert_int_equal(t.n, 0);
    const int fd = open("/dev/null", O_RDONLY);
    assert_true(fd >= 0);
    void (*handler)(int) = signal(SIGUSR1, SIG_IGN);
    assert_int_equal(setenv("CHECK_SUBJECT", "1", 1), 0);
    assert_int_equal(process_state_take(&a, &after, &err), OK);
    process_state_compare(before, after, &t);
    assert_non_null(strstr(t.s, "(/dev/null) was left open"));
    assert_non_null(strstr(t.s, "(User defined signal 1) was changed"));
    assert_non_null(strstr(t.s, "variable CHECK_SUBJECT was added"));
    text_clear(&t);
    process_state_compare(after, before, &t);
    assert_non_null(strstr(t.s, "(/dev/null) was closed"));
    assert_non_null(strstr(t.s, "variable CHECK_SUBJECT was removed"));
    close(fd);
    signal(SIGUSR1, handler);
    unsetenv("CHECK_SUBJECT");
    text_release(&t);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_specimen__takes_settings_and_defaults),
        cmocka_unit_test(test_specimen__gets_what_is_required),
        cmocka_unit_test(test_settings__hold_switches_choices_and_ends),
        cmocka_unit_test(test_settings__leave_out_what_validate_refuses),
        cmocka_unit_test(test_settings__are_a_function_of_the_seed),
        cmocka_unit_test(test_host_wrap__refuses_from_the_kth_call_on),
        cmocka_unit_test(test_process_state__is_the_same_where_nothing_happened),
    };
    return cmocka_run_group_tests_name("check_subject", tests, NULL, NULL);
}
