/* What the store costs: a durable trial (claim, points, finish), an ask (adding one), and reading the events of a study of
 * 10,000 trials again, which is what a resume does.
 *
 *   bench_store [FILE [TRIALS [POINTS]]]
 *
 * FILE is made, and removed at the end; where it lies is the disk that is measured. Prints medians, so that others' work on the
 * machine disturbs little, and what is asked of them. */
#include "base/clock.h"
#include "store/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *what, double *s, size_t n, const char *bar)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += s[i];
    qsort(s, n, sizeof *s, compare);
    printf("%-28s median %7.1f us, mean %7.1f, 99 %% below %7.1f%s\n", what, 1e6 * s[n / 2],
        1e6 * sum / (double)n, 1e6 * s[n - n / 100 - 1], bar);
}

static status add_trials(store *s, uint64_t study, size_t n, double *took, error *err)
{
    status st = OK;
    arena a = { 0 };
    for (size_t i = 0; i < n; i++) {
        char params[200];
        store_trial t;
        bool is_new;
        snprintf(params, sizeof params,
            "{\"a\": %.17g, \"b\": %.17g, \"c\": %zu, \"d\": 0.5, \"e\": \"gru\"}", (double)i / 7.0,
            (double)i / 9.0, i);
        const store_trial_spec spec = { .search = { STORE_TUNE, "", "", 0 },
            .seed = i,
            .params = params,
            .proposal = i,
            .asked_after = i,
            .from_trial = STORE_NO_TRIAL };
        const double begin = clock_wall_s();
        TRY(trial_add(s, study, &spec, &t, &a, &is_new, err));
        took[i] = clock_wall_s() - begin;
        arena_release(&a);
    }
done:
    arena_release(&a);
    return st;
}

static status run_trials(
    store *s, uint64_t study, size_t n, size_t n_points, double *took, error *err)
{
    status st = OK;
    arena a = { 0 };
    store_point points[1000];
    for (size_t i = 0; i < n; i++) {
        store_trial t;
        bool is_found;
        const double begin = clock_wall_s();
        TRY(trial_claim(s, study, 60.0, &a, &t, &is_found, err));
        for (size_t k = 0; k < n_points; k++)
            points[k] = (store_point){ k, "validation.loss", exp(-(double)k / 9.0) };
        const store_news news = { (double)n_points, 0.5, (double)NAN };
        TRY(trial_report(s, trial_hold(&t), points, n_points, &news, err));
        const store_result r = { .state = TRIAL_DONE,
            .value = 0.5,
            .standard_error = 0.1,
            .fidelity = 27.0,
            .record = "{\"config\": \"0123456789abcdef0123456789abcdef\"}" };
        TRY(trial_finish(s, trial_hold(&t), &r, err));
        took[i] = clock_wall_s() - begin;
        arena_release(&a);
    }
done:
    arena_release(&a);
    return st;
}

static status open_it(const char *file, bool durable, store **out, error *err)
{
    const store_options o = { .mode = STORE_CREATE, .durable = durable };
    return store_open(file, &o, out, err);
}

static status measure(const char *file, size_t n, size_t n_points, bool durable, error *err)
{
    status st = OK;
    store *s = NULL;
    store_cursor *c = NULL;
    uint64_t study = 0;
    bool is_row = true;
    store_event e;
    size_t n_events = 0, n_bytes = 0;
    double *took = calloc(n, sizeof *took);
    if (!took) TRY(fail_nomem(err, "times"));
    const store_study_spec spec = {
        .name = "bench", .declaration = "", .metric = "validation.loss"
    };
    TRY(open_it(file, durable, &s, err));
    TRY(study_create(s, &spec, &study, err));
    printf(
        "%zu trials of %zu points, synchronous = %s\n", n, n_points, durable ? "FULL" : "NORMAL");
    TRY(add_trials(s, study, n, took, err));
    print_times("ask: adding a trial", took, n, "");
    TRY(run_trials(s, study, n, n_points, took, err));
    print_times("claim, points, finish", took, n, durable ? "" : " (bar: 500)");
    store_close(s);
    s = NULL;
    const double begin = clock_wall_s();
    TRY(open_it(file, false, &s, err));
    const store_search plain = { STORE_TUNE, "", "", 0 };
    TRY(store_events_open(s, study, &plain, 0, &c, err));
    for (;; n_events++) {
        TRY(store_events_next(c, &e, &is_row, err));
        if (!is_row) break;
        n_bytes += strlen(e.params);
    }
    printf("%-28s %.3f s for %zu events%s\n", "resume: open, read events", clock_wall_s() - begin,
        n_events, n == 10000 ? " (bar: 0.5 s)" : "");
done:
    store_cursor_close(c);
    store_close(s);
    free(took);
    unlink(file);
    return st;
}

int main(int argc, char **argv)
{
    const char *file = argc > 1 ? argv[1] : "bench-store.db";
    const size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;
    const size_t n_points = argc > 3 ? strtoul(argv[3], NULL, 10) : 10;
    error e = { 0 };
    if (access(file, F_OK) == 0 || n == 0 || n_points > 1000) {
        fprintf(stderr, "usage: bench_store [NEW FILE [TRIALS [POINTS, at most 1000]]]\n");
        return 2;
    }
    if (measure(file, n, n_points, false, &e) == OK &&
        measure(file, n < 1000 ? n : 1000, n_points, true, &e) == OK) {
        return 0;
    }
    fprintf(stderr, "%s\n", e.text);
    return 1;
}
