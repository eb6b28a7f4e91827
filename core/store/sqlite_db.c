/* A connection to a file of SQLite: statements, transactions, what SQLite's codes mean to a user.
 *
 * Every change takes the right to write at its beginning (BEGIN IMMEDIATE), so two that read before they write never find out at
 * the end that they exclude each other; who has to wait sleeps for a time that grows and that differs between processes. */
#include "store/sqlite.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

double store_now(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return 0.0;
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* -- Faults -- */

static status fail_full(const char *where, const char *what, error *err)
{
    return fail(err, E_IO,
        "%s: %s: the disk is full: free some space, then resume: everything up to here is kept",
        where, what);
}

/* What keeps its folder from being written to, as far as the kernel says; NULL: nothing does. SQLite tries to read what it may not write,
 * and tells of that: "No such file or directory". */
static const char *why_no_folder(const sqlite_store *s)
{
    char folder[PATH_MAX];
    const char *end = strrchr(s->base.where, '/');
    const size_t n = end ? (size_t)(end - s->base.where) : 1;
    if (n >= sizeof folder) return NULL;
    memcpy(folder, end ? s->base.where : ".", n);
    folder[n] = '\0';
    if (n == 0) strcpy(folder, "/");
    if (access(folder, W_OK | X_OK) == 0) return NULL;
    switch (errno) {
    case EROFS: return "its file system may only be read";
    case EACCES:
    case EPERM: return "its folder may not be written to";
    case ENOENT: return "its folder is not there";
    case ENOTDIR: return "its folder is none";
    default: return NULL;
    }
}

static status fail_open(
    const sqlite_store *s, const char *what, int number, const char *reason, error *err)
{
    const char *folder = why_no_folder(s);
    if (folder && s->may_write) {
        return fail(err, E_IO, "%s: %s: %s: make that possible, or give another place",
            s->base.where, what, folder);
    }
    return fail(err, E_IO,
        "%s: %s: the file, or those beside it (-wal, -shm), cannot be opened: %s: is its folder "
        "there, and may it be written to?",
        s->base.where, what, number ? strerror(number) : reason);
}

/* A write that fell short: SQLite keeps no errno of most of these. A limit on the size of files is the one that can be asked for. */
static status fail_write(
    const sqlite_store *s, const char *what, int number, const char *reason, error *err)
{
    struct rlimit limit;
    const bool is_limited = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    if (number == EFBIG || (number == 0 && is_limited)) {
        return fail(err, E_IO,
            "%s: %s: no file of this process may become larger than %llu bytes (`ulimit -f`): "
            "raise that, then resume: everything up to here is kept",
            s->base.where, what, (unsigned long long)limit.rlim_cur);
    }
    return fail(err, E_IO, "%s: %s: %s: %s: look after the disk, then resume", s->base.where, what,
        reason, number ? strerror(number) : "the system gave no reason");
}

status sql_fail(sqlite_store *s, const char *what, error *err)
{
    const char *where = s->base.where;
    const int code = s->db ? sqlite3_extended_errcode(s->db) : SQLITE_NOMEM;
    const int number = s->db ? sqlite3_system_errno(s->db) : 0;
    const char *reason = s->db ? sqlite3_errmsg(s->db) : "out of memory";
    switch (code & 0xff) {
    case SQLITE_NOMEM: return fail_nomem(err, where);
    case SQLITE_FULL: return fail_full(where, what, err);
    case SQLITE_READONLY:
        return fail(err, E_IO,
            "%s: %s: it may only be read: permit writing to the file and its folder, or copy it "
            "elsewhere",
            where, what);
    case SQLITE_CANTOPEN: return fail_open(s, what, number, reason, err);
    case SQLITE_IOERR:
        if (code == SQLITE_IOERR_NOMEM) return fail_nomem(err, where);
        if (number == ENOSPC || number == EDQUOT) return fail_full(where, what, err);
        return fail_write(s, what, number, reason, err);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return fail(err, E_IO,
            "%s: %s: another process has held it for %g s: end that one (`fuser` names it), then "
            "try again",
            where, what, s->busy_s);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return fail(err, E_CORRUPT,
            "%s: %s: %s: take a copy of it with its -wal file, then save what can be read: "
            "sqlite3 COPY .recover | sqlite3 NEW",
            where, what, reason);
    case SQLITE_AUTH:
    case SQLITE_PERM: return fail(err, E_IO, "%s: %s: %s", where, what, reason);
    case SQLITE_CONSTRAINT: return fail(err, E_CONFLICT, "%s: %s: %s", where, what, reason);
    default:
        return fail(err, E_INTERNAL, "%s: %s: %s (code %d of SQLite)", where, what, reason, code);
    }
}

/* -- Statements -- */

static status prepare(sqlite_store *s, const char *sql, sqlite3_stmt **out, error *err)
{
    for (size_t i = 0; i < s->n_prepared; i++) {
        if (s->prepared[i].sql == sql) {
            *out = s->prepared[i].statement;
            sqlite3_reset(*out);
            return OK;
        }
    }
    if (s->n_prepared == MOST_STATEMENTS) {
        return fail(err, E_INTERNAL, "%s: too many statements", s->base.where);
    }
    sqlite3_stmt *q = NULL;
    const int code = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q, NULL);
    if (code != SQLITE_OK) return sql_fail(s, "cannot ask", err);
    s->prepared[s->n_prepared].sql = sql;
    s->prepared[s->n_prepared++].statement = q;
    *out = q;
    return OK;
}

