"""An ESP-NN source tree that was found, and the part of it that a project needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tinyanime.codegen.errors import ToolError

DEFINES = ("CONFIG_NN_OPTIMIZED=1",)
"""Macros for every build: the library's own switch for kernels better than its first ones in C.

CONFIG_NN_SKIP_NUDGE must stay undefined: with it results differ from the reference by one now and then.
"""

INCLUDE_FOLDERS = ("include", "src/common")

NOTE = (
    "ESP-NN: its C is compared with the reference on virtual boards; its ESP32-S3 vector code was read, not run: "
    "compare the real board once with `tinyanime verify --port`."
)

CONVOLVE = "esp_nn_conv_s8"
DEPTHWISE = "esp_nn_depthwise_conv_s8"
FULLY_CONNECTED = "esp_nn_fully_connected_per_ch_s8"
MAX_POOL = "esp_nn_max_pool_s8"
AVERAGE_POOL = "esp_nn_avg_pool_s8"
ADD = "esp_nn_add_elementwise_s8"

_CONVOLUTION = "src/convolution/esp_nn_"
_CONNECTED = "src/fully_connected/esp_nn_fully_connected"
_REQUANTIZE = "src/common/esp_nn_multiply_by_quantized_mult"
_DOT = "src/common/esp_nn_dot_s8_esp32s3.S"

_GENERIC = {
    CONVOLVE: (f"{_CONVOLUTION}conv_ansi.c", f"{_CONVOLUTION}conv_opt.c"),
    DEPTHWISE: (f"{_CONVOLUTION}depthwise_conv_opt.c",),
    FULLY_CONNECTED: (f"{_CONNECTED}_ansi.c",),
    MAX_POOL: ("src/pooling/esp_nn_max_pool_ansi.c",),
    AVERAGE_POOL: ("src/pooling/esp_nn_avg_pool_ansi.c",),
    ADD: ("src/basic_math/esp_nn_add_ansi.c",),
}
"""What each function needs on every chip: alone where there is no better, else as what the better one falls back to."""

_ESP32S3 = {
    CONVOLVE: (
        _DOT,
        f"{_REQUANTIZE}_esp32s3.S",
        f"{_CONVOLUTION}conv_esp32s3.c",
        f"{_CONVOLUTION}conv_s8_1x1_esp32s3.c",
        f"{_CONVOLUTION}conv_s8_filter_aligned_input_padded_esp32s3.S",
        f"{_CONVOLUTION}conv_s8_mult8_1x1_esp32s3.S",
    ),
    DEPTHWISE: (
        "src/common/esp_nn_common_functions_esp32s3.S",
        f"{_REQUANTIZE}_ver1_esp32s3.S",
        f"{_CONVOLUTION}depthwise_conv_s16_mult1_3x3_esp32s3.S",
        f"{_CONVOLUTION}depthwise_conv_s16_mult1_esp32s3.S",
        f"{_CONVOLUTION}depthwise_conv_s16_mult4_esp32s3.S",
        f"{_CONVOLUTION}depthwise_conv_s16_mult8_3x3_esp32s3.S",
        f"{_CONVOLUTION}depthwise_conv_s16_mult8_esp32s3.S",
        f"{_CONVOLUTION}depthwise_conv_s8_esp32s3.c",
        f"{_CONVOLUTION}depthwise_conv_s8_mult1_3x3_padded_esp32s3.S",
    ),
    FULLY_CONNECTED: (
        _DOT,
        f"{_CONNECTED}_esp32s3.c",
        f"{_CONNECTED}_per_ch_s8_esp32s3.S",
        f"{_CONNECTED}_s8_esp32s3.S",
    ),
    MAX_POOL: ("src/pooling/esp_nn_max_pool_s8_esp32s3.S",),
    AVERAGE_POOL: ("src/pooling/esp_nn_avg_pool_s8_esp32s3.S", "src/pooling/esp_nn_avg_pool_s8_esp32s3.c"),
    ADD: ("src/basic_math/esp_nn_add_s8_esp32s3.S",),
}
"""What each function needs on the ESP32-S3 besides: C that calls vector code in assembly."""

_HEADERS = (
    "include/esp_nn.h",
    "include/esp_nn_ansi_c.h",
    "include/esp_nn_ansi_headers.h",
    "include/esp_nn_defs.h",
    "include/esp_nn_esp32s3.h",
    "include/esp_nn_generic_opt.h",
    "src/common/common_functions.h",
)

FUNCTIONS = tuple(_GENERIC)
"""What generated code calls; the names are macros of esp_nn.h for the chip's own function."""


@dataclass(frozen=True, slots=True)
class EspNnSources:
    """Paths within the library's folder, sorted: `generic` of every chip, `esp32s3` of that chip besides, `others`
    headers, licence and provenance."""

    generic: tuple[str, ...]
    esp32s3: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EspNnLibrary:
    """ESP-NN sources on disk. `name` goes into manifest and firmware; it holds no machine path.

    `is_pinned`: these are the sources whose working memory `scratch.py` knows exactly.
    """

    name: str
    root: Path
    is_pinned: bool = False

    def sources_for(self, functions: Iterable[str]) -> EspNnSources:
        """What `functions` (names in FUNCTIONS) need; ToolError where the library lacks a file."""
        wanted = tuple(functions)
        generic = {path for function in wanted for path in _GENERIC[function]}
        esp32s3 = {path for function in wanted for path in _ESP32S3[function]}
        licences = {path.name for path in self.root.glob("LICENSE*")} | {
            path.name for path in self.root.glob("*PROVENANCE*")
        }
        for path in sorted({*generic, *esp32s3, *_HEADERS}):
            if not (self.root / path).is_file():
                raise ToolError(
                    f"{self.name} in {self.root} has no {path}.",
                    hint="Use ESP-NN 1.2.6, or leave the path out to use the pinned sources.",
                )
        return EspNnSources(tuple(sorted(generic)), tuple(sorted(esp32s3)), tuple(sorted({*_HEADERS, *licences})))

    def read(self, path: str) -> bytes:
        """Content of a file of `sources_for`."""
        return (self.root / path).read_bytes()
