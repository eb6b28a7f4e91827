/* Probes: what they say is what a slower look says, and a run with them is the run without them, bit for bit. */
#include "support/train_rig.h"

#include "train/internal.h"
#include "train/probe_sums.h"
#include "train/run_records.h"

#include "base/file.h"

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

/* The first matrix has 60 x 150 numbers: several chunks of an optimizer. */
#define NET \
    "data = { type = \"blobs\"; samples = 90; classes = 4; features = 60; spread = 4.5;\n" \
    "  split = { validation = 0.0; test = 0.0; }; batch_size = 16; };\n" \
    "model = ( { type = \"dense\"; units = 150; name = \"a\"; }, \"relu\", { type = \"dropout\"; " \
    "}, { type = \"dense\"; units = 4; name = \"b\"; } );\nloss = \"softmax_xent\";\n"

static const char *const optimizers[] = {
    "{ type = \"adam\"; lr = 0.003; }",
    "{ type = \"sgd\"; lr = 0.05; momentum = 0.9; }",
    "{ type = \"lars_like\"; lr = 0.02; }",
    "{ type = \"factored\"; lr = 0.002; }",
    "{ type = \"keeper\"; lr = 0.05; }",
    "{ type = \"history\"; lr = 0.05; }",
    "{ type = \"averaged\"; lr = 0.05; }",
    "{ type = \"sam_like\"; inner = { type = \"adam\"; lr = 0.003; }; }",
    "{ type = \"lookahead_like\"; inner = { type = \"lars_like\"; lr = 0.02; }; }",
    "( { type = \"adam\"; match = \"role:bias\"; }, { type = \"sam_like\"; inner = \"sgd\"; } )",
    "{ type = \"selective\"; lr = 0.02; }",
    "{ type = \"selective_outer\"; inner = \"selective_tensor\"; }",
};

/* In pieces where the optimizer permits; as a whole. */
static const char *const settings[] = { "", "accumulate = 2; clip_norm = 0.9; l2 = 1e-3;",
    "clip_value = 0.01; l2 = 1e-3;" };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void open_with(train_rig *g, const char *by, int replicas, int threads, const char *more)
{
    char source[2048];
    snprintf(source, sizeof source,
        NET "optimizer = %s; train = { epochs = 50; replicas = %d; threads = %d; %s };", by,
        replicas, threads, more);
    rig_open(g, source, NULL);
}

static void save(train_rig *g, const char *name)
{
    if (trainer_save(g->t, rig_path(g, name), &g->err) != OK) GIVE_UP("%s", g->err.text);
}

static void compare_runs(const char *by, const char *setting, int replicas)
{
    train_rig g;
    char probed[256];
    rig_init(&g);
    snprintf(probed, sizeof probed, "%s probe = { every = 3; share = 1.0; };", setting);
    open_with(&g, by, replicas, replicas, setting);
    assert_null(g.t->probe);
    rig_steps(&g, 8);
    save(&g, "without");
    open_with(&g, by, replicas, replicas, probed);
    assert_non_null(g.t->probe);
    rig_steps(&g, 8);
    save(&g, "with");
    if (!rig_same_state(rig_path(&g, "without"), rig_path(&g, "with"))) {
        GIVE_UP("%s, %s, %d replicas", by, setting, replicas);
    }
    rig_release(&g);
}

static void test_probe__never_shows_in_the_result(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(optimizers); i++) {
        for (size_t k = 0; k < COUNT(settings); k++) {
            compare_runs(optimizers[i], settings[k], 1);
            compare_runs(optimizers[i], settings[k], 3);
        }
    }
}

/* -- what is said -- */

static const record_value *taken;
static size_t n_taken;

static void take(train_rig *g)
{
    n_taken = probe_take(g->t->probe, &taken);
    assert_true(n_taken > 0);
}

static const record_value *value_of(const char *name)
{
    for (size_t i = 0; i < n_taken; i++) {
        if (strcmp(taken[i].name, name) == 0) return &taken[i];
    }
    GIVE_UP("the probe says nothing of %s", name);
    return NULL;
}

