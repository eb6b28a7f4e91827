/* A workload's data in packs, and the sandboxes that hold one each. */
#ifndef ASSAY_TESTS_CORE_STUDY_TRUST_RIG_H
#define ASSAY_TESTS_CORE_STUDY_TRUST_RIG_H

#include "core/cli/process.h"
#undef fail

#include "base/arena.h"
#include "base/file.h"
#include "sandbox/sandbox.h"
#include "job/data_job.h"
#include "job/predict_job.h"
#include "job/procedures.h"
#include "job/score_job.h"
#include "job/job_input.h"
#include "job/train_job.h"

#include <math.h>

enum { TRUST_ROWS = 4000, TRUST_SCORES = 64 };

typedef struct trust_rig {
    sandbox *open; /* has no pack */
    sandbox *with[N_PACKS]; /* each has its pack as "data0" */
    job_input input; /* of the workload; its texts are the test's, or `written` */
    char *written;
    load_head head;
    unsigned char *packs; /* the loaded result */
} trust_rig;

static inline void must(status st, const error *err)
{
    if (st == OK) return;
    print_error("%s\n", err->text);
    abort();
}

static inline sandbox *trust_sandbox(const sandbox_input *in, size_t n)
{
    static procedure table[STUDY_MOST_PROCEDURES]; /* the sandbox borrows it */
    static const char *const readable[] = { TEST_SOURCE_DIR "/configs", TEST_BUILD_DIR "/tests",
        TEST_SOURCE_DIR "/../shared/data", "/tmp", NULL };
    error err;
    sandbox *s = NULL;
    const sandbox_options o = { .program = PROGRAM,
        .procedures = table,
        .n_procedures = study_procedures(table),
        .readable = readable,
        .inputs = in,
        .n_inputs = n };
    must(sandbox_open(&o, &s, &err), &err);
    return s;
}

/* A job in its strictest sandbox, waited for. */
static inline sandbox_job *trust_run(sandbox *s, const char *name, const job_input *in,
    size_t bytes, size_t finite_at, size_t n_finite)
{
    error err;
    text t = { 0 };
    sandbox_job *j = NULL;
    must(job_input_write(in, &t, &err), &err);
    const sandbox_call c = { .level = SANDBOX_STRICT,
        .procedure = name,
        .input = t.s,
        .n_input = t.n,
        .result_bytes = bytes,
        .finite_at = finite_at,
        .n_finite = n_finite };
    must(sandbox_start(s, &c, &j, &err), &err);
    must(sandbox_wait(s, -1, &j, &err), &err);
    text_release(&t);
    return j;
}

/* The same, of one that must come to a good end. */
static inline const void *trust_result(const sandbox_job *j)
{
    size_t n;
    if (job_outcome(j)->class != OUTCOME_OK) {
        print_error("%s: %s\n", outcome_name(job_outcome(j)->class), job_outcome(j)->text);
        abort();
    }
    return job_result(j, &n);
}

static inline void trust_load(trust_rig *g)
{
    error err;
    job_input in = g->input;
    in.data = NULL;
    sandbox_job *j = trust_run(g->open, "load", &in, sizeof(load_head), 0, 0);
    must(load_result_read(trust_result(j), sizeof(load_head), &g->head, &err), &err);
    job_free(j);
    assert_true(g->head.can_be_packed);
    assert_false(g->head.is_filled);
    j = trust_run(g->open, "load", &in, g->head.total, 0, 0);
    must(load_result_read(trust_result(j), g->head.total, &g->head, &err), &err);
    assert_true(g->head.is_filled);
    g->packs = mem_aligned(g->head.total, 1);
    assert_non_null(g->packs);
    memcpy(g->packs, trust_result(j), g->head.total);
    job_free(j);
}

static inline void trust_open(trust_rig *g)
{
    g->open = trust_sandbox(NULL, 0);
    trust_load(g);
    for (int u = 0; u < N_PACKS; u++) {
        const sandbox_input in = { "data0", g->packs + g->head.at[u], g->head.bytes[u] };
        g->with[u] = trust_sandbox(&in, 1);
    }
    g->input.data = "data0";
}

