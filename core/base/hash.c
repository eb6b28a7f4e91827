/* XXH3 (Yann Collet), the only file that names it: header-only, so that no library is linked.
 *
 * Digests are written in canonical (big-endian) order, the one that the xxhsum program prints. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/arena.h"
#include "base/file.h"

#include <stdlib.h>

struct hash_stream {
    XXH3_state_t state;
};

static void to_hex(char out[33], XXH128_hash_t hash)
{
    const char digits[] = "0123456789abcdef";
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, hash);
    for (size_t i = 0; i < 16; i++) {
        out[2 * i] = digits[bytes.digest[i] >> 4];
        out[2 * i + 1] = digits[bytes.digest[i] & 15];
    }
    out[32] = '\0';
}

uint64_t hash_u64(const void *data, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, n, seed);
}

void hash_hex(char out[33], const void *data, size_t n)
{
    to_hex(out, XXH3_128bits(data, n));
}

hash_stream *hash_stream_new(void)
{
    hash_stream *h = mem_aligned(1, sizeof *h);
    if (h) XXH3_128bits_reset(&h->state);
    return h;
}

void hash_stream_add(hash_stream *h, const void *data, size_t n)
{
    if (n > 0) XXH3_128bits_update(&h->state, data, n);
}

void hash_stream_hex(const hash_stream *h, char out[33])
{
    to_hex(out, XXH3_128bits_digest(&h->state));
}

void hash_stream_free(hash_stream *h)
{
    free(h);
}
