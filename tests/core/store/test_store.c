/* What a store does, of every implementation: each call, the order of the queue, leases and epochs, the log of events. */
#include "store_rig.h"

#include "base/file.h"

#include <time.h>

static void doze(double s)
{
    const struct timespec t = { 0, (long)(s * 1e9) };
    nanosleep(&t, NULL);
}

static void test_store__a_study_is_found_as_it_was_declared(rig *r)
{
    store_study y;
    char hash[33];
    OKAY(study_find(r->s, "digits", &r->a, &y, err));
    assert_int_equal(y.id, r->study);
    assert_string_equal(y.name, "digits");
    assert_string_equal(y.declaration, "search = \"random\";\n");
    hash_hex(hash, y.declaration, strlen(y.declaration));
    assert_string_equal(y.declaration_hash, hash);
    assert_string_equal(y.metric, "validation.loss");
    assert_int_equal(y.direction, STORE_MINIMIZE);
    assert_true(y.seed == UINT64_C(0xfedcba9876543210));
    assert_int_equal(y.max_lost, 2);
    assert_true(y.created > 1.7e9 && isnan(y.closed));
}

static void test_store__studies_are_listed_by_id(rig *r)
{
    uint64_t other = 0;
    store_cursor *c = NULL;
    store_study y;
    bool is_row = false;
    store_study_spec spec = usual_spec("another one");
    spec.direction = STORE_MAXIMIZE;
    OKAY(study_create(r->s, &spec, &other, err));
    OKAY(studies_open(r->s, &c, err));
    OKAY(studies_next(c, &y, &is_row, err));
    assert_true(is_row && y.id == r->study);
    OKAY(studies_next(c, &y, &is_row, err));
    assert_true(is_row && y.id == other && y.direction == STORE_MAXIMIZE);
    assert_string_equal(y.name, "another one");
    OKAY(studies_next(c, &y, &is_row, err));
    assert_false(is_row);
    store_cursor_close(c);
    store_cursor_close(NULL);
}

static void test_store__a_closed_study_gives_nothing_and_takes_nothing(rig *r)
{
    store_trial t, held;
    bool is_new = false;
    add(r, 1);
    add(r, 2);
    held = must_claim(r);
    OKAY(study_close(r->s, r->study, err));
    OKAY(study_close(r->s, r->study, err));
    assert_false(claim(r, r->s, 60.0, &t));
    const store_trial_spec spec = usual_trial(3, "{}");
    SAYS(E_CONFLICT, "closed", trial_add(r->s, r->study, &spec, &t, &r->a, &is_new, err));
    const store_result done = done_with(2.385);
    OKAY(trial_finish(r->s, trial_hold(&held), &done, err));
    store_study y;
    OKAY(study_find(r->s, "digits", &r->a, &y, err));
    assert_true(y.closed >= y.created);
}

static void test_store__a_paused_study_gives_nothing_until_it_is_reopened(rig *r)
{
    store_trial t, held;
    store_study y;
    add(r, 1);
    add(r, 2);
    held = must_claim(r);
    OKAY(study_find(r->s, "digits", &r->a, &y, err));
    assert_false(y.paused);
    OKAY(study_pause(r->s, r->study, err));
    OKAY(study_pause(r->s, r->study, err));
    OKAY(study_find(r->s, "digits", &r->a, &y, err));
    assert_true(y.paused);
    assert_true(isnan(y.closed));
    assert_false(claim(r, r->s, 60.0, &t));
    add(r, 3);
    OKAY(trial_renew(r->s, trial_hold(&held), 60.0, err));
    const store_result done = done_with(2.385);
    OKAY(trial_finish(r->s, trial_hold(&held), &done, err));

    OKAY(study_reopen(r->s, r->study, err));
    OKAY(study_reopen(r->s, r->study, err));
    OKAY(study_find(r->s, "digits", &r->a, &y, err));
    assert_false(y.paused);
    assert_int_equal(must_claim(r).number, 1);

    OKAY(study_close(r->s, r->study, err));
    OKAY(study_reopen(r->s, r->study, err));
    assert_false(claim(r, r->s, 60.0, &t));
}

