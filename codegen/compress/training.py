"""The training loop: fixed number of iterations, averaged weights, checkpoints, resumable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tinyanime.codegen.compress.config import (
    PICTURE_SIDE,
    AugmentationConfig,
    LossConfig,
    StudentConfig,
    TrainingConfig,
)
from tinyanime.codegen.compress.loss import distillation_loss, structural_similarity
from tinyanime.codegen.compress.pairs import Pair, sample_batch
from tinyanime.codegen.compress.student import Student
from tinyanime.codegen.errors import UserError


@dataclass(frozen=True)
class TrainingProgress:
    """State after an iteration; ``validation_ssim`` is NaN before the first validation."""

    iteration: int
    iterations: int
    loss: float
    validation_ssim: float


@dataclass(frozen=True)
class TrainedStudent:
    """The averaged student in evaluation mode and how long its iterations took, resumed parts included."""

    student: Student
    seconds: float


TrainingCallback = Callable[[TrainingProgress], None]


def _cosine_rate(iteration: int, config: TrainingConfig) -> float:
    """Linear warm-up, then half a cosine down to the final rate at ``config.decay_iterations``."""
    if iteration < config.warm_up_iterations:
        return config.learning_rate * (iteration + 1) / config.warm_up_iterations
    span = config.decay_iterations - config.warm_up_iterations
    phase = min(1.0, (iteration - config.warm_up_iterations) / span)
    height = config.learning_rate - config.final_learning_rate
    return config.final_learning_rate + height * (1 + math.cos(math.pi * phase)) / 2


def learning_rate_at(iteration: int, config: TrainingConfig) -> float:
    """The cosine's rate in the crop stage; from there a straight line to the final rate."""
    if iteration < config.crop_iterations:
        return _cosine_rate(iteration, config)
    start = _cosine_rate(config.crop_iterations, config)
    left = (config.iterations - iteration) / config.whole_picture_iterations
    return config.final_learning_rate + (start - config.final_learning_rate) * left


def picture_tensor(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """[N, H, W, 3] uint8 to [N, 3, H, W] float in [-1, 1], channels last in memory."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1.0


@dataclass
class _Run:
    """Everything that a checkpoint holds."""

    student: Student
    average: Student
    optimizer: torch.optim.AdamW
    iteration: int = 0
    validation_ssim: float = math.nan
    seconds: float = 0.0

    def save(self, path: Path, config: TrainingConfig) -> None:
        """Write the checkpoint; a file under its final name is always whole."""
        partial = path.with_suffix(".partial")
        state = {
            "config": asdict(config),
            "iteration": self.iteration,
            "validation_ssim": self.validation_ssim,
            "seconds": self.seconds,
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path, config: TrainingConfig) -> None:
        """Continue from a checkpoint of the same configuration."""
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if state["config"] != asdict(config):
            raise UserError(
                f"the checkpoint {path} was written by another configuration or seed",
                hint="use the options of that run, or leave out --resume",
            )
        self.iteration = int(state["iteration"])
        self.validation_ssim = float(state["validation_ssim"])
        self.seconds = float(state["seconds"])
        self.student.load_state_dict(state["student"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])


def _new_run(config: TrainingConfig) -> _Run:
    """Fresh weights from the seed."""
    torch.manual_seed(config.seed)
    student = Student(config.student).to(memory_format=torch.channels_last)
    average = Student(config.student).to(memory_format=torch.channels_last)
    average.load_state_dict(student.state_dict())
    average.eval()
    matrices = [weight for weight in student.parameters() if weight.ndim > 1]
    vectors = [weight for weight in student.parameters() if weight.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return _Run(student, average, torch.optim.AdamW(groups, lr=config.learning_rate))


@torch.no_grad()
def update_average(student: Student, average: Student, decay: float) -> None:
    """Move the averaged weights and batch statistics towards the student's."""
    state = student.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(state[name], 1 - decay)
        else:
            value.copy_(state[name])


@torch.no_grad()
def validation_ssim(student: Student, pairs: list[Pair]) -> float:
    """Mean SSIM of the float student over 128x128 pairs, output rounded to uint8 steps."""
    total = 0.0
    for pair in pairs:
        output = student(picture_tensor(pair.photo[None])).clamp(-1, 1)
        rounded = torch.round((output + 1) * 127.5) / 127.5 - 1
        total += float(structural_similarity(rounded, picture_tensor(pair.cartoon[None])))
    return total / len(pairs)


def _step(run: _Run, pairs: list[Pair], config: TrainingConfig) -> torch.Tensor:
    """One optimizer step; returns the loss."""
    if run.iteration < config.crop_iterations:
        batch = sample_batch(pairs, config.seed, run.iteration, config.crop_batch, config.crop_pixels)
        terms = config.crop_loss
    else:
        batch = sample_batch(pairs, config.seed, run.iteration, config.whole_picture_batch, PICTURE_SIDE)
        terms = config.whole_picture_loss
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate_at(run.iteration, config)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.bfloat16):
        output = run.student(picture_tensor(batch.photos))
    loss = distillation_loss(output.float(), picture_tensor(batch.cartoons), terms)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.student.parameters(), 1.0)
    run.optimizer.step()
    return loss.detach()


def train(
    pairs: list[Pair],
    validation: list[Pair],
    config: TrainingConfig,
    checkpoint: Path,
    resume: bool,
    progress: TrainingCallback,
) -> TrainedStudent:
    """Train for ``config.iterations``; with ``resume`` an existing checkpoint is continued."""
    torch.set_num_threads(config.threads)
    run = _new_run(config)
    if resume and checkpoint.is_file():
        run.load(checkpoint, config)
    run.student.train()
    started = time.monotonic() - run.seconds
    while run.iteration < config.iterations:
        loss = _step(run, pairs, config)
        run.iteration += 1
        # A young average forgets its start faster.
        decay = min(config.average_decay, (1 + run.iteration) / (10 + run.iteration))
        update_average(run.student, run.average, decay)
        last = run.iteration == config.iterations
        if last or run.iteration % config.validate_every == 0:
            run.validation_ssim = validation_ssim(run.average, validation)
        if last or run.iteration % config.checkpoint_every == 0:
            run.seconds = time.monotonic() - started
            run.save(checkpoint, config)
        if last or run.iteration % 10 == 0:
            state = TrainingProgress(run.iteration, config.iterations, float(loss), run.validation_ssim)
            progress(state)
    return TrainedStudent(run.average, run.seconds)


def _config_of(state: dict[str, Any]) -> TrainingConfig:
    """The configuration that a checkpoint was written by."""
    nested = {
        "student": StudentConfig(**state["student"]),
        "crop_loss": LossConfig(**state["crop_loss"]),
        "whole_picture_loss": LossConfig(**state["whole_picture_loss"]),
        "augmentation": AugmentationConfig(**state["augmentation"]),
    }
    return TrainingConfig(**{**state, **nested})


def load_trained(checkpoint: Path) -> tuple[TrainedStudent, TrainingConfig]:
    """The averaged student of a checkpoint, finished or not, and its configuration."""
    if not checkpoint.is_file():
        raise UserError(f"there is no checkpoint {checkpoint}", hint="run `tinyanime compress distill` first")
    state: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    config = _config_of(state["config"])
    student = Student(config.student)
    student.load_state_dict(state["average"])
    student.eval()
    return TrainedStudent(student, float(state["seconds"])), config
