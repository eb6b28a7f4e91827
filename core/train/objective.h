/* The objective and its gradient: replicas run the shards of a batch forward and backward, gradients are added in the order
 * of the replicas, L2 joins, values are clipped. How many threads run the replicas does not show in the result. */
#ifndef ASSAY_CORE_TRAIN_OBJECTIVE_H
#define ASSAY_CORE_TRAIN_OBJECTIVE_H

#include "data/batcher.h"
#include "model/replica.h"
#include "train/carried.h"

/* The longest stretch that a gradient is made in: fits the first cache beside the weights and state that it updates. */
enum { STRETCH_FLOATS = 4096 };

typedef struct objective objective;

typedef struct objective_options {
    size_t n_replicas;
    size_t max_batch, max_time; /* of the largest batch, training or evaluation */
    double l2, clip_value;
} objective_options;

/* `loss` and its resolved hyperparameters are borrowed; without a loss only objective_evaluate can be called. */
status objective_new(model *m, const dataset *d, instance *loss, const void *loss_hyper, team *t,
    const objective_options *o, objective **out, error *err) MUST_CHECK;
void objective_free(objective *o);

/* Begins a gradient: the next objective_add overwrites. `denominator` is what the losses of all batches to come are
 * divided by. With `in_pieces` the gradient is not put together at the end, but stretch by stretch where it is used
 * (objective_stretch), and weight gradients of the only batch to come may be left undone until then. */
void objective_begin(objective *o, double denominator, bool in_pieces);

/* Streams: the passes since objective_begin are those that count, whatever a closure runs after them; and the update is done, so
 * that the next begins with the state that they left. */
void objective_hold_carried(objective *o);
void objective_advance(objective *o);
/* The states before the next update, by name. */
carried *objective_carried(objective *o);

/* Whether nothing needs the gradient as a whole: neither L2 nor clipping of values. */
bool objective_allows_pieces(const objective *o);

/* One batch, forward and, with `gradient`, backward. Adds its loss to the sum. */
status objective_add(
    objective *o, const batch *b, uint64_t draw, bool gradient, error *err) MUST_CHECK;

/* Ends it: reduces the gradients into objective_gradient, adds L2, clips values. A gradient in pieces is made whole, too, where
 * an element of it might not be finite: nothing may be updated before that is known. */
typedef struct objective_value {
    double loss_sum; /* of the data, weighted, undivided */
    double denominator;
    double l2; /* l2/2 |w|^2 */
    double
        squared_norm; /* of the gradient after clip_value; not finite when some element is not; 0 where it is in pieces */
    bool in_pieces; /* to be had from objective_stretch, and finite */
} objective_value;

void objective_end(objective *o, bool gradient, objective_value *out);

/* Elements [begin, begin + n) of a tensor's gradient, to the same bits as the whole would have them; in `room` (n floats) or where
 * they lie already. A stretch is whole rows of the tensor wherever they fit one. [worker] */
const float *objective_stretch(
    const objective *o, size_t i_tensor, size_t begin, size_t n, float *room);

/* Whether a tensor's gradient, though in pieces, lies whole in objective_gradient. [worker] */
bool objective_is_whole(const objective *o, size_t i_tensor);

/* The whole gradient put together, to the same bits: g[n_flat], finite or not. For those who look at it; what was to be made in pieces
 * still is. */
void objective_gather(const objective *o, float *g);

/* Shows `by` everything that passes make from now on; NULL: nobody. */
void objective_observe(objective *o, const observer *by);
uint64_t objective_passes(const objective *o); /* begun so far: each is one batch */
const batch *objective_batch(const objective *o); /* of the last pass */

/* What the replicas have given, in their order, before it is added up: `look` is called at the end of every gradient, while each
 * replica's own still stands. objective_part is a stretch of the i-th, in `room` or where it lies. [worker] NULL: nobody looks. */
void objective_look(objective *o, void (*look)(void *self), void *self);
size_t objective_n_parts(const objective *o);
const float *objective_part(
    const objective *o, size_t i, size_t i_tensor, size_t begin, size_t n, float *room);

/* Of a batch of n samples replica i runs those from the i-th of these to the next: batches are made for that many shards. */
size_t objective_shard_begin(const objective *o, size_t n, size_t i);

/* The output of a layer for replica i's shard of the last batch; *out_n is 0 when it had none. */
const float *objective_layer_output(const objective *o, size_t i, size_t i_layer, size_t *out_n);

float *objective_gradient(objective *o); /* [n_flat] */
size_t objective_n_replicas(const objective *o);
model *objective_model(const objective *o);
instance *objective_loss_instance(const objective *o);

/* Runs a batch forward in evaluation mode and calls `each` for every replica's rows, concurrently, in its own slot i; `begin` is
 * the first of them among the batch's target rows. */
typedef void (*objective_visitor)(
    void *self, size_t i_replica, const assay_rows *rows, size_t begin);
status objective_evaluate(
    objective *o, const batch *b, objective_visitor each, void *self, error *err) MUST_CHECK;

/* The loss over rows, undivided; for evaluation. */
int objective_loss(objective *o, const assay_rows *rows, double *out_sum);

/* Names the first thing that is not finite: a weight, a layer's output, a gradient. Adds to t. */
void objective_blame(objective *o, text *t);

/* The same of the weights alone; false when all are finite. */
bool objective_blame_weights(const objective *o, text *t);

#endif