static double number(const char *name)
{
    return value_of(name)->value;
}

static double norm(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i] * x[i];
    }
    return sqrt(sum);
}

static double dot(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i] * y[i];
    }
    return sum;
}

static float *copy(const float *x, size_t n)
{
    float *out = malloc(n * sizeof *out);
    assert_non_null(out);
    return memcpy(out, x, n * sizeof *x);
}

/* With plain SGD the update is -lr times the gradient; with momentum the slot before a step is known from the step before. */
static void check_norms(int replicas, const char *setting)
{
    train_rig g;
    size_t n;
    char more[128];
    rig_init(&g);
    snprintf(more, sizeof more, "%s probe = { every = 3; share = 1.0; };", setting);
    open_with(&g, "{ type = \"sgd\"; lr = 0.25; momentum = 0.5; }", replicas, 2, more);
    rig_steps(&g, 2);
    const record_value *none;
    assert_int_equal(probe_take(g.t->probe, &none), 0); /* not yet */
    const float *now = rig_tensor(&g, "a.weight", &n);
    float *w = copy(now, n);
    float *m = copy(rig_slot(&g, "optimizer/0/a.weight/momentum", n), n);
    rig_steps(&g, 1);
    take(&g);
    const float *after = rig_tensor(&g, "a.weight", &n);
    const float *m_after = rig_slot(&g, "optimizer/0/a.weight/momentum", n);
    float *u = copy(after, n), *gradient = copy(m_after, n);
    for (size_t i = 0; i < n; i++) {
        u[i] -= w[i];
        gradient[i] -= 0.5f * m[i];
    }
    const double g_norm = norm(gradient, n); /* rounded once more than the probe's */
    expect_near(number("weight_norm/a.weight") / norm(w, n), 1, 1e-12);
    expect_near(number("update_norm/a.weight") / norm(u, n), 1, 1e-12);
    expect_near(number("update_ratio/a.weight") / (norm(u, n) / norm(w, n)), 1, 1e-12);
    expect_near(number("gradient_norm/a.weight") / g_norm, 1, 1e-5);
    expect_near(number("slot_norm/momentum/a.weight") / norm(m, n), 1, 1e-12);
    expect_near(
        number("slot_cosine/momentum/a.weight"), dot(m, gradient, n) / (norm(m, n) * g_norm), 1e-5);
    assert_int_equal(probe_take(g.t->probe, &none), 0); /* once */
    free(w);
    free(m);
    free(u);
    free(gradient);
    rig_release(&g);
}

static void test_norms__are_those_of_the_step(void **state)
{
    (void)state;
    check_norms(1, "");
    check_norms(3, "");
    check_norms(3, "clip_norm = 0.5;");
    check_norms(1, "accumulate = 2; l2 = 0.01; clip_value = 0.02;");
}

static void test_slots__of_nested_optimizers_and_histories_are_named(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    open_with(&g, optimizers[7], 1, 1, "probe = { every = 1; share = 1.0; };");
    rig_steps(&g, 2);
    take(&g);
    assert_true(number("slot_norm/inner0.m/a.weight") > 0);
    assert_true(fabs(number("slot_cosine/inner0.m/a.bias")) <= 1);
    open_with(&g, optimizers[5], 1, 1, "probe = { every = 4; share = 1.0; };");
    rig_steps(&g, 4);
    take(&g);
    assert_true(number("slot_norm/past.0/a.weight") > 0);
    assert_true(number("slot_norm/past.2/a.weight") > 0);
    rig_release(&g);
}

