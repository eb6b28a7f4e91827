/* Writing packs.
 *
 * A head with all counts and places, then sections, each aligned. Samples, steps and rows of targets keep their numbers, so that batches,
 * orders and hashes are those of the whole data; what a pack must not have is zero, and costs nothing to make. Bytes are copied that a
 * sample of a part in use has, and no others: the memory of a dataset may hold more than its samples. */
#include "data/pack.h"

#include "base/file.h"
#include "data/pack_layout.h"

#include <stdlib.h>

const char *pack_use_name(pack_use u)
{
    static const char *const names[] = { "train", "predict", "score" };
    return names[u];
}

uint64_t pack_head_checksum(const pack_head *h)
{
    pack_head copy = *h;
    copy.checksum = 0;
    return hash_u64(&copy, sizeof copy, 0);
}

size_t pack_section_each(pack_section s)
{
    switch (s) {
    case SECTION_ROWS_TRAIN:
    case SECTION_ROWS_VALIDATION:
    case SECTION_ROWS_TEST:
    case SECTION_SHIFT:
    case SECTION_FACTOR:
    case SECTION_FILL:
    case SECTION_LABEL:
    case SECTION_TARGETS:
    case SECTION_WEIGHT: return 4;
    case SECTION_TARGET_MEAN:
    case SECTION_TARGET_DEVIATION:
    case SECTION_FIRST_STEP:
    case SECTION_N_STEPS: return 8;
    default: return 1;
    }
}

static bool is_in_use(pack_use u, part p)
{
    return u == PACK_TRAIN ? p != PART_TEST : p != PART_TRAIN;
}

/* -- The key -- */

static bool is_host_key(const char *name)
{
    for (const char *const *k = data_keys; *k; k++) {
        if (strcmp(*k, name) == 0) return true;
    }
    return false;
}

/* The keys of the block that are not the host's, as if they were a plugin's table. */
static status table_of(config *c, const value *block, hyper_table *out, error *err)
{
    size_t n = 0;
    assay_hyper *rows = arena_alloc_array(config_arena(c), block->n + 1, sizeof *rows);
    if (!rows) return fail_nomem(err, "the data block");
    for (size_t i = 0; i < block->n; i++) {
        if (!is_host_key(block->item[i]->name)) rows[n++].name = block->item[i]->name;
    }
    *out = (hyper_table){ rows, n, sizeof *rows, 0 };
    return OK;
}

static void add_key(text *out, const data_plan *p)
{
    const split_options *s = &p->split;
    text_printf(out,
        "split.seed = %llu\nsplit.method = %d\nsplit.validation = ", (unsigned long long)s->seed,
        (int)s->method);
    text_add_real(out, s->validation);
    text_add(out, "\nsplit.test = ");
    text_add_real(out, s->test);
    text_printf(out, "\nsplit.folds = %llu\nsplit.fold = %llu\n", (unsigned long long)s->folds,
        (unsigned long long)s->fold);
    text_printf(out, "standardize = %d\nstandardize_target = %d\nwindow = %s\n", p->standardize,
        p->standardize_target, p->batches.window > 0 ? "some" : "none");
}

status pack_read_plan(config *c, value *block, data_plan *out, text *key, error *err)
{
    hyper_table table;
    status st = table_of(c, block, &table, err);
    for (size_t i = 0; st == OK && i < block->n; i++) {
        const value *v = block->item[i];
        if (is_host_key(v->name)) continue;
        text_printf(key, "%s = ", v->name);
        value_to_text(v, key);
        text_add(key, "\n");
    }
    if (st == OK) st = data_plan_read(c, block, &table, out, err);
    if (st != OK) return st;
    add_key(key, out);
    return text_check(key, err);
}

status dataset_pack_key(config *c, value *block, text *out, error *err)
{
    data_plan plan;
    return pack_read_plan(c, block, &plan, out, err);
}

/* -- The layout -- */

/* n * each bytes of a section, at the next free place. */
static bool add_section(pack_head *h, pack_section s, size_t n)
{
    size_t bytes = 0, end = 0;
    if (n == 0) return true;
    if (!size_product(n, pack_section_each(s), &bytes)) return false;
    const size_t at = ((size_t)h->bytes + PACK_ALIGNMENT - 1) / PACK_ALIGNMENT * PACK_ALIGNMENT;
    if (at < h->bytes || !size_sum(at, bytes, &end)) return false;
    h->sections[s] = (section){ at, bytes };
    h->bytes = end;
    return true;
}

static size_t texts_bytes(const char *const *names, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; names && i < n; i++)
        bytes += strlen(names[i]) + 1;
    return bytes;
}

