/* Tables of trials: the best of a search, with the command that trains it; and all of them. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/shell_word.h"
#include "cli/study_show.h"

#include "base/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_BEST = 10 };

void view_label(const view *v, const char *name)
{
    text_printf(v->out, "  %s%-12s%s  ", terminal_style(v->style, STYLE_DIM), name,
        terminal_style(v->style, STYLE_PLAIN));
}

void view_number(table *t, size_t column, double v)
{
    char s[48];
    study_number(s, v);
    if (!isnan(v)) table_cell(t, column, "%s", s);
}

/* -- a plain search -- */

static int by_tuned_value(const void *a, const void *b)
{
    const trial_row *x = *(const trial_row *const *)a, *y = *(const trial_row *const *)b;
    if (x->value < y->value) return -1;
    if (x->value > y->value) return 1;
    return (x->number > y->number) - (x->number < y->number);
}

static void put_trial(table *t, const size_t *column, size_t rank, const trial_row *row)
{
    char s[48];
    text shown = { 0 };
    study_add_params(&shown, row->params, SHOWN_DIGITS);
    study_number(s, row->value);
    table_row(t);
    table_cell(t, column[0], "%zu", rank);
    table_cell(t, column[1], "%s", s);
    table_cell(t, column[2], "%llu", (unsigned long long)row->number);
    text_duration(s, row->wall_s);
    if (row->wall_s > 0.0) table_cell(t, column[3], "%s", s);
    table_cell(t, column[4], "%s", shown.s ? shown.s : "");
    text_release(&shown);
}

static status add_best_trials(const view *v, error *err)
{
    table t = { 0 };
    const bool max = v->d->direction == STORE_MAXIMIZE;
    const size_t column[] = { table_column(&t, "", true, 0),
        table_column(&t, v->d->metric, true, 0), table_column(&t, "trial", true, 2),
        table_column(&t, "time", true, 1), table_column(&t, "tried", false, 0) };
    const trial_row **rows = malloc((v->r->n_rows + 1) * sizeof *rows);
    size_t n = 0;
    if (!rows) return fail_nomem(err, "a table");
    for (size_t i = 0; i < v->r->n_rows; i++) {
        const trial_row *row = &v->r->rows[i];
        if (row->phase == STORE_TUNE && row->state == TRIAL_DONE) rows[n++] = row;
    }
    qsort((void *)rows, n, sizeof *rows, by_tuned_value);
    if (n) text_add(v->out, "\n");
    for (size_t i = 0; i < n && i < MOST_BEST; i++)
        put_trial(&t, column, i + 1, rows[max ? n - 1 - i : i]);
    free((void *)rows);
    table_end(&t, v->style, v->out);
    return OK;
}

/* The path as seen from here, where that is shorter. */
static const char *short_path(const char *path, char *here, size_t bytes)
{
    const size_t n = getcwd(here, bytes) ? strlen(here) : 0;
    return n > 1 && strncmp(path, here, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

static void add_words(text *out, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        text_add(out, " ");
        shell_word_add(out, words[i]);
    }
}

/* What trains the best trial as it was trained in the study. */
static status add_train_command(const view *v, const trial_row *t, error *err)
{
    char here[4096];
    const workload *w = &v->d->workloads[t->workload];
    const contender *c = &v->d->contenders[t->contender];
    text word = { 0 };
    double *x = calloc(c->space.n + 1, sizeof *x);
    status st = x ? results_point(v->r, t, x, err) : fail_nomem(err, "a point");
    if (st != OK || w->kind != WORKLOAD_TRAIN || !w->path) {
        free(x);
        return st;
    }
    view_label(v, "train it");
    shell_word_add(v->out, v->s->cli->program);
    text_add(v->out, " train ");
    shell_word_add(v->out, short_path(w->path, here, sizeof here));
    add_words(v->out, w->overrides, w->n_overrides);
    add_words(v->out, c->overrides, c->n_overrides);
    for (size_t i = 0; i < c->space.n; i++) {
        if (isnan(x[i])) continue;
        text_clear(&word);
        space_override(&c->space, i, x[i], &word);
        text_add(v->out, " ");
        if (word.s) shell_word_add(v->out, word.s);
    }
    text_printf(v->out, " --seed %llu\n", (unsigned long long)t->seed);
    v->out->failed = v->out->failed || word.failed;
    text_release(&word);
    free(x);
    return OK;
}

status view_plain(const view *v, error *err)
{
    const result_contender *c = &v->r->workloads[0].contenders[0];
    char s[48];
    if (!c->best) {
        if (c->n_tuning) {
            text_printf(
                v->out, "\n  none of %llu trials has a value\n", (unsigned long long)c->n_tuning);
        }
        return OK;
    }
    study_number(s, c->best->value);
    text_add(v->out, "\n");
    view_label(v, "best");
    text_printf(v->out, "%s%s%s  ", terminal_style(v->style, STYLE_BOLD), s,
        terminal_style(v->style, STYLE_PLAIN));
    study_add_params(v->out, c->best->params, SHOWN_DIGITS);
    text_printf(v->out, "  (trial %llu)\n", (unsigned long long)c->best->number);
    const status st = add_train_command(v, c->best, err);
    return st == OK ? add_best_trials(v, err) : st;
}

/* -- every trial -- */

void view_trials(const view *v)
{
    table t = { 0 };
    const size_t number = table_column(&t, "trial", true, 0);
    const size_t phase = table_column(&t, "phase", false, 3);
    const size_t name = table_column(&t, "contender", false, 0);
    const size_t on = table_column(&t, "workload", false, 2);
    const size_t repeat = table_column(&t, "tuning", true, 4);
    const size_t state = table_column(&t, "state", false, 0);
    const size_t amount = table_column(&t, "value", true, 0);
    const size_t fidelity = table_column(&t, "epochs", true, 1);
    const size_t time = table_column(&t, "time", true, 3);
    const size_t params = table_column(&t, "params", false, 0);
    text_add(v->out, "\n");
    for (size_t i = 0; i < v->r->n_rows; i++) {
        const trial_row *row = &v->r->rows[i];
        char s[48];
        text shown = { 0 };
        study_add_params(&shown, row->params, SHOWN_DIGITS);
        if (row->reason[0]) {
            text_add(&shown, "  ");
            study_add_plain(&shown, row->reason, 0);
        }
        table_row(&t);
        table_cell(&t, number, "%llu", (unsigned long long)row->number);
        if (v->r->is_judged)
            table_cell(&t, phase, "%s", row->phase == STORE_TUNE ? "tuning" : "evaluation");
        table_cell(&t, name, "%s", v->d->contenders[row->contender].name);
        if (v->d->n_workloads > 1) table_cell(&t, on, "%s", v->d->workloads[row->workload].name);
        if (v->d->n_repeats > 1)
            table_cell(&t, repeat, "%llu", (unsigned long long)row->repeat + 1);
        table_cell(&t, state, "%s", trial_row_what(row));
        view_number(&t, amount, row->value);
        if (row->reached > 0.0) table_cell(&t, fidelity, "%g", row->reached);
        text_duration(s, row->wall_s);
        if (row->wall_s > 0.0) table_cell(&t, time, "%s", s);
        table_cell(&t, params, "%s", shown.s ? shown.s : "");
        text_release(&shown);
    }
    table_end(&t, v->style, v->out);
}
#else
typedef int no_studies; /* a file holds something */
#endif
