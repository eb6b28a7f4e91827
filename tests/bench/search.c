/* How good a strategy is, and what it costs.
 *
 *   bench_search quality STRATEGY PROBLEMS SEEDS TRIALS [NAME]     a line of JSON per problem and seed: best value after each trial
 *   bench_search overhead STRATEGY DIMENSIONS TRIALS [NAME]        one line: microseconds per ask and tell, and in the last 50
 *   bench_search pruning STRATEGY PRUNER SEEDS [NAME [NAME]]       a line per seed: regret by epochs spent; PRUNER may be "none"
 *   bench_search problems                                          their names and lowest values
 *
 * STRATEGY is an id ("qmc") or a block ("{ type = \"qmc\"; sequence = \"halton\"; }"); PROBLEMS names with commas, `known` (those that others
 * were measured on), `own` or `all`; SEEDS is N (0 to N - 1) or A-B. The lines of quality and pruning are those that ../shared/peers/search/summarize.py
 * puts into a table where that folder is there. */
#include "search_job.h"
#include "search_problems.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_KNOWN = 5, N_LAST = 50 };

static status job_open(
    search_job *j, const char *strategy, const char *written, uint64_t seed, size_t n, error *err)
{
    const search_options o = { .seed = seed, .n_trials = n };
    return search_job_open(j, strategy, NULL, written, &o, err);
}

static status job_tell(search_job *j, double v, error *err)
{
    const search_result r = { .trial = j->trial.number,
        .state = ASSAY_TRIAL_DONE,
        .value = v,
        .standard_error = (double)NAN };
    return search_job_tell(j, &r, NULL, err);
}

static status run_quality(const char *strategy, const char *name, const search_problem *p,
    uint64_t seed, size_t n, error *err)
{
    search_job j = { 0 };
    text t = { 0 };
    json w;
    double best = (double)INFINITY;
    status st = OK;
    json_init(&w, &t);
    TRY(job_open(&j, strategy, p->space, seed, n, err));
    json_begin_object(&w);
    json_key_string(&w, "sampler", name);
    json_key_string(&w, "problem", p->name);
    json_key_int(&w, "seed", (int64_t)seed);
    json_key_int(&w, "n", (int64_t)n);
    json_key_string(&w, "lib", "assay");
    json_key(&w, "trace");
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        TRY(search_job_ask(&j, err));
        if (j.is_over) break;
        const double v = p->value(j.trial.x);
        TRY(job_tell(&j, v, err));
        best = fmin(best, v);
        json_real(&w, best);
    }
    json_end_array(&w);
    json_key_real(&w, "regret", best - p->lowest);
    json_key_real(&w, "sampler_s", j.asked_s);
    json_end_object(&w);
    TRY(text_check(&t, err));
    printf("%s\n", t.s);
    fflush(stdout);
done:
    search_job_close(&j);
    text_release(&t);
    return st;
}

/* Whether problem i is among PROBLEMS. */
static bool is_meant(const char *list, size_t i)
{
    const char *name = search_problem_get(i)->name;
    const size_t n = strlen(name);
    if (strcmp(list, "all") == 0) return true;
    if (strcmp(list, "known") == 0) return i < N_KNOWN;
    if (strcmp(list, "own") == 0) return i >= N_KNOWN;
    for (const char *p = strstr(list, name); p; p = strstr(p + 1, name)) {
        if ((p == list || p[-1] == ',') && (p[n] == ',' || !p[n])) return true;
    }
    return false;
}

static status quality(char **argv, int argc, error *err)
{
    status st = OK;
    const char *strategy = argv[0], *name = argc > 4 ? argv[4] : strategy;
    unsigned long first, end;
    const size_t n = strtoul(argv[3], NULL, 10);
    size_t n_meant = 0;
    search_seeds(argv[2], &first, &end);
    for (size_t i = 0; search_problem_get(i); i++) {
        if (!is_meant(argv[1], i)) continue;
        n_meant++;
        for (unsigned long seed = first; seed < end; seed++)
            TRY(run_quality(strategy, name, search_problem_get(i), seed, n, err));
    }
    if (n_meant == 0) st = fail(err, E_USAGE, "no problem is called %s", argv[1]);
done:
    return st;
}

/* The sum of squares that other programs were timed on. */
static status overhead(char **argv, int argc, error *err)
{
    status st = OK;
    search_job j = { 0 };
    text t = { 0 };
    const size_t d = strtoul(argv[1], NULL, 10), n = strtoul(argv[2], NULL, 10);
    double before_s = 0, before_cpu_s = 0;
    for (size_t i = 0; i < d; i++)
        text_printf(&t, "x%zu=-1..1:real ", i);
    TRY(text_check(&t, err));
    TRY(job_open(&j, argv[0], t.s, 1, n, err));
    for (size_t i = 0; i < n && !j.is_over; i++) {
        double v = 0;
        if (i + N_LAST == n) {
            before_s = j.asked_s;
            before_cpu_s = j.asked_cpu_s;
        }
        TRY(search_job_ask(&j, err));
        if (j.is_over) break;
        for (size_t k = 0; k < d; k++)
            v += (j.trial.x[k] - 0.3) * (j.trial.x[k] - 0.3);
        TRY(job_tell(&j, v, err));
    }
    printf(
        "{\"lib\": \"assay\", \"sampler\": \"%s\", \"storage\": \"memory\", \"dim\": %zu, \"n\": "
        "%zu, "
        "\"reports\": 0, \"us_per_trial\": %.3f, \"cpu_us_per_trial\": %.3f, \"us_last50\": %.3f, "
        "\"cpu_us_last50\": %.3f, \"bytes\": 0}\n",
        argc > 3 ? argv[3] : argv[0], d, n, 1e6 * j.asked_s / (double)n,
        1e6 * j.asked_cpu_s / (double)n, 1e6 * (j.asked_s - before_s) / N_LAST,
        1e6 * (j.asked_cpu_s - before_cpu_s) / N_LAST);
done:
    search_job_close(&j);
    text_release(&t);
    return st;
}

static void list(void)
{
    for (size_t i = 0; search_problem_get(i); i++) {
        const search_problem *p = search_problem_get(i);
        printf("%-12s %-6s %.17g\n", p->name, i < N_KNOWN ? "known" : "own", p->lowest);
    }
}

int main(int argc, char **argv)
{
    error err = { 0 };
    status st;
    if (argc >= 6 && strcmp(argv[1], "quality") == 0) {
        st = quality(argv + 2, argc - 2, &err);
    } else if (argc >= 5 && strcmp(argv[1], "overhead") == 0) {
        st = overhead(argv + 2, argc - 2, &err);
    } else if (argc >= 5 && strcmp(argv[1], "pruning") == 0) {
        st = search_pruning(argv + 2, argc - 2, &err);
    } else if (argc == 2 && strcmp(argv[1], "problems") == 0) {
        list();
        return 0;
    } else {
        st = fail(&err, E_USAGE,
            "expected quality STRATEGY PROBLEMS SEEDS TRIALS, overhead STRATEGY DIMENSIONS TRIALS, "
            "pruning STRATEGY PRUNER SEEDS or problems");
    }
    if (st == OK) return 0;
    fprintf(stderr, "bench_search: %s\n", err.text);
    return st == E_USAGE ? 2 : 1;
}
