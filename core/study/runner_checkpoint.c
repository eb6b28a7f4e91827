/* Checkpoints of paused trials: a file for each, written by the host under another name, brought to the disk and then renamed, with a
 * checksum behind the bytes. What is not whole is as if it were not there: the run begins anew, and comes to the same numbers. */
#include "study/runner_internal.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRAILER_BYTES = 64 };

static char *path_of(run *n, uint64_t trial)
{
    return arena_printf(
        &n->memory, "%s/trial-%llu.ckpt", n->owner->options.folder, (unsigned long long)trial);
}

/* "assay checkpoint 1 <hash>" and padding to its end. */
static void make_trailer(const void *bytes, size_t n, char out[TRAILER_BYTES])
{
    char hash[33];
    hash_hex(hash, bytes, n);
    memset(out, ' ', TRAILER_BYTES);
    const int k = snprintf(out, TRAILER_BYTES, "\nassay checkpoint 1 %s", hash);
    out[k] = ' ';
    out[TRAILER_BYTES - 1] = '\n';
}

typedef struct parts {
    const char *path;
    const void *bytes; // [n]
    size_t n;
    char trailer[TRAILER_BYTES];
} parts;

static status write_parts(int fd, void *arg, error *err)
{
    const parts *p = arg;
    const status st = fd_write_all(fd, p->path, p->bytes, p->n, err);
    return st == OK ? fd_write_all(fd, p->path, p->trailer, sizeof p->trailer, err) : st;
}

status checkpoint_keep(run *n, const sandbox_job *j, error *err)
{
    size_t bytes;
    const train_layout *l = &n->layout;
    const unsigned char *got = job_result(j, &bytes);
    parts p = { .bytes = got + l->checkpoint_at, .n = (size_t)n->head.checkpoint_bytes };
    if (l->checkpoint_room == 0 || p.n == 0 || p.n > l->checkpoint_room) return OK;
    p.path = path_of(n, n->spec.number);
    if (!p.path) return fail_nomem(err, "a checkpoint");
    make_trailer(p.bytes, p.n, p.trailer);
    return file_write_atomic_by(p.path, write_parts, &p, err);
}

status checkpoint_find(run *n, char **out, size_t *out_n, error *err)
{
    char *bytes = NULL, trailer[TRAILER_BYTES];
    size_t size = 0;
    *out = NULL;
    *out_n = 0;
    if (n->spec.from == STORE_NO_TRIAL) return OK;
    n->from = "missing";
    if (!n->owner->options.folder) return OK;
    const char *path = path_of(n, n->spec.from);
    if (!path) return fail_nomem(err, "a checkpoint");
    if (!file_exists(path)) return OK;
    const status st = file_read(path, &bytes, &size, err);
    if (st != OK) return st == E_NOMEM ? st : OK;
    const size_t n_bytes = size > TRAILER_BYTES ? size - TRAILER_BYTES : 0;
    make_trailer(bytes, n_bytes, trailer);
    if (n_bytes == 0 || memcmp(bytes + n_bytes, trailer, TRAILER_BYTES) != 0) {
        n->from = "damaged";
        free(bytes);
        return OK;
    }
    n->from = "used";
    *out = bytes;
    *out_n = n_bytes;
    return OK;
}
