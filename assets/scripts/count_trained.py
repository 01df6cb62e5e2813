"""Operation counts of one forward of the two trained models (same counter as make_fixtures.py)."""
import json, sys
import torch
from diffusers import StableDiffusionPipeline
import binary_mnist_model as bm
import make_fixtures as mf

root = sys.argv[1] if len(sys.argv) > 1 else "out"
torch.set_num_threads(1)
res = {}
m = bm.load(f"{root}/binary-mnist/unet")
res["binary-mnist unet, 28x28, batch 1"] = mf.count(m, lambda q: q(torch.zeros(1, 1, 28, 28), 1, class_labels=torch.tensor([0])))
p = StableDiffusionPipeline.from_pretrained(f"{root}/mini-sd", safety_checker=None)
u, v, t = p.unet.float(), p.vae.float(), p.text_encoder.float()
res["mini-sd unet, 8x8 latent, 16 tokens, batch 1"] = mf.count(u, lambda q: q(torch.zeros(1, 4, 8, 8), 1, torch.zeros(1, 16, 64)))
res["mini-sd vae decoder, 8x8 -> 32x32"] = mf.count(v, lambda q: q.decode(torch.zeros(1, 4, 8, 8)))
res["mini-sd text encoder, 16 tokens"] = mf.count(t, lambda q: q(input_ids=torch.full((1, 16), 49407)))
json.dump(res, open(f"{root}/fixtures/counts-trained.json", "w"), indent=1)
for k, d in res.items():
    print(k, {a: b for a, b in d.items() if a.startswith("elements") or a in ("mac.total", "parameters") or "rows" in a or "groups" in a})
