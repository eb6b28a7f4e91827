/* assay data fetch: public data sets from their original addresses, checked, put where configs look for them.
 *
 * What is there and right is left alone; a file is replaced only by a right one. Addresses are tried in order, the mirror of
 * ASSAY_DATA_MIRROR first. Where none answers, everything that is needed to do it by hand is said. */
#include "base/file.h"
#include "cli/data_helper.h"
#include "cli/data_sets.h"
#include "cli/session.h"

#include <stdlib.h>
#include <string.h>

typedef enum presence { ABSENT, OTHER, RIGHT, UNCHECKED } presence;

typedef struct fetching {
    const cli *cli;
    const char *folder;
    const char *mirror; /* ends with a slash; NULL: none */
    const char *helper;
    bool force, is_dry;
    const data_file *failed; /* no address gave it; NULL: none failed so */
    bool is_later; /* ... but one may, later */
    bool is_by_hand; /* what failed can be done by hand */
    arena memory;
    text report;
} fetching;

static const char *place_of(fetching *f, const data_file *file)
{
    const char *path = path_join(&f->memory, f->folder, file->path);
    return path ? path : file->path;
}

/* The i-th address to try; NULL beyond the last. */
static const char *address(fetching *f, const data_file *file, size_t i)
{
    if (f->mirror && i == 0) return arena_printf(&f->memory, "%s%s", f->mirror, file->path);
    i -= f->mirror != NULL;
    return i < DATA_MOST_URLS ? file->urls[i] : NULL;
}

/* -- one run of assay-fetch -- */

enum { MOST_WORDS = 16 };

typedef struct helper_words {
    const char *word[MOST_WORDS];
    size_t n;
    char bytes[24];
} helper_words;

static void add_word(helper_words *w, const char *word)
{
    w->word[w->n++] = word; /* the longest call has 12 */
}

static void add_expectation(helper_words *w, const data_file *file)
{
    if (file->sha256) {
        add_word(w, "--sha256");
        add_word(w, file->sha256);
    }
    if (file->md5) {
        add_word(w, "--md5");
        add_word(w, file->md5);
    }
    if (file->n_bytes) {
        snprintf(w->bytes, sizeof w->bytes, "%ld", file->n_bytes);
        add_word(w, "--bytes");
        add_word(w, w->bytes);
    }
}

static status look(fetching *f, const data_file *file, presence *out, error *err)
{
    helper_words w = { .n = 0 };
    helper_answer answer;
    const char *path = place_of(f, file);
    if (!file_exists(path)) {
        *out = ABSENT;
        return OK;
    }
    if (!file->sha256 && !file->md5) {
        *out = UNCHECKED;
        return OK;
    }
    add_word(&w, f->helper);
    add_word(&w, "--check");
    add_expectation(&w, file);
    add_word(&w, path);
    const status st = helper_run(w.word, &answer, err);
    if (st != OK) return st;
    if (answer.code == FETCH_INTERRUPTED) return fail(err, E_INTERRUPTED, "interrupted");
    if (answer.code == FETCH_NOT_WRITTEN) return fail(err, E_IO, "%s", answer.line);
    *out = answer.code == FETCH_DONE ? RIGHT : OTHER;
    if (*out == OTHER) cli_warn(f->cli, "%s", answer.line);
    return OK;
}

static const char *progress_word(const cli *c)
{
    return c->quiet ? "none" : c->err.moves ? "line" : "end";
}

static status download_from(
    fetching *f, const data_file *file, const char *url, helper_answer *out, error *err)
{
    helper_words w = { .n = 0 };
    add_word(&w, f->helper);
    add_expectation(&w, file);
    add_word(&w, "--progress");
    add_word(&w, progress_word(f->cli));
    add_word(&w, url);
    add_word(&w, place_of(f, file));
    return helper_run(w.word, out, err);
}

/* -- by hand -- */

