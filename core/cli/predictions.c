/* Predictions as a table.
 *
 * Classes: row, label, predicted, then a column per class, probabilities where the loss is softmax_xent, else outputs as they
 * are. Binary targets: target, predicted and probability each (logits under bce_logits). Reals: target and prediction each. */
#include "cli/predictions.h"

#include "base/file.h"
#include "cli/npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

status predictions_init(
    predictions *p, const dataset *d, part of, size_t n_outputs, const char *loss, error *err)
{
    size_t n_floats;
    *p = (predictions){ .data = d, .loss = loss, .n_outputs = n_outputs };
    p->capacity = dataset_size(d, of);
    if (!size_product(p->capacity, n_outputs, &n_floats)) {
        return fail_nomem(err, "the predictions");
    }
    p->row = calloc(p->capacity + 1, sizeof *p->row);
    p->y = calloc(n_floats + 1, sizeof *p->y);
    return p->row && p->y ? OK : fail_nomem(err, "the predictions");
}

void predictions_release(predictions *p)
{
    free(p->row);
    free(p->y);
}

status predictions_take(void *self, const uint32_t *rows, size_t n, const float *y, error *err)
{
    predictions *p = self;
    if (n > p->capacity - p->n) {
        return fail(err, E_INTERNAL, "more predictions than rows");
    }
    memcpy(p->row + p->n, rows, n * sizeof *rows);
    memcpy(p->y + p->n * p->n_outputs, y, n * p->n_outputs * sizeof *y);
    p->n += n;
    return OK;
}

/* A field as RFC 4180 has it. */
static void add_field(text *t, const char *s)
{
    if (!s[strcspn(s, ",\"\r\n")]) {
        text_add(t, s);
        return;
    }
    text_add(t, "\"");
    for (; *s; s++) {
        text_add(t, *s == '"' ? "\"" : "");
        text_add_bytes(t, s, 1);
    }
    text_add(t, "\"");
}

static void add_number(text *t, double v)
{
    text_printf(t, ",%.9g", v);
}

static void add_named(text *t, const char *before, const char *const *names, size_t i)
{
    char number[32];
    text name = { 0 };
    snprintf(number, sizeof number, "%zu", i);
    text_printf(&name, "%s%s", before, names ? names[i] : number);
    text_add(t, ",");
    add_field(t, name.s ? name.s : "");
    text_release(&name);
}

/* -- classes -- */

static void softmax(const float *y, size_t n, double *out)
{
    double largest = y[0], sum = 0;
    for (size_t k = 1; k < n; k++) {
        largest = y[k] > largest ? y[k] : largest;
    }
    for (size_t k = 0; k < n; k++) {
        sum += out[k] = exp(y[k] - largest);
    }
    for (size_t k = 0; k < n; k++) {
        out[k] /= sum;
    }
}

static void class_head(const predictions *p, text *t)
{
    const bool probable = strcmp(p->loss, "softmax_xent") == 0;
    const assay_data *d = dataset_view(p->data);
    text_add(t, ",label,predicted");
    for (size_t k = 0; k < p->n_outputs; k++) {
        add_named(
            t, probable ? "p_" : "y_", p->n_outputs == d->n_classes ? d->class_names : NULL, k);
    }
}

static void add_class(text *t, const assay_data *d, size_t k)
{
    text_add(t, ",");
    if (d->class_names && k < d->n_classes) {
        add_field(t, d->class_names[k]);
    } else {
        text_printf(t, "%zu", k);
    }
}

static void class_row(const predictions *p, size_t i, double *work, text *t)
{
    const assay_data *d = dataset_view(p->data);
    const float *y = p->y + i * p->n_outputs;
    const bool probable = strcmp(p->loss, "softmax_xent") == 0;
    size_t best = 0;
    for (size_t k = 0; k < p->n_outputs; k++) {
        work[k] = y[k];
        best = y[k] > y[best] ? k : best;
    }
    if (probable) softmax(y, p->n_outputs, work);
    if (p->unlabelled) {
        text_add(t, ",");
    } else {
        add_class(t, d, (size_t)d->label[p->row[i]]);
    }
    add_class(t, d, best);
    for (size_t k = 0; k < p->n_outputs; k++) {
        add_number(t, work[k]);
    }
}

/* -- numbers -- */

static void number_head(const predictions *p, text *t)
{
    const assay_data *d = dataset_view(p->data);
    const bool binary = d->target == ASSAY_TARGET_BINARY;
    for (size_t k = 0; k < p->n_outputs; k++) {
        if (k < d->n_targets) add_named(t, "target_", d->target_names, k);
        if (binary) add_named(t, "predicted_", d->target_names, k);
        add_named(t, binary ? "p_" : "prediction_", k < d->n_targets ? d->target_names : NULL, k);
    }
}

static void number_row(const predictions *p, size_t i, text *t)
{
    const assay_data *d = dataset_view(p->data);
    const bool binary = d->target == ASSAY_TARGET_BINARY;
    const bool logits = strcmp(p->loss, "bce_logits") == 0;
    for (size_t k = 0; k < p->n_outputs; k++) {
        const double y = p->y[i * p->n_outputs + k];
        const double shown = binary && logits ? 1 / (1 + exp(-y)) : y;
        if (k < d->n_targets && p->unlabelled) {
            text_add(t, ",");
        } else if (k < d->n_targets) {
            add_number(t, d->targets[p->row[i] * d->n_targets + k]);
        }
        if (binary) text_printf(t, ",%d", shown > 0.5);
        add_number(t, shown);
    }
}

static status write_csv(const predictions *p, const char *path, error *err)
{
    status st = OK;
    text t = { 0 };
    const bool classes = dataset_view(p->data)->target == ASSAY_TARGET_CLASS;
    double *work = calloc(p->n_outputs + 1, sizeof *work);
    if (!work) {
        return fail_nomem(err, "the predictions");
    }
    text_add(&t, "row");
    if (classes) {
        class_head(p, &t);
    } else {
        number_head(p, &t);
    }
    text_add(&t, "\n");
    for (size_t i = 0; i < p->n; i++) {
        text_printf(&t, "%zu", p->row[i] - p->first_row);
        if (classes) {
            class_row(p, i, work, &t);
        } else {
            number_row(p, i, &t);
        }
        text_add(&t, "\n");
    }
    TRY(text_check(&t, err));
    TRY(file_write_atomic(path, t.s, t.n, err));
done:
    text_release(&t);
    free(work);
    return st;
}

status predictions_write(const predictions *p, const char *path, error *err)
{
    const size_t n = strlen(path);
    if (n > 4 && strcmp(path + n - 4, ".npy") == 0) {
        return npy_write(path, p->y, p->n, p->n_outputs, err);
    }
    return write_csv(p, path, err);
}
