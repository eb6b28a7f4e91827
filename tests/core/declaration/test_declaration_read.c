/* Declarations as users write them: the examples of configs/README.md, runs that pass a study over, and files that are damaged. */
#include "core/declaration/declaration_scene.h"

#include "train/trainer.h"

/* -- the README -- */

/* The i-th code block of the section that is a study, without its indent; NULL behind the last. From malloc. */
static char *example(const char *readme, size_t i)
{
    const char *at = strstr(readme, "\n## study");
    text t = { 0 };
    assert_non_null(at);
    for (size_t k = 0; k <= i; k++) {
        at = strstr(at + 1, "\n    study = {");
        if (!at) return NULL;
    }
    for (const char *line = at + 1; strncmp(line, "    ", 4) == 0;) {
        const size_t n = strcspn(line, "\n") + 1;
        text_add_bytes(&t, line + 4, n - 4);
        line += n;
    }
    assert_false(t.failed);
    return t.s;
}

static void slurp(const char *path, char **out)
{
    size_t n;
    assert_int_equal(file_read(path, out, &n, NULL), OK);
}

static void copy(const char *name)
{
    char from[512];
    snprintf(from, sizeof from, "%s/configs/%s", TEST_SOURCE_DIR, name);
    char *s;
    slurp(from, &s);
    spill(name, s);
    free(s);
}

static void test_readme__has_examples_that_are_studies(void **state)
{
    scene *t = *state;
    char *readme, all[8192];
    size_t n = 0;
    slurp(TEST_SOURCE_DIR "/configs/README.md", &readme);
    copy("digits.cfg");
    copy("iris.cfg");
    for (char *s; (s = example(readme, n)) != NULL; n++) {
        const bool is_whole = strstr(s, "workloads") != NULL;
        snprintf(all, sizeof all, "%s%s", is_whole ? "" : run_text, s);
        (void)loaded(t, all);
        if (n == 0) assert_true(t->d->is_plain);
        if (n == 1) {
            size_t n_warnings;
            assert_int_equal(t->d->n_workloads, 2);
            assert_int_equal(declaration_n_tuning(t->d), 2 * 2 * 5 * 20);
            assert_int_equal(declaration_check(t->r, t->d, &t->warnings, &n_warnings, &t->err), OK);
            if (n_warnings > 1) print_error("%s", t->warnings.s);
            assert_int_equal(n_warnings, 1); /* of the decades of eps */
        }
        if (n == 2) assert_int_equal(t->d->workloads[0].kind, WORKLOAD_COMMAND);
        free(s);
    }
    assert_int_equal(n, 3);
    free(readme);
}

/* Every key of the README's table can be written. */
static void test_readme__tells_of_keys_that_there_are(void **state)
{
    scene *t = *state;
    char *readme, group[64] = "";
    slurp(TEST_SOURCE_DIR "/configs/README.md", &readme);
    const char *table = strstr(readme, "\n## study");
    size_t n = 0;
    assert_non_null(table);
    for (const char *at = table; (at = strstr(at, "\n| `")) != NULL; at++) {
        const char *end = at + 3 + strcspn(at + 3, "|");
        for (const char *p = at; (p = memchr(p, '`', (size_t)(end - p))) != NULL;) {
            char key[64], all[1024];
            const size_t length = strcspn(p + 1, "`");
            snprintf(key, sizeof key, "%.*s", (int)length, p + 1);
            p += length + 2;
            const char *dot = strchr(key, '.');
            if (dot && dot > key) snprintf(group, sizeof group, "%.*s", (int)(dot - key), key);
            /* a value of no right type for any key: what is told is the value, never that the key is unknown */
            snprintf(all, sizeof all,
                dot ? "study = { search = \"optimizer.lr=1e-4..1:log\"; workloads = ( { config = "
                      "\"blobs.cfg\"; } ); %s = { %s = ( { } ); }; };"
                    : "study = { %.0s%s = ( ( ) ); };",
                dot ? group : "", dot ? dot + 1 : key);
            assert_int_not_equal(load(t, all, NULL), OK);
            if (strstr(t->err.text, "unknown")) print_error("%s: %s\n", key, t->err.text);
            assert_null(strstr(t->err.text, "unknown"));
            n++;
        }
    }
    assert_true(n >= 30);
    free(readme);
}

/* -- runs -- */

static status train(scene *t, const char *written)
{
    config *c = NULL;
    trainer *made = NULL;
    const trainer_options o = { .dry_run = true };
    assert_int_equal(config_parse("x.cfg", written, &c, &t->err), OK);
    const status st = trainer_new(t->r, c, &o, &made, &t->err);
    trainer_free(made);
    config_free(c);
    return st;
}

