/* Special cases: what the component says of itself, put to the test. Both optimizers get the
 * same weights and gradients. */
#include "check/optimizer_tests.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_COMPARED = 20 };

static const assay_special_case *case_at(const assay_optimizer *o, size_t i)
{
    return (const void *)((const char *)o->special_cases + i * (size_t)o->special_case_stride);
}

static bool sets(const char *settings, const char *name)
{
    config *c = NULL;
    text t = { 0 };
    bool is_set = false;
    text_printf(&t, "x = { %s };", settings ? settings : "");
    if (config_parse("settings", t.s ? t.s : "", &c, NULL) == OK) {
        is_set = value_find(value_find(config_root(c), "x"), name) != NULL;
    }
    config_free(c);
    text_release(&t);
    return is_set;
}

/* Numbers that neither text sets and both have: the first round has the defaults, the later ones
 * other values in the range that both search, and the same on both sides. */
static void share_values(const assay_special_case *c, const component *own, const component *other,
    int round, text *to_own, text *to_other)
{
    for (size_t i = 0; i < own->hypers.n; i++) {
        const assay_hyper *row = hyper_row(&own->hypers, i);
        const assay_hyper *theirs = hyper_find(&other->hypers, row->name);
        if (!theirs || theirs->type != row->type || sets(c->when, row->name) ||
            sets(c->as, row->name) || (row->flags & ASSAY_REQUIRED)) {
            continue;
        }
        text t = { 0 };
        if (row->type == ASSAY_TYPE_REAL) {
            double v = row->def;
            const bool is_tuned = row->flags & ASSAY_TUNE;
            if (round == 1 && is_tuned && row->tune_min > 0) {
                v = sqrt(row->tune_min * row->tune_max);
            } else if (round == 1 && v != 0) {
                v *= 0.93;
            }
            v = hyper_in_range(row, v) && hyper_in_range(theirs, v) ? v : row->def;
            text_add_real(&t, v);
        } else if (row->type == ASSAY_TYPE_INT) {
            text_printf(&t, "%.0f", row->def);
        } else if (row->type == ASSAY_TYPE_BOOL) {
            text_add(&t, row->def != 0 ? "true" : "false");
        } else if (row->type == ASSAY_TYPE_ENUM && row->n_choices) {
            text_printf(&t, "\"%s\"", row->choices[(size_t)row->def]);
        }
        if (t.s) {
            text_printf(to_own, "%s = %s; ", row->name, t.s);
            text_printf(to_other, "%s = %s; ", row->name, t.s);
        }
        text_release(&t);
    }
}

/* The other one begins again where this one stands. */
static void equalise(const bench *from, bench *to)
{
    for (size_t i = 0; i < from->shapes.n; i++) {
        if (from->size[i]) {
            memcpy(optimizer_rig_weights(to->rig, i), optimizer_rig_weights(from->rig, i),
                from->size[i] * sizeof(float));
        }
    }
}

static void keep_start(bench *b)
{
    for (size_t i = 0; i < b->shapes.n; i++) {
        if (b->size[i]) {
            memcpy(b->w0[i], optimizer_rig_weights(b->rig, i), b->size[i] * sizeof(float));
        }
    }
}

/* Of a tensor that both update: how far apart, relative to the way since keep_start; but for
 * what roundings of the weights themselves may have added in `n` updates, unless the same bits
 * are wanted. */
static double apart(const bench *a, const bench *b, size_t i, uint64_t n, bool exactly)
{
    const float *x = optimizer_rig_weights(a->rig, i), *y = optimizer_rig_weights(b->rig, i);
    double off = 0, way = 0, size = 0;
    for (size_t k = 0; k < a->size[i]; k++) {
        size += (double)x[k] * (double)x[k];
        off += pow((double)x[k] - (double)y[k], 2);
        way += pow((double)y[k] - (double)b->w0[i][k], 2);
    }
    const double beyond = sqrt(off) - (exactly ? 0 : (double)n * 0x1p-24 * sqrt(size));
    return !(off > 0) ? off : beyond <= 0 ? 0 : beyond / sqrt(way);
}

