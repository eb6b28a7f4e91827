#!/usr/bin/python3
"""Writes optimizer_*.safetensors beside itself for optimizers that look at whole tensors or at the whole model, and for the
schedule-free ones: plain numpy in float64, written from the papers' equations.

The weights after each of N_UPDATES updates of the tensors below. Initial weights and gradients are float32 numbers, so both sides start from the same values, and the gradients do not depend on the weights, so that
rounding does not feed back. Their size goes from 1e-7 to 3 over the elements, falls with time, and one is always 0; each has a mean of
its own, without which Prodigy finds no direction. "zeros" begins at 0, where a ratio of norms has no meaning.

The schedule-free optimizers also have their last averages, as "x.<case>.<tensor>".

Run it with Debian's python3-numpy: /usr/bin/python3 generate_optimizers2.py
"""
import collections
import json
import os
import struct

import numpy
from numpy import sqrt
from numpy.linalg import norm

from trajectory_notes import notes

FOLDER = os.path.dirname(os.path.abspath(__file__))
DTYPES = {"float32": "F32", "float64": "F64"}
N_UPDATES = 22
# name: shape, role, blocks
TENSORS = {
    "matrix": ((5, 19), "weight", 1),
    "gates": ((3, 34), "recurrent", 2),
    "kernel": ((3, 2, 2, 2), "weight", 1),
    "column": ((7, 1), "weight", 1),
    "zeros": ((4, 3), "weight", 1),
    "bias": ((13,), "bias", 1),
    "gain": ((5,), "gain", 1),
}


def is_spared(name, exclude):
    return exclude and TENSORS[name][1] in ("bias", "gain")


def lars(w, g, t, s, lr=1.0, momentum=0.9, eta=1e-3, weight_decay=5e-4, ratio=True, exclude=True):
    """You, Gitman and Ginsburg 2017, algorithm 1."""
    for k in w:
        decay, trust = weight_decay, 1
        if is_spared(k, exclude):
            decay = 0
        elif ratio and norm(w[k]) > 0:
            trust = eta * norm(w[k]) / (norm(g[k]) + decay * norm(w[k]))
        s[k] = momentum * s[k] + lr * trust * (g[k] + decay * w[k])
        w[k] = w[k] - s[k]


def lamb(w, g, t, s, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0.01, ratio=True, exclude=True):
    """You et al. 2020, algorithm 2."""
    for k in w:
        s["m", k] = beta1 * s["m", k] + (1 - beta1) * g[k]
        s["v", k] = beta2 * s["v", k] + (1 - beta2) * g[k] ** 2
        spared = is_spared(k, exclude)
        u = s["m", k] / (1 - beta1 ** t) / (sqrt(s["v", k] / (1 - beta2 ** t)) + eps)
        u = u if spared else u + weight_decay * w[k]
        trust = norm(w[k]) / norm(u) if ratio and not spared and norm(w[k]) > 0 and norm(u) > 0 else 1
        w[k] = w[k] - lr * trust * u


def rms(x):
    return sqrt(numpy.mean(x ** 2))


def adafactor_matrix(w, g, t, s, k, lr, decay_power, eps1, eps2, clip, beta1, weight_decay, relative_step,
                     scale_by_weights):
    """Shazeer and Stern 2018, algorithms 4 and 5, with sums over rows and columns as there."""
    beta2 = 1 - t ** -decay_power
    square = g ** 2 + eps1
    if w.ndim == 1:
        s["v", k] = beta2 * s["v", k] + (1 - beta2) * square
        v = s["v", k]
    else:
        s["r", k] = beta2 * s["r", k] + (1 - beta2) * square.sum(1)
        s["c", k] = beta2 * s["c", k] + (1 - beta2) * square.sum(0)
        v = numpy.outer(s["r", k], s["c", k]) / s["r", k].sum()
    u = g / sqrt(v)
    if clip > 0:
        u = u / max(1, rms(u) / clip)
    rate = min(lr, 1 / sqrt(t)) if relative_step else lr
    rate = max(eps2, rms(w)) * rate if scale_by_weights else rate
    s["m", k] = beta1 * s["m", k] + (1 - beta1) * rate * u
    return (1 - rate * weight_decay) * w - s["m", k]


