"""Classifies the pictures of a Parquet file with Ray Data, on several workers.

    python ray_pictures.py MODEL.shf PICTURES.parquet CLASSES.parquet [--workers N]

The column `picture` holds encoded image files (PNG, JPEG). What is written has the other columns, and
`class` and `logit` instead of it.
"""

import argparse
import io

import numpy as np
import ray
from PIL import Image

import shiftformer


class Classifier:
    """An actor: it gets the pickled model once, and each batch runs on its session."""

    def __init__(self, model: shiftformer.Model) -> None:
        # The workers share the machine's cores: each runs on one.
        self.session = model.session(threads=1)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        best = [self.session.run(pixels(picture)).top_k(1)[0] for picture in batch.pop("picture")]
        batch["class"] = np.array([row["class"] for row in best], np.int64)
        batch["logit"] = np.array([row["logit"] for row in best], np.int64)
        return batch


def pixels(encoded: bytes) -> np.ndarray:
    """The picture in a file's bytes: grey ones stay grey, the model's rule brings it to its size."""
    picture = Image.open(io.BytesIO(encoded))
    return np.asarray(picture if picture.mode == "L" else picture.convert("RGB"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("pictures")
    parser.add_argument("classes")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()

    model = shiftformer.open(args.model)
    ray.init(num_cpus=args.workers, include_dashboard=False)
    (
        ray.data.read_parquet(args.pictures)
        .repartition(4 * args.workers)
        .map_batches(
            Classifier,
            fn_constructor_args=(model,),
            batch_size=64,
            compute=ray.data.ActorPoolStrategy(size=args.workers),
            num_cpus=0.5,
        )
        .write_parquet(args.classes)
    )
    ray.shutdown()


if __name__ == "__main__":
    main()
