/* assay plugin check: holds plugins to the contract, one test and one process at a time.
 *
 * This process reads only what files say of themselves (.assay_info); all of a plugin's code runs in the processes that it starts,
 * which are this program again with --in-process and the descriptor of a pipe. With --in-process alone a user has the same without
 * a net, for a debugger. */
#include "cli/plugin_check.h"

#include "base/clock.h"
#include "base/file.h"
#include "num/team.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORDS = 4096 };

static const double default_limit_s = 10,
                    most_limit_s = 1e6; /* alarm counts whole seconds in 32 bits */

/* A command line of this command, read. */
typedef struct check_request {
    const cli *cli;
    const arguments *arguments;
    arena memory;
    registry *registry; /* to know what there is; nothing is loaded through it */
    const check_test **tests; // [n_tests], those asked for; n_tests 0: all
    size_t n_tests;
    uint64_t seed;
    double time_limit_s;
    const char *against; /* absolute; NULL: nothing */
    double tolerance;
    bool is_here; /* --in-process */
    text told; /* warnings, a line each */
    int report_fd; /* -1: none */
    check_target *targets; // [n_targets]
    size_t n_targets, most_targets;
    check_job *jobs; // [n_jobs]
    size_t n_jobs;
} check_request;

/* -- The command line -- */

static bool is_file(const char *word)
{
    const size_t n = strlen(word);
    return strchr(word, '/') || (n > 3 && strcmp(word + n - 3, ".so") == 0);
}

static status read_tests(check_request *q, error *err)
{
    const size_t n = check_count();
    q->tests = arena_alloc_array(&q->memory, MAX_REPEATED, sizeof *q->tests);
    const char **names = arena_alloc_array(&q->memory, n + 1, sizeof *names);
    if (!q->tests || !names) return fail_nomem(err, "the tests");
    for (size_t i = 0; i < n; i++)
        names[i] = check_get(i)->name;
    for (const char *name; (name = option_nth(q->arguments, "test", q->n_tests));) {
        const check_test *t = check_find(name);
        if (!t) {
            const char *near = text_nearest(name, names, n);
            return fail(err, E_USAGE, "--test: there is no test \"%s\"%s%s%s", name,
                near ? ": did you mean \"" : "; assay plugin check --list tells which there are",
                near ? near : "", near ? "\"?" : "");
        }
        q->tests[q->n_tests++] = t;
    }
    return OK;
}

static status read_number(const char *name, const char *written, double *out, error *err)
{
    const char *end;
    const double v = text_to_real(written, &end);
    if (end == written || *end || !(v > 0) || !isfinite(v)) {
        return fail(err, E_USAGE, "--%s: expected a number above 0, found \"%s\"", name, written);
    }
    *out = v;
    return OK;
}

static status read_whole(const char *name, const char *written, uint64_t *out, error *err)
{
    char *end;
    errno = 0;
    const unsigned long long v = strtoull(written, &end, 10);
    if (end == written || *end || errno || strchr(written, '-')) {
        return fail(
            err, E_USAGE, "--%s: expected a whole number from 0, found \"%s\"", name, written);
    }
    *out = v;
    return OK;
}

/* The recorded run that a port is held against. */
static status read_against(check_request *q, error *err)
{
    const char *path = option_get(q->arguments, "against");
    if (!path) return OK;
    if (!file_exists(path) || file_is_dir(path)) {
        return fail(err, E_USAGE, "--against: %s: no such file; assay_record.py writes one", path);
    }
    q->against = path_absolute(&q->memory, path);
    return q->against ? OK : fail_nomem(err, "the recorded run");
}

static status read_options(check_request *q, error *err)
{
    const arguments *a = q->arguments;
    const char *seed = option_get(a, "seed"), *limit = option_get(a, "time-limit");
    const char *fd = option_get(a, "report-fd"), *tolerance = option_get(a, "tolerance");
    uint64_t n = 0;
    status st = OK;
    q->seed = 1;
    q->time_limit_s = default_limit_s;
    q->report_fd = -1;
    q->is_here = option_has(a, "in-process") || option_has(a, "debug");
    TRY(read_tests(q, err));
    if (seed) TRY(read_whole("seed", seed, &q->seed, err));
    if (limit) TRY(read_number("time-limit", limit, &q->time_limit_s, err));
    if (q->time_limit_s > most_limit_s) {
        TRY(fail(err, E_USAGE, "--time-limit: expected at most %g seconds, found \"%s\"",
            most_limit_s, limit));
    }
    q->tolerance = CHECK_TOLERANCE;
    if (tolerance) TRY(read_number("tolerance", tolerance, &q->tolerance, err));
    TRY(read_against(q, err));
    if (fd) {
        TRY(read_whole("report-fd", fd, &n, err));
        if (!q->is_here || q->n_tests != 1 || n > 1000) {
            TRY(fail(err, E_USAGE, "--report-fd goes with --in-process and one --test"));
        }
        q->report_fd = (int)n;
    }
done:
    return st;
}

