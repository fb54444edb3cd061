#!/usr/bin/env python3
"""Trains a float timm VisionTransformer on Fashion-MNIST: the baseline, and the teacher.

    python train_float.py --out float.safetensors                      # width 64, depth 6, patch 4
    python train_float.py --init float.safetensors --binary-mlp --out w1a8.safetensors   # MLP weights of one bit
    python train_float.py --patch 2 --width 192 --depth 12 --heads 3 --mlp-ratio 4 \
        --smoothing 0.1 --drop-path 0.1 --out vit12.safetensors --onnx vit12.onnx
"""

import argparse
import json
import time

import torch
from safetensors.torch import load_file, save_file
from torch.nn.utils import parametrize

import data
from binary import BinaryWeight
from schedule import Progress, cosine


def build(config, drop_path=0.0):
    """The timm model of a `config` as stored in the metadata."""
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(drop_path_rate=drop_path, **config)


def read_config(path):
    """The `config` in the metadata of a safetensors file."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["config"])


def load(path):
    """The float model stored in `path`."""
    model = build(read_config(path))
    state = {name: tensor.float() for name, tensor in load_file(path).items()}
    model.load_state_dict(state)
    return model.eval()


def save(model, path, config, top1=None, half=False):
    """Writes timm's tensor names, with what a converter needs in the metadata."""
    # Under timm's names, with the weights that a parametrization computes.
    tensors = {
        name.replace("parametrizations.weight.original", "weight"): tensor
        for name, tensor in model.state_dict().items()
    }
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module):
            tensors[f"{name}.weight"] = module.weight.detach()
    state = {
        name: (tensor.half() if half else tensor.float()).cpu().contiguous()
        for name, tensor in tensors.items()
    }
    metadata = {
        "layout": "timm VisionTransformer",
        "config": json.dumps(config),
        "mean": str(data.MEAN),
        "std": str(data.STD),
    }
    if top1 is not None:
        metadata["top1"] = f"{top1:.2f}"
    save_file(state, path, metadata)


def export_onnx(model, path):
    """Opset 17 through the TorchScript exporter, any batch size."""
    import timm

    timm.layers.set_fused_attn(False)
    for block in model.blocks:
        block.attn.fused_attn = False
    image = torch.zeros(1, 1, 28, 28)
    torch.onnx.export(
        model.eval().cpu(), (image,), path, opset_version=17, dynamo=False,
        input_names=["image"], output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
    )


def train(model, args, config, images, labels, test):
    device = args.device
    decay = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": args.weight_decay}, {"params": rest, "weight_decay": 0.0}],
        lr=args.lr,
    )
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=args.smoothing)
    forward = torch.compile(model, dynamic=False) if args.compile else model
    progress = Progress(args.epochs * (len(images) // args.batch), args.minutes)
    epoch, saved, start = 0, 0.0, time.monotonic()
    while not progress.done:
        model.train()
        for index in data.batches(len(images), args.batch, device):
            if progress.done:
                break
            for group in optimizer.param_groups:
                group["lr"] = args.lr * cosine(progress())
            batch = data.normalise(data.augment(images[index], args.shift))
            with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=args.bf16):
                logits = forward(batch)
            loss = loss_of(logits.float(), labels[index])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            progress.advance()
        epoch += 1
        if epoch % args.every == 0:
            top1, _ = data.evaluate(model, *test)
            save(model, args.out, config, top1, args.half)
            print(f"epoch {epoch} {time.monotonic() - start:.0f}s loss {loss.item():.4f} top1 {top1:.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--onnx", help="also export here")
    parser.add_argument("--init", help="go on from the weights of this file")
    parser.add_argument("--binary-mlp", action="store_true", help="weights of the MLPs have one bit (W1A8)")
    parser.add_argument("--data", default=data.DEFAULT_DATA)
    parser.add_argument("--patch", type=int, default=4)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--mlp-ratio", type=float, default=2.0)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--minutes", type=float, help="train by the clock instead")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--smoothing", type=float, default=0.0)
    parser.add_argument("--drop-path", type=float, default=0.0)
    parser.add_argument("--shift", type=int, default=2)
    parser.add_argument("--every", type=int, default=5, help="epochs between evaluations")
    parser.add_argument("--limit", type=int, help="train on this many images only")
    parser.add_argument("--half", action="store_true", help="store (and evaluate) float16 weights")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = True

    config = {
        "img_size": 28, "patch_size": args.patch, "in_chans": 1, "num_classes": 10, "embed_dim": args.width,
        "depth": args.depth, "num_heads": args.heads, "mlp_ratio": args.mlp_ratio, "qkv_bias": True,
    }
    model = build(config, args.drop_path)
    if args.init:
        model.load_state_dict(load(args.init).state_dict())
    if args.binary_mlp:
        for block in model.blocks:
            for layer in (block.mlp.fc1, block.mlp.fc2):
                parametrize.register_parametrization(layer, "weight", BinaryWeight())
    model.to(args.device)
    images, labels = data.load(args.data, "train", args.device)
    if args.limit:
        images, labels = images[: args.limit], labels[: args.limit]
    test = data.load(args.data, "t10k", args.device)
    train(model, args, config, images, labels, test)

    save(model, args.out, config, half=args.half)
    torch.backends.cuda.matmul.allow_tf32 = False
    stored = load(args.out).to(args.device)
    top1, _ = data.evaluate(stored, *test)
    save(stored, args.out, config, top1, args.half)
    print(f"top1 {top1:.2f} on {len(test[1])} test images", flush=True)
    if args.onnx:
        export_onnx(stored, args.onnx)


if __name__ == "__main__":
    main()
