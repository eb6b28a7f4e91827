/* The display of a run while it goes: one line that is repainted on a terminal, lines now and then in a log. */
#ifndef ASSAY_CORE_CLI_PROGRESS_H
#define ASSAY_CORE_CLI_PROGRESS_H

#include "base/record.h"
#include "cli/command.h"

#include <stdint.h>

typedef enum progress_kind { PROGRESS_NONE, PROGRESS_PLAIN, PROGRESS_BAR } progress_kind;

enum { PROGRESS_VALUES = 24, PROGRESS_NAME = 48 };

/* Values of one part at the last evaluation. */
typedef struct part_values {
    size_t n;
    char name[PROGRESS_VALUES][PROGRESS_NAME];
    double value[PROGRESS_VALUES];
} part_values;

/* The last numbers of a run, and how fast it goes. */
typedef struct progress {
    const terminal *out;
    progress_kind kind;
    bool quiet;
    bool is_painted; /* the cursor stands in a progress line */

    double training_loss, lr;
    part_values validation; /* of the last check */
    part_values final[3]; /* of training, validation, test, at the end */
    uint64_t best_step, last_check;
    bool is_best; /* the last check is the best one */

    uint64_t step, epoch, total_steps, n_epochs;
    double epoch_place;
    double steps_per_s; /* exponential moving average; 0: not known yet */
    uint64_t rate_step;
    double rate_at_s, line_at_s;
    bool line_due;
    uint64_t n_epoch_records;
    double first_loss, least_loss; /* over epochs */
} progress;

/* `asked` is "auto", "bar", "plain", "none" or NULL. */
void progress_init(progress *p, const cli *c, const char *asked);

/* Takes a record; to be called from a record_sink. */
void progress_take(progress *p, const record *r);

/* Removes the line under way, and shows the cursor again. Idempotent. */
void progress_close(progress *p);

#endif
