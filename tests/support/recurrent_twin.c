/* Everything is done for one sample, direction and step at a time; nothing is kept but the
 * state. */
#include "support/recurrent_twin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GATES = 4 };

/* One sample in one direction: the weights, its mask, and its state. */
typedef struct walk {
    const recurrent_twin *t;
    uint64_t gates, columns;
    const double *W, *U, *b, *b_state, *peephole; /* NULL where there is none */
    const double *keep;
    double *h, *c, *next_h, *fed_back; /* [units] */
} walk;

static double sigmoid(double v)
{
    return 1 / (1 + exp(-v));
}

static uint64_t n_gates(const recurrent_twin *t)
{
    switch (t->cell) {
    case TWIN_LSTM:
        return (uint64_t)(GATES - t->no_input_gate - t->no_forget_gate - t->no_output_gate);
    case TWIN_GRU: return 3;
    default: return 1;
    }
}

/* x W + b of a column. */
static double of_input(const walk *w, const double *x, uint64_t column)
{
    double sum = w->b ? w->b[column] : 0;
    for (uint64_t i = 0; i < w->t->in; i++) {
        sum += x[i] * w->W[i * w->columns + column];
    }
    return sum;
}

/* v U + b' of a column. */
static double of_state(const walk *w, const double *v, uint64_t column)
{
    double sum = w->b_state ? w->b_state[column] : 0;
    for (uint64_t i = 0; i < w->t->units; i++) {
        sum += v[i] * w->U[i * w->columns + column];
    }
    return sum;
}

static double of_both(const walk *w, const double *x, uint64_t column)
{
    return of_input(w, x, column) + of_state(w, w->fed_back, column);
}

static void step_rnn(const walk *w, const double *x)
{
    for (uint64_t j = 0; j < w->t->units; j++) {
        const double sum = of_both(w, x, j);
        w->next_h[j] = w->t->relu ? fmax(sum, 0) : tanh(sum);
    }
}

/* r of a unit. */
static double reset_of(const walk *w, const double *x, uint64_t j)
{
    return sigmoid(of_both(w, x, j));
}

static void step_gru(const walk *w, const double *x)
{
    const uint64_t n = w->t->units;
    double *looked_at = calloc(n, sizeof *looked_at);
    if (!looked_at) abort();
    for (uint64_t j = 0; j < n; j++) {
        looked_at[j] = reset_of(w, x, j) * w->fed_back[j];
    }
    for (uint64_t j = 0; j < n; j++) {
        const double z = sigmoid(of_both(w, x, n + j));
        const double past = w->t->resets_after
            ? reset_of(w, x, j) * of_state(w, w->fed_back, 2 * n + j)
            : of_state(w, looked_at, 2 * n + j);
        const double v = tanh(of_input(w, x, 2 * n + j) + past);
        w->next_h[j] = (1 - z) * v + z * w->h[j];
    }
    free(looked_at);
}

/* The next gate's value for unit j, or 1 if it is missing. */
static double lstm_gate(const walk *w, const double *x, uint64_t j, int is_missing, double cell,
    uint64_t *i_gate, uint64_t *i_peephole)
{
    if (is_missing) return 1;
    double sum = of_both(w, x, (*i_gate)++ * w->t->units + j);
    if (w->peephole) sum += w->peephole[(*i_peephole)++ * w->t->units + j] * cell;
    return sigmoid(sum);
}

static void step_lstm(const walk *w, const double *x)
{
    const recurrent_twin *t = w->t;
    for (uint64_t j = 0; j < t->units; j++) {
        uint64_t gate = 0, peephole = 0;
        const double i = lstm_gate(w, x, j, t->no_input_gate, w->c[j], &gate, &peephole);
        const double f = lstm_gate(w, x, j, t->no_forget_gate, w->c[j], &gate, &peephole);
        const double g = tanh(of_both(w, x, gate++ * t->units + j));
        w->c[j] = f * w->c[j] + i * g;
        const double o = lstm_gate(w, x, j, t->no_output_gate, w->c[j], &gate, &peephole);
        w->next_h[j] = o * tanh(w->c[j]);
    }
}

static void step(const walk *w, const double *x)
{
    for (uint64_t j = 0; j < w->t->units; j++) {
        w->fed_back[j] = w->h[j] * (w->keep ? w->keep[j] : 1);
    }
    switch (w->t->cell) {
    case TWIN_LSTM: step_lstm(w, x); break;
    case TWIN_GRU: step_gru(w, x); break;
    default: step_rnn(w, x);
    }
    memcpy(w->h, w->next_h, w->t->units * sizeof *w->h);
}

static void run_sample(const walk *w, uint64_t direction, uint64_t sample)
{
    const recurrent_twin *t = w->t;
    const uint64_t n = t->units, steps = t->length ? t->length[sample] : t->time;
    const uint64_t width = t->bidirectional ? 2 * n : n;
    for (uint64_t i = 0; i < steps; i++) {
        const uint64_t at = direction ? steps - 1 - i : i;
        const int is_shown = !t->last || i == steps - 1;
        step(w, t->x + (at * t->batch + sample) * t->in);
        if (!is_shown) continue;
        double *y = t->y + ((t->last ? 0 : at) * t->batch + sample) * width + direction * n;
        memcpy(y, w->h, n * sizeof *y);
    }
    if (t->h_last) memcpy(t->h_last + sample * n, w->h, n * sizeof *w->h);
    if (t->c_last) memcpy(t->c_last + sample * n, w->c, n * sizeof *w->c);
}

static walk walk_of(const recurrent_twin *t, uint64_t direction)
{
    const uint64_t params = 2 + (uint64_t)t->biases + (t->peepholes ? 1 : 0);
    const double *const *p = t->param + direction * params;
    walk w = { .t = t, .gates = n_gates(t), .W = p[0], .U = p[1] };
    w.columns = w.gates * t->units;
    if (t->biases > 0) w.b = p[2];
    if (t->biases > 1) w.b_state = p[3];
    if (t->peepholes) w.peephole = p[2 + t->biases];
    return w;
}

static void begin_state(double *out, const double *first, uint64_t sample, uint64_t n)
{
    memset(out, 0, n * sizeof *out);
    if (first) memcpy(out, first + sample * n, n * sizeof *out);
}

void recurrent_twin_run(const recurrent_twin *t)
{
    const uint64_t n = t->units;
    double *memory = calloc(4 * n, sizeof *memory);
    if (!memory) abort();
    for (uint64_t d = 0; d < (t->bidirectional ? 2 : 1); d++) {
        walk w = walk_of(t, d);
        w.h = memory, w.c = memory + n, w.next_h = memory + 2 * n, w.fed_back = memory + 3 * n;
        for (uint64_t b = 0; b < t->batch; b++) {
            begin_state(w.h, t->h_first, b, n);
            begin_state(w.c, t->c_first, b, n);
            if (t->keep) w.keep = t->keep + (d * t->batch + b) * n;
            run_sample(&w, d, b);
        }
    }
    free(memory);
}
