/* The points of grid, random and qmc, and what they are made of: the unit cube, Sobol' and Halton numbers. */
#include "../../../plugins/search/shared/codec.h"
#include "../../../plugins/search/shared/sobol.h"

#include "base/rng.h"
#include "search/search.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail

enum { MOST = 1024, MOST_DIMENSIONS = 12 };

typedef struct points {
    space s;
    size_t n;
    bool is_over;
    double x[MOST][MOST_DIMENSIONS];
} points;

/* The first `n` points of a strategy. */
static points *points_of(const char *strategy, const char *written, size_t n, uint64_t seed)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    const search_options o = { .seed = seed };
    points *p = calloc(1, sizeof *p);
    search_trial *got = calloc(n, sizeof *got);
    registry *r;
    config *c;
    search *s;
    error err = { 0 };
    space_init(&p->s);
    assert_int_equal(space_add_text(&p->s, written, NULL, &err), OK);
    assert_int_equal(registry_new(&ro, &r, &err), OK);
    assert_int_equal(config_parse("x.cfg", strategy, &c, &err), OK);
    status st = search_new(r, c, value_find(config_root(c), "search"), NULL, &p->s, &o, &s, &err);
    if (st != OK) print_error("%s\n", err.text);
    assert_int_equal(st, OK);
    assert_int_equal(search_ask(s, n, got, &p->n, &p->is_over, &err), OK);
    for (size_t i = 0; i < p->n; i++)
        memcpy(p->x[i], got[i].x, p->s.n * sizeof(double));
    search_free(s);
    config_free(c);
    registry_free(r);
    free(got);
    return p;
}

static void points_free(points *p)
{
    space_release(&p->s);
    free(p);
}

/* -- the unit cube -- */

static void test_codec__takes_values_there_and_back(void **state)
{
    space s = { 0 };
    error err;
    (void)state;
    assert_int_equal(space_add_text(&s,
                         "a=-2.5..7.31 b=1e-6..1:log c=1..256:int:log d=3..17:step=7 e=x,y,z "
                         "f=0..0.99:step=0.33:real g=1..4 h=5..5",
                         NULL, &err),
        OK);
    for (size_t i = 0; i < s.n; i++) {
        const assay_dimension *d = &s.dimensions[i];
        assert_true(codec_value(d, 0) == d->low && codec_value(d, 1) >= d->high * (1 - 1e-15));
        assert_true(codec_value(d, 1) <= d->high && codec_value(d, 7) <= d->high);
        for (int k = 0; k <= 1000; k++) {
            const double x = codec_value(d, k / 1000.0);
            assert_true(x >= d->low && x <= d->high);
            const double back = codec_value(d, codec_unit(d, x));
            const double slack = codec_levels(d) > 0 ? 0 : 1e-12 * (fabs(x) + 1);
            assert_true(fabs(back - x) <= slack);
        }
    }
    space_release(&s);
}

static void test_codec__gives_each_level_its_share(void **state)
{
    space s = { 0 };
    error err;
    int n[5] = { 0 };
    (void)state;
    assert_int_equal(space_add_text(&s, "a=1..4 b=1..4:log", NULL, &err), OK);
    for (int k = 0; k < 4000; k++)
        n[(int)codec_value(&s.dimensions[0], (k + 0.5) / 4000)]++;
    for (int k = 1; k <= 4; k++)
        assert_int_equal(n[k], 1000);
    /* on the logarithmic scale from 0.5 to 4.5 the share of k is log((k + 1/2) / (k - 1/2)) / log 9 */
    memset(n, 0, sizeof n);
    for (int k = 0; k < 4000; k++)
        n[(int)codec_value(&s.dimensions[1], (k + 0.5) / 4000)]++;
    for (int k = 1; k <= 4; k++)
        assert_true(fabs(n[k] / 4000.0 - log((k + 0.5) / (k - 0.5)) / log(9)) < 1.0 / 2000);
    space_release(&s);
}

/* -- Sobol' and Halton -- */

static void test_sobol__begins_as_published(void **state)
{
    /* points 1 to 4 of dimensions 2, 3 and 8 by the recurrence of the paper, by hand */
    uint32_t v[SOBOL_BITS];
    (void)state;
    sobol_directions(0, v);
    assert_true(sobol_bits(v, 1) == 0x80000000u && sobol_bits(v, 6) == 0x60000000u);
    sobol_directions(1, v);
    assert_true(v[0] == 0x80000000u && v[1] == 0xc0000000u && v[2] == 0xa0000000u);
    sobol_directions(2, v); /* s = 2, a = 1, m = 1, 3; m3 = 2 m2 ^ 4 m1 ^ m1 = 6 ^ 4 ^ 1 = 3 */
    assert_true(v[1] == 0xc0000000u && v[2] == 0x60000000u);
}

