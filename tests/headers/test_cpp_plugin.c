/* assay/plugin.hpp from the host's side: what a C++ author writes must reach the host exactly as if it were C.
 * Loads the shared objects that tests/headers/CMakeLists.txt builds and calls them through a small host of its own. */
#include <assay/plugin.h>

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 1031 }; /* a prime: no vector width divides it */

struct report {
    int code;
    char hyper[64], message[128];
    uint64_t n_calls;
};

/* The context comes first, so that the host finds the report from the pointer that it is handed. */
struct session {
    assay_ctx ctx;
    struct report report;
};

static int record_failure(assay_ctx *ctx, int code, const char *hyper, const char *message)
{
    struct report *r = &((struct session *)ctx)->report;
    r->code = code;
    r->n_calls++;
    snprintf(r->hyper, sizeof r->hyper, "%s", hyper ? hyper : "-");
    snprintf(r->message, sizeof r->message, "%s", message);
    return code;
}

static const assay_host host = {
    .struct_size = sizeof(assay_host),
    .abi_major = ASSAY_ABI_MAJOR,
    .abi_minor = ASSAY_ABI_MINOR,
    .draft_hash = ASSAY_DRAFT_HASH,
    .fail = record_failure,
};

static struct session session_new(void)
{
    return (struct session){
        .ctx = { .struct_size = sizeof(assay_ctx), .host = &host },
    };
}

static const assay_plugin *load(const char *file)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/headers/%s", TEST_BUILD_DIR, file);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fail_msg("%s", dlerror());
    }
    union {
        void *object;
        const assay_plugin *(*entry)(const assay_host *);
    } symbol = { dlsym(library, ASSAY_TEXT(ASSAY_ENTRY)) };
    assert_non_null(symbol.object);
    const assay_plugin *plugin = symbol.entry(&host);
    assert_non_null(plugin);
    assert_int_equal(plugin->struct_size, sizeof(assay_plugin));
    assert_true(plugin->draft_hash == ASSAY_DRAFT_HASH);
    assert_non_null(plugin->info);
    return plugin;
}

static const assay_component *find(const assay_plugin *plugin, const char *id)
{
    for (uint64_t i = 0; i < plugin->n_components; i++) {
        if (strcmp(plugin->components[i]->id, id) == 0) {
            return plugin->components[i];
        }
    }
    fail_msg("no component %s", id);
    return NULL;
}

static const assay_hyper *row_at(const assay_component *c, uint64_t i)
{
    assert_true(i < c->n_hypers);
    return (const assay_hyper *)(const void *)((const char *)c->hypers + i * c->hyper_stride);
}

static void assert_same_text(const char *a, const char *b)
{
    assert_true((a == NULL) == (b == NULL));
    if (a) {
        assert_string_equal(a, b);
    }
}

/* A number in [-1, 1) from a linear congruence: the two plugins need equal data, not good data. */
static float noise(uint64_t *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (float)(int32_t)(uint32_t)(*state >> 32) / 2147483648.0f;
}

static void update_n_times(const char *file, const char *id, int n_steps, float *w, float *m)
{
    const struct {
        double lr, momentum, weight_decay;
    } hyper = { 0.00317, 0.887, 0.0271 };
    const assay_optimizer *ops = find(load(file), id)->ops;
    assert_int_equal(ops->struct_size, sizeof(assay_optimizer));
    struct session s = session_new();
    uint64_t state = 20231;
    float g[N];
    float *slot[] = { m };
    for (int i = 0; i < N; i++) {
        w[i] = noise(&state);
        m[i] = 0;
    }
    for (int t = 1; t <= n_steps; t++) {
        for (int i = 0; i < N; i++) {
            g[i] = i % 97 == 0 ? 0.0f : noise(&state);
        }
        const assay_step step = { .struct_size = sizeof step, .t = (uint64_t)t };
        const assay_span span = {
            .struct_size = sizeof span, .n = N, .w = w, .g = g, .slot = slot
        };
        assert_int_equal(ops->elem(&s.ctx, &hyper, &step, &span), ASSAY_OK);
    }
}

