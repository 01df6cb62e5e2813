"""SiLU, GeLU and exp by the paper's polynomials in SPU: two parties of semi2k simulated in this process.

    python spu_ops.py --elements 262144 --repeat 3 --json spu.json

Parties are threads with a link in memory; its trusted third party hands out triples without sending them.
"""

import argparse
import json
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import spu
import spu.utils.simulation as simulation

from functions import CASES, EXP_LOOSE, EXP_PRECISE_CUTOFF, EXP_PRECISE_SQUARINGS, GELU, SCALE, SILU, exact, inputs

jax.config.update("jax_enable_x64", True)


def piecewise(x, table):
    thresholds, segments = table
    below = [x < t for t in thresholds]
    t = x / SCALE
    t2 = jnp.square(t)
    known = {1: t, 2: t2, 3: t2 * t, 4: jnp.square(t2)}
    known[6], known[8] = known[4] * t2, jnp.square(known[4])
    y = 0.0
    for s, coefficients in enumerate(segments):
        if coefficients is None:
            continue
        inside = jnp.logical_not(below[s - 1]) if s == len(thresholds) else jnp.logical_xor(below[s], below[s - 1])
        if coefficients == [0.0, 1.0]:
            value = x
        else:
            value = coefficients[0] + sum(c * SCALE**k * known[k] for k, c in enumerate(coefficients) if k and c)
        y = y + inside * value
    return y


def function(op, form):
    if op in ("silu", "gelu"):
        return lambda x: piecewise(x, (SILU if op == "silu" else GELU)[form])
    if form == "loose":
        cutoff, c = EXP_LOOSE

        def loose(x):
            x2 = jnp.square(x)
            return (x >= cutoff) * (x2 * (c[4] * x2 + c[3] * x + c[2]) + c[1] * x + c[0])

        return loose

    def precise(x):
        y = 1 + x / 2**EXP_PRECISE_SQUARINGS
        for _ in range(EXP_PRECISE_SQUARINGS):
            y = jnp.square(y)
        return (x >= EXP_PRECISE_CUTOFF) * y

    return precise


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--elements", type=int, default=1 << 18)
    args.add_argument("--repeat", type=int, default=3)
    args.add_argument("--json", help="write the figures here")
    args = args.parse_args()
    config = spu.RuntimeConfig(protocol=spu.ProtocolKind.SEMI2K, field=spu.FieldType.FM64)
    simulator = simulation.Simulator(2, config)
    figures = []
    for op, form in CASES:
        x = inputs(op, args.elements)
        run = simulation.sim_jax(simulator, function(op, form))
        wall, cpu = [], []
        for i in range(args.repeat + 1):
            start, used = time.perf_counter(), time.process_time()
            y = run(x)
            if i:
                wall.append(time.perf_counter() - start)
                cpu.append(time.process_time() - used)
        mse = float(np.mean((np.asarray(y, dtype=np.float64) - exact(op, x)) ** 2))
        figures.append(dict(op=op, approx=form, wall_s=statistics.median(wall), cpu_s=statistics.median(cpu), mse=mse))
        print("{op:5} {approx:8} wall {wall_s:8.3f} s  cpu {cpu_s:8.3f} s  MSE {mse:.3e}".format(**figures[-1]), flush=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump(dict(system="SPU 0.9.5 semi2k", elements=args.elements, repeat=args.repeat, rows=figures), f, indent=1)


if __name__ == "__main__":
    main()
