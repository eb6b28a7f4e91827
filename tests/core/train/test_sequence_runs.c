/* Sequences of unequal length: a batch with padding is its samples one by one, weighted by hand; what is asked of a model's
 * outputs in time; and those who look on. */
#include "support/train_rig.h"

#include "base/file.h"
#include "train/internal.h"

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

enum { PIECES = 7, SOURCE_BYTES = 4096 };

/* Unequal, one of a single step. The second has two loud keys, the last is mostly silence. */
static const char *const pieces[PIECES] = {
    "0,3 1 2,4 - 0 3,4 1,2 0,1,2,3 4 -",
    "2 2,3",
    "4 3 2 1 0 1",
    "- 1,4 - 1,4 -",
    "0,2,4 1,3 0,2,4 1,3 0,2,4 1,3 0 0 0 4 4 2,3 2,3",
    "1,2 - 3",
    "- - - 0",
};

static const char *const models[] = {
    "{ type = \"lstm\"; units = 6; }, { type = \"dense\"; units = 5; }",
    "{ type = \"gru\"; units = 5; bidirectional = true; }, \"tanh\", { type = \"dense\"; units = "
    "5; }",
    "{ type = \"rnn\"; units = 7; }, \"layer_norm\", { type = \"dense\"; units = 5; }",
    "{ type = \"dense\"; units = 6; }, \"relu\", { type = \"dense\"; units = 5; }",
    "{ type = \"lstm\"; units = 4; peepholes = true; bidirectional = true; }, { type = \"gru\"; "
    "units = "
    "6; reset = \"before\"; }, { type = \"dense\"; units = 5; }",
};
enum { N_MODELS = sizeof models / sizeof models[0] };

/* The pieces from `first` to `end`, as a file of the rig's. */
static const char *write_pieces(train_rig *g, size_t first, size_t end)
{
    text t = { 0 };
    const char *path = rig_path(g, "pieces.txt");
    for (size_t i = first; i < end; i++) {
        text_printf(&t, "%s\n", pieces[i]);
    }
    assert_int_equal(file_write_atomic(path, t.s, t.n, &g->err), OK);
    text_release(&t);
    return path;
}

static size_t steps_of(size_t i)
{
    size_t n = 0;
    for (const char *s = pieces[i]; *s; s++) {
        n += *s == ' ';
    }
    return n;
}

static void open_music(train_rig *g, const char *path, const char *layers, const char *train)
{
    char source[SOURCE_BYTES];
    snprintf(source, sizeof source,
        "seed = 11; data = { type = \"pianoroll\"; file = \"%s\"; keys = 5; batch_size = 64; "
        "shuffle = "
        "false; split = { validation = 0; test = 0; }; }; model = ( %s ); loss = { type = "
        "\"bce_logits\"; }; optimizer = { type = \"sgd\"; lr = 0.01; }; train = { %s };",
        path, layers, train);
    rig_open(g, source, NULL);
    if (trainer_keep_gradient(g->t, &g->err) != OK) GIVE_UP("%s", g->err.text);
}

/* A step's loss and gradient of these pieces. */
static double step_of(
    size_t first, size_t end, const char *layers, const char *train, float **out_g, size_t *out_n)
{
    train_rig g;
    rig_init(&g);
    open_music(&g, write_pieces(&g, first, end), layers, train);
    *out_n = g.t->model->n_flat;
    rig_steps(&g, 1);
    *out_g = malloc(*out_n * sizeof **out_g);
    assert_non_null(*out_g);
    memcpy(*out_g, g.t->seen_g, *out_n * sizeof **out_g);
    const double loss = rig_last_loss(&g);
    rig_release(&g);
    return loss;
}

