"""A GPU, or Mesa's lavapipe, gives the same integers."""

from __future__ import annotations

import numpy as np
import pytest

import shiftformer


def test_a_gpu_gives_the_same_logits(model, images):
    try:
        session = model.session("gpu")
    except shiftformer.ShiftformerError as error:
        if "this build has no" in str(error):
            pytest.skip(str(error))
        raise
    assert (session.backend, session.fallback) == ("gpu", None)
    assert np.array_equal(session.run_batch(images[:50]), model.run_batch(images[:50]))
