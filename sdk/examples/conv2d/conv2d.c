/* conv2d: a bank of filters moved over images.
 *
 *   y[f, i, j] = b[f] + sum over c, u, v of W[c, u, v, f] x[c, stride i + u - padding, stride j + v - padding]
 *   x [channels, height, width], [height, width] or flat;  W [channels * size * size, filters];  b [filters]
 *   y [filters, out_height, out_width],  out = (in + 2 padding - size) / stride + 1
 *
 * LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document recognition", section II; a
 * cross-correlation, as in PyTorch's Conv2d, whose weight is the transpose. Each image is laid out as a matrix of patches [places,
 * channels * size * size], so that both passes are products by the host; patches are made anew in the backward pass, which costs
 * less than keeping them. The bias' gradient is summed in double.
 *
 * Defaults: W He, Zhang, Ren and Sun 2015, "Delving deep into rectifiers", equation 10. */
#include <assay/plugin.h>

#include <string.h>

enum { WEIGHT, BIAS };
enum { PATCHES, SUMS }; /* scratch */

struct conv2d {
    int64_t filters, size, stride, padding, channels, height;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(conv2d, filters, 0, 1, 1 << 16, "filters, which are the channels that come out",
        .flags = ASSAY_REQUIRED),
    ASSAY_INT(conv2d, size, 3, 1, 255, "height and width of a filter", .flags = ASSAY_TUNE,
        .tune_min = 1, .tune_max = 5, .unit = "pixels"),
    ASSAY_INT(conv2d, stride, 1, 1, 255, "from one place of a filter to the next",
        .flags = ASSAY_TUNE, .tune_min = 1, .tune_max = 2, .unit = "pixels"),
    ASSAY_INT(conv2d, padding, 0, 0, 255, "zeros around the image", .flags = ASSAY_TUNE,
        .tune_min = 0, .tune_max = 2, .unit = "pixels"),
    ASSAY_INT(conv2d, channels, 1, 1, 1 << 16, "of images that come as one row of numbers"),
    ASSAY_INT(conv2d, height, 0, 0, 1 << 16,
        "of images that come as one row of numbers; 0: they come as images", .unit = "pixels"),
};

/* What the passes need of shapes; a function of them and the hyperparameters. */
typedef struct extents {
    uint64_t channels, height, width; /* in */
    uint64_t out_height, out_width;
    uint64_t filters, size, stride, padding;
    uint64_t patch, places; /* numbers in a patch; patches of an image */
} extents;

/* Of one row of numbers the height is a hyperparameter, and what is left over is the width. */
static void see_image(const struct conv2d *h, const assay_shape *in, extents *e)
{
    const int is_flat = in->n_dims == 1;
    e->channels = is_flat ? (uint64_t)h->channels : in->n_dims == 3 ? in->dim[0] : 1;
    e->height = is_flat ? (uint64_t)h->height : in->dim[in->n_dims - 2];
    e->width = in->dim[in->n_dims - 1];
    if (is_flat) {
        const uint64_t column = e->channels * e->height;
        e->width = column > 0 && e->width % column == 0 ? e->width / column : 0;
    }
}

static extents extents_of(const struct conv2d *h, const assay_shape *in)
{
    extents e = { .filters = (uint64_t)h->filters,
        .size = (uint64_t)h->size,
        .stride = (uint64_t)h->stride,
        .padding = (uint64_t)h->padding };
    see_image(h, in, &e);
    const uint64_t height = e.height + 2 * e.padding, width = e.width + 2 * e.padding;
    e.out_height = height < e.size ? 0 : (height - e.size) / e.stride + 1;
    e.out_width = width < e.size ? 0 : (width - e.size) / e.stride + 1;
    e.patch = e.channels * e.size * e.size;
    e.places = e.out_height * e.out_width;
    return e;
}

static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct conv2d *h = hyper;
    if (h->padding >= h->size) {
        return ctx->host->fail(ctx, ASSAY_E_INVALID, "padding", "must be below size");
    }
    return ASSAY_OK;
}

static int declare(assay_plan *plan, const extents *e)
{
    const assay_param weight = { .struct_size = sizeof weight,
        .name = "weight",
        .shape = { 2, { e->patch, e->filters } },
        .role = ASSAY_ROLE_WEIGHT,
        .init = "he_normal",
        .layout = ASSAY_LAYOUT_TRANSPOSED };
    const assay_param bias = { .struct_size = sizeof bias,
        .name = "bias",
        .shape = { 1, { e->filters } },
        .role = ASSAY_ROLE_BIAS,
        .init = "zeros",
        .fan_in = e->patch,
        .fan_out = e->filters };
    int64_t code = plan->param(plan, &weight);
    if (code >= 0) code = plan->param(plan, &bias);
    if (code >= 0) code = plan->scratch(plan, 0, e->places * e->patch * sizeof(float));
    if (code >= 0) code = plan->scratch(plan, 0, e->filters * sizeof(double));
    return code < 0 ? (int)code : ASSAY_OK;
}

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const assay_input *in = assay_plan_in(plan, 0);
    if (plan->n_in != 1 || in->dtype != ASSAY_F32 || in->shape.n_dims > 3) {
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL,
            "takes one input of images: [channels, height, width], [height, width], or one row of "
            "numbers and their height");
    }
    const extents e = extents_of(hyper, &in->shape);
    if (e.height == 0 || e.width == 0) {
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, "height",
            "must be given for images that come as one row of numbers, and channels * height "
            "must divide it");
    }
    if (e.places == 0) {
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, "size", "is larger than the padded image");
    }
    plan->out = (assay_shape){ 3, { e.filters, e.out_height, e.out_width } };
    plan->macs = (double)e.places * (double)e.patch * (double)e.filters;
    return declare(plan, &e);
}

