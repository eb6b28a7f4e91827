/* The public data sets that assay knows where to get. */
#ifndef ASSAY_CORE_CLI_DATA_SETS_H
#define ASSAY_CORE_CLI_DATA_SETS_H

#include <stdbool.h>
#include <stddef.h>

enum { DATA_MOST_URLS = 3, DATA_MOST_FILES = 4 };

typedef struct data_file {
    const char *path; /* below the folder of data: "mnist/train-labels-idx1-ubyte.gz" */
    long n_bytes; /* 0: not known */
    const char *sha256; /* NULL: not known */
    const char *md5; /* as the publisher or a well-known loader documents it; NULL: not */
    const char *urls
        [DATA_MOST_URLS]; /* in the order in which they are tried; none: converted from the source */
} data_file;

typedef struct data_set {
    const char *name;
    const char *doc; /* one line, lower case, no full stop */
    const char *licence; /* as stated where it comes from */
    data_file files[DATA_MOST_FILES]; /* until one without a path */
    data_file source; /* a MAT-file of piano-rolls that `files` are converted from; no path: none */
    const char *example; /* a command that uses it or leads to that; @: the folder of data */
    const char *format; /* what a reader must know of the files; NULL: nothing */
} data_set;

size_t data_set_count(void);
const data_set *data_set_get(size_t i);
size_t data_set_n_files(const data_set *s);

/* The one of that name, or NULL. */
const data_set *data_set_find(const char *name);

/* The one that a path ends in a file of ("data/mnist/train-labels-idx1-ubyte.gz"), and how long the folder of data before that is;
 * or NULL. */
const data_set *data_set_of_path(const char *path, size_t *out_folder_length);

/* The name closest to a word that is none, or NULL. */
const char *data_set_nearest(const char *word);

#endif
