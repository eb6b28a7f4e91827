/* assay plugin list: what there is, without running any plugin's code. */
#include "base/json.h"
#include "cli/session.h"

#include <string.h>
#include <unistd.h>

static const char *const kinds[] = { ASSAY_KIND_OPTIMIZER, ASSAY_KIND_SCHEDULE, ASSAY_KIND_LAYER,
    ASSAY_KIND_LOSS, ASSAY_KIND_METRIC, ASSAY_KIND_DATASET, ASSAY_KIND_SEARCH, ASSAY_KIND_PRUNER };

enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

typedef struct listing {
    const cli *cli;
    const registry *registry;
    const char *kind; /* NULL: all */
    bool all;
    char here[4096];
} listing;

static const char *refusal(const plugin_file *f, const component_info *c)
{
    return f->refused ? f->refused : c ? c->refused : NULL;
}

static bool is_listed(
    const listing *l, const plugin_file *f, const component_info *c, const char *kind)
{
    return strcmp(c->kind, kind) == 0 && (l->all || !refusal(f, c));
}

static const char *shown_path(const listing *l, const char *path)
{
    const size_t n = strlen(l->here);
    return n > 1 && strncmp(path, l->here, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

/* A line cut to the terminal's width. */
static void add_line(const listing *l, const char *line, text *t)
{
    const size_t width = terminal_width(&l->cli->out);
    if (!l->cli->out.is_tty || text_columns(line) <= width) {
        text_printf(t, "%s\n", line);
        return;
    }
    size_t n = 0, columns = 0;
    for (; line[n] && columns < width - 3; n++) {
        if (line[n] == '\033') {
            n += strcspn(line + n, "m");
            continue;
        }
        columns += ((unsigned char)line[n + 1] & 0xc0) != 0x80;
    }
    text_add_bytes(t, line, n);
    text_printf(t, "...%s\n", terminal_style(&l->cli->out, STYLE_PLAIN));
}

static void list_component(
    const listing *l, const plugin_file *f, const component_info *c, size_t width, text *t)
{
    const terminal *s = &l->cli->out;
    const char *why = refusal(f, c);
    text line = { 0 };
    text_printf(&line, "  %s%-*s%s  %-6s  %s", terminal_style(s, why ? STYLE_RED : STYLE_CYAN),
        (int)width, c->id, terminal_style(s, STYLE_PLAIN), c->version, c->doc);
    if (l->cli->verbose || !plugin_file_is_own(f)) {
        text_printf(&line, "  %s%s%s", terminal_style(s, STYLE_DIM), shown_path(l, f->path),
            terminal_style(s, STYLE_PLAIN));
    }
    if (!line.failed) add_line(l, line.s, t);
    text_release(&line);
    if (why) {
        text_printf(t, "      %srefused:%s %s\n", terminal_style(s, STYLE_RED),
            terminal_style(s, STYLE_PLAIN), why);
    }
    const plugin_file *rival = l->all ? registry_rival(l->registry, f, c->kind, c->id) : NULL;
    if (rival) {
        text_printf(t, "      %sambiguous:%s %s has it, too; in a config write \"%s:%s\"\n",
            terminal_style(s, STYLE_YELLOW), terminal_style(s, STYLE_PLAIN),
            shown_path(l, rival->path), f->name, c->id);
    }
}

static void list_kind(const listing *l, const char *kind, text *t)
{
    size_t width = 8, n = 0;
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < registry_count(l->registry); i++) {
            const plugin_file *f = registry_file(l->registry, i);
            for (size_t k = 0; k < f->n_components; k++) {
                const component_info *c = &f->components[k];
                const size_t length = strlen(c->id);
                if (!is_listed(l, f, c, kind)) {
                    continue;
                }
                if (pass == 0) {
                    width = length > width ? length : width;
                } else {
                    if (n++ == 0) {
                        text_printf(t, "%s%s%s%s\n", t->n ? "\n" : "",
                            terminal_style(&l->cli->out, STYLE_BOLD), kind,
                            terminal_style(&l->cli->out, STYLE_PLAIN));
                    }
                    list_component(l, f, c, width, t);
                }
            }
        }
    }
}

/* Files that are refused before their components are known. */
static void list_refused_files(const listing *l, text *t)
{
    for (size_t i = 0; i < registry_count(l->registry); i++) {
        const plugin_file *f = registry_file(l->registry, i);
        if (f->refused && f->n_components == 0) {
            text_printf(t, "%s%s\n      %srefused:%s %s\n", t->n ? "\n" : "",
                shown_path(l, f->path), terminal_style(&l->cli->out, STYLE_RED),
                terminal_style(&l->cli->out, STYLE_PLAIN), f->refused);
        }
    }
}

