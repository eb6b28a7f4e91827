#!/usr/bin/python3
"""Golden numbers of layers that know sequences and of metrics of likelihood: {sequence_layer,likelihood}_values.safetensors
beside this.

Run it with a Python that has PyTorch 1.13 and NumPy; the files carry the versions. Inputs are float32 or int32, so that they are
the same numbers on both sides; everything expected is PyTorch's, in float64. What it makes of padding is cut away: a sample is
the first `length` of its steps, whatever stands behind them. Keys are "<case>.<tensor>", as generate_layers.py has them.
"""
import json
import os
import struct

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(38512)


def write(name, tensors):
    kinds = {"float32": "F32", "float64": "F64", "int32": "I32"}
    header = {"__metadata__": {"generator": "tests/golden/generate_sequence_layers.py",
                               "torch": torch.__version__, "numpy": np.__version__}}
    blob = b""
    for key, value in tensors.items():
        value = np.ascontiguousarray(value)
        data = value.tobytes()
        header[key] = {"dtype": kinds[str(value.dtype)], "shape": list(value.shape),
                       "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data + b"\0" * (-len(data) % 8)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(HERE, name + ".safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + blob)


def numbers(*shape, scale=1.3, shift=0.0):
    return (rng.normal(0, scale, shape) + shift).astype(np.float32)


def double(a):
    return torch.tensor(a.astype(np.float64), requires_grad=True)


def mask_of(length, time, batch):
    """[time, batch]: True for real steps."""
    if length is None:
        return np.ones((time, batch), bool)
    return np.arange(time)[:, None] < length[None, :]


# ---- layers: <case>.x0, .length or none, .dy, parameters; y, dx0 of numbers, d<parameter>

layers = {}


def put(case, **tensors):
    for name, value in tensors.items():
        if value is not None:
            layers["%s.%s" % (case, name)] = value


def lengths(*n):
    return np.array(n, np.int32)


def embedding(case, vocabulary, size, time, batch, k, length=None):
    x = rng.integers(0, vocabulary - 1, (time, batch, k)).astype(np.int32)  # the last one never occurs
    real = mask_of(length, time, batch)
    module = torch.nn.Embedding(vocabulary, size).double()
    weight = numbers(vocabulary, size)
    module.weight.data = torch.tensor(weight.astype(np.float64))
    y = module(torch.tensor(x.astype(np.int64))).flatten(2) * torch.tensor(real[:, :, None] * 1.0)
    dy = numbers(time, batch, k * size, scale=0.7)
    (y * torch.tensor(dy.astype(np.float64))).sum().backward()
    put(case, x0=x, length=length, weight=weight, dy=dy, y=y.detach().numpy(),
        dweight=module.weight.grad.numpy())


def one_step(case, function, shape, length=None):
    """function(x[steps, features]) of one sample's real steps."""
    time, batch = shape[:2]
    x = numbers(*shape)
    x0 = double(x)
    n = [time] * batch if length is None else length
    y = torch.stack([function(x0[:n[b], b]) for b in range(batch)])[None]
    dy = numbers(*y.shape, scale=0.7)
    (y * torch.tensor(dy.astype(np.float64))).sum().backward()
    put(case, x0=x, length=length, dy=dy, y=y.detach().numpy(), dx0=x0.grad.numpy())


def batch_norm(case, shape, length, weight=None, momentum=0.385):
    """Over the rows that are real and do not weigh 0; the real ones that do are normalised by them."""
    real = mask_of(length, *shape[:2])
    counts = real if weight is None else real & (weight != 0)
    x, gain, bias = numbers(*shape, shift=0.731), numbers(shape[2]), numbers(shape[2])
    x0, g, b = double(x), double(gain), double(bias)
    running = [torch.zeros(shape[2]).double(), torch.ones(shape[2]).double()]
    side = (1, -1) + (1,) * (len(shape) - 3)
    rows = x0[torch.tensor(counts)]  # [rows, channels, ...]
    axes = [0] + list(range(2, rows.dim()))
    mean, var = rows.mean(axes), rows.var(axes, unbiased=False)
    normal = lambda a: (a - mean.reshape(side)) / torch.sqrt(var.reshape(side) + 1e-5)
    inside = F.batch_norm(rows, running[0], running[1], g, b, True, momentum, 1e-5)
    assert torch.allclose(inside, g.reshape(side) * normal(rows) + b.reshape(side))
    y = torch.zeros_like(x0)
    all_real = torch.tensor(real)
    y[all_real] = g.reshape(side) * normal(x0[all_real]) + b.reshape(side)
    dy = numbers(*shape, scale=0.7)
    (y * torch.tensor(dy.astype(np.float64))).sum().backward()
    put(case, x0=x, length=length, weight=weight, dy=dy, gain=gain, bias=bias, y=y.detach().numpy(),
        dx0=x0.grad.numpy(), dgain=g.grad.numpy(), dbias=b.grad.numpy(), mean=running[0].numpy(),
        var=running[1].numpy())


