/* Numbers and texts one behind the other: what a search and the process of its strategy say to each other. Private to the room.
 *
 * Both are the same program, so numbers travel as they lie in memory. What is read is checked: a packet that ends early, a text without
 * an end and a count that its packet cannot hold make the packet bad, and everything read from then on is zero. */
#ifndef ASSAY_CORE_SEARCH_PACKET_H
#define ASSAY_CORE_SEARCH_PACKET_H

#include "base/arena.h"
#include "base/text.h"
#include "config/config.h"

#include <assay/search.h>

/* -- Writing: added to a text, whose `failed` says that memory is out -- */

void packet_u64(text *t, uint64_t v);
void packet_real(text *t, double v);
void packet_reals(text *t, const double *v, size_t n);
void packet_text(text *t, const char *s); /* NULL is kept apart from "" */
void packet_value(text *t, const value *v); /* with its origins; NULL: none */
void packet_plan(text *t, const assay_search_plan *p);
void packet_event(text *t, const assay_event *e, size_t n_dimensions);

/* -- Reading -- */

typedef struct packet {
    const unsigned char *at, *end;
    bool is_bad;
} packet;

uint64_t packet_get_u64(packet *p);
double packet_get_real(packet *p);
void packet_get_reals(packet *p, double *out, size_t n);
/* Borrowed from the packet; NULL where NULL was written. */
const char *packet_get_text(packet *p);
/* How many things follow, each of at least `least_bytes`; 0 where the packet cannot hold them. */
size_t packet_get_count(packet *p, size_t least_bytes);
/* Fills in *out, a value of config c with all that is below it; *out_is_there is false where NULL was written. */
status packet_get_value(
    packet *p, config *c, value *out, bool *out_is_there, error *err) MUST_CHECK;
/* The dimensions lie in the arena. */
status packet_get_plan(packet *p, arena *a, assay_search_plan *out, error *err) MUST_CHECK;
/* x[n_dimensions] is the caller's. */
void packet_get_event(packet *p, assay_event *out, double *x, size_t n_dimensions);

/* Everything was read, and nothing was bad. */
bool packet_is_whole(const packet *p);

/* Copies a text that is shown to people: control characters become '?'. */
void packet_clean(char *out, size_t bytes, const char *s);

#endif
