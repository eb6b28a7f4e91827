/* Adam as it should be, and with one error each of those that ports have. */
#include <assay/plugin.h>

#include <math.h>

struct adam {
    double lr, beta1, beta2, eps, weight_decay;
    int64_t amsgrad;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(adam, 1e-3, 1e-5, 1e-1),
    ASSAY_REAL(adam, beta1, 0.9, 0, 1, "decay of the mean gradient", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(adam, beta2, 0.999, 0, 1, "decay of the mean square", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(adam, eps, 1e-8, 0, ASSAY_INF, "added to the root of the mean square"),
    ASSAY_REAL(adam, weight_decay, 0, 0, ASSAY_INF, "added to the gradient, times the weights"),
    ASSAY_BOOL(adam, amsgrad, 0, "divide by the largest mean square so far"),
};

static const assay_slot slots[] = {
    { .name = "m" },
    { .name = "v" },
    { .name = "v_max", .when = "amsgrad" },
};

/* One element, but for the last line: the new mean, and the mean square that divides it, unbiased if `t` is the update's. */
struct moments {
    double m, v;
};

static struct moments follow(
    const struct adam *h, double beta2, double t, const assay_span *s, uint64_t i)
{
    float *m = s->slot[0], *v = s->slot[1], *v_max = s->slot[2];
    const double g = (double)s->g[i] + h->weight_decay * (double)s->w[i];
    m[i] = (float)(h->beta1 * (double)m[i] + (1 - h->beta1) * g);
    v[i] = (float)(beta2 * (double)v[i] + (1 - beta2) * g * g);
    if (h->amsgrad) {
        v_max[i] = v_max[i] > v[i] ? v_max[i] : v[i];
        v = v_max;
    }
    return (struct moments){ (double)m[i] / (1 - pow(h->beta1, t)),
        (double)v[i] / (1 - pow(beta2, t)) };
}

static void move(const struct adam *h, const assay_span *s, uint64_t i, double m, double root)
{
    s->w[i] = (float)((double)s->w[i] - h->lr * m / root);
}

#define UPDATE(name, beta2, t, root) \
    static int name( \
        assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s) \
    { \
        const struct adam *h = hyper; \
        (void)ctx; \
        (void)step; \
        for (uint64_t i = 0; i < s->n; i++) { \
            const struct moments x = follow(h, beta2, t, s, i); \
            move(h, s, i, x.m, root); \
        } \
        return ASSAY_OK; \
    } \
    struct assay_semicolon_

#define ADAM(id, doc, update) \
    ASSAY_DEFINE_OPTIMIZER( \
        id, "0.1.0", doc, ASSAY_HYPERS(adam, hypers), .elem = update, ASSAY_SLOTS(slots))

UPDATE(right, h->beta2, (double)step->t, sqrt(x.v) + h->eps);
ADAM(adam_right, "nothing is wrong with it", right);

UPDATE(other_beta2, h->beta2 *(1 - 1e-3), (double)step->t, sqrt(x.v) + h->eps);
ADAM(adam_beta2, "beta2 is off by a thousandth", other_beta2);

UPDATE(eps_inside, h->beta2, (double)step->t, sqrt(x.v + h->eps));
ADAM(adam_eps, "eps is inside of the root", eps_inside);

UPDATE(biased, h->beta2, INFINITY, sqrt(x.v) + h->eps);
ADAM(adam_biased, "without the corrections of the bias", biased);

UPDATE(late, h->beta2, (double)(step->t > 9 ? 9 : step->t), sqrt(x.v) + h->eps);
ADAM(adam_late, "the corrections of the bias stop at the ninth step", late);

ASSAY_PLUGIN(wrong_adam, "0.1.0", &adam_right_component, &adam_beta2_component, &adam_eps_component,
    &adam_biased_component, &adam_late_component);
