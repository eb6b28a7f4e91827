/* An optimizer that ends the run itself, with a result of its own making: no weights, and an accuracy of 1. It knows how a result lies in memory,
 * as anybody may. */
#include "../acts.h"

#include "job/train_job.h"
#include "job/train_result.h"

#include <assay/plugin.h>

struct hostile_forger {
    int64_t at, n_w, n_b, rows;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(hostile_forger, at, 1000000, 1, 1000000, "at which step"),
    ASSAY_INT(hostile_forger, n_w, 0, 0, 1000000, "floats of weights"),
    ASSAY_INT(hostile_forger, n_b, 0, 0, 1000000, "floats of buffers"),
    ASSAY_INT(hostile_forger, rows, 0, 0, 1000000, "rows there is room for"),
};

static size_t up(size_t n)
{
    return (n + 63) / 64 * 64;
}

static void forge(const struct hostile_forger *h)
{
    size_t n;
    unsigned char *page = shared_pages(&n);
    if (!page) _exit(0);
    unsigned char *result = page + 4096;
    const size_t floats = up(sizeof(train_head)) + up(sizeof(train_live));
    const size_t rows_at = up(floats + 2 * (size_t)(h->n_w + h->n_b) * sizeof(float));
    const train_head head = { .n_w = (uint64_t)h->n_w,
        .n_b = (uint64_t)h->n_b,
        .n_rows = 3,
        .step = 90,
        .epoch = 2,
        .stop = STOP_EPOCHS };
    const train_row rows[3] = {
        { .step = 90,
            .kind = RECORD_EVALUATION,
            .is_final = 1,
            .split = "validation",
            .name = "loss",
            .value = 0 },
        { .step = 90,
            .kind = RECORD_EVALUATION,
            .is_final = 1,
            .split = "validation",
            .name = "accuracy",
            .value = 1 },
        { .step = 90,
            .kind = RECORD_EVALUATION,
            .is_final = 1,
            .split = "validation",
            .name = "rmse",
            .value = 0 },
    };
    memset(result, 0, rows_at);
    memcpy(result, &head, sizeof head);
    memcpy(result + rows_at, rows, sizeof rows);
    act_forge_done();
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct hostile_forger *h = hyper;
    (void)ctx;
    (void)s;
    if (step->t == (uint64_t)h->at) forge(h);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(hostile_forger, "0.1.0", "says that it has learnt everything",
    ASSAY_HYPERS(hostile_forger, hypers), .elem = update);
