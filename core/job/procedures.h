/* What workers can do: the one table of procedures, for the program's fork server and for whoever opens a sandbox. */
#ifndef ASSAY_CORE_JOB_PROCEDURES_H
#define ASSAY_CORE_JOB_PROCEDURES_H

#include "sandbox/worker.h"

enum { STUDY_MOST_PROCEDURES = 16 };

/* Fills in all of them; how many there are. */
size_t study_procedures(procedure out[STUDY_MOST_PROCEDURES]);

#endif
