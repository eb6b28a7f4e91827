/* A run that diverges is a result: told with step and layer, recorded like any other end, and its folder is whole. */
#include "support/program_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <stdlib.h>
#include <string.h>

static const char config_text[] =
    "name = \"wild\"; seed = 3;\n"
    "data = { type = \"csv\"; file = \"" TEST_SOURCE_DIR "/configs/data/iris.csv\";\n"
    "    target = \"species\"; standardize = true; batch_size = 16;\n"
    "    split = { seed = 0; validation = 0.2; test = 0.2; }; };\n"
    "model = ( { type = \"dense\"; units = 7; name = \"hidden\"; }, { type = \"relu\"; },\n"
    "    { type = \"dense\"; units = 3; name = \"last\"; } );\n"
    "loss = \"softmax_xent\"; metrics = ( \"accuracy\" );\n"
    "optimizer = { type = \"sgd\"; lr = 1e30; };\n"
    "train = { epochs = 3; };\n";

static void expect_in(const char *where, const char *what)
{
    if (!strstr(where, what)) GIVE_UP("expected %s\n     got %s", what, where);
}

static void test_divergence__names_step_and_layer(void **state)
{
    scene s;
    (void)state;
    scene_init(&s);
    scene_write(&s, "wild.cfg", config_text);
    scene_run(&s, "train", "wild.cfg", "-q", "--output", "run");
    scene_expect(&s, 1);
    expect_in(s.err.s,
        "assay: error: the run diverged at step 2: the loss is not finite; the output of layer "
        "last is "
        "infinite at element ");
    expect_in(s.out.s, "diverged");
    assert_null(strstr(s.out.s, "-nan"));
    char *records = scene_read(&s, "run/metrics.jsonl", NULL);
    expect_in(records, "\"record\": \"end\"");
    expect_in(records, "\"stop\": \"diverged\"");
    assert_null(strstr(records, "-nan"));
    free(records);
    assert_true(scene_has(&s, "run/last.safetensors"));
    scene_release(&s);
}

static void test_divergence__json_is_json(void **state)
{
    scene s;
    (void)state;
    scene_init(&s);
    scene_write(&s, "wild.cfg", config_text);
    scene_run(&s, "train", "wild.cfg", "-q", "--json", "--output", "run");
    scene_expect(&s, 1);
    assert_int_equal(s.out.s[0], '{');
    expect_in(s.out.s, "\"diverged\"");
    assert_null(strstr(s.out.s, ": nan"));
    assert_null(strstr(s.out.s, ": -nan"));
    scene_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_divergence__names_step_and_layer),
        cmocka_unit_test(test_divergence__json_is_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
