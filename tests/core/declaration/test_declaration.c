/* Declarations of studies: what is read from a file, what is kept, what comes back. */
#include "core/declaration/declaration_scene.h"

static void test_long_form__has_all_that_it_says(void **state)
{
    scene *t = *state;
    spill("other.cfg", run_text);
    const declaration *d = loaded(t,
        "study = {\n"
        "  name = \"optimizers on blobs\";\n"
        "  compare = \"optimizers\";\n"
        "  contenders = (\n"
        "    { name = \"sgd\"; set = [\"optimizer.type=sgd\", \"optimizer.momentum=0.85\"];\n"
        "      search = \"optimizer.lr=1e-4..1:log\"; },\n"
        "    { name = \"adam\"; set = [\"optimizer.type=adam\"];\n"
        "      search = { optimizer = { lr = { low = 1e-5; high = 1e-1; log = true; prior = [1e-3, "
        "0.7]; }; beta1 = [0.5, 0.95]; }; }; } );\n"
        "  control = \"adam\";\n"
        "  workloads = ( { config = \"blobs.cfg\"; set = [\"train.epochs=4\"]; },\n"
        "    { name = \"second\"; config = \"other.cfg\"; } );\n"
        "  metric = \"validation.accuracy\"; judged = \"test.loss\";\n"
        "  strategy = { type = \"qmc\"; }; pruner = \"median\"; seed = 17;\n"
        "  repeats = 3; evaluations = 6; parallel = 5;\n"
        "  budget = { trials = 13; samples = 1e6; seconds = 71.5; };\n"
        "  fidelity = { max = 4; min = 2; };\n"
        "  sandbox = { level = \"process\"; fallback = \"process\"; memory = \"256M\"; wall = "
        "33.0; "
        "stall = 7; cpu = 44; threads = 2; log_limit = \"8K\"; };\n"
        "  retry = { lost = 5; crash = 1; timeout = 2; };\n"
        "};\n");
    assert_string_equal(d->name, "optimizers on blobs");
    assert_string_equal(d->compare, "optimizers");
    assert_int_equal(d->n_touchable, 2);
    assert_int_equal(d->n_contenders, 2);
    assert_int_equal(d->control, 1);
    assert_string_equal(d->contenders[0].name, "sgd");
    assert_string_equal(d->contenders[0].overrides[1], "optimizer.momentum=0.85");
    assert_int_equal(d->contenders[0].at.line, 5);
    assert_int_equal(d->contenders[1].space.n, 2);
    assert_string_equal(d->contenders[1].space.dimensions[1].name, "optimizer.beta1");
    assert_true(fabs(d->contenders[1].space.dimensions[0].prior_sd - 0.7 * log(10)) < 1e-12);
    assert_int_equal(d->n_workloads, 2);
    assert_string_equal(d->workloads[0].name, "blobs");
    assert_string_equal(d->workloads[1].name, "second");
    assert_string_equal(d->workloads[0].written, run_text);
    assert_true(d->workloads[0].path[0] == '/');
    assert_int_equal(d->workloads[0].n_overrides, 1);
    assert_true(d->workloads[0].epochs == 4);
    assert_int_equal(d->workloads[1].n_overrides, 1); /* a whole trial has 4 epochs */
    assert_string_equal(d->workloads[1].overrides[0], "train.epochs=4");
    assert_true(d->workloads[1].epochs == 4);
    assert_string_equal(d->metric, "validation.accuracy");
    assert_int_equal(d->direction, STORE_MAXIMIZE);
    assert_int_equal(d->judged_direction, STORE_MINIMIZE);
    assert_false(d->takes_best);
    assert_int_equal(d->strategy->kind, VALUE_GROUP);
    assert_string_equal(d->pruner->as.string, "median");
    assert_int_equal(d->seed, 17);
    assert_int_equal(d->n_repeats, 3);
    assert_int_equal(d->n_evaluations, 6);
    assert_int_equal(d->parallel, 5);
    assert_int_equal(d->budget_trials, 13);
    assert_true(d->budget_samples == 1e6 && d->budget_seconds == 71.5);
    assert_true(d->max_fidelity == 4 && d->min_fidelity == 2);
    assert_int_equal(d->level, SANDBOX_PROCESS);
    assert_true(d->falls_back);
    assert_int_equal(d->limits.memory_bytes, 256 << 20);
    assert_int_equal(d->limits.log_bytes, 8 << 10);
    assert_int_equal(d->limits.n_threads, 2);
    assert_true(d->limits.wall_s == 33 && d->limits.stall_s == 7 && d->limits.cpu_s == 44);
    assert_int_equal(d->retry_lost, 5);
    assert_int_equal(d->retry_crash, 1);
    assert_int_equal(d->retry_timeout, 2);
    assert_false(d->is_plain);
    assert_int_equal(declaration_n_tuning(d), 2 * 2 * 3 * 13);
    assert_int_equal(declaration_n_evaluations(d), 2 * 2 * 3 * 6);
}

