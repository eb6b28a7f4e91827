/* What a worker's last moment leaves on its status page. */
#ifndef ASSAY_CORE_SANDBOX_FATAL_H
#define ASSAY_CORE_SANDBOX_FATAL_H

#include "sandbox/wire.h"

/* An array of worker_guarded: the array ends at the page behind, [page_after, page_after + bytes of a page). */
typedef struct guarded_array {
    char name[NAME_BYTES];
    unsigned char *before, *begin, *end,
        *after; /* guard page, first byte, one behind the last, guard page */
} guarded_array;

enum { MOST_GUARDED = 64, FATAL_STACK_BYTES = 65536 };

/* Lies at the bottom of the alternate signal stack, where the handler finds it without any variable of the program's. */
typedef struct fatal_context {
    uint64_t magic;
    status_page *page;
    int maps_fd; /* /proc/self/maps, open */
    int first; /* the signal that is being handled */
    size_t n_guarded;
    guarded_array guarded[MOST_GUARDED];
} fatal_context;

/* Sets up the alternate stack of the calling thread and handlers for SEGV, BUS, FPE, ILL, ABRT and SYS: they write signal,
 * address and place to the page, and let the process die by that signal. NULL and `err`: it did not work. */
fatal_context *fatal_watch(status_page *page, int maps_fd, error *err);

/* Once in the fork server: loads what the handlers need. */
void fatal_warm_up(void);

#endif