/* Piece by piece: each mean times its steps, over all steps. Sums are in double. */
static double by_hand(const char *layers, float **out_g, size_t *out_n)
{
    double loss = 0, steps = 0, *sum = NULL;
    for (size_t i = 0; i < PIECES; i++) {
        float *g;
        loss += (double)steps_of(i) * step_of(i, i + 1, layers, "replicas = 1;", &g, out_n);
        steps += (double)steps_of(i);
        if (!sum) sum = calloc(*out_n, sizeof *sum);
        assert_non_null(sum);
        for (size_t k = 0; k < *out_n; k++) {
            sum[k] += (double)steps_of(i) * (double)g[k];
        }
        free(g);
    }
    *out_g = malloc(*out_n * sizeof **out_g);
    assert_non_null(*out_g);
    for (size_t k = 0; k < *out_n; k++) {
        (*out_g)[k] = (float)(sum[k] / steps);
    }
    free(sum);
    return loss / steps;
}

static void test_padding__reaches_no_loss_and_no_gradient(void **state)
{
    static const char *const trains[] = { "replicas = 1;", "replicas = 2; threads = 2;",
        "replicas = 3;", "replicas = 9; threads = 2;" };
    (void)state;
    for (size_t i = 0; i < N_MODELS; i++) {
        size_t n, n_batch;
        float *g, *of_batch;
        const double loss = by_hand(models[i], &g, &n);
        for (size_t k = 0; k < sizeof trains / sizeof trains[0]; k++) {
            const double got = step_of(0, PIECES, models[i], trains[k], &of_batch, &n_batch);
            assert_int_equal(n, n_batch);
            expect_near(got, loss, 1e-5 * loss);
            const double far = relative_error(of_batch, g, n);
            if (!(far < 1e-5)) GIVE_UP("%g: %s, %s", far, models[i], trains[k]);
            free(of_batch);
        }
        free(g);
    }
}

/* The whole part at once and in batches: the mean over all real steps, not of means. */
static void test_evaluation__is_the_mean_over_all_real_steps(void **state)
{
    (void)state;
    for (int replicas = 1; replicas <= 3; replicas++) {
        char train[64];
        size_t n, steps = 0;
        float *gradient;
        double of_means = 0;
        const record_value *values;
        train_rig g;
        const double loss = by_hand(models[0], &gradient, &n);
        free(gradient);
        for (size_t i = 0; i < PIECES; i++) {
            of_means += step_of(i, i + 1, models[0], "replicas = 1;", &gradient, &n) / PIECES;
            steps += steps_of(i);
            free(gradient);
        }
        assert_true(fabs(of_means - loss) > 1e-4);
        snprintf(train, sizeof train, "replicas = %d;", replicas);
        rig_init(&g);
        open_music(&g, write_pieces(&g, 0, PIECES), models[0], train);
        for (size_t size = 1; size <= PIECES; size += 2) {
            evaluator *e;
            uint64_t samples = 0;
            const evaluator_options o = { .samples = &samples };
            assert_int_equal(evaluator_new(g.r, g.c, NULL, 0, &e, &g.err), OK);
            assert_int_equal(
                evaluator_plan(e, trainer_data(g.t), g.t->objective, size, &g.err), OK);
            assert_int_equal(evaluator_run(e, PART_TRAIN, &o, &values, &g.err), OK);
            expect_near(values[0].value, loss, 1e-6 * loss);
            assert_int_equal(samples, PIECES);
            evaluator_free(e);
        }
        rig_release(&g);
    }
}

#define RAGGED(more) \
    "data = { type = \"ragged\"; samples = 23; " more " batch_size = 5;" \
    " split = { validation = 6; test = 0; }; }; optimizer = { type = \"adam\"; lr = 0.011; };"
#define TO_EACH \
    "model = ( { type = \"lstm\"; units = 5; name = \"a\"; }, { type = \"trace_layer\"; name = " \
    "\"odd\"; }," \
    " { type = \"dense\"; units = 1; } ); loss = \"mse\";"
