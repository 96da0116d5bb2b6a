"""`tinyanime compress`: train, quantize and evaluate the photo-to-anime student.

Everything that needs torch, onnxruntime or scikit-image is imported inside the commands, so that the other
commands work without the `train` extra.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from tinyanime.codegen.errors import ToolError

if TYPE_CHECKING:
    from tinyanime.codegen.compress.evaluation import Evaluation
    from tinyanime.codegen.compress.training import TrainingProgress

_DATA = click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with photos/, targets_wb/ and teacher/.",
)
_OUT = click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write.")


def _require(*modules: str) -> None:
    """Refuse with one sentence when a package of the `train` extra is missing."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ToolError(
                f"`tinyanime compress` needs the Python package {module}, which is not installed",
                hint="run: pip install 'tinyanime[train]'",
            ) from error


def _sample_photos() -> list[Path]:
    """The freely licensed photos for the contact sheet."""
    folder = Path(str(resources.files("tinyanime.host.samples")))
    return sorted(folder.glob("*.jpg"))


def _print_evaluation(evaluation: Evaluation) -> None:
    """Table of similarities, baselines first."""
    from tinyanime.codegen.compress.evaluation import evaluation_rows

    table = Table(title=f"against the teacher, mean over {evaluation.photos} unseen photos")
    table.add_column("picture")
    table.add_column("PSNR (dB)", justify="right")
    table.add_column("SSIM", justify="right")
    for name, row in evaluation_rows(evaluation):
        table.add_row(name, f"{row.psnr_db:.2f}", f"{row.ssim:.4f}")
    Console().print(table)


class _Bars:
    """Progress bars of the two long stages; on a pipe, one line every thousand iterations besides."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def _show(self, stage: str, done: int, total: int, text: str) -> None:
        if stage not in self._bars:
            self._bars[stage] = self._progress.add_task(stage, total=total, state=text)
        self._progress.update(self._bars[stage], completed=done, state=text)
        if not self._progress.console.is_terminal and done % 1000 == 0:
            self._progress.console.print(f"{stage}: {done} of {total} {text}")

    def prepared(self, done: int, total: int) -> None:
        """The teacher has stylized ``done`` of ``total`` extra photos."""
        self._show("teacher draws extra pairs", done, total, "")

    def trained(self, state: TrainingProgress) -> None:
        """An iteration of the training is over."""
        self._show("training", state.iteration, state.iterations, _figures(state))


def _figures(state: TrainingProgress) -> str:
    """Loss and, once measured, validation SSIM."""
    return f"loss {state.loss:.4f}  val SSIM {state.validation_ssim:.4f}"


@contextmanager
def _bars() -> Iterator[_Bars]:
    """Show progress with time left, loss and validation SSIM."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Bars(progress)


@click.group(epilog="\b\nExamples\n  tinyanime compress distill --help\n  tinyanime compress evaluate --help")
def compress() -> None:
    """Train, quantize and evaluate the photo-to-anime model (needs tinyanime[train])."""


@compress.command()
@_DATA
@_OUT
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Start of all chance.")
@click.option("--iterations", type=click.IntRange(min=1), help="Fewer or more than the shipped model's iterations.")
@click.option("--extra-pairs", type=click.IntRange(min=1), help="Photo/teacher pairs to cut from the photos first.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
def distill(
    data: Path,
    out: Path,
    seed: int,
    iterations: int | None,
    extra_pairs: int | None,
    resume: bool,
) -> None:
    """Train the student from its teacher and write the model folder.

    Writes model.onnx (int8), model_float.onnx, MODEL_CARD.md, contact_sheet.png and checkpoint.pt into --out.
    """
    # Threads that spin at a barrier starve each other as soon as anything else runs on the machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _require("torch", "onnxruntime", "skimage")
    from tinyanime.codegen.compress import distillation
    from tinyanime.codegen.compress.config import QuantizationConfig, TrainingConfig

    config = TrainingConfig(seed=seed)
    if iterations is not None:
        whole = round(iterations * config.whole_picture_iterations / config.iterations)
        config = replace(config, crop_iterations=iterations - whole, whole_picture_iterations=whole)
    if extra_pairs is not None:
        config = replace(config, augmentation=replace(config.augmentation, pairs=extra_pairs))
    folders = distillation.DistillationFolders(data, out, _sample_photos())
    with _bars() as bars:
        evaluation = distillation.distill(
            folders,
            config,
            QuantizationConfig(),
            resume=resume,
            preparing=bars.prepared,
            progress=bars.trained,
        )
    _print_evaluation(evaluation)
    click.echo(f"wrote {out / 'model.onnx'}")


@compress.command()
@click.option(
    "--checkpoint",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="checkpoint.pt of a run, finished or not.",
)
@_DATA
@_OUT
def quantize(checkpoint: Path, data: Path, out: Path) -> None:
    """Fold, calibrate and quantize the student of a checkpoint, and write the model folder."""
    _require("torch", "onnxruntime", "skimage")
    from tinyanime.codegen.compress import distillation
    from tinyanime.codegen.compress.config import QuantizationConfig
    from tinyanime.codegen.compress.training import load_trained

    trained, training = load_trained(checkpoint)
    folders = distillation.DistillationFolders(data, out, _sample_photos())
    with Console(stderr=True).status("quantizing and evaluating"):
        evaluation = distillation.write_model_folder(trained, folders, training, QuantizationConfig())
    _print_evaluation(evaluation)
    click.echo(f"wrote {out / 'model.onnx'}")


@compress.command()
@click.argument("model", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--float-model",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The student in float, to compare the int8 model with.",
)
@_DATA
def evaluate(model: Path, float_model: Path | None, data: Path) -> None:
    """Measure MODEL against the teacher on the validation photos, beside the baselines."""
    _require("onnxruntime", "skimage")
    from tinyanime.codegen.compress import evaluation, pairs

    int8 = evaluation.open_generator(model)
    float32 = None if float_model is None else evaluation.open_generator(float_model)
    with Console(stderr=True).status("evaluating"):
        training = pairs.read_pairs(data / "targets_wb" / "train")
        measured = evaluation.evaluate(int8, float32, training, pairs.read_validation_pairs(data))
    _print_evaluation(measured)
