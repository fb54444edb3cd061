#!/usr/bin/env python3
"""Exports a trained checkpoint to the layout that the converter reads (LAYOUT.md).

    python export.py bivit.pt bivit.safetensors [--golden logits.npz]

`load` builds the model again from the exported file alone, so that what is evaluated and
compared is exactly what was written.
"""

import argparse
import json

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import data
from binary import plus_minus
from model import INPUT_SCALE, STREAM_SCALE, BinaryVit

FORMAT = "shiftformer-bivit-1"
BINARY = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")


def pack_bits(signs):
    """±1 rows to bytes: 1 means +1, low bit first."""
    return torch.from_numpy(np.packbits(signs.numpy() > 0, axis=1, bitorder="little"))


def unpack_bits(packed, inputs):
    """The ±1 rows of `pack_bits`, as floats."""
    bits = np.unpackbits(packed.numpy(), axis=1, count=inputs, bitorder="little")
    return torch.from_numpy(bits.astype(np.float32) * 2 - 1)


def binary_layer(layer, input_scale):
    """Bits, scales and the bias as the integer program will see it."""
    factor = layer.scales().double()
    unit = factor.squeeze(1) * input_scale
    bias = layer.bias.double()
    if layer.dense:
        bias = torch.floor(bias / unit + 0.5) * unit
    else:
        # z >= ceil(-bias/factor) for all integers z, the boundary in the middle of a step.
        bias = (0.5 - torch.ceil(-bias / unit)) * unit
    return {
        "weight_bits": pack_bits(plus_minus(layer.centred())),
        "scaling_factor": factor.float(),
        "bias": bias.float(),
    }


def norm_tensors(normed):
    return {"weight": normed.norm.weight, "bias": normed.norm.bias, "scale": normed.grid.scale.abs()}


@torch.no_grad()
def tensors(model):
    """All tensors of the exported file, by name."""
    model = model.eval().cpu()
    found = {
        "patch_embed.proj.weight": model.patch.weight, "patch_embed.proj.bias": model.patch.bias,
        "cls_token": model.cls_token, "pos_embed": model.pos_embed,
        "head.weight": model.head.weight, "head.bias": model.head.bias,
        "input.scale": torch.tensor(INPUT_SCALE), "stream.scale": torch.tensor(STREAM_SCALE),
    }

    def add(prefix, part):
        found.update({f"{prefix}.{name}": tensor for name, tensor in part.items()})

    add("norm", norm_tensors(model.norm))
    for i, block in enumerate(model.blocks):
        name, attn, mlp = f"blocks.{i}", block.attn, block.mlp
        add(f"{name}.norm1", norm_tensors(block.norm1))
        add(f"{name}.norm2", norm_tensors(block.norm2))
        if attn.after is not None:
            add(f"{name}.attn.norm", norm_tensors(attn.after))
        found[f"{name}.attn.distance"] = torch.floor(attn.binary.distance).clamp(min=0).int()
        add(f"{name}.attn.qkv", binary_layer(attn.qkv, read_scale(block.norm1)))
        add(f"{name}.attn.proj", binary_layer(attn.proj, 1.0 if attn.after is None else read_scale(attn.after)))
        add(f"{name}.mlp.fc1", binary_layer(mlp.fc1, read_scale(block.norm2)))
        if mlp.binary_hidden:
            add(f"{name}.mlp.fc2", binary_layer(mlp.fc2, 1.0))
        else:
            found[f"{name}.mlp.fc1.scale"] = mlp.fc1_grid.scale.abs()
            found[f"{name}.mlp.act.scale"] = mlp.act_grid.scale.abs()
            add(f"{name}.mlp.fc2", binary_layer(mlp.fc2, mlp.act_grid.scale.abs().double()))
    return {name: tensor.detach().contiguous().clone() for name, tensor in found.items()}


def read_scale(normed):
    """Scale of the integers that the layer after `normed` reads."""
    return normed.grid.scale.abs().double() if normed.activation == "i8" else 1.0


def export(model, path, top1=None):
    """Writes the file; `top1` in percent goes into the metadata."""
    activations = {
        f"blocks.{i}.{layer}": model.types[layer.split(".")[1]]
        for i in range(len(model.blocks)) for layer in BINARY
    }
    metadata = {
        "format": FORMAT,
        "config": json.dumps(model.config),
        "mean": str(data.MEAN), "std": str(data.STD),
        "activations": json.dumps(activations),
        "gelu": "shift" if model.types["gelu"] == "shift" else "erf",
    }
    if top1 is not None:
        metadata["top1"] = f"{top1:.2f}"
    save_file(tensors(model), path, metadata)


@torch.no_grad()
def load(path):
    """The model of an exported file."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path}: format {metadata.get('format')!r}, expected {FORMAT!r}")
    found = load_file(path)
    types = {name.split(".")[-1]: kind for name, kind in json.loads(metadata["activations"]).items()}
    types["attn_norm"] = "blocks.0.attn.norm.weight" in found
    types["gelu"] = "shift" if metadata["gelu"] == "shift" else "table"
    model = BinaryVit(json.loads(metadata["config"]), types).eval()

    def norm(module, prefix):
        module.norm.weight.copy_(found[f"{prefix}.weight"])
        module.norm.bias.copy_(found[f"{prefix}.bias"])
        module.grid.scale.copy_(found[f"{prefix}.scale"])

    def layer(module, prefix):
        module.set_signs(unpack_bits(found[f"{prefix}.weight_bits"], module.weight.shape[1]))
        module.scaling_factor.copy_(found[f"{prefix}.scaling_factor"])
        module.bias.copy_(found[f"{prefix}.bias"])

    for own, name in ((model.patch, "patch_embed.proj"), (model.head, "head")):
        own.weight.copy_(found[f"{name}.weight"])
        own.bias.copy_(found[f"{name}.bias"])
    model.cls_token.copy_(found["cls_token"])
    model.pos_embed.copy_(found["pos_embed"])
    norm(model.norm, "norm")
    for i, block in enumerate(model.blocks):
        name = f"blocks.{i}"
        norm(block.norm1, f"{name}.norm1")
        norm(block.norm2, f"{name}.norm2")
        if block.attn.after is not None:
            norm(block.attn.after, f"{name}.attn.norm")
        block.attn.binary.distance.copy_(found[f"{name}.attn.distance"].float())
        for part in BINARY:
            layer(block.get_submodule(part), f"{name}.{part}")
        if not block.mlp.binary_hidden:
            block.mlp.fc1_grid.scale.copy_(found[f"{name}.mlp.fc1.scale"])
            block.mlp.act_grid.scale.copy_(found[f"{name}.mlp.act.scale"])
    return model


def main():
    import train_bivit

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("out")
    parser.add_argument("--golden", help="also store the logits of the first --images test images (.npz)")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--data", default=data.DEFAULT_DATA)
    args = parser.parse_args()
    trained = train_bivit.load(args.checkpoint)
    export(trained, args.out)
    test = data.load(args.data, "t10k")
    top1, logits = data.evaluate(load(args.out), *test)
    export(trained, args.out, top1)
    print(f"{args.out}: top1 {top1:.2f} on {len(test[1])} test images")
    if args.golden:
        np.savez_compressed(args.golden, recipe_logits=logits[: args.images].numpy())


if __name__ == "__main__":
    main()
