/* Figures as SVG: what is in them, where; and their plain-text cousins. */
#include "report/curves.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 40 };

/* Text grows by realloc, and by nothing else. */
static long fails_at; /* the call that gives nothing, from 1; 0: none */
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_realloc(void *p, size_t n)
{
    return fails_at > 0 && --fails_at == 0 ? NULL : __real_realloc(p, n);
}

static double xs[N], ys[N], others[N];

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < N; i++) {
        xs[i] = 10.0 * (double)(i + 1);
        ys[i] = 2.385 * exp(-0.0731 * (double)i);
        others[i] = 1.731 * exp(-0.0517 * (double)i);
    }
    return 0;
}

static figure plain(const curve *c, size_t n)
{
    return (figure){ .title = "a <title> & \"more\"",
        .description = "two curves",
        .x = { "step", false },
        .y = { "loss", false },
        .curves = c,
        .n_curves = n };
}

static size_t count(const char *in, const char *what)
{
    size_t n = 0;
    while ((in = strstr(in, what)) != NULL) {
        in += strlen(what);
        n++;
    }
    return n;
}

/* A reader that is not ours takes it as XML; true where there is none. */
static bool is_xml(const text *t)
{
    char path[] = "/tmp/assay-test-curves-XXXXXX", command[256];
    const int fd = mkstemp(path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(t->s, 1, t->n, f), t->n);
    assert_int_equal(fclose(f), 0);
    snprintf(command, sizeof command,
        "command -v python3 > /dev/null || exit 0; python3 -c "
        "'import sys, xml.dom.minidom as d; d.parse(sys.argv[1])' %s",
        path);
    const int how = system(command);
    remove(path);
    return how == 0;
}

static void draw(const figure *f, text *t)
{
    error err;
    text_clear(t);
    if (figure_svg(f, t, &err) != OK) fail_msg("%s", err.text);
}

static void test_a_figure__is_well_formed_and_the_same_each_time(void **state)
{
    (void)state;
    const curve c[] = { { "first & <best>", xs, ys, N, { 0, 0, false }, false },
        { "second\xff\x01", xs, others, N, { 1, 1, false }, false } };
    const mark m[] = { { 120, ys[11], "best \"12\"", { 0, 0, false } },
        { 200, NAN, "here", { 0, 0, false } } };
    figure f = plain(c, 2);
    f.marks = m;
    f.n_marks = 2;
    f.note = "a note";
    text one = { 0 }, two = { 0 };
    draw(&f, &one);
    draw(&f, &two);
    assert_string_equal(one.s, two.s);
    assert_true(is_xml(&one));
    assert_non_null(strstr(one.s, "a &lt;title&gt; &amp; &quot;more&quot;"));
    assert_non_null(strstr(one.s, "first &amp; &lt;best&gt;"));
    assert_non_null(strstr(one.s, "second??"));
    assert_non_null(strstr(one.s, "prefers-color-scheme:dark"));
    assert_int_equal(count(one.s, "<path "), 2);
    assert_int_equal(count(one.s, "<circle "), 1);
    assert_int_equal(count(one.s, "class=\"mark\""), 1);
    assert_int_equal(count(one.s, "class=\"legend\""), 2);
    assert_null(strstr(one.s, "nan"));
    text_release(&one);
    text_release(&two);
}

/* The numbers of the i-th path of the image. */
static size_t path_points(const char *svg, size_t i_path, double *x, double *y, size_t most)
{
    for (size_t i = 0; i <= i_path; i++) {
        svg = strstr(svg, "<path ");
        assert_non_null(svg);
        svg++;
    }
    size_t n = 0;
    svg = strstr(svg, " d=\"") + 4;
    while (*svg != '"' && n < most) {
        int used = 0;
        assert_int_equal(sscanf(svg + 1, "%lf %lf%n", &x[n], &y[n], &used), 2);
        svg += 1 + used;
        n++;
    }
    return n;
}

static void test_points__lie_where_the_axes_say(void **state)
{
    (void)state;
    const double x[] = { 1e-4, 1e-2, 1 }, y[] = { 3, 1, 2 };
    const curve c[] = { { "c", x, y, 3, { 0, 0, false }, false } };
    double px[8], py[8];
    figure f = plain(c, 1);
    text t = { 0 };
    f.x.is_log = true;
    draw(&f, &t);
    assert_int_equal(path_points(t.s, 0, px, py, 8), 3);
    assert_true(fabs(px[1] - (px[0] + px[2]) / 2) < 0.02); /* hundredths are written */
    assert_true(fabs(py[2] - (py[0] + py[1]) / 2) < 0.02);
    assert_true(px[0] < px[1] && py[0] < py[2] && py[2] < py[1]);
    f.x.is_log = false;
    draw(&f, &t);
    assert_int_equal(path_points(t.s, 0, px, py, 8), 3);
    assert_true(fabs((px[1] - px[0]) / (px[2] - px[0]) - (1e-2 - 1e-4) / (1 - 1e-4)) < 1e-4);
    text_release(&t);
}

static void test_a_gap__breaks_the_line(void **state)
{
    (void)state;
    double y[N];
    memcpy(y, ys, sizeof y);
    y[0] = NAN;
    y[7] = INFINITY;
    y[9] = NAN;
    const curve c[] = { { "c", xs, y, N, { 0, 0, false }, false } };
    const figure f = plain(c, 1);
    text t = { 0 };
    draw(&f, &t);
    const char *path = strstr(t.s, " d=\"") + 4;
    size_t n = 0;
    for (; *path != '"'; path++) {
        n += *path == 'M';
    }
    assert_int_equal(n, 3);
    assert_null(strstr(t.s, "inf"));
    text_release(&t);
}

