/* Minimal gated unit: a recurrent layer with one gate.
 *
 *   f = sigmoid(W_f x + U_f h + b_f);  c = tanh(W_c x + U_c (f * h) + b_c);  h <- (1 - f) h + f c
 *
 * Zhou et al. 2016, "Minimal gated unit for recurrent neural networks", International Journal of Automation and Computing
 * 13(3). An open gate writes and a closed one keeps: `gate_bias`, which is ours, is what the gate's bias begins at, and
 * below 0 the unit begins by remembering.
 *
 * Behind a sequence's end the state stands still: what is left after the last step is what the last real step left, for
 * `return = "last"` and for the next window alike, and gradients pass through unchanged. */
#include <assay/plugin.h>

struct mgu {
    int64_t units, last;
    double gate_bias;
};

static const char *const returns[] = { "sequence", "last" };

static const assay_hyper hypers[] = {
    ASSAY_INT(mgu, units, 0, 1, 65536, "length of the state", .flags = ASSAY_REQUIRED),
    /* The key is a word of C, so the row is written out. */
    { .name = "return",
        .offset = offsetof(struct mgu, last),
        .type = ASSAY_TYPE_ENUM,
        .max = 1,
        .doc = "the state of every step, or of each sample's last one",
        .choices = returns,
        .n_choices = 2 },
    ASSAY_REAL(mgu, gate_bias, -1, -1000, 1000, "what the bias of the gate begins at"),
};

enum { W, U_GATE, U_NEW, BIAS }; /* parameters */
enum { GATES, STATES, GATED }; /* saved */

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *p)
{
    const struct mgu *h = hyper;
    const uint64_t n = (uint64_t)h->units;
    if (p->n_in != 1 || assay_plan_in(p, 0)->dtype != ASSAY_F32) {
        return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, 0,
            "it takes one input of numbers; put an embedding before it for tokens");
    }
    const uint64_t d = assay_shape_size(&assay_plan_in(p, 0)->shape);
    const double shift[2] = { h->gate_bias, 0 };
    const assay_param params[] = {
        { .struct_size = sizeof(assay_param),
            .name = "weight",
            .shape = { 2, { d, 2 * n } },
            .role = ASSAY_ROLE_WEIGHT,
            .init = "glorot_uniform",
            .blocks = 2 },
        { .struct_size = sizeof(assay_param),
            .name = "recurrent_gate",
            .shape = { 2, { n, n } },
            .role = ASSAY_ROLE_RECURRENT,
            .init = "orthogonal" },
        { .struct_size = sizeof(assay_param),
            .name = "recurrent_new",
            .shape = { 2, { n, n } },
            .role = ASSAY_ROLE_RECURRENT,
            .init = "orthogonal" },
        { .struct_size = sizeof(assay_param),
            .name = "bias",
            .shape = { 1, { 2 * n } },
            .role = ASSAY_ROLE_BIAS,
            .init = "zeros",
            .blocks = 2,
            .init_shift = shift },
    };
    int64_t code = 0;
    for (uint64_t i = 0; i < ASSAY_COUNT(params) && code >= 0; i++) {
        code = p->param(p, &params[i]);
    }
    /* Before the first step there is a state, too: max_batch rows more of it. */
    if (code < 0 || (code = p->saved(p, 2 * n, 0)) < 0 ||
        (code = p->saved(p, n, p->max_batch * n)) < 0 || (code = p->saved(p, n, 0)) < 0 ||
        (code = p->carry(p, "state", n)) < 0 ||
        (code = p->scratch(p, 0, 3 * p->max_batch * n * sizeof(float))) < 0) {
        return (int)code;
    }
    p->out = (assay_shape){ 1, { n } };
    p->time_mode = h->last ? ASSAY_TIME_ONE : ASSAY_TIME_SAME;
    p->macs = (double)(2 * n * (d + n));
    return ASSAY_OK;
}

/* c[m, n] = a[m, k] op(b) + beta c */
static void product(assay_ctx *ctx, uint64_t m, uint64_t n, uint64_t k, const float *a,
    uint64_t lda, const float *b, uint64_t ldb, uint32_t trans_b, double beta, float *c,
    uint64_t ldc)
{
    const assay_gemm g = { .struct_size = sizeof g,
        .trans_b = trans_b,
        .m = m,
        .n = n,
        .k = k,
        .alpha = 1,
        .beta = beta,
        .a = a,
        .lda = lda,
        .b = b,
        .ldb = ldb,
        .c = c,
        .ldc = ldc };
    ctx->host->gemm_f32(ctx, &g);
}

