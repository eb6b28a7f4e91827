/* batch_norm: every feature brought to mean 0 and variance 1 over the batch, then scaled and shifted.
 *
 *   y = g n + b,  n = (x - m) s,  s = 1 / sqrt(v + eps)        any shape, kept
 *   training: m and v are mean and (biased) variance over the rows of the batch, samples and time
 *   steps alike; evaluation: the running ones, R <- (1 - momentum) R + momentum (m or the unbiased v)
 *   dx = g s (dy - c (mean dy + n mean(dy n))), the means being sums over all rows divided by how many
 *   count, c = 1 for a row that counts, else 0;  dg = sum of dy n, db = sum of dy
 *
 * Ioffe and Szegedy 2015, "Batch normalization: accelerating deep network training by reducing
 * internal covariate shift", algorithms 1 and 2. As PyTorch's BatchNorm1d on [features] and BatchNorm2d
 * on [channels, ...]: one mean for each of the first dimension, over the other dimensions too. Options
 * and defaults are PyTorch's, names in files too, but there is no num_batches_tracked, which only
 * matters without a momentum.
 *
 * The steps behind a sample's length are padding, which is not looked at: there y and dx are 0. Rows of
 * weight 0 are normalised but do not count. Other weights make no difference, as they weigh losses and
 * not inputs. Statistics are in double.
 *
 * Deviation: a training batch where fewer than two values count has no variance; PyTorch refuses it.
 * Here it is normalised by the running statistics, which it leaves alone, so that a last batch of one
 * row does not end a run. */
#include "shared/norm.h"
#include "shared/steps.h"

enum { RUNNING_MEAN, RUNNING_VARIANCE };

struct batch_norm {
    double momentum, eps;
    int64_t affine;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(batch_norm, momentum, 0.1, 0, 1, "share of a new batch in the running statistics"),
    ASSAY_REAL(
        batch_norm, eps, 1e-5, 0, ASSAY_INF, "added to the variance", .flags = ASSAY_OPEN_MIN),
    ASSAY_BOOL(batch_norm, affine, 1, "train a gain and a bias for each feature"),
};

/* Features of a row, channels that have statistics of their own, features of a channel. */
typedef struct extents {
    uint64_t n, channels, width;
} extents;

static extents extents_of(const assay_shape *shape)
{
    const uint64_t n = assay_shape_size(shape), channels = shape->dim[0];
    return (extents){ n, channels, n / channels };
}

static int plan_buffer(assay_plan *plan, const char *name, uint64_t n, double init)
{
    const assay_buffer b = {
        .struct_size = sizeof b, .name = name, .size = n, .init = init, .export_name = name
    };
    const int64_t i = plan->buffer(plan, &b);
    return i < 0 ? (int)i : ASSAY_OK;
}

static int plan_memory(assay_plan *plan, extents e)
{
    const int64_t i_saved = plan->saved(plan, 0, 3 * e.n);
    if (i_saved < 0) return (int)i_saved;
    const int64_t i_sums = plan->scratch(plan, 0, 2 * e.n * sizeof(double));
    if (i_sums < 0) return (int)i_sums;
    const int64_t i_floats = plan->scratch(plan, 0, 5 * e.n * sizeof(float));
    return i_floats < 0 ? (int)i_floats : ASSAY_OK;
}

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const struct batch_norm *h = hyper;
    int code = elementwise_plan(ctx, hyper, plan);
    if (code != ASSAY_OK) return code;
    const extents e = extents_of(&plan->out);
    plan->couples_samples = 1;
    code = plan_buffer(plan, "running_mean", e.channels, 0);
    if (code == ASSAY_OK) code = plan_buffer(plan, "running_var", e.channels, 1);
    if (code == ASSAY_OK && h->affine) {
        code = norm_params(plan, (assay_shape){ 1, { e.channels } }, 1);
    }
    return code == ASSAY_OK ? plan_memory(plan, e) : code;
}

static int counts(const assay_io *io, uint64_t row)
{
    return !is_padding(io, row) && (!io->weight || io->weight[row] != 0);
}

