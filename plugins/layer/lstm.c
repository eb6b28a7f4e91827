/* lstm: long short-term memory.
 *
 *   i = sigmoid(x_t W_i + h_{t-1} U_i + b_i)      what is written          (and f, o alike)
 *   f = sigmoid(...)                              what is kept
 *   g = tanh(x_t W_g + h_{t-1} U_g + b_g)         what would be written
 *   c_t = f c_{t-1} + i g
 *   o = sigmoid(...)                              what is shown
 *   h_t = o tanh(c_t)
 *
 * Hochreiter and Schmidhuber 1997, "Long short-term memory", with the forget gate of Gers,
 * Schmidhuber and Cummins 2000, "Learning to forget". Gates stand in PyTorch's order i, f, g, o.
 *
 * `peepholes` adds p_i c_{t-1}, p_f c_{t-1} and p_o c_t inside the sigmoids: Gers, Schraudolph and
 * Schmidhuber 2002, "Learning precise timing with LSTM recurrent networks", as in Chung, Gulcehre,
 * Cho and Bengio 2014; they begin at 0. A gate that is switched off is constantly 1 and has no
 * weights, the ablations of Jozefowicz, Zaremba and Sutskever 2015, "An empirical exploration of
 * recurrent network architectures", which also is the source of `forget_bias`: what the forget
 * gate's first bias is raised by.
 *
 * Kept for backward: the four gates, c and h. tanh(c) is computed again, which spares an
 * eighth of what a step keeps and moves. */
#include "shared/recurrent_run.h"

struct lstm {
    struct recurrent common;
    double forget_bias;
    int64_t peepholes, input_gate, forget_gate, output_gate;
};

static const assay_hyper hypers[] = {
    RECURRENT_HYPERS(lstm),
    ASSAY_REAL(lstm, forget_bias, 1, -1e3, 1e3,
        "what the first bias of the forget gate is raised by; of no effect without bias or gate"),
    ASSAY_BOOL(lstm, peepholes, 0, "let the gates see the cell"),
    ASSAY_BOOL(lstm, input_gate, 1, "without it everything is written"),
    ASSAY_BOOL(lstm, forget_gate, 1, "without it nothing is forgotten"),
    ASSAY_BOOL(lstm, output_gate, 1, "without it everything is shown"),
};

/* Blocks of columns, where all of them are there. */
enum { GATE_I, GATE_F, GATE_G, GATE_O, GATES };

static int has_gate(const struct lstm *h, int gate)
{
    switch (gate) {
    case GATE_I: return h->input_gate != 0;
    case GATE_F: return h->forget_gate != 0;
    case GATE_O: return h->output_gate != 0;
    default: return 1;
    }
}

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const struct lstm *h = hyper;
    recurrent_cell cell = { .products = 1, .saved_state = 1, .has_cell = 1 };
    for (int k = 0; k < GATES; k++) {
        if (!has_gate(h, k)) continue;
        if (k == GATE_F) cell.bias_shift[cell.gates] = h->forget_bias;
        if (k != GATE_G && h->peepholes) cell.peepholes++;
        cell.gates++;
    }
    cell.gates_of[0] = cell.summed_gates = cell.saved_gates = cell.gates;
    return recurrent_plan(ctx, &h->common, &cell, plan);
}

/* The arrays of one row, and how far the next row's are. A gate that is not there is a row of
 * ones, its peephole and one that is not there are zeros. */
typedef struct lstm_row {
    float *gate[GATES];
    uint64_t next_gate[GATES];
    const float *peephole[GATES];
    float *c, *h;
    const float *c_before, *h_before;
    uint64_t units, next_h, next_before;
} lstm_row;

/* That of the first sample. */
static lstm_row first_row(const recurrent_call *c, uint64_t i)
{
    const struct lstm *h = (const struct lstm *)(const void *)c->hyper;
    const uint64_t row = recurrent_row(c, i);
    const recurrent_rows before = recurrent_h_before(c, i);
    lstm_row r = { .c = c->state + row * c->units,
        .h = c->h + row * c->ld_h,
        .c_before = recurrent_c_before(c, i),
        .h_before = before.at,
        .units = c->units,
        .next_h = c->ld_h,
        .next_before = before.ld };
    float *z = c->z + row * c->ld_z;
    const float *p = c->peephole;
    for (int k = 0; k < GATES; k++) {
        r.peephole[k] = c->zeros;
        r.gate[k] = c->rows + (uint64_t)k * c->units;
        if (!has_gate(h, k)) continue;
        r.gate[k] = z;
        r.next_gate[k] = c->ld_z;
        z += c->units;
        if (k == GATE_G || !p) continue;
        r.peephole[k] = p;
        p += c->units;
    }
    return r;
}

