/* Which failures of a component have one cause: what is wrong in a callback shows in most of the tests that call it, under other
 * settings and with other numbers. The first test that shows it tells it; the others point there. */
#include "cli/plugin_check.h"

#include <string.h>

enum { CAUSE_BYTES = sizeof((check_report *)0)->message };

/* Behind "with lr = 0.1;: " and "update 3: ". */
static const char *skip_where(const char *message)
{
    const char *colon = strstr(message, ": ");
    if (strncmp(message, "with ", 5) == 0 && colon) message = colon + 2;
    const size_t n = strlen("update "),
                 digits = strspn(message + strnlen(message, n), "0123456789");
    const bool is_update = strncmp(message, "update ", n) == 0 && digits > 0 &&
        strncmp(message + n + digits, ": ", 2) == 0;
    return is_update ? message + n + digits + 2 : message;
}

/* Without numbers (and the letter that some of them have), and without "(with lr = 0.1;)". */
static void add_cause(const char *message, size_t n, char out[CAUSE_BYTES])
{
    size_t k = 0;
    for (size_t i = 0; i < n && message[i]; i++) {
        if (strncmp(message + i, "(with ", 6) == 0) i += strcspn(message + i, ")");
        if (!strchr("0123456789.+-e", message[i])) out[k++] = message[i];
    }
    out[k] = '\0';
}

/* Of a crash or a hang the callback counts: which array it was that it left, and when, may be others. */
static void cause_of(const check_result *r, char out[CAUSE_BYTES])
{
    const char *message = r->report.message;
    size_t n = strlen(message);
    if (r->end == CHECK_CRASHED && strncmp(message, "crashed in ", 11) == 0) {
        n = strcspn(message, ":");
    } else if (r->end == CHECK_TIMED_OUT && strstr(message, " after ")) {
        n = (size_t)(strstr(message, " after ") - message);
    } else {
        message = skip_where(message);
    }
    add_cause(message, n, out);
}

const char *check_same_before(const check_outcomes *o, const check_target *target, size_t i)
{
    const check_result *r = &o->results[i];
    char cause[CAUSE_BYTES], other[CAUSE_BYTES];
    if (r->report.outcome < CHECK_WARNED) return NULL;
    cause_of(r, cause);
    for (size_t k = target->first_job; k < i; k++) {
        const check_result *before = &o->results[k];
        if (before->end != r->end || before->report.outcome != r->report.outcome) continue;
        cause_of(before, other);
        if (strcmp(cause, other) == 0) return o->jobs[k].test->name;
    }
    return NULL;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++) {
        if (strcmp(name, *names) == 0) return true;
    }
    return false;
}

const char *check_follows_from(const check_outcomes *o, const check_target *target, size_t i)
{
    /* what weights that are NaN answer to every question */
    static const char root[] = "optimizer_finite";
    static const char *const results[] = { "optimizer_gradient", "optimizer_learns",
        "optimizer_direction", "optimizer_mirror", "optimizer_slots", "optimizer_hypers", NULL };
    const check_result *r = &o->results[i];
    if (r->end != CHECK_REPORTED || r->report.outcome < CHECK_WARNED) return NULL;
    const bool is_nan = strstr(r->report.message, "nan") != NULL;
    if (!is_nan && !is_one_of(o->jobs[i].test->name, results)) return NULL;
    for (size_t k = target->first_job; k < i; k++) {
        const check_result *before = &o->results[k];
        if (strcmp(o->jobs[k].test->name, root) == 0 && before->end == CHECK_REPORTED &&
            before->report.outcome == CHECK_FAILED)
            return root;
    }
    return NULL;
}