static void test_cpp_plugin__signum_gives_the_bits_of_signum_c(void **test)
{
    static float w_c[N], w_cpp[N], m_c[N], m_cpp[N];
    (void)test;
    update_n_times("signum.so", "signum", 23, w_c, m_c);
    update_n_times("signum_cpp.so", "signum_cpp", 23, w_cpp, m_cpp);
    assert_memory_equal(w_c, w_cpp, sizeof w_c);
    assert_memory_equal(m_c, m_cpp, sizeof m_c);
    update_n_times("signum_cpp.so", "signum_cpp", 22, w_cpp, m_cpp);
    assert_memory_not_equal(w_c, w_cpp, sizeof w_c);
}

static void test_cpp_plugin__signum_describes_itself_as_signum_c_does(void **test)
{
    (void)test;
    const assay_component *a = find(load("signum.so"), "signum");
    const assay_component *b = find(load("signum_cpp.so"), "signum_cpp");
    assert_string_equal(a->kind, b->kind);
    assert_string_equal(a->version, b->version);
    assert_memory_equal(a->doc, b->doc, strlen(a->doc));
    assert_int_equal(a->hyper_bytes, b->hyper_bytes);
    assert_int_equal(a->n_hypers, 3);
    assert_int_equal(b->n_hypers, 3);
    for (uint64_t i = 0; i < 3; i++) {
        const assay_hyper *p = row_at(a, i), *q = row_at(b, i);
        assert_string_equal(p->name, q->name);
        assert_string_equal(p->doc, q->doc);
        assert_int_equal(p->offset, q->offset);
        assert_int_equal(p->type, q->type);
        assert_int_equal(p->flags, q->flags);
        assert_true(p->def == q->def && p->min == q->min && p->max == q->max);
        assert_true(p->tune_min == q->tune_min && p->tune_max == q->tune_max);
    }
    const assay_optimizer *p = a->ops, *q = b->ops;
    assert_int_equal(q->n_slots, 1);
    assert_int_equal(q->slot_stride, p->slot_stride);
    assert_string_equal(q->slots[0].name, p->slots[0].name);
    assert_true(q->tensor == NULL && q->model == NULL && q->reduce == NULL && q->create == NULL);
}

static void test_cpp_plugin__every_kind_of_row_arrives(void **test)
{
    static const struct {
        const char *name;
        uint64_t type, flags;
        double def, min, max;
        const char *text, *kind;
    } want[] = {
        { "rate", ASSAY_TYPE_REAL, ASSAY_SCHED, 0.25, 0, 1, NULL, NULL },
        { "n", ASSAY_TYPE_INT, 0, 3, 1, 9, NULL, NULL },
        { "flag", ASSAY_TYPE_BOOL, 0, 1, 0, 1, NULL, NULL },
        { "mode", ASSAY_TYPE_ENUM, 0, 1, 0, 4, NULL, NULL },
        { "path", ASSAY_TYPE_STRING, ASSAY_PATH, 0, 0, 0, "x.csv", NULL },
        { "reals", ASSAY_TYPE_REALS, 0, 0, 0, 1, "0.5 0.75", NULL },
        { "ints", ASSAY_TYPE_INTS, 0, 0, -7, 7, "", NULL },
        { "strings", ASSAY_TYPE_STRINGS, 0, 0, 0, 0, "a b", NULL },
        { "inner", ASSAY_TYPE_COMPONENT, 0, 0, 0, 0, NULL, "optimizer" },
    };
    (void)test;
    const assay_component *c = find(load("every_kind_cpp.so"), "thrower");
    assert_int_equal(c->n_hypers, ASSAY_COUNT(want));
    uint64_t end = 0;
    for (uint64_t i = 0; i < c->n_hypers; i++) {
        const assay_hyper *r = row_at(c, i);
        assert_string_equal(r->name, want[i].name);
        assert_int_equal(r->type, want[i].type);
        assert_int_equal(r->flags, want[i].flags);
        assert_true(r->def == want[i].def && r->min == want[i].min && r->max == want[i].max);
        assert_same_text(r->def_string, want[i].text);
        assert_same_text(r->kind, want[i].kind);
        assert_int_equal(r->offset, end);
        end += r->type >= ASSAY_TYPE_REALS && r->type <= ASSAY_TYPE_STRINGS ? 16 : 8;
    }
    assert_int_equal(c->hyper_bytes, end);
    assert_true(row_at(c, 0)->tune_min == 0.125 && row_at(c, 0)->tune_max == 0.75);
    assert_string_equal(row_at(c, 0)->unit, "samples");
    assert_int_equal(row_at(c, 3)->n_choices, 5);
    assert_string_equal(row_at(c, 3)->choices[4], "strange");
}

