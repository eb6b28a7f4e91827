/* The steps of a gru whose reset gate acts on the product: n = tanh(x_t W_n + b_n + r q), q =
 * h_{t-1} U_n + b'_n.
 *
 * All gates are one product, beside the input's and not onto it, because q must be known by
 * itself. Backward turns q into its gradient, which is that of U_n's product. */
#include "gru.h"

/* -- forward -- */

RECURRENT_ROW void forward_row(float *restrict r, float *restrict z, float *restrict n,
    float *restrict q, const float *restrict u, const float *restrict bias,
    const float *restrict before, float *restrict h, uint64_t units)
{
    const float *restrict u_z = u + units, *restrict u_n = u + 2 * units;
    for (uint64_t j = 0; j < units; j++) {
        const float vr = assay_quick_sigmoid(r[j] + u[j]), vz = assay_quick_sigmoid(z[j] + u_z[j]);
        const float vq = u_n[j] + bias[j];
        const float vn = assay_quick_tanh(n[j] + vr * vq);
        r[j] = vr;
        z[j] = vz;
        n[j] = vn;
        q[j] = vq;
        h[j] = vn + vz * (before[j] - vn);
    }
}

/* b' of the state's product with U_n, [units]. */
static const float *inner_bias(const recurrent_call *c)
{
    if (c->hyper->bias != RECURRENT_TWO) return c->zeros;
    const uint64_t p = recurrent_param(c->r, c->direction, c->r->param_bias + 1);
    return c->io->param[p] + 2 * c->units;
}

ASSAY_MULTIVERSION static void forward_rows(
    const recurrent_call *c, uint64_t i, recurrent_rows fed_back)
{
    const float *bias = inner_bias(c);
    gru_row r = first_row(c, i, fed_back);
    for (uint64_t b = 0; b < c->batch; b++, next_row(&r)) {
        if (recurrent_is_padding(c, i, b)) {
            keep_row(c, &r);
            continue;
        }
        forward_row(r.r, r.z, r.n, r.q, c->wide + b * c->columns, bias, r.h_before, r.h, c->units);
    }
}

static void forward(const recurrent_call *c, uint64_t i)
{
    const recurrent_rows fed_back = recurrent_fed_back(c, i);
    if (recurrent_has_before(c, i)) {
        recurrent_product(c, 0, fed_back, c->wide, c->columns, 0);
    } else {
        memset(c->wide, 0, c->batch * c->columns * sizeof(float));
    }
    forward_rows(c, i, fed_back);
}

/* -- backward -- */

/* Gates become the gradients of their sums, q that of itself; du is what h_{t-1} U has, dh the
 * share of h_{t-1} in the mix. */
RECURRENT_ROW void back_row(float *restrict r, float *restrict z, float *restrict n,
    float *restrict q, const float *restrict before, const float *restrict dy, float *restrict dh,
    float *restrict du, uint64_t units)
{
    float *restrict du_z = du + units, *restrict du_n = du + 2 * units;
    for (uint64_t j = 0; j < units; j++) {
        const float vr = r[j], vz = z[j], vn = n[j], vq = q[j];
        const float d = dh[j] + dy[j];
        const float d_n = d * (1 - vz) * (1 - vn * vn);
        const float d_z = d * (before[j] - vn) * (vz * (1 - vz));
        const float d_r = d_n * vq * (vr * (1 - vr));
        r[j] = d_r;
        du[j] = d_r;
        z[j] = d_z;
        du_z[j] = d_z;
        n[j] = d_n;
        q[j] = d_n * vr;
        du_n[j] = d_n * vr;
        dh[j] = d * vz;
    }
}

ASSAY_MULTIVERSION static void back_rows(const recurrent_call *c, uint64_t i)
{
    const recurrent_rows dy = recurrent_dy(c, i);
    gru_row r = first_row(c, i, (recurrent_rows){ c->zeros, c->units });
    for (uint64_t b = 0; b < c->batch; b++, next_row(&r)) {
        float *du = c->wide + b * c->columns;
        if (recurrent_is_padding(c, i, b)) {
            skip_row(c, &r);
            memset(r.q, 0, c->units * sizeof(float));
            memset(du, 0, c->columns * sizeof(float));
            continue;
        }
        back_row(
            r.r, r.z, r.n, r.q, r.h_before, dy.at + b * dy.ld, c->dh + b * c->units, du, c->units);
    }
}

static void backward(const recurrent_call *c, uint64_t i)
{
    const recurrent_rows q = { c->state + recurrent_row(c, i) * c->units, c->units };
    back_rows(c, i);
    if (c->hyper->bias == RECURRENT_TWO) {
        recurrent_add_rows(q, c->batch, c->units, c->sum + c->columns);
    }
    if (recurrent_wants_before(c, i)) {
        recurrent_feed_back(c, 0, (recurrent_rows){ c->wide, c->columns }, 1);
    }
}

static int gradients(const recurrent_call *c)
{
    const uint64_t first_n = 2 * c->units;
    const int code = recurrent_u_gradient(c, 0, first_n, (recurrent_rows){ c->z, c->ld_z });
    if (c->hyper->bias == RECURRENT_TWO) {
        recurrent_store(c->io, recurrent_param(c->r, c->direction, c->r->param_bias + 1), first_n,
            c->sum + c->columns, c->units);
    }
    if (code != ASSAY_OK) return code;
    return recurrent_u_gradient(c, first_n, c->units, (recurrent_rows){ c->state, c->units });
}

const recurrent_ops gru_after = { forward, backward, gradients };
