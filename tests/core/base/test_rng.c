/* Philox: known answers, places that do not depend on how a range is cut, and distributions.
 *
 * The seeds are fixed, so the statistical tests cannot fail by chance; their bounds are stated in
 * standard errors all the same. */
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* kat_vectors of Random123 1.09, philox4x32 with 10 rounds. */
static void test_rng__philox_gives_the_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], answer[4];
    } known[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff }, { 0xffffffff, 0xffffffff },
            { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 },
            { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint32_t out[4];
        philox4x32(known[i].counter, known[i].key, out);
        assert_memory_equal(out, known[i].answer, sizeof out);
    }
}

static void test_rng__places_are_words_of_blocks(void **state)
{
    (void)state;
    const rng r = { 0x299f31d0a4093822u };
    const uint64_t stream = 0x0370734413198a2eu, block = 0x85a308d3243f6a88u / 4;
    uint32_t got[300];
    rng_u32(r, stream, 4 * block, got, 300);
    for (uint64_t i = 0; i < 75; i++) {
        const uint32_t counter[4] = { (uint32_t)((block + i) & 0xffffffffu),
            (uint32_t)((block + i) >> 32), 0x13198a2e, 0x03707344 };
        const uint32_t key[2] = { 0xa4093822, 0x299f31d0 };
        uint32_t expected[4];
        philox4x32(counter, key, expected);
        assert_memory_equal(got + 4 * i, expected, sizeof expected);
    }
}

enum { N_CUT = 1000 };

/* Draws [first, first + N_CUT) in parts of 1, 2, ... `longest`, 1, 2, ... */
static void draw_in_parts(
    rng r, uint64_t first, size_t longest, uint32_t *words, float *uniforms, float *normals)
{
    for (size_t done = 0, part = 1; done < N_CUT; done += part, part = part % longest + 1) {
        if (part > N_CUT - done) part = N_CUT - done;
        rng_u32(r, 3, first + done, words + done, part);
        rng_uniform(r, 3, first + done, uniforms + done, part);
        rng_normal(r, 3, first + done, normals + done, part);
    }
}

static void test_rng__how_a_range_is_cut_does_not_matter(void **state)
{
    (void)state;
    static uint32_t words[2][N_CUT];
    static float uniforms[2][N_CUT], normals[2][N_CUT];
    const rng r = rng_make(7, "cut");
    for (uint64_t first = 0; first < 5; first++) {
        const uint64_t place = first + UINT64_C(0x3fffffff0); /* crosses a carry of the counter */
        rng_u32(r, 3, place, words[0], N_CUT);
        rng_uniform(r, 3, place, uniforms[0], N_CUT);
        rng_normal(r, 3, place, normals[0], N_CUT);
        for (size_t longest = 1; longest < 140; longest += 23) {
            draw_in_parts(r, place, longest, words[1], uniforms[1], normals[1]);
            assert_memory_equal(words[0], words[1], sizeof words[0]);
            assert_memory_equal(uniforms[0], uniforms[1], sizeof uniforms[0]);
            assert_memory_equal(normals[0], normals[1], sizeof normals[0]);
        }
    }
}

static void test_rng__seeds_purposes_and_streams_are_apart(void **state)
{
    (void)state;
    const rng generators[] = { rng_make(1, "shuffle"), rng_make(2, "shuffle"), rng_make(1, "init"),
        rng_make(1, "shuffle ") };
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < i; j++)
            assert_true(generators[i].key != generators[j].key);
    }
    assert_true(generators[0].key == rng_make(1, "shuffle").key);
    uint32_t a[8], b[8];
    rng_u32(generators[0], 0, 0, a, 8);
    rng_u32(generators[0], 1, 0, b, 8);
    assert_memory_not_equal(a, b, sizeof a);
}

enum { N_MOMENTS = 1 << 20 };

static void test_rng__uniforms_are_uniform(void **state)
{
    (void)state;
    float *x = malloc(N_MOMENTS * sizeof *x);
    assert_non_null(x);
    rng_uniform(rng_make(11, "uniform"), 0, 5, x, N_MOMENTS);
    double sum = 0.0, squares = 0.0, next = 0.0;
    size_t bins[64] = { 0 };
    for (size_t i = 0; i < N_MOMENTS; i++) {
        assert_true(x[i] >= 0.0f && x[i] < 1.0f);
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
        if (i > 0) next += ((double)x[i] - 0.5) * ((double)x[i - 1] - 0.5);
        bins[(size_t)(x[i] * 64.0f)]++;
    }
    const double n = N_MOMENTS;
    assert_true(fabs(sum / n - 0.5) < 4.0 * sqrt(1.0 / 12.0 / n));
    assert_true(fabs(squares / n - 1.0 / 3.0) < 4.0 * sqrt(4.0 / 45.0 / n));
    assert_true(fabs(next / n) < 4.0 / 12.0 / sqrt(n));
    double chi2 = 0.0; /* 63 degrees of freedom: mean 63, standard deviation 11.2 */
    for (size_t b = 0; b < 64; b++) {
        chi2 += ((double)bins[b] - n / 64.0) * ((double)bins[b] - n / 64.0) / (n / 64.0);
    }
    assert_true(chi2 > 63.0 - 4.0 * 11.2 && chi2 < 63.0 + 4.0 * 11.2);
    free(x);
}

