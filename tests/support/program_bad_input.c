/* One run is made for all rows and copied for each, so that a row about checkpoints costs a copy and not a training. */
#include "support/program_bad_input.h"

#include "support/program_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <stdlib.h>
#include <string.h>

static const char good_config[] = "name = \"bad\";\n"
                                  "seed = 1;\n"
                                  "plugins = ( );\n"
                                  "data = {\n"
                                  "    type = \"csv\"; file = \"t.csv\"; target = \"y\";\n"
                                  "    batch_size = 4;\n"
                                  "    split = { seed = 0; validation = 0.2; test = 0.2; };\n"
                                  "};\n"
                                  "model = (\n"
                                  "    { type = \"dense\"; units = 5; name = \"hidden\"; },\n"
                                  "    { type = \"relu\"; },\n"
                                  "    { type = \"dense\"; units = 3; name = \"last\"; }\n"
                                  ");\n"
                                  "loss = \"softmax_xent\";\n"
                                  "metrics = ( \"accuracy\" );\n"
                                  "optimizer = { type = \"sgd\"; lr = 0.1; };\n"
                                  "train = { epochs = 2; };\n";

/* 30 rows a,b,y; of line k + 2 of the file, a is k + 0.5. */
static void write_table(const scene *s)
{
    static const char *const classes[] = { "red", "green", "blue" };
    text t = { 0 };
    text_add(&t, "a,b,y\n");
    for (int k = 0; k < 30; k++)
        text_printf(&t, "%d.5,%d.25,%s\n", k, k * 7 % 11, classes[k % 3]);
    scene_write(s, "t.csv", t.s);
    text_release(&t);
}

static void write_config(const scene *s, const bad_input *b)
{
    text t = { 0 };
    const char *hit = b->was ? strstr(good_config, b->was) : NULL;
    if (b->was && !hit) GIVE_UP("%s: the good config has no %s", b->name, b->was);
    if (hit) {
        text_add_bytes(&t, good_config, (size_t)(hit - good_config));
        text_add(&t, b->is);
        text_add(&t, hit + strlen(b->was));
    } else {
        text_add(&t, good_config);
    }
    scene_write(s, "bad.cfg", t.s);
    text_release(&t);
}

static bool check_row(scene *s, const bad_input *b)
{
    static const char *const train[] = { "train", "bad.cfg", NULL };
    text expected = { 0 };
    scene_shell(s, "rm -rf -- *; cp -r \"$DIR/.good\" run");
    write_table(s);
    write_config(s, b);
    if (b->make) scene_shell(s, b->make);
    scene_run_words(s, b->words[0] ? b->words : train);
    scene_mask(s, &s->err);
    const bool is_whole = strncmp(b->says, "assay: ", 7) == 0;
    text_printf(&expected, "%s%s\n", is_whole ? "" : "assay: error: ", b->says);
    const bool is_right = s->code == b->code && strcmp(s->err.s, expected.s) == 0 &&
        s->out.n == 0 && !scene_has(s, "runs");
    if (!is_right) {
        print_error("%s\n  expected %d %s       got %d %s", b->name, b->code, expected.s, s->code,
            s->err.n ? s->err.s : "nothing on stderr\n");
        if (s->out.n) print_error("  on stdout: %s\n", s->out.s);
        if (scene_has(s, "runs")) print_error("  a run folder was left behind\n");
    }
    text_release(&expected);
    return is_right;
}

static void make_good(scene *s)
{
    scene_init(s);
    write_table(s);
    write_config(s, &(bad_input){ 0 });
    scene_run(s, "train", "bad.cfg", "--output", ".good");
    scene_expect(s, 0);
}

void good_input_check(void)
{
    scene s;
    make_good(&s);
    assert_true(scene_has(&s, ".good/best.safetensors"));
    scene_release(&s);
}

void bad_inputs_check(const bad_input *rows, size_t n)
{
    scene s;
    size_t n_wrong = 0;
    make_good(&s);
    for (size_t i = 0; i < n; i++)
        n_wrong += !check_row(&s, &rows[i]);
    scene_release(&s);
    if (n_wrong) GIVE_UP("%zu of %zu rows", n_wrong, n);
}
