/* State is in weights, slots and what `save` gives, and nowhere else. */
#include "check/optimizer_tests.h"

#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_UPDATES = 12 };

/* What a schedule would do: every REAL hyperparameter that one may drive has another value at
 * every update. */
static void apply_schedule(bench *b)
{
    const hyper_table *t = &b->specimen.instance->component->hypers;
    const uint64_t at = optimizer_rig_n_updates(b->rig);
    for (size_t i = 0; i < t->n; i++) {
        const assay_hyper *row = hyper_row(t, i);
        if (row->type != ASSAY_TYPE_REAL || !(row->flags & ASSAY_SCHED)) {
            continue;
        }
        double base;
        memcpy(&base, (const char *)b->specimen.instance->hyper + row->offset, sizeof base);
        const double v = base * (1 - 0.04 * (double)at);
        if (hyper_in_range(row, v)) {
            (void)optimizer_rig_set_hyper(b->rig, row->name, v);
        }
    }
}

static bool run_until(bench *b, uint64_t t, bool scheduled, check_report *r)
{
    while (optimizer_rig_n_updates(b->rig) < t) {
        if (scheduled) {
            apply_schedule(b);
        }
        if (!bench_run(b, optimizer_rig_n_updates(b->rig) + 1, r)) {
            return false;
        }
    }
    return true;
}

static void resume_at(const subject *s, const char *settings, const bench *straight, uint64_t at,
    bool scheduled, check_report *r)
{
    bench first, second;
    char where[300];
    error err = { 0 };
    if (!bench_open(&first, s, settings, &bench_small, r)) {
        return;
    }
    if (!bench_open(&second, s, settings, &bench_small, r)) {
        bench_close(&first);
        return;
    }
    if (run_until(&first, at, scheduled, r)) {
        if (optimizer_rig_resume(second.rig, first.rig, &err) != OK) {
            check_fail(r, "with %s: resuming after update %llu: %s", bench_under(settings),
                (unsigned long long)at, err.text);
        } else if (run_until(&second, N_UPDATES, scheduled, r) &&
            !bench_same(straight, &second, where, sizeof where)) {
            check_fail(r,
                "with %s%s: a run that is resumed after update %llu has other bits after update %d "
                "than one that is not: %s; all that an update leaves for the next one belongs in a "
                "slot "
                "(or in save and load): nothing on ctx->self, nothing static, no \"first call\"",
                bench_under(settings),
                scheduled ? " and hyperparameters that a schedule changes" : "",
                (unsigned long long)at, (int)N_UPDATES, where);
        }
    }
    bench_close(&first);
    bench_close(&second);
}

static void resume_all(const subject *s, const char *settings, bool scheduled, check_report *r)
{
    static const uint64_t points[] = { 1, 2, 7 };
    bench straight;
    if (!bench_open(&straight, s, settings, &bench_small, r)) {
        return;
    }
    if (run_until(&straight, N_UPDATES, scheduled, r)) {
        for (size_t i = 0; i < 3 && r->outcome != CHECK_FAILED; i++) {
            resume_at(s, settings, &straight, points[i], scheduled, r);
        }
    }
    bench_close(&straight);
}

static void resume_under(const subject *s, const char *settings, check_report *r)
{
    resume_all(s, settings, false, r);
}

void optimizer_test_resume(const subject *s, check_report *r)
{
    bench_each_setting(s, CHECK_MAX_SETTINGS, r, resume_under);
}

static void schedule_under(const subject *s, const char *settings, check_report *r)
{
    resume_all(s, settings, true, r);
}

void optimizer_test_schedule(const subject *s, check_report *r)
{
    const hyper_table *t = &s->component->hypers;
    bool any = false;
    for (size_t i = 0; i < t->n; i++) {
        any |= hyper_row(t, i)->type == ASSAY_TYPE_REAL && (hyper_row(t, i)->flags & ASSAY_SCHED);
    }
    if (!any) {
        check_skip(r, "none of its own hyperparameters is flagged ASSAY_SCHED");
        return;
    }
    bench_each_setting(s, 12, r, schedule_under);
}

/* -- several instances -- */

static bool open_three(bench b[3], const subject *s, const char *settings, check_report *r)
{
    for (int i = 0; i < 3; i++) {
        b[i] = (bench){ 0 };
        if (!bench_open_seeded(
                &b[i], s, settings, &bench_small, i == 1 ? s->seed + 7 : s->seed, r)) {
            while (i-- > 0) {
                bench_close(&b[i]);
            }
            return false;
        }
    }
    return true;
}

/* The first and the second take turns; the third is alone and must end like the first. */
static void instances_under(const subject *s, const char *settings, check_report *r)
{
    bench b[3];
    char where[300];
    if (!open_three(b, s, settings, r)) {
        return;
    }
    bool goes_on = true;
    for (uint64_t t = 1; t <= N_UPDATES && goes_on; t++) {
        goes_on = bench_run(&b[0], t, r) && bench_run(&b[1], t, r);
    }
    if (goes_on && bench_run(&b[2], N_UPDATES, r) &&
        !bench_same(&b[0], &b[2], where, sizeof where)) {
        check_fail(r,
            "with %s: beside another instance that is updated in turns it has other bits after "
            "update "
            "%d than alone: %s; instances share nothing: look for `static` variables",
            bench_under(settings), (int)N_UPDATES, where);
    }
    for (int i = 0; i < 3; i++) {
        bench_close(&b[i]);
    }
}

void optimizer_test_instances(const subject *s, check_report *r)
{
    bench_each_setting(s, 12, r, instances_under);
}

/* -- save and load -- */

static void load_bytes(const subject *s, const char *settings, const void *bytes, size_t n,
    bool must_refuse, check_report *r)
{
    bench b;
    error err = { 0 };
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    const status st = optimizer_rig_load(b.rig, bytes, n, &err);
    if (st == OK && must_refuse) {
        check_fail(r,
            "with %s: load takes %zu bytes of garbage for its own state; it must look at the "
            "length and "
            "return ASSAY_E_DATA",
            bench_under(settings), n);
    }
    bench_close(&b);
}

static void save_under(const subject *s, const char *settings, check_report *r)
{
    enum { MOST = 1 << 16 };
    bench b;
    error err = { 0 };
    void *bytes = NULL;
    size_t n = 0;
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    if (!bench_run(&b, 3, r)) {
        bench_close(&b);
        return;
    }
    if (optimizer_rig_save(b.rig, &bytes, &n, &err) != OK) {
        check_fail(r, "with %s: %s", bench_under(settings), err.text);
        bench_close(&b);
        return;
    }
    unsigned char *garbage = calloc(MOST + 1, 1);
    if (garbage) {
        rng_u32(rng_make(s->seed, "garbage"), 0, 0, (uint32_t *)(void *)garbage, MOST / 4);
        load_bytes(s, settings, bytes, n, false, r);
        load_bytes(s, settings, garbage, n <= MOST ? n : MOST, false, r);
        if (n > 0) {
            load_bytes(s, settings, bytes, n - 1, true, r);
            load_bytes(s, settings, garbage, 0, true, r);
        }
        if (n + 1 <= MOST) {
            load_bytes(s, settings, garbage, n + 1, true, r);
        }
    }
    free(garbage);
    free(bytes);
    bench_close(&b);
}

void optimizer_test_save(const subject *s, check_report *r)
{
    const assay_optimizer *o = s->component->ops;
    if (!o->save || !o->load) {
        check_skip(r, "it has no state of its own, no save and load");
        return;
    }
    bench_each_setting(s, 4, r, save_under);
}
