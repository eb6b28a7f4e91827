/* What lstm, gru and rnn have in common, beyond their equations (test_recurrent_twin.c): what they
 * declare, padding, windows of a stream, tokens, shards, frozen parameters, and what they
 * refuse. */
#include "support/golden.h"
#include "support/layer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* A component with one of its options at 1. */
typedef struct kind {
    const char *id;
    const char *option; /* NULL: none */
    uint64_t gates;
} kind;

static const kind kinds[] = { { "lstm", NULL, 4 }, { "lstm", "peepholes", 4 }, { "gru", NULL, 3 },
    { "gru", "reset", 3 }, { "rnn", NULL, 1 }, { "rnn", "activation", 1 } };

#define N_KINDS (sizeof kinds / sizeof kinds[0])

enum { IN = 3, UNITS = 5, TIME = 6, BATCH = 4 };

static void open_kind(layer_harness *l, const kind *k)
{
    layer_open(l, TEST_BUILD_DIR, k->id);
    component_set(&l->rig, "units", UNITS);
    if (k->option) component_set(&l->rig, k->option, 1);
}

static void fill_params(layer_harness *l)
{
    for (uint64_t i = 0; i < l->n_param; i++) {
        fill_numbers(l->param[i], layer_param_size(l, i), 10 + i);
        for (uint64_t j = 0; j < layer_param_size(l, i); j++) {
            l->param[i][j] *= 0.4f;
        }
    }
}

static void plan_numbers(layer_harness *l, uint64_t time, uint64_t batch)
{
    layer_input(l, (assay_shape){ 1, { IN } });
    assert_int_equal(layer_plan(l, time, batch), ASSAY_OK);
    fill_numbers(l->x[0], layer_x_size(l, 0), 1);
    fill_numbers(l->dy, layer_y_size(l), 2);
    fill_params(l);
}

static void assert_close(const float *a, const float *b, uint64_t n, double bar)
{
    const double error = norm_relative_error_f32(a, b, n);
    if (!(error <= bar)) print_error("off by %.3g\n", error);
    assert_true(error <= bar);
}

/* -- declarations -- */

static void assert_param(const assay_param *p, const char *name, const char *export_name,
    uint32_t role, uint64_t rows, uint64_t cols, uint64_t blocks, const char *init)
{
    assert_string_equal(p->name, name);
    assert_string_equal(p->export_name ? p->export_name : p->name, export_name);
    assert_int_equal(p->role, role);
    assert_int_equal(p->shape.n_dims, rows ? 2 : 1);
    if (rows) assert_int_equal(p->shape.dim[0], rows);
    assert_int_equal(p->shape.dim[rows ? 1 : 0], cols);
    assert_int_equal(p->blocks, blocks);
    assert_string_equal(p->init, init);
    assert_int_equal(p->layout, rows ? ASSAY_LAYOUT_TRANSPOSED : ASSAY_LAYOUT_SAME);
    assert_int_equal(p->flags, 0);
}

static void assert_direction(const assay_param *p, const char *end, uint64_t gates)
{
    static const char *const names[4] = { "weight", "recurrent", "bias", "recurrent_bias" };
    static const char *const theirs[4] = { "weight_ih_l0", "weight_hh_l0", "bias_ih_l0",
        "bias_hh_l0" };
    static const uint32_t roles[4] = { ASSAY_ROLE_WEIGHT, ASSAY_ROLE_RECURRENT, ASSAY_ROLE_BIAS,
        ASSAY_ROLE_BIAS };
    static const char *const inits[4] = { "glorot_uniform", "orthogonal", "zeros", "zeros" };
    static const uint64_t rows[4] = { IN, UNITS, 0, 0 };
    for (int i = 0; i < 4; i++) {
        char name[64], their[64];
        snprintf(name, sizeof name, "%s%s", names[i], end);
        snprintf(their, sizeof their, "%s%s", theirs[i], end);
        assert_param(&p[i], name, their, roles[i], rows[i], gates * UNITS, gates, inits[i]);
    }
}

