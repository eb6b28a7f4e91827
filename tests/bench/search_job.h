/* A search at work on one problem, with the time that it takes. */
#ifndef TESTS_BENCH_SEARCH_JOB_H
#define TESTS_BENCH_SEARCH_JOB_H

#include "search/search.h"

typedef struct search_job {
    registry *r;
    config *c;
    space s;
    search *search;
    search_trial trial; /* the last that was asked for */
    double asked_s, asked_cpu_s; /* inside of the search */
    bool is_over;
} search_job;

/* STRATEGY and PRUNER are ids or blocks ("{ type = ...; }"); PRUNER may be NULL. */
status search_job_open(search_job *j, const char *strategy, const char *pruner, const char *written,
    const search_options *o, error *err) MUST_CHECK;
void search_job_close(search_job *j);

/* The next trial; is_over where there is none. */
status search_job_ask(search_job *j, error *err) MUST_CHECK;
status search_job_tell(
    search_job *j, const search_result *r, uint64_t *out_verdict, error *err) MUST_CHECK;

/* `pruning`: regret by epochs spent, of strategies that stop and continue trials on their way. */
status search_pruning(char **argv, int argc, error *err) MUST_CHECK;

/* SEEDS: N (0 to N - 1) or A-B, as [first, end). */
void search_seeds(const char *seeds, unsigned long *out_first, unsigned long *out_end);

#endif