static void test_run__passes_a_study_over(void **state)
{
    scene *t = *state;
    char all[4096];
    snprintf(all, sizeof all, "%sstudy = { search = \"nonsense\"; colour = 3; };", run_text);
    const status st = train(t, all);
    if (st != OK) print_error("%s\n", t->err.text);
    assert_int_equal(st, OK);
    assert_int_equal(train(t, "\nstudy = { search = \"x=1..3\"; };"), E_MISSING);
    assert_string_equal(
        t->err.text, "x.cfg:2: this file describes a study: run it with assay study run x.cfg");
}

/* -- damage -- */

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* Bytes of a study are changed, left out and doubled: whatever comes of it is a study, or is refused with a reason. */
static void test_damaged_studies__are_read_or_refused(void **state)
{
    scene *t = *state;
    static const char signs[] = "{}()[]=;,\".:?#\\/*{} 019-eE@abz\n~+";
    const char *whole =
        comparison("budget = { trials = 3; samples = 1e6; };\n strategy = { type = "
                   "\"qmc\"; };\n sandbox = { memory = \"256M\"; wall = 33.0; };\n");
    const size_t n = strlen(whole);
    uint64_t random = 0x2385731;
    size_t n_read = 0, n_refused = 0;
    for (int round = 0; round < 1500; round++) {
        char damaged[8192];
        memcpy(damaged, whole, n + 1);
        for (uint64_t k = 1 + next_random(&random) % 3; k > 0; k--) {
            const size_t at = next_random(&random) % (strlen(damaged) - 1);
            const size_t length = strlen(damaged + at);
            switch (next_random(&random) % 3) {
            case 0: damaged[at] = signs[next_random(&random) % (sizeof signs - 1)]; break;
            case 1: memmove(damaged + at, damaged + at + 1, length); break;
            default: memmove(damaged + at + 1, damaged + at, length + 1); break;
            }
        }
        t->err.text[0] = '\0';
        const status st = load(t, damaged, NULL);
        if (st == OK) {
            declaration *again = NULL;
            n_read++;
            assert_int_equal(declaration_read(t->r, "x", t->d->written.s, &again, &t->err), OK);
            assert_string_equal(again->hash, t->d->hash);
            declaration_free(again);
            continue;
        }
        n_refused++;
        const bool is_told = st != E_INTERNAL && st != E_CORRUPT && st != E_NOMEM && t->err.text[0];
        if (!is_told) print_error("%s: %s\n%s\n", status_name(st), t->err.text, damaged);
        assert_true(is_told);
    }
    assert_true(n_read > 50 && n_refused > 500);
}

/* The same of what a store holds. */
static void test_damaged_declarations__are_read_or_corrupt(void **state)
{
    scene *t = *state;
    const declaration *d = loaded(t, comparison(""));
    uint64_t random = 0x731;
    size_t n_corrupt = 0;
    char *damaged = malloc(d->written.n + 1);
    assert_non_null(damaged);
    for (int round = 0; round < 600; round++) {
        declaration *again = NULL;
        memcpy(damaged, d->written.s, d->written.n + 1);
        damaged[next_random(&random) % d->written.n] = (char)(1 + next_random(&random) % 126);
        const status st = declaration_read(t->r, "x", damaged, &again, &t->err);
        if (st != OK) assert_int_equal(st, E_CORRUPT);
        n_corrupt += st != OK;
        declaration_free(again);
    }
    assert_true(n_corrupt > 100);
    free(damaged);
}

/* -- whole numbers and reals -- */

static uint64_t type_of(const declaration *d, const char *name)
{
    const space *s = &d->contenders[0].space;
    const size_t i = space_find(s, name);
    assert_true(i < s->n);
    return s->dimensions[i].type;
}

static void test_ranges__of_real_keys_are_reals(void **state)
{
    scene *t = *state;
    char all[4096];
    snprintf(all, sizeof all, "%s%s", run_text,
        "study = { search = \"optimizer.lr=1..3:log optimizer.momentum=0..1 train.l2=0..1 "
        "model[0].units=7..9 data.split.test=0..1 schedule.decay=0..1 train.epochs=2..3 "
        "data.batch_size=4..9 optimizer.weight_decay=0..1:int train.clip_norm=0..4:step=2\"; };");
    const declaration *d = loaded(t, all);
    assert_int_equal(type_of(d, "optimizer.lr"), ASSAY_SPACE_REAL);
    assert_int_equal(type_of(d, "optimizer.momentum"), ASSAY_SPACE_REAL);
    assert_int_equal(type_of(d, "train.l2"), ASSAY_SPACE_REAL);
    assert_int_equal(type_of(d, "data.split.test"), ASSAY_SPACE_REAL);
    assert_int_equal(type_of(d, "schedule.decay"), ASSAY_SPACE_REAL);
    assert_int_equal(type_of(d, "model[0].units"), ASSAY_SPACE_INT);
    assert_int_equal(type_of(d, "train.epochs"), ASSAY_SPACE_INT);
    assert_int_equal(type_of(d, "data.batch_size"), ASSAY_SPACE_INT);
    assert_int_equal(type_of(d, "optimizer.weight_decay"), ASSAY_SPACE_INT); /* it was told */
    assert_int_equal(type_of(d, "train.clip_norm"), ASSAY_SPACE_INT); /* the same points */
}