/* How many values of a channel the batch's statistics are of; 0: the running ones are used. */
static double values_counted(const assay_io *io, extents e)
{
    uint64_t n = 0;
    for (uint64_t i = 0; io->training && i < io_rows(io); i++) {
        n += counts(io, i) ? e.width : 0;
    }
    return n < 2 ? 0 : (double)n;
}

/* What normalises, feature by feature; `saved` has it while training. */
typedef struct statistics {
    float *shift, *rest, *scale; // [n]
} statistics;

static statistics statistics_in(const assay_io *io, extents e)
{
    float *memory = io->training ? io->saved[0] : io->scratch[1];
    return (statistics){ memory, memory + e.n, memory + 2 * e.n };
}

/* The last two fifths of the floats. */
static float *spread_memory(const assay_io *io, extents e, uint64_t i_param)
{
    return (float *)io->scratch[1] + (3 + i_param) * e.n;
}

/* A parameter of the channels as one number for each feature; `absent` where there are none. */
static const float *spread(
    const assay_io *io, extents e, const struct batch_norm *h, uint64_t i_param, float absent)
{
    float *out = spread_memory(io, e, i_param);
    if (h->affine && e.width == 1) return io->param[i_param];
    for (uint64_t j = 0; j < e.n; j++) {
        out[j] = h->affine ? io->param[i_param][j / e.width] : absent;
    }
    return out;
}

/* Gives each feature the sum over its channel. */
static void share(double *sum, extents e)
{
    for (uint64_t c = 0; e.width > 1 && c < e.channels; c++) {
        double total = 0;
        for (uint64_t j = c * e.width; j < (c + 1) * e.width; j++) {
            total += sum[j];
        }
        for (uint64_t j = c * e.width; j < (c + 1) * e.width; j++) {
            sum[j] = total;
        }
    }
}

/* mean[n] and the summed squares about it, over the rows that count. */
ASSAY_MULTIVERSION static void measure(
    const assay_io *io, extents e, double counted, double *mean, double *squares)
{
    memset(mean, 0, e.n * sizeof *mean);
    memset(squares, 0, e.n * sizeof *squares);
    for (uint64_t i = 0; i < io_rows(io); i++) {
        if (counts(io, i)) norm_add((const float *)io->x[0] + i * e.n, e.n, mean);
    }
    share(mean, e);
    for (uint64_t j = 0; j < e.n; j++) {
        mean[j] /= counted;
    }
    for (uint64_t i = 0; i < io_rows(io); i++) {
        const float *x = (const float *)io->x[0] + i * e.n;
        for (uint64_t j = 0; counts(io, i) && j < e.n; j++) {
            squares[j] += ((double)x[j] - mean[j]) * ((double)x[j] - mean[j]);
        }
    }
    share(squares, e);
}

static void move(float *running, double to, double momentum)
{
    *running = (float)((1 - momentum) * (double)*running + momentum * to);
}

static void use_batch(
    const assay_io *io, const struct batch_norm *h, extents e, double counted, statistics s)
{
    double *mean = io->scratch[0], *squares = mean + e.n;
    measure(io, e, counted, mean, squares);
    for (uint64_t j = 0; j < e.n; j++) {
        s.shift[j] = (float)mean[j];
        s.rest[j] = (float)(mean[j] - (double)s.shift[j]);
        s.scale[j] = (float)(1 / sqrt(squares[j] / counted + h->eps));
    }
    for (uint64_t c = 0; c < e.channels; c++) {
        move(io->buffer[RUNNING_MEAN] + c, mean[c * e.width], h->momentum);
        move(io->buffer[RUNNING_VARIANCE] + c, squares[c * e.width] / (counted - 1), h->momentum);
    }
}

static void use_running(const assay_io *io, const struct batch_norm *h, extents e, statistics s)
{
    for (uint64_t j = 0; j < e.n; j++) {
        const uint64_t c = j / e.width;
        s.shift[j] = io->buffer[RUNNING_MEAN][c];
        s.rest[j] = 0;
        s.scale[j] = (float)(1 / sqrt((double)io->buffer[RUNNING_VARIANCE][c] + h->eps));
    }
}

