/* A run that went on from a checkpoint in memory is the run that was never stopped; and what of a run can be seen while it goes. */
#include "trust_rig.h"

#include "base/text.h"

/* -- Going on -- */

/* Trains to `epochs` from a checkpoint's bytes or from the start, leaving one where there is room. */
static trained train_to(trust_rig *g, int epochs, const void *from, size_t n_from, bool leaves)
{
    char override[40];
    const char *all[8];
    const job_input was = g->input;
    snprintf(override, sizeof override, "train.epochs=%d", epochs);
    for (size_t i = 0; i < was.n_overrides; i++)
        all[i] = was.overrides[i];
    all[was.n_overrides] = override;
    g->input.overrides = all;
    g->input.n_overrides = was.n_overrides + 1;
    g->input.payload = NULL;
    g->input.n_payload = 0;
    g->input.checkpoint_room = leaves ? trust_plan(g, true).checkpoint_bytes : 0;
    g->input.payload = from;
    g->input.n_payload = n_from;
    trained t = trust_train(g, true);
    g->input = was;
    return t;
}

static const train_row *row_like(const trained *t, const train_row *like)
{
    for (size_t i = 0; i < t->head.n_rows; i++) {
        const train_row *r = &t->rows[i];
        if (r->step == like->step && r->kind == like->kind && r->is_final == like->is_final &&
            strcmp(r->split, like->split) == 0 && strcmp(r->name, like->name) == 0) {
            return r;
        }
    }
    return NULL;
}

/* All that the second half says, the whole run said, too: to the bit. */
static void same_rows(const trained *whole, const trained *half)
{
    for (size_t i = 0; i < half->head.n_rows; i++) {
        const train_row *r = &half->rows[i], *other = row_like(whole, r);
        assert_non_null(other);
        assert_memory_equal(&r->value, &other->value, sizeof r->value);
        assert_true(r->place == other->place);
        assert_int_equal(r->is_best, other->is_best);
    }
    assert_true(half->head.n_rows > 4);
}

static void check_going_on(trust_rig *g)
{
    trained whole = train_to(g, 5, NULL, 0, false);
    trained first = train_to(g, 2, NULL, 0, true);
    assert_true(first.head.checkpoint_bytes > 100);
    assert_true(first.head.checkpoint_bytes <= first.layout.checkpoint_room);
    const unsigned char *bytes = first.result + first.layout.checkpoint_at;
    trained second = train_to(g, 3, bytes, first.head.checkpoint_bytes, true);
    bytes = second.result + second.layout.checkpoint_at;
    trained third = train_to(g, 5, bytes, second.head.checkpoint_bytes, false);
    assert_true(first.head.place == 2 && third.head.place == 5);
    assert_int_equal(whole.head.step, third.head.step);
    assert_int_equal(whole.head.best_step, third.head.best_step);
    assert_int_equal(whole.head.spent.samples_forward, third.head.spent.samples_forward);
    assert_memory_equal(whole.result + whole.layout.floats_at,
        third.result + third.layout.floats_at, whole.layout.n_floats * sizeof(float));
    same_rows(&whole, &third);
    job_free(whole.job);
    job_free(first.job);
    job_free(second.job);
    job_free(third.job);
}

static void check_file(const char *path, const char *const *overrides, size_t n)
{
    trust_rig g = { .input = { .overrides = overrides, .n_overrides = n, .seed = 3 } };
    trust_open_file(&g, path);
    check_going_on(&g);
    trust_close(&g);
}

static void test_checkpoint__a_run_goes_on_to_more_epochs(void **state)
{
    static const char *const digits[] = { "model[0].units=24" };
    static const char *const lion[] = { "model[0].units=24", "optimizer.type=lion" };
    static const char *const untied[] = { "~schedule" }; /* its own ends with the run */
    (void)state;
    check_file(CONFIGS "digits.cfg", digits, 1);
    check_file(CONFIGS "digits.cfg", lion, 2);
    check_file(CONFIGS "batch_norm.cfg", untied, 1);
}

