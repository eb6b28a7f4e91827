/* Time, from the clocks of POSIX: the monotonic one for durations, so that a corrected wall clock
 * never makes a run negative. */
#include "base/clock.h"

#include <time.h>

static double read_clock(clockid_t id)
{
    struct timespec now;
    if (clock_gettime(id, &now) != 0) return 0.0;
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double clock_wall_s(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double clock_cpu_s(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

double clock_thread_cpu_s(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void clock_iso(char out[24])
{
    const time_t now = time(NULL);
    struct tm utc;
    out[0] = '\0';
    if (gmtime_r(&now, &utc)) strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

void clock_sleep(double s)
{
    const time_t whole = (time_t)s;
    const struct timespec t = { .tv_sec = whole, .tv_nsec = (long)((s - (double)whole) * 1e9) };
    (void)nanosleep(&t, NULL);
}
