#!/usr/bin/python3
"""Writes schedule_cycles.safetensors beside itself: the factors of PyTorch's schedulers that go up and down.

The learning rate before each of some updates, in float64, from a base of 1; of the last two the momentum, as a share of its
largest value. Keys are as in schedule_factors.safetensors. Run it with a Python that has PyTorch 1.13 and NumPy.
"""
import json
import os
import struct

import numpy
import torch
from torch.optim import lr_scheduler as s

FOLDER = os.path.dirname(os.path.abspath(__file__))
N = 90


def write(name, tensors):
    header = {"__metadata__": {"generator": "generate_cycles.py", "torch": torch.__version__,
                               "numpy": numpy.__version__}}
    blob = b""
    for key, value in tensors.items():
        data = numpy.asarray(value, dtype="f8").tobytes()
        header[key] = {"dtype": "F64", "shape": [len(value)], "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(FOLDER, name + ".safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + blob)


def factors(make, n=N, of="lr", whole=1.0):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    scheduler = make(optimizer)
    out = []
    for i in range(n):
        out.append(optimizer.param_groups[0][of] / whole)
        optimizer.step()
        if i + 1 < n:
            scheduler.step()
    return out


def fractions(make, iterations, n):
    """As CosineAnnealingWarmRestarts says: step(epoch + i / iterations)."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    out = []
    for i in range(n):
        scheduler.step(i // iterations + i % iterations / iterations)
        out.append(optimizer.param_groups[0]["lr"])
    return out


def cyclic(**options):
    return lambda o: s.CyclicLR(o, max_lr=1.0, cycle_momentum=False, **options)


write("schedule_cycles", {
    "restarts": factors(lambda o: s.CosineAnnealingWarmRestarts(o, 10, T_mult=2, eta_min=0.0137)),
    "restarts_equal": factors(lambda o: s.CosineAnnealingWarmRestarts(o, 7)),
    "restarts_triple": factors(lambda o: s.CosineAnnealingWarmRestarts(o, 3, T_mult=3, eta_min=0.231)),
    "restarts_smooth": fractions(lambda o: s.CosineAnnealingWarmRestarts(o, 2, T_mult=2, eta_min=0.0137), 13, 160),
    "triangular": factors(cyclic(base_lr=0.173, step_size_up=8)),
    "triangular_skew": factors(cyclic(base_lr=0.173, step_size_up=5, step_size_down=13)),
    "triangular2": factors(cyclic(base_lr=0.0913, step_size_up=7, mode="triangular2")),
    "exp_range": factors(cyclic(base_lr=0.0913, step_size_up=6, step_size_down=11, mode="exp_range", gamma=0.973)),
    "one_cycle": factors(lambda o: s.OneCycleLR(o, 1.0, total_steps=N)),
    "one_cycle_linear": factors(lambda o: s.OneCycleLR(
        o, 1.0, total_steps=73, pct_start=0.413, anneal_strategy="linear", div_factor=7.31,
        final_div_factor=238.5), 73),
    "one_cycle_late": factors(lambda o: s.OneCycleLR(o, 1.0, total_steps=41, pct_start=1.0), 41),
    "one_cycle_early": factors(lambda o: s.OneCycleLR(o, 1.0, total_steps=41, pct_start=0.0), 41),
    "one_cycle_momentum": factors(lambda o: s.OneCycleLR(o, 1.0, total_steps=N), of="momentum", whole=0.95),
    "cyclic_momentum": factors(lambda o: s.CyclicLR(o, 0.1, 1.0, step_size_up=9, mode="triangular2",
                                                    base_momentum=0.8, max_momentum=0.9),
                               of="momentum", whole=0.9),
})
