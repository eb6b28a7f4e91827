/* Files and paths: whole-file reading, read-only maps, atomic writing. */
#ifndef ASSAY_CORE_BASE_FILE_H
#define ASSAY_CORE_BASE_FILE_H

#include "base/arena.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file mapped read-only. `data` is NULL for an empty file. */
typedef struct file_map {
    const unsigned char *data;
    size_t n;
} file_map;

status file_map_open(const char *path, file_map *out, error *err) MUST_CHECK;
void file_map_close(file_map *map);

/* The whole file, NUL-terminated (the NUL is not counted), from malloc. */
status file_read(const char *path, char **out, size_t *out_n, error *err) MUST_CHECK;

/* All or nothing: temporary name in the same folder, fsync, rename, fsync of the folder. */
status file_write_atomic(const char *path, const void *data, size_t n, error *err) MUST_CHECK;

/* The same in pieces: `write` is called once with an open descriptor and must write everything. */
status file_write_atomic_by(const char *path, status (*write)(int fd, void *arg, error *err),
    void *arg, error *err) MUST_CHECK;
status fd_write_all(int fd, const char *path, const void *data, size_t n, error *err) MUST_CHECK;

bool file_exists(const char *path);
bool file_is_dir(const char *path);

/* mkdir -p. */
status file_make_dirs(const char *path, error *err) MUST_CHECK;

/* The folder of a path ("." when it has none); `name` relative to `dir` unless it is absolute; the
 * absolute, normalised form. NULL when memory is out. */
char *path_dir(arena *a, const char *path);
char *path_join(arena *a, const char *dir, const char *name);
char *path_absolute(arena *a, const char *path);
const char *path_base(const char *path);

/* 32 hex digits and a NUL: XXH3-128 of the bytes; for fingerprints and checksums, not for security. */
void hash_hex(char out[33], const void *data, size_t n);

/* XXH3-64 of the bytes, mixed with a seed. */
uint64_t hash_u64(const void *data, size_t n, uint64_t seed);

/* A running XXH3-128 in pieces, on the heap; NULL when memory is out. */
typedef struct hash_stream hash_stream;
hash_stream *hash_stream_new(void);
void hash_stream_add(hash_stream *h, const void *data, size_t n);
void hash_stream_hex(const hash_stream *h, char out[33]);
void hash_stream_free(hash_stream *h);

#endif
