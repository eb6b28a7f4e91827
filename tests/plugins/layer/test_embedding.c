/* embedding beside its numbers (test_sequences.c has those): what it declares, weights that are stored transposed, word
 * dropout, and what it refuses. Counts of kept words are judged by the binomial distribution, at five standard
 * deviations. */
#include "support/layer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { VOCABULARY = 13, SIZE = 5 };

static void open_embedding(
    layer_harness *l, double dropout, uint64_t time, uint64_t batch, uint64_t k)
{
    layer_open(l, TEST_BUILD_DIR, "embedding");
    component_set(&l->rig, "size", SIZE);
    component_set(&l->rig, "dropout", dropout);
    layer_input(l, (assay_shape){ 1, { k } });
    l->in[0].dtype = ASSAY_I32;
    l->in[0].needs_grad = 0;
    l->in[0].vocabulary = VOCABULARY;
    assert_int_equal(layer_plan(l, time, batch), ASSAY_OK);
}

/* The i-th of a long text, the same words in every sample. */
static int32_t token_at(uint64_t i)
{
    return (int32_t)((i * i + 3 * i / 2) % (VOCABULARY - 1));
}

static void put_token(layer_harness *l, uint64_t i, int32_t token)
{
    memcpy(l->x[0] + i, &token, sizeof token);
}

static int32_t token_of(const layer_harness *l, uint64_t i)
{
    int32_t token;
    memcpy(&token, l->x[0] + i, sizeof token);
    return token;
}

static void load(layer_harness *l)
{
    const uint64_t k = assay_shape_size(&l->in_shape[0]);
    for (uint64_t i = 0; i < layer_x_size(l, 0); i++) {
        put_token(l, i, token_at(i / k / l->io.batch + i % k));
    }
    fill_numbers(l->param[0], layer_param_size(l, 0), 5);
    fill_numbers(l->dy, layer_y_size(l), 6);
}

static void test_embedding__declares_a_matrix_that_others_may_share(void **state)
{
    layer_harness l;
    (void)state;
    open_embedding(&l, 0, 3, 2, 2);
    const assay_param *w = &l.declared[0];
    assert_int_equal(l.n_param, 1);
    assert_string_equal(w->name, "weight");
    assert_null(w->export_name);
    assert_int_equal(w->role, ASSAY_ROLE_EMBEDDING);
    assert_int_equal(w->flags, ASSAY_PARAM_TIE | ASSAY_PARAM_TIE_TRANSPOSED);
    assert_int_equal(w->layout, ASSAY_LAYOUT_SAME);
    assert_string_equal(w->init, "uniform");
    assert_true(assay_shape_equal(&w->shape, &(assay_shape){ 2, { VOCABULARY, SIZE } }));
    assert_true(assay_shape_equal(&l.plan.out, &(assay_shape){ 1, { 2 * SIZE } }));
    assert_int_equal(l.plan.time_mode, ASSAY_TIME_SAME);
    assert_int_equal(l.plan.couples_samples, 0);
    layer_close(&l);
}

/* [rows, cols] to [cols, rows] */
static void turn(const float *in, float *out, uint64_t rows, uint64_t cols)
{
    for (uint64_t i = 0; i < rows * cols; i++) {
        out[i % cols * rows + i / cols] = in[i];
    }
}

/* The same bits, whichever way the weight lies, added or not, with words dropped or not. */
static void test_embedding__takes_its_weight_from_a_transposed_matrix(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        layer_harness a, b;
        float turned[VOCABULARY * SIZE];
        open_embedding(&a, k & 1 ? 0.385 : 0, 7, 3, 2);
        open_embedding(&b, k & 1 ? 0.385 : 0, 7, 3, 2);
        load(&a);
        load(&b);
        turn(a.param[0], b.param[0], VOCABULARY, SIZE);
        b.transposed[0] = 1;
        a.accumulate[0] = b.accumulate[0] = k >> 1;
        fill_numbers(a.dparam[0], VOCABULARY * SIZE, 11);
        turn(a.dparam[0], b.dparam[0], VOCABULARY, SIZE);
        layer_forward(&a);
        layer_forward(&b);
        layer_backward(&a);
        layer_backward(&b);
        assert_memory_equal(a.y, b.y, layer_y_size(&a) * sizeof *a.y);
        turn(a.dparam[0], turned, VOCABULARY, SIZE);
        assert_memory_equal(b.dparam[0], turned, sizeof turned);
        layer_close(&a);
        layer_close(&b);
    }
}

