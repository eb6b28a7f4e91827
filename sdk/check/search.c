/* What a strategy must hold to: proposals inside the space, as a function of seed, numbers and events alone. */
#include "check/search_rig.h"
#include "check/shows.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_TRIALS = 40, N_SETTING_TRIALS = 16, N_SHOWN = 24 };

typedef void on_space(
    const subject *s, const char *settings, const rig_space *space, check_report *rep);

/* On each space that the strategy can do, until one fails. */
static void each_space(const subject *s, const char *settings, on_space *run, check_report *rep)
{
    assay_dimension room[RIG_DIMENSIONS];
    rig_space space;
    size_t n = 0;
    for (size_t i = 0; rep->outcome != CHECK_FAILED && rig_space_get(i, room, &space); i++) {
        if (!rig_fits(s->component->ops, &space)) continue;
        run(s, settings, &space, rep);
        n++;
    }
    if (n == 0) check_fail(rep, "it can be opened on no space: see .can");
}

/* -- bounds -- */

static void bounds_on(
    const subject *s, const char *settings, const rig_space *space, check_report *rep)
{
    rig r;
    if (rig_open(&r, s, settings, space, rep)) {
        (void)rig_play(&r, settings[0] ? N_SETTING_TRIALS : N_TRIALS, 1, RIG_USUAL);
    }
    rig_close(&r);
}

/* The plainest space that its `can` allows must be possible. */
static void check_takes_one(const subject *s, check_report *rep)
{
    assay_dimension room[RIG_DIMENSIONS];
    rig_space space;
    rig r;
    for (size_t i = 0; rig_space_get(i, room, &space); i++) {
        if (!rig_fits(s->component->ops, &space)) continue;
        (void)rig_open(&r, s, "", &space, rep);
        if (r.is_refused) check_fail(rep, "open refuses a space of %s", space.name);
        rig_close(&r);
        return;
    }
}

static void check_bounds(const subject *s, check_report *rep)
{
    const char *settings[CHECK_MAX_SETTINGS] = { "" };
    size_t n = 0;
    arena memory = { 0 };
    error err = { 0 };
    if (subject_settings(s, &memory, settings, &n, &err) != OK) check_fail(rep, "%s", err.text);
    for (size_t i = 0; i < n && rep->outcome != CHECK_FAILED; i++)
        each_space(s, settings[i], bounds_on, rep);
    check_takes_one(s, rep);
    arena_release(&memory);
}

/* -- the same again -- */

static bool same_points(rig *r, const rig *other, uint64_t first, const char *meaning)
{
    for (uint64_t k = first; k < r->n; k++) {
        for (uint64_t i = 0; i < r->space.n; i++) {
            const double a = r->x[k * r->space.n + i], b = other->x[k * r->space.n + i];
            if (a == b || (isnan(a) && isnan(b))) continue;
            return rig_complain(r,
                "proposal %llu: %s is %.17g in one instance and %.17g in another: %s",
                (unsigned long long)k, r->space.dimensions[i].name, b, a, meaning);
        }
    }
    return r->n == other->n ||
        rig_complain(r, "one instance gives %llu proposals and another %llu: %s",
            (unsigned long long)other->n, (unsigned long long)r->n, meaning);
}

static void same_on(
    const subject *s, const char *settings, const rig_space *space, check_report *rep)
{
    rig a, b;
    const bool ok = rig_open(&a, s, settings, space, rep);
    if (rig_open(&b, s, settings, space, rep) && ok && rig_play(&a, N_TRIALS / 2, 1, RIG_MIXED)) {
        (void)(rig_play(&b, N_TRIALS, 1, RIG_MIXED) && rig_play(&a, N_TRIALS, 1, RIG_MIXED) &&
            same_points(&a, &b, 0,
                "what is remembered belongs on ctx->self, and chance is host->random_u32"));
    }
    rig_close(&a);
    rig_close(&b);
}

static void check_same(const subject *s, check_report *rep)
{
    each_space(s, "", same_on, rep);
}

