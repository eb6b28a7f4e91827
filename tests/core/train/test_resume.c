/* A run that is cut anywhere and goes on in a new trainer ends with the same bits; checkpoints of anything else are refused. */
#include "support/train_rig.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { N_CUTS = 20 };

#define DATA \
    "name = \"resume\"; seed = 7;\n" \
    "data = { type = \"blobs\"; samples = 260; classes = 4; features = 5; spread = 4.5;\n" \
    "  split = { seed = 3; validation = 0.2; test = 0.1; }; batch_size = 16; };\n" \
    "loss = { type = \"softmax_xent\"; };\n"
#define MODEL \
    "model = ( { type = \"dense\"; units = 16; }, \"tanh\", { type = \"dropout\"; rate = 0.3; }," \
    " { type = \"dense\"; units = 4; } );\n"
#define RUNNING \
    "model = ( { type = \"dense\"; units = 6; }, \"running\", \"tanh\", { type = \"dropout\"; " \
    "rate = 0.3; }, { type = \"dense\"; units = 4; } );\n"
#define TRAIN "epochs = 30; accumulate = 5; clip_norm = 0.7; clip_value = 0.2; l2 = 1e-3;\n"
#define CHECKPOINT "checkpoint = { every = 1; unit = \"step\"; keep = 1000; };\n"

/* 12 batches an epoch, the last of 6 samples; three steps of 5, 5 and 2 batches. */
static const char everything[] = DATA MODEL
    "metrics = ( \"accuracy\" ); optimizer = { type = \"adam\"; lr = 0.02; };\n"
    "schedule = { type = \"plateau\"; patience = 1; factor = 0.5; warmup = 6; };\n"
    "train = { replicas = 3; threads = 2; validate_every = 4; validate_unit = \"step\";\n"
    "  train_eval = 50; early_stopping = { patience = 5; min_delta = 0.02; }; " TRAIN CHECKPOINT
    "};\n";

static const char strips[] = DATA MODEL
    "metrics = ( \"accuracy\" ); optimizer = { type = \"sgd\"; lr = 0.2; momentum = 0.8; };\n"
    "schedule = ( { type = \"cosine\"; }, { type = \"linear\"; target = \"model.dropout1.rate\"; } "
    ");\n"
    "train = { replicas = 1; early_stopping = { rule = \"up\";"
    " strip = 1; strips = 4; }; validate_unit = \"step\"; validate_every = 2; " TRAIN CHECKPOINT
    "};\n";

static const char running[] = DATA RUNNING
    "optimizer = { type = \"lookahead_like\"; inner = { type = \"adam\"; lr = 0.02; };"
    " pace = { type = \"plateau\"; patience = 3; }; };\n"
    "train = { early_stopping = { patience = 7; every = 2; }; " TRAIN CHECKPOINT "};\n";

static const char averaged[] = DATA MODEL
    "optimizer = { type = \"averaged\"; lr = 0.1; };\n"
    "train = { replicas = 2; early_stopping = { patience = 20; }; " TRAIN CHECKPOINT "};\n";

static const char recalibrated[] =
    DATA RUNNING "optimizer = { type = \"averaged\"; lr = 0.1; };\n"
                 "train = { validate_every = 2; validate_unit = \"step\"; early_stopping = { "
                 "patience = 60; }; " TRAIN CHECKPOINT "};\n";

static const char own_state[] =
    DATA MODEL "optimizer = ( { type = \"keeper\"; lr = 0.2; match = \"role:bias\"; },"
               " { type = \"lookahead_like\"; inner = { type = \"keeper\"; lr = 0.1; }; } );\n"
               "train = { " TRAIN CHECKPOINT "};\n";

static const char selective[] = DATA MODEL
    "optimizer = ( { type = \"selective\"; match = \"dense1.*\"; largest = 5; mode = \"some\"; },\n"
    " { type = \"selective_outer\"; inner = { type = \"selective_tensor\"; momentum = 0.75; }; } "
    ");\n"
    "train = { " TRAIN CHECKPOINT "};\n";

static const char perturbed[] = DATA RUNNING
    "optimizer = { type = \"sam_like\"; inner = { type = \"sgd\"; lr = 0.1; momentum = 0.9; }; };\n"
    "train = { " TRAIN CHECKPOINT "};\n";

