/* A study's results as a table of comma-separated values (RFC 4180), one row per run: the form that statistics programs want. */
#include "study/results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Names of metrics, in the order of the alphabet. */
typedef struct metrics {
    arena memory;
    const char **name; // [n]
    size_t n, capacity;
} metrics;

static size_t find_place(const metrics *m, const char *name, bool *out_is_there)
{
    size_t low = 0, high = m->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(m->name[middle], name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *out_is_there = low < m->n && strcmp(m->name[low], name) == 0;
    return low;
}

static status add_metric(metrics *m, const char *name, error *err)
{
    bool is_there;
    const size_t at = find_place(m, name, &is_there);
    if (is_there) return OK;
    if (m->n == m->capacity) {
        const size_t more = m->capacity ? 2 * m->capacity : 16;
        const char **names = realloc((void *)m->name, more * sizeof *names);
        if (!names) return fail_nomem(err, "names of metrics");
        m->name = names;
        m->capacity = more;
    }
    const char *copy = arena_strdup(&m->memory, name);
    if (!copy) return fail_nomem(err, "names of metrics");
    memmove(
        (void *)(m->name + at + 1), (const void *)(m->name + at), (m->n - at) * sizeof *m->name);
    m->name[at] = copy;
    m->n++;
    return OK;
}

static bool is_row_of(const results *r, const trial_row *t, bool with_trials)
{
    return with_trials || !r->is_judged || t->phase == STORE_EVALUATE;
}

/* Of each metric the last value of the last attempt; values NULL: the names alone are taken. */
static status read_points(store *s, const trial_row *t, metrics *m, double *values, error *err)
{
    status st = OK;
    store_cursor *c = NULL;
    TRY(store_points_open(s, t->id, NULL, &c, err));
    for (;;) {
        store_trial_point p;
        bool is_row = false, is_there = false;
        TRY(store_points_next(c, &p, &is_row, err));
        if (!is_row) break;
        if (!values) {
            TRY(add_metric(m, p.point.metric, err));
            continue;
        }
        const size_t at = find_place(m, p.point.metric, &is_there);
        if (is_there && p.epoch == t->n_attempts) values[at] = p.point.value;
    }
done:
    store_cursor_close(c);
    return st;
}

/* -- writing -- */

static void add_text(text *out, const char *s)
{
    if (!s[strcspn(s, ",\"\r\n")]) {
        text_add(out, s);
        return;
    }
    text_add(out, "\"");
    for (; *s; s++) {
        if (*s == '"') text_add(out, "\"");
        text_add_bytes(out, s, 1);
    }
    text_add(out, "\"");
}

static void add_known(text *out, double v)
{
    text_add(out, ",");
    if (!isnan(v)) text_add_real(out, v);
}

static void add_row(const results *r, const trial_row *t, text *out)
{
    const declaration *d = r->declaration;
    const bool has_class = t->attempt_class >= 0 && t->attempt_class < N_OUTCOMES;
    add_text(out, r->study.name);
    text_add(out, ",");
    add_text(out, d->workloads[t->workload].name);
    text_add(out, ",");
    add_text(out, d->contenders[t->contender].name);
    text_printf(out, ",%llu,%s,%llu,%llu,%llu,%s,%s,", (unsigned long long)t->repeat,
        t->phase == STORE_TUNE ? "tuning" : "evaluation", (unsigned long long)t->proposal,
        (unsigned long long)t->number, (unsigned long long)t->seed, trial_state_name(t->state),
        has_class ? outcome_name((outcome_class)t->attempt_class) : "");
    add_text(out, t->reason);
    add_known(out, t->value);
    add_known(out, t->reached);
    add_known(out, t->samples);
    add_known(out, t->wall_s);
    add_known(out, t->cpu_s);
    text_add(out, ",");
    add_text(out, t->params);
}

static status add_rows(
    const results *r, store *s, bool with_trials, metrics *m, text *out, error *err)
{
    status st = OK;
    double *values = malloc((m->n + 1) * sizeof *values);
    if (!values) return fail_nomem(err, "values of metrics");
    for (size_t i = 0; i < r->n_rows; i++) {
        const trial_row *t = &r->rows[i];
        if (!is_row_of(r, t, with_trials)) continue;
        for (size_t k = 0; k < m->n; k++)
            values[k] = (double)NAN;
        TRY(read_points(s, t, m, values, err));
        add_row(r, t, out);
        for (size_t k = 0; k < m->n; k++)
            add_known(out, values[k]);
        text_add(out, "\n");
    }
done:
    free(values);
    return st;
}

status results_csv(const results *r, store *s, bool with_trials, text *out, error *err)
{
    status st = OK;
    metrics m = { 0 };
    for (size_t i = 0; i < r->n_rows; i++) {
        if (is_row_of(r, &r->rows[i], with_trials)) TRY(read_points(s, &r->rows[i], &m, NULL, err));
    }
    text_add(out,
        "study,workload,contender,repeat,phase,evaluation,trial,seed,state,class,reason,value,"
        "fidelity,samples,wall_s,cpu_s,params");
    for (size_t k = 0; k < m.n; k++) {
        text_add(out, ",");
        add_text(out, m.name[k]);
    }
    text_add(out, "\n");
    TRY(add_rows(r, s, with_trials, &m, out, err));
    TRY(text_check(out, err));
done:
    free((void *)m.name);
    arena_release(&m.memory);
    return st;
}
