/* How a pack lies in memory; for the files that write and read it. */
#ifndef ASSAY_CORE_DATA_PACK_LAYOUT_H
#define ASSAY_CORE_DATA_PACK_LAYOUT_H

#include "data/internal.h"

typedef enum pack_section {
    SECTION_KEY, /* text, with a NUL */
    SECTION_ROWS_TRAIN, /* uint32_t each */
    SECTION_ROWS_VALIDATION,
    SECTION_ROWS_TEST,
    SECTION_X, // [n_steps, features]; of PACK_SCORE one step, which stands for all
    SECTION_SHIFT, /* transform: float [features] each */
    SECTION_FACTOR,
    SECTION_FILL,
    SECTION_LABEL, // int32_t [n_target_rows]
    SECTION_TARGETS, // float [n_target_rows, n_targets], standardised where there is a mean
    SECTION_TARGETS_U8,
    SECTION_TARGET_MEAN, // double [n_targets]
    SECTION_TARGET_DEVIATION,
    SECTION_FIRST_STEP, // uint64_t [n_samples]
    SECTION_N_STEPS,
    SECTION_WEIGHT, // float [n_samples]
    SECTION_CLASS_NAMES, /* n_classes texts, each with its NUL */
    SECTION_TARGET_NAMES, /* n_targets texts */
    N_SECTIONS
} pack_section;

typedef struct section {
    uint64_t at, bytes; /* from the front of the pack; 0, 0: it is not there */
} section;

enum { PACK_ALIGNMENT = 64 };

#define PACK_MAGIC "assaypk"

typedef struct pack_head {
    char magic[8];
    uint64_t head_bytes; /* sizeof(pack_head) */
    uint64_t bytes; /* of the whole pack */
    uint64_t checksum; /* of this head, with 0 in this place */
    uint64_t use; /* pack_use */
    uint64_t n_samples, n_steps, n_target_rows;
    assay_shape x_shape;
    uint64_t x_dtype, vocabulary, missing, has_missing;
    double x_scale;
    uint64_t target, n_classes, n_targets, target_per_step;
    uint64_t n_rows[N_PARTS], whole[N_PARTS], longest[N_PARTS];
    char hash[N_PARTS][32];
    section sections[N_SECTIONS];
} pack_head;

_Static_assert(sizeof(pack_head) % 8 == 0, "no padding at the end");

/* Of a head with 0 for its checksum. */
uint64_t pack_head_checksum(const pack_head *h);

/* pack.c: what the host reads from the block, and its key (dataset_pack_key). */
status pack_read_plan(config *c, value *block, data_plan *out, text *key, error *err) MUST_CHECK;

/* Bytes of an element; 1 of texts. */
size_t pack_section_each(pack_section s);

static inline size_t pack_x_each(uint64_t dtype)
{
    return dtype == ASSAY_U8 ? 1 : 4;
}

#endif
