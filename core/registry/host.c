/* The host's services: what a plugin reaches through ctx->host.
 *
 * Each is a thin turn into a room of the core. Callbacks may run on several threads, so the report
 * of a failure and the instance's memory are taken under the instance's lock; everything else is
 * pure or belongs to the thread. */
#include "registry/internal.h"
#include "registry/nested.h"

#include "num/gemm.h"
#include "num/linalg.h"

#include <stdio.h>
#include <string.h>

static instance *instance_from(assay_ctx *ctx)
{
    return (instance *)(void *)ctx; /* ctx is its first member */
}

/* The name is kept behind the message, in the same storage. */
static void write_report(report *r, int code, const char *hyper, const char *message)
{
    const size_t room = sizeof r->text, n_hyper = hyper ? strnlen(hyper, 63) + 1 : 0;
    r->code = code == ASSAY_OK ? ASSAY_E_INTERNAL : code;
    snprintf(r->text, room - n_hyper, "%.*s", (int)(room - n_hyper - 1), message ? message : "");
    r->hyper = NULL;
    if (hyper) {
        char *copy = r->text + room - n_hyper;
        memcpy(copy, hyper, n_hyper - 1);
        copy[n_hyper - 1] = '\0';
        r->hyper = copy;
    }
}

/* The first report counts. Each thread has its own: what one callback says must not hide what another one does. */
static int host_fail(assay_ctx *ctx, int code, const char *hyper, const char *message)
{
    if (!ctx) return code;
    instance *i = instance_from(ctx);
    pthread_mutex_lock(&i->lock);
    report *r = instance_report(i);
    if (r && r->code == ASSAY_OK) write_report(r, code, hyper, message);
    pthread_mutex_unlock(&i->lock);
    return code;
}

static void host_log(assay_ctx *ctx, uint32_t level, const char *message)
{
    if (!ctx || !message) return;
    const instance *i = instance_from(ctx);
    registry_note(i->registry, level, "%s: %s", i->label, message);
}

static int host_metric(assay_ctx *ctx, uint64_t i_metric, uint64_t i_tensor, double v)
{
    instance *i = instance_from(ctx);
    const assay_optimizer *o = i->component->ops;
    const bool is_optimizer = strcmp(i->component->kind, ASSAY_KIND_OPTIMIZER) == 0;
    if (!is_optimizer || i_metric >= o->n_metrics) {
        return host_fail(ctx, ASSAY_E_INVALID, NULL, "reported a metric that it does not declare");
    }
    if (i->hooks.metric) i->hooks.metric(i->hooks.self, i, i_metric, i_tensor, v);
    return ASSAY_OK;
}

static void *host_alloc(assay_ctx *ctx, uint64_t bytes)
{
    instance *i = instance_from(ctx);
    pthread_mutex_lock(&i->lock);
    void *memory = arena_alloc(&i->memory, bytes);
    pthread_mutex_unlock(&i->lock);
    return memory;
}

static void *host_scratch(assay_ctx *ctx, uint64_t bytes)
{
    instance *i = instance_from(ctx);
    team *t = registry_team(i->registry);
    if (t) return team_scratch(t, bytes);
    pthread_mutex_lock(&i->lock);
    void *memory = arena_alloc(&i->scratch, bytes);
    pthread_mutex_unlock(&i->lock);
    return memory;
}

static void host_random_u32(
    assay_ctx *ctx, uint64_t stream, uint64_t index, uint32_t *out, uint64_t n)
{
    rng_u32(instance_from(ctx)->random, stream, index, out, n);
}

static void host_uniform(assay_ctx *ctx, uint64_t stream, uint64_t index, float *out, uint64_t n)
{
    rng_uniform(instance_from(ctx)->random, stream, index, out, n);
}

static void host_normal(assay_ctx *ctx, uint64_t stream, uint64_t index, float *out, uint64_t n)
{
    rng_normal(instance_from(ctx)->random, stream, index, out, n);
}

static gemm gemm_from(const assay_gemm *g)
{
    return (gemm){
        .trans_a = g->trans_a != 0,
        .trans_b = g->trans_b != 0,
        .m = g->m,
        .n = g->n,
        .k = g->k,
        .alpha = (float)g->alpha,
        .a = g->a,
        .lda = g->lda,
        .b = g->b,
        .ldb = g->ldb,
        .beta = (float)g->beta,
        .c = g->c,
        .ldc = g->ldc,
        .packed_b = g->packed_b,
    };
}

