"""A compiled project on this computer and its reference: what a device is compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.bundle import MANIFEST_NAME, Bundle, Manifest, load_bundle
from tinyanime.codegen.errors import FirmwareMismatchError, InputError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.host.link.device_info import DeviceInfo

BUILD_DIRECTORY = Path("build")
"""Where projects lie by default: build/<board>."""

_ELF_MAGIC = b"\x7fELF"


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder whose manifest was read; `manifest_sha256` is in hex, over the file's bytes."""

    bundle: Bundle
    manifest_sha256: str

    @property
    def manifest(self) -> Manifest:
        return self.bundle.manifest

    @property
    def directory(self) -> Path:
        return self.bundle.directory


@dataclass(frozen=True, eq=False, slots=True)
class Reference:
    """The network of a project, ready for the integer interpreter."""

    graph: Graph

    def run(self, tensor: NDArray[np.int8]) -> Mapping[str, NDArray[np.int8]]:
        """Every tensor of the network (int8, NHWC) for the input `tensor` [1, H, W, C]."""
        from tinyanime.codegen.reference.interpreter import run_reference

        return run_reference(self.graph, {self.graph.inputs[0]: tensor})

    def output(self, tensors: Mapping[str, NDArray[np.int8]]) -> NDArray[np.int8]:
        """The network's output among the results of `run`."""
        return tensors[self.graph.outputs[0]]


def open_project(directory: Path | None, board: str) -> Project:
    """The project in `directory`, or in build/<board> where that is None.

    Raises InputError, also where the project was compiled for another board than `board`; "" takes every board.
    """
    if directory is None:
        directory = BUILD_DIRECTORY / board
        if not (directory / MANIFEST_NAME).exists():
            raise InputError(
                f"{directory} is not a compiled project: it has no {MANIFEST_NAME}.",
                hint=f"Build it (make build BOARD={board}), or name the folder of a project with --project.",
            )
    bundle = load_bundle(directory)
    if board not in ("", bundle.manifest.board):
        raise InputError(
            f"{directory} was compiled for {bundle.manifest.board}, not for {board}.",
            hint=f"Name the board {bundle.manifest.board}, or a --project that was compiled for {board}.",
        )
    return Project(bundle, hashlib.sha256((bundle.directory / MANIFEST_NAME).read_bytes()).hexdigest())


def load_reference(project: Project) -> Reference:
    """The reference of a project's model; InputError where the model is not the one that was compiled."""
    from tinyanime.codegen.pipeline import load_and_prepare

    model = project.bundle.model
    hint = f"Compile the project again: tinyanime compile MODEL --board {project.manifest.board} -o {project.directory}"
    try:
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{model} cannot be read: {error.strerror or error}.", hint=hint) from error
    if digest != project.manifest.model_sha256:
        raise InputError(f"{model} is not the model that the project was compiled from.", hint=hint)
    return Reference(load_and_prepare(model))


def built_image(project: Project) -> Path:
    """The project's firmware image; InputError where it was not built yet."""
    return _built(project, project.bundle.image)


def built_virtual_image(project: Project) -> Path:
    """What the virtual board runs (`Bundle.virtual_image`); InputError where it was not built yet."""
    return _built(project, project.bundle.virtual_image)


def _built(project: Project, image: Path) -> Path:
    directory = project.directory
    if is_nuttx_application(directory):
        raise InputError(
            f"{directory} is an application of NuttX: it is built and flashed in NuttX's tree, not here.",
            hint=f"See {directory / 'README.md'}; verify, bench and send reach the board that runs it with --port.",
        )
    try:
        content = image.read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            f"The project {directory} has no firmware image yet ({image} does not exist).",
            hint=f"Build it: make -C {directory}",
        ) from error
    except OSError as error:
        raise InputError(
            f"The firmware image {image} cannot be read: {error.strerror or error}.",
            hint=f"Build it again: make -C {directory}",
        ) from error
    # What the device answers as its build (firmware/link): the bytes lie in the image as they are.
    if content.startswith(_ELF_MAGIC) and bytes.fromhex(project.manifest_sha256) not in content:
        raise InputError(
            f"The firmware image {image} is not of the project as it is now: it is damaged or older.",
            hint=f"Build it again: make -C {directory}",
        )
    return image


def is_nuttx_application(directory: Path) -> bool:
    """Whether the project in `directory` was compiled with `--rtos nuttx`."""
    return (directory / "Kconfig").is_file()


def check_same_build(project: Project, info: DeviceInfo, port: str) -> None:
    """FirmwareMismatchError where the device does not run exactly this project."""
    if info.manifest_sha256 != project.manifest_sha256:
        raise FirmwareMismatchError(
            f"The device at {port} runs another build ({info.board}, manifest {info.manifest_sha256[:16]}) than "
            f"{project.directory} (manifest {project.manifest_sha256[:16]}).",
            hint=f"Flash this project (tinyanime flash --board {project.manifest.board} --project {project.directory}) "
            "or name the right one with --project.",
        )
