/* Probes inside an update.
 *
 * Numbers are taken per chunk, by whoever updates it, and added in the order of the chunks when they are read; the update itself
 * computes what it always does. A nested optimizer has the same tensors and so the same chunks as the one around it.
 *
 * Where only a share of the tensors is looked at, chunks merely copy what is in the sample, each number to its own place, and
 * the sums are taken when they are read: a chunk has too few of them to be worth sums of its own. */
#include "train/optimizer_probe.h"

#include "num/vec.h"

#include <string.h>

/* How many of a slot are looked at: what no update leaves for the next one says nothing. */
static size_t probed_times(const slot *s)
{
    const bool is_kept = s->exists && !(s->flags & ASSAY_SLOT_SCRATCH);
    return s->shape == ASSAY_SLOT_SAME && is_kept ? s->times : 0;
}

size_t group_probe_slots(const group *k)
{
    size_t n = 0;
    for (size_t i = 0; i < k->n_slots; i++) {
        n += probed_times(&k->slots[i]);
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        n += group_probe_slots(&k->nested[i]);
    }
    return n;
}

/* Adds those of k and, with a longer prefix, of what is nested in it. */
static status name_slots(group_probe *p, const group *k, const char *prefix, arena *a, error *err)
{
    for (size_t i = 0; i < k->n_slots; i++) {
        const slot *s = &k->slots[i];
        const size_t n = probed_times(s);
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

/* Room for sums over all chunks. */
static status plan_sums(group_probe *p, const group *k, float *before, arena *a, error *err)
{
    size_t numbers;
    if (!size_product(k->n_chunks, p->n_slots, &numbers)) {
        return fail_nomem(err, "a probe");
    }
    p->before = before;
    p->stride = arena_alloc_array(a, k->n_tensors, sizeof *p->stride);
    p->sums = arena_alloc_array(a, k->n_chunks, sizeof *p->sums);
    p->squares = arena_alloc_array(a, numbers, sizeof *p->squares);
    p->dots = arena_alloc_array(a, numbers, sizeof *p->dots);
    if (!p->stride || !p->sums || !p->squares || !p->dots) {
        return fail_nomem(err, "a probe");
    }
    for (size_t i = 0; i < k->n_tensors; i++) {
        const assay_tensor *t = &k->model->tensors[k->tensor[i]].info;
        p->stride[i] = probe_sample_stride(t->size, t->cols);
    }
    return OK;
}

/* Room for samples. */
static status plan_samples(group_probe *p, const group *k, double share, arena *a, error *err)
{
    p->sample = arena_alloc_array(a, k->n_tensors, sizeof *p->sample);
    p->taken = arena_alloc_array(a, k->n_tensors, sizeof(*p->taken));
    for (size_t i = 0; p->sample && p->taken && i < k->n_tensors; i++) {
        const size_t size = k->model->tensors[k->tensor[i]].info.size;
        size_t numbers;
        p->sample[i] = probe_sample_make(size, PROBE_STRETCH, share);
        p->taken[i] = size_product(p->sample[i].n, N_PROBED + p->n_slots, &numbers)
            ? arena_alloc_array(a, numbers, sizeof(float))
            : NULL;
        if (!p->taken[i]) {
            return fail_nomem(err, "a probe");
        }
    }
    return p->sample && p->taken ? OK : fail_nomem(err, "a probe");
}

status group_probe_plan(group *k, float *before, double share, arena *a, error *err)
{
    const size_t n = group_probe_slots(k);
    group_probe *p = arena_alloc(a, sizeof *p);
    if (!p) {
        return fail_nomem(err, "a probe");
    }
    p->slots = arena_alloc_array(a, n, sizeof *p->slots);
    p->total_squares = arena_alloc_array(a, n, sizeof *p->total_squares);
    p->total_dots = arena_alloc_array(a, n, sizeof *p->total_dots);
    p->has_slot = arena_alloc_array(a, n, sizeof *p->has_slot);
    if (!p->slots || !p->has_slot || !p->total_squares || !p->total_dots) {
        return fail_nomem(err, "a probe");
    }
    status st = name_slots(p, k, "", a, err);
    if (st == OK) {
        st = before ? plan_sums(p, k, before, a, err) : plan_samples(p, k, share, a, err);
    }
    k->probe = p;
    return st;
}

static const tensor *tensor_of(const group *k, const chunk *c)
{
    return &k->model->tensors[k->tensor[c->i_tensor]];
}

/* NULL where the tensor is one that does not have the slot. */
static const float *slot_of(const probe_slot *s, size_t i_tensor)
{
    const group *k = s->of;
    return k->slot_base[i_tensor * k->n_slots + s->i_slot];
}

static const float *slot_at(const probe_slot *s, const chunk *c, size_t tensor_size)
{
    const float *base = slot_of(s, c->i_tensor);
    return base ? base + s->copy * tensor_size + c->span.begin : NULL;
}

/* -- a share -- */

static float *taken(const group_probe *p, size_t i_tensor, size_t what)
{
    return p->taken[i_tensor] + what * p->sample[i_tensor].n;
}

static void take_before(const group *k, const chunk *c, const float *g)
{
    const group_probe *p = k->probe;
    const tensor *t = tensor_of(k, c);
    const probe_sample *s = &p->sample[c->i_tensor];
    const uint64_t draw = probe_sample_draw(k->tensor[c->i_tensor], k->update->t);
    const size_t begin = c->span.begin, end = begin + c->span.n;
    size_t i = probe_cut_first(s, begin);
    for (probe_cut cut; probe_cut_next(s, draw, begin, end, &i, &cut);) {
        const size_t bytes = cut.n * sizeof(float);
        memcpy(taken(p, c->i_tensor, PROBED_WEIGHT) + cut.at, k->model->w + t->offset + cut.begin,
            bytes);
        memcpy(taken(p, c->i_tensor, PROBED_GRADIENT) + cut.at, g + (cut.begin - begin), bytes);
        for (size_t j = 0; j < p->n_slots; j++) {
            const float *from = slot_at(&p->slots[j], c, t->info.size);
            if (from) {
                memcpy(taken(p, c->i_tensor, N_PROBED + j) + cut.at, from + (cut.begin - begin),
                    bytes);
            }
        }
    }
}

static void take_after(const group *k, const chunk *c)
{
    const group_probe *p = k->probe;
    const float *w = k->model->w + tensor_of(k, c)->offset;
    const probe_sample *s = &p->sample[c->i_tensor];
    const uint64_t draw = probe_sample_draw(k->tensor[c->i_tensor], k->update->t);
    const size_t begin = c->span.begin, end = begin + c->span.n;
    size_t i = probe_cut_first(s, begin);
    for (probe_cut cut; probe_cut_next(s, draw, begin, end, &i, &cut);) {
        memcpy(taken(p, c->i_tensor, PROBED_UPDATE) + cut.at, w + cut.begin, cut.n * sizeof(float));
    }
}

static void sum_up(probe_sums *out, const float *x, size_t n, double squares, double scale)
{
    const size_t stride = n / PROBE_SAMPLE_OF_SHARE;
    probe_sums_count(out, x, 0, n, stride ? stride : 1);
    out->squares = scale * squares;
}

/* What stands in place of the update becomes it. */
static void read_sample(const group_probe *p, size_t i_tensor, probed_tensor *t)
{
    const size_t n = p->sample[i_tensor].n;
    const double scale = probe_sample_scale(&p->sample[i_tensor]);
    float *w = taken(p, i_tensor, PROBED_WEIGHT), *u = taken(p, i_tensor, PROBED_UPDATE);
    const float *g = taken(p, i_tensor, PROBED_GRADIENT);
    sum_up(&t->sums[PROBED_WEIGHT], w, n, vec_sum_squares(w, n), scale);
    sum_up(&t->sums[PROBED_GRADIENT], g, n, vec_sum_squares(g, n), scale);
    const double change = probe_change(w, u, n);
    sum_up(&t->sums[PROBED_UPDATE], w, n, change, scale);
    for (size_t i = 0; i < p->n_slots; i++) {
        const float *s = taken(p, i_tensor, N_PROBED + i);
        p->total_squares[i] = scale * vec_sum_squares(s, n);
        p->total_dots[i] = scale * probe_dot(s, g, n);
    }
}

/* -- everything -- */

static void sum_before(group *k, size_t i_chunk, const float *g)
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
        p->squares[at] = s ? vec_sum_squares(s, n) : 0;
        p->dots[at] = s ? probe_dot(s, g, n) : 0;
    }
}

