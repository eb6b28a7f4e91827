/* The component is found and bound by the real registry; the fake host beside it holds the same struct of hyperparameters, so that a test
 * can change one by name between two updates, past any range.
 *
 * The checks use numbers of many sizes from a small generator of their own, the same in every run. Chunks are handed out from the
 * back, so that an optimizer which carries something from chunk to chunk is found out. */
#include "support/optimizer_harness.h"

#include "check/optimizer_rig.h"
#include "check/optimizer_trajectory.h"
#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_ELEMENTS = 9001, N_UPDATES = 12, N_BEFORE = 5, MOST_TENSORS = 16 };

struct optimizer_scene {
    registry *registry;
    specimen specimen;
    size_t n_tensors;
    size_t first; /* the first that is accepted */
    char seen[FAKE_HOST_HYPER_BYTES]; /* of the fake host, at the last look */
};

static float *numbers(size_t n)
{
    float *p = calloc(n ? n : 1, sizeof *p);
    assert_non_null(p);
    return p;
}

static void must(status st, const error *err, const char *id)
{
    if (st != OK) {
        fail_msg("%s: %s", id, err->text);
    }
}

static const assay_slot *slot_at(const optimizer_harness *o, uint64_t i)
{
    const char *table = (const char *)o->ops->slots;
    return (const assay_slot *)(const void *)(table + i * o->ops->slot_stride);
}

/* -- options -- */

static void add_option(const optimizer_harness *o, const char *name, const char *given, text *t)
{
    const assay_hyper *row = fake_host_row(&o->host, name);
    text_printf(t, "%s = ", name);
    if (row && row->type == ASSAY_TYPE_BOOL) {
        text_add(t, given[0] == '0' ? "false" : "true");
    } else if (row && (row->type == ASSAY_TYPE_ENUM || row->type == ASSAY_TYPE_STRING)) {
        text_printf(t, "\"%s\"", given);
    } else if (row && (row->type == ASSAY_TYPE_INTS || row->type == ASSAY_TYPE_REALS)) {
        text_printf(t, "[ %s ]", given);
    } else {
        text_add(t, given);
    }
    text_add(t, "; ");
}

/* "lr=0.1 nesterov=1" as a config would have it. */
static void settings_of(const optimizer_harness *o, const char *options, text *t)
{
    char name[64], given[128];
    int n;
    if (strchr(options, ';')) {
        text_add(t, options);
        return;
    }
    while (sscanf(options, " %63[^= ]=%127[^ ]%n", name, given, &n) == 2) {
        add_option(o, name, given, t);
        options += n;
    }
    assert_int_equal(options[strspn(options, " ")], '\0');
}

static bool is_plain(const assay_hyper *row)
{
    return row->type == ASSAY_TYPE_REAL || row->type == ASSAY_TYPE_INT ||
        row->type == ASSAY_TYPE_BOOL || row->type == ASSAY_TYPE_ENUM;
}

/* What a test has set since the last look. */
static void follow_host(optimizer_harness *o)
{
    struct optimizer_scene *s = o->scene;
    const hyper_table *t = &s->specimen.instance->component->hypers;
    bool is_changed = false;
    for (size_t i = 0; i < t->n; i++) {
        const assay_hyper *row = hyper_row(t, i);
        const size_t at = (size_t)row->offset;
        if (is_plain(row) && memcmp(s->seen + at, o->host.hyper.bytes + at, 8) != 0) {
            memcpy((char *)s->specimen.instance->hyper + at, o->host.hyper.bytes + at, 8);
            is_changed = true;
        }
    }
    if (is_changed) {
        memcpy(s->seen, o->host.hyper.bytes, sizeof s->seen);
        optimizer_rig_rebind(o->rig);
    }
}

/* -- a life -- */

static void open_specimen(
    optimizer_harness *o, const char *build_folder, const char *id, const char *options)
{
    char folder[1024];
    error err = { 0 };
    text settings;
    const component *c = NULL;
    struct optimizer_scene *s = o->scene;
    snprintf(folder, sizeof folder, "%s/plugins/optimizer", build_folder);
    const char *const dirs[] = { folder, NULL };
    const registry_options options_of = { .dirs = dirs, .no_environment = true };
    must(registry_new(&options_of, &s->registry, &err), &err, id);
    must(registry_find(s->registry, ASSAY_KIND_OPTIMIZER, id, NULL, &c, &err), &err, id);
    const subject tested = { .registry = s->registry, .component = c, .seed = 1 };
    text_init(&settings);
    settings_of(o, options, &settings);
    must(specimen_open(&tested, settings.s ? settings.s : "", &s->specimen, &err), &err, id);
    text_release(&settings);
    memcpy(o->host.hyper.bytes, s->specimen.instance->hyper, c->hypers.bytes);
    memcpy(s->seen, o->host.hyper.bytes, sizeof s->seen);
}

