/* What optimizers report of themselves (host->metric): numbers by name, laid out once.
 *
 * A record has each name once. An inner optimizer's stand behind the hyperparameter that names it, as its block does in the config,
 * and where several groups report a number of one name each has the place of its block in the list. */
#include "train/optimizer_group.h"

#include <math.h>
#include <string.h>

static const assay_metric_row *metric_row(const assay_optimizer *ops, size_t i)
{
    const size_t stride = ops->metric_stride;
    return (const assay_metric_row *)(const void *)((const char *)ops->metrics + i * stride);
}

status group_plan_values(group *k, arena *a, error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < k->ops->n_metrics; i++) {
        n += metric_row(k->ops, i)->per_tensor ? k->n_tensors : 1;
    }
    k->values = arena_alloc_array(a, n, sizeof *k->values);
    k->first_value = arena_alloc_array(a, k->ops->n_metrics, sizeof *k->first_value);
    if (!k->values || !k->first_value) {
        return fail_nomem(err, "an optimizer's metrics");
    }
    for (size_t i = 0; i < k->ops->n_metrics; i++) {
        k->first_value[i] = k->n_values;
        for (size_t t = 0; t < (metric_row(k->ops, i)->per_tensor ? k->n_tensors : 1); t++) {
            k->values[k->n_values++] = (record_value){ .value = NAN };
        }
    }
    return OK;
}

void group_take_metric(void *self, instance *i, uint64_t i_metric, uint64_t i_tensor, double v)
{
    group *k = self;
    size_t at = k->first_value[i_metric];
    (void)i;
    if (metric_row(k->ops, i_metric)->per_tensor) {
        size_t t = 0;
        while (t < k->n_tensors && k->tensor[t] != i_tensor) {
            t++;
        }
        if (t == k->n_tensors) {
            return;
        }
        at += t;
    }
    k->values[at].value = v;
}

/* -- names -- */

/* The hyperparameter that a nested optimizer came from. */
static const char *name_of_nested(const group *k, const instance *inner)
{
    const hyper_table *t = &k->instance->component->hypers;
    for (size_t i = 0; i < t->n; i++) {
        const assay_hyper *row = hyper_row(t, i);
        const assay_instance *handle;
        if (row->type == ASSAY_TYPE_COMPONENT) {
            memcpy(&handle, (const char *)k->instance->hyper + row->offset, sizeof handle);
            if (handle && instance_of(handle) == inner) {
                return row->name;
            }
        }
    }
    return "inner";
}

/* How many numbers of the group have this path ("count", "inner.count") and are not a tensor's, whose name tells them apart. */
static size_t count_path(const group *k, const char *path)
{
    size_t n = 0;
    for (size_t i = 0; i < k->ops->n_metrics; i++) {
        const assay_metric_row *row = metric_row(k->ops, i);
        n += !row->per_tensor && strcmp(row->name, path) == 0;
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        const char *name = name_of_nested(k, k->nested[i].instance);
        const size_t length = strlen(name);
        if (strncmp(path, name, length) == 0 && path[length] == '.') {
            n += count_path(&k->nested[i], path + length + 1);
        }
    }
    return n;
}

static bool is_shared(const optimizer *o, const char *path)
{
    size_t n = 0;
    for (size_t i = 0; i < o->n_groups; i++) {
        n += count_path(&o->groups[i], path) > 0;
    }
    return n > 1;
}

/* "optimizer.d", "optimizer.1.d", "optimizer.trust.dense1.weight". */
static const char *value_name(optimizer *o, size_t i_group, const char *path, const char *of_tensor)
{
    if (of_tensor) {
        return arena_printf(&o->memory, "optimizer.%s.%s", path, of_tensor);
    }
    return is_shared(o, path) ? arena_printf(&o->memory, "optimizer.%zu.%s", i_group, path)
                              : arena_printf(&o->memory, "optimizer.%s", path);
}

/* `prefix`: "", "inner.". */
static status name_values(optimizer *o, size_t i_group, group *k, const char *prefix, error *err)
{
    for (size_t i = 0; i < k->ops->n_metrics; i++) {
        const assay_metric_row *row = metric_row(k->ops, i);
        const char *path = arena_printf(&o->memory, "%s%s", prefix, row->name);
        for (size_t t = 0; path && t < (row->per_tensor ? k->n_tensors : 1); t++) {
            record_value *v = &k->values[k->first_value[i] + t];
            v->name = value_name(o, i_group, path,
                row->per_tensor ? k->model->tensors[k->tensor[t]].info.name : NULL);
            if (!v->name) {
                return fail_nomem(err, "an optimizer's metrics");
            }
        }
        if (!path) {
            return fail_nomem(err, "an optimizer's metrics");
        }
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        const char *inner =
            arena_printf(&o->memory, "%s%s.", prefix, name_of_nested(k, k->nested[i].instance));
        const status st = inner ? name_values(o, i_group, &k->nested[i], inner, err)
                                : fail_nomem(err, "an optimizer's metrics");
        if (st != OK) {
            return st;
        }
    }
    return OK;
}

status optimizer_name_values(optimizer *o, error *err)
{
    status st = OK;
    for (size_t i = 0; i < o->n_groups && st == OK; i++) {
        st = name_values(o, i, &o->groups[i], "", err);
    }
    return st;
}

/* -- all of them -- */

static size_t group_values(const group *k, record_value *out)
{
    size_t n = k->n_values;
    for (size_t i = 0; out && i < n; i++) {
        out[i] = k->values[i];
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        n += group_values(&k->nested[i], out ? out + n : NULL);
    }
    return n;
}

size_t optimizer_n_values(const optimizer *o)
{
    size_t n = 0;
    for (size_t i = 0; i < o->n_groups; i++) {
        n += group_values(&o->groups[i], NULL);
    }
    return n;
}

void optimizer_values(const optimizer *o, record_value *out)
{
    for (size_t i = 0; i < o->n_groups; i++) {
        out += group_values(&o->groups[i], out);
    }
}
