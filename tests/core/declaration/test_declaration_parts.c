/* Parts of declarations: programs, default spaces, what may be compared, paths, seeds, and what is doubtful. */
#include "core/declaration/declaration_scene.h"

#define SGD \
    "{ name = \"sgd\"; set = [\"optimizer.type=sgd\"]; search = \"optimizer.lr=1e-4..1:log\"; }"

static const declaration *with(scene *t, const char *contenders, const char *more)
{
    char all[4096];
    snprintf(all, sizeof all,
        "study = { compare = \"optimizers\"; workloads = ( { config = \"blobs.cfg\"; } );\n"
        "contenders = ( %s );\n%s };",
        contenders, more);
    return loaded(t, all);
}

/* The warnings, one a line. */
static const char *warned(scene *t, size_t *out_n)
{
    text_clear(&t->warnings);
    assert_int_equal(declaration_check(t->r, t->d, &t->warnings, out_n, &t->err), OK);
    size_t n = 0;
    for (size_t i = 0; i < t->warnings.n; i++)
        n += t->warnings.s[i] == '\n';
    assert_int_equal(n, *out_n);
    return t->warnings.s ? t->warnings.s : "";
}

static void assert_warns(scene *t, const char *line)
{
    size_t n;
    const char *all = warned(t, &n);
    if (!strstr(all, line)) print_error("%s\nis not in\n%s\n", line, all);
    assert_non_null(strstr(all, line));
}

static void assert_silent(scene *t, const char *part)
{
    size_t n;
    const char *all = warned(t, &n);
    if (strstr(all, part)) print_error("%s\n", all);
    assert_null(strstr(all, part));
}

/* -- programs -- */

static void test_program__has_words_with_places(void **state)
{
    scene *t = *state;
    const declaration *d = loaded(t,
        "study = { metric = \"error\"; repeats = 2;\n"
        "contenders = ( { name = \"a\"; search = \"lr=1e-4..1:log\"; set = [\"mode=fast\"]; },\n"
        "  { name = \"b\"; search = \"lr=1e-3..1:log mode=slow,quick\"; } );\n"
        "workloads = ( { name = \"solver\"; command = [\"./solve\", \"--lr={lr}\", \"{mode}\", "
        "\"{seed}\", \"{{{fidelity}\"]; } ); };");
    const workload *w = &d->workloads[0];
    assert_int_equal(w->kind, WORKLOAD_COMMAND);
    assert_int_equal(w->n_argv, 5);
    assert_string_equal(w->argv[4], "{{{fidelity}");
    assert_string_equal(w->folder, t->folder);
    assert_null(d->compare);
    assert_string_equal(d->metric, "error");
    assert_string_equal(d->judged, "error");
    assert_int_equal(d->direction, STORE_MINIMIZE);
}

/* -- default spaces -- */

static bool has(const contender *k, const char *name)
{
    return space_find(&k->space, name) < k->space.n;
}

static void test_default_space__is_that_of_what_may_differ_and_is_not_set(void **state)
{
    const declaration *d = with(*state,
        "{ name = \"all\"; set = [\"optimizer.type=adamw\"]; search = \"default\"; },\n"
        "{ name = \"fixed\"; set = [\"optimizer.type=adamw\", \"optimizer.lr=0.02\"]; search = "
        "\"default\"; }",
        "");
    const contender *all = &d->contenders[0], *fixed = &d->contenders[1];
    const assay_dimension *lr = &all->space.dimensions[space_find(&all->space, "optimizer.lr")];
    assert_true(has(all, "optimizer.lr") && has(all, "optimizer.weight_decay"));
    assert_true(lr->low > 0 && lr->high > lr->low && lr->log);
    assert_false(has(fixed, "optimizer.lr"));
    assert_true(has(fixed, "optimizer.weight_decay"));
    assert_int_equal(all->space.n, fixed->space.n + 1);
    assert_non_null(strstr(d->written.s, "\"optimizer.lr=1e-05..0.1:log\""));
}

