/* The trainer's inside is read where its interface has no need to show it. */
#include "support/train_rig.h"

#include "base/file.h"
#include "train/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void keep_log(void *self, unsigned level, const char *message)
{
    train_rig *g = self;
    (void)level;
    text_printf(&g->notes, "%s\n", message);
}

static void keep_record(void *self, const record *r)
{
    train_rig *g = self;
    if (r->kind == RECORD_NOTE) {
        text_printf(&g->notes, "%s\n", r->text);
    }
    if (r->kind == RECORD_EVALUATION && strcmp(r->split, "validation") == 0) {
        g->validation_loss = r->values[0].value;
        g->n_checks += !r->is_final;
    }
    if (r->kind == RECORD_EVALUATION && strcmp(r->split, "test") == 0) {
        g->test_loss = r->values[0].value;
    }
    for (size_t i = 0; r->kind != RECORD_EVALUATION && i < r->n_values; i++) {
        if (strcmp(r->values[i].name, "training.loss") == 0) {
            g->training_loss = r->values[i].value;
        } else if (strcmp(r->values[i].name, "lr") == 0) {
            g->lr = r->values[i].value;
        }
    }
}

/* Every test program lies in <build>/tests. */
static void open_registry(train_rig *g)
{
    char here[FIXTURE_PATH_BYTES], built[FIXTURE_PATH_BYTES + 16], own[FIXTURE_PATH_BYTES + 16];
    const ssize_t n = readlink("/proc/self/exe", here, sizeof here - 1);
    assert_true(n > 0);
    here[n] = '\0';
    *strrchr(here, '/') = '\0';
    snprintf(built, sizeof built, "%s/../plugins", here);
    snprintf(own, sizeof own, "%s/plugins", here);
    const char *const dirs[] = { built, own, NULL };
    const registry_options o = {
        .no_environment = true, .dirs = dirs, .log = keep_log, .log_self = g
    };
    if (registry_new(&o, &g->r, &g->err) != OK) GIVE_UP("%s", g->err.text);
}

void rig_init(train_rig *g)
{
    *g = (train_rig){ .validation_loss = NAN, .test_loss = NAN };
    snprintf(g->dir, sizeof g->dir, "%s/assay-train-XXXXXX",
        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(g->dir));
    open_registry(g);
}

static void close_trainer(train_rig *g)
{
    trainer_free(g->t);
    config_free(g->c);
    g->t = NULL;
    g->c = NULL;
}

void rig_release(train_rig *g)
{
    close_trainer(g);
    registry_free(g->r);
    text_release(&g->notes);
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", g->dir);
    assert_int_equal(system(command), 0);
}

const char *rig_path(const train_rig *g, const char *name)
{
    static char paths[8][192];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%.120s", g->dir, name);
    return path;
}

status rig_try(train_rig *g, const char *source, const trainer_options *options)
{
    trainer_options o = options ? *options : (trainer_options){ 0 };
    o.sink = (record_sink){ keep_record, g };
    close_trainer(g);
    g->err = (error){ 0 };
    g->n_checks = 0;
    status st = config_parse("x.cfg", source, &g->c, &g->err);
    return st == OK ? trainer_new(g->r, g->c, &o, &g->t, &g->err) : st;
}

void rig_open(train_rig *g, const char *source, const trainer_options *o)
{
    if (rig_try(g, source, o) != OK) GIVE_UP("%s\n%s", g->err.text, source);
}

void rig_refuse(train_rig *g, const char *source, status st, const char *message)
{
    const status got = rig_try(g, source, NULL);
    if (got != st || !strstr(g->err.text, message)) {
        GIVE_UP("expected %s: %s\n     got %s: %s", status_name(st), message, status_name(got),
            g->err.text);
    }
}

void rig_steps(train_rig *g, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (trainer_step(g->t, &g->err) != OK) GIVE_UP("%s", g->err.text);
    }
}

void rig_run(train_rig *g)
{
    if (trainer_run(g->t, &g->result, &g->err) != OK) GIVE_UP("%s", g->err.text);
}

