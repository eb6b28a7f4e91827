/* What the services for nested components share. */
#ifndef ASSAY_CORE_REGISTRY_NESTED_H
#define ASSAY_CORE_REGISTRY_NESTED_H

#include "registry/instance.h"

#include <assay/search.h>

/* The instance behind a handle that `outer` was given; NULL when it is none of its own. */
instance *host_nested(const instance *outer, const assay_instance *handle);
/* What a nested instance reported becomes the outer one's report; `code`. */
int host_pass_on(instance *outer, instance *inner, int code, const char *op);
/* Of strategies that hold others. (inner_search.c) */
const assay_inner_search *host_inner_search(void);

#endif
