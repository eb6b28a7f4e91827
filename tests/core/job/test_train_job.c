/* Training in a worker gives the bits of `assay train`, at every level; what it leaves is read with suspicion. */
#include "core/cli/process.h"
#undef fail

#include "base/file.h"
#include "model/weights.h"
#include "sandbox/sandbox.h"
#include "job/job_input.h"
#include "job/train_job.h"
#include "train/trainer.h"

#include <math.h>

enum { MOST_ROWS = 4000 };

static const char *const overrides[] = { "train.epochs=6", "model[0].units=32" };

static sandbox *open_sandbox(void)
{
    error err;
    sandbox *s = NULL;
    static procedure table[2]; /* the sandbox borrows it */
    table[0] = plan_procedure;
    table[1] = train_procedure;
    static const char *const readable[] = { TEST_SOURCE_DIR "/configs", NULL };
    const sandbox_options o = {
        .program = PROGRAM, .procedures = table, .n_procedures = 2, .readable = readable
    };
    if (setenv("ASSAY_PLUGIN_PATH", TEST_BUILD_DIR "/plugins", 1) != 0 ||
        sandbox_open(&o, &s, &err) != OK) {
        print_error("%s\n", err.text);
        abort();
    }
    return s;
}

static text input_of(const char *const *more, size_t n_more)
{
    error err;
    text t = { 0 };
    char *written;
    size_t n;
    const char *const path = CONFIGS "digits.cfg";
    assert_int_equal(file_read(path, &written, &n, &err), OK);
    const job_input in = {
        .name = path, .written = written, .overrides = more, .n_overrides = n_more, .seed = 3
    };
    assert_int_equal(job_input_write(&in, &t, &err), OK);
    free(written);
    return t;
}

static sandbox_job *run(
    sandbox *s, sandbox_level level, const char *name, const text *input, size_t bytes)
{
    error err;
    sandbox_job *j = NULL;
    const sandbox_call c = { .level = level,
        .procedure = name,
        .input = input->s,
        .n_input = input->n,
        .result_bytes = bytes };
    if (sandbox_start(s, &c, &j, &err) != OK || sandbox_wait(s, -1, &j, &err) != OK) {
        print_error("%s\n", err.text);
        abort();
    }
    return j;
}

static train_layout plan_of(sandbox *s, const text *input)
{
    error err;
    size_t n;
    train_plan p;
    train_layout l;
    sandbox_job *j = run(s, SANDBOX_STRICT, "plan", input, sizeof p);
    assert_string_equal(job_outcome(j)->text, "done");
    memcpy(&p, job_result(j, &n), sizeof p);
    job_free(j);
    assert_int_equal(p.n_params, 64 * 32 + 32 + 32 * 10 + 10);
    assert_int_equal(p.n_rows[0] + p.n_rows[1] + p.n_rows[2], 1797);
    assert_int_equal(strlen(p.split_hash[2]), 32);
    assert_int_equal(train_layout_of(p.n_w, p.n_b, 0, MOST_ROWS, &l, &err), OK);
    return l;
}

/* Reads a file of weights into a model that is planned for it, and gives back its flat buffer. */
static float *weights_of_file(const char *path, size_t n_w)
{
    error err;
    registry *r = NULL;
    config *c = NULL;
    trainer *t = NULL;
    const registry_options o = { .program_path = PROGRAM };
    const trainer_options none = { .dry_run = true };
    float *w = calloc(n_w, sizeof *w);
    if (!w || registry_new(&o, &r, &err) != OK ||
        config_load(CONFIGS "digits.cfg", &c, &err) != OK ||
        config_override(c, overrides[0], &err) != OK ||
        config_override(c, overrides[1], &err) != OK || trainer_new(r, c, &none, &t, &err) != OK ||
        weights_load(trainer_model(t), path, &err) != OK) {
        print_error("%s\n", err.text);
        abort();
    }
    assert_int_equal(trainer_model(t)->n_flat, n_w);
    memcpy(w, trainer_model(t)->w, n_w * sizeof *w);
    trainer_free(t);
    config_free(c);
    registry_free(r);
    return w;
}

