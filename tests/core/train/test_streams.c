/* Streams beside a plain loop: a tanh network, a dense layer and a mean square, in double, with gradients by central
 * differences of the twin. What is carried, where it begins, and who may not touch it. */
#include "support/recurrent_twin.h"
#include "support/train_rig.h"

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

/* 53 rows are streams of 18, 18 and 17; five windows of 4, the last of 2, 2 and 1 steps. */
enum { ROWS = 53, STREAMS = 3, WINDOW = 4, WINDOWS = 5, IN = 2, UNITS = 3 };
enum {
    AT_W = 0,
    AT_U = AT_W + IN * UNITS,
    AT_B = AT_U + UNITS * UNITS,
    AT_V = AT_B + UNITS,
    AT_C = AT_V + UNITS,
    N_PARAMS = AT_C + 1
};

#define DATA_OF(more) \
    "data = { type = \"planted\"; samples = 53; features = 2; window = 4; batch_size = 3; " more \
    " split = { validation = 0; test = 0; }; };"
#define DATA DATA_OF("weighted = true;")
#define MODEL \
    "model = ( { type = \"rnn\"; units = 3; name = \"r\"; }, { type = \"dense\"; units = 1; name " \
    "= " \
    "\"d\"; } ); loss = \"mse\";"
#define SGD "optimizer = { type = \"sgd\"; lr = 0.173; };"

/* -- the plain loop -- */

typedef struct plain {
    const assay_data *data;
    double p[N_PARAMS];
    double h[STREAMS * UNITS]; /* what streams begin with */
} plain;

static size_t stream_begin(size_t j)
{
    const size_t each = ROWS / STREAMS, longer = ROWS % STREAMS;
    return j * each + (j < longer ? j : longer);
}

/* Steps of stream j in window i, and the first's row. */
static size_t steps_in(size_t i, size_t j, size_t *out_row)
{
    const size_t begin = stream_begin(j), n = stream_begin(j + 1) - begin;
    *out_row = begin + i * WINDOW;
    const size_t left = n > i * WINDOW ? n - i * WINDOW : 0;
    return left < WINDOW ? left : WINDOW;
}

static double weight_in(const plain *q, size_t i)
{
    double sum = 0;
    size_t row;
    for (size_t j = 0; j < STREAMS; j++) {
        const size_t n = steps_in(i, j, &row);
        for (size_t t = 0; t < n; t++) {
            sum += q->data->weight ? (double)q->data->weight[row + t] : 1;
        }
    }
    return sum;
}

/* The loss of window i with these parameters, undivided; `h` is what streams begin with and then what they leave. */
static double window_loss(const plain *q, const double *p, size_t i, double *h)
{
    double sum = 0;
    for (size_t j = 0; j < STREAMS; j++) {
        double x[WINDOW * IN], y[WINDOW * UNITS], left[UNITS];
        size_t row;
        const size_t n = steps_in(i, j, &row);
        const float *from = q->data->x;
        for (size_t k = 0; k < n * IN; k++) {
            x[k] = (double)from[row * IN + k];
        }
        const recurrent_twin twin = { .cell = TWIN_RNN,
            .time = n,
            .batch = 1,
            .in = IN,
            .units = UNITS,
            .biases = 1,
            .x = x,
            .param = { p + AT_W, p + AT_U, p + AT_B },
            .h_first = h + j * UNITS,
            .y = y,
            .h_last = left };
        recurrent_twin_run(&twin);
        memcpy(h + j * UNITS, left, sizeof left);
        for (size_t t = 0; t < n; t++) {
            double out = p[AT_C];
            for (size_t k = 0; k < UNITS; k++) {
                out += y[t * UNITS + k] * p[AT_V + k];
            }
            const double d = out - (double)q->data->targets[row + t];
            sum += d * d * (q->data->weight ? (double)q->data->weight[row + t] : 1);
        }
    }
    return sum;
}

