/* The log of `assay search`: appended to line by line, so that a crash can at most tear the last line, which was never answered. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/search_log.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static status append(search_log *l, const text *t, error *err)
{
    const status st = fd_write_all(l->fd, l->path, t->s, t->n, err);
    if (st == OK && fdatasync(l->fd) != 0 && errno != EINVAL) {
        return fail_errno(err, errno, l->path, "write to disk");
    }
    return st;
}

/* One line of the file, its number for messages. */
static status replay_line(search_log *l, const char *line, size_t n, size_t number, char *strings,
    search *s, const space *sp, error *err)
{
    status st = OK;
    arena a = { 0 };
    search_entry e;
    json_in j = { .what = "entry", .s = line, .n = n, .strings = strings };
    TRY(search_entry_from_json(sp, &j, &a, &e, err));
    TRY(json_in_end(&j, err));
    TRY(search_replay(s, &e, err));
    l->n_replayed++;
done:
    if (st != OK) st = error_where(err, "%s:%zu", l->path, number);
    arena_release(&a);
    return st;
}

/* All whole lines; *out_whole is where the last of them ends. */
static status replay(search_log *l, const char *content, size_t n, const char *header, search *s,
    const space *sp, size_t *out_whole, error *err)
{
    status st = OK;
    char *strings = malloc(n + 1);
    size_t at = 0;
    if (!strings) return fail_nomem(err, l->path);
    for (size_t number = 1; at < n; number++) {
        const char *line = content + at, *end = memchr(line, '\n', n - at);
        if (!end) break;
        const size_t n_line = (size_t)(end - line);
        if (number > 1) {
            TRY(replay_line(l, line, n_line, number, strings, s, sp, err));
        } else if (n_line != strlen(header) || memcmp(line, header, n_line) != 0) {
            TRY(fail_at(err, E_CONFLICT, &(origin){ l->path, 1 },
                "the log is of another search: found %.*s, expected %s; give another --log, or "
                "search as this one did",
                (int)(n_line < 300 ? n_line : 300), line, header));
        }
        at += n_line + 1;
    }
    TRY(search_replay_end(s, err));
    *out_whole = at;
done:
    free(strings);
    return st;
}

static status lock(search_log *l, error *err)
{
    if (flock(l->fd, LOCK_EX | LOCK_NB) == 0) return OK;
    if (errno != EWOULDBLOCK) return fail_errno(err, errno, l->path, "lock");
    return fail(err, E_CONFLICT, "%s: another search is writing to this log", l->path);
}

static status begin(search_log *l, const char *header, error *err)
{
    text t = { 0 };
    text_printf(&t, "%s\n", header);
    status st = text_check(&t, err);
    if (st == OK) st = append(l, &t, err);
    text_release(&t);
    return st;
}

status search_log_open(
    search_log *l, const char *path, const char *header, search *s, const space *sp, error *err)
{
    status st = OK;
    char *content = NULL;
    size_t n = 0, whole = 0;
    *l = (search_log){ .path = path, .fd = -1 };
    if (!path) return OK;
    l->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (l->fd < 0) return fail_errno(err, errno, path, "open");
    TRY(lock(l, err));
    TRY(file_read(path, &content, &n, err));
    TRY(replay(l, content, n, header, s, sp, &whole, err));
    l->n_torn = n - whole;
    if (l->n_torn && ftruncate(l->fd, (off_t)whole) != 0) {
        TRY(fail_errno(err, errno, path, "cut off the torn last line"));
    }
    if (whole == 0) TRY(begin(l, header, err));
done:
    free(content);
    return st;
}

status search_log_add(search_log *l, const space *sp, const search_entry *e, error *err)
{
    text t = { 0 };
    if (!l->path) return OK;
    search_entry_to_json(sp, e, &t);
    text_add(&t, "\n");
    status st = text_check(&t, err);
    if (st == OK) st = append(l, &t, err);
    text_release(&t);
    return st;
}

void search_log_close(search_log *l)
{
    if (l->path && l->fd >= 0) close(l->fd);
}
#else
typedef int no_studies; /* a file holds something */
#endif
