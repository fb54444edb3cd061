#!/usr/bin/env python3
"""Trains a binarized (BiViT) transformer from a float one, and exports it.

    python train_bivit.py --teacher float.safetensors --out bivit.safetensors --checkpoint bivit.pt

Cross-layer scheme: first the MLPs are binary while attention is int8 with Shiftmax, then
attention is binarized too. Throughout, the float model's logits are distilled.
"""

import argparse
import time

import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax

import data
import train_float
from binary import BinaryLinear
from model import TYPES, BinaryVit
from schedule import Progress, cosine


def distillation(logits, teacher, labels, share, temperature=2.0):
    """Cross entropy, and `share` of the divergence from the teacher's softened logits."""
    hard = cross_entropy(logits, labels)
    soft = kl_div(log_softmax(logits / temperature, 1), softmax(teacher / temperature, 1), reduction="batchmean")
    return (1.0 - share) * hard + share * temperature**2 * soft


def parameter_groups(model, decay):
    """No decay for latent binary weights (only their sign counts), scales, biases and norms."""
    latent = {id(m.weight) for m in model.modules() if isinstance(m, BinaryLinear)}
    decayed = [p for p in model.parameters() if p.ndim > 1 and id(p) not in latent]
    chosen = {id(p) for p in decayed}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [{"params": decayed, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]


def run_stage(model, teacher, args, train, test, share, name):
    """Trains for `share` of the epochs or minutes; compiling is not counted."""
    images, labels = train
    optimizer = torch.optim.AdamW(parameter_groups(model, args.weight_decay), lr=args.lr)
    compiled = (lambda m: torch.compile(m, dynamic=False)) if args.compile else (lambda m: m)
    forward, teach = compiled(model), compiled(teacher)
    if args.compile:
        model.train()
        batch = data.normalise(images[: args.batch])
        distillation(forward(batch), teach(batch).detach(), labels[: args.batch], args.distill).backward()
    steps = max(1, round(args.epochs * (len(images) // args.batch) * share))
    progress = Progress(steps, None if args.minutes is None else args.minutes * share)
    epoch, start = 0, time.monotonic()
    while not progress.done:
        model.train()
        for index in data.batches(len(images), args.batch, args.device):
            if progress.done:
                break
            for group in optimizer.param_groups:
                group["lr"] = args.lr * cosine(progress())
            batch = data.normalise(data.augment(images[index], args.shift))
            with torch.no_grad():
                target = teach(batch).clone()
            loss = distillation(forward(batch), target, labels[index], args.distill)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            progress.advance()
        epoch += 1
        if epoch % args.every == 0:
            top1, _ = data.evaluate(model, *test)
            save(model, args.checkpoint)
            seconds = time.monotonic() - start
            print(f"{name} epoch {epoch} {seconds:.0f}s loss {loss.item():.4f} top1 {top1:.2f}", flush=True)
    top1, _ = data.evaluate(model, *test)
    print(f"{name} ends after {epoch} epochs, {time.monotonic() - start:.0f}s: top1 {top1:.2f}", flush=True)


def save(model, path):
    torch.save({"config": model.config, "types": model.types, "state": model.state_dict()}, path)


def load(path):
    """The trained model stored by `save`."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    model = BinaryVit(stored["config"], stored["types"])
    model.load_state_dict(stored["state"])
    return model.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", required=True, help="float model (train_float.py)")
    parser.add_argument("--out", help="export here when done")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--data", default=data.DEFAULT_DATA)
    parser.add_argument("--qkv", choices=("sign", "i8"), default=TYPES["qkv"])
    parser.add_argument("--proj", choices=("sign", "ternary", "i8", "i16"), default=TYPES["proj"])
    parser.add_argument("--fc1", choices=("sign", "i8"), default=TYPES["fc1"])
    parser.add_argument("--fc2", choices=("sign", "i8"), default=TYPES["fc2"])
    parser.add_argument("--gelu", choices=("table", "shift"), default=TYPES["gelu"])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--minutes", type=float, help="train by the clock instead")
    parser.add_argument("--warm", type=float, default=0.25, help="share of stage 1 (int8 attention)")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=0.02)
    parser.add_argument("--distill", type=float, default=0.7)
    parser.add_argument("--shift", type=int, default=1)
    parser.add_argument("--every", type=int, default=10, help="epochs between evaluations")
    parser.add_argument("--limit", type=int, help="use this many images only")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    # Exact for what matters: signs and int8 have fewer bits than TF32's mantissa.
    torch.backends.cuda.matmul.allow_tf32 = True

    config = train_float.read_config(args.teacher)
    teacher = train_float.load(args.teacher).to(args.device).requires_grad_(False)
    types = {
        "qkv": args.qkv, "proj": args.proj, "attn_norm": args.proj in ("sign", "i8"),
        "fc1": args.fc1, "fc2": args.fc2, "gelu": args.gelu,
    }
    model = BinaryVit(config, types).to(args.device)
    model.start_from(teacher)
    train = data.load(args.data, "train", args.device)
    test = data.load(args.data, "t10k", args.device)
    if args.limit:
        train, test = [tuple(t[: args.limit] for t in part) for part in (train, test)]
    first = data.normalise(train[0][:256])
    if args.warm > 0:
        model.set_warm(True)
        model.calibrate(first)
        run_stage(model, teacher, args, train, test, args.warm, "int8 attention")
        model.end_warm()
    model.calibrate(first)
    run_stage(model, teacher, args, train, test, 1.0 - args.warm, "binary attention")
    save(model, args.checkpoint)

    torch.backends.cuda.matmul.allow_tf32 = False
    top1, _ = data.evaluate(model, *test)
    print(f"top1 {top1:.2f} on {len(test[1])} test images: {types}", flush=True)
    if args.out:
        import export

        export.export(load(args.checkpoint), args.out, top1)


if __name__ == "__main__":
    main()
