/* One replica's memory around a layer, and the checks at every call. */
#include "check/layer_rig.h"

#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bits of the NaN that stands where a call must write: no computation makes this one. */
static const uint32_t unwritten_bits = 0x7fc0a55au;

static void fill_unwritten(const guarded *g)
{
    for (size_t i = 0; i < g->bytes / 4; i++) {
        memcpy((char *)g->at + 4 * i, &unwritten_bits, 4);
    }
}

static bool is_unwritten(float v)
{
    return memcmp(&v, &unwritten_bits, sizeof v) == 0;
}

static size_t floats_of(const guarded *g)
{
    return g->bytes / sizeof(float);
}

size_t layer_pass_x_size(const layer_pass *p, size_t i)
{
    return p->io.time * p->io.batch * assay_shape_size(&p->rig->in_shape[i]);
}

size_t layer_pass_y_size(const layer_pass *p)
{
    return p->io.time_out * p->io.batch * assay_shape_size(&p->rig->plan.out);
}

size_t layer_pass_carry_size(const layer_pass *p, size_t i)
{
    return p->io.batch * p->rig->carry[i];
}

bool layer_pass_is_padding(const layer_pass *p, uint64_t step, uint64_t sample)
{
    return p->io.length && step >= p->io.length[sample];
}

/* -- grad_gemm -- */

static bool lies_in(const float *a, uint64_t rows, uint64_t ld, uint64_t width, const guarded *g)
{
    const char *begin = g->at, *first = (const char *)a;
    if (!begin || first < begin || rows == 0) return begin && first >= begin && rows == 0;
    const char *end = (const char *)(a + (rows - 1) * ld + width);
    return end <= begin + g->bytes;
}

static bool may_wait(
    const layer_pass *p, const float *a, uint64_t rows, uint64_t ld, uint64_t width)
{
    const layer_rig *r = p->rig;
    bool is_kept = lies_in(a, rows, ld, width, &p->dy) || lies_in(a, rows, ld, width, &p->y);
    for (size_t i = 0; i < r->plan.n_in; i++) {
        is_kept |= lies_in(a, rows, ld, width, &p->x[i]);
    }
    for (size_t i = 0; i < r->n_saved; i++) {
        is_kept |= lies_in(a, rows, ld, width, &p->saved[i].memory);
    }
    return is_kept;
}

/* out (+)= a^T b in double; NULL where memory is out. */
static void product_run(const layer_pass *p, size_t i, float *out, bool adds)
{
    const layer_product *m = &p->product[i];
    const assay_shape *shape = &p->rig->param[i].param.shape;
    const uint64_t rows = shape->dim[0], cols = shape->dim[1];
    for (uint64_t k = 0; k < rows * cols; k++) {
        const uint64_t row = k / cols, col = k % cols;
        double sum = 0;
        for (uint64_t t = 0; t < m->rows; t++) {
            sum += (double)m->a[t * m->lda + row] * (double)m->b[t * m->ldb + col];
        }
        float *d = out + (p->rig->transposed[i] ? col * rows + row : k);
        *d = (float)(sum + (adds ? (double)*d : 0));
    }
}

static int product_fault(layer_pass *p, const char *name, const char *what)
{
    if (p->fault.code == OK) {
        (void)!fail(&p->fault, E_PLUGIN, "backward calls grad_gemm for \"%s\" %s", name, what);
    }
    return ASSAY_E_INTERNAL;
}

static int grad_gemm(const assay_io *io, uint64_t i_param, uint64_t rows, const float *a,
    uint64_t lda, const float *b, uint64_t ldb)
{
    layer_pass *p = io->host_data;
    const layer_rig *r = p->rig;
    if (i_param >= r->n_params) {
        return product_fault(p, "?", "with a parameter's number that it has not declared");
    }
    const layer_array *w = &r->param[i_param];
    if (w->param.shape.n_dims != 2) {
        return product_fault(p, w->name,
            "whose shape is not [p, q]: only products of two "
            "matrices go there");
    }
    const uint64_t m = w->param.shape.dim[0], n = w->param.shape.dim[1];
    if (p->product[i_param].is_there) {
        return product_fault(p, w->name, "twice in one call, expected at most once");
    }
    if ((rows > 1 && (lda < m || ldb < n)) ||
        (!may_wait(p, a, rows, lda, m) || !may_wait(p, b, rows, ldb, n))) {
        return product_fault(p, w->name,
            "with an operand that does not lie whole in x, dy, y or saved memory: the host may "
            "make the product later, when scratch memory holds something else");
    }
    p->product[i_param] = (layer_product){ a, b, rows, lda, ldb, true };
    if (!p->dparam_view[i_param]) return ASSAY_OK;
    if (p->product_now[i_param]) product_run(p, i_param, p->product_now[i_param], false);
    return ASSAY_OK;
}

