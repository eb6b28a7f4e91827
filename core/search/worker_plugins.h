/* The plugins that workers may load: looked for once, in the fork server, for all procedures that ask for them by these functions. */
#ifndef ASSAY_CORE_SEARCH_WORKER_PLUGINS_H
#define ASSAY_CORE_SEARCH_WORKER_PLUGINS_H

#include "registry/registry.h"
#include "sandbox/sandbox.h"

/* procedure.prepare and .release: plugins by their .assay_info, and leave to read the folders that they lie in. */
status worker_plugins_find(server_setup *s, void **out, error *err) MUST_CHECK;
void worker_plugins_forget(void *prepared);

/* In a worker: what was found. From here on warnings of the registry go to the worker's log. */
registry *worker_plugins_take(const worker_io *io);

#endif
