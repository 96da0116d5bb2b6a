"""Where the ESP-NN sources come from.

Searched in this order: the folder named by the environment variable TINYANIME_ESP_NN (for example the one that
ESP-IDF's component manager fetched, managed_components/espressif__esp-nn), the sources inside the pinned `bakenn`
wheel, every file of which is checked against `bakenn_1_0_0.sha256`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
from pathlib import Path

from tinyanime.codegen.cmsis_nn.sources import BAKENN_VERSION, check_hashes
from tinyanime.codegen.errors import InputError, ToolError
from tinyanime.codegen.esp_nn.library import EspNnLibrary

ENVIRONMENT_VARIABLE = "TINYANIME_ESP_NN"
PINNED_VERSION = "1.2.6"
_BAKENN_HASHES = Path(__file__).with_name("bakenn_1_0_0.sha256")


def find_esp_nn() -> EspNnLibrary:
    """The ESP-NN sources to build with.

    Raises InputError where the environment variable names no ESP-NN folder, ToolError where no sources are found or
    those of the wheel are not the pinned ones.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE, "")
    return library_at(Path(named)) if named else bakenn_library()


def library_at(path: Path) -> EspNnLibrary:
    """The ESP-NN tree at `path`; InputError where there is none."""
    if not (path / "include" / "esp_nn.h").is_file() or not (path / "src").is_dir():
        raise InputError(
            f"{path} is not an ESP-NN folder: it has no include/esp_nn.h beside src/.",
            hint=f"Name the folder of an ESP-NN release in {ENVIRONMENT_VARIABLE}, or unset it for the pinned sources.",
        )
    description = path / "idf_component.yml"
    text = description.read_text("utf-8", "replace") if description.is_file() else ""
    version = re.search(r"^version:\s*[\"']?~?([\w.]+)", text, re.MULTILINE)
    return EspNnLibrary(f"ESP-NN {version[1] if version else 'of unknown version'} (user path)", path)


def bakenn_library() -> EspNnLibrary:
    """The sources of the pinned wheel; ToolError where it is not installed or they differ."""
    spec = importlib.util.find_spec("bakenn")
    hint = f"Run: pip install bakenn=={BAKENN_VERSION}, or name an ESP-NN folder in {ENVIRONMENT_VARIABLE}."
    if spec is None or spec.origin is None:
        raise ToolError("No ESP-NN sources were found.", hint=hint)
    version = importlib.metadata.version("bakenn")
    if version != BAKENN_VERSION:
        raise ToolError(f"bakenn {version} is installed, its ESP-NN sources are pinned to {BAKENN_VERSION}.", hint=hint)
    root = Path(spec.origin).parent / "backend" / "esp_nn" / "vendor" / "esp_nn"
    check_hashes(root, _BAKENN_HASHES)
    return EspNnLibrary(f"ESP-NN {PINNED_VERSION} (bakenn {BAKENN_VERSION})", root, is_pinned=True)
