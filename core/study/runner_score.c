/* What weights are worth: a fresh predictor computes outputs without knowing targets, and a scorer, which runs nobody's plugins but
 * assay's, holds the targets against them. First the last weights, then those of the best check, where these are others. */
#include "study/runner_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SCORES = 512 };

bool score_can(const run *n)
{
    return n->pack != NULL;
}

status score_start(run *n, error *err)
{
    status st = OK;
    size_t bytes;
    const train_layout *l = &n->layout;
    const unsigned char *trained = job_result(n->trained, &bytes);
    job_input in = train_input(n);
    in.data = n->pack->name[PACK_PREDICT];
    in.judges = n->spec.judges;
    in.payload = trained + (n->is_at_best ? l->best_w : l->last_w);
    in.n_payload = n->is_at_best ? l->floats_at + l->n_floats * sizeof(float) - l->best_w
                                 : l->best_w - l->last_w;
    TRY(predict_layout_of(
        n->plan->is.n_outputs, n->pack->head.n_output_rows, in.judges, &n->outputs, err));
    const sandbox_call c = { .result_bytes = n->outputs.bytes,
        .finite_at = n->outputs.floats_at,
        .n_finite = n->outputs.n_floats };
    n->stage = RUN_PREDICTS;
    TRY(train_start_job(n, PLACE_PREDICT, "predict", &in, &c, err));
done:
    return st;
}

static status score(run *n, const sandbox_job *predicted, error *err)
{
    size_t bytes;
    predict_head head;
    job_input in = train_input(n);
    const sandbox_call c = { .result_bytes = score_result_bytes(MOST_SCORES) };
    in.data = n->pack->name[PACK_SCORE];
    in.judges = n->spec.judges;
    in.payload = job_result(predicted, &bytes);
    in.n_payload = n->outputs.bytes;
    const status st = predict_result_check(in.payload, bytes, &n->outputs, err);
    if (st != OK) return st;
    memcpy(&head, in.payload, sizeof head);
    n->n_shards = head.n_shards;
    n->stage = RUN_SCORES;
    return train_start_job(n, PLACE_SCORE, "score", &in, &c, err);
}

static status read_scores(run *n, const sandbox_job *j, error *err)
{
    size_t bytes;
    score_head head;
    const score_row *rows;
    const void *got = job_result(j, &bytes);
    const status st = score_result_read(got, bytes, &head, &rows, err);
    return st == OK ? run_take_scores(n, rows, (size_t)head.n_rows, err) : st;
}

static bool has_other_best(const run *n)
{
    return n->head.has_best && n->head.best_step != n->head.step;
}

static status take(run *n, const sandbox_job *j, error *err)
{
    if (n->stage == RUN_PREDICTS) return score(n, j, err);
    outcome o = *job_outcome(j);
    status st = read_scores(n, j, err);
    if (st != OK) return st;
    if (!n->is_at_best && has_other_best(n)) {
        n->is_at_best = true;
        return score_start(n, err);
    }
    (void)run_is_valued(n, &o);
    run_over(n, &o);
    return OK;
}

void score_take(run *n, sandbox_job *j)
{
    error err;
    const status st = take(n, j, &err);
    job_free(j);
    if (st == E_CORRUPT) {
        run_over_for(n, OUTCOME_RESULT_INVALID, "%s", err.text);
    } else {
        train_go_on_or_end(n, st, &err);
    }
}