static void add_by_hand(fetching *f, const data_file *file, text *t)
{
    for (size_t i = 0; i < DATA_MOST_URLS && file->urls[i]; i++) {
        text_printf(t, "  %s  %s\n", i ? "  or" : "from", file->urls[i]);
    }
    text_printf(t, "    to  %s\n", place_of(f, file));
    if (file->sha256) {
        text_printf(t, "  with  sha256 %s\n", file->sha256);
    } else {
        text_add(t, "  with  no checksum: none is known\n");
    }
}

/* What of a set is not there, how to get it, and what then. */
static void say_by_hand(fetching *f, const data_set *s)
{
    text t = { 0 };
    const size_t n = s->source.path ? 1 : data_set_n_files(s);
    for (size_t i = 0; i < n; i++) {
        const data_file *file = s->source.path ? &s->source : &s->files[i];
        if (file == f->failed || !file_exists(place_of(f, file))) add_by_hand(f, file, &t);
    }
    if (t.n) {
        const char *to = strcmp(f->folder, "data") == 0 ? "" : " --to ";
        text_printf(&t, "then run assay data fetch %s%s%s, which %s\n", s->name, to,
            to[0] ? f->folder : "",
            s->source.path ? "checks and converts it" : "checks what is there");
    }
    if (t.s && !t.failed) terminal_write(&f->cli->err, t.s);
    text_release(&t);
}

/* -- one file -- */

/* Which exit code a failed attempt asks for, given what earlier ones asked for. A wrong file weighs more than no network. */
static int worse(int before, fetch_code code)
{
    if (code == FETCH_WRONG || before == EXIT_FAILED) return EXIT_FAILED;
    return code == FETCH_NO_NETWORK || code == FETCH_LATER ? EXIT_AGAIN : before;
}

static status out_of_addresses(
    fetching *f, const data_set *s, const data_file *file, int code, error *err)
{
    f->failed = file;
    f->is_later = code == EXIT_AGAIN;
    f->is_by_hand = code != EXIT_FAILED;
    const char *name = path_base(file->path);
    if (code == EXIT_FAILED) {
        return fail(err, E_CORRUPT,
            "%s: %s: what came is not what was published, so it was not kept", s->name, name);
    }
    if (code == EXIT_AGAIN) {
        return fail(err, E_IO,
            "%s: %s: no address could be reached; try again later, or fetch by hand", s->name,
            name);
    }
    return fail(err, E_IO, "%s: %s: no address has it any more; fetch it by hand from elsewhere",
        s->name, name);
}

static status fetch_file(
    fetching *f, const data_set *s, const data_file *file, char sha256[65], error *err)
{
    helper_answer answer;
    int code = EXIT_DONE;
    const char *url, *folder = path_dir(&f->memory, place_of(f, file));
    status st = OK;
    if (!folder) return fail_nomem(err, "a path");
    TRY(file_make_dirs(folder, err));
    for (size_t i = 0; (url = address(f, file, i)); i++) {
        TRY(download_from(f, file, url, &answer, err));
        if (answer.code == FETCH_DONE) {
            snprintf(sha256, 65, "%.64s", answer.line);
            return OK;
        }
        if (answer.code == FETCH_INTERRUPTED) {
            return fail(err, E_INTERRUPTED,
                "%s: interrupted; no half of a file was kept, the same command goes on with %s",
                s->name, path_base(file->path));
        }
        if (answer.code == FETCH_NOT_WRITTEN) return fail(err, E_IO, "%s", answer.line);
        cli_warn(f->cli, "%s", answer.line);
        code = worse(code, answer.code);
    }
    st = out_of_addresses(f, s, file, code, err);
done:
    return st;
}

static void report_file(fetching *f, const data_file *file, const char *remark)
{
    text_printf(&f->report, "  %s  %s\n", place_of(f, file), remark);
}

/* A file of the set, or its source, is made to be there. */
static status provide(fetching *f, const data_set *s, const data_file *file, error *err)
{
    presence is = ABSENT;
    char sha256[65], remark[160];
    status st = OK;
    if (!f->force) TRY(look(f, file, &is, err));
    if (is == RIGHT) {
        report_file(f, file, "was there already");
    } else if (is == UNCHECKED) {
        report_file(f, file, "was there already; no checksum is known to compare it with");
    } else {
        TRY(fetch_file(f, s, file, sha256, err));
        snprintf(remark, sizeof remark, "fetched%s%s",
            file->sha256 ? "" : "; no checksum is known to compare it with, its sha256 is ",
            file->sha256 ? "" : sha256);
        report_file(f, file, remark);
    }
done:
    return st;
}

