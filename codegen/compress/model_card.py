"""Writes the model card: data, licences, cost, measured quality, training, weak spots."""

from __future__ import annotations

from dataclasses import dataclass

from tinyanime.codegen.compress.config import QuantizationConfig, TrainingConfig
from tinyanime.codegen.compress.evaluation import Evaluation, evaluation_rows
from tinyanime.codegen.compress.layers import StudentCost


@dataclass(frozen=True)
class ModelFacts:
    """Everything the card states that was measured."""

    name: str
    version: str
    sha256: str
    file_bytes: int
    cost: StudentCost
    evaluation: Evaluation
    training: TrainingConfig
    quantization: QuantizationConfig
    training_pairs: int
    training_minutes: float


_CARD = """\
# {name}: photo to anime, 128x128, int8

Turns a photo into a painted cartoon on a microcontroller. `model.onnx` is a QDQ graph (opset 17):
input `photo`, output `anime`, both float 1x3x128x128 NCHW RGB in [-1, 1], every tensor inside int8.

![photo, teacher, student](contact_sheet.png)

Version {version}, {file_bytes} bytes, SHA-256 `{sha256}`.

## Licence
- **Weights: CC BY-NC-SA 4.0, non-commercial.** They are distilled from
  [White-box Cartoonization](https://github.com/SystemErrorWang/White-box-Cartoonization) by SystemErrorWang
  (Xinrui Wang, Jinze Yu: "Learning to Cartoonize Using White-box Cartoon Representations", CVPR 2020), whose
  weights are CC BY-NC-SA 4.0. Credit them and share alike when you pass these weights on.
- Training photos: BSDS500 (Berkeley; non-commercial research and education) and photos from the AnimeGANv3
  repository (TachibanaYoshino; non-commercial). No photo and no teacher weight is part of this repository.
- The contact sheet shows the photos of `host/samples`; their origins and licences are in the README there.
- The code that trained the model is Apache-2.0.

## Shape and cost
Space-to-depth of 2x2 pixels; 3x3 convolution to {half} channels at 64x64; stride 2 to {quarter} channels
at 32x32; {blocks} residual blocks of two 3x3 convolutions; nearest x2 and a 3x3 convolution back to {half}
channels, plus the skip from 64x64; another {refine} convolutions of 3x3 at 64x64; 3x3 to 12 channels; depth-to-space;
plus the photo; clip to [-1, 1].
ReLU6 throughout, batch normalization folded.

| | |
|---|---|
| parameters | {parameters} |
| multiply-accumulates per picture | {macs} |
| int8 weights and int32 biases | {weight_bytes} bytes |

## Quality
{photos} photos that were not used in training, against the teacher run by the `up256` recipe (photo doubled
to 256x256 with a bicubic filter, stylized, 2x2 mean back to 128x128). SSIM is
`skimage.metrics.structural_similarity(channel_axis=2, data_range=255)` on uint8 RGB; means over photos.

| | PSNR (dB) | SSIM |
|---|---|---|
{rows}

The baselines are what doing nothing and a 3x4 colour matrix reach.

## Training
{training_pairs} pairs: the ready photo/teacher pairs plus {extra} squares cut from the training photos under
changed light and stylized by the teacher.

1. {crop_iterations} iterations of AdamW (learning rate {learning_rate:g}, on a cosine that would end at {decay}),
   batch {crop_batch} of {crop}x{crop} crops; loss {absolute:g} L1 + {gradient:g} gradient L1 + {pooled:g} pooled
   colour + {structure:g} (1 - SSIM).
2. {whole_iterations} iterations, rate falling in a straight line to {final_rate:g}, batch {whole_batch} of whole
   128x128 pictures; the loss gains {flatness:g} flatness, the mean step the student paints where the teacher
   paints none.

Weights are averaged (decay {average:g}). Seed {seed}; {minutes:.0f} minutes for all iterations on {threads} CPU cores
shared with other work. Floating-point sums differ between machines, so a repeated run gives the same quality,
not the same bytes.

Quantized after training on {calibration} training crops: activations int8 asymmetric per tensor, weights
int8 symmetric per output channel in [-127, 127], biases int32. `photo` and `anime` use scale 1/127 and
zero point 0.

Reproduce:

    pip install 'tinyanime[train]'
    tinyanime compress distill --data DATA --out OUT --seed {seed}

`DATA` holds `photos/train`, `pairs_hayao/train`, `pairs_shinkai/train` (extra photos), `targets_wb/train`,
`targets_wb/val` and `teacher/whitebox_cartoon_gan.onnx`.

## Known weak spots
- Softer than the teacher: where it lays hard patches of light (fur, clouds, folds), the student keeps part of the
  photo's gradient, and shade edges are less crisp.
- Dense texture (gravel, snow, dry grass) stays closer to the photo than the teacher's flat strokes.
- Bright overcast skies may get a faint pink or green tint; the teacher's own colour shifts are kept.
- Trained and measured on natural photos alone; screenshots, text and drawings were not tried.
"""


def write_model_card(facts: ModelFacts) -> str:
    """Markdown text of the card."""
    training, student, loss = facts.training, facts.training.student, facts.training.crop_loss
    rows = [f"| {name} | {row.psnr_db:.2f} | {row.ssim:.4f} |" for name, row in evaluation_rows(facts.evaluation)]
    return _CARD.format(
        name=facts.name,
        version=facts.version,
        sha256=facts.sha256,
        file_bytes=f"{facts.file_bytes:,}",
        half=student.half,
        quarter=student.quarter,
        blocks=student.residual_blocks,
        refine=student.half_convolutions,
        parameters=f"{facts.cost.parameters:,}",
        macs=f"{facts.cost.macs:,}",
        weight_bytes=f"{facts.cost.weight_bytes:,}",
        photos=facts.evaluation.photos,
        rows="\n".join(rows),
        training_pairs=facts.training_pairs,
        extra=training.augmentation.pairs,
        crop_iterations=f"{training.crop_iterations:,}",
        learning_rate=training.learning_rate,
        decay=f"{training.decay_iterations:,}",
        crop_batch=training.crop_batch,
        crop=training.crop_pixels,
        absolute=loss.absolute,
        gradient=loss.gradient,
        pooled=loss.pooled_colour,
        structure=loss.structure,
        whole_iterations=f"{training.whole_picture_iterations:,}",
        final_rate=training.final_learning_rate,
        whole_batch=training.whole_picture_batch,
        flatness=training.whole_picture_loss.flatness,
        average=training.average_decay,
        seed=training.seed,
        minutes=facts.training_minutes,
        threads=training.threads,
        calibration=facts.quantization.calibration_pictures,
    )
