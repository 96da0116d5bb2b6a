"""CMSIS packs that cmsis-pack-manager has downloaded.

Its data folder holds each pack as `<vendor>/<pack>/<version>.pack`, a zip file, and each description as
`<vendor>.<pack>.<version>.pdsc`. Reading them needs no network; a pack is unpacked once, into the user's cache.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from tinyanime.codegen.errors import ToolError

CMSIS_NN_PACK = ("ARM", "CMSIS-NN")
CMSIS_CORE_PACK = ("ARM", "CMSIS")
_PATH_HINT = (
    "Download CMSIS-NN on a machine with network access and name its folder in TINYANIME_CMSIS_NN, "
    "or use the pinned sources: pip install bakenn==1.0.0."
)


@dataclass(frozen=True, slots=True)
class InstalledPack:
    """A pack file in cmsis-pack-manager's data folder."""

    vendor: str
    name: str
    version: str
    file: Path

    def __str__(self) -> str:
        return f"{self.vendor}::{self.name} {self.version}"


def pack_manager_is_installed() -> bool:
    return importlib.util.find_spec("cmsis_pack_manager") is not None


def pack_data_dir() -> Path | None:
    """cmsis-pack-manager's data folder, or None where the package is not installed."""
    return Path(_open_cache().data_path) if pack_manager_is_installed() else None


def find_pack(pack: tuple[str, str], data_dir: Path) -> InstalledPack | None:
    """The newest installed version of `pack` (vendor, name), or None."""
    vendor, name = pack
    files = (data_dir / vendor / name).glob("*.pack")
    newest = max(files, key=lambda file: _version_key(file.stem), default=None)
    return None if newest is None else InstalledPack(vendor, name, newest.stem, newest)


def unpack(pack: InstalledPack, cache_dir: Path | None = None) -> Path:
    """Folder with the pack's content, unpacked on first use; ToolError where the file is damaged."""
    root = cache_dir or Path(platformdirs.user_cache_dir("tinyanime")) / "packs"
    target = root / f"{pack.vendor}.{pack.name}.{pack.version}"
    if target.is_dir():
        return target
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Unpacked beside the target and renamed, so that an interrupted run leaves no half pack behind.
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=root))
        try:
            with zipfile.ZipFile(pack.file) as archive:
                archive.extractall(partial)
            if not target.is_dir():  # Another process may have been faster.
                partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except (OSError, zipfile.BadZipFile) as error:
        raise ToolError(
            f"{pack.file} cannot be unpacked: {error}.",
            hint="Delete the file and run `tinyanime packs install` again.",
        ) from error
    return target


def install_packs() -> tuple[InstalledPack, ...]:
    """Download ARM::CMSIS-NN and ARM::CMSIS through cmsis-pack-manager and return them.

    Takes minutes the first time: the manager fetches the descriptions of all packs. Raises ToolError where the
    package is missing or a pack could not be downloaded.
    """
    if not pack_manager_is_installed():
        raise ToolError("cmsis-pack-manager is not installed.", hint="Run: pip install 'tinyanime[packs]'.")
    cache = _open_cache()
    data_dir = Path(cache.data_path)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        cache.cache_descriptors()
    except Exception as error:  # The manager raises plain Exception for everything.
        raise ToolError(f"cmsis-pack-manager failed: {error}.", hint=_PATH_HINT) from error
    return tuple(_install(cache, data_dir, pack) for pack in (CMSIS_NN_PACK, CMSIS_CORE_PACK))


def _install(cache: Any, data_dir: Path, pack: tuple[str, str]) -> InstalledPack:
    from cmsis_pack_manager import CmsisPackRef

    vendor, name = pack
    prefix = f"{vendor}.{name}."
    versions = [path.name[len(prefix) : -len(".pdsc")] for path in data_dir.glob(f"{prefix}[0-9]*.pdsc")]
    if not versions:
        # Without network the manager reports success and leaves nothing behind.
        raise ToolError(
            f"The description of pack {vendor}::{name} could not be downloaded.",
            hint=f"Check the network connection and try again. {_PATH_HINT}",
        )
    try:
        cache.download_pack_list([CmsisPackRef(vendor, name, max(versions, key=_version_key))])
    except Exception as error:  # The manager raises plain Exception for everything.
        raise ToolError(f"Pack {vendor}::{name} could not be downloaded: {error}.", hint=_PATH_HINT) from error
    installed = find_pack(pack, data_dir)
    if installed is None:
        raise ToolError(
            f"Pack {vendor}::{name} could not be downloaded.",
            hint=f"Check the network connection and try again. {_PATH_HINT}",
        )
    return installed


def _open_cache() -> Any:
    from cmsis_pack_manager import Cache

    return Cache(True, False)


def _version_key(version: str) -> tuple[tuple[int, ...], bool, str]:
    """Order of pack versions: numbers first, a release after its pre-releases."""
    numbers, _, suffix = version.partition("-")
    parts = tuple(int(part) if part.isdigit() else 0 for part in numbers.split("."))
    return parts, suffix == "", suffix
