/* Reports, and the table of all tests. */
#include "check/kit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const check_test *const tables[] = { check_tests_loading, check_tests_general,
    check_tests_optimizer, check_tests_layer, check_tests_schedule, check_tests_loss,
    check_tests_metric, check_tests_dataset, check_tests_search, check_tests_pruner };

enum { N_TABLES = sizeof tables / sizeof tables[0] };

size_t check_count(void)
{
    size_t n = 0;
    for (size_t i = 0; i < N_TABLES; i++) {
        for (const check_test *t = tables[i]; t->name; t++)
            n++;
    }
    return n;
}

const check_test *check_get(size_t i)
{
    for (size_t k = 0; k < N_TABLES; k++) {
        for (const check_test *t = tables[k]; t->name; t++) {
            if (i-- == 0) return t;
        }
    }
    return NULL;
}

const check_test *check_find(const char *name)
{
    for (size_t i = 0; i < check_count(); i++) {
        if (strcmp(check_get(i)->name, name) == 0) return check_get(i);
    }
    return NULL;
}

bool check_applies(const check_test *t, const char *kind)
{
    return !t->kind || strcmp(t->kind, kind) == 0;
}

bool check_is_speed(const check_test *t)
{
    const char end[] = "_speed";
    const size_t n = strlen(t->name), n_end = sizeof end - 1;
    return n > n_end && strcmp(t->name + n - n_end, end) == 0;
}

bool check_is_of_loading(const check_test *t)
{
    for (const check_test *own = check_tests_loading; own->name; own++) {
        if (own == t) return true;
    }
    return false;
}

/* What becomes of a sentence when settings, counts and numbers are put into it as they come. The settings of a test are the text
 * "settings" to the reader of configs; every message says them itself. */
static void tidy(char *message)
{
    static const char *const table[][2] = { { "settings:1: ", "" }, { ";: ", ": " },
        { ";) ", ") " }, { ";),", ")," }, { "-nan", "nan" }, { " 1 updates", " 1 update" },
        { "under any of 1 settings", "with the only settings" },
        { "each of 1 settings", "the only settings" } };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const size_t n = strlen(table[i][0]), n_new = strlen(table[i][1]);
        for (char *at = message; (at = strstr(at, table[i][0])); at += n_new) {
            memcpy(at, table[i][1], n_new);
            memmove(at + n_new, at + n, strlen(at + n) + 1);
        }
    }
}

/* A worse outcome replaces a milder one and its message; of equal ones the first stays. */
static void say(check_report *r, check_outcome outcome, const char *format, va_list args)
{
    if (outcome <= r->outcome) return;
    r->outcome = outcome;
    vsnprintf(r->message, sizeof r->message, format, args);
    tidy(r->message);
}

void check_fail(check_report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(r, CHECK_FAILED, format, args);
    va_end(args);
}

void check_warn(check_report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(r, CHECK_WARNED, format, args);
    va_end(args);
}

void check_skip(check_report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(r, CHECK_SKIPPED, format, args);
    va_end(args);
}

void check_measure(check_report *r, const char *name, double v, const char *unit)
{
    if (r->n_figures == CHECK_MAX_FIGURES) return;
    r->figure[r->n_figures++] = (check_figure){ .name = name, .unit = unit, .value = v };
}
