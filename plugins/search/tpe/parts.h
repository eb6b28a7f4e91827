/* What the parts of tpe share. */
#ifndef ASSAY_PLUGINS_SEARCH_TPE_PARTS_H
#define ASSAY_PLUGINS_SEARCH_TPE_PARTS_H

#include "../shared/codec.h"
#include "../shared/normal.h"
#include "../shared/sobol.h"

enum { BY_SHARE, BY_ROOT };
enum { WIDTH_NEIGHBOURS, WIDTH_SCOTT };
enum { WEIGHT_UNIFORM, WEIGHT_RECENT, WEIGHT_GAIN };

struct tpe {
    int64_t n_startup, n_ei, split, most_good, bandwidth, weights;
    double gamma, magic, min_bandwidth, spread, prior_weight;
};

/* What is known of a trial, in the order of goodness. */
enum { KIND_NONE, KIND_DONE, KIND_PART, KIND_DIVERGED, KIND_RUNNING };
enum { SET_GOOD, SET_BAD, SET_NEITHER };

struct trial {
    uint64_t kind;
    double value, fidelity;
};

/* Why a trial was proposed. */
enum { NOTE_NONE, NOTE_SOBOL, NOTE_RANDOM, NOTE_PRIOR, NOTE_MODEL };

struct note {
    uint64_t kind;
    uint64_t n_good, n_bad; /* trials of the densities of its first group */
    double gain; /* log of l / g, of all groups */
};

/* One density: n kernels, the last one the prior. Kernel arrays lie dimension by dimension. */
struct density {
    uint64_t n, room;
    uint64_t *trial; // [room]
    double *mu, *width, *slope; // [n_dimensions, room]; slope is 1 / (sqrt(2) width)
    double *weight, *height; // [room] and log of weight / norms
    double same, other; // of the category at hand
};

struct scene {
    const assay_search_plan *plan;
    uint64_t n, capacity; // trials told of; room for them
    struct trial *trials; // [capacity] by number
    double *
        at; // [capacity, n_dimensions] coordinate; of an unordered category the choice; NaN: inactive
    double *width,
        *norm; // [capacity, n_dimensions] last width of the kernel and the log of its norm
    uint64_t *order; // [n_dimensions, capacity] numbers of trials by rising coordinate
    uint64_t *n_order; // [n_dimensions]
    uint64_t *rank; // [capacity] numbers of trials that have ended, the best first
    uint64_t n_rank;
    uint64_t *group; // [n_dimensions] number of its first dimension
    double *levels; // [n_dimensions] codec_levels
    double *prior_mu, *prior_width; // [n_dimensions]
    double *u; // [n_dimensions]
    uint32_t *directions, *seeds;
    struct note *notes; // [capacity] why each was proposed
};

/* The densities of one group of dimensions. */
struct model {
    const struct tpe *h;
    struct scene *s;
    uint64_t group, n_dims;
    uint64_t *dims; // [n_dims]
    unsigned char *set; // [s->n] SET_... of each trial
    uint64_t *slot; // [s->n] its kernel
    struct density sets[2];
    double *terms; // [largest room] for a sum
};

static inline int is_plain_category(const assay_dimension *d)
{
    return d->type == ASSAY_SPACE_CATEGORY && !d->ordered;
}

static inline int has_prior(const assay_dimension *d)
{
    return d->type != ASSAY_SPACE_CATEGORY && !isnan(d->prior_mean) && d->prior_sd > 0;
}

/* -- the normal distribution, cut to [0, 1] -- */

/* A draw by the uniform number u. */
static inline double cut_normal(double mu, double width, double u)
{
    const double low = normal_below(-mu / width), high = normal_below((1 - mu) / width);
    return codec_clip(mu + width * normal_inverse(low + u * (high - low)), 0, 1);
}

/* The logarithm of what its density is divided by, without sqrt(2 pi), which cancels. */
static inline double cut_norm(double mu, double width)
{
    return log(width * (normal_below((1 - mu) / width) - normal_below(-mu / width)));
}

/* -- told.c: what has been told -- */

/* Room for trial number `number`; what is there moves. */
int grow(assay_ctx *ctx, struct scene *s, uint64_t number);
/* Takes a trial out of what is known, and puts one in as under way. */
void take_out(struct scene *s, uint64_t number);
void put_in(struct scene *s, uint64_t number, const double *x);
int take(assay_ctx *ctx, struct scene *s, const assay_event *e);

/* -- densities.c -- */

/* For trials below `most`, in scratch memory. */
int model_new(assay_ctx *ctx, const struct tpe *h, struct scene *s, uint64_t most, struct model *m);
/* The densities of the group that begins with that dimension. */
void fit(struct model *m, uint64_t group);

/* Chance of its own and of another choice, of a kernel of density p. */
void category_chances(
    const struct model *m, const struct density *p, uint64_t i, double *same, double *other);

/* -- choose.c -- */

/* Of n_ei points out of l the one with the largest l / g, into the group's places of x; *out_gain is the logarithm of that. */
int choose(assay_ctx *ctx, struct model *m, uint64_t k, double *x, double *out_gain);

#endif
