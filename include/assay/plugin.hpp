/* The same contract for authors who write C++17 or later. A component is a struct with static members:
 *
 *     struct lion {
 *         struct hyper { double lr, beta1; };
 *         static constexpr assay::row hypers[] = {
 *             assay::lr(ASSAY_FIELD(hyper, lr), 1e-4, 1e-5, 1e-2),
 *             assay::real(ASSAY_FIELD(hyper, beta1), 0.9, 0, 1, "momentum").with(ASSAY_OPEN_MAX),
 *         };
 *         static constexpr assay_slot slots[] = { assay::slot("m") };
 *         static int elem(assay_ctx *ctx, const hyper &h, const assay_step *step, const assay_span *s);
 *     };
 *     ASSAY_CPP_OPTIMIZER(lion, "0.1.0", "Lion: sign of interpolated momentum");
 *
 * Its functions are named like the members of the kind's ops table (assay_optimizer, assay_layer, ...) and
 * take what those take, with `hyper` by reference in place of the const void pointer. What is absent stays 0:
 * functions, `hypers` with `hyper`, `slots`, `metrics`, `special_cases`, `n_sums`, `n_state`, `horizon`. No exception crosses the
 * border: an assay::error becomes its own code and message, std::bad_alloc ASSAY_E_NOMEM, anything else
 * ASSAY_E_INTERNAL. The macros stand outside of any namespace. */
#ifndef ASSAY_PLUGIN_HPP
#define ASSAY_PLUGIN_HPP

#if __cplusplus < 201703L
#error "assay/plugin.hpp needs C++17; assay/plugin.h will do with C++11"
#endif

#include "plugin.h"

#include <exception>
#include <new>
#include <type_traits>

