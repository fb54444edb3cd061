"""Trained models to containers."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable, Union

import numpy as np

from . import _native
from ._errors import ConvertError
from ._progress import Bar

if TYPE_CHECKING:
    import torch

Path = Union[str, "os.PathLike[str]"]
Progress = Union[bool, Callable[[str, int, int], object]]

_log = logging.getLogger("shiftformer")


class ConversionWarning(UserWarning):
    """A container does not answer as the float model does."""


class Report:
    """What a conversion found out. Each list of flat dicts is a table: ``pandas.DataFrame`` takes it.

    The lists are empty for models that were trained with integers: nothing is calibrated then.
    """

    def __init__(self, conversion: _native.Conversion) -> None:
        self._conversion = conversion
        facts = conversion.facts()
        self._facts: dict[str, Any] = {} if facts is None else json.loads(facts)

    @property
    def comparison(self) -> list[dict[str, Any]]:
        """Float against integer, a row for each output."""
        rows = []
        for compared in self._facts.get("comparisons", []):
            of_all = {key: value for key, value in compared.items() if key != "outputs"}
            rows += [{**of_all, **output} for output in compared["outputs"]]
        return rows

    @property
    def tensors(self) -> list[dict[str, Any]]:
        """How each activation was quantized."""
        rows = []
        for tensor in self._facts.get("tensors", []):
            flat = dict(tensor)
            flat["range_min"], flat["range_max"] = flat.pop("range")
            rows.append(flat)
        return rows

    @property
    def changes(self) -> list[dict[str, Any]]:
        """What was folded, given more bits or overridden, and why."""
        return list(self._facts.get("changes", []))

    @property
    def fidelity(self) -> list[dict[str, Any]]:
        """How well the output of each instruction follows the float model."""
        return list(self._facts.get("fidelity", []))

    @property
    def remarks(self) -> list[str]:
        """What makes the container worth less than its figures."""
        return self._conversion.remarks

    @property
    def agrees(self) -> bool | None:
        """Whether every output is an answer to the same question as the float model's."""
        return self._conversion.agrees

    def html(self) -> str | None:
        """The page that tells whether to trust the conversion."""
        return self._conversion.page()

    def _repr_html_(self) -> str | None:
        page = self.html()
        # In a frame of its own, for the page has a style of its own.
        return page and f'<iframe srcdoc="{_escaped(page)}" width="100%" height="600"></iframe>'

    def __str__(self) -> str:
        return "\n".join([self._conversion.summary, *(f"remark: {remark}" for remark in self.remarks)])


class Conversion:
    """What a conversion has made."""

    def __init__(self, native: _native.Conversion, notes: list[str]) -> None:
        self._native = native
        #: What was found or decided on the way, in sentences.
        self.notes = notes
        #: What the conversion found out.
        self.report = Report(native)

    @property
    def model(self) -> _native.Model:
        """The container."""
        return self._native.model

    def save(self, path: Path, report: Path | None = None) -> None:
        """Writes the container to ``path`` and its facts beside it, and the page to ``report``."""
        self._native.save(os.fspath(path), None if report is None else os.fspath(report))

    def __repr__(self) -> str:
        return f"Conversion({self.model!r})"


