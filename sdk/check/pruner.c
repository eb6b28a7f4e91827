/* What a pruner must hold to: verdicts that are a function of its hyperparameters and of what it was told. */
#include "check/guard.h"
#include "check/host_wrap.h"
#include "check/shows.h"
#include "check/subject.h"

#include <assay/search.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_TRIALS = 24, N_REPORTS = 9, N_UNDER_WAY = 4, ROOM = N_TRIALS * N_REPORTS };

/* One pruner at work on curves that cross. */
typedef struct run {
    specimen specimen;
    const assay_pruner *ops;
    assay_search_plan plan;
    check_report *rep;
    const char *settings;
    bool is_open;
    double x[N_TRIALS];
    bool has_stopped[N_TRIALS];
    size_t next[N_TRIALS]; /* report that comes next */
    uint64_t verdict[ROOM]; /* [N_TRIALS, N_REPORTS]; 9 where there was none */
    assay_event log[3 * ROOM];
    size_t n_log;
} run;

static const assay_dimension dimension = { .struct_size = sizeof dimension,
    .name = "x",
    .type = ASSAY_SPACE_REAL,
    .low = 0,
    .high = 1,
    .parent = ASSAY_NO_PARENT,
    .prior_mean = NAN,
    .prior_sd = NAN };

static bool complain(run *r, const char *what)
{
    check_fail(
        r->rep, "%s (%s%s)", what, r->settings[0] ? "settings: " : "default settings", r->settings);
    return false;
}

static bool went_well(run *r, int code, const char *op, const float_mode *mode)
{
    error err = { 0 };
    const char *change = float_mode_change(mode);
    float_mode_set(mode);
    if (instance_status(r->specimen.instance, code, op, &err) != OK) return complain(r, err.text);
    return !change || complain(r, "a callback changes the floating-point mode");
}

static bool run_open(const subject *s, const char *settings, run *r, check_report *rep)
{
    error err = { 0 };
    memset(r, 0, sizeof *r);
    r->rep = rep;
    r->settings = settings;
    for (size_t i = 0; i < ROOM; i++)
        r->verdict[i] = 9;
    if (specimen_open(s, settings, &r->specimen, &err) != OK) return complain(r, err.text);
    instance *i = r->specimen.instance;
    const float_mode mode = float_mode_get();
    r->ops = i->component->ops;
    r->plan = (assay_search_plan){ .struct_size = sizeof r->plan,
        .dimensions = &dimension,
        .n_dimensions = 1,
        .dimension_stride = sizeof dimension,
        .n_trials = N_TRIALS,
        .max_fidelity = N_REPORTS,
        .min_fidelity = 1 };
    const int code = r->ops->open(&i->ctx, i->hyper, &r->plan);
    r->is_open = code == ASSAY_OK;
    return went_well(r, code, "open", &mode);
}

static void run_close(run *r)
{
    if (r->is_open) r->ops->close(&r->specimen.instance->ctx);
    if (r->specimen.instance) specimen_close(&r->specimen);
}

static bool tell(run *r, const assay_event *e)
{
    instance *i = r->specimen.instance;
    const float_mode mode = float_mode_get();
    r->log[r->n_log++] = *e;
    return went_well(r, r->ops->tell(&i->ctx, i->hyper, e, 1, sizeof *e), "tell", &mode);
}

static assay_event event_of(run *r, size_t trial, uint64_t state, double v, double fidelity)
{
    return (assay_event){ .struct_size = sizeof(assay_event),
        .trial = trial,
        .state = state,
        .x = &r->x[trial],
        .value = v,
        .standard_error = (double)NAN,
        .fidelity = fidelity };
}

/* Some learn slowly and get far, some rise again, every fifth diverges half way. */
static double curve(size_t trial, size_t at)
{
    const double end = 0.2 + 0.09 * (double)(trial * 7 % 11), pace = 0.5 + (double)(trial * 5 % 7);
    const double v = end + 2 * exp(-(double)(at + 1) / pace);
    if (trial % 5 == 4 && at >= N_REPORTS / 2) return (double)INFINITY;
    return trial % 6 == 3 ? v + 0.15 * (double)at : v;
}

