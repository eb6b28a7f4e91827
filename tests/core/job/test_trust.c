/* Numbers that count are those of the weights, made where nothing of a third party runs; what a trainer is handed has no test part. */
#include "trust_rig.h"

#include "base/text.h"

enum { CONFIG_BYTES = 2048, FLOAT = sizeof(float) };

/* -- The same numbers as training has -- */

/* The weights of the best check have the loss that was found there. */
static void check_best(const trust_rig *g, const trained *t)
{
    double claim = NAN;
    for (size_t i = 0; i < t->head.n_rows; i++) {
        const train_row *r = &t->rows[i];
        if (!r->is_final && r->step == t->head.best_step && strcmp(r->split, "validation") == 0 &&
            strcmp(r->name, "loss") == 0) {
            assert_true(r->is_best);
            claim = r->value;
        }
    }
    scored s = trust_score(g, &t->plan, t->result + t->layout.best_w);
    const double judged = trust_scored(&s, "validation", "loss");
    assert_memory_equal(&claim, &judged, sizeof claim);
    job_free(s.job);
}

/* Everything that predictor and scorer say of the final weights is what a run that had all of the data said itself, to the bit. */
static void check_scores(const trust_rig *g, bool restores_best)
{
    size_t n_same = 0;
    trained whole = trust_train(g, false), packed = trust_train(g, true);
    const size_t bytes = packed.layout.n_floats * FLOAT;
    assert_memory_equal(
        whole.result + whole.layout.floats_at, packed.result + packed.layout.floats_at, bytes);
    const size_t at = restores_best ? packed.layout.best_w : packed.layout.last_w;
    scored s = trust_score(g, &packed.plan, packed.result + at);
    assert_int_equal(s.head.n_skipped, 0);
    for (size_t i = 0; i < s.head.n_rows; i++) {
        const score_row *r = &s.rows[i];
        const double claim = trust_said(&whole, r->split, r->name);
        if (memcmp(&claim, &r->value, sizeof claim) != 0) {
            print_error("%s: %s.%s: scored %.17g, training said %.17g\n", g->input.name, r->split,
                r->name, r->value, claim);
            abort();
        }
        n_same++;
    }
    assert_true(n_same >= 2);
    const double claim = trust_said(&packed, "validation", "loss"),
                 judged = trust_scored(&s, "validation", "loss");
    assert_true(isfinite(claim));
    assert_memory_equal(&claim, &judged, sizeof claim);
    assert_true(isfinite(trust_scored(&s, "test", "loss")));
    assert_true(isnan(trust_said(&packed, "test", "loss"))); /* it could not know */
    job_free(s.job);
    check_best(g, &packed);
    job_free(whole.job);
    job_free(packed.job);
}

static void check_file(const char *path, const char *const *overrides, size_t n, bool restores_best)
{
    trust_rig g = { .input = { .overrides = overrides, .n_overrides = n, .seed = 3 } };
    trust_open_file(&g, path);
    check_scores(&g, restores_best);
    trust_close(&g);
}

static void check_text(const char *written)
{
    trust_rig g = { .input = { .name = "trust.cfg", .written = written, .seed = 3 } };
    trust_open(&g);
    check_scores(&g, false);
    trust_close(&g);
}

static void test_trust__scores_of_classes_are_those_of_training(void **state)
{
    static const char *const one[] = { "train.epochs=4", "model[0].units=32" };
    static const char *const two[] = { "train.epochs=4", "model[0].units=32", "+train.replicas=2",
        "data.batch_size=50", "data.class_weights=balanced" };
    (void)state;
    check_file(CONFIGS "digits.cfg", one, 2, true);
    check_file(CONFIGS "digits.cfg", two, 5, true);
}

static void test_trust__scores_of_numbers_are_those_of_training(void **state)
{
    static const char *const overrides[] = { "train.epochs=3" };
    static const char *const scaled[] = { "train.epochs=3", "data.standardize_target=true",
        "data.standardize=false" };
    (void)state;
    check_file(CONFIGS "regression.cfg", overrides, 1, true);
    check_file(CONFIGS "regression.cfg", scaled, 3, true);
}

static void test_trust__scores_of_sequences_are_those_of_training(void **state)
{
    static const char *const adding[] = { "data.length=20", "data.samples=2400",
        "data.split.validation=300", "data.split.test=400", "model[0].units=8",
        "train.validate_every=20" };
    static const char *const airline[] = { "train.epochs=2", "model[0].units=8",
        "data.split.validation=20" };
    (void)state;
    check_file(CONFIGS "adding-gru.cfg", adding, 6, false);
    check_file(CONFIGS "airline-lstm.cfg", airline, 3, false);
}

