/* Every allocation of ours fails once in the whole of a run: config, plugins, data, model, steps, checks, checkpoints, a second
 * trainer that goes on. Nothing crashes, nothing leaks, and what is reported is that memory is out.
 *
 * The linker's --wrap (test_train_out_of_memory.link) puts the allocators below between the core's libraries and the C
 * library's; what libconfig, OpenBLAS and the dynamic linker allocate inside is not ours and does not fail, and plugins
 * have their memory from the core. What is taken out of an arena fails piece by piece, too. Blocks are counted, so a leak is seen at the allocation that caused it; an address
 * sanitizer's build says where the block came from.
 *
 * By default as many of the allocations as some seconds permit, evenly spread; ASSAY_TEST_EXHAUSTIVE=1: each. */
#include "train/lockstep.h"
#include "train/trace.h"

#include "base/arena.h"
#include "base/file.h"
#include "support/plugin_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_FAILURES = 800 };

static atomic_long n_calls, n_blocks;
static atomic_long fails_at = -1;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t each);
void *__real_realloc(void *old, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
char *__real_strndup(const char *s, size_t n);
char *__real_realpath(const char *path, char *out);
int __real_scandir(const char *path, struct dirent ***names, int (*filter)(const struct dirent *),
    int (*compare)(const struct dirent **, const struct dirent **));
void __real_free(void *memory);

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t each);
void *__wrap_realloc(void *old, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
char *__wrap_strndup(const char *s, size_t n);
char *__wrap_realpath(const char *path, char *out);
int __wrap_scandir(const char *path, struct dirent ***names, int (*filter)(const struct dirent *),
    int (*compare)(const struct dirent **, const struct dirent **));
void __wrap_free(void *memory);

static bool is_its_turn(void)
{
    const bool now = atomic_fetch_add(&n_calls, 1) == atomic_load(&fails_at);
    if (now) errno = ENOMEM;
    return now;
}

static void *counted(void *memory)
{
    if (memory) atomic_fetch_add(&n_blocks, 1);
    return memory;
}

void *__wrap_malloc(size_t bytes)
{
    return is_its_turn() ? NULL : counted(__real_malloc(bytes));
}

void *__wrap_calloc(size_t n, size_t each)
{
    return is_its_turn() ? NULL : counted(__real_calloc(n, each));
}

void *__wrap_realloc(void *old, size_t bytes)
{
    if (is_its_turn()) return NULL;
    void *memory = __real_realloc(old, bytes);
    return old ? memory : counted(memory);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return is_its_turn() ? NULL : counted(__real_aligned_alloc(alignment, bytes));
}

char *__wrap_strndup(const char *s, size_t n)
{
    return is_its_turn() ? NULL : counted(__real_strndup(s, n));
}

char *__wrap_realpath(const char *path, char *out)
{
    if (out) return __real_realpath(path, out);
    return is_its_turn() ? NULL : counted(__real_realpath(path, NULL));
}

int __wrap_scandir(const char *path, struct dirent ***names, int (*filter)(const struct dirent *),
    int (*compare)(const struct dirent **, const struct dirent **))
{
    if (is_its_turn()) return -1;
    const int n = __real_scandir(path, names, filter, compare);
    if (n >= 0) atomic_fetch_add(&n_blocks, n + (*names != NULL));
    return n;
}

void __wrap_free(void *memory)
{
    if (memory) atomic_fetch_sub(&n_blocks, 1);
    __real_free(memory);
}

/* -- arenas -- */

void *__real_arena_alloc(arena *a, size_t bytes);
void *__real_arena_alloc_array(arena *a, size_t n, size_t each);
char *__real_arena_strdup(arena *a, const char *written);
char *__real_arena_strndup(arena *a, const char *written, size_t n);

void *__wrap_arena_alloc(arena *a, size_t bytes);
void *__wrap_arena_alloc_array(arena *a, size_t n, size_t each);
char *__wrap_arena_strdup(arena *a, const char *written);
char *__wrap_arena_strndup(arena *a, const char *written, size_t n);
char *__wrap_arena_printf(arena *a, const char *format, ...) PRINTF_LIKE(2, 3);

void *__wrap_arena_alloc(arena *a, size_t bytes)
{
    return is_its_turn() ? NULL : __real_arena_alloc(a, bytes);
}

void *__wrap_arena_alloc_array(arena *a, size_t n, size_t each)
{
    return is_its_turn() ? NULL : __real_arena_alloc_array(a, n, each);
}

char *__wrap_arena_strdup(arena *a, const char *written)
{
    return is_its_turn() ? NULL : __real_arena_strdup(a, written);
}

char *__wrap_arena_strndup(arena *a, const char *written, size_t n)
{
    return is_its_turn() ? NULL : __real_arena_strndup(a, written, n);
}

char *__wrap_arena_printf(arena *a, const char *format, ...)
{
    char written[4096];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(written, sizeof written, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof written || is_its_turn()) return NULL;
    return __real_arena_strdup(a, written);
}

static char dir[64], built[FIXTURE_PATH_BYTES], own[FIXTURE_PATH_BYTES];

static const char source[] =
    "name = \"scarce\"; seed = 3;\n"
    "data = { type = \"csv\"; file = \"" TEST_SOURCE_DIR
    "/configs/data/iris.csv\"; target = \"species\";\n"
    "  standardize = true; split = { method = \"stratified\"; validation = 0.2; test = 0.2; }; "
    "batch_size = 24;\n"
    "  class_weights = \"balanced\"; };\n"
    "model = ( { type = \"dense\"; units = 6; init = \"orthogonal\"; }, { type = \"tanh\"; name = "
    "\"t\"; },\n"
    "  \"dropout\", { type = \"dense\"; units = 6; }, { type = \"add\"; from = ( \"t\", \"dense2\" "
    "); },\n"
    "  { type = \"dense\"; units = 3; } );\n"
    "loss = { type = \"softmax_xent\"; label_smoothing = 0.1; };\n"
    "metrics = ( \"accuracy\", \"confusion\", { type = \"f1\"; name = \"f\"; } );\n"
    "optimizer = ( { type = \"adam\"; lr = 0.01; match = \"role:bias\"; },\n"
    "  { type = \"lookahead_like\"; inner = { type = \"keeper\"; lr = 0.1; }; pace = \"plateau\"; "
    "} );\n"
    "schedule = ( \"plateau\", { type = \"cosine\"; target = \"model.dropout1.rate\"; } );\n"
    "train = { steps = 3; replicas = 2; threads = 2; accumulate = 2; clip_norm = 1.0; l2 = 0.01; "
    "probe = { every = 2; };\n"
    "  validate_every = 1; validate_unit = \"step\"; train_eval = 10; early_stopping = {};\n"
    "  checkpoint = { every = 1; unit = \"step\"; }; };\n";

static void ignore_record(void *self, const record *r)
{
    (void)self;
    (void)r;
}

static status open_run(
    registry *r, const char *written, config **out_config, trainer **out, error *err)
{
    const trainer_options o = { .sink = { ignore_record, NULL }, .checkpoint_dir = dir };
    status st = config_parse("x.cfg", written, out_config, err);
    return st == OK ? trainer_new(r, *out_config, &o, out, err) : st;
}

/* A run, its weights as a file, and another that goes on from its checkpoint. */
static status run_twice(error *err)
{
    const char *const dirs[] = { built, own, NULL };
    const registry_options o = { .no_environment = true, .dirs = dirs };
    registry *r = NULL;
    config *c[2] = { NULL, NULL };
    trainer *t[2] = { NULL, NULL };
    run_result result;
    text resolved = { 0 };
    status st = OK;
    char path[96];
    snprintf(path, sizeof path, "%s/w.safetensors", dir);
    TRY(registry_new(&o, &r, err));
    TRY(open_run(r, source, &c[0], &t[0], err));
    TRY(trainer_run(t[0], &result, err));
    TRY(trainer_save_weights(t[0], true, path, err));
    TRY(config_to_text(c[0], &resolved, err));
    trainer_free(t[0]);
    t[0] = NULL;
    TRY(open_run(r, resolved.s, &c[1], &t[1], err));
    TRY(trainer_restore_latest(t[1], dir, err));
    TRY(trainer_run(t[1], &result, err));
    if (result.stop != STOP_EPOCHS || result.step != 3) st = fail(err, E_INTERNAL, "not the run");
done:
    text_release(&resolved);
    trainer_free(t[1]);
    config_free(c[1]);
    trainer_free(t[0]);
    config_free(c[0]);
    registry_free(r);
    return st;
}

/* What is said of a config that is wrong may be cut short, but stays that or becomes that memory is out. */
static status say_what_is_wrong(error *err)
{
    static const char *const wrong[] = {
        "data = { type = \"blobs\"; }; model = ( { type = \"dence\"; } ); loss = \"mse\"; "
        "optimizer = \"sgd\";",
        "data = { type = \"blobs\"; }; model = ( { type = \"dense\"; units = 3; } ); loss = "
        "\"softmax_xent\"; optimizer = \"sgd\"; train = { early_stopping = { monitor = "
        "\"validation.acuracy\"; }; };",
        "data = { type = \"blobs\"; }; model = ( { type = \"dense\"; units = 3; } ); loss = "
        "\"softmax_xent\"; optimizer = { type = \"sgd\"; lrr = 1; };",
        "data = { type = \"blobs\"; }; model = ( { type = \"dense\"; units = 3; from = \"inpt\"; } "
        "); loss = \"softmax_xent\"; optimizer = \"sgd\";",
    };
    const char *const dirs[] = { built, own, NULL };
    const registry_options o = { .no_environment = true, .dirs = dirs };
    registry *r = NULL;
    status st = registry_new(&o, &r, err);
    for (size_t i = 0; st == OK && i < sizeof wrong / sizeof wrong[0]; i++) {
        config *c = NULL;
        trainer *t = NULL;
        status got = open_run(r, wrong[i], &c, &t, err);
        st = got == E_UNKNOWN ? OK : got;
        trainer_free(t);
        config_free(c);
    }
    registry_free(r);
    return st;
}

/* A run with checkpoints, and two that go through it again side by side, one of them looked over. */
static status go_through_again(error *err)
{
    static const char small[] =
        "data = { type = \"blobs\"; samples = 60; }; model = ( { type = \"dense\"; units = 3; } );"
        " loss = \"softmax_xent\"; optimizer = { type = \"adam\"; lr = 0.01; };"
        " train = { steps = 3; replicas = 2; threads = 2; checkpoint = { every = 1; unit = "
        "\"step\"; keep = 5; }; };";
    const char *const dirs[] = { built, own, NULL };
    const registry_options o = { .no_environment = true, .dirs = dirs };
    registry *r[2] = { NULL, NULL };
    config *c[3] = { NULL, NULL, NULL };
    trainer *t[3] = { NULL, NULL, NULL };
    run_result result;
    parting p;
    lockstep_end end;
    size_t n;
    uint64_t at, same;
    stop_reason stop;
    status st = OK;
    TRY(registry_new(&o, &r[0], err));
    TRY(registry_new(&o, &r[1], err));
    TRY(open_run(r[0], small, &c[2], &t[2], err));
    TRY(trainer_run(t[2], &result, err));
    trainer_free(t[2]);
    t[2] = NULL;
    TRY(checkpoint_outcome(dir, &at, &stop, err));
    for (size_t i = 0; i < 2; i++) {
        TRY(open_run(r[i], small, &c[i], &t[i], err));
        TRY(trainer_keep_gradient(t[i], err));
        TRY(trainer_restore_before(t[i], dir, 1, true, &at, err));
    }
    TRY(trainer_trace(t[1], err));
    const lockstep_run a = { t[0], dir }, b = { t[1], dir };
    TRY(lockstep_walk(&a, &b, 9, &end, &p, err));
    TRY(checkpoints_compare(dir, dir, &n, &same, &p, err));
    if (at != 1 || stop != STOP_EPOCHS || end != LOCKSTEP_ENDED || n != 3 || same != 3 ||
        trainer_finding(t[1])) {
        st = fail(err, E_INTERNAL, "not the run: %d %d %d %zu %d %d", (int)at, (int)stop, (int)end,
            n, (int)same, trainer_finding(t[1]) != NULL);
    }
done:
    for (size_t i = 0; i < 3; i++) {
        trainer_free(t[i]);
        config_free(c[i]);
    }
    registry_free(r[0]);
    registry_free(r[1]);
    return st;
}

static void empty_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'/*", dir);
    assert_int_equal(system(command), 0);
}

