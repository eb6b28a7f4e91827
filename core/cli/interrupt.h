/* Ctrl-C: the first one asks the run to end cleanly, the second one ends the program. SIGTERM and SIGHUP ask, too, and end the
 * program themselves, with EXIT_AGAIN, where it has not ended after 10 s. */
#ifndef ASSAY_CORE_CLI_INTERRUPT_H
#define ASSAY_CORE_CLI_INTERRUPT_H

#include "cli/command.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct interrupt {
    atomic_int asked; /* the number of the signal that came; 0: none */
    bool was_started;
    const cli *cli;
    pthread_t thread;
} interrupt;

/* Begins to listen for SIGINT, SIGTERM and SIGHUP, those apart that the caller of the program had ignored. Before any
 * other thread is made. The struct must outlive the program's threads. */
status interrupt_start(interrupt *i, const cli *c, error *err) MUST_CHECK;
void interrupt_stop(interrupt *i);

#endif