/* -- sets that are converted -- */

static status all_are_right(fetching *f, const data_set *s, bool *out, error *err)
{
    *out = true;
    for (size_t i = 0; i < data_set_n_files(s) && *out; i++) {
        presence is;
        const status st = look(f, &s->files[i], &is, err);
        if (st != OK) return st;
        *out = is == RIGHT;
    }
    return OK;
}

static status convert(fetching *f, const data_set *s, error *err)
{
    helper_answer answer;
    bool is_right;
    status st = OK;
    const char *first = place_of(f, &s->files[0]); /* <prefix>.train.txt */
    const char *prefix = arena_strndup(&f->memory, first, strlen(first) - strlen(".train.txt"));
    const char *const words[] = { f->helper, "--pianorolls", place_of(f, &s->source), prefix,
        NULL };
    if (!prefix) return fail_nomem(err, "a path");
    TRY(helper_run(words, &answer, err));
    if (answer.code == FETCH_INTERRUPTED) TRY(fail(err, E_INTERRUPTED, "%s: interrupted", s->name));
    if (answer.code != FETCH_DONE) TRY(fail(err, E_CORRUPT, "%s", answer.line));
    TRY(all_are_right(f, s, &is_right, err));
    if (!is_right) {
        TRY(fail(err, E_CORRUPT, "%s: the text made of %s is not the one that is known", s->name,
            path_base(s->source.path)));
    }
done:
    return st;
}

static status provide_converted(fetching *f, const data_set *s, error *err)
{
    bool is_right = false;
    status st = OK;
    if (!f->force) TRY(all_are_right(f, s, &is_right, err));
    if (!is_right) {
        TRY(provide(f, s, &s->source, err));
        TRY(convert(f, s, err));
    }
    for (size_t i = 0; i < data_set_n_files(s); i++) {
        report_file(f, &s->files[i], is_right ? "was there already" : "converted");
    }
done:
    return st;
}

/* -- a set -- */

static void add_example(fetching *f, const data_set *s)
{
    text *t = &f->report;
    const size_t own = strncmp(s->example, "assay ", 6) == 0 ? strlen("assay") : 0;
    text_printf(t, "  try:    %s", own ? f->cli->program : "");
    for (const char *c = s->example + own; *c; c++) {
        if (*c == '@') {
            text_add(t, f->folder);
        } else {
            text_add_bytes(t, c, 1);
        }
    }
    text_add(t, "\n");
    if (s->format) text_printf(t, "  format: %s\n", s->format);
}

static void plan_file(fetching *f, const data_file *file)
{
    char size[32] = "size not known";
    const char *url;
    if (file->n_bytes) text_bytes(size, (double)file->n_bytes);
    text_printf(&f->report, "  %s  %s%s\n", place_of(f, file), size,
        file_exists(place_of(f, file)) ? ", there already: would be checked" : "");
    for (size_t i = 0; (url = address(f, file, i)); i++) {
        text_printf(&f->report, "    %s %s\n", i ? "or  " : "from", url);
    }
    if (file->sha256) text_printf(&f->report, "    sha256 %s\n", file->sha256);
}

static void plan_set(fetching *f, const data_set *s)
{
    if (s->source.path) plan_file(f, &s->source);
    for (size_t i = 0; i < data_set_n_files(s); i++) {
        if (s->source.path) {
            text_printf(&f->report, "  %s  converted from %s\n", place_of(f, &s->files[i]),
                path_base(s->source.path));
        } else {
            plan_file(f, &s->files[i]);
        }
    }
}

