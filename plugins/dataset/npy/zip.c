/* NPZ: a zip archive (APPNOTE 6.3.3) whose members are NPY files, as numpy.savez and savez_compressed write them.
 *
 * The directory at the end of the file is what counts: it is found from its end record (or that of zip64), and sizes
 * are taken from it, since a local header may leave them out. Stored members are used where they lie in the map;
 * deflated ones are inflated into memory of their own. Every place is checked against the file before it is looked at,
 * and the content against its CRC-32. */
#include "../shared/npy_array.h"

#define ZLIB_CONST
#include <zlib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    END_BYTES = 22,
    MAX_COMMENT_BYTES = 65535,
    END64_BYTES = 56,
    LOCATOR64_BYTES = 20,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    STORED = 0,
    DEFLATED = 8,
    MOST_PACKED = 1032 /* bytes that deflate makes of one */
};

struct directory {
    uint64_t offset, bytes, n_entries;
};

struct entry {
    const char *name;
    size_t name_bytes;
    unsigned flags, method;
    uint32_t crc;
    uint64_t packed, bytes, offset;
};

static int broken(const struct array *a, const char *what)
{
    return array_fail(a, ASSAY_E_DATA, "a damaged NPZ archive: %s", what);
}

static const unsigned char *find_end(const struct array *a)
{
    const size_t n = a->map_bytes;
    for (size_t comment = 0; comment <= MAX_COMMENT_BYTES && comment + END_BYTES <= n; comment++) {
        const unsigned char *p = a->map + n - END_BYTES - comment;
        if (get_le(p, 4) == 0x06054b50 && get_le(p + 20, 2) == comment) return p;
    }
    return NULL;
}

/* The end record of zip64, which holds what does not fit the plain one. */
static int read_end64(const struct array *a, const unsigned char *end, struct directory *out)
{
    const uint64_t before = (uint64_t)(end - a->map);
    if (before < LOCATOR64_BYTES + END64_BYTES) return broken(a, "no end record of zip64");
    const unsigned char *locator = end - LOCATOR64_BYTES;
    const uint64_t at = get_le(locator + 8, 8);
    if (get_le(locator, 4) != 0x07064b50 || at > before - LOCATOR64_BYTES - END64_BYTES) {
        return broken(a, "no end record of zip64");
    }
    const unsigned char *p = a->map + at;
    if (get_le(p, 4) != 0x06064b50) return broken(a, "no end record of zip64");
    *out = (struct directory){
        .n_entries = get_le(p + 32, 8), .bytes = get_le(p + 40, 8), .offset = get_le(p + 48, 8)
    };
    return ASSAY_OK;
}

static int read_end(const struct array *a, struct directory *out)
{
    const unsigned char *end = find_end(a);
    if (end == NULL) return broken(a, "no end record; was it cut off?");
    *out = (struct directory){ .n_entries = get_le(end + 10, 2),
        .bytes = get_le(end + 12, 4),
        .offset = get_le(end + 16, 4) };
    if (out->n_entries == UINT16_MAX || out->bytes == UINT32_MAX || out->offset == UINT32_MAX) {
        const int code = read_end64(a, end, out);
        if (code != ASSAY_OK) return code;
    } else if (get_le(end + 4, 2) != 0) {
        return array_fail(a, ASSAY_E_UNSUPPORTED, "an archive in several volumes");
    }
    const uint64_t room = (uint64_t)(end - a->map);
    if (out->offset > room || out->bytes > room - out->offset) {
        return broken(a, "its directory lies outside of it");
    }
    return ASSAY_OK;
}

/* Sizes that are all ones stand in the extra field of zip64, in this order. */
static bool read_extra64(const unsigned char *extra, size_t n, struct entry *e)
{
    uint64_t *const wide[] = { &e->bytes, &e->packed, &e->offset };
    size_t i = 0, at = 0;
    while (at + 4 <= n) {
        const size_t id = (size_t)get_le(extra + at, 2), bytes = (size_t)get_le(extra + at + 2, 2);
        at += 4;
        if (bytes > n - at) return false;
        if (id == 1) {
            for (size_t used = 0; i < 3; i++) {
                if (*wide[i] != UINT32_MAX) continue;
                if (used + 8 > bytes) return false;
                *wide[i] = get_le(extra + at + used, 8);
                used += 8;
            }
            return true;
        }
        at += bytes;
    }
    return e->bytes != UINT32_MAX && e->packed != UINT32_MAX && e->offset != UINT32_MAX;
}

