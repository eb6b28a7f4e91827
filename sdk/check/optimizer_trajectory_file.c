/* The reader of recorded runs.
 *
 * The arrays w0.<name> say which tensors there are, and the arrays of the first tensor which cases. Weights become double, so that what
 * compares them need not ask how they were recorded; the rest stays in the map of the file. */
#include "check/optimizer_trajectory.h"

#include "base/arena.h"
#include "base/text.h"
#include "model/safetensors.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the caller sees, and what it stands on. */
typedef struct recorded_file {
    trajectory seen;
    safetensors *file;
    arena memory;
} recorded_file;

/* -- what is told of a tensor -- */

static bool ends_in(const char *name, const char *end)
{
    const size_t n = strlen(name), n_end = strlen(end);
    return n >= n_end && strcmp(name + n - n_end, end) == 0;
}

static uint32_t role_of(const char *name, const assay_shape *shape)
{
    if (ends_in(name, "embedding")) return ASSAY_ROLE_EMBEDDING;
    if (ends_in(name, "gain")) return ASSAY_ROLE_GAIN;
    return shape->n_dims > 1 ? ASSAY_ROLE_WEIGHT : ASSAY_ROLE_BIAS;
}

/* The place of `word` among names that are numbered from 1; 0 when it is none of them. */
static uint32_t number_of(const char *word, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(word, names[i]) == 0) return (uint32_t)i + 1;
    }
    return 0;
}

static bool read_count(const char *word, uint64_t *out)
{
    char *end = NULL;
    *out = isdigit((unsigned char)word[0]) ? strtoull(word, &end, 10) : 0;
    return end && *end == '\0' && *out >= 1 && *out <= 1000000000;
}

static bool read_scale(const char *word, double *out)
{
    const char *end = NULL;
    *out = text_to_real(word, &end);
    return end != word && *end == '\0' && isfinite(*out) && *out > 0;
}

/* One "key=word". */
static bool read_property(rig_tensor *t, const char *key, const char *word)
{
    static const char *const roles[] = { "weight", "recurrent", "bias", "gain", "embedding" };
    static const char *const places[] = { "input", "hidden", "output" };
    if (strcmp(key, "role") == 0) return (t->role = number_of(word, roles, 5)) != 0;
    if (strcmp(key, "place") == 0) return (t->place = number_of(word, places, 3)) != 0;
    if (strcmp(key, "blocks") == 0) return read_count(word, &t->blocks);
    if (strcmp(key, "fan_in") == 0) return read_count(word, &t->fan_in);
    if (strcmp(key, "fan_out") == 0) return read_count(word, &t->fan_out);
    if (strcmp(key, "lr_scale") == 0) return read_scale(word, &t->lr_scale);
    return false;
}

static status read_properties(const recorded_file *f, rig_tensor *t, error *err)
{
    char key[128], word[64];
    int n = 0;
    snprintf(key, sizeof key, "tensor.%s", t->name);
    const char *told = safetensors_metadata(f->file, key);
    t->role = role_of(t->name, &t->shape);
    t->place = ASSAY_PLACE_HIDDEN;
    while (told && told[strspn(told, " ")] != '\0') {
        if (sscanf(told, " %127[a-z_]=%63[^ ]%n", key, word, &n) != 2 ||
            !read_property(t, key, word)) {
            return fail(err, E_CORRUPT,
                "tensor.%s: \"%s\": expected role=, place=, blocks=, fan_in=, fan_out= or "
                "lr_scale=, as "
                "in role=weight blocks=4",
                t->name, told + strspn(told, " "));
        }
        told += n;
    }
    if (t->blocks > 1 && t->shape.dim[t->shape.n_dims - 1] % t->blocks != 0) {
        return fail(err, E_CORRUPT,
            "tensor.%s: its last dimension %llu is no multiple of blocks=%llu", t->name,
            (unsigned long long)t->shape.dim[t->shape.n_dims - 1], (unsigned long long)t->blocks);
    }
    return OK;
}

/* -- arrays -- */

static status get_floats(recorded_file *f, const char *letter, size_t i_tensor, size_t n_times,
    const float **out, error *err)
{
    const trajectory *t = &f->seen;
    const void *data = NULL;
    const char *key = arena_printf(&f->memory, "%s.%s", letter, t->tensor[i_tensor].name);
    if (!key) return fail_nomem(err, "a recorded run");
    const status st =
        safetensors_get(f->file, key, ARRAY_F32, n_times * t->size[i_tensor], &data, err);
    if (st == OK) *out = data;
    return st;
}

/* Floats or doubles, as doubles. */
static status widen(recorded_file *f, const array *a, const double **out, error *err)
{
    if (a->dtype == ARRAY_F64) {
        *out = a->data;
        return OK;
    }
    if (a->dtype != ARRAY_F32) {
        return fail(err, E_UNSUPPORTED, "%s is %s, expected F32 or F64", a->name, a->dtype_name);
    }
    const float *from = a->data;
    double *to = arena_alloc_array(&f->memory, a->n, sizeof *to);
    if (!to) return fail_nomem(err, "a recorded run");
    for (size_t i = 0; i < a->n; i++) {
        to[i] = (double)from[i];
    }
    *out = to;
    return OK;
}

