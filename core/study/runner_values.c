/* Numbers that a run leaves: curves, and the four that a study looks at. */
#include "study/runner_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The name as one that lives as long as the run: mostly that of a value shortly before. */
static const char *keep_name(run *n, const char *name)
{
    const size_t first = n->n_values > RUN_MOST_NAMES ? n->n_values - RUN_MOST_NAMES : 0;
    for (size_t i = n->n_values; i > first; i--) {
        if (strcmp(n->values[i - 1].name, name) == 0) return n->values[i - 1].name;
    }
    return arena_strdup(&n->memory, name);
}

status run_add_value(run *n, const run_value *v, error *err)
{
    /* What counts in the end has room of its own. */
    const size_t room = RUN_MOST_VALUES + (v->is_last || v->is_best ? 2 * RUN_MOST_NAMES : 0);
    if (n->n_values >= room) {
        n->n_values_dropped++;
        return OK;
    }
    if (n->n_values == n->values_capacity) {
        const size_t more = n->values_capacity ? 2 * n->values_capacity : 64;
        run_value *grown = realloc(n->values, more * sizeof *grown);
        if (!grown) return fail_nomem(err, "a run's numbers");
        n->values = grown;
        n->values_capacity = more;
    }
    run_value kept = *v;
    kept.name = keep_name(n, v->name);
    if (!kept.name) return fail_nomem(err, "a run's numbers");
    n->values[n->n_values++] = kept;
    return OK;
}

/* -- Of training -- */

enum { NAME_BYTES = 64 };

static void full_name(const train_row *row, char out[NAME_BYTES])
{
    snprintf(out, NAME_BYTES, "%s%s%s", row->split, row->split[0] ? "." : "", row->name);
}

/* One of the study's two metrics. A check's rows are at the weights of its step; final ones at the last weights, or at the best, where
 * training ends with those. */
static void see(const run *n, const train_row *row, number *last, number *best)
{
    const train_head *h = &n->head;
    const number v = { .v = row->value, .has = true };
    const bool is_at_best = row->is_final ? n->restores_best && h->has_best : row->is_best;
    const bool is_at_last = row->is_final ? !is_at_best : row->step == h->step;
    if (is_at_best) *best = v;
    if (is_at_last || !row->split[0]) *last = v;
    if (row->is_final && h->has_best && h->best_step == h->step) *last = *best = v;
}

/* Parts that a scorer judges: there a trainer's word is shown and does not count. Without a sandbox nobody is apart from anybody. */
static bool is_scorers(const run *n, const train_row *row)
{
    return score_can(n) && n->owner->level != SANDBOX_NONE &&
        (strcmp(row->split, "validation") == 0 || strcmp(row->split, "test") == 0);
}

status run_take_rows(run *n, const train_row *rows, error *err)
{
    status st = OK;
    const declaration *d = n->owner->declaration;
    for (size_t i = 0; i < n->head.n_rows; i++) {
        const train_row *row = &rows[i];
        char name[NAME_BYTES];
        if (!n->spec.judges && strcmp(row->split, "test") == 0) continue;
        full_name(row, name);
        const bool is_best = row->is_final && n->restores_best && n->head.has_best;
        const run_value v = { .name = name,
            .value = row->value,
            .step = is_best ? n->head.best_step : row->step,
            .is_last = row->is_final && (!is_best || n->head.best_step == n->head.step),
            .is_best = is_best };
        TRY(run_add_value(n, &v, err));
        if (is_scorers(n, row)) continue;
        if (strcmp(name, d->metric) == 0) see(n, row, &n->value, &n->best);
        if (n->spec.judges && strcmp(name, d->judged) == 0)
            see(n, row, &n->judged, &n->judged_best);
    }
    if (!n->best.has && !n->head.has_best) n->best = n->value;
    if (!n->judged_best.has && !n->head.has_best) n->judged_best = n->judged;
done:
    return st;
}

/* -- Of a scorer -- */

status run_take_scores(run *n, const score_row *rows, size_t n_rows, error *err)
{
    status st = OK;
    const declaration *d = n->owner->declaration;
    const train_head *h = &n->head;
    const bool is_both = !h->has_best || h->best_step == h->step;
    for (size_t i = 0; i < n_rows; i++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "%s.%s", rows[i].split, rows[i].name);
        const run_value v = { .name = name,
            .value = rows[i].value,
            .step = n->is_at_best ? h->best_step : h->step,
            .is_last = !n->is_at_best,
            .is_best = n->is_at_best || is_both,
            .is_scored = true };
        const number at = { rows[i].value, true };
        TRY(run_add_value(n, &v, err));
        if (strcmp(name, d->metric) == 0) {
            n->is_scored = true;
            if (v.is_last) n->value = at;
            if (v.is_best) n->best = at;
        }
        if (n->spec.judges && strcmp(name, d->judged) == 0) {
            if (v.is_last) n->judged = at;
            if (v.is_best) n->judged_best = at;
        }
    }
done:
    return st;
}

/* -- The study's numbers -- */

static bool was_told(const run *n, const char *name)
{
    for (size_t i = 0; i < n->n_values; i++) {
        if (strcmp(n->values[i].name, name) == 0) return true;
    }
    return false;
}

static void say_missing(const run *n, const char *name, outcome *o)
{
    text there = { 0 };
    o->class = OUTCOME_RESULT_INVALID;
    if (n->workload->kind == WORKLOAD_TRAIN && was_told(n, name)) {
        snprintf(o->text, sizeof o->text,
            "\"%s\" is told by the trainer alone: the loss or metric that makes it does not come "
            "with assay and is shown, never ranked on",
            name);
        return;
    }
    const char *const who = n->workload->kind == WORKLOAD_COMMAND ? "program" : "run";
    for (size_t i = n->n_values; i > 0 && n->n_values - i < RUN_MOST_NAMES; i--) {
        const char *s = n->values[i - 1].name;
        const char *at = there.s ? strstr(there.s, s) : NULL;
        if (!at) text_printf(&there, "%s%s", there.n ? ", " : "", s);
    }
    snprintf(o->text, sizeof o->text, "the %s ended without \"%s\"%s%s", who, name,
        there.n ? "; it told " : "", there.n ? there.s : "");
    text_release(&there);
}

static bool is_good(const run *n, number v, const char *name, outcome *o)
{
    if (!v.has) {
        say_missing(n, name, o);
    } else if (!isfinite(v.v)) {
        o->class = OUTCOME_NONFINITE;
        snprintf(o->text, sizeof o->text, "\"%s\" is %g", name, v.v);
    }
    return v.has && isfinite(v.v);
}

bool run_is_valued(const run *n, outcome *o)
{
    const declaration *d = n->owner->declaration;
    const number v = d->takes_best ? n->best : n->value;
    const number judged = d->takes_best ? n->judged_best : n->judged;
    return is_good(n, v, d->metric, o) && (!n->spec.judges || is_good(n, judged, d->judged, o));
}
