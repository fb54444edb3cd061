#!/usr/bin/env python3
"""Shiftformer on a GPU beside PyTorch on the same one, in one run.

    python bench.py                      # all rows
    python bench.py --tune               # with the tiles that are measured here
    python bench.py --only deit_small    # some
    python bench.py --no-kernels         # models without the rows of single kernels
    python bench.py --json               # for scripts

`cargo xtask bench-gpu` puts this file and the programs into one folder, which is all that the
machine with the GPU needs, beside Python with torch and timm. PyTorch runs compiled, with CUDA
graphs; fp32 is without TF32. Times are medians in milliseconds: `device` by the GPU's own clock,
`all` with the frame going in and the logits coming back. `memory_mib` is what the model takes of
the GPU's memory. The rows of single kernels have no other library beside them.
"""

import argparse
import json
import os
import statistics
import subprocess
import time

import numpy
import timm
import torch

HERE = os.path.dirname(os.path.abspath(__file__))

MODELS = {
    "deit_small": ("deit-small", "deit_small_patch16_224", 224),
    "deit_base": ("deit-base", "deit_base_patch16_224", 224),
    "deit_tiny": ("deit-tiny", "deit_tiny_patch16_224", 224),
    "swin_tiny": (None, "swin_tiny_patch4_window7_224", 224),
    "mobilevit_s": (None, "mobilevit_s", 256),
}
"""Of each: its architecture here, whose weights are random, or none where the model in timm is converted;
its name in timm; the side of its frames."""

CALIBRATION_FRAMES = 16
IMAGENET = ["--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"]

DEFAULT = ["deit_small", "deit_base", "swin_tiny", "mobilevit_s"]

WARM_SECONDS = 0.5
"""An idle GPU runs at a low clock."""

RUNS = 30


def converted(name, side):
    """The container of a model in timm with random weights, calibrated on noise: for its speed alone."""
    folder = os.path.join(HERE, "models")
    os.makedirs(folder, exist_ok=True)
    onnx, frames, container = (os.path.join(folder, name + end) for end in (".onnx", ".npz", ".shf"))
    if not os.path.exists(container):
        torch.manual_seed(0)
        model, example = timm.create_model(name).eval(), torch.randn(2, 3, side, side)
        names = {"input_names": ["image"], "output_names": ["logits"]}
        dynamic = {"image": {0: "batch"}, "logits": {0: "batch"}}
        torch.onnx.export(model, (example,), onnx, opset_version=17, dynamo=False, dynamic_axes=dynamic, **names)
        noise = torch.randint(0, 256, (CALIBRATION_FRAMES, side, side, 3), dtype=torch.uint8)
        numpy.savez(frames, images=noise.numpy())
        command = [os.path.join(HERE, "shiftformer"), "convert", onnx, "-o", container, "--calib", frames]
        subprocess.run(command + IMAGENET, check=True, stdout=subprocess.DEVNULL)
    return container


def ours(subject, batch, tune):
    """Milliseconds of a batch on the device, of all, and from nothing to the first result; MiB of
    the GPU's memory."""
    command = [os.path.join(HERE, "shiftformer"), "bench", *subject, "--batch", str(batch)]
    command += ["--backend", "gpu", "--json"] + ["--tune"] * tune
    # The first process fills the caches that the second one finds.
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    row = json.loads(done.stdout)
    if row["backend"] != "gpu":
        raise SystemExit(done.stderr)
    memory = row["gpu_memory_bytes"] / 2**20
    return row.get("device_median_ms"), row["median_ms"], row["first_result_ms"], memory


def kernels(as_json):
    """Prints the rows of single kernels."""
    command = [os.path.join(HERE, "gpu_kernels")] + ["--json"] * as_json
    if subprocess.run(command).returncode:
        raise SystemExit("gpu_kernels failed")


@torch.no_grad()
def theirs(name, side, batch, dtype):
    """Milliseconds of a batch on the device and of all, compiled with CUDA graphs."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch._dynamo.reset()
    model = timm.create_model(name).eval().cuda().to(dtype)
    model = torch.compile(model, mode="reduce-overhead")
    frames = torch.randn(batch, 3, side, side, dtype=dtype).pin_memory()
    on_device = frames.cuda()
    begin = time.time()
    while time.time() - begin < WARM_SECONDS or time.time() - begin < 1.0:
        torch.compiler.cudagraph_mark_step_begin()
        model(on_device)
        torch.cuda.synchronize()
    device, whole = [], []
    for _ in range(RUNS):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.compiler.cudagraph_mark_step_begin()
        start.record()
        model(on_device)
        end.record()
        torch.cuda.synchronize()
        device.append(start.elapsed_time(end))
    for _ in range(RUNS):
        begin = time.perf_counter()
        torch.compiler.cudagraph_mark_step_begin()
        model(frames.cuda(non_blocking=True)).cpu()
        whole.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(device), statistics.median(whole)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=MODELS, default=DEFAULT)
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 64])
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--kernels", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, timm {timm.__version__}", flush=True)
    for model in options.only:
        arch, name, side = MODELS[model]
        subject = ["--arch", arch] if arch else [converted(name, side)]
        for batch in options.batches:
            device, whole, first, memory = ours(subject, batch, options.tune)
            fp32, fp16 = (theirs(name, side, batch, dtype) for dtype in (torch.float32, torch.float16))
            row = {"model": model, "batch": batch, "device_ms": device, "all_ms": whole, "first_result_ms": first}
            row |= {"memory_mib": memory}
            row |= {"fp32_device_ms": fp32[0], "fp32_all_ms": fp32[1]}
            row |= {"fp16_device_ms": fp16[0], "fp16_all_ms": fp16[1]}
            if options.json:
                print(json.dumps(row), flush=True)
                continue
            against = f"{fp32[0] / device:.2f}x fp32, {fp16[0] / device:.2f}x fp16" if device else ""
            values = "  ".join(f"{key} {value:.3f}" for key, value in row.items() if isinstance(value, float))
            print(f"{model} batch {batch}: {values}  {against}", flush=True)
    if options.kernels:
        kernels(options.json)


if __name__ == "__main__":
    main()
