/* Values in double, at weights and into gradients in float. */
#include "support/valley.h"

#include "check/optimizer_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[VALLEY_TENSORS] = { "matrix", "vector" };

void valley_open(valley *v, const char *golden_folder, const char *name)
{
    char key[64];
    memset(v, 0, sizeof *v);
    v->file = golden_open_in(golden_folder, name);
    for (size_t i = 0; i < VALLEY_TENSORS; i++) {
        snprintf(key, sizeof key, "k.%s", names[i]);
        v->k[i] = golden_f32(v->file, key, &v->n[i]);
        snprintf(key, sizeof key, "c.%s", names[i]);
        v->c[i] = golden_f32(v->file, key, NULL);
        snprintf(key, sizeof key, "u.%s", names[i]);
        v->u[i] = golden_f32(v->file, key, NULL);
        snprintf(key, sizeof key, "w0.%s", names[i]);
        v->w0[i] = golden_f32(v->file, key, NULL);
        assert_in_range(v->n[i], 1, VALLEY_MOST);
    }
}

void valley_close(valley *v)
{
    golden_close(v->file);
}

double valley_loss(
    void *self, const float *const *w, float *const *g, uint64_t evaluation, bool fresh)
{
    valley *v = self;
    double along = 0, sum = 0;
    (void)evaluation;
    (void)fresh;
    v->n_evaluations++;
    for (size_t i = 0; i < VALLEY_TENSORS; i++) {
        memcpy(v->seen[i], w[i], v->n[i] * sizeof(float));
        for (size_t j = 0; j < v->n[i]; j++) {
            along += (double)v->u[i][j] * w[i][j];
            sum += v->k[i][j] * log(cosh((double)w[i][j] - v->c[i][j]));
        }
    }
    for (size_t i = 0; g && i < VALLEY_TENSORS; i++) {
        for (size_t j = 0; j < v->n[i]; j++) {
            g[i][j] = (float)(v->k[i][j] * tanh((double)w[i][j] - v->c[i][j]) + v->u[i][j] * along);
        }
    }
    return sum + along * along / 2;
}

void valley_optimizer(
    valley *v, optimizer_harness *o, const char *build_folder, const char *id, const char *options)
{
    const rig_tensor tensors[VALLEY_TENSORS] = {
        { .name = "valley.matrix",
            .shape = { .n_dims = 2, .dim = { v->n[0] / 5, 5 } },
            .role = ASSAY_ROLE_WEIGHT },
        { .name = "valley.vector",
            .shape = { .n_dims = 1, .dim = { v->n[1] } },
            .role = ASSAY_ROLE_BIAS },
    };
    optimizer_open_tensors(o, build_folder, id, options, tensors, VALLEY_TENSORS, v->w0);
    o->objective = valley_loss;
    o->objective_self = v;
}

void valley_update(valley *v, optimizer_harness *o)
{
    const float *w[VALLEY_TENSORS];
    float *g[VALLEY_TENSORS];
    const float *read[VALLEY_TENSORS];
    for (size_t i = 0; i < VALLEY_TENSORS; i++) {
        w[i] = optimizer_rig_weights(o->rig, i);
        read[i] = g[i] = v->g[i];
    }
    o->loss = valley_loss(v, w, g, 0, false);
    optimizer_update_tensors(o, read, OPTIMIZER_WHOLE);
}

/* |w - want| over |want - w0|. */
static double moved_error(const float *w, const double *want, const float *w0, size_t n)
{
    double rest = 0, way = 0;
    for (size_t i = 0; i < n; i++) {
        rest += pow((double)w[i] - want[i], 2);
        way += pow(want[i] - (double)w0[i], 2);
    }
    return sqrt(rest / way);
}

static void check_case(valley *v, const char *build_folder, const char *id, const optimizer_case *c)
{
    optimizer_harness o;
    valley_optimizer(v, &o, build_folder, id, c->options);
    const double *want[VALLEY_TENSORS];
    size_t n_all = 0;
    for (size_t i = 0; i < VALLEY_TENSORS; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s.%s", c->name, names[i]);
        want[i] = golden_f64(v->file, key, &n_all);
    }
    const size_t n_updates = n_all / v->n[VALLEY_TENSORS - 1];
    assert_in_range(n_updates, 20, 1000);
    for (size_t t = 0; t < n_updates; t++) {
        valley_update(v, &o);
        for (size_t i = 0; i < VALLEY_TENSORS; i++) {
            const float *w = optimizer_rig_weights(o.rig, i);
            const double *at = want[i] + t * v->n[i];
            const double off = norm_relative_error(w, at, v->n[i]);
            const double moved = moved_error(w, at, v->w0[i], v->n[i]);
            if (!(off <= 1e-5) || !(moved <= 1e-5)) {
                fail_msg("%s: %s.%s: update %zu: off by %g, the distance by %g", id, c->name,
                    names[i], t + 1, off, moved);
            }
        }
    }
    optimizer_close(&o);
}

void valley_check_golden(valley *v, const char *build_folder, const char *id,
    const optimizer_case *cases, size_t n_cases)
{
    for (size_t i = 0; i < n_cases; i++) {
        check_case(v, build_folder, id, &cases[i]);
    }
}