static status fetch_set(fetching *f, const data_set *s, error *err)
{
    status st = OK;
    const size_t before = f->report.n;
    text_printf(&f->report, "%s\n", s->name);
    const size_t after = f->report.n;
    if (f->is_dry) {
        plan_set(f, s);
        return OK;
    }
    if (s->source.path) {
        TRY(provide_converted(f, s, err));
    } else {
        for (size_t i = 0; i < data_set_n_files(s); i++) {
            TRY(provide(f, s, &s->files[i], err));
        }
    }
    add_example(f, s);
done:
    if (st != OK && f->report.n == after && f->report.s) {
        f->report.n = before; /* nothing to tell of it */
        f->report.s[before] = '\0';
    }
    return st;
}

/* -- the command -- */

static status find_all(const arguments *a, error *err)
{
    for (size_t i = 0; i < a->n; i++) {
        if (data_set_find(a->word[i])) continue;
        const char *near = data_set_nearest(a->word[i]);
        return near
            ? fail(err, E_USAGE, "data fetch: unknown data set \"%s\": did you mean \"%s\"?",
                  a->word[i], near)
            : fail(err, E_USAGE,
                  "data fetch: unknown data set \"%s\"; assay data list shows them all",
                  a->word[i]);
    }
    return OK;
}

static status find_mirror(fetching *f, error *err)
{
    const char *mirror = getenv("ASSAY_DATA_MIRROR");
    if (!mirror || !mirror[0]) return OK;
    if (strncmp(mirror, "http://", 7) != 0 && strncmp(mirror, "https://", 8) != 0) {
        return fail(err, E_USAGE,
            "ASSAY_DATA_MIRROR: \"%s\": expected an address that begins with http:// or https://",
            mirror);
    }
    const size_t n = strlen(mirror);
    f->mirror = arena_printf(&f->memory, "%s%s", mirror, mirror[n - 1] == '/' ? "" : "/");
    return f->mirror ? OK : fail_nomem(err, "an address");
}

static int run_fetch(cli *c, const arguments *a)
{
    error err;
    const char *to = option_get(a, "to");
    fetching f = { .cli = c,
        .folder = to ? to : "data",
        .force = option_has(a, "force"),
        .is_dry = option_has(a, "dry-run") };
    const data_set *now = data_set_find(a->word[0]);
    status st = OK;
    TRY(find_all(a, &err));
    TRY(find_mirror(&f, &err));
    if (!f.is_dry) {
        f.is_by_hand = true;
        TRY(helper_find(&f.memory, &f.helper, &err));
        f.is_by_hand = false;
    }
    for (size_t i = 0; i < a->n; i++) {
        now = data_set_find(a->word[i]);
        TRY(fetch_set(&f, now, &err));
    }
done:;
    int code = cli_put(c, &f.report);
    if (st != OK) {
        code = cli_error(c, &err);
        if (f.is_later) code = EXIT_AGAIN;
        if (f.is_by_hand) say_by_hand(&f, now);
    }
    arena_release(&f.memory);
    return code;
}

static const option_row options[] = {
    { "to", 0, "DIR", NULL, COMPLETE_FOLDER, "the folder of data (default: data)" },
    { "force", 'f', NULL, NULL, COMPLETE_NOTHING, "fetch also what is there and right" },
    { "dry-run", 'n', NULL, NULL, COMPLETE_NOTHING,
        "say what would be fetched, and fetch nothing" },
};

const command command_data_fetch = { .name = "data fetch",
    .arguments = "NAME...",
    .summary = "download public data sets and check them",
    .doc =
        "Downloads data sets from their original addresses (assay data list names them), compares "
        "their checksums, and puts them into folders below data/ here, or below --to DIR. What is "
        "there and right is left alone; what comes and is wrong is not kept (exit code 1). Where "
        "there is no network, it says what to fetch by hand and where to put it (exit code 75).\n\n"
        "With ASSAY_DATA_MIRROR=URL, what lies below that address as it would below data/ is tried "
        "first: URL/mnist/train-labels-idx1-ubyte.gz. Proxies are taken from http_proxy, "
        "https_proxy and no_proxy.",
    .examples = "assay data fetch mnist\nassay data fetch ptb jsb-chorales --to ~/data\n"
                "assay data fetch mnist --dry-run",
    COMMAND_OPTIONS(options),
    .least = 1,
    .most = 64,
    .completes = COMPLETE_DATA_SET,
    .run = run_fetch };