/* A service that has no code to return was asked for what cannot be: the callback that did so has failed, whatever it returns. */
static void refuse(assay_ctx *ctx, const error *why)
{
    if (!ctx) return;
    (void)host_fail(ctx, ASSAY_E_INTERNAL, NULL, why->text);
    atomic_store(&instance_from(ctx)->was_refused, true);
}

static void host_gemm(assay_ctx *ctx, const assay_gemm *g)
{
    error why = { 0 };
    const gemm own = gemm_from(g);
    if (gemm_check(&own, &why) == OK) {
        gemm_run(&own);
    } else {
        refuse(ctx, &why);
    }
}

static uint64_t host_pack_b_bytes(assay_ctx *ctx, const assay_gemm *g)
{
    (void)ctx;
    const gemm own = gemm_from(g);
    return gemm_packed_b_bytes(&own);
}

static void host_pack_b(assay_ctx *ctx, const assay_gemm *g, void *out)
{
    error why = { 0 };
    const gemm own = gemm_from(g);
    status st = gemm_check_pack(&own, &why);
    if (st == OK && !out && own.n > 0 && own.k > 0) {
        st = fail(&why, E_SHAPE, "packing without a place to pack to");
    }
    if (st == OK) {
        gemm_pack_b(&own, out);
    } else {
        refuse(ctx, &why);
    }
}

static int host_potrf(assay_ctx *ctx, uint64_t n, float *a, uint64_t lda)
{
    (void)ctx;
    return instance_code_of(linalg_potrf(n, a, lda, NULL));
}

static int host_trsm(assay_ctx *ctx, uint32_t right, uint32_t trans, uint64_t m, uint64_t n,
    const float *l, uint64_t ldl, float *b, uint64_t ldb)
{
    (void)ctx;
    return instance_code_of(linalg_trsm(right != 0, trans != 0, m, n, l, ldl, b, ldb, NULL));
}

/* Whose scratch is work space: a callback allocates nothing. */
static team *team_of(assay_ctx *ctx)
{
    return registry_team(instance_from(ctx)->registry);
}

static int host_syevd(assay_ctx *ctx, uint64_t n, float *a, uint64_t lda, float *w)
{
    return instance_code_of(linalg_syevd(n, a, lda, w, team_of(ctx), NULL));
}

static int host_geqrf(
    assay_ctx *ctx, uint64_t m, uint64_t n, float *a, uint64_t lda, float *r, uint64_t ldr)
{
    return instance_code_of(linalg_geqrf(m, n, a, lda, r, ldr, team_of(ctx), NULL));
}

static int host_gesdd(assay_ctx *ctx, uint64_t m, uint64_t n, float *a, uint64_t lda, float *s,
    float *u, uint64_t ldu, float *vt, uint64_t ldvt)
{
    return instance_code_of(linalg_gesdd(m, n, a, lda, s, u, ldu, vt, ldvt, team_of(ctx), NULL));
}

/* A range cut into pieces. How depends on n and grain alone, never on the number of threads: a
 * plugin whose pieces round differently still gives the same bits everywhere. */
typedef struct range {
    instance *instance;
    assay_piece piece;
    void *arg;
    uint64_t n, n_pieces;
    report first; /* what the lowest piece that failed has said */
    size_t i_first; /* its number; n_pieces: none has */
} range;

enum { MOST_PIECES = 256 };

static uint64_t range_begin(const range *r, uint64_t i)
{
    const uint64_t whole = r->n / r->n_pieces, rest = r->n % r->n_pieces;
    return i * whole + (i < rest ? i : rest);
}

/* Takes what this thread has reported, if anything. */
static bool take_report(instance *i, report *out)
{
    const report *r = instance_report(i);
    const bool has = r && r->code != ASSAY_OK;
    if (has) {
        report_copy(out, r);
        report_clear(instance_report(i));
    }
    return has;
}

static void range_piece(void *arg, size_t i)
{
    range *r = arg;
    report said = { .code = ASSAY_OK };
    r->piece(r->arg, range_begin(r, i), range_begin(r, i + 1));
    pthread_mutex_lock(&r->instance->lock);
    if (take_report(r->instance, &said) && i < r->i_first) {
        report_copy(&r->first, &said);
        r->i_first = i;
    }
    pthread_mutex_unlock(&r->instance->lock);
}