#define TO_ONE(last) \
    "model = ( { type = \"lstm\"; units = 5; name = \"a\"; }, " last \
    ", { type = \"dense\"; units = 1; } );" \
    " loss = \"mse\"; metrics = ( \"mae\" );"

static void test_weights__of_sequences_count_in_loss_and_evaluation(void **state)
{
    train_rig g;
    const record_value *values;
    const evaluator_options all = { 0 };
    (void)state;
    rig_init(&g);
    rig_open(&g,
        RAGGED("weighted = true;") TO_EACH "metrics = ( \"mae\" ); train = { replicas = 2; };",
        NULL);
    /* dense outputs 0: what is left is the weighted mean of squares and of sizes */
    size_t n;
    float *w = rig_weights(&g, &n);
    memset(w, 0, n * sizeof *w);
    rig_weights_changed(&g);
    const dataset *d = trainer_data(g.t);
    const assay_data *v = dataset_view(d);
    double squares = 0, sizes = 0, weight = 0;
    for (size_t i = 0; i < dataset_size(d, PART_VALIDATION); i++) {
        const uint32_t row = dataset_rows(d, PART_VALIDATION)[i];
        for (size_t t = 0; t < v->n_steps[row]; t++) {
            const double y = (double)v->targets[v->first_step[row] + t];
            squares += (double)v->weight[row] * y * y;
            sizes += (double)v->weight[row] * fabs(y);
            weight += (double)v->weight[row];
        }
    }
    assert_int_equal(trainer_evaluate(g.t, PART_VALIDATION, &all, &values, &g.err), OK);
    expect_near(values[0].value, squares / weight, 1e-6 * squares / weight);
    expect_near(values[1].value, sizes / weight, 1e-6 * sizes / weight);
    rig_release(&g);
}

/* -- outputs against targets -- */

static void test_time__of_outputs_and_targets_must_agree(void **state)
{
    static const char *const one[] = { "\"last_step\"", "\"mean_pool\"" };
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_refuse(&g, "\n" RAGGED("last = true;") TO_EACH, E_SHAPE,
        "x.cfg:2: model: the data has one target for a sequence, but the model gives an output for "
        "every "
        "step; end it with return = \"last\", last_step or mean_pool");
    for (size_t i = 0; i < 2; i++) {
        char source[SOURCE_BYTES];
        snprintf(source, sizeof source, RAGGED("") TO_ONE("%s"), one[i]);
        rig_refuse(&g, source, E_SHAPE,
            "x.cfg:1: model: the data has a target for every step, but the model gives one output "
            "for "
            "a sequence; take out last_step, mean_pool or return = \"last\"");
        snprintf(source, sizeof source,
            RAGGED("last = true;") TO_ONE("%s") "train = { epochs = 2; };", one[i]);
        rig_open(&g, source, NULL);
        rig_run(&g);
        assert_true(isfinite(g.validation_loss));
    }
    rig_refuse(&g,
        "data = { type = \"planted\"; window = 3; batch_size = 2; };" TO_ONE(
            "\"last_step\"") "optimizer = \"sgd\";",
        E_SHAPE, "the model gives one output for a sequence; take out last_step");
    rig_open(&g,
        RAGGED("last = true; longest = 9;") "model = ( { type = \"gru\"; units = 4; return = "
                                            "\"last\"; }, { type = \"dense\"; units = 1; } );"
                                            " loss = \"mse\"; train = { epochs = 1; };",
        NULL);
    rig_run(&g);
    rig_release(&g);
}

static void test_layer_that_couples_samples__takes_sequences_on_one_replica(void **state)
{
#define COUPLED \
    RAGGED("") \
    "model = ( { type = \"lstm\"; units = 5; }, \"batch_norm\", { type = \"dense\"; units = 1; } " \
    "); loss = \"mse\";"
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_refuse(&g, COUPLED "train = { replicas = 2; };", E_CONFLICT,
        "train.replicas is 2, but a layer couples the samples of a batch; set it to 1");
    rig_open(&g, COUPLED "train = { epochs = 3; };", NULL);
    assert_int_equal(trainer_n_replicas(g.t), 1);
    rig_run(&g);
    assert_true(isfinite(g.validation_loss));
    rig_release(&g);
}

