/* The file that brings a search back: a line that says what is searched and how, then an entry a line, each on disk before it is
 * answered. */
#ifndef ASSAY_CORE_CLI_SEARCH_LOG_H
#define ASSAY_CORE_CLI_SEARCH_LOG_H

#include "search/search.h"

typedef struct search_log {
    const char *path; /* NULL: none is kept */
    int fd;
    size_t n_replayed; /* entries that were there */
    size_t n_torn; /* bytes of a last line without an end, which were cut off */
} search_log;

/* Opens or makes the file, for this process alone, and replays what it holds. `header` is the line that a new one begins with; another one
 * in the file is refused: E_CONFLICT. */
status search_log_open(search_log *l, const char *path, const char *header, search *s,
    const space *sp, error *err) MUST_CHECK;

/* Appends an entry and waits for the disk. */
status search_log_add(search_log *l, const space *sp, const search_entry *e, error *err) MUST_CHECK;
void search_log_close(search_log *l);

#endif
