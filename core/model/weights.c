/* Weight files: safetensors under PyTorch's names, so that torch.load_state_dict reads what we write and the other way.
 *
 * A parameter whose layout is TRANSPOSED is stored [out, in]; the copy is turned on the way. Loading insists on the whole
 * set: a file that lacks a tensor or has one too many is for another model, and the message lists all of them. */
#include "model/weights.h"

#include <stdio.h>
#include <string.h>

static void transpose(const float *from, size_t rows, size_t cols, float *to)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++) {
            to[j * rows + i] = from[i * cols + j];
        }
    }
}

static status tensor_array(const tensor *t, const float *w, arena *a, array *out, error *err)
{
    *out = (array){ .name = t->export_name,
        .dtype = ARRAY_F32,
        .dtype_name = "F32",
        .n_dims = t->info.shape.n_dims,
        .n = t->info.size,
        .bytes = t->info.size * sizeof(float),
        .data = w + t->offset };
    for (size_t i = 0; i < out->n_dims; i++) {
        out->dim[i] = t->info.shape.dim[i];
    }
    if (t->layout != ASSAY_LAYOUT_TRANSPOSED || t->info.shape.n_dims != 2) {
        return OK;
    }
    float *turned = arena_alloc_array(a, t->info.size, sizeof *turned);
    if (!turned) {
        return fail_nomem(err, "a weight file");
    }
    transpose(w + t->offset, t->info.rows, t->info.cols, turned);
    out->dim[0] = t->info.cols;
    out->dim[1] = t->info.rows;
    out->data = turned;
    return OK;
}

status weights_save(const model *m, const float *w, const char *path, const array_note *notes,
    size_t n_notes, error *err)
{
    status st = OK;
    arena a = { 0 };
    const size_t n = m->n_tensors + m->n_buffers;
    array *arrays = arena_alloc_array(&a, n, sizeof *arrays);
    if (!arrays) {
        TRY(fail_nomem(err, "a weight file"));
    }
    for (size_t i = 0; i < m->n_tensors; i++) {
        TRY(tensor_array(&m->tensors[i], w ? w : m->w, &a, &arrays[i], err));
    }
    for (size_t i = 0; i < m->n_buffers; i++) {
        const buffer *b = &m->buffers[i];
        arrays[m->n_tensors + i] = (array){ .name = b->export_name,
            .dtype = ARRAY_F32,
            .dtype_name = "F32",
            .n_dims = 1,
            .dim = { b->n },
            .n = b->n,
            .bytes = b->n * sizeof(float),
            .data = m->b + b->offset };
    }
    TRY(safetensors_write(path, arrays, n, notes, n_notes, err));
done:
    arena_release(&a);
    return st;
}

/* Whether the file's shape is that of the tensor, as stored or as PyTorch stores it. */
static bool shape_fits(const array *a, const assay_shape *shape, bool turned)
{
    if (a->n_dims != shape->n_dims) {
        return false;
    }
    for (size_t i = 0; i < a->n_dims; i++) {
        if (a->dim[i] != shape->dim[turned ? a->n_dims - 1 - i : i]) {
            return false;
        }
    }
    return true;
}

static void add_dims(text *t, const size_t *dim, size_t n)
{
    text_add(t, "[");
    for (size_t i = 0; i < n; i++) {
        text_printf(t, "%s%zu", i ? ", " : "", dim[i]);
    }
    text_add(t, "]");
}

/* Copies a file's array into to[n], element [i, j] to [j, i] where turned. */
static void copy_array(const array *a, bool turned, float *to)
{
    const float *f32 = a->data;
    const double *f64 = a->data;
    const size_t rows = turned ? a->dim[0] : 1, cols = turned ? a->dim[1] : a->n;
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++) {
            const size_t from = i * cols + j;
            to[turned ? j * rows + i : from] = a->dtype == ARRAY_F32 ? f32[from] : (float)f64[from];
        }
    }
}

/* One array of the file against what the model wants under that name; adds to `wrong` when it does not fit. */
static bool fits(const safetensors *file, const char *name, const assay_shape *shape, bool turned,
    text *wrong, const array **out)
{
    const array *a = safetensors_find(file, name);
    *out = a;
    if (!a) {
        text_printf(wrong, "%s%s is missing", wrong->n ? "; " : "", name);
        return false;
    }
    if (a->dtype != ARRAY_F32 && a->dtype != ARRAY_F64) {
        text_printf(wrong, "%s%s has type %s, expected F32 or F64", wrong->n ? "; " : "", name,
            a->dtype_name);
        return false;
    }
    if (!shape_fits(a, shape, turned)) {
        size_t dim[ASSAY_MAX_DIMS] = { 0 };
        for (size_t i = 0; i < shape->n_dims; i++) {
            dim[i] = shape->dim[turned ? shape->n_dims - 1 - i : i];
        }
        text_printf(wrong, "%s%s has shape ", wrong->n ? "; " : "", name);
        add_dims(wrong, a->dim, a->n_dims);
        text_add(wrong, ", expected ");
        add_dims(wrong, dim, shape->n_dims);
        return false;
    }
    return true;
}

static bool is_turned(const tensor *t)
{
    return t->layout == ASSAY_LAYOUT_TRANSPOSED && t->info.shape.n_dims == 2;
}

static bool is_wanted(const model *m, const char *name)
{
    for (size_t i = 0; i < m->n_tensors; i++) {
        if (strcmp(m->tensors[i].export_name, name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < m->n_buffers; i++) {
        if (strcmp(m->buffers[i].export_name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* PyTorch's BatchNorm counts its batches for a momentum that we do not have; the count says nothing about the weights. */
static bool is_bookkeeping(const char *name)
{
    static const char ending[] = ".num_batches_tracked";
    const size_t n = strlen(name);
    return n > sizeof ending - 1 && strcmp(name + n - (sizeof ending - 1), ending) == 0;
}

static void list_extra(const model *m, const safetensors *file, text *wrong)
{
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_at(file, i)->name;
        if (!is_wanted(m, name) && !is_bookkeeping(name)) {
            text_printf(wrong, "%s%s is not in the model", wrong->n ? "; " : "", name);
        }
    }
}

static void check_all(const model *m, const safetensors *file, text *wrong)
{
    const array *a;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor *t = &m->tensors[i];
        (void)fits(file, t->export_name, &t->info.shape, is_turned(t), wrong, &a);
    }
    for (size_t i = 0; i < m->n_buffers; i++) {
        const assay_shape shape = { 1, { m->buffers[i].n } };
        (void)fits(file, m->buffers[i].export_name, &shape, false, wrong, &a);
    }
    list_extra(m, file, wrong);
}

status weights_load(model *m, const char *path, error *err)
{
    status st = OK;
    safetensors *file = NULL;
    text wrong;
    text_init(&wrong);
    TRY(safetensors_open(path, &file, err));
    check_all(m, file, &wrong);
    TRY(text_check(&wrong, err));
    if (wrong.n) {
        TRY(fail(err, E_SHAPE, "%s: not the weights of this model: %s", path, wrong.s));
    }
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor *t = &m->tensors[i];
        copy_array(safetensors_find(file, t->export_name), is_turned(t), m->w + t->offset);
    }
    for (size_t i = 0; i < m->n_buffers; i++) {
        const buffer *b = &m->buffers[i];
        copy_array(safetensors_find(file, b->export_name), false, m->b + b->offset);
    }
done:
    text_release(&wrong);
    safetensors_close(file);
    return st;
}
