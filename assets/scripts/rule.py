"""Weights by a rule, as models/src/weight_rule.rs has it, and safetensors files; numpy only."""
import json
import struct
import numpy as np

M = (1 << 64) - 1


def stream(key, n, amplitude, base):
    """base + amplitude u_i for the first n indices of the stream of that key."""
    h = 0xCBF29CE484222325
    for b in key.encode():
        h = ((h ^ b) * 0x100000001B3) & M
    with np.errstate(over="ignore"):
        z = np.uint64(h) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    u = (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    return np.float32(base) + np.float32(amplitude) * u


def tensor(tag, name, shape):
    """The weights of a tensor."""
    if len(shape) > 1:
        amplitude, base = (3.0 / np.prod(shape[1:])) ** 0.5, 0.0
        if name.endswith("embedding.weight"):
            amplitude = 1.0 if name.endswith("class_embedding.weight") else 0.05
    else:
        amplitude, base = 0.1, float(name.endswith(".weight"))
    return stream(f"{tag}/{name}", int(np.prod(shape)), amplitude, base).reshape(shape)


def save(path, tensors):
    """Writes float32 and float16 arrays as safetensors."""
    header, at, data = {}, 0, []
    for name, a in tensors.items():
        a = np.ascontiguousarray(a)
        kind = {"float32": "F32", "float16": "F16"}[str(a.dtype)]
        header[name] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
        data.append(a.tobytes())
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(data))
