/* What probes cost: the same short runs of a 784-256-128-10 network, with train.probe and without, in turns, records
 * written to a folder.
 *
 *   bench_probe [BATCH [THREADS [EVERY [STEPS [TURNS [SHARE [OPTIMIZER]]]]]]]
 *
 * Prints the median step without, what probes add by wall clock and CPU time (medians over the pairs of neighbouring runs, which a
 * machine that is busy with other things disturbs less), and what one probe takes. */
#include "base/clock.h"
#include "base/text.h"
#include "num/gemm.h"
#include "train/run_records.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_TURNS = 101 };

typedef struct plan {
    long batch, threads, every, steps, turns;
    const char *share, *optimizer;
    char dir[64];
} plan;

static status run_once(const plan *p, bool probes, double out_s[2], error *err)
{
    registry *r = NULL;
    config *c = NULL;
    trainer *t = NULL;
    status st = OK;
    text s = { 0 };
    run_result result;
    run_records records = { .dir = p->dir };
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .dirs = dirs, .no_environment = true };
    const trainer_options to = { .sink = { run_records_emit, &records } };
    text_printf(&s,
        "data = { type = \"blobs\"; samples = %ld; features = 784; classes = 10; box = 0.5; "
        "spread = 0.5; batch_size = %ld; shuffle = false; };\n"
        "model = ( { type = \"dense\"; units = 256; }, \"relu\", { type = \"dense\"; units = 128; "
        "}, \"relu\", { type = \"dense\"; units = 10; } );\nloss = \"softmax_xent\";\n"
        "optimizer = { type = \"%s\"; lr = 1e-3; };\ntrain = { epochs = 1000000000; steps = %ld; "
        "threads = %ld; replicas = %ld; checkpoint = { every = 0; }; probe = { every = %ld; share "
        "= %s; }; "
        "};\n",
        8 * p->batch, p->batch, p->optimizer, p->steps, p->threads, p->threads,
        probes ? p->every : 0L, p->share);
    TRY(text_check(&s, err));
    TRY(registry_new(&ro, &r, err));
    TRY(config_parse("bench", s.s, &c, err));
    TRY(trainer_new(r, c, &to, &t, err));
    TRY(run_records_open(&records, t, false, err));
    const double wall = clock_wall_s(), cpu = clock_cpu_s();
    TRY(trainer_run(t, &result, err));
    out_s[0] = (clock_wall_s() - wall) / (double)p->steps;
    out_s[1] = (clock_cpu_s() - cpu) / (double)p->steps;
    TRY(run_records_close(&records, err));
done:
    run_records_release(&records);
    trainer_free(t);
    config_free(c);
    registry_free(r);
    text_release(&s);
    return st;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static long argument(int argc, char **argv, int i, long otherwise)
{
    return argc > i && atol(argv[i]) > 0 ? atol(argv[i]) : otherwise;
}

static double median(double *x, long n)
{
    qsort(x, (size_t)n, sizeof *x, compare);
    return x[n / 2];
}

/* s[with probes?][turn][wall, cpu] */
static void tell(const plan *p, double s[2][MAX_TURNS][2])
{
    double without[MAX_TURNS], ratio[2][MAX_TURNS];
    for (long i = 0; i < p->turns; i++) {
        without[i] = s[0][i][0];
        for (int clock = 0; clock < 2; clock++) {
            ratio[clock][i] = s[1][i][clock] / s[0][i][clock] - 1;
        }
    }
    const double step = median(without, p->turns), more = median(ratio[0], p->turns);
    printf("%s, batch %ld, %ld threads, every %ld: %.1f us a step, %.2f %% more of wall time, "
           "%.2f %% of CPU time, %.0f us a probe\n",
        p->optimizer, p->batch, p->threads, p->every, step * 1e6, more * 100,
        median(ratio[1], p->turns) * 100, more * step * 1e6 * (double)p->every);
}

int main(int argc, char **argv)
{
    static double seconds[2][MAX_TURNS][2];
    error err = { 0 };
    plan p = { .batch = argument(argc, argv, 1, 32),
        .threads = argument(argc, argv, 2, 1),
        .every = argument(argc, argv, 3, 50),
        .steps = argument(argc, argv, 4, 1000),
        .turns = argument(argc, argv, 5, 11),
        .share = argc > 6 ? argv[6] : "\"auto\"",
        .optimizer = argc > 7 ? argv[7] : "adam",
        .dir = "/tmp/assay-bench-XXXXXX" };
    num_init();
    p.turns = p.turns < MAX_TURNS ? p.turns : MAX_TURNS;
    if (!mkdtemp(p.dir)) {
        return 1;
    }
    for (long i = 0; i < 2 * p.turns; i++) {
        if (run_once(&p, i % 2, seconds[i % 2][i / 2], &err) != OK) {
            fprintf(stderr, "probe_cost: %s\n", err.text);
            return 1;
        }
    }
    tell(&p, seconds);
    char command[96];
    snprintf(command, sizeof command, "rm -r '%s'", p.dir);
    return system(command) != 0;
}
