/* Scores in a worker that has the targets, and no plugin of a third party. */
#include "job/score_job.h"

#include "base/text.h"
#include "data/pack.h"
#include "base/arena.h"
#include "config/config.h"
#include "search/worker_plugins.h"
#include "job/job.h"
#include "job/layout.h"
#include "job/predict_job.h"
#include "train/scorer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct score_job {
    job job;
    dataset *data;
    scorer *scorer;
    predict_layout layout; /* of the payload */
    float *y; /* the payload's floats, aligned */
    text skipped;
    score_head head;
    unsigned char *result;
    size_t most_rows;
} score_job;

size_t score_result_bytes(size_t most_rows)
{
    return sizeof(score_head) + most_rows * sizeof(score_row);
}

static status open_data(score_job *s, error *err)
{
    status st = OK;
    job *j = &s->job;
    value *block = value_find(config_root(j->config), "data");
    if (!j->pack || !block) TRY(fail(err, E_INTERNAL, "scores need a pack of data"));
    worker_at(j->io, PHASE_PLAN, 0);
    TRY(dataset_open_pack(j->config, block, j->pack, j->n_pack, &s->data, err));
    if (dataset_pack_use(s->data) != PACK_SCORE) {
        TRY(fail(err, E_INTERNAL, "\"%s\" is no pack for scores", j->input.data));
    }
done:
    return st;
}

/* The outputs are what a predictor left: as many as the targets ask for, or none at all. */
static status take_outputs(score_job *s, predict_head *out, error *err)
{
    predict_head h;
    status st = OK;
    const job_input *in = &s->job.input;
    const uint64_t n_rows[N_PARTS] = { 0, dataset_output_rows(s->data, PART_VALIDATION),
        dataset_output_rows(s->data, PART_TEST) };
    if (in->n_payload < sizeof h) TRY(fail(err, E_CORRUPT, "there are no outputs to be scored"));
    memcpy(&h, in->payload, sizeof h);
    TRY(predict_layout_of(h.n_outputs, n_rows, in->judges, &s->layout, err));
    TRY(predict_result_check(in->payload, in->n_payload, &s->layout, err));
    s->y = mem_aligned(s->layout.n_floats + 1, sizeof *s->y);
    if (!s->y) TRY(fail_nomem(err, "the outputs"));
    memcpy(s->y, (const unsigned char *)in->payload + s->layout.floats_at,
        s->layout.n_floats * sizeof *s->y);
    *out = h;
done:
    return st;
}

static status open_scorer(score_job *s, error *err)
{
    predict_head h;
    size_t n_skipped = 0;
    status st = OK;
    job *j = &s->job;
    TRY(open_data(s, err));
    TRY(take_outputs(s, &h, err));
    TRY(scorer_new(j->registry, j->config, s->data, (size_t)h.n_outputs, (size_t)h.n_shards,
        &s->skipped, &n_skipped, &s->scorer, err));
    s->head.n_skipped = n_skipped;
    snprintf(s->head.skipped, sizeof s->head.skipped, "%s", s->skipped.s ? s->skipped.s : "");
    worker_at(j->io, PHASE_STEP, 0);
    TRY(worker_plugins_loaded(j->io, err));
done:
    return st;
}

static status lay_out(score_job *s, error *err)
{
    size_t n = 0;
    const status st = job_result_room(&s->job, "score", score_result_bytes(0), &s->result, err);
    if (st != OK) return st;
    worker_result(s->job.io, &n);
    s->most_rows = (n - score_result_bytes(0)) / sizeof(score_row);
    return OK;
}

static void add_rows(score_job *s, part p, const record_value *values, size_t n)
{
    score_row *rows = (void *)(s->result + sizeof(score_head));
    for (size_t i = 0; i < n; i++) {
        if (values[i].matrix) continue;
        if (s->head.n_rows == s->most_rows) {
            s->head.n_dropped++;
            continue;
        }
        score_row *row = &rows[s->head.n_rows++];
        *row = (score_row){ .value = values[i].value };
        snprintf(row->split, sizeof row->split, "%s", part_name(p));
        snprintf(row->name, sizeof row->name, "%s", values[i].name);
    }
}

static status score_parts(score_job *s, error *err)
{
    status st = OK;
    TRY(lay_out(s, err));
    for (part p = PART_VALIDATION; p < N_PARTS; p++) {
        const record_value *values = NULL;
        size_t n = 0;
        if (s->layout.head.n_rows[p] == 0) continue;
        const float *y = s->y + (s->layout.y_at[p] - s->layout.floats_at) / sizeof *y;
        TRY(scorer_run(s->scorer, p, y, &values, &n, err));
        add_rows(s, p, values, n);
    }
    memcpy(s->result, &s->head, sizeof s->head);
done:
    return st;
}

static int score(const void *input, size_t n, worker_io *io)
{
    error err;
    int code = 0;
    score_job s = { .data = NULL };
    status st = job_open(&s.job, io, input, n, &err);
    if (st == OK) st = open_scorer(&s, &err);
    if (st == OK) st = score_parts(&s, &err);
    if (st != OK) code = job_refuse(&s.job, !s.scorer, &err);
    scorer_free(s.scorer);
    dataset_free(s.data);
    free(s.y);
    text_release(&s.skipped);
    job_close(&s.job);
    return code;
}

const procedure score_procedure = { "score", score, worker_plugins_find, worker_plugins_forget };

/* -- The host's side -- */

status score_result_read(
    const void *result, size_t n, score_head *out_head, const score_row **out_rows, error *err)
{
    score_head h;
    if (n < sizeof h) return fail(err, E_CORRUPT, "scores have %zu bytes", n);
    memcpy(&h, result, sizeof h);
    const score_row *rows = (const void *)((const unsigned char *)result + sizeof h);
    if (h.n_rows > (n - sizeof h) / sizeof *rows ||
        !layout_text_ends(h.skipped, sizeof h.skipped)) {
        return fail(err, E_CORRUPT, "the front of scores contradicts their %zu bytes", n);
    }
    for (size_t i = 0; i < h.n_rows; i++) {
        if (!layout_text_ends(rows[i].split, sizeof rows[i].split) ||
            !layout_text_ends(rows[i].name, sizeof rows[i].name)) {
            return fail(err, E_CORRUPT, "row %zu of scores is none", i);
        }
    }
    *out_head = h;
    *out_rows = rows;
    return OK;
}
