/* Medians, spreads, ranks, differences. */
#include "study/results_internal.h"

#include <math.h>
#include <stdlib.h>

/* Below, a correlation says next to nothing: that of two pairs is 1 or -1. */
enum { LEAST_DEGREES = 3 };

static double sign_of(const results *r)
{
    return r->declaration->judged_direction == STORE_MAXIMIZE ? -1.0 : 1.0;
}

static bool counts(const trial_row *t)
{
    return t->state == TRIAL_DONE || trial_row_is_bad(t);
}

/* A bad run is worse than any value. */
static double judged_value(const results *r, const trial_row *t)
{
    return t->state == TRIAL_DONE ? t->value : sign_of(r) * (double)INFINITY;
}

/* -- spread -- */

/* Lost trials alone say nothing. */
static bool is_fruitless(const result_contender *c, const result_repeat *p)
{
    const bool is_void = p->n_failed > 0 && p->n_tuned == 0 && p->n_ended == p->n_tuning;
    return is_void && p->n_runs == 0 && c->n_runs > 0;
}

static void summarise_repeat(const results *r, result_repeat *p)
{
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < p->n_runs; i++) {
        p->n_done += p->runs[i]->state == TRIAL_DONE;
        p->n_bad += trial_row_is_bad(p->runs[i]);
        if (p->runs[i]->state == TRIAL_DONE) sum += p->runs[i]->value;
    }
    const double mean = sum / (double)p->n_done;
    for (size_t i = 0; i < p->n_runs; i++) {
        if (p->runs[i]->state != TRIAL_DONE) continue;
        const double away = p->runs[i]->value - mean;
        squares += away * away;
    }
    p->mean = p->n_bad || p->is_fruitless ? sign_of(r) * (double)INFINITY
        : p->n_done                       ? mean
                                          : (double)NAN;
    p->sd = p->n_done > 1 ? sqrt(squares / (double)(p->n_done - 1)) : (double)NAN;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static status take_quartiles(const results *r, result_contender *c, error *err)
{
    const size_t n_missing = c->n_fruitless * (size_t)r->declaration->n_evaluations;
    double *values = malloc((c->n_runs + n_missing + 1) * sizeof *values);
    size_t n = 0;
    if (!values) return fail_nomem(err, "a study's results");
    for (uint64_t k = 0; k < r->declaration->n_repeats; k++) {
        for (size_t i = 0; i < c->repeats[k].n_runs; i++) {
            const trial_row *t = c->repeats[k].runs[i];
            if (counts(t)) values[n++] = judged_value(r, t);
        }
    }
    for (size_t i = 0; i < n_missing; i++)
        values[n++] = sign_of(r) * (double)INFINITY;
    qsort(values, n, sizeof *values, by_value);
    c->median = sorted_quantile(values, n, 0.5);
    c->low_quartile = sorted_quantile(values, n, 0.25);
    c->high_quartile = sorted_quantile(values, n, 0.75);
    free(values);
    return OK;
}

static void take_spreads(const results *r, result_contender *c)
{
    double within = 0.0, degrees = 0.0, sum = 0.0, squares = 0.0, n = 0.0;
    for (uint64_t k = 0; k < r->declaration->n_repeats; k++) {
        const result_repeat *p = &c->repeats[k];
        if (p->n_done > 1) {
            within += p->sd * p->sd * (double)(p->n_done - 1);
            degrees += (double)(p->n_done - 1);
        }
        if (p->n_done > 0 && p->n_bad == 0) {
            sum += p->mean;
            n += 1.0;
        }
    }
    for (uint64_t k = 0; k < r->declaration->n_repeats; k++) {
        const result_repeat *p = &c->repeats[k];
        const double away = p->mean - sum / n;
        if (p->n_done > 0 && p->n_bad == 0) squares += away * away;
    }
    c->sd_seeds = degrees > 0.0 ? sqrt(within / degrees) : (double)NAN;
    c->sd_repeats = n > 1.0 ? sqrt(squares / (n - 1.0)) : (double)NAN;
}

static status summarise(const results *r, result_contender *c, error *err)
{
    for (uint64_t k = 0; k < r->declaration->n_repeats; k++) {
        c->repeats[k].is_fruitless = is_fruitless(c, &c->repeats[k]);
        c->n_fruitless += c->repeats[k].is_fruitless;
        summarise_repeat(r, &c->repeats[k]);
        c->n_done += c->repeats[k].n_done;
        c->n_bad += c->repeats[k].n_bad;
    }
    take_spreads(r, c);
    return take_quartiles(r, c, err);
}

/* -- ranks -- */

/* Smaller is better; NaN: nothing to rank by. */
static double ranked_by(const results *r, const result_contender *c)
{
    if (r->is_judged) return sign_of(r) * c->median;
    const double sign = r->declaration->direction == STORE_MAXIMIZE ? -1.0 : 1.0;
    return c->best ? sign * c->best->value : (double)NAN;
}

