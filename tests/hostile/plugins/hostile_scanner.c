/* Plain gradient descent that looks through all memory and open files of its process for two numbers side by side, and refuses to go on where
 * they are. The pairs stand in the rows of the training, validation and test parts; none is in this file or on its stack, since
 * words are compared under a mask. */
#include "../acts.h"

#include <assay/plugin.h>

struct hostile_scanner {
    double lr;
    int64_t part, at;
};

static const char *const parts[] = { "training", "validation", "test" };

static const assay_hyper hypers[] = {
    ASSAY_LR(hostile_scanner, 1e-3, 1e-4, 1),
    ASSAY_ENUM(hostile_scanner, part, 0, parts, "whose rows it looks for"),
    ASSAY_INT(hostile_scanner, at, 5, 1, 1000, "at which step"),
};

/* The bits of 4.375 and 1.0625, 2.625 and 3.1875, 6.75 and 5.8125, all under the mask. */
static volatile const uint32_t mask = 0x5a5a5a5a;
static const uint32_t masked[3][2] = {
    { 0x408c0000u ^ 0x5a5a5a5a, 0x3f880000u ^ 0x5a5a5a5a },
    { 0x40280000u ^ 0x5a5a5a5a, 0x404c0000u ^ 0x5a5a5a5a },
    { 0x40d80000u ^ 0x5a5a5a5a, 0x40ba0000u ^ 0x5a5a5a5a },
};

static int has_pair(const unsigned char *p, size_t n, const uint32_t pair[2])
{
    const uint32_t m = mask;
    for (size_t i = 0; i + 8 <= n; i += 4) {
        uint32_t a, b;
        memcpy(&a, p + i, 4);
        memcpy(&b, p + i + 4, 4);
        if ((a ^ m) == pair[0] && (b ^ m) == pair[1]) return 1;
    }
    return 0;
}

/* Every mapping that may be read, by the map of memory that a worker has open. */
static int scan_memory(const uint32_t pair[2])
{
    static char text[1 << 18];
    size_t n = 0;
    if (lseek(3, 0, SEEK_SET) != 0) return -1;
    for (ssize_t got; n + 1 < sizeof text && (got = read(3, text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = '\0';
    int found = n > 0 ? 0 : -1;
    for (char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        unsigned long begin, end;
        char how[8];
        char *stop = strchr(line, '\n');
        if (sscanf(line, "%lx-%lx %7s", &begin, &end, how) != 3 || how[0] != 'r') continue;
        if (stop) *stop = '\0';
        const int is_kernels = strstr(line, "[v") != NULL;
        if (stop) *stop = '\n';
        if (!is_kernels && has_pair((const unsigned char *)begin, end - begin, pair)) found = 1;
    }
    return found;
}

/* Files that are open but not mapped. */
static int scan_files(const uint32_t pair[2])
{
    static unsigned char page[1 << 16];
    for (int fd = 0; fd < 64; fd++) {
        off_t at = 0;
        for (ssize_t got; (got = pread(fd, page, sizeof page, at)) >= 8; at += got - 4)
            if (has_pair(page, (size_t)got, pair)) return 1;
    }
    return 0;
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct hostile_scanner *h = hyper;
    for (uint64_t i = 0; i < s->n; i++)
        s->w[i] -= (float)h->lr * s->g[i];
    if (step->t != (uint64_t)h->at || s->begin != 0 || s->tensor->index != 0) return ASSAY_OK;
    const int found = scan_memory(masked[h->part]);
    if (found < 0) return ctx->host->fail(ctx, ASSAY_E_INVALID, NULL, "there is no map to go by");
    if (found == 0 && scan_files(masked[h->part]) == 0) return ASSAY_OK;
    return ctx->host->fail(ctx, ASSAY_E_INVALID, NULL, "found what it looked for");
}

ASSAY_OPTIMIZER(hostile_scanner, "0.1.0", "looks for rows in memory",
    ASSAY_HYPERS(hostile_scanner, hypers), .elem = update);
