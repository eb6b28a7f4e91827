/* One URL into one file, by libcurl, which nothing else of assay names. */
#ifndef ASSAY_CORE_FETCH_DOWNLOAD_H
#define ASSAY_CORE_FETCH_DOWNLOAD_H

#include "fetch/codes.h"
#include "fetch/digest.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct download {
    const char *url; /* http or https */
    const char *path; /* the file; what was there is replaced when all has come and is right */
    expectation expected;
    FILE *progress; /* NULL: none */
    bool repaints; /* one line, painted anew; otherwise only the end is told */
    sigset_t until; /* blocked signals, any of which ends it */
} download;

/* Fetches: all or nothing, under a temporary name until the checksum is known to be right. `err` is written on all but
 * FETCH_DONE. With a checksum of nobody's, out_sha256 tells what came. */
fetch_code download_run(download *d, char out_sha256[65], error *err) MUST_CHECK;

#endif
