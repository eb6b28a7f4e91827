/* Round numbers along an axis. */
#include "report/curves.h"

#include <math.h>

static const double mantissas[] = { 1, 2, 5 };
enum { N_MANTISSAS = 3 };

/* The multiples of a step of 1, 2 or 5 times 10^k, the smallest that gives no more than `most`. */
static size_t linear_ticks(double low, double high, size_t most, double *out)
{
    const double rough = (high - low) / (double)(most > 1 ? most - 1 : 1);
    double step = 0;
    double first = 0, last = -1;
    for (int k = (int)floor(log10(rough)) - 1, done = 0; !done; k++) {
        for (size_t m = 0; m < N_MANTISSAS && !done; m++) {
            step = mantissas[m] * pow(10, k);
            first = ceil(low / step - 1e-9);
            last = floor(high / step + 1e-9);
            done = step >= rough * 0.3 && last - first + 1 <= (double)most;
        }
    }
    size_t n = 0;
    for (double i = first; i <= last && n < MOST_TICKS; i++) {
        out[n++] = i == 0 ? 0 : i * step; /* never -0 */
    }
    return n;
}

/* Every `stride`-th decade. */
static size_t decades(double low, double high, double stride, double *out)
{
    size_t n = 0;
    const double last = floor(log10(high) + 1e-9);
    for (double k = stride * ceil(log10(low) / stride - 1e-9); k <= last; k += stride) {
        if (n < MOST_TICKS) out[n] = pow(10, k);
        n++;
    }
    return n;
}

static size_t parts_of_decades(double low, double high, double *out)
{
    size_t n = 0;
    for (double k = floor(log10(low)); k <= ceil(log10(high)); k++) {
        for (size_t m = 0; m < N_MANTISSAS; m++) {
            const double v = mantissas[m] * pow(10, k);
            if (v < low * (1 - 1e-9) || v > high * (1 + 1e-9)) continue;
            if (n < MOST_TICKS) out[n] = v;
            n++;
        }
    }
    return n;
}

size_t axis_ticks(double low, double high, bool is_log, size_t most, double out[MOST_TICKS])
{
    most = most < 2 ? 2 : most > MOST_TICKS ? MOST_TICKS : most;
    if (!is_log) {
        return linear_ticks(low, high, most, out);
    }
    size_t n = parts_of_decades(low, high, out);
    if (n < 3) {
        return linear_ticks(low, high, most, out);
    }
    for (double stride = 1; n > most; stride++) {
        n = decades(low, high, stride, out);
    }
    return n;
}
