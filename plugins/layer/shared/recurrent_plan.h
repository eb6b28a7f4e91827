/* What the recurrent layers declare, and what is made of their weights after each change.
 *
 * Header-only and static, because a plugin links nothing of anybody's. */
#ifndef ASSAY_PLUGINS_LAYER_SHARED_RECURRENT_PLAN_H
#define ASSAY_PLUGINS_LAYER_SHARED_RECURRENT_PLAN_H

#include "recurrent.h"

static inline int recurrent_check(assay_ctx *ctx, const assay_plan *plan)
{
    const assay_host *host = ctx->host;
    if (plan->n_in != 1) {
        return host->fail(ctx, ASSAY_E_SHAPE, NULL,
            "takes exactly one input: join several with a layer of type add or concat first");
    }
    const assay_input *in = assay_plan_in(plan, 0);
    if (in->dtype == ASSAY_I32 && assay_shape_size(&in->shape) != 1) {
        return host->fail(ctx, ASSAY_E_SHAPE, NULL,
            "the input has several tokens per step, expected one: put an embedding before it");
    }
    if (plan->max_time == 1) {
        host->log(ctx, ASSAY_LOG_WARNING,
            "the input has one time step, so nothing recurs: arrange the data as sequences, or "
            "use a dense layer");
    }
    return ASSAY_OK;
}

static inline int recurrent_declare(assay_plan *plan, const char *name, const char *export_name,
    uint32_t role, assay_shape shape, const recurrent_cell *cell)
{
    const int is_bias = role == ASSAY_ROLE_BIAS, is_plain = shape.n_dims == 1;
    const assay_param p = { .struct_size = sizeof p,
        .name = name,
        .shape = shape,
        .role = role,
        .init = is_plain                   ? "zeros"
            : role == ASSAY_ROLE_RECURRENT ? "orthogonal"
                                           : "glorot_uniform",
        .blocks = is_plain && !is_bias ? cell->peepholes : cell->gates,
        .export_name = export_name,
        .layout = is_plain ? ASSAY_LAYOUT_SAME : ASSAY_LAYOUT_TRANSPOSED,
        .init_shift = is_bias ? cell->bias_shift : NULL };
    const int64_t i = plan->param(plan, &p);
    return i < 0 ? (int)i : ASSAY_OK;
}

/* Names of ours and PyTorch's, forward and backward. */
typedef const char *recurrent_names[RECURRENT_DIRECTIONS][2];

static inline int recurrent_declare_direction(
    const struct recurrent *h, recurrent_self *r, assay_plan *plan, uint64_t d)
{
    static const recurrent_names weight = { { "weight", "weight_ih_l0" },
        { "weight_reverse", "weight_ih_l0_reverse" } };
    static const recurrent_names recurrent = { { "recurrent", "weight_hh_l0" },
        { "recurrent_reverse", "weight_hh_l0_reverse" } };
    static const recurrent_names bias = { { "bias", "bias_ih_l0" },
        { "bias_reverse", "bias_ih_l0_reverse" } };
    static const recurrent_names second = { { "recurrent_bias", "bias_hh_l0" },
        { "recurrent_bias_reverse", "bias_hh_l0_reverse" } };
    static const recurrent_names peephole = { { "peephole", NULL }, { "peephole_reverse", NULL } };
    const recurrent_cell *cell = &r->cell;
    recurrent_cell unshifted = *cell;
    memset(unshifted.bias_shift, 0, sizeof unshifted.bias_shift);
    const assay_shape line = { 1, { r->columns } };
    int code = recurrent_declare(plan, weight[d][0], weight[d][1], ASSAY_ROLE_WEIGHT,
        (assay_shape){ 2, { r->in, r->columns } }, cell);
    if (code == ASSAY_OK) {
        code = recurrent_declare(plan, recurrent[d][0], recurrent[d][1], ASSAY_ROLE_RECURRENT,
            (assay_shape){ 2, { r->units, r->columns } }, cell);
    }
    if (code == ASSAY_OK && h->bias != RECURRENT_NONE) {
        code = recurrent_declare(plan, bias[d][0], bias[d][1], ASSAY_ROLE_BIAS, line, cell);
    }
    if (code == ASSAY_OK && h->bias == RECURRENT_TWO) {
        code =
            recurrent_declare(plan, second[d][0], second[d][1], ASSAY_ROLE_BIAS, line, &unshifted);
    }
    if (code == ASSAY_OK && cell->peepholes) {
        code = recurrent_declare(plan, peephole[d][0], peephole[d][1], ASSAY_ROLE_WEIGHT,
            (assay_shape){ 1, { cell->peepholes * r->units } }, cell);
    }
    return code;
}

