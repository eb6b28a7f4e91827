/* assay sample: text or music from a trained model, step after step.
 *
 * The model's output for what came so far is a distribution over what comes next: over tokens (softmax of the outputs) or, for
 * frames of binary features, over each feature (sigmoid). A draw from it is written and becomes the next input; what the layers
 * carry goes on. Outputs are divided by the temperature first; at 0 the likeliest is taken. Draw i is number i of a stream that
 * the seed names, so a text is a function of the weights, the beginning and the seed. */
#include "base/file.h"
#include "base/rng.h"
#include "cli/interrupt.h"
#include "cli/notation.h"
#include "cli/run_weights.h"
#include "cli/session.h"
#include "model/stepper.h"
#include "model/weights.h"
#include "num/vec.h"
#include "train/run_input.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TOKENS = 500, DEFAULT_FRAMES = 64 };

typedef struct sample_job {
    const cli *cli;
    const arguments *args;
    session session;
    run_input input;
    run_weights weights;
    model *model;
    stepper *stepper;
    rng random;
    double temperature;
    uint64_t length, seed;
    bool binary; /* frames of binary features, not tokens */
    notation notation;
    size_t n; /* outputs: tokens or features */
    float *frame; /* [n] of binary features */
    float *uniform; /* [n] of one step */
    double *work; /* [n] */
    const float *y; /* [n] the last output; NULL: none yet */
} sample_job;

/* -- the command line -- */

static status read_number(const arguments *a, const char *name, double low, double high,
    const char *expected, double *inout, error *err)
{
    const char *s = option_get(a, name);
    char *end;
    if (!s) {
        return OK;
    }
    errno = 0;
    const double v = strtod(s, &end);
    if (end == s || *end || errno || !(v >= low && v <= high)) {
        return fail(err, E_USAGE, "sample: --%s: expected %s, found \"%s\"", name, expected, s);
    }
    *inout = v;
    return OK;
}

static status read_whole(const arguments *a, const char *name, double *inout, error *err)
{
    static const char expected[] = "a whole number from 0 to 2^53";
    status st = read_number(a, name, 0, 9007199254740992.0, expected, inout, err);
    if (st == OK && *inout != floor(*inout)) {
        st = fail(err, E_USAGE, "sample: --%s: expected %s, found \"%s\"", name, expected,
            option_get(a, name));
    }
    return st;
}

static status read_options(sample_job *j, error *err)
{
    status st = OK;
    double length = -1, seed = 0;
    j->temperature = 1;
    TRY(read_whole(j->args, "length", &length, err));
    TRY(read_whole(j->args, "seed", &seed, err));
    TRY(read_number(
        j->args, "temperature", 0, 1000, "a number from 0 to 1000", &j->temperature, err));
    j->seed = (uint64_t)seed;
    j->length = length >= 0 ? (uint64_t)length : UINT64_MAX;
    j->random = rng_make(j->seed, "sample");
done:
    return st;
}

/* -- the model -- */

/* What the outputs mean is the loss's to say. */
static status check_loss(sample_job *j, error *err)
{
    const value *loss = value_find(config_root(j->session.config), "loss");
    const char *type = block_type(loss);
    const bool tokens = strcmp(type, "softmax_xent") == 0 && j->input.dtype == ASSAY_I32 &&
        assay_shape_size(&j->input.shape) == 1 && j->input.target == ASSAY_TARGET_CLASS &&
        j->input.n_targets == j->input.vocabulary;
    j->binary = strcmp(type, "bce_logits") == 0 && j->input.dtype == ASSAY_F32 &&
        j->input.target == ASSAY_TARGET_BINARY &&
        j->input.n_targets == assay_shape_size(&j->input.shape);
    j->n = (size_t)j->input.n_targets;
    if (tokens || j->binary) {
        return OK;
    }
    return fail(err, E_UNSUPPORTED,
        "%s: sample needs a model whose output is its next input: tokens under softmax_xent (data "
        "of type text) or binary frames under bce_logits (pianoroll)",
        j->session.folder);
}

