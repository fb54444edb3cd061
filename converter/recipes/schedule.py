"""Length of a training run, in epochs or in minutes, and the learning rate along it."""

import math
import time


class Progress:
    """Runs from 0 to 1, by steps or, with `minutes`, by the clock."""

    def __init__(self, steps=None, minutes=None):
        self.steps, self.seconds = steps, None if minutes is None else 60.0 * minutes
        self.step, self.start = 0, time.monotonic()

    def advance(self):
        self.step += 1

    def __call__(self):
        if self.seconds is not None:
            return (time.monotonic() - self.start) / self.seconds
        return self.step / self.steps

    @property
    def done(self):
        return self() >= 1.0


def cosine(progress, warmup=0.03):
    """Linear warm-up, then a half cosine to 0."""
    if progress < warmup:
        return progress / warmup
    along = min(1.0, (progress - warmup) / (1.0 - warmup))
    return 0.5 * (1.0 + math.cos(math.pi * along))
