/* Probes of a share: the sample is what it is said to be, estimates are as good as its size permits, and nothing else changes. */
#include "support/train_rig.h"

#include "base/rng.h"
#include "train/internal.h"
#include "train/probe_sample.h"

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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The first matrix has 120 x 300 numbers: several chunks of an optimizer, rows that no stretch divides. */
#define NET \
    "data = { type = \"blobs\"; samples = 90; classes = 4; features = 120; spread = 4.5;\n" \
    "  split = { validation = 0.0; test = 0.0; }; batch_size = 16; };\n" \
    "model = ( { type = \"dense\"; units = 300; name = \"a\"; }, \"relu\", { type = \"dense\"; " \
    "units = 4; name = \"b\"; } );\nloss = \"softmax_xent\";\n"

enum { SIZE = 120 * 300 };

/* -- the sample -- */

/* How often each number is taken when the tensor is gone through in pieces; every place of the sample is filled once. */
static void take_in_pieces(const probe_sample *s, uint64_t draw, size_t piece, unsigned char *times)
{
    unsigned char *filled = calloc(s->n + 1, 1);
    assert_non_null(filled);
    memset(times, 0, s->size);
    for (size_t begin = 0; begin < s->size; begin += piece) {
        const size_t end = s->size - begin < piece ? s->size : begin + piece;
        size_t i = probe_cut_first(s, begin);
        for (probe_cut cut; probe_cut_next(s, draw, begin, end, &i, &cut);) {
            assert_true(cut.n > 0 && cut.begin >= begin && cut.begin + cut.n <= end);
            assert_true(cut.at + cut.n <= s->n);
            for (size_t k = 0; k < cut.n; k++) {
                times[cut.begin + k]++;
                filled[cut.at + k]++;
            }
        }
    }
    for (size_t k = 0; k < s->n; k++) {
        assert_int_equal(filled[k], 1);
    }
    free(filled);
}

static void test_sample__is_the_same_however_the_tensor_is_cut(void **state)
{
    static const size_t sizes[] = { 1, 63, 1024, 1025, 4097, 36000, 50003 };
    static const size_t pieces[] = { 17, 300, 4096, 100000 };
    static const double shares[] = { 1, 0.7, 0.25, 1.0 / 64 };
    static unsigned char first[50003], other[50003];
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        for (size_t k = 0; k < COUNT(shares); k++) {
            for (size_t length = PROBE_STRETCH; length <= 1024; length *= 16) {
                const probe_sample s = probe_sample_make(sizes[i], length, shares[k]);
                const uint64_t draw = probe_sample_draw(i, 50 * k + 7);
                take_in_pieces(&s, draw, pieces[0], first);
                for (size_t j = 1; j < COUNT(pieces); j++) {
                    take_in_pieces(&s, draw, pieces[j], other);
                    assert_memory_equal(first, other, sizes[i]);
                }
            }
        }
    }
}

static void test_sample__is_as_large_as_asked_and_small_tensors_are_whole(void **state)
{
    (void)state;
    assert_int_equal(probe_sample_make(1024, PROBE_STRETCH, 0.01).n, 1024);
    assert_int_equal(probe_sample_make(1000, PROBE_STRETCH, 0.5).n, 1000);
    assert_int_equal(probe_sample_make(2048, PROBE_STRETCH, 0.01).n, PROBE_LEAST);
    assert_int_equal(probe_sample_make(64000, PROBE_STRETCH, 0.25).n, 16000);
    assert_int_equal(probe_sample_make(64001, PROBE_STRETCH, 1).n, 64001);
    const probe_sample s = probe_sample_make(64000, PROBE_STRETCH, 0.25);
    expect_near(probe_sample_scale(&s), 4, 0);
}

/* Over many steps each number is taken at its share's rate. The deviation is binomial; 6 of them are passed once in 10^9 numbers. */
static void test_sample__takes_every_number_equally_often(void **state)
{
    enum { STEPS = 4000, N = 64 * 300 };
    static unsigned char times[N];
    static unsigned n[N];
    (void)state;
    const probe_sample s = probe_sample_make(N, PROBE_STRETCH, 0.1);
    for (uint64_t step = 50; step <= 50 * STEPS; step += 50) {
        take_in_pieces(&s, probe_sample_draw(3, step), N, times);
        for (size_t i = 0; i < N; i++) {
            n[i] += times[i];
        }
    }
    const double rate = 0.1, deviation = sqrt(STEPS * rate * (1 - rate));
    for (size_t i = 0; i < N; i += PROBE_STRETCH) {
        expect_near(n[i], STEPS * rate, 6 * deviation);
    }
}

