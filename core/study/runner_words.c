/* The words of a program: found wrong before anything runs, and filled in for each run. */
#include "study/runner_command.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a contender's `set` gives that name; NULL: it does not. */
static const char *find_set(const contender *c, const char *name)
{
    const size_t n = strlen(name);
    for (size_t i = 0; i < c->n_overrides; i++) {
        const char *set = c->overrides[i];
        if (strncmp(set, name, n) == 0 && set[n] == '=') return set + n + 1;
    }
    return NULL;
}

static status check_name(
    const workload *w, const contender *c, const char *name, const char *word, error *err)
{
    const char *names[SPACE_MOST_DIMENSIONS + 2];
    size_t n = 0;
    if (strcmp(name, "seed") == 0 || strcmp(name, "fidelity") == 0) return OK;
    if (space_find(&c->space, name) < c->space.n || find_set(c, name)) return OK;
    names[n++] = "seed";
    names[n++] = "fidelity";
    for (size_t i = 0; i < c->space.n && i < SPACE_MOST_DIMENSIONS; i++)
        names[n++] = c->space.dimensions[i].name;
    const char *near = text_nearest(name, names, n);
    return fail_at(err, E_UNKNOWN, &w->at,
        "command: \"%s\": no dimension of contender \"%s\" is called \"%s\"%s%s%s; write {{ for {",
        word, c->name, name, near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static status check_word(const workload *w, const contender *c, const char *word, error *err)
{
    for (const char *at = word; (at = strchr(at, '{')) != NULL;) {
        char name[128];
        if (at[1] == '{') {
            at += 2;
            continue;
        }
        const char *end = strchr(at, '}');
        const size_t n = end ? (size_t)(end - at - 1) : sizeof name;
        if (!end || n >= sizeof name) {
            return fail_at(err, E_PARSE, &w->at,
                "command: \"%s\": expected {NAME}, found { without }; write {{ for {", word);
        }
        memcpy(name, at + 1, n);
        name[n] = '\0';
        const status st = check_name(w, c, name, word, err);
        if (st != OK) return st;
        at = end + 1;
    }
    return OK;
}

static void add_number(text *t, double v)
{
    if (v == floor(v) && fabs(v) < 1e15) {
        text_printf(t, "%.0f", v);
    } else {
        text_add_real(t, v);
    }
}

/* Names are written as a program has them: "sgd" without quotes. */
static void add_choice(text *t, const char *written)
{
    const size_t n = strlen(written);
    const bool is_quoted = n >= 2 && written[0] == '"' && written[n - 1] == '"';
    text_add_bytes(t, written + is_quoted, n - 2 * (size_t)is_quoted);
}

static void add_named(const run *n, const char *name, text *t)
{
    const space *s = &n->contender->space;
    const size_t i = space_find(s, name);
    const char *set = find_set(n->contender, name);
    if (strcmp(name, "seed") == 0) {
        text_printf(t, "%llu", (unsigned long long)n->spec.seed);
    } else if (strcmp(name, "fidelity") == 0) {
        const double whole = n->owner->declaration->max_fidelity;
        add_number(t, n->spec.fidelity > 0 ? n->spec.fidelity : whole);
    } else if (i < s->n && space_is_active(s, n->spec.x, i)) {
        text one = { 0 };
        space_value_text(s, i, n->spec.x[i], &one);
        if (one.s) add_choice(t, one.s);
        t->failed = t->failed || one.failed;
        text_release(&one);
    } else if (set) {
        add_choice(t, set);
    }
}

char *word_fill_in(run *n, const char *word)
{
    text t = { 0 };
    for (const char *at = word; *at;) {
        const size_t plain = strcspn(at, "{");
        text_add_bytes(&t, at, plain);
        at += plain;
        if (*at == '\0') break;
        if (at[1] == '{') {
            text_add(&t, "{");
            at += 2;
            continue;
        }
        char name[128];
        const char *end = strchr(at, '}');
        snprintf(name, sizeof name, "%.*s", (int)(end - at - 1), at + 1);
        add_named(n, name, &t);
        at = end + 1;
    }
    char *out = t.failed ? NULL : arena_strdup(&n->memory, t.s ? t.s : "");
    text_release(&t);
    return out;
}

/* -- The program -- */

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0 && !file_is_dir(path);
}

/* A name without a slash is looked for on PATH; one with it is relative to the folder that it will run in. */
static const char *find_program(runner *r, const workload *w)
{
    const char *name = w->argv[0], *at = getenv("PATH");
    if (strchr(name, '/')) {
        const char *path = path_join(&r->memory, w->folder, name);
        return path && is_program(path) ? path : NULL;
    }
    for (at = at ? at : "/usr/local/bin:/usr/bin:/bin"; *at;) {
        const size_t n = strcspn(at, ":");
        const char *path = arena_printf(&r->memory, "%.*s/%s", (int)n, at, name);
        if (n > 0 && path && is_program(path)) return path;
        at += n + (at[n] == ':');
    }
    return NULL;
}

status commands_open(runner *r, error *err)
{
    const declaration *d = r->declaration;
    const char **programs = arena_alloc_array(&r->memory, d->n_workloads, sizeof *programs);
    const char *self = r->options.program ? r->options.program : "/proc/self/exe";
    r->self = path_absolute(&r->memory, self); /* they begin in folders of their own */
    if (!programs || !r->self) return fail_nomem(err, "the runner");
    for (size_t i = 0; i < d->n_workloads; i++) {
        const workload *w = &d->workloads[i];
        if (w->kind != WORKLOAD_COMMAND) continue;
        if (w->n_argv == 0) return fail_at(err, E_MISSING, &w->at, "command: it has no program");
        for (size_t k = 0; k < w->n_argv * d->n_contenders; k++) {
            const contender *c = &d->contenders[k / w->n_argv];
            const status st = check_word(w, c, w->argv[k % w->n_argv], err);
            if (st != OK) return st;
        }
        programs[i] = find_program(r, w);
        if (!programs[i]) {
            return fail_at(err, E_UNKNOWN, &w->at,
                "command: no program \"%s\" %s%s; give its path, or put its folder on PATH",
                w->argv[0], strchr(w->argv[0], '/') ? "in " : "on PATH",
                strchr(w->argv[0], '/') ? w->folder : "");
        }
    }
    r->programs = programs;
    return OK;
}
