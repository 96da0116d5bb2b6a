"""Shared pieces of the compress tests: random pictures, a small random student, the shared data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tinyanime.codegen.compress.folded_student import FoldedBlock, FoldedConvolution, FoldedStudent
from tinyanime.codegen.compress.pairs import Pair

REPOSITORY = Path(__file__).resolve().parents[3]


def _convolution(name: str, outputs: int, inputs: int, stride: int = 1) -> FoldedConvolution:
    random = np.random.default_rng(len(name) * 1000 + outputs)
    weight = random.normal(0, 1.4 / np.sqrt(9 * inputs), (outputs, inputs, 3, 3)).astype(np.float32)
    return FoldedConvolution(name, weight, random.normal(0, 0.1, outputs).astype(np.float32), stride)


@pytest.fixture
def folded_student() -> FoldedStudent:
    """A student with 8 and 12 channels and random weights."""
    return FoldedStudent(
        stem=_convolution("stem", 8, 12),
        down=_convolution("down", 12, 8, stride=2),
        body=(FoldedBlock(_convolution("block0_first", 12, 12), _convolution("block0_second", 12, 12)),),
        up=_convolution("up", 8, 12),
        refine=(_convolution("refine0", 8, 8),),
        head=_convolution("head", 12, 8),
    )


@pytest.fixture
def pairs() -> list[Pair]:
    """Eight smooth random photos of 128x144 pixels; the cartoon is the inverted photo."""
    random = np.random.default_rng(5)
    made = []
    for index in range(8):
        coarse = random.integers(0, 256, (9, 10, 3), dtype=np.uint8)
        photo = np.kron(coarse, np.ones((16, 16, 1), np.uint8))[:128, :144]
        made.append(Pair(f"random{index}", photo, 255 - photo))
    return made


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with photos and teacher; set TINYANIME_DATA where it is not ../shared/data."""
    folder = Path(os.environ.get("TINYANIME_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "targets_wb" / "val").is_dir():
        pytest.skip(f"no training data in {folder}")
    return folder


@pytest.fixture(scope="session")
def shipped_model() -> Path:
    """The int8 model in the repository."""
    return REPOSITORY / "codegen" / "models" / "anime128" / "model.onnx"