/* -- what is recorded -- */

typedef struct numbers {
    size_t n;
    record_value v[128];
} numbers;

static void open_with(train_rig *g, const char *by, int threads, const char *more)
{
    char source[2048];
    snprintf(source, sizeof source,
        NET "optimizer = %s; train = { epochs = 50; replicas = 2; threads = %d; %s };", by, threads,
        more);
    rig_open(g, source, NULL);
}

static void take(train_rig *g, numbers *out)
{
    const record_value *v;
    out->n = probe_take(g->t->probe, &v);
    assert_in_range(out->n, 1, COUNT(out->v));
    memcpy(out->v, v, out->n * sizeof *v);
}

static double number(const numbers *x, const char *name)
{
    for (size_t i = 0; i < x->n; i++) {
        if (strcmp(x->v[i].name, name) == 0) return x->v[i].value;
    }
    GIVE_UP("the probe says nothing of %s", name);
    return NAN;
}

static bool has(const numbers *x, const char *name)
{
    bool any = false;
    for (size_t i = 0; i < x->n; i++) {
        any |= strcmp(x->v[i].name, name) == 0;
    }
    return any;
}

/* Normal weights with deviation 0.7. The squares of n of them are off by sqrt(2 / n), the norm by sqrt(1 / (2 n)); 5 deviations are passed
 * once in 10^6, and the seed is fixed. */
static void check_estimate(double share)
{
    train_rig g;
    numbers x;
    char more[128];
    double squares = 0;
    size_t n;
    rig_init(&g);
    snprintf(more, sizeof more, "probe = { every = 1; share = %.17g; };", share);
    open_with(&g, "{ type = \"sgd\"; lr = 0.01; }", 1, more);
    float *w = rig_tensor(&g, "a.weight", &n);
    assert_int_equal(n, SIZE);
    rng_normal(rng_make(17, "weights"), 1, 0, w, n);
    for (size_t i = 0; i < n; i++) {
        w[i] *= 0.7f;
        squares += (double)w[i] * w[i];
    }
    rig_weights_changed(&g);
    rig_steps(&g, 1);
    take(&g, &x);
    const double m = (double)probe_sample_make(SIZE, PROBE_STRETCH, share).n;
    const double off = number(&x, "weight_norm/a.weight") / sqrt(squares) - 1;
    expect_near(off, 0, 5 * sqrt(1 / (2 * m)));
    assert_true(fabs(off) > 1e-9); /* it is an estimate */
    expect_near(number(&x, "share"), share, 1e-15);
    rig_release(&g);
}

static void test_estimate__of_a_random_tensor_is_as_good_as_its_size_permits(void **state)
{
    (void)state;
    check_estimate(0.5);
    check_estimate(0.25);
    check_estimate(1.0 / 16);
    check_estimate(1.0 / 64);
}

/* All numbers of the same size make every sample exact: what is estimated is scaled rightly, whatever is drawn. */
static void test_estimate__of_equal_numbers_is_exact(void **state)
{
    train_rig g;
    numbers x;
    size_t n;
    (void)state;
    rig_init(&g);
    open_with(&g, "{ type = \"sgd\"; lr = 0.0; }", 1, "probe = { every = 1; share = 0.125; };");
    float *w = rig_tensor(&g, "a.weight", &n);
    for (size_t i = 0; i < n; i++) {
        w[i] = i % 3 ? 0.375f : -0.375f;
    }
    rig_weights_changed(&g);
    rig_steps(&g, 1);
    take(&g, &x);
    expect_near(number(&x, "weight_norm/a.weight"), 0.375 * sqrt((double)n), 1e-10);
    expect_near(number(&x, "update_norm/a.weight"), 0, 0);
    rig_release(&g);
}

/* Gradients and slots against those of everything; columns of zeros and shared factors make them worse than normal numbers: 20 deviations
 * of these are allowed. Tensors of fewer than PROBE_LEAST numbers are exact. */
