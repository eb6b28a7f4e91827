/* Export: the rows of the views into real tables, in a file of its own, with which Optuna can go on.
 *
 * The new file is written beside its place and renamed when it is whole; the store is attached to it for reading. */
#include "store/sqlite.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Searches of the study that is asked for: ?1, or all where it is 0. */
#define WANTED "(SELECT id FROM s.search WHERE ?1 = 0 OR study = ?1)"
#define WANTED_TRIALS "(SELECT id FROM s.trial WHERE search IN " WANTED ")"

static const char *const copies[] = {
    "INSERT INTO main.studies SELECT study_id, study_name FROM s.studies WHERE study_id IN " WANTED,
    "INSERT INTO main.study_directions SELECT study_direction_id, direction, study_id, objective "
    "FROM s.study_directions WHERE study_id IN " WANTED,
    "INSERT INTO main.study_user_attributes(study_id, key, value_json) SELECT study_id, key, "
    "value_json FROM s.study_user_attributes WHERE study_id IN " WANTED " ORDER BY study_id, key",
    "INSERT INTO main.study_system_attributes(study_id, key, value_json) SELECT study_id, key, "
    "value_json FROM s.study_system_attributes WHERE study_id IN " WANTED,
    "INSERT INTO main.trials SELECT trial_id, number, study_id, state, datetime_start, "
    "datetime_complete FROM s.trials WHERE study_id IN " WANTED " ORDER BY trial_id",
    "INSERT INTO main.trial_params(trial_id, param_name, param_value, distribution_json) SELECT "
    "trial_id, param_name, param_value, distribution_json FROM s.trial_params WHERE trial_id "
    "IN " WANTED_TRIALS " ORDER BY trial_id, param_id",
    "INSERT INTO main.trial_values(trial_id, objective, value, value_type) SELECT trial_id, "
    "objective, value, value_type FROM s.trial_values WHERE trial_id IN " WANTED_TRIALS
    " ORDER BY trial_id",
    "INSERT INTO main.trial_intermediate_values(trial_id, step, intermediate_value, "
    "intermediate_value_type) SELECT trial_id, step, intermediate_value, intermediate_value_type "
    "FROM s.trial_intermediate_values WHERE trial_id IN " WANTED_TRIALS " ORDER BY trial_id, step",
    "INSERT INTO main.trial_user_attributes(trial_id, key, value_json) SELECT trial_id, key, "
    "value_json FROM s.trial_user_attributes WHERE trial_id IN " WANTED_TRIALS
    " ORDER BY trial_id, key",
};

static status copy_rows(sqlite_store *out, uint64_t study, const char *revision, error *err)
{
    status st = OK;
    TRY(sql_run(out, err, "BEGIN", ""));
    TRY(sql_script(out, optuna_tables, err));
    if (strcmp(revision, "v3.0.0.d") != 0) TRY(sql_script(out, optuna_index_3_2, err));
    TRY(sql_run(out, err, "INSERT INTO main.version_info VALUES(1, 12, 'assay')", ""));
    TRY(sql_run(out, err, "INSERT INTO main.alembic_version VALUES(?1)", "t", revision));
    for (size_t i = 0; i < sizeof copies / sizeof copies[0]; i++)
        TRY(sql_run(out, err, copies[i], "u", study));
    TRY(sql_run(out, err, "COMMIT", ""));
done:
    return st;
}

static status write_file(
    sqlite_store *s, uint64_t study, const char *path, const char *revision, error *err)
{
    status st = OK;
    arena a = { 0 };
    text uri = { 0 };
    sqlite_store out = { .base = { .where = (char *)path }, .busy_s = s->busy_s };
    const char *absolute = path_absolute(&a, path);
    if (!absolute) TRY(fail_nomem(err, path));
    sqlite_uri(
        sqlite3_db_filename(s->db, "main"), s->is_unchanging ? "immutable=1" : "mode=ro", &uri);
    TRY(text_check(&uri, err));
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(absolute, &out.db, flags, NULL) != SQLITE_OK) {
        TRY(sql_fail(&out, "cannot be opened", err));
    }
    sqlite3_busy_timeout(out.db, 60000);
    TRY(sql_script(&out, "PRAGMA temp_store = MEMORY; PRAGMA journal_mode = MEMORY;", err));
    TRY(sql_run(&out, err, "ATTACH ?1 AS s", "t", uri.s));
    TRY(copy_rows(&out, study, revision, err));
done:
    for (size_t i = 0; i < out.n_prepared; i++)
        sqlite3_finalize(out.prepared[i].statement);
    sqlite3_close_v2(out.db);
    text_release(&uri);
    arena_release(&a);
    return st;
}

status sqlite_export_optuna(
    store *base, uint64_t study, const char *path, const char *revision, error *err)
{
    status st = OK;
    text name = { 0 };
    bool is_made = false;
    if (file_exists(path)) {
        TRY(fail(err, E_CONFLICT, "%s: exists: choose a new file, or remove it first", path));
    }
    text_printf(&name, "%s.tmp.%ld", path, (long)getpid());
    TRY(text_check(&name, err));
    const int fd = open(name.s, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) TRY(fail_errno(err, errno, path, "cannot be made"));
    is_made = true;
    close(fd);
    TRY(write_file(sqlite_of(base), study, name.s, revision, err));
    if (link(name.s, path) != 0) TRY(fail_errno(err, errno, path, "cannot be made"));
done:
    if (is_made) unlink(name.s);
    text_release(&name);
    return st;
}
