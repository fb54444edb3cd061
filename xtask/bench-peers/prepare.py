#!/usr/bin/env python3
"""Makes the models that measure.py measures: one ONNX file each, and what every contestant makes of it.

    python prepare.py SCRATCH --models deit-tiny,vit_fmnist

`cargo xtask bench-peers` runs it where the packages are installed. What is there already is left as it
is. What cannot be made is named, with its reason, and the others are made all the same.

    models/NAME/float.onnx      PyTorch's export, with any batch size
    models/NAME/container.shf   what Shiftformer's conversion makes of it
    models/NAME/nncf.xml        what NNCF's quantization after training makes of it, for OpenVINO
    models/NAME/qdq.onnx        what ONNX Runtime's static quantization makes of it
    models/NAME/row-maximum.shf a program as quantization-aware training gives it, made before
    models/NAME/about.json      the frames that it takes, its files, and what is missing
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from measure import pixels, normalized  # noqa: E402

ROOT = HERE.parents[1]

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
FASHION = {"mean": [0.2860], "std": [0.3530]}

MODELS = {
    "deit-tiny": ("deit_tiny_patch16_224", [3, 224, 224], IMAGENET),
    "deit-small": ("deit_small_patch16_224", [3, 224, 224], IMAGENET),
    "deit-base": ("deit_base_patch16_224", [3, 224, 224], IMAGENET),
    "swin-tiny": ("swin_tiny_patch4_window7_224", [3, 224, 224], IMAGENET),
    "mobilevit-s": ("mobilevit_s", [3, 256, 256], IMAGENET),
    "vit_fmnist": (ROOT / "data/vit_fmnist_fp32.onnx", [1, 28, 28], FASHION),
}
"""Of each: its name in timm, with random weights, or its file; its frames; how pixels are normalized."""

FLOAT = "float.onnx"

CALIBRATION_FRAMES = 64
FIRST_FRAME = 1 << 40
"""Frames from here on are for calibration: none of them is measured."""


def say(words):
    print(words, file=sys.stderr, flush=True)


def calibration_frames(about):
    return [pixels(FIRST_FRAME + n, about["shape"]) for n in range(CALIBRATION_FRAMES)]


def export(source, about, folder):
    """The float model, with any batch size, which is called `batch`."""
    import onnx

    path = folder / FLOAT
    if isinstance(source, pathlib.Path):
        model = onnx.load(source)
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
        return onnx.save(model, path)
    import timm
    import torch

    torch.manual_seed(0)
    model, example = timm.create_model(source, pretrained=False).eval(), torch.randn(2, *about["shape"])
    names = {"input_names": ["image"], "output_names": ["logits"]}
    dynamic = {name: {0: "batch"} for name in ("image", "logits")}
    torch.onnx.export(model, (example,), path, opset_version=17, dynamo=False, dynamic_axes=dynamic, **names)


def container(_source, about, folder):
    import shiftformer

    frames = np.stack(calibration_frames(about)).transpose(0, 2, 3, 1)
    normalization = {key: about[key] for key in ("mean", "std")}
    shiftformer.convert(str(folder / FLOAT), str(folder / "container.shf"), calib=frames, **normalization)


def for_openvino(_source, about, folder):
    import nncf
    import openvino

    model = openvino.Core().read_model(folder / FLOAT)
    frames = [normalized(frame[None], about) for frame in calibration_frames(about)]
    quantized = nncf.quantize(
        model, nncf.Dataset(frames), model_type=nncf.ModelType.TRANSFORMER, subset_size=CALIBRATION_FRAMES
    )
    openvino.save_model(quantized, folder / "nncf.xml", compress_to_fp16=False)


def for_onnx_runtime(_source, about, folder):
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Frames(CalibrationDataReader):
        def __init__(self):
            self.left = iter(calibration_frames(about))

        def get_next(self):
            frame = next(self.left, None)
            return None if frame is None else {name: normalized(frame[None], about)}

    name = onnx.load(folder / FLOAT).graph.input[0].name
    processed = folder / "processed.onnx"
    try:
        quant_pre_process(folder / FLOAT, processed)
    except Exception as error:  # noqa: BLE001  (it raises what it is made of)
        say(f"without shapes of any batch size: {last_line(error)}")
        quant_pre_process(folder / FLOAT, processed, skip_symbolic_shape=True)
    quantize_static(
        processed,
        folder / "qdq.onnx",
        Frames(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    processed.unlink()


def row_maximum(_source, _about, folder):
    if not (folder / "row-maximum.shf").exists():
        raise FileNotFoundError("there is no such program of this model")


MADE = {
    "float": (FLOAT, export),
    "container": ("container.shf", container),
    "nncf": ("nncf.xml", for_openvino),
    "qdq": ("qdq.onnx", for_onnx_runtime),
    "row_maximum": ("row-maximum.shf", row_maximum),
}
"""Of each kind of file: its name, and what makes it of the source, of what is known, and in which folder."""


def prepare(name, folder):
    """Makes what the model lacks; its container also where Shiftformer is another than before."""
    source, shape, normalization = MODELS[name]
    path, library = folder / "about.json", shiftformer_hash()
    about = {"shape": shape, **normalization, "files": {}}
    if path.exists():
        about |= json.loads(path.read_text())
    if about.get("shiftformer") != library:
        about["files"].pop("container", None)
    about |= {"shiftformer": library, "missing": {}}
    for kind, (file, make) in MADE.items():
        if kind not in about["files"]:
            begin = time.monotonic()
            say(f"{name}: making {file}")
            try:
                make(source, about, folder)
                about["files"][kind] = file
                say(f"{name}: made {file} in {time.monotonic() - begin:.0f} s")
            except Exception as error:  # noqa: BLE001  (whatever a library raises is the reason)
                about["missing"][kind] = last_line(error)
                say(f"{name}: {file} is left out: {last_line(error)}")
        path.write_text(json.dumps(about, indent=1))


def shiftformer_hash():
    from shiftformer import _native

    return hashlib.sha256(pathlib.Path(_native.__file__).read_bytes()).hexdigest()


def last_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def versions():
    from importlib.metadata import PackageNotFoundError, version

    def found(package):
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    packages = {"Shiftformer": "shiftformer", "OpenVINO": "openvino", "NNCF": "nncf", "ONNX Runtime": "onnxruntime"}
    packages |= {"PyTorch": "torch", "timm": "timm"}
    return {"Python": sys.version.split()[0], **{name: found(package) for name, package in packages.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scratch", type=pathlib.Path)
    parser.add_argument("--models", type=lambda text: text.split(","), default=list(MODELS))
    parser.add_argument("--tract", default="not installed", help="the version of tract")
    options = parser.parse_args()
    if unknown := [name for name in options.models if name not in MODELS]:
        parser.error(f"there is no {', '.join(unknown)}; there are: {', '.join(MODELS)}")
    options.scratch = options.scratch.resolve()
    os.chdir(options.scratch)  # Libraries leave files where they run.
    for name in options.models:
        folder = options.scratch / "models" / name
        folder.mkdir(parents=True, exist_ok=True)
        prepare(name, folder)
    found = versions() | {"tract": options.tract}
    (options.scratch / "versions.json").write_text(json.dumps(found, indent=1))
    shutil.copy(HERE / "measure.py", options.scratch)


if __name__ == "__main__":
    main()
