/* IDX files, as MNIST comes: a big-endian header (0, 0, type 8 for bytes, number of dimensions; one 32-bit size a
 * dimension), then the bytes. Images have two to five dimensions, labels one. Gzip or plain, found by its magic.
 *
 * Pixels stay bytes: the host scales them when it gathers a batch, and a mapped file costs no memory. The format's header is
 * not a page long, so two files cannot be mapped side by side: one plain image file is mapped, all else is read into one
 * block. */
#include <assay/plugin.h>

#include <zlib.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DIMS = ASSAY_MAX_DIMS + 1, HEADER_BYTES = 4 };

struct idx {
    const char *images, *labels, *test_images, *test_labels;
    double scale;
    int64_t classes;
};

static const assay_hyper hypers[] = {
    ASSAY_STRING(idx, images, NULL, "the images", .flags = ASSAY_PATH | ASSAY_REQUIRED),
    ASSAY_STRING(idx, labels, NULL, "their labels", .flags = ASSAY_PATH | ASSAY_REQUIRED),
    ASSAY_STRING(idx, test_images, NULL, "the test part's images", .flags = ASSAY_PATH),
    ASSAY_STRING(idx, test_labels, NULL, "the test part's labels", .flags = ASSAY_PATH),
    ASSAY_REAL(idx, scale, 1.0 / 255, 0, ASSAY_INF, "a byte times this is what the model sees",
        .flags = ASSAY_OPEN_MIN),
    ASSAY_INT(idx, classes, 0, 0, 256, "how many classes; 0: the largest label and one more"),
};

/* A file being read. */
struct reader {
    assay_ctx *ctx;
    const char *key, *path, *name;
    gzFile gz;
    uint64_t n_dims, dim[MAX_DIMS];
    uint64_t n_bytes; /* below the header */
};

/* A mapping to be undone by close. */
struct map {
    void *address;
    size_t bytes;
};

static int bad(const struct reader *r, int code, const char *what)
{
    char message[400];
    snprintf(message, sizeof(message), "%.120s: %.260s", r->name, what);
    return r->ctx->host->fail(r->ctx, code, r->key, message);
}

/* Fewer bytes than asked for: a short file, or one that gzip finds broken. */
static int bad_read(const struct reader *r, int got)
{
    int code = Z_OK;
    const char *reason = gzerror(r->gz, &code);
    if (code == Z_MEM_ERROR) return ASSAY_E_NOMEM;
    if (got < 0 && code == Z_ERRNO) return bad(r, ASSAY_E_IO, strerror(errno));
    if (code != Z_OK && code != Z_BUF_ERROR) return bad(r, ASSAY_E_DATA, reason);
    return bad(r, ASSAY_E_DATA, "the file ends before its last value");
}

static int read_bytes(const struct reader *r, unsigned char *to, uint64_t n)
{
    while (n > 0) {
        const unsigned piece = n < (1u << 30) ? (unsigned)n : 1u << 30;
        const int got = gzread(r->gz, to, piece);
        if (got <= 0 || (unsigned)got < piece) return bad_read(r, got);
        to += piece;
        n -= piece;
    }
    return ASSAY_OK;
}

/* Before memory is taken for them: whether the file can hold that many bytes. Deflate packs at most 1032 into one. */
static int check_size(const struct reader *r)
{
    struct stat info;
    if (stat(r->path, &info) != 0 || !S_ISREG(info.st_mode)) return ASSAY_OK;
    const uint64_t most = (uint64_t)info.st_size * (gzdirect(r->gz) ? 1 : 1032);
    return r->n_bytes <= most ? ASSAY_OK
                              : bad(r, ASSAY_E_DATA, "the file ends before its last value");
}