/* Streams begin the second part with the state that the first has left. */
static void test_checkpoint__streams_go_on_where_they_were(void **state)
{
    error err;
    text letters = { 0 };
    trust_rig g = { .input = { .name = "letters.cfg", .seed = 3 } };
    (void)state;
    for (unsigned i = 0; i < 1201; i++) {
        const char c = (char)('a' + (i * i / 7 + i / 3) % 5);
        text_add_bytes(&letters, &c, 1);
    }
    must(file_write_atomic("letters.txt", letters.s, letters.n, &err), &err);
    text_release(&letters);
    g.input.written =
        "data = { type = \"text\"; file = \"letters.txt\"; batch_size = 6; window = 11;\n"
        "  split = { validation = 0.2; test = 0.15; }; };\n"
        "model = ( { type = \"lstm\"; units = 8; }, { type = \"dense\"; units = 5; } );\n"
        "loss = \"softmax_xent\"; metrics = ( \"accuracy\" );\n"
        "optimizer = { type = \"adam\"; lr = 0.01; };\n"
        "train = { accumulate = 2; validate_every = 3; validate_unit = \"step\"; };\n";
    trust_open(&g);
    check_going_on(&g);
    trust_close(&g);
}

static void refused(trust_rig *g, const void *from, size_t n, uint64_t room, const char *says)
{
    error err;
    train_layout l;
    const train_plan p = trust_plan(g, true);
    job_input in = g->input;
    in.payload = from;
    in.n_payload = n;
    in.checkpoint_room = room;
    must(train_layout_of(p.n_w, p.n_b, room, TRUST_ROWS, &l, &err), &err);
    sandbox_job *j = trust_run(g->with[PACK_TRAIN], "train", &in, l.bytes, 0, 0);
    if (job_outcome(j)->class == OUTCOME_OK || !strstr(job_outcome(j)->text, says)) {
        print_error("expected %s, got %s\n", says, job_outcome(j)->text);
        abort();
    }
    job_free(j);
}

static void test_checkpoint__others_and_damaged_ones_are_refused(void **state)
{
    static const char *const overrides[] = { "model[0].units=24", "optimizer.type=sgd" };
    trust_rig g = { .input = { .overrides = overrides, .n_overrides = 1, .seed = 3 } };
    (void)state;
    trust_open_file(&g, CONFIGS "digits.cfg");
    trained first = train_to(&g, 1, NULL, 0, true);
    const size_t n = first.head.checkpoint_bytes;
    unsigned char *bytes = malloc(n);
    assert_non_null(bytes);
    memcpy(bytes, first.result + first.layout.checkpoint_at, n);
    g.input.n_overrides = 2;
    refused(&g, bytes, n, 0, "it belongs to another run: not as they were: optimizer");
    g.input.n_overrides = 1;
    refused(&g, bytes, n - 8, 0, "the checkpoint");
    bytes[n / 2] ^= 1;
    refused(&g, bytes, n, 0, "checksum");
    refused(&g, "nonsense", 8, 0, "the checkpoint");
    refused(&g, NULL, 0, 100, "there is room for 100");
    free(bytes);
    job_free(first.job);
    trust_close(&g);
}

/* -- On the way -- */

static void test_train_rows_peek__sees_what_is_whole(void **state)
{
    static const char *const overrides[] = { "model[0].units=24", "train.epochs=3" };
    enum { ROOM = 7 };
    train_row some[ROOM];
    size_t n = 0, seen = 0;
    trust_rig g = { .input = { .overrides = overrides, .n_overrides = 2, .seed = 3 } };
    (void)state;
    trust_open_file(&g, CONFIGS "digits.cfg");
    trained t = trust_train(&g, true);
    do {
        train_rows_peek(t.result, t.layout.bytes, &t.layout, seen, some, ROOM, &n);
        assert_memory_equal(some, t.rows + seen, n * sizeof *some);
        seen += n;
    } while (n == ROOM);
    assert_int_equal(seen, t.head.n_rows);
    train_rows_peek(t.result, t.layout.bytes - 1, &t.layout, 0, some, ROOM, &n);
    assert_int_equal(n, 0);
    unsigned char *untouched = malloc(t.layout.bytes);
    assert_non_null(untouched);
    memset(untouched, 0xff, t.layout.bytes); /* as it is before the first row */
    train_rows_peek(untouched, t.layout.bytes, &t.layout, 0, some, ROOM, &n);
    assert_int_equal(n, 0);
    free(untouched);
    job_free(t.job);
    trust_close(&g);
}

