/* Which files a worker may reach. */
#ifndef ASSAY_CORE_SANDBOX_LANDLOCK_H
#define ASSAY_CORE_SANDBOX_LANDLOCK_H

#include "base/error.h"

/* The kernel's Landlock ABI, from 1; 0: it has none, or it is not switched on. */
int landlock_abi(void);

/* A ruleset that forbids everything the kernel's Landlock knows of, close-on-exec. */
status landlock_new(int *out_fd, error *err) MUST_CHECK;

/* Except reading this file, or what lies below this folder. A path that is not there is passed over. */
status landlock_allow_read(int fd, const char *path, error *err) MUST_CHECK;

/* For the calling process, for ever. It must have no_new_privs set. */
status landlock_enter(int fd, error *err) MUST_CHECK;

#endif