/* What has waited is made now, from what stands there at the end of the call. */
static status finish_products(layer_pass *p, error *err)
{
    for (size_t i = 0; i < p->rig->n_params; i++) {
        float *d = p->dparam_view[i], *then = p->product_now[i];
        const size_t n = p->rig->param[i].n;
        if (!p->product[i].is_there || !d) continue;
        if (!p->accumulate[i] && !p->is_unwatched && !is_unwritten(d[0])) {
            return fail(err, E_PLUGIN,
                "backward writes to the gradient of \"%s\" and calls grad_gemm for it, too: "
                "expected one of the two, since that may overwrite it",
                p->rig->param[i].name);
        }
        product_run(p, i, d, p->accumulate[i]);
        if (p->is_unwatched || p->accumulate[i]) continue;
        const size_t at = bits_differ(d, then, n);
        if (at < n) {
            return fail(err, E_PLUGIN,
                "backward changes an operand of grad_gemm for \"%s\" after the call (element %zu "
                "would be %g, then %g): the host may make the product later",
                p->rig->param[i].name, at, (double)then[at], (double)d[at]);
        }
    }
    return OK;
}

/* -- memory -- */

static status lay(guarded *g, uint64_t floats, guard_side side, error *err)
{
    return guarded_new(floats * sizeof(float), side, g, err);
}

/* A table of io, n entries of so many bytes, all zero. */
static status lay_table(
    layer_pass *p, const char *name, void *out, size_t n, size_t each, error *err)
{
    guarded *g = &p->table[p->n_tables];
    const status st = guarded_new(n * each, GUARD_AFTER, g, err);
    if (st != OK) return st;
    p->n_tables++;
    guarded_name(g, "the table io->%s of %zu", name, n);
    memcpy(out, &g->at, sizeof g->at);
    return OK;
}

/* Entries there are as many as were declared: to look beyond the last is a signal. */
static status lay_tables(layer_pass *p, error *err)
{
    const layer_rig *r = p->rig;
    const size_t n_in = r->plan.n_in, each = sizeof(void *);
    status st = OK;
    TRY(lay_table(p, "x", &p->x_view, n_in, each, err));
    TRY(lay_table(p, "dx", &p->dx_view, n_in, each, err));
    TRY(lay_table(p, "saved", &p->saved_view, r->n_saved, each, err));
    TRY(lay_table(p, "scratch", &p->scratch_view, r->n_scratch, each, err));
    TRY(lay_table(p, "carry_in", &p->carry_in_view, r->n_carry, each, err));
    TRY(lay_table(p, "carry_out", &p->carry_out_view, r->n_carry, each, err));
    TRY(lay_table(p, "dcarry_out", &p->dcarry_out_view, r->n_carry, each, err));
    TRY(lay_table(p, "dcarry_in", &p->dcarry_in_view, r->n_carry, each, err));
    TRY(lay_table(p, "dparam", &p->dparam_view, r->n_params, each, err));
    TRY(lay_table(p, "accumulate", &p->accumulate, r->n_params, sizeof(uint32_t), err));
done:
    return st;
}

