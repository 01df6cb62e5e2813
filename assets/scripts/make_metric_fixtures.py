"""fixtures/metrics.safetensors: Frechet distances by scipy.linalg.sqrtm and structural similarities by scikit-image.

    python make_metric_fixtures.py ../fixtures/metrics.safetensors      (numpy, scipy, scikit-image, safetensors)
"""
import sys
import numpy as np
from safetensors.numpy import save_file
from scipy.linalg import sqrtm
from skimage.metrics import structural_similarity

r = np.random.default_rng(7)
out = {}


def fid(name, a, b):
    a, b = a.astype(np.float32), b.astype(np.float32)
    x, y = a.astype(np.float64), b.astype(np.float64)
    ca, cb = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    d = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * sqrtm(ca @ cb).real)
    out[f"fid.{name}.a"], out[f"fid.{name}.b"] = a, b
    out[f"fid.{name}.distance"] = np.array([d], np.float32)
    print(name, d)


def mixed(n, d, spread):
    return r.normal(size=(n, d)) @ (r.normal(size=(d, d)) * spread) + r.normal(size=d)


fid("wide", mixed(120, 24, 0.5), mixed(90, 24, 0.7))
fid("narrow", mixed(40, 3, 1.0), mixed(50, 3, 0.1))
# Features that are mostly zero, as behind a ReLU, with fewer images than features: covariances without full rank.
fid("flat", np.maximum(mixed(12, 20, 1.0), 0), np.maximum(mixed(15, 20, 1.0), 0))


def ssim(name, a, b):
    a, b = a.astype(np.float32), b.astype(np.float32)
    v = structural_similarity(a, b, data_range=2.0, channel_axis=2)
    out[f"ssim.{name}.a"], out[f"ssim.{name}.b"] = a, b
    out[f"ssim.{name}.value"] = np.array([v], np.float32)
    print(name, v)


y, x = np.mgrid[0:17, 0:12] / 5.0
a = np.sin(x + y)[..., None]
ssim("grey", a, np.clip(a + 0.3 * r.normal(size=a.shape), -1, 1))
c = np.stack([np.sin(x), np.cos(y), np.sin(x * y)], -1)
ssim("colour", c, np.clip(0.6 * c + 0.2 * r.normal(size=c.shape), -1, 1))
ssim("alike", c, c + 0.002 * r.normal(size=c.shape))
save_file(out, sys.argv[1])
