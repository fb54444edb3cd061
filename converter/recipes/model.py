"""The transformer that the recipe trains: timm's tensor names, the integer program's ops.

Values live on integer grids: the residual stream on int16, what a layer reads on int8
(or int16 for attention sums), signs in front of binary layers. See LAYOUT.md for the
semantics in full.
"""

import math

import torch
from torch import nn

import data
from binary import BinaryAttention, BinaryLinear, sign
from integer import Grid, IntLayerNorm, forward_as, round_half_up, shift_gelu, shiftmax, weight_grid

STREAM_SCALE = 2.0**-10
"""Of the int16 residual stream: ±32."""
FINE_SCALE = 2.0**-11
"""Of LayerNorms whose result is only compared: ±16 on int16."""
INPUT_SCALE = (1.0 - data.MEAN) / data.STD / 127.0
"""Of the int8 image: white is 127."""


class Normed(nn.Module):
    """A LayerNorm and what the next layer reads of it: signs, or int8."""

    def __init__(self, width, activation):
        super().__init__()
        self.norm = IntLayerNorm(width, eps=1e-6)
        self.activation = activation
        self.grid = Grid(8, 4.0 / 127) if activation == "i8" else Grid(16, FINE_SCALE, learned=False)

    def forward(self, integers, input_scale):
        """The integers to feed and their scale."""
        normal = self.norm(integers, input_scale)
        if self.activation == "i8":
            return self.grid.integers(normal)
        return sign(self.grid(normal)), torch.ones((), device=normal.device)