/* -- What is to be checked -- */

/* Each test in this process opens the file anew, and what is to be said of it is said once. */
static void log_registry(void *self, unsigned level, const char *message)
{
    check_request *q = self;
    if (level < ASSAY_LOG_WARNING || (q->told.s && strstr(q->told.s, message))) return;
    cli_warn(q->cli, "%s", message);
    text_printf(&q->told, "%s\n", message);
}

/* A file that is named goes before the program's own; what the environment leads to is then not looked at, since what is
 * installed there may be an older self of it. */
static status open_registry(
    check_request *q, const char *const *files, size_t n_files, registry **out, error *err)
{
    const registry_options o = { .program_path = "/proc/self/exe",
        .no_environment = n_files > 0,
        .log = q->report_fd < 0 ? log_registry : NULL,
        .log_self = q };
    status st = registry_new(&o, out, err);
    for (size_t i = 0; st == OK && i < n_files; i++)
        st = registry_add_file(*out, files[i], NULL, err);
    return st;
}

static bool is_wanted(const check_request *q, const char *kind, const char *id)
{
    const char *asked = option_get(q->arguments, "component");
    if (!asked) return true;
    const size_t n = strlen(kind);
    return strncmp(asked, kind, n) == 0 && asked[n] == ':' && strcmp(asked + n + 1, id) == 0;
}

static status add_target(check_request *q, const char *word, bool is_path, const plugin_file *f,
    const char *kind, const char *id, error *err)
{
    for (size_t i = 0; i < q->n_targets; i++) {
        const check_target *t = &q->targets[i];
        const bool is_same = strcmp(t->kind, kind) == 0 && strcmp(t->id, id) == 0;
        if (is_same && (!is_path || strcmp(t->path, f->path) == 0)) return OK;
    }
    if (q->n_targets == q->most_targets) {
        const size_t most = q->most_targets ? 2 * q->most_targets : 64;
        check_target *grown = arena_alloc_array(&q->memory, most, sizeof *grown);
        if (!grown) return fail_nomem(err, "the components");
        if (q->n_targets) memcpy(grown, q->targets, q->n_targets * sizeof *grown);
        q->targets = grown;
        q->most_targets = most;
    }
    q->targets[q->n_targets++] =
        (check_target){ .word = word, .path = f->path, .is_file = is_path, .kind = kind, .id = id };
    return OK;
}

/* By what links lead to: a file that a folder of the search led to keeps the name that it has there. */
static const plugin_file *file_at(const registry *r, const char *path)
{
    char *real = realpath(path, NULL);
    const plugin_file *found = NULL;
    for (size_t i = 0; real && !found && i < registry_count(r); i++) {
        char *other = realpath(registry_file(r, i)->path, NULL);
        if (other && strcmp(other, real) == 0) found = registry_file(r, i);
        free(other);
    }
    free(real);
    return found;
}

static status add_file(check_request *q, const char *word, const char *path, error *err)
{
    const plugin_file *f = file_at(q->registry, path);
    status st = OK;
    if (!f) return fail(err, E_MISSING, "%s: cannot be found again", word);
    for (size_t i = 0; st == OK && i < f->n_components; i++) {
        const component_info *c = &f->components[i];
        if (is_wanted(q, c->kind, c->id)) st = add_target(q, word, true, f, c->kind, c->id, err);
    }
    return st;
}

