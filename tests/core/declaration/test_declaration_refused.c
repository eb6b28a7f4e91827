/* Studies that are refused: what is said, word for word. */
#include "core/declaration/declaration_scene.h"

typedef struct bad_study {
    status code;
    const char *written;
    const char *message;
} bad_study;

#define SEARCH \
    "search = \"optimizer.lr=1e-4..1:log\"; workloads = ( { config = \"blobs.cfg\"; } ); "
#define ONE(more) "study = { " SEARCH more " };"
#define OF(contenders) \
    "study = { compare = \"optimizers\"; workloads = ( { config = \"blobs.cfg\"; } );\n" \
    "contenders = ( " contenders " ); };"
#define ON(workloads) "study = { search = \"lr=1e-4..1:log\";\nworkloads = ( " workloads " ); };"
#define SGD \
    "{ name = \"sgd\"; set = [\"optimizer.type=sgd\"]; search = \"optimizer.lr=1e-4..1:log\"; }"

static const bad_study refused[] = {
    { E_MISSING, "data = { type = \"blobs\"; };",
        "study.cfg: there is no block \"study\": give study = { search = \"...\"; }, or --sweep on "
        "the command line" },
    { E_TYPE, "study = 3;", "study.cfg:1: study: expected a group { ... }, found 3" },
    { E_UNKNOWN, "stduy = { };", "study.cfg:1: unknown block \"stduy\": did you mean \"study\"?" },
    { E_UNKNOWN, ONE("budgte = { trials = 3; };"),
        "study.cfg:1: study: unknown key \"budgte\": did you mean \"budget\"?" },
    { E_UNKNOWN, ONE("budget = { trails = 3; };"),
        "study.cfg:1: study: budget: unknown key \"trails\": did you mean \"trials\"?" },
    { E_RANGE, ONE("budget = { trials = 0; };"),
        "study.cfg:1: study: budget: trials: expected a whole number in [1, 1000000000], found 0" },
    { E_TYPE, ONE("budget = { trials = 1e3; };"),
        "study.cfg:1: study: budget: trials: expected a whole number in [1, 1000000000], found "
        "1000.0" },
    { E_TYPE, ONE("budget = 20;"),
        "study.cfg:1: study.budget: expected a group { ... }, found 20" },
    { E_RANGE, ONE("repeats = 0;"),
        "study.cfg:1: study: repeats: expected a whole number in [1, 1000000], found 0" },
    { E_RANGE, ONE("evaluations = -1;"),
        "study.cfg:1: study: evaluations: expected a whole number in [0, 1000000], found -1" },
    { E_RANGE, ONE("parallel = 0;"),
        "study.cfg:1: study: parallel: expected a whole number in [1, 1000000], found 0" },
    { E_RANGE, ONE("seed = -3;"),
        "study.cfg:1: study: seed: expected a whole number in [0, 9007199254740992], found -3" },
    { E_UNKNOWN, ONE("value = \"lasst\";"),
        "study.cfg:1: study: value: expected one of last | best, found \"lasst\": did you mean "
        "\"last\"?" },
    { E_UNKNOWN, ONE("direction = \"down\";"),
        "study.cfg:1: study: direction: expected one of auto | min | max, found \"down\"" },
    { E_RANGE, ONE("metric = \"loss\";"),
        "study.cfg:1: study: metric: expected PART.METRIC as in \"validation.loss\", found "
        "\"loss\"" },
    { E_UNKNOWN, ONE("metric = \"validatoin.loss\";"),
        "study.cfg:1: study: metric: expected a metric of the validation or training part, found "
        "\"validatoin.loss\": did you mean \"validation.loss\"?" },
    { E_CONFLICT, ONE("metric = \"test.loss\";"),
        "study.cfg:1: study: metric: the test part must not steer the tuning: say judged = "
        "\"test.loss\" and tune by the validation part" },
    { E_UNKNOWN, ONE("metric = \"validation.acuracy\";"),
        "study.cfg:1: study: metric: workload \"blobs\" has no metric \"acuracy\": did you mean "
        "\"accuracy\"?" },
    { E_UNKNOWN, ONE("metric = \"validation.f1\";"),
        "study.cfg:1: study: metric: workload \"blobs\" has no metric \"f1\": it has loss, "
        "accuracy and top" },
    { E_MISSING, ONE("metric = \"validation.accuracy_se\";"),
        "study.cfg:1: study: metric: whether less of \"validation.accuracy_se\" is better is not "
        "known: say direction = \"min\" or \"max\"" },
    { E_UNKNOWN, ONE("judged = \"training.mse\";"),
        "study.cfg:1: study: judged: workload \"blobs\" has no metric \"mse\": it has loss, "
        "accuracy and top" },
    { E_RANGE, ONE("metric = \"\";"), "study.cfg:1: study: metric: it is empty" },
    { E_RANGE, ONE("name = \"a/b\";"),
        "study.cfg:1: study: name: a name has no \"/\" and no control characters, found \"a/b\"" },
    { E_RANGE, ONE("name = \"\";"), "study.cfg:1: study: name: the name is empty" },
    { E_UNKNOWN, ONE("strategy = \"randmo\";"),
        "study.cfg:1: unknown search \"randmo\": did you mean \"random\"?" },
    { E_UNKNOWN, ONE("strategy = { type = \"gird\"; };"),
        "study.cfg:1: unknown search \"gird\": did you mean \"grid\"?" },
    { E_TYPE, ONE("strategy = 3;"),
        "study.cfg:1: study: strategy: expected a name or a group with a type, found 3" },
    { E_TYPE, ONE("strategy = { lr = 3; };"),
        "study.cfg:1: study: strategy: expected a name or a group with a type, found a group" },
    { E_UNKNOWN, ONE("pruner = \"medain\";"),
        "study.cfg:1: unknown pruner \"medain\": did you mean \"median\"?" },
    { E_MISSING, ONE("fidelity = { min = 1; };"),
        "study.cfg:1: study: fidelity: there is a min without a max, the epochs of a whole trial" },
    { E_RANGE, ONE("fidelity = { max = 3; min = 4; };"),
        "study.cfg:1: study: fidelity: min: expected a number above 0 and at most max, 3, found "
        "4" },
    { E_RANGE, ONE("fidelity = { max = 3.5; };"),
        "study.cfg:1: study: fidelity: max: a run has a whole number of epochs, found 3.5" },
    { E_UNKNOWN, ONE("sandbox = { level = \"stric\"; };"),
        "study.cfg:1: study: sandbox: level: expected one of none | process | strict | auto, found "
        "\"stric\": did you mean \"strict\"?" },
    { E_UNKNOWN, ONE("sandbox = { memroy = \"1G\"; };"),
        "study.cfg:1: study: sandbox: unknown key \"memroy\": did you mean \"memory\"?" },
    { E_TYPE, ONE("sandbox = { memory = \"lots\"; };"),
        "study.cfg:1: study: sandbox: memory: expected bytes, as in 65536 or \"512M\", found "
        "\"lots\"" },
    { E_TYPE, ONE("sandbox = { memory = \"3X\"; };"),
        "study.cfg:1: study: sandbox: memory: expected bytes, as in 65536 or \"512M\", found "
        "\"3X\"" },
    { E_RANGE, ONE("sandbox = { memory = \"-3M\"; };"),
        "study.cfg:1: study: sandbox: memory: expected from 1 byte to 1024T, found \"-3M\"" },
    { E_RANGE, ONE("sandbox = { memory = -3; };"),
        "study.cfg:1: study: sandbox: memory: expected from 1 byte to 1024T, found -3" },
    { E_RANGE, ONE("sandbox = { wall = 0.0; };"),
        "study.cfg:1: study: sandbox: wall: expected a real number in (0, 1000000000], found 0.0" },
    { E_UNKNOWN, ONE("retry = { losst = 1; };"),
        "study.cfg:1: study: retry: unknown key \"losst\": did you mean \"lost\"?" },
    { E_UNKNOWN, ONE("control = \"sgd\";"),
        "study.cfg:1: study: control: there is no contender \"sgd\"" },
    { E_UNKNOWN, ONE("compare = \"optimizer\";"),
        "study.cfg:1: study: compare: expected optimizers, schedules, models, losses, batches, "
        "strategies or a "
        "list of keys, found \"optimizer\": did you mean \"optimizers\"?" },
    { E_UNKNOWN, ONE("compare = [\"optimiser.lr\"];"),
        "study.cfg:1: study: compare: expected keys of a run as in \"optimizer.lr\", found "
        "\"optimiser.lr\": did you mean \"optimizer\"?" },
    { E_RANGE, ONE("compare = [];"), "study.cfg:1: study: compare: the list of keys is empty" },
    { E_TYPE, ONE("compare = [3];"),
        "study.cfg:1: study: compare: expected a text in quotes, found 3" },
    { E_CONFLICT, ONE("compare = \"losses\"; set = [\"optimizer.momentum=0.5\"];"),
        "study.cfg:1: study: optimizer.momentum is not what is compared: compare = \"losses\" "
        "permits loss and optimizer.lr" },
    { E_CONFLICT, ONE("set = [\"optimizer.lr=0.5\"];"),
        "study.cfg:1: study: optimizer.lr is both set and searched" },
    { E_CONFLICT, ONE("set = [\"optimizer.eps=0.5\", \"optimizer.eps=0.7\"];"),
        "study.cfg:1: study: optimizer.eps is set twice" },
    { E_CONFLICT, ONE("set = [\"seed=5\"];"),
        "study.cfg:1: study: seed is the study's own: contenders may not touch it" },
    { E_UNKNOWN, ONE("set = [\"optimzer.lr=5\"];"),
        "study.cfg:1: study: set: optimzer.lr=5: no \"optimzer\" in the config: did you mean "
        "\"optimizer\"?" },
    { E_USAGE, ONE("set = [\"optimizer\"];"),
        "study.cfg:1: study: set: optimizer: expected a path and a value, as in "
        "model[2].units=64" },
    { E_TYPE, ONE("set = [5];"), "study.cfg:1: study: set: expected a text in quotes, found 5" },
    { E_TYPE, ONE("contenders = 3;"),
        "study.cfg:1: study: contenders: expected a list of groups as in ( { name = \"adam\"; set "
        "= [...]; } )" },
    { E_RANGE, ONE("contenders = ();"),
        "study.cfg:1: study: contenders: expected a list of groups as in ( { name = \"adam\"; set "
        "= [...]; } )" },
    { E_CONFLICT, ONE("contenders = ( " SGD " );"),
        "study.cfg:1: study: search: where there are contenders, each has its own" },
    { E_MISSING, "study = { search = \"optimizer.lr=1e-4..1:log\"; };",
        "study.cfg:1: study: workloads is missing, and this file describes no run by itself: "
        "expected workloads = ( { config = \"run.cfg\"; } )" },
    { E_MISSING, "study = { workloads = ( { config = \"blobs.cfg\"; } ); };",
        "study.cfg:1: study: there is nothing to search: give search, contenders, or --sweep on "
        "the command line" },
    { E_MISSING,
        "study = { set = [ \"optimizer.lr=3\" ]; workloads = ( { config = \"blobs.cfg\"; } ); };",
        "study.cfg:1: study: there is nothing to search: give search, contenders, or --sweep on "
        "the command line" },
    { E_PARSE,
        "study = { search = \"optimizer.lr\"; workloads = ( { config = \"blobs.cfg\"; } ); };",
        "study.cfg:1: search space: expected NAME=LOW..HIGH or NAME=A,B,C, found "
        "\"optimizer.lr\"" },
    { E_RANGE,
        "study = { search = { optimizer = { lr = [3.0, 1.0]; }; }; workloads = ( { config = "
        "\"blobs.cfg\"; } ); };",
        "study.cfg:1: search space: optimizer.lr: expected low <= high, found 3 and 1" },
    { E_UNKNOWN,
        "study = { search = \"optimzer.lr=1..3\"; workloads = ( { config = \"blobs.cfg\"; } ); };",
        "study.cfg:1: study: search: optimzer.lr=2: no \"optimzer\" in the config: did you mean "
        "\"optimizer\"?" },
    { E_RANGE,
        "study = { search = { x = { name = \"a b\"; low = 0.0; high = 1.0; }; }; workloads = ( { "
        "config = \"blobs.cfg\"; } ); };",
        "study.cfg:1: study: search: a name has letters, digits, \"_\", \".\" and [0] alone, found "
        "\"a b\"" },
    { E_UNSUPPORTED,
        "study = { search = { optimizer = { type = [\"s\\\"gd\", \"adam\"]; }; }; workloads = ( { "
        "config = \"blobs.cfg\"; } ); };",
        "study.cfg:1: search space: optimizer.type: a study's choices have no quotes, backslashes "
        "or \"..\" inside, found \"s\\\"gd\"" },
    { E_MISSING, OF(SGD ", { name = \"adam\"; }"),
        "study.cfg:2: contender \"adam\": expected set, search or both; set = [] takes the "
        "workload as it is" },
    { E_MISSING, OF(SGD ", { set = []; }"), "study.cfg:2: study: contenders: name is missing" },
    { E_CONFLICT, OF(SGD ", " SGD), "study.cfg:2: study: there are two contenders named \"sgd\"" },
    { E_CONFLICT,
        OF(SGD ",\n{ name = \"grid\"; strategy = \"grid\"; search = \"optimizer.lr=1,2,3\"; }"),
        "study.cfg:3: contender \"grid\": strategy and trials are its own only where compare = "
        "\"strategies\"; otherwise all are searched alike" },
    { E_CONFLICT, OF(SGD ",\n{ name = \"long\"; trials = 90; search = \"optimizer.lr=1,2,3\"; }"),
        "study.cfg:3: contender \"long\": strategy and trials are its own only where compare = "
        "\"strategies\"; otherwise all are searched alike" },
    { E_TYPE, OF(SGD ", \"adam\""),
        "study.cfg:2: study: contenders: expected groups as in { name = \"adam\"; set = [...]; }" },
    { E_UNKNOWN, OF(SGD ", { name = \"adam\"; sett = []; }"),
        "study.cfg:2: study: contenders: unknown key \"sett\": did you mean \"set\"?" },
    { E_RANGE, OF(SGD ", { name = \"a/b\"; set = []; }"),
        "study.cfg:2: study: contenders: a name has no \"/\" and no control characters, found "
        "\"a/b\"" },
    { E_CONFLICT, OF(SGD ",\n{ name = \"long\"; set = [\"train.epochs=100\"]; }"),
        "study.cfg:3: contender \"long\": train.epochs is not what is compared: compare = "
        "\"optimizers\" permits optimizer and schedule" },
    { E_CONFLICT, OF(SGD ",\n{ name = \"wide\"; search = \"model[0].units=3..9\"; }"),
        "study.cfg:3: contender \"wide\": model[0].units is not what is compared: compare = "
        "\"optimizers\" permits optimizer and schedule" },
    { E_CONFLICT, OF(SGD ",\n{ name = \"wide\"; set = [\"+model[3]={type=\\\"relu\\\";}\"]; }"),
        "study.cfg:3: contender \"wide\": model[3] is not what is compared: compare = "
        "\"optimizers\" permits optimizer and schedule" },
    { E_MISSING,
        "study = { workloads = ( { config = \"blobs.cfg\"; } ); contenders = ( " SGD
        ", { name = \"b\"; set = []; } ); };",
        "study.cfg:1: study: compare is missing: say what contenders may differ in: "
        "\"optimizers\", \"schedules\", \"models\", \"losses\", \"batches\", \"strategies\" or a "
        "list of keys" },
    { E_TYPE, ON("\"blobs.cfg\""),
        "study.cfg:2: study: workloads: expected groups as in { config = \"run.cfg\"; }" },
    { E_TYPE, "study = { search = \"lr=1..3\"; workloads = \"blobs.cfg\"; };",
        "study.cfg:1: study: workloads: expected a list of groups as in ( { config = \"run.cfg\"; "
        "} )" },
    { E_RANGE, "study = { search = \"lr=1..3\"; workloads = (); };",
        "study.cfg:1: study: workloads: expected a list of groups as in ( { config = \"run.cfg\"; "
        "} )" },
    { E_IO, ON("{ config = \"nothing.cfg\"; }"),
        "study.cfg:2: workload \"nothing\": FOLDER/nothing.cfg: cannot open: No such file or "
        "directory" },
    { E_MISSING, ON("{ name = \"x\"; }"),
        "study.cfg:2: workload \"x\": config is missing: expected config = \"run.cfg\", or type = "
        "\"command\"" },
    { E_UNKNOWN, ON("{ config = \"blobs.cfg\"; colour = 3; }"),
        "study.cfg:2: study: workloads: unknown key \"colour\": did you mean \"folder\"?" },
    { E_CONFLICT, ON("{ config = \"blobs.cfg\"; }, { config = \"blobs.cfg\"; }"),
        "study.cfg:2: study: there are two workloads named \"blobs\": give each a `name` of its "
        "own" },
    { E_CONFLICT, ON("{ config = \"blobs.cfg\"; folder = \".\"; }"),
        "study.cfg:2: study: workloads: a run begins in the folder of its config: leave out "
        "folder" },
    { E_CONFLICT, ON("{ type = \"train\"; config = \"blobs.cfg\"; command = [\"x\"]; }"),
        "study.cfg:2: workload \"blobs\": a run has no \"command\"" },
    { E_MISSING, ON("{ command = [\"x\"]; }"),
        "study.cfg:2: study: workloads: a program needs a name" },
    { E_MISSING, ON("{ name = \"x\"; type = \"command\"; }"),
        "study.cfg:2: workload \"x\": command is missing: expected command = [\"./program\", "
        "\"--lr\", \"{lr}\"]" },
    { E_RANGE, ON("{ name = \"x\"; command = []; }"),
        "study.cfg:2: workload \"x\": command: the program's name is missing" },
    { E_TYPE, ON("{ name = \"x\"; command = [\"a\", 3]; }"),
        "study.cfg:2: workload \"x\": command: expected a text in quotes, found 3" },
    { E_CONFLICT, ON("{ name = \"x\"; command = [\"a\"]; config = \"blobs.cfg\"; }"),
        "study.cfg:2: workload \"x\": command: a program has no \"config\"" },
    { E_UNKNOWN, ON("{ name = \"x\"; command = [\"a\", \"{lrr}\"]; }"),
        "study.cfg:2: workload \"x\": command: \"{lrr}\": the study neither searches nor sets "
        "\"lrr\": did you mean \"lr\"?" },
    { E_UNKNOWN, ON("{ name = \"x\"; command = [\"a\", \"--seed={sed}\"]; }"),
        "study.cfg:2: workload \"x\": command: \"--seed={sed}\": the study neither searches nor "
        "sets \"sed\": did you mean \"seed\"?" },
    { E_PARSE, ON("{ name = \"x\"; command = [\"a\", \"{lr\"]; }"),
        "study.cfg:2: workload \"x\": command: \"{lr\": a { is not closed; a { of its own is "
        "written {{" },
    { E_UNKNOWN, ON("{ name = \"x\"; type = \"program\"; command = [\"a\"]; }"),
        "study.cfg:2: study: workloads: type: expected one of train | command, found \"program\"" },
    { E_UNKNOWN, ON("{ name = \"blobs\"; config = \"blobs.cfg\"; set = [\"optimzer.lr=3\"]; }"),
        "study.cfg:2: workload \"blobs\": set: optimzer.lr=3: no \"optimzer\" in the config: did "
        "you mean \"optimizer\"?" },
    { E_CONFLICT,
        "study = { search = \"default\"; workloads = ( { name = \"x\"; command = [\"a\"]; } ); };",
        "study.cfg:1: study: search: a program has no default space: name what is searched" },
    { E_UNKNOWN, ONE("text = \"x\";"),
        "study.cfg:1: study: unknown key \"text\": did you mean \"set\"?" },
};

/* The scratch folder has another name each time. */
static void hide_folder(scene *t)
{
    char *at = strstr(t->err.text, t->folder);
    if (!at) return;
    memmove(at + 6, at + strlen(t->folder), strlen(at + strlen(t->folder)) + 1);
    memcpy(at, "FOLDER", 6);
}

static void test_bad_studies__are_refused_with_place_and_reason(void **state)
{
    scene *t = *state;
    size_t n_wrong = 0;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const bad_study *b = &refused[i];
        t->err.text[0] = '\0';
        const status st = load(t, b->written, NULL);
        hide_folder(t);
        if (st == b->code && strcmp(t->err.text, b->message) == 0) continue;
        print_error("%zu (%s):\n%s\n  expected %s\n  found    %s\n", i, status_name(st), b->written,
            b->message, t->err.text);
        n_wrong++;
    }
    assert_true(sizeof refused / sizeof refused[0] >= 40);
    assert_int_equal(n_wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_bad_studies__are_refused_with_place_and_reason, enter_scene, leave_scene),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