static void test_train_job__gives_the_bits_of_assay_train(void **state)
{
    error err;
    sandbox *s = open_sandbox();
    text input = input_of(overrides, 2);
    const train_layout l = plan_of(s, &input);
    const size_t n_w = (l.last_b - l.last_w) / sizeof(float);
    (void)state;
    const int code = system("'" PROGRAM "' train -q " CONFIGS "digits.cfg train.epochs=6 "
                            "'model[0].units=32' --seed 3 -o run >/dev/null 2>&1");
    assert_int_equal(code, 0);
    float *last = weights_of_file("run/last.safetensors", n_w);
    float *best = weights_of_file("run/best.safetensors", n_w);
    for (int level = SANDBOX_NONE; level <= SANDBOX_STRICT; level++) {
        size_t n;
        train_head head;
        const train_row *rows;
        bool has_test = false;
        sandbox_job *j = run(s, (sandbox_level)level, "train", &input, l.bytes);
        assert_string_equal(job_outcome(j)->text, "done");
        const unsigned char *got = job_result(j, &n);
        assert_int_equal(train_result_read(got, n, &l, &head, &rows, &err), OK);
        assert_memory_equal(got + l.last_w, last, n_w * sizeof(float));
        assert_memory_equal(got + l.best_w, best, n_w * sizeof(float));
        assert_int_equal(head.stop, STOP_EPOCHS);
        assert_int_equal(head.epoch, 6);
        assert_int_equal(head.n_dropped, 0);
        assert_true(head.spent.samples_forward > 6 * 1200);
        for (size_t i = 0; i < head.n_rows; i++) {
            if (strcmp(rows[i].split, "test") == 0 && strcmp(rows[i].name, "accuracy") == 0)
                has_test = rows[i].is_final && rows[i].value > 0.8;
        }
        assert_true(has_test);
        job_free(j);
    }
    free(last);
    free(best);
    text_release(&input);
    sandbox_close(s);
}

/* Also with OpenBLAS's products, which a host that has not closed its threads would make otherwise, and with a team. */
static void test_train_job__has_the_same_bits_at_every_level(void **state)
{
    static const struct {
        const char *config;
        const char *overrides[3];
    } runs[] = { { CONFIGS "airline-lstm.cfg",
                     { "train.epochs=2", "train.replicas=1", "train.threads=1" } },
        { CONFIGS "spirals.cfg", { "train.epochs=5", "train.replicas=2", "train.threads=2" } } };
    enum { ROOM = 1 << 24 };
    error err;
    sandbox *s = open_sandbox();
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        text input = { 0 };
        char *written;
        size_t n, at = 0, bytes = 0;
        sandbox_job *first = NULL;
        sandbox_limits limits = sandbox_default_limits;
        limits.n_threads = 2;
        assert_int_equal(file_read(runs[i].config, &written, &n, &err), OK);
        const job_input in = { .name = runs[i].config,
            .written = written,
            .overrides = runs[i].overrides,
            .n_overrides = 3,
            .seed = 1 };
        assert_int_equal(job_input_write(&in, &input, &err), OK);
        for (int level = SANDBOX_NONE; level <= SANDBOX_STRICT; level++) {
            sandbox_job *j = NULL;
            const sandbox_call c = { .level = (sandbox_level)level,
                .procedure = "train",
                .input = input.s,
                .n_input = input.n,
                .result_bytes = ROOM,
                .limits = &limits };
            assert_int_equal(sandbox_start(s, &c, &j, &err), OK);
            assert_int_equal(sandbox_wait(s, -1, &j, &err), OK);
            assert_string_equal(job_outcome(j)->text, "done");
            if (!first) {
                train_head h;
                train_layout l;
                memcpy(&h, job_result(j, &n), sizeof h);
                assert_int_equal(train_layout_of(h.n_w, h.n_b, 0, h.n_rows, &l, &err), OK);
                at = l.floats_at;
                bytes = l.bytes - at;
                first = j;
                continue;
            }
            assert_memory_equal((const char *)job_result(j, &n) + at,
                (const char *)job_result(first, &n) + at, bytes);
            job_free(j);
        }
        job_free(first);
        free(written);
        text_release(&input);
    }
    sandbox_close(s);
}

