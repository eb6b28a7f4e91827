/* Polyphonic music as piano-rolls: from the keys that sounded so far, which ones sound next (Boulanger-Lewandowski, Bengio,
 * Vincent 2012, "Modeling temporal dependencies in high-dimensional sequences"; Chung et al. 2014, "Empirical evaluation of
 * gated recurrent neural networks on sequence modeling").
 *
 *   x_t = frame t, target_t = frame t + 1, t = 1..T-1; each a vector of `keys` zeros and ones
 *
 * so that a piece of T frames is a sequence of T - 1 steps. Papers report -log p summed over the keys and averaged over
 * all steps of a part. Frames are bytes, and the targets are the same bytes one frame on.
 *
 * Text: one line a piece; frames with one space between them; a frame is its sounding keys, ascending, with commas between
 * them, or - for silence. Keys count from 0 (of 88: MIDI note 21). LF or CRLF.
 *
 *     - 39,46,51 39,46,51 46
 *
 * NumPy: files that end in .npy, or stand in an .npz archive ("jsb.npz/frames"): all frames one after the other, u1 or b1
 * [frames, keys], and how many each piece has, integers [pieces], in the file that `lengths` names; without it
 * NAME.lengths.npy beside NAME.frames.npy. */
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const assay_hyper hypers[] = {
    ASSAY_STRING(pianoroll, file, NULL, "the pieces, as text or as NumPy's frames",
        .flags = ASSAY_PATH | ASSAY_REQUIRED),
    ASSAY_STRING(pianoroll, validation_file, NULL, "pieces that are the validation part",
        .flags = ASSAY_PATH),
    ASSAY_STRING(pianoroll, test_file, NULL, "pieces that are the test part", .flags = ASSAY_PATH),
    ASSAY_STRING(pianoroll, lengths, NULL,
        "of NumPy's frames: how many each piece has; none: NAME.lengths.npy beside NAME.frames.npy",
        .flags = ASSAY_PATH),
    ASSAY_STRING(
        pianoroll, validation_lengths, NULL, "the same of validation_file", .flags = ASSAY_PATH),
    ASSAY_STRING(pianoroll, test_lengths, NULL, "the same of test_file", .flags = ASSAY_PATH),
    ASSAY_INT(pianoroll, keys, 88, 1, 65536, "keys of the instrument"),
};

int roll_nomem(assay_ctx *ctx)
{
    return ctx->host->fail(ctx, ASSAY_E_NOMEM, NULL, "out of memory for the piano-rolls");
}

int frames_reserve(struct source *s, size_t n)
{
    if (n <= s->room - s->n_frames) return ASSAY_OK;
    size_t room = s->room > 0 ? 2 * s->room : 1024;
    if (room - s->n_frames < n) room = s->n_frames + n;
    if (room > SIZE_MAX / 2 / s->keys) return roll_nomem(s->ctx);
    uint8_t *frame = realloc(s->held->frame, room * s->keys);
    if (frame == NULL) return roll_nomem(s->ctx);
    memset(frame + s->room * s->keys, 0, (room - s->room) * s->keys);
    s->held->frame = frame;
    s->room = room;
    return ASSAY_OK;
}

static int samples_reserve(struct source *s)
{
    if (s->n_samples < s->samples_room) return ASSAY_OK;
    const size_t room = s->samples_room > 0 ? 2 * s->samples_room : 256;
    uint64_t *first = realloc(s->first, room * sizeof(uint64_t));
    if (first != NULL) s->first = first;
    uint64_t *steps = realloc(s->steps, room * sizeof(uint64_t));
    if (steps != NULL) s->steps = steps;
    uint32_t *part = realloc(s->part, room * sizeof(uint32_t));
    if (part != NULL) s->part = part;
    if (first == NULL || steps == NULL || part == NULL) return roll_nomem(s->ctx);
    s->samples_room = room;
    return ASSAY_OK;
}

int piece_add(struct source *s, size_t i, size_t n)
{
    static const uint32_t part_of[] = { ASSAY_PART_ANY, ASSAY_PART_VALIDATION, ASSAY_PART_TEST };
    if (n < 2) {
        s->set[i].n_short++;
        return ASSAY_OK;
    }
    const int code = samples_reserve(s);
    if (code != ASSAY_OK) return code;
    s->first[s->n_samples] = s->n_frames - n;
    s->steps[s->n_samples] = n - 1;
    s->part[s->n_samples++] = part_of[i];
    return ASSAY_OK;
}

static bool is_numpy(const char *path)
{
    const size_t n = strlen(path);
    const char *archive = strstr(path, ".npz"); // an array in it is named behind a slash
    const int is_archive = archive && (archive[4] == '\0' || archive[4] == '/');
    return is_archive || (n > 4 && strcmp(path + n - 4, ".npy") == 0);
}

