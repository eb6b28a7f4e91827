/* What exponential means that start at 0 lack: after t updates they hold the share 1 - beta^t of what they would hold. */
#ifndef ASSAY_PLUGINS_OPTIMIZER_SHARED_BIAS_H
#define ASSAY_PLUGINS_OPTIMIZER_SHARED_BIAS_H

#include <math.h>

/* 1 - beta^t to the bit, without pow where that rounds to 1: beta^t <= e^(-t (1 - beta)), and e^-38 < 2^-54. Asked once per
 * chunk, the two powers of Adam would be a seventh of an update of a few thousand weights. */
static inline double share_seen(double beta, double t)
{
    return t * (1 - beta) > 38 ? 1 : 1 - pow(beta, t);
}

#endif