static status read_tensor(recorded_file *f, const array *first, error *err)
{
    trajectory *t = &f->seen;
    const size_t i = t->n_tensors;
    if (first->dtype != ARRAY_F32) {
        return fail(err, E_UNSUPPORTED, "%s is %s, expected F32", first->name, first->dtype_name);
    }
    if (i == TRAJECTORY_MAX_TENSORS || first->n_dims == 0 || first->n_dims > ASSAY_MAX_DIMS ||
        first->n == 0) {
        return fail(err, E_SHAPE,
            "%s: expected at most %d tensors of 1 to %d dimensions and at least one element",
            first->name, TRAJECTORY_MAX_TENSORS, ASSAY_MAX_DIMS);
    }
    rig_tensor *out = &t->tensor[i];
    out->name = first->name + strlen("w0.");
    out->shape.n_dims = first->n_dims;
    for (size_t k = 0; k < first->n_dims; k++) {
        out->shape.dim[k] = first->dim[k];
    }
    t->size[i] = first->n;
    t->w0[i] = first->data;
    t->n_tensors++;
    status st = read_properties(f, out, err);
    if (!t->has_objective) return st == OK ? get_floats(f, "g", i, t->n_steps, &t->g[i], err) : st;
    if (st == OK) st = get_floats(f, "k", i, 1, &t->k[i], err);
    if (st == OK) st = get_floats(f, "c", i, 1, &t->c[i], err);
    if (st == OK) st = get_floats(f, "u", i, 1, &t->u[i], err);
    return st;
}

static status read_tensors(recorded_file *f, error *err)
{
    status st = OK;
    for (size_t i = 0; st == OK && i < safetensors_count(f->file); i++) {
        const array *a = safetensors_at(f->file, i);
        if (strncmp(a->name, "w0.", 3) == 0) st = read_tensor(f, a, err);
    }
    if (st == OK && f->seen.n_tensors == 0) {
        st = fail(err, E_CORRUPT, "it holds no tensor w0.<name>");
    }
    return st;
}

/* -- cases -- */

/* Where the model would be evaluated, if that is told. */
static status read_evaluated(recorded_file *f, trajectory_case *c, size_t i_tensor, error *err)
{
    const trajectory *t = &f->seen;
    const size_t n = t->size[i_tensor];
    const char *key = arena_printf(&f->memory, "x.%s.%s", c->name, t->tensor[i_tensor].name);
    if (!key) return fail_nomem(err, "a recorded run");
    const array *a = safetensors_find(f->file, key);
    if (!a) return OK;
    const bool is_last = a->n_dims == t->tensor[i_tensor].shape.n_dims;
    if (a->n != (is_last ? n : t->n_steps * n)) {
        return fail(err, E_SHAPE, "%s has %zu elements, expected %zu, or %zu for all of %zu steps",
            key, a->n, n, t->n_steps * n, t->n_steps);
    }
    c->x_is_last = is_last;
    return widen(f, a, &c->x[i_tensor], err);
}

static status read_weights(recorded_file *f, trajectory_case *c, size_t i_tensor, error *err)
{
    const trajectory *t = &f->seen;
    const size_t n = t->n_steps * t->size[i_tensor];
    const char *key = arena_printf(&f->memory, "%s.%s", c->name, t->tensor[i_tensor].name);
    if (!key) return fail_nomem(err, "a recorded run");
    const array *a = safetensors_find(f->file, key);
    if (!a) return fail(err, E_MISSING, "it holds no tensor %s", key);
    if (a->n != n) {
        return fail(err, E_SHAPE, "%s has %zu elements, expected %zu steps of %zu", key, a->n,
            t->n_steps, t->size[i_tensor]);
    }
    return widen(f, a, &c->w[i_tensor], err);
}

static status read_case(recorded_file *f, const char *name, error *err)
{
    trajectory *t = &f->seen;
    if (t->n_cases == TRAJECTORY_MAX_CASES) {
        return fail(err, E_SHAPE, "it holds more than %d cases", TRAJECTORY_MAX_CASES);
    }
    trajectory_case *c = &t->run[t->n_cases];
    const char *key = arena_printf(&f->memory, "settings.%s", name);
    if (!key) return fail_nomem(err, "a recorded run");
    c->name = name;
    c->settings = safetensors_metadata(f->file, key);
    if (!c->settings && strcmp(name, "w") == 0) {
        c->settings = safetensors_metadata(f->file, "settings");
    }
    if (!c->settings) {
        return fail(err, E_CORRUPT,
            "its metadata do not say %s, under which the case \"%s\" was recorded", key, name);
    }
    status st = OK;
    for (size_t i = 0; st == OK && i < t->n_tensors; i++) {
        st = read_weights(f, c, i, err);
        if (st == OK) st = read_evaluated(f, c, i, err);
    }
    t->n_cases++;
    return st;
}

