"""Running models: the same integers everywhere, in whatever memory pictures lie."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import shiftformer


@pytest.fixture(params=["ivit", "bivit"])
def either(request, model, binarized):
    """A model of each format."""
    return {"ivit": model, "bivit": binarized}[request.param]


def test_all_logits_are_those_of_the_reference(either, images):
    found = either.session("cpu").run_batch(images)
    expected = either.session("reference").run_batch(images)
    assert found.dtype == np.int32 and found.shape == (len(images), 10)
    assert np.array_equal(found, expected)


def test_most_images_are_classified_rightly(model, test_set):
    images, labels = test_set
    found = model.run_batch(images).argmax(axis=1)
    assert (found == labels).mean() > 0.9


def test_kernel_sets_and_threads_change_nothing(model, images):
    expected = model.run_batch(images[:20])
    for options in [{"kernels": "portable"}, {"kernels": "reference"}, {"threads": 1}, {"threads": 3}]:
        assert np.array_equal(model.session(**options).run_batch(images[:20]), expected), options


def test_pictures_frames_and_batches_agree(model, images):
    session = model.session()
    expected = session.run_batch(images[:3])
    for picture, row in zip(images, expected):
        assert np.array_equal(session.run(picture)["logits"], row)
        assert np.array_equal(model.run(picture[:, :, None])["logits"], row)
        content = picture.tobytes()
        for frame in [picture, content, bytearray(content), memoryview(content)]:
            assert np.array_equal(session.run_frame(frame)["logits"], row)


def test_pictures_may_lie_anyhow(model, images):
    session, picture = model.session(), images[0]
    expected = session.run(picture)["logits"]
    for other in [np.asfortranarray(picture), np.repeat(picture, 2, axis=1)[:, ::2], picture.tolist()]:
        array = np.asarray(other, np.uint8)
        assert np.array_equal(session.run(array)["logits"], expected)
    colour = np.repeat(picture[:, :, None], 3, axis=2)
    assert np.array_equal(session.run(colour)["logits"], expected)


def test_pictures_of_other_sizes_are_fitted_by_the_containers_rule(model, images):
    large = np.kron(images[0], np.ones((4, 4), np.uint8))
    assert model.run(large).best == model.run(images[0]).best
    assert model.run(np.zeros((480, 640, 3), np.uint8))["logits"].shape == (10,)


def test_outputs_are_a_mapping_of_integers_with_words_for_people(model, images):
    outputs = model.run(images[0])
    assert list(outputs) == outputs.keys() == ["logits"] and len(outputs) == 1 and "logits" in outputs
    logits = outputs["logits"]
    assert logits.dtype == np.int32 and np.array_equal(outputs[0], logits)
    top = outputs.top_k(3)
    assert [best["class"] for best in top] == list(np.argsort(-logits, kind="stable")[:3])
    assert top[0]["logit"] == logits.max() and outputs.best == top[0]["class"]
    shares = outputs.probabilities
    assert shares.dtype == np.float32 and shares.sum() == pytest.approx(1)
    assert top[0]["probability"] == pytest.approx(shares.max())
    assert np.allclose(outputs.real(), logits * model.outputs[0].scale)
    assert outputs.ended().shape == (10,)
    with pytest.raises(KeyError, match="there are: logits"):
        outputs["nothing"]
    with pytest.raises(IndexError, match="1 outputs"):
        outputs[7]


def test_a_trace_has_the_hashes_of_the_reference(model, images):
    frame = images[0].tobytes()
    found, expected = model.session().trace(frame), model.session("reference").trace(frame)
    assert len(found) > 10 and set(found[0]) == {"instruction", "name", "op", "hash", "nanoseconds"}
    hashes = [{event["name"]: event["hash"] for event in trace} for trace in (found, expected)]
    assert hashes[0] == hashes[1] and len(set(hashes[0].values())) > 10


def test_what_a_model_tells_of_itself(model):
    assert len(model.identity) == 64 and model.frame_len == 28 * 28
    assert (model.image.height, model.image.width, model.image.channels) == (28, 28, 1)
    assert model.image.order == "gray" and model.image.mean == pytest.approx([0.2860], abs=1e-4)
    (output,) = model.outputs
    assert (output.name, output.kind, output.answer, output.shape) == ("logits", "logits", "shares", [10])
    assert model.flash_bytes == len(model.to_bytes()) and 0 < model.arena_bytes < 1 << 20
    assert shiftformer.Model.from_bytes(model.to_bytes()).identity == model.identity
    assert "Model(" in repr(model) and "kernels" in repr(model.session())


def test_threads_run_one_session_at_once(model, images):
    session = model.session(threads=1)
    expected = session.run_batch(images[:40])
    failures: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for at in range(start, 40, 4):
                assert np.array_equal(session.run(images[at])["logits"], expected[at])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_run_leaves_the_interpreter_to_others(model, images):
    session = model.session("reference", threads=1)
    done, counted = threading.Event(), 0

    def work() -> None:
        session.run_batch(images[:100])
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.wait(0.001):
        counted += 1
    thread.join()
    assert counted > 10


def test_what_is_no_picture_is_refused_with_what_it_should_be(model):
    for wrong in [np.zeros((28, 28)), np.zeros((28, 28), np.int32)]:
        with pytest.raises(TypeError, match="arrays of uint8"):
            model.run(wrong)
    with pytest.raises(ValueError, match="height, width, channels"):
        model.run(np.zeros(28, np.uint8))
    with pytest.raises(ValueError, match="number, height, width"):
        model.run_batch(np.zeros((28, 28), np.uint8))
    with pytest.raises(ValueError, match="1 to 4 channels"):
        model.run(np.zeros((28, 28, 300), np.uint8))
    with pytest.raises(shiftformer.ShiftformerError, match="784"):
        model.session().run_frame(bytes(3))
    with pytest.raises(shiftformer.ShiftformerError, match="does not fit the model"):
        model.run(np.zeros((0, 28), np.uint8))
    assert model.run_batch(np.zeros((0, 28, 28), np.uint8)).shape == (0, 10)
