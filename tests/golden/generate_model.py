#!/usr/bin/python3
"""Writes model_*.safetensors beside itself: what PyTorch makes of whole models.

model_stack: a small residual net (dense, tanh, relu, add, concat) forward and backward once, in float64; model_stack_weights
holds its weights alone, under PyTorch's names and in its shapes, as a weight file. model_tied: an autoencoder whose decoder is
the encoder's matrix transposed, weights in model_tied_weights.

model_recurrent: an LSTM, a bidirectional GRU and a linear layer over sequences, time first; weights in
model_recurrent_weights.

model_training: weights after 1, 5 and 25 full-batch steps of each optimizer in float64; model_training_weights are the
initial ones. The objective is the mean cross-entropy plus l2/2 |w|^2 over the weight matrices; the whole gradient is scaled
by clip_norm / |g| where |g| is larger (torch.nn.utils.clip_grad_norm_ divides by |g| + 1e-6, which is not what assay says
it does). Inputs and initial weights are float32 numbers, so that both sides start from the same values.

Run it with Debian's python3-torch (1.13): /usr/bin/python3 generate_model.py
"""
import json
import os
import struct

import numpy
import torch
from torch import nn

FOLDER = os.path.dirname(os.path.abspath(__file__))
DTYPES = {"float32": "F32", "float64": "F64", "int32": "I32"}
STEPS = (1, 5, 25)
L2, CLIP_NORM = 0.0317, 0.213

OPTIMIZERS = {
    "sgd": (torch.optim.SGD, dict(lr=0.137, momentum=0.87)),
    "adam": (torch.optim.Adam, dict(lr=0.0173, betas=(0.87, 0.983))),
    "adamw": (torch.optim.AdamW, dict(lr=0.0131, weight_decay=0.0731)),
    "adagrad": (torch.optim.Adagrad, dict(lr=0.0731)),
    "rmsprop": (torch.optim.RMSprop, dict(lr=0.0071, alpha=0.93, momentum=0.37)),
}


def write(name, tensors):
    """The safetensors format: 8 bytes of header length, the header padded to 8 bytes, the data."""
    header = {"__metadata__": {
        "generator": "generate_model.py",
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }}
    blob = b""
    # Wide numbers first, so that all are aligned.
    for key, value in sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])):
        data = numpy.ascontiguousarray(value).tobytes()
        header[key] = {"dtype": DTYPES[value.dtype.name], "shape": list(value.shape),
                       "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(FOLDER, name + ".safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + blob)


def float32(tensor):
    """The same numbers rounded to float32, kept in float64."""
    return tensor.float().double()


def round_parameters(model):
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(float32(p))
    return model


def state(model):
    return {name: p.detach().numpy().copy() for name, p in model.named_parameters()}


class Stack(nn.Module):
    """Three users of one output, two of another, and the input used twice."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(5, 7)
        self.b = nn.Linear(7, 7)
        self.c = nn.Linear(7, 3)
        self.out = nn.Linear(3 + 7 + 7 + 5, 4)

    def forward(self, x):
        h = torch.tanh(self.a(x))
        s = torch.relu(self.b(h)) + h
        return self.out(torch.cat([self.c(s), h, s, x], dim=1))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Linear(5, 6)
        self.dec = nn.Module()
        self.dec.bias = nn.Parameter(torch.empty(5).uniform_(-0.5, 0.5))

    def forward(self, x):
        h = torch.tanh(self.enc(x))
        return h @ self.enc.weight + self.dec.bias


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.LSTM(5, 6)
        self.g = nn.GRU(6, 4, bidirectional=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.g(self.l(x)[0])[0])


def one_pass(name, model, n_in, n_out, *rows):
    x = float32(torch.randn(*rows, n_in, dtype=torch.float64))
    dy = float32(torch.randn(*rows, n_out, dtype=torch.float64))
    y = model(x)
    y.backward(dy)
    tensors = {"x": x.numpy().astype("float32"), "dy": dy.numpy().astype("float32"),
               "y": y.detach().numpy()}
    for key, p in model.named_parameters():
        tensors["d." + key] = p.grad.numpy()
    write(name, tensors)


def training():
    rows, n_in, n_classes = 41, 6, 4
    x = float32(1.3 * torch.randn(rows, n_in, dtype=torch.float64))
    # Every class is there, the first rows in order, the rest by the largest of some noisy sums.
    target = (x @ torch.randn(n_in, n_classes, dtype=torch.float64)).argmax(dim=1)
    target[:n_classes] = torch.arange(n_classes)

    def fresh():
        torch.manual_seed(77)
        net = nn.Sequential()
        net.add_module("fc1", nn.Linear(n_in, 9))
        net.add_module("act1", nn.ReLU())
        net.add_module("fc2", nn.Linear(9, 8))
        net.add_module("act2", nn.Tanh())
        net.add_module("fc3", nn.Linear(8, n_classes))
        return round_parameters(net.double())

    write("model_training_weights", {k: v.astype("float32") for k, v in state(fresh()).items()})
    tensors = {"x": x.numpy().astype("float32"), "target": target.numpy().astype("int32"),
               "l2": numpy.array([L2]), "clip_norm": numpy.array([CLIP_NORM])}
    for name, (make, options) in OPTIMIZERS.items():
        net = fresh()
        optimizer = make(net.parameters(), **options)
        n_clipped, losses = 0, []
        for step in range(1, max(STEPS) + 1):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x), target)
            penalty = sum((p ** 2).sum() for p in net.parameters() if p.dim() == 2)
            (loss + 0.5 * L2 * penalty).backward()
            norm = torch.sqrt(sum((p.grad ** 2).sum() for p in net.parameters()))
            if norm > CLIP_NORM:
                n_clipped += 1
                for p in net.parameters():
                    p.grad.mul_(CLIP_NORM / norm)
            optimizer.step()
            losses.append(loss.item())
            if step in STEPS:
                for key, value in state(net).items():
                    tensors["%s.%d.%s" % (name, step, key)] = value
        print("%-8s clipped %d of %d steps, loss %.4f -> %.4f" % (
            name, n_clipped, max(STEPS), losses[0], losses[-1]))
    write("model_training", tensors)


def main():
    torch.manual_seed(20231)
    stack = round_parameters(Stack().double())
    write("model_stack_weights", state(stack))
    one_pass("model_stack", stack, 5, 4, 11)
    tied = round_parameters(Tied().double())
    write("model_tied_weights", state(tied))
    one_pass("model_tied", tied, 5, 5, 9)
    training()
    recurrent = round_parameters(Recurrent().double())
    write("model_recurrent_weights", state(recurrent))
    one_pass("model_recurrent", recurrent, 5, 3, 7, 3)


if __name__ == "__main__":
    main()
