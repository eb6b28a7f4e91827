/* What the files of the text dataset share: files as tokens, and which tokens there are. */
#ifndef ASSAY_PLUGINS_DATASET_TEXT_SOURCE_H
#define ASSAY_PLUGINS_DATASET_TEXT_SOURCE_H

#include "../shared/file.h"

#include <stdbool.h>

enum { LEVEL_CHAR, LEVEL_BYTE, LEVEL_WORD };
enum { SAMPLE_STEP, SAMPLE_LINE };
enum { MAIN, VALIDATION, TEST, N_FILES };

#define EOS "<eos>" /* the line end among words */
#define UNK "<unk>" /* what is not in the vocabulary */

struct text {
    const char *file, *validation_file, *test_file;
    int64_t level, sample;
    const char *vocabulary;
    int64_t min_count, max_vocabulary;
};

/* A token as bytes: a piece of a file, or of memory that lives as long as the instance. */
struct span {
    const unsigned char *at;
    size_t n;
};

struct entry {
    struct span token;
    uint64_t count;
};

/* The different tokens, found by hashing; those of one byte by that byte. */
struct vocabulary {
    struct entry *entry; /* [n] */
    size_t n, room;
    int32_t *slot; /* [n_slots] -1: empty */
    size_t n_slots; /* a power of two */
    int32_t single[256]; /* -1: absent */
};

/* A growing list of numbers that realloc'd memory holds. */
struct ids {
    int32_t *item;
    size_t n, room;
};

struct places {
    size_t *item;
    size_t n, room;
};

/* What lives until close: the tokens of all files, one file after the other. */
struct held {
    struct ids ids;
    int32_t *label; /* of its own only where there are several files of plain samples */
};

struct source {
    assay_ctx *ctx;
    const struct text *hyper;
    struct held *held;
    struct file file[N_FILES], names; /* `names`: the vocabulary's */
    size_t n_texts; /* files that were asked for */
    struct vocabulary vocabulary;
    int32_t unknown; /* the id of UNK in a vocabulary that was given, or -1 */
    size_t end[N_FILES]; /* file k has the tokens [end[k - 1], end[k]) */
    struct places line_end; /* of SAMPLE_LINE: the token after each line */
    size_t n_lines[N_FILES]; /* line_end has those of file k before the n_lines[k]-th */
};

/* All return ASSAY_OK or what host->fail gave. */

/* tokens.c. Maps and reads all files, into ids of s->vocabulary, which grows with them unless it was given. */
int tokens_read(struct source *s);
/* The whole file, which may hold no NUL. */
int utf8_check(const struct file *f, const char *remedy);

/* vocabulary.c */
int vocabulary_init(struct source *s);
void vocabulary_release(struct vocabulary *v);
int32_t vocabulary_find(const struct vocabulary *v, struct span token); /* -1: absent */
/* -1 when memory is out. */
int32_t vocabulary_add(struct vocabulary *v, struct span token);
/* Brings the vocabulary that the files made into its order, drops what is rare, and renumbers the ids. */
int vocabulary_settle(struct source *s);
/* The names, [vocabulary.n], in the instance's memory. */
int vocabulary_names(const struct source *s, const char *const **out);

/* names.c. The vocabulary from the file that the config names. */
int names_read(struct source *s);

/* A token as it may stand in a message. */
void token_quote(int64_t level, struct span token, char *out, size_t room);
int text_nomem(assay_ctx *ctx);

#endif
