/* Watched memory.
 *
 * An array lies at the end of whole pages, so that its last byte is followed by a page that cannot be touched; with GUARD_BEFORE
 * it begins right behind one. What is left of its own pages is filled with a pattern that arrays of floats do not hold. */
#include "check/guard.h"

#include "base/file.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATTERN = 0xa5, MOST_NAMED = 1024, NAME_BYTES = 96 };

/* The names of watched memory. A signal handler looks here, and nothing leads it anywhere but a variable of the file. What finds
 * no room has no name. */
static struct {
    pthread_mutex_t lock;
    struct named {
        guarded memory; /* map NULL: a free place */
        char name[NAME_BYTES];
    } item[MOST_NAMED];
    size_t n; /* places that were ever in use */
} names = { .lock = PTHREAD_MUTEX_INITIALIZER };

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* The pages that hold the array, without the inaccessible one. */
static unsigned char *own_pages(const guarded *g)
{
    return g->side == GUARD_BEFORE ? g->map + page_bytes() : g->map;
}

static size_t own_bytes(const guarded *g)
{
    return g->map_bytes - page_bytes();
}

status guarded_new(size_t bytes, guard_side side, guarded *out, error *err)
{
    const size_t page = page_bytes();
    if (bytes > SIZE_MAX - 2 * page) return fail_nomem(err, "watched memory");
    guarded g = {
        .bytes = bytes, .side = side, .map_bytes = (bytes + page - 1) / page * page + page
    };
    g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED) return fail_nomem(err, "watched memory");
    unsigned char *own = own_pages(&g);
    unsigned char *closed = side == GUARD_BEFORE ? g.map : g.map + own_bytes(&g);
    if (mprotect(closed, page, PROT_NONE) != 0) {
        munmap(g.map, g.map_bytes);
        return fail_nomem(err, "watched memory");
    }
    const size_t rest = own_bytes(&g) - bytes;
    g.at = side == GUARD_BEFORE && bytes > 0 ? own : own + rest;
    memset(side == GUARD_BEFORE ? own + bytes : own, PATTERN, rest);
    *out = g;
    return OK;
}

/* -- names -- */

void guarded_name(const guarded *g, const char *format, ...)
{
    va_list args;
    size_t i = 0;
    if (!g->map) return;
    va_start(args, format);
    pthread_mutex_lock(&names.lock);
    while (i < names.n && names.item[i].memory.map)
        i++;
    if (i < MOST_NAMED) {
        vsnprintf(names.item[i].name, NAME_BYTES, format, args);
        names.item[i].memory = *g;
        names.n = i < names.n ? names.n : i + 1;
    }
    pthread_mutex_unlock(&names.lock);
    va_end(args);
}

static void forget_name(const guarded *g)
{
    pthread_mutex_lock(&names.lock);
    for (size_t i = 0; i < names.n; i++) {
        if (names.item[i].memory.map == g->map) names.item[i].memory.map = NULL;
    }
    pthread_mutex_unlock(&names.lock);
}

bool guard_describe(const void *address, char *out, size_t room)
{
    const unsigned char *at = address;
    for (size_t i = 0; i < names.n; i++) {
        const guarded *g = &names.item[i].memory;
        if (!g->map || at < g->map || at >= g->map + g->map_bytes) continue;
        const unsigned char *begin = g->at, *end = begin + g->bytes;
        const char *name = names.item[i].name;
        if (at >= begin && at < end) {
            snprintf(
                out, room, "byte %zu of %s, which it may only read", (size_t)(at - begin), name);
        } else if (at < begin) {
            snprintf(out, room, "%zu bytes before the beginning of %s", (size_t)(begin - at), name);
        } else if (at == end) {
            snprintf(out, room, "just past the end of %s (%zu bytes)", name, g->bytes);
        } else {
            snprintf(out, room, "%zu bytes past the end of %s (%zu bytes)", (size_t)(at - end),
                name, g->bytes);
        }
        return true;
    }
    return false;
}

void guarded_free(guarded *g)
{
    if (g->map) forget_name(g);
    if (g->map) munmap(g->map, g->map_bytes);
    *g = (guarded){ 0 };
}

bool guarded_is_intact(const guarded *g)
{
    const unsigned char *own = own_pages(g);
    const size_t rest = own_bytes(g) - g->bytes;
    const unsigned char *at = g->side == GUARD_BEFORE ? own + g->bytes : own;
    for (size_t i = 0; i < rest; i++) {
        if (at[i] != PATTERN) return false;
    }
    return true;
}

void guarded_lock(guarded *g)
{
    if (own_bytes(g)) (void)mprotect(own_pages(g), own_bytes(g), PROT_READ);
}

void guarded_unlock(guarded *g)
{
    if (own_bytes(g)) (void)mprotect(own_pages(g), own_bytes(g), PROT_READ | PROT_WRITE);
}

status snapshot_take(const void *of, size_t bytes, snapshot *out, error *err)
{
    void *copy = malloc(bytes ? bytes : 1);
    if (!copy) return fail_nomem(err, "a copy to compare with");
    if (bytes) memcpy(copy, of, bytes);
    *out = (snapshot){ .of = of, .copy = copy, .bytes = bytes };
    return OK;
}

void snapshot_free(snapshot *s)
{
    free(s->copy);
    *s = (snapshot){ 0 };
}

bool snapshot_is_same(const snapshot *s, size_t *out_at)
{
    if (s->bytes == 0 || memcmp(s->of, s->copy, s->bytes) == 0) return true;
    const unsigned char *now = s->of, *then = s->copy;
    size_t i = 0;
    while (now[i] == then[i])
        i++;
    if (out_at) *out_at = i;
    return false;
}

void snapshot_restore(const snapshot *s)
{
    if (s->bytes) memcpy((void *)(uintptr_t)s->of, s->copy, s->bytes);
}

uint64_t bits_hash(const float *x, size_t n, uint64_t before)
{
    return hash_u64(x, n * sizeof *x, before);
}

size_t bits_differ(const float *a, const float *b, size_t n)
{
    if (n == 0 || memcmp(a, b, n * sizeof *a) == 0) return n;
    size_t i = 0;
    while (memcmp(a + i, b + i, sizeof *a) == 0)
        i++;
    return i;
}

bool floats_are_finite(const float *x, size_t n, size_t *out_at)
{
    for (size_t i = 0; i < n; i++) {
        if (isfinite(x[i])) continue;
        if (out_at) *out_at = i;
        return false;
    }
    return true;
}

const char *float_mode_change(const float_mode *m)
{
    const unsigned changes = float_mode_changes(m);
    if (changes & FLOAT_ROUNDING) return "the rounding mode";
    if (changes & (FLOAT_RESULTS_FLUSHED | FLOAT_OPERANDS_FLUSHED)) {
        return "the flushing of denormals";
    }
    return changes ? "the mask of floating-point exceptions" : NULL;
}
