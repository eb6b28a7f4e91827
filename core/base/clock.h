/* Time. */
#ifndef ASSAY_CORE_BASE_CLOCK_H
#define ASSAY_CORE_BASE_CLOCK_H

/* Seconds since some fixed moment; never goes back. */
double clock_wall_s(void);

/* CPU seconds used by this process, all threads; by this thread. */
double clock_cpu_s(void);
double clock_thread_cpu_s(void);

/* Waits that long; a signal may end it early. */
void clock_sleep(double s);

/* "2026-11-22T01:02:03Z" */
void clock_iso(char out[24]);

#endif
