/* From facts to a class and a sentence: the order of judgement, and that a worker's words are taken as words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#include "sandbox/wire.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

static int by_signal(int number)
{
    return number;
}

static int by_exit(int code)
{
    return code << 8;
}

typedef struct rig {
    status_page page;
    outcome_facts facts;
    outcome outcome;
} rig;

static void begin(rig *r)
{
    memset(r, 0, sizeof *r);
    r->page.phase = PHASE_STEP;
    r->page.step = 20;
    r->facts.page = &r->page;
    r->facts.level = SANDBOX_STRICT;
    r->facts.limits = sandbox_default_limits;
    r->facts.used.ru_maxrss = 10000;
}

static void expect(rig *r, outcome_class class, const char *says)
{
    outcome_judge(&r->facts, &r->outcome);
    assert_string_equal(r->outcome.text, says);
    assert_int_equal(r->outcome.class, class);
}

static void test_outcome__numbers_stay(void **state)
{
    (void)state;
    assert_int_equal(OUTCOME_OK, 0);
    assert_int_equal(OUTCOME_CRASH, 3);
    assert_int_equal(OUTCOME_VIOLATION, 9);
    assert_int_equal(OUTCOME_RESULT_INVALID, 16);
    assert_int_equal(OUTCOME_LOST, 18);
    assert_int_equal(OUTCOME_PRUNED, 21);
    for (int c = 0; c < N_OUTCOMES; c++)
        assert_non_null(outcome_name((outcome_class)c));
    assert_null(outcome_name(N_OUTCOMES));
    assert_true(outcome_is_result(OUTCOME_PLUGIN_ERROR) && outcome_is_result(OUTCOME_OUTPUT_LIMIT));
    assert_false(outcome_is_result(OUTCOME_OK) || outcome_is_result(OUTCOME_LOST));
}

static void test_outcome__what_the_host_did_comes_first(void **state)
{
    rig r;
    (void)state;
    begin(&r);
    r.facts.status = by_signal(SIGKILL);
    r.facts.limit = OUTCOME_TIMEOUT;
    r.facts.is_stall = true;
    expect(&r, OUTCOME_TIMEOUT, "no progress for 10 s, phase step, step 20");
    r.facts.is_stall = false;
    expect(&r, OUTCOME_TIMEOUT, "not done after 60 s, phase step, step 20");
    r.facts.limit = OUTCOME_MEMORY_LIMIT;
    r.facts.peak_bytes = UINT64_C(700) << 20;
    expect(&r, OUTCOME_MEMORY_LIMIT,
        "used 700.0 MiB of memory, where 512.0 MiB are allowed, phase step, step 20");
    r.facts.asked = OUTCOME_CANCELLED;
    expect(&r, OUTCOME_CANCELLED, "ended by the study, phase step, step 20");
}

static void test_outcome__who_was_done_before_the_limit_is_done(void **state)
{
    rig r;
    (void)state;
    begin(&r);
    r.facts.status = by_exit(0);
    r.facts.limit = OUTCOME_TIMEOUT;
    r.page.done = 1;
    expect(&r, OUTCOME_OK, "done");
}

static void test_outcome__lost_is_nobodys_fault(void **state)
{
    rig r;
    (void)state;
    begin(&r);
    r.facts.is_lost = true;
    r.page.done = 1;
    expect(&r, OUTCOME_LOST, "the fork server died, phase step, step 20");
    begin(&r);
    r.facts.fork_errno = 11;
    r.page.phase = PHASE_START;
    r.page.step = 0;
    expect(&r, OUTCOME_HOST_ERROR,
        "no process could be made: Resource temporarily unavailable, phase start");
}

static void test_outcome__killed_for_no_reason_is_a_loss(void **state)
{
    static const int others[] = { SIGSEGV, SIGABRT, SIGTERM, SIGXCPU };
    rig r;
    outcome o;
    (void)state;
    begin(&r);
    r.facts.status = by_signal(SIGKILL);
    expect(&r, OUTCOME_CRASH, "killed, phase step, step 20");
    outcome_judge(&r.facts, &o);
    assert_true(outcome_is_loss(&o));
    r.facts.used.ru_utime.tv_sec = 121; /* here there is one */
    outcome_judge(&r.facts, &o);
    assert_false(outcome_is_loss(&o));
    for (size_t i = 0; i < 4; i++) {
        begin(&r);
        r.facts.status = by_signal(others[i]);
        outcome_judge(&r.facts, &o);
        assert_false(outcome_is_loss(&o));
    }
    begin(&r);
    r.facts.is_lost = true;
    outcome_judge(&r.facts, &o);
    assert_true(outcome_is_loss(&o));
}

