/* Reals as text that reads back.
 *
 * Any real is written and read in the C locale by switching the calling thread's locale for the length of one conversion: the "C"
 * locale object is static in the C libraries in use, so nothing is allocated, and no other thread sees the switch.
 *
 * Records hold many reals, and the search for the shortest form by printf and strtod takes about a microsecond. The same digits are
 * mostly found without: the real is scaled to 17 digits before the point, as a sum of two doubles; a shorter form reads back when
 * it lies nearer than half the distance to the next double. Whatever is too close to call, and magnitudes out of the usual,
 * are left to the search. */
#include "base/text.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The thread's locale before the switch, and the C locale to be given back. */
typedef struct locale_switch {
    locale_t before, c;
} locale_switch;

static locale_switch locale_to_c(void)
{
    locale_switch l = { .c = newlocale(LC_ALL_MASK, "C", (locale_t)0) };
    if (l.c) l.before = uselocale(l.c);
    return l;
}

static void locale_back(locale_switch l)
{
    if (!l.c) return;
    uselocale(l.before);
    freelocale(l.c);
}

double text_to_real(const char *s, const char **end)
{
    const locale_switch l = locale_to_c();
    char *stop;
    const double v = strtod(s, &stop);
    locale_back(l);
    if (end) *end = stop;
    return v;
}

/* A whole number of few digits needs no search for its shortest form. */
static bool add_whole(text *t, double v)
{
    enum { END = 11 }; /* nine digits and ".0" */
    if (!(v >= 0 && v < 1e9) || signbit(v)) return false;
    uint32_t left = (uint32_t)v;
    const double whole = left;
    if (whole < v) return false;
    char written[END];
    char *at = written + END;
    *--at = '0';
    *--at = '.';
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    text_add_bytes(t, at, (size_t)(written + END - at));
    return true;
}

/* d1.d2 d3 ... times 10^exponent; the last digits may be 0. */
typedef struct decimal {
    uint64_t digits;
    int n_digits, exponent;
} decimal;

enum { FIRST_EXPONENT = -28, LAST_EXPONENT = 14, MOST_DIGITS = 17, EXACT_POWERS = 22 };

static const double close_call =
    0x1p-20; /* of the last of 17 digits; the sum is good to 2^-40 of it */
static const uint64_t end_digits = UINT64_C(100000000000000000); /* 10^MOST_DIGITS */

typedef struct two_doubles {
    double high, low;
} two_doubles;

/* v 10^k for 0 <= k <= 2 EXACT_POWERS. */
static two_doubles scaled(double v, int k)
{
    static const double power[EXACT_POWERS + 1] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8,
        1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    const double first = power[k <= EXACT_POWERS ? k : EXACT_POWERS];
    const double second = power[k <= EXACT_POWERS ? 0 : k - EXACT_POWERS];
    const double x = v * first, x_low = fma(v, first, -x);
    const double y = x * second, y_low = fma(x, second, -y);
    const double low = y_low + x_low * second;
    const double high = y + low;
    return (two_doubles){ high, low - (high - y) };
}

/* The shortest of 15 to 17 digits that reads back as v > 0; false: not found here. */
static bool find_digits(double v, decimal *out)
{
    int two;
    if (frexp(v, &two) <= 0.5) return false; /* its neighbours are not equally far */
    int e = (int)floor((two - 1) * 0.30102999566398120); /* the decimal exponent, or one less */
    if (e < FIRST_EXPONENT || e > LAST_EXPONENT) return false;
    two_doubles x = scaled(v, MOST_DIGITS - 1 - e);
    if (x.high >= (double)end_digits) {
        if (++e > LAST_EXPONENT) return false;
        x = scaled(v, MOST_DIGITS - 1 - e);
    }
    const double half = scaled(ldexp(1, two - DBL_MANT_DIG - 1), MOST_DIGITS - 1 - e).high;
    const double whole = floor(x.low), rest = x.low - whole; /* x.high is whole: it is above 2^53 */
    const uint64_t all = (uint64_t)((int64_t)x.high + (int64_t)whole);
    if (all < end_digits / 10) return false;
    uint64_t unit = 100;
    for (int n = 15; n <= MOST_DIGITS; n++, unit /= 10) {
        const double above = (double)(all % unit) + rest, below = (double)unit - above;
        const double off = above < below ? above : below;
        if (fabs(above - below) < close_call) return false;
        if (n < MOST_DIGITS && fabs(off - half) < close_call) return false;
        if (n == MOST_DIGITS || off < half) {
            *out = (decimal){ all / unit + (above > below), n, e };
            return out->digits * unit < end_digits;
        }
    }
    return false;
}

/* As "%g" writes it, and with ".0" where it would look like an integer. */
static void add_decimal(text *t, bool is_negative, decimal d)
{
    char digits[20], written[40];
    size_t n = (size_t)d.n_digits, at = 0;
    for (size_t i = n; i-- > 0; d.digits /= 10) {
        digits[i] = (char)('0' + d.digits % 10);
    }
    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }
    const bool has_exponent = d.exponent < -4;
    const size_t whole = has_exponent ? 1 : d.exponent >= 0 ? (size_t)d.exponent + 1 : 0;
    if (is_negative) written[at++] = '-';
    if (whole == 0) {
        memcpy(written + at, "0.000", 5);
        at += (size_t)(1 - d.exponent);
    }
    for (size_t i = 0; i < n || i < whole; i++) {
        if (i == whole && whole > 0) written[at++] = '.';
        written[at++] = i < n ? digits[i] : '0';
    }
    if (has_exponent) {
        written[at++] = 'e';
        written[at++] = '-';
        written[at++] = (char)('0' + -d.exponent / 10);
        written[at++] = (char)('0' + -d.exponent % 10);
    } else if (n <= whole) {
        written[at++] = '.';
        written[at++] = '0';
    }
    text_add_bytes(t, written, at);
}

static void search_decimal(text *t, double v)
{
    char digits[40];
    const locale_switch l = locale_to_c();
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, v);
        const double back = strtod(digits, NULL);
        if (!(back < v) && !(back > v)) break;
    }
    locale_back(l);
    text_add(t, digits);
    if (!strpbrk(digits, ".e")) text_add(t, ".0");
}

void text_add_real(text *t, double v)
{
    decimal d;
    if (!isfinite(v)) {
        text_add(t, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
    } else if (!add_whole(t, v)) {
        if (find_digits(fabs(v), &d)) {
            add_decimal(t, v < 0, d);
        } else {
            search_decimal(t, v);
        }
    }
}
