/* A run's numbers for TensorBoard: an event file beside the other records, of the same values as metrics.csv.
 *
 * The file is events.out.tfevents.<unixtime>.<host>.<pid>.<n>; a resumed run begins another one, which says from which step on
 * what the earlier ones hold is void. */
#ifndef ASSAY_CORE_TRAIN_EVENTS_H
#define ASSAY_CORE_TRAIN_EVENTS_H

#include "base/record.h"
#include "base/text.h"
#include "train/trainer.h"

#include <stdio.h>

typedef struct events {
    FILE *file; /* NULL: not asked for */
    error failed; /* the first write error */
    const trainer *trainer; /* borrowed: it knows the columns */
    double *row; /* [columns] of the step under way; NaN: nothing, or not written as a number */
    unsigned char *is_set; /* [columns] */
    uint64_t row_step;
    bool has_row;
    text summary, value, event; /* messages being built */
} events;

/* Makes the file in `dir`; `e` starts as zero, and the trainer outlives it. */
status events_open(
    events *e, const char *dir, const trainer *t, bool resumed, error *err) MUST_CHECK;

/* A record_sink's emit; `self` is the events. Without a file it does nothing. */
void events_emit(void *self, const record *r);

/* Writes what is under way, closes, and reports the first write error there was. */
status events_close(events *e, error *err) MUST_CHECK;
void events_release(events *e);

/* CRC-32C (Castagnoli), as RFC 3720 B.4 has it: "123456789" gives e3069283. */
uint32_t crc32c(const void *data, size_t n);

#endif
