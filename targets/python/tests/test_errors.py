"""Failures have the words of the command line, and say what to do."""

from __future__ import annotations

import copy
import pickle
import traceback

import numpy as np
import pytest

import shiftformer
from conftest import DATA, MEAN

FLOAT = DATA / "vit_fmnist_fp32.onnx"


def test_models_pickle_and_sessions_say_what_to_pickle(model, images):
    for again in [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]:
        assert again.name == model.name and again.to_bytes() == model.to_bytes()
        assert np.array_equal(again.run_batch(images[:2]), model.run_batch(images[:2]))
    with pytest.raises(TypeError, match="pickle its model"):
        pickle.dumps(model.session())


def test_a_container_that_cannot_be_used(tmp_path):
    with pytest.raises(shiftformer.OpenError, match="cannot be read") as caught:
        shiftformer.open(tmp_path / "missing.shf")
    assert caught.value.help == "check the path and its permissions"
    assert isinstance(caught.value, shiftformer.ShiftformerError)
    with pytest.raises(shiftformer.OpenError, match="^nothing: "):
        shiftformer.Model.from_bytes(b"nothing", name="nothing")
    altered = bytearray((DATA / "vit_fmnist.shf").read_bytes())
    altered[len(altered) // 2] ^= 1
    with pytest.raises(shiftformer.OpenError) as caught:
        shiftformer.Model.from_bytes(altered)
    assert "copy it again" in caught.value.help


def test_the_help_is_seen_and_survives_pickling(tmp_path):
    with pytest.raises(shiftformer.OpenError) as caught:
        shiftformer.open(tmp_path / "missing.shf")
    error = caught.value
    assert error.__notes__ == [f"help: {error.help}"]
    if hasattr(error, "add_note"):
        assert "help: check the path" in "".join(traceback.format_exception(error))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.help) == (type(error), str(error), error.help)


def test_conversions_that_cannot_be(tmp_path):
    with pytest.raises(shiftformer.ConvertError, match="must be calibrated") as caught:
        shiftformer.convert(FLOAT)
    assert "--calib DATA" in caught.value.help
    with pytest.raises(shiftformer.ConvertError, match="how .* wants its pixels normalized"):
        shiftformer.convert(FLOAT, calib=np.zeros((4, 28, 28), np.uint8))
    with pytest.raises(shiftformer.ConvertError, match="cannot convert .*missing.onnx"):
        shiftformer.convert(tmp_path / "missing.onnx")
    with pytest.raises(shiftformer.ConvertError, match="would overwrite the model"):
        shiftformer.convert(FLOAT, FLOAT)
    with pytest.raises(shiftformer.ConvertError, match="at least one image|no image"):
        shiftformer.convert(FLOAT, calib=np.zeros((0, 28, 28), np.uint8), mean=MEAN, std=0.3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "fp4"}, "format: there is no `fp4`; there are: ivit, bivit"),
        ({"target": "abacus"}, "target: there is no `abacus`"),
        ({"mean": 127.5}, "mean: pixels are scaled to"),
        ({"crop": 1.5}, "crop: expected a fraction"),
        ({"escalate": 101}, "escalate: expected a number from 0 to 100"),
        ({"precision": {"head": "i4"}}, "precision: "),
        ({"resize": "fold"}, "resize: there is no `fold`"),
        ({"normalize": False, "mean": 0.5}, "leave one out"),
        ({"antialias": False, "interpolation": "bicubic"}, "leave one out"),
    ],
)
def test_options_that_make_no_sense(options, words):
    with pytest.raises(ValueError, match=words):
        shiftformer.convert(FLOAT, **options)


def test_engines_that_there_are_not(model):
    with pytest.raises(shiftformer.ShiftformerError, match="no `abacus` backend; it has: cpu, reference"):
        model.session("abacus")
    with pytest.raises(shiftformer.ShiftformerError, match="no `abacus` kernel set .* portable"):
        model.session(kernels="abacus")
    with pytest.raises(shiftformer.ShiftformerError, match="kernels= has no effect on reference"):
        model.session("reference", kernels="portable")
