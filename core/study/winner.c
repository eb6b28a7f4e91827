#include "study/winner.h"

#include <math.h>

bool contestant_is_valid(contestant c)
{
    const bool may = c.state == TRIAL_DONE || c.state == TRIAL_PAUSED || c.state == TRIAL_PRUNED;
    return may && isfinite(c.value);
}

bool contestant_beats(contestant c, contestant best, store_direction direction)
{
    const bool is_whole = c.state == TRIAL_DONE;
    if (is_whole != (best.state == TRIAL_DONE)) return is_whole;
    if (!is_whole && c.reached != best.reached) return c.reached > best.reached;
    return direction == STORE_MAXIMIZE ? c.value > best.value : c.value < best.value;
}
