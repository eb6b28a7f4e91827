/* Components at work: made from blocks, nested in each other, calling the host. */
#include "registry/instance.h"

#include "base/file.h"
#include "num/team.h"
#include "support/plugin_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include <math.h>
#include <stdio.h>
#include <string.h>

/* As the author of tests/core/registry/plugins/every_kind.c wrote it. */
struct tiny {
    double lr, decay;
    int64_t steps, nesterov, mode;
    const char *note, *file;
    assay_reals factors;
    assay_ints milestones;
    assay_strings names;
    const assay_instance *inner;
    const assay_instance *plan;
};

static void open_tiny(plugin_fixture *f)
{
    fixture_init(f);
    fixture_folder(f, "dir");
    fixture_copy(f, "good_plugins/every_kind.so", "dir/every_kind.so");
    const char *dirs[] = { fixture_path(f, "dir"), NULL };
    fixture_open(f, dirs);
}

/* An instance from the block `x` of a config; NULL and f->err when it cannot be made. */
static instance *make(plugin_fixture *f, const char *kind, const char *source)
{
    instance *i = NULL;
    fixture_parse(f, source);
    value *block = value_find(config_root(f->c), "x");
    const status st = instance_new(f->r, f->c, kind, block, NULL, 7, "test/x", &i, &f->err);
    assert_true((st == OK) == (i != NULL));
    return i;
}

static instance *must_make(plugin_fixture *f, const char *kind, const char *source)
{
    instance *i = make(f, kind, source);
    if (!i) GIVE_UP("%s", f->err.text);
    return i;
}

static void test_new__a_name_becomes_a_block(void **state)
{
    (void)state;
    plugin_fixture f;
    open_tiny(&f);
    instance *i = must_make(&f, "optimizer", "x = \"tiny\";");
    const struct tiny *h = i->hyper;
    assert_true(h->lr == 0.125 && h->steps == 3 && h->mode == 1 && !h->inner && !h->plan);
    const value *block = value_find(config_root(f.c), "x");
    assert_int_equal(block->kind, VALUE_GROUP);
    assert_string_equal(value_find(block, "type")->as.string, "tiny");
    assert_false(value_find(block, "type")->is_default);
    assert_string_equal(i->label, "optimizer \"tiny\"");
    assert_null(i->nested);
    assert_null(i->state);
    assert_ptr_equal(hyper_real_at(i->component, i->hyper, "lr"), &h->lr);
    assert_null(hyper_real_at(i->component, i->hyper, "steps"));
    assert_null(hyper_real_at(i->component, i->hyper, "beta"));
    instance_free(i);
    fixture_release(&f);
}

static void test_new__every_kind(void **state)
{
    (void)state;
    plugin_fixture f;
    open_tiny(&f);
    instance *i = must_make(&f, "schedule", "x = \"stair\";");
    assert_int_equal(i->n_state, 1);
    assert_true(i->state[0] == 0);
    instance_free(i);
    instance_free(must_make(&f, "loss", "x = \"tiny_loss\";"));
    instance_free(must_make(&f, "metric", "x = \"tiny_metric\";"));
    i = must_make(&f, "layer", "x = { type = \"tiny_layer\"; };");
    assert_non_null(i->ctx.self);
    assert_true(i->is_created);
    text_clear(&f.log);
    instance_free(i);
    assert_string_equal(f.log.s, "0 layer \"tiny_layer\": destroyed\n");
    fixture_release(&f);
}

static void test_new__further_keys_of_the_host_are_left_alone(void **state)
{
    (void)state;
    plugin_fixture f;
    static const char *const reserved[] = { "name", "from", NULL };
    instance *i = NULL;
    open_tiny(&f);
    fixture_parse(&f, "x = { type = \"tiny_layer\"; name = \"a\"; };");
    value *block = value_find(config_root(f.c), "x");
    assert_int_equal(instance_new(f.r, f.c, "layer", block, reserved, 1, "x", &i, &f.err), OK);
    instance_free(i);
    assert_int_equal(instance_new(f.r, f.c, "layer", block, NULL, 1, "x", &i, &f.err), E_UNKNOWN);
    assert_string_equal(
        f.err.text, "x.cfg:1: layer \"tiny_layer\": unknown hyperparameter \"name\": it has none");
    fixture_release(&f);
}

