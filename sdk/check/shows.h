/* Whether each hyperparameter of a component shows in what it computes. */
#ifndef ASSAY_SDK_CHECK_SHOWS_H
#define ASSAY_SDK_CHECK_SHOWS_H

#include "check/subject.h"

/* A hash of all that a component computes under these settings. */
typedef uint64_t settings_hash_of(const subject *s, const char *settings, void *self);

/* Warns of each hyperparameter that shows with none of the values tried: alone, and beside each other setting, since one may count
 * with some choice of another alone. `where` goes into the message: "in no factor". */
void check_shows(
    const subject *s, settings_hash_of *hash, void *self, const char *where, check_report *rep);

#endif
