/* What `strict` costs beyond `none` and `process`: for a job that does nothing and for a short training, as medians of interleaved jobs, in
 * milliseconds from sandbox_start to the outcome; for a whole trial of a study, which is a chain of jobs, from runner_start to its end,
 * with what each job takes; and the steps per second of a longer training.
 *
 *     sandbox_overhead [ROUNDS] */
#include "base/clock.h"
#include "base/file.h"
#include "sandbox/sandbox.h"
#include "job/job_input.h"
#include "study/runner.h"
#include "job/train_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROUNDS = 10000, RESULT_BYTES = 1 << 20 };

static int do_nothing(const void *input, size_t n, worker_io *io)
{
    error err;
    (void)input;
    (void)n;
    worker_at(io, PHASE_STEP, 1);
    return worker_plugins_loaded(io, &err) == OK
        ? 0
        : worker_refuse(io, OUTCOME_HOST_ERROR, "%s", err.text);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *x, size_t n, double q)
{
    qsort(x, n, sizeof *x, compare);
    return x[(size_t)(q * (double)(n - 1))];
}

/* Seconds of one job, or -1. */
static double run_job(
    sandbox *s, const char *name, sandbox_level level, const text *input, train_head *out_head)
{
    error err;
    sandbox_job *j;
    size_t n;
    const double begun = clock_wall_s();
    const sandbox_call call = { .level = level,
        .procedure = name,
        .input = input->s,
        .n_input = input->n,
        .result_bytes = RESULT_BYTES };
    if (sandbox_start(s, &call, &j, &err) != OK || sandbox_wait(s, -1, &j, &err) != OK) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    const double took = clock_wall_s() - begun;
    const outcome *o = job_outcome(j);
    if (o->class != OUTCOME_OK) fprintf(stderr, "%s: %s\n", outcome_name(o->class), o->text);
    const bool is_fine = o->class == OUTCOME_OK;
    if (out_head) memcpy(out_head, job_result(j, &n), sizeof *out_head);
    job_free(j);
    return is_fine ? took : -1;
}

static int measure(sandbox *s, const char *name, const text *input, size_t n_rounds)
{
    static double took[3][MOST_ROUNDS], more[2][MOST_ROUNDS];
    for (size_t i = 0; i < n_rounds; i++) {
        for (int level = 0; level < 3; level++) {
            took[level][i] = run_job(s, name, (sandbox_level)level, input, NULL);
            if (took[level][i] < 0) return 1;
        }
        more[0][i] = took[2][i] - took[0][i];
        more[1][i] = took[2][i] - took[1][i];
    }
    for (int level = 0; level < 3; level++) {
        printf("%-8s %-8s p10 %7.3f ms  p50 %7.3f  p95 %7.3f\n", name,
            sandbox_level_name((sandbox_level)level), 1e3 * quantile(took[level], n_rounds, 0.1),
            1e3 * quantile(took[level], n_rounds, 0.5),
            1e3 * quantile(took[level], n_rounds, 0.95));
    }
    printf("%-8s strict - none p50 %.3f ms, strict - process p50 %.3f ms\n", name,
        1e3 * quantile(more[0], n_rounds, 0.5), 1e3 * quantile(more[1], n_rounds, 0.5));
    return 0;
}

/* Steps per second by the trainer's own clock, which begins when the config is read. */
static int measure_steps(sandbox *s, const text *input)
{
    enum { PAIRS = 15 };
    double ratio[PAIRS];
    for (size_t i = 0; i < PAIRS; i++) {
        train_head none, strict;
        if (run_job(s, "train", SANDBOX_NONE, input, &none) < 0 ||
            run_job(s, "train", SANDBOX_STRICT, input, &strict) < 0) {
            return 1;
        }
        ratio[i] = none.spent.cpu_s / strict.spent.cpu_s;
    }
    printf("steps per processor second, strict / none: median of %d pairs %.4f\n", PAIRS,
        quantile(ratio, PAIRS, 0.5));
    return 0;
}

/* -- Whole trials -- */

enum { N_JOBS = 3 };
static const char *const job_names[N_JOBS] = { "train", "predict", "score" };

/* Seconds of a job of the chain, by the run's record. */
static double job_wall(const char *said, const char *name)
{
    char mark[64];
    snprintf(mark, sizeof mark, "\"procedure\": \"%s\"", name);
    const char *at = strstr(said, mark);
    at = at ? strstr(at, "\"wall_s\": ") : NULL;
    return at ? strtod(at + strlen("\"wall_s\": "), NULL) : 0;
}

/* Seconds of one trial, or -1. *out_cpu_s: of processor, by this process and by workers; unlike the clock's they say little of what else the
 * machine does. */
static double run_trial(
    runner *r, bool has_workers, uint64_t seed, double jobs[N_JOBS], double *out_cpu_s)
{
    error err;
    run *n;
    run_news w = { .kind = RUN_NOTHING };
    const run_spec spec = { .seed = seed, .from = STORE_NO_TRIAL };
    const double begun = clock_wall_s(), cpu = clock_cpu_s();
    status st = runner_start(r, &spec, &n, &err);
    while (st == OK && w.kind != RUN_ENDED)
        st = runner_wait(r, -1, &w, &err);
    const double took = clock_wall_s() - begun;
    const run_end *e = st == OK ? run_get_end(n) : NULL;
    if (!e || e->outcome->class != OUTCOME_OK) {
        fprintf(stderr, "%s\n", e ? e->outcome->text : err.text);
        return -1;
    }
    for (size_t i = 0; i < N_JOBS; i++)
        jobs[i] = job_wall(e->record, job_names[i]);
    *out_cpu_s = clock_cpu_s() - cpu + (has_workers ? e->cpu_s : 0);
    run_free(n);
    return took;
}

