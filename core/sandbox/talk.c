/* The host's side: talking to a job that stays.
 *
 * Whoever waits for an answer also waits for the fork server's news and holds all jobs to their limits, so that a job that dies instead of
 * answering is noticed at once. A job's own word is never waited for longer than the caller said: then it is ended. */
#include "base/clock.h"
#include "sandbox/host.h"

#include <poll.h>
#include <stdio.h>

/* One turn of waiting for the channel. Ends the job where its time is over; *out_over: there is no use in waiting on. */
static status wait_on(
    sandbox_job *j, double until_s, double timeout_s, short events, bool *out_over, error *err)
{
    sandbox *s = j->owner;
    *out_over = j->is_over;
    if (j->is_over) return OK;
    if (j->ended_s == 0 && clock_wall_s() >= until_s) {
        j->facts.call_s = timeout_s;
        host_end_for(j, OUTCOME_TIMEOUT, false);
    }
    const bool is_mute = j->channel.is_closed || j->ended_s > 0; /* only its end can be heard */
    return host_wait(s, is_mute ? 1e300 : until_s, is_mute ? -1 : j->channel.fd, events, err);
}

status job_send(
    sandbox_job *j, const char *what, const void *bytes, size_t n, double timeout_s, error *err)
{
    size_t sent = 0;
    bool is_over = false;
    const double until = clock_wall_s() + timeout_s;
    if (j->channel.fd < 0) return fail(err, E_INTERNAL, "this job has no channel");
    snprintf(j->doing, sizeof j->doing, "%s", what);
    while (!is_over) {
        const channel_state c = channel_put(&j->channel, bytes, n, &sent, true);
        if (c == CHANNEL_DONE || c == CHANNEL_CLOSED)
            return OK; /* its end is told by job_receive */
        if (c == CHANNEL_TOO_LONG) {
            return fail(err, E_RANGE, "a message of %zu bytes, where %d are most", n,
                (int)CHANNEL_MOST_BYTES);
        }
        const status st = wait_on(j, until, timeout_s, POLLOUT, &is_over, err);
        if (st != OK) return st;
    }
    return OK;
}

status job_receive(sandbox_job *j, double timeout_s, const void **out, size_t *out_n, error *err)
{
    bool is_over = false;
    const double until = clock_wall_s() + timeout_s;
    *out = NULL;
    *out_n = 0;
    if (j->channel.fd < 0) return fail(err, E_INTERNAL, "this job has no channel");
    for (;;) {
        const channel_state c =
            j->ended_s > 0 ? CHANNEL_WAIT : channel_take(&j->channel, out, out_n);
        if (c == CHANNEL_DONE) return OK;
        if (c == CHANNEL_NO_MEMORY) return fail_nomem(err, "a message");
        if (c == CHANNEL_TOO_LONG) {
            return fail(
                err, E_CORRUPT, "begins a message of more than %d bytes", (int)CHANNEL_MOST_BYTES);
        }
        if (is_over) return OK;
        const status st = wait_on(j, until, timeout_s, POLLIN, &is_over, err);
        if (st != OK) return st;
    }
}
