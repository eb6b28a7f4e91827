/* assay beside other trainers: a co-process that trains one workload on demand, through the trainer's own step and the real
 * plugins.
 *
 *   train_peer WORKLOAD THREADS [--once | --config | --steps N --weights FILE]
 *
 * WORKLOAD is mlp:784-256-128-10:b32:adam (sizes, batch, optimizer: sgd sgdm adam adagrad; ReLU between; one output: mean
 * squared error, more: softmax cross-entropy). Protocol: prints "READY <flops per sample> samples" when warm; then for every
 * line "<seconds>" on standard input trains for about that long and prints "<samples> <wall seconds> <cpu seconds>". Exit code
 * 77: not a workload that assay has layers for. --once makes one step and ends (start-up time). --config prints the config that
 * is trained, --steps N --weights FILE trains N steps and writes the weights: `assay train` on that config gives the same bits. */
#include "base/clock.h"
#include "num/gemm.h"
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Enough batches that what happens once an epoch does not weigh, few enough samples to stay in cache. */
enum {
    MAX_SIZES = 16,
    N_BATCHES = 8,
    N_BATCHES_SMALL = 64,
    SMALL_BATCH = 8,
    EXIT_NOT_SUPPORTED = 77
};

typedef struct workload {
    size_t sizes[MAX_SIZES], n_sizes, batch;
    char optimizer[16];
} workload;

static bool parse(const char *s, workload *w)
{
    if (strncmp(s, "mlp:", 4) != 0) {
        return false;
    }
    char *at = (char *)(uintptr_t)(s + 4);
    do {
        w->sizes[w->n_sizes++] = strtoull(at, &at, 10);
    } while (*at++ == '-' && w->n_sizes < MAX_SIZES);
    return w->n_sizes >= 2 && sscanf(at, "b%zu:%15s", &w->batch, w->optimizer) == 2 && w->batch > 0;
}

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

/* Batches are views of data made beforehand: no shuffle, so no copy, as the other programs have it. */
static void write_config(const workload *w, const char *optimizer, long threads, text *t)
{
    const size_t outputs = w->sizes[w->n_sizes - 1],
                 n = w->batch * (w->batch < SMALL_BATCH ? N_BATCHES_SMALL : N_BATCHES);
    text_printf(t, "name = \"train-peer\"; seed = 1;\n");
    if (outputs > 1) {
        text_printf(t,
            "data = { type = \"blobs\"; samples = %zu; features = %zu; classes = %zu; box = 0.5; "
            "spread = 0.5; ",
            n, w->sizes[0], outputs);
    } else {
        text_printf(
            t, "data = { type = \"linear\"; samples = %zu; features = %zu; ", n, w->sizes[0]);
    }
    text_printf(t, "batch_size = %zu; shuffle = false; };\nmodel = (", w->batch);
    for (size_t i = 1; i < w->n_sizes; i++) {
        text_printf(t, "%s { type = \"dense\"; units = %zu; }%s", i > 1 ? "," : "", w->sizes[i],
            i + 1 < w->n_sizes ? ", { type = \"relu\"; }" : " );\n");
    }
    text_printf(t, "loss = \"%s\";\noptimizer = { %s; };\n", outputs > 1 ? "softmax_xent" : "mse",
        optimizer);
    text_printf(t, "train = { epochs = 1000000000; threads = %ld; replicas = %s; };\n", threads,
        threads == 1 ? "1" : "0");
}

static double flops_per_sample(const workload *w)
{
    double flops = 0;
    for (size_t i = 0; i + 1 < w->n_sizes; i++) {
        flops += (i ? 6.0 : 4.0) * (double)w->sizes[i] * (double)w->sizes[i + 1];
    }
    return flops;
}

static int complain(const error *err)
{
    fprintf(stderr, "train_peer: %s\n", err->text);
    return 1;
}

static status train_for(trainer *t, double seconds, double *out_samples, error *err)
{
    const double start = clock_wall_s();
    do {
        status st = trainer_step(t, err);
        if (st != OK) {
            return st;
        }
        *out_samples += (double)trainer_batch_size(t);
    } while (clock_wall_s() - start < seconds);
    return OK;
}

static int serve(trainer *t, const workload *w)
{
    error err = { 0 };
    double samples = 0;
    char line[64];
    if (train_for(t, 0.3, &samples, &err) != OK) {
        return complain(&err);
    }
    printf("READY %.6g samples\n", flops_per_sample(w));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) && atof(line) > 0) {
        const double wall = clock_wall_s(), cpu = clock_cpu_s();
        samples = 0;
        if (train_for(t, atof(line), &samples, &err) != OK) {
            return complain(&err);
        }
        printf("%.9g %.9g %.9g\n", samples, clock_wall_s() - wall, clock_cpu_s() - cpu);
        fflush(stdout);
    }
    return 0;
}

static int train(const workload *w, const char *config_text, int argc, char **argv)
{
    error err = { 0 };
    registry *r = NULL;
    config *c = NULL;
    trainer *t = NULL;
    status st = OK;
    int exit_code = 0;
    const registry_options ro = { .program_path = TEST_BUILD_DIR "/assay", .no_environment = true };
    const trainer_options to = { 0 };
    TRY(registry_new(&ro, &r, &err));
    TRY(config_parse("train_peer", config_text, &c, &err));
    TRY(trainer_new(r, c, &to, &t, &err));
    if (argc == 4 && strcmp(argv[3], "--once") == 0) {
        TRY(trainer_step(t, &err));
    } else if (argc == 7 && strcmp(argv[3], "--steps") == 0) {
        for (long i = 0; i < atol(argv[4]); i++) {
            TRY(trainer_step(t, &err));
        }
        TRY(trainer_save_weights(t, false, argv[6], &err));
    } else {
        exit_code = serve(t, w);
    }
done:
    if (st != OK) {
        exit_code = complain(&err);
    }
    trainer_free(t);
    config_free(c);
    registry_free(r);
    return exit_code;
}

int main(int argc, char **argv)
{
    workload w = { 0 };
    text config_text = { 0 };
    num_init();
    if (argc < 3) {
        fprintf(stderr,
            "usage: train_peer WORKLOAD THREADS [--once | --config | --steps N --weights FILE]\n");
        return 2;
    }
    const char *optimizer = parse(argv[1], &w) ? optimizer_block(w.optimizer) : NULL;
    if (!optimizer) {
        return EXIT_NOT_SUPPORTED;
    }
    write_config(&w, optimizer, atol(argv[2]), &config_text);
    int exit_code = 1;
    if (argc == 4 && strcmp(argv[3], "--config") == 0) {
        exit_code = fputs(config_text.s, stdout) < 0;
    } else if (config_text.s) {
        exit_code = train(&w, config_text.s, argc, argv);
    }
    text_release(&config_text);
    return exit_code;
}
