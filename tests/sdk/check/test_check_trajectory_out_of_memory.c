/* Every allocation of reading a recorded run fails once. What leaks then is for the address sanitizer's build of this test to say. */
#include "check/optimizer_trajectory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#undef fail

#include "support/failing_allocator.h"

#define GOLDEN TEST_SOURCE_DIR "/tests/golden/optimizer_sam.safetensors"

static void test_trajectory_open__out_of_memory(void **state)
{
    long n = 0;
    (void)state;
#ifdef __SANITIZE_THREAD__
    print_message("skipped: the thread sanitizer's allocator stays\n");
    skip();
#endif
    for (;; n++) {
        trajectory *t = NULL;
        error err = { 0 };
        n_allocations = 0;
        fails_at = n;
        const status st = trajectory_open(GOLDEN, &t, &err);
        fails_at = -1;
        if (st == OK) {
            trajectory_close(t);
            break;
        }
        assert_int_equal(st, E_NOMEM);
        assert_null(t);
    }
    assert_true(n > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trajectory_open__out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
