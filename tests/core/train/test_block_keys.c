/* The host's keys by kind, held against the tables that document them and against all components that come with assay. */
#include "train/block_keys.h"

#include "data/dataset.h"
#include "model/model.h"
#include "train/evaluator.h"
#include "train/optimizer.h"
#include "train/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <string.h>

static bool holds(const char *const *keys, const char *name)
{
    for (; *keys; keys++) {
        if (strcmp(*keys, name) == 0) return true;
    }
    return false;
}

static size_t count(const char *const *keys)
{
    size_t n = 0;
    while (keys[n])
        n++;
    return n;
}

/* Every row of the table is one of them; how many rows. */
static size_t rows_in(const hyper_table *t, const char *kind)
{
    const char *const *keys = block_keys(kind);
    assert_non_null(keys);
    for (size_t i = 0; i < t->n; i++) {
        if (!holds(keys, hyper_row(t, i)->name)) {
            print_error("%s: %s\n", kind, hyper_row(t, i)->name);
            assert_true(false);
        }
    }
    return t->n;
}

static void test_block_keys__are_those_of_the_tables(void **state)
{
    (void)state;
    assert_int_equal(rows_in(&layer_table, "layer"), count(block_keys("layer")));
    assert_int_equal(rows_in(&optimizer_table, "optimizer"), count(block_keys("optimizer")));
    assert_int_equal(rows_in(&schedule_table, "schedule"), count(block_keys("schedule")));
    assert_int_equal(rows_in(&metric_table, "metric"), count(block_keys("metric")));
    const size_t n_data = rows_in(&data_table, "dataset") + rows_in(&data_written_table, "dataset");
    assert_int_equal(n_data + 1, count(block_keys("dataset"))); /* and `split` */
    assert_null(block_keys("loss"));
}

static void test_block_keys__are_no_hyperparameters_of_builtins(void **state)
{
    (void)state;
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options o = { .no_environment = true, .dirs = dirs };
    registry *r;
    error err = { 0 };
    size_t n_checked = 0;
    assert_int_equal(registry_new(&o, &r, &err), OK);
    for (size_t i = 0; i < registry_count(r); i++) {
        const component *const *all;
        size_t n;
        if (registry_load_file(r, registry_file(r, i), &all, &n, &err) != OK) continue;
        for (size_t k = 0; k < n; k++, n_checked++) {
            const char *kind = all[k]->kind;
            if (hyper_check_keys(&all[k]->hypers, kind, block_keys(kind), &err) == OK) continue;
            print_error("%s %s: %s\n", kind, all[k]->id, err.text);
            assert_true(false);
        }
    }
    assert_true(n_checked > 40);
    registry_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_keys__are_those_of_the_tables),
        cmocka_unit_test(test_block_keys__are_no_hyperparameters_of_builtins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