def adafactor(w, g, t, s, lr=1e-2, decay_power=0.8, eps1=1e-30, eps2=1e-3, clip=1.0, beta1=0.0, weight_decay=0.0,
              relative_step=True, scale_by_weights=True):
    for k, (shape, _, blocks) in TENSORS.items():
        view = shape if len(shape) == 1 else (shape[0], -1)
        parts = zip(numpy.split(w[k].reshape(view), blocks, -1), numpy.split(g[k].reshape(view), blocks, -1))
        w[k] = numpy.concatenate([
            adafactor_matrix(a, b, t, s, (k, i), lr, decay_power, eps1, eps2, clip, beta1, weight_decay,
                             relative_step, scale_by_weights) for i, (a, b) in enumerate(parts)], -1).reshape(shape)


def prodigy(w, g, t, s, lr=1.0, beta1=0.9, beta2=0.999, beta3=0.0, eps=1e-8, weight_decay=0.0, d0=1e-6, d_coef=1.0,
            growth_rate=0.0, bias_correction=False, safeguard_warmup=False):
    """Mishchenko and Defazio 2024, algorithm 4; the constants 1 - beta3 and d0, which cancel in r / |s|_1, left out."""
    beta3 = beta3 or sqrt(beta2)
    if t == 1:
        s["w0"], s["d"], s["d_max"] = dict(w), d0, d0
    d = s["d"]
    rate = lr * sqrt(1 - beta2 ** t) / (1 - beta1 ** t) if bias_correction else lr
    s["r"] = beta3 * s["r"] + rate * d ** 2 * sum(numpy.sum(g[k] * (s["w0"][k] - w[k])) for k in w)
    size = 0
    for k in w:
        s["s", k] = beta3 * s["s", k] + (1 if safeguard_warmup else rate) * d ** 2 * g[k]
        size += numpy.sum(abs(s["s", k]))
        s["m", k] = beta1 * s["m", k] + (1 - beta1) * d * g[k]
        s["v", k] = beta2 * s["v", k] + (1 - beta2) * d ** 2 * g[k] ** 2
        w[k] = w[k] - rate * d * (weight_decay * w[k] + s["m", k] / (sqrt(s["v", k]) + d * eps))
    found = d_coef * s["r"] / size
    s["d_max"] = max(s["d_max"], found)
    s["d"] = min(s["d_max"], (max(d, found) if d == d0 else d) * (growth_rate or numpy.inf))


def average(w, s, t, momentum, rate, r, weight_lr_power, direction, x):
    """Defazio et al. 2024: z steps, x averages, y lies between."""
    s["best"] = max(s["best"], rate)
    weight = t ** r * s["best"] ** weight_lr_power
    s["sum"] += weight
    c = weight / s["sum"]
    for k in w:
        if t == 1:
            s["z", k], x[k] = w[k], w[k]
        s["z", k] = s["z", k] - rate * direction[k]
        x[k] = (1 - c) * x[k] + c * s["z", k]
        w[k] = (1 - momentum) * s["z", k] + momentum * x[k]


def schedule_free_sgd(w, g, t, s, x, lr=1.0, momentum=0.9, weight_decay=0.0, warmup_steps=0, r=0.0,
                      weight_lr_power=2.0):
    rate = lr * (t / warmup_steps if t < warmup_steps else 1)
    average(w, s, t, momentum, rate, r, weight_lr_power, {k: g[k] + weight_decay * w[k] for k in w}, x)


def schedule_free_adamw(w, g, t, s, x, lr=2.5e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, warmup_steps=0,
                        r=0.0, weight_lr_power=2.0):
    rate = lr * (t / warmup_steps if t < warmup_steps else 1) * sqrt(1 - beta2 ** t)
    direction = {}
    for k in w:
        s["v", k] = beta2 * s["v", k] + (1 - beta2) * g[k] ** 2
        direction[k] = g[k] / (sqrt(s["v", k]) + eps) + weight_decay * w[k]
    average(w, s, t, beta1, rate, r, weight_lr_power, direction, x)


