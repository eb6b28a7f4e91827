/* Which checkpoints of a folder stay, and what a checkpoint must agree with. */
#include "support/train_rig.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <stdio.h>
#include <string.h>

#define BLOBS \
    "data = { type = \"blobs\"; samples = 90; classes = 3; features = 4;" \
    " split = { seed = 3; validation = 0.2; test = 0.2; }; batch_size = 9; }; "
#define MODEL "model = ( { type = \"dense\"; units = 3; } ); loss = \"softmax_xent\"; "
#define ADAM "optimizer = { type = \"adam\"; lr = 0.02; }; "
#define EVERY_2 "checkpoint = { every = 2; unit = \"step\"; keep = 3; }; "

static bool has_step(const train_rig *g, unsigned step)
{
    char name[40];
    snprintf(name, sizeof name, "step-%08u.safetensors", step);
    return file_exists(rig_path(g, name));
}

static void test_checkpoints__that_a_run_went_back_behind_are_removed(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    const trainer_options o = { .checkpoint_dir = g.dir };
    rig_open(&g, BLOBS MODEL ADAM "train = { epochs = 4; " EVERY_2 "};", &o);
    rig_run(&g);
    assert_true(has_step(&g, 20) && has_step(&g, 22) && has_step(&g, 24));
    rig_open(&g, BLOBS MODEL ADAM "train = { epochs = 4; steps = 22; " EVERY_2 "};", &o);
    char path[200];
    snprintf(path, sizeof path, "%s", rig_path(&g, "step-00000020.safetensors"));
    assert_int_equal(trainer_restore(g.t, path, &g.err), OK);
    rig_run(&g);
    assert_int_equal(g.result.step, 22);
    assert_true(has_step(&g, 20) && has_step(&g, 22));
    assert_false(has_step(&g, 24));
    rig_open(&g, BLOBS MODEL ADAM "train = { epochs = 4; " EVERY_2 "};", &o);
    assert_int_equal(trainer_restore_latest(g.t, g.dir, &g.err), OK);
    assert_int_equal(trainer_steps_done(g.t), 22);
    rig_release(&g);
}

static void test_checkpoints__left_behind_do_not_count_as_kept(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    const trainer_options o = { .checkpoint_dir = g.dir };
    rig_open(&g, BLOBS MODEL ADAM "train = { epochs = 4; " EVERY_2 "};", &o);
    rig_run(&g);
    rig_open(&g, BLOBS MODEL ADAM "train = { epochs = 4; steps = 6; " EVERY_2 "};", &o);
    rig_run(&g); /* from the start, in the same folder */
    for (unsigned k = 1; k <= 24; k++)
        assert_int_equal(has_step(&g, k), k == 2 || k == 4 || k == 6);
    rig_release(&g);
}

/* -- what must agree -- */

/* A table of 40 rows, two columns and a class, in a folder of its own. */
static void write_table(train_rig *g, const char *folder, unsigned n_rows, double last)
{
    char path[200];
    assert_int_equal(file_make_dirs(rig_path(g, folder), &g->err), OK);
    snprintf(path, sizeof path, "%s/table.csv", rig_path(g, folder));
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fprintf(f, "a,b,class\n");
    for (unsigned i = 0; i < n_rows; i++)
        (void)fprintf(
            f, "%g,%g,c%u\n", i + 1 < n_rows ? 0.31 * i : last, 1.7 - 0.02 * i * i, i % 3);
    assert_int_equal(fclose(f), 0);
}

static const char *table_source(const train_rig *g, const char *folder, unsigned split_seed)
{
    static char source[1024];
    snprintf(source, sizeof source,
        "data = { type = \"csv\"; file = \"%s/table.csv\"; target = \"class\";"
        " split = { seed = %u; validation = 0.25; }; batch_size = 5; };" MODEL ADAM,
        rig_path(g, folder), split_seed);
    return source;
}

static void refuse(train_rig *g, const char *source, const char *what)
{
    rig_open(g, source, NULL);
    const status st = trainer_restore(g->t, rig_path(g, "a"), &g->err);
    if (st != E_CONFLICT || !strstr(g->err.text, what)) {
        GIVE_UP("expected %s\n     got %s: %s", what, status_name(st), g->err.text);
    }
}

static void save_some_steps(train_rig *g, const char *source)
{
    rig_open(g, source, NULL);
    rig_steps(g, 3);
    if (trainer_save(g->t, rig_path(g, "a"), &g->err) != OK) GIVE_UP("%s", g->err.text);
}

static void test_fingerprint__does_not_care_where_the_data_lie(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    write_table(&g, "here", 40, 2.385);
    write_table(&g, "there", 40, 2.385);
    write_table(&g, "less", 36, 2.385);
    write_table(&g, "other", 40, 2.386);
    save_some_steps(&g, table_source(&g, "here", 2));
    rig_open(&g, table_source(&g, "there", 2), NULL);
    if (trainer_restore(g.t, rig_path(&g, "a"), &g.err) != OK) GIVE_UP("%s", g.err.text);
    assert_int_equal(trainer_steps_done(g.t), 3);
    refuse(&g, table_source(&g, "less", 2), "not as they were: data.split, data.content;");
    refuse(&g, table_source(&g, "other", 2), "not as they were: data.content;");
    refuse(&g, table_source(&g, "here", 5), "not as they were: data, data.split;");
    rig_release(&g);
}

static void test_fingerprint__knows_schedule_and_early_stopping(void **state)
{
    static const struct {
        const char *source, *what;
    } others[] = {
        { BLOBS MODEL ADAM "schedule = \"linear\"; train = { early_stopping = {}; };",
            "not as they were: schedule;" },
        { BLOBS MODEL ADAM "train = { early_stopping = {}; };", "not as they were: schedule;" },
        { BLOBS MODEL ADAM "schedule = \"cosine\";", "not as they were: train.early_stopping;" },
        { BLOBS MODEL ADAM "schedule = \"cosine\"; train = { early_stopping = { monitor = "
                           "\"training.loss\"; }; };",
            "not as they were: train.early_stopping;" },
    };
    train_rig g;
    (void)state;
    rig_init(&g);
    save_some_steps(
        &g, BLOBS MODEL ADAM "schedule = \"cosine\"; train = { early_stopping = {}; };");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        refuse(&g, others[i].source, others[i].what);
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checkpoints__that_a_run_went_back_behind_are_removed),
        cmocka_unit_test(test_checkpoints__left_behind_do_not_count_as_kept),
        cmocka_unit_test(test_fingerprint__does_not_care_where_the_data_lie),
        cmocka_unit_test(test_fingerprint__knows_schedule_and_early_stopping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
