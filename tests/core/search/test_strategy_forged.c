/* Answers that no strategy's process would give: each is refused with a reason, nothing is read beyond it, and the search is over. The
 * program is its own fork server, and lies as the name says by which it was started. */
#include "search/packet.h"
#include "search/port.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail

/* -- The liar: honest but for one answer -- */

typedef struct lie {
    const char *name;
    port_verb verb; /* in the answer to which it is told */
    const char *says;
} lie;

static const lie lies[] = {
    { "nothing", 0, NULL },
    { "empty", PORT_MAKE, "the answer to loading is none to what was asked" },
    { "other_number", PORT_MAKE, "the answer to loading is none to what was asked" },
    { "code_beyond", PORT_MAKE, "the answer to loading is none to what was asked" },
    { "error_unended", PORT_MAKE, "the answer to loading is an error without a reason" },
    { "error_unsaid", PORT_ASK, "the answer to ask 0 is an error without a reason" },
    { "label_unended", PORT_MAKE, "the answer to loading is no description of them" },
    { "label_none", PORT_MAKE, "the answer to loading is no description of them" },
    { "pruner_too_many", PORT_MAKE, "the answer to loading is no description of them" },
    { "block_deep", PORT_MAKE, "the answer to loading is no description of them" },
    { "block_wide", PORT_MAKE, "the answer to loading is no description of them" },
    { "block_none", PORT_MAKE, "the answer to loading is no description of them" },
    { "more", PORT_MAKE, "the answer to loading is no description of them" },
    { "more", PORT_OPEN, "the answer to open says more than it must" },
    { "more", PORT_ASK, "the answer to ask 0 says more than it must" },
    { "more", PORT_TELL, "the answer to tells 0 to 1 says more than it must" },
    { "more", PORT_REPORT, "is no pair of verdicts" },
    { "more", PORT_EXPLAIN, "is no text" },
    { "count_beyond", PORT_ASK, "the answer to ask 0 does not hold its 2 proposals" },
    { "count_short", PORT_ASK, "the answer to ask 0 does not hold its 2 proposals" },
    { "cut", PORT_ASK, "the answer to ask 0 does not hold its 2 proposals" },
    { "cut", PORT_REPORT, "is no pair of verdicts" },
    { "text_unended", PORT_EXPLAIN, "is no text" },
};
enum { N_LIES = sizeof lies / sizeof *lies };

static void put_label(text *t, const char *name)
{
    if (strcmp(name, "label_unended") == 0) {
        packet_u64(t, 3);
        text_add_bytes(t, "abc", 3);
    } else {
        packet_text(t, strcmp(name, "label_none") == 0 ? NULL : "search \"liar\"");
    }
    packet_text(t, strcmp(name, "pruner_too_many") == 0 ? "pruner \"liar\"" : NULL);
}

/* The front of a group without a name that has n items. */
static void put_group(text *t, const char *key, uint64_t n)
{
    packet_u64(t, 1);
    packet_text(t, key);
    packet_u64(t, VALUE_GROUP);
    packet_text(t, "x.cfg");
    packet_u64(t, 1);
    packet_u64(t, 0);
    packet_u64(t, n);
}

static void put_block(text *t, const char *name)
{
    if (strcmp(name, "block_none") == 0) {
        packet_u64(t, 0);
    } else if (strcmp(name, "block_deep") == 0) {
        for (int i = 0; i < 100; i++)
            put_group(t, "search", 1);
        put_group(t, "search", 0);
    } else {
        put_group(t, "search", strcmp(name, "block_wide") == 0 ? UINT64_C(1) << 60 : 0);
    }
    packet_u64(t, 0); /* no pruner */
}

static void put_proposals(text *t, const char *name, size_t n)
{
    packet_u64(t, n);
    packet_u64(t, 0);
    packet_u64(t,
        strcmp(name, "count_beyond") == 0      ? n + 1
            : strcmp(name, "count_short") == 0 ? 0
                                               : n);
    const size_t n_sent = strcmp(name, "cut") == 0 ? n - 1 : n;
    for (size_t i = 0; i < n_sent; i++) {
        packet_real(t, 0);
        packet_u64(t, ASSAY_NO_TRIAL);
        packet_real(t, 0.25 + 0.5 * (double)i);
    }
}

static void put_answer(text *t, uint64_t verb, const char *name)
{
    switch (verb) {
    case PORT_MAKE:
        packet_u64(t, ASSAY_SEARCH_CATEGORIES);
        packet_u64(t, 1);
        put_label(t, name);
        put_block(t, name);
        break;
    case PORT_ASK: put_proposals(t, name, 2); break;
    case PORT_REPORT:
        packet_u64(t, 0);
        if (strcmp(name, "cut") != 0) packet_u64(t, 0);
        break;
    case PORT_EXPLAIN:
        if (strcmp(name, "text_unended") == 0) {
            packet_u64(t, 3);
            text_add_bytes(t, "abc", 3);
        } else {
            packet_text(t, "it \033 is so");
        }
        break;
    default: break;
    }
    if (strcmp(name, "more") == 0) packet_u64(t, 7);
}

