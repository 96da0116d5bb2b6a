"""What `idf.py build` leaves for flashing: flasher_args.json (ESP-IDF Programming Guide, Build System)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tinyanime.codegen.errors import InputError

NAME = "flasher_args.json"


@dataclass(frozen=True, slots=True)
class FlashPart:
    """A file that goes to `offset` of the flash."""

    offset: int
    path: Path


@dataclass(frozen=True, slots=True)
class FlasherArgs:
    """`parts` in the order of their offsets, the application among them; `settings` are options of write-flash."""

    parts: tuple[FlashPart, ...]
    application: Path
    settings: tuple[str, ...]
    chip: str


def read_flasher_args(build: Path) -> FlasherArgs:
    """Read flasher_args.json of an ESP-IDF build folder; InputError where it is missing, damaged or names no files."""
    path = build / NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{build} holds no ESP-IDF build: it has no {NAME}.",
            hint=f"Build it where ESP-IDF is installed: idf.py -C {build.parent} build",
        ) from error
    except (OSError, ValueError) as error:
        raise _damaged(path, build, str(error)) from error
    try:
        parts = [FlashPart(int(offset, 0), build / name) for offset, name in data["flash_files"].items()]
        application = build / data["app"]["file"]
        settings = tuple(
            word for key, value in data["flash_settings"].items() for word in (f"--{key.replace('_', '-')}", str(value))
        )
        chip = str(data["extra_esptool_args"]["chip"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, build, f"{type(error).__name__} {error}") from error
    if application not in (part.path for part in parts):
        raise _damaged(path, build, "the application is not among the files")
    return FlasherArgs(tuple(sorted(parts, key=lambda part: part.offset)), application, settings, chip)


def _damaged(path: Path, build: Path, reason: str) -> InputError:
    return InputError(f"{path} is damaged: {reason}.", hint=f"Build the project again: idf.py -C {build.parent} build")
