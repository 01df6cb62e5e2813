"""The paper's polynomials as data: what CrypTen, SPU and Masque all evaluate.

A function is a list of thresholds and, between them, coefficients in ascending powers of x; segments are half-open. The
same numbers stand in `engine/src/approx.rs`.
"""

import numpy as np

IDENTITY = [0.0, 1.0]

SILU = {
    "precise": (
        [-8.0, -4.0, 4.0],
        [
            None,
            [-0.3067541139982155, -0.0819767021525476, -0.0055465625580307],
            [0.0085064025895951, 0.5, 0.228143084172827, 0, -0.011113046708173, 0, 0.0002743776353465],
            IDENTITY,
        ],
    ),
    "loose": (
        [-5.4, 4.0],
        [
            None,
            [0.00882801754, 0.500011828, 0.228920817, 0, -0.0118558684, 0, 0.000397939016, 0, -0.00000528080234],
            IDENTITY,
        ],
    ),
}

GELU = {
    "precise": (
        [-5.0, -1.97, 3.0],
        [
            None,
            [-0.5054031199708174, -0.4222658115198386, -0.1180761295118195, -0.0110341340306157],
            [0.008526321541038, 0.5, 0.3603292692789629, 0, -0.037688200365904, 0, 0.0018067462606141],
            IDENTITY,
        ],
    ),
    "loose": ([-2.1, 3.0], [None, [0.03222096, 0.49693733, 0.30074739, 0, -0.01625818], IDENTITY]),
}

EXP_LOOSE = (-4.8, [0.98805643, 0.91766503, 0.36066246, 0.06755453, 0.00488676])
EXP_PRECISE_CUTOFF, EXP_PRECISE_SQUARINGS = -14.0, 8

# Powers are taken of x / SCALE, so that high ones keep their bits in fixed point.
SCALE = 4.0

# Intervals over which errors are measured: those of `harness bench ops`.
RANGE = {
    "silu": (-8.0, 4.0),
    "gelu": (-5.0, 3.0),
    "exp": (-14.0, 0.0),
    "relu": (-8.0, 8.0),
    "compare": (-8.0, 8.0),
    "multiply": (-8.0, 8.0),
    "reciprocal": (0.1, 8.0),
    "rsqrt": (0.1, 8.0),
    "softmax": (-14.0, 0.0),
}

# Heads, rows, inner extent, columns of `--shape qk-16`; channels, extent, kernel of `--shape res-8`.
MATMUL = (8, 256, 160, 256)
CONV = (1280, 8, 3)

# Operation and form. Without a form: the library's own function.
CASES = [(op, form) for op in ("silu", "gelu", "exp") for form in ("precise", "loose")] + [
    (op, None) for op in ("relu", "compare", "multiply", "reciprocal", "rsqrt", "softmax", "matmul", "conv")
]


def powers_needed(segments):
    """Powers of x above the first that some segment uses."""
    used = set()
    for coefficients in segments:
        used |= {k for k, c in enumerate(coefficients or []) if k > 1 and c}
    return used


def exact(op, x, y=None):
    """The function itself in double precision; not of a convolution, which costs too much here."""
    from math import erf

    simple = {
        "silu": lambda: x / (1 + np.exp(-x)),
        "gelu": lambda: np.array([0.5 * v * (1 + erf(v / 2**0.5)) for v in x]),
        "exp": lambda: np.exp(x),
        "relu": lambda: np.maximum(x, 0),
        "compare": lambda: (x < 0).astype(np.float64),
        "multiply": lambda: x * y,
        "reciprocal": lambda: 1 / x,
        "rsqrt": lambda: 1 / np.sqrt(x),
        "matmul": lambda: x @ y,
        "conv": lambda: None,
    }
    if op == "softmax":
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)
    return simple[op]()


def inputs(op, n, columns):
    """Operands. Elementwise the first has one value in each of n equal parts of the interval, as in `harness bench ops`."""
    rng = np.random.default_rng(1)
    if op == "matmul":
        heads, rows, inner, cols = MATMUL
        return [rng.normal(size=(heads, rows, inner)), rng.normal(size=(heads, inner, cols)) / inner**0.5]
    if op == "conv":
        channels, extent, kernel = CONV
        weights = rng.normal(size=(channels, channels, kernel, kernel)) / (channels * kernel**2) ** 0.5
        return [rng.normal(size=(1, channels, extent, extent)), weights]
    low, high = RANGE[op]
    first = low + (high - low) * (np.arange(n) + rng.random(n)) / n
    if op == "softmax":
        return [rng.permutation(first).reshape(-1, columns)]
    return [first, low + (high - low) * rng.random(n)] if op == "multiply" else [first]


def arguments(description, repeat):
    """Flags that the scripts share."""
    import argparse

    args = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--op", help="only these operations, separated by commas")
    args.add_argument("--elements", type=int, default=1 << 18)
    args.add_argument("--columns", type=int, default=64, help="of softmax")
    args.add_argument("--repeat", type=int, default=repeat, help="timed repetitions, after one that is not timed")
    args.add_argument("--json", help="write the figures here")
    parsed = args.parse_args()
    known = {op for op, _ in CASES}
    wanted = set(parsed.op.split(",")) if parsed.op else known
    if wanted - known:
        args.error(f"no operation is called {sorted(wanted - known)}; there are {sorted(known)}")
    parsed.cases = [case for case in CASES if case[0] in wanted]
    return parsed


def show(row):
    """A row of figures on a line."""
    per = 1e6 / row["elements"]
    mse = "-" if row["mse"] is None else f"{row['mse']:.2e}"
    print(f"{row['op']:10} {row['approx'] or '':8} wall {row['wall_s'] * per:9.3f}  processor {row['cpu_s'] * per:9.3f} us/element  "
          f"{row['bytes_per_element']:8.1f} B/element both ways  MSE {mse}", flush=True)


def save(path, system, args, rows):
    """All figures as JSON."""
    import json
    import os
    import platform

    if path:
        about = dict(system=system, python=platform.python_version(), cores=os.cpu_count(), repeat=args.repeat, rows=rows)
        with open(path, "w") as f:
            json.dump(about, f, indent=1)
            f.write("\n")
