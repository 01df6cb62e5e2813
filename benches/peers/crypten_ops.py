"""The operations of `harness bench ops` in CrypTen: two processes on this machine, TCP on loopback between them.

    python crypten_ops.py --elements 262144 --columns 64 --repeat 3 --json crypten.json

SiLU, GeLU and exp by the paper's polynomials; everything else as CrypTen does it. Times contain the triples that CrypTen's
trusted first party makes on the fly; its bytes do not, because they are never sent.
"""

import multiprocessing
import os
import statistics
import tempfile
import time

import numpy as np

from functions import EXP_LOOSE, EXP_PRECISE_CUTOFF, EXP_PRECISE_SQUARINGS, GELU, SCALE, SILU, arguments, exact, inputs
from functions import powers_needed, save, show


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


def exponential(x, form):
    if form == "precise":
        above = 1 - (x - EXP_PRECISE_CUTOFF)._ltz()
        y = x / 2**EXP_PRECISE_SQUARINGS + 1
        for _ in range(EXP_PRECISE_SQUARINGS):
            y = y.square()
        return above * y
    cutoff, c = EXP_LOOSE
    above = 1 - (x - cutoff)._ltz()
    x2 = x.square()
    # An opening fewer than by powers.
    return above * (x2 * (x2 * c[4] + x * c[3] + c[2]) + x * c[1] + c[0])


def evaluate(crypten, op, form, x, y):
    if op in ("silu", "gelu"):
        return piecewise(crypten, x, (SILU if op == "silu" else GELU)[form])
    positive = crypten.cfg.temp_override({"functions.reciprocal_all_pos": True})
    library = {
        "exp": lambda: exponential(x, form),
        "relu": lambda: x.relu(),
        "compare": lambda: x._ltz(),
        "multiply": lambda: x * y,
        "reciprocal": lambda: x.reciprocal(),
        "rsqrt": lambda: x.inv_sqrt(),
        "softmax": lambda: x.softmax(1),
        "matmul": lambda: x.matmul(y),
        "conv": lambda: x.conv2d(y, padding=y.size(-1) // 2),
    }
    with positive:
        return library[op]()


def party(rank, rendezvous, args, results):
    # Both parties on the same cores, one thread each.
    os.environ.update(WORLD_SIZE="2", RANK=str(rank), RENDEZVOUS=rendezvous, DISTRIBUTED_BACKEND="gloo",
                      OMP_NUM_THREADS="1")
    import torch

    torch.set_num_threads(1)
    import crypten
    import crypten.communicator as comm

    crypten.init()
    rows = []
    for op, form in args.cases:
        clear = inputs(op, args.elements, args.columns)
        shared = [crypten.cryptensor(torch.tensor(x)) for x in clear] + [None]
        wall, cpu = [], []
        for i in range(args.repeat + 1):
            # Bytes are counted in the first repetition, which is not timed.
            crypten.cfg.communicator.verbose = i == 0
            comm.get().reset_communication_stats()
            comm.get().barrier()
            start, used = time.perf_counter(), time.process_time()
            z = evaluate(crypten, op, form, *shared[:2])
            used, took = time.process_time() - used, time.perf_counter() - start
            if i == 0:
                stats = comm.get().get_communication_stats()
            else:
                wall.append(took)
                cpu.append(used)
        # Our own decoding: CrypTen's is off by one for some negative values.
        scale = z.encoder.scale
        got = z.reveal().numpy().astype(np.float64) / scale
        should = exact(op, *clear)
        mse = None if should is None else float(np.mean((got - should) ** 2))
        rows.append(dict(op=op, approx=form, elements=got.size, wall=wall, cpu=cpu, bytes=stats["bytes"],
                         rounds=stats["rounds"], mse=mse))
    results.put((rank, rows))


def main():
    args = arguments(__doc__, repeat=3)
    multiprocessing.set_start_method("spawn")
    results = multiprocessing.Queue()
    with tempfile.TemporaryDirectory() as folder:
        both = [multiprocessing.Process(target=party, args=(r, f"file://{folder}/meet", args, results)) for r in (0, 1)]
        for p in both:
            p.start()
        rows = dict(results.get() for _ in both)
        for p in both:
            p.join()
    figures = []
    for a, b in zip(rows[0], rows[1]):
        figures.append(dict(
            {k: a[k] for k in ("op", "approx", "elements", "mse", "rounds")},
            wall_s=statistics.median(max(x, y) for x, y in zip(a["wall"], b["wall"])),
            cpu_s=statistics.median(x + y for x, y in zip(a["cpu"], b["cpu"])),
            # CrypTen counts what a party sends and receives: both ways.
            bytes_per_element=a["bytes"] / a["elements"],
        ))
        show(figures[-1])
    save(args.json, "CrypTen 0.4.1", args, figures)


if __name__ == "__main__":
    main()