/* 260 rows are 7 streams of 37 or 38 steps: 8 windows of 5, the last hardly filled; three steps of 3, 3 and 2 windows. */
static const char streams[] =
    "name = \"resume\"; seed = 7; data = { type = \"planted\"; samples = 300; features = 4; "
    "classes = "
    "3;\n"
    "  weighted = true; window = 5; batch_size = 7; split = { validation = 40; test = 0; }; };\n"
    "model = ( { type = \"lstm\"; units = 9; recurrent_dropout = 0.2; }, { type = \"gru\"; units = "
    "6; "
    "},\n"
    "  { type = \"dense\"; units = 3; } ); loss = \"softmax_xent\";\n"
    "optimizer = { type = \"sam_like\"; inner = { type = \"adam\"; lr = 0.01; }; };\n"
    "train = { replicas = 3; threads = 2; epochs = 8; accumulate = 3; clip_norm = 0.7; "
    "weight_noise = "
    "0.01;\n"
    "  validate_every = 2; validate_unit = \"step\"; " CHECKPOINT "};\n";

static const char sequences[] =
    "name = \"resume\"; seed = 7; data = { type = \"ragged\"; samples = 61; longest = 9; weighted "
    "= "
    "true;\n"
    "  batch_size = 4; bucket = 3; split = { validation = 9; test = 0; }; };\n"
    "model = ( { type = \"lstm\"; units = 7; }, \"dropout\", { type = \"dense\"; units = 1; } );\n"
    "loss = \"mse\"; optimizer = { type = \"adam\"; lr = 0.02; };\n"
    "train = { replicas = 2; epochs = 4; accumulate = 2; " CHECKPOINT "};\n";

static unsigned seed;

static void save(train_rig *g, const char *path)
{
    if (trainer_save(g->t, path, &g->err) != OK) GIVE_UP("%s", g->err.text);
}

static void restore(train_rig *g, const char *path)
{
    if (trainer_restore(g->t, path, &g->err) != OK) GIVE_UP("%s", g->err.text);
}

/* Restores step k in a new trainer of a new registry, runs to the end, saves what came of it. */
static run_result go_on(const char *source, const char *checkpoint, const char *end)
{
    train_rig g;
    rig_init(&g);
    rig_open(&g, source, NULL);
    restore(&g, checkpoint);
    rig_run(&g);
    save(&g, end);
    const run_result result = g.result;
    rig_release(&g);
    return result;
}

static const char *step_path(const train_rig *g, uint64_t step)
{
    char name[64];
    snprintf(name, sizeof name, "checkpoints/step-%08llu.safetensors", (unsigned long long)step);
    return rig_path(g, name);
}

/* Runs once without checkpoints and once with one at every step. */
static uint64_t run_whole(train_rig *g, const char *source)
{
    assert_int_equal(file_make_dirs(rig_path(g, "checkpoints"), &g->err), OK);
    const trainer_options o = { .checkpoint_dir = rig_path(g, "checkpoints") };
    char dir[200];
    snprintf(dir, sizeof dir, "%s", o.checkpoint_dir);
    const trainer_options kept = { .checkpoint_dir = dir };
    rig_open(g, source, NULL);
    rig_run(g);
    save(g, rig_path(g, "whole"));
    rig_open(g, source, &kept);
    rig_run(g);
    save(g, rig_path(g, "cut"));
    assert_true(rig_same_state(rig_path(g, "whole"), rig_path(g, "cut")));
    return g->result.step;
}

static void check_resume(const char *source, size_t n_cuts, stop_reason reason)
{
    train_rig g;
    rig_init(&g);
    const uint64_t n_steps = run_whole(&g, source);
    assert_true(n_steps >= 20);
    assert_int_equal(g.result.stop, reason);
    for (size_t i = 0; i < n_cuts; i++) {
        const uint64_t k = i == 0 ? 1 : i == 1 ? n_steps - 1 : 1 + (uint64_t)rand() % (n_steps - 1);
        const run_result r = go_on(source, step_path(&g, k), rig_path(&g, "cut"));
        const bool same = rig_same_state(rig_path(&g, "whole"), rig_path(&g, "cut"));
        if (!same || r.step != n_steps || r.stop != g.result.stop ||
            r.best_step != g.result.best_step || r.best_value != g.result.best_value) {
            GIVE_UP("resumed at step %llu of %llu (ASSAY_TEST_SEED=%u)", (unsigned long long)k,
                (unsigned long long)n_steps, seed);
        }
    }
    rig_release(&g);
}

static void test_resume__gives_the_same_bits_with_everything_on(void **state)
{
    (void)state;
    check_resume(everything, N_CUTS, STOP_EARLY);
}

