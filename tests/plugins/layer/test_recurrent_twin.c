/* lstm, gru and rnn beside a plain twin in double, with every option and ugly sizes: outputs,
 * carried states, and gradients against differences of the twin. */
#include "base/rng.h"
#include "support/golden.h"
#include "support/layer_harness.h"
#include "support/recurrent_twin.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Sums in float along some ten steps, relative in the 2-norm. */
#define BAR 1e-5
/* Arrays up to this many numbers are differentiated one by one, others along directions. */
#define ONE_BY_ONE 150
#define DIRECTIONS 4
#define RATE 0.385

typedef struct option {
    const char *name;
    double number;
} option;

typedef struct twin_case {
    const char *id;
    twin_cell cell;
    option set[5];
} twin_case;

enum { TWO = 1, NONE = 2, OFF = 0 };

static const twin_case cases[] = {
    { "lstm", TWIN_LSTM, { { 0 } } },
    { "lstm", TWIN_LSTM, { { "bias", TWO }, { "return", 1 } } },
    { "lstm", TWIN_LSTM, { { "bias", NONE }, { "recurrent_dropout", RATE } } },
    { "lstm", TWIN_LSTM, { { "peepholes", 1 }, { "bidirectional", 1 } } },
    { "lstm", TWIN_LSTM, { { "peepholes", 1 }, { "recurrent_dropout", RATE }, { "return", 1 } } },
    { "lstm", TWIN_LSTM, { { "input_gate", OFF } } },
    { "lstm", TWIN_LSTM, { { "forget_gate", OFF }, { "peepholes", 1 } } },
    { "lstm", TWIN_LSTM, { { "output_gate", OFF }, { "peepholes", 1 }, { "bias", TWO } } },
    { "lstm", TWIN_LSTM,
        { { "input_gate", OFF }, { "forget_gate", OFF }, { "output_gate", OFF },
            { "bidirectional", 1 } } },
    { "lstm", TWIN_LSTM,
        { { "bidirectional", 1 }, { "return", 1 }, { "recurrent_dropout", RATE } } },
    { "gru", TWIN_GRU, { { 0 } } },
    { "gru", TWIN_GRU, { { "bias", TWO }, { "return", 1 } } },
    { "gru", TWIN_GRU, { { "bias", NONE }, { "recurrent_dropout", RATE } } },
    { "gru", TWIN_GRU, { { "bidirectional", 1 }, { "return", 1 }, { "recurrent_dropout", RATE } } },
    { "gru", TWIN_GRU, { { "reset", 1 } } },
    { "gru", TWIN_GRU, { { "reset", 1 }, { "bias", TWO }, { "return", 1 } } },
    { "gru", TWIN_GRU, { { "reset", 1 }, { "bias", NONE }, { "recurrent_dropout", RATE } } },
    { "gru", TWIN_GRU,
        { { "reset", 1 }, { "bidirectional", 1 }, { "bias", TWO },
            { "recurrent_dropout", RATE } } },
    { "rnn", TWIN_RNN, { { 0 } } },
    { "rnn", TWIN_RNN, { { "bias", TWO }, { "return", 1 }, { "recurrent_dropout", RATE } } },
    { "rnn", TWIN_RNN, { { "activation", 1 }, { "bias", NONE } } },
    { "rnn", TWIN_RNN, { { "activation", 1 }, { "bidirectional", 1 } } },
    { "rnn", TWIN_RNN, { { "bidirectional", 1 }, { "return", 1 }, { "recurrent_dropout", RATE } } },
};

#define N_CASES (sizeof cases / sizeof cases[0])

/* What goes with an array of the layer: its numbers in double, and the gradient that backward
 * gave. */
typedef struct pair {
    char name[48];
    double *v;
    const float *dv;
    uint64_t n;
} pair;

#define MAX_PAIRS 16

typedef struct scene {
    const twin_case *c;
    layer_harness l;
    recurrent_twin twin;
    uint32_t length[8];
    pair pairs[MAX_PAIRS];
    uint64_t n_pairs;
    double *dy, *dh_last, *dc_last;
    double *owned[64];
    uint64_t n_owned;
} scene;

