/* What the parts of the optimizer rig share. Only sdk/check/optimizer_rig*.c include this. */
#ifndef ASSAY_SDK_CHECK_OPTIMIZER_RIG_INTERNAL_H
#define ASSAY_SDK_CHECK_OPTIMIZER_RIG_INTERNAL_H

#include "check/guard.h"
#include "check/optimizer_rig.h"

#include "base/arena.h"
#include "num/team.h"

#include <pthread.h>

enum { RIG_MAX_THREADS = 8 };

/* An array beside an inaccessible page, and what it must hold. */
typedef struct rig_block {
    guarded memory;
    char *shadow; /* [memory.bytes] as it was after the last write that was allowed */
    size_t each; /* bytes of an element: 4, 8; 1 for a struct of hyperparameters */
    const char *what; /* "gradient", "slot \"m\"" */
    const char *tensor; /* "" of none */
    struct rig_block *next;
} rig_block;

/* One declared slot under the settings at hand. */
typedef struct rig_slot {
    const char *name;
    const char *label, *quoted; /* "inner.m", `slot "inner.m"` */
    uint64_t shape, flags;
    size_t times;
    uint64_t limit; /* UINT64_MAX: none */
    bool exists;
    double init;
    size_t i_global;
} rig_slot;

/* An optimizer and its state: the one under test, or one nested in it. */
typedef struct rig_node {
    optimizer_rig *rig;
    instance *instance;
    const assay_optimizer *ops;
    const char *prefix; /* "" or "inner." */
    size_t n_slots, n_globals;
    rig_slot *slots;
    rig_block **slot; /* [n_tensors, n_slots], NULL where it does not exist */
    rig_block *globals; /* [n_globals] doubles */
    rig_block *hyper; /* without lr_scale */
    rig_block **hyper_of; /* [n_tensors] */
    float ***slot_room; /* [RIG_MAX_THREADS][n_slots] */
    double *piece_sums, *tensor_sums, *sums; /* piece_sums [n_pieces, n_sums] of the update */
    size_t n_piece_sums;
    rig_block *sum_room; /* [n_sums] what one call of reduce adds to */
    size_t n_nested;
    struct rig_node *nested;

    /* of the update under way */
    assay_step step;
    float **w; /* [n_tensors] where the weights lie, and */
    const float **g; /* the gradients; of an inner one as the outer one says */
    size_t failed_piece;
    error failed;
} rig_node;

typedef struct rig_piece {
    size_t i_tensor;
    size_t begin, n;
} rig_piece;

typedef struct rig_scratch {
    guarded memory;
    struct rig_scratch *next;
} rig_scratch;

struct optimizer_rig {
    arena memory;
    const specimen *specimen;
    size_t n_all; /* tensors as given */
    size_t *of_all; /* [n_all] place among those that it updates; SIZE_MAX: not accepted */
    rig_block **all_w, **all_g; /* [n_all] */
    size_t n; /* tensors that it updates */
    assay_tensor *tensor; /* [n] */
    size_t *all_of; /* [n] */
    double *lr_scale; /* [n] */
    size_t n_elements;
    rig_node root;
    rig_block *blocks; /* all of them */
    size_t block_bytes;

    team *team, *team_before;
    assay_host host; /* the instance's, with checks around it */
    const assay_host *host_before;
    rig_scratch *scratch[RIG_MAX_THREADS];
    pthread_mutex_t lock;
    char fault[512]; /* what a service noticed; "" for nothing */

    uint64_t t;
    const rig_update *update;
    const char *callback; /* that runs, for messages */
    bool is_worker; /* it is [worker] */
    bool checks_calls; /* each call by itself, and not the phase as a whole */
    size_t n_evaluations, n_scratch, n_metrics, n_random;
    double seconds; /* in callbacks, of the last update; of one thread */
    double reduce_seconds; /* of these, in reduce */
    size_t n_pieces;
    rig_piece *pieces;
    size_t piece_room;
};

/* -- optimizer_rig_memory.c -- */

/* n zeros of `each` bytes; NULL when memory is out. */
rig_block *block_new(
    optimizer_rig *r, size_t n, size_t each, const char *what, const char *tensor, guard_side side);
void blocks_free(optimizer_rig *r);

/* All that has been written is as it should be. */
void blocks_accept(optimizer_rig *r);
/* The same of [at, at + bytes), if that is in a block. */
void blocks_accept_range(optimizer_rig *r, const void *at, size_t bytes);

/* Whether the known bytes beside every array are as they were; else E_PLUGIN. */
status blocks_check_borders(const optimizer_rig *r, const char *who, error *err) MUST_CHECK;

/* Whether everything is as it should be; else E_PLUGIN: `who` wrote what it must not. */
status blocks_check(
    const optimizer_rig *r, const char *who, const char *rule, error *err) MUST_CHECK;

/* -- optimizer_rig_host.c -- */

void rig_host_open(optimizer_rig *r);
void rig_host_close(optimizer_rig *r);
void rig_scratch_free(optimizer_rig *r, size_t worker);
/* Notes what the plugin did wrong; the first counts. */
void rig_fault(optimizer_rig *r, const char *format, ...) PRINTF_LIKE(2, 3);

/* -- optimizer_rig_update.c -- */

int rig_inner_update(void *self, instance *outer, instance *inner, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride);

#endif
