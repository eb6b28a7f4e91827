/* assay study run --dry-run: which trials there will be, and what they cost.
 *
 * Strategies that look at no result (random, grid, qmc) propose all their trials now; of others those that are asked for before
 * there is one, which are `parallel`. Of many tunings the first is listed, all with -v. What a trial costs is planned for each point, since the number of epochs may be searched, too. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/study_work.h"

#include "base/json.h"
#include "search/search.h"
#include "study/runner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SHOWN = 1000, MOST_LISTED = 60, MOST_PLANNED = 40, SHOWN_DIGITS = 4 };

typedef struct plan {
    const open_study *s;
    const declaration *d;
    const terminal *style;
    runner *runner;
    text *out;
    bool has_all; /* every proposal of this contender is known now */
    const value *learner; /* a strategy that looks at results; NULL: none does */
    bool lists_all; /* of every tuning, not of the first alone */
    double samples; /* of everything */
    uint64_t n_trials;
} plan;

/* Of one point on one workload; 0: not known. */
static status plan_cost(const plan *p, size_t w, size_t c, const double *x, double *out, error *err)
{
    status st = OK;
    arena a = { 0 };
    text word = { 0 };
    const contender *k = &p->d->contenders[c];
    size_t n = 0;
    const char **all = arena_alloc_array(&a, k->n_overrides + k->space.n + 1, sizeof *all);
    if (!all) TRY(fail_nomem(err, "overrides"));
    for (size_t i = 0; i < k->n_overrides; i++)
        all[n++] = k->overrides[i];
    for (size_t i = 0; i < k->space.n; i++) {
        if (isnan(x[i])) continue;
        text_clear(&word);
        space_override(&k->space, i, x[i], &word);
        TRY(text_check(&word, err));
        all[n] = arena_strdup(&a, word.s);
        if (!all[n++]) TRY(fail_nomem(err, "overrides"));
    }
    TRY(runner_cost(p->runner, w, all, n, out, err));
done:
    text_release(&word);
    arena_release(&a);
    return st;
}

/* The points of one tuning, as far as they are known; [*out_n][n_dimensions], free it. */
static status propose(plan *p, size_t c, uint64_t repeat, double **out, size_t *out_n, error *err)
{
    status st = OK;
    search *asked = NULL;
    const declaration *d = p->d;
    const space *s = &d->contenders[c].space;
    const uint64_t trials = d->contenders[c].trials;
    const uint64_t wanted = p->has_all || trials < d->parallel ? trials : d->parallel;
    const size_t most = (size_t)wanted;
    const size_t room = most < MOST_SHOWN ? most : MOST_SHOWN;
    size_t n = 0;
    double *points = malloc((room + 1) * (s->n + 1) * sizeof *points);
    const search_options o = { .seed = declaration_search_seed(d, (size_t)repeat),
        .n_trials = trials,
        .max_fidelity = declaration_max_fidelity(d, 0),
        .min_fidelity = d->min_fidelity };
    if (!points) return fail_nomem(err, "points");
    if (s->n > 0) {
        TRY(search_new(p->s->session.registry, d->config, d->contenders[c].strategy, d->pruner, s,
            &o, &asked, err));
    } else {
        n = 1;
    }
    for (bool is_over = false; asked && n < room && !is_over;) {
        search_trial t;
        size_t given = 0;
        TRY(search_ask(asked, 1, &t, &given, &is_over, err));
        if (given == 0) break;
        memcpy(points + n * s->n, t.x, s->n * sizeof *points);
        n++;
    }
    *out = points;
    *out_n = n;
    points = NULL;
done:
    search_free(asked);
    free(points);
    return st;
}

static void add_point(const space *s, const double *x, text *out)
{
    json j;
    text params = { 0 };
    json_init(&j, &params);
    space_point_to_json(s, x, &j);
    if (s->n == 0) {
        text_add(out, "as it is");
    } else if (params.s) {
        study_add_params(out, params.s, SHOWN_DIGITS);
    }
    out->failed = out->failed || params.failed;
    text_release(&params);
}

static void add_points(const plan *p, size_t c, uint64_t repeat, const double *points, size_t n)
{
    table t = { 0 };
    const declaration *d = p->d;
    const space *s = &d->contenders[c].space;
    const size_t number = table_column(&t, "trial", true, 0);
    const size_t what = table_column(&t, "tried", false, 0);
    text_printf(p->out, "\n%s", terminal_style(p->style, STYLE_BOLD));
    study_add_plain(p->out, d->is_plain ? d->name : d->contenders[c].name, 0);
    if (d->n_repeats > 1) text_printf(p->out, ", tuning %llu", (unsigned long long)repeat + 1);
    text_printf(p->out, "%s\n", terminal_style(p->style, STYLE_PLAIN));
    for (size_t i = 0; i < n; i++) {
        text word = { 0 };
        add_point(s, points + i * s->n, &word);
        table_row(&t);
        table_cell(&t, number, "%zu", i);
        table_cell(&t, what, "%s", word.s ? word.s : "");
        text_release(&word);
    }
    table_end(&t, p->style, p->out);
}