static void test_recurrent__declares_parameters_as_pytorch_knows_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        const kind plain = { kinds[i].id, NULL, kinds[i].gates };
        layer_harness l;
        open_kind(&l, &plain);
        component_set(&l.rig, "bias", 1);
        component_set(&l.rig, "bidirectional", 1);
        plan_numbers(&l, TIME, BATCH);
        assert_int_equal(l.n_param, 8);
        assert_direction(l.declared, "", kinds[i].gates);
        assert_direction(l.declared + 4, "_reverse", kinds[i].gates);
        assert_int_equal(l.plan.out.n_dims, 1);
        assert_int_equal(l.plan.out.dim[0], 2 * UNITS);
        assert_int_equal(l.plan.time_mode, ASSAY_TIME_SAME);
        assert_int_equal(l.n_carry, 0);
        assert_int_equal(l.plan.couples_samples, 0);
        assert_int_equal(l.plan.looks_ahead, 1);
        assert_true(l.plan.macs == (double)(2 * kinds[i].gates * UNITS * (IN + UNITS)));
        layer_close(&l);
    }
}

static void test_recurrent__puts_out_one_step_and_carries_the_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        layer_harness l;
        open_kind(&l, &kinds[i]);
        component_set(&l.rig, "return", 1);
        plan_numbers(&l, TIME, BATCH);
        assert_int_equal(l.plan.looks_ahead, 0);
        assert_int_equal(l.plan.time_mode, ASSAY_TIME_ONE);
        assert_int_equal(l.plan.out.dim[0], UNITS);
        assert_int_equal(l.n_carry, kinds[i].gates == 4 ? 2 : 1);
        assert_string_equal(l.carry_name[0], "h");
        assert_int_equal(l.carry_size[0], UNITS);
        if (l.n_carry == 2) assert_string_equal(l.carry_name[1], "c");
        layer_close(&l);
    }
}

/* With a dense layer on top, on the music of Chung et al. 2014: 88 keys in and out. */
static void test_recurrent__has_as_many_weights_as_the_papers_networks(void **state)
{
    static const struct {
        const char *id;
        uint64_t units, weights;
    } nets[] = { { "rnn", 100, 27788 }, { "gru", 46, 22766 }, { "lstm", 36, 21256 } };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        layer_harness l;
        uint64_t n = nets[i].units * 88 + 88;
        layer_open(&l, TEST_BUILD_DIR, nets[i].id);
        component_set(&l.rig, "units", (double)nets[i].units);
        layer_input(&l, (assay_shape){ 1, { 88 } });
        assert_int_equal(layer_plan(&l, 2, 1), ASSAY_OK);
        for (uint64_t k = 0; k < l.n_param; k++) {
            n += layer_param_size(&l, k);
        }
        assert_int_equal(n, nets[i].weights);
        layer_close(&l);
    }
}

/* -- padding -- */

static const uint32_t lengths[BATCH] = { 3, 6, 1, 4 };

static void fill_padding(layer_harness *l, float number)
{
    const uint64_t n = l->io.time_out == 1 ? 0 : assay_shape_size(&l->plan.out);
    for (uint64_t row = 0; row < TIME * BATCH; row++) {
        if (row / BATCH < lengths[row % BATCH]) continue;
        for (uint64_t j = 0; j < IN; j++) {
            l->x[0][row * IN + j] = number;
        }
        memset(l->dy + row * n, 0, n * sizeof(float));
    }
}

static void assert_same_but_padding(const layer_harness *a, const layer_harness *b)
{
    const uint64_t n = assay_shape_size(&a->plan.out), steps = a->io.time_out;
    for (uint64_t row = 0; row < steps * BATCH; row++) {
        if (steps > 1 && row / BATCH >= lengths[row % BATCH]) continue;
        assert_memory_equal(a->y + row * n, b->y + row * n, n * sizeof(float));
    }
    for (uint64_t row = 0; row < TIME * BATCH; row++) {
        const int is_padding = row / BATCH >= lengths[row % BATCH];
        for (uint64_t k = row * IN; k < (row + 1) * IN; k++) {
            if (is_padding) assert_true(b->dx[0][k] == 0);
            if (is_padding) assert_true(a->dx[0][k] == 0);
        }
        assert_memory_equal(
            a->dx[0] + row * IN, b->dx[0] + row * IN, is_padding ? 0 : IN * sizeof(float));
    }
    for (uint64_t i = 0; i < a->n_param; i++) {
        assert_memory_equal(a->dparam[i], b->dparam[i], layer_param_size(a, i) * sizeof(float));
    }
    for (uint64_t i = 0; i < a->n_carry; i++) {
        assert_memory_equal(a->carry_out[i], b->carry_out[i], BATCH * UNITS * sizeof(float));
        assert_memory_equal(a->dcarry_in[i], b->dcarry_in[i], BATCH * UNITS * sizeof(float));
    }
}

