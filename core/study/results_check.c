/* What makes a result doubtful once it is there: a best value on an edge means that the range was too small, and contenders that spent
 * unequally were not compared at the same budget. */
#include "study/results.h"

#include <math.h>
#include <stdlib.h>

static const double edge = 0.05; /* of a range */
static const double unequal = 1.1; /* more than so many times another's budget */

/* -- edges -- */

static double on_scale(const assay_dimension *d, double v)
{
    return d->log ? log(v) : v;
}

/* Below 0: at the lower end; above 0: at the upper end. */
static int edge_of(const assay_dimension *d, double v)
{
    const bool is_ordered = d->type != ASSAY_SPACE_CATEGORY || (d->ordered && d->n_choices > 2);
    if (!is_ordered || isnan(v) || !(d->low < d->high)) return 0;
    const double low = on_scale(d, d->low), high = on_scale(d, d->high);
    const double at = (on_scale(d, v) - low) / (high - low);
    const bool is_natural = d->type != ASSAY_SPACE_CATEGORY && !d->log && d->low == 0.0;
    if (at <= edge && !is_natural) return -1;
    return at >= 1.0 - edge ? 1 : 0;
}

typedef struct edges {
    uint64_t n_low, n_high, n;
    double low, high; /* one of the values at each */
} edges;

/* Reals to four digits: people read them. */
static void add_value(const space *s, size_t i, double v, text *out)
{
    if (s->dimensions[i].type == ASSAY_SPACE_REAL) {
        text_printf(out, "%.4g", v);
    } else {
        space_value_text(s, i, v, out);
    }
}

static void add_end(const results *r, const result_contender *c, size_t w, size_t i, const edges *e,
    bool is_high, text *out)
{
    const declaration *d = r->declaration;
    const space *s = &d->contenders[c->i].space;
    const assay_dimension *dim = &s->dimensions[i];
    if (!d->is_plain) {
        text_printf(
            out, "contender %s, workload %s: ", d->contenders[c->i].name, d->workloads[w].name);
    }
    text_printf(out, "the best %s is ", dim->name);
    add_value(s, i, is_high ? e->high : e->low, out);
    if (e->n > 1) {
        text_printf(out, " in %llu of %llu tunings",
            (unsigned long long)(is_high ? e->n_high : e->n_low), (unsigned long long)e->n);
    }
    text_printf(out, ", on the %s edge of its range (", is_high ? "upper" : "lower");
    add_value(s, i, dim->low, out);
    text_add(out, " to ");
    add_value(s, i, dim->high, out);
    text_add(out, "): the range may be too small\n");
}

static status check_dimension(const results *r, const result_contender *c, size_t w, size_t i,
    double *x, text *out, size_t *n_found, error *err)
{
    edges e = { 0 };
    const assay_dimension *dim = &r->declaration->contenders[c->i].space.dimensions[i];
    for (uint64_t k = 0; k < r->declaration->n_repeats; k++) {
        const trial_row *t = c->repeats[k].winner;
        if (!t) continue;
        const status st = results_point(r, t, x, err);
        if (st != OK) return st;
        const int side = edge_of(dim, x[i]);
        e.n++;
        if (side < 0) e.n_low++, e.low = x[i];
        if (side > 0) e.n_high++, e.high = x[i];
    }
    if (e.n_low) add_end(r, c, w, i, &e, false, out);
    if (e.n_high) add_end(r, c, w, i, &e, true, out);
    *n_found += (size_t)(e.n_low > 0) + (size_t)(e.n_high > 0);
    return OK;
}

static status check_edges(
    const results *r, const result_contender *c, size_t w, text *out, size_t *n_found, error *err)
{
    const size_t n = r->declaration->contenders[c->i].space.n;
    double *x = calloc(n + 1, sizeof *x);
    status st = x ? OK : fail_nomem(err, "a point");
    for (size_t i = 0; st == OK && i < n; i++)
        st = check_dimension(r, c, w, i, x, out, n_found, err);
    free(x);
    return st;
}

/* -- budgets -- */

typedef struct spent {
    size_t least, most; /* contenders */
    double low, high;
} spent;

static spent compare(const results *r, size_t w, double (*of)(const result_contender *c))
{
    const result_contender *c = r->workloads[w].contenders;
    spent s = { 0, 0, of(&c[0]), of(&c[0]) };
    for (size_t i = 1; i < r->declaration->n_contenders; i++) {
        const double v = of(&c[i]);
        if (v < s.low) s.least = i, s.low = v;
        if (v > s.high) s.most = i, s.high = v;
    }
    return s;
}

static double tuning_trials(const result_contender *c)
{
    return (double)c->tuning.n_trials;
}

static double tuning_samples(const result_contender *c)
{
    return c->tuning.samples;
}

static double evaluation_runs(const result_contender *c)
{
    return (double)c->evaluation.n_trials;
}

/* A contender whose space is one point is not tuned. */
static bool is_tuned(const results *r)
{
    for (size_t i = 0; i < r->declaration->n_contenders; i++) {
        if (r->declaration->contenders[i].space.n == 0) return false;
    }
    return true;
}

static void check_budget(const results *r, size_t w, const char *what,
    double (*of)(const result_contender *c), text *out, size_t *n_found)
{
    char low[32], high[32];
    const declaration *d = r->declaration;
    const spent s = compare(r, w, of);
    if (s.high <= unequal * s.low) return;
    text_count(low, s.low);
    text_count(high, s.high);
    text_printf(out,
        "workload %s: unequal budgets: contender %s spent %s %s, contender %s %s: at the same "
        "budget the order may be another\n",
        d->workloads[w].name, d->contenders[s.most].name, high, what, d->contenders[s.least].name,
        low);
    ++*n_found;
}

status results_check(const results *r, text *out, size_t *out_n, error *err)
{
    status st = OK;
    size_t n = 0;
    const declaration *d = r->declaration;
    const bool is_over = r->count[TRIAL_WAITING] + r->count[TRIAL_RUNNING] == 0;
    for (size_t w = 0; w < d->n_workloads; w++) {
        for (size_t c = 0; c < d->n_contenders; c++)
            TRY(check_edges(r, &r->workloads[w].contenders[c], w, out, &n, err));
        if (!is_over || d->n_contenders < 2) continue;
        if (is_tuned(r)) {
            check_budget(r, w, "trials of tuning", tuning_trials, out, &n);
            check_budget(r, w, "samples in tuning", tuning_samples, out, &n);
        }
        check_budget(r, w, "evaluations", evaluation_runs, out, &n);
    }
    TRY(text_check(out, err));
    *out_n = n;
done:
    return st;
}
