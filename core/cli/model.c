/* assay model summary and assay config: what a config comes to, before anything is trained. */
#include "base/json.h"
#include "cli/session.h"

static status open_all(session *s, cli *c, const arguments *a, error *err)
{
    const trainer_options o = { .sink = { 0 } };
    status st = session_open(s, c, a->word[0], a->word + 1, a->n - 1, err);
    return st == OK ? session_train(s, &o, err) : st;
}

static int run_summary(cli *c, const arguments *a)
{
    error err;
    text t = { 0 };
    session s = { 0 };
    int code;
    if (open_all(&s, c, a, &err) != OK) {
        code = cli_error(c, &err);
    } else if (option_has(a, "json")) {
        json j;
        json_init(&j, &t);
        model_summary_json(trainer_model(s.trainer), trainer_batch_size(s.trainer), &j);
        text_add(&t, "\n");
        code = cli_put(c, &t);
    } else {
        model_summary(trainer_model(s.trainer), trainer_batch_size(s.trainer), &t);
        code = cli_put(c, &t);
    }
    session_close(&s);
    return code;
}

static void value_json(const value *v, json *j)
{
    switch (v->kind) {
    case VALUE_BOOL: json_bool(j, v->as.boolean); break;
    case VALUE_INT: json_int(j, v->as.integer); break;
    case VALUE_REAL: json_real(j, v->as.real); break;
    case VALUE_STRING: json_string(j, v->as.string); break;
    case VALUE_LIST:
        json_begin_array(j);
        for (size_t i = 0; i < v->n; i++) {
            value_json(v->item[i], j);
        }
        json_end_array(j);
        break;
    case VALUE_GROUP:
        json_begin_object(j);
        for (size_t i = 0; i < v->n; i++) {
            json_key(j, v->item[i]->name);
            value_json(v->item[i], j);
        }
        json_end_object(j);
        break;
    }
}

static int run_config(cli *c, const arguments *a)
{
    error err;
    text t = { 0 };
    session s = { 0 };
    int code;
    status st = open_all(&s, c, a, &err);
    if (st == OK && option_has(a, "json")) {
        json j;
        json_init(&j, &t);
        value_json(config_root(s.config), &j);
        text_add(&t, "\n");
    } else if (st == OK) {
        st = config_to_text(s.config, &t, &err);
    }
    code = st == OK ? cli_put(c, &t) : cli_error(c, &err);
    text_release(&t);
    session_close(&s);
    return code;
}

static const option_row options[] = {
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "print JSON" },
};

const command command_model_summary = { .name = "model summary",
    .arguments = "CONFIG|RUN_DIR [KEY=VALUE...]",
    .summary = "layers, shapes, parameters, multiply-adds, memory",
    .doc = "Prints the model that a config describes, planned for its data: each layer with its "
           "output shape, parameters and multiply-accumulates per sample, and the memory of "
           "weights and of a training step.",
    .examples = "assay model summary configs/digits.cfg\n"
                "assay model summary configs/digits.cfg 'model[0].units=512' --json",
    COMMAND_OPTIONS(options),
    .least = 1,
    .most = 1024,
    .completes = COMPLETE_CONFIG,
    .run = run_summary };

const command command_config = { .name = "config",
    .arguments = "CONFIG|RUN_DIR [KEY=VALUE...]",
    .summary = "print the resolved config: every default filled in",
    .doc = "Checks a config as training would, and prints it with every default filled in and "
           "every path "
           "absolute. What is printed is a config again.",
    .examples = "assay config configs/digits.cfg\nassay config runs/digits-1 --json",
    COMMAND_OPTIONS(options),
    .least = 1,
    .most = 1024,
    .completes = COMPLETE_CONFIG,
    .run = run_config };
