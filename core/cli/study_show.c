/* assay study show: what a study has come to, as tables, CSV or JSON. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/shell_word.h"
#include "cli/study_show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void heading(const view *v, const char *words)
{
    text_printf(v->out, "\n%s", terminal_style(v->style, STYLE_BOLD));
    study_add_plain(v->out, words, 0);
    text_printf(v->out, "%s\n", terminal_style(v->style, STYLE_PLAIN));
}

static const char *plural(uint64_t n, const char *one, const char *more)
{
    return n == 1 ? one : more;
}

static const char *contender_name(const view *v, size_t i)
{
    return v->d->contenders[i].name;
}

/* -- the head -- */

/* "at most 20 trials"; "at most 64 to 96 trials" where contenders have numbers of their own. What is not tuned has none. */
static void add_trials(const view *v)
{
    const declaration *d = v->d;
    uint64_t least = UINT64_MAX, most = 0;
    for (size_t i = 0; i < d->n_contenders; i++) {
        const contender *c = &d->contenders[i];
        if (c->space.n == 0) continue;
        least = c->trials < least ? c->trials : least;
        most = c->trials > most ? c->trials : most;
    }
    if (most == 0) least = most = 1;
    if (most >= STUDY_UNLIMITED) {
        text_add(v->out, "as many trials as its budget has");
    } else if (least == most) {
        text_printf(
            v->out, "at most %llu %s", (unsigned long long)most, plural(most, "trial", "trials"));
    } else {
        text_printf(v->out, "at most %llu to %llu trials", (unsigned long long)least,
            (unsigned long long)most);
    }
}

static void add_what(const view *v)
{
    const declaration *d = v->d;
    const unsigned long long repeats = d->n_repeats, evaluations = d->n_evaluations;
    view_label(v, d->is_plain ? "searches" : "compares");
    if (!d->is_plain) {
        text_printf(v->out, "%zu %s on %zu %s: ", d->n_contenders,
            d->compare ? d->compare : plural(d->n_contenders, "contender", "contenders"),
            d->n_workloads, plural(d->n_workloads, "workload", "workloads"));
    }
    text_printf(v->out, "%llu %s of ", repeats, plural(repeats, "tuning", "tunings"));
    add_trials(v);
    if (!d->is_plain && repeats > 1) text_add(v->out, " each");
    if (evaluations) {
        text_printf(v->out, ", %llu %s of each winner", evaluations,
            plural(evaluations, "evaluation", "evaluations"));
    }
    text_add(v->out, "\n");
}

static void add_judged(const view *v)
{
    const declaration *d = v->d;
    const store_direction way = v->r->is_judged ? d->judged_direction : d->direction;
    view_label(v, "judged by");
    bool has_runs = false;
    for (size_t i = 0; i < d->n_workloads; i++)
        has_runs = has_runs || d->workloads[i].kind == WORKLOAD_TRAIN;
    text_printf(v->out, "%s (%s is better)", v->r->is_judged ? d->judged : d->metric,
        way == STORE_MAXIMIZE ? "larger" : "smaller");
    if (has_runs) text_printf(v->out, ", %s weights", d->takes_best ? "best" : "last");
    text_add(v->out, "\n");
}

static void add_counts(const view *v)
{
    const uint64_t *n = v->r->count;
    view_label(v, "trials");
    text_printf(v->out, "%llu ended", (unsigned long long)results_n_ended(v->r));
    const char *between = " (";
    for (int i = TRIAL_PRUNED; i < N_TRIAL_STATES; i++) {
        if (n[i] == 0) continue;
        text_printf(v->out, "%s%llu %s", between, (unsigned long long)n[i],
            trial_state_name((trial_state)i));
        between = ", ";
    }
    if (between[0] == ',') text_add(v->out, ")");
    const uint64_t at_work = study_n_at_work(v->r),
                   under_way[] = { n[TRIAL_WAITING], at_work, n[TRIAL_RUNNING] - at_work };
    static const char *const words[] = { "waiting", "running", "interrupted" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (under_way[i])
            text_printf(v->out, ", %llu %s", (unsigned long long)under_way[i], words[i]);
    }
    if (!v->is_over) text_add(v->out, "; unfinished: what follows is preliminary");
    text_add(v->out, "\n");
}

