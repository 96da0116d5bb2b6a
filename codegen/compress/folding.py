"""Folds batch normalization into the convolutions: from the torch student to plain arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from tinyanime.codegen.compress.folded_student import FoldedBlock, FoldedConvolution, FoldedStudent
from tinyanime.codegen.compress.student import NormedConvolution, Student


def _array(tensor: object) -> NDArray[np.float64]:
    """Values of a torch tensor in double precision."""
    return np.asarray(tensor.detach().cpu().double().numpy())  # type: ignore[attr-defined]


def fold_normalization(name: str, layer: NormedConvolution) -> FoldedConvolution:
    """Convolution that equals ``layer`` in evaluation mode.

    w' = w g / sqrt(v + eps) and b' = beta - m g / sqrt(v + eps), with g, beta, m, v of the
    normalization (Ioffe and Szegedy 2015, algorithm 2).
    """
    normalization = layer.normalization
    gain = _array(normalization.weight) / np.sqrt(_array(normalization.running_var) + normalization.eps)
    weight = _array(layer.convolution.weight) * gain[:, None, None, None]
    bias = _array(normalization.bias) - _array(normalization.running_mean) * gain
    stride = int(layer.convolution.stride[0])
    return FoldedConvolution(name, weight.astype(np.float32), bias.astype(np.float32), stride)


def _plain(name: str, layer: nn.Conv2d) -> FoldedConvolution:
    """A convolution that has its own bias."""
    weight, bias = _array(layer.weight), _array(layer.bias)
    return FoldedConvolution(name, weight.astype(np.float32), bias.astype(np.float32))


def fold_student(student: Student) -> FoldedStudent:
    """Fold every layer of the student; the student itself stays as it is."""
    blocks = []
    for index, block in enumerate(student.body):
        first = fold_normalization(f"block{index}_first", block.first)
        blocks.append(FoldedBlock(first, fold_normalization(f"block{index}_second", block.second)))
    refine = [fold_normalization(f"refine{index}", layer) for index, layer in enumerate(student.refine)]
    return FoldedStudent(
        stem=fold_normalization("stem", student.stem),
        down=fold_normalization("down", student.down),
        body=tuple(blocks),
        up=fold_normalization("up", student.up),
        refine=tuple(refine),
        head=_plain("head", student.head),
    )
