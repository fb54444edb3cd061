"""The stubs say what the module holds, and the package keeps to its types."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import shiftformer
from shiftformer import _native

pytest.importorskip("mypy")


def mypy(*arguments: str, folder: Path) -> None:
    """Runs a module of mypy, whose cache goes to ``folder``."""
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_stubs_are_those_of_the_module(tmp_path):
    mypy("mypy.stubtest", "--concise", "shiftformer._native", folder=tmp_path)


def test_the_package_keeps_to_its_types(tmp_path):
    # PyTorch is no dependency: where it is missing, its types are unknown.
    options = ["--strict", "--no-warn-unused-ignores", "--ignore-missing-imports"]
    mypy("mypy", *options, "--package", "shiftformer", folder=tmp_path)


def test_everything_public_is_documented():
    for name in shiftformer.__all__:
        assert inspect.getdoc(getattr(shiftformer, name)), name
    for kind in [_native.Model, _native.Session, _native.Outputs]:
        for name, member in inspect.getmembers(kind):
            if not name.startswith("_"):
                assert inspect.getdoc(member), f"{kind.__name__}.{name}"
