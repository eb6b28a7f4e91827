/* Sums in double over arrays of floats, in loops that compilers vectorise: lane l of 16 adds the elements i with i % 16 = l as i
 * grows, then the lanes are folded in halves, as in the host's own sums.
 *
 * A piece of a sum is an inline function of the lanes and of n <= LANES elements, called for whole rows of lanes, where n is a
 * constant, and once for the rest. */
#ifndef ASSAY_PLUGINS_OPTIMIZER_SHARED_LANES_H
#define ASSAY_PLUGINS_OPTIMIZER_SHARED_LANES_H

#include <stdint.h>

enum { LANES = 16 };

static inline double lanes_fold(double *lane)
{
    for (int width = LANES / 2; width > 0; width /= 2) {
        for (int l = 0; l < width; l++) {
            lane[l] += lane[l + width];
        }
    }
    return lane[0];
}

static inline void lanes_add_squares(uint64_t n, double *restrict lane, const float *restrict x)
{
    for (uint64_t l = 0; l < n; l++) {
        lane[l] += (double)x[l] * (double)x[l];
    }
}

/* |x|^2 of x[n]; to be called in a function for several processors (ASSAY_MULTIVERSION). */
static inline double lanes_squares(uint64_t n, const float *x)
{
    double lane[LANES] = { 0 };
    uint64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        lanes_add_squares(LANES, lane, x + i);
    }
    lanes_add_squares(n - i, lane, x + i);
    return lanes_fold(lane);
}

#endif
