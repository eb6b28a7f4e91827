/* Ports against recorded runs: the shelf against its golden files, Adams with an error each, and files that are not as they should be. */
#include "check/optimizer_trajectory.h"
#include "check_scene.h"
#include "model/safetensors.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN TEST_SOURCE_DIR "/tests/golden/optimizer_"

static check_report against(const char *id, const char *plugin, const char *file)
{
    registry *r = NULL;
    subject s;
    scene_open(&r, &s, ASSAY_KIND_OPTIMIZER, id, plugin);
    s.against = file;
    s.tolerance = CHECK_TOLERANCE;
    const check_report got = run_one(&s, "optimizer_trajectory");
    registry_free(r);
    return got;
}

/* -- the shelf -- */

static size_t check_shelf(const registry *r)
{
    size_t n = 0;
    for (size_t i = 0; i < registry_count(r); i++) {
        const plugin_file *f = registry_file(r, i);
        for (size_t k = 0; k < f->n_components; k++) {
            char file[512];
            if (strcmp(f->components[k].kind, ASSAY_KIND_OPTIMIZER) != 0) continue;
            const char *id = f->components[k].id;
            snprintf(file, sizeof file, GOLDEN "%s.safetensors", id);
            const check_report got = against(id, NULL, file);
            if (got.outcome != CHECK_PASSED) GIVE_UP("%s: %s", id, got.message);
            assert_true(got.n_figures == 4 && got.figure[0].value >= 40);
            assert_true(
                got.figure[2].value > 0); /* a float32 never agrees with a float64 entirely */
            n++;
        }
    }
    return n;
}

static void test_shelf__does_what_its_golden_files_record(void **state)
{
    const char *const dirs[] = { TEST_BUILD_DIR "/plugins/optimizer", NULL };
    const registry_options o = { .dirs = dirs, .no_environment = true };
    registry *r = NULL;
    error err = { 0 };
    glob_t files;
    (void)state;
    if (registry_new(&o, &r, &err) != OK) GIVE_UP("%s", err.text);
    assert_int_equal(glob(GOLDEN "*.safetensors", 0, NULL, &files), 0);
    assert_int_equal(check_shelf(r), files.gl_pathc);
    globfree(&files);
    registry_free(r);
}

/* -- ports with an error -- */

static void test_errors_of_a_port__are_found_where_they_begin(void **state)
{
    static const struct {
        const char *id, *says, *also;
    } wrong[] = {
        { "adam_beta2", "case amsgrad: parts from torch.optim.Adam at step 2 in matrix[",
            "look at what is kept between steps" },
        { "adam_eps", "case amsgrad: parts from torch.optim.Adam at step 1 in matrix[",
            "look at signs, lr, eps" },
        { "adam_biased", "case amsgrad: parts from torch.optim.Adam at step 1 in matrix[",
            "the bias corrections at t = 1" },
        { "adam_late", "case amsgrad: parts from torch.optim.Adam at step 10 in matrix[",
            "at what t does" },
    };
    (void)state;
    for (size_t i = 0; i < ASSAY_COUNT(wrong); i++) {
        const check_report got =
            against(wrong[i].id, FAULTY_PLUGIN("wrong_adam"), GOLDEN "adam.safetensors");
        if (got.outcome != CHECK_FAILED || !strstr(got.message, wrong[i].says) ||
            !strstr(got.message, wrong[i].also)) {
            GIVE_UP("%s: outcome %d, \"%s\"; expected \"%s\" and \"%s\"", wrong[i].id,
                (int)got.outcome, got.message, wrong[i].says, wrong[i].also);
        }
    }
    const check_report right =
        against("adam_right", FAULTY_PLUGIN("wrong_adam"), GOLDEN "adam.safetensors");
    if (right.outcome != CHECK_PASSED) GIVE_UP("adam_right: %s", right.message);
}

/* A golden file whose case has other settings than those that it was recorded with. */
typedef struct other_settings {
    const char *id, *name, *from, *to;
    const char *says;
} other_settings;

enum { MOST_OF_GOLDEN = 128 };

static const char *changed(const other_settings *o, const trajectory_case *c, arena *a)
{
    const char *at = strstr(c->settings, o->from);
    if (strcmp(c->name, o->name) != 0) return c->settings;
    if (!at) GIVE_UP("%s: \"%s\" is not in \"%s\"", o->id, o->from, c->settings);
    return arena_printf(
        a, "%.*s%s%s", (int)(at - c->settings), c->settings, o->to, at + strlen(o->from));
}

