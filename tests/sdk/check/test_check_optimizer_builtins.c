/* Every optimizer that is shipped passes the kit's tests without a failure or a warning. What
 * they measure is not looked at. */
#include "check/kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

/* How many tests had something to say. */
static size_t check_one(registry *r, const char *id)
{
    error err = { 0 };
    const component *c = NULL;
    size_t n_wrong = 0;
    if (registry_find(r, ASSAY_KIND_OPTIMIZER, id, NULL, &c, &err) != OK) {
        fail_msg("%s", err.text);
    }
    const subject s = { .registry = r,
        .component = c,
        .path = c->file->path,
        .seed = 1,
        .time_limit_s = 60,
        .tolerance = CHECK_TOLERANCE,
        .kind = c->kind,
        .id = c->id,
        .file = c->file };
    for (const check_test *t = check_tests_optimizer; t->name; t++) {
        check_report said = { 0 };
        if (check_is_speed(t)) {
            continue;
        }
        t->run(&s, &said);
        if (said.outcome >= CHECK_WARNED) {
            print_error("%s: %s: %s\n", id, t->name, said.message);
            n_wrong++;
        }
    }
    return n_wrong;
}

static void test_builtins__pass(void **state)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins/optimizer", NULL };
    const registry_options o = { .dirs = dirs, .no_environment = true };
    registry *r = NULL;
    error err = { 0 };
    size_t n = 0, n_wrong = 0;
    (void)state;
    if (registry_new(&o, &r, &err) != OK) {
        fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < registry_count(r); i++) {
        const plugin_file *f = registry_file(r, i);
        for (size_t k = 0; !f->refused && k < f->n_components; k++) {
            n_wrong += check_one(r, f->components[k].id);
            n++;
        }
    }
    registry_free(r);
    assert_true(n >= 5);
    assert_int_equal(n_wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builtins__pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
