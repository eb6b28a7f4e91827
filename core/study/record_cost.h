/* What a trial has cost, from its record (runner.h): the object `spent` in it. */
#ifndef ASSAY_CORE_STUDY_RECORD_COST_H
#define ASSAY_CORE_STUDY_RECORD_COST_H

#include "base/error.h"

typedef struct record_cost {
    double samples; /* forward, while training */
    double wall_s, cpu_s; /* of all its jobs */
} record_cost;

/* What the record does not say stays as it was. E_PARSE: it is no JSON object. */
status record_cost_read(const char *record, record_cost *out, error *err) MUST_CHECK;

#endif