static void test_train_rows_peek__sees_a_run_that_goes_on(void **state)
{
    static const char *const overrides[] = { "model[0].units=24", "train.epochs=1000000",
        "~train.early_stopping" };
    error err;
    train_layout l;
    train_row rows[32];
    text input = { 0 };
    sandbox_job *j = NULL, *ended = NULL;
    size_t n = 0, bytes, n_seen = 0;
    double place = 0;
    trust_rig g = { .input = { .overrides = overrides, .n_overrides = 3, .seed = 3 } };
    (void)state;
    trust_open_file(&g, CONFIGS "digits.cfg");
    const train_plan p = trust_plan(&g, true);
    must(train_layout_of(p.n_w, p.n_b, 0, TRUST_ROWS, &l, &err), &err);
    must(job_input_write(&g.input, &input, &err), &err);
    const sandbox_call c = { .level = SANDBOX_STRICT,
        .procedure = "train",
        .input = input.s,
        .n_input = input.n,
        .result_bytes = l.bytes };
    must(sandbox_start(g.with[PACK_TRAIN], &c, &j, &err), &err);
    while (n_seen < 100 && !ended) {
        const void *so_far = job_peek(j, &bytes);
        train_rows_peek(so_far, bytes, &l, n_seen, rows, 32, &n);
        for (size_t i = 0; i < n; i++) {
            assert_true(rows[i].place >= place);
            place = rows[i].place;
        }
        n_seen += n;
        must(sandbox_wait(g.with[PACK_TRAIN], 0.005, &ended, &err), &err);
    }
    assert_null(ended); /* all of that was seen while it ran */
    assert_true(place >= 2);
    job_end(j, OUTCOME_PRUNED);
    must(sandbox_wait(g.with[PACK_TRAIN], -1, &ended, &err), &err);
    assert_ptr_equal(ended, j);
    assert_int_equal(job_outcome(j)->class, OUTCOME_PRUNED);
    job_free(j);
    text_release(&input);
    trust_close(&g);
}

/* -- What is read of workers -- */

static void test_job_input__is_read_as_it_was_written(void **state)
{
    static const char *const overrides[] = { "a=1", "b.c=\"x\"" };
    error err;
    text t = { 0 };
    job_input got;
    const job_input in = { .name = "a.cfg",
        .written = "seed = 2;\n",
        .overrides = overrides,
        .n_overrides = 2,
        .seed = 77,
        .data = "data3",
        .judges = true,
        .checkpoint_room = 99,
        .payload = "\0\1\2",
        .n_payload = 3 };
    (void)state;
    must(job_input_write(&in, &t, &err), &err);
    must(job_input_read(t.s, t.n, &got, &err), &err);
    assert_string_equal(got.name, in.name);
    assert_string_equal(got.written, in.written);
    assert_string_equal(got.data, in.data);
    assert_int_equal(got.n_overrides, 2);
    assert_string_equal(got.overrides[1], overrides[1]);
    assert_int_equal(got.seed, 77);
    assert_int_equal(got.checkpoint_room, 99);
    assert_true(got.judges);
    assert_int_equal(got.n_payload, 3);
    assert_memory_equal(got.payload, in.payload, 3);
    job_input_release(&got);
    for (size_t n = 0; n < t.n; n++) {
        char *cut = malloc(n + 1);
        assert_non_null(cut);
        memcpy(cut, t.s, n);
        assert_int_equal(job_input_read(cut, n, &got, &err), E_CORRUPT);
        free(cut);
    }
    text_release(&t);
}