/* Every number of every patch of one image and the place in the image that it stands for, where that is not in the padding: taken
 * from the image where `to` is NULL, else added to it there. */
static void move_patches(const extents *e, float *patches, const float *from, float *to)
{
    for (uint64_t place = 0; place < e->places; place++) {
        const uint64_t top = place / e->out_width * e->stride;
        const uint64_t left = place % e->out_width * e->stride;
        float *p = patches + place * e->patch;
        for (uint64_t c = 0; c < e->channels; c++) {
            for (uint64_t k = 0; k < e->size * e->size; k++, p++) {
                /* below 0 they wrap to a number beyond the image */
                const uint64_t row = top + k / e->size - e->padding;
                const uint64_t column = left + k % e->size - e->padding;
                const int is_inside = row < e->height && column < e->width;
                const uint64_t at = (c * e->height + row) * e->width + column;
                if (!to) {
                    *p = is_inside ? from[at] : 0;
                } else if (is_inside) {
                    to[at] += *p;
                }
            }
        }
    }
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const extents e = extents_of(hyper, &io->in_shape[0]);
    const uint64_t rows = io->time * io->batch, n_in = assay_shape_size(&io->in_shape[0]);
    float *patches = io->scratch[PATCHES]; // [places, patch]
    for (uint64_t r = 0; r < rows; r++) {
        float *y = io->y + r * e.filters * e.places; // [filters, places]
        move_patches(&e, patches, (const float *)io->x[0] + r * n_in, NULL);
        for (uint64_t f = 0; f < e.filters; f++) {
            for (uint64_t i = 0; i < e.places; i++) {
                y[f * e.places + i] = io->param[BIAS][f];
            }
        }
        const assay_gemm product = { .struct_size = sizeof product,
            .trans_a = 1,
            .trans_b = 1,
            .m = e.filters,
            .n = e.places,
            .k = e.patch,
            .alpha = 1,
            .beta = 1,
            .a = io->param[WEIGHT],
            .lda = e.filters,
            .b = patches,
            .ldb = e.patch,
            .c = y,
            .ldc = e.places };
        ctx->host->gemm_f32(ctx, &product);
    }
    return ASSAY_OK;
}

/* dW (+)= patches^T dy^T of one image. */
static void add_weight_gradient(assay_ctx *ctx, const extents *e, const assay_io *io, uint64_t r)
{
    const int adds = r > 0 || io->accumulate[WEIGHT];
    const assay_gemm product = { .struct_size = sizeof product,
        .trans_a = 1,
        .trans_b = 1,
        .m = e->patch,
        .n = e->filters,
        .k = e->places,
        .alpha = 1,
        .beta = adds ? 1 : 0,
        .a = io->scratch[PATCHES],
        .lda = e->patch,
        .b = io->dy + r * e->filters * e->places,
        .ldb = e->places,
        .c = io->dparam[WEIGHT],
        .ldc = e->filters };
    ctx->host->gemm_f32(ctx, &product);
}

/* dx = the patches' gradient dy^T W^T, put back where each number came from. */
static void input_gradient(assay_ctx *ctx, const extents *e, const assay_io *io, uint64_t r)
{
    const uint64_t n_in = assay_shape_size(&io->in_shape[0]);
    float *dx = io->dx[0] + r * n_in;
    const assay_gemm product = { .struct_size = sizeof product,
        .trans_a = 1,
        .trans_b = 1,
        .m = e->places,
        .n = e->patch,
        .k = e->filters,
        .alpha = 1,
        .beta = 0,
        .a = io->dy + r * e->filters * e->places,
        .lda = e->places,
        .b = io->param[WEIGHT],
        .ldb = e->filters,
        .c = io->scratch[PATCHES],
        .ldc = e->patch };
    ctx->host->gemm_f32(ctx, &product);
    memset(dx, 0, n_in * sizeof *dx);
    move_patches(e, io->scratch[PATCHES], NULL, dx);
}

static void bias_gradient(const extents *e, const assay_io *io)
{
    const uint64_t rows = io->time * io->batch;
    double *sum = io->scratch[SUMS]; // [filters]
    memset(sum, 0, e->filters * sizeof *sum);
    for (uint64_t r = 0; r < rows; r++) {
        for (uint64_t i = 0; i < e->filters * e->places; i++) {
            sum[i / e->places] += (double)io->dy[r * e->filters * e->places + i];
        }
    }
    for (uint64_t f = 0; f < e->filters; f++) {
        float *db = io->dparam[BIAS];
        db[f] = (io->accumulate[BIAS] ? db[f] : 0) + (float)sum[f];
    }
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const extents e = extents_of(hyper, &io->in_shape[0]);
    const uint64_t rows = io->time * io->batch, n_in = assay_shape_size(&io->in_shape[0]);
    for (uint64_t r = 0; r < rows; r++) {
        if (io->dparam[WEIGHT]) {
            move_patches(&e, io->scratch[PATCHES], (const float *)io->x[0] + r * n_in, NULL);
            add_weight_gradient(ctx, &e, io, r);
        }
        if (io->dx[0]) input_gradient(ctx, &e, io, r);
    }
    if (io->dparam[BIAS]) bias_gradient(&e, io);
    return ASSAY_OK;
}

ASSAY_LAYER(conv2d, "0.1.0", "a bank of filters moved over images", ASSAY_HYPERS(conv2d, hypers),
    .plan = plan, .validate = validate, .forward = forward, .backward = backward);
