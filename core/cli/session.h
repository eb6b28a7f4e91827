/* What commands share: the opening of a config with its overrides, messages, exit codes. */
#ifndef ASSAY_CORE_CLI_SESSION_H
#define ASSAY_CORE_CLI_SESSION_H

#include "cli/command.h"
#include "config/config.h"
#include "registry/registry.h"
#include "train/trainer.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_BAD_USAGE = 2, EXIT_AGAIN = 75 };

/* The exit code of a status. */
int exit_code(status st);

/* Prints "assay: error: <message>" and returns its exit code. */
int cli_error(const cli *c, const error *err);

/* Remarks on standard error; cli_say is silent under -q, cli_warn is not. */
void cli_say(const cli *c, const char *format, ...) PRINTF_LIKE(2, 3);
void cli_warn(const cli *c, const char *format, ...) PRINTF_LIKE(2, 3);

/* Writes what a command makes to standard output; the exit code. */
int cli_put(const cli *c, text *t);

typedef struct session {
    const cli *cli;
    arena memory;
    config *config;
    registry *registry;
    trainer *trainer;
    const char *folder; /* of a run; NULL when a config file was named */
    text warnings; /* of the registry, each with its NUL */
    const struct session *beside; /* whose warnings are not said again; NULL: nobody's */
} session;

/* The registry alone, for commands without a config. */
status session_open_registry(session *s, const cli *c, error *err) MUST_CHECK;

/* `path` is a config file or the folder of a run; overrides are applied in order. The registry is opened, too. */
status session_open(session *s, const cli *c, const char *path, char *const *overrides,
    size_t n_overrides, error *err) MUST_CHECK;

/* Sets `group.key` or `key` as an override would; the group is made if it is not there. */
status session_set(session *s, const char *path, const char *written, error *err) MUST_CHECK;

/* trainer_new on what was opened. */
status session_train(session *s, const trainer_options *o, error *err) MUST_CHECK;
void session_close(session *s);

/* The `type` of a component's block, or of the first of a list. "" when there is none. */
const char *block_type(const value *block);

/* A real of the tree; `otherwise` when it is absent. */
double tree_real(const session *s, const char *group, const char *key, double otherwise);
const char *tree_string(const session *s, const char *key, const char *otherwise);

#endif
