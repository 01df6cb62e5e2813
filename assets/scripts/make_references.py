"""End-to-end reference trajectories of the trained models (fp32 arithmetic, 50 DDIM steps), for another implementation
to compare with: inputs, some predictions, results; exact functions and approximated ones.

    python make_references.py OUT        writes OUT/binary-mnist/reference.safetensors, OUT/mini-sd/reference.safetensors

Samples are not clipped, except in "exact-clip:x_0": there the predicted image is clipped to [-1, 1] and eps is derived
again from the clipped image (diffusers' use_clipped_model_output=True; see guidance.py).
"""
import sys
import torch
from safetensors.torch import save_file
from diffusers import DDIMScheduler, StableDiffusionPipeline
import approx, binary_mnist_model as bm, train_mini_sd as T
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

    p = StableDiffusionPipeline.from_pretrained(f"{root}/mini-sd", safety_checker=None)
    unet, text, vae = [approx.prepare(q.float().eval()) for q in (p.unet, p.text_encoder, p.vae)]
    sch, sf = Schedule(p.scheduler, 50), p.vae.config.scaling_factor
    texts = ["a photo of a red sneaker", "a handwritten digit seven", "a photo of a blue dress", "a green handwritten digit three"]
    ids, nul = T.ids_of(p.tokenizer, texts), T.ids_of(p.tokenizer, [""])
    z = torch.randn(4, 4, 8, 8, generator=g)
    d = {"in:z_T": z, "in:input_ids": ids, "in:null_ids": nul, "timesteps": torch.tensor(sch.t)}
    for mode in ("exact", "loose"):
        with approx.use(mode):
            h, h0 = text(input_ids=ids).last_hidden_state, text(input_ids=nul).last_hidden_state
            d[f"{mode}:context"], d[f"{mode}:null_context"] = h, h0
            h0 = h0.expand(4, -1, -1)
            d[f"{mode}:eps_cond_first"], d[f"{mode}:eps_uncond_first"] = unet(z, sch.t[0], h).sample, unet(z, sch.t[0], h0).sample
            for s in (4.0, 7.5):
                q = sample(sch, z, lambda a, t: unet(a, t, h).sample, lambda a, t: unet(a, t, h0).sample, s)
                d[f"{mode}:s{s:g}:z_0"], d[f"{mode}:s{s:g}:image"] = q, vae.decode(q / sf).sample
    save_file({k: v.contiguous() for k, v in d.items()}, f"{root}/mini-sd/reference.safetensors", {"prompts": " | ".join(texts)})
    # the stock pipeline gives the same picture from the same latents
    with approx.use("exact"):
        im = p(texts, latents=z, num_inference_steps=50, guidance_scale=4.0, output_type="pt", height=32, width=32).images
    print("pipeline against our sampler, max difference in [0,1]:", (im - (d["exact:s4:image"] / 2 + .5).clamp(0, 1)).abs().max().item())
