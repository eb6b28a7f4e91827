/* Probes inside an update.
 *
 * Numbers are taken per chunk, by whoever updates it, and added in the order of the chunks when they are read; the update itself
 * computes what it always does. A nested optimizer has the same tensors and so the same chunks as the one around it. */
#include "train/optimizer_probe.h"

#include "num/vec.h"

#include <string.h>

static size_t count_slots(const group *k)
{
    size_t n = 0;
    for (size_t i = 0; i < k->n_slots; i++) {
        n += k->slots[i].shape == ASSAY_SLOT_SAME && k->slots[i].exists ? k->slots[i].times : 0;
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        n += count_slots(&k->nested[i]);
    }
    return n;
}

/* Adds those of k and, with a longer prefix, of what is nested in it. */
static status name_slots(group_probe *p, const group *k, const char *prefix, arena *a, error *err)
{
    for (size_t i = 0; i < k->n_slots; i++) {
        const slot *s = &k->slots[i];
        const size_t n = s->shape == ASSAY_SLOT_SAME && s->exists ? s->times : 0;
        for (size_t copy = 0; copy < n; copy++) {
            const char *name = s->times == 1 ? arena_printf(a, "%s%s", prefix, s->name)
                                             : arena_printf(a, "%s%s.%zu", prefix, s->name, copy);
            if (!name) {
                return fail_nomem(err, "a probe");
            }
            p->slots[p->n_slots++] = (probe_slot){ name, k, i, copy };
        }
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        const char *inner = arena_printf(a, "%sinner%zu.", prefix, i);
        status st =
            inner ? name_slots(p, &k->nested[i], inner, a, err) : fail_nomem(err, "a probe");
        if (st != OK) {
            return st;
        }
    }
    return OK;
}

status group_probe_plan(group *k, float *before, arena *a, error *err)
{
    const size_t n = count_slots(k);
    size_t numbers;
    group_probe *p = arena_alloc(a, sizeof *p);
    if (!p || !size_product(k->n_chunks, n, &numbers)) {
        return fail_nomem(err, "a probe");
    }
    p->before = before;
    p->stride = arena_alloc_array(a, k->n_tensors, sizeof *p->stride);
    p->slots = arena_alloc_array(a, n, sizeof *p->slots);
    p->sums = arena_alloc_array(a, k->n_chunks, sizeof *p->sums);
    p->squares = arena_alloc_array(a, numbers, sizeof *p->squares);
    p->dots = arena_alloc_array(a, numbers, sizeof *p->dots);
    p->total_squares = arena_alloc_array(a, n, sizeof *p->total_squares);
    p->total_dots = arena_alloc_array(a, n, sizeof *p->total_dots);
    if (!p->stride || !p->slots || !p->sums || !p->squares || !p->dots || !p->total_squares ||
        !p->total_dots) {
        return fail_nomem(err, "a probe");
    }
    for (size_t i = 0; i < k->n_tensors; i++) {
        const assay_tensor *t = &k->model->tensors[k->tensor[i]].info;
        p->stride[i] = probe_sample_stride(t->size, t->cols);
    }
    k->probe = p;
    return name_slots(p, k, "", a, err);
}

static const tensor *tensor_of(const group *k, const chunk *c)
{
    return &k->model->tensors[k->tensor[c->i_tensor]];
}

static const float *slot_at(const probe_slot *s, const chunk *c, size_t tensor_size)
{
    const group *k = s->of;
    return k->slot_base[c->i_tensor * k->n_slots + s->i_slot] + s->copy * tensor_size +
        c->span.begin;
}

void group_probe_before(group *k, size_t i_chunk, const float *g)
{
    group_probe *p = k->probe;
    const chunk *c = &k->chunks[i_chunk];
    const tensor *t = tensor_of(k, c);
    const size_t offset = t->offset + c->span.begin, n = c->span.n;
    const float *w = k->model->w + offset;
    memcpy(p->before + offset, w, n * sizeof *w);
    probe_sums *sums = p->sums[i_chunk];
    sums[PROBED_WEIGHT].squares = vec_sum_squares(w, n);
    sums[PROBED_GRADIENT].squares = vec_sum_squares(g, n);
    probe_sums_count(&sums[PROBED_WEIGHT], w, c->span.begin, n, p->stride[c->i_tensor]);
    probe_sums_count(&sums[PROBED_GRADIENT], g, c->span.begin, n, p->stride[c->i_tensor]);
    for (size_t i = 0; i < p->n_slots; i++) {
        const float *s = slot_at(&p->slots[i], c, t->info.size);
        const size_t at = i_chunk * p->n_slots + i;
        p->squares[at] = vec_sum_squares(s, n);
        p->dots[at] = probe_dot(s, g, n);
    }
}

void group_probe_after(group *k, size_t i_chunk)
{
    group_probe *p = k->probe;
    const chunk *c = &k->chunks[i_chunk];
    const size_t offset = tensor_of(k, c)->offset + c->span.begin, n = c->span.n;
    const float *w = k->model->w + offset;
    float *before = p->before + offset;
    probe_sums *sums = &p->sums[i_chunk][PROBED_UPDATE];
    sums->squares = probe_change(before, w, n);
    probe_sums_count(sums, before, c->span.begin, n, p->stride[c->i_tensor]);
}

/* Chunks of a tensor stand one behind the other. */
void group_probe_read(const group *k, void (*each)(void *self, const probed_tensor *t), void *self)
{
    const group_probe *p = k->probe;
    for (size_t at = 0, end; at < k->n_chunks; at = end) {
        const size_t i_tensor = k->chunks[at].i_tensor;
        probed_tensor t = { .of = tensor_of(k, &k->chunks[at]),
            .index = k->tensor[i_tensor],
            .n_slots = p->n_slots,
            .slots = p->slots,
            .squares = p->total_squares,
            .dots = p->total_dots };
        memset(p->total_squares, 0, p->n_slots * sizeof(double));
        memset(p->total_dots, 0, p->n_slots * sizeof(double));
        for (end = at; end < k->n_chunks && k->chunks[end].i_tensor == i_tensor; end++) {
            for (int what = 0; what < N_PROBED; what++) {
                probe_sums_add(&t.sums[what], &p->sums[end][what]);
            }
            for (size_t i = 0; i < p->n_slots; i++) {
                p->total_squares[i] += p->squares[end * p->n_slots + i];
                p->total_dots[i] += p->dots[end * p->n_slots + i];
            }
        }
        each(self, &t);
    }
}