static void test_default_space__of_models_has_their_layers_and_a_rate(void **state)
{
    scene *t = *state;
    spill("drop.cfg",
        "data = { type = \"blobs\"; split = { validation = 0.2; }; }; model = ( { type = "
        "\"dropout\"; }, { type = \"dense\"; units = 3; } ); loss = \"softmax_xent\";\n"
        "optimizer = ( { match = \"role:bias\"; type = \"sgd\"; }, \"adam\" );\n");
    const declaration *d = loaded(t,
        "study = { compare = \"models\"; workloads = ( { config = \"drop.cfg\"; } );\n"
        "search = \"default\"; };");
    assert_true(has(&d->contenders[0], "model[0].rate"));
    assert_true(has(&d->contenders[0], "optimizer[0].lr"));
    assert_true(has(&d->contenders[0], "optimizer[1].lr"));
    assert_false(has(&d->contenders[0], "optimizer[0].momentum"));
}

/* -- what may be compared -- */

static void test_compare__permits_what_it_names_and_what_is_below(void **state)
{
    static const struct {
        const char *compare, *set;
        status code;
    } cases[] = {
        { "\"schedules\"", "schedule.decay=0.5", OK },
        { "\"schedules\"", "optimizer.lr=0.5", OK },
        { "\"schedules\"", "optimizer.type=adam", E_CONFLICT },
        { "\"models\"", "model[0].units=5", OK },
        { "\"models\"", "optimizer.lr=0.5", OK },
        { "\"models\"", "optimizer.momentum=0.5", E_CONFLICT },
        { "\"losses\"", "loss=mse", OK },
        { "\"losses\"", "lossy=mse", E_CONFLICT },
        { "\"batches\"", "data.batch_size=5", OK },
        { "\"batches\"", "data.shuffle=false", E_CONFLICT },
        { "[\"train.l2\", \"model[1]\"]", "train.l2=1e-4", OK },
        { "[\"train.l2\", \"model[1]\"]", "model[1].type=tanh", OK },
        { "[\"train.l2\", \"model[1]\"]", "model[0].units=5", E_CONFLICT },
        { "[\"train.l2\"]", "train={ l2 = 1.0; }", E_CONFLICT },
        { "[\"train\"]", "~train.epochs", OK },
        { "[\"train\"]", "+train.probe.every=5", OK },
    };
    scene *t = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char all[1024];
        snprintf(all, sizeof all,
            "study = { compare = %s; workloads = ( { config = \"blobs.cfg\"; } );\n"
            "contenders = ( { name = \"a\"; set = []; }, { name = \"b\"; set = [\"%s\"]; } ); };",
            cases[i].compare, cases[i].set);
        const status st = load(t, all, NULL);
        if (st != cases[i].code) print_error("%s: %s\n", all, t->err.text);
        assert_int_equal(st, cases[i].code);
    }
}

/* -- early stopping, epochs -- */

static void test_last_value__takes_early_stopping_away(void **state)
{
    scene *t = *state;
    spill("blobs.cfg",
        "data = { type = \"blobs\"; }; model = \"relu\"; loss = \"mse\"; optimizer = \"adam\";\n"
        "train = { steps = 40; early_stopping = { patience = 3; }; };");
    const declaration *d = with(t, SGD ", { name = \"adam\"; set = []; }", "");
    assert_int_equal(d->workloads[0].n_overrides, 1);
    assert_string_equal(d->workloads[0].overrides[0], "~train.early_stopping");
    assert_true(d->workloads[0].epochs == 0);
    d = with(t, SGD ", { name = \"adam\"; set = []; }", "value = \"best\";");
    assert_int_equal(d->workloads[0].n_overrides, 0);
    assert_true(d->takes_best);
}

/* -- paths -- */

static void test_paths__are_absolute_where_they_begin_elsewhere(void **state)
{
    scene *t = *state;
    char expected[256];
    assert_int_equal(file_make_dirs("sub/part", &t->err), OK);
    spill("sub/part/data.cfg",
        "data = { type = \"csv\"; file = \"x.csv\"; target = \"y\"; validation_file = \"/v.csv\"; "
        "};\n");
    spill("sub/run.cfg",
        "@include \"part/data.cfg\"\nmodel = \"relu\"; loss = \"mse\"; optimizer = \"adam\";\n"
        "train = { init_from = \"w.safetensors\"; };\n");
    const declaration *d = loaded(t,
        "study = { search = \"optimizer.lr=1e-4..1:log\";\n"
        "workloads = ( { config = \"sub/run.cfg\"; },\n"
        "{ name = \"other\"; config = \"sub/run.cfg\"; set = [\"data.file=z.csv\", "
        "\"train.init_from=s.safetensors\"]; } ); };");
    assert_int_equal(d->workloads[0].n_overrides, 1);
    snprintf(expected, sizeof expected, "data.file=\"%s/sub/part/x.csv\"", t->folder);
    assert_string_equal(d->workloads[0].overrides[0], expected);
    assert_int_equal(d->workloads[1].n_overrides, 4);
    snprintf(expected, sizeof expected, "train.init_from=\"%s/s.safetensors\"", t->folder);
    assert_string_equal(d->workloads[1].overrides[2], expected);
    snprintf(expected, sizeof expected, "data.file=\"%s/z.csv\"", t->folder);
    assert_string_equal(d->workloads[1].overrides[3], expected);
}

