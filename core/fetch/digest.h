/* Checksums that publishers of data give: SHA-256 and MD5, by nettle. */
#ifndef ASSAY_CORE_FETCH_DIGEST_H
#define ASSAY_CORE_FETCH_DIGEST_H

#include "base/error.h"

#include <nettle/md5.h>
#include <nettle/sha2.h>
#include <stdint.h>

/* What a file should be; lower-case hex digits, NULL and 0 where nothing is known. */
typedef struct expectation {
    const char *sha256; /* 64 digits */
    const char *md5; /* 32 digits */
    uint64_t n_bytes;
} expectation;

typedef struct digest {
    struct sha256_ctx sha256;
    struct md5_ctx md5;
    uint64_t n_bytes;
} digest;

void digest_init(digest *d);
void digest_add(digest *d, const void *data, size_t n);

/* Ends the digest. E_CORRUPT when it is not what was expected; `name` is for the message. With out_sha256, the digits. */
status digest_check(
    digest *d, const expectation *e, const char *name, char out_sha256[65], error *err) MUST_CHECK;

/* The same of a file: E_IO when it cannot be read. */
status digest_check_file(
    const char *path, const expectation *e, char out_sha256[65], error *err) MUST_CHECK;

#endif
