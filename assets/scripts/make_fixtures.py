"""Reference fixtures and operation counts for diffusion models in the diffusers layout.

    python make_fixtures.py --out out/fixtures [--full ""]

Makes
  tiny-unet-a/, tiny-unet-b/, tiny-unet-class/, tiny-text/, tiny-vae/
                        config.json, model.safetensors (fp32 weights), io.safetensors (inputs, output, and the
                        output of every inner module, keyed "act:<module path>")
  tiny-pipeline.safetensors   text encoder -> CFG 7.5 -> 4 DDIM steps -> VAE decode, with every step's tensors
  schedule.safetensors  the SD v1.5 schedule: betas, alphas_cumprod, 50 DDIM timesteps, one DDIM / DDPM step
  approx.safetensors    Precise / Loose / CipherDM functions of Appendix A on a grid (float64)
  full-io.safetensors   SD v1.5 size with the weight rule below: inputs and outputs, and per-module statistics
  full-tensors.json     every tensor name and shape of the three full models
  counts.json           parameters, MACs per layer type, numbers of elements per non-linear operation

Weight rule (so that nobody has to ship 4 GB of random numbers), all arithmetic modulo 2^64:
  h      = FNV-1a 64 of the UTF-8 bytes of "<model tag>/<tensor name>"   (offset 0xcbf29ce484222325, prime 0x100000001b3)
  z_i    = splitmix64 finaliser of h + (i+1) * 0x9E3779B97F4A7C15,  i = flat row-major index from 0
           (z ^= z>>30; z *= 0xBF58476D1CE4E5B9; z ^= z>>27; z *= 0x94D049BB133111EB; z ^= z>>31)
  u_i    = (z_i >> 40) * 2^-23 - 1       exactly representable in float32, in [-1, 1)
  value  = base + amp * u_i              amp rounded to float32 first, product rounded to float32, then the sum
  amp,base: "*embedding.weight" of rank 2: 0.05, 0 (class_embedding: 1, 0); other tensors of rank >= 2:
            sqrt(3 / (product of shape[1:])), 0; rank-1 "*.weight" (norms): 0.1, 1; rank-1 "*.bias": 0.1, 0
Inputs use the same rule with the tag "input" and amp sqrt(3) (variance 1).
"""
import argparse, collections, json, math, os, time
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
import diffusers, transformers
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, UNet2DConditionModel, UNet2DModel
from transformers import CLIPTextConfig, CLIPTextModel

M64 = (1 << 64) - 1


def stream(key, n, chunk=1 << 24):
    h = 0xCBF29CE484222325
    for b in key.encode():
        h = ((h ^ b) * 0x100000001B3) & M64
    out = np.empty(n, np.float32)
    with np.errstate(over="ignore"):
        for s in range(0, n, chunk):
            e = min(n, s + chunk)
            z = np.arange(s + 1, e + 1, dtype=np.uint64)
            z *= np.uint64(0x9E3779B97F4A7C15)
            z += np.uint64(h)
            z ^= z >> np.uint64(30); z *= np.uint64(0xBF58476D1CE4E5B9)
            z ^= z >> np.uint64(27); z *= np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
            out[s:e] = (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0 ** -23) - np.float32(1)
    return out


def tensor(key, shape, amp, base=0.0):
    n = int(np.prod(shape)) if len(shape) else 1
    v = stream(key, n) * np.float32(amp)
    if base:
        v += np.float32(base)
    return torch.from_numpy(v.reshape(shape))


def rule(name, shape):
    if len(shape) >= 2:
        if name.endswith("class_embedding.weight"):
            return 1.0, 0.0
        if name.endswith("embedding.weight"):
            return 0.05, 0.0
        return math.sqrt(3.0 / float(np.prod(shape[1:]))), 0.0
    return (0.1, 1.0) if name.endswith(".weight") else (0.1, 0.0)


def canonical(model, k):
    """transformers 5 drops the 'text_model.' prefix of CLIPTextModel; the SD v1.5 files have it, so keys do too."""
    return "text_model." + k if type(model).__name__ == "CLIPTextModel" and not k.startswith("text_model.") else k