static void test_results__are_read_with_suspicion(void **state)
{
    error err;
    load_head h = { .total = 4096, .can_be_packed = 1 }, got;
    score_head s;
    const score_row *rows;
    predict_layout l;
    const uint64_t n_rows[N_PARTS] = { 5, 3, 2 };
    union {
        score_head head;
        unsigned char bytes[sizeof(score_head) + 2 * sizeof(score_row)];
    } scores = { .head = { .n_rows = 2 } };
    (void)state;
    for (int u = 0; u < N_PACKS; u++) {
        h.at[u] = 1024 + (uint64_t)u * 512;
        h.bytes[u] = 500;
    }
    for (int wrong = 0; wrong < 9; wrong++) {
        load_head x = h;
        if (wrong == 1) x.at[1] = 1025;
        if (wrong == 2) x.at[1] = 1024;
        if (wrong == 3) x.bytes[2] = UINT64_MAX;
        if (wrong == 4) x.at[2] = 8192;
        if (wrong == 5) x.is_filled = 1;
        if (wrong == 6) memset(x.why, 'x', sizeof x.why);
        if (wrong == 7) memset(x.split_hash[1], 'x', sizeof x.split_hash[1]);
        const size_t n = wrong == 8 ? sizeof x - 1 : sizeof x;
        assert_int_equal(load_result_read(&x, n, &got, &err), wrong ? E_CORRUPT : OK);
    }
    for (int wrong = 0; wrong < 4; wrong++) {
        memset(scores.bytes, 0, sizeof scores.bytes);
        scores.head.n_rows = wrong == 1 ? 3 : 2;
        if (wrong == 2) memset(scores.bytes + sizeof(score_head), 'x', sizeof(score_row));
        if (wrong == 3) memset(scores.head.skipped, 'x', sizeof scores.head.skipped);
        assert_int_equal(score_result_read(scores.bytes, sizeof scores.bytes, &s, &rows, &err),
            wrong ? E_CORRUPT : OK);
    }
    must(predict_layout_of(4, n_rows, false, &l, &err), &err);
    assert_int_equal(l.n_floats, 12);
    must(predict_layout_of(4, n_rows, true, &l, &err), &err);
    assert_int_equal(l.n_floats, 20);
    assert_int_equal(predict_layout_of(UINT64_MAX / 4, n_rows, true, &l, &err), E_RANGE);
    must(predict_layout_of(4, n_rows, true, &l, &err), &err);
    unsigned char *bytes = calloc(1, l.bytes);
    assert_non_null(bytes);
    for (int wrong = 0; wrong < 5; wrong++) {
        predict_head x = l.head;
        x.n_shards = wrong == 1 ? 0 : wrong == 2 ? UINT64_MAX : 2;
        if (wrong == 3) x.n_outputs = 5;
        if (wrong == 4) x.n_rows[PART_TEST] = 1;
        memcpy(bytes, &x, sizeof x);
        assert_int_equal(predict_result_check(bytes, l.bytes, &l, &err), wrong ? E_CORRUPT : OK);
    }
    assert_int_equal(predict_result_check(bytes, l.bytes - 1, &l, &err), E_CORRUPT);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checkpoint__a_run_goes_on_to_more_epochs),
        cmocka_unit_test_setup_teardown(
            test_checkpoint__streams_go_on_where_they_were, enter_scratch, leave_scratch),
        cmocka_unit_test(test_checkpoint__others_and_damaged_ones_are_refused),
        cmocka_unit_test(test_train_rows_peek__sees_what_is_whole),
        cmocka_unit_test(test_train_rows_peek__sees_a_run_that_goes_on),
        cmocka_unit_test(test_job_input__is_read_as_it_was_written),
        cmocka_unit_test(test_results__are_read_with_suspicion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
