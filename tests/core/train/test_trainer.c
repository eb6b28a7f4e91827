/* Whole runs: why they end, which weights they end with, what they say, and what a config is refused for. */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA \
    "data = { type = \"blobs\"; samples = 200; classes = 3; features = 4; spread = 6.0;" \
    " split = { validation = 0.2; test = 0.2; }; batch_size = 10; }; "
#define LAYERS \
    "model = ( { type = \"dense\"; units = 20; }, \"tanh\", { type = \"dense\"; units = 3; } ); "
#define LOSS "loss = \"softmax_xent\"; metrics = \"accuracy\"; "
#define ADAM "optimizer = { type = \"adam\"; lr = 0.05; }; "
#define RUN DATA LAYERS LOSS ADAM
#define TRAIN(inside) RUN "train = { " inside " };"

static void expect_stop(
    train_rig *g, const char *source, const trainer_options *o, stop_reason reason, uint64_t step)
{
    rig_open(g, source, o);
    rig_run(g);
    if (g->result.stop != reason || (step && g->result.step != step)) {
        GIVE_UP("stopped at %llu: %s", (unsigned long long)g->result.step,
            stop_reason_name(g->result.stop));
    }
}

static void test_run__ends_after_epochs_or_steps_whichever_is_less(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    expect_stop(&g, TRAIN("epochs = 3;"), NULL, STOP_EPOCHS, 36);
    assert_int_equal(g.result.epoch, 3);
    assert_int_equal(g.n_checks, 3);
    expect_stop(&g, TRAIN("epochs = 3; steps = 7;"), NULL, STOP_EPOCHS, 7);
    assert_int_equal(g.n_checks, 1); /* of the last weights */
    expect_stop(&g, TRAIN("epochs = 1; steps = 70;"), NULL, STOP_EPOCHS, 12);
    expect_stop(&g, TRAIN("epochs = 0; steps = 70;"), NULL, STOP_EPOCHS, 70);
    expect_stop(&g, TRAIN("epochs = 3; accumulate = 5;"), NULL, STOP_EPOCHS, 9);
    rig_release(&g);
}

static void test_run__checks_every_so_many_epochs_or_steps(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    expect_stop(&g, TRAIN("epochs = 5; validate_every = 2;"), NULL, STOP_EPOCHS, 60);
    assert_int_equal(g.n_checks, 3);
    expect_stop(&g, TRAIN("epochs = 2; validate_every = 5; validate_unit = \"step\";"), NULL,
        STOP_EPOCHS, 24);
    assert_int_equal(g.n_checks, 5); /* 5 10 15 20, and the end */
    rig_release(&g);
}

static void test_run__ends_with_the_best_weights_when_it_stops_early(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    expect_stop(
        &g, TRAIN("epochs = 500; early_stopping = { patience = 4; };"), NULL, STOP_EARLY, 0);
    assert_int_equal(g.result.step, g.result.best_step + 4 * 12);
    assert_true(trainer_has_best(g.t));
    assert_true(g.validation_loss == g.result.best_value);
    const uint64_t best = g.result.best_step;
    const double lowest = g.result.best_value;
    assert_true(isfinite(g.test_loss));
    assert_string_equal(g.result.monitor, "validation.loss");
    expect_stop(&g,
        TRAIN("epochs = 500; early_stopping = { patience = 4; restore_best = false; };"), NULL,
        STOP_EARLY, 0);
    assert_int_equal(g.result.best_step, best);
    assert_true(g.result.best_value == lowest && g.validation_loss > lowest);
    rig_release(&g);
}

static void test_run__the_best_point_includes_running_statistics(void **state)
{
    static const char with_statistics[] =
        DATA "model = ( { type = \"dense\"; units = 20; }, \"running\", \"tanh\", { type = "
             "\"dense\"; units = 3; } ); " LOSS ADAM
             "train = { epochs = 500; early_stopping = { patience = 4; }; };";
    train_rig g, other;
    (void)state;
    rig_init(&g);
    rig_init(&other);
    expect_stop(&g, with_statistics, NULL, STOP_EARLY, 0);
    assert_true(g.validation_loss == g.result.best_value);
    assert_int_equal(trainer_save_weights(g.t, true, rig_path(&g, "best"), &g.err), OK);
    rig_open(&other, with_statistics, NULL);
    rig_steps(&other, (size_t)g.result.best_step);
    safetensors *f = NULL;
    const void *mean;
    assert_int_equal(safetensors_open(rig_path(&g, "best"), &f, &g.err), OK);
    assert_int_equal(safetensors_get(f, "running1.mean", ARRAY_F32, 1, &mean, &g.err), OK);
    assert_memory_equal(mean, trainer_model(other.t)->b, sizeof(float));
    assert_memory_not_equal(mean, trainer_model(g.t)->b, sizeof(float));
    safetensors_close(f);
    rig_release(&other);
    rig_release(&g);
}

