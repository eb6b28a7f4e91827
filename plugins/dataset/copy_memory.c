/* The copy memory task: symbols are shown, then nothing for long, then they are to be repeated.
 *
 *   x      = s_1 .. s_k, 0 (length - 1 times), m (k + 1 times)         k = copied, m = symbols + 1
 *   target = 0 (length + k times), s_1 .. s_k                          s uniform on 1 .. symbols
 *
 * so that a sequence has length + 2 k steps, each with a class of symbols + 2. Hochreiter, Schmidhuber 1997; in this form
 * Arjovsky, Shah, Bengio 2016, "Unitary evolution recurrent neural networks", section 4.1, and Bai, Kolter, Koltun 2018, "An
 * empirical evaluation of generic convolutional and recurrent networks for sequence modeling", whose generator has 8 symbols,
 * 10 copied, and the marker at length..length + 10.
 *
 * Who remembers nothing answers 0 for certain until the repeating begins and then one of the symbols at random: a loss of
 *
 *   k ln(symbols) / (length + 2 k)        10 ln 8 / (T + 20): 0.1733 at T = 100, 0.0204 at 1000
 *
 * a step. Only below that plateau something was learnt. Symbols are functions of seed and absolute place: the j-th of sample i is
 * number i k + j of stream `seed`; 32 random bits times their number, so shares differ by less than 2^-20 of themselves. */
#include <assay/plugin.h>

#include <stdio.h>

struct copy_memory {
    int64_t samples, length, symbols, copied, seed;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(copy_memory, samples, 10000, 1, 4294967295.0, "how many sequences"),
    ASSAY_INT(copy_memory, length, 100, 1, 1e6,
        "T of the papers: length - 1 blank steps after the symbols, then the marker",
        .unit = "steps"),
    ASSAY_INT(copy_memory, symbols, 8, 2, 4096, "different symbols"),
    ASSAY_INT(copy_memory, copied, 10, 1, 1e5, "symbols to remember", .unit = "steps"),
    ASSAY_INT(copy_memory, seed, 0, 0, 1e15, "of the symbols, apart from the run's seed"),
};

static int no_memory(assay_ctx *ctx)
{
    return ctx->host->fail(ctx, ASSAY_E_NOMEM, NULL, "out of memory for the sequences");
}

/* "0", "1", ...; NULL when memory is out. */
static const char *const *token_names(assay_ctx *ctx, uint64_t n)
{
    enum { NAME_BYTES = 8 };
    const char **name = ctx->host->alloc(ctx, n * sizeof(char *));
    char *text = ctx->host->alloc(ctx, n * NAME_BYTES);
    if (name == NULL || text == NULL) return NULL;
    for (uint64_t i = 0; i < n; i++) {
        name[i] = text + i * NAME_BYTES;
        snprintf(text + i * NAME_BYTES, NAME_BYTES, "%u", (unsigned)i);
    }
    return name;
}

/* One sample of n steps; x and label are zero before. */
static void fill(const struct copy_memory *h, const uint32_t *random, int32_t *x, int32_t *label)
{
    const uint64_t k = (uint64_t)h->copied, length = (uint64_t)h->length;
    for (uint64_t j = 0; j < k; j++) {
        x[j] = 1 + (int32_t)((random[j] * (uint64_t)h->symbols) >> 32);
        label[length + k + j] = x[j];
    }
    for (uint64_t j = 0; j <= k; j++)
        x[length + k - 1 + j] = (int32_t)h->symbols + 1;
}

static int generate(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    const struct copy_memory *h = hyper;
    const uint64_t n = (uint64_t)h->samples, k = (uint64_t)h->copied;
    const uint64_t steps = (uint64_t)h->length + 2 * k;
    // [n, steps], below 2^55 bytes; the largest first, so that nothing else is filled where it does not fit
    int32_t *x = ctx->host->alloc(ctx, n * steps * sizeof(int32_t));
    if (x == NULL) return no_memory(ctx);
    int32_t *label = ctx->host->alloc(ctx, n * steps * sizeof(int32_t)); // [n, steps]
    if (label == NULL) return no_memory(ctx);
    uint64_t *first = ctx->host->alloc(ctx, n * sizeof(uint64_t));
    uint64_t *n_steps = ctx->host->alloc(ctx, n * sizeof(uint64_t));
    uint32_t *random = ctx->host->alloc(ctx, k * sizeof(uint32_t));
    out->token_names = token_names(ctx, (uint64_t)h->symbols + 2);
    if (first == NULL || n_steps == NULL || random == NULL || out->token_names == NULL) {
        return no_memory(ctx);
    }
    for (uint64_t i = 0; i < n; i++) {
        ctx->host->random_u32(ctx, (uint64_t)h->seed, i * k, random, k);
        fill(h, random, x + i * steps, label + i * steps);
        first[i] = i * steps;
        n_steps[i] = steps;
    }
    out->n_samples = n;
    out->first_step = first;
    out->n_steps = n_steps;
    out->x_shape = (assay_shape){ 1, { 1 } };
    out->x_dtype = ASSAY_I32;
    out->x = x;
    out->x_stride = sizeof(int32_t);
    out->vocabulary = (uint64_t)h->symbols + 2;
    out->token_separator = " ";
    out->target = ASSAY_TARGET_CLASS;
    out->n_classes = out->vocabulary;
    out->class_names = out->token_names;
    out->n_targets = 1;
    out->label = label;
    out->target_per_step = 1;
    return ASSAY_OK;
}

ASSAY_DATASET(copy_memory, "0.1.0", "symbols to be repeated after a long pause",
    ASSAY_HYPERS(copy_memory, hypers), .open = generate);