/* The mean over windows i .. i + n - 1 that begin at q->h; `left`: what they leave. */
static double mean_loss(const plain *q, const double *p, size_t i, size_t n, double *left)
{
    double h[STREAMS * UNITS], sum = 0, weight = 0;
    memcpy(h, q->h, sizeof h);
    for (size_t k = 0; k < n; k++) {
        sum += window_loss(q, p, i + k, h);
        weight += weight_in(q, i + k);
    }
    if (left) memcpy(left, h, sizeof h);
    return sum / weight;
}

/* Adds the gradient of window i that begins at h, which counts as a constant. A step of 2^-15 is exact; what is left is of
 * order 1e-9. */
static void add_gradient(const plain *q, const double *at, size_t i, const double *h, double *out)
{
    const double step = 1.0 / 32768;
    for (size_t k = 0; k < N_PARAMS; k++) {
        double p[N_PARAMS], of_above[STREAMS * UNITS], of_below[STREAMS * UNITS];
        memcpy(p, at, sizeof p);
        memcpy(of_above, h, sizeof of_above);
        memcpy(of_below, h, sizeof of_below);
        p[k] = at[k] + step;
        const double above = window_loss(q, p, i, of_above);
        p[k] = at[k] - step;
        out[k] += (above - window_loss(q, p, i, of_below)) / (2 * step);
    }
}

/* Of the mean over windows i .. i + n - 1, back-propagation cut between two. */
static void gradient(const plain *q, const double *at, size_t i, size_t n, double *out)
{
    double h[STREAMS * UNITS], weight = 0;
    memcpy(h, q->h, sizeof h);
    memset(out, 0, N_PARAMS * sizeof *out);
    for (size_t k = 0; k < n; k++) {
        add_gradient(q, at, i + k, h, out);
        (void)window_loss(q, at, i + k, h);
        weight += weight_in(q, i + k);
    }
    for (size_t k = 0; k < N_PARAMS; k++) {
        out[k] /= weight;
    }
}

/* One update on n windows from the i-th; rho > 0: as sam_like makes it. Returns the loss. */
static double plain_step(plain *q, size_t i, size_t n, double lr, double rho)
{
    double g[N_PARAMS], left[STREAMS * UNITS], squares = 0;
    if (i == 0) memset(q->h, 0, sizeof q->h);
    const double loss = mean_loss(q, q->p, i, n, left);
    gradient(q, q->p, i, n, g);
    if (rho > 0) {
        double worst[N_PARAMS];
        for (size_t k = 0; k < N_PARAMS; k++) {
            squares += g[k] * g[k];
        }
        for (size_t k = 0; k < N_PARAMS; k++) {
            worst[k] = q->p[k] + rho / sqrt(squares) * g[k];
        }
        gradient(q, worst, i, n, g);
    }
    for (size_t k = 0; k < N_PARAMS; k++) {
        q->p[k] -= lr * g[k];
    }
    memcpy(q->h, left, sizeof left);
    return loss;
}

/* -- beside the trainer -- */

static const struct {
    const char *name;
    size_t at, n;
} tensors[] = { { "r.weight", AT_W, IN *UNITS }, { "r.recurrent", AT_U, UNITS *UNITS },
    { "r.bias", AT_B, UNITS }, { "d.weight", AT_V, UNITS }, { "d.bias", AT_C, 1 } };
enum { N_TENSORS = sizeof tensors / sizeof tensors[0] };

static void take_weights(train_rig *g, plain *q)
{
    memset(q, 0, sizeof *q);
    q->data = dataset_view(trainer_data(g->t));
    assert_int_equal(q->data->n_samples, ROWS);
    for (size_t i = 0; i < N_TENSORS; i++) {
        size_t n;
        const float *w = rig_tensor(g, tensors[i].name, &n);
        assert_int_equal(n, tensors[i].n);
        for (size_t k = 0; k < n; k++) {
            q->p[tensors[i].at + k] = (double)w[k];
        }
    }
}

static double distance(train_rig *g, const plain *q)
{
    double squares = 0, size = 0;
    for (size_t i = 0; i < N_TENSORS; i++) {
        const float *w = rig_tensor(g, tensors[i].name, NULL);
        for (size_t k = 0; k < tensors[i].n; k++) {
            const double p = q->p[tensors[i].at + k];
            squares += ((double)w[k] - p) * ((double)w[k] - p);
            size += p * p;
        }
    }
    return sqrt(squares / size);
}

