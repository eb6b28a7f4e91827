/* Studies. */
#include "store/sqlite.h"

#include "base/json_in.h"

#include <string.h>

static status add_dimension(sqlite_store *s, int64_t study, int64_t position,
    const store_dimension *d, const char *distribution, error *err)
{
    return sql_run(s, err,
        "INSERT INTO dimension(study, position, contender, name, type, low, high, step, log, "
        "distribution) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        "iittidddit", study, position, d->contender, d->name, (int64_t)d->type, d->low, d->high,
        d->step, (int64_t)d->log, distribution);
}

status sqlite_study_create(store *base, const store_study_spec *spec, const char *hash,
    const char *const *distributions, uint64_t *out, error *err)
{
    sqlite_store *s = sqlite_of(base);
    status st = OK;
    bool is_there = false;
    int64_t id = 0;
    TRY(write_begin(s, false, err));
    TRY(sql_int(s, &id, &is_there, err, "SELECT id FROM study WHERE name = ?1", "t", spec->name));
    if (is_there) {
        TRY(fail(err, E_CONFLICT,
            "%s: there is a study %s already: resume it, or give the new one another name",
            base->where, quote_name(spec->name).s));
    }
    TRY(sql_run(s, err,
        "INSERT INTO study(name, declaration, declaration_hash, metric, direction, seed, "
        "max_lost, created) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        "ttttiuud", spec->name, spec->declaration, hash, spec->metric, (int64_t)spec->direction,
        spec->seed, spec->max_lost, store_now()));
    id = sqlite3_last_insert_rowid(s->db);
    for (size_t i = 0; i < spec->n_dimensions; i++) {
        const store_dimension *d = &spec->dimensions[i];
        const status added = add_dimension(s, id, (int64_t)i, d, distributions[i], err);
        if (added == E_CONFLICT) {
            TRY(fail(err, E_CONFLICT, "study %s: contender %s has dimension %s twice",
                quote_name(spec->name).s, quote_name(d->contender).s, quote_name(d->name).s));
        }
        TRY(added);
    }
done:
    st = write_end(s, st, err);
    if (st == OK) *out = (uint64_t)id;
    return st;
}

/* "did you mean" wants all names at hand. */
static status fail_unknown(sqlite_store *s, const char *name, error *err)
{
    status st = OK;
    arena a = { 0 };
    sqlite3_stmt *q = NULL;
    int64_t n = 0;
    size_t n_names = 0;
    bool is_row = true;
    TRY(sql_int(s, &n, NULL, err, "SELECT count(*) FROM study", ""));
    const char **names = arena_alloc_array(&a, (size_t)n + 1, sizeof *names);
    if (!names) TRY(fail_nomem(err, s->base.where));
    TRY(sql_query(s, &q, err, "SELECT name FROM study LIMIT ?1", "i", n));
    while (is_row) {
        TRY(sql_step(s, q, &is_row, err));
        if (!is_row) break;
        const char *found = arena_strdup(&a, (const char *)sqlite3_column_text(q, 0));
        if (!found) TRY(fail_nomem(err, s->base.where));
        names[n_names++] = found;
    }
    const char *nearest = text_nearest(name, names, n_names);
    st = nearest ? fail(err, E_UNKNOWN, "%s: has no study %s: did you mean \"%s\"?", s->base.where,
                       quote_name(name).s, nearest)
                 : fail(err, E_UNKNOWN, "%s: has no study %s", s->base.where, quote_name(name).s);
done:
    if (q) sqlite3_reset(q);
    arena_release(&a);
    return st;
}

status sqlite_study_find(store *base, const char *name, arena *a, store_study *out, error *err)
{
    sqlite_store *s = sqlite_of(base);
    sqlite3_stmt *q = NULL;
    bool is_row = false;
    status st = OK;
    TRY(sql_query(s, &q, err, "SELECT " STUDY_COLUMNS " FROM study WHERE name = ?1", "t", name));
    TRY(sql_step(s, q, &is_row, err));
    TRY(is_row ? row_study(q, a, out, err) : fail_unknown(s, name, err));
done:
    if (q) sqlite3_reset(q);
    return st;
}

static status fail_no_study(sqlite_store *s, uint64_t study, error *err)
{
    return fail(
        err, E_UNKNOWN, "%s: has no study of id %llu", s->base.where, (unsigned long long)study);
}

status sqlite_study_close(store *base, uint64_t study, error *err)
{
    sqlite_store *s = sqlite_of(base);
    status st = OK;
    TRY(write_begin(s, true, err));
    TRY(sql_run(s, err, "UPDATE study SET closed = coalesce(closed, ?2) WHERE id = ?1", "ud", study,
        store_now()));
    if (sqlite3_changes(s->db) == 0) TRY(fail_no_study(s, study, err));
done:
    return write_end(s, st, err);
}

status sqlite_study_pause(store *base, uint64_t study, bool is_paused, error *err)
{
    sqlite_store *s = sqlite_of(base);
    status st = OK;
    TRY(write_begin(s, true, err));
    TRY(sql_run(s, err,
        "UPDATE study SET paused = CASE ?3 WHEN 1 THEN coalesce(paused, ?2) END WHERE id = ?1",
        "udi", study, store_now(), (int64_t)is_paused));
    if (sqlite3_changes(s->db) == 0) TRY(fail_no_study(s, study, err));
done:
    return write_end(s, st, err);
}
