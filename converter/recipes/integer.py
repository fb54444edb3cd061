"""Integer arithmetic in the forward pass, straight-through gradients in the backward pass.

Every function here computes in float32 what an integer op computes: values stay on their
grid, a multiple of a scale. LayerNorm, Shiftmax and ShiftGELU follow I-ViT
(arXiv 2207.01405). Rounding is half up throughout, as in the integer program.
"""

import math

import torch
from torch import nn


def forward_as(hard, soft):
    """The value of `hard`, exactly, with the gradient of `soft`."""
    return hard.detach() + (soft - soft.detach())


def round_half_up(x):
    """floor(x + 1/2), gradient 1."""
    return forward_as(torch.floor(x + 0.5), x)


def floor(x):
    """floor(x), gradient 1."""
    return forward_as(torch.floor(x), x)


class Grid(nn.Module):
    """A signed integer grid of `bits` bits with a learned scale (LSQ, arXiv 1902.08153).

    `integers(x)` are the integers, as floats; `forward(x)` is integers · scale.
    While `observing`, it only records the range of what passes and sets the scale from it.
    """

    def __init__(self, bits, scale=1.0, learned=True):
        super().__init__()
        self.low, self.high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        self.observing = False
        if learned:
            self.scale = nn.Parameter(torch.tensor(float(scale)))
        else:
            self.register_buffer("scale", torch.tensor(float(scale)))

    @torch.no_grad()
    def observe(self, x):
        """Moves the scale to hold all but 1 in 10,000 of the values seen."""
        magnitude = x.abs().flatten()[:: max(1, x.numel() // 1_000_000)].float()
        rank = max(1, math.ceil(magnitude.numel() * 0.9999))
        self.scale.copy_((magnitude.kthvalue(rank).values / self.high).clamp(min=1e-6))

    def step(self, count):
        """The scale, its gradient divided as LSQ proposes."""
        scale = self.scale.abs()
        damping = 1.0 / math.sqrt(count * self.high)
        return forward_as(scale, scale * damping)

    def integers(self, x):
        if self.observing:
            self.observe(x)
        step = self.step(x[0].numel())
        return round_half_up((x / step).clamp(self.low, self.high)), step

    def forward(self, x):
        integers, step = self.integers(x)
        return integers * step


def weight_grid(weight, bits=8):
    """Symmetric integers per output channel (without the lowest), and their scales."""
    high = 2 ** (bits - 1) - 1
    flat = weight.flatten(1)
    scale = (flat.abs().amax(1) / high).clamp(min=1e-8)
    integers = round_half_up(flat / scale[:, None]).view_as(weight)
    return integers, scale


class IntLayerNorm(nn.LayerNorm):
    """LayerNorm of integers: rounded mean, floored root of the sum of squares."""

    def forward(self, integers, input_scale):
        """`integers` · `input_scale` is the input; the result is real, before its grid."""
        width = integers.shape[-1]
        mean = round_half_up(integers.mean(-1, keepdim=True))
        centred = integers - mean
        energy = (centred * centred).sum(-1, keepdim=True)
        energy = energy + torch.floor(width * self.eps / input_scale.detach() ** 2 + 0.5)
        energy = energy.clamp(min=1.0)
        # The root keeps at least 10 bits: energies below 2^20 are first scaled by 4^up.
        up = torch.floor(((19 - torch.floor(torch.log2(energy.detach()))) / 2).clamp(min=0))
        lift = torch.exp2(up)
        root = floor(torch.sqrt(energy) * lift) / lift
        return centred / root * math.sqrt(width) * self.weight + self.bias


def shift_exp(x, scale, bits):
    """I-ViT's shift-exp of integers `x` <= 0: integers, and their scale."""
    x = floor(x + torch.floor(x.detach() / 2) - torch.floor(x.detach() / 16) + (x - x.detach()) * 0.4375)
    unit = torch.floor(-1.0 / scale.detach())
    x = torch.maximum(x, bits * unit)
    octave = torch.floor(x.detach() / unit)
    rest = x - unit * octave
    return (rest / 2 - unit) * torch.exp2(bits - octave), scale / 2.0**bits


def shiftmax(x, scale, output_bits=16):
    """Softmax over the last axis of integers `x` of `scale`; real probabilities on their grid."""
    x = x - x.amax(-1, keepdim=True)
    exponential, _ = shift_exp(x, scale, 15)
    share = exponential / exponential.sum(-1, keepdim=True)
    steps = 2.0 ** (output_bits - 1)
    return floor(share * steps) / steps


def shift_gelu(x, scale):
    """x · sigmoid(1.702 x) of integers `x` of `scale`, the sigmoid on 7 bits; real values."""
    top = x.detach().amax(-1, keepdim=True).clamp(min=0)
    above, _ = shift_exp(x - top, 1.702 * scale, 23)
    zero, _ = shift_exp(-top, 1.702 * scale, 23)
    sigmoid = floor(above / (above + zero) * 128.0).clamp(max=127.0) / 128.0
    return x * scale * sigmoid
