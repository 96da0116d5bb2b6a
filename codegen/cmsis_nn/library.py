"""A CMSIS-NN source tree that was found, and the part of it that a project needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path

from tinyanime.codegen.cmsis_nn.call_graph import SourceFile, files_needed, headers_needed, scan_source
from tinyanime.codegen.errors import ToolError

HOST_DEFINES = ("__GNUC_PYTHON__", "__RESTRICT=__restrict")
"""Macros for building the library on the PC: its own switch that leaves Arm's compiler headers out, and the one
keyword that this switch forgets to define. On a Cortex-M none is needed."""

WRAPPERS = (
    "arm_convolve_wrapper_s8",
    "arm_depthwise_conv_wrapper_s8",
    "arm_fully_connected_s8",
    "arm_max_pool_s8",
    "arm_avgpool_s8",
)
"""The functions that generated code calls."""


class Origin(Enum):
    """Where a library was found, in the order in which the places are searched."""

    USER = "path given by the user"
    PACK = "installed CMSIS pack"
    BAKENN = "bakenn wheel"


@dataclass(frozen=True)
class KernelLibrary:
    """CMSIS-NN sources on disk.

    `name` goes into manifest and firmware, e.g. "CMSIS-NN 4.0.0 (bakenn 1.0.0)"; it holds no machine path.
    `source_dir` holds the .c files (any depth), `include_dirs` the library's own headers first, then those of the
    CMSIS core where the library needs them. `licenses` travel with every copy.
    """

    name: str
    origin: Origin
    root: Path
    source_dir: Path
    include_dirs: tuple[Path, ...]
    licenses: tuple[Path, ...]

    @property
    def is_pinned(self) -> bool:
        """Whether these are the sources whose scratch sizes `scratch.py` knows exactly."""
        return self.origin is Origin.BAKENN

    @property
    def host_defines(self) -> tuple[str, ...]:
        """Macros (NAME or NAME=VALUE) for a build on the PC."""
        return HOST_DEFINES

    def sources_for(self, functions: Iterable[str]) -> tuple[Path, ...]:
        """The .c files that `functions`, their `_get_buffer_size` twins and what these call need; sorted.

        Raises ToolError where the library lacks one of `functions`.
        """
        defined = {name for file in self._files for name in file.defines}
        wanted: list[str] = []
        for function in functions:
            if function not in defined:
                raise ToolError(
                    f"{self.name} in {self.root} does not define {function}.",
                    hint="Use CMSIS-NN 4.0.0 or newer, or leave the path out to use the pinned sources.",
                )
            wanted.append(function)
            twin = f"{function}_get_buffer_size"
            if twin in defined:
                wanted.append(twin)
        return files_needed(self._files, wanted)

    def copy_into(self, directory: Path, functions: Iterable[str]) -> tuple[Path, ...]:
        """Copy what `functions` need to `directory`/cmsis_nn: Source/*.c (flat), Include/ and the licences.

        Returns every copied file, sorted. An older copy in `directory`/cmsis_nn is replaced.
        """
        sources = self.sources_for(functions)
        target = directory / "cmsis_nn"
        if target.exists():
            shutil.rmtree(target)
        copies: dict[Path, Path] = {target / "Source" / path.name: path for path in sources}
        for name, path in headers_needed(sources, self.include_dirs):
            copies[target / "Include" / name] = path
        for path in self.licenses:
            copies[target / path.name] = path
        for destination, path in copies.items():
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, destination)
        return tuple(sorted(copies))

    @cached_property
    def _files(self) -> tuple[SourceFile, ...]:
        return tuple(scan_source(path) for path in sorted(self.source_dir.rglob("*.c")))
