/* The few formulae that a study's tables need.
 *
 * Student's t by the regularised incomplete beta function, P(|T| > t) = I_x(n/2, 1/2) with x = n / (n + t^2), whose continued
 * fraction (DLMF 8.17.22) is evaluated by Lentz's algorithm; where it converges slowly I_x(a, b) = 1 - I_(1-x)(b, a) is used. Its
 * inverse is found by bisection, to the last bits: it is asked for once or twice in a table. */
#include "study/results.h"

#include <math.h>

static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300, close = 1e-16;
    double c = 1.0, d = 1.0 - (a + b) * x / (a + 1.0);
    d = 1.0 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int i = 1; i <= 100000; i++) {
        const double m = i;
        const double even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 + even * d;
        c = 1.0 + even / c;
        d = 1.0 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        d = 1.0 + odd * d;
        c = 1.0 + odd / c;
        d = 1.0 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        if (fabs(d * c - 1.0) < close) break;
    }
    return h;
}

/* I_x(a, b); y is 1 - x, which the caller knows without cancellation. */
static double beta_part(double a, double b, double x, double y)
{
    if (x <= 0.0) return 0.0;
    if (y <= 0.0) return 1.0;
    int sign;
    const double scale =
        lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign) + a * log(x) + b * log(y);
    return x < (a + 1.0) / (a + b + 2.0) ? exp(scale) * beta_fraction(a, b, x) / a
                                         : 1.0 - exp(scale) * beta_fraction(b, a, y) / b;
}

double student_tail(double t, double degrees)
{
    if (isinf(t)) return 0.0;
    const double square = t * t;
    if (isinf(square)) return 0.0;
    return beta_part(0.5 * degrees, 0.5, degrees / (degrees + square), square / (degrees + square));
}

double student_critical(double tail, double degrees)
{
    double low = 0.0, high = 1.0;
    if (!(tail > 0.0)) return (double)INFINITY;
    if (tail >= 1.0) return 0.0;
    while (student_tail(high, degrees) > tail && high < 1e150)
        high *= 2.0;
    for (int i = 0; i < 200; i++) {
        const double middle = 0.5 * (low + high);
        if (middle <= low || middle >= high) break;
        if (student_tail(middle, degrees) > tail) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return 0.5 * (low + high);
}

double sorted_quantile(const double *sorted, size_t n, double p)
{
    if (n == 0) return (double)NAN;
    const double place = p * (double)(n - 1);
    const size_t i = (size_t)place;
    const double part = place - (double)i;
    if (i + 1 >= n || part <= 0.0) return sorted[i < n ? i : n - 1];
    if (!isfinite(sorted[i])) return sorted[i]; /* of -inf and inf neither is between */
    if (!isfinite(sorted[i + 1])) return sorted[i + 1];
    return sorted[i] + part * (sorted[i + 1] - sorted[i]);
}