/* Opens the file and reads its header, which must have min..max dimensions. */
static int reader_open(struct reader *r, uint64_t min_dims, uint64_t max_dims)
{
    unsigned char h[HEADER_BYTES + 4 * MAX_DIMS] = { 0 };
    const char *slash = strrchr(r->path, '/');
    r->name = slash != NULL ? slash + 1 : r->path;
    errno = 0;
    r->gz = gzopen(r->path, "rb");
    if (r->gz == NULL) {
        if (errno == 0 || errno == ENOMEM) return ASSAY_E_NOMEM;
        char message[400];
        snprintf(
            message, sizeof(message), "cannot be opened: %s: %.200s", strerror(errno), r->path);
        return bad(r, ASSAY_E_IO, message);
    }
    int code = read_bytes(r, h, HEADER_BYTES);
    if (code != ASSAY_OK) return code;
    if (h[0] != 0 || h[1] != 0)
        return bad(r, ASSAY_E_DATA, "not an IDX file: it does not begin with 0, 0");
    if (h[2] != 8) return bad(r, ASSAY_E_UNSUPPORTED, "IDX of another type than unsigned bytes");
    if (h[3] < min_dims || h[3] > max_dims) {
        char message[120];
        snprintf(message, sizeof(message), "%d dimensions where %s are expected: %s", h[3],
            max_dims == 1 ? "labels, with one," : "images, with two to five,",
            max_dims == 1 ? "is it the images?" : "is it the labels?");
        return bad(r, ASSAY_E_DATA, message);
    }
    r->n_dims = h[3];
    code = read_bytes(r, h + HEADER_BYTES, 4 * r->n_dims);
    if (code != ASSAY_OK) return code;
    r->n_bytes = 1;
    for (uint64_t i = 0; i < r->n_dims; i++) {
        const unsigned char *b = h + HEADER_BYTES + 4 * i;
        r->dim[i] = (uint64_t)b[0] << 24 | (uint64_t)b[1] << 16 | (uint64_t)b[2] << 8 | b[3];
        if (r->dim[i] == 0) return bad(r, ASSAY_E_DATA, "a dimension of size 0");
        if (r->n_bytes > (UINT64_C(1) << 48) / r->dim[i]) {
            return bad(r, ASSAY_E_DATA, "its header claims more bytes than a file may have");
        }
        r->n_bytes *= r->dim[i];
    }
    return check_size(r);
}

/* The bytes below the header, and nothing after them. */
static int reader_rest(const struct reader *r, unsigned char *to)
{
    unsigned char more = 0;
    const int code = read_bytes(r, to, r->n_bytes);
    if (code != ASSAY_OK) return code;
    const int got = gzread(r->gz, &more, 1);
    if (got < 0) return bad_read(r, got);
    return got == 0 ? ASSAY_OK : bad(r, ASSAY_E_DATA, "has bytes after its last value");
}

static void reader_close(struct reader *r)
{
    if (r->gz != NULL) gzclose(r->gz);
    r->gz = NULL;
}

/* Maps a plain image file; *out is its first pixel. */
static int map_images(const struct reader *r, const unsigned char **out)
{
    const size_t header = HEADER_BYTES + 4 * (size_t)r->n_dims;
    const size_t bytes = header + (size_t)r->n_bytes;
    struct map *m = r->ctx->host->alloc(r->ctx, sizeof(*m));
    if (m == NULL) return ASSAY_E_NOMEM;
    const int fd = open(r->path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        const int code = bad(r, ASSAY_E_IO, strerror(errno));
        if (fd >= 0) close(fd);
        return code;
    }
    if ((uint64_t)info.st_size != bytes) {
        close(fd);
        return bad(r, ASSAY_E_DATA,
            (uint64_t)info.st_size < bytes ? "the file ends before its last value"
                                           : "has bytes after its last value");
    }
    void *address = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    const int reason = errno;
    close(fd);
    if (address == MAP_FAILED) return bad(r, ASSAY_E_IO, strerror(reason));
    *m = (struct map){ address, bytes };
    r->ctx->self = m;
    *out = (const unsigned char *)address + header;
    return ASSAY_OK;
}

/* Both image files one after the other. */
static int read_images(struct reader *train, struct reader *test, const unsigned char **out)
{
    assay_ctx *ctx = train->ctx;
    const bool both = test->path != NULL;
    int code = reader_open(train, 2, MAX_DIMS);
    if (code == ASSAY_OK && both) code = reader_open(test, 2, MAX_DIMS);
    if (code != ASSAY_OK) return code;
    if (both &&
        (train->n_dims != test->n_dims ||
            memcmp(train->dim + 1, test->dim + 1, (train->n_dims - 1) * sizeof(uint64_t)) != 0)) {
        return bad(test, ASSAY_E_SHAPE, "its images are of another size than those of images");
    }
    if (!both && gzdirect(train->gz)) return map_images(train, out);
    unsigned char *x = ctx->host->alloc(ctx, train->n_bytes + (both ? test->n_bytes : 0));
    if (x == NULL) return ASSAY_E_NOMEM;
    code = reader_rest(train, x);
    if (code == ASSAY_OK && both) code = reader_rest(test, x + train->n_bytes);
    *out = x;
    return code;
}