static void list_json(const listing *l, text *t)
{
    json j;
    json_init(&j, t);
    json_begin_object(&j);
    json_key_int(&j, "schema", 1);
    json_key(&j, "components");
    json_begin_array(&j);
    for (size_t i = 0; i < registry_count(l->registry); i++) {
        const plugin_file *f = registry_file(l->registry, i);
        for (size_t k = 0; k < f->n_components; k++) {
            const component_info *c = &f->components[k];
            if (!is_listed(l, f, c, l->kind ? l->kind : c->kind)) {
                continue;
            }
            json_begin_object(&j);
            json_key_string(&j, "kind", c->kind);
            json_key_string(&j, "id", c->id);
            json_key_string(&j, "version", c->version);
            json_key_string(&j, "doc", c->doc);
            json_key_string(&j, "file", f->path);
            json_key_string(&j, "found_by", f->found_by);
            json_key_string(&j, "refused", refusal(f, c));
            const plugin_file *rival = registry_rival(l->registry, f, c->kind, c->id);
            json_key_string(&j, "ambiguous_with", rival ? rival->path : NULL);
            json_end_object(&j);
        }
    }
    json_end_array(&j);
    if (l->all) {
        json_key(&j, "refused_files");
        json_begin_array(&j);
        for (size_t i = 0; i < registry_count(l->registry); i++) {
            const plugin_file *f = registry_file(l->registry, i);
            if (f->refused && f->n_components == 0) {
                json_begin_object(&j);
                json_key_string(&j, "file", f->path);
                json_key_string(&j, "refused", f->refused);
                json_end_object(&j);
            }
        }
        json_end_array(&j);
    }
    json_end_object(&j);
    text_add(t, "\n");
}

static void list_ids(const listing *l, text *t)
{
    for (size_t i = 0; i < registry_count(l->registry); i++) {
        const plugin_file *f = registry_file(l->registry, i);
        for (size_t k = 0; k < f->n_components; k++) {
            const component_info *c = &f->components[k];
            if (is_listed(l, f, c, l->kind ? l->kind : c->kind)) text_printf(t, "%s\n", c->id);
        }
    }
}

static void list_text(const listing *l, text *t)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        if (!l->kind || strcmp(l->kind, kinds[i]) == 0) list_kind(l, kinds[i], t);
    }
    if (l->all && !l->kind) list_refused_files(l, t);
}

/* What the list does not show. */
static void say_refused(const listing *l)
{
    size_t n = 0;
    for (size_t i = 0; i < registry_count(l->registry); i++) {
        n += registry_file(l->registry, i)->refused != NULL;
    }
    if (n > 0) {
        cli_warn(l->cli, "%zu %s refused: assay plugin list --all tells why", n,
            n == 1 ? "file is" : "files are");
    }
    if (registry_count(l->registry) == n) {
        cli_say(l->cli, "no components found; assay doctor tells where they are looked for");
    }
}

static int run_list(cli *c, const arguments *a)
{
    error err;
    text t = { 0 };
    session s = { 0 };
    int code;
    if (session_open_registry(&s, c, &err) != OK) {
        code = cli_error(c, &err);
    } else {
        listing l = { .cli = c,
            .registry = s.registry,
            .kind = option_get(a, "kind"),
            .all = option_has(a, "all") };
        if (!getcwd(l.here, sizeof l.here)) l.here[0] = '\0';
        if (option_has(a, "json")) {
            list_json(&l, &t);
        } else if (option_has(a, "ids")) {
            list_ids(&l, &t);
        } else {
            list_text(&l, &t);
        }
        if (!l.all) say_refused(&l);
        code = cli_put(c, &t);
    }
    session_close(&s);
    return code;
}

static const option_row options[] = {
    { "kind", 'k', "KIND", "optimizer|schedule|layer|loss|metric|dataset|search|pruner",
        COMPLETE_CHOICES, "of this kind only" },
    { "all", 'a', NULL, NULL, COMPLETE_NOTHING,
        "also what was refused, and why, and ids that are ambiguous" },
    { "ids", 0, NULL, NULL, COMPLETE_NOTHING, "only the ids, one a line" },
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "print JSON" },
};

const command command_plugin_list = { .name = "plugin list",
    .arguments = "",
    .summary = "every component there is, without running its code",
    .doc = "Lists the components of the plugins found in ASSAY_PLUGIN_PATH, the user's folder, "
           "beside the "
           "program and in the system's folder. With -v, the file of each is shown.",
    .examples = "assay plugin list --kind optimizer\nassay plugin list --all",
    COMMAND_OPTIONS(options),
    .run = run_list };