/* Both go through n_steps; a step is `accumulate` windows. Rounding of some ten float steps at a rate of 0.17: 1e-6. */
static void compare(const char *source, size_t n_steps, size_t accumulate, double rho)
{
    train_rig g;
    plain q;
    size_t i = 0;
    rig_init(&g);
    rig_open(&g, source, NULL);
    take_weights(&g, &q);
    for (size_t step = 0; step < n_steps; step++) {
        const size_t n = WINDOWS - i < accumulate ? WINDOWS - i : accumulate;
        const double loss = plain_step(&q, i, n, 0.173, rho);
        rig_steps(&g, 1);
        expect_near(rig_last_loss(&g), loss, 3e-6 * loss);
        i = (i + n) % WINDOWS;
    }
    if (!(distance(&g, &q) < 3e-6))
        GIVE_UP("%g after %zu steps of\n%s", distance(&g, &q), n_steps, source);
    rig_release(&g);
}

static void test_streams__train_as_a_plain_loop_that_carries(void **state)
{
    (void)state;
    compare(DATA MODEL SGD "train = { replicas = 1; };", 12, 1, 0);
    compare(DATA_OF("weighted = false;") MODEL SGD "train = { replicas = 1; };", 7, 1, 0);
}

static void test_streams__carry_over_shards_of_any_number(void **state)
{
    (void)state;
    compare(DATA MODEL SGD "train = { replicas = 2; threads = 2; };", 8, 1, 0);
    compare(DATA MODEL SGD "train = { replicas = 3; };", 8, 1, 0);
    compare(DATA MODEL SGD "train = { replicas = 5; threads = 2; };", 8, 1, 0);
}

static void test_accumulation__carries_from_one_micro_batch_to_the_next(void **state)
{
    (void)state;
    compare(DATA MODEL SGD "train = { replicas = 1; accumulate = 2; };", 8, 2, 0);
    compare(DATA MODEL SGD "train = { replicas = 2; accumulate = 3; };", 5, 3, 0);
}

static void test_closures__begin_where_the_update_began_and_leave_nothing(void **state)
{
    (void)state;
#define SAM \
    "optimizer = { type = \"sam_like\"; rho = 0.31; inner = { type = \"sgd\"; lr = 0.173; }; };"
    compare(DATA MODEL SAM "train = { replicas = 1; };", 9, 1, 0.31);
    compare(DATA MODEL SAM "train = { replicas = 2; accumulate = 2; };", 7, 2, 0.31);
}

/* The loop without carrying is told from the one with it: the tests above can fail. */
static void test_plain_loop__that_forgets_comes_out_elsewhere(void **state)
{
    train_rig g;
    plain q;
    (void)state;
    rig_init(&g);
    rig_open(&g, DATA MODEL SGD "train = { replicas = 1; };", NULL);
    take_weights(&g, &q);
    for (size_t step = 0; step < 3; step++) {
        memset(q.h, 0, sizeof q.h);
        (void)plain_step(&q, step, 1, 0.173, 0);
        rig_steps(&g, 1);
    }
    assert_true(distance(&g, &q) > 1e-3);
    rig_release(&g);
}

/* -- evaluation -- */

static void test_evaluation__carries_too_and_is_the_mean_over_all_steps(void **state)
{
    (void)state;
    for (int replicas = 1; replicas <= 3; replicas++) {
        char source[1024];
        const record_value *values;
        uint64_t samples = 0;
        train_rig g;
        plain q;
        snprintf(source, sizeof source, DATA MODEL SGD "train = { replicas = %d; };", replicas);
        rig_init(&g);
        rig_open(&g, source, NULL);
        take_weights(&g, &q);
        const double expected = mean_loss(&q, q.p, 0, WINDOWS, NULL);
        const evaluator_options o = { .samples = &samples };
        for (int again = 0; again < 2; again++) {
            assert_int_equal(
                evaluator_run(trainer_evaluator(g.t), PART_TRAIN, &o, &values, &g.err), OK);
            expect_near(values[0].value, expected, 2e-6 * expected);
        }
        assert_int_equal(samples, 2 * ROWS);
        rig_release(&g);
    }
}