static bool begin_trial(run *r, size_t trial)
{
    r->x[trial] = (double)(trial * 3 % 13) / 13;
    const assay_event e = event_of(r, trial, ASSAY_TRIAL_RUNNING, (double)NAN, 0);
    return tell(r, &e);
}

/* The next report of a trial, or its end. */
static bool go_on(run *r, size_t trial)
{
    const size_t at = r->next[trial]++;
    const double v = curve(trial, at), fidelity = (double)(at + 1);
    if (!isfinite(v)) {
        const assay_event e = event_of(r, trial, ASSAY_TRIAL_DIVERGED, (double)NAN, fidelity);
        r->next[trial] = N_REPORTS;
        return tell(r, &e);
    }
    const assay_event e = event_of(r, trial, ASSAY_TRIAL_REPORTED, v, fidelity);
    uint64_t verdict = 77;
    instance *i = r->specimen.instance;
    if (!tell(r, &e)) return false;
    const float_mode mode = float_mode_get();
    const int code = r->ops->report(&i->ctx, i->hyper, &e, &verdict);
    if (!went_well(r, code, "report", &mode)) return false;
    if (verdict == 77) return complain(r, "report does not write its verdict");
    if (verdict > ASSAY_VERDICT_PAUSE) return complain(r, "report gives what is no verdict");
    r->verdict[trial * N_REPORTS + at] = verdict;
    const bool stops = verdict != ASSAY_VERDICT_GO;
    r->has_stopped[trial] = stops;
    if (!stops && at + 1 < N_REPORTS) return true;
    const assay_event last = event_of(r, trial,
        stops ? (verdict == ASSAY_VERDICT_STOP ? ASSAY_TRIAL_PRUNED : ASSAY_TRIAL_PAUSED)
              : ASSAY_TRIAL_DONE,
        v, fidelity);
    r->next[trial] = N_REPORTS;
    return tell(r, &last);
}

/* Trials [begin, end), some of them at the same time, by turns. */
static bool play(run *r, size_t begin, size_t end)
{
    size_t n_begun = begin, n_over = begin;
    while (n_over < end) {
        size_t n_running = 0;
        n_over = begin;
        for (size_t t = begin; t < n_begun; t++) {
            if (r->next[t] < N_REPORTS && !go_on(r, t)) return false;
            n_running += r->next[t] < N_REPORTS;
            n_over += r->next[t] >= N_REPORTS;
        }
        if (n_running < N_UNDER_WAY && n_begun < end && !begin_trial(r, n_begun++)) return false;
    }
    return true;
}

/* -- the tests -- */

static void verdicts_setting(const subject *s, const char *settings, check_report *rep)
{
    run *r = calloc(1, sizeof *r);
    if (!r) return;
    if (run_open(s, settings, r, rep)) (void)play(r, 0, N_TRIALS);
    run_close(r);
    free(r);
}

static void check_verdicts(const subject *s, check_report *rep)
{
    const char *settings[CHECK_MAX_SETTINGS] = { "" };
    size_t n = 0;
    arena memory = { 0 };
    error err = { 0 };
    if (subject_settings(s, &memory, settings, &n, &err) != OK) check_fail(rep, "%s", err.text);
    for (size_t i = 0; i < n && rep->outcome != CHECK_FAILED; i++)
        verdicts_setting(s, settings[i], rep);
    arena_release(&memory);
}

static void compare(run *a, const run *b, size_t first, const char *meaning)
{
    for (size_t i = first * N_REPORTS; i < ROOM; i++) {
        if (a->verdict[i] != b->verdict[i]) {
            check_fail(a->rep,
                "report %zu of trial %zu: the verdict is %llu in one instance and %llu "
                "in another: %s",
                i % N_REPORTS, i / N_REPORTS, (unsigned long long)b->verdict[i],
                (unsigned long long)a->verdict[i], meaning);
            return;
        }
    }
}

static void check_same(const subject *s, check_report *rep)
{
    run *a = calloc(2, sizeof *a), *b = a + 1;
    if (!a) return;
    const bool ok = run_open(s, "", a, rep);
    if (run_open(s, "", b, rep) && ok && play(a, 0, N_TRIALS / 2) && play(b, 0, N_TRIALS / 2) &&
        play(b, N_TRIALS / 2, N_TRIALS) && play(a, N_TRIALS / 2, N_TRIALS)) {
        compare(a, b, 0, "what is remembered belongs on ctx->self");
    }
    run_close(a);
    run_close(b);
    free(a);
}

