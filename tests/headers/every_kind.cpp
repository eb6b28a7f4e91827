/* Every part of assay/plugin.hpp once: all kinds of rows, all kinds of components, all ways to fail. What it computes is
 * for test_cpp_plugin.c to check. */
#include <assay/plugin.hpp>

#include <new>
#include <stdexcept>

namespace
{

constexpr const char *modes[] = { "quiet", "ours", "memory", "standard", "strange" };

struct thrower {
    struct hyper {
        double rate;
        int64_t n, flag, mode;
        const char *path;
        assay_reals reals;
        assay_ints ints;
        assay_strings strings;
        const assay_instance *inner;
    };
    static constexpr assay::row hypers[] = {
        assay::real(ASSAY_FIELD(hyper, rate), 0.25, 0, 1, "a rate")
            .with(ASSAY_SCHED, 0.125, 0.75, "samples"),
        assay::integer(ASSAY_FIELD(hyper, n), 3, 1, 9, "how many"),
        assay::boolean(ASSAY_FIELD(hyper, flag), true, "whether"),
        assay::choice(ASSAY_FIELD(hyper, mode), 1, modes, "what is thrown"),
        assay::text(ASSAY_FIELD(hyper, path), "x.csv", "a file").with(ASSAY_PATH),
        assay::list(ASSAY_FIELD(hyper, reals), "0.5 0.75", 0, 1, "numbers"),
        assay::list(ASSAY_FIELD(hyper, ints), "", -7, 7, "whole numbers"),
        assay::list(ASSAY_FIELD(hyper, strings), "a b", "words"),
        assay::component(ASSAY_FIELD(hyper, inner), "optimizer", "an inner one"),
    };
    static constexpr assay_slot slots[] = { assay::slot("h", ASSAY_SLOT_ROWS, 0.5, "n", "flag") };
    static constexpr assay_metric_row metrics[] = { { "norm", "of the update", 1 } };
    static constexpr uint64_t n_sums = 2;

    static int validate(assay_ctx *, const hyper &h)
    {
        switch (h.mode) {
        case 1: throw assay::error{ ASSAY_E_INVALID, "rate", "must be smaller" };
        case 2: throw std::bad_alloc();
        case 3: throw std::runtime_error("a standard exception");
        case 4: throw 3;
        default: return ASSAY_OK;
        }
    }
    static int create(assay_ctx *ctx, const hyper &h)
    {
        ctx->self = new int64_t(h.n);
        return ASSAY_OK;
    }
    static void destroy(assay_ctx *ctx)
    {
        delete static_cast<int64_t *>(ctx->self);
        throw std::runtime_error("even from destroy");
    }
    static int save(assay_ctx *, void *, uint64_t *)
    {
        throw assay::error{ ASSAY_E_IO, nullptr, "nothing to save" };
    }
    static int load(assay_ctx *, const void *, uint64_t) noexcept
    {
        return ASSAY_OK;
    }
    static int tensor(assay_ctx *, const hyper &, const assay_step *, const assay_span *)
    {
        return ASSAY_OK;
    }
};

struct doubled {
    static int plan(assay_ctx *, const void *, assay_plan *plan)
    {
        plan->out = assay_plan_in(plan, 0)->shape;
        return ASSAY_OK;
    }
    static int forward(assay_ctx *, const void *, const assay_io *io)
    {
        const float *x = static_cast<const float *>(io->x[0]);
        const uint64_t n = io->time * io->batch * assay_shape_size(&io->in_shape[0]);
        for (uint64_t i = 0; i < n; i++)
            io->y[i] = 2 * x[i];
        return ASSAY_OK;
    }
    static int backward(assay_ctx *, const void *, const assay_io *io)
    {
        const uint64_t n = io->time * io->batch * assay_shape_size(&io->in_shape[0]);
        for (uint64_t i = 0; i < n; i++)
            io->dx[0][i] = 2 * io->dy[i];
        return ASSAY_OK;
    }
};

struct halving {
    static constexpr uint64_t n_state = 1, horizon = 1;
    static int factor(assay_ctx *, const void *, const assay_when *, double *state, double *out)
    {
        *out = 1 / (1 + (*state)++);
        return ASSAY_OK;
    }
};

struct nothing {
    struct hyper {
        int64_t n;
    };
    static constexpr assay::row hypers[] = { assay::integer(ASSAY_FIELD(hyper, n), 3, 1, 9, "n") };
    static int open(assay_ctx *, const hyper &h, assay_data *out)
    {
        out->n_samples = static_cast<uint64_t>(h.n);
        return ASSAY_OK;
    }
};

struct zero {
    static int plan(assay_ctx *, const void *, const assay_task *)
    {
        return ASSAY_OK;
    }
    static int loss(assay_ctx *, const void *, const assay_rows *, double, float *, double *out_sum)
    {
        *out_sum = 0.375;
        return ASSAY_OK;
    }
};

struct count {
    static int plan(assay_ctx *, const void *, assay_metric_plan *plan)
    {
        plan->n_sums = plan->n_values = 1;
        return ASSAY_OK;
    }
    static int add(assay_ctx *, const void *, const assay_rows *rows, double *sums)
    {
        sums[0] += static_cast<double>(rows->n);
        return ASSAY_OK;
    }
    static int result(assay_ctx *, const void *, const double *sums, double *values)
    {
        values[0] = sums[0];
        return ASSAY_OK;
    }
};

} // namespace

ASSAY_CPP_DEFINE(ASSAY_KIND_OPTIMIZER, assay_optimizer, thrower, "0.3.1", "Throws as asked");
ASSAY_CPP_DEFINE(ASSAY_KIND_LAYER, assay_layer, doubled, "0.3.1", "y = 2 x");
ASSAY_CPP_DEFINE(ASSAY_KIND_SCHEDULE, assay_schedule, halving, "0.3.1", "1 / n");
ASSAY_CPP_DEFINE(ASSAY_KIND_DATASET, assay_dataset, nothing, "0.3.1", "n samples of nothing");
ASSAY_CPP_DEFINE(ASSAY_KIND_LOSS, assay_loss, zero, "0.3.1", "0.375");
ASSAY_CPP_DEFINE(ASSAY_KIND_METRIC, assay_metric, count, "0.3.1", "rows");
ASSAY_CPP_PLUGIN(every_kind, "0.3.1", &thrower_component, &doubled_component, &halving_component,
    &nothing_component, &zero_component, &count_component);
