/* Random numbers in double precision out of the host's whole numbers: functions of (stream, place), in any order.
 *
 * Numbers of proposal k come from stream k; what belongs to the instance as a whole (scrambling, permutations) from DRAW_OWN on. */
#ifndef ASSAY_PLUGINS_SEARCH_SHARED_DRAW_H
#define ASSAY_PLUGINS_SEARCH_SHARED_DRAW_H

#include <assay/plugin.h>

#include <math.h>

#define DRAW_OWN (1ull << 63)

/* Two numbers of 32 bits as one in (0, 1), with 53 bits. */
static inline double draw_real(const uint32_t pair[2])
{
    const uint64_t bits = ((uint64_t)pair[0] << 32 | pair[1]) >> 11;
    return ((double)bits + 0.5) * 0x1p-53;
}

/* out[i] = the uniform number in (0, 1) at place index + i of the stream. */
static inline void draw_units(
    assay_ctx *ctx, uint64_t stream, uint64_t index, double *out, uint64_t n)
{
    uint32_t words[32];
    for (uint64_t done = 0; done < n;) {
        const uint64_t piece = n - done < 16 ? n - done : 16;
        ctx->host->random_u32(ctx, stream, 2 * (index + done), words, 2 * piece);
        for (uint64_t i = 0; i < piece; i++)
            out[done + i] = draw_real(words + 2 * i);
        done += piece;
    }
}

static inline double draw_unit(assay_ctx *ctx, uint64_t stream, uint64_t index)
{
    double u;
    draw_units(ctx, stream, index, &u, 1);
    return u;
}

/* Standard normal numbers by Box and Muller: number i from the uniform ones at 2 i and 2 i + 1 of the same stream, so who mixes
 * both in one stream keeps their places apart. */
static inline void draw_normals(
    assay_ctx *ctx, uint64_t stream, uint64_t index, double *out, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        double u[2];
        draw_units(ctx, stream, 2 * (index + i), u, 2);
        out[i] = sqrt(-2 * log(u[0])) * cos(6.283185307179586476925 * u[1]);
    }
}

/* A whole number in [0, n), n below 2^53 / 2^10 or so that the bias does not show. */
static inline uint64_t draw_below(assay_ctx *ctx, uint64_t stream, uint64_t index, uint64_t n)
{
    const uint64_t k = (uint64_t)(draw_unit(ctx, stream, index) * (double)n);
    return k < n ? k : n - 1;
}

#endif
