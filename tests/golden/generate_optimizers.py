#!/usr/bin/python3
"""Writes optimizer_*.safetensors and schedule_*.safetensors beside itself: what PyTorch's optimizers and schedulers do.

Optimizers: the weights after each of 22 updates of two tensors, in float64 (the better oracle for kernels in float32, whose
own rounding is what the test allows for). Initial weights and gradients are float32 numbers, so both sides start from
the same values, and the gradients do not depend on the weights, so that rounding does not feed back. Their size goes from
1e-9 to 10 over the elements, which shows where eps stands, falls with time, which shows amsgrad, and one is always 0.

What PyTorch 1.13 does not have (lion, adan, adabelief, yogi) is written below in numpy, equation by equation as in the papers.
NAdam runs by PyTorch's `foreach` path, since the plain one of 1.13 multiplies the product of the next mu by mu twice.

Schedules: the learning rate before each of 36 epochs of one update, from a base of 1, in float64.

Run it with Debian's python3-torch (1.13): /usr/bin/python3 generate_optimizers.py
"""
import collections
import json
import os
import struct

import numpy
import torch
from torch.optim import lr_scheduler

from trajectory_notes import notes

FOLDER = os.path.dirname(os.path.abspath(__file__))
DTYPES = {"float32": "F32", "float64": "F64", "int32": "I32"}
N_UPDATES = 22
N_EPOCHS = 36
SHAPES = {"matrix": (7, 5), "vector": (13,)}

OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {
        "plain": dict(lr=0.0731),
        "momentum": dict(lr=0.0213, momentum=0.87),
        "damped": dict(lr=0.0571, momentum=0.83, dampening=0.37, weight_decay=0.0629),
        "nesterov": dict(lr=0.0177, momentum=0.91, nesterov=True),
        "nesterov_decay": dict(lr=0.0191, momentum=0.78, nesterov=True, weight_decay=0.113),
    }),
    "adam": (torch.optim.Adam, {
        "plain": dict(),
        "options": dict(lr=0.0319, betas=(0.81, 0.957), eps=2.3e-3, weight_decay=0.073),
        "amsgrad": dict(lr=0.0271, betas=(0.9, 0.83), amsgrad=True),
        "amsgrad_decay": dict(lr=0.0171, betas=(0.77, 0.79), weight_decay=0.231, amsgrad=True),
    }),
    "adamw": (torch.optim.AdamW, {
        "plain": dict(),
        "options": dict(lr=0.0319, betas=(0.81, 0.957), eps=2.3e-3, weight_decay=0.373),
        "amsgrad": dict(lr=0.0271, betas=(0.9, 0.83), weight_decay=0.173, amsgrad=True),
    }),
    "adagrad": (torch.optim.Adagrad, {
        "plain": dict(),
        "lr_decay": dict(lr=0.173, lr_decay=0.0713),
        "options": dict(lr=0.0931, lr_decay=0.0131, weight_decay=0.0877,
                        initial_accumulator_value=0.0419, eps=3.1e-4),
    }),
    "rmsprop": (torch.optim.RMSprop, {
        "plain": dict(),
        "momentum": dict(lr=0.0041, alpha=0.937, momentum=0.83),
        "centered": dict(lr=0.0173, alpha=0.913, centered=True, eps=3.7e-4),
        "options": dict(lr=0.0037, alpha=0.921, eps=2.9e-3, momentum=0.71, centered=True,
                        weight_decay=0.0637),
    }),
    "adamax": (torch.optim.Adamax, {
        "plain": dict(),
        "options": dict(lr=0.0319, betas=(0.81, 0.957), eps=2.3e-3, weight_decay=0.073),
        "forgetful": dict(lr=0.0271, betas=(0.77, 0.63)),
    }),
    "nadam": (torch.optim.NAdam, {
        "plain": dict(foreach=True),
        "options": dict(lr=0.0319, betas=(0.81, 0.957), eps=2.3e-3, weight_decay=0.073,
                        momentum_decay=0.131, foreach=True),
        "constant": dict(lr=0.0171, betas=(0.77, 0.79), momentum_decay=0.0, foreach=True),
    }),
    "radam": (torch.optim.RAdam, {
        "plain": dict(),
        "options": dict(lr=0.0319, betas=(0.81, 0.957), eps=2.3e-3, weight_decay=0.073),
        "never": dict(lr=0.0171, betas=(0.77, 0.63), weight_decay=0.231),
    }),
    "adadelta": (torch.optim.Adadelta, {
        "plain": dict(),
        "options": dict(lr=0.731, rho=0.837, eps=2.3e-3, weight_decay=0.073),
        "eager": dict(lr=1.37, rho=0.63, eps=3.7e-2),
    }),
    "rprop": (torch.optim.Rprop, {
        "plain": dict(),
        "options": dict(lr=0.0319, etas=(0.37, 1.43), step_sizes=(1.7e-3, 0.0731)),
        "above": dict(lr=0.731, etas=(0.71, 1.13), step_sizes=(2.3e-3, 0.317)),
    }),
}