static status add_id(check_request *q, const char *word, error *err)
{
    const char *names[MOST_WORDS];
    const size_t before = q->n_targets;
    size_t n = 0;
    status st = OK;
    for (size_t i = 0; i < registry_count(q->registry); i++) {
        const plugin_file *f = registry_file(q->registry, i);
        for (size_t k = 0; k < f->n_components; k++) {
            const component_info *c = &f->components[k];
            if (n < MOST_WORDS) names[n++] = c->id;
            if (strcmp(c->id, word) == 0 && is_wanted(q, c->kind, c->id)) {
                TRY(add_target(q, word, false, f, c->kind, c->id, err));
            }
        }
    }
    if (q->n_targets == before && !option_get(q->arguments, "component")) {
        const char *near = text_nearest(word, names, n);
        TRY(fail(err, E_UNKNOWN, "no component is called \"%s\"%s%s%s", word,
            near ? ": did you mean \"" : "; a file is named with its path, as ./x.so",
            near ? near : "", near ? "\"?" : ""));
    }
done:
    return st;
}

static status add_all(check_request *q, error *err)
{
    status st = OK;
    for (size_t i = 0; i < registry_count(q->registry); i++) {
        const plugin_file *f = registry_file(q->registry, i);
        if (f->refused && !f->n_components) cli_warn(q->cli, "%s: %s", f->path, f->refused);
        for (size_t k = 0; k < f->n_components; k++) {
            const component_info *c = &f->components[k];
            if (is_wanted(q, c->kind, c->id)) {
                TRY(add_target(q, c->id, false, f, c->kind, c->id, err));
            }
        }
    }
done:
    return st;
}

/* The source in place of what is made of it. */
static status refuse_source(const char *word, error *err)
{
    static const char *const ends[] = { ".c", ".cpp", ".cc", ".cxx" };
    const size_t n = strlen(word);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const size_t k = strlen(ends[i]);
        if (n <= k || strcmp(word + n - k, ends[i]) != 0) continue;
        return fail(err, E_USAGE, "%s is a source: assay plugin build %s, then check %s%.*s.so",
            word, word, strchr(word, '/') ? "" : "./", (int)(n - k), word);
    }
    return OK;
}

static status find_targets(check_request *q, error *err)
{
    const arguments *a = q->arguments;
    const char **files = arena_alloc_array(&q->memory, a->n + 1, sizeof *files);
    const char **paths = arena_alloc_array(&q->memory, a->n + 1, sizeof *paths);
    size_t n_files = 0;
    status st = OK;
    if (!files || !paths) return fail_nomem(err, "the components");
    for (size_t i = 0; i < a->n; i++) {
        TRY(refuse_source(a->word[i], err));
        if (!is_file(a->word[i])) continue;
        if (!file_exists(a->word[i]) || file_is_dir(a->word[i])) {
            TRY(fail(err, E_USAGE, "%s: no such plugin file", a->word[i]));
        }
        paths[i] = path_absolute(&q->memory, a->word[i]);
        if (!paths[i]) TRY(fail_nomem(err, "the components"));
        files[n_files++] = paths[i];
    }
    TRY(open_registry(q, files, n_files, &q->registry, err));
    for (size_t i = 0; i < a->n; i++) {
        TRY(paths[i] ? add_file(q, a->word[i], paths[i], err) : add_id(q, a->word[i], err));
    }
    if (option_has(a, "all")) TRY(add_all(q, err));
    if (q->n_targets == 0) {
        const char *asked = option_get(a, "component");
        TRY(asked
                ? fail(err, E_USAGE,
                      "--component: there is no \"%s\" among them, as optimizer:lion", asked)
                : fail(err, E_USAGE, "plugin check: nothing to check: name a file or a component"));
    }
done:
    return st;
}

static bool is_asked(const check_request *q, const check_test *t)
{
    for (size_t i = 0; i < q->n_tests; i++) {
        if (q->tests[i] == t) return true;
    }
    return q->n_tests == 0;
}

static status make_jobs(check_request *q, error *err)
{
    const size_t most = q->n_targets * check_count();
    q->jobs = arena_alloc_array(&q->memory, most, sizeof *q->jobs);
    if (!q->jobs) return fail_nomem(err, "the tests");
    for (size_t i = 0; i < q->n_targets; i++) {
        check_target *t = &q->targets[i];
        t->first_job = q->n_jobs;
        for (size_t k = 0; k < check_count(); k++) {
            const check_test *test = check_get(k);
            if (!check_applies(test, t->kind) || !is_asked(q, test)) continue;
            q->jobs[q->n_jobs++] = (check_job){
                .test = test, .word = t->is_file ? t->path : t->word, .kind = t->kind, .id = t->id
            };
        }
        t->n_jobs = q->n_jobs - t->first_job;
    }
    if (q->n_jobs > 0) return OK;
    const char *kind = q->n_tests > 0 ? q->tests[0]->kind : NULL;
    return fail(err, E_USAGE, "--test: \"%s\" is for components of the kind %s, and here is none",
        q->n_tests > 0 ? q->tests[0]->name : "", kind ? kind : "");
}

