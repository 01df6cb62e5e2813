"""fixtures/inception.safetensors and fixtures/tiny-clip/: what torch finds for networks that judge images.

    python make_judge_fixtures.py ../fixtures      (torch, torchvision)

Inception v3 at full width, with weights by the rule (rule.py) under the tag "inception" (convolutions times 1.5, running
variances plus 1), torchvision's layers and pytorch-fid's changes to them. A tiny CLIP written out below as in transformers'
modeling_clip.py, its tokenizer without merges: every word is its letters.
"""
import json
import os
import sys
import torch
import torch.nn.functional as F
from torchvision.models import inception_v3
from rule import save as rule_file, stream, tensor

torch.manual_seed(0)
torch.set_num_threads(1)


def rule(tag, name, shape):
    return torch.from_numpy(tensor(tag, name, shape))


def save(path, tensors):
    rule_file(path, {name: t.detach().numpy() for name, t in tensors.items()})


out = sys.argv[1]

# pytorch-fid/src/pytorch_fid/inception.py: FIDInceptionA, FIDInceptionC, FIDInceptionE_1, FIDInceptionE_2.
mean_pool = lambda x: F.avg_pool2d(x, kernel_size=3, stride=1, padding=1, count_include_pad=False)


def block_a(m, x):
    b5 = m.branch5x5_2(m.branch5x5_1(x))
    b3 = m.branch3x3dbl_3(m.branch3x3dbl_2(m.branch3x3dbl_1(x)))
    return torch.cat([m.branch1x1(x), b5, b3, m.branch_pool(mean_pool(x))], 1)


def block_c(m, x):
    b7 = m.branch7x7_3(m.branch7x7_2(m.branch7x7_1(x)))
    d = m.branch7x7dbl_1(x)
    for i in (2, 3, 4, 5):
        d = getattr(m, f"branch7x7dbl_{i}")(d)
    return torch.cat([m.branch1x1(x), b7, d, m.branch_pool(mean_pool(x))], 1)


def block_e(m, x, pool):
    b3 = m.branch3x3_1(x)
    b3 = torch.cat([m.branch3x3_2a(b3), m.branch3x3_2b(b3)], 1)
    d = m.branch3x3dbl_2(m.branch3x3dbl_1(x))
    d = torch.cat([m.branch3x3dbl_3a(d), m.branch3x3dbl_3b(d)], 1)
    return torch.cat([m.branch1x1(x), b3, d, m.branch_pool(pool(x))], 1)


net = inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False).eval()
with torch.no_grad():
    for name, t in net.state_dict().items():
        if name.startswith("fc.") or name.endswith("num_batches_tracked"):
            continue
        value = rule("inception", name, tuple(t.shape))
        t.copy_(value * 1.5 if name.endswith("conv.weight") else value + 1.0 if name.endswith("running_var") else value)
    image = torch.from_numpy(stream("inception/image", 28 * 28 * 3, 0.5, 0.5).reshape(1, 28, 28, 3)).permute(0, 3, 1, 2)
    x = 2 * F.interpolate(image, size=(299, 299), mode="bilinear", align_corners=False) - 1
    kept = {"resized": x.permute(0, 2, 3, 1).reshape(-1)[::997].contiguous()}

    def keep(name, x):
        kept[name] = x.mean((2, 3))[0]
        return x

    x = net.Conv2d_2b_3x3(net.Conv2d_2a_3x3(net.Conv2d_1a_3x3(x)))
    x = keep("Conv2d_2b_3x3", x)
    x = net.Conv2d_4a_3x3(net.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
    x = F.max_pool2d(keep("Conv2d_4a_3x3", x), 3, 2)
    for name in ["Mixed_5b", "Mixed_5c", "Mixed_5d"]:
        x = keep(name, block_a(getattr(net, name), x))
    x = keep("Mixed_6a", net.Mixed_6a(x))
    for name in ["Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"]:
        x = keep(name, block_c(getattr(net, name), x))
    x = keep("Mixed_7a", net.Mixed_7a(x))
    x = keep("Mixed_7b", block_e(net.Mixed_7b, x, mean_pool))
    x = keep("Mixed_7c", block_e(net.Mixed_7c, x, lambda x: F.max_pool2d(x, kernel_size=3, stride=1, padding=1)))
    print({name: float(v.abs().mean()) for name, v in kept.items()})
save(f"{out}/inception.safetensors", kept)

text = dict(vocab_size=514, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=16, hidden_act="quick_gelu", layer_norm_eps=1e-5)
vision = dict(hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=3, image_size=24,
              patch_size=8, num_channels=3, hidden_act="quick_gelu", layer_norm_eps=1e-5)
config = dict(model_type="clip", projection_dim=24, text_config=text, vision_config=vision)
shapes = {}


def encoder(prefix, c):
    w, i = c["hidden_size"], c["intermediate_size"]
    for l in range(c["num_hidden_layers"]):
        p = f"{prefix}.encoder.layers.{l}"
        for n in ["q_proj", "k_proj", "v_proj", "out_proj"]:
            shapes[f"{p}.self_attn.{n}.weight"], shapes[f"{p}.self_attn.{n}.bias"] = (w, w), (w,)
        for n in ["layer_norm1", "layer_norm2"]:
            shapes[f"{p}.{n}.weight"], shapes[f"{p}.{n}.bias"] = (w,), (w,)
        shapes[f"{p}.mlp.fc1.weight"], shapes[f"{p}.mlp.fc1.bias"] = (i, w), (i,)
        shapes[f"{p}.mlp.fc2.weight"], shapes[f"{p}.mlp.fc2.bias"] = (w, i), (w,)


encoder("text_model", text)
encoder("vision_model", vision)
for prefix, names, w in [("text_model", ["final_layer_norm"], 32), ("vision_model", ["pre_layrnorm", "post_layernorm"], 48)]:
    for n in names:
        shapes[f"{prefix}.{n}.weight"], shapes[f"{prefix}.{n}.bias"] = (w,), (w,)
shapes["text_model.embeddings.token_embedding.weight"] = (514, 32)
shapes["text_model.embeddings.position_embedding.weight"] = (16, 32)
shapes["vision_model.embeddings.class_embedding"] = (48,)
shapes["vision_model.embeddings.patch_embedding.weight"] = (48, 3, 8, 8)
shapes["vision_model.embeddings.position_embedding.weight"] = (10, 48)
shapes["text_projection.weight"], shapes["visual_projection.weight"] = (24, 32), (24, 48)
W = {n: rule("tiny-clip", n, s).half().float() for n, s in sorted(shapes.items())}


def norm(x, path, c):
    return F.layer_norm(x, x.shape[-1:], W[path + ".weight"], W[path + ".bias"], c["layer_norm_eps"])


def linear(x, path):
    return F.linear(x, W[path + ".weight"], W.get(path + ".bias"))


def layers(x, prefix, c, mask):
    heads, w = c["num_attention_heads"], c["hidden_size"]
    split = lambda t: t.view(t.shape[0], t.shape[1], heads, w // heads).transpose(1, 2)
    for l in range(c["num_hidden_layers"]):
        p = f"{prefix}.encoder.layers.{l}"
        h = norm(x, p + ".layer_norm1", c)
        q, k, v = (split(linear(h, f"{p}.self_attn.{n}_proj")) for n in "qkv")
        a = q @ k.transpose(2, 3) * (w // heads) ** -0.5
        a = (a + mask if mask is not None else a).softmax(-1) @ v
        x = x + linear(a.transpose(1, 2).reshape(x.shape), p + ".self_attn.out_proj")
        h = linear(norm(x, p + ".layer_norm2", c), p + ".mlp.fc1")
        x = x + linear(h * torch.sigmoid(1.702 * h), p + ".mlp.fc2")
    return x


# transformers' bytes_to_unicode
visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
letters = {b: chr(b) for b in visible}
letters.update({b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in visible)})
symbols = [letters[b] for b in visible + [b for b in range(256) if b not in visible]]
vocab = {s: i for i, s in enumerate(symbols + [s + "</w>" for s in symbols] + ["<|startoftext|>", "<|endoftext|>"])}


def tokens(prompt):
    ids = [512]
    for word in prompt.split():
        ids += [vocab[c] for c in word[:-1]] + [vocab[word[-1] + "</w>"]]
    return ids + [513]


prompts = ["a red bag", "two", "a dress on black"]
known = {}
with torch.no_grad():
    rows = []
    for prompt in prompts:
        ids = tokens(prompt)[:15] + [513] if len(tokens(prompt)) > 16 else tokens(prompt)
        x = W["text_model.embeddings.token_embedding.weight"][ids][None]
        x = x + W["text_model.embeddings.position_embedding.weight"][: len(ids)]
        mask = torch.full((len(ids), len(ids)), float("-inf")).triu(1)
        x = norm(layers(x, "text_model", text, mask), "text_model.final_layer_norm", text)
        rows.append(linear(x[0, int(torch.tensor(ids).argmax())], "text_projection"))
    known["known.text"] = torch.stack(rows)
    pixels = torch.from_numpy(stream("tiny-clip/pixels", 3 * 24 * 24 * 3, 2.0, 0.0).reshape(3, 24, 24, 3))
    x = F.conv2d(pixels.permute(0, 3, 1, 2), W["vision_model.embeddings.patch_embedding.weight"], stride=8)
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([W["vision_model.embeddings.class_embedding"].expand(3, 1, -1), x], 1)
    x = norm(x + W["vision_model.embeddings.position_embedding.weight"], "vision_model.pre_layrnorm", vision)
    x = norm(layers(x, "vision_model", vision, None)[:, 0], "vision_model.post_layernorm", vision)
    known["known.image"] = linear(x, "visual_projection")
    known["known.cosine"] = F.cosine_similarity(known["known.image"], known["known.text"])
    print(known["known.cosine"])
folder = f"{out}/tiny-clip"
os.makedirs(folder, exist_ok=True)
save(f"{folder}/model.safetensors", {n: t.half() for n, t in W.items()})
save(f"{folder}/known.safetensors", known)
with open(f"{folder}/config.json", "w") as f:
    json.dump(config, f, indent=1)
with open(f"{folder}/vocab.json", "w") as f:
    json.dump(vocab, f, indent=0)
with open(f"{folder}/merges.txt", "w") as f:
    f.write("#version: 0.2\n")
