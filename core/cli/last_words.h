/* What is said when a plugin, or assay itself, crashes. */
#ifndef ASSAY_CORE_CLI_LAST_WORDS_H
#define ASSAY_CORE_CLI_LAST_WORDS_H

#include "cli/command.h"
#include "registry/registry.h"

/* From now on SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT write one line that names the callback or the file before they end the
 * process, by the same signal. The registry, whose plugins are told apart, is borrowed; there may be two at a time. Nothing in a
 * build with sanitizers, which have a word of their own to say. */
void last_words_prepare(const cli *c, const registry *r);

/* Before that registry is freed; of another one it does nothing. */
void last_words_forget(const registry *r);

#endif