static void test_outcome__the_kernels_signal_before_the_workers_words(void **state)
{
    rig r;
    (void)state;
    begin(&r);
    r.page.done = 1; /* forged */
    r.facts.status = by_signal(SIGSEGV);
    r.page.signal = SIGSEGV;
    r.page.sp = 0x7ffc00001000;
    r.page.address = 0x10;
    strcpy(r.page.module, "momentum.so");
    r.page.offset = 0x1139;
    expect(&r, OUTCOME_CRASH, "segmentation fault in momentum.so+0x1139, phase step, step 20");
    r.page.address = r.page.sp - 4096;
    expect(&r, OUTCOME_STACK_OVERFLOW, "stack overflow in momentum.so+0x1139, phase step, step 20");
    r.page.guard = 1;
    strcpy(r.page.guarded, "w");
    expect(&r, OUTCOME_OUT_OF_BOUNDS,
        "touched memory beside w in momentum.so+0x1139, phase step, step 20");
    r.page.guard = 0;
    r.page.address = 0x10;
    r.facts.used.ru_maxrss = 400 << 10;
    expect(&r, OUTCOME_MEMORY_LIMIT,
        "segmentation fault after memory ran out (512.0 MiB are allowed) in momentum.so+0x1139, "
        "phase "
        "step, step 20");
}

static void test_outcome__time_and_files_of_the_kernels(void **state)
{
    rig r;
    (void)state;
    begin(&r);
    r.facts.status = by_signal(SIGXCPU);
    r.facts.used.ru_utime.tv_sec = 120;
    expect(&r, OUTCOME_CPU_LIMIT,
        "used 120 s of processor time, where 120 s are allowed, phase step, step 20");
    r.facts.status = by_signal(SIGKILL); /* the hard limit, where the first one was ignored */
    r.facts.used.ru_utime.tv_sec = 121;
    expect(&r, OUTCOME_CPU_LIMIT,
        "used 121 s of processor time, where 120 s are allowed, phase step, step 20");
    begin(&r);
    r.facts.status = by_signal(SIGXFSZ);
    expect(&r, OUTCOME_OUTPUT_LIMIT, "wrote a file beyond its limit, phase step, step 20");
}

static void test_outcome__names_the_forbidden_call(void **state)
{
    rig r;
    (void)state;
    begin(&r);
    r.facts.status = by_signal(SIGSYS);
    r.page.signal = SIGSYS;
    r.page.violation = SYS_socket + 1;
    expect(&r, OUTCOME_VIOLATION, "forbidden system call socket, phase step, step 20");
    assert_int_equal(r.outcome.violation, SYS_socket);
    r.page.violation = 460 + 1;
    expect(&r, OUTCOME_VIOLATION, "forbidden system call number 460, phase step, step 20");
    r.page.phase = PHASE_FINISH; /* only assay's own code runs there */
    r.page.step = 0;
    expect(&r, OUTCOME_HOST_ERROR, "forbidden system call number 460, phase finish");
}

static void test_outcome__an_exit_is_no_success_alone(void **state)
{
    rig r;
    float values[3] = { 1, 2, 3 };
    (void)state;
    begin(&r);
    r.facts.status = by_exit(0);
    expect(&r, OUTCOME_EARLY_EXIT, "the process ended itself with code 0, phase step, step 20");
    r.page.done = 0xeeeeeeee;
    expect(&r, OUTCOME_EARLY_EXIT, "the process ended itself with code 0, phase step, step 20");
    r.page.done = 1;
    r.facts.finite = values;
    r.facts.n_finite = 3;
    expect(&r, OUTCOME_OK, "done");
    memset(&values[1], 0xff, sizeof values[1]);
    expect(&r, OUTCOME_RESULT_INVALID,
        "said to be done, but value 1 of its result is no number, phase step, step 20");
    r.facts.status = by_exit(9);
    expect(&r, OUTCOME_EARLY_EXIT, "the process ended itself with code 9, phase step, step 20");
    begin(&r);
    r.facts.status = by_exit(0);
    r.page.done = 1;
    r.facts.n_leftover = 2;
    expect(&r, OUTCOME_LEFTOVER, "left 2 processes behind, which were ended, phase step, step 20");
}