static bool compare(const assay_special_case *c, const bench *own, const bench *other,
    const char *settings, const char *as, check_report *r)
{
    for (size_t i = 0; i < own->shapes.n; i++) {
        if (!optimizer_rig_has(own->rig, i) || !optimizer_rig_has(other->rig, i)) {
            continue;
        }
        const uint64_t n = optimizer_rig_n_updates(own->rig) - c->after;
        const double off = apart(own, other, i, n, c->tolerance == 0);
        if (!(off <= c->tolerance)) {
            check_fail(r,
                "special case \"%s\" (%s): with { %s} and %s with { %s} the weights of %s part by "
                "%.3g "
                "of their way in update %llu; expected at most %g%s",
                c->of, c->doc, settings, c->of, as, own->shapes.tensor[i].name, off,
                (unsigned long long)optimizer_rig_n_updates(own->rig), c->tolerance,
                c->tolerance > 0 ? "" : " (the same bits)");
            return false;
        }
    }
    return true;
}

static void run_both(const assay_special_case *c, bench *own, bench *other, const char *settings,
    const char *as, check_report *r)
{
    own->has_objective = other->has_objective = own->ops->model || other->ops->model;
    if (!bench_run(own, c->after, r) || !bench_run(other, c->after, r)) {
        return;
    }
    equalise(own, other);
    keep_start(own);
    keep_start(other);
    for (uint64_t t = c->after + 1; t <= c->after + N_COMPARED; t++) {
        if (!bench_run(own, t, r) || !bench_run(other, t, r) ||
            !compare(c, own, other, settings, as, r)) {
            return;
        }
    }
}

static void test_case(const subject *s, const assay_special_case *c, int round, check_report *r)
{
    error err = { 0 };
    text mine = { 0 }, theirs = { 0 };
    bench own = { 0 }, other = { 0 };
    specimen p = { 0 };
    const component *of = NULL;
    text_printf(&mine, "%s ", c->when ? c->when : "");
    text_printf(&theirs, "%s ", c->as ? c->as : "");
    if (registry_find(s->registry, ASSAY_KIND_OPTIMIZER, c->of, NULL, &of, &err) != OK) {
        check_fail(r, "special case \"%s\": %s", c->of, err.text);
    } else {
        share_values(c, s->component, of, round, &mine, &theirs);
        const char *settings = mine.s ? mine.s : "", *as = theirs.s ? theirs.s : "";
        if (specimen_open(s, settings, &p, &err) != OK) {
            check_fail(
                r, "special case \"%s\": its own settings { %s}: %s", c->of, settings, err.text);
        } else if (bench_open_on(&own, s, &p, settings, &bench_small, s->seed, r)) {
            if (specimen_open_other(s, ASSAY_KIND_OPTIMIZER, c->of, as, &p, &err) != OK) {
                check_fail(
                    r, "special case \"%s\": the other's settings { %s}: %s", c->of, as, err.text);
            } else if (bench_open_on(&other, s, &p, as, &bench_small, s->seed, r)) {
                run_both(c, &own, &other, settings, as, r);
                bench_close(&other);
            }
            bench_close(&own);
        }
    }
    text_release(&mine);
    text_release(&theirs);
}

void optimizer_test_special_cases(const subject *s, check_report *r)
{
    const assay_optimizer *o = s->component->ops;
    if (o->n_special_cases == 0) {
        check_skip(r, "it declares no special case");
        return;
    }
    for (size_t i = 0; i < o->n_special_cases; i++) {
        for (int round = 0; round < 2 && r->outcome != CHECK_FAILED; round++) {
            test_case(s, case_at(o, i), round, r);
        }
    }
}