static void test_store__a_trial_is_what_was_added(rig *r)
{
    store_trial t;
    bool is_new = false;
    store_trial_spec spec = usual_trial(UINT64_C(0x8000000000000007), "{\"a\": 0.1, \"b\": \"x\"}");
    spec.search = (store_search){ STORE_EVALUATE, "adam", "digits-mlp", 4 };
    spec.fidelity = 9.5;
    spec.priority = -3;
    spec.replicate = 2;
    OKAY(trial_add(r->s, r->study, &spec, &t, &r->a, &is_new, err));
    assert_true(is_new);
    t = look(r, 0);
    assert_int_equal(t.number, 0);
    assert_int_equal(t.proposal, 0);
    assert_int_equal(t.search.phase, STORE_EVALUATE);
    assert_string_equal(t.search.contender, "adam");
    assert_string_equal(t.search.workload, "digits-mlp");
    assert_int_equal(t.search.repeat, 4);
    assert_true(t.seed == UINT64_C(0x8000000000000007));
    assert_string_equal(t.params, "{\"a\": 0.1, \"b\": \"x\"}");
    assert_true(t.fidelity == 9.5 && t.priority == -3 && t.replicate == 2);
    assert_true(t.from_trial == STORE_NO_TRIAL && t.asked_after == 0);
    assert_int_equal(t.state, TRIAL_WAITING);
    assert_int_equal(t.epoch, 0);
    assert_string_equal(t.owner, "");
    assert_string_equal(t.record, "");
    assert_true(isnan(t.lease) && isnan(t.value) && isnan(t.started) && isnan(t.finished));
}

static void test_store__the_same_trial_is_added_once(rig *r)
{
    store_trial first, again;
    bool is_new = false;
    store_trial_spec spec = usual_trial(5, "{\"a\": 0.25}");
    OKAY(trial_add(r->s, r->study, &spec, &first, &r->a, &is_new, err));
    assert_true(is_new);
    spec.priority = 7; /* how it came about is no part of what it is */
    OKAY(trial_add(r->s, r->study, &spec, &again, &r->a, &is_new, err));
    assert_false(is_new);
    assert_int_equal(again.id, first.id);
    assert_int_equal(again.priority, 0);

    store_trial_spec others[7];
    for (int i = 0; i < 7; i++)
        others[i] = spec;
    others[0].seed = 6;
    others[1].params = "{\"a\": 0.5}";
    others[2].fidelity = 1.5;
    others[3].search.phase = STORE_EVALUATE;
    others[4].search.contender = "b";
    others[5].search.workload = "b";
    others[6].search.repeat = 1;
    for (int i = 0; i < 7; i++) {
        OKAY(trial_add(r->s, r->study, &others[i], &again, &r->a, &is_new, err));
        assert_true(is_new);
        assert_int_equal(again.number, i + 1);
        for (int k = 0; k <= i; k++)
            assert_string_not_equal(look(r, (uint64_t)k).identity, again.identity);
    }
}

static void test_store__higher_priorities_go_first_then_lower_numbers(rig *r)
{
    static const int64_t priorities[] = { 0, -1, 5, 0, 5 };
    static const uint64_t order[] = { 2, 4, 0, 3, 1 };
    store_trial t;
    bool is_new;
    for (uint64_t i = 0; i < 5; i++) {
        store_trial_spec spec = usual_trial(i, "{}");
        spec.priority = priorities[i];
        OKAY(trial_add(r->s, r->study, &spec, &t, &r->a, &is_new, err));
    }
    for (int i = 0; i < 5; i++)
        assert_int_equal(must_claim(r).number, order[i]);
    assert_false(claim(r, r->s, 60.0, &t));
}

static void test_store__a_claim_names_its_holder(rig *r)
{
    add(r, 1);
    const store_trial t = must_claim(r);
    assert_int_equal(t.state, TRIAL_RUNNING);
    assert_int_equal(t.epoch, 1);
    assert_string_equal(t.owner, "one");
    assert_string_equal(store_owner(r->s), "one");
    assert_string_equal(store_where(r->s), r->of->where);
    assert_true(t.started >= t.added && t.lease > t.started + 59.0 && t.lease < t.started + 61.0);
    const double before = t.lease;
    OKAY(trial_renew(r->s, trial_hold(&t), 600.0, err));
    assert_true(look(r, 0).lease > before + 500.0);
}

static void test_store__a_result_stays(rig *r)
{
    add(r, 1);
    store_trial t = must_claim(r);
    const store_result result = done_with(-0.731);
    OKAY(trial_finish(r->s, trial_hold(&t), &result, err));
    t = look(r, 0);
    assert_int_equal(t.state, TRIAL_DONE);
    assert_true(t.value == -0.731 && t.standard_error == 0.125 && t.reached == 27.0);
    assert_string_equal(t.record, "{\"cpu\": \"x\"}");
    assert_true(t.finished >= t.started && isnan(t.lease));
    assert_int_equal(t.n_lost, 0);
}

