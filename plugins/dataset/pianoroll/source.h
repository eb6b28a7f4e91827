/* What the files of the pianoroll dataset share: rolls of frames, and where the pieces are in them. */
#ifndef ASSAY_PLUGINS_DATASET_PIANOROLL_SOURCE_H
#define ASSAY_PLUGINS_DATASET_PIANOROLL_SOURCE_H

#include "../shared/npy_array.h"

enum { MAIN, VALIDATION, TEST, N_SETS };

struct pianoroll {
    const char *file, *validation_file, *test_file;
    const char *lengths, *validation_lengths, *test_lengths;
    int64_t keys;
};

/* What lives until close. */
struct held {
    uint8_t *frame; /* [n_frames, keys] */
};

/* The files of one part. */
struct set {
    const char *key, *path, *lengths_key, *lengths;
    uint64_t n_short; /* pieces of one frame */
    const char *file[2]; /* that were read: of frames and lengths, or one of text */
};

struct source {
    assay_ctx *ctx;
    struct held *held;
    struct set set[N_SETS];
    size_t keys;
    size_t n_frames, room; /* of held->frame */
    uint64_t *first, *steps; /* [n_samples] the frames of each, malloc'd */
    uint32_t *part; /* [n_samples] */
    size_t n_samples, samples_room;
};

/* All return ASSAY_OK or what host->fail gave. */

/* lines.c and arrays.c: the pieces of s->set[i], from text and from NumPy's files. */
int lines_read(struct source *s, size_t i);
int arrays_read(struct source *s, size_t i);

/* pianoroll.c. Room for n frames more, zeroed. */
int frames_reserve(struct source *s, size_t n);
/* The last n frames are a piece of set i. */
int piece_add(struct source *s, size_t i, size_t n);
int roll_nomem(assay_ctx *ctx);

#endif