void optimizer_open_tensors(optimizer_harness *o, const char *build_folder, const char *id,
    const char *options, const struct rig_tensor *tensors, size_t n_tensors, const float *const *w0)
{
    char folder[1024];
    error err = { 0 };
    memset(o, 0, sizeof *o);
    o->scene = calloc(1, sizeof *o->scene);
    assert_non_null(o->scene);
    snprintf(folder, sizeof folder, "%s/plugins", build_folder);
    fake_host_open(&o->host, folder, ASSAY_KIND_OPTIMIZER, id);
    open_specimen(o, build_folder, id, options);
    o->ops = o->scene->specimen.instance->component->ops;
    o->scene->n_tensors = n_tensors;
    must(optimizer_rig_open(&o->scene->specimen, tensors, n_tensors, w0, &o->rig, &err), &err, id);
    while (!optimizer_rig_has(o->rig, o->scene->first)) {
        o->scene->first++;
    }
    o->n = optimizer_rig_size(o->rig, o->scene->first);
    o->w = optimizer_rig_weights(o->rig, o->scene->first);
    for (uint64_t i = 0; i < o->ops->n_slots && i < OPTIMIZER_SLOTS; i++) {
        o->slot[i] = optimizer_rig_slot(o->rig, o->scene->first, slot_at(o, i)->name, NULL);
    }
    for (size_t i = optimizer_rig_n_arrays(o->rig); i-- > 0;) {
        const rig_array a = optimizer_rig_array(o->rig, i);
        if (a.doubles && !strchr(a.name, '.')) { /* the first of its own in the end */
            o->global = a.doubles;
        }
    }
}

void optimizer_open(optimizer_harness *o, const char *build_folder, const char *id,
    const char *options, const float *w0, size_t n)
{
    const rig_tensor vector = { .name = "harness.w", .shape = { .n_dims = 1, .dim = { n } } };
    optimizer_open_tensors(o, build_folder, id, options, &vector, 1, &w0);
}

void optimizer_close(optimizer_harness *o)
{
    optimizer_rig_free(o->rig);
    specimen_close(&o->scene->specimen);
    registry_free(o->scene->registry);
    free(o->scene);
}

void optimizer_restore(optimizer_harness *o, const optimizer_harness *from)
{
    error err = { 0 };
    must(optimizer_rig_resume(o->rig, from->rig, &err), &err, "a resume");
    o->t = from->t;
}

void optimizer_update_tensors(optimizer_harness *o, const float *const *g, size_t chunk)
{
    error err = { 0 };
    const rig_update u = { .g = g,
        .loss = o->loss,
        .chunk = chunk,
        .backwards = true,
        .objective = o->objective,
        .objective_self = o->objective_self,
        .tolerates_nan = true };
    follow_host(o);
    must(optimizer_rig_update(o->rig, &u, &err), &err, o->host.component->id);
    o->t = optimizer_rig_n_updates(o->rig);
}

void optimizer_update(optimizer_harness *o, const float *g, size_t chunk)
{
    assert_int_equal(o->scene->n_tensors, 1);
    optimizer_update_tensors(o, &g, chunk);
}

void optimizer_eval_weights_at(optimizer_harness *o, size_t i_tensor, float *out)
{
    error err = { 0 };
    follow_host(o);
    must(optimizer_rig_eval_weights(o->rig, i_tensor, out, &err), &err, o->host.component->id);
}

/* -- golden -- */

/* The distance that the weights have moved, against that of the oracle: weights that hardly move would hide a wrong step. What
 * t roundings of the weights to float may have added does not count. */
static double moved_error(const float *w, const double *want, const float *w0, size_t n, size_t t)
{
    double difference = 0, distance = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        const double moved = want[i] - (double)w0[i], d = (double)w[i] - want[i];
        difference += d * d;
        distance += moved * moved;
        size += want[i] * want[i];
    }
    const double rounding = (double)t * 0x1p-24 * sqrt(size), off = sqrt(difference);
    return off > rounding ? (off - rounding) / sqrt(distance) : 0;
}

