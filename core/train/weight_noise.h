/* Noise on the weights while a gradient is taken: Gaussian, of fixed deviation, new for every update, on every trained
 * number. The update is made to the weights without it.
 *
 * Graves 2011, "Practical variational inference for neural networks", section 5; Chung et al. 2014 train music models with a
 * deviation of 0.075. */
#ifndef ASSAY_CORE_TRAIN_WEIGHT_NOISE_H
#define ASSAY_CORE_TRAIN_WEIGHT_NOISE_H

#include "base/rng.h"
#include "model/model.h"
#include "num/team.h"

typedef struct weight_noise {
    model *m;
    team *team;
    rng random;
    float deviation; /* 0: none */
    float *clean; /* [n_flat] the weights without it */
    uint64_t draw; /* of the pass under way */
} weight_noise;

status weight_noise_init(weight_noise *n, arena *a, model *m, team *t, double deviation,
    uint64_t seed, error *err) MUST_CHECK;

/* Puts the weights aside and adds noise that is a function of (seed, draw) alone; what layers prepare is then out of date. */
void weight_noise_add(weight_noise *n, uint64_t draw);
void weight_noise_remove(weight_noise *n);

#endif