/* A fresh instance that is told what happened, and asked nothing before, goes on like the one that it happened to. */
static void replay_on(
    const subject *s, const char *settings, const rig_space *space, check_report *rep)
{
    static const size_t pieces[] = { 1, 7, 100000 };
    for (size_t k = 0; k < 3 && rep->outcome != CHECK_FAILED; k++) {
        rig a, b;
        const uint64_t stop = 9 + 11 * k;
        const bool ok =
            rig_open(&a, s, settings, space, rep) && rig_play(&a, stop, k == 1 ? 4 : 1, RIG_MIXED);
        if (rig_open(&b, s, settings, space, rep) && ok && rig_tell_log(&b, &a, pieces[k])) {
            const uint64_t first = a.n;
            (void)(rig_play(&a, stop + 8, 1, RIG_USUAL) && rig_play(&b, stop + 8, 1, RIG_USUAL) &&
                same_points(&b, &a, first,
                    "a fresh one that is told the same events must go on in the same way"));
        }
        rig_close(&a);
        rig_close(&b);
    }
}

static void check_replay(const subject *s, check_report *rep)
{
    each_space(s, "", replay_on, rep);
}

/* -- several at once -- */

static bool is_new_in_batch(rig *r, uint64_t first)
{
    for (uint64_t k = first; k < r->n; k++) {
        for (uint64_t i = first; i < k; i++) {
            const size_t bytes = r->space.n * sizeof *r->x;
            if (memcmp(r->x + k * r->space.n, r->x + i * r->space.n, bytes) == 0) {
                return rig_complain(r,
                    "proposals %llu and %llu of one ask are the same point: those under way are "
                    "told as RUNNING",
                    (unsigned long long)i, (unsigned long long)k);
            }
        }
    }
    return true;
}

/* Batches; their results come in the other order. */
static bool play_batches(rig *r, bool must_differ)
{
    while (r->n < N_TRIALS && !r->is_over) {
        const uint64_t first = r->n;
        uint64_t n = 0;
        if (!rig_ask(r, RIG_BATCH, &n)) return false;
        if (n == 0 && !r->is_over)
            return rig_complain(r, "ask gives nothing: the search stands still");
        if (must_differ && !is_new_in_batch(r, first)) return false;
        for (uint64_t k = r->n; k-- > first;) {
            if (!rig_finish(r, k, RIG_USUAL)) return false;
        }
    }
    return true;
}

static void batches_on(
    const subject *s, const char *settings, const rig_space *space, check_report *rep)
{
    rig r;
    const bool has_reals = space->n >= 2 && space->dimensions[0].low < space->dimensions[0].high &&
        space->dimensions[0].type == ASSAY_SPACE_REAL && space->max_fidelity == 0;
    if (rig_open(&r, s, settings, space, rep)) (void)play_batches(&r, has_reals);
    rig_close(&r);
}

static void check_batches(const subject *s, check_report *rep)
{
    each_space(s, "", batches_on, rep);
}

/* Results that are long in coming: four trials are always under way. */
static void late_on(
    const subject *s, const char *settings, const rig_space *space, check_report *rep)
{
    rig r;
    uint64_t n_told = 0, n = 0;
    bool ok = rig_open(&r, s, settings, space, rep);
    while (ok && r.n < N_TRIALS && !r.is_over) {
        ok = rig_ask(&r, 1, &n);
        const bool must_tell = ok && n_told < r.n && (n == 0 || r.n - n_told >= 4);
        if (must_tell) ok = rig_finish(&r, n_told++, RIG_MIXED);
        if (ok && n == 0 && !must_tell && !r.is_over) {
            ok = rig_complain(&r, "ask gives nothing although every trial has its result");
        }
    }
    rig_close(&r);
}

static void check_late(const subject *s, check_report *rep)
{
    each_space(s, "", late_on, rep);
}

/* -- results of every kind -- */

