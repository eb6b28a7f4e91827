/* Piano-rolls from NumPy's files: all frames, and how many each piece has. Frames may lie in Fortran order, key
 * after key, as NumPy saves what it got from MATLAB. */
#include "source.h"

#include <string.h>

/* NAME.lengths.npy beside NAME.frames.npy. */
static int find_lengths(struct source *s, struct set *set)
{
    static const char frames[] = ".frames.npy", lengths[] = ".lengths.npy";
    const size_t n = strlen(set->path), n_end = sizeof(frames) - 1;
    if (set->lengths != NULL) return ASSAY_OK;
    if (n < n_end || strcmp(set->path + n - n_end, frames) != 0) {
        return s->ctx->host->fail(s->ctx, ASSAY_E_INVALID, set->lengths_key,
            "is missing: only beside NAME.frames.npy it is NAME.lengths.npy");
    }
    char *path = s->ctx->host->alloc(s->ctx, n + sizeof(lengths));
    if (path == NULL) return roll_nomem(s->ctx);
    memcpy(path, set->path, n - n_end);
    memcpy(path + n - n_end, lengths, sizeof(lengths));
    set->lengths = path;
    return ASSAY_OK;
}

static int check_frames(const struct source *s, const struct array *a)
{
    if (a->dtype != DTYPE_U1 && a->dtype != DTYPE_B1) {
        return array_fail(a, ASSAY_E_UNSUPPORTED,
            "frames are |u1 or |b1, and these are %s: save x.astype('uint8')",
            dtype_name(a->dtype));
    }
    if (a->n_dims != 2 || a->dim[1] != s->keys) {
        return array_fail(a, ASSAY_E_SHAPE, "frames are [frames, %zu keys], and this has %llu %s",
            s->keys, (unsigned long long)(a->n_dims == 2 ? a->dim[1] : a->n_dims),
            a->n_dims == 2 ? "keys: set keys" : "dimensions");
    }
    for (uint64_t i = 0; i < a->size; i++) {
        const uint64_t n = a->is_fortran ? a->dim[0] : a->dim[1], outer = i / n, inner = i % n;
        if (a->data[i] <= 1) continue;
        return array_fail(a, ASSAY_E_DATA,
            "frame %llu: key %llu is %d: expected 0 or 1, frames and keys counted from 0",
            (unsigned long long)(a->is_fortran ? inner : outer),
            (unsigned long long)(a->is_fortran ? outer : inner), a->data[i]);
    }
    return ASSAY_OK;
}

static int check_lengths(const struct array *a, const struct array *frames)
{
    uint64_t sum = 0;
    if (dtype_is_float(a->dtype) || a->dtype == DTYPE_B1 || a->n_dims != 1) {
        return array_fail(a, ASSAY_E_UNSUPPORTED,
            "lengths are integers, [pieces], and these are %s of %llu dimensions",
            dtype_name(a->dtype), (unsigned long long)a->n_dims);
    }
    for (uint64_t i = 0; i < a->size; i++) {
        const int64_t n = array_int(a, i);
        if (n < 1 || (uint64_t)n > frames->dim[0] - sum) {
            return array_fail(a, ASSAY_E_DATA,
                "piece %llu (from 0) has %lld frames: expected 1 to %llu, those of %s that are "
                "left",
                (unsigned long long)i, (long long)n, (unsigned long long)(frames->dim[0] - sum),
                frames->name);
        }
        sum += (uint64_t)n;
    }
    if (sum == frames->dim[0]) return ASSAY_OK;
    return array_fail(a, ASSAY_E_DATA, "its pieces have %llu frames, and %s has %llu",
        (unsigned long long)sum, frames->name, (unsigned long long)frames->dim[0]);
}

static void copy_frames(const struct array *a, uint8_t *to)
{
    if (!a->is_fortran) {
        memcpy(to, a->data, (size_t)a->size);
        return;
    }
    const size_t n = (size_t)a->dim[0], keys = (size_t)a->dim[1];
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < keys; k++)
            to[i * keys + k] = a->data[k * n + i];
    }
}

static int read_pieces(
    struct source *s, size_t i, const struct array *frames, const struct array *lengths)
{
    int code = frames_reserve(s, (size_t)frames->dim[0]);
    if (code != ASSAY_OK) return code;
    copy_frames(frames, s->held->frame + s->n_frames * s->keys);
    for (uint64_t k = 0; k < lengths->size && code == ASSAY_OK; k++) {
        const size_t n = (size_t)array_int(lengths, k);
        s->n_frames += n;
        code = piece_add(s, i, n);
    }
    return code;
}

int arrays_read(struct source *s, size_t i)
{
    struct set *set = &s->set[i];
    int code = find_lengths(s, set);
    struct array frames = { .ctx = s->ctx, .key = set->key, .path = set->path };
    struct array lengths = { .ctx = s->ctx, .key = set->lengths_key, .path = set->lengths };
    if (code == ASSAY_OK) code = array_open(&frames);
    if (code == ASSAY_OK) code = check_frames(s, &frames);
    if (code == ASSAY_OK) code = array_open(&lengths);
    if (code == ASSAY_OK) code = check_lengths(&lengths, &frames);
    if (code == ASSAY_OK) code = read_pieces(s, i, &frames, &lengths);
    set->file[0] = frames.file;
    set->file[1] = lengths.file;
    array_close(&frames);
    array_close(&lengths);
    return code;
}