/* m is of matrices alone; whether everything is looked at or a share. */
static void test_slots__that_a_tensor_lacks_are_left_out(void **state)
{
    static const char *const shares[] = { "1.0", "0.25" };
    (void)state;
    for (size_t i = 0; i < COUNT(shares); i++) {
        train_rig g;
        char more[96];
        rig_init(&g);
        snprintf(more, sizeof more, "probe = { every = 1; share = %s; };", shares[i]);
        open_with(&g, optimizers[10], 1, 1, more);
        rig_steps(&g, 3);
        take(&g);
        assert_true(number("slot_norm/m/a.weight") > 0);
        assert_true(number("slot_norm/rate/a.weight") > 0);
        assert_true(number("slot_norm/rate/a.bias") > 0);
        for (size_t k = 0; k < n_taken; k++) {
            assert_null(strstr(taken[k].name, "/m/a.bias"));
        }
        open_with(&g, optimizers[11], 1, 1, more);
        rig_steps(&g, 3);
        take(&g);
        assert_true(number("slot_norm/inner0.m/b.weight") > 0);
        rig_release(&g);
    }
}

static void test_clipped__is_the_share_that_clipping_takes(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    open_with(&g, "{ type = \"sgd\"; lr = 0.1; }", 1, 1,
        "clip_norm = 0.3; probe = { every = 1; share = 1.0; };");
    rig_steps(&g, 1);
    take(&g);
    const double share = 1 - 0.3 / rig_last_norm(&g);
    assert_true(share > 0.05);
    expect_near(number("clipped/a.weight"), share, 1e-6);
    expect_near(number("clipped/b.bias"), share, 1e-6);
    /* by value: against the unclipped gradient of the same weights, L2 included */
    open_with(&g, "{ type = \"sgd\"; lr = 0.1; }", 3, 1,
        "l2 = 0.3; probe = { every = 1; share = 1.0; };");
    rig_steps(&g, 1);
    take(&g);
    const double whole = number("gradient_norm/a.weight"), bias = number("gradient_norm/a.bias");
    expect_near(number("clipped/a.weight"), 0, 0);
    open_with(&g, "{ type = \"sgd\"; lr = 0.1; }", 3, 1,
        "l2 = 0.3; clip_value = 0.01; probe = { every = 1; share = 1.0; };");
    rig_steps(&g, 1);
    take(&g);
    assert_true(number("clipped/a.weight") > 0.05);
    expect_near(number("clipped/a.weight"), 1 - number("gradient_norm/a.weight") / whole, 1e-6);
    expect_near(number("clipped/a.bias"), 1 - number("gradient_norm/a.bias") / bias, 1e-6);
    rig_release(&g);
}

static void test_dead__counts_units_that_are_zero_for_the_whole_batch(void **state)
{
    train_rig g;
    (void)state;
    for (int replicas = 1; replicas <= 33; replicas += 16) {
        rig_init(&g);
        open_with(&g, "{ type = \"sgd\"; lr = 0.001; }", replicas, 2,
            "probe = { every = 1; share = 1.0; };");
        float *b = rig_tensor(&g, "a.bias", NULL);
        for (int i = 0; i < 30; i++) {
            b[5 * i] = -1e6f;
        }
        for (int i = 0; i < 30; i++) {
            b[5 * i + 1] = b[5 * i + 2] = b[5 * i + 3] = b[5 * i + 4] = 1e3f;
        }
        rig_steps(&g, 1);
        take(&g);
        expect_near(number("dead/relu1"), 30.0 / 150, 1e-12);
        expect_near(number("dead/a"), 0, 0);
        rig_release(&g);
    }
}

