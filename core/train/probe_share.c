/* How much of the tensors probes look at, where the config leaves it open.
 *
 * What a step and a probe take is estimated from their sizes, in nanoseconds of a core with AVX-512 and its data in the second and third
 * level of cache. The estimates were fitted to a 784-256-128-10 network with sgd, adagrad and adam at batches of 1 to 256
 * (tests/bench/probe_cost.c), and are to be right in their ratio alone: a slower machine takes longer for both. Replicas are
 * supposed to run at once, which is the less favourable case. No time is ever measured: what is recorded must not
 * depend on what else a machine does. */
#include "train/probe.h"

static const double budget_share = 0.016; /* of 2 %: the rest is margin */
static const double smallest_share = 1.0 / 64;

static const double mac_ns = 0.02; /* forward and backward, per multiply-add of the forward pass */
static const double update_param_ns = 0.09, update_slot_ns = 0.06; /* the weights' passes, too */

static const double record_ns = 10e3, tensor_ns = 5e3; /* formatting, histograms */
static const double sum_param_ns = 0.6, sum_slot_ns = 0.14, part_ns = 0.3; /* of everything */
static const double take_param_ns = 1.8, take_slot_ns = 0.3,
                    take_part_ns = 0.6; /* of a share, and what the copies push out of the cache */

static double step_ns(const probe_load *l)
{
    return mac_ns * l->macs / (double)l->n_replicas + update_param_ns * l->n_params +
        update_slot_ns * l->n_slots;
}

static double fixed_ns(const probe_load *l)
{
    return record_ns + tensor_ns * (double)l->n_tensors;
}

/* Replicas' own gradients are looked at where there are several. */
static double parts(const probe_load *l)
{
    return l->n_replicas > 1 ? l->n_params * (double)l->n_replicas : 0;
}

static double whole_ns(const probe_load *l)
{
    return fixed_ns(l) + sum_param_ns * l->n_params + sum_slot_ns * l->n_slots + part_ns * parts(l);
}

static double sample_ns(const probe_load *l, double share)
{
    return fixed_ns(l) +
        share * (take_param_ns * l->n_params + take_slot_ns * l->n_slots + take_part_ns * parts(l));
}

double probe_share_auto(const probe_load *l)
{
    const double most = budget_share * (double)l->every * step_ns(l);
    double share = 1;
    if (whole_ns(l) <= most) {
        return share;
    }
    do {
        share /= 2;
    } while (share > smallest_share && sample_ns(l, share) > most);
    return share;
}
