/* Running a model on one worker.
 *
 * Laid out once: an output per layer, the gradient of each, saved memory, and one assay_io per layer whose pointers never
 * change afterwards; a pass only fills in the extents of the shard. Where several layers use one output, the last of them
 * writes its gradient in place and the others write beside it and are added, so a layer always overwrites dx. */
#include "model/replica.h"

#include "num/gemm.h"
#include "num/vec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One layer in this replica. */
typedef struct node {
    assay_io io;
    struct replica *replica;
    const layer *layer;
    const void **x;
    float **dx; /* what backward writes: the source's dy, or a buffer beside it */
    bool *dx_beside; /* [n_in] dx is added to the source's dy afterwards */
    assay_shape *in_shape;
    const float **param;
    float **dparam;
    uint32_t *accumulate_first, *accumulate_all;
    float **buffer, **saved;
    float **carry_own; /* where carried states go that nobody wants */
    const float **carry_none;
    float **dcarry_none;
    void **scratch;
    float *y, *dy;
} node;

struct replica {
    model *m;
    arena memory;
    size_t max_batch, max_time;
    bool training;
    node *nodes;
    float *g; /* [n_flat] */
    size_t rows_out;
    size_t defer_k, defer_cols;
    product *products; /* [n_tensors] k = 0: made at once */
    size_t bytes; /* of what was laid out */
    const observer *observer; /* NULL: nobody looks */
    size_t i_replica; /* what the observer knows it by */
};

/* rows * per_row + fixed elements; NULL where that does not fit or memory is out. */
static void *lay(replica *r, size_t rows, size_t per_row, size_t fixed, size_t each)
{
    size_t n, bytes;
    if (!size_product(rows, per_row, &n) || !size_sum(n, fixed, &n) ||
        !size_product(n, each, &bytes)) {
        return NULL;
    }
    r->bytes += bytes;
    return arena_alloc(&r->memory, bytes);
}

/* Made in pieces, a product reads all of b once a piece: that pays only where a piece has many rows, or b has one. */
enum { MIN_ROWS_OF_PIECE = 16 };

/* Whether this product may wait. A tied tensor's gradient is a sum over layers and is made at once. */
static bool may_wait(
    const replica *r, const node *k, const assay_tensor *t, uint64_t i_param, uint64_t rows)
{
    const size_t most_cols = rows == 1 ? r->defer_cols : r->defer_cols / MIN_ROWS_OF_PIECE;
    return rows <= r->defer_k && t->cols <= most_cols && !t->tied && !k->io.accumulate[i_param];
}

static int grad_gemm(const assay_io *io, uint64_t i_param, uint64_t rows, const float *a,
    uint64_t lda, const float *b, uint64_t ldb)
{
    const node *k = io->host_data;
    float *dw = k->io.dparam[i_param];
    if (!dw) {
        return ASSAY_OK;
    }
    const assay_tensor *t = &k->replica->m->tensors[k->layer->param[i_param]].info;
    const bool transposed = io->transposed[i_param];
    const gemm g = { .trans_a = true,
        .m = t->rows,
        .n = t->cols,
        .k = rows,
        .alpha = 1,
        .a = transposed ? b : a,
        .lda = transposed ? ldb : lda,
        .b = transposed ? a : b,
        .ldb = transposed ? lda : ldb,
        .beta = io->accumulate[i_param] ? 1.0f : 0.0f,
        .c = dw,
        .ldc = t->cols };
    if (gemm_check(&g, NULL) != OK) {
        return ASSAY_E_SHAPE;
    }
    if (may_wait(k->replica, k, t, i_param, rows)) {
        k->replica->products[t->index] = (product){ a, b, rows, lda, ldb };
        return ASSAY_OK;
    }
    gemm_run(&g);
    return ASSAY_OK;
}

static size_t out_size(const layer *l)
{
    return assay_shape_size(&l->out);
}

/* Whether a layer later in the list uses the output of layer `from`, too, or an earlier input of the same layer does
 * after us in backward order. Backward runs layers from last to first and inputs from first to last. */