static status open_model(sample_job *j, error *err)
{
    session *s = &j->session;
    status st = OK;
    value *layers = value_find(config_root(s->config), "model");
    const value *level = value_find(value_find(config_root(s->config), "data"), "level");
    const model_options o = { .in = j->input.shape,
        .in_dtype = j->input.dtype,
        .vocabulary = j->input.vocabulary,
        .max_time = 2, /* a sequence, though one step of it is run at a time */
        .max_batch = 1 };
    TRY(check_loss(j, err));
    j->notation = (notation){ .input = &j->input,
        .n = j->n,
        .bytes = level && level->kind == VALUE_STRING && strcmp(level->as.string, "byte") == 0 };
    TRY(registry_add_config(s->registry, s->config, err));
    TRY(model_new(s->registry, s->config, layers, 0, &j->model, err));
    TRY(model_plan(j->model, s->config, &o, err));
    TRY(weights_load(j->model, j->weights.path, err));
    TRY(model_prepare(j->model, false, err));
    if (model_n_outputs(j->model) != j->n) {
        TRY(fail(err, E_SHAPE, "%s: the model has %zu outputs for %zu %s", s->folder,
            model_n_outputs(j->model), j->n, j->binary ? "features" : "tokens"));
    }
    TRY(stepper_new(j->model, &j->stepper, err));
    if (j->model->n_carry == 0) {
        cli_warn(j->cli,
            "the model carries nothing from step to step: each depends on the one "
            "before it alone");
    }
    j->frame = arena_alloc_array(&s->memory, j->n, sizeof *j->frame);
    j->uniform = arena_alloc_array(&s->memory, j->n, sizeof *j->uniform);
    j->work = arena_alloc_array(&s->memory, j->n, sizeof *j->work);
    st = j->frame && j->uniform && j->work ? OK : fail_nomem(err, "a step");
done:
    return st;
}

static status open_run(sample_job *j, error *err)
{
    status st = OK;
    session *s = &j->session;
    char *const *words = j->args->word;
    if (!file_is_dir(words[0])) {
        TRY(fail(err, E_USAGE, "%s: not the folder of a run", words[0]));
    }
    TRY(read_options(j, err));
    TRY(session_open(s, j->cli, words[0], words + 1, j->args->n - 1, err));
    TRY(run_weights_choose(s, option_get(j->args, "weights"), &j->weights, err));
    TRY(run_input_read(s->folder, &s->memory, &j->input, err));
    TRY(open_model(j, err));
    if (j->length == UINT64_MAX) j->length = j->binary ? DEFAULT_FRAMES : DEFAULT_TOKENS;
done:
    return st;
}

/* -- drawing -- */

/* softmax(y / temperature), summed up until the uniform number is passed; the largest at temperature 0. */
static size_t draw_token(sample_job *j, uint64_t i_draw)
{
    const float *y = j->y;
    size_t best = 0;
    double sum = 0, up_to = 0;
    for (size_t k = 1; k < j->n; k++) {
        best = y[k] > y[best] ? k : best;
    }
    if (!(j->temperature > 0)) {
        return best;
    }
    for (size_t k = 0; k < j->n; k++) {
        sum += j->work[k] = exp(((double)y[k] - (double)y[best]) / j->temperature);
    }
    rng_uniform(j->random, 0, i_draw, j->uniform, 1);
    for (size_t k = 0; k < j->n; k++) {
        up_to += j->work[k] / sum;
        if ((double)j->uniform[0] < up_to) {
            return k;
        }
    }
    return best; /* what rounding left over */
}

static void draw_frame(sample_job *j, uint64_t i_draw)
{
    const float *y = j->y;
    rng_uniform(j->random, 1, i_draw * j->n, j->uniform, j->n);
    for (size_t k = 0; k < j->n; k++) {
        const double p =
            j->temperature > 0 ? 1 / (1 + exp(-(double)y[k] / j->temperature)) : (double)(y[k] > 0);
        j->frame[k] = (double)j->uniform[k] < p ? 1.0f : 0.0f;
    }
}

/* -- the beginning -- */

static status run_token(sample_job *j, size_t token, error *err)
{
    const int32_t x = (int32_t)token;
    return stepper_step(j->stepper, NULL, &x, &j->y, err);
}

static status run_frame(sample_job *j, error *err)
{
    return stepper_step(j->stepper, j->frame, NULL, &j->y, err);
}

/* Where nobody says how it begins: at the beginning of a line, in silence. */
static status begin_alone(sample_job *j, error *err)
{
    if (j->binary) {
        memset(j->frame, 0, j->n * sizeof *j->frame);
        return run_frame(j, err);
    }
    return run_token(j, notation_first(&j->notation), err);
}

/* One step of the beginning; `writes` also runs and writes it. */
static status prime_step(sample_job *j, const char **at, bool writes, bool *out_more, error *err)
{
    size_t token = 0;
    status st = j->binary ? notation_next_frame(&j->notation, at, j->frame, out_more, err)
                          : notation_next_token(&j->notation, at, &token, out_more, err);
    if (st != OK || !*out_more || !writes) {
        return st;
    }
    if (j->binary) {
        notation_put_frame(&j->notation, stdout, j->frame);
        return run_frame(j, err);
    }
    notation_put_token(&j->notation, stdout, token);
    return run_token(j, token, err);
}

