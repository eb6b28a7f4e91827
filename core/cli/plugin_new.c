/* assay plugin new: a folder that builds, passes the checks and trains as it stands, for its author to change.
 *
 * Its files are templates in which @NAME@ and a few other words are filled in. The folder is a new one, or nothing is written. */
#include "base/file.h"
#include "cli/place.h"
#include "cli/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a template is called, below the folder of templates, and the file that it becomes. */
static const struct {
    const char *from, *to;
} files[] = {
    { "@KIND@/plugin.@EXTENSION@.in", "@NAME@.@EXTENSION@" },
    { "@KIND@/smoke.cfg.in", "@NAME@.cfg" },
    { "common/CMakeLists.txt.in", "CMakeLists.txt" },
    { "common/meson.build.in", "meson.build" },
    { "common/Makefile.in", "Makefile" },
    { "common/README.md.in", "README.md" },
    { "common/check.yml.in", ".github/workflows/check.yml" },
    { "common/gitignore.in", ".gitignore" },
};

enum { N_FILES = sizeof files / sizeof files[0], IN_C = 0, IN_CPP = 1, N_WORDS = 12 };

/* @NAME@ in a template and what it stands for. */
typedef struct filling {
    const char *word, *by;
} filling;

typedef struct making {
    const cli *cli;
    const char *kind, *name;
    int language;
    const char *templates;
    const char *folder; /* the new one */
    filling words[N_WORDS];
    arena memory;
} making;

/* -- names -- */

/* They would be names of structs in the new source. */
static const char *const keywords[] = { "alignas", "alignof", "and", "and_eq", "asm", "auto",
    "bitand", "bitor", "bool", "break", "case", "catch", "char", "class", "compl", "concept",
    "const", "consteval", "constexpr", "constinit", "const_cast", "continue", "co_await",
    "co_return", "co_yield", "decltype", "default", "delete", "do", "double", "dynamic_cast",
    "else", "enum", "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if",
    "inline", "int", "long", "mutable", "namespace", "new", "noexcept", "not", "not_eq", "nullptr",
    "operator", "or", "or_eq", "private", "protected", "public", "register", "reinterpret_cast",
    "requires", "restrict", "return", "short", "signed", "sizeof", "static", "static_assert",
    "static_cast", "struct", "switch", "template", "this", "thread_local", "throw", "true", "try",
    "typedef", "typeid", "typename", "union", "unsigned", "using", "virtual", "void", "volatile",
    "wchar_t", "while", "xor", "xor_eq" };

/* Members of a component's struct in C++, which cannot be called like the struct. */
static const char *const members[] = { "add", "assay", "backward", "elem", "factor", "forward",
    "hyper", "hypers", "loss", "open", "plan", "result", "slots" };

static bool is_one_of(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(name, list[i]) == 0) return true;
    }
    return false;
}

static status check_name(const making *m, error *err)
{
    const char *name = m->name;
    if (!(name[0] >= 'a' && name[0] <= 'z') ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")]) {
        return fail(err, E_USAGE,
            "plugin new: the name \"%s\": expected a letter, then letters, digits and underscores, "
            "all in lower case",
            name);
    }
    if (strlen(name) > 60) {
        return fail(err, E_USAGE, "plugin new: the name has %zu characters: at most 60 will do",
            strlen(name));
    }
    if (is_one_of(name, keywords, sizeof keywords / sizeof keywords[0])) {
        return fail(err, E_USAGE,
            "plugin new: \"%s\" is a word of C or C++ and cannot name a struct: choose another "
            "name",
            name);
    }
    if (m->language == IN_CPP && is_one_of(name, members, sizeof members / sizeof members[0])) {
        return fail(err, E_USAGE,
            "plugin new: in C++ \"%s\" already has a meaning inside of a component: choose another "
            "name",
            name);
    }
    return OK;
}

/* What is tried out by `assay search`, not by training. */
static bool is_of_search(const char *kind)
{
    return strcmp(kind, "search") == 0 || strcmp(kind, "pruner") == 0;
}

/* Strategies and pruners are templates in C alone. */
static status check_language(const making *m, error *err)
{
    if (m->language == IN_C || !is_of_search(m->kind)) return OK;
    return fail(err, E_USAGE,
        "plugin new: there is no template of a %s in C++: take the one in C, without --lang",
        m->kind);
}

static const char *article(const char *kind)
{
    return strcmp(kind, "optimizer") == 0 ? "an" : "a";
}