/* Of unequal length, with targets for every step, as the chorales are. */
static void test_trust__scores_of_music_are_those_of_training(void **state)
{
    error err;
    text pieces = { 0 };
    char written[CONFIG_BYTES];
    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        for (unsigned t = 0; t < 2 + i * 7 % 23; t++)
            text_printf(&pieces, "%s%u,%u", t ? " " : "", (i + t) % 4, 4 + (i * t) % 3);
        text_add(&pieces, "\n");
    }
    must(file_write_atomic("music.txt", pieces.s, pieces.n, &err), &err);
    text_release(&pieces);
    for (int shards = 1; shards <= 2; shards++) {
        snprintf(written, sizeof written,
            "data = { type = \"pianoroll\"; file = \"music.txt\"; keys = 7; batch_size = 7;\n"
            "  split = { validation = 17; test = 13; }; };\n"
            "model = ( { type = \"gru\"; units = 6; }, { type = \"dense\"; units = 7; } );\n"
            "loss = { type = \"bce_logits\"; features = \"sum\"; };\n"
            "optimizer = { type = \"adam\"; lr = 0.01; };\n"
            "train = { epochs = 2; replicas = %d; };\n",
            shards);
        check_text(written);
    }
}

static void test_trust__scores_of_chorales_are_those_of_training(void **state)
{
#define MUSIC TEST_SOURCE_DIR "/../shared/data/music/jsb-chorales."
    static const char *const overrides[] = { "data.file=\"" MUSIC "train.txt\"",
        "data.validation_file=\"" MUSIC "valid.txt\"", "data.test_file=\"" MUSIC "test.txt\"",
        "train.epochs=1", "model[0].units=16" };
    (void)state;
    if (!file_exists(MUSIC "train.txt")) {
        print_message("skipped: no ../shared/data/music/jsb-chorales.train.txt\n");
        skip();
    }
    check_file(CONFIGS "jsb-gru.cfg", overrides, 5, true);
}

/* A text as streams, whose outputs depend on what came before: batches are made as in training. */
static void test_trust__scores_of_streams_are_those_of_training(void **state)
{
    error err;
    text letters = { 0 };
    (void)state;
    for (unsigned i = 0; i < 3001; i++) {
        const char c = (char)('a' + (i * i / 7 + i / 3) % 5);
        text_add_bytes(&letters, &c, 1);
    }
    must(file_write_atomic("letters.txt", letters.s, letters.n, &err), &err);
    text_release(&letters);
    check_text("data = { type = \"text\"; file = \"letters.txt\"; batch_size = 6; window = 11;\n"
               "  split = { validation = 0.2; test = 0.15; }; };\n"
               "model = ( { type = \"lstm\"; units = 8; }, { type = \"dense\"; units = 5; } );\n"
               "loss = \"softmax_xent\"; metrics = ( \"accuracy\" );\n"
               "optimizer = { type = \"adam\"; lr = 0.01; };\n"
               "train = { epochs = 2; };\n");
}

/* Running statistics are part of what is scored. */
static void test_trust__scores_take_buffers_along(void **state)
{
    static const char *const overrides[] = { "train.epochs=2" };
    (void)state;
    check_file(CONFIGS "batch_norm.cfg", overrides, 1, false);
}

/* -- What a trainer is not told -- */

static void test_trust__trainers_have_no_test_part(void **state)
{
    static const char *const overrides[] = { "train.epochs=2", "model[0].units=16" };
    trust_rig g = { .input = { .overrides = overrides, .n_overrides = 2, .seed = 3 } };
    (void)state;
    trust_open_file(&g, CONFIGS "digits.cfg");
    const train_plan whole = trust_plan(&g, false), packed = trust_plan(&g, true);
    assert_int_equal(packed.n_rows[PART_TRAIN], whole.n_rows[PART_TRAIN]);
    assert_int_equal(packed.n_rows[PART_VALIDATION], whole.n_rows[PART_VALIDATION]);
    assert_true(whole.n_rows[PART_TEST] > 200);
    assert_int_equal(packed.n_rows[PART_TEST], 0);
    assert_memory_equal(packed.split_hash, whole.split_hash, sizeof whole.split_hash);
    trust_close(&g);
}

