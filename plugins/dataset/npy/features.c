/* x: one array is handed out where it lies, in the map of its file, if its elements are of a type that the host knows
 * (float32; bytes and truth values; int32 tokens). All else is converted, or put together from the arrays of the parts, in
 * memory of the instance. */
#include "source.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Whether the elements of `a` may stand beside those of x. */
static bool is_same_kind(const struct source *s, const struct array *a)
{
    const struct array *x = &s->x[MAIN];
    if (s->hyper->vocabulary > 0) return !dtype_is_float(a->dtype) && a->dtype != DTYPE_B1;
    return dtype_is_float(x->dtype) ? dtype_is_float(a->dtype) : a->dtype == x->dtype;
}

static int check_kind(const struct source *s, const struct array *a)
{
    const char *type = dtype_name(a->dtype);
    if (s->hyper->vocabulary > 0 && !is_same_kind(s, a)) {
        return array_fail(a, ASSAY_E_UNSUPPORTED, "tokens are integers, and these are %s", type);
    }
    if (s->hyper->vocabulary == 0 && (a->dtype == DTYPE_I4 || a->dtype == DTYPE_I8)) {
        return array_fail(a, ASSAY_E_UNSUPPORTED,
            "its features are integers (%s): give vocabulary if they are tokens, else save "
            "x.astype('float32')",
            type);
    }
    if (!is_same_kind(s, a)) {
        return array_fail(a, ASSAY_E_UNSUPPORTED, "its elements are %s, and those of %s are %s",
            type, s->x[MAIN].name, dtype_name(s->x[MAIN].dtype));
    }
    return ASSAY_OK;
}

static int check_shape(const struct source *s, const struct array *a)
{
    const struct array *x = &s->x[MAIN];
    if (a->n_dims < 2) {
        return array_fail(a, ASSAY_E_SHAPE,
            "%llu dimensions where features, [samples, ...], have two to five: save "
            "x.reshape(len(x), -1)",
            (unsigned long long)a->n_dims);
    }
    if (a->n_dims != x->n_dims ||
        memcmp(a->dim + 1, x->dim + 1, (a->n_dims - 1) * sizeof(uint64_t)) != 0) {
        return array_fail(
            a, ASSAY_E_SHAPE, "its samples are of another shape than those of %s", x->name);
    }
    return ASSAY_OK;
}

static uint64_t per_sample(const struct array *a)
{
    return a->size / a->dim[0];
}

static int check_tokens(const struct source *s, const struct array *a)
{
    const int64_t n = s->hyper->vocabulary;
    for (uint64_t i = 0; i < a->size; i++) {
        const int64_t v = array_int(a, i);
        if (v >= 0 && v < n) continue;
        return array_fail(a, ASSAY_E_DATA,
            "token %lld of sample %llu is outside the vocabulary of %lld", (long long)v,
            (unsigned long long)(i / per_sample(a)), (long long)n);
    }
    return ASSAY_OK;
}

static int check_truths(const struct array *a)
{
    for (uint64_t i = 0; i < a->size; i++) {
        if (a->data[i] > 1) {
            return array_fail(a, ASSAY_E_DATA, "the truth value of element %llu is %d",
                (unsigned long long)i, a->data[i]);
        }
    }
    return ASSAY_OK;
}

static int to_f32(const struct array *a, float *to)
{
    for (uint64_t i = 0; i < a->size; i++) {
        const double v = array_real(a, i);
        if (isfinite(v) && fabs(v) > (double)FLT_MAX) {
            return array_fail(a, ASSAY_E_DATA, "%g of sample %llu is too large for float32", v,
                (unsigned long long)(i / per_sample(a)));
        }
        to[i] = (float)v;
    }
    return ASSAY_OK;
}

static void to_i32(const struct array *a, int32_t *to)
{
    for (uint64_t i = 0; i < a->size; i++)
        to[i] = (int32_t)array_int(a, i);
}

/* Whether the one array can be handed out as it is. */
static bool is_view(const struct source *s, uint32_t dtype)
{
    const struct array *x = &s->x[MAIN];
    if (s->x[VALIDATION].path != NULL || s->x[TEST].path != NULL) return false;
    if (dtype == ASSAY_U8) return true;
    return is_little_endian() && dtype_bytes(x->dtype) == 4 && (uintptr_t)x->data % 4 == 0;
}

static int copy(struct source *s, assay_data *out)
{
    const size_t each = out->x_dtype == ASSAY_U8 ? 1 : 4;
    uint64_t size = 0;
    for (size_t i = 0; i < N_SETS; i++)
        size += s->x[i].size;
    unsigned char *to = s->ctx->host->alloc(s->ctx, size * each);
    if (to == NULL) return array_nomem(s->ctx);
    out->x = to;
    out->x_writable = 1;
    for (size_t i = 0; i < N_SETS; i++) {
        int code = ASSAY_OK;
        if (s->x[i].path == NULL) continue;
        if (out->x_dtype == ASSAY_U8) memcpy(to, s->x[i].data, s->x[i].size);
        if (out->x_dtype == ASSAY_I32) to_i32(&s->x[i], (int32_t *)(void *)to);
        if (out->x_dtype == ASSAY_F32) code = to_f32(&s->x[i], (float *)(void *)to);
        if (code != ASSAY_OK) return code;
        to += s->x[i].size * each;
        array_close(&s->x[i]);
    }
    return ASSAY_OK;
}

static int check(const struct source *s, const struct array *a)
{
    int code = check_shape(s, a);
    if (code == ASSAY_OK) code = check_kind(s, a);
    if (code == ASSAY_OK && s->hyper->vocabulary > 0) code = check_tokens(s, a);
    return code == ASSAY_OK && a->dtype == DTYPE_B1 ? check_truths(a) : code;
}

int features_make(struct source *s, assay_data *out)
{
    const struct array *x = &s->x[MAIN];
    for (size_t i = 0; i < N_SETS; i++) {
        const int code = s->x[i].path != NULL ? check(s, &s->x[i]) : ASSAY_OK;
        if (code != ASSAY_OK) return code;
        if (s->x[i].path != NULL) s->n_samples += s->x[i].dim[0];
    }
    out->n_samples = s->n_samples;
    out->x_shape.n_dims = x->n_dims - 1;
    memcpy(out->x_shape.dim, x->dim + 1, (x->n_dims - 1) * sizeof(uint64_t));
    out->x_dtype = s->hyper->vocabulary > 0 ? ASSAY_I32
        : dtype_is_float(x->dtype)          ? ASSAY_F32
                                            : ASSAY_U8;
    out->x_stride = per_sample(x) * (out->x_dtype == ASSAY_U8 ? 1 : 4);
    out->x_scale = x->dtype == DTYPE_U1 ? s->hyper->scale : 1;
    out->vocabulary = (uint64_t)s->hyper->vocabulary;
    if (!is_view(s, out->x_dtype)) return copy(s, out);
    out->x = x->data;
    out->x_writable = x->inflated != NULL;
    return ASSAY_OK;
}
