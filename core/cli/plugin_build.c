/* assay plugin build: runs the compiler as a plugin wants it.
 *
 * One command makes the shared object from its sources. Only a folder with both C and C++ needs more: its C files become objects
 * first, since a C++ compiler would take them for C++. */
#include "base/file.h"
#include "cli/place.h"
#include "cli/session.h"
#include "cli/shell_word.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char *const common_flags[] = { "-fno-math-errno", "-fno-trapping-math",
    "-ffp-contract=off", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra",
    "-Werror=return-type" };
/* What C lets pass and nobody means: it ends in a crash later on. In C++ it is an error in any case. */
static const char *const c_flags[] = { "-Werror=implicit-function-declaration",
    "-Werror=int-conversion" };
static const char *const link_flags[] = { "-shared", "-Wl,-z,defs", "-Wl,-Bsymbolic-functions" };

enum { MOST_SOURCES = 256, MOST_FLAGS = 256, MOST_WORDS = MOST_SOURCES + MOST_FLAGS + 64 };

/* A command line for another program. */
typedef struct command_words {
    const char *word[MOST_WORDS + 1]; /* NULL at the end */
    size_t n;
} command_words;

typedef struct building {
    const cli *cli;
    const char *source[MOST_SOURCES]; // [n]
    size_t n, n_cpp;
    const char *out;
    const char *include;
    bool is_debug;
    char *const *flag; /* [n_flags] of the user */
    size_t n_flags;
    char *objects; /* a temporary folder of objects; NULL: there is none */
    arena memory;
} building;

/* -- sources -- */

static bool ends_in(const char *name, const char *end)
{
    const size_t n = strlen(name), k = strlen(end);
    return n > k && strcmp(name + n - k, end) == 0;
}

static bool is_c(const char *name)
{
    return ends_in(name, ".c");
}

static bool is_cpp(const char *name)
{
    return ends_in(name, ".cpp") || ends_in(name, ".cc") || ends_in(name, ".cxx");
}

static int is_source(const struct dirent *d)
{
    return d->d_name[0] != '.' && (is_c(d->d_name) || is_cpp(d->d_name));
}

static status add_source(building *b, const char *path, error *err)
{
    if (!path) return fail_nomem(err, "a path");
    if (b->n == MOST_SOURCES) {
        return fail(err, E_USAGE, "plugin build: more than %d sources", (int)MOST_SOURCES);
    }
    b->source[b->n++] = path;
    b->n_cpp += is_cpp(path);
    return OK;
}

/* All sources of a folder, by name. */
static status add_folder(building *b, const char *folder, error *err)
{
    struct dirent **names = NULL;
    const int n = scandir(folder, &names, is_source, alphasort);
    status st = n < 0 ? fail_errno(err, errno, folder, "cannot list its files") : OK;
    for (int i = 0; i < n; i++) {
        if (st == OK) st = add_source(b, path_join(&b->memory, folder, names[i]->d_name), err);
        free(names[i]);
    }
    free(names);
    if (st == OK && b->n == 0) {
        return fail(err, E_USAGE,
            "plugin build: there is no source (.c, .cpp, .cc, .cxx) in the folder %s", folder);
    }
    return st;
}

/* x.so beside x.c, or in a folder x. */
static status name_output(building *b, const char *word, bool is_folder, error *err)
{
    if (is_folder) {
        const char *whole = path_absolute(&b->memory, word);
        if (!whole) return fail_nomem(err, "a path");
        const char *name = arena_printf(&b->memory, "%s.so", path_base(whole));
        b->out = name ? path_join(&b->memory, word, name) : NULL;
    } else {
        const int n = (int)(strrchr(word, '.') - word);
        b->out = arena_printf(&b->memory, "%.*s.so", n, word);
    }
    return b->out ? OK : fail_nomem(err, "a path");
}

static status find_sources(building *b, const char *word, error *err)
{
    const bool is_folder = file_is_dir(word);
    if (!is_folder && !file_exists(word)) {
        return fail(err, E_USAGE, "plugin build: %s: no such file or folder", word);
    }
    if (!is_folder && !is_c(word) && !is_cpp(word)) {
        return fail(err, E_USAGE,
            "plugin build: %s: expected a source (.c, .cpp, .cc, .cxx) or a folder of them", word);
    }
    const status st = is_folder ? add_folder(b, word, err) : add_source(b, word, err);
    if (st != OK) return st;
    if (!b->out) return name_output(b, word, is_folder, err);
    return ends_in(b->out, ".so")
        ? OK
        : fail(err, E_USAGE,
              "plugin build: --output %s: expected a name that ends in .so, which is what assay "
              "looks for",
              b->out);
}

