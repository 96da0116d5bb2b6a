"""Configurations of the student, its training and its quantization.

The defaults are the shipped model: ``tinyanime compress distill --seed 1`` trains exactly these.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PICTURE_SIDE = 128
"""Height and width of the student's input and output, in pixels."""


@dataclass(frozen=True)
class StudentConfig:
    """Shape of the student: a space-to-depth stem, a dense 3x3 body, a depth-to-space head.

    Widths are channel counts; ``half`` runs at 64x64 and ``quarter`` at 32x32 for a 128x128 photo.
    """

    half: int = 44
    quarter: int = 96
    residual_blocks: int = 2
    half_convolutions: int = 2  # plain 3x3 convolutions at 64x64 between the skip and the head


@dataclass(frozen=True)
class LossConfig:
    """Weights of the loss terms; every term compares pictures in [-1, 1]."""

    absolute: float = 0.7
    gradient: float = 0.3
    pooled_colour: float = 0.15
    structure: float = 0.25  # times (1 - SSIM)
    flatness: float = 0.0  # steps of the output where the target has none


@dataclass(frozen=True)
class AugmentationConfig:
    """Extra photo/teacher pairs cut from the full photos before the training starts."""

    pairs: int = 2400
    short_side_max_pixels: int = 288  # a photo is reduced to a short side of 128 up to this, then cut
    gamma_spread: float = 0.35  # gamma = exp(uniform(-spread, spread))
    gain_spread: float = 0.10  # white balance: each channel times exp(uniform(-spread, spread))
    saturation_spread: float = 0.35
    overexposed_fraction: float = 0.12  # share of pairs whose highlights are blown out


@dataclass(frozen=True)
class TrainingConfig:
    """One training run; the number of iterations is fixed, so a run repeats on any machine.

    First random crops under a high learning rate, then whole 128x128 pictures, with the borders the
    device will see, while the rate falls to its end.
    """

    seed: int = 1
    crop_iterations: int = 7_000
    crop_batch: int = 12
    crop_pixels: int = 96
    whole_picture_iterations: int = 3_000
    whole_picture_batch: int = 5
    learning_rate: float = 2.5e-3
    final_learning_rate: float = 1e-5
    warm_up_iterations: int = 300
    decay_iterations: int = 12_000  # end of the cosine, which the second stage cuts short
    weight_decay: float = 1e-4
    average_decay: float = 0.999  # exponential moving average of the weights
    threads: int = 2
    bfloat16: bool = True
    checkpoint_every: int = 500
    validate_every: int = 1000
    student: StudentConfig = field(default_factory=StudentConfig)
    crop_loss: LossConfig = field(default_factory=LossConfig)
    whole_picture_loss: LossConfig = field(default_factory=lambda: LossConfig(flatness=1.0))
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)

    @property
    def iterations(self) -> int:
        """Of both stages."""
        return self.crop_iterations + self.whole_picture_iterations


@dataclass(frozen=True)
class QuantizationConfig:
    """Post-training quantization: int8 activations per tensor, int8 weights per output channel."""

    calibration_pictures: int = 100
    clipped_fraction: float = 1e-5  # share of values that may fall outside a tensor's range, each side
