/* Every allocation of building, running, saving, loading and summing up a model fails once: E_NOMEM, no crash.
 *
 * This program's own aligned_alloc, calloc and realloc take the place of the C library's. What leaks after a failure
 * is for the address sanitizer's build of this test to say. */
#include "model/replica.h"
#include "model/weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include "model_rig.h"

#include "support/failing_allocator.h"

/* More than eight parameters, so that the list of them grows; large ones, so that arenas take more than one chunk. */
#define MODEL \
    "model = ( { type = \"dense\"; name = \"a\"; units = 150; init = { type = \"normal\"; std = " \
    "0.1; }; },\n" \
    "  \"tanh\", { type = \"dense\"; units = 150; tie = \"a\"; }, { type = \"dense\"; units = " \
    "150; },\n" \
    "  { type = \"add\"; from = ( \"dense3\", \"tanh1\" ); }, { type = \"dense\"; units = 3; " \
    "init = \"orthogonal\"; },\n" \
    "  { type = \"model_odd\"; fault = \"shifted\"; }, { type = \"model_odd\"; fault = " \
    "\"state\"; }, { type = \"model_odd\"; fault = " \
    "\"couples\"; },\n" \
    "  { type = \"dense\"; units = 2; } );"

enum { N_IN = 150, N = 5 };

static char file[64];

/* All that a model does, in one go. */
static status live(registry *r, config *c, error *err)
{
    status st = OK;
    model *m = NULL;
    replica *rep = NULL;
    text t;
    float x[N * N_IN] = { 0 };
    const model_options o = {
        .in = vector_of(N_IN), .in_dtype = ASSAY_F32, .max_time = 1, .max_batch = N
    };
    const shard s = { .n = N, .time = 1, .x = x, .batch_total = N };
    text_init(&t);
    TRY(model_new(r, c, value_find(config_root(c), "model"), 7, &m, err));
    TRY(model_plan(m, c, &o, err));
    TRY(replica_new(m, N, 1, true, &rep, err));
    TRY(model_prepare(m, true, err));
    TRY(replica_forward(rep, &s, true, err));
    memset(replica_output_gradient(rep), 0, N * 2 * sizeof(float));
    TRY(replica_backward(rep, false, err));
    TRY(weights_save(m, NULL, file, NULL, 0, err));
    TRY(weights_load(m, file, err));
    model_summary(m, N, &t);
    TRY(text_check(&t, err));
done:
    text_release(&t);
    replica_free(rep);
    model_free(m);
    return st;
}

static void test_model__every_allocation_fails_once(void **state)
{
    (void)state;
    const char *const dirs[] = { TEST_BUILD_DIR "/plugins", TEST_BUILD_DIR "/tests/plugins", NULL };
    const registry_options o = { .no_environment = true, .dirs = dirs };
    registry *r;
    error err = { 0 };
    long n_failed = 0;
    assert_int_equal(registry_new(&o, &r, &err), OK);
    for (long i = -1;; i++) { /* the first time nothing fails, and all plugins are loaded */
        config *c;
        if (config_parse("x.cfg", MODEL, &c, &err) != OK) GIVE_UP("%s", err.text);
        n_allocations = 0;
        fails_at = i;
        memset(&err, 0, sizeof err);
        const status st = live(r, c, &err);
        const bool has_failed = n_allocations > fails_at;
        fails_at = -1;
        config_free(c);
        if (i >= 0 && !has_failed) {
            assert_int_equal(st, OK);
            break;
        }
        if (st != (i < 0 ? OK : E_NOMEM)) GIVE_UP("allocation %ld: %d, %s", i, st, err.text);
        if (i >= 0) {
            assert_int_equal(err.code, E_NOMEM);
            assert_true(err.text[0] != '\0');
            n_failed++;
        }
    }
    assert_true(n_failed > 40);
    registry_free(r);
}

static int make_file(void **state)
{
    (void)state;
    snprintf(file, sizeof file, "/tmp/test_model.XXXXXX");
    const int fd = mkstemp(file);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file);
}

int main(void)
{
#if defined(__SANITIZE_THREAD__)
    printf("skipped: ThreadSanitizer brings the allocator that this test replaces\n");
    return 77;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model__every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
