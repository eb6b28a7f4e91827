/* How assay-fetch ends: the exit codes that `assay data fetch` acts upon. On any but FETCH_DONE, and after --check, one line on
 * standard output says why. */
#ifndef ASSAY_CORE_FETCH_CODES_H
#define ASSAY_CORE_FETCH_CODES_H

typedef enum fetch_code {
    FETCH_DONE = 0,
    FETCH_WRONG = 1, /* other bytes than the checksum or the size says; nothing was kept */
    FETCH_USAGE = 2,
    FETCH_NO_NETWORK =
        3, /* no address, no connection, a connection that ended early or fell silent */
    FETCH_HTTP = 4, /* the server refuses: a status such as 404, or redirections without end */
    FETCH_LATER = 5, /* the server asks to come back: 408, 429, 5xx */
    FETCH_NOT_WRITTEN = 6, /* the file cannot be written or read, or memory is out */
    FETCH_INTERRUPTED = 7,
    FETCH_NOT_CONVERTED = 8 /* a .mat file that is damaged or holds something else */
} fetch_code;

#endif
