"""End-to-end reference trajectories of the trained model (fp32 arithmetic, 50 DDIM steps), for another implementation
to compare with: inputs, some predictions, results; exact, loose and cipherdm exponentials.

    python make_references.py OUT        writes OUT/binary-mnist/reference.safetensors

Samples are not clipped, except in "exact-clip:x_0": there the predicted image is clipped to [-1, 1] and eps is derived
again from the clipped image (diffusers' use_clipped_model_output=True; see guidance.py).
"""
import sys
import torch
from safetensors.torch import save_file
from diffusers import DDIMScheduler
import approx, binary_mnist_model as bm
from guidance import Schedule, sample

root = sys.argv[1] if len(sys.argv) > 1 else "out"
torch.set_num_threads(1)
g = torch.Generator().manual_seed(2024)
with torch.no_grad():
    m = approx.prepare(bm.load(f"{root}/binary-mnist/unet"))
    sch = Schedule(DDIMScheduler.from_pretrained(f"{root}/binary-mnist/scheduler"), 50)
    x, y = torch.randn(4, 1, 28, 28, generator=g), torch.tensor([0, 1, 0, 1])
    d = {"in:x_T": x, "in:labels": y, "timesteps": torch.tensor(sch.t)}
    for mode in ("exact", "loose", "cipherdm"):
        with approx.use(mode):
            d[f"{mode}:x_0"], e = sample(sch, x, lambda q, t: m(q, t, class_labels=y).sample, keep=True)
        d[f"{mode}:eps_first"], d[f"{mode}:eps_last"] = e[0], e[-1]
    u, e = sample(sch, x, lambda q, t: m(q, t, class_labels=torch.full_like(y, 2)).sample, keep=True)
    d["uncond:x_0"], d["uncond:eps_all"] = u, torch.stack(e)
    with approx.use("exact"):
        d["exact-clip:x_0"] = sample(sch, x, lambda q, t: m(q, t, class_labels=y).sample, clip=True)
    save_file({k: v.contiguous() for k, v in d.items()}, f"{root}/binary-mnist/reference.safetensors")