#define TO_ONE_EACH \
    "model = ( { type = \"lstm\"; units = 5; recurrent_dropout = 0.2; }, { type = \"dropout\"; " \
    "rate = 0.3; }, " \
    "{ type = \"gru\"; units = 4; bidirectional = true; }, { type = \"dense\"; units = 1; } ); " \
    "loss = \"mse\"; " \
    "metrics = ( \"mae\" );"

static void save(train_rig *g, const char *name)
{
    if (trainer_save(g->t, rig_path(g, name), &g->err) != OK) GIVE_UP("%s", g->err.text);
}

static void test_threads__never_show_in_sequences(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    for (int threads = 1; threads <= 4; threads *= 2) {
        char source[SOURCE_BYTES];
        snprintf(source, sizeof source,
            RAGGED("weighted = true; bucket = 2;") TO_ONE_EACH
            "train = { epochs = 5; replicas = 3; threads = %d; accumulate = 2; clip_norm = 0.7; l2 "
            "= 1e-3; };",
            threads);
        rig_open(&g, source, NULL);
        assert_int_equal(trainer_n_threads(g.t), (size_t)threads);
        rig_run(&g);
        save(&g, threads == 1 ? "one" : "more");
        if (threads > 1) assert_true(rig_same_state(rig_path(&g, "one"), rig_path(&g, "more")));
    }
    rig_release(&g);
}

/* -- who looks on -- */

/* Whatever stands around it, in a batch of any number of shards. The largest feature is of all the sequence's real steps. */
static void test_trace__names_layer_and_sequence_of_an_output(void **state)
{
    (void)state;
    for (int replicas = 1; replicas <= 3; replicas++) {
        char source[SOURCE_BYTES];
        train_rig g;
        double largest = 0;
        snprintf(source, sizeof source,
            "data = { type = \"ragged\"; samples = 23; batch_size = 23; shuffle = false; split = { "
            "validation = 0; test = 0; }; }; optimizer = \"sgd\"; model = ( { type = \"lstm\"; "
            "units = 5; "
            "}, { type = \"trace_layer\"; name = \"odd\"; where = 1; step = 2; sample = 16; time = "
            "4; }, { "
            "type = "
            "\"dense\"; units = 1; } ); loss = \"mse\"; train = { epochs = 3; replicas = %d; };",
            replicas);
        rig_init(&g);
        rig_open(&g, source, NULL);
        if (trainer_trace(g.t, &g.err) != OK) GIVE_UP("%s", g.err.text);
        rig_run(&g);
        const trace_finding *f = trainer_finding(g.t);
        assert_non_null(f);
        assert_int_equal(f->step, 2);
        assert_string_equal(f->operation, "forward");
        assert_string_equal(f->layer, "odd");
        assert_int_equal(f->sample, 16);
        const assay_data *v = dataset_view(trainer_data(g.t));
        const float *x = v->x;
        assert_true(v->n_steps[16] > 4);
        for (size_t k = 0; k < v->n_steps[16] * 3; k++) {
            largest = fmax(largest, fabs((double)x[v->first_step[16] * 3 + k]));
        }
        assert_true(f->largest_feature == largest);
        rig_release(&g);
    }
}