static status find_headers(building *b, error *err)
{
    const char *header;
    status st = OK;
    TRY(place_find(&b->memory, "sdk/include/assay/plugin.h", ASSAY_INCLUDE_FOLDER "/assay/plugin.h",
        &header, err));
    if (!header) {
        TRY(fail(err, E_IO,
            "plugin build: this assay has no headers beside it: install the package assay-dev, or "
            "all of assay with cmake --install"));
    }
    header = path_dir(&b->memory, header);
    b->include = header ? path_dir(&b->memory, header) : NULL;
    if (!b->include) TRY(fail_nomem(err, "a path"));
done:
    return st;
}

/* -- the command line -- */

static void add(command_words *w, const char *word)
{
    if (w->n < MOST_WORDS) w->word[w->n++] = word; /* the arrays' sizes are checked before */
}

static void add_all(command_words *w, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        add(w, words[i]);
    }
}

/* CC or CXX may be several words ("ccache gcc"), as make takes them. */
static status add_compiler(building *b, bool cpp, command_words *w, error *err)
{
    const char *named = getenv(cpp ? "CXX" : "CC");
    const char *at = named && named[strspn(named, " ")] ? named : cpp ? "c++" : "cc";
    for (size_t n; *(at += strspn(at, " ")) && w->n < 32; at += n) {
        n = strcspn(at, " ");
        const char *word = arena_strndup(&b->memory, at, n);
        if (!word) return fail_nomem(err, "a command");
        add(w, word);
    }
    return OK;
}

static status add_flags(building *b, bool cpp, command_words *w, error *err)
{
    const char *include = arena_printf(&b->memory, "-I%s", b->include);
    if (!include) return fail_nomem(err, "a command");
    add(w, cpp ? "-std=c++17" : "-std=c11");
    add(w, b->is_debug ? "-O0" : "-O3");
    if (b->is_debug) add(w, "-g");
    add_all(w, common_flags, sizeof common_flags / sizeof common_flags[0]);
    if (!cpp) add_all(w, c_flags, sizeof c_flags / sizeof c_flags[0]);
    add(w, include);
    return OK;
}

/* As a shell would take it back. */
static void say_command(const building *b, const command_words *w)
{
    text t = { 0 };
    for (size_t i = 0; i < w->n; i++) {
        text_add(&t, i ? " " : "");
        shell_word_add(&t, w->word[i]);
    }
    text_add(&t, "\n");
    if (!t.failed) terminal_write(&b->cli->err, t.s);
    text_release(&t);
}

/* -- running it -- */

static status no_compiler(const command_words *w, bool cpp, int why, error *err)
{
    const char *variable = cpp ? "CXX" : "CC";
    if (why != ENOENT) {
        return fail(err, E_IO, "plugin build: %s: cannot run: %s", w->word[0], strerror(why));
    }
    return getenv(variable)
        ? fail(err, E_IO, "plugin build: %s names \"%s\", which is not there: correct or unset it",
              variable, w->word[0])
        : fail(err, E_IO,
              "plugin build: there is no %s compiler: install one (Debian: %s), or name it by %s",
              cpp ? "C++" : "C", cpp ? "g++" : "gcc", variable);
}

/* Runs a compiler to its end; what it says goes where assay's own remarks go. */
static status run_compiler(const building *b, command_words *w, bool cpp, error *err)
{
    posix_spawn_file_actions_t io;
    pid_t child;
    int how = 0;
    w->word[w->n] = NULL;
    if (b->cli->verbose) say_command(b, w);
    int why = posix_spawn_file_actions_init(&io);
    if (why) return fail_nomem(err, "a process");
    why = posix_spawn_file_actions_addopen(&io, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!why) why = posix_spawn_file_actions_adddup2(&io, STDERR_FILENO, STDOUT_FILENO);
    if (!why) {
        why = posix_spawnp(&child, w->word[0], &io, NULL, (char *const *)w->word, environ);
    }
    posix_spawn_file_actions_destroy(&io);
    if (why) return no_compiler(w, cpp, why, err);
    while (waitpid(child, &how, 0) < 0) {
        if (errno != EINTR) return fail_errno(err, errno, w->word[0], "cannot wait for it");
    }
    if (WIFSIGNALED(how)) {
        return fail(
            err, E_IO, "plugin build: %s was ended by signal %d", w->word[0], WTERMSIG(how));
    }
    return WEXITSTATUS(how) == 0
        ? OK
        : fail(err, E_IO, "plugin build: %s did not build %s: its reasons stand above", w->word[0],
              b->out);
}

