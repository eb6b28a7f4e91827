/* Piano-rolls as text. All three parts are made before the first is written, each file is written whole or not at all. */
#include "fetch/pianoroll.h"

#include "base/file.h"
#include "fetch/mat.h"

#include <string.h>

static const char *const part_names[PIANOROLL_PARTS] = { "train", "valid", "test" };

const char *pianoroll_part(size_t i_part)
{
    return part_names[i_part];
}

static status add_frame(const mat_array *piece, size_t i_frame, text *out, error *err)
{
    bool is_silent = true;
    for (size_t key = 0; key < PIANOROLL_KEYS; key++) {
        const double v = mat_at(piece, i_frame, key);
        if (v == 1) {
            text_printf(out, "%s%zu", is_silent ? "" : ",", key);
            is_silent = false;
        } else if (v != 0) {
            return fail(err, E_RANGE, "frame %zu, key %zu: %g, expected 0 or 1", i_frame, key, v);
        }
    }
    text_add(out, is_silent ? "-" : "");
    return OK;
}

static status add_piece(const mat_array *piece, text *out, error *err)
{
    if (piece->kind != MAT_REAL) return fail(err, E_TYPE, "no matrix of real numbers");
    if (piece->n_rows == 0 || piece->n_columns != PIANOROLL_KEYS) {
        return fail(err, E_SHAPE, "a matrix of %zu x %zu, expected frames x %d keys", piece->n_rows,
            piece->n_columns, PIANOROLL_KEYS);
    }
    for (size_t i = 0; i < piece->n_rows && !out->failed; i++) {
        text_add(out, i ? " " : "");
        const status st = add_frame(piece, i, out, err);
        if (st != OK) return st;
    }
    text_add(out, "\n");
    return text_check(out, err);
}

static status add_part(mat_array *cells, text *out, error *err)
{
    status st = OK;
    size_t i = 0;
    const size_t n = cells->n_rows * cells->n_columns;
    if (cells->kind != MAT_CELLS) {
        return fail(err, E_TYPE, "%s: expected a cell array of pieces", cells->name);
    }
    if (n == 0) return fail(err, E_SHAPE, "%s: no pieces", cells->name);
    for (; i < n; i++) {
        mat_array piece;
        TRY(mat_next_cell(cells, &piece, err));
        TRY(add_piece(&piece, out, err));
    }
done:
    return st == OK ? OK : error_where(err, "%s: piece %zu", cells->name, i);
}

static size_t find_part(const char *variable)
{
    for (size_t i = 0; i < PIANOROLL_PARTS; i++) {
        const size_t n = strlen(part_names[i]);
        if (strncmp(variable, part_names[i], n) == 0 && strcmp(variable + n, "data") == 0) return i;
    }
    return PIANOROLL_PARTS;
}

status pianoroll_read(const void *data, size_t n_bytes, text out[PIANOROLL_PARTS], error *err)
{
    mat_file file = { 0 };
    bool has[PIANOROLL_PARTS] = { false };
    status st = OK;
    TRY(mat_open(data, n_bytes, &file, err));
    for (;;) {
        mat_array variable;
        bool more;
        TRY(mat_next(&file, &variable, &more, err));
        if (!more) break;
        const size_t i = find_part(variable.name);
        if (i == PIANOROLL_PARTS) continue;
        if (has[i]) TRY(fail(err, E_CONFLICT, "%s is there twice", variable.name));
        has[i] = true;
        TRY(add_part(&variable, &out[i], err));
    }
    for (size_t i = 0; i < PIANOROLL_PARTS; i++) {
        if (!has[i]) TRY(fail(err, E_MISSING, "there is no variable %sdata", part_names[i]));
    }
done:
    mat_close(&file);
    return st;
}

static status write_part(const char *prefix, size_t i, const text *written, error *err)
{
    arena names = { 0 };
    const char *path = arena_printf(&names, "%s.%s.txt", prefix, part_names[i]);
    const status st =
        path ? file_write_atomic(path, written->s, written->n, err) : fail_nomem(err, prefix);
    arena_release(&names);
    return st;
}

status pianoroll_convert(const char *path, const char *prefix, error *err)
{
    file_map map = { 0 };
    text part[PIANOROLL_PARTS] = { { 0 } };
    status st = file_map_open(path, &map, err);
    if (st != OK) return st;
    st = pianoroll_read(map.data, map.n, part, err);
    if (st != OK) TRY(error_where(err, "%s", path));
    for (size_t i = 0; i < PIANOROLL_PARTS; i++) {
        TRY(write_part(prefix, i, &part[i], err));
    }
done:
    for (size_t i = 0; i < PIANOROLL_PARTS; i++) {
        text_release(&part[i]);
    }
    file_map_close(&map);
    return st;
}