/* -- Forgery -- */

/* Training says that all is right; the numbers that count are those of the weights it left. */
static void test_trust__forged_numbers_do_not_count(void **state)
{
    char written[CONFIG_BYTES];
    char plugin[] = "plugins = ( \"" TEST_BUILD_DIR "/tests/hostile/hostile_forger.so\" );\n";
    static const char rest[] =
        "data = { type = \"csv\"; file = \"data/digits.csv\"; target = \"digit\"; batch_size = "
        "32;\n"
        "  standardize = true; split = { validation = 0.15; test = 0.15; }; };\n"
        "model = ( { type = \"dense\"; units = 10; } );\n"
        "loss = \"softmax_xent\"; metrics = ( \"accuracy\" ); train = { epochs = 2; };\n";
    trust_rig g = { .input = { .name = CONFIGS "forged.cfg", .written = written, .seed = 3 } };
    (void)state;
    snprintf(
        written, sizeof written, "%s%soptimizer = { type = \"hostile_forger\"; };\n", plugin, rest);
    trust_open(&g);
    const train_plan p = trust_plan(&g, true);
    snprintf(written, sizeof written,
        "%s%soptimizer = { type = \"hostile_forger\"; at = 7; n_w = %llu; n_b = %llu; rows = %d; "
        "};\n",
        plugin, rest, (unsigned long long)p.n_w, (unsigned long long)p.n_b, TRUST_ROWS);
    trained t = trust_train(&g, true);
    assert_true(trust_said(&t, "validation", "accuracy") == 1); /* the lie */
    assert_true(trust_said(&t, "validation", "loss") == 0);
    scored s = trust_score(&g, &p, t.result + t.layout.last_w);
    const double accuracy = trust_scored(&s, "validation", "accuracy");
    assert_true(accuracy < 0.2); /* all weights are 0: the first class, always */
    assert_true(fabs(trust_scored(&s, "validation", "loss") - log(10)) < 1e-6);
    job_free(s.job);
    job_free(t.job);
    trust_close(&g);
}

/* A metric of a third party is loaded by trainers, and by no scorer. */
static void test_trust__foreign_metrics_are_passed_over(void **state)
{
    static const char written[] =
        "plugins = ( \"" TEST_BUILD_DIR "/tests/hostile/hostile_metric.so\" );\n"
        "data = { type = \"csv\"; file = \"data/digits.csv\"; target = \"digit\"; batch_size = "
        "32;\n"
        "  standardize = true; split = { validation = 0.15; test = 0.15; }; };\n"
        "model = ( { type = \"dense\"; units = 10; } );\n"
        "loss = \"softmax_xent\"; metrics = ( \"hostile_metric\", \"accuracy\" );\n"
        "optimizer = { type = \"sgd\"; lr = 0.01; }; train = { epochs = 1; };\n";
    trust_rig g = { .input = { .name = CONFIGS "forged.cfg", .written = written, .seed = 3 } };
    (void)state;
    trust_open(&g);
    trained t = trust_train(&g, true);
    assert_true(trust_said(&t, "validation", "hostile_metric") == 1);
    scored s = trust_score(&g, &t.plan, t.result + t.layout.last_w);
    assert_int_equal(s.head.n_skipped, 1);
    assert_string_equal(s.head.skipped, "metric \"hostile_metric\"");
    assert_true(isnan(trust_scored(&s, "validation", "hostile_metric")));
    const double claim = trust_said(&t, "validation", "accuracy"),
                 judged = trust_scored(&s, "validation", "accuracy");
    assert_memory_equal(&claim, &judged, sizeof claim);
    job_free(s.job);
    job_free(t.job);
    trust_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trust__scores_of_classes_are_those_of_training),
        cmocka_unit_test(test_trust__scores_of_numbers_are_those_of_training),
        cmocka_unit_test(test_trust__scores_of_sequences_are_those_of_training),
        cmocka_unit_test_setup_teardown(
            test_trust__scores_of_music_are_those_of_training, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_trust__scores_of_streams_are_those_of_training, enter_scratch, leave_scratch),
        cmocka_unit_test(test_trust__scores_of_chorales_are_those_of_training),
        cmocka_unit_test(test_trust__scores_take_buffers_along),
        cmocka_unit_test(test_trust__trainers_have_no_test_part),
        cmocka_unit_test(test_trust__forged_numbers_do_not_count),
        cmocka_unit_test(test_trust__foreign_metrics_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