static void sum_after(group *k, size_t i_chunk)
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

/* Adds up the tensor's chunks [begin, end). */
static void read_sums(const group_probe *p, size_t begin, size_t end, probed_tensor *t)
{
    memset(p->total_squares, 0, p->n_slots * sizeof(double));
    memset(p->total_dots, 0, p->n_slots * sizeof(double));
    for (size_t at = begin; at < end; at++) {
        for (int what = 0; what < N_PROBED; what++) {
            probe_sums_add(&t->sums[what], &p->sums[at][what]);
        }
        for (size_t i = 0; i < p->n_slots; i++) {
            p->total_squares[i] += p->squares[at * p->n_slots + i];
            p->total_dots[i] += p->dots[at * p->n_slots + i];
        }
    }
}

/* -- either -- */

void group_probe_before(group *k, size_t i_chunk, const float *g)
{
    if (k->probe->sample) {
        take_before(k, &k->chunks[i_chunk], g);
    } else {
        sum_before(k, i_chunk, g);
    }
}

void group_probe_after(group *k, size_t i_chunk)
{
    if (k->probe->sample) {
        take_after(k, &k->chunks[i_chunk]);
    } else {
        sum_after(k, i_chunk);
    }
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
            .has_slot = p->has_slot,
            .squares = p->total_squares,
            .dots = p->total_dots };
        for (size_t i = 0; i < p->n_slots; i++) {
            p->has_slot[i] = slot_of(&p->slots[i], i_tensor) != NULL;
        }
        for (end = at; end < k->n_chunks && k->chunks[end].i_tensor == i_tensor; end++) {
        }
        if (p->sample) {
            read_sample(p, i_tensor, &t);
        } else {
            read_sums(p, at, end, &t);
        }
        each(self, &t);
    }
}