/* Of a file of configs/. */
static inline void trust_open_file(trust_rig *g, const char *path)
{
    error err;
    size_t n;
    must(file_read(path, &g->written, &n, &err), &err);
    g->input.name = path;
    g->input.written = g->written;
    trust_open(g);
}

static inline void trust_close(trust_rig *g)
{
    for (int u = 0; u < N_PACKS; u++)
        sandbox_close(g->with[u]);
    sandbox_close(g->open);
    free(g->packs);
    free(g->written);
    *g = (trust_rig){ .open = NULL };
}

/* A trained run: of the pack, or of data that it opened itself. */
typedef struct trained {
    sandbox_job *job;
    train_plan plan;
    train_layout layout;
    train_head head;
    const train_row *rows;
    const unsigned char *result;
} trained;

static inline train_plan trust_plan(const trust_rig *g, bool from_pack)
{
    train_plan p;
    job_input in = g->input;
    if (!from_pack) in.data = NULL;
    sandbox_job *j =
        trust_run(from_pack ? g->with[PACK_TRAIN] : g->open, "plan", &in, sizeof p, 0, 0);
    memcpy(&p, trust_result(j), sizeof p);
    job_free(j);
    return p;
}

static inline trained trust_train(const trust_rig *g, bool from_pack)
{
    error err;
    trained t = { .plan = trust_plan(g, from_pack) };
    job_input in = g->input;
    if (!from_pack) in.data = NULL;
    must(train_layout_of(t.plan.n_w, t.plan.n_b, in.checkpoint_room, TRUST_ROWS, &t.layout, &err),
        &err);
    t.job = trust_run(from_pack ? g->with[PACK_TRAIN] : g->open, "train", &in, t.layout.bytes,
        t.layout.floats_at, t.layout.n_floats);
    t.result = trust_result(t.job);
    must(train_result_read(t.result, t.layout.bytes, &t.layout, &t.head, &t.rows, &err), &err);
    return t;
}

/* What a training said at its final weights; NaN: nothing. */
static inline double trust_said(const trained *t, const char *split, const char *name)
{
    double v = NAN;
    for (size_t i = 0; i < t->head.n_rows; i++) {
        const train_row *r = &t->rows[i];
        if (r->is_final && strcmp(r->split, split) == 0 && strcmp(r->name, name) == 0) v = r->value;
    }
    return v;
}

typedef struct scored {
    sandbox_job *job;
    score_head head;
    const score_row *rows;
} scored;

/* Weights through predictor and scorer. */
static inline scored trust_score(const trust_rig *g, const train_plan *p, const void *weights)
{
    error err;
    predict_layout l;
    scored s = { .job = NULL };
    job_input in = g->input;
    in.judges = true;
    must(predict_layout_of(p->n_outputs, g->head.n_output_rows, true, &l, &err), &err);
    in.payload = weights;
    in.n_payload = (size_t)(p->n_w + p->n_b) * sizeof(float);
    sandbox_job *j =
        trust_run(g->with[PACK_PREDICT], "predict", &in, l.bytes, l.floats_at, l.n_floats);
    in.payload = trust_result(j);
    in.n_payload = l.bytes;
    must(predict_result_check(in.payload, l.bytes, &l, &err), &err);
    s.job = trust_run(g->with[PACK_SCORE], "score", &in, score_result_bytes(TRUST_SCORES), 0, 0);
    must(score_result_read(
             trust_result(s.job), score_result_bytes(TRUST_SCORES), &s.head, &s.rows, &err),
        &err);
    job_free(j);
    return s;
}

static inline double trust_scored(const scored *s, const char *split, const char *name)
{
    for (size_t i = 0; i < s->head.n_rows; i++) {
        const score_row *r = &s->rows[i];
        if (strcmp(r->split, split) == 0 && strcmp(r->name, name) == 0) return r->value;
    }
    return NAN;
}

#endif
