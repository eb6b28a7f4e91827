/* The control word tells how vectors, and so all floats, are rounded; fegetround tells that of the older unit beside them, where a
 * machine has one. Both are looked at; the environment as a whole is what is put back. */
#include "num/float_mode.h"

float_mode float_mode_get(void)
{
    float_mode m = { .rounding = fegetround(), .control = float_control_get() };
    fegetenv(&m.all);
    return m;
}

void float_mode_set(const float_mode *m)
{
    fesetenv(&m->all);
}

unsigned float_mode_changes(const float_mode *since)
{
    const uint64_t changed = since->control ^ float_control_get();
    const bool rounds = fegetround() != since->rounding || (changed & FLOAT_CONTROL_ROUNDING);
    return (changed & FLOAT_CONTROL_RESULTS ? FLOAT_RESULTS_FLUSHED : 0U) |
        (changed & FLOAT_CONTROL_OPERANDS ? FLOAT_OPERANDS_FLUSHED : 0U) |
        (rounds ? FLOAT_ROUNDING : 0U) | (changed & FLOAT_CONTROL_TRAPS ? FLOAT_TRAPS : 0U);
}
