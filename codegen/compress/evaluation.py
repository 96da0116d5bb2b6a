"""Measures a model against the teacher: SSIM and PSNR beside the identity and affine baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from tinyanime.codegen.compress.layers import ANIME, PHOTO
from tinyanime.codegen.compress.pairs import Pair
from tinyanime.codegen.compress.quantization import photo_tensor
from tinyanime.codegen.compress.teacher import Picture
from tinyanime.codegen.errors import ModelError

Generator = Callable[[Picture], Picture]
"""Turns a photo [128, 128, 3] into a picture of the same shape."""


@dataclass(frozen=True)
class Similarity:
    """Mean over the photos."""

    psnr_db: float
    ssim: float


@dataclass(frozen=True)
class Evaluation:
    """Similarity to the teacher on ``photos`` unseen photos; ``int8_to_float`` compares the two models."""

    photos: int
    identity: Similarity
    affine: Similarity
    int8: Similarity
    float32: Similarity | None
    int8_to_float: Similarity | None


def open_generator(model: onnx.ModelProto | Path) -> Generator:
    """Run an ONNX student (``photo`` to ``anime``, NCHW in [-1, 1]) with onnxruntime."""
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    try:
        session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own, undocumented classes
        raise ModelError(
            f"{source if isinstance(model, Path) else 'the model'} cannot be loaded: {error}",
            hint="give an ONNX file written by `tinyanime compress`",
        ) from error

    def generate(photo: Picture) -> Picture:
        planes = np.asarray(session.run([ANIME], {PHOTO: photo_tensor(photo)})[0])
        return np.rint((planes[0].transpose(1, 2, 0) + 1) * 127.5).clip(0, 255).astype(np.uint8)

    return generate


def fit_affine(pairs: list[Pair]) -> Generator:
    """The best 3x4 colour matrix between the given photos and cartoons (least squares)."""

    def columns(photo: Picture) -> NDArray[np.float64]:
        pixels = photo.reshape(-1, 3).astype(np.float64)
        return np.column_stack((pixels, np.ones(len(pixels))))

    gram = np.zeros((4, 4))
    moment = np.zeros((4, 3))
    for pair in pairs:
        design = columns(pair.photo)
        gram += design.T @ design
        moment += design.T @ pair.cartoon.reshape(-1, 3)
    matrix = np.linalg.solve(gram, moment)
    return lambda photo: np.rint(columns(photo) @ matrix).clip(0, 255).astype(np.uint8).reshape(photo.shape)


def similarity(outputs: list[Picture], targets: list[Picture]) -> Similarity:
    """Mean PSNR and SSIM (skimage, data range 255) of uint8 pictures."""
    psnr, ssim = [], []
    for output, target in zip(outputs, targets, strict=True):
        error = np.mean((output.astype(np.float64) - target) ** 2)
        psnr.append(10 * np.log10(255.0**2 / max(float(error), 1e-3)))
        ssim.append(structural_similarity(target, output, channel_axis=2, data_range=255))
    return Similarity(float(np.mean(psnr)), float(np.mean(ssim)))


def evaluate(int8: Generator, float32: Generator | None, training: list[Pair], validation: list[Pair]) -> Evaluation:
    """Compare generators and baselines with the teacher on the validation pairs."""
    targets = [pair.cartoon for pair in validation]
    photos = [pair.photo for pair in validation]
    affine = fit_affine(training)
    int8_pictures = [int8(photo) for photo in photos]
    float_pictures = None if float32 is None else [float32(photo) for photo in photos]
    return Evaluation(
        photos=len(photos),
        identity=similarity(photos, targets),
        affine=similarity([affine(photo) for photo in photos], targets),
        int8=similarity(int8_pictures, targets),
        float32=None if float_pictures is None else similarity(float_pictures, targets),
        int8_to_float=None if float_pictures is None else similarity(int8_pictures, float_pictures),
    )


def evaluation_rows(evaluation: Evaluation) -> list[tuple[str, Similarity]]:
    """Name and similarity of each line of the table, baselines first."""
    rows = [("photo untouched (identity)", evaluation.identity), ("affine colour fit", evaluation.affine)]
    if evaluation.float32 is not None:
        rows.append(("student, float32", evaluation.float32))
    rows.append(("student, int8", evaluation.int8))
    if evaluation.int8_to_float is not None:
        rows.append(("int8 against float32", evaluation.int8_to_float))
    return rows
