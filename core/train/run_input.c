/* Two small JSON files: the vocabulary stands alone, so that a dataset of the same tokens can be opened by it. */
#include "train/run_input.h"

#include "base/file.h"
#include "base/json.h"
#include "base/json_in.h"

#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = { "none", "class", "real", "binary" };
static const char *const dtypes[] = { "f32", "i32" };

static void describe(json *j, const assay_data *v)
{
    json_begin_object(j);
    json_key_string(j, "dtype", dtypes[v->x_dtype == ASSAY_I32]);
    json_key(j, "shape");
    json_begin_array(j);
    for (uint64_t i = 0; i < v->x_shape.n_dims; i++) {
        json_int(j, (int64_t)v->x_shape.dim[i]);
    }
    json_end_array(j);
    json_key_int(j, "vocabulary", (int64_t)v->vocabulary);
    json_key_string(j, "separator", v->token_separator ? v->token_separator : "");
    json_key_string(j, "target", kinds[v->target]);
    json_key_int(
        j, "targets", (int64_t)(v->target == ASSAY_TARGET_CLASS ? v->n_classes : v->n_targets));
    json_end_object(j);
}

static status write_text(const char *folder, const char *name, text *t, error *err)
{
    status st = OK;
    arena a = { 0 };
    const char *path = path_join(&a, folder, name);
    text_add(t, "\n");
    TRY(path ? text_check(t, err) : fail_nomem(err, name));
    TRY(file_write_atomic(path, t->s, t->n, err));
done:
    arena_release(&a);
    return st;
}

status run_input_write(const char *folder, const assay_data *v, error *err)
{
    status st = OK;
    text t = { 0 };
    json j;
    json_init(&j, &t);
    describe(&j, v);
    TRY(write_text(folder, "input.json", &t, err));
    if (v->token_names) {
        text_clear(&t);
        json_init(&j, &t);
        json_begin_array(&j);
        for (uint64_t i = 0; i < v->vocabulary; i++) {
            json_string(&j, v->token_names[i]);
        }
        json_end_array(&j);
        TRY(write_text(folder, "vocabulary.json", &t, err));
    }
done:
    text_release(&t);
    return st;
}

/* A JSON file in memory, and room for its strings. */
typedef struct source {
    char *bytes;
    json_in in;
} source;

static status open_source(const char *path, const char *what, arena *a, source *out, error *err)
{
    size_t n = 0;
    status st = file_read(path, &out->bytes, &n, err);
    if (st != OK) {
        return st;
    }
    n -= n > 0 && out->bytes[n - 1] == '\n';
    out->in = (json_in){ .what = what, .s = out->bytes, .n = n, .strings = arena_alloc(a, n + 1) };
    return out->in.strings ? OK : fail_nomem(err, what);
}

static status read_shape(json_in *in, assay_shape *out, error *err)
{
    status st = OK;
    bool more = false;
    TRY(json_in_open(in, '[', err));
    for (size_t i = 0;; i++) {
        TRY(json_in_more(in, ']', i, &more, err));
        if (!more) {
            break;
        }
        if (i == ASSAY_MAX_DIMS) {
            TRY(fail(err, E_RANGE, "a shape of more than %d dimensions", ASSAY_MAX_DIMS));
        }
        TRY(json_in_u64(in, &out->dim[i], err));
        out->n_dims = i + 1;
    }
done:
    return st;
}

/* The next string's number among `words`. */
static status read_word(
    json_in *in, const char *key, const char *const *words, size_t n, uint64_t *out, error *err)
{
    const char *word;
    status st = json_in_string(in, &word, err);
    if (st != OK) {
        return st;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(word, words[i]) == 0) {
            *out = i;
            return OK;
        }
    }
    return fail(err, E_CORRUPT, "\"%s\" is %s, which means nothing here; another version of assay?",
        key, quote_name(word).s);
}