/* -- seeds -- */

static void test_seeds__never_meet(void **state)
{
    enum { N = 40 };
    uint64_t seen[3 * N * N];
    size_t n = 0;
    const declaration *d = loaded(*state, comparison(""));
    for (size_t repeat = 0; repeat < N; repeat++) {
        for (size_t i = 0; i < N; i++) {
            seen[n++] = declaration_tuning_seed(d, repeat, i);
            seen[n++] = declaration_evaluation_seed(d, repeat, i);
        }
        seen[n++] = declaration_search_seed(d, repeat);
    }
    for (size_t i = 0; i < n; i++) {
        assert_true(seen[i] <= UINT64_C(1) << 53);
        for (size_t k = 0; k < i; k++)
            assert_true(seen[i] != seen[k]);
    }
}

/* -- what is doubtful -- */

static void test_check__has_nothing_against_a_good_comparison(void **state)
{
    scene *t = *state;
    size_t n;
    with(t,
        SGD ", { name = \"adam\"; set = [\"optimizer.type=adam\"]; search = "
            "\"optimizer.lr=1e-5..0.1:log\"; }",
        "");
    const char *all = warned(t, &n);
    /* Adam at its default eps cannot become SGD: that is all. */
    assert_int_equal(n, 1);
    assert_string_equal(all,
        "study.cfg:2: contender \"adam\" leaves out \"sgd\", which it comes near only where "
        "optimizer.eps goes up to 1: it is 1e-08\n");
    with(t,
        "{ name = \"sgd\"; search = \"optimizer.lr=1e-4..1:log optimizer.momentum=0..0.99\"; }, "
        "{ name = \"rmsprop\"; set = [\"optimizer.type=rmsprop\", \"optimizer.eps=1\"]; search = "
        "\"optimizer.lr=1e-5..0.1:log optimizer.alpha=0.5..0.99\"; }",
        "");
    (void)warned(t, &n);
    assert_int_equal(n, 0);
}

static void test_check__says_what_a_protocol_cannot_tell(void **state)
{
    scene *t = *state;
    with(t, SGD ", { name = \"as-is\"; set = []; }",
        "repeats = 1; evaluations = 0; strategy = \"tpe\"; value = \"best\"; budget = { trials = "
        "5; "
        "seconds = 9.0; };");
    assert_warns(t, "repeats = 1: what comes out compares configurations");
    assert_warns(t, "evaluations = 0: winners are judged by the trials that chose them");
    assert_warns(t, "strategy \"tpe\" learns from results");
    assert_warns(t, "value = \"best\" takes the best of noisy checks");
    assert_warns(t, "budget.seconds depends on the machine");
    assert_warns(t, "contender \"as-is\" is not tuned, and others are");
}

static void test_check__compares_spaces(void **state)
{
    scene *t = *state;
    with(t,
        SGD ",\n{ name = \"adam\"; set = [\"optimizer.type=adam\"]; search = "
            "\"optimizer.lr=1e-7..0.1:log optimizer.eps=1e-10..1:log\"; }",
        "");
    assert_warns(t, "study.cfg:3: contender \"adam\" searches 2 dimensions, \"sgd\" 1: ");
    assert_warns(t, "study.cfg:3: contender \"adam\" searches 16.0 decades, \"sgd\" 4.0: ");
    assert_silent(t, "leaves out");
    with(t,
        SGD ",\n{ name = \"momentum\"; search = "
            "\"optimizer.lr=1e-3..1:log optimizer.momentum=0.5..0.99\"; }",
        "");
    assert_warns(t,
        "contender \"momentum\" leaves out \"sgd\": optimizer.momentum is 0 there, and searched "
        "from 0.5 to 0.99");
    assert_warns(t,
        "contender \"momentum\" leaves out a part of \"sgd\": optimizer.lr is searched from 0.001 "
        "to 1, and there from 0.0001 to 1");
    with(t,
        "{ name = \"adam\"; set = [\"optimizer.type=adam\"]; search = "
        "\"optimizer.lr=1e-5..0.1:log\"; "
        "},\n{ name = \"adamw\"; set = [\"optimizer.type=adamw\"]; search = "
        "\"optimizer.lr=1e-5..0.1:log optimizer.weight_decay=1e-4..1:log\"; }",
        "");
    assert_warns(t,
        "contender \"adamw\" leaves out \"adam\", which it comes near only where "
        "optimizer.weight_decay goes down to 0: it is searched from 0.0001");
}

