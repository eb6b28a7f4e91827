/* Studies in which contenders' plugins attack who runs them: `assay study run` comes to its end, says of each what it did and where, nothing
 * outside has changed, and the honest contender's rows have the bits that they have without the others.
 *
 * All processes of a study are descendants of this one, which takes in those that lose their parent: none may be left, and so no
 * socket either, since a socket is some process's. Who runs this as root runs it a second time as an ordinary user. */
#include "support/program_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#include "sandbox/sandbox.h"
#include "ordinary_user.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOSTILE TEST_BUILD_DIR "/tests/hostile/"

enum { MOST_STUDY = 32768, LINE = 2048 };

/* One contender: what it does, and what the table of trials has to say of it. */
typedef struct contender_row {
    const char *name, *set, *class;
    const char *says[3]; /* each stands in the reason; unused ones are NULL */
} contender_row;

#define OPTIMIZER(act) "\"optimizer.type=hostile_optimizer\", \"+optimizer.act=" act "\""
#define STEP_5 "phase step, step 5"
#define SO "hostile_optimizer.so+0x"
#define CRASH(act, how) \
    { \
        act, OPTIMIZER(act), "crash", \
        { \
            how " in " SO, STEP_5 \
        } \
    }
#define FORBIDDEN(act, call) \
    { \
        act, OPTIMIZER(act), "violation", \
        { \
            "forbidden system call " call " in " SO, STEP_5 \
        } \
    }
#define BEYOND(act, class, ...) \
    { \
        act, OPTIMIZER(act) ", \"+optimizer.place=beyond\"", class, \
        { \
            __VA_ARGS__ \
        } \
    }
#define SUSPECT "does not come with assay: hostile_"
#define DONE(act) \
    { \
        act, OPTIMIZER(act), "", \
        { \
            NULL \
        } \
    }
#define LAYER(act, class, ...) \
    { \
        "layer_" act, "\"model[0].type=hostile_layer\", \"+model[0].act=" act "\"", class, \
        { \
            __VA_ARGS__ \
        } \
    }
#define SCHEDULE(act, class, ...) \
    { \
        "schedule_" act, "\"schedule.type=hostile_schedule\", \"+schedule.act=" act "\"", class, \
        { \
            __VA_ARGS__ \
        } \
    }
#define LOSS(act, class, ...) \
    { \
        "loss_" act, "\"loss.type=hostile_loss\", \"+loss.act=" act "\"", class, \
        { \
            __VA_ARGS__ \
        } \
    }
#define LOADING(where, act, class, ...) \
    { \
        where "_" act, \
            "\"plugins[0]=" HOSTILE "hostile_" where "_" act \
            ".so\", \"optimizer.type=hostile_loading\"", \
            class, \
        { \
            __VA_ARGS__ \
        } \
    }