struct trajectory *optimizer_golden(const char *id)
{
    char path[1024];
    trajectory *t = NULL;
    error err = { 0 };
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/tests/golden/optimizer_%s.safetensors", id);
    must(trajectory_open(path, &t, &err), &err, id);
    assert_in_range(t->n_steps, 20, 1000);
    assert_in_range(t->n_tensors, 1, MOST_TENSORS);
    return t;
}

static void check_weights(const trajectory *k, const trajectory_case *c, size_t step, size_t i,
    const float *found, const double *want)
{
    const size_t n_roundings = k->has_objective ? 0 : step + 1;
    const double off = norm_relative_error(found, want, k->size[i]);
    const double moved = moved_error(found, want, k->w0[i], k->size[i], n_roundings);
    if (!(off <= 1e-5) || !(moved <= 1e-5)) {
        fail_msg("%s.%s: update %zu: off by %g, the distance by %g", c->name, k->tensor[i].name,
            step + 1, off, moved);
    }
}

static void check_update(
    optimizer_harness *o, const trajectory *k, const trajectory_case *c, size_t step)
{
    for (size_t i = 0; i < k->n_tensors; i++) {
        const size_t n = k->size[i];
        assert_true(optimizer_rig_has(o->rig, i));
        assert_true(!o->ops->eval_weights || c->x[i]); /* the file tells what there is to be told */
        check_weights(k, c, step, i, optimizer_rig_weights(o->rig, i), c->w[i] + step * n);
        if (!c->x[i] || (c->x_is_last && step + 1 < k->n_steps)) {
            continue;
        }
        float *x = numbers(n);
        optimizer_eval_weights_at(o, i, x);
        const double *want = c->x_is_last ? c->x[i] : c->x[i] + step * n;
        const double off = norm_relative_error(x, want, n);
        if (!(off <= 1e-5)) {
            fail_msg("x.%s.%s: update %zu: off by %g", c->name, k->tensor[i].name, step + 1, off);
        }
        free(x);
    }
}

static void check_case(
    const char *build_folder, const char *id, trajectory *k, const trajectory_case *c)
{
    optimizer_harness o;
    const float *g[MOST_TENSORS], *w[MOST_TENSORS];
    float *slope[MOST_TENSORS];
    optimizer_open_tensors(&o, build_folder, id, c->settings, k->tensor, k->n_tensors, k->w0);
    for (size_t i = 0; i < k->n_tensors; i++) {
        slope[i] = numbers(k->size[i]);
        w[i] = optimizer_rig_weights(o.rig, i);
    }
    for (size_t step = 0; step < k->n_steps; step++) {
        for (size_t i = 0; i < k->n_tensors; i++) {
            g[i] = k->has_objective ? slope[i] : k->g[i] + step * k->size[i];
        }
        if (k->has_objective) {
            o.objective = trajectory_objective;
            o.objective_self = k;
            o.loss = trajectory_objective(k, w, slope, 0, false);
        }
        optimizer_update_tensors(&o, g, OPTIMIZER_WHOLE);
        check_update(&o, k, c, step);
    }
    for (size_t i = 0; i < k->n_tensors; i++) {
        free(slope[i]);
    }
    optimizer_close(&o);
}

void optimizer_check_golden(const char *build_folder, const char *id)
{
    trajectory *k = optimizer_golden(id);
    for (size_t i = 0; i < k->n_cases; i++) {
        check_case(build_folder, id, k, &k->run[i]);
    }
    trajectory_close(k);
}

void optimizer_check_cases(const char *build_folder, const char *id, optimizer_check check)
{
    trajectory *k = optimizer_golden(id);
    for (size_t i = 0; i < k->n_cases; i++) {
        check(build_folder, id, k->run[i].settings);
    }
    trajectory_close(k);
}

optimizer_settings optimizer_case_settings(const char *id, const char *name)
{
    trajectory *k = optimizer_golden(id);
    optimizer_settings out;
    const trajectory_case *c = trajectory_find(k, name);
    if (!c) {
        fail_msg("optimizer_%s.safetensors has no case %s", id, name);
    }
    assert_in_range(strlen(c->settings), 0, sizeof out.text - 1);
    snprintf(out.text, sizeof out.text, "%s", c->settings);
    trajectory_close(k);
    return out;
}

/* -- checks -- */

/* Numbers from about 1e-6 to 10, of either sign, zero now and then. */
static void fill(float *x, size_t n, uint32_t seed)
{
    uint32_t s = seed * 2654435761u + 12345u;
    for (size_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        const float mantissa = (float)(int32_t)(s >> 8) / 8388608.0f - 1.0f;
        s = s * 1664525u + 1013904223u;
        x[i] = s >> 24 == 0 ? 0.0f : 10.0f * ldexpf(mantissa, -(int)(s >> 27));
    }
}

