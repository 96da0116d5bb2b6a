"""The finishing stage: a short adversarial fine-tuning that turns soft compromises into hard edges.

L1 and SSIM alone make the student paint the mean of what the teacher might do. A critic that knows
the teacher's crisp edges and flat areas moves it off that mean at a small cost in SSIM.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tinyanime.codegen.compress.config import (
    PICTURE_SIDE,
    AugmentationConfig,
    FinishingConfig,
    LossConfig,
    StudentConfig,
    TrainingConfig,
)
from tinyanime.codegen.compress.critic import Critic, critic_loss, feature_loss, fooling_loss
from tinyanime.codegen.compress.loss import distillation_loss
from tinyanime.codegen.compress.pairs import Pair, sample_batch
from tinyanime.codegen.compress.student import Student
from tinyanime.codegen.compress.training import (
    TrainedStudent,
    TrainingCallback,
    TrainingProgress,
    picture_tensor,
    update_average,
    validation_ssim,
)
from tinyanime.codegen.errors import UserError


@dataclass
class _Finish:
    """Everything that a checkpoint of this stage holds."""

    student: Student
    average: Student
    critic: Critic
    student_optimizer: torch.optim.Optimizer
    critic_optimizer: torch.optim.Optimizer
    iteration: int = 0
    validation_ssim: float = math.nan
    seconds: float = 0.0  # of both stages

    def save(self, path: Path, key: dict[str, Any]) -> None:
        """Write the checkpoint; a file under its final name is always whole."""
        partial = path.with_suffix(".partial")
        state = {
            "key": key,
            "iteration": self.iteration,
            "validation_ssim": self.validation_ssim,
            "seconds": self.seconds,
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "critic": self.critic.state_dict(),
            "student_optimizer": self.student_optimizer.state_dict(),
            "critic_optimizer": self.critic_optimizer.state_dict(),
        }
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path, key: dict[str, Any]) -> None:
        """Continue from a checkpoint of the same configuration."""
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if state["key"] != key:
            raise UserError(
                f"the checkpoint {path} was written by another configuration or seed",
                hint="use the options of that run, or leave out --resume",
            )
        self.iteration = int(state["iteration"])
        self.validation_ssim = float(state["validation_ssim"])
        self.seconds = float(state["seconds"])
        self.student.load_state_dict(state["student"])
        self.average.load_state_dict(state["average"])
        self.critic.load_state_dict(state["critic"])
        self.student_optimizer.load_state_dict(state["student_optimizer"])
        self.critic_optimizer.load_state_dict(state["critic_optimizer"])


def _new_finish(trained: Student, training: TrainingConfig, config: FinishingConfig) -> _Finish:
    """The trained student twice (one to train, one to average) and a fresh critic from the seed."""
    torch.manual_seed(training.seed + 1)
    students = [Student(training.student).to(memory_format=torch.channels_last) for _ in range(2)]
    for student in students:
        student.load_state_dict(trained.state_dict())
    students[1].eval()
    critic = Critic(config.critic_width).to(memory_format=torch.channels_last)
    return _Finish(
        students[0],
        students[1],
        critic,
        torch.optim.Adam(students[0].parameters(), lr=config.learning_rate, betas=(0.5, 0.99)),
        torch.optim.Adam(critic.parameters(), lr=config.critic_learning_rate, betas=(0.5, 0.99)),
    )


def student_learning_rate_at(iteration: int, config: FinishingConfig) -> float:
    """Zero while the critic warms up, then half a cosine down to zero."""
    if iteration < config.critic_warm_up_iterations:
        return 0.0
    span = config.iterations - config.critic_warm_up_iterations
    phase = (iteration - config.critic_warm_up_iterations) / span
    return config.learning_rate * (1 + math.cos(math.pi * phase)) / 2


def _step(finish: _Finish, pairs: list[Pair], training: TrainingConfig, config: FinishingConfig) -> float:
    """One step of the critic, then one of the student; returns the distillation loss."""
    batch = sample_batch(pairs, training.seed, training.iterations + finish.iteration, config.batch, PICTURE_SIDE)
    photo, target = picture_tensor(batch.photos), picture_tensor(batch.cartoons)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=training.bfloat16):
        output = finish.student(photo)
    output = output.float()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=training.bfloat16):
        real = finish.critic(photo, target)
        judged = critic_loss(real, finish.critic(photo, output.detach()))
    finish.critic_optimizer.zero_grad(set_to_none=True)
    judged.backward()
    finish.critic_optimizer.step()

    rate = student_learning_rate_at(finish.iteration, config)
    for group in finish.student_optimizer.param_groups:
        group["lr"] = rate
    distillation = distillation_loss(output, target, training.loss)
    reported = float(distillation.detach())
    if rate == 0.0:
        return reported
    finish.critic.requires_grad_(False)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=training.bfloat16):
        fake = finish.critic(photo, output)
        adversarial = config.adversarial * fooling_loss(fake) + config.features * feature_loss(real, fake)
    finish.student_optimizer.zero_grad(set_to_none=True)
    (distillation + adversarial).backward()
    finish.critic.requires_grad_(True)
    torch.nn.utils.clip_grad_norm_(finish.student.parameters(), 1.0)
    finish.student_optimizer.step()
    return reported


def finish_training(
    trained: TrainedStudent,
    pairs: list[Pair],
    validation: list[Pair],
    training: TrainingConfig,
    config: FinishingConfig,
    checkpoint: Path,
    resume: bool,
    progress: TrainingCallback,
) -> TrainedStudent:
    """Fine-tune the trained student on whole 128x128 pictures; returns its average."""
    torch.set_num_threads(training.threads)
    key = {"training": asdict(training), "finishing": asdict(config)}
    finish = _new_finish(trained.student, training, config)
    finish.seconds = trained.seconds
    if resume and checkpoint.is_file():
        finish.load(checkpoint, key)
    finish.student.train()
    started = time.monotonic() - finish.seconds
    while finish.iteration < config.iterations:
        loss = _step(finish, pairs, training, config)
        finish.iteration += 1
        update_average(finish.student, finish.average, config.average_decay)
        last = finish.iteration == config.iterations
        if last or finish.iteration % training.validate_every == 0:
            finish.validation_ssim = validation_ssim(finish.average, validation)
        if last or finish.iteration % training.checkpoint_every == 0:
            finish.seconds = time.monotonic() - started
            finish.save(checkpoint, key)
        if last or finish.iteration % 10 == 0:
            state = TrainingProgress(finish.iteration, config.iterations, loss, finish.validation_ssim)
            progress(state)
    return TrainedStudent(finish.average, finish.seconds)


def _training_config(state: dict[str, Any]) -> TrainingConfig:
    """The training configuration that a checkpoint was written by."""
    nested = {
        "student": StudentConfig(**state["student"]),
        "loss": LossConfig(**state["loss"]),
        "augmentation": AugmentationConfig(**state["augmentation"]),
    }
    return TrainingConfig(**{**state, **nested})


def load_finished(checkpoint: Path) -> tuple[TrainedStudent, TrainingConfig, FinishingConfig]:
    """The averaged student of a checkpoint of this stage, with both configurations."""
    if not checkpoint.is_file():
        raise UserError(f"there is no checkpoint {checkpoint}", hint="run `tinyanime compress distill` first")
    state: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    training = _training_config(state["key"]["training"])
    student = Student(training.student)
    student.load_state_dict(state["average"])
    student.eval()
    finishing = FinishingConfig(**state["key"]["finishing"])
    return TrainedStudent(student, float(state["seconds"])), training, finishing