static void test_ranges__are_those_of_what_the_contender_has_or_chooses(void **state)
{
    scene *t = *state;
    const char *set = "study = { set = [\"optimizer.type=adam\"]; search = { optimizer = { beta1 = "
                      "[0, 1]; }; };\n workloads = ( { config = \"blobs.cfg\"; } ); };";
    assert_int_equal(type_of(loaded(t, set), "optimizer.beta1"), ASSAY_SPACE_REAL);
    const char *chosen = "study = { search = \"optimizer.type=sgd,adam "
                         "optimizer.beta1=0..1?optimizer.type=adam\";\n"
                         "workloads = ( { config = \"blobs.cfg\"; } ); };";
    assert_int_equal(type_of(loaded(t, chosen), "optimizer.beta1"), ASSAY_SPACE_REAL);
}

static void test_ranges__of_programs_are_as_written_and_a_pair_is_doubted(void **state)
{
    scene *t = *state;
    size_t n = 0;
    const declaration *d = loaded(t,
        "study = { metric = \"z\"; direction = \"min\"; search = \"x=3..4 n=3..7\";\n"
        "workloads = ( { name = \"p\"; command = [\"p\", \"{x}\", \"{n}\"]; } ); };");
    assert_int_equal(type_of(d, "x"), ASSAY_SPACE_INT);
    assert_int_equal(declaration_check(t->r, d, &t->warnings, &n, &t->err), OK);
    assert_int_equal(n, 1);
    assert_non_null(strstr(t->warnings.s, "study.cfg:1: x=3..4 is searched as two whole numbers"));
    assert_non_null(strstr(t->warnings.s, "3.0..4.0"));
}

/* -- groups of the study that a file does not have -- */

static void test_overrides__need_no_plus_for_groups_that_every_study_has(void **state)
{
    static const char *const overrides[] = { "study.budget.trials=37", "study.fidelity.max=6",
        "study.sandbox.wall=7.5", "study.retry.lost=2" };
    static const char *const sweeps[] = { "optimizer.lr=1e-4..1:log" };
    const declaration_options o = {
        .overrides = overrides, .n_overrides = 4, .sweeps = sweeps, .n_sweeps = 1
    };
    scene *t = *state;
    assert_int_equal(load(t, run_text, &o), OK);
    assert_int_equal(t->d->budget_trials, 37);
    assert_true(t->d->max_fidelity == 6);
    assert_true(t->d->limits.wall_s == 7.5);
    assert_int_equal(t->d->retry_lost, 2);
    static const char *const unknown[] = { "study.budgets.trials=37" };
    const declaration_options bad = {
        .overrides = unknown, .n_overrides = 1, .sweeps = sweeps, .n_sweeps = 1
    };
    assert_int_not_equal(load(t, run_text, &bad), OK);
    assert_non_null(strstr(t->err.text, "budgets"));
}

/* -- plugins -- */

static void test_plugins__of_the_study_are_those_of_its_runs(void **state)
{
    scene *t = *state;
    char expected[256];
    assert_int_equal(symlink(TEST_BUILD_DIR "/plugins/optimizer/lion.so", "own.so"), 0);
    const declaration *d = loaded(t,
        "plugins = ( \"./own.so\" );\n"
        "study = { search = \"optimizer.lr=1e-4..1:log\";\n"
        "workloads = ( { config = \"blobs.cfg\"; }, { name = \"has\"; config = \"blobs.cfg\"; "
        "set = [\"plugins=[\\\"./own.so\\\"]\"]; } ); };");
    snprintf(expected, sizeof expected, "plugins=[\"%s/own.so\"]", t->folder);
    assert_int_equal(d->workloads[0].n_overrides, 1);
    assert_string_equal(d->workloads[0].overrides[0], expected);
    assert_int_equal(d->workloads[1].n_overrides, 1); /* has it already */
    char all[4096];
    snprintf(all, sizeof all, "plugins = ( \"./own.so\" );\n%s%s", run_text,
        "study = { search = \"optimizer.lr=1e-4..1:log\"; };");
    assert_int_equal(loaded(t, all)->workloads[0].n_overrides, 0); /* the file itself has them */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter_scene, leave_scene)
    const struct CMUnitTest tests[] = {
        TEST(test_readme__has_examples_that_are_studies),
        TEST(test_readme__tells_of_keys_that_there_are),
        TEST(test_run__passes_a_study_over),
        TEST(test_damaged_studies__are_read_or_refused),
        TEST(test_damaged_declarations__are_read_or_corrupt),
        TEST(test_ranges__of_real_keys_are_reals),
        TEST(test_ranges__are_those_of_what_the_contender_has_or_chooses),
        TEST(test_ranges__of_programs_are_as_written_and_a_pair_is_doubted),
        TEST(test_overrides__need_no_plus_for_groups_that_every_study_has),
        TEST(test_plugins__of_the_study_are_those_of_its_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
