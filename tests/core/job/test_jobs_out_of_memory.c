/* Allocations of the procedures load, plan, train, predict and score fail, one after the other: each job is refused as the host's fault, and one
 * that is not has the result that it always has, to the bit.
 *
 * The jobs run at level none, that is, in this process, where the linker's --wrap (test_jobs_out_of_memory.link) puts the allocators below
 * between the core's libraries and the C library's. Looking for plugins is allocating, too: a copy of this program runs in a folder
 * with those alone that are used, which are its own there, so that the scorer takes them. */
#include "core/job/trust_rig.h"
#include "support/wrapped_allocator.h"

#include <dirent.h>

/* A copy of this program beside copies of the plugins. */
static int run_in_a_folder_of_its_own(void)
{
    static const char line[] =
        "set -e; D=$(mktemp -d /tmp/assay-jobs-XXXXXX); trap 'rm -rf $D' EXIT; mkdir $D/plugins\n"
        "for p in dataset/linear layer/dense layer/tanh loss/mse metric/rmse optimizer/sgd; do\n"
        "  cp " TEST_BUILD_DIR "/plugins/$p.so $D/plugins/; done\n"
        "cp /proc/$PPID/exe $D/test_jobs; env -u ASSAY_PLUGIN_PATH XDG_DATA_HOME=$D $D/test_jobs "
        "here";
    const int how = system(line);
    return WIFEXITED(how) ? WEXITSTATUS(how) : 1;
}

