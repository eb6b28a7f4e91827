"""Gives every program short turns A B C A B C on each workload and prints one table; called by `run`.

A program is a co-process: it says READY when warm, then trains for so many seconds whenever it is told to. With one thread the
rate is per CPU second of the program itself, so that being preempted on a busy machine does not count; with more it is per wall
second. Between turns nobody works for a while, so that threads that the last program left spinning are asleep."""
import os, shlex, statistics, subprocess, sys, time

peers_dir, build = os.environ["PEERS"], os.environ.get("BENCH_PEERS", "/tmp/assay-bench-peers")
peak, _ = (float(x) for x in os.environ["MACHINE"].split())
NOT_SUPPORTED = 77


def peer_programs():
    """name -> command, for the programs that can be built or run here."""
    programs = {"assay": os.environ["TRAIN_PEER"] + " {w} {t}"}
    if not os.path.isdir(peers_dir):
        return programs
    os.makedirs(build, exist_ok=True)
    for name, source, libraries in (("c-openblas", "train_cref", "-lopenblas -lm"), ("fann", "train_fann", "-lfloatfann -lm"),
                                    ("onednn", "train_onednn", "-ldnnl -lm")):
        command = f"gcc -O3 -march=native -mprefer-vector-width=512 -ffast-math -fopenmp {peers_dir}/{source}.c -o {build}/{source} {libraries}"
        if subprocess.run(shlex.split(command), stderr=subprocess.DEVNULL).returncode == 0:
            programs[name] = f"{build}/{source} {{w}} {{t}}"
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode == 0:
        programs["torch-eager"] = f"{python} {peers_dir}/train_torch.py {{w}} {{t}} eager"
        programs["torch-tuned"] = f"{python} {peers_dir}/train_torch.py {{w}} {{t}} jit"
    return programs


class Peer:
    """One program on one workload; `why` says why it has no rate, where it has none."""

    def __init__(self, command, workload, threads):
        self.process = subprocess.Popen(shlex.split(command.format(w=workload, t=threads)), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.rates, self.why, self.flops = [], "", 0
        ready = self.process.stdout.readline().split()
        if len(ready) > 1 and ready[0] == "READY":
            self.flops = float(ready[1])
        else:
            self.give_up()

    def give_up(self):
        code = self.end()
        self.why = "not supported" if code == NOT_SUPPORTED else f"ended with {code}"

    def turn(self, seconds, clock):
        try:
            self.process.stdin.write(f"{seconds}\n")
            self.process.stdin.flush()
            units, wall, cpu = (float(x) for x in self.process.stdout.readline().split())
        except (BrokenPipeError, ValueError):
            self.give_up()
            return
        self.rates.append(units / (cpu if clock == "cpu" else wall))

    def rate(self):
        return 0 if self.why else statistics.median(self.rates)

    def end(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        return self.process.wait()


def human(x):
    return f"{x / 1e6:.2f}M" if x >= 1e6 else f"{x / 1e3:.1f}k" if x >= 1e4 else f"{x:.0f}"


def measure(programs, workload, threads, clock):
    """name -> Peer, each with the rates of its turns."""
    peers = {name: Peer(command, workload, threads) for name, command in programs.items()}
    for _ in range(int(os.environ["ROUNDS"])):
        for p in peers.values():
            if not p.why:
                time.sleep(float(os.environ["PAUSE"]))
                p.turn(os.environ["SECONDS_OF_TURN"], clock)
    for p in peers.values():
        p.end()
    return peers


def row(workload, peers, threads):
    ours = peers["assay"]
    rate = ours.rate()
    of_peak = f"{rate * ours.flops / 1e9 / peak / threads:.0%}" if rate else ""
    text = f"  {workload:32} {human(rate) if rate else ours.why:>13} {of_peak:>8}"
    for name, p in peers.items():
        if name != "assay":
            theirs = p.rate()
            ratio = f" ({rate / theirs:.2f}x)" if rate and theirs else ""
            text += f" {human(theirs) + ratio if theirs else '-' if p.why == 'not supported' else p.why:>16}"
    return text


def main():
    programs = peer_programs()
    others = [name for name in programs if name != "assay"]
    print(f"one core: {peak:.0f} GF/s of fp32 multiply-adds; samples (recurrent: time steps) per second, in brackets "
          "assay's ratio to it\n")
    for threads in (int(t) for t in os.environ["THREADS"].split()):
        clock = "cpu" if threads == 1 else "wall"
        print(f"{threads} thread{'s' if threads > 1 else ''} ({clock} time)")
        print(f"  {'workload':32} {'assay':>13} {'of peak':>8}" + "".join(f" {name:>16}" for name in others))
        for workload in sys.argv[1:]:
            print(row(workload, measure(programs, workload, threads, clock), threads), flush=True)
        print()


main()