/* Of a stream's window the step is named, which is a row of the data. */
static void test_trace__names_the_row_in_a_stream(void **state)
{
    (void)state;
    for (int replicas = 1; replicas <= 3; replicas++) {
        char source[SOURCE_BYTES];
        train_rig g;
        snprintf(source, sizeof source,
            "data = { type = \"planted\"; samples = 53; features = 3; window = 4; batch_size = 3; "
            "split = { validation = 0; test = 0; }; }; optimizer = \"sgd\"; model = ( { type = "
            "\"lstm\"; "
            "units = 5; }, { type = \"trace_layer\"; name = \"odd\"; where = 1; step = 2; sample = "
            "1; time = "
            "3; }, { type = \"dense\"; units = 1; } ); loss = \"mse\"; train = { epochs = 2; "
            "replicas = %d; };",
            replicas);
        rig_init(&g);
        rig_open(&g, source, NULL);
        if (trainer_trace(g.t, &g.err) != OK) GIVE_UP("%s", g.err.text);
        rig_run(&g);
        const trace_finding *f = trainer_finding(g.t);
        assert_non_null(f);
        assert_int_equal(f->step, 2);
        assert_int_equal(f->in_batch, 1);
        assert_int_equal(f->sample, 18 + 4 + 3); /* stream 1 begins at 18 */
        rig_release(&g);
    }
}

static double probed(train_rig *g, const char *name)
{
    const record_value *values;
    const size_t n = probe_take(g->t->probe, &values);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(values[i].name, name) == 0) return values[i].value;
    }
    GIVE_UP("no %s among the probe's numbers", name);
    return NAN;
}

/* Features are above 1: the second unit of each pair is 0 at all real steps, and its bias would wake it in padding. */
static void test_probe__takes_no_padding_for_life(void **state)
{
    (void)state;
    for (int replicas = 1; replicas <= 3; replicas++) {
        char source[SOURCE_BYTES];
        size_t n;
        train_rig g;
        snprintf(source, sizeof source,
            RAGGED("positive = true;") "model = ( { type = \"dense\"; units = 4; name = \"d\"; }, "
                                       "{ type = "
                                       "\"relu\"; name = \"r\"; }, { type = \"dense\"; units = 1; "
                                       "} ); loss = \"mse\"; train = { "
                                       "replicas = %d; probe = { every = 1; }; };",
            replicas);
        rig_init(&g);
        rig_open(&g, source, NULL);
        float *w = rig_tensor(&g, "d.weight", &n), *b = rig_tensor(&g, "d.bias", NULL);
        for (size_t k = 0; k < n; k++) {
            w[k] = k % 2 ? -1.7f : 0.9f;
        }
        for (size_t k = 0; k < 4; k++) {
            b[k] = 0.37f;
        }
        rig_weights_changed(&g);
        rig_steps(&g, 1);
        assert_true(probed(&g, "dead/r") == 0.5);
        rig_release(&g);
    }
}

/* What a shard counts: its real steps times their samples' weights, from the data itself. */
static double weight_of_shard(train_rig *g, size_t begin, size_t end)
{
    const assay_data *v = dataset_view(trainer_data(g->t));
    const batch *b = objective_batch(g->t->objective);
    double sum = 0;
    for (size_t i = begin; i < end; i++) {
        sum += (double)v->n_steps[b->rows[i]] * (double)v->weight[b->rows[i]];
    }
    return sum;
}

