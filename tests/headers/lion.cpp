/* sdk/examples/lion/lion.c once more, through assay/plugin.hpp: test_cpp_plugin.c asks both for the same bits. */
#include <assay/plugin.hpp>

namespace
{

struct lion {
    struct hyper {
        double lr, beta1, beta2, weight_decay;
    };

    static constexpr assay::row hypers[] = {
        assay::lr(ASSAY_FIELD(hyper, lr), 1e-4, 1e-5, 1e-2),
        assay::real(ASSAY_FIELD(hyper, beta1), 0.9, 0, 1, "momentum used for the update")
            .with(ASSAY_OPEN_MAX),
        assay::real(ASSAY_FIELD(hyper, beta2), 0.99, 0, 1, "momentum kept as state")
            .with(ASSAY_OPEN_MAX),
        assay::real(ASSAY_FIELD(hyper, weight_decay), 0, 0, 1, "decoupled weight decay")
            .with(ASSAY_TUNE | ASSAY_LOG, 1e-4, 1),
    };

    static constexpr assay_slot slots[] = { assay::slot("m") };

    static int elem(assay_ctx *, const hyper &h, const assay_step *, const assay_span *s)
    {
        const float beta1 = static_cast<float>(h.beta1), beta2 = static_cast<float>(h.beta2);
        const float lr = static_cast<float>(h.lr),
                    decay = static_cast<float>(h.lr * h.weight_decay);
        const float *g = s->g;
        float *w = s->w, *m = s->slot[0];
        for (uint64_t i = 0; i < s->n; i++) {
            const float u = beta1 * m[i] + (1 - beta1) * g[i];
            w[i] -= lr * static_cast<float>((u > 0) - (u < 0)) + decay * w[i];
            m[i] = beta2 * m[i] + (1 - beta2) * g[i];
        }
        return ASSAY_OK;
    }
};

} // namespace

ASSAY_CPP_OPTIMIZER(lion, "0.1.0", "Lion: sign of an interpolated momentum");