/* A config that names both could not say which it means. */
static void warn_of_namesake(const making *m)
{
    error err;
    session s = { 0 };
    const bool is_open = session_open_registry(&s, m->cli, &err) == OK;
    for (size_t i = 0; is_open && i < registry_count(s.registry); i++) {
        const plugin_file *f = registry_file(s.registry, i);
        for (size_t k = 0; k < f->n_components; k++) {
            const component_info *c = &f->components[k];
            if (strcmp(c->kind, m->kind) == 0 && strcmp(c->id, m->name) == 0) {
                cli_warn(m->cli,
                    "there is %s %s \"%s\" already, in %s: a config that "
                    "names your file means yours, but in folders of plugins the two exclude each "
                    "other, so another name may be better",
                    article(m->kind), m->kind, m->name, f->path);
            }
        }
    }
    session_close(&s);
}

/* -- templates -- */

static const char *kind_in_words(const char *kind)
{
    return strcmp(kind, "search") == 0 ? "search strategy" : kind;
}

static void set_words(making *m)
{
    static const char *const of_language[][3] = { { "EXTENSION", "c", "cpp" },
        { "LANGUAGE", "C", "CXX" }, { "MESON", "c", "cpp" }, { "COMPILER", "CC", "CXX" },
        { "FLAGS", "CFLAGS", "CXXFLAGS" }, { "STANDARD", "c11", "c++17" } };
    const size_t n = sizeof of_language / sizeof of_language[0];
    m->words[0] = (filling){ "NAME", m->name };
    m->words[1] = (filling){ "KIND", m->kind };
    m->words[2] = (filling){ "A", article(m->kind) };
    for (size_t i = 0; i < n; i++) {
        m->words[3 + i] = (filling){ of_language[i][0], of_language[i][1 + m->language] };
    }
    m->words[3 + n] = (filling){ "RUN", is_of_search(m->kind) ? "search --space" : "train" };
    m->words[4 + n] = (filling){ "DOES",
        is_of_search(m->kind) ? "serves it to another program" : "trains with it, in a second" };
    m->words[5 + n] = (filling){ "WHAT", kind_in_words(m->kind) };
}

/* The filling for the word that begins at `at`, an @; NULL where that is only an @. */
static const filling *word_at(const making *m, const char *at)
{
    for (size_t i = 0; i < N_WORDS; i++) {
        const size_t n = strlen(m->words[i].word);
        if (strncmp(at + 1, m->words[i].word, n) == 0 && at[1 + n] == '@') return &m->words[i];
    }
    return NULL;
}

static void fill_in(const making *m, const char *from, text *t)
{
    while (*from) {
        const size_t n = strcspn(from, "@");
        text_add_bytes(t, from, n);
        from += n;
        if (!*from) return;
        const filling *w = word_at(m, from);
        text_add(t, w ? w->by : "@");
        from += w ? strlen(w->word) + 2 : 1;
    }
}

/* A path below `folder`, filled in. */
static status path_below(
    making *m, const char *folder, const char *pattern, const char **out, error *err)
{
    text t = { 0 };
    fill_in(m, pattern, &t);
    *out = t.failed || !t.s ? NULL : path_join(&m->memory, folder, t.s);
    text_release(&t);
    return *out ? OK : fail_nomem(err, "a path");
}

static status write_one(making *m, size_t i, error *err)
{
    char *source = NULL;
    const char *from, *to, *folder;
    size_t n;
    text t = { 0 };
    status st = OK;
    TRY(path_below(m, m->templates, files[i].from, &from, err));
    TRY(path_below(m, m->folder, files[i].to, &to, err));
    TRY(file_read(from, &source, &n, err));
    fill_in(m, source, &t);
    TRY(text_check(&t, err));
    folder = path_dir(&m->memory, to);
    if (!folder) TRY(fail_nomem(err, "a path"));
    TRY(file_make_dirs(folder, err));
    TRY(file_write_atomic(to, t.s, t.n, err));
done:
    free(source);
    text_release(&t);
    return st;
}

/* Takes back what was written of a folder that cannot be finished. */
static void remove_all(making *m)
{
    static const char *const folders[] = { ".github/workflows", ".github", "." };
    error err;
    const char *path;
    for (size_t i = 0; i < N_FILES; i++) {
        if (path_below(m, m->folder, files[i].to, &path, &err) == OK) unlink(path);
    }
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (path_below(m, m->folder, folders[i], &path, &err) == OK) rmdir(path);
    }
    rmdir(m->folder);
}

