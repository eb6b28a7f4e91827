/* Splits.
 *
 * A split is an assignment of every row to a part. Rows that the files mark keep their part. The others are put in an order
 * (file order, shuffled, or shuffled class by class) and cut. The test part is drawn first and from the seed alone, so it is
 * the same for every validation size and fold. Shares of classes are rounded by the running total, which keeps each class
 * within one row of its share and the sum exact. */
#include "data/split.h"

#include "data/steps.h"

#include "base/arena.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The rows to be assigned, in the order in which they are cut, and what is wanted of them. */
struct work {
    const assay_data *data;
    const split_options *o;
    uint32_t *row; /* [n] unmarked rows */
    size_t n;
    size_t n_test, n_validation;
    unsigned char *part; /* [n_samples] the result */
    size_t n_marked[N_PARTS];
};

void split_release(split *s)
{
    for (int p = 0; p < N_PARTS; p++)
        free(s->rows[p]);
    *s = (split){ { NULL }, { 0 } };
}

/* Splits marked rows from those to be assigned. */
static status take_marked(struct work *w, error *err)
{
    const assay_data *d = w->data;
    w->row = malloc(d->n_samples * sizeof(uint32_t));
    w->part = calloc(d->n_samples, 1);
    if (w->row == NULL || w->part == NULL) return fail_nomem(err, "a split");
    for (size_t i = 0; i < d->n_samples; i++) {
        const uint32_t mark = d->part != NULL ? d->part[i] : ASSAY_PART_ANY;
        if (mark == ASSAY_PART_ANY) {
            w->row[w->n++] = (uint32_t)i;
        } else {
            const part p = mark == ASSAY_PART_TEST ? PART_TEST
                : mark == ASSAY_PART_VALIDATION    ? PART_VALIDATION
                                                   : PART_TRAIN;
            w->part[i] = (unsigned char)p;
            w->n_marked[p]++;
        }
    }
    return OK;
}

static status size_of(
    const struct work *w, double wanted, part p, const origin *at, size_t *out, error *err)
{
    const char *name = part_name(p);
    if (wanted == 0) {
        *out = 0;
        return OK;
    }
    if (w->n_marked[p] > 0) {
        return fail_at(err, E_CONFLICT, at,
            "the data has a file of its own for the %s part: remove %s from split", name, name);
    }
    if (wanted >= 1 && wanted != floor(wanted)) {
        return fail_at(err, E_RANGE, at,
            "split.%s = %g: expected a fraction below 1 or a whole number of samples", name,
            wanted);
    }
    const double n = wanted < 1 ? floor(wanted * (double)w->n + 0.5) : wanted;
    if (n < 1) {
        return fail_at(err, E_RANGE, at, "split.%s = %g of %zu samples is less than one sample",
            name, wanted, w->n);
    }
    if (n >= (double)w->n + (double)w->n_marked[PART_TRAIN]) {
        return fail_at(err, E_RANGE, at, "split.%s = %g leaves none of %zu samples for training",
            name, wanted, w->n);
    }
    *out = (size_t)n;
    return OK;
}

static status check_folds(const struct work *w, error *err)
{
    const split_options *o = w->o;
    if (o->folds == 0) {
        if (o->fold == 0) return OK;
        return fail_at(err, E_CONFLICT, &o->fold_at, "split.fold without split.folds");
    }
    if (o->folds == 1) {
        return fail_at(err, E_RANGE, &o->folds_at, "split.folds = 1: expected at least 2");
    }
    if (o->fold >= o->folds) {
        return fail_at(err, E_RANGE, &o->fold_at,
            "split.fold = %llu: expected 0 to %llu, as there are %llu folds",
            (unsigned long long)o->fold, (unsigned long long)o->folds - 1,
            (unsigned long long)o->folds);
    }
    if (o->validation > 0) {
        return fail_at(err, E_CONFLICT, &o->validation_at,
            "split.validation and split.folds exclude each other: the fold is the validation part; "
            "remove split.validation");
    }
    if (w->n_marked[PART_VALIDATION] > 0) {
        return fail_at(err, E_CONFLICT, &o->folds_at,
            "the data has a file of its own for the validation part: remove folds from split");
    }
    if (w->n - w->n_test < o->folds) {
        return fail_at(err, E_RANGE, &o->folds_at,
            "split.folds = %llu, but there are only %zu samples", (unsigned long long)o->folds,
            w->n - w->n_test);
    }
    return OK;
}

