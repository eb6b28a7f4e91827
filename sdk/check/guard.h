/* What a callback must leave alone, and how it shows when it does not: memory with an inaccessible page at its end, copies to
 * compare with, and the floating-point mode. */
#ifndef ASSAY_SDK_CHECK_GUARD_H
#define ASSAY_SDK_CHECK_GUARD_H

#include "base/error.h"
#include "num/float_mode.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the inaccessible page lies. The other side is bordered by known bytes, as far as the page goes. */
typedef enum guard_side {
    GUARD_AFTER, /* a step over the end is a signal */
    GUARD_BEFORE, /* a step before the beginning is one; the beginning is aligned to the page */
} guard_side;

/* Memory of its own: `bytes` at `at`, zeroed, 4-byte aligned where `bytes` is a multiple of 4, else not at all. */
typedef struct guarded {
    void *at;
    size_t bytes;
    guard_side side;
    unsigned char *map; /* with the inaccessible page */
    size_t map_bytes;
} guarded;

/* `bytes` of 0 gives an address that cannot be read. Errors: E_NOMEM. */
status guarded_new(size_t bytes, guard_side side, guarded *out, error *err) MUST_CHECK;
void guarded_free(guarded *g);

/* Gives it a name for the message after a crash: "the gradient of in.weight". guarded_free takes the name back. */
void guarded_name(const guarded *g, const char *format, ...) PRINTF_LIKE(2, 3);

/* Where an address lies of which the system says that it cannot be touched: "12 bytes past the end of the gradient of in.weight
 * (140 bytes)". False where no memory with a name is there. For a signal handler: takes no lock and no memory. */
bool guard_describe(const void *address, char *out, size_t room);

/* Whether the known bytes on the side without an inaccessible page are as they were. */
bool guarded_is_intact(const guarded *g);

/* From now on nobody may write to it (a write is a signal), or again. */
void guarded_lock(guarded *g);
void guarded_unlock(guarded *g);

/* A copy of memory as it is now, to compare with later. */
typedef struct snapshot {
    const void *of;
    void *copy;
    size_t bytes;
} snapshot;

status snapshot_take(const void *of, size_t bytes, snapshot *out, error *err) MUST_CHECK;
void snapshot_free(snapshot *s);

/* Whether the memory still holds the same bits; *out_at is the first byte that it does not (may be NULL). */
bool snapshot_is_same(const snapshot *s, size_t *out_at);

/* Puts the bits back. */
void snapshot_restore(const snapshot *s);

/* n floats with their bits, in a row with others: begin with 0, hand the result on. */
uint64_t bits_hash(const float *x, size_t n, uint64_t before);

/* The first element whose bits differ; n when there is none. */
size_t bits_differ(const float *a, const float *b, size_t n);

/* Whether none of them is infinite or NaN; *out_at (may be NULL) is the first that is. */
bool floats_are_finite(const float *x, size_t n, size_t *out_at);

/* NULL when the thread's mode is still `m`; else what has changed: "the rounding mode", "the flushing of denormals". */
const char *float_mode_change(const float_mode *m);

#endif
