/* What layers that join several inputs share: the complaint about shapes that do not fit.
 *
 * Header-only and static, because a plugin links nothing of anybody's. */
#ifndef ASSAY_PLUGINS_LAYER_SHARED_INPUTS_H
#define ASSAY_PLUGINS_LAYER_SHARED_INPUTS_H

#include "elementwise.h"

#include <stdio.h>

/* "[3, 8, 8]" */
static inline void shape_text(const assay_shape *s, char *text, size_t n)
{
    size_t used = 0;
    for (uint64_t i = 0; i < s->n_dims && used < n; i++) {
        const int written = snprintf(
            text + used, n - used, "%s%llu", i == 0 ? "[" : ", ", (unsigned long long)s->dim[i]);
        used += written > 0 ? (size_t)written : 0;
    }
    if (used < n) snprintf(text + used, n - used, "]");
}

/* `rule`, but input i differs from the first. */
static inline int fail_shapes(assay_ctx *ctx, const assay_plan *plan, uint64_t i, const char *rule)
{
    char first[100], other[100], text[400];
    shape_text(&assay_plan_in(plan, 0)->shape, first, sizeof first);
    shape_text(&assay_plan_in(plan, i)->shape, other, sizeof other);
    snprintf(text, sizeof text, "%s, but input 1 is %s and input %llu is %s", rule, first,
        (unsigned long long)(i + 1), other);
    return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL, text);
}

#endif