static inline int recurrent_declare_params(
    const struct recurrent *h, recurrent_self *r, assay_plan *plan)
{
    r->params = 2;
    if (h->bias != RECURRENT_NONE) r->param_bias = r->params++;
    if (h->bias == RECURRENT_TWO) r->params++;
    if (r->cell.peepholes) r->param_peephole = r->params++;
    for (uint64_t d = 0; d < r->directions; d++) {
        const int code = recurrent_declare_direction(h, r, plan, d);
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

/* Of one direction: gates, what else the cell keeps, h where y is not it, the mask. */
static inline int recurrent_declare_saved(
    const struct recurrent *h, recurrent_self *r, assay_plan *plan, uint64_t d)
{
    const uint64_t n = r->units;
    const uint64_t per_row[4] = { r->cell.saved_gates * n, r->cell.saved_state * n, h->last ? n : 0,
        0 };
    const uint64_t fixed[4] = { 0, 0, 0, h->dropout > 0 ? plan->max_batch * n : 0 };
    uint64_t *const index[4] = { &r->saved_gates[d], &r->saved_state[d], &r->saved_h[d],
        &r->saved_keep[d] };
    for (uint64_t i = 0; i < 4; i++) {
        if (per_row[i] == 0 && fixed[i] == 0) continue;
        const int64_t k = plan->saved(plan, per_row[i], fixed[i]);
        if (k < 0) return (int)k;
        *index[i] = (uint64_t)k;
    }
    return ASSAY_OK;
}

/* Places in the one piece of prepared memory. */
static inline int64_t recurrent_declare_prepared(
    assay_ctx *ctx, const struct recurrent *h, recurrent_self *r, assay_plan *plan)
{
    uint64_t bytes = 0;
    for (uint64_t d = 0; d < r->directions; d++) {
        for (uint64_t i = 0; i < r->cell.products; i++) {
            const assay_gemm ahead = recurrent_gemm(r, i, 0, NULL);
            const assay_gemm back = recurrent_gemm(r, i, 1, NULL);
            r->packed[d][i] = bytes;
            bytes += recurrent_aligned(ctx->host->pack_b_bytes(ctx, &ahead));
            r->packed_back[d][i] = bytes;
            bytes += recurrent_aligned(ctx->host->pack_b_bytes(ctx, &back));
        }
        if (h->bias == RECURRENT_TWO) {
            r->bias_sum[d] = bytes;
            bytes += recurrent_aligned(r->columns * sizeof(float));
        }
    }
    return plan->prepared(plan, bytes);
}

/* Pieces of [batch, units] in working memory: zeros, dh, dc, masked h, one more product; then
 * [batch, columns] and the rows of gates that are not there. */
enum { RECURRENT_PIECES = 5 };

static inline int recurrent_declare_memory(
    assay_ctx *ctx, const struct recurrent *h, recurrent_self *r, assay_plan *plan)
{
    int64_t code = ASSAY_OK;
    for (uint64_t d = 0; d < r->directions && code >= 0; d++) {
        code = recurrent_declare_saved(h, r, plan, d);
    }
    if (code >= 0) code = recurrent_declare_prepared(ctx, h, r, plan);
    if (code >= 0 && !h->bidirectional) code = plan->carry(plan, "h", r->units);
    if (code >= 0 && !h->bidirectional && r->cell.has_cell) {
        code = plan->carry(plan, "c", r->units);
    }
    const uint64_t piece = recurrent_aligned(plan->max_batch * r->units * sizeof(float));
    const uint64_t wide = recurrent_aligned(plan->max_batch * r->columns * sizeof(float));
    const uint64_t rows = recurrent_aligned(RECURRENT_GATES * r->units * sizeof(float));
    r->scratch_floats = (RECURRENT_PIECES * piece + wide + rows) / sizeof(float);
    r->sums = r->columns + (1 + r->cell.peepholes) * r->units;
    if (code >= 0) {
        code = plan->scratch(plan, 0, r->scratch_floats * sizeof(float) + r->sums * sizeof(double));
    }
    if (code >= 0 && h->dropout > 0) {
        code = plan->scratch(plan, r->units * sizeof(float), 0); // masked h of all steps
    }
    return code < 0 ? (int)code : ASSAY_OK;
}

/* A whole `plan`, for a cell that is described. */
static inline int recurrent_plan(
    assay_ctx *ctx, const struct recurrent *h, const recurrent_cell *cell, assay_plan *plan)
{
    int code = recurrent_check(ctx, plan);
    if (code != ASSAY_OK) return code;
    recurrent_self *r = ctx->host->alloc(ctx, sizeof *r);
    if (!r) return ASSAY_E_NOMEM;
    ctx->self = r;
    const assay_input *in = assay_plan_in(plan, 0);
    *r = (recurrent_self){ .cell = *cell,
        .vocabulary = in->dtype == ASSAY_I32 ? in->vocabulary : 0,
        .units = (uint64_t)h->units,
        .columns = cell->gates * (uint64_t)h->units,
        .directions = h->bidirectional ? 2 : 1,
        .max_batch = plan->max_batch };
    r->in = r->vocabulary ? r->vocabulary : assay_shape_size(&in->shape);
    plan->out = (assay_shape){ 1, { r->directions * r->units } };
    plan->time_mode = h->last ? ASSAY_TIME_ONE : ASSAY_TIME_SAME;
    plan->looks_ahead = plan->looks_back = h->bidirectional != 0; /* then nothing is carried */
    plan->macs = (double)r->directions *
        ((double)((r->vocabulary ? 0 : r->in) + r->units) * (double)r->columns +
            (double)(cell->peepholes * r->units));
    code = recurrent_declare_params(h, r, plan);
    return code == ASSAY_OK ? recurrent_declare_memory(ctx, h, r, plan) : code;
}

/* The whole of `prepare`. */
static inline int recurrent_prepare(assay_ctx *ctx, const void *hyper, const assay_prepare *p)
{
    const struct recurrent *h = hyper;
    const recurrent_self *r = ctx->self;
    char *out = p->prepared[0];
    for (uint64_t d = 0; d < r->directions; d++) {
        const float *u = p->param[recurrent_param(r, d, RECURRENT_U)];
        for (uint64_t i = 0; i < r->cell.products; i++) {
            const assay_gemm ahead = recurrent_gemm(r, i, 0, u);
            const assay_gemm back = recurrent_gemm(r, i, 1, u);
            ctx->host->pack_b(ctx, &ahead, out + r->packed[d][i]);
            if (p->training) ctx->host->pack_b(ctx, &back, out + r->packed_back[d][i]);
        }
        if (h->bias != RECURRENT_TWO) continue;
        float *sum = (float *)(void *)(out + r->bias_sum[d]); // [columns]
        const float *b = p->param[recurrent_param(r, d, r->param_bias)];
        const float *b_h = p->param[recurrent_param(r, d, r->param_bias + 1)];
        for (uint64_t j = 0; j < r->columns; j++) {
            sum[j] = j < r->cell.summed_gates * r->units ? b[j] + b_h[j] : b[j];
        }
    }
    return ASSAY_OK;
}

#endif