static status check_method(const struct work *w, error *err)
{
    const split_options *o = w->o;
    if (o->method == SPLIT_STRATIFIED && w->data->target != ASSAY_TARGET_CLASS) {
        return fail_at(err, E_UNSUPPORTED, &o->method_at,
            "split.method = \"stratified\" needs classes, and the target is not classes");
    }
    if (o->method == SPLIT_STRATIFIED && has_step_targets(w->data)) {
        return fail_at(err, E_UNSUPPORTED, &o->method_at,
            "split.method = \"stratified\" needs one class for each sample, and here every step "
            "has one: use \"random\" or \"time\"");
    }
    if (o->method != SPLIT_RANDOM && w->data->group != NULL) {
        return fail_at(err, E_CONFLICT, &o->method_at,
            "groups stay together only under split.method = \"random\"");
    }
    return OK;
}

static status plan_sizes(struct work *w, error *err)
{
    status st = check_method(w, err);
    if (st != OK) return st;
    TRY(size_of(w, w->o->test, PART_TEST, &w->o->test_at, &w->n_test, err));
    TRY(check_folds(w, err));
    TRY(size_of(w, w->o->validation, PART_VALIDATION, &w->o->validation_at, &w->n_validation, err));
    const size_t n_taken = w->n_test + w->n_validation;
    if (n_taken > w->n || (n_taken > 0 && n_taken == w->n && w->n_marked[PART_TRAIN] == 0)) {
        return fail_at(err, E_RANGE, &w->o->at,
            "split: validation (%zu) and test (%zu) leave none of %zu samples for training",
            w->n_validation, w->n_test, w->n);
    }
done:
    return st;
}

static void assign(struct work *w, const uint32_t *row, size_t n, part p)
{
    for (size_t i = 0; i < n; i++)
        w->part[row[i]] = (unsigned char)p;
}

/* Random and time: the order is cut. Time keeps training, validation, test in file order. */
static void cut_order(struct work *w)
{
    const split_options *o = w->o;
    const bool is_time = o->method == SPLIT_TIME;
    if (!is_time) rng_shuffle(rng_make(o->seed, "split"), 0, w->row, w->n);
    const size_t n_rest = w->n - w->n_test;
    const uint32_t *test = is_time ? w->row + n_rest : w->row;
    const uint32_t *rest = is_time ? w->row : w->row + w->n_test;
    assign(w, test, w->n_test, PART_TEST);
    if (o->folds > 0) {
        const size_t begin = (size_t)(n_rest * o->fold / o->folds);
        const size_t end = (size_t)(n_rest * (o->fold + 1) / o->folds);
        assign(w, rest + begin, end - begin, PART_VALIDATION);
    } else {
        const size_t begin = is_time ? n_rest - w->n_validation : 0;
        assign(w, rest + begin, w->n_validation, PART_VALIDATION);
    }
}

/* Classes ---------------------------------------------------------------------------------------------------------- */

/* The rows class by class, each class shuffled; first[c] .. first[c + 1] are those of class c. */
static void order_by_class(struct work *w, uint32_t *row, size_t *first)
{
    const size_t n_classes = w->data->n_classes;
    for (size_t i = 0; i < w->n; i++)
        first[w->data->label[w->row[i]] + 1]++;
    for (size_t c = 0; c < n_classes; c++)
        first[c + 1] += first[c];
    for (size_t i = 0; i < w->n; i++) {
        const size_t c = (size_t)w->data->label[w->row[i]];
        row[first[c]++] = w->row[i];
    }
    for (size_t c = n_classes; c > 0; c--)
        first[c] = first[c - 1];
    first[0] = 0;
    const rng r = rng_make(w->o->seed, "split");
    for (size_t c = 0; c < n_classes; c++)
        rng_shuffle(r, c, row + first[c], first[c + 1] - first[c]);
}