/* What does not differ from case to case, then each tensor's note, then settings. */
static size_t copy_notes(const other_settings *o, const safetensors *file, const trajectory *t,
    arena *a, array_note *out)
{
    static const char *const same[] = { "format", "version", "steps", "recorded", "run",
        "objective" };
    size_t n = 0;
    for (size_t i = 0; i < ASSAY_COUNT(same); i++) {
        const char *told = safetensors_metadata(file, same[i]);
        if (told) out[n++] = (array_note){ same[i], told };
    }
    for (size_t i = 0; i < t->n_tensors; i++) {
        const char *key = arena_printf(a, "tensor.%s", t->tensor[i].name);
        const char *told = safetensors_metadata(file, key);
        if (told) out[n++] = (array_note){ key, told };
    }
    for (size_t i = 0; i < t->n_cases; i++) {
        const char *key = arena_printf(a, "settings.%s", t->run[i].name);
        out[n++] = (array_note){ key, changed(o, &t->run[i], a) };
    }
    return n;
}

static void write_changed(const other_settings *o, const char *to)
{
    array arrays[MOST_OF_GOLDEN];
    array_note notes[MOST_OF_GOLDEN];
    safetensors *file = NULL;
    trajectory *t = NULL;
    arena memory;
    error err = { 0 };
    arena_init(&memory);
    const char *path = arena_printf(&memory, GOLDEN "%s.safetensors", o->id);
    if (safetensors_open(path, &file, &err) != OK || trajectory_open(path, &t, &err) != OK) {
        GIVE_UP("%s", err.text);
    }
    const size_t n_notes = copy_notes(o, file, t, &memory, notes);
    assert_in_range(safetensors_count(file), 1, MOST_OF_GOLDEN);
    for (size_t i = 0; i < safetensors_count(file); i++) {
        arrays[i] = *safetensors_at(file, i);
    }
    if (safetensors_write(to, arrays, safetensors_count(file), notes, n_notes, &err) != OK) {
        GIVE_UP("%s", err.text);
    }
    trajectory_close(t);
    safetensors_close(file);
    arena_release(&memory);
}

/* Of each kind of run: by element, by matrix, over the whole model, with an optimizer inside, with a closure, seated and free. All numbers
 * are off by a thousandth or less. */
static void test_settings_that_differ_a_little__are_found(void **state)
{
    static const other_settings others[] = {
        { "adam", "options", "beta1 = 0.81;", "beta1 = 0.8102;", "at step 2 " },
        { "adamw", "options", "weight_decay = 0.373;", "weight_decay = 0.3731;", "at step 1 " },
        { "adafactor", "momentum", "beta1 = 0.83;", "beta1 = 0.8301;", "at step 1 " },
        { "lars", "options", "momentum = 0.83;", "momentum = 0.8301;", "at step 2 " },
        { "muon", "rms", "momentum = 0.71;", "momentum = 0.7103;", "at step 2 " },
        { "shampoo", "adagrad", "beta2 = 0.937;", "beta2 = 0.9375;", "at step 2 " },
        { "soap", "often", "shampoo_beta = 0.871;", "shampoo_beta = 0.8713;", "at step " },
        { "prodigy", "options", "beta3 = 0.913;", "beta3 = 0.9131;", "at step " },
        { "schedule_free_sgd", "options", "momentum = 0.73;", "momentum = 0.7302;", "at step 2 " },
        { "lookahead", "adam", "alpha = 0.731;", "alpha = 0.7311;", "at step 3 " },
        { "sam", "sgd", "rho = 0.373;", "rho = 0.3731;", "at step 1 " },
        { "lbfgs", "no_search", "lr = 0.731;", "lr = 0.7311;", "at step 1 " },
        { "ema", "adam", "decay = 0.913;", "decay = 0.9131;", "where the model is evaluated" },
    };
    char path[64], which[64];
    (void)state;
    snprintf(path, sizeof path, "/tmp/test_check_trajectory.%ld", (long)getpid());
    for (size_t i = 0; i < ASSAY_COUNT(others); i++) {
        const other_settings *o = &others[i];
        write_changed(o, path);
        const check_report got = against(o->id, NULL, path);
        unlink(path);
        snprintf(which, sizeof which, "case %s: parts from ", o->name);
        if (got.outcome != CHECK_FAILED || !strstr(got.message, which) ||
            !strstr(got.message, o->says)) {
            GIVE_UP("%s: outcome %d, \"%s\"; expected \"%s\" and \"%s\"", o->id, (int)got.outcome,
                got.message, which, o->says);
        }
    }
}

/* -- files -- */

enum { STEPS = 3, COLS = 4, SIZE = 2 * COLS, MOST_ARRAYS = 8, MOST_NOTES = 12 };

/* sgd's run with lr = 0.1 on "a.weight" [2, 4] and "a.bias" [4], as the recorder writes it. */
typedef struct recording {
    char path[64];
    float w0[SIZE], g[STEPS * SIZE], w[STEPS * SIZE], small_w[STEPS * COLS];
    double x[SIZE];
    array array[MOST_ARRAYS];
    array_note note[MOST_NOTES];
    size_t n_arrays, n_notes;
} recording;