static void test_check__sees_unequal_budgets(void **state)
{
    scene *t = *state;
    static const char strategies[] =
        "study = { compare = \"strategies\"; workloads = ( { config = \"blobs.cfg\"; } ); budget "
        "= { trials = 8; };\ncontenders = ( { name = \"few\"; search = "
        "\"optimizer.lr=1e-4..1:log\"; "
        "},\n{ name = \"many\"; %s search = \"optimizer.lr=1e-4..1:log\"; } ); };";
    char file[512];
    snprintf(file, sizeof file, strategies, "trials = 96;");
    loaded(t, file);
    assert_warns(
        t, "study.cfg:3: unequal budgets: contender \"many\" has 96 trials a tuning, \"few\" 8: ");
    snprintf(file, sizeof file, strategies, "trials = 8;");
    loaded(t, file);
    assert_silent(t, "unequal budgets");
}

static void test_check__knows_schedules_that_end_with_the_run(void **state)
{
    scene *t = *state;
    size_t n;
    spill("blobs.cfg",
        "data = { type = \"blobs\"; }; model = \"relu\"; loss = \"mse\"; optimizer = \"adam\";\n"
        "schedule = \"cosine\"; train = { early_stopping = { }; };");
    loaded(t,
        "study = { search = \"optimizer.lr=1e-4..1:log\"; workloads = ( { config = \"blobs.cfg\"; "
        "} ); "
        "pruner = \"median\"; };");
    assert_warns(t,
        "study.cfg:1: schedule \"cosine\" is shaped to the whole run of \"blobs\", but early "
        "stopping "
        "may end it sooner");
    assert_warns(t, "says little of its end, and median judges by that");
    loaded(t,
        "study = { search = \"optimizer.lr=1e-4..1:log schedule.type=exponential,linear\"; "
        "workloads = "
        "( { config = \"blobs.cfg\"; } ); value = \"last\"; fidelity = { max = 9; }; strategy = "
        "\"asha\"; };");
    assert_warns(t, "schedule \"linear\" is shaped to the whole run");
    assert_warns(t, "and asha judges by that");
    assert_silent(t, "exponential");
    loaded(t,
        "study = { search = \"optimizer.lr=1e-4..1:log\"; workloads = ( { config = \"blobs.cfg\"; "
        "} ); "
        "value = \"last\"; };");
    (void)warned(t, &n);
    assert_int_equal(n, 0);
}

static void test_check__sees_unequal_work(void **state)
{
    scene *t = *state;
    loaded(t,
        "study = { compare = [\"train\"]; workloads = ( { config = \"blobs.cfg\"; } );\n"
        "contenders = ( { name = \"a\"; set = [\"train.epochs=3\"]; }, { name = \"b\"; set = []; } "
        "); "
        "};");
    assert_warns(
        t, "contender \"a\" touches train.epochs: its trials cost more or less than others");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter_scene, leave_scene)
    const struct CMUnitTest tests[] = {
        TEST(test_program__has_words_with_places),
        TEST(test_default_space__is_that_of_what_may_differ_and_is_not_set),
        TEST(test_default_space__of_models_has_their_layers_and_a_rate),
        TEST(test_compare__permits_what_it_names_and_what_is_below),
        TEST(test_last_value__takes_early_stopping_away),
        TEST(test_paths__are_absolute_where_they_begin_elsewhere),
        TEST(test_seeds__never_meet),
        TEST(test_check__has_nothing_against_a_good_comparison),
        TEST(test_check__says_what_a_protocol_cannot_tell),
        TEST(test_check__compares_spaces),
        TEST(test_check__sees_unequal_budgets),
        TEST(test_check__knows_schedules_that_end_with_the_run),
        TEST(test_check__sees_unequal_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