static status check_class(const struct work *w, size_t c, size_t n, error *err)
{
    const size_t n_parts = w->o->folds > 0 ? w->o->folds + (w->n_test > 0)
                                           : 1 + (size_t)(w->n_test > 0) + (w->n_validation > 0);
    if (n >= n_parts || n == 0) return OK;
    const char *const *names = w->data->class_names;
    char number[32];
    snprintf(number, sizeof(number), "%zu", c);
    return fail_at(err, E_RANGE, &w->o->at,
        "class \"%s\" has %zu samples, too few for the %zu parts of a stratified split",
        names != NULL ? names[c] : number, n, n_parts);
}

/* How many of the first `done` of `of` things fall to a part that takes `total` of them. */
static size_t share_until(size_t total, size_t done, size_t of)
{
    return of > 0 ? (size_t)((uint64_t)total * done / of) : 0;
}

static void cut_classes(struct work *w, const uint32_t *row, const size_t *first)
{
    const split_options *o = w->o;
    const size_t n_rest = w->n - w->n_test;
    size_t rest_place = 0; /* among rows that are not test, class after class */
    for (size_t c = 0; c < w->data->n_classes; c++) {
        const size_t n_test =
            share_until(w->n_test, first[c + 1], w->n) - share_until(w->n_test, first[c], w->n);
        const uint32_t *rest = row + first[c] + n_test;
        const size_t n = first[c + 1] - first[c] - n_test;
        assign(w, row + first[c], n_test, PART_TEST);
        if (o->folds > 0) {
            for (size_t i = 0; i < n; i++) {
                if ((rest_place + i) % o->folds == o->fold) assign(w, rest + i, 1, PART_VALIDATION);
            }
        } else {
            const size_t n_validation = share_until(w->n_validation, rest_place + n, n_rest) -
                share_until(w->n_validation, rest_place, n_rest);
            assign(w, rest, n_validation, PART_VALIDATION);
        }
        rest_place += n;
    }
}

static status split_stratified(struct work *w, error *err)
{
    status st = OK;
    uint32_t *row = malloc((w->n + 1) * sizeof(uint32_t));
    size_t *first = calloc(w->data->n_classes + 2, sizeof(size_t));
    if (row == NULL || first == NULL) {
        st = fail_nomem(err, "a split");
        goto done;
    }
    order_by_class(w, row, first);
    for (size_t c = 0; c < w->data->n_classes; c++) {
        TRY(check_class(w, c, first[c + 1] - first[c], err));
    }
    cut_classes(w, row, first);
done:
    free(row);
    free(first);
    return st;
}

/* Groups ----------------------------------------------------------------------------------------------------------- */

struct group {
    uint32_t id, first; /* its rows are member[first .. first + n) */
    size_t n;
};

struct member {
    uint32_t group, row;
};

static int by_group(const void *a, const void *b)
{
    const struct member *p = a, *q = b;
    if (p->group != q->group) return p->group < q->group ? -1 : 1;
    return p->row < q->row ? -1 : p->row > q->row;
}

static void assign_group(struct work *w, const struct member *m, const struct group *g, part p)
{
    for (size_t i = 0; i < g->n; i++)
        w->part[m[g->first + i].row] = (unsigned char)p;
}

/* Whether a group brings a part closer to its size. */
static bool is_closer(size_t have, size_t add, size_t wanted)
{
    return have < wanted && 2 * (wanted - have) >= add;
}

