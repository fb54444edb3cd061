"""Conversions: what the command line makes, byte for byte."""

from __future__ import annotations

import html
import json
import subprocess
import warnings

import numpy as np
import pytest

import shiftformer
from conftest import DATA, MEAN, STD

FLOAT = DATA / "vit_fmnist_fp32.onnx"
TRAINING = DATA / "fmnist-train-128-images-idx3-ubyte.gz"


@pytest.fixture(scope="module")
def by_command(cli, tmp_path_factory):
    """The folder in which the command line has converted the bundled model."""
    folder = tmp_path_factory.mktemp("cli")
    command = [cli, "convert", FLOAT, "-o", folder / "model.shf", "--calib", TRAINING, "--json"]
    command += ["--mean", str(MEAN), "--std", str(STD), "--report", folder / "model.html"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    (folder / "out.json").write_text(done.stdout)
    return folder


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """The same by the package, and its folder."""
    folder = tmp_path_factory.mktemp("python")
    output, report = folder / "model.shf", folder / "model.html"
    return folder, shiftformer.convert(FLOAT, output, calib=TRAINING, mean=MEAN, std=[STD], report=report)


def test_container_facts_and_page_are_those_of_the_command_line(by_command, converted):
    folder, conversion = converted
    for name in ["model.shf", "model.facts.json", "model.html"]:
        assert (folder / name).read_bytes() == (by_command / name).read_bytes(), name
    assert conversion.model.to_bytes() == (folder / "model.shf").read_bytes()
    assert conversion.report.html() == (folder / "model.html").read_text()
    told = json.loads((by_command / "out.json").read_text())
    assert conversion.model.identity == told["identity"]
    assert conversion.report.remarks == told["remarks"] and conversion.report.agrees is told["agrees"]


def test_the_report_is_tables(converted):
    report = converted[1].report
    (compared,) = report.comparison
    assert compared["output"] == "logits" and compared["images"] > 0 and compared["agreement"] > 90
    for table in [report.comparison, report.tensors, report.changes, report.fidelity]:
        assert table and all(set(row) == set(table[0]) for row in table)
        assert not any(isinstance(value, (dict, list)) for row in table for value in row.values())
    assert {"bits", "scale", "range_min", "range_max"} <= set(report.tensors[0])
    assert {"instruction", "snr_db"} <= set(report.fidelity[0])
    assert "agrees with float" in str(report)
    assert html.escape(report.html()[:20], quote=False) in html.escape(report._repr_html_())


def test_it_saves_what_it_has_made(converted, tmp_path):
    folder, conversion = converted
    conversion.save(tmp_path / "again.shf", tmp_path / "again.html")
    assert (tmp_path / "again.shf").read_bytes() == (folder / "model.shf").read_bytes()
    assert (tmp_path / "again.html").read_bytes() == (folder / "model.html").read_bytes()
    assert (tmp_path / "again.facts.json").exists()


def test_images_in_memory_calibrate_as_those_of_a_file(converted, training):
    for images in [training, training[:, None]]:
        again = shiftformer.convert(FLOAT, calib=images, mean=MEAN, std=STD, progress=False)
        assert again.model.to_bytes() == converted[1].model.to_bytes(), images.shape


def test_options_reach_the_converter(training):
    few = {"calib": training[:32], "mean": MEAN, "std": STD, "progress": False}
    plain = shiftformer.convert(FLOAT, **few).model
    wide = shiftformer.convert(FLOAT, precision={"head": "i16"}, **few)
    assert any(change["kind"] == "overridden" for change in wide.report.changes)
    laid_out = shiftformer.convert(FLOAT, target="dsp", **few).model
    assert laid_out.identity == plain.identity and laid_out.to_bytes() != plain.to_bytes()
    traced = shiftformer.convert(FLOAT, fuse=False, **few).model
    frame = training[0].tobytes()
    assert len(traced.session().trace(frame)) > len(plain.session().trace(frame))


def test_integer_checkpoints_need_no_images(binarized):
    checkpoint = DATA / "vit_fmnist_bivit_recipe.safetensors"
    conversion = shiftformer.convert(checkpoint, format="bivit")
    assert conversion.model.to_bytes() == binarized.to_bytes()
    assert conversion.report.comparison == [] and conversion.report.html() is None


def test_progress_is_told_in_order(training):
    heard: list[tuple[str, int, int]] = []
    shiftformer.convert(
        FLOAT, calib=training[:32], mean=MEAN, std=STD, progress=lambda *told: heard.append(told)
    )
    stages = [stage for stage, done, _ in heard if done == 0]
    assert stages[0].startswith("reading ") and len(stages) > 3
    for stage, done, total in heard:
        assert 0 <= done <= total or total == 0, stage


def test_an_exception_of_progress_ends_the_conversion(training, tmp_path):
    class Enough(Exception):
        pass

    def stop(stage: str, done: int, total: int) -> None:
        if done == 1:
            raise Enough(stage)

    output = tmp_path / "model.shf"
    with pytest.raises(Enough):
        shiftformer.convert(FLOAT, output, calib=training, mean=MEAN, std=STD, progress=stop)
    assert not output.exists()


def test_what_has_nothing_to_do_with_the_float_model_is_warned_of(training):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        conversion = shiftformer.convert(
            FLOAT, calib=np.zeros_like(training), mean=MEAN, std=STD, progress=False
        )
    warned = any(issubclass(warning.category, shiftformer.ConversionWarning) for warning in caught)
    assert warned == (conversion.report.agrees is False)
    assert any("calibration" in remark for remark in conversion.report.remarks)
