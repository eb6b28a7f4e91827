/* A probe: every so many steps, what the tensors, their gradients and updates look like. A probed step gives the same bits as any
 * other: the probe reads what the step makes anyway, where it is made. */
#ifndef ASSAY_CORE_TRAIN_PROBE_H
#define ASSAY_CORE_TRAIN_PROBE_H

#include "base/record.h"
#include "num/team.h"
#include "train/objective.h"
#include "train/optimizer.h"

typedef struct probe probe;

typedef struct probe_options {
    uint64_t every; /* steps */
    double share; /* of the tensors that is looked at; 0: probe_share_auto */
    double macs; /* multiply-adds of a step's forward pass */
    double l2, clip_value; /* of the objective */
} probe_options;

/* The largest share with which a probe is expected to cost less than 2 % of `every` steps, one of 1, 1/2, 1/4 ... 1/64: a function of the
 * run's sizes alone, so that a config records the same everywhere. (probe_share.c) */
typedef struct probe_load {
    uint64_t every;
    double macs; /* multiply-adds of a step's forward pass */
    double n_params, n_slots; /* numbers */
    size_t n_tensors, n_replicas;
} probe_load;

double probe_share_auto(const probe_load *l);

/* Lays out everything, in the optimizer too. What it is made of is borrowed. */
status probe_new(objective *o, optimizer *by, team *t, const probe_options *options, probe **out,
    error *err) MUST_CHECK;
void probe_free(probe *p);

/* Of a step, in this order. */
bool probe_is_due(const probe *p, uint64_t step);
void probe_begin(probe *p, uint64_t step); /* before its gradient */
void probe_add(probe *p, const batch *b); /* each batch of it, after it has run */
void probe_look(probe *p); /* the gradient is made, the update is not */
void probe_end(probe *p, double denominator, float clip_scale); /* the update is made */

/* The numbers of the last probed step, once; none: 0. */
size_t probe_take(probe *p, const record_value **out);

#endif