static void deal_groups(struct work *w, const struct member *m, const struct group *group,
    const uint32_t *order, size_t n_groups, size_t *fold_size)
{
    size_t n_test = 0, n_validation = 0;
    for (size_t i = 0; i < n_groups; i++) {
        const struct group *g = &group[order[i]];
        if (is_closer(n_test, g->n, w->n_test)) {
            assign_group(w, m, g, PART_TEST);
            n_test += g->n;
        } else if (w->o->folds > 0) {
            size_t smallest = 0;
            for (size_t k = 1; k < w->o->folds; k++) {
                if (fold_size[k] < fold_size[smallest]) smallest = k;
            }
            fold_size[smallest] += g->n;
            if (smallest == w->o->fold) assign_group(w, m, g, PART_VALIDATION);
        } else if (is_closer(n_validation, g->n, w->n_validation)) {
            assign_group(w, m, g, PART_VALIDATION);
            n_validation += g->n;
        }
    }
}

static status split_groups(struct work *w, error *err)
{
    status st = OK;
    struct member *m = calloc(w->n + 1, sizeof(*m));
    struct group *group = calloc(w->n + 1, sizeof(*group));
    uint32_t *order = calloc(w->n + 1, sizeof(*order));
    size_t *fold_size = calloc(w->o->folds + 1, sizeof(*fold_size));
    if (m == NULL || group == NULL || order == NULL || fold_size == NULL) {
        st = fail_nomem(err, "a split");
        goto done;
    }
    for (size_t i = 0; i < w->n; i++) {
        m[i] = (struct member){ w->data->group[w->row[i]], w->row[i] };
    }
    qsort(m, w->n, sizeof(*m), by_group);
    uint32_t n_groups = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (i == 0 || m[i].group != m[i - 1].group) {
            order[n_groups] = n_groups;
            group[n_groups++] = (struct group){ m[i].group, (uint32_t)i, 0 };
        }
        group[n_groups - 1].n++;
    }
    rng_shuffle(rng_make(w->o->seed, "split"), 0, order, n_groups);
    deal_groups(w, m, group, order, n_groups, fold_size);
done:
    free(m);
    free(group);
    free(order);
    free(fold_size);
    return st;
}

/* ------------------------------------------------------------------------------------------------------------------ */

/* The assignment as ascending rows. */
static status collect(const struct work *w, split *out, error *err)
{
    split s = { { NULL }, { 0 } };
    for (size_t i = 0; i < w->data->n_samples; i++)
        s.n[w->part[i]]++;
    for (int p = 0; p < N_PARTS; p++) {
        s.rows[p] = malloc((s.n[p] + 1) * sizeof(uint32_t));
        if (s.rows[p] == NULL) {
            split_release(&s);
            return fail_nomem(err, "a split");
        }
        s.n[p] = 0;
    }
    for (size_t i = 0; i < w->data->n_samples; i++) {
        const unsigned char p = w->part[i];
        s.rows[p][s.n[p]++] = (uint32_t)i;
    }
    *out = s;
    return OK;
}

/* Groups may leave a part without rows, and marks may leave nothing to train on. */
static status check_parts(const struct work *w, const split *s, error *err)
{
    const bool wanted[N_PARTS] = { true, w->n_validation > 0 || w->o->folds > 0, w->n_test > 0 };
    for (int p = 0; p < N_PARTS; p++) {
        if (wanted[p] && s->n[p] == 0) {
            return fail_at(err, E_RANGE, &w->o->at, "split: the %s part has no samples%s",
                part_name((part)p),
                w->data->group != NULL ? ": there are too few groups, or they are too large" : "");
        }
    }
    return OK;
}

status split_make(const assay_data *d, const split_options *o, split *out, error *err)
{
    status st = OK;
    struct work w = { .data = d, .o = o };
    split s = { { NULL }, { 0 } };
    TRY(take_marked(&w, err));
    TRY(plan_sizes(&w, err));
    if (d->group != NULL) {
        TRY(split_groups(&w, err));
    } else if (o->method == SPLIT_STRATIFIED) {
        TRY(split_stratified(&w, err));
    } else {
        cut_order(&w);
    }
    TRY(collect(&w, &s, err));
    TRY(check_parts(&w, &s, err));
    *out = s;
    s = (split){ { NULL }, { 0 } };
done:
    free(w.row);
    free(w.part);
    split_release(&s);
    return st;
}
