"""The adversarial finishing stage on tiny students."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch (tinyanime[train]) is not installed")

from tinyanime.codegen.compress.config import FinishingConfig, StudentConfig, TrainingConfig  # noqa: E402
from tinyanime.codegen.compress.critic import Critic, critic_loss, feature_loss, fooling_loss  # noqa: E402
from tinyanime.codegen.compress.finishing import (  # noqa: E402
    finish_training,
    load_finished,
    student_learning_rate_at,
)
from tinyanime.codegen.compress.pairs import Pair  # noqa: E402
from tinyanime.codegen.compress.student import Student  # noqa: E402
from tinyanime.codegen.compress.training import TrainedStudent, TrainingProgress  # noqa: E402
from tinyanime.codegen.errors import UserError  # noqa: E402

TRAINING = TrainingConfig(
    threads=1,
    bfloat16=False,
    checkpoint_every=10,
    validate_every=100,
    student=StudentConfig(half=8, quarter=12, residual_blocks=1, half_convolutions=1),
)
FINISHING = FinishingConfig(iterations=14, batch=1, critic_warm_up_iterations=4, critic_width=4)


class PowerCut(BaseException):
    """Ends a run between two iterations."""


def _cut_power(_: TrainingProgress) -> None:
    raise PowerCut


def _ignore(_: TrainingProgress) -> None:
    """No progress bar."""


@pytest.fixture
def squares(pairs: list[Pair]) -> list[Pair]:
    """Two random pairs cut to 128x128."""
    return [Pair(pair.name, pair.photo[:, :128], pair.cartoon[:, :128]) for pair in pairs[:2]]


@pytest.fixture
def trained() -> TrainedStudent:
    """A fresh student that claims 60 seconds of training."""
    torch.manual_seed(1)
    return TrainedStudent(Student(TRAINING.student).eval(), 60.0)


def test_the_student_stands_still_while_the_critic_warms_up() -> None:
    rates = [student_learning_rate_at(iteration, FINISHING) for iteration in range(FINISHING.iterations)]
    assert rates[:4] == [0.0] * 4
    assert rates[4] == FINISHING.learning_rate
    assert rates[4:] == sorted(rates[4:], reverse=True)


def test_a_resumed_finish_ends_with_the_weights_of_an_unbroken_one(
    trained: TrainedStudent, pairs: list[Pair], squares: list[Pair], tmp_path: Path
) -> None:
    whole_at, broken_at = tmp_path / "whole.pt", tmp_path / "broken.pt"
    whole = finish_training(trained, pairs, squares, TRAINING, FINISHING, whole_at, False, _ignore)
    with pytest.raises(PowerCut):
        finish_training(trained, pairs, squares, TRAINING, FINISHING, broken_at, False, _cut_power)
    resumed = finish_training(trained, pairs, squares, TRAINING, FINISHING, broken_at, True, _ignore)
    moved = 0.0
    for name, value in whole.student.state_dict().items():
        torch.testing.assert_close(resumed.student.state_dict()[name], value, rtol=0, atol=0)
        moved += float((trained.student.state_dict()[name] - value).abs().sum())
    assert moved > 0
    assert resumed.seconds > 60


def test_a_checkpoint_knows_its_configurations(
    trained: TrainedStudent, pairs: list[Pair], squares: list[Pair], tmp_path: Path
) -> None:
    at = tmp_path / "finishing.pt"
    finish_training(trained, pairs, squares, TRAINING, FINISHING, at, False, _ignore)
    loaded, training, finishing = load_finished(at)
    assert (training, finishing) == (TRAINING, FINISHING)
    assert not loaded.student.training
    other = replace(FINISHING, features=0.5)
    with pytest.raises(UserError, match="another configuration"):
        finish_training(trained, pairs, squares, TRAINING, other, at, True, _ignore)
    with pytest.raises(UserError, match="no checkpoint"):
        load_finished(tmp_path / "missing.pt")


def test_a_critic_learns_to_tell_two_pictures_apart_and_features_vanish_for_equal_ones() -> None:
    torch.manual_seed(2)
    critic = Critic(4)
    photo = torch.rand(2, 3, 32, 32) * 2 - 1
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
    for _ in range(60):
        loss = critic_loss(critic(photo, photo), critic(photo, -photo))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        real, fake = critic(photo, photo), critic(photo, -photo)
    assert float(real.scores.mean()) > float(fake.scores.mean()) + 0.5
    assert float(fooling_loss(fake)) > float(fooling_loss(real))
    assert float(feature_loss(real, real)) == 0.0
    assert float(feature_loss(real, fake)) > 0.0
