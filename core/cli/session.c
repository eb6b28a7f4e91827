/* What commands share.
 *
 * Every command that needs a run opens it here, so that a config, a run's folder and overrides mean the same everywhere. */
#include "cli/session.h"

#include "base/file.h"
#include "cli/data_sets.h"
#include "cli/last_words.h"
#include "cli/place.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int exit_code(status st)
{
    switch (st) {
    case OK: return EXIT_DONE;
    case E_PARSE:
    case E_TYPE:
    case E_RANGE:
    case E_UNKNOWN:
    case E_MISSING:
    case E_CONFLICT:
    case E_SHAPE:
    case E_USAGE:
    case E_UNSUPPORTED:
    case E_PLUGIN:
    case E_ABI: return EXIT_BAD_USAGE;
    case E_INTERRUPTED: return EXIT_AGAIN;
    default: return EXIT_FAILED;
    }
}

/* What to do about a file of a public data set that is not there; the message ends in its path. */
static void advise_fetch(const cli *c, const error *err)
{
    size_t n = 0;
    char absent[128];
    snprintf(absent, sizeof absent, ": %s: ", strerror(ENOENT));
    const char *path = strstr(err->text, absent);
    if (!path) return;
    path += strlen(absent);
    const data_set *set = data_set_of_path(path, &n);
    if (!set) return;
    terminal_printf(
        &c->err, "assay: to get it: assay data fetch %s --to '%.*s'\n", set->name, (int)n, path);
}

int cli_error(const cli *c, const error *err)
{
    terminal_printf(&c->err, "assay: %serror:%s ", terminal_style(&c->err, STYLE_RED),
        terminal_style(&c->err, STYLE_PLAIN));
    terminal_printf(&c->err, "%s\n", err->text);
    advise_fetch(c, err);
    return exit_code(err->code);
}

static void put_line(const terminal *t, const char *before, const char *format, va_list args)
{
    char line[2048];
    vsnprintf(line, sizeof line, format, args);
    terminal_printf(t, "%s%s\n", before, line);
}

void cli_say(const cli *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!c->quiet) put_line(&c->err, "", format, args);
    va_end(args);
}

void cli_warn(const cli *c, const char *format, ...)
{
    char before[64];
    va_list args;
    snprintf(before, sizeof before, "assay: %swarning:%s ", terminal_style(&c->err, STYLE_YELLOW),
        terminal_style(&c->err, STYLE_PLAIN));
    va_start(args, format);
    put_line(&c->err, before, format, args);
    va_end(args);
}

int cli_put(const cli *c, text *t)
{
    error err;
    if (text_check(t, &err) != OK) {
        text_release(t);
        return cli_error(c, &err);
    }
    if (t->n) terminal_write(&c->out, t->s);
    text_release(t);
    if (fflush(c->out.file) != 0 || ferror(c->out.file)) {
        (void)fail(&err, E_IO, "standard output cannot be written");
        return cli_error(c, &err);
    }
    return EXIT_DONE;
}

static bool has_warned(const session *s, const char *message)
{
    for (size_t i = 0; s && i < s->warnings.n; i += strlen(s->warnings.s + i) + 1) {
        if (strcmp(s->warnings.s + i, message) == 0) return true;
    }
    return false;
}

static void log_registry(void *self, unsigned level, const char *message)
{
    session *s = self;
    if (level >= ASSAY_LOG_WARNING) {
        if (has_warned(s->beside, message)) return;
        if (!has_warned(s, message)) {
            text_add_bytes(&s->warnings, message, strlen(message) + 1);
        }
        cli_warn(s->cli, "%s", message);
    } else if (s->cli->verbose) {
        cli_say(s->cli, "%s", message);
    }
}

status session_open_registry(session *s, const cli *c, error *err)
{
    cli *borrowed = arena_alloc(&s->memory, sizeof *borrowed);
    if (!borrowed) {
        return fail_nomem(err, "the session");
    }
    *borrowed = *c;
    s->cli = borrowed;
    const registry_options o = {
        .program_path = "/proc/self/exe", .log = log_registry, .log_self = s
    };
    return registry_new(&o, &s->registry, err);
}

/* A run's folder stands for the config in it. */
static status config_path(session *s, const char *path, const char **out, error *err)
{
    *out = path;
    if (!file_is_dir(path)) {
        return OK;
    }
    s->folder = path;
    *out = path_join(&s->memory, path, "config.cfg");
    if (!*out) {
        return fail_nomem(err, "a path");
    }
    return file_exists(*out)
        ? OK
        : fail(err, E_MISSING, "%s: not the folder of a run: there is no config.cfg in it", path);
}

static status fail_absent(session *s, const char *path, error *err)
{
    const char *example = path[0] != '/' ? place_of_example(&s->memory, path_base(path)) : NULL;
    return fail(err, E_USAGE, "%s: no such config file or run folder%s%s", path,
        example ? "; there is an example " : "", example ? example : "");
}

status session_open(session *s, const cli *c, const char *path, char *const *overrides,
    size_t n_overrides, error *err)
{
    const char *file;
    status st = session_open_registry(s, c, err);
    if (st != OK) {
        return st;
    }
    last_words_prepare(c, s->registry);
    TRY(config_path(s, path, &file, err));
    if (!file_exists(file)) {
        TRY(fail_absent(s, path, err));
    }
    TRY(config_load(file, &s->config, err));
    for (size_t i = 0; i < n_overrides; i++) {
        if (!strchr(overrides[i], '=') && overrides[i][0] != '~') {
            TRY(fail(err, E_USAGE,
                "\"%s\" is no override: expected KEY=VALUE, +KEY=VALUE or ~KEY, as in "
                "optimizer.lr=0.1",
                overrides[i]));
        }
        TRY(config_override(s->config, overrides[i], err));
    }
done:
    return st;
}

status session_set(session *s, const char *path, const char *written, error *err)
{
    value *root = config_root(s->config);
    const char *dot = strchr(path, '.');
    if (dot) {
        const char *group = arena_strndup(&s->memory, path, (size_t)(dot - path));
        if (group && !value_find(root, group)) {
            value *v = value_add(s->config, root, arena_strdup(config_arena(s->config), group));
            if (!v) {
                return fail_nomem(err, path);
            }
            v->kind = VALUE_GROUP;
        }
    }
    const char *assignment = arena_printf(&s->memory, "%s=%s", path, written);
    return assignment ? config_override(s->config, assignment, err) : fail_nomem(err, path);
}

status session_train(session *s, const trainer_options *o, error *err)
{
    return trainer_new(s->registry, s->config, o, &s->trainer, err);
}

void session_close(session *s)
{
    trainer_free(s->trainer);
    last_words_forget(s->registry);
    registry_free(s->registry);
    config_free(s->config);
    text_release(&s->warnings);
    arena_release(&s->memory);
}

const char *block_type(const value *block)
{
    block = value_n_items(block) > 0 ? value_item(block, 0) : NULL;
    const value *type = block && block->kind == VALUE_GROUP ? value_find(block, "type") : block;
    return type && type->kind == VALUE_STRING ? type->as.string : "";
}

double tree_real(const session *s, const char *group, const char *key, double otherwise)
{
    double v;
    const value *found = value_find(value_find(config_root(s->config), group), key);
    return found && value_to_real(found, &v, NULL) == OK ? v : otherwise;
}

const char *tree_string(const session *s, const char *key, const char *otherwise)
{
    const char *v;
    const value *found = value_find(config_root(s->config), key);
    return found && value_to_string(found, &v, NULL) == OK ? v : otherwise;
}