/* Warns of pieces that say nothing; an error where there are no others. */
static int check_short(struct source *s, size_t i, size_t n_before)
{
    char message[300];
    const struct set *set = &s->set[i];
    const char *slash = strrchr(set->path, '/'), *name = slash != NULL ? slash + 1 : set->path;
    if (set->n_short > 0) {
        snprintf(message, sizeof(message),
            "%.120s: %llu of %llu pieces have one frame, so nothing to predict: left out", name,
            (unsigned long long)set->n_short,
            (unsigned long long)(set->n_short + s->n_samples - n_before));
        s->ctx->host->log(s->ctx, ASSAY_LOG_WARNING, message);
    }
    if (s->n_samples > n_before) return ASSAY_OK;
    snprintf(message, sizeof(message),
        "%.120s: no piece has two frames, so there is nothing to predict", name);
    return s->ctx->host->fail(s->ctx, ASSAY_E_DATA, set->key, message);
}

static int sets_read(struct source *s)
{
    for (size_t i = 0; i < N_SETS; i++) {
        const struct set *set = &s->set[i];
        const size_t n_before = s->n_samples;
        if (set->path == NULL) continue;
        int code = ASSAY_OK;
        if (is_numpy(set->path)) {
            code = arrays_read(s, i);
        } else if (set->lengths != NULL) {
            return s->ctx->host->fail(s->ctx, ASSAY_E_INVALID, set->lengths_key,
                "goes with frames from a .npy file or an .npz archive: text says where a piece "
                "ends");
        } else {
            code = lines_read(s, i);
        }
        if (code == ASSAY_OK) code = check_short(s, i, n_before);
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

static void *kept(struct source *s, const void *from, size_t bytes)
{
    void *to = s->ctx->host->alloc(s->ctx, bytes);
    return to != NULL ? memcpy(to, from, bytes) : NULL;
}

/* Each file once, though several arrays may come from one archive. */
static const char *const *list_files(struct source *s, uint64_t *out_n)
{
    const char **files = s->ctx->host->alloc(s->ctx, 2 * N_SETS * sizeof(char *));
    for (size_t i = 0; files != NULL && i < 2 * N_SETS; i++) {
        const char *file = s->set[i / 2].file[i % 2];
        uint64_t k = 0;
        while (file != NULL && k < *out_n && strcmp(files[k], file) != 0)
            k++;
        if (file != NULL && k == *out_n) files[(*out_n)++] = file;
    }
    return files;
}

static int source_make(struct source *s, assay_data *out)
{
    const int code = sets_read(s);
    if (code != ASSAY_OK) return code;
    const size_t n = s->n_samples;
    out->first_step = kept(s, s->first, n * sizeof(uint64_t));
    out->n_steps = kept(s, s->steps, n * sizeof(uint64_t));
    const uint32_t *part = kept(s, s->part, n * sizeof(uint32_t));
    out->files = list_files(s, &out->n_files);
    if (out->first_step == NULL || out->n_steps == NULL || part == NULL || out->files == NULL) {
        return roll_nomem(s->ctx);
    }
    if (s->set[VALIDATION].path != NULL || s->set[TEST].path != NULL) out->part = part;
    out->n_samples = n;
    out->x_shape = (assay_shape){ 1, { s->keys } };
    out->x_dtype = ASSAY_U8;
    out->x = s->held->frame;
    out->x_stride = s->keys;
    out->x_scale = 1;
    out->target = ASSAY_TARGET_BINARY;
    out->n_targets = s->keys;
    out->targets_u8 = s->held->frame + s->keys;
    out->target_per_step = 1;
    return ASSAY_OK;
}

static void close_rolls(assay_ctx *ctx)
{
    struct held *held = ctx->self;
    if (held != NULL) free(held->frame);
    ctx->self = NULL;
}

static int open_rolls(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    const struct pianoroll *h = hyper;
    struct source s = {
        .ctx = ctx,
        .set = { { "file", h->file, "lengths", h->lengths, 0, { NULL } },
            { "validation_file", h->validation_file, "validation_lengths", h->validation_lengths, 0,
                { NULL } },
            { "test_file", h->test_file, "test_lengths", h->test_lengths, 0, { NULL } } },
        .keys = (size_t)h->keys,
    };
    s.held = ctx->host->alloc(ctx, sizeof(*s.held));
    if (s.held == NULL) return roll_nomem(ctx);
    ctx->self = s.held;
    const int code = source_make(&s, out);
    free(s.first);
    free(s.steps);
    free(s.part);
    if (code != ASSAY_OK) close_rolls(ctx);
    return code;
}

static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct pianoroll *h = hyper;
    const char *key = h->validation_lengths != NULL && h->validation_file == NULL
        ? "validation_lengths"
        : h->test_lengths != NULL && h->test_file == NULL ? "test_lengths"
                                                          : NULL;
    return key == NULL ? ASSAY_OK
                       : ctx->host->fail(ctx, ASSAY_E_INVALID, key, "lengths without frames");
}

ASSAY_DATASET(pianoroll, "0.1.0", "polyphonic music: the next frame of a piano-roll",
    ASSAY_HYPERS(pianoroll, hypers), .open = open_rolls, .close = close_rolls,
    .validate = validate);