static void run_padded(layer_harness *l, const kind *k, int last, int bidirectional, float number)
{
    open_kind(l, k);
    component_set(&l->rig, "return", last);
    component_set(&l->rig, "bidirectional", bidirectional);
    component_set(&l->rig, "recurrent_dropout", 0.25);
    plan_numbers(l, TIME, BATCH);
    if (!bidirectional) layer_carry(l, 30);
    l->io.length = lengths;
    fill_padding(l, number);
    layer_forward(l);
    layer_backward(l);
}

static void test_recurrent__takes_nothing_from_what_padding_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4 * N_KINDS; i++) {
        layer_harness zeros, huge;
        const int last = i % 2 > 0, bidirectional = i / 2 % 2 > 0;
        run_padded(&zeros, &kinds[i / 4], last, bidirectional, 0);
        run_padded(&huge, &kinds[i / 4], last, bidirectional, 3e38f);
        assert_same_but_padding(&zeros, &huge);
        layer_close(&zeros);
        layer_close(&huge);
    }
}

/* -- windows of a stream -- */

static void assert_steps_equal(const layer_harness *whole, const float *of_whole,
    const float *of_part, uint64_t first, uint64_t steps, uint64_t width)
{
    (void)whole;
    assert_memory_equal(
        of_whole + first * BATCH * width, of_part, steps * BATCH * width * sizeof(float));
}

static void test_recurrent__two_windows_are_one_stream(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        layer_harness whole, first, second;
        layer_harness *const all[3] = { &whole, &first, &second };
        const uint64_t half = TIME / 2, rows = half * BATCH;
        for (int k = 0; k < 3; k++) {
            open_kind(all[k], &kinds[i]);
            plan_numbers(all[k], k == 0 ? TIME : half, BATCH);
            layer_carry(all[k], 40);
        }
        memcpy(first.x[0], whole.x[0], rows * IN * sizeof(float));
        memcpy(second.x[0], whole.x[0] + rows * IN, rows * IN * sizeof(float));
        memcpy(first.dy, whole.dy, rows * UNITS * sizeof(float));
        memcpy(second.dy, whole.dy + rows * UNITS, rows * UNITS * sizeof(float));
        layer_forward(&whole);
        layer_forward(&first);
        for (uint64_t s = 0; s < second.n_carry; s++) {
            second.carry_in[s] = first.carry_out[s];
        }
        layer_forward(&second);
        layer_backward(&whole);
        layer_backward(&second);
        for (uint64_t s = 0; s < first.n_carry; s++) {
            first.dcarry_out[s] = second.dcarry_in[s];
        }
        layer_backward(&first);
        assert_steps_equal(&whole, whole.y, first.y, 0, half, UNITS);
        assert_steps_equal(&whole, whole.y, second.y, half, half, UNITS);
        assert_steps_equal(&whole, whole.dx[0], first.dx[0], 0, half, IN);
        assert_steps_equal(&whole, whole.dx[0], second.dx[0], half, half, IN);
        for (uint64_t s = 0; s < first.n_carry; s++) {
            const size_t bytes = BATCH * UNITS * sizeof(float);
            assert_memory_equal(whole.carry_out[s], second.carry_out[s], bytes);
            assert_memory_equal(whole.dcarry_in[s], first.dcarry_in[s], bytes);
        }
        for (uint64_t p = 0; p < whole.n_param; p++) {
            for (uint64_t k = 0; k < layer_param_size(&whole, p); k++) {
                first.dparam[p][k] += second.dparam[p][k];
            }
            assert_close(first.dparam[p], whole.dparam[p], layer_param_size(&whole, p), 1e-6);
        }
        for (int k = 0; k < 3; k++) {
            layer_close(all[k]);
        }
    }
}

/* -- tokens -- */

enum { VOCABULARY = 7 };

