/* The table of procedures. A fork server has all of them, whatever its host will ask for: names are what the two agree by. */
#include "job/procedures.h"

#include "sandbox/sandbox.h"
#include "search/strategy_job.h"
#include "job/data_job.h"
#include "job/predict_job.h"
#include "job/score_job.h"
#include "job/train_job.h"

size_t study_procedures(procedure out[STUDY_MOST_PROCEDURES])
{
    const procedure *const rows[] = { &load_procedure, &plan_procedure, &train_procedure,
        &predict_procedure, &score_procedure, &probe_procedure, &strategy_procedure };
    const size_t n = sizeof rows / sizeof *rows;
    _Static_assert(sizeof rows / sizeof *rows <= STUDY_MOST_PROCEDURES, "room for all");
    for (size_t i = 0; i < n; i++)
        out[i] = *rows[i];
    return n;
}
