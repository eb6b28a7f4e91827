/* A model from a config's text, with the plugins of this build: what the tests of this room share. Include it after cmocka.h. */
#ifndef ASSAY_TESTS_CORE_MODEL_RIG_H
#define ASSAY_TESTS_CORE_MODEL_RIG_H

#include "model/model.h"
#include "support/plugin_fixture.h"

typedef struct model_rig {
    registry *r;
    config *c;
    model *m;
    error err;
} model_rig;

/* Reads `source` as x.cfg and makes its `model`; the built-in plugins and those of tests/support are to be had. */
static inline status rig_open(model_rig *rig, const char *source)
{
    const char *const dirs[] = { TEST_BUILD_DIR "/plugins", TEST_BUILD_DIR "/tests/plugins", NULL };
    const registry_options o = { .no_environment = true, .dirs = dirs };
    *rig = (model_rig){ 0 };
    if (registry_new(&o, &rig->r, &rig->err) != OK) GIVE_UP("%s", rig->err.text);
    if (config_parse("x.cfg", source, &rig->c, &rig->err) != OK) GIVE_UP("%s", rig->err.text);
    value *list = value_find(config_root(rig->c), "model");
    assert_non_null(list);
    return model_new(rig->r, rig->c, list, 7, &rig->m, &rig->err);
}

/* Plans it for samples of that shape, at most 16 of them. */
static inline status rig_plan(model_rig *rig, assay_shape in, size_t max_time)
{
    const model_options o = {
        .in = in, .in_dtype = ASSAY_F32, .max_time = max_time, .max_batch = 16
    };
    return model_plan(rig->m, rig->c, &o, &rig->err);
}

static inline assay_shape vector_of(uint64_t n)
{
    return (assay_shape){ 1, { n } };
}

/* Both, for a model that is right. */
static inline void rig_make(model_rig *rig, const char *source, assay_shape in)
{
    if (rig_open(rig, source) != OK) GIVE_UP("%s", rig->err.text);
    if (rig_plan(rig, in, 1) != OK) GIVE_UP("%s", rig->err.text);
}

static inline void rig_close(model_rig *rig)
{
    model_free(rig->m);
    config_free(rig->c);
    registry_free(rig->r);
}

/* Both, for a model that is not: the code and the message. */
static inline void assert_refused(
    const char *source, assay_shape in, status code, const char *message)
{
    model_rig rig;
    status st = rig_open(&rig, source);
    if (st == OK) st = rig_plan(&rig, in, 1);
    if (st == OK) GIVE_UP("this was taken: %s", source);
    if (strcmp(rig.err.text, message) != 0) {
        GIVE_UP("of: %s\nfound:    %s\nexpected: %s", source, rig.err.text, message);
    }
    assert_int_equal(st, code);
    assert_int_equal(rig.err.code, code);
    rig_close(&rig);
}

#endif