static void test_store__every_end_is_a_state_of_its_own(rig *r)
{
    uint64_t n[N_TRIAL_STATES];
    for (uint64_t i = 0; i < N_TRIAL_STATES; i++)
        add(r, i);
    must_claim(r);
    for (int state = TRIAL_DONE; state < N_TRIAL_STATES; state++) {
        const store_trial t = must_claim(r);
        store_result result = done_with(state == TRIAL_DIVERGED ? (double)INFINITY : 1.5);
        result.state = (trial_state)state;
        result.attempt_class = state == TRIAL_LOST ? ATTEMPT_LOST : state;
        result.reason = "why\n it \x01\xff"
                        "ended";
        OKAY(trial_finish(r->s, trial_hold(&t), &result, err));
        assert_int_equal(look(r, t.number).state, state);
        SAYS(E_CONFLICT, trial_state_name((trial_state)state),
            trial_finish(r->s, trial_hold(&t), &result, err));
    }
    OKAY(trial_count(r->s, r->study, n, err));
    for (int state = 0; state < N_TRIAL_STATES; state++)
        assert_int_equal(n[state], 1);
    assert_true(isinf(look(r, 5).value));

    store_cursor *c = NULL;
    store_attempt attempt;
    bool is_row = false;
    OKAY(attempts_open(r->s, look(r, 3).id, &c, err));
    OKAY(attempts_next(c, &attempt, &is_row, err));
    assert_true(is_row && attempt.epoch == 1 && attempt.class == TRIAL_PAUSED);
    assert_string_equal(attempt.reason, "why  it  ?ended");
    assert_string_equal(attempt.owner, "one");
    assert_true(attempt.ended >= attempt.started);
    OKAY(attempts_next(c, &attempt, &is_row, err));
    assert_false(is_row);
    store_cursor_close(c);
}

static void test_store__an_expired_lease_goes_to_the_next_and_fences_the_first(rig *r)
{
    store *two = open_as(r, "two", STORE_WRITE);
    store_trial first, second;
    add(r, 1);
    assert_true(claim(r, r->s, 0.02, &first));
    assert_false(claim(r, two, 60.0, &second)); /* still held */
    doze(0.05);
    assert_true(claim(r, two, 60.0, &second));
    assert_int_equal(second.id, first.id);
    assert_int_equal(second.epoch, 2);
    assert_int_equal(second.n_lost, 1);
    assert_string_equal(second.owner, "two");

    const store_point p = { 1, "validation.loss", 0.5 };
    const store_result result = done_with(9.0);
    const store_hold stale = trial_hold(&first);
    SAYS(E_CONFLICT, "two has it now, as attempt 2", trial_renew(r->s, stale, 60.0, err));
    SAYS(E_CONFLICT, "no more", trial_report(r->s, stale, &p, 1, NULL, err));
    SAYS(E_CONFLICT, "no more", trial_finish(r->s, stale, &result, err));
    SAYS(E_CONFLICT, "no more", trial_release(r->s, stale, 20, "x", err));
    const store_result right = done_with(3.0);
    OKAY(trial_finish(two, trial_hold(&second), &right, err));
    assert_true(look(r, 0).value == 3.0);

    store_cursor *c = NULL;
    store_attempt attempt;
    bool is_row = false;
    OKAY(attempts_open(r->s, first.id, &c, err));
    OKAY(attempts_next(c, &attempt, &is_row, err));
    assert_int_equal(attempt.class, ATTEMPT_LOST);
    assert_string_equal(attempt.reason, "its lease ran out");
    OKAY(attempts_next(c, &attempt, &is_row, err));
    assert_int_equal(attempt.class, ATTEMPT_OK);
    store_cursor_close(c);
    store_close(two);
}

static void test_store__an_expired_lease_that_nobody_took_can_be_renewed(rig *r)
{
    store_trial t;
    add(r, 1);
    assert_true(claim(r, r->s, 0.01, &t));
    doze(0.03);
    OKAY(trial_renew(r->s, trial_hold(&t), 60.0, err));
    const store_result result = done_with(3.0);
    OKAY(trial_finish(r->s, trial_hold(&t), &result, err));
}