static void test_cpp_plugin__slots_and_values_arrive(void **test)
{
    (void)test;
    const assay_optimizer *ops = find(load("every_kind_cpp.so"), "thrower")->ops;
    assert_int_equal(ops->n_slots, 1);
    assert_int_equal(ops->slots[0].shape, ASSAY_SLOT_ROWS);
    assert_true(ops->slots[0].init == 0.5);
    assert_string_equal(ops->slots[0].times, "n");
    assert_string_equal(ops->slots[0].when, "flag");
    assert_int_equal(ops->n_metrics, 1);
    assert_string_equal(ops->metrics[0].name, "norm");
    assert_int_equal(ops->n_sums, 2);
    assert_non_null(ops->tensor);
    assert_null(ops->elem);
}

/* The hyper struct of every_kind.cpp's thrower. */
struct thrower {
    double rate;
    int64_t n, flag, mode;
    const char *path;
    assay_reals reals;
    assay_ints ints;
    assay_strings strings;
    const assay_instance *inner;
};

static void test_cpp_plugin__exceptions_become_reports(void **test)
{
    static const struct {
        int code;
        const char *hyper, *message;
    } want[] = {
        { ASSAY_OK, "", "" },
        { ASSAY_E_INVALID, "rate", "must be smaller" },
        { ASSAY_E_NOMEM, "-", "out of memory" },
        { ASSAY_E_INTERNAL, "-", "a standard exception" },
        { ASSAY_E_INTERNAL, "-", "unknown C++ exception" },
    };
    (void)test;
    const assay_optimizer *ops = find(load("every_kind_cpp.so"), "thrower")->ops;
    for (int64_t mode = 0; mode < (int64_t)ASSAY_COUNT(want); mode++) {
        const struct thrower hyper = { .mode = mode };
        struct session s = session_new();
        assert_int_equal(ops->validate(&s.ctx, &hyper), want[mode].code);
        assert_int_equal(s.report.n_calls, mode > 0);
        assert_string_equal(s.report.hyper, want[mode].hyper);
        assert_string_equal(s.report.message, want[mode].message);
    }
}

static void test_cpp_plugin__state_lives_between_create_and_destroy(void **test)
{
    const struct thrower hyper = { .n = 7 };
    uint64_t bytes = 0;
    (void)test;
    const assay_optimizer *ops = find(load("every_kind_cpp.so"), "thrower")->ops;
    struct session s = session_new();
    assert_int_equal(ops->create(&s.ctx, &hyper), ASSAY_OK);
    assert_int_equal(*(int64_t *)s.ctx.self, 7);
    assert_int_equal(ops->save(&s.ctx, NULL, &bytes), ASSAY_E_IO);
    assert_string_equal(s.report.message, "nothing to save");
    assert_int_equal(ops->load(&s.ctx, NULL, 0), ASSAY_OK);
    ops->destroy(&s.ctx);
    assert_string_equal(s.report.message, "even from destroy");
}