static status lay_inputs(layer_pass *p, guard_side side, error *err)
{
    const layer_rig *r = p->rig;
    status st = OK;
    for (size_t i = 0; i < r->plan.n_in; i++) {
        TRY(lay(&p->x[i], layer_pass_x_size(p, i), side, err));
        TRY(lay(&p->dx[i], layer_pass_x_size(p, i), side, err));
        p->x_view[i] = p->x[i].at;
        p->dx_view[i] = r->in[i].dtype == ASSAY_F32 ? p->dx[i].at : NULL;
        p->io.token_inputs |= r->in[i].dtype == ASSAY_I32;
    }
    TRY(lay(&p->y, layer_pass_y_size(p), side, err));
    TRY(lay(&p->dy, layer_pass_y_size(p), side, err));
    TRY(lay(&p->weight, p->io.time * p->io.batch, side, err));
    TRY(guarded_new(p->io.batch * sizeof(uint32_t), side, &p->length, err));
    p->io.y = p->y.at;
    p->io.dy = p->dy.at;
done:
    return st;
}

static status lay_own(layer_pass *p, guard_side side, error *err)
{
    const layer_rig *r = p->rig;
    const uint64_t rows = r->plan.max_time * r->plan.max_batch;
    status st = OK;
    for (size_t i = 0; i < r->n_saved; i++) {
        const uint64_t floats = rows * r->saved[i].per_row + r->saved[i].fixed;
        TRY(rounded_new(floats * sizeof(float), side, &p->saved[i], err));
        p->saved_view[i] = p->saved[i].memory.at;
    }
    for (size_t i = 0; i < r->n_scratch; i++) {
        TRY(rounded_new(
            rows * r->scratch[i].per_row + r->scratch[i].fixed, side, &p->scratch[i], err));
        p->scratch_view[i] = p->scratch[i].memory.at;
    }
    for (size_t i = 0; i < r->n_params; i++) {
        TRY(lay(&p->dparam[i], r->param[i].n, side, err));
        p->dparam_view[i] = p->dparam[i].at;
        p->product_now[i] = calloc(r->param[i].n, sizeof(float));
        if (!p->product_now[i]) TRY(fail_nomem(err, "a product to compare with"));
    }
    for (size_t i = 0; i < r->n_carry; i++) {
        const uint64_t n = layer_pass_carry_size(p, i);
        TRY(lay(&p->carry_in[i], n, side, err));
        TRY(lay(&p->carry_out[i], n, side, err));
        TRY(lay(&p->dcarry_out[i], n, side, err));
        TRY(lay(&p->dcarry_in[i], n, side, err));
        p->carry_out_view[i] = p->carry_out[i].at;
    }
done:
    return st;
}

static void name_each(const guarded *g, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        guarded_name(&g[i], "io->%s[%zu]", name, i);
}

static void name_rounded(const rounded *r, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        guarded_name(&r[i].memory, "io->%s[%zu]", name, i);
}

/* For the message after a crash. */
static void name_memory(const layer_pass *p)
{
    const layer_rig *r = p->rig;
    guarded_name(&p->y, "io->y");
    guarded_name(&p->dy, "io->dy");
    guarded_name(&p->weight, "io->weight");
    guarded_name(&p->length, "io->length");
    name_each(p->x, r->plan.n_in, "x");
    name_each(p->dx, r->plan.n_in, "dx");
    name_rounded(p->saved, r->n_saved, "saved");
    name_rounded(p->scratch, r->n_scratch, "scratch");
    name_each(p->carry_in, r->n_carry, "carry_in");
    name_each(p->carry_out, r->n_carry, "carry_out");
    name_each(p->dcarry_in, r->n_carry, "dcarry_in");
    name_each(p->dcarry_out, r->n_carry, "dcarry_out");
    for (size_t i = 0; i < r->n_params; i++)
        guarded_name(&p->dparam[i], "io->dparam[%zu] (%s)", i, r->param[i].name);
}

static void point(layer_pass *p)
{
    layer_rig *r = p->rig;
    assay_io *io = &p->io;
    io->struct_size = sizeof *io;
    io->host_data = p;
    io->training = 1;
    io->draw = 731;
    io->n_in = r->plan.n_in;
    io->in_shape = r->in_shape;
    io->x = p->x_view;
    io->dx = p->dx_view;
    io->out_shape = &r->plan.out;
    io->param = r->param_view;
    io->dparam = p->dparam_view;
    io->accumulate = p->accumulate;
    io->transposed = r->transposed;
    io->buffer = r->buffer_view;
    io->prepared = (const void *const *)r->prepared_view;
    io->saved = p->saved_view;
    io->carry_in = p->carry_in_view;
    io->carry_out = p->carry_out_view;
    io->dcarry_out = p->dcarry_out_view;
    io->dcarry_in = p->dcarry_in_view;
    io->scratch = p->scratch_view;
    io->grad_gemm = grad_gemm;
}

