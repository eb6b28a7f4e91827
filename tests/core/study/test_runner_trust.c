/* Whose numbers a study is ranked on: a scorer's, which loads nobody's loss and metrics but those that come with assay. */
#include "core/study/runner_rig.h"

#define HOSTILE TEST_BUILD_DIR "/tests/hostile/"
#define FRONT(file) "plugins = ( \"" HOSTILE file ".so\" );\n"
#define NUMBERS \
    "data = { type = \"linear\"; samples = 128; features = 4; batch_size = 16;\n" \
    "  split = { validation = 0.25; test = 0.25; }; };\n" \
    "model = ( { type = \"dense\"; units = 1; } );\n" \
    "optimizer = { type = \"sgd\"; lr = 0.01; };\n" \
    "train = { epochs = 2; };\n"
#define CLASSES \
    "data = { type = \"blobs\"; samples = 128; batch_size = 16;\n" \
    "  split = { validation = 0.25; test = 0.25; }; };\n" \
    "model = ( { type = \"dense\"; units = 3; } );\n" \
    "optimizer = { type = \"sgd\"; lr = 0.01; };\n" \
    "loss = \"softmax_xent\"; train = { epochs = 2; };\n"

static void rig_text(rig *g, const char *written, const char *const *overrides, size_t n)
{
    g->workloads[0] = (workload){ .name = "w",
        .kind = WORKLOAD_TRAIN,
        .path = "/tmp/trust.cfg",
        .written = written,
        .overrides = overrides,
        .n_overrides = n };
}

static status open_runner(rig *g, error *err)
{
    const runner_options o = { .program = PROGRAM };
    assert_int_equal(unsetenv("ASSAY_PLUGIN_PATH"), 0);
    return runner_open(&g->d, &o, &g->r, err);
}

static void must_open(rig *g)
{
    error err;
    if (open_runner(g, &err) == OK) return;
    print_error("%s\n", err.text);
    abort();
}

static const run_value *last_of(const run_end *e, const char *name, bool is_scored)
{
    for (size_t i = e->n_values; i > 0; i--) {
        const run_value *v = &e->values[i - 1];
        if (strcmp(v->name, name) == 0 && v->is_scored == is_scored && v->is_last) return v;
    }
    return NULL;
}

/* -- What is refused before anything runs -- */

