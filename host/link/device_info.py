"""What a device tells about itself: the HELLO reply (docs/link.md, "HELLO reply")."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tinyanime.host.link.messages import MAX_TEXT_BYTES, MessageError, State

_HEAD = struct.Struct("<HHIIIII12sHHBBff")
_TENSOR = struct.Struct("<IIHHHhf")
_HASHES = struct.Struct("<32s32s")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Network input or output: NHWC int8, `real = scale * (q - zero_point)`.

    `window_bytes` is 0 where it lies in the device's memory as a whole, else the room it has while it is streamed.
    """

    size_bytes: int
    window_bytes: int
    height: int
    width: int
    channels: int
    zero_point: int
    scale: float


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """`free_ram_bytes` is RAM that nothing uses; `stack_free_bytes` is None where the port cannot tell."""

    protocol_version: int
    chunk_bytes: int
    window: int
    boot_id: int
    uptime_ms: int
    clock_hz: int
    free_ram_bytes: int
    stack_free_bytes: int | None
    unique_id: str
    """96 bits in hex."""
    layer_count: int
    step_count: int
    self_check: int
    """ta_status of the start-up check; 0 is good."""
    state: State
    picture_black: float
    picture_white: float
    input: TensorInfo
    output: TensorInfo
    manifest_sha256: str
    model_sha256: str
    firmware_version: str
    board: str
    model: str
    kernels: str

    @property
    def streamed(self) -> bool:
        """Whether rows are exchanged while the network runs."""
        return self.input.window_bytes > 0 or self.output.window_bytes > 0

    def pack(self) -> bytes:
        """The reply's payload (for simulated devices and golden frames)."""
        stack = 0xFFFFFFFF if self.stack_free_bytes is None else self.stack_free_bytes
        head = _HEAD.pack(
            self.chunk_bytes, self.window, self.boot_id, self.uptime_ms, self.clock_hz, self.free_ram_bytes, stack,
            bytes.fromhex(self.unique_id), self.layer_count, self.step_count, self.self_check, self.state,
            self.picture_black, self.picture_white,
        )  # fmt: skip
        hashes = _HASHES.pack(bytes.fromhex(self.manifest_sha256), bytes.fromhex(self.model_sha256))
        texts = (self.firmware_version, self.board, self.model, self.kernels)
        return head + _pack_tensor(self.input) + _pack_tensor(self.output) + hashes + b"".join(map(_pack_text, texts))

    @classmethod
    def unpack(cls, payload: bytes, protocol_version: int) -> DeviceInfo:
        """Read the payload; MessageError where it is damaged or makes no sense."""
        try:
            return _unpack_info(payload, protocol_version)
        except (struct.error, ValueError, IndexError) as error:
            raise MessageError(f"HELLO reply cannot be read: {error}") from error


def _unpack_info(payload: bytes, protocol_version: int) -> DeviceInfo:
    (chunk, window, boot_id, uptime, clock, free, stack, unique_id, layers, steps, check, state, black, white) = (
        _HEAD.unpack_from(payload)
    )
    if not 1 <= chunk <= 1024 or window < 1:
        raise MessageError(f"chunk of {chunk} bytes and window {window} make no sense")
    place = _HEAD.size
    ends = []
    for _ in range(2):
        ends.append(TensorInfo(*_TENSOR.unpack_from(payload, place)))
        place += _TENSOR.size
    manifest, model_hash = _HASHES.unpack_from(payload, place)
    place += _HASHES.size
    texts = []
    for _ in range(4):
        length = payload[place]
        raw = payload[place + 1 : place + 1 + length]
        if len(raw) != length:
            raise MessageError("a text is cut off")
        texts.append(raw.decode("utf-8", errors="replace"))
        place += 1 + length
    return DeviceInfo(
        protocol_version, chunk, window, boot_id, uptime, clock, free, None if stack == 0xFFFFFFFF else stack,
        unique_id.hex(), layers, steps, check, State(state), black, white, ends[0], ends[1],
        manifest.hex(), model_hash.hex(), *texts,
    )  # fmt: skip


def _pack_tensor(tensor: TensorInfo) -> bytes:
    return _TENSOR.pack(
        tensor.size_bytes,
        tensor.window_bytes,
        tensor.height,
        tensor.width,
        tensor.channels,
        tensor.zero_point,
        tensor.scale,
    )


def _pack_text(text: str) -> bytes:
    raw = text.encode()[:MAX_TEXT_BYTES]
    return bytes([len(raw)]) + raw