OPTIMIZERS = {
    "lars": (lars, {
        "plain": dict(),
        "options": dict(lr=3.71, momentum=0.83, eta=0.0173, weight_decay=0.0629),
        "no_momentum": dict(lr=1.37, momentum=0.0, eta=0.0731, weight_decay=0.137),
        "paper": dict(lr=0.731, momentum=0.87, eta=0.0231, exclude=False),
        "no_ratio": dict(lr=0.0319, momentum=0.73, ratio=False, weight_decay=0.0371),
    }),
    "lamb": (lamb, {
        "plain": dict(lr=0.00731),
        "options": dict(lr=0.0319, beta1=0.81, beta2=0.957, eps=2.3e-3, weight_decay=0.373),
        "paper": dict(lr=0.0217, beta1=0.77, beta2=0.83, weight_decay=0.137, exclude=False),
        "no_ratio": dict(lr=0.0131, beta1=0.87, ratio=False),
    }),
    "adafactor": (adafactor, {
        "plain": dict(),
        "options": dict(lr=0.731, decay_power=0.63, eps1=2.3e-4, eps2=0.317, clip=0.731, weight_decay=0.231),
        "momentum": dict(lr=0.0471, beta1=0.83, clip=1.37),
        "absolute": dict(lr=0.0173, relative_step=False, scale_by_weights=False, clip=0.0),
        "momentum_decay": dict(lr=0.0371, beta1=0.71, weight_decay=0.317, relative_step=False),
    }),
    "prodigy": (prodigy, {
        "plain": dict(d0=1.37e-3),
        "options": dict(lr=0.731, beta1=0.81, beta2=0.957, beta3=0.913, eps=2.3e-3, weight_decay=0.373, d0=2.3e-3,
                        d_coef=1.37),
        "bounded": dict(d0=1.7e-3, growth_rate=1.073, bias_correction=True, weight_decay=0.137),
        "safeguard": dict(lr=0.371, d0=3.1e-3, safeguard_warmup=True),
    }),
    "schedule_free_sgd": (schedule_free_sgd, {
        "plain": dict(),
        "options": dict(lr=0.0731, momentum=0.73, weight_decay=0.0629, warmup_steps=7),
        "weights": dict(lr=0.137, momentum=0.81, warmup_steps=5, r=1.37, weight_lr_power=0.731),
    }),
    "schedule_free_adamw": (schedule_free_adamw, {
        "plain": dict(),
        "options": dict(lr=0.0319, beta1=0.81, beta2=0.957, eps=2.3e-3, weight_decay=0.373, warmup_steps=7),
        "weights": dict(lr=0.0137, beta1=0.73, beta2=0.91, warmup_steps=5, r=1.37, weight_lr_power=0.731),
    }),
}
# Prodigy finds its way by how far weights have moved: where that is little against the weights, float32 hides it.
SIZES = {"prodigy": 0.0137}


def write(name, tensors, told):
    """The safetensors format: 8 bytes of header length, the header padded to 8 bytes, the data."""
    header = {"__metadata__": {"generator": "generate_optimizers2.py", "numpy": numpy.__version__, **told}}
    blob = b""
    # Wide numbers first, so that all are aligned.
    for key, value in sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])):
        data = numpy.ascontiguousarray(value).tobytes()
        header[key] = {"dtype": DTYPES[value.dtype.name], "shape": list(value.shape),
                       "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(FOLDER, name + ".safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + blob)


def inputs(size_of_weights):
    random = numpy.random.RandomState(23851)
    w0, g = {}, {}
    for name, (shape, _, _) in TENSORS.items():
        n = int(numpy.prod(shape))
        size = 10.0 ** numpy.linspace(-7, 0.5, n)
        random.shuffle(size)
        size[n // 3] = 0
        t = numpy.arange(N_UPDATES)[:, None]
        mean = random.randn(n)
        values = (mean + 0.7 * random.randn(N_UPDATES, n)) * size * (0.3 + 2.1 * numpy.exp(-t / 5.3))
        w0[name] = (size_of_weights * random.randn(*shape) * (name != "zeros")).astype("f4")
        g[name] = values.reshape((N_UPDATES,) + shape).astype("f4")
    return w0, g


def trajectory(rule, options, w0, g):
    w = {k: v.astype("f8") for k, v in w0.items()}
    state, x, path = collections.defaultdict(float), {}, collections.defaultdict(list)
    more = (x,) if rule in (schedule_free_sgd, schedule_free_adamw) else ()
    for i in range(N_UPDATES):
        rule(w, {k: v[i].astype("f8") for k, v in g.items()}, i + 1, state, *more, **options)
        for k in w:
            path[k].append(w[k])
    out = {k: numpy.stack(v) for k, v in path.items()}
    out.update({"x." + k: v for k, v in x.items()})
    return out


for name, (rule, cases) in OPTIMIZERS.items():
    w0, g = inputs(SIZES.get(name, 0.731))
    tensors = {"w0." + k: v for k, v in w0.items()}
    tensors.update({"g." + k: v for k, v in g.items()})
    for case, options in cases.items():
        for k, v in trajectory(rule, options, w0, g).items():
            tensors["x." + case + "." + k[2:] if k.startswith("x.") else case + "." + k] = v
    told = {k: "role=%s blocks=%d" % (role, blocks) for k, (_, role, blocks) in TENSORS.items()}
    write("optimizer_" + name, tensors, notes("the paper's equations of " + name, N_UPDATES, cases, told))
