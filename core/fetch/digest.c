/* Checksums. Both are computed side by side while bytes pass, so a download is read once. */
#include "fetch/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void digest_init(digest *d)
{
    sha256_init(&d->sha256);
    md5_init(&d->md5);
    d->n_bytes = 0;
}

void digest_add(digest *d, const void *data, size_t n)
{
    sha256_update(&d->sha256, n, data);
    md5_update(&d->md5, n, data);
    d->n_bytes += n;
}

static void to_hex(const uint8_t *byte, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) {
        snprintf(out + 2 * i, 3, "%02x", byte[i]);
    }
}

status digest_check(
    digest *d, const expectation *e, const char *name, char out_sha256[65], error *err)
{
    uint8_t sha256[SHA256_DIGEST_SIZE], md5[MD5_DIGEST_SIZE];
    char sha256_hex[2 * SHA256_DIGEST_SIZE + 1], md5_hex[2 * MD5_DIGEST_SIZE + 1];
    sha256_digest(&d->sha256, sizeof sha256, sha256);
    md5_digest(&d->md5, sizeof md5, md5);
    to_hex(sha256, sizeof sha256, sha256_hex);
    to_hex(md5, sizeof md5, md5_hex);
    if (e->sha256 && strcmp(e->sha256, sha256_hex) != 0) {
        return fail(err, E_CORRUPT, "%s: %" PRIu64 " bytes with sha256 %s, expected sha256 %s",
            name, d->n_bytes, sha256_hex, e->sha256);
    }
    if (e->md5 && strcmp(e->md5, md5_hex) != 0) {
        return fail(err, E_CORRUPT, "%s: %" PRIu64 " bytes with md5 %s, expected md5 %s", name,
            d->n_bytes, md5_hex, e->md5);
    }
    if (e->n_bytes && e->n_bytes != d->n_bytes) {
        return fail(err, E_CORRUPT, "%s: %" PRIu64 " bytes, expected %" PRIu64, name, d->n_bytes,
            e->n_bytes);
    }
    if (out_sha256) memcpy(out_sha256, sha256_hex, sizeof sha256_hex);
    return OK;
}

status digest_check_file(const char *path, const expectation *e, char out_sha256[65], error *err)
{
    unsigned char some[65536];
    digest d;
    status st = OK;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(err, errno, path, "cannot open");
    digest_init(&d);
    for (;;) {
        const ssize_t n = read(fd, some, sizeof some);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) TRY(fail_errno(err, errno, path, "cannot read"));
        if (n == 0) break;
        digest_add(&d, some, (size_t)n);
    }
    TRY(digest_check(&d, e, path, out_sha256, err));
done:
    close(fd);
    return st;
}