static void test_histogram__counts_every_number_in_its_bin(void **state)
{
    train_rig g;
    size_t n;
    (void)state;
    rig_init(&g);
    open_with(&g, "{ type = \"sgd\"; lr = 0.0; }", 1, 1, "probe = { every = 1; share = 1.0; };");
    float *w = rig_tensor(&g, "b.weight", &n);
    for (size_t i = 0; i < n; i++) {
        w[i] = i % 2 ? 1.5f : -1.0f; /* [2^0, 2^1) */
    }
    w[0] = 0;
    w[1] = -0.0f;
    w[2] = 1e-40f; /* denormal */
    w[3] = -0x1p-33f;
    w[4] = 0x1p-32f;
    w[5] = -0x1.fffffep7f;
    w[6] = 0x1p8f;
    w[7] = 1e30f;
    w[8] = 0.3f;
    const size_t last = PROBE_BINS - 1, one = 2 - PROBE_FIRST;
    rig_steps(&g, 1);
    take(&g);
    const record_value *v = value_of("histogram/b.weight");
    assert_int_equal(v->rows, N_PROBED);
    assert_int_equal(v->cols, PROBE_BINS);
    const double *bins = v->matrix;
    expect_near(bins[0], 2, 0);
    expect_near(bins[1], 2, 0);
    expect_near(bins[2], 1, 0);
    expect_near(bins[last], 2, 0);
    expect_near(bins[last - 1], 1, 0);
    expect_near(bins[one - 2], 1, 0); /* 0.3 */
    expect_near(bins[one], (double)n - 9, 0);
    expect_near(bins[PROBED_UPDATE * PROBE_BINS], (double)n, 0); /* lr is 0 */
    for (int what = 0; what < N_PROBED; what++) {
        double sum = 0;
        for (size_t i = 0; i < PROBE_BINS; i++) {
            sum += bins[what * PROBE_BINS + (int)i];
        }
        expect_near(sum, (double)n, 0);
    }
    rig_release(&g);
}

static void test_sums__agree_with_the_plain_loop(void **state)
{
    static float x[4999], y[4999], before[4999];
    (void)state;
    for (int i = 0; i < 4999; i++) {
        x[i] = ldexpf(i % 3 ? -1.37f : 1.21f, i % 61 - 40);
        y[i] = (float)(i % 17) - 7.3f;
    }
    for (size_t n = 0; n < 4999; n = 3 * n + 1) {
        probe_sums s;
        uint32_t bins[PROBE_BINS] = { 0 };
        probe_sums_count(&s, x, 0, n, 1);
        for (size_t i = 0; i < n; i++) {
            const int e = ilogbf(x[i]);
            bins[e < PROBE_FIRST     ? 1
                    : e >= PROBE_END ? PROBE_BINS - 1
                                     : (size_t)(e - PROBE_FIRST + 2)]++;
        }
        assert_memory_equal(bins, s.bins, sizeof bins);
        expect_near(probe_dot(x, y, n), dot(x, y, n), 1e-12 * norm(x, n) * norm(y, n));
        memcpy(before, y, sizeof before);
        const double change = probe_change(before, x, n);
        expect_near(sqrt(change), norm(before, n), 1e-12 * norm(before, n));
        assert_true(n == 0 || before[n - 1] == x[n - 1] - y[n - 1]);
    }
}

/* However a tensor is cut, every k-th block of it is counted. */
static void test_sample__does_not_depend_on_the_cut(void **state)
{
    static float x[4999];
    static const size_t strides[] = { 1, 2, 7 }, cuts[] = { 1, 15, 16, 100, 1300 };
    (void)state;
    for (int i = 0; i < 4999; i++) {
        x[i] = ldexpf(1.0f, i % 40 - 32);
    }
    for (size_t k = 0; k < COUNT(strides); k++) {
        uint32_t expected[PROBE_BINS] = { 0 };
        for (size_t i = 0; i < 4999; i++) {
            expected[2 + i % 40] += i / PROBE_BLOCK % strides[k] == 0;
        }
        for (size_t j = 0; j < COUNT(cuts); j++) {
            probe_sums all = { 0 }, piece = { 0 };
            for (size_t at = 0; at < 4999; at += cuts[j]) {
                const size_t n = 4999 - at < cuts[j] ? 4999 - at : cuts[j];
                probe_sums_count(&piece, x + at, at, n, strides[k]);
                probe_sums_add(&all, &piece);
            }
            assert_memory_equal(all.bins, expected, sizeof expected);
        }
    }
    assert_int_equal(probe_sample_stride(4096, 64), 1);
    assert_int_equal(probe_sample_stride(8100, 100), 1);
    assert_int_equal(probe_sample_stride((size_t)784 * 256, 256) % 2, 1); /* a row is 16 blocks */
    assert_true(probe_sample_stride((size_t)784 * 256, 256) >= 49);
}

