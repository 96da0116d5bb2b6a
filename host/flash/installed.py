"""Which flashing tools are installed on this computer."""

from __future__ import annotations

import importlib.metadata
import shutil

from tinyanime.boards.schema import FlashToolKind
from tinyanime.codegen.errors import ToolError
from tinyanime.host.flash.esptool import check_installed
from tinyanime.host.flash.idf import check_version
from tinyanime.host.flash.picotool import PICOTOOL, not_installed


def installed_version(kind: FlashToolKind) -> str:
    """What is installed, in words. ToolError, with how to install it, where it is missing or does not serve."""
    if kind is FlashToolKind.IDF:
        return f"ESP-IDF {check_version()}"
    if kind is FlashToolKind.ESPTOOL:
        return f"esptool {check_installed()}"
    if kind is FlashToolKind.PYOCD:
        try:
            return f"pyOCD {importlib.metadata.version('pyocd')}"
        except importlib.metadata.PackageNotFoundError:
            raise ToolError("pyOCD is not installed.", hint="pip install 'tinyanime[flash]'") from None
    if kind is FlashToolKind.PICOTOOL:
        path = shutil.which(PICOTOOL)
        if path is None:
            raise not_installed()
        return path
    return "needs no program"