static bool is_first_writer(const model *m, size_t i_layer, size_t i_in)
{
    const int from = m->layers[i_layer].from[i_in];
    for (size_t j = i_layer; j < m->n_layers; j++) {
        const layer *l = &m->layers[j];
        const size_t n = j == i_layer ? i_in : l->n_in;
        for (size_t k = 0; k < n; k++) {
            if (l->from[k] == from && l->backprop) {
                return false;
            }
        }
    }
    return true;
}

/* Whether an input's gradient needs memory of its own, to be added to what others have written. */
static bool is_beside(const model *m, size_t i_layer, size_t i_in)
{
    const int from = m->layers[i_layer].from[i_in];
    return from != FROM_INPUT && m->layers[from].backprop && !is_first_writer(m, i_layer, i_in);
}

static bool node_tables(replica *r, node *k)
{
    const layer *l = k->layer;
    arena *a = &r->memory;
    const size_t n_p = l->n_params;
    return (k->x = arena_alloc_array(a, l->n_in, sizeof *k->x)) &&
        (k->dx = arena_alloc_array(a, l->n_in, sizeof *k->dx)) &&
        (k->dx_beside = arena_alloc_array(a, l->n_in, sizeof *k->dx_beside)) &&
        (k->in_shape = arena_alloc_array(a, l->n_in, sizeof *k->in_shape)) &&
        (k->param = arena_alloc_array(a, n_p, sizeof *k->param)) &&
        (k->dparam = arena_alloc_array(a, n_p, sizeof *k->dparam)) &&
        (k->accumulate_first = arena_alloc_array(a, n_p, sizeof *k->accumulate_first)) &&
        (k->accumulate_all = arena_alloc_array(a, n_p, sizeof *k->accumulate_all)) &&
        (k->buffer = arena_alloc_array(a, l->n_buffers, sizeof *k->buffer)) &&
        (k->saved = arena_alloc_array(a, l->n_saved, sizeof *k->saved)) &&
        (k->carry_own = arena_alloc_array(a, l->n_carry, sizeof *k->carry_own)) &&
        (k->carry_none = arena_alloc_array(a, l->n_carry, sizeof *k->carry_none)) &&
        (k->dcarry_none = arena_alloc_array(a, l->n_carry, sizeof *k->dcarry_none)) &&
        (k->scratch = arena_alloc_array(a, l->n_scratch, sizeof *k->scratch));
}

static bool node_memory(replica *r, node *k)
{
    const layer *l = k->layer;
    const size_t rows_in = r->max_batch * (l->one_step ? 1 : r->max_time);
    const size_t rows_out = r->max_batch * (l->out_one_step ? 1 : r->max_time);
    bool ok = (k->y = lay(r, rows_out, out_size(l), 0, sizeof(float))) != NULL;
    if (r->training && l->backprop) {
        ok = ok && (k->dy = lay(r, rows_out, out_size(l), 0, sizeof(float)));
    }
    for (size_t i = 0; ok && i < l->n_saved; i++) {
        k->saved[i] = lay(r, rows_in, l->saved_per_row[i], l->saved_fixed[i], sizeof(float));
        ok = k->saved[i] != NULL;
    }
    for (size_t i = 0; ok && i < l->n_carry; i++) {
        ok = (k->carry_own[i] = lay(r, r->max_batch, l->carry[i], 0, sizeof(float))) != NULL;
    }
    for (size_t i = 0; ok && i < l->n_scratch; i++) {
        k->scratch[i] = lay(r, rows_in, l->scratch_per_row[i], l->scratch_fixed[i], 1);
        ok = k->scratch[i] != NULL;
    }
    return ok;
}

