/* Text for language models: every token is to be predicted from those before it.
 *
 *   x_t = token t, label_t = token t + 1
 *
 * level = "char": UTF-8 code points (Karpathy, Johnson, Li 2015, "Visualizing and understanding recurrent networks": tiny
 * Shakespeare has 1,115,394 of them, 65 different). "byte": bytes; names are the byte itself where it is printable ASCII,
 * a newline or a tab, else \xNN. "word": what stands between white space (ASCII blanks), and the token <eos> for each line
 * end, also for one that the last line lacks: the Penn Treebank as Mikolov et al. 2010 and Zaremba et al. 2014 read
 * it (929,589 training tokens of 10,000 kinds).
 *
 * Nothing is cleaned at the level of characters and bytes: a UTF-8 byte order mark and the \r of CRLF are tokens. Published
 * counts differ by just that (War and Peace with 3,258,246 "characters" of 87 kinds is bytes, mark and CRLF included). Among
 * words both vanish: \r is a blank, the mark at the beginning of a file is skipped.
 *
 * sample = "step": every token but a file's last is a plain sample of one step, so that data.window makes streams of them
 * (truncated back-propagation) and split.method = "time" cuts between two tokens. "line": every line is a sequence whose
 * steps predict the next token, its line end last; a line of one token, an empty one, makes no sample.
 *
 * The vocabulary is in the order of code points or bytes; of words, by falling count, equal ones by bytes. It is made of all
 * files that are named, so that validation and test know each token; or it comes from a file, and a token that is not there is
 * <unk> if that is, else an error. min_count and max_vocabulary turn rare words into <unk>, which is added at the end if the
 * text itself has none; <eos> always stays.
 *
 * Tokens are int32 in one block; labels are the same block one token on, unless several files are cut into plain samples. */
#include "source.h"

#include <stdlib.h>

static const char *const levels[] = { "char", "byte", "word" };
static const char *const samples[] = { "step", "line" };

static const assay_hyper hypers[] = {
    ASSAY_STRING(text, file, NULL, "the text", .flags = ASSAY_PATH | ASSAY_REQUIRED),
    ASSAY_STRING(
        text, validation_file, NULL, "a text that is the validation part", .flags = ASSAY_PATH),
    ASSAY_STRING(text, test_file, NULL, "a text that is the test part", .flags = ASSAY_PATH),
    ASSAY_ENUM(text, level, LEVEL_CHAR, levels,
        "what a token is: a UTF-8 character, a byte, or a word between white space"),
    ASSAY_ENUM(text, sample, SAMPLE_STEP, samples,
        "step: each token is a sample, for streams (data.window); line: each line is a sequence"),
    ASSAY_STRING(text, vocabulary, NULL,
        "a JSON list of token names in their order, as a run's vocabulary.json; none: from the "
        "files",
        .flags = ASSAY_PATH),
    ASSAY_INT(text, min_count, 1, 1, 1e15, "words that occur less often become <unk>"),
    ASSAY_INT(text, max_vocabulary, 0, 0, INT32_MAX,
        "the most frequent words stay, so many in all, and the rest become <unk>; 0: no limit"),
};

int text_nomem(assay_ctx *ctx)
{
    return ctx->host->fail(ctx, ASSAY_E_NOMEM, NULL, "out of memory for the text");
}

static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct text *h = hyper;
    const char *key = h->min_count > 1 ? "min_count"
        : h->max_vocabulary > 0        ? "max_vocabulary"
                                       : NULL;
    if (key != NULL && h->level != LEVEL_WORD) {
        return ctx->host->fail(
            ctx, ASSAY_E_INVALID, key, "only words become <unk>: set level to \"word\"");
    }
    if (key != NULL && h->vocabulary != NULL) {
        return ctx->host->fail(
            ctx, ASSAY_E_INVALID, key, "vocabulary names the tokens already: give one of the two");
    }
    if (h->max_vocabulary == 1) {
        return ctx->host->fail(ctx, ASSAY_E_INVALID, "max_vocabulary",
            "must be 0, or at least 2: <eos> and <unk> are among the words");
    }
    return ASSAY_OK;
}

static size_t begin_of(const struct source *s, size_t k)
{
    return k > 0 ? s->end[k - 1] : 0;
}

/* ASSAY_PART_... of file k. */
static uint32_t part_of(size_t k)
{
    static const uint32_t parts[] = { ASSAY_PART_ANY, ASSAY_PART_VALIDATION, ASSAY_PART_TEST };
    return parts[k];
}

static int few(const struct source *s, size_t k)
{
    return file_fail(&s->file[k], ASSAY_E_DATA,
        s->hyper->sample == SAMPLE_LINE
            ? ": no line has two tokens, so there is nothing to predict"
            : ": fewer than two tokens, so there is nothing to predict");
}

/* Several files: the last token of each is no input, the first no label, and rows must follow each other. */
static int close_ranks(struct source *s, const assay_data *out)
{
    int32_t *x = s->held->ids.item;
    size_t at = 0;
    s->held->label = calloc((size_t)out->n_samples, sizeof(int32_t));
    if (s->held->label == NULL) return text_nomem(s->ctx);
    for (size_t k = 0; k < N_FILES; k++) {
        if (s->file[k].path == NULL) continue;
        const size_t begin = begin_of(s, k), n = s->end[k] - begin - 1;
        memcpy(s->held->label + at, x + begin + 1, n * sizeof(int32_t));
        memmove(x + at, x + begin, n * sizeof(int32_t));
        at += n;
    }
    return ASSAY_OK;
}

