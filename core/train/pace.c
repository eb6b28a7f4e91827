/* A trial is turns of four steps, all threads and one by turns; the first step of a turn moves data between caches and is not
 * counted, nor is the longest of each kind, which something else may have fallen into. The shorter sum wins until the next trial, a
 * fifth of a second later. Steps that take so long that two cores always pay are left alone. */
#include "train/pace.h"

#include "base/clock.h"

enum { STEPS_OF_TURN = 4, TURNS = 4 };
static const double pause_s = 0.2; /* between trials */
static const double long_s = 0.01; /* a step of this length is shared anyway */

static void begin_trial(pace *p)
{
    p->n_tried = 0;
    for (int k = 0; k < N_PACES; k++) {
        p->total[k] = p->longest[k] = 0;
    }
}

void pace_init(pace *p, team *t, bool adapts)
{
    *p = (pace){ .team = t, .adapts = adapts && team_size(t) > 1, .now_s = clock_wall_s };
    begin_trial(p);
}

/* Whose turn it is. */
static int turn_of(const pace *p)
{
    return p->n_tried / STEPS_OF_TURN % 2 == 0 ? PACE_ALL : PACE_ALONE;
}

void pace_begin(pace *p)
{
    p->begun = p->adapts ? p->now_s() : 0;
    p->times = p->adapts && (p->n_tried > 0 || p->begun >= p->next_s);
    team_set_alone(p->team, p->times ? turn_of(p) == PACE_ALONE : p->alone);
}

static void settle(pace *p, double now)
{
    const double all = p->total[PACE_ALL] - p->longest[PACE_ALL];
    const double alone = p->total[PACE_ALONE] - p->longest[PACE_ALONE];
    p->alone = alone < all;
    p->next_s = now + pause_s;
    begin_trial(p);
}

void pace_end(pace *p)
{
    team_set_alone(p->team, false);
    if (!p->times) {
        return;
    }
    const double now = p->now_s(), took = now - p->begun;
    const int turn = turn_of(p);
    if (p->n_tried % STEPS_OF_TURN > 0) {
        p->total[turn] += took;
        p->longest[turn] = took > p->longest[turn] ? took : p->longest[turn];
    }
    p->n_tried++;
    if (p->n_tried == STEPS_OF_TURN && p->total[PACE_ALL] > long_s * (STEPS_OF_TURN - 1)) {
        p->adapts = false;
    } else if (p->n_tried == STEPS_OF_TURN * TURNS) {
        settle(p, now);
    }
}
