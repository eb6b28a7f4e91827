#!/usr/bin/python3
"""Writes optimizer_{muon,shampoo,soap,lookahead,ema,sam,lbfgs}.safetensors and line_search.safetensors beside itself:
trajectories in float64.

muon, shampoo, soap, lookahead, ema: the weights after each of 22 updates with given gradients, which do not depend on the
weights. The references are written here from the papers, in plain numpy. All gradients are float32 numbers and well
conditioned: what is tested is the rule, and directions in which a matrix is nearly singular would show float32's rounding.

line_search: the points at which torch's strong Wolfe line search evaluates four functions, and where it ends.

sam, lbfgs: both evaluate the loss anew, so they descend
    f(w) = sum_i k_i log cosh(w_i - c_i) + (sum_i u_i w_i)^2 / 2
over two tensors, whose k, c, u are written, too. lbfgs is torch.optim.LBFGS with max_iter = 1.

Run it with Debian's python3-torch (1.13): /usr/bin/python3 generate_optimizers3.py
"""
import json
import os
import struct
import sys

import numpy
import torch

from trajectory_notes import notes, wrapped

FOLDER = os.path.dirname(os.path.abspath(__file__))
DTYPES = {"float32": "F32", "float64": "F64", "int32": "I32"}
N_UPDATES = 22
MATRICES = {"wide": (5, 9), "tall": (11, 4), "square": (6, 6), "gates": (6, 24)}
BLOCKS = {"gates": 4}
VECTORS = {"vector": (13,)}
SMALL = {"matrix": (7, 5), "vector": (13,)}