static void test_outcome__a_step_is_told_once(void **state)
{
    static const struct {
        const char *told, *says;
    } rows[] = {
        { "step 20: the loss is nan", "step 20: the loss is nan" },
        { "step 2: the loss is nan", "step 2: the loss is nan, phase step, step 20" },
        { "step 200: the loss is nan", "step 200: the loss is nan, phase step, step 20" },
        { "the loss is nan", "the loss is nan, phase step, step 20" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig r;
        begin(&r);
        r.page.done = 1;
        r.page.code = 1;
        r.page.class = OUTCOME_NONFINITE;
        snprintf(r.page.text, sizeof r.page.text, "%s", rows[i].told);
        expect(&r, OUTCOME_NONFINITE, rows[i].says);
    }
}

static void test_outcome__a_refusal_chooses_among_few_classes(void **state)
{
    rig r;
    (void)state;
    for (uint32_t c = 0; c < 40; c++) {
        begin(&r);
        r.facts.status = by_exit(0);
        r.page.done = 1;
        r.page.code = 1;
        r.page.class = c;
        memset(r.page.text, 'x', sizeof r.page.text); /* not ended */
        outcome_judge(&r.facts, &r.outcome);
        assert_true(r.outcome.class != OUTCOME_OK && r.outcome.class != OUTCOME_LOST &&
            r.outcome.class < OUTCOME_LOST + 2);
        assert_true(strlen(r.outcome.text) < sizeof r.outcome.text);
    }
    strcpy(r.page.text, "bell \a and colour \033[31m");
    r.page.class = OUTCOME_NONFINITE;
    expect(&r, OUTCOME_NONFINITE, "bell ? and colour ?[31m, phase step, step 20");
}

/* The page has the number plus one; a plugin may have written anything. */
static void test_outcome__a_call_below_zero_is_none(void **state)
{
    static const int32_t written[] = { INT32_MIN, -7, 0 };
    rig r;
    (void)state;
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        begin(&r);
        r.facts.status = by_signal(SIGSYS);
        r.page.signal = SIGSYS;
        r.page.violation = written[i];
        outcome_judge(&r.facts, &r.outcome);
        assert_int_equal(r.outcome.class, OUTCOME_VIOLATION);
        assert_int_equal(r.outcome.violation, -1);
    }
}

/* Whatever a worker writes to its page, a sentence comes out. */
static void test_outcome__survives_any_page(void **state)
{
    rig r;
    uint32_t x = 2385;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        begin(&r);
        unsigned char *bytes = (void *)&r.page;
        for (size_t k = 0; k < sizeof r.page; k++) {
            x = x * 1664525u + 1013904223u;
            bytes[k] = (unsigned char)(x >> 24);
        }
        static const int ends[] = { SIGSEGV, SIGSYS, SIGABRT, SIGKILL, 0, 0x100 };
        r.facts.status = ends[i % 6];
        outcome_judge(&r.facts, &r.outcome);
        assert_true(strlen(r.outcome.text) > 0 && strlen(r.outcome.text) < sizeof r.outcome.text);
        assert_true(r.outcome.phase < N_PHASES);
        for (const char *s = r.outcome.text; *s; s++)
            assert_true(*s >= ' ' && *s <= '~');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcome__numbers_stay),
        cmocka_unit_test(test_outcome__what_the_host_did_comes_first),
        cmocka_unit_test(test_outcome__who_was_done_before_the_limit_is_done),
        cmocka_unit_test(test_outcome__lost_is_nobodys_fault),
        cmocka_unit_test(test_outcome__killed_for_no_reason_is_a_loss),
        cmocka_unit_test(test_outcome__the_kernels_signal_before_the_workers_words),
        cmocka_unit_test(test_outcome__time_and_files_of_the_kernels),
        cmocka_unit_test(test_outcome__names_the_forbidden_call),
        cmocka_unit_test(test_outcome__an_exit_is_no_success_alone),
        cmocka_unit_test(test_outcome__a_step_is_told_once),
        cmocka_unit_test(test_outcome__a_refusal_chooses_among_few_classes),
        cmocka_unit_test(test_outcome__a_call_below_zero_is_none),
        cmocka_unit_test(test_outcome__survives_any_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
