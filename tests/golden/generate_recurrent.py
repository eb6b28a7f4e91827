#!/usr/bin/python3
"""Golden numbers of the recurrent layers: recurrent_values.safetensors beside this.

Run it with a Python that has PyTorch 1.13 and NumPy; the file carries the versions. Inputs are float32,
so that they are the same numbers on both sides; everything expected is computed in float64 by PyTorch's
nn.LSTM, nn.GRU and nn.RNN of one layer, sequences of unequal length by pack_padded_sequence. Weights are
written as assay has them: [in, gates * units]. Keys are "<case>.<tensor>"; what stands behind a
sequence's length is 0 in x, y, dy and dx.
"""
import json
import os
import struct

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(2385)
torch.set_default_dtype(torch.float64)
TIME, BATCH, IN, UNITS = 6, 5, 3, 4
tensors = {}


def write(name):
    kinds = {"float32": "F32", "float64": "F64", "int32": "I32"}
    header = {"__metadata__": {"generator": "tests/golden/generate_recurrent.py",
                               "torch": torch.__version__, "numpy": np.__version__}}
    blob = b""
    for key, value in tensors.items():
        value = np.ascontiguousarray(value)
        data = value.tobytes()
        header[key] = {"dtype": kinds[str(value.dtype)], "shape": list(value.shape),
                       "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data + b"\0" * (-len(data) % 8)
        header[key]["data_offsets"][1] = header[key]["data_offsets"][0] + len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(HERE, name + ".safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + blob)


def numbers(*shape, scale=0.7):
    return rng.normal(0, scale, shape).astype(np.float32)


def leaf(a):
    return torch.tensor(a.astype(np.float64), requires_grad=True)


OURS = {"weight_ih_l0": "weight", "weight_hh_l0": "recurrent", "bias_ih_l0": "bias",
        "bias_hh_l0": "recurrent_bias"}


def our_name(theirs):
    if theirs.endswith("_reverse"):
        return OURS[theirs[:-len("_reverse")]] + "_reverse"
    return OURS[theirs]


def case(name, net, carried=False, lengths=None):
    directions = 2 if net.bidirectional else 1
    mask = np.ones((TIME, BATCH, 1), np.float32)
    if lengths is not None:
        mask = (np.arange(TIME)[:, None] < np.array(lengths)[None]).astype(np.float32)[..., None]
        tensors[name + ".length"] = np.array(lengths, np.int32)
    x, dy = numbers(TIME, BATCH, IN, scale=1.3) * mask, numbers(TIME, BATCH, directions * UNITS) * mask
    tensors[name + ".x"], tensors[name + ".dy"] = x, dy
    for key, p in net.named_parameters():
        a = numbers(*p.shape)
        p.data = torch.tensor(a.astype(np.float64))
        tensors["%s.%s" % (name, our_name(key))] = a.T
    vx = leaf(x)
    is_lstm = isinstance(net, torch.nn.LSTM)
    states = "hc" if is_lstm else "h"
    first = {s: leaf(numbers(1, BATCH, UNITS)) for s in states} if carried else {}
    state = None
    if carried:
        state = (first["h"], first["c"]) if is_lstm else first["h"]
    packed = vx
    if lengths is not None:
        packed = pack_padded_sequence(vx, torch.tensor(lengths), enforce_sorted=False)
    y, last = net(packed, state)
    if lengths is not None:
        y, _ = pad_packed_sequence(y, total_length=TIME)
    loss = (y * torch.tensor(dy.astype(np.float64))).sum()
    if carried:
        for s, v in zip(states, last if is_lstm else (last,)):
            d = numbers(BATCH, UNITS)
            tensors["%s.d%s_last" % (name, s)] = d
            tensors["%s.%s_last" % (name, s)] = v[0].detach().numpy()
            loss = loss + (v[0] * torch.tensor(d.astype(np.float64))).sum()
    loss.backward()
    tensors[name + ".y"] = y.detach().numpy()
    tensors[name + ".dx"] = vx.grad.numpy()
    for key, p in net.named_parameters():
        tensors["%s.d%s" % (name, our_name(key))] = p.grad.numpy().T
    for s, v in first.items():
        tensors["%s.%s_first" % (name, s)] = v.detach().numpy()[0].astype(np.float32)
        tensors["%s.d%s_first" % (name, s)] = v.grad.numpy()[0]


LENGTHS = [4, 6, 1, 3, 6]
for cell, make in (("lstm", torch.nn.LSTM), ("gru", torch.nn.GRU), ("rnn", torch.nn.RNN),
                   ("rnn_relu", lambda *a, **k: torch.nn.RNN(*a, nonlinearity="relu", **k))):
    case(cell, make(IN, UNITS))
    case(cell + "_lengths", make(IN, UNITS), lengths=LENGTHS)
    case(cell + "_carry", make(IN, UNITS), carried=True)
    case(cell + "_carry_lengths", make(IN, UNITS), carried=True, lengths=LENGTHS)
    case(cell + "_both", make(IN, UNITS, bidirectional=True))
    case(cell + "_both_lengths", make(IN, UNITS, bidirectional=True), lengths=LENGTHS)
write("recurrent_values")
