/* Polyphonic music from a MAT-file to text that a dataset reads.
 *
 * The file holds `traindata`, `validdata` and `testdata`: cell arrays of pieces, each a matrix [frames, 88] of 0 and 1. The text
 * has a line for each piece: its frames, separated by a space, each the sounding keys in ascending order with commas between
 * them (0 to 87; key 0 is MIDI's 21), or - where all is silent. */
#ifndef ASSAY_CORE_FETCH_PIANOROLL_H
#define ASSAY_CORE_FETCH_PIANOROLL_H

#include "base/text.h"

enum { PIANOROLL_PARTS = 3, PIANOROLL_KEYS = 88 };

/* "train", "valid", "test" */
const char *pianoroll_part(size_t i_part);

/* The parts of a MAT-file in memory, added to `out`. */
status pianoroll_read(
    const void *data, size_t n_bytes, text out[PIANOROLL_PARTS], error *err) MUST_CHECK;

/* Reads `path`, writes <prefix>.train.txt and so on: none of them unless all could be read. */
status pianoroll_convert(const char *path, const char *prefix, error *err) MUST_CHECK;

#endif