static void test_train_job__says_what_is_wrong(void **state)
{
    static const struct {
        const char *override;
        outcome_class class;
        const char *says;
    } rows[] = {
        { "optimizer.type=adan2", OUTCOME_PLUGIN_ERROR, "did you mean \"adan\"?, phase load" },
        { "optimizer.beta=1", OUTCOME_PLUGIN_ERROR, "did you mean" },
        { "data.file=\"none.csv\"", OUTCOME_PLUGIN_ERROR, "cannot be opened" },
        { "optimizer.lr=1e30", OUTCOME_NONFINITE, "step 2: the loss is not finite" },
        { "plugins=(\"/no/such.so\")", OUTCOME_PLUGIN_ERROR, "/no/such.so" },
    };
    sandbox *s = open_sandbox();
    text none = input_of(overrides, 2);
    const train_layout l = plan_of(s, &none);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const all[] = { overrides[0], overrides[1], rows[i].override };
        text input = input_of(all, 3);
        sandbox_job *j = run(s, SANDBOX_STRICT, "train", &input, l.bytes);
        const outcome *o = job_outcome(j);
        if (o->class != rows[i].class || !strstr(o->text, rows[i].says)) {
            print_error("%s: %s: %s\n", rows[i].override, outcome_name(o->class), o->text);
            assert_true(false);
        }
        job_free(j);
        text_release(&input);
    }
    sandbox_job *j = run(s, SANDBOX_STRICT, "train", &none, 1000);
    assert_int_equal(job_outcome(j)->class, OUTCOME_HOST_ERROR);
    assert_non_null(strstr(job_outcome(j)->text, "is too small for this run"));
    job_free(j);
    text_release(&none);
    sandbox_close(s);
}

/* Rows beyond the room are counted, and the rest is as it was. */
static void test_train_job__drops_rows_that_have_no_room(void **state)
{
    error err;
    size_t n;
    train_head head;
    const train_row *rows;
    sandbox *s = open_sandbox();
    text input = input_of(overrides, 2);
    const train_layout l = plan_of(s, &input);
    train_layout few;
    (void)state;
    assert_int_equal(
        train_layout_of((l.last_b - l.last_w) / 4, (l.best_w - l.last_b) / 4, 0, 3, &few, &err),
        OK);
    sandbox_job *j = run(s, SANDBOX_STRICT, "train", &input, few.bytes);
    assert_string_equal(job_outcome(j)->text, "done");
    const void *got = job_result(j, &n);
    assert_int_equal(train_result_read(got, n, &few, &head, &rows, &err), OK);
    assert_int_equal(head.n_rows, 3);
    assert_true(head.n_dropped > 10);
    job_free(j);
    text_release(&input);
    sandbox_close(s);
}

static void test_train_job__reads_results_with_suspicion(void **state)
{
    error err;
    train_layout l;
    train_head head;
    const train_row *rows;
    (void)state;
    assert_int_equal(train_layout_of(UINT64_MAX / 8, 1, 0, 1, &l, &err), E_RANGE);
    assert_int_equal(train_layout_of(17, 3, 0, 2, &l, &err), OK);
    unsigned char *bytes = calloc(1, l.bytes);
    assert_non_null(bytes);
    const train_head good = { .n_w = 17, .n_b = 3, .n_rows = 2, .stop = STOP_EARLY };
    for (int wrong = 0; wrong < 9; wrong++) {
        train_head h = good;
        train_row r[2] = { { .kind = RECORD_STEP, .name = "a" },
            { .kind = RECORD_STEP, .name = "b" } };
        if (wrong == 1) h.n_w = 18;
        if (wrong == 2) h.n_rows = 3;
        if (wrong == 3) h.stop = 99;
        if (wrong == 4) h.has_best = 2;
        if (wrong == 5) memset(r[1].name, 'x', sizeof r[1].name);
        if (wrong == 6) r[0].kind = 1000;
        if (wrong == 8) h.n_b += UINT64_C(1) << 63; /* twice as much is the same again */
        memcpy(bytes, &h, sizeof h);
        memcpy(bytes + l.rows_at, r, sizeof r);
        const size_t n = wrong == 7 ? l.bytes - 1 : l.bytes;
        assert_int_equal(
            train_result_read(bytes, n, &l, &head, &rows, &err), wrong ? E_CORRUPT : OK);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_train_job__gives_the_bits_of_assay_train, enter_scratch, leave_scratch),
        cmocka_unit_test(test_train_job__has_the_same_bits_at_every_level),
        cmocka_unit_test(test_train_job__says_what_is_wrong),
        cmocka_unit_test(test_train_job__drops_rows_that_have_no_room),
        cmocka_unit_test(test_train_job__reads_results_with_suspicion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
