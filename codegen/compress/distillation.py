"""One run from photos to the shipped folder: train, fold, quantize, evaluate, write the card."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from tinyanime.codegen.compress.config import QuantizationConfig, TrainingConfig
from tinyanime.codegen.compress.contact_sheet import centre_square, draw_contact_sheet
from tinyanime.codegen.compress.evaluation import Evaluation, evaluate, open_generator
from tinyanime.codegen.compress.folding import fold_student
from tinyanime.codegen.compress.layers import list_layers, student_cost
from tinyanime.codegen.compress.model_card import ModelFacts, write_model_card
from tinyanime.codegen.compress.onnx_graph import write_float_model, write_int8_model
from tinyanime.codegen.compress.pairs import (
    Pair,
    ProgressCallback,
    calibration_photos,
    read_or_make_extra_pairs,
    read_pairs,
    read_validation_pairs,
)
from tinyanime.codegen.compress.quantization import calibrate
from tinyanime.codegen.compress.student import Student
from tinyanime.codegen.compress.teacher import Teacher
from tinyanime.codegen.compress.training import TrainedStudent, TrainingCallback, train

MODEL_NAME = "anime128"
MODEL_VERSION = "1"


@dataclass(frozen=True)
class DistillationFolders:
    """Where a run reads and writes.

    ``samples`` are freely licensed photos for the contact sheet; they play no part in training.
    """

    data: Path
    out: Path
    samples: Sequence[Path] = ()

    @property
    def checkpoint(self) -> Path:
        """State of the training, for ``--resume`` and for quantizing again."""
        return self.out / "checkpoint.pt"

    @property
    def extra_pairs(self) -> Path:
        """Cache of the pairs cut from the photos."""
        return self.out / "extra_pairs.npz"

    @property
    def teacher(self) -> Path:
        """The teacher's ONNX file."""
        return self.data / "teacher" / "whitebox_cartoon_gan.onnx"


@dataclass(frozen=True)
class QuantizedStudent:
    """The student as ONNX graphs."""

    float32: onnx.ModelProto
    int8: onnx.ModelProto


def quantize_student(student: Student, training: list[Pair], config: QuantizationConfig, seed: int) -> QuantizedStudent:
    """Fold the student, calibrate it on training photos and write both graphs."""
    layers = list_layers(fold_student(student))
    float32 = write_float_model(layers, MODEL_NAME, MODEL_VERSION)
    photos = calibration_photos(training, config.calibration_pictures, seed)
    quantizations = calibrate(float32, layers, photos, config)
    return QuantizedStudent(float32, write_int8_model(layers, quantizations, MODEL_NAME, MODEL_VERSION))


def write_model_folder(
    trained: TrainedStudent,
    folders: DistillationFolders,
    training: TrainingConfig,
    quantization: QuantizationConfig,
) -> Evaluation:
    """Write ``model.onnx``, ``model_float.onnx``, ``MODEL_CARD.md`` and ``contact_sheet.png``."""
    pairs = read_pairs(folders.data / "targets_wb" / "train")
    models = quantize_student(trained.student, pairs, quantization, training.seed)
    folders.out.mkdir(parents=True, exist_ok=True)
    onnx.save(models.float32, folders.out / "model_float.onnx")
    serialized = models.int8.SerializeToString()
    (folders.out / "model.onnx").write_bytes(serialized)
    int8, float32 = open_generator(models.int8), open_generator(models.float32)
    evaluation = evaluate(int8, float32, pairs, read_validation_pairs(folders.data))
    facts = ModelFacts(
        name=MODEL_NAME,
        version=MODEL_VERSION,
        sha256=hashlib.sha256(serialized).hexdigest(),
        file_bytes=len(serialized),
        cost=student_cost(list_layers(fold_student(trained.student))),
        evaluation=evaluation,
        training=training,
        quantization=quantization,
        training_pairs=len(pairs) + training.augmentation.pairs,
        training_minutes=trained.seconds / 60,
    )
    (folders.out / "MODEL_CARD.md").write_text(write_model_card(facts), encoding="utf-8")
    if folders.samples:
        photos = [centre_square(path) for path in sorted(folders.samples)]
        sheet = draw_contact_sheet(photos, Teacher(folders.teacher, training.threads), int8)
        sheet.save(folders.out / "contact_sheet.png", optimize=True)
    return evaluation


def distill(
    folders: DistillationFolders,
    training: TrainingConfig,
    quantization: QuantizationConfig,
    *,
    resume: bool,
    preparing: ProgressCallback,
    progress: TrainingCallback,
) -> Evaluation:
    """Train the student and write the model folder; with ``resume`` goes on from the last checkpoint."""
    ready = read_pairs(folders.data / "targets_wb" / "train")
    validation = read_validation_pairs(folders.data)
    teacher = Teacher(folders.teacher, training.threads)
    folders.out.mkdir(parents=True, exist_ok=True)
    extra = read_or_make_extra_pairs(
        folders.extra_pairs, folders.data, teacher, training.augmentation, training.seed, preparing
    )
    trained = train(ready + extra, validation, training, folders.checkpoint, resume, progress)
    return write_model_folder(trained, folders, training, quantization)