/* Inputs, and where their gradients go. */
static bool node_inputs(replica *r, node *k)
{
    const layer *l = k->layer;
    const size_t i_layer = (size_t)(l - r->m->layers);
    for (size_t i = 0; i < l->n_in; i++) {
        k->in_shape[i] = l->in[i].shape;
        if (l->from[i] == FROM_INPUT) {
            continue; /* x comes with the shard */
        }
        node *source = &r->nodes[l->from[i]];
        k->x[i] = source->y;
        if (!r->training || !source->layer->backprop) {
            continue;
        }
        k->dx[i] = source->dy;
        k->dx_beside[i] = is_beside(r->m, i_layer, i);
        if (k->dx_beside[i]) {
            const size_t rows = r->max_batch * (l->one_step ? 1 : r->max_time);
            k->dx[i] = lay(r, rows, assay_shape_size(&l->in[i].shape), 0, sizeof(float));
            if (!k->dx[i]) {
                return false;
            }
        }
    }
    return true;
}

static void node_params(replica *r, node *k)
{
    const layer *l = k->layer;
    for (size_t i = 0; i < l->n_params; i++) {
        const tensor *t = &r->m->tensors[l->param[i]];
        k->param[i] = r->m->w + t->offset;
        k->dparam[i] = r->training && t->trainable ? r->g + t->offset : NULL;
        k->accumulate_first[i] = l->repeated[i];
        k->accumulate_all[i] = 1;
    }
    for (size_t i = 0; i < l->n_buffers; i++) {
        k->buffer[i] = r->m->b + r->m->buffers[l->first_buffer + i].offset;
    }
}

static void node_io(node *k)
{
    const layer *l = k->layer;
    k->io = (assay_io){ .struct_size = sizeof k->io,
        .host_data = k,
        .n_in = l->n_in,
        .in_shape = k->in_shape,
        .x = k->x,
        .dx = k->dx,
        .out_shape = &l->out,
        .y = k->y,
        .dy = k->dy,
        .param = k->param,
        .dparam = k->dparam,
        .accumulate = k->accumulate_first,
        .transposed = l->transposed,
        .buffer = k->buffer,
        .prepared = (const void *const *)l->prepared,
        .saved = k->saved,
        .carry_in = k->carry_none,
        .carry_out = k->carry_own,
        .dcarry_out = k->carry_none,
        .dcarry_in = k->dcarry_none,
        .scratch = k->scratch,
        .grad_gemm = grad_gemm };
    for (size_t i = 0; i < l->n_in; i++) {
        k->io.token_inputs |= l->in[i].dtype == ASSAY_I32;
    }
}

status replica_new(
    model *m, size_t max_batch, size_t max_time, bool training, replica **out, error *err)
{
    replica *r = calloc(1, sizeof *r);
    if (!r) {
        return fail_nomem(err, "a replica");
    }
    *r = (replica){ .m = m, .max_batch = max_batch, .max_time = max_time, .training = training };
    size_t rows; /* of whole sequences: single steps fit where they do */
    bool ok = size_product(max_batch, max_time, &rows) &&
        (r->nodes = arena_alloc_array(&r->memory, m->n_layers, sizeof *r->nodes)) != NULL;
    if (training) {
        ok = ok && (r->g = lay(r, 1, m->n_flat, 0, sizeof(float))) &&
            (r->products = arena_alloc_array(&r->memory, m->n_tensors, sizeof *r->products));
    }
    for (size_t i = 0; ok && i < m->n_layers; i++) {
        node *k = &r->nodes[i];
        k->replica = r;
        k->layer = &m->layers[i];
        ok = node_tables(r, k) && node_memory(r, k) && node_inputs(r, k);
        if (ok) {
            node_params(r, k);
            node_io(k);
        }
    }
    if (!ok) {
        replica_free(r);
        return fail_nomem(err, "a replica's activations");
    }
    *out = r;
    return OK;
}

void replica_free(replica *r)
{
    if (r) {
        arena_release(&r->memory);
        free(r);
    }
}