def convert(
    model: Path,
    output: Path | None = None,
    *,
    calib: Path | np.ndarray | None = None,
    calib_samples: int = 128,
    format: str = "ivit",
    mean: float | Iterable[float] | None = None,
    std: float | Iterable[float] | None = None,
    normalize: bool = True,
    precision: Mapping[str, str] | None = None,
    escalate: float | None = None,
    max_flash: int | None = None,
    labels: Path | None = None,
    config: Path | None = None,
    report: Path | None = None,
    bgr: bool = False,
    resize: str | None = None,
    crop: float | None = None,
    interpolation: str | None = None,
    antialias: bool = True,
    fuse: bool = True,
    arena: int | None = None,
    target: str = "generic",
    progress: Progress = True,
) -> Conversion:
    """Converts the trained model at ``model``; the options are those of ``shiftformer convert``.

    ``output`` and ``report`` are written if they are given. Float models need ``calib``: a folder of
    images, an ``.npz`` with ``images``, an IDX file, or an array of ``uint8`` of the shape N×H×W×C,
    N×C×H×W or N×H×W. ``mean`` and ``std`` are of pixels scaled to [0, 1]. ``progress`` draws a bar on
    stderr for what takes over a second, or is called with the stage, the steps that are done, and how
    many there are.
    """
    if not normalize and (mean is not None or std is not None):
        raise ValueError("normalize=False means that pixels have no mean and std: leave one out")
    if not antialias and interpolation is not None:
        raise ValueError(
            "antialias=False weighs the four nearest pixels alone, interpolation= more: leave one out"
        )
    given = {
        "output": output,
        "report": report,
        "format": format,
        "calib": _interleaved(calib) if isinstance(calib, np.ndarray) else calib,
        "calib_samples": calib_samples,
        "precision": list((precision or {}).items()),
        "escalate": escalate,
        "max_flash": max_flash,
        "config": config,
        "mean": _channels(mean),
        "std": _channels(std),
        "normalize": normalize,
        "bgr": bgr,
        "resize": resize,
        "crop": crop,
        "interpolation": interpolation,
        "antialias": antialias,
        "labels": labels,
        "fuse": fuse,
        "arena": arena,
        "target": target,
    }
    with Bar() as bar:
        notes: list[str] = []

        def note(words: str) -> None:
            bar.clear()
            notes.append(words)
            _log.info(words)

        hears = bar if progress is True else progress or None
        native = _native.convert(os.fspath(model), given, hears, note)
    if native.disagreement is not None:
        warnings.warn(native.disagreement, ConversionWarning, stacklevel=2)
    return Conversion(native, notes)


def from_torch(
    model: torch.nn.Module,
    example: torch.Tensor | tuple[torch.Tensor, ...],
    output: Path | None = None,
    *,
    output_names: Sequence[str] = ("output",),
    **options: Any,
) -> Conversion:
    """Converts a PyTorch model in memory: exports it to ONNX for inputs like ``example``, a batch of
    one, and converts that. ``output_names`` are of its outputs: ``logits`` says that they are of
    classes. The other ``options`` are those of :func:`convert`. The model stays as it is.
    """
    import torch

    modes = [(module, module.training) for module in model.modules()]
    fused = torch.backends.mha.get_fastpath_enabled()
    with tempfile.TemporaryDirectory(prefix="shiftformer-") as folder:
        path = os.path.join(folder, f"{type(model).__name__}.onnx")
        try:
            # Fused attention is an operator that ONNX has not.
            torch.backends.mha.set_fastpath_enabled(False)
            with warnings.catch_warnings(), torch.inference_mode():
                # The tracing exporter, which needs no package beside PyTorch, is said to go some day.
                warnings.simplefilter("ignore", DeprecationWarning)
                # Sizes become constants, as they are in a container.
                warnings.simplefilter("ignore", torch.jit.TracerWarning)
                torch.onnx.export(
                    model.eval(),
                    example,
                    path,
                    dynamo=False,
                    opset_version=_OPSET,
                    input_names=["input"],
                    output_names=list(output_names),
                )
        except torch.onnx.errors.OnnxExporterError as error:
            raise ConvertError(
                f"PyTorch cannot export {type(model).__name__}: {error}",
                "export it to ONNX as its authors do, and convert the file",
            ) from error
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)
            for module, training in modes:
                module.training = training
        return convert(path, output, **options)


#: The first with layer normalization as one operator.
_OPSET = 17


def _channels(values: float | Iterable[float] | None) -> list[float]:
    if values is None:
        return []
    return [float(value) for value in np.atleast_1d(np.asarray(values, dtype=float))]


def _interleaved(images: np.ndarray) -> np.ndarray:
    """Images with their channels last."""
    few = range(1, 5)
    if images.ndim == 4 and images.shape[3] not in few and images.shape[1] in few:
        return images.transpose(0, 2, 3, 1)
    return images


def _escaped(page: str) -> str:
    return page.replace("&", "&amp;").replace('"', "&quot;")