ASSAY_MULTIVERSION static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct batch_norm *h = hyper;
    const extents e = extents_of(io->out_shape);
    const statistics s = statistics_in(io, e);
    const double counted = values_counted(io, e);
    (void)ctx;
    if (counted > 0) {
        use_batch(io, h, e, counted, s);
    } else {
        use_running(io, h, e, s);
    }
    const float *gain = spread(io, e, h, NORM_GAIN, 1), *bias = spread(io, e, h, NORM_BIAS, 0);
    for (uint64_t i = 0; i < io_rows(io); i++) {
        const float *x = (const float *)io->x[0] + i * e.n;
        float *y = io->y + i * e.n;
        if (is_padding(io, i)) {
            memset(y, 0, e.n * sizeof *y);
            continue;
        }
        for (uint64_t j = 0; j < e.n; j++) {
            y[j] = gain[j] * (((x[j] - s.shift[j]) - s.rest[j]) * s.scale[j]) + bias[j];
        }
    }
    return ASSAY_OK;
}

/* The sums of dy and of dy n over all rows but padding, of each feature's channel. */
ASSAY_MULTIVERSION static void sum_gradients(
    const assay_io *io, extents e, statistics s, double *sum, double *product)
{
    memset(sum, 0, e.n * sizeof *sum);
    memset(product, 0, e.n * sizeof *product);
    for (uint64_t i = 0; i < io_rows(io); i++) {
        const float *x = (const float *)io->x[0] + i * e.n, *dy = io->dy + i * e.n;
        if (is_padding(io, i)) continue;
        for (uint64_t j = 0; j < e.n; j++) {
            sum[j] += (double)dy[j];
            product[j] += (double)dy[j] * (double)(((x[j] - s.shift[j]) - s.rest[j]) * s.scale[j]);
        }
    }
    share(sum, e);
    share(product, e);
}

static void param_gradient(const assay_io *io, extents e, uint64_t i_param, const double *sum)
{
    float *d = io->dparam[i_param];
    for (uint64_t c = 0; d && c < e.channels; c++) {
        const double g = sum[c * e.width];
        d[c] = (float)(io->accumulate[i_param] ? (double)d[c] + g : g);
    }
}

ASSAY_MULTIVERSION static void input_gradient(const assay_io *io, extents e, statistics s,
    const float *gain, double counted, const double *sum, const double *product)
{
    float *mean = io->scratch[1], *slope = mean + e.n; // [n]
    for (uint64_t j = 0; j < e.n; j++) {
        mean[j] = counted > 0 ? (float)(sum[j] / counted) : 0;
        slope[j] = counted > 0 ? (float)(product[j] / counted) : 0;
    }
    for (uint64_t i = 0; i < io_rows(io); i++) {
        const float *x = (const float *)io->x[0] + i * e.n, *dy = io->dy + i * e.n;
        const float count = counts(io, i) ? 1 : 0;
        float *dx = io->dx[0] + i * e.n;
        if (is_padding(io, i)) {
            memset(dx, 0, e.n * sizeof *dx);
            continue;
        }
        for (uint64_t j = 0; j < e.n; j++) {
            const float n = ((x[j] - s.shift[j]) - s.rest[j]) * s.scale[j];
            dx[j] = gain[j] * s.scale[j] * (dy[j] - count * (mean[j] + n * slope[j]));
        }
    }
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct batch_norm *h = hyper;
    const extents e = extents_of(io->out_shape);
    const statistics s = statistics_in(io, e);
    double *sum = io->scratch[0], *product = sum + e.n; // [n]
    (void)ctx;
    sum_gradients(io, e, s, sum, product);
    if (h->affine) {
        param_gradient(io, e, NORM_GAIN, product);
        param_gradient(io, e, NORM_BIAS, sum);
    }
    if (io->dx[0]) {
        const float *gain = spread(io, e, h, NORM_GAIN, 1);
        input_gradient(io, e, s, gain, values_counted(io, e), sum, product);
    }
    return ASSAY_OK;
}

ASSAY_LAYER(batch_norm, "0.1.0", "every feature to mean 0 and variance 1 over the batch",
    ASSAY_HYPERS(batch_norm, hypers), .plan = plan, .forward = forward, .backward = backward);
