#!/usr/bin/env python3
"""Self-test on the CPU: `python test_recipes.py`, or through pytest. Needs no data set.

Layers equal the integer arithmetic exactly on random input, gradients pass the signs, and
the integer program of an exported file agrees with the recipe's forward pass.
"""

import os
import tempfile

import numpy as np
import torch

import export
from binary import BinaryAttention, BinaryLinear, plus_minus, sign
from integer import Grid, IntLayerNorm, forward_as, round_half_up, shift_exp, shift_gelu, shiftmax
from model import BinaryVit
from program import Program, layer_norm

CONFIG = {
    "img_size": 28, "patch_size": 4, "in_chans": 1, "num_classes": 10, "embed_dim": 32,
    "depth": 2, "num_heads": 2, "mlp_ratio": 2.0, "qkv_bias": True,
}
VARIANTS = (
    {"proj": "ternary"},
    {"proj": "i16"},
    {"proj": "i8", "attn_norm": True},
    {"proj": "sign", "attn_norm": True, "qkv": "i8"},
    {"proj": "sign", "attn_norm": True, "fc1": "sign", "fc2": "sign"},
)


def signs(*shape):
    return plus_minus(torch.randn(shape))


def words(bits):
    """Rows of ±1 to Python integers, bit i = element i."""
    return [sum(1 << i for i, v in enumerate(row) if v > 0) for row in bits.tolist()]


def test_values_are_exact_and_gradients_pass():
    x = torch.linspace(-1.5, 1.5, 13, requires_grad=True)
    assert torch.equal(round_half_up(torch.tensor([0.5, -0.5, 1.5, 2.4])), torch.tensor([1.0, 0.0, 2.0, 2.0]))
    assert torch.equal(forward_as(torch.floor(x), x), torch.floor(x))
    y = sign(x)
    assert set(y.tolist()) == {-1.0, 1.0} and sign(torch.zeros(1)).item() == 1.0
    y.sum().backward()
    inside = x.detach().abs() < 1
    assert torch.allclose(x.grad[inside], (2 - 2 * x.detach().abs())[inside]) and (x.grad[~inside] == 0).all()


def test_grid_is_int8_and_learns_its_scale():
    grid = Grid(8, 0.1)
    x = torch.tensor([[-20.0, -0.05, 0.05, 0.149, 20.0]], requires_grad=True)
    integers, step = grid.integers(x)
    assert integers.tolist() == [[-128.0, 0.0, 1.0, 1.0, 127.0]] and step.item() == grid.scale.item()
    grid(x).sum().backward()
    assert x.grad.tolist() == [[0.0, 1.0, 1.0, 1.0, 0.0]] and grid.scale.grad.item() != 0


def test_binary_linear_is_xor_and_popcount():
    layer = BinaryLinear(40, 24, "sign", dense=True)
    torch.nn.init.normal_(layer.bias)
    x = signs(16, 40)
    y = layer(x)
    unit = layer.scales().squeeze(1)
    bias = torch.floor(layer.bias / unit + 0.5)
    weights = words(plus_minus(layer.centred()))
    z = torch.tensor([[40 - 2 * (a ^ w).bit_count() for w in weights] for a in words(x)])
    assert torch.equal(y, (z + bias) * unit)
    y.square().sum().backward()
    for parameter in (layer.weight, layer.bias, layer.scaling_factor):
        assert parameter.grad.abs().sum() > 0


def test_ternary_input_is_masked_popcount():
    layer = BinaryLinear(33, 8, "ternary", dense=False)
    x = torch.randint(-1, 2, (16, 33)).float()
    weights = words(plus_minus(layer.centred()))
    positive, nonzero = words(x), words(x.abs() * 2 - 1)
    z = [[m.bit_count() - 2 * ((s ^ w) & m).bit_count() for w in weights] for s, m in zip(positive, nonzero)]
    assert torch.equal(torch.nn.functional.linear(x, layer.signs()), torch.tensor(z).float())