/* Its value would be the host's, and the plugin's row stay without one. */
static void test_new__a_row_named_like_a_key_of_the_host_is_refused(void **state)
{
    (void)state;
    plugin_fixture f;
    static const char *const reserved[] = { "match", "decay", NULL };
    instance *i = NULL;
    open_tiny(&f);
    fixture_parse(&f, "y = 1;\nx = { type = \"tiny\"; };");
    value *block = value_find(config_root(f.c), "x");
    assert_int_equal(
        instance_new(f.r, f.c, "optimizer", block, reserved, 1, "x", &i, &f.err), E_PLUGIN);
    assert_string_equal(f.err.text,
        "x.cfg:2: optimizer \"tiny\": hyperparameter \"decay\" is a key of assay's own in an "
        "optimizer's block: give it another name");
    fixture_release(&f);
}

static void test_check_keys__asks_without_a_block(void **state)
{
    (void)state;
    static const assay_hyper rows[] = { { .name = "name" }, { .name = "type" } };
    static const char *const keys[] = { "from", "name", NULL }, *const others[] = { "from", NULL };
    const hyper_table first = { rows, 1, sizeof rows[0], 0 }, both = { rows, 2, sizeof rows[0], 0 };
    error err = { 0 };
    assert_int_equal(hyper_check_keys(&first, "layer", others, &err), OK);
    assert_int_equal(hyper_check_keys(&first, "layer", NULL, &err), OK);
    assert_int_equal(hyper_check_keys(&first, "layer", keys, &err), E_PLUGIN);
    assert_string_equal(err.text,
        "hyperparameter \"name\" is a key of assay's own in a layer's block: give it another name");
    assert_int_equal(hyper_check_keys(&both, "loss", NULL, &err), E_PLUGIN);
    assert_string_equal(err.text,
        "hyperparameter \"type\" is a key of assay's own in a loss's block: give it another name");
}

static const struct bad_block {
    const char *kind, *source;
    status st;
    const char *message;
} bad_blocks[] = {
    { "optimizer", "x = 3;", E_TYPE,
        "x.cfg:1: optimizer: expected a block { type = ...; } or a name, found 3" },
    { "optimizer", "x = { lr = 1; };", E_MISSING,
        "x.cfg:1: optimizer: \"type\" is required: which optimizer it is" },
    { "optimizer", "x = { type = 3; };", E_TYPE,
        "x.cfg:1: optimizer: type: expected the name of one in quotes" },
    { "optimizer", "x = {\n type = \"tyny\"; };", E_UNKNOWN,
        "x.cfg:2: unknown optimizer \"tyny\": did you mean \"tiny\"?" },
    { "layer", "x = \"tiny\";", E_UNKNOWN,
        "x.cfg:1: unknown layer \"tiny\": known are tiny_layer" },
    { "optimizer", "x = { type = \"tiny\";\n decay = 0.75; };", E_RANGE,
        "x.cfg:2: optimizer \"tiny\": decay: must not be 0.75" },
    { "optimizer", "x = { type = \"tiny\";\n steps = 99; };", E_UNSUPPORTED,
        "x.cfg:1: optimizer \"tiny\": validate: unsupported (it gave no reason)" },
    { "optimizer", "x = { type = \"tiny\"; steps = 98; };", E_PLUGIN,
        "x.cfg:1: optimizer \"tiny\": validate returned 5, which is no code of the plugin ABI: "
        "return ASSAY_OK, or what host->fail returns" },
    { "dataset", "x = { type = \"tiny_data\"; };", E_MISSING,
        "x.cfg:1: dataset \"tiny_data\": \"file\" is required: the table to read" },
    { "optimizer", "x = { type = \"tiny\"; inner = {\n type = \"tiny\";\n rl = 1; }; };", E_UNKNOWN,
        "x.cfg:3: optimizer \"tiny\": unknown hyperparameter \"rl\": did you mean \"lr\"?" },
    { "optimizer", "x = { type = \"tiny\"; plan = \"tiny\"; };", E_UNKNOWN,
        "x.cfg:1: unknown schedule \"tiny\": known are stair" },
    { "optimizer", "x = { type = \"tiny\"; plan = 3; };", E_TYPE,
        "x.cfg:1: optimizer \"tiny\": plan: expected a block { type = ...; } or the name of one "
        "(kind schedule), found 3" },
    { "optimizer", "x = { type = \"tiny\"; inner = { type = \"tiny\"; decay = 0.75; }; };", E_RANGE,
        "x.cfg:1: optimizer \"tiny\": decay: must not be 0.75" },
    { "optimizer", "x = { type = \"tiny\"; inner = \"tiny\"; plan = \"gone\"; };", E_UNKNOWN,
        "x.cfg:1: unknown schedule \"gone\": known are stair" },
};