/* -- the noise scale, by hand: five samples, two numbers in, one out -- */

static const double sample[5][3] = { { 0.7, -1.3, 0.4 }, { 2.1, 0.6, -0.9 }, { -0.8, 1.7, 1.1 },
    { 1.4, 0.2, -2.3 }, { -1.9, -0.5, 0.8 } };
static const double at[2] = { 0.37, -0.81 };

/* The mean gradient of the samples that replica r runs (all: r < 0): a constant times (w x - y) x; the constant of mse is not
 * this test's. */
static void mean_gradient(const int *replica_of, int r, double out[2])
{
    int n = 0;
    out[0] = out[1] = 0;
    for (int i = 0; i < 5; i++) {
        const double *s = sample[i], off = at[0] * s[0] + at[1] * s[1] - s[2];
        if (r < 0 || replica_of[i] == r) {
            out[0] += off * s[0];
            out[1] += off * s[1];
            n++;
        }
    }
    out[0] /= n;
    out[1] /= n;
}

static double squares(const double v[2])
{
    return v[0] * v[0] + v[1] * v[1];
}

static void check_noise(const char *more, int batch_size, const int *replica_of, bool is_clipped)
{
    train_rig g;
    char source[1024], table[256] = "p,q,y\n";
    double whole[2], first[2], second[2];
    rig_init(&g);
    for (int i = 0; i < 5; i++) {
        snprintf(table + strlen(table), sizeof table - strlen(table), "%g,%g,%g\n", sample[i][0],
            sample[i][1], sample[i][2]);
    }
    assert_int_equal(file_write_atomic(rig_path(&g, "t.csv"), table, strlen(table), &g.err), OK);
    snprintf(source, sizeof source,
        "data = { type = \"csv\"; file = \"%s\"; target = \"y\"; batch_size = %d; shuffle = false; "
        "};"
        "model = ( { type = \"dense\"; units = 1; bias = false; } ); loss = \"mse\";"
        "optimizer = { type = \"sgd\"; lr = 0.1; };"
        "train = { replicas = 2; threads = 2; probe = { every = 1; share = 1.0; }; %s };",
        rig_path(&g, "t.csv"), batch_size, more);
    rig_open(&g, source, NULL);
    float *w = rig_tensor(&g, "dense1.weight", NULL);
    w[0] = (float)at[0];
    w[1] = (float)at[1];
    rig_weights_changed(&g);
    rig_steps(&g, 1);
    take(&g);
    mean_gradient(replica_of, -1, whole);
    mean_gradient(replica_of, 0, first);
    mean_gradient(replica_of, 1, second);
    const double small = (squares(first) + squares(second)) / 2;
    const double b = 1 / ((1.0 / 2 + 1.0 / 3) / 2);
    const double spread = (small - squares(whole)) / (1 / b - 1.0 / 5);
    const double squared = (5 * squares(whole) - b * small) / (5 - b);
    const double rounding = 1e-5 * squares(whole); /* both are differences of floats' squares */
    if (!is_clipped) {
        const double by = number("gradient_norm/dense1.weight") / sqrt(squares(whole));
        expect_near(number("noise_trace") / (by * by), spread, rounding);
        expect_near(number("noise_gradient") / (by * by), squared, rounding);
    }
    const double ratio = number("noise_trace") / number("noise_gradient");
    expect_near(ratio, spread / squared, rounding / fabs(squared));
    if (squared > 0) {
        expect_near(number("noise_scale"), ratio, 0);
    } else {
        assert_true(isnan(number("noise_scale")));
    }
    rig_release(&g);
}

