/* The rules of the contract between assay and its plugins, its version, and the host's services.
 *
 * Rules (all of <assay/...>):
 *  - A plugin links nothing of assay's. It exports one function, ASSAY_ENTRY, that takes the host's table
 *    and returns a constant description. Everything else in it is `static`.
 *  - Every struct that may grow starts with `struct_size`, the sizeof as its author compiled it. New
 *    fields are only ever appended; 0 or NULL in a field means what held before the field existed.
 *  - Arrays of structs travel as pointer, count, stride. Where the author writes the table (assay_slot, assay_hyper,
 *    assay_metric_row, assay_special_case) the rows have no struct_size: the stride, the sizeof as the author compiled it, stands
 *    for it. Arrays of numbers and pointers travel as pointer, count.
 *  - All fields are 8 bytes wide, or two uint32_t side by side: no padding. No C enum types, bool, long,
 *    bit-fields, varargs, structs by value, FILE* or errno cross the border.
 *  - Strings are UTF-8 with a NUL. A plugin's strings live as long as the process; the host's live until the
 *    callback returns, unless it says otherwise.
 *  - A callback returns ASSAY_OK or a negative code. Neither exceptions nor longjmp cross the border.
 *  - While ABI_MAJOR is 0 this is a draft: the host refuses a plugin whose headers differ in any byte
 *    (ASSAY_DRAFT_HASH). From 1.0 on, a plugin built with any 1.x header runs on every 1.x host unless it asks
 *    for more by ASSAY_TARGET_MINOR.
 *
 * The life of an instance, in this order; a callback that a component lacks is passed over:
 *
 *   entry            at least once per process, before anything else of the plugin; gives the same description each time
 *   (bind)           the host writes defaults and the config's values into the author's struct
 *   validate         once; a failure ends the life here
 *   create           once; after a failure of create only destroy may follow
 *   plan | accept    what shapes and tensors it will meet
 *   load             state of a run that is resumed
 *   (the callbacks of its kind)*   as that kind's header says, with save between any two of them
 *   destroy          once
 *
 * Several instances of one component live at the same time, and their callbacks may run at the same time on different
 * threads. So nothing is kept in variables of the file: what an instance needs hangs on ctx->self or, better, is declared state
 * that the host owns. The struct of hyperparameters is the host's; it may be another one, with other values, at every callback.
 *
 * Threads. Each callback says one of
 *   [control]  never concurrent for one instance; different instances may run at the same time;
 *   [worker]   concurrent on one instance with different arguments: it writes only what its arguments hand it.
 * The services in struct assay_host may be called in any callback on its own thread, unless a line there says [control]. A
 * callback makes no threads, processes or signal handlers, and leaves as they were: the floating-point mode (rounding, flushing
 * of denormals), the locale, the working directory, the environment, open files that are not its own.
 *
 * Same bits. What a callback computes is a function of its arguments, of the declared state (what save and load carry over
 * included) and of the host's random numbers: not of time, addresses, thread, or how work was cut into calls.
 */
#ifndef ASSAY_ABI_H
#define ASSAY_ABI_H

#include <stddef.h>
#include <stdint.h>

#include "draft_hash.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ASSAY_ABI_MAJOR 0
#define ASSAY_ABI_MINOR 0

/* The oldest host minor that this plugin accepts. Define it before including to ask for more. */
#ifndef ASSAY_TARGET_MINOR
#define ASSAY_TARGET_MINOR 0
#endif

/* The one exported symbol carries the major version in its name. */
#define ASSAY_ENTRY assay_plugin_v0

/* Whether *p, a `type`, is large enough to hold `field`. */
#define ASSAY_HAS(type, p, field) \
    ((p)->struct_size >= offsetof(type, field) + sizeof(((const type *)0)->field))

/* What a callback returns. */
#define ASSAY_OK 0
#define ASSAY_E_INVALID (-1) /* a hyperparameter or a combination of them makes no sense */
#define ASSAY_E_NOMEM (-2) /* the host gave NULL, or the plugin's own allocation failed */
#define ASSAY_E_UNSUPPORTED (-3) /* sensible, but not something this component can do */
#define ASSAY_E_SHAPE (-4) /* shapes that do not fit */
#define ASSAY_E_NUMERIC (-5) /* a computation without a usable result */
#define ASSAY_E_IO (-6) /* a file: missing, unreadable */
#define ASSAY_E_DATA (-7) /* a file's content */
#define ASSAY_E_INTERNAL (-8) /* a bug in the plugin */

/* Levels of host->log. */
#define ASSAY_LOG_DEBUG 0u
#define ASSAY_LOG_INFO 1u
#define ASSAY_LOG_WARNING 2u

typedef struct assay_host assay_host;
typedef struct assay_ctx assay_ctx;
typedef struct assay_instance assay_instance; /* a nested component, opaque */
struct assay_step;
struct assay_span;
struct assay_when;

/* One instance, as the plugin sees it. */
struct assay_ctx {
    uint64_t struct_size;
    const assay_host *host;
    void *self; /* the plugin's own; whatever `create`, `plan` or `open` left there, NULL before */
};

/* C[m,n] = alpha op(A)[m,k] op(B)[k,n] + beta C, row-major; `ld*` are row strides of the matrices as stored.
 * With beta 0, C is not read. C overlaps neither A nor B. If packed_b is not NULL it was made by host->pack_b for the same
 * trans_b, n, k, and b is not read. */