status layer_pass_new(layer_rig *r, uint64_t time, uint64_t batch, layer_pass **out, error *err)
{
    layer_pass *p = calloc(1, sizeof *p);
    if (!p) return fail_nomem(err, "a pass");
    p->rig = r;
    p->io.time = time;
    p->io.batch = p->io.batch_total = batch;
    p->io.time_out = r->plan.time_mode == ASSAY_TIME_ONE ? 1 : time;
    status st = OK;
    TRY(lay_tables(p, err));
    point(p);
    TRY(lay_inputs(p, r->options.side, err));
    TRY(lay_own(p, r->options.side, err));
    name_memory(p);
    layer_pass_fill(p, r->subject->seed);
    *out = p;
    p = NULL;
done:
    layer_pass_free(p);
    return st;
}

static void free_all(guarded *g, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        guarded_free(&g[i]);
    }
}

void layer_pass_free(layer_pass *p)
{
    if (!p) return;
    guarded *const many[] = { p->carry_in, p->carry_out, p->dcarry_out, p->dcarry_in, p->dparam };
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) {
        free_all(many[i], LAYER_RIG_MAX);
    }
    guarded *const few[] = { &p->y, &p->dy, &p->weight, &p->length };
    for (size_t i = 0; i < sizeof few / sizeof few[0]; i++) {
        guarded_free(few[i]);
    }
    free_all(p->table, LAYER_RIG_TABLES);
    free_all(p->x, LAYER_RIG_INPUTS);
    free_all(p->dx, LAYER_RIG_INPUTS);
    for (size_t i = 0; i < LAYER_RIG_MAX; i++) {
        rounded_free(&p->saved[i]);
        rounded_free(&p->scratch[i]);
        free(p->product_now[i]);
    }
    free(p);
}

/* -- content -- */

static void fill_tokens(const layer_pass *p, size_t i, uint64_t seed)
{
    const rng random = rng_make(seed, "check/tokens");
    int32_t *x = p->x[i].at;
    for (size_t k = 0; k < layer_pass_x_size(p, i); k++) {
        x[k] = (int32_t)rng_below(random, i, k, p->rig->in[i].vocabulary);
    }
}

/* Sets rows [time, batch, per_row] of 4-byte numbers to 0 where they are padding. */
static void clear_padding(const layer_pass *p, void *x, uint64_t time, size_t per_row)
{
    for (uint64_t t = 0; t < time && p->io.length; t++) {
        for (uint64_t b = 0; b < p->io.batch; b++) {
            if (!layer_pass_is_padding(p, t, b)) continue;
            memset((char *)x + 4 * (t * p->io.batch + b) * per_row, 0, 4 * per_row);
        }
    }
}

static bool has_steps_out(const layer_pass *p)
{
    return p->rig->plan.time_mode == ASSAY_TIME_SAME;
}

void layer_pass_fill(layer_pass *p, uint64_t seed)
{
    const layer_rig *r = p->rig;
    for (size_t i = 0; i < r->plan.n_in; i++) {
        if (r->in[i].dtype == ASSAY_I32) {
            fill_tokens(p, i, seed);
        } else {
            ugly_numbers(p->x[i].at, layer_pass_x_size(p, i), 0.2, 1.7, seed * 31 + i);
        }
        clear_padding(p, p->x[i].at, p->io.time, assay_shape_size(&r->in_shape[i]));
    }
    ugly_numbers(p->dy.at, layer_pass_y_size(p), 0.2, 1.7, seed * 31 + 20);
    if (has_steps_out(p)) {
        clear_padding(p, p->dy.at, p->io.time, assay_shape_size(&r->plan.out));
    }
    for (size_t i = 0; i < r->n_carry; i++) {
        const size_t n = layer_pass_carry_size(p, i);
        ugly_numbers(p->carry_in[i].at, n, 0.1, 0.8, seed * 31 + 40 + i);
        ugly_numbers(p->dcarry_out[i].at, n, 0.2, 1.7, seed * 31 + 80 + i);
    }
}

