/* Probes of a share: each allocation of their plan fails once, and is told of. The network of test_train_out_of_memory is so small that all
 * of it is looked at. */
#include "support/failing_allocator.h"
#include "support/train_rig.h"

#include "train/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <string.h>

static const char source[] =
    "data = { type = \"blobs\"; samples = 40; classes = 3; features = 40; batch_size = 8;"
    " split = { validation = 0.0; test = 0.0; }; };\n"
    "model = ( { type = \"dense\"; units = 50; }, { type = \"dense\"; units = 3; } );\n"
    "loss = \"softmax_xent\"; optimizer = { type = \"adam\"; lr = 0.01; };\n"
    "train = { epochs = 1; replicas = 2; threads = 1; probe = { every = 2; share = 0.25; }; };\n";

static void test_plan__tells_when_memory_is_out(void **state)
{
    train_rig g;
    (void)state;
#if defined(__SANITIZE_THREAD__)
    print_message("skipped: ThreadSanitizer's own allocator must stay\n");
    skip();
#endif
    rig_init(&g);
    rig_open(&g, source, NULL);
    size_t n_refused = 0;
    probe *p = NULL;
    const probe_options o = { .every = 2, .share = 0.25, .macs = 1e5 };
    for (fails_at = 0;; fails_at++) {
        n_allocations = 0;
        const status st = probe_new(g.t->objective, g.t->optimizer, g.t->team, &o, &p, &g.err);
        if (st == OK) break;
        assert_int_equal(st, E_NOMEM);
        n_refused++;
    }
    fails_at = -1;
    assert_true(n_refused >= 2);
    probe_free(p);
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_plan__tells_when_memory_is_out) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