static void test_store__a_released_trial_waits_again(rig *r)
{
    add(r, 1);
    for (uint64_t epoch = 1; epoch < 6; epoch++) { /* far more often than it may be lost */
        const store_trial t = must_claim(r);
        assert_int_equal(t.epoch, epoch);
        OKAY(trial_release(r->s, trial_hold(&t), 20, "told to stop", err));
        assert_int_equal(look(r, 0).state, TRIAL_WAITING);
        assert_int_equal(look(r, 0).n_lost, 0);
    }
}

static void test_store__what_is_lost_too_often_is_given_up(rig *r)
{
    store_trial t;
    add(r, 1);
    for (int i = 0; i < 3; i++) { /* two may be lost */
        t = must_claim(r);
        OKAY(trial_release(r->s, trial_hold(&t), ATTEMPT_LOST, "the server died", err));
    }
    assert_false(claim(r, r->s, 60.0, &t));
    t = look(r, 0);
    assert_int_equal(t.state, TRIAL_LOST);
    assert_int_equal(t.n_lost, 3);
    assert_true(t.finished > 0.0);
}

static bool is_two(const char *owner, void *self)
{
    ++*(int *)self;
    return strcmp(owner, "two") == 0;
}

static void test_store__trials_of_a_dead_owner_are_recovered(rig *r)
{
    store *two = open_as(r, "two", STORE_WRITE), *six = open_as(r, "six", STORE_WRITE);
    store_trial t;
    uint64_t n_lost = 99, other = 0;
    int n_asked = 0;
    for (uint64_t i = 0; i < 6; i++)
        add(r, i);
    must_claim(r);
    assert_true(claim(r, two, 600.0, &t) && claim(r, six, 600.0, &t) && claim(r, two, 600.0, &t));
    const store_study_spec spec = usual_spec("other");
    OKAY(study_create(r->s, &spec, &other, err));
    OKAY(store_recover(r->s, other, is_two, &n_asked, &n_lost, err));
    assert_int_equal(n_lost, 0);
    n_asked = 0;
    OKAY(store_recover(r->s, r->study, is_two, &n_asked, &n_lost, err));
    assert_int_equal(n_asked, 3);
    assert_int_equal(n_lost, 2);
    assert_int_equal(look(r, 1).state, TRIAL_WAITING);
    assert_int_equal(look(r, 1).n_lost, 1);
    assert_int_equal(look(r, 3).state, TRIAL_WAITING);
    assert_int_equal(look(r, 0).state, TRIAL_RUNNING);
    assert_int_equal(look(r, 2).state, TRIAL_RUNNING);
    OKAY(store_recover(r->s, 0, is_two, &n_asked, &n_lost, err));
    assert_int_equal(n_lost, 0);
    OKAY(store_recover(r->s, 0, NULL, NULL, &n_lost, err)); /* owners of no known form live */
    assert_int_equal(n_lost, 0);
    store_close(two);
    store_close(six);
}

static void test_store__points_are_kept_by_attempt_and_replaced_by_step(rig *r)
{
    add(r, 1);
    store_trial t = must_claim(r);
    const store_point first[] = { { 1, "validation.loss", 2.385 }, { 1, "training.loss", 3.5 },
        { 2, "validation.loss", (double)NAN }, { 3, "validation.loss", -(double)INFINITY } };
    const store_point again[] = { { 1, "validation.loss", 1.125 } };
    OKAY(trial_report(r->s, trial_hold(&t), first, 4, NULL, err));
    OKAY(trial_report(r->s, trial_hold(&t), again, 1, NULL, err));
    OKAY(trial_report(r->s, trial_hold(&t), NULL, 0, NULL, err));
    OKAY(trial_release(r->s, trial_hold(&t), 20, NULL, err));
    t = must_claim(r);
    const store_point last[] = { { 2, "validation.loss", 0.25 } };
    store_result result = done_with(0.25);
    result.points = last;
    result.n_points = 1;
    OKAY(trial_finish(r->s, trial_hold(&t), &result, err));

    static const struct {
        uint64_t epoch, step;
        double value;
    } want[] = { { 1, 1, 1.125 }, { 1, 2, (double)NAN }, { 1, 3, -(double)INFINITY },
        { 2, 2, 0.25 } };
    store_cursor *c = NULL;
    store_trial_point p;
    bool is_row = false;
    OKAY(store_points_open(r->s, t.id, "validation.loss", &c, err));
    for (int i = 0; i < 4; i++) {
        OKAY(store_points_next(c, &p, &is_row, err));
        assert_true(is_row);
        assert_int_equal(p.epoch, want[i].epoch);
        assert_int_equal(p.point.step, want[i].step);
        assert_true(
            p.point.value == want[i].value || (isnan(p.point.value) && isnan(want[i].value)));
        assert_string_equal(p.point.metric, "validation.loss");
    }
    OKAY(store_points_next(c, &p, &is_row, err));
    assert_false(is_row);
    store_cursor_close(c);
    int n = 0;
    OKAY(store_points_open(r->s, t.id, NULL, &c, err));
    for (is_row = true; is_row; n += is_row)
        OKAY(store_points_next(c, &p, &is_row, err));
    assert_int_equal(n, 5);
    store_cursor_close(c);
}

