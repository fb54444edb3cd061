#!/usr/bin/env python3
"""The integer program of an exported file, in int64 NumPy: an independent reading of LAYOUT.md.

    python program.py bivit.safetensors [--images 200]

compares its predictions with the recipe's own forward pass. Nothing here is shared with
the training code but the file; products of binary layers are sums of ±integers, and every
change of scale is one dyadic multiplication rounded half up.
"""

import argparse
import json
import math

import numpy as np
from safetensors import safe_open


def dyadic(factor):
    """mantissa (31 bits) and shift of a real factor."""
    mantissa, exponent = math.frexp(factor)
    mantissa, shift = math.floor(mantissa * 2.0**31 + 0.5), 31 - exponent
    while mantissa == 2**31 or shift > 62:
        mantissa, shift = mantissa >> 1, shift - 1
    return mantissa, shift


def requantize(z, factors, bits):
    """round(z · factor), saturated; one factor, or one per channel."""
    pairs = [dyadic(float(f)) for f in np.atleast_1d(factors)]
    mantissa = np.array([m for m, _ in pairs], dtype=np.int64)
    shift = np.array([s for _, s in pairs], dtype=np.int64)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return np.clip((z * mantissa + (np.int64(1) << (shift - 1))) >> shift, low, high)


def round_half_up(x):
    return np.floor(np.asarray(x, dtype=np.float64) + 0.5).astype(np.int64)


def saturate(x):
    return np.clip(x, -32768, 32767)


def isqrt(values):
    return np.array([math.isqrt(int(v)) for v in values.ravel()], dtype=np.int64).reshape(values.shape)


