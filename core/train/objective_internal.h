/* The objective's inside. Only core/train/objective*.c include this. */
#ifndef ASSAY_CORE_TRAIN_OBJECTIVE_INTERNAL_H
#define ASSAY_CORE_TRAIN_OBJECTIVE_INTERNAL_H

#include "train/carried.h"
#include "train/objective.h"

/* A stretch of one trainable tensor in the flat buffers. */
typedef struct stretch {
    size_t begin, n;
    bool decays; /* L2 applies */
} stretch;

struct objective {
    arena memory;
    model *m;
    const dataset *data;
    instance *loss;
    const assay_loss *loss_ops;
    const void *loss_hyper;
    team *team;
    objective_options options;
    replica **replicas;
    size_t n_stretches;
    stretch *stretches;
    double *squares, *weight_squares; /* [n_stretches] */
    const float **parts; /* [n_replicas] gradients that hold something */
    size_t n_parts;
    const replica **sources; /* [n_replicas] whose they are */
    bool *wrote; /* [n_replicas] since objective_begin */
    double *sums; /* [n_replicas] loss sums of the batch under way */
    double *bounds; /* [n_replicas] of a gradient in pieces */
    status *st; /* [n_replicas] */
    error *errors; /* [n_replicas] */
    double denominator, loss_sum;
    bool in_pieces;
    carried trained, judged; /* streams: what is carried in training and in evaluation */
    const float ***carry_in; /* [n_replicas][m->n_carry] of the pass under way */
    float ***carry_out;
    /* of the pass under way */
    batch batch; /* a copy: its arrays stay until the batcher's next one, to be named in blame */
    uint64_t draw;
    bool gradient;
    objective_visitor visit;
    void *visit_self;
    void (*look)(void *self); /* at the end of a gradient; NULL: nobody */
    void *look_self;
    uint64_t passes;
    const observer *observer; /* NULL: nobody looks */
};

#endif