static double option_of(const twin_case *c, const char *name, double otherwise)
{
    for (size_t i = 0; i < 5 && c->set[i].name; i++) {
        if (strcmp(c->set[i].name, name) == 0) return c->set[i].number;
    }
    return otherwise;
}

static double *doubles(scene *s, uint64_t n)
{
    double *v = calloc(n ? n : 1, sizeof *v);
    assert_non_null(v);
    assert_true(s->n_owned < 64);
    s->owned[s->n_owned++] = v;
    return v;
}

static double *widened(scene *s, const float *from, uint64_t n)
{
    double *v = doubles(s, n);
    for (uint64_t i = 0; i < n; i++) {
        v[i] = (double)from[i];
    }
    return v;
}

static double *add_pair(scene *s, const char *name, const float *v, const float *dv, uint64_t n)
{
    pair *p = &s->pairs[s->n_pairs++];
    assert_true(s->n_pairs <= MAX_PAIRS);
    snprintf(p->name, sizeof p->name, "%s", name);
    p->v = widened(s, v, n);
    p->dv = dv;
    p->n = n;
    return p->v;
}

static void fill(layer_harness *l, uint64_t seed)
{
    const float size = 0.7f / sqrtf(1 + (float)l->declared[1].shape.dim[0] / 8);
    fill_numbers(l->x[0], layer_x_size(l, 0), seed);
    fill_numbers(l->dy, layer_y_size(l), seed + 1);
    for (uint64_t i = 0; i < l->n_param; i++) {
        fill_numbers(l->param[i], layer_param_size(l, i), seed + 2 + i);
        for (uint64_t j = 0; j < layer_param_size(l, i); j++) {
            l->param[i][j] *= size;
        }
    }
}

/* dy of padding is 0 by contract. */
static void clear_padding(const layer_harness *l, float *out)
{
    const uint64_t n = assay_shape_size(&l->plan.out);
    if (!l->io.length || l->io.time_out != l->io.time) return;
    for (uint64_t row = 0; row < l->io.time * l->io.batch; row++) {
        if (row / l->io.batch < l->io.length[row % l->io.batch]) continue;
        memset(out + row * n, 0, n * sizeof(float));
    }
}

/* The draws of the rig's host by the places that the layer documents. */
static const double *mask(scene *s)
{
    const assay_io *io = &s->l.io;
    const uint64_t directions = s->twin.bidirectional ? 2 : 1, n = io->batch * s->twin.units;
    double *keep = doubles(s, directions * n);
    float *u = calloc(n, sizeof *u);
    assert_non_null(u);
    for (uint64_t d = 0; d < directions; d++) {
        const uint64_t at = (d * io->batch_total + io->batch_begin) * s->twin.units;
        rng_uniform(rng_make(2385, "component"), io->draw, at, u, n);
        for (uint64_t k = 0; k < n; k++) {
            keep[d * n + k] = u[k] < (float)RATE ? 0 : (double)(float)(1 / (1 - RATE));
        }
    }
    free(u);
    return keep;
}

static void open_scene(scene *s, const twin_case *c, const uint64_t size[4], int has_lengths)
{
    layer_harness *l = &s->l;
    *s = (scene){ .c = c };
    layer_open(l, TEST_BUILD_DIR, c->id);
    component_set(&l->rig, "units", (double)size[3]);
    for (size_t i = 0; i < 5 && c->set[i].name; i++) {
        component_set(&l->rig, c->set[i].name, c->set[i].number);
    }
    layer_input(l, (assay_shape){ 1, { size[2] } });
    assert_int_equal(layer_plan(l, size[0], size[1]), ASSAY_OK);
    fill(l, 100 * size[3] + size[0]);
    for (uint64_t b = 0; has_lengths && b < size[1]; b++) {
        s->length[b] = (uint32_t)(1 + (b * 7 + 2) % size[0]);
    }
    if (has_lengths) l->io.length = s->length;
    clear_padding(l, l->dy);
    if (l->n_carry && size[3] != 7) layer_carry(l, 50); // and once without
    layer_forward(l);
    layer_backward(l);
}