/* Many places of one token: a running sum in float would lose the small ones. */
static void test_embedding__adds_many_places_in_double(void **state)
{
    enum { STEPS = 20000 };
    layer_harness l;
    (void)state;
    open_embedding(&l, 0, STEPS, 1, 1);
    double sum = 0;
    for (uint64_t t = 0; t < STEPS; t++) {
        put_token(&l, t, 7);
        for (uint64_t j = 0; j < SIZE; j++) {
            l.dy[t * SIZE + j] = t == 0 ? 2385.0f : 1e-4f;
        }
        sum += (double)l.dy[t * SIZE];
    }
    layer_forward(&l);
    layer_backward(&l);
    for (uint64_t j = 0; j < SIZE; j++) {
        assert_true(l.dparam[0][7 * SIZE + j] == (float)sum);
        assert_true(l.dparam[0][6 * SIZE + j] == 0);
    }
    layer_close(&l);
}

/* Whether token i was dropped; its whole row must be as that says. */
static int is_dropped(const layer_harness *l, uint64_t i, double keep)
{
    const float *y = l->y + i * SIZE, *w = l->param[0] + (uint64_t)token_of(l, i) * SIZE;
    const int dropped = y[0] == 0;
    for (uint64_t j = 0; j < SIZE; j++) {
        const float expected = dropped ? 0 : (float)(1 / keep) * w[j];
        assert_true(fabsf(y[j] - expected) <= 1e-6f * fabsf(expected));
    }
    return dropped;
}

static void test_embedding__drops_words_at_its_rate_all_over_a_sample(void **state)
{
    static const double rates[] = { 0.1, 0.385, 0.731 };
    enum { TIME = 40, BATCH = 200 };
    (void)state;
    for (size_t k = 0; k < sizeof rates / sizeof rates[0]; k++) {
        layer_harness l;
        double n_dropped = 0, n = 0;
        int seen[VOCABULARY] = { 0 };
        open_embedding(&l, rates[k], TIME, BATCH, 1);
        load(&l);
        layer_forward(&l);
        for (uint64_t b = 0; b < BATCH; b++) {
            int dropped[VOCABULARY];
            memset(dropped, -1, sizeof dropped);
            for (uint64_t t = 0; t < TIME; t++) {
                const int32_t token = token_of(&l, t * BATCH + b);
                const int now = is_dropped(&l, t * BATCH + b, 1 - rates[k]);
                if (dropped[token] < 0) {
                    dropped[token] = now;
                    seen[token] += now;
                    n_dropped += now;
                    n++;
                }
                assert_int_equal(now, dropped[token]);
            }
        }
        assert_true(n >= 4 * BATCH);
        assert_true(fabs(n_dropped - n * rates[k]) < 5 * sqrt(n * rates[k] * (1 - rates[k])));
        assert_true(seen[token_at(0)] > 0 && seen[token_at(0)] < BATCH); // samples differ
        layer_close(&l);
    }
}