def test_binary_attention_is_compare_and_popcount():
    attention = BinaryAttention(2)
    with torch.no_grad():
        attention.distance.copy_(torch.tensor([3.7, 8.0]))
    q, k, v = (signs(1, 2, 9, 16).requires_grad_() for _ in range(3))
    y = attention(q, k, v)
    for head, distance in enumerate((3, 8)):
        keys, columns = words(k[0, head]), words(v[0, head].T)
        for row, query in enumerate(words(q[0, head])):
            scores = [16 - 2 * (query ^ key).bit_count() for key in keys]
            chosen = sum(1 << j for j, s in enumerate(scores) if s >= max(scores) - distance)
            expected = [2 * (chosen & c).bit_count() - chosen.bit_count() for c in columns]
            assert y[0, head, row].tolist() == expected
    y.square().sum().backward()
    assert all(t.grad.abs().sum() > 0 for t in (q, k, v)) and (attention.distance.grad != 0).all()


def test_layer_norm_follows_the_integer_op():
    norm = IntLayerNorm(64, eps=1e-6)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    for spread in (3, 40, 1000, 30000):
        x = torch.randint(-spread, spread + 1, (50, 64)).float()
        ours = torch.floor(norm(x, torch.tensor(2.0**-10)) / 0.03 + 0.5).clamp(-128, 127).detach().numpy()
        weight, bias = (p.detach().double().numpy() for p in (norm.weight, norm.bias))
        integer = layer_norm(x.long().numpy(), 2.0**-10, weight, bias, 0.03, 8)
        difference = np.abs(ours - integer)
        # The op's `factor` is floored and float32 rounds: values next to a half may differ by one.
        assert difference.max() <= 1 and (difference > 0).mean() < 0.02, (spread, (difference > 0).mean())


def integer_shift_exp(distance, unit, bits):
    """The op's shift-exp of -distance, `unit` = ceil(1 / scale)."""
    p = -(-distance + (-distance >> 1) - (-distance >> 4))
    octave = min(p // unit, bits)
    halves = 2 * unit - (p - octave * unit if octave < bits else 0)
    return (halves << (bits - octave)) >> 1


def test_shift_functions_approach_the_real_ones():
    scale = torch.tensor(0.02)
    x = torch.arange(-127, 128).float().view(1, -1)
    exponential, unit = shift_exp(-x.abs(), scale, 15)
    assert exponential.floor()[0].tolist() == [integer_shift_exp(int(d), 50, 15) for d in x.abs()[0]]
    # 2^-r is replaced by 1 - r/2, at most 0.043 too high; the exponent is rounded to a step, 0.02.
    assert ((exponential * unit - torch.exp(-x.abs() * scale)).abs() < 0.063).all()
    assert ((shiftmax(x, scale) - torch.softmax(x * scale, -1)).abs() < 2e-3).all()
    assert ((shift_gelu(x, scale) - x * scale * torch.sigmoid(1.702 * x * scale)).abs() < 0.09).all()
    x = torch.randn(2, 10).mul(20).round().requires_grad_()
    (shiftmax(x, scale)[:, 0].sum() + shift_gelu(x, scale).sum()).backward()
    assert torch.isfinite(x.grad).all() and (x.grad != 0).any()


def images(count):
    """Smooth random images, so that neighbouring patches are related as in pictures."""
    coarse = torch.rand(count, 1, 7, 7)
    return torch.nn.functional.interpolate(coarse, 28, mode="bilinear").mul(255).byte()[:, 0]


def test_every_parameter_learns():
    import data

    for types in VARIANTS:
        model = BinaryVit(CONFIG, types)
        batch = data.normalise(images(16))
        model.calibrate(batch)
        model(batch).square().sum().backward()
        still = [n for n, p in model.named_parameters() if "warm" not in n and (p.grad is None or not p.grad.any())]
        assert not still, (types, still)


def test_exported_program_agrees():
    import data

    for types in VARIANTS:
        torch.manual_seed(1)
        model = BinaryVit(CONFIG, types)
        pictures = images(64)
        model.calibrate(data.normalise(pictures))
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.safetensors")
            export.export(model, path)
            again = export.load(path)
            with torch.no_grad():
                ours = again(data.normalise(pictures))
                assert torch.allclose(model(data.normalise(pictures)), ours, atol=1e-3), types
            integer = Program(path).run(pictures.numpy())
        agreement = (integer.argmax(1) == ours.argmax(1).numpy()).mean()
        cosine = np.corrcoef(integer.ravel(), ours.numpy().ravel())[0, 1]
        assert agreement >= 0.9 and cosine > 0.98, (types, agreement, cosine)
        print(f"{types}: agreement {agreement:.3f}, correlation {cosine:.4f}")


if __name__ == "__main__":
    torch.manual_seed(0)
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print(f"{name}: ok")
