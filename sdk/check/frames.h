/* The frames on the calling thread's stack. For signal handlers: once the unwinder is found nothing is allocated. */
#ifndef ASSAY_SDK_CHECK_FRAMES_H
#define ASSAY_SDK_CHECK_FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <unwind.h>

/* The compiler's, in a library that the program itself need not link; NULL where there is none. */
typedef struct unwinder {
    _Unwind_Reason_Code (*backtrace)(_Unwind_Trace_Fn, void *);
    uintptr_t (*address_of)(struct _Unwind_Context *, int *);
} unwinder;

void unwinder_find(unwinder *out);

/* Visits from the innermost frame on, through what a signal has interrupted: an address inside of each one's instruction, or of
 * the call that it waits for. */
void unwinder_walk(const unwinder *u, void (*visit)(void *self, const void *address), void *self);

#endif