static void fates_on(
    const subject *s, const char *settings, const rig_space *space, check_report *rep)
{
    for (int fate = 0; fate < RIG_N_FATES && rep->outcome != CHECK_FAILED; fate++) {
        rig r;
        if (rig_open(&r, s, settings, space, rep)) {
            (void)rig_play(&r, N_TRIALS, 3, (rig_fate)fate);
        }
        rig_close(&r);
    }
}

static void check_fates(const subject *s, check_report *rep)
{
    each_space(s, "", fates_on, rep);
}

/* -- explain -- */

static void explain_on(
    const subject *s, const char *settings, const rig_space *space, check_report *rep)
{
    rig r;
    char line[101];
    if (rig_open(&r, s, settings, space, rep) && rig_play(&r, N_SETTING_TRIALS, 1, RIG_USUAL)) {
        instance *i = r.specimen.instance;
        for (uint64_t k = 0; k < r.n && rep->outcome != CHECK_FAILED; k++) {
            error err = { 0 };
            memset(line, '#', sizeof line);
            const int code = r.ops->explain(&i->ctx, i->hyper, k, line, 100);
            if (instance_status(i, code, "explain", &err) != OK) {
                (void)rig_complain(&r, "%s", err.text);
            } else if (!memchr(line, '\0', 100) || line[100] != '#') {
                (void)rig_complain(&r, "explain writes more than its %d bytes, with the NUL", 100);
            } else if (strchr(line, '\n')) {
                (void)rig_complain(&r, "explain writes several lines, expected one");
            }
        }
    }
    rig_close(&r);
}

static void check_explain(const subject *s, check_report *rep)
{
    const assay_search *o = s->component->ops;
    if (o->explain) {
        each_space(s, "", explain_on, rep);
    } else {
        check_skip(rep, "it has no explain");
    }
}

/* -- memory that runs out -- */

/* One life with the k-th request refused; whether one was. */
static bool short_of_memory(const subject *s, const rig_space *space, uint64_t k, check_report *rep)
{
    specimen p;
    error err = { 0 };
    host_wrap w;
    uint64_t n = 0, is_over = 0;
    double x[RIG_DIMENSIONS] = { 0 };
    assay_proposal slot = { .struct_size = sizeof slot, .x = x, .from_trial = ASSAY_NO_TRIAL };
    const assay_search_plan plan = { .struct_size = sizeof plan,
        .dimensions = space->dimensions,
        .n_dimensions = space->n,
        .dimension_stride = sizeof(assay_dimension),
        .max_fidelity = space->max_fidelity,
        .min_fidelity = space->max_fidelity / 27 };
    if (specimen_open(s, "", &p, &err) != OK) {
        check_fail(rep, "%s", err.text);
        return false;
    }
    const assay_search *o = p.instance->component->ops;
    instance *i = p.instance;
    host_wrap_begin(&w, i);
    host_wrap_fail_at(&w, k);
    int code = o->open(&i->ctx, i->hyper, &plan);
    const bool is_open = code == ASSAY_OK;
    for (uint64_t t = 0; code == ASSAY_OK && t < 12 && !is_over; t++) {
        code = o->ask(&i->ctx, i->hyper, t, 1, &slot, sizeof slot, &n, &is_over);
        const assay_event e = { .struct_size = sizeof e,
            .trial = t,
            .state = ASSAY_TRIAL_DONE,
            .x = x,
            .value = 0.1 * (double)t,
            .standard_error = (double)NAN,
            .fidelity = space->max_fidelity };
        if (code == ASSAY_OK && n == 1) code = o->tell(&i->ctx, i->hyper, &e, 1, sizeof e);
    }
    const bool has_failed = host_wrap_has_failed(&w);
    if (has_failed && code == ASSAY_OK) {
        check_fail(rep,
            "request %llu for memory gave NULL and neither open nor ask nor tell has failed: "
            "return ASSAY_E_NOMEM",
            (unsigned long long)k);
    }
    const bool is_refused = !is_open && code == ASSAY_E_UNSUPPORTED;
    if (!has_failed && code != ASSAY_OK && !is_refused) check_fail(rep, "an ordinary life fails");
    if (is_open) o->close(&i->ctx);
    host_wrap_end(&w);
    specimen_close(&p);
    return has_failed;
}

