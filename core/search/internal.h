/* What a search holds. Private to the room. */
#ifndef ASSAY_CORE_SEARCH_INTERNAL_H
#define ASSAY_CORE_SEARCH_INTERNAL_H

#include "search/port.h"

enum { SEARCH_MOST_WANT = 1 << 20 };

typedef struct trial {
    search_trial t;
    uint64_t state;
    double value, fidelity; /* last told */
    bool has_ended;
    bool is_listed; /* false: a proposal that was passed over */
} trial;

struct search {
    const space *space;
    search_options o;
    assay_search_plan plan;
    port *port;
    bool is_replaying; /* events may be kept back */
    bool is_finite;
    arena memory;
    trial *trials; // [capacity], by number
    size_t n, capacity, n_listed;
    uint64_t *slots; // [n_slots] number + 1 of the last trial from the start at that point
    size_t n_slots;
    uint64_t best; /* ASSAY_NO_TRIAL: none */
};

bool search_is_same_point(const search *s, const double *a, const double *b);

#endif
