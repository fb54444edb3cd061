"""Fashion-MNIST (IDX files, gzip) and the light augmentation the recipes use."""

import gzip
import os
import struct

import numpy as np
import torch

MEAN, STD = 0.2860, 0.3530
"""Of pixels scaled to [0, 1]; written into the exported file."""

DEFAULT_DATA = os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist")
"""Where Debian's package `dataset-fashion-mnist` puts the four files."""


def read_idx(path):
    """The array in an IDX file, `.gz` or not."""
    with gzip.open(path) if str(path).endswith(".gz") else open(path, "rb") as file:
        _, kind, rank = struct.unpack(">HBB", file.read(4))
        if kind != 8:
            raise ValueError(f"{path}: IDX type {kind}, expected 8 (unsigned bytes)")
        shape = struct.unpack(f">{rank}I", file.read(4 * rank))
        return np.frombuffer(file.read(), dtype=np.uint8).reshape(shape)


def load(directory, split, device="cpu"):
    """Images (N×28×28, u8) and labels (N, i64) of `train` or `t10k`."""
    images = read_idx(os.path.join(directory, f"{split}-images-idx3-ubyte.gz"))
    labels = read_idx(os.path.join(directory, f"{split}-labels-idx1-ubyte.gz"))
    return (
        torch.from_numpy(images.copy()).to(device),
        torch.from_numpy(labels.astype(np.int64)).to(device),
    )


def normalise(images):
    """u8 N×28×28 to float N×1×28×28 of mean 0 and deviation 1."""
    return ((images.float() / 255.0 - MEAN) / STD).unsqueeze(1)


def augment(images, shift=2):
    """Flips half of the u8 images and moves each by up to `shift` pixels, filling with black."""
    count, height, width = images.shape
    device = images.device
    padded = torch.nn.functional.pad(images, (shift, shift, shift, shift))
    offset = torch.randint(0, 2 * shift + 1, (2, count, 1), device=device)
    rows = offset[0] + torch.arange(height, device=device)
    columns = torch.arange(width, device=device).expand(count, width)
    flipped = torch.rand(count, 1, device=device) < 0.5
    columns = offset[1] + torch.where(flipped, width - 1 - columns, columns)
    index = torch.arange(count, device=device)
    return padded[index[:, None, None], rows[:, :, None], columns[:, None, :]]


def batches(count, size, device):
    """Index batches of one epoch in random order; the incomplete last one is dropped."""
    order = torch.randperm(count, device=device)
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]


@torch.no_grad()
def evaluate(model, images, labels, batch=1000):
    """Top-1 in percent, and the logits."""
    model.eval()
    logits = torch.cat([model(normalise(part)).float() for part in images.split(batch)])
    return 100.0 * (logits.argmax(1) == labels).float().mean().item(), logits
