/* assay beside other trainers: a co-process that trains one workload on demand, through the trainer's own step and the real
 * plugins.
 *
 *   train_peer WORKLOAD THREADS [--once | --config | --steps N --weights FILE]
 *
 * WORKLOAD: see workload.h. Protocol: prints "READY <flops per unit> <unit>" when warm; then for every
 * line "<seconds>" on standard input trains for about that long and prints "<units> <wall seconds> <cpu seconds>". Exit code
 * 77: not a workload that assay has layers for. --once makes one step and ends (start-up time). --config prints the config that
 * is trained, --steps N --weights FILE trains N steps and writes the weights: `assay train` on that config gives the same bits. */
#include "base/clock.h"
#include "num/gemm.h"
#include "train/trainer.h"

#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_NOT_SUPPORTED = 77 };

static const char series[] = TEST_BUILD_DIR "/tests/bench/series.csv";

static int complain(const error *err)
{
    fprintf(stderr, "train_peer: %s\n", err->text);
    return 1;
}

static status train_for(
    trainer *t, const workload *w, double seconds, double *out_units, error *err)
{
    const double start = clock_wall_s();
    do {
        status st = trainer_step(t, err);
        if (st != OK) {
            return st;
        }
        *out_units += (double)workload_units_per_batch(w);
    } while (clock_wall_s() - start < seconds);
    return OK;
}

static int serve(trainer *t, const workload *w)
{
    error err = { 0 };
    double units = 0;
    char line[64];
    if (train_for(t, w, 0.3, &units, &err) != OK) {
        return complain(&err);
    }
    printf("READY %.6g %s\n", workload_flops_per_unit(w), workload_unit(w));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) && atof(line) > 0) {
        const double wall = clock_wall_s(), cpu = clock_cpu_s();
        units = 0;
        if (train_for(t, w, atof(line), &units, &err) != OK) {
            return complain(&err);
        }
        printf("%.9g %.9g %.9g\n", units, clock_wall_s() - wall, clock_cpu_s() - cpu);
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
    TRY(workload_write_series(w, series, &err));
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
    if (!workload_parse(argv[1], &w)) {
        return EXIT_NOT_SUPPORTED;
    }
    workload_config(&w, series, atol(argv[2]), &config_text);
    int exit_code = 1;
    if (argc == 4 && strcmp(argv[3], "--config") == 0) {
        exit_code = fputs(config_text.s, stdout) < 0;
    } else if (config_text.s) {
        exit_code = train(&w, config_text.s, argc, argv);
    }
    text_release(&config_text);
    return exit_code;
}
