/* A trial is turns of four steps, all threads and one by turns; the first step of a turn moves data between caches and is not
 * counted. The shorter of the shortest steps wins until the next trial, half a second later. Steps that take so long that two
 * cores always pay are left alone. */
#include "train/pace.h"

#include "base/clock.h"

#include <math.h>

enum { STEPS_OF_TURN = 4, TURNS = 6, MOST_STEPS = 1 << 20 };
static const double pause_s = 0.5; /* between trials */
static const double long_s = 0.01; /* a step of this length is shared anyway */

static void begin_trial(pace *p)
{
    p->n_left = p->n_tried = 0;
    p->best[PACE_ALL] = p->best[PACE_ALONE] = INFINITY;
}

void pace_init(pace *p, team *t, bool adapts)
{
    *p = (pace){ .team = t, .adapts = adapts && team_size(t) > 1 };
    begin_trial(p);
}

/* Whose turn it is. */
static int turn_of(const pace *p)
{
    return p->n_tried / STEPS_OF_TURN % 2 == 0 ? PACE_ALL : PACE_ALONE;
}

void pace_begin(pace *p)
{
    p->times = p->adapts && p->n_left == 0;
    team_set_alone(p->team, p->times ? turn_of(p) == PACE_ALONE : p->alone);
    if (p->times) {
        p->begun = clock_wall_s();
    }
}

static void settle(pace *p)
{
    const int winner = p->best[PACE_ALONE] < p->best[PACE_ALL] ? PACE_ALONE : PACE_ALL;
    const double steps = pause_s / p->best[winner];
    p->alone = winner == PACE_ALONE;
    begin_trial(p);
    p->n_left = steps < MOST_STEPS ? (uint64_t)steps + 1 : MOST_STEPS;
}

void pace_end(pace *p)
{
    team_set_alone(p->team, false);
    if (!p->times) {
        p->n_left -= p->n_left > 0;
        return;
    }
    const double took = clock_wall_s() - p->begun;
    const int turn = turn_of(p);
    if (p->n_tried % STEPS_OF_TURN > 0 && took < p->best[turn]) {
        p->best[turn] = took;
    }
    p->n_tried++;
    if (p->n_tried == STEPS_OF_TURN && p->best[PACE_ALL] > long_s) {
        p->adapts = false;
    } else if (p->n_tried == STEPS_OF_TURN * TURNS) {
        settle(p);
    }
}
