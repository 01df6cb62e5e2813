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

# Intervals over which errors are measured.
RANGE = {"silu": (-8.0, 4.0), "gelu": (-5.0, 3.0), "exp": (-14.0, 0.0)}

CASES = [(op, form) for op in ("silu", "gelu", "exp") for form in ("precise", "loose")]


def powers_needed(segments):
    """Powers of x above the first that some segment uses."""
    used = set()
    for coefficients in segments:
        used |= {k for k, c in enumerate(coefficients or []) if k > 1 and c}
    return used


def exact(op, x):
    """The function itself in double precision."""
    from math import erf

    if op == "exp":
        return np.exp(x)
    if op == "silu":
        return x / (1 + np.exp(-x))
    return np.array([0.5 * v * (1 + erf(v / 2**0.5)) for v in x])


def inputs(op, n):
    """One value in each of n equal parts of the interval."""
    low, high = RANGE[op]
    return low + (high - low) * (np.arange(n) + np.random.default_rng(1).random(n)) / n
