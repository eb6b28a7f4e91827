/* What an optimizer must hold to. */
#include "check/optimizer_tests.h"
#include "check/optimizer_trajectory.h"

#define ROW(test, doc) \
    { \
        "optimizer_" #test, ASSAY_KIND_OPTIMIZER, doc, optimizer_test_##test \
    }

const check_test check_tests_optimizer[] = {
    ROW(finite, "gradients of ordinary size lead to finite weights and state"),
    ROW(bounds, "what it may not write stays as it was, and what is not there is not touched"),
    ROW(chunks, "how a tensor is cut into chunks, and their order, does not show in the bits"),
    ROW(threads, "nor does how many threads there are"),
    ROW(empty, "a chunk of no elements is all right"),
    ROW(places, "an element does not depend on its place in the tensor"),
    ROW(draws, "numbers drawn for elements are not the same in every tensor"),
    ROW(blocks, "each block of a tensor is a matrix of its own"),
    ROW(gradient, "every weight that has a gradient moves"),
    ROW(learns, "it brings the loss of small problems down"),
    ROW(direction, "its first steps do not go uphill"),
    ROW(mirror, "a problem of the opposite sign has the opposite steps"),
    ROW(rest, "without gradient and decay weights rest"),
    ROW(lr_zero, "at a learning rate of 0 weights stay"),
    ROW(lr_scale, "nor do those of a layer whose lr_scale is next to nothing move"),
    ROW(decay, "decay makes weights smaller"),
    ROW(extremes, "huge, tiny, infinite gradients and NaN end in no crash"),
    ROW(poison, "NaN at one element does not reach another"),
    ROW(resume, "a run that is resumed from its slots goes on to the same bits"),
    ROW(schedule, "and so does one whose hyperparameters change"),
    ROW(instances, "instances do not disturb each other"),
    ROW(save, "load refuses what save has not given"),
    ROW(slots, "every slot is written and read"),
    ROW(hypers, "every hyperparameter has an effect"),
    ROW(metrics, "metrics are declared, finite and reported"),
    ROW(memory, "memory that is refused is an error"),
    ROW(closure, "a closure's error is handed on, and its NaN survived"),
    ROW(eval_weights, "where to evaluate is a function of the state alone"),
    ROW(special_cases, "the special cases that it declares hold"),
    { "optimizer_trajectory", ASSAY_KIND_OPTIMIZER,
        "it does what a recorded run does: --against FILE", optimizer_trajectory_run },
    ROW(speed, "time of an update, beside what memory allows"),
    { .name = NULL },
};
