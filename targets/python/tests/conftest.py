"""The bundled files as NumPy arrays, and the built command line."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

import shiftformer

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "data"
MEAN, STD = 0.2860, 0.3530


def idx(path: Path) -> np.ndarray:
    """The array of bytes in an IDX file."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        content = file.read()
    rank = content[3]
    shape = np.frombuffer(content, ">u4", rank, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


@pytest.fixture(scope="session")
def test_set() -> tuple[np.ndarray, np.ndarray]:
    """Test images and their classes: a thousand, or all ten thousand before a release."""
    everything = os.environ.get("SHIFTFORMER_ALL_IMAGES")
    start = str(Path(everything) / "t10k") if everything else str(DATA / "fmnist-test-1000")
    images, labels = (idx(Path(f"{start}-{rest}-ubyte.gz")) for rest in ["images-idx3", "labels-idx1"])
    return images, labels


@pytest.fixture(scope="session")
def images(test_set) -> np.ndarray:
    """Test images, N×H×W."""
    return test_set[0]


@pytest.fixture(scope="session")
def training() -> np.ndarray:
    """Images to calibrate with, N×H×W."""
    return idx(DATA / "fmnist-train-128-images-idx3-ubyte.gz")


@pytest.fixture(scope="session")
def model() -> shiftformer.Model:
    return shiftformer.open(DATA / "vit_fmnist.shf")


@pytest.fixture(scope="session")
def binarized() -> shiftformer.Model:
    """The model that was trained with one bit."""
    checkpoint = DATA / "vit_fmnist_bivit_recipe.safetensors"
    return shiftformer.convert(checkpoint, format="bivit", progress=False).model


@pytest.fixture(scope="session")
def cli() -> Path:
    """The command line of the same source tree."""
    return Path(os.environ["SHIFTFORMER_CLI"])