static void test_new__each_bad_block_has_its_message(void **state)
{
    (void)state;
    plugin_fixture f;
    open_tiny(&f);
    for (size_t k = 0; k < sizeof bad_blocks / sizeof bad_blocks[0]; k++) {
        instance *i = make(&f, bad_blocks[k].kind, bad_blocks[k].source);
        assert_null(i);
        assert_string_equal(f.err.text, bad_blocks[k].message);
        assert_int_equal(f.err.code, bad_blocks[k].st);
    }
    fixture_release(&f);
}

static void test_new__a_deprecated_key_is_warned_about_when_it_is_used(void **state)
{
    (void)state;
    plugin_fixture f;
    open_tiny(&f);
    instance_free(must_make(&f, "optimizer", "x = \"tiny\";"));
    assert_null(f.log.s);
    instance_free(must_make(&f, "optimizer", "x = { type = \"tiny\"; nesterov = true; };"));
    assert_string_equal(f.log.s, "2 optimizer \"tiny\": nesterov is deprecated: use the slot v\n");
    fixture_release(&f);
}

static void test_nested__blocks_and_names(void **state)
{
    (void)state;
    plugin_fixture f;
    open_tiny(&f);
    instance *i = must_make(&f, "optimizer",
        "x = { type = \"tiny\"; inner = { type = \"tiny\"; lr = 0.5; inner = \"tiny\"; };\n"
        " plan = \"stair\"; };");
    const struct tiny *h = i->hyper;
    instance *inner = instance_of(h->inner), *plan = instance_of(h->plan);
    assert_ptr_equal(i->nested[0], inner);
    assert_ptr_equal(i->nested[1], plan);
    assert_null(i->nested[2]);
    assert_true(((const struct tiny *)inner->hyper)->lr == 0.5);
    assert_non_null(instance_of(((const struct tiny *)inner->hyper)->inner));
    assert_string_equal(plan->component->id, "stair");
    /* the names that were written as strings are blocks now, with their defaults */
    const value *block = value_find(config_root(f.c), "x");
    assert_true(value_find(value_find(block, "plan"), "drop")->as.real == 0.5);
    /* random numbers of their own */
    assert_true(i->random.key != inner->random.key);
    assert_true(inner->random.key != plan->random.key);
    assert_true(inner->random.key == rng_make(7, "test/x/inner").key);
    instance_free(i);
    fixture_release(&f);
}

/* One update of a tiny optimizer with step number t. */
static int update(instance *i, uint64_t t)
{
    const assay_optimizer *o = i->component->ops;
    const assay_step step = { .struct_size = sizeof step, .t = t };
    const assay_span span = { .struct_size = sizeof span };
    return o->model(&i->ctx, i->hyper, &step, &span, 1, sizeof span, NULL);
}

typedef struct seen {
    double metric;
    size_t n_updates;
    instance *inner;
    int answer;
} seen;

static void see_metric(void *self, instance *i, uint64_t i_metric, uint64_t i_tensor, double v)
{
    (void)i;
    assert_int_equal(i_metric, 0);
    assert_true(i_tensor == UINT64_MAX);
    ((seen *)self)->metric = v;
}