static bool add_features(pack_head *h, const dataset *d)
{
    const assay_data *v = &d->view;
    const size_t features = assay_shape_size(&v->x_shape);
    const size_t n_transformed = h->use == PACK_SCORE ? 0 : d->features.n;
    size_t bytes = 0;
    const size_t n_steps = h->use == PACK_SCORE ? 1 : h->n_steps;
    return size_product(n_steps, features, &bytes) &&
        size_product(bytes, pack_x_each(v->x_dtype), &bytes) && add_section(h, SECTION_X, bytes) &&
        add_section(h, SECTION_SHIFT, n_transformed) &&
        add_section(h, SECTION_FACTOR, n_transformed) &&
        add_section(h, SECTION_FILL, n_transformed);
}

static bool add_targets(pack_head *h, const dataset *d)
{
    const assay_data *v = &d->view;
    const size_t n = h->n_target_rows;
    const size_t n_scaled = d->targets ? v->n_targets : 0;
    size_t numbers = 0;
    if (h->use == PACK_PREDICT) return true;
    return size_product(n, v->n_targets, &numbers) &&
        add_section(h, SECTION_LABEL, v->label ? n : 0) &&
        add_section(h, SECTION_TARGETS, v->targets ? numbers : 0) &&
        add_section(h, SECTION_TARGETS_U8, v->targets_u8 ? numbers : 0) &&
        add_section(h, SECTION_TARGET_MEAN, n_scaled) &&
        add_section(h, SECTION_TARGET_DEVIATION, n_scaled) &&
        add_section(h, SECTION_WEIGHT, v->weight ? v->n_samples : 0) &&
        add_section(h, SECTION_CLASS_NAMES, texts_bytes(v->class_names, v->n_classes)) &&
        add_section(h, SECTION_TARGET_NAMES, texts_bytes(v->target_names, v->n_targets));
}

static bool add_all(pack_head *h, const dataset *d, const char *key)
{
    const assay_data *v = &d->view;
    if (!add_section(h, SECTION_KEY, strlen(key) + 1)) return false;
    for (int p = 0; p < N_PARTS; p++) {
        if (!add_section(h, (pack_section)(SECTION_ROWS_TRAIN + p), h->n_rows[p])) return false;
    }
    return add_features(h, d) && add_targets(h, d) &&
        add_section(h, SECTION_FIRST_STEP, v->first_step ? v->n_samples : 0) &&
        add_section(h, SECTION_N_STEPS, v->first_step ? v->n_samples : 0);
}

static status lay_out(const dataset *d, pack_use u, const char *key, pack_head *out, error *err)
{
    const assay_data *v = &d->view;
    const bool has_targets = u != PACK_PREDICT;
    pack_head h = { .magic = PACK_MAGIC,
        .head_bytes = sizeof h,
        .bytes = sizeof h,
        .use = u,
        .n_samples = v->n_samples,
        .n_steps = data_n_steps(v),
        .n_target_rows = data_n_target_rows(v),
        .x_shape = v->x_shape,
        .x_dtype = v->x_dtype,
        .vocabulary = v->vocabulary,
        .missing = v->missing,
        .has_missing = d->features.has_missing,
        .x_scale = v->x_scale,
        .target = has_targets ? v->target : ASSAY_TARGET_NONE,
        .n_classes = has_targets ? v->n_classes : 0,
        .n_targets = has_targets ? v->n_targets : 0,
        .target_per_step = v->target_per_step };
    for (int p = 0; p < N_PARTS; p++) {
        h.n_rows[p] = is_in_use(u, (part)p) ? d->parts.n[p] : 0;
        h.whole[p] = d->whole[p];
        h.longest[p] = d->longest[p];
        memcpy(h.hash[p], d->hash[p], sizeof h.hash[p]);
    }
    if (d->use != N_PACKS) {
        return fail(err, E_UNSUPPORTED, "the data come from a pack already");
    }
    if (!add_all(&h, d, key)) {
        return fail(err, E_UNSUPPORTED, "the data are larger than memory can be");
    }
    h.checksum = pack_head_checksum(&h);
    *out = h;
    return OK;
}

status dataset_pack_size(const dataset *d, pack_use u, const char *key, size_t *out, error *err)
{
    pack_head h;
    const status st = lay_out(d, u, key, &h, err);
    if (st == OK) *out = (size_t)h.bytes;
    return st;
}

/* -- The content -- */

typedef struct packing {
    const dataset *d;
    const pack_head *h;
    unsigned char *to;
    step_set steps, targets; /* that the pack has */
} packing;

static void *place(const packing *k, pack_section s)
{
    return k->to + k->h->sections[s].at;
}

static bool has(const packing *k, pack_section s)
{
    return k->h->sections[s].bytes > 0;
}

static void put(const packing *k, pack_section s, const void *from)
{
    if (has(k, s)) memcpy(place(k, s), from, k->h->sections[s].bytes);
}