/* The entry at *at, which moves behind it. */
static int read_entry(
    const struct array *a, const unsigned char **at, const unsigned char *end, struct entry *out)
{
    const unsigned char *p = *at;
    if (end - p < ENTRY_BYTES || get_le(p, 4) != 0x02014b50) {
        return broken(a, "its directory is no directory");
    }
    const size_t n_name = (size_t)get_le(p + 28, 2), n_extra = (size_t)get_le(p + 30, 2),
                 n_comment = (size_t)get_le(p + 32, 2);
    if ((size_t)(end - p) - ENTRY_BYTES < n_name + n_extra + n_comment) {
        return broken(a, "an entry reaches beyond its directory");
    }
    *out = (struct entry){ .name = (const char *)p + ENTRY_BYTES,
        .name_bytes = n_name,
        .flags = (unsigned)get_le(p + 8, 2),
        .method = (unsigned)get_le(p + 10, 2),
        .crc = (uint32_t)get_le(p + 16, 4),
        .packed = get_le(p + 20, 4),
        .bytes = get_le(p + 24, 4),
        .offset = get_le(p + 42, 4) };
    if (!read_extra64(p + ENTRY_BYTES + n_name, n_extra, out)) {
        return broken(a, "an entry without its sizes");
    }
    *at = p + ENTRY_BYTES + n_name + n_extra + n_comment;
    return ASSAY_OK;
}

/* numpy calls "images" what the archive calls "images.npy". */
static size_t short_name(const struct entry *e)
{
    const size_t n = e->name_bytes;
    return n > 4 && memcmp(e->name + n - 4, ".npy", 4) == 0 ? n - 4 : n;
}

static bool is_wanted(const struct entry *e, const char *member)
{
    const size_t n = strlen(member);
    return (n == e->name_bytes || n == short_name(e)) && memcmp(e->name, member, n) == 0;
}

/* The names of all members, for who named none of them. */
static int fail_member(const struct array *a, const struct directory *d)
{
    char names[200] = "", quoted[48];
    const unsigned char *at = a->map + d->offset, *end = at + d->bytes;
    struct entry e = { 0 };
    size_t n = 0;
    for (uint64_t i = 0; i < d->n_entries && n + 1 < sizeof(names); i++) {
        if (read_entry(a, &at, end, &e) != ASSAY_OK) return ASSAY_E_DATA;
        array_quote(e.name, short_name(&e), quoted, sizeof(quoted));
        const int wrote = snprintf(names + n, sizeof(names) - n, "%s%s", n > 0 ? ", " : "", quoted);
        n += wrote > 0 ? (size_t)wrote : 0;
    }
    if (a->member != NULL) {
        return array_fail(a, ASSAY_E_DATA, "there is no such array in it; there is: %s", names);
    }
    return array_fail(a, ASSAY_E_INVALID,
        "it holds %llu arrays: say which, as in %s = \"%.60s/NAME\"; there is: %s",
        (unsigned long long)d->n_entries, a->key, a->name, names);
}

static int find_member(const struct array *a, struct entry *out)
{
    struct directory d = { 0 };
    struct entry e = { 0 };
    uint64_t n_found = 0;
    int code = read_end(a, &d);
    if (code != ASSAY_OK) return code;
    const unsigned char *at = a->map + d.offset, *end = at + d.bytes;
    for (uint64_t i = 0; i < d.n_entries; i++) {
        code = read_entry(a, &at, end, &e);
        if (code != ASSAY_OK) return code;
        if (a->member != NULL && !is_wanted(&e, a->member)) continue;
        *out = e;
        n_found++;
    }
    if (at != end) return broken(a, "its directory has more than its entries");
    if (n_found == 1) return ASSAY_OK;
    if (n_found == 0 && d.n_entries == 0) return broken(a, "there is nothing in it");
    if (n_found > 1 && a->member != NULL) return broken(a, "two members of that name");
    return fail_member(a, &d);
}