@torch.no_grad()
def fill(model, tag):
    for k, v in model.state_dict().items():
        if v.is_floating_point():
            k = canonical(model, k)
            v.copy_(tensor(f"{tag}/{k}", tuple(v.shape), *rule(k, tuple(v.shape))))
    return model.eval()


def inp(name, *shape):
    return tensor(f"input/{name}", shape, math.sqrt(3.0))


# ------------------------------------------------------------------------------------------------ hooks
def capture(model):
    acts, hs = collections.OrderedDict(), []

    def hook(name):
        def f(mod, args, out):
            if hasattr(out, "sample"):
                out = out.sample
            elif hasattr(out, "last_hidden_state"):
                out = out.last_hidden_state
            if isinstance(out, tuple):
                out = out[0]
            if torch.is_tensor(out) and out.is_floating_point():
                n, i = name, 1
                while f"act:{n}" in acts:       # a module used twice (one activation object shared by two calls)
                    i += 1
                    n = f"{name}#{i}"
                acts[f"act:{n}"] = out.detach().clone().contiguous()
        return f
    for name, mod in model.named_modules():
        if name and type(mod).__name__ not in ("Dropout", "ModuleList", "Identity"):
            hs.append(mod.register_forward_hook(hook(name)))
    return acts, hs


SD_UNET = dict(sample_size=64, in_channels=4, out_channels=4, layers_per_block=2,
               block_out_channels=(320, 640, 1280, 1280), cross_attention_dim=768, attention_head_dim=8,
               down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
               up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3)
SD_TEXT = dict(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
               num_attention_heads=12, max_position_embeddings=77, hidden_act="quick_gelu", projection_dim=768,
               layer_norm_eps=1e-5, bos_token_id=0, eos_token_id=2, pad_token_id=1)
SD_VAE = dict(in_channels=3, out_channels=3, down_block_types=("DownEncoderBlock2D",) * 4,
              up_block_types=("UpDecoderBlock2D",) * 4, block_out_channels=(128, 256, 512, 512),
              layers_per_block=2, latent_channels=4, norm_num_groups=32, sample_size=512, scaling_factor=0.18215)