/* Mean cost of the points that are known, over the first of them; NaN: not known. */
static status mean_cost(
    const plan *p, size_t w, size_t c, const double *points, size_t n, double *out, error *err)
{
    double sum = 0.0;
    const size_t dimensions = p->d->contenders[c].space.n,
                 used = n < MOST_PLANNED ? n : MOST_PLANNED;
    *out = (double)NAN;
    for (size_t i = 0; i < used; i++) {
        double samples = 0.0;
        const status st = plan_cost(p, w, c, points + i * dimensions, &samples, err);
        if (st != OK) return st;
        if (!(samples > 0.0)) return OK;
        sum += samples;
    }
    if (used) *out = sum / (double)used;
    return OK;
}

static void add_count(text *t, double v)
{
    char s[32];
    text_count(s, v);
    text_add(t, isnan(v) ? "unknown" : s);
}

static status add_costs(
    plan *p, table *t, size_t w, size_t c, const double *points, size_t n, error *err)
{
    double each;
    text s = { 0 };
    const declaration *d = p->d;
    const status st = mean_cost(p, w, c, points, n, &each, err);
    if (st != OK) return st;
    const uint64_t per_tuning = p->has_all && n < MOST_SHOWN ? n : d->contenders[c].trials;
    const uint64_t tuning = per_tuning * d->n_repeats;
    const uint64_t evaluation = d->n_repeats * d->n_evaluations;
    double all = each * (double)(tuning + evaluation);
    const double limit =
        (double)d->n_repeats * (d->budget_samples + (double)d->n_evaluations * each);
    if (d->budget_samples > 0.0 && limit < all) all = limit;
    table_row(t);
    table_cell(t, 0, "%s", d->workloads[w].name);
    table_cell(t, 1, "%s", d->contenders[c].name);
    table_cell(t, 2, "%llu", (unsigned long long)tuning);
    if (evaluation) table_cell(t, 3, "%llu", (unsigned long long)evaluation);
    add_count(&s, each);
    table_cell(t, 4, "%s", s.s ? s.s : "");
    text_clear(&s);
    add_count(&s, all);
    table_cell(t, 5, "%s", s.s ? s.s : "");
    text_release(&s);
    p->samples += all;
    p->n_trials += tuning + evaluation;
    return OK;
}

static status plan_contender(plan *p, table *t, size_t c, error *err)
{
    status st = OK;
    double *points = NULL;
    size_t n = 0;
    const contender *k = &p->d->contenders[c];
    p->has_all = k->space.n == 0 || strategy_looks_at_no_result(k->strategy);
    if (!p->has_all) p->learner = k->strategy;
    for (uint64_t repeat = 0; repeat < p->d->n_repeats; repeat++) {
        free(points);
        points = NULL;
        TRY(propose(p, c, repeat, &points, &n, err));
        if (repeat == 0 || p->lists_all) add_points(p, c, repeat, points, n);
    }
    for (size_t w = 0; w < p->d->n_workloads; w++)
        TRY(add_costs(p, t, w, c, points, n, err));
done:
    free(points);
    return st;
}

static void add_sum(const plan *p)
{
    const declaration *d = p->d;
    if (p->learner) {
        text_printf(p->out,
            "\n  %s looks at results: shown are the trials that are asked for before there are "
            "any\n",
            block_type(p->learner));
    }
    if (!p->lists_all) {
        text_printf(p->out, "\n  shown are the trials of the first of %llu tunings; -v shows all\n",
            (unsigned long long)d->n_repeats);
    }
    text_printf(p->out, "\n  in all at most %llu %s", (unsigned long long)p->n_trials,
        p->n_trials == 1 ? "trial" : "trials");
    if (!isnan(p->samples)) {
        text_add(p->out, ", ");
        add_count(p->out, p->samples);
        text_add(
            p->out, " samples forward and backward (assay train says how many pass in a second)");
    }
    if (d->budget_seconds > 0.0) {
        char time[32];
        text_duration(time, d->budget_seconds);
        text_printf(p->out, "; a tuning ends after %s of its trials' time", time);
    }
    text_add(p->out, "; nothing was run\n");
}

status study_plan(const open_study *s, const terminal *style, text *out, error *err)
{
    status st = OK;
    table t = { 0 };
    const runner_options o = { 0 };
    plan p = { .s = s,
        .d = s->declaration,
        .style = style,
        .out = out,
        .lists_all = s->cli->verbose || s->declaration->n_repeats == 1 ||
            declaration_n_tuning(s->declaration) <= MOST_LISTED };
    static const char *const titles[] = { "workload", "contender", "tuning trials", "evaluations",
        "samples each", "in all" };
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        (void)table_column(&t, titles[i], i > 1, 0);
    text_printf(out, "%s%s%s  declared as %.8s\n", terminal_style(style, STYLE_BOLD), p.d->name,
        terminal_style(style, STYLE_PLAIN), p.d->hash);
    TRY(runner_open(p.d, &o, &p.runner, err));
    for (size_t c = 0; c < p.d->n_contenders; c++)
        TRY(plan_contender(&p, &t, c, err));
    text_add(out, "\n");
    table_end(&t, style, out);
    add_sum(&p);
    TRY(text_check(out, err));
done:
    arena_release(&t.memory);
    runner_close(p.runner);
    return st;
}
#else
typedef int no_studies; /* a file holds something */
#endif