embedding("embedding", 9, 5, 4, 3, 1)
embedding("embedding_two", 6, 3, 3, 4, 2)
embedding("embedding_padded", 7, 4, 5, 3, 1, lengths(2, 5, 1))
embedding("embedding_two_padded", 7, 4, 3, 4, 2, lengths(3, 1, 2, 2))
embedding("embedding_one", 4, 6, 1, 1, 1)
for name, f in (("last_step", lambda x: x[-1]), ("mean_pool", lambda x: x.mean(0))):
    one_step(name, f, (5, 3, 4))
    one_step(name + "_padded", f, (5, 3, 4), lengths(2, 5, 1))
    one_step(name + "_image", f, (4, 2, 2, 1, 3), lengths(4, 3))
    one_step(name + "_one", f, (1, 3, 4))
batch_norm("batch_norm", (5, 3, 4), lengths(2, 5, 1))
batch_norm("batch_norm_image", (3, 2, 2, 3, 2), lengths(3, 1))
step_weight = mask_of(lengths(4, 2, 3), 4, 3) * np.array([0.731, 0, 2.385])
batch_norm("batch_norm_weighted", (4, 3, 5), lengths(4, 2, 3), step_weight.astype(np.float32))

# ---- metrics: <case>.y, .label or .target, .weight; values

metrics = {}


def metric(case, y, target, rows):
    """rows(y, target) in nats; values: the mean, its exponential, the mean in bits."""
    w = rng.uniform(0.2, 3, len(y)).astype(np.float32)
    w[[1, 7]] = 0
    t = torch.tensor(target.astype(np.int64 if target.dtype == np.int32 else np.float64))
    l = rows(torch.tensor(y.astype(np.float64)), t).numpy()
    assert l.shape == (len(y),)
    mean = (w.astype(np.float64) * l).sum() / w.astype(np.float64).sum()
    metrics[case + ".y"], metrics[case + ".weight"] = y, w
    metrics[case + (".label" if target.dtype == np.int32 else ".target")] = target
    metrics[case + ".values"] = np.array([mean, np.exp(mean), mean / np.log(2)])


def labels(n, c):
    return rng.integers(0, c, n).astype(np.int32)


def xent(y, t):
    return F.cross_entropy(y, t, reduction="none")


bce = torch.nn.BCEWithLogitsLoss(reduction="none")
N = 41
metric("classes", numbers(N, 6, scale=2), labels(N, 6), xent)
metric("many", numbers(N, 523, scale=4), labels(N, 523), xent)
metric("far", numbers(N, 7, scale=4) + np.float32(500), labels(N, 7), xent)
sure, label = numbers(N, 5, scale=0.5), labels(N, 5)
sure[np.arange(N), label] += np.float32(13.731)
metric("sure", sure, label, xent)
metric("one", numbers(N, 1, scale=5), labels(N, 2), lambda y, t: bce(y[:, 0], t.double()))
y, target = numbers(N, 88, scale=4), rng.integers(0, 2, (N, 88)).astype(np.float32)
metric("binary", y, target, lambda a, t: bce(a, t).sum(1))
metric("binary_mean", y, target, lambda a, t: bce(a, t).mean(1))
z = numbers(N, 3, scale=2)
z += np.copysign(np.float32(24.731), z)
# BCEWithLogitsLoss adds and subtracts the logit itself, of which little is left here: softplus keeps every digit.
metric("binary_sure", z, (z > 0).astype(np.float32), lambda a, t: F.softplus((1 - 2 * t) * a).sum(1))

write("sequence_layer_values", layers)
write("likelihood_values", metrics)