/* What has nothing to rank it by comes last; equal ones share a rank and stay as declared. */
static void rank(const results *r, result_workload *w)
{
    const size_t n = r->declaration->n_contenders;
    for (size_t i = 0; i < n; i++) {
        const double key = ranked_by(r, &w->contenders[i]);
        size_t k = i;
        for (; k > 0; k--) {
            const double other = ranked_by(r, &w->contenders[w->order[k - 1]]);
            if (isnan(key) || !(isnan(other) || key < other)) break;
            w->order[k] = w->order[k - 1];
        }
        w->order[k] = i;
    }
    for (size_t k = 0; k < n; k++) {
        result_contender *c = &w->contenders[w->order[k]];
        const result_contender *before = k ? &w->contenders[w->order[k - 1]] : NULL;
        const double key = ranked_by(r, c);
        const bool is_equal = before && ranked_by(r, before) <= key;
        c->rank = isnan(key) ? 0 : is_equal && ranked_by(r, before) >= key ? before->rank : k + 1;
    }
}

/* -- differences -- */

/* Sums of paired runs within repeats, about the repeats' means. */
typedef struct moments {
    double xx, yy, xy;
} moments;

static const trial_row *of_seed(const result_repeat *p, uint64_t seed)
{
    for (size_t i = 0; i < p->n_runs; i++) {
        if (p->runs[i]->seed == seed) return p->runs[i];
    }
    return NULL;
}

/* The difference of the means over seeds that both have; false where they share none. */
static bool pair_repeat(const result_repeat *mine, const result_repeat *theirs, moments *m,
    result_pair *out, double *out_difference)
{
    double x = 0.0, y = 0.0, n = 0.0;
    out->has_bad = out->has_bad || mine->is_fruitless || theirs->is_fruitless;
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < mine->n_runs; i++) {
            const trial_row *a = mine->runs[i], *b = of_seed(theirs, a->seed);
            if (!b || !counts(a) || !counts(b)) continue;
            if (a->state != TRIAL_DONE || b->state != TRIAL_DONE) {
                out->has_bad = true;
            } else if (pass == 0) {
                x += a->value;
                y += b->value;
                n += 1.0;
            } else {
                m->xx += (a->value - x / n) * (a->value - x / n);
                m->yy += (b->value - y / n) * (b->value - y / n);
                m->xy += (a->value - x / n) * (b->value - y / n);
            }
        }
    }
    if (!(n > 0.0)) return false;
    out->n_runs += (size_t)n;
    *out_difference = x / n - y / n;
    return true;
}

static void infer(result_pair *p, double squares)
{
    const double n = (double)p->n_repeats, degrees = n - 1.0;
    p->sd = sqrt(squares / degrees);
    const double error_of_mean = p->sd / sqrt(n);
    const double half = student_critical(0.05, degrees) * error_of_mean;
    p->low = p->mean - half;
    p->high = p->mean + half;
    p->p = error_of_mean > 0.0 ? student_tail(p->mean / error_of_mean, degrees)
        : p->mean == 0.0       ? 1.0
                               : 0.0;
}

static status pair(
    const results *r, result_contender *c, const result_contender *control, error *err)
{
    result_pair p = { .mean = (double)NAN,
        .sd = (double)NAN,
        .low = (double)NAN,
        .high = (double)NAN,
        .p = (double)NAN,
        .correlation = (double)NAN };
    moments m = { 0 };
    double sum = 0.0, squares = 0.0;
    const size_t n_repeats = (size_t)r->declaration->n_repeats;
    double *differences = malloc((n_repeats + 1) * sizeof *differences);
    if (!differences) return fail_nomem(err, "a study's results");
    for (size_t k = 0; c != control && k < n_repeats; k++) {
        double *d = &differences[p.n_repeats];
        if (!pair_repeat(&c->repeats[k], &control->repeats[k], &m, &p, d)) continue;
        sum += *d;
        p.n_repeats++;
    }
    if (p.n_repeats > 0 && !p.has_bad) p.mean = sum / (double)p.n_repeats;
    for (size_t k = 0; k < p.n_repeats; k++)
        squares += (differences[k] - p.mean) * (differences[k] - p.mean);
    if (p.n_repeats > 1 && !p.has_bad) infer(&p, squares);
    const bool says_something = p.n_runs >= p.n_repeats + LEAST_DEGREES;
    if (says_something && m.xx > 0.0 && m.yy > 0.0) p.correlation = m.xy / sqrt(m.xx) / sqrt(m.yy);
    free(differences);
    c->against = p;
    return OK;
}

status results_summarise(results *r, error *err)
{
    const declaration *d = r->declaration;
    status st = OK;
    r->is_judged = d->n_evaluations > 0;
    for (size_t i = 0; i < r->n_rows; i++)
        r->is_judged = r->is_judged || r->rows[i].phase == STORE_EVALUATE;
    for (size_t w = 0; w < d->n_workloads; w++) {
        result_contender *c = r->workloads[w].contenders;
        for (size_t i = 0; i < d->n_contenders; i++)
            TRY(summarise(r, &c[i], err));
        for (size_t i = 0; i < d->n_contenders; i++)
            TRY(pair(r, &c[i], &c[d->control], err));
        rank(r, &r->workloads[w]);
    }
done:
    return st;
}
