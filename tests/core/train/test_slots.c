/* Slots that some tensors have and others do not, and what else an optimizer is told by tensor: hyperparameters, and whether it
 * wants it at all. */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include "train/internal.h"

#include <stdio.h>
#include <string.h>

/* Tensors: lstm1.weight [4, 12] and lstm1.recurrent [3, 12] of four blocks, lstm1.bias [12] of four; dense1.weight [3, 5],
 * dense1.bias [5]. */
#define NET \
    "data = { type = \"blobs\"; samples = 60; classes = 5; features = 4; batch_size = 15;" \
    " split = { validation = 0.25; test = 0.0; }; };" \
    "model = ( { type = \"lstm\"; units = 3; return = \"last\"; }, { type = \"dense\"; units = " \
    "5; " \
    "lr_scale = 0.25; } );" \
    " loss = \"softmax_xent\"; train = { epochs = 9; replicas = 2; }; "

static size_t slot_floats(train_rig *g, const char *name)
{
    arena a = { 0 };
    const size_t n = optimizer_n_arrays(g->t->optimizer);
    array *all = arena_alloc_array(&a, n, sizeof *all);
    size_t found = 0;
    assert_int_equal(optimizer_arrays(g->t->optimizer, &a, all, &g->err), OK);
    for (size_t i = 0; i < n; i++) {
        if (all[i].name && strcmp(all[i].name, name) == 0) found = all[i].n;
    }
    arena_release(&a);
    return found;
}

enum { N_TENSORS = 5 };

static const char *const tensors[N_TENSORS] = { "lstm1.weight", "lstm1.recurrent", "lstm1.bias",
    "dense1.weight", "dense1.bias" };

/* Floats that each tensor has of a slot; 0: it does not exist. */
typedef struct sizes {
    const char *slot;
    size_t n[N_TENSORS];
} sizes;

static void has_sizes(train_rig *g, const sizes *expected, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < N_TENSORS; k++) {
            char name[128];
            snprintf(name, sizeof name, "optimizer/0/%s/%s", tensors[k], expected[i].slot);
            const size_t got = slot_floats(g, name);
            if (got != expected[i].n[k]) {
                GIVE_UP("%s: %zu floats, expected %zu", name, got, expected[i].n[k]);
            }
        }
    }
}

#define HAS_SIZES(g, table) has_sizes(g, table, sizeof(table) / sizeof((table)[0]))

static void test_slots__exist_for_the_tensors_that_they_are_for(void **state)
{
    static const sizes expected[] = {
        { "m", { 48, 36, 0, 15, 0 } },
        { "rate", { 48, 36, 12, 15, 5 } },
        { "by_enum", { 0, 0, 0, 0, 0 } },
        { "by_int", { 0, 0, 0, 0, 0 } },
        { "per_row", { 4, 3, 1, 3, 1 } }, /* at most 4 rows: all of them */
        { "per_col", { 0, 0, 0, 0, 0 } },
        { "left", { 16, 9, 1, 9, 1 } },
        { "right", { 0, 0, 0, 0, 0 } },
        { "block_rows", { 16, 12, 4, 3, 1 } },
        { "block_cols", { 12, 12, 12, 5, 5 } },
        { "block_left", { 64, 36, 0, 9, 0 } },
        { "block_right", { 36, 36, 36, 0, 0 } }, /* a block has 3 columns */
        { "block_scalar", { 4, 4, 4, 1, 1 } },
    };
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, NET "optimizer = \"selective\";", NULL);
    HAS_SIZES(&g, expected);
    assert_true(rig_slot(&g, "optimizer/0/lstm1.bias/block_scalar", 4)[3] == 0.25F);
    rig_steps(&g, 3);
    rig_release(&g);
}

