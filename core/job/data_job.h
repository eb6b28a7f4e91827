/* The procedure "load": a config's data, opened, split and standardised, as packs that other workers map (data/pack.h).
 *
 *   run with result_bytes = sizeof(load_head)   -> load_head.total
 *   run with result_bytes = that total          -> the packs
 *
 * Each pack then becomes an input of a sandbox, read-only in every worker; which worker is handed which is decided by the name that
 * its job_input has. A worker can see all inputs of its sandbox: what a trainer must not know goes to a sandbox that runs no trainer. */
#ifndef ASSAY_CORE_JOB_DATA_JOB_H
#define ASSAY_CORE_JOB_DATA_JOB_H

#include "data/pack.h"
#include "sandbox/worker.h"

/* Input: job_input without data and payload; the seed says nothing. The first run says where the packs will lie; both open the data, which
 * must not change meanwhile: the second refuses another size. */
extern const procedure load_procedure;

/* The front of its result. */
typedef struct load_head {
    uint64_t total; /* bytes of the result that has room for all */
    uint64_t is_filled; /* the packs are there */
    uint64_t can_be_packed; /* 0: `why` says why not; nothing else counts then */
    uint64_t at[N_PACKS], bytes[N_PACKS]; /* by pack_use; at: bytes from the front of the result */
    uint64_t n_rows[N_PARTS];
    uint64_t
        n_output_rows[N_PARTS]; /* rows of outputs that a prediction has: samples, or their steps */
    char split_hash[N_PARTS][33];
    char why[160];
} load_head;

/* The head, checked: E_CORRUPT where it contradicts itself or `n`. */
status load_result_read(const void *result, size_t n, load_head *out, error *err) MUST_CHECK;

#endif
