/* assay doctor: whether this machine and installation are as they should be, and what to do where they are not. */
#include "base/json.h"
#include "cli/session.h"
#include "num/float_mode.h"
#include "num/gemm.h"
#include "num/team.h"
#ifdef ASSAY_HAS_STUDIES
#include "sandbox/sandbox.h"
#endif

#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { MAX_FINDINGS = 32 };

typedef struct finding {
    const char *name;
    char text[700];
    const char *todo; /* NULL: all is well */
} finding;

typedef struct checkup {
    finding item[MAX_FINDINGS];
    size_t n, n_warnings;
} checkup;

static void note(checkup *c, const char *name, const char *todo, const char *format, ...)
    PRINTF_LIKE(4, 5);

static void note(checkup *c, const char *name, const char *todo, const char *format, ...)
{
    va_list args;
    finding *f = &c->item[c->n < MAX_FINDINGS ? c->n++ : MAX_FINDINGS - 1];
    f->name = name;
    f->todo = todo;
    va_start(args, format);
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
    c->n_warnings += todo != NULL;
}

/* "model name" of /proc/cpuinfo, where there is one. */
static void cpu_name(char out[128])
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(out, 128, "unknown");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (colon && strncmp(line, "model name", 10) == 0) {
            snprintf(out, 128, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    if (f) fclose(f);
}

static void check_machine(checkup *c)
{
    char cpu[128], memory[32];
    struct utsname system;
    cpu_name(cpu);
    note(c, "version", NULL, "assay %s, plugin ABI %d.%d", ASSAY_VERSION, ASSAY_ABI_MAJOR,
        ASSAY_ABI_MINOR);
    if (uname(&system) == 0) {
        note(c, "system", NULL, "%s %s, %s", system.sysname, system.release, system.machine);
    }
    note(c, "cpu", NULL, "%s; %zu of %ld cores may be used", cpu, team_cores(),
        sysconf(_SC_NPROCESSORS_ONLN));
    const double bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    text_bytes(memory, bytes);
    note(c, "memory", NULL, "%s", memory);
}

static void check_numbers(checkup *c)
{
    const bool concurrent = num_blas_is_concurrent();
    note(c, "blas",
        concurrent ? NULL
                   : "install the pthread build (Debian: libopenblas0-pthread): with this one a "
                     "run uses one "
                     "thread",
        "%s; concurrent calls are %s", num_blas_description(), concurrent ? "safe" : "not safe");
    note(c, "floats",
        float_control_get() & FLOAT_CONTROL_FLUSH
            ? "something has changed the mode before assay began"
            : NULL,
        "denormals are %s at the start; train.flush_denormals decides in a run",
        float_control_get() & FLOAT_CONTROL_FLUSH ? "flushed" : "kept");
}

/* Ids that two files have, of which neither goes before the other. */
static void check_ambiguous(checkup *c, const registry *r)
{
    const plugin_file *one = NULL, *other = NULL;
    const component_info *which = NULL;
    size_t n = 0;
    for (size_t i = 0; i < registry_count(r); i++) {
        const plugin_file *f = registry_file(r, i);
        for (size_t k = 0; k < f->n_components; k++) {
            const component_info *info = &f->components[k];
            const plugin_file *rival = registry_rival(r, f, info->kind, info->id);
            if (!rival) continue;
            n++;
            one = f;
            other = rival;
            which = info;
        }
    }
    if (n > 0) {
        note(c, "ambiguous",
            "remove one of the files, or write plugin:id in a config; assay plugin list --all "
            "names them all",
            "%s %s is both in %s and in %s", which->kind, which->id, one->path, other->path);
    }
}

static void check_plugins(checkup *c, const registry *r)
{
    size_t n_components = 0, n_refused = 0;
    const plugin_file *refused = NULL;
    const char *path = getenv("ASSAY_PLUGIN_PATH");
    for (size_t i = 0; i < registry_count(r); i++) {
        const plugin_file *f = registry_file(r, i);
        if (f->refused) {
            n_refused++;
            refused = f;
        } else {
            n_components += f->n_components;
        }
    }
    note(c, "search", NULL,
        "ASSAY_PLUGIN_PATH=%s, the user's folder, beside the program, the system's folder",
        path ? path : "(not set)");
    note(c, "plugins",
        n_components
            ? NULL
            : "build the target `plugins`, install assay, or set ASSAY_PLUGIN_PATH to a folder of "
              "plugins",
        "%zu components in %zu files", n_components, registry_count(r) - n_refused);
    if (n_refused) {
        note(c, "refused", "assay plugin list --all names them all and why",
            "%zu %s, such as %s: %s", n_refused, n_refused == 1 ? "file" : "files", refused->path,
            refused->refused);
    }
    check_ambiguous(c, r);
}

static void check_surroundings(checkup *c, const cli *who)
{
    const char *point = nl_langinfo(RADIXCHAR);
    note(c, "locale",
        strcmp(point, ".") == 0 ? NULL : "numbers are written with another sign than the point",
        "characters %s, decimal sign \"%s\"", nl_langinfo(CODESET), point);
    note(c, "terminal", NULL, "%s, %zu columns, colour %s",
        who->err.is_tty ? "standard error is one" : "standard error is none",
        terminal_width(&who->err), who->err.color ? "on" : "off");
    note(c, "folder",
        access(".", W_OK) == 0 ? NULL : "runs cannot be written here: use train --runs DIR",
        "the working folder is %s", access(".", W_OK) == 0 ? "writable" : "not writable");
}

#ifdef ASSAY_HAS_STUDIES
/* Tried, not asked: what a strict worker must not be able to do is done in one. */
static void check_probes(checkup *c, sandbox *s)
{
    error err;
    sandbox_probe probes[N_PROBES];
    if (sandbox_run_probes(s, probes, &err) != OK) {
        note(c, "probes", "the sandbox cannot be tried here", "%s", err.text);
        return;
    }
    for (size_t i = 0; i < N_PROBES; i++) {
        note(c, "probe",
            probes[i].is_denied ? NULL : "do not run plugins that you do not trust on this machine",
            "to %s: %s%s%s", probes[i].what, probes[i].is_denied ? "denied (" : "POSSIBLE (",
            probes[i].text, ")");
    }
}

static void check_sandbox(checkup *c)
{
    error err;
    sandbox *s;
    const sandbox_options o = { .program = NULL };
    if (sandbox_open(&o, &s, &err) != OK) {
        note(c, "sandbox", "studies cannot be run", "%s", err.text);
        return;
    }
    const sandbox_state *state = sandbox_get_state(s);
    if (state->is_instrumented) {
        note(c, "sandbox", NULL, "an instrumented build: strict is reported as process");
    } else if (state->lacking[0]) {
        note(c, "sandbox", "studies of trusted plugins can set sandbox.level = \"process\"",
            "strict is not possible: %s", state->lacking);
    } else {
        note(c, "sandbox", NULL, "strict is possible: seccomp, Landlock ABI %d%s",
            state->landlock_abi, state->is_root ? ", workers run as nobody" : "");
        check_probes(c, s);
    }
    sandbox_close(s);
}
#endif

static void as_text(const checkup *c, const terminal *s, text *t)
{
    for (size_t i = 0; i < c->n; i++) {
        const finding *f = &c->item[i];
        text_printf(t, "  %s%-4s%s  %-9s  %s\n",
            terminal_style(s, f->todo ? STYLE_YELLOW : STYLE_GREEN), f->todo ? "warn" : "ok",
            terminal_style(s, STYLE_PLAIN), f->name, f->text);
        if (f->todo) text_printf(t, "        %-9s  %s\n", "", f->todo);
    }
}

static void as_json(const checkup *c, text *t)
{
    json j;
    json_init(&j, t);
    json_begin_object(&j);
    json_key_int(&j, "schema", 1);
    json_key_int(&j, "warnings", (int64_t)c->n_warnings);
    json_key(&j, "findings");
    json_begin_array(&j);
    for (size_t i = 0; i < c->n; i++) {
        json_begin_object(&j);
        json_key_string(&j, "name", c->item[i].name);
        json_key_bool(&j, "ok", !c->item[i].todo);
        json_key_string(&j, "text", c->item[i].text);
        json_key_string(&j, "what_to_do", c->item[i].todo);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    text_add(t, "\n");
}

static int run_doctor(cli *c, const arguments *a)
{
    error err;
    text t = { 0 };
    session s = { 0 };
    checkup all = { .n = 0 };
    int code;
    check_machine(&all);
    check_numbers(&all);
    if (session_open_registry(&s, c, &err) == OK) {
        check_plugins(&all, s.registry);
    } else {
        note(&all, "plugins", "no plugins can be looked for", "%s", err.text);
    }
    check_surroundings(&all, c);
#ifdef ASSAY_HAS_STUDIES
    check_sandbox(&all);
#endif
    if (option_has(a, "json")) {
        as_json(&all, &t);
    } else {
        as_text(&all, &c->out, &t);
    }
    code = cli_put(c, &t);
    session_close(&s);
    return code;
}

static const option_row options[] = {
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "print JSON" },
};

const command command_doctor = { .name = "doctor",
    .arguments = "",
    .summary = "check this machine and installation",
    .doc = "Says what assay finds here: version, processor, OpenBLAS and whether its calls may run "
           "side by "
           "side, memory, plugins, locale; and what to do where something is not as it should be.",
    COMMAND_OPTIONS(options),
    .run = run_doctor };