static void test_cpp_plugin__a_layer_plans_and_runs(void **test)
{
    const assay_shape shape = { 1, { 3 } };
    const assay_input in = { .struct_size = sizeof in, .shape = shape, .dtype = ASSAY_F32 };
    assay_plan plan = { .struct_size = sizeof plan, .in = &in, .n_in = 1, .in_stride = sizeof in };
    const float x[2][3] = { { 0.731f, -2.385f, 0.5f }, { 1.25f, -0.125f, 3.5f } };
    float y[2][3], dx[2][3];
    (void)test;
    const assay_component *c = find(load("every_kind_cpp.so"), "doubled");
    assert_string_equal(c->kind, "layer");
    assert_int_equal(c->n_hypers, 0);
    assert_int_equal(c->hyper_bytes, 0);
    const assay_layer *ops = c->ops;
    struct session s = session_new();
    assert_int_equal(ops->plan(&s.ctx, NULL, &plan), ASSAY_OK);
    assert_true(assay_shape_equal(&plan.out, &shape));
    const assay_io io = { .struct_size = sizeof io,
        .time = 1,
        .batch = 2,
        .n_in = 1,
        .in_shape = &shape,
        .x = (const void *const[]){ x },
        .dx = (float *const[]){ &dx[0][0] },
        .y = &y[0][0],
        .dy = &x[0][0] };
    assert_int_equal(ops->forward(&s.ctx, NULL, &io), ASSAY_OK);
    assert_int_equal(ops->backward(&s.ctx, NULL, &io), ASSAY_OK);
    for (int i = 0; i < 6; i++) {
        assert_true(y[i / 3][i % 3] == 2 * x[i / 3][i % 3]);
        assert_true(dx[i / 3][i % 3] == 2 * x[i / 3][i % 3]);
    }
    assert_true(ops->validate == NULL && ops->prepare == NULL && ops->destroy == NULL);
}

static void test_cpp_plugin__the_other_kinds_run(void **test)
{
    (void)test;
    const assay_plugin *plugin = load("every_kind_cpp.so");
    const int64_t n = 5;
    struct session s = session_new();

    const assay_schedule *schedule = find(plugin, "halving")->ops;
    double state = 2, out = 0;
    assert_int_equal(schedule->factor(&s.ctx, NULL, NULL, &state, &out), ASSAY_OK);
    assert_true(out == 1.0 / 3 && state == 3);
    assert_true(schedule->n_state == 1 && schedule->horizon == 1);

    const assay_dataset *dataset = find(plugin, "nothing")->ops;
    assay_data data = { .struct_size = sizeof data };
    assert_int_equal(dataset->open(&s.ctx, &n, &data), ASSAY_OK);
    assert_int_equal(data.n_samples, 5);

    const assay_loss *loss = find(plugin, "zero")->ops;
    const assay_rows rows = { .struct_size = sizeof rows, .n = 11 };
    assert_int_equal(loss->loss(&s.ctx, NULL, &rows, 1, NULL, &out), ASSAY_OK);
    assert_true(out == 0.375);

    const assay_metric *metric = find(plugin, "count")->ops;
    double sum = 3, value = 0;
    assert_int_equal(metric->add(&s.ctx, NULL, &rows, &sum), ASSAY_OK);
    assert_int_equal(metric->result(&s.ctx, NULL, &sum, &value), ASSAY_OK);
    assert_true(value == 14);
    assert_null(metric->merge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpp_plugin__signum_gives_the_bits_of_signum_c),
        cmocka_unit_test(test_cpp_plugin__signum_describes_itself_as_signum_c_does),
        cmocka_unit_test(test_cpp_plugin__every_kind_of_row_arrives),
        cmocka_unit_test(test_cpp_plugin__slots_and_values_arrive),
        cmocka_unit_test(test_cpp_plugin__exceptions_become_reports),
        cmocka_unit_test(test_cpp_plugin__state_lives_between_create_and_destroy),
        cmocka_unit_test(test_cpp_plugin__a_layer_plans_and_runs),
        cmocka_unit_test(test_cpp_plugin__the_other_kinds_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