static void next_event(store_cursor *c, store_event *e, uint64_t seq, event_kind kind,
    trial_state state, uint64_t proposal)
{
    bool is_row = false;
    OKAY(store_events_next(c, e, &is_row, err));
    assert_true(is_row);
    assert_int_equal(e->seq, seq);
    assert_int_equal(e->kind, kind);
    assert_int_equal(e->state, state);
    assert_int_equal(e->proposal, proposal);
    assert_true(e->time > 1.7e9);
}

static void test_store__the_log_tells_what_happened_in_order_and_once(rig *r)
{
    store_trial t;
    bool is_new = false, is_row = true;
    store_trial_spec other = usual_trial(9, "{}");
    other.search.contender = "other";
    add(r, 1);
    OKAY(trial_add(r->s, r->study, &other, &t, &r->a, &is_new, err)); /* a log of its own */
    t = must_claim(r);
    const store_news at3 = { 3.0, 2.385, 0.5 }, at9 = { 9.0, 1.25, (double)NAN };
    OKAY(trial_report(r->s, trial_hold(&t), NULL, 0, &at3, err));
    OKAY(trial_release(r->s, trial_hold(&t), ATTEMPT_LOST, "", err));
    store_trial_spec second = usual_trial(2, "{\"x\": 1}");
    second.asked_after = 2;
    second.proposal = 1;
    OKAY(trial_add(r->s, r->study, &second, &t, &r->a, &is_new, err));
    assert_int_equal(t.number, 2);
    assert_int_equal(t.proposal, 1);
    t = must_claim(r);
    assert_int_equal(t.number, 0);
    const store_news differently = { 3.0, 77.0, 0.5 };
    OKAY(trial_report(r->s, trial_hold(&t), NULL, 0, &differently, err)); /* told before: stays */
    OKAY(trial_report(r->s, trial_hold(&t), NULL, 0, &at9, err));
    store_result paused = done_with(1.25);
    paused.state = TRIAL_PAUSED;
    OKAY(trial_finish(r->s, trial_hold(&t), &paused, err));
    store_trial_spec on = usual_trial(1, "{\"y\": 1}");
    on.from_trial = 0;
    on.asked_after = 5;
    OKAY(trial_add(r->s, r->study, &on, &t, &r->a, &is_new, err));
    assert_int_equal(t.from_trial, 0);

    const store_search plain = { STORE_TUNE, "", "", 0 };
    store_cursor *c = NULL;
    store_event e;
    OKAY(store_events_open(r->s, r->study, &plain, 0, &c, err));
    next_event(c, &e, 1, EVENT_ASKED, TRIAL_WAITING, 0);
    assert_int_equal(e.seed, 1);
    assert_non_null(strstr(e.params, "\"cell\": \"lstm\""));
    next_event(c, &e, 2, EVENT_REPORTED, TRIAL_RUNNING, 0);
    assert_true(e.fidelity == 3.0 && e.value == 2.385 && e.standard_error == 0.5);
    next_event(c, &e, 3, EVENT_ASKED, TRIAL_WAITING, 1);
    assert_int_equal(e.asked_after, 2);
    assert_string_equal(e.params, "{\"x\": 1}");
    next_event(c, &e, 4, EVENT_REPORTED, TRIAL_RUNNING, 0);
    assert_true(e.fidelity == 9.0 && isnan(e.standard_error));
    next_event(c, &e, 5, EVENT_FINISHED, TRIAL_PAUSED, 0);
    assert_true(e.fidelity == 27.0 && e.value == 1.25);
    next_event(c, &e, 6, EVENT_ASKED, TRIAL_WAITING, 2);
    assert_int_equal(e.from_trial, 0);
    OKAY(store_events_next(c, &e, &is_row, err));
    assert_false(is_row);
    store_cursor_close(c);

    OKAY(store_events_open(r->s, r->study, &plain, 4, &c, err));
    next_event(c, &e, 5, EVENT_FINISHED, TRIAL_PAUSED, 0);
    store_cursor_close(c);
    OKAY(store_events_open(r->s, r->study, &other.search, 0, &c, err));
    next_event(c, &e, 1, EVENT_ASKED, TRIAL_WAITING, 0);
    OKAY(store_events_next(c, &e, &is_row, err));
    assert_false(is_row);
    store_cursor_close(c);
}