/* A recurrent model on streams, and one on sequences: runs with checkpoints, and what goes on from them. */
static status carry_and_go_on(error *err)
{
    static const char *const sources[] = {
        "data = { type = \"planted\"; samples = 71; features = 3; weighted = true; window = 4; "
        "batch_size "
        "= 3; split = { validation = 20; test = 0; }; }; model = ( { type = \"lstm\"; units = 4; "
        "recurrent_dropout = 0.1; }, { type = \"gru\"; units = 3; }, { type = \"dense\"; units = "
        "1; } ); "
        "loss = \"mse\"; optimizer = \"adam\"; train = { steps = 3; replicas = 2; threads = 2; "
        "accumulate "
        "= 2; checkpoint = { every = 1; unit = \"step\"; }; };",
        "data = { type = \"ragged\"; samples = 17; weighted = true; batch_size = 4; split = { "
        "validation = "
        "5; test = 0; }; }; model = ( { type = \"lstm\"; units = 4; }, { type = \"dense\"; units = "
        "1; } "
        "); loss = \"mse\"; metrics = ( \"mae\" ); optimizer = \"adam\"; train = { steps = 3; "
        "replicas = "
        "2; checkpoint = { every = 1; unit = \"step\"; }; };"
    };
    const char *const dirs[] = { built, own, NULL };
    const registry_options o = { .no_environment = true, .dirs = dirs };
    registry *r = NULL;
    config *c = NULL;
    trainer *t = NULL;
    status st = OK;
    TRY(registry_new(&o, &r, err));
    for (size_t i = 0; i < 4; i++) {
        run_result result;
        if (i % 2 == 0) empty_folder();
        TRY(open_run(r, sources[i / 2], &c, &t, err));
        if (i % 2 == 1) TRY(trainer_restore_latest(t, dir, err));
        TRY(trainer_run(t, &result, err));
        if (result.step != 3) TRY(fail(err, E_INTERNAL, "not the run"));
        trainer_free(t);
        config_free(c);
        t = NULL;
        c = NULL;
    }
done:
    trainer_free(t);
    config_free(c);
    registry_free(r);
    return st;
}

