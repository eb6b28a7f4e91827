/* What the files of results.h share. */
#ifndef ASSAY_CORE_STUDY_RESULTS_INTERNAL_H
#define ASSAY_CORE_STUDY_RESULTS_INTERNAL_H

#include "study/results.h"

/* Fills in medians, spreads, ranks and differences; the rows are sorted in. */
status results_summarise(results *r, error *err) MUST_CHECK;

#endif