TINY_A = dict(sample_size=8, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(16, 32),
              cross_attention_dim=32, attention_head_dim=2, norm_num_groups=8,
              down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
              up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"))
TINY_B = dict(sample_size=16, in_channels=4, out_channels=4, layers_per_block=2, block_out_channels=(16, 32, 32),
              cross_attention_dim=32, attention_head_dim=4, norm_num_groups=4,
              down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
              up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"))
TINY_CLASS = dict(sample_size=12, in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=(16, 32),
                  norm_num_groups=8, act_fn="relu", down_block_types=("DownBlock2D", "AttnDownBlock2D"),
                  up_block_types=("AttnUpBlock2D", "UpBlock2D"), num_class_embeds=3, attention_head_dim=16)
TINY_TEXT = dict(vocab_size=512, hidden_size=32, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
                 max_position_embeddings=16, hidden_act="quick_gelu", projection_dim=32, layer_norm_eps=1e-5,
                 bos_token_id=510, eos_token_id=511, pad_token_id=511)
TINY_VAE = dict(in_channels=3, out_channels=3, down_block_types=("DownEncoderBlock2D",) * 2,
                up_block_types=("UpDecoderBlock2D",) * 2, block_out_channels=(16, 32), layers_per_block=1,
                latent_channels=4, norm_num_groups=8, sample_size=16, scaling_factor=0.18215)
SCHED = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
             clip_sample=False, set_alpha_to_one=False, steps_offset=1, prediction_type="epsilon")


def unet_class(cfg):
    m = UNet2DModel(**cfg)
    m.conv_act, m.time_embedding.act = torch.nn.ReLU(), torch.nn.ReLU()   # diffusers hard-codes SiLU here
    return m


def write_tiny(out, tag, model, cfg, inputs, call):
    d = f"{out}/{tag}"
    os.makedirs(d, exist_ok=True)
    acts, hs = capture(model)
    with torch.no_grad():
        y = call(model)
    for h in hs:
        h.remove()
    sd = {canonical(model, k): v.contiguous() for k, v in model.state_dict().items() if v.is_floating_point()}
    save_file(sd, f"{d}/model.safetensors")
    save_file({**{f"in:{k}": v for k, v in inputs.items()}, "out": y.contiguous(), **acts}, f"{d}/io.safetensors")
    json.dump({"tag": tag, "class": type(model).__name__, **cfg}, open(f"{d}/config.json", "w"), indent=1, default=str)
    print(tag, "params", sum(p.numel() for p in model.parameters()), "acts", len(acts),
          "out std %.3f absmax %.3f" % (y.std(), y.abs().max()),
          "largest activation %.2f" % max(v.abs().max().item() for v in acts.values()))
    return model


def tiny(out):
    x, t, c = inp("a.sample", 2, 4, 8, 8), torch.tensor([981, 1]), inp("a.context", 2, 16, 32)
    ua = write_tiny(out, "tiny-unet-a", fill(UNet2DConditionModel(**TINY_A), "tiny-unet-a"), TINY_A,
                    dict(sample=x, timestep=t, encoder_hidden_states=c), lambda m: m(x, t, c).sample)
    xb, tb, cb = inp("b.sample", 1, 4, 16, 16), torch.tensor([501]), inp("b.context", 1, 7, 32)
    write_tiny(out, "tiny-unet-b", fill(UNet2DConditionModel(**TINY_B), "tiny-unet-b"), TINY_B,
               dict(sample=xb, timestep=tb, encoder_hidden_states=cb), lambda m: m(xb, tb, cb).sample)
    xc, tc, yc = inp("c.sample", 3, 1, 12, 12), torch.tensor([0, 500, 999]), torch.tensor([0, 1, 2])
    write_tiny(out, "tiny-unet-class", fill(unet_class(TINY_CLASS), "tiny-unet-class"),
               {**TINY_CLASS, "conv_act_fn": "relu", "time_act_fn": "relu"}, dict(sample=xc, timestep=tc, class_labels=yc),
               lambda m: m(xc, tc, class_labels=yc).sample)
    ids = torch.tensor([[510, 5, 77, 300, 12, 511] + [511] * 10, [510, 511] + [511] * 14])
    tx = write_tiny(out, "tiny-text", fill(CLIPTextModel(CLIPTextConfig(**TINY_TEXT)), "tiny-text"), TINY_TEXT,
                    dict(input_ids=ids), lambda m: m(input_ids=ids).last_hidden_state)
    z, im = inp("v.latent", 1, 4, 8, 8), inp("v.image", 1, 3, 16, 16)
    va = fill(AutoencoderKL(**TINY_VAE), "tiny-vae")
    write_tiny(out, "tiny-vae", va, TINY_VAE, dict(latent=z), lambda m: m.decode(z).sample)
    with torch.no_grad():
        save_file({"in:image": im, "out:moments": va.quant_conv(va.encoder(im)).contiguous()}, f"{out}/tiny-vae/encode.safetensors")
        # the whole chain: 4 DDIM steps, guidance 7.5
        s = DDIMScheduler(**SCHED)
        s.set_timesteps(4)
        ctx = tx(input_ids=ids).last_hidden_state
        lat, d = inp("p.latent", 1, 4, 8, 8), {}
        d["in:latent"], d["in:input_ids"], d["context"], d["timesteps"] = lat, ids, ctx, s.timesteps.clone()
        for i, tt in enumerate(s.timesteps):
            e = ua(torch.cat([lat, lat]), tt, ctx).sample
            cond, unc = e[:1], e[1:]
            g = unc + 7.5 * (cond - unc)
            lat = s.step(g, tt, lat).prev_sample
            d[f"step{i}:cond"], d[f"step{i}:uncond"], d[f"step{i}:guided"], d[f"step{i}:latent"] = cond, unc, g, lat
        d["image"] = va.decode(lat / 0.18215).sample
        save_file({k: v.contiguous().clone() for k, v in d.items()}, f"{out}/tiny-pipeline.safetensors")


def schedule(out):
    s = DDIMScheduler(**SCHED)
    s.set_timesteps(50)
    d = dict(betas=s.betas, alphas_cumprod=s.alphas_cumprod, timesteps50=s.timesteps.clone(),
             final_alpha_cumprod=s.final_alpha_cumprod.reshape(1).clone())
    x, e = inp("s.sample", 1, 4, 8, 8), inp("s.eps", 1, 4, 8, 8)
    d["in:sample"], d["in:eps"] = x, e
    for t in (981, 501, 1):
        d[f"ddim_step_t{t}"] = s.step(e, t, x).prev_sample
    q = DDPMScheduler(**{k: v for k, v in SCHED.items() if k not in ("set_alpha_to_one",)}, timestep_spacing="leading",
                      variance_type="fixed_large")
    q.set_timesteps(50)
    for t in (981, 501):     # mean only: Algorithm 1 with the respaced beta (see README)
        a, ap = s.alphas_cumprod[t], s.alphas_cumprod[t - 20]
        al = a / ap
        d[f"ddpm_respaced_mean_t{t}"] = (x - (1 - al) / (1 - a).sqrt() * e) / al.sqrt()
    lin = DDIMScheduler(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear", clip_sample=False)
    lin.set_timesteps(50)
    d["linear:betas"], d["linear:alphas_cumprod"], d["linear:timesteps50"] = lin.betas, lin.alphas_cumprod, lin.timesteps.clone()
    save_file({k: v.contiguous() for k, v in d.items()}, f"{out}/schedule.safetensors")


def approx_fixtures(out):
    import approx as ap
    g = torch.linspace(-16, 16, 4097, dtype=torch.float64)
    n = torch.linspace(-20, 0, 2001, dtype=torch.float64)
    d = {"x": g, "xneg": n, "silu": F.silu(g), "gelu": F.gelu(g), "quick_gelu": g * torch.sigmoid(1.702 * g), "exp": n.exp(),
         "precise_silu": ap.precise_silu(g), "loose_silu": ap.loose_silu(g), "precise_gelu": ap.precise_gelu(g),
         "loose_gelu": ap.loose_gelu(g), "precise_exp": ap.precise_exp(n), "loose_exp": ap.loose_exp(n),
         "cipherdm_exp": ap.cipherdm_exp(n)}
    save_file({k: v.contiguous() for k, v in d.items()}, f"{out}/approx.safetensors")


# ------------------------------------------------------------------------------------------------ counts
def count(model, call):
    """MACs and elements of one forward, from hooks (works on the meta device)."""
    c = collections.Counter()

    def conv(m, a, o):
        kind = "conv%dx%d%s" % (*m.kernel_size, "s2" if m.stride[0] == 2 else "")
        c[f"mac.{kind}"] += o.numel() * m.weight[0].numel()
        c["elements.conv_out"] += o.numel()

    def attn(m, a, kw, o):
        x = a[0] if a else kw["hidden_states"]
        ctx = kw.get("encoder_hidden_states")
        if ctx is None and len(a) > 1:
            ctx = a[1]
        b, (nq, ch) = x.shape[0], ((x.shape[2] * x.shape[3], x.shape[1]) if x.dim() == 4 else x.shape[1:])
        nk = nq if ctx is None else ctx.shape[1]
        heads, inner = m.heads, m.to_q.weight.shape[0]
        kind = "self" if ctx is None else "cross"
        c[f"mac.attn_{kind}_qk"] += b * nq * nk * inner
        c[f"mac.attn_{kind}_pv"] += b * nq * nk * inner
        c[f"elements.softmax_{kind}"] += b * heads * nq * nk
        c[f"rows.softmax_{kind}"] += b * heads * nq

    def clip_attn(m, a, kw, o):
        x = a[0] if a else kw["hidden_states"]
        b, n, ch = x.shape
        h = m.num_heads
        c["mac.attn_self_qk"] += b * n * n * ch
        c["mac.attn_self_pv"] += b * n * n * ch
        c["elements.softmax_self"] += b * h * n * n
        c["rows.softmax_self"] += b * h * n

    def silu(m, a, o): c["elements.silu"] += o.numel()
    def relu(m, a, o): c["elements.relu"] += o.numel()
    def geglu(m, a, o): c["elements.gelu"] += o.numel()
    def qgelu(m, a, o): c["elements.quick_gelu"] += o.numel()

    def gn(m, a, o):
        c["elements.groupnorm"] += o.numel()
        c["groups.groupnorm"] += o.shape[0] * m.num_groups
        c["layers.groupnorm"] += 1

    def ln(m, a, o):
        c["elements.layernorm"] += o.numel()
        c["rows.layernorm"] += o.numel() // o.shape[-1]
        c["layers.layernorm"] += 1

    hs = []
    for name, m in model.named_modules():
        t = type(m).__name__
        if isinstance(m, torch.nn.Conv2d):
            hs.append(m.register_forward_hook(conv))
        elif isinstance(m, torch.nn.Linear):
            last = name.split(".")
            if "time_emb" in name:
                kind = "linear_time"
            elif any(k in last for k in ("to_q", "to_k", "to_v", "to_out", "q_proj", "k_proj", "v_proj", "out_proj")):
                kind = "linear_attn"
            elif "ff" in last or "mlp" in last:
                kind = "linear_ff"
            else:
                kind = "linear_proj"

            def lin(m, a, o, kind=kind):
                c[f"mac.{kind}"] += o.numel() * m.weight.shape[1]
            hs.append(m.register_forward_hook(lin))
        elif t == "Attention":
            hs.append(m.register_forward_hook(attn, with_kwargs=True))
        elif t == "CLIPAttention":
            hs.append(m.register_forward_hook(clip_attn, with_kwargs=True))
        elif t in ("SiLU", "SiLUActivation"):
            hs.append(m.register_forward_hook(silu))
        elif t == "ReLU":
            hs.append(m.register_forward_hook(relu))
        elif t == "GEGLU":
            hs.append(m.register_forward_hook(geglu))
        elif t == "QuickGELUActivation":
            hs.append(m.register_forward_hook(qgelu))
        elif isinstance(m, torch.nn.GroupNorm):
            hs.append(m.register_forward_hook(gn))
        elif isinstance(m, torch.nn.LayerNorm):
            hs.append(m.register_forward_hook(ln))
    with torch.no_grad():
        call(model)
    for h in hs:
        h.remove()
    c["mac.total"] = sum(v for k, v in c.items() if k.startswith("mac."))
    c["elements.softmax"] = c["elements.softmax_self"] + c["elements.softmax_cross"]
    c["parameters"] = sum(p.numel() for p in model.parameters())
    return dict(sorted(c.items()))


def counts(out):
    res = {}
    with torch.device("meta"):
        u = UNet2DConditionModel(**SD_UNET)
        v = AutoencoderKL(**SD_VAE)
        t = CLIPTextModel(CLIPTextConfig(**SD_TEXT))
        x, tt, c = torch.empty(1, 4, 64, 64), torch.tensor([1], device="meta"), torch.empty(1, 77, 768)
        res["sd15_unet_64x64_batch1"] = count(u, lambda m: m(x, tt, c))
        res["sd15_vae_decoder_64x64_to_512x512"] = count(v, lambda m: m.decode(x))
        dec = [v.decoder, v.post_quant_conv]
        res["sd15_vae_decoder_64x64_to_512x512"]["parameters_decoder_only"] = sum(p.numel() for q in dec for p in q.parameters())
        ids = torch.zeros(1, 77, dtype=torch.long)
    t = CLIPTextModel(CLIPTextConfig(**SD_TEXT))
    res["sd15_text_77_tokens"] = count(t, lambda m: m(input_ids=torch.full((1, 77), 49407)))
    names = {"unet": {k: list(p.shape) for k, p in u.state_dict().items()},
             "vae": {k: list(p.shape) for k, p in v.state_dict().items()},
             "text_encoder": {canonical(t, k): list(p.shape) for k, p in t.state_dict().items() if p.is_floating_point()}}
    json.dump(names, open(f"{out}/full-tensors.json", "w"), indent=0)
    for k, d in names.items():
        print(k, "tensors", len(d), "elements", sum(int(np.prod(s)) for s in d.values()))
    a = UNet2DConditionModel(**TINY_A).eval()
    res["tiny-unet-a"] = count(a, lambda m: m(torch.zeros(1, 4, 8, 8), 1, torch.zeros(1, 16, 32)))
    cl = unet_class(TINY_CLASS).eval()
    res["tiny-unet-class"] = count(cl, lambda m: m(torch.zeros(1, 1, 12, 12), 1, class_labels=torch.tensor([0])))
    json.dump(res, open(f"{out}/counts.json", "w"), indent=1)
    for k, d in res.items():
        print(k)
        for kk, vv in d.items():
            print("   %-32s %18s" % (kk, f"{vv:,}"))
    return res


# ------------------------------------------------------------------------------------------------ full size
def stats(model, call):
    rows, hs = {}, []

    def hook(name):
        def f(m, a, o):
            if hasattr(o, "sample"):
                o = o.sample
            if hasattr(o, "last_hidden_state"):
                o = o.last_hidden_state
            if isinstance(o, tuple):
                o = o[0]
            if torch.is_tensor(o) and o.is_floating_point() and name not in rows:
                f_ = o.detach().flatten()
                rows[name] = {"shape": list(o.shape), "mean": f_.double().mean().item(), "std": f_.double().std().item(),
                              "absmax": f_.abs().max().item(), "first8": f_[:8].tolist(), "last8": f_[-8:].tolist()}
        return f
    want = ("ResnetBlock2D", "Transformer2DModel", "BasicTransformerBlock", "Downsample2D", "Upsample2D", "Conv2d",
            "TimestepEmbedding", "CLIPEncoderLayer", "CLIPTextEmbeddings", "LayerNorm", "GroupNorm", "Attention", "FeedForward")
    for n, m in model.named_modules():
        if n and type(m).__name__ in want:
            hs.append(m.register_forward_hook(hook(n)))
    with torch.no_grad():
        y = call(model)
    for h in hs:
        h.remove()
    return y, rows


def full(out, parts):
    fio, fst = f"{out}/full-io.safetensors", f"{out}/full-stats.json"
    io = load_file(fio) if os.path.exists(fio) else {}
    st = json.load(open(fst)) if os.path.exists(fst) else {}
    t0 = time.time()
    if "text" in parts:
        ids = torch.tensor([[49406, 320, 1125, 539, 550, 18376, 6765, 320, 4558, 49407] + [49407] * 67])
        m = fill(CLIPTextModel(CLIPTextConfig(**SD_TEXT)), "sd15-text")
        y, st["text_encoder"] = stats(m, lambda q: q(input_ids=ids).last_hidden_state)
        io["text:in:input_ids"], io["text:out"] = ids, y
        print("text", time.time() - t0, y.std().item(), flush=True)
        del m
    if "unet" in parts:
        m = fill(UNet2DConditionModel(**SD_UNET), "sd15-unet")
        ctx = inp("full.context", 1, 77, 768)
        for hw in (16, 64):
            t0 = time.time()
            x = inp(f"full.sample{hw}", 1, 4, hw, hw)
            y, st[f"unet_{hw}"] = stats(m, lambda q: q(x, torch.tensor([981]), ctx).sample)
            io[f"unet{hw}:in:sample"], io[f"unet{hw}:out"] = x, y
            print("unet", hw, "forward seconds %.1f" % (time.time() - t0), "out std", y.std().item(), flush=True)
        io["unet:in:encoder_hidden_states"], io["unet:in:timestep"] = ctx, torch.tensor([981])
        del m
    if "vae" in parts:
        t0 = time.time()
        m = fill(AutoencoderKL(**SD_VAE), "sd15-vae")
        z = inp("full.latent16", 1, 4, 16, 16)
        y, st["vae_decode_16"] = stats(m, lambda q: q.decode(z).sample)
        io["vae:in:latent"], io["vae:out"] = z, y
        print("vae", time.time() - t0, y.std().item(), flush=True)
    save_file({k: v.contiguous() for k, v in io.items()}, fio)
    json.dump(st, open(fst, "w"))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", default="out/fixtures")
    p.add_argument("--full", default="text,unet,vae", help="which full-size models to run; '' for none (needs about 8 GB)")
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    os.makedirs(a.out, exist_ok=True)
    print("diffusers", diffusers.__version__, "transformers", transformers.__version__, "torch", torch.__version__)
    print("rule check:", stream("check", 4).tolist())
    tiny(a.out)
    schedule(a.out)
    approx_fixtures(a.out)
    counts(a.out)
    if a.full:
        full(a.out, a.full.split(","))
    json.dump({"diffusers": diffusers.__version__, "transformers": transformers.__version__, "torch": torch.__version__,
               "rule_check": {"key": "check", "first4": stream("check", 4).tolist()}}, open(f"{a.out}/versions.json", "w"), indent=1)


if __name__ == "__main__":
    main()