void layer_pass_lengths(layer_pass *p, const uint32_t *length)
{
    float *weight = p->weight.at;
    memcpy(p->length.at, length, p->io.batch * sizeof *length);
    p->io.length = p->length.at;
    p->io.weight = weight;
    for (uint64_t i = 0; i < p->io.time * p->io.batch; i++) {
        weight[i] = layer_pass_is_padding(p, i / p->io.batch, i % p->io.batch) ? 0 : 1;
    }
    for (size_t i = 0; i < p->rig->plan.n_in; i++) {
        clear_padding(p, p->x[i].at, p->io.time, assay_shape_size(&p->rig->in_shape[i]));
    }
    if (has_steps_out(p)) {
        clear_padding(p, p->dy.at, p->io.time, assay_shape_size(&p->rig->plan.out));
    }
}

void layer_pass_weigh(layer_pass *p, uint64_t seed)
{
    float *weight = p->weight.at, *dy = p->dy.at;
    const uint64_t rows = p->io.time * p->io.batch;
    const size_t per_row = assay_shape_size(&p->rig->plan.out);
    ugly_numbers(weight, rows, 0.3, 2.1, seed);
    p->io.weight = weight;
    for (uint64_t i = 0; i < rows; i++) {
        weight[i] = rows > 2 && i % p->io.batch == 1 ? 0 : fabsf(weight[i]);
    }
    for (uint64_t i = 0; i < rows && has_steps_out(p); i++) {
        if (weight[i] == 0) memset(dy + i * per_row, 0, per_row * sizeof *dy);
    }
}

void layer_pass_carry(layer_pass *p, bool use)
{
    for (size_t i = 0; i < p->rig->n_carry; i++) {
        p->carry_in_view[i] = use ? p->carry_in[i].at : NULL;
        p->dcarry_out_view[i] = use ? p->dcarry_out[i].at : NULL;
        p->dcarry_in_view[i] = use ? p->dcarry_in[i].at : NULL;
    }
}

/* Rows of 4-byte numbers. */
static void take_rows(const layer_pass *p, const layer_pass *whole, void *to, const void *from,
    uint64_t time, uint64_t first, uint64_t begin, size_t per_row)
{
    for (uint64_t t = 0; t < time; t++) {
        memcpy((char *)to + 4 * t * p->io.batch * per_row,
            (const char *)from + 4 * ((first + t) * whole->io.batch + begin) * per_row,
            4 * p->io.batch * per_row);
    }
}

void layer_pass_take(layer_pass *p, const layer_pass *whole, uint64_t first, uint64_t begin)
{
    const layer_rig *r = p->rig;
    for (size_t i = 0; i < r->plan.n_in; i++) {
        take_rows(p, whole, p->x[i].at, whole->x[i].at, p->io.time, first, begin,
            assay_shape_size(&r->in_shape[i]));
    }
    take_rows(p, whole, p->dy.at, whole->dy.at, p->io.time_out, has_steps_out(p) ? first : 0, begin,
        assay_shape_size(&r->plan.out));
    for (size_t i = 0; i < r->n_carry; i++) {
        take_rows(p, whole, p->carry_in[i].at, whole->carry_in[i].at, 1, 0, begin, r->carry[i]);
        take_rows(p, whole, p->dcarry_out[i].at, whole->dcarry_out[i].at, 1, 0, begin, r->carry[i]);
    }
    p->io.draw = whole->io.draw;
}

const char *layer_pass_title(const layer_pass *p, char *out, size_t n)
{
    char rig[256];
    bool carries = false;
    for (size_t i = 0; i < p->rig->n_carry; i++) {
        carries |= p->carry_in_view[i] != NULL;
    }
    snprintf(out, n, "%s, time %llu, batch %llu%s%s%s", layer_rig_title(p->rig, rig, sizeof rig),
        (unsigned long long)p->io.time, (unsigned long long)p->io.batch,
        p->io.length       ? ", with padding"
            : p->io.weight ? ", with weights"
                           : "",
        carries ? ", with carried states" : "", p->io.training ? "" : ", evaluation");
    return out;
}

