/* The recurrent layers once more, as their equations read: sample by sample, step by step, in
 * double, with every option. The oracle of tests; it has no backward pass, because differences of
 * it are exact enough. */
#ifndef ASSAY_TESTS_SUPPORT_RECURRENT_TWIN_H
#define ASSAY_TESTS_SUPPORT_RECURRENT_TWIN_H

#include <stdint.h>

/* Parameters of one direction, as the layers declare them; at most 5. */
#define TWIN_PARAMS 10

typedef enum twin_cell { TWIN_LSTM, TWIN_GRU, TWIN_RNN } twin_cell;

typedef struct recurrent_twin {
    twin_cell cell;
    uint64_t time, batch, in, units;
    int last, bidirectional;
    int biases; /* 0, 1 or 2 */
    int peepholes, no_input_gate, no_forget_gate, no_output_gate; /* of lstm */
    int resets_after; /* of gru */
    int relu; /* of rnn */
    const uint32_t *length; /* [batch] or NULL */
    const double *keep; /* [directions, batch, units]: the mask of what is fed back; NULL: all 1 */
    const double *x; /* [time, batch, in] */
    const double
        *param[TWIN_PARAMS]; /* W, U, biases, peepholes; then those of the other direction */
    const double *h_first, *c_first; /* [batch, units]; NULL: 0 */
    double *y; /* [time or 1, batch, directions * units]; padding is left alone */
    double *h_last, *c_last; /* [batch, units]; NULL: not wanted */
} recurrent_twin;

void recurrent_twin_run(const recurrent_twin *t);

#endif
