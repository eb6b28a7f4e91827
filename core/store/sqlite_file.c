/* Opening and closing a file of SQLite.
 *
 * The write-ahead log permits readers beside a writer, and a kill at any moment leaves the file whole; with synchronous NORMAL a
 * power cut may take back the last changes, but breaks nothing. A writer enters itself in the table `session` and takes itself
 * out when it closes: whose owner is dead and who is still there did not end as it should, and then the file is looked through
 * before it is used. The log's room on disk is reserved while the file is open, so that a trial that has ended can be recorded
 * when the disk is full. */
#define _GNU_SOURCE /* fallocate */
#include "store/sqlite.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* -- Where it lies -- */

/* SQLite's own limit of a log is 1000 pages of 4 KiB, after which it is written into the file and begun anew. */
enum { LOG_BYTES = 1256 * 4096 };

static status check_place(const char *where, const store_options *o, error *err)
{
    status st = OK;
    arena a = { 0 };
    struct statfs info;
    struct stat file;
    const bool is_there = stat(where, &file) == 0;
    if (!is_there && o->mode != STORE_CREATE) {
        TRY(fail(
            err, E_MISSING, "%s: there is no study store: `assay study run` makes one", where));
    }
    if (is_there && !S_ISREG(file.st_mode)) {
        TRY(fail(err, E_UNSUPPORTED, "%s: is no file: a study store is a file of its own", where));
    }
    const char *dir = path_dir(&a, where);
    if (!dir) TRY(fail_nomem(err, where));
    if (statfs(is_there ? where : dir, &info) != 0) {
        TRY(fail_errno(err, errno, is_there ? where : dir, "cannot be looked at"));
    }
    const int64_t magic = o->pretend_file_system ? o->pretend_file_system : (int64_t)info.f_type;
    const char *network = network_file_system(magic);
    if (network) {
        TRY(fail(err, E_UNSUPPORTED,
            "%s: lies on a network file system (%s), where SQLite's locks do not hold and the file "
            "would be damaged: put it on a local disk, or let several machines share a PostgreSQL",
            where, network));
    }
done:
    arena_release(&a);
    return st;
}

/* So that the log can grow to that although the disk has become full; where a file system cannot do it, nothing is lost. */
static void reserve_log(const char *path)
{
    char name[4096];
    if (snprintf(name, sizeof name, "%s-wal", path) >= (int)sizeof name) return;
    const int fd = open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LOG_BYTES) != 0) errno = 0;
    close(fd);
}

/* -- Waiting -- */

/* Called with how often it was already; 0 gives up. */
static int wait_for_others(void *self, int n_waits)
{
    sqlite_store *s = self;
    const double now = clock_wall_s();
    if (n_waits == 0) s->waiting_since = now;
    if (now - s->waiting_since >= s->busy_s) return 0;
    const uint64_t longest_us = n_waits < 6 ? UINT64_C(500) << n_waits : 32000;
    const int64_t key[3] = { (int64_t)getpid(), (int64_t)(now * 1e9), n_waits };
    const uint64_t us = 100 + hash_u64(key, sizeof key, 0) % longest_us;
    nanosleep(&(struct timespec){ 0, (long)us * 1000 }, NULL);
    return 1;
}

/* -- What it is -- */