/* -- calls -- */

enum { MOST_WATCHED = 8 * LAYER_RIG_MAX };

/* Arrays that a call may only read. */
typedef struct watch {
    struct {
        char name[48];
        snapshot was;
    } array[MOST_WATCHED];
    size_t n;
    float_mode mode;
    assay_ctx ctx;
    size_t n_allocs;
} watch;

static status watch_add(
    watch *w, const void *at, size_t bytes, const char *name, size_t i, const char *own, error *err)
{
    if (!at || bytes == 0 || w->n == MOST_WATCHED) return OK;
    snprintf(w->array[w->n].name, sizeof w->array[0].name, own ? "%s \"%s\"" : "%s[%s%zu]", name,
        own ? own : "", i);
    const status st = snapshot_take(at, bytes, &w->array[w->n].was, err);
    if (st == OK) w->n++;
    return st;
}

static status watch_guarded(watch *w, const guarded *g, const char *name, size_t i, error *err)
{
    return watch_add(w, g->at, g->bytes, name, i, NULL, err);
}

static status watch_both(watch *w, const layer_pass *p, error *err)
{
    const layer_rig *r = p->rig;
    status st = OK;
    for (size_t i = 0; i < r->plan.n_in; i++) {
        TRY(watch_guarded(w, &p->x[i], "x", i, err));
    }
    for (size_t i = 0; i < r->n_params; i++) {
        TRY(watch_add(
            w, r->param[i].v, r->param[i].memory.bytes, "parameter", i, r->param[i].name, err));
    }
    for (size_t i = 0; i < r->n_prepared; i++) {
        TRY(watch_guarded(w, &r->prepared[i].memory, "prepared", i, err));
    }
    for (size_t i = 0; i < r->n_carry; i++) {
        if (!p->carry_in_view[i]) continue;
        TRY(watch_guarded(w, &p->carry_in[i], "carry_in", i, err));
    }
    TRY(watch_guarded(w, &p->weight, "weight", 0, err));
    TRY(watch_guarded(w, &p->length, "length", 0, err));
    for (size_t i = 0; i < LAYER_RIG_ALLOCS && i < r->n_allocs; i++) {
        TRY(watch_add(w, r->given[i].at, r->given[i].bytes,
            "what plan got from host->alloc, piece ", i, NULL, err));
    }
done:
    return st;
}

static status watch_buffers(watch *w, const layer_pass *p, error *err)
{
    const layer_rig *r = p->rig;
    status st = OK;
    for (size_t i = 0; i < r->n_buffers; i++) {
        TRY(watch_add(
            w, r->buffer[i].v, r->buffer[i].memory.bytes, "buffer", i, r->buffer[i].name, err));
    }
done:
    return st;
}

static status watch_backward(watch *w, const layer_pass *p, error *err)
{
    status st = OK;
    TRY(watch_guarded(w, &p->y, "y", 0, err));
    TRY(watch_guarded(w, &p->dy, "dy", 0, err));
    for (size_t i = 0; i < p->rig->n_carry; i++) {
        if (p->dcarry_out_view[i]) TRY(watch_guarded(w, &p->dcarry_out[i], "dcarry_out", i, err));
    }
    TRY(watch_buffers(w, p, err));
done:
    return st;
}

static status watch_begin(watch *w, const layer_pass *p, bool is_backward, error *err)
{
    const layer_rig *r = p->rig;
    status st = OK;
    w->n = 0;
    w->n_allocs = r->n_allocs;
    w->ctx = r->specimen.instance->ctx;
    TRY(watch_both(w, p, err));
    if (is_backward) TRY(watch_backward(w, p, err));
    if (!is_backward && !(p->io.training && r->plan.couples_samples)) {
        TRY(watch_buffers(w, p, err));
    }
    w->mode = float_mode_get();
done:
    return st;
}

