/* assay sample: text or music from a trained model, step after step.
 *
 * The model's output for what came so far is a distribution over what comes next: over tokens (softmax of the outputs) or, for
 * frames of binary features, over each feature (sigmoid). A draw from it is written and becomes the next input; what the layers
 * carry goes on. Outputs are divided by the temperature first; at 0 the likeliest is taken. Draw i is number i of a stream that
 * the seed names, so a text is a function of the weights, the beginning and the seed. */
#include "base/file.h"
#include "base/json_in.h"
#include "base/rng.h"
#include "cli/interrupt.h"
#include "cli/run_weights.h"
#include "cli/session.h"
#include "model/stepper.h"
#include "model/weights.h"
#include "train/run_input.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TOKENS = 500, DEFAULT_FRAMES = 64 };

static const char end_of_line[] = "<eos>"; /* the word that stands for a line's end */

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
    bool bytes; /* tokens are bytes, named \xNN where they cannot be shown */
    size_t n; /* outputs: tokens or features */
    float *frame; /* [n] of binary features */
    float *uniform; /* [n] of one step */
    double *work; /* [n] */
    bool is_fresh; /* nothing stands on the line yet */
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
        j->input.target == ASSAY_TARGET_CLASS && j->input.n_targets == j->input.vocabulary;
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
    j->bytes = level && level->kind == VALUE_STRING && strcmp(level->as.string, "byte") == 0;
    TRY(registry_add_config(s->registry, s->config, err));
    TRY(model_new(s->registry, s->config, layers, 0, &j->model, err));
    TRY(model_plan(j->model, s->config, &o, err));
    TRY(weights_load(j->model, j->weights.path, err));
    TRY(model_prepare(j->model, false, err));
    if (model_n_outputs(j->model) != j->n) {
        TRY(fail(err, E_SHAPE, "%s: the model has %zu outputs for %zu %s", s->folder,
            model_n_outputs(j->model), j->n, j->binary ? "features" : "tokens"));
    }
    if (j->model->n_carry == 0) {
        cli_warn(j->cli,
            "the model carries nothing from step to step: each depends on the one "
            "before it alone");
    }
    TRY(stepper_new(j->model, &j->stepper, err));
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

/* -- writing -- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A token as text: a byte that its name spells, a line's end, or the name. */
static void put_token(sample_job *j, FILE *to, size_t i)
{
    const char *name = j->input.tokens ? j->input.tokens[i] : NULL;
    if (!name) {
        fprintf(to, "%s%zu", j->is_fresh ? "" : " ", i);
    } else if (j->bytes && name[0] == '\\' && name[1] == 'x' && hex(name[2]) >= 0 &&
        hex(name[3]) >= 0) {
        putc(hex(name[2]) * 16 + hex(name[3]), to);
    } else if (strcmp(name, end_of_line) == 0) {
        putc('\n', to);
        j->is_fresh = true;
        return;
    } else {
        fprintf(to, "%s%s", j->is_fresh ? "" : j->input.separator, name);
    }
    j->is_fresh = false;
}

/* "60,64,67", "-" for silence: a frame of the format that pianoroll reads. */
static void put_frame(sample_job *j, FILE *to)
{
    bool any = false;
    fputs(j->is_fresh ? "" : " ", to);
    for (size_t i = 0; i < j->n; i++) {
        if (j->frame[i] == 0) continue;
        fprintf(to, "%s%zu", any ? "," : "", i);
        any = true;
    }
    if (!any) putc('-', to);
    j->is_fresh = false;
}

/* -- drawing -- */

