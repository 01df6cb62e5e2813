"""assets/cipherdm/: the network of CipherDM (https://github.com/Zhaoxinxinzi/CipherDM, commit 17e15ed) with weights by a rule, so that a
step of it can be timed. Untrained: its pictures are noise.

    python make_cipherdm.py ../cipherdm      (numpy)

15,881 parameters with two classes; a third row in each of the twelve class tables, the mean of the other two, stands for no
class, as the paper has it. One difference from the original: it doubles the extent by a transposed convolution, here the nearest
pixel is repeated before a convolution with as many weights, which is 339 thousand more multiplications.
"""
import json
import os
import sys
import numpy as np
from rule import save, tensor

config = {
    "_class_name": "UNet2DModel", "sample_size": 28, "in_channels": 1, "out_channels": 1, "block_out_channels": [4, 8],
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 2, "downsample_padding": 1, "attention_head_dim": 8, "norm_num_groups": 2, "norm_eps": 1e-6,
    "act_fn": "relu", "conv_act_fn": "relu", "time_act_fn": "silu", "flip_sin_to_cos": False, "freq_shift": 1,
    "time_embedding_dim": 8, "num_class_embeds": 3, "class_embed_in_blocks": True,
}
scheduler = {
    "_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02,
    "beta_schedule": "linear", "clip_sample": True, "clip_sample_range": 1.0, "prediction_type": "epsilon",
    "set_alpha_to_one": True, "steps_offset": 0, "timestep_spacing": "leading",
}
shapes = {}


def layer(path, *shape):
    shapes[path + ".weight"], shapes[path + ".bias"] = shape, shape[:1]


def resnet(path, inputs, outputs):
    layer(path + ".norm1", inputs)
    layer(path + ".conv1", outputs, inputs, 3, 3)
    layer(path + ".time_emb_proj", outputs, 8)
    shapes[path + ".class_embedding.weight"] = (3, outputs)
    layer(path + ".norm2", outputs)
    layer(path + ".conv2", outputs, outputs, 3, 3)
    if inputs != outputs:
        layer(path + ".conv_shortcut", outputs, inputs, 1, 1)


def attention(path):
    layer(path + ".group_norm", 8)
    for name in ["to_q", "to_k", "to_v", "to_out.0"]:
        layer(f"{path}.{name}", 8, 8)


layer("time_embedding.linear_1", 8, 4)
layer("time_embedding.linear_2", 8, 8)
layer("conv_in", 4, 1, 3, 3)
for j in range(2):
    resnet(f"down_blocks.0.resnets.{j}", 4, 4)
    resnet(f"down_blocks.1.resnets.{j}", [4, 8][j], 8)
    attention(f"down_blocks.1.attentions.{j}")
    resnet(f"mid_block.resnets.{j}", 8, 8)
layer("down_blocks.0.downsamplers.0.conv", 4, 4, 3, 3)
attention("mid_block.attentions.0")
for j in range(3):
    resnet(f"up_blocks.0.resnets.{j}", [16, 16, 12][j], 8)
    attention(f"up_blocks.0.attentions.{j}")
    resnet(f"up_blocks.1.resnets.{j}", [12, 8, 8][j], 4)
layer("up_blocks.0.upsamplers.0.conv", 8, 8, 3, 3)
layer("conv_norm_out", 4)
layer("conv_out", 1, 4, 3, 3)

weights = {name: tensor("cipherdm", name, shape) for name, shape in sorted(shapes.items())}
rows = 0
for name, w in weights.items():
    if name.endswith("class_embedding.weight"):
        w[2] = (w[0] + w[1]) / np.float32(2)
        rows += w.shape[1]
total = sum(w.size for w in weights.values())
print(total - rows, "parameters, and", rows, "of the rows without a class")
assert total - rows == 15881
folder = sys.argv[1]
for part, name, text in [("unet", "config.json", config), ("scheduler", "scheduler_config.json", scheduler)]:
    os.makedirs(f"{folder}/{part}", exist_ok=True)
    with open(f"{folder}/{part}/{name}", "w") as f:
        json.dump(text, f, indent=2)
        f.write("\n")
save(f"{folder}/unet/diffusion_pytorch_model.safetensors", weights)
