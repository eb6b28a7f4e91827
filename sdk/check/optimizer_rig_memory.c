/* The rig's arrays: each beside a page that cannot be accessed, with a shadow of what it must
 * hold. */
#include "check/optimizer_rig_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rig_block *block_new(
    optimizer_rig *r, size_t n, size_t each, const char *what, const char *tensor, guard_side side)
{
    size_t bytes;
    rig_block *b = arena_alloc(&r->memory, sizeof *b);
    if (!b || !size_product(n, each, &bytes)) {
        return NULL;
    }
    *b = (rig_block){ .each = each, .what = what, .tensor = tensor };
    if (guarded_new(bytes, side, &b->memory, NULL) != OK) {
        return NULL;
    }
    b->next = r->blocks;
    r->blocks = b;
    guarded_name(&b->memory, "the %s%s%s", what, tensor[0] ? " of " : "", tensor);
    b->shadow = calloc(bytes ? bytes : 1, 1);
    r->block_bytes += bytes;
    return b->shadow ? b : NULL;
}

void blocks_free(optimizer_rig *r)
{
    for (rig_block *b = r->blocks; b; b = b->next) {
        guarded_free(&b->memory);
        free(b->shadow);
    }
    r->blocks = NULL;
}

void blocks_accept(optimizer_rig *r)
{
    for (rig_block *b = r->blocks; b; b = b->next) {
        if (b->memory.bytes) {
            memcpy(b->shadow, b->memory.at, b->memory.bytes);
        }
    }
}

void blocks_accept_range(optimizer_rig *r, const void *at, size_t bytes)
{
    const char *from = at;
    for (rig_block *b = r->blocks; b && bytes > 0; b = b->next) {
        const char *begin = b->memory.at;
        if (from >= begin && from + bytes <= begin + b->memory.bytes) {
            memcpy(b->shadow + (from - begin), from, bytes);
            return;
        }
    }
}

static void describe(const rig_block *b, size_t i, char *out, size_t room)
{
    const char *of = b->tensor[0] ? " of " : "";
    const char *is_at = (const char *)b->memory.at + i * b->each, *was_at = b->shadow + i * b->each;
    double is = 0, was = 0;
    if (b->each == sizeof(float)) {
        float is_float, was_float;
        memcpy(&is_float, is_at, sizeof is_float);
        memcpy(&was_float, was_at, sizeof was_float);
        is = (double)is_float;
        was = (double)was_float;
    } else if (b->each == sizeof(double)) {
        memcpy(&is, is_at, sizeof is);
        memcpy(&was, was_at, sizeof was);
    } else {
        snprintf(out, room, "byte %zu of the %s%s%s", i, b->what, of, b->tensor);
        return;
    }
    snprintf(out, room, "element %zu of the %s%s%s from %.9g to %.9g", i, b->what, of, b->tensor,
        was, is);
}

status blocks_check(const optimizer_rig *r, const char *who, const char *rule, error *err)
{
    for (const rig_block *b = r->blocks; b; b = b->next) {
        const char *is = b->memory.at;
        size_t at = 0;
        if (b->memory.bytes == 0 || memcmp(is, b->shadow, b->memory.bytes) == 0) {
            continue;
        }
        while (is[at] == b->shadow[at]) {
            at++;
        }
        char where[400];
        describe(b, at / b->each, where, sizeof where);
        return fail(err, E_PLUGIN, "%s changed %s; %s", who, where, rule);
    }
    return OK;
}

status blocks_check_borders(const optimizer_rig *r, const char *who, error *err)
{
    for (const rig_block *b = r->blocks; b; b = b->next) {
        if (!guarded_is_intact(&b->memory)) {
            return fail(err, E_PLUGIN, "%s wrote %s the %s%s%s, which has %zu elements", who,
                b->memory.side == GUARD_AFTER ? "before the beginning of" : "behind the end of",
                b->what, b->tensor[0] ? " of " : "", b->tensor, b->memory.bytes / b->each);
        }
    }
    return OK;
}