/* A long vector for those that see chunks; some tensors of several shapes for the others. */
static const rig_tensor long_vector[] = {
    { .name = "harness.w", .shape = { 1, { N_ELEMENTS } } },
};
static const rig_tensor some_shapes[] = {
    { .name = "one.weight", .shape = { 2, { 61, 37 } } },
    { .name = "one.bias", .shape = { 1, { 37 } }, .role = ASSAY_ROLE_BIAS },
    { .name = "two.weight", .shape = { 4, { 3, 2, 5, 4 } } },
};
enum { N_SHAPES = sizeof some_shapes / sizeof some_shapes[0] };

/* A bowl whose middle is not where it starts, for closures. */
static double bowl(
    void *self, const float *const *w, float *const *g, uint64_t evaluation, bool fresh)
{
    const optimizer_harness *o = self;
    double sum = 0;
    (void)evaluation;
    for (size_t i = 0; i < o->scene->n_tensors; i++) {
        for (size_t k = 0; k < optimizer_rig_size(o->rig, i); k++) {
            const float d = w[i][k] - (fresh ? 0.731f : 0.5f) * (float)(k % 7);
            const float a = 0.02385f * (float)(1 + k % 5);
            sum += 0.5 * (double)(a * d * d);
            if (g) {
                g[i][k] = a * d;
            }
        }
    }
    return sum;
}

static void run(optimizer_harness *o, uint64_t until, size_t chunk)
{
    float *g[MOST_TENSORS];
    const float *w[MOST_TENSORS], *read[MOST_TENSORS];
    const size_t n_tensors = o->scene->n_tensors;
    for (size_t i = 0; i < n_tensors; i++) {
        read[i] = g[i] = numbers(optimizer_rig_size(o->rig, i));
        w[i] = optimizer_rig_weights(o->rig, i);
    }
    while (o->t < until) {
        for (size_t i = 0; i < n_tensors; i++) {
            fill(g[i], optimizer_rig_size(o->rig, i), (uint32_t)o->t + 1 + 1000 * (uint32_t)i);
        }
        if (o->ops->model) {
            o->objective = bowl;
            o->objective_self = o;
            o->loss = bowl(o, w, g, 0, false);
        }
        optimizer_update_tensors(o, read, chunk);
    }
    for (size_t i = 0; i < n_tensors; i++) {
        free(g[i]);
    }
}

static void open_filled(
    optimizer_harness *o, const char *build_folder, const char *id, const char *options)
{
    float *w0[N_SHAPES];
    fake_host probe;
    char folder[1024];
    snprintf(folder, sizeof folder, "%s/plugins", build_folder);
    fake_host_open(&probe, folder, ASSAY_KIND_OPTIMIZER, id);
    const assay_optimizer *ops = probe.component->ops;
    const rig_tensor *tensors = ops->elem ? long_vector : some_shapes;
    const size_t n = ops->elem ? 1 : N_SHAPES;
    for (size_t i = 0; i < n; i++) {
        const size_t size = (size_t)assay_shape_size(&tensors[i].shape);
        w0[i] = numbers(size);
        fill(w0[i], size, 1000 * (uint32_t)i);
    }
    optimizer_open_tensors(
        o, build_folder, id, options, tensors, n, (const float *const *)(const void *)w0);
    for (size_t i = 0; i < n; i++) {
        free(w0[i]);
    }
}

static void check_finite(const optimizer_harness *a)
{
    for (size_t i = 0; i < a->n; i++) {
        assert_true(isfinite(a->w[i]));
    }
}

static void check_same(const optimizer_harness *a, const optimizer_harness *b)
{
    check_finite(a);
    assert_int_equal(optimizer_rig_n_arrays(a->rig), optimizer_rig_n_arrays(b->rig));
    for (size_t i = 0; i < optimizer_rig_n_arrays(a->rig); i++) {
        const rig_array x = optimizer_rig_array(a->rig, i), y = optimizer_rig_array(b->rig, i);
        if (x.doubles) {
            assert_memory_equal(x.doubles, y.doubles, x.n * sizeof *x.doubles);
        } else if (x.n > 0) {
            assert_memory_equal(x.floats, y.floats, x.n * sizeof *x.floats);
        }
    }
    assert_true(optimizer_rig_hash(a->rig) == optimizer_rig_hash(b->rig));
}

