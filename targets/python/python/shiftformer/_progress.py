"""A bar for work that takes over a second."""

from __future__ import annotations

import sys
import time
from types import TracebackType

PATIENCE = 1.0
REDRAW = 0.1
WIDTH = 30


class Bar:
    """Draws the stages of a conversion on stderr, where somebody sees it, one after the other, and
    leaves nothing behind."""

    def __init__(self) -> None:
        self._stage = ""
        self._begun = self._drawn = 0.0
        self._shown = 0

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done == 0 or stage != self._stage:
            self.clear()
            self._stage, self._begun = stage, now
        if now - self._begun >= PATIENCE and now - self._drawn >= REDRAW and _is_watched():
            self._drawn = now
            self._draw(done, total, now - self._begun)

    def clear(self) -> None:
        """Removes what is drawn."""
        if self._shown:
            self._write(" " * self._shown + "\r")
            self._shown = 0

    def _draw(self, done: int, total: int, seconds: float) -> None:
        line = f"{self._stage} {seconds:.0f} s"
        if total:
            full = WIDTH * min(done, total) // total
            left = seconds / done * (total - done) if done else 0.0
            line = f"{self._stage} {'█' * full}{'░' * (WIDTH - full)} {done}/{total} {left:.0f} s left"
        self._write(line.ljust(self._shown) + "\r")
        self._shown = len(line)

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _is_watched() -> bool:
    """Whether stderr is a terminal or a notebook, and not a file."""
    return sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)