static void lie_once(text *t, uint64_t sequence, uint64_t verb, const char *name)
{
    if (strcmp(name, "empty") == 0) return;
    packet_u64(t, strcmp(name, "other_number") == 0 ? sequence + 1 : sequence);
    packet_u64(t,
        strcmp(name, "code_beyond") == 0      ? 1000
            : strncmp(name, "error_", 6) == 0 ? E_RANGE
                                              : OK);
    if (strcmp(name, "error_unended") == 0) {
        packet_u64(t, 3);
        text_add_bytes(t, "abc", 3);
    } else if (strcmp(name, "error_unsaid") == 0) {
        packet_text(t, "");
    } else {
        put_answer(t, verb, name);
    }
}

static const lie *the_lie;

static int be_strategy(const void *input, size_t n, worker_io *io)
{
    error err;
    const void *message;
    text t = { 0 };
    (void)input;
    if (worker_plugins_loaded(io, &err) != OK)
        return worker_refuse(io, OUTCOME_HOST_ERROR, "%s", err.text);
    while ((message = worker_receive(io, &n)) != NULL) {
        uint64_t head[2];
        memcpy(head, message, sizeof head);
        if (head[1] == PORT_CLOSE) break;
        text_clear(&t);
        lie_once(&t, head[0], head[1], head[1] == the_lie->verb ? the_lie->name : "nothing");
        if (!worker_send(io, t.s ? t.s : "", t.n)) break;
    }
    text_release(&t);
    return 0;
}

static const procedure procedures[] = { { "strategy", be_strategy, NULL, NULL } };

/* -- The other side -- */

static status go(search *s, error *err)
{
    status st = OK;
    search_trial got[2];
    size_t n;
    bool over;
    char line[40];
    TRY(search_ask(s, 2, got, &n, &over, err));
    assert_int_equal(n, 2);
    const search_result r = {
        .trial = 0, .state = ASSAY_TRIAL_REPORTED, .value = 0.5, .standard_error = (double)NAN
    };
    TRY(search_tell(s, &r, NULL, err));
    TRY(search_explain(s, 0, line, sizeof line, err));
    assert_string_equal(line, "it ? is so");
done:
    return st;
}

/* `program` is a link to this program, whose name says which lie. */
static void must_refuse(const lie *l, const char *program)
{
    error err = { 0 };
    sandbox *box;
    config *c;
    search *s = NULL;
    space sp = { 0 };
    const sandbox_options o = { .program = program };
    const search_options so = { .seed = 1 };
    assert_int_equal(sandbox_open(&o, &box, &err), OK);
    const search_place place = { .sandbox = box,
        .level = sandbox_get_state(box)->lacking[0] ? SANDBOX_PROCESS : SANDBOX_STRICT };
    assert_int_equal(space_add_text(&sp, "a=0.0..1", NULL, &err), OK);
    assert_int_equal(config_parse("x.cfg", "\nsearch = \"liar\";", &c, &err), OK);
    status st =
        search_new_in(&place, c, value_find(config_root(c), "search"), NULL, &sp, &so, &s, &err);
    if (st == OK) st = go(s, &err);
    if (st != (l->says ? E_PLUGIN : OK) || (l->says && !strstr(err.text, l->says))) {
        print_error("%s in %d: %d \"%s\"\n", l->name, (int)l->verb, st, err.text);
    }
    assert_int_equal(st, l->says ? E_PLUGIN : OK);
    if (l->says) {
        assert_non_null(strstr(err.text, l->says));
        assert_non_null(strstr(err.text, "x.cfg:2: search \"liar\": result invalid"));
        if (s) assert_int_equal(search_outcome(s)->class, OUTCOME_RESULT_INVALID);
    }
    search_free(s);
    space_release(&sp);
    config_free(c);
    sandbox_close(box);
}

static void test_forged_answers__are_refused_with_a_reason(void **state)
{
    char dir[] = "/tmp/assay-liar-XXXXXX", self[1000] = "", link_name[1100];
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    for (size_t i = 0; i < N_LIES; i++) {
        snprintf(link_name, sizeof link_name, "%s/%zu", dir, i);
        assert_int_equal(symlink(self, link_name), 0);
        must_refuse(&lies[i], link_name);
        assert_int_equal(unlink(link_name), 0);
    }
    assert_int_equal(rmdir(dir), 0);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--fork-server") == 0) {
        const char *name = strrchr(argv[0], '/');
        const unsigned long i = name ? strtoul(name + 1, NULL, 10) : N_LIES;
        if (i >= N_LIES) return 1;
        the_lie = &lies[i];
        return fork_server_main((int)strtol(argv[2], NULL, 10), procedures, 1);
    }
    const struct CMUnitTest tests[] = { cmocka_unit_test(
        test_forged_answers__are_refused_with_a_reason) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