static void test_runner_trust__a_foreign_metric_is_refused_as_the_studys(void **state)
{
    static const struct {
        const char *written, *metric, *judged, *says;
    } rows[] = {
        { FRONT("hostile_metric") CLASSES "metrics = ( \"hostile_metric\" );\n",
            "validation.hostile_metric", "test.loss",
            "trust.cfg:7: study: metric: \"validation.hostile_metric\" is made by the metric "
            "\"hostile_metric\", which does not come with assay" },
        { FRONT("hostile_metric") CLASSES
            "metrics = ( \"accuracy\",\n  { type = \"hostile_metric\"; name = \"own\"; } );\n",
            "validation.accuracy", "test.own", "trust.cfg:8: study: judged: \"test.own\"" },
        { FRONT("hostile_accuracy") CLASSES "metrics = ( \"accuracy\" );\n", "validation.accuracy",
            "test.loss", "let study.metric name a metric that comes with assay" },
        { FRONT("hostile_loss") NUMBERS "loss = \"hostile_loss\"; metrics = ( \"rmse\" );\n",
            "validation.loss", "test.rmse",
            "trust.cfg:7: study: metric: \"validation.loss\" is made by the loss "
            "\"hostile_loss\"" },
        { FRONT("hostile_loss") NUMBERS "loss = { type = \"hostile_loss\"; };\n", "validation.loss",
            "test.loss", "shown, never ranked on" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig g;
        error err;
        rig_init(&g, NULL);
        g.d.metric = rows[i].metric;
        g.d.judged = rows[i].judged;
        rig_text(&g, rows[i].written, NULL, 0);
        assert_int_equal(open_runner(&g, &err), E_CONFLICT);
        if (!strstr(err.text, rows[i].says) || !strstr(err.text, "shown, never ranked on")) {
            print_error("row %zu: %s\n", i, err.text);
            abort();
        }
        rig_close(&g);
    }
}

/* One contender's is enough: its numbers would stand beside those of the others. */
static void test_runner_trust__a_contenders_foreign_loss_is_refused(void **state)
{
    rig g;
    error err;
    static const char *const set[] = { "loss.type=hostile_loss" };
    (void)state;
    rig_init(&g, NULL);
    rig_contend(&g, set, 1, NULL);
    rig_text(&g, FRONT("hostile_loss") NUMBERS "loss = { type = \"mse\"; };\n", NULL, 0);
    assert_int_equal(open_runner(&g, &err), E_CONFLICT);
    assert_non_null(strstr(err.text, "hostile_loss"));
    rig_close(&g);
}

/* -- What is not -- */

/* The scorer has to know what a config's plugins hold, in order not to load it. */
static void test_runner_trust__a_foreign_metric_is_shown_beside_the_studys(void **state)
{
    rig g;
    (void)state;
    rig_init(&g, NULL);
    g.d.metric = "validation.accuracy";
    rig_text(&g,
        FRONT("hostile_metric") CLASSES "metrics = ( \"hostile_metric\", \"accuracy\" );\n", NULL,
        0);
    must_open(&g);
    run *n = rig_start(&g, NULL, 3);
    const run_end *e = rig_end(&g, n);
    rig_expect(e, OUTCOME_OK, "done");
    assert_non_null(last_of(e, "validation.hostile_metric", false));
    assert_null(last_of(e, "validation.hostile_metric", true));
    assert_true(last_of(e, "validation.accuracy", true)->value == e->value);
    assert_non_null(strstr(e->record, "\"scored\""));
    run_free(n);
    rig_close(&g);
}

static void test_runner_trust__a_foreign_loss_is_trained_by_and_ranked_by_a_metric(void **state)
{
    rig g;
    (void)state;
    rig_init(&g, NULL);
    g.d.metric = "validation.rmse";
    g.d.judged = "test.rmse";
    rig_text(&g, FRONT("hostile_loss") NUMBERS "loss = \"hostile_loss\"; metrics = ( \"rmse\" );\n",
        NULL, 0);
    must_open(&g);
    run *n = rig_start(&g, NULL, 3);
    const run_end *e = rig_end(&g, n);
    rig_expect(e, OUTCOME_OK, "done");
    assert_non_null(last_of(e, "validation.loss", false));
    assert_null(last_of(e, "validation.loss", true));
    assert_true(last_of(e, "validation.rmse", true)->value == e->value);
    run_free(n);
    rig_close(&g);
}

/* What only a point of the space brings about is seen when it is scored. */
static void test_runner_trust__a_searched_foreign_loss_has_no_value(void **state)
{
    static const struct {
        double x;
        outcome_class class;
        const char *says;
    } rows[] = { { 0, OUTCOME_OK, "done" },
        { 1, OUTCOME_RESULT_INVALID,
            "\"validation.loss\" is told by the trainer alone: the loss or metric that makes it "
            "does not come with assay" } };
    rig g;
    (void)state;
    rig_init(&g, "loss.type=mse,hostile_loss");
    rig_text(&g, FRONT("hostile_loss") NUMBERS "loss = { type = \"mse\"; };\n", NULL, 0);
    must_open(&g);
    for (size_t i = 0; i < 2; i++) {
        run *n = rig_start(&g, &rows[i].x, 3);
        const run_end *e = rig_end(&g, n);
        rig_expect(e, rows[i].class, rows[i].says);
        assert_true(isfinite(e->value) == (i == 0));
        run_free(n);
    }
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runner_trust__a_foreign_metric_is_refused_as_the_studys),
        cmocka_unit_test(test_runner_trust__a_contenders_foreign_loss_is_refused),
        cmocka_unit_test(test_runner_trust__a_foreign_metric_is_shown_beside_the_studys),
        cmocka_unit_test(test_runner_trust__a_foreign_loss_is_trained_by_and_ranked_by_a_metric),
        cmocka_unit_test(test_runner_trust__a_searched_foreign_loss_has_no_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
