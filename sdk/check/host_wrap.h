/* A host whose memory runs out when a test wants it to. */
#ifndef ASSAY_SDK_CHECK_HOST_WRAP_H
#define ASSAY_SDK_CHECK_HOST_WRAP_H

#include "registry/instance.h"

#include <stdatomic.h>

/* Stands between an instance and its host: ctx->host is `table`, a copy of the host's. host->alloc and host->scratch are counted;
 * the call number `fail_at` (from 1) gives NULL, and so do all after it. */
typedef struct host_wrap {
    assay_host table; /* first member: what the plugin sees */
    const assay_host *own;
    instance *instance;
    atomic_uint_fast64_t n_calls;
    uint64_t fail_at; /* 0: none fails */
} host_wrap;

/* The wrap must outlive its stay, and so must not move. Nested instances keep the host that they have. */
void host_wrap_begin(host_wrap *w, instance *i);
void host_wrap_end(host_wrap *w);

/* Counts anew, and lets the k-th call fail. */
void host_wrap_fail_at(host_wrap *w, uint64_t k);

uint64_t host_wrap_calls(host_wrap *w);
bool host_wrap_has_failed(host_wrap *w);

#endif