static int is_real(const assay_io *io, uint64_t t, uint64_t i)
{
    return !io->length || t < io->length[i];
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct mgu *hy = hyper;
    const uint64_t n = (uint64_t)hy->units, d = assay_shape_size(&io->in_shape[0]);
    const uint64_t batch = io->batch, rows = io->time * batch;
    float *gates = io->saved[GATES]; /* [time, batch, 2n]: f and c */
    float *states = io->saved[STATES]; /* [1 + time, batch, n] */
    for (uint64_t i = 0; i < rows; i++) {
        memcpy(gates + i * 2 * n, io->param[BIAS], 2 * n * sizeof *gates);
    }
    product(ctx, rows, 2 * n, d, io->x[0], d, io->param[W], 2 * n, 0, 1, gates, 2 * n);
    for (uint64_t i = 0; i < batch * n; i++) {
        states[i] = io->carry_in[0] ? io->carry_in[0][i] : 0;
    }
    for (uint64_t t = 0; t < io->time; t++) {
        const float *h = states + t * batch * n;
        float *next = states + (t + 1) * batch * n;
        float *a = gates + t * batch * 2 * n, *gated = io->saved[GATED] + t * batch * n;
        product(ctx, batch, n, n, h, n, io->param[U_GATE], n, 0, 1, a, 2 * n);
        for (uint64_t i = 0; i < batch * n; i++) {
            float *f = a + i / n * 2 * n + i % n;
            *f = assay_sigmoid(*f);
            gated[i] = *f * h[i];
        }
        product(ctx, batch, n, n, gated, n, io->param[U_NEW], n, 0, 1, a + n, 2 * n);
        for (uint64_t i = 0; i < batch * n; i++) {
            float *f = a + i / n * 2 * n + i % n, *c = f + n;
            *c = assay_tanh(*c);
            next[i] = is_real(io, t, i / n) ? h[i] + *f * (*c - h[i]) : h[i];
        }
    }
    const float *end = states + rows * n;
    memcpy(io->carry_out[0], end, batch * n * sizeof *end);
    if (hy->last) {
        memcpy(io->y, end, batch * n * sizeof *end);
    } else {
        memcpy(io->y, states + batch * n, rows * n * sizeof *states);
    }
    return ASSAY_OK;
}

/* The gates of step t become the gradients of what went into them; dh that of the state before the step. `work` is of the
 * size of two states. */
static void step_back(
    assay_ctx *ctx, const assay_io *io, uint64_t n, uint64_t t, float *dh, float *work)
{
    const uint64_t size = io->batch * n;
    const float *h = io->saved[STATES] + t * size;
    float *a = io->saved[GATES] + t * 2 * size, *df = work, *dgated = work + size;
    for (uint64_t i = 0; i < size; i++) {
        float *f = a + i / n * 2 * n + i % n, *c = f + n;
        const float d = is_real(io, t, i / n) ? dh[i] : 0;
        df[i] = d * (*c - h[i]);
        *c = d * *f * (1 - *c * *c);
        dh[i] -= d * *f;
    }
    product(ctx, io->batch, n, n, a + n, 2 * n, io->param[U_NEW], n, 1, 0, dgated, n);
    for (uint64_t i = 0; i < size; i++) {
        float *f = a + i / n * 2 * n + i % n;
        dh[i] += dgated[i] * *f;
        *f = (df[i] + dgated[i] * h[i]) * *f * (1 - *f); /* 0 in padding, as both are */
    }
    product(ctx, io->batch, n, n, a, 2 * n, io->param[U_GATE], n, 1, 1, dh, n);
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct mgu *hy = hyper;
    const uint64_t n = (uint64_t)hy->units, d = assay_shape_size(&io->in_shape[0]);
    const uint64_t size = io->batch * n, rows = io->time * io->batch;
    float *dh = io->scratch[0], *da = io->saved[GATES];
    for (uint64_t i = 0; i < size; i++) {
        dh[i] = (io->dcarry_out[0] ? io->dcarry_out[0][i] : 0) + (hy->last ? io->dy[i] : 0);
    }
    for (uint64_t t = io->time; t-- > 0;) {
        for (uint64_t i = 0; i < size && !hy->last; i++) {
            dh[i] += io->dy[t * size + i];
        }
        step_back(ctx, io, n, t, dh, dh + size);
    }
    if (io->dcarry_in[0]) {
        memcpy(io->dcarry_in[0], dh, size * sizeof *dh);
    }
    if (io->dx[0]) {
        product(ctx, rows, d, 2 * n, da, 2 * n, io->param[W], 2 * n, 1, 0, io->dx[0], d);
    }
    for (uint64_t j = 0; j < 2 * n && io->dparam[BIAS]; j++) {
        double sum = io->accumulate[BIAS] ? (double)io->dparam[BIAS][j] : 0;
        for (uint64_t i = 0; i < rows; i++) {
            sum += (double)da[i * 2 * n + j];
        }
        io->dparam[BIAS][j] = (float)sum;
    }
    /* Sums over all rows, which the host makes when it likes; da, x and what is saved stay as they are until then. */
    int code = io->grad_gemm(io, W, rows, io->x[0], d, da, 2 * n);
    if (!code) {
        code = io->grad_gemm(io, U_GATE, rows, io->saved[STATES], n, da, 2 * n);
    }
    return code ? code : io->grad_gemm(io, U_NEW, rows, io->saved[GATED], n, da + n, 2 * n);
}

ASSAY_LAYER(mgu, "0.1.0", "minimal gated unit over the time steps", ASSAY_HYPERS(mgu, hypers),
    .plan = plan, .forward = forward, .backward = backward);