/* -- a workload's table -- */

static void put_range(table *t, size_t column, double low, double high)
{
    char a[48], b[48];
    study_number(a, low);
    study_number(b, high);
    if (!isnan(low) && !isnan(high)) table_cell(t, column, "%s to %s", a, b);
}

static bool is_control(const view *v, const result_contender *c)
{
    return c->i == v->d->control && v->d->n_contenders > 1 && v->r->is_judged;
}

/* In words, whether the interval leaves 0 out: once, when all is there. Who looks at every state on the way and stops at the one
 * that pleases finds a difference where there is none. */
static const char *verdict(const view *v, const result_pair *p)
{
    const bool max = v->d->judged_direction == STORE_MAXIMIZE;
    if (isnan(p->low)) return "";
    if (!v->is_over) return "not yet";
    if (p->low > 0.0) return max ? "better" : "worse";
    if (p->high < 0.0) return max ? "worse" : "better";
    return "undecided";
}

static void put_cost(table *t, size_t samples, size_t time, const result_contender *c)
{
    char s[32];
    const double all = c->tuning.samples + c->evaluation.samples;
    const double wall = c->tuning.wall_s + c->evaluation.wall_s;
    text_count(s, all);
    if (all > 0.0) table_cell(t, samples, "%s", s);
    text_duration(s, wall < 1.0 ? wall : floor(wall + 0.5));
    if (wall > 0.0) table_cell(t, time, "%s", s);
}

static void put_failed(table *t, size_t column, const view *v, const result_contender *c)
{
    uint64_t n = 0;
    const uint64_t all = v->r->is_judged ? c->evaluation.n_trials : c->tuning.n_trials;
    for (size_t i = 0; i < c->n_failures; i++)
        n += (c->failures[i].phase == STORE_EVALUATE) == v->r->is_judged ? c->failures[i].n : 0;
    if (all) table_cell(t, column, "%llu/%llu", (unsigned long long)n, (unsigned long long)all);
}

static void put_rank(const view *v, table *t, size_t column, const result_contender *c)
{
    if (c->rank) {
        table_cell(t, column, "%zu", c->rank);
    } else {
        table_cell(t, column, "-");
    }
    table_cell(
        t, column + 1, "%s%s", contender_name(v, c->i), is_control(v, c) ? " (control)" : "");
}

static void add_contenders(const view *v, const result_workload *w)
{
    table t = { 0 };
    const bool judged = v->r->is_judged;
    const size_t rank = table_column(&t, "", true, 0);
    (void)table_column(&t, "contender", false, 0);
    const size_t median = table_column(&t, judged ? "median" : "best tuned", true, 0);
    const size_t quartiles = table_column(&t, "quartiles", false, 3);
    const size_t seeds = table_column(&t, "sd seeds", true, 7);
    const size_t repeats = table_column(&t, "sd tunings", true, 7);
    const size_t failed = table_column(&t, "failed", true, 6);
    const size_t samples = table_column(&t, "samples", true, 4);
    const size_t time = table_column(&t, "time", true, 5);
    for (size_t i = 0; i < v->d->n_contenders; i++) {
        const result_contender *c = &w->contenders[w->order[i]];
        table_row(&t);
        put_rank(v, &t, rank, c);
        view_number(&t, median, judged ? c->median : c->best ? c->best->value : (double)NAN);
        if (judged && c->n_done + c->n_bad > 1) {
            put_range(&t, quartiles, c->low_quartile, c->high_quartile);
        }
        view_number(&t, seeds, c->sd_seeds);
        view_number(&t, repeats, c->sd_repeats);
        put_failed(&t, failed, v, c);
        put_cost(&t, samples, time, c);
    }
    table_end(&t, v->style, v->out);
}

/* -- the differences -- */

