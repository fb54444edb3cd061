"""Rows of the tables that runs give."""

from __future__ import annotations

from typing import TypedDict, Union

# Made by a call, for `class` is a word of Python.
Ranked = TypedDict(
    "Ranked", {"class": int, "label": Union[str, None], "logit": int, "probability": float}
)
Ranked.__doc__ = """A class among the best: ``class``, ``label``, ``logit``, ``probability``."""


class Event(TypedDict):
    """An instruction that is done: what it wrote, as a hash, and how long it took."""

    instruction: int
    name: str
    op: str
    hash: str
    nanoseconds: int