#define SPLIT \
    "data = { type = \"planted\"; samples = 97; features = 2; window = 5; batch_size = 4;" \
    " split = { validation = 0.31; test = 0; }; };"

static void test_evaluation__in_the_middle_of_an_epoch_changes_no_later_bit(void **state)
{
    train_rig a, b;
    size_t n;
    (void)state;
    rig_init(&a);
    rig_init(&b);
    rig_open(&a, SPLIT MODEL SGD "train = { replicas = 2; };", NULL);
    rig_open(&b, SPLIT MODEL SGD "train = { replicas = 2; };", NULL);
    for (int step = 0; step < 9; step++) {
        const record_value *values;
        const evaluator_options all = { 0 }, some = { .max_samples = 11 };
        rig_steps(&a, 1);
        rig_steps(&b, 1);
        assert_int_equal(trainer_evaluate(b.t, PART_VALIDATION, &all, &values, &b.err), OK);
        assert_true(isfinite(values[0].value));
        assert_int_equal(trainer_evaluate(b.t, PART_TRAIN, &some, &values, &b.err), OK);
    }
    const float *w = rig_weights(&a, &n);
    assert_memory_equal(w, rig_weights(&b, NULL), n * sizeof *w);
    rig_release(&b);
    rig_release(&a);
}

static status count_rows(void *self, const batch *b, const float *y, error *err)
{
    size_t *n = self;
    (void)y;
    (void)err;
    *n += b->n_samples;
    return OK;
}

/* Streams of windows of one step have a batch's shape of plain samples, and are no more to be cut. */
static void test_evaluation__of_some_samples_takes_whole_windows(void **state)
{
    static const char *const windows[] = { "1", "4" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char source[1024];
        const record_value *values;
        uint64_t samples = 0;
        size_t rows = 0;
        train_rig g;
        snprintf(source, sizeof source,
            "data = { type = \"planted\"; samples = 53; features = 2; window = %s; batch_size = 3;"
            " split = { validation = 0; test = 0; }; };" MODEL SGD "train = { replicas = 2; };",
            windows[i]);
        rig_init(&g);
        rig_open(&g, source, NULL);
        assert_int_equal(evaluator_collect_outputs(trainer_evaluator(g.t), &g.err), OK);
        const evaluator_options o = {
            .max_samples = 52, .samples = &samples, .each = count_rows, .self = &rows
        };
        assert_int_equal(
            evaluator_run(trainer_evaluator(g.t), PART_TRAIN, &o, &values, &g.err), OK);
        assert_int_equal(samples, 53);
        assert_int_equal(rows, 53);
        rig_release(&g);
    }
}

/* -- what must not show -- */

#define DEEP \
    "model = ( { type = \"lstm\"; units = 11; recurrent_dropout = 0.2; }, { type = \"dropout\"; " \
    "rate = " \
    "0.1; }, { type = \"gru\"; units = 7; }, { type = \"dense\"; units = 3; } );" \
    " loss = \"softmax_xent\"; optimizer = { type = \"adam\"; lr = 0.013; };"
#define LABELS \
    "data = { type = \"planted\"; samples = 263; features = 4; classes = 3; weighted = true; " \
    "window " \
    "= 6; batch_size = 7; split = { validation = 0.2; test = 0; }; };"
#define DEEP_TRAIN "accumulate = 2; clip_norm = 0.83; l2 = 1e-3; weight_noise = 0.02; "

static void open_deep(train_rig *g, int replicas, int threads)
{
    char source[2048];
    snprintf(source, sizeof source,
        LABELS DEEP "train = { epochs = 9; replicas = %d; threads = %d; " DEEP_TRAIN "};", replicas,
        threads);
    rig_open(g, source, NULL);
}

static void save(train_rig *g, const char *name)
{
    if (trainer_save(g->t, rig_path(g, name), &g->err) != OK) GIVE_UP("%s", g->err.text);
}