static status check_kind(sqlite_store *s, bool *out_is_empty, error *err)
{
    sqlite3_stmt *q = NULL;
    bool is_row = false;
    const char *where = s->base.where;
    /* In one look: another may be making the tables just now. */
    status st = sql_query(s, &q, err,
        "SELECT a.application_id, v.user_version, (SELECT count(*) FROM sqlite_schema) FROM "
        "pragma_application_id a, pragma_user_version v",
        "");
    if (st == OK) st = sql_step(s, q, &is_row, err);
    if (st != OK) return st;
    const int64_t application = is_row ? sqlite3_column_int64(q, 0) : 0;
    const int64_t version = is_row ? sqlite3_column_int64(q, 1) : 0;
    const int64_t n_objects = is_row ? sqlite3_column_int64(q, 2) : 0;
    sqlite3_reset(q);
    *out_is_empty = application == 0 && version == 0 && n_objects == 0;
    if (*out_is_empty) return OK;
    if (application != STORE_APPLICATION) {
        return fail(err, E_UNSUPPORTED,
            "%s: is a database of SQLite, but no study store of assay's: choose another file",
            where);
    }
    if (version > STORE_SCHEMA) {
        return fail(err, E_UNSUPPORTED,
            "%s: was written by a later assay (version %lld of the tables, this one knows up to "
            "%d): use that one",
            where, (long long)version, STORE_SCHEMA);
    }
    if (version < STORE_SCHEMA && !s->may_write) {
        return fail(err, E_UNSUPPORTED,
            "%s: was written by an earlier assay (version %lld of the tables, not %d): whatever "
            "writes to it (`assay study resume`) brings it up to date",
            where, (long long)version, STORE_SCHEMA);
    }
    return OK;
}

status check_file(sqlite_store *s, text *findings, error *err)
{
    sqlite3_stmt *q = NULL;
    bool is_row = true;
    status st = sql_query(s, &q, err, "PRAGMA integrity_check(20)", "");
    while (st == OK && is_row) {
        st = sql_step(s, q, &is_row, err);
        const char *line = st == OK && is_row ? (const char *)sqlite3_column_text(q, 0) : NULL;
        if (line && strcmp(line, "ok") != 0) text_printf(findings, "file: %s\n", line);
    }
    if (st == OK) st = sql_query(s, &q, err, "PRAGMA foreign_key_check", "");
    for (is_row = true; st == OK && is_row;) {
        st = sql_step(s, q, &is_row, err);
        if (st != OK || !is_row) break;
        text_printf(findings, "row %lld of %s points to a row of %s that is not there\n",
            (long long)sqlite3_column_int64(q, 1), (const char *)sqlite3_column_text(q, 0),
            (const char *)sqlite3_column_text(q, 2));
    }
    return st == OK ? text_check(findings, err) : st;
}

/* -- Sessions -- */

/* Takes out who is dead; inside a transaction. */
static status drop_dead_sessions(sqlite_store *s, bool *out_any, error *err)
{
    sqlite3_stmt *q = NULL;
    bool is_row = true;
    int64_t after = 0;
    status st = OK;
    while (st == OK) {
        const char *owner = NULL;
        st = sql_query(s, &q, err,
            "SELECT id, owner FROM session WHERE id > ?1 ORDER BY id LIMIT 1", "i", after);
        if (st == OK) st = sql_step(s, q, &is_row, err);
        if (st != OK || !is_row) break;
        after = sqlite3_column_int64(q, 0);
        st = column_text(q, 1, &owner, err);
        if (st != OK || !owner_is_dead(owner)) continue;
        *out_any = true;
        st = sql_run(s, err, "DELETE FROM session WHERE id = ?1", "i", after);
    }
    return st;
}

/* The file after its last writer was killed. */
static status look_through(sqlite_store *s, error *err)
{
    text findings = { 0 };
    status st = check_file(s, &findings, err);
    if (st == OK && findings.n > 0) {
        findings.s[strcspn(findings.s, "\n")] = '\0';
        st = fail(err, E_CORRUPT,
            "%s: is damaged (%s): take a copy of it with its -wal file, then save what can be "
            "read: sqlite3 COPY .recover | sqlite3 NEW",
            s->base.where, findings.s);
    }
    text_release(&findings);
    return st;
}