/* Of two draws of their own at rate 0.5 half agree: a token beside its neighbour, in one sample, in the next, and across. */
static void test_embedding__draws_for_every_sample_and_token_anew(void **state)
{
    enum { BATCH = 120, N = (BATCH - 1) * (VOCABULARY - 1) };
    static const uint64_t other[][2] = { { 0, 1 }, { 1, 0 }, { 1, 1 } };
    layer_harness l;
    (void)state;
    open_embedding(&l, 0.5, VOCABULARY, BATCH, 1);
    load(&l);
    for (uint64_t i = 0; i < VOCABULARY * BATCH; i++) {
        put_token(&l, i, (int32_t)(i / BATCH));
    }
    layer_forward(&l);
    for (size_t k = 0; k < 4; k++) {
        double n_alike = 0;
        for (uint64_t v = 0; v + 1 < VOCABULARY; v++) {
            for (uint64_t b = 0; b + 1 < BATCH; b++) {
                const int crossed = k == 3; // the token before in the sample behind
                const uint64_t a = (v + (crossed ? 1 : 0)) * BATCH + b;
                const uint64_t c =
                    crossed ? v * BATCH + b + 1 : (v + other[k][0]) * BATCH + b + other[k][1];
                n_alike += is_dropped(&l, a, 0.5) == is_dropped(&l, c, 0.5);
            }
        }
        assert_true(fabs(n_alike - 0.5 * N) < 5 * sqrt(0.25 * N));
    }
    layer_close(&l);
}

static void test_embedding__gives_the_gradient_the_same_mask(void **state)
{
    layer_harness l;
    (void)state;
    open_embedding(&l, 0.385, 6, 5, 2);
    load(&l);
    assert_true(layer_gradient_error(&l, 7) < 1e-4);
    layer_close(&l);
}

/* The same words are dropped however a batch is cut, and however long it is. */
static void test_embedding__draws_alike_however_the_batch_is_cut(void **state)
{
    enum { TIME = 9, BATCH = 11 };
    static const uint64_t cut[] = { 0, 4, 5, BATCH };
    layer_harness whole;
    (void)state;
    open_embedding(&whole, 0.4, TIME, BATCH, 1);
    load(&whole);
    layer_forward(&whole);
    for (size_t k = 0; k + 1 < sizeof cut / sizeof cut[0]; k++) {
        const uint64_t n = cut[k + 1] - cut[k], time = TIME - k;
        layer_harness part;
        open_embedding(&part, 0.4, time, n, 1);
        load(&part);
        part.io.batch_begin = cut[k];
        part.io.batch_total = BATCH;
        layer_forward(&part);
        for (uint64_t t = 0; t < time; t++) {
            assert_memory_equal(part.y + t * n * SIZE, whole.y + (t * BATCH + cut[k]) * SIZE,
                n * SIZE * sizeof(float));
        }
        layer_close(&part);
    }
    layer_close(&whole);
}

static void test_embedding__draws_anew_for_every_batch_and_not_in_evaluation(void **state)
{
    layer_harness a, b, c;
    (void)state;
    open_embedding(&a, 0.5, 3, 50, 1);
    open_embedding(&b, 0.5, 3, 50, 1);
    open_embedding(&c, 0.5, 3, 50, 1);
    load(&a);
    load(&b);
    load(&c);
    b.io.draw++;
    c.io.training = 0;
    layer_forward(&a);
    layer_forward(&b);
    layer_forward(&c);
    assert_memory_not_equal(a.y, b.y, layer_y_size(&a) * sizeof *a.y);
    for (uint64_t i = 0; i < layer_x_size(&c, 0); i++) {
        assert_memory_equal(
            c.y + i * SIZE, c.param[0] + token_of(&c, i) * SIZE, SIZE * sizeof *c.y);
    }
    layer_close(&a);
    layer_close(&b);
    layer_close(&c);
}

static void test_embedding__refuses_a_token_outside_the_vocabulary(void **state)
{
    static const int32_t tokens[] = { VOCABULARY, -1, INT32_MAX };
    static const char *const why[] = { "token 13 is outside 0..12", "token -1 is outside 0..12",
        "token 2147483647 is outside 0..12" };
    (void)state;
    for (int k = 0; k < 3; k++) {
        layer_harness l;
        open_embedding(&l, 0.5, 3, 2, 1);
        load(&l);
        put_token(&l, 3, tokens[k]);
        assert_int_equal(l.ops->forward(&l.rig.ctx, l.rig.hyper, &l.io), ASSAY_E_DATA);
        assert_string_equal(l.rig.failure, why[k]);
        layer_close(&l);
    }
}

typedef struct refused {
    uint64_t n_in, vocabulary;
    uint32_t dtype;
    const char *why;
} refused;

