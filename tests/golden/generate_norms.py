#!/usr/bin/python3
"""Golden numbers of smooth activations and of normalisation: layer_{smooth,batch_norm}_values.safetensors beside this.

Run it with a Python that has PyTorch 1.13 and NumPy; the files carry the versions. Inputs are float32, so that they are the
same numbers on both sides; everything expected is PyTorch's, in float64. rms_norm, which it does not have, is
written out. Keys are "<case>.<tensor>", as generate_layers.py has them.
"""
import json
import os
import struct

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(73171)


def write(name, tensors):
    kinds = {"float32": "F32", "float64": "F64"}
    header = {"__metadata__": {"generator": "tests/golden/generate_norms.py",
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


def layer(out, case, function, x, params=None):
    """x0, dy and the parameters; y, dx0 and d<parameter>."""
    x0 = double(x)
    p = {k: double(v) for k, v in (params or {}).items()}
    y = function(x0, **p)
    dy = numbers(*y.shape, scale=0.7)
    (y * torch.tensor(dy.astype(np.float64))).sum().backward()
    out[case + ".x0"], out[case + ".dy"] = x, dy
    out[case + ".y"], out[case + ".dx0"] = y.detach().numpy(), x0.grad.numpy()
    for k, v in (params or {}).items():
        out["%s.%s" % (case, k)] = v
        out["%s.d%s" % (case, k)] = p[k].grad.numpy()


# ---- one row at a time

smooth = {}


def layer_norm(eps=1e-5):
    return lambda x, gain=None, bias=None: F.layer_norm(x, x.shape[2:], gain, bias, eps)


def rms_norm(eps=1e-6):
    def f(x, gain=None):
        n = x / torch.sqrt((x * x).flatten(2).mean(2).reshape(x.shape[:2] + (1,) * (x.dim() - 2)) + eps)
        return n if gain is None else n * gain
    return f


layer(smooth, "elu", F.elu, numbers(3, 5, 7))
layer(smooth, "elu_small", lambda x: F.elu(x, 0.385), numbers(1, 1, 5))
layer(smooth, "elu_near_0", F.elu, numbers(1, 4, 5, scale=1e-4))
layer(smooth, "gelu", F.gelu, numbers(3, 5, 7, scale=2))
layer(smooth, "gelu_far", F.gelu, -np.abs(numbers(1, 4, 5, scale=1)) - np.float32(3))
layer(smooth, "gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), numbers(3, 5, 7, scale=2))
layer(smooth, "silu", F.silu, numbers(3, 5, 7, scale=3))
layer(smooth, "layer_norm", layer_norm(), numbers(3, 5, 7), {"gain": numbers(7), "bias": numbers(7)})
layer(smooth, "layer_norm_far", layer_norm(), numbers(1, 4, 13, scale=0.5, shift=2385),
      {"gain": numbers(13), "bias": numbers(13)})
layer(smooth, "layer_norm_plain", layer_norm(0.0731), numbers(1, 1, 5))
layer(smooth, "layer_norm_image", layer_norm(), numbers(2, 3, 2, 3, 2),
      {"gain": numbers(2, 3, 2), "bias": numbers(2, 3, 2)})
layer(smooth, "rms_norm", rms_norm(), numbers(3, 5, 7), {"gain": numbers(7)})
layer(smooth, "rms_norm_plain", rms_norm(0.0731), numbers(1, 1, 5))
layer(smooth, "rms_norm_image", rms_norm(), numbers(2, 3, 2, 3, 3), {"gain": numbers(2, 3, 3)})

# A sweep over what floats there are near 0 and in the tails: exact GELU and its slope.
sweep = np.concatenate([np.linspace(-14, 14, 4001), 10.0 ** np.linspace(-30, 1, 200),
                        -(10.0 ** np.linspace(-30, 1, 200))]).astype(np.float32)
x = double(sweep)
F.gelu(x).sum().backward()
smooth["sweep.x"], smooth["sweep.slope"] = sweep, x.grad.numpy()
smooth["sweep.y"] = F.gelu(x).detach().numpy()

# ---- batch_norm: <case>.x<k>, .dy<k> of batch k; y<k>, dx<k>, dgain<k>, dbias<k>, mean<k>, var<k> (the running ones after it);
# ex and ey: a batch in evaluation, at the end. <case>.weight: rows that are 0 do not count.

batches = {}
N_BATCHES = 3


def flat(x):
    """[time, batch, channels, ...] as PyTorch has it."""
    return x.flatten(0, 1)


def masked(x, weight, gain, bias, eps):
    """y and the statistics of the rows that count, [rows, channels]."""
    c = torch.tensor((weight.reshape(-1) != 0).astype(np.float64))[:, None]
    n = c.sum()
    mean = (x * c).sum(0) / n
    var = ((x - mean) ** 2 * c).sum(0) / n
    return (x - mean) / torch.sqrt(var + eps) * gain + bias, mean.detach(), (var * n / (n - 1)).detach()


def batch_norm(case, shape, weight=None, momentum=0.1, eps=1e-5, affine=True, shift=0.0):
    channels = shape[2]
    kind = torch.nn.BatchNorm1d if len(shape) == 3 else torch.nn.BatchNorm2d
    norm = kind(channels, eps=eps, momentum=momentum, affine=affine).double()
    if affine:
        gain, bias = numbers(channels), numbers(channels)
        batches[case + ".gain"], batches[case + ".bias"] = gain, bias
        norm.weight.data = torch.tensor(gain.astype(np.float64))
        norm.bias.data = torch.tensor(bias.astype(np.float64))
    if weight is not None:
        batches[case + ".weight"] = weight
    for k in range(N_BATCHES):
        raw = numbers(*shape, scale=0.7 + k, shift=shift + 0.3 * k)
        dy = numbers(*shape, scale=0.7)
        x = double(raw)
        norm.zero_grad()
        if weight is None:
            y = norm(flat(x))
        else:
            y, mean, var = masked(flat(x), weight, norm.weight, norm.bias, eps)
            norm.running_mean = (1 - momentum) * norm.running_mean + momentum * mean
            norm.running_var = (1 - momentum) * norm.running_var + momentum * var
        (y.reshape(shape) * torch.tensor(dy.astype(np.float64))).sum().backward()
        batches["%s.x%d" % (case, k)], batches["%s.dy%d" % (case, k)] = raw, dy
        batches["%s.y%d" % (case, k)] = y.detach().numpy().reshape(shape)
        batches["%s.dx%d" % (case, k)] = x.grad.numpy()
        batches["%s.mean%d" % (case, k)] = norm.running_mean.numpy().copy()
        batches["%s.var%d" % (case, k)] = norm.running_var.numpy().copy()
        if affine:
            batches["%s.dgain%d" % (case, k)] = norm.weight.grad.numpy().copy()
            batches["%s.dbias%d" % (case, k)] = norm.bias.grad.numpy().copy()
    norm.eval()
    raw = numbers(*shape, shift=shift)
    batches[case + ".ex"] = raw
    batches[case + ".ey"] = norm(flat(torch.tensor(raw.astype(np.float64)))).detach().numpy().reshape(shape)


padding = np.array([[1, 1, 0.3], [1, 0, 2], [0, 0, 1], [0, 0, 0]], dtype=np.float32)
batch_norm("plain", (1, 5, 7))
batch_norm("two_rows", (1, 2, 3), eps=0.385)  # a small eps leaves of dx a difference of equal numbers
batch_norm("time", (3, 5, 7), momentum=0.385, eps=0.0731)
batch_norm("far", (1, 9, 5), shift=731)
batch_norm("bare", (1, 6, 5), affine=False)
batch_norm("image", (2, 3, 2, 3, 2))
batch_norm("one_image", (1, 1, 3, 2, 2), affine=False)
batch_norm("padded", (4, 3, 5), weight=padding)

write("layer_smooth_values", smooth)
write("layer_batch_norm_values", batches)