static void add_pairs(const view *v, const result_workload *w)
{
    table t = { 0 };
    char title[128];
    snprintf(title, sizeof title, "minus %.100s", contender_name(v, v->d->control));
    const size_t name = table_column(&t, "contender", false, 0);
    const size_t difference = table_column(&t, title, true, 0);
    const size_t interval = table_column(&t, "95 %", false, 0);
    const size_t p = table_column(&t, "p", true, 2);
    const size_t n = table_column(&t, "tunings", true, 1);
    const size_t correlation = table_column(&t, "correlation", true, 1);
    const size_t word = table_column(&t, "", false, 0);
    for (size_t i = 0; v->r->is_judged && i < v->d->n_contenders; i++) {
        const result_contender *c = &w->contenders[w->order[i]];
        const result_pair *pair = &c->against;
        if (c->i == v->d->control || (pair->n_repeats == 0 && !pair->has_bad)) continue;
        table_row(&t);
        table_cell(&t, name, "%s", contender_name(v, c->i));
        if (pair->has_bad) table_cell(&t, difference, "failures");
        view_number(&t, difference, pair->mean);
        put_range(&t, interval, pair->low, pair->high);
        if (!isnan(pair->p)) table_cell(&t, p, pair->p < 0.001 ? "<0.001" : "%.3f", pair->p);
        if (v->d->n_repeats > 1) table_cell(&t, n, "%zu", pair->n_repeats);
        if (!isnan(pair->correlation)) table_cell(&t, correlation, "%.2f", pair->correlation);
        table_cell(&t, word, "%s", verdict(v, pair));
    }
    if (t.n_rows) text_add(v->out, "\n");
    table_end(&t, v->style, v->out);
}

/* Of a contender that has no rank: why. */
static void add_unranked(const view *v, const result_workload *w)
{
    for (size_t i = 0; i < v->d->n_contenders; i++) {
        const result_contender *c = &w->contenders[i];
        if (c->rank || c->n_tuning == 0) continue;
        text_printf(v->out, "  %s: no %s: ", contender_name(v, i),
            v->r->is_judged ? "evaluation has ended" : "value");
        if (c->n_tuned == 0) {
            text_printf(v->out, "none of its %llu trials of tuning has a value\n",
                (unsigned long long)c->n_tuning);
        } else {
            text_add(v->out, "its tuning goes on\n");
        }
    }
}

/* Such tunings have no row in any other table. */
static void add_fruitless(const view *v, const result_workload *w)
{
    for (size_t i = 0; i < v->d->n_contenders; i++) {
        const result_contender *c = &w->contenders[w->order[i]];
        if (c->n_fruitless == 0) continue;
        text_printf(v->out,
            "  %s: in %zu of %llu tunings no trial came to a value: counted as %llu failed "
            "evaluations%s\n",
            contender_name(v, c->i), c->n_fruitless, (unsigned long long)v->d->n_repeats,
            (unsigned long long)v->d->n_evaluations, c->n_fruitless > 1 ? " each" : "");
    }
}

static void add_remarks(const view *v, const result_workload *w)
{
    const declaration *d = v->d;
    size_t n_intervals = 0, n_bad = 0, least = SIZE_MAX, most = 0;
    for (size_t i = 0; i < d->n_contenders; i++) {
        const result_pair *p = &w->contenders[i].against;
        n_bad += p->has_bad;
        if (isnan(p->low)) continue;
        n_intervals++;
        least = p->n_repeats < least ? p->n_repeats : least;
        most = p->n_repeats > most ? p->n_repeats : most;
    }
    if (n_intervals) {
        char degrees[64] = "a degree of freedom less than tunings";
        if (least == most) {
            snprintf(degrees, sizeof degrees, "%zu %s of freedom", most - 1,
                plural(most - 1, "degree", "degrees"));
        }
        text_printf(v->out,
            "  a contender's %s minus that of %s, of means of each tuning's runs, by Student's t\n"
            "  with %s; correlation is that of runs of the same seed within tunings%s\n",
            d->judged, contender_name(v, d->control), degrees,
            n_intervals * d->n_workloads > 1 ? "; each interval stands\n  for itself" : "");
        if (!v->is_over) {
            text_add(v->out,
                "  no verdict before all tunings have ended: a look in between is no test\n");
        }
    }
    if (n_bad) {
        text_add(v->out,
            "  failed runs count as worse than any value: a difference from them is not known\n");
    }
}