static void compare_with_everything(const char *by, const char *more)
{
    static const char *const names[] = { "gradient_norm/a.weight", "update_norm/a.weight",
        "update_ratio/a.weight", "slot_norm/m/a.weight", "slot_norm/v/a.weight" };
    static const char *const exact[] = { "weight_norm/b.bias", "gradient_norm/a.bias",
        "update_norm/b.bias", "slot_norm/m/a.bias", "slot_cosine/v/a.bias", "dead/relu1" };
    train_rig g;
    numbers whole, some;
    char settings[256];
    rig_init(&g);
    snprintf(settings, sizeof settings, "%s probe = { every = 3; share = 1.0; };", more);
    open_with(&g, by, 1, settings);
    rig_steps(&g, 3);
    take(&g, &whole);
    for (size_t i = 0; i < whole.n; i++) { /* names go with the trainer */
        whole.v[i].name = strdup(whole.v[i].name);
    }
    assert_false(has(&whole, "share"));
    snprintf(settings, sizeof settings, "%s probe = { every = 3; share = 0.25; };", more);
    open_with(&g, by, 1, settings);
    rig_steps(&g, 3);
    take(&g, &some);
    assert_int_equal(some.n, whole.n + 1);
    const double bound = 20 * sqrt(1 / (2 * 0.25 * SIZE));
    for (size_t i = 0; i < COUNT(names); i++) {
        expect_near(number(&some, names[i]) / number(&whole, names[i]), 1, bound);
    }
    for (size_t i = 0; i < COUNT(exact); i++) {
        expect_near(number(&some, exact[i]), number(&whole, exact[i]),
            1e-12 * fabs(number(&whole, exact[i])));
    }
    expect_near(
        number(&some, "slot_cosine/m/a.weight"), number(&whole, "slot_cosine/m/a.weight"), bound);
    expect_near(number(&some, "clipped/a.weight"), number(&whole, "clipped/a.weight"), bound);
    expect_near(number(&some, "noise_trace") / number(&whole, "noise_trace"), 1, 2 * bound);
    for (size_t i = 0; i < whole.n; i++) {
        free((char *)(uintptr_t)whole.v[i].name);
    }
    rig_release(&g);
}

static void test_estimates__are_near_what_everything_gives(void **state)
{
    (void)state;
    compare_with_everything("{ type = \"adam\"; lr = 0.003; }", "");
    compare_with_everything("{ type = \"adam\"; lr = 0.003; }", "clip_norm = 0.3;");
    compare_with_everything("{ type = \"adam\"; lr = 0.003; }", "clip_value = 0.003; l2 = 1e-3;");
}

static void test_estimates__do_not_depend_on_threads(void **state)
{
    train_rig g;
    numbers one, two;
    (void)state;
    for (int i = 0; i < 2; i++) {
        static const char *const by[] = { "{ type = \"adam\"; lr = 0.003; }",
            "{ type = \"lars_like\"; lr = 0.02; }" };
        double values[128];
        rig_init(&g);
        open_with(&g, by[i], 1, "probe = { every = 2; share = 0.1; };");
        rig_steps(&g, 4);
        take(&g, &one);
        for (size_t k = 0; k < one.n; k++) {
            values[k] = one.v[k].value;
        }
        open_with(&g, by[i], 2, "probe = { every = 2; share = 0.1; };");
        rig_steps(&g, 4);
        take(&g, &two);
        assert_int_equal(two.n, one.n);
        for (size_t k = 0; k < two.n; k++) {
            assert_memory_equal(&values[k], &two.v[k].value, sizeof values[k]);
        }
        rig_release(&g);
    }
}

/* -- the run -- */

static void save(train_rig *g, const char *name)
{
    if (trainer_save(g->t, rig_path(g, name), &g->err) != OK) GIVE_UP("%s", g->err.text);
}

