"""What can go wrong on the link, as errors that say what to do."""

from __future__ import annotations

from tinyanime.codegen.errors import LinkError
from tinyanime.host.link.messages import ErrorCode, State


class PortLostError(LinkError):
    """The port went away while it was in use."""


class NoReplyError(LinkError):
    """The device stopped answering."""


class DeviceResetError(LinkError):
    """The device no longer knows the transfer or the run: it was reset, or another program used it."""


class KernelFailedError(LinkError):
    """A kernel on the device refused to work."""


class DeviceRefusalError(LinkError):
    """The device answered ERROR; `code` may be a number this host does not know."""

    def __init__(self, port: str, code: int, detail: int) -> None:
        self.code = code
        self.detail = detail
        text = _REASONS.get(code, f"error {code}, detail {detail}").format(detail=detail, state=_state_name(detail))
        super().__init__(f"The device at {port} refused: {text}.", hint=_HINTS.get(code, _UPDATE_HINT))


_UPDATE_HINT = "Flash firmware of the same tinyanime version as this host tool."
_UPLOAD_HINT = "Send the picture again."

_REASONS: dict[int, str] = {
    ErrorCode.UNSUPPORTED_VERSION: "it speaks version {detail} of the link protocol",
    ErrorCode.UNKNOWN_TYPE: "it does not know requests of type {detail}",
    ErrorCode.MALFORMED: "a request of {detail} bytes is malformed",
    ErrorCode.BUSY: "it is busy with a run ({detail} steps done)",
    ErrorCode.BAD_SIZE: "its network takes {detail} input bytes",
    ErrorCode.NO_TRANSFER: "it knows no such transfer (state {state})",
    ErrorCode.USED_TRANSFER: "this transfer was consumed by a run",
    ErrorCode.INCOMPLETE: "only {detail} bytes of the picture have arrived",
    ErrorCode.BAD_CRC: "the picture arrived damaged (CRC {detail:#010x})",
    ErrorCode.NO_INPUT: "it has no picture (state {state})",
    ErrorCode.USED_RUN: "this run number was used before",
    ErrorCode.NO_RESULT: "it has no result of this run (state {state})",
    ErrorCode.BAD_STEP: "the next step is {detail}",
    ErrorCode.BAD_RANGE: "there are only {detail} bytes",
    ErrorCode.KERNEL_FAILED: "a kernel failed (step and status {detail:#x})",
    ErrorCode.SELF_CHECK: "its self-check failed with status {detail}: firmware and kernel library do not fit",
    ErrorCode.WRONG_BOOT: "it was reset in the meantime",
    ErrorCode.STEP_WAITS: "step {detail} waits for rows of the picture",
}

_HINTS: dict[int, str] = {
    ErrorCode.BUSY: "Wait until it has finished, or press its reset button.",
    ErrorCode.BAD_SIZE: "Use the picture size of the model on the board; `tinyanime info` shows it.",
    ErrorCode.NO_TRANSFER: _UPLOAD_HINT,
    ErrorCode.USED_TRANSFER: _UPLOAD_HINT,
    ErrorCode.INCOMPLETE: _UPLOAD_HINT,
    ErrorCode.BAD_CRC: "Check cable and power, then send the picture again.",
    ErrorCode.NO_INPUT: _UPLOAD_HINT,
    ErrorCode.USED_RUN: _UPLOAD_HINT,
    ErrorCode.NO_RESULT: _UPLOAD_HINT,
    ErrorCode.SELF_CHECK: "Build the firmware again and flash it.",
    ErrorCode.KERNEL_FAILED: "Build the firmware again and flash it.",
    ErrorCode.WRONG_BOOT: "Try again.",
}

_RESET_CODES = frozenset({
    ErrorCode.NO_TRANSFER, ErrorCode.INCOMPLETE, ErrorCode.BAD_CRC, ErrorCode.NO_INPUT, ErrorCode.USED_RUN,
    ErrorCode.NO_RESULT,
})  # fmt: skip


def _state_name(detail: int) -> str:
    try:
        return State(detail).name
    except ValueError:
        return str(detail)


def refusal(port: str, code: int, detail: int, failed_layer: str = "") -> LinkError:
    """The error for an ERROR answer: DeviceResetError where sending everything again mends it."""
    error = DeviceRefusalError(port, code, detail)
    if code in _RESET_CODES:
        return DeviceResetError(error.message, hint=error.hint)
    if code == ErrorCode.KERNEL_FAILED:
        return kernel_failed(port, detail >> 16, detail & 0xFFFF, failed_layer)
    return error


_STATUS: dict[int, str] = {
    1: "an argument is outside what the kernel accepts",
    2: "the kernel asks for more working memory than was planned",
    3: "the kernel library refused its arguments",
    4: "the kernel was called out of order",
    7: "a DMA transfer failed on the bus or never ended",
}
"""ta_status of firmware/include/tinyanime/status.h."""


def kernel_failed(port: str, step: int, status: int, layer: str) -> KernelFailedError:
    """Step `step` of the network, a part of `layer` (empty: unknown), failed with `status` (ta_status)."""
    what = f"Layer '{layer}' (step {step})" if layer else f"Step {step} of the network"
    why = f"{_STATUS[status]} (status {status})" if status in _STATUS else f"status {status}"
    return KernelFailedError(
        f"{what} failed on the device at {port}: {why}.",
        hint=_HINTS[ErrorCode.KERNEL_FAILED],
    )