/* Those rows of `from` that are marked, each `bytes` long. */
static void put_marked(
    const packing *k, pack_section s, const step_set *marked, const void *from, size_t bytes)
{
    unsigned char *to = place(k, s);
    if (!has(k, s)) return;
    for (size_t i = 0; i < marked->n; i++) {
        if (step_set_has(marked, i)) {
            memcpy(to + i * bytes, (const unsigned char *)from + i * bytes, bytes);
        }
    }
}

static void put_texts(const packing *k, pack_section s, const char *const *names, size_t n)
{
    char *to = place(k, s);
    if (!has(k, s)) return;
    for (size_t i = 0; i < n; i++) {
        const size_t bytes = strlen(names[i]) + 1;
        memcpy(to, names[i], bytes);
        to += bytes;
    }
}

static void put_features(const packing *k)
{
    const assay_data *v = &k->d->view;
    const transform *t = &k->d->features;
    const size_t bytes = assay_shape_size(&v->x_shape) * pack_x_each(v->x_dtype);
    unsigned char *to = place(k, SECTION_X);
    if (k->h->use == PACK_SCORE) return;
    for (size_t i = 0; i < k->steps.n; i++) {
        if (step_set_has(&k->steps, i)) {
            memcpy(to + i * bytes, (const unsigned char *)v->x + i * v->x_stride, bytes);
        }
    }
    put(k, SECTION_SHIFT, t->shift);
    put(k, SECTION_FACTOR, t->factor);
    put(k, SECTION_FILL, t->fill);
}

static void put_targets(const packing *k)
{
    const dataset *d = k->d;
    const assay_data *v = &d->view;
    const float *targets = d->targets ? d->targets : v->targets;
    put_marked(k, SECTION_LABEL, &k->targets, v->label, sizeof *v->label);
    put_marked(k, SECTION_TARGETS, &k->targets, targets, v->n_targets * sizeof *targets);
    put_marked(k, SECTION_TARGETS_U8, &k->targets, v->targets_u8, v->n_targets);
    put(k, SECTION_TARGET_MEAN, d->target_mean);
    put(k, SECTION_TARGET_DEVIATION, d->target_deviation);
    put_texts(k, SECTION_CLASS_NAMES, v->class_names, v->n_classes);
    put_texts(k, SECTION_TARGET_NAMES, v->target_names, v->n_targets);
}

/* Samples of other parts are one step long, the first: their own steps would be steps that are not there. */
static void put_samples(const packing *k)
{
    const assay_data *v = &k->d->view;
    uint64_t *first = place(k, SECTION_FIRST_STEP), *n_steps = place(k, SECTION_N_STEPS);
    float *weight = place(k, SECTION_WEIGHT);
    for (size_t i = 0; has(k, SECTION_N_STEPS) && i < v->n_samples; i++)
        n_steps[i] = 1;
    for (int p = 0; p < N_PARTS; p++) {
        for (size_t i = 0; i < k->h->n_rows[p]; i++) {
            const uint32_t row = k->d->parts.rows[p][i];
            if (has(k, SECTION_WEIGHT)) weight[row] = v->weight[row];
            if (!has(k, SECTION_N_STEPS)) continue;
            first[row] = v->first_step[row];
            n_steps[row] = v->n_steps[row];
        }
    }
}

/* What samples of the parts in use have. */
static status mark(packing *k, error *err)
{
    const dataset *d = k->d;
    const uint64_t *n_rows = k->h->n_rows;
    size_t n = 0;
    uint32_t *rows = malloc((d->view.n_samples + 1) * sizeof *rows);
    if (!rows) return fail_nomem(err, "a pack");
    for (int p = 0; p < N_PARTS; p++) {
        if (n_rows[p] > 0) memcpy(rows + n, d->parts.rows[p], n_rows[p] * sizeof *rows);
        n += n_rows[p];
    }
    status st = step_set_of_steps(&d->view, rows, n, &k->steps, err);
    if (st == OK) st = step_set_of_targets(&d->view, rows, n, &k->targets, err);
    free(rows);
    return st;
}

status dataset_pack(const dataset *d, pack_use u, const char *key, void *to, size_t n, error *err)
{
    pack_head h;
    packing k = { .d = d, .h = &h, .to = to };
    status st = OK;
    TRY(lay_out(d, u, key, &h, err));
    if (n != h.bytes) {
        TRY(fail(err, E_INTERNAL, "%zu bytes for a pack of %llu", n, (unsigned long long)h.bytes));
    }
    TRY(mark(&k, err));
    memset(to, 0, n);
    memcpy(to, &h, sizeof h);
    put(&k, SECTION_KEY, key);
    for (int p = 0; p < N_PARTS; p++)
        put(&k, (pack_section)(SECTION_ROWS_TRAIN + p), d->parts.rows[p]);
    put_features(&k);
    put_targets(&k);
    put_samples(&k);
done:
    step_set_release(&k.steps);
    step_set_release(&k.targets);
    return st;
}