static status make_folder(making *m, const char *parent, error *err)
{
    status st = OK;
    TRY(place_find(&m->memory, "sdk/templates", ASSAY_TEMPLATE_FOLDER, &m->templates, err));
    if (!m->templates) {
        TRY(fail(err, E_IO,
            "plugin new: this assay has no templates beside it: install the package assay-dev, or "
            "all of assay with cmake --install"));
    }
    m->folder = parent ? path_join(&m->memory, parent, m->name) : m->name;
    if (!m->folder) TRY(fail_nomem(err, "a path"));
    if (parent) TRY(file_make_dirs(parent, err));
    if (mkdir(m->folder, 0777) != 0) {
        if (errno == EEXIST) {
            TRY(fail(err, E_CONFLICT,
                "plugin new: %s is there already, and nothing in it was touched: choose another "
                "name, or --folder DIR",
                m->folder));
        }
        TRY(fail_errno(err, errno, m->folder, "cannot make the folder"));
    }
    for (size_t i = 0; st == OK && i < N_FILES; i++) {
        st = write_one(m, i, err);
    }
    if (st != OK) remove_all(m);
done:
    return st;
}

/* -- the command -- */

/* The guide for authors; NULL where it is not installed. */
static const char *find_guide(making *m)
{
    error err;
    const char *found = NULL;
    if (place_find(&m->memory, "sdk/README.md",
            ASSAY_TEMPLATE_FOLDER "/../../doc/assay-dev/README.md", &found, &err) != OK)
        return NULL;
    char *real = found ? realpath(found, NULL) : NULL;
    const char *guide = real ? arena_strdup(&m->memory, real) : NULL;
    free(real);
    return guide;
}

static void say_next(making *m, text *t)
{
    const char *program = m->cli->program;
    const char *extension = m->language == IN_CPP ? "cpp" : "c";
    text_printf(t, "%s/%s.%s is %s %s that works, to be changed into yours\nnext:\n", m->folder,
        m->name, extension, article(m->kind), kind_in_words(m->kind));
    text_printf(t, "  %s plugin build %s\n  %s plugin check %s/%s.so\n  %s %s %s/%s.cfg\n", program,
        m->folder, program, m->folder, m->name, program,
        is_of_search(m->kind) ? "search --space" : "train", m->folder, m->name);
    const char *guide = find_guide(m);
    if (guide) text_printf(t, "the guide for authors: %s\n", guide);
}

static int run_new(cli *c, const arguments *a)
{
    error err;
    text t = { 0 };
    const char *language = option_get(a, "lang");
    making m = { .cli = c,
        .kind = a->word[0],
        .name = a->word[1],
        .language = language && strcmp(language, "c++") == 0 ? IN_CPP : IN_C };
    status st = OK;
    set_words(&m);
    TRY(check_name(&m, &err));
    TRY(check_language(&m, &err));
    TRY(make_folder(&m, option_get(a, "folder"), &err));
    warn_of_namesake(&m);
    say_next(&m, &t);
done:;
    const int code = st == OK ? cli_put(c, &t) : cli_error(c, &err);
    arena_release(&m.memory);
    return code;
}

static const option_row options[] = {
    { "lang", 'l', "LANGUAGE", "c|c++", COMPLETE_CHOICES, "what it is written in (default: c)" },
    { "folder", 0, "DIR", NULL, COMPLETE_FOLDER, "make the folder NAME in DIR, not here" },
};

const command command_plugin_new = { .name = "plugin new",
    .arguments = "KIND NAME",
    .summary = "a folder with a component of one's own to begin with",
    .doc = "Makes a folder NAME with a small component of that kind that works, to be changed into "
           "another: its source, a config that trains with it in seconds, build files for assay "
           "plugin "
           "build, make, CMake and Meson, a README and a file for continuous integration. A folder "
           "that is there already is left alone.\n\n"
           "KIND is optimizer, schedule, layer, loss, metric, dataset, search or pruner (the last "
           "two in C). NAME is what `type` names in "
           "a config: lower-case letters, digits, underscores.",
    .examples = "assay plugin new optimizer mine\nassay plugin new layer gate --lang c++ --folder "
                "~/plugins",
    COMMAND_OPTIONS(options),
    .least = 2,
    .most = 2,
    .completes = COMPLETE_CHOICES,
    .choices = "optimizer|schedule|layer|loss|metric|dataset|search|pruner",
    .run = run_new };