/* The arrays "<case>.<first tensor>". */
static status read_cases(recorded_file *f, error *err)
{
    static const char *const not_cases[] = { "w0", "g", "x", "k", "c", "u" };
    const char *first = f->seen.tensor[0].name;
    status st = OK;
    for (size_t i = 0; st == OK && i < safetensors_count(f->file); i++) {
        const char *name = safetensors_at(f->file, i)->name, *dot = strchr(name, '.');
        if (!dot || strcmp(dot + 1, first) != 0) continue;
        const char *found = arena_strndup(&f->memory, name, (size_t)(dot - name));
        if (!found) return fail_nomem(err, "a recorded run");
        if (number_of(found, not_cases, 6) == 0) st = read_case(f, found, err);
    }
    if (st == OK && f->seen.n_cases == 0) {
        st = fail(err, E_CORRUPT, "it holds no weights w.%s or <case>.%s", first, first);
    }
    return st;
}

/* -- metadata -- */

static status read_steps(recorded_file *f, error *err)
{
    uint64_t n = 0;
    const char *steps = safetensors_metadata(f->file, "steps");
    if (!steps || !read_count(steps, &n) || n > 1000000) {
        return fail(err, E_CORRUPT, "its metadata give no number of steps from 1 to 1000000");
    }
    f->seen.n_steps = (size_t)n;
    return OK;
}

static status read_notes(recorded_file *f, error *err)
{
    trajectory *t = &f->seen;
    const char *format = safetensors_metadata(f->file, "format");
    const char *version = safetensors_metadata(f->file, "version");
    const char *run = safetensors_metadata(f->file, "run");
    const char *objective = safetensors_metadata(f->file, "objective");
    if (!format || strcmp(format, "assay-trajectory") != 0) {
        return fail(err, E_UNSUPPORTED,
            "its metadata do not say format = assay-trajectory: record it with assay_record.py");
    }
    if (!version || strcmp(version, "1") != 0) {
        return fail(err, E_UNSUPPORTED, "its metadata say version = %s, expected 1",
            version ? version : "nothing");
    }
    if (run && strcmp(run, "free") != 0 && strcmp(run, "seated") != 0) {
        return fail(err, E_UNSUPPORTED, "its metadata say run = %s, expected seated or free", run);
    }
    if (objective && strcmp(objective, "valley") != 0) {
        return fail(
            err, E_UNSUPPORTED, "its metadata say objective = %s, expected valley", objective);
    }
    t->is_free = run && strcmp(run, "free") == 0;
    t->has_objective = objective != NULL;
    t->recorded = safetensors_metadata(f->file, "recorded");
    if (!t->recorded) t->recorded = "a recorded run";
    return read_steps(f, err);
}

/* -- public -- */

void trajectory_close(trajectory *t)
{
    if (!t) return;
    recorded_file *f = (recorded_file *)(void *)((char *)t - offsetof(recorded_file, seen));
    safetensors_close(f->file);
    arena_release(&f->memory);
    free(f);
}

status trajectory_open(const char *path, trajectory **out, error *err)
{
    recorded_file *f = calloc(1, sizeof *f);
    if (!f) return fail_nomem(err, "a recorded run");
    arena_init(&f->memory);
    status st = safetensors_open(path, &f->file, err);
    if (st == OK) {
        st = read_notes(f, err);
        if (st == OK) st = read_tensors(f, err);
        if (st == OK) st = read_cases(f, err);
        if (st != OK) st = error_where(err, "%s", path);
    }
    if (st == OK) {
        *out = &f->seen;
    } else {
        trajectory_close(&f->seen);
    }
    return st;
}

const trajectory_case *trajectory_find(const trajectory *t, const char *name)
{
    for (size_t i = 0; i < t->n_cases; i++) {
        if (strcmp(t->run[i].name, name) == 0) return &t->run[i];
    }
    return NULL;
}

double trajectory_objective(
    void *self, const float *const *w, float *const *g, uint64_t evaluation, bool fresh)
{
    const trajectory *t = self;
    double along = 0, sum = 0;
    (void)evaluation;
    (void)fresh;
    for (size_t i = 0; i < t->n_tensors; i++) {
        for (size_t j = 0; j < t->size[i]; j++) {
            along += (double)t->u[i][j] * (double)w[i][j];
            sum += (double)t->k[i][j] * log(cosh((double)w[i][j] - (double)t->c[i][j]));
        }
    }
    for (size_t i = 0; g && i < t->n_tensors; i++) {
        for (size_t j = 0; j < t->size[i]; j++) {
            const double slope = (double)t->k[i][j] * tanh((double)w[i][j] - (double)t->c[i][j]);
            g[i][j] = (float)(slope + (double)t->u[i][j] * along);
        }
    }
    return sum + along * along / 2;
}