static int measure_trials(const char *written, const char *const *overrides, size_t n_rounds)
{
    static double took[3][MOST_ROUNDS], more[2][MOST_ROUNDS], of_job[3][N_JOBS][MOST_ROUNDS],
        cpu[3][MOST_ROUNDS];
    error err;
    runner *r[3] = { NULL };
    workload w = { .name = "digits",
        .kind = WORKLOAD_TRAIN,
        .path = TEST_SOURCE_DIR "/configs/digits.cfg",
        .written = written,
        .overrides = overrides,
        .n_overrides = 2 };
    contender plain = { .name = "plain" };
    declaration d[3];
    int failed = 0;
    space_init(&plain.space);
    for (int level = 0; level < 3 && !failed; level++) {
        const runner_options o = { .program = TEST_BUILD_DIR "/assay" };
        const double begun = clock_wall_s();
        d[level] = (declaration){ .name = "overhead",
            .metric = "validation.loss",
            .judged = "test.loss",
            .workloads = &w,
            .n_workloads = 1,
            .contenders = &plain,
            .n_contenders = 1,
            .level = (sandbox_level)level,
            .limits = sandbox_default_limits };
        failed = runner_open(&d[level], &o, &r[level], &err) != OK;
        if (failed) fprintf(stderr, "%s\n", err.text);
        printf("opening a study at %-8s %7.3f ms\n", sandbox_level_name((sandbox_level)level),
            1e3 * (clock_wall_s() - begun));
    }
    for (size_t i = 0; i < n_rounds && !failed; i++) {
        for (int level = 0; level < 3 && !failed; level++) {
            double jobs[N_JOBS];
            took[level][i] = run_trial(r[level], level > 0, i, jobs, &cpu[level][i]);
            failed = took[level][i] < 0;
            for (size_t k = 0; k < N_JOBS; k++)
                of_job[level][k][i] = jobs[k];
        }
        more[0][i] = took[2][i] - took[0][i];
        more[1][i] = took[2][i] - took[1][i];
    }
    for (int level = 0; level < 3 && !failed; level++) {
        printf("trial    %-8s p10 %7.3f ms  p50 %7.3f  p95 %7.3f ;",
            sandbox_level_name((sandbox_level)level), 1e3 * quantile(took[level], n_rounds, 0.1),
            1e3 * quantile(took[level], n_rounds, 0.5),
            1e3 * quantile(took[level], n_rounds, 0.95));
        for (size_t k = 0; k < N_JOBS; k++)
            printf(" %s %.3f", job_names[k], 1e3 * quantile(of_job[level][k], n_rounds, 0.5));
        printf(" ; processor p50 %.3f\n", 1e3 * quantile(cpu[level], n_rounds, 0.5));
    }
    if (!failed) {
        printf("trial    strict - none p50 %.3f ms, strict - process p50 %.3f ms\n",
            1e3 * quantile(more[0], n_rounds, 0.5), 1e3 * quantile(more[1], n_rounds, 0.5));
    }
    for (int level = 0; level < 3; level++)
        runner_close(r[level]);
    space_release(&plain.space);
    return failed;
}

static int add_input(text *out, const char *overrides)
{
    error err;
    char *written;
    size_t n;
    const char *const path = TEST_SOURCE_DIR "/configs/digits.cfg";
    if (file_read(path, &written, &n, &err) != OK) return 1;
    const job_input in = {
        .name = path, .written = written, .overrides = &overrides, .n_overrides = 1, .seed = 1
    };
    const status st = job_input_write(&in, out, &err);
    free(written);
    return st == OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    error err;
    sandbox *s;
    char *written = NULL;
    size_t n_written;
    static const char *const tiny[] = { "train.epochs=1", "model[0].units=16" };
    text short_run = { 0 }, long_run = { 0 };
    const text nothing = { 0 };
    const procedure procedures[] = { { "nothing", do_nothing, NULL, NULL }, train_procedure };
    if (argc == 3 && strcmp(argv[1], "--fork-server") == 0)
        return fork_server_main(atoi(argv[2]), procedures, 2);
    const size_t asked = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 200;
    const size_t n_rounds = asked < 3 ? 3 : asked > MOST_ROUNDS ? MOST_ROUNDS : asked;
    const char *const readable[] = { TEST_SOURCE_DIR "/configs", NULL };
    const sandbox_options o = { .procedures = procedures, .n_procedures = 2, .readable = readable };
    (void)setenv("ASSAY_PLUGIN_PATH", TEST_BUILD_DIR "/plugins", 1);
    if (add_input(&short_run, "train.steps=1") || add_input(&long_run, "train.epochs=30")) return 1;
    if (sandbox_open(&o, &s, &err) != OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int failed = measure(s, "nothing", &nothing, n_rounds);
    if (!failed) failed = measure(s, "train", &short_run, n_rounds < 100 ? n_rounds : 100);
    if (!failed)
        failed = file_read(TEST_SOURCE_DIR "/configs/digits.cfg", &written, &n_written, &err);
    if (!failed) failed = measure_trials(written, tiny, n_rounds < 200 ? n_rounds : 200);
    if (!failed) failed = measure_steps(s, &long_run);
    sandbox_close(s);
    free(written);
    text_release(&short_run);
    text_release(&long_run);
    return failed;
}