static void test_a_background_curve__leaves_the_scale_alone(void **state)
{
    (void)state;
    double wild[N], px[N], py[N], qx[N], qy[N];
    for (size_t i = 0; i < N; i++) {
        wild[i] = 1e6 * ys[i];
    }
    curve c[] = { { "c", xs, ys, N, { 0, 0, false }, false },
        { "wild", xs, wild, N, { 0, 0, true }, true } };
    text t = { 0 };
    figure f = plain(c, 1);
    draw(&f, &t);
    assert_int_equal(path_points(t.s, 0, px, py, N), N);
    f.n_curves = 2;
    draw(&f, &t);
    assert_int_equal(path_points(t.s, 1, qx, qy, N), N); /* the background comes first */
    assert_memory_equal(py, qy, sizeof py);
    text_release(&t);
}

static void test_nothing_to_draw__is_an_error(void **state)
{
    (void)state;
    const double x[] = { 1, 2 }, y[] = { NAN, -0.731 };
    const curve c[] = { { "c", x, y, 2, { 0, 0, false }, false } };
    figure f = plain(c, 1);
    text t = { 0 };
    error err;
    f.y.is_log = true;
    assert_int_equal(figure_svg(&f, &t, &err), E_MISSING);
    assert_non_null(strstr(err.text, "no number to draw"));
    f.y.is_log = false; /* a single point is something */
    draw(&f, &t);
    assert_true(is_xml(&t));
    text_release(&t);
}

static void expect_ticks(
    double low, double high, bool is_log, const double *expected, size_t n_expected)
{
    double tick[MOST_TICKS];
    const size_t n = axis_ticks(low, high, is_log, 8, tick);
    assert_int_equal(n, n_expected);
    for (size_t i = 0; i < n; i++) {
        if (fabs(tick[i] - expected[i]) > 1e-9 * fabs(expected[i]))
            fail_msg("tick %zu is %g, expected %g", i, tick[i], expected[i]);
    }
}

static void test_ticks__are_round_numbers(void **state)
{
    (void)state;
    expect_ticks(0.3, 40.1, false, (const double[]){ 5, 10, 15, 20, 25, 30, 35, 40 }, 8);
    expect_ticks(-1.2, 2.3, false, (const double[]){ -1, -0.5, 0, 0.5, 1, 1.5, 2 }, 7);
    expect_ticks(1e-7, 10, true, (const double[]){ 1e-6, 1e-4, 1e-2, 1 }, 4);
    expect_ticks(0.09, 2.2, true, (const double[]){ 0.1, 0.2, 0.5, 1, 2 }, 5);
}

static void test_ticks__are_never_too_many_nor_outside(void **state)
{
    (void)state;
    double tick[MOST_TICKS];
    for (int k = -300; k < 300; k += 7) {
        for (double width = 1.0003; width < 1e12; width *= 3.7) {
            const double low = 2.385 * pow(10, k), high = low * width;
            if (!isfinite(high)) continue;
            for (int is_log = 0; is_log < 2; is_log++) {
                const size_t n = axis_ticks(low, high, is_log, 8, tick);
                if (n < 1 || n > 8) fail_msg("%zu ticks in [%g, %g]", n, low, high);
                for (size_t i = 0; i < n; i++) {
                    const double air = 1e-6 * (high - low) + 1e-8 * low;
                    assert_true(tick[i] >= low - air && tick[i] <= high + air);
                    assert_true(i == 0 || tick[i] > tick[i - 1]);
                }
            }
        }
    }
}

static void expect_sparkline(
    const double *y, size_t n, size_t width, bool utf8, const char *expected)
{
    text t = { 0 };
    sparkline(y, n, width, utf8, &t);
    assert_string_equal(t.s, expected);
    text_release(&t);
}

static void test_a_sparkline__goes_from_lowest_to_highest(void **state)
{
    (void)state;
    const double y[] = { 0.1, 0.9, 0.5, NAN, 0.35 };
    expect_sparkline(y, 5, 10, true, "▁█▅ ▃");
    expect_sparkline(y, 5, 10, false, "_#= .");
    expect_sparkline((const double[]){ 1, 3, 7, 9 }, 4, 2, false, "_#");
    expect_sparkline((const double[]){ 0.731, 0.731 }, 2, 2, false, "==");
}

static void test_memory_that_runs_out__is_an_error(void **state)
{
    (void)state;
    const curve c[] = { { "c", xs, ys, N, { 0, 0, false }, false } };
    const figure f = plain(c, 1);
    error err;
    long n_failed = 0;
    for (long k = 1;; k++) {
        text t = { 0 };
        fails_at = k;
        const status st = figure_svg(&f, &t, &err);
        const bool has_failed = fails_at == 0;
        fails_at = 0;
        text_release(&t);
        assert_int_equal(st, has_failed ? E_NOMEM : OK);
        if (!has_failed) break;
        n_failed++;
    }
    assert_true(n_failed > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_figure__is_well_formed_and_the_same_each_time),
        cmocka_unit_test(test_points__lie_where_the_axes_say),
        cmocka_unit_test(test_a_gap__breaks_the_line),
        cmocka_unit_test(test_a_background_curve__leaves_the_scale_alone),
        cmocka_unit_test(test_nothing_to_draw__is_an_error),
        cmocka_unit_test(test_memory_that_runs_out__is_an_error),
        cmocka_unit_test(test_ticks__are_round_numbers),
        cmocka_unit_test(test_ticks__are_never_too_many_nor_outside),
        cmocka_unit_test(test_a_sparkline__goes_from_lowest_to_highest),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