static void test_recurrent__tokens_are_inputs_of_which_one_is_1(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * N_KINDS; i++) {
        layer_harness tokens, one_hot;
        open_kind(&tokens, &kinds[i / 2]);
        open_kind(&one_hot, &kinds[i / 2]);
        for (int k = 0; k < 2; k++) {
            component_set(&(k ? &tokens : &one_hot)->rig, "bidirectional", (double)(i % 2));
            component_set(&(k ? &tokens : &one_hot)->rig, "bias", 2 * (double)(i % 2));
        }
        layer_tokens(&tokens, VOCABULARY);
        layer_input(&one_hot, (assay_shape){ 1, { VOCABULARY } });
        assert_int_equal(layer_plan(&tokens, TIME, BATCH), ASSAY_OK);
        assert_int_equal(layer_plan(&one_hot, TIME, BATCH), ASSAY_OK);
        assert_int_equal(layer_param_size(&tokens, 0), layer_param_size(&one_hot, 0));
        for (uint64_t row = 0; row < TIME * BATCH; row++) {
            const uint64_t v = (row * row + 3 * row) % VOCABULARY;
            layer_tokens_of(&tokens, 0)[row] = (int32_t)v;
            one_hot.x[0][row * VOCABULARY + v] = 1;
        }
        for (uint64_t row = 0; row < TIME * BATCH; row++) { // nobody reads what padding holds
            if (row / BATCH < lengths[row % BATCH]) continue;
            layer_tokens_of(&tokens, 0)[row] = -731;
        }
        tokens.io.length = one_hot.io.length = lengths;
        fill_params(&tokens);
        fill_params(&one_hot);
        fill_numbers(tokens.dy, layer_y_size(&tokens), 2);
        for (uint64_t k = 0; k < layer_y_size(&tokens); k++) {
            const uint64_t row = k / assay_shape_size(&tokens.plan.out);
            if (row / BATCH >= lengths[row % BATCH]) tokens.dy[k] = 0;
        }
        memcpy(one_hot.dy, tokens.dy, layer_y_size(&tokens) * sizeof(float));
        for (uint32_t accumulate = 0; accumulate < 2; accumulate++) {
            tokens.accumulate[0] = one_hot.accumulate[0] = accumulate;
            layer_forward(&tokens);
            layer_forward(&one_hot);
            layer_backward(&tokens);
            layer_backward(&one_hot);
            assert_close(tokens.y, one_hot.y, layer_y_size(&tokens), 1e-6);
            for (uint64_t p = 0; p < tokens.n_param; p++) {
                assert_close(
                    tokens.dparam[p], one_hot.dparam[p], layer_param_size(&tokens, p), 2e-6);
            }
        }
        layer_close(&tokens);
        layer_close(&one_hot);
    }
}

static void test_recurrent__refuses_a_token_outside_the_vocabulary(void **state)
{
    static const int32_t bad[2] = { VOCABULARY, -1 };
    (void)state;
    for (size_t i = 0; i < 2 * N_KINDS; i++) {
        layer_harness l;
        open_kind(&l, &kinds[i / 2]);
        layer_tokens(&l, VOCABULARY);
        assert_int_equal(layer_plan(&l, TIME, BATCH), ASSAY_OK);
        layer_tokens_of(&l, 0)[7] = bad[i % 2];
        assert_int_equal(l.ops->forward(&l.rig.ctx, l.rig.hyper, &l.io), ASSAY_E_DATA);
        assert_string_equal(l.rig.failure, "a token of the input is outside the vocabulary");
        layer_close(&l);
    }
}

/* -- shards, accumulation, what is frozen -- */

static void test_recurrent__two_shards_are_one_batch(void **state)
{
    const uint64_t cut = 1;
    (void)state;
    for (size_t i = 0; i < 2 * N_KINDS; i++) {
        layer_harness whole, shard[2];
        const uint64_t width = UNITS * (1 + i % 2);
        for (int k = 0; k < 3; k++) {
            layer_harness *l = k == 0 ? &whole : &shard[k - 1];
            const uint64_t n = k == 0 ? BATCH : k == 1 ? cut : BATCH - cut;
            open_kind(l, &kinds[i / 2]);
            component_set(&l->rig, "bidirectional", (double)(i % 2));
            component_set(&l->rig, "recurrent_dropout", 0.385);
            plan_numbers(l, TIME, n);
            l->io.batch_total = BATCH;
            l->io.batch_begin = k == 2 ? cut : 0;
            for (uint64_t row = 0; k > 0 && row < TIME * n; row++) {
                const uint64_t from = row / n * BATCH + l->io.batch_begin + row % n;
                memcpy(l->x[0] + row * IN, whole.x[0] + from * IN, IN * sizeof(float));
                memcpy(l->dy + row * width, whole.dy + from * width, width * sizeof(float));
            }
            layer_forward(l);
            layer_backward(l);
            for (uint64_t row = 0; k > 0 && row < TIME * n; row++) {
                const uint64_t from = row / n * BATCH + l->io.batch_begin + row % n;
                assert_memory_equal(
                    l->y + row * width, whole.y + from * width, width * sizeof(float));
                assert_memory_equal(
                    l->dx[0] + row * IN, whole.dx[0] + from * IN, IN * sizeof(float));
            }
        }
        for (uint64_t p = 0; p < whole.n_param; p++) {
            for (uint64_t k = 0; k < layer_param_size(&whole, p); k++) {
                shard[0].dparam[p][k] += shard[1].dparam[p][k];
            }
            assert_close(shard[0].dparam[p], whole.dparam[p], layer_param_size(&whole, p), 1e-6);
        }
        layer_close(&whole);
        layer_close(&shard[0]);
        layer_close(&shard[1]);
    }
}