static void test_run__best_weights_are_those_of_that_step(void **state)
{
    train_rig g, other;
    char source[1024];
    (void)state;
    rig_init(&g);
    rig_init(&other);
    expect_stop(
        &g, TRAIN("epochs = 500; early_stopping = { patience = 4; };"), NULL, STOP_EARLY, 0);
    assert_int_equal(trainer_save_weights(g.t, true, rig_path(&g, "best"), &g.err), OK);
    assert_int_equal(trainer_save_weights(g.t, false, rig_path(&g, "last"), &g.err), OK);
    rig_open(&other, RUN, NULL);
    rig_steps(&other, (size_t)g.result.best_step);
    snprintf(source, sizeof source, RUN "train = { init_from = \"%s\"; };", rig_path(&g, "best"));
    rig_open(&g, source, NULL);
    assert_memory_equal(rig_tensor(&g, "dense1.weight", NULL),
        rig_tensor(&other, "dense1.weight", NULL), 80 * sizeof(float));
    snprintf(source, sizeof source, RUN "train = { init_from = \"%s\"; };", rig_path(&g, "last"));
    rig_open(&g, source, NULL);
    assert_memory_not_equal(rig_tensor(&g, "dense1.weight", NULL),
        rig_tensor(&other, "dense1.weight", NULL), 80 * sizeof(float));
    rig_release(&other);
    rig_release(&g);
}

static void test_run__ends_at_its_target(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    expect_stop(&g,
        TRAIN("epochs = 500; early_stopping = { monitor = \"validation.accuracy\"; target = 0.6; "
              "patience = 400; };"),
        NULL, STOP_TARGET, 0);
    assert_true(g.result.best_value >= 0.6);
    assert_string_equal(g.result.monitor, "validation.accuracy");
    expect_stop(&g,
        TRAIN("epochs = 500; early_stopping = { monitor = \"training.loss\"; target = 0.9; "
              "patience = 400; };"),
        NULL, STOP_TARGET, 0);
    assert_true(g.result.best_value <= 0.9);
    expect_stop(&g,
        TRAIN("epochs = 500; train_eval = 60; early_stopping = { monitor = \"training.accuracy\"; "
              "target = 0.6; patience = 400; };"),
        NULL, STOP_TARGET, 0);
    rig_release(&g);
}

static void test_run__ends_when_its_time_is_up_or_the_user_says_so(void **state)
{
    train_rig g;
    atomic_int stop = 1;
    const trainer_options o = { .interrupt = &stop };
    (void)state;
    rig_init(&g);
    expect_stop(&g, TRAIN("epochs = 1000000; time_limit = 1e-9;"), NULL, STOP_TIME, 0);
    assert_true(g.result.step < 2);
    expect_stop(&g, RUN, &o, STOP_INTERRUPTED, 0);
    assert_int_equal(g.result.step, 0);
    assert_int_equal(g.n_checks, 0);
    rig_release(&g);
}

static void test_run__dry_is_two_steps_of_everything(void **state)
{
    train_rig g;
    const trainer_options o = { .dry_run = true };
    (void)state;
    rig_init(&g);
    expect_stop(&g, RUN, &o, STOP_EPOCHS, 2);
    assert_true(isfinite(g.validation_loss) && isfinite(g.test_loss));
    rig_release(&g);
}

static void test_run__overfits_one_batch(void **state)
{
    train_rig g;
    const trainer_options o = { .overfit_one_batch = true };
    (void)state;
    rig_init(&g);
    expect_stop(&g, TRAIN("epochs = 200;"), &o, STOP_EPOCHS, 200);
    assert_true(rig_last_loss(&g) < 0.05);
    assert_int_equal(rig_spent(&g)->samples_forward, 200 * 10);
    rig_release(&g);
}