RECURRENT_ROW void next_row(lstm_row *r)
{
    for (int k = 0; k < GATES; k++) {
        r->gate[k] += r->next_gate[k];
    }
    r->c += r->units;
    r->h += r->next_h;
    r->c_before += r->units;
    r->h_before += r->next_before;
}

static int is_whole(const recurrent_call *c)
{
    return c->r->cell.gates == GATES;
}

/* What backward writes over them is of no use to anybody. */
static void fill_missing(const recurrent_call *c)
{
    for (uint64_t k = 0; !is_whole(c) && k < GATES * c->units; k++) {
        c->rows[k] = 1;
    }
}

/* -- forward -- */

/* All four gates, no peepholes. */
RECURRENT_ROW void whole_row(float *restrict i, float *restrict f, float *restrict g,
    float *restrict o, const float *restrict c_before, float *restrict c, float *restrict h,
    uint64_t n)
{
    for (uint64_t j = 0; j < n; j++) {
        const float vi = assay_quick_sigmoid(i[j]), vf = assay_quick_sigmoid(f[j]);
        const float vg = assay_quick_tanh(g[j]), vo = assay_quick_sigmoid(o[j]);
        const float vc = vf * c_before[j] + vi * vg;
        i[j] = vi;
        f[j] = vf;
        g[j] = vg;
        o[j] = vo;
        c[j] = vc;
        h[j] = vo * assay_quick_tanh(vc);
    }
}

/* gate = sigmoid(gate + peephole * cell) */
RECURRENT_ROW void gate_row(
    float *restrict gate, const float *restrict peephole, const float *restrict cell, uint64_t n)
{
    for (uint64_t j = 0; j < n; j++) {
        gate[j] = assay_quick_sigmoid(gate[j] + peephole[j] * cell[j]);
    }
}

RECURRENT_ROW void cell_row(const float *restrict i, const float *restrict f, float *restrict g,
    const float *restrict c_before, float *restrict c, uint64_t n)
{
    for (uint64_t j = 0; j < n; j++) {
        g[j] = assay_quick_tanh(g[j]);
        c[j] = f[j] * c_before[j] + i[j] * g[j];
    }
}

RECURRENT_ROW void shown_row(
    const float *restrict o, const float *restrict c, float *restrict h, uint64_t n)
{
    for (uint64_t j = 0; j < n; j++) {
        h[j] = o[j] * assay_quick_tanh(c[j]);
    }
}

ASSAY_MULTIVERSION static void forward_rows(const recurrent_call *c, uint64_t i)
{
    const struct lstm *h = (const struct lstm *)(const void *)c->hyper;
    const uint64_t n = c->units;
    const int is_plain = is_whole(c) && !c->peephole;
    lstm_row r = first_row(c, i);
    for (uint64_t b = 0; b < c->batch; b++, next_row(&r)) {
        float *const *gate = r.gate;
        if (recurrent_is_padding(c, i, b)) {
            memcpy(r.c, r.c_before, n * sizeof(float));
            memcpy(r.h, r.h_before, n * sizeof(float));
            continue;
        }
        if (is_plain) {
            whole_row(
                gate[GATE_I], gate[GATE_F], gate[GATE_G], gate[GATE_O], r.c_before, r.c, r.h, n);
            continue;
        }
        if (h->input_gate) gate_row(gate[GATE_I], r.peephole[GATE_I], r.c_before, n);
        if (h->forget_gate) gate_row(gate[GATE_F], r.peephole[GATE_F], r.c_before, n);
        cell_row(gate[GATE_I], gate[GATE_F], gate[GATE_G], r.c_before, r.c, n);
        if (h->output_gate) gate_row(gate[GATE_O], r.peephole[GATE_O], r.c, n);
        shown_row(gate[GATE_O], r.c, r.h, n);
    }
}

static void forward_step(const recurrent_call *c, uint64_t i)
{
    if (recurrent_has_before(c, i)) {
        recurrent_product(
            c, 0, recurrent_fed_back(c, i), c->z + recurrent_row(c, i) * c->ld_z, c->ld_z, 1);
    }
    fill_missing(c);
    forward_rows(c, i);
}

/* -- backward -- */