/* One file's labels; *classes grows to hold them unless it is fixed. */
static int read_labels(
    struct reader *r, const struct reader *images, bool is_fixed, uint64_t *classes, int32_t *to)
{
    int code = reader_open(r, 1, 1);
    if (code != ASSAY_OK) return code;
    char message[160];
    if (r->dim[0] != images->dim[0]) {
        snprintf(message, sizeof(message), "%llu labels for %llu images of %.80s",
            (unsigned long long)r->dim[0], (unsigned long long)images->dim[0], images->name);
        return bad(r, ASSAY_E_DATA, message);
    }
    unsigned char *byte = malloc(r->n_bytes);
    if (byte == NULL) return ASSAY_E_NOMEM;
    code = reader_rest(r, byte);
    for (uint64_t i = 0; i < r->n_bytes && code == ASSAY_OK; i++) {
        to[i] = byte[i];
        if (byte[i] >= *classes && is_fixed) {
            snprintf(message, sizeof(message), "label %d of sample %llu is outside 0 to %llu",
                byte[i], (unsigned long long)i, (unsigned long long)*classes - 1);
            code = bad(r, ASSAY_E_DATA, message);
        } else if (byte[i] >= *classes) {
            *classes = byte[i] + UINT64_C(1);
        }
    }
    free(byte);
    return code;
}

static int mark_parts(assay_ctx *ctx, uint64_t n, uint64_t n_train, assay_data *out)
{
    if (n == n_train) return ASSAY_OK;
    uint32_t *part = ctx->host->alloc(ctx, n * sizeof(uint32_t));
    if (part == NULL) return ASSAY_E_NOMEM;
    for (uint64_t i = n_train; i < n; i++)
        part[i] = ASSAY_PART_TEST;
    out->part = part;
    return ASSAY_OK;
}

/* r: images, test images, labels, test labels. */
static int open_readers(assay_ctx *ctx, const struct idx *h, struct reader *r, assay_data *out)
{
    const unsigned char *x = NULL;
    const bool both = h->test_images != NULL;
    int code = read_images(&r[0], &r[1], &x);
    if (code != ASSAY_OK) return code;
    const uint64_t n_train = r[0].dim[0], n = n_train + (both ? r[1].dim[0] : 0);
    uint64_t classes = (uint64_t)h->classes;
    int32_t *label = ctx->host->alloc(ctx, n * sizeof(int32_t));
    const char **files = ctx->host->alloc(ctx, 4 * sizeof(char *));
    if (label == NULL || files == NULL) return ASSAY_E_NOMEM;
    code = read_labels(&r[2], &r[0], h->classes != 0, &classes, label);
    if (code == ASSAY_OK && both) code = read_labels(&r[3], &r[1], true, &classes, label + n_train);
    if (code == ASSAY_OK) code = mark_parts(ctx, n, n_train, out);
    if (code != ASSAY_OK) return code;
    for (int i = 0; i < 4; i++) {
        if (r[i].path != NULL) files[out->n_files++] = r[i].path;
    }
    out->files = files;
    out->n_samples = n;
    out->x_shape.n_dims = r[0].n_dims - 1;
    memcpy(out->x_shape.dim, r[0].dim + 1, (r[0].n_dims - 1) * sizeof(uint64_t));
    out->x_dtype = ASSAY_U8;
    out->x = x;
    out->x_stride = assay_shape_size(&out->x_shape);
    out->x_scale = h->scale;
    out->target = ASSAY_TARGET_CLASS;
    out->n_classes = classes;
    out->n_targets = 1;
    out->label = label;
    return ASSAY_OK;
}

static void close_map(assay_ctx *ctx)
{
    struct map *m = ctx->self;
    if (m != NULL) munmap(m->address, m->bytes);
    ctx->self = NULL;
}

static int open_idx(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    const struct idx *h = hyper;
    struct reader r[] = {
        { .ctx = ctx, .key = "images", .path = h->images },
        { .ctx = ctx, .key = "test_images", .path = h->test_images },
        { .ctx = ctx, .key = "labels", .path = h->labels },
        { .ctx = ctx, .key = "test_labels", .path = h->test_labels },
    };
    const int code = open_readers(ctx, h, r, out);
    for (int i = 0; i < 4; i++)
        reader_close(&r[i]);
    if (code != ASSAY_OK) close_map(ctx);
    return code;
}

static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct idx *h = hyper;
    if ((h->test_images == NULL) == (h->test_labels == NULL)) return ASSAY_OK;
    return ctx->host->fail(ctx, ASSAY_E_INVALID,
        h->test_images == NULL ? "test_labels" : "test_images",
        "test_images and test_labels come together");
}

ASSAY_DATASET(idx, "0.1.0", "images and labels from IDX files (MNIST), plain or gzip",
    ASSAY_HYPERS(idx, hypers), .open = open_idx, .close = close_map, .validate = validate);
