"""Plans that reports are tested with: a small network that streams weights, and schedules by hand."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from tests.models.builders import QdqBuilder, save
from tests.support.hand_schedules import HandMade
from tinyanime.boards.loader import load_board
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.memory.problem import MemoryProblem
from tinyanime.codegen.schedule.choose import PlannedSchedule, ScheduleOptions
from tinyanime.codegen.schedule.timeline import CommandTime, Timeline
from tinyanime.codegen.schedule.transfers.dma import TransferOptions
from tinyanime.host.report.study import Study, study_model

SIZE = 24
"""Height and width of the network's pictures."""


def report_model(path: Path) -> Path:
    """A residual network whose inner weights (36,864 bytes each) are worth a transfer."""
    builder = QdqBuilder(3, name="resnet")
    photo = builder.input((1, 3, SIZE, SIZE))
    wide = builder.conv(photo, 64, relu=True)
    inner = builder.conv(wide, 64, relu=True)
    joined = builder.add(wide, builder.conv(inner, 64))
    return save(builder.finish(builder.conv(joined, 3)), path)


@functools.cache
def report_study(kernels: KernelFamily = KernelFamily.CMSIS_NN) -> Study:
    """The study of `report_model` on the stm32h743; made once per session.

    CMSIS-NN's kernels read weights so often that transfers pay.
    """
    with tempfile.TemporaryDirectory(prefix="tinyanime-report-") as folder:
        model = report_model(Path(folder) / "resnet.onnx")
        return study_model(model, load_board("stm32h743"), ScheduleOptions(), kernels=kernels)


def planned_by_hand(hand: HandMade) -> PlannedSchedule:
    """A schedule by hand as the chooser returns it; every command takes 10 cycles."""
    positions = [(step.index, position) for step in hand.schedule.steps for position in range(len(step.commands))]
    commands = tuple(CommandTime(*place, 10 * i, 10 * i + 10) for i, place in enumerate(positions))
    total = 10 * len(commands)
    return PlannedSchedule(
        hand.schedule,
        MemoryProblem(hand.schedule.buffers, hand.banks),
        hand.plan,
        Timeline(commands, (), total, total, 0, 0, 0, 0, 0),
        TransferOptions(0),
        ScheduleOptions(),
    )
