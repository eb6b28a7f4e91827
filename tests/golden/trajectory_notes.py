"""The metadata that make a golden file a recorded run, which `assay plugin check ID --against FILE` replays; the format is
described in sdk/check/optimizer_trajectory.h."""

# Where torch's options have other names, or several numbers.
TORCH_NAMES = {
    "betas": ("beta1", "beta2"),
    "etas": ("eta_minus", "eta_plus"),
    "step_sizes": ("step_min", "step_max"),
    "initial_accumulator_value": ("initial_accumulator",),
    "foreach": (),  # how torch computes, not what
}


def text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"%s"' % value
    if isinstance(value, dict):
        return "{ %s }" % settings(value)
    return repr(value)


def settings(options):
    """Hyperparameters as in a block of a config: lr = 0.0319; beta1 = 0.81;"""
    out = []
    for key, value in options.items():
        names = TORCH_NAMES.get(key, (key,))
        values = value if isinstance(value, tuple) else (value,)
        out += ["%s = %s;" % pair for pair in zip(names, map(text, values))]
    return " ".join(out)


def wrapped(options, own):
    """Of an optimizer around another one: the options named in `own` are its own, the others those of the inner one."""
    inner = {k: v for k, v in options.items() if k not in own and k != "inner"}
    return dict({k: v for k, v in options.items() if k in own}, inner=dict(type=options["inner"], **inner))


def notes(recorded, steps, cases, tensors=None, **more):
    """cases: options by name, as the plugin has them; tensors: "role=bias blocks=2" by name, where shape and name do not say it; more: run,
    objective."""
    out = {"format": "assay-trajectory", "version": "1", "steps": str(steps), "recorded": recorded}
    out.update({"settings." + case: settings(options) for case, options in cases.items()})
    out.update({"tensor." + name: told for name, told in (tensors or {}).items()})
    out.update(more)
    return out
