/* signum.c once more, in C++17 through assay/plugin.hpp: the same bits. */
#include <assay/plugin.hpp>

namespace
{

struct signum_cpp {
    struct hyper {
        double lr, momentum, weight_decay;
    };

    static constexpr assay::row hypers[] = {
        assay::lr(ASSAY_FIELD(hyper, lr), 1e-3, 1e-5, 1e-1),
        assay::real(ASSAY_FIELD(hyper, momentum), 0.9, 0, 1, "share of the momentum that is kept")
            .with(ASSAY_OPEN_MAX | ASSAY_SCHED),
        assay::real(ASSAY_FIELD(hyper, weight_decay), 0, 0, 1, "decoupled weight decay")
            .with(ASSAY_TUNE | ASSAY_LOG, 1e-4, 1),
    };

    static constexpr assay_slot slots[] = { assay::slot("m") };

    static int elem(assay_ctx *, const hyper &h, const assay_step *, const assay_span *s)
    {
        const float keep = static_cast<float>(h.momentum),
                    take = static_cast<float>(1 - h.momentum);
        const float lr = static_cast<float>(h.lr),
                    decay = static_cast<float>(h.lr * h.weight_decay);
        const float *g = s->g;
        float *w = s->w, *m = s->slot[0];
        for (uint64_t i = 0; i < s->n; i++) {
            m[i] = keep * m[i] + take * g[i];
            w[i] -= lr * static_cast<float>((m[i] > 0) - (m[i] < 0)) + decay * w[i];
        }
        return ASSAY_OK;
    }
};

} // namespace

ASSAY_CPP_OPTIMIZER(signum_cpp, "0.1.0", "Signum: the sign of the momentum, in C++");