/* One run of the scenario with its k-th allocation failing. `may_end_well`: the memory was for something that can be done without. */
static bool run_once(status (*scenario)(error *err), long k, status *out, error *err)
{
    *err = (error){ 0 };
    const long before = atomic_load(&n_blocks);
    atomic_store(&n_calls, 0);
    atomic_store(&fails_at, k);
    *out = scenario(err);
    atomic_store(&fails_at, -1);
    return atomic_load(&n_blocks) == before;
}

static void fail_each(status (*scenario)(error *err))
{
    error err;
    status st;
    long n_unnoticed = 0, n_failed = 0;
    empty_folder();
    (void)run_once(scenario, -1, &st, &err); /* plugins are loaded for ever */
    if (st != OK) GIVE_UP("%s", err.text);
    empty_folder();
    if (!run_once(scenario, -1, &st, &err)) GIVE_UP("leaks even when nothing fails");
    const long n = atomic_load(&n_calls);
    const long stride = getenv("ASSAY_TEST_EXHAUSTIVE") || n < MOST_FAILURES
        ? 1
        : (n + MOST_FAILURES - 1) / MOST_FAILURES;
    assert_true(n > 100);
    for (long k = 0; k < n; k += stride, n_failed++) {
        empty_folder();
        const bool is_clean = run_once(scenario, k, &st, &err);
        if (!is_clean) GIVE_UP("allocation %ld of %ld: leaks (%s)", k, n, err.text);
        if (st != OK && st != E_NOMEM) {
            GIVE_UP("allocation %ld of %ld: %s: %s", k, n, status_name(st), err.text);
        }
        if (st == E_NOMEM && !err.text[0]) GIVE_UP("allocation %ld of %ld: no message", k, n);
        n_unnoticed += st == OK;
    }
    print_message(
        "%ld of %ld allocations failed, %ld of them did no harm\n", n_failed, n, n_unnoticed);
    assert_true(n_unnoticed * 2 < n_failed);
}