static void describe_twin(scene *s, const uint64_t size[4])
{
    static const int biases[] = { 1, 2, 0 };
    const twin_case *c = s->c;
    s->twin = (recurrent_twin){ .cell = c->cell,
        .time = size[0],
        .batch = size[1],
        .in = size[2],
        .units = size[3],
        .last = option_of(c, "return", 0) > 0,
        .bidirectional = option_of(c, "bidirectional", 0) > 0,
        .biases = biases[(int)option_of(c, "bias", 0)],
        .peepholes = option_of(c, "peepholes", 0) > 0,
        .no_input_gate = option_of(c, "input_gate", 1) < 1,
        .no_forget_gate = option_of(c, "forget_gate", 1) < 1,
        .no_output_gate = option_of(c, "output_gate", 1) < 1,
        .resets_after = option_of(c, "reset", 0) > 0,
        .relu = option_of(c, "activation", 0) > 0,
        .length = s->l.io.length };
    if (option_of(c, "recurrent_dropout", 0) > 0) s->twin.keep = mask(s);
}

/* Every array that has a gradient, and what the twin writes. */
static void arm_twin(scene *s)
{
    layer_harness *l = &s->l;
    recurrent_twin *t = &s->twin;
    t->x = add_pair(s, "x", l->x[0], l->dx[0], layer_x_size(l, 0));
    for (uint64_t i = 0; i < l->n_param; i++) {
        t->param[i] =
            add_pair(s, l->declared[i].name, l->param[i], l->dparam[i], layer_param_size(l, i));
    }
    t->y = doubles(s, layer_y_size(l));
    s->dy = widened(s, l->dy, layer_y_size(l));
    if (!l->n_carry) return;
    const uint64_t n = layer_carry_size(l, 0);
    t->h_last = doubles(s, n);
    t->c_last = doubles(s, n);
    if (!l->carry_in[0]) return;
    t->h_first = add_pair(s, "h", l->carry_in[0], l->dcarry_in[0], n);
    s->dh_last = widened(s, l->dcarry_out[0], n);
    if (l->n_carry < 2) return;
    t->c_first = add_pair(s, "c", l->carry_in[1], l->dcarry_in[1], n);
    s->dc_last = widened(s, l->dcarry_out[1], n);
}

static void close_scene(scene *s)
{
    for (uint64_t i = 0; i < s->n_owned; i++) {
        free(s->owned[i]);
    }
    layer_close(&s->l);
}

