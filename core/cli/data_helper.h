/* Running assay-fetch, the program that downloads, so that assay itself links nothing that does. */
#ifndef ASSAY_CORE_CLI_DATA_HELPER_H
#define ASSAY_CORE_CLI_DATA_HELPER_H

#include "base/arena.h"
#include "base/error.h"
#include "fetch/codes.h"

typedef struct helper_answer {
    fetch_code code;
    char line[ERROR_TEXT_BYTES + 64]; /* what it said; "" for nothing */
} helper_answer;

/* Where it is: beside assay or in the folder of its installation. E_IO with what to install where there is none. */
status helper_find(arena *a, const char **out, error *err) MUST_CHECK;

/* Runs it to its end; argv[0] is its path. Signals that would end assay end it first, and are answered with FETCH_INTERRUPTED. */
status helper_run(const char *const argv[], helper_answer *out, error *err) MUST_CHECK;

#endif