static int see_update(void *self, instance *outer, instance *inner, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride)
{
    seen *s = self;
    (void)outer;
    (void)step;
    (void)spans;
    assert_int_equal(n, 1);
    assert_int_equal(stride, sizeof(assay_span));
    s->n_updates++;
    s->inner = inner;
    return s->answer;
}

static void test_nested__schedules_keep_their_state(void **state)
{
    (void)state;
    plugin_fixture f;
    seen s = { 0 };
    open_tiny(&f);
    instance *i = must_make(
        &f, "optimizer", "x = { type = \"tiny\"; plan = { type = \"stair\"; drop = 0.25; }; };");
    i->hooks = (instance_hooks){ .self = &s, .metric = see_metric };
    const double expected[] = { 1, 0.25, 0.0625 };
    for (size_t t = 0; t < 3; t++) {
        assert_int_equal(update(i, t + 1), ASSAY_OK);
        assert_true(s.metric == expected[t]);
    }
    assert_true(i->nested[0]->state[0] == 3);
    i->nested[0]->state[0] = 1; /* as after a resume */
    assert_int_equal(update(i, 4), ASSAY_OK);
    assert_true(s.metric == 0.25);
    assert_int_equal(instance_status(i, update(i, 13), "model", &f.err), E_NUMERIC);
    assert_string_equal(f.err.text,
        "x.cfg:1: optimizer \"tiny\": x.cfg:1: schedule \"stair\": drop: "
        "dislikes step 13");
    instance_free(i);
    fixture_release(&f);
}

static void test_nested__optimizers_are_updated_by_the_hook(void **state)
{
    (void)state;
    plugin_fixture f;
    seen s = { 0 };
    open_tiny(&f);
    instance *i = must_make(&f, "optimizer", "x = { type = \"tiny\"; inner = \"tiny\"; };");
    assert_int_equal(instance_status(i, update(i, 1), "model", &f.err), E_UNSUPPORTED);
    assert_string_equal(
        f.err.text, "x.cfg:1: optimizer \"tiny\": a nested optimizer cannot be updated here");
    i->hooks = (instance_hooks){ .self = &s, .inner_update = see_update };
    assert_int_equal(update(i, 1), ASSAY_OK);
    assert_int_equal(s.n_updates, 1);
    assert_ptr_equal(s.inner, i->nested[0]);
    s.answer = ASSAY_E_NUMERIC;
    assert_int_equal(instance_status(i, update(i, 1), "model", &f.err), E_NUMERIC);
    assert_non_null(strstr(f.err.text, "update: no usable result (it gave no reason)"));
    instance_free(i);
    fixture_release(&f);
}

static void test_nested__a_handle_of_somebody_else_is_refused(void **state)
{
    (void)state;
    plugin_fixture f;
    double factor;
    open_tiny(&f);
    instance *i = must_make(&f, "optimizer", "x = { type = \"tiny\"; inner = \"tiny\"; };");
    const struct tiny *h = i->hyper;
    const assay_host *host = i->ctx.host;
    assert_int_equal(host->inner_factor(&i->ctx, h->inner, NULL, &factor), ASSAY_E_INVALID);
    assert_int_equal(host->inner_factor(&i->ctx, NULL, NULL, &factor), ASSAY_E_INVALID);
    assert_int_equal(
        host->inner_update(&i->nested[0]->ctx, h->inner, NULL, NULL, 0, 0), ASSAY_E_INVALID);
    instance_free(i);
    fixture_release(&f);
}

