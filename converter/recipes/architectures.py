#!/usr/bin/env python3
"""Trains small models of many architectures on Fashion-MNIST at 64 pixels and exports them.

    python architectures.py --out models                   # minutes on a GPU
    python architectures.py --out models --only swinv2 xcit --epochs 14
    cargo xtask architectures models                       # converts them, and writes the table in docs/architectures.md

Besides NAME.onnx for each architecture, the folder holds `calibration.npz` (256 training images)
and `test.npz` (1,000 test images), N x 1 x 64 x 64 pixels of 8 bits with their labels.
"""

import argparse
import os
import time

import numpy as np
import timm
import torch
from torch.nn import functional

import data

SIZE = 64
"""Height and width of the images."""

ENDS = {"in_chans": 1, "num_classes": 10}


def convnextv2():
    return timm.create_model("convnextv2_atto", depths=(2, 2, 4, 2), dims=(24, 48, 96, 192), **ENDS)


def efficientvit():
    from timm.models.efficientvit_mit import EfficientVit

    widths, depths = (8, 16, 32, 64, 96), (1, 2, 2, 2, 2)
    return EfficientVit(widths=widths, depths=depths, head_dim=16, head_widths=(192, 256), **ENDS)


def fastvit():
    return timm.create_model("fastvit_t8", embed_dims=(24, 48, 96, 192), layers=(1, 1, 3, 1), **ENDS)


def hiera():
    from timm.models.hiera import Hiera

    stages = {"stages": (1, 2, 2, 1), "q_pool": 2, "mask_unit_size": (4, 4)}
    return Hiera(img_size=(SIZE, SIZE), embed_dim=32, num_heads=1, **stages, **ENDS)


def levit():
    from timm.models.levit import Levit

    widths = {"embed_dim": (64, 96, 128), "key_dim": 16, "num_heads": (2, 3, 4)}
    return Levit(img_size=SIZE, depth=(2, 2, 2), **widths, **ENDS)


def mobilenetv3():
    return timm.create_model("mobilenetv3_small_075", **ENDS)


def mobilenetv4():
    return timm.create_model("mobilenetv4_conv_small_050", **ENDS)


def poolformer():
    from timm.models.metaformer import GroupNorm1, MetaFormer

    shape = {"depths": (2, 2, 4, 2), "dims": (24, 48, 96, 160)}
    ours = {"downsample_norm": None, "norm_layers": GroupNorm1, "use_mlp_head": False}
    scales = {"layer_scale_init_values": 0.1, "res_scale_init_values": None}
    return MetaFormer(mlp_act=torch.nn.GELU, mlp_bias=True, **shape, **ours, **scales, **ENDS)


def repvit():
    return timm.create_model("repvit_m0_9", embed_dim=(24, 48, 96, 160), depth=(1, 1, 3, 1), **ENDS)


def swinv2():
    from timm.models.swin_transformer_v2 import SwinTransformerV2

    shape = {"embed_dim": 48, "depths": (2, 2, 2), "num_heads": (2, 4, 8), "window_size": 8}
    return SwinTransformerV2(img_size=SIZE, patch_size=4, drop_path_rate=0.0, **shape, **ENDS)


def tiny_vit():
    from timm.models.tiny_vit import TinyVit

    shape = {"embed_dims": (32, 48, 96, 128), "depths": (1, 2, 2, 1), "num_heads": (1, 2, 3, 4)}
    return TinyVit(window_sizes=(4, 4, 4, 2), drop_path_rate=0.0, **shape, **ENDS)


def vit_rope_swiglu():
    from timm.models.eva import Eva

    shape = {"patch_size": 8, "embed_dim": 96, "depth": 6, "num_heads": 3}
    positions = {"use_rot_pos_emb": True, "use_abs_pos_emb": False}
    mlp = {"qkv_fused": False, "swiglu_mlp": True, "mlp_ratio": 8 / 3}
    return Eva(img_size=SIZE, global_pool="avg", **shape, **positions, **mlp, **ENDS)