/* Gates become the gradients of their sums; dc is that of c_t, then of c_{t-1}. */
RECURRENT_ROW void back_row(float *restrict i, float *restrict f, float *restrict g,
    float *restrict o, const float *restrict p_i, const float *restrict p_f,
    const float *restrict p_o, const float *restrict c_before, const float *restrict c,
    const float *restrict dy, const float *restrict dh, float *restrict dc, uint64_t n,
    const int has_peepholes)
{
    for (uint64_t j = 0; j < n; j++) {
        const float vi = i[j], vf = f[j], vg = g[j], vo = o[j];
        const float d = dh[j] + dy[j], t = assay_quick_tanh(c[j]);
        const float d_o = d * t * (vo * (1 - vo));
        const float d_c = dc[j] + d * vo * (1 - t * t) + (has_peepholes ? d_o * p_o[j] : 0);
        const float d_i = d_c * vg * (vi * (1 - vi));
        const float d_f = d_c * c_before[j] * (vf * (1 - vf));
        i[j] = d_i;
        f[j] = d_f;
        g[j] = d_c * vi * (1 - vg * vg);
        o[j] = d_o;
        dc[j] = d_c * vf + (has_peepholes ? d_i * p_i[j] + d_f * p_f[j] : 0);
    }
}

/* A row of padding: no gradient of its own, dh and dc pass. */
static void skip_row(const recurrent_call *c, uint64_t i, uint64_t b)
{
    memset(c->z + (recurrent_row(c, i) + b) * c->ld_z, 0, c->columns * sizeof(float));
}

ASSAY_MULTIVERSION static void backward_rows(const recurrent_call *c, uint64_t i)
{
    const uint64_t n = c->units;
    const int has_padding = recurrent_has_padding(c, i);
    const recurrent_rows dy = recurrent_dy(c, i);
    lstm_row r = first_row(c, i);
    for (uint64_t b = 0; b < c->batch; b++, next_row(&r)) {
        float *const *z = r.gate;
        const float *const *p = r.peephole;
        float *dh = c->dh + b * n, *dc = c->dc + b * n;
        const float *d = dy.at + b * dy.ld;
        if (recurrent_is_padding(c, i, b)) {
            skip_row(c, i, b);
            continue;
        }
        fill_missing(c);
        if (c->peephole) {
            back_row(z[GATE_I], z[GATE_F], z[GATE_G], z[GATE_O], p[GATE_I], p[GATE_F], p[GATE_O],
                r.c_before, r.c, d, dh, dc, n, 1);
        } else {
            back_row(z[GATE_I], z[GATE_F], z[GATE_G], z[GATE_O], p[GATE_I], p[GATE_F], p[GATE_O],
                r.c_before, r.c, d, dh, dc, n, 0);
        }
        if (has_padding) memset(dh, 0, n * sizeof(float)); // the product adds to it
    }
}

/* sum += dz c, for each peephole that is there. */
ASSAY_MULTIVERSION static void peephole_sums(const recurrent_call *c, uint64_t i)
{
    const struct lstm *h = (const struct lstm *)(const void *)c->hyper;
    lstm_row r = first_row(c, i);
    for (uint64_t b = 0; b < c->batch; b++, next_row(&r)) {
        double *restrict sum = c->sum + c->columns;
        for (int k = 0; k < GATES; k++) {
            if (k == GATE_G || !has_gate(h, k)) continue;
            const float *restrict dz = r.gate[k], *restrict cell = k == GATE_O ? r.c : r.c_before;
            for (uint64_t j = 0; j < c->units; j++) {
                sum[j] += (double)dz[j] * (double)cell[j];
            }
            sum += c->units;
        }
    }
}

static void backward_step(const recurrent_call *c, uint64_t i)
{
    const recurrent_rows dz = { c->z + recurrent_row(c, i) * c->ld_z, c->ld_z };
    backward_rows(c, i);
    if (c->peephole) peephole_sums(c, i);
    if (recurrent_wants_before(c, i)) {
        recurrent_feed_back(c, 0, dz, recurrent_has_padding(c, i));
    }
}

static int gradients(const recurrent_call *c)
{
    if (c->peephole) {
        recurrent_store(c->io, recurrent_param(c->r, c->direction, c->r->param_peephole), 0,
            c->sum + c->columns, c->r->cell.peepholes * c->units);
    }
    return recurrent_u_gradient(c, 0, c->columns, (recurrent_rows){ c->z, c->ld_z });
}

static const recurrent_ops cell_ops = { forward_step, backward_step, gradients };

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    return recurrent_forward(ctx, hyper, io, &cell_ops);
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    return recurrent_backward(ctx, hyper, io, &cell_ops);
}

ASSAY_LAYER(lstm, "0.1.0", "long short-term memory over the time steps", ASSAY_HYPERS(lstm, hypers),
    .plan = plan, .forward = forward, .backward = backward, .prepare = recurrent_prepare);