static int bind(sqlite3_stmt *q, const char *types, va_list args)
{
    int code = SQLITE_OK;
    for (int i = 1; types[i - 1] && code == SQLITE_OK; i++) {
        switch (types[i - 1]) {
        case 'i': code = sqlite3_bind_int64(q, i, va_arg(args, int64_t)); break;
        case 'u': code = sqlite3_bind_int64(q, i, (int64_t)va_arg(args, uint64_t)); break;
        case 'd': code = sqlite3_bind_double(q, i, va_arg(args, double)); break;
        case 't':
            code = sqlite3_bind_text(q, i, va_arg(args, const char *), -1, SQLITE_STATIC);
            break;
        default: code = sqlite3_bind_null(q, i); break;
        }
    }
    return code;
}

static status query(sqlite_store *s, sqlite3_stmt **out, error *err, const char *sql,
    const char *types, va_list args)
{
    const status st = prepare(s, sql, out, err);
    if (st != OK) return st;
    return bind(*out, types, args) == SQLITE_OK ? OK : sql_fail(s, "cannot ask", err);
}

status sql_query(
    sqlite_store *s, sqlite3_stmt **out, error *err, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    const status st = query(s, out, err, sql, types, args);
    va_end(args);
    return st;
}

status sql_step(sqlite_store *s, sqlite3_stmt *q, bool *out_is_row, error *err)
{
    const int code = sqlite3_step(q);
    *out_is_row = code == SQLITE_ROW;
    if (code == SQLITE_ROW) return OK;
    const status st = code == SQLITE_DONE
        ? OK
        : sql_fail(s, sqlite3_stmt_readonly(q) ? "cannot read" : "cannot write", err);
    sqlite3_reset(q);
    return st;
}

static status run(sqlite_store *s, int64_t *out, bool *out_is_row, error *err, const char *sql,
    const char *types, va_list args)
{
    sqlite3_stmt *q = NULL;
    bool is_row = false;
    status st = query(s, &q, err, sql, types, args);
    if (st == OK) st = sql_step(s, q, &is_row, err);
    if (st != OK) return st;
    if (out) *out = is_row ? sqlite3_column_int64(q, 0) : 0;
    if (out_is_row) *out_is_row = is_row;
    while (st == OK && is_row)
        st = sql_step(s, q, &is_row, err);
    return st;
}

status sql_run(sqlite_store *s, error *err, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    const status st = run(s, NULL, NULL, err, sql, types, args);
    va_end(args);
    return st;
}

status sql_int(sqlite_store *s, int64_t *out, bool *out_is_row, error *err, const char *sql,
    const char *types, ...)
{
    va_list args;
    va_start(args, types);
    const status st = run(s, out, out_is_row, err, sql, types, args);
    va_end(args);
    return st;
}

status sql_script(sqlite_store *s, const char *sql, error *err)
{
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK) return OK;
    return sql_fail(s, "cannot be set up", err);
}

double column_real(sqlite3_stmt *q, int i)
{
    return sqlite3_column_type(q, i) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(q, i);
}

status column_text(sqlite3_stmt *q, int i, const char **out, error *err)
{
    const char *s = (const char *)sqlite3_column_text(q, i);
    if (!s && sqlite3_column_type(q, i) != SQLITE_NULL) return fail_nomem(err, "a row");
    *out = s ? s : "";
    return OK;
}

/* -- Transactions -- */

/* What has to be free before anything is written that can wait. */
enum { LEAST_FREE_BYTES = 1 << 20 };

static status check_room(sqlite_store *s, error *err)
{
    struct statvfs info;
    const char *path = sqlite3_db_filename(s->db, "main"); /* absolute */
    if (!path || statvfs(path, &info) != 0) return OK; /* writing will tell */
    const double left = (double)info.f_bavail * (double)info.f_frsize;
    if (left >= LEAST_FREE_BYTES) return OK;
    char bytes[32];
    text_bytes(bytes, left);
    return fail(err, E_IO,
        "%s: only %s are left on its disk: free some space, then resume: everything up to here "
        "is kept",
        s->base.where, bytes);
}

status write_begin(sqlite_store *s, bool is_essential, error *err)
{
    if (!s->may_write) {
        return fail(err, E_IO, "%s: was opened for reading only", s->base.where);
    }
    const status st = is_essential ? OK : check_room(s, err);
    return st == OK ? sql_run(s, err, "BEGIN IMMEDIATE", "") : st;
}

status write_end(sqlite_store *s, status st, error *err)
{
    for (size_t i = 0; i < s->n_prepared; i++)
        sqlite3_reset(s->prepared[i].statement);
    if (sqlite3_get_autocommit(s->db)) return st; /* not begun, or SQLite has taken it back */
    if (st == OK) st = sql_run(s, err, "COMMIT", "");
    if (st != OK && !sqlite3_get_autocommit(s->db)) {
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return st;
}