namespace assay
{

/* Throw it for what host->fail would report; the texts must outlive the throw, as literals do. */
struct error {
    int64_t code;
    const char *hyper, *message;
};

/* A hyperparameter. What its function below does not set is appended: .with(flags, tune_min, tune_max, unit). */
struct row : assay_hyper {
    constexpr row with(
        uint64_t more, double lo = 0, double hi = 0, const char *unit_ = nullptr) const
    {
        return row{ { name, offset, type, def, min, max, doc, flags | more, lo, hi, unit_, choices,
            n_choices, def_string, kind } };
    }
};

/* Where a hyperparameter lives; made by ASSAY_FIELD, which keeps its C type so that a row cannot be bound to another. */
template <class F> struct field {
    const char *name;
    uint64_t offset;

    constexpr row as(uint64_t type, double def, double min, double max, const char *doc,
        const char *def_string = nullptr, const char *kind = nullptr,
        const char *const *choices = nullptr, uint64_t n_choices = 0) const
    {
        return row{ { name, offset, type, def, min, max, doc, 0, 0, 0, nullptr, choices, n_choices,
            def_string, kind } };
    }
};
#define ASSAY_FIELD(T, f) (::assay::field<decltype(T::f)>({ #f, offsetof(T, f) }))

constexpr row real(field<double> f, double def, double min, double max, const char *doc)
{
    return f.as(ASSAY_TYPE_REAL, def, min, max, doc);
}
constexpr row lr(field<double> f, double def, double lo, double hi)
{
    return real(f, def, 0, ASSAY_INF, "learning rate")
        .with(ASSAY_TUNE | ASSAY_LOG | ASSAY_SCHED, lo, hi);
}
constexpr row integer(field<int64_t> f, double def, double min, double max, const char *doc)
{
    return f.as(ASSAY_TYPE_INT, def, min, max, doc);
}
constexpr row boolean(field<int64_t> f, bool def, const char *doc)
{
    return f.as(ASSAY_TYPE_BOOL, def ? 1 : 0, 0, 1, doc);
}
/* def is an index into choices, an array that lives as long as the plugin. */
template <uint64_t N>
constexpr row choice(field<int64_t> f, double def, const char *const (&choices)[N], const char *doc)
{
    return f.as(ASSAY_TYPE_ENUM, def, 0, N - 1, doc, nullptr, nullptr, choices, N);
}
constexpr row component(field<const assay_instance *> f, const char *kind, const char *doc)
{
    return f.as(ASSAY_TYPE_COMPONENT, 0, 0, 0, doc, nullptr, kind);
}
/* def is text, for a list "0.5 0.75"; nullptr: no default. */
constexpr row text(field<const char *> f, const char *def, const char *doc)
{
    return f.as(ASSAY_TYPE_STRING, 0, 0, 0, doc, def);
}
constexpr row list(field<assay_reals> f, const char *def, double min, double max, const char *doc)
{
    return f.as(ASSAY_TYPE_REALS, 0, min, max, doc, def);
}
constexpr row list(field<assay_ints> f, const char *def, double min, double max, const char *doc)
{
    return f.as(ASSAY_TYPE_INTS, 0, min, max, doc, def);
}
constexpr row list(field<assay_strings> f, const char *def, const char *doc)
{
    return f.as(ASSAY_TYPE_STRINGS, 0, 0, 0, doc, def);
}

constexpr assay_slot slot(const char *name, uint64_t shape = ASSAY_SLOT_SAME, double init = 0,
    const char *times = nullptr, const char *when = nullptr, const char *limit = nullptr,
    uint64_t flags = 0)
{
    return assay_slot{ name, shape, init, times, when, limit, flags };
}

namespace detail
{

/* Called in a catch block. */
inline int report(assay_ctx *ctx) noexcept
{
    try {
        throw;
    } catch (const error &e) {
        return ctx->host->fail(ctx, static_cast<int>(e.code), e.hyper, e.message);
    } catch (const std::bad_alloc &) {
        return ctx->host->fail(ctx, ASSAY_E_NOMEM, nullptr, "out of memory");
    } catch (const std::exception &e) {
        return ctx->host->fail(ctx, ASSAY_E_INTERNAL, nullptr, e.what());
    } catch (...) {
        return ctx->host->fail(ctx, ASSAY_E_INTERNAL, nullptr, "unknown C++ exception");
    }
}

/* The author's function F as the C contract has it: hyper untyped, exceptions caught. */
template <auto F, class H, class... A> constexpr auto thunk(int (*)(assay_ctx *, const H &, A...))
{
    return +[](assay_ctx *ctx, const void *hyper, A... a) noexcept -> int {
        try {
            return F(ctx, *static_cast<const H *>(hyper), a...);
        } catch (...) {
            return report(ctx);
        }
    };
}
template <auto F, class R, class... A> constexpr auto thunk(R (*)(assay_ctx *, A...))
{
    return +[](assay_ctx *ctx, A... a) noexcept -> R {
        try {
            return F(ctx, a...);
        } catch (...) {
            return static_cast<R>(report(ctx));
        }
    };
}

/* set_f copies the member f of T into an ops table or component O, if both have it. */
#define ASSAY_MEMBER_(f, ...) \
    template <class T, class O> \
    constexpr auto set_##f(O &o, int)->decltype(void(&T::f), void(o.f)) \
    { \
        __VA_ARGS__; \
    } \
    template <class T, class O> constexpr void set_##f(O &, long) \
    { \
    }
#define ASSAY_OP_(f) ASSAY_MEMBER_(f, o.f = thunk<&T::f>(&T::f))
#define ASSAY_ROWS_(f, n, stride) \
    ASSAY_MEMBER_(f, o.f = T::f, o.n = ASSAY_COUNT(T::f), o.stride = sizeof(T::f[0]))
#define ASSAY_SET_(f) set_##f<T>(o, 0);
// clang-format off
#define ASSAY_OPS_(X) \
    X(validate) X(create) X(destroy) X(save) X(load) X(elem) X(tensor) X(model) X(reduce) \
    X(combine) X(eval_weights) X(accept) X(factor) X(plan) X(forward) X(backward) X(prepare) X(loss) \
    X(add) X(result) X(merge) X(open) X(close) X(ask) X(tell) X(report) X(explain)
// clang-format on
#define ASSAY_VALUES_(X) X(n_sums) X(n_state) X(horizon) X(can) X(slots) X(metrics) X(special_cases)
ASSAY_OPS_(ASSAY_OP_)
ASSAY_MEMBER_(n_sums, o.n_sums = T::n_sums)
ASSAY_MEMBER_(n_state, o.n_state = T::n_state)
ASSAY_MEMBER_(horizon, o.horizon = T::horizon)
ASSAY_MEMBER_(can, o.can = T::can)
ASSAY_ROWS_(slots, n_slots, slot_stride)
ASSAY_ROWS_(metrics, n_metrics, metric_stride)
ASSAY_ROWS_(special_cases, n_special_cases, special_case_stride)
ASSAY_ROWS_(hypers, n_hypers, hyper_stride)

template <class T> constexpr uint64_t hyper_bytes(typename T::hyper *)
{
    static_assert(std::is_standard_layout_v<typename T::hyper>, "offsets need a plain struct");
    return sizeof(typename T::hyper);
}
template <class T> constexpr uint64_t hyper_bytes(...)
{
    return 0;
}

} // namespace detail

template <class T, class O> constexpr O make_ops()
{
    using namespace detail;
    O o{};
    o.struct_size = sizeof(O);
    ASSAY_OPS_(ASSAY_SET_)
    ASSAY_VALUES_(ASSAY_SET_)
    return o;
}

template <class T>
constexpr assay_component make_component(const char *kind, const char *id, const char *version,
    const char *doc, const void *ops, const char *info)
{
    assay_component o{ sizeof o, kind, id, version, doc, nullptr, 0, 0,
        detail::hyper_bytes<T>(nullptr), ops, info };
    detail::set_hypers<T>(o, 0);
    return o;
}

} // namespace assay