def lion(w, g, t, s, lr=1e-4, beta1=0.9, beta2=0.99, weight_decay=0):
    """Chen et al. 2023, algorithm 2."""
    update = numpy.sign(beta1 * s["m"] + (1 - beta1) * g)
    s["m"] = beta2 * s["m"] + (1 - beta2) * g
    return w - lr * (update + weight_decay * w)


def adan(w, g, t, s, lr=1e-3, beta1=0.98, beta2=0.92, beta3=0.99, eps=1e-8, weight_decay=0, proximal=True):
    """Xie et al. 2022, algorithm 1, with 1 - beta for the paper's beta and the bias corrections of the authors' code."""
    d = g - s["g"] if t > 1 else 0 * g
    s["g"] = g
    s["m"] = beta1 * s["m"] + (1 - beta1) * g
    s["v"] = beta2 * s["v"] + (1 - beta2) * d
    s["n"] = beta3 * s["n"] + (1 - beta3) * (g + beta2 * d) ** 2
    m, v, n = s["m"] / (1 - beta1 ** t), s["v"] / (1 - beta2 ** t), s["n"] / (1 - beta3 ** t)
    eta = lr / (numpy.sqrt(n) + eps)
    if proximal:
        return (w - eta * (m + beta2 * v)) / (1 + lr * weight_decay)
    return w - lr * weight_decay * w - eta * (m + beta2 * v)


def adabelief(w, g, t, s, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-16, weight_decay=0, decoupled=True):
    """Zhuang et al. 2020, algorithm 2."""
    if not decoupled:
        g = g + weight_decay * w
    s["m"] = beta1 * s["m"] + (1 - beta1) * g
    s["s"] = beta2 * s["s"] + (1 - beta2) * (g - s["m"]) ** 2 + eps
    m, v = s["m"] / (1 - beta1 ** t), s["s"] / (1 - beta2 ** t)
    return w - (lr * weight_decay * w if decoupled else 0) - lr * m / (numpy.sqrt(v) + eps)


def yogi(w, g, t, s, lr=1e-2, beta1=0.9, beta2=0.999, eps=1e-3, initial_accumulator=1e-6, weight_decay=0,
         bias_correction=True):
    """Zaheer et al. 2018, algorithm 2, and with Adam's correction of the bias."""
    v = s["v"] if t > 1 else 0 * g + initial_accumulator
    s["m"] = beta1 * s["m"] + (1 - beta1) * g
    s["v"] = v - (1 - beta2) * numpy.sign(v - g ** 2) * g ** 2
    m, v = s["m"], s["v"]
    if bias_correction:
        m, v = m / (1 - beta1 ** t), v / (1 - beta2 ** t)
    return w - lr * weight_decay * w - lr * m / (numpy.sqrt(v) + eps)


REFERENCES = {
    "lion": (lion, {
        "plain": dict(),
        "options": dict(lr=0.0319, beta1=0.81, beta2=0.957, weight_decay=0.373),
    }),
    "adan": (adan, {
        "plain": dict(),
        "options": dict(lr=0.0319, beta1=0.87, beta2=0.81, beta3=0.957, eps=2.3e-3, weight_decay=0.373),
        "not_proximal": dict(lr=0.0271, beta1=0.91, beta2=0.73, beta3=0.937, weight_decay=0.173, proximal=False),
    }),
    "adabelief": (adabelief, {
        "plain": dict(),
        "options": dict(lr=0.0319, beta1=0.81, beta2=0.957, eps=2.3e-3, weight_decay=0.373),
        "coupled": dict(lr=0.0271, beta1=0.77, beta2=0.83, eps=3.1e-9, weight_decay=0.231, decoupled=False),
    }),
    "yogi": (yogi, {
        "plain": dict(),
        "options": dict(lr=0.0319, beta1=0.81, beta2=0.957, eps=2.3e-4, initial_accumulator=0.0173,
                        weight_decay=0.373),
        "paper": dict(lr=0.0271, beta1=0.77, beta2=0.983, initial_accumulator=0.0131, bias_correction=False),
    }),
}


def write(name, tensors, told={}):
    """The safetensors format: 8 bytes of header length, the header padded to 8 bytes, the data."""
    header = {"__metadata__": {
        "generator": "generate_optimizers.py",
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        **told,
    }}
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


