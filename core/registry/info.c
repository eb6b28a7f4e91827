/* Reads the text of .assay_info: what a plugin says of itself without running.
 *
 * The section is a row of records, each a text with a NUL, zeros between them. A record is lines:
 * its type
 * ("assay.plugin", "assay.component"), then "key=value". Unknown keys and unknown "assay." records
 * are left alone: a later header may write them. */
#include "registry/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 20 };

bool is_id(const char *s)
{
    if (!s || !*s) return false;
    return s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

/* The value of a key in a record, copied; NULL when there is no such line or memory is out
 * (*is_out). */
static const char *record_value_of(const char *record, const char *key, arena *a, bool *is_out)
{
    const size_t n_key = strlen(key);
    for (const char *line = strchr(record, '\n'); line && line[1]; line = strchr(line, '\n')) {
        line++;
        if (strncmp(line, key, n_key) != 0 || line[n_key] != '=') continue;
        const char *start = line + n_key + 1;
        char *copy = arena_strndup(a, start, strcspn(start, "\n"));
        if (!copy) *is_out = true;
        return copy;
    }
    return NULL;
}

static status need(
    const char *record, const char *what, const char *key, arena *a, const char **out, error *why)
{
    bool is_out = false;
    *out = record_value_of(record, key, a, &is_out);
    if (*out) return OK;
    if (is_out) return fail_nomem(why, "plugin information");
    return fail(
        why, E_PLUGIN, "its .assay_info is malformed: the %s record has no \"%s\"", what, key);
}

/* A number that begins at s and ends where `end` says; negative when there is none. */
static int small_number(const char *s, const char **end)
{
    long v = 0;
    const char *p = s;
    while (*p >= '0' && *p <= '9' && v < 100000)
        v = v * 10 + (*p++ - '0');
    *end = p;
    return p == s ? -1 : (int)v;
}

static status parse_plugin(const char *record, arena *a, plugin_file *f, error *why)
{
    const char *abi, *target, *draft, *end = "";
    status st = OK;
    TRY(need(record, "plugin", "name", a, &f->name, why));
    TRY(need(record, "plugin", "version", a, &f->version, why));
    TRY(need(record, "plugin", "abi", a, &abi, why));
    TRY(need(record, "plugin", "target", a, &target, why));
    TRY(need(record, "plugin", "draft", a, &draft, why));
    f->abi_major = small_number(abi, &end);
    f->abi_minor = *end == '.' ? small_number(end + 1, &end) : -1;
    if (f->abi_major < 0 || f->abi_minor < 0 || *end) {
        return fail(why, E_PLUGIN, "its .assay_info is malformed: abi is \"%s\", not \"0.0\"", abi);
    }
    f->target_minor = small_number(target, &end);
    if (f->target_minor < 0 || *end) {
        return fail(
            why, E_PLUGIN, "its .assay_info is malformed: target is \"%s\", not a number", target);
    }
    char *draft_end;
    errno = 0;
    f->draft_hash = strtoull(draft, &draft_end, 0);
    if (errno || draft_end == draft || (*draft_end && strcmp(draft_end, "ULL") != 0)) {
        return fail(
            why, E_PLUGIN, "its .assay_info is malformed: draft is \"%s\", not a number", draft);
    }
done:
    return st;
}

static status parse_component(const char *record, arena *a, component_info *c, error *why)
{
    status st = OK;
    TRY(need(record, "component", "kind", a, &c->kind, why));
    TRY(need(record, "component", "id", a, &c->id, why));
    TRY(need(record, "component", "version", a, &c->version, why));
    TRY(need(record, "component", "doc", a, &c->doc, why));
    if (!is_id(c->id)) {
        return fail(why, E_PLUGIN,
            "component id \"%s\" is not lower-case letters, digits and underscores", c->id);
    }
    if (!kind_find(c->kind)) {
        c->refused = arena_printf(a, "\"%s\" is no kind that this assay knows", c->kind);
        if (!c->refused) return fail_nomem(why, "plugin information");
    }
done:
    return st;
}

/* Walks the records; `visit` gets each as a text. */
typedef status record_visit(void *self, const char *record, error *why);

static status each_record(const elf_section *s, record_visit *visit, void *self, error *why)
{
    if (s->n > MOST_BYTES) {
        return fail(why, E_PLUGIN, "its .assay_info is too long: %zu bytes", s->n);
    }
    status st = OK;
    for (size_t i = 0; st == OK && i < s->n;) {
        if (s->data[i] == '\0') {
            i++;
            continue;
        }
        const char *end = memchr(s->data + i, '\0', s->n - i);
        if (!end) return fail(why, E_PLUGIN, "its .assay_info is malformed: a record has no end");
        st = visit(self, s->data + i, why);
        i = (size_t)(end - s->data);
    }
    return st;
}

static bool begins(const char *s, const char *start)
{
    return strncmp(s, start, strlen(start)) == 0;
}

typedef struct counts {
    size_t n_plugins, n_components;
} counts;

static status count_record(void *self, const char *record, error *why)
{
    counts *n = self;
    if (!begins(record, "assay.")) {
        return fail(
            why, E_PLUGIN, "its section .assay_info holds something else than assay's records");
    }
    n->n_plugins += begins(record, "assay.plugin\n");
    n->n_components += begins(record, "assay.component\n");
    return OK;
}

typedef struct filler {
    entry *e;
    arena *a;
    size_t n; /* components so far */
} filler;

static status fill_record(void *self, const char *record, error *why)
{
    filler *f = self;
    if (begins(record, "assay.plugin\n")) return parse_plugin(record, f->a, &f->e->file, why);
    if (!begins(record, "assay.component\n")) return OK;
    const status st = parse_component(record, f->a, &f->e->infos[f->n], why);
    if (st == OK) f->e->file.n_components = ++f->n;
    return st;
}

static status check_distinct(const component_info *c, size_t n, error *why)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(c[i].kind, c[k].kind) == 0 && strcmp(c[i].id, c[k].id) == 0) {
                return fail(why, E_CONFLICT, "has two components %s \"%s\"", c[i].kind, c[i].id);
            }
        }
    }
    return OK;
}

