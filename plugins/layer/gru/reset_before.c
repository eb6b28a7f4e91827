/* The steps of a gru whose reset gate acts on the state: n = tanh(x_t W_n + q U_n + b_n), q = r
 * h_{t-1}.
 *
 * Two products a step, since q must be known before the second. */
#include "gru.h"

/* -- forward -- */

RECURRENT_ROW void gates_row(float *restrict r, float *restrict z, float *restrict q,
    const float *restrict fed_back, uint64_t units)
{
    for (uint64_t j = 0; j < units; j++) {
        r[j] = assay_quick_sigmoid(r[j]);
        z[j] = assay_quick_sigmoid(z[j]);
        q[j] = r[j] * fed_back[j];
    }
}

RECURRENT_ROW void mix_row(const float *restrict z, float *restrict n, const float *restrict before,
    float *restrict h, uint64_t units)
{
    for (uint64_t j = 0; j < units; j++) {
        n[j] = assay_quick_tanh(n[j]);
        h[j] = n[j] + z[j] * (before[j] - n[j]);
    }
}

ASSAY_MULTIVERSION static void gates_rows(
    const recurrent_call *c, uint64_t i, recurrent_rows fed_back)
{
    gru_row r = first_row(c, i, fed_back);
    for (uint64_t b = 0; b < c->batch; b++, next_row(&r)) {
        if (recurrent_is_padding(c, i, b)) {
            keep_row(c, &r);
        } else {
            gates_row(r.r, r.z, r.q, r.fed_back, c->units);
        }
    }
}

ASSAY_MULTIVERSION static void mix_rows(
    const recurrent_call *c, uint64_t i, recurrent_rows fed_back)
{
    gru_row r = first_row(c, i, fed_back);
    for (uint64_t b = 0; b < c->batch; b++, next_row(&r)) {
        if (!recurrent_is_padding(c, i, b)) mix_row(r.z, r.n, r.h_before, r.h, c->units);
    }
}

static void forward(const recurrent_call *c, uint64_t i)
{
    const recurrent_rows fed_back = recurrent_fed_back(c, i);
    const recurrent_rows q = { c->state + recurrent_row(c, i) * c->units, c->units };
    float *z = c->z + recurrent_row(c, i) * c->ld_z;
    if (recurrent_has_before(c, i)) recurrent_product(c, 0, fed_back, z, c->ld_z, 1);
    gates_rows(c, i, fed_back);
    if (recurrent_has_before(c, i)) {
        recurrent_product(c, 1, q, z + 2 * c->units, c->ld_z, 1);
    }
    mix_rows(c, i, fed_back);
}

/* -- backward -- */

/* n and z become the gradients of their sums, dh the share of h_{t-1} in the mix. */
RECURRENT_ROW void mix_back_row(float *restrict z, float *restrict n, const float *restrict before,
    const float *restrict dy, float *restrict dh, uint64_t units)
{
    for (uint64_t j = 0; j < units; j++) {
        const float vz = z[j], vn = n[j], d = dh[j] + dy[j];
        n[j] = d * (1 - vz) * (1 - vn * vn);
        z[j] = d * (before[j] - vn) * (vz * (1 - vz));
        dh[j] = d * vz;
    }
}

/* dq is the gradient of r h_{t-1}; it becomes that of h_{t-1} alone, and r that of its sum. */
RECURRENT_ROW void gates_back_row(
    float *restrict r, const float *restrict fed_back, float *restrict dq, uint64_t units)
{
    for (uint64_t j = 0; j < units; j++) {
        const float vr = r[j], d = dq[j];
        r[j] = d * fed_back[j] * (vr * (1 - vr));
        dq[j] = d * vr;
    }
}

ASSAY_MULTIVERSION static void mix_back_rows(const recurrent_call *c, uint64_t i)
{
    const recurrent_rows dy = recurrent_dy(c, i);
    gru_row r = first_row(c, i, (recurrent_rows){ c->zeros, c->units });
    for (uint64_t b = 0; b < c->batch; b++, next_row(&r)) {
        if (recurrent_is_padding(c, i, b)) {
            skip_row(c, &r);
        } else {
            mix_back_row(r.z, r.n, r.h_before, dy.at + b * dy.ld, c->dh + b * c->units, c->units);
        }
    }
}

ASSAY_MULTIVERSION static void gates_back_rows(
    const recurrent_call *c, uint64_t i, recurrent_rows fed_back)
{
    gru_row r = first_row(c, i, fed_back);
    for (uint64_t b = 0; b < c->batch; b++, next_row(&r)) {
        gates_back_row(r.r, r.fed_back, c->product + b * c->units, c->units);
    }
}

static void add(const float *restrict from, float *restrict to, uint64_t n)
{
    for (uint64_t k = 0; k < n; k++) {
        to[k] += from[k];
    }
}

static void backward(const recurrent_call *c, uint64_t i)
{
    const recurrent_rows fed_back = recurrent_fed_back(c, i);
    const uint64_t n = c->batch * c->units;
    mix_back_rows(c, i);
    if (recurrent_has_before(c, i) || recurrent_wants_before(c, i)) {
        recurrent_product_back(c, 1, step_rows(c, i, GATE_N), c->product, 0);
    } else {
        memset(c->product, 0, n * sizeof(float)); // r looked at a state of 0
    }
    gates_back_rows(c, i, fed_back);
    if (!recurrent_wants_before(c, i)) return;
    if (c->keep) {
        recurrent_add_masked(c, c->product, c->dh);
    } else {
        add(c->product, c->dh, n);
    }
    recurrent_feed_back(c, 0, step_rows(c, i, GATE_R), 1);
}

static int gradients(const recurrent_call *c)
{
    const uint64_t first_n = 2 * c->units;
    const recurrent_rows q = { c->state, c->units }, dn = { c->z + first_n, c->ld_z };
    const int code = recurrent_u_gradient(c, 0, first_n, (recurrent_rows){ c->z, c->ld_z });
    if (code != ASSAY_OK) return code;
    if (c->io->dparam[recurrent_param(c->r, c->direction, RECURRENT_U)]) {
        recurrent_gradient(c, first_n, c->units, c->time * c->batch, q, dn, 0);
    }
    return ASSAY_OK;
}

const recurrent_ops gru_before = { forward, backward, gradients };