static void memory_on(
    const subject *s, const char *settings, const rig_space *space, check_report *rep)
{
    (void)settings;
    for (uint64_t k = 1; k < 400 && rep->outcome != CHECK_FAILED; k++) {
        if (!short_of_memory(s, space, k, rep)) return;
    }
}

static void check_memory(const subject *s, check_report *rep)
{
    each_space(s, "", memory_on, rep);
}

/* -- hyperparameters -- */

static uint64_t points_hash(const subject *s, const char *settings, void *self)
{
    uint64_t h = 0;
    assay_dimension room[RIG_DIMENSIONS];
    rig_space space;
    check_report ignored = { 0 };
    (void)self;
    for (size_t i = 0; rig_space_get(i, room, &space); i++) {
        rig r;
        if (space.n == RIG_DIMENSIONS || !rig_fits(s->component->ops, &space)) continue;
        if (rig_open(&r, s, settings, &space, &ignored) && rig_play(&r, N_SHOWN, 2, RIG_USUAL)) {
            h = bits_hash((const float *)(const void *)r.x, 2 * r.n * r.space.n, h);
        }
        h += r.n;
        rig_close(&r);
    }
    return h;
}

static void check_hypers(const subject *s, check_report *rep)
{
    check_shows(s, points_hash, NULL, "in no proposal", rep);
}

/* -- speed -- */

enum { N_ASKS = 5000, PIECE = 500 };

static double play_timed(rig *r, uint64_t n)
{
    const double start = clock_wall_s();
    const uint64_t first = r->n;
    if (!rig_play(r, first + n, 1, RIG_USUAL) || r->n == first) return (double)NAN;
    return 1e6 * (clock_wall_s() - start) / (double)(r->n - first);
}

/* A model may grow with what it has seen; what it costs is shown at 500 and, where that is soon enough, at 5000. */
static void check_speed(const subject *s, check_report *rep)
{
    assay_dimension room[RIG_DIMENSIONS];
    rig_space space;
    rig r;
    double first = (double)NAN, last = (double)NAN;
    if (!rig_space_get(0, room, &space)) return;
    if ((((const assay_search *)s->component->ops)->can & ASSAY_SEARCH_FIDELITY)) {
        space.max_fidelity = 27;
    }
    const double start = clock_wall_s();
    if (rig_open(&r, s, "", &space, rep)) {
        first = play_timed(&r, PIECE);
        while (r.n + PIECE <= N_ASKS && !r.is_over && isfinite(first) &&
            clock_wall_s() - start < s->time_limit_s / 8)
            last = play_timed(&r, PIECE);
    }
    if (isfinite(first)) check_measure(rep, "ask and tell, first 500", first, "us");
    if (isfinite(last)) check_measure(rep, "ask and tell, last 500", last, "us");
    if (isfinite(last) && r.n == N_ASKS && last > 40 * first) {
        check_warn(rep,
            "an ask and tell costs %.3g us at first and %.3g us after %d trials: more than in "
            "proportion to what was told",
            first, last, (int)N_ASKS);
    }
    rig_close(&r);
}

const check_test check_tests_search[] = {
    { "search_bounds", "search", "proposals lie inside the space, under all settings",
        check_bounds },
    { "search_same", "search", "instances do not see each other; chance comes from the host",
        check_same },
    { "search_replay", "search", "one that is told the log of another goes on like it",
        check_replay },
    { "search_batches", "search", "several points at once differ; results come in any order",
        check_batches },
    { "search_late", "search", "trials may be under way for long", check_late },
    { "search_fates", "search", "results of every kind: failed, diverged, lost, huge, all the same",
        check_fates },
    { "search_explain", "search", "explain writes one line into its place", check_explain },
    { "search_out_of_memory", "search", "it fails in good order when memory runs out",
        check_memory },
    { "search_hypers", "search", "each hyperparameter shows in what is proposed", check_hypers },
    { "search_speed", "search", "cost of an ask and a tell, and how it grows", check_speed },
    { .name = NULL },
};
