"""Updates alone, beside plain loops of the same traffic: `run --optimizers` calls this.

`bench_optimizer` measures both in turns A B A B and prints a line of JSON per optimizer and size with the medians of its turns, in CPU
time of one thread; shown are the medians of all rounds. The peers' `optim.c` is a program of its own: where it is there, it has its
turn in every round, too, for the four methods that it knows."""
import json, os, shlex, statistics, subprocess, sys, tempfile

LIMIT = 1.3


def build_peer(folder):
    """The command of the peers' loops, built for this very machine; None where they are not to be had."""
    source, program = os.path.join(os.environ["PEERS"], "optim.c"), os.path.join(folder, "optim")
    if not os.path.isfile(source):
        return None
    command = f"gcc -O3 -march=native -mprefer-vector-width=512 -ffast-math {shlex.quote(source)} -o {shlex.quote(program)} -lm"
    return program if subprocess.run(shlex.split(command)).returncode == 0 else None


def rows_of(program):
    run = subprocess.run([program], stdout=subprocess.PIPE, text=True)
    if run.returncode != 0:
        sys.exit(f"bench: {program} ended with {run.returncode}")
    return [json.loads(line) for line in run.stdout.splitlines()]


def take_rounds(peer):
    """workload -> what all rounds found of it: assay, plain, ratio, optim.c (lists), bytes, passes."""
    found = {}
    for _ in range(int(os.environ["ROUNDS"])):
        for r in rows_of(os.environ["BENCH_OPTIMIZER"]):
            f = found.setdefault(r["workload"], {"assay": [], "plain": [], "ratio": [], "optim.c": []})
            f["bytes"], f["passes"] = r["bytes_per_param"], r["passes"]
            f["assay"].append(r["assay"])
            f["plain"].append(r["plain"])
            f["ratio"].append(r["assay"] / r["plain"])
        for r in rows_of(peer) if peer else []:
            found[r["workload"]]["optim.c"].append(r["median"])
    return found


def main():
    with tempfile.TemporaryDirectory() as folder:
        found = take_rounds(build_peer(folder))
    print("one update by itself, one thread, CPU time: ns per parameter, GB/s that it reads and writes, ratio to a plain loop of the "
          "same traffic\n(the least and the most of all rounds in brackets)\n")
    print(f"  {'workload':36} {'bytes':>5} {'assay':>8} {'GB/s':>6} {'plain':>8} {'GB/s':>6} {'optim.c':>8} {'ratio':>6}"
          f" {'':>11}  passes: reads > writes")
    above = []
    for name, f in found.items():
        x, y, ratio = (statistics.median(f[key]) for key in ("assay", "plain", "ratio"))
        theirs = f"{statistics.median(f['optim.c']):.4f}" if f["optim.c"] else ""
        spread = f"({min(f['ratio']):.2f} {max(f['ratio']):.2f})"
        print(f"  {name:36} {f['bytes']:5} {x:8.4f} {f['bytes'] / x:6.0f} {y:8.4f} {f['bytes'] / y:6.0f} {theirs:>8} {ratio:6.2f}"
              f" {spread:>11}  {f['passes']}")
        above += [name] if ratio > LIMIT else []
    print(f"\n{len(above)} of {len(found)} rows are above {LIMIT}" + (f": {', '.join(above)}" if above else ""))


main()
