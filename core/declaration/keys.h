/* The keys of the block `study` as tables, for docs. */
#ifndef ASSAY_CORE_DECLARATION_KEYS_H
#define ASSAY_CORE_DECLARATION_KEYS_H

#include "registry/hyper.h"

/* `study` itself: what is a number or a word, and what is a group or a list. */
extern const hyper_table study_table, study_written_table;
/* The groups in it. */
extern const hyper_table study_budget_table, study_fidelity_table, study_sandbox_table,
    study_sandbox_written_table, study_retry_table;

#endif