typedef struct assay_gemm {
    uint64_t struct_size;
    uint32_t trans_a, trans_b;
    uint64_t m, n, k;
    double alpha, beta;
    const float *a;
    uint64_t lda;
    const float *b;
    uint64_t ldb;
    float *c;
    uint64_t ldc;
    const void *packed_b;
} assay_gemm;

typedef void (*assay_piece)(void *arg, uint64_t begin, uint64_t end);

/* The host's services. Any thread, unless a line says [control]. */
struct assay_host {
    uint64_t struct_size;
    uint32_t abi_major, abi_minor;
    uint64_t draft_hash;

    /* Reports why; returns `code`, so `return host->fail(ctx, ASSAY_E_INVALID, "beta1", "must be below beta2");`.
     * The texts are copied, so a local array for snprintf will do; the message is cut at some 500 bytes.
     * `hyper` names the hyperparameter at fault or is NULL; the host adds file and line. The first report of a
     * callback counts. */
    int (*fail)(assay_ctx *ctx, int code, const char *hyper, const char *message);
    void (*log)(assay_ctx *ctx, uint32_t level, const char *message);

    /* Stores a value of the i-th metric that the component declared. `i_tensor` is assay_tensor.index for a
     * per-tensor metric, UINT64_MAX for a global one. */
    int (*metric)(assay_ctx *ctx, uint64_t i_metric, uint64_t i_tensor, double value);

    /* [control] Zeroed, 64-byte aligned, lives as long as the instance. NULL when memory is out. */
    void *(*alloc)(assay_ctx *ctx, uint64_t bytes);
    /* 64-byte aligned, not zeroed, this thread's alone, dies when the callback returns. NULL when memory is out. */
    void *(*scratch)(assay_ctx *ctx, uint64_t bytes);

    /* Random numbers: a pure function of (run seed, instance, stream, index + k). Streams from 2^63 on are the author's own. Below
     * lie those that callbacks are handed: an optimizer's from 2^32 on (step->draw, span->draw), so that streams below 2^32 are its
     * own, too; a layer's from 0 on (io->draw). How a range is cut into calls does not matter, so draw by absolute place: the
     * element of a tensor, the sample of a batch. In a dataset the run's seed has no part in them, so that runs of different seeds
     * see the same data: one that makes up its numbers has a hyperparameter `seed` and takes it as the stream. */
    void (*random_u32)(assay_ctx *ctx, uint64_t stream, uint64_t index, uint32_t *out, uint64_t n);
    void (*uniform_f32)(assay_ctx *ctx, uint64_t stream, uint64_t index, float *out, uint64_t n);
    void (*normal_f32)(assay_ctx *ctx, uint64_t stream, uint64_t index, float *out, uint64_t n);

    /* Matrix products, on the calling thread. */
    void (*gemm_f32)(assay_ctx *ctx, const assay_gemm *g);
    uint64_t (*pack_b_bytes)(assay_ctx *ctx, const assay_gemm *g);
    void (*pack_b)(assay_ctx *ctx, const assay_gemm *g, void *out);

    /* Small dense linear algebra, row-major, in place; ASSAY_E_NUMERIC when there is no result.
     * potrf: a[n,n] symmetric positive definite -> lower L, a = L L^T, upper set to 0.
     * trsm:  op(L) X = B, or X op(L) = B where right is 1; X overwrites b[m,n].
     * syevd: w[n] ascending eigenvalues; row i of a becomes the eigenvector of w[i].
     * geqrf: thin QR of a[m,n], m >= n: a becomes Q, r[n,n] (or NULL) is R.
     * gesdd: thin SVD of a[m,n], p = min(m,n): u[m,p], s[p] falling, vt[p,n]; a is destroyed. */
    int (*potrf_f32)(assay_ctx *ctx, uint64_t n, float *a, uint64_t lda);
    int (*trsm_f32)(assay_ctx *ctx, uint32_t right, uint32_t trans, uint64_t m, uint64_t n,
        const float *l, uint64_t ldl, float *b, uint64_t ldb);
    int (*syevd_f32)(assay_ctx *ctx, uint64_t n, float *a, uint64_t lda, float *w);
    int (*geqrf_f32)(
        assay_ctx *ctx, uint64_t m, uint64_t n, float *a, uint64_t lda, float *r, uint64_t ldr);
    int (*gesdd_f32)(assay_ctx *ctx, uint64_t m, uint64_t n, float *a, uint64_t lda, float *s,
        float *u, uint64_t ldu, float *vt, uint64_t ldvt);

    /* Calls piece(arg, begin, end) over [0, n) in pieces of at least `grain`; serial when called from a worker. */
    void (*parallel_for)(assay_ctx *ctx, uint64_t n, uint64_t grain, assay_piece piece, void *arg);

    /* A nested optimizer (a hyperparameter of type component): one update of the `n` spans with its own hyperparameters, slots
     * and tier. [control], from a `model` callback. The inner one is of tier elem or tensor, without eval_weights. `stride` is
     * sizeof(assay_span) as the caller received it. */
    int (*inner_update)(assay_ctx *ctx, const assay_instance *inner, const struct assay_step *step,
        const struct assay_span *spans, uint64_t n, uint64_t stride);
    /* A nested schedule's factor. [control] */
    int (*inner_factor)(assay_ctx *ctx, const assay_instance *inner, const struct assay_when *when,
        double *out_factor);

    /* A draft or vendor extension by name, or NULL. */
    const void *(*extension)(assay_ctx *ctx, const char *id);
};

#ifdef __cplusplus
}
#endif

#endif