/* softmax(y / temperature), summed up until the uniform number is passed; the largest at temperature 0. */
static size_t draw_token(sample_job *j, const float *y, uint64_t i_draw)
{
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

static void draw_frame(sample_job *j, const float *y, uint64_t i_draw)
{
    rng_uniform(j->random, 1, i_draw * j->n, j->uniform, j->n);
    for (size_t k = 0; k < j->n; k++) {
        const double p =
            j->temperature > 0 ? 1 / (1 + exp(-(double)y[k] / j->temperature)) : (double)(y[k] > 0);
        j->frame[k] = (double)j->uniform[k] < p ? 1.0f : 0.0f;
    }
}

/* -- the beginning -- */

/* The longest token that stands at `s`; n when there is none. */
static size_t token_at(const sample_job *j, const char *s, size_t *out_bytes)
{
    size_t found = j->n, most = 0;
    const bool words = j->input.separator[0] != '\0';
    if (words && *s == '\n') {
        s = end_of_line;
        most = 1;
    }
    const size_t word = words ? strcspn(s, " \t\r\n") : 0;
    for (size_t i = 0; i < j->n; i++) {
        const char *name = j->input.tokens[i];
        const size_t n = strlen(name);
        const bool fits =
            words ? n == word && memcmp(name, s, n) == 0 : n > most && strncmp(name, s, n) == 0;
        if (fits) {
            found = i;
            most = most == 1 && s == end_of_line ? 1 : n;
        }
    }
    *out_bytes = most;
    return found;
}

/* The next token of a beginning and how far it reaches; E_USAGE where none fits. */
static status next_token(
    const sample_job *j, const char *s, size_t *out_token, size_t *out_bytes, error *err)
{
    const size_t blank = j->input.separator[0] ? strspn(s, " \t") : 0;
    if (blank > 0) {
        *out_token = j->n;
        *out_bytes = blank;
        return OK;
    }
    *out_token = token_at(j, s, out_bytes);
    if (*out_token < j->n) {
        return OK;
    }
    const quoted shown = quote_name(s);
    return fail(err, E_USAGE, "sample: --prime: no token of the run's vocabulary fits %s", shown.s);
}

static status prime_tokens(sample_job *j, const char *s, const float **out_y, error *err)
{
    status st = OK;
    size_t i = 0, bytes = 0;
    for (const char *at = s; *at; at += bytes) { /* before anything is written */
        TRY(next_token(j, at, &i, &bytes, err));
    }
    for (; *s; s += bytes) {
        TRY(next_token(j, s, &i, &bytes, err));
        if (i == j->n) {
            continue;
        }
        const int32_t token = (int32_t)i;
        TRY(stepper_step(j->stepper, NULL, &token, out_y, err));
        put_token(j, stdout, i);
    }
done:
    return st;
}

/* One frame: keys with commas between them, or "-". */
static status read_frame(sample_job *j, const char *s, size_t n, error *err)
{
    const char *at = s;
    memset(j->frame, 0, j->n * sizeof *j->frame);
    if (n == 1 && *s == '-') {
        return OK;
    }
    for (;;) {
        char *end;
        const unsigned long key = strtoul(at, &end, 10);
        if (end == at || *at == '-' || *at == '+' || key >= j->n || (end < s + n && *end != ',')) {
            return fail(err, E_USAGE,
                "sample: --prime: expected frames of keys from 0 to %zu with commas between them, "
                "or -; found \"%.*s\"",
                j->n - 1, (int)(n < 60 ? n : 60), s);
        }
        j->frame[key] = 1;
        if (end == s + n) {
            return OK;
        }
        at = end + 1;
    }
}

static status prime_frames(sample_job *j, const char *s, const float **out_y, error *err)
{
    status st = OK;
    for (s += strspn(s, " "); *s; s += strspn(s, " ")) {
        const size_t n = strcspn(s, " ");
        TRY(read_frame(j, s, n, err));
        TRY(stepper_step(j->stepper, j->frame, NULL, out_y, err));
        put_frame(j, stdout);
        s += n;
    }
done:
    return st;
}

/* Where nobody says how it begins: at the beginning of a line, in silence. */
static status begin_alone(sample_job *j, const float **out_y, error *err)
{
    int32_t token = 0;
    if (j->binary) {
        memset(j->frame, 0, j->n * sizeof *j->frame);
        return stepper_step(j->stepper, j->frame, NULL, out_y, err);
    }
    for (size_t i = 0; j->input.tokens && i < j->n; i++) {
        const char *name = j->input.tokens[i];
        if (strcmp(name, "\n") == 0 || strcmp(name, "\\x0a") == 0 ||
            strcmp(name, end_of_line) == 0) {
            token = (int32_t)i;
        }
    }
    return stepper_step(j->stepper, NULL, &token, out_y, err);
}

static status begin(sample_job *j, const float **out_y, error *err)
{
    const char *prime = option_get(j->args, "prime");
    if (!prime || !prime[0]) {
        return begin_alone(j, out_y, err);
    }
    if (!j->binary && !j->input.tokens) {
        return fail(err, E_UNSUPPORTED,
            "sample: --prime: the run's tokens have no names, so no text can be read");
    }
    const status st =
        j->binary ? prime_frames(j, prime, out_y, err) : prime_tokens(j, prime, out_y, err);
    return st == OK && !*out_y ? begin_alone(j, out_y, err) : st;
}

static status generate(sample_job *j, const interrupt *stop, error *err)
{
    status st = OK;
    const float *y = NULL;
    j->is_fresh = true;
    TRY(begin(j, &y, err));
    for (uint64_t i = 0; i < j->length && !atomic_load(&stop->asked); i++) {
        if (j->binary) {
            draw_frame(j, y, i);
            put_frame(j, stdout);
            TRY(stepper_step(j->stepper, j->frame, NULL, &y, err));
        } else {
            const int32_t token = (int32_t)draw_token(j, y, i);
            put_token(j, stdout, (size_t)token);
            TRY(stepper_step(j->stepper, NULL, &token, &y, err));
        }
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
    sample_job j = { .cli = c, .args = a };
    status st = interrupt_start(&stop, c, &err);
    if (st == OK) {
        st = open_run(&j, &err);
        if (st == OK) st = generate(&j, &stop, &err);
        interrupt_stop(&stop);
    }
    int code = st == OK ? EXIT_DONE : cli_error(c, &err);
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
        "next "
        "inputs. The same seed gives the same text. Frames are written as the pianoroll data set "
        "reads them: the sounding keys with commas between them, or -.",
    .examples = "assay sample runs/shakespeare-lstm-1 --prime 'ROMEO:' --temperature 0.8\n"
                "assay sample runs/jsb-gru-1 --length 200 --seed 7 > chorale.txt",
    COMMAND_OPTIONS(options),
    .least = 1,
    .most = 1024,
    .completes = COMPLETE_FOLDER,
    .run = run_sample };
