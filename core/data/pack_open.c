/* Reading packs, which are somebody else's bytes.
 *
 * First the head: its checksum, then each count and place against the others and the whole; then, of the sections, everything that is used as
 * a number of something: rows, steps, labels, tokens. After that a dataset's view can point into the bytes as into a plugin's memory. The
 * class weights are made afresh, since they are a key that may vary. */
#include "data/pack_layout.h"

#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>

typedef struct opening {
    const unsigned char *bytes;
    size_t n;
    const pack_head *h;
} opening;

static status corrupt(error *err, const char *what)
{
    return fail(err, E_CORRUPT, "the pack of the data is damaged: %s", what);
}

static const void *at(const opening *o, pack_section s)
{
    const section *x = &o->h->sections[s];
    return x->bytes > 0 ? o->bytes + x->at : NULL;
}

/* -- The head -- */

static status check_shape(const pack_head *h, size_t *out_features, error *err)
{
    size_t n = 1;
    bool fits = h->x_shape.n_dims >= 1 && h->x_shape.n_dims <= ASSAY_MAX_DIMS;
    for (uint64_t i = 0; fits && i < h->x_shape.n_dims; i++)
        fits = size_product(n, h->x_shape.dim[i], &n);
    const bool is_known = h->x_dtype >= ASSAY_F32 && h->x_dtype <= ASSAY_U8;
    if (!fits || n == 0 || !is_known) return corrupt(err, "the shape of its features");
    *out_features = n;
    return OK;
}

static status check_counts(const pack_head *h, error *err)
{
    bool is_sound = h->use < N_PACKS && h->n_samples > 0 && h->n_samples <= UINT32_MAX &&
        h->n_steps > 0 && h->has_missing <= 1 && h->missing <= 1 && h->target_per_step <= 1 &&
        h->n_classes <= INT32_MAX && h->n_targets <= UINT32_MAX;
    uint64_t n = 0;
    for (int p = 0; p < N_PARTS; p++) {
        is_sound = is_sound && h->n_rows[p] <= h->whole[p] && h->whole[p] <= h->n_samples &&
            h->longest[p] <= UINT32_MAX;
        n += h->whole[p];
        for (size_t i = 0; i < sizeof h->hash[p]; i++)
            is_sound = is_sound && isxdigit((unsigned char)h->hash[p][i]);
    }
    return is_sound && n == h->n_samples ? OK : corrupt(err, "its counts contradict each other");
}

static status check_places(const opening *o, error *err)
{
    for (int s = 0; s < N_SECTIONS; s++) {
        const section *x = &o->h->sections[s];
        const bool is_inside = x->at >= sizeof *o->h && x->at % PACK_ALIGNMENT == 0 &&
            x->at <= o->n && x->bytes <= o->n - x->at;
        if (x->bytes == 0 ? x->at != 0 : !is_inside) return corrupt(err, "a section's place");
    }
    return OK;
}

static status check_head(opening *o, const void *bytes, size_t n, error *err)
{
    status st = OK;
    const pack_head *h = bytes;
    *o = (opening){ bytes, n, h };
    if ((uintptr_t)bytes % PACK_ALIGNMENT != 0) {
        return fail(err, E_INTERNAL, "a pack's bytes are not aligned to %d", PACK_ALIGNMENT);
    }
    if (n < sizeof *h || memcmp(h->magic, PACK_MAGIC, sizeof h->magic) != 0) {
        return corrupt(err, "it does not begin as one");
    }
    if (h->head_bytes != sizeof *h || h->bytes != n) return corrupt(err, "it is not whole");
    if (h->checksum != pack_head_checksum(h)) return corrupt(err, "the checksum of its head");
    TRY(check_counts(h, err));
    TRY(check_places(o, err));
done:
    return st;
}

/* -- Sections against the counts -- */

/* Whether a section has so many elements, or is absent where it may be. */
static bool holds(const opening *o, pack_section s, size_t n, bool is_needed)
{
    size_t bytes = 0;
    const uint64_t there = o->h->sections[s].bytes;
    if (there == 0) return !is_needed || n == 0;
    return size_product(n, pack_section_each(s), &bytes) && bytes == there;
}

static bool texts_hold(const opening *o, pack_section s, size_t n)
{
    const char *t = at(o, s);
    const size_t bytes = o->h->sections[s].bytes;
    size_t n_ends = 0;
    for (size_t i = 0; t && i < bytes; i++)
        n_ends += t[i] == '\0';
    return !t || (n_ends == n && t[bytes - 1] == '\0');
}

static bool features_hold(const opening *o, size_t features)
{
    const pack_head *h = o->h;
    const bool is_score = h->use == PACK_SCORE;
    const bool transforms = at(o, SECTION_SHIFT) != NULL;
    size_t n = 0;
    return size_product(is_score ? 1 : h->n_steps, features, &n) &&
        size_product(n, pack_x_each(h->x_dtype), &n) && holds(o, SECTION_X, n, true) &&
        holds(o, SECTION_SHIFT, features, false) &&
        holds(o, SECTION_FACTOR, features, transforms) &&
        holds(o, SECTION_FILL, features, transforms) && (transforms || !h->has_missing) &&
        (!transforms || h->x_dtype != ASSAY_I32);
}