/* A study that is declared stays as it is: what is to be otherwise has another name. */
static void add_other_name(const view *v)
{
    text name = { 0 };
    study_add_plain(&name, v->s->study.name, 0);
    text_add(&name, "-2");
    if (name.s) shell_word_add(v->out, name.s);
    text_add(v->out, "\n");
    v->out->failed = v->out->failed || name.failed;
    text_release(&name);
}

static void add_warnings(const view *v)
{
    const declaration *d = v->d;
    if (!v->r->is_judged) {
        text_add(v->out,
            "\n  The best value of a tuning is optimistic: it was chosen because it is good.\n"
            "  To run winners again on fresh seeds declare another study: the same command with\n"
            "  study.evaluations=5 --name ");
        add_other_name(v);
    } else if (d->n_repeats == 1 && d->n_contenders > 1) {
        text_printf(v->out,
            "\n  One tuning each: this compares configuration A with configuration B, not %s.\n"
            "  To tell luck of tuning from merit declare another study: the same command with\n"
            "  study.repeats=3 or more and --name ",
            d->compare ? d->compare : "contenders");
        add_other_name(v);
    }
}

/* -- what was chosen -- */

static void add_chosen(const view *v, const result_workload *w)
{
    table t = { 0 };
    char number[48];
    const size_t name = table_column(&t, "contender", false, 0);
    const size_t repeat = table_column(&t, "tuning", true, 1);
    const size_t mean = table_column(&t, "mean", true, 3);
    const size_t tuned = table_column(&t, v->d->metric, true, 2);
    const size_t params = table_column(&t, "chosen", false, 0);
    for (size_t i = 0; i < v->d->n_contenders; i++) {
        const result_contender *c = &w->contenders[w->order[i]];
        for (uint64_t k = 0; k < v->d->n_repeats; k++) {
            const result_repeat *p = &c->repeats[k];
            text shown = { 0 };
            if (!p->winner) continue;
            study_add_params(&shown, p->winner->params, SHOWN_DIGITS);
            study_number(number, p->winner->value);
            table_row(&t);
            table_cell(&t, name, "%s", contender_name(v, c->i));
            if (v->d->n_repeats > 1) table_cell(&t, repeat, "%llu", (unsigned long long)k + 1);
            view_number(&t, mean, p->mean);
            table_cell(&t, tuned, "%s", number);
            table_cell(&t, params, "%s", shown.n ? shown.s : "as it is");
            text_release(&shown);
        }
    }
    if (t.n_rows) text_add(v->out, "\n");
    table_end(&t, v->style, v->out);
}

/* -- failures -- */

static void add_failures(const view *v, const result_workload *w)
{
    table t = { 0 };
    const size_t name = table_column(&t, "contender", false, 0);
    const size_t phase = table_column(&t, "phase", false, 2);
    const size_t n = table_column(&t, "trials", true, 0);
    const size_t what = table_column(&t, "failed by", false, 0);
    const size_t reason = table_column(&t, "first reason", false, 0);
    for (size_t i = 0; i < v->d->n_contenders; i++) {
        const result_contender *c = &w->contenders[w->order[i]];
        for (size_t k = 0; k < c->n_failures; k++) {
            const result_failure *f = &c->failures[k];
            text shown = { 0 };
            study_add_plain(&shown, f->first->reason, 0);
            table_row(&t);
            table_cell(&t, name, "%s", contender_name(v, c->i));
            table_cell(&t, phase, "%s", f->phase == STORE_TUNE ? "tuning" : "evaluation");
            table_cell(&t, n, "%llu", (unsigned long long)f->n);
            table_cell(&t, what, "%s", f->what);
            table_cell(&t, reason, "%s (trial %llu)", shown.s ? shown.s : "",
                (unsigned long long)f->first->number);
            text_release(&shown);
        }
    }
    if (t.n_rows) text_add(v->out, "\n");
    table_end(&t, v->style, v->out);
}

