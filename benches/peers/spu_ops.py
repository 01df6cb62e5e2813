"""The operations of `harness bench ops` in SPU: two parties of semi2k, simulated in this process.

    python spu_ops.py --elements 262144 --columns 64 --repeat 3 --json spu.json

SiLU, GeLU and exp by the paper's polynomials; everything else as SPU does it. Parties are threads with a link in memory; the
trusted third party hands out triples without sending them. Compilation, sharing and revealing are not timed.
"""

import os
import re
import statistics
import sys
import tempfile
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import spu
import spu.libspu as libspu
import spu.utils.frontend as frontend

from functions import EXP_LOOSE, EXP_PRECISE_CUTOFF, EXP_PRECISE_SQUARINGS, GELU, SCALE, SILU, arguments, exact
from functions import inputs, save, show

PARTIES = 2


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


def exponential(x, form):
    if form == "loose":
        cutoff, c = EXP_LOOSE
        x2 = jnp.square(x)
        return (x >= cutoff) * (x2 * (c[4] * x2 + c[3] * x + c[2]) + c[1] * x + c[0])
    y = 1 + x / 2**EXP_PRECISE_SQUARINGS
    for _ in range(EXP_PRECISE_SQUARINGS):
        y = jnp.square(y)
    return (x >= EXP_PRECISE_CUTOFF) * y


def function(op, form):
    library = {
        "silu": lambda x: piecewise(x, SILU[form]),
        "gelu": lambda x: piecewise(x, GELU[form]),
        "exp": lambda x: exponential(x, form),
        "relu": lambda x: jnp.maximum(x, 0),
        "compare": lambda x: x < 0,
        "multiply": lambda x, y: x * y,
        "reciprocal": lambda x: 1 / x,
        "rsqrt": jax.lax.rsqrt,
        "softmax": lambda x: jax.nn.softmax(x, axis=1),
        "matmul": jnp.matmul,
        "conv": lambda x, w: jax.lax.conv(x, w, (1, 1), "SAME"),
    }
    return library[op]


class Printed:
    """What native code prints meanwhile."""

    def __enter__(self):
        sys.stdout.flush()
        self.file = tempfile.TemporaryFile("w+")
        self.saved = [os.dup(1), os.dup(2)]
        os.dup2(self.file.fileno(), 1)
        os.dup2(self.file.fileno(), 2)
        return self

    def __exit__(self, *_):
        for fd, saved in zip((1, 2), self.saved):
            os.dup2(saved, fd)
            os.close(saved)
        self.file.seek(0)
        self.text = self.file.read()


def run(executable, config, operands, profile):
    """One evaluation by all parties: results, seconds that passed, processor seconds of all threads."""
    io = spu.Io(PARTIES, config)
    shares = [io.make_shares(x, libspu.Visibility.VIS_SECRET) for x in operands]
    parties = libspu.link.Desc()
    for rank in range(PARTIES):
        parties.add_party(f"id_{rank}", f"thread_{rank}")
    ready, done = threading.Barrier(PARTIES + 1), threading.Barrier(PARTIES + 1)
    outputs = [None] * PARTIES

    def party(rank):
        own = libspu.RuntimeConfig(config)
        own.enable_pphlo_profile = profile and rank == 0
        runtime = spu.Runtime(libspu.link.create_mem(parties, rank), own)
        for name, share in zip(executable.input_names, shares):
            runtime.set_var(name, share[rank])
        ready.wait()
        try:
            runtime.run(executable)
        finally:
            done.wait()
        outputs[rank] = [runtime.get_var(name) for name in executable.output_names]

    threads = [threading.Thread(target=party, args=(rank,)) for rank in range(PARTIES)]
    for t in threads:
        t.start()
    ready.wait()
    start, used = time.perf_counter(), time.process_time()
    done.wait()
    took, used = time.perf_counter() - start, time.process_time() - used
    for t in threads:
        t.join()
    return np.asarray(io.reconstruct([o[0] for o in outputs]), dtype=np.float64), took, used


def main():
    args = arguments(__doc__, repeat=3)
    config = libspu.RuntimeConfig(protocol=libspu.ProtocolKind.SEMI2K, field=libspu.FieldType.FM64)
    figures = []
    for op, form in args.cases:
        clear = inputs(op, args.elements, args.columns)
        operands = [np.asarray(x, dtype=np.float32) for x in clear]
        names = [f"in{i}" for i in range(len(operands))]
        executable, _ = frontend.compile(
            frontend.Kind.JAX, function(op, form), operands, {}, names,
            [libspu.Visibility.VIS_SECRET] * len(operands), lambda flat: [f"out{i}" for i in range(len(flat))],
        )
        # Bytes are counted in the first repetition, which is not timed.
        with Printed() as printed:
            run(executable, config, operands, profile=True)
        sent = re.search(r"total send bytes (\d+)", printed.text)
        samples = [run(executable, config, operands, profile=False) for _ in range(args.repeat)]
        got, should = samples[-1][0], exact(op, *clear)
        figures.append(dict(
            op=op, approx=form, elements=got.size,
            mse=None if should is None else float(np.mean((got - should) ** 2)),
            wall_s=statistics.median(s[1] for s in samples), cpu_s=statistics.median(s[2] for s in samples),
            # One party's; the other sends as many.
            bytes_per_element=PARTIES * int(sent.group(1)) / got.size if sent else float("nan"),
        ))
        show(figures[-1])
    save(args.json, f"SPU {spu.__version__} semi2k", args, figures)


if __name__ == "__main__":
    main()