/* Where the bytes of a member begin. */
static int find_bytes(const struct array *a, const struct entry *e, const unsigned char **out)
{
    if (a->map_bytes < LOCAL_BYTES || e->offset > a->map_bytes - LOCAL_BYTES) {
        return broken(a, "a member lies outside of it");
    }
    const unsigned char *p = a->map + e->offset;
    const size_t n_name = (size_t)get_le(p + 26, 2), n_extra = (size_t)get_le(p + 28, 2);
    const uint64_t room = a->map_bytes - LOCAL_BYTES - e->offset;
    if (get_le(p, 4) != 0x04034b50 || n_name != e->name_bytes || n_name > room ||
        memcmp(p + LOCAL_BYTES, e->name, n_name) != 0) {
        return broken(a, "a member is not where its directory says");
    }
    if (n_extra > room - n_name || e->packed > room - n_name - n_extra) {
        return broken(a, "a member reaches beyond its end");
    }
    *out = p + LOCAL_BYTES + n_name + n_extra;
    return ASSAY_OK;
}

static unsigned piece_of(size_t n)
{
    return n < (1u << 30) ? (unsigned)n : 1u << 30;
}

/* Inflates all of `from` into exactly e->bytes; zlib counts in unsigned, so in pieces. Z_OK, or what is wrong. */
static int inflate_all(z_stream *z, const unsigned char *from, const struct entry *e, Bytef *to)
{
    size_t n_in = (size_t)e->packed, n_out = (size_t)e->bytes;
    int r = Z_OK;
    z->next_in = from;
    z->next_out = to;
    while (r == Z_OK) {
        if (z->avail_in == 0) n_in -= z->avail_in = piece_of(n_in);
        if (z->avail_out == 0) n_out -= z->avail_out = piece_of(n_out);
        r = inflate(z, Z_NO_FLUSH);
    }
    if (r != Z_STREAM_END) return r;
    const bool is_whole = n_in == 0 && z->avail_in == 0 && n_out == 0 && z->avail_out == 0;
    return is_whole ? Z_OK : Z_DATA_ERROR;
}

static int inflate_member(struct array *a, const struct entry *e, const unsigned char *from)
{
    z_stream z = { 0 };
    if (e->bytes / MOST_PACKED > e->packed) {
        return broken(a, "a member claims more bytes than it can hold");
    }
    a->inflated = malloc(e->bytes > 0 ? (size_t)e->bytes : 1);
    if (a->inflated == NULL || inflateInit2(&z, -MAX_WBITS) != Z_OK) return array_nomem(a->ctx);
    const int r = inflate_all(&z, from, e, a->inflated);
    inflateEnd(&z);
    a->content = a->inflated;
    if (r == Z_MEM_ERROR) return array_nomem(a->ctx);
    return r == Z_OK ? ASSAY_OK : broken(a, "a member cannot be inflated");
}

int zip_open(struct array *a)
{
    struct entry e = { 0 };
    const unsigned char *from = NULL;
    int code = find_member(a, &e);
    if (code == ASSAY_OK) code = find_bytes(a, &e, &from);
    if (code != ASSAY_OK) return code;
    if ((e.flags & 1) != 0) return array_fail(a, ASSAY_E_UNSUPPORTED, "it is encrypted");
    a->content_bytes = (size_t)e.bytes;
    if (e.method == DEFLATED) {
        code = inflate_member(a, &e, from);
        if (code != ASSAY_OK) return code;
    } else if (e.method != STORED) {
        return array_fail(a, ASSAY_E_UNSUPPORTED,
            "compressed by method %u: numpy.savez and savez_compressed store or deflate", e.method);
    } else if (e.packed != e.bytes) {
        return broken(a, "a stored member of two sizes");
    } else {
        a->content = from;
    }
    if (crc32_z(crc32_z(0, NULL, 0), a->content, a->content_bytes) != e.crc) {
        return broken(a, "the checksum of a member is wrong");
    }
    return ASSAY_OK;
}