static void test_noise__is_that_of_two_shards_worked_out_by_hand(void **state)
{
    static const int halves[] = { 0, 0, 1, 1, 1 };
    static const int of_two_batches[] = { 0, 1, 1, 0, 1 }; /* of 3 and 2 samples */
    (void)state;
    check_noise("", 5, halves, false);
    check_noise("accumulate = 2;", 3, of_two_batches, false);
    check_noise("clip_norm = 1e-3; l2 = 0.7;", 5, halves, true); /* the data's, unclipped */
    check_noise("clip_value = 1e-3; l2 = 0.7;", 5, halves, true);
}

static void test_noise__needs_replicas(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    open_with(&g, optimizers[1], 1, 1, "probe = { every = 1; share = 1.0; };");
    rig_steps(&g, 1);
    take(&g);
    for (size_t i = 0; i < n_taken; i++) {
        assert_int_not_equal(strncmp(taken[i].name, "noise", 5), 0);
    }
    rig_release(&g);
}

/* -- settings and records -- */

static void test_settings__are_checked(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    open_with(&g, "\"sgd\"", 1, 1, "probe = {};");
    assert_int_equal(g.t->settings.probe.every, 50);
    open_with(&g, "\"sgd\"", 1, 1, "probe = { every = 0; };");
    assert_null(g.t->probe);
    rig_refuse(&g, NET "optimizer = \"sgd\"; train = { probe = 5; };", E_TYPE,
        "probe: expected a group { ... }");
    rig_refuse(&g, NET "optimizer = \"sgd\"; train = { probe = { evry = 5; }; };", E_UNKNOWN,
        "did you mean \"every\"?");
    rig_refuse(
        &g, NET "optimizer = \"sgd\"; train = { probe = { every = -1; }; };", E_RANGE, "every");
    rig_release(&g);
}

typedef struct listener {
    size_t n;
    uint64_t step[8];
} listener;

static void listen(void *self, const record *r)
{
    listener *l = self;
    if (r->kind == RECORD_PROBE) {
        assert_true(r->n_values > 10);
        l->step[l->n++] = r->step;
    }
}

static void test_records__come_at_every_nth_step(void **state)
{
    train_rig g;
    listener l = { 0 };
    (void)state;
    rig_init(&g);
    open_with(&g, "\"adam\"", 3, 2, "steps = 10; probe = { every = 4; share = 1.0; };");
    g.t->options.sink = (record_sink){ listen, &l };
    rig_run(&g);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.step[0], 4);
    assert_int_equal(l.step[1], 8);
    rig_release(&g);
}

static void test_records__of_a_run_that_diverges_leave_that_step_out(void **state)
{
    train_rig g;
    listener l = { 0 };
    (void)state;
    rig_init(&g);
    open_with(&g, "{ type = \"sgd\"; lr = 1e30; }", 1, 1,
        "steps = 10; probe = { every = 1; share = 1.0; };");
    g.t->options.sink = (record_sink){ listen, &l };
    rig_run(&g);
    assert_int_equal(g.result.stop, STOP_DIVERGED);
    assert_int_equal(l.n, g.result.step);
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe__never_shows_in_the_result),
        cmocka_unit_test(test_norms__are_those_of_the_step),
        cmocka_unit_test(test_slots__of_nested_optimizers_and_histories_are_named),
        cmocka_unit_test(test_slots__that_a_tensor_lacks_are_left_out),
        cmocka_unit_test(test_clipped__is_the_share_that_clipping_takes),
        cmocka_unit_test(test_dead__counts_units_that_are_zero_for_the_whole_batch),
        cmocka_unit_test(test_histogram__counts_every_number_in_its_bin),
        cmocka_unit_test(test_sums__agree_with_the_plain_loop),
        cmocka_unit_test(test_sample__does_not_depend_on_the_cut),
        cmocka_unit_test(test_noise__is_that_of_two_shards_worked_out_by_hand),
        cmocka_unit_test(test_noise__needs_replicas),
        cmocka_unit_test(test_settings__are_checked),
        cmocka_unit_test(test_records__come_at_every_nth_step),
        cmocka_unit_test(test_records__of_a_run_that_diverges_leave_that_step_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