/* What the caller had reported before counts first; then the lowest piece, whichever thread ran it. */
static void run_range(range *r)
{
    report before = { .code = ASSAY_OK };
    team *t = registry_team(r->instance->registry);
    pthread_mutex_lock(&r->instance->lock);
    const bool had = take_report(r->instance, &before);
    pthread_mutex_unlock(&r->instance->lock);
    if (t) {
        team_run(t, r->n_pieces, range_piece, r);
    }
    for (size_t i = 0; !t && i < r->n_pieces; i++)
        range_piece(r, i);
    if (!had && r->i_first == r->n_pieces) return;
    pthread_mutex_lock(&r->instance->lock);
    report *own = instance_report(r->instance);
    if (own) report_copy(own, had ? &before : &r->first);
    pthread_mutex_unlock(&r->instance->lock);
}

static void host_parallel_for(
    assay_ctx *ctx, uint64_t n, uint64_t grain, assay_piece piece, void *arg)
{
    if (n == 0) return;
    range r = { .instance = instance_from(ctx),
        .piece = piece,
        .arg = arg,
        .n = n,
        .n_pieces = n / (grain ? grain : 1) };
    if (r.n_pieces == 0) r.n_pieces = 1;
    if (r.n_pieces > MOST_PIECES) r.n_pieces = MOST_PIECES;
    r.i_first = r.n_pieces;
    run_range(&r);
}

instance *host_nested(const instance *outer, const assay_instance *handle)
{
    for (instance **n = outer->nested; n && *n; n++) {
        if (*n == instance_of(handle)) return *n;
    }
    return NULL;
}

int host_pass_on(instance *outer, instance *inner, int code, const char *op)
{
    if (code == ASSAY_OK) return code;
    error err = { 0 };
    (void)!instance_status(inner, code, op, &err);
    return host_fail(&outer->ctx, code, NULL, err.text);
}

static int host_inner_update(assay_ctx *ctx, const assay_instance *handle, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride)
{
    instance *outer = instance_from(ctx), *inner = host_nested(outer, handle);
    if (!inner || strcmp(inner->component->kind, ASSAY_KIND_OPTIMIZER) != 0) {
        return host_fail(
            ctx, ASSAY_E_INVALID, NULL, "inner_update needs a nested optimizer of its own");
    }
    if (!outer->hooks.inner_update) {
        return host_fail(
            ctx, ASSAY_E_UNSUPPORTED, NULL, "a nested optimizer cannot be updated here");
    }
    const int code =
        outer->hooks.inner_update(outer->hooks.self, outer, inner, step, spans, n, stride);
    return host_pass_on(outer, inner, code, "update");
}

static int host_inner_factor(
    assay_ctx *ctx, const assay_instance *handle, const struct assay_when *when, double *out_factor)
{
    instance *outer = instance_from(ctx), *inner = host_nested(outer, handle);
    if (!inner || strcmp(inner->component->kind, ASSAY_KIND_SCHEDULE) != 0) {
        return host_fail(
            ctx, ASSAY_E_INVALID, NULL, "inner_factor needs a nested schedule of its own");
    }
    const assay_schedule *o = inner->component->ops;
    const int code = o->factor(&inner->ctx, inner->hyper, when, inner->state, out_factor);
    return host_pass_on(outer, inner, code, "factor");
}

static const void *host_extension(assay_ctx *ctx, const char *id)
{
    (void)ctx;
    return id && strcmp(id, ASSAY_INNER_SEARCH) == 0 ? host_inner_search() : NULL;
}

static const assay_host table = {
    .struct_size = sizeof(assay_host),
    .abi_major = ASSAY_ABI_MAJOR,
    .abi_minor = ASSAY_ABI_MINOR,
    .draft_hash = ASSAY_DRAFT_HASH,
    .fail = host_fail,
    .log = host_log,
    .metric = host_metric,
    .alloc = host_alloc,
    .scratch = host_scratch,
    .random_u32 = host_random_u32,
    .uniform_f32 = host_uniform,
    .normal_f32 = host_normal,
    .gemm_f32 = host_gemm,
    .pack_b_bytes = host_pack_b_bytes,
    .pack_b = host_pack_b,
    .potrf_f32 = host_potrf,
    .trsm_f32 = host_trsm,
    .syevd_f32 = host_syevd,
    .geqrf_f32 = host_geqrf,
    .gesdd_f32 = host_gesdd,
    .parallel_for = host_parallel_for,
    .inner_update = host_inner_update,
    .inner_factor = host_inner_factor,
    .extension = host_extension,
};

const assay_host *host_table(void)
{
    return &table;
}