static void test_store__only_the_next_proposal_is_taken(rig *r)
{
    store_trial t;
    bool is_new = false;
    add(r, 1);
    store_trial_spec spec = usual_trial(2, "{}");
    spec.proposal = 0;
    SAYS(E_CONFLICT, "1 is the next", trial_add(r->s, r->study, &spec, &t, &r->a, &is_new, err));
    spec.proposal = 2;
    SAYS(
        E_CONFLICT, "another has asked", trial_add(r->s, r->study, &spec, &t, &r->a, &is_new, err));
    spec.proposal = 1;
    spec.asked_after = 2;
    SAYS(E_RANGE, "there are 1", trial_add(r->s, r->study, &spec, &t, &r->a, &is_new, err));
    spec.asked_after = 1;
    spec.from_trial = 0;
    SAYS(E_RANGE, "not paused", trial_add(r->s, r->study, &spec, &t, &r->a, &is_new, err));
    spec.from_trial = STORE_NO_TRIAL;
    OKAY(trial_add(r->s, r->study, &spec, &t, &r->a, &is_new, err));
    assert_true(is_new && t.proposal == 1);
}

static void test_store__trials_are_listed_by_number_all_or_of_a_search(rig *r)
{
    store_cursor *c = NULL;
    store_trial t;
    bool is_new, is_row = true;
    for (uint64_t i = 0; i < 6; i++) {
        store_trial_spec spec = usual_trial(i, "{}");
        spec.search.contender = i % 2 ? "b" : "a";
        OKAY(trial_add(r->s, r->study, &spec, &t, &r->a, &is_new, err));
    }
    OKAY(store_trials_open(r->s, r->study, NULL, &c, err));
    for (uint64_t i = 0; i < 6; i++) {
        OKAY(store_trials_next(c, &t, &is_row, err));
        assert_true(is_row && t.number == i && t.proposal == i / 2);
    }
    OKAY(store_trials_next(c, &t, &is_row, err));
    assert_false(is_row);
    store_cursor_close(c);
    const store_search b = { STORE_TUNE, "b", "", 0 }, none = { STORE_TUNE, "c", "", 0 };
    OKAY(store_trials_open(r->s, r->study, &b, &c, err));
    for (uint64_t i = 1; i < 6; i += 2) {
        OKAY(store_trials_next(c, &t, &is_row, err));
        assert_true(is_row && t.number == i);
        assert_string_equal(t.search.contender, "b");
        must_claim(r); /* changes beside a cursor are fine */
    }
    OKAY(store_trials_next(c, &t, &is_row, err));
    assert_false(is_row);
    store_cursor_close(c);
    OKAY(store_trials_open(r->s, r->study, &none, &c, err));
    OKAY(store_trials_next(c, &t, &is_row, err));
    assert_false(is_row);
    store_cursor_close(c);
}

static void test_store__everything_is_there_after_closing(rig *r)
{
    add(r, 1);
    add(r, 2);
    const store_trial t = must_claim(r);
    const store_result result = done_with(0.5);
    OKAY(trial_finish(r->s, trial_hold(&t), &result, err));
    store_close(r->s);
    r->s = open_as(r, "one", STORE_READ);
    assert_true(look(r, 0).value == 0.5);
    assert_int_equal(look(r, 1).state, TRIAL_WAITING);
    SAYS(E_IO, "reading only", study_close(r->s, r->study, err));
    store_close(r->s);
    const store_options durable = { .mode = STORE_WRITE, .durable = true };
    r->s = NULL;
    OKAY(store_open(r->of->where, &durable, &r->s, err));
    assert_int_equal(must_claim(r).number, 1);
}

