/* What a layer must hold to. */
#include "check/layer_cases.h"

const check_test check_tests_layer[] = {
    { "layer_gradient", "layer",
        "gradients of all inputs, parameters and carried states are those of forward, whole, "
        "padded and weighted",
        check_layer_gradient },
    { "layer_gradient_transposed", "layer",
        "the same where parameters that may be tied are stored transposed",
        check_layer_gradient_transposed },
    { "layer_gradient_single", "layer", "the same of single steps and samples",
        check_layer_gradient_single },
    { "layer_repeat", "layer", "the same call again gives the same bits", check_layer_repeat },
    { "layer_evaluation", "layer", "evaluation draws no random numbers", check_layer_evaluation },
    { "layer_draws", "layer", "random numbers are new for every batch", check_layer_draws },
    { "layer_shards", "layer", "a batch cut into shards gives the same", check_layer_shards },
    { "layer_samples", "layer", "samples do not depend on each other, or that is declared",
        check_layer_samples },
    { "layer_order", "layer", "steps do not depend on later ones, or that is declared",
        check_layer_order },
    { "layer_replicas", "layer", "replicas of one plan do not disturb each other",
        check_layer_replicas },
    { "layer_carry", "layer", "a sequence in two windows gives what it gives whole",
        check_layer_carry },
    { "layer_padding", "layer", "padding reaches no result and gets no gradient",
        check_layer_padding },
    { "layer_sizes", "layer", "shards smaller than the plan give the same", check_layer_sizes },
    { .name = NULL },
};