/* One that is told the log, and asked for no verdict before, goes on in the same way. */
static void check_replay(const subject *s, check_report *rep)
{
    run *a = calloc(2, sizeof *a), *b = a + 1;
    if (!a) return;
    bool ok = run_open(s, "", a, rep) && play(a, 0, N_TRIALS / 2);
    ok = run_open(s, "", b, rep) && ok;
    for (size_t i = 0; ok && i < a->n_log; i++)
        ok = tell(b, &a->log[i]);
    if (ok) memcpy(b->x, a->x, sizeof b->x);
    if (ok && play(a, N_TRIALS / 2, N_TRIALS) && play(b, N_TRIALS / 2, N_TRIALS)) {
        compare(b, a, N_TRIALS / 2,
            "a fresh one that is told the same events must go on in the same way");
    }
    run_close(a);
    run_close(b);
    free(a);
}

/* One life with the k-th request refused; whether one was. */
static bool short_of_memory(const subject *s, uint64_t k, check_report *rep)
{
    host_wrap w;
    check_report ignored = { 0 };
    run *r = calloc(1, sizeof *r);
    error err = { 0 };
    if (!r || specimen_open(s, "", &r->specimen, &err) != OK) {
        check_fail(rep, "%s", err.text);
        free(r);
        return false;
    }
    instance *i = r->specimen.instance;
    r->rep = &ignored;
    r->settings = "";
    r->ops = i->component->ops;
    r->plan = (assay_search_plan){ .struct_size = sizeof r->plan,
        .dimensions = &dimension,
        .n_dimensions = 1,
        .dimension_stride = sizeof dimension,
        .max_fidelity = N_REPORTS,
        .min_fidelity = 1 };
    host_wrap_begin(&w, i);
    host_wrap_fail_at(&w, k);
    const float_mode mode = float_mode_get();
    const int code = r->ops->open(&i->ctx, i->hyper, &r->plan);
    r->is_open = code == ASSAY_OK;
    const bool ok = went_well(r, code, "open", &mode) && play(r, 0, N_TRIALS);
    const bool has_failed = host_wrap_has_failed(&w);
    if (has_failed && ok) {
        check_fail(rep,
            "request %llu for memory gave NULL and no callback has failed: return ASSAY_E_NOMEM",
            (unsigned long long)k);
    }
    if (!has_failed && !ok) check_fail(rep, "%s", ignored.message);
    if (r->is_open) r->ops->close(&i->ctx);
    r->is_open = false;
    host_wrap_end(&w);
    run_close(r);
    free(r);
    return has_failed;
}

static void check_memory(const subject *s, check_report *rep)
{
    for (uint64_t k = 1; k < 400 && rep->outcome != CHECK_FAILED; k++) {
        if (!short_of_memory(s, k, rep)) return;
    }
}

static uint64_t verdicts_hash(const subject *s, const char *settings, void *self)
{
    check_report ignored = { 0 };
    uint64_t h = 0;
    run *r = calloc(1, sizeof *r);
    (void)self;
    if (!r) return 0;
    if (run_open(s, settings, r, &ignored) && play(r, 0, N_TRIALS)) {
        h = bits_hash((const float *)(const void *)r->verdict, 2 * (size_t)ROOM, 0);
    }
    run_close(r);
    free(r);
    return h;
}

static void check_hypers(const subject *s, check_report *rep)
{
    check_shows(s, verdicts_hash, NULL, "in no verdict", rep);
}

const check_test check_tests_pruner[] = {
    { "pruner_verdicts", "pruner", "every report gets a verdict, under all settings",
        check_verdicts },
    { "pruner_same", "pruner", "instances do not see each other", check_same },
    { "pruner_replay", "pruner", "one that is told the log of another goes on like it",
        check_replay },
    { "pruner_out_of_memory", "pruner", "it fails in good order when memory runs out",
        check_memory },
    { "pruner_hypers", "pruner", "each hyperparameter shows in a verdict", check_hypers },
    { .name = NULL },
};
