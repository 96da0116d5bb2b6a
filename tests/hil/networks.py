"""What the boards run: the shipped model for one photo, a small network for everything that takes many runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.support.picture_project import ROOT, picture_model

SHIPPED_MODEL = ROOT / "codegen" / "models" / "anime128" / "model.onnx"


@dataclass(frozen=True, slots=True)
class Network:
    """`every_test`: all tests run on it, else only those marked `every_network`."""

    name: str
    every_test: bool

    def model(self, folder: Path) -> Path:
        """The ONNX file; made in `folder` where it is not shipped."""
        return picture_model(folder / "small.onnx") if self is SMALL else SHIPPED_MODEL


SHIPPED = Network("anime128", every_test=False)
SMALL = Network("small", every_test=True)
AS_GIVEN = Network("project", every_test=True)
"""The one project that a farm names, or that a real board runs already."""
