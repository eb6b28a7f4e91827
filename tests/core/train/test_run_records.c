/* Files of records stay readable: after a failed write, and when a run goes on with other metrics. */
#include "support/train_rig.h"

#include "base/file.h"
#include "train/run_records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define RUN \
    "data = { type = \"blobs\"; samples = 90; classes = 3; features = 4; split = { validation = " \
    "0.2;" \
    " test = 0.2; }; batch_size = 9; }; loss = \"softmax_xent\"; optimizer = \"sgd\";" \
    " model = ( { type = \"dense\"; units = 3; } ); "

/* Files may grow to n bytes and no further. */
static void limit_files(rlim_t n)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = n;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static char *read_all(const char *path)
{
    char *all;
    size_t n;
    assert_int_equal(file_read(path, &all, &n, NULL), OK);
    return all;
}

static void emit(run_records *f, uint64_t step, double loss)
{
    const record_value v = { .name = "training.loss", .value = loss };
    const record r = { .kind = RECORD_EPOCH, .step = step, .values = &v, .n_values = 1 };
    run_records_emit(f, &r);
}

static void test_records__have_no_part_of_a_line_that_could_not_be_written(void **state)
{
    train_rig g;
    run_records f = { 0 };
    (void)state;
    rig_init(&g);
    rig_open(&g, RUN, NULL);
    f.dir = g.dir;
    assert_int_equal(run_records_open(&f, g.t, false, &g.err), OK);
    emit(&f, 6, 0.731);
    char *before = read_all(rig_path(&g, "metrics.jsonl"));
    char *table = read_all(rig_path(&g, "metrics.csv"));
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    limit_files(strlen(before) + 11);
    emit(&f, 12, 0.6502);
    limit_files(strlen(table) + 3);
    emit(&f, 13, 0.6502);
    limit_files(RLIM_INFINITY);
    (void)signal(SIGXFSZ, old);
    emit(&f, 18, 0.5);
    assert_int_equal(run_records_close(&f, &g.err), E_IO); /* the run's end tells of it */
    char *after = read_all(rig_path(&g, "metrics.jsonl"));
    char *rows = read_all(rig_path(&g, "metrics.csv"));
    assert_memory_equal(after, before, strlen(before));
    assert_true(strncmp(after + strlen(before), "{\"record\": \"epoch\", \"step\": 18", 30) == 0);
    assert_null(strstr(after, "0.6502"));
    assert_memory_equal(rows, table, strlen(table));
    assert_non_null(strstr(rows, "\n18,"));
    assert_null(strstr(rows, "\n13,1"));
    free(before);
    free(table);
    free(after);
    free(rows);
    run_records_release(&f);
    rig_release(&g);
}

static void test_table__gets_the_columns_of_the_run_that_goes_on(void **state)
{
    static const char old[] =
        "step,epoch,wall_s,training.loss,validation.loss,validation.accuracy\n"
        "6,1,0.010,0.731,0.82,0.5\n12,2,0.020,0.5,,\n13,2.1,0.0";
    static const char expected[] =
        "step,epoch,wall_s,training.loss,lr,validation.loss,validation.accuracy,"
        "validation.accuracy_se\n6,1,0.010,0.731,,0.82,0.5,\n12,2,0.020,0.5,,,,\n";
    train_rig g;
    run_records f = { 0 };
    (void)state;
    rig_init(&g);
    rig_open(&g, RUN "metrics = \"accuracy\"; schedule = \"constant\";", NULL);
    rig_steps(&g, 13);
    assert_int_equal(file_write_atomic(rig_path(&g, "metrics.csv"), old, strlen(old), NULL), OK);
    f.dir = g.dir;
    if (run_records_open(&f, g.t, true, &g.err) != OK) GIVE_UP("%s", g.err.text);
    assert_int_equal(run_records_close(&f, &g.err), OK);
    char *got = read_all(rig_path(&g, "metrics.csv"));
    assert_string_equal(got, expected);
    free(got);
    run_records_release(&f);
    rig_release(&g);
}

static void test_metrics__need_names_of_their_own_that_fit_a_table(void **state)
{
    static const char *const names[] = { "a,b", "a\\\"b", "a\\nb", "" };
    char source[1024];
    train_rig g;
    (void)state;
    rig_init(&g);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(source, sizeof source,
            RUN "\nmetrics = ( { type = \"accuracy\"; name = \"%s\"; } );", names[i]);
        rig_refuse(&g, source, E_RANGE, "x.cfg:2: metrics: name: expected one without commas");
    }
    rig_refuse(&g,
        RUN "metrics = ( \"accuracy\",\n { type = \"top_k\"; k = 2; name = \"accuracy_se\"; } );",
        E_CONFLICT, "x.cfg:2: metrics: there are two values named \"accuracy_se\"");
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records__have_no_part_of_a_line_that_could_not_be_written),
        cmocka_unit_test(test_table__gets_the_columns_of_the_run_that_goes_on),
        cmocka_unit_test(test_metrics__need_names_of_their_own_that_fit_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