class Attention(nn.Module):
    """qkv, binary attention, an optional LayerNorm of its sums, proj.

    While `warm` (stage 1 of the cross-layer scheme) it is I-ViT's attention instead: int8
    weights and operands, Shiftmax; the LayerNorm of the sums is left out.
    """

    def __init__(self, width, heads, types):
        super().__init__()
        self.heads, self.output = heads, types["proj"]
        self.qkv = BinaryLinear(width, 3 * width, types["qkv"], dense=False)
        self.proj = BinaryLinear(width, width, types["proj"], dense=True)
        self.binary = BinaryAttention(heads)
        self.after = Normed(width, types["proj"]) if types["attn_norm"] else None
        self.warm = False
        self.warm_grids = nn.ModuleList(Grid(8, 4.0 / 127) for _ in range(4))

    def split(self, qkv):
        count, tokens, width = qkv.shape
        return qkv.view(count, tokens, 3, self.heads, width // 3 // self.heads).permute(2, 0, 3, 1, 4)

    def warm_forward(self, normal):
        """Real values of the LayerNorm before qkv in."""
        inputs, operands, scores, outputs = self.warm_grids
        q, k, v = self.split(operands(self.qkv.int8(inputs(normal))))
        products = (q @ k.transpose(-1, -2)) / math.sqrt(q.shape[-1])
        sums = shiftmax(*scores.integers(products)) @ v
        return self.proj.int8(outputs(sums.transpose(1, 2).flatten(2)))

    def forward(self, integers, scale):
        sums = self.binary(*self.split(sign(self.qkv(integers, scale))))
        sums = sums.transpose(1, 2).flatten(2)
        one = torch.ones((), device=sums.device)
        if self.after is not None:
            return self.proj(*self.after(sums, one))
        if self.output == "ternary":
            sums = forward_as(sums.sign(), (sums / 8).clamp(-1, 1))
        return self.proj(sums, one)


class Mlp(nn.Module):
    """fc1, GELU on int8 or a sign, fc2."""

    def __init__(self, width, hidden, types):
        super().__init__()
        self.binary_hidden = types["fc2"] == "sign"
        self.gelu = types["gelu"]
        self.fc1 = BinaryLinear(width, hidden, types["fc1"], dense=not self.binary_hidden)
        self.fc2 = BinaryLinear(hidden, width, types["fc2"], dense=True)
        if not self.binary_hidden:
            self.fc1_grid = Grid(8, 8.0 / 127)
            self.act_grid = Grid(8, 4.0 / 127)

    def forward(self, integers, scale):
        hidden = self.fc1(integers, scale)
        if self.binary_hidden:
            return self.fc2(sign(hidden), torch.ones((), device=hidden.device))
        if self.gelu == "shift":
            hidden = shift_gelu(*self.fc1_grid.integers(hidden))
        else:
            hidden = nn.functional.gelu(self.fc1_grid(hidden))
        return self.fc2(*self.act_grid.integers(hidden))


class Block(nn.Module):
    def __init__(self, width, heads, hidden, types):
        super().__init__()
        self.norm1 = Normed(width, types["qkv"])
        self.attn = Attention(width, heads, types)
        self.norm2 = Normed(width, types["fc1"])
        self.mlp = Mlp(width, hidden, types)

    def forward(self, stream):
        """Integers of the stream in, and out."""
        scale = torch.full((), STREAM_SCALE, device=stream.device)
        if self.attn.warm:
            attended = self.attn.warm_forward(self.norm1.norm(stream, scale))
        else:
            attended = self.attn(*self.norm1(stream, scale))
        stream = saturate(stream + to_stream(attended))
        return saturate(stream + to_stream(self.mlp(*self.norm2(stream, scale))))


def to_stream(x):
    return round_half_up(saturate(x / STREAM_SCALE))


def saturate(x):
    return x.clamp(-32768, 32767)


TYPES = {"qkv": "sign", "proj": "ternary", "attn_norm": False, "fc1": "i8", "fc2": "i8", "gelu": "table"}
"""The reference's precision: what each binary layer reads. Overridden by the caller."""


class BinaryVit(nn.Module):
    """A timm VisionTransformer with binary blocks."""

    def __init__(self, config, types=None):
        super().__init__()
        self.config, self.types = dict(config), {**TYPES, **(types or {})}
        types = self.types
        if types["attn_norm"] != (types["proj"] in ("sign", "i8")):
            raise ValueError("proj reads sign or i8 after a LayerNorm of the sums, else ternary or i16")
        width, patch, side = config["embed_dim"], config["patch_size"], config["img_size"]
        tokens = (side // patch) ** 2 + 1
        self.patch = nn.Conv2d(config["in_chans"], width, patch, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, tokens, width) * 0.02)
        hidden = int(width * config["mlp_ratio"])
        self.blocks = nn.ModuleList(
            Block(width, config["num_heads"], hidden, types) for _ in range(config["depth"])
        )
        self.norm = Normed(width, "i8")
        self.head = nn.Linear(width, config["num_classes"])

    def forward(self, image):
        """Normalised images N×C×H×W to logits."""
        image = round_half_up((image / INPUT_SCALE).clamp(-128, 127))
        weight, scale = weight_grid(self.patch.weight)
        patches = nn.functional.conv2d(image, weight, stride=self.patch.stride)
        unit = scale * INPUT_SCALE
        patches = (patches.flatten(2).transpose(1, 2) + round_half_up(self.patch.bias / unit)) * unit
        cls = self.cls_token.expand(len(image), -1, -1)
        stream = to_stream(torch.cat([cls, patches], 1)) + to_stream(self.pos_embed)
        for block in self.blocks:
            stream = block(saturate(stream))
        integers, step = self.norm(stream[:, 0], torch.full((), STREAM_SCALE, device=stream.device))
        weight, scale = weight_grid(self.head.weight)
        unit = scale * step
        return (nn.functional.linear(integers, weight) + round_half_up(self.head.bias / unit)) * unit

    def set_warm(self, warm):
        """Whether attention is int8 with Shiftmax (stage 1) or binary (stage 2)."""
        for block in self.blocks:
            block.attn.warm = warm

    @torch.no_grad()
    def start_from(self, teacher):
        """Takes the weights of a float timm model of the same shape."""
        own, state = dict(self.named_parameters()), teacher.state_dict()
        for name, tensor in state.items():
            own[rename(name)].copy_(tensor.view_as(own[rename(name)]))
        for module in self.modules():
            if isinstance(module, BinaryLinear):
                module.rescale()

    @torch.no_grad()
    def end_warm(self):
        """Stage 2: attention turns binary. Its sums replace averages over the tokens."""
        self.set_warm(False)
        for block in self.blocks:
            block.attn.qkv.rescale()
            block.attn.proj.rescale()
            if self.types["proj"] == "i16":
                block.attn.proj.scaling_factor.mul_(4.0 / self.pos_embed.shape[1])

    @torch.no_grad()
    def calibrate(self, image):
        """Sets the activation scales from one batch, layer after layer."""
        grids = [m for m in self.modules() if isinstance(m, Grid) and isinstance(m.scale, nn.Parameter)]
        for grid in grids:
            grid.observing = True
        self(image)
        for grid in grids:
            grid.observing = False


def rename(name):
    """timm's name of a tensor to this module tree's."""
    name = name.replace("patch_embed.proj.", "patch.")
    for norm in ("norm1.", "norm2."):
        name = name.replace(norm, norm + "norm.")
    return "norm." + name if name.startswith("norm.") else name
