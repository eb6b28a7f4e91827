/* What optimizers report of themselves has a name of its own in a record, whoever else reports the same. */
#include "support/train_rig.h"

#include "train/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <string.h>

#define RUN \
    "data = { type = \"blobs\"; samples = 60; classes = 3; features = 4; batch_size = 15;" \
    " split = { validation = 0.25; test = 0.0; }; };" \
    "model = ( { type = \"dense\"; units = 5; }, \"tanh\", { type = \"dense\"; units = 3; } );" \
    " loss = \"softmax_xent\"; "

typedef struct expected {
    const char *name;
    double value;
} expected;

static const record_value *find(const record *r, const char *name)
{
    const record_value *found = NULL;
    for (size_t i = 0; i < r->n_values; i++) {
        if (strcmp(r->values[i].name, name) == 0) {
            if (found) {
                GIVE_UP("%s is there twice", name);
            }
            found = &r->values[i];
        }
    }
    return found;
}

static void compare(void *self, const record *r)
{
    const expected *e = self;
    size_t n = 0, n_found = 0;
    for (size_t i = 0; i < r->n_values; i++) {
        (void)find(r, r->values[i].name); /* each is there once */
        n_found += strncmp(r->values[i].name, "optimizer.", 10) == 0;
    }
    for (; e[n].name; n++) {
        const record_value *v = find(r, e[n].name);
        if (!v || v->value != e[n].value) {
            GIVE_UP("%s is %g; expected %g", e[n].name, v ? v->value : -1, e[n].value);
        }
    }
    assert_int_equal(n_found, n);
}

/* A record after three updates has these and no others of optimizers. */
static void has(const char *source, expected *e)
{
    train_rig g;
    rig_init(&g);
    rig_open(&g, source, NULL);
    rig_steps(&g, 3);
    g.t->options.sink = (record_sink){ compare, e };
    trainer_emit_training(g.t, RECORD_PROGRESS, 0.7);
    rig_release(&g);
}

#define SIZES \
    { "optimizer.size.dense1.weight", 20 }, { "optimizer.size.dense1.bias", 5 }, \
        { "optimizer.size.dense2.weight", 15 }, \
    { \
        "optimizer.size.dense2.bias", 3 \
    }

static void test_value__of_one_optimizer_has_its_name(void **state)
{
    expected e[] = { { "optimizer.count", 3 }, SIZES, { NULL, 0 } };
    expected beside[] = { { "optimizer.count", 3 }, { "optimizer.size.dense1.weight", 20 },
        { "optimizer.size.dense2.weight", 15 }, { NULL, 0 } };
    (void)state;
    has(RUN "optimizer = \"stream_probe\";", e);
    has(RUN "optimizer = ( { type = \"sgd\"; match = \"role:bias\"; }, \"stream_probe\" );",
        beside);
}

/* What is of a tensor is told apart by its name. */
static void test_values__of_several_have_their_place_in_the_list(void **state)
{
    expected e[] = { { "optimizer.0.count", 3 }, { "optimizer.1.count", 3 }, SIZES, { NULL, 0 } };
    (void)state;
    has(RUN
        "optimizer = ( { type = \"stream_probe\"; match = \"role:bias\"; }, \"stream_probe\" );",
        e);
}

static void test_value__of_an_inner_one_stands_behind_its_key(void **state)
{
    expected e[] = { { "optimizer.count", 6 }, { "optimizer.inner.count", 3 },
        { "optimizer.inner.size.dense1.weight", 20 }, { "optimizer.inner.size.dense1.bias", 5 },
        { "optimizer.inner.size.dense2.weight", 15 }, { "optimizer.inner.size.dense2.bias", 3 },
        { NULL, 0 } };
    expected both[] = { { "optimizer.0.count", 6 }, { "optimizer.inner.count", 3 },
        { "optimizer.1.count", 3 }, { "optimizer.inner.size.dense1.bias", 5 },
        { "optimizer.inner.size.dense2.bias", 3 }, { "optimizer.size.dense1.weight", 20 },
        { "optimizer.size.dense2.weight", 15 }, { NULL, 0 } };
    expected two[] = { { "optimizer.0.count", 6 }, { "optimizer.0.inner.count", 3 },
        { "optimizer.1.count", 6 }, { "optimizer.1.inner.count", 3 },
        { "optimizer.inner.size.dense1.weight", 20 }, { "optimizer.inner.size.dense1.bias", 5 },
        { "optimizer.inner.size.dense2.weight", 15 }, { "optimizer.inner.size.dense2.bias", 3 },
        { NULL, 0 } };
    (void)state;
#define OUTER "type = \"counting_outer\"; inner = \"stream_probe\"; "
    has(RUN "optimizer = { " OUTER "};", e);
    has(RUN "optimizer = ( { " OUTER "match = \"role:bias\"; }, \"stream_probe\" );", both);
    has(RUN "optimizer = ( { " OUTER "match = \"role:bias\"; }, { " OUTER "} );", two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value__of_one_optimizer_has_its_name),
        cmocka_unit_test(test_values__of_several_have_their_place_in_the_list),
        cmocka_unit_test(test_value__of_an_inner_one_stands_behind_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