/* In the first 2^k points each of 2^k equal intervals of each dimension has one point, scrambled or not. */
static void test_sobol__is_balanced_in_every_dimension(void **state)
{
    (void)state;
    for (uint64_t d = 0; d < SOBOL_MOST_DIMENSIONS; d++) {
        uint32_t v[SOBOL_BITS];
        unsigned char seen[2][256] = { { 0 } };
        sobol_directions(d, v);
        for (uint64_t i = 0; i < 256; i++) {
            const uint32_t plain = sobol_bits(v, i);
            seen[0][plain >> 24]++;
            seen[1][sobol_scramble(plain, 0x2385u * (uint32_t)(d + 1)) >> 24]++;
        }
        for (size_t i = 0; i < 256; i++)
            assert_true(seen[0][i] == 1 && seen[1][i] == 1);
    }
}

/* Joe and Kuo's numbers: the first 16 points of neighbouring dimensions below 6 fill a 4 x 4 grid where their t is 0; here for 1, 2. */
static void test_sobol__fills_squares(void **state)
{
    points *p = points_of("search = \"qmc\";", "a=0.0..1 b=0.0..1", 256, 3);
    unsigned char seen[16][16] = { { 0 } };
    (void)state;
    for (size_t i = 0; i < 256; i++)
        seen[(int)(p->x[i][0] * 16)][(int)(p->x[i][1] * 16)]++;
    for (size_t i = 0; i < 16; i++) {
        for (size_t k = 0; k < 16; k++)
            assert_int_equal(seen[i][k], 1);
    }
    points_free(p);
}

static void test_halton__is_balanced_in_each_base(void **state)
{
    points *p = points_of("search = { type = \"qmc\"; sequence = \"halton\"; };",
        "a=0.0..1 b=0.0..1 c=0.0..1", 900, 3);
    const int base[3] = { 2, 3, 5 }, pieces[3] = { 512, 729, 625 };
    (void)state;
    for (int d = 0; d < 3; d++) {
        unsigned char *seen = calloc((size_t)pieces[d], 1);
        for (int i = 0; i < pieces[d]; i++)
            seen[(int)(p->x[i][d] * pieces[d])]++;
        for (int i = 0; i < pieces[d]; i++)
            assert_int_equal(seen[i], 1);
        free(seen);
        assert_true(base[d] > 1);
    }
    points_free(p);
}

/* The mean over the cube of a smooth function: error of 512 points below a tenth of what random ones typically give, 0.6 / sqrt(512). */
static void test_qmc__integrates_better_than_random(void **state)
{
    static const char *const strategies[] = { "search = \"qmc\";",
        "search = { type = \"qmc\"; sequence = \"halton\"; };" };
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        points *p =
            points_of(strategies[k], "a=0.0..1 b=0.0..1 c=0.0..1 d=0.0..1 e=0.0..1", 512, 11);
        double sum = 0;
        for (size_t i = 0; i < 512; i++) {
            double f = 1;
            for (size_t d = 0; d < 5; d++)
                f *= 1 + (p->x[i][d] - 0.5) * 0.9;
            sum += f;
        }
        assert_true(fabs(sum / 512 - 1) < 0.1 * 0.6 / sqrt(512));
        points_free(p);
    }
}

/* -- random -- */

static void test_random__is_uniform_on_each_scale(void **state)
{
    points *p = points_of("search = \"random\";", "a=1e-6..1:log b=x,y,z,w c=-3.0..5", 1000, 5);
    double low = 0, first = 0, mean = 0;
    (void)state;
    for (size_t i = 0; i < p->n; i++) {
        low += p->x[i][0] < 1e-3;
        first += p->x[i][1] == 0;
        mean += p->x[i][2];
    }
    /* bounds are five standard deviations: of a share sqrt(p q / n), of a mean 8 / sqrt(12 n) */
    assert_true(fabs(low / 1000 - 0.5) < 5 * sqrt(0.25 / 1000));
    assert_true(fabs(first / 1000 - 0.25) < 5 * sqrt(0.1875 / 1000));
    assert_true(fabs(mean / 1000 - 1) < 5 * 8 / sqrt(12.0 * 1000));
    points_free(p);
}

