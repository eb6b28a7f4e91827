/* Decimal numbers from text.
 *
 * Short ones are exact without strtod: an integer below 2^53 times or divided by a power of ten that a double holds is one
 * correctly rounded operation (Clinger 1990, "How to read floating point numbers accurately", the fast path). The rest go
 * to strtod, which the caller has put into the locale "C" for this thread. */
#include "../shared/csv_table.h"

#include <ctype.h>
#include <locale.h>
#include <stdlib.h>

/* What was read so far: digits * 10^power. */
struct decimal {
    uint64_t digits;
    int power;
    bool any, is_exact;
};

static const char *read_digits(const char *p, struct decimal *d, int step)
{
    for (; *p >= '0' && *p <= '9'; p++) {
        d->any = true;
        if (d->digits > (UINT64_C(1) << 53) / 10 - 1) {
            d->is_exact = false;
            continue;
        }
        d->digits = d->digits * 10 + (uint64_t)(*p - '0');
        d->power += step;
    }
    return p;
}

static const char *read_exponent(const char *p, struct decimal *d)
{
    if (*p != 'e' && *p != 'E') return p;
    const char *q = p + 1;
    const bool negative = *q == '-';
    if (*q == '-' || *q == '+') q++;
    if (*q < '0' || *q > '9') return p;
    int e = 0;
    for (; *q >= '0' && *q <= '9'; q++) {
        if (e < 10000) e = e * 10 + (*q - '0');
    }
    d->power += negative ? -e : e;
    return q;
}

bool number_parse(const char *s, double *out)
{
    static const double tens[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
        1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    struct decimal d = { .is_exact = true };
    while (isblank((unsigned char)*s))
        s++;
    const bool negative = *s == '-';
    const char *p = s + (*s == '-' || *s == '+');
    p = read_digits(p, &d, 0);
    if (*p == '.') p = read_digits(p + 1, &d, -1);
    if (!d.any) return false;
    p = read_exponent(p, &d);
    while (isblank((unsigned char)*p))
        p++;
    if (*p != '\0') return false;
    if (!d.is_exact || d.power < -22 || d.power > 22) {
        *out = strtod(s, NULL);
        return true;
    }
    const double v = (double)d.digits;
    const double scaled = d.power < 0 ? v / tens[-d.power] : v * tens[d.power];
    *out = negative ? -scaled : scaled;
    return true;
}

int number_in_c_locale(assay_ctx *ctx, int (*work)(void *arg), void *arg)
{
    const locale_t c_locale = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0) return table_nomem(ctx);
    const locale_t before = uselocale(c_locale);
    const int code = work(arg);
    uselocale(before);
    freelocale(c_locale);
    return code;
}