static void test_run__does_not_depend_on_being_watched_or_checked(void **state)
{
    train_rig g;
    float kept[80];
    (void)state;
    rig_init(&g);
    rig_open(&g, RUN, NULL);
    rig_steps(&g, 36);
    memcpy(kept, rig_tensor(&g, "dense1.weight", NULL), sizeof kept);
    expect_stop(&g,
        TRAIN("epochs = 3; validate_every = 1; validate_unit = \"step\"; train_eval = 50; "
              "log_every = 1;"),
        NULL, STOP_EPOCHS, 36);
    assert_memory_equal(rig_tensor(&g, "dense1.weight", NULL), kept, sizeof kept);
    rig_release(&g);
}

static void test_run__reports_the_mean_loss_over_what_counts(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    /* batches of one sample, many of weight 0: the epoch's mean is over the others */
    rig_open(&g,
        "data = { type = \"planted\"; samples = 21; features = 4; classes = 3; batch_size = 1; "
        "shuffle = false;"
        " class_weights = ( 0.0, 0.0, 1.0 ); split = { validation = 0; test = 0; }; };" LAYERS
        "loss = \"softmax_xent\"; optimizer = { type = \"probe\"; lr = 0.0; }; train = { epochs = "
        "1; };",
        NULL);
    rig_run(&g);
    const double in_ones = g.training_loss;
    rig_open(&g,
        "data = { type = \"planted\"; samples = 21; features = 4; classes = 3; batch_size = "
        "\"all\";"
        " class_weights = ( 0.0, 0.0, 1.0 ); split = { validation = 0; test = 0; }; };" LAYERS
        "loss = \"softmax_xent\"; optimizer = { type = \"probe\"; lr = 0.0; }; train = { epochs = "
        "1; };",
        NULL);
    rig_run(&g);
    expect_near(in_ones, g.training_loss, 1e-6);
    rig_release(&g);
}

static void test_run__judges_with_and_without_class_weights_alike(void **state)
{
    static const char *const weights[] = { "", "class_weights = ( 0.25, 3.5, 1.125 ); " };
    double training[2], validation[2];
    train_rig g;
    (void)state;
    rig_init(&g);
    for (int i = 0; i < 2; i++) {
        char source[1024];
        snprintf(source, sizeof source,
            "data = { type = \"blobs\"; samples = 200; classes = 3; features = 4; spread = 6.0; %s"
            "split = { validation = 0.2; test = 0.2; }; batch_size = 10; }; " LAYERS LOSS
            "optimizer = { type = \"probe\"; lr = 0.0; }; train = { epochs = 1; };",
            weights[i]);
        rig_open(&g, source, NULL);
        rig_run(&g);
        training[i] = g.training_loss;
        validation[i] = g.validation_loss;
    }
    assert_true(validation[0] == validation[1]);
    assert_false(training[0] == training[1]);
    rig_release(&g);
}

static void test_train__names_its_groups_among_the_known_keys(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_refuse(&g, TRAIN("qqq = 1;"), E_UNKNOWN, ", early_stopping, checkpoint");
    rig_release(&g);
}

static void test_run__monitors_the_training_loss_since_the_last_check(void **state)
{
    static const char still[] =
        DATA LAYERS LOSS "optimizer = { type = \"probe\"; lr = 0.0; };"
                         "train = { epochs = 2; validate_every = 3; validate_unit = \"step\";"
                         " early_stopping = { monitor = \"training.loss\"; patience = 100; }; };";
    train_rig g;
    double least = INFINITY;
    (void)state;
    rig_init(&g);
    rig_open(&g, still, NULL);
    for (int check = 0; check < 8; check++) {
        double sum = 0;
        for (int step = 0; step < 3; step++) {
            rig_steps(&g, 1);
            sum += rig_last_loss(&g);
        }
        least = sum / 3 < least ? sum / 3 : least;
    }
    rig_open(&g, still, NULL);
    rig_run(&g);
    expect_near(g.result.best_value, least, 1e-12);
    rig_release(&g);
}