static void test_threads__never_show_in_streams(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    open_deep(&g, 3, 1);
    rig_run(&g);
    save(&g, "one");
    for (int threads = 2; threads <= 4; threads += 2) {
        open_deep(&g, 3, threads);
        assert_int_equal(trainer_n_threads(g.t), (size_t)threads);
        rig_run(&g);
        save(&g, "more");
        assert_true(rig_same_state(rig_path(&g, "one"), rig_path(&g, "more")));
    }
    rig_release(&g);
}

static void test_replicas__agree_to_rounding_on_streams(void **state)
{
    train_rig one, many;
    size_t n;
    (void)state;
    rig_init(&one);
    open_deep(&one, 1, 1);
    rig_steps(&one, 7);
    const float *w = rig_weights(&one, &n);
    for (int replicas = 2; replicas <= 9; replicas += replicas == 3 ? 6 : 1) {
        rig_init(&many);
        open_deep(&many, replicas, 2);
        rig_steps(&many, 7);
        /* Adam divides small gradients by their own size: rounding in 1e-7 of one comes out as some 1e-5 of a step of 0.013 */
        const double far = relative_error(rig_weights(&many, NULL), w, n);
        if (!(far < 1e-5)) GIVE_UP("%d replicas: %g", replicas, far);
        rig_release(&many);
    }
    rig_release(&one);
}

static void test_resume__in_the_middle_of_an_epoch_gives_the_same_bits(void **state)
{
    (void)state;
    for (int k = 1; k <= 6; k += 1) {
        train_rig g;
        rig_init(&g);
        open_deep(&g, 2, 2);
        rig_steps(&g, (size_t)k);
        save(&g, "middle");
        rig_steps(&g, (size_t)k);
        save(&g, "whole");
        open_deep(&g, 2, 1);
        rig_steps(&g, 1); /* what it has carried so far is gone */
        if (trainer_restore(g.t, rig_path(&g, "middle"), &g.err) != OK) GIVE_UP("%s", g.err.text);
        rig_steps(&g, (size_t)k);
        save(&g, "resumed");
        if (!rig_same_state(rig_path(&g, "whole"), rig_path(&g, "resumed"))) GIVE_UP("at %d", k);
        rig_release(&g);
    }
}

static void test_resume__refuses_a_checkpoint_without_what_was_carried(void **state)
{
    train_rig g;
    safetensors *f;
    array kept[64];
    size_t n = 0;
    (void)state;
    rig_init(&g);
    open_deep(&g, 2, 1);
    rig_steps(&g, 2);
    save(&g, "whole");
    assert_int_equal(safetensors_open(rig_path(&g, "whole"), &f, &g.err), OK);
    for (size_t i = 0; i < safetensors_count(f); i++) {
        const array *a = safetensors_at(f, i);
        if (strcmp(a->name, "carried/gru1.h") != 0) {
            assert_true(n < 64);
            kept[n++] = *a;
        }
    }
    assert_int_equal(n + 1, safetensors_count(f));
    const array_note notes[] = { { "assay.fingerprint", g.t->fingerprint } };
    assert_int_equal(safetensors_write(rig_path(&g, "less"), kept, n, notes, 1, &g.err), OK);
    safetensors_close(f);
    assert_int_equal(trainer_restore(g.t, rig_path(&g, "less"), &g.err), E_MISSING);
    assert_non_null(strstr(g.err.text, "carried/gru1.h"));
    rig_release(&g);
}

/* -- ways of running -- */

static void test_overfitting_one_batch__begins_each_time_at_zero(void **state)
{
    train_rig g;
    plain q;
    (void)state;
    const trainer_options o = { .overfit_one_batch = true };
    rig_init(&g);
    rig_open(&g, DATA MODEL SGD "train = { replicas = 1; };", &o);
    take_weights(&g, &q);
    for (int step = 0; step < 6; step++) {
        const double loss = plain_step(&q, 0, 1, 0.173, 0);
        rig_steps(&g, 1);
        expect_near(rig_last_loss(&g), loss, 3e-6 * loss);
    }
    rig_release(&g);
}

