"""The compiled part of the package."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Union, final

import numpy as np
import numpy.typing as npt

from ._rows import Event, Ranked

__all__ = ["Conversion", "Image", "Model", "Output", "Outputs", "Session", "convert"]

_Path = Union[str, os.PathLike[str]]
# What NumPy makes an array of uint8 of: an array, a picture of Pillow, a tensor.
_Picture = npt.ArrayLike
# Bytes one after another: bytes, bytearray, memoryview, a contiguous array of uint8.
_Frame = Union[bytes, bytearray, memoryview, npt.NDArray[np.uint8]]
_Key = Union[str, int]

@final
class Image:
    """The image that a model takes."""

    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def order(self) -> Literal["gray", "rgb", "bgr", "other"]: ...
    @property
    def mean(self) -> list[float]: ...
    @property
    def std(self) -> list[float]: ...

@final
class Output:
    """An output of a model."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> Literal["logits", "embedding", "dense", "values"]: ...
    @property
    def answer(self) -> Literal["shares", "chances", "class", "values", "vector", "map"]: ...
    @property
    def ending(self) -> str | None: ...
    @property
    def shape(self) -> list[int]: ...
    @property
    def scale(self) -> float: ...

@final
class Outputs:
    """The integers of every output, by name or number."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: _Key, /) -> npt.NDArray[np.int32]: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def keys(self) -> list[str]: ...
    def ended(self, output: _Key | None = None) -> npt.NDArray[np.float32]:
        """What the model gives as real numbers, with what it computes at its end."""

    def real(self, output: _Key | None = None) -> npt.NDArray[np.float32]:
        """The real values of an output, without what the model computes at its end."""

    @property
    def best(self) -> int | None:
        """The class of the largest logit; ties go to the lowest."""

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """The share of each class, or its chance by itself where the model ends in a sigmoid."""

    def top_k(self, k: int = 5) -> list[Ranked]:
        """The ``k`` best classes, best first."""

@final
class Session:
    """A model on an engine. Threads that run at the same time have an engine each."""

    @property
    def model(self) -> Model: ...
    @property
    def backend(self) -> str: ...
    @property
    def kernels(self) -> str: ...
    @property
    def fallback(self) -> str | None:
        """Why another backend runs the model than the one that was asked for."""

    def run(self, picture: _Picture) -> Outputs:
        """Runs a picture of ``uint8``, height × width × channels of any size, brought to the model's
        by the container's rule. The array is read in place: do not change it meanwhile."""

    def run_frame(self, frame: _Frame) -> Outputs:
        """Runs a frame: the bytes of all inputs, one after another."""

    def run_batch(self, pictures: _Picture, output: _Key | None = None) -> npt.NDArray[np.int32]:
        """Runs pictures, number × height × width × channels, and gives one output of each: the first
        of logits where none is named."""

    def trace(self, frame: _Frame) -> list[Event]:
        """Runs a frame and tells what each instruction wrote, as a hash, and how long it took."""

@final
class Model:
    """A checked container. It pickles, and threads share it."""

    def __new__(cls, data: bytes | bytearray, name: str = "model") -> Model: ...
    @staticmethod
    def from_bytes(data: bytes | bytearray, name: str = "model") -> Model:
        """The container in ``data``; ``name`` is for messages."""

    @staticmethod
    def open(path: _Path) -> Model:
        """Reads the file at ``path`` and checks it whole."""

    def save(self, path: _Path) -> None:
        """Writes the container, whole or not at all."""

    def to_bytes(self) -> bytes: ...
    @property
    def name(self) -> str: ...
    @property
    def identity(self) -> str:
        """SHA-256 of the canonical content: the same however the weights are laid out."""

    @property
    def image(self) -> Image | None: ...
    @property
    def outputs(self) -> list[Output]: ...
    @property
    def labels(self) -> list[str]: ...
    @property
    def frame_len(self) -> int:
        """Bytes of all inputs of a frame."""

    @property
    def arena_bytes(self) -> int:
        """Bytes of working memory that a device needs."""

    @property
    def flash_bytes(self) -> int:
        """Bytes of the container."""

    def session(
        self,
        backend: str = "cpu",
        *,
        threads: int | None = None,
        kernels: str | None = None,
        gpu: str | None = None,
    ) -> Session:
        """A session on ``"cpu"``, on ``"reference"``, which is the specification and slow, or on
        ``"gpu"``, of which ``gpu`` is a part of the name or the number."""

    def run(self, picture: _Picture) -> Outputs:
        """As ``run`` of a session, on this machine's processor."""

    def run_batch(self, pictures: _Picture, output: _Key | None = None) -> npt.NDArray[np.int32]:
        """As ``run_batch`` of a session, on this machine's processor."""

    def __getnewargs__(self) -> tuple[bytes, str]: ...

@final
class Conversion:
    @property
    def model(self) -> Model: ...
    def facts(self) -> str | None: ...
    @property
    def remarks(self) -> list[str]: ...
    @property
    def agrees(self) -> bool | None: ...
    @property
    def disagreement(self) -> str | None: ...
    @property
    def summary(self) -> str: ...
    def page(self) -> str | None: ...
    def save(self, output: _Path | None, report: _Path | None = None) -> None: ...

def convert(
    path: _Path,
    given: Mapping[str, Any],
    progress: Callable[[str, int, int], object] | None,
    note: Callable[[str], object],
) -> Conversion: ...
