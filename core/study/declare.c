/* From a declaration to the row of the store that every trial hangs on. Contenders' dimensions go along, for readers of the store
 * that know nothing of declarations: Optuna, its plots, people with an SQL prompt. */
#include "study/engine.h"

#include <math.h>
#include <string.h>

static void take_dimension(const contender *c, const assay_dimension *d, store_dimension *out)
{
    *out = (store_dimension){ .contender = c->name, .name = d->name };
    if (d->type == ASSAY_SPACE_CATEGORY) {
        out->type = DIMENSION_CATEGORY;
        out->choices = d->choices;
        out->n_choices = (size_t)d->n_choices;
        return;
    }
    out->type = d->type == ASSAY_SPACE_INT ? DIMENSION_INT : DIMENSION_REAL;
    out->low = d->low;
    out->high = d->high;
    out->log = d->log != 0;
    out->step = out->log ? 0 : d->step;
}

static status create(const declaration *d, store *s, uint64_t *out_study, error *err)
{
    status st = OK;
    arena a = { 0 };
    size_t n = 0, k = 0;
    for (size_t i = 0; i < d->n_contenders; i++)
        n += d->contenders[i].space.n;
    store_dimension *dimensions = arena_alloc_array(&a, n + 1, sizeof *dimensions);
    if (!dimensions) TRY(fail_nomem(err, "a study's dimensions"));
    for (size_t i = 0; i < d->n_contenders; i++) {
        const contender *c = &d->contenders[i];
        for (size_t j = 0; j < c->space.n; j++)
            take_dimension(c, &c->space.dimensions[j], &dimensions[k++]);
    }
    const store_study_spec spec = { .name = d->name,
        .declaration = d->written.s,
        .metric = d->metric,
        .direction = d->direction,
        .seed = d->seed,
        .max_lost = d->retry_lost,
        .dimensions = dimensions,
        .n_dimensions = n };
    TRY(study_create(s, &spec, out_study, err));
done:
    arena_release(&a);
    return st;
}

status study_declare(
    const declaration *d, store *s, uint64_t *out_study, bool *out_is_new, error *err)
{
    status st = OK;
    arena a = { 0 };
    error why;
    store_study there;
    *out_is_new = false;
    st = study_find(s, d->name, &a, &there, &why);
    if (st == E_UNKNOWN) {
        st = create(d, s, out_study, &why);
        *out_is_new = st == OK;
        if (st == E_CONFLICT) st = study_find(s, d->name, &a, &there, &why); /* just now */
    }
    if (st != OK) TRY(fail(err, st, "%s", why.text));
    if (!*out_is_new && strcmp(there.declaration_hash, d->hash) != 0) {
        TRY(fail(err, E_CONFLICT,
            "%s: has a study \"%s\" that was declared otherwise (%.8s there, %.8s now); what was "
            "declared before its first trial stays: give this one another name with --name, or "
            "another file with --store",
            store_where(s), d->name, there.declaration_hash, d->hash));
    }
    if (!*out_is_new) *out_study = there.id;
done:
    arena_release(&a);
    return st;
}
