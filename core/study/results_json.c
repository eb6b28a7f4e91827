/* A study's results for programs: every number that the tables show, and those that they leave out. Keys are only ever added; what
 * changes its meaning gets another "assay_study". */
#include "study/results.h"

#include "base/json.h"

#include <math.h>

/* A number that is not known is null. */
static void key_known(json *j, const char *key, double v)
{
    json_key(j, key);
    if (isnan(v)) {
        json_null(j);
    } else {
        json_real(j, v);
    }
}

/* Times to the microsecond, which is more than a clock of a system is good for. */
static void key_time(json *j, const char *key, double v)
{
    key_known(j, key, isnan(v) ? v : round(v * 1e6) / 1e6);
}

static void key_u64(json *j, const char *key, uint64_t v)
{
    json_key(j, key);
    text_printf(j->out, "%llu", (unsigned long long)v);
    j->after_key = false;
}

/* Text of a store that is an object already. */
static void key_object(json *j, const char *key, const char *written)
{
    json_key(j, key);
    text_add(j->out, written[0] ? written : "null");
    j->after_key = false;
}

static void add_cost(json *j, const char *key, const result_cost *c)
{
    json_key(j, key);
    json_begin_object(j);
    key_u64(j, "trials", c->n_trials);
    json_key_real(j, "samples", c->samples);
    json_key_real(j, "wall_s", c->wall_s);
    json_key_real(j, "cpu_s", c->cpu_s);
    json_end_object(j);
}

static void add_trial(const results *r, json *j, const trial_row *t)
{
    const declaration *d = r->declaration;
    json_begin_object(j);
    key_u64(j, "number", t->number);
    json_key_string(j, "phase", t->phase == STORE_TUNE ? "tuning" : "evaluation");
    json_key_string(j, "workload", d->workloads[t->workload].name);
    json_key_string(j, "contender", d->contenders[t->contender].name);
    key_u64(j, "repeat", t->repeat);
    key_u64(j, "proposal", t->proposal);
    key_u64(j, "seed", t->seed);
    json_key_string(j, "state", trial_state_name(t->state));
    if (t->attempt_class > 0 && t->attempt_class < N_OUTCOMES) {
        json_key_string(j, "class", outcome_name((outcome_class)t->attempt_class));
    }
    if (t->reason[0]) json_key_string(j, "reason", t->reason);
    key_u64(j, "attempts", t->n_attempts);
    key_object(j, "params", t->params);
    key_known(j, "value", t->value);
    key_known(j, "standard_error", t->standard_error);
    key_known(j, "fidelity", t->reached);
    key_known(j, "samples", t->samples);
    key_known(j, "wall_s", t->wall_s);
    key_known(j, "cpu_s", t->cpu_s);
    key_time(j, "started", t->started);
    key_time(j, "finished", t->finished);
    if (t->state == TRIAL_RUNNING) json_key_string(j, "owner", t->owner);
    json_end_object(j);
}

static void add_repeat(const results *r, json *j, uint64_t k, const result_repeat *p)
{
    json_begin_object(j);
    key_u64(j, "repeat", k);
    key_u64(j, "tuning_trials", p->n_tuning);
    key_u64(j, "tuning_trials_with_a_value", p->n_tuned);
    json_key(j, "winner");
    if (p->winner) {
        json_begin_object(j);
        key_u64(j, "trial", p->winner->number);
        key_u64(j, "seed", p->winner->seed);
        key_object(j, "params", p->winner->params);
        key_known(j, "tuning_value", p->winner->value);
        json_end_object(j);
    } else {
        json_null(j);
    }
    json_key(j, "evaluations");
    json_begin_array(j);
    for (size_t i = 0; i < p->n_runs; i++)
        add_trial(r, j, p->runs[i]);
    json_end_array(j);
    key_known(j, "mean", p->mean);
    key_known(j, "sd", p->sd);
    json_end_object(j);
}

static void add_failures(json *j, const result_contender *c)
{
    json_key(j, "failures");
    json_begin_array(j);
    for (size_t i = 0; i < c->n_failures; i++) {
        const result_failure *f = &c->failures[i];
        json_begin_object(j);
        json_key_string(j, "phase", f->phase == STORE_TUNE ? "tuning" : "evaluation");
        json_key_string(j, "what", f->what);
        key_u64(j, "n", f->n);
        key_u64(j, "first_trial", f->first->number);
        json_key_string(j, "first_reason", f->first->reason);
        json_end_object(j);
    }
    json_end_array(j);
}