/* |G|^2 = (B |g|^2 - b |g_r|^2) / (B - b), where b is the harmonic mean of what two shards count and |g_r|^2 the mean of theirs. */
static void test_probe__weighs_shards_by_their_real_steps(void **state)
{
    train_rig g;
    double squares[2] = { 0, 0 }, whole = 0;
    float room[1];
    size_t n;
    (void)state;
    rig_init(&g);
    rig_open(&g,
        RAGGED("weighted = true;") TO_EACH
        "train = { replicas = 2; clip_norm = 1e9; probe = { every = 1; share = 1.0; }; };",
        NULL);
    assert_int_equal(trainer_keep_gradient(g.t, &g.err), OK);
    rig_steps(&g, 1);
    assert_int_equal(objective_n_parts(g.t->objective), 2);
    assert_int_equal(g.t->model->tensors[0].offset, 0);
    const float *sum = g.t->seen_g, *second = objective_part(g.t->objective, 1, 0, 0, 1, room);
    assert_ptr_not_equal(second, room); /* the part lies there as a whole */
    (void)rig_weights(&g, &n);
    for (size_t k = 0; k < n; k++) { /* the first one's has been added to */
        const double first = (double)sum[k] - (double)second[k];
        squares[0] += first * first;
        squares[1] += (double)second[k] * (double)second[k];
        whole += (double)sum[k] * (double)sum[k];
    }
    const size_t cut = objective_shard_begin(g.t->objective, 5, 1);
    const double w[2] = { weight_of_shard(&g, 0, cut), weight_of_shard(&g, cut, 5) };
    const double all = w[0] + w[1], b = 2 / (1 / w[0] + 1 / w[1]);
    const double small = all * all * (squares[0] / (w[0] * w[0]) + squares[1] / (w[1] * w[1])) / 2;
    const double expected = (all * whole - b * small) / (all - b);
    expect_near(probed(&g, "noise_gradient"), expected, 1e-4 * fabs(expected));
    rig_release(&g);
}

static void test_probe__changes_no_bit_and_gives_finite_numbers(void **state)
{
    static const char *const data[] = { RAGGED("weighted = true;") TO_EACH,
        "data = { type = \"planted\"; samples = 67; features = 3; window = 4; batch_size = 4; "
        "weighted = "
        "true; split = { validation = 0.2; test = 0; }; }; optimizer = \"adam\";" TO_EACH };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char source[SOURCE_BYTES];
        train_rig a, b;
        size_t n;
        rig_init(&a);
        rig_init(&b);
        snprintf(source, sizeof source, "%s train = { epochs = 3; replicas = 2; };", data[i]);
        rig_open(&a, source, NULL);
        rig_run(&a);
        snprintf(source, sizeof source,
            "%s train = { epochs = 3; replicas = 2; probe = { every = 1; }; };", data[i]);
        rig_open(&b, source, NULL);
        rig_run(&b);
        const float *w = rig_weights(&a, &n);
        assert_memory_equal(w, rig_weights(&b, NULL), n * sizeof *w);
        rig_release(&b);
        rig_release(&a);
    }
}

static void test_ways_of_running__take_sequences(void **state)
{
    train_rig g;
    (void)state;
    const trainer_options overfit = { .overfit_one_batch = true }, dry = { .dry_run = true };
    rig_init(&g);
    rig_open(&g, RAGGED("") TO_EACH "train = { epochs = 200; replicas = 2; };", &overfit);
    rig_steps(&g, 1);
    const double first = rig_last_loss(&g);
    rig_run(&g);
    assert_true(rig_last_loss(&g) < 0.2 * first);
    rig_open(&g, RAGGED("") TO_EACH "train = { epochs = 200; replicas = 2; weight_noise = 0.1; };",
        &dry);
    rig_run(&g);
    assert_int_equal(g.result.step, 2);
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_padding__reaches_no_loss_and_no_gradient),
        cmocka_unit_test(test_evaluation__is_the_mean_over_all_real_steps),
        cmocka_unit_test(test_weights__of_sequences_count_in_loss_and_evaluation),
        cmocka_unit_test(test_time__of_outputs_and_targets_must_agree),
        cmocka_unit_test(test_layer_that_couples_samples__takes_sequences_on_one_replica),
        cmocka_unit_test(test_threads__never_show_in_sequences),
        cmocka_unit_test(test_trace__names_layer_and_sequence_of_an_output),
        cmocka_unit_test(test_trace__names_the_row_in_a_stream),
        cmocka_unit_test(test_probe__takes_no_padding_for_life),
        cmocka_unit_test(test_probe__weighs_shards_by_their_real_steps),
        cmocka_unit_test(test_probe__changes_no_bit_and_gives_finite_numbers),
        cmocka_unit_test(test_ways_of_running__take_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
