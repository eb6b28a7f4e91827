/* What the results of all procedures have alike: sections that begin at multiples of 64 bytes, texts in fields of fixed size. Private to
 * the room. */
#ifndef ASSAY_CORE_JOB_LAYOUT_H
#define ASSAY_CORE_JOB_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The first place for a section from byte n on. */
static inline size_t layout_up(size_t n)
{
    return (n + 63) / 64 * 64;
}

/* Whether a field [n] that somebody else has written holds a whole text. */
static inline bool layout_text_ends(const char *s, size_t n)
{
    return memchr(s, '\0', n) != NULL;
}

#endif