static status begin_session(sqlite_store *s, const store_options *o, error *err)
{
    status st = OK;
    bool is_empty = false, was_killed = false;
    char self[OWNER_BYTES];
    owner_self(self);
    TRY(write_begin(s, false, err));
    TRY(check_kind(s, &is_empty, err)); /* another may have made it meanwhile */
    if (is_empty && o->mode != STORE_CREATE) {
        TRY(fail(err, E_UNSUPPORTED, "%s: is empty: no study store", s->base.where));
    }
    TRY(schema_bring_up(s, err));
    TRY(drop_dead_sessions(s, &was_killed, err));
    if (was_killed) TRY(look_through(s, err));
    if (o->optuna) {
        TRY(sql_run(s, err, "UPDATE meta SET value = ?1 WHERE key = 'optuna_revision'", "t",
            optuna_revision(o->optuna)));
    }
    TRY(sql_run(
        s, err, "INSERT INTO session(owner, opened) VALUES(?1, ?2)", "td", self, store_now()));
    s->session = sqlite3_last_insert_rowid(s->db);
done:
    st = write_end(s, st, err);
    if (st != OK) s->session = 0;
    return st;
}

/* -- Opening -- */

static status connect(sqlite_store *s, const char *path, int flags, error *err)
{
    if (sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        return sql_fail(s, "cannot be opened", err);
    }
    sqlite3_busy_handler(s->db, wait_for_others, s);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    return sql_script(s, "PRAGMA temp_store = MEMORY", err);
}

/* A reader that is the last to leave takes the empty log away, as a writer does; a log that a killed writer left is left to the next
 * writer, so that looking at a study does not make it the newest. */
