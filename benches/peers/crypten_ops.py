"""SiLU, GeLU and exp by the paper's polynomials in CrypTen: two processes on this machine.

    python crypten_ops.py --elements 262144 --repeat 5 --json crypten.json

Times contain the triples that CrypTen's trusted first party makes on the fly; its bytes do not, they are never sent.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time

import numpy as np

from functions import CASES, EXP_LOOSE, EXP_PRECISE_CUTOFF, EXP_PRECISE_SQUARINGS, GELU, SCALE, SILU, exact, inputs
from functions import powers_needed


def powers(x, needed):
    """Powers of t = x / SCALE, with squares (one opening) wherever possible."""
    t = x / SCALE
    known = {1: t}

    def power(k):
        if k not in known:
            known[k] = power(k // 2).square() if k % 2 == 0 else power(k // 2) * power(k - k // 2)
        return known[k]

    # x^6 comes from x^3 where that is there, else from x^4 and x^2.
    for k in sorted(needed):
        if k == 6 and 3 not in known and 4 in known:
            known[6] = known[4] * known[2]
        power(k)
    return known


def piecewise(crypten, x, table):
    thresholds, segments = table
    # All comparisons in one batch: b_j = [x < T_j].
    below = crypten.stack([x - t for t in thresholds])._ltz()
    known = powers(x, powers_needed(segments))
    y = 0
    for s, coefficients in enumerate(segments):
        if coefficients is None:
            continue
        inside = 1 - below[s - 1] if s == len(thresholds) else below[s] - below[s - 1]
        if coefficients == [0.0, 1.0]:
            value = x
        else:
            value = coefficients[0]
            for k, c in enumerate(coefficients):
                if k and c:
                    value = known[k] * (c * SCALE**k) + value
        y = inside * value + y
    return y


def evaluate(crypten, op, form, x):
    if op in ("silu", "gelu"):
        return piecewise(crypten, x, (SILU if op == "silu" else GELU)[form])
    if form == "precise":
        above = 1 - (x - EXP_PRECISE_CUTOFF)._ltz()
        y = x / 2**EXP_PRECISE_SQUARINGS + 1
        for _ in range(EXP_PRECISE_SQUARINGS):
            y = y.square()
        return above * y
    cutoff, c = EXP_LOOSE
    above = 1 - (x - cutoff)._ltz()
    x2 = x.square()
    # Two openings fewer than the power basis.
    return above * (x2 * (x2 * c[4] + x * c[3] + c[2]) + x * c[1] + c[0])


def party(rank, rendezvous, elements, repeat, results):
    # Both parties on the same cores, one thread each.
    os.environ.update(WORLD_SIZE="2", RANK=str(rank), RENDEZVOUS=rendezvous, DISTRIBUTED_BACKEND="gloo",
                      OMP_NUM_THREADS="1")
    import torch

    torch.set_num_threads(1)
    import crypten
    import crypten.communicator as comm

    crypten.init()
    rows = []
    for op, form in CASES:
        clear = inputs(op, elements)
        x = crypten.cryptensor(torch.tensor(clear))
        wall, cpu = [], []
        for i in range(repeat + 1):
            # Bytes and rounds are counted in the first repetition, which is not timed.
            crypten.cfg.communicator.verbose = i == 0
            comm.get().reset_communication_stats()
            comm.get().barrier()
            start, used = time.perf_counter(), time.process_time()
            y = evaluate(crypten, op, form, x)
            used, took = time.process_time() - used, time.perf_counter() - start
            if i == 0:
                stats = comm.get().get_communication_stats()
            else:
                wall.append(took)
                cpu.append(used)
        # Our own decoding: CrypTen's rounds negative values by up to one unit in rare cases.
        ring = y.reveal()
        got = ring.numpy().astype(np.float64) / y.encoder.scale
        mse = float(np.mean((got - exact(op, clear)) ** 2))
        rows.append(dict(op=op, form=form, wall=wall, cpu=cpu, bytes=stats["bytes"], rounds=stats["rounds"], mse=mse))
    results.put((rank, rows))


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--elements", type=int, default=1 << 18)
    args.add_argument("--repeat", type=int, default=5)
    args.add_argument("--json", help="write the figures here")
    args = args.parse_args()
    multiprocessing.set_start_method("spawn")
    results = multiprocessing.Queue()
    with tempfile.TemporaryDirectory() as folder:
        rendezvous = f"file://{folder}/meet"
        both = [multiprocessing.Process(target=party, args=(r, rendezvous, args.elements, args.repeat, results))
                for r in (0, 1)]
        for p in both:
            p.start()
        rows = dict(results.get() for _ in both)
        for p in both:
            p.join()
    figures = []
    for a, b in zip(rows[0], rows[1]):
        cpu = statistics.median(x + y for x, y in zip(a["cpu"], b["cpu"]))
        wall = statistics.median(max(x, y) for x, y in zip(a["wall"], b["wall"]))
        figures.append(dict(op=a["op"], approx=a["form"], wall_s=wall, cpu_s=cpu, mse=a["mse"], rounds=a["rounds"],
                            bytes_per_element=a["bytes"] / args.elements))
        print("{op:5} {approx:8} wall {wall_s:8.3f} s  cpu {cpu_s:8.3f} s  {bytes_per_element:7.1f} B/element both ways  "
              "{rounds} rounds  MSE {mse:.3e}".format(**figures[-1]), flush=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump(dict(system="CrypTen 0.4.1", elements=args.elements, repeat=args.repeat, rows=figures), f, indent=1)


if __name__ == "__main__":
    main()
