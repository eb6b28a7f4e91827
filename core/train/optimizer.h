/* The optimizers of a run: parameter groups, their state, and one update of all weights.
 *
 * The config's `optimizer` is a block, or a list of blocks with `match`; the first that matches a tensor gets it. State is
 * what the plugin declared as slots; this room owns it. An update is the same to the bit for any number of threads: sums
 * are taken per chunk and added in the order of the chunks. */
#ifndef ASSAY_CORE_TRAIN_OPTIMIZER_H
#define ASSAY_CORE_TRAIN_OPTIMIZER_H

#include "base/record.h"
#include "model/model.h"
#include "model/safetensors.h"

typedef struct optimizer optimizer;

/* The keys of an optimizer that are the host's. */
extern const hyper_table optimizer_table;
extern const char *const optimizer_keys[]; /* their names, NULL-terminated */

/* `g` is the flat gradient that updates read (and scale in place). */
status optimizer_new(
    registry *r, config *c, value *block, uint64_t seed, optimizer **out, error *err) MUST_CHECK;

/* Gives tensors to groups and lays out their state. Once, after model_plan. */
status optimizer_plan(optimizer *o, model *m, float *g, team *t, error *err) MUST_CHECK;
void optimizer_free(optimizer *o);

/* What one update is told. */
typedef struct update {
    uint64_t t; /* its number, from 1 */
    double loss; /* of the batch, L2 included */
    float scale; /* every gradient is multiplied by this first (clipping) */
    status (*evaluate)(void *self, uint64_t flags, double *out_loss, error *err); /* the closure */
    void *evaluate_self;
    /* Where the gradient, all finite, is made stretch by stretch, as it is used; NULL: it lies in `g` as a whole. Only for optimizers of
     * which optimizer_takes_pieces holds. */
    const float *(*stretch)(void *self, size_t i_tensor, size_t begin, size_t n, float *room);
    bool (*is_whole)(void *self, size_t i_tensor); /* with `stretch`: this tensor's lies in `g` */
    void *stretch_self;
    bool probes; /* note what optimizer_probe_read tells; only after optimizer_probe_plan */
    bool wants_norm; /* with `stretch`: fill in squared_norm */
} update;

/* What an update made in pieces found. */
typedef struct update_finding {
    double squared_norm; /* of the gradient, where it was wanted */
} update_finding;

/* Whether every group updates chunk by chunk and looks at nothing else first. */
bool optimizer_takes_pieces(const optimizer *o);

status optimizer_update(optimizer *o, const update *u, update_finding *out, error *err) MUST_CHECK;

/* Whether some group evaluates elsewhere than at w; writes those weights (all of them) to out[n_flat]. */
bool optimizer_has_eval_weights(const optimizer *o);
status optimizer_eval_weights(optimizer *o, uint64_t t, float *out, error *err) MUST_CHECK;

/* What is told of a place that a schedule may drive: its base value, and its row with the valid range. */
typedef void (*hyper_visitor)(void *self, double *place, double base, const assay_hyper *row);

/* Places that a schedule may drive: every resolved copy of the REAL hyperparameter of that name in any group or nested
 * optimizer. Calls `each` for every place; returns how many there are. A row without ASSAY_SCHED is not found. */
size_t optimizer_find_hyper(optimizer *o, const char *name, hyper_visitor each, void *self);

/* Every real hyperparameter, as resolved, of who updates a tensor, and of the optimizers nested in it. A tensor beyond the last
 * stands for all optimizers. */
void optimizer_visit_hypers(const optimizer *o, size_t i_tensor,
    void (*each)(void *self, const char *component, const char *name, double value), void *self);

/* Every array of state, under "optimizer/<group>/<tensor>/<slot>", for checkpoints; data points into the state itself. */
size_t optimizer_n_arrays(const optimizer *o);
status optimizer_arrays(const optimizer *o, arena *a, array *out, error *err) MUST_CHECK;

/* The same places written from a file, by name. Also the plugin's own state where it has save and load. `check`: only sees
 * whether the file has it all. */
status optimizer_restore(optimizer *o, const safetensors *file, bool check, error *err) MUST_CHECK;

/* Seconds spent in updates. */
double optimizer_seconds(const optimizer *o);

/* What the optimizers report of themselves (host->metric), by name: "optimizer.d", "optimizer.trust.dense1.weight";
 * "optimizer.1.d" of the second block in the list where others report that, too, "optimizer.inner.d" of a nested one. Writes
 * them to out (room for optimizer_n_values) where it is not NULL; NaN before the first report. */
size_t optimizer_n_values(const optimizer *o);
void optimizer_values(const optimizer *o, record_value *out);

/* For people: "adam" or "adamw (4 tensors), sgd (2)". */
void optimizer_describe(const optimizer *o, text *t);

#endif
