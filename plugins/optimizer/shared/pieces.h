/* What optimizers of the tier model share: a loop over all weights of a group, on all threads.
 *
 * The tensors are cut into pieces of at most PIECE_FLOATS elements. A function is called for each of them, in any order and
 * by any thread; what it adds up stands in the piece and is added in the order of the pieces, so that sums do not depend on
 * threads. `flat` is where the piece begins in an array of all elements of the group. */
#ifndef ASSAY_PLUGINS_OPTIMIZER_SHARED_PIECES_H
#define ASSAY_PLUGINS_OPTIMIZER_SHARED_PIECES_H

#include <assay/plugin.h>

enum { PIECE_FLOATS = 8192 };

typedef struct piece {
    const assay_span *span;
    uint64_t begin, n, flat;
    double sum;
} piece;

typedef struct pieces {
    assay_ctx *ctx;
    uint64_t n, n_elements;
    piece *item; /* [n] scratch: gone with the callback */
} pieces;

typedef void (*piece_function)(const void *arg, piece *p);

/* The arrays of a piece, at its first element. */
static inline float *piece_w(const piece *p)
{
    return p->span->w + p->begin;
}

static inline const float *piece_g(const piece *p)
{
    return p->span->g + p->begin;
}

static inline float *piece_slot(const piece *p, uint64_t i_slot)
{
    return p->span->slot[i_slot] + p->begin;
}

static inline int pieces_cut(
    assay_ctx *ctx, const assay_span *spans, uint64_t n, uint64_t stride, pieces *out)
{
    *out = (pieces){ .ctx = ctx };
    for (uint64_t i = 0; i < n; i++) {
        out->n += (assay_span_at(spans, i, stride)->n + PIECE_FLOATS - 1) / PIECE_FLOATS;
    }
    out->item = ctx->host->scratch(ctx, out->n * sizeof *out->item);
    if (!out->item) {
        return ASSAY_E_NOMEM;
    }
    piece *to = out->item;
    for (uint64_t i = 0; i < n; i++) {
        const assay_span *s = assay_span_at(spans, i, stride);
        for (uint64_t begin = 0; begin < s->n; begin += PIECE_FLOATS) {
            const uint64_t rest = s->n - begin;
            *to++ = (piece){ .span = s,
                .begin = begin,
                .n = rest < PIECE_FLOATS ? rest : PIECE_FLOATS,
                .flat = out->n_elements + begin };
        }
        out->n_elements += s->n;
    }
    return ASSAY_OK;
}

typedef struct piece_call {
    piece *item;
    piece_function function;
    const void *arg;
} piece_call;

static inline void piece_range(void *arg, uint64_t begin, uint64_t end)
{
    const piece_call *c = arg;
    for (uint64_t i = begin; i < end; i++) {
        c->item[i].sum = 0;
        c->function(c->arg, &c->item[i]);
    }
}

/* Calls it for every piece; the sum of what they have added up. */
static inline double pieces_each(const pieces *all, piece_function function, const void *arg)
{
    piece_call call = { all->item, function, arg };
    double sum = 0;
    all->ctx->host->parallel_for(all->ctx, all->n, 1, piece_range, &call);
    for (uint64_t i = 0; i < all->n; i++) {
        sum += all->item[i].sum;
    }
    return sum;
}

#endif
