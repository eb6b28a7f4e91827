/* The tables, and Optuna's as views over them.
 *
 * trial, attempt and search hold what is; event what strategies were told, in order, never changed. A trial's `epoch` is the number of
 * its attempts; who claims it raises it, and every later change asks for it.
 *
 * The views have the names and columns of Optuna's twelve tables and of alembic's one, so Optuna reads the file as it is, with
 * its plots and its dashboard (open it as sqlite:///file:PATH?mode=ro&uri=true). Each search is a study there. What Optuna cannot
 * hold is told otherwise:
 *   - failed, diverged, timeout and lost are FAIL, without a value: an infinite value would be the best one of a study that
 *     minimises (Optuna before 3.2 sorts it first). What it was is the attribute assay:state, why assay:reason;
 *   - paused is PRUNED;
 *   - times are UTC, as Optuna 5 writes them;
 *   - the curve is the study's metric, of the last attempt that came to a step.
 * Optuna 3.0 and 3.1 ask for revision v3.0.0.d of its tables, 3.2 and later for v3.2.0.a; they differ in an index alone. Which one the
 * file names is a row of `meta`. */
#include "store/sqlite.h"

#include <stdio.h>

static const char *const tables[] = {
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;",
    "INSERT INTO meta VALUES('optuna_revision', 'v3.0.0.d');",
    "CREATE TABLE session(id INTEGER PRIMARY KEY, owner TEXT NOT NULL, opened REAL NOT NULL) "
    "STRICT;",

    "CREATE TABLE study(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " declaration TEXT NOT NULL, declaration_hash TEXT NOT NULL, metric TEXT NOT NULL,"
    " direction INTEGER NOT NULL CHECK(direction IN (0, 1)), seed INTEGER NOT NULL,"
    " max_lost INTEGER NOT NULL, created REAL NOT NULL, closed REAL,"
    " n_trials INTEGER NOT NULL DEFAULT 0) STRICT;",

    "CREATE TABLE dimension(study INTEGER NOT NULL REFERENCES study, position INTEGER NOT NULL,"
    " contender TEXT NOT NULL, name TEXT NOT NULL, type INTEGER NOT NULL, low REAL, high REAL,"
    " step REAL, log INTEGER NOT NULL, distribution TEXT NOT NULL,"
    " PRIMARY KEY(study, position), UNIQUE(study, contender, name)) STRICT, WITHOUT ROWID;",

    "CREATE TABLE search(id INTEGER PRIMARY KEY, study INTEGER NOT NULL REFERENCES study,"
    " phase INTEGER NOT NULL, contender TEXT NOT NULL, workload TEXT NOT NULL,"
    " repeat INTEGER NOT NULL, n_trials INTEGER NOT NULL DEFAULT 0,"
    " n_events INTEGER NOT NULL DEFAULT 0,"
    " UNIQUE(study, phase, contender, workload, repeat)) STRICT;",

    "CREATE TABLE trial(id INTEGER PRIMARY KEY, study INTEGER NOT NULL REFERENCES study,"
    " number INTEGER NOT NULL, identity TEXT NOT NULL,"
    " search INTEGER NOT NULL REFERENCES search, proposal INTEGER NOT NULL,"
    " seed INTEGER NOT NULL, params TEXT NOT NULL, fidelity REAL NOT NULL,"
    " priority INTEGER NOT NULL, asked_after INTEGER NOT NULL, from_trial INTEGER NOT NULL,"
    " replicate INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0 CHECK(state BETWEEN 0 AND 8),"
    " epoch INTEGER NOT NULL DEFAULT 0, n_lost INTEGER NOT NULL DEFAULT 0,"
    " owner TEXT NOT NULL DEFAULT '', lease REAL, value REAL, standard_error REAL, reached REAL,"
    " added REAL NOT NULL, started REAL, finished REAL, record TEXT NOT NULL DEFAULT '',"
    " UNIQUE(study, number), UNIQUE(study, identity), UNIQUE(search, proposal)) STRICT;",
    "CREATE INDEX trial_queue ON trial(study, priority DESC, number) WHERE state = 0;",
    "CREATE INDEX trial_leases ON trial(study, lease) WHERE state = 1;",

    "CREATE TABLE attempt(trial INTEGER NOT NULL REFERENCES trial, epoch INTEGER NOT NULL,"
    " owner TEXT NOT NULL, class INTEGER NOT NULL DEFAULT -1, reason TEXT NOT NULL DEFAULT '',"
    " started REAL NOT NULL, ended REAL, PRIMARY KEY(trial, epoch)) STRICT, WITHOUT ROWID;",
    "CREATE INDEX attempt_running ON attempt(owner) WHERE class = -1;",

    "CREATE TABLE point(trial INTEGER NOT NULL REFERENCES trial, epoch INTEGER NOT NULL,"
    " step INTEGER NOT NULL, metric TEXT NOT NULL, value REAL,"
    " PRIMARY KEY(trial, epoch, step, metric)) STRICT, WITHOUT ROWID;",

    "CREATE TABLE event(search INTEGER NOT NULL REFERENCES search, seq INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, state INTEGER NOT NULL, trial INTEGER NOT NULL REFERENCES trial,"
    " value REAL, standard_error REAL, fidelity REAL, time REAL NOT NULL,"
    " PRIMARY KEY(search, seq)) STRICT, WITHOUT ROWID;",
    "CREATE UNIQUE INDEX event_once ON event(trial, kind) WHERE kind <> 2;",
    "CREATE UNIQUE INDEX event_news ON event(trial, fidelity) WHERE kind = 2;",
    "CREATE TRIGGER event_is_kept BEFORE DELETE ON event"
    " BEGIN SELECT RAISE(ABORT, 'events are only added'); END;",
    "CREATE TRIGGER event_is_fixed BEFORE UPDATE ON event"
    " BEGIN SELECT RAISE(ABORT, 'events are only added'); END;",
    NULL,
};