static void test_status__the_first_report_counts_and_is_cleared(void **state)
{
    (void)state;
    plugin_fixture f;
    open_tiny(&f);
    instance *i = must_make(&f, "optimizer", "x = { type = \"tiny\";\n\n lr = 0.5; };");
    const assay_host *host = i->ctx.host;
    assert_int_equal(host->fail(&i->ctx, ASSAY_E_SHAPE, "lr", "first"), ASSAY_E_SHAPE);
    assert_int_equal(host->fail(&i->ctx, ASSAY_E_IO, NULL, "second"), ASSAY_E_IO);
    assert_int_equal(instance_status(i, ASSAY_E_SHAPE, "elem", &f.err), E_SHAPE);
    assert_string_equal(f.err.text, "x.cfg:3: optimizer \"tiny\": lr: first");
    assert_int_equal(instance_status(i, ASSAY_E_IO, "elem", &f.err), E_IO);
    assert_string_equal(f.err.text,
        "x.cfg:1: optimizer \"tiny\": elem: a file that cannot be read (it gave no reason)");
    host->fail(&i->ctx, ASSAY_E_DATA, "decay", "a default"); /* not written: the block's line */
    assert_int_equal(instance_status(i, ASSAY_E_DATA, "elem", &f.err), E_PARSE);
    assert_string_equal(f.err.text, "x.cfg:1: optimizer \"tiny\": decay: a default");
    assert_int_equal(instance_status(i, ASSAY_E_NOMEM, "elem", &f.err), E_NOMEM);
    assert_string_equal(f.err.text, "x.cfg:1: optimizer \"tiny\": elem: out of memory");
    assert_int_equal(instance_status(i, ASSAY_E_INTERNAL, "elem", &f.err), E_PLUGIN);
    assert_int_equal(instance_status(i, ASSAY_OK, "elem", &f.err), OK);
    char longest[2000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    host->fail(&i->ctx, ASSAY_E_INVALID, longest, longest); /* cut, not overrun */
    assert_int_equal(instance_status(i, ASSAY_E_INVALID, "elem", &f.err), E_RANGE);
    instance_free(i);
    fixture_release(&f);
}

/* What fails inside of a service reaches whoever asked the plugin as what it was. */
static void test_status__goes_through_a_plugin_unchanged(void **state)
{
    static const status kept[] = { OK, E_NOMEM, E_IO, E_PARSE, E_RANGE, E_SHAPE, E_UNSUPPORTED,
        E_PLUGIN, E_NUMERIC };
    (void)state;
    plugin_fixture f;
    open_tiny(&f);
    instance *i = must_make(&f, "optimizer", "x = { type = \"tiny\"; };");
    for (size_t k = 0; k < sizeof kept / sizeof kept[0]; k++) {
        const int code = instance_code_of(kept[k]);
        assert_int_equal(instance_status(i, code, "elem", &f.err), kept[k]);
    }
    assert_int_equal(instance_code_of(E_CONFLICT), ASSAY_E_INTERNAL);
    instance_free(i);
    fixture_release(&f);
}

static void test_host__log_and_metric(void **state)
{
    (void)state;
    plugin_fixture f;
    open_tiny(&f);
    instance *i = must_make(&f, "optimizer", "x = { type = \"tiny\"; note = \"log\"; };");
    assert_string_equal(f.log.s, "1 optimizer \"tiny\": hello\n");
    const assay_host *host = i->ctx.host;
    assert_int_equal(host->metric(&i->ctx, 0, 3, 2.385), ASSAY_OK); /* nobody listens */
    assert_int_equal(host->metric(&i->ctx, 1, 3, 2.385), ASSAY_E_INVALID);
    assert_int_equal(instance_status(i, ASSAY_E_INVALID, "elem", &f.err), E_RANGE);
    assert_non_null(strstr(f.err.text, "reported a metric that it does not declare"));
    assert_null(host->extension(&i->ctx, "assay.draft.nothing/1"));
    assert_int_equal(host->fail(NULL, ASSAY_E_IO, NULL, "no instance"), ASSAY_E_IO);
    instance_free(i);
    fixture_release(&f);
}

static bool is_zeroed_and_aligned(const void *memory, size_t n)
{
    const unsigned char *byte = memory;
    if (!memory || (uintptr_t)memory % 64 != 0) return false;
    for (size_t k = 0; k < n; k++) {
        if (byte[k] != 0) return false;
    }
    return true;
}

static void test_host__memory_and_random_numbers(void **state)
{
    (void)state;
    plugin_fixture f;
    open_tiny(&f);
    instance *i = must_make(&f, "optimizer", "x = \"tiny\";");
    const assay_host *host = i->ctx.host;
    assert_true(is_zeroed_and_aligned(host->alloc(&i->ctx, 1000), 1000));
    assert_null(host->alloc(&i->ctx, UINT64_MAX));
    float *scratch = host->scratch(&i->ctx, 400);
    assert_true((uintptr_t)scratch % 64 == 0);
    scratch[99] = 1;
    assert_int_equal(instance_status(i, ASSAY_OK, "elem", NULL), OK); /* gives it back */
    uint32_t drawn[5], expected[5];
    float uniform[5], other[5];
    host->random_u32(&i->ctx, 3, 11, drawn, 5);
    rng_u32(rng_make(7, "test/x"), 3, 11, expected, 5);
    assert_memory_equal(drawn, expected, sizeof drawn);
    host->uniform_f32(&i->ctx, 3, 11, uniform, 5);
    rng_uniform(rng_make(7, "test/x"), 3, 11, other, 5);
    assert_memory_equal(uniform, other, sizeof uniform);
    host->normal_f32(&i->ctx, 3, 11, uniform, 5);
    rng_normal(rng_make(7, "test/x"), 3, 11, other, 5);
    assert_memory_equal(uniform, other, sizeof uniform);
    instance_free(i);
    fixture_release(&f);
}

static void test_host__products(void **state)
{
    (void)state;
    plugin_fixture f;
    open_tiny(&f);
    instance *i = must_make(&f, "optimizer", "x = \"tiny\";");
    const assay_host *host = i->ctx.host;
    const float a[6] = { 2, 3, 5, 7, 11, 13 }; // [2, 3]
    const float b[6] = { 1, -2, 4, 8, -16, 3 }; // [2, 3], used as its transpose [3, 2]
    float c[4], packed_c[4];
    assay_gemm g = { .struct_size = sizeof g,
        .trans_b = 1,
        .m = 2,
        .n = 2,
        .k = 3,
        .alpha = 0.5,
        .a = a,
        .lda = 3,
        .b = b,
        .ldb = 3,
        .c = c,
        .ldc = 2 };
    host->gemm_f32(&i->ctx, &g);
    const float expected[4] = { 8, -8.5F, 18.5F, -40.5F };
    assert_memory_equal(c, expected, sizeof c);
    float *packed = host->alloc(&i->ctx, host->pack_b_bytes(&i->ctx, &g));
    assert_non_null(packed);
    host->pack_b(&i->ctx, &g, packed);
    g.packed_b = packed;
    g.b = NULL;
    g.c = packed_c;
    host->gemm_f32(&i->ctx, &g);
    assert_memory_equal(packed_c, expected, sizeof c);
    instance_free(i);
    fixture_release(&f);
}

static void refuse_product(instance *i, assay_gemm g, const char *message)
{
    error err = { 0 };
    i->ctx.host->gemm_f32(&i->ctx, &g);
    assert_int_equal(
        instance_code(i, ASSAY_OK), ASSAY_E_INTERNAL); /* though a callback returned so */
    assert_int_equal(instance_status(i, ASSAY_E_INTERNAL, "forward", &err), E_PLUGIN);
    if (!strstr(err.text, message)) GIVE_UP("%s", err.text);
    assert_int_equal(instance_code(i, ASSAY_OK), ASSAY_OK);
}

static void test_host__refuses_products_that_make_no_sense(void **state)
{
    (void)state;
    plugin_fixture f;
    open_tiny(&f);
    instance *i = must_make(&f, "optimizer", "x = \"tiny\";");
    const float a[15] = { 2.5F }, b[10] = { -0.7F };
    float c[6] = { 1, 2, 3, 4, 5, 6 }, kept[6];
    memcpy(kept, c, sizeof c);
    const assay_gemm g = { .struct_size = sizeof g,
        .m = 3,
        .n = 2,
        .k = 5,
        .alpha = 1,
        .a = a,
        .lda = 5,
        .b = b,
        .ldb = 2,
        .c = c,
        .ldc = 2 };
    assay_gemm wrong[11];
    for (size_t k = 0; k < 11; k++)
        wrong[k] = g;
    wrong[0].m = (uint64_t)INT32_MAX + 1;
    wrong[1].n = UINT64_MAX;
    wrong[2].k = (uint64_t)INT32_MAX + 1;
    wrong[3].lda = 4;
    wrong[4].ldb = 1;
    wrong[5].ldc = 1;
    wrong[6].lda = (uint64_t)INT32_MAX + 1;
    wrong[7].a = NULL;
    wrong[8].b = NULL;
    wrong[9].c = NULL;
    wrong[10].trans_b = 1; /* rows of 5 then */
    for (size_t k = 0; k < 11; k++)
        refuse_product(i, wrong[k], "a product ");
    refuse_product(i, wrong[3], "matrix A has rows of 5 numbers and a stride of 4");
    float packed[10] = { 0 };
    i->ctx.host->pack_b(&i->ctx, &wrong[4], packed);
    assert_int_equal(instance_code(i, ASSAY_OK), ASSAY_E_INTERNAL);
    assert_int_equal(instance_status(i, ASSAY_E_INTERNAL, "prepare", &f.err), E_PLUGIN);
    i->ctx.host->pack_b(&i->ctx, &g, NULL);
    assert_int_equal(instance_code(i, ASSAY_OK), ASSAY_E_INTERNAL);
    assert_int_equal(instance_status(i, ASSAY_E_INTERNAL, "prepare", &f.err), E_PLUGIN);
    assert_memory_equal(c, kept, sizeof c);
    instance_free(i);
    fixture_release(&f);
}

static void test_host__linear_algebra(void **state)
{
    (void)state;
    plugin_fixture f;
    open_tiny(&f);
    instance *i = must_make(&f, "optimizer", "x = \"tiny\";");
    const assay_host *host = i->ctx.host;
    float a[4] = { 4, 6, 6, 25 }; // L = [[2, 0], [3, 4]]
    assert_int_equal(host->potrf_f32(&i->ctx, 2, a, 2), ASSAY_OK);
    assert_true(a[0] == 2 && a[1] == 0 && a[2] == 3 && a[3] == 4);
    float x[2] = { 4, 18 };
    assert_int_equal(host->trsm_f32(&i->ctx, 0, 0, 2, 1, a, 2, x, 1), ASSAY_OK);
    assert_true(x[0] == 2 && x[1] == 3);
    float indefinite[4] = { 1, 2, 2, 1 };
    assert_int_equal(host->potrf_f32(&i->ctx, 2, indefinite, 2), ASSAY_E_NUMERIC);
    float symmetric[4] = { 2, 1, 1, 2 }, w[2];
    assert_int_equal(host->syevd_f32(&i->ctx, 2, symmetric, 2, w), ASSAY_OK);
    assert_true(fabsf(w[0] - 1) < 1e-5F && fabsf(w[1] - 3) < 1e-5F);
    float m[6] = { 3, 0, 4, 0, 0, 2 }, r[4]; // [3, 2]
    assert_int_equal(host->geqrf_f32(&i->ctx, 3, 2, m, 2, r, 2), ASSAY_OK);
    assert_true(fabsf(fabsf(r[0]) - 5) < 1e-5F && fabsf(fabsf(r[3]) - 2) < 1e-5F);
    float d[4] = { 0, 3, -2, 0 }, s[2], u[4], vt[4];
    assert_int_equal(host->gesdd_f32(&i->ctx, 2, 2, d, 2, s, u, 2, vt, 2), ASSAY_OK);
    assert_true(fabsf(s[0] - 3) < 1e-5F && fabsf(s[1] - 2) < 1e-5F);
    instance_free(i);
    fixture_release(&f);
}

enum { N_ELEMENTS = 1009 };

typedef struct marks {
    unsigned char count[N_ELEMENTS];
    uint64_t begin[N_ELEMENTS]; /* of the piece that an element was in */
    uint64_t least; /* elements a piece must have */
} marks;

static void mark(void *arg, uint64_t begin, uint64_t end)
{
    marks *m = arg;
    for (uint64_t k = begin; k < end; k++) {
        m->count[k]++;
        m->begin[k] = begin;
        if (end - begin < m->least) m->count[k] = 100;
    }
}

static void test_host__parallel_for_cuts_by_size_alone(void **state)
{
    (void)state;
    plugin_fixture f;
    static const uint64_t grains[] = { 0, 1, 7, 100, 1009, 5000 };
    open_tiny(&f);
    instance *i = must_make(&f, "optimizer", "x = \"tiny\";");
    const assay_host *host = i->ctx.host;
    for (size_t k = 0; k < sizeof grains / sizeof grains[0]; k++) {
        marks serial = { .least = grains[k] < N_ELEMENTS ? grains[k] : N_ELEMENTS };
        marks threaded = { .least = serial.least };
        host->parallel_for(&i->ctx, N_ELEMENTS, grains[k], mark, &serial);
        for (size_t e = 0; e < N_ELEMENTS; e++)
            assert_int_equal(serial.count[e], 1);
        team *t;
        assert_int_equal(team_new(3, false, &t, &f.err), OK);
        registry_set_team(f.r, t);
        assert_ptr_equal(registry_team(f.r), t);
        host->parallel_for(&i->ctx, N_ELEMENTS, grains[k], mark, &threaded);
        assert_non_null(host->scratch(&i->ctx, 100));
        registry_set_team(f.r, NULL);
        team_free(t);
        assert_memory_equal(&serial, &threaded, sizeof serial);
    }
    host->parallel_for(&i->ctx, 0, 1, mark, NULL);
    instance_free(i);
    fixture_release(&f);
}

static void test_dataset__a_fault_in_a_file_names_the_line_that_names_it(void **state)
{
    (void)state;
    plugin_fixture f;
    char expected[1200];
    assay_data data = { .struct_size = sizeof data };
    open_tiny(&f);
    fixture_load(&f, "x = { type = \"tiny_data\";\n file = \"t.csv\"; };");
    instance *i = NULL;
    assert_int_equal(instance_new(f.r, f.c, "dataset", value_find(config_root(f.c), "x"), NULL, 1,
                         "data", &i, &f.err),
        OK);
    const assay_dataset *o = i->component->ops;
    assert_int_equal(instance_status(i, o->open(&i->ctx, i->hyper, &data), "open", &f.err), E_IO);
    snprintf(expected, sizeof expected, "%s/x.cfg:2: dataset \"tiny_data\": file: %s/t.csv", f.dir,
        f.dir);
    assert_string_equal(f.err.text, expected);
    instance_free(i);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new__a_name_becomes_a_block),
        cmocka_unit_test(test_new__every_kind),
        cmocka_unit_test(test_new__further_keys_of_the_host_are_left_alone),
        cmocka_unit_test(test_new__a_row_named_like_a_key_of_the_host_is_refused),
        cmocka_unit_test(test_check_keys__asks_without_a_block),
        cmocka_unit_test(test_new__each_bad_block_has_its_message),
        cmocka_unit_test(test_new__a_deprecated_key_is_warned_about_when_it_is_used),
        cmocka_unit_test(test_nested__blocks_and_names),
        cmocka_unit_test(test_nested__schedules_keep_their_state),
        cmocka_unit_test(test_nested__optimizers_are_updated_by_the_hook),
        cmocka_unit_test(test_nested__a_handle_of_somebody_else_is_refused),
        cmocka_unit_test(test_status__the_first_report_counts_and_is_cleared),
        cmocka_unit_test(test_status__goes_through_a_plugin_unchanged),
        cmocka_unit_test(test_host__log_and_metric),
        cmocka_unit_test(test_host__memory_and_random_numbers),
        cmocka_unit_test(test_host__products),
        cmocka_unit_test(test_host__refuses_products_that_make_no_sense),
        cmocka_unit_test(test_host__linear_algebra),
        cmocka_unit_test(test_host__parallel_for_cuts_by_size_alone),
        cmocka_unit_test(test_dataset__a_fault_in_a_file_names_the_line_that_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
