"""What can go wrong. The words are those of the command line."""

from __future__ import annotations


class ShiftformerError(Exception):
    """Something failed. ``help`` says what to do about it, or is ``None``."""

    help: str | None

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help
        if help is not None:
            # Shown below the message from Python 3.11 on.
            self.__notes__ = [f"help: {help}"]

    def __reduce__(self) -> tuple[type[ShiftformerError], tuple[str, str | None]]:
        return type(self), (self.args[0], self.help)


class OpenError(ShiftformerError):
    """A file or bytes cannot be used as a container."""


class ConvertError(ShiftformerError):
    """A model cannot be converted."""