/* A value is kept by Optuna as a number or, where it is not finite, as a word beside a NULL. */
static const char *const views[] = {
    "CREATE VIEW optuna_name AS SELECT s.id AS search, CASE WHEN s.contender = '' AND"
    " s.workload = '' AND s.repeat = 0 AND s.phase = 0 THEN y.name ELSE y.name || '/' ||"
    " s.contender || '/' || s.workload || '/' || s.repeat ||"
    " CASE s.phase WHEN 1 THEN '/evaluation' ELSE '' END END AS name"
    " FROM search s JOIN study y ON y.id = s.study;",

    "CREATE VIEW version_info AS SELECT 1 AS version_info_id, 12 AS schema_version,"
    " 'assay' AS library_version;",
    "CREATE VIEW alembic_version AS SELECT value AS version_num FROM meta"
    " WHERE key = 'optuna_revision';",
    "CREATE VIEW studies AS SELECT search AS study_id, name AS study_name FROM optuna_name;",
    "CREATE VIEW study_directions AS SELECT s.id AS study_direction_id,"
    " CASE y.direction WHEN 1 THEN 'MAXIMIZE' ELSE 'MINIMIZE' END AS direction,"
    " s.id AS study_id, 0 AS objective FROM search s JOIN study y ON y.id = s.study;",

    "CREATE VIEW study_user_attributes AS"
    " SELECT s.id * 8 AS study_user_attribute_id, s.id AS study_id, 'assay:study' AS key,"
    " json_quote(y.name) AS value_json FROM search s JOIN study y ON y.id = s.study"
    " UNION ALL SELECT id * 8 + 1, id, 'assay:contender', json_quote(contender) FROM search"
    " UNION ALL SELECT id * 8 + 2, id, 'assay:workload', json_quote(workload) FROM search"
    " UNION ALL SELECT id * 8 + 3, id, 'assay:repeat', json_quote(repeat) FROM search"
    " UNION ALL SELECT id * 8 + 4, id, 'assay:phase',"
    " CASE phase WHEN 1 THEN '\"evaluation\"' ELSE '\"tuning\"' END FROM search"
    " UNION ALL SELECT s.id * 8 + 5, s.id, 'assay:declaration', json_quote(y.declaration_hash)"
    " FROM search s JOIN study y ON y.id = s.study;",
    "CREATE VIEW study_system_attributes AS SELECT s.id AS study_system_attribute_id,"
    " s.id AS study_id, 'study:metric_names' AS key, json_array(y.metric) AS value_json"
    " FROM search s JOIN study y ON y.id = s.study;",

    "CREATE VIEW trials AS SELECT id AS trial_id, proposal AS number, search AS study_id,"
    " CASE state WHEN 0 THEN 'WAITING' WHEN 1 THEN 'RUNNING' WHEN 2 THEN 'COMPLETE'"
    " WHEN 3 THEN 'PRUNED' WHEN 4 THEN 'PRUNED' ELSE 'FAIL' END AS state,"
    " strftime('%Y-%m-%d %H:%M:%f', started, 'unixepoch') || '000' AS datetime_start,"
    " strftime('%Y-%m-%d %H:%M:%f', finished, 'unixepoch') || '000' AS datetime_complete"
    " FROM trial;",
    "CREATE VIEW trial_params AS SELECT t.id * 65536 + p.id AS param_id, t.id AS trial_id,"
    " p.key AS param_name, CAST(CASE WHEN d.type = 3 THEN (SELECT c.key FROM"
    " json_each(d.distribution, '$.attributes.choices') c WHERE c.value = CAST(p.value AS TEXT))"
    " WHEN p.type = 'text' THEN 0 ELSE p.value END AS REAL) AS param_value,"
    " coalesce(d.distribution, CASE WHEN p.type = 'text' THEN json_object('name',"
    " 'CategoricalDistribution', 'attributes', json_object('choices', json_array(p.value)))"
    " ELSE json_object('name', 'FloatDistribution', 'attributes', json_object('step', NULL, 'low',"
    " CAST(p.value AS REAL), 'high', CAST(p.value AS REAL), 'log', json('false'))) END)"
    " AS distribution_json FROM trial t JOIN search s ON s.id = t.search"
    " JOIN json_each(t.params) p LEFT JOIN dimension d"
    " ON d.study = t.study AND d.contender = s.contender AND d.name = p.key;",
    "CREATE VIEW trial_values AS SELECT id AS trial_value_id, id AS trial_id, 0 AS objective,"
    " value, 'FINITE' AS value_type FROM trial WHERE state IN (2, 3, 4) AND"
    " abs(value) <= 1.7976931348623157e308;",
    "CREATE VIEW trial_intermediate_values AS"
    " SELECT c.trial * 4294967296 + c.step AS trial_intermediate_value_id, c.trial AS trial_id,"
    " c.step AS step, CASE WHEN abs(c.value) > 1.7976931348623157e308 THEN NULL ELSE c.value END"
    " AS intermediate_value, CASE WHEN c.value IS NULL THEN 'NAN'"
    " WHEN c.value > 1.7976931348623157e308 THEN 'INF_POS'"
    " WHEN c.value < -1.7976931348623157e308 THEN 'INF_NEG' ELSE 'FINITE' END"
    " AS intermediate_value_type FROM (SELECT p.trial, p.step, p.value, max(p.epoch)"
    " FROM point p JOIN trial t ON t.id = p.trial JOIN study y ON y.id = t.study"
    " WHERE p.metric = y.metric GROUP BY p.trial, p.step) c;",
    "CREATE VIEW trial_user_attributes AS SELECT id * 8 AS trial_user_attribute_id,"
    " id AS trial_id, 'assay:seed' AS key, printf('%u', seed) AS value_json FROM trial"
    " UNION ALL SELECT id * 8 + 1, id, 'assay:number', json_quote(number) FROM trial"
    " UNION ALL SELECT id * 8 + 2, id, 'assay:state', CASE state WHEN 0 THEN '\"waiting\"'"
    " WHEN 1 THEN '\"running\"' WHEN 2 THEN '\"done\"' WHEN 3 THEN '\"pruned\"' WHEN 4 THEN"
    " '\"paused\"' WHEN 5 THEN '\"failed\"' WHEN 6 THEN '\"diverged\"' WHEN 7 THEN '\"timeout\"'"
    " ELSE '\"lost\"' END FROM trial"
    " UNION ALL SELECT t.id * 8 + 3, t.id, 'assay:reason', json_quote(a.reason) FROM trial t"
    " JOIN attempt a ON a.trial = t.id AND a.epoch = t.epoch WHERE a.reason <> ''"
    " UNION ALL SELECT id * 8 + 4, id, 'assay:standard_error', json_quote(standard_error)"
    " FROM trial WHERE abs(standard_error) <= 1.7976931348623157e308"
    " UNION ALL SELECT id * 8 + 5, id, 'assay:fidelity', json_quote(reached) FROM trial"
    " WHERE abs(reached) <= 1.7976931348623157e308"
    " UNION ALL SELECT id * 8 + 6, id, 'assay:identity', json_quote(identity) FROM trial;",
    "CREATE VIEW trial_system_attributes AS SELECT 0 AS trial_system_attribute_id, 0 AS trial_id,"
    " '' AS key, '' AS value_json WHERE 0;",
    "CREATE VIEW trial_heartbeats AS SELECT 0 AS trial_heartbeat_id, 0 AS trial_id,"
    " '' AS heartbeat WHERE 0;",
    NULL,
};

