/* Declarations while memory runs out: each allocation of ours fails once; nothing leaks or breaks, and the reason is said.
 *
 * The linker's --wrap (test_declaration_out_of_memory.link) puts the allocators below between the core's libraries and the C library's; what
 * libconfig and the dynamic linker allocate inside does not fail. */
#include "core/declaration/declaration_scene.h"

static long n_calls, fails_at = -1;

static bool is_its_turn(void)
{
    return n_calls++ == fails_at;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t each);
void *__real_realloc(void *old, size_t bytes);
void *__real_arena_alloc(arena *a, size_t bytes);
void *__real_arena_alloc_array(arena *a, size_t n, size_t each);
char *__real_arena_strdup(arena *a, const char *s);
char *__real_arena_strndup(arena *a, const char *s, size_t n);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t each);
void *__wrap_realloc(void *old, size_t bytes);
void *__wrap_arena_alloc(arena *a, size_t bytes);
void *__wrap_arena_alloc_array(arena *a, size_t n, size_t each);
char *__wrap_arena_strdup(arena *a, const char *s);
char *__wrap_arena_strndup(arena *a, const char *s, size_t n);

void *__wrap_malloc(size_t bytes)
{
    return is_its_turn() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t each)
{
    return is_its_turn() ? NULL : __real_calloc(n, each);
}

void *__wrap_realloc(void *old, size_t bytes)
{
    return is_its_turn() ? NULL : __real_realloc(old, bytes);
}

void *__wrap_arena_alloc(arena *a, size_t bytes)
{
    return is_its_turn() ? NULL : __real_arena_alloc(a, bytes);
}

void *__wrap_arena_alloc_array(arena *a, size_t n, size_t each)
{
    return is_its_turn() ? NULL : __real_arena_alloc_array(a, n, each);
}

char *__wrap_arena_strdup(arena *a, const char *s)
{
    return is_its_turn() ? NULL : __real_arena_strdup(a, s);
}

char *__wrap_arena_strndup(arena *a, const char *s, size_t n)
{
    return is_its_turn() ? NULL : __real_arena_strndup(a, s, n);
}

/* What comes of it: the hash, and of the warnings. */
typedef struct fruit {
    char hash[33], warnings[33];
} fruit;

static status life(scene *t, fruit *out)
{
    const char *overrides[] = { "study.seed=7" };
    const declaration_options o = { .name = "mine", .overrides = overrides, .n_overrides = 1 };
    declaration *d = NULL;
    size_t n;
    status st = OK;
    text warnings = { 0 };
    TRY(declaration_load(t->r, "study.cfg", &o, &d, &t->err));
    TRY(declaration_check(t->r, d, &warnings, &n, &t->err));
    memcpy(out->hash, d->hash, sizeof out->hash);
    hash_hex(out->warnings, warnings.s, warnings.n);
done:
    text_release(&warnings);
    declaration_free(d);
    return st;
}

static void test_declaration__says_that_memory_is_out(void **state)
{
    scene *t = *state;
    assert_int_equal(file_make_dirs("part", &t->err), OK);
    spill("part/data.cfg",
        "data = { type = \"csv\"; file = \"x.csv\"; target = \"y\"; split = { validation = 0.2; }; "
        "};\n");
    spill("run.cfg",
        "@include \"part/data.cfg\"\nmodel = \"relu\"; loss = \"mse\"; optimizer = \"adam\"; "
        "schedule = "
        "\"cosine\";\n metrics = ( { type = \"rmse\"; name = \"off\"; } ); train = { "
        "early_stopping = { "
        "}; };\n");
    spill("study.cfg",
        "plugins = ( \"" TEST_BUILD_DIR "/plugins/optimizer/lion.so\" );\n"
        "study = { compare = \"optimizers\"; metric = \"validation.off\"; pruner = \"median\";\n"
        "contenders = ( { name = \"adam\"; set = [\"optimizer.type=adam\"]; search = \"default\"; "
        "},\n"
        "{ name = \"sgd\"; set = [\"optimizer.type=sgd\"]; search = \"optimizer.lr=1e-4..1:log "
        "optimizer.dampening=0..1 "
        "schedule.type=linear,cosine\"; } );\n"
        "workloads = ( { config = \"run.cfg\"; }, { name = \"again\"; config = \"run.cfg\"; set = "
        "[\"train.epochs=3\"]; } ); };");
    fruit whole, found;
    const status before = life(t, &whole);
    if (before != OK) print_error("%s\n", t->err.text);
    assert_int_equal(before, OK);
    n_calls = 0;
    assert_int_equal(life(t, &found), OK);
    const long n = n_calls;
    if (n <= 1000) print_error("%ld allocations\n", n);
    assert_true(n > 1000);
    long n_unhurt = 0;
    const long stride = n / 6000 + 1; /* all, until there are very many */
    for (long i = 0; i < n; i += stride) {
        n_calls = 0;
        fails_at = i;
        t->err = (error){ 0 };
        const status st = life(t, &found);
        fails_at = -1;
        if (st == OK) { /* a bare word's attempt to be a value: it is text either way */
            assert_memory_equal(&found, &whole, sizeof whole);
            n_unhurt++;
            continue;
        }
        if (st != E_NOMEM) {
            print_error("allocation %ld of %ld: %d \"%s\"\n", i, n, st, t->err.text);
        }
        assert_int_equal(st, E_NOMEM);
        assert_true(t->err.text[0] != '\0');
    }
    assert_true(n_unhurt * 10 < n / stride);
    assert_int_equal(life(t, &found), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_declaration__says_that_memory_is_out, enter_scene, leave_scene),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