float *rig_weights(train_rig *g, size_t *out_n)
{
    if (out_n) *out_n = g->t->model->n_flat;
    return g->t->model->w;
}

float *rig_tensor(train_rig *g, const char *name, size_t *out_n)
{
    const tensor *t = model_find_tensor(g->t->model, name);
    if (!t) GIVE_UP("there is no tensor %s", name);
    if (out_n) *out_n = t->info.size;
    return g->t->model->w + t->offset;
}

void rig_weights_changed(train_rig *g)
{
    if (model_prepare(g->t->model, true, &g->err) != OK) GIVE_UP("%s", g->err.text);
}

static const array *find_state(train_rig *g, arena *a, const char *name)
{
    const size_t n = optimizer_n_arrays(g->t->optimizer);
    array *all = arena_alloc_array(a, n, sizeof *all);
    assert_non_null(all);
    assert_int_equal(optimizer_arrays(g->t->optimizer, a, all, &g->err), OK);
    for (size_t i = 0; i < n; i++) {
        if (all[i].name && strcmp(all[i].name, name) == 0) return &all[i];
    }
    GIVE_UP("there is no state %s", name);
    return NULL;
}

const float *rig_slot(train_rig *g, const char *name, size_t n)
{
    arena a = { 0 };
    const array *found = find_state(g, &a, name);
    const float *data = found->data; /* the optimizer's own */
    assert_int_equal(found->dtype, ARRAY_F32);
    assert_int_equal(found->n, n);
    arena_release(&a);
    return data;
}

double rig_model_slot(train_rig *g, const char *name)
{
    arena a = { 0 };
    const array *found = find_state(g, &a, name);
    double out;
    assert_int_equal(found->dtype, ARRAY_F64);
    memcpy(&out, found->data, sizeof out);
    arena_release(&a);
    return out;
}

double rig_last_loss(const train_rig *g)
{
    return g->t->last_loss;
}

double rig_last_l2(const train_rig *g)
{
    return g->t->last_l2;
}

double rig_last_norm(const train_rig *g)
{
    return g->t->last_norm;
}

const budget *rig_spent(const train_rig *g)
{
    return &g->t->at.spent;
}

/* The last three of state/sums are seconds. */
static size_t bytes_that_count(const array *a)
{
    return strcmp(a->name, "state/sums") == 0 ? 7 * sizeof(double) : a->bytes;
}

static bool same_arrays(const safetensors *a, const safetensors *b)
{
    if (safetensors_count(a) != safetensors_count(b)) {
        print_error("%zu arrays and %zu\n", safetensors_count(a), safetensors_count(b));
        return false;
    }
    for (size_t i = 0; i < safetensors_count(a); i++) {
        const array *x = safetensors_at(a, i), *y = safetensors_at(b, i);
        const bool same = strcmp(x->name, y->name) == 0 && x->bytes == y->bytes &&
            (x->bytes == 0 || memcmp(x->data, y->data, bytes_that_count(x)) == 0);
        if (!same) {
            print_error(
                "%s (%zu bytes) and %s (%zu bytes) differ\n", x->name, x->bytes, y->name, y->bytes);
            return false;
        }
    }
    return true;
}

bool rig_same_state(const char *path, const char *other)
{
    safetensors *a = NULL, *b = NULL;
    error err = { 0 };
    const bool opened =
        safetensors_open(path, &a, &err) == OK && safetensors_open(other, &b, &err) == OK;
    if (!opened) print_error("%s\n", err.text);
    const bool same = opened && same_arrays(a, b);
    safetensors_close(a);
    safetensors_close(b);
    return same;
}

double relative_error(const float *a, const float *b, size_t n)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)b[i] * b[i];
    }
    return sqrt(difference) / (size > 0 ? sqrt(size) : 1);
}

void expect_near_at(double got, double expected, double tolerance, const char *file, int line)
{
    if (!(fabs(got - expected) <= tolerance)) {
        print_error("%.17g is not %.17g +- %g\n", got, expected, tolerance);
        _fail(file, line);
    }
}
