#include "workload.h"

#include "base/file.h"
#include "base/rng.h"
#include "num/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Enough batches that what happens once an epoch does not weigh, few enough samples to stay in cache. */
enum { N_BATCHES = 8, N_BATCHES_SMALL = 64, SMALL_BATCH = 8 };

/* copy_memory's own: symbols to copy, and tokens beside the symbols. */
enum { COPIED = 10, MARKS = 2 };

static const char *optimizer_block(const char *name)
{
    static const char *const blocks[][2] = { { "sgd", "type = \"sgd\"; lr = 1e-3" },
        { "sgdm", "type = \"sgd\"; lr = 1e-3; momentum = 0.9" },
        { "adam", "type = \"adam\"; lr = 1e-3" }, { "adagrad", "type = \"adagrad\"; lr = 1e-3" } };
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        if (strcmp(blocks[i][0], name) == 0) {
            return blocks[i][1];
        }
    }
    return NULL;
}

static bool parse_mlp(const char *s, workload *w)
{
    char *at = (char *)(uintptr_t)(s + strlen("mlp:"));
    do {
        w->sizes[w->n_sizes++] = strtoull(at, &at, 10);
    } while (*at++ == '-' && w->n_sizes < MAX_SIZES);
    return w->n_sizes >= 2 && sscanf(at, "b%zu:%15s", &w->batch, w->optimizer) == 2 &&
        w->batch > 0 && optimizer_block(w->optimizer);
}

static bool parse_recurrent(const char *s, workload *w)
{
    char task[16];
    if (sscanf(s, "%15[^:]:%7[^:]:%zu-%zux%zu:T%zu:b%zu", task, w->cell, &w->inputs, &w->units,
            &w->layers, &w->time, &w->batch) != 7) {
        return false;
    }
    w->recurrent = true;
    w->tokens = strcmp(task, "charlm") == 0;
    strcpy(w->optimizer, "adam");
    const bool known =
        strcmp(w->cell, "lstm") == 0 || strcmp(w->cell, "gru") == 0 || strcmp(w->cell, "rnn") == 0;
    const bool fits = w->tokens ? w->inputs > MARKS && w->time > 2 * COPIED
                                : strcmp(task, "ts") == 0 && w->inputs > 0;
    return known && fits && w->units > 0 && w->layers > 0 && w->time > 0 && w->batch > 0;
}

bool workload_parse(const char *s, workload *out)
{
    *out = (workload){ 0 };
    return strncmp(s, "mlp:", 4) == 0 ? parse_mlp(s, out) : parse_recurrent(s, out);
}

static size_t n_samples(const workload *w)
{
    return w->batch * (w->batch < SMALL_BATCH ? N_BATCHES_SMALL : N_BATCHES);
}

static void mlp_config(const workload *w, text *t)
{
    const size_t outputs = w->sizes[w->n_sizes - 1];
    if (outputs > 1) {
        text_printf(t,
            "data = { type = \"blobs\"; samples = %zu; features = %zu; classes = %zu; box = 0.5; "
            "spread = 0.5; ",
            n_samples(w), w->sizes[0], outputs);
    } else {
        text_printf(t, "data = { type = \"linear\"; samples = %zu; features = %zu; ", n_samples(w),
            w->sizes[0]);
    }
    text_printf(t, "batch_size = %zu; shuffle = false; };\nmodel = (", w->batch);
    for (size_t i = 1; i < w->n_sizes; i++) {
        text_printf(t, "%s { type = \"dense\"; units = %zu; }%s", i > 1 ? "," : "", w->sizes[i],
            i + 1 < w->n_sizes ? ", { type = \"relu\"; }" : " );\n");
    }
    text_printf(t, "loss = \"%s\";\n", outputs > 1 ? "softmax_xent" : "mse");
}

static void recurrent_config(const workload *w, const char *series, text *t)
{
    if (w->tokens) {
        text_printf(t,
            "data = { type = \"copy_memory\"; samples = %zu; length = %zu; symbols = %zu; ",
            n_samples(w), w->time - 2 * COPIED, w->inputs - MARKS);
    } else {
        text_printf(t, "data = { type = \"series\"; file = \"%s\"; history = %zu; stride = %zu; ",
            series, w->time, w->time);
    }
    text_printf(t, "batch_size = %zu; shuffle = false; };\nmodel = (", w->batch);
    for (size_t i = 1; i <= w->layers; i++) {
        text_printf(t, " { type = \"%s\"; units = %zu;%s%s },", w->cell, w->units,
            w->cell[0] == 'g' ? " reset = \"after\";" : "",
            !w->tokens && i == w->layers ? " return = \"last\";" : "");
    }
    text_printf(t, " { type = \"dense\"; units = %zu; bias = false; } );\nloss = \"%s\";\n",
        w->tokens ? w->inputs : 1, w->tokens ? "softmax_xent" : "mse");
}

void workload_config(const workload *w, const char *series, long threads, text *t)
{
    text_printf(t, "name = \"train-peer\"; seed = 1;\n");
    if (w->recurrent) {
        recurrent_config(w, series, t);
    } else {
        mlp_config(w, t);
    }
    text_printf(t, "optimizer = { %s; };\n", optimizer_block(w->optimizer));
    /* As many threads as there are cores is what a run chooses by itself, where it finds that they pay. */
    text_printf(t, "train = { epochs = 1000000000; threads = %ld; replicas = %s; };\n",
        (size_t)threads == team_cores() ? 0 : threads, threads == 1 ? "1" : "0");
}

status workload_write_series(const workload *w, const char *path, error *err)
{
    const rng r = rng_make(1, "series");
    const size_t rows = n_samples(w) * w->time + 1;
    status st = OK;
    text t = { 0 };
    if (!w->recurrent || w->tokens) {
        return OK;
    }
    for (size_t k = 0; k < w->inputs; k++) {
        text_printf(&t, "%sx%zu", k ? "," : "", k);
    }
    for (size_t i = 0; i < rows; i++) {
        for (size_t k = 0; k < w->inputs; k++) {
            float v;
            rng_uniform(r, k, i, &v, 1);
            text_printf(&t, "%c%.6f", k ? ',' : '\n', 2 * (double)v - 1);
        }
    }
    text_add(&t, "\n");
    TRY(text_check(&t, err));
    TRY(file_write_atomic(path, t.s, t.n, err));
done:
    text_release(&t);
    return st;
}

size_t workload_units_per_batch(const workload *w)
{
    return w->recurrent ? w->batch * w->time : w->batch;
}

const char *workload_unit(const workload *w)
{
    return w->recurrent ? "timesteps/s" : "samples";
}

static double recurrent_flops(const workload *w)
{
    const double gates = w->cell[0] == 'l' ? 4 : w->cell[0] == 'g' ? 3 : 1;
    const double units = (double)w->units, inputs = (double)w->inputs;
    double flops = 0;
    for (size_t i = 0; i < w->layers; i++) {
        flops += 6 * gates * units * units;
        flops += i > 0 ? 6 * gates * units * units : w->tokens ? 0 : 4 * gates * units * inputs;
    }
    return flops + (w->tokens ? 6 * units * inputs : 6 * units / (double)w->time);
}

double workload_flops_per_unit(const workload *w)
{
    double flops = 0;
    if (w->recurrent) {
        return recurrent_flops(w);
    }
    for (size_t i = 0; i + 1 < w->n_sizes; i++) {
        flops += (i ? 6.0 : 4.0) * (double)w->sizes[i] * (double)w->sizes[i + 1];
    }
    return flops;
}
