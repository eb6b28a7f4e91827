/* The gradient piece by piece: where nothing needs it as a whole, a stretch of it is made right before it is used, from what
 * the replicas have given or have left undone. */
#include "num/gemm.h"
#include "num/vec.h"
#include "train/objective_internal.h"

#include <string.h>

/* The rows [begin / cols, ...) of a product, added to what is in `room` or instead of it. */
static void make_product(
    const product *p, size_t row, size_t rows, size_t cols, bool adds, float *room)
{
    if (p->k == 1 && !adds) {
        vec_outer(room, p->a + row, rows, p->b, cols);
        return;
    }
    const gemm g = { .trans_a = true,
        .m = rows,
        .n = cols,
        .k = p->k,
        .alpha = 1,
        .a = p->a + row,
        .lda = p->lda,
        .b = p->b,
        .ldb = p->ldb,
        .beta = adds ? 1.0f : 0.0f,
        .c = room,
        .ldc = cols };
    gemm_run(&g);
}

const float *objective_stretch(
    const objective *o, size_t i_tensor, size_t begin, size_t n, float *room)
{
    const tensor *t = &o->m->tensors[i_tensor];
    const size_t cols = t->info.cols;
    const product *first = replica_deferred(o->sources[0], i_tensor);
    if (o->n_parts == 1 && !first) {
        return o->parts[0] + t->offset + begin;
    }
    for (size_t i = 0; i < o->n_parts; i++) {
        const product *p = replica_deferred(o->sources[i], i_tensor);
        const float *own = o->parts[i] + t->offset + begin;
        if (p) {
            make_product(p, begin / cols, n / cols, cols, i > 0, room);
        } else if (i == 0) {
            memcpy(room, own, n * sizeof *room);
        } else {
            vec_add(room, own, n);
        }
    }
    return room;
}

bool objective_is_whole(const objective *o, size_t i_tensor)
{
    return o->n_parts == 1 && o->parts[0] == replica_gradient(o->replicas[0]) &&
        !replica_deferred(o->sources[0], i_tensor);
}

void objective_gather(const objective *o, float *g)
{
    if (!o->in_pieces) {
        memcpy(g, replica_gradient(o->replicas[0]), o->m->n_flat * sizeof *g);
        return;
    }
    for (size_t i = 0; i < o->m->n_tensors; i++) {
        const tensor *t = &o->m->tensors[i];
        const size_t cols = t->info.cols;
        const size_t most = cols <= STRETCH_FLOATS ? STRETCH_FLOATS / cols * cols : STRETCH_FLOATS;
        for (size_t at = 0; t->trainable && at < t->info.size; at += most) {
            const size_t n = t->info.size - at < most ? t->info.size - at : most;
            float *to = g + t->offset + at;
            const float *from = objective_stretch(o, i, at, n, to);
            if (from != to) {
                memcpy(to, from, n * sizeof *to);
            }
        }
    }
}

void objective_look(objective *o, void (*look)(void *self), void *self)
{
    o->look = look;
    o->look_self = self;
}

size_t objective_n_parts(const objective *o)
{
    return o->n_parts;
}

const float *objective_part(
    const objective *o, size_t i, size_t i_tensor, size_t begin, size_t n, float *room)
{
    const tensor *t = &o->m->tensors[i_tensor];
    const product *p = replica_deferred(o->sources[i], i_tensor);
    if (!p) {
        return o->parts[i] + t->offset + begin;
    }
    make_product(p, begin / t->info.cols, n / t->info.cols, t->info.cols, false, room);
    return room;
}
