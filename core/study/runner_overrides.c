/* What a run is told: the workload's overrides, its contender's, a point, how far to go; in this order, later ones win. */
#include "study/runner_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static status add_override(run *n, const char *assignment, error *err)
{
    n->overrides[n->n_overrides] = arena_strdup(&n->memory, assignment);
    return n->overrides[n->n_overrides++] ? OK : fail_nomem(err, "overrides");
}

/* A point of the contender's space. */
static status add_point(run *n, error *err)
{
    text one = { 0 };
    status st = OK;
    const space *s = &n->contender->space;
    for (size_t i = 0; i < s->n; i++) {
        if (!space_is_active(s, n->spec.x, i)) continue;
        text_clear(&one);
        space_override(s, i, n->spec.x[i], &one);
        TRY(text_check(&one, err));
        TRY(add_override(n, one.s, err));
    }
done:
    text_release(&one);
    return st;
}

const value *run_setting(const run *n, const char *key)
{
    return n->config ? value_find(value_find(config_root(n->config), "train"), key) : NULL;
}

double run_setting_real(const run *n, const char *key, double otherwise)
{
    double v;
    const value *s = run_setting(n, key);
    return s && value_to_real(s, &v, NULL) == OK && v > 0 ? v : otherwise;
}

/* Sets it in the run's config, too, so that the next one sees it. */
static status add_setting(run *n, error *err, const char *format, ...) PRINTF_LIKE(3, 4);

static status add_setting(run *n, error *err, const char *format, ...)
{
    char assignment[96];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(assignment, sizeof assignment, format, args);
    va_end(args);
    const status st = n->config ? config_override(n->config, assignment, err) : OK;
    if (st == E_NOMEM) return st;
    if (st != OK) {
        config_free(n->config);
        n->config = NULL;
    }
    return add_override(n, assignment, err);
}

/* What the study says of training: how far it goes, and whether it may stop early. */
static status add_settings(run *n, error *err)
{
    status st = OK;
    const bool has_train = n->config && value_find(config_root(n->config), "train");
    if (!n->owner->declaration->takes_best && run_setting(n, "early_stopping"))
        TRY(add_setting(n, err, "~train.early_stopping"));
    if (n->spec.fidelity > 0) {
        const double epochs = n->spec.fidelity < 1 ? 1 : round(n->spec.fidelity);
        TRY(add_setting(n, err, "%strain.epochs=%.0f", has_train ? "" : "+", epochs));
    }
done:
    return st;
}

static bool may_restore(const run *n)
{
    const value *early = run_setting(n, "early_stopping");
    const value *restores = value_find(early, "restore_best");
    bool wants = true;
    if (!early || early->kind != VALUE_GROUP) return early != NULL;
    return !restores || value_to_bool(restores, &wants, NULL) != OK || wants;
}

status overrides_write(run *n, error *err)
{
    status st = OK;
    const workload *w = n->workload;
    const size_t most = w->n_overrides + n->contender->n_overrides + n->contender->space.n + 2;
    n->overrides = arena_alloc_array(&n->memory, most, sizeof *n->overrides);
    if (!n->overrides) TRY(fail_nomem(err, "overrides"));
    for (size_t i = 0; i < w->n_overrides; i++)
        TRY(add_override(n, w->overrides[i], err));
    for (size_t i = 0; i < n->contender->n_overrides; i++)
        TRY(add_override(n, n->contender->overrides[i], err));
    TRY(add_point(n, err));
    error why;
    if (workload_config(w, n->overrides + w->n_overrides, n->n_overrides - w->n_overrides,
            &n->config, &why) != OK) {
        if (why.code == E_NOMEM) TRY(fail_nomem(err, "a run's config"));
        n->config = NULL; /* its plan will say what is wrong */
    }
    TRY(add_settings(n, err));
    n->restores_best = may_restore(n);
    n->goal = run_setting_real(n, "epochs", 0);
    if (n->config) TRY(pack_find(n->owner, n->config, &n->pack, err));
done:
    return st;
}