/* Sums in double of other pieces differ in their last bits; what is left of that in the weights is far below this. */
static void check_near(
    const optimizer_harness *a, const optimizer_harness *b, const optimizer_harness *start)
{
    check_finite(a);
    for (size_t i = 0; i < a->scene->n_tensors; i++) {
        const float *x = optimizer_rig_weights(a->rig, i), *y = optimizer_rig_weights(b->rig, i);
        const float *from = optimizer_rig_weights(start->rig, i);
        double off = 0, way = 0;
        for (size_t k = 0; k < optimizer_rig_size(a->rig, i); k++) {
            off += pow((double)x[k] - (double)y[k], 2);
            way += pow((double)x[k] - (double)from[k], 2);
        }
        assert_true(sqrt(off) <= 1e-5 * sqrt(way));
    }
}

void optimizer_check_chunks(const char *build_folder, const char *id, const char *options)
{
    static const size_t chunks[] = { 1, 7, 4096 };
    optimizer_harness whole, cut, start;
    open_filled(&start, build_folder, id, options);
    open_filled(&whole, build_folder, id, options);
    run(&whole, N_UPDATES, OPTIMIZER_WHOLE);
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        open_filled(&cut, build_folder, id, options);
        run(&cut, N_UPDATES, chunks[i]);
        if (whole.ops->n_sums > 0) {
            check_near(&whole, &cut, &start);
        } else {
            check_same(&whole, &cut);
        }
        optimizer_close(&cut);
    }
    optimizer_close(&whole);
    optimizer_close(&start);
}

void optimizer_check_resume(const char *build_folder, const char *id, const char *options)
{
    optimizer_harness straight, first, second;
    open_filled(&straight, build_folder, id, options);
    open_filled(&first, build_folder, id, options);
    open_filled(&second, build_folder, id, options);
    run(&straight, N_UPDATES, OPTIMIZER_WHOLE);
    run(&first, N_BEFORE, OPTIMIZER_WHOLE);
    optimizer_restore(&second, &first);
    run(&second, N_UPDATES, OPTIMIZER_WHOLE);
    check_same(&straight, &second);
    optimizer_close(&straight);
    optimizer_close(&first);
    optimizer_close(&second);
}

void optimizer_check_empty(const char *build_folder, const char *id, const char *options)
{
    const float nothing[1] = { 0 };
    optimizer_harness o;
    optimizer_open(&o, build_folder, id, options, nothing, 0);
    optimizer_update(&o, nothing, OPTIMIZER_WHOLE);
    optimizer_update(&o, nothing, OPTIMIZER_WHOLE);
    optimizer_close(&o);
}

void optimizer_check_lr_zero(const char *build_folder, const char *id, const char *options)
{
    optimizer_harness o, start;
    open_filled(&start, build_folder, id, options);
    open_filled(&o, build_folder, id, options);
    fake_host_set(&o.host, "lr=0");
    if (fake_host_row(&o.host, "weight_decay")) {
        fake_host_set(&o.host, "weight_decay=0");
    }
    run(&o, N_UPDATES, OPTIMIZER_WHOLE);
    for (size_t i = 0; i < o.n; i++) {
        assert_true(o.w[i] == start.w[i]);
    }
    optimizer_close(&o);
    optimizer_close(&start);
}

static void check_same_way(
    const optimizer_harness *a, const optimizer_harness *b, const float *w0, double tolerance)
{
    double *want = calloc(b->n, sizeof *want);
    assert_non_null(want);
    for (size_t i = 0; i < b->n; i++) {
        want[i] = (double)b->w[i];
        assert_true(isfinite(b->w[i]));
    }
    const double off = moved_error(a->w, want, w0, b->n, b->t);
    free(want);
    if (!(off <= tolerance)) {
        fail_msg("update %llu: off by %g of the way", (unsigned long long)b->t, off);
    }
}

void optimizer_check_special_case(const char *build_folder, const char *id, const char *options,
    const char *of, const char *as, double tolerance)
{
    optimizer_harness special, general;
    float *w0 = numbers(N_ELEMENTS);
    fill(w0, N_ELEMENTS, 0);
    open_filled(&special, build_folder, id, options);
    open_filled(&general, build_folder, of, as);
    for (uint64_t t = 1; t <= N_UPDATES; t++) {
        run(&special, t, OPTIMIZER_WHOLE);
        run(&general, t, OPTIMIZER_WHOLE);
        assert_memory_not_equal(general.w, w0, N_ELEMENTS * sizeof *w0);
        check_same_way(&special, &general, w0, tolerance);
    }
    optimizer_close(&special);
    optimizer_close(&general);
    free(w0);
}