static void test_embedding__says_what_to_do_about_an_input_that_does_not_fit(void **state)
{
    static const refused rows[] = {
        { 1, 0, ASSAY_F32, "put it first, behind data of tokens, or use dense" },
        { 2, VOCABULARY, ASSAY_I32, "exactly one input: give each its embedding" },
        { 1, 0, ASSAY_I32, "the dataset must give its vocabulary" },
    };
    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        layer_harness l;
        layer_open(&l, TEST_BUILD_DIR, "embedding");
        component_set(&l.rig, "size", SIZE);
        for (uint64_t i = 0; i < rows[k].n_in; i++) {
            layer_input(&l, (assay_shape){ 1, { 1 } });
            l.in[i].dtype = rows[k].dtype;
            l.in[i].vocabulary = rows[k].vocabulary;
        }
        assert_int_equal(layer_plan(&l, 3, 2), ASSAY_E_SHAPE);
        if (!strstr(l.rig.failure, rows[k].why)) fail_msg("%s", l.rig.failure);
        layer_close(&l);
    }
}

static int64_t no_param(assay_plan *plan, const assay_param *declared)
{
    (void)plan;
    (void)declared;
    return ASSAY_E_UNSUPPORTED;
}

static int64_t some_param(assay_plan *plan, const assay_param *declared)
{
    (void)plan;
    (void)declared;
    return 0;
}

static int64_t no_saved(assay_plan *plan, uint64_t per_row, uint64_t fixed)
{
    (void)plan;
    (void)per_row;
    (void)fixed;
    return ASSAY_E_NOMEM;
}

/* The harness, and how many pieces of scratch memory there are. */
typedef struct sparing_rig {
    layer_harness l; /* first: what the layer's plan holds is this */
    int n_scratch_left;
} sparing_rig;

static int64_t some_scratch(assay_plan *plan, uint64_t per_row, uint64_t fixed)
{
    sparing_rig *r = plan->host_data;
    (void)per_row;
    (void)fixed;
    return r->n_scratch_left-- > 0 ? 0 : ASSAY_E_NOMEM;
}

static void *no_alloc(assay_ctx *ctx, uint64_t bytes)
{
    (void)ctx;
    (void)bytes;
    return NULL;
}

static void test_embedding__passes_on_what_the_host_refuses(void **state)
{
    (void)state;
    for (int k = 0; k < 6; k++) {
        sparing_rig r = { .n_scratch_left = k - 3 };
        layer_harness *l = &r.l;
        layer_open(l, TEST_BUILD_DIR, "embedding");
        component_set(&l->rig, "size", SIZE);
        layer_input(l, (assay_shape){ 1, { 1 } });
        l->in[0].dtype = ASSAY_I32;
        l->in[0].vocabulary = VOCABULARY;
        l->plan.param = k == 0 ? no_param : some_param;
        if (k == 1) l->plan.saved = no_saved;
        if (k == 2) l->rig.host.alloc = no_alloc;
        if (k >= 3) l->plan.scratch = some_scratch;
        assert_int_equal(layer_plan(l, 3, 2), k == 0 ? ASSAY_E_UNSUPPORTED : ASSAY_E_NOMEM);
        layer_close(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embedding__declares_a_matrix_that_others_may_share),
        cmocka_unit_test(test_embedding__takes_its_weight_from_a_transposed_matrix),
        cmocka_unit_test(test_embedding__adds_many_places_in_double),
        cmocka_unit_test(test_embedding__drops_words_at_its_rate_all_over_a_sample),
        cmocka_unit_test(test_embedding__draws_for_every_sample_and_token_anew),
        cmocka_unit_test(test_embedding__gives_the_gradient_the_same_mask),
        cmocka_unit_test(test_embedding__draws_alike_however_the_batch_is_cut),
        cmocka_unit_test(test_embedding__draws_anew_for_every_batch_and_not_in_evaluation),
        cmocka_unit_test(test_embedding__refuses_a_token_outside_the_vocabulary),
        cmocka_unit_test(test_embedding__says_what_to_do_about_an_input_that_does_not_fit),
        cmocka_unit_test(test_embedding__passes_on_what_the_host_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