static const contender_row rows[] = {
    CRASH("crash_null", "segmentation fault"),
    CRASH("crash_illegal", "illegal instruction"),
    CRASH("abort", "abort"),
    { "stack_overflow", OPTIMIZER("stack_overflow"), "stack overflow",
        { "stack overflow in " SO, STEP_5 } },
    { "exit_zero", OPTIMIZER("exit_zero"), "early exit", { "code 0", STEP_5, SUSPECT } },
    { "kill_self", OPTIMIZER("kill_self"), "crash", { "killed", STEP_5, SUSPECT } },
    { "hang_loop", OPTIMIZER("hang_loop"), "timeout", { "no progress", STEP_5, SUSPECT } },
    { "hang_sleep", OPTIMIZER("hang_sleep"), "timeout", { "no progress", STEP_5, SUSPECT } },
    { "memory_malloc", OPTIMIZER("memory_malloc"), "memory limit", { "memory", STEP_5 } },
    { "forge_done", OPTIMIZER("forge_done"), "result invalid", { "is no number", SUSPECT } },
    { "forge_result", OPTIMIZER("forge_result"), "result invalid", { "contradicts", SUSPECT } },
    { "forge_nonsense", OPTIMIZER("forge_nonsense"), "early exit", { SUSPECT } },
    { "rounding", OPTIMIZER("rounding"), "float mode", { "floating-point mode", "phase finish" } },
    DONE("log_flood"),
    DONE("every_descriptor"),
    DONE("thread"),
    FORBIDDEN("read_secret", "openat"),
    FORBIDDEN("write_file", "openat"),
    FORBIDDEN("unlink", "unlink"),
    FORBIDDEN("rename", "rename"),
    FORBIDDEN("socket_inet", "socket"),
    FORBIDDEN("socket_unix", "socket"),
    FORBIDDEN("fork_bomb", "clone"),
    FORBIDDEN("execute", "execve"),
    FORBIDDEN("daemon", "setsid"),
    FORBIDDEN("signal_parent", "kill"),
    FORBIDDEN("signal_all", "kill"),
    FORBIDDEN("trace_parent", "ptrace"),
    FORBIDDEN("write_parent", "process_vm_writev"),
    FORBIDDEN("outlive_parent", "prctl"),
    FORBIDDEN("patch_host_code", "mprotect"),
    BEYOND("not_a_number", "nonfinite", "step 6: ", "dense1.weight is nan", SUSPECT),
    BEYOND("far_outside", "crash", "segmentation fault in " SO, STEP_5),
    BEYOND("refuse", "plugin error", "had enough", STEP_5),
    LAYER("crash_null", "crash", "segmentation fault in hostile_layer.so+0x", "phase step, step"),
    LAYER("hang_loop", "timeout", "no progress", "phase step, step", SUSPECT "layer.so"),
    LAYER("write_file", "violation", "in hostile_layer.so+0x", "phase step, step"),
    SCHEDULE("exit_seven", "early exit", "code 7", "step 6", SUSPECT "schedule.so"),
    SCHEDULE("keyctl", "violation", "in hostile_schedule.so+0x", "step 6"),
    LOSS("crash_divide", "crash", "arithmetic exception in hostile_loss.so+0x", "phase step"),
    LOSS("socket_inet", "violation", "in hostile_loss.so+0x", "phase step"),
    LOSS("memory_map", "memory limit", "memory", "phase step", "hostile_loss.so"),
    LOSS("nothing", "", NULL),
    LOADING("constructor", "crash_null", "crash", "in hostile_constructor_crash_null.so+0x",
        "phase load"),
    LOADING("constructor", "hang_loop", "timeout", "no progress", "phase load"),
    LOADING("constructor", "rounding", "load failed", "floating-point mode", "phase load"),
    LOADING("constructor", "fork", "violation", "clone", "phase load"),
    LOADING("constructor", "read_secret", "", NULL), /* answered with an error */
    LOADING("entry", "exit_seven", "early exit", "code 7", "phase load"),
    LOADING("entry", "write_file", "violation", "openat", "phase load"),
};

enum { N_ROWS = sizeof rows / sizeof *rows };

static const char base_text[] =
    "plugins = ( \"" HOSTILE "hostile_constructor_nothing.so\", \"" HOSTILE
    "hostile_optimizer.so\",\n"
    "  \"" HOSTILE "hostile_layer.so\", \"" HOSTILE "hostile_schedule.so\", \"" HOSTILE
    "hostile_loss.so\",\n"
    "  \"" HOSTILE "hostile_forger.so\" );\n"
    "data = { type = \"linear\"; samples = 512; features = 4; batch_size = 16;\n"
    "  split = { validation = 0.25; test = 0.25; }; };\n"
    "model = ( { type = \"tanh\"; }, { type = \"dense\"; units = 1; } );\n"
    "loss = { type = \"mse\"; }; metrics = ( \"rmse\" );\n"
    "optimizer = { type = \"sgd\"; lr = 0.0731; };\n"
    "schedule = { type = \"constant\"; };\n"
    "train = { epochs = 3; };\n";