static void test_recurrent__adds_gradients_where_asked_and_leaves_out_frozen_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        layer_harness l;
        open_kind(&l, &kinds[i]);
        component_set(&l.rig, "bias", 1);
        plan_numbers(&l, TIME, BATCH);
        layer_carry(&l, 40);
        layer_forward(&l);
        layer_backward(&l);
        float *once[LAYER_MAX];
        for (uint64_t p = 0; p < l.n_param; p++) {
            once[p] = component_alloc(&l.rig, layer_param_size(&l, p) * sizeof(float));
            memcpy(once[p], l.dparam[p], layer_param_size(&l, p) * sizeof(float));
            l.accumulate[p] = 1;
        }
        layer_forward(&l);
        layer_backward(&l);
        for (uint64_t p = 0; p < l.n_param; p++) {
            for (uint64_t k = 0; k < layer_param_size(&l, p); k++) {
                once[p][k] *= 2;
            }
            assert_close(l.dparam[p], once[p], layer_param_size(&l, p), 1e-6);
            l.dparam[p] = NULL;
        }
        l.dx[0] = NULL;
        layer_forward(&l);
        layer_backward(&l); // nothing is wanted but what is carried
        assert_true(isfinite(l.dcarry_in[0][0]));
        layer_close(&l);
    }
}

static void test_recurrent__does_not_drop_in_evaluation(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        layer_harness dropping, plain;
        open_kind(&dropping, &kinds[i]);
        open_kind(&plain, &kinds[i]);
        component_set(&dropping.rig, "recurrent_dropout", 0.5);
        plan_numbers(&dropping, TIME, BATCH);
        plan_numbers(&plain, TIME, BATCH);
        layer_forward(&dropping);
        layer_forward(&plain);
        assert_memory_not_equal(dropping.y, plain.y, layer_y_size(&plain) * sizeof(float));
        dropping.io.training = 0;
        layer_forward(&dropping);
        assert_memory_equal(dropping.y, plain.y, layer_y_size(&plain) * sizeof(float));
        layer_close(&dropping);
        layer_close(&plain);
    }
}

/* The last state by itself is the last row of all. */
static void test_recurrent__the_last_state_is_each_samples_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        layer_harness all, last;
        open_kind(&all, &kinds[i]);
        open_kind(&last, &kinds[i]);
        component_set(&all.rig, "bidirectional", 1);
        component_set(&last.rig, "bidirectional", 1);
        component_set(&last.rig, "return", 1);
        plan_numbers(&all, TIME, BATCH);
        plan_numbers(&last, TIME, BATCH);
        all.io.length = last.io.length = lengths;
        layer_forward(&all);
        layer_forward(&last);
        for (uint64_t b = 0; b < BATCH; b++) {
            const float *end = all.y + ((lengths[b] - 1) * BATCH + b) * 2 * UNITS;
            const float *begin = all.y + b * 2 * UNITS + UNITS, *y = last.y + b * 2 * UNITS;
            assert_memory_equal(y, end, UNITS * sizeof(float));
            assert_memory_equal(y + UNITS, begin, UNITS * sizeof(float));
        }
        layer_close(&all);
        layer_close(&last);
    }
}

/* -- what is refused, what is warned of -- */

static void test_recurrent__warns_of_an_input_of_one_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        layer_harness l;
        open_kind(&l, &kinds[i]);
        plan_numbers(&l, 1, BATCH);
        assert_string_equal(l.rig.logged,
            "the input has one time step, so nothing recurs: arrange the data as sequences, or use "
            "a dense layer");
        layer_close(&l);
        open_kind(&l, &kinds[i]);
        plan_numbers(&l, 2, BATCH);
        assert_string_equal(l.rig.logged, "");
        layer_close(&l);
    }
}