static void test_resume__gives_the_same_bits_with_rule_up_and_driven_dropout(void **state)
{
    (void)state;
    check_resume(strips, 6, STOP_EARLY);
}

static void test_resume__keeps_buffers_inner_optimizers_and_inner_schedules(void **state)
{
    (void)state;
    check_resume(running, 6, STOP_EPOCHS);
}

static void test_resume__keeps_both_points_of_eval_weights(void **state)
{
    (void)state;
    check_resume(averaged, 6, STOP_EPOCHS);
}

static void test_resume__takes_statistics_of_eval_weights_anew(void **state)
{
    (void)state;
    check_resume(recalibrated, 5, STOP_EPOCHS);
}

static void test_resume__keeps_what_a_plugin_keeps_itself_nested_or_not(void **state)
{
    (void)state;
    check_resume(own_state, 6, STOP_EPOCHS);
}

static void test_resume__keeps_slots_of_some_tensors(void **state)
{
    (void)state;
    check_resume(selective, 4, STOP_EPOCHS);
}

static void test_resume__goes_on_after_closures(void **state)
{
    (void)state;
    check_resume(perturbed, 6, STOP_EPOCHS);
}

static void test_resume__keeps_what_streams_carry(void **state)
{
    (void)state;
    check_resume(streams, 8, STOP_EPOCHS);
}

static void test_resume__finds_its_place_among_sequences(void **state)
{
    (void)state;
    check_resume(sequences, 6, STOP_EPOCHS);
}

static void test_resume__may_be_given_more_epochs(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, DATA MODEL "optimizer = \"adam\"; train = { epochs = 2; };", NULL);
    rig_run(&g);
    assert_int_equal(g.result.stop, STOP_EPOCHS);
    save(&g, rig_path(&g, "a"));
    rig_open(&g, DATA MODEL "optimizer = \"adam\"; train = { epochs = 3; };", NULL);
    restore(&g, rig_path(&g, "a"));
    rig_run(&g);
    assert_int_equal(g.result.stop, STOP_EPOCHS);
    assert_int_equal(g.result.step, 36);
    rig_release(&g);
}

/* -- refusals -- */

#define SMALL DATA MODEL "optimizer = { type = \"adam\"; lr = 0.02; };"

static void refuse(train_rig *g, const char *path, status st, const char *message)
{
    g->err = (error){ 0 };
    const status got = trainer_restore(g->t, path, &g->err);
    if (got != st || !strstr(g->err.text, message)) {
        GIVE_UP("expected %s: %s\n     got %s: %s", status_name(st), message, status_name(got),
            g->err.text);
    }
}

static void refuse_from(train_rig *g, const char *other_source)
{
    rig_open(g, SMALL, NULL);
    rig_steps(g, 3);
    save(g, rig_path(g, "a"));
    rig_open(g, other_source, NULL);
    refuse(g, rig_path(g, "a"), E_CONFLICT, "it belongs to another run");
    rig_run(g); /* and goes on as if nothing had been */
}

static void test_resume__refuses_checkpoints_of_another_run(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    refuse_from(
        &g, DATA MODEL "optimizer = { type = \"adam\"; lr = 0.03; }; train = { epochs = 1; };");
    refuse_from(&g, DATA MODEL "optimizer = { type = \"sgd\"; }; train = { epochs = 1; };");
    refuse_from(
        &g, DATA RUNNING "optimizer = { type = \"adam\"; lr = 0.02; }; train = { epochs = 1; };");
    refuse_from(&g, SMALL "train = { epochs = 1; accumulate = 2; };");
    refuse_from(&g, SMALL "train = { epochs = 1; replicas = 2; };");
    rig_release(&g);
}

static void copy_damaged(train_rig *g, const char *to, size_t keep, size_t flip)
{
    char *data;
    size_t n;
    assert_int_equal(file_read(rig_path(g, "a"), &data, &n, &g->err), OK);
    if (flip) data[n - flip] = (char)(data[n - flip] ^ 4);
    assert_int_equal(file_write_atomic(to, data, keep < n ? keep : n, &g->err), OK);
    free(data);
}