/* -- Here -- */

/* Everything of its own: what one test loads, another one has not loaded. */
static status open_subject(check_request *q, const check_target *t, subject *out, error *err)
{
    *out = (subject){ .path = t->word,
        .seed = q->seed,
        .against = q->against,
        .tolerance = q->tolerance,
        .time_limit_s = q->time_limit_s,
        .kind = t->kind,
        .id = t->id };
    const status st = open_registry(q, &t->path, t->is_file ? 1 : 0, &out->registry, err);
    if (st == OK) out->file = file_at(out->registry, t->path);
    return st == OK && !out->file ? fail(err, E_MISSING, "%s: not a plugin", t->path) : st;
}

static void run_here(check_request *q, size_t i_job, const check_target *t, check_result *out)
{
    subject s;
    error err = { 0 };
    const check_test *test = q->jobs[i_job].test;
    *out = (check_result){ .end = CHECK_REPORTED };
    status st = open_subject(q, t, &s, &err);
    if (st == OK && q->report_fd >= 0) st = child_begin(&s, q->report_fd, &err);
    if (st == OK && !check_is_of_loading(test)) {
        st = registry_find(s.registry, s.kind, s.id, NULL, &s.component, &err);
    }
    if (st == OK) {
        check_here(&s, test, out);
    } else {
        check_fail(&out->report, "%s", err.text);
    }
    if (q->report_fd >= 0) {
        (void)!child_report(q->report_fd, &out->report, &err);
    }
    registry_free(s.registry);
}

static void run_all_here(check_request *q, const runner_options *o, check_result *results)
{
    for (size_t i = 0; i < q->n_targets; i++) {
        const check_target *t = &q->targets[i];
        for (size_t k = t->first_job; k < t->first_job + t->n_jobs; k++) {
            if (option_has(q->arguments, "debug")) {
                cli_say(q->cli, "%s:%s %s", t->kind, t->id, q->jobs[k].test->name);
            }
            run_here(q, k, t, &results[k]);
            if (q->report_fd < 0) o->done(o->self, k, &results[k]);
        }
    }
}

/* -- The command -- */

typedef struct check_progress {
    check_teller teller;
    bool is_text; /* not JSON, which is whole or nothing */
    size_t n_done;
    int code; /* of what was written */
} check_progress;

/* Into a file or pipe, too, whatever is known appears at once. */
static void show_progress(void *self, size_t i_job, const check_result *r)
{
    check_progress *p = self;
    const cli *c = p->teller.cli;
    const size_t n = p->teller.outcomes->n_jobs;
    const bool moves = c->err.moves && !c->quiet;
    text t = { 0 };
    (void)i_job;
    (void)r;
    p->n_done++;
    if (p->is_text) check_text_go_on(&p->teller, &t);
    if (moves && t.n) terminal_printf(&c->err, "\r\033[K");
    if (t.n && p->code == EXIT_DONE) p->code = cli_put(c, &t);
    text_release(&t);
    if (!moves) return;
    terminal_printf(
        &c->err, "\r%zu of %zu tests%s", p->n_done, n, p->n_done == n ? "\r\033[K" : "");
    (void)fflush(c->err.file);
}

static int run_jobs(check_request *q, error *err)
{
    check_result *results = arena_alloc_array(&q->memory, q->n_jobs, sizeof *results);
    text t = { 0 };
    if (!results) {
        (void)fail_nomem(err, "the tests");
        return cli_error(q->cli, err);
    }
    const double start_s = clock_wall_s();
    check_outcomes all = { .program = q->cli->program,
        .targets = q->targets,
        .n_targets = q->n_targets,
        .jobs = q->jobs,
        .results = results,
        .n_jobs = q->n_jobs,
        .seed = q->seed,
        .against = option_get(q->arguments, "against"),
        .tolerance = q->tolerance };
    check_progress p = { .teller = { .outcomes = &all, .cli = q->cli },
        .is_text = !option_has(q->arguments, "json") };
    const runner_options o = { .program = "/proc/self/exe",
        .seed = q->seed,
        .time_limit_s = q->time_limit_s,
        .n_processes = team_cores(),
        .against = q->against,
        .tolerance = q->tolerance,
        .stops_at_failure = option_has(q->arguments, "fail-fast"),
        .done = show_progress,
        .self = &p };
    if (q->is_here) {
        run_all_here(q, &o, results);
        if (q->report_fd >= 0) return EXIT_DONE;
    } else if (runner_run(q->jobs, q->n_jobs, &o, &q->memory, results, err) != OK) {
        return cli_error(q->cli, err);
    }
    all.duration_s = clock_wall_s() - start_s;
    if (p.is_text) {
        check_text_end(&p.teller, &t);
    } else {
        check_json(&all, &t);
    }
    const int code = p.code == EXIT_DONE ? cli_put(q->cli, &t) : p.code;
    if (p.code != EXIT_DONE) text_release(&t);
    if (code != EXIT_DONE) return code;
    return check_count_outcomes(&all).failed ? EXIT_FAILED : EXIT_DONE;
}