static void test_recurrent__refuses_inputs_that_it_cannot_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        layer_harness l;
        open_kind(&l, &kinds[i]);
        layer_input(&l, (assay_shape){ 1, { IN } });
        layer_input(&l, (assay_shape){ 1, { IN } });
        assert_int_equal(layer_plan(&l, TIME, BATCH), ASSAY_E_SHAPE);
        assert_string_equal(l.rig.failure,
            "takes exactly one input: join several with a layer of type add or concat first");
        layer_close(&l);
        open_kind(&l, &kinds[i]);
        layer_tokens(&l, VOCABULARY);
        l.in[0].shape.dim[0] = 2;
        assert_int_equal(layer_plan(&l, TIME, BATCH), ASSAY_E_SHAPE);
        assert_string_equal(l.rig.failure,
            "the input has several tokens per step, expected one: put an embedding before it");
        layer_close(&l);
    }
}

/* The host refuses the n-th declaration. */
static uint64_t n_declared, refused_at;

static int64_t next_declaration(void)
{
    return n_declared++ == refused_at ? ASSAY_E_NOMEM : (int64_t)n_declared;
}

static int64_t refuse_param(assay_plan *plan, const assay_param *param)
{
    (void)plan;
    (void)param;
    return next_declaration();
}

static int64_t refuse_sizes(assay_plan *plan, uint64_t a, uint64_t b)
{
    (void)plan;
    (void)a;
    (void)b;
    return next_declaration();
}

static int64_t refuse_prepared(assay_plan *plan, uint64_t bytes)
{
    (void)plan;
    (void)bytes;
    return next_declaration();
}

static int64_t refuse_carry(assay_plan *plan, const char *name, uint64_t floats)
{
    (void)plan;
    (void)name;
    (void)floats;
    return next_declaration();
}

static void test_recurrent__passes_on_what_the_host_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        int code = ASSAY_E_NOMEM;
        for (refused_at = 0; code == ASSAY_E_NOMEM; refused_at++) {
            layer_harness l;
            n_declared = 0;
            open_kind(&l, &kinds[i]);
            component_set(&l.rig, "recurrent_dropout", 0.5);
            layer_input(&l, (assay_shape){ 1, { IN } });
            l.plan.struct_size = sizeof l.plan;
            l.plan.in = l.in;
            l.plan.in_stride = sizeof l.in[0];
            l.plan.max_time = TIME;
            l.plan.max_batch = BATCH;
            l.plan.param = refuse_param;
            l.plan.saved = l.plan.scratch = refuse_sizes;
            l.plan.prepared = refuse_prepared;
            l.plan.carry = refuse_carry;
            code = l.ops->plan(&l.rig.ctx, l.rig.hyper, &l.plan);
            layer_close(&l);
        }
        assert_int_equal(code, ASSAY_OK);
        assert_true(refused_at > 8);
    }
}

static void *no_memory(assay_ctx *ctx, uint64_t bytes)
{
    (void)ctx;
    (void)bytes;
    return NULL;
}

static void test_recurrent__is_told_when_memory_is_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        layer_harness l;
        open_kind(&l, &kinds[i]);
        l.rig.host.alloc = no_memory;
        layer_input(&l, (assay_shape){ 1, { IN } });
        assert_int_equal(layer_plan(&l, TIME, BATCH), ASSAY_E_NOMEM);
        layer_close(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recurrent__declares_parameters_as_pytorch_knows_them),
        cmocka_unit_test(test_recurrent__puts_out_one_step_and_carries_the_state),
        cmocka_unit_test(test_recurrent__has_as_many_weights_as_the_papers_networks),
        cmocka_unit_test(test_recurrent__takes_nothing_from_what_padding_holds),
        cmocka_unit_test(test_recurrent__two_windows_are_one_stream),
        cmocka_unit_test(test_recurrent__tokens_are_inputs_of_which_one_is_1),
        cmocka_unit_test(test_recurrent__refuses_a_token_outside_the_vocabulary),
        cmocka_unit_test(test_recurrent__two_shards_are_one_batch),
        cmocka_unit_test(test_recurrent__adds_gradients_where_asked_and_leaves_out_frozen_ones),
        cmocka_unit_test(test_recurrent__does_not_drop_in_evaluation),
        cmocka_unit_test(test_recurrent__the_last_state_is_each_samples_own),
        cmocka_unit_test(test_recurrent__warns_of_an_input_of_one_step),
        cmocka_unit_test(test_recurrent__refuses_inputs_that_it_cannot_read),
        cmocka_unit_test(test_recurrent__passes_on_what_the_host_refuses),
        cmocka_unit_test(test_recurrent__is_told_when_memory_is_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
