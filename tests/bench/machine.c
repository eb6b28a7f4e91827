/* What this machine can do at most, for the share of the roofline: multiply-adds of one core and its memory.
 *
 * Prints "<GF/s of fp32 multiply-adds> <GB/s of a triad in memory>", the best of several short turns. */
#include <assay/math.h>

#include "base/arena.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { LANES = 16, CHAINS = 12, REPEATS = 2000000, TURNS = 5 };

#if defined(__GNUC__) && !defined(__clang__)
#define CONTRACT __attribute__((optimize("fp-contract=fast")))
#else
#define CONTRACT
#endif

/* Independent chains, enough to hide the latency of a multiply-add. */
CONTRACT ASSAY_MULTIVERSION static double multiply_adds(float *sum)
{
    typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
    /* Different starts, or the compiler would find that all chains are one. */
    lanes a0 = { 0 }, a1 = a0 + 1, a2 = a0 + 2, a3 = a0 + 3, a4 = a0 + 4, a5 = a0 + 5, a6 = a0 + 6;
    lanes a7 = a0 + 7, a8 = a0 + 8, a9 = a0 + 9, a10 = a0 + 10, a11 = a0 + 11;
    const lanes x = a0 + 0.999f, y = a0 + 1e-3f;
    const double start = clock_thread_cpu_s();
    for (int i = 0; i < REPEATS; i++) {
        a0 = a0 * x + y;
        a1 = a1 * x + y;
        a2 = a2 * x + y;
        a3 = a3 * x + y;
        a4 = a4 * x + y;
        a5 = a5 * x + y;
        a6 = a6 * x + y;
        a7 = a7 * x + y;
        a8 = a8 * x + y;
        a9 = a9 * x + y;
        a10 = a10 * x + y;
        a11 = a11 * x + y;
    }
    const double seconds = clock_thread_cpu_s() - start;
    const lanes all = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11;
    for (int l = 0; l < LANES; l++) {
        *sum += all[l];
    }
    return 2.0 * CHAINS * LANES * REPEATS / seconds / 1e9;
}

ASSAY_MULTIVERSION static double triad(
    float *restrict a, const float *restrict b, const float *restrict c, size_t n)
{
    const double start = clock_wall_s();
    for (size_t i = 0; i < n; i++) {
        a[i] = b[i] + 0.3f * c[i];
    }
    return 3.0 * (double)n * sizeof *a / (clock_wall_s() - start) / 1e9;
}

int main(void)
{
    const size_t n = (size_t)16 << 20;
    float *a = mem_aligned(n, sizeof *a), *b = mem_aligned(n, sizeof *b),
          *c = mem_aligned(n, sizeof *c);
    double best_flops = 0, best_bytes = 0;
    float sum = 0;
    if (!a || !b || !c) {
        return 1;
    }
    for (int turn = 0; turn < TURNS; turn++) {
        const double flops = multiply_adds(&sum), bytes = triad(a, b, c, n);
        best_flops = flops > best_flops ? flops : best_flops;
        best_bytes = bytes > best_bytes ? bytes : best_bytes;
    }
    printf("%.1f %.1f\n", best_flops, best_bytes);
    free(a);
    free(b);
    free(c);
    return sum == 12345.0f;
}
