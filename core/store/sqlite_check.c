/* Whether the whole of a store tells one story: trials, their attempts and the log of events. */
#include "store/sqlite.h"

/* Each gives a line for each fault. */
static const char *const rules[] = {
    "SELECT 'trial ' || t.number || ' is running, but its attempt ' || t.epoch || ' is not' FROM "
    "trial t WHERE t.state = 1 AND NOT EXISTS(SELECT 1 FROM attempt a WHERE a.trial = t.id AND "
    "a.epoch = t.epoch AND a.class = -1 AND a.owner = t.owner) LIMIT 20",

    "SELECT 'attempt ' || a.epoch || ' of trial ' || t.number || ' is running, but the trial is "
    "not' FROM attempt a JOIN trial t ON t.id = a.trial WHERE a.class = -1 AND (t.state <> 1 OR "
    "t.epoch <> a.epoch) LIMIT 20",

    "SELECT 'trial ' || t.number || ' counts ' || t.epoch || ' attempts, but there are ' || n FROM "
    "(SELECT id, (SELECT count(*) FROM attempt a WHERE a.trial = id) AS n, (SELECT coalesce("
    "max(epoch), 0) FROM attempt a WHERE a.trial = id) AS last FROM trial) JOIN trial t USING(id) "
    "WHERE t.epoch <> n OR t.epoch <> last LIMIT 20",

    "SELECT 'trial ' || t.number || ' counts ' || t.n_lost || ' lost attempts, but there are ' || "
    "n "
    "FROM (SELECT id, (SELECT count(*) FROM attempt a WHERE a.trial = id AND class = 18) AS n FROM "
    "trial) JOIN trial t USING(id) WHERE t.n_lost <> n LIMIT 20",

    "SELECT 'trial ' || t.number || CASE t.state WHEN 1 THEN ' is running without a lease' ELSE ' "
    "has a lease, but is not running' END FROM trial t WHERE (t.state = 1) <> (t.lease IS NOT "
    "NULL) LIMIT 20",

    "SELECT 'trial ' || t.number || ' was proposed, but the log does not say so' FROM trial t "
    "WHERE "
    "NOT EXISTS(SELECT 1 FROM event e WHERE e.trial = t.id AND e.kind = 1 AND e.search = t.search "
    "AND e.seq > t.asked_after AND e.fidelity = t.fidelity) LIMIT 20",

    "SELECT 'trial ' || t.number || ' has ended, but the log does not say so, or says otherwise' "
    "FROM trial t WHERE t.state >= 2 AND NOT EXISTS(SELECT 1 FROM event e WHERE e.trial = t.id AND "
    "e.kind = 3 AND e.search = t.search AND e.state = t.state AND e.value IS t.value AND "
    "e.standard_error IS t.standard_error AND e.fidelity IS t.reached) LIMIT 20",

    "SELECT 'trial ' || t.number || ' has ended by the log, but is waiting or running' FROM event "
    "e "
    "JOIN trial t ON t.id = e.trial WHERE e.kind = 3 AND t.state < 2 LIMIT 20",

    "SELECT 'trial ' || number || ' is done, but has no finite value' FROM trial WHERE state = 2 "
    "AND (value IS NULL OR abs(value) > 1.7976931348623157e308) LIMIT 20",

    "SELECT 'the log of search ' || s.id || ' counts ' || s.n_events || ' events, but has ' || n "
    "|| "
    "' up to ' || last FROM (SELECT id, (SELECT count(*) FROM event e WHERE e.search = id) AS n, "
    "(SELECT coalesce(max(seq), 0) FROM event e WHERE e.search = id) AS last FROM search) JOIN "
    "search s USING(id) WHERE s.n_events <> n OR s.n_events <> last LIMIT 20",

    "SELECT 'search ' || s.id || ' counts ' || s.n_trials || ' trials, but has ' || n FROM (SELECT "
    "q.id, (SELECT count(*) FROM trial t WHERE t.search = q.id) AS n, (SELECT coalesce(max("
    "proposal) + 1, 0) FROM trial t WHERE t.search = q.id) AS last FROM search q) JOIN search s "
    "USING(id) WHERE s.n_trials <> n OR s.n_trials <> last LIMIT 20",

    "SELECT 'study ' || y.name || ' counts ' || y.n_trials || ' trials, but has ' || n FROM "
    "(SELECT "
    "q.id, (SELECT count(*) FROM trial t WHERE t.study = q.id) AS n, (SELECT coalesce(max(number) "
    "+ 1, 0) FROM trial t WHERE t.study = q.id) AS last FROM study q) JOIN study y USING(id) WHERE "
    "y.n_trials <> n OR y.n_trials <> last LIMIT 20",
};

static status check_rule(sqlite_store *s, const char *rule, text *findings, error *err)
{
    sqlite3_stmt *q = NULL;
    bool is_row = true;
    status st = sql_query(s, &q, err, rule, "");
    while (st == OK && is_row) {
        const char *line = NULL;
        st = sql_step(s, q, &is_row, err);
        if (st == OK && is_row) st = column_text(q, 0, &line, err);
        if (line) text_printf(findings, "%s\n", line);
    }
    return st;
}

status sqlite_check(store *base, text *findings, bool *out_is_sound, error *err)
{
    sqlite_store *s = sqlite_of(base);
    const size_t n_before = findings->n;
    error damage = { 0 };
    status st = check_file(s, findings, &damage);
    for (size_t i = 0; st == OK && i < sizeof rules / sizeof rules[0]; i++)
        st = check_rule(s, rules[i], findings, &damage);
    if (st == E_CORRUPT) {
        text_printf(findings, "%s\n", damage.text);
        st = OK;
    }
    if (st != OK) return fail(err, st, "%s", damage.text);
    st = text_check(findings, err);
    if (st == OK) *out_is_sound = findings->n == n_before;
    return st;
}
