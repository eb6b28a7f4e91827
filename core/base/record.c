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
