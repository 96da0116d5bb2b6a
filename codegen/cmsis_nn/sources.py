"""Where the CMSIS-NN sources come from.

Searched in this order: a path given by the user (argument, then the environment variable TINYANIME_CMSIS_NN), the
newest ARM::CMSIS-NN pack that cmsis-pack-manager has installed, the sources inside the pinned `bakenn` wheel, every
file of which is checked against `bakenn_1_0_0.sha256`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import re
from pathlib import Path

from tinyanime.codegen.cmsis_nn.library import HOST_DEFINES, WRAPPERS, KernelLibrary, Origin
from tinyanime.codegen.cmsis_nn.packs import CMSIS_CORE_PACK, CMSIS_NN_PACK, find_pack, pack_data_dir, unpack
from tinyanime.codegen.errors import InputError, ToolError

__all__ = ["HOST_DEFINES", "WRAPPERS", "KernelLibrary", "Origin", "find_cmsis_nn"]

ENVIRONMENT_VARIABLE = "TINYANIME_CMSIS_NN"
BAKENN_VERSION = "1.0.0"
_BAKENN_HASHES = Path(__file__).with_name("bakenn_1_0_0.sha256")
_BAKENN_HINT = f"Run: pip install --force-reinstall bakenn=={BAKENN_VERSION}."
_CORE_HEADER = "cmsis_compiler.h"


def find_cmsis_nn(user_path: Path | None = None) -> KernelLibrary:
    """The CMSIS-NN sources to build with.

    Raises InputError where a path given by the user is not a CMSIS-NN folder, ToolError where no sources are found
    or those of the wheel are not the pinned ones.
    """
    if user_path is not None:
        return library_at(user_path)
    from_environment = os.environ.get(ENVIRONMENT_VARIABLE, "")
    if from_environment:
        return library_at(Path(from_environment))
    library = installed_pack_library() or bakenn_library()
    if library is None:
        raise ToolError(
            "No CMSIS-NN sources were found.",
            hint=f"Run: pip install bakenn=={BAKENN_VERSION}, or `tinyanime packs install`, "
            f"or name a CMSIS-NN folder in {ENVIRONMENT_VARIABLE}.",
        )
    return library


def library_at(path: Path) -> KernelLibrary:
    """The CMSIS-NN tree at `path` (its root, or a CMSIS 5 repository); InputError where there is none."""
    candidates = (path, path / "CMSIS" / "NN", path / "CMSIS-NN")
    root = next((folder for folder in candidates if _is_cmsis_nn(folder)), None)
    if root is None:
        raise InputError(
            f"{path} is not a CMSIS-NN folder: it has no Include/arm_nnfunctions.h beside Source/.",
            hint="Name the folder of a CMSIS-NN release (the one that holds Include and Source).",
        )
    return _library(root, f"CMSIS-NN {_version_of(root)} (user path)", Origin.USER)


def installed_pack_library(data_dir: Path | None = None, cache_dir: Path | None = None) -> KernelLibrary | None:
    """The newest installed ARM::CMSIS-NN pack, or None where there is none or no cmsis-pack-manager.

    `data_dir` and `cache_dir` replace cmsis-pack-manager's and our own folder.
    """
    folder = data_dir or pack_data_dir()
    pack = None if folder is None else find_pack(CMSIS_NN_PACK, folder)
    if folder is None or pack is None:
        return None
    root = unpack(pack, cache_dir)
    if not _is_cmsis_nn(root):
        return None
    core = find_pack(CMSIS_CORE_PACK, folder)
    core_dirs = () if core is None else _core_dirs(unpack(core, cache_dir))
    return _library(root, f"CMSIS-NN {pack.version} (pack ARM::CMSIS-NN {pack.version})", Origin.PACK, core_dirs)


def bakenn_library() -> KernelLibrary | None:
    """The sources of the pinned wheel, or None where it is not installed; ToolError where they differ."""
    spec = importlib.util.find_spec("bakenn")
    if spec is None or spec.origin is None:
        return None
    version = importlib.metadata.version("bakenn")
    if version != BAKENN_VERSION:
        raise ToolError(
            f"bakenn {version} is installed, its CMSIS-NN sources are pinned to {BAKENN_VERSION}.", hint=_BAKENN_HINT
        )
    vendor = Path(spec.origin).parent / "backend" / "cmsis_nn" / "vendor"
    check_hashes(vendor, _BAKENN_HASHES)
    root = vendor / "cmsis_nn"
    return KernelLibrary(
        name=f"CMSIS-NN 4.0.0 (bakenn {BAKENN_VERSION})",
        origin=Origin.BAKENN,
        root=root,
        source_dir=root / "Source",
        include_dirs=(root / "Include", vendor / "cmsis_core" / "Include"),
        licenses=(root / "LICENSE.txt", root / "BAKENN_PROVENANCE.md"),
    )


def check_hashes(root: Path, listing: Path) -> None:
    """Compare the files below `root` with `listing` (lines of `<sha256>  <path>`); ToolError names the first that
    is missing, changed or not listed."""
    expected = {name: digest for digest, name in (line.split(maxsplit=1) for line in listing.read_text().splitlines())}
    present = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.suffix in (".c", ".h", ".S")}
    for name in sorted(present | set(expected)):
        path = root / name
        if not path.is_file():
            raise ToolError(f"{path} is missing.", hint=_BAKENN_HINT)
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected.get(name):
            raise ToolError(f"{path} is not the file that bakenn {BAKENN_VERSION} ships.", hint=_BAKENN_HINT)


def _is_cmsis_nn(root: Path) -> bool:
    return (root / "Include" / "arm_nnfunctions.h").is_file() and (root / "Source").is_dir()


def _library(root: Path, name: str, origin: Origin, core_dirs: tuple[Path, ...] = ()) -> KernelLibrary:
    include_dirs: tuple[Path, ...] = (root / "Include",)
    if _needs_core_headers(root):
        include_dirs += core_dirs or _core_dirs(root.parent) or _core_dirs(root.parent.parent) or _bakenn_core_dirs()
        if len(include_dirs) == 1:
            raise ToolError(
                f"{name} needs the CMSIS core headers ({_CORE_HEADER}), which were not found.",
                hint="Run `tinyanime packs install`, or put the CMSIS folder (Core/Include) beside CMSIS-NN.",
            )
    licenses = tuple(path for path in sorted(root.glob("LICENSE*")) if path.is_file())
    return KernelLibrary(name, origin, root, root / "Source", include_dirs, licenses)


def _needs_core_headers(root: Path) -> bool:
    return any(
        f'"{_CORE_HEADER}"' in path.read_text(encoding="utf-8", errors="replace")
        for path in (root / "Include").rglob("*.h")
    )


def _core_dirs(root: Path) -> tuple[Path, ...]:
    """Folder with the CMSIS core headers in a CMSIS tree (pack or repository), as a tuple of none or one."""
    candidates = ("CMSIS/Core/Include", "Core/Include", "CMSIS_6/CMSIS/Core/Include")
    return tuple(root / folder for folder in candidates if (root / folder / _CORE_HEADER).is_file())[:1]


def _bakenn_core_dirs() -> tuple[Path, ...]:
    library = bakenn_library()
    return () if library is None else library.include_dirs[1:]


def _version_of(root: Path) -> str:
    """Version from the pack description, else from the interface header's revision."""
    for description in sorted(root.glob("*.pdsc")):
        release = re.search(r'<release[^>]*\bversion="([^"]+)"', description.read_text("utf-8", "replace"))
        if release is not None and release[1] != "0.0.0":  # The repository's placeholder between releases.
            return release[1]
    header = (root / "Include" / "arm_nnfunctions.h").read_text("utf-8", "replace")
    revision = re.search(r"\$Revision:\s*V\.?\s*([\w.]+)", header)
    return f"interface {revision[1]}" if revision is not None else "of unknown version"
