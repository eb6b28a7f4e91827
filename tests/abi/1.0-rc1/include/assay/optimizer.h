/* Optimizers. Give the weakest tier that suffices; the host supplies threads, clipping, the schedule, L2, memory for
 * state and its checkpoints.
 *
 *   elem    any chunk of a tensor, chunks run concurrently; optionally after a reduce phase
 *   tensor  a whole tensor at a time, tensors run concurrently
 *   model   all tensors of the group at once, with a closure that evaluates the loss anew
 *
 * One update of a group:  reduce on every chunk -> sums added in fixed order -> combine -> elem on every chunk (tensor on every
 * tensor; model).
 *
 * A life:  validate -> create -> accept each tensor -> [load] -> (an update | eval_weights | save)* -> destroy
 *
 * An update must not depend on how a tensor is cut into chunks, nor on the order or the threads in which they come: draw random
 * numbers by element, take sums by reduce (whose last bits may differ with the cut). It depends on hyper, step, span, slots and
 * what save and load carry over alone: what it would keep elsewhere is lost when a run resumes.
 */
#ifndef ASSAY_OPTIMIZER_H
#define ASSAY_OPTIMIZER_H

#include "abi.h"
#include "hyper.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* assay_slot.shape, for a tensor of rows x cols. */
#define ASSAY_SLOT_SAME 0u /* like the tensor; a span gets the part that belongs to it */
#define ASSAY_SLOT_ROWS 1u /* [rows] */
#define ASSAY_SLOT_COLS 2u /* [cols] */
#define ASSAY_SLOT_ROWS_ROWS 3u /* [rows, rows] */
#define ASSAY_SLOT_COLS_COLS 4u /* [cols, cols] */
#define ASSAY_SLOT_SCALAR 5u /* one float per tensor */
#define ASSAY_SLOT_MODEL \
    6u /* one double per group, at assay_step.global; assay_span.slot has NULL in its place */

/* assay_slot.flags, none of them for MODEL */
#define ASSAY_SLOT_MATRICES 1u /* only tensors of two or more dimensions have it */
/* One for each of assay_tensor.blocks, one after another: ROWS is [blocks, rows], ROWS_ROWS [blocks, rows, rows],
 * COLS_COLS [blocks, cols / blocks, cols / blocks], SCALAR [blocks]; SAME and COLS are what they are without it. */
#define ASSAY_SLOT_PER_BLOCK 2u
/* Needed within one update alone (a copy of weights that are moved and put back): it holds anything when an update begins and is
 * not in checkpoints. */
#define ASSAY_SLOT_SCRATCH 4u

/* State that the host owns: allocated at the start, handed to each callback, checkpointed by tensor and slot name. The
 * pointer to one that does not exist is NULL. */
typedef struct assay_slot {
    const char *name;
    uint64_t shape;
    double init; /* first value of every element */
    /* An INT hyperparameter that says how many of it there are: a history; NULL: one. They lie one after another, each as large as
     * one alone: item i of a SAME slot at slot + i * assay_span.slot_stride, of ROWS at slot + i * rows, of ROWS with PER_BLOCK
     * at slot + i * blocks * rows. Not for MODEL. */
    const char *times;
    /* A BOOL, INT, ENUM or REAL hyperparameter; where it is 0 the slot does not exist. NULL: it always does. Schedules
     * multiply, so none brings a 0 to life. Not for MODEL. */
    const char *when;
    /* An INT hyperparameter: of a tensor with more rows (of a ROWS or ROWS_ROWS slot) or columns (COLS, COLS_COLS; of one block
     * with PER_BLOCK) than this the slot does not exist. NULL: no limit. */
    const char *limit;
    uint64_t flags; /* ASSAY_SLOT_... */
} assay_slot;

/* A number that the component reports by host->metric, at any update; the records of metrics.jsonl hold the last value as
 * "optimizer.<name>" or "optimizer.<name>.<tensor>". */
typedef struct assay_metric_row {
    const char *name, *doc;
    uint64_t per_tensor; /* 1: one value per tensor; 0: one for the model */
} assay_metric_row;

/* A fact: under these settings the optimizer is another one. `assay plugin check` gives both the same gradients and compares
 * where they lead; a study asks it whether a search space contains the baseline. */
typedef struct assay_special_case {
    const char *of; /* id of the other optimizer: "sgd" */
    const char *when; /* own settings as in a config: "weight_decay = 0.0;" */
    /* Settings of the other. Hyperparameters that both have by the same name and neither text sets have the same value. */
    const char *as;
    uint64_t
        after; /* updates before they agree (a correction that dies out); compared from equal weights then */
    double tolerance; /* of the way from the first weights, relative, in norm; 0: the same bits */
    const char *doc; /* why: "as eps grows the denominator becomes a constant" */
} assay_special_case;

/* What holds for the whole update. */
typedef struct assay_step {
    uint64_t struct_size;
    uint64_t t; /* this update's number, from 1 */
    double loss; /* of the batch whose gradient this is, L2 included */
    const double *sums; /* [n_sums] over the group, after reduce; NULL in reduce */
    double *
        global; /* one per MODEL slot, in order and not counting the other slots; write in combine and model only */
    /* A stream for random numbers of the update as a whole, new at every update, with draw + k for k below 4096 as further ones.
     * For numbers of elements take span->draw. */
    uint64_t draw;
    uint64_t n_tensors; /* in the group */
    uint64_t n_elements; /* in the group */
    double clip; /* what clip_norm has multiplied the gradient by; 1: it was short enough */
} assay_step;