/* Read whole before anything is written. */
static status begin(sample_job *j, error *err)
{
    status st = OK;
    const char *prime = option_get(j->args, "prime");
    if (prime && prime[0] && !j->binary && !j->input.tokens) {
        return fail(err, E_UNSUPPORTED,
            "sample: --prime: the run's tokens have no names, so no text can be read");
    }
    for (int writes = 0; prime && writes < 2; writes++) {
        bool more = true;
        for (const char *at = prime; more;) {
            TRY(prime_step(j, &at, writes, &more, err));
        }
    }
    if (!j->y) {
        TRY(begin_alone(j, err));
    }
done:
    return st;
}

static status check_output(const sample_job *j, uint64_t i, error *err)
{
    if (vec_first_nonfinite(j->y, j->n) < j->n) {
        return fail(err, E_NUMERIC,
            "%s: the model's output is not finite at %s %llu; --weights names other weights",
            j->weights.path, j->binary ? "frame" : "token", (unsigned long long)i);
    }
    return OK;
}

/* The i-th step drawn, written and run. */
static status make_step(sample_job *j, uint64_t i, error *err)
{
    status st = check_output(j, i, err);
    if (st != OK) {
        return st;
    }
    if (j->binary) {
        draw_frame(j, i);
        notation_put_frame(&j->notation, stdout, j->frame);
        return run_frame(j, err);
    }
    const size_t token = draw_token(j, i);
    notation_put_token(&j->notation, stdout, token);
    return run_token(j, token, err);
}

/* Until enough is made, the user wants no more, or nobody reads it. */
static status generate(sample_job *j, const interrupt *stop, error *err)
{
    status st = OK;
    j->notation.is_fresh = true;
    TRY(begin(j, err));
    for (uint64_t i = 0; i < j->length && !atomic_load(&stop->asked) && !ferror(stdout); i++) {
        TRY(make_step(j, i, err));
        if (j->cli->out.is_tty) (void)fflush(stdout);
    }
    putchar('\n');
done:
    return st;
}

static int run_sample(cli *c, const arguments *a)
{
    error err;
    interrupt stop;
    cli silent = *c;
    silent.quiet = true; /* what follows a Ctrl-C is said of runs that can be resumed */
    sample_job j = { .cli = c, .args = a };
    status st = interrupt_start(&stop, &silent, &err);
    if (st == OK) {
        st = open_run(&j, &err);
        if (st == OK) st = generate(&j, &stop, &err);
        interrupt_stop(&stop);
    }
    int code = st != OK ? cli_error(c, &err) : atomic_load(&stop.asked) ? EXIT_AGAIN : EXIT_DONE;
    text nothing = { 0 };
    const int written = cli_put(c, &nothing); /* a full disk or a closed pipe shows here */
    stepper_free(j.stepper);
    model_free(j.model);
    session_close(&j.session);
    return code != EXIT_DONE ? code : written;
}

static const option_row options[] = {
    { "length", 'n', "N", NULL, COMPLETE_NOTHING,
        "how many tokens (default 500) or frames (default 64) to make" },
    { "temperature", 't', "T", NULL, COMPLETE_NOTHING,
        "below 1 likelier, above 1 bolder, 0 always the likeliest (default 1)" },
    { "prime", 'p', "TEXT", NULL, COMPLETE_NOTHING,
        "how it begins: text, or frames such as \"60,64,67 -\"" },
    { "seed", 's', "N", NULL, COMPLETE_NOTHING, "seed of the draws (default 0)" },
    { "weights", 'w', "WHICH", NULL, COMPLETE_FILE,
        "best, last or a file (default: those that the run itself judged)" },
};

const command command_sample = { .name = "sample",
    .arguments = "RUN_DIR [KEY=VALUE...]",
    .summary = "write text or music with a trained model",
    .doc =
        "Draws the next token or frame from what the model makes of all that came before, writes "
        "it, "
        "and goes on from there. The data are not needed: a run keeps its vocabulary.\n\n"
        "For runs on text (softmax_xent) and piano rolls (bce_logits), whose outputs are their "
        "next inputs. The same seed gives the same text. Frames are written as the pianoroll data "
        "set reads them: the sounding keys with commas between them, or -.",
    .examples = "assay sample runs/shakespeare-lstm-1 --prime 'ROMEO:' --temperature 0.8\n"
                "assay sample runs/jsb-gru-1 --length 200 --seed 7 > chorale.txt",
    COMMAND_OPTIONS(options),
    .least = 1,
    .most = 1024,
    .completes = COMPLETE_FOLDER,
    .run = run_sample };