def layer_norm(x, x_scale, weight, bias, scale, bits, eps=1e-6):
    """The op LayerNorm, steps 1 to 5 of its documentation."""
    width = x.shape[-1]
    mean = (2 * x.sum(-1, keepdims=True) + width) // (2 * width)
    centred = x - mean
    energy = (centred**2).sum(-1, keepdims=True) + int(round_half_up(width * eps / x_scale**2))
    length = np.frexp(energy.astype(np.float64))[1]
    up = np.maximum(0, 20 - length) // 2
    root = np.maximum(isqrt(energy << (2 * up)), 1)
    z = (centred << up) * ((2**31 - 1) // root)
    out = np.empty_like(z)
    for c in range(width):
        mantissa, shift = dyadic(float(weight[c]) * math.sqrt(width) / 2.0**31 / scale)
        # 32 to 62 bits of shift; the high product is floored, then rounded with the offset.
        while shift > 62 or abs(float(bias[c])) / scale * 2.0 ** (shift - 32) > 2.0**30:
            mantissa, shift = mantissa >> 1, shift - 1
        offset = int(round_half_up(float(bias[c]) / scale * 2.0 ** (shift - 32))) + (1 << (shift - 33))
        out[..., c] = (((z[..., c] * mantissa) >> 32) + offset) >> (shift - 32)
    return np.clip(out, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def gelu_table(before, after):
    """256 entries for int8 inputs −128..127."""
    x = np.arange(-128, 128) * before
    y = np.array([0.5 * v * (1.0 + math.erf(v / math.sqrt(2.0))) for v in x])
    return np.clip(round_half_up(y / after), -128, 127)


class Program:
    """`run` takes u8 images N×28×28 and gives integer logits."""

    def __init__(self, path):
        with safe_open(path, "np") as file:
            metadata = file.metadata()
            self.tensors = {name: file.get_tensor(name) for name in file.keys()}
        self.config = json.loads(metadata["config"])
        self.reads = json.loads(metadata["activations"])
        self.mean, self.std = float(metadata["mean"]), float(metadata["std"])
        if metadata["gelu"] != "erf":
            raise ValueError("only the table GELU is read here")
        self.stream = self.scale("stream")

    def get(self, name):
        return self.tensors[name].astype(np.float64)

    def scale(self, name):
        return float(self.tensors[f"{name}.scale"])

    def dense(self, name, x, x_scale):
        """Accumulator and its scale per channel."""
        packed = self.tensors[f"{name}.weight_bits"]
        signs = np.unpackbits(packed, axis=1, count=x.shape[-1], bitorder="little").astype(np.int64) * 2 - 1
        unit = self.get(f"{name}.scaling_factor")[:, 0] * x_scale
        return x @ signs.T, unit, self.get(f"{name}.bias")

    def requantized(self, name, x, x_scale, scale, bits):
        z, unit, bias = self.dense(name, x, x_scale)
        return requantize(z + round_half_up(bias / unit), unit / scale, bits)

    def bits(self, name, x, x_scale):
        z, unit, bias = self.dense(name, x, x_scale)
        return np.where(z >= np.ceil(-bias / unit).astype(np.int64), 1, -1)

    def normed(self, name, reader, x, x_scale):
        """What `reader` reads after the LayerNorm `name`: integers and their scale."""
        signs = self.reads[reader] == "sign"
        weight, bias = self.get(f"{name}.weight"), self.get(f"{name}.bias")
        h = layer_norm(x, x_scale, weight, bias, self.scale(name), 16 if signs else 8)
        return (np.where(h >= 0, 1, -1), 1.0) if signs else (h, self.scale(name))

    def attention(self, name, x):
        heads = self.config["num_heads"]
        qkv = self.bits(f"{name}.attn.qkv", *self.normed(f"{name}.norm1", f"{name}.attn.qkv", x, self.stream))
        count, tokens, width = qkv.shape
        q, k, v = qkv.reshape(count, tokens, 3, heads, -1).transpose(2, 0, 3, 1, 4)
        scores = q @ k.transpose(0, 1, 3, 2)
        distance = self.tensors[f"{name}.attn.distance"].astype(np.int64).reshape(1, heads, 1, 1)
        attended = (scores >= scores.max(-1, keepdims=True) - distance).astype(np.int64)
        sums = (attended @ v).transpose(0, 2, 1, 3).reshape(count, tokens, width // 3)
        reads, read_scale = self.reads[f"{name}.attn.proj"], 1.0
        if reads in ("sign", "i8"):
            sums, read_scale = self.normed(f"{name}.attn.norm", f"{name}.attn.proj", sums, 1.0)
        elif reads == "ternary":
            sums = np.sign(sums)
        return self.requantized(f"{name}.attn.proj", sums, read_scale, self.stream, 16)

    def mlp(self, name, x):
        inputs = self.normed(f"{name}.norm2", f"{name}.mlp.fc1", x, self.stream)
        fc1, fc2 = f"{name}.mlp.fc1", f"{name}.mlp.fc2"
        if self.reads[fc2] == "sign":
            return self.requantized(fc2, self.bits(fc1, *inputs), 1.0, self.stream, 16)
        before, after = self.scale(fc1), self.scale(f"{name}.mlp.act")
        hidden = gelu_table(before, after)[self.requantized(fc1, *inputs, before, 8) + 128]
        return self.requantized(fc2, hidden, after, self.stream, 16)

    def int8_weights(self, name):
        weight = self.tensors[f"{name}.weight"]
        weight = weight.reshape(len(weight), -1).astype(np.float64)
        scale = np.abs(weight).max(1) / 127
        return round_half_up(weight / scale[:, None]), scale

    def run(self, images):
        input_scale, patch = self.scale("input"), self.config["patch_size"]
        image = (np.arange(256) / 255 - self.mean) / self.std
        image = np.clip(round_half_up(image / input_scale), -128, 127)[images]
        count, side = len(images), images.shape[1] // patch
        windows = image.reshape(count, side, patch, side, patch).transpose(0, 1, 3, 2, 4)
        weight, scale = self.int8_weights("patch_embed.proj")
        unit = scale * input_scale
        bias = round_half_up(self.get("patch_embed.proj.bias") / unit)
        patches = requantize(windows.reshape(count, side * side, -1) @ weight.T + bias, unit / self.stream, 16)
        cls = saturate(round_half_up(self.get("cls_token") / self.stream))
        position = saturate(round_half_up(self.get("pos_embed") / self.stream))
        x = np.concatenate([np.broadcast_to(cls, (count, 1, cls.shape[-1])), patches], axis=1)
        x = saturate(x + position)
        for i in range(self.config["depth"]):
            x = saturate(x + self.attention(f"blocks.{i}", x))
            x = saturate(x + self.mlp(f"blocks.{i}", x))
        last = self.scale("norm")
        token = layer_norm(x[:, 0], self.stream, self.get("norm.weight"), self.get("norm.bias"), last, 8)
        weight, scale = self.int8_weights("head")
        logits = token @ weight.T + round_half_up(self.get("head.bias") / (scale * last))
        return requantize(logits, scale / scale.max(), 32)


def main():
    import data
    import export

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--data", default=data.DEFAULT_DATA)
    args = parser.parse_args()
    images, labels = (part[: args.images] for part in data.load(args.data, "t10k"))
    top1, logits = data.evaluate(export.load(args.model), images, labels, batch=100)
    integer = Program(args.model).run(images.numpy())
    same = (integer.argmax(1) == logits.argmax(1).numpy()).mean() * 100
    print(f"{len(images)} images: recipe {top1:.2f}, integer program "
          f"{(integer.argmax(1) == labels.numpy()).mean() * 100:.2f}, agreement {same:.2f} %")


if __name__ == "__main__":
    main()
