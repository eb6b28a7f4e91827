/* The point where a model is evaluated, if that is not where it trains (eval_weights): its weights, and running statistics that
 * belong to them.
 *
 * Statistics are those of the inputs that layers see under the weights that are trained; under others they are wrong. So they are
 * taken anew: from where training has them, by forward passes in training mode over the first batches of the epoch, `recalibrate`
 * of them: by default as many as leave little of the old (a mean that keeps 0.9 of itself at every batch keeps half a per cent
 * after 50); none where the statistics of training are to stand. They are in buffers
 * of their own, and training goes on from its own as if nothing had been. Izmailov et al. 2018, "Averaging weights leads to wider
 * optima and better generalization", section 3.2, do so once at the end; a check judges a point that is fit to be used.
 *
 * The passes are a function of weights, buffers and epoch, so a resumed run makes the same ones; their samples are counted. */
#include "train/internal.h"

#include <string.h>

enum { MOST_DRY = 2 };

void swap_floats(float *a, float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

static void swap_points(trainer *t)
{
    swap_floats(t->model->w, t->eval_w, t->model->n_flat);
    swap_floats(t->model->b, t->eval_b, t->model->n_flat_buffers);
}

/* Carried states that the passes leave are dropped: the next update begins with those that the last one left. */
static status recalibrate(trainer *t, error *err)
{
    const uint64_t asked = (uint64_t)t->settings.train.recalibrate;
    const uint64_t n = t->options.dry_run && asked > MOST_DRY ? MOST_DRY : asked;
    status st = OK;
    objective_begin(t->objective, 1, false);
    for (uint64_t i = 0; i < n && st == OK; i++) {
        batch b;
        batcher_get(t->batches, t->at.epoch, (size_t)(i % t->n_batches), &b);
        st = objective_add(t->objective, &b, i, false, err);
        t->at.spent.samples_forward += b.n_samples;
    }
    return st;
}

status eval_point_enter(trainer *t, error *err)
{
    if (!t->eval_w) {
        return OK;
    }
    status st = optimizer_eval_weights(t->optimizer, t->at.step, t->eval_w, err);
    if (st != OK) {
        return st;
    }
    memcpy(t->eval_b, t->model->b, t->model->n_flat_buffers * sizeof(float));
    swap_points(t);
    st = model_prepare(t->model, false, err);
    if (st == OK && t->model->n_buffers > 0) {
        st = recalibrate(t, err);
    }
    return st == OK ? OK : eval_point_leave(t, st, err);
}

status eval_point_leave(trainer *t, status st, error *err)
{
    if (!t->eval_w) {
        return st;
    }
    swap_points(t);
    const status back = model_prepare(t->model, true, st == OK ? err : NULL);
    return st == OK ? back : st;
}
