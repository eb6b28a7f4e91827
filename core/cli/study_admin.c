/* assay study stop, check and export. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/study.h"

#include "base/file.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

/* -- stop -- */

static status stop(open_study *s, cli *c, const arguments *a, error *err)
{
    status st = OK;
    text next = { 0 };
    results *r = NULL;
    TRY(study_open(s, c, a->n ? a->word[0] : NULL, option_get(a, "name"), STORE_WRITE, err));
    TRY(study_results(s, &r, err));
    if (study_is_over(r)) {
        cli_say(c, "  %s is done: there is nothing to stop", s->study.name);
        goto done;
    }
    TRY(study_pause(s->store, s->study.id, err));
    results_free(r);
    r = NULL;
    TRY(study_results(s, &r, err)); /* what was claimed before the study was paused */
    study_add_command(&next, s, "resume");
    TRY(text_check(&next, err));
    const unsigned long long n = study_n_at_work(r);
    cli_say(c, "  stopped%s; to go on: %s",
        n == 0       ? ""
            : n == 1 ? "; the trial that runs ends, nothing new begins"
                     : "; the trials that run end, nothing new begins",
        next.s);
done:
    results_free(r);
    text_release(&next);
    return st;
}

static int run_stop(cli *c, const arguments *a)
{
    error err;
    open_study s = { 0 };
    const status st = stop(&s, c, a, &err);
    study_release(&s);
    return st == OK ? EXIT_DONE : cli_error(c, &err);
}

static const option_row stop_options[] = { STUDY_OPTION_NAME };

const command command_study_stop = {
    .name = "study stop",
    .arguments = "[FILE|NAME]",
    .summary = "ask everybody who works on a study to begin nothing more",
    .doc = "Programs that work on the study, here and in other terminals, end what they run and "
           "begin no further trial. The study can be resumed.\n\n"
           "Without a name the newest store in studies/ is taken.",
    .examples = "assay study stop digits",
    COMMAND_OPTIONS(stop_options),
    .most = 1,
    .completes = COMPLETE_FILE,
    .run = run_stop,
};

/* -- check -- */

typedef struct checking {
    cli *cli;
    const arguments *args;
    open_study s;
    text findings;
    size_t n;
    bool is_sound;
} checking;

static status check_declaration(checking *k, error *err)
{
    size_t n = 0;
    const status st =
        declaration_check(k->s.session.registry, k->s.declaration, &k->findings, &n, err);
    k->n += n;
    return st;
}

static status check_config(checking *k, error *err)
{
    status st = OK;
    const arguments *a = k->args;
    const char *sweeps[MAX_REPEATED];
    size_t n = 0;
    for (const char *s; n < MAX_REPEATED && (s = option_nth(a, "sweep", n)) != NULL;)
        sweeps[n++] = s;
    const declaration_options o = { .overrides = (const char *const *)(a->word + 1),
        .n_overrides = a->n - 1,
        .sweeps = sweeps,
        .n_sweeps = n };
    TRY(session_open_registry(&k->s.session, k->cli, err));
    TRY(declaration_load(k->s.session.registry, a->word[0], &o, &k->s.declaration, err));
    TRY(check_declaration(k, err));
done:
    return st;
}

static status check_store(checking *k, error *err)
{
    status st = OK;
    results *r = NULL;
    size_t n = 0;
    const arguments *a = k->args;
    if (a->n > 1) {
        return fail(err, E_USAGE,
            "study check: %s is a store: what it declares cannot be changed by \"%s\"", a->word[0],
            a->word[1]);
    }
    TRY(study_open(
        &k->s, k->cli, a->n ? a->word[0] : NULL, option_get(a, "name"), STORE_READ, err));
    const size_t before = k->findings.n;
    TRY(store_check(k->s.store, &k->findings, &k->is_sound, err));
    for (size_t i = before; i < k->findings.n; i++)
        k->n += k->findings.s[i] == '\n';
    TRY(check_declaration(k, err));
    TRY(study_results(&k->s, &r, err));
    TRY(results_check(r, &k->findings, &n, err));
    k->n += n;
done:
    results_free(r);
    return st;
}

static void add_findings_json(const checking *k, text *t)
{
    json j;
    json_init(&j, t);
    json_begin_object(&j);
    json_key_int(&j, "schema", 1);
    json_key_bool(&j, "is_sound", k->is_sound);
    json_key(&j, "warnings");
    json_begin_array(&j);
    for (const char *s = k->findings.s; s && *s;) {
        char line[2048];
        const size_t n = strcspn(s, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, s);
        json_string(&j, line);
        s += n + (s[n] == '\n');
    }
    json_end_array(&j);
    json_end_object(&j);
    text_add(t, "\n");
}

