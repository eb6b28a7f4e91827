/* The file's own objective, with an eye on what is asked of it. */
#include "support/valley.h"

#include "check/optimizer_rig.h"
#include "check/optimizer_trajectory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

void valley_open(valley *v, const char *id)
{
    memset(v, 0, sizeof *v);
    v->file = optimizer_golden(id);
    assert_true(v->file->has_objective);
    assert_int_equal(v->file->n_tensors, VALLEY_TENSORS);
    for (size_t i = 0; i < VALLEY_TENSORS; i++) {
        v->n[i] = v->file->size[i];
        v->w0[i] = v->file->w0[i];
        assert_in_range(v->n[i], 1, VALLEY_MOST);
    }
}

void valley_close(valley *v)
{
    trajectory_close(v->file);
}

double valley_loss(
    void *self, const float *const *w, float *const *g, uint64_t evaluation, bool fresh)
{
    valley *v = self;
    v->n_evaluations++;
    for (size_t i = 0; i < VALLEY_TENSORS; i++) {
        memcpy(v->seen[i], w[i], v->n[i] * sizeof(float));
    }
    return trajectory_objective(v->file, w, g, evaluation, fresh);
}

void valley_optimizer(
    valley *v, optimizer_harness *o, const char *build_folder, const char *id, const char *options)
{
    optimizer_open_tensors(o, build_folder, id, options, v->file->tensor, VALLEY_TENSORS, v->w0);
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