status abi_check(int major, int target_minor, unsigned long long draft_hash, error *why)
{
    if (major != ASSAY_ABI_MAJOR) {
        return fail(why, E_ABI,
            "is built for version %d of the plugin ABI, this assay has version %d: rebuild it with "
            "this assay's headers",
            major, ASSAY_ABI_MAJOR);
    }
    if (target_minor > ASSAY_ABI_MINOR) {
        return fail(why, E_ABI,
            "asks for plugin ABI %d.%d, this assay has %d.%d: build it with a lower "
            "ASSAY_TARGET_MINOR or use a newer assay",
            major, target_minor, ASSAY_ABI_MAJOR, ASSAY_ABI_MINOR);
    }
    if (major == 0 && draft_hash != ASSAY_DRAFT_HASH) {
        return fail(why, E_ABI,
            "is built from draft %016llx of the plugin headers, this assay has %016llx: rebuild it "
            "with this assay's headers",
            draft_hash, (unsigned long long)ASSAY_DRAFT_HASH);
    }
    return OK;
}

status info_parse(const elf_section *section, arena *a, entry *e, error *why)
{
    counts n = { 0 };
    status st = each_record(section, count_record, &n, why);
    if (st != OK) return st;
    if (n.n_plugins != 1) {
        return fail(
            why, E_PLUGIN, "its .assay_info has %zu plugin records instead of one", n.n_plugins);
    }
    e->infos = arena_alloc_array(a, n.n_components + 1, sizeof *e->infos);
    if (!e->infos) return fail_nomem(why, "plugin information");
    e->file.components = e->infos;
    filler f = { e, a, 0 };
    TRY(each_record(section, fill_record, &f, why));
    TRY(abi_check(e->file.abi_major, e->file.target_minor, e->file.draft_hash, why));
    TRY(check_distinct(e->infos, e->file.n_components, why));
    if (n.n_components == 0) return fail(why, E_PLUGIN, "has no components");
done:
    return st;
}