static size_t count_in_fds(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static const char written[] =
    "data = { type = \"linear\"; samples = 96; features = 4; batch_size = 16; standardize = true;\n"
    "  split = { validation = 0.25; test = 0.25; }; };\n"
    "model = ( { type = \"dense\"; units = 3; }, { type = \"tanh\"; }, { type = \"dense\"; units = "
    "1; } "
    ");\n"
    "loss = \"mse\"; metrics = ( \"rmse\" );\n"
    "optimizer = { type = \"sgd\"; lr = 0.01; momentum = 0.9; };\n"
    "train = { epochs = 2; replicas = 1; threads = 1; };\n";

/* One procedure with its input. */
typedef struct subject {
    sandbox *sandbox;
    const char *name;
    text input;
    size_t bytes;
    size_t compared_at; /* a result is the same from here on: what is before it holds times */
    unsigned char *expected;
} subject;

static sandbox_job *run_once(const subject *s, error *err)
{
    sandbox_job *j = NULL;
    const sandbox_call c = { .level = SANDBOX_NONE,
        .procedure = s->name,
        .input = s->input.s,
        .n_input = s->input.n,
        .result_bytes = s->bytes };
    if (sandbox_start(s->sandbox, &c, &j, err) != OK) return NULL;
    sandbox_job *ended = NULL;
    return sandbox_wait(s->sandbox, -1, &ended, err) == OK && ended == j ? j : NULL;
}

static void expect_same(const subject *s, const sandbox_job *j, long at)
{
    size_t n;
    const unsigned char *got = job_result(j, &n);
    if (memcmp(got + s->compared_at, s->expected + s->compared_at, s->bytes - s->compared_at) == 0)
        return;
    print_error("%s: allocation %ld: another result\n", s->name, at);
    abort();
}

/* Every allocation of a job fails once. */
static void sweep(subject *s)
{
    error err;
    size_t n_refused = 0;
    const size_t n_open = count_in_fds();
    for (long n = 0;; n++) {
        n_allocations = 0;
        fails_at = n;
        sandbox_job *j = run_once(s, &err);
        fails_at = -1;
        const outcome *o = j ? job_outcome(j) : NULL;
        if (!j) {
            assert_int_equal(err.code, E_NOMEM);
        } else if (o->class == OUTCOME_OK) {
            expect_same(s, j, n);
        } else if (o->class != OUTCOME_HOST_ERROR) {
            print_error(
                "%s: allocation %ld: %s: %s\n", s->name, n, outcome_name(o->class), o->text);
            abort();
        }
        n_refused += !j || o->class != OUTCOME_OK;
        job_free(j);
        assert_int_equal(count_in_fds(), n_open);
        if (n_allocations <= n) break;
    }
    assert_true(n_refused >= 20);
}

/* The result without a failure, which is what all others are held against. */
static const unsigned char *run_well(subject *s)
{
    error err;
    size_t n;
    sandbox_job *j = run_once(s, &err);
    if (!j || job_outcome(j)->class != OUTCOME_OK) {
        print_error("%s: %s\n", s->name, j ? job_outcome(j)->text : err.text);
        abort();
    }
    free(s->expected);
    s->expected = mem_aligned(s->bytes, 1); /* packs are mapped as they are */
    assert_non_null(s->expected);
    memcpy(s->expected, job_result(j, &n), s->bytes);
    job_free(j);
    return s->expected;
}

static void set_input(subject *s, sandbox *in, const char *name, const job_input *i, size_t bytes)
{
    error err;
    text_release(&s->input);
    s->sandbox = in;
    s->name = name;
    s->bytes = bytes;
    must(job_input_write(i, &s->input, &err), &err);
}

static void release(subject *s)
{
    text_release(&s->input);
    free(s->expected);
}

static void test_jobs_out_of_memory__are_refused_or_as_ever(void **state)
{
    error err;
    subject load = { 0 }, plan = { 0 }, train = { 0 }, predict = { 0 }, score = { 0 };
    load_head head;
    train_plan p;
    train_layout l;
    predict_layout y;
    job_input in = { .name = "/tmp/jobs.cfg", .written = written, .seed = 3 };
    (void)state;
    sandbox *open = trust_sandbox(NULL, 0);
    set_input(&load, open, "load", &in, sizeof head);
    must(load_result_read(run_well(&load), load.bytes, &head, &err), &err);
    set_input(&load, open, "load", &in, (size_t)head.total);
    must(load_result_read(run_well(&load), load.bytes, &head, &err), &err);
    assert_true(head.is_filled);
    sandbox_input packs[N_PACKS];
    for (int u = 0; u < N_PACKS; u++) {
        packs[u] = (sandbox_input){ pack_use_name((pack_use)u), load.expected + head.at[u],
            (size_t)head.bytes[u] };
    }
    sandbox *with = trust_sandbox(packs, N_PACKS);
    in.data = pack_use_name(PACK_TRAIN);
    set_input(&plan, with, "plan", &in, sizeof p);
    memcpy(&p, run_well(&plan), sizeof p);
    must(train_layout_of(p.n_w, p.n_b, 0, TRUST_ROWS, &l, &err), &err);
    set_input(&train, with, "train", &in, l.bytes);
    train.compared_at = l.floats_at;
    in.payload = run_well(&train) + l.last_w;
    in.n_payload = (size_t)(p.n_w + p.n_b) * sizeof(float);
    in.data = pack_use_name(PACK_PREDICT);
    in.judges = true;
    must(predict_layout_of(p.n_outputs, head.n_output_rows, true, &y, &err), &err);
    set_input(&predict, with, "predict", &in, y.bytes);
    in.payload = run_well(&predict);
    in.n_payload = y.bytes;
    in.data = pack_use_name(PACK_SCORE);
    set_input(&score, with, "score", &in, score_result_bytes(TRUST_SCORES));
    score_head scores;
    const score_row *rows;
    must(score_result_read(run_well(&score), score.bytes, &scores, &rows, &err), &err);
    assert_int_equal(scores.n_skipped, 0);
    assert_true(scores.n_rows >= 4);
    subject *const all[] = { &load, &plan, &train, &predict, &score };
    for (size_t i = 0; i < 5; i++)
        sweep(all[i]);
    sandbox_close(with);
    sandbox_close(open);
    for (size_t i = 0; i < 5; i++)
        release(all[i]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_out_of_memory__are_refused_or_as_ever),
    };
    if (argc == 2 && strcmp(argv[1], "here") == 0) {
        return cmocka_run_group_tests(tests, NULL, NULL);
    }
    return run_in_a_folder_of_its_own();
}
