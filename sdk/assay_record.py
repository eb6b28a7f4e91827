#!/usr/bin/env python3
"""Records what an optimizer written for PyTorch does, so that its port to assay can be held against it.

    python3 assay_record.py torch.optim.AdamW lr=0.003 weight_decay=0.02 -o adamw.safetensors --settings 'lr = 0.003; weight_decay = 0.02;'
    assay plugin check ./adamw.so --against adamw.safetensors

or, for a class of your own,

    from assay_record import record
    record(lambda parameters: Lion(parameters, lr=3e-4), "lion.safetensors", settings="lr = 3e-4;")

A small net (a matrix into tanh, a matrix, their biases and a gain) is trained on made-up data, by PyTorch, with the optimizer. The file
holds for each of its tensors the weights before the first step (`w0.<name>`, [shape]), the gradients (`g.<name>`, [steps, shape]) and the
weights after each step (`w.<name>`, [steps, shape]), as float32. Matrices are stored as assay has them, [in, out]; PyTorch's are the
transpose. `settings` are the port's hyperparameters as they would stand in its block of a config. Some gradients are
made larger or zero on the way, since it is there that ports differ: at the first steps, at zeros, where clipping sets in.

An optimizer that evaluates its objective itself (step(closure) as LBFGS) cannot be recorded so.

The format, which may also hold several runs, is described in assay's sdk/check/optimizer_trajectory.h.

Needs PyTorch 1.13 or later and nothing else.
"""
import argparse
import ast
import importlib
import json
import struct
import sys

try:
    import torch
except ImportError as error:
    sys.exit(f"assay_record: it needs PyTorch, which this Python ({sys.executable}) cannot import: {error}")

SIZES = (7, 5, 3)  # inputs, hidden units, outputs
SAMPLES = 24


class Net(torch.nn.Module):
    """Tensors of every role that optimizers tell apart: weights, biases, a gain."""

    def __init__(self, generator):
        super().__init__()
        inputs, hidden, outputs = SIZES

        def normal(*shape):
            return torch.nn.Parameter(torch.randn(*shape, generator=generator) / shape[-1] ** 0.5)

        self.tensors = torch.nn.ParameterDict({
            "dense1_weight": normal(hidden, inputs),
            "dense1_bias": normal(hidden),
            "norm1_gain": torch.nn.Parameter(1 + 0.1 * torch.randn(hidden, generator=generator)),
            "dense2_weight": normal(outputs, hidden),
            "dense2_bias": normal(outputs),
        })

    def forward(self, x):
        t = self.tensors
        h = torch.tanh(x @ t["dense1_weight"].T + t["dense1_bias"]) * t["norm1_gain"]
        return h @ t["dense2_weight"].T + t["dense2_bias"]


def disturb(parameters, step):
    """Gradients at which implementations part: none at all, single zeros, a burst."""
    for parameter in parameters:
        if step == 11:
            parameter.grad.zero_()
        elif step == 17:
            parameter.grad.mul_(100)
        elif step % 5 == 2:
            parameter.grad.view(-1)[0] = 0


def as_assay(tensor):
    tensor = tensor.detach()
    return (tensor.T if tensor.dim() == 2 else tensor).contiguous().to(torch.float32)


def write_safetensors(path, tensors, notes):
    header, blocks, at = {"__metadata__": notes}, [], 0
    for name, tensor in sorted(tensors.items()):
        data = tensor.numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + len(data)]}
        blocks.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blocks))


def record(make_optimizer, path, settings="", steps=40, seed=0, double=False):
    """Runs the optimizer that make_optimizer(parameters) gives, and writes `path`.

    settings: the port's hyperparameters, as in a config. double: computes in float64 (the recorded gradients and weights are
    rounded to float32), which shows the port's rounding apart from PyTorch's.
    """
    generator = torch.Generator().manual_seed(seed)
    net = Net(generator)
    x = torch.randn(SAMPLES, SIZES[0], generator=generator)
    y = torch.randn(SAMPLES, SIZES[2], generator=generator)
    if double:
        net, x, y = net.double(), x.double(), y.double()
    names = {name: name.replace("_", ".") for name in net.tensors}
    try:
        optimizer = make_optimizer(list(net.tensors.values()))
    except (TypeError, ValueError) as error:
        sys.exit(f"assay_record: the optimizer cannot be made: {error}")
    tensors = {f"w0.{names[n]}": as_assay(p).clone() for n, p in net.tensors.items()}
    g = {n: [] for n in names}
    w = {n: [] for n in names}
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(x), y).backward()
        disturb(net.tensors.values(), step)
        for n, p in net.tensors.items():
            p.grad.copy_(p.grad.float())  # what is recorded is what was used, in double, too
            g[n].append(as_assay(p.grad).clone())
        try:
            optimizer.step()
        except TypeError as error:
            sys.exit(f"assay_record: {type(optimizer).__name__}.step() wants more than gradients ({error}): it cannot be recorded")
        for n, p in net.tensors.items():
            w[n].append(as_assay(p).clone())
    for n, name in names.items():
        tensors[f"g.{name}"] = torch.stack(g[n])
        tensors[f"w.{name}"] = torch.stack(w[n])
    notes = {"format": "assay-trajectory", "version": "1", "steps": str(steps), "settings": settings,
             "recorded": f"{type(optimizer).__module__}.{type(optimizer).__qualname__}, torch {torch.__version__}, "
                         f"{'float64' if double else 'float32'}, seed {seed}"}
    write_safetensors(path, tensors, notes)
    return notes


def find_class(module, name):
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        sys.exit(f"assay_record: the module {module} cannot be imported: {error}; it is looked for here and where Python looks")
    if not isinstance(found, type):
        sys.exit(f"assay_record: the module {module} has no class {name}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                     epilog="The file is then named by assay plugin check ./port.so --against FILE.")
    parser.add_argument("optimizer", help="its class: torch.optim.AdamW, my_module.Lion")
    parser.add_argument("arguments", nargs="*", metavar="KEY=VALUE",
                        help="what the optimizer is made with: lr=0.01 'betas=(0.9, 0.99)' amsgrad=True")
    parser.add_argument("-o", "--output", required=True, help="the file to write (.safetensors)")
    parser.add_argument("--settings", default="", help="the port's hyperparameters as in a config: 'lr = 0.01; beta1 = 0.9;'")
    parser.add_argument("--steps", type=int, default=40, help="how many updates are recorded (%(default)s); some differences show only late")
    parser.add_argument("--seed", type=int, default=0, help="of the net's weights and the data (%(default)s)")
    parser.add_argument("--double", action="store_true", help="compute in float64")
    a = parser.parse_args()
    module, _, name = a.optimizer.rpartition(".")
    if not module:
        parser.error(f"{a.optimizer}: expected MODULE.CLASS, as torch.optim.Adam")
    try:
        arguments = {k: ast.literal_eval(v) for k, v in (item.split("=", 1) for item in a.arguments)}
    except (ValueError, SyntaxError):
        parser.error(f"expected KEY=VALUE with numbers, True, False or (tuples), found {' '.join(a.arguments)}")
    sys.path.insert(0, ".")
    kind = find_class(module, name)
    if a.steps < 1:
        parser.error(f"--steps {a.steps}: expected at least 1")
    notes = record(lambda parameters: kind(parameters, **arguments), a.output, a.settings, a.steps, a.seed, a.double)
    print(f"{a.output}: {a.steps} steps of {notes['recorded']}")


if __name__ == "__main__":
    main()
