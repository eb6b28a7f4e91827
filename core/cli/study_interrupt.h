/* Ctrl-C while trials run: the first lets what runs end and begins nothing more, the second ends what runs, too (it is run again when
 * the study goes on), the third ends the program. SIGTERM and SIGHUP are the second, and end the program themselves, with
 * EXIT_AGAIN, where it has not ended after 10 s. */
#ifndef ASSAY_CORE_CLI_STUDY_INTERRUPT_H
#define ASSAY_CORE_CLI_STUDY_INTERRUPT_H

#include "cli/command.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct study_interrupt {
    atomic_int asked; /* 0, 1, 2: as engine_options has it */
    bool was_started;
    const cli *cli;
    pthread_t thread;
} study_interrupt;

/* Before any other thread is made; the struct must outlive them. Signals that the caller of the program had ignored stay so. */
status study_interrupt_start(study_interrupt *i, const cli *c, error *err) MUST_CHECK;
void study_interrupt_stop(study_interrupt *i);

#endif