static void test_resume__refuses_damaged_files(void **state)
{
    train_rig g;
    struct stat s;
    (void)state;
    rig_init(&g);
    rig_open(&g, SMALL, NULL);
    rig_steps(&g, 3);
    save(&g, rig_path(&g, "a"));
    assert_int_equal(stat(rig_path(&g, "a"), &s), 0);
    copy_damaged(&g, rig_path(&g, "b"), (size_t)s.st_size - 5, 0);
    refuse(&g, rig_path(&g, "b"), E_CORRUPT, "b: ");
    copy_damaged(&g, rig_path(&g, "b"), 100, 0);
    refuse(&g, rig_path(&g, "b"), E_CORRUPT, "b: ");
    copy_damaged(&g, rig_path(&g, "b"), 0, 0);
    refuse(&g, rig_path(&g, "b"), E_CORRUPT, "b: ");
    copy_damaged(&g, rig_path(&g, "b"), SIZE_MAX, 77);
    refuse(&g, rig_path(&g, "b"), E_CORRUPT, "checksum");
    refuse(&g, rig_path(&g, "c"), E_IO, "c: ");
    refuse(&g, g.dir, E_IO, g.dir);
    rig_release(&g);
}

/* The checkpoint `a` without one array, under a checksum of its own. */
static void copy_without(train_rig *g, const char *to, const char *name)
{
    safetensors *f = NULL;
    array kept[128];
    size_t n = 0;
    assert_int_equal(safetensors_open(rig_path(g, "a"), &f, &g->err), OK);
    for (size_t i = 0; i < safetensors_count(f); i++) {
        assert_true(n < 128);
        if (strcmp(safetensors_at(f, i)->name, name) != 0) kept[n++] = *safetensors_at(f, i);
    }
    assert_int_equal(n + 1, safetensors_count(f));
    const array_note notes[] = { { "assay.fingerprint",
        safetensors_metadata(f, "assay.fingerprint") } };
    if (safetensors_write(to, kept, n, notes, 1, &g->err) != OK) GIVE_UP("%s", g->err.text);
    safetensors_close(f);
}

static void test_resume__refuses_what_lacks_an_array(void **state)
{
    static const char *const names[] = { "weights/dense1.weight", "optimizer/0/dense2.bias/m",
        "early_stop/curve", "early_stop/training", "early_stop/state", "state/counts", "state/sums",
        "best/dense1.bias" };
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, SMALL "train = { epochs = 2; };", NULL);
    rig_run(&g);
    save(&g, rig_path(&g, "a"));
    save(&g, rig_path(&g, "before"));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        copy_without(&g, rig_path(&g, "b"), names[i]);
        refuse(&g, rig_path(&g, "b"), E_MISSING, names[i]);
        refuse(&g, rig_path(&g, "b"), E_MISSING, "b: ");
    }
    rig_release(&g);
}

static void test_resume__leaves_the_run_as_it_was_when_it_refuses(void **state)
{
    static const char *const names[] = { "optimizer/0/dense2.bias/m", "best/dense1.bias",
        "early_stop/state" };
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, SMALL "train = { epochs = 2; };", NULL);
    rig_run(&g);
    save(&g, rig_path(&g, "a"));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        copy_without(&g, rig_path(&g, "b"), names[i]);
        rig_open(&g, SMALL "train = { epochs = 2; };", NULL);
        rig_steps(&g, 3);
        save(&g, rig_path(&g, "before"));
        refuse(&g, rig_path(&g, "b"), E_MISSING, names[i]);
        save(&g, rig_path(&g, "after"));
        assert_true(rig_same_state(rig_path(&g, "before"), rig_path(&g, "after")));
    }
    rig_release(&g);
}

static void test_resume__says_when_a_folder_has_no_checkpoint(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, SMALL, NULL);
    assert_int_equal(trainer_restore_latest(g.t, g.dir, &g.err), E_MISSING);
    assert_non_null(strstr(g.err.text, "there is no checkpoint to resume from"));
    assert_int_equal(trainer_restore_latest(g.t, rig_path(&g, "nowhere"), &g.err), E_MISSING);
    rig_release(&g);
}

static void test_resume__falls_back_to_the_older_checkpoint_when_the_newest_is_damaged(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    run_whole(&g, everything);
    save(&g, rig_path(&g, "a"));
    for (uint64_t k = 21; k <= g.result.step; k++)
        copy_damaged(&g, step_path(&g, k), 0, 0);
    copy_damaged(&g, step_path(&g, 23), 300, 0); /* MAX_LISTED are looked at, newest first */
    for (uint64_t k = 24; k <= g.result.step; k++)
        assert_int_equal(unlink(step_path(&g, k)), 0);
    const run_result whole = g.result;
    rig_open(&g, everything, NULL);
    if (trainer_restore_latest(g.t, rig_path(&g, "checkpoints"), &g.err) != OK) {
        GIVE_UP("%s", g.err.text);
    }
    assert_int_equal(trainer_steps_done(g.t), 20);
    assert_non_null(strstr(g.notes.s, "passing over a damaged checkpoint"));
    assert_non_null(strstr(g.notes.s, "step-00000023"));
    rig_run(&g);
    assert_int_equal(g.result.step, whole.step);
    save(&g, rig_path(&g, "cut"));
    assert_true(rig_same_state(rig_path(&g, "whole"), rig_path(&g, "cut")));
    rig_release(&g);
}

