/* Tables of config keys, as people read them: a component's, and the host's own. */
#ifndef ASSAY_CORE_CLI_KEYS_H
#define ASSAY_CORE_CLI_KEYS_H

#include "cli/terminal.h"
#include "registry/hyper.h"

/* A row per key, `prefix` before each name: type, default, range, search range, meaning. */
void keys_table(const hyper_table *keys, const char *prefix, const terminal *style, text *t);

/* One line: which keys a component of this kind has beside its own. */
void keys_of_host(const char *kind, text *t);

/* Every key that is the host's, block by block. */
void keys_all(const terminal *style, text *t);

#endif