static status watch_compare(const watch *w, const char *op, error *err)
{
    for (size_t i = 0; i < w->n; i++) {
        size_t at = 0;
        if (snapshot_is_same(&w->array[i].was, &at)) continue;
        return fail(err, E_PLUGIN, "%s changes %s (byte %zu of %zu), which it may only read%s", op,
            w->array[i].name, at, w->array[i].was.bytes,
            strncmp(w->array[i].name, "buffer", 6) == 0
                ? ": buffers are written by a layer that couples samples, in forward, while "
                  "training"
                : "");
    }
    return OK;
}

static status watch_end(watch *w, const layer_pass *p, const char *op, error *err)
{
    const instance *i = p->rig->specimen.instance;
    const char *change = float_mode_change(&w->mode);
    float_mode_set(&w->mode);
    status st = OK;
    if (change) {
        return fail(err, E_PLUGIN, "%s changes %s, which a callback leaves alone", op, change);
    }
    TRY(watch_compare(w, op, err));
    if (memcmp(&w->ctx, &i->ctx, sizeof w->ctx) != 0) {
        return fail(err, E_PLUGIN, "%s changes ctx: what it keeps belongs into saved memory", op);
    }
    if (p->rig->n_allocs != w->n_allocs) {
        return fail(err, E_PLUGIN,
            "%s asks host->alloc for memory, which is never given back: declare it by "
            "plan->scratch or plan->saved, or use host->scratch",
            op);
    }
done:
    return st;
}

static void watch_release(watch *w)
{
    for (size_t i = 0; i < w->n; i++) {
        snapshot_free(&w->array[i].was);
    }
    w->n = 0;
}

/* Working memory holds anything before a call. */
static void spoil(const layer_pass *p)
{
    for (size_t i = 0; i < p->rig->n_scratch; i++) {
        memset(p->scratch[i].memory.at, 0xff, p->scratch[i].asked);
    }
}

/* Every number of it was written and is finite. */
static status check_written(const layer_pass *p, const char *op, const char *name, const char *own,
    const guarded *g, const assay_shape *shape, uint64_t batch, error *err)
{
    char place[64], title[320];
    const float *v = g->at;
    for (size_t i = 0; i < floats_of(g); i++) {
        if (isfinite(v[i])) continue;
        (void)layer_pass_title(p, title, sizeof title);
        layer_place(shape, batch, i, place, sizeof place);
        return is_unwritten(v[i])
            ? fail(err, E_PLUGIN, "%s does not write %s%s%s%s (%s): all of it must be overwritten",
                  op, name, own, own[0] ? " " : "", place, title)
            : fail(err, E_PLUGIN, "%s gives %g in %s%s%s%s, expected a finite number (%s)", op,
                  (double)v[i], name, own, own[0] ? " " : "", place, title);
    }
    return guarded_is_intact(g) ? OK
                                : fail(err, E_PLUGIN, "%s writes outside of %s%s", op, name, own);
}

static assay_shape line(uint64_t n)
{
    return (assay_shape){ 1, { n } };
}

static status check_forward(const layer_pass *p, error *err)
{
    const layer_rig *r = p->rig;
    status st = OK;
    TRY(check_written(p, "forward", "y", "", &p->y, &r->plan.out, p->io.batch, err));
    for (size_t i = 0; i < r->n_carry; i++) {
        const assay_shape shape = { 2, { p->io.batch, r->carry[i] } };
        TRY(check_written(
            p, "forward", "carry_out ", r->carry_name[i], &p->carry_out[i], &shape, 0, err));
    }
done:
    return st;
}

static status check_intact(const layer_pass *p, const char *op, error *err)
{
    const layer_rig *r = p->rig;
    for (size_t i = 0; i < r->n_saved; i++) {
        if (!rounded_is_intact(&p->saved[i])) {
            return fail(err, E_PLUGIN, "%s writes outside of saved[%zu], which is %zu floats", op,
                i, p->saved[i].asked / sizeof(float));
        }
    }
    for (size_t i = 0; i < r->n_scratch; i++) {
        if (!rounded_is_intact(&p->scratch[i])) {
            return fail(err, E_PLUGIN, "%s writes outside of scratch[%zu], which is %zu bytes", op,
                i, p->scratch[i].asked);
        }
    }
    return OK;
}

