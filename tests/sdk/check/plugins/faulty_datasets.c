/* Twenty points of three numbers with a class each, and the same with one fault each. */
#include <assay/plugin.h>

typedef enum fault {
    NONE,
    LABEL_OUTSIDE,
    SAYS_TOO_MUCH,
    OTHER_EVERY_TIME,
    SHARES_MEMORY,
    NOT_FINITE,
    ODD_STRIDE,
    NAME_MISSING,
    NEVER_FAILS,
    READS_NOTHING,
    SILENT_FILE,
    NO_TARGETS,
} fault;

enum { SAMPLES = 20, FEATURES = 3 };

static float memory[SAMPLES * FEATURES], spare[SAMPLES * FEATURES]; /* faults' */
static uint64_t calls;
static int32_t spare_label[SAMPLES];

struct settings {
    const char *file;
};

static const assay_hyper hypers[] = {
    ASSAY_STRING(settings, file, NULL, "what is read", .flags = ASSAY_PATH | ASSAY_REQUIRED),
};

static int open_fault(fault f, assay_ctx *ctx, assay_data *out)
{
    static const char *const names[] = { "near", "far", "nowhere" };
    static const char *const short_names[] = { "near", NULL, "nowhere" };
    float *x = ctx->host->alloc(ctx, SAMPLES * FEATURES * sizeof *x);
    int32_t *label = ctx->host->alloc(ctx, SAMPLES * sizeof *label);
    if (f == NEVER_FAILS && !x) x = spare;
    if (f == NEVER_FAILS && !label) label = spare_label;
    if (!x || !label) return ASSAY_E_NOMEM;
    if (f == SILENT_FILE) return ASSAY_E_IO;
    if (f == SHARES_MEMORY) x = memory;
    calls++;
    ctx->host->normal_f32(
        ctx, f == OTHER_EVERY_TIME || f == SHARES_MEMORY ? calls : 0, 0, x, SAMPLES * FEATURES);
    for (int i = 0; i < SAMPLES; i++) {
        label[i] = i % 3;
    }
    if (f == LABEL_OUTSIDE) label[7] = 3;
    if (f == NOT_FINITE) x[4] = ASSAY_INF;
    out->n_samples = f == SAYS_TOO_MUCH ? SAMPLES + 40 : SAMPLES;
    out->x_shape = (assay_shape){ 1, { FEATURES } };
    out->x_dtype = ASSAY_F32;
    out->x = x;
    out->x_stride = f == ODD_STRIDE ? 4 : FEATURES * sizeof *x;
    out->target = ASSAY_TARGET_CLASS;
    out->n_classes = 3;
    out->n_targets = f == NO_TARGETS ? 0 : 1;
    out->class_names = f == NAME_MISSING ? short_names : names;
    out->label = label;
    return ASSAY_OK;
}

#define DATASET_WITH(name, f, H) \
    static int name##_open(assay_ctx *ctx, const void *hyper, assay_data *out) \
    { \
        (void)hyper; \
        return open_fault(f, ctx, out); \
    } \
    ASSAY_DEFINE_DATASET(name, "0.1.0", "points with a fault", H, .open = name##_open)

#define DATASET(name, f) DATASET_WITH(name, f, ASSAY_NO_HYPERS)

DATASET(none, NONE);
DATASET(label_outside, LABEL_OUTSIDE);
DATASET(says_too_much, SAYS_TOO_MUCH);
DATASET(other_every_time, OTHER_EVERY_TIME);
DATASET(shares_memory, SHARES_MEMORY);
DATASET(not_finite, NOT_FINITE);
DATASET(odd_stride, ODD_STRIDE);
DATASET(name_missing, NAME_MISSING);
DATASET(never_fails, NEVER_FAILS);
DATASET(no_targets, NO_TARGETS);
DATASET_WITH(reads_nothing, READS_NOTHING, ASSAY_HYPERS(settings, hypers));
DATASET_WITH(silent_file, SILENT_FILE, ASSAY_HYPERS(settings, hypers));

ASSAY_PLUGIN(faulty_datasets, "0.1.0", &none_component, &label_outside_component,
    &says_too_much_component, &other_every_time_component, &shares_memory_component,
    &not_finite_component, &odd_stride_component, &name_missing_component, &never_fails_component,
    &no_targets_component, &reads_nothing_component, &silent_file_component);