/* -- the whole -- */

static void add_workload(const view *v, size_t i)
{
    const result_workload *w = &v->r->workloads[i];
    heading(v, v->d->workloads[i].name);
    add_contenders(v, w);
    add_unranked(v, w);
    add_fruitless(v, w);
    add_pairs(v, w);
    add_remarks(v, w);
    add_chosen(v, w);
    add_failures(v, w);
}

status study_show(const open_study *s, const results *r, const terminal *style, bool with_trials,
    text *out, error *err)
{
    status st = OK;
    const view v = { s, r, r->declaration, style, out, study_is_over(r) };
    text_add(out, terminal_style(style, STYLE_BOLD));
    study_add_plain(out, s->study.name, 0);
    text_printf(out, "%s  declared as %.8s\n", terminal_style(style, STYLE_PLAIN),
        s->study.declaration_hash);
    add_what(&v);
    add_judged(&v);
    add_counts(&v);
    if (with_trials) {
        view_trials(&v);
        return text_check(out, err);
    }
    if (v.d->is_plain) {
        TRY(view_plain(&v, err));
        if (r->is_judged) {
            add_workload(&v, 0);
        } else {
            add_failures(&v, &r->workloads[0]);
        }
    }
    for (size_t i = 0; !v.d->is_plain && i < v.d->n_workloads && r->n_rows > 0; i++)
        add_workload(&v, i);
    if (results_n_ended(r) > 0) add_warnings(&v);
    TRY(text_check(out, err));
done:
    return st;
}

/* -- the command -- */

static status show(open_study *s, cli *c, const arguments *a, text *out, error *err)
{
    status st = OK;
    results *r = NULL;
    const bool trials = option_has(a, "trials");
    if (option_has(a, "csv") && option_has(a, "json")) {
        return fail(err, E_USAGE, "study show: --csv and --json exclude each other");
    }
    TRY(study_open(s, c, a->n ? a->word[0] : NULL, option_get(a, "name"), STORE_READ, err));
    TRY(study_results(s, &r, err));
    TRY(option_has(a, "csv")        ? results_csv(r, s->store, trials, out, err)
            : option_has(a, "json") ? results_json(r, trials, out, err)
                                    : study_show(s, r, &c->out, trials, out, err));
done:
    results_free(r);
    return st;
}

static int run_show(cli *c, const arguments *a)
{
    error err;
    text t = { 0 };
    open_study s = { 0 };
    const status st = show(&s, c, a, &t, &err);
    study_release(&s);
    if (st == OK) return cli_put(c, &t);
    text_release(&t);
    return cli_error(c, &err);
}

static const option_row options[] = {
    { "trials", 't', NULL, NULL, COMPLETE_NOTHING, "every trial" },
    { "csv", 0, NULL, NULL, COMPLETE_NOTHING, "a row for each evaluation, with every metric" },
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "everything, for programs" },
    STUDY_OPTION_NAME,
};

const command command_study_show = {
    .name = "study show",
    .arguments = "[FILE|NAME]",
    .summary = "what a study has come to, in tables",
    .doc =
        "Of each workload the contenders, ranked by the median of all evaluation runs, with the "
        "spread over seeds and over tunings, the difference to the control, what it cost, what was "
        "chosen and what failed. Of a plain search the best trials, and the command that trains "
        "the best.\n\n"
        "The difference to the control is that of means over each tuning's runs, with a 95 % "
        "interval by Student's t over tunings: many seeds of one tuning say much of a "
        "configuration and nothing of the optimizer. With one tuning there is no interval. Failed "
        "and diverged runs count as worse than any value and are never left out.\n\n"
        "Without a name the newest store in studies/ is taken. A study may be looked at while it "
        "runs.",
    .examples = "assay study show digits\n"
                "assay study show digits --trials\n"
                "assay study show studies/digits.study --csv > digits.csv",
    COMMAND_OPTIONS(options),
    .most = 1,
    .completes = COMPLETE_FILE,
    .run = run_show,
};
#else
typedef int no_studies; /* a file holds something */
#endif