static void test_random__follows_priors_in_half_of_its_proposals(void **state)
{
    points *p = points_of("search = \"random\";", "a=1e-6..1:log:prior=1e-2/0.1", 1000, 5);
    double near = 0;
    (void)state;
    for (size_t i = 0; i < p->n; i++)
        near += fabs(log10(p->x[i][0]) + 2) < 0.3; /* three deviations; of the range a tenth */
    assert_true(fabs(near / 1000 - (0.5 * 0.9973 + 0.5 * 0.1)) < 5 * sqrt(0.25 / 1000));
    points_free(p);
}

/* -- grid -- */

static void expect_grid(const char *strategy, size_t n, points **out)
{
    points *p = points_of(strategy, "a=x,y b=1e-4..1:log?a=x c=1..3 d=p,q?a=y", 900, 3);
    assert_int_equal(p->n, n);
    assert_true(p->is_over);
    for (size_t i = 0; i < p->n; i++) {
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(memcmp(p->x[i], p->x[k], 4 * sizeof(double)), 0);
        assert_false(space_repair(&p->s, p->x[i]));
    }
    *out = p;
}

static void test_grid__has_every_combination_once(void **state)
{
    points *p;
    (void)state;
    expect_grid("search = { type = \"grid\"; points = 5; };", (5 + 2) * 3, &p);
    double sum = 0;
    for (size_t i = 0; i < p->n; i++)
        sum += isnan(p->x[i][1]) ? 0 : log10(p->x[i][1]);
    assert_true(fabs(sum - 3 * (-4 - 3 - 2 - 1 - 0)) < 1e-9);
    points_free(p);
}

static void test_grid__in_order_the_last_dimension_changes_fastest(void **state)
{
    points *p = points_of(
        "search = { type = \"grid\"; shuffle = false; points = 3; };", "a=0.0..1 b=1..2", 900, 3);
    const double x[6][2] = { { 0, 1 }, { 0, 2 }, { 0.5, 1 }, { 0.5, 2 }, { 1, 1 }, { 1, 2 } };
    (void)state;
    assert_int_equal(p->n, 6);
    for (size_t i = 0; i < 6; i++)
        assert_true(p->x[i][0] == x[i][0] && p->x[i][1] == x[i][1]);
    points_free(p);
}

static void test_grid__shards_cover_it_without_overlap(void **state)
{
    size_t n = 0;
    int seen[4][8] = { { 0 } };
    (void)state;
    for (int shard = 0; shard < 3; shard++) {
        char strategy[100];
        snprintf(strategy, sizeof strategy,
            "search = { type = \"grid\"; points = 9; shard = %d; shards = 3; };", shard);
        points *p = points_of(strategy, "a=1..4 b=1..8", 900, 3);
        n += p->n;
        for (size_t i = 0; i < p->n; i++)
            seen[(int)p->x[i][0] - 1][(int)p->x[i][1] - 1]++;
        points_free(p);
    }
    assert_int_equal(n, 32);
    for (size_t i = 0; i < 32; i++)
        assert_int_equal(seen[i / 8][i % 8], 1);
}

static void test_no_dimension__has_one_point(void **state)
{
    points *p = points_of("search = \"grid\";", "", 5, 3);
    (void)state;
    assert_int_equal(p->n, 1);
    assert_true(p->is_over);
    points_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codec__takes_values_there_and_back),
        cmocka_unit_test(test_codec__gives_each_level_its_share),
        cmocka_unit_test(test_sobol__begins_as_published),
        cmocka_unit_test(test_sobol__is_balanced_in_every_dimension),
        cmocka_unit_test(test_sobol__fills_squares),
        cmocka_unit_test(test_halton__is_balanced_in_each_base),
        cmocka_unit_test(test_qmc__integrates_better_than_random),
        cmocka_unit_test(test_random__is_uniform_on_each_scale),
        cmocka_unit_test(test_random__follows_priors_in_half_of_its_proposals),
        cmocka_unit_test(test_grid__has_every_combination_once),
        cmocka_unit_test(test_grid__in_order_the_last_dimension_changes_fastest),
        cmocka_unit_test(test_grid__shards_cover_it_without_overlap),
        cmocka_unit_test(test_no_dimension__has_one_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
