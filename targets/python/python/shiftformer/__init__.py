"""Integer-only vision transformers, with the same answer on every machine.

``convert`` makes a container of integer instructions of a trained model, ``open`` reads one, and a
``Model`` runs on this machine's processor or its GPU:

>>> import shiftformer
>>> conversion = shiftformer.convert("model.onnx", calib="pictures", mean=0.5, std=0.5)
>>> conversion.save("model.shf")
>>> shiftformer.open("model.shf").run(picture).top_k(3)
"""

from ._convert import Conversion, ConversionWarning, Report, convert, from_torch
from ._errors import ConvertError, OpenError, ShiftformerError
from ._native import Image, Model, Output, Outputs, Session
from ._rows import Event, Ranked

open = Model.open

__all__ = [
    "Conversion",
    "ConversionWarning",
    "ConvertError",
    "Event",
    "Image",
    "Model",
    "OpenError",
    "Output",
    "Outputs",
    "Ranked",
    "Report",
    "Session",
    "ShiftformerError",
    "convert",
    "from_torch",
    "open",
]