static void add_findings(const checking *k, text *t)
{
    const terminal *style = &k->cli->out;
    for (const char *s = k->findings.s; s && *s;) {
        const size_t n = strcspn(s, "\n");
        text_printf(t, "%swarning:%s ", terminal_style(style, STYLE_YELLOW),
            terminal_style(style, STYLE_PLAIN));
        text_add_bytes(t, s, n);
        text_add(t, "\n");
        s += n + (s[n] == '\n');
    }
    if (k->n == 0) text_add(t, "nothing to object to\n");
}

static int run_check(cli *c, const arguments *a)
{
    error err;
    text t = { 0 };
    checking k = { .cli = c, .args = a, .is_sound = true };
    const bool has_store = a->n == 0 || study_is_store(a->word[0]) || !file_exists(a->word[0]);
    status st = has_store ? check_store(&k, &err) : check_config(&k, &err);
    if (st == OK && option_has(a, "json")) {
        add_findings_json(&k, &t);
    } else if (st == OK) {
        add_findings(&k, &t);
    }
    study_release(&k.s);
    text_release(&k.findings);
    if (st != OK) {
        text_release(&t);
        return cli_error(c, &err);
    }
    const int code = cli_put(c, &t);
    return code == EXIT_DONE && !k.is_sound ? EXIT_FAILED : code;
}

static const option_row check_options[] = {
    { "sweep", 0, "SPACE", NULL, COMPLETE_NOTHING, "as of study run" },
    STUDY_OPTION_NAME,
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "for programs" },
};

const command command_study_check = {
    .name = "study check",
    .arguments = "CONFIG|FILE|NAME [KEY=VALUE...]",
    .summary = "say what makes a study doubtful, before or after it ran",
    .doc =
        "Of a config: unequal spaces and budgets of contenders, a space that leaves out another's "
        "special case, an adaptive strategy in a comparison, one repeat, a schedule that is tied "
        "to "
        "the horizon where runs may stop early.\n\n"
        "Of a store also: whether it is whole, whether best values lie on an edge of their range "
        "(within 5 %, on a logarithmic scale of its decades), whether contenders spent "
        "unequally.\n\n"
        "Warnings leave the exit code at 0; a store that is damaged makes it 1.",
    .examples = "assay study check optimizers.cfg\nassay study check studies/digits.study",
    COMMAND_OPTIONS(check_options),
    .least = 0,
    .most = 1024,
    .completes = COMPLETE_FILE,
    .run = run_check,
};

/* -- export -- */

static status export_it(open_study *s, cli *c, const arguments *a, error *err)
{
    status st = OK;
    const char *to = option_get(a, "to"), *version = option_get(a, "optuna");
    if (!to) {
        return fail(err, E_USAGE, "study export: --to is missing: the file to be written");
    }
    TRY(study_open(s, c, a->n ? a->word[0] : NULL, option_get(a, "name"), STORE_READ, err));
    TRY(store_export_optuna(s->store, s->study.id, to, version ? version : "3.2", err));
    cli_say(c, "  %s: for Optuna %s: storage=\"sqlite:///%s\"", to,
        version && strcmp(version, "3.1") == 0
            ? "3.0 and 3.1"
            : "3.2 and later (--optuna 3.1 writes one for those before)",
        to);
done:
    return st;
}

static int run_export(cli *c, const arguments *a)
{
    error err;
    open_study s = { 0 };
    const status st = export_it(&s, c, a, &err);
    study_release(&s);
    return st == OK ? EXIT_DONE : cli_error(c, &err);
}

static const option_row export_options[] = {
    { "to", 'o', "OUT", NULL, COMPLETE_FILE, "the file to be written; it must not exist" },
    { "format", 0, "WHAT", "optuna", COMPLETE_CHOICES, "which program is to read it" },
    { "optuna", 0, "VERSION", "3.1|3.2", COMPLETE_CHOICES,
        "3.1: Optuna 3.0 and 3.1; 3.2: that and later ones (default)" },
    STUDY_OPTION_NAME,
};

const command command_study_export = {
    .name = "study export",
    .arguments = "[FILE|NAME] --to OUT",
    .summary = "write a study as a database that Optuna can go on with",
    .doc =
        "Each tuning becomes a study of Optuna's. Only to look at a study with Optuna's plots or "
        "its dashboard nothing need be exported: they read a store as it is, by the address "
        "sqlite:///file:PATH?mode=ro&uri=true.",
    .examples = "assay study export digits --to digits.db\n"
                "assay study export digits --to old.db --optuna 3.1",
    COMMAND_OPTIONS(export_options),
    .most = 1,
    .completes = COMPLETE_FILE,
    .run = run_export,
};
#else
typedef int no_studies; /* a file holds something */
#endif
