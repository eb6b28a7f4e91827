/* Arrays as numpy saves them: x, [samples, ...], and y, each a .npy file or a member of an .npz archive ("digits.npz/images"),
 * and the same for a validation and a test part.
 *
 * A member is named as if the archive were a folder, so that one key says it all and the path stays relative to the
 * config; an archive with a single array needs no name. float32 features of a file are mapped, not read: a data set
 * larger than memory trains, and workers on one machine share it.
 *
 * Formats: numpy/lib/format.py (NPY 1.0, 2.0, 3.0); zip with stored and deflated members, zip64. C order,
 * little-endian; <f4 <f8 |u1 <i4 <i8 |b1. */
#include "source.h"

#include <string.h>

static const char *const tasks[] = { "auto", "class", "real", "binary" };

static const assay_hyper hypers[] = {
    ASSAY_STRING(npy, x, NULL,
        "the features, [samples, ...]: a .npy file, an .npz file with one array, or FILE.npz/NAME",
        .flags = ASSAY_PATH | ASSAY_REQUIRED),
    ASSAY_STRING(npy, y, NULL, "the targets, [samples] or [samples, targets]; none: no targets",
        .flags = ASSAY_PATH),
    ASSAY_STRING(npy, validation_x, NULL, "the validation part's features", .flags = ASSAY_PATH),
    ASSAY_STRING(npy, validation_y, NULL, "the validation part's targets", .flags = ASSAY_PATH),
    ASSAY_STRING(npy, test_x, NULL, "the test part's features", .flags = ASSAY_PATH),
    ASSAY_STRING(npy, test_y, NULL, "the test part's targets", .flags = ASSAY_PATH),
    ASSAY_ENUM(npy, task, TASK_AUTO, tasks,
        "what the targets are; auto: integers are classes, floats are real"),
    ASSAY_INT(
        npy, classes, 0, 0, INT32_MAX, "how many classes; 0: the largest one of y and one more"),
    ASSAY_INT(npy, vocabulary, 0, 0, INT32_MAX,
        "integer features are tokens below this; 0: features are no tokens"),
    ASSAY_REAL(npy, scale, 1.0 / 255, 0, ASSAY_INF, "a byte times this is what the model sees",
        .flags = ASSAY_OPEN_MIN),
};

static int mark_parts(const struct source *s, assay_data *out)
{
    static const uint32_t part_of[] = { ASSAY_PART_ANY, ASSAY_PART_VALIDATION, ASSAY_PART_TEST };
    if (s->n_samples == s->x[MAIN].dim[0]) return ASSAY_OK;
    uint32_t *part = s->ctx->host->alloc(s->ctx, s->n_samples * sizeof(uint32_t));
    if (part == NULL) return array_nomem(s->ctx);
    out->part = part;
    for (size_t i = 0; i < N_SETS; i++) {
        for (uint64_t k = 0; s->x[i].path != NULL && k < s->x[i].dim[0]; k++)
            *part++ = part_of[i];
    }
    return ASSAY_OK;
}

/* Each file once, though several arrays may come from it. */
static int list_files(const struct source *s, assay_data *out)
{
    const char **files = s->ctx->host->alloc(s->ctx, 2 * N_SETS * sizeof(char *));
    if (files == NULL) return array_nomem(s->ctx);
    for (size_t i = 0; i < 2 * N_SETS; i++) {
        const struct array *a = i % 2 == 0 ? &s->x[i / 2] : &s->y[i / 2];
        uint64_t k = 0;
        if (a->path == NULL) continue;
        while (k < out->n_files && strcmp(files[k], a->file) != 0)
            k++;
        if (k == out->n_files) files[out->n_files++] = a->file;
    }
    out->files = files;
    return ASSAY_OK;
}

static int open_array(struct array *a)
{
    const int code = a->path != NULL ? array_open(a) : ASSAY_OK;
    if (code != ASSAY_OK || !a->is_fortran) return code;
    return array_fail(a, ASSAY_E_UNSUPPORTED,
        "it is in Fortran order: save numpy.ascontiguousarray(x), which is in C order");
}

static int source_make(struct source *s, assay_data *out)
{
    int code = ASSAY_OK;
    for (size_t i = 0; i < N_SETS && code == ASSAY_OK; i++) {
        code = open_array(&s->x[i]);
        if (code == ASSAY_OK) code = open_array(&s->y[i]);
    }
    if (code == ASSAY_OK) code = features_make(s, out);
    if (code == ASSAY_OK) code = targets_make(s, out);
    if (code == ASSAY_OK) code = mark_parts(s, out);
    return code == ASSAY_OK ? list_files(s, out) : code;
}

static void close_arrays(assay_ctx *ctx)
{
    struct source *s = ctx->self;
    for (size_t i = 0; s != NULL && i < N_SETS; i++) {
        array_close(&s->x[i]);
        array_close(&s->y[i]);
    }
    ctx->self = NULL;
}

static struct array named(assay_ctx *ctx, const char *key, const char *path)
{
    return (struct array){ .ctx = ctx, .key = key, .path = path };
}

static int open_arrays(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    const struct npy *h = hyper;
    struct source *s = ctx->host->alloc(ctx, sizeof(*s));
    if (s == NULL) return array_nomem(ctx);
    s->ctx = ctx;
    s->hyper = h;
    s->x[MAIN] = named(ctx, "x", h->x);
    s->y[MAIN] = named(ctx, "y", h->y);
    s->x[VALIDATION] = named(ctx, "validation_x", h->validation_x);
    s->y[VALIDATION] = named(ctx, "validation_y", h->validation_y);
    s->x[TEST] = named(ctx, "test_x", h->test_x);
    s->y[TEST] = named(ctx, "test_y", h->test_y);
    ctx->self = s;
    const int code = source_make(s, out);
    if (code != ASSAY_OK) close_arrays(ctx);
    for (size_t i = 0; i < N_SETS; i++)
        array_close(&s->y[i]); /* x may be handed out as it lies there */
    return code;
}

/* What is said of one part must be said of the others. */
static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct npy *h = hyper;
    const struct {
        const char *x, *y, *x_key, *y_key;
    } sets[] = { { h->validation_x, h->validation_y, "validation_x", "validation_y" },
        { h->test_x, h->test_y, "test_x", "test_y" } };
    for (size_t i = 0; i < 2; i++) {
        if (sets[i].y != NULL && sets[i].x == NULL) {
            return ctx->host->fail(ctx, ASSAY_E_INVALID, sets[i].y_key, "targets without features");
        }
        if (sets[i].x != NULL && (sets[i].y == NULL) != (h->y == NULL)) {
            return ctx->host->fail(ctx, ASSAY_E_INVALID, sets[i].x_key,
                h->y != NULL ? "features without targets, where x has some"
                             : "targets without those of x: y is missing");
        }
    }
    return ASSAY_OK;
}

ASSAY_DATASET(npy, "0.1.0", "arrays from NumPy files (.npy, .npz)", ASSAY_HYPERS(npy, hypers),
    .open = open_arrays, .close = close_arrays, .validate = validate);
