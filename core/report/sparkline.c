/* A curve in one line of text: eight heights, the mean of the values that a character stands for. */
#include "report/curves.h"

#include <math.h>

enum { N_LEVELS = 8, N_ASCII_LEVELS = 6 };

/* The mean of the finite values of the i-th of `width` parts; NaN when there is none. */
static double part_mean(const double *y, size_t n, size_t width, size_t i)
{
    const size_t begin = i * n / width, end = (i + 1) * n / width;
    double sum = 0;
    size_t n_finite = 0;
    for (size_t k = begin; k < end; k++) {
        if (isfinite(y[k])) {
            sum += y[k];
            n_finite++;
        }
    }
    return n_finite ? sum / (double)n_finite : (double)NAN;
}

static size_t level_of(double v, double low, double high, size_t n_levels)
{
    const double place = high > low ? (v - low) / (high - low) : 0.5;
    const size_t level = (size_t)(place * (double)n_levels);
    return level < n_levels ? level : n_levels - 1;
}

void sparkline(const double *y, size_t n, size_t width, bool utf8, text *out)
{
    static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
    static const char *const signs[] = { "_", ".", "-", "=", "*", "#" };
    double low = INFINITY, high = -INFINITY;
    width = n < width ? n : width;
    for (size_t i = 0; i < width; i++) {
        const double v = part_mean(y, n, width, i);
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    for (size_t i = 0; i < width; i++) {
        const double v = part_mean(y, n, width, i);
        if (isnan(v)) {
            text_add(out, " ");
        } else if (utf8) {
            text_add(out, blocks[level_of(v, low, high, N_LEVELS)]);
        } else {
            text_add(out, signs[level_of(v, low, high, N_ASCII_LEVELS)]);
        }
    }
}