static array *add_array(
    recording *f, const char *name, size_t n_dims, const size_t *dim, const void *data)
{
    array *a = &f->array[f->n_arrays++];
    *a = (array){ .name = name, .dtype = ARRAY_F32, .n_dims = n_dims, .data = data };
    for (size_t i = 0; i < n_dims; i++) {
        a->dim[i] = dim[i];
    }
    return a;
}

static void take_steps(const recording *f, size_t n, double lr, float *w)
{
    for (size_t i = 0; i < n; i++) {
        float now = f->w0[i];
        for (size_t t = 0; t < STEPS; t++) {
            w[t * n + i] = now = (float)((double)now - lr * (double)f->g[t * n + i]);
        }
    }
}

static void recording_init(recording *f)
{
    static const array_note notes[] = { { "format", "assay-trajectory" }, { "version", "1" },
        { "steps", "3" }, { "settings", "lr = 0.1;" } };
    memset(f, 0, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/test_check_trajectory.%ld", (long)getpid());
    for (size_t i = 0; i < STEPS * SIZE; i++) {
        f->w0[i % SIZE] = 0.731f - 0.2385f * (float)(i % SIZE);
        f->g[i] = 1.37f / (float)(2 + i) - 0.317f;
    }
    take_steps(f, SIZE, 0.1, f->w);
    take_steps(f, COLS, 0.1, f->small_w);
    add_array(f, "w0.a.weight", 2, (size_t[]){ 2, COLS }, f->w0);
    add_array(f, "g.a.weight", 3, (size_t[]){ STEPS, 2, COLS }, f->g);
    add_array(f, "w.a.weight", 3, (size_t[]){ STEPS, 2, COLS }, f->w);
    add_array(f, "w0.a.bias", 1, (size_t[]){ COLS }, f->w0);
    add_array(f, "g.a.bias", 2, (size_t[]){ STEPS, COLS }, f->g);
    add_array(f, "w.a.bias", 2, (size_t[]){ STEPS, COLS }, f->small_w);
    memcpy(f->note, notes, sizeof notes);
    f->n_notes = ASSAY_COUNT(notes);
}

/* Another value, or a note more. */
static void set_note(recording *f, const char *key, const char *to)
{
    size_t i = 0;
    while (i < f->n_notes && strcmp(f->note[i].key, key) != 0) {
        i++;
    }
    f->n_notes += i == f->n_notes;
    f->note[i] = (array_note){ key, to };
}

static array *find(recording *f, const char *name)
{
    for (size_t i = 0; i < f->n_arrays; i++) {
        if (strcmp(f->array[i].name, name) == 0) return &f->array[i];
    }
    GIVE_UP("there is no array %s", name);
    return NULL;
}

static void leave_out(recording *f, const char *name)
{
    array *gap = find(f, name);
    *gap = f->array[--f->n_arrays];
}

static check_report replay(recording *f)
{
    error err = { 0 };
    if (safetensors_write(f->path, f->array, f->n_arrays, f->note, f->n_notes, &err) != OK) {
        GIVE_UP("%s", err.text);
    }
    const check_report got = against("sgd", NULL, f->path);
    unlink(f->path);
    return got;
}

static void expect_failure(recording *f, const char *says)
{
    const check_report got = replay(f);
    if (got.outcome != CHECK_FAILED || !strstr(got.message, says)) {
        GIVE_UP("outcome %d, \"%s\", expected \"%s\"", (int)got.outcome, got.message, says);
    }
}

static void test_recorded_run__of_one_case_passes(void **state)
{
    recording f;
    (void)state;
    recording_init(&f);
    const check_report got = replay(&f);
    if (got.outcome != CHECK_PASSED) GIVE_UP("%s", got.message);
    assert_true(got.figure[0].value == STEPS);
    f.w[SIZE + 5] += 0.001f;
    expect_failure(&f, "parts from a recorded run at step 2 in a.weight[1, 1]: the weight is ");
    set_note(&f, "run", "free");
    expect_failure(&f, "of the way from the first weights");
    set_note(&f, "settings", "");
    expect_failure(&f, "; no settings were recorded: the port ran with its defaults");
}

static void test_recorded_run__is_held_to_where_it_evaluates(void **state)
{
    recording f;
    (void)state;
    recording_init(&f);
    array *x = add_array(&f, "x.w.a.weight", 2, (size_t[]){ 2, COLS }, f.x);
    x->dtype = ARRAY_F64;
    for (size_t i = 0; i < SIZE; i++) {
        f.x[i] = (double)f.w[(STEPS - 1) * SIZE + i];
    }
    const check_report got = replay(&f);
    if (got.outcome != CHECK_PASSED) GIVE_UP("%s", got.message);
    f.x[3] += 0.01;
    expect_failure(&f, "at step 3 in a.weight[0, 3]: where the model is evaluated is ");
    *x = (array){
        .name = x->name, .dtype = ARRAY_F32, .n_dims = 3, .dim = { STEPS, 2, COLS }, .data = f.w
    };
    assert_int_equal(replay(&f).outcome, CHECK_PASSED);
    x->dim[0] = STEPS - 1;
    expect_failure(&f, "x.w.a.weight has 16 elements, expected 8, or 24 for all of 3 steps");
}

/* As roles, blocks and places do, whose use only the optimizers' own golden files show. */
static void test_recorded_run__tells_of_its_tensors(void **state)
{
    recording f;
    (void)state;
    recording_init(&f);
    take_steps(&f, SIZE, 0.05, f.w);
    expect_failure(&f, "at step 1 in a.weight");
    set_note(&f, "tensor.a.weight", " role=embedding place=output  blocks=2 lr_scale=0.5");
    const check_report got = replay(&f);
    if (got.outcome != CHECK_PASSED) GIVE_UP("%s", got.message);
}

static void test_recorded_run__of_other_settings_or_notes_is_told(void **state)
{
    static const struct {
        const char *key, *to, *says;
    } notes[] = {
        { "format", "weights", "do not say format = assay-trajectory: record it with" },
        { "version", "2", "say version = 2, expected 1" },
        { "steps", "many", "give no number of steps from 1 to 1000000" },
        { "steps", "0", "give no number of steps" },
        { "steps", "-3", "give no number of steps" },
        { "steps", "4", "g.a.bias" },
        { "run", "loose", "say run = loose, expected seated or free" },
        { "objective", "hill", "say objective = hill, expected valley" },
        { "objective", "valley", "k.a.bias" },
        { "settings", "lr = 0.1; rate = 2;", "rate" },
        { "tensor.a.weight", "role=wheel", "tensor.a.weight: \"role=wheel\": expected role=" },
        { "tensor.a.weight", "role=weight place", "\"place\": expected role=" },
        { "tensor.a.weight", "place=middle", "\"place=middle\": expected" },
        { "tensor.a.weight", "lr_scale=0", "\"lr_scale=0\": expected" },
        { "tensor.a.weight", "fan_in=few", "\"fan_in=few\": expected" },
        { "tensor.a.weight", "blocks=3", "last dimension 4 is no multiple of blocks=3" },
    };
    (void)state;
    for (size_t i = 0; i < ASSAY_COUNT(notes); i++) {
        recording f;
        recording_init(&f);
        set_note(&f, notes[i].key, notes[i].to);
        expect_failure(&f, notes[i].says);
    }
}

static void test_recorded_run__that_lacks_arrays_is_told(void **state)
{
    recording f;
    (void)state;
    recording_init(&f);
    leave_out(&f, "w.a.weight");
    expect_failure(&f, "it holds no tensor w.a.weight");
    recording_init(&f);
    leave_out(&f, "w.a.bias"); /* of the first tensor, which says which cases there are */
    expect_failure(&f, "it holds no weights w.a.bias or <case>.a.bias");
    recording_init(&f);
    leave_out(&f, "g.a.weight");
    expect_failure(&f, "g.a.weight");
    recording_init(&f);
    leave_out(&f, "w0.a.weight");
    leave_out(&f, "w0.a.bias");
    expect_failure(&f, "it holds no tensor w0.<name>");
    recording_init(&f);
    find(&f, "w.a.bias")->name = "other.a.bias";
    expect_failure(&f, "do not say settings.other, under which the case \"other\" was recorded");
    recording_init(&f);
    find(&f, "w.a.weight")->dim[0] = STEPS - 1;
    expect_failure(&f, "w.a.weight has 16 elements, expected 3 steps of 8");
    recording_init(&f);
    find(&f, "w.a.bias")->dtype = ARRAY_I32;
    expect_failure(&f, "w.a.bias is I32, expected F32 or F64");
    recording_init(&f);
    find(&f, "w0.a.bias")->dtype = ARRAY_I32;
    expect_failure(&f, "w0.a.bias is I32, expected F32");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shelf__does_what_its_golden_files_record),
        cmocka_unit_test(test_errors_of_a_port__are_found_where_they_begin),
        cmocka_unit_test(test_settings_that_differ_a_little__are_found),
        cmocka_unit_test(test_recorded_run__of_one_case_passes),
        cmocka_unit_test(test_recorded_run__is_held_to_where_it_evaluates),
        cmocka_unit_test(test_recorded_run__tells_of_its_tensors),
        cmocka_unit_test(test_recorded_run__of_other_settings_or_notes_is_told),
        cmocka_unit_test(test_recorded_run__that_lacks_arrays_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