def xcit():
    from timm.models.xcit import Xcit

    shape = {"patch_size": 8, "embed_dim": 96, "depth": 4, "num_heads": 4}
    return Xcit(img_size=SIZE, eta=1.0, tokens_norm=True, **shape, **ENDS)


ARCHITECTURES = [
    convnextv2, efficientvit, fastvit, hiera, levit, mobilenetv3, mobilenetv4, poolformer, repvit,
    swinv2, tiny_vit, vit_rope_swiglu, xcit,
]  # fmt: skip


def enlarge(images):
    """u8 N x 28 x 28 to u8 N x 1 x SIZE x SIZE, bilinear."""
    large = functional.interpolate(images.unsqueeze(1).float(), size=(SIZE, SIZE), mode="bilinear")
    return (large + 0.5).floor().clamp(0, 255).to(torch.uint8)


def normalise(images):
    """u8 pixels to floats of mean 0 and deviation 1."""
    return (images.float() / 255.0 - data.MEAN) / data.STD


def augment(images):
    """Flips half of the images, and moves all by up to 5 pixels."""
    images = torch.where((torch.rand(len(images), device=images.device) < 0.5)[:, None, None, None],
                         images.flip(-1), images)  # fmt: skip
    moves = torch.randint(-5, 6, (2,)).tolist()
    return torch.roll(images, moves, (2, 3))


def train(model, images, labels, epochs, batch=512, rate=3e-3):
    """AdamW with one cycle of the learning rate; weights alone decay."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    steps = epochs * (len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.2)
    model.train()
    for _ in range(epochs):
        for index in data.batches(len(images), batch, images.device):
            with torch.autocast(images.device.type, torch.bfloat16):
                out = model(normalise(augment(images[index])))
            # LeViT and RepViT train two heads.
            logits = sum(out) / len(out) if isinstance(out, tuple) else out
            loss = functional.cross_entropy(logits.float(), labels[index], label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    model.eval()


@torch.no_grad()
def top1(model, images, labels):
    """In percent."""
    hits = [(model(normalise(i)).argmax(1) == l).sum() for i, l in zip(images.split(500), labels.split(500))]
    return 100.0 * sum(hits).item() / len(labels)


def export(model, path):
    """Opset 17 through the TorchScript exporter, one image at a time."""
    image = torch.zeros(1, 1, SIZE, SIZE)
    names = {"input_names": ["image"], "output_names": ["logits"]}
    torch.onnx.export(model.float().cpu(), (image,), path, opset_version=17, dynamo=False, **names)


def save(path, images, labels):
    """As the command line reads it with `--data` and `--calib`."""
    np.savez(path, images=np.ascontiguousarray(images.cpu().numpy()), labels=labels.cpu().numpy().astype(np.uint8))


def main():
    names = [make.__name__ for make in ARCHITECTURES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="the folder to write")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--data", default=data.DEFAULT_DATA)
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    timm.layers.set_fused_attn(False)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, labels = data.load(options.data, "train", device)
    images = torch.cat([enlarge(part) for part in images.split(5000)])
    tested, truth = data.load(options.data, "t10k", device)
    tested = torch.cat([enlarge(part) for part in tested.split(5000)])
    save(os.path.join(options.out, "calibration.npz"), images[:256], labels[:256])
    save(os.path.join(options.out, "test.npz"), tested[:1000], truth[:1000])
    for make in ARCHITECTURES:
        name = make.__name__
        if name not in options.only:
            continue
        torch.manual_seed(0)
        start, model = time.time(), make().to(device)
        train(model, images, labels, options.epochs)
        model = timm.utils.reparameterize_model(model).to(device)
        print(f"{name:16} top-1 {top1(model, tested, truth):.2f}  {time.time() - start:.0f} s", flush=True)
        export(model, os.path.join(options.out, f"{name}.onnx"))


if __name__ == "__main__":
    main()
