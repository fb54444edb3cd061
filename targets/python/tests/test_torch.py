"""PyTorch models in memory, where PyTorch is installed."""

from __future__ import annotations

import numpy as np
import pytest

import shiftformer
from conftest import MEAN, STD

torch = pytest.importorskip("torch")


class Transformer(torch.nn.Module):
    """A small vision transformer of PyTorch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = torch.nn.Conv2d(1, 32, 7, 7)
        layer = torch.nn.TransformerEncoderLayer(
            32, 2, 64, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = torch.nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = torch.nn.Linear(32, 10)

    def forward(self, pixels):
        return self.head(self.blocks(self.patches(pixels).flatten(2).transpose(1, 2)).mean(1))


@pytest.fixture
def transformer():
    torch.manual_seed(0)
    return Transformer()


def test_a_model_in_memory_is_converted_and_stays_as_it_is(transformer, training):
    transformer.patches.eval()
    modes = [module.training for module in transformer.modules()]
    before = {name: value.clone() for name, value in transformer.state_dict().items()}
    conversion = shiftformer.from_torch(
        transformer, torch.zeros(1, 1, 28, 28), output_names=["logits"], calib=training, mean=MEAN, std=STD
    )
    assert [module.training for module in transformer.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in transformer.state_dict().items())
    pixels = (torch.from_numpy(training[:, None].astype(np.float32)) / 255 - MEAN) / STD
    with torch.no_grad():
        expected = transformer.eval()(pixels).numpy()
    scale = conversion.model.outputs[0].scale
    found = conversion.model.run_batch(training) * scale
    assert conversion.model.outputs[0].name == "logits"
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()


def test_what_cannot_be_exported_says_so():
    class Odd(torch.nn.Module):
        def forward(self, pixels):
            return torch.linalg.eigvals(pixels[0, 0]).real

    with pytest.raises(shiftformer.ConvertError, match="PyTorch cannot export Odd") as caught:
        shiftformer.from_torch(Odd(), torch.zeros(1, 1, 28, 28))
    assert "convert the file" in caught.value.help