static void node_begin(node *k, const shard *s, bool training)
{
    const layer *l = k->layer;
    assay_io *io = &k->io;
    io->training = training;
    io->time = l->one_step ? 1 : s->time;
    io->time_out = l->out_one_step ? 1 : s->time;
    io->batch = s->n;
    io->batch_begin = s->batch_begin;
    io->batch_total = s->batch_total;
    io->draw = s->draw;
    io->weight = l->one_step ? s->weight : s->step_weight;
    io->length = l->one_step ? NULL : s->length;
    io->carry_in = s->carry_in ? s->carry_in + l->first_carry : k->carry_none;
    io->carry_out = s->carry_out ? s->carry_out + l->first_carry : k->carry_own;
    for (size_t i = 0; i < l->n_in; i++) {
        if (l->from[i] == FROM_INPUT) {
            k->x[i] = s->tokens ? (const void *)s->tokens : (const void *)s->x;
        }
    }
}

/* -- what an observer is shown -- */

static sight sight_of(const replica *r, const node *k, sight_kind kind)
{
    return (sight){ .kind = kind,
        .i_layer = (size_t)(k->layer - r->m->layers),
        .batch = k->io.batch,
        .batch_begin = k->io.batch_begin };
}

static void show(const replica *r, const sight *s)
{
    r->observer->see(r->observer->self, r->i_replica, s);
}

static void show_forward(const replica *r, const node *k)
{
    const layer *l = k->layer;
    sight s = sight_of(r, k, SIGHT_OUTPUT);
    s.x = k->y;
    s.per_sample = out_size(l);
    s.n = k->io.time_out * k->io.batch * s.per_sample;
    show(r, &s);
    s = sight_of(r, k, SIGHT_BUFFER);
    for (s.i = 0; s.i < l->n_buffers; s.i++) {
        s.x = k->buffer[s.i];
        s.n = r->m->buffers[l->first_buffer + s.i].n;
        show(r, &s);
    }
}

static void show_backward(const replica *r, const node *k)
{
    const layer *l = k->layer;
    sight s = sight_of(r, k, SIGHT_INPUT_GRADIENT);
    for (s.i = 0; s.i < l->n_in; s.i++) {
        s.x = k->dx[s.i];
        s.per_sample = assay_shape_size(&k->in_shape[s.i]);
        s.n = k->io.time * k->io.batch * s.per_sample;
        if (s.x) {
            show(r, &s);
        }
    }
    s = sight_of(r, k, SIGHT_PARAMETER_GRADIENT);
    for (s.i = 0; s.i < l->n_params; s.i++) {
        s.x = k->dparam[s.i];
        s.n = r->m->tensors[l->param[s.i]].info.size;
        if (s.x && !replica_deferred(r, l->param[s.i])) {
            show(r, &s);
        }
    }
}

void replica_observe(replica *r, const observer *o, size_t i_replica)
{
    r->observer = o;
    r->i_replica = i_replica;
}

status replica_forward(replica *r, const shard *s, bool training, error *err)
{
    for (size_t i = 0; i < r->m->n_layers; i++) {
        node *k = &r->nodes[i];
        const layer *l = k->layer;
        node_begin(k, s, training);
        const int code =
            instance_code(l->instance, l->ops->forward(&l->instance->ctx, l->hyper, &k->io));
        if (code != ASSAY_OK) {
            return instance_status(l->instance, code, "forward", err);
        }
        r->rows_out = k->io.time_out * k->io.batch;
        if (r->observer) {
            show_forward(r, k);
        }
    }
    return OK;
}

status replica_backward(replica *r, bool accumulate, error *err)
{
    memset(r->products, 0, r->m->n_tensors * sizeof *r->products);
    for (size_t i = r->m->n_layers; i-- > 0;) {
        node *k = &r->nodes[i];
        const layer *l = k->layer;
        if (!l->backprop) {
            continue;
        }
        k->io.accumulate = accumulate ? k->accumulate_all : k->accumulate_first;
        const int code =
            instance_code(l->instance, l->ops->backward(&l->instance->ctx, l->hyper, &k->io));
        if (code != ASSAY_OK) {
            return instance_status(l->instance, code, "backward", err);
        }
        if (r->observer) {
            show_backward(r, k);
        }
        for (size_t j = 0; j < l->n_in; j++) {
            if (k->dx_beside[j]) {
                const size_t n = k->io.time * k->io.batch * assay_shape_size(&k->in_shape[j]);
                vec_add(r->nodes[l->from[j]].dy, k->dx[j], n);
            }
        }
    }
    return OK;
}