def inputs():
    random = numpy.random.RandomState(23851)
    w0, g = {}, {}
    for name, shape in SHAPES.items():
        n = int(numpy.prod(shape))
        size = 10.0 ** numpy.linspace(-9, 1, n)
        random.shuffle(size)
        size[n // 3] = 0
        t = numpy.arange(N_UPDATES)[:, None]
        values = random.randn(N_UPDATES, n) * size * (0.3 + 2.1 * numpy.exp(-t / 5.3))
        w0[name] = (0.731 * random.randn(*shape)).astype("f4")
        g[name] = values.reshape((N_UPDATES,) + shape).astype("f4")
    return w0, g


def trajectory(make, options, w0, g):
    parameters = {k: torch.nn.Parameter(torch.tensor(v, dtype=torch.float64)) for k, v in w0.items()}
    optimizer = make(parameters.values(), **options)
    path = {k: [] for k in w0}
    for i in range(N_UPDATES):
        for k, p in parameters.items():
            p.grad = torch.tensor(g[k][i], dtype=torch.float64)
        optimizer.step()
        for k, p in parameters.items():
            path[k].append(p.detach().numpy().copy())
    return {k: numpy.stack(v) for k, v in path.items()}


def reference(rule, options, w0, g):
    path = {}
    for k, start in w0.items():
        w, state, path[k] = start.astype("f8"), collections.defaultdict(float), []
        for i in range(N_UPDATES):
            w = rule(w, g[k][i].astype("f8"), i + 1, state, **options)
            path[k].append(w)
    return {k: numpy.stack(v) for k, v in path.items()}


def optimizers():
    w0, g = inputs()
    known = [(name, trajectory, *row) for name, row in OPTIMIZERS.items()]
    for name, run, rule, cases in known + [(name, reference, *row) for name, row in REFERENCES.items()]:
        recorded = "torch.optim." + rule.__name__ if run is trajectory else "the equations of " + name
        tensors = {"w0." + k: v for k, v in w0.items()}
        tensors.update({"g." + k: v for k, v in g.items()})
        for case, options in cases.items():
            for k, v in run(rule, options, w0, g).items():
                tensors[case + "." + k] = v
        write("optimizer_" + name, tensors, notes(recorded, N_UPDATES, cases, {"vector": "role=weight"}))


def base():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


def factors(make):
    optimizer = base()
    scheduler = make(optimizer)
    out = []
    for _ in range(N_EPOCHS):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return numpy.array(out)


def plateau(monitored, **options):
    optimizer = base()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    out = []
    for value in monitored:
        scheduler.step(float(value))
        out.append(optimizer.param_groups[0]["lr"])
    return numpy.array(out)


def warm(n, start, make):
    return lambda o: lr_scheduler.SequentialLR(o, [
        lr_scheduler.LinearLR(o, start_factor=start, end_factor=1.0, total_iters=n), make(o)], milestones=[n])


def schedules():
    s = lr_scheduler
    out = {
        "step": factors(lambda o: s.StepLR(o, 7, gamma=0.43)),
        "multistep": factors(lambda o: s.MultiStepLR(o, [3, 11, 12, 29], gamma=0.61)),
        "exponential": factors(lambda o: s.ExponentialLR(o, 0.937)),
        "linear": factors(lambda o: s.LinearLR(o, start_factor=1.0, end_factor=0.137, total_iters=23)),
        "linear_warmup": factors(lambda o: s.LinearLR(o, start_factor=1 / 3, end_factor=1.0, total_iters=9)),
        "polynomial": factors(lambda o: s.PolynomialLR(o, total_iters=27, power=1.73)),
        "cosine": factors(lambda o: s.CosineAnnealingLR(o, T_max=N_EPOCHS, eta_min=0.0137)),
        "warm_step": factors(warm(5, 0.231, lambda o: s.StepLR(o, 7, gamma=0.43))),
        "warm_exponential": factors(warm(4, 0.119, lambda o: s.ExponentialLR(o, 0.937))),
        "warm_cosine": factors(warm(6, 0.017, lambda o: s.CosineAnnealingLR(o, T_max=N_EPOCHS - 6))),
    }
    random = numpy.random.RandomState(731)
    t = numpy.arange(60)
    falling = 2.385 * numpy.exp(-t / 6.1) + 0.317 + 0.011 * random.randn(60)
    falling[17] = numpy.nan
    out["monitored.falling"] = falling
    out["monitored.rising"] = 1 - 0.3 * falling
    out["monitored.rising"][17] = 0.2
    out["plateau.relative"] = plateau(falling, mode="min", factor=0.37, patience=2, threshold=3e-2)
    out["plateau.cooldown"] = plateau(falling, mode="min", factor=0.61, patience=1, cooldown=4,
                                      threshold=3e-3, threshold_mode="abs", min_lr=0.0913)
    out["plateau.max"] = plateau(out["monitored.rising"], mode="max", factor=0.43, patience=1,
                                 threshold=7e-3)
    out["plateau.max_absolute"] = plateau(out["monitored.rising"], mode="max", factor=0.53, patience=0,
                                          cooldown=2, threshold=1.7e-2, threshold_mode="abs")
    write("schedule_factors", out)


torch.set_default_dtype(torch.float64)  # of NAdam's product of mu, too
optimizers()
schedules()