static void test_resume__keeps_the_last_checkpoints_only(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    const trainer_options o = { .checkpoint_dir = g.dir };
    rig_open(&g,
        SMALL "train = { epochs = 1; checkpoint = { every = 2; unit = \"step\"; keep = 3; }; };",
        &o);
    rig_run(&g);
    assert_int_equal(g.result.step, 12);
    for (int k = 1; k <= 12; k++) {
        char name[40];
        snprintf(name, sizeof name, "step-%08d.safetensors", k);
        assert_int_equal(file_exists(rig_path(&g, name)), k == 8 || k == 10 || k == 12);
    }
    char dir[200];
    snprintf(dir, sizeof dir, "%s", rig_path(&g, "many"));
    const trainer_options many = { .checkpoint_dir = dir };
    assert_int_equal(file_make_dirs(many.checkpoint_dir, &g.err), OK);
    rig_open(&g,
        SMALL "train = { epochs = 6; checkpoint = { every = 1; unit = \"step\"; keep = 66; }; };",
        &many);
    rig_run(&g);
    assert_int_equal(g.result.step, 72);
    for (int k = 1; k <= 72; k++) {
        char name[48];
        snprintf(name, sizeof name, "many/step-%08d.safetensors", k);
        assert_int_equal(file_exists(rig_path(&g, name)), k > 72 - 66);
    }
    rig_release(&g);
}

static void test_resume__an_interrupted_run_goes_on(void **state)
{
    train_rig g;
    atomic_int stop = 1;
    (void)state;
    rig_init(&g);
    run_whole(&g, everything);
    const trainer_options o = { .interrupt = &stop };
    rig_open(&g, everything, &o);
    rig_run(&g);
    assert_int_equal(g.result.stop, STOP_INTERRUPTED);
    assert_int_equal(g.result.step, 0);
    save(&g, rig_path(&g, "a"));
    go_on(everything, rig_path(&g, "a"), rig_path(&g, "cut"));
    assert_true(rig_same_state(rig_path(&g, "whole"), rig_path(&g, "cut")));
    rig_release(&g);
}

int main(void)
{
    const char *given = getenv("ASSAY_TEST_SEED");
    seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("ASSAY_TEST_SEED=%u\n", seed);
    srand(seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume__gives_the_same_bits_with_everything_on),
        cmocka_unit_test(test_resume__gives_the_same_bits_with_rule_up_and_driven_dropout),
        cmocka_unit_test(test_resume__keeps_buffers_inner_optimizers_and_inner_schedules),
        cmocka_unit_test(test_resume__keeps_both_points_of_eval_weights),
        cmocka_unit_test(test_resume__takes_statistics_of_eval_weights_anew),
        cmocka_unit_test(test_resume__keeps_what_a_plugin_keeps_itself_nested_or_not),
        cmocka_unit_test(test_resume__keeps_slots_of_some_tensors),
        cmocka_unit_test(test_resume__goes_on_after_closures),
        cmocka_unit_test(test_resume__keeps_what_streams_carry),
        cmocka_unit_test(test_resume__finds_its_place_among_sequences),
        cmocka_unit_test(test_resume__may_be_given_more_epochs),
        cmocka_unit_test(test_resume__refuses_checkpoints_of_another_run),
        cmocka_unit_test(test_resume__refuses_damaged_files),
        cmocka_unit_test(test_resume__refuses_what_lacks_an_array),
        cmocka_unit_test(test_resume__leaves_the_run_as_it_was_when_it_refuses),
        cmocka_unit_test(test_resume__says_when_a_folder_has_no_checkpoint),
        cmocka_unit_test(
            test_resume__falls_back_to_the_older_checkpoint_when_the_newest_is_damaged),
        cmocka_unit_test(test_resume__keeps_the_last_checkpoints_only),
        cmocka_unit_test(test_resume__an_interrupted_run_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