static void test_comparison__has_defaults_that_can_be_defended(void **state)
{
    const declaration *d = loaded(*state, comparison(""));
    assert_string_equal(d->name, "study");
    assert_string_equal(d->metric, "validation.loss");
    assert_string_equal(d->judged, "test.loss");
    assert_string_equal(d->strategy->as.string, "random");
    assert_null(d->pruner);
    assert_int_equal(d->n_repeats, 5);
    assert_int_equal(d->n_evaluations, 10);
    assert_int_equal(d->budget_trials, 20);
    assert_int_equal(d->control, 0);
    assert_int_equal(d->seed, 1);
    assert_int_equal(d->level, SANDBOX_STRICT);
    assert_false(d->falls_back);
    assert_false(d->takes_best);
    assert_memory_equal(&d->limits, &sandbox_default_limits, sizeof d->limits);
}

static void test_short_form__is_a_run_with_a_search(void **state)
{
    scene *t = *state;
    char all[4096];
    snprintf(all, sizeof all, "%s%s%s", run_text,
        "study = { # of the rate alone: }\n"
        "  search = \"optimizer.lr=1e-4..1:log\"; set = [\"train.epochs=6\"]; /* } */\n"
        "  budget = { trials = 7; }; };\n",
        "plugins = ( );\n");
    const declaration *d = loaded(t, all);
    assert_true(d->is_plain);
    assert_string_equal(d->contenders[0].name, "");
    assert_int_equal(d->n_repeats, 1);
    assert_int_equal(d->n_evaluations, 0);
    assert_int_equal(d->n_workloads, 1);
    assert_string_equal(d->workloads[0].name, "study");
    assert_int_equal(declaration_n_tuning(d), 7);
    snprintf(all, sizeof all, "%s \n\n\nplugins = ( );\n", run_text);
    assert_string_not_equal(d->workloads[0].written, "");
    assert_null(strstr(d->workloads[0].written, "study"));
    assert_non_null(strstr(d->workloads[0].written, "\n\n\nplugins = ( );\n"));
}

static void test_run_and_sweep__are_a_study(void **state)
{
    scene *t = *state;
    const char *sweeps[] = { "optimizer.lr=1e-4..1e-1:log optimizer.type=sgd,adam",
        "optimizer.momentum=0..0.9?optimizer.type=sgd" };
    const char *overrides[] = { "study.budget={trials=3;}", "train.epochs=2", "study.seed=9" };
    const declaration_options o = {
        .name = "mine", .overrides = overrides, .n_overrides = 3, .sweeps = sweeps, .n_sweeps = 2
    };
    const status st = declaration_load(t->r, "blobs.cfg", &o, &t->d, &t->err);
    if (st != OK) print_error("%s\n", t->err.text);
    assert_int_equal(st, OK);
    assert_true(t->d->is_plain);
    assert_string_equal(t->d->name, "mine");
    assert_int_equal(t->d->contenders[0].space.n, 3);
    assert_int_equal(t->d->contenders[0].space.dimensions[2].parent, 1);
    assert_int_equal(t->d->seed, 9);
    assert_int_equal(t->d->budget_trials, 3);
    assert_int_equal(t->d->workloads[0].n_overrides, 1);
    assert_string_equal(t->d->workloads[0].overrides[0], "train.epochs=2");
    assert_true(t->d->workloads[0].epochs == 2);
}

static void assert_same(const declaration *a, const declaration *b)
{
    assert_string_equal(a->hash, b->hash);
    assert_string_equal(a->written.s, b->written.s);
    assert_true(value_equal(config_root(a->config), config_root(b->config)));
    assert_int_equal(a->n_contenders, b->n_contenders);
    for (size_t i = 0; i < a->n_contenders; i++) {
        char x[33], y[33];
        assert_int_equal(space_id(&a->contenders[i].space, x, NULL), OK);
        assert_int_equal(space_id(&b->contenders[i].space, y, NULL), OK);
        assert_string_equal(x, y);
        assert_int_equal(a->contenders[i].n_overrides, b->contenders[i].n_overrides);
    }
    for (size_t i = 0; i < a->n_workloads; i++) {
        assert_string_equal(a->workloads[i].name, b->workloads[i].name);
        assert_int_equal(a->workloads[i].kind, b->workloads[i].kind);
        assert_int_equal(a->workloads[i].n_overrides, b->workloads[i].n_overrides);
        assert_true(a->workloads[i].epochs == b->workloads[i].epochs);
    }
    assert_int_equal(a->judged_direction, b->judged_direction);
    assert_string_equal(a->judged, b->judged);
}

static void test_what_was_written__reads_back_equal_without_files(void **state)
{
    scene *t = *state;
    declaration *again = NULL;
    const declaration *d = loaded(t, comparison("pruner = { type = \"median\"; };"));
    assert_int_equal(unlink("blobs.cfg"), 0);
    assert_int_equal(unlink("study.cfg"), 0);
    const status st = declaration_read(t->r, "study", d->written.s, &again, &t->err);
    if (st != OK) print_error("%s\n", t->err.text);
    assert_int_equal(st, OK);
    assert_same(d, again);
    declaration_free(again);
}

