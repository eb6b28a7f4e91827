/* Predictions in a worker that has no targets. */
#include "job/predict_job.h"

#include "data/pack.h"
#include "base/arena.h"
#include "config/config.h"
#include "search/worker_plugins.h"
#include "job/job.h"
#include "job/layout.h"
#include "train/predictor.h"

#include <string.h>

typedef struct predict_job {
    job job;
    dataset *data;
    predictor *predictor;
} predict_job;

static status open_model(predict_job *p, error *err)
{
    status st = OK;
    job *j = &p->job;
    value *block = value_find(config_root(j->config), "data");
    if (!j->pack || !block) TRY(fail(err, E_INTERNAL, "predictions need a pack of data"));
    worker_at(j->io, PHASE_PLAN, 0);
    TRY(dataset_open_pack(j->config, block, j->pack, j->n_pack, &p->data, err));
    if (dataset_pack_use(p->data) != PACK_PREDICT) {
        TRY(fail(err, E_INTERNAL, "\"%s\" is no pack for predictions", j->input.data));
    }
    TRY(predictor_new(j->registry, j->config, p->data, &p->predictor, err));
    worker_at(j->io, PHASE_STEP, 0);
    TRY(worker_plugins_loaded(j->io, err));
done:
    return st;
}

static status take_weights(predict_job *p, error *err)
{
    model *m = predictor_model(p->predictor);
    const size_t n_w = m->n_flat * sizeof(float), n_b = m->n_flat_buffers * sizeof(float);
    const job_input *in = &p->job.input;
    if (in->n_payload != n_w + n_b) {
        return fail(err, E_INTERNAL, "%zu bytes of weights, where the model has %zu", in->n_payload,
            n_w + n_b);
    }
    memcpy(m->w, in->payload, n_w);
    if (n_b > 0) memcpy(m->b, (const unsigned char *)in->payload + n_w, n_b);
    return predictor_ready(p->predictor, err);
}

static status predict_parts(predict_job *p, error *err)
{
    status st = OK;
    unsigned char *out = NULL;
    predict_layout l;
    const bool judges = p->job.input.judges;
    const uint64_t n_rows[N_PARTS] = { 0, dataset_output_rows(p->data, PART_VALIDATION),
        dataset_output_rows(p->data, PART_TEST) };
    TRY(predict_layout_of(model_n_outputs(predictor_model(p->predictor)), n_rows, judges, &l, err));
    TRY(job_result_room(&p->job, "predict", l.bytes, &out, err));
    for (part k = PART_VALIDATION; k < N_PARTS; k++) {
        if (l.head.n_rows[k] == 0) continue;
        TRY(predictor_run(p->predictor, k, (float *)(void *)(out + l.y_at[k]), err));
    }
    l.head.n_shards = predictor_n_shards(p->predictor);
    memcpy(out, &l.head, sizeof l.head);
done:
    return st;
}

static int predict(const void *input, size_t n, worker_io *io)
{
    error err;
    int code = 0;
    predict_job p = { .data = NULL };
    status st = job_open(&p.job, io, input, n, &err);
    if (st == OK) st = open_model(&p, &err);
    if (st == OK) st = take_weights(&p, &err);
    if (st == OK) st = predict_parts(&p, &err);
    if (st != OK) code = job_refuse(&p.job, !p.predictor, &err);
    predictor_free(p.predictor);
    dataset_free(p.data);
    job_close(&p.job);
    return code;
}

const procedure predict_procedure = { "predict", predict, worker_plugins_find,
    worker_plugins_forget };

/* -- Both sides -- */

status predict_layout_of(uint64_t n_outputs, const uint64_t n_output_rows[N_PARTS], bool judges,
    predict_layout *out, error *err)
{
    const uint64_t most = UINT64_C(1) << 40;
    predict_layout l = { .floats_at = layout_up(sizeof(predict_head)) };
    l.head.n_outputs = n_outputs;
    l.bytes = l.floats_at;
    for (int p = PART_VALIDATION; p < N_PARTS; p++) {
        const uint64_t n = p == PART_TEST && !judges ? 0 : n_output_rows[p];
        size_t numbers = 0;
        if (n > most || n_outputs > most || !size_product(n, n_outputs, &numbers) ||
            numbers > most) {
            return fail(err, E_RANGE, "%llu rows of %llu outputs are more than can be",
                (unsigned long long)n, (unsigned long long)n_outputs);
        }
        l.head.n_rows[p] = n;
        l.y_at[p] = l.bytes;
        l.n_floats += numbers;
        l.bytes += numbers * sizeof(float);
    }
    *out = l;
    return OK;
}

status predict_result_check(const void *result, size_t n, const predict_layout *l, error *err)
{
    enum { MOST_SHARDS = 4096 };
    predict_head h;
    if (n < l->bytes) return fail(err, E_CORRUPT, "predictions have %zu bytes of %zu", n, l->bytes);
    memcpy(&h, result, sizeof h);
    const bool is_sound = h.n_outputs == l->head.n_outputs && h.n_shards >= 1 &&
        h.n_shards <= MOST_SHARDS && memcmp(h.n_rows, l->head.n_rows, sizeof h.n_rows) == 0;
    return is_sound ? OK : fail(err, E_CORRUPT, "the front of predictions is not as asked for");
}