/* A component, ID_component, from the struct ID. Several of them in one file: one ASSAY_CPP_DEFINE for each and
 * ASSAY_CPP_PLUGIN(name, version, &a_component, &b_component). */
#define ASSAY_CPP_DEFINE(kind_, type_, id_, version_, doc_) \
    static constexpr type_ id_##_ops = ::assay::make_ops<id_, type_>(); \
    static const char id_##_info[] ASSAY_INFO_SECTION = \
        ASSAY_COMPONENT_INFO_(kind_, id_, version_, doc_); \
    static constexpr assay_component id_##_component = \
        ::assay::make_component<id_>(kind_, #id_, version_, doc_, &id_##_ops, id_##_info)

#define ASSAY_CPP_PLUGIN(name_, version_, ...) \
    static const char name_##_plugin_info[] ASSAY_INFO_SECTION = \
        ASSAY_PLUGIN_INFO_(name_, version_); \
    static constexpr const assay_component *name_##_components[] = { __VA_ARGS__ }; \
    static constexpr assay_plugin name_##_plugin = { sizeof(assay_plugin), ASSAY_ABI_MAJOR, \
        ASSAY_ABI_MINOR, ASSAY_TARGET_MINOR, ASSAY_DRAFT_HASH, #name_, version_, \
        ASSAY_PLUGIN_LICENSE, ASSAY_PLUGIN_URL, name_##_components, \
        ASSAY_COUNT(name_##_components), name_##_plugin_info }; \
    extern "C" const assay_plugin *ASSAY_ENTRY(const assay_host *) \
    { \
        return &name_##_plugin; \
    } \
    struct assay_semicolon_

#define ASSAY_CPP_ONE_(kind_, type_, id_, version_, doc_) \
    ASSAY_CPP_DEFINE(kind_, type_, id_, version_, doc_); \
    ASSAY_CPP_PLUGIN(id_, version_, &id_##_component)
#define ASSAY_CPP_OPTIMIZER(...) ASSAY_CPP_ONE_(ASSAY_KIND_OPTIMIZER, assay_optimizer, __VA_ARGS__)
#define ASSAY_CPP_SCHEDULE(...) ASSAY_CPP_ONE_(ASSAY_KIND_SCHEDULE, assay_schedule, __VA_ARGS__)
#define ASSAY_CPP_LAYER(...) ASSAY_CPP_ONE_(ASSAY_KIND_LAYER, assay_layer, __VA_ARGS__)
#define ASSAY_CPP_LOSS(...) ASSAY_CPP_ONE_(ASSAY_KIND_LOSS, assay_loss, __VA_ARGS__)
#define ASSAY_CPP_METRIC(...) ASSAY_CPP_ONE_(ASSAY_KIND_METRIC, assay_metric, __VA_ARGS__)
#define ASSAY_CPP_DATASET(...) ASSAY_CPP_ONE_(ASSAY_KIND_DATASET, assay_dataset, __VA_ARGS__)
#define ASSAY_CPP_SEARCH(...) ASSAY_CPP_ONE_(ASSAY_KIND_SEARCH, assay_search, __VA_ARGS__)
#define ASSAY_CPP_PRUNER(...) ASSAY_CPP_ONE_(ASSAY_KIND_PRUNER, assay_pruner, __VA_ARGS__)

#endif
