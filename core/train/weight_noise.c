/* Noise is drawn by a number's place in the flat buffer, in pieces that threads share: who draws does not show. */
#include "train/weight_noise.h"

#include <string.h>

enum { PIECE_FLOATS = 2048 };

status weight_noise_init(
    weight_noise *n, arena *a, model *m, team *t, double deviation, uint64_t seed, error *err)
{
    *n = (weight_noise){
        .m = m, .team = t, .random = rng_make(seed, "weight_noise"), .deviation = (float)deviation
    };
    if (!(deviation > 0)) {
        return OK;
    }
    n->clean = arena_alloc_array(a, m->n_flat, sizeof *n->clean);
    return n->clean ? OK : fail_nomem(err, "the weights without noise");
}

static void add_piece(void *arg, size_t i)
{
    const weight_noise *n = arg;
    const size_t begin = i * PIECE_FLOATS, end = begin + PIECE_FLOATS;
    float noise[PIECE_FLOATS];
    for (size_t k = 0; k < n->m->n_tensors; k++) {
        const tensor *t = &n->m->tensors[k];
        const size_t from = t->offset > begin ? t->offset : begin;
        const size_t own_end = t->offset + t->info.size, to = own_end < end ? own_end : end;
        if (!t->trainable || from >= to) {
            continue;
        }
        rng_normal(n->random, n->draw, from, noise, to - from);
        for (size_t j = from; j < to; j++) {
            n->m->w[j] += n->deviation * noise[j - from];
        }
    }
}

void weight_noise_add(weight_noise *n, uint64_t draw)
{
    if (!n->clean) {
        return;
    }
    n->draw = draw;
    memcpy(n->clean, n->m->w, n->m->n_flat * sizeof *n->clean);
    team_run(n->team, (n->m->n_flat + PIECE_FLOATS - 1) / PIECE_FLOATS, add_piece, n);
}

void weight_noise_remove(weight_noise *n)
{
    if (n->clean) {
        memcpy(n->m->w, n->clean, n->m->n_flat * sizeof *n->clean);
    }
}