static bool targets_hold(const opening *o)
{
    const pack_head *h = o->h;
    const bool is_class = h->target == ASSAY_TARGET_CLASS;
    const bool is_real = h->target == ASSAY_TARGET_REAL || h->target == ASSAY_TARGET_BINARY;
    const bool is_scaled = at(o, SECTION_TARGET_MEAN) != NULL;
    const bool is_named = !is_class || at(o, SECTION_CLASS_NAMES) == NULL || h->n_classes > 0;
    size_t n = 0;
    if (h->use == PACK_PREDICT && h->target != ASSAY_TARGET_NONE) return false;
    if (is_scaled && (h->target != ASSAY_TARGET_REAL || at(o, SECTION_TARGETS) == NULL)) {
        return false;
    }
    return is_named && size_product(h->n_target_rows, h->n_targets, &n) &&
        holds(o, SECTION_LABEL, h->n_target_rows, is_class) &&
        holds(o, SECTION_TARGETS, n, is_real && at(o, SECTION_TARGETS_U8) == NULL) &&
        holds(o, SECTION_TARGETS_U8, n, false) &&
        holds(o, SECTION_TARGET_MEAN, h->n_targets, false) &&
        holds(o, SECTION_TARGET_DEVIATION, h->n_targets, is_scaled) &&
        holds(o, SECTION_WEIGHT, h->n_samples, false) &&
        texts_hold(o, SECTION_CLASS_NAMES, h->n_classes) &&
        texts_hold(o, SECTION_TARGET_NAMES, h->n_targets);
}

static bool rows_hold(const opening *o, int p)
{
    const uint32_t *rows = at(o, (pack_section)(SECTION_ROWS_TRAIN + p));
    const size_t n = o->h->n_rows[p];
    if (!holds(o, (pack_section)(SECTION_ROWS_TRAIN + p), n, true)) return false;
    for (size_t i = 0; i < n; i++) {
        if (rows[i] >= o->h->n_samples || (i > 0 && rows[i] <= rows[i - 1])) return false;
    }
    return true;
}

static status check_sections(const opening *o, error *err)
{
    const pack_head *h = o->h;
    size_t features = 0;
    status st = check_shape(h, &features, err);
    if (st != OK) return st;
    const bool is_sequence = at(o, SECTION_FIRST_STEP) != NULL;
    bool is_sound = features_hold(o, features) && targets_hold(o) &&
        holds(o, SECTION_FIRST_STEP, h->n_samples, false) &&
        holds(o, SECTION_N_STEPS, h->n_samples, is_sequence) &&
        (is_sequence || at(o, SECTION_N_STEPS) == NULL);
    for (int p = 0; p < N_PARTS; p++)
        is_sound = is_sound && rows_hold(o, p);
    return is_sound ? OK : corrupt(err, "a section is not what its head says");
}

/* -- The key -- */

/* The first line of `ours` that `theirs` lacks; its length. */
static const char *missing_line(const char *ours, const char *theirs, size_t *out_n)
{
    for (const char *line = ours; *line;) {
        const size_t n = strcspn(line, "\n");
        bool is_there = false;
        for (const char *t = theirs; *t && !is_there;) {
            const size_t m = strcspn(t, "\n");
            is_there = m == n && memcmp(t, line, n) == 0;
            t += m + (t[m] == '\n');
        }
        if (!is_there) {
            *out_n = n;
            return line;
        }
        line += n + (line[n] == '\n');
    }
    return NULL;
}

static status check_key(const opening *o, const value *block, const char *ours, error *err)
{
    const char *theirs = at(o, SECTION_KEY);
    size_t n = 0;
    if (!theirs || theirs[o->h->sections[SECTION_KEY].bytes - 1] != '\0') {
        return corrupt(err, "its key");
    }
    const char *line = missing_line(ours, theirs, &n);
    if (line) {
        return fail_at(err, E_CONFLICT, &block->at,
            "data.%.*s: the data were loaded without this; all trials of a workload use the same "
            "data: leave data as in its config",
            (int)n, line);
    }
    line = missing_line(theirs, ours, &n);
    if (!line) return OK;
    return fail_at(err, E_CONFLICT, &block->at,
        "the data were loaded with data.%.*s, and the key is gone: leave data as in the config",
        (int)n, line);
}

/* -- The dataset -- */

/* Places of n texts; where they are absent `to` stays as it is and NULL is given back. */
static const char *const *point_to(const opening *o, pack_section s, size_t n, const char **to)
{
    const char *t = at(o, s);
    if (!t) return NULL;
    for (size_t i = 0; i < n; i++) {
        to[i] = t;
        t += strlen(t) + 1;
    }
    return to;
}

