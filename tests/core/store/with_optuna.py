"""Reads what test_store_optuna wrote with Optuna: the store itself (views) and the exported files (tables).
usage: with_optuna.py FOLDER; exit code 77 where Optuna is absent."""
import math
import os
import sys

try:
    import optuna
except ImportError as why:
    print("skipped: python3-optuna is not installed (%s)" % why)
    sys.exit(77)

optuna.logging.set_verbosity(optuna.logging.ERROR)
os.chdir(sys.argv[1])
version = tuple(int(x) for x in optuna.__version__.split(".")[:2])
mine, other = ("3.1", "3.2") if version < (3, 2) else ("3.2", "3.1")
State = optuna.trial.TrialState


def url(name, may_write=False):
    return "sqlite:///" + name if may_write else "sqlite:///file:%s?mode=ro&uri=true" % name


def check(storage):
    names = {s.study_name for s in optuna.get_all_study_summaries(storage=storage)}
    assert names == {"digits", "digits/adam/spirals/2", "digits/adam/spirals/2/evaluation"}, names
    study = optuna.load_study(study_name="digits", storage=storage)
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    assert study.user_attrs["assay:study"] == "digits" and study.user_attrs["assay:phase"] == "tuning"
    trials = study.trials
    assert [t.number for t in trials] == list(range(12))
    want = [State.COMPLETE] * 4 + [State.PRUNED, State.PRUNED] + [State.FAIL] * 4 + [State.RUNNING, State.WAITING]
    assert [t.state for t in trials] == want, [t.state for t in trials]
    reasons = [t.user_attrs["assay:state"] for t in trials]
    assert reasons[4:] == ["pruned", "paused", "failed", "diverged", "timeout", "lost", "running", "waiting"]
    # An infinite value must not be the best one: trial 7 diverged to it.
    assert study.best_trial.number == 3 and study.best_value == 0.5 - 3 / 64
    assert trials[7].value is None and trials[7].user_attrs["assay:reason"] == 'nan in "layer 2" \u00e4'
    assert trials[4].value == 0.5 - 4 / 64
    assert trials[0].params == {"optimizer.lr": 0.1, "units": 4, "cell": "lstm", "free": 2.5, "word": "x"}, trials[0].params
    assert trials[1].params == {"optimizer.lr": 1e-6, "cell": "gru"}  # a conditional one is absent
    d = trials[0].distributions
    assert d["optimizer.lr"] == optuna.distributions.FloatDistribution(1e-6, 0.1, log=True)
    assert d["units"] == optuna.distributions.IntDistribution(1, 256, step=3)
    assert d["cell"] == optuna.distributions.CategoricalDistribution(("gru", "lstm", "rnn"))
    curve = trials[0].intermediate_values
    assert len(curve) == 5 and curve[1] == 2.0 and curve[2] == math.inf and curve[3] == -math.inf
    assert math.isnan(curve[4]) and curve[2**20 + 2] == 0.25
    assert trials[1].intermediate_values == {1: 1.5, 2: 1.25}  # of the last attempt that came to a step
    assert trials[0].user_attrs["assay:seed"] == 2**64 - 3 and trials[0].user_attrs["assay:standard_error"] == 0.125
    assert trials[0].datetime_start.timestamp() > 0 and trials[0].datetime_complete >= trials[0].datetime_start
    # Naive UTC, as the store's own clock.
    import datetime
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    if version < (4, 99):
        assert abs((now - trials[0].datetime_start).total_seconds()) < 600, trials[0].datetime_start
    return study


for name in ("views-%s.db" % mine, "tables-%s.db" % mine):
    check(url(name))
    print("ok: %s, read by Optuna %s" % (name, optuna.__version__))
try:
    optuna.load_study(study_name="digits", storage=url("views-%s.db" % other))
    sys.exit("Optuna %s reads the revision of %s: why are there two?" % (optuna.__version__, other))
except RuntimeError:
    pass

# The export can be gone on with, by the sampler that looks at everything.
study = check(url("tables-%s.db" % mine, True))
study.sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=1)
study.optimize(lambda t: t.suggest_float("optimizer.lr", 1e-6, 0.1, log=True), n_trials=3)
states = [t.state for t in study.trials]  # the one that waited is run first, then two new ones
assert states[11:] == [State.COMPLETE] * 3, states
assert study.best_trial.number >= 11
print("ok: tables-%s.db, gone on with" % mine)
