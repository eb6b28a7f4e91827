/* The names of stop reasons, as they stand in files and reports. */
#include "base/record.h"

const char *stop_reason_name(stop_reason r)
{
    switch (r) {
    case STOP_NONE: return "running";
    case STOP_EPOCHS: return "epochs";
    case STOP_EARLY: return "early_stopping";
    case STOP_TARGET: return "target";
    case STOP_TIME: return "time";
    case STOP_DIVERGED: return "diverged";
    case STOP_INTERRUPTED: return "interrupted";
    }
    return "unknown";
}

const char *stop_reason_text(stop_reason r)
{
    switch (r) {
    case STOP_NONE: return "it is running";
    case STOP_EPOCHS: return "all epochs are done";
    case STOP_EARLY: return "early stopping, as what it monitors did not improve any more";
    case STOP_TARGET: return "what early stopping monitors has reached its target";
    case STOP_TIME: return "the time limit is reached";
    case STOP_DIVERGED: return "it diverged";
    case STOP_INTERRUPTED: return "interrupted";
    }
    return "unknown";
}