static void keep_log(sqlite_store *s)
{
    char name[4096];
    struct stat about;
    const char *path = s->db ? sqlite3_db_filename(s->db, "main") : NULL;
    if (!path || snprintf(name, sizeof name, "%s-wal", path) >= (int)sizeof name) return;
    if (stat(name, &about) != 0 || about.st_size == 0) return;
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

static void disconnect(sqlite_store *s)
{
    if (!s->may_write && !s->is_unchanging) keep_log(s);
    for (size_t i = 0; i < s->n_prepared; i++)
        sqlite3_finalize(s->prepared[i].statement);
    s->n_prepared = 0;
    sqlite3_close_v2(s->db);
    s->db = NULL;
}

/* SQLite does not wait by itself while the kind of log is changed. */
static status use_log(sqlite_store *s, error *err)
{
    status st = OK;
    for (int n = 0;; n++) {
        st = sql_script(s, "PRAGMA journal_mode = WAL", err);
        const int code = sqlite3_errcode(s->db) & 0xff;
        if (st == OK || code != SQLITE_BUSY || !wait_for_others(s, n)) return st;
    }
}

static status open_writer(sqlite_store *s, const char *path, const store_options *o, error *err)
{
    bool is_empty = false;
    const int flags = SQLITE_OPEN_READWRITE | (o->mode == STORE_CREATE ? SQLITE_OPEN_CREATE : 0);
    status st = connect(s, path, flags, err);
    if (st == OK) st = check_kind(s, &is_empty, err);
    if (st == OK && sqlite3_db_readonly(s->db, "main") == 1) {
        st = fail(err, E_IO,
            "%s: may only be read: permit writing to the file and its folder, or copy it elsewhere",
            s->base.where);
    }
    if (st == OK) st = use_log(s, err);
    if (st == OK) {
        st = sql_script(
            s, o->durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", err);
    }
    if (st == OK) st = begin_session(s, o, err);
    if (st == OK) reserve_log(path);
    return st;
}

void sqlite_uri(const char *path, const char *options, text *out)
{
    text_add(out, "file:");
    for (const char *c = path; *c; c++) {
        if (strchr("%?#", *c)) {
            text_printf(out, "%%%02x", (unsigned)(unsigned char)*c);
        } else {
            text_add_bytes(out, c, 1);
        }
    }
    text_printf(out, "?%s", options);
}

/* A reader of a log needs its shared memory, which cannot be made in a folder that may only be read. Without a log nobody is
 * writing, and none can begin there, so the file is read as one that does not change. */
static status open_unchanging(sqlite_store *s, const char *path, error *err)
{
    status st = OK;
    text uri = { 0 };
    text_printf(&uri, "%s-wal", path);
    TRY(text_check(&uri, err));
    if (file_exists(uri.s)) {
        TRY(fail(err, E_IO,
            "%s: was not closed, and its log cannot be read in a folder that may only be read: "
            "copy "
            "it with its -wal file to another folder",
            s->base.where));
    }
    text_clear(&uri);
    sqlite_uri(path, "immutable=1", &uri);
    TRY(text_check(&uri, err));
    disconnect(s);
    s->is_unchanging = true;
    TRY(connect(s, uri.s, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err));
done:
    text_release(&uri);
    return st;
}

static status open_reader(sqlite_store *s, const char *path, error *err)
{
    bool is_empty = false;
    /* What may write removes its log and shared memory when it closes; SQLite itself opens for reading where it may do no more. */
    status st = connect(s, path, SQLITE_OPEN_READWRITE, err);
    if (st == OK) st = sql_script(s, "PRAGMA query_only = ON", err);
    if (st == OK) st = check_kind(s, &is_empty, err);
    const int code = s->db ? sqlite3_errcode(s->db) & 0xff : 0;
    if (st == E_IO && (code == SQLITE_CANTOPEN || code == SQLITE_READONLY)) {
        st = open_unchanging(s, path, err);
        if (st == OK) st = check_kind(s, &is_empty, err);
    }
    if (st == OK && is_empty) {
        st = fail(err, E_UNSUPPORTED, "%s: is empty: no study store", s->base.where);
    }
    return st;
}

status sqlite_open(
    const char *where, const store_options *o, const char *owner, store **out, error *err)
{
    status st = OK;
    arena a = { 0 };
    sqlite_store *s = NULL;
    TRY(check_place(where, o, err));
    s = calloc(1, sizeof *s);
    const char *path = path_absolute(&a, where); /* no ":memory:", no "file:" */
    if (!s || !path) TRY(fail_nomem(err, where));
    s->base.ops = &store_sqlite_ops;
    s->base.where = strdup(where);
    if (!s->base.where) TRY(fail_nomem(err, where));
    strcpy(s->base.owner, owner);
    s->busy_s = o->busy_s > 0.0 ? o->busy_s : 60.0;
    s->may_write = o->mode != STORE_READ;
    TRY(s->may_write ? open_writer(s, path, o, err) : open_reader(s, path, err));
    *out = &s->base;
    s = NULL;
done:
    if (s) sqlite_close(&s->base);
    arena_release(&a);
    return st;
}

void sqlite_close(store *base)
{
    sqlite_store *s = sqlite_of(base);
    if (s->session) { /* if that cannot be written the next one finds it, and looks through the file */
        const status st = write_begin(s, true, NULL);
        const status ended =
            st == OK ? sql_run(s, NULL, "DELETE FROM session WHERE id = ?1", "i", s->session) : st;
        if (write_end(s, ended, NULL) != OK) s->session = 0;
    }
    disconnect(s);
    free(s->base.where);
    free(s);
}

const store_ops store_sqlite_ops = {
    .open = sqlite_open,
    .close = sqlite_close,
    .study_create = sqlite_study_create,
    .study_find = sqlite_study_find,
    .study_close = sqlite_study_close,
    .study_pause = sqlite_study_pause,
    .trial_add = sqlite_trial_add,
    .trial_find = sqlite_trial_find,
    .trial_claim = sqlite_trial_claim,
    .trial_renew = sqlite_trial_renew,
    .trial_report = sqlite_trial_report,
    .trial_finish = sqlite_trial_finish,
    .trial_release = sqlite_trial_release,
    .recover = sqlite_recover,
    .trial_count = sqlite_trial_count,
    .cursor_close = sqlite_cursor_close,
    .studies_open = sqlite_studies_open,
    .studies_next = sqlite_studies_next,
    .trials_open = sqlite_trials_open,
    .trials_next = sqlite_trials_next,
    .attempts_open = sqlite_attempts_open,
    .attempts_next = sqlite_attempts_next,
    .points_open = sqlite_points_open,
    .points_next = sqlite_points_next,
    .events_open = sqlite_events_open,
    .events_next = sqlite_events_next,
    .check = sqlite_check,
    .export_optuna = sqlite_export_optuna,
};