/* A stretch of one tensor. In the tensor and model tiers begin is 0 and n is the tensor's size. */
typedef struct assay_span {
    uint64_t struct_size;
    const assay_tensor *tensor;
    uint64_t begin, n; /* elements [begin, begin + n) of the tensor */
    float *w; /* [n] weights, read and written */
    const float *g; /* [n] gradient of the objective, clipped */
    float *const *
        slot; /* one pointer per declared slot: SAME slots at `begin` (times: item i at slot + i * slot_stride),
                           others whole */
    uint64_t
        slot_stride; /* floats from one item of a SAME slot with `times` to the next: the tensor's size */
    const double *sums; /* [n_sums] over this tensor, after reduce; NULL in reduce */
    const void *hyper; /* the author's struct for this tensor: with its layer's lr_scale */
    uint64_t draw; /* as step->draw, for this tensor alone: index by element, from `begin` on */
} assay_span;

/* Span i of those that `model` gets, which lie `stride` bytes apart. */
static inline const assay_span *assay_span_at(const assay_span *spans, uint64_t i, uint64_t stride)
{
    return (const assay_span *)(const void *)((const char *)spans + i * stride);
}

/* assay_closure.evaluate flags */
#define ASSAY_CLOSURE_GRADIENT 1u /* write the gradient into the spans' g, too */
#define ASSAY_CLOSURE_FRESH_BATCH \
    2u /* the next batch instead of the current one; of streams with the states of the current one */
#define ASSAY_CLOSURE_FRESH_DRAWS 4u /* new dropout masks instead of the current ones */

/* Evaluates the objective, L2 included, at the weights as they now stand in the spans. With GRADIENT the spans' g is
 * overwritten by the new gradient, clipped by its own norm; what you still need of the old one, keep first. The loss may come
 * out infinite or NaN. Every call is counted in every budget; it moves neither carried state nor running statistics nor
 * counters. */
typedef struct assay_closure {
    uint64_t struct_size;
    void *host_data;
    int (*evaluate)(const struct assay_closure *closure, uint64_t flags, double *out_loss);
} assay_closure;

typedef struct assay_optimizer {
    uint64_t struct_size;

    /* REQUIRED: exactly one of these. `hyper` is the author's struct with the schedule and the layer's lr_scale applied; in `model`
     * and `combine`, which see several layers at once, it is without lr_scale, which span->hyper has.
     * elem writes w and the SAME slots of its span and nothing else: the other slots are shared by the chunks of a tensor.
     * tensor and model write all slots of the tensors that they are given. */
    int (*elem)(assay_ctx *ctx, const void *hyper, const assay_step *step,
        const assay_span *span); /* [worker] */
    int (*tensor)(assay_ctx *ctx, const void *hyper, const assay_step *step,
        const assay_span *span); /* [worker] */
    int (*model)(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *spans,
        uint64_t n, uint64_t stride, const assay_closure *closure); /* [control] */

    /* OPTIONAL */
    const assay_slot *slots;
    uint64_t n_slots, slot_stride;

    /* Cross-field rules. [control], once, after binding. */
    int (*validate)(assay_ctx *ctx, const void *hyper);

    /* Before elem, and only with it: adds this chunk's share to sums[n_sums], zeroed by the host. It is called once for every
     * chunk and may write the chunk's SAME slots (moments that the sums are made of), but not w. [worker] */
    uint64_t n_sums;
    int (*reduce)(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span,
        double *sums);
    /* Once per update, before elem, tensor or model; after reduce where there is one, with step->sums, which is NULL where there is
     * none. May write step->global. [control] */
    int (*combine)(assay_ctx *ctx, const void *hyper, const assay_step *step);

    /* Where to evaluate, if not at w: writes out[n], from w, slots and step->global, and changes none of them. step->t counts
     * updates done: at 0, before the first, it gives w; loss is 0, sums are NULL, g is not to be read. Absent: at w. [worker] */
    int (*eval_weights)(assay_ctx *ctx, const void *hyper, const assay_step *step,
        const assay_span *span, float *out);

    /* Numbers it reports by host->metric. */
    const assay_metric_row *metrics;
    uint64_t n_metrics, metric_stride;

    /* The escape hatch for state that no slot can hold: create makes it (ctx->self), destroy frees it; save gives the
     * bytes needed with buffer NULL, else writes them; load reads them. All four or none. [control] */
    int (*create)(assay_ctx *ctx, const void *hyper);
    void (*destroy)(assay_ctx *ctx);
    int (*save)(assay_ctx *ctx, void *buffer, uint64_t *bytes);
    int (*load)(assay_ctx *ctx, const void *buffer, uint64_t bytes);

    /* Whether it can update this tensor: once for each, when the model is planned and before any step; fails by host->fail with a
     * message that names the remedy ("is for matrices: give this tensor to another optimizer by `match`"). Absent: it takes
     * all. [control] */
    int (*accept)(assay_ctx *ctx, const void *hyper, const assay_tensor *tensor);

    const assay_special_case *special_cases;
    uint64_t n_special_cases, special_case_stride;
} assay_optimizer;

#ifdef __cplusplus
}
#endif

#endif