static void test_rng__normals_have_the_moments_of_normals(void **state)
{
    (void)state;
    float *x = malloc(N_MOMENTS * sizeof *x);
    assert_non_null(x);
    rng_normal(rng_make(13, "normal"), 2, 1, x, N_MOMENTS);
    double sums[5] = { 0.0 }, pair = 0.0;
    for (size_t i = 0; i < N_MOMENTS; i++) {
        assert_true(isfinite(x[i]));
        double power = 1.0;
        for (int p = 1; p <= 4; p++)
            sums[p] += (power *= (double)x[i]);
        if (i > 0) pair += (double)x[i] * (double)x[i - 1];
    }
    const double n = N_MOMENTS; /* variances of x, x^2, x^3, x^4: 1, 2, 15, 96 */
    assert_true(fabs(sums[1] / n) < 4.0 * sqrt(1.0 / n));
    assert_true(fabs(sums[2] / n - 1.0) < 4.0 * sqrt(2.0 / n));
    assert_true(fabs(sums[3] / n) < 4.0 * sqrt(15.0 / n));
    assert_true(fabs(sums[4] / n - 3.0) < 4.0 * sqrt(96.0 / n));
    assert_true(fabs(pair / n) < 4.0 * sqrt(1.0 / n));
    free(x);
}

static void test_rng__integers_stay_below_their_bound_and_reach_all(void **state)
{
    (void)state;
    const rng r = rng_make(17, "below");
    size_t seen[7] = { 0 };
    for (uint64_t i = 0; i < 70000; i++) {
        const uint64_t v = rng_below(r, 4, i, 7);
        assert_true(v < 7);
        seen[v]++;
        assert_true(rng_below(r, 4, i, 1) == 0);
    }
    for (size_t v = 0; v < 7; v++)
        assert_true(fabs((double)seen[v] - 1e4) < 4.0 * sqrt(1e4));
    /* A bound that rejects a quarter of all draws: halves of the range stay equally likely. */
    const uint64_t bound = UINT64_C(3) << 62;
    size_t n_low = 0;
    for (uint64_t i = 0; i < 40000; i++) {
        const uint64_t v = rng_below(r, 5, i, bound);
        assert_true(v < bound);
        n_low += v < bound / 2;
    }
    assert_true(fabs((double)n_low - 2e4) < 4.0 * 100.0);
}

static void test_rng__a_shuffle_is_a_permutation_fixed_by_its_stream(void **state)
{
    (void)state;
    enum { N = 1797 };
    const rng r = rng_make(19, "shuffle");
    uint32_t items[2][N];
    unsigned char seen[N] = { 0 };
    for (uint32_t i = 0; i < N; i++)
        items[0][i] = items[1][i] = i;
    rng_shuffle(r, 1, items[0], N);
    rng_shuffle(r, 1, items[1], N);
    assert_memory_equal(items[0], items[1], sizeof items[0]);
    size_t n_fixed = 0;
    for (uint32_t i = 0; i < N; i++) {
        assert_true(items[0][i] < N && !seen[items[0][i]]);
        seen[items[0][i]] = 1;
        n_fixed += items[0][i] == i;
    }
    assert_true(n_fixed < 8); /* one is expected, with variance one */
    rng_shuffle(r, 2, items[1], N);
    assert_memory_not_equal(items[0], items[1], sizeof items[0]);
    rng_shuffle(r, 3, items[1], 0);
}

static void test_rng__every_order_of_four_is_as_likely(void **state)
{
    (void)state;
    enum { N_TRIES = 48000 };
    const rng r = rng_make(23, "orders");
    size_t count[256] = { 0 };
    for (uint64_t s = 0; s < N_TRIES; s++) {
        uint32_t items[4] = { 0, 1, 2, 3 };
        rng_shuffle(r, s, items, 4);
        count[items[0] | items[1] << 2 | items[2] << 4 | items[3] << 6]++;
    }
    size_t n_orders = 0;
    for (size_t i = 0; i < 256; i++) {
        if (count[i] == 0) continue;
        n_orders++;
        assert_true(fabs((double)count[i] - 2000.0) < 4.5 * sqrt(2000.0)); /* of 24 */
    }
    assert_int_equal(n_orders, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rng__philox_gives_the_known_answers),
        cmocka_unit_test(test_rng__places_are_words_of_blocks),
        cmocka_unit_test(test_rng__how_a_range_is_cut_does_not_matter),
        cmocka_unit_test(test_rng__seeds_purposes_and_streams_are_apart),
        cmocka_unit_test(test_rng__uniforms_are_uniform),
        cmocka_unit_test(test_rng__normals_have_the_moments_of_normals),
        cmocka_unit_test(test_rng__integers_stay_below_their_bound_and_reach_all),
        cmocka_unit_test(test_rng__a_shuffle_is_a_permutation_fixed_by_its_stream),
        cmocka_unit_test(test_rng__every_order_of_four_is_as_likely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
