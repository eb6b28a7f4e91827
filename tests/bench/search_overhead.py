"""What a strategy itself costs, beside Optuna, in one run: called by `run --search`, which sets BUILD and PEERS.

Processor time of an ask and a tell, in microseconds, over the last 50 trials; then a trial that is kept on disk, the way to a
strategy in a process of its own, and how long it takes until 10000 trials are there again."""
import importlib.util
import json
import os
import subprocess
import sys

BENCH = os.path.join(os.environ["BUILD"], "tests", "bench")
PEER = os.path.join(os.environ["PEERS"], "search", "overhead.py")
ROWS = (("random", "random", 10, 100, 5), ("random", "random", 10, 1000, 5), ("tpe", "tpe", 10, 100, 150), ("tpe", "tpe", 10, 1000, 500),
        ("cmaes", "cmaes", 10, 100, 30), ("gp", None, 10, 100, 10000))


def ours(*words):
    out = subprocess.run([os.path.join(BENCH, words[0]), *map(str, words[1:])], check=True, capture_output=True, text=True).stdout
    return out


def optuna():
    """overhead.py as a module; None, with the reason, where Optuna is not there."""
    try:
        spec = importlib.util.spec_from_file_location("overhead", PEER)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    except (ImportError, OSError) as e:
        print("without Optuna: %s\n" % e, file=sys.stderr)
        return None


def main():
    peer = optuna()
    print("| strategy | trials | assay, us | at most | Optuna%s, us | times |" % (" " + peer.optuna.__version__ if peer else ""))
    print("| --- | --- | --- | --- | --- | --- |")
    failed = False
    for mine, theirs, dim, n, bar in ROWS:
        us = json.loads(ours("bench_search", "overhead", mine, dim, n))["cpu_us_last50"]
        other = peer.go(theirs, "memory", dim, n)["cpu_us_last50"] if peer and theirs else None
        failed = failed or us > bar
        print("| %s | %d | %.3g | %d | %s | %s |" % (mine, n, us, bar, "%d" % other if other else "-", "%d" % (other / us) if other else "-"), flush=True)
    if peer:
        kept = peer.go("random", "sqlite", 5, 100)
        print("\nOptuna, a trial kept by SQLite: %d us" % kept["us_last50"])
    print("\n" + ours("bench_store") + "\n" + ours("bench_strategy", "random", 10, 10000))
    return 1 if failed else 0


sys.exit(main())