static void add_pair(const results *r, json *j, const result_contender *c)
{
    const result_pair *p = &c->against;
    json_key(j, "against_control");
    if (c->i == r->declaration->control || !r->is_judged) {
        json_null(j);
        return;
    }
    json_begin_object(j);
    json_key_string(j, "compares", r->declaration->n_repeats > 1 ? "tuned" : "configurations");
    key_u64(j, "repeats", p->n_repeats);
    key_u64(j, "paired_runs", p->n_runs);
    json_key_bool(j, "has_failures", p->has_bad);
    key_known(j, "difference", p->mean);
    key_known(j, "sd", p->sd);
    key_known(j, "low", p->low);
    key_known(j, "high", p->high);
    key_known(j, "p", p->p);
    key_known(j, "correlation_of_pairs", p->correlation);
    json_end_object(j);
}

static void add_contender(const results *r, json *j, const result_contender *c)
{
    json_begin_object(j);
    json_key_string(j, "name", r->declaration->contenders[c->i].name);
    json_key(j, "rank");
    if (c->rank) {
        json_int(j, (int64_t)c->rank);
    } else {
        json_null(j);
    }
    json_key_bool(j, "is_control", c->i == r->declaration->control);
    key_u64(j, "evaluations", c->n_runs);
    key_u64(j, "evaluations_done", c->n_done);
    key_u64(j, "evaluations_failed", c->n_bad);
    key_u64(j, "evaluations_lost", c->n_lost);
    key_u64(j, "tunings_without_a_value", c->n_fruitless);
    key_known(j, "median", c->median);
    key_known(j, "low_quartile", c->low_quartile);
    key_known(j, "high_quartile", c->high_quartile);
    key_known(j, "sd_seeds", c->sd_seeds);
    key_known(j, "sd_repeats", c->sd_repeats);
    key_known(j, "best_tuning_value", c->best ? c->best->value : (double)NAN);
    add_cost(j, "tuning_cost", &c->tuning);
    add_cost(j, "evaluation_cost", &c->evaluation);
    add_failures(j, c);
    add_pair(r, j, c);
    json_key(j, "repeats");
    json_begin_array(j);
    for (uint64_t k = 0; k < r->declaration->n_repeats; k++)
        add_repeat(r, j, k, &c->repeats[k]);
    json_end_array(j);
    json_end_object(j);
}

static void add_workloads(const results *r, json *j)
{
    const declaration *d = r->declaration;
    json_key(j, "workloads");
    json_begin_array(j);
    for (size_t w = 0; w < d->n_workloads; w++) {
        json_begin_object(j);
        json_key_string(j, "name", d->workloads[w].name);
        json_key(j, "contenders");
        json_begin_array(j);
        for (size_t i = 0; i < d->n_contenders; i++)
            add_contender(r, j, &r->workloads[w].contenders[r->workloads[w].order[i]]);
        json_end_array(j);
        json_end_object(j);
    }
    json_end_array(j);
}

static void add_head(const results *r, json *j)
{
    const declaration *d = r->declaration;
    json_key_int(j, "assay_study", 1);
    json_key_string(j, "name", r->study.name);
    json_key_string(j, "declaration", r->study.declaration_hash);
    json_key_string(j, "compare", d->compare);
    json_key_bool(j, "is_plain", d->is_plain);
    json_key_string(j, "control", d->contenders[d->control].name);
    json_key_string(j, "metric", d->metric);
    json_key_string(j, "direction", d->direction == STORE_MAXIMIZE ? "max" : "min");
    json_key_string(j, "judged", d->judged);
    json_key_string(j, "judged_direction", d->judged_direction == STORE_MAXIMIZE ? "max" : "min");
    json_key_string(j, "weights", d->takes_best ? "best" : "last");
    key_u64(j, "repeats", d->n_repeats);
    key_u64(j, "evaluations", d->n_evaluations);
    json_key_string(j, "infers_on",
        !r->is_judged          ? "nothing: values of tuning are optimistic"
            : d->n_repeats > 1 ? "means of repeats"
                               : "nothing: one tuning each compares configurations");
    json_key(j, "states");
    json_begin_object(j);
    for (int i = 0; i < N_TRIAL_STATES; i++)
        key_u64(j, trial_state_name((trial_state)i), r->count[i]);
    json_end_object(j);
}

status results_json(const results *r, bool with_trials, text *out, error *err)
{
    json j;
    json_init(&j, out);
    json_begin_object(&j);
    add_head(r, &j);
    add_workloads(r, &j);
    if (with_trials || !r->is_judged) {
        json_key(&j, "trials");
        json_begin_array(&j);
        for (size_t i = 0; i < r->n_rows; i++)
            add_trial(r, &j, &r->rows[i]);
        json_end_array(&j);
    }
    json_end_object(&j);
    text_add(out, "\n");
    return text_check(out, err);
}
