"""Updates alone: `bench_optimizer` beside plain fused loops, the peers' `optim.c`, in turns A B A B; `run --optimizers` calls it.

Either program prints a line of JSON per optimizer and size with the median of its own turns, in CPU time of one thread; shown is
the median of all rounds."""
import json, os, shlex, statistics, subprocess, tempfile

LIMIT = 1.2


def build_peer(folder):
    """The command of the plain loops, built for this very machine; None where they are not to be had."""
    source, program = os.path.join(os.environ["PEERS"], "optim.c"), os.path.join(folder, "optim")
    if not os.path.isfile(source):
        return None
    command = f"gcc -O3 -march=native -mprefer-vector-width=512 -ffast-math {shlex.quote(source)} -o {shlex.quote(program)} -lm"
    return program if subprocess.run(shlex.split(command)).returncode == 0 else None


def take_round(program, rates):
    """workload -> list of ns per parameter; returns workload -> bytes moved per parameter."""
    lines = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    for r in rows:
        rates.setdefault(r["workload"], []).append(r["median"])
    return {r["workload"]: r["bytes_per_param"] for r in rows}


def main():
    ours, theirs, n_bytes = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        peer = build_peer(folder)
        for _ in range(int(os.environ["ROUNDS"])):
            n_bytes = take_round(os.environ["BENCH_OPTIMIZER"], ours)
            if peer:
                take_round(peer, theirs)
    print("one update by itself, one thread, CPU time: ns per parameter, GB/s that it reads and writes, ratio to a plain loop\n")
    print(f"  {'workload':26} {'assay':>8} {'GB/s':>7} {'c-fused':>9} {'GB/s':>7} {'ratio':>7}")
    above = []
    for name, values in ours.items():
        x = statistics.median(values)
        line = f"  {name:26} {x:8.4f} {n_bytes[name] / x:7.0f}"
        if name in theirs:
            y = statistics.median(theirs[name])
            line += f" {y:9.4f} {n_bytes[name] / y:7.0f} {x / y:7.2f}"
            above += [name] if x / y > LIMIT else []
        print(line)
    if theirs:
        print(f"\n{len(above)} of {len(ours)} rows are above {LIMIT}" + (f": {', '.join(above)}" if above else ""))


main()