static void test_dry_run__goes_through_streams(void **state)
{
    train_rig g;
    (void)state;
    const trainer_options o = { .dry_run = true };
    rig_init(&g);
    rig_open(&g, SPLIT MODEL SGD "train = { epochs = 50; replicas = 2; };", &o);
    rig_run(&g);
    assert_int_equal(g.result.step, 2);
    assert_true(isfinite(g.validation_loss));
    rig_release(&g);
}

static void test_weight_noise__leaves_streams_and_weights_as_they_are(void **state)
{
    train_rig g;
    size_t n;
    (void)state;
    rig_init(&g);
    rig_open(&g,
        DATA MODEL "optimizer = { type = \"sgd\"; lr = 1e-30; }; train = { replicas = 1; "
                   "weight_noise = 0.11; };",
        NULL);
    const float *w = rig_weights(&g, &n);
    float *before = malloc(n * sizeof *before);
    assert_non_null(before);
    memcpy(before, w, n * sizeof *w);
    double first = 0;
    for (int step = 0; step <= WINDOWS; step++) {
        rig_steps(&g, 1);
        first = step == 0 ? rig_last_loss(&g) : first;
    }
    for (size_t i = 0; i < n; i++) {
        expect_near(
            (double)w[i], (double)before[i], 1e-27); /* what the rate brings to a bias of 0 */
    }
    assert_true(fabs(rig_last_loss(&g) - first) > 1e-4); /* the same window, drawn anew */
    free(before);
    rig_release(&g);
}

static void test_window__that_no_stream_fills_is_said(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_refuse(&g,
        "data = { type = \"planted\"; samples = 5; window = 9; drop_last = true; batch_size = 2;"
        " split = { validation = 0; test = 0; }; };" MODEL SGD,
        E_RANGE,
        "the training part has 5 steps, less than one window of 9; `drop_last` leaves nothing");
    rig_release(&g);
}

/* 53 rows have 13 full windows of 4. */
static void test_streams__fewer_than_asked_for_are_said(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g,
        "data = { type = \"planted\"; samples = 53; features = 2; window = 4; batch_size = 30;"
        " split = { validation = 0; test = 0; }; };" MODEL SGD,
        NULL);
    assert_int_equal(trainer_batch_size(g.t), 13);
    assert_non_null(g.notes.s);
    assert_non_null(strstr(g.notes.s,
        "data.batch_size = 30: 53 time steps fill a window of 4 for 13 streams at most, so many "
        "are made"));
    assert_string_equal(dataset_sample_word(trainer_data(g.t), true), "time steps");
    rig_release(&g);
    rig_init(&g);
    rig_open(&g, DATA MODEL SGD, NULL);
    assert_true(!g.notes.s || !strstr(g.notes.s, "streams are made"));
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams__train_as_a_plain_loop_that_carries),
        cmocka_unit_test(test_streams__carry_over_shards_of_any_number),
        cmocka_unit_test(test_accumulation__carries_from_one_micro_batch_to_the_next),
        cmocka_unit_test(test_closures__begin_where_the_update_began_and_leave_nothing),
        cmocka_unit_test(test_plain_loop__that_forgets_comes_out_elsewhere),
        cmocka_unit_test(test_evaluation__carries_too_and_is_the_mean_over_all_steps),
        cmocka_unit_test(test_evaluation__in_the_middle_of_an_epoch_changes_no_later_bit),
        cmocka_unit_test(test_evaluation__of_some_samples_takes_whole_windows),
        cmocka_unit_test(test_threads__never_show_in_streams),
        cmocka_unit_test(test_replicas__agree_to_rounding_on_streams),
        cmocka_unit_test(test_resume__in_the_middle_of_an_epoch_gives_the_same_bits),
        cmocka_unit_test(test_resume__refuses_a_checkpoint_without_what_was_carried),
        cmocka_unit_test(test_overfitting_one_batch__begins_each_time_at_zero),
        cmocka_unit_test(test_dry_run__goes_through_streams),
        cmocka_unit_test(test_weight_noise__leaves_streams_and_weights_as_they_are),
        cmocka_unit_test(test_window__that_no_stream_fills_is_said),
        cmocka_unit_test(test_streams__fewer_than_asked_for_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
