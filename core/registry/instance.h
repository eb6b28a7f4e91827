/* One component at work: its bound hyperparameters and its side of the host's services. */
#ifndef ASSAY_CORE_REGISTRY_INSTANCE_H
#define ASSAY_CORE_REGISTRY_INSTANCE_H

#include "base/arena.h"
#include "base/rng.h"
#include "registry/registry.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct instance instance;

/* What a plugin's calls to the host lead to, where that is another room's business. */
typedef struct instance_hooks {
    void *self;
    void (*metric)(void *self, instance *i, uint64_t i_metric, uint64_t i_tensor, double value);
    int (*inner_update)(void *self, instance *outer, instance *inner, const assay_step *step,
        const assay_span *spans, uint64_t n, uint64_t stride);
} instance_hooks;

/* Why a callback failed, as host->fail said. */
typedef struct report {
    pthread_t thread; /* that the callback runs on */
    int code; /* ASSAY_OK: nothing was said */
    const char *hyper; /* a copy in text's storage, or NULL */
    char text[512];
    struct report *next;
} report;

struct instance {
    assay_ctx ctx; /* first member: what the plugin holds is this */
    const component *component;
    void *hyper; /* as bound; hypers.bytes, at least 8 */
    const value *block; /* where it came from */
    const char *label; /* `optimizer "lion" (lion 0.1.0, ./lion.so)` */
    arena memory;
    rng random;
    registry *registry;
    instance_hooks hooks; /* zero: metric is dropped, inner_update is an error */
    instance **nested; /* NULL-terminated, or NULL */
    bool is_created;
    double *state; /* [n_state], of a schedule: zero at first; what inner_factor hands it, and what
                      a checkpoint of whoever nests it must keep */
    size_t n_state;
    arena scratch; /* of calls without a team; given back by instance_status */
    pthread_mutex_t lock; /* guards the reports: callbacks may fail on several threads */
    atomic_bool was_refused; /* a service that returns no code refused: see instance_code */
    report reports; /* one per thread that has failed; those that were taken are used again */
};

/* Makes an instance from a config block: a group with `type`, or a string that is the type (it
 * becomes a group in the tree). `reserved`: further keys of the block that the host reads
 * (NULL-terminated, may be NULL). `purpose` separates the random numbers of instances
 * ("layer/drop1"). Binds, then calls the kind's `validate`; and `create` where the kind has one. */
status instance_new(registry *r, config *c, const char *kind, value *block,
    const char *const *reserved, uint64_t seed, const char *purpose, instance **out,
    error *err) MUST_CHECK;

/* The same for one of several that the config tells apart: messages begin with `title` (`model[2]: layer "last" (dense)`)
 * instead of kind and id. NULL: as instance_new. */
status instance_new_titled(registry *r, config *c, const char *kind, value *block,
    const char *const *reserved, uint64_t seed, const char *purpose, const char *title,
    instance **out, error *err) MUST_CHECK;
void instance_free(instance *i);

/* Turns what a callback returned into a status. ASSAY_OK gives OK. Otherwise the message is
 * composed from what the plugin reported on this thread: `x.cfg:14: optimizer "lion" (lion 0.1.0, ./lion.so):
 * beta1: must be below beta2`; `op` names the callback when it reported nothing. Clears the report.
 */
status instance_status(instance *i, int code, const char *op, error *err) MUST_CHECK;

/* What a callback returned; or, where it returned ASSAY_OK although a service on this thread refused what it asked for (a product of
 * impossible sizes), the code of that. */
int instance_code(instance *i, int code);

/* The code by which a plugin hears of a status: instance_status turns it back into the same one, and ASSAY_E_INTERNAL where the
 * ABI has no word for it into E_PLUGIN. */
int instance_code_of(status st);

/* The nested instance behind a COMPONENT hyperparameter's handle. */
instance *instance_of(const assay_instance *handle);

/* The place of a REAL hyperparameter in a struct of this component; NULL when there is none of that
 * name and type. */
double *hyper_real_at(const component *c, void *hyper, const char *name);

/* The optional callbacks of every kind lie at different offsets; these reach them by kind. */
int component_validate(instance *i);

#endif