static status read_key(json_in *in, const char *key, run_input *out, error *err)
{
    status st = OK;
    uint64_t i = 0;
    if (strcmp(key, "shape") == 0) {
        TRY(read_shape(in, &out->shape, err));
    } else if (strcmp(key, "vocabulary") == 0) {
        TRY(json_in_u64(in, &out->vocabulary, err));
    } else if (strcmp(key, "targets") == 0) {
        TRY(json_in_u64(in, &out->n_targets, err));
    } else if (strcmp(key, "separator") == 0) {
        TRY(json_in_string(in, &out->separator, err));
    } else if (strcmp(key, "dtype") == 0) {
        TRY(read_word(in, key, dtypes, sizeof dtypes / sizeof dtypes[0], &i, err));
        out->dtype = i == 1 ? ASSAY_I32 : ASSAY_F32;
    } else if (strcmp(key, "target") == 0) {
        TRY(read_word(in, key, kinds, sizeof kinds / sizeof kinds[0], &out->target, err));
    } else {
        TRY(json_in_skip(in, err));
    }
done:
    return st;
}

/* What a model can be planned for: sizes that numbers of 32 bits can count. */
static status check_input(const run_input *in, error *err)
{
    uint64_t size = in->shape.n_dims > 0;
    for (uint64_t i = 0; i < in->shape.n_dims && size > 0; i++) {
        size = in->shape.dim[i] <= UINT32_MAX / size ? size * in->shape.dim[i] : 0;
    }
    if (size == 0) {
        return fail(err, E_CORRUPT, "it gives no shape that a model could read");
    }
    if (in->dtype == ASSAY_I32 && (in->vocabulary == 0 || in->vocabulary > INT32_MAX)) {
        return fail(err, E_CORRUPT, "a vocabulary of %llu tokens: expected 1 to %d",
            (unsigned long long)in->vocabulary, INT32_MAX);
    }
    return OK;
}

static status read_input(json_in *in, run_input *out, error *err)
{
    status st = OK;
    bool more = false;
    TRY(json_in_open(in, '{', err));
    for (size_t i = 0;; i++) {
        const char *key;
        TRY(json_in_more(in, '}', i, &more, err));
        if (!more) {
            break;
        }
        TRY(json_in_key(in, &key, err));
        TRY(read_key(in, key, out, err));
    }
    TRY(json_in_end(in, err));
    st = check_input(out, err);
done:
    return st;
}

static status read_tokens(json_in *in, arena *a, run_input *out, error *err)
{
    status st = OK;
    bool more = false;
    size_t n = 0;
    if (out->vocabulary > in->n / 3) { /* "", is the least that a token takes */
        return fail(err, E_CORRUPT, "it cannot hold the %llu tokens of input.json",
            (unsigned long long)out->vocabulary);
    }
    out->tokens = arena_alloc_array(a, out->vocabulary, sizeof *out->tokens);
    if (!out->tokens) {
        return fail_nomem(err, "a vocabulary");
    }
    TRY(json_in_open(in, '[', err));
    for (;; n++) {
        TRY(json_in_more(in, ']', n, &more, err));
        if (!more) {
            break;
        }
        if (n == out->vocabulary) {
            TRY(fail(err, E_CORRUPT, "there are more than the %llu tokens of input.json",
                (unsigned long long)out->vocabulary));
        }
        TRY(json_in_string(in, &out->tokens[n], err));
    }
    TRY(json_in_end(in, err));
    if (n < out->vocabulary) {
        st = fail(err, E_CORRUPT, "there are %zu tokens where input.json has %llu", n,
            (unsigned long long)out->vocabulary);
    }
done:
    return st;
}

status run_input_read(const char *folder, arena *a, run_input *out, error *err)
{
    status st = OK;
    source input = { 0 }, vocabulary = { 0 };
    const char *path = path_join(a, folder, "input.json");
    const char *names = path_join(a, folder, "vocabulary.json");
    *out = (run_input){ .separator = "" };
    if (!path || !names) {
        TRY(fail_nomem(err, "a path"));
    }
    if (!file_exists(path)) {
        TRY(fail(err, E_MISSING,
            "%s: no such file; the run is older than it, and assay train --resume %s writes it",
            path, folder));
    }
    TRY(open_source(path, "input.json", a, &input, err));
    st = read_input(&input.in, out, err);
    if (st != OK) {
        st = error_where(err, "%s", path);
        goto done;
    }
    if (out->dtype == ASSAY_I32 && file_exists(names)) {
        TRY(open_source(names, "vocabulary.json", a, &vocabulary, err));
        st = read_tokens(&vocabulary.in, a, out, err);
        st = st == OK ? OK : error_where(err, "%s", names);
    }
done:
    free(input.bytes);
    free(vocabulary.bytes);
    return st;
}
