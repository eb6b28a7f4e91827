/* What a process of its own costs a strategy.
 *
 *   bench_strategy [STRATEGY [DIMENSIONS [TRIALS]]]      random 10 10000
 *
 * A line for each place: microseconds of an ask and a tell together (median, 95 %, 99 %), and seconds until a log of that many trials is
 * replayed. In this process, at process and at strict; trials are asked and told one after the other, the places in turn by 100 trials, so that a
 * machine that is busy is so for all of them. */
#include "base/clock.h"
#include "search/strategy_job.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_PLACES = 3, N_TURN = 100 };

typedef struct contender {
    const char *name;
    config *c;
    search *search;
    double *took; // [n]
    double begin_s, replay_s;
} contender;

typedef struct scene {
    registry *registry;
    sandbox *sandbox;
    space s;
    const char *strategy;
    search_entry *entries; // [2 * n]
    search_trial *trials; // [n]
    size_t n;
} scene;

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static status begin(scene *t, size_t place, contender *c, error *err)
{
    text written = { 0 };
    status st = OK;
    const search_options o = { .seed = 1 };
    const search_place in = { .sandbox = t->sandbox, .level = (sandbox_level)place };
    const double start = clock_wall_s();
    c->name = place ? sandbox_level_name((sandbox_level)place) : "here";
    text_printf(&written, "strategy = \"%s\";", t->strategy);
    TRY(text_check(&written, err));
    TRY(config_parse("bench", written.s, &c->c, err));
    value *block = value_find(config_root(c->c), "strategy");
    TRY(place ? search_new_in(&in, c->c, block, NULL, &t->s, &o, &c->search, err)
              : search_new(t->registry, c->c, block, NULL, &t->s, &o, &c->search, err));
    c->begin_s = clock_wall_s() - start;
done:
    text_release(&written);
    return st;
}

static void forget(contender *c)
{
    search_free(c->search);
    config_free(c->c);
    c->search = NULL;
    c->c = NULL;
}

/* One trial; what was asked and told is taken down. */
static status step(scene *t, contender *c, size_t i, error *err)
{
    size_t n;
    bool over;
    search_trial *got = &t->trials[i];
    search_result r = { .state = ASSAY_TRIAL_DONE, .standard_error = (double)NAN };
    const double start = clock_wall_s();
    status st = search_ask(c->search, 1, got, &n, &over, err);
    if (st != OK) return st;
    r.trial = got->number;
    r.value = fabs(got->x[0] - 0.3);
    st = search_tell(c->search, &r, NULL, err);
    c->took[i] = clock_wall_s() - start;
    t->entries[2 * i] =
        (search_entry){ .kind = SEARCH_ASKED, .want = 1, .trials = got, .n_trials = 1 };
    t->entries[2 * i + 1] = (search_entry){ .kind = SEARCH_TOLD, .result = r };
    return st;
}

static status replay(scene *t, size_t place, double *out_s, error *err)
{
    contender c = { 0 };
    status st = begin(t, place, &c, err);
    const double start = clock_wall_s();
    for (size_t i = 0; i < 2 * t->n && st == OK; i++)
        st = search_replay(c.search, &t->entries[i], err);
    if (st == OK) st = search_replay_end(c.search, err);
    *out_s = clock_wall_s() - start;
    forget(&c);
    return st;
}

static status measure(scene *t, error *err)
{
    contender c[N_PLACES] = { { 0 } };
    status st = OK;
    const size_t n_places = sandbox_get_state(t->sandbox)->lacking[0] ? 2 : 3;
    for (size_t k = 0; k < n_places; k++) {
        c[k].took = calloc(t->n, sizeof *c[k].took);
        if (!c[k].took) TRY(fail_nomem(err, "times"));
        TRY(begin(t, k, &c[k], err));
    }
    for (size_t first = 0; first < t->n; first += N_TURN) {
        for (size_t k = 0; k < n_places; k++) {
            for (size_t i = first; i < first + N_TURN && i < t->n; i++)
                TRY(step(t, &c[k], i, err));
        }
    }
    for (size_t k = 0; k + 1 < n_places; k++)
        forget(&c[k]);
    for (size_t k = 0; k < n_places; k++)
        TRY(replay(t, k, &c[k].replay_s, err));
    printf("%-8s %10s %10s %10s %10s %12s\n", t->strategy, "begin ms", "median us", "95 %", "99 %",
        "replay s");
    for (size_t k = 0; k < n_places; k++) {
        qsort(c[k].took, t->n, sizeof *c[k].took, by_size);
        printf("%-8s %10.2f %10.1f %10.1f %10.1f %12.3f\n", c[k].name, 1e3 * c[k].begin_s,
            1e6 * c[k].took[t->n / 2], 1e6 * c[k].took[t->n * 95 / 100],
            1e6 * c[k].took[t->n * 99 / 100], c[k].replay_s);
    }
done:
    for (size_t k = 0; k < N_PLACES; k++) {
        forget(&c[k]);
        free(c[k].took);
    }
    return st;
}

int main(int argc, char **argv)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .dirs = dirs, .no_environment = true };
    const sandbox_options so = { .program = TEST_BUILD_DIR "/assay" };
    const size_t n_dimensions = argc > 2 ? strtoul(argv[2], NULL, 10) : 10;
    scene t = { .strategy = argc > 1 ? argv[1] : "random",
        .n = argc > 3 ? strtoul(argv[3], NULL, 10) : 10000 };
    text written = { 0 };
    error err;
    status st = OK;
    for (size_t i = 0; i < n_dimensions; i++)
        text_printf(&written, "x%zu=0.0..1.0 ", i);
    TRY(text_check(&written, &err));
    TRY(space_add_text(&t.s, written.s, NULL, &err));
    TRY(registry_new(&ro, &t.registry, &err));
    TRY(sandbox_open(&so, &t.sandbox, &err));
    t.entries = calloc(2 * t.n + 1, sizeof *t.entries);
    t.trials = calloc(t.n + 1, sizeof *t.trials);
    if (!t.entries || !t.trials) TRY(fail_nomem(&err, "a log"));
    TRY(measure(&t, &err));
done:
    if (st != OK) fprintf(stderr, "bench_strategy: %s\n", err.text);
    free(t.entries);
    free(t.trials);
    sandbox_close(t.sandbox);
    registry_free(t.registry);
    space_release(&t.s);
    text_release(&written);
    return st == OK ? 0 : 1;
}