static const char *const pauses[] = { "ALTER TABLE study ADD COLUMN paused REAL;", NULL };

/* What leads from one version to the next: steps[0] makes version 1 of an empty file. */
static const char *const *const steps[STORE_SCHEMA] = { tables, views, pauses };

status schema_bring_up(sqlite_store *s, error *err)
{
    int64_t version = 0;
    char header[96];
    status st = sql_int(s, &version, NULL, err, "PRAGMA user_version", "");
    if (st != OK || version == STORE_SCHEMA) return st;
    for (; st == OK && version < STORE_SCHEMA; version++) {
        for (size_t i = 0; st == OK && steps[version][i]; i++)
            st = sql_script(s, steps[version][i], err);
    }
    snprintf(header, sizeof header, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
        STORE_APPLICATION, STORE_SCHEMA);
    return st == OK ? sql_script(s, header, err) : st;
}

const char optuna_tables[] =
    "CREATE TABLE version_info(version_info_id INTEGER NOT NULL PRIMARY KEY"
    " CHECK(version_info_id = 1), schema_version INTEGER, library_version VARCHAR(256));"
    "CREATE TABLE alembic_version(version_num VARCHAR(32) NOT NULL,"
    " CONSTRAINT alembic_version_pkc PRIMARY KEY(version_num));"
    "CREATE TABLE studies(study_id INTEGER NOT NULL PRIMARY KEY,"
    " study_name VARCHAR(512) NOT NULL);"
    "CREATE UNIQUE INDEX ix_studies_study_name ON studies(study_name);"
    "CREATE TABLE study_directions(study_direction_id INTEGER NOT NULL PRIMARY KEY,"
    " direction VARCHAR(8) NOT NULL, study_id INTEGER NOT NULL REFERENCES studies(study_id),"
    " objective INTEGER NOT NULL, UNIQUE(study_id, objective));"
    "CREATE TABLE study_user_attributes(study_user_attribute_id INTEGER NOT NULL PRIMARY KEY,"
    " study_id INTEGER REFERENCES studies(study_id), key VARCHAR(512), value_json TEXT,"
    " UNIQUE(study_id, key));"
    "CREATE TABLE study_system_attributes(study_system_attribute_id INTEGER NOT NULL PRIMARY KEY,"
    " study_id INTEGER REFERENCES studies(study_id), key VARCHAR(512), value_json TEXT,"
    " UNIQUE(study_id, key));"
    "CREATE TABLE trials(trial_id INTEGER NOT NULL PRIMARY KEY, number INTEGER,"
    " study_id INTEGER REFERENCES studies(study_id), state VARCHAR(8) NOT NULL,"
    " datetime_start DATETIME, datetime_complete DATETIME);"
    "CREATE TABLE trial_user_attributes(trial_user_attribute_id INTEGER NOT NULL PRIMARY KEY,"
    " trial_id INTEGER REFERENCES trials(trial_id), key VARCHAR(512), value_json TEXT,"
    " UNIQUE(trial_id, key));"
    "CREATE TABLE trial_system_attributes(trial_system_attribute_id INTEGER NOT NULL PRIMARY KEY,"
    " trial_id INTEGER REFERENCES trials(trial_id), key VARCHAR(512), value_json TEXT,"
    " UNIQUE(trial_id, key));"
    "CREATE TABLE trial_params(param_id INTEGER NOT NULL PRIMARY KEY,"
    " trial_id INTEGER REFERENCES trials(trial_id), param_name VARCHAR(512), param_value FLOAT,"
    " distribution_json TEXT, UNIQUE(trial_id, param_name));"
    "CREATE TABLE trial_values(trial_value_id INTEGER NOT NULL PRIMARY KEY,"
    " trial_id INTEGER NOT NULL REFERENCES trials(trial_id), objective INTEGER NOT NULL,"
    " value FLOAT, value_type VARCHAR(7) NOT NULL, UNIQUE(trial_id, objective));"
    "CREATE TABLE trial_intermediate_values("
    " trial_intermediate_value_id INTEGER NOT NULL PRIMARY KEY,"
    " trial_id INTEGER NOT NULL REFERENCES trials(trial_id), step INTEGER NOT NULL,"
    " intermediate_value FLOAT, intermediate_value_type VARCHAR(7) NOT NULL,"
    " UNIQUE(trial_id, step));"
    "CREATE TABLE trial_heartbeats(trial_heartbeat_id INTEGER NOT NULL PRIMARY KEY,"
    " trial_id INTEGER NOT NULL UNIQUE REFERENCES trials(trial_id), heartbeat DATETIME NOT NULL);";

const char optuna_index_3_2[] = "CREATE INDEX trials_study_id_key ON trials(study_id);";