static status name(dataset *d, const opening *o, error *err)
{
    const pack_head *h = o->h;
    const size_t n_classes = at(o, SECTION_CLASS_NAMES) ? h->n_classes : 0;
    const size_t n_targets = at(o, SECTION_TARGET_NAMES) ? h->n_targets : 0;
    if (n_classes + n_targets == 0) return OK;
    d->names = calloc(n_classes + n_targets, sizeof *d->names);
    if (!d->names) return fail_nomem(err, "names of classes");
    d->view.class_names = point_to(o, SECTION_CLASS_NAMES, n_classes, d->names);
    d->view.target_names = point_to(o, SECTION_TARGET_NAMES, n_targets, d->names + n_classes);
    return OK;
}

/* The room's structures point to memory that they may write, and never do after fitting. */
static void *unwritten(const void *p)
{
    return (void *)(uintptr_t)p;
}

static void fill(dataset *d, const opening *o)
{
    const pack_head *h = o->h;
    const bool is_scaled = at(o, SECTION_TARGET_MEAN) != NULL;
    const size_t features = assay_shape_size(&h->x_shape);
    d->use = (pack_use)h->use;
    d->view = (assay_data){ .struct_size = sizeof d->view,
        .n_samples = h->n_samples,
        .x_shape = h->x_shape,
        .x_dtype = (uint32_t)h->x_dtype,
        .x_writable = 0,
        .x = at(o, SECTION_X),
        .x_stride = h->use == PACK_SCORE ? 0 : features * pack_x_each(h->x_dtype),
        .x_scale = h->x_scale,
        .vocabulary = h->vocabulary,
        .missing = h->missing,
        .target = h->target,
        .n_classes = h->n_classes,
        .n_targets = h->n_targets,
        .label = at(o, SECTION_LABEL),
        .targets = at(o, SECTION_TARGETS),
        .targets_u8 = at(o, SECTION_TARGETS_U8),
        .target_per_step = h->target_per_step,
        .first_step = at(o, SECTION_FIRST_STEP),
        .n_steps = at(o, SECTION_N_STEPS),
        .weight = at(o, SECTION_WEIGHT) };
    d->features = (transform){ .n = at(o, SECTION_SHIFT) ? features : 0,
        .shift = unwritten(at(o, SECTION_SHIFT)),
        .factor = unwritten(at(o, SECTION_FACTOR)),
        .fill = unwritten(at(o, SECTION_FILL)),
        .has_missing = h->has_missing != 0 };
    d->targets = is_scaled ? unwritten(at(o, SECTION_TARGETS)) : NULL;
    d->target_mean = unwritten(at(o, SECTION_TARGET_MEAN));
    d->target_deviation = unwritten(at(o, SECTION_TARGET_DEVIATION));
    for (int p = 0; p < N_PARTS; p++) {
        d->parts.rows[p] = unwritten(at(o, (pack_section)(SECTION_ROWS_TRAIN + p)));
        d->parts.n[p] = (size_t)h->n_rows[p];
        d->whole[p] = (size_t)h->whole[p];
        d->longest[p] = (size_t)h->longest[p];
        memcpy(d->hash[p], h->hash[p], sizeof h->hash[p]);
    }
}

/* Samples keep to the steps and the lengths that the head speaks of; labels and tokens to their range. */
static status check_pack_content(const dataset *d, const opening *o, error *err)
{
    const assay_data *v = &d->view;
    if (data_n_steps(v) > o->h->n_steps || data_n_target_rows(v) > o->h->n_target_rows) {
        return corrupt(err, "samples have steps that are not there");
    }
    error why;
    if (view_check_content(v, &why) != OK) return corrupt(err, why.text);
    for (int p = 0; p < N_PARTS; p++) {
        size_t least = 0, most = 0;
        if (d->parts.n[p] > 0) {
            sample_range(v, d->parts.rows[p], d->parts.n[p], &least, &most);
        }
        if (most > d->longest[p]) return corrupt(err, "samples are longer than their part");
    }
    return OK;
}

static status weigh(dataset *d, const data_plan *plan, error *err)
{
    if (d->use != PACK_TRAIN) return OK;
    if (d->parts.n[PART_TRAIN] == 0) return corrupt(err, "the training part has no samples");
    return dataset_weigh(d, plan, err);
}

status dataset_open_pack(
    config *c, value *block, const void *bytes, size_t n, dataset **out, error *err)
{
    opening o;
    data_plan plan;
    text key = { 0 };
    status st = OK;
    dataset *d = calloc(1, sizeof *d);
    if (!d) return fail_nomem(err, "a dataset");
    TRY(check_head(&o, bytes, n, err));
    TRY(pack_read_plan(c, block, &plan, &key, err));
    TRY(check_key(&o, block, key.s ? key.s : "", err));
    TRY(check_sections(&o, err));
    fill(d, &o);
    TRY(name(d, &o, err));
    TRY(check_pack_content(d, &o, err));
    d->options = plan.batches;
    TRY(dataset_check_streams(d, &plan, err));
    d->max_time = dataset_longest_time(d);
    TRY(weigh(d, &plan, err));
    *out = d;
    d = NULL;
done:
    dataset_free(d);
    text_release(&key);
    return st;
}