def write(name, tensors, told={}):
    """The safetensors format: 8 bytes of header length, the header padded to 8 bytes, the data."""
    header = {"__metadata__": {
        "generator": "generate_optimizers3.py",
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


def spread(random, rows, cols):
    """A matrix with singular values from 1 to 2.5."""
    n = min(rows, cols)
    left = numpy.linalg.qr(random.randn(rows, n))[0]
    right = numpy.linalg.qr(random.randn(cols, n))[0]
    return left @ numpy.diag(numpy.linspace(1, 2.5, n)) @ right.T


def inputs(shapes, seed, separate=False):
    """separate: the gradients of a matrix differ by little from one whose singular values are apart, so that the
    eigenvectors of what is made of them are well determined."""
    random = numpy.random.RandomState(seed)
    w0, g = {}, {}
    t = numpy.arange(N_UPDATES)[:, None]
    for name, shape in shapes.items():
        n = int(numpy.prod(shape))
        values = random.randn(N_UPDATES, n) * (0.3 + 1.7 * numpy.exp(-t / 7.1))
        values = values.reshape((N_UPDATES,) + shape)
        if separate and len(shape) == 2:
            blocks = BLOCKS.get(name, 1)
            values = 0.13 * values + numpy.concatenate(
                [spread(random, shape[0], shape[1] // blocks) for _ in range(blocks)], axis=1)
        w0[name] = (0.731 * random.randn(*shape)).astype("f4")
        g[name] = values.astype("f4")
    return w0, g


def by_block(name, w):
    """The matrices that lie side by side in a tensor, as views."""
    return numpy.split(w, BLOCKS.get(name, 1), axis=1) if w.ndim == 2 else [w]


# Each takes w, which it changes, the gradients by update, and says what w is after each of them, and where the model is
# evaluated where that is elsewhere.

def muon(w, gradients, lr=0.02, momentum=0.95, nesterov=True, steps=5, weight_decay=0.0, eps=1e-7, scale="shape"):
    buffer = numpy.zeros_like(w)
    rows, cols = w.shape
    for g in gradients:
        buffer[:] = momentum * buffer + g
        x = g + momentum * buffer if nesterov else buffer.copy()
        x /= numpy.sqrt((x * x).sum()) + eps
        for _ in range(steps):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        size = 0.2 * max(rows, cols) ** 0.5 if scale == "rms" else max(1, cols / rows) ** 0.5
        w[:] = (1 - lr * weight_decay) * w - lr * size * x
        yield w


def power(matrix, exponent):
    values, vectors = numpy.linalg.eigh(matrix)
    return vectors @ numpy.diag(values ** exponent) @ vectors.T


def shampoo(w, gradients, lr=0.01, momentum=0.0, beta2=1.0, eps=1e-10, matrix_eps=1e-4, weight_decay=0.0, every=10,
            graft="adagrad", max_size=1024):
    left, right, v, velocity = 0.0, 0.0, 0.0, 0.0
    has_left = w.ndim == 2 and w.shape[0] <= max_size
    has_right = w.ndim == 2 and w.shape[1] <= max_size
    take = 1 if beta2 == 1 else 1 - beta2
    for i, g in enumerate(gradients):
        unbias = 1 if beta2 == 1 else 1 / (1 - beta2 ** (i + 1))
        g = g + weight_decay * w
        v = beta2 * v + take * g * g
        adagrad = g / (numpy.sqrt(v * unbias) + eps)
        d = adagrad
        if has_left or has_right:
            exponent = -0.25 if has_left and has_right else -0.5
            d = g
            if has_left:
                left = beta2 * left + take * g @ g.T
                if i % every == 0:
                    left_root = power(unbias * left + matrix_eps * numpy.eye(len(g)), exponent)
                d = left_root @ d
            if has_right:
                right = beta2 * right + take * g.T @ g
                if i % every == 0:
                    right_root = power(unbias * right + matrix_eps * numpy.eye(g.shape[1]), exponent)
                d = d @ right_root
            if graft != "none":
                length = numpy.linalg.norm(adagrad if graft == "adagrad" else g)
                d = d * length / numpy.linalg.norm(d)
        velocity = momentum * velocity + d
        w -= lr * velocity
        yield w


def soap(w, gradients, lr=3e-3, beta1=0.95, beta2=0.95, shampoo_beta=0.95, eps=1e-8, weight_decay=0.01, every=10,
         max_size=1024):
    sizes = [n if w.ndim == 2 and n <= max_size else 0 for n in w.shape[:2]]
    is_matrix = any(sizes)
    sums = [numpy.zeros((n, n)) if n else None for n in sizes]
    bases = [None] * len(sizes)
    m, v = numpy.zeros_like(w), numpy.zeros_like(w)

    def turn(x, back=False):
        for axis, q in enumerate(bases):
            if q is not None:
                x = numpy.moveaxis(numpy.tensordot(q if back else q.T, x, (1, axis)), 0, axis)
        return x

    for i, g in enumerate(gradients):
        t = i if is_matrix else i + 1
        if t > 0:
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * turn(g) ** 2
            step = turn(m) / (1 - beta1 ** t) / (numpy.sqrt(v / (1 - beta2 ** t)) + eps)
            w[:] = (1 - lr * weight_decay) * w - lr * turn(step, back=True)
        for axis, total in enumerate(sums):
            if total is None:
                continue
            total[:] = shampoo_beta * total + (1 - shampoo_beta) * (g @ g.T if axis == 0 else g.T @ g)
            if i == 0:
                bases[axis] = numpy.linalg.eigh(total)[1][:, ::-1]
            elif t % every == 0:
                q = bases[axis]
                order = numpy.argsort(-numpy.diag(q.T @ total @ q), kind="stable")
                v = numpy.take(v, order, axis)
                bases[axis] = numpy.linalg.qr(total @ q[:, order])[0]
        yield w


def sgd(w, gradients, lr, momentum=0.0):
    velocity = numpy.zeros_like(w)
    for g in gradients:
        velocity = momentum * velocity + g
        w -= lr * velocity
        yield w


def adam(w, gradients, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m, v = numpy.zeros_like(w), numpy.zeros_like(w)
    for i, g in enumerate(gradients):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        w -= lr * (m / (1 - beta1 ** (i + 1))) / (numpy.sqrt(v / (1 - beta2 ** (i + 1))) + eps)
        yield w


INNER = {"sgd": sgd, "adam": adam}


def lookahead(w, gradients, inner, k=5, alpha=0.5, **options):
    slow = w.copy()
    for i, w in enumerate(INNER[inner](w, gradients, **options)):
        if (i + 1) % k == 0:
            slow += alpha * (w - slow)
            w[:] = slow
        yield w


def ema(w, gradients, inner, decay=0.999, start="unbiased", **options):
    """The weights are those of the inner optimizer; the model is evaluated at their average."""
    mean = w.copy() if start == "warm_up" else numpy.zeros_like(w)
    for i, w in enumerate(INNER[inner](w, gradients, **options)):
        t = i + 1
        d = min(decay, (1 + t) / (10 + t)) if start == "warm_up" else decay
        mean = d * mean + (1 - d) * w
        yield w, mean if start == "warm_up" else mean / (1 - decay ** t)


CASES = {
    "muon": (muon, MATRICES, {
        "plain": {},
        "heavy_ball": dict(lr=0.0371, momentum=0.83, nesterov=False, weight_decay=0.193),
        "rms": dict(lr=0.0117, momentum=0.71, scale="rms", weight_decay=0.0731, steps=4),
    }),
    "shampoo": (shampoo, {**MATRICES, **VECTORS}, {
        "plain": dict(lr=0.1, every=1, matrix_eps=0.0731, graft="none"),
        "momentum": dict(lr=0.0317, every=4, matrix_eps=0.731, graft="none", momentum=0.83, weight_decay=0.0571),
        "adagrad": dict(lr=0.0213, every=1, matrix_eps=0.137, beta2=0.937),
        "sgd": dict(lr=0.0171, every=3, matrix_eps=0.571, graft="sgd", momentum=0.37, max_size=8),
        "diagonal": dict(lr=0.0413, max_size=3, eps=1.3e-3),
    }),
    # Sides of at most 8: with longer ones a first gradient leaves eigenvalues of 0, whose eigenvectors are anyone's choice.
    "soap": (soap, {**MATRICES, **VECTORS}, {
        "plain": dict(max_size=8),
        "often": dict(lr=0.0173, beta1=0.83, beta2=0.917, shampoo_beta=0.871, every=1, weight_decay=0.231, max_size=8),
        "sometimes": dict(lr=0.0091, beta1=0.77, beta2=0.9, eps=1.7e-3, every=4, max_size=8),
        "adam": dict(lr=0.0231, beta1=0.87, max_size=0, weight_decay=0.173),
    }),
    "lookahead": (lookahead, SMALL, {
        "sgd": dict(inner="sgd", lr=0.0731, momentum=0.83),
        "adam": dict(inner="adam", lr=0.0213, k=3, alpha=0.731),
    }),
    "ema": (ema, SMALL, {
        "sgd": dict(inner="sgd", lr=0.0731, momentum=0.83),
        "adam": dict(inner="adam", lr=0.0213, decay=0.913),
        "warm_up": dict(inner="sgd", lr=0.0413, decay=0.437, start="warm_up"),
    }),
}


# Those of an optimizer that has an inner one.
OWN = {"lookahead": ("k", "alpha"), "ema": ("decay", "start"), "sam": ("rho", "adaptive", "eta")}


def told(name, recorded, cases, tensors, **more):
    if name in OWN:
        cases = {case: wrapped(options, OWN[name]) for case, options in cases.items()}
    return notes(recorded, N_UPDATES, cases, tensors, **more)


def paths(rule, name, w0, g, options):
    """The weights after each update, and where the model is evaluated or None."""
    w, gs = w0.astype("f8"), g.astype("f8")
    blocks = []
    for i, part in enumerate(by_block(name, w)):
        steps = rule(part.copy(), [by_block(name, x)[i] for x in gs], **options)
        blocks.append([numpy.array(now) for now in steps])
    axis = 1 if w.ndim == 2 else 0
    if rule is ema:
        both = numpy.stack(blocks[0])
        return both[:, 0], both[:, 1]
    return numpy.stack([numpy.concatenate([b[t] for b in blocks], axis=axis) for t in range(N_UPDATES)]), None


def trajectories():
    for seed, (name, (rule, shapes, cases)) in enumerate(CASES.items()):
        w0, g = inputs(shapes, 23851 + seed, separate=name == "soap")
        tensors = {"w0." + k: v for k, v in w0.items()}
        tensors.update({"g." + k: v for k, v in g.items()})
        for case, options in cases.items():
            for k in shapes:
                tensors[case + "." + k], x = paths(rule, k, w0[k], g[k], options)
                if x is not None:
                    tensors["x." + case + "." + k] = x
        roles = {"vector": "role=weight"} if "vector" in shapes else {}
        blocks = {k: "blocks=%d" % n for k, n in BLOCKS.items() if k in shapes}
        write("optimizer_" + name, tensors, told(name, "the published rule of " + name, cases, {**roles, **blocks}))


# -- with a loss --

class Valley:
    """f of the head of this file, over all tensors as one vector."""

    def __init__(self, seed, stiffness):
        random = numpy.random.RandomState(seed)
        self.shapes = SMALL
        self.arrays = {}
        for name, shape in self.shapes.items():
            n = int(numpy.prod(shape))
            self.arrays["k." + name] = (10 ** random.uniform(-stiffness, 0, n)).astype("f4").reshape(shape)
            self.arrays["c." + name] = (1.37 * random.randn(*shape)).astype("f4")
            self.arrays["u." + name] = (0.171 * random.randn(*shape)).astype("f4")
            self.arrays["w0." + name] = (0.731 * random.randn(*shape)).astype("f4")
        self.k, self.c, self.u, self.w0 = (self.flat({
            name: self.arrays[letter + name] for name in self.shapes}) for letter in ("k.", "c.", "u.", "w0."))

    def flat(self, by_name):
        return numpy.concatenate([by_name[name].astype("f8").ravel() for name in self.shapes])

    def by_name(self, flat):
        out, at = {}, 0
        for name, shape in self.shapes.items():
            n = int(numpy.prod(shape))
            out[name] = flat[at:at + n].reshape(shape)
            at += n
        return out

    def gradient(self, w):
        return self.k * numpy.tanh(w - self.c) + self.u * (self.u @ w)

    def torch_loss(self, w):
        k, c, u = (torch.tensor(x, dtype=torch.float64) for x in (self.k, self.c, self.u))
        return (k * torch.log(torch.cosh(w - c))).sum() + (u @ w) ** 2 / 2

    def add(self, tensors, case, path):
        for name in self.shapes:
            tensors[case + "." + name] = numpy.stack([self.by_name(w)[name] for w in path])


def sam_path(valley, inner, rho, adaptive=False, eta=0.01, **options):
    w = valley.w0.copy()
    sizes = valley.by_name(numpy.ones_like(w))
    here = []

    def gradients():
        for _ in range(N_UPDATES):
            g = valley.gradient(w)
            scale = numpy.ones_like(w)
            if adaptive:  # the vector is a bias
                n = sizes["matrix"].size
                scale[:n] = abs(w[:n]) + eta
            yield valley.gradient(w + rho * scale ** 2 * g / numpy.linalg.norm(scale * g))

    for now in INNER[inner](w, gradients(), **options):
        here.append(now.copy())
    return here


SAM = {
    "sgd": dict(inner="sgd", rho=0.373, lr=0.171, momentum=0.73),
    "adam": dict(inner="adam", rho=0.0731, lr=0.0213),
    "adaptive": dict(inner="sgd", rho=0.731, adaptive=True, eta=0.0317, lr=0.213),
}


def sam():
    valley = Valley(731, 1.0)
    tensors = dict(valley.arrays)
    for case, options in SAM.items():
        valley.add(tensors, case, sam_path(valley, **options))
    write("optimizer_sam", tensors, told("sam", "the papers' equations of sam", SAM, {}, objective="valley"))


def lbfgs_path(valley, history, line_search, **options):
    w = torch.nn.Parameter(torch.tensor(valley.w0, dtype=torch.float64))
    optimizer = torch.optim.LBFGS([w], max_iter=1, tolerance_grad=0, tolerance_change=0, history_size=history,
                                  line_search_fn=None if line_search == "none" else line_search, **options)

    def closure():
        optimizer.zero_grad()
        loss = valley.torch_loss(w)
        loss.backward()
        return loss

    path = []
    for _ in range(N_UPDATES):
        optimizer.step(closure)
        path.append(w.detach().numpy().copy())
    return path


LBFGS = {
    "plain": dict(history=10, line_search="strong_wolfe"),
    "short": dict(history=3, line_search="strong_wolfe", lr=0.37),
    "no_search": dict(history=5, line_search="none", lr=0.731),
}


def lbfgs():
    valley = Valley(2385, 1.0)
    tensors = dict(valley.arrays)
    for case, options in LBFGS.items():
        valley.add(tensors, case, lbfgs_path(valley, **options))
    write("optimizer_lbfgs", tensors, told("lbfgs", "torch.optim.LBFGS", LBFGS, {}, objective="valley", run="free"))


# -- a line search by itself: More and Thuente 1994, "Line search algorithms with guaranteed sufficient decrease", section 5 --

def more_thuente():
    def simple(a):
        return -a / (a * a + 2), (a * a - 2) / (a * a + 2) ** 2

    def quintic(a):
        b = a + 0.004
        return b ** 5 - 2 * b ** 4, 5 * b ** 4 - 8 * b ** 3

    def wavy(a, beta=0.01, l=39):
        if a <= 1 - beta:
            start, slope = 1 - a, -1.0
        elif a >= 1 + beta:
            start, slope = a - 1, 1.0
        else:
            start, slope = (a - 1) ** 2 / (2 * beta) + beta / 2, (a - 1) / beta
        factor = 2 * (1 - beta) / (l * numpy.pi)
        return (start + factor * numpy.sin(l * numpy.pi / 2 * a),
                slope + factor * l * numpy.pi / 2 * numpy.cos(l * numpy.pi / 2 * a))

    def yanai(a, b1=0.01, b2=0.001):
        g1, g2 = (numpy.sqrt(1 + b * b) - b for b in (b1, b2))
        left, right = numpy.sqrt((1 - a) ** 2 + b2 * b2), numpy.sqrt(a * a + b1 * b1)
        return g1 * left + g2 * right, -g1 * (1 - a) / left + g2 * a / right

    return {"simple": simple, "quintic": quintic, "wavy": wavy, "yanai": yanai}


def line_searches():
    tensors = {}
    for name, phi in more_thuente().items():
        for start in (1e-3, 1e-1, 1e1, 37):
            asked = []

            def objective(x, t, d):
                asked.append(float(t))
                f, slope = phi(float(t))
                return float(f), torch.tensor([slope], dtype=torch.float64)

            f, slope = phi(0.0)
            one = torch.ones(1, dtype=torch.float64)
            _, _, t, _ = sys.modules["torch.optim.lbfgs"]._strong_wolfe(
                objective, None, start, one, float(f), slope * one, slope * one[0], c1=1e-3, c2=0.1, tolerance_change=0)
            tensors["%s.%g" % (name, start)] = numpy.array(asked + [float(t)])
            print(name, start, len(asked), float(t), abs(phi(float(t))[1] / slope))
    write("line_search", tensors)


trajectories()
sam()
lbfgs()
line_searches()
