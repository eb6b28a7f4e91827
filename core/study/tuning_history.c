/* Events become arrays: a proposal for each ASKED, a fact for what came of it. Nothing is ever read twice. */
#include "study/tuning_history.h"

#include "study/record_cost.h"

#include <assay/search.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static status room_for_one(void *items, size_t each, size_t n, size_t *capacity, error *err)
{
    void **array = items;
    if (n < *capacity) return OK;
    const size_t more = *capacity ? 2 * *capacity : 64;
    void *p = realloc(*array, more * each);
    if (!p) return fail_nomem(err, "a tuning's history");
    *array = p;
    *capacity = more;
    return OK;
}

proposal *history_find(const history *h, uint64_t id)
{
    size_t low = 0, high = h->n; /* ids rise */
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (h->proposals[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < h->n && h->proposals[low].id == id ? &h->proposals[low] : NULL;
}

static status note_asked(history *h, const store_event *e, error *err)
{
    void *array = h->proposals;
    const status st = room_for_one(&array, sizeof *h->proposals, h->n, &h->capacity, err);
    h->proposals = array;
    if (st != OK) return st;
    proposal *p = &h->proposals[h->n];
    *p = (proposal){ .id = e->trial,
        .number = e->number,
        .inside = ASSAY_NO_TRIAL,
        .asked_after = e->asked_after,
        .from_trial = e->from_trial,
        .replicate = e->replicate,
        .params = arena_strdup(&h->memory, e->params),
        .fidelity = e->fidelity,
        .value = (double)NAN,
        .verdict_fidelity = INFINITY };
    if (!p->params) return fail_nomem(err, "a tuning's history");
    h->n++;
    return OK;
}

static status note_ended(history *h, const store_event *e, proposal *p, error *err)
{
    status st = OK;
    arena a = { 0 };
    p->has_ended = true;
    p->state = e->state;
    p->value = e->value;
    p->standard_error = e->standard_error;
    p->reached = e->fidelity;
    h->n_ended++;
    if (h->has_costs) {
        store_trial whole;
        TRY(trial_find(h->store, h->study, e->number, &a, &whole, err));
        TRY(record_cost_read(whole.record, &p->cost, err));
    }
done:
    arena_release(&a);
    return st;
}

static status note(history *h, const store_event *e, error *err)
{
    status st = OK;
    if (e->kind == EVENT_ASKED) return note_asked(h, e, err);
    proposal *p = history_find(h, e->trial);
    if (!p) {
        return fail(err, E_CORRUPT, "%s: event %llu is about a trial that nobody asked for",
            store_where(h->store), (unsigned long long)e->seq);
    }
    if (e->kind == EVENT_FINISHED) TRY(note_ended(h, e, p, err));
    void *array = h->facts;
    st = room_for_one(&array, sizeof *h->facts, h->n_facts, &h->fact_capacity, err);
    h->facts = array;
    if (st == OK) {
        h->facts[h->n_facts++] = (fact){ .seq = e->seq,
            .kind = e->kind,
            .i_proposal = (size_t)(p - h->proposals),
            .value = e->value,
            .standard_error = e->standard_error,
            .fidelity = e->fidelity };
    }
done:
    return st;
}

status history_read(history *h, const store_search *key, error *err)
{
    status st = OK;
    store_cursor *c = NULL;
    TRY(store_events_open(h->store, h->study, key, h->seen, &c, err));
    for (;;) {
        bool is_row;
        store_event e;
        TRY(store_events_next(c, &e, &is_row, err));
        if (!is_row) break;
        TRY(note(h, &e, err));
        h->seen = e.seq;
    }
done:
    store_cursor_close(c);
    return st;
}

void history_release(history *h)
{
    arena_release(&h->memory);
    free(h->proposals);
    free(h->facts);
}