static void test_share__never_shows_in_the_result(void **state)
{
    static const char *const by[] = {
        "{ type = \"adam\"; lr = 0.003; }", "{ type = \"sgd\"; lr = 0.05; momentum = 0.9; }",
        "{ type = \"history\"; lr = 0.05; }",
        "{ type = \"sam_like\"; inner = { type = \"adam\"; lr = 0.003; }; }",
        "( { type = \"adam\"; match = \"role:bias\"; }, { type = \"sam_like\"; inner = \"sgd\"; } )"
    };
    static const char *const settings[] = { "", "clip_value = 0.01; l2 = 1e-3;",
        "accumulate = 2; clip_norm = 0.9;" };
    train_rig g;
    char more[160];
    (void)state;
    for (size_t i = 0; i < COUNT(by) * COUNT(settings); i++) {
        rig_init(&g);
        open_with(&g, by[i / COUNT(settings)], 2, settings[i % COUNT(settings)]);
        rig_steps(&g, 7);
        save(&g, "without");
        snprintf(more, sizeof more, "%s probe = { every = 2; share = 0.05; };",
            settings[i % COUNT(settings)]);
        open_with(&g, by[i / COUNT(settings)], 2, more);
        rig_steps(&g, 7);
        save(&g, "with");
        assert_true(rig_same_state(rig_path(&g, "without"), rig_path(&g, "with")));
        rig_release(&g);
    }
}

/* The draw is of the step, not of the run: a probe after a resume says what it would have said. */
static void test_share__is_unmoved_by_a_resume(void **state)
{
    train_rig g;
    numbers x;
    double values[128];
    (void)state;
    rig_init(&g);
    open_with(&g, "{ type = \"adam\"; lr = 0.003; }", 2, "probe = { every = 6; share = 0.1; };");
    rig_steps(&g, 4);
    save(&g, "half");
    rig_steps(&g, 2);
    take(&g, &x);
    for (size_t k = 0; k < x.n; k++) {
        values[k] = x.v[k].value;
    }
    open_with(&g, "{ type = \"adam\"; lr = 0.003; }", 1, "probe = { every = 6; share = 0.1; };");
    if (trainer_restore(g.t, rig_path(&g, "half"), &g.err) != OK) GIVE_UP("%s", g.err.text);
    rig_steps(&g, 2);
    take(&g, &x);
    for (size_t k = 0; k < x.n; k++) {
        assert_memory_equal(&values[k], &x.v[k].value, sizeof values[k]);
    }
    rig_release(&g);
}

static void test_share__is_checked(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_refuse(
        &g, NET "optimizer = \"sgd\"; train = { probe = { share = 1.5; }; };", E_RANGE, "share");
    rig_refuse(
        &g, NET "optimizer = \"sgd\"; train = { probe = { share = -0.25; }; };", E_RANGE, "share");
    rig_refuse(
        &g, NET "optimizer = \"sgd\"; train = { probe = { share = \"al\"; }; };", E_TYPE, "share");
    open_with(&g, "\"sgd\"", 1, "probe = { share = \"auto\"; };");
    assert_true(g.t->settings.probe.share <= 0);
    rig_release(&g);
}

/* Sizes of the network that the estimate was fitted to. */
static void test_auto__looks_at_less_where_steps_are_short(void **state)
{
    const double params = 235146;
    double last = 1;
    (void)state;
    for (int n = 1024; n >= 1; n /= 2) {
        const probe_load l = { .every = 50,
            .macs = 234752.0 * n,
            .n_params = params,
            .n_slots = 2 * params,
            .n_tensors = 6,
            .n_replicas = 1 };
        const double share = probe_share_auto(&l);
        assert_true(share <= last && share >= 1.0 / 64);
        expect_near(log2(share), round(log2(share)), 0);
        last = share;
        probe_load rarer = l;
        rarer.every = 5000;
        expect_near(probe_share_auto(&rarer), 1, 0);
        if (n == 256) expect_near(share, 1, 0);
    }
    assert_true(last < 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample__is_the_same_however_the_tensor_is_cut),
        cmocka_unit_test(test_sample__is_as_large_as_asked_and_small_tensors_are_whole),
        cmocka_unit_test(test_sample__takes_every_number_equally_often),
        cmocka_unit_test(test_estimate__of_a_random_tensor_is_as_good_as_its_size_permits),
        cmocka_unit_test(test_estimate__of_equal_numbers_is_exact),
        cmocka_unit_test(test_estimates__are_near_what_everything_gives),
        cmocka_unit_test(test_estimates__do_not_depend_on_threads),
        cmocka_unit_test(test_share__never_shows_in_the_result),
        cmocka_unit_test(test_share__is_unmoved_by_a_resume),
        cmocka_unit_test(test_share__is_checked),
        cmocka_unit_test(test_auto__looks_at_less_where_steps_are_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
