"""Binarization-aware layers: ±1 weights, ±1 or integer activations, binary attention.

The forward pass computes the integers that the popcount ops compute, as floats; gradients
pass the signs and comparisons through smooth stand-ins (BiViT, arXiv 2211.07091; the
bounded window of the sign is Bi-Real Net's, arXiv 1808.00278).
"""

import torch
from torch import nn

from integer import forward_as, round_half_up, weight_grid

ACTIVATIONS = ("sign", "ternary", "i8", "i16")
"""What a binary layer can read."""


def plus_minus(x):
    """+1 where x >= 0, else -1."""
    return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)


def sign(x):
    """±1, with the gradient 2 − 2|x| inside [−1, 1]."""
    inside = x.clamp(-1.0, 1.0)
    return forward_as(plus_minus(x), inside * (2.0 - inside.abs()))


class BinaryWeight(nn.Module):
    """A parametrization: weights ±α in the forward pass, one α per output channel, the mean
    magnitude of its centred weights. Gradients pass straight through."""

    def forward(self, weight):
        centred = weight - weight.mean(1, keepdim=True)
        return forward_as(plus_minus(centred) * centred.abs().mean(1, keepdim=True), centred)

    def right_inverse(self, weight):
        """The weights to start from."""
        return weight


class BinaryLinear(nn.Module):
    """y = (x · sign(W − mean W)ᵀ + bias) · scale, one scale per output channel.

    `forward` takes integers (±1, {−1, 0, 1}, int8 or int16, as floats) and the scale of
    the input, so that the sum is exact. `dense` layers round their bias to an
    integer of the accumulator; in front of a sign the bias becomes a threshold instead.
    """

    def __init__(self, inputs, outputs, activation, dense):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation {activation!r}, expected one of {ACTIVATIONS}")
        self.activation, self.dense = activation, dense
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scaling_factor = nn.Parameter(torch.ones(outputs, 1))
        self.fixed = None
        nn.init.trunc_normal_(self.weight, std=0.02)
        self.rescale()

    @torch.no_grad()
    def rescale(self):
        """Sets the scales to the mean magnitude of the centred weights (XNOR-Net)."""
        self.scaling_factor.copy_(self.centred().abs().mean(1, keepdim=True))

    def centred(self):
        return self.weight - self.weight.mean(1, keepdim=True)

    def scales(self):
        return self.scaling_factor.abs().clamp(min=1e-6)

    def signs(self):
        if self.fixed is not None:
            return self.fixed
        centred = self.centred()
        return forward_as(plus_minus(centred), centred / self.scales().detach())

    @torch.no_grad()
    def set_signs(self, signs):
        """Takes known ±1 weights, as they are: their mean is not subtracted again."""
        self.fixed = signs

    def int8(self, x):
        """The layer before binarization: int8 weights, real inputs."""
        integers, scale = weight_grid(self.weight)
        return nn.functional.linear(x, integers) * scale + self.bias

    def forward(self, integers, input_scale=1.0):
        accumulator = nn.functional.linear(integers, self.signs())
        unit = self.scales().squeeze(1) * input_scale
        if self.dense:
            return (accumulator + round_half_up(self.bias / unit)) * unit
        return accumulator * unit + self.bias


class BinaryAttention(nn.Module):
    """Softmax-aware binary attention of ±1 queries, keys and values.

    A key is attended to where its score is at most `distance` below the best of the row;
    the result is the integer sum of the attended values. The distance is learned, one per
    head. (BiViT's `softmax >= max / 4` is the distance ln 4 in units of the scores' scale.)
    """

    def __init__(self, heads, distance=5.0, temperature=2.0):
        super().__init__()
        self.temperature = temperature
        self.distance = nn.Parameter(torch.full((heads,), float(distance)))

    def forward(self, q, k, v):
        """Each N × heads × tokens × head_dim, ±1."""
        scores = q @ k.transpose(-1, -2)
        below = scores.amax(-1, keepdim=True) - scores
        # Never below 0: the best key of a row is always attended to.
        distance = forward_as(self.distance.clamp(min=0), self.distance)
        margin = distance.view(1, -1, 1, 1) - below
        soft = torch.sigmoid(margin / self.temperature)
        return forward_as((margin >= 0).to(soft.dtype), soft) @ v
