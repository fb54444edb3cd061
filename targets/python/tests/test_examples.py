"""The examples run, and give what the package gives."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import shiftformer
from conftest import DATA

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(*words: object) -> str:
    """What an example prints."""
    command = [sys.executable, *(str(word) for word in words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=EXAMPLES)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_quick_start(tmp_path):
    printed = run("quickstart.py", tmp_path / "model.shf")
    assert "of 1000 images are classified rightly" in printed and "agrees with float" in printed
    assert shiftformer.open(tmp_path / "model.shf").frame_len == 28 * 28


@pytest.mark.everything
def test_pictures_in_a_parquet_file_with_two_workers(tmp_path, model, test_set):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("ray")
    from PIL import Image
    from pyarrow import parquet

    images = test_set[0][:300]

    def encoded(picture: np.ndarray) -> bytes:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        return file.getvalue()

    table = {"number": np.arange(len(images)), "picture": [encoded(picture) for picture in images]}
    parquet.write_table(pyarrow.table(table), tmp_path / "pictures.parquet")
    run("ray_pictures.py", DATA / "vit_fmnist.shf", tmp_path / "pictures.parquet", tmp_path / "classes")
    written = parquet.read_table(tmp_path / "classes").sort_by("number").to_pydict()
    expected = model.run_batch(images)
    assert written["number"] == list(range(len(images)))
    assert written["class"] == expected.argmax(axis=1).tolist()
    assert written["logit"] == expected.max(axis=1).tolist()
