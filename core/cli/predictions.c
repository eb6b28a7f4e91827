/* Predictions as a table.
 *
 * A line per row, or per step where each step has a target: then "step" follows "row".
 * Classes: row, label, predicted, then a column per class, probabilities where the loss is softmax_xent, else outputs as they
 * are. Binary targets: target, predicted and probability each (logits under bce_logits). Reals: target and prediction each. */
#include "cli/predictions.h"

#include "base/file.h"
#include "cli/npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an output belongs to. */
struct prediction {
    size_t row, step; /* of the dataset; 0 where a row has one target */
    size_t target; /* where its target stands in the data */
    size_t i; /* its outputs among predictions.y */
};

static bool is_by_step(const predictions *p)
{
    return dataset_view(p->data)->target_per_step != 0;
}

/* Target rows of a part. */
static size_t count_targets(const dataset *d, part of)
{
    const assay_data *v = dataset_view(d);
    size_t n = 0;
    if (!v->target_per_step || !v->n_steps) {
        return dataset_size(d, of);
    }
    for (size_t i = 0; i < dataset_size(d, of); i++) {
        n += v->n_steps[dataset_rows(d, of)[i]];
    }
    return n;
}

status predictions_init(
    predictions *p, const dataset *d, part of, size_t n_outputs, const char *loss, error *err)
{
    size_t n_floats;
    *p = (predictions){ .data = d, .loss = loss, .n_outputs = n_outputs };
    p->capacity = count_targets(d, of);
    if (!size_product(p->capacity, n_outputs, &n_floats)) {
        return fail_nomem(err, "the predictions");
    }
    p->of = calloc(p->capacity + 1, sizeof *p->of);
    p->y = calloc(n_floats + 1, sizeof *p->y);
    return p->of && p->y ? OK : fail_nomem(err, "the predictions");
}

void predictions_release(predictions *p)
{
    free(p->of);
    free(p->y);
}

static struct prediction identify(const predictions *p, const batch *b, size_t j, size_t t)
{
    const assay_data *v = dataset_view(p->data);
    if (dataset_is_stream(p->data)) {
        const size_t row = b->rows[j] + t; /* each step is a row */
        return (struct prediction){ .row = row, .target = row };
    }
    const size_t row = b->rows[j];
    const bool by_step = v->target_per_step && v->first_step;
    return (struct prediction){
        .row = row, .step = t, .target = by_step ? v->first_step[row] + t : row
    };
}

/* Target rows of sample or stream j of a batch; a stream that has come to its end has none. */
static size_t targets_in_batch(const batch *b, size_t j)
{
    const bool by_step = b->carries || b->target_time > 1;
    return by_step && b->length ? b->length[j] : b->target_time;
}

status predictions_take(void *self, const batch *b, const float *y, error *err)
{
    predictions *p = self;
    for (size_t j = 0; j < b->n; j++) {
        const size_t n = targets_in_batch(b, j);
        if (n > p->capacity - p->n) {
            return fail(err, E_INTERNAL, "more predictions than rows");
        }
        for (size_t t = 0; t < n; t++) {
            const float *from = y + batch_target_row(b, j, t) * p->n_outputs;
            memcpy(p->y + p->n * p->n_outputs, from, p->n_outputs * sizeof *y);
            p->of[p->n] = identify(p, b, j, t);
            p->of[p->n].i = p->n;
            p->n++;
        }
    }
    return OK;
}

static int by_place(const void *a, const void *b)
{
    const struct prediction *p = a, *q = b;
    if (p->row != q->row) return p->row < q->row ? -1 : 1;
    return p->step < q->step ? -1 : p->step > q->step;
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
    const float *y = p->y + p->of[i].i * p->n_outputs;
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
        add_class(t, d, (size_t)d->label[p->of[i].target]);
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
        const double y = p->y[p->of[i].i * p->n_outputs + k];
        const double shown = binary && logits ? 1 / (1 + exp(-y)) : y;
        if (k < d->n_targets && p->unlabelled) {
            text_add(t, ",");
        } else if (k < d->n_targets) {
            const size_t at = p->of[i].target * d->n_targets + k;
            add_number(t, d->targets ? (double)d->targets[at] : d->targets_u8[at]);
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
    text_add(&t, is_by_step(p) ? "row,step" : "row");
    if (classes) {
        class_head(p, &t);
    } else {
        number_head(p, &t);
    }
    text_add(&t, "\n");
    for (size_t i = 0; i < p->n; i++) {
        text_printf(&t, "%zu", p->of[i].row - p->first_row);
        if (is_by_step(p)) text_printf(&t, ",%zu", p->of[i].step);
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

static status write_npy(const predictions *p, const char *path, error *err)
{
    float *y = calloc(p->n * p->n_outputs + 1, sizeof *y);
    if (!y) {
        return fail_nomem(err, "the predictions");
    }
    for (size_t i = 0; i < p->n; i++) {
        memcpy(y + i * p->n_outputs, p->y + p->of[i].i * p->n_outputs, p->n_outputs * sizeof *y);
    }
    const status st = npy_write(path, y, p->n, p->n_outputs, err);
    free(y);
    return st;
}

status predictions_write(predictions *p, const char *path, error *err)
{
    const size_t n = strlen(path);
    qsort(p->of, p->n, sizeof *p->of, by_place);
    return n > 4 && strcmp(path + n - 4, ".npy") == 0 ? write_npy(p, path, err)
                                                      : write_csv(p, path, err);
}
