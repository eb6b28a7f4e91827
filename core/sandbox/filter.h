/* Which system calls a worker may make: the two seccomp filters, as readable tables turned into BPF. */
#ifndef ASSAY_CORE_SANDBOX_FILTER_H
#define ASSAY_CORE_SANDBOX_FILTER_H

#include "base/error.h"

#include <stdbool.h>

typedef enum filter_stage {
    FILTER_LOADING, /* stage A: an allow-list with which plugins can be loaded and files be read */
    FILTER_RUNNING, /* stage B, on top of it: no file, no new code */
} filter_stage;

/* Whether the tables know this processor's system calls. */
bool filter_knows_architecture(void);

/* Whether the kernel takes filters. */
bool filter_is_possible(void);

/* Installs it for the calling process, for ever. `pid` is the process's own: signals may go to it alone; may_thread: threads
 * can be made. E_UNSUPPORTED: the kernel refused. */
status filter_install(filter_stage stage, int pid, bool may_thread, error *err) MUST_CHECK;

#endif