static void test_store__nonsense_is_refused_before_it_is_written(rig *r)
{
    store_trial t;
    uint64_t id = 0;
    bool is_new = false, is_found = false;
    store_study y;
    store_study_spec spec = usual_spec("digits");
    SAYS(E_CONFLICT, "already", study_create(r->s, &spec, &id, err));
    SAYS(E_RANGE, "empty", (spec.name = "", study_create(r->s, &spec, &id, err)));
    SAYS(E_RANGE, "'/'", (spec.name = "a/b", study_create(r->s, &spec, &id, err)));
    SAYS(E_RANGE, "UTF-8", (spec.name = "a\xff", study_create(r->s, &spec, &id, err)));
    SAYS(E_RANGE, "UTF-8", (spec.name = "a\n", study_create(r->s, &spec, &id, err)));
    spec = usual_spec("x");
    SAYS(E_RANGE, "metric", (spec.metric = "", study_create(r->s, &spec, &id, err)));
    spec = usual_spec("x");
    spec.direction = (store_direction)2;
    SAYS(E_RANGE, "direction", study_create(r->s, &spec, &id, err));

    const store_dimension good = usual_dimensions[0];
    store_dimension d[2] = { good, good };
    spec = usual_spec("x");
    spec.dimensions = d;
    spec.n_dimensions = 2;
    SAYS(E_CONFLICT, "twice", study_create(r->s, &spec, &id, err));
    d[1].name = "";
    SAYS(E_RANGE, "dimension", study_create(r->s, &spec, &id, err));
    d[1] = (store_dimension){ .contender = "", .name = "d", .type = (dimension_type)4 };
    SAYS(E_RANGE, "no type", study_create(r->s, &spec, &id, err));
    d[1].type = DIMENSION_CATEGORY;
    SAYS(E_RANGE, "no choices", study_create(r->s, &spec, &id, err));
    d[1] = good, d[1].name = "d", d[1].low = 0.0;
    SAYS(E_RANGE, "logarithmic", study_create(r->s, &spec, &id, err));
    d[1].low = 0.5;
    SAYS(E_RANGE, "range", study_create(r->s, &spec, &id, err));
    d[1].low = 1e-3, d[1].step = 0.5;
    SAYS(E_RANGE, "step", study_create(r->s, &spec, &id, err));
    d[1].log = false, d[1].step = 0.0, d[1].type = DIMENSION_INT;
    SAYS(E_RANGE, "integers", study_create(r->s, &spec, &id, err));
    d[1].low = (double)NAN;
    SAYS(E_RANGE, "finite", study_create(r->s, &spec, &id, err));
    SAYS(E_UNKNOWN, "has no study", study_find(r->s, "x", &r->a, &y, err));
    SAYS(E_UNKNOWN, "did you mean \"digits\"", study_find(r->s, "digit", &r->a, &y, err));
    SAYS(E_UNKNOWN, "id 77", study_close(r->s, 77, err));
    SAYS(E_UNKNOWN, "id 77", study_pause(r->s, 77, err));
    SAYS(E_UNKNOWN, "id 77", study_reopen(r->s, 77, err));
    SAYS(E_UNKNOWN, "id 77", trial_claim(r->s, 77, 1.0, &r->a, &t, &is_found, err));
    SAYS(E_UNKNOWN, "trial 3", trial_find(r->s, r->study, 3, &r->a, &t, err));

    store_trial_spec ts = usual_trial(1, "{}");
    SAYS(E_UNKNOWN, "id 77", trial_add(r->s, 77, &ts, &t, &r->a, &is_new, err));
    static const char *const bad[] = { "", "[]", "{", "{} x", "{\"a\": true}", "{\"a\": {}}" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ts.params = bad[i];
        SAYS(E_PARSE, "params", trial_add(r->s, r->study, &ts, &t, &r->a, &is_new, err));
    }
    ts = usual_trial(1, "{}");
    ts.fidelity = (double)NAN;
    SAYS(E_RANGE, "fidelity", trial_add(r->s, r->study, &ts, &t, &r->a, &is_new, err));
    ts = usual_trial(1, "{}");
    ts.search.contender = "a/b";
    SAYS(E_RANGE, "contender", trial_add(r->s, r->study, &ts, &t, &r->a, &is_new, err));
    ts.search = (store_search){ (trial_phase)2, "", "", 0 };
    SAYS(E_RANGE, "phase", trial_add(r->s, r->study, &ts, &t, &r->a, &is_new, err));

    add(r, 1);
    SAYS(E_RANGE, "lease", trial_claim(r->s, r->study, 0.0, &r->a, &t, &is_found, err));
    t = must_claim(r);
    const store_hold held = trial_hold(&t);
    SAYS(E_RANGE, "lease", trial_renew(r->s, held, (double)NAN, err));
    SAYS(E_UNKNOWN, "id 99", trial_renew(r->s, ((store_hold){ 99, 1 }), 1.0, err));
    const store_point nameless = { 1, "", 0.5 }, late = { UINT64_MAX, "m", 0.5 };
    const store_news backward = { -1.0, 0.5, 0.5 };
    SAYS(E_RANGE, "metric", trial_report(r->s, held, &nameless, 1, NULL, err));
    SAYS(E_RANGE, "too large", trial_report(r->s, held, &late, 1, NULL, err));
    SAYS(E_RANGE, "fidelity", trial_report(r->s, held, NULL, 0, &backward, err));
    store_result result = done_with((double)INFINITY);
    SAYS(E_RANGE, "diverged", trial_finish(r->s, held, &result, err));
    result = done_with(1.0), result.state = TRIAL_RUNNING;
    SAYS(E_RANGE, "cannot end", trial_finish(r->s, held, &result, err));
    result = done_with(1.0), result.attempt_class = -1;
    SAYS(E_RANGE, "class", trial_finish(r->s, held, &result, err));
    result = done_with(1.0), result.record = "{";
    SAYS(E_PARSE, "record", trial_finish(r->s, held, &result, err));
    SAYS(E_RANGE, "class", trial_release(r->s, held, -1, "", err));
    assert_int_equal(look(r, 0).state, TRIAL_RUNNING);
    SAYS(E_RANGE, "3.2", store_export_optuna(r->s, 0, "x.db", "2.0", err));
    assert_null(trial_state_name(N_TRIAL_STATES));
}