/* Every token but a file's last. */
static int steps_make(struct source *s, assay_data *out)
{
    out->n_samples = s->held->ids.n - s->n_texts;
    for (size_t k = 0; k < N_FILES; k++) {
        if (s->file[k].path != NULL && s->end[k] - begin_of(s, k) < 2) return few(s, k);
    }
    out->label = s->held->ids.item + 1;
    if (s->n_texts == 1) return ASSAY_OK;
    uint32_t *part = s->ctx->host->alloc(s->ctx, out->n_samples * sizeof(uint32_t));
    if (part == NULL) return text_nomem(s->ctx);
    for (size_t k = 0, i = 0; k < N_FILES; k++) {
        if (s->file[k].path == NULL) continue;
        for (size_t n = s->end[k] - begin_of(s, k) - 1; n > 0; n--)
            part[i++] = part_of(k);
    }
    out->part = part;
    const int code = close_ranks(s, out);
    out->label = s->held->label;
    return code;
}

/* Every line of two tokens or more. */
static int lines_make(struct source *s, assay_data *out)
{
    const assay_host *host = s->ctx->host;
    const size_t n_lines = s->line_end.n;
    uint64_t *first = host->alloc(s->ctx, n_lines * sizeof(uint64_t));
    uint64_t *steps = host->alloc(s->ctx, n_lines * sizeof(uint64_t));
    uint32_t *part = host->alloc(s->ctx, n_lines * sizeof(uint32_t));
    if (first == NULL || steps == NULL || part == NULL) return text_nomem(s->ctx);
    size_t begin = 0, n = 0, line = 0;
    for (size_t k = 0; k < N_FILES; k++) {
        const size_t before = n;
        for (; line < s->n_lines[k]; line++) {
            const size_t end = s->line_end.item[line];
            if (end - begin > 1) {
                first[n] = begin;
                steps[n] = end - begin - 1;
                part[n++] = part_of(k);
            }
            begin = end;
        }
        if (s->file[k].path != NULL && n == before) return few(s, k);
    }
    out->n_samples = n;
    out->first_step = first;
    out->n_steps = steps;
    out->part = s->n_texts > 1 ? part : NULL;
    out->label = s->held->ids.item + 1;
    out->target_per_step = 1;
    return ASSAY_OK;
}

static int list_files(struct source *s, assay_data *out)
{
    const char **files = s->ctx->host->alloc(s->ctx, (N_FILES + 1) * sizeof(char *));
    if (files == NULL) return text_nomem(s->ctx);
    for (size_t k = 0; k < N_FILES; k++) {
        if (s->file[k].path != NULL) files[out->n_files++] = s->file[k].path;
    }
    s->n_texts = (size_t)out->n_files;
    if (s->names.path != NULL) files[out->n_files++] = s->names.path;
    out->files = files;
    return ASSAY_OK;
}

static int views_make(struct source *s, assay_data *out)
{
    int code = list_files(s, out);
    if (code != ASSAY_OK) return code;
    code = s->hyper->sample == SAMPLE_LINE ? lines_make(s, out) : steps_make(s, out);
    if (code != ASSAY_OK) return code;
    if (s->vocabulary.n < 2) {
        return file_fail(&s->file[MAIN], ASSAY_E_DATA,
            ": every token is the same, so there is nothing to predict");
    }
    code = vocabulary_names(s, &out->token_names);
    out->x_shape = (assay_shape){ 1, { 1 } };
    out->x_dtype = ASSAY_I32;
    out->x = s->held->ids.item;
    out->x_stride = sizeof(int32_t);
    out->vocabulary = s->vocabulary.n;
    out->token_separator = s->hyper->level == LEVEL_WORD ? " " : NULL;
    out->target = ASSAY_TARGET_CLASS;
    out->n_classes = s->vocabulary.n;
    out->class_names = out->token_names;
    out->n_targets = 1;
    return code;
}

static int source_make(struct source *s, assay_data *out)
{
    int code = vocabulary_init(s);
    if (code == ASSAY_OK && s->hyper->vocabulary != NULL) code = names_read(s);
    if (code == ASSAY_OK) code = tokens_read(s);
    if (code == ASSAY_OK && s->hyper->vocabulary == NULL) code = vocabulary_settle(s);
    return code == ASSAY_OK ? views_make(s, out) : code;
}

static void close_text(assay_ctx *ctx)
{
    struct held *held = ctx->self;
    if (held == NULL) return;
    free(held->ids.item);
    free(held->label);
    ctx->self = NULL;
}

static int open_text(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    static const char *const keys[] = { "file", "validation_file", "test_file" };
    const struct text *h = hyper;
    const char *const paths[] = { h->file, h->validation_file, h->test_file };
    struct source s = { .ctx = ctx, .hyper = h, .unknown = -1 };
    s.held = ctx->host->alloc(ctx, sizeof(*s.held));
    if (s.held == NULL) return text_nomem(ctx);
    ctx->self = s.held;
    for (size_t k = 0; k < N_FILES; k++)
        s.file[k] = (struct file){ .ctx = ctx, .key = keys[k], .path = paths[k] };
    s.names = (struct file){ .ctx = ctx, .key = "vocabulary", .path = h->vocabulary };
    const int code = source_make(&s, out);
    for (size_t k = 0; k < N_FILES; k++)
        file_close(&s.file[k]);
    file_close(&s.names);
    vocabulary_release(&s.vocabulary);
    free(s.line_end.item);
    if (code != ASSAY_OK) close_text(ctx);
    return code;
}

ASSAY_DATASET(text, "0.1.0", "text as characters, bytes or words, each to be predicted",
    ASSAY_HYPERS(text, hypers), .open = open_text, .close = close_text, .validate = validate);
