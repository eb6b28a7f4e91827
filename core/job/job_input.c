/* Numbers first, then the payload, then the texts, each with its NUL. Host and worker are one program, so numbers travel as they are; what
 * is read is checked all the same. */
#include "job/job_input.h"

#include <stdlib.h>
#include <string.h>

typedef struct front {
    uint64_t seed, checkpoint_room, judges;
    uint64_t n_payload, n_overrides;
} front;

static void add_text(text *out, const char *s)
{
    text_add_bytes(out, s, strlen(s) + 1);
}

status job_input_write(const job_input *in, text *out, error *err)
{
    const front f = { .seed = in->seed,
        .checkpoint_room = in->checkpoint_room,
        .judges = in->judges,
        .n_payload = in->n_payload,
        .n_overrides = in->n_overrides };
    text_add_bytes(out, (const char *)&f, sizeof f);
    if (in->n_payload > 0) text_add_bytes(out, in->payload, in->n_payload);
    add_text(out, in->name);
    add_text(out, in->written);
    add_text(out, in->data ? in->data : "");
    for (size_t i = 0; i < in->n_overrides; i++)
        add_text(out, in->overrides[i]);
    return text_check(out, err);
}

/* The text at *at; NULL: none ends before `end`. */
static const char *next_text(const char **at, const char *end)
{
    const char *s = *at, *nul = s < end ? memchr(s, '\0', (size_t)(end - s)) : NULL;
    *at = nul ? nul + 1 : end;
    return nul ? s : NULL;
}

static status read_overrides(
    const char *at, const char *end, size_t n, const char ***out, error *err)
{
    if (n > (size_t)(end - at)) return fail(err, E_CORRUPT, "a job's input lacks overrides");
    const char **all = malloc((n + 1) * sizeof *all);
    if (!all) return fail_nomem(err, "a job's overrides");
    bool is_whole = true;
    for (size_t i = 0; i < n; i++) {
        all[i] = next_text(&at, end);
        is_whole = is_whole && all[i] != NULL;
    }
    if (!is_whole || at != end) {
        free(all);
        return fail(err, E_CORRUPT, "a job's input lacks overrides, or has more than it says");
    }
    *out = all;
    return OK;
}

status job_input_read(const void *input, size_t n, job_input *out, error *err)
{
    front f;
    if (n < sizeof f) return fail(err, E_CORRUPT, "a job's input has %zu bytes", n);
    memcpy(&f, input, sizeof f);
    const char *at = (const char *)input + sizeof f, *const end = (const char *)input + n;
    if (f.n_payload > (size_t)(end - at) || f.judges > 1) {
        return fail(err, E_CORRUPT, "the front of a job's input contradicts its %zu bytes", n);
    }
    job_input in = { .seed = f.seed,
        .checkpoint_room = f.checkpoint_room,
        .judges = f.judges != 0,
        .payload = at,
        .n_payload = (size_t)f.n_payload,
        .n_overrides = (size_t)f.n_overrides };
    at += in.n_payload;
    in.name = next_text(&at, end);
    in.written = next_text(&at, end);
    in.data = next_text(&at, end);
    if (!in.name || !in.written || !in.data) {
        return fail(err, E_CORRUPT, "the input of a job has no config");
    }
    const char **overrides = NULL;
    const status st = read_overrides(at, end, in.n_overrides, &overrides, err);
    if (st != OK) return st;
    in.overrides = overrides;
    *out = in;
    return OK;
}

void job_input_release(job_input *in)
{
    free((void *)(uintptr_t)in->overrides);
    in->overrides = NULL;
}