/* -- Each test with each implementation -- */

typedef struct run_of {
    void (*test)(rig *r);
    const implementation *of;
} run_of;

static void run_one(void **state)
{
    const run_of *w = *state;
    rig r;
    rig_open(&r, w->of);
    w->test(&r);
    rig_close(&r);
}

#define EACH(f) \
    { \
#f, f \
    }
static const struct {
    const char *name;
    void (*test)(rig *r);
} table[] = {
    EACH(test_store__a_study_is_found_as_it_was_declared),
    EACH(test_store__studies_are_listed_by_id),
    EACH(test_store__a_closed_study_gives_nothing_and_takes_nothing),
    EACH(test_store__a_paused_study_gives_nothing_until_it_is_reopened),
    EACH(test_store__a_trial_is_what_was_added),
    EACH(test_store__the_same_trial_is_added_once),
    EACH(test_store__higher_priorities_go_first_then_lower_numbers),
    EACH(test_store__a_claim_names_its_holder),
    EACH(test_store__a_result_stays),
    EACH(test_store__every_end_is_a_state_of_its_own),
    EACH(test_store__an_expired_lease_goes_to_the_next_and_fences_the_first),
    EACH(test_store__an_expired_lease_that_nobody_took_can_be_renewed),
    EACH(test_store__a_released_trial_waits_again),
    EACH(test_store__what_is_lost_too_often_is_given_up),
    EACH(test_store__trials_of_a_dead_owner_are_recovered),
    EACH(test_store__points_are_kept_by_attempt_and_replaced_by_step),
    EACH(test_store__the_log_tells_what_happened_in_order_and_once),
    EACH(test_store__only_the_next_proposal_is_taken),
    EACH(test_store__trials_are_listed_by_number_all_or_of_a_search),
    EACH(test_store__everything_is_there_after_closing),
    EACH(test_store__nonsense_is_refused_before_it_is_written),
};

int main(void)
{
    enum { N = sizeof table / sizeof table[0] };
    int n_failed = 0;
    for (size_t k = 0; k < sizeof implementations / sizeof implementations[0]; k++) {
        run_of runs[N];
        struct CMUnitTest tests[N];
        for (size_t i = 0; i < N; i++) {
            runs[i] = (run_of){ table[i].test, &implementations[k] };
            tests[i] = (struct CMUnitTest){
                .name = table[i].name, .test_func = run_one, .initial_state = &runs[i]
            };
        }
        n_failed += cmocka_run_group_tests_name(implementations[k].name, tests, NULL, NULL);
    }
    return n_failed;
}
