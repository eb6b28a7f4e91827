/* Whole runs from config text, for tests of the train room: built plugins and those of tests/support/plugins are found. */
#ifndef TEST_TRAIN_RIG_H
#define TEST_TRAIN_RIG_H

#include "model/safetensors.h"
#include "train/trainer.h"

#include "support/plugin_fixture.h"

typedef struct train_rig {
    registry *r;
    config *c; /* of the trainer */
    trainer *t; /* NULL until rig_open */
    error err;
    char dir[64]; /* a folder of its own, removed at the end; in memory where the system has such */
    text notes; /* a line each: what the registry logged and the run remarked */
    run_result result; /* of rig_run */
    double training_loss; /* of the last record that had one */
    double validation_loss, test_loss; /* of the last evaluation */
    size_t n_checks; /* evaluations of validation, the final one not counted */
    double lr; /* of the last record that had one */
} train_rig;

void rig_init(train_rig *g);
void rig_release(train_rig *g);

/* "<dir>/<name>"; one of eight static buffers that take turns. */
const char *rig_path(const train_rig *g, const char *name);

/* A trainer for that config; replaces an earlier one. `o` may be NULL; its sink is the rig's. */
status rig_try(train_rig *g, const char *source, const trainer_options *o);
void rig_open(train_rig *g, const char *source, const trainer_options *o);

/* The config is refused with that status and a message that holds `message`. */
void rig_refuse(train_rig *g, const char *source, status st, const char *message);

void rig_steps(train_rig *g, size_t n);
void rig_run(train_rig *g);

/* The trainer's weights: all, or one tensor's. */
float *rig_weights(train_rig *g, size_t *out_n);
float *rig_tensor(train_rig *g, const char *name, size_t *out_n);

/* Has the layers prepare again after a test has changed the weights. */
void rig_weights_changed(train_rig *g);

/* A slot by its name in checkpoints ("optimizer/0/dense1.weight/g"); n must be its size. */
const float *rig_slot(train_rig *g, const char *name, size_t n);
double rig_model_slot(train_rig *g, const char *name);

/* The one-step training loss and gradient norm as the trainer has them. */
double rig_last_loss(const train_rig *g);
double rig_last_l2(const train_rig *g);
double rig_last_norm(const train_rig *g);
const budget *rig_spent(const train_rig *g);

/* Both files hold the same arrays, bit for bit; seconds spent are not compared. Says what differs. */
bool rig_same_state(const char *path, const char *other);

/* |a - b| / |b| over n numbers. */
double relative_error(const float *a, const float *b, size_t n);

/* |got - expected| <= tolerance, in double precision: cmocka's own compares floats. */
#define expect_near(got, expected, tolerance) \
    expect_near_at(got, expected, tolerance, __FILE__, __LINE__)
void expect_near_at(double got, double expected, double tolerance, const char *file, int line);

#endif