static const char study_front[] =
    "study = {\n"
    "  workloads = ( { name = \"w\"; config = \"base.cfg\"; } );\n"
    "  compare = ( \"optimizer\", \"model\", \"schedule\", \"loss\", \"plugins\" );\n"
    "  control = \"honest\";\n"
    "  contenders = ( { name = \"honest\"; set = ( \"optimizer.lr=0.0731\" ); }";
static const char study_back[] =
    " );\n"
    "  metric = \"validation.rmse\"; judged = \"test.rmse\"; strategy = \"random\";\n"
    "  budget = { trials = 1; }; repeats = 2; evaluations = 2; seed = 7;\n"
    "  sandbox = { level = \"strict\"; stall = 0.5; wall = 20.0; memory = \"64M\"; };\n"
    "};\n";

/* -- The scene -- */

static bool strict_is_possible(void)
{
    error err;
    sandbox *s = NULL;
    const sandbox_options o = { .program = TEST_BUILD_DIR "/assay" };
    if (sandbox_open(&o, &s, &err) != OK) {
        print_error("%s\n", err.text);
        abort();
    }
    const sandbox_state *is = sandbox_get_state(s);
    const bool can = !is->is_instrumented && !is->lacking[0];
    if (!can) {
        print_message("skipped: strict is not possible here: %s\n",
            is->lacking[0] ? is->lacking : "instrumented");
    }
    sandbox_close(s);
    return can;
}

/* Canaries that anybody may change; and what a folder holds in the end. */
static void begin(scene *s)
{
    if (!strict_is_possible()) skip();
    scene_init(s);
    s->plugin_path = NULL;
    scene_write(s, "base.cfg", base_text);
    scene_write(s, "secret", "the test set");
    scene_write(s, "victim", "what must stay");
    scene_shell(s, "chmod 777 . && chmod 666 secret victim");
}

static void write_study(scene *s, const char *name, const contender_row *all, size_t n)
{
    char *written = malloc(MOST_STUDY);
    assert_non_null(written);
    size_t at = (size_t)snprintf(written, MOST_STUDY, "%s", study_front);
    for (size_t i = 0; i < n; i++) {
        at += (size_t)snprintf(written + at, MOST_STUDY - at,
            ",\n    { name = \"%s\"; set = ( %s ); }", all[i].name, all[i].set);
    }
    assert_true(at + sizeof study_back < MOST_STUDY);
    strcpy(written + at, study_back);
    scene_write(s, name, written);
    free(written);
}

/* Nobody who began in the study is there any more. */
static void check_processes(void)
{
    errno = 0;
    const pid_t left = waitpid(-1, NULL, WNOHANG);
    if (left == -1 && errno == ECHILD) return;
    GIVE_UP("a process is left: %d", (int)left);
}

