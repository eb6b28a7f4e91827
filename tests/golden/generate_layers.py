#!/usr/bin/python3
"""Golden numbers of layers, losses and metrics: {layer,loss,metric}_values.safetensors beside this.

Run it with a Python that has PyTorch 1.13 and NumPy; the files carry the versions. Inputs are
float32, so that they are the same numbers on both sides; everything expected is computed in
float64: layers and losses by PyTorch's autograd, metrics by the formulas written out below. Keys are
"<case>.<tensor>".
"""
import json
import os
import struct

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(2385)


def write(name, tensors):
    kinds = {"float32": "F32", "float64": "F64", "int32": "I32"}
    header = {"__metadata__": {"generator": "tests/golden/generate_layers.py",
                               "torch": torch.__version__, "numpy": np.__version__}}
    blob = b""
    for key, value in tensors.items():
        value = np.ascontiguousarray(value)
        data = value.tobytes()
        header[key] = {"dtype": kinds[str(value.dtype)], "shape": list(value.shape),
                       "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data + b"\0" * (-len(data) % 8)
        header[key]["data_offsets"][1] = header[key]["data_offsets"][0] + len(data)
    pad = lambda text: text + b" " * (-len(text) % 8)
    text = pad(json.dumps(header, separators=(",", ":")).encode())
    with open(os.path.join(HERE, name + ".safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + blob)


def numbers(*shape, scale=1.3, gap=0.0):
    """Normal float32 numbers, none nearer to 0 than `gap`."""
    a = rng.normal(0, scale, shape)
    a = np.where(np.abs(a) < gap, np.copysign(gap + np.abs(a), a), a)
    return a.astype(np.float32)


def double(a):
    return torch.tensor(a.astype(np.float64), requires_grad=True)


# ---- layers: <case>.x0 x1 ..., .dy, parameters; y, dx0 ..., d<parameter>

layers = {}


def layer(case, function, inputs, params=None):
    x = [double(a) for a in inputs]
    p = {k: double(v) for k, v in (params or {}).items()}
    y = function(*x, **p)
    dy = numbers(*y.shape, scale=0.7)
    (y * torch.tensor(dy.astype(np.float64))).sum().backward()
    layers[case + ".dy"] = dy
    layers[case + ".y"] = y.detach().numpy()
    for i, a in enumerate(inputs):
        layers["%s.x%d" % (case, i)] = a
        layers["%s.dx%d" % (case, i)] = x[i].grad.numpy()
    for k, v in (params or {}).items():
        layers["%s.%s" % (case, k)] = v
        layers["%s.d%s" % (case, k)] = p[k].grad.numpy()


def dense(x, weight, bias=None):
    """weight is ours, [in, out]; PyTorch's Linear takes [out, in]."""
    return F.linear(x.flatten(2), weight.t(), bias)


layer("dense", dense, [numbers(3, 5, 7)], {"weight": numbers(7, 4), "bias": numbers(4)})
layer("dense_one", dense, [numbers(1, 1, 5)], {"weight": numbers(5, 3), "bias": numbers(3)})
layer("dense_plain", dense, [numbers(1, 6, 5)], {"weight": numbers(5, 1)})
layer("dense_image", dense, [numbers(2, 3, 2, 3, 2)],
      {"weight": numbers(12, 5), "bias": numbers(5)})
layer("relu", F.relu, [numbers(3, 5, 7, gap=0.2)])
layer("leaky_relu", lambda x: F.leaky_relu(x, 0.01), [numbers(3, 5, 7, gap=0.2)])
layer("leaky_relu_steep", lambda x: F.leaky_relu(x, 0.385), [numbers(1, 1, 5, gap=0.2)])
layer("tanh", torch.tanh, [numbers(3, 5, 7, scale=2)])
layer("tanh_scaled", lambda x: 1.7159 * torch.tanh(2 * x / 3), [numbers(3, 5, 7, scale=2)])
layer("sigmoid", torch.sigmoid, [numbers(3, 5, 7, scale=3)])
layer("softmax", lambda x: F.softmax(x, 2), [numbers(3, 5, 7, scale=3)])
layer("softmax_far", lambda x: F.softmax(x, 2), [numbers(1, 4, 5) + np.float32(300)])
layer("softmax_image", lambda x: F.softmax(x.flatten(2), 2).reshape(x.shape), [numbers(1, 3, 2, 5)])
layer("add", lambda a, b: a + b, [numbers(3, 5, 7), numbers(3, 5, 7)])
layer("add_three", lambda a, b, c: a + b + c, [numbers(1, 1, 5) for _ in range(3)])
layer("concat", lambda a, b: torch.cat([a, b], 2), [numbers(3, 5, 7), numbers(3, 5, 2)])
layer("concat_image", lambda a, b, c: torch.cat([a, b, c], 2),
      [numbers(2, 3, 2, 3), numbers(2, 3, 1, 3), numbers(2, 3, 4, 3)])
layer("flatten", lambda x: x.flatten(2), [numbers(2, 3, 2, 3, 2)])

# ---- losses: <case>.y, .label or .target, .weight (or none), .scale; loss (the sum of w l), dy

losses = {}


def loss(case, function, y, target, weight=None, scale=0.731):
    """function(y, target) is l, one number a row."""
    t = torch.tensor(target.astype(np.int64 if target.dtype == np.int32 else np.float64))
    out = double(y)
    rows = function(out, t)
    assert rows.shape == (len(y),)
    w = np.ones(len(y)) if weight is None else weight.astype(np.float64)
    total = (rows * torch.tensor(w)).sum()
    (total * scale).backward()
    losses[case + ".y"] = y
    losses[case + (".label" if target.dtype == np.int32 else ".target")] = target
    if weight is not None:
        losses[case + ".weight"] = weight
    losses[case + ".scale"] = np.array([scale])
    losses[case + ".loss"] = np.array([total.item()])
    losses[case + ".dy"] = out.grad.numpy()


def labels(n, c):
    return rng.integers(0, c, n).astype(np.int32)


def weights(n):
    w = rng.uniform(0.2, 3, n).astype(np.float32)
    w[1] = 0
    return w


def xent(smoothing=0.0):
    return lambda y, t: F.cross_entropy(y, t, reduction="none", label_smoothing=smoothing)


def bits(*shape):
    return rng.integers(0, 2, shape).astype(np.float32)


loss("xent", xent(), numbers(9, 7, scale=2), labels(9, 7))
loss("xent_weighted", xent(), numbers(9, 7, scale=2), labels(9, 7), weights(9))
loss("xent_smooth", xent(0.1), numbers(9, 7, scale=2), labels(9, 7), weights(9))
loss("xent_smooth_all", xent(1.0), numbers(3, 5, scale=2), labels(3, 5))
loss("xent_many", xent(0.05), numbers(3, 523, scale=4), labels(3, 523))
loss("xent_far", xent(), numbers(5, 7, scale=60) + np.float32(500), labels(5, 7))
sure = numbers(6, 5, scale=0.5)
sure_label = labels(6, 5)
sure[np.arange(6), sure_label] += np.float32(13.731)
loss("xent_sure", xent(), sure, sure_label)
loss("xent_sure_smooth", xent(0.2), sure, sure_label)

# So sure that a difference of logits rounded to float32 is off by more than the bar of the test, in
# one direction in every row. For two classes cross_entropy is a softplus of the difference, which
# keeps every digit.
rows = []
while len(rows) < 6:
    low, high = np.float32(rng.normal(0, 0.5)), np.float32(rng.uniform(25, 31))
    lost = (np.float64(low) - np.float64(high)) - np.float64(np.float32(low - high))
    if lost > 8e-7:
        rows.append([low, high])
two = np.array(rows, np.float32)
first = np.arange(6) % 2 == 0
two[first] = two[first][:, ::-1]
loss("xent_two",
     lambda y, t: F.softplus(y.gather(1, 1 - t[:, None]) - y.gather(1, t[:, None]))[:, 0], two,
     np.where(first, 0, 1).astype(np.int32))

per_output = {"mse": lambda y, t: (y - t) ** 2, "mae": lambda y, t: (y - t).abs(),
              "huber": lambda y, t: F.huber_loss(y, t, reduction="none", delta=1.0),
              "huber_07": lambda y, t: F.huber_loss(y, t, reduction="none", delta=0.7),
              "bce": lambda y, t: F.binary_cross_entropy_with_logits(y, t, reduction="none")}
for name, f in per_output.items():
    y = numbers(7, 3, scale=4 if name == "bce" else 1.5)
    t = bits(7, 3) if name == "bce" else numbers(7, 3)
    loss(name, lambda a, b: f(a, b).mean(1), y, t)
    loss(name + "_weighted", lambda a, b: f(a, b).mean(1), y, t, weights(7))
    loss(name + "_sum", lambda a, b: f(a, b).sum(1), y, t, weights(7))
loss("bce_label",
     lambda y, t: F.binary_cross_entropy_with_logits(y[:, 0], t.double(), reduction="none"),
     numbers(8, 1, scale=5), labels(8, 2), weights(8))
loss("bce_far", lambda y, t: F.binary_cross_entropy_with_logits(y, t, reduction="none").mean(1),
     numbers(5, 3, scale=70), bits(5, 3))
z = numbers(6, 3, scale=2)
z += np.copysign(np.float32(24.731), z)
loss("bce_sure", lambda y, t: F.softplus((1 - 2 * t) * y).mean(1), z, (z > 0).astype(np.float32))

# ---- metrics: <case>.y, .label or .target, .weight; values

metrics = {}


def metric(case, y, target, weight, values):
    metrics[case + ".y"] = y
    metrics[case + (".label" if target.dtype == np.int32 else ".target")] = target
    metrics[case + ".weight"] = weight
    metrics[case + ".values"] = np.array(values, dtype=np.float64)


def share(right, w):
    """The weighted share and its standard error."""
    p = (w * right).sum() / w.sum()
    return [p, np.sqrt(p * (1 - p) / (w.sum() ** 2 / (w ** 2).sum()))]


def answers(y, threshold=0.0):
    """The first largest output's index, what a single one says, or -1 with NaN."""
    if y.shape[1] == 1:
        return np.where(np.isnan(y[:, 0]), -1, (y[:, 0] > threshold).astype(int))
    return np.where(np.isnan(y).any(1), -1, np.argmax(y, 1))


def f_score(tp, fp, fn):
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn > 0 else 0.0


def f1_all(counts):
    """macro, micro, weighted from [classes, (tp, fp, fn)]."""
    f = np.array([f_score(*k) for k in counts])
    occurs = counts.sum(1) > 0
    support = counts[:, 0] + counts[:, 2]
    return [f[occurs].mean(), f_score(*counts.sum(0)), (f * support).sum() / support.sum()]


def class_counts(a, label, w, n):
    return np.array([[(w * ((a == c) & (label == c))).sum(), (w * ((a == c) & (label != c))).sum(),
                      (w * ((a != c) & (label == c))).sum()] for c in range(n)])


N, C = 41, 6
y = (np.round(rng.normal(0, 1.5, (N, C)) * 2) / 2).astype(np.float32)  # halves: there are ties
label = labels(N, C - 1)  # class 5 is never the label ...
y[:, 5] = -20  # ... and never the answer
y[np.arange(0, N, 3), label[::3]] += 2
w = rng.uniform(0.2, 3, N).astype(np.float32)
w[[1, 7]] = 0
y[1] = np.nan
y[4, 2] = np.nan
w64, a = w.astype(np.float64), answers(y)
metric("accuracy", y, label, w, share(a == label, w64))
own = y[np.arange(N), label]
above = [sum(y[i, c] > own[i] or (c < label[i] and y[i, c] == own[i]) for c in range(C))
         for i in range(N)]
top3 = (np.array(above) < 3) & ~np.isnan(y).any(1)
metric("top_k", y, label, w, share(top3, w64))
metric("f1", y, label, w, f1_all(class_counts(a, label, w64, C)))
metric("confusion", y, label, w,
       [[(w64 * ((label == r) & (a == c))).sum() for c in range(C)] for r in range(C)])

z = numbers(N, 1)
z[5] = np.nan
two = labels(N, 2)
for case, threshold in (("one", 0.0), ("one_half", 0.5)):
    a = answers(z, threshold)
    counts = class_counts(a, two, w64, 2)
    metric("accuracy_" + case, z, two, w, share(a == two, w64))
    metric("f1_" + case, z, two, w, f1_all(counts) + [f_score(*counts[1])])
    metric("confusion_" + case, z, two, w,
           [[(w64 * ((two == r) & (a == c))).sum() for c in range(2)] for r in range(2)])

many = numbers(N, 4)
many[5, 2] = np.nan
yes = bits(N, 4)
right = np.where(np.isnan(many), False, (many > 0) == (yes > 0.5))
metric("accuracy_binary", many, yes, w, share(right.mean(1), w64))
positive = np.nan_to_num(many, nan=-1.0) > 0
metric("f1_binary", many, yes, w, f1_all(np.array(
    [[(w64 * (positive[:, j] & (yes[:, j] > 0))).sum(),
      (w64 * (positive[:, j] & (yes[:, j] == 0))).sum(),
      (w64 * (~positive[:, j] & (yes[:, j] > 0))).sum()] for j in range(4)])))

target = (numbers(N, 3) * np.array([1, 30, 0.5]) + np.array([0, 5, 4096])).astype(np.float32)
y = (target + numbers(N, 3) * np.array([0.5, 3, 0.3])).astype(np.float32)
d = y.astype(np.float64) - target.astype(np.float64)
metric("rmse", y, target, w, [np.sqrt((w64 * (d ** 2).mean(1)).sum() / w64.sum())])
metric("mae", y, target, w, [(w64 * np.abs(d).mean(1)).sum() / w64.sum()])
t64 = target.astype(np.float64)
mean = (w64[:, None] * t64).sum(0) / w64.sum()
S, T = (w64[:, None] * d ** 2).sum(0), (w64[:, None] * (t64 - mean) ** 2).sum(0)
metric("r2", y, target, w, [(1 - S / T).mean(), 1 - S.sum() / T.sum()])

write("layer_values", layers)
write("loss_values", losses)
write("metric_values", metrics)
