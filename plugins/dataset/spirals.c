/* Spirals: k arms that wind around each other in the plane, one class each; no straight line separates them.
 *
 *   sample i: class c = i mod k, t uniform on [0, 1), angle = 2 pi (turns t + c / k), x = t (cos, sin) + noise N(0, 1)
 *
 * After Lang and Witbrock 1988, "Learning to tell two spirals apart", with the place along the arm drawn at random. Draws come
 * by absolute place from streams numbered by `seed`, so the data does not depend on the run's seed. */
#include <assay/plugin.h>

struct spirals {
    int64_t samples, arms;
    double turns, noise;
    int64_t seed;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(spirals, samples, 1000, 1, 1e9, "how many points"),
    ASSAY_INT(spirals, arms, 2, 2, 1000, "how many arms, which are the classes"),
    ASSAY_REAL(
        spirals, turns, 1.5, 0, ASSAY_INF, "how often an arm goes round", .flags = ASSAY_OPEN_MIN),
    ASSAY_REAL(spirals, noise, 0.02, 0, ASSAY_INF, "deviation of the points from their arm"),
    ASSAY_INT(spirals, seed, 0, 0, 1e15, "of the points, apart from the run's seed"),
};

static int generate(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    const struct spirals *h = hyper;
    const uint64_t n = (uint64_t)h->samples, stream = (uint64_t)h->seed * 2;
    static const char *const names[] = { "x", "y" };
    float *x = ctx->host->alloc(ctx, n * 2 * sizeof(float)); // [n, 2]
    float *t = ctx->host->alloc(ctx, n * sizeof(float));
    int32_t *label = ctx->host->alloc(ctx, n * sizeof(int32_t));
    if (x == NULL || t == NULL || label == NULL) return ASSAY_E_NOMEM;
    ctx->host->uniform_f32(ctx, stream, 0, t, n);
    ctx->host->normal_f32(ctx, stream + 1, 0, x, n * 2);
    for (uint64_t i = 0; i < n; i++) {
        const int64_t arm = (int64_t)(i % (uint64_t)h->arms);
        const double place = (double)arm / (double)h->arms;
        const double angle = 6.283185307179586 * (h->turns * (double)t[i] + place);
        label[i] = (int32_t)arm;
        x[2 * i] = (float)(t[i] * cos(angle) + h->noise * x[2 * i]);
        x[2 * i + 1] = (float)(t[i] * sin(angle) + h->noise * x[2 * i + 1]);
    }
    out->n_samples = n;
    out->x_shape = (assay_shape){ 1, { 2 } };
    out->x_dtype = ASSAY_F32;
    out->x_writable = 1;
    out->x = x;
    out->x_stride = 2 * sizeof(float);
    out->feature_names = names;
    out->target = ASSAY_TARGET_CLASS;
    out->n_classes = (uint64_t)h->arms;
    out->n_targets = 1;
    out->label = label;
    return ASSAY_OK;
}

ASSAY_DATASET(spirals, "0.1.0", "arms of a spiral in the plane, one class each",
    ASSAY_HYPERS(spirals, hypers), .open = generate);