static int run_list(const cli *c, const arguments *a)
{
    text t = { 0 };
    if (option_has(a, "json")) {
        check_list_json(&t);
    } else {
        check_list_text(&c->out, &t);
    }
    return cli_put(c, &t);
}

/* A file that is refused has failed, with the message of a run whose config names it; a command line that makes no sense has not
 * been carried out. */
static int refuse(const cli *c, const error *err)
{
    const int code = cli_error(c, err);
    return err->code == E_USAGE || err->code == E_UNKNOWN ? code : EXIT_FAILED;
}

static int run_check(cli *c, const arguments *a)
{
    error err = { 0 };
    check_request q = { .cli = c, .arguments = a };
    if (option_has(a, "list")) return run_list(c, a);
    status st = read_options(&q, &err);
    if (st == OK) st = find_targets(&q, &err);
    if (st == OK) st = make_jobs(&q, &err);
    const int code = st == OK ? run_jobs(&q, &err) : refuse(c, &err);
    registry_free(q.registry);
    text_release(&q.told);
    arena_release(&q.memory);
    return code;
}

static const option_row options[] = {
    { "list", 'l', NULL, NULL, COMPLETE_NOTHING,
        "the tests there are, and what each holds a plugin to" },
    { "test", 't', "NAME", NULL, COMPLETE_NOTHING, "run this test alone; may be repeated" },
    { "component", 'c', "KIND:ID", NULL, COMPLETE_NOTHING, "check this component alone" },
    { "all", 'a', NULL, NULL, COMPLETE_NOTHING, "check every component there is" },
    { "seed", 0, "N", NULL, COMPLETE_NOTHING, "of all that tests draw at random (1)" },
    { "time-limit", 0, "S", NULL, COMPLETE_NOTHING, "seconds that one test may take (10)" },
    { "against", 0, "FILE", NULL, COMPLETE_FILE,
        "a recorded run (assay_record.py) that a port of an optimizer is held against" },
    { "tolerance", 0, "X", NULL, COMPLETE_NOTHING,
        "how far a port may part from it, relative to a step's length (2e-5)" },
    { "fail-fast", 0, NULL, NULL, COMPLETE_NOTHING, "begin no test after one has failed" },
    { "in-process", 0, NULL, NULL, COMPLETE_NOTHING,
        "run tests in this process, without limits: for a debugger" },
    { "debug", 0, NULL, NULL, COMPLETE_NOTHING,
        "as --in-process, and name each test before it runs" },
    { "report-fd", 0, "N", NULL, COMPLETE_NOTHING,
        "with --in-process: send the report of one test to this descriptor" },
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "print JSON" },
};

const command command_plugin_check = { .name = "plugin check",
    .arguments = "[FILE.so|ID...]",
    .summary = "hold a plugin to the contract",
    .doc = "Runs the conformance tests of each component: those of every kind (what its file "
           "exports and needs, that it leaves the "
           "process as it was, that its hyperparameters make sense) and those of its own kind. "
           "Every test has a process of its own, so that a "
           "crash or a hang is a result, too; a failed one is shown with the command that repeats "
           "it under a debugger. "
           "Exit code 0: nothing failed (warnings are allowed); 1: something did; 2: the command "
           "line makes no sense.",
    .examples = "assay plugin check ./lion.so\n"
                "assay plugin check ./lion.so --against lion.safetensors\nassay plugin check adam "
                "--test optimizer_chunks\n"
                "assay plugin check --list",
    COMMAND_OPTIONS(options),
    .most = MOST_WORDS,
    .completes = COMPLETE_PLUGIN,
    .run = run_check };