const float *replica_output(const replica *r)
{
    return r->nodes[r->m->n_layers - 1].y;
}

float *replica_output_gradient(replica *r)
{
    return r->nodes[r->m->n_layers - 1].dy;
}

size_t replica_output_rows(const replica *r)
{
    return r->rows_out;
}

void replica_defer(replica *r, size_t max_k, size_t max_cols)
{
    r->defer_k = max_k;
    r->defer_cols = max_cols;
}

const product *replica_deferred(const replica *r, size_t i_tensor)
{
    return r->products[i_tensor].k ? &r->products[i_tensor] : NULL;
}

void replica_finish(replica *r)
{
    for (size_t i = 0; i < r->m->n_tensors; i++) {
        const tensor *t = &r->m->tensors[i];
        product *p = &r->products[i];
        const gemm g = { .trans_a = true,
            .m = t->info.rows,
            .n = t->info.cols,
            .k = p->k,
            .alpha = 1,
            .a = p->a,
            .lda = p->lda,
            .b = p->b,
            .ldb = p->ldb,
            .c = r->g + t->offset,
            .ldc = t->info.cols };
        if (p->k) {
            gemm_run(&g);
        }
        p->k = 0;
    }
}

static double largest(const float *x, size_t rows, size_t cols, size_t stride)
{
    double most = 0;
    for (size_t i = 0; i < rows; i++) {
        const double v = vec_max_abs(x + i * stride, cols);
        if (!(v <= most)) { /* NaN stays */
            most = v;
        }
    }
    return most;
}

double replica_gradient_bound(const replica *r)
{
    double bound = 0;
    for (size_t i = 0; i < r->m->n_tensors && isfinite(bound); i++) {
        const tensor *t = &r->m->tensors[i];
        const product *p = &r->products[i];
        if (!t->trainable) {
            continue;
        }
        const double most = p->k ? (double)p->k * largest(p->a, p->k, t->info.rows, p->lda) *
                largest(p->b, p->k, t->info.cols, p->ldb)
                                 : vec_max_abs(r->g + t->offset, t->info.size);
        if (!(most <= bound)) {
            bound = most;
        }
    }
    return isfinite(bound) ? bound : INFINITY;
}

float *replica_gradient(replica *r)
{
    return r->g;
}

const float *replica_layer_output(const replica *r, size_t i, size_t *out_n)
{
    const node *k = &r->nodes[i];
    *out_n = k->io.time_out * k->io.batch * out_size(k->layer);
    return k->y;
}

size_t replica_bytes(const model *m, size_t max_batch, size_t max_time, bool training)
{
    size_t floats = training ? m->n_flat : 0, bytes = 0;
    for (size_t i = 0; i < m->n_layers; i++) {
        const layer *l = &m->layers[i];
        const size_t rows_in = max_batch * (l->one_step ? 1 : max_time);
        const size_t rows_out = max_batch * (l->out_one_step ? 1 : max_time);
        floats += rows_out * out_size(l) * (training && l->backprop ? 2 : 1);
        for (size_t k = 0; k < l->n_in && training; k++) {
            floats += is_beside(m, i, k) ? rows_in * assay_shape_size(&l->in[k].shape) : 0;
        }
        for (size_t k = 0; k < l->n_saved; k++) {
            floats += rows_in * l->saved_per_row[k] + l->saved_fixed[k];
        }
        for (size_t k = 0; k < l->n_carry; k++) {
            floats += max_batch * l->carry[k];
        }
        for (size_t k = 0; k < l->n_scratch; k++) {
            bytes += rows_in * l->scratch_per_row[k] + l->scratch_fixed[k];
        }
    }
    return floats * sizeof(float) + bytes;
}
