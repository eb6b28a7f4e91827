/* y: integers are classes and floats are real targets, unless `task` says otherwise. */
#include "source.h"

#include <float.h>
#include <math.h>

static uint64_t n_columns(const struct array *y)
{
    return y->n_dims == 2 ? y->dim[1] : 1;
}

static int check(const struct source *s, size_t set)
{
    const struct array *x = &s->x[set], *y = &s->y[set], *first = &s->y[MAIN];
    if (y->n_dims < 1 || y->n_dims > 2) {
        return array_fail(y, ASSAY_E_SHAPE,
            "%llu dimensions where targets, [samples] or [samples, targets], have one or two",
            (unsigned long long)y->n_dims);
    }
    if (y->dim[0] != x->dim[0]) {
        return array_fail(y, ASSAY_E_SHAPE, "%llu targets for %llu samples of %s",
            (unsigned long long)y->dim[0], (unsigned long long)x->dim[0], x->name);
    }
    if (n_columns(y) != n_columns(first)) {
        return array_fail(y, ASSAY_E_SHAPE, "%llu targets a sample, and %s has %llu",
            (unsigned long long)n_columns(y), first->name, (unsigned long long)n_columns(first));
    }
    return ASSAY_OK;
}

static int check_classes(const struct array *y)
{
    if (dtype_is_float(y->dtype)) {
        return array_fail(y, ASSAY_E_UNSUPPORTED,
            "classes are integers, and these are %s: save y.astype('int64')", dtype_name(y->dtype));
    }
    if (n_columns(y) != 1) {
        return array_fail(y, ASSAY_E_SHAPE,
            "a class is one integer a sample, and these are %llu: save y.argmax(1), or set task to "
            "\"real\" or \"binary\"",
            (unsigned long long)n_columns(y));
    }
    return ASSAY_OK;
}

/* Where `is_fixed` is false, *classes grows to hold them. */
static int read_classes(const struct array *y, bool is_fixed, int64_t *classes, int32_t *to)
{
    const int code = check_classes(y);
    if (code != ASSAY_OK) return code;
    for (uint64_t i = 0; i < y->size; i++) {
        const int64_t v = array_int(y, i), most = is_fixed ? *classes - 1 : INT32_MAX - 1;
        if (v < 0 || v > most) {
            return array_fail(y, ASSAY_E_DATA, "class %lld of sample %llu is outside 0 to %lld",
                (long long)v, (unsigned long long)i, (long long)most);
        }
        if (v >= *classes) *classes = v + 1;
        to[i] = (int32_t)v;
    }
    return ASSAY_OK;
}

static int make_classes(struct source *s, assay_data *out)
{
    int32_t *label = s->ctx->host->alloc(s->ctx, s->n_samples * sizeof(int32_t));
    int64_t classes = s->hyper->classes;
    if (label == NULL) return array_nomem(s->ctx);
    out->label = label;
    for (size_t i = 0; i < N_SETS; i++) {
        if (s->y[i].path == NULL) continue;
        const int code = read_classes(&s->y[i], i != MAIN || classes > 0, &classes, label);
        if (code != ASSAY_OK) return code;
        label += s->y[i].size;
    }
    out->target = ASSAY_TARGET_CLASS;
    out->n_classes = (uint64_t)classes;
    out->n_targets = 1;
    return ASSAY_OK;
}

static int read_numbers(const struct array *y, bool is_binary, float *to)
{
    for (uint64_t i = 0; i < y->size; i++) {
        const double v = array_real(y, i);
        if (is_binary ? v != 0 && v != 1 : !(fabs(v) <= (double)FLT_MAX)) {
            return array_fail(y, ASSAY_E_DATA, "target %llu of sample %llu is %g%s",
                (unsigned long long)(i % n_columns(y)), (unsigned long long)(i / n_columns(y)), v,
                is_binary ? ": binary targets are 0 or 1" : "");
        }
        to[i] = (float)v;
    }
    return ASSAY_OK;
}

static int make_numbers(struct source *s, bool is_binary, assay_data *out)
{
    const uint64_t n = n_columns(&s->y[MAIN]);
    float *targets = s->ctx->host->alloc(s->ctx, s->n_samples * n * sizeof(float));
    if (targets == NULL) return array_nomem(s->ctx);
    out->targets = targets;
    for (size_t i = 0; i < N_SETS; i++) {
        if (s->y[i].path == NULL) continue;
        const int code = read_numbers(&s->y[i], is_binary, targets);
        if (code != ASSAY_OK) return code;
        targets += s->y[i].size;
    }
    out->target = is_binary ? ASSAY_TARGET_BINARY : ASSAY_TARGET_REAL;
    out->n_targets = n;
    return ASSAY_OK;
}

int targets_make(struct source *s, assay_data *out)
{
    if (s->y[MAIN].path == NULL) {
        out->target = ASSAY_TARGET_NONE;
        return ASSAY_OK;
    }
    for (size_t i = 0; i < N_SETS; i++) {
        const int code = s->y[i].path != NULL ? check(s, i) : ASSAY_OK;
        if (code != ASSAY_OK) return code;
    }
    int64_t task = s->hyper->task;
    if (task == TASK_AUTO) task = dtype_is_float(s->y[MAIN].dtype) ? TASK_REAL : TASK_CLASS;
    return task == TASK_CLASS ? make_classes(s, out) : make_numbers(s, task == TASK_BINARY, out);
}