static void test_out_of_memory__in_a_whole_run(void **state)
{
    (void)state;
    fail_each(run_twice);
}

static void test_out_of_memory__with_streams_and_sequences(void **state)
{
    (void)state;
    fail_each(carry_and_go_on);
}

static void test_out_of_memory__when_saying_what_is_wrong(void **state)
{
    (void)state;
    fail_each(say_what_is_wrong);
}

static void test_out_of_memory__when_a_run_is_gone_through_again(void **state)
{
    (void)state;
    fail_each(go_through_again);
}

static int make_folder(void **state)
{
    char here[FIXTURE_PATH_BYTES - 16];
    (void)state;
    const ssize_t n = readlink("/proc/self/exe", here, sizeof here - 1);
    if (n <= 0) return -1;
    here[n] = '\0';
    *strrchr(here, '/') = '\0';
    snprintf(built, sizeof built, "%s/../plugins", here);
    snprintf(own, sizeof own, "%s/plugins", here);
    snprintf(dir, sizeof dir, "%s/assay-scarce-XXXXXX",
        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_of_memory__in_a_whole_run),
        cmocka_unit_test(test_out_of_memory__with_streams_and_sequences),
        cmocka_unit_test(test_out_of_memory__when_saying_what_is_wrong),
        cmocka_unit_test(test_out_of_memory__when_a_run_is_gone_through_again),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