static double dot(const double *a, const double *b, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; a && i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static double objective(const scene *s)
{
    const uint64_t n = s->twin.batch * s->twin.units;
    recurrent_twin_run(&s->twin);
    return dot(s->dy, s->twin.y, layer_y_size(&s->l)) + dot(s->dh_last, s->twin.h_last, n) +
        dot(s->dc_last, s->twin.c_last, n);
}

/* The derivative of the objective along `way`. */
static double slope(scene *s, pair *p, const double *way)
{
    static const double at[4] = { -2, -1, 1, 2 }, factor[4] = { 1, -8, 8, -1 };
    const double width = 1e-5;
    double sum = 0, *v0 = malloc(p->n * sizeof *v0);
    assert_non_null(v0);
    memcpy(v0, p->v, p->n * sizeof *v0);
    for (int k = 0; k < 4; k++) {
        for (uint64_t i = 0; i < p->n; i++) {
            p->v[i] = v0[i] + at[k] * width * way[i];
        }
        sum += factor[k] * objective(s);
    }
    memcpy(p->v, v0, p->n * sizeof *v0);
    free(v0);
    return sum / (12 * width);
}

static double error_one_by_one(scene *s, pair *p, double *way)
{
    double apart = 0, size = 0;
    for (uint64_t i = 0; i < p->n; i++) {
        way[i] = 1;
        const double expected = slope(s, p, way);
        way[i] = 0;
        apart += (expected - (double)p->dv[i]) * (expected - (double)p->dv[i]);
        size += expected * expected;
    }
    return sqrt(apart) / fmax(sqrt(size), 1e-3);
}

/* Relative to what the product of two random directions of these lengths is. */
static double error_along(scene *s, pair *p, double *way, uint64_t seed)
{
    float *random = malloc(p->n * sizeof *random);
    double along = 0, size = 0;
    assert_non_null(random);
    fill_numbers(random, p->n, seed);
    for (uint64_t i = 0; i < p->n; i++) {
        way[i] = (double)random[i];
        along += way[i] * (double)p->dv[i];
        size += (double)p->dv[i] * (double)p->dv[i];
    }
    free(random);
    return fabs(slope(s, p, way) - along) / fmax(sqrt(size), 1e-3);
}

static void check_gradient(scene *s, pair *p)
{
    double *way = calloc(p->n, sizeof *way), worst = 0;
    assert_non_null(way);
    if (p->n <= ONE_BY_ONE) worst = error_one_by_one(s, p, way);
    for (uint64_t k = 0; k < DIRECTIONS; k++) {
        worst = fmax(worst, error_along(s, p, way, 300 + k));
    }
    free(way);
    if (!(worst < BAR)) {
        print_error("%s case %d: gradient of %s is off by %.3g\n", s->c->id, (int)(s->c - cases),
            p->name, worst);
    }
    assert_true(worst < BAR);
}

static void check_output(
    const scene *s, const char *what, const float *got, const double *expected, uint64_t n)
{
    const double error = norm_relative_error(got, expected, n);
    if (!(error < BAR)) {
        print_error("%s case %d: %s is off by %.3g\n", s->c->id, (int)(s->c - cases), what, error);
    }
    assert_true(error < BAR);
}

static void run_case(const twin_case *c, const uint64_t size[4], int has_lengths)
{
    scene s;
    open_scene(&s, c, size, has_lengths);
    describe_twin(&s, size);
    arm_twin(&s);
    (void)objective(&s);
    clear_padding(&s.l, s.l.y);
    check_output(&s, "y", s.l.y, s.twin.y, layer_y_size(&s.l));
    if (s.l.n_carry) {
        check_output(&s, "h", s.l.carry_out[0], s.twin.h_last, size[1] * size[3]);
    }
    if (s.l.n_carry > 1) {
        check_output(&s, "c", s.l.carry_out[1], s.twin.c_last, size[1] * size[3]);
    }
    for (uint64_t i = 0; i < s.n_pairs; i++) {
        check_gradient(&s, &s.pairs[i]);
    }
    close_scene(&s);
}

/* time, batch, in, units */
static const uint64_t sizes[][4] = { { 4, 3, 3, 4 }, { 1, 3, 2, 7 }, { 3, 1, 5, 13 },
    { 5, 2, 1, 1 }, { 5, 4, 2, 7 }, { 2, 2, 3, 33 } };

#define N_SIZES (sizeof sizes / sizeof sizes[0])

static void run_id(const char *id)
{
    int n = 0;
    for (size_t i = 0; i < N_CASES; i++) {
        if (strcmp(cases[i].id, id) != 0) continue;
        for (size_t j = 0; j < N_SIZES; j++, n++) {
            run_case(&cases[i], sizes[j], 0);
            run_case(&cases[i], sizes[j], 1);
        }
    }
    assert_true(n > 0);
}

static void test_recurrent_twin__lstm_is_its_equations(void **state)
{
    (void)state;
    run_id("lstm");
}

static void test_recurrent_twin__gru_is_its_equations(void **state)
{
    (void)state;
    run_id("gru");
}

static void test_recurrent_twin__rnn_is_its_equations(void **state)
{
    (void)state;
    run_id("rnn");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recurrent_twin__lstm_is_its_equations),
        cmocka_unit_test(test_recurrent_twin__gru_is_its_equations),
        cmocka_unit_test(test_recurrent_twin__rnn_is_its_equations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