/* C beside C++: each C file becomes an object, which takes its place. */
static status compile_objects(building *b, error *err)
{
    status st = OK;
    const char *base = getenv("TMPDIR");
    base = base && base[0] ? base : "/tmp";
    char *folder = arena_printf(&b->memory, "%s/assay-plugin-build-XXXXXX", base);
    if (!folder) return fail_nomem(err, "a path");
    if (!mkdtemp(folder)) return fail_errno(err, errno, base, "cannot make a folder");
    b->objects = folder;
    for (size_t i = 0; i < b->n; i++) {
        command_words w = { .n = 0 };
        if (is_cpp(b->source[i])) continue;
        const char *object = arena_printf(&b->memory, "%s/%zu.o", b->objects, i);
        if (!object) TRY(fail_nomem(err, "a path"));
        TRY(add_compiler(b, false, &w, err));
        TRY(add_flags(b, false, &w, err));
        add_all(&w, (const char *const *)b->flag, b->n_flags);
        add(&w, "-c");
        add(&w, b->source[i]);
        add(&w, "-o");
        add(&w, object);
        TRY(run_compiler(b, &w, false, err));
        b->source[i] = object;
    }
done:
    return st;
}

static void remove_objects(building *b)
{
    if (!b->objects) return;
    for (size_t i = 0; i < b->n; i++) {
        if (ends_in(b->source[i], ".o")) unlink(b->source[i]);
    }
    rmdir(b->objects);
}

static status build(building *b, error *err)
{
    const bool cpp = b->n_cpp > 0;
    command_words w = { .n = 0 };
    status st = OK;
    if (cpp && b->n_cpp < b->n) TRY(compile_objects(b, err));
    TRY(add_compiler(b, cpp, &w, err));
    TRY(add_flags(b, cpp, &w, err));
    add_all(&w, link_flags, sizeof link_flags / sizeof link_flags[0]);
    add_all(&w, b->source, b->n);
    add_all(&w, (const char *const *)b->flag, b->n_flags);
    add(&w, "-o");
    add(&w, b->out);
    add(&w, "-lm");
    TRY(run_compiler(b, &w, cpp, err));
done:
    remove_objects(b);
    return st;
}

static int run_build(cli *c, const arguments *a)
{
    error err;
    text t = { 0 };
    building b = { .cli = c,
        .out = option_get(a, "output"),
        .is_debug = option_has(a, "debug"),
        .flag = a->flag,
        .n_flags = a->n_flags };
    status st = OK;
    if (b.n_flags > MOST_FLAGS) {
        TRY(fail(&err, E_USAGE, "plugin build: more than %d flags", (int)MOST_FLAGS));
    }
    TRY(find_sources(&b, a->n > 0 ? a->word[0] : ".", &err));
    TRY(find_headers(&b, &err));
    TRY(build(&b, &err));
    text_printf(&t, "%s\n", b.out);
done:;
    const int code = st == OK ? cli_put(c, &t) : cli_error(c, &err);
    arena_release(&b.memory);
    return code;
}

static const option_row options[] = {
    { "output", 'o', "FILE.so", NULL, COMPLETE_FILE,
        "what is made (default: NAME.so beside NAME.c, or in the folder NAME)" },
    { "debug", 'g', NULL, NULL, COMPLETE_NOTHING, "for a debugger: -O0 -g in place of -O3" },
};

const command command_plugin_build = { .name = "plugin build",
    .arguments = "[FILE|FOLDER] [-- FLAG...]",
    .summary = "compile a plugin with the flags that it wants",
    .doc =
        "Compiles a C or C++ source, or all those of a folder (by default the one here), into a "
        "plugin: a shared object that exports its entry and nothing else. Its path is printed. The "
        "compiler is that of CC or CXX in the environment, else cc or c++; with -v the command is "
        "shown. What stands behind -- is handed to it, too.\n\n"
        "A draft of the ABI accepts only plugins that were built from the headers of the assay "
        "that loads them: this command uses those.",
    .examples = "assay plugin build mine.c\nassay plugin build mine -o /tmp/mine.so -- "
                "-march=native",
    COMMAND_OPTIONS(options),
    .most = 1,
    .completes = COMPLETE_FILE,
    .takes_flags = true,
    .run = run_build };