static void check_folder(const scene *s)
{
    static const char *const there[] = { "base.cfg", "secret", "victim", "studies" };
    size_t n_bytes, n_known = 0;
    struct stat info;
    DIR *d = opendir(s->dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        const size_t n = strlen(e->d_name);
        bool is_known = e->d_name[0] == '.' || (n > 4 && strcmp(e->d_name + n - 4, ".cfg") == 0);
        for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
            is_known = is_known || strcmp(there[i], e->d_name) == 0;
            n_known += strcmp(there[i], e->d_name) == 0;
        }
        if (!is_known) GIVE_UP("\"%s\" was made", e->d_name);
    }
    closedir(d);
    assert_int_equal(n_known, sizeof there / sizeof *there);
    char *victim = scene_read(s, "victim", &n_bytes);
    assert_string_equal(victim, "what must stay");
    free(victim);
    assert_int_equal(stat(scene_path(s, "victim"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0666);
    assert_int_equal(info.st_uid, geteuid());
}

/* Runs it to its end; the trials' table is in s->out. */
static void run_study(scene *s, const char *file, const char *name)
{
    scene_run(s, "study", "run", file, "-q", "--jobs", "2");
    scene_expect(s, 0);
    check_processes();
    check_folder(s);
    scene_run(s, "study", "show", name, "--csv", "--trials");
    scene_expect(s, 0);
}

/* -- The table of trials -- */

/* The next line of that contender from *at on, copied; false: there is none. */
static bool next_line(const char **at, const char *contender, char out[LINE])
{
    char mark[96];
    snprintf(mark, sizeof mark, ",w,%s,", contender);
    for (const char *line = *at; *line;) {
        const char *end = strchr(line, '\n');
        const size_t n = end ? (size_t)(end - line) : strlen(line);
        snprintf(out, LINE, "%.*s", (int)(n < LINE ? n : LINE - 1), line);
        line += n + (end != NULL);
        if (!strstr(out, mark)) continue;
        *at = line;
        return true;
    }
    return false;
}

/* The i-th cell, from 0 on, without its quotes. */
static void cell(const char *line, size_t i, char out[LINE])
{
    size_t n = 0, k = 0;
    bool is_quoted = false;
    for (const char *c = line; *c && k <= i; c++) {
        if (*c == '"') is_quoted = !is_quoted;
        if (*c == ',' && !is_quoted) {
            k++;
        } else if (k == i && *c != '"') {
            out[n++] = *c;
        }
    }
    out[n] = '\0';
}

enum {
    REPEAT = 3,
    PHASE,
    EVALUATION,
    TRIAL,
    SEED,
    STATE,
    CLASS,
    REASON,
    VALUE,
    FIDELITY,
    SAMPLES,
    WALL,
    CPU
};

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* What does not depend on when it ran and what ran beside it: all but trial's number, wall_s and cpu_s; and so in the order of the alphabet. */
static void keep_rows(const char *table, const char *contender, text *out)
{
    enum { MOST_ROWS = 16 };
    static char kept[MOST_ROWS][LINE];
    char line[LINE], one[LINE];
    size_t n = 0;
    for (const char *at = table; next_line(&at, contender, line); n++) {
        size_t bytes = 0;
        assert_true(n < MOST_ROWS);
        for (size_t i = REPEAT; i < 40; i++) {
            if (i == TRIAL || i == WALL || i == CPU) continue;
            cell(line, i, one);
            bytes += (size_t)snprintf(kept[n] + bytes, LINE - bytes, "%s,", one);
            assert_true(bytes < LINE);
        }
    }
    qsort(kept, n, sizeof kept[0], by_text);
    for (size_t i = 0; i < n; i++)
        text_printf(out, "%s\n", kept[i]);
}

static void check_rows(const char *table, const contender_row *r)
{
    char line[LINE], class[LINE], reason[LINE];
    size_t n = 0;
    for (const char *at = table; next_line(&at, r->name, line); n++) {
        cell(line, CLASS, class);
        cell(line, REASON, reason);
        bool is_right = strcmp(class, r->class) == 0;
        for (size_t i = 0; i < 3 && r->says[i]; i++)
            is_right = is_right && strstr(reason, r->says[i]);
        if (!is_right) {
            GIVE_UP("%s: \"%s\": \"%s\"; expected \"%s\": \"%s\", \"%s\", \"%s\"", r->name, class,
                reason, r->class, r->says[0] ? r->says[0] : "", r->says[1] ? r->says[1] : "",
                r->says[2] ? r->says[2] : "");
        }
    }
    /* Two tunings of one trial; and evaluations of those that came to something. */
    assert_int_equal(n, r->class[0] ? 2 : 6);
}

static double number_of(const char *table, const char *contender, size_t i)
{
    char line[LINE], one[LINE];
    assert_true(next_line(&table, contender, line));
    cell(line, i, one);
    assert_true(one[0]);
    return strtod(one, NULL);
}

/* The column of a metric. */
static size_t column(const char *table, const char *name)
{
    char head[LINE], one[LINE];
    snprintf(head, sizeof head, "%.*s", (int)strcspn(table, "\n"), table);
    for (size_t i = 0; i < 40; i++) {
        cell(head, i, one);
        if (strcmp(one, name) == 0) return i;
    }
    GIVE_UP("no column %s in %s", name, head);
    return 0;
}

/* -- Tests -- */

static void test_study__each_attack_is_told_and_harms_nobody(void **state)
{
    scene s;
    text alone = { 0 }, beside = { 0 };
    (void)state;
    begin(&s);
    write_study(&s, "alone.cfg", NULL, 0);
    write_study(&s, "siege.cfg", rows, N_ROWS);
    run_study(&s, "alone.cfg", "alone");
    keep_rows(s.out.s, "honest", &alone);
    run_study(&s, "siege.cfg", "siege");
    keep_rows(s.out.s, "honest", &beside);
    assert_true(alone.n > 300);
    assert_string_equal(alone.s, beside.s);
    for (size_t i = 0; i < N_ROWS; i++)
        check_rows(s.out.s, &rows[i]);
    text_release(&alone);
    text_release(&beside);
    scene_release(&s);
}

/* Training tells zeros of a model that knows nothing; recorded is what the scorer found. */
static void test_study__forged_numbers_are_not_recorded(void **state)
{
    static const contender_row forger = { "forger",
        "\"optimizer.type=hostile_forger\", \"+optimizer.at=7\", \"+optimizer.n_w=32\", "
        "\"~optimizer.lr\", \"~schedule\"",
        "", { NULL } };
    scene s;
    (void)state;
    begin(&s);
    write_study(&s, "forged.cfg", &forger, 1);
    run_study(&s, "forged.cfg", "forged");
    check_rows(s.out.s, &forger);
    const double honest = number_of(s.out.s, "honest", VALUE),
                 forged = number_of(s.out.s, "forger", VALUE);
    assert_true(isfinite(honest) && honest > 0);
    assert_true(number_of(s.out.s, "forger", FIDELITY) == 0); /* the forged head is what was read */
    assert_true(forged > honest); /* of weights that are all 0 */
    assert_true(number_of(s.out.s, "forger", column(s.out.s, "validation.rmse")) == forged);
    assert_true(number_of(s.out.s, "forger", column(s.out.s, "validation.loss")) > 0);
    scene_release(&s);
}

/* Rows of each part hold a pair of numbers of their own. Trainers have those of training and validation, which shows that the search is
 * one; no trainer has those of the test part. */
static void test_study__no_trainer_holds_a_test_row(void **state)
{
    static const contender_row scanners[] = {
        { "training", "\"optimizer.type=hostile_scanner\", \"+optimizer.part=training\"",
            "plugin error", { "found what it looked for" } },
        { "validation", "\"optimizer.type=hostile_scanner\", \"+optimizer.part=validation\"",
            "plugin error", { "found what it looked for" } },
        { "test", "\"optimizer.type=hostile_scanner\", \"+optimizer.part=test\"", "", { NULL } },
    };
    scene s;
    (void)state;
    begin(&s);
    scene_shell(&s,
        "rows() { echo a,b,c,y > $1.csv; for i in $(seq $4); do echo "
        "$2,$3,$((i * 7 % 5)).5,$((i * 3 % 11)).25 >> $1.csv; done; }\n"
        "mkdir studies; rows studies/training 4.375 1.0625 96; rows studies/validation 2.625 "
        "3.1875 40; rows studies/test 6.75 5.8125 40");
    scene_write(&s, "base.cfg",
        "plugins = ( \"" HOSTILE "hostile_scanner.so\" );\n"
        "data = { type = \"csv\"; file = \"studies/training.csv\"; target = \"y\"; task = "
        "\"real\";\n"
        "  validation_file = \"studies/validation.csv\"; test_file = \"studies/test.csv\";\n"
        "  batch_size = 16; standardize = false; };\n"
        "model = ( { type = \"dense\"; units = 1; } );\n"
        "loss = { type = \"mse\"; }; metrics = ( \"rmse\" );\n"
        "optimizer = { type = \"sgd\"; lr = 0.001; };\n"
        "train = { epochs = 3; };\n");
    write_study(&s, "scan.cfg", scanners, 3);
    run_study(&s, "scan.cfg", "scan");
    for (size_t i = 0; i < 3; i++)
        check_rows(s.out.s, &scanners[i]);
    assert_true(isfinite(number_of(s.out.s, "test", VALUE)));
    scene_release(&s);
}

/* A dataset's plugin makes the data, so a workload of a hostile one has no study; it harms nobody either. */
static void test_study__a_hostile_dataset_ends_the_study_alone(void **state)
{
    static const struct {
        const char *act, *says;
    } data[] = {
        { "crash_null", "segmentation fault in hostile_dataset.so+0x" },
        { "exit_zero", "the process ended itself with code 0" },
        { "write_file", "forbidden system call openat in hostile_dataset.so+0x" },
        { "socket_inet", "forbidden system call socket in hostile_dataset.so+0x" },
        { "fork_bomb", "forbidden system call clone in hostile_dataset.so+0x" },
        { "signal_parent", "forbidden system call kill in hostile_dataset.so+0x" },
        { "memory_malloc", "memory" },
        { "rounding", "floating-point mode" },
    };
    scene s;
    char written[LINE];
    (void)state;
    begin(&s);
    write_study(&s, "data.cfg", NULL, 0);
    scene_shell(&s, "mkdir studies");
    for (size_t i = 0; i < sizeof data / sizeof *data; i++) {
        snprintf(written, sizeof written,
            "plugins = ( \"" HOSTILE "hostile_dataset.so\" );\n"
            "data = { type = \"hostile_dataset\"; act = \"%s\"; batch_size = 16;\n"
            "  split = { validation = 0.25; test = 0.25; }; };\n"
            "model = ( { type = \"dense\"; units = 1; } );\n"
            "loss = { type = \"mse\"; }; metrics = ( \"rmse\" );\n"
            "optimizer = { type = \"sgd\"; lr = 0.001; };\n"
            "train = { epochs = 3; };\n",
            data[i].act);
        scene_write(&s, "base.cfg", written);
        scene_shell(&s, "rm -rf studies/*");
        scene_run(&s, "study", "run", "data.cfg", "-q");
        scene_expect(&s, 2);
        check_processes();
        check_folder(&s);
        if (!strstr(s.err.s, "the data of workload \"w\"") || !strstr(s.err.s, data[i].says))
            GIVE_UP("%s: %s", data[i].act, s.err.s);
    }
    scene_release(&s);
}

/* Said before anything runs, at the program. */
static void test_study__a_foreign_loss_as_the_metric_is_refused(void **state)
{
    scene s;
    (void)state;
    begin(&s);
    write_study(&s, "loss.cfg", NULL, 0);
    scene_run(&s, "study", "run", "loss.cfg", "-q", "study.metric=validation.loss",
        "study.contenders[0].set[0]=loss.type=hostile_loss");
    scene_expect(&s, 2);
    if (!strstr(s.err.s, "shown, never ranked on")) GIVE_UP("%s", s.err.s);
    scene_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_study__each_attack_is_told_and_harms_nobody),
        cmocka_unit_test(test_study__forged_numbers_are_not_recorded),
        cmocka_unit_test(test_study__no_trainer_holds_a_test_row),
        cmocka_unit_test(test_study__a_hostile_dataset_ends_the_study_alone),
        cmocka_unit_test(test_study__a_foreign_loss_as_the_metric_is_refused),
    };
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return 1;
    const int failed = cmocka_run_group_tests_name(
        geteuid() == 0 ? "as root" : "as an ordinary user", tests, NULL, NULL);
    return failed || geteuid() != 0 ? failed : as_ordinary_user("test_hostile_study");
}