/* The bound values, whatever a schedule makes of them. */
static void test_slots__go_by_the_values_in_the_config(void **state)
{
    static const sizes expected[] = {
        { "m", { 0, 0, 0, 0, 0 } },
        { "by_enum", { 1, 1, 1, 1, 1 } },
        { "by_int", { 36, 36, 36, 15, 15 } },
        { "per_row", { 0, 3, 1, 3, 1 } },
        { "per_col", { 0, 0, 0, 0, 0 } },
        { "left", { 0, 9, 1, 9, 1 } },
        { "block_right", { 36, 36, 36, 0, 0 } },
    };
    static const sizes never[] = { { "per_row", { 0 } }, { "left", { 0 } }, { "per_col", { 0 } } };
    static const sizes wide[] = { { "per_col", { 12, 12, 12, 5, 5 } },
        { "right", { 144, 144, 144, 25, 25 } }, { "block_right", { 36, 36, 36, 25, 25 } } };
    static const sizes kept[] = { { "m", { 48, 36, 0, 15, 0 } } };
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g,
        NET "optimizer = { type = \"selective\"; momentum = 0.0; mode = \"some\"; count = 3; "
            "largest = 3; };",
        NULL);
    HAS_SIZES(&g, expected);
    rig_steps(&g, 2);
    rig_open(&g, NET "optimizer = { type = \"selective\"; largest = -1; };", NULL);
    HAS_SIZES(&g, never);
    rig_open(&g, NET "optimizer = { type = \"selective\"; largest = 12; };", NULL);
    HAS_SIZES(&g, wide);
    rig_open(&g,
        NET "optimizer = { type = \"selective\"; momentum = 0.5; };"
            " schedule = { type = \"multistep\"; milestones = [ 0 ]; gamma = 0.0; every = "
            "\"step\"; target = \"momentum\"; };",
        NULL);
    rig_steps(&g, 2);
    HAS_SIZES(&g, kept);
    rig_release(&g);
}

/* 0.1 for the LSTM, a quarter for the dense layer; driven by a schedule, too. */
static void test_span_hyper__is_that_of_its_tensor(void **state)
{
    static const char *const how[][2] = {
        { "\"selective\";", "optimizer/0" },
        { "\"selective_tensor\";", "optimizer/0" },
        { "{ type = \"selective_outer\"; inner = \"selective_tensor\"; };", "optimizer/0/inner0" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof how / sizeof how[0]; i++) {
        train_rig g;
        char source[1500], lstm[128], dense[128];
        rig_init(&g);
        snprintf(source, sizeof source,
            NET "optimizer = %s schedule = { type = \"multistep\"; milestones = [ 2 ]; every = "
                "\"step\"; gamma = 0.5; };",
            how[i][0]);
        snprintf(lstm, sizeof lstm, "%s/lstm1.weight/rate", how[i][1]);
        snprintf(dense, sizeof dense, "%s/dense1.bias/rate", how[i][1]);
        rig_open(&g, source, NULL);
        rig_steps(&g, 2);
        assert_true(rig_slot(&g, lstm, 48)[47] == 0.1F);
        assert_true(rig_slot(&g, dense, 5)[4] == 0.025F);
        rig_steps(&g, 1);
        assert_true(rig_slot(&g, lstm, 48)[0] == 0.05F);
        assert_true(rig_slot(&g, dense, 5)[0] == 0.0125F);
        assert_int_equal(trainer_save_weights(g.t, false, rig_path(&g, "w"), &g.err), OK);
        rig_release(&g);
    }
}

static void test_accept__is_asked_for_every_tensor(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_refuse(&g, NET "\noptimizer = {\n type = \"selective\"; refuses = \"lstm1.bias\"; };",
        E_UNSUPPORTED, "x.cfg:2: optimizer \"selective\"");
    assert_non_null(
        strstr(g.err.text, "is not for it: give it to another by `match` (tensor lstm1.bias)"));
    rig_refuse(&g,
        NET "\noptimizer = { type = \"selective_outer\";\n inner = { type = \"selective_tensor\"; "
            "refuses = \"dense1.bias\"; }; };",
        E_UNSUPPORTED, "x.cfg:3: optimizer \"selective_tensor\"");
    assert_non_null(strstr(g.err.text, "(tensor dense1.bias)"));
    rig_open(&g,
        NET "optimizer = ( { type = \"sgd\"; match = \"role:bias\"; }, { type = \"selective\"; "
            "refuses = \"lstm1.bias\"; } );",
        NULL);
    rig_steps(&g, 1);
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots__exist_for_the_tensors_that_they_are_for),
        cmocka_unit_test(test_slots__go_by_the_values_in_the_config),
        cmocka_unit_test(test_span_hyper__is_that_of_its_tensor),
        cmocka_unit_test(test_accept__is_asked_for_every_tensor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
