"""From a float model to a container and its answers: run it in a clone of the repository.

    python targets/python/examples/quickstart.py [OUT.shf]
"""

import gzip
import sys
from pathlib import Path

import numpy as np

import shiftformer

DATA = Path(__file__).resolve().parents[3] / "data"

# A vision transformer that was trained on Fashion-MNIST, and some of its training images.
output = sys.argv[1] if len(sys.argv) > 1 else None
conversion = shiftformer.convert(
    DATA / "vit_fmnist_fp32.onnx",
    output,
    calib=DATA / "fmnist-train-128-images-idx3-ubyte.gz",
    mean=0.2860,
    std=0.3530,
)
print(conversion.report)

# A thousand test images: an IDX file has a header of 16 bytes, that of labels has 8.
model = conversion.model
with gzip.open(DATA / "fmnist-test-1000-images-idx3-ubyte.gz") as file:
    images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
with gzip.open(DATA / "fmnist-test-1000-labels-idx1-ubyte.gz") as file:
    labels = np.frombuffer(file.read(), np.uint8, offset=8)

logits = model.run_batch(images)
right = 100 * (logits.argmax(axis=1) == labels).mean()
print(f"{right:.2f} % of {len(images)} images are classified rightly")

names = (DATA / "fmnist-labels.txt").read_text().splitlines()
for best in model.run(images[0]).top_k(3):
    print(f"{100 * best['probability']:6.2f} %  {names[best['class']]}")
