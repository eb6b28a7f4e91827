/* What is gained by stopping trials on their way: curves of nnmix12 over 81 epochs that cross, with noise of 0.01 on each epoch, and a budget of
 * epochs. After 10, 20 and 50 whole trials' worth of epochs: the noise-free last loss of the best of those that have been trained longest (81
 * epochs; until there is one, 27). The lines are those of ../shared/peers/search/pruning.py. A trial that continues another costs what is
 * new. The noise is another generator's than there. */
#include "search_job.h"
#include "search_problems.h"

#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHOLE = 81, N_MARKS = 3, MOST_TRIALS = 1 << 16 };

static const size_t marks[N_MARKS] = { 10 * WHOLE, 20 * WHOLE, 50 * WHOLE };

typedef struct contest {
    search_job job;
    const search_problem *problem;
    rng noise;
    uint64_t *lines; /* [MOST_TRIALS] which stream of noise a trial has */
    uint32_t *reached; /* [MOST_TRIALS] epochs that a trial has been trained for */
    size_t spent, n_trials, n_new, best_epochs;
    double best, truth; /* last loss as seen, and without noise */
    double at_mark[N_MARKS];
} contest;

static double loss_at(const contest *c, uint64_t line, size_t epoch)
{
    float noise;
    rng_normal(c->noise, line, epoch, &noise, 1);
    return nnmix12_curve(c->job.trial.x, epoch, WHOLE) + 0.01 * (double)noise;
}

/* The incumbent is the lowest loss among those that have been trained longest so far. */
static void note(contest *c, size_t epoch, double loss)
{
    if (epoch == 27 || epoch == WHOLE) {
        if (epoch > c->best_epochs || (epoch == c->best_epochs && loss < c->best)) {
            c->best_epochs = epoch;
            c->best = loss;
            c->truth = c->problem->value(c->job.trial.x);
        }
    }
    for (size_t i = 0; i < N_MARKS; i++) {
        if (c->spent == marks[i]) c->at_mark[i] = c->truth;
    }
}

static status tell(
    contest *c, uint64_t state, double loss, size_t epoch, uint64_t *out_verdict, error *err)
{
    const search_result r = { .trial = c->job.trial.number,
        .state = state,
        .value = loss,
        .standard_error = (double)NAN,
        .fidelity = (double)epoch };
    return search_job_tell(&c->job, &r, out_verdict, err);
}

/* One trial, as far as it gets. */
static status run_trial(contest *c, error *err)
{
    status st = OK;
    const search_trial t = c->job.trial;
    const bool is_new = t.from == ASSAY_NO_TRIAL;
    if (t.number >= MOST_TRIALS) return fail(err, E_RANGE, "more than %d trials", (int)MOST_TRIALS);
    const size_t first = is_new ? 0 : c->reached[t.from];
    const size_t last = t.fidelity > 0 ? (size_t)ceil(t.fidelity - 1e-9) : WHOLE;
    const uint64_t line = is_new ? t.number : c->lines[t.from];
    uint64_t verdict = ASSAY_VERDICT_GO;
    double loss = (double)NAN;
    c->lines[t.number] = line;
    c->n_new += is_new;
    for (size_t epoch = first + 1; epoch <= last && verdict == ASSAY_VERDICT_GO; epoch++) {
        loss = loss_at(c, line, epoch);
        c->spent++;
        c->reached[t.number] = (uint32_t)epoch;
        note(c, epoch, loss);
        TRY(tell(c, ASSAY_TRIAL_REPORTED, loss, epoch, &verdict, err));
    }
    const size_t at = c->reached[t.number];
    const uint64_t end = at == WHOLE    ? ASSAY_TRIAL_DONE
        : verdict == ASSAY_VERDICT_STOP ? ASSAY_TRIAL_PRUNED
                                        : ASSAY_TRIAL_PAUSED;
    TRY(tell(c, end, loss, at, NULL, err));
done:
    return st;
}

static status print_line(
    const contest *c, const char *sampler, const char *pruner, unsigned long seed, error *err)
{
    status st = OK;
    text t = { 0 };
    json w;
    json_init(&w, &t);
    json_begin_object(&w);
    json_key_string(&w, "sampler", sampler);
    json_key_string(&w, "pruner", pruner);
    json_key_int(&w, "seed", (int64_t)seed);
    json_key(&w, "true");
    json_begin_object(&w);
    for (size_t i = 0; i < N_MARKS; i++) {
        char name[24];
        snprintf(name, sizeof name, "%zu", marks[i]);
        json_key_real(&w, name, c->at_mark[i]);
    }
    json_end_object(&w);
    json_key_int(&w, "trials", (int64_t)c->n_new);
    json_key_real(&w, "sampler_s", c->job.asked_cpu_s);
    json_end_object(&w);
    TRY(text_check(&t, err));
    printf("%s\n", t.s);
    fflush(stdout);
done:
    text_release(&t);
    return st;
}

static status run_seed(const char *strategy, const char *pruner, unsigned long seed,
    const char *sampler_name, const char *pruner_name, error *err)
{
    status st = OK;
    const search_options o = { .seed = seed, .max_fidelity = WHOLE, .min_fidelity = 1 };
    contest c = { .problem = search_problem_find("nnmix12"),
        .noise = rng_make(seed, "pruning/noise"),
        .truth = (double)NAN,
        .lines = calloc(MOST_TRIALS, sizeof *c.lines),
        .reached = calloc(MOST_TRIALS, sizeof *c.reached) };
    if (!c.lines || !c.reached) TRY(fail_nomem(err, "trials"));
    TRY(search_job_open(&c.job, strategy, pruner, c.problem->space, &o, err));
    while (c.spent < marks[N_MARKS - 1]) {
        TRY(search_job_ask(&c.job, err));
        if (c.job.is_over) break;
        TRY(run_trial(&c, err));
    }
    TRY(print_line(&c, sampler_name, pruner_name, seed, err));
done:
    search_job_close(&c.job);
    free(c.lines);
    free(c.reached);
    return st;
}

status search_pruning(char **argv, int argc, error *err)
{
    status st = OK;
    unsigned long first, end;
    const char *pruner = strcmp(argv[1], "none") == 0 ? NULL : argv[1];
    search_seeds(argv[2], &first, &end);
    for (unsigned long seed = first; seed < end; seed++) {
        TRY(run_seed(argv[0], pruner, seed, argc > 3 ? argv[3] : argv[0],
            argc > 4 ? argv[4] : argv[1], err));
    }
done:
    return st;
}