static void test_run__reports_the_loss_of_each_epoch_by_itself(void **state)
{
    train_rig g;
    double sum = 0;
    (void)state;
    rig_init(&g);
    rig_open(&g, RUN, NULL);
    for (int step = 0; step < 24; step++) {
        rig_steps(&g, 1);
        sum += step < 12 ? 0 : rig_last_loss(&g);
    }
    expect_stop(&g, TRAIN("epochs = 2;"), NULL, STOP_EPOCHS, 24);
    expect_near(g.training_loss, sum / 12, 1e-12);
    rig_release(&g);
}

static void test_run__evaluates_as_many_training_samples_as_asked(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    expect_stop(&g, TRAIN("epochs = 2; train_eval = 37;"), NULL, STOP_EPOCHS, 24);
    /* 40 of validation and 37 of training at both checks, validation and test at the end */
    assert_int_equal(rig_spent(&g)->samples_evaluated, 2 * (40 + 37) + 40 + 40);
    rig_release(&g);
}

static void test_run__says_that_a_schedule_may_be_cut_off(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, TRAIN("early_stopping = {};") "schedule = \"cosine\";", NULL);
    assert_non_null(g.notes.s);
    assert_non_null(strstr(g.notes.s, "schedule \"cosine\" is shaped to 1200 steps"));
    text_clear(&g.notes);
    rig_open(&g, TRAIN("early_stopping = {};") "schedule = \"exponential\";", NULL);
    assert_true(!g.notes.s || !strstr(g.notes.s, "shaped"));
    rig_release(&g);
}

static void test_run__says_that_nothing_validates(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, TRAIN("epochs = 2;"), NULL);
    assert_true(!g.notes.s || !strstr(g.notes.s, "no validation part"));
    rig_open(&g, "data = { type = \"blobs\"; split = { test = 0.2; }; }; " LAYERS LOSS ADAM, NULL);
    assert_non_null(g.notes.s);
    assert_non_null(strstr(g.notes.s, "no validation part: only the training loss is followed"));
    rig_release(&g);
}

static void test_trainer__writes_what_it_chose_into_the_config(void **state)
{
    train_rig g, again;
    text resolved = { 0 };
    (void)state;
    rig_init(&g);
    rig_init(&again);
    rig_open(&g, TRAIN("replicas = \"auto\"; threads = \"auto\"; early_stopping = {};"), NULL);
    assert_int_equal(value_find(value_find(config_root(g.c), "train"), "replicas")->as.integer,
        trainer_n_replicas(g.t));
    assert_int_equal(config_to_text(g.c, &resolved, &g.err), OK);
    rig_open(&again, resolved.s, NULL);
    assert_true(value_equal(config_root(g.c), config_root(again.c)));
    assert_int_equal(trainer_save(g.t, rig_path(&g, "a"), &g.err), OK);
    if (trainer_restore(again.t, rig_path(&g, "a"), &again.err) != OK)
        GIVE_UP("%s", again.err.text);
    text_release(&resolved);
    rig_release(&again);
    rig_release(&g);
}

/* -- refusals -- */

#define STOPPING(inside) RUN "train = { early_stopping = { " inside " }; };"

