"""Errors that a user can act on.

Every error a user may see is a `UserError`: one sentence on what is wrong (naming file, node, tensor, port or
region) and one hint on what to do next. `host/cli.py` alone prints them and turns `exit_code` into the exit status.
"""

from __future__ import annotations

from typing import ClassVar


class UserError(Exception):
    """Something the user can mend; `message` says what is wrong, `hint` what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(UserError):
    """A file given by the user cannot be used (missing, damaged, not a picture, not a model)."""

    exit_code = 3


class ModelError(InputError):
    """The ONNX model cannot be compiled; names node or tensor."""


class BoardError(InputError):
    """A board description is unknown or wrong."""


class DoesNotFitError(UserError):
    """The model does not fit the board; names the tensor or layer, the bytes needed and had."""

    exit_code = 4


class ToolError(UserError):
    """A program or package that is needed is missing or failed (compiler, emulator, flashing tool)."""

    exit_code = 5


class LinkError(UserError):
    """The board cannot be reached or talked to (no port, busy port, silence, another device)."""

    exit_code = 6


class FirmwareMismatchError(LinkError):
    """The board runs firmware of another build than the one it is compared with."""

    exit_code = 7


class VerificationError(UserError):
    """Device and reference differ."""

    exit_code = 8


class OutputError(UserError):
    """An output file cannot be written (disk full, no permission, it would overwrite an input)."""

    exit_code = 9