status layer_pass_forward(layer_pass *p, error *err)
{
    const layer_rig *r = p->rig;
    instance *i = r->specimen.instance;
    watch w;
    status st = OK;
    w.n = 0;
    fill_unwritten(&p->y);
    for (size_t k = 0; k < r->n_carry; k++) {
        fill_unwritten(&p->carry_out[k]);
    }
    if (!p->is_unwatched) {
        for (size_t k = 0; k < r->n_saved; k++) {
            fill_unwritten(&p->saved[k].memory);
            rounded_mark(&p->saved[k]);
        }
        spoil(p);
        TRY(watch_begin(&w, p, false, err));
    }
    const int code = instance_code(i, r->ops->forward(&i->ctx, i->hyper, &p->io));
    TRY(instance_status(i, code, "forward", err));
    if (p->is_unwatched) return OK;
    TRY(watch_end(&w, p, "forward", err));
    TRY(check_forward(p, err));
    TRY(check_intact(p, "forward", err));
done:
    watch_release(&w);
    return st;
}

static status check_backward(const layer_pass *p, error *err)
{
    const layer_rig *r = p->rig;
    status st = OK;
    for (size_t i = 0; i < r->plan.n_in; i++) {
        char own[32];
        snprintf(own, sizeof own, "[%zu]", i);
        if (!p->dx_view[i]) continue;
        TRY(check_written(p, "backward", "dx", own, &p->dx[i], &r->in_shape[i], p->io.batch, err));
    }
    for (size_t i = 0; i < r->n_params; i++) {
        const assay_shape shape = r->transposed[i] ? line(r->param[i].n) : r->param[i].param.shape;
        if (!p->dparam_view[i]) continue;
        TRY(check_written(p, "backward", "the gradient of parameter ", r->param[i].name,
            &p->dparam[i], &shape, 0, err));
    }
    for (size_t i = 0; i < r->n_carry; i++) {
        const assay_shape shape = { 2, { p->io.batch, r->carry[i] } };
        if (!p->dcarry_in_view[i]) continue;
        TRY(check_written(
            p, "backward", "dcarry_in ", r->carry_name[i], &p->dcarry_in[i], &shape, 0, err));
    }
done:
    return st;
}

static void begin_backward(layer_pass *p)
{
    const layer_rig *r = p->rig;
    p->fault = (error){ 0 };
    memset(p->product, 0, sizeof p->product);
    for (size_t i = 0; i < r->plan.n_in; i++) {
        fill_unwritten(&p->dx[i]);
    }
    for (size_t i = 0; i < r->n_params; i++) {
        if (!p->accumulate[i]) fill_unwritten(&p->dparam[i]);
    }
    for (size_t i = 0; i < r->n_carry; i++) {
        fill_unwritten(&p->dcarry_in[i]);
    }
    spoil(p);
}

/* Arrays whose entry in io is NULL are written by nobody. */
static status check_unwanted(const layer_pass *p, error *err)
{
    const layer_rig *r = p->rig;
    for (size_t i = 0; i < r->n_params; i++) {
        const float *d = p->dparam[i].at;
        if (p->dparam_view[i] || p->accumulate[i] || is_unwritten(d[0])) continue;
        return fail(err, E_PLUGIN, "backward writes a gradient of \"%s\" that io does not ask for",
            r->param[i].name);
    }
    return OK;
}

status layer_pass_backward(layer_pass *p, error *err)
{
    const layer_rig *r = p->rig;
    instance *i = r->specimen.instance;
    watch w;
    status st = OK;
    w.n = 0;
    begin_backward(p);
    TRY(watch_begin(&w, p, true, err));
    const int code = instance_code(i, r->ops->backward(&i->ctx, i->hyper, &p->io));
    if (p->fault.code != OK) {
        error ignored = { 0 };
        (void)!instance_status(i, code, "backward", &ignored);
        *err = p->fault;
        TRY(p->fault.code);
    }
    TRY(instance_status(i, code, "backward", err));
    TRY(watch_end(&w, p, "backward", err));
    TRY(finish_products(p, err));
    TRY(check_unwanted(p, err));
    TRY(check_backward(p, err));
    TRY(check_intact(p, "backward", err));
done:
    watch_release(&w);
    return st;
}