static void test_trainer__refuses(void **state)
{
    static const struct {
        const char *source;
        status st;
        const char *message;
    } cases[] = {
        { LAYERS LOSS ADAM, E_MISSING, "has no `data` block" },
        { DATA LOSS ADAM, E_MISSING, "has no `model` block" },
        { DATA LAYERS ADAM, E_MISSING, "has no `loss` block" },
        { DATA LAYERS LOSS, E_MISSING, "has no `optimizer` block" },
        { RUN "optimiser = \"sgd\";", E_UNKNOWN, "did you mean \"optimizer\"?" },
        { RUN "train = 7;", E_TYPE, "train: expected a group" },
        { TRAIN("epoch = 7;"), E_UNKNOWN, "did you mean \"epochs\"?" },
        { TRAIN("epochs = -1;"), E_RANGE, "epochs" },
        { TRAIN("accumulate = 0;"), E_RANGE, "accumulate" },
        { TRAIN("clip_norm = -0.5;"), E_RANGE, "clip_norm" },
        { TRAIN("validate_unit = \"stepp\";"), E_UNKNOWN, "did you mean \"step\"?" },
        { TRAIN("replicas = \"some\";"), E_TYPE, "replicas" },
        { TRAIN("checkpoint = { keep = 0; };"), E_RANGE, "keep" },
        { TRAIN("checkpoint = { evry = 1; };"), E_UNKNOWN, "did you mean \"every\"?" },
        { STOPPING("patience = 0;"), E_RANGE, "patience" },
        { STOPPING("monitor = \"test.loss\";"), E_RANGE, "the test part must not steer training" },
        { STOPPING("monitor = \"loss\";"), E_RANGE, "expected \"validation.<metric>\"" },
        { STOPPING("monitor = \"validation.acuracy\";"), E_UNKNOWN,
            "there is no metric \"acuracy\"" },
        { STOPPING("monitor = \"training.accuracy\";"), E_CONFLICT, "needs train.train_eval" },
        { STOPPING("monitor = \"validation.accuracy\"; rule = \"gl\";"), E_CONFLICT, "smaller is" },
        { STOPPING("mode = \"max\"; rule = \"pq\";"), E_CONFLICT, "smaller is" },
        { STOPPING("rule = \"glx\";"), E_UNKNOWN, "rule" },
        { "data = { type = \"blobs\"; split = { validation = 0.0; }; };" LAYERS LOSS ADAM
          "train = { early_stopping = {}; };",
            E_CONFLICT, "the validation part is empty" },
        { "data = { type = \"blobs\"; samples = 20; split = { validation = 10; test = 10; }; "
          "};" LAYERS LOSS ADAM,
            E_RANGE, "training" },
        { DATA LAYERS LOSS ADAM "seed = -3;", E_RANGE, "seed" },
        { DATA LAYERS "loss = \"softmax_xent\"; metrics = ( \"accuracy\", \"accuracy\" );" ADAM,
            E_CONFLICT, "\"accuracy\" is there twice" },
        { DATA LAYERS "loss = \"softmax_xent\"; metrics = ( { type = \"accuracy\"; name = "
                      "\"loss\"; } );" ADAM,
            E_CONFLICT, "\"loss\" is the loss" },
        { DATA LAYERS "loss = \"mse\";" ADAM, E_UNSUPPORTED, "use the loss softmax_xent" },
        { DATA "model = ( { type = \"dense\"; units = 4; } );" LOSS ADAM, E_SHAPE, "classes" },
        { DATA "model = ( \"running\", { type = \"dense\"; units = 3; } );" LOSS ADAM
               "train = { replicas = 2; };",
            E_CONFLICT, "a layer couples the samples of a batch" },
    };
    train_rig g;
    (void)state;
    rig_init(&g);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        rig_refuse(&g, cases[i].source, cases[i].st, cases[i].message);
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run__ends_after_epochs_or_steps_whichever_is_less),
        cmocka_unit_test(test_run__checks_every_so_many_epochs_or_steps),
        cmocka_unit_test(test_run__ends_with_the_best_weights_when_it_stops_early),
        cmocka_unit_test(test_run__the_best_point_includes_running_statistics),
        cmocka_unit_test(test_run__best_weights_are_those_of_that_step),
        cmocka_unit_test(test_run__ends_at_its_target),
        cmocka_unit_test(test_run__ends_when_its_time_is_up_or_the_user_says_so),
        cmocka_unit_test(test_run__dry_is_two_steps_of_everything),
        cmocka_unit_test(test_run__overfits_one_batch),
        cmocka_unit_test(test_run__does_not_depend_on_being_watched_or_checked),
        cmocka_unit_test(test_train__names_its_groups_among_the_known_keys),
        cmocka_unit_test(test_run__reports_the_mean_loss_over_what_counts),
        cmocka_unit_test(test_run__judges_with_and_without_class_weights_alike),
        cmocka_unit_test(test_run__monitors_the_training_loss_since_the_last_check),
        cmocka_unit_test(test_run__reports_the_loss_of_each_epoch_by_itself),
        cmocka_unit_test(test_run__evaluates_as_many_training_samples_as_asked),
        cmocka_unit_test(test_run__says_that_a_schedule_may_be_cut_off),
        cmocka_unit_test(test_run__says_that_nothing_validates),
        cmocka_unit_test(test_trainer__writes_what_it_chose_into_the_config),
        cmocka_unit_test(test_trainer__refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