static void test_hash__is_of_what_is_run_not_of_how_it_is_written(void **state)
{
    scene *t = *state;
    char first[33];
    strcpy(first, loaded(t, comparison("parallel = 4; seed = 1;"))->hash);
    assert_string_equal(loaded(t, comparison("# as it is\n  seed = 1;"))->hash, first);
    assert_string_not_equal(loaded(t, comparison("seed = 2;"))->hash, first);
    assert_string_not_equal(loaded(t, comparison("name = \"other\";"))->hash, first);
    spill("blobs.cfg", "name = \"blobs\";\n");
    assert_int_equal(load(t, comparison(""), NULL), E_MISSING);
}

static void test_damaged_text__is_corrupt(void **state)
{
    scene *t = *state;
    declaration *d = NULL;
    assert_int_equal(declaration_read(t->r, "x", "study = {", &d, &t->err), E_CORRUPT);
    assert_int_equal(declaration_read(t->r, "x", "", &d, &t->err), E_CORRUPT);
    assert_int_equal(
        declaration_read(t->r, "x", "study = { name = \"x\"; };", &d, &t->err), E_CORRUPT);
    assert_null(d);
}

static void test_plugins__are_kept_by_absolute_paths(void **state)
{
    scene *t = *state;
    declaration *again = NULL;
    char expected[256];
    assert_int_equal(symlink(TEST_BUILD_DIR "/plugins/search/grid.so", "own.so"), 0);
    const declaration *d = loaded(t,
        "plugins = ( \"./own.so\" );\n"
        "study = { search = \"optimizer.lr=1e-4..1:log\"; strategy = \"grid\"; workloads = ( { "
        "config "
        "= \"blobs.cfg\"; } ); };");
    snprintf(expected, sizeof expected, "plugins = ( \"%s/own.so\" );\n", t->folder);
    assert_non_null(strstr(d->written.s, expected));
    assert_int_equal(unlink("own.so"), 0);
    assert_int_equal(declaration_read(t->r, "x", d->written.s, &again, &t->err), OK);
    declaration_free(again);
}

static void test_strategy__keeps_the_line_where_it_was_written(void **state)
{
    scene *t = *state;
    const declaration *d =
        loaded(t, comparison("\n\n  strategy = { type = \"qmc\";\n colour = 3; };"));
    assert_int_equal(value_find(d->strategy, "colour")->at.line, 10);
    assert_string_equal(value_find(d->strategy, "colour")->at.file, "study.cfg");
    assert_int_equal(d->contenders[1].space.at[0].line, 5);
}

static void test_included_files__are_taken_in_and_lines_stay(void **state)
{
    scene *t = *state;
    assert_int_equal(file_make_dirs("part", &t->err), OK);
    spill("part/model.cfg",
        "# the model\nmodel = ( { type = \"dense\";\n units = 5; } ); // so\n@include "
        "\"loss.cfg\"\n");
    spill("part/loss.cfg", "loss = \"mse\"; /* of\n lines */\n");
    spill("run.cfg",
        "data = { type = \"blobs\"; };\n@include \"part/model.cfg\"\noptimizer = \"adam\";\n"
        "train = { epochs = 3; early_stopping = { }; };\n");
    const declaration *d = loaded(t,
        "study = { search = \"optimizer.lr=1e-4..1:log\"; workloads = ( { config = \"run.cfg\"; } "
        "); "
        "};");
    assert_null(strstr(d->workloads[0].written, "@include"));
    config *c = NULL;
    assert_int_equal(config_parse("run.cfg", d->workloads[0].written, &c, &t->err), OK);
    assert_int_equal(value_find(config_root(c), "loss")->at.line, 2);
    assert_int_equal(value_find(config_root(c), "optimizer")->at.line, 3);
    assert_int_equal(value_find(config_root(c), "train")->at.line, 4);
    config_free(c);
    assert_true(d->takes_best);
    assert_int_equal(d->workloads[0].n_overrides, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter_scene, leave_scene)
    const struct CMUnitTest tests[] = {
        TEST(test_long_form__has_all_that_it_says),
        TEST(test_comparison__has_defaults_that_can_be_defended),
        TEST(test_short_form__is_a_run_with_a_search),
        TEST(test_run_and_sweep__are_a_study),
        TEST(test_what_was_written__reads_back_equal_without_files),
        TEST(test_hash__is_of_what_is_run_not_of_how_it_is_written),
        TEST(test_damaged_text__is_corrupt),
        TEST(test_plugins__are_kept_by_absolute_paths),
        TEST(test_strategy__keeps_the_line_where_it_was_written),
        TEST(test_included_files__are_taken_in_and_lines_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
