#!/usr/bin/env python3
"""Golden files of the formats and initialisers, made without any code of assay's.

    python3 generate_formats.py        (Python 3.11, PyTorch 1.13.0; writes beside itself)

safetensors_*.safetensors follow the specification by struct and json alone. init_pytorch.txt holds, for each
initialiser and shape, the parameters that torch.nn.init hands to the generator: bounds of a uniform, or mean
and standard deviation of a normal distribution.
"""
import json
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))


def write(name, header, data, pad=True):
    text = header if isinstance(header, bytes) else json.dumps(header).encode("ascii")
    if pad:
        text += b" " * (-len(text) % 8)
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def mixed():
    """Every dtype that is handed out, some that are only listed, rank 0, no elements, escaped names."""
    tensors = [
        ("big", "F64", [2], struct.pack("<2d", 2.385, -0.731)),
        ("steps", "U64", [], struct.pack("<Q", 2**64 - 3)),
        ("offsets", "I64", [3], struct.pack("<3q", -5, 7, -(2**62))),
        ("fc1.weight", "F32", [2, 3], struct.pack("<6f", 0.5, -1.25, 3.5, 7.75, -0.125, 9.0)),
        ("labels", "I32", [1, 2], struct.pack("<2i", -17, 2**31 - 1)),
        ("empty", "F32", [0, 4], b""),
        ("caf\u00e9 \U0001f600 \"x\"\n", "F32", [1], struct.pack("<f", 4.75)),
        ("half", "F16", [3], struct.pack("<3e", 1.5, -2.25, 0.875)),
        ("brain", "BF16", [1], b"\x80\x3f"),
        ("bytes", "U8", [5], bytes([3, 1, 4, 1, 5])),
        ("mask", "BOOL", [2, 1], bytes([1, 0])),
    ]
    header = {"__metadata__": {"format": "pt", "note": "tab\there, slash/ and \u20ac"}}
    data = b""
    for name, dtype, shape, raw in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    write("safetensors_mixed.safetensors", header, data)


def unaligned():
    """As early writers left it: no padding, a byte tensor first."""
    header = {
        "b": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "w": {"shape": [2], "data_offsets": [1, 9], "dtype": "F32"},
        "d": {"dtype": "F64", "shape": [1], "data_offsets": [9, 17]},
    }
    write("safetensors_unaligned.safetensors", header, b"\x07" + struct.pack("<2fd", 1.5, -2.75, 6.125), pad=False)


def init_rows():
    import torch
    from torch.nn import init

    class Spy(torch.Tensor):
        def uniform_(self, a, b):
            Spy.seen = ("uniform", a, b)
            return self

        def normal_(self, mean, std):
            Spy.seen = ("normal", mean, std)
            return self

    calls = [
        ("glorot_uniform", lambda w, g: init.xavier_uniform_(w, gain=g)),
        ("glorot_normal", lambda w, g: init.xavier_normal_(w, gain=g)),
        ("he_uniform", lambda w, g: init.kaiming_uniform_(w, mode="fan_in", nonlinearity="relu")),
        ("he_normal", lambda w, g: init.kaiming_normal_(w, mode="fan_in", nonlinearity="relu")),
        ("lecun_uniform", lambda w, g: init.kaiming_uniform_(w, mode="fan_in", nonlinearity="linear")),
        ("lecun_normal", lambda w, g: init.kaiming_normal_(w, mode="fan_in", nonlinearity="linear")),
    ]
    for fan_in, fan_out in [(64, 32), (5, 300), (27, 27)]:
        for name, call in calls:
            for gain in (1.0, 1.75) if name.startswith("glorot") else (1.0,):
                # PyTorch keeps weights as [out, in].
                call(torch.zeros(fan_out, fan_in).as_subclass(Spy), gain)
                yield (name, fan_in, fan_out, gain) + Spy.seen
    init.normal_(torch.zeros(3).as_subclass(Spy), 0.25, 0.5)
    yield ("normal", 3, 1, 1.0) + Spy.seen
    init.uniform_(torch.zeros(3).as_subclass(Spy), -0.25, 0.5)
    yield ("uniform", 3, 1, 1.0) + Spy.seen


def inits():
    with open(os.path.join(HERE, "init_pytorch.txt"), "w") as f:
        f.write("# name fan_in fan_out gain distribution first second; generate_formats.py, PyTorch 1.13.0\n")
        for row in init_rows():
            f.write(" ".join(repr(v) if isinstance(v, float) else str(v) for v in row) + "\n")


if __name__ == "__main__":
    mixed()
    unaligned()
    inits()
