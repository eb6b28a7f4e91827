/* What a line of `assay search` asks. */
#ifndef ASSAY_CORE_CLI_SEARCH_REQUEST_H
#define ASSAY_CORE_CLI_SEARCH_REQUEST_H

#include "search/search.h"

typedef enum verb { VERB_ASK, VERB_TELL, VERB_REPORT, VERB_EXPLAIN, VERB_PENDING, VERB_BEST } verb;

typedef struct request {
    verb verb;
    size_t n_verbs;
    uint64_t number; /* behind the verb */
    search_result result;
    bool has_value, has_state;
} request;

/* Reads a line of n bytes: E_PARSE, E_UNKNOWN, E_MISSING, E_RANGE. */
status request_read(const char *line, size_t n, request *out, error *err) MUST_CHECK;

#endif
